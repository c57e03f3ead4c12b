//! Timers and reminders: kept on disk, told when they are due.
//!
//! ```text
//!   set ---> waiting ---due---> ringing ---shown and told---> gone
//!               '---cancelled--------------------------------^
//! ```
//!
//! The file has all that are not gone. It is replaced as a whole and synced before a change is
//! acknowledged, so neither a restart nor a power cut loses one; what came due meanwhile rings at
//! the next start. One that was cut off while it rang rings again: twice is better than never.
//!
//! Times are moments on the wall clock: a timer that the machine slept through rings when it wakes.
//! Nothing in this module reads a clock; [`service`] does. [`when`] reads what people say.

pub mod service;
pub mod when;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use argos_bus::timers::Timer;
use serde::{Deserialize, Serialize};

/// Most timers and reminders that may be set.
pub const MOST: usize = 500;
/// Most of them that one agent may have set.
pub const MOST_OF_ONE: usize = 100;
/// Largest file that is taken for one of ours, in bytes.
const MOST_FILE: u64 = 8 << 20;
/// The file's format.
const VERSION: u32 = 1;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    last_id: u64,
    timers: Vec<Timer>,
}

/// Every timer that has not gone off.
#[derive(Debug)]
pub struct Timers {
    path: PathBuf,
    last_id: u64,
    timers: Vec<Timer>,
    ringing: HashSet<u64>,
}

