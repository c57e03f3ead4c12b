//! A lane: one thread that does one piece of inference after the other, with a bounded queue.
//!
//! There are three of them, so that nothing long keeps a plan waiting: *quick* for plans, *bulk* for
//! embeddings and rankings, which come in hundreds, *slow* for big loads. Who comes when the queue is full
//! is told so at once instead of being kept waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use argos_bus::{Error, Result};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// One inference thread and its queue.
#[derive(Debug)]
pub(crate) struct Lane {
    name: &'static str,
    queue: SyncSender<Job>,
    capacity: usize,
}

impl Lane {
    /// Starts the thread. `capacity` is how many jobs may wait.
    pub(crate) fn start(name: &'static str, capacity: usize) -> Self {
        let (queue, jobs): (SyncSender<Job>, Receiver<Job>) = sync_channel(capacity);
        let work = move || {
            while let Ok(job) = jobs.recv() {
                // A job reports its own errors; a panic is a bug and must not take the lane along.
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("inference on the {name} lane panicked");
                }
            }
        };
        if let Err(e) = std::thread::Builder::new().name(name.into()).spawn(work) {
            // Every job on it will be answered with "unavailable".
            tracing::error!("cannot start the {name} inference thread: {e}");
        }
        Self {
            name,
            queue,
            capacity,
        }
    }

    /// Queues a job that nobody waits for. Fails with `LimitReached` when the queue is full.
    pub(crate) fn post(&self, job: impl FnOnce() + Send + 'static) -> Result<()> {
        self.queue.try_send(Box::new(job)).map_err(|e| match e {
            TrySendError::Full(_) => Error::LimitReached(format!(
                "{} requests are waiting for the {} models already; try again later",
                self.capacity, self.name
            )),
            TrySendError::Disconnected(_) => {
                Error::Unavailable(format!("the thread of the {} models is gone", self.name))
            }
        })
    }

    /// Runs a job and waits for its result, at most for `limit` including the time in the queue. A job
    /// whose caller gave up before it began is skipped.
    pub(crate) async fn run<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce() -> std::result::Result<T, E> + Send + 'static,
    ) -> std::result::Result<T, E> {
        let (sender, receiver) = oneshot::channel();
        self.post(move || {
            if !sender.is_closed() {
                let _ = sender.send(job());
            }
        })?;
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Error::Failed("inference failed unexpectedly; see the log".into()).into())
            }
            Err(_) => Err(Error::TimedOut(format!(
                "the {} models did not answer within {} s",
                self.name,
                limit.as_secs()
            ))
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn full_queue_is_told_at_once_and_panics_are_survived() {
        let lane = Lane::start("test", 1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (started, begun) = std::sync::mpsc::channel::<()>();
        lane.post(move || {
            started.send(()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
        begun.recv().unwrap();
        lane.post(|| panic!("expected by this test")).unwrap();
        assert!(matches!(lane.post(|| {}), Err(Error::LimitReached(_))));
        assert!(matches!(
            lane.run(LONG, || Ok::<_, Error>(1)).await,
            Err(Error::LimitReached(_))
        ));
        release.send(()).unwrap();
        // The queue drains, past the job that panics.
        let mut result = lane.run(LONG, || Ok::<_, Error>(7)).await;
        while matches!(result, Err(Error::LimitReached(_))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            result = lane.run(LONG, || Ok::<_, Error>(7)).await;
        }
        assert_eq!(result.unwrap(), 7);
    }

    #[tokio::test]
    async fn time_limit_includes_the_queue_and_late_jobs_are_skipped() {
        let lane = Lane::start("test", 4);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        lane.post(move || {
            let _ = wait.recv();
        })
        .unwrap();
        let ran = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = ran.clone();
        let late = lane
            .run(Duration::from_millis(20), move || {
                flag.store(true, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, Error>(())
            })
            .await;
        assert!(matches!(late, Err(Error::TimedOut(_))));
        release.send(()).unwrap();
        lane.run(LONG, || Ok::<_, Error>(())).await.unwrap();
        assert!(!ran.load(std::sync::atomic::Ordering::SeqCst));
    }
}
