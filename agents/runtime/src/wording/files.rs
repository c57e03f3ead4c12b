//! Words for files and notes that were found, written, moved.

use std::fmt::Write;

use serde_json::Value;

use super::{MAX_SHOWN, code, counted, fenced, list, plain, size, text};

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

/// What `docs.ask` found: the best passage, where it stands, and where else to look.
pub(super) fn documentation(result: &Value) -> Option<String> {
    let passages = list(result, &["passages"])?;
    let Some((first, others)) = passages.split_first() else {
        return Some("The documentation says nothing on that.".to_owned());
    };
    // Documentation of the system is shown as the CommonMark that it is. A manual page is plain text.
    let quoted = match text(first, &["file"]) {
        Some(_) => text(first, &["text"])?.to_owned(),
        None => fenced(&wrapped(text(first, &["text"])?, COLUMNS)),
    };
    let mut out = format!("{quoted}\n\n— {}", place(first)?);
    if first["truncated"] == true {
        out.push_str(", which goes on");
    }
    out.push('.');
    let others: Vec<String> = others.iter().filter_map(place).collect();
    if !others.is_empty() {
        let _ = write!(out, "\n\nSee also {}.", others.join("; "));
    }
    if let Some(why) = text(result, &["ranked_by_words_because"]) {
        let _ = write!(out, "\n\nI looked for its words only: {}.", plain(why));
    }
    Some(out)
}

/// Where a passage stands: the file and line, or the manual page, and the headings above it.
fn place(passage: &Value) -> Option<String> {
    let mut out = match text(passage, &["file"]) {
        Some(file) => format!("{}, line {}", code(file), passage["line"]),
        None => format!("manual page {}", code(text(passage, &["source"])?)),
    };
    let section = text(passage, &["section"])?;
    if !section.is_empty() {
        let _ = write!(out, ", “{}”", plain(&section.replace(" > ", " › ")));
    }
    Some(out)
}

/// Columns of quoted plain text.
const COLUMNS: usize = 76;

/// Breaks lines between words where they are too long; what goes on keeps the line's indentation.
fn wrapped(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for line in text.lines() {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        if line.chars().count() <= columns {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let mut width = indent.chars().count();
        out.push_str(&indent);
        let mut first = true;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if !first && width + 1 + length > columns {
                out.push('\n');
                out.push_str(&indent);
                width = indent.chars().count();
                first = true;
            }
            if !first {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
            first = false;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_passage_is_quoted_with_its_place() {
        let page = json!({"file": "/usr/share/doc/argos/desktop.md", "line": 12, "source": "desktop.md",
            "section": "Desktop > Keys", "text": "**Super** opens it.", "truncated": false});
        let manual = json!({"source": "foot.ini(5)", "section": "SECTION: main", "truncated": true,
            "text": format!("font\n    {}", "*list* of fonts ".repeat(12))});
        let told = documentation(&json!({"passages": [page, manual]})).unwrap();
        assert_eq!(
            told,
            "**Super** opens it.\n\n— `/usr/share/doc/argos/desktop.md`, line 12, “Desktop › Keys”.\n\n\
             See also manual page `foot.ini(5)`, “SECTION: main”."
        );
        let told =
            documentation(&json!({"passages": [manual], "ranked_by_words_because": "it sleeps"}));
        let told = told.unwrap();
        // As it is, in lines that a terminal shows.
        assert!(told.starts_with("```\nfont\n    *list* of fonts"), "{told}");
        assert!(
            told.lines().all(|line| line.chars().count() <= COLUMNS),
            "{told}"
        );
        assert!(
            told.contains("— manual page `foot.ini(5)`, “SECTION: main”, which goes on."),
            "{told}"
        );
        assert!(told.ends_with("its words only: it sleeps."), "{told}");
        let told = documentation(&json!({"passages": []})).unwrap();
        assert_eq!(told, "The documentation says nothing on that.");
    }
}
