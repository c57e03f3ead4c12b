//! Starting a child: `clone3` straight into its cgroup, with a pidfd, and `execve`.
//!
//! This is the one place where a process is made, and the only one with the unsafety that this
//! takes. What is run, and with what, is decided in [`process`](crate::process).
//!
//! The caller has one thread, so that the child may do between `clone3` and `execve` what any
//! program may. It still only makes system calls on data that was prepared before, so that a child
//! costs no more page copies than needed.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the child becomes.
#[derive(Debug)]
pub struct Image {
    /// Program and arguments; the first is an absolute path.
    pub argv: Vec<CString>,
    /// The whole environment, `NAME=value`.
    pub env: Vec<CString>,
    /// Where it starts.
    pub working_directory: CString,
    /// Adds `LISTEN_PID` with the child's own number (the socket activation protocol).
    pub listen_pid: bool,
}

/// A child that was started.
#[derive(Debug)]
pub struct Child {
    /// Its number. It stays valid until the child is reaped.
    pub pid: u32,
    /// The child itself; to signal it without mistaking another for it.
    pub pidfd: OwnedFd,
}

/// What children may have open, where this process may have more.
static CHILDRENS_DESCRIPTORS: OnceLock<Rlimit> = OnceLock::new();

/// Lets this process have many descriptors open. It needs a few for each unit and each client, and
/// the kernel's 1024 for PID 1 are soon used up. Children begin with what this process began with.
pub fn allow_more_descriptors() {
    const MOST: u64 = 64 << 10;
    let had = *CHILDRENS_DESCRIPTORS.get_or_init(|| getrlimit(Resource::Nofile));
    let least = had.maximum.map_or(MOST, |maximum| maximum.min(MOST));
    // Only root may go beyond the hard limit.
    for (current, maximum) in [
        (MOST, had.maximum.map(|m| m.max(MOST))),
        (least, had.maximum),
    ] {
        let current = Some(current);
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            return;
        }
    }
}

