//! Generated text into a passed fd, as JSON lines.
//!
//! The reader is somebody else's process: it may be slow, stop reading or go away. So a thread of its
//! own does the writing, the fd never blocks it for longer than [`STALLED`], and inference goes on at
//! its own speed into a queue that the length of the answer bounds. A reader that is gone or stalled
//! cancels its generation.
//!
//! It has to be a thread: whoever shares the fd can make it block again at any time. There are few of them,
//! and nobody gets all ([`argos_engine::causal::Places`]). A place is free before the end of the last line can
//! be read, so that whoever reads it may ask for the next generation at once.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use argos_engine::causal::{Cancel, Place};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::Value;

/// Generations that are written at once.
pub(crate) const MOST: usize = 16;

/// How long a reader may leave a full pipe unread.
const STALLED: Duration = Duration::from_secs(30);

/// One event, and whether none follows it.
#[derive(Debug)]
struct Line {
    event: Value,
    last: bool,
}

/// The writing end of one generation's events. Dropping it closes the fd once all is written.
#[derive(Debug)]
pub(crate) struct Events {
    queue: Sender<Line>,
    gone: Cancel,
}

impl Events {
    /// Takes the fd over. The place is one of [`MOST`].
    pub(crate) fn new(fd: OwnedFd, place: Place) -> std::io::Result<Self> {
        // On a shared description this is the sender's wish as well: a pipe end or socket that is passed
        // for this has no other writer.
        rustix::io::ioctl_fionbio(&fd, true)?;
        let (queue, events) = channel();
        let gone = Cancel::default();
        let flag = gone.clone();
        std::thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                if let Err(e) = write_all(&fd, &events, place) {
                    tracing::debug!("a reader of generated text went away: {e}");
                }
                flag.cancel();
            })?;
        Ok(Self { queue, gone })
    }

    /// Queues one event.
    pub(crate) fn send(&self, event: Value) {
        let _ = self.queue.send(Line { event, last: false });
    }

    /// Queues the event that nothing follows.
    pub(crate) fn finish(&self, event: Value) {
        let _ = self.queue.send(Line { event, last: true });
    }

    /// Cancelled when nobody reads any more.
    pub(crate) fn gone(&self) -> Cancel {
        self.gone.clone()
    }
}

/// Writes until the last event or until nobody sends any more; the place is free from then on.
fn write_all(fd: &OwnedFd, events: &Receiver<Line>, place: Place) -> Result<(), Errno> {
    loop {
        match events.recv_timeout(Duration::from_millis(500)) {
            Ok(Line { event, last: false }) => write(fd, &format!("{event}\n"))?,
            Ok(Line { event, last: true }) => {
                write(fd, &event.to_string())?;
                if !ready(fd, STALLED)? {
                    return Err(Errno::TIMEDOUT);
                }
                drop(place);
                // One byte, where there is room for it: this thread has no place to wait with.
                return rustix::io::retry_on_intr(|| rustix::io::write(fd, b"\n")).map(drop);
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            // Nothing to write for a while (a long prompt): is the reader still there?
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                ready(fd, Duration::ZERO)?;
            }
        }
    }
}

fn write(fd: &OwnedFd, text: &str) -> Result<(), Errno> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                if !ready(fd, STALLED)? {
                    return Err(Errno::TIMEDOUT);
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether the fd takes bytes within `limit`; an error if its reader is gone.
fn ready(fd: &OwnedFd, limit: Duration) -> Result<bool, Errno> {
    let mut fds = [PollFd::new(fd, PollFlags::OUT)];
    let limit = Timespec {
        tv_sec: limit.as_secs() as i64,
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    match poll(&mut fds, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(e) => return Err(e),
    }
    let found = fds[0].revents();
    if found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
        return Err(Errno::PIPE);
    }
    Ok(found.contains(PollFlags::OUT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use argos_engine::causal::Places;
    use std::io::{BufRead, Read};

    #[test]
    fn lines_arrive_in_order_and_the_fd_is_closed() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let events = Events::new(writer.into(), Places::new(1).take(1).unwrap()).unwrap();
        // More than a pipe holds, so that the writer has to wait for the reader.
        for i in 0..20_000 {
            events.send(serde_json::json!({"text": i}));
        }
        drop(events);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 20_000);
        assert_eq!(text.lines().next_back(), Some(r#"{"text":19999}"#));
    }

    #[test]
    fn place_is_free_for_whoever_has_read_the_last_line() {
        let places = Places::new(1);
        for _ in 0..200 {
            let (reader, writer) = std::io::pipe().unwrap();
            let place = places.take(1).expect("the place of the one before is free");
            let events = Events::new(writer.into(), place).unwrap();
            events.send(serde_json::json!({"text": "a"}));
            events.finish(serde_json::json!({"done": {}}));
            let mut lines = std::io::BufReader::new(reader).lines();
            assert_eq!(lines.next().unwrap().unwrap(), r#"{"text":"a"}"#);
            assert_eq!(lines.next().unwrap().unwrap(), r#"{"done":{}}"#);
        }
    }

    #[test]
    fn reader_that_goes_away_is_noticed_without_writing() {
        let (reader, writer) = std::io::pipe().unwrap();
        let places = Places::new(MOST);
        let events = Events::new(writer.into(), places.take(1).unwrap()).unwrap();
        assert!(!events.gone().is_cancelled());
        drop(reader);
        let start = std::time::Instant::now();
        while !events.gone().is_cancelled() {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
        // The place is free again with the thread.
        while places.taken() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
