//! `argos-exec`: what is done to a child between the supervisor's `clone3` and its program.
//!
//! ```text
//! argos-exec --spec-fd N -- PROGRAM ARGUMENTS...
//! ```
//!
//! The supervisor has put this process into its cgroup and a session of its own, and set its
//! standard streams. Descriptor N holds an [`ExecSpec`]. The order below matters: what needs the
//! supervisor's rights comes first, then they are given up for good, then everything that the
//! unit's own user must be able to do. It fails closed: anything that cannot be done ends it with
//! status 126 and one line on standard error, and the program is never run.
//!
//! 1. Terminal. 2. Folders, made for and owned by the user. 3. The cgroup, if it is delegated.
//! 4. Limits. 5. Groups and user. 6. Working folder. 7. Sandbox. 8. The program.
//!
//! A sandbox that has namespaces but none of users takes root's rights; there the user comes with the
//! last of them, as a step of the sandbox.
//!
//! It is linked statically and therefore reads `/etc/passwd` and `/etc/group` itself ([`accounts`]):
//! glibc's own functions would load modules at run time.

mod accounts;
mod edge;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use argos_units::{Directory, ExecSpec, codec};
use rustix::fs::{Gid, Uid};

use accounts::Account;

fn main() -> ExitCode {
    let failure = match set_up_and_become() {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    eprintln!("argos-exec: {}", failure.text);
    ExitCode::from(failure.status)
}

/// Why the program was not run.
struct Failure {
    text: String,
    status: u8,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { text, status: 126 }
    }
}

enum Never {}

fn set_up_and_become() -> Result<Never, Failure> {
    let (spec_fd, argv) = arguments()?;
    let spec = read_spec(spec_fd)?;
    let account = match &spec.user {
        Some(user) => Some(accounts::find(user, spec.group.as_deref())?),
        None if spec.group.is_some() => {
            return Err("a group without a user: name the user as well"
                .to_owned()
                .into());
        }
        None => None,
    };
    if let Some(tty) = &spec.tty {
        edge::take_terminal(tty)
            .map_err(|error| format!("cannot use the terminal {tty}: {error}"))?;
    }
    for directory in &spec.directories {
        make(directory, account.as_ref())
            .map_err(|error| format!("cannot make the folder {}: {error}", directory.path))?;
    }
    if spec.delegate {
        let owner = account
            .as_ref()
            .map_or((0, 0), |account| (account.uid, account.gid));
        delegate(owner).map_err(|error| format!("cannot give the cgroup away: {error}"))?;
    }
    if let Some(most) = spec.open_files {
        limit_open_files(most)
            .map_err(|error| format!("cannot limit open files to {most}: {error}"))?;
    }
    let sandbox = spec
        .sandbox
        .as_deref()
        .map(serde_json::from_str::<argos_sandbox::Spec>)
        .transpose()
        .map_err(|error| format!("the sandbox's specification is not understood: {error}"))?;
    let mut identity = None;
    if let Some(account) = &account {
        let wanted = account.identity();
        if sandbox
            .as_ref()
            .is_some_and(argos_sandbox::Spec::needs_root)
        {
            identity = Some(wanted);
        } else {
            wanted
                .assume()
                .map_err(|error| format!("cannot become user `{}`: {error}", account.name))?;
        }
        describe_user(account);
    }
    let folder = spec.working_directory.as_deref().unwrap_or("/");
    if let Some(mut sandbox) = sandbox {
        for fd in &spec.fds {
            if !sandbox.keep_fds.contains(fd) {
                sandbox.keep_fds.push(*fd);
            }
        }
        for name in &spec.variables {
            let known = sandbox.environment.contains_key(name);
            if !known && !sandbox.pass_environment.contains(name) {
                sandbox.pass_environment.push(name.clone());
            }
        }
        argos_sandbox::run_as(&sandbox, identity.as_ref(), &argv)
    }
    std::env::set_current_dir(folder)
        .map_err(|error| format!("cannot enter the working folder {folder}: {error}"))?;
    let error = edge::execute(&argv);
    let program = argv
        .first()
        .map(|program| program.to_string_lossy())
        .unwrap_or_default();
    let status = if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    Err(Failure {
        text: format!("cannot run {program}: {error}"),
        status,
    })
}

fn arguments() -> Result<(OwnedFd, Vec<CString>), String> {
    let usage =
        "usage: argos-exec --spec-fd N -- PROGRAM ARGUMENTS...; it is started by argos-init";
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next();
    if next().is_none_or(|word| word != "--spec-fd") {
        return Err(usage.into());
    }
    let number = next()
        .and_then(|word| word.to_str()?.parse::<i32>().ok())
        .filter(|n| *n > 2);
    if next().is_none_or(|word| word != "--") {
        return Err(usage.into());
    }
    let argv: Vec<CString> = arguments
        .map(|word| CString::new(word.into_vec()).map_err(|_| usage.to_owned()))
        .collect::<Result<_, _>>()?;
    if !argv
        .first()
        .is_some_and(|program| program.as_bytes().starts_with(b"/"))
    {
        return Err("the program needs an absolute path".into());
    }
    let fd = number
        .and_then(edge::adopt)
        .ok_or("the descriptor named by --spec-fd is not open")?;
    Ok((fd, argv))
}

fn read_spec(fd: OwnedFd) -> Result<ExecSpec, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = fs::File::from(fd)
        .take(codec::MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read the specification: {error}"))?;
    ExecSpec::decode(&bytes).map_err(|error| format!("the specification is of no use: {error}"))
}

/// Makes a folder; those above it are made with ordinary rights.
fn make(directory: &Directory, account: Option<&Account>) -> io::Result<()> {
    let path = Path::new(&directory.path);
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // A link that somebody else put there must not lead to a foreign folder being given away.
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            "there is something else",
        ));
    }
    if let Some(account) = account {
        let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
        rustix::fs::chown(path, Some(uid), Some(gid))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(directory.mode))
}

/// Gives this process's own cgroup to a user, who may then divide it.
fn delegate((uid, gid): (u32, u32)) -> io::Result<()> {
    let text = fs::read_to_string("/proc/self/cgroup")?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    let path = path.ok_or_else(|| io::Error::other("this process is in no v2 cgroup"))?;
    let group = Path::new("/sys/fs/cgroup").join(path);
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chown(&group, uid, gid)?;
    // What the kernel lists in /sys/kernel/cgroup/delegate is meant for the new owner. Limits
    // (memory.max and so on) stay with the one above.
    for file in ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        rustix::fs::chown(group.join(file), uid, gid)?;
    }
    Ok(())
}

fn limit_open_files(most: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(most, |maximum| most.min(maximum)));
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// Sets the variables that a login would, unless the unit sets them.
fn describe_user(account: &Account) {
    for (name, value) in [
        ("HOME", &account.home),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("SHELL", &account.shell),
    ] {
        if std::env::var_os(name).is_none() {
            edge::set_variable(name, value);
        }
    }
}
