//! What units print: the last of it in memory, all of it (within bounds) in files.
//!
//! The files are written by a child, since a disk may take its time and PID 1 may not: lines go to
//! it over a socket and are dropped, and counted, when it does not keep up.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::net::{RecvFlags, SendFlags};

use crate::clock;
use crate::spawn::{self, Child};

/// Most bytes of one line; a longer one is cut into several.
pub const MAX_LINE: usize = 4 << 10;
/// Most lines kept in memory for one unit.
const MAX_LINES: usize = 2_000;
/// Most bytes kept in memory for one unit.
const MAX_BYTES: usize = 256 << 10;
/// What a line takes in memory besides its text, in bytes.
const LINE_COST: usize = 64;
/// Most bytes kept in memory for all units.
const MAX_TOTAL: usize = 8 << 20;
/// Size at which a file is put aside as `NAME.log.1`, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The logs of all units.
#[derive(Debug, Default)]
pub struct Logs {
    rings: BTreeMap<String, Ring>,
    total: usize,
    writer: Option<OwnedFd>,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<(u64, String)>,
    bytes: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Logs {
    /// Takes what a unit printed.
    pub fn take(&mut self, name: &str, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let partial = &mut self.rings.entry(name.to_owned()).or_default().partial;
            let room = MAX_LINE.saturating_sub(partial.len());
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let (part, rest, complete) = match end {
                Some(at) => (&bytes[..at], &bytes[at + 1..], true),
                None if bytes.len() >= room => (&bytes[..room], &bytes[room..], true),
                None => (bytes, &[][..], false),
            };
            partial.extend_from_slice(part);
            bytes = rest;
            if complete {
                let line = std::mem::take(partial);
                self.line(name, &String::from_utf8_lossy(&line));
            }
        }
    }

    /// The unit's output ended: a last line without an end counts.
    pub fn finish(&mut self, name: &str) {
        if let Some(ring) = self.rings.get_mut(name)
            && !ring.partial.is_empty()
        {
            let line = std::mem::take(&mut ring.partial);
            self.line(name, &String::from_utf8_lossy(&line));
        }
    }

    /// Adds one line.
    pub fn line(&mut self, name: &str, text: &str) {
        let text = text.trim_end_matches('\r');
        let at = clock::unix_ms();
        self.send(name, at, text);
        let ring = self.rings.entry(name.to_owned()).or_default();
        ring.bytes += text.len() + LINE_COST;
        self.total += text.len() + LINE_COST;
        ring.lines.push_back((at, text.to_owned()));
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            self.total -= ring.drop_oldest();
        }
        while self.total > MAX_TOTAL {
            let Some(loudest) = self.rings.values_mut().max_by_key(|ring| ring.bytes) else {
                break;
            };
            for _ in 0..64 {
                self.total -= loudest.drop_oldest();
            }
        }
    }

    /// The last `count` lines of a unit, each with its time; `None` if it never printed.
    pub fn last(&self, name: &str, count: usize) -> Option<Vec<String>> {
        let lines = &self.rings.get(name)?.lines;
        let from = lines.len().saturating_sub(count);
        let format = |(at, text): &(u64, String)| format!("{} {text}", clock::rfc3339(*at));
        Some(lines.iter().skip(from).map(format).collect())
    }

    /// Forgets a unit that is gone.
    pub fn forget(&mut self, name: &str) {
        if let Some(ring) = self.rings.remove(name) {
            self.total -= ring.bytes;
        }
    }

    fn send(&mut self, name: &str, at: u64, text: &str) {
        let Some(writer) = &self.writer else { return };
        let mut message = Vec::with_capacity(name.len() + text.len() + 64);
        message.extend_from_slice(name.as_bytes());
        message.push(0);
        if self.dropped > 0 {
            let note = format!(
                "{} ({} lines were lost here)\n",
                clock::rfc3339(at),
                self.dropped
            );
            message.extend_from_slice(note.as_bytes());
        }
        message.extend_from_slice(clock::rfc3339(at).as_bytes());
        message.push(b' ');
        message.extend_from_slice(text.as_bytes());
        message.push(b'\n');
        match rustix::net::send(writer, &message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => self.dropped = 0,
            Err(_) => self.dropped = self.dropped.saturating_add(1),
        }
    }

    /// Starts the child that writes `FOLDER/NAME.log`; also to replace one that died.
    pub fn start_writer(&mut self, folder: &Path) -> io::Result<Child> {
        let (ours, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )?;
        let folder = folder.to_owned();
        self.writer = None;
        let child = spawn::function(
            || {
                // The other end must be the supervisor's alone, or its end would go unseen.
                crate::edge::close_all_but(theirs.as_fd());
                write_files(&theirs, &folder);
                0
            },
            None,
            None,
        )?;
        self.writer = Some(ours);
        Ok(child)
    }

    /// Lets the writer finish: it ends once it has written what it was sent.
    pub fn stop_writer(&mut self) {
        self.writer = None;
    }
}