impl Timers {
    /// Reads the file. One that cannot be understood is set aside as `….broken`, which the second
    /// value tells.
    ///
    /// # Errors
    /// It cannot be read or set aside.
    pub fn open(path: &Path) -> io::Result<(Self, Option<String>)> {
        let mut timers = Self {
            path: path.to_owned(),
            last_id: 0,
            timers: Vec::new(),
            ringing: HashSet::new(),
        };
        let read = match std::fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((timers, None)),
            Err(e) => return Err(e),
            Ok(meta) if meta.len() > MOST_FILE => Err("it is too large".to_owned()),
            Ok(_) => {
                serde_json::from_slice::<Kept>(&std::fs::read(path)?).map_err(|e| e.to_string())
            }
        };
        let wrong = match read {
            Ok(kept) if kept.version == VERSION => {
                timers.last_id = kept
                    .timers
                    .iter()
                    .map(|t| t.id)
                    .fold(kept.last_id, u64::max);
                timers.timers = kept.timers;
                return Ok((timers, None));
            }
            Ok(kept) => format!(
                "it has version {}, and {VERSION} is understood",
                kept.version
            ),
            Err(e) => e,
        };
        let aside = path.with_extension("json.broken");
        std::fs::rename(path, &aside)?;
        let told = format!(
            "{}: {wrong}; it is now {}, and no timer is set",
            path.display(),
            aside.display()
        );
        Ok((timers, Some(told)))
    }

    /// Adds one and gives it its number. It is on disk when this returns.
    ///
    /// # Errors
    /// Text for people: there are too many, or it cannot be kept; it is not set then.
    pub fn add(&mut self, timer: Timer) -> Result<Timer, Refused> {
        if self.timers.len() >= MOST {
            return Err(Refused::TooMany(format!(
                "{MOST} timers and reminders are set already"
            )));
        }
        let own = self
            .timers
            .iter()
            .filter(|t| t.agent == timer.agent)
            .count();
        if !timer.agent.is_empty() && own >= MOST_OF_ONE {
            return Err(Refused::TooMany(format!(
                "{} has set {MOST_OF_ONE} timers and reminders already",
                timer.agent
            )));
        }
        let timer = Timer {
            id: self.last_id + 1,
            ..timer
        };
        self.last_id = timer.id;
        self.timers.push(timer.clone());
        if let Err(e) = self.write() {
            self.timers.pop();
            return Err(Refused::NotKept(self.because(&e)));
        }
        Ok(timer)
    }

    /// Takes one away: cancelled, or done with. It is so on disk when this returns.
    ///
    /// # Errors
    /// There is none of this number, or the change cannot be kept; it is still set then.
    pub fn remove(&mut self, id: u64) -> Result<Timer, Refused> {
        let at = self.timers.iter().position(|t| t.id == id).ok_or_else(|| {
            Refused::Unknown(format!(
                "no timer or reminder {id} is set; `argos timers` lists them"
            ))
        })?;
        let timer = self.timers.remove(at);
        if let Err(e) = self.write() {
            self.timers.insert(at, timer);
            return Err(Refused::NotKept(self.because(&e)));
        }
        self.ringing.remove(&id);
        Ok(timer)
    }

    /// All, the next one first.
    pub fn all(&self) -> Vec<Timer> {
        let mut all = self.timers.clone();
        all.sort_by_key(|t| (t.due_ms, t.id));
        all
    }

    /// When the next one is due that does not ring yet.
    pub fn next(&self) -> Option<u64> {
        self.timers
            .iter()
            .filter(|t| !self.ringing.contains(&t.id))
            .map(|t| t.due_ms)
            .min()
    }

    /// Those that are due and did not ring yet; they do from now on.
    pub fn ring(&mut self, now_ms: u64) -> Vec<Timer> {
        let due: Vec<Timer> = self
            .all()
            .into_iter()
            .filter(|t| t.due_ms <= now_ms && !self.ringing.contains(&t.id))
            .collect();
        self.ringing.extend(due.iter().map(|t| t.id));
        due
    }

    fn because(&self, e: &io::Error) -> String {
        format!("{}: {e}", self.path.display())
    }

    /// Replaces the file as a whole.
    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let part = self.path.with_extension("json.part");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        serde_json::to_writer(
            &mut file,
            &Kept {
                version: VERSION,
                last_id: self.last_id,
                timers: self.timers.clone(),
            },
        )?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&part, &self.path)?;
        // The name is on disk once the folder is. Folders cannot be opened everywhere.
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Why a change was not made. Each has the words for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are enough.
    #[error("{0}")]
    TooMany(String),
    /// There is none of this number.
    #[error("{0}")]
    Unknown(String),
    /// The disk.
    #[error("it cannot be kept: {0}")]
    NotKept(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(agent: &str, text: &str, due_ms: u64) -> Timer {
        Timer {
            id: 0,
            kind: "timer".into(),
            agent: agent.into(),
            text: text.into(),
            set_ms: 1,
            due_ms,
        }
    }

    #[test]
    fn they_outlive_a_restart_and_numbers_are_not_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/timers.json");
        let (mut timers, told) = Timers::open(&path).unwrap();
        assert!(told.is_none());
        timers.add(timer("", "late", 200)).unwrap();
        timers.add(timer("steward", "soon", 100)).unwrap();
        let gone = timers.add(timer("", "gone", 300)).unwrap();
        timers.remove(gone.id).unwrap();
        drop(timers);
        let (mut timers, _) = Timers::open(&path).unwrap();
        let texts: Vec<String> = timers.all().into_iter().map(|t| t.text).collect();
        assert_eq!(texts, ["soon", "late"]);
        assert_eq!(timers.add(timer("", "new", 400)).unwrap().id, gone.id + 1);
    }

    #[test]
    fn what_is_due_rings_once_and_again_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("timers.json");
        let (mut timers, _) = Timers::open(&path).unwrap();
        let due = timers.add(timer("", "due", 100)).unwrap();
        timers.add(timer("", "later", 200)).unwrap();
        assert_eq!(timers.next(), Some(100));
        assert!(timers.ring(99).is_empty());
        assert_eq!(timers.ring(100), std::slice::from_ref(&due));
        assert!(timers.ring(150).is_empty());
        assert_eq!(timers.next(), Some(200));
        // The power goes while it rings.
        let (mut timers, _) = Timers::open(&path).unwrap();
        assert_eq!(timers.ring(150), std::slice::from_ref(&due));
        timers.remove(due.id).unwrap();
        let (mut timers, _) = Timers::open(&path).unwrap();
        assert!(timers.ring(150).is_empty());
        assert!(matches!(timers.remove(due.id), Err(Refused::Unknown(_))));
    }

    #[test]
    fn a_broken_file_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("timers.json");
        for text in [
            "{\"version\":1",
            "[]",
            "{\"version\":9,\"last_id\":1,\"timers\":[]}",
            "",
        ] {
            std::fs::write(&path, text).unwrap();
            let (timers, told) = Timers::open(&path).unwrap();
            assert!(told.unwrap().contains("timers.json.broken") && timers.all().is_empty());
            assert_eq!(
                std::fs::read_to_string(dir.path().join("timers.json.broken")).unwrap(),
                text
            );
        }
    }

    #[test]
    fn one_agent_cannot_fill_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut timers, _) = Timers::open(&dir.path().join("timers.json")).unwrap();
        // Not written one by one: the disk has nothing to do with it.
        timers.timers = vec![timer("scout", "x", 1); MOST_OF_ONE];
        assert!(matches!(
            timers.add(timer("scout", "x", 1)),
            Err(Refused::TooMany(_))
        ));
        timers.add(timer("steward", "x", 1)).unwrap();
        timers.timers = vec![timer("", "x", 1); MOST];
        assert!(matches!(
            timers.add(timer("", "x", 1)),
            Err(Refused::TooMany(_))
        ));
    }

    #[test]
    fn what_cannot_be_kept_is_not_set() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("timers.json");
        let (mut timers, _) = Timers::open(&path).unwrap();
        let kept = timers.add(timer("", "kept", 1)).unwrap();
        // The place of the draft is taken, which no permission of root gets around.
        std::fs::create_dir(dir.path().join("timers.json.part")).unwrap();
        assert!(matches!(
            timers.add(timer("", "x", 1)),
            Err(Refused::NotKept(_))
        ));
        assert!(matches!(timers.remove(kept.id), Err(Refused::NotKept(_))));
        assert_eq!(timers.all(), [kept]);
    }
}
