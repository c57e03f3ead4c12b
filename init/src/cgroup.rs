//! Groups of processes: one cgroup a unit, so that nothing a unit starts gets lost.
//!
//! ```text
//! /sys/fs/cgroup/init            PID 1 itself
//! /sys/fs/cgroup/system/NAME     one system unit
//!   system/user@1000/supervisor  a person's supervisor itself (it moves there)
//!   system/user@1000/NAME        one of that person's units
//! ```
//!
//! Without cgroup v2 (tests in a container, hosts with v1) a group is the session that the main
//! process leads, which a program can leave; that is good enough to develop on and is said at
//! start.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use argos_units::Limits;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

const MOUNT: &str = "/sys/fs/cgroup";
/// Period over which processor time is counted, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;

/// Where the groups of a supervisor's units are.
#[derive(Debug)]
pub enum Groups {
    /// Below this cgroup.
    Cgroup(PathBuf),
    /// There are none.
    Sessions,
}

impl Groups {
    /// PID 1's: moves it out of the root and makes `system`. The error says why there are none.
    pub fn for_system() -> Result<Self, String> {
        let root = Path::new(MOUNT);
        check_v2(root)?;
        let step = |what: &str, error: io::Error| format!("{what}: {error}");
        let mine = root.join("init");
        make(&mine).map_err(|e| step("cannot make the cgroup init", e))?;
        fs::write(mine.join("cgroup.procs"), "0").map_err(|e| step("cannot move into init", e))?;
        let units = root.join("system");
        make(&units).map_err(|e| step("cannot make the cgroup system", e))?;
        enable_controllers(root);
        enable_controllers(&units);
        Ok(Self::Cgroup(units))
    }

    /// A person's: moves the supervisor from its cgroup into the leaf `supervisor` there.
    pub fn for_user() -> Result<Self, String> {
        let root = Path::new(MOUNT);
        check_v2(root)?;
        let own = fs::read_to_string("/proc/self/cgroup")
            .map_err(|error| format!("cannot read /proc/self/cgroup: {error}"))?;
        let path = v2_path(&own).ok_or("this process is in no v2 cgroup")?;
        let units = root.join(path.trim_start_matches('/'));
        let leaf = units.join("supervisor");
        make(&leaf).map_err(|error| format!("the cgroup {path} was not delegated: {error}"))?;
        fs::write(leaf.join("cgroup.procs"), "0")
            .map_err(|error| format!("cannot move into {}: {error}", leaf.display()))?;
        enable_controllers(&units);
        Ok(Self::Cgroup(units))
    }

    /// Makes a unit's group with its limits; the descriptor is for `clone3`. What cannot be limited
    /// is in the second part. `descendants`: most groups below it, where its owner may make some.
    pub fn create(
        &self,
        name: &str,
        limits: &Limits,
        descendants: Option<u32>,
    ) -> io::Result<(Option<OwnedFd>, Vec<String>)> {
        let Self::Cgroup(units) = self else {
            return Ok((None, Vec::new()));
        };
        let group = units.join(name);
        make(&group)?;
        let mut failed = Vec::new();
        let mut limit = |file: &str, value: Option<String>, none: &str| {
            let path = group.join(file);
            // Without a limit the file is only touched where an earlier run may have set it.
            let value = value.unwrap_or_else(|| none.to_owned());
            if value == none && !path.exists() {
                return;
            }
            if let Err(error) = fs::write(&path, &value) {
                failed.push(format!("{file} cannot be set to {value}: {error}"));
            }
        };
        limit(
            "memory.max",
            limits.memory_bytes.map(|bytes| bytes.to_string()),
            "max",
        );
        limit(
            "pids.max",
            limits.tasks.map(|tasks| tasks.to_string()),
            "max",
        );
        let share = |percent: u32| u64::from(percent) * CPU_PERIOD_US / 100;
        limit(
            "cpu.max",
            limits
                .cpu_percent
                .map(|p| format!("{} {CPU_PERIOD_US}", share(p))),
            "max",
        );
        limit(
            "cpu.weight",
            limits.cpu_weight.map(|weight| weight.to_string()),
            "100",
        );
        if let Some(most) = descendants {
            limit("cgroup.max.descendants", Some(most.to_string()), "max");
        }
        Ok((Some(File::open(&group)?.into()), failed))
    }

    /// Kills every process of a group. `leader` is the main process of the latest run.
    pub fn kill(&self, name: &str, leader: u32) {
        match self {
            Self::Cgroup(units) => {
                // Fails only where there is no such group, which is as good as killed.
                let _ = fs::write(units.join(name).join("cgroup.kill"), "1");
            }
            Self::Sessions => {
                if let Some(pid) = to_pid(leader) {
                    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                }
            }
        }
    }

    /// Whether no process of the group is left.
    pub fn is_empty(&self, name: &str, leader: u32) -> bool {
        match self {
            Self::Cgroup(units) => {
                let events = fs::read_to_string(units.join(name).join("cgroup.events"));
                events.map_or(true, |text| text.lines().any(|line| line == "populated 0"))
            }
            Self::Sessions => to_pid(leader).is_none_or(|pid| {
                rustix::process::test_kill_process_group(pid) == Err(Errno::SRCH)
            }),
        }
    }

    /// Removes an empty group with everything below it.
    pub fn remove(&self, name: &str) {
        if let Self::Cgroup(units) = self {
            remove_tree(&units.join(name));
        }
    }

    /// The unit that a process belongs to, going by its group.
    pub fn unit_of(&self, pid: u32) -> Option<String> {
        let Self::Cgroup(units) = self else {
            return None;
        };
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let group = Path::new(MOUNT).join(v2_path(&text)?.trim_start_matches('/'));
        let rest = group.strip_prefix(units).ok()?;
        Some(rest.components().next()?.as_os_str().to_str()?.to_owned())
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The path in the v2 hierarchy out of `/proc/PID/cgroup`.
fn v2_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

fn check_v2(root: &Path) -> Result<(), String> {
    const CGROUP2_SUPER_MAGIC: i64 = 0x6367_7270;
    let found = rustix::fs::statfs(root)
        .map_err(|error| format!("{} cannot be looked at: {error}", root.display()))?;
    #[allow(clippy::unnecessary_cast)] // The field's type differs between targets.
    if found.f_type as i64 != CGROUP2_SUPER_MAGIC {
        return Err(format!("{} is no cgroup v2 file system", root.display()));
    }
    Ok(())
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Hands on every controller that is there, one by one: one that is refused costs no other.
fn enable_controllers(group: &Path) {
    let available = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    for controller in available.split_whitespace() {
        if matches!(controller, "cpu" | "io" | "memory" | "pids") {
            let _ = fs::write(
                group.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
}

/// Removes a cgroup and those below it, deepest first, without recursion. Bounded, also where the
/// kernel knows no limit of how many groups the owner of a delegated one makes.
fn remove_tree(group: &Path) {
    const MOST: usize = 2_000;
    let mut found = vec![group.to_owned()];
    let mut at = 0;
    while at < found.len() && found.len() < MOST {
        let entries = fs::read_dir(&found[at]).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let below: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
        found.extend(below);
        at += 1;
    }
    for folder in found.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_path_is_found_among_the_old_ones() {
        let text = "12:pids:/x\n1:name=systemd:/y\n0::/system/user@1000/supervisor\n";
        assert_eq!(v2_path(text), Some("/system/user@1000/supervisor"));
        assert_eq!(v2_path("12:pids:/x\n"), None);
    }
}
