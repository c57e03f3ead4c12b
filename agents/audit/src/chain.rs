//! How a row becomes a line of the chain, and how a line is checked.
//!
//! A line is the JSON object of a row with `number` in front and, last of all, `previous` and
//! `digest`. The digest is BLAKE3 over the bytes of the object without `digest`: what `sed
//! 's/,"digest":"[0-9a-f]*"}$/}/'` leaves of the line. Bytes are compared, never meanings: nobody
//! has to agree on how JSON is written.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Row;

/// What the first row has as `previous`.
pub(crate) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const FIELD: &[u8] = br#","digest":""#;
const DIGEST: usize = 64;

/// What a row is that the log wrote on its own account. Calls have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    /// The chain begins; `arguments` has `bytes` and `blake3` of what stands before it in this file.
    Begin,
    /// The line before was torn by a fall, or the lines, where another fall came before this row;
    /// `arguments` has `bytes` and `blake3` of what stands there, without the last end of a line.
    Mended,
    /// Rows that were there are not any more, or nobody knows: what was found when the log was opened.
    Gap,
}

/// Where the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of the last row, 0 before the first.
    pub(crate) number: u64,
    /// Its digest.
    pub(crate) digest: String,
}

impl Head {
    pub(crate) fn start() -> Self {
        Self {
            number: 0,
            digest: START.to_owned(),
        }
    }

    /// The next row as a line, and where the chain stands with it.
    pub(crate) fn line(
        &self,
        row: &Row,
        event: Option<Event>,
        begun: Option<u64>,
    ) -> serde_json::Result<(Vec<u8>, Self)> {
        #[derive(Serialize)]
        struct Line<'a> {
            number: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            event: Option<Event>,
            #[serde(flatten)]
            row: &'a Row,
            #[serde(skip_serializing_if = "Option::is_none")]
            begun: Option<u64>,
            previous: &'a str,
        }
        let number = self.number.saturating_add(1);
        let mut line = serde_json::to_vec(&Line {
            number,
            event,
            row,
            begun,
            previous: &self.digest,
        })?;
        let digest = blake3::hash(&line).to_hex().to_string();
        line.pop();
        line.extend(FIELD);
        line.extend(digest.as_bytes());
        line.extend(b"\"}\n");
        Ok((line, Self { number, digest }))
    }
}

/// What a line says of its place in the chain.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) previous: String,
    pub(crate) digest: String,
    pub(crate) event: Option<Event>,
    pub(crate) arguments: Value,
    /// Whether the digest is the one of this line.
    pub(crate) fits: bool,
}

impl Link {
    /// Reads a line without its end. `None`: it is no row of a chain.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Place {
            number: u64,
            #[serde(default)]
            event: Option<Event>,
            #[serde(default)]
            arguments: Value,
            previous: String,
        }
        let end = line.len().checked_sub(2)?;
        let from = end.checked_sub(DIGEST)?;
        let field = from.checked_sub(FIELD.len())?;
        if &line[end..] != b"\"}" || &line[field..from] != FIELD {
            return None;
        }
        let digest = std::str::from_utf8(&line[from..end]).ok()?;
        let place: Place = serde_json::from_slice(line).ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&line[..field]).update(b"}");
        Some(Self {
            number: place.number,
            previous: place.previous,
            fits: hasher.finalize().to_hex().as_str() == digest,
            digest: digest.to_owned(),
            event: place.event,
            arguments: place.arguments,
        })
    }

    /// Whether its `arguments` are about these bytes.
    pub(crate) fn is_about(&self, bytes: u64, hash: &blake3::Hash) -> bool {
        self.arguments["bytes"].as_u64() == Some(bytes)
            && self.arguments["blake3"].as_str() == Some(hash.to_hex().as_str())
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            number: self.number,
            digest: self.digest.clone(),
        }
    }
}

/// Whether an ended line may be what a fall left of a row: never a whole object, which would read like
/// a row.
pub(crate) fn is_torn(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err()
}
