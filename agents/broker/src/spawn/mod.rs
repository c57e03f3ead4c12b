//! How sandboxed processes are started, stopped and listened to.
//!
//! On ArgOS the person's supervisor starts them as transient units ([`Supervised`]), so that they
//! show up in `argos status` and get a control group. Elsewhere, and in tests, the broker starts
//! `argos-exec` itself ([`Direct`]). Either way the same sandbox is applied by the same program:
//! there is no way here to start anything without one.

mod direct;
mod supervised;
mod usage;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use argos_sandbox::Spec;
use argos_units::Limits;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe;
use tracing::info;

use crate::session::lock;

pub use direct::Direct;
pub use supervised::Supervised;
pub use usage::Usage;

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Unit name, unique while it runs.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Program, as seen inside the sandbox, and its arguments.
    pub argv: Vec<String>,
    /// The sandbox.
    pub spec: Spec,
    /// Limits of its control group. Not enforced by [`Direct`], which has none.
    pub limits: Limits,
}

/// Why a process could not be started or stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {what}")]
pub struct SpawnError {
    /// Unit.
    pub name: String,
    /// What failed, for people.
    pub what: String,
}

/// Starts processes. All methods may block for a moment.
pub trait Spawner: Debug + Send + Sync {
    /// Starts a process with `socket` as fd 3 and `errors` as fd 2. Returns when it runs; whether
    /// the sandbox could be applied shows in what it does next.
    ///
    /// # Errors
    /// It was not started.
    fn start(&self, launch: &Launch, socket: OwnedFd, errors: OwnedFd) -> Result<(), SpawnError>;

    /// Ends a process and everything it started. One that is gone already is no error.
    ///
    /// # Errors
    /// It may still run.
    fn stop(&self, name: &str) -> Result<(), SpawnError>;

    /// What a process and everything it started use of the machine. `None` where that is not counted.
    fn usage(&self, _name: &str) -> Option<Usage> {
        None
    }
}

/// A process that was started: our end of its socket, and the last it wrote to its fd 2.
#[derive(Debug)]
pub struct Started {
    /// The other end of its fd 3.
    pub socket: OwnedFd,
    /// Its last words.
    pub words: LastWords,
}

/// Starts a process off the async threads and listens to its fd 2.
///
/// # Errors
/// It was not started.
pub async fn start(spawner: &Arc<dyn Spawner>, launch: Launch) -> Result<Started, SpawnError> {
    let name = launch.name.clone();
    let failed = |what: String| SpawnError {
        name: name.clone(),
        what,
    };
    let socket = |e: rustix::io::Errno| failed(format!("no socket could be made: {e}"));
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(socket)?;
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(socket)?;
    let words = LastWords::listen(&name, read).map_err(|e| failed(e.to_string()))?;
    let spawner = Arc::clone(spawner);
    tokio::task::spawn_blocking(move || spawner.start(&launch, theirs, write))
        .await
        .map_err(|e| failed(format!("starting it panicked: {e}")))??;
    Ok(Started {
        socket: ours,
        words,
    })
}

/// Stops a process off the async threads.
pub async fn stop(spawner: &Arc<dyn Spawner>, name: &str) {
    let (spawner, unit) = (Arc::clone(spawner), name.to_owned());
    match tokio::task::spawn_blocking(move || spawner.stop(&unit)).await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => tracing::warn!("{e}"),
        Err(e) => tracing::error!("stopping {name} panicked: {e}"),
    }
}

/// What a process uses, found out off the async threads.
pub async fn usage(spawner: &Arc<dyn Spawner>, name: String) -> Option<Usage> {
    let spawner = Arc::clone(spawner);
    let counted = tokio::task::spawn_blocking(move || spawner.usage(&name));
    counted.await.ok().flatten()
}

/// What a process wrote to fd 2: passed on to the log, and the end of it kept to explain why it
/// ended.
#[derive(Debug, Clone)]
pub struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    closed: tokio::sync::watch::Receiver<bool>,
}

/// Lines kept, longest line, and lines passed on to the log in all.
const KEPT: usize = 4;
const MAX_LINE: usize = 512;
const MAX_LOGGED: u32 = 1000;

impl LastWords {
    fn listen(name: &str, pipe: OwnedFd) -> std::io::Result<Self> {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (closing, closed) = tokio::sync::watch::channel(false);
        let reader = pipe::Receiver::from_owned_fd(pipe)?;
        let (name, kept) = (name.to_owned(), Arc::clone(&lines));
        tokio::spawn(async move {
            let mut reader = BufReader::with_capacity(4096, reader);
            let mut logged = 0u32;
            let mut line = Vec::new();
            // Read by buffer, not by line: a process that writes no newline costs no memory.
            while let Ok(chunk) = reader.fill_buf().await {
                if chunk.is_empty() {
                    break;
                }
                let (part, ended) = match chunk.iter().position(|b| *b == b'\n') {
                    Some(at) => (&chunk[..at], Some(at + 1)),
                    None => (chunk, None),
                };
                let room = MAX_LINE - line.len().min(MAX_LINE);
                line.extend_from_slice(&part[..part.len().min(room)]);
                let used = ended.unwrap_or(chunk.len());
                reader.consume(used);
                if ended.is_some() {
                    keep(&name, &kept, &mut line, &mut logged);
                }
            }
            keep(&name, &kept, &mut line, &mut logged);
            closing.send_replace(true);
        });
        Ok(Self { lines, closed })
    }

    /// The last line that was written, or `otherwise`. Waits a moment for the process to be gone.
    pub async fn last(&self, otherwise: &str) -> String {
        let mut closed = self.closed.clone();
        let patience = std::time::Duration::from_secs(2);
        // Whether it closed or not, what was said so far is all there is to say.
        let _ = tokio::time::timeout(patience, closed.wait_for(|c| *c)).await;
        lock(&self.lines)
            .back()
            .cloned()
            .unwrap_or_else(|| otherwise.to_owned())
    }
}

fn keep(name: &str, kept: &Mutex<VecDeque<String>>, line: &mut Vec<u8>, logged: &mut u32) {
    let text: String = String::from_utf8_lossy(line)
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    line.clear();
    if text.trim().is_empty() {
        return;
    }
    if *logged < MAX_LOGGED {
        *logged += 1;
        info!("{name}: {text}");
    }
    let mut kept = lock(kept);
    kept.push_back(text);
    if kept.len() > KEPT {
        kept.pop_front();
    }
}
