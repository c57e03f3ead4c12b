//! The service graph: which units are wanted, how each stands, and what is done about it.
//!
//! # How it works
//!
//! **Wanted and actual are separate.** A unit is *wanted* when somebody asked for it, or for
//! something that requires or wants it. Its *actual* [`State`] only ever changes because of
//! something that happened: a process ended, said that it is ready, a time ran out, a neighbour
//! changed. Nobody sets the state of a unit to make it run; one says that it is wanted, and the
//! machine finds the way.
//!
//! ```text
//!            wanted                    all before it settled
//!   Down ───────────────▶ Waiting ───────────────────────────▶ Starting ──ready──▶ Up
//!    ▲                      ▲  │ what it requires failed           │               │
//!    │                      │  ▼                                   │ failed,       │ ended by itself,
//!    │                      │ Failed ◀──── no restart ────┐        │ too late      │ told to stop
//!    │                      │                             │        ▼               ▼
//!    │                      └── BackingOff ◀── restart ── ┴──── Stopping ◀──────────
//!    └───────────────────────────── not wanted ─────────────────────┘
//! ```
//!
//! **Stopping is the only way out of a run.** However a run ends, the unit passes through
//! `Stopping`, which holds what is to become of it ([`Outcome`]), until the last process of its
//! group is gone. So two runs of one unit never overlap, and nothing that it started outlives it.
//! First comes SIGTERM to the main process, and when the unit's time is over or the main process
//! is gone, SIGKILL to the whole group.
//!
//! **Transitions have two phases and never recurse.** A request or an event first *marks*: it
//! walks the dependencies with a work list, sets `wanted` and `must_stop`, and puts the units that
//! are touched into a queue. Then [`Machine::settle`] *acts*: it takes one unit from the queue at
//! a time, looks at it and its neighbours, makes at most one step, and queues the neighbours if it
//! did. Depth of the graph costs no stack, and each step sees a consistent picture.
//!
//! **Who decides.** Requests set `wanted`. `must_stop` says that a unit has to pass through `Down`
//! whatever is wanted of it: it is set on a unit that is stopped or restarted, and on everything
//! that (transitively) requires a unit which stops, also when that one died. A unit that is still
//! wanted starts again once its requirements are back.
//!
//! **Order.** A unit starts when everything in its `requires` is up and everything in its `after`
//! (for a target also `wants`) has settled, that is, is not about to become up. It stops when
//! everything that starts after it and has to stop as well is down: stops run in reverse order.
//!
//! **What interrupts what.** A stop interrupts a start. A start asked for during a stop is
//! remembered (`wanted`) and happens after it. A second stop changes nothing. The pause before a
//! restart doubles from [`BACKOFF_FIRST_MS`] to [`BACKOFF_LAST_MS`] and begins anew after a run of
//! [`BACKOFF_FORGET_MS`]; a start or stop that is asked for cuts it short.
//!
//! **Edges.** Processes, cgroups and files are behind [`Backend`]; time is passed in, in
//! milliseconds of a clock that never goes back. So the machine is tested with a mock process
//! world and invented time (`tests.rs` beside this file).
//!
//! The files: `marking` is phase one, `events` what comes in, `acting` phase two, `state` what a unit
//! can be in. Neighbours: `supervisor` drives this with real events, `process` is the real backend.

mod acting;
mod events;
mod marking;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use argos_units::{Unit, UnitStatus};

pub use state::Exit;
use state::{Entry, State};

/// First pause before a restart, in milliseconds; doubles with each failure.
pub const BACKOFF_FIRST_MS: u64 = 100;
/// Longest pause before a restart, in milliseconds.
pub const BACKOFF_LAST_MS: u64 = 30_000;
/// A unit that was up for this long starts with the first pause again, in milliseconds.
pub const BACKOFF_FORGET_MS: u64 = 10_000;
/// After how many failures in a row those who wait are told.
const STUCK_AFTER: u32 = 3;
/// How often a group that should be empty is looked at, in milliseconds.
const DRAIN_POLL_MS: u64 = 10;
/// When a killed group is given up, in milliseconds: its processes hang inside the kernel.
const DRAIN_LIMIT_MS: u64 = 10_000;
/// How often a path is looked for, in milliseconds.
pub const PATH_POLL_MS: u64 = 500;
/// Most units at a time, transient ones and instances included.
pub const MAX_UNITS: usize = 8192;
/// Most instances of templates that one request makes.
const MAX_INSTANCES: usize = 64;
/// Most steps before the loop gets its turn again.
const MAX_STEPS: usize = 50_000;

