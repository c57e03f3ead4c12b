//! bubblewrap with the walls that an agent has, as far as it can build them.

use std::path::Path;
use std::process::{Command, Stdio};

/// `bwrap` with the root, the namespaces and the capabilities of an agent, to be followed by the program.
/// It has no Landlock, and no system call filter unless it is given one ready made.
pub(crate) fn bwrap(program: &Path, inside: &str) -> Command {
    let mut command = Command::new("bwrap");
    command
        .env_clear()
        .env("PATH", "/usr/bin")
        .stdin(Stdio::null())
        .args(["--unshare-all", "--die-with-parent", "--new-session"])
        .args(["--ro-bind", "/usr", "/usr"])
        .args(["--symlink", "usr/bin", "/bin"])
        .args(["--symlink", "usr/sbin", "/sbin"])
        .args(["--symlink", "usr/lib", "/lib"])
        .args(["--symlink", "usr/lib64", "/lib64"])
        .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"])
        .args(["--hostname", "agent", "--cap-drop", "ALL"])
        .arg("--ro-bind")
        .arg(program)
        .arg(inside);
    command
}
