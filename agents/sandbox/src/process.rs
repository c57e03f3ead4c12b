//! The three processes of a sandbox, and how they end together.
//!
//! ```text
//! outer      host's namespaces   waits for `first`, forwards signals, exits with its status
//!  └─ first  pid 1 inside        sets everything up, then reaps orphans and forwards signals
//!      └─ program  pid 2 inside  returns from `apply` and executes
//! ```
//!
//! * The program ends: `first` exits with its status, which makes the kernel kill whatever else is
//!   left in the process namespace; `outer` exits with the same status.
//! * Somebody kills `outer`, even with SIGKILL: `first` has a parent-death signal, and with it the
//!   namespace goes.
//! * SIGTERM and its like sent to `outer` travel down to the program.
//!
//! Only the program keeps the descriptors of the spec: while another process held fd 3 open, its
//! peer would never see that the program is gone.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::Error;
use crate::privileges::{self, Identity};

/// Signals that are passed on from outside to the program.
const FORWARDED: [libc::c_int; 8] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// A process's parent, as it can be known again.
pub(crate) enum Parent {
    /// In the same process namespace: its number.
    Here(Option<Pid>),
    /// Outside of it: a pidfd.
    Outside(OwnedFd),
}

impl Parent {
    /// That of the calling process.
    pub(crate) fn here() -> Self {
        Self::Here(rustix::process::getppid())
    }
}

/// Creates `first` in new namespaces and returns in it, with `outer` as its parent; the calling process
/// becomes `outer` and never returns. Where it is root and `first` is to become another user, so does
/// `outer`: it could not be told to end otherwise, and there is nothing that root is needed for.
/// (A signal that comes to `outer` before `first` has its user is not forwarded.)
pub(crate) fn enter_with_pid_namespace(
    flags: u64,
    die_with_parent: bool,
    identity: Option<&Identity>,
) -> Result<Parent, Error> {
    block_signals()?;
    let parent = Parent::here();
    let own = rustix::process::getpid();
    let alive = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty())
        .map_err(|error| Error::step("opening a descriptor of this process", error))?;
    if die_with_parent {
        tie_to_parent(&parent)?;
    }

    #[repr(C)]
    #[derive(Default)]
    struct CloneArgs {
        flags: u64,
        pidfd: u64,
        child_tid: u64,
        parent_tid: u64,
        exit_signal: u64,
        stack: u64,
        stack_size: u64,
        tls: u64,
    }
    let args = CloneArgs {
        flags,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM this is fork: the child runs on a copy of this single-threaded
    // process. `args` is valid for the size given.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const args,
            std::mem::size_of::<CloneArgs>(),
        )
    };
    match pid {
        0 => {
            let outer = Parent::Outside(alive);
            tie_to_parent(&outer)?;
            Ok(outer)
        }
        pid if pid > 0 => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            drop(alive);
            if let Some(identity) = identity {
                // `first` ends with this process should that fail.
                privileges::drop_capabilities(Some(identity))?;
                privileges::no_new_privileges()?;
                if die_with_parent {
                    // A change of user undoes it.
                    tie_to_parent(&parent)?;
                }
            }
            match pid {
                Some(pid) => wait_as("outer", pid, false),
                None => std::process::exit(126),
            }
        }
        _ => Err(namespace_error(flags, io::Error::last_os_error())),
    }
}

/// Explains why the kernel refused namespaces.
pub(crate) fn namespace_error(flags: u64, source: io::Error) -> Error {
    let hint = match source.raw_os_error() {
        Some(libc::EPERM) if flags & libc::CLONE_NEWUSER as u64 != 0 => {
            ". User namespaces are forbidden to this user (sysctl kernel.unprivileged_userns_clone, \
             AppArmor, a container), or this runs in a chroot, where the kernel refuses them"
        }
        Some(libc::EPERM) => {
            ". Without a user namespace this needs CAP_SYS_ADMIN: set `namespaces.user: true`"
        }
        Some(libc::ENOSPC | libc::EUSERS) => {
            ". The limit of namespaces is reached: see /proc/sys/user/max_*_namespaces"
        }
        Some(libc::EINVAL) => {
            ". The kernel lacks one of the namespaces, or this process has threads"
        }
        _ => "",
    };
    Error::step_hint("creating namespaces", source, hint)
}

