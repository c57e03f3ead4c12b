//! `org.argos.Memory1`: arguments handed to the store, on a thread that may wait for the disk.

// Open files come over D-Bus on Unix only; elsewhere the interface has no `Export` and no `Import`.
#[cfg(unix)]
mod files;

use std::sync::Arc;

use argos_bus::memory::Memory;
use argos_bus::{Error, Result};
use argos_memory::{Found, MAX_TEXT, Record, Store};
use zbus::connection::Builder;
#[cfg(unix)]
use zbus::wire::OwnedFd;

use crate::embedder::Embedder;

/// Where the interface is served.
pub(crate) const PATH: &str = "/org/argos/Memory1";

/// Most memories one call returns.
const MAX_LIMIT: u32 = 500;

/// A connection to a bus by its name or address.
pub(crate) fn on(bus: &str) -> Builder<'static> {
    match bus {
        "system" => Builder::system(),
        "session" => Builder::session(),
        address => Builder::address(address),
    }
}

/// The served object.
#[derive(Debug)]
pub(crate) struct Memories {
    store: Arc<Store>,
    embedder: Arc<Embedder>,
    #[cfg(unix)]
    turn: files::Turn,
}

impl Memories {
    pub(crate) fn new(store: Arc<Store>, embedder: Arc<Embedder>) -> Self {
        Self {
            store,
            embedder,
            #[cfg(unix)]
            turn: files::Turn::default(),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> argos_memory::Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => result.map_err(on_bus),
            Err(e) => Err(Error::Failed(format!(
                "the memory store failed unexpectedly: {e}"
            ))),
        }
    }
}

#[zbus::interface(name = "org.argos.Memory1")]
impl Memories {
    async fn remember(
        &self,
        kind: &str,
        owner: &str,
        text: &str,
        tags: Vec<String>,
    ) -> Result<u64> {
        let record = Record {
            id: 0,
            when_ms: now_ms(),
            kind: kind.into(),
            owner: owner.into(),
            text: text.into(),
            tags,
        };
        let id = self.blocking(move |store| store.remember(&record)).await?;
        self.embedder.wake();
        Ok(id)
    }

    async fn recall(&self, query: &str, owner: &str, limit: u32) -> Result<Vec<Memory>> {
        if query.trim().is_empty() {
            return Err(Error::InvalidArguments("the query is empty".into()));
        }
        if query.len() > MAX_TEXT {
            return Err(Error::InvalidArguments(format!(
                "the query has {} bytes; at most {MAX_TEXT} are taken",
                query.len()
            )));
        }
        let vectors = self.embedder.query(query).await;
        let (query, owner, limit) = (query.to_owned(), owner.to_owned(), limited(limit));
        let found = self
            .blocking(move |store| match vectors {
                Some(vectors) => store.nearest(&vectors, &query, &owner, limit),
                None => store.matching(&query, &owner, limit),
            })
            .await?;
        Ok(found.into_iter().map(on_wire).collect())
    }

    async fn recent(&self, owner: &str, limit: u32) -> Result<Vec<Memory>> {
        let (owner, limit) = (owner.to_owned(), limited(limit));
        let found = self
            .blocking(move |store| store.recent(&owner, limit))
            .await?;
        Ok(found
            .into_iter()
            .map(|record| on_wire(Found { record, score: 0.0 }))
            .collect())
    }

    async fn forget(&self, id: u64) -> Result<()> {
        self.blocking(move |store| store.forget(id)).await
    }

    #[cfg(unix)]
    async fn export(&self, file: OwnedFd) -> Result<u64> {
        self.write_to(file).await
    }

    #[cfg(unix)]
    async fn import(&self, file: OwnedFd) -> Result<u64> {
        let new = self.read_from(file).await?;
        self.embedder.wake();
        Ok(new)
    }

    #[zbus(property(emits_changed_signal = "false"))]
    async fn count(&self) -> zbus::fdo::Result<u64> {
        self.blocking(Store::count)
            .await
            .map_err(|e| zbus::fdo::Error::Failed(e.to_string()))
    }
}

fn limited(limit: u32) -> usize {
    limit.min(MAX_LIMIT) as usize
}

fn on_wire(found: Found) -> Memory {
    let Found { record, score } = found;
    Memory {
        id: record.id,
        when_ms: record.when_ms,
        kind: record.kind,
        owner: record.owner,
        text: record.text,
        tags: record.tags,
        score: f64::from(score),
    }
}

fn on_bus(error: argos_memory::Error) -> Error {
    use argos_memory::Error as Store;
    let text = error.to_string();
    match error {
        Store::Invalid(_) | Store::Line { .. } => Error::InvalidArguments(text),
        Store::NotFound(_) => Error::NotFound(text),
        Store::Full { .. } => Error::LimitReached(text),
        Store::Corrupt { .. } | Store::Newer { .. } | Store::Io { .. } | Store::Failed { .. } => {
            tracing::error!("{text}");
            Error::Failed(text)
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}
