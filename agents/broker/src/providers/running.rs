//! A provider that is connected: a service on the session bus, or a sandboxed process on its fd 3,
//! and the calls that run in it.
//!
//! A sandboxed one is limited below the protocol as an agent is ([`crate::socket`]): 256 KiB a
//! message, so much at once, cut off when it does not read. What it says is data: names it makes up,
//! results that are no JSON and questions for calls that do not run are errors, for that call only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::tool_provider::{HOST_PATH, ProvidedTool, ToolProvider1Proxy};
use argos_bus::{Error, Result};
use argos_tools::provided::clean;
use futures_util::StreamExt;
use serde::de::IgnoredAny;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::warn;
use zbus::connection::{AuthMechanism, Builder};
use zbus::{Connection, Guid};

use super::declaration::{Declared, Kind};
use super::launch;
use crate::asking::{self, Settled};
use crate::core::Broker;
use crate::link::answered;
use crate::permission::{Fallback, Need, Subject};
use crate::prompts::{Answer, Question};
use crate::proxy::{self, Proxy};
use crate::session::lock;
use crate::socket::{AgentSocket, Fault};
use crate::spawn::{self, LastWords};

/// How long a server may take to start and say hello: an emulated machine is slow, and so are some
/// servers.
const START_TIME: Duration = Duration::from_secs(45);
/// How long it may take to tell its tools.
const LIST_TIME: Duration = Duration::from_secs(20);
/// Largest result, in bytes of JSON.
const MAX_RESULT: usize = 256 << 10;
/// Confirmations that one call may ask for.
const MAX_CONFIRMATIONS: u32 = 3;
/// How long one that may be ending is waited for, to hear why.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often the time of a call that waits for the person is looked at.
const TICK: Duration = Duration::from_millis(100);

/// A call that runs, as far as a question about it needs it.
#[derive(Debug)]
struct Open {
    subject: Subject,
    title: String,
    tool: &'static str,
    need: Need,
    confirmations: u32,
    /// Whether the person is being asked: that is not the provider's time.
    waits: bool,
    /// Closed with the call.
    ends: watch::Sender<()>,
}

type Calls = Arc<Mutex<HashMap<u64, Open>>>;

/// For whom a call is made.
#[derive(Debug, Clone)]
pub(crate) struct For {
    pub(crate) subject: Subject,
    pub(crate) title: String,
}

/// A connected provider.
#[derive(Debug)]
pub(super) struct Running {
    connection: Connection,
    proxy: ToolProvider1Proxy<'static>,
    /// The unit and its words, where it is a process of ours.
    process: Option<Process>,
    calls: Calls,
    next: AtomicU64,
    pub(super) used: Mutex<Instant>,
    changed: Arc<Notify>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[derive(Debug)]
struct Process {
    unit: String,
    words: LastWords,
    fault: Fault,
    /// Looks after what its folders take; ends with this.
    _watched: JoinSet<()>,
    /// Up for as long as the process is.
    _network: Option<Proxy>,
    /// Its place among those that run.
    _place: OwnedSemaphorePermit,
}

impl Running {
    /// Connects to the provider, and starts it if it is ours to start.
    ///
    /// # Errors
    /// `Unavailable`, with the reason in its own last words.
    pub(super) async fn start(broker: &Arc<Broker>, declared: &Declared) -> Result<Self> {
        let calls = Calls::default();
        let name = declared.full_name();
        let (connection, destination, process) = match declared.declaration.kind {
            Kind::Dbus => (
                broker.session_bus.clone(),
                declared.declaration.bus_name.clone(),
                None,
            ),
            Kind::Mcp => {
                let (connection, process) = start_mcp(broker, declared, &calls).await?;
                // Nobody looks at it without a bus.
                (
                    connection,
                    "org.argos.ToolProvider1".to_owned(),
                    Some(process),
                )
            }
        };
        let proxy = ToolProvider1Proxy::builder(&connection)
            .destination(destination)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .map_err(|error| unavailable(&name, &error.to_string()))?;
        let mut signals = proxy
            .receive_tools_changed()
            .await
            .map_err(|error| unavailable(&name, &error.to_string()))?;
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let listening = tokio::spawn(async move {
            while signals.next().await.is_some() {
                notify.notify_one();
            }
        });
        Ok(Self {
            connection,
            proxy,
            process,
            calls,
            next: AtomicU64::new(1),
            used: Mutex::new(Instant::now()),
            changed,
            listening,
        })
    }

