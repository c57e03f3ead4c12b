//! What went wrong, for people and for scripts: a message, a hint, an exit status.

use std::fmt;
use std::io;

use argos_control::ErrorCode;

/// Exit statuses besides 0 (done) and 2 (clap: the command line makes no sense).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// It was tried and went wrong.
    Failed = 1,
    /// What should answer is not there. `status UNIT` and `doctor`: something is not up.
    NotUp = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// The person, a rule or the system said no.
    Denied = 5,
    /// It took too long.
    TimedOut = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// Empty: everything was said already.
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The result of a command.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends with `status` and says nothing.
    pub(crate) fn silent(status: Status) -> Self {
        Self::new(status, "")
    }

    /// Whether it only means that nobody reads the output any more (`argos status | head`).
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.message == BROKEN_PIPE
    }
}

const BROKEN_PIPE: &str = "broken pipe";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Status::Failed, BROKEN_PIPE);
        }
        Self::new(Status::Failed, error.to_string())
    }
}

impl From<argos_control::Error> for Failure {
    fn from(error: argos_control::Error) -> Self {
        let message = error.to_string();
        match &error {
            argos_control::Error::Connect { error: why, .. } => {
                let hint = match why.kind() {
                    io::ErrorKind::PermissionDenied => "try it with sudo",
                    _ => {
                        "is this an ArgOS system, and is the session up? `argos doctor` looks further"
                    }
                };
                Self::new(Status::NotUp, message).hint(hint)
            }
            argos_control::Error::NoSession => Self::new(Status::NotUp, message)
                .hint("run it from the desktop, or leave out --user for the system's units"),
            argos_control::Error::Refused { code, .. } => match code {
                ErrorCode::NotFound => Self::new(Status::NotFound, message)
                    .hint("`argos status --all` lists every unit; --user those of the desktop"),
                ErrorCode::Denied => Self::new(Status::Denied, message).hint("try it with sudo"),
                ErrorCode::Failed | ErrorCode::Invalid => Self::new(Status::Failed, message),
            },
            _ => Self::new(Status::Failed, message),
        }
    }
}

impl From<argos_bus::Error> for Failure {
    fn from(error: argos_bus::Error) -> Self {
        use argos_bus::Error as E;
        match error {
            E::ZBus(error) => error.into(),
            E::Denied(text) | E::Cancelled(text) => Self::new(Status::Denied, text),
            E::NoAnswer(text) => Self::new(Status::Denied, text)
                .hint("the question is on the screen; `argos perm pending` shows it too"),
            E::NotFound(text) => Self::new(Status::NotFound, text),
            E::TimedOut(text) => Self::new(Status::TimedOut, text),
            E::Unavailable(text) => Self::new(Status::NotUp, text),
            E::InvalidArguments(text) | E::LimitReached(text) | E::Failed(text) => {
                Self::new(Status::Failed, text)
            }
        }
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::FDO(error) => (*error).into(),
            zbus::Error::MethodError(name, text, _) => {
                let text = text.unwrap_or_else(|| name.to_string());
                let status = match name.as_str().rsplit('.').next() {
                    Some("Denied" | "NoAnswer" | "Cancelled" | "AccessDenied") => Status::Denied,
                    Some("NotFound") => Status::NotFound,
                    Some("TimedOut") => Status::TimedOut,
                    Some("Unavailable") => Status::NotUp,
                    _ => Status::Failed,
                };
                Self::new(status, text)
            }
            error => Self::new(Status::Failed, format!("the message bus failed: {error}")),
        }
    }
}

impl From<zbus::fdo::Error> for Failure {
    fn from(error: zbus::fdo::Error) -> Self {
        use zbus::fdo::Error as E;
        match error {
            E::ServiceUnknown(text) | E::NameHasNoOwner(text) => {
                Self::new(Status::NotUp, format!("the service is not running: {text}"))
                    .hint("`argos status` and `argos status --user` show what is up")
            }
            E::NoReply(text) | E::Timeout(text) | E::TimedOut(text) => Self::new(
                Status::TimedOut,
                format!("the service does not answer: {text}"),
            ),
            E::AccessDenied(text) => Self::new(Status::Denied, text),
            E::UnknownMethod(text) | E::UnknownInterface(text) | E::UnknownObject(text) => {
                Self::new(
                    Status::Failed,
                    format!("the service is of another version: {text}"),
                )
            }
            E::ZBus(error) => error.into(),
            error => Self::new(Status::Failed, error.to_string()),
        }
    }
}
