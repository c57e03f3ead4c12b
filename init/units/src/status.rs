//! Where a unit stands, as the control socket and D-Bus report it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The actual state of a unit. What is *wanted* of it is a separate field of [`UnitStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnitState {
    /// Nothing of it runs and nothing went wrong.
    Down,
    /// Wanted; waits for the units before it.
    Waiting,
    /// Its process runs and has not said that it is ready.
    Starting,
    /// Ready; for a oneshot: done.
    Up,
    /// Told to stop; its processes are not all gone.
    Stopping,
    /// It failed and is started again when the pause is over.
    BackingOff,
    /// It failed and stays down until somebody starts it, or what it requires comes back.
    Failed,
}

impl UnitState {
    /// The word used on D-Bus and by the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Stopping => "stopping",
            Self::BackingOff => "backing-off",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for UnitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One unit and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// Name, without the file's ending: `seatd`, `user@1000`.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// `service`, `oneshot`, `socket`, `timer`, `target`, `mount` or `path`.
    pub kind: String,
    /// Whether somebody wants it up.
    pub wanted: bool,
    /// Actual state.
    pub state: UnitState,
    /// Why it is in this state, or empty.
    pub detail: String,
    /// Main process, 0 if none.
    pub pid: u32,
    /// How often it was restarted since it was last asked to start.
    pub restarts: u32,
    /// When it entered this state, in milliseconds of `CLOCK_BOOTTIME` (since the kernel began).
    pub since_ms: u64,
}
