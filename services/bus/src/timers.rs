//! `org.argos.Timers1` on the session bus, served by the orchestrator: timers and reminders.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// A timer or reminder that has not gone off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Timer {
    /// Number, unique, rising.
    pub id: u64,
    /// `timer` or `reminder`.
    pub kind: String,
    /// The agent that set it, which is told; empty where the person did.
    pub agent: String,
    /// What it is about; may be empty for a timer.
    pub text: String,
    /// When it was set.
    pub set_ms: u64,
    /// When it goes off.
    pub due_ms: u64,
}

/// Timers and reminders of one person. They outlive a restart of the machine: what was missed goes off
/// when the service is back.
#[zbus::proxy(
    interface = "org.argos.Timers1",
    default_service = "org.argos.Timers1",
    default_path = "/org/argos/Timers1"
)]
pub trait Timers1 {
    /// Sets a timer for `agent` (empty: the person) that goes off after `duration` (ISO 8601:
    /// `PT10M`). It is on disk when this returns.
    /// Errors: `InvalidArguments`, `LimitReached`, `Failed`.
    fn set_timer(&self, agent: &str, duration: &str, label: &str) -> Result<Timer>;
    /// Sets a reminder that goes off at `when` (local ISO 8601 date-time: `2026-12-24T18:00`). A time
    /// that a change of the clocks leaves out is the one after it, one that comes twice the first.
    /// Errors: as `set_timer`.
    fn add_reminder(&self, agent: &str, when: &str, text: &str) -> Result<Timer>;
    /// All that have not gone off, the next one first.
    fn list(&self) -> Result<Vec<Timer>>;
    /// Takes one back. Errors: `NotFound`, `Failed`.
    fn cancel(&self, id: u64) -> Result<()>;

    /// One went off.
    #[zbus(signal)]
    fn fired(&self, timer: Timer) -> Result<()>;
}