/// The outside world, as the machine needs it. None of the calls may block.
pub trait Backend {
    /// Begins a run. For services, oneshots and mounts, and for paths where a process looks for
    /// them, yields the main process; for the others nothing. All but services, oneshots and mounts
    /// are up at once. The error is text for people.
    fn start(&mut self, unit: &Unit, run: u64) -> Result<Option<u32>, String>;
    /// Asks the main process to end.
    fn terminate(&mut self, unit: &Unit);
    /// Kills every process of the unit.
    fn kill(&mut self, unit: &Unit);
    /// Whether no process of the unit is left, that which cleans up after it included. Asked from
    /// the time on when the unit's processes were killed, until it is so.
    fn is_empty(&mut self, unit: &Unit) -> bool;
    /// The run is over and its group empty (or given up): free what it held.
    fn release(&mut self, unit: &Unit);
    /// Whether the path that a path unit waits for was there when it was last looked for.
    fn path_exists(&mut self, unit: &Unit) -> bool;
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such unit, nor a template for it.
    NotFound(String),
    /// It cannot be done; text for people.
    Invalid(String),
}

/// What the machine tells its driver after each call.
#[derive(Debug, Default)]
pub struct News {
    /// Units whose status changed, once each.
    pub changed: BTreeSet<String>,
    /// Units that are gone: name, and what went wrong if something did.
    pub removed: Vec<(String, Option<String>)>,
    /// Lines for the supervisor's own log.
    pub notes: Vec<Note>,
}

/// One line for the supervisor's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look at it.
    pub warning: bool,
    /// The text.
    pub text: String,
}

/// The service graph. See the module's page.
#[derive(Debug, Default)]
pub struct Machine {
    entries: BTreeMap<String, Entry>,
    templates: BTreeMap<String, Unit>,
    /// For each unit those that start after it, with whether they require it.
    after_me: HashMap<String, Vec<(String, bool)>>,
    queue: VecDeque<String>,
    queued: BTreeSet<String>,
    news: News,
    closing: bool,
    runs: u64,
}

impl Machine {
    /// A machine without units.
    pub fn new() -> Self {
        Self::default()
    }

    /// One unit as it stands.
    pub fn status(&self, name: &str) -> Option<UnitStatus> {
        self.entries.get(name).map(Self::report)
    }

    /// Every unit, ordered by name.
    pub fn statuses(&self) -> impl Iterator<Item = UnitStatus> {
        self.entries.values().map(Self::report)
    }

    /// The unit's definition.
    pub fn unit(&self, name: &str) -> Option<&Unit> {
        self.entries.get(name).map(|entry| &entry.unit)
    }

    /// The number of the unit's latest run, which rises with each start.
    pub fn run(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.run)
    }

    /// When [`Machine::tick`] has something to do, in milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.entries
            .values()
            .filter_map(|entry| Self::deadline(&entry.state))
            .min()
    }

    /// Whether no unit runs or is about to.
    pub fn is_idle(&self) -> bool {
        self.entries
            .values()
            .all(|e| matches!(e.state, State::Down | State::Failed { .. }))
    }

    /// Whether steps are left because [`Machine::settle`] hit its bound; call [`Machine::tick`].
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Units that are not down, for the message on a slow shutdown.
    pub fn active(&self) -> impl Iterator<Item = &str> {
        self.entries
            .values()
            .filter(|e| e.is_active())
            .map(|e| e.unit.name.as_str())
    }

    /// What keeps failing and thereby keeps `name` waiting: somebody who waits for `name` should
    /// hear of it. Names the unit and its failure.
    pub fn stuck_behind(&self, name: &str) -> Option<(String, String)> {
        let mut list = vec![name];
        let mut seen = BTreeSet::from([name]);
        while let Some(at) = list.pop() {
            let Some(entry) = self.entries.get(at) else {
                continue;
            };
            if matches!(entry.state, State::BackingOff { .. }) && entry.failures >= STUCK_AFTER {
                return Some((at.to_owned(), entry.detail.clone()));
            }
            list.extend(
                entry
                    .unit
                    .requires
                    .iter()
                    .map(String::as_str)
                    .filter(|n| seen.insert(n)),
            );
        }
        None
    }

    /// What happened since the last call.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    fn report(entry: &Entry) -> UnitStatus {
        UnitStatus {
            name: entry.unit.name.clone(),
            description: entry.unit.description.clone(),
            kind: entry.unit.kind.as_str().to_owned(),
            wanted: entry.wanted,
            state: entry.public_state(),
            detail: entry.detail.clone(),
            pid: entry.pid().unwrap_or(0),
            restarts: entry.restarts,
            since_ms: entry.since,
        }
    }

    fn deadline(state: &State) -> Option<u64> {
        match state {
            State::Starting { deadline, .. } => Some(*deadline),
            State::Up { alarm, .. } => *alarm,
            State::Stopping { next, .. } => Some(*next),
            State::BackingOff { until } => Some(*until),
            State::Down | State::Waiting | State::Failed { .. } => None,
        }
    }
}
