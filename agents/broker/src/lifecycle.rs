//! An agent's life: started, connected, ended, and started again.
//!
//! ```text
//!          start_agent                    handshake on fd 3
//! (none) ---------------> starting -----------------------------> connected
//!    ^                     |    ^                                  |
//!    |  failed to connect  |    |  back-off 0.5 s .. 30 s          | fd 3 closed
//!    |  the first time     v    '----------------------------------+
//!    +------------------ failed <---- ended 5 times within 10 s ---'
//!    '------------------ stopped <--- stop_agent (from anywhere)
//! ```
//!
//! The socket is the process: when fd 3 closes, the unit is ended too, whatever it still does. What it
//! keeps in its workspace is looked at before it starts and for as long as it runs: past the limit it is
//! `failed`, and stays down until somebody starts it again.
//! The sandbox fails closed: a kernel that cannot enforce a rule makes `argos-exec` end with a line
//! that names the rule, and that line becomes the detail of `failed`.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::{Error, Result};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::core::Broker;
use crate::link;
use crate::manifest::{self, Agent};
use crate::permission::Subject;
use crate::sandbox;
use crate::session::{Inbound, Session, lock};
use crate::spawn;
use crate::workspace::Bound;

/// How long a process may take to say hello: an emulated machine that does much else is slow.
const HANDSHAKE_TIME: Duration = Duration::from_secs(45);
/// An agent that lives this long has settled.
const SETTLED: Duration = Duration::from_secs(10);
/// Ends in a row, each before it settled, after which it stays down.
const MAX_QUICK_ENDS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A started agent.
#[derive(Debug)]
pub(crate) struct Slot {
    stop: watch::Sender<bool>,
    current: Arc<Mutex<Option<Arc<Session>>>>,
    task: tokio::task::JoinHandle<()>,
}

/// How one life ended.
enum End {
    /// It never connected.
    NotStarted(String),
    /// It was connected for that long.
    Gone(Duration, String),
    /// It keeps more than it may.
    Past(String),
    /// It was asked to stop.
    Stopped,
}

/// Starts the agent in `folder`; returns when it is connected. One that runs is left alone.
///
/// # Errors
/// `NotFound`, `InvalidArguments` (manifest), `Failed` (it did not connect; says why).
pub(crate) async fn start(broker: &Arc<Broker>, folder: &Path) -> Result<()> {
    let folder = folder.to_owned();
    let agent = load(folder.clone()).await?;
    let name = agent.manifest.name.clone();
    let connected = {
        let mut agents = broker.agents.lock().await;
        if agents
            .get(&name)
            .is_some_and(|slot| !slot.task.is_finished())
        {
            return Ok(());
        }
        let (stop, stopped) = watch::channel(false);
        let current = Arc::default();
        let (first, connected) = oneshot::channel();
        let life = Life {
            broker: Arc::clone(broker),
            name: name.clone(),
            folder,
            current: Arc::clone(&current),
            stopped,
        };
        agents.insert(
            name.clone(),
            Slot {
                stop,
                current,
                task: tokio::spawn(life.run(first)),
            },
        );
        connected
    };
    match connected.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(Error::Failed(format!("{name} did not start: {reason}"))),
        Err(_) => Err(Error::Failed(format!(
            "{name} was stopped before it was up"
        ))),
    }
}

/// Ends an agent; returns when its process is gone.
///
/// # Errors
/// `NotFound` if it does not run.
pub(crate) async fn stop(broker: &Broker, name: &str) -> Result<()> {
    let slot = broker.agents.lock().await.remove(name);
    match slot {
        Some(slot) if !slot.task.is_finished() => {
            slot.stop.send_replace(true);
            // Whether the task ended well or panicked, the agent is not running.
            let _ = slot.task.await;
            Ok(())
        }
        _ => Err(Error::NotFound(format!("no agent `{name}` is running"))),
    }
}

/// The agents that run or are being started, with state and detail.
pub(crate) async fn running(broker: &Broker) -> Vec<(String, String, String)> {
    let agents = broker.agents.lock().await;
    let alive = agents.iter().filter(|(_, slot)| !slot.task.is_finished());
    alive
        .map(|(name, slot)| match lock(&slot.current).as_ref() {
            Some(session) => {
                let status = session.status();
                (name.clone(), status.state, status.detail)
            }
            None => (name.clone(), "starting".to_owned(), String::new()),
        })
        .collect()
}

