//! The warm tool worker: one sandboxed `argos-tools worker`, started ahead, replaced when it dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argos_bus::{Error, Result};
use argos_tools::Worker;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use crate::sandbox::{self, Programs};
use crate::spawn::{self, LastWords, Spawner};

/// A worker that dies sooner than this after its start is not started again at once.
const SETTLED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Warm {
    name: String,
    worker: Worker,
    words: LastWords,
    since: Instant,
}

/// Hands out the worker.
#[derive(Debug)]
pub struct Workers {
    spawner: Arc<dyn Spawner>,
    programs: Programs,
    number: AtomicU64,
    warm: Arc<Mutex<Option<Warm>>>,
}

impl Workers {
    /// Starts none yet.
    pub fn new(spawner: Arc<dyn Spawner>, programs: Programs) -> Self {
        // Units of an earlier broker may still be there under the first numbers.
        let first = u64::from(std::process::id()) * 1000;
        Self {
            spawner,
            programs,
            number: AtomicU64::new(first),
            warm: Arc::default(),
        }
    }

    /// The worker, started if there is none.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, if it cannot be started.
    pub async fn get(&self) -> Result<Worker> {
        let mut warm = self.warm.lock().await;
        if let Some(w) = &*warm {
            if w.worker.is_alive() {
                return Ok(w.worker.clone());
            }
            let reason = w.words.last("it ended without a word").await;
            warn!("{}: {reason}; starting another", w.name);
            spawn::stop(&self.spawner, &w.name).await;
            let short = w.since.elapsed() < SETTLED;
            *warm = None;
            if short {
                return Err(unavailable(&reason));
            }
        }
        let launch = sandbox::worker(&self.programs, self.number.fetch_add(1, Ordering::Relaxed));
        let name = launch.name.clone();
        let started = spawn::start(&self.spawner, launch)
            .await
            .map_err(|e| unavailable(&e.to_string()))?;
        let worker = Worker::new(started.socket.into()).map_err(|e| unavailable(&e.to_string()))?;
        *warm = Some(Warm {
            name,
            worker: worker.clone(),
            words: started.words,
            since: Instant::now(),
        });
        Ok(worker)
    }

    /// Ends the worker, which did not answer in time. The next call gets a fresh one; calls that
    /// were running in it fail.
    pub fn replace(&self) {
        let (spawner, warm) = (Arc::clone(&self.spawner), Arc::clone(&self.warm));
        tokio::spawn(async move {
            let gone = warm.lock().await.take();
            if let Some(w) = gone {
                spawn::stop(&spawner, &w.name).await;
            }
        });
    }

    /// Ends the worker for good.
    pub async fn end(&self) {
        if let Some(w) = self.warm.lock().await.take() {
            spawn::stop(&self.spawner, &w.name).await;
        }
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable(format!("no tool worker can be started: {reason}"))
}
