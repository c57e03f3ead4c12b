//! What can go wrong on the way into the sandbox. Each error means: the program was not started.

use std::io;

/// A sandbox that could not be set up as declared. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The spec itself is wrong.
    #[error("{0}")]
    InvalidSpec(String),
    /// The kernel, or what runs this, cannot enforce a rule.
    #[error(
        "this kernel cannot enforce the sandbox: {rule} needs {needs}, and there is {has}. {hint}"
    )]
    Unsupported {
        /// What was to be enforced.
        rule: String,
        /// The level it needs.
        needs: String,
        /// The level there is.
        has: String,
        /// What to do about it.
        hint: String,
    },
    /// One step of the set-up failed.
    #[error("cannot set up the sandbox: {step} failed: {source}{hint}")]
    Step {
        /// What was tried, and on what.
        step: String,
        /// Why it failed.
        source: io::Error,
        /// What to do about it, with a leading `. `, or empty.
        hint: &'static str,
    },
    /// What the kernel recorded cannot be read.
    #[error(
        "what the kernel recorded cannot be read: the audit system's group: {group}; /dev/kmsg: {log}. \
         Both are for root: sudo argos sandbox trace --recorded AGENT"
    )]
    Records {
        /// Why the audit system's multicast group cannot be joined.
        group: io::Error,
        /// Why the kernel's log cannot be opened.
        log: io::Error,
    },
}

impl Error {
    pub(crate) fn step(step: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Step {
            step: step.into(),
            source: source.into(),
            hint: "",
        }
    }

    pub(crate) fn step_hint(
        step: impl Into<String>,
        source: impl Into<io::Error>,
        hint: &'static str,
    ) -> Self {
        Self::Step {
            step: step.into(),
            source: source.into(),
            hint,
        }
    }
}