impl Ring {
    fn drop_oldest(&mut self) -> usize {
        let dropped = self.lines.pop_front();
        let dropped = dropped.map_or(0, |(_, text)| text.len() + LINE_COST);
        self.bytes -= dropped;
        dropped
    }
}

/// The writer's loop. A file that cannot be written is tried again with the next line: the disk
/// may come back, and there is nobody to tell.
fn write_files(socket: &OwnedFd, folder: &Path) {
    let _ = fs::create_dir_all(folder);
    let mut files: HashMap<String, (File, u64)> = HashMap::new();
    let mut message = vec![0; 2 * MAX_LINE];
    loop {
        let count = match rustix::net::recv(socket, &mut message[..], RecvFlags::empty()) {
            Ok((0, _)) => return,
            Ok((count, _)) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        };
        let message = &message[..count];
        let Some(end) = message.iter().position(|byte| *byte == 0) else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(&message[..end]) else {
            continue;
        };
        if !files.contains_key(name) {
            if files.len() >= 32 {
                files.clear();
            }
            let path = folder.join(format!("{name}.log"));
            let Ok(file) = OpenOptions::new().append(true).create(true).open(path) else {
                continue;
            };
            let size = file.metadata().map_or(0, |meta| meta.len());
            files.insert(name.to_owned(), (file, size));
        }
        let Some((file, size)) = files.get_mut(name) else {
            continue;
        };
        let text = &message[end + 1..];
        if file.write_all(text).is_err() {
            files.remove(name);
            continue;
        }
        *size += text.len() as u64;
        if *size > MAX_FILE {
            let path = folder.join(format!("{name}.log"));
            let _ = fs::rename(&path, folder.join(format!("{name}.log.1")));
            files.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_long_ones_cut() {
        let mut logs = Logs::default();
        logs.take("a", b"one\ntw");
        logs.take("a", b"o\n");
        logs.take("a", &[b'x'; 2 * MAX_LINE]);
        logs.take("a", b"rest");
        logs.finish("a");
        let texts: Vec<String> = logs.rings["a"]
            .lines
            .iter()
            .map(|(_, text)| text.clone())
            .collect();
        let long = "x".repeat(MAX_LINE);
        assert_eq!(texts, ["one", "two", &long, &long, "rest"]);
        assert_eq!(logs.last("a", 1).unwrap().len(), 1);
        assert!(logs.last("nobody", 1).is_none());
    }

    #[test]
    fn memory_is_bounded_for_one_and_for_all() {
        let mut logs = Logs::default();
        let line = vec![b'y'; 1000];
        for unit in 0..60 {
            for _ in 0..400 {
                logs.take(&format!("u{unit}"), &line);
                logs.take(&format!("u{unit}"), b"\n");
            }
        }
        let sum: usize = logs.rings.values().map(|ring| ring.bytes).sum();
        assert_eq!(sum, logs.total);
        assert!(logs.total <= MAX_TOTAL);
        assert!(logs.rings.values().all(|ring| ring.bytes <= MAX_BYTES));
        // Empty lines take memory as well.
        for unit in 0..200 {
            logs.take(&format!("empty{unit}"), &[b'\n'; 4_000]);
        }
        let lines: usize = logs.rings.values().map(|ring| ring.lines.len()).sum();
        assert!(lines <= MAX_TOTAL / LINE_COST, "{lines}");
    }
}
