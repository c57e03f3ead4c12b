//! Mounting and unmounting, for both stages and for mount units.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use argos_units::Mount;
use rustix::mount::{MountFlags, UnmountFlags};

/// One file system that the machine cannot do without.
#[derive(Debug)]
struct Basic {
    fstype: &'static str,
    target: &'static str,
    flags: MountFlags,
    data: &'static str,
}

const SAFE: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

const BASICS: [Basic; 9] = [
    Basic {
        fstype: "proc",
        target: "/proc",
        flags: SAFE,
        data: "",
    },
    Basic {
        fstype: "sysfs",
        target: "/sys",
        flags: SAFE,
        data: "",
    },
    Basic {
        fstype: "devtmpfs",
        target: "/dev",
        flags: MountFlags::NOSUID,
        data: "mode=0755",
    },
    Basic {
        fstype: "devpts",
        target: "/dev/pts",
        flags: MountFlags::NOSUID.union(MountFlags::NOEXEC),
        data: "mode=0620,gid=5,ptmxmode=0666",
    },
    Basic {
        fstype: "tmpfs",
        target: "/dev/shm",
        flags: MountFlags::NOSUID.union(MountFlags::NODEV),
        data: "mode=1777",
    },
    Basic {
        fstype: "tmpfs",
        target: "/run",
        flags: MountFlags::NOSUID.union(MountFlags::NODEV),
        data: "mode=0755",
    },
    Basic {
        fstype: "tmpfs",
        target: "/tmp",
        flags: MountFlags::NOSUID.union(MountFlags::NODEV),
        data: "mode=1777",
    },
    Basic {
        fstype: "cgroup2",
        target: "/sys/fs/cgroup",
        flags: SAFE,
        data: "nsdelegate,memory_recursiveprot",
    },
    Basic {
        fstype: "efivarfs",
        target: "/sys/firmware/efi/efivars",
        flags: SAFE,
        data: "",
    },
];

/// Mounts what is missing of the file systems that every boot needs; yields what could not be.
pub fn mount_basics() -> Vec<String> {
    let mut failed = Vec::new();
    for basic in &BASICS {
        let Basic {
            fstype,
            target,
            flags,
            data,
        } = basic;
        if is_mount_point(target) {
            continue;
        }
        if *fstype == "efivarfs" && !Path::new(target).is_dir() {
            continue;
        }
        if let Err(error) = mount(fstype, target, fstype, *flags, data) {
            failed.push(format!("cannot mount {target}: {error}"));
        }
    }
    failed
}

/// The ones that the initrd needs.
pub fn mount_first_basics() -> Vec<String> {
    let mut failed = Vec::new();
    for basic in BASICS
        .iter()
        .filter(|b| matches!(b.target, "/proc" | "/sys" | "/dev" | "/run"))
    {
        if !is_mount_point(basic.target)
            && let Err(error) = mount(
                basic.fstype,
                basic.target,
                basic.fstype,
                basic.flags,
                basic.data,
            )
        {
            failed.push(format!("cannot mount {}: {error}", basic.target));
        }
    }
    failed
}

/// Mounts one file system, making its mount point if that can be done.
pub fn mount(
    source: &str,
    target: &str,
    fstype: &str,
    flags: MountFlags,
    data: &str,
) -> io::Result<()> {
    if !Path::new(target).exists() {
        fs::create_dir_all(target)?;
    }
    let data = CString::new(data)?;
    Ok(rustix::mount::mount(
        source,
        target,
        fstype,
        flags,
        data.as_c_str(),
    )?)
}

/// Whether something is mounted exactly at `target`.
pub fn is_mount_point(target: &str) -> bool {
    let path = Path::new(target);
    let (Ok(here), Some(parent)) = (fs::symlink_metadata(path), path.parent()) else {
        return false;
    };
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(parent).is_ok_and(|above| above.dev() != here.dev())
}

/// Does what a mount unit says. Blocks as long as the device does: call it in a child.
pub fn mount_unit(unit: &Mount) -> io::Result<()> {
    let mut flags = MountFlags::empty();
    let mut data: Vec<&str> = Vec::new();
    for option in unit.options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => flags |= MountFlags::RDONLY,
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "noatime" => flags |= MountFlags::NOATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "bind" => flags |= MountFlags::BIND,
            "rw" | "defaults" => {}
            other => data.push(other),
        }
    }
    mount(&unit.what, &unit.path, &unit.fstype, flags, &data.join(","))
}

/// Takes a mount out of the file tree, at once even if it is in use. Blocks where the file system
/// has to be written out or does not answer: call it in a child.
pub fn detach(target: &str) -> io::Result<()> {
    Ok(rustix::mount::unmount(target, UnmountFlags::DETACH)?)
}

/// The type of the file system under `path`, if it is one that a network or another program serves:
/// whoever looks there may wait for ever. Goes by the mount table and reads links only where that
/// cannot wait, so that asking is safe. The root itself counts as fast: without it nothing works.
pub fn slow_file_system(path: &Path) -> Option<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    slow_in(&parse_mountinfo(&text), path)
}

