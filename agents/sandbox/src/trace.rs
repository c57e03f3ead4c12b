//! Watches a program inside its sandbox and says what it was denied.
//!
//! The watcher is an ordinary process outside that follows every process inside with `ptrace`, from
//! the moment the program executes. It sees each system call before the walls do and each answer
//! after them, so it tells apart what was killed, refused, missing and out of reach, on every kernel
//! and without any right: the person owns the user namespace of the sandbox. What the kernel itself
//! records is read by [`mod@crate::recorded`].
//!
//! Watching slows the program down and changes nothing of what it may do. It is for people who
//! write agents: the wall it watches is the one it has.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::calls;
use crate::{Error, Spec};

/// What a program was denied. How often is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denial {
    /// The system call's name.
    pub call: String,
    /// The path as the program named it, made absolute; empty where the call takes none.
    pub path: PathBuf,
    /// What it wanted with the path.
    pub wanted: Wanted,
    /// How it was answered.
    pub answer: Answer,
}

/// What a call wants to do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The call is not about a path.
    Nothing,
    /// To look or read.
    Read,
    /// To make, change or remove.
    Write,
    /// To run.
    Execute,
    /// To connect to a socket.
    Connect,
}

/// How the walls answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The process was killed.
    Killed,
    /// The call failed with this errno.
    Errno(i32),
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was denied, and how often.
    pub denials: BTreeMap<Denial, u64>,
    /// Exit status of the program as a shell gives it, where it ended.
    pub status: Option<i32>,
    /// Processes and threads that were watched.
    pub watched: usize,
}

/// Different denials that are kept; more of them are counted with the last.
const MOST: usize = 1000;

/// Runs a program in a sandbox as [`crate::run`] does, and watches it until it ends.
///
/// # Errors
/// It cannot be started or watched. What is wrong with the sandbox itself is said by the program
/// that is started, on standard error, with exit status 126.
pub fn trace(spec: &Spec, argv: &[CString]) -> Result<Report, Error> {
    let (gate, open) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| Error::step("making a pipe", error))?;
    // SAFETY: the caller has one thread (see `run`), so the child may go on as a normal process.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(open);
        // Whatever comes, even the end of the watcher, opens the gate.
        let _ = rustix::io::read(&gate, &mut [0; 1]);
        crate::run(spec, argv);
    }
    if pid < 0 {
        return Err(Error::step("forking", io::Error::last_os_error()));
    }
    let mut watch = Watch::new(true);
    watch.seize(pid, false)?;
    drop(open);
    watch.follow(Some(pid), None);
    Ok(watch.report)
}

