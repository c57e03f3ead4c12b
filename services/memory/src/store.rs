//! The store: remember, recall, forget.
//!
//! Tables (see [`crate::environment::Tables`]): records by number as JSON, content hashes to numbers
//! (so that nothing is kept twice), vectors by number and piece (a long text has several), and the
//! numbers of those that have none (yet). Each change is one transaction over all of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::{Path, PathBuf};

use heed::{RoTxn, RwTxn};

use crate::environment::{Environment, Outcome, Tables};
use crate::vector::{self, Query};
use crate::{Error, Record, Result, words};

/// Format of the store, written into it.
const FORMAT: u64 = 1;
/// Value of a pending entry that will have no vector; the others are empty.
const WORDS_ONLY: &[u8] = &[1];
/// Most records a search returns.
const MAX_FOUND: usize = 1000;
/// Most vectors of one record.
pub(crate) const MAX_PIECES: usize = 64;

/// A record and how well it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// -1 to 1; 0 where nothing was searched.
    pub score: f32,
}

/// A text that waits for its vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The record's number.
    pub id: u64,
    /// Its text.
    pub text: String,
}

/// The memory store of one person. Shared between threads by reference; calls block on the disk.
#[derive(Debug)]
pub struct Store {
    environment: Environment,
}

impl Store {
    /// Opens the store in the folder `path`, or makes a new one there, for its owner's eyes only.
    ///
    /// Fails with [`Error::Corrupt`] where the store is damaged ([`crate::recovery`] helps) and with
    /// [`Error::Newer`] where it is of a newer program.
    pub fn open(path: &Path) -> Result<Self> {
        make_private(path)?;
        let environment = Environment::open(path)?;
        let format = environment.read(|txn, t| Ok(number(t.meta.get(txn, "format")?)))?;
        match format {
            Some(FORMAT) => {}
            Some(found) => {
                return Err(Error::Newer {
                    path: path.to_owned(),
                    found,
                    known: FORMAT,
                });
            }
            None => environment
                .write(|txn, t| Ok(t.meta.put(txn, "format", &FORMAT.to_be_bytes())?))?,
        }
        Ok(Self { environment })
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        self.environment.path()
    }

    /// How many records there are.
    pub fn count(&self) -> Result<u64> {
        self.environment.read(|txn, t| Ok(t.records.len(txn)?))
    }

    /// Stores a record under a new number, which is returned; `record.id` is ignored. On disk when
    /// this returns. The same thing of the same moment is kept once, under its first number.
    pub fn remember(&self, record: &Record) -> Result<u64> {
        record.check()?;
        self.environment.write(|txn, t| {
            let mut record = record.clone();
            record.id = next_id(txn, t)?;
            insert(txn, t, &record)
        })
    }

    /// Stores records as they were exported: each keeps its number unless that is taken. Known ones
    /// are kept once. All or nothing; returns how many were new.
    pub fn import(&self, records: &[Record]) -> Result<u64> {
        for record in records {
            record.check()?;
        }
        self.environment.write(|txn, t| {
            let mut new = 0;
            for record in records {
                if t.hashes.get(txn, &record.hash())?.is_some() {
                    continue;
                }
                let mut record = record.clone();
                let taken = t.records.get(txn, &record.id.to_be_bytes())?.is_some();
                // The largest number would leave none for what comes after it.
                if record.id == 0 || record.id == u64::MAX || taken {
                    record.id = next_id(txn, t)?;
                }
                insert(txn, t, &record)?;
                new += 1;
            }
            Ok(new)
        })
    }

    /// One record.
    pub fn get(&self, id: u64) -> Result<Record> {
        self.environment
            .read(|txn, t| match t.records.get(txn, &id.to_be_bytes())? {
                Some(bytes) => Ok(decode(self.path(), id, bytes)?),
                None => Err(Error::NotFound(id).into()),
            })
    }

