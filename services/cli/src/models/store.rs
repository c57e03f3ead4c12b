//! Model directories: names of models, folders that are made aside and put in place at once.
//!
//! ```text
//! .argos-new-ID-PID   being made by a process that holds a lock on it
//! .part-ID      being downloaded, kept for the next attempt
//! .argos-gone-ID-PID  being removed
//! ID            complete, always
//! ```
//!
//! A folder gets its name by one rename, and takes the place of another one by an exchange of the two
//! names: whoever looks, and whenever the machine stops, sees the old one or the new one whole. What is left
//! over by a process that was killed nobody has a lock on: the next import removes it ([`clean`]).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags};

use crate::failure::{Failure, Result, Status};
use crate::output::bytes;

/// Where a person's own models are.
pub(crate) const OWN: &str = "/var/lib/argos/models";

/// Where a system keeps models, the person's own first.
pub(crate) const INSTALLED: [&str; 2] = [OWN, "/usr/share/argos/models"];

/// Room that is left on the disk beside a new model, in bytes.
const SPARE: u64 = 16 << 20;

/// Checks that `id` can be a model's name: a folder that the AI service lists.
pub(crate) fn check_id(id: &str) -> Result {
    let wrong = if id.is_empty() {
        "it is empty"
    } else if id.len() > 255 {
        "it is longer than 255 bytes"
    } else if id.starts_with('.') {
        "it begins with a dot"
    } else if id.contains('/') {
        "it has a slash"
    } else if id.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    let text = format!("`{}` cannot be a model's name: {wrong}", id.escape_debug());
    Err(Failure::new(Status::Failed, text).hint("--name gives it another one"))
}

/// The folder that `model` means: a path where it looks like one, else a model in `directory` or, where
/// that is none, in the system's.
pub(crate) fn find(model: &str, directory: Option<&Path>) -> Result<PathBuf> {
    if model.contains('/') || matches!(model, "." | "..") {
        let path = PathBuf::from(model);
        if path.is_dir() {
            return Ok(path);
        }
        let text = format!("there is no folder {model}");
        return Err(Failure::new(Status::NotFound, text));
    }
    check_id(model)?;
    let directories: Vec<&Path> = match directory {
        Some(directory) => vec![directory],
        None => INSTALLED.iter().map(Path::new).collect(),
    };
    let found = directories
        .iter()
        .map(|d| d.join(model))
        .find(|f| f.is_dir());
    found.ok_or_else(|| {
        let places: Vec<_> = directories
            .iter()
            .map(|d| d.display().to_string())
            .collect();
        let text = format!("there is no model `{model}` in {}", places.join(" or "));
        Failure::new(Status::NotFound, text)
            .hint("a folder elsewhere is named by its path: ./folder")
    })
}

/// What failed on `path`, with what to do about it.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let text = format!("{what} {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => Failure::new(Status::Denied, text)
            .hint("do it with sudo, or in a directory of yours with --directory"),
        io::ErrorKind::ReadOnlyFilesystem => {
            Failure::new(Status::Denied, text).hint("--directory names another place")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::new(Status::Failed, text)
                .hint("`argos model rm` makes room; --directory names another place")
        }
        io::ErrorKind::FileTooLarge => Failure::new(Status::Failed, text).hint(
            "the file system or a limit of this session (ulimit -f) has no room for such a file",
        ),
        _ => Failure::new(Status::Failed, text),
    }
}

/// How the names of folders begin that are in the making, and of those that are being removed.
const NEW: &str = ".argos-new-";
const GONE: &str = ".argos-gone-";

/// A folder in the making, locked by this process. Dropped before it is published it disappears, unless it
/// is to be kept.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: PathBuf,
    path: PathBuf,
    id: String,
    keep: bool,
    /// Locked for as long as this lives.
    _lock: File,
}

impl Staging {
    /// A new folder for the model `id` in `directory`, which is made where it is missing.
    pub(crate) fn new(directory: &Path, id: &str) -> Result<Self> {
        Self::open(
            directory,
            id,
            &format!("{NEW}{id}-{}", std::process::id()),
            false,
        )
    }

    /// The folder of the download of `id`, as far as it came.
    pub(crate) fn kept(directory: &Path, id: &str) -> Result<Self> {
        Self::open(directory, id, &format!(".part-{id}"), true)
    }

