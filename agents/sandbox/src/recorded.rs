//! What the kernel itself recorded of an agent's sandbox: seccomp's and Landlock's audit records.
//!
//! [`crate::attach`] watches from the moment it is asked, and slows the agent down. The kernel writes
//! records whether anybody watches or not:
//!
//! | record | since | when |
//! |---|---|---|
//! | 1326, seccomp | Linux 3.5 | a call that kills; refusals are not recorded |
//! | 1423 and 1424, Landlock | Linux 6.15 (ABI 7) | a denial, where the audit system was on when the process began |
//!
//! They are read from where they are: the kernel's log (`/dev/kmsg`), which has those of the past while no
//! audit daemon takes them, and the audit system's multicast group, which has those to come whoever else
//! takes them. Both are root's. Records say which process, by number: whose agent that is shows in what
//! it has for its `/workspace`, and for its children in what the process connector says of births. Where neither source can be read, that is an error; where one is missing or
//! says less than one might think, a note.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Error;
use crate::calls;
use crate::probe::landlock_abi;
use crate::trace::{Answer, Denial, Report, Wanted};

const SECCOMP: u32 = 1326;
const SYSCALL: u32 = 1300;
const LANDLOCK_ACCESS: u32 = 1423;
const LANDLOCK_DOMAIN: u32 = 1424;
/// `AUDIT_ARCH_X86_64`, as records have it.
const X86_64: &str = "c000003e";
/// Records that are kept, and how often processes are looked at.
const MOST: usize = 20_000;
const TICK: Duration = Duration::from_millis(20);
/// Of times in `/proc`, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where an agent finds its own files and its code.
const WORKSPACE: &str = "/workspace";
const CODE: &str = "/agent/";

/// What the kernel recorded, and what it does not say.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// What was denied. `watched` counts the processes that records are of.
    pub report: Report,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// The records of an agent's processes: those of the past that the kernel still has, and those of the
/// next while.
///
/// # Errors
/// There is nothing to read them from; says what that takes.
pub fn recorded(agent: &str, time: Duration) -> Result<Recorded, Error> {
    let group = Group::join();
    let mut log = Log::open();
    let mut notes = Vec::new();
    if let (Err(group), Err(log)) = (&group, &log) {
        let again = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        return Err(Error::Records {
            group: again(group),
            log: again(log),
        });
    }
    if let Err(error) = &group {
        notes.push(format!(
            "the audit system's group cannot be joined ({error}): where an audit daemon runs, its \
             records are missing here"
        ));
    }
    if let Err(error) = &log {
        notes.push(format!(
            "/dev/kmsg cannot be read ({error}): what was recorded before is missing here"
        ));
    }
    notes.extend(missing());
    let births = match Births::watch() {
        Ok(births) => Some(births),
        Err(error) => {
            notes.push(format!(
                "the kernel does not tell of new processes ({error}): records of children that end at \
                 once are missing here"
            ));
            None
        }
    };
    let mut members = Members::of(agent);
    let mut records = Records::default();
    let end = Instant::now() + time;
    loop {
        members.look();
        if let Ok(log) = &mut log {
            log.read(&mut |line| {
                hear(&births, &mut members);
                records.add(Record::of_log(line), &mut members);
            });
        }
        if let Ok(group) = &group {
            let each = &mut |record| {
                hear(&births, &mut members);
                records.add(Some(record), &mut members);
            };
            group.read(each, &mut notes);
        }
        hear(&births, &mut members);
        let now = Instant::now();
        if now >= end {
            break;
        }
        wait(group.as_ref().ok(), TICK.min(end - now));
    }
    Ok(records.into_recorded(&members, notes))
}

/// Learns of births, before what is recorded of the born.
fn hear(births: &Option<Births>, members: &mut Members) {
    if let Some(births) = births {
        births.read(&mut |parent, child| members.born(parent, child));
    }
}

fn wait(group: Option<&Group>, time: Duration) {
    let Some(group) = group else {
        std::thread::sleep(time);
        return;
    };
    let mut fds = [PollFd::new(&group.0, PollFlags::IN)];
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    // Interrupted or not, what there is is read.
    let _ = poll(&mut fds, Some(&time));
}

