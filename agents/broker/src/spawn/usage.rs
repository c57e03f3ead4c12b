//! What the processes of a control group use, as the kernel counts it.

use std::path::{Path, PathBuf};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// What a unit uses of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory in bytes.
    pub memory: u64,
    /// Processor time so far, in microseconds.
    pub cpu_us: u64,
    /// Processes and threads.
    pub tasks: u32,
}

impl Usage {
    /// That of the control group which the process is in. `None` where the kernel does not count.
    pub(super) fn of_process(pid: u32) -> Option<Self> {
        let own = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Self::of_group(&group(&own)?)
    }

    fn of_group(group: &Path) -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(group.join(file)).ok();
        let number = |file: &str| read(file)?.trim().parse().ok();
        Some(Self {
            memory: number("memory.current")?,
            cpu_us: read("cpu.stat")?
                .lines()
                .find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse().ok())?,
            tasks: u32::try_from(number("pids.current")?).ok()?,
        })
    }
}

/// The folder of the v2 group in a process's list of groups. Not the root: that is everybody's.
fn group(list: &str) -> Option<PathBuf> {
    let path = list.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let plain = !path.is_empty() && Path::new(path).components().all(is_name);
    plain.then(|| Path::new(GROUPS).join(path))
}

fn is_name(component: std::path::Component<'_>) -> bool {
    matches!(component, std::path::Component::Normal(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_the_units_own() {
        let path = "/sys/fs/cgroup/system/user@1000/agent-steward";
        let list = "1:name=systemd:/\n0::/system/user@1000/agent-steward\n";
        assert_eq!(group(list), Some(path.into()));
        for none in ["0::/\n", "", "3:memory:/x\n", "0::/../x\n"] {
            assert_eq!(group(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_group_is_read_as_the_kernel_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("memory.current", "4096000\n");
        write(
            "cpu.stat",
            "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n",
        );
        assert_eq!(Usage::of_group(folder.path()), None, "not all is counted");
        write("pids.current", "2\n");
        let usage = Usage {
            memory: 4_096_000,
            cpu_us: 1234,
            tasks: 2,
        };
        assert_eq!(Usage::of_group(folder.path()), Some(usage));
    }
}
