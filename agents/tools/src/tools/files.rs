//! What the tools on files have in common: finding what was granted, and handing it to the worker.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::beneath::{Want, open_beneath};
use crate::{Call, Code, Env, ToolError, Worker};

/// Opens the call's resource beneath what was granted.
pub(super) async fn open(call: &Call, env: &Env, want: Want) -> Result<OwnedFd, ToolError> {
    let resource = PathBuf::from(&call.resource);
    let granted = env.granted.clone().unwrap_or_else(|| resource.clone());
    let tried = format!("{} {}", call.tool, call.resource);
    let Ok(path) = resource.strip_prefix(&granted).map(Path::to_owned) else {
        return Err(ToolError::new(
            Code::Denied,
            tried,
            format!(
                "it lies outside of {}, which was granted",
                granted.display()
            ),
        ));
    };
    super::blocking(call.tool, move || {
        open_beneath(&granted, &path, want).map_err(|error| {
            let failed = ToolError::io(tried, &error);
            match (error.raw_os_error(), want) {
                // A link was put there after the path was made canonical.
                (Some(number), _) if number == rustix::io::Errno::LOOP.raw_os_error() => {
                    failed.hint("A symbolic link appeared on the way; try again")
                }
                (None, Want::Folder) => failed.hint("files.read reads a file"),
                (None, Want::File) => failed.hint("files.list lists a folder"),
                _ => failed,
            }
        })
    })
    .await
}

/// Runs the worker's half of the call.
pub(super) async fn in_worker(
    call: &Call,
    env: &Env,
    arguments: Value,
    fds: Vec<OwnedFd>,
) -> Result<Value, ToolError> {
    worker(call, env)?.call(call.tool, arguments, fds).await
}

fn worker<'a>(call: &Call, env: &'a Env) -> Result<&'a Worker, ToolError> {
    env.worker.as_ref().ok_or_else(|| {
        ToolError::new(
            Code::Unavailable,
            format!("{} {}", call.tool, call.resource),
            "no tool worker runs",
        )
    })
}

/// The one descriptor that a worker's half expects.
pub(super) fn only(tool: &str, fds: Vec<OwnedFd>) -> Result<OwnedFd, ToolError> {
    let count = fds.len();
    let mut fds = fds.into_iter();
    match (fds.next(), fds.next()) {
        (Some(fd), None) => Ok(fd),
        _ => Err(ToolError::new(
            Code::Failed,
            tool,
            format!("{count} descriptors came, one was expected"),
        )),
    }
}
