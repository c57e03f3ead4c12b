//! Asking a recording to end, from wherever.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// A recording's end, to be asked for: what waits on descriptors sees it as one that can be read.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// Nobody asked yet.
    ///
    /// # Errors
    /// When there are too many descriptors.
    pub fn new() -> std::io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(Arc::new(eventfd(0, flags)?)))
    }

    /// Asks for the end. Again is no harm.
    pub fn stop(&self) {
        // It fails only where it was asked 2^64 times.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&*self.0, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&now)), Ok(1))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_once_and_for_all() {
        let stop = Stop::new().unwrap();
        assert!(!stop.is_asked());
        let other = stop.clone();
        std::thread::spawn(move || other.stop()).join().unwrap();
        assert!(stop.is_asked());
        stop.stop();
        assert!(stop.is_asked());
    }
}
