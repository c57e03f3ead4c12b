//! The start: the first target is wanted, and people hear of it if it does not come.
//!
//! ```text
//! Coming ──up for a while──▶ Over     what it wants and is not there is told on the console
//!    │                         ▲
//!    └──failed, or what it─────┘      the emergency: told on the console, and a shell where that
//!       requires keeps failing        is allowed
//! ```
//!
//! What fails later is no failed start: those who are up can say it in better ways.

use argos_control::UnitState;

use crate::clock::now_ms;
use crate::console::{self, Level};
use crate::machine::Refusal;
use crate::settings::Role;
use crate::supervisor::{Respawn, Supervisor};
use crate::system;

/// A first target that stood for this long has come up, in milliseconds; what fails later is no
/// failed start of the machine.
const STANDS_MS: u64 = 10_000;

/// How far the first target has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// It is not up, or not for long: since when.
    Coming { up_since: Option<u64> },
    /// It stood for a while, is not wanted any more, or people were told that it does not come.
    Over,
}

impl Start {
    /// When the next step is due, in milliseconds.
    pub(crate) fn deadline(self) -> Option<u64> {
        match self {
            Self::Coming { up_since } => Some(up_since?.saturating_add(STANDS_MS)),
            Self::Over => None,
        }
    }
}

impl Supervisor {
    /// Wants the first target.
    pub(crate) fn start_first(&mut self) {
        let first = self.settings.first.clone();
        let there = self.machine.unit(&first).is_some();
        // A person's session may do without; it is told what to start.
        if !there && self.settings.role == Role::User {
            return;
        }
        if let Err(refusal) = self.machine.start(&first, now_ms(), &mut self.host) {
            let (Refusal::NotFound(why) | Refusal::Invalid(why)) = refusal;
            self.emergency(&format!("`{first}` cannot be started: {why}"));
        }
    }

    /// The machine cannot come up as it should: helps the person in front of it.
    pub(crate) fn emergency(&mut self, why: &str) {
        self.start = Start::Over;
        self.say(Level::Error, why);
        let Some(console) = self.settings.console.clone() else {
            return;
        };
        // The owner of a container names its console for this very purpose.
        if self.settings.role == Role::Container || system::may_open_shell() {
            console::tell_at(
                &console,
                "\nA root shell follows. `exit` starts another one; Ctrl-Alt-Del restarts.\n",
            );
            self.shell = Respawn::At(0);
        } else {
            console::tell_at(
                &console,
                "\nStart with `argos.debug-shell` on the kernel's command line for a root shell here. Ctrl-Alt-Del restarts.\n",
            );
        }
    }

    /// Helps if the first target has failed, or what it requires keeps failing. What it only wants
    /// does not keep it from standing; people are told of that once it does.
    pub(crate) fn watch_start(&mut self, now: u64) {
        let Start::Coming { up_since } = self.start else {
            return;
        };
        let first = self.settings.first.clone();
        let Some(status) = self.machine.status(&first) else {
            return;
        };
        if !status.wanted {
            // Nobody asked for it yet, or somebody stopped it.
            if up_since.is_some() {
                self.start = Start::Over;
            }
            return;
        }
        if up_since.is_some_and(|since| now.saturating_sub(since) >= STANDS_MS) {
            self.start = Start::Over;
            return self.tell_what_is_missing(&first);
        }
        let is_up = status.state == UnitState::Up;
        self.start = Start::Coming {
            up_since: is_up.then(|| up_since.unwrap_or(now)),
        };
        let why = match status.state {
            UnitState::Failed => Some(status.detail),
            UnitState::Waiting => self
                .machine
                .stuck_behind(&first)
                .map(|(behind, why)| format!("`{behind}` keeps failing: {why}")),
            _ => None,
        };
        if let Some(why) = why {
            self.emergency(&format!("`{first}` does not come up: {why}"));
        }
    }

    /// What the first target wants and is not there, on the console: the login may be among it, and
    /// then that is all a person sees.
    fn tell_what_is_missing(&mut self, first: &str) {
        let wants = self.machine.unit(first).map(|unit| unit.wants.clone());
        for name in wants.unwrap_or_default() {
            let Some(status) = self.machine.status(&name) else {
                continue;
            };
            if status.wanted && matches!(status.state, UnitState::Failed | UnitState::BackingOff) {
                let text = format!(
                    "{name} is not up: {} (more: argos log {name})",
                    status.detail
                );
                self.say(Level::Warning, &text);
                if let Some(console) = &self.settings.console {
                    console::tell_at(console, &format!("{text}\n"));
                }
            }
        }
    }
}