fn slow_in(table: &[Mounted], path: &Path) -> Option<String> {
    /// As many links as the kernel follows.
    const MOST_LINKS: usize = 40;
    let parts = |path: &Path| -> Vec<OsString> {
        let parts = path.components().rev();
        parts.map(|part| part.as_os_str().to_owned()).collect()
    };
    let mut at = PathBuf::from("/");
    let mut rest = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.as_encoded_bytes() {
            b"." => continue,
            b".." => {
                at.pop();
                continue;
            }
            b"/" => {
                at = "/".into();
                continue;
            }
            _ => {}
        }
        let next = at.join(&part);
        // The last one is what is on top.
        let mounted = table.iter().rfind(|m| Path::new(&m.target) == next);
        if let Some(mounted) = mounted.filter(|mounted| is_slow(&mounted.fstype)) {
            return Some(mounted.fstype.clone());
        }
        match fs::read_link(&next) {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                rest.extend(parts(&target));
            }
            _ => at = next,
        }
    }
    None
}

fn is_slow(fstype: &str) -> bool {
    // `fuse.sshfs` and the like name the program after the dot.
    let family = fstype.split('.').next().unwrap_or(fstype);
    matches!(
        family,
        "9p" | "afs"
            | "autofs"
            | "ceph"
            | "cifs"
            | "coda"
            | "fuse"
            | "fuseblk"
            | "gfs2"
            | "lustre"
            | "nfs"
            | "nfs4"
            | "ocfs2"
            | "orangefs"
            | "smb3"
            | "virtiofs"
    )
}

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mounted {
    target: String,
    fstype: String,
}

fn parse_mountinfo(text: &str) -> Vec<Mounted> {
    let line = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        Some(Mounted {
            target: unescape(front.split(' ').nth(4)?),
            fstype: back.split(' ').next()?.to_owned(),
        })
    };
    text.lines().filter_map(line).collect()
}

/// Undoes the `\040` escapes of mountinfo.
fn unescape(text: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Writes everything out and takes the file systems down, last mounted first; what does not go is
/// made read-only. Yields what stays writable. Blocks: call it in a child.
pub fn unmount_all() -> Vec<String> {
    rustix::fs::sync();
    let mut stuck = Vec::new();
    // Twice: an overlay keeps the file system under it busy until it is gone itself.
    for _ in 0..2 {
        stuck.clear();
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for mounted in parse_mountinfo(&text).into_iter().rev() {
            let memory_only = matches!(
                mounted.fstype.as_str(),
                "proc"
                    | "sysfs"
                    | "devtmpfs"
                    | "devpts"
                    | "tmpfs"
                    | "ramfs"
                    | "rootfs"
                    | "cgroup2"
                    | "mqueue"
                    | "securityfs"
                    | "efivarfs"
                    | "bpf"
                    | "tracefs"
                    | "debugfs"
                    | "configfs"
                    | "pstore"
                    | "erofs"
            );
            if memory_only || mounted.target == "/" {
                continue;
            }
            let target = mounted.target.as_str();
            if rustix::mount::unmount(target, UnmountFlags::empty()).is_err()
                && rustix::mount::mount_remount(target, MountFlags::RDONLY, c"").is_err()
            {
                stuck.push(mounted.target);
            }
        }
    }
    let _ = rustix::mount::mount_remount("/", MountFlags::RDONLY, c"");
    rustix::fs::sync();
    stuck
}

/// Makes a folder with these permission bits, whatever the umask.
pub fn make_folder(path: &str, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_with_its_escapes_and_optional_fields() {
        let text = "22 1 0:20 / /a\\040b rw shared:1 master:2 - ext4 /dev/vda rw\n\
                    23 22 0:21 / /proc rw - proc proc rw\nnonsense\n";
        let mounted = |target: &str, fstype: &str| Mounted {
            target: target.into(),
            fstype: fstype.into(),
        };
        assert_eq!(
            parse_mountinfo(text),
            [mounted("/a b", "ext4"), mounted("/proc", "proc")]
        );
    }

    #[test]
    fn a_path_is_slow_if_any_way_to_it_leads_over_a_slow_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["far", "near", "over"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        std::os::unix::fs::symlink("../far/x", root.join("near/link")).unwrap();
        std::os::unix::fs::symlink(root.join("loop"), root.join("loop")).unwrap();
        let mounted = |name: &str, fstype: &str| Mounted {
            target: root.join(name).display().to_string(),
            fstype: fstype.into(),
        };
        let table = [
            mounted("far", "nfs4"),
            mounted("over", "fuse.sshfs"),
            mounted("over", "tmpfs"),
        ];
        let slow = |path: &str| slow_in(&table, &root.join(path));
        let nfs = Some("nfs4".to_owned());
        assert_eq!(slow("far/socket"), nfs);
        assert_eq!(slow("near/link/socket"), nfs);
        assert_eq!(slow("near/../far"), nfs);
        for fast in ["near/socket", "over/socket", "none/x", "loop/x", "far-off"] {
            assert_eq!(slow(fast), None, "{fast}");
        }
    }
}