/// Watches processes that run inside a sandbox already, for a while or until they have ended.
///
/// # Errors
/// None of them can be watched.
pub fn attach(pids: &[i32], time: Duration) -> Result<Report, Error> {
    let mut watch = Watch::new(false);
    let mut failure = None;
    for pid in pids {
        for thread in threads(*pid) {
            if let Err(error) = watch.seize(thread, true) {
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if watch.tasks.is_empty() => return Err(error),
        _ => {}
    }
    for task in watch.tasks.keys() {
        // From a running state only an interrupt leads into one where calls are seen.
        request(libc::PTRACE_INTERRUPT, *task, 0, 0);
    }
    watch.follow(None, Some(Instant::now() + time));
    watch.let_go();
    Ok(watch.report)
}

fn threads(pid: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return vec![pid];
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A call that was begun.
#[derive(Debug, Clone)]
struct Begun {
    number: i64,
    path: PathBuf,
    wanted: Wanted,
}

#[derive(Debug, Default)]
struct Task {
    /// Whether the program runs in it; before that it is this crate.
    program: bool,
    begun: Option<Begun>,
    /// Whether its process is to end for this call.
    kills: bool,
}

struct Watch {
    tasks: HashMap<i32, Task>,
    /// Children that stopped before the word of their birth came: whether the program runs in them
    /// is not known yet, so they are not let on.
    newborn: HashSet<i32>,
    report: Report,
    options: libc::c_int,
}

impl Watch {
    fn new(kill_with_watcher: bool) -> Self {
        let mut options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC;
        if kill_with_watcher {
            options |= libc::PTRACE_O_EXITKILL;
        }
        Self {
            tasks: HashMap::new(),
            newborn: HashSet::new(),
            report: Report::default(),
            options,
        }
    }

    fn seize(&mut self, pid: i32, program: bool) -> Result<(), Error> {
        if request(libc::PTRACE_SEIZE, pid, 0, self.options as usize) == -1 {
            return Err(Error::step_hint(
                format!("watching process {pid}"),
                io::Error::last_os_error(),
                ". Another watcher may have it, or kernel.yama.ptrace_scope forbids it",
            ));
        }
        self.tasks.insert(
            pid,
            Task {
                program,
                ..Task::default()
            },
        );
        self.report.watched += 1;
        Ok(())
    }

    /// Handles what happens until `leader` or everything has ended, or the time is over.
    fn follow(&mut self, leader: Option<i32>, until: Option<Instant>) {
        while !self.tasks.is_empty() {
            let mut status = 0;
            let flags = libc::__WALL | if until.is_some() { libc::WNOHANG } else { 0 };
            // SAFETY: `status` is valid for the call.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
            if pid == 0 {
                if until.is_some_and(|end| Instant::now() >= end) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            if pid == -1 {
                if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return;
            }
            if libc::WIFSTOPPED(status) {
                self.stopped(pid, status);
                if until.is_some_and(|end| Instant::now() >= end) {
                    return;
                }
                continue;
            }
            self.ended(pid, status);
            if leader == Some(pid) {
                self.report.status = Some(if libc::WIFEXITED(status) {
                    libc::WEXITSTATUS(status)
                } else {
                    128 + libc::WTERMSIG(status)
                });
                return;
            }
        }
    }

    fn ended(&mut self, pid: i32, status: i32) {
        let task = self.tasks.remove(&pid);
        // Every thread of the process ends like this; one of them made the call.
        if libc::WIFSIGNALED(status)
            && libc::WTERMSIG(status) == libc::SIGSYS
            && let Some(begun) = task.filter(|task| task.kills).and_then(|task| task.begun)
        {
            self.deny(begun, Answer::Killed);
        }
    }

    fn stopped(&mut self, pid: i32, status: i32) {
        if !self.tasks.contains_key(&pid) {
            self.newborn.insert(pid);
            return;
        }
        let event = status >> 16;
        let mut signal = libc::WSTOPSIG(status);
        match event {
            0 if signal == libc::SIGTRAP | 0x80 => {
                self.call(pid);
                signal = 0;
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                let mut child: libc::c_ulong = 0;
                request(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut child as usize);
                let program = self.tasks.get(&pid).is_some_and(|task| task.program);
                if let Ok(child) = i32::try_from(child) {
                    self.report.watched += 1;
                    let task = Task {
                        program,
                        ..Task::default()
                    };
                    self.tasks.insert(child, task);
                    if self.newborn.remove(&child) {
                        self.resume(child, 0);
                    }
                }
                signal = 0;
            }
            libc::PTRACE_EVENT_EXEC => {
                let task = self.tasks.entry(pid).or_default();
                task.program = true;
                task.begun = None;
                signal = 0;
            }
            // PTRACE_EVENT_STOP: a stop of the whole group stays one, the others go on.
            128 => {
                let group = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
                if group.contains(&signal) {
                    request(libc::PTRACE_LISTEN, pid, 0, 0);
                    return;
                }
                signal = 0;
            }
            0 => {}
            _ => signal = 0,
        }
        self.resume(pid, signal);
    }

    fn resume(&self, pid: i32, signal: i32) {
        let program = self.tasks.get(&pid).is_some_and(|task| task.program);
        let go = if program {
            libc::PTRACE_SYSCALL
        } else {
            libc::PTRACE_CONT
        };
        request(go, pid, 0, signal as usize);
    }

    /// A call begins, or its answer is there.
    fn call(&mut self, pid: i32) {
        const WORDS: usize = 11;
        let mut info = [0_u64; WORDS];
        let size = std::mem::size_of_val(&info);
        let at = info.as_mut_ptr() as usize;
        let written = request(libc::PTRACE_GET_SYSCALL_INFO, pid, size, at);
        if written <= 0 {
            return;
        }
        // `struct ptrace_syscall_info`: the kind in the first byte, what is special to it from the
        // fourth word on.
        let kind = info[0].to_ne_bytes()[0];
        if kind == libc::PTRACE_SYSCALL_INFO_ENTRY {
            let arguments = [info[4], info[5], info[6], info[7], info[8], info[9]];
            let number = info[3] as i64;
            let (wanted, path) = subject(pid, number, &arguments);
            if let Some(task) = self.tasks.get_mut(&pid) {
                task.begun = Some(Begun {
                    number,
                    path,
                    wanted,
                });
                task.kills = false;
            }
        } else if kind == libc::PTRACE_SYSCALL_INFO_EXIT {
            let Some(task) = self.tasks.get_mut(&pid) else {
                return;
            };
            let Some(begun) = task.begun.clone() else {
                return;
            };
            let result = info[3] as i64;
            // A call that kills has an answer too, before the end: its own number.
            task.kills = result == begun.number && has_sigsys(pid);
            if (-4095..0).contains(&result) {
                let errno = i32::try_from(-result).unwrap_or(libc::EPERM);
                if is_denial(&begun, errno) {
                    self.deny(begun, Answer::Errno(errno));
                }
            }
        }
    }

    fn deny(&mut self, begun: Begun, answer: Answer) {
        let denial = Denial {
            call: calls::name(begun.number),
            path: begun.path,
            wanted: begun.wanted,
            answer,
        };
        if self.report.denials.len() < MOST || self.report.denials.contains_key(&denial) {
            *self.report.denials.entry(denial).or_default() += 1;
        } else if let Some(mut last) = self.report.denials.last_entry() {
            *last.get_mut() += 1;
        }
    }

    /// Leaves every task as it was found: running.
    fn let_go(&mut self) {
        for pid in self.tasks.keys() {
            request(libc::PTRACE_INTERRUPT, *pid, 0, 0);
        }
        for pid in self.newborn.drain() {
            request(libc::PTRACE_DETACH, pid, 0, 0);
        }
        let mut gone = HashSet::new();
        // On a busy machine a task that was interrupted may take its time to stop.
        let end = Instant::now() + Duration::from_secs(5);
        while !self.tasks.is_empty() && Instant::now() < end {
            let mut status = 0;
            // SAFETY: `status` is valid for the call.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::WNOHANG) };
            match pid {
                0 => std::thread::sleep(Duration::from_millis(1)),
                -1 => return,
                pid if libc::WIFSTOPPED(status) => {
                    let event = status >> 16;
                    let signal = libc::WSTOPSIG(status);
                    if matches!(
                        event,
                        libc::PTRACE_EVENT_FORK
                            | libc::PTRACE_EVENT_VFORK
                            | libc::PTRACE_EVENT_CLONE
                    ) {
                        // One more, which is watched from its first instruction on.
                        let mut child: libc::c_ulong = 0;
                        request(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut child as usize);
                        if let Ok(child) = i32::try_from(child)
                            && !gone.contains(&child)
                        {
                            self.tasks.insert(child, Task::default());
                        }
                    }
                    let deliver = event == 0 && signal != libc::SIGTRAP | 0x80;
                    let signal = if deliver { signal } else { 0 };
                    request(libc::PTRACE_DETACH, pid, 0, signal as usize);
                    self.tasks.remove(&pid);
                    gone.insert(pid);
                }
                pid => {
                    self.tasks.remove(&pid);
                }
            }
        }
    }
}

/// Whether SIGSYS is on its way to this very thread.
fn has_sigsys(thread: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
    pending
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set & (1 << (libc::SIGSYS - 1)) != 0)
}

/// `ptrace(2)`. A task that is gone meanwhile is reported by the next wait.
fn request(request: libc::c_uint, pid: i32, address: usize, data: usize) -> libc::c_long {
    // SAFETY: of the requests made here those that write do so to a variable of the caller, as many
    // bytes as it has; the others take numbers.
    unsafe { libc::ptrace(request, pid, address, data) }
}

/// Whether a failure is the walls', or may be. A path that is missing inside counts where it is
/// there outside.
fn is_denial(begun: &Begun, errno: i32) -> bool {
    match errno {
        // Whether a descriptor is a terminal is asked of every device.
        libc::EACCES if begun.number == libc::SYS_ioctl => false,
        libc::EPERM | libc::EACCES | libc::EROFS => true,
        // From one bind to another; copies are tried across file systems by habit.
        libc::EXDEV => begun.number != libc::SYS_copy_file_range,
        libc::ENOSYS => !calls::is_asked_for_by_habit(begun.number),
        libc::ENOENT => !begun.path.as_os_str().is_empty() && exists_outside(&begun.path),
        libc::EFBIG | libc::EMFILE | libc::ENOSPC => true,
        // Also what a full pipe or a lock says.
        libc::EAGAIN => matches!(
            begun.number,
            libc::SYS_clone | libc::SYS_fork | libc::SYS_vfork
        ),
        libc::ECONNREFUSED => begun.wanted == Wanted::Connect,
        _ => false,
    }
}

fn exists_outside(path: &Path) -> bool {
    // Process numbers mean others there.
    !path.starts_with("/proc") && !is_the_loaders(path) && path.symlink_metadata().is_ok()
}

/// What the loader asks for first and does without.
pub(crate) fn is_the_loaders(path: &Path) -> bool {
    ["/etc/ld.so.cache", "/etc/ld.so.preload"]
        .iter()
        .any(|own| path == Path::new(own))
}

/// What a call wants, and the path it is about.
fn subject(pid: i32, number: i64, arguments: &[u64; 6]) -> (Wanted, PathBuf) {
    let Some(place) = calls::path_of(number) else {
        if number == libc::SYS_connect {
            return (Wanted::Connect, socket(pid, arguments[1], arguments[2]));
        }
        return (Wanted::Nothing, PathBuf::new());
    };
    let Some(name) = string(pid, arguments[place.argument]) else {
        return (place.wanted(arguments), PathBuf::new());
    };
    let name = PathBuf::from(name);
    if name.is_absolute() {
        return (place.wanted(arguments), name);
    }
    let beneath = match place.folder {
        Some(at) if arguments[at] as i32 != libc::AT_FDCWD => {
            std::fs::read_link(format!("/proc/{pid}/fd/{}", arguments[at] as i32))
        }
        _ => std::fs::read_link(format!("/proc/{pid}/cwd")),
    };
    let path = beneath.map_or_else(|_| name.clone(), |folder| folder.join(&name));
    (place.wanted(arguments), path)
}

/// The path in a socket's address; an abstract name begins with `@`.
fn socket(pid: i32, at: u64, length: u64) -> PathBuf {
    let length = usize::try_from(length).unwrap_or(0).min(110);
    let mut bytes = vec![0; length];
    if !read(pid, at, &mut bytes) || bytes.len() <= 2 {
        return PathBuf::new();
    }
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    if i32::from(family) != libc::AF_UNIX {
        return PathBuf::new();
    }
    let name = &bytes[2..];
    let (prefix, name) = match name.first() {
        Some(0) => ("@", &name[1..]),
        _ => ("", name.split(|byte| *byte == 0).next().unwrap_or_default()),
    };
    PathBuf::from(format!("{prefix}{}", String::from_utf8_lossy(name)))
}

/// A string of the process, cut at the longest a path may have.
fn string(pid: i32, at: u64) -> Option<String> {
    let mut bytes = Vec::new();
    // By page, so that the end of what is mapped does not matter.
    let mut from = at;
    while bytes.len() < 4096 {
        let step = 4096 - (from % 4096);
        let mut part = vec![0; usize::try_from(step).ok()?];
        if !read(pid, from, &mut part) {
            return None;
        }
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&part[..end]);
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        bytes.extend_from_slice(&part);
        from += step;
    }
    None
}

fn read(pid: i32, at: u64, into: &mut [u8]) -> bool {
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let remote = libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: into.len(),
    };
    // SAFETY: the local vector describes `into`; the remote one is only an address there.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read).is_ok_and(|read| read == into.len())
}