    /// Returns `true` when the provider says that its tools changed.
    pub(super) fn changed(&self) -> impl Future<Output = bool> + use<> {
        let changed = Arc::clone(&self.changed);
        async move {
            changed.notified().await;
            true
        }
    }

    /// Whether it can still be called.
    pub(super) fn is_alive(&self) -> bool {
        !self.connection.is_closed()
    }

    /// Why it was ended from this side, if it was.
    pub(super) fn fault(&self) -> Option<&str> {
        self.process
            .as_ref()
            .and_then(|process| process.fault.get())
    }

    /// Whether a call runs in it.
    pub(super) fn is_busy(&self) -> bool {
        !lock(&self.calls).is_empty()
    }

    /// Asks for its tools.
    ///
    /// # Errors
    /// It does not answer, or with nonsense.
    pub(super) async fn list(&self, name: &str) -> Result<Vec<ProvidedTool>> {
        match tokio::time::timeout(LIST_TIME, self.proxy.list_tools()).await {
            Ok(Ok(tools)) => Ok(tools),
            Ok(Err(error)) => Err(self.explained(name, error).await),
            Err(_) => Err(Error::TimedOut(format!(
                "{name} did not tell its tools within {} s",
                LIST_TIME.as_secs()
            ))),
        }
    }

    /// Runs one call.
    ///
    /// # Errors
    /// What the provider says, `TimedOut`, `Unavailable` if it is gone, `Failed` if the result is no
    /// JSON or too large.
    pub(super) async fn call(
        &self,
        broker: &Arc<Broker>,
        caller: For,
        own_name: &str,
        call: &argos_tools::Call,
    ) -> Result<String> {
        *lock(&self.used) = Instant::now();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            subject: caller.subject,
            title: caller.title,
            tool: call.tool,
            need: Need {
                action: call.action.name().to_owned(),
                resource: call.resource.clone(),
            },
            confirmations: 0,
            waits: false,
            ends: watch::Sender::default(),
        };
        lock(&self.calls).insert(id, open);
        let mut running = Call {
            running: self,
            id,
            over: false,
        };
        let arguments = call.arguments.to_string();
        let outcome = tokio::select! {
            outcome = self.proxy.call_tool(id, own_name, &arguments) => Some(outcome),
            () = self.time_is_up(id, broker.settings.tool_time) => None,
        };
        running.over = outcome.is_some();
        drop(running);
        *lock(&self.used) = Instant::now();
        let text = match outcome {
            Some(Ok(text)) => text,
            Some(Err(error)) => return Err(self.explained(call.tool, error).await),
            None => {
                return Err(Error::TimedOut(format!(
                    "{} did not end within {} s; whether it was done is not known",
                    call.tool,
                    broker.settings.tool_time.as_secs_f64()
                )));
            }
        };
        if text.len() > MAX_RESULT {
            return Err(Error::Failed(format!(
                "{}: a result of {} bytes; at most {MAX_RESULT} are taken",
                call.tool,
                text.len()
            )));
        }
        match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Ok(text),
            Err(error) => Err(Error::Failed(format!(
                "{}: the result is not JSON: {error}",
                call.tool
            ))),
        }
    }

    /// Returns when a call has used up its time. While the person is asked, it stands still.
    async fn time_is_up(&self, id: u64, limit: Duration) {
        let mut left = limit;
        while left > Duration::ZERO {
            let tick = left.min(TICK);
            tokio::time::sleep(tick).await;
            let waits = lock(&self.calls).get(&id).is_some_and(|open| open.waits);
            if !waits {
                left -= tick;
            }
        }
    }

    /// An error in the provider's words, cleaned; if it is gone, in its last ones.
    async fn explained(&self, name: &str, error: Error) -> Error {
        let word = |text: String| format!("{name}: {}", clean(&text, 2000));
        // What looks like an answer may be the last thing that it does.
        if let (Error::ZBus(_) | Error::Unavailable(_), Some(_)) = (&error, &self.process) {
            let closing = tokio::time::timeout(LAST_WORDS, self.connection.closed());
            if closing.await.is_ok() {
                let why = self.last_words("it ended").await;
                return Error::Unavailable(format!("{name} is gone: {why}"));
            }
        }
        match error {
            Error::ZBus(error) => Error::Unavailable(word(error.to_string())),
            Error::Denied(text) => Error::Denied(word(text)),
            Error::NoAnswer(text) => Error::NoAnswer(word(text)),
            Error::InvalidArguments(text) => Error::InvalidArguments(word(text)),
            Error::NotFound(text) => Error::NotFound(word(text)),
            Error::LimitReached(text) => Error::LimitReached(word(text)),
            // Only this side says that a call took too long, since it is recorded as that.
            Error::TimedOut(text) | Error::Cancelled(text) | Error::Failed(text) => {
                Error::Failed(word(text))
            }
            Error::Unavailable(text) => Error::Unavailable(word(text)),
        }
    }

    async fn last_words(&self, otherwise: &str) -> String {
        match &self.process {
            Some(process) => match process.fault.get() {
                Some(fault) => format!("cut off by the broker: {fault}"),
                None => clean(&process.words.last(otherwise).await, 300),
            },
            None => otherwise.to_owned(),
        }
    }

    /// Ends it, where it is ours.
    pub(super) async fn stop(&self, broker: &Broker) {
        if let Some(process) = &self.process {
            spawn::stop(&broker.spawner, &process.unit).await;
            // It is closed, or the other end has just gone.
            let _ = self.connection.clone().close().await;
        }
    }
}

