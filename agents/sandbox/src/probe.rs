//! What this kernel can enforce, found by asking it: for `argos doctor` and for error messages.
#![allow(unsafe_code)]

use std::io;

use serde::{Deserialize, Serialize};

/// The levels of isolation that the running kernel gives to the calling user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Kernel release: `6.12.48+deb13-amd64`.
    pub kernel: String,
    /// Landlock ABI; 0 where it is missing or switched off.
    pub landlock: u32,
    /// Whether this user may create user namespaces; if not, why.
    pub user_namespaces: Result<(), String>,
    /// Whether seccomp filters may be installed and know `KILL_PROCESS`.
    pub seccomp: bool,
    /// Whether cgroup v2 is mounted at `/sys/fs/cgroup`.
    pub cgroup_v2: bool,
    /// Controllers that the control group of the calling process may hand on: `cpu`, `memory`,
    /// `pids`, and others.
    pub controllers: Vec<String>,
    /// Each namespace that the kernel has, as named in `/proc/self/ns`.
    pub namespaces: Vec<String>,
    /// Whether the process calling has `CAP_SYS_ADMIN`.
    pub privileged: bool,
}

/// What each Landlock ABI added, from 1 on. A kernel with a later one is used to the last of these.
pub const LANDLOCK_LEVELS: [&str; 10] = [
    "files",
    "renaming and linking between folders",
    "truncating files",
    "TCP ports",
    "device controls (ioctl)",
    "signals and abstract sockets",
    "a log of what was denied",
    "all threads at once",
    "sockets by path",
    "UDP ports",
];

/// Asks the kernel. Takes about a millisecond; forks once.
#[must_use]
pub fn probe() -> Levels {
    Levels {
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        landlock: landlock_abi(),
        user_namespaces: try_user_namespace().map_err(|error| error.to_string()),
        seccomp: has_seccomp(),
        cgroup_v2: rustix::fs::statfs("/sys/fs/cgroup")
            .is_ok_and(|stat| stat.f_type == libc::CGROUP2_SUPER_MAGIC),
        controllers: controllers(),
        namespaces: namespaces(),
        privileged: rustix::thread::capabilities(None).is_ok_and(|sets| {
            sets.effective
                .contains(rustix::thread::CapabilitySet::SYS_ADMIN)
        }),
    }
}

fn controllers() -> Vec<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/");
    std::fs::read_to_string(format!("/sys/fs/cgroup{path}/cgroup.controllers"))
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

fn namespaces() -> Vec<String> {
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]
        .into_iter()
        .filter(|name| std::path::Path::new("/proc/self/ns").join(name).exists())
        .map(str::to_owned)
        .collect()
}

/// The Landlock ABI, 0 where there is none.
pub(crate) fn landlock_abi() -> u32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no structure and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

fn has_seccomp() -> bool {
    const SECCOMP_GET_ACTION_AVAIL: libc::c_uint = 2;
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the pointer is valid for the call, which only reads it.
    unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        ) == 0
    }
}

/// Creates a user namespace in a child that ends at once.
fn try_user_namespace() -> io::Result<()> {
    // SAFETY: a fork without shared memory; the child only calls `_exit`, which is safe in a
    // process that had threads.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::CLONE_NEWUSER | libc::SIGCHLD,
            std::ptr::null::<libc::c_void>(),
            std::ptr::null::<libc::c_void>(),
            std::ptr::null::<libc::c_void>(),
            0_usize,
        )
    };
    match pid {
        0 => {
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(0) }
        }
        pid if pid > 0 => {
            let pid = i32::try_from(pid).unwrap_or(-1);
            // SAFETY: waits for the child just made; no status is stored.
            while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            Ok(())
        }
        _ => Err(io::Error::last_os_error()),
    }
}