    /// Forgets one record.
    pub fn forget(&self, id: u64) -> Result<()> {
        self.environment.write(|txn, t| {
            let key = id.to_be_bytes();
            let bytes = t.records.get(txn, &key)?.ok_or(Error::NotFound(id))?;
            let hash = decode(self.path(), id, bytes)?.hash();
            t.records.delete(txn, &key)?;
            t.hashes.delete(txn, &hash)?;
            t.pending.delete(txn, &key)?;
            delete_vectors(txn, t, id)?;
            Ok(())
        })
    }

    /// The newest records of `owner` (empty: of all), newest first. Newest is what was stored last.
    pub fn recent(&self, owner: &str, limit: usize) -> Result<Vec<Record>> {
        let limit = limit.min(MAX_FOUND);
        self.environment.read(|txn, t| {
            let mut found = Vec::new();
            for entry in t.records.rev_iter(txn)? {
                if found.len() >= limit {
                    break;
                }
                let (key, bytes) = entry?;
                let record = decode(self.path(), id_of(key), bytes)?;
                if owner.is_empty() || record.owner == owner {
                    found.push(record);
                }
            }
            Ok(found)
        })
    }

    /// Records from number `from` on, lowest first.
    pub fn page(&self, from: u64, limit: usize) -> Result<Vec<Record>> {
        self.environment.read(|txn, t| {
            let start = from.to_be_bytes();
            let range = (
                std::ops::Bound::Included(&start[..]),
                std::ops::Bound::Unbounded,
            );
            t.records
                .range(txn, &range)?
                .take(limit)
                .map(|entry| {
                    let (key, bytes) = entry?;
                    Ok(decode(self.path(), id_of(key), bytes)?)
                })
                .collect()
        })
    }

    /// The records of `owner` (empty: of all) nearest in meaning to any of `queries`, best first.
    /// Records that have no vector of this length are compared by their words with `text`.
    pub fn nearest(
        &self,
        queries: &[Vec<f32>],
        text: &str,
        owner: &str,
        limit: usize,
    ) -> Result<Vec<Found>> {
        let queries: Vec<Query> = queries.iter().map(|q| Query::new(q, owner)).collect();
        self.search(text, owner, limit, |txn, t| {
            let mut scores: BTreeMap<u64, f32> = BTreeMap::new();
            for entry in t.vectors.iter(txn)? {
                let (key, stored) = entry?;
                let best = queries
                    .iter()
                    .filter_map(|q| q.cosine(stored))
                    .reduce(f32::max);
                if let Some(score) = best {
                    let slot = scores.entry(id_of(key)).or_insert(f32::NEG_INFINITY);
                    *slot = slot.max(score);
                }
            }
            Ok(scores)
        })
    }

    /// The records of `owner` (empty: of all) that share words with `text`, best first.
    pub fn matching(&self, text: &str, owner: &str, limit: usize) -> Result<Vec<Found>> {
        self.search(text, owner, limit, |_, _| Ok(BTreeMap::new()))
    }

