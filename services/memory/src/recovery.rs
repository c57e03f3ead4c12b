//! A damaged store: found before it is used, kept aside, and what can be read carried over.
//!
//! LMDB survives crashes and power cuts, but not a disk that lies or a file that was cut short; reading
//! such a file may even fault. So a store is looked at before it is opened for use, and the looking is
//! behind the [`Inspector`] trait: the service does it in a process of its own.
//!
//! ```text
//! check ── good ──────────────────────────────────────────────> open
//!   └── damaged ─> salvage into memory.new ─> memory becomes memory.corrupt-TIME
//!                                             ─> memory.new becomes memory ─> open
//! ```
//!
//! Whenever that is cut off, the next start goes on: with `memory.new` alone the last step is missing,
//! with both the salvage is done again.

use std::path::{Path, PathBuf};

use crate::environment::{DATA_FILE, Environment, lengths};
use crate::{Error, Record, Result, Store};

/// Looks at stores that may be damaged.
pub trait Inspector {
    /// Whether the store in `path` is sound. [`Error::Corrupt`] if not; other errors are no verdict.
    fn check(&self, path: &Path) -> Result<()>;
    /// What can be read of the damaged store in `path`, which this may change.
    fn salvage(&self, path: &Path) -> Vec<Record>;
}

/// Looks from inside this process: for tests, and for files that are damaged in harmless ways.
#[derive(Debug, Clone, Copy)]
pub struct InProcess;

impl Inspector for InProcess {
    fn check(&self, path: &Path) -> Result<()> {
        check(path)
    }

    fn salvage(&self, path: &Path) -> Vec<Record> {
        let mut found = Vec::new();
        salvage(path, 1, &mut |step| {
            if let Step::Read(record) = step {
                found.push(record);
            }
        });
        found
    }
}

/// What became of a damaged store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What was wrong.
    pub reason: String,
    /// Where the damaged store is now.
    pub aside: PathBuf,
    /// How many records were carried over.
    pub salvaged: usize,
}

/// Opens the store in `path`, recovering it first if it is damaged. `time` marks the folder of a
/// damaged one and has to be fit for a file name.
pub fn open(
    path: &Path,
    inspector: &dyn Inspector,
    time: &str,
) -> Result<(Store, Option<Recovered>)> {
    let fresh = sibling(path, ".new");
    if fresh.exists() {
        if path.exists() {
            remove(&fresh)?;
        } else {
            rename(&fresh, path)?;
        }
    }
    if !path.join(DATA_FILE).exists() {
        return Ok((Store::open(path)?, None));
    }
    let reason = match inspector.check(path) {
        Ok(()) => return Ok((Store::open(path)?, None)),
        Err(Error::Corrupt { reason, .. }) => reason,
        Err(other) => return Err(other),
    };
    let records = salvage_copy(path, inspector);
    {
        let store = Store::open(&fresh)?;
        store.import(&records)?;
    }
    let mut aside = sibling(path, &format!(".corrupt-{time}"));
    for n in 2.. {
        if !aside.exists() {
            break;
        }
        aside = sibling(path, &format!(".corrupt-{time}-{n}"));
    }
    rename(path, &aside)?;
    rename(&fresh, path)?;
    Ok((
        Store::open(path)?,
        Some(Recovered {
            reason,
            aside,
            salvaged: records.len(),
        }),
    ))
}

/// Salvages from a copy, so that the damaged store stays as it was found. The copy is made as long as
/// it has to be: a hole reads as zeros, which is no page, where the end of the file would be a fault.
fn salvage_copy(path: &Path, inspector: &dyn Inspector) -> Vec<Record> {
    let copy = sibling(path, ".salvage");
    let prepare = || -> std::io::Result<()> {
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir_all(&copy)?;
        std::fs::copy(path.join(DATA_FILE), copy.join(DATA_FILE))?;
        if let Ok(Some(lengths)) = lengths(&copy)
            && lengths.there < lengths.needed
        {
            std::fs::OpenOptions::new()
                .write(true)
                .open(copy.join(DATA_FILE))?
                .set_len(lengths.needed)?;
        }
        Ok(())
    };
    let mut records = match prepare() {
        Ok(()) => inspector.salvage(&copy),
        Err(e) => {
            tracing::error!(
                "cannot copy the damaged store in {} to read it: {e}",
                path.display()
            );
            Vec::new()
        }
    };
    let _ = std::fs::remove_dir_all(&copy);
    records.retain(|r| r.check().is_ok());
    records
}

/// Opens a store and looks at all of it.
pub fn check(path: &Path) -> Result<()> {
    Store::open(path)?.verify()
}

/// A step of [`salvage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This number is tried next; if the process dies now, go on after it.
    Try(u64),
    /// A record was read.
    Read(Record),
}

/// Reads what can be read of the store in `path`, from number `from` on, one number at a time: a
/// damaged page hides the numbers on it and no others. May fault on a badly damaged store.
pub fn salvage(path: &Path, from: u64, tell: &mut dyn FnMut(Step)) {
    let Ok(environment) = Environment::open(path) else {
        return;
    };
    let key = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let counted = environment
        .read(|txn, t| Ok(t.meta.get(txn, "last")?.and_then(key)))
        .ok()
        .flatten();
    let last = counted.or_else(|| {
        environment
            .read(|txn, t| Ok(t.records.last(txn)?.and_then(|(k, _)| key(k))))
            .ok()
            .flatten()
    });
    // Imported numbers may lie far apart: where the table can be walked at all, it is walked.
    let walked = environment.read(|txn, t| {
        let mut ids = Vec::new();
        for entry in t.records.iter(txn)? {
            ids.extend(key(entry?.0));
        }
        Ok(ids)
    });
    const MOST: u64 = 10_000_000;
    let ids: Vec<u64> = match (walked, last) {
        (Ok(ids), _) => ids,
        (Err(_), Some(last)) => (1..=last.min(MOST)).collect(),
        (Err(_), None) => return,
    };
    for id in ids.into_iter().filter(|id| *id >= from) {
        tell(Step::Try(id));
        let found = environment
            .read(|txn, t| Ok(t.records.get(txn, &id.to_be_bytes())?.map(<[u8]>::to_vec)));
        let record = found
            .ok()
            .flatten()
            .and_then(|json| serde_json::from_slice::<Record>(&json).ok());
        if let Some(record) = record.filter(|r| r.id == id) {
            tell(Step::Read(record));
        }
    }
}

/// `path` with something after its last part.
fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|source| Error::Io {
        what: "rename",
        path: from.to_owned(),
        source,
    })?;
    // So that the new name survives a power cut. Not every system opens folders; there it is best effort.
    if let Some(parent) = to.parent()
        && let Ok(folder) = std::fs::File::open(parent)
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_dir_all(path).map_err(|source| Error::Io {
        what: "remove",
        path: path.to_owned(),
        source,
    })
}