/// Makes this process die with its parent. `parent` closes the gap: should it be gone by now, this
/// process ends.
pub(crate) fn tie_to_parent(parent: &Parent) -> Result<(), Error> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Error::step("tying this process to its parent", error))?;
    let gone = match parent {
        Parent::Outside(fd) => {
            let mut poll = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
            let now = rustix::event::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            rustix::event::poll(&mut poll, Some(&now))
                .map_err(|error| Error::step("looking for the parent process", error))?
                > 0
        }
        Parent::Here(number) => rustix::process::getppid() != *number,
    };
    if gone {
        std::process::exit(126);
    }
    Ok(())
}

/// Forks the program off `first` and returns in the program; `first` never returns.
pub(crate) fn fork_program() -> Result<(), Error> {
    // SAFETY: single-threaded, so the child may go on as a normal process.
    match unsafe { libc::fork() } {
        0 => unblock_signals(),
        pid if pid > 0 => match Pid::from_raw(pid) {
            Some(pid) => wait_as("first", pid, true),
            None => std::process::exit(126),
        },
        _ => Err(Error::step(
            "forking the program",
            io::Error::last_os_error(),
        )),
    }
}

/// Waits for `child`, forwards signals to it, and exits with its status.
fn wait_as(name: &str, child: Pid, reap_all: bool) -> ! {
    // The child has its own copies. Errors would leave descriptors open, which `close_range` on
    // this kernel does not give.
    // SAFETY: nothing in this process uses a descriptor from here on.
    unsafe { libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0) };
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if let Ok(name) = std::ffi::CString::new(format!("sandbox-{name}")) {
        let _ = rustix::thread::set_name(&name);
    }
    let set = waited_signals();
    loop {
        // SAFETY: both pointers are valid for the call; the signals are blocked.
        let signal = unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
        if signal == libc::SIGCHLD {
            if let Some(status) = reap(child, reap_all) {
                std::process::exit(status);
            }
        } else if FORWARDED.contains(&signal) {
            // SAFETY: plain system call on a child that was not reaped yet.
            unsafe { libc::kill(child.as_raw_nonzero().get(), signal) };
        }
    }
}

/// Reaps what has ended; the exit status to pass on once `child` itself has.
fn reap(child: Pid, all: bool) -> Option<i32> {
    loop {
        let ended = if all {
            rustix::process::wait(WaitOptions::NOHANG)
        } else {
            rustix::process::waitpid(Some(child), WaitOptions::NOHANG)
        };
        match ended {
            Ok(Some((pid, status))) if pid == child => return Some(exit_status(status)),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(rustix::io::Errno::INTR) => {}
            // No child left without its status: lost, which only a bug can cause.
            Err(_) => return Some(126),
        }
    }
}

/// A status as a shell gives it: the code, or 128 + signal.
fn exit_status(status: WaitStatus) -> i32 {
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(126)
}

fn waited_signals() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data that sigemptyset initialises; the signal numbers are valid.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        for signal in FORWARDED {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Blocks what `outer` and `first` wait for: pid 1 of a namespace drops signals that it neither
/// blocks nor handles.
fn block_signals() -> Result<(), Error> {
    let set = waited_signals();
    // SAFETY: `set` is initialised; SIGCHLD must not be ignored or children vanish unreaped.
    let failed = unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL) == libc::SIG_ERR
            || libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0
    };
    if failed {
        return Err(Error::step("blocking signals", io::Error::last_os_error()));
    }
    Ok(())
}

/// Gives the program the signal state of a fresh process.
pub(crate) fn unblock_signals() -> Result<(), Error> {
    // SAFETY: `set` is initialised before use; setting a default action has no preconditions, and
    // the two signals that cannot be changed fail harmlessly.
    let failed = unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) != 0
    };
    if failed {
        return Err(Error::step("resetting signals", io::Error::last_os_error()));
    }
    Ok(())
}
