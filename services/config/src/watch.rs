//! Files that may change while a program runs: the kernel says when it is worth looking at them again (inotify).
//!
//! The folders are watched, not the files: editors write a new file and rename it over the old one. Of a folder that
//! is not there the nearest one above it that is there is watched. What happened is not told, only that something
//! did: whoever follows files looks at them anew, and so it does no harm that the kernel drops what it has no room
//! for. The order is
//!
//! 1. [`Watcher::file`] or [`Watcher::folder`] for all that is followed;
//! 2. look at the files;
//! 3. wait until the watcher can be read, ask [`Watcher::happened`], and begin again: a folder may have come or gone,
//!    or be another one now.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::{fs, io};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use crate::Error;

/// Links from one to the next that are followed, as many as the kernel follows.
const LINKS: usize = 40;

/// What is watched. Its descriptor can be read when something happened, and waiting for that is the caller's; no call
/// waits.
#[derive(Debug)]
pub struct Watcher {
    fd: OwnedFd,
    what: WatchFlags,
}

impl Watcher {
    /// Hears of files that come, that go, and that become other ones or get another content.
    ///
    /// # Errors
    /// The kernel has no more of these for this program or this person.
    pub fn of_changes() -> io::Result<Self> {
        Self::new(WatchFlags::CLOSE_WRITE | WatchFlags::DELETE | WatchFlags::MOVED_FROM)
    }

    /// Hears of files that come, and no more.
    ///
    /// # Errors
    /// As [`Watcher::of_changes`].
    pub fn of_arrivals() -> io::Result<Self> {
        Self::new(WatchFlags::empty())
    }

    fn new(besides: WatchFlags) -> io::Result<Self> {
        Ok(Self {
            fd: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            what: besides
                | WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR,
        })
    }

    /// Watches the file `path`, which need not be there: the folder that it is in, and where it is a link the folder
    /// that it leads to. What is watched already stays so.
    ///
    /// # Errors
    /// [`Error::Unwatched`].
    pub fn file(&self, path: &Path) -> Result<(), Error> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let folder = path.parent().unwrap_or(&path).to_owned();
            self.folder(&folder)?;
            match fs::read_link(&path) {
                Ok(target) => path = folder.join(target),
                // It is no link, or not there.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Watches what is in `folder`, or the nearest folder above it that is there. What is watched already stays so.
    ///
    /// # Errors
    /// [`Error::Unwatched`].
    pub fn folder(&self, folder: &Path) -> Result<(), Error> {
        'again: loop {
            let mut below: Option<&Path> = None;
            for near in folder.ancestors() {
                let named = match near.as_os_str().is_empty() {
                    true => Path::new("."),
                    false => near,
                };
                // Watching a folder twice is watching it once.
                match inotify::add_watch(&self.fd, named, self.what) {
                    // It came before the one above it was watched, so nothing tells of it.
                    Ok(_) if below.is_some_and(Path::is_dir) => continue 'again,
                    Ok(_) => return Ok(()),
                    Err(Errno::NOENT | Errno::NOTDIR) => below = Some(near),
                    Err(errno) => return Err(unwatched(named, errno)),
                }
            }
            return Err(unwatched(folder, Errno::NOENT));
        }
    }

    /// Whether something happened since this was asked last.
    pub fn happened(&self) -> bool {
        let mut events = [0; 4096];
        let mut any = false;
        // Without more of them it fails: nothing waits here.
        while rustix::io::read(&self.fd, &mut events).is_ok_and(|length| length > 0) {
            any = true;
        }
        any
    }
}

