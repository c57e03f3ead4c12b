//! Inhibitors: locks by which programs block or delay sleep and shutdown.
//!
//! A lock lives as long as the descriptor that its holder got: the other end of that pipe is
//! watched here, so that a holder that dies lets go of it. `block` forbids; `delay` gives its
//! holder a moment after `PrepareForSleep` or `PrepareForShutdown`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::pipe::PipeFlags;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use crate::error::{Error, Result};

/// How long `delay` locks may hold something up.
pub(crate) const DELAY_LIMIT: Duration = Duration::from_secs(5);
/// Most locks of one person.
const MAX_PER_USER: usize = 128;
/// Longest `who` and `why`, in bytes.
const MAX_TEXT: usize = 512;
/// What can be inhibited. Only the first two are acted upon here. `idle` is for whoever locks or
/// dims the screen, which reads it from `BlockInhibited`; keys and lids are never acted upon, so
/// that inhibiting that is true at once.
const KINDS: [&str; 8] = [
    "shutdown",
    "sleep",
    "idle",
    "handle-power-key",
    "handle-suspend-key",
    "handle-hibernate-key",
    "handle-reboot-key",
    "handle-lid-switch",
];

/// Whether a lock forbids or delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Block,
    Delay,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Delay => "delay",
        }
    }
}

/// One lock.
#[derive(Debug, Clone)]
pub(crate) struct Lock {
    /// Members of [`KINDS`].
    what: BTreeSet<&'static str>,
    pub(crate) who: String,
    pub(crate) why: String,
    pub(crate) mode: Mode,
    pub(crate) uid: u32,
    pub(crate) pid: u32,
}

impl Lock {
    /// Checks what a client asks for. Errors: `InvalidArguments`.
    pub(crate) fn new(
        what: &str,
        who: &str,
        why: &str,
        mode: &str,
        uid: u32,
        pid: u32,
    ) -> Result<Self> {
        let mode = match mode {
            "block" => Mode::Block,
            "delay" => Mode::Delay,
            other => {
                let text = format!("mode is `{other}`, not `block` or `delay`");
                return Err(Error::InvalidArguments(text));
            }
        };
        let mut kinds = BTreeSet::new();
        for word in what.split(':') {
            let Some(kind) = KINDS.into_iter().find(|kind| *kind == word) else {
                let text = format!(
                    "`{word}` cannot be inhibited; these can: {}",
                    KINDS.join(", ")
                );
                return Err(Error::InvalidArguments(text));
            };
            if mode == Mode::Delay && !matches!(kind, "shutdown" | "sleep") {
                let text = format!("only `shutdown` and `sleep` can be delayed, not `{kind}`");
                return Err(Error::InvalidArguments(text));
            }
            kinds.insert(kind);
        }
        if who.len() > MAX_TEXT || why.len() > MAX_TEXT {
            let text = format!("`who` and `why` take at most {MAX_TEXT} bytes each");
            return Err(Error::InvalidArguments(text));
        }
        Ok(Self {
            what: kinds,
            who: who.to_owned(),
            why: why.to_owned(),
            mode,
            uid,
            pid,
        })
    }

    /// Joined by colons, as clients wrote it.
    pub(crate) fn what(&self) -> String {
        join(self.what.iter().copied())
    }
}

/// Every lock that is held.
#[derive(Debug, Clone)]
pub(crate) struct Inhibitors {
    held: Arc<Mutex<Held>>,
    /// Counts changes.
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    locks: BTreeMap<u64, Lock>,
}

