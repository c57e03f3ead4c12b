//! What an agent keeps in its workspace, in sum: measured, and the agent ended when it is too much. The
//! same for an MCP server and what its writable folders take, whoever wrote it; what follows says agent
//! for both.
//!
//! One file has a largest size by a limit of its process; how many files there are has none in a kernel
//! whose file systems have no quota that could be set without privileges. So the broker looks. Before
//! an agent starts nothing of it runs, and what is found then is certain: past its limit it is not
//! started. While it runs it is looked after like this:
//!
//! ```text
//! every 1/4 s to 2 s:  how much room has the file system?      (one system call)
//!    it has no less -> the next look is later
//!    it has less by half of what the agent has left -> everything is counted, at the latest 2 s after
//!       the last count, however long that took
//!    it has less at all for 8 s, or longer than that has not been counted -> the same, one agent at a time
//! past the limit, not to be counted, or the room below the reserve -> the agent is ended, and why is said
//! ```
//!
//! What counts is what is taken of the file system: blocks, so a sparse file counts what it holds, and
//! a file with several names once; but 4 KiB at least, since names without content fill a file system
//! too. Files that are open, or mapped, and have no name any more are looked up in the processes that
//! have the workspace.
//!
//! In an overlay file system (the image's `/home` is one) files say that they are on another device
//! than their folders, so what belongs here is told by its mount. One that is mapped, open and
//! nameless at once may count twice there: the kernel shows it under two numbers.
//!
//! What this is not: a wall. An agent can be past its limit by what it writes within 2 s, and while it
//! is counted. One that renames folders all the time, or keeps nameless files in messages that nobody
//! takes, may be counted short while it runs; what it can take of the file system ends at the reserve,
//! where no agent's program goes on. Once it has ended, all is counted.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, StatVfs, Statx, StatxFlags, makedev, openat,
    statvfs, statx,
};
use rustix::io::Errno;
use rustix::process::getuid;

/// What a name takes at least.
const LEAST: u64 = 4096;
/// Folders within folders that are followed. Each keeps a descriptor open.
const DEEPEST: usize = 64;
/// Between two looks, and between two counts.
const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(2);
const COUNT_AGAIN: Duration = Duration::from_secs(8);
/// The same where nothing was taken of the file system meanwhile, again and again.
const SELDOM: Duration = Duration::from_secs(300);
/// What is kept free for the person: a twentieth of the file system, and no more than this.
const MOST_RESERVE: u64 = 1 << 30;

/// Held by the one agent that is counted although nothing urges, and for nine times as long afterwards:
/// however many agents there are, that takes a tenth of a processor.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A folder, and where a sandbox has it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) inside: PathBuf,
}

/// The bound of one agent's workspace.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// What counts; a server may have files among them.
    pub(crate) places: Vec<Place>,
    /// In bytes.
    pub(crate) limit: u64,
    /// Whether the reserve is kept from it: it runs a program of its own.
    pub(crate) keeps_reserve: bool,
}

