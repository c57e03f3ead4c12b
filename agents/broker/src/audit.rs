//! The audit log: one JSON object a line, one line for every tool call, refused ones too.
//!
//! A row is on disk before its result is delivered. So that this cannot fail *after* a tool has
//! acted, room for the row is reserved before the tool runs: a full disk stops the call, not the
//! record of it. A line that a power cut tore in half is ended, so that the next row stands alone.
//!
//! The log does not grow for ever: at [`MAX_LOG`] it becomes `audit.jsonl.1`, what was that becomes
//! `.2`, and so on; the oldest is given up. Where a new log cannot be begun the old one goes on: a
//! log that is too long is better than a row that is lost.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use tracing::warn;

/// Arguments longer than this are recorded as their beginning and their hash, in bytes.
const MAX_ARGUMENTS: usize = 16 << 10;
/// The same for calls that were turned away before there was anything to decide: they are as many
/// as the agent likes.
const MAX_ARGUMENTS_UNDECIDED: usize = 1 << 10;
/// Longest error that is recorded, in bytes.
const MAX_ERROR: usize = 4 << 10;
/// Room reserved ahead of each call: more than a row can take.
const RESERVE: u64 = 64 << 10;
/// Size from which on a new log is begun, in bytes.
const MAX_LOG: u64 = 16 << 20;
/// How many old logs are kept.
const KEPT: usize = 4;
/// How much of the log's end is read for [`Audit::tail`].
const MAX_TAIL: u64 = 8 << 20;

/// One call and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// When the call came in, RFC 3339, UTC.
    pub time: String,
    /// Who called: an agent's name, or `person`.
    pub agent: String,
    /// The agent's hash, empty for the person.
    pub hash: String,
    /// Tool.
    pub tool: String,
    /// Arguments as they came.
    pub arguments: Value,
    /// Action that was needed; empty if the call failed before that was known.
    pub action: String,
    /// Resource that was needed.
    pub resource: String,
    /// `allow`, `deny`, or `none` if the call never got to the question.
    pub decision: &'static str,
    /// Who decided: `person (once)`, `grant 12`, `default`, `nobody answered`.
    pub by: String,
    /// `ok`, `denied`, `failed`, `cancelled` (nothing was done), `invalid`, `limited` or
    /// `timed-out` (whether it was done is not known).
    pub outcome: &'static str,
    /// Of how many calls this is the row: of all that the agent made in the second after this one
    /// and that ran into a limit as well. Left out where it is one.
    #[serde(skip_serializing_if = "is_one")]
    pub calls: u64,
    /// From the call to the outcome, waiting for the person included.
    pub duration_ms: u64,
    /// What went wrong, or empty.
    pub error: String,
}

fn is_one(calls: &u64) -> bool {
    *calls == 1
}

/// The log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}; free some disk space, then try again", path.display())]
pub struct Error {
    path: PathBuf,
    what: &'static str,
    source: std::io::Error,
}

/// Room in the log for one row.
#[derive(Debug)]
#[must_use = "room that is not used up by a row stays reserved"]
pub struct Room(());

/// The open log.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
    /// Rows that room is reserved for.
    reserved: u64,
    /// Size from which on a new log is begun.
    max: u64,
}