/// Takes a call off the list when it is over, and tells the provider when nobody waits any more.
struct Call<'a> {
    running: &'a Running,
    id: u64,
    over: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        lock(&self.running.calls).remove(&self.id);
        if !self.over {
            let (proxy, id) = (self.running.proxy.clone(), self.id);
            tokio::spawn(async move {
                // It is a courtesy: what it does not hear, or does not do, is recorded as unknown.
                let _ = tokio::time::timeout(Duration::from_secs(5), proxy.cancel(id)).await;
            });
        }
    }
}

async fn start_mcp(
    broker: &Arc<Broker>,
    declared: &Declared,
    calls: &Calls,
) -> Result<(Connection, Process)> {
    let name = declared.full_name();
    let subject = super::subject(declared);
    let place = Arc::clone(&broker.providers.places)
        .try_acquire_owned()
        .map_err(|_| {
            Error::LimitReached(format!(
                "{name} is not started: {} tool providers run already; switch some off (`enabled: \
                 false`)",
                super::MAX_RUNNING
            ))
        })?;
    // The person's own declaration is the person's word on its hosts; a package's is a wish.
    let granted = if declared.own {
        proxy::needs(&declared.hosts)
    } else {
        Vec::new()
    };
    proxy::admit(broker, &subject, &granted);
    let network = if declared.hosts.is_empty() {
        None
    } else {
        let folder = broker.settings.state.join("proxy");
        let client = proxy::Client {
            subject,
            title: declared.declaration.title.clone(),
            hosts: declared.hosts.clone(),
            limits: proxy::Limits::default(),
        };
        let path = folder.join(&declared.declaration.name);
        let listening = proxy::listen(broker, client, path.clone())
            .map_err(|e| unavailable(&name, &format!("no proxy at {}: {e}", path.display())))?;
        Some(listening)
    };
    let launch = {
        let declared = declared.clone();
        let programs = broker.settings.programs.clone();
        let socket = network.as_ref().map(|proxy| proxy.path().to_owned());
        tokio::task::spawn_blocking(move || launch::mcp(&declared, &programs, socket.as_deref()))
            .await
            .map_err(|e| unavailable(&name, &e.to_string()))?
            .map_err(|e| unavailable(&name, &e))?
    };
    let bound = launch::bound(declared).map_err(|e| unavailable(&name, &e))?;
    if let Some(bound) = &bound {
        bound.check().await.map_err(|e| unavailable(&name, &e))?;
    }
    let mut past = Box::pin(async move {
        match bound {
            Some(bound) => bound.watch().await,
            None => std::future::pending().await,
        }
    });
    let unit = launch.name.clone();
    let started = spawn::start(&broker.spawner, launch)
        .await
        .map_err(|e| unavailable(&name, &e.what))?;
    let socket = match AgentSocket::new(started.socket) {
        Ok(socket) => socket,
        Err(e) => {
            spawn::stop(&broker.spawner, &unit).await;
            return Err(unavailable(&name, &e.to_string()));
        }
    };
    let fault = socket.fault();
    let host = Host {
        broker: Arc::clone(broker),
        calls: Arc::clone(calls),
    };
    let connecting = Builder::socket(socket)
        .server(Guid::generate())
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .serve_at(HOST_PATH, host)
        .build();
    let connected = tokio::select! {
        connected = tokio::time::timeout(START_TIME, connecting) => connected,
        why = &mut past => {
            spawn::stop(&broker.spawner, &unit).await;
            return Err(unavailable(&name, &why));
        }
    };
    let failure = match connected {
        Ok(Ok(connection)) => {
            let mut watched = JoinSet::new();
            let (spawner, ended, told) = (Arc::clone(&broker.spawner), unit.clone(), fault.clone());
            watched.spawn(async move {
                let why = past.await;
                warn!("{ended} is ended: {why}");
                told.set(why);
                spawn::stop(&spawner, &ended).await;
            });
            let process = Process {
                unit,
                words: started.words,
                fault,
                _watched: watched,
                _network: network,
                _place: place,
            };
            return Ok((connection, process));
        }
        Ok(Err(e)) => format!("it did not connect: {e}"),
        Err(_) => "it did not connect in time".to_owned(),
    };
    spawn::stop(&broker.spawner, &unit).await;
    let words = started.words.last(&failure).await;
    Err(unavailable(&name, &clean(&words, 300)))
}