impl Bound {
    /// Whether the agent may start.
    ///
    /// # Errors
    /// It may not, with the reason and what to do.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.count().await.map(|_| ())
    }

    /// Returns when the agent may not go on, with the reason and what to do.
    pub(crate) async fn watch(&self) -> String {
        let begun = Instant::now();
        let mut count = match self.count().await {
            Ok(count) => count,
            Err(why) => return why,
        };
        let mut looks = Looks::new(begun, Instant::now());
        let mut turn = None;
        loop {
            tokio::time::sleep(looks.pause).await;
            let room = match self.room() {
                Ok(room) => room,
                Err(why) => return why,
            };
            let before = count.room.iter().zip(room);
            let taken: u64 = before.map(|(then, now)| then.saturating_sub(now)).sum();
            let left = self.limit.saturating_sub(count.used);
            let now = Instant::now();
            if looks.has_rested(now) {
                drop(turn.take());
                turn = TURN.try_lock().ok();
            }
            if !looks.is_due(now, taken, left, turn.is_some()) {
                if looks.has_rested(now) {
                    turn = None;
                }
                continue;
            }
            count = match self.count().await {
                Ok(count) => count,
                Err(why) => return why,
            };
            looks.counted(now, Instant::now(), taken);
        }
    }

    async fn count(&self) -> Result<Count, String> {
        let own = self.clone();
        tokio::task::spawn_blocking(move || own.count_now())
            .await
            .unwrap_or_else(|e| Err(format!("counting its workspace panicked: {e}")))
    }

    fn count_now(&self) -> Result<Count, String> {
        let room = self.room()?;
        let mut walk = Walk::new(self.limit);
        let said = |what: Stop| self.explain(&what);
        let mut places = self.places.clone();
        // One within another comes behind it, and has been counted with it.
        places.sort_by(|a, b| a.folder.cmp(&b.folder));
        for place in places {
            walk.begin(place).map_err(said)?;
        }
        walk.held().map_err(said)?;
        Ok(Count {
            used: walk.used,
            room,
        })
    }

    /// Room that the file systems have, each of them once, where it is enough.
    fn room(&self) -> Result<Vec<u64>, String> {
        let (mut devices, mut rooms) = (HashSet::new(), Vec::new());
        for Place { folder, .. } in &self.places {
            let unreadable = |e| self.explain(&Stop::unreadable(folder.display(), e));
            let about = look(CWD, folder, AtFlags::empty()).map_err(unreadable)?;
            if !devices.insert(File::of(&about).device) {
                continue;
            }
            let about = statvfs(folder).map_err(unreadable)?;
            let (room, reserve) = room_and_reserve(&about);
            if self.keeps_reserve && room < reserve {
                return Err(format!(
                    "the file system of {} has {} left, and the last {} are kept from agents with \
                     a program of their own and from MCP servers; make room, then start it again",
                    folder.display(),
                    mebibytes(room),
                    mebibytes(reserve)
                ));
            }
            rooms.push(room);
        }
        Ok(rooms)
    }

    fn explain(&self, stop: &Stop) -> String {
        let folders: Vec<_> = self.places.iter().map(|p| p.folder.display()).collect();
        let folder = folders
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        match stop {
            Stop::Past => format!(
                "what it keeps takes more than the {} that it may; remove files in {folder}, or \
                 write a larger `limits: {{workspace: …}}`",
                mebibytes(self.limit)
            ),
            Stop::Unknown(what) => {
                format!("what it keeps cannot be counted: {what}; mend or remove that in {folder}")
            }
        }
    }
}

/// When everything is counted again.
#[derive(Debug)]
struct Looks {
    /// Until the next look at the room.
    pause: Duration,
    /// When the last count ended, and how long it took.
    counted: Instant,
    took: Duration,
    /// How long after it everything is counted although nothing was taken.
    again: Duration,
}

impl Looks {
    fn new(begun: Instant, ended: Instant) -> Self {
        Self {
            pause: SHORT,
            counted: ended,
            took: ended.saturating_duration_since(begun),
            again: COUNT_AGAIN,
        }
    }

    /// Whether to count now that so much was taken of the file system, and the agent had so much left.
    /// `turn`: whether it is this agent's turn to be counted although nothing urges.
    fn is_due(&mut self, now: Instant, taken: u64, left: u64, turn: bool) -> bool {
        let since = now.saturating_duration_since(self.counted);
        let urgent = taken >= (left / 2).max(LEAST);
        let again = if taken == 0 { self.again } else { COUNT_AGAIN };
        // What urges cannot wait for as long as the processor should rest.
        let due = if urgent {
            since >= self.rest().min(LONG)
        } else {
            turn && since >= again.max(self.rest())
        };
        if !due {
            self.pause = match taken {
                0 => (self.pause * 2).min(LONG),
                _ => SHORT,
            };
        }
        due
    }

    fn counted(&mut self, begun: Instant, ended: Instant, taken: u64) {
        self.counted = ended;
        self.took = ended.saturating_duration_since(begun);
        (self.again, self.pause) = match taken {
            0 => ((self.again * 2).min(SELDOM), LONG),
            _ => (COUNT_AGAIN, SHORT),
        };
    }

    fn rest(&self) -> Duration {
        self.took * 9
    }

    fn has_rested(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.counted) >= self.rest()
    }
}

fn room_and_reserve(about: &StatVfs) -> (u64, u64) {
    let all = about.f_blocks.saturating_mul(about.f_frsize);
    let room = about.f_bavail.saturating_mul(about.f_frsize);
    (room, (all / 20).min(MOST_RESERVE))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[derive(Debug, Clone)]
struct Count {
    used: u64,
    /// Of the file systems, just before.
    room: Vec<u64>,
}

/// Why counting ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Past,
    Unknown(String),
}

impl Stop {
    fn unreadable(what: impl fmt::Display, error: Errno) -> Self {
        Self::Unknown(format!("{what}: {error}"))
    }
}

