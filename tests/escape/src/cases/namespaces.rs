//! Getting the host's view back, or a new one in which one is root.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::case::{Case, Control, How, KILLED, MISSING, PLAIN, PRIVILEGED, REFUSED, case};
use crate::sys::{call, checked, outside};

/// `OPEN_TREE_CLONE`.
const CLONE: i64 = 1;
/// `MOVE_MOUNT_F_EMPTY_PATH`.
const EMPTY_PATH: i64 = 4;

pub(crate) const CASES: &[Case] = &[
    case(
        "unshare a user namespace, then mount",
        PLAIN,
        KILLED,
        || {
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
            call(libc::SYS_unshare, [flags.into()])?;
            mount()
        },
    ),
    case("clone into a user namespace", PLAIN, REFUSED, || {
        ends(call(
            libc::SYS_clone,
            [(libc::CLONE_NEWUSER | libc::SIGCHLD).into(), 0, 0, 0, 0],
        ))
    }),
    case("clone3", PLAIN, MISSING, || {
        let arguments = [
            libc::CLONE_NEWUSER as u64,
            0,
            0,
            0,
            libc::SIGCHLD as u64,
            0,
            0,
            0,
        ];
        ends(call(libc::SYS_clone3, [arguments.as_ptr() as i64, 64]))
    }),
    case("setns", PRIVILEGED, KILLED, || {
        let own = if outside() {
            File::open("/proc/self/ns/net")?.into_raw()
        } else {
            -1
        };
        call(libc::SYS_setns, [own, 0]).map(|_| ())
    }),
    case("mount", PRIVILEGED, KILLED, mount),
    case("mount the host's /proc anew", PRIVILEGED, KILLED, || {
        call(
            libc::SYS_mount,
            [
                c"proc".as_ptr() as i64,
                c"/mnt".as_ptr() as i64,
                c"proc".as_ptr() as i64,
                0,
                0,
            ],
        )
        .map(|_| ())
    }),
    case("make a mount writable again", PRIVILEGED, KILLED, || {
        let flags = (libc::MS_REMOUNT | libc::MS_BIND) as i64;
        call(libc::SYS_mount, [0, c"/mnt".as_ptr() as i64, 0, flags, 0]).map(|_| ())
    }),
    case("umount /proc", PRIVILEGED, KILLED, || {
        call(
            libc::SYS_umount2,
            [c"/proc".as_ptr() as i64, libc::MNT_DETACH.into()],
        )
        .map(|_| ())
    }),
    case("fsopen", PRIVILEGED, KILLED, || {
        call(libc::SYS_fsopen, [c"tmpfs".as_ptr() as i64, 0]).map(|_| ())
    }),
    case("fspick", PRIVILEGED, KILLED, || {
        call(
            libc::SYS_fspick,
            [libc::AT_FDCWD.into(), c"/mnt".as_ptr() as i64, 0],
        )
        .map(|_| ())
    }),
    case("open_tree", PRIVILEGED, KILLED, || tree().map(|_| ())),
    case("move_mount", PRIVILEGED, KILLED, || {
        let tree = if outside() { tree()? } else { -1 };
        call(
            libc::SYS_move_mount,
            [
                tree,
                c"".as_ptr() as i64,
                libc::AT_FDCWD.into(),
                c"/mnt".as_ptr() as i64,
                EMPTY_PATH,
            ],
        )
        .map(|_| ())
    }),
    case("mount_setattr", PRIVILEGED, KILLED, || {
        let writable = [0, libc::MOUNT_ATTR_RDONLY, 0, 0];
        call(
            libc::SYS_mount_setattr,
            [
                libc::AT_FDCWD.into(),
                c"/mnt".as_ptr() as i64,
                0,
                writable.as_ptr() as i64,
                32,
            ],
        )
        .map(|_| ())
    }),
    case("chroot", PRIVILEGED, KILLED, || {
        call(libc::SYS_chroot, [c"/mnt".as_ptr() as i64]).map(|_| ())
    }),
    case("pivot_root", PRIVILEGED, KILLED, || {
        let (new, old) = (c"/mnt".as_ptr() as i64, c"/mnt/old".as_ptr() as i64);
        call(libc::SYS_pivot_root, [new, old]).map(|_| ())
    }),
    case("set the host name", PRIVILEGED, REFUSED, || {
        call(libc::SYS_sethostname, [c"pwned".as_ptr() as i64, 5]).map(|_| ())
    }),
    case(
        "open a file by its handle",
        Control::Works(How::Root),
        KILLED,
        || {
            // 128 bytes of handle: their number, a type, the bytes.
            let mut handle = [0_u32; 34];
            handle[0] = 128;
            let at = handle.as_mut_ptr() as i64;
            let mut mount = 0_i32;
            if outside() {
                let name = crate::sys::path(crate::sys::folder("home/secret"));
                let mount = &raw mut mount as i64;
                let here = libc::AT_FDCWD.into();
                call(
                    libc::SYS_name_to_handle_at,
                    [here, name.as_ptr() as i64, at, mount, 0],
                )?;
            }
            let folder = File::open("/")?;
            let folder = if outside() {
                File::open(crate::sys::folder("home"))?
            } else {
                folder
            };
            call(
                libc::SYS_open_by_handle_at,
                [folder.as_raw_fd().into(), at, 0],
            )
            .map(|_| ())
        },
    ),
    case("name a file by its handle", PLAIN, MISSING, || {
        let mut handle = [0_u32; 34];
        handle[0] = 128;
        let mut mount = 0_i32;
        let at = handle.as_mut_ptr() as i64;
        let mount = &raw mut mount as i64;
        let name = crate::sys::path(crate::sys::folder("workspace/program"));
        call(
            libc::SYS_name_to_handle_at,
            [libc::AT_FDCWD.into(), name.as_ptr() as i64, at, mount, 0],
        )
        .map(|_| ())
    }),
];

fn mount() -> io::Result<()> {
    call(
        libc::SYS_mount,
        [
            c"tmpfs".as_ptr() as i64,
            c"/mnt".as_ptr() as i64,
            c"tmpfs".as_ptr() as i64,
            0,
            0,
        ],
    )
    .map(|_| ())
}

fn tree() -> io::Result<i64> {
    call(
        libc::SYS_open_tree,
        [libc::AT_FDCWD.into(), c"/mnt".as_ptr() as i64, CLONE],
    )
}

/// Ends the child of a fork.
fn ends(pid: io::Result<i64>) -> io::Result<()> {
    if matches!(pid, Ok(0)) {
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(0) };
    }
    checked(pid? as i32).map(|_| ())
}

/// A descriptor that stays open.
trait IntoRaw {
    fn into_raw(self) -> i64;
}

impl IntoRaw for File {
    fn into_raw(self) -> i64 {
        std::os::fd::IntoRawFd::into_raw_fd(self).into()
    }
}