/// What this kernel, as it is set, does not record.
fn missing() -> Vec<String> {
    let mut notes = vec![
        "calls that seccomp refused are not recorded, only those that killed: `argos sandbox trace` \
         without --recorded sees them"
            .to_owned(),
    ];
    let abi = landlock_abi();
    if abi < 7 {
        notes.push(format!(
            "this kernel's Landlock (ABI {abi}) records nothing: that takes ABI 7, Linux 6.15"
        ));
    } else if audit_is_on() == Some(false) {
        notes.push(
            "the audit system is off, so Landlock records nothing: `auditctl -e 1` or `audit=1` on the \
             kernel's command line switches it on, for processes that begin afterwards"
                .to_owned(),
        );
    }
    notes
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    kind: u32,
    /// Time and serial number: the same for what was recorded of one event.
    event: String,
    fields: BTreeMap<String, String>,
}

impl Record {
    /// Of a line of `/dev/kmsg`: `PRIORITY,NUMBER,TIME,FLAGS;audit: type=KIND audit(EVENT): FIELDS`.
    fn of_log(line: &str) -> Option<Self> {
        let (_, text) = line.split_once(';')?;
        let rest = text.strip_prefix("audit: type=")?;
        let (kind, rest) = rest.split_once(' ')?;
        Self::parse(kind.parse().ok()?, rest)
    }

    /// Of `audit(EVENT): FIELDS`.
    fn parse(kind: u32, text: &str) -> Option<Self> {
        if !matches!(kind, SECCOMP | SYSCALL | LANDLOCK_ACCESS | LANDLOCK_DOMAIN) {
            return None;
        }
        let rest = text.strip_prefix("audit(")?;
        let (event, mut rest) = rest.split_once("):")?;
        let mut fields = BTreeMap::new();
        loop {
            rest = rest.trim_start_matches([' ', '\n', '\0']);
            let Some((name, after)) = rest.split_once('=') else {
                break;
            };
            let (value, after) = match after.strip_prefix('"') {
                // What would break the quotes is in hexadecimal instead.
                Some(quoted) => {
                    let (value, after) = quoted.split_once('"')?;
                    (value.to_owned(), after)
                }
                None => {
                    let end = after.find([' ', '\n', '\0']).unwrap_or(after.len());
                    let (value, after) = after.split_at(end);
                    let value = match name {
                        "path" | "exe" | "comm" | "ocomm" => unquoted(value),
                        _ => value.to_owned(),
                    };
                    (value, after)
                }
            };
            fields.insert(name.to_owned(), value);
            rest = after;
        }
        Some(Self {
            kind,
            event: event.to_owned(),
            fields,
        })
    }

    fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    /// In seconds.
    fn time(&self) -> f64 {
        let (time, _) = self.event.split_once(':').unwrap_or_default();
        time.parse().unwrap_or(0.0)
    }

    fn process(&self, name: &str) -> Option<i32> {
        self.text(name).parse().ok()
    }
}

/// A text in hexadecimal, or as it is.
fn unquoted(text: &str) -> String {
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    match bytes {
        Some(bytes) if text.len().is_multiple_of(2) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => text.to_owned(),
    }
}

/// The processes of one agent, as far as they were seen.
#[derive(Debug)]
struct Members {
    workspace: String,
    /// With the time each began, in seconds: an earlier record is of another that had its number.
    pids: HashMap<i32, f64>,
    strangers: HashSet<i32>,
    domains: HashSet<String>,
    /// Their programs, as they have them.
    programs: BTreeSet<String>,
}

impl Members {
    fn of(agent: &str) -> Self {
        Self {
            workspace: format!("/agents/{agent}{WORKSPACE}"),
            pids: HashMap::new(),
            strangers: HashSet::new(),
            domains: HashSet::new(),
            programs: BTreeSet::new(),
        }
    }

