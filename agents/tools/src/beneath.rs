//! Opening what was granted, and nothing else.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

/// What is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// A folder, for listing.
    Folder,
    /// A regular file, for reading.
    File,
}

const STRICT: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// Opens `path`, a relative path (or the empty one), beneath the folder `granted`, for reading.
///
/// Symbolic links and magic links are followed nowhere, neither in `granted` nor beneath it: both
/// come from canonical paths, in which there was none when the person was asked. So a link that
/// was swapped in since makes this fail; it cannot lead anywhere. Devices, pipes and sockets are
/// not opened at all, since opening one can block or have effects.
///
/// # Errors
/// `ELOOP` for a link, `EXDEV` for a way out, `InvalidInput` for what is not the kind wanted, and
/// what the file system says.
pub fn open_beneath(granted: &Path, path: &Path, want: Want) -> io::Result<OwnedFd> {
    let found = locate(granted, path)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    let (flags, expected, name) = match want {
        Want::Folder => (
            OFlags::RDONLY | OFlags::DIRECTORY,
            FileType::Directory,
            "folder",
        ),
        Want::File => (OFlags::RDONLY, FileType::RegularFile, "regular file"),
    };
    if kind != expected {
        let is = match kind {
            FileType::Directory => "a folder",
            FileType::RegularFile => "a file",
            FileType::Symlink => "a symbolic link",
            FileType::Fifo => "a pipe",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            FileType::Unknown => "of an unknown kind",
        };
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("it is {is}, not a {name}"),
        ));
    }
    // Opens exactly what was looked at: the link is the kernel's name for our own descriptor.
    let own = format!("/proc/self/fd/{}", found.as_raw_fd());
    Ok(rustix::fs::open(
        own,
        flags | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Opens the folder `granted` for making files in it. Links are followed nowhere.
///
/// # Errors
/// As [`open_beneath`].
pub(crate) fn open_folder(granted: &Path) -> io::Result<OwnedFd> {
    open_beneath(granted, Path::new(""), Want::Folder)
}

/// Opens the folder `path` beneath an open one for walking through it or making things in it.
/// Links are followed nowhere; with `stay`, neither are mounts.
///
/// # Errors
/// As [`open_beneath`].
pub(crate) fn folder_in(
    at: impl std::os::fd::AsFd,
    path: &OsStr,
    stay: bool,
) -> io::Result<OwnedFd> {
    let mut how = STRICT | ResolveFlags::BENEATH;
    if stay {
        how |= ResolveFlags::NO_XDEV;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    resolve(at, path, flags, how)
}

/// Opens the regular file `path` beneath an open folder for reading; `None` for anything else. Links
/// and mounts are not followed.
///
/// # Errors
/// As [`open_beneath`].
pub(crate) fn file_in(
    at: impl std::os::fd::AsFd,
    path: &OsStr,
) -> io::Result<Option<(OwnedFd, u64)>> {
    let how = STRICT | ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
    let found = resolve(at, path, OFlags::PATH | OFlags::CLOEXEC, how)?;
    let stat = rustix::fs::fstat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // As in `open_beneath`.
    let own = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(own, flags, Mode::empty())?;
    Ok(Some((file, u64::try_from(stat.st_size).unwrap_or(0))))
}

fn locate(granted: &Path, path: &Path) -> io::Result<OwnedFd> {
    if !granted.is_absolute()
        || path
            .components()
            .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} beneath {} is no plain path",
                path.display(),
                granted.display()
            ),
        ));
    }
    // Without NOFOLLOW, with which a link at the very end would be opened itself instead of refused.
    let look = OFlags::PATH | OFlags::CLOEXEC;
    let root = resolve(CWD, granted.as_os_str(), look, STRICT)?;
    if path.as_os_str().is_empty() {
        return Ok(root);
    }
    resolve(
        &root,
        path.as_os_str(),
        look,
        STRICT | ResolveFlags::BENEATH,
    )
}

