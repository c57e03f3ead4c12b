//! The trash, as the freedesktop.org trash specification 1.0 has it.
//!
//! What is on the home's file system goes into `~/.local/share/Trash`; what is on another one into
//! `.Trash/UID` at its top where an administrator made that folder (sticky, no link), else into
//! `.Trash-UID`. The `.trashinfo` file is made first and reserves the name, so that nothing in the
//! trash is ever without one, and nothing in it is replaced. It is one rename: a file is whole at
//! the one place or at the other.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::files::Place;
use crate::beneath::{folder_in, open_folder};

/// Longest name in the trash, in bytes: the ending `.trashinfo` and a number have to fit.
const MOST_NAME: usize = 220;
/// Files of one name that the trash takes.
const MOST_SAME: u32 = 10_000;

/// A trash of one file system.
#[derive(Debug)]
struct Trash {
    path: PathBuf,
    files: OwnedFd,
    info: OwnedFd,
    /// The top of the file system, which paths in `.trashinfo` are relative to; the home's has none.
    top: Option<PathBuf>,
}

/// Moves `place` into the trash that is right for it, as what stood at `original`; returns where it
/// is now.
pub(super) fn put(home: &Path, place: &Place, original: &Path) -> io::Result<PathBuf> {
    let trash = Trash::open(&home.join(".local/share/Trash"), None)?;
    match trash.take(place, original) {
        // Another file system.
        Err(error) if error.raw_os_error() == Some(Errno::XDEV.raw_os_error()) => {
            of_volume(place)?.take(place, original)
        }
        taken => taken,
    }
}

/// The `.trashinfo` of a file in a trash, where `place` is one.
pub(super) fn info_of(place: &Place) -> Option<Place> {
    let files = place.path.parent()?;
    let trash = files.parent()?;
    if files.file_name()? != "files" || !trash.join("info").is_dir() {
        return None;
    }
    let mut name = place.name.clone();
    name.push(".trashinfo");
    let path = trash.join("info").join(name);
    let info = Place::find("trash", None, &path, false).ok()?;
    info.stat("trash").ok()?.map(|_| info)
}

fn of_volume(place: &Place) -> io::Result<Trash> {
    let folder = place.path.parent().unwrap_or(Path::new("/"));
    let device = rustix::fs::fstat(&place.folder)?.st_dev;
    // As far up as it is the same file system.
    let top = folder
        .ancestors()
        .take_while(|folder| rustix::fs::lstat(*folder).is_ok_and(|stat| stat.st_dev == device))
        .last()
        .ok_or_else(|| io::Error::other("the top of its file system is not found"))?;
    let uid = rustix::process::getuid().as_raw();
    let shared = top.join(".Trash");
    if let Ok(stat) = rustix::fs::lstat(&shared) {
        let mode = Mode::from_raw_mode(stat.st_mode);
        let is_folder = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        // The specification: it must be sticky and no link, or it is not used.
        if is_folder
            && mode.contains(Mode::SVTX)
            && let Ok(trash) = Trash::open(&shared.join(uid.to_string()), Some(top))
        {
            return Ok(trash);
        }
    }
    Trash::open(&top.join(format!(".Trash-{uid}")), Some(top))
}

