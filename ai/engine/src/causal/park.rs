//! Caches of requests that have no slot for now: in memory up to a bound, on disk beyond it, where there is
//! a folder for that. What neither takes is not kept.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::slots::Block;

/// A folder for parked requests, with an amount of disk that all models share which have a clone of this.
#[derive(Debug, Clone)]
pub struct ParkedFolder {
    path: PathBuf,
    /// Bytes that may be used.
    limit: usize,
    used: Arc<AtomicUsize>,
    /// Requests that were ever put there.
    times: Arc<AtomicU64>,
}

impl ParkedFolder {
    /// Files are made in `path`, without names, and take at most `limit` bytes together.
    pub fn new(path: impl Into<PathBuf>, limit: usize) -> Self {
        Self {
            path: path.into(),
            limit,
            used: Arc::default(),
            times: Arc::default(),
        }
    }

    /// Bytes that are in it now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many times a request was put there.
    pub fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }
}

/// Where parked caches go.
#[derive(Debug, Clone)]
pub(super) struct Parking {
    /// Bytes that may stay in memory, over all of them.
    limit: usize,
    used: Arc<AtomicUsize>,
    /// Folder for the rest.
    folder: Option<ParkedFolder>,
}

/// One sequence's cache.
#[derive(Debug)]
pub(super) struct Parked {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory {
        block: Block,
        room: Room,
    },
    /// Unlinked: it is gone with the process, however that ends.
    Disk {
        file: File,
        tokens: usize,
        room: Room,
    },
}

/// Gives its bytes back when dropped.
#[derive(Debug)]
struct Room {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// So many bytes, where `limit` leaves them.
    fn take(used: &Arc<AtomicUsize>, limit: usize, bytes: usize) -> Option<Self> {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        Some(Self {
            used: Arc::clone(used),
            bytes,
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Parking {
    pub(super) fn new(limit: usize, folder: Option<ParkedFolder>) -> Self {
        Self {
            limit,
            used: Arc::default(),
            folder,
        }
    }

    /// Bytes in memory, as they are.
    pub(super) fn used(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.used)
    }

    /// Whether so many bytes would be kept, the disk being well.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let fits =
            |used: &AtomicUsize, limit| used.load(Ordering::Relaxed).saturating_add(bytes) <= limit;
        let folder = self.folder.as_ref();
        fits(&self.used, self.limit) || folder.is_some_and(|f| fits(&f.used, f.limit))
    }

    /// Keeps a cache; `None` where there is no room for it.
    pub(super) fn park(&self, block: Block) -> Option<Parked> {
        let bytes = block.bytes.len();
        if let Some(room) = Room::take(&self.used, self.limit, bytes) {
            let place = Place::Memory { block, room };
            return Some(Parked { place });
        }
        let folder = self.folder.as_ref()?;
        let room = Room::take(&folder.used, folder.limit, bytes)?;
        match write(&folder.path, &block) {
            Ok(file) => {
                folder.times.fetch_add(1, Ordering::Relaxed);
                let place = Place::Disk {
                    file,
                    tokens: block.tokens,
                    room,
                };
                Some(Parked { place })
            }
            Err(e) => {
                tracing::warn!(
                    "cannot park {bytes} bytes of cache in {}: {e}; they are computed again",
                    folder.path.display()
                );
                None
            }
        }
    }
}

impl Parked {
    /// The cache as it was.
    pub(super) fn take(self) -> io::Result<Block> {
        match self.place {
            Place::Memory { block, room } => {
                drop(room);
                Ok(block)
            }
            Place::Disk {
                mut file,
                tokens,
                room,
            } => {
                let mut all = vec![0; room.bytes];
                file.seek(SeekFrom::Start(0))?;
                file.read_exact(&mut all)?;
                Ok(Block {
                    tokens,
                    bytes: all.into(),
                })
            }
        }
    }

    /// Whether it is on disk.
    #[cfg(test)]
    fn on_disk(&self) -> bool {
        matches!(self.place, Place::Disk { .. })
    }
}

fn write(folder: &Path, block: &Block) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&block.bytes)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: u8) -> Block {
        Block {
            tokens: 2,
            bytes: vec![value; 100].into(),
        }
    }

    #[test]
    fn beyond_the_bound_it_goes_to_disk_and_comes_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let disk = ParkedFolder::new(folder.path(), 250);
        let parking = Parking::new(150, Some(disk.clone()));
        let (first, second) = (
            parking.park(block(1)).unwrap(),
            parking.park(block(2)).unwrap(),
        );
        assert!(!first.on_disk() && second.on_disk());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // The disk has a bound of its own, whichever model comes.
        let other = Parking::new(0, Some(disk.clone()));
        assert!(other.has_room(100));
        let third = other.park(block(3)).unwrap();
        assert_eq!((disk.used(), disk.times()), (200, 2));
        assert!(!parking.has_room(100) && parking.park(block(4)).is_none());
        assert_eq!(second.take().unwrap(), block(2));
        assert_eq!(first.take().unwrap(), block(1));
        // The room is free again, here and there.
        assert!(!parking.park(block(5)).unwrap().on_disk());
        drop(third);
        assert_eq!((disk.used(), disk.times()), (0, 2));
    }

    #[test]
    fn without_a_disk_the_bound_holds() {
        for folder in [None, Some(ParkedFolder::new("/nowhere/at/all", 1000))] {
            let parking = Parking::new(250, folder.clone());
            let parked = [(), ()].map(|()| parking.park(block(7)).unwrap());
            assert_eq!(parking.has_room(100), folder.is_some());
            assert!(parking.park(block(8)).is_none());
            assert_eq!(folder.map_or(0, |folder| folder.used()), 0);
            assert_eq!(parking.used().load(Ordering::Relaxed), 200);
            let [first, second] = parked;
            assert_eq!(first.take().unwrap(), block(7));
            assert!(parking.has_room(100) && parking.park(block(8)).is_some());
            drop(second);
            assert_eq!(parking.used().load(Ordering::Relaxed), 0);
        }
    }
}
