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

impl Error {
    /// What went wrong in words for people, without the error's name on the bus.
    pub fn text(&self) -> String {
        self.description()
            .map_or_else(|| self.to_string(), str::to_owned)
    }
}

/// The result of a bus call.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_is_without_its_name() {
        let what = "no such agent; `argos agents` shows those there are";
        let error = Error::NotFound(what.to_owned());
        assert_eq!(error.text(), what);
        assert!(error.to_string().contains("org.argos.Error.NotFound"));
        // The bus's own words, where it has some.
        let name = zbus::names::OwnedErrorName::try_from("org.example.Gone").unwrap();
        let message = zbus::Message::method_call("/", "Ping").build(&()).unwrap();
        let of_bus = zbus::Error::MethodError(name, Some(what.to_owned()), message);
        assert_eq!(Error::ZBus(of_bus).text(), what);
        let gone = Error::ZBus(zbus::Error::Failure("the bus is gone".to_owned()));
        assert!(gone.text().contains("the bus is gone"), "{}", gone.text());
    }
}