impl Trash {
    /// Opens a trash, made where it is not there.
    fn open(path: &Path, top: Option<&Path>) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).recursive(top.is_none());
        match builder.create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // The home's may be a link: that is what the person wants. A volume's may not.
        let path = if top.is_none() {
            path.canonicalize()?
        } else {
            path.to_owned()
        };
        let trash = open_folder(&path)?;
        if rustix::fs::fstat(&trash)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!(
                "{} belongs to somebody else",
                path.display()
            )));
        }
        let part = |name: &str| {
            match rustix::fs::mkdirat(&trash, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder_in(&trash, OsStr::new(name), false)
        };
        Ok(Self {
            files: part("files")?,
            info: part("info")?,
            top: top.map(Path::to_owned),
            path,
        })
    }

    fn take(&self, place: &Place, original: &Path) -> io::Result<PathBuf> {
        let path = match &self.top {
            Some(top) => original.strip_prefix(top).unwrap_or(original),
            None => original,
        };
        let text = format!(
            "[Trash Info]\nPath={}\nDeletionDate={}\n",
            encoded(path),
            jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S")
        );
        let wanted = original.file_name().unwrap_or(OsStr::new("file"));
        for number in 1..=MOST_SAME {
            let name = numbered(wanted, number);
            let mut info_name = name.clone();
            info_name.push(".trashinfo");
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let info =
                match rustix::fs::openat(&self.info, &info_name, flags, Mode::from_raw_mode(0o600))
                {
                    Err(Errno::EXIST) => continue,
                    info => info?,
                };
            let moved = write(info, &text).and_then(|()| {
                Ok(rustix::fs::renameat_with(
                    &place.folder,
                    &place.name,
                    &self.files,
                    &name,
                    RenameFlags::NOREPLACE,
                )?)
            });
            match moved {
                Ok(()) => {
                    for folder in [&self.info, &self.files, &place.folder] {
                        rustix::fs::fsync(folder)?;
                    }
                    return Ok(self.path.join("files").join(name));
                }
                Err(error) => {
                    // What it told of is not in the trash.
                    let _ = rustix::fs::unlinkat(&self.info, &info_name, AtFlags::empty());
                    // A file without its `.trashinfo`: somebody else's half work, left alone.
                    if error.raw_os_error() != Some(Errno::EXIST.raw_os_error()) {
                        return Err(error);
                    }
                }
            }
        }
        Err(io::Error::other(format!(
            "{} holds {MOST_SAME} files of this name; empty it",
            self.path.display()
        )))
    }
}

fn write(info: OwnedFd, text: &str) -> io::Result<()> {
    let mut info = File::from(info);
    info.write_all(text.as_bytes())?;
    info.sync_all()
}

/// `a.txt`, `a 2.txt`, `a 3.txt`, short enough for a name.
fn numbered(name: &OsStr, number: u32) -> OsString {
    let name = name.to_string_lossy();
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 16 => {
            (stem, format!(".{ending}"))
        }
        _ => (&*name, String::new()),
    };
    let number = if number == 1 {
        String::new()
    } else {
        format!(" {number}")
    };
    let mut stem = stem.to_owned();
    while stem.len() + number.len() + ending.len() > MOST_NAME && stem.pop().is_some() {}
    format!("{stem}{number}{ending}").into()
}

/// A path as in URLs.
fn encoded(path: &Path) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            byte => {
                // Writing into a string does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_with_their_numbers() {
        assert_eq!(numbered(OsStr::new("a.tar"), 1), "a.tar");
        assert_eq!(numbered(OsStr::new("a.tar"), 12), "a 12.tar");
        assert_eq!(numbered(OsStr::new(".bashrc"), 2), ".bashrc 2");
        let long = "ä".repeat(127);
        assert!(numbered(OsStr::new(&long), 9999).len() + ".trashinfo".len() <= 255);
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(
            encoded(Path::new("/home/x/grüße 100%\n.txt")),
            "/home/x/gr%C3%BC%C3%9Fe%20100%25%0A.txt"
        );
    }

    #[test]
    fn a_volume_has_a_trash_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        std::fs::create_dir(top.join("photos")).unwrap();
        std::fs::write(top.join("photos/a b.jpg"), "picture").unwrap();
        let place = Place::find("t", None, &top.join("photos/a b.jpg"), false).unwrap();
        let trash = Trash::open(&top.join(".Trash-0"), Some(&top)).unwrap();
        let kept = trash.take(&place, &place.path).unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"picture");
        let info = std::fs::read_to_string(top.join(".Trash-0/info/a b.jpg.trashinfo")).unwrap();
        assert!(
            info.starts_with("[Trash Info]\nPath=photos/a%20b.jpg\nDeletionDate=2"),
            "{info}"
        );
        // A link in its place is not followed.
        std::os::unix::fs::symlink("/tmp", top.join(".Trash-1")).unwrap();
        assert!(Trash::open(&top.join(".Trash-1"), Some(&top)).is_err());
    }
}
