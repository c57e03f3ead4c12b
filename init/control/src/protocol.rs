//! Requests, replies and their limits.

use argos_units::{TransientUnit, UnitStatus};
use serde::{Deserialize, Serialize};

/// Version of the protocol, the first byte of each frame.
pub const VERSION: u8 = 2;
/// Largest payload of a request, in bytes.
pub const MAX_REQUEST: usize = 256 << 10;
/// Largest payload of a reply, in bytes.
pub const MAX_REPLY: usize = 4 << 20;
/// Most file descriptors with one request.
pub const MAX_FDS: usize = 16;
/// Most lines that one [`Request::Log`] yields.
pub const MAX_LINES: u32 = 5_000;

/// What a client asks. Each request gets exactly one [`Reply`], except after
/// [`Request::Subscribe`], when events follow without end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Every unit. Answer: [`Reply::Units`].
    Status,
    /// One unit. Answer: [`Reply::Units`] with one entry.
    Unit {
        /// Name of the unit.
        name: String,
    },
    /// Start it and what it requires; answered when it is up or has failed.
    Start {
        /// Name of the unit; an instance of a template is made if there is none.
        name: String,
    },
    /// Stop it and what requires it; answered when it is down.
    Stop {
        /// Name of the unit.
        name: String,
    },
    /// Stop it if it runs, then start it; answered when it is up again or has failed.
    Restart {
        /// Name of the unit.
        name: String,
    },
    /// The last lines that it printed. Answer: [`Reply::Lines`].
    Log {
        /// Name of the unit.
        name: String,
        /// Most lines, up to [`MAX_LINES`].
        lines: u32,
    },
    /// Stop everything in order and switch the machine off (a user supervisor: end).
    Poweroff,
    /// Stop everything in order and restart the machine (a user supervisor: refused).
    Reboot,
    /// Read the unit files again. Answer: [`Reply::Lines`], one for each unit left out.
    Reload,
    /// Start a unit that is described here; answered when it is up or has failed.
    StartTransient(Box<TransientUnit>),
    /// Answered when it is down or has failed.
    Wait {
        /// Name of the unit.
        name: String,
    },
    /// From now on [`Reply::Event`] for every change; first one for each unit as it stands.
    Subscribe,
    /// The bridge reports that a bus name got an owner or lost it.
    BusName {
        /// The well-known name.
        name: String,
        /// Whether somebody owns it.
        present: bool,
    },
    /// What was wrong with the unit files when they were last read. Answer: [`Reply::Lines`], one
    /// for each mistake.
    Problems,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done.
    Done,
    /// Units, ordered by name.
    Units(Vec<UnitStatus>),
    /// Lines of text.
    Lines(Vec<String>),
    /// It was refused or failed.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people: what was tried, why it failed, what to do.
        message: String,
    },
    /// Something changed.
    Event(Event),
}

/// Why a request was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorCode {
    /// No such unit.
    NotFound,
    /// The peer may not ask that.
    Denied,
    /// It was tried and did not work.
    Failed,
    /// The request makes no sense.
    Invalid,
}

/// What subscribers hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A unit as it stands now.
    Unit(UnitStatus),
    /// A transient unit is gone.
    Removed(String),
}
