//! The end: everything stops in order, what is left is killed, disks are let go.
//!
//! ```text
//! No ──asked──▶ Units ──all down, or too late and killed──▶ Rest (SIGTERM, then SIGKILL to all)
//!                                                             │ nobody left, or too late
//!                      Over ◀──done, or too late── Disks ◀────┘   (the machine's PID 1 only)
//! ```
//!
//! Every step has a time limit, so that the end always comes. Asking again while units stop kills
//! them at once.

use crate::clock::now_ms;
use crate::console::{self, Level};
use crate::edge;
use crate::mounts;
use crate::settings::Role;
use crate::spawn;
use crate::supervisor::Supervisor;
use crate::system::Goal;

/// How long units have in all, in milliseconds.
const UNITS_MS: u64 = 60_000;
/// When a person is told what everybody waits for, in milliseconds.
const PATIENCE_MS: u64 = 3_000;
/// How long killed units have, in milliseconds.
const KILLED_MS: u64 = 2_000;
/// How long the rest has between SIGTERM and SIGKILL, and after it, in milliseconds.
const REST_MS: u64 = 1_000;
/// How long writing out and unmounting may take, in milliseconds.
const DISKS_MS: u64 = 20_000;

/// How far the end has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    /// Nobody asked for it.
    #[default]
    No,
    /// Units stop in order; `killed`: no longer in order.
    Units {
        /// What for.
        goal: Goal,
        /// When patience is over.
        until: u64,
        /// Whether they were killed.
        killed: bool,
        /// Whether a person was told who is slow.
        told: bool,
    },
    /// What belongs to no unit ends.
    Rest {
        /// What for.
        goal: Goal,
        /// When patience is over.
        until: u64,
        /// Whether SIGKILL was sent.
        killed: bool,
    },
    /// A child writes out and unmounts.
    Disks {
        /// What for.
        goal: Goal,
        /// The child, 0 once it is done.
        child: u32,
        /// When it is not waited for any more.
        until: u64,
    },
    /// Nothing is left to do.
    Over {
        /// What for.
        goal: Goal,
    },
}

impl Ending {
    /// The goal, once everything is done.
    pub fn is_over(self) -> Option<Goal> {
        match self {
            Self::Over { goal } => Some(goal),
            _ => None,
        }
    }

    /// Whether nothing new may be started any more, not even helpers.
    pub fn is_quiet(self) -> bool {
        !matches!(self, Self::No | Self::Units { .. })
    }

    /// When the next step is due, in milliseconds.
    pub fn deadline(self) -> Option<u64> {
        match self {
            Self::No | Self::Over { .. } => None,
            Self::Units {
                until,
                told,
                killed,
                ..
            } if !told && !killed => Some(until - UNITS_MS + PATIENCE_MS),
            Self::Units { until, .. } | Self::Rest { until, .. } | Self::Disks { until, .. } => {
                Some(until)
            }
        }
    }

    /// A child that is nobody else's ended.
    pub fn reaped(&mut self, pid: u32) {
        if let Self::Disks { child, .. } = self
            && *child == pid
        {
            *child = 0;
        }
    }
}

impl Supervisor {
    /// Begins the end, or hurries it if it has begun.
    pub(crate) fn begin_shutdown(&mut self, goal: Goal) {
        let now = now_ms();
        match self.ending {
            Ending::No => {
                self.say(
                    Level::Notice,
                    match goal {
                        Goal::PowerOff if self.settings.role == Role::System => {
                            "stopping everything, then off"
                        }
                        Goal::PowerOff => "stopping everything",
                        Goal::Reboot => "stopping everything, then again from the start",
                    },
                );
                self.ending = Ending::Units {
                    goal,
                    until: now + UNITS_MS,
                    killed: false,
                    told: false,
                };
                self.machine.close(now, &mut self.host);
            }
            Ending::Units {
                goal,
                killed: false,
                ..
            } => self.kill_units(goal),
            _ => {}
        }
    }

    fn kill_units(&mut self, goal: Goal) {
        let now = now_ms();
        let slow: Vec<&str> = self.machine.active().collect();
        let text = format!("killing what has not stopped: {}", slow.join(", "));
        self.say(Level::Warning, &text);
        self.ending = Ending::Units {
            goal,
            until: now + KILLED_MS,
            killed: true,
            told: true,
        };
        self.machine.kill_all(now, &mut self.host);
    }

    /// Takes the next step towards the end, if it is time.
    pub(crate) fn step_ending(&mut self) {
        let now = now_ms();
        match self.ending {
            Ending::No | Ending::Over { .. } => {}
            Ending::Units {
                goal,
                until,
                killed,
                told,
            } => {
                if self.machine.is_idle() || (killed && until <= now) {
                    self.end_the_rest(goal, now);
                } else if until <= now {
                    self.kill_units(goal);
                } else if !told && until - UNITS_MS + PATIENCE_MS <= now {
                    let slow: Vec<&str> = self.machine.active().collect();
                    let text = format!(
                        "waiting for {} (Ctrl-Alt-Del: do not wait)",
                        slow.join(", ")
                    );
                    self.say(Level::Notice, &text);
                    if self.settings.role == Role::System {
                        console::tell(&format!("{text}\n"));
                    }
                    self.ending = Ending::Units {
                        goal,
                        until,
                        killed,
                        told: true,
                    };
                }
            }
            Ending::Rest {
                goal,
                until,
                killed,
            } => {
                if has_no_children() {
                    self.let_go_of_disks(goal, now);
                } else if until <= now && !killed && self.settings.role != Role::User {
                    edge::signal_everybody(libc::SIGKILL);
                    self.ending = Ending::Rest {
                        goal,
                        until: now + REST_MS,
                        killed: true,
                    };
                } else if until <= now {
                    self.let_go_of_disks(goal, now);
                }
            }
            Ending::Disks { goal, child, until } => {
                if child == 0 || until <= now {
                    self.ending = Ending::Over { goal };
                }
            }
        }
    }

    fn end_the_rest(&mut self, goal: Goal, now: u64) {
        self.host.logs.stop_writer();
        // A person's supervisor has no right to signal what is not its own.
        if self.settings.role != Role::User {
            edge::signal_everybody(libc::SIGTERM);
        }
        self.ending = Ending::Rest {
            goal,
            until: now + REST_MS,
            killed: false,
        };
        self.step_ending();
    }

    fn let_go_of_disks(&mut self, goal: Goal, now: u64) {
        if self.settings.role != Role::System {
            self.ending = Ending::Over { goal };
            return;
        }
        let work = || {
            for target in mounts::unmount_all() {
                console::say(
                    console::Sink::Kernel,
                    Level::Warning,
                    &format!("{target} stays mounted"),
                );
            }
            0
        };
        self.ending = match spawn::function(work, None, None) {
            Ok(child) => Ending::Disks {
                goal,
                child: child.pid,
                until: now + DISKS_MS,
            },
            Err(_) => {
                rustix::fs::sync();
                Ending::Over { goal }
            }
        };
    }
}

/// Whether every child has ended and was reaped.
fn has_no_children() -> bool {
    use rustix::process::{WaitId, WaitIdOptions};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    rustix::process::waitid(WaitId::All, options).err() == Some(rustix::io::Errno::CHILD)
}