fn unwatched(folder: &Path, errno: Errno) -> Error {
    Error::Unwatched {
        path: folder.to_owned(),
        source: errno.into(),
        hint: match errno {
            Errno::NOSPC => "; raise fs.inotify.max_user_watches",
            _ => "",
        },
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Watcher {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Watches as a program does that looks at the file each time.
    fn settle(watcher: &Watcher, path: &Path) {
        watcher.file(path).unwrap();
        while watcher.happened() {
            watcher.file(path).unwrap();
        }
    }

    fn of_file(path: &Path) -> Watcher {
        let watcher = Watcher::of_changes().unwrap();
        watcher.file(path).unwrap();
        assert!(!watcher.happened());
        watcher
    }

    #[test]
    fn a_file_that_is_written_replaced_or_removed_is_heard_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, new) = (folder.path().join("a"), folder.path().join("a.new"));
        fs::write(&path, "1").unwrap();
        fs::write(&new, "2").unwrap();
        let watcher = of_file(&path);
        fs::write(&path, "3").unwrap();
        assert!(watcher.happened());
        assert!(!watcher.happened());
        fs::rename(&new, &path).unwrap();
        assert!(watcher.happened());
        // The new file is followed as the old one was.
        fs::write(&path, "4").unwrap();
        assert!(watcher.happened());
        fs::remove_file(&path).unwrap();
        assert!(watcher.happened());
        assert!(!watcher.happened());
    }

    #[test]
    fn who_waits_for_arrivals_hears_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let watcher = Watcher::of_arrivals().unwrap();
        watcher.file(&path).unwrap();
        fs::write(&path, "2").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!watcher.happened());
        fs::write(&path, "3").unwrap();
        assert!(watcher.happened());
        fs::write(folder.path().join("b"), "").unwrap();
        assert!(watcher.happened());
        fs::rename(folder.path().join("b"), &path).unwrap();
        assert!(watcher.happened());
    }

    #[test]
    fn folders_that_are_not_there_are_waited_for_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        let watcher = of_file(&path);
        for step in ["a", "a/b"] {
            fs::create_dir(folder.path().join(step)).unwrap();
            assert!(watcher.happened(), "{step}");
            settle(&watcher, &path);
        }
        fs::write(&path, "").unwrap();
        assert!(watcher.happened());
        // A file stands where a folder is wanted.
        let path = folder.path().join("file/b/c");
        fs::write(folder.path().join("file"), "").unwrap();
        let watcher = of_file(&path);
        fs::remove_file(folder.path().join("file")).unwrap();
        assert!(watcher.happened());
    }

    #[test]
    fn a_folder_that_comes_while_it_is_looked_for_is_not_missed() {
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a/b/c");
            let watcher = Watcher::of_changes().unwrap();
            let made = path.parent().unwrap().to_owned();
            let maker = std::thread::spawn(move || fs::create_dir_all(made).unwrap());
            watcher.file(&path).unwrap();
            maker.join().unwrap();
            while watcher.happened() {
                watcher.file(&path).unwrap();
            }
            fs::write(&path, "").unwrap();
            assert!(watcher.happened());
        }
    }

    #[test]
    fn a_folder_that_goes_and_comes_again_is_followed_on() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let path = own.join("a");
        fs::create_dir(&own).unwrap();
        fs::write(&path, "").unwrap();
        let watcher = of_file(&path);
        // Looked at in between, and not.
        for between in [true, false] {
            fs::remove_dir_all(&own).unwrap();
            if between {
                assert!(watcher.happened());
                settle(&watcher, &path);
            }
            fs::create_dir(&own).unwrap();
            assert!(watcher.happened());
            settle(&watcher, &path);
            fs::write(&path, "").unwrap();
            assert!(watcher.happened());
        }
        // Another one takes its place.
        fs::rename(&own, folder.path().join("old")).unwrap();
        fs::create_dir(&own).unwrap();
        assert!(watcher.happened());
        settle(&watcher, &path);
        fs::write(&path, "").unwrap();
        assert!(watcher.happened());
    }

    #[test]
    fn a_link_is_followed_where_it_leads_also_where_nothing_is_yet() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, path) = (folder.path().join("kept"), folder.path().join("here/a"));
        fs::create_dir(folder.path().join("here")).unwrap();
        symlink("b", &path).unwrap();
        symlink("../kept/real", folder.path().join("here/b")).unwrap();
        let watcher = of_file(&path);
        fs::create_dir(&kept).unwrap();
        assert!(watcher.happened());
        settle(&watcher, &path);
        fs::write(kept.join("real"), "").unwrap();
        assert!(watcher.happened());
        // One that leads to itself ends.
        symlink("round", folder.path().join("round")).unwrap();
        of_file(&folder.path().join("round"));
    }

    #[test]
    fn what_the_kernel_dropped_is_heard_of_like_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let watcher = of_file(&path);
        let room = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let room: usize = room.trim().parse().unwrap();
        // Each is at least two: it comes and goes.
        for _ in 0..=room / 2 {
            fs::write(&path, "").unwrap();
            fs::remove_file(&path).unwrap();
        }
        assert!(watcher.happened());
        assert!(!watcher.happened(), "all was taken away");
        fs::write(&path, "").unwrap();
        assert!(watcher.happened(), "it is followed on");
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(300)).join("a");
        let watcher = Watcher::of_changes().unwrap();
        let error = watcher.file(&long).unwrap_err().to_string();
        assert!(
            error.contains("cannot be watched") && error.contains("xxx"),
            "{error}"
        );
        let full = unwatched(Path::new("/a"), Errno::NOSPC).to_string();
        assert!(
            full.starts_with("/a: cannot be watched: ") && full.ends_with("max_user_watches"),
            "{full}"
        );
    }
}
