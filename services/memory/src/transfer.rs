//! Export and import: one JSON object a line, as [`Record`] is written.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

use crate::{Error, Record, Result, Store};

/// Records an export takes from the store at a time. No transaction is open while they are written, so
/// that a slow reader holds nothing up.
const PAGE: usize = 256;
/// Longest line of an import, in bytes: a text whose every character is escaped, and the rest.
const MAX_LINE: usize = 6 * crate::MAX_TEXT + (16 << 10);
/// Most bytes of one import.
pub const MAX_IMPORT: usize = 256 << 20;
/// Bytes of lines that are stored in one transaction.
const BATCH: usize = 4 << 20;

/// Writes all records, lowest number first; returns how many.
pub fn export(store: &Store, mut to: impl Write) -> Result<u64> {
    let io = |source| Error::Io {
        what: "write the export of",
        path: store.path().to_owned(),
        source,
    };
    let (mut from, mut written) = (0, 0);
    loop {
        let page = store.page(from, PAGE)?;
        let Some(last) = page.last() else { break };
        from = last.id + 1;
        let mut lines = Vec::new();
        for record in &page {
            serde_json::to_writer(&mut lines, record).map_err(|e| Error::Invalid(e.to_string()))?;
            lines.push(b'\n');
        }
        to.write_all(&lines).map_err(io)?;
        written += page.len() as u64;
    }
    to.flush().map_err(io)?;
    Ok(written)
}

/// Reads records as [`export`] writes them; returns how many were new. Empty lines are passed over.
///
/// Everything is read twice: first it is checked, so that a wrong line imports nothing, and the error
/// names the first one; then it is stored, [`BATCH`] at a time. However long the import is, no more
/// than that is held in memory. Where storing fails in the middle, for want of room or power, what was
/// stored stays, and the same import once more goes on from there, since known records are kept once.
pub fn import(store: &Store, mut from: impl BufRead + Seek) -> Result<u64> {
    let unreadable = |source| Error::Io {
        what: "read the import into",
        path: store.path().to_owned(),
        source,
    };
    let start = from.stream_position().map_err(unreadable)?;
    read(&mut from, |_, _| Ok(()))?;
    from.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let (mut batch, mut bytes, mut new) = (Vec::new(), 0, 0);
    let stored = read(&mut from, |record, length| {
        batch.push(record);
        bytes += length;
        if bytes >= BATCH {
            new += store.import(&batch)?;
            batch.clear();
            bytes = 0;
        }
        Ok(())
    });
    stored.map_err(|e| match e {
        Error::Line { line, reason } => Error::Invalid(format!(
            "the import changed while it was read: line {line} was right before, now {reason}; \
             import it again"
        )),
        other => other,
    })?;
    Ok(new + store.import(&batch)?)
}

/// The same from any file. What can be read only once, a pipe, is kept beside the store meanwhile, in
/// a file without a name.
pub fn import_file(store: &Store, mut file: File) -> Result<u64> {
    if file.stream_position().is_err() {
        file = keep(store, file).map_err(|source| Error::Io {
            what: "keep the import beside",
            path: store.path().to_owned(),
            source,
        })?;
    }
    import(store, BufReader::new(file))
}

fn keep(store: &Store, file: File) -> std::io::Result<File> {
    let path = store.path().join("import");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut kept = options.open(&path)?;
    std::fs::remove_file(&path)?;
    // One byte too many is enough to refuse it.
    std::io::copy(&mut file.take(MAX_IMPORT as u64 + 1), &mut kept)?;
    kept.rewind()?;
    Ok(kept)
}

/// Reads and checks the lines of an export; hands on each record with the length of its line.
fn read(from: &mut impl BufRead, mut each: impl FnMut(Record, usize) -> Result<()>) -> Result<()> {
    let mut total = 0;
    let mut line = Vec::new();
    for number in 1.. {
        let wrong = |reason: String| Error::Line {
            line: number,
            reason,
        };
        line.clear();
        // One byte more than is allowed, so that a line of just the allowed length passes.
        let mut bounded = Read::take(&mut *from, MAX_LINE as u64 + 1);
        let length = bounded
            .read_until(b'\n', &mut line)
            .map_err(|e| wrong(format!("cannot read on: {e}")))?;
        if length == 0 {
            break;
        }
        total += length;
        if length > MAX_LINE {
            return Err(wrong(format!("it has more than {MAX_LINE} bytes")));
        }
        if total > MAX_IMPORT {
            return Err(wrong(format!(
                "an import has at most {MAX_IMPORT} bytes; split it"
            )));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record: Record = serde_json::from_slice(&line).map_err(|e| wrong(e.to_string()))?;
        record.check().map_err(|e| wrong(e.to_string()))?;
        each(record, length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_are_named() {
        let good = r#"{"id":1,"when_ms":2,"kind":"said","owner":"a","text":"t","tags":[]}"#;
        let lines = |text: String| {
            let mut count = 0;
            read(&mut text.as_bytes(), |_, _| {
                count += 1;
                Ok(())
            })
            .map(|()| count)
        };
        let refused = |text: String| lines(text).unwrap_err().to_string();
        assert_eq!(lines(format!("{good}\n\n{good}")).unwrap(), 2);
        assert!(refused(format!("{good}\n{{\n")).starts_with("line 2: "));
        assert!(refused(good.replace("said", "sung")).contains("line 1: kind `sung`"));
        assert!(refused(good.replace("when_ms", "when")).contains("line 1: unknown field"));
        assert!(
            refused(format!("{good}\n{}", "x".repeat(MAX_LINE + 1)))
                .starts_with("line 2: it has more")
        );
        assert!(refused("\u{0}".into()).starts_with("line 1: "));
    }

    #[test]
    fn documented_lines_are_taken() {
        argos_docs::check("memory", |block| {
            read(&mut block.text.as_bytes(), |_, _| Ok(())).map_err(|e| e.to_string())
        });
    }
}
