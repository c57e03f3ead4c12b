//! The LMDB environment: opening, growing, and what its errors mean.
//!
//! The one place that touches what LMDB leaves to its users: a file is mapped into memory, and the map
//! may be moved only while nobody looks at it.
#![allow(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use heed::types::{Bytes, Str};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithoutTls};

use crate::{Error, Result};

/// Name of the data file in a store's folder.
pub(crate) const DATA_FILE: &str = "data.mdb";

/// Size of the map at first. It is address space, not disk.
const FIRST_MAP: usize = 64 << 20;

/// The map does not grow beyond this.
const LARGEST_MAP: usize = 64 << 30;

/// A table of bytes by bytes.
pub(crate) type Table = Database<'static, Bytes, Bytes>;

/// The tables of a store.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    /// Number to JSON.
    pub records: Table,
    /// Number and piece to vector.
    pub vectors: Table,
    /// Content hash to number.
    pub hashes: Table,
    /// Numbers without vectors; see `WORDS_ONLY` in the store.
    pub pending: Table,
    /// Names to what is remembered about the store itself.
    pub meta: Database<'static, Str, Bytes>,
}

/// An open store's environment.
pub(crate) struct Environment {
    path: PathBuf,
    /// Whoever has a transaction holds this for reading, whoever grows the map for writing.
    env: RwLock<Env<WithoutTls>>,
    tables: Tables,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// Opens the environment in the folder `path`, which exists; creates what is missing in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if let Some(lengths) = lengths(path)?
            && lengths.there < lengths.needed
        {
            return Err(Error::Corrupt {
                path: path.to_owned(),
                reason: format!(
                    "{DATA_FILE} has {} bytes where {} belong; it was cut short",
                    lengths.there, lengths.needed
                ),
            });
        }
        reserve_lock(path)?;
        let size = std::fs::metadata(path.join(DATA_FILE)).map_or(0, |m| m.len() as usize);
        let map = FIRST_MAP
            .max(size.saturating_mul(2).next_multiple_of(FIRST_MAP))
            .min(LARGEST_MAP);
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(map).max_dbs(8).max_readers(64);
        // SAFETY: the file is this program's own and changed by nobody else but by LMDB under its lock.
        // A file cut short would fault when it is read beyond its end: that was refused above.
        let env = unsafe { options.open(path) }.map_err(|e| error(path, e))?;
        let create = |env: &Env<WithoutTls>| -> std::result::Result<Tables, heed::Error> {
            let write = env.write_txn()?;
            let made = env.create_databases_and_commit(write, |opener, write| {
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit((
                    opener.create_database::<Bytes, Bytes>(write, Some("records"))?,
                    opener.create_database::<Bytes, Bytes>(write, Some("vectors"))?,
                    opener.create_database::<Bytes, Bytes>(write, Some("hashes"))?,
                    opener.create_database::<Bytes, Bytes>(write, Some("pending"))?,
                    opener.create_database::<Str, Bytes>(write, Some("meta"))?,
                )))
            })?;
            let CommitOrAbort::Commit((records, vectors, hashes, pending, meta)) = made else {
                return Err(heed::Error::Mdb(MdbError::Problem));
            };
            Ok(Tables {
                records,
                vectors,
                hashes,
                pending,
                meta,
            })
        };
        let tables = create(&env).map_err(|e| error(path, e))?;
        // Slots of readers that were killed would keep old pages from being used again.
        let _ = env.clear_stale_readers();
        Ok(Self {
            path: path.to_owned(),
            env: RwLock::new(env),
            tables,
        })
    }

    /// The store's folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at one consistent state.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&RoTxn<'_>, &Tables) -> Outcome<T>,
    ) -> Result<T> {
        let env = self.env.read().unwrap_or_else(PoisonError::into_inner);
        let txn = env.read_txn().map_err(|e| error(&self.path, e))?;
        look(&txn, &self.tables).map_err(|e| self.outcome(e))
    }

    /// Changes the store, all or nothing; on disk when it returns. Where the map is full it grows and
    /// `change` is called again.
    pub(crate) fn write<T>(
        &self,
        mut change: impl FnMut(&mut RwTxn<'_>, &Tables) -> Outcome<T>,
    ) -> Result<T> {
        loop {
            let (result, size) = {
                let env = self.env.read().unwrap_or_else(PoisonError::into_inner);
                let mut run = || {
                    let mut txn = env.write_txn()?;
                    let value = change(&mut txn, &self.tables)?;
                    txn.commit()?;
                    Ok(value)
                };
                (run(), env.info().map_size)
            };
            match result {
                Err(Failure::Lmdb(heed::Error::Mdb(MdbError::MapFull))) => self.grow(size)?,
                Err(Failure::Lmdb(heed::Error::Mdb(MdbError::MapResized))) => self.resize(0)?,
                other => return other.map_err(|e| self.outcome(e)),
            }
        }
    }

    fn grow(&self, from: usize) -> Result<()> {
        let size = from.saturating_mul(2).min(LARGEST_MAP);
        if size <= from {
            return Err(Error::Full {
                path: self.path.clone(),
                reason: format!(
                    "the store has reached its largest size of {} GiB",
                    LARGEST_MAP >> 30
                ),
            });
        }
        self.resize(size)
    }

    /// Size 0 takes over what another process has made it.
    fn resize(&self, size: usize) -> Result<()> {
        let env = self.env.write().unwrap_or_else(PoisonError::into_inner);
        if size != 0 && env.info().map_size >= size {
            // Another thread was faster.
            return Ok(());
        }
        // SAFETY: transactions of this process live only while `env` is held for reading, and it is
        // held for writing here.
        unsafe { env.resize(size) }.map_err(|e| error(&self.path, e))
    }

    fn outcome(&self, failure: Failure) -> Error {
        match failure {
            Failure::Lmdb(e) => error(&self.path, e),
            Failure::Ours(e) => e,
        }
    }
}