/// Counts up to a limit.
#[derive(Debug)]
struct Walk {
    limit: u64,
    used: u64,
    /// What was counted so far, the one that is being counted last.
    roots: Vec<Root>,
    /// Files that may be met again.
    seen: HashSet<File>,
}

/// One of the folders, itself.
#[derive(Debug)]
struct Root {
    place: Place,
    file: File,
    /// What is on another mount is not the agent's.
    mount: u64,
    /// What files here say they are on: the folder's device, and an overlay's files' own.
    devices: [u64; 2],
}

/// Device and number: one file, whatever its names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct File {
    device: u64,
    inode: u64,
}

impl File {
    fn of(about: &Statx) -> Self {
        Self {
            device: makedev(about.stx_dev_major, about.stx_dev_minor),
            inode: about.stx_ino,
        }
    }
}

impl Walk {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            used: 0,
            roots: Vec::new(),
            seen: HashSet::new(),
        }
    }

    fn add(&mut self, blocks: u64) -> Result<(), Stop> {
        self.used = self.used.saturating_add((blocks * 512).max(LEAST));
        if self.used > self.limit {
            return Err(Stop::Past);
        }
        Ok(())
    }

    /// The folder itself is no name of the agent's, and does not count.
    fn begin(&mut self, place: Place) -> Result<(), Stop> {
        let shown = place.folder.display().to_string();
        let unreadable = |e| Stop::unreadable(&shown, e);
        let about = look(CWD, &place.folder, AtFlags::empty()).map_err(unreadable)?;
        let (file, mount) = (File::of(&about), about.stx_mnt_id);
        let counted =
            |root: &Root| root.mount == mount && place.folder.starts_with(&root.place.folder);
        if self.roots.iter().any(counted) {
            return Ok(());
        }
        let is_folder = is_folder(&about);
        let fd = is_folder
            .then(|| openat(CWD, &place.folder, OPENED, Mode::empty()))
            .transpose()
            .map_err(unreadable)?;
        let of_files = fd.as_ref().map(|fd| files_device(fd, file.device));
        self.roots.push(Root {
            place,
            file,
            mount,
            devices: [file.device, of_files.unwrap_or(file.device)],
        });
        match fd {
            Some(fd) => self.folder(fd, mount, 0),
            None => self.add(about.stx_blocks),
        }
    }

    fn folder(&mut self, fd: OwnedFd, mount: u64, depth: usize) -> Result<(), Stop> {
        let mut names = Dir::new(fd).map_err(|e| Stop::unreadable("a folder", e))?;
        while let Some(entry) = names.read() {
            let entry = entry.map_err(|e| Stop::unreadable("a folder", e))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let at = names.fd().map_err(|e| Stop::unreadable("a folder", e))?;
            let about = match look(at, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(about) => about,
                // Gone meanwhile.
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(Stop::unreadable(shown(name), e)),
            };
            if about.stx_mnt_id != mount {
                continue;
            }
            let is_folder = is_folder(&about);
            if !is_folder && about.stx_nlink > 1 && !self.seen.insert(File::of(&about)) {
                continue;
            }
            self.add(about.stx_blocks)?;
            if !is_folder {
                continue;
            }
            if depth == DEEPEST {
                let what = format!("more than {DEEPEST} folders within each other");
                return Err(Stop::Unknown(what));
            }
            match openat(at, name, FOLDER, Mode::empty()) {
                Ok(fd) => self.folder(fd, mount, depth + 1)?,
                // Gone meanwhile, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                // Another user's: nobody made it unreadable to hide what is in it.
                Err(Errno::ACCESS) if about.stx_uid != getuid().as_raw() => {}
                Err(e) => return Err(Stop::unreadable(shown(name), e)),
            }
        }
        Ok(())
    }

    /// What processes with this workspace hold open, or mapped, that has no name any more.
    fn held(&mut self) -> Result<(), Stop> {
        // As far as any mapping of each goes: there may be many, here and in other processes.
        let mut mappings = HashMap::new();
        let devices: Vec<u64> = self.roots.iter().flat_map(|root| root.devices).collect();
        let outside = mounts(Path::new("/proc/self"));
        for process in numbers(Path::new("/proc")) {
            // Who cannot be looked into is nobody's agent here, nor is who sees what this program does.
            let has = |root: &Root| {
                let inside = root.place.inside.strip_prefix("/");
                let folder = process
                    .join("root")
                    .join(inside.unwrap_or(&root.place.inside));
                std::fs::metadata(folder).is_ok_and(|about| held_file(&about) == root.file)
            };
            if !self.roots.iter().any(has) || mounts(&process) == outside {
                continue;
            }
            // Threads may have descriptors of their own.
            for thread in numbers(&process.join("task")) {
                for file in numbers(&thread.join("fd")) {
                    if let Ok(about) = std::fs::metadata(&file)
                        && about.nlink() == 0
                        && devices.contains(&about.dev())
                        && self.seen.insert(held_file(&about))
                    {
                        self.add(about.blocks())?;
                    }
                }
            }
            let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
            for (file, bytes) in maps.lines().filter_map(|line| mapped(line, &devices)) {
                let most = mappings.entry(file).or_insert(bytes);
                *most = bytes.max(*most);
            }
        }
        for (file, bytes) in mappings {
            // How much of it there is cannot be asked.
            if self.seen.insert(file) {
                self.add(bytes / 512)?;
            }
        }
        Ok(())
    }
}