impl Default for Inhibitors {
    fn default() -> Self {
        Self {
            held: Arc::default(),
            changed: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Inhibitors {
    /// Takes a lock; it is held until every copy of the descriptor is closed. Errors:
    /// `LimitsExceeded`, `Failed` (no descriptors left).
    pub(crate) fn take(&self, lock: Lock) -> Result<OwnedFd> {
        let failed = |error: std::io::Error| Error::Failed(format!("no lock can be made: {error}"));
        let (watched, given) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|error| failed(error.into()))?;
        let watched = Receiver::from_owned_fd(watched).map_err(failed)?;
        let id = {
            let mut held = self.lock();
            if held
                .locks
                .values()
                .filter(|other| other.uid == lock.uid)
                .count()
                >= MAX_PER_USER
            {
                let text = format!("uid {} holds {MAX_PER_USER} inhibitors already", lock.uid);
                return Err(Error::LimitsExceeded(text));
            }
            held.next += 1;
            let id = held.next;
            held.locks.insert(id, lock);
            id
        };
        self.changed.send_modify(|count| *count += 1);
        let this = self.clone();
        tokio::spawn(async move {
            // Readable means closed, or a holder that writes, which nothing asked it to do.
            let _ = watched.readable().await;
            this.lock().locks.remove(&id);
            this.changed.send_modify(|count| *count += 1);
        });
        Ok(given)
    }

    /// Every lock, oldest first.
    pub(crate) fn list(&self) -> Vec<Lock> {
        self.lock().locks.values().cloned().collect()
    }

    /// What is inhibited in this way, joined by colons.
    pub(crate) fn kinds(&self, mode: Mode) -> String {
        let held = self.lock();
        let kinds = held.locks.values().filter(|lock| lock.mode == mode);
        join(
            kinds
                .flat_map(|lock| lock.what.iter().copied())
                .collect::<BTreeSet<_>>(),
        )
    }

    /// Errors with who blocks `kind` and why: `BlockedByInhibitorLock`.
    pub(crate) fn check(&self, kind: &str) -> Result<()> {
        let held = self.lock();
        let mut text = String::new();
        for lock in held.locks.values() {
            if lock.mode == Mode::Block && lock.what.contains(kind) {
                let separator = if text.is_empty() { "" } else { "; " };
                let _ = write!(
                    text,
                    "{separator}{} (pid {}): {}",
                    lock.who, lock.pid, lock.why
                );
            }
        }
        if text.is_empty() {
            Ok(())
        } else {
            Err(Error::BlockedByInhibitorLock(format!(
                "{kind} is blocked by {text}"
            )))
        }
    }

    /// Waits until nobody delays `kind`, at most for `limit`.
    pub(crate) async fn wait_for_delays(&self, kind: &'static str, limit: Duration) {
        let mut changes = self.changed.subscribe();
        let delayed = |lock: &Lock| lock.mode == Mode::Delay && lock.what.contains(kind);
        let free = async {
            while self.lock().locks.values().any(delayed) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // Whoever took too long had its chance.
        let _ = tokio::time::timeout(limit, free).await;
    }

    /// Hears of every change of the locks.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn join<'a>(kinds: impl IntoIterator<Item = &'a str>) -> String {
    kinds.into_iter().collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(what: &str, mode: &str) -> Result<Lock> {
        Lock::new(what, "test", "because", mode, 1000, 7)
    }

    #[test]
    fn nonsense_is_refused() {
        for (what, mode) in [
            ("", "block"),
            ("shutdown:", "block"),
            ("nap", "block"),
            ("sleep", "never"),
            ("idle", "delay"),
        ] {
            assert!(
                matches!(lock(what, mode), Err(Error::InvalidArguments(_))),
                "{what} {mode}"
            );
        }
        assert_eq!(
            lock("sleep:shutdown:sleep", "delay").unwrap().what(),
            "shutdown:sleep"
        );
    }

    #[tokio::test]
    async fn a_lock_is_held_until_its_descriptor_is_closed() {
        let inhibitors = Inhibitors::default();
        let fd = inhibitors
            .take(lock("shutdown:idle", "block").unwrap())
            .unwrap();
        let copy = fd.try_clone().unwrap();
        let blocked = inhibitors.check("shutdown").unwrap_err().to_string();
        assert!(blocked.contains("because"), "{blocked}");
        inhibitors.check("sleep").unwrap();
        assert_eq!(inhibitors.kinds(Mode::Block), "idle:shutdown");

        let mut changes = inhibitors.changes();
        drop(fd);
        assert!(
            tokio::time::timeout(Duration::from_millis(50), changes.changed())
                .await
                .is_err()
        );
        drop(copy);
        changes.changed().await.unwrap();
        inhibitors.check("shutdown").unwrap();
    }

    #[tokio::test]
    async fn a_delay_ends_when_its_holder_is_done_or_too_slow() {
        let inhibitors = Inhibitors::default();
        let long = Duration::from_secs(600);
        inhibitors.wait_for_delays("sleep", long).await;

        let fd = inhibitors.take(lock("sleep", "delay").unwrap()).unwrap();
        inhibitors.check("sleep").unwrap();
        let begin = std::time::Instant::now();
        inhibitors
            .wait_for_delays("sleep", Duration::from_millis(80))
            .await;
        assert!(begin.elapsed() >= Duration::from_millis(80));

        let waiting = inhibitors.wait_for_delays("sleep", long);
        tokio::join!(waiting, async { drop(fd) });
        assert!(begin.elapsed() < long);
    }

    #[tokio::test]
    async fn one_person_cannot_take_them_all() {
        let inhibitors = Inhibitors::default();
        let held: Vec<_> = (0..MAX_PER_USER)
            .map(|_| inhibitors.take(lock("idle", "block").unwrap()).unwrap())
            .collect();
        let refused = inhibitors.take(lock("idle", "block").unwrap());
        assert!(matches!(refused, Err(Error::LimitsExceeded(_))));
        let other = Lock::new("idle", "other", "", "block", 1001, 8).unwrap();
        inhibitors.take(other).unwrap();
        assert_eq!(inhibitors.list().len(), held.len() + 1);
    }
}
