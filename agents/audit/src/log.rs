//! The broker's side of the log.
//!
//! ```text
//!  reserve room -> (act) -> append: in the log, the broker may be killed -> commit: on disk, the
//!                                                                           power may be cut
//! ```
//!
//! A row is in the log before its result is delivered. So that this cannot fail *after* a tool has
//! acted, room for the row is reserved before the tool runs: a full disk stops the call, not the
//! record of it, and rows of other calls do not take that room. [`Commit::Now`] waits for the disk;
//! other rows are committed together by a thread of the log's own, [`GROUP`] after the first of them.
//! Where that fails no more room is given, so that nothing is done, until a commit succeeds.
//!
//! The log does not grow for ever: at [`MAX_LOG`] it becomes `audit.jsonl.1`, what was that becomes
//! `.2`, and so on; the oldest is given up. Where a new log cannot be begun the old one goes on: a
//! log that is too long is better than a row that is lost.
//!
//! Opening looks at what is there: a torn line is ended and a row says so; rows that the anchor
//! knows and that are gone leave their numbers unused for ever, and a row says that too. Where the row
//! that the anchor knows was replaced the chain goes on from what the anchor knows, so that the break
//! stays. One broker at a time may have the log open.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tracing::{error, warn};

use crate::anchor::{Anchor, Found};
use crate::chain::{Event, Head, Link, is_torn};
use crate::{Error, KEPT, Row, aged, beside};

/// Arguments longer than this are recorded as their beginning and their hash, in bytes.
const MAX_ARGUMENTS: usize = 16 << 10;
/// The same for calls that were turned away before there was anything to decide: they are as many
/// as the agent likes.
const MAX_ARGUMENTS_UNDECIDED: usize = 1 << 10;
/// Longest error that is recorded, in bytes.
const MAX_ERROR: usize = 4 << 10;
/// Room reserved ahead of each call: more than a row can take.
const RESERVE: u64 = 64 << 10;
/// Rows that room is reserved for beyond those that ask for it, so that most need not ask the disk.
const AHEAD: u64 = 16;
/// Size from which on a new log is begun, in bytes.
pub(crate) const MAX_LOG: u64 = 16 << 20;
/// How much of the logs' end is read for [`Audit::tail`].
const MAX_TAIL: u64 = 8 << 20;
/// How much of a log's end is searched for its last row.
const MAX_SEARCH: u64 = 1 << 20;
/// Rows that come within this time are committed together.
pub(crate) const GROUP: Duration = Duration::from_millis(500);
/// How long an earlier broker may take to let go of the log.
const LETTING_GO: Duration = Duration::from_secs(5);

/// When a row is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Within a second, together with others.
    Grouped,
    /// Before `append` returns.
    Now,
}

/// Room in the log for one row.
#[derive(Debug)]
#[must_use = "room that is not used up by a row stays reserved"]
pub struct Room(());

/// The open log.
#[derive(Debug)]
pub struct Audit {
    shared: Arc<Shared>,
    committer: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Tells the committer that there is something to do.
    wake: Condvar,
    /// Whose turn it is to commit.
    turn: Mutex<()>,
    anchor: Mutex<Anchor>,
    /// Holds the lock on the folder.
    _lock: File,
}

#[derive(Debug)]
struct Inner {
    file: Arc<File>,
    head: Head,
    /// Rows that room is reserved for.
    reserved: u64,
    /// Where the disk space that is held for rows ends.
    held: u64,
    /// Size from which on a new log is begun.
    max: u64,
    /// Whether there are rows that are not committed.
    dirty: bool,
    /// Whether the last commit failed.
    failed: bool,
    ending: bool,
}

impl Inner {
    /// Whether a row without room of its own, which ends there, leaves what others reserved.
    fn has_room_beside(&self, end: u64) -> bool {
        self.reserved == 0 || end + self.reserved * RESERVE <= self.held
    }
}

impl Audit {
    /// Opens the log for appending and makes its folder. Only its owner can read it. `now` is the
    /// time, as in [`Row::time`].
    ///
    /// # Errors
    /// It cannot be made or read, or another broker has it open.
    pub fn open(path: &Path, now: &str) -> Result<Self, Error> {
        Self::open_with(path, now, MAX_LOG)
    }