/// How a folder is opened: one of the bound's, which a person may name by a link; one in it.
const OPENED: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
const FOLDER: OFlags = OPENED.union(OFlags::NOFOLLOW);

fn is_folder(about: &Statx) -> bool {
    FileType::from_raw_mode(about.stx_mode.into()) == FileType::Directory
}

/// The mount namespace of a process.
fn mounts(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/mnt")).ok()
}

fn look(at: impl AsFd, name: impl rustix::path::Arg, how: AtFlags) -> Result<Statx, Errno> {
    statx(at, name, how, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

fn held_file(about: &std::fs::Metadata) -> File {
    File {
        device: about.dev(),
        inode: about.ino(),
    }
}

/// What a file in this folder says it is on; `otherwise` where none can be made without a name.
fn files_device(folder: &OwnedFd, otherwise: u64) -> u64 {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(folder, c".", flags, Mode::RUSR)
        .and_then(|file| rustix::fs::fstat(&file))
        .map_or(otherwise, |about| about.st_dev)
}

fn shown(name: &CStr) -> String {
    name.to_string_lossy().escape_debug().to_string()
}

/// What in a folder of `/proc` has a number for its name.
fn numbers(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
        })
        .map(|entry| entry.path())
        .collect()
}

/// The file of a line of `/proc/PID/maps` that is on one of these devices and has no name any more, and
/// how far into it the mapping goes.
fn mapped(line: &str, devices: &[u64]) -> Option<(File, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let length = hexadecimal(to)?.checked_sub(hexadecimal(from)?)?;
    let offset = hexadecimal(words.nth(1)?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let (major, minor) = (hexadecimal(major)?, hexadecimal(minor)?);
    let inode: u64 = words.next()?.parse().ok()?;
    let device = makedev(u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    (devices.contains(&device) && line.ends_with(" (deleted)")).then(|| {
        let file = File { device, inode };
        (file, offset.saturating_add(length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::Command;

    use crate::sandbox::WORKSPACE;

    fn used(folder: &Path, limit: u64) -> Result<u64, Stop> {
        let mut walk = Walk::new(limit);
        walk.begin(place(folder))?;
        walk.held()?;
        Ok(walk.used)
    }

    /// As a server has it.
    fn place(path: &Path) -> Place {
        Place {
            folder: path.to_owned(),
            inside: path.to_owned(),
        }
    }

    fn write(path: &Path, bytes: usize) {
        let mut file = File::create(path).unwrap();
        file.write_all(&vec![1; bytes]).unwrap();
        // Some file systems say what a file takes only then.
        file.sync_all().unwrap();
    }

    #[test]
    fn what_is_taken_counts_and_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(used(folder.path(), u64::MAX).unwrap(), 0);
        write(&at("one"), 1 << 20);
        let one = used(folder.path(), u64::MAX).unwrap();
        assert!(((1 << 20)..(2 << 20)).contains(&one), "{one}");
        // The same file under a thousand names.
        for n in 0..1000 {
            std::fs::hard_link(at("one"), at(&format!("link-{n}"))).unwrap();
        }
        assert_eq!(used(folder.path(), u64::MAX).unwrap(), one);
        // One that says it is a terabyte, and holds nothing.
        File::create(at("sparse"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        assert_eq!(used(folder.path(), u64::MAX).unwrap(), one + LEAST);
        // A link out of here leads nowhere.
        std::os::unix::fs::symlink("/usr", at("out")).unwrap();
        assert_eq!(used(folder.path(), u64::MAX).unwrap(), one + 2 * LEAST);
    }

    #[tokio::test]
    async fn all_places_count_together_and_one_within_another_once() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name);
        std::fs::create_dir_all(at("one/within")).unwrap();
        std::fs::create_dir(at("two")).unwrap();
        write(&at("one/within/file"), 1 << 20);
        write(&at("two/file"), 1 << 20);
        write(&at("alone"), 1 << 20);
        std::os::unix::fs::symlink(at("two"), at("link")).unwrap();
        let bound = |names: &[&str], limit| Bound {
            places: names.iter().map(|name| place(&at(name))).collect(),
            limit,
            keeps_reserve: false,
        };
        for (names, mebibytes) in [
            (&["one/within", "one"][..], 1),
            (&["one", "two", "one/within", "alone"], 3),
            (&["link"], 1),
            (&["alone"], 1),
            (&[], 0),
        ] {
            // Names take a little as well.
            let room = bound(names, (mebibytes << 20) + (512 << 10));
            assert_eq!(room.check().await, Ok(()), "{names:?}");
            let tight = bound(names, (mebibytes << 20_u64).saturating_sub(1));
            let refused = tight.check().await.err();
            assert_eq!(refused.is_some(), mebibytes > 0, "{names:?}: {refused:?}");
            for name in names {
                let refused = refused.as_deref().unwrap_or_default();
                assert!(
                    refused.contains(&at(name).display().to_string()),
                    "{refused}"
                );
            }
        }
        let error = bound(&["one", "nowhere"], u64::MAX)
            .check()
            .await
            .unwrap_err();
        assert!(error.contains("nowhere"), "{error}");
    }

    #[test]
    fn names_alone_are_too_much_at_some_point() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..300 {
            File::create(folder.path().join(n.to_string())).unwrap();
        }
        assert_eq!(used(folder.path(), 1 << 20), Err(Stop::Past));
        assert_eq!(used(folder.path(), 2 << 20), Ok(300 * LEAST));
    }

    /// A count takes long where there are many names; the agent does not have that time for itself.
    #[test]
    fn what_urges_after_a_long_count_does_not_wait_for_long() {
        let begun = Instant::now();
        let counted = begun + Duration::from_secs(10);
        let mut looks = Looks::new(begun, counted);
        let mut due = |seconds, taken, turn| {
            let now = counted + Duration::from_secs(seconds);
            let due = looks.is_due(now, taken, 1 << 20, turn);
            (due, looks.pause, looks.has_rested(now))
        };
        // It is looked at meanwhile, and often where something is taken.
        assert_eq!(due(1, 1 << 20, false), (false, SHORT, false));
        assert!(due(2, 1 << 20, false).0);
        // What does not urge waits for its turn, and until the processor has rested.
        assert_eq!(due(20, LEAST, true), (false, SHORT, false));
        assert_eq!(due(90, LEAST, false), (false, SHORT, true));
        assert!(due(90, LEAST, true).0);
        for _ in 0..5 {
            due(7, 0, true);
        }
        assert_eq!(due(7, 0, true), (false, LONG, false));
    }

    #[test]
    fn a_workspace_that_rests_is_counted_seldom() {
        let start = Instant::now();
        let mut looks = Looks::new(start, start);
        let mut now = start;
        for again in [COUNT_AGAIN, COUNT_AGAIN * 2, COUNT_AGAIN * 4] {
            assert!(!looks.is_due(now + again - SHORT, 0, 1 << 20, true));
            now += again;
            assert!(looks.is_due(now, 0, 1 << 20, true));
            looks.counted(now, now, 0);
        }
        // Where something is taken again, soon.
        now += COUNT_AGAIN;
        assert!(looks.is_due(now, 1, 1 << 20, true));
        looks.counted(now, now, 1);
        assert!(looks.is_due(now + COUNT_AGAIN, 0, 1 << 20, true));
    }

    #[test]
    fn what_cannot_be_counted_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut deep = folder.path().to_owned();
        for _ in 0..DEEPEST {
            deep.push("d");
        }
        std::fs::create_dir_all(&deep).unwrap();
        assert!(used(folder.path(), u64::MAX).is_ok());
        std::fs::create_dir(deep.join("d")).unwrap();
        let Err(Stop::Unknown(what)) = used(folder.path(), u64::MAX) else {
            panic!("it was counted");
        };
        assert!(what.contains("within each other"), "{what}");
    }

    #[test]
    fn maps_are_read() {
        let device = makedev(0xfe, 0);
        let file = super::File {
            device,
            inode: 4711,
        };
        let line =
            "7f00-8f00 rw-s 00001000 fe:00 4711                       /workspace/x (deleted)";
        assert_eq!(mapped(line, &[1, device]), Some((file, 0x2000)));
        assert_eq!(mapped(line, &[device + 1]), None);
        let named = line.trim_end_matches(" (deleted)");
        assert_eq!(mapped(named, &[device]), None);
        assert_eq!(mapped("7f00-8f00 rw-p 00000000 00:00 0", &[0]), None);
        assert_eq!(mapped("", &[0]), None);
    }

    /// `script` where its mounts are its own. `/` is made private by hand, for `unshare` gives up where
    /// it is no mount, as in the tree that the image's programs are compiled in (which is private).
    fn with_mounts(script: &str) -> Command {
        let flags = if rustix::process::getuid().is_root() {
            "-m"
        } else {
            "-Urm"
        };
        let script = format!("mount --make-rprivate / 2>/dev/null || :\n{script}");
        let mut command = Command::new("unshare");
        command.args([flags, "--propagation", "unchanged", "sh", "-ec"]);
        command.args([&script, "sh"]);
        command
    }

    /// A process that holds a nameless file by nothing but what it mapped of it: a little first, in the
    /// order that `maps` has, and then all.
    #[test]
    fn a_mapped_file_counts_as_far_as_any_mapping_of_it_goes() {
        const MAPS: &str = r#"
            open(F, "+>", "/workspace/f") && unlink("/workspace/f") && truncate(F, 32 << 20) or die;
            my $map = sub { syscall(9, $_[0], $_[1], 1, 1, fileno(F), 0) == $_[0] or die };
            $map->(1 << 32, 4096);
            $map->(2 << 32, 32 << 20);
            close(F); $| = 1; print "up\n"; sleep 60;
        "#;
        let base = tempfile::tempdir().unwrap();
        let script = r#"
            mkdir -p root/usr root/dev root/workspace && touch root/dev/null && mount --bind /usr root/usr
            for name in bin lib lib64; do ln -s usr/$name root/$name; done
            exec chroot root /usr/bin/perl -e "$1"
        "#;
        let mut child = with_mounts(script)
            .arg(MAPS)
            .current_dir(base.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        let read = child.stdout.take().unwrap().read_exact(&mut up);
        let mut walk = Walk::new(u64::MAX);
        // As an agent has it.
        let counted = walk.begin(Place {
            folder: base.path().join("root/workspace"),
            inside: WORKSPACE.into(),
        });
        let counted = counted.and_then(|()| walk.held());
        child.kill().unwrap();
        child.wait().unwrap();
        read.expect("it maps the file");
        assert_eq!(counted.map(|()| walk.used), Ok(32 << 20));
    }

    /// The image's `/home` is an overlay, in which files are on another device than their folders.
    #[test]
    fn files_in_an_overlay_count() {
        const INSIDE: &str = "ARGOS_TEST_OVERLAY";
        if let Some(folder) = std::env::var_os(INSIDE) {
            let folder = PathBuf::from(folder);
            write(&folder.join("one"), 1 << 20);
            let one = used(&folder, u64::MAX).unwrap();
            assert!(((1 << 20)..(2 << 20)).contains(&one), "{one}");
            // Another file system in it is nobody's here.
            assert!(folder.join("other/two").exists());
            assert_eq!(used(&folder, one), Ok(one));
            return;
        }
        let base = tempfile::tempdir().unwrap();
        // Lower and upper layers on two file systems, as in the image.
        let script = r#"
            mkdir upper && mount -t tmpfs none upper && mkdir upper/up upper/work
            mkdir lower all && mkdir lower/other
            mount -t overlay overlay -o lowerdir=lower,upperdir=upper/up,workdir=upper/work all || exit 77
            mount -t tmpfs none all/other && echo 2 >all/other/two
            ARGOS_TEST_OVERLAY=$PWD/all exec "$1" --exact workspace::tests::files_in_an_overlay_count
        "#;
        let output = with_mounts(script)
            .arg(std::env::current_exe().unwrap())
            .current_dir(base.path())
            .output()
            .unwrap();
        if output.status.code() == Some(77) {
            eprintln!("skipped: this kernel has no overlay file system");
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{errors}");
        assert!(said.contains("1 passed"), "{said}");
    }
}
