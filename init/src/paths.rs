//! Path units: a child looks for the path, since looking may take as long as a file system likes.
//!
//! A path may lie on a disk that died, a server that is gone or a file system that some program
//! implements; whoever looks there waits, perhaps for ever. So each path unit has a child that does
//! nothing else. It reports whether the path is there, once at first and then with each change; the
//! supervisor keeps the last report and never looks itself. A child that hangs costs its own unit
//! and no other.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::machine::PATH_POLL_MS;
use crate::spawn::{self, Child};

/// Starts the child that looks for `path` and writes to `report`: one byte, 1 if it is there and 0
/// if not. It ends when nobody reads any more.
pub fn look_for(path: &str, report: OwnedFd) -> std::io::Result<Child> {
    let path = Path::new(OsStr::new(path)).to_owned();
    spawn::function(
        move || {
            crate::edge::close_all_but(report.as_fd());
            look(&path, &report);
            0
        },
        None,
        None,
    )
}

fn look(path: &Path, report: &OwnedFd) {
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: i64::try_from(PATH_POLL_MS * 1_000_000).unwrap_or(500_000_000),
    };
    let mut reported = None;
    loop {
        let there = path.exists();
        if reported != Some(there) {
            if rustix::io::write(report, &[u8::from(there)]).is_err() {
                return;
            }
            reported = Some(there);
        }
        // Asks for nothing, so that it sleeps until the other end is closed or the time is over.
        let mut ends = [PollFd::new(report, PollFlags::empty())];
        let _ = poll(&mut ends, Some(&pause));
        if ends[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::HUP)
        {
            return;
        }
    }
}
