//! Recordings of the screen: `ext-image-copy-capture-v1` into a film of JPEGs.
//!
//! # The way of a picture
//!
//! ```text
//! compositor -> screen (this thread) -> queue -> reel (a thread of its own) -> file
//! ```
//!
//! [`screen`] asks for a picture, and the compositor gives one when there is another one to be seen, so a screen that
//! stands still costs nothing. [`queue`] holds two; where the reel is slower than the screen, a newer one takes the
//! place of the last one there, so that memory stays what it is and what is seen in the end is in the film.
//! [`reel`] turns, cuts and scales ([`picture`]), makes the JPEG and writes it ([`argos_film`]).
//!
//! What is never in a picture is the compositor's matter: prompts are left out, and while the session is locked there
//! are no pictures.
//!
//! The program, `argos-record`, is how `argos desktop record` and the shell record; what it says on the bus is
//! [`argos_bus::recorder`].

pub mod file;
pub mod picture;
pub mod queue;
pub mod reel;
pub mod screen;
pub mod stop;

use std::time::{Duration, Instant};

use argos_bus::recorder::Region;
use argos_film::Storage;
use wayland_client::Connection;

use crate::queue::Queue;
use crate::reel::Reel;
use crate::screen::{Capture, End};
use crate::stop::Stop;

/// What is recorded, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Of what.
    pub target: Target,
    /// Whether the pointer is in the pictures.
    pub pointer: bool,
    /// The most pictures a second, from 1.
    pub rate: u32,
}

/// What is recorded, as the compositor calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An output by its name.
    Output(String),
    /// A part of one output.
    Region(Region),
    /// A window by its identifier of `ext-foreign-toplevel-list-v1`.
    Window(String),
}

/// What became of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How long it is.
    pub length: Duration,
    /// How many pictures are in it.
    pub pictures: u64,
    /// How many were left out, because this machine was too slow for them.
    pub left_out: u64,
    /// Why it ended.
    pub end: End,
}

/// Why there is no recording, or why it ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection to a compositor, or it broke.
    #[error("the compositor cannot be reached: {0}")]
    Connect(String),
    /// It has no means to.
    #[error("the compositor does not offer {0}, by which the screen is recorded")]
    Missing(&'static str),
    /// There is no such output.
    #[error("there is no screen `{name}`; there are: {}", .there.join(", "))]
    NoOutput {
        /// What was named.
        name: String,
        /// Those that are.
        there: Vec<String>,
    },
    /// There is no such window.
    #[error("the window is gone")]
    NoWindow,
    /// The part is on no output, or not on one alone.
    #[error("{} does not lie on one screen; there are: {}", named(.region), .there.join(", "))]
    Outside {
        /// The part.
        region: Region,
        /// Where outputs are.
        there: Vec<String>,
    },
    /// The compositor wants buffers of a kind that is not known here.
    #[error("the compositor gives pictures in none of the formats that are known here")]
    Format,
    /// There is too little memory.
    #[error("a picture of {0}x{1} pixels cannot be kept: {2}")]
    Memory(u32, u32, String),
    /// The film cannot be written.
    #[error("{0}")]
    Write(#[source] std::io::Error),
}

/// A part as it is said on the command line.
fn named(region: &Region) -> String {
    let Region {
        x,
        y,
        width,
        height,
    } = region;
    format!("{x},{y},{width},{height}")
}

/// Records until it is stopped, or its source is gone. `begun` is told when the first picture is there. What was written
/// when this fails can be played, if it has a picture.
///
/// # Errors
/// [`Error`]; of a film that is broken off with what is in it.
pub fn record<S: Storage + Send>(
    connection: &Connection,
    plan: &Plan,
    storage: S,
    stop: &Stop,
    begun: impl FnOnce() + Send,
) -> Result<Summary, (Error, Option<Summary>)> {
    let capture = Capture::open(connection, plan).map_err(|error| (error, None))?;
    let queue = Queue::default();
    let mut reel = Reel::new(storage, capture.part());
    let (seen, ended, written) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut begun = Some(begun);
            while let Some(frame) = queue.take() {
                let written = reel.add(&frame);
                if let Some(begun) = begun.take_if(|_| written.is_ok()) {
                    begun();
                }
                if written.is_err() {
                    stop.stop();
                    return written;
                }
            }
            Ok(())
        });
        let seen = capture.follow(&queue, stop);
        let ended = Instant::now();
        queue.close();
        let written = writing
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that writes is gone")));
        (seen, ended, written)
    });
    let (length, pictures) = (reel.length(ended), reel.pictures());
    let finished = reel.finish(ended);
    let end = *seen.as_ref().unwrap_or(&End::Stopped);
    let summary = Summary {
        length,
        pictures,
        left_out: queue.left_out(),
        end,
    };
    let failed = seen.err().or_else(|| {
        let written = written.and(finished);
        written.err().map(Error::Write)
    });
    match failed {
        None => Ok(summary),
        Some(error) => Err((error, Some(summary))),
    }
}