    pub(crate) fn open_with(path: &Path, now: &str, max: u64) -> Result<Self, Error> {
        let fail = |what| move |source| Error::disk(path, what, source);
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder).map_err(fail("the folder cannot be made"))?;
        let lock = only_one(folder).map_err(|source| Error {
            path: path.to_owned(),
            what: "the audit log cannot be opened",
            source,
            hint: "end the other argos-broker, then try again",
        })?;
        let file = open(path).map_err(fail("the audit log cannot be opened"))?;
        let seen = Seen::of(path, &file).map_err(fail("the audit log cannot be read"))?;
        let (head, anchor, events) = seen.resume(path, now);
        let audit = Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                inner: Mutex::new(Inner {
                    file: Arc::new(file),
                    head,
                    reserved: 0,
                    held: 0,
                    max,
                    // The log itself must outlive a power cut, not only its rows.
                    dirty: true,
                    failed: false,
                    ending: false,
                }),
                wake: Condvar::new(),
                turn: Mutex::default(),
                anchor: Mutex::new(anchor),
                _lock: lock,
            }),
            committer: None,
        };
        if seen.unended {
            (&*lock_of(&audit.shared.inner).file)
                .write_all(b"\n")
                .map_err(fail("the audit log cannot be written"))?;
        }
        for (row, event) in events {
            audit.shared.write(&row, Some(event), None, None)?;
        }
        sync_folder(path).map_err(fail("the folder cannot be written"))?;
        audit.shared.commit()?;
        audit.started()
    }

    fn started(mut self) -> Result<Self, Error> {
        let shared = Arc::clone(&self.shared);
        let committer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || shared.commit_groups())
            .map_err(|e| Error::disk(&self.shared.path, "no thread to commit rows", e))?;
        self.committer = Some(committer);
        Ok(self)
    }

    /// Makes sure that a row will fit.
    ///
    /// # Errors
    /// The disk is full or broken. Nothing may run then.
    pub fn reserve(&self) -> Result<Room, Error> {
        if lock_of(&self.shared.inner).failed {
            self.shared.commit()?;
        }
        let mut inner = lock_of(&self.shared.inner);
        self.shared.begin_another_if_full(&mut inner);
        let rows = inner.reserved + 1;
        let end = inner.file.metadata().map(|m| m.len());
        inner.held = end
            .and_then(|end| hold(&inner.file, end, rows))
            .map_err(|e| Error::disk(&self.shared.path, "no room for an audit row", e))?;
        inner.reserved = rows;
        Ok(Room(()))
    }

    /// [`Self::reserve`] where that waits for no disk: `None` where it might, or fails.
    pub fn reserve_at_once(&self) -> Option<Room> {
        let mut inner = self.shared.at_once()?;
        let end = inner.file.metadata().ok()?.len();
        let rows = inner.reserved + 1;
        if inner.failed || end + rows * RESERVE > inner.held {
            return None;
        }
        inner.reserved = rows;
        Some(Room(()))
    }

    /// [`Self::append`] of a row that others commit, where that waits for no disk: `None`, and the
    /// room is as it was, where it might. Errors: as there.
    pub fn append_at_once(&self, row: &Row, room: &mut Option<Room>) -> Option<Result<u64, Error>> {
        let mut inner = self.shared.at_once()?;
        if room.is_none() && !inner.has_room_beside(inner.file.metadata().ok()?.len() + RESERVE) {
            return None;
        }
        Some(
            self.shared
                .write_into(&mut inner, &shortened(row), None, None, room.take()),
        )
    }

    /// Appends a row, into the room that was reserved for it if there is such, and returns its
    /// number. It is in the log when this returns, and on disk with [`Commit::Now`].
    ///
    /// # Errors
    /// The row is not in the log, or not on disk. The result it is about must not be delivered.
    pub fn append(&self, row: &Row, room: Option<Room>, commit: Commit) -> Result<u64, Error> {
        let number = self.shared.write(row, None, None, room)?;
        self.shared.committed(number, commit)
    }

    /// The same for the row of an act whose beginning has row `begun`. It is on disk when this
    /// returns.
    ///
    /// # Errors
    /// As for [`Self::append`].
    pub fn append_end(&self, row: &Row, begun: u64, room: Option<Room>) -> Result<u64, Error> {
        let number = self.shared.write(row, None, Some(begun), room)?;
        self.shared.committed(number, Commit::Now)
    }

    /// The last `lines` rows, oldest first, of old logs too. Lines that are no JSON object are left
    /// out.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn tail(&self, lines: usize) -> Result<Vec<String>, Error> {
        // Opened together, so that none is missed or met twice when another one is begun.
        let files = {
            let _inner = lock_of(&self.shared.inner);
            open_all(&self.shared.path)?
        };
        last_of(&self.shared.path, files, lines)
    }

    /// Puts every row on disk.
    ///
    /// # Errors
    /// The disk is full or broken.
    pub fn commit(&self) -> Result<(), Error> {
        self.shared.commit()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        lock_of(&self.shared.inner).ending = true;
        self.shared.wake.notify_all();
        if let Some(committer) = self.committer.take() {
            // Its panics were printed; the rows are in the log.
            let _ = committer.join();
        }
    }
}