/// `org.argos.ToolHost1` on the socket of one provider.
struct Host {
    broker: Arc<Broker>,
    calls: Calls,
}

#[zbus::interface(name = "org.argos.ToolHost1")]
impl Host {
    async fn confirm(&self, id: u64, message: String) -> Result<()> {
        answered(self.confirmed(id, message)).await
    }
}

impl Host {
    async fn confirmed(&self, id: u64, message: String) -> Result<()> {
        let (subject, title, tool, need, mut call) = {
            let mut calls = lock(&self.calls);
            let open = calls
                .get_mut(&id)
                .ok_or_else(|| Error::NotFound("no such call runs".to_owned()))?;
            if open.waits || open.confirmations >= MAX_CONFIRMATIONS {
                return Err(Error::LimitReached(format!(
                    "one question at a time, and {MAX_CONFIRMATIONS} a call"
                )));
            }
            open.confirmations += 1;
            open.waits = true;
            (
                open.subject.clone(),
                open.title.clone(),
                open.tool,
                open.need.clone(),
                open.ends.subscribe(),
            )
        };
        let _waits = Waits {
            calls: &self.calls,
            id,
        };
        let question = |grantable| Question {
            subject: subject.clone(),
            title,
            tool: tool.to_owned(),
            summary: format!(
                "{tool} runs and wants this confirmed, in its own words: “{}”",
                clean(&message, 400)
            ),
            arguments: message,
            need: need.clone(),
            grantable,
        };
        let settling = asking::settle(
            &self.broker,
            |grants, now| grants.decide(&subject, &need, Fallback::Confirm, now),
            question,
            |_| (),
        );
        let settled = tokio::select! {
            settled = settling => settled?,
            _ = call.changed() => {
                // A yes would be to something that no call is for any more.
                self.broker.withdraw_abandoned();
                return Err(Error::NotFound("the call has ended".to_owned()));
            }
        };
        match settled {
            Settled::Answered(Answer::Expired) => {
                Err(Error::NoAnswer("nobody answered".to_owned()))
            }
            settled if settled.allows() => Ok(()),
            settled => Err(Error::Denied(settled.to_string())),
        }
    }
}

