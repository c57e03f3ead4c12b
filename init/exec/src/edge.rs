//! The system calls that have no safe wrapper, each in a safe function of its own. This program has
//! one thread.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// Makes `path` the standard streams and the controlling terminal of this session, whose leader
/// this process is.
pub(crate) fn take_terminal(path: &str) -> io::Result<()> {
    let terminal = OpenOptions::new().read(true).write(true).open(path)?;
    // SAFETY: an ioctl with a plain number on an open descriptor. 1: take it even from another
    // session, whose processes get SIGHUP.
    if unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 1) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for number in 0..3 {
        // SAFETY: the standard streams belong to this program, which wants them replaced.
        if unsafe { libc::dup2(terminal.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Takes over an open descriptor that was inherited; `None` if it is not open.
pub(crate) fn adopt(number: i32) -> Option<OwnedFd> {
    // SAFETY: asks only; a number that is not open is an error.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open and, by the way this program is called, nobody else's here.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sets an environment variable.
pub(crate) fn set_variable(name: &str, value: &str) {
    // SAFETY: there is one thread.
    unsafe { std::env::set_var(name, value) };
}

/// Becomes the program, with the present environment. Returns only if that failed.
pub(crate) fn execute(argv: &[CString]) -> io::Error {
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|word| word.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: the strings live on, the array ends with a null pointer and is not empty.
    unsafe {
        // Rust's start-up has programs ignore this signal, and that would be inherited.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execv(pointers[0], pointers.as_ptr());
    }
    io::Error::last_os_error()
}
