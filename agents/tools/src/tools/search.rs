//! What `files.search` and `notes.search` have in common: a walk through a folder, and looking for
//! words in names and in the text of files.
//!
//! The broker walks: it opens each folder and file beneath what was granted and sees names only. What
//! stands in a file is read by the worker, a few dozen open files at a time. Hidden folders and files
//! are left out as in other searches, other file systems are not entered and links not followed; the
//! result counts what was left out, and says where a bound cut it.

use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, RawDir};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::files;
use crate::beneath::{file_in, folder_in};
use crate::protocol::MAX_FDS;
use crate::{Call, Code, Env, ToolError, text};

/// Longest query, in bytes; the schemas say 200 characters.
pub(super) const MOST_QUERY: usize = 800;
/// Most results of each kind, by name and by content.
const MOST_RESULTS: usize = 50;
/// Longest time. The rest of a tool's time is for the last files to be read.
const TIME: Duration = Duration::from_secs(10);
const MOST_ENTRIES: u64 = 200_000;
const MOST_DEPTH: usize = 32;
/// Folders that may wait to be walked through.
const MOST_WAITING: usize = 20_000;
/// Larger files are not read.
const MOST_SIZE: u64 = 8 << 20;
/// Text that is read in all, in bytes.
const MOST_READ: u64 = 512 << 20;
/// Longest piece of a line that is shown, in characters.
const MOST_LINE: usize = 200;

/// What is looked for, in small letters.
#[derive(Debug, Clone)]
struct Wanted {
    words: Vec<String>,
    /// The pieces between the stars of `*.pdf`, where the query has some.
    pieces: Option<Vec<String>>,
}

impl Wanted {
    fn new(query: &str) -> Self {
        let query = query.trim().to_lowercase();
        let pieces = query
            .contains('*')
            .then(|| query.split('*').map(str::to_owned).collect());
        Self {
            words: query.split_whitespace().map(str::to_owned).collect(),
            pieces,
        }
    }

    fn fits_name(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        match &self.pieces {
            Some(pieces) => glob(pieces, &name),
            None => self.fits_text(&name),
        }
    }

