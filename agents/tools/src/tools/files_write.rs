//! `files.write`: a text file, new, in place of an older version, or longer than before.
//!
//! A file is written under a name nobody looks for, synced by the worker, and given its own name in
//! one step: it is there as a whole or as it was before. The version it replaces goes into the trash;
//! where there can be no trash, nothing is replaced. Appending writes at the file's end in place, for
//! which logs and lists are made; what a full disk cut in the middle is taken back.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::files::{self, Place};
use super::{Definition, trash};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, path};

/// The broker takes 128 KiB of arguments in all.
const MOST_TEXT: usize = 96 << 10;
/// Largest file that is appended to.
const MOST_SIZE: u64 = 64 << 20;

pub(crate) struct FilesWrite;

/// What to write, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// File: absolute, or beginning with `~`, or relative to the person's home.
    #[schemars(length(min = 1, max = 4096))]
    path: String,
    /// The text.
    #[schemars(length(max = 98304))]
    text: String,
    /// Adds the text at the file's end instead of replacing what it holds.
    #[serde(default)]
    append: bool,
}

impl Definition for FilesWrite {
    const NAME: &'static str = "files.write";
    const DESCRIPTION: &'static str = "Writes a text file; an older version goes into the trash";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let path = path::canonical_new(Self::NAME, &arguments.path, context)?;
        let tried = format!("{} {path}", Self::NAME);
        path::changeable(&tried, &path, context, false)?;
        let size = arguments.text.len();
        if size > MOST_TEXT {
            return Err(ToolError::new(
                Code::LimitReached,
                tried,
                format!("the text has {size} bytes; the most is {MOST_TEXT}"),
            )
            .hint("Write the beginning, and the rest with `append`"));
        }
        if arguments.text.contains('\0') {
            return Err(ToolError::new(
                Code::InvalidArguments,
                tried,
                "the text holds a NUL, which no text file does",
            ));
        }
        let summary = if arguments.append {
            format!("Add {size} bytes of text at the end of {path}.")
        } else {
            format!("Write {size} bytes of text into {path}; an older version goes into the trash.")
        };
        // What programs obey is not covered by a grant for the folder above it.
        let default = if path::hidden(&path, context) {
            Verdict::Confirm
        } else {
            Self::DEFAULT
        };
        let arguments = Arguments {
            path: path.clone(),
            ..arguments
        };
        Resolved::new(&arguments, path, summary, default)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let (path, granted) = (PathBuf::from(&call.resource), env.granted.clone());
            let tried = format!("{} {}", Self::NAME, path.display());
            let text = json!({"text": arguments.text});
            if arguments.append {
                let opened = {
                    let tried = tried.clone();
                    super::blocking(Self::NAME, move || {
                        end_of(&tried, granted.as_deref(), &path)
                    })
                    .await?
                };
                let (file, created) = opened;
                let mut told = files::in_worker(call, env, text, vec![file]).await?;
                told["path"] = call.resource.clone().into();
                told["created"] = created.into();
                told["appended"] = true.into();
                told["reversible"] = created.into();
                if created {
                    told["undo"] =
                        json!({"tool": "files.trash", "arguments": {"path": call.resource}});
                }
                return Ok(told);
            }
            let (draft, file) = {
                let tried = tried.clone();
                super::blocking(Self::NAME, move || {
                    Draft::new(tried, granted.as_deref(), &path)
                })
                .await?
            };
            let mut told = files::in_worker(call, env, text, vec![file]).await?;
            let home = env.context.home.clone();
            let previous = super::blocking(Self::NAME, move || draft.publish(&home)).await?;
            told["path"] = call.resource.clone().into();
            told["created"] = previous.is_none().into();
            told["reversible"] = true.into();
            told["undo"] = match previous {
                Some(kept) => {
                    told["previous"] = json!(kept);
                    json!(
                        "put the file into the trash with files.trash, then move the previous version back with files.move"
                    )
                }
                None => json!({"tool": "files.trash", "arguments": {"path": call.resource}}),
            };
            Ok(told)
        })
    }
}

