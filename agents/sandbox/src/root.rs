//! The new root: an empty memory file system, filled with what was declared, then made read-only
//! and entered by `pivot_root`, after which the old root is detached and gone.
//!
//! Host paths are opened first (`open_tree`), before anything is mounted, so that mounting cannot
//! change what they mean; each tree gets its flags (`mount_setattr`, with all that is mounted
//! beneath it) before it is attached, so there is no moment at which it is writable. Mount points
//! are found by `openat2` without symbolic links, so a link inside a bound folder cannot redirect
//! a later mount.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

use crate::Error;
use crate::privileges::Identity;
use crate::spec::{Access, Proc, Root};

/// Where the new root is attached until it becomes the root. Any folder does; what it holds on the
/// host is covered only in this process's own mount namespace.
const FOOTHOLDS: [&str; 4] = ["/tmp", "/run", "/mnt", "/usr"];

/// What git keeps at the top of a folder of files.
const REPOSITORY: &str = ".git";

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Builds the root and moves into it. The calling process must be in a mount namespace of its own.
/// Folders in memory are the `owner`'s, else its own.
pub(crate) fn enter(root: &Root, owner: Option<&Identity>) -> Result<(), Error> {
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| Error::step("making the mounts private", error))?;

    let mut mounts = Vec::new();
    for bind in &root.binds {
        let tree = clone_tree(&bind.source, bind.access)?;
        let is_dir = is_directory(&tree, bind.target())?;
        mounts.push((bind.target().to_owned(), tree, is_dir));
        if bind.access == Access::Write && is_dir && has_repository(&bind.source)? {
            let tree = clone_tree(&bind.source.join(REPOSITORY), Access::Read)?;
            let target = bind.target().join(REPOSITORY);
            let is_dir = is_directory(&tree, &target)?;
            mounts.push((target, tree, is_dir));
        }
    }
    if root.devices {
        for (name, tree) in clone_devices()? {
            mounts.push((Path::new("/dev").join(name), tree, false));
        }
    }
    for mount in &root.tmpfs {
        let noexec = MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tree = tmpfs(mount.size_bytes, "0700", noexec, owner)?;
        mounts.push((mount.path.clone(), tree, true));
    }
    if root.proc != Proc::None {
        mounts.push((PathBuf::from("/proc"), proc(root.proc)?, true));
    }
    // Shallow ones first, so that one may lie inside another: a bind in /tmp, a folder to write in
    // a folder to read.
    mounts.sort_by_key(|(target, ..)| target.components().count());

    let base = tmpfs(1 << 20, "0755", MountAttrFlags::MOUNT_ATTR_NOEXEC, None)?;
    attach_base(&base)?;
    let base = base.as_fd();
    for (target, tree, is_dir) in mounts {
        attach(base, &tree, &target, is_dir)?;
    }
    if root.devices && root.proc != Proc::None {
        for (name, to) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            link(base, &Path::new("/dev").join(name), Path::new(to))?;
        }
    }
    for (path, to) in &root.symlinks {
        link(base, path, to)?;
    }

    set_attributes(base, false, libc::MOUNT_ATTR_RDONLY)
        .map_err(|error| Error::step("making the new root read-only", error))?;
    rustix::process::fchdir(base)
        .and_then(|()| rustix::process::pivot_root(".", "."))
        .and_then(|()| rustix::mount::unmount(".", UnmountFlags::DETACH))
        .and_then(|()| rustix::process::chdir("/"))
        .map_err(|error| {
            Error::step_hint(
                "entering the new root",
                error,
                ". The current root must be a mount point: a chroot is not",
            )
        })
}

/// Whether git keeps something in a folder that may be written. It is read-only inside, and as a
/// mount it can be neither renamed nor replaced: hooks, `config` and `commondir` in it, or the file
/// that says where the repository is, would otherwise have the person's next use of git run what
/// the sandbox wrote. A folder without one can be given one from inside; that one is data.
fn has_repository(folder: &Path) -> Result<bool, Error> {
    let path = folder.join(REPOSITORY);
    match std::fs::symlink_metadata(&path) {
        Ok(about) if about.is_symlink() => Err(Error::step_hint(
            format!("protecting {}", path.display()),
            io::Error::other("it is a symbolic link, which could be replaced from inside"),
            ". Give the folder to read, or put the repository where the link is",
        )),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::step(format!("looking at {}", path.display()), error)),
    }
}

/// A detached copy of what is mounted at and beneath a host path, with its final flags.
fn clone_tree(source: &Path, access: Access) -> Result<OwnedFd, Error> {
    let tree = rustix::mount::open_tree(
        CWD,
        source,
        OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE,
    )
    .map_err(|error| {
        let hint = match error {
            rustix::io::Errno::NOENT => {
                ". It does not exist: create it or leave it out of `root.binds`"
            }
            _ => "",
        };
        Error::step_hint(format!("binding {}", source.display()), error, hint)
    })?;
    let mut set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    match access {
        Access::Read => set |= libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOEXEC,
        Access::Execute => set |= libc::MOUNT_ATTR_RDONLY,
        Access::Write => set |= libc::MOUNT_ATTR_NOEXEC,
    }
    set_attributes(tree.as_fd(), true, set).map_err(|error| {
        Error::step(
            format!("restricting the mount of {}", source.display()),
            error,
        )
    })?;
    Ok(tree)
}

