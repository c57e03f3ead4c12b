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
//! Neighbours: `supervisor` drives this with real events, `process` is the real backend.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use argos_units::{Graph, Kind, Readiness, Restart, Unit, UnitState, UnitStatus, name};

#[cfg(test)]
mod tests;

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
/// How often a path unit looks, in milliseconds.
const PATH_POLL_MS: u64 = 500;
/// Most units at a time, transient ones and instances included.
pub const MAX_UNITS: usize = 8192;
/// Most instances of templates that one request makes.
const MAX_INSTANCES: usize = 64;
/// Most steps before the loop gets its turn again.
const MAX_STEPS: usize = 50_000;

/// The outside world, as the machine needs it. None of the calls may block.
pub trait Backend {
    /// Begins a run. For services, oneshots and mounts yields the main process; for the others
    /// nothing, and they are up at once. The error is text for people.
    fn start(&mut self, unit: &Unit, run: u64) -> Result<Option<u32>, String>;
    /// Asks the main process to end.
    fn terminate(&mut self, unit: &Unit);
    /// Kills every process of the unit.
    fn kill(&mut self, unit: &Unit);
    /// Whether no process of the unit is left.
    fn is_empty(&mut self, unit: &Unit) -> bool;
    /// The run is over and its group empty (or given up): free what it held.
    fn release(&mut self, unit: &Unit);
    /// Whether a path exists, for path units.
    fn path_exists(&mut self, path: &str) -> bool;
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    fn is_success(self) -> bool {
        self == Self::Status(0)
    }

