//! What a bug may cost: the piece of work in which it was hit, never the process.
//!
//! The end of PID 1 is a kernel panic, and the end of a person's supervisor is the end of their
//! session. So everything that either does runs inside [`survive`], and what is done about a piece
//! that was cut short is as small as it can be.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::console::{self, Level, Sink};

/// Runs a piece of work, named for people by `what`. `None` if it panicked, which has been said.
pub fn survive<T>(sink: Sink, what: &str, work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) => {
            let why = describe(&*panic);
            let text = format!("a bug was hit and survived while {what}: {why}");
            console::say(sink, Level::Error, &text);
            // Dropping what was thrown runs its code; it is a message and can be left alone.
            std::mem::forget(panic);
            None
        }
    }
}

fn describe(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say what")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_yields_nothing_and_the_rest_goes_on() {
        assert_eq!(survive(Sink::Stderr, "counting", || 3), Some(3));
        let none: Vec<u8> = Vec::new();
        assert_eq!(survive(Sink::Stderr, "counting", || none[0]), None);
    }
}
