//! Reads the whole log and says what does not fit: changed, removed, inserted, reordered and
//! cut-off rows, each by file and line.
//!
//! It needs nothing but the files, so it works while the broker is down, and on a copy. While the
//! broker writes, what is read is a beginning of the truth: the anchor is read first, and the log is
//! never behind it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::anchor::{Anchor, Found};
use crate::chain::{Event, Link, is_torn};
use crate::{Error, KEPT, aged};

/// Most findings that are told one by one.
const MAX_FINDINGS: usize = 100;
/// Longest line that is looked at: more than a row can have.
const MAX_LINE: u64 = 1 << 20;
/// How often the logs are opened again because another one was begun meanwhile.
const MOST_ATTEMPTS: u32 = 100;
/// What is wrong with a line in front of the oldest row, where that does not begin the chain.
const BEFORE: &str = "it stands before the oldest row and is none: inserted";
/// What is said of a line that a fall left at the end.
const TORN: &str = "a torn line: the row that was being written is lost; the broker accounts for it when \
                    it starts next";

/// A row as somebody noted it down: number and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Number of the row.
    pub number: u64,
    /// Its digest.
    pub digest: String,
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(number, digest)| {
            let whole = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            Some(Self {
                number: number.parse().ok()?,
                digest: Some(digest).filter(|_| whole)?.to_ascii_lowercase(),
            })
        });
        parsed.ok_or_else(|| {
            "it must be NUMBER:DIGEST as --verify printed it, the digest with 64 digits".to_owned()
        })
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.number, self.digest)
    }
}

/// Something at a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// File.
    pub file: PathBuf,
    /// Line, from 1; for what is missing at the end, the one after the last.
    pub line: u64,
    /// What.
    pub what: String,
}

/// What the files say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Rows of the chain.
    pub rows: u64,
    /// Lines that were written before there was a chain.
    pub unchained: u64,
    /// Number of the first row that is there.
    pub first: Option<u64>,
    /// The last row. Noted down elsewhere, it pins all that is in the log now.
    pub last: Option<Pin>,
    /// What falls of the broker or the machine have cost. Nobody's doing.
    pub lost: Vec<Finding>,
    /// What does not fit.
    pub problems: Vec<Finding>,
    /// Problems beyond those that are told.
    pub more: u64,
}

