//! Vectors from the AI service: for queries at once, for new records in the background.
//!
//! The AI service may be down, still loading, or come later with another model. Records are stored
//! without waiting for it; [`Embedder::run`] fetches what is missing whenever it can.

use std::sync::Arc;
use std::time::Duration;

use argos_bus::ai::Ai1Proxy;
use argos_memory::{Error, Pending, Store};
use tokio::sync::{Mutex, Notify};

use crate::interface;

/// Bytes of one piece of a text. Models take so many tokens; a text that is longer has several vectors.
const PIECE: usize = 320;
/// Most pieces of one text.
const MAX_PIECES: usize = 64;
/// Shortest piece that is halved once more when the model finds it too long.
const SHORTEST: usize = 16;
/// Records that are fetched at a time.
const BATCH: usize = 16;
/// How long a query waits for its vector before its words have to do.
const QUERY_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait after a failure, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often to look whether the model has changed.
const LOOK: Duration = Duration::from_secs(300);

/// The AI service as this program uses it.
#[derive(Debug)]
pub(crate) struct Embedder {
    bus: String,
    store: Arc<Store>,
    proxy: Mutex<Option<Ai1Proxy<'static>>>,
    wake: Notify,
}

impl Embedder {
    pub(crate) fn new(bus: String, store: Arc<Store>) -> Self {
        Self {
            bus,
            store,
            proxy: Mutex::new(None),
            wake: Notify::new(),
        }
    }

    /// Says that there are new records.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Vectors of a query, one for each piece; `None` where there are none to be had now.
    pub(crate) async fn query(&self, text: &str) -> Option<Vec<Vec<f32>>> {
        let embedded = tokio::time::timeout(QUERY_LIMIT, async {
            let proxy = self.proxy().await?;
            self.embed(&proxy, text).await
        });
        match embedded.await {
            Ok(Ok(vectors)) => Some(vectors).filter(|v| !v.is_empty()),
            Ok(Err(e)) => {
                tracing::debug!("no vector for a query: {e}");
                None
            }
            Err(_) => None,
        }
    }

    /// Fetches missing vectors for ever.
    pub(crate) async fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.catch_up().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    let _ = tokio::time::timeout(LOOK, self.wake.notified()).await;
                }
                Err(e) => {
                    tracing::debug!("memories wait for their vectors: {e}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn catch_up(&self) -> anyhow::Result<()> {
        let proxy = self.proxy().await?;
        if self.blocking(|s| s.pending(1)).await?.is_empty() && !self.blocking_count().await? {
            return Ok(());
        }
        let model = match self.model(&proxy).await {
            Ok(model) => model,
            Err(e) => {
                // The connection may have gone stale together with its bus.
                *self.proxy.lock().await = None;
                return Err(e);
            }
        };
        if self.blocking(move |s| s.set_model(&model)).await? {
            tracing::info!("the embedding model has changed; all memories get new vectors");
        }
        loop {
            let batch = self.blocking(|s| s.pending(BATCH)).await?;
            if batch.is_empty() {
                return Ok(());
            }
            for Pending { id, text } in batch {
                let vectors = self.embed(&proxy, &text).await?;
                self.blocking(move |s| s.set_vectors(id, &vectors)).await?;
            }
        }
    }

    /// Whether there is anything to look after at all.
    async fn blocking_count(&self) -> anyhow::Result<bool> {
        Ok(self.blocking(Store::count).await? > 0)
    }

    /// Identifies the model that makes the vectors: vectors of two models cannot be compared.
    async fn model(&self, proxy: &Ai1Proxy<'_>) -> anyhow::Result<String> {
        let models = proxy.list_models().await?;
        let model = models
            .into_iter()
            .find(|m| m.id == "default")
            .ok_or_else(|| anyhow::anyhow!("the AI service has no default model"))?;
        Ok(format!("{}:{}", model.id, model.size_bytes))
    }

    /// Vectors of the pieces of a text. A piece that the model finds too long is halved; one that it
    /// refuses however short is left out.
    async fn embed(&self, proxy: &Ai1Proxy<'_>, text: &str) -> anyhow::Result<Vec<Vec<f32>>> {
        let mut waiting: Vec<&str> = pieces(text, PIECE);
        waiting.reverse();
        let mut vectors = Vec::new();
        while let Some(piece) = waiting.pop() {
            if vectors.len() >= MAX_PIECES {
                break;
            }
            match proxy.embed(&[piece]).await {
                Ok(made) => vectors.extend(
                    made.into_iter()
                        .map(|v| v.into_iter().map(|n| n as f32).collect::<Vec<f32>>()),
                ),
                Err(argos_bus::Error::InvalidArguments(_)) => {
                    if piece.len() > SHORTEST {
                        waiting.extend(pieces(piece, piece.len() / 2).into_iter().rev());
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(vectors)
    }

    async fn proxy(&self) -> anyhow::Result<Ai1Proxy<'static>> {
        let mut slot = self.proxy.lock().await;
        if let Some(proxy) = &*slot
            && !proxy.inner().connection().is_closed()
        {
            return Ok(proxy.clone());
        }
        let connection = interface::on(&self.bus).build().await?;
        let proxy = Ai1Proxy::new(&connection).await?;
        *slot = Some(proxy.clone());
        Ok(proxy)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> anyhow::Result<T> {
        let store = Arc::clone(&self.store);
        Ok(tokio::task::spawn_blocking(move || work(&store)).await??)
    }
}

/// Cuts a text into pieces of at most `limit` bytes (one character at least), at the ends of lines,
/// sentences or words where there are any.
fn pieces(text: &str, limit: usize) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while rest.len() > limit {
        let mut end = limit;
        while end > 0 && !rest.is_char_boundary(end) {
            end -= 1;
        }
        if end == 0 {
            end = rest.chars().next().map_or(rest.len(), char::len_utf8);
        }
        let head = &rest[..end];
        // Not too early, or the pieces become many and small.
        let late = |at: usize| (at > end / 2).then_some(at);
        let cut = head
            .rfind('\n')
            .and_then(late)
            .or_else(|| {
                head.rfind(['.', '!', '?', ';'])
                    .map(|i| i + 1)
                    .and_then(late)
            })
            .or_else(|| head.rfind(char::is_whitespace).and_then(late))
            .unwrap_or(end);
        found.push(rest[..cut].trim());
        rest = rest[cut..].trim_start();
    }
    found.push(rest);
    found.retain(|p| !p.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_bounded_and_complete() {
        let text =
            "One sentence here. Another one there! Ünïcödé 文文文文文文文文文文文文 end\nlast line";
        for limit in [1, 2, 5, 16, 40, 1000] {
            let cut = pieces(text, limit);
            assert!(
                cut.iter().all(|p| p.len() <= limit.max(4) && !p.is_empty()),
                "{limit} {cut:?}"
            );
            let squeeze = |s: &str| s.split_whitespace().collect::<String>();
            assert_eq!(squeeze(&cut.concat()), squeeze(text), "{limit}");
        }
        assert_eq!(pieces(text, 40)[0], "One sentence here. Another one there!");
        assert!(pieces(" \n", 10).is_empty());
    }
}
