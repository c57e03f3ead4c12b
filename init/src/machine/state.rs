//! Where a unit stands, and what becomes of it.

use argos_units::{Kind, Restart, Unit, UnitState};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    pub(super) fn is_success(self) -> bool {
        self == Self::Status(0)
    }

    pub(super) fn describe(self) -> String {
        match self {
            Self::Status(126) => {
                "ended with status 126 (it could not be set up, see its log)".into()
            }
            Self::Status(127) => {
                "ended with status 127 (the program is missing, see its log)".into()
            }
            Self::Status(code) => format!("ended with status {code}"),
            Self::Signal(9) => "was killed (signal 9)".into(),
            Self::Signal(11) => "crashed (signal 11)".into(),
            Self::Signal(6) => "aborted (signal 6)".into(),
            Self::Signal(number) => format!("was ended by signal {number}"),
        }
    }
}

/// Where a unit actually stands. What each means for others is told in [`UnitState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing of it runs.
    Down,
    /// Wanted; waits for its order.
    Waiting,
    /// Runs, not ready. `deadline`: when it is too late.
    Starting { pid: Option<u32>, deadline: u64 },
    /// Ready. `alarm`: when a timer or path looks again.
    Up {
        pid: Option<u32>,
        alarm: Option<u64>,
    },
    /// Its processes are being ended.
    Stopping {
        pid: Option<u32>,
        killed: bool,
        next: u64,
        give_up: u64,
        outcome: Outcome,
    },
    /// Failed; starts again at `until`.
    BackingOff { until: u64 },
    /// Failed for good. `by_dependency`: comes back when what it requires does.
    Failed { by_dependency: bool },
}

/// What becomes of a run that is being ended, if the unit is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It stops because it was told to.
    Told,
    /// It ended by itself and well, and nothing says that it should run again.
    Finished,
    /// It failed, or ended though it should always run.
    Again,
    /// It failed and is not to be restarted.
    Failed,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) unit: Unit,
    pub(super) wanted: bool,
    pub(super) must_stop: bool,
    pub(super) state: State,
    pub(super) detail: String,
    /// Counts the runs, so that late news about an earlier run is recognised.
    pub(super) run: u64,
    pub(super) restarts: u32,
    pub(super) failures: u32,
    pub(super) since: u64,
    /// Disappears when it is down: transient, or no longer in the graph.
    pub(super) vanishes: bool,
    /// Its definition as of the last reload, taken when it is down.
    pub(super) replacement: Option<Unit>,
}

impl Entry {
    pub(super) fn is_active(&self) -> bool {
        matches!(
            self.state,
            State::Starting { .. } | State::Up { .. } | State::Stopping { .. }
        )
    }

    /// Whether those that start after it should go on waiting.
    pub(super) fn is_about_to_be_up(&self) -> bool {
        match self.state {
            State::Waiting | State::Starting { .. } => true,
            State::Down => self.wanted,
            State::Stopping {
                outcome: Outcome::Told,
                ..
            } => self.wanted,
            _ => false,
        }
    }

    /// Whether it will not come up without somebody asking.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.state, State::Failed { .. })
            || (matches!(self.state, State::Down) && !self.wanted)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        match self.state {
            State::Starting { pid, .. } | State::Up { pid, .. } | State::Stopping { pid, .. } => {
                pid
            }
            _ => None,
        }
    }

    pub(super) fn public_state(&self) -> UnitState {
        match self.state {
            State::Down => UnitState::Down,
            State::Waiting => UnitState::Waiting,
            State::Starting { .. } => UnitState::Starting,
            State::Up { .. } => UnitState::Up,
            State::Stopping { .. } => UnitState::Stopping,
            State::BackingOff { .. } => UnitState::BackingOff,
            State::Failed { .. } => UnitState::Failed,
        }
    }
}

/// Whether the process of such a unit is meant to end, and the unit to be up from then on.
pub(super) fn ends_well(unit: &Unit) -> bool {
    matches!(unit.kind, Kind::Oneshot(_) | Kind::Mount(_))
}

/// When a run that ended is begun again. What looks for a path is a process of the supervisor's own
/// making, whose death is nobody's wish.
pub(super) fn restarts(unit: &Unit) -> Restart {
    match &unit.kind {
        Kind::Path(_) => Restart::Always,
        _ => unit
            .process()
            .map_or(Restart::No, |process| process.restart),
    }
}

pub(super) fn stopping(pid: Option<u32>, now: u64, outcome: Outcome) -> State {
    State::Stopping {
        pid,
        killed: false,
        next: now,
        give_up: u64::MAX,
        outcome,
    }
}

pub(super) fn new_entry(unit: Unit, now: u64) -> Entry {
    Entry {
        unit,
        wanted: false,
        must_stop: false,
        state: State::Down,
        detail: String::new(),
        run: 0,
        restarts: 0,
        failures: 0,
        since: now,
        vanishes: false,
        replacement: None,
    }
}