    /// Looks for new processes.
    fn look(&mut self) {
        let mut alive = HashSet::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            alive.insert(pid);
            if !self.pids.contains_key(&pid) && !self.strangers.contains(&pid) && !self.try_add(pid)
            {
                self.strangers.insert(pid);
            }
        }
        // Their numbers are given again.
        self.strangers.retain(|pid| alive.contains(pid));
    }

    fn try_add(&mut self, pid: i32) -> bool {
        let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let own = mounts.lines().any(|line| {
            let mut words = line.split(' ').skip(3);
            words
                .next()
                .is_some_and(|root| root.ends_with(&self.workspace))
                && words.next() == Some(WORKSPACE)
        });
        if own {
            self.pids.insert(pid, began(pid));
            if let Ok(program) = std::fs::read_link(format!("/proc/{pid}/exe")) {
                self.programs.insert(program.display().to_string());
            }
        }
        own
    }

    fn born(&mut self, parent: i32, child: i32) {
        self.strangers.remove(&child);
        if self.pids.contains_key(&parent) {
            self.pids.insert(child, began(child));
        } else {
            // Its number may have been a member's.
            self.pids.remove(&child);
        }
    }

    /// Learns from a record: a child of a member is one, and so is a process in a member's domain.
    fn learn(&mut self, record: &Record) {
        let pid = record.process("pid");
        // One that was killed has no mounts any more, and its parent for a moment.
        let parent = record.process("ppid").or_else(|| parent_of(pid?));
        let time = record.time();
        let own = self.had(pid, time)
            || self.had(parent, time)
            || self.domains.contains(record.text("domain"))
            || (pid.is_some_and(|pid| self.try_add(pid)) && self.had(pid, time));
        if !own {
            return;
        }
        if let Some(pid) = pid {
            self.pids.entry(pid).or_insert(time);
        }
        if !record.text("domain").is_empty() {
            self.domains.insert(record.text("domain").to_owned());
        }
    }

    /// Whether this was a member's number then.
    fn had(&self, pid: Option<i32>, time: f64) -> bool {
        pid.and_then(|pid| self.pids.get(&pid))
            .is_some_and(|began| time >= began - 0.1)
    }

    fn has(&self, records: &[Record]) -> bool {
        records.iter().any(|record| {
            self.had(record.process("pid"), record.time())
                || self.domains.contains(record.text("domain"))
        })
    }

    /// Whether a program of the past can have been one of its.
    fn may_have_run(&self, program: &str) -> bool {
        if self.programs.is_empty() {
            return program.starts_with(CODE);
        }
        program.starts_with(CODE) && self.programs.contains(program)
    }
}

/// When a process began, in seconds; where it is gone already, just now.
fn began(pid: i32) -> f64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let age = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let ticks: f64 = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(19)?
            .parse()
            .ok()?;
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        Some(up - ticks / TICKS_PER_SECOND)
    };
    now.as_secs_f64() - age().unwrap_or(1.0)
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Records by event.
#[derive(Debug, Default)]
struct Records {
    events: BTreeMap<String, Vec<Record>>,
    count: usize,
    full: bool,
}

impl Records {
    fn add(&mut self, record: Option<Record>, members: &mut Members) {
        let Some(record) = record else { return };
        members.learn(&record);
        let event = self.events.entry(record.event.clone()).or_default();
        // Both sources may have it.
        if event.contains(&record) {
            return;
        }
        if self.count >= MOST {
            self.full = true;
            return;
        }
        self.count += 1;
        event.push(record);
    }

    fn into_recorded(self, members: &Members, mut notes: Vec<String>) -> Recorded {
        let mut report = Report::default();
        let mut processes = HashSet::new();
        let (mut by_program, mut others) = (0_u64, 0_u64);
        for records in self.events.values() {
            let own = members.has(records);
            let likely = records
                .iter()
                .any(|record| members.may_have_run(record.text("exe")));
            let found = denials(records);
            if !own && !likely {
                others += found.len() as u64;
                continue;
            }
            if !own {
                by_program += found.len() as u64;
            }
            for denial in found {
                processes.extend(records.iter().filter_map(|record| record.process("pid")));
                *report.denials.entry(denial).or_default() += 1;
            }
        }
        report.watched = processes.len();
        if by_program > 0 {
            let whose = if members.programs.is_empty() {
                "no process of it runs now: these are of programs in some agent's folder"
            } else {
                "these are of processes that have ended, known by their program's path only, which \
                 another agent may have as well"
            };
            notes.push(format!("{by_program} of the records: {whose}"));
        }
        if others > 0 {
            notes.push(format!(
                "{others} more denials are recorded: of other processes, or of some that had ended before \
                 this looked (`dmesg | grep audit`)"
            ));
        }
        if self.full {
            notes.push(format!("only the first {MOST} records were kept"));
        }
        Recorded { report, notes }
    }
}