impl Report {
    /// Whether everything fits.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Looks at the log at `path` and the old ones beside it. `pin` is a row that must be in it.
///
/// # Errors
/// A file cannot be read. That a file is not there is no error but a finding.
pub fn verify(path: &Path, pin: Option<&Pin>) -> Result<Report, Error> {
    let (anchor, files) = collect(path).map_err(|(file, e)| Error::reading(file, e))?;
    let mut walk = Walk {
        newest: path,
        report: Report::default(),
        anchor: match &anchor {
            Found::Anchor(anchor) => Some(anchor.clone()),
            _ => None,
        },
        pin,
        met_pin: false,
        last: None,
        doubtful: None,
        strange: None,
    };
    let mut end = (path.to_owned(), 1);
    for (file, reader) in files {
        end = (
            file.clone(),
            walk.file(&file, reader)
                .map_err(|e| Error::reading(&file, e))?
                + 1,
        );
    }
    walk.end(&end, &anchor, path);
    Ok(walk.report)
}

type Opened = (Found, Vec<(PathBuf, File)>);

/// The anchor and the logs, oldest first, as they were at one time.
fn collect(path: &Path) -> Result<Opened, (PathBuf, std::io::Error)> {
    let inode = |age| std::fs::metadata(aged(path, age)).map(|m| m.ino()).ok();
    let inodes = || (0..=KEPT).map(inode).collect::<Vec<_>>();
    for attempt in 0.. {
        let before = inodes();
        let anchor = Anchor::read(path);
        let mut files = Vec::new();
        for age in (0..=KEPT).rev() {
            let name = aged(path, age);
            match File::open(&name) {
                Ok(file) => files.push((name, file)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err((name, e)),
            }
        }
        // Another log was begun meanwhile: one may have been met twice or never. No name comes back to a
        // file that it had, so where all have the same ones they had them together.
        if inodes() == before || attempt == MOST_ATTEMPTS {
            return Ok((anchor, files));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    unreachable!("the last attempt returns")
}

/// Lines that are no rows of the chain, one behind the other, until it is known what they are.
struct Strange {
    /// About the first of them.
    finding: Finding,
    lines: u64,
    /// Of all of them but for the last one's end.
    hasher: blake3::Hasher,
    /// Whether a fall may have left each of them.
    torn: bool,
}

impl Strange {
    fn of(file: &Path, number: u64, line: &[u8], what: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(line);
        Self {
            finding: finding(file, number, what),
            lines: 1,
            hasher,
            torn: is_torn(line),
        }
    }

    fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hasher.update(b"\n").update(line);
        self.torn &= is_torn(line);
    }

    fn bytes(&self) -> u64 {
        self.hasher.count()
    }

    fn is_mended_by(&self, link: &Link) -> bool {
        link.event == Some(Event::Mended) && link.is_about(self.bytes(), &self.hasher.finalize())
    }
}

struct Walk<'a> {
    /// The log that the broker writes to, or wrote to last.
    newest: &'a Path,
    report: Report,
    anchor: Option<Anchor>,
    pin: Option<&'a Pin>,
    met_pin: bool,
    /// The row with the highest number so far, and where it stands.
    last: Option<(Link, Finding)>,
    /// Changed rows right behind it: in the place of rows, or inserted between them.
    doubtful: Option<(Link, Finding)>,
    strange: Option<Strange>,
}

impl Walk<'_> {
    fn problem(&mut self, file: &Path, line: u64, what: impl Into<String>) {
        if self.report.problems.len() >= MAX_FINDINGS {
            self.report.more += 1;
            return;
        }
        self.report.problems.push(finding(file, line, what));
    }

    /// Reads one file. Returns how many lines it has.
    fn file(&mut self, file: &Path, opened: File) -> std::io::Result<u64> {
        // What is written meanwhile is of no interest.
        let size = opened.metadata()?.len();
        let mut reader = BufReader::new(opened.take(size));
        // What stands before the chain begins in this file.
        let mut before = blake3::Hasher::new();
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            (&mut reader).take(MAX_LINE).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(number);
            }
            number += 1;
            let ended = bytes.last() == Some(&b'\n');
            let line = &bytes[..bytes.len() - usize::from(ended)];
            let too_long = !ended && bytes.len() as u64 == MAX_LINE;
            match Link::read(line) {
                Some(link) if !too_long => self.link(file, number, link, &before),
                _ if self.report.first.is_none() => {
                    self.report.unchained += 1;
                    self.strange(file, number, line, BEFORE);
                }
                _ => {
                    // Only the newest log is written to: what is put aside is complete.
                    let torn = !ended && !too_long && file == self.newest;
                    if torn {
                        self.settle_end();
                        self.report.lost.push(finding(file, number, TORN));
                    } else {
                        let what = "it is no row of the log: inserted, or a row that was damaged";
                        self.strange(file, number, line, what);
                    }
                }
            }
            before.update(&bytes);
            if too_long {
                while !bytes.ends_with(b"\n") {
                    bytes.clear();
                    if (&mut reader).take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
                        break;
                    }
                    before.update(&bytes);
                }
            }
        }
    }

    /// What the first row says of the lines before it.
    fn begin(&mut self, link: &Link) {
        if self.report.first.is_some() || self.strange.is_none() {
            return;
        }
        let unknown = link.event == Some(Event::Gap) && link.arguments["up_to"].is_null();
        let torn = self
            .strange
            .as_ref()
            .is_some_and(|s| s.is_mended_by(link) && s.lines == self.report.unchained);
        if link.event == Some(Event::Begin) || unknown || !link.fits {
            // Its arguments, or the problem that it is itself, are about all of them.
            self.strange = None;
        } else if torn {
            self.report.unchained = 0;
        } else {
            // They are not what was there before the chain.
            self.settle();
        }
    }

    /// A line that is no row.
    fn strange(&mut self, file: &Path, number: u64, line: &[u8], what: &str) {
        match &mut self.strange {
            Some(strange) if strange.finding.file == file => return strange.add(line),
            // Before the chain begins each log has such lines.
            _ if self.report.first.is_none() => {}
            _ => self.settle(),
        }
        self.strange = Some(Strange::of(file, number, line, what));
    }

    /// Strange lines that nothing accounts for.
    fn settle(&mut self) {
        if let Some(Strange { finding, lines, .. }) = self.strange.take() {
            let what = match lines {
                1 => finding.what,
                _ => format!("{} (this and the next {})", finding.what, lines - 1),
            };
            self.problem(&finding.file, finding.line, what);
        }
    }

    /// Strange lines at the end: there are some after a fall that came before an earlier one was
    /// accounted for.
    fn settle_end(&mut self) {
        let last = self.last.as_ref().map_or(0, |(last, _)| last.number);
        let cut_off = self.anchor.as_ref().is_some_and(|a| a.last > last);
        let newest = self.newest;
        let fell = |s: &mut Strange| s.torn && !cut_off && s.finding.file == newest;
        match self.strange.take_if(fell) {
            Some(strange) => {
                let Finding { file, line, .. } = strange.finding;
                self.report.lost.push(finding(&file, line, TORN));
            }
            None => self.settle(),
        }
    }

    fn link(&mut self, file: &Path, line: u64, link: Link, before: &blake3::Hasher) {
        self.report.rows += 1;
        self.begin(&link);
        if !link.fits {
            self.settle();
            let what = format!("row {} was changed: its digest is not its own", link.number);
            self.problem(file, line, what);
            self.report.first.get_or_insert(link.number);
            return self.doubt(file, line, link);
        }
        self.leave_doubt(&link);
        match link.event {
            Some(Event::Mended) => {
                if let Some(strange) = self.strange.take_if(|s| s.is_mended_by(&link)) {
                    let what = format!(
                        "a torn line of {} bytes: a fall cost the row that was being written",
                        strange.bytes()
                    );
                    self.report.lost.push(finding(
                        &strange.finding.file,
                        strange.finding.line,
                        what,
                    ));
                }
            }
            Some(Event::Begin) if !link.is_about(before.count(), &before.finalize()) => {
                self.problem(
                    file,
                    line,
                    "what stands before the beginning of the chain was changed",
                );
            }
            Some(Event::Gap) if link.arguments["up_to"].is_null() => self.problem(
                file,
                line,
                "the anchor was gone or damaged when the broker started: whether rows were cut off \
                 before this one is not known",
            ),
            _ => {}
        }
        self.settle();
        self.place(file, line, &link);
        if self
            .pin
            .is_some_and(|p| p.number == link.number && p.digest == link.digest)
        {
            self.met_pin = true;
        }
        let anchored = self.anchor.as_ref().filter(|a| a.last == link.number);
        if anchored.is_some_and(|a| a.digest != link.digest) {
            self.problem(
                file,
                line,
                format!(
                    "row {} is not the one that the anchor knows: it was changed, or what is \
                     before it",
                    link.number
                ),
            );
        }
        self.report.first.get_or_insert(link.number);
        if self
            .last
            .as_ref()
            .is_none_or(|(last, _)| last.number < link.number)
        {
            self.last = Some((link, finding(file, line, "")));
        }
    }

    /// A changed row, whose own number says nothing: perhaps the one that belongs here.
    fn doubt(&mut self, file: &Path, line: u64, mut link: Link) {
        if let Some((before, _)) = self.doubtful.as_ref().or(self.last.as_ref()) {
            link.number = before.number.saturating_add(1);
        }
        self.doubtful = Some((link, finding(file, line, "")));
    }

    /// The next row says what the changed ones were.
    fn leave_doubt(&mut self, next: &Link) {
        if let Some(doubtful) = self.doubtful.take() {
            let follows = next.previous == doubtful.0.digest;
            let belongs = self.last.as_ref().is_none_or(|(last, _)| {
                next.previous != last.digest && next.number > doubtful.0.number
            });
            if follows || belongs {
                self.last = Some(doubtful);
            }
        }
    }

    /// Whether the row stands where its number belongs.
    fn place(&mut self, file: &Path, line: u64, link: &Link) {
        let number = link.number;
        let Some((last, stands)) = &self.last else {
            // Rows before the anchor's first were given up with old logs.
            let first = self.anchor.as_ref().map_or(1, |a| a.first);
            if number > first {
                self.problem(file, line, missing(first, number - 1, "before this line"));
            }
            return;
        };
        let what = if number <= last.number {
            let before = last.number;
            format!("row {number} stands behind row {before}: reordered, or inserted")
        } else if number - last.number > 1 {
            missing(last.number + 1, number - 1, "before this line")
        } else if link.previous != last.digest {
            format!(
                "row {number} does not follow row {} at {}:{}: one of them was replaced",
                last.number,
                stands.file.display(),
                stands.line
            )
        } else {
            return;
        };
        self.problem(file, line, what);
    }

    fn end(&mut self, end: &(PathBuf, u64), anchor: &Found, path: &Path) {
        if self.report.first.is_some() {
            self.settle_end();
        }
        if let Some(doubtful) = self.doubtful.take() {
            self.last = Some(doubtful);
        }
        let (file, line) = (&end.0, end.1);
        let last = self.last.as_ref().map_or(0, |(last, _)| last.number);
        let place = Anchor::path(path);
        match anchor {
            Found::Anchor(anchor) if anchor.last > last => {
                let from = (last + 1).max(anchor.first);
                self.problem(
                    file,
                    line,
                    missing(from, anchor.last, "at the end: it was cut off"),
                );
            }
            Found::Nothing if last > 1 => self.problem(
                &place,
                1,
                "the anchor is gone: whether the end of the log was cut off is not known",
            ),
            Found::Damaged(why) => {
                let what = format!("the anchor cannot be understood: {why}");
                self.problem(&place, 1, what);
            }
            _ => {}
        }
        if let Some(pin) = self.pin
            && !self.met_pin
        {
            let gone = self.report.first.is_some_and(|first| pin.number < first);
            let what = if gone {
                format!(
                    "row {} was given up with an old log, so it pins nothing",
                    pin.number
                )
            } else {
                format!(
                    "row {} is not the one that was noted: the log was rewritten",
                    pin.number
                )
            };
            self.problem(file, line, what);
        }
        self.report.last = self.last.as_ref().map(|(link, _)| Pin {
            number: link.number,
            digest: link.digest.clone(),
        });
    }
}

fn finding(file: &Path, line: u64, what: impl Into<String>) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        what: what.into(),
    }
}

fn missing(from: u64, to: u64, place: &str) -> String {
    if from == to {
        format!("row {from} is missing {place}")
    } else {
        format!("rows {from} to {to} are missing {place}")
    }
}
