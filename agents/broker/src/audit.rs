//! The audit log: one JSON object a line, one line for every tool call, refused ones too.
//!
//! A row is on disk before its result is delivered. So that this cannot fail *after* a tool has
//! acted, room for the row is reserved before the tool runs: a full disk stops the call, not the
//! record of it. A line that a power cut tore in half is ended, so that the next row stands alone.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

/// Arguments longer than this are recorded as their beginning and their hash, in bytes.
const MAX_ARGUMENTS: usize = 16 << 10;
/// Room reserved ahead of each call: more than a row can take.
const RESERVE: u64 = 64 << 10;
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
    /// `ok`, `denied`, `failed`, `cancelled`, `invalid`, `limited` or `timed-out`.
    pub outcome: &'static str,
    /// From the call to the outcome, waiting for the person included.
    pub duration_ms: u64,
    /// What went wrong, or empty.
    pub error: String,
}

/// The log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}; free some disk space, then try again", path.display())]
pub struct Error {
    path: PathBuf,
    what: &'static str,
    source: std::io::Error,
}

/// The open log.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
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
    pub fn reserve(&self) -> Result<(), Error> {
        use rustix::fs::{FallocateFlags, fallocate};
        let fail = |source| Error {
            path: self.path.clone(),
            what: "no room for an audit row",
            source,
        };
        let end = self.file.metadata().map_err(fail)?.len();
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, end, RESERVE) {
            // Not every file system can reserve; the write itself is still checked.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            Err(e) => Err(fail(e.into())),
        }
    }

    /// Appends a row. It is on disk when this returns.
    ///
    /// # Errors
    /// The row is not on disk. The result it is about must not be delivered.
    pub fn append(&mut self, row: &Row) -> Result<(), Error> {
        let mut row = row.clone();
        let text = row.arguments.to_string();
        if text.len() > MAX_ARGUMENTS {
            let mut cut = MAX_ARGUMENTS;
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            row.arguments = serde_json::json!({
                "cut": text[..cut],
                "bytes": text.len(),
                "blake3": blake3::hash(text.as_bytes()).to_hex().as_str(),
            });
        }
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

    /// The last `lines` rows, oldest first. Lines that are no JSON object are left out.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn tail(&self, lines: usize) -> Result<Vec<String>, Error> {
        let fail = |source| Error {
            path: self.path.clone(),
            what: "the audit log cannot be read",
            source,
        };
        let mut file = File::open(&self.path).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        let from = size.saturating_sub(MAX_TAIL);
        file.seek(SeekFrom::Start(from)).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(MAX_TAIL).read_to_end(&mut bytes).map_err(fail)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut rows: Vec<String> = text
            .lines()
            .skip(usize::from(from > 0))
            .filter(|l| serde_json::from_str::<serde_json::Map<String, Value>>(l).is_ok())
            .map(str::to_owned)
            .collect();
        Ok(rows.split_off(rows.len().saturating_sub(lines)))
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.file.sync_all()?;
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }
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
            duration_ms: 3,
            error: String::new(),
        }
    }

    #[test]
    fn rows_come_back_in_order_and_after_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/audit.jsonl");
        let mut audit = Audit::open(&path).unwrap();
        audit.reserve().unwrap();
        audit.append(&row("one")).unwrap();
        drop(audit);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"time\":\"2")
            .unwrap();
        let mut audit = Audit::open(&path).unwrap();
        audit.append(&row("two")).unwrap();
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
        audit.append(&long).unwrap();
        let line = &audit.tail(1).unwrap()[0];
        assert!(line.len() < 2 * MAX_ARGUMENTS && line.contains("blake3"));
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
        };
        let error = audit.append(&row("x")).unwrap_err().to_string();
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
