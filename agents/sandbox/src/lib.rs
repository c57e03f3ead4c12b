//! The sandbox of agents, tool workers, tool providers and services.
//!
//! A [`Spec`] says what one process may have; [`run`] (or [`apply`], followed by `exec`) gives it
//! that and nothing else, or refuses to start it. This crate is small and synchronous: it is linked
//! into the static `argos-exec`, and runs in a process with one thread that is about to execute
//! something hostile. Who may have what is not decided here: that is the broker's and the unit
//! file's business. Control groups are the supervisor's.
//!
//! # The steps, and why in this order
//!
//! Each step takes something away that a later step does not need, and nothing untrusted runs
//! before the last one. A step that fails ends the process: there is no half a sandbox.
//!
//! 1. **Check** the spec, and that the kernel has the Landlock level it requires. Cheap refusals
//!    come before anything has changed.
//! 2. **Environment and descriptors.** The environment is replaced and every descriptor that is not
//!    kept is closed, first of all, so that whatever the next steps open is all there is to leak.
//! 3. **Namespaces**, in one `clone3`: user, mount, process, network, IPC, host name, control group.
//!    The calling process stays outside and waits; see `process` for the three processes and how
//!    they die together. Without a process namespace it is one `unshare`.
//! 4. **User map**: the same user and group, `setgroups` denied. From here on there are capabilities
//!    over the new namespaces, and over nothing else. This needs the process to be dumpable, which a
//!    change of user has switched off. Without a user namespace (see [`run_as`]) they are root's own
//!    until step 8, and `outer` gives them up before it waits.
//! 5. **Session and keyring** are left, so that there is no terminal and no key to reach.
//! 6. **Root**: a memory file system with the declared binds, private `/proc` and the harmless
//!    devices; `pivot_root`; the old root is detached. See `root`. Then the **host name**.
//! 7. **Limits**, and the umask.
//! 8. **Capabilities** are dropped, bounding and ambient sets included: nothing after this needs one.
//!    Who is to be another user becomes it here, with the last of them.
//! 9. **no_new_privs**, without which the next two are not allowed to an unprivileged process.
//! 10. **Landlock** on the new root, so its rules name the paths that the program will see. It also
//!     ties signals and abstract sockets to the sandbox.
//! 11. **seccomp** last, since every step above makes calls that it forbids. See `syscalls`.
//! 12. **Fork**, where there is a process namespace: pid 1 stays as the reaper, under all the same
//!     walls; the program is pid 2. It gets a clean signal state, and executes.
//!
//! Two things cannot be made to survive `exec` and are the program's own part: the kernel makes an
//! executed program dumpable again (which means nothing here: there is nobody else in its process
//! namespace, `ptrace` kills, and core files are off), and a worker that needs no files once it has
//! started gives them up with [`seal`].
#![deny(missing_docs)]

mod calls;
mod error;
mod explain;
mod filter;
mod landlock;
mod privileges;
mod probe;
mod process;
mod recorded;
mod root;
mod spec;
mod syscalls;
mod trace;

use std::ffi::CString;

use process::Parent;

pub use error::Error;
pub use privileges::Identity;
pub use probe::{LANDLOCK_LEVELS, Levels, probe};
pub use recorded::{Recorded, recorded};
pub use spec::{
    Access, Bind, DEFAULT_LANDLOCK, Landlock, Limits, Namespaces, PathRule, Proc, Profile, Root,
    Spec, Tmpfs,
};
pub use trace::{Answer, Denial, Report, Wanted, attach, trace};

/// Puts the calling process into the sandbox; to be followed at once by `exec`.
///
/// Must be called by a single-threaded process. With `namespaces.pid` (the default) it forks:
/// it returns in the new process, which is to exec; the calling process stays behind, waits for it,
/// forwards SIGTERM and other polite signals, and exits with its status (128 + number where a signal
/// ended it). So what the caller does after a successful return runs inside.
///
/// All descriptors but 0, 1, 2 and `keep_fds` are closed, the caller's own included.
///
/// # Errors
/// Whatever cannot be enforced. The process must exit then: it may be half way in.
pub fn apply(spec: &Spec) -> Result<(), Error> {
    apply_as(spec, None)
}

