//! The warm tool workers: one sandboxed `argos-tools worker` an agent, and one for the person.
//!
//! ```text
//!            first call                 no call for a while, or its agent ends
//! (none) -------------------> warm ----------------------------------------------> (none)
//!    ^                         | it dies, or a call in it takes too long
//!    '-------------------------'  (the next call starts another)
//! ```
//!
//! None is ever shared: what a hostile file or argument of one agent could make of its worker, no
//! other agent's calls meet.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
/// One that nobody has used for so long is ended.
pub const IDLE: Duration = Duration::from_secs(60);

/// Whose worker it is: an agent's, by name, or the person's.
type Owner = Option<String>;

#[derive(Debug)]
struct Warm {
    name: String,
    worker: Worker,
    words: LastWords,
    since: Instant,
}

/// The place for one owner's worker.
#[derive(Debug)]
struct Place {
    spawner: Arc<dyn Spawner>,
    idle: Duration,
    warm: Mutex<Option<Warm>>,
    /// Calls that use it now, and how many did ever.
    busy: AtomicUsize,
    uses: AtomicU64,
}

impl Place {
    async fn end(&self) {
        let gone = self.warm.lock().await.take();
        if let Some(w) = gone {
            spawn::stop(&self.spawner, &w.name).await;
        }
    }

    /// Ends the worker if nobody uses it from now on until it counts as idle.
    async fn end_when_idle(self: Arc<Self>) {
        let uses = self.uses.load(Ordering::SeqCst);
        tokio::time::sleep(self.idle).await;
        let gone = {
            let mut warm = self.warm.lock().await;
            // Both change under this lock where a use begins.
            if self.busy.load(Ordering::SeqCst) > 0 || self.uses.load(Ordering::SeqCst) != uses {
                return;
            }
            warm.take()
        };
        if let Some(w) = gone {
            spawn::stop(&self.spawner, &w.name).await;
        }
    }
}

/// A worker in use. It may be ended some time after this is dropped.
#[derive(Debug)]
pub struct Lease {
    place: Arc<Place>,
    worker: Worker,
}

impl Lease {
    /// The worker.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Ends the worker, which did not answer in time. The next call gets a fresh one; other calls
    /// of its owner that run in it fail.
    pub fn replace(&self) {
        let place = Arc::clone(&self.place);
        let ours = self.worker.clone();
        tokio::spawn(async move {
            let mut warm = place.warm.lock().await;
            // Somebody else may have replaced it already.
            if let Some(w) = warm.take_if(|w| w.worker.is(&ours)) {
                spawn::stop(&place.spawner, &w.name).await;
            }
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.place.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            tokio::spawn(Arc::clone(&self.place).end_when_idle());
        }
    }
}

/// Hands out workers.
#[derive(Debug)]
pub struct Workers {
    spawner: Arc<dyn Spawner>,
    programs: Programs,
    idle: Duration,
    number: AtomicU64,
    places: Mutex<HashMap<Owner, Arc<Place>>>,
}

impl Workers {
    /// Starts none yet. They are ended when nobody has used them for as long as `idle`.
    pub fn new(spawner: Arc<dyn Spawner>, programs: Programs, idle: Duration) -> Self {
        // Units of an earlier broker may still be there under the first numbers.
        let first = u64::from(std::process::id()) * 1000;
        Self {
            spawner,
            programs,
            idle,
            number: AtomicU64::new(first),
            places: Mutex::default(),
        }
    }

    /// The worker of an agent, or of the person; started if there is none.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, if it cannot be started.
    pub async fn get(&self, owner: Option<&str>) -> Result<Lease> {
        let place = {
            let mut places = self.places.lock().await;
            let place = places.entry(owner.map(str::to_owned)).or_insert_with(|| {
                Arc::new(Place {
                    spawner: Arc::clone(&self.spawner),
                    idle: self.idle,
                    warm: Mutex::default(),
                    busy: AtomicUsize::new(0),
                    uses: AtomicU64::new(0),
                })
            });
            Arc::clone(place)
        };
        let mut warm = place.warm.lock().await;
        if let Some(w) = &*warm
            && !w.worker.is_alive()
        {
            let reason = w.words.last("it ended without a word").await;
            warn!("{}: {reason}; starting another", w.name);
            spawn::stop(&self.spawner, &w.name).await;
            let short = w.since.elapsed() < SETTLED;
            *warm = None;
            if short {
                return Err(unavailable(&reason));
            }
        }
        let worker = match &*warm {
            Some(w) => w.worker.clone(),
            None => {
                let number = self.number.fetch_add(1, Ordering::Relaxed);
                let launch = sandbox::worker(&self.programs, number, owner);
                let name = launch.name.clone();
                let started = spawn::start(&self.spawner, launch)
                    .await
                    .map_err(|e| unavailable(&e.to_string()))?;
                let worker =
                    Worker::new(started.socket.into()).map_err(|e| unavailable(&e.to_string()))?;
                *warm = Some(Warm {
                    name,
                    worker: worker.clone(),
                    words: started.words,
                    since: Instant::now(),
                });
                worker
            }
        };
        place.busy.fetch_add(1, Ordering::SeqCst);
        place.uses.fetch_add(1, Ordering::SeqCst);
        drop(warm);
        Ok(Lease { place, worker })
    }

    /// Ends the worker of an agent that has ended, with what still runs in it.
    pub async fn end_of(&self, agent: &str) {
        let place = self.places.lock().await.remove(&Some(agent.to_owned()));
        if let Some(place) = place {
            place.end().await;
        }
    }

    /// Ends all of them.
    pub async fn end(&self) {
        let places: Vec<_> = self.places.lock().await.drain().collect();
        for (_, place) in places {
            place.end().await;
        }
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable(format!("no tool worker can be started: {reason}"))
}