    /// Text in small letters.
    fn fits_text(&self, text: &str) -> bool {
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

/// Whether `name` is the pieces in their order, with anything between two of them.
fn glob(pieces: &[String], name: &str) -> bool {
    let (Some((first, rest)), name) = (pieces.split_first(), name) else {
        return false;
    };
    let Some(mut name) = name.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return name.is_empty();
    };
    for piece in middle {
        match name.find(piece.as_str()) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(last.as_str())
}

/// What was left out, and whether a bound cut the search.
#[derive(Debug, Default, Serialize)]
struct Left {
    hidden: u64,
    refused: u64,
    binary: u64,
    large: u64,
    unreadable: u64,
    other_file_systems: u64,
}

/// What the walk passes on.
enum Step {
    /// A name fits.
    Name { path: PathBuf, kind: &'static str },
    /// Files to be looked into.
    Files(Vec<(PathBuf, OwnedFd)>),
}

/// Searches an open folder, which the person knows as `place`.
pub(super) async fn run(
    call: &Call,
    env: &Env,
    folder: OwnedFd,
    place: &Path,
    query: &str,
) -> Result<Value, ToolError> {
    let wanted = Wanted::new(query);
    if wanted.words.is_empty() {
        return Err(ToolError::new(
            Code::InvalidArguments,
            call.tool,
            "there is no word in the query",
        ));
    }
    let contents = wanted.pieces.is_none();
    let (steps, mut walked) = mpsc::channel(2);
    let until = Instant::now() + TIME;
    let refused: HashSet<PathBuf> = env
        .refused
        .iter()
        .filter_map(|path| path.strip_prefix(place).ok().map(Path::to_owned))
        .collect();
    // Ends by itself soon after the receiver is dropped, also when this call is given up.
    let walk = tokio::task::spawn_blocking({
        let wanted = wanted.clone();
        move || {
            Walk {
                folder,
                wanted,
                contents,
                refused,
                until,
                steps,
                left: Left::default(),
                entries: 0,
            }
            .run()
        }
    });
    let mut names: Vec<Value> = Vec::new();
    let mut texts: Vec<Value> = Vec::new();
    let (mut cut, mut binary) = (None, 0);
    while let Some(step) = walked.recv().await {
        match step {
            Step::Name { path, kind } if names.len() < MOST_RESULTS => {
                names.push(json!({"path": place.join(path), "kind": kind}));
            }
            Step::Name { .. } => cut = Some("there are more names that fit"),
            Step::Files(files) if texts.len() < MOST_RESULTS => {
                let (paths, fds): (Vec<_>, Vec<_>) = files.into_iter().unzip();
                let looked =
                    files::in_worker(call, env, json!({"words": wanted.words}), fds).await?;
                let looked: Looked = super::arguments_of(call.tool, looked)?;
                binary += looked.binary;
                for found in looked.found {
                    let Some(path) = paths.get(found.index) else {
                        return Err(ToolError::new(
                            Code::Failed,
                            call.tool,
                            "the worker answered nonsense",
                        ));
                    };
                    if texts.len() == MOST_RESULTS {
                        cut = Some("there are more texts that fit");
                        break;
                    }
                    texts.push(json!({
                        "path": place.join(path), "line": found.line, "text": text::shown(&found.text, MOST_LINE),
                        "lines": found.lines,
                    }));
                }
            }
            Step::Files(_) => cut = Some("there may be more texts that fit"),
        }
        if names.len() >= MOST_RESULTS && (texts.len() >= MOST_RESULTS || !contents) {
            cut = Some("there are more that fit");
            break;
        }
    }
    drop(walked);
    let (mut left, ended, entries) = walk
        .await
        .map_err(|error| ToolError::new(Code::Failed, call.tool, error.to_string()))?;
    cut = ended.or(cut);
    left.binary = binary;
    let by_path = |a: &Value, b: &Value| a["path"].as_str().cmp(&b["path"].as_str());
    names.sort_by(by_path);
    texts.sort_by(by_path);
    let mut told = json!({
        "path": place, "names": names, "texts": texts, "entries": entries, "left_out": left,
        "truncated": cut.is_some(),
    });
    if let Some(why) = cut {
        told["truncated_why"] = why.into();
    }
    Ok(told)
}

/// The broker's half: folders and files beneath one folder, breadth first.
struct Walk {
    folder: OwnedFd,
    wanted: Wanted,
    contents: bool,
    /// Beneath the folder.
    refused: HashSet<PathBuf>,
    until: Instant,
    steps: mpsc::Sender<Step>,
    left: Left,
    entries: u64,
}

impl Walk {
    /// What was left out, which bound it ran into, and how many files and folders it looked at.
    fn run(mut self) -> (Left, Option<&'static str>, u64) {
        let cut = self.walk();
        (self.left, cut, self.entries)
    }

    /// Returns which bound it ran into.
    fn walk(&mut self) -> Option<&'static str> {
        let mut cut = None;
        let mut waiting = VecDeque::from([(PathBuf::new(), 0)]);
        let mut batch = Vec::new();
        let mut read = 0;
        while let Some((path, depth)) = waiting.pop_front() {
            let folder = if depth == 0 {
                folder_in(&self.folder, OsStr::new("."), true)
            } else {
                folder_in(&self.folder, path.as_os_str(), true)
            };
            let folder = match folder {
                Ok(folder) => folder,
                Err(error) => {
                    self.passed(&error);
                    continue;
                }
            };
            for (name, kind) in self.entries(&folder) {
                self.entries += 1;
                if self.entries > MOST_ENTRIES {
                    return Some("it holds too many files to go through");
                }
                if self.steps.is_closed() {
                    return cut;
                }
                if Instant::now() > self.until {
                    return Some("the time was up");
                }
                if name.as_bytes().starts_with(b".") {
                    self.left.hidden += 1;
                    continue;
                }
                let within = path.join(&name);
                if self.refused.contains(&within) {
                    self.left.refused += 1;
                    continue;
                }
                let word = match kind {
                    FileType::Directory => "folder",
                    FileType::RegularFile => "file",
                    FileType::Symlink => "link",
                    _ => continue,
                };
                if self.wanted.fits_name(&name.to_string_lossy()) {
                    let step = Step::Name {
                        path: within.clone(),
                        kind: word,
                    };
                    if self.steps.blocking_send(step).is_err() {
                        return cut;
                    }
                }
                match kind {
                    FileType::Directory if depth + 1 > MOST_DEPTH => {
                        cut = Some("it is nested too deep");
                    }
                    FileType::Directory if waiting.len() >= MOST_WAITING => {
                        cut = Some("it holds too many folders to go through");
                    }
                    FileType::Directory => waiting.push_back((within, depth + 1)),
                    FileType::RegularFile if self.contents => {
                        match file_in(&folder, &name) {
                            Ok(Some((_, size))) if size > MOST_SIZE => self.left.large += 1,
                            Ok(Some((_, size))) if read + size > MOST_READ => {
                                cut = Some("it holds too much text to read");
                            }
                            Ok(Some((_, 0)) | None) => {}
                            Ok(Some((file, size))) => {
                                read += size;
                                batch.push((within, file));
                            }
                            Err(error) => self.passed(&error),
                        }
                        if batch.len() == MAX_FDS
                            && self
                                .steps
                                .blocking_send(Step::Files(std::mem::take(&mut batch)))
                                .is_err()
                        {
                            return cut;
                        }
                    }
                    _ => {}
                }
            }
        }
        if !batch.is_empty() {
            // As in `run`.
            let _ = self.steps.blocking_send(Step::Files(batch));
        }
        cut
    }

    fn passed(&mut self, error: &std::io::Error) {
        if error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error()) {
            self.left.other_file_systems += 1;
        } else {
            self.left.unreadable += 1;
        }
    }

    /// Names and kinds in an open folder, as many as are taken in all.
    fn entries(&mut self, folder: &OwnedFd) -> Vec<(OsString, FileType)> {
        let mut buffer = vec![MaybeUninit::uninit(); 32 << 10];
        let mut raw = RawDir::new(folder, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let Ok(entry) = entry else {
                self.left.unreadable += 1;
                break;
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let kind = match entry.file_type() {
                // File systems that do not say it in the listing.
                FileType::Unknown => {
                    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                        Err(_) => continue,
                    }
                }
                kind => kind,
            };
            entries.push((OsStr::from_bytes(name.to_bytes()).to_owned(), kind));
            if entries.len() as u64 > MOST_ENTRIES || Instant::now() > self.until {
                break;
            }
        }
        entries
    }
}

/// What the worker found in the files of one request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    found: Vec<Found>,
    binary: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    /// Which of the descriptors.
    index: usize,
    /// The first line that fits, from 1, and how many do.
    line: u64,
    text: String,
    lines: u64,
}

