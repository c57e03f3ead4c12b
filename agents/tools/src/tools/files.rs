//! What the tools on files have in common: finding what was granted, and handing it to the worker.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;
use serde_json::Value;

use crate::beneath::{Want, folder_in, open_beneath, open_folder};
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
                (None, Want::Folder) => failed.hint("files.read reads a file"),
                (None, Want::File) => failed.hint("files.list lists a folder"),
                _ => link_hint(failed, &error),
            }
        })
    })
    .await
}

/// A name in an open folder: something that is to be made, replaced or moved.
#[derive(Debug)]
pub(super) struct Place {
    /// The folder it stands in.
    pub(super) folder: OwnedFd,
    /// Its name there.
    pub(super) name: OsString,
    /// The whole path, for people.
    pub(super) path: PathBuf,
}

impl Place {
    /// Finds `path`, one of the call's resources. Its folder is opened through no link, beneath the
    /// granted folder where a grant for one allows this. With `make`, folders on
    /// the way that are not there are made.
    pub(super) fn find(
        tried: &str,
        granted: Option<&Path>,
        path: &Path,
        make: bool,
    ) -> Result<Self, ToolError> {
        let failed = |error: std::io::Error| link_hint(ToolError::io(tried, &error), &error);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ToolError::new(
                Code::InvalidArguments,
                tried,
                "this names no file or folder in a folder",
            ));
        };
        // A grant for exactly this path is one for its name in its folder.
        let top = granted
            .filter(|granted| *granted != path)
            .unwrap_or(Path::new("/"));
        let Ok(way) = parent.strip_prefix(top) else {
            return Err(ToolError::new(
                Code::Denied,
                tried,
                format!("it lies outside of {}, which was granted", top.display()),
            ));
        };
        let folder = open_folder(top)
            .and_then(|top| folder_at(&top, way, make))
            .map_err(failed)?;
        Ok(Self {
            folder,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// What stands there, links not followed; `None` where there is nothing.
    pub(super) fn stat(&self, tried: &str) -> Result<Option<Stat>, ToolError> {
        match rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(ToolError::io(tried, &error.into())),
        }
    }
}

/// Opens the folder `way` beneath an open one; with `make`, what is missing of it is made. In one go
/// where it is there, since folders on the way may be closed to reading.
fn folder_at(top: &OwnedFd, way: &Path, make: bool) -> std::io::Result<OwnedFd> {
    let (Some(above), Some(name)) = (way.parent(), way.file_name()) else {
        return top.try_clone();
    };
    match folder_in(top, way.as_os_str(), false) {
        Err(error) if make && error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {
            let above = folder_at(top, above, make)?;
            match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => folder_in(&above, name, false),
                Err(error) => Err(error.into()),
            }
        }
        found => found,
    }
}

/// Refuses to take a folder as a whole that has something in it which the person refused.
pub(super) fn whole(tried: &str, path: &Path, env: &Env) -> Result<(), ToolError> {
    match env.refused.iter().find(|refused| refused.starts_with(path)) {
        None => Ok(()),
        Some(refused) => Err(ToolError::new(
            Code::Denied,
            tried,
            format!(
                "{} is in it, which is refused to this agent",
                refused.display()
            ),
        )
        .hint("Name the other things in it one by one")),
    }
}

/// What a file is, for people.
pub(super) fn kind(stat: &Stat) -> &'static str {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => "folder",
        FileType::RegularFile => "file",
        FileType::Symlink => "link",
        _ => "other",
    }
}

/// A link was put there after the path was made canonical.
fn link_hint(failed: ToolError, error: &std::io::Error) -> ToolError {
    if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        failed.hint("A symbolic link appeared on the way; try again")
    } else {
        failed
    }
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