    fn open(directory: &Path, id: &str, name: &str, keep: bool) -> Result<Self> {
        if !directory.exists() {
            fs::create_dir_all(directory).map_err(|e| failed("cannot make", directory, &e))?;
            // Whatever the umask is: the AI service is a user of its own.
            let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o755));
        }
        // A name of its own is shortened where the model's is nearly as long as one can be.
        let mut end = name.len().min(255);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let path = directory.join(&name[..end]);
        for _ in 0..10 {
            match fs::create_dir(&path) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("cannot make", &path, &e));
                }
                _ => {}
            }
            let Some(lock) = lock(&path)? else {
                let text = format!("{id} is being made by another `argos model`");
                return Err(Failure::new(Status::Failed, text).hint("wait until it is done"));
            };
            // Whoever cleans up may have removed it before it was locked.
            if same(&lock, &path) {
                return Ok(Self {
                    directory: directory.to_owned(),
                    path,
                    id: id.to_owned(),
                    keep,
                    _lock: lock,
                });
            }
        }
        let error = io::Error::other("it disappears as soon as it is made");
        Err(failed("cannot make", &path, &error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a model of this name, which would be replaced.
    pub(crate) fn replaces(&self) -> bool {
        self.directory.join(&self.id).symlink_metadata().is_ok()
    }

    /// Fails where there is a model of this name and it is not to be replaced.
    pub(crate) fn check_free(&self, force: bool) -> Result {
        if force || !self.replaces() {
            return Ok(());
        }
        let place = self.directory.join(&self.id);
        let text = format!(
            "there is a model `{}` already: {}",
            self.id,
            place.display()
        );
        Err(Failure::new(Status::Failed, text)
            .hint("--force replaces it, --name gives the new one another name"))
    }

    /// Fails where the disk has no room for so many bytes more.
    pub(crate) fn check_room(&self, more: u64) -> Result {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= more.saturating_add(SPARE) {
            return Ok(());
        }
        let text = format!(
            "{} needs {}, {} has {} free",
            self.id,
            bytes(more),
            self.directory.display(),
            bytes(free)
        );
        Err(Failure::new(Status::Failed, text)
            .hint("`argos model rm` makes room; --directory names another place"))
    }

    /// Makes the file `name` (relative and inside) with the folders above it.
    pub(crate) fn create(&self, name: &Path) -> Result<File> {
        let path = self.path.join(name);
        self.parents(&path)?;
        File::create(&path).map_err(|e| failed("cannot write", &path, &e))
    }

    /// Makes the folders above a file.
    pub(crate) fn parents(&self, file: &Path) -> Result {
        let Some(parent) = file.parent() else {
            return Ok(());
        };
        fs::create_dir_all(parent).map_err(|e| failed("cannot make", parent, &e))
    }

    /// Puts the folder in place, readable for everybody. With `force` it takes the place of a model of the
    /// same name, which is removed.
    pub(crate) fn publish(mut self, force: bool) -> Result<PathBuf> {
        open_up(&self.path).map_err(|e| failed("cannot make readable", &self.path, &e))?;
        let place = self.directory.join(&self.id);
        let put = |flags| rustix::fs::renameat_with(CWD, &self.path, CWD, &place, flags);
        let mut moved = put(RenameFlags::NOREPLACE).map_err(io::Error::from);
        let unknown = Some(rustix::io::Errno::INVAL.raw_os_error());
        if moved.as_ref().is_err_and(|e| e.raw_os_error() == unknown) && !self.replaces() {
            // A file system without such renames (NFS, 9p): at most an empty folder is replaced.
            moved = fs::rename(&self.path, &place);
        }
        let moved = match moved {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.check_free(force)?;
                put(RenameFlags::EXCHANGE)
                    .map(|()| true)
                    .map_err(io::Error::from)
            }
            other => other.map(|()| false),
        };
        let replaced = moved.map_err(|e| match e.raw_os_error() {
            Some(code) if code == rustix::io::Errno::INVAL.raw_os_error() => Failure::new(
                Status::Failed,
                format!(
                    "the file system of {} cannot exchange two folders",
                    self.directory.display()
                ),
            )
            .hint("remove the old model first: `argos model rm`"),
            _ => failed("cannot put the model at", &place, &e),
        })?;
        sync(&self.directory);
        // What stands under the other name now is the old one.
        self.keep = !replaced;
        Ok(place)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = match self.keep {
            // Of a download that brought nothing, nothing is left.
            true => fs::remove_dir(&self.path),
            false => discard(&self.path),
        };
    }
}

