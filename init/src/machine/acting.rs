//! Phase two: one step for one unit after another, until nothing is left to do.

use argos_units::{Kind, Readiness, Restart};

use super::state::{Entry, Outcome, State, restarts, stopping};
use super::{
    BACKOFF_FIRST_MS, BACKOFF_LAST_MS, Backend, DRAIN_LIMIT_MS, DRAIN_POLL_MS, MAX_STEPS, Machine,
    Note,
};

impl Machine {
    /// Takes one step for one unit after another until nothing is left to do.
    pub(super) fn settle(&mut self, now: u64, backend: &mut dyn Backend) {
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

    pub(super) fn step(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
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
    pub(super) fn blocked_by(&self, name: &str) -> Option<String> {
        let entry = self.entries.get(name)?;
        let out = |need: &&String| self.entries.get(*need).is_none_or(Entry::is_out);
        entry.unit.requires.iter().find(out).cloned()
    }

    pub(super) fn may_start(&self, name: &str) -> bool {
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
    pub(super) fn may_stop(&self, name: &str) -> bool {
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

    pub(super) fn begin(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
        self.runs = self.runs.saturating_add(1);
        let run = self.runs;
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        entry.run = run;
        entry.must_stop = false;
        let alarm = match &entry.unit.kind {
            Kind::Timer(timer) => timer
                .after_start_ms
                .or(timer.every_ms)
                .map(|ms| now.saturating_add(ms)),
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
                self.enter(name, State::Starting { pid, deadline }, String::new(), now);
            }
            Ok(pid) => self.enter(name, State::Up { pid, alarm }, String::new(), now),
            Err(error) => {
                let outcome = match restarts(&entry.unit) {
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
    pub(super) fn run_ends(
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

    pub(super) fn terminate(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
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

    pub(super) fn kill(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
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
                *give_up = now.saturating_add(DRAIN_LIMIT_MS);
            }
            *next = now.saturating_add(DRAIN_POLL_MS);
            backend.kill(&entry.unit);
            self.enqueue(name);
        }
    }

    /// The group is empty: the run is over.
    pub(super) fn run_over(&mut self, name: &str, now: u64, backend: &mut dyn Backend) {
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
                    until: now.saturating_add(doubled.min(BACKOFF_LAST_MS)),
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
    pub(super) fn take_replacement(&mut self, name: &str) {
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

    pub(super) fn enter(&mut self, name: &str, state: State, detail: String, now: u64) {
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

    pub(super) fn remove(&mut self, name: &str) {
        self.touch(name);
        if let Some(entry) = self.entries.remove(name) {
            let failed = matches!(entry.state, State::Failed { .. }).then_some(entry.detail);
            self.news.removed.push((name.to_owned(), failed));
            self.news.changed.remove(name);
            self.index();
        }
    }

    pub(super) fn note(&mut self, warning: bool, text: String) {
        self.news.notes.push(Note { warning, text });
    }
}