/// Refuses to write over what is no ordinary file of the person's.
fn writable(tried: &str, stat: &Stat) -> Result<(), ToolError> {
    let wrong = |code, why: String| Err(ToolError::new(code, tried, why));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return wrong(
            Code::InvalidArguments,
            format!("a {} of this name is there", files::kind(stat)),
        );
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return wrong(Code::Denied, "the file belongs to somebody else".to_owned());
    }
    if !Mode::from_raw_mode(stat.st_mode).contains(Mode::WUSR) {
        return wrong(Code::Denied, "the file is write-protected".to_owned());
    }
    Ok(())
}

/// Opens a file to add to its end, made where it is not there; says whether it was made.
fn end_of(tried: &str, granted: Option<&Path>, path: &Path) -> Result<(OwnedFd, bool), ToolError> {
    let place = Place::find(tried, granted, path, true)?;
    let there = place.stat(tried)?;
    if let Some(stat) = &there {
        writable(tried, stat)?;
    }
    // What is there was looked at, so that a pipe in its place cannot hold up the opening.
    let mut flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if there.is_none() {
        flags |= OFlags::CREATE | OFlags::EXCL;
    }
    let failed = |error: Errno| ToolError::io(tried, &error.into());
    let file = rustix::fs::openat(
        &place.folder,
        &place.name,
        flags,
        Mode::from_raw_mode(0o666),
    )
    .map_err(failed)?;
    let stat = rustix::fs::fstat(&file).map_err(failed)?;
    writable(tried, &stat)?;
    if stat.st_size.cast_unsigned() > MOST_SIZE {
        return Err(ToolError::new(
            Code::LimitReached,
            tried,
            format!(
                "the file has {} bytes; the most that is added to is {MOST_SIZE}",
                stat.st_size
            ),
        ));
    }
    if there.is_none() {
        rustix::fs::fsync(&place.folder).map_err(failed)?;
    }
    Ok((file, there.is_none()))
}

/// A file that has no name for people yet. Removed unless published.
struct Draft {
    tried: String,
    place: Place,
    /// The name it has meanwhile, in the same folder.
    part: Place,
    file: OwnedFd,
}