/// Removes a folder, or a link or file in its place.
fn discard(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// Whether there is a model `id` in `directory`; with `partial`, what came of its download.
pub(crate) fn exists(directory: &Path, id: &str, partial: bool) -> bool {
    let name = if partial {
        format!(".part-{id}")
    } else {
        id.to_owned()
    };
    directory.join(name).symlink_metadata().is_ok()
}

/// Removes what came of the download of `id`. The model stays.
pub(crate) fn remove_partial(directory: &Path, id: &str) -> Result {
    let part = directory.join(format!(".part-{id}"));
    if part.is_dir() {
        // Fails where a download is under way.
        drop(Staging::kept(directory, id)?);
    }
    match discard(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", &part, &e)),
        _ => Ok(()),
    }
}

/// Removes the model `id` from `directory`: it is gone at once, its files in the time that they take. What
/// came of a download stays.
pub(crate) fn remove(directory: &Path, id: &str) -> Result {
    let place = directory.join(id);
    if place.symlink_metadata().is_err() {
        return Ok(());
    }
    let mut end = id.len().min(200);
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    let gone = directory.join(format!("{GONE}{}-{}", &id[..end], std::process::id()));
    fs::rename(&place, &gone).map_err(|e| failed("cannot remove", &place, &e))?;
    sync(directory);
    discard(&gone).map_err(|e| failed("cannot remove all of", &gone, &e))
}

/// Removes what processes that were killed left in `directory`. Downloads stay: they can go on.
pub(crate) fn clean(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(NEW) && !name.starts_with(GONE) {
            continue;
        }
        let path = entry.path();
        if !path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            let _ = fs::remove_file(&path);
        } else if let Ok(Some(_lock)) = lock(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A lock on a folder; `None` where another process holds it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(e) => return Err(failed("cannot open", folder, &e)),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        // A file system without locks: nobody else is kept out, and nothing is broken by it.
        Err(_) => Ok(Some(file)),
    }
}

fn same(file: &File, path: &Path) -> bool {
    let number = |m: fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(a), Ok(b)) => number(a) == number(b),
        _ => false,
    }
}

/// Lets everybody read a folder: the AI service is a user of its own.
fn open_up(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    sync(folder);
    Ok(())
}

/// Writes a folder's names to the disk. Where that fails nothing is lost before the next power cut.
fn sync(folder: &Path) {
    if let Ok(file) = File::open(folder) {
        let _ = file.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn make(directory: &Path, id: &str, text: &str) -> Staging {
        let staging = Staging::new(directory, id).unwrap();
        fs::write(staging.path().join("file"), text).unwrap();
        staging
    }

    #[test]
    fn a_model_is_put_in_place_and_replaced_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        make(at, "a", "one").publish(false).unwrap();
        assert_eq!(names(at), ["a"]);
        let error = make(at, "a", "two").publish(false).unwrap_err();
        assert!(error.hint.unwrap().contains("--force"));
        assert_eq!(fs::read_to_string(at.join("a/file")).unwrap(), "one");
        make(at, "a", "two").publish(true).unwrap();
        assert_eq!(fs::read_to_string(at.join("a/file")).unwrap(), "two");
        assert_eq!(names(at), ["a"]);
        fs::create_dir(at.join(".part-a")).unwrap();
        fs::write(at.join(".part-a/x"), "").unwrap();
        remove(at, "a").unwrap();
        assert_eq!(names(at), [".part-a"]);
        assert!(!exists(at, "a", false) && exists(at, "a", true));
        make(at, "a", "three").publish(false).unwrap();
        let under_way = Staging::kept(at, "a").unwrap();
        assert!(remove_partial(at, "a").is_err());
        drop(under_way);
        remove_partial(at, "a").unwrap();
        assert_eq!(names(at), ["a"]);
    }

    #[test]
    fn leftovers_go_and_what_is_in_the_making_stays() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        for left in [
            ".argos-new-a-1",
            ".argos-gone-b-2",
            ".part-c",
            ".new-mine",
            "d",
        ] {
            fs::create_dir(at.join(left)).unwrap();
        }
        // Of a download that brought nothing, nothing is left.
        fs::write(at.join(".part-c/file"), "half").unwrap();
        let making = Staging::new(at, "e").unwrap();
        clean(at);
        let kept = making
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(names(at), [kept.as_str(), ".new-mine", ".part-c", "d"]);
        assert!(Staging::kept(at, "c").is_ok());
        drop(making);
        assert_eq!(names(at), [".new-mine", ".part-c", "d"]);
        let _one = Staging::kept(at, "c").unwrap();
        assert!(Staging::kept(at, "c").is_err());
    }

    #[test]
    fn names_that_cannot_be_folders_of_models_are_refused() {
        for good in ["phi", "ä b", &"x".repeat(255)] {
            check_id(good).unwrap();
        }
        for bad in ["", ".x", "..", "a/b", "a\nb", &"x".repeat(256)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }
}