/// [`apply`], on the way becoming the user that `identity` says; see [`run_as`].
fn apply_as(spec: &Spec, identity: Option<&Identity>) -> Result<(), Error> {
    spec.check()?;
    landlock::require(spec.landlock.minimum)?;

    privileges::replace_environment(spec);
    privileges::close_descriptors(&spec.keep_fds)?;
    let ids = (rustix::process::getuid(), rustix::process::getgid());
    privileges::dumpable(true)?;

    let flags = namespace_flags(spec);
    let mut parent = Parent::here();
    if spec.namespaces.pid {
        parent = process::enter_with_pid_namespace(flags, spec.die_with_parent, identity)?;
    } else {
        if spec.die_with_parent {
            process::tie_to_parent(&parent)?;
        }
        unshare(flags)?;
    }
    if spec.namespaces.user {
        map_user(ids)?;
    }
    if spec.profile != Profile::Service {
        // Fails where it leads a session already, which is as good: that one is its own, too.
        let _ = rustix::process::setsid();
    }
    privileges::drop_session_keyring()?;

    // Whoever sets this up may not be who walks through its folders later.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    if let Some(root) = &spec.root {
        root::enter(root, identity)?;
    }
    if let Some(name) = &spec.hostname {
        rustix::system::sethostname(name.as_bytes())
            .map_err(|error| Error::step(format!("setting the host name {name:?}"), error))?;
    }
    rustix::process::chdir(&spec.working_directory).map_err(|error| {
        Error::step(
            format!("changing to {}", spec.working_directory.display()),
            error,
        )
    })?;

    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    privileges::limit(&spec.limits)?;
    privileges::drop_capabilities(identity)?;
    if identity.is_some() {
        // With its user a process changes whom it dies with and whose its keyring is.
        if spec.namespaces.pid || spec.die_with_parent {
            process::tie_to_parent(&parent)?;
        }
        privileges::drop_session_keyring()?;
    }
    drop(parent);
    privileges::no_new_privileges()?;
    landlock::restrict(spec)?;
    privileges::dumpable(false)?;
    syscalls::restrict(spec.profile)?;

    if spec.namespaces.pid {
        process::fork_program()
    } else {
        process::unblock_signals()
    }
}

/// [`apply`], then executes `argv` (its first element is an absolute path inside). Never returns:
/// on failure it prints one line to stderr and exits with status 126 (127 where there is no such
/// program inside).
pub fn run(spec: &Spec, argv: &[CString]) -> ! {
    run_as(spec, None, argv)
}

/// [`run`], on the way becoming the user that `identity` says. For root, and for specs that have
/// namespaces but none of users ([`Spec::needs_root`]): there the kernel gives nobody else the
/// namespaces, and who is root at the start must not be at the end.
///
/// What it is good for: where a process has a user namespace of its own, all other users look alike
/// to it, also at a socket that they connect to.
pub fn run_as(spec: &Spec, identity: Option<&Identity>, argv: &[CString]) -> ! {
    if argv
        .first()
        .is_none_or(|program| !program.as_bytes().starts_with(b"/"))
    {
        fail(126, "the program to run must be given as an absolute path");
    }
    if let Err(error) = apply_as(spec, identity) {
        fail(126, &error.to_string());
    }
    let error = execute(argv);
    let status = if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    fail(
        status,
        &format!("cannot run {:?} inside the sandbox: {error}", argv[0]),
    )
}

/// A second, tighter wall that a program puts around itself once it has started: no file can be
/// opened by name any more (not even beneath an open folder), no program run, no process made by
/// `fork`, no socket made or connected. Descriptors that are open, or are received later, keep
/// working. For tool workers; best called before the first thread is made.
///
/// # Errors
/// Landlock or seccomp refuse; the kernel lacks Landlock ABI [`DEFAULT_LANDLOCK`].
pub fn seal() -> Result<(), Error> {
    privileges::no_new_privileges()?;
    privileges::dumpable(false)?;
    landlock::restrict_to_nothing()?;
    syscalls::seal()
}

fn fail(status: i32, text: &str) -> ! {
    eprintln!("argos-sandbox: {text}");
    std::process::exit(status)
}

#[allow(unsafe_code)]
fn execute(argv: &[CString]) -> std::io::Error {
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: both are valid, the array ends with a null pointer, and on success nothing of this
    // process is left. The environment is the one set by `apply`.
    unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
    std::io::Error::last_os_error()
}

fn namespace_flags(spec: &Spec) -> u64 {
    let wanted = &spec.namespaces;
    [
        (wanted.user, libc::CLONE_NEWUSER),
        (wanted.mount, libc::CLONE_NEWNS),
        (wanted.pid, libc::CLONE_NEWPID),
        (wanted.net, libc::CLONE_NEWNET),
        (wanted.ipc, libc::CLONE_NEWIPC),
        (wanted.uts, libc::CLONE_NEWUTS),
        (wanted.cgroup, libc::CLONE_NEWCGROUP),
    ]
    .into_iter()
    .filter(|(yes, _)| *yes)
    .fold(0, |flags, (_, flag)| flags | flag as u64)
}

#[allow(unsafe_code)]
fn unshare(flags: u64) -> Result<(), Error> {
    let Ok(bits) = i32::try_from(flags) else {
        unreachable!("namespace flags fit 31 bits")
    };
    // SAFETY: the process has one thread, and no flag here touches its descriptors or memory.
    if bits != 0 && unsafe { libc::unshare(bits) } != 0 {
        return Err(process::namespace_error(
            flags,
            std::io::Error::last_os_error(),
        ));
    }
    Ok(())
}

/// Maps the user and group to themselves and nobody else.
fn map_user((uid, gid): (rustix::process::Uid, rustix::process::Gid)) -> Result<(), Error> {
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text)
            .map_err(|error| Error::step(format!("writing /proc/self/{file}"), error))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{0} {0} 1", uid.as_raw()))?;
    write("gid_map", format!("{0} {0} 1", gid.as_raw()))
}
