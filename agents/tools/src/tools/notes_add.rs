//! `notes.add`: a new file in the person's folder of notes.
//!
//! The broker makes the file under a temporary name, the worker writes and syncs it, the broker
//! gives it its name: a note is there as a whole or not at all, and never replaces another.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, files};
use crate::beneath::open_folder;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

const MOST_TEXT: usize = 64 << 10;
/// In bytes; the schema says 120 characters.
const MOST_TITLE: usize = 480;
/// Characters of a title that is made from the text.
const MOST_WORDS: usize = 60;

pub(crate) struct NotesAdd;

/// What to note down.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// The note (CommonMark).
    #[schemars(length(min = 1, max = 65536))]
    text: String,
    /// Title; the beginning of the text where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 120))]
    title: Option<String>,
}

impl Definition for NotesAdd {
    const NAME: &'static str = "notes.add";
    const DESCRIPTION: &'static str = "Adds a note to the person's notes";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "text", &arguments.text, MOST_TEXT)?;
        text::prose(Self::NAME, "text", &arguments.text)?;
        if let Some(title) = &arguments.title {
            text::sized(Self::NAME, "title", title, MOST_TITLE)?;
            text::plain(Self::NAME, "title", title)?;
        }
        let title = match &arguments.title {
            Some(title) => title.trim().to_owned(),
            None => beginning(&arguments.text),
        };
        let title = Some(title).filter(|title| !title.is_empty());
        let arguments = Arguments {
            text: arguments.text,
            title,
        };
        Resolved::new(
            &arguments,
            "notes",
            "Add one note to your notes; existing ones stay as they are.",
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let title = arguments.title.clone().unwrap_or_default();
            let folder = env.context.notes.clone();
            let (draft, file) = {
                let folder = folder.clone();
                super::blocking(Self::NAME, move || Draft::new(&folder)).await?
            };
            files::in_worker(
                call,
                env,
                json!({"text": arguments.text, "title": title}),
                vec![file],
            )
            .await?;
            let today = jiff::Zoned::now().strftime("%Y-%m-%d").to_string();
            let name = super::blocking(Self::NAME, move || draft.publish(&today, &title)).await?;
            Ok(json!({"path": folder.join(name)}))
        })
    }
}

/// The first words of the first line, fit for a title; empty where there are none.
fn beginning(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let line = line
        .trim_start_matches(['#', ' ', '-', '*'])
        .replace('\t', " ");
    let title = text::shown(&line, MOST_WORDS + 1);
    let Some((end, _)) = title.char_indices().nth(MOST_WORDS) else {
        return title.trim().to_owned();
    };
    // Not in the middle of a word, if there is more than one.
    let cut = &title[..end];
    cut.rsplit_once(' ')
        .map_or(cut, |(words, _)| words)
        .trim()
        .to_owned()
}

/// A file in the folder of notes that has no name for people yet. Removed unless published.
struct Draft {
    folder: Arc<OwnedFd>,
    name: String,
}

impl Draft {
    fn new(folder: &PathBuf) -> Result<(Self, OwnedFd), ToolError> {
        let tried = || format!("{} in {}", NotesAdd::NAME, folder.display());
        let failed = |error: &std::io::Error| ToolError::io(tried(), error);
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        // The folder itself is the person's: where they made it a link, that is what they want.
        let place = folder.canonicalize().map_err(|error| failed(&error))?;
        let folder = Arc::new(open_folder(&place).map_err(|error| failed(&error))?);
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| failed(&error.into()))?;
        let name = format!(".note-{:016x}.part", u64::from_ne_bytes(random));
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&*folder, &name, flags, Mode::from_raw_mode(0o600))
            .map_err(|error| failed(&error.into()))?;
        Ok((Self { folder, name }, file))
    }

    /// Gives the draft its name, without replacing a note that has it, and returns the name.
    fn publish(self, today: &str, title: &str) -> Result<String, ToolError> {
        let title = file_name(title);
        let base = if title.is_empty() {
            today.to_owned()
        } else {
            format!("{today} {title}")
        };
        for number in 1..1000 {
            let name = if number == 1 {
                format!("{base}.md")
            } else {
                format!("{base} {number}.md")
            };
            match rustix::fs::renameat_with(
                &*self.folder,
                &self.name,
                &*self.folder,
                &name,
                RenameFlags::NOREPLACE,
            ) {
                Ok(()) => {
                    // The name is on disk once the folder is.
                    rustix::fs::fsync(&*self.folder)
                        .map_err(|error| ToolError::io(NotesAdd::NAME, &error.into()))?;
                    return Ok(name);
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(ToolError::io(NotesAdd::NAME, &error.into())),
            }
        }
        Err(ToolError::new(
            Code::LimitReached,
            NotesAdd::NAME,
            "a thousand notes of today have this title",
        )
        .hint("Choose another title"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a publication the name is gone, and this finds nothing.
        let _ = rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty());
    }
}

/// A title as part of a file's name.
fn file_name(title: &str) -> String {
    let name: String = title
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | ',' | '\'') {
                c
            } else {
                ' '
            }
        })
        .collect();
    let mut name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    while name.len() > 120 {
        name.pop();
    }
    name
}

/// Writes the note into an open file.
pub(super) fn work(arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    let mut file = File::from(files::only(NotesAdd::NAME, fds)?);
    let text = arguments["text"].as_str().unwrap_or_default().trim();
    let title = arguments["title"].as_str().unwrap_or_default();
    let mut note = String::with_capacity(text.len() + title.len() + 8);
    // A note that is nothing but its title need not say it twice.
    if !title.is_empty() && title != text && !text.starts_with('#') {
        note.push_str("# ");
        note.push_str(title);
        note.push_str("\n\n");
    }
    note.push_str(text);
    note.push('\n');
    file.write_all(note.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| ToolError::io(NotesAdd::NAME, &error))?;
    Ok(json!({"size_bytes": note.len()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_from_the_text() {
        assert_eq!(beginning("# Milk\nand more"), "Milk");
        assert_eq!(beginning("buy milk"), "buy milk");
        let long = "word ".repeat(30);
        assert!(beginning(&long).len() <= 60 && beginning(&long).ends_with("word"));
        assert_eq!(beginning(&"x".repeat(100)).len(), 60);
        assert_eq!(beginning("a\tb\u{200d}c"), "a bc");
        assert_eq!(beginning("###\nx"), "");
    }

    #[test]
    fn file_names_hold_no_paths() {
        assert_eq!(file_name("../../etc/passwd"), "etc passwd");
        assert_eq!(file_name("a/b:c*d"), "a b c d");
        assert_eq!(file_name("..."), "");
        assert!(file_name(&"é".repeat(120)).len() <= 120);
    }

    #[test]
    fn a_draft_never_replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().canonicalize().unwrap().join("Notes");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("2026-01-01 Milk.md"), "old").unwrap();
        let (draft, _file) = Draft::new(&place).unwrap();
        assert_eq!(
            draft.publish("2026-01-01", "Milk").unwrap(),
            "2026-01-01 Milk 2.md"
        );
        assert_eq!(
            std::fs::read(place.join("2026-01-01 Milk.md")).unwrap(),
            b"old"
        );
        drop(Draft::new(&place).unwrap());
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 2);
    }
}
