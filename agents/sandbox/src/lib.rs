//! The sandbox of agents, tool workers, tool providers and services.
#![allow(missing_docs)]

mod error;
mod probe;
mod spec;

pub use error::Error;
pub use probe::{Levels, probe};
pub use spec::{
    Access, Bind, DEFAULT_LANDLOCK, Landlock, Limits, Namespaces, PathRule, Proc, Profile, Root,
    Spec, Tmpfs,
};

use std::ffi::CString;

/// Puts the calling process into the sandbox; to be followed at once by `exec`.
///
/// Must be called by a single-threaded process. With `namespaces.pid` (the default) it forks:
/// it returns in the new process, which is to exec; the calling process stays behind, waits for it,
/// forwards SIGTERM and other polite signals, and exits with its status (128 + number where a signal
/// ended it). So what the caller does after a successful return runs inside.
///
/// # Errors
/// Whatever cannot be enforced. The process must exit then: it may be half way in.
pub fn apply(spec: &Spec) -> Result<(), Error> {
    spec.check()?;
    Err(Error::InvalidSpec(
        "argos-sandbox is being written: apply is not there yet".to_owned(),
    ))
}

/// [`apply`], then executes `argv` (its first element is an absolute path inside). Never returns:
/// on failure it prints one line to stderr and exits with status 126 (127 where there is no such
/// program inside).
pub fn run(spec: &Spec, argv: &[CString]) -> ! {
    let _ = argv;
    match apply(spec) {
        Ok(()) => std::process::exit(126),
        Err(error) => {
            eprintln!("argos-sandbox: {error}");
            std::process::exit(126);
        }
    }
}

/// A second, tighter wall that a program puts around itself once it has started: no file can be
/// opened by name any more, no program run, no socket made. For tool workers.
///
/// # Errors
/// Landlock or seccomp refuse.
pub fn seal() -> Result<(), Error> {
    Err(Error::InvalidSpec(
        "argos-sandbox is being written: seal is not there yet".to_owned(),
    ))
}
