//! Caches of requests that have no slot for now: in memory up to a bound, on disk beyond it, where there is
//! a folder for that. What neither takes is not kept.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::slots::Block;

/// Where parked caches go.
#[derive(Debug, Clone)]
pub(super) struct Parking {
    /// Bytes that may stay in memory, over all of them.
    limit: usize,
    used: Arc<AtomicUsize>,
    /// Folder for the rest.
    folder: Option<PathBuf>,
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
        bytes: usize,
    },
}

/// Gives its bytes back when dropped.
#[derive(Debug)]
struct Room {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Parking {
    pub(super) fn new(limit: usize, folder: Option<PathBuf>) -> Self {
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
        self.folder.is_some() || self.fits(bytes)
    }

    fn fits(&self, bytes: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit
    }

    /// Keeps a cache; `None` where there is no room for it.
    pub(super) fn park(&self, block: Block) -> Option<Parked> {
        let bytes = block.bytes.len();
        if self.fits(bytes) {
            self.used.fetch_add(bytes, Ordering::Relaxed);
            let room = Room {
                used: Arc::clone(&self.used),
                bytes,
            };
            let place = Place::Memory { block, room };
            return Some(Parked { place });
        }
        let folder = self.folder.as_ref()?;
        match write(folder, &block) {
            Ok(file) => {
                let place = Place::Disk {
                    file,
                    tokens: block.tokens,
                    bytes,
                };
                Some(Parked { place })
            }
            Err(e) => {
                tracing::warn!(
                    "cannot park {bytes} bytes of cache in {}: {e}; they are computed again",
                    folder.display()
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
                bytes,
            } => {
                let mut all = vec![0; bytes];
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
        let parking = Parking::new(150, Some(folder.path().to_owned()));
        let (first, second) = (
            parking.park(block(1)).unwrap(),
            parking.park(block(2)).unwrap(),
        );
        assert!(!first.on_disk() && second.on_disk());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(second.take().unwrap(), block(2));
        assert_eq!(first.take().unwrap(), block(1));
        // The room is free again.
        assert!(!parking.park(block(3)).unwrap().on_disk());
    }

    #[test]
    fn without_a_disk_the_bound_holds() {
        for folder in [None, Some("/nowhere/at/all".into())] {
            let parking = Parking::new(250, folder.clone());
            let parked = [(), ()].map(|()| parking.park(block(7)).unwrap());
            assert_eq!(parking.has_room(100), folder.is_some());
            assert!(parking.park(block(8)).is_none());
            assert_eq!(parking.used().load(Ordering::Relaxed), 200);
            let [first, second] = parked;
            assert_eq!(first.take().unwrap(), block(7));
            assert!(parking.has_room(100) && parking.park(block(8)).is_some());
            drop(second);
            assert_eq!(parking.used().load(Ordering::Relaxed), 0);
        }
    }
}
