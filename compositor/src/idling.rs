//! What happens when nobody is there: the session is locked, the screens go dark, the machine sleeps.
//!
//! The settings say after how long without input each of that happens; a window that inhibits idleness
//! (`idle-inhibit`) and can be seen holds it all up, and the time begins anew when it does not any more.
//! Input lights the screens that went dark here. One timer runs while something is still to happen, and it
//! looks only then how long ago the last input was, so that input itself costs nothing.

use std::time::{Duration, Instant};

use smithay::{
    output::Output,
    reexports::calloop::{
        RegistrationToken,
        timer::{TimeoutAction, Timer},
    },
};

use crate::{bus::Order, config::Idle, state::State};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Lock,
    Dark,
    Sleep,
}

impl Idle {
    /// What happens, and after how long.
    fn steps(self) -> impl Iterator<Item = (Step, Duration)> {
        let steps = [
            (Step::Lock, self.lock_after),
            (Step::Dark, self.screen_off_after),
            (Step::Sleep, self.suspend_after),
        ];
        let wanted = steps.into_iter().filter(|(_, after)| *after > 0);
        wanted.map(|(step, after)| (step, Duration::from_secs(u64::from(after))))
    }
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Idling {
    /// The last input.
    since: Instant,
    /// What happened since then.
    done: Vec<Step>,
    timer: Option<RegistrationToken>,
    /// The outputs that went dark.
    dark: Vec<Output>,
}

impl Default for Idling {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            done: Vec::new(),
            timer: None,
            dark: Vec::new(),
        }
    }
}

impl State {
    /// Somebody is there.
    pub(crate) fn end_idling(&mut self) {
        self.idling.since = Instant::now();
        if self.idling.done.is_empty() {
            return;
        }
        self.idling.done.clear();
        for output in std::mem::take(&mut self.idling.dark) {
            if let Err(error) = self.set_dark(&output, false) {
                tracing::error!("{error}");
            }
        }
        self.await_idleness();
    }

    /// Nothing keeps the session awake any more: from now on it counts.
    pub(crate) fn idling_begins(&mut self) {
        if self.idling.done.is_empty() {
            self.idling.since = Instant::now();
        }
    }

    /// The settings changed, or are there.
    pub(crate) fn reset_idling(&mut self) {
        if let Some(timer) = self.idling.timer.take() {
            self.handle.remove(timer);
        }
        self.await_idleness();
    }

    /// Sets the timer to when the next thing is to happen, if anything is.
    fn await_idleness(&mut self) {
        if self.idling.timer.is_some() {
            return;
        }
        let Some(wait) = self.next_step() else {
            return;
        };
        // A little late rather than early, and then once more for nothing.
        let timer = Timer::from_duration(wait + Duration::from_millis(1));
        let added = self.handle.insert_source(timer, |_, (), state| {
            state.idling.timer = None;
            state.look_at_idleness();
            state.await_idleness();
            TimeoutAction::Drop
        });
        match added {
            Ok(timer) => self.idling.timer = Some(timer),
            Err(error) => tracing::error!("the screen is not locked by itself: {error}"),
        }
    }

    /// How long it is until the next thing is to happen if nobody does anything.
    fn next_step(&self) -> Option<Duration> {
        let Idling { since, done, .. } = &self.idling;
        let settings = self.config.idle;
        let open = settings.steps().filter(|(step, _)| !done.contains(step));
        let after = open.map(|(_, after)| after).min()?;
        Some(after.saturating_sub(since.elapsed()))
    }

    fn look_at_idleness(&mut self) {
        if self.is_kept_awake() {
            self.idling.since = Instant::now();
            return;
        }
        let idle = self.idling.since.elapsed();
        for (step, after) in self.config.idle.steps() {
            if idle < after || self.idling.done.contains(&step) {
                continue;
            }
            self.idling.done.push(step);
            match step {
                Step::Lock => {
                    self.lock_session();
                }
                Step::Dark => self.darken(),
                Step::Sleep => self.bus.order(Order::Suspend),
            }
        }
    }

    fn darken(&mut self) {
        for output in self.output_list() {
            if self.outputs.is_dark(&output) != Some(false) {
                continue;
            }
            match self.set_dark(&output, true) {
                Ok(()) => self.idling.dark.push(output),
                Err(error) => tracing::warn!("not dark: {error}"),
            }
        }
    }
}