impl Audit {
    /// Opens the log for appending and makes its folder. Only its owner can read it.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let fail = |what| {
            move |source| Error {
                path: path.to_owned(),
                what,
                source,
            }
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail("the folder cannot be made"))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(fail("the audit log cannot be opened"))?;
        let mut audit = (|| {
            let end = file.seek(SeekFrom::End(0))?;
            if end > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            Ok(Self {
                path: path.to_owned(),
                file,
                reserved: 0,
                max: MAX_LOG,
            })
        })()
        .map_err(fail("the audit log cannot be read"))?;
        // The log itself must outlive a power cut, not only its rows.
        audit
            .sync()
            .map_err(fail("the audit log cannot be written"))?;
        Ok(audit)
    }

    /// Makes sure that a row will fit.
    ///
    /// # Errors
    /// The disk is full or broken. Nothing may run then.
    pub fn reserve(&mut self) -> Result<Room, Error> {
        self.begin_another_if_full();
        let end = self.file.metadata().map(|m| m.len());
        end.and_then(|end| hold(&self.file, end, self.reserved + 1))
            .map_err(|source| Error {
                path: self.path.clone(),
                what: "no room for an audit row",
                source,
            })?;
        self.reserved += 1;
        Ok(Room(()))
    }

    /// Appends a row, into the room that was reserved for it if there is such. It is on disk when
    /// this returns.
    ///
    /// # Errors
    /// The row is not on disk. The result it is about must not be delivered.
    pub fn append(&mut self, row: &Row, room: Option<Room>) -> Result<(), Error> {
        self.begin_another_if_full();
        if let Some(Room(())) = room {
            self.reserved -= 1;
        }
        let mut row = row.clone();
        let text = row.arguments.to_string();
        let most = match row.decision {
            "none" => MAX_ARGUMENTS_UNDECIDED,
            _ => MAX_ARGUMENTS,
        };
        if text.len() > most {
            row.arguments = serde_json::json!({
                "cut": beginning(&text, most),
                "bytes": text.len(),
                "blake3": blake3::hash(text.as_bytes()).to_hex().as_str(),
            });
        }
        row.error.truncate(beginning(&row.error, MAX_ERROR).len());
        let fail = |source| Error {
            path: self.path.clone(),
            what: "the audit row cannot be written",
            source,
        };
        let mut line = serde_json::to_vec(&row).map_err(|e| fail(e.into()))?;
        line.push(b'\n');
        let before = self.file.metadata().map_err(fail)?.len();
        let written = self
            .file
            .write_all(&line)
            .and_then(|()| self.file.sync_data());
        if let Err(e) = written {
            // Half a row would spoil the next one. If even this fails, `open` mends it.
            let _ = self.file.set_len(before);
            return Err(Error {
                path: self.path.clone(),
                what: "the audit row cannot be written",
                source: e,
            });
        }
        Ok(())
    }

    /// The last `lines` rows, oldest first, of old logs too. Lines that are no JSON object are left
    /// out.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn tail(&self, lines: usize) -> Result<Vec<String>, Error> {
        let mut rows = Vec::new();
        let mut budget = MAX_TAIL;
        for age in 0..=KEPT {
            if rows.len() >= lines || budget == 0 {
                break;
            }
            let path = self.aged(age);
            let mut older = match last_rows(&path, &mut budget) {
                Ok(older) => older,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(Error {
                        path,
                        what: "the audit log cannot be read",
                        source,
                    });
                }
            };
            older.append(&mut rows);
            rows = older;
        }
        Ok(rows.split_off(rows.len().saturating_sub(lines)))
    }

    /// The log (0), or an old one; the higher the older.
    fn aged(&self, age: usize) -> PathBuf {
        match age {
            0 => self.path.clone(),
            age => self.beside(&age.to_string()),
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(ending);
        name.into()
    }

    fn begin_another_if_full(&mut self) {
        let full = self.file.metadata().is_ok_and(|m| m.len() >= self.max);
        if full && let Err(e) = self.begin_another() {
            warn!(
                "{}: no new audit log can be begun, the old one goes on: {e}",
                self.path.display()
            );
        }
    }

    /// Puts the log aside and begins another one, with the room that is reserved.
    fn begin_another(&mut self) -> std::io::Result<()> {
        let fresh = self.beside("new");
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&fresh)?;
        hold(&file, 0, self.reserved)?;
        file.sync_all()?;
        for age in (0..KEPT).rev() {
            match std::fs::rename(self.aged(age), self.aged(age + 1)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        std::fs::rename(&fresh, &self.path)?;
        // A row in it would be lost with its name.
        self.sync_folder()?;
        let old = std::mem::replace(&mut self.file, file);
        // Gives back what was reserved in the old one; if not, it only takes a little more disk.
        let _ = old.metadata().and_then(|m| old.set_len(m.len()));
        Ok(())
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.file.sync_all()?;
        self.sync_folder()
    }
}

/// Reserves disk space for that many rows from `end` on, without making the file longer.
fn hold(file: &File, end: u64, rows: u64) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    if rows == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, end, rows * RESERVE) {
        // Not every file system can reserve; the write itself is still checked.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The rows within the last `budget` bytes of a log, oldest first; takes what was read off it.
fn last_rows(path: &Path, budget: &mut u64) -> std::io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(*budget);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    let read = file.take(*budget).read_to_end(&mut bytes)?;
    *budget = budget.saturating_sub(read as u64);
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .skip(usize::from(from > 0))
        .filter(|l| serde_json::from_str::<serde_json::Map<String, Value>>(l).is_ok())
        .map(str::to_owned)
        .collect())
}

