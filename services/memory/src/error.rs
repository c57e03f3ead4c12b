//! What can go wrong with a store, one variant a failed step.

use std::path::PathBuf;

/// A failed step. The text is meant for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record or argument is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// A line of an import is wrong; nothing was imported.
    #[error("line {line}: {reason}; nothing was imported")]
    Line {
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such memory.
    #[error("there is no memory {0}")]
    NotFound(u64),
    /// The disk or the allowed size is used up. Nothing that was stored before is lost.
    #[error(
        "no room to store this in {path}: {reason}; free some space and try again, nothing is lost"
    )]
    Full {
        /// The store.
        path: PathBuf,
        /// What is used up.
        reason: String,
    },
    /// The store is damaged.
    #[error("the store in {path} is damaged: {reason}")]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The store was written by a newer version of this program.
    #[error(
        "the store in {path} has format {found}, this program knows {known}; use the newer program"
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Format of the store.
        found: u64,
        /// Format of this program.
        known: u64,
    },
    /// The file system refused something.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Any other failure of the database.
    #[error("the store in {path} failed: {reason}")]
    Failed {
        /// The store.
        path: PathBuf,
        /// What LMDB said.
        reason: String,
    },
}

/// The result of the store's calls.
pub type Result<T> = std::result::Result<T, Error>;
