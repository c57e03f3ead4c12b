//! The anchor: a small file that says where the chain stands.
//!
//! It never says more than what is on disk: the log is committed first. After a fall the log may be
//! ahead of it by what came within the last second; where it is ahead of the log, rows were cut off.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::chain::{Head, START};

const VERSION: u32 = 1;

/// What is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchor {
    version: u32,
    /// Number of the first row that has to be there: those before were given up with old logs.
    pub(crate) first: u64,
    /// Number of the last row that was committed.
    pub(crate) last: u64,
    /// Its digest.
    pub(crate) digest: String,
}

/// What became of reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is not there.
    Nothing,
    /// It cannot be understood; why.
    Damaged(String),
    /// Here it is.
    Anchor(Anchor),
}

impl Default for Anchor {
    fn default() -> Self {
        Self {
            version: VERSION,
            first: 1,
            last: 0,
            digest: START.to_owned(),
        }
    }
}

impl Anchor {
    pub(crate) fn head(&self) -> Head {
        Head {
            number: self.last,
            digest: self.digest.clone(),
        }
    }

    /// Where the anchor of a log is.
    pub(crate) fn path(log: &Path) -> PathBuf {
        log.with_extension("anchor")
    }

    pub(crate) fn read(log: &Path) -> Found {
        let read = std::fs::read(Self::path(log));
        match read {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Found::Nothing,
            Err(e) => Found::Damaged(e.to_string()),
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(anchor) if anchor.version == VERSION => Found::Anchor(anchor),
                Ok(anchor) => Found::Damaged(format!("version {} is not known", anchor.version)),
                Err(e) => Found::Damaged(e.to_string()),
            },
        }
    }

    /// Puts it on disk, if it says more than what is there.
    pub(crate) fn advance(
        &mut self,
        log: &Path,
        head: &Head,
        first: Option<u64>,
    ) -> std::io::Result<()> {
        let mut next = self.clone();
        next.first = next.first.max(first.unwrap_or(0));
        if head.number > next.last {
            next.last = head.number;
            next.digest.clone_from(&head.digest);
        }
        if next == *self {
            return Ok(());
        }
        let mut text = serde_json::to_vec(&next)?;
        text.push(b'\n');
        argos_config::write_atomically(&Self::path(log), &text).map_err(std::io::Error::other)?;
        *self = next;
        Ok(())
    }
}