/// The tokens that language models read and wrote for a running agent in its present day, and how many it may
/// use.
///
/// # Errors
/// `NotFound` if it does not run.
pub(crate) async fn tokens(broker: &Broker, name: &str) -> Result<(u64, u64)> {
    let session = {
        let agents = broker.agents.lock().await;
        agents
            .get(name)
            .and_then(|slot| lock(&slot.current).clone())
    };
    let session =
        session.ok_or_else(|| Error::NotFound(format!("no agent `{name}` is running")))?;
    let (used, _) = broker.accounts.used(name, Instant::now());
    Ok((used, session.agent.manifest.limits.tokens.into()))
}

/// Hands a message to a connected agent.
///
/// # Errors
/// `NotFound` if it was not started, `Unavailable` while it is down or its inbox is full.
pub(crate) async fn deliver(broker: &Broker, name: &str, message: Inbound) -> Result<()> {
    let session = {
        let agents = broker.agents.lock().await;
        let slot = agents
            .get(name)
            .filter(|slot| !slot.task.is_finished())
            .ok_or_else(|| Error::NotFound(format!("no agent `{name}` is running")))?;
        lock(&slot.current).clone()
    };
    let session = session
        .ok_or_else(|| Error::Unavailable(format!("{name} is being started; try again shortly")))?;
    session
        .outbox
        .try_send(message)
        .map_err(|_| Error::Unavailable(format!("{name} has too many messages waiting")))
}

/// Ends every agent, when the broker ends in order.
pub(crate) async fn stop_all(broker: &Broker) {
    let slots: Vec<Slot> = broker
        .agents
        .lock()
        .await
        .drain()
        .map(|(_, slot)| slot)
        .collect();
    for slot in &slots {
        slot.stop.send_replace(true);
    }
    for slot in slots {
        // As in `stop`.
        let _ = slot.task.await;
    }
}

/// Reads a manifest off the async threads and words what is wrong for the bus.
pub(crate) async fn load(folder: PathBuf) -> Result<Agent> {
    tokio::task::spawn_blocking(move || manifest::load(&folder))
        .await
        .map_err(|e| Error::Failed(format!("reading the manifest panicked: {e}")))?
        .map_err(|e| match e {
            manifest::Error::Missing(_) => Error::NotFound(e.to_string()),
            _ => Error::InvalidArguments(e.to_string()),
        })
}

struct Life {
    broker: Arc<Broker>,
    name: String,
    folder: PathBuf,
    current: Arc<Mutex<Option<Arc<Session>>>>,
    stopped: watch::Receiver<bool>,
}

impl Life {
    async fn run(self, first: oneshot::Sender<std::result::Result<(), String>>) {
        let mut first = Some(first);
        let mut quick_ends = 0;
        loop {
            self.state("starting", "");
            match self.once(&mut first).await {
                End::Stopped => break self.state("stopped", ""),
                End::Past(reason) => {
                    warn!("{} was ended: {reason}", self.name);
                    self.state("failed", &reason);
                    if let Some(first) = first.take() {
                        // Nobody waits if the caller went away.
                        let _ = first.send(Err(reason));
                    }
                    break;
                }
                End::NotStarted(reason) if first.is_some() => {
                    warn!("{} did not start: {reason}", self.name);
                    self.state("failed", &reason);
                    if let Some(first) = first.take() {
                        // Nobody waits if the caller went away.
                        let _ = first.send(Err(reason));
                    }
                    break;
                }
                End::NotStarted(reason) => {
                    quick_ends += 1;
                    if !self.back_off(quick_ends, &reason).await {
                        break;
                    }
                }
                End::Gone(lived, reason) => {
                    quick_ends = if lived >= SETTLED { 1 } else { quick_ends + 1 };
                    if !self.back_off(quick_ends, &reason).await {
                        break;
                    }
                }
            }
        }
    }

