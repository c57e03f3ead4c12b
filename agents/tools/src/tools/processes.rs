//! What the tools on processes have in common: reading `/proc`, and whose a process is.

use std::path::Path;

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// As the kernel has it, at most 15 bytes; chosen by the program, so it proves nothing.
    pub(super) name: String,
    /// Ticks after boot at which it began: with the number it is one process and no other.
    pub(super) start: u64,
    /// Processor time in ticks.
    pub(super) cpu: u64,
    pub(super) kernel: bool,
    pub(super) dead: bool,
}

/// Every process that can be seen.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// One process, if it is there.
pub(super) fn read(pid: u32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

fn parse(pid: u32, stat: &str) -> Option<Process> {
    // The name may hold anything, `)` and spaces included: it ends at the last `)`.
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    const KERNEL_THREAD: u64 = 0x0020_0000;
    Some(Process {
        pid,
        name: name.to_owned(),
        parent: u32::try_from(number(1)?).ok()?,
        kernel: number(6)? & KERNEL_THREAD != 0,
        cpu: number(11)? + number(12)?,
        start: number(19)?,
        dead: matches!(fields.first(), Some(&"Z" | &"X")),
    })
}

/// What the kernel tells of a process in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Whether all of its user ids are the person's: not what runs as somebody else by now.
    pub(super) own: bool,
    /// Memory of its own and shared that is in use.
    pub(super) memory_bytes: u64,
}

/// The status of a process; of one that is gone, nobody's.
pub(super) fn status(pid: u32) -> Status {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status_in(&text, rustix::process::getuid().as_raw())
}

fn status_in(text: &str, person: u32) -> Status {
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    let ids: Vec<&str> = field("Uid:").split_whitespace().collect();
    let kibibytes = field("VmRSS:")
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    Status {
        own: !ids.is_empty() && ids.iter().all(|id| *id == person.to_string()),
        memory_bytes: kibibytes.unwrap_or(0) << 10,
    }
}

/// The unit that a process belongs to and that is not an application of the person's.
pub(super) fn unit(pid: u32) -> Option<String> {
    unit_in(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
}

/// `/system/user@1000/NAME/…` and `/system/NAME/…`, where the supervisors put their units.
fn unit_in(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut parts = Path::new(path).strip_prefix("/system").ok()?.iter();
    let first = parts.next()?.to_str()?;
    let name = match first.strip_prefix("user@") {
        Some(_) => parts.next()?.to_str()?,
        None => first,
    };
    // What was started from the launcher, with all that it started.
    (!name.starts_with("app-")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_fields_is_a_name() {
        let stat = "7 (a) R 1 (x) S 3 7 7 0 -1 4194560 1 2 3 4 10 5 0 0 20 0 1 0 4242 1000 25 18";
        let process = parse(7, stat).unwrap();
        assert_eq!(process.name, "a) R 1 (x");
        assert_eq!((process.parent, process.start, process.cpu), (3, 4242, 15));
        assert!(!process.kernel && !process.dead);
        assert!(parse(7, "7 (x").is_none() && parse(7, "").is_none());
    }

    #[test]
    fn this_process_is_found_and_own() {
        let own = read(std::process::id()).unwrap();
        assert!(!own.kernel && !own.dead && own.start > 0);
        assert!(all().iter().any(|process| process.pid == own.pid));
        let status = status(own.pid);
        assert!(status.own && status.memory_bytes > 0);
        assert_eq!(super::status(0), Status::default());
        // `sudo`: begun by the person, and root's by now.
        let raised = status_in("Uid:\t1000\t0\t0\t0\nVmRSS:\t  12 kB\n", 1000);
        assert_eq!(
            raised,
            Status {
                own: false,
                memory_bytes: 12 << 10
            }
        );
    }

    #[test]
    fn units_are_told_from_applications() {
        for (cgroup, unit) in [
            ("0::/system/user@1000/shell\n", Some("shell")),
            (
                "0::/system/user@1000/agent-steward\n",
                Some("agent-steward"),
            ),
            ("0::/system/user@1000/app-foot-123\n", None),
            ("0::/system/user@1000/app-foot-123/child\n", None),
            ("0::/system/dbus\n", Some("dbus")),
            ("0::/system/app-evil\n", None),
            ("0::/\n", None),
            ("1:cpu:/system/dbus\n", None),
        ] {
            assert_eq!(unit_in(cgroup).as_deref(), unit, "{cgroup}");
        }
    }
}