/// The harmless devices of the host, each alone: an unprivileged process cannot make device nodes.
fn clone_devices() -> Result<Vec<(&'static str, OwnedFd)>, Error> {
    DEVICES
        .into_iter()
        .map(|name| {
            let path = Path::new("/dev").join(name);
            let failed = |error| Error::step(format!("binding {}", path.display()), error);
            let tree = rustix::mount::open_tree(
                CWD,
                &path,
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
            )
            .map_err(|error| failed(error.into()))?;
            let kind = rustix::fs::fstat(&tree)
                .map_err(|error| failed(error.into()))?
                .st_mode;
            if rustix::fs::FileType::from_raw_mode(kind) != rustix::fs::FileType::CharacterDevice {
                return Err(failed(io::Error::other("it is not a device")));
            }
            set_attributes(
                tree.as_fd(),
                false,
                libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
            )
            .map_err(failed)?;
            Ok((name, tree))
        })
        .collect()
}

fn tmpfs(
    size: u64,
    mode: &str,
    flags: MountAttrFlags,
    owner: Option<&Identity>,
) -> Result<OwnedFd, Error> {
    let make = || {
        let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&context, "size", size.to_string())?;
        rustix::mount::fsconfig_set_string(&context, "nr_inodes", "16384")?;
        rustix::mount::fsconfig_set_string(&context, "mode", mode)?;
        if let Some(owner) = owner {
            rustix::mount::fsconfig_set_string(&context, "uid", owner.uid.to_string())?;
            rustix::mount::fsconfig_set_string(&context, "gid", owner.gid.to_string())?;
        }
        rustix::mount::fsconfig_create(&context)?;
        rustix::mount::fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | flags,
        )
    };
    make().map_err(|error: rustix::io::Errno| Error::step("making a memory file system", error))
}

fn proc(kind: Proc) -> Result<OwnedFd, Error> {
    let make = || {
        let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        if kind == Proc::Processes {
            rustix::mount::fsconfig_set_string(&context, "subset", "pid")?;
        }
        rustix::mount::fsconfig_create(&context)?;
        rustix::mount::fsmount(
            &context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_RDONLY
                | MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_NOEXEC,
        )
    };
    make().map_err(|error: rustix::io::Errno| {
        Error::step_hint(
            "mounting a private /proc",
            error,
            ". The kernel allows it only where a whole /proc is mounted outside; some containers cover parts of it",
        )
    })
}

fn attach_base(base: &OwnedFd) -> Result<(), Error> {
    let mut last = rustix::io::Errno::NOENT;
    for place in FOOTHOLDS {
        match rustix::mount::move_mount(
            base,
            "",
            CWD,
            place,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        ) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(Error::step("attaching the new root", last))
}

/// Mounts a detached tree at a path of the new root, making the mount point.
fn attach(base: BorrowedFd<'_>, tree: &OwnedFd, target: &Path, is_dir: bool) -> Result<(), Error> {
    let failed = |error| Error::step(format!("mounting {} inside", target.display()), error);
    let point = make(base, target, is_dir)?;
    rustix::mount::move_mount(
        tree,
        "",
        &point,
        "",
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
    )
    .map_err(failed)
}

/// Makes a folder or an empty file, with the folders on the way, and opens it.
fn make(base: BorrowedFd<'_>, target: &Path, is_dir: bool) -> Result<OwnedFd, Error> {
    let failed = |error| {
        Error::step_hint(
            format!("making the mount point {}", target.display()),
            error,
            ". A mount point inside a read-only bind must exist already, and be no symbolic link",
        )
    };
    let names = relative(target);
    let mut at = open(base, Path::new("."), OFlags::PATH | OFlags::DIRECTORY).map_err(failed)?;
    for (index, name) in names.iter().enumerate() {
        if index + 1 < names.len() || is_dir {
            match rustix::fs::mkdirat(&at, *name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                // A read-only folder that has it already is fine; opening it decides.
                Err(rustix::io::Errno::ROFS | rustix::io::Errno::ACCESS) => {}
                Err(error) => return Err(failed(error)),
            }
            at = open(
                at.as_fd(),
                Path::new(name),
                OFlags::PATH | OFlags::DIRECTORY,
            )
            .map_err(failed)?;
        } else {
            match rustix::fs::openat(
                &at,
                *name,
                OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::from_raw_mode(0o644),
            ) {
                Ok(_) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
                Err(error) => return Err(failed(error)),
            }
            at = open(at.as_fd(), Path::new(name), OFlags::PATH).map_err(failed)?;
        }
    }
    Ok(at)
}

fn link(base: BorrowedFd<'_>, path: &Path, to: &Path) -> Result<(), Error> {
    let failed = |error| Error::step(format!("making the link {}", path.display()), error);
    let parent = path.parent().unwrap_or(Path::new("/"));
    let parent = make(base, parent, true)?;
    let name = path
        .file_name()
        .ok_or_else(|| failed(rustix::io::Errno::INVAL))?;
    rustix::fs::symlinkat(to, &parent, name).map_err(failed)
}

fn open(base: BorrowedFd<'_>, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat2(
        base,
        path,
        flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
}

fn relative(path: &Path) -> Vec<&std::ffi::OsStr> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

fn is_directory(tree: &OwnedFd, target: &Path) -> Result<bool, Error> {
    let stat = rustix::fs::statat(tree, "", AtFlags::EMPTY_PATH)
        .map_err(|error| Error::step(format!("looking at {}", target.display()), error))?;
    Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory)
}

/// `mount_setattr(2)`, which rustix has not: switches attributes on.
fn set_attributes(tree: BorrowedFd<'_>, recursive: bool, set: u64) -> io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    let attributes = MountAttr {
        attr_set: set,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let empty = CString::default();
    // SAFETY: the path is a valid string, and the structure is valid for the size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            empty.as_ptr(),
            flags,
            &raw const attributes,
            std::mem::size_of::<MountAttr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