/// Starts `image` in a session of its own. `fds` are the descriptors that it gets: (mine, number in
/// the child); everything else is closed to it. The error is the kernel's, for `clone3`; a program
/// that cannot be executed says so on its standard error and ends with status 127 or 126.
pub fn program(
    image: &Image,
    fds: &[(BorrowedFd<'_>, i32)],
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Child> {
    let argv = pointers(&image.argv);
    let mut env = pointers(&image.env);
    let mut listen_pid = *b"LISTEN_PID=0000000000\0";
    if image.listen_pid {
        env.insert(0, listen_pid.as_ptr().cast());
    }
    let highest = fds.iter().map(|(_, to)| *to).max().unwrap_or(2).max(2);
    let mut copies: Vec<(i32, i32)> = fds
        .iter()
        .map(|(from, to)| (from.as_raw_fd(), *to))
        .collect();

    clone(cgroup, || {
        // SAFETY: system calls on memory that outlives them; all of it belongs to this process
        // alone since the clone shares nothing. `argv` and `env` end with null pointers.
        unsafe {
            write_number(&mut listen_pid[11..], libc::getpid());
            libc::setsid();
            clear_signals();
            libc::syscall(
                libc::SYS_close_range,
                3,
                u32::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            // First out of the way of the numbers that are about to be filled, then into place.
            for (from, _) in &mut copies {
                *from = libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, highest + 1);
            }
            for (from, to) in &copies {
                if libc::dup2(*from, *to) < 0 {
                    return say(c"cannot pass a file descriptor", &image.argv, 126);
                }
            }
            if libc::chdir(image.working_directory.as_ptr()) != 0 {
                return say(c"cannot enter the working directory of", &image.argv, 126);
            }
            libc::execve(argv[0], argv.as_ptr(), env.as_ptr());
            let missing = *libc::__errno_location() == libc::ENOENT;
            say(c"cannot run", &image.argv, if missing { 127 } else { 126 })
        }
    })
}

/// Runs `work` in a child, which ends with the status that it returns. For what may block.
pub fn function(
    work: impl FnOnce() -> i32,
    stderr: Option<BorrowedFd<'_>>,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Child> {
    let stderr = stderr.map(|fd| fd.as_raw_fd());
    clone(cgroup, || {
        // SAFETY: system calls without memory; see above.
        unsafe {
            libc::setsid();
            clear_signals();
            if let Some(fd) = stderr {
                libc::dup2(fd, 1);
                libc::dup2(fd, 2);
            }
        }
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101)
    })
}

/// Replaces this very process. Returns only if that failed.
pub fn replace(argv: &[CString]) -> io::Error {
    let pointers = pointers(argv);
    // SAFETY: the strings live on and the array ends with a null pointer.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::execv(pointers[0], pointers.as_ptr());
    }
    io::Error::last_os_error()
}

/// `clone3` without shared memory, that is, a fork. Kernels or sandboxes that refuse
/// `CLONE_INTO_CGROUP` get the child moved by hand, from the child's side before it does anything.
fn clone(cgroup: Option<BorrowedFd<'_>>, child: impl FnOnce() -> i32) -> io::Result<Child> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: all zero is the documented default of this structure.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` is valid and of the size that is said; without CLONE_VM the child runs on a
    // copy of this stack, as after fork.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            size_of::<libc::clone_args>(),
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            if let Some(limit) = CHILDRENS_DESCRIPTORS.get() {
                let _ = setrlimit(Resource::Nofile, *limit);
            }
            let status = child();
            // SAFETY: ends the child without running anything that belongs to the parent.
            unsafe { libc::_exit(status) }
        }
        pid => Ok(Child {
            pid: u32::try_from(pid).unwrap_or(0),
            // SAFETY: the kernel has put a new descriptor there, which nobody else owns.
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        }),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Unblocks all signals; `CLONE_CLEAR_SIGHAND` has reset what they do, except for those ignored.
///
/// # Safety
/// Changes the signals of the calling thread.
unsafe fn clear_signals() {
    // SAFETY: a local signal set; null is allowed for the old one.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Writes `number` in digits, without leading zeros (which some read as octal), and a null after it.
fn write_number(text: &mut [u8], number: i32) {
    let mut digits = [0; 10];
    let mut count = 0;
    let mut rest = number;
    while count < digits.len() && (rest > 0 || count == 0) {
        digits[count] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        count += 1;
    }
    let ordered = digits[..count].iter().rev().chain([&0]);
    text.iter_mut()
        .zip(ordered)
        .for_each(|(to, from)| *to = *from);
}

fn say(what: &CStr, argv: &[CString], status: i32) -> i32 {
    let error = io::Error::last_os_error();
    let program = argv
        .first()
        .map(|program| program.to_string_lossy())
        .unwrap_or_default();
    // Not by a macro: those take a lock and go astray in tests.
    let line = format!(
        "argos-init: {} {program}: {error}\n",
        what.to_string_lossy()
    );
    let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    fn strings(list: &[&str]) -> Vec<CString> {
        list.iter()
            .map(|text| CString::new(*text).unwrap())
            .collect()
    }

    fn wait(child: &Child) -> Option<i32> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.pid).unwrap());
        let status = rustix::process::waitpid(pid, rustix::process::WaitOptions::empty());
        status.unwrap().unwrap().1.exit_status()
    }

    #[test]
    fn descriptors_land_on_their_numbers_even_when_they_cross() {
        let (mut out_read, out_write) = io::pipe().unwrap();
        let (a_read, mut a_write) = io::pipe().unwrap();
        io::Write::write_all(&mut a_write, b"hello\n").unwrap();
        drop(a_write);
        let image = Image {
            argv: strings(&["/bin/sh", "-c", "cat <&3 >&9; echo $LISTEN_PID-$$-$X >&9"]),
            env: strings(&["X=y", "PATH=/bin:/usr/bin"]),
            working_directory: c"/".to_owned(),
            listen_pid: true,
        };
        let child = program(&image, &[(a_read.as_fd(), 3), (out_write.as_fd(), 9)], None).unwrap();
        drop(out_write);
        let mut text = String::new();
        out_read.read_to_string(&mut text).unwrap();
        assert_eq!(wait(&child), Some(0));
        let ids = format!("{}-{}-y", child.pid, child.pid);
        assert_eq!(text, format!("hello\n{ids}\n"));
    }

    #[test]
    fn a_missing_program_says_so_and_ends_with_127() {
        let (mut read, write) = io::pipe().unwrap();
        let image = Image {
            argv: strings(&["/nonexistent/program"]),
            env: Vec::new(),
            working_directory: c"/".to_owned(),
            listen_pid: false,
        };
        let child = program(&image, &[(write.as_fd(), 2)], None).unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(wait(&child), Some(127));
        assert!(
            text.contains("cannot run /nonexistent/program: No such file"),
            "{text}"
        );
    }
}
