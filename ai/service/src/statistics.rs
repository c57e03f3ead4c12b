//! Counters since start.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Calls of one kind.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    answered: AtomicU64,
    failed: AtomicU64,
    milliseconds: AtomicU64,
}

impl Calls {
    /// Counts a call that began at `start`.
    pub(crate) fn count<T, E>(&self, start: Instant, result: &Result<T, E>) {
        let counter = if result.is_ok() {
            &self.answered
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.milliseconds
            .fetch_add(milliseconds(start.elapsed()), Ordering::Relaxed);
    }

    fn json(&self) -> Value {
        json!({
            "answered": self.answered.load(Ordering::Relaxed),
            "failed": self.failed.load(Ordering::Relaxed),
            "ms": self.milliseconds.load(Ordering::Relaxed),
        })
    }
}

/// All counters.
#[derive(Debug)]
pub(crate) struct Statistics {
    started: Instant,
    pub(crate) plans: Calls,
    pub(crate) embeddings: Calls,
    pub(crate) generations: Calls,
    /// Answers that ended because nobody waited for them any more.
    pub(crate) cancelled: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
}

impl Statistics {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            plans: Calls::default(),
            embeddings: Calls::default(),
            generations: Calls::default(),
            cancelled: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            completion_tokens: AtomicU64::new(0),
        }
    }

    /// What `Statistics` answers; times include waiting in the queue.
    pub(crate) fn json(&self) -> Value {
        json!({
            "up_ms": milliseconds(self.started.elapsed()),
            "plan": self.plans.json(),
            "embed": self.embeddings.json(),
            "generate": self.generations.json(),
            "cancelled": self.cancelled.load(Ordering::Relaxed),
            "prompt_tokens": self.prompt_tokens.load(Ordering::Relaxed),
            "completion_tokens": self.completion_tokens.load(Ordering::Relaxed),
            "memory_bytes": resident_bytes(),
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Resident memory of this process, where the system tells.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}
