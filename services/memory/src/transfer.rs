//! Export and import: one JSON object a line, as [`Record`] is written.

use std::io::{BufRead, Write};

use crate::{Error, Record, Result, Store};

/// Records an export takes from the store at a time. No transaction is open while they are written, so
/// that a slow reader holds nothing up.
const PAGE: usize = 256;
/// Longest line of an import, in bytes: a text whose every character is escaped, and the rest.
const MAX_LINE: usize = 6 * crate::MAX_TEXT + (16 << 10);
/// Most bytes of one import.
pub const MAX_IMPORT: usize = 256 << 20;

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

/// Reads records as [`export`] writes them, all or none; returns how many were new. Empty lines are
/// passed over. The error names the first wrong line.
pub fn import(store: &Store, from: impl BufRead) -> Result<u64> {
    store.import(&read(from)?)
}

/// Reads and checks the lines of an export.
pub fn read(mut from: impl BufRead) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut total = 0;
    let mut line = Vec::new();
    for number in 1.. {
        let wrong = |reason: String| Error::Line {
            line: number,
            reason,
        };
        line.clear();
        // One byte more than is allowed, so that a line of just the allowed length passes.
        let mut bounded = std::io::Read::take(&mut from, MAX_LINE as u64 + 1);
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
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_are_named() {
        let good = r#"{"id":1,"when_ms":2,"kind":"said","owner":"a","text":"t","tags":[]}"#;
        let refused = |text: String| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            read(format!("{good}\n\n{good}").as_bytes()).unwrap().len(),
            2
        );
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
            read(block.text.as_bytes())
                .map(drop)
                .map_err(|e| e.to_string())
        });
    }
}
