//! Everything a process carries with it besides its memory: descriptors, environment, keyring,
//! limits, capabilities. Each function takes one of them away.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::Error;
use crate::spec::{Limits, Spec};

/// A user, as a process becomes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All groups, `gid` among them.
    pub groups: Vec<u32>,
}

impl Identity {
    /// Makes the calling process, which has one thread, this user for good.
    ///
    /// # Errors
    /// It may not: this is for root.
    pub fn assume(&self) -> io::Result<()> {
        let check = |result: libc::c_int| {
            if result == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        };
        let (uid, gid) = (self.uid, self.gid);
        // SAFETY: the list is valid for its length; the others are plain numbers. One thread.
        unsafe {
            check(libc::setgroups(self.groups.len(), self.groups.as_ptr()))?;
            check(libc::setresgid(gid, gid, gid))?;
            check(libc::setresuid(uid, uid, uid))
        }
    }
}

/// Closes every descriptor but 0, 1, 2 and those that are kept; makes sure the first three exist,
/// so that no file of the program ends up as its standard error.
pub(crate) fn close_descriptors(keep: &[i32]) -> Result<(), Error> {
    for fd in 0..=2 {
        // SAFETY: F_GETFD on any number is harmless.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            // SAFETY: a constant path; the lowest free number is `fd` itself, since the ones
            // below it are open.
            let opened = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) };
            if opened == -1 {
                return Err(Error::step("opening /dev/null", io::Error::last_os_error()));
            }
        }
    }
    let mut keep: Vec<i32> = keep.iter().copied().filter(|fd| *fd > 2).collect();
    keep.sort_unstable();
    keep.dedup();
    let mut from = 3;
    for fd in keep {
        // SAFETY: as above.
        if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == -1 {
            return Err(Error::step_hint(
                format!("keeping descriptor {fd}"),
                io::Error::last_os_error(),
                ". It must be open in the process that enters the sandbox",
            ));
        }
        close_range(from, fd - 1)?;
        from = fd + 1;
    }
    close_range(from, i32::MAX)
}

fn close_range(from: i32, to: i32) -> Result<(), Error> {
    if from > to {
        return Ok(());
    }
    // SAFETY: the process is about to execute another program; the objects that own these
    // descriptors are never used again.
    if unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } != 0 {
        return Err(Error::step(
            "closing inherited descriptors",
            io::Error::last_os_error(),
        ));
    }
    Ok(())
}

/// Replaces the environment by what the spec says.
pub(crate) fn replace_environment(spec: &Spec) {
    let passed: Vec<(String, OsString)> = spec
        .pass_environment
        .iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (name.clone(), value)))
        .collect();
    // SAFETY: the process has one thread.
    unsafe {
        for (name, _) in std::env::vars_os() {
            std::env::remove_var(name);
        }
        for (name, value) in passed {
            std::env::set_var(name, value);
        }
        for (name, value) in &spec.environment {
            std::env::set_var(name, value);
        }
    }
}

/// Leaves the session keyring for a new, empty one. A kernel without keyrings has nothing to leave.
pub(crate) fn drop_session_keyring() -> Result<(), Error> {
    // SAFETY: the null name asks for an anonymous keyring.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    if result == -1 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ENOSYS) {
            return Err(Error::step("leaving the session keyring", error));
        }
    }
    Ok(())
}

/// Sets the resource limits, soft and hard.
pub(crate) fn limit(limits: &Limits) -> Result<(), Error> {
    // One byte, not none: a core handler (`core_pattern` with a pipe) runs whatever the limit is,
    // except that the kernel reads exactly 1 as "never".
    set(Resource::Core, "core", 1)?;
    set(Resource::Nofile, "open-files", limits.open_files)?;
    for (resource, name, value) in [
        (Resource::Nproc, "processes", limits.processes),
        (Resource::Fsize, "file-size-bytes", limits.file_size_bytes),
        (
            Resource::As,
            "address-space-bytes",
            limits.address_space_bytes,
        ),
    ] {
        if let Some(value) = value {
            set(resource, name, value)?;
        }
    }
    Ok(())
}

fn set(resource: Resource, name: &str, value: u64) -> Result<(), Error> {
    // Where the caller's own limit is lower, that one holds: limits only ever get tighter.
    let value = rustix::process::getrlimit(resource)
        .maximum
        .map_or(value, |most| most.min(value));
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )
    .map_err(|error| Error::step(format!("setting the limit {name} to {value}"), error))
}

/// Empties every capability set, and closes the ways back: the bounding set, the ambient set, and
/// what user 0 would get on executing a program. With the last of them it becomes the user that
/// `identity` says.
pub(crate) fn drop_capabilities(identity: Option<&Identity>) -> Result<(), Error> {
    let held = rustix::thread::capabilities(None)
        .map_err(|error| Error::step("reading the capabilities", error))?;
    let powerless = held.permitted.is_empty();
    // A process with no capability cannot empty its bounding set, and need not: with
    // no_new_privs, which follows, it never gains one.
    let unless_powerless = |step: &str, result: io::Result<()>| match result {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && powerless => Ok(()),
        Err(error) => Err(Error::step(step, error)),
        Ok(()) => Ok(()),
    };

    // NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, all locked.
    const SECURE: libc::c_ulong = 0b1110_1111;
    unless_powerless(
        "locking the secure bits",
        prctl(libc::PR_SET_SECUREBITS, SECURE, 0),
    )?;
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            // Past the last capability that this kernel knows.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            result => unless_powerless("emptying the bounding set", result)?,
        }
    }
    rustix::thread::clear_ambient_capability_set()
        .map_err(|error| Error::step("emptying the ambient set", error))?;
    if let Some(identity) = identity {
        identity
            .assume()
            .map_err(|error| Error::step(format!("becoming user {}", identity.uid), error))?;
    }
    let none = rustix::thread::CapabilitySet::empty();
    let none = rustix::thread::CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, none)
        .map_err(|error| Error::step("dropping the capabilities", error))
}

/// Rules out that executing a program gives any privilege.
pub(crate) fn no_new_privileges() -> Result<(), Error> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| Error::step("setting no_new_privs", error))
}

/// Whether other processes of the user may look into this one. Off inside; the kernel switches it
/// on again when a program is executed, so programs of ours call it once more.
pub(crate) fn dumpable(yes: bool) -> Result<(), Error> {
    let behavior = if yes {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    };
    rustix::process::set_dumpable_behavior(behavior)
        .map_err(|error| Error::step("setting whether this process can be dumped", error))
}

fn prctl(option: libc::c_int, a: libc::c_ulong, b: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take plain numbers.
    if unsafe { libc::prctl(option, a, b, 0, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