/// What ends a transaction early.
pub(crate) enum Failure {
    /// The database failed.
    Lmdb(heed::Error),
    /// We do not want to go on.
    Ours(Error),
}

impl From<heed::Error> for Failure {
    fn from(e: heed::Error) -> Self {
        Self::Lmdb(e)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Ours(e)
    }
}

/// The result inside a transaction.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// Our word for an LMDB error.
fn error(path: &Path, error: heed::Error) -> Error {
    let corrupt = |reason: String| Error::Corrupt {
        path: path.to_owned(),
        reason,
    };
    match error {
        heed::Error::Mdb(
            e @ (MdbError::PageNotFound
            | MdbError::Corrupted
            | MdbError::VersionMismatch
            | MdbError::Invalid
            | MdbError::CursorFull
            | MdbError::PageFull
            | MdbError::Incompatible
            | MdbError::BadValSize),
        ) => corrupt(e.to_string()),
        heed::Error::Decoding(e) => corrupt(format!("an entry cannot be read: {e}")),
        heed::Error::Mdb(e @ MdbError::MapFull) => Error::Full {
            path: path.to_owned(),
            reason: e.to_string(),
        },
        heed::Error::Io(e) if is_full(&e) || has_no_room(path) => Error::Full {
            path: path.to_owned(),
            reason: if is_full(&e) {
                e.to_string()
            } else {
                "the disk is full".into()
            },
        },
        heed::Error::Io(source) => Error::Io {
            what: "use the store in",
            path: path.to_owned(),
            source,
        },
        other => Error::Failed {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    }
}

/// Whether the disk takes nothing more. LMDB calls a write that was cut short for lack of room an
/// input/output error, so only trying tells the two apart.
fn has_no_room(path: &Path) -> bool {
    use std::io::Write;
    let file = path.join("room");
    let tried = std::fs::File::create(&file).and_then(|mut probe| {
        probe.write_all(&[0; 64 << 10])?;
        probe.sync_all()
    });
    let _ = std::fs::remove_file(&file);
    tried.is_err_and(|e| is_full(&e))
}

fn is_full(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Bytes of LMDB's page header, and where the fields of the meta page that follows it stand.
const HEADER: usize = 16;
const MAGIC: u32 = 0xBEEF_C0DE;

/// Makes a new store's lock file, of zeros and with all its space taken.
///
/// LMDB would make it by setting its length and mapping it, and on a full disk touching the map is a
/// fault (`SIGBUS`) where a write is an error. LMDB initialises whatever it finds in it when nobody else
/// has the store open.
fn reserve_lock(path: &Path) -> Result<()> {
    use std::io::Write;
    let file = path.join("lock.mdb");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = match options.open(&file) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(e) => Err(e),
        Ok(mut lock) => lock.write_all(&[0; 16 << 10]),
    };
    written.map_err(|source| {
        // Half a lock file would be taken for a whole one next time.
        let _ = std::fs::remove_file(&file);
        error(path, heed::Error::Io(source))
    })
}

/// How long a data file is and how long its own newest state says that it must be.
pub(crate) struct Lengths {
    pub there: u64,
    pub needed: u64,
}

/// The lengths of a store's data file, where its newest state can be read. A file that is shorter than
/// it must be would fault when LMDB reads it.
///
/// The first two pages are meta pages, the valid one with the higher transaction number is the newest
/// state (`MDB_meta` in LMDB's `mdb.c`, 64-bit layout): after the page header magic (u32), version
/// (u32), address (8 bytes), map size (8), two `MDB_db` records of 48 bytes, last page (u64),
/// transaction (u64). The first `MDB_db` begins with the page size (u32).
pub(crate) fn lengths(path: &Path) -> Result<Option<Lengths>> {
    use std::io::Read;
    let file = path.join(DATA_FILE);
    let io = |source| Error::Io {
        what: "read",
        path: file.clone(),
        source,
    };
    let mut handle = match std::fs::File::open(&file) {
        Ok(handle) => handle,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    let there = handle.metadata().map_err(io)?.len();
    // An empty file is a new store that was cut off before its first commit.
    if there == 0 {
        return Ok(None);
    }
    let mut head = Vec::new();
    handle
        .by_ref()
        .take(128 << 10)
        .read_to_end(&mut head)
        .map_err(io)?;
    let word = |at: usize| {
        head.get(at..at + 4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let long = |at: usize| Some(u64::from(word(at)?) | u64::from(word(at + 4)?) << 32);
    if word(HEADER) != Some(MAGIC) {
        // LMDB will say that this is none of its files, unless it is too short even for that.
        let needed = if there < 512 { 512 } else { there };
        return Ok(Some(Lengths { there, needed }));
    }
    let page = match word(HEADER + 24) {
        Some(size @ 512..=65_536) => u64::from(size),
        _ => {
            return Ok(Some(Lengths {
                there,
                needed: there.max(512),
            }));
        }
    };
    let meta = |at: usize| {
        let body = at + HEADER;
        (word(body)? == MAGIC).then_some(())?;
        Some((long(body + 24 + 96 + 8)?, long(body + 24 + 96)?))
    };
    let newest = [meta(0), meta(page as usize)].into_iter().flatten().max();
    let pages = newest.map_or(2, |(_, last_page)| last_page.saturating_add(1));
    Ok(Some(Lengths {
        there,
        needed: pages.saturating_mul(page),
    }))
}
