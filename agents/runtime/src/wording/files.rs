//! Words for files and notes that were found, written, moved.

use std::fmt::Write;

use serde_json::Value;

use super::{MAX_SHOWN, code, counted, list, plain, size, text};

/// What `files.search` and `notes.search` found.
pub(super) fn search(arguments: &Value, result: &Value) -> Option<String> {
    let query = code(arguments["query"].as_str().unwrap_or("that"));
    let names = list(result, &["names"])?;
    let texts = list(result, &["texts"])?;
    let place = code(text(result, &["path"])?);
    if names.is_empty() && texts.is_empty() {
        let mut out = format!("I found nothing for {query} in {place}.");
        if result["truncated"] == true {
            out.push_str(" I did not get through all of it.");
        }
        return Some(out);
    }
    let mut out = format!("I found this for {query} in {place}:\n");
    for found in names.iter().take(MAX_SHOWN / 2) {
        let _ = write!(out, "\n- {}", code(text(found, &["path"])?));
    }
    for found in texts.iter().take(MAX_SHOWN / 2) {
        let _ = write!(
            out,
            "\n- {}, line {}: {}",
            code(text(found, &["path"])?),
            found["line"],
            plain(text(found, &["text"])?)
        );
    }
    let shown = names.len().min(MAX_SHOWN / 2) + texts.len().min(MAX_SHOWN / 2);
    let more = names.len() + texts.len() - shown;
    if more > 0 || result["truncated"] == true {
        out.push_str("\n\n… and there may be more.");
    }
    Some(out)
}

/// What `files.write` wrote.
pub(super) fn write(result: &Value) -> Option<String> {
    let path = code(text(result, &["path"])?);
    let written = size(result["written_bytes"].as_f64()?);
    Some(if result["appended"] == true {
        format!("I added {written} at the end of {path}.")
    } else if let Some(previous) = text(result, &["previous"]) {
        format!(
            "I wrote {written} into {path}. The version before is in the trash: {}.",
            code(previous)
        )
    } else {
        format!("I wrote {written} into {path}, which is new.")
    })
}

/// What `files.move` moved.
pub(super) fn moved(result: &Value) -> Option<String> {
    let (from, to) = (text(result, &["from"])?, text(result, &["to"])?);
    Some(format!("I moved {} to {}.", code(from), code(to)))
}

/// What `files.trash` took away.
pub(super) fn trashed(result: &Value) -> Option<String> {
    Some(format!(
        "I put {} into the trash. It can be moved back from {}.",
        code(text(result, &["path"])?),
        code(text(result, &["trash"])?)
    ))
}

/// What `memory.forget` forgot.
pub(super) fn forgotten(result: &Value) -> Option<String> {
    let forgotten = list(result, &["forgotten"])?;
    if forgotten.is_empty() {
        return Some("It was forgotten already.".to_owned());
    }
    let mut out = format!("I forgot {}:\n", counted(forgotten.len(), "thing"));
    for memory in forgotten {
        let _ = write!(out, "\n- {}", plain(text(memory, &["text"])?));
    }
    Some(out)
}

/// What `docs.ask` found.
pub(super) fn documentation(result: &Value) -> Option<String> {
    let Some(first) = list(result, &["passages"])?.first() else {
        return Some("The documentation says nothing on that.".to_owned());
    };
    // Documentation is the system's own text, so it is shown as the CommonMark that it is.
    Some(format!(
        "{}\n\n({}, “{}”)",
        text(first, &["text"])?,
        code(text(first, &["file"])?),
        plain(text(first, &["section"])?)
    ))
}
