//! The errors of login1, with the names that its clients know.

use zbus::DBusError;

/// A failed call.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.freedesktop.login1")]
pub(crate) enum Error {
    /// The bus itself failed.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// No such session.
    NoSuchSession(String),
    /// No such person is logged in.
    NoSuchUser(String),
    /// No such seat.
    NoSuchSeat(String),
    /// The process belongs to no session.
    #[zbus(name = "NoSessionForPID")]
    NoSessionForPid(String),
    /// It happens already.
    OperationInProgress(String),
    /// A program blocks it.
    BlockedByInhibitorLock(String),
    /// This machine cannot.
    SleepVerbNotSupported(String),
    /// The caller may not.
    AccessDenied(String),
    /// The arguments make no sense.
    InvalidArguments(String),
    /// Too many inhibitors.
    LimitsExceeded(String),
    /// It was tried and went wrong.
    Failed(String),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