impl Shared {
    fn write(
        &self,
        row: &Row,
        event: Option<Event>,
        begun: Option<u64>,
        room: Option<Room>,
    ) -> Result<u64, Error> {
        let row = shortened(row);
        let mut inner = lock_of(&self.inner);
        self.begin_another_if_full(&mut inner);
        self.write_into(&mut inner, &row, event, begun, room)
    }

    /// The log, if nobody waits for the disk with it in hand, or is about to.
    fn at_once(&self) -> Option<MutexGuard<'_, Inner>> {
        // A commit lets others write, but the file system may make them wait for it.
        let _no_commit = self.turn.try_lock().ok()?;
        let inner = self.inner.try_lock().ok()?;
        (!is_full(&inner)).then_some(inner)
    }

    fn write_into(
        &self,
        inner: &mut Inner,
        row: &Row,
        event: Option<Event>,
        begun: Option<u64>,
        room: Option<Room>,
    ) -> Result<u64, Error> {
        let fail = |e| Error::disk(&self.path, "the audit row cannot be written", e);
        let reserved = room.is_some();
        if let Some(Room(())) = room {
            inner.reserved -= 1;
        }
        let (line, head) = inner
            .head
            .line(row, event, begun)
            .map_err(|e| fail(e.into()))?;
        let before = inner.file.metadata().map_err(fail)?.len();
        let after = before + line.len() as u64;
        if !reserved && !inner.has_room_beside(after) {
            inner.held = hold(&inner.file, after, inner.reserved).map_err(fail)?;
        }
        if let Err(e) = (&*inner.file).write_all(&line) {
            // Half a row would spoil the next one. If even this fails, `open` mends it. What was held
            // behind it is given back by that.
            let _ = inner.file.set_len(before);
            inner.held = hold(&inner.file, before, inner.reserved).unwrap_or(before);
            return Err(fail(e));
        }
        inner.head = head;
        if !inner.dirty {
            inner.dirty = true;
            self.wake.notify_all();
        }
        Ok(inner.head.number)
    }

    fn committed(&self, number: u64, commit: Commit) -> Result<u64, Error> {
        if commit == Commit::Now {
            self.commit()?;
        }
        Ok(number)
    }

    fn commit(&self) -> Result<(), Error> {
        let _turn = lock_of(&self.turn);
        let (file, head) = {
            let mut inner = lock_of(&self.inner);
            if !std::mem::take(&mut inner.dirty) {
                return Ok(());
            }
            (Arc::clone(&inner.file), inner.head.clone())
        };
        let done = file
            .sync_data()
            .and_then(|()| lock_of(&self.anchor).advance(&self.path, &head, None));
        let mut inner = lock_of(&self.inner);
        inner.failed = done.is_err();
        if done.is_err() {
            inner.dirty = true;
            // It may not have seen that there was something to do.
            self.wake.notify_all();
        }
        done.map_err(|e| Error::disk(&self.path, "the audit log cannot be committed", e))
    }

    /// Commits what others leave to be committed in groups, until the log is closed.
    fn commit_groups(&self) {
        loop {
            let ending = {
                let inner = lock_of(&self.inner);
                let idle = |inner: &mut Inner| !inner.dirty && !inner.ending;
                let inner = wait(self.wake.wait_while(inner, idle));
                let more = |inner: &mut Inner| !inner.ending;
                let waited = self.wake.wait_timeout_while(inner, GROUP, more);
                wait(waited.map(|(inner, _)| inner).map_err(|e| {
                    let (inner, _) = e.into_inner();
                    PoisonError::new(inner)
                }))
                .ending
            };
            if let Err(e) = self.commit() {
                error!("{e}; until then no tool is run");
            }
            if ending {
                return;
            }
        }
    }

    fn begin_another_if_full(&self, inner: &mut Inner) {
        if is_full(inner)
            && let Err(e) = self.begin_another(inner)
        {
            warn!(
                "{}: no new audit log can be begun, the old one goes on: {e}",
                self.path.display()
            );
        }
    }

    /// Puts the log aside and begins another one, with the room that is reserved.
    fn begin_another(&self, inner: &mut Inner) -> std::io::Result<()> {
        let fresh = beside(&self.path, "new");
        let file = open(&fresh)?;
        let held = hold(&file, 0, inner.reserved)?;
        file.sync_all()?;
        // What is put aside is complete, and the anchor knows before the oldest is given up.
        inner.file.sync_data()?;
        let first = first_row(&aged(&self.path, KEPT - 1))?;
        lock_of(&self.anchor).advance(&self.path, &inner.head, first)?;
        for age in (0..KEPT).rev() {
            match std::fs::rename(aged(&self.path, age), aged(&self.path, age + 1)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        std::fs::rename(&fresh, &self.path)?;
        // A row in it would be lost with its name.
        sync_folder(&self.path)?;
        inner.held = held;
        let old = std::mem::replace(&mut inner.file, Arc::new(file));
        // Gives back what was reserved in the old one; if not, it only takes a little more disk.
        let _ = old.metadata().and_then(|m| old.set_len(m.len()));
        Ok(())
    }
}

/// The last `lines` rows of the log at `path`, as [`Audit::tail`], for whoever has no broker.
///
/// # Errors
/// The log cannot be read.
pub fn tail(path: &Path, lines: usize) -> Result<Vec<String>, Error> {
    last_of(path, open_all(path)?, lines)
}

/// The log and the old ones, the newest first.
fn open_all(path: &Path) -> Result<Vec<(usize, File)>, Error> {
    let mut files = Vec::new();
    for age in 0..=KEPT {
        match File::open(aged(path, age)) {
            Ok(file) => files.push((age, file)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::reading(aged(path, age), e)),
        }
    }
    Ok(files)
}

fn last_of(path: &Path, files: Vec<(usize, File)>, lines: usize) -> Result<Vec<String>, Error> {
    let mut rows = Vec::new();
    let mut budget = MAX_TAIL;
    for (age, file) in files {
        if rows.len() >= lines || budget == 0 {
            break;
        }
        let mut older =
            last_rows(file, &mut budget).map_err(|e| Error::reading(aged(path, age), e))?;
        older.append(&mut rows);
        rows = older;
    }
    Ok(rows.split_off(rows.len().saturating_sub(lines)))
}

/// What was found when the log was opened.
#[derive(Debug)]
struct Seen {
    /// The last row of the chain, of an older log where this one has none.
    last: Option<Link>,
    /// What falls left behind the last row, without the last end of a line.
    torn: Option<Vec<u8>>,
    /// Whether the last line has to be ended.
    unended: bool,
    /// Size and hash of everything in the log.
    content: (u64, blake3::Hash),
    anchor: Found,
    /// Whether the rows lead to what the anchor knows.
    leads_to_anchor: bool,
}

impl Seen {
    fn of(path: &Path, file: &File) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut reading = file;
        reading.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut reading, &mut hasher)?;
        let content = (hasher.count(), hasher.finalize());
        let end = bytes_from(file, content.0.saturating_sub(MAX_SEARCH))?;
        let whole = end.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let unended = whole < end.len();
        let mut last = last_link(&end[..whole]);
        // Only the end of the line is missing: nothing was lost.
        let only_unended = Link::read(&end[whole..]).filter(|link| link.fits);
        let half = unended && only_unended.is_none();
        last = only_unended.or(last);
        for age in 1..=KEPT {
            if last.is_some() {
                break;
            }
            match File::open(aged(path, age)) {
                Ok(older) => {
                    let size = older.metadata()?.len();
                    last = last_link(&bytes_from(&older, size.saturating_sub(MAX_SEARCH))?);
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        let anchor = Anchor::read(path);
        // A line that was ended already: an earlier fall came before it was accounted for.
        let cut_off = match &anchor {
            Found::Anchor(anchor) => last.as_ref().is_none_or(|l| l.number < anchor.last),
            _ => true,
        };
        let from = match (half || !unended) && !cut_off {
            true => torn_from(&end, whole, content.0 == end.len() as u64),
            false => whole,
        };
        let upto = end.len() - usize::from(!unended && from < whole);
        let torn = Some(end[from..upto].to_vec()).filter(|_| half || from < whole);
        let leads_to_anchor = match &anchor {
            Found::Anchor(anchor) => leads_to(path, &anchor.head())?,
            _ => false,
        };
        Ok(Self {
            last,
            torn,
            unended,
            content,
            anchor,
            leads_to_anchor,
        })
    }

    /// Where the chain goes on, the anchor as it is known, and what the log has to say about it.
    fn resume(&self, path: &Path, now: &str) -> (Head, Anchor, Vec<(Row, Event)>) {
        let mut events = Vec::new();
        let mut tell = |event: Event, arguments: Value, what: String| {
            if event != Event::Begin {
                warn!("{}: {what}", path.display());
            }
            events.push((own_row(now, event, arguments, what), event));
        };
        let found = self.last.as_ref().map(Link::head);
        let (head, anchor) = match (&self.anchor, found) {
            (Found::Nothing, None) => {
                // The hash is of what will stand before the row, the ended line included.
                let (mut bytes, mut hash) = self.content;
                if self.unended {
                    let content = std::fs::read(path).unwrap_or_default();
                    let mut hasher = blake3::Hasher::new();
                    hasher.update(&content).update(b"\n");
                    (bytes, hash) = (hasher.count(), hasher.finalize());
                }
                let about = json!({"bytes": bytes, "blake3": hash.to_hex().as_str()});
                tell(Event::Begin, about, String::new());
                return (Head::start(), Anchor::default(), events);
            }
            // Between the first row and the first anchor.
            (Found::Nothing, Some(head)) if head.number == 1 => (head, Anchor::default()),
            (Found::Nothing | Found::Damaged(_), head) => {
                let why = match &self.anchor {
                    Found::Damaged(why) => format!("cannot be understood: {why}"),
                    _ => "is gone".to_owned(),
                };
                let head = head.unwrap_or_else(Head::start);
                let what = format!(
                    "{} {why}; whether rows are missing after row {} is not known",
                    Anchor::path(path).display(),
                    head.number
                );
                tell(Event::Gap, json!({"after": head.number}), what);
                (head, Anchor::default())
            }
            (Found::Anchor(anchor), Some(head)) if head.number >= anchor.last => {
                if self.leads_to_anchor {
                    (head, anchor.clone())
                } else {
                    let what = format!(
                        "row {} is not the one that was there: it was replaced, or what is before it",
                        anchor.last
                    );
                    let about =
                        json!({"after": anchor.last.saturating_sub(1), "up_to": anchor.last});
                    tell(Event::Gap, about, what);
                    let broken = Head {
                        number: head.number,
                        ..anchor.head()
                    };
                    (broken, anchor.clone())
                }
            }
            (Found::Anchor(anchor), head) => {
                let there = head.map_or(0, |h| h.number);
                let what = format!(
                    "the log ends with row {there}, but there were rows up to {}: their numbers \
                     stay unused",
                    anchor.last
                );
                let about = json!({"after": there, "up_to": anchor.last});
                tell(Event::Gap, about, what);
                (anchor.head(), anchor.clone())
            }
        };
        if let Some(torn) = &self.torn {
            let about = json!({
                "bytes": torn.len(),
                "blake3": blake3::hash(torn).to_hex().as_str(),
            });
            let what = format!(
                "what stands before was torn after {} bytes, by a fall: the row that was being \
                 written is lost",
                torn.len()
            );
            // Right behind what it is about.
            events.insert(
                0,
                (
                    own_row(now, Event::Mended, about, what.clone()),
                    Event::Mended,
                ),
            );
            warn!("{}: {what}", path.display());
        }
        (head, anchor, events)
    }
}

/// A row of the log's own account.
fn own_row(now: &str, event: Event, arguments: Value, what: String) -> Row {
    let mut row = Row::begin(now.to_owned(), String::new(), String::new(), String::new());
    row.arguments = arguments;
    row.by = "broker".to_owned();
    row.outcome = match event {
        Event::Begin => "ok",
        Event::Mended | Event::Gap => "failed",
    };
    row.error = what;
    row
}

/// A row with what is too long in it cut: most have nothing of that.
fn shortened(row: &Row) -> Cow<'_, Row> {
    let most = match row.decision {
        "none" => MAX_ARGUMENTS_UNDECIDED,
        _ => MAX_ARGUMENTS,
    };
    let mut row = Cow::Borrowed(row);
    if !is_within(&row.arguments, most) {
        let text = row.arguments.to_string();
        row.to_mut().arguments = json!({
            "cut": beginning(&text, most),
            "bytes": text.len(),
            "blake3": blake3::hash(text.as_bytes()).to_hex().as_str(),
        });
    }
    if row.error.len() > MAX_ERROR {
        let kept = beginning(&row.error, MAX_ERROR).len();
        row.to_mut().error.truncate(kept);
    }
    row
}

/// Whether a value has at most so many bytes as JSON; no more of it is looked at.
fn is_within(value: &Value, most: usize) -> bool {
    struct Left(usize);
    impl Write for Left {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let left = self.0.checked_sub(bytes.len());
            self.0 = left.ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Left(most), value).is_ok()
}

/// As much of a text as fits.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Locks the folder for as long as the file that is returned is open.
fn only_one(folder: &Path) -> std::io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    let file = File::open(folder)?;
    let until = std::time::Instant::now() + LETTING_GO;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if std::time::Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(std::io::Error::other("another program has it open"));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Reserves disk space for that many rows from `end` on, without making the file longer, and for some
/// more if the disk has it. Returns where it ends.
fn hold(file: &File, end: u64, rows: u64) -> std::io::Result<u64> {
    use rustix::fs::{FallocateFlags, fallocate};
    if rows == 0 {
        return Ok(end);
    }
    let until = |rows: u64| match fallocate(file, FallocateFlags::KEEP_SIZE, end, rows * RESERVE) {
        // Not every file system can reserve; the write itself is still checked.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(end + rows * RESERVE),
        Err(e) => Err(std::io::Error::from(e)),
    };
    until(rows + AHEAD).or_else(|_| until(rows))
}

fn is_full(inner: &Inner) -> bool {
    let length = inner.file.metadata().map(|m| m.len());
    length.is_ok_and(|length| length >= inner.max)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn bytes_from(mut file: &File, from: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last whole row of a chain in these bytes.
fn last_link(bytes: &[u8]) -> Option<Link> {
    bytes
        .rsplit(|b| *b == b'\n')
        .filter_map(Link::read)
        .find(|link| link.fits)
}

/// Whether the last rows are this one or follow it. Those behind a gap follow one that is gone.
fn leads_to(path: &Path, head: &Head) -> std::io::Result<bool> {
    if *head == Head::start() {
        return Ok(true);
    }
    for age in 0..=KEPT {
        let bytes = match std::fs::read(aged(path, age)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            read => read?,
        };
        let place = bytes
            .rsplit(|b| *b == b'\n')
            .filter_map(Link::read)
            .filter(|link| link.fits)
            .find_map(|link| match link.number.cmp(&head.number) {
                Ordering::Greater => (link.previous == head.digest).then_some(true),
                Ordering::Equal => Some(link.digest == head.digest),
                Ordering::Less => Some(false),
            });
        if let Some(place) = place {
            return Ok(place);
        }
    }
    Ok(false)
}

/// Where the torn lines begin that stand right before `whole`, an end of a line. Not before the first
/// line, unless the bytes are `all` there are.
fn torn_from(bytes: &[u8], whole: usize, all: bool) -> usize {
    let mut from = whole;
    while let Some(end) = from.checked_sub(1) {
        let begin = bytes[..end].iter().rposition(|b| *b == b'\n');
        let line = &bytes[begin.map_or(0, |at| at + 1)..end];
        if (begin.is_none() && !all) || Link::read(line).is_some() || !is_torn(line) {
            break;
        }
        from = begin.map_or(0, |at| at + 1);
    }
    from
}

/// The number of the first row in a log, if there is the log and it has one.
fn first_row(path: &Path) -> std::io::Result<Option<u64>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes
            .split(|b| *b == b'\n')
            .find_map(Link::read)
            .map(|link| link.number)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The rows within the last `budget` bytes of a log, oldest first; takes what was read off it.
fn last_rows(mut file: File, budget: &mut u64) -> std::io::Result<Vec<String>> {
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

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    wait(mutex.lock())
}

/// Nobody leaves what a lock protects half changed.
fn wait<G>(locked: Result<G, PoisonError<G>>) -> G {
    locked.unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_that_says_what_to_do_and_stops_everything() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(&folder.path().join("audit.jsonl"), "").unwrap();
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        lock_of(&audit.shared.inner).file = Arc::new(full);
        let row = own_row("", Event::Begin, Value::Null, String::new());
        let error = audit.append(&row, None, Commit::Grouped).unwrap_err();
        assert!(
            error.to_string().contains("free some disk space"),
            "{error}"
        );
        assert!(audit.reserve().is_err());
    }

    #[test]
    fn rows_that_reserved_nothing_leave_others_their_room() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(&folder.path().join("audit.jsonl"), "").unwrap();
        let room = audit.reserve().unwrap();
        let about = || lock_of(&audit.shared.inner).file.metadata().unwrap();
        if about().blocks() == 0 {
            eprintln!("skipped: this file system reserves nothing");
            return;
        }
        // A call that was turned away has a row, and reserves nothing for it.
        let mut row = own_row("", Event::Begin, Value::Null, String::new());
        row.error = "x".repeat(MAX_ERROR);
        while about().len() < 2 * (AHEAD + 1) * RESERVE {
            audit.append(&row, None, Commit::Grouped).unwrap();
            let about = about();
            let left = (about.blocks() * 512).saturating_sub(about.len());
            assert!(
                left >= RESERVE,
                "{left} bytes are left after {}",
                about.len()
            );
        }
        audit.append(&row, Some(room), Commit::Grouped).unwrap();
    }

    fn row(decision: &'static str, arguments: Value, error: &str) -> Row {
        let mut row = Row::begin(String::new(), "a".to_owned(), String::new(), String::new());
        (row.decision, row.arguments, row.error) = (decision, arguments, error.to_owned());
        row
    }

    #[test]
    fn what_fits_is_the_row_itself_and_what_does_not_is_cut() {
        for (decision, most) in [("none", MAX_ARGUMENTS_UNDECIDED), ("allow", MAX_ARGUMENTS)] {
            // Its quotes are two bytes.
            let fits = row(
                decision,
                "x".repeat(most - 2).into(),
                &"e".repeat(MAX_ERROR),
            );
            assert!(matches!(shortened(&fits), Cow::Borrowed(_)), "{decision}");
            let over = row(decision, "x".repeat(most - 1).into(), "");
            let cut = shortened(&over);
            assert_eq!(cut.arguments["bytes"], most + 1);
            assert_eq!(cut.arguments["cut"].as_str().map(str::len), Some(most));
        }
        // Between characters.
        let over = row(
            "allow",
            Value::Null,
            &format!("{}é", "e".repeat(MAX_ERROR - 1)),
        );
        assert_eq!(shortened(&over).error, "e".repeat(MAX_ERROR - 1));
    }

    /// A commit that an append waited for may fail while the thread sleeps: it took the rows over
    /// before the thread saw them.
    #[test]
    fn rows_whose_commit_failed_are_committed_by_the_thread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::open(&path, "").unwrap();
        let anchor = Anchor::path(&path);
        let kept = anchor.with_extension("kept");
        std::fs::rename(&anchor, &kept).unwrap();
        std::fs::create_dir(&anchor).unwrap();
        {
            let mut inner = lock_of(&audit.shared.inner);
            let row = own_row("", Event::Begin, Value::Null, String::new());
            inner.dirty = true;
            let written = audit.shared.write_into(&mut inner, &row, None, None, None);
            assert_eq!(written.unwrap(), 2);
        }
        audit.commit().unwrap_err();
        std::fs::remove_dir(&anchor).unwrap();
        std::fs::rename(&kept, &anchor).unwrap();
        let since = std::time::Instant::now();
        let last = || match Anchor::read(&path) {
            Found::Anchor(anchor) => anchor.last,
            _ => 0,
        };
        while last() != 2 {
            assert!(since.elapsed() < 120 * GROUP, "they wait for another call");
            std::thread::sleep(GROUP / 10);
        }
    }
}