    fn describe(self) -> String {
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
enum State {
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
enum Outcome {
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
struct Entry {
    unit: Unit,
    wanted: bool,
    must_stop: bool,
    state: State,
    detail: String,
    /// Counts the runs, so that late news about an earlier run is recognised.
    run: u64,
    restarts: u32,
    failures: u32,
    since: u64,
    /// Disappears when it is down: transient, or no longer in the graph.
    vanishes: bool,
    /// Its definition as of the last reload, taken when it is down.
    replacement: Option<Unit>,
}

impl Entry {
    fn is_active(&self) -> bool {
        matches!(
            self.state,
            State::Starting { .. } | State::Up { .. } | State::Stopping { .. }
        )
    }

    /// Whether those that start after it should go on waiting.
    fn is_about_to_be_up(&self) -> bool {
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
    fn is_out(&self) -> bool {
        matches!(self.state, State::Failed { .. })
            || (matches!(self.state, State::Down) && !self.wanted)
    }

    fn pid(&self) -> Option<u32> {
        match self.state {
            State::Starting { pid, .. } | State::Up { pid, .. } | State::Stopping { pid, .. } => {
                pid
            }
            _ => None,
        }
    }

    fn public_state(&self) -> UnitState {
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

    // ---- Questions -------------------------------------------------------------------------

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

    // ---- Requests: phase one, marking -------------------------------------------------------

    /// Takes a new graph. Units that run keep running under their old definition until they are
    /// next down; units that are gone from the graph stop and disappear.
    pub fn load(&mut self, graph: Graph, now: u64, backend: &mut dyn Backend) {
        self.templates = graph
            .templates
            .into_iter()
            .map(|t| (t.name.clone(), t))
            .collect();
        let mut gone: BTreeSet<String> = self.entries.keys().cloned().collect();
        for unit in graph.units {
            gone.remove(&unit.name);
            self.put(unit, now);
        }
        for name in gone {
            let instance = name::split_instance(&name)
                .and_then(|(template, i)| self.templates.get(template).map(|t| t.instantiate(i)));
            if let Some(unit) = instance {
                self.put(unit, now);
            } else if let Some(entry) = self.entries.get_mut(&name)
                && !entry.vanishes
            {
                entry.vanishes = true;
                self.mark_stopped(&name);
            }
        }
        self.index();
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            self.enqueue(&name);
        }
        self.settle(now, backend);
    }

    fn put(&mut self, unit: Unit, now: u64) {
        match self.entries.get_mut(&unit.name) {
            Some(entry) if entry.is_active() => {
                entry.vanishes = false;
                entry.replacement = (entry.unit != unit).then_some(unit);
            }
            Some(entry) => {
                entry.vanishes = false;
                entry.unit = unit;
            }
            None => drop(self.entries.insert(unit.name.clone(), new_entry(unit, now))),
        }
    }

    /// Rebuilds who comes after whom.
    fn index(&mut self) {
        self.after_me.clear();
        for entry in self.entries.values() {
            for before in entry.unit.before_me() {
                let required = entry.unit.requires.iter().any(|name| name == before);
                let list = self.after_me.entry(before.to_owned()).or_default();
                match list.iter_mut().find(|(name, _)| *name == entry.unit.name) {
                    Some((_, known)) => *known |= required,
                    None => list.push((entry.unit.name.clone(), required)),
                }
            }
        }
    }

    /// Makes the instance of a template if `name` is one and is not there.
    fn ensure(&mut self, name: &str, now: u64) -> Result<(), Refusal> {
        if self.entries.contains_key(name) {
            return Ok(());
        }
        let not_found = || Refusal::NotFound(format!("there is no unit `{name}`"));
        if !name::is_valid(name) {
            return Err(not_found());
        }
        let mut made: Vec<Unit> = Vec::new();
        let mut list = vec![name.to_owned()];
        while let Some(wanted) = list.pop() {
            if self.entries.contains_key(&wanted) || made.iter().any(|unit| unit.name == wanted) {
                continue;
            }
            let template = name::split_instance(&wanted)
                .and_then(|(template, i)| self.templates.get(template).map(|t| t.instantiate(i)));
            let Some(unit) = template.filter(|_| made.len() < MAX_INSTANCES) else {
                if wanted == name {
                    return Err(not_found());
                }
                return Err(Refusal::Invalid(format!(
                    "`{name}` needs `{wanted}`, which does not exist"
                )));
            };
            list.extend(unit.requires.iter().chain(&unit.wants).cloned());
            made.push(unit);
        }
        made.into_iter()
            .try_for_each(|unit| self.add(unit, false, now))
    }

    fn add(&mut self, unit: Unit, vanishes: bool, now: u64) -> Result<(), Refusal> {
        if self.entries.len() >= MAX_UNITS {
            return Err(Refusal::Invalid(format!(
                "there are {MAX_UNITS} units already"
            )));
        }
        let name = unit.name.clone();
        let mut entry = new_entry(unit, now);
        entry.vanishes = vanishes;
        self.entries.insert(name, entry);
        self.index();
        Ok(())
    }

    /// Wants a unit, all it requires and all it wants.
    pub fn start(
        &mut self,
        name: &str,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        self.ensure(name, now)?;
        self.mark_wanted(name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Starts a unit that disappears when it is down.
    pub fn start_transient(
        &mut self,
        unit: Unit,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        if !name::is_valid(&unit.name) || name::is_template(&unit.name) {
            return Err(Refusal::Invalid(format!(
                "`{}` is no usable unit name",
                unit.name
            )));
        }
        if self.entries.contains_key(&unit.name) {
            return Err(Refusal::Invalid(format!(
                "there is a unit `{}` already",
                unit.name
            )));
        }
        let name = unit.name.clone();
        self.add(unit, true, now)?;
        self.mark_wanted(&name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Wants a unit no longer, nor what requires it.
    pub fn stop(&mut self, name: &str, now: u64, backend: &mut dyn Backend) -> Result<(), Refusal> {
        if !self.entries.contains_key(name) {
            return Err(Refusal::NotFound(format!("there is no unit `{name}`")));
        }
        self.mark_stopped(name);
        self.settle(now, backend);
        Ok(())
    }

    /// Has a unit pass through down; what requires it follows and comes back with it.
    pub fn restart(
        &mut self,
        name: &str,
        now: u64,
        backend: &mut dyn Backend,
    ) -> Result<(), Refusal> {
        if self.closing {
            return Err(Refusal::Invalid("everything is being stopped".into()));
        }
        self.ensure(name, now)?;
        for unit in self.requirers(name) {
            self.mark_must_stop(&unit);
        }
        self.mark_must_stop(name);
        self.mark_wanted(name, now);
        self.settle(now, backend);
        Ok(())
    }

    /// Stops everything in order; from now on nothing starts.
    pub fn close(&mut self, now: u64, backend: &mut dyn Backend) {
        self.closing = true;
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.wanted = false;
            }
            self.mark_must_stop(&name);
        }
        self.settle(now, backend);
    }

    /// Kills what is left, in no order.
    pub fn kill_all(&mut self, now: u64, backend: &mut dyn Backend) {
        self.close(now, backend);
        for name in self.entries.keys().cloned().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            if entry.is_active() {
                if !matches!(entry.state, State::Stopping { .. }) {
                    entry.state = stopping(entry.pid(), now, Outcome::Told);
                }
                self.kill(&name, now, backend);
            }
        }
        self.settle(now, backend);
    }

    fn mark_wanted(&mut self, name: &str, now: u64) {
        let mut list = vec![name.to_owned()];
        let mut seen: BTreeSet<String> = list.iter().cloned().collect();
        while let Some(name) = list.pop() {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            if !entry.wanted {
                entry.wanted = true;
                entry.restarts = 0;
                self.news.changed.insert(name.clone());
            }
            if matches!(entry.state, State::Failed { .. } | State::BackingOff { .. }) {
                entry.state = State::Down;
                entry.since = now;
                entry.failures = 0;
                entry.restarts = 0;
                entry.detail.clear();
                self.news.changed.insert(name.clone());
            }
            for need in entry.unit.requires.iter().chain(&entry.unit.wants) {
                if seen.insert(need.clone()) {
                    list.push(need.clone());
                }
            }
            self.enqueue(&name);
        }
    }

    fn mark_stopped(&mut self, name: &str) {
        let mut list = self.requirers(name);
        list.push(name.to_owned());
        for name in list {
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.wanted
            {
                entry.wanted = false;
                self.news.changed.insert(name.clone());
            }
            self.mark_must_stop(&name);
        }
    }

    fn mark_must_stop(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.must_stop = matches!(entry.state, State::Starting { .. } | State::Up { .. });
            self.touch(name);
        }
    }

    /// Everything that requires `name`, directly or not.
    fn requirers(&self, name: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::from([name]);
        let mut list = vec![name];
        while let Some(at) = list.pop() {
            for (after, required) in self.after_me.get(at).into_iter().flatten() {
                if *required && seen.insert(after) {
                    found.push(after.clone());
                    list.push(after);
                }
            }
        }
        found
    }

    fn enqueue(&mut self, name: &str) {
        if self.queued.insert(name.to_owned()) {
            self.queue.push_back(name.to_owned());
        }
    }

    /// Queues a unit and everybody who looks at its state.
    fn touch(&mut self, name: &str) {
        self.enqueue(name);
        for (after, _) in self.after_me.get(name).cloned().unwrap_or_default() {
            self.enqueue(&after);
        }
        let before: Vec<String> = match self.entries.get(name) {
            Some(entry) => entry.unit.before_me().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        for name in before {
            self.enqueue(&name);
        }
    }

    // ---- Events ------------------------------------------------------------------------------

    /// The main process of a run ended.
    pub fn exited(
        &mut self,
        name: &str,
        run: u64,
        exit: Exit,
        now: u64,
        backend: &mut dyn Backend,
    ) {
        let Some(entry) = self.entries.get_mut(name).filter(|entry| entry.run == run) else {
            return;
        };
        match entry.state {
            State::Starting { .. } if exit.is_success() && ends_well(&entry.unit) => {
                backend.kill(&entry.unit);
                self.enter(
                    name,
                    State::Up {
                        pid: None,
                        alarm: None,
                    },
                    String::new(),
                    now,
                );
            }
            State::Starting { .. } | State::Up { .. } => {
                let was_up = matches!(entry.state, State::Up { .. });
                let policy = entry.unit.process().map_or(Restart::No, |p| p.restart);
                let again = match policy {
                    Restart::Always => true,
                    Restart::OnFailure => !exit.is_success(),
                    Restart::No => false,
                };
                let outcome = match (again, exit.is_success() && was_up) {
                    (true, _) => Outcome::Again,
                    (false, true) => Outcome::Finished,
                    (false, false) => Outcome::Failed,
                };
                if was_up && now.saturating_sub(entry.since) >= BACKOFF_FORGET_MS {
                    entry.failures = 0;
                }
                let detail = if was_up {
                    exit.describe()
                } else {
                    format!("{} before it was ready", exit.describe())
                };
                if entry.must_stop || !entry.wanted {
                    // It was about to be told to stop and ended before that.
                    self.run_ends(name, None, Outcome::Told, String::new(), now);
                } else {
                    if outcome != Outcome::Finished {
                        self.note(true, format!("{name} {detail}"));
                    }
                    self.run_ends(name, None, outcome, detail, now);
                }
                self.kill(name, now, backend);
            }
            State::Stopping { ref mut pid, .. } => {
                *pid = None;
                self.kill(name, now, backend);
            }
            State::Down | State::Waiting | State::BackingOff { .. } | State::Failed { .. } => {}
        }
        self.settle(now, backend);
    }

    /// A run says that it is ready.
    pub fn ready(&mut self, name: &str, run: u64, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get(name).filter(|entry| entry.run == run) else {
            return;
        };
        if let State::Starting { pid, .. } = entry.state {
            self.enter(name, State::Up { pid, alarm: None }, String::new(), now);
            self.settle(now, backend);
        }
    }

    /// A run describes itself (`STATUS=` of the notify protocol).
    pub fn describe(&mut self, name: &str, run: u64, text: &str) {
        if let Some(entry) = self.entries.get_mut(name)
            && entry.run == run
            && matches!(entry.state, State::Starting { .. } | State::Up { .. })
        {
            entry.detail = text.chars().filter(|c| !c.is_control()).take(200).collect();
            self.news.changed.insert(name.to_owned());
        }
    }

    /// Time has passed: does what is due.
    pub fn tick(&mut self, now: u64, backend: &mut dyn Backend) {
        let due: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| Self::deadline(&entry.state).is_some_and(|at| at <= now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.due(&name, now, backend);
        }
        self.settle(now, backend);
    }

    fn due(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        match entry.state {
            State::Starting { .. } => {
                let policy = entry.unit.process().map_or(Restart::No, |p| p.restart);
                let outcome = match policy {
                    Restart::No => Outcome::Failed,
                    Restart::Always | Restart::OnFailure => Outcome::Again,
                };
                let detail = format!("was not ready after {} ms", entry.unit.ready_timeout_ms);
                self.note(true, format!("{name} {detail}"));
                let pid = self.entries.get(name).and_then(Entry::pid);
                self.run_ends(name, pid, outcome, detail, now);
                self.terminate(name, now, backend);
            }
            State::Stopping { killed: false, .. } => {
                let detail = format!(
                    "did not end {} ms after SIGTERM and was killed",
                    entry.unit.stop_timeout_ms
                );
                self.note(true, format!("{name} {detail}"));
                self.kill(name, now, backend);
            }
            State::Stopping {
                killed: true,
                ref mut next,
                ..
            } => {
                *next = now + DRAIN_POLL_MS;
                self.enqueue(name);
            }
            State::BackingOff { .. } => {
                entry.restarts = entry.restarts.saturating_add(1);
                let detail = entry.detail.clone();
                self.enter(name, State::Down, detail, now);
            }
            State::Up { pid, .. } => {
                let activates = entry.unit.activates().map(str::to_owned);
                let (alarm, fires) = match &entry.unit.kind {
                    Kind::Timer(timer) => (timer.every_ms.map(|every| now + every.max(1)), true),
                    Kind::Path(path) => {
                        (Some(now + PATH_POLL_MS), backend.path_exists(&path.exists))
                    }
                    _ => (None, false),
                };
                let repeats = matches!(entry.unit.kind, Kind::Timer(_));
                entry.state = State::Up { pid, alarm };
                if let Some(unit) = activates.filter(|_| fires && !self.closing) {
                    self.activate(name, &unit, repeats, now);
                }
            }
            State::Down | State::Waiting | State::Failed { .. } => {}
        }
    }

    /// A timer or path starts its unit. With `repeats` a oneshot that is done runs again; what
    /// runs already is left alone.
    fn activate(&mut self, by: &str, unit: &str, repeats: bool, now: u64) {
        match self.ensure(unit, now) {
            Ok(()) => {
                let Some(entry) = self.entries.get(unit) else {
                    return;
                };
                let done = matches!(entry.unit.kind, Kind::Oneshot(_))
                    && matches!(entry.state, State::Up { .. });
                if repeats && done {
                    self.mark_must_stop(unit);
                }
                if repeats || self.entries.get(unit).is_some_and(|e| !e.wanted) {
                    self.mark_wanted(unit, now);
                }
            }
            Err(Refusal::NotFound(text) | Refusal::Invalid(text)) => {
                self.note(true, format!("{by} cannot start {unit}: {text}"));
            }
        }
    }

    // ---- Phase two: acting -------------------------------------------------------------------

    /// Takes one step for one unit after another until nothing is left to do.
    fn settle(&mut self, now: u64, backend: &mut dyn Backend) {
        for _ in 0..MAX_STEPS {
            let Some(name) = self.queue.pop_front() else {
                return;
            };
            self.queued.remove(&name);
            self.step(&name, now, backend);
        }
        self.note(
            true,
            format!("the unit graph did not settle in {MAX_STEPS} steps; this is a bug"),
        );
    }

    fn step(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        match entry.state {
            State::Down => {
                entry.must_stop = false;
                if entry.vanishes && !entry.wanted {
                    self.remove(name);
                } else if entry.wanted {
                    self.take_replacement(name);
                    let detail = self
                        .entries
                        .get(name)
                        .map_or("", |e| e.detail.as_str())
                        .to_owned();
                    self.enter(name, State::Waiting, detail, now);
                }
            }
            State::Failed { by_dependency } => {
                entry.must_stop = false;
                if entry.vanishes {
                    self.remove(name);
                } else if !entry.wanted {
                    self.enter(name, State::Down, String::new(), now);
                } else if by_dependency && entry.wanted && self.blocked_by(name).is_none() {
                    self.enter(name, State::Waiting, String::new(), now);
                }
            }
            State::BackingOff { .. } => {
                if !entry.wanted || entry.must_stop {
                    self.enter(name, State::Down, String::new(), now);
                }
            }
            State::Waiting => {
                if !entry.wanted {
                    self.enter(name, State::Down, String::new(), now);
                } else if let Some(blocker) = self.blocked_by(name) {
                    let detail = format!("`{blocker}`, which it requires, is not up");
                    self.note(true, format!("{name} cannot start: {detail}"));
                    self.enter(
                        name,
                        State::Failed {
                            by_dependency: true,
                        },
                        detail,
                        now,
                    );
                } else if self.may_start(name) {
                    self.begin(name, now, backend);
                }
            }
            State::Starting { .. } | State::Up { .. } => {
                let pid = entry.pid();
                if entry.must_stop && self.may_stop(name) {
                    self.run_ends(name, pid, Outcome::Told, String::new(), now);
                    self.terminate(name, now, backend);
                }
            }
            State::Stopping {
                killed, give_up, ..
            } => {
                if killed && (now >= give_up || backend.is_empty(&entry.unit)) {
                    self.run_over(name, now, backend);
                }
            }
        }
    }

    /// What `name` requires and will not come up by itself.
    fn blocked_by(&self, name: &str) -> Option<String> {
        let entry = self.entries.get(name)?;
        let out = |need: &&String| self.entries.get(*need).is_none_or(Entry::is_out);
        entry.unit.requires.iter().find(out).cloned()
    }

    fn may_start(&self, name: &str) -> bool {
        let Some(entry) = self.entries.get(name) else {
            return false;
        };
        let up = |need: &String| {
            let needed = self.entries.get(need);
            needed.is_some_and(|e| matches!(e.state, State::Up { .. }) && !e.must_stop)
        };
        let settled = |before: &str| {
            self.entries
                .get(before)
                .is_none_or(|entry| !entry.is_about_to_be_up())
        };
        entry.unit.requires.iter().all(up) && entry.unit.before_me().all(settled)
    }

    /// Whether everything that has to be down before this one is.
    fn may_stop(&self, name: &str) -> bool {
        let stops_first = |(after, _): &(String, bool)| {
            let entry = self.entries.get(after);
            entry.is_some_and(|e| {
                e.is_active() && (e.must_stop || matches!(e.state, State::Stopping { .. }))
            })
        };
        !self
            .after_me
            .get(name)
            .into_iter()
            .flatten()
            .any(stops_first)
    }

    fn begin(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        self.runs += 1;
        let run = self.runs;
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        entry.run = run;
        entry.must_stop = false;
        let alarm = match &entry.unit.kind {
            Kind::Timer(timer) => timer.after_start_ms.or(timer.every_ms).map(|ms| now + ms),
            Kind::Path(_) => Some(now),
            _ => None,
        };
        if matches!(entry.unit.kind, Kind::Target) {
            self.enter(
                name,
                State::Up {
                    pid: None,
                    alarm: None,
                },
                String::new(),
                now,
            );
            return;
        }
        let deadline = now.saturating_add(entry.unit.ready_timeout_ms);
        let waits = match &entry.unit.kind {
            Kind::Service(process) => !matches!(process.ready, Readiness::None),
            Kind::Oneshot(_) | Kind::Mount(_) => true,
            Kind::Target | Kind::Socket(_) | Kind::Timer(_) | Kind::Path(_) => false,
        };
        match backend.start(&entry.unit, run) {
            Ok(pid) if waits => {
                self.enter(name, State::Starting { pid, deadline }, String::new(), now)
            }
            Ok(pid) => self.enter(name, State::Up { pid, alarm }, String::new(), now),
            Err(error) => {
                let policy = entry.unit.process().map_or(Restart::No, |p| p.restart);
                let outcome = match policy {
                    Restart::No => Outcome::Failed,
                    Restart::Always | Restart::OnFailure => Outcome::Again,
                };
                let detail = format!("could not be started: {error}");
                self.note(true, format!("{name} {detail}"));
                self.run_ends(name, None, outcome, detail, now);
                self.kill(name, now, backend);
            }
        }
    }

    /// Enters `Stopping`, and has everything that requires the unit stop as well.
    fn run_ends(
        &mut self,
        name: &str,
        pid: Option<u32>,
        outcome: Outcome,
        detail: String,
        now: u64,
    ) {
        let state = stopping(pid, now, outcome);
        for requirer in self.requirers(name) {
            self.mark_must_stop(&requirer);
        }
        self.enter(name, state, detail, now);
    }

    fn terminate(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let at = now.saturating_add(entry.unit.stop_timeout_ms);
        if let State::Stopping {
            pid: Some(_),
            killed: false,
            next,
            ..
        } = &mut entry.state
        {
            *next = at;
            backend.terminate(&entry.unit);
        } else {
            self.kill(name, now, backend);
        }
    }

    fn kill(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        if let State::Stopping {
            killed,
            next,
            give_up,
            ..
        } = &mut entry.state
        {
            if !*killed {
                *killed = true;
                *give_up = now + DRAIN_LIMIT_MS;
            }
            *next = now + DRAIN_POLL_MS;
            backend.kill(&entry.unit);
            self.enqueue(name);
        }
    }

    /// The group is empty: the run is over.
    fn run_over(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let State::Stopping {
            outcome, give_up, ..
        } = entry.state
        else {
            return;
        };
        if now >= give_up && !backend.is_empty(&entry.unit) {
            self.note(
                true,
                format!("{name} has processes that cannot be killed; they are left alone"),
            );
        }
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        backend.release(&entry.unit);
        entry.must_stop = false;
        let detail = entry.detail.clone();
        let state = match outcome {
            _ if !entry.wanted => State::Down,
            Outcome::Told => State::Down,
            Outcome::Finished => {
                entry.wanted = false;
                State::Down
            }
            Outcome::Again => {
                let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << entry.failures.min(16));
                entry.failures = entry.failures.saturating_add(1);
                State::BackingOff {
                    until: now + doubled.min(BACKOFF_LAST_MS),
                }
            }
            Outcome::Failed => State::Failed {
                by_dependency: false,
            },
        };
        self.take_replacement(name);
        self.enter(name, state, detail, now);
    }

    /// Takes the definition of the last reload.
    fn take_replacement(&mut self, name: &str) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let Some(unit) = entry.replacement.take() else {
            return;
        };
        // Those who wait because of the old definition have to look again.
        self.touch(name);
        if let Some(entry) = self.entries.get_mut(name) {
            entry.unit = unit;
        }
        self.index();
    }

    fn enter(&mut self, name: &str, state: State, detail: String, now: u64) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let reached = matches!(state, State::Up { .. })
            && matches!(entry.unit.kind, Kind::Target)
            && !matches!(entry.state, State::Up { .. });
        if matches!(state, State::Up { .. }) && matches!(entry.unit.kind, Kind::Oneshot(_)) {
            entry.failures = 0;
        }
        entry.state = state;
        entry.detail = detail;
        entry.since = now;
        self.news.changed.insert(name.to_owned());
        if reached {
            self.note(false, format!("target {name} reached"));
        }
        self.touch(name);
    }

    fn remove(&mut self, name: &str) {
        self.touch(name);
        if let Some(entry) = self.entries.remove(name) {
            let failed = matches!(entry.state, State::Failed { .. }).then_some(entry.detail);
            self.news.removed.push((name.to_owned(), failed));
            self.news.changed.remove(name);
            self.index();
        }
    }

    fn note(&mut self, warning: bool, text: String) {
        self.news.notes.push(Note { warning, text });
    }
}

/// Whether the process of such a unit is meant to end, and the unit to be up from then on.
fn ends_well(unit: &Unit) -> bool {
    matches!(unit.kind, Kind::Oneshot(_) | Kind::Mount(_))
}

fn stopping(pid: Option<u32>, now: u64, outcome: Outcome) -> State {
    State::Stopping {
        pid,
        killed: false,
        next: now,
        give_up: u64::MAX,
        outcome,
    }
}

fn new_entry(unit: Unit, now: u64) -> Entry {
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
