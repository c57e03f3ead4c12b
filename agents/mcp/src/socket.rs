//! The socket to the broker: fd 3.
#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::bail;

/// Takes fd 3. To be called once.
///
/// # Errors
/// It is not open: this was not started by the broker.
pub(crate) fn take() -> anyhow::Result<UnixStream> {
    // SAFETY: the number is only looked at; whether it is open is what fcntl answers.
    let three = unsafe { BorrowedFd::borrow_raw(3) };
    let Ok(flags) = rustix::io::fcntl_getfd(three) else {
        bail!("there is no socket on fd 3; this is started by argos-broker");
    };
    // The server, which becomes our child, has no business with it.
    rustix::io::fcntl_setfd(three, flags | rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: fd 3 is open, was left there for this program by whoever started it, and nothing
    // else in this process uses it.
    Ok(UnixStream::from(unsafe { OwnedFd::from_raw_fd(3) }))
}
