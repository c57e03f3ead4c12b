//! Why a tool call did not give a result: a code for programs, what was tried, and a hint.

use serde::{Deserialize, Serialize};

/// A tool call that failed. Travels to the agent as JSON and over D-Bus as [`argos_bus::Error`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{tried}: {why}{}{hint}", if hint.is_empty() { "" } else { ". " })]
#[serde(deny_unknown_fields)]
pub struct ToolError {
    /// What kind of failure.
    pub code: Code,
    /// What was tried, and on what: `files.read /home/argos/a.txt`.
    pub tried: String,
    /// Why it failed.
    pub why: String,
    /// What to do instead, or empty.
    #[serde(default)]
    pub hint: String,
}

/// Kinds of failure, the same as those of [`argos_bus::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No such tool, file, application, unit.
    NotFound,
    /// Arguments that do not fit the schema, or name something malformed.
    InvalidArguments,
    /// The file's own permissions, or a service, said no.
    Denied,
    /// Too large, or too many at once.
    LimitReached,
    /// It took longer than it may.
    TimedOut,
    /// A worker or service is not there.
    Unavailable,
    /// It was tried and went wrong.
    Failed,
}

impl ToolError {
    /// An error without a hint.
    pub fn new(code: Code, tried: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            code,
            tried: tried.into(),
            why: why.into(),
            hint: String::new(),
        }
    }

    /// The same error with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// An error of the operating system, with its kind as code.
    pub fn io(tried: impl Into<String>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Code::NotFound,
            ErrorKind::PermissionDenied => Code::Denied,
            ErrorKind::TimedOut => Code::TimedOut,
            _ => Code::Failed,
        };
        Self::new(code, tried, error.to_string())
    }
}

impl From<ToolError> for argos_bus::Error {
    fn from(error: ToolError) -> Self {
        let text = error.to_string();
        match error.code {
            Code::NotFound => Self::NotFound(text),
            Code::InvalidArguments => Self::InvalidArguments(text),
            Code::Denied => Self::Denied(text),
            Code::LimitReached => Self::LimitReached(text),
            Code::TimedOut => Self::TimedOut(text),
            Code::Unavailable => Self::Unavailable(text),
            Code::Failed => Self::Failed(text),
        }
    }
}
