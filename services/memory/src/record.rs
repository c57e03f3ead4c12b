//! One remembered thing, and what makes it acceptable.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Longest text, in bytes.
pub const MAX_TEXT: usize = 16 << 10;
/// What a memory can be.
pub const KINDS: [&str; 3] = ["said", "done", "fact"];
const MAX_OWNER: usize = 64;
const MAX_TAGS: usize = 32;
const MAX_TAG: usize = 64;

/// One remembered thing. As JSON it is a line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Number, unique in the store, rising.
    pub id: u64,
    /// When it happened, milliseconds since the Unix epoch.
    pub when_ms: u64,
    /// One of [`KINDS`].
    pub kind: String,
    /// An agent's name, or `shared`.
    pub owner: String,
    /// The text itself.
    pub text: String,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Record {
    /// Whether it may be stored; the error says what is wrong with it.
    pub fn check(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::Invalid(text));
        if !KINDS.contains(&self.kind.as_str()) {
            return invalid(format!(
                "kind `{}` is none of {}",
                self.kind,
                KINDS.join(", ")
            ));
        }
        let name = |text: &str, limit: usize| {
            !text.is_empty() && text.len() <= limit && !text.contains(char::is_control)
        };
        if !name(&self.owner, MAX_OWNER) {
            return invalid(format!(
                "an owner has 1 to {MAX_OWNER} bytes and no control characters"
            ));
        }
        if self.text.trim().is_empty() {
            return invalid("the text is empty".into());
        }
        if self.text.len() > MAX_TEXT {
            return invalid(format!(
                "the text has {} bytes; at most {MAX_TEXT} are remembered",
                self.text.len()
            ));
        }
        if self.tags.len() > MAX_TAGS || !self.tags.iter().all(|t| name(t, MAX_TAG)) {
            return invalid(format!(
                "at most {MAX_TAGS} tags, each of 1 to {MAX_TAG} bytes without control characters"
            ));
        }
        Ok(())
    }

    /// Identifies the content, whatever its number: two records that say the same of the same moment
    /// are one.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.when_ms.to_be_bytes());
        for part in [&self.kind, &self.owner, &self.text]
            .into_iter()
            .chain(&self.tags)
        {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            id: 1,
            when_ms: 5,
            kind: "said".into(),
            owner: "steward".into(),
            text: "hello".into(),
            tags: vec!["a".into()],
        }
    }

    #[test]
    fn what_is_not_acceptable_is_named() {
        record().check().unwrap();
        let refused = |change: &dyn Fn(&mut Record)| {
            let mut r = record();
            change(&mut r);
            r.check().unwrap_err().to_string()
        };
        assert!(refused(&|r| r.kind = "thought".into()).contains("said, done, fact"));
        assert!(refused(&|r| r.owner = String::new()).contains("owner"));
        assert!(refused(&|r| r.owner = "a\nb".into()).contains("owner"));
        assert!(refused(&|r| r.text = " \n".into()).contains("empty"));
        assert!(refused(&|r| r.text = "x".repeat(MAX_TEXT + 1)).contains("16385 bytes"));
        assert!(refused(&|r| r.tags = vec!["t".into(); 33]).contains("tags"));
        assert!(refused(&|r| r.tags = vec![String::new()]).contains("tags"));
    }

    #[test]
    fn hash_is_of_the_content_only() {
        let (a, mut b) = (record(), record());
        b.id = 99;
        assert_eq!(a.hash(), b.hash());
        b.tags = vec![];
        assert_ne!(a.hash(), b.hash());
        // Where one part ends and the next begins matters.
        let (mut c, mut d) = (record(), record());
        (c.owner, c.text) = ("ab".into(), "c".into());
        (d.owner, d.text) = ("a".into(), "bc".into());
        assert_ne!(c.hash(), d.hash());
    }
}