/// `openat2`, again where a rename elsewhere on the system made the kernel unsure.
fn resolve(
    at: impl std::os::fd::AsFd,
    path: &OsStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(&at, path, flags, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN) if tries < 32 => tries += 1,
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Tree {
        _folder: tempfile::TempDir,
        granted: std::path::PathBuf,
    }

    fn tree() -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let granted = base.join("granted");
        std::fs::create_dir_all(granted.join("sub")).unwrap();
        std::fs::create_dir_all(base.join("outside")).unwrap();
        std::fs::write(base.join("outside/file"), "secret").unwrap();
        std::fs::write(granted.join("file"), "fine").unwrap();
        std::fs::write(granted.join("sub/file"), "fine").unwrap();
        Tree {
            _folder: folder,
            granted,
        }
    }

    fn read(granted: &Path, path: &str) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::from(open_beneath(granted, Path::new(path), Want::File)?)
            .read_to_string(&mut text)?;
        Ok(text)
    }

    fn errno(result: io::Result<String>) -> Option<i32> {
        result.unwrap_err().raw_os_error()
    }

    #[test]
    fn what_was_granted_opens() {
        let tree = tree();
        assert_eq!(read(&tree.granted, "file").unwrap(), "fine");
        assert_eq!(read(&tree.granted, "sub/file").unwrap(), "fine");
        assert_eq!(read(&tree.granted.join("file"), "").unwrap(), "fine");
        open_beneath(&tree.granted, Path::new("sub"), Want::Folder).unwrap();
    }

    #[test]
    fn links_lead_nowhere() {
        let tree = tree();
        let out = tree.granted.parent().unwrap().join("outside");
        symlink(&out, tree.granted.join("absolute")).unwrap();
        symlink("../outside", tree.granted.join("relative")).unwrap();
        symlink("file", tree.granted.join("harmless")).unwrap();
        symlink(&tree.granted, tree.granted.parent().unwrap().join("alias")).unwrap();
        for path in [
            "absolute/file",
            "relative/file",
            "harmless",
            "sub/../relative/file",
        ] {
            assert!(read(&tree.granted, path).is_err(), "{path}");
        }
        assert_eq!(errno(read(&tree.granted, "absolute/file")), Some(40));
        // The granted folder itself must not be reached through a link either.
        assert_eq!(
            errno(read(&tree.granted.parent().unwrap().join("alias"), "file")),
            Some(40)
        );
    }

    #[test]
    fn no_way_up_and_no_absolute_path() {
        let tree = tree();
        for path in [
            "..",
            "../outside/file",
            "sub/../../outside/file",
            "/etc/passwd",
            "./file",
        ] {
            assert!(read(&tree.granted, path).is_err(), "{path}");
        }
        assert!(read(Path::new("relative"), "file").is_err());
    }

    #[test]
    fn magic_links_lead_nowhere() {
        let own = format!("/proc/{}", std::process::id());
        for path in ["root/etc/passwd", "cwd/Cargo.toml", "fd/0", "exe"] {
            assert!(read(Path::new(&own), path).is_err(), "{path}");
        }
    }

    #[test]
    fn pipes_sockets_and_folders_are_no_files() {
        let tree = tree();
        rustix::fs::mknodat(
            CWD,
            tree.granted.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(tree.granted.join("socket")).unwrap();
        // Would block for ever if it were opened.
        for path in ["pipe", "socket", "sub"] {
            assert!(
                read(&tree.granted, path)
                    .unwrap_err()
                    .to_string()
                    .contains("not a regular file"),
                "{path}"
            );
        }
        assert!(open_beneath(&tree.granted, Path::new("file"), Want::Folder).is_err());
    }

    #[test]
    fn a_folder_swapped_for_a_link_never_leads_out() {
        let tree = tree();
        let out = tree.granted.parent().unwrap().join("outside");
        let (sub, link) = (tree.granted.join("sub"), tree.granted.join("link"));
        symlink(&out, &link).unwrap();
        let stop = AtomicBool::new(false);
        let mut opened = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = rustix::fs::renameat_with(
                        CWD,
                        &sub,
                        CWD,
                        &link,
                        rustix::fs::RenameFlags::EXCHANGE,
                    );
                }
            });
            // On a busy machine the other thread may hold the folder away for a whole turn.
            let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
            let mut tried = 0;
            while tried < 5000 || (opened == 0 && std::time::Instant::now() < until) {
                tried += 1;
                if let Ok(text) = read(&tree.granted, "sub/file") {
                    assert_eq!(text, "fine");
                    opened += 1;
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(
            opened > 0,
            "the race must also be won honestly now and then"
        );
    }
}