    /// `scored` gives the scores that are known; the rest is scored by words.
    fn search(
        &self,
        text: &str,
        owner: &str,
        limit: usize,
        scored: impl FnOnce(&RoTxn<'_>, &Tables) -> Outcome<BTreeMap<u64, f32>>,
    ) -> Result<Vec<Found>> {
        let limit = limit.min(MAX_FOUND);
        let words = words::words(text);
        self.environment.read(|txn, t| {
            let scores = scored(txn, t)?;
            let mut best = Best::new(limit);
            for (id, score) in &scores {
                best.offer(*score, *id);
            }
            let has_words = |id: u64| -> Outcome<Option<f32>> {
                let Some(bytes) = t.records.get(txn, &id.to_be_bytes())? else {
                    return Ok(None);
                };
                let record = decode(self.path(), id, bytes)?;
                let score = words::overlap(&words, &record.text);
                let wanted = score > 0.0 && (owner.is_empty() || record.owner == owner);
                Ok(wanted.then_some(score))
            };
            // Without any vector every record is looked at, else those that have none.
            let table = if scores.is_empty() {
                t.records
            } else {
                t.pending
            };
            for entry in table.iter(txn)? {
                let id = id_of(entry?.0);
                if !scores.contains_key(&id)
                    && let Some(score) = has_words(id)?
                {
                    best.offer(score, id);
                }
            }
            let mut found = Vec::new();
            for (score, id) in best.into_sorted() {
                let Some(bytes) = t.records.get(txn, &id.to_be_bytes())? else {
                    continue;
                };
                let record = decode(self.path(), id, bytes)?;
                // The vectors know their owners by a short hash only.
                if owner.is_empty() || record.owner == owner {
                    found.push(Found { record, score });
                }
            }
            Ok(found)
        })
    }

    /// Texts that wait for vectors, oldest first.
    pub fn pending(&self, limit: usize) -> Result<Vec<Pending>> {
        self.environment.read(|txn, t| {
            let mut found = Vec::new();
            for entry in t.pending.iter(txn)? {
                let (key, state) = entry?;
                if found.len() >= limit {
                    break;
                }
                if state == WORDS_ONLY {
                    continue;
                }
                let id = id_of(key);
                if let Some(bytes) = t.records.get(txn, &id.to_be_bytes())? {
                    found.push(Pending {
                        id,
                        text: decode(self.path(), id, bytes)?.text,
                    });
                }
            }
            Ok(found)
        })
    }

    /// Hands in the vectors of a record, one for each piece of its text. None at all means that there
    /// will be none: it stays to be found by its words. A record that was forgotten meanwhile is
    /// passed over.
    pub fn set_vectors(&self, id: u64, pieces: &[Vec<f32>]) -> Result<()> {
        if pieces.len() > MAX_PIECES {
            return Err(Error::Invalid(format!(
                "at most {MAX_PIECES} vectors for one record"
            )));
        }
        self.environment.write(|txn, t| {
            let key = id.to_be_bytes();
            let Some(bytes) = t.records.get(txn, &key)? else {
                return Ok(());
            };
            let owner = decode(self.path(), id, bytes)?.owner;
            delete_vectors(txn, t, id)?;
            for (piece, vector) in (0u16..).zip(pieces) {
                t.vectors.put(
                    txn,
                    &vector_key(id, piece),
                    &vector::encode(vector, &owner)?,
                )?;
            }
            if pieces.is_empty() {
                t.pending.put(txn, &key, WORDS_ONLY)?;
            } else {
                t.pending.delete(txn, &key)?;
            }
            Ok(())
        })
    }

    /// Says which model the vectors are of. If it is another one than before, all records wait for
    /// their vectors again; returns whether that is so.
    pub fn set_model(&self, model: &str) -> Result<bool> {
        self.environment.write(|txn, t| {
            if t.meta.get(txn, "model")? == Some(model.as_bytes()) {
                return Ok(false);
            }
            t.meta.put(txn, "model", model.as_bytes())?;
            let old = !t.vectors.is_empty(txn)?;
            t.vectors.clear(txn)?;
            let ids: Vec<Vec<u8>> = t
                .records
                .iter(txn)?
                .map(|entry| entry.map(|(key, _)| key.to_vec()))
                .collect::<std::result::Result<_, _>>()?;
            for id in ids {
                t.pending.put(txn, &id, &[])?;
            }
            Ok(old)
        })
    }

    /// Looks at every entry; the error says what does not fit together.
    pub fn verify(&self) -> Result<()> {
        let corrupt = |reason: String| Error::Corrupt {
            path: self.path().to_owned(),
            reason,
        };
        self.environment.read(|txn, t| {
            let mut ids = BTreeSet::new();
            for entry in t.records.iter(txn)? {
                let (key, bytes) = entry?;
                let id = id_of(key);
                let record = decode(self.path(), id, bytes)?;
                let hash = t.hashes.get(txn, &record.hash())?;
                if hash.map(id_of) != Some(id) {
                    return Err(corrupt(format!("memory {id} is not found by its content")).into());
                }
                ids.insert(id);
            }
            if t.hashes.len(txn)? != ids.len() as u64 {
                return Err(
                    corrupt("there are hashes of records that are not there".into()).into(),
                );
            }
            for table in [t.pending, t.vectors] {
                for entry in table.iter(txn)? {
                    let id = id_of(entry?.0);
                    if !ids.contains(&id) {
                        return Err(corrupt(format!(
                            "something belongs to memory {id}, which is not there"
                        ))
                        .into());
                    }
                }
            }
            let last = number(t.meta.get(txn, "last")?).unwrap_or(0);
            if ids.last().is_some_and(|id| *id > last) {
                return Err(
                    corrupt("numbers have been given out that were not counted".into()).into(),
                );
            }
            Ok(())
        })
    }
}

/// Inserts a checked record under its number; returns the number it is known by.
fn insert(txn: &mut RwTxn<'_>, t: &Tables, record: &Record) -> Outcome<u64> {
    let hash = record.hash();
    if let Some(known) = t.hashes.get(txn, &hash)? {
        return Ok(id_of(known));
    }
    let key = record.id.to_be_bytes();
    let json = serde_json::to_vec(record).map_err(|e| Error::Invalid(e.to_string()))?;
    t.records.put(txn, &key, &json)?;
    t.hashes.put(txn, &hash, &key)?;
    t.pending.put(txn, &key, &[])?;
    // Numbers are never used again, not even after the last one was forgotten.
    let last = number(t.meta.get(txn, "last")?).unwrap_or(0).max(record.id);
    t.meta.put(txn, "last", &last.to_be_bytes())?;
    Ok(record.id)
}

fn next_id(txn: &RoTxn<'_>, t: &Tables) -> Outcome<u64> {
    let last = number(t.meta.get(txn, "last")?).unwrap_or(0);
    let next = last.checked_add(1).filter(|n| *n < u64::MAX);
    Ok(next.ok_or_else(|| Error::Invalid("there are no more numbers".into()))?)
}

fn delete_vectors(txn: &mut RwTxn<'_>, t: &Tables, id: u64) -> Outcome<()> {
    let (first, last) = (vector_key(id, 0), vector_key(id, u16::MAX));
    let range = (
        std::ops::Bound::Included(&first[..]),
        std::ops::Bound::Included(&last[..]),
    );
    t.vectors.delete_range(txn, &range)?;
    Ok(())
}

fn vector_key(id: u64, piece: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// The number that a key or value begins with.
fn id_of(bytes: &[u8]) -> u64 {
    number(Some(bytes.get(..8).unwrap_or_default())).unwrap_or(0)
}

fn number(bytes: Option<&[u8]>) -> Option<u64> {
    bytes?.try_into().ok().map(u64::from_be_bytes)
}

fn decode(path: &Path, id: u64, bytes: &[u8]) -> Result<Record> {
    let record: Record = serde_json::from_slice(bytes).map_err(|e| Error::Corrupt {
        path: path.to_owned(),
        reason: format!("memory {id} is not readable: {e}"),
    })?;
    if record.id != id {
        return Err(Error::Corrupt {
            path: path.to_owned(),
            reason: format!("memory {id} says it is {}", record.id),
        });
    }
    Ok(record)
}

/// Makes the folder, readable by its owner only.
fn make_private(path: &Path) -> Result<()> {
    let io = |what| {
        move |source| Error::Io {
            what,
            path: PathBuf::from(path),
            source,
        }
    };
    std::fs::create_dir_all(path).map_err(io("make the folder"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .map_err(io("set the permissions of"))?;
    }
    Ok(())
}

/// The best few of many scores; of equal ones the newer.
struct Best {
    limit: usize,
    heap: BinaryHeap<Reverse<(Score, u64)>>,
}

#[derive(PartialEq)]
struct Score(f32);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Best {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    fn offer(&mut self, score: f32, id: u64) {
        self.heap.push(Reverse((Score(score), id)));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Best first.
    fn into_sorted(self) -> impl Iterator<Item = (f32, u64)> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse((score, id))| (score.0, id))
    }
}