/// While it lives, a call waits for the person.
struct Waits<'a> {
    calls: &'a Calls,
    id: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(open) = lock(self.calls).get_mut(&self.id) {
            open.waits = false;
        }
    }
}

fn unavailable(name: &str, why: &str) -> Error {
    Error::Unavailable(format!("{name} cannot be started: {why}"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::core::Settings;
    use crate::providers::Folders;
    use crate::sandbox::Programs;
    use crate::spawn::{Launch, SpawnError, Spawner};

    const PATIENCE: Duration = Duration::from_secs(20);

    #[derive(Debug)]
    struct Nothing;

    impl Spawner for Nothing {
        fn start(&self, _: &Launch, _: OwnedFd, _: OwnedFd) -> std::result::Result<(), SpawnError> {
            unreachable!("nothing is started here")
        }

        fn stop(&self, _: &str) -> std::result::Result<(), SpawnError> {
            Ok(())
        }
    }

    /// A broker without agents, and the other end of its bus.
    async fn broker(folder: &std::path::Path) -> (Arc<Broker>, Connection) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = Builder::unix_stream(ours).server(Guid::generate()).p2p();
        let client = Builder::unix_stream(theirs).p2p();
        let (bus, other) = tokio::try_join!(server.build(), client.build()).unwrap();
        let settings = Settings {
            home: folder.join("home"),
            state: folder.join("state"),
            shipped: folder.join("agents"),
            programs: Programs {
                folder: "/usr/bin".into(),
            },
            answer_time: PATIENCE,
            tool_time: PATIENCE,
            worker_idle: PATIENCE,
            by_process_number: false,
            providers: Folders {
                system: Vec::new(),
                own: folder.join("tools"),
            },
        };
        let (broker, _) = Broker::open(settings, Arc::new(Nothing), bus).unwrap();
        (broker, other)
    }

    #[tokio::test]
    async fn a_confirmation_is_taken_back_when_its_call_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (broker, _bus) = broker(folder.path()).await;
        let calls = Calls::default();
        let open = Open {
            subject: Subject {
                agent: "steward".to_owned(),
                hash: "h".to_owned(),
            },
            title: "Steward".to_owned(),
            tool: "mcp.shop.order",
            need: Need {
                action: "write".to_owned(),
                resource: "mcp.shop.order".to_owned(),
            },
            confirmations: 0,
            waits: false,
            ends: watch::Sender::default(),
        };
        lock(&calls).insert(7, open);
        let host = Host {
            broker: Arc::clone(&broker),
            calls: Arc::clone(&calls),
        };
        let asking = host.confirmed(7, "Order it?".to_owned());
        let pending = || lock(&broker.permissions).prompts.pending();
        let ending = async {
            while pending().is_empty() {
                tokio::task::yield_now().await;
            }
            // Whoever made the call called it back.
            lock(&calls).remove(&7);
        };
        let both = async { tokio::join!(asking, ending).0 };
        let answer = tokio::time::timeout(PATIENCE / 4, both).await;
        let answer = answer.expect("the question is still asked");
        assert!(matches!(answer, Err(Error::NotFound(_))), "{answer:?}");
        assert!(pending().is_empty());
    }
}