/// What was denied in one event.
fn denials(records: &[Record]) -> Vec<Denial> {
    let call = records.iter().find(|record| record.kind == SYSCALL);
    records
        .iter()
        .filter_map(|record| match record.kind {
            SECCOMP => seccomp(record),
            LANDLOCK_ACCESS => landlock(record, call),
            _ => None,
        })
        .collect()
}

fn seccomp(record: &Record) -> Option<Denial> {
    let number = record.number("syscall")?;
    let code = record.text("code").trim_start_matches("0x");
    let code = u32::from_str_radix(code, 16).ok()?;
    let answer = match code & 0xffff_0000 {
        libc::SECCOMP_RET_KILL_PROCESS | libc::SECCOMP_RET_KILL_THREAD | libc::SECCOMP_RET_TRAP => {
            Answer::Killed
        }
        libc::SECCOMP_RET_ERRNO => Answer::Errno((code & 0xffff) as i32),
        // It was made.
        _ => return None,
    };
    let call = if record.text("arch") == X86_64 {
        calls::name(number)
    } else {
        format!("system call {number} of another architecture")
    };
    Some(Denial {
        call,
        path: PathBuf::new(),
        wanted: Wanted::Nothing,
        answer,
    })
}

fn landlock(record: &Record, call: Option<&Record>) -> Option<Denial> {
    let blockers = record.text("blockers");
    let path = PathBuf::from(record.text("path"));
    if crate::trace::is_the_loaders(&path) {
        return None;
    }
    let wanted = blockers
        .split(',')
        .map(|blocker| match blocker {
            "fs.read_file" | "fs.read_dir" => Wanted::Read,
            "fs.execute" => Wanted::Execute,
            "fs.resolve_unix" | "scope.abstract_unix_socket" => Wanted::Connect,
            // Whether a device is a terminal is asked of every one.
            "fs.ioctl_dev" => Wanted::Nothing,
            other if other.starts_with("fs.") => Wanted::Write,
            _ => Wanted::Nothing,
        })
        .max()?;
    let exit = call.and_then(|call| call.number("exit"));
    let errno = exit
        .and_then(|exit| i32::try_from(-exit).ok())
        .filter(|n| *n > 0);
    let otherwise = if blockers.starts_with("scope.") || blockers == "ptrace" {
        libc::EPERM
    } else {
        libc::EACCES
    };
    let number = call.and_then(|call| call.number("syscall"));
    Some(Denial {
        call: number.map_or_else(|| blockers.to_owned(), calls::name),
        path,
        wanted,
        answer: Answer::Errno(errno.unwrap_or(otherwise)),
    })
}

/// The kernel's log, from its oldest record on.
struct Log(File);

impl Log {
    fn open() -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")?;
        Ok(Self(file))
    }

    /// All that is there by now.
    fn read(&mut self, each: &mut dyn FnMut(&str)) {
        let mut line = [0; 8192];
        loop {
            match self.0.read(&mut line) {
                Ok(0) => return,
                Ok(length) => each(String::from_utf8_lossy(&line[..length]).trim_end()),
                // The oldest were overwritten meanwhile: it goes on with those that are there.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => return,
            }
        }
    }
}

/// The audit system's multicast group.
struct Group(OwnedFd);

/// `NETLINK_AUDIT`, `AUDIT_NLGRP_READLOG`, and the length of a message's head.
const AUDIT: i32 = 9;
const READLOG: i32 = 1;
const HEAD: usize = 16;