impl Draft {
    /// Makes it; the second value is for the worker to write to.
    fn new(
        tried: String,
        granted: Option<&Path>,
        path: &Path,
    ) -> Result<(Self, OwnedFd), ToolError> {
        let place = Place::find(&tried, granted, path, true)?;
        let failed = |error: std::io::Error| ToolError::io(tried.as_str(), &error);
        let there = place.stat(&tried)?;
        if let Some(stat) = &there {
            writable(&tried, stat)?;
        }
        // From the start no more open than what it replaces.
        let mode = there.map_or(0o666, |stat| stat.st_mode & 0o777);
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| failed(error.into()))?;
        let name = format!(".argos-{:016x}.part", u64::from_ne_bytes(random));
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&place.folder, &name, flags, Mode::from_raw_mode(mode))
            .map_err(|error| failed(error.into()))?;
        let own = |fd: &OwnedFd| fd.as_fd().try_clone_to_owned();
        let part = Place {
            folder: own(&place.folder).map_err(failed)?,
            path: path.with_file_name(&name),
            name: name.into(),
        };
        let for_worker = own(&file).map_err(failed)?;
        Ok((
            Self {
                tried,
                place,
                part,
                file,
            },
            for_worker,
        ))
    }

    /// Gives it its name; returns where the version is that it replaced.
    fn publish(self, home: &Path) -> Result<Option<PathBuf>, ToolError> {
        let failed = |error: Errno| ToolError::io(self.tried.as_str(), &error.into());
        let rename = |from: &Place, to: &Place, flags| {
            rustix::fs::renameat_with(&from.folder, &from.name, &to.folder, &to.name, flags)
        };
        let kept = match self.place.stat(&self.tried)? {
            None => {
                rename(&self.part, &self.place, RenameFlags::NOREPLACE).map_err(
                    |error| match error {
                        Errno::EXIST => ToolError::new(
                            Code::Failed,
                            self.tried.as_str(),
                            "a file of this name appeared meanwhile",
                        )
                        .hint("Nothing was written; try again"),
                        error => failed(error),
                    },
                )?;
                None
            }
            Some(stat) => {
                writable(&self.tried, &stat)?;
                // Who may read and run it stays as it was; nothing is set-user-id that way.
                let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
                rustix::fs::fchmod(&self.file, mode).map_err(failed)?;
                match rename(&self.part, &self.place, RenameFlags::EXCHANGE) {
                    Ok(()) => {}
                    // A file system that cannot (exFAT, some network ones).
                    Err(Errno::INVAL) => return self.in_two_steps(home).map(Some),
                    Err(error) => return Err(failed(error)),
                }
                // From here on the older version has the other name.
                match trash::put(home, &self.part, &self.place.path) {
                    Ok(kept) => Some(kept),
                    Err(error) => {
                        rename(&self.part, &self.place, RenameFlags::EXCHANGE).map_err(failed)?;
                        return Err(self.no_trash(&error));
                    }
                }
            }
        };
        // The name is on disk once the folder is.
        rustix::fs::fsync(&self.place.folder).map_err(failed)?;
        Ok(kept)
    }

    /// Puts the older version into the trash and then gives the draft its name: for a moment neither
    /// is there, and an end in this moment leaves the older one in the trash.
    fn in_two_steps(&self, home: &Path) -> Result<PathBuf, ToolError> {
        let kept =
            trash::put(home, &self.place, &self.place.path).map_err(|e| self.no_trash(&e))?;
        rustix::fs::renameat_with(
            &self.part.folder,
            &self.part.name,
            &self.place.folder,
            &self.place.name,
            RenameFlags::NOREPLACE,
        )
        .and_then(|()| rustix::fs::fsync(&self.place.folder))
        .map_err(|error| {
            ToolError::io(self.tried.as_str(), &error.into())
                .hint(format!("The version that was there is {}", kept.display()))
        })?;
        Ok(kept)
    }

    fn no_trash(&self, error: &std::io::Error) -> ToolError {
        ToolError::io(self.tried.as_str(), error)
            .hint("Nothing was written: the version that is there cannot be put into the trash")
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Only what is the draft itself: in the middle of an exchange an older version has its name.
        let (Ok(ours), Ok(Some(there))) =
            (rustix::fs::fstat(&self.file), self.part.stat(&self.tried))
        else {
            return;
        };
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) {
            // After a publication the name is gone, and this finds nothing.
            let _ = rustix::fs::unlinkat(&self.part.folder, &self.part.name, AtFlags::empty());
        }
    }
}

/// Writes the text into an open file, all of it or nothing.
pub(super) fn work(arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    let mut file = File::from(files::only(FilesWrite::NAME, fds)?);
    let text = arguments["text"].as_str().unwrap_or_default();
    let failed = |error: std::io::Error| ToolError::io(FilesWrite::NAME, &error);
    let before = file.metadata().map_err(failed)?.len();
    if let Err(error) = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
    {
        // Only what this call added, and only if nobody added more since.
        let now = file.metadata().map_or(0, |meta| meta.len());
        let most = before + text.len() as u64;
        let taken_back = (before..=most).contains(&now) && file.set_len(before).is_ok();
        return Err(failed(error).hint(if taken_back {
            "What the file held before it holds again"
        } else {
            "A part of the text may stand at the file's end"
        }));
    }
    let size = file.metadata().map_err(failed)?.len();
    Ok(json!({"written_bytes": text.len(), "size_bytes": size}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_two_names_cannot_be_exchanged_nothing_is_lost_either() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let path = home.join("a.txt");
        std::fs::write(&path, "old").unwrap();
        let (draft, file) = Draft::new("t".to_owned(), None, &path).unwrap();
        work(json!({"text": "new"}), vec![file]).unwrap();
        let kept = draft.in_two_steps(&home).unwrap();
        drop(draft);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read(kept).unwrap(), b"old");
    }
}
