//! Ends an X server that does not answer.
//!
//! Smithay's window manager waits for the server on the compositor's one thread: for answers, and for room
//! where it tells it something. A server that hangs would stop the whole desktop with it. So while a server
//! runs, a thread asks the loop from time to time whether it still turns; if it does not for [`PATIENCE`],
//! the server is killed, what was waited for becomes an error, and the loop goes on.

use std::{
    fs,
    os::fd::OwnedFd,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use smithay::reexports::calloop::{LoopHandle, RegistrationToken, ping};

use super::PROGRAM;
use crate::state::State;

/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long the loop may take to answer. A machine that is very busy takes seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Watches as long as it is there.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Nothing is sent; the thread ends when this is gone.
    _alive: Sender<()>,
    token: RegistrationToken,
}

impl Watchdog {
    /// Watches over the server that this thread has started last.
    pub(super) fn start(handle: &LoopHandle<'static, State>) -> Result<Self, String> {
        let server = newest_child().ok_or("its process was not found")?;
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let (question, asked) = ping::make_ping().map_err(|error| failed(&error))?;
        let (answer, answered) = mpsc::channel();
        let (alive, gone) = mpsc::channel::<()>();
        let token = handle
            .insert_source(asked, move |(), &mut (), _| {
                // The thread may have ended meanwhile.
                let _ = answer.send(());
            })
            .map_err(|error| failed(&error.error))?;
        std::thread::Builder::new()
            .name("x11-watchdog".into())
            .spawn(move || {
                while gone.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    question.ping();
                    if answered.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                        tracing::warn!(
                            "the desktop has waited {PATIENCE:?}, for {PROGRAM} as it seems, which is ended"
                        );
                        // It may have ended by itself.
                        let _ = pidfd_send_signal(&server, Signal::KILL);
                        return;
                    }
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(Self {
            _alive: alive,
            token,
        })
    }

    /// Nothing is left to watch over.
    pub(super) fn stop(self, handle: &LoopHandle<'static, State>) {
        handle.remove(self.token);
    }
}

/// The server among this thread's children that is there for the shortest time.
fn newest_child() -> Option<OwnedFd> {
    let children = fs::read_to_string("/proc/thread-self/children").ok()?;
    let is_server = |pid: &&str| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim_end() == PROGRAM)
    };
    // They are in the order in which they were made.
    let newest = children.split_whitespace().rev().find(is_server)?;
    // Until it is waited for, which is after its end has been noticed here, the number stays its own.
    let pid = newest.parse().ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
