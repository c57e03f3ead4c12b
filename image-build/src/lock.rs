//! What keeps runs of this program out of each other's way.
//!
//! Each run has a mount namespace of its own, so that none sees what another has mounted. Locks of
//! files (flock) are seen by all, and the kernel takes them back from a process however it ends:
//!
//! * [`Making`], the lock of `lock` in the cache: held by whoever makes or removes trees, programs,
//!   models and images, and only while that goes on; never while a machine, a shell or a test runs.
//! * A shared lock of a folder says that it is in use ([`share`]), for as long as the process lives.
//!   Whoever removes or replaces the folder takes the lock for itself ([`claim`]), or gives up.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The right to make and remove what is in the cache and the output folder. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Making(File);

impl Making {
    /// Takes the lock; while another run has it, says which and waits.
    pub(crate) fn wait(cache: &Path, verb: &str) -> Result<Self> {
        let (file, taken) = Self::open(cache)?;
        if !taken {
            eprintln!(
                "argos-image: waiting for {} to finish building",
                holder(&file)
            );
            file.lock()
                .with_context(|| format!("{}: cannot be locked", cache.join("lock").display()))?;
        }
        Self::signed(file, verb)
    }

    /// Takes the lock, or says who has it.
    pub(crate) fn now(cache: &Path, verb: &str) -> Result<Self> {
        let (file, taken) = Self::open(cache)?;
        if !taken {
            bail!(
                "`{verb}` would take away what {} is building; wait for it, or end it first",
                holder(&file)
            );
        }
        Self::signed(file, verb)
    }

    fn open(cache: &Path) -> Result<(File, bool)> {
        let path = cache.join("lock");
        let opened = std::fs::create_dir_all(cache).and_then(|()| {
            File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
        });
        let file = opened.with_context(|| format!("{}: cannot be opened", path.display()))?;
        let taken = try_lock(&file, &path)?;
        Ok((file, taken))
    }

    /// Leaves in the file who holds it, for those who wait.
    fn signed(mut file: File, verb: &str) -> Result<Self> {
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "process {} (`{verb}`)", std::process::id())?;
        Ok(Self(file))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Nobody is to be named who has let go. The lock itself ends with the descriptor.
        let _ = self.0.set_len(0);
    }
}

fn holder(mut file: &File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(1..) => text,
        _ => "another argos-image".into(),
    }
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{}: cannot be locked", path.display()))
        }
    }
}

/// Says that the folder is in use until the yielded file is closed. `None`: it is not there.
pub(crate) fn share(folder: &Path) -> Result<Option<File>> {
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("{}: cannot be opened", folder.display()));
        }
    };
    file.lock_shared()
        .with_context(|| format!("{}: cannot be locked", folder.display()))?;
    // Whoever had it until now may have removed it.
    Ok(folder.is_dir().then_some(file))
}

/// Makes sure that nobody uses the folder, nor a folder in it, until the yielded files are closed.
pub(crate) fn claim(folder: &Path) -> Result<Vec<File>> {
    let mut folders = vec![folder.to_owned()];
    if let Ok(entries) = folder.read_dir() {
        folders.extend(entries.filter_map(|e| Some(e.ok()?.path())));
    }
    let mut files = Vec::new();
    for path in folders.iter().filter(|p| p.is_dir() && !p.is_symlink()) {
        let file =
            File::open(path).with_context(|| format!("{}: cannot be opened", path.display()))?;
        if !try_lock(&file, path)? {
            bail!(
                "{}: in use by a machine, a shell or tests of another argos-image; end that first",
                path.display()
            );
        }
        files.push(file);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_makes_at_a_time_and_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let first = Making::wait(cache.path(), "build").unwrap();
        let error = Making::now(cache.path(), "clean").unwrap_err().to_string();
        let me = format!("process {} (`build`)", std::process::id());
        assert!(error.contains(&me) && error.contains("`clean`"), "{error}");
        drop(first);
        let second = Making::now(cache.path(), "clean").unwrap();
        let text = std::fs::read_to_string(cache.path().join("lock")).unwrap();
        assert!(text.contains("clean") && !text.contains("build"), "{text}");
        drop(second);
    }

    #[test]
    fn one_that_waits_goes_on_when_the_other_is_done() {
        let cache = tempfile::tempdir().unwrap();
        let first = Making::wait(cache.path(), "build").unwrap();
        let folder = cache.path().to_owned();
        let (send, done) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let lock = Making::wait(&folder, "iso").unwrap();
            send.send(()).unwrap();
            drop(lock);
        });
        let early = done.recv_timeout(std::time::Duration::from_millis(100));
        assert!(early.is_err(), "it did not wait");
        drop(first);
        second.join().unwrap();
    }

    #[test]
    fn a_folder_in_use_is_not_taken_away() {
        let trees = tempfile::tempdir().unwrap();
        let tree = trees.path().join("build-1");
        assert!(share(&tree).unwrap().is_none());
        std::fs::create_dir(&tree).unwrap();
        let (one, two) = (share(&tree).unwrap(), share(&tree).unwrap());
        assert!(one.is_some() && two.is_some());
        for folder in [tree.as_path(), trees.path()] {
            let error = claim(folder).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{}: in use", tree.display())),
                "{error}"
            );
        }
        drop((one, two));
        assert_eq!(claim(trees.path()).unwrap().len(), 2);
    }
}