/// The worker's half: looks for lines that have all the words.
pub(super) fn work(arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Words {
        words: Vec<String>,
    }
    let Words { words } = super::arguments_of("search", arguments)?;
    let wanted = Wanted {
        words,
        pieces: None,
    };
    let mut looked = Looked {
        found: Vec::new(),
        binary: 0,
    };
    for (index, fd) in fds.into_iter().enumerate() {
        let mut bytes = Vec::new();
        // It may have grown since, or be gone with its disk.
        if File::from(fd)
            .take(MOST_SIZE)
            .read_to_end(&mut bytes)
            .is_err()
        {
            continue;
        }
        // A NUL in its beginning is how a text is told from all else.
        if bytes[..bytes.len().min(8 << 10)].contains(&0) {
            looked.binary += 1;
            continue;
        }
        looked.found.extend(look(&wanted, &bytes, index));
    }
    serde_json::to_value(looked)
        .map_err(|error| ToolError::new(Code::Failed, "search", error.to_string()))
}

fn look(wanted: &Wanted, bytes: &[u8], index: usize) -> Option<Found> {
    let mut found: Option<Found> = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = String::from_utf8_lossy(line);
        if !wanted.fits_text(&line.to_lowercase()) {
            continue;
        }
        match &mut found {
            Some(found) => found.lines += 1,
            None => {
                let text = around(line.trim(), wanted.words.first().map_or("", String::as_str));
                found = Some(Found {
                    index,
                    line: number,
                    text,
                    lines: 1,
                });
            }
        }
    }
    found
}

/// The piece of a line around a word, so that it can be seen in a line of any length.
fn around(line: &str, word: &str) -> String {
    let at = line.to_lowercase().find(word).unwrap_or(0);
    // Small letters may take more bytes than the line has; then its beginning has to do.
    let before = line.get(..at).map_or(0, |before| before.chars().count());
    line.chars()
        .skip(before.saturating_sub(MOST_LINE / 4))
        .take(MOST_LINE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_words_and_stars() {
        for (query, name, fits) in [
            ("tax", "Tax 2025.pdf", true),
            ("2025 tax", "Tax 2025.pdf", true),
            ("*.pdf", "Tax 2025.PDF", true),
            ("*.pdf", "pdf.txt", false),
            ("tax*", "Tax 2025.pdf", true),
            ("t*2*df", "Tax 2025.pdf", true),
            ("*", "anything", true),
            ("a*a", "a", false),
            ("ÜBER", "über uns.txt", true),
            ("tax 2024", "Tax 2025.pdf", false),
        ] {
            assert_eq!(Wanted::new(query).fits_name(name), fits, "{query} {name}");
        }
    }

    #[test]
    fn the_piece_of_a_long_line_has_the_word_in_it() {
        let line = format!("{}needle{}", "ä".repeat(1000), "x".repeat(1000));
        assert!(around(&line, "needle").contains("needle"));
        assert!(around(&"İ".repeat(300), "i").chars().count() <= MOST_LINE);
    }
}
