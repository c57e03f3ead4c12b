//! The audit log: one JSON object a line, one line for every tool call, refused ones too.
//!
//! The rows are a chain: each carries its number, the digest of the row before it and its own, also
//! where a new file is begun. A small file beside the log, the *anchor*, says where the chain stands,
//! so that cutting off its end is found as well.
//!
//! | module | subject |
//! |---|---|
//! | [`Audit`] (`log`) | the broker's side: append, commit, begin another file, go on after a fall |
//! | [`verify`] | anybody's side: read the files and say what does not fit, the broker up or not |
//! | `chain` | how a row becomes a line and a line is checked (pure) |
//! | `anchor` | the file that says where the chain stands |
//!
//! What the chain is worth: it finds every change that does not rewrite all that follows, the
//! anchor included. Whoever can write the person's files can do that; agents cannot. A [`Pin`], kept
//! elsewhere, finds even that.

mod anchor;
mod chain;
mod log;
#[cfg(test)]
mod tests;
mod verify;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

pub use log::{Audit, Commit, Room, tail};
pub use verify::{Finding, Pin, Report, verify};

/// How many old logs are kept.
pub(crate) const KEPT: usize = 4;

/// One call and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// When the call came in, RFC 3339, UTC.
    pub time: String,
    /// Who called: an agent's name, or `person`.
    pub agent: String,
    /// The agent's hash, empty for the person.
    pub hash: String,
    /// Tool.
    pub tool: String,
    /// Arguments as they came.
    pub arguments: Value,
    /// Action that was needed; empty if the call failed before that was known.
    pub action: String,
    /// Resource that was needed.
    pub resource: String,
    /// `allow`, `deny`, or `none` if the call never got to the question.
    pub decision: &'static str,
    /// Who decided: `person (once)`, `grant 12`, `default`, `nobody answered`.
    pub by: String,
    /// `ok`, `denied`, `failed`, `cancelled` (nothing was done), `invalid`, `limited`, `timed-out`
    /// or `stopped` (whether it was done is not known); `begun` is the row before an act that was
    /// confirmed.
    pub outcome: &'static str,
    /// Of how many calls this is the row: of all that the agent made in the second after this one
    /// and that ran into a limit as well. Left out where it is one.
    #[serde(skip_serializing_if = "is_one")]
    pub calls: u64,
    /// From the call to the outcome, waiting for the person included.
    pub duration_ms: u64,
    /// What went wrong, or empty.
    pub error: String,
}

impl Row {
    /// The row of a call that came in at `time` and of which nothing is known yet but who calls what.
    #[must_use]
    pub fn begin(time: String, agent: String, hash: String, tool: String) -> Self {
        Self {
            time,
            agent,
            hash,
            tool,
            arguments: Value::Null,
            action: String::new(),
            resource: String::new(),
            decision: "none",
            by: String::new(),
            outcome: "",
            calls: 1,
            duration_ms: 0,
            error: String::new(),
        }
    }
}

fn is_one(calls: &u64) -> bool {
    *calls == 1
}

/// The log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}; {hint}", path.display())]
pub struct Error {
    path: PathBuf,
    what: &'static str,
    source: std::io::Error,
    hint: &'static str,
}

impl Error {
    /// Something that more room or another disk would mend.
    pub(crate) fn disk(path: impl Into<PathBuf>, what: &'static str, e: std::io::Error) -> Self {
        Self {
            path: path.into(),
            what,
            source: e,
            hint: "free some disk space, then try again",
        }
    }

    /// Something that only its owner can do.
    pub(crate) fn reading(path: impl Into<PathBuf>, e: std::io::Error) -> Self {
        Self {
            path: path.into(),
            what: "the audit log cannot be read",
            source: e,
            hint: "only its owner can read it; run it as the person whose log it is",
        }
    }
}

/// The log, or an old one; the higher the `age` the older.
pub(crate) fn aged(path: &std::path::Path, age: usize) -> PathBuf {
    match age {
        0 => path.to_owned(),
        age => beside(path, &age.to_string()),
    }
}

pub(crate) fn beside(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".");
    name.push(ending);
    name.into()
}
