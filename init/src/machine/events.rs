//! What happened: processes that ended or got ready, and time that has passed.

use argos_units::{Kind, Restart};

use super::state::{Entry, Exit, Outcome, State, ends_well, restarts};
use super::{BACKOFF_FORGET_MS, Backend, DRAIN_POLL_MS, Machine, PATH_POLL_MS, Refusal};

impl Machine {
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
                let again = match restarts(&entry.unit) {
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
            let detail: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
            // A unit that says the same over and over must not keep subscribers busy.
            if entry.detail != detail {
                entry.detail = detail;
                self.news.changed.insert(name.to_owned());
            }
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

    pub(super) fn due(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        match entry.state {
            State::Starting { .. } => {
                let outcome = match restarts(&entry.unit) {
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
                *next = now.saturating_add(DRAIN_POLL_MS);
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
                    Kind::Timer(timer) => {
                        let again = timer.every_ms.map(|ms| now.saturating_add(ms.max(1)));
                        (again, true)
                    }
                    Kind::Path(_) => (
                        Some(now.saturating_add(PATH_POLL_MS)),
                        backend.path_exists(&entry.unit),
                    ),
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
    pub(super) fn activate(&mut self, by: &str, unit: &str, repeats: bool, now: u64) {
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
}