    /// Waits before the next start; `false` if there is to be none.
    async fn back_off(&self, quick_ends: u32, reason: &str) -> bool {
        warn!("{} ended: {reason}", self.name);
        if quick_ends >= MAX_QUICK_ENDS {
            self.state(
                "failed",
                &format!("ended {quick_ends} times in a row: {reason}"),
            );
            return false;
        }
        self.state(
            "starting",
            &format!("it ended ({reason}) and is started again"),
        );
        let wait = (FIRST_BACKOFF * 2u32.pow(quick_ends - 1)).min(MAX_BACKOFF);
        let again = tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.told_to_stop() => false,
        };
        if !again {
            self.state("stopped", "");
        }
        again
    }

    /// Returns when `stop_agent` was called.
    async fn told_to_stop(&self) {
        // The sender lives in the slot; when that is gone nobody wants the agent either.
        let _ = self.stopped.clone().wait_for(|s| *s).await;
    }

    async fn once(
        &self,
        first: &mut Option<oneshot::Sender<std::result::Result<(), String>>>,
    ) -> End {
        let (launch, agent, bound) = match self.prepare().await {
            Ok(prepared) => prepared,
            Err(e) => return End::NotStarted(e.text()),
        };
        if let Err(reason) = bound.check().await {
            return End::Past(reason);
        }
        let mut past = pin!(bound.watch());
        let unit = launch.name.clone();
        let spawner = Arc::clone(&self.broker.spawner);
        let started = match spawn::start(&spawner, launch).await {
            Ok(started) => started,
            Err(e) => return End::NotStarted(e.what),
        };
        let session = Arc::new(Session::new(agent));
        lock(&self.broker.subjects).insert(self.name.clone(), session.subject.clone());
        let (fault, connecting) = match link::serve(&self.broker, &session, started.socket) {
            Ok(serving) => serving,
            Err(e) => {
                spawn::stop(&spawner, &unit).await;
                return End::NotStarted(format!("its socket cannot be used: {e}"));
            }
        };
        let connected = tokio::select! {
            connected = tokio::time::timeout(HANDSHAKE_TIME, connecting) => Some(connected),
            () = self.told_to_stop() => None,
            reason = &mut past => {
                spawn::stop(&spawner, &unit).await;
                return End::Past(reason);
            }
        };
        let failure = match connected {
            Some(Ok(Ok(connection))) => Ok(connection),
            Some(Ok(Err(e))) => Err(Some(format!("it did not connect: {e}"))),
            Some(Err(_)) => Err(Some("it did not connect in time".to_owned())),
            None => Err(None),
        };
        let connection = match failure {
            Ok(connection) => connection,
            Err(failure) => {
                spawn::stop(&spawner, &unit).await;
                return match failure {
                    Some(failure) => End::NotStarted(started.words.last(&failure).await),
                    None => End::Stopped,
                };
            }
        };
        let since = Instant::now();
        info!("{} is connected", self.name);
        *lock(&self.current) = Some(Arc::clone(&session));
        if let Some(status) = session.says("idle", "") {
            self.state(&status.state, &status.detail);
        }
        if let Some(first) = first.take() {
            // As above.
            let _ = first.send(Ok(()));
        }
        let end = tokio::select! {
            () = connection.closed() => None,
            () = self.told_to_stop() => Some(End::Stopped),
            reason = &mut past => Some(End::Past(reason)),
        };
        *lock(&self.current) = None;
        session.end();
        // First the process: while it lives and does not read, closing would wait for the answer
        // that is being written to it.
        spawn::stop(&spawner, &unit).await;
        self.broker.workers.end_of(&self.name).await;
        // Closing twice is no error worth a word.
        let _ = connection.close().await;
        if let Some(end) = end {
            return end;
        }
        let reason = match fault.get() {
            // Its own last words would only tell that its socket was closed.
            Some(fault) => format!("cut off by the broker: {fault}"),
            None => started.words.last("without a word").await,
        };
        End::Gone(since.elapsed(), reason)
    }

    /// Reads the manifest as it is now, settles its grants, makes its workspace.
    async fn prepare(&self) -> Result<(spawn::Launch, Agent, Bound)> {
        let agent = load(self.folder.clone()).await?;
        let settings = &self.broker.settings;
        let subject = Subject {
            agent: agent.manifest.name.clone(),
            hash: agent.hash.clone(),
        };
        let from_system = self.folder.parent() == Some(settings.shipped.as_path());
        let shipped = if from_system {
            &agent.manifest.permissions[..]
        } else {
            &[]
        };
        let now = self.broker.clock.now_ms();
        let admitted = lock(&self.broker.permissions)
            .grants
            .admit(&subject, shipped, now);
        match admitted {
            Ok(true) => self.broker.grants_changed(),
            Ok(false) => {}
            // It starts without; the person is asked instead.
            Err(e) => warn!("{e}"),
        }
        let workspace = settings.workspace(&self.name);
        std::fs::create_dir_all(&workspace)
            .map_err(|e| Error::Failed(format!("{}: cannot be made: {e}", workspace.display())))?;
        let wrong = |e: manifest::Error| Error::InvalidArguments(e.to_string());
        let bound = sandbox::bound(&agent, &workspace).map_err(wrong)?;
        let launch =
            sandbox::agent(&agent, &settings.programs, &workspace, false).map_err(wrong)?;
        Ok((launch, agent, bound))
    }

    fn state(&self, state: &str, detail: &str) {
        self.broker.state(&self.name, state, detail);
    }
}