/// As much of a text as fits.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tool: &str) -> Row {
        Row {
            time: "2026-11-23T10:00:00Z".into(),
            agent: "steward".into(),
            hash: "h".into(),
            tool: tool.into(),
            arguments: serde_json::json!({"path": "/a"}),
            action: "read".into(),
            resource: "/a".into(),
            decision: "allow",
            by: "person (once)".into(),
            outcome: "ok",
            calls: 1,
            duration_ms: 3,
            error: String::new(),
        }
    }

    #[test]
    fn rows_come_back_in_order_and_after_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        let room = audit.reserve().unwrap();
        audit.append(&row("one"), Some(room)).unwrap();
        drop(audit);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"time\":\"2")
            .unwrap();
        let mut audit = Audit::open(&path).unwrap();
        audit.append(&row("two"), None).unwrap();
        let tail = audit.tail(10).unwrap();
        assert_eq!(tail.len(), 2);
        assert!(tail[0].contains("one") && tail[1].contains("two"));
        assert_eq!(audit.tail(1).unwrap().len(), 1);
    }

    #[test]
    fn long_arguments_keep_their_hash() {
        let dir = tempfile::tempdir().unwrap();
        let mut audit = Audit::open(&dir.path().join("a.jsonl")).unwrap();
        let mut long = row("files.write");
        long.arguments = serde_json::json!({"text": "ä".repeat(MAX_ARGUMENTS)});
        audit.append(&long, None).unwrap();
        let line = &audit.tail(1).unwrap()[0];
        assert!(line.len() < 2 * MAX_ARGUMENTS && line.contains("blake3"));
        // What was never decided is not worth as much.
        long.decision = "none";
        long.error = "ä".repeat(MAX_ERROR);
        audit.append(&long, None).unwrap();
        let line = &audit.tail(1).unwrap()[0];
        assert!(line.len() < 3 * MAX_ARGUMENTS_UNDECIDED + MAX_ERROR && line.contains("blake3"));
    }

    #[test]
    fn a_full_log_makes_way_and_the_newest_rows_are_found_across_the_logs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        audit.max = 2000;
        // Room that is held while the log changes must be there in the new one.
        let room = audit.reserve().unwrap();
        for n in 0..100 {
            audit.append(&row(&format!("t{n:02}")), None).unwrap();
        }
        audit.append(&row("last"), Some(room)).unwrap();
        assert_eq!(audit.reserved, 0);
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let old: Vec<String> = (1..=KEPT).map(|n| format!("audit.jsonl.{n}")).collect();
        assert_eq!(names[0], "audit.jsonl");
        assert_eq!(names[1..], old);
        for name in names {
            assert!(std::fs::metadata(dir.path().join(name)).unwrap().len() < 2500);
        }
        let tail = audit.tail(20).unwrap();
        assert_eq!(tail.len(), 20, "one log has fewer");
        assert!(tail[0].contains("t81") && tail[18].contains("t99") && tail[19].contains("last"));
        // What was there before the broker started is found as well.
        assert_eq!(Audit::open(&path).unwrap().tail(20).unwrap(), tail);
    }

    #[test]
    fn a_log_that_cannot_make_way_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        audit.max = 1;
        std::fs::create_dir(dir.path().join("audit.jsonl.new")).unwrap();
        for tool in ["one", "two"] {
            audit.append(&row(tool), None).unwrap();
        }
        assert_eq!(audit.tail(10).unwrap().len(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_full_disk_is_an_error_that_says_what_to_do() {
        let mut audit = Audit {
            path: "/dev/full".into(),
            file: OpenOptions::new()
                .read(true)
                .append(true)
                .open("/dev/full")
                .unwrap(),
            reserved: 0,
            max: MAX_LOG,
        };
        let error = audit.append(&row("x"), None).unwrap_err().to_string();
        assert!(error.contains("free some disk space"), "{error}");
    }

    /// The rows in the documentation have the fields that rows have.
    #[test]
    fn documented_rows_are_rows() {
        let fields =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let mine = serde_json::to_value(row("x")).unwrap();
        argos_docs::check("audit", |block| {
            let shown: Value = serde_json::from_str(&block.text).map_err(|e| e.to_string())?;
            if fields(&shown) == fields(&mine) {
                Ok(())
            } else {
                Err(format!("a row has {}", fields(&mine).join(", ")))
            }
        });
    }
}
