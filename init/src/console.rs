//! What the supervisor itself says, and the shell for the worst case.
//!
//! PID 1 writes to the kernel's log, which shows it on the console and keeps it for `dmesg`; a
//! person's supervisor writes to its standard error, which PID 1 keeps.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::spawn::{self, Child};

/// The machine's console.
pub const CONSOLE: &str = "/dev/console";

/// How much a line matters, as the kernel's log counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken.
    Error = 3,
    /// Somebody should look at it.
    Warning = 4,
    /// A landmark.
    Notice = 5,
}

/// Where the supervisor's own lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// The kernel's log.
    Kernel,
    /// Standard error.
    Stderr,
}

/// Writes one line. Never blocks and never fails: there is nobody to tell.
pub fn say(sink: Sink, level: Level, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .take(900)
        .collect();
    match sink {
        Sink::Kernel => {
            let log = OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY)
                .open("/dev/kmsg");
            if let Ok(mut log) = log {
                let _ = log.write_all(format!("<{}>argos-init: {text}\n", level as u8).as_bytes());
            }
            if level != Level::Warning && console_is_quiet(level) {
                tell(&format!("argos-init: {text}\n"));
            }
        }
        Sink::Stderr => {
            let _ = io::stderr().write_all(format!("argos-init: {text}\n").as_bytes());
        }
    }
}

/// Whether the kernel keeps lines of this level from the console (`quiet`, `loglevel=`). Landmarks
/// and errors are few, and show a person in front of a dark screen how far it came.
fn console_is_quiet(level: Level) -> bool {
    let levels = std::fs::read_to_string("/proc/sys/kernel/printk").unwrap_or_default();
    let shown = levels
        .split_whitespace()
        .next()
        .and_then(|word| word.parse::<u8>().ok());
    shown.is_none_or(|shown| level as u8 >= shown)
}

/// Lets everything through that PID 1 writes to the kernel's log; by default it is rationed.
pub fn lift_ration() {
    let _ = std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
}

/// Writes straight to the console: for what a person in front of the machine has to see although
/// the kernel was told to be quiet.
pub fn tell(text: &str) {
    tell_at(Path::new(CONSOLE), text);
}

/// As [`tell`], on another terminal.
pub fn tell_at(terminal: &Path, text: &str) {
    let console = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY)
        .open(terminal);
    if let Ok(mut console) = console {
        let _ = console.write_all(text.as_bytes());
    }
}

/// Starts a root shell on a terminal, or says that there is none to start.
pub fn shell(terminal: &Path) -> io::Result<Child> {
    let candidates: [&[&str]; 3] = [
        &["/bin/sh", "-l"],
        &["/bin/busybox", "sh"],
        &["/busybox", "sh"],
    ];
    let Some(argv) = candidates.iter().find(|argv| Path::new(argv[0]).exists()) else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no shell here",
        ));
    };
    let argv: Vec<CString> = argv
        .iter()
        .filter_map(|text| CString::new(*text).ok())
        .collect();
    spawn::function(
        || {
            let error = match crate::edge::take_terminal(terminal) {
                Ok(()) => spawn::replace(&argv),
                Err(error) => error,
            };
            tell_at(terminal, &format!("argos-init: no shell: {error}\n"));
            127
        },
        None,
        None,
    )
}

/// Reaps until this child has ended; for where there is no loop that does.
pub fn wait_for(pid: u32) {
    while let Ok(Some((ended, _))) = rustix::process::wait(rustix::process::WaitOptions::empty()) {
        if u32::try_from(ended.as_raw_nonzero().get()).is_ok_and(|ended| ended == pid) {
            return;
        }
    }
}
