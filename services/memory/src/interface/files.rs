//! `Export` and `Import`: the store's lines to and from an open file that the caller hands over.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::OwnedFd as StdFd;

use argos_bus::{Error, Result};
use argos_memory::{Store, transfer};
use tokio::sync::Semaphore;
use zbus::wire::OwnedFd;

use super::Memories;

/// One export or import at a time: the other end of its fd may be slow, and each holds a thread.
#[derive(Debug)]
pub(super) struct Turn(Semaphore);

impl Default for Turn {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Memories {
    /// Exports to `file`; returns how many memories.
    pub(super) async fn write_to(&self, file: OwnedFd) -> Result<u64> {
        self.transfer(file, |store, file| {
            transfer::export(store, BufWriter::new(file))
        })
        .await
    }

    /// Imports from `file`; returns how many memories were new.
    pub(super) async fn read_from(&self, file: OwnedFd) -> Result<u64> {
        self.transfer(file, transfer::import_file).await
    }

    async fn transfer(
        &self,
        file: OwnedFd,
        work: impl FnOnce(&Store, File) -> argos_memory::Result<u64> + Send + 'static,
    ) -> Result<u64> {
        let _turn = self.turn.0.try_acquire().map_err(|_| {
            Error::LimitReached(
                "another export or import is going on; try again when it is done".into(),
            )
        })?;
        let file = File::from(StdFd::from(file));
        self.blocking(move |store| work(store, file)).await
    }
}
