//! `org.argos.Memory1` on the session bus: what was said and done, searchable by meaning.

use serde::{Deserialize, Serialize};
#[cfg(unix)]
use zbus::wire::OwnedFd;
use zbus::wire::Type;

use crate::Result;

/// One remembered thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Memory {
    /// Number, unique in the store, rising.
    pub id: u64,
    /// When it happened.
    pub when_ms: u64,
    /// `said`, `done` or `fact`.
    pub kind: String,
    /// Whose memory it is: an agent's name, or `shared`.
    pub owner: String,
    /// The text itself.
    pub text: String,
    /// Free labels.
    pub tags: Vec<String>,
    /// Similarity to the query, -1 to 1 (cosine); 0 where nothing was searched.
    pub score: f64,
}

/// The memory store of one person.
#[zbus::proxy(
    interface = "org.argos.Memory1",
    default_service = "org.argos.Memory1",
    default_path = "/org/argos/Memory1"
)]
pub trait Memory1 {
    /// Remembers a text and returns its number. It is on disk when this returns.
    /// Errors: `InvalidArguments`, `LimitReached`, `Failed`.
    fn remember(&self, kind: &str, owner: &str, text: &str, tags: &[&str]) -> Result<u64>;
    /// The memories nearest in meaning to `query`, best first. `owner` limits the search to one
    /// owner; empty means all. Falls back to words where no embedding is to be had.
    fn recall(&self, query: &str, owner: &str, limit: u32) -> Result<Vec<Memory>>;
    /// The newest memories, newest first.
    fn recent(&self, owner: &str, limit: u32) -> Result<Vec<Memory>>;
    /// Forgets one memory. Errors: `NotFound`.
    fn forget(&self, id: u64) -> Result<()>;
    /// Writes all memories as JSON lines to `file`; returns how many. On Unix only.
    #[cfg(unix)]
    fn export(&self, file: OwnedFd) -> Result<u64>;
    /// Reads JSON lines as `export` writes them; known ones are kept once. Returns how many were new.
    /// Errors: `InvalidArguments` with the line that is wrong (nothing is imported then). On Unix only.
    #[cfg(unix)]
    fn import(&self, file: OwnedFd) -> Result<u64>;
    /// How many memories there are.
    #[zbus(property(emits_changed_signal = "false"))]
    fn count(&self) -> zbus::fdo::Result<u64>;
}
