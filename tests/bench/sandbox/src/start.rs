//! Programs in the sandbox, started as the supervisor starts them: by the static `argos-exec`, with the
//! specification in a file in memory.
#![allow(unsafe_code)]

use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use argos_sandbox::{Access, Bind, Spec};
use argos_units::ExecSpec;

/// Where `argos-exec` finds its specification.
const SPEC_FD: i32 = 9;

/// `argos-exec` with a specification, to be followed by the program and its arguments. The descriptor
/// has to live until it has started.
pub(crate) fn command(exec: &Path, spec: &Spec) -> Result<(Command, OwnedFd)> {
    let bytes = ExecSpec {
        sandbox: Some(spec.to_json()),
        ..ExecSpec::default()
    }
    .encode()
    .context("the specification")?;
    let memory = rustix::fs::memfd_create("spec", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&bytes)?;
    file.rewind()?;
    let file = OwnedFd::from(file);
    let mut command = Command::new(exec);
    command
        .args(["--spec-fd", &SPEC_FD.to_string(), "--"])
        .env_clear()
        .stdin(Stdio::null());
    pass(&mut command, &file, SPEC_FD);
    Ok((command, file))
}

/// Gives a command a descriptor under a number.
pub(crate) fn pass(command: &mut Command, fd: &OwnedFd, number: i32) {
    let from = fd.as_raw_fd();
    // SAFETY: dup2 and lseek are plain system calls; the caller keeps the descriptor open.
    unsafe {
        command.pre_exec(move || {
            // Read by an earlier start of the same command.
            libc::lseek(from, 0, libc::SEEK_SET);
            if libc::dup2(from, number) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// What an agent gets, with one program more.
pub(crate) fn agent(program: &Path, inside: &str) -> Spec {
    let mut spec = Spec::agent();
    spec.keep_fds.clear();
    spec.root
        .get_or_insert_with(Default::default)
        .binds
        .push(Bind {
            source: program.to_owned(),
            target: Some(inside.into()),
            access: Access::Execute,
        });
    spec
}

/// Puts this process before all others of the machine, and so all that it starts.
pub(crate) fn realtime() -> Result<()> {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: the parameters are valid for the call.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const parameters) };
    if result == 0 {
        return Ok(());
    }
    Err(std::io::Error::last_os_error()).context("--realtime needs root")
}