impl Group {
    fn join() -> io::Result<Self> {
        let socket = audit_socket()?;
        let group = READLOG;
        // SAFETY: the option is a number of that size, which is valid for the call.
        let joined = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                libc::NETLINK_ADD_MEMBERSHIP,
                (&raw const group).cast(),
                size_of::<i32>() as u32,
            )
        };
        if joined == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(socket))
    }

    /// All that is there by now.
    fn read(&self, each: &mut dyn FnMut(Record), notes: &mut Vec<String>) {
        let mut bytes = [0; 9216];
        loop {
            match receive(self.0.as_fd(), &mut bytes) {
                // Audit messages say a wrong length in their heads: each is a datagram.
                Ok(length) if length >= HEAD => {
                    let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
                    let text = String::from_utf8_lossy(&bytes[HEAD..length]);
                    if let Some(record) = Record::parse(kind.into(), &text) {
                        each(record);
                    }
                }
                Ok(_) => return,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    let note = "some records came too fast and are missing here";
                    if !notes.iter().any(|known| known == note) {
                        notes.push(note.to_owned());
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// Which processes are born: the kernel's process connector.
struct Births(OwnedFd);

/// `NETLINK_CONNECTOR`, `CN_IDX_PROC` and `CN_VAL_PROC`, `PROC_CN_MCAST_LISTEN`, `PROC_EVENT_FORK`.
const CONNECTOR: i32 = 11;
const PROC: u32 = 1;
const LISTEN: u32 = 1;
const FORK: u32 = 1;

impl Births {
    fn watch() -> io::Result<Self> {
        let socket = netlink(CONNECTOR)?;
        // SAFETY: all zero is a valid address; the family and the group are set.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = PROC;
        let length = size_of::<libc::sockaddr_nl>() as u32;
        // SAFETY: the address is valid for the call, and as long as is said.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound == -1 {
            return Err(io::Error::last_os_error());
        }
        // A message of the connector: whose, numbers, how long, and what is wanted.
        let mut body = Vec::new();
        for word in [PROC, 1, 0, 0] {
            body.extend_from_slice(&word.to_ne_bytes());
        }
        for half in [size_of_val(&LISTEN) as u16, 0] {
            body.extend_from_slice(&half.to_ne_bytes());
        }
        body.extend_from_slice(&LISTEN.to_ne_bytes());
        send(&socket, libc::NLMSG_DONE as u16, 0, &body)?;
        Ok(Self(socket))
    }

    /// All that is there by now: parent and child.
    fn read(&self, each: &mut dyn FnMut(i32, i32)) {
        // Behind the head: the connector's (20 bytes), then kind, processor, time, and of a fork four
        // numbers: thread and process of the parent and of the child.
        const EVENT: usize = HEAD + 20;
        let mut bytes = [0; 512];
        loop {
            match receive(self.0.as_fd(), &mut bytes) {
                Ok(length) if length >= EVENT + 32 => {
                    let word = |at: usize| {
                        let at = EVENT + at;
                        [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
                    };
                    let process = |at: usize| i32::from_ne_bytes(word(at));
                    if u32::from_ne_bytes(word(0)) == FORK {
                        each(process(20), process(28));
                    }
                }
                Ok(_) => {}
                // Some were missed, which the look at /proc may make up for.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return,
            }
        }
    }
}

fn audit_socket() -> io::Result<OwnedFd> {
    netlink(AUDIT).map_err(|error| match error.raw_os_error() {
        Some(libc::EPROTONOSUPPORT) => io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel has no audit system",
        ),
        _ => error,
    })
}

fn netlink(protocol: i32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: plain numbers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call just made it; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let mut message = Vec::from(((HEAD + body.len()) as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    let length = message.len();
    // SAFETY: the bytes are valid for the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), length, 0) };
    match usize::try_from(sent) {
        Ok(sent) if sent == length => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

fn receive(socket: std::os::fd::BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most that many bytes into the slice.
    let length = unsafe { libc::recv(socket.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), 0) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Whether the audit system is on; `None` where it is not to be known.
fn audit_is_on() -> Option<bool> {
    /// `AUDIT_GET`, with `NLM_F_REQUEST`.
    const GET: u16 = 1000;
    const REQUEST: u16 = 1;
    let socket = audit_socket().ok()?;
    send(&socket, GET, REQUEST, &[]).ok()?;
    let mut fds = [PollFd::new(&socket, PollFlags::IN)];
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&second)).ok()?;
    let mut answer = [0; 512];
    let length = receive(socket.as_fd(), &mut answer).ok()?;
    // `struct audit_status`: a mask, then whether it is enabled.
    let is_status = length >= HEAD + 8 && answer[4..6] == GET.to_ne_bytes();
    is_status.then(|| answer[HEAD + 4..HEAD + 8] != [0; 4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// As Linux 6.18 wrote them.
    const LOG: &str = r#"
6,1,1,-;audit: type=1326 audit(1795631158.107:1425): auid=4294967295 uid=1000 gid=1000 ses=4294967295 pid=6169 comm="hostile" exe="/agent/bin/hostile" sig=31 arch=c000003e syscall=161 compat=0 ip=0x7f94f98d5829 code=0x80000000
6,2,1,-;audit: type=1423 audit(1795631795.759:1462): domain=1d9b058ea blockers=fs.read_file path="/etc/hostname" dev="vda" ino=611
6,3,1,-;audit: type=1424 audit(1795631795.759:1462): domain=1d9b058ea status=allocated mode=enforcing pid=16386 uid=0 exe="/usr/bin/argos-exec" comm="argos-exec"
6,4,1,-;audit: type=1300 audit(1795631795.759:1462): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7ffe24ba8938 a2=0 a3=0 items=0 ppid=16386 pid=16387 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="cat" exe="/usr/bin/cat" key=(null)
6,5,1,-;audit: type=1423 audit(1795631795.831:1470): domain=1d9b058ea blockers=fs.remove_file,fs.make_reg path=2F746D702F77206F dev="vda" ino=10027137
6,6,1,-;audit: type=1423 audit(1795631795.831:1476): domain=1d9b058ea blockers=scope.signal opid=1 ocomm="process_api"
6,7,1,-;audit: type=1423 audit(1795631795.831:1477): domain=other blockers=fs.execute path="/bin/sh" dev="vda" ino=1
6,8,1,-;audit: type=1326 audit(1795631158.107:1499): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=99 comm="x" exe="/usr/bin/x" sig=31 arch=c000003e syscall=161 compat=0 ip=0x7f code=0x80000000
6,9,1,-;usb 1-1: new device
"#;

    fn read(members: &mut Members) -> Recorded {
        let mut records = Records::default();
        for line in LOG.lines() {
            records.add(Record::of_log(line), members);
            // A second source has the same.
            records.add(Record::of_log(line), members);
        }
        std::mem::take(&mut records).into_recorded(members, Vec::new())
    }

    fn denial(call: &str, path: &str, wanted: Wanted, answer: Answer) -> Denial {
        Denial {
            call: call.to_owned(),
            path: path.into(),
            wanted,
            answer,
        }
    }

    #[test]
    fn records_become_what_a_trace_says() {
        let mut members = Members::of("hostile");
        // Another had this number before.
        members
            .pids
            .extend([(6169, 1.0), (16386, 1.0), (99, 1.9e9)]);
        let recorded = read(&mut members);
        let seen: Vec<&Denial> = recorded.report.denials.keys().collect();
        let refused = Answer::Errno(libc::EACCES);
        for expected in [
            denial("chroot", "", Wanted::Nothing, Answer::Killed),
            denial("openat", "/etc/hostname", Wanted::Read, refused),
            denial(
                "fs.remove_file,fs.make_reg",
                "/tmp/w o",
                Wanted::Write,
                refused,
            ),
            denial(
                "scope.signal",
                "",
                Wanted::Nothing,
                Answer::Errno(libc::EPERM),
            ),
        ] {
            assert!(seen.contains(&&expected), "no {expected:?} in {seen:#?}");
        }
        assert_eq!(seen.len(), 4, "others are not its own: {seen:#?}");
        assert!(recorded.report.denials.values().all(|count| *count == 1));
        assert!(
            recorded.notes[0].starts_with("2 more"),
            "{:?}",
            recorded.notes
        );
    }

    #[test]
    fn what_is_known_by_its_program_only_is_said_to_be() {
        let mut members = Members::of("hostile");
        members.programs.insert("/agent/bin/hostile".to_owned());
        let recorded = read(&mut members);
        assert_eq!(recorded.report.denials.len(), 1);
        assert!(
            recorded.notes[0].contains("path only"),
            "{:?}",
            recorded.notes
        );
        members.programs.insert("/usr/bin/cat".to_owned());
        assert_eq!(read(&mut members).report.denials.len(), 1);
    }

    #[test]
    fn damaged_records_are_none() {
        for line in [
            "",
            ";",
            "6,1,1,-;audit: type=1326",
            "6,1,1,-;audit: type=x audit(1:2): pid=1",
            "6,1,1,-;audit: type=1326 audit(1:2",
            "6,1,1,-;audit: type=1326 audit(1:2): comm=\"open",
            "6,1,1,-;audit: type=9999 audit(1:2): pid=1",
        ] {
            assert_eq!(Record::of_log(line), None, "{line}");
        }
        let record = Record::parse(SECCOMP, "audit(1:2): syscall=x code=0xzz").unwrap();
        assert!(denials(&[record]).is_empty());
        assert_eq!(unquoted("2F6"), "2F6");
        assert_eq!(Path::new(&unquoted("2F61")), Path::new("/a"));
    }
}
