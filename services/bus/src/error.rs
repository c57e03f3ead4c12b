//! The errors that ArgOS services return over D-Bus.
//!
//! Each text says what was tried, on what, why it failed and what to do; the name is for programs.

use zbus::DBusError;

/// A failed call. The D-Bus name is `org.argos.Error.<Variant>`.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.argos.Error")]
pub enum Error {
    /// The bus itself failed.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// The person, or a rule the person made, said no. Carries the reason.
    Denied(String),
    /// Nobody answered the permission prompt in time. Treated as a no.
    NoAnswer(String),
    /// The arguments do not fit the schema or name something malformed.
    InvalidArguments(String),
    /// What was named does not exist.
    NotFound(String),
    /// Too much at once: a rate, size or concurrency limit was reached.
    LimitReached(String),
    /// It took longer than its time limit.
    TimedOut(String),
    /// It was called back, by the caller or by the person.
    Cancelled(String),
    /// It is not there yet or not any more (a model still loading, a service down).
    Unavailable(String),
    /// It was tried and went wrong.
    Failed(String),
}

/// The result of a bus call.
pub type Result<T> = std::result::Result<T, Error>;
