//! What only PID 1 of a machine does: prepare the real root before the first unit, and end it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::system::RebootCommand;

use crate::console::{self, Level, Sink};
use crate::{edge, mounts};

/// Present in a live system, whose changes are kept in memory.
pub const LIVE_MARK: &str = "/run/argos/live";

/// Mounts, host name, loopback. What fails is said and does not keep the rest from starting.
pub fn prepare() {
    let failed = mounts::mount_basics();
    console::lift_ration();
    console::say(Sink::Kernel, Level::Notice, "starting");
    for problem in failed {
        console::say(Sink::Kernel, Level::Error, &problem);
    }
    edge::catch_ctrl_alt_del();
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name
        .lines()
        .next()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .unwrap_or("argos");
    for (what, result) in [
        (
            "set the host name",
            rustix::system::sethostname(name.as_bytes()).map_err(Into::into),
        ),
        ("bring the loopback interface up", edge::loopback_up()),
        ("make /run/argos", mounts::make_folder("/run/argos", 0o755)),
        ("make /run/user", mounts::make_folder("/run/user", 0o755)),
    ] {
        if let Err(error) = result {
            console::say(
                Sink::Kernel,
                Level::Warning,
                &format!("cannot {what}: {error}"),
            );
        }
    }
}

/// Words on the kernel's command line.
pub fn command_line() -> Vec<String> {
    let text = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Whether a root shell may be opened on the console without a password: only where the owner of
/// the machine asked for it at boot, or nothing is kept anyway.
pub fn may_open_shell() -> bool {
    Path::new(LIVE_MARK).exists()
        || command_line()
            .iter()
            .any(|word| word == "argos.debug-shell")
}

/// Folders of lists of kernel modules, first over later: a file hides those of its name in the
/// others.
const MODULE_LISTS: [&str; 4] = [
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
];

/// Loads the kernel modules that are listed by name, one a line, in [`MODULE_LISTS`]. Blocks: this is
/// a program of its own (`argos-init --load-modules`, the unit `modules`), not a part of PID 1.
/// Yields the status to end with.
pub fn load_listed_modules() -> i32 {
    let names = listed_modules(&MODULE_LISTS.map(Path::new));
    if names.is_empty() {
        return 0;
    }
    // modprobe knows aliases, options and what else a module needs; it names what it cannot load
    // and goes on with the rest.
    let modprobe = Command::new("/sbin/modprobe")
        .args(["--all", "--use-blacklist", "--"])
        .args(names)
        .status();
    match modprobe {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => {
            eprintln!("cannot run /sbin/modprobe: {error}");
            1
        }
    }
}

/// The names in every `*.conf` of these folders (first over later), in the order of the files'
/// names and without repetition. Empty lines and those that begin with `#` or `;` do not count.
fn listed_modules(folders: &[&Path]) -> Vec<String> {
    let mut lists: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        for file in files.map(|entry| entry.path()) {
            if file.extension().is_some_and(|ending| ending == "conf")
                && let Some(name) = file.file_name()
            {
                lists.entry(name.to_owned()).or_insert(file);
            }
        }
    }
    let mut names: Vec<String> = Vec::new();
    for file in lists.values() {
        let text = fs::read_to_string(file).unwrap_or_else(|error| {
            eprintln!("cannot read {}: {error}", file.display());
            String::new()
        });
        let lines = text.lines().map(str::trim);
        for name in lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// What becomes of the machine in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Power off.
    PowerOff,
    /// Restart.
    Reboot,
}

/// Switches the machine off or restarts it, now. Returns only if the kernel refuses.
pub fn finish(goal: Goal) {
    let command = match goal {
        Goal::PowerOff => RebootCommand::PowerOff,
        Goal::Reboot => RebootCommand::Restart,
    };
    let _ = rustix::system::reboot(command);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_modules_are_layered_and_sorted_by_name() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("usr/20-late.conf", "late"),
            ("usr/10-hidden.conf", "hidden"),
            ("usr/15-masked.conf", "masked"),
            ("usr/30-kept.conf", "kept\n"),
            ("usr/40.txt", "not-a-list"),
            (
                "run/10-hidden.conf",
                "# a comment\n; another\n\n  first  \nsecond-one\r\n",
            ),
            ("etc/15-masked.conf", ""),
            ("etc/25-own.conf", "own\nlate"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", root.path().join("run/30-kept.conf")).unwrap();
        let folders = ["etc", "run", "none", "usr"].map(|name| root.path().join(name));
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        assert_eq!(
            listed_modules(&folders),
            ["first", "second-one", "late", "own"]
        );
    }
}
