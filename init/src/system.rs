//! What only PID 1 of a machine does: prepare the real root before the first unit, and end it.

use std::fs;
use std::path::Path;

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

/// Loads kernel modules that are listed by name, one a line, in `FOLDER/*.conf` of
/// `/usr/lib/modules-load.d` and `/etc/modules-load.d`. Blocks: this is a program of its own
/// (`argos-init --load-modules`), not a part of PID 1. Yields the status to end with.
pub fn load_listed_modules() -> i32 {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let base = Path::new("/usr/lib/modules").join(release);
    let dependencies = fs::read_to_string(base.join("modules.dep")).unwrap_or_default();
    let mut failed = false;
    for name in listed_modules() {
        for path in with_dependencies(&dependencies, &name) {
            if let Err(error) = edge::load_module(&base.join(&path), c"") {
                eprintln!("cannot load the kernel module {path}: {error}");
                failed = true;
            }
        }
    }
    i32::from(failed)
}

fn listed_modules() -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["/usr/lib/modules-load.d", "/etc/modules-load.d"] {
        let mut files: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == "conf"))
        {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines = text.lines().map(str::trim);
            names.extend(
                lines
                    .filter(|l| !l.is_empty() && !l.starts_with(['#', ';']))
                    .map(str::to_owned),
            );
        }
    }
    names
}

/// Paths of a module and what it needs, in the order in which they load; nothing if it is not in
/// `modules.dep` (built into the kernel, or not there).
fn with_dependencies(modules_dep: &str, name: &str) -> Vec<String> {
    let wanted = name.replace('-', "_");
    let stem = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split('.').next().unwrap_or(file).replace('-', "_")
    };
    for line in modules_dep.lines() {
        let Some((module, needs)) = line.split_once(':') else {
            continue;
        };
        if stem(module) == wanted {
            let needs = needs.split_whitespace().rev().map(str::to_owned);
            return needs.chain([module.to_owned()]).collect();
        }
    }
    Vec::new()
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
    fn modules_load_after_what_they_need() {
        let dep = "kernel/a/virtio-gpu.ko.xz: kernel/b/drm_kms.ko.xz kernel/b/drm.ko.xz\nkernel/b/drm.ko.xz:\n";
        assert_eq!(
            with_dependencies(dep, "virtio_gpu"),
            [
                "kernel/b/drm.ko.xz",
                "kernel/b/drm_kms.ko.xz",
                "kernel/a/virtio-gpu.ko.xz"
            ]
        );
        assert_eq!(with_dependencies(dep, "missing"), [] as [&str; 0]);
    }
}
