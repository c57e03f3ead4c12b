//! The edge of the world: session bus, chat file, memory, clock. Timers are beside it
//! ([`crate::timers`]); here they are one more who says something.
//!
//! One task owns world and chat and takes everything in turn from a channel; what takes time
//! (deliveries, starts) runs beside it and reports back through the same channel.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use argos_bus::agents::{self, Agent, ChatMessage, FASTEST, Mind, Pace, SLOWEST, Tokens, Usage};
use argos_bus::broker::Broker1Proxy;
use argos_bus::memory::Memory1Proxy;
use argos_bus::{Error, Result};
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::chat::{Chat, KEPT};
use crate::registry;
use crate::timers::{self, Timers};
use crate::world::components::Source;
use crate::world::{Action, Event, MAX_WAITING, World};

const PATH: &str = "/org/argos/Agents1";
const BROKER: &str = "org.argos.Broker1";
/// Longest message, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Longest text that is remembered, in bytes: answers can be long lists.
const MAX_REMEMBERED: usize = 2000;
/// Texts that may wait to be remembered.
const MAX_TO_REMEMBER: usize = 256;

/// Where things are.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders of agents, the system's first.
    pub agents: Vec<PathBuf>,
    /// Folder of `chat.jsonl`, `timers.json` and `world.json`.
    pub state: PathBuf,
}

/// What the owner of world and chat is asked.
enum Command {
    Happened(Event),
    Send {
        agent: String,
        text: String,
        reply: oneshot::Sender<Result<u64>>,
    },
    Relay {
        from: Source,
        agent: String,
        text: String,
        reply: oneshot::Sender<Result<u64>>,
    },
    /// A timer that an agent set has gone off.
    Rang {
        agent: String,
        text: String,
    },
    History {
        agent: String,
        limit: usize,
        reply: oneshot::Sender<Result<Vec<ChatMessage>>>,
    },
    List {
        reply: oneshot::Sender<Vec<Agent>>,
    },
    Control {
        agent: String,
        start: bool,
        reply: oneshot::Sender<Result<()>>,
    },
    World {
        reply: oneshot::Sender<agents::World>,
    },
    Events {
        since: u64,
        reply: oneshot::Sender<Vec<agents::Event>>,
    },
    Inspect {
        agent: String,
        reply: oneshot::Sender<Result<Mind>>,
    },
    Pause {
        paused: bool,
        reply: oneshot::Sender<()>,
    },
    Step {
        reply: oneshot::Sender<Result<()>>,
    },
    Speed {
        speed: f64,
        reply: oneshot::Sender<()>,
    },
    StopAll {
        reply: oneshot::Sender<u32>,
    },
}

/// Serves until `end` is ready or the session bus goes away.
///
/// # Errors
/// The bus or the state folder cannot be used.
pub async fn serve(options: Options, end: impl Future<Output = ()>) -> anyhow::Result<()> {
    let file = options.state.join("chat.jsonl");
    let chat = Chat::open(&file)
        .with_context(|| format!("{}: the conversations cannot be kept", file.display()))?;
    if chat.skipped() > 0 {
        warn!(
            "{}: {} damaged lines were skipped",
            file.display(),
            chat.skipped()
        );
    }
    let file = options.state.join("timers.json");
    let (timers, warning) = Timers::open(&file)
        .with_context(|| format!("{}: the timers cannot be kept", file.display()))?;
    if let Some(warning) = warning {
        warn!("{warning}");
    }
    let pace_file = options.state.join("world.json");
    let timers = timers::service::Service::new(timers, Arc::new(jiff::Zoned::now));
    let connection = Connection::session()
        .await
        .context("the session bus cannot be reached; is DBUS_SESSION_BUS_ADDRESS right?")?;
    let (commands, inbox) = mpsc::channel(256);
    let (memories, to_remember) = mpsc::channel(MAX_TO_REMEMBER);
    let owner = Owner {
        world: World::at_pace(kept_pace(&pace_file)),
        announced: 0,
        pace_file,
        chat,
        options,
        connection: connection.clone(),
        commands: commands.clone(),
        memories,
        starting: HashMap::new(),
    };
    connection
        .object_server()
        .at(PATH, Server(commands.clone()))
        .await?;
    let broker_signals = tokio::spawn(listen(connection.clone(), commands.clone()));
    timers
        .serve(&connection)
        .await
        .context("org.argos.Timers1 cannot be taken; does another argos-orchestrator run?")?;
    let (rang, mut ringing) = mpsc::channel(16);
    let ringing_timers = tokio::spawn(timers.run(connection.clone(), rang));
    tokio::spawn(async move {
        while let Some((agent, text)) = ringing.recv().await {
            // The owner ends only with the process.
            let _ = commands.send(Command::Rang { agent, text }).await;
        }
    });
    let remembering = tokio::spawn(remember(connection.clone(), to_remember));
    connection
        .request_name("org.argos.Agents1")
        .await
        .context("org.argos.Agents1 cannot be taken; does another argos-orchestrator run?")?;
    info!("ready");
    tokio::select! {
        () = connection.closed() => bail!("the session bus is gone"),
        ended = ringing_timers => bail!("the timers ended: {ended:?}"),
        ended = broker_signals => bail!("listening to the broker ended: {ended:?}"),
        // Not a task of its own: the world stays on this thread.
        () = owner.run(inbox) => bail!("the world ended"),
        () = end => {}
    }
    remembering.abort();
    Ok(())
}

/// `org.argos.Agents1`.
struct Server(mpsc::Sender<Command>);

impl Server {
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let ending = |_| Error::Unavailable("the orchestrator is ending".to_owned());
        self.0
            .send(command(reply))
            .await
            .map_err(|e| ending(e.to_string()))?;
        answer.await.map_err(|e| ending(e.to_string()))
    }
}

#[zbus::interface(name = "org.argos.Agents1")]
impl Server {
    async fn list(&self) -> Result<Vec<Agent>> {
        self.ask(|reply| Command::List { reply }).await
    }

    async fn start(&self, agent: String) -> Result<()> {
        self.ask(|reply| Command::Control {
            agent,
            start: true,
            reply,
        })
        .await?
    }

    async fn stop(&self, agent: String) -> Result<()> {
        self.ask(|reply| Command::Control {
            agent,
            start: false,
            reply,
        })
        .await?
    }

    async fn send(&self, agent: String, text: String) -> Result<u64> {
        self.ask(|reply| Command::Send { agent, text, reply })
            .await?
    }

    async fn relay(
        &self,
        from: Vec<String>,
        agent: String,
        text: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> Result<u64> {
        // Whoever is on this bus may speak as the person; as an agent only who knows its agents.
        let bus = zbus::fdo::DBusProxy::new(connection).await?;
        let owner = bus.get_name_owner(BROKER.try_into()?).await;
        if header.sender().is_none() || owner.ok().as_deref() != header.sender() {
            return Err(Error::Denied(
                "only the broker speaks for agents; say it with Send".to_owned(),
            ));
        }
        let mut names = from.into_iter();
        let Some(name) = names.next() else {
            return Err(Error::InvalidArguments(
                "it does not say which agent says this".to_owned(),
            ));
        };
        let from = Source::Agent {
            name,
            behalf: names.collect(),
        };
        self.ask(|reply| Command::Relay {
            from,
            agent,
            text,
            reply,
        })
        .await?
    }

    async fn history(&self, agent: String, limit: u32) -> Result<Vec<ChatMessage>> {
        let limit = (limit as usize).min(KEPT);
        self.ask(|reply| Command::History {
            agent,
            limit,
            reply,
        })
        .await?
    }

    async fn world(&self) -> Result<agents::World> {
        self.ask(|reply| Command::World { reply }).await
    }

    async fn events(&self, since: u64) -> Result<Vec<agents::Event>> {
        self.ask(|reply| Command::Events { since, reply }).await
    }

    async fn inspect(
        &self,
        agent: String,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Mind> {
        let mut mind = self
            .ask(|reply| Command::Inspect { agent, reply })
            .await??;
        let (usage, tokens) = match broker(connection).await {
            Ok(broker) => (
                broker.usage(&mind.agent).await.ok(),
                broker.tokens(&mind.agent).await.ok(),
            ),
            Err(_) => (None, None),
        };
        // One that does not run uses nothing.
        mind.usage = usage
            .map(|(memory, cpu_us, tasks)| Usage {
                memory,
                cpu_us,
                tasks,
            })
            .into_iter()
            .collect();
        mind.tokens = tokens
            .map(|(used, limit)| Tokens { used, limit })
            .into_iter()
            .collect();
        Ok(mind)
    }

    async fn set_paused(&self, paused: bool) -> Result<()> {
        self.ask(|reply| Command::Pause { paused, reply }).await
    }

    async fn step(&self) -> Result<()> {
        self.ask(|reply| Command::Step { reply }).await?
    }

    async fn set_speed(&self, speed: f64) -> Result<()> {
        if !(SLOWEST..=FASTEST).contains(&speed) {
            return Err(Error::InvalidArguments(format!(
                "a speed is a number from {SLOWEST} to {FASTEST}; 1 is as usual"
            )));
        }
        self.ask(|reply| Command::Speed { speed, reply }).await
    }

    async fn stop_all(&self) -> Result<u32> {
        self.ask(|reply| Command::StopAll { reply }).await
    }

    #[zbus(signal)]
    async fn message(emitter: &SignalEmitter<'_>, message: ChatMessage) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn state_changed(emitter: &SignalEmitter<'_>, agent: Agent) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn happened(emitter: &SignalEmitter<'_>, event: agents::Event) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn pace_changed(emitter: &SignalEmitter<'_>, pace: Pace) -> zbus::Result<()>;
}

/// Something to be remembered.
struct Remembered {
    agent: String,
    role: String,
    text: String,
}

/// The one task that owns world and chat.
struct Owner {
    world: World,
    /// The last event that everybody was told of.
    announced: u64,
    /// Where the world's pace is kept.
    pace_file: PathBuf,
    chat: Chat,
    options: Options,
    connection: Connection,
    commands: mpsc::Sender<Command>,
    memories: mpsc::Sender<Remembered>,
    /// Who wants to know how the start of an agent went.
    starting: HashMap<String, Vec<oneshot::Sender<Result<()>>>>,
}

impl Owner {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        self.look_around().await;
        for (agent, id) in self.chat.unanswered() {
            self.happened(Event::Inherited { agent, id }).await;
        }
        loop {
            let wake = self.world.next_wake();
            let command = tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => command,
                    None => return,
                },
                () = sleep_until(wake) => Command::Happened(Event::Tick),
            };
            self.take(command).await;
        }
    }

    async fn take(&mut self, command: Command) {
        // Whoever asked may be gone by now; that is no reason not to have done it.
        match command {
            Command::Happened(Event::Replied {
                agent,
                in_reply_to,
                text,
            }) => {
                // An empty answer says that there is nothing to say.
                if !text.trim().is_empty() {
                    self.say("agent", &agent, in_reply_to, text.clone()).await;
                }
                self.happened(Event::Replied {
                    agent,
                    in_reply_to,
                    text,
                })
                .await;
            }
            Command::Happened(event) => {
                let started = match &event {
                    Event::Started { agent, error } => Some((agent.clone(), error.clone())),
                    _ => None,
                };
                self.happened(event).await;
                if let Some((agent, error)) = started {
                    let asked = self.starting.remove(&agent).unwrap_or_default();
                    for reply in asked {
                        let _ = reply.send(error.clone().map_or(Ok(()), |e| Err(Error::Failed(e))));
                    }
                }
            }
            Command::List { reply } => {
                self.look_around().await;
                let _ = reply.send(self.world.agents());
            }
            Command::History {
                agent,
                limit,
                reply,
            } => {
                let known = self.known(&agent).await;
                let _ = reply.send(known.map(|()| self.chat.history(&agent, limit)));
            }
            Command::Send { agent, text, reply } => {
                let _ = reply.send(self.send(agent, text).await);
            }
            Command::Relay {
                from,
                agent,
                text,
                reply,
            } => {
                let _ = reply.send(self.relay(from, agent, text).await);
            }
            Command::Rang { agent, text } => {
                // The person saw it as a notification; an agent that is gone needs no word.
                if let Err(e) = self.tell(Source::Timer, &agent, text.clone(), text).await {
                    warn!("{agent} is not told of its timer: {}", e.text());
                }
            }
            Command::Control {
                agent,
                start,
                reply,
            } => {
                if let Err(unknown) = self.known(&agent).await {
                    let _ = reply.send(Err(unknown));
                } else if start {
                    self.start(agent, reply).await;
                } else {
                    self.happened(Event::Stop(agent)).await;
                    let _ = reply.send(Ok(()));
                }
            }
            Command::World { reply } => {
                self.look_around().await;
                let _ = reply.send(self.world.seen());
            }
            Command::Events { since, reply } => {
                let _ = reply.send(self.world.events(since));
            }
            Command::Inspect { agent, reply } => {
                let known = self.known(&agent).await;
                let gone = || Error::NotFound(format!("there is no agent `{agent}`"));
                let mind = known.and_then(|()| self.world.mind(&agent).ok_or_else(gone));
                let _ = reply.send(mind);
            }
            Command::Pause { paused, reply } => {
                let event = if paused { Event::Pause } else { Event::Resume };
                self.happened(event).await;
                let _ = reply.send(());
            }
            Command::Step { reply } => {
                let _ = reply.send(if self.world.pace().paused {
                    self.happened(Event::Step).await;
                    Ok(())
                } else {
                    Err(Error::Failed(
                        "the agents' world is running; pause it to go step by step".to_owned(),
                    ))
                });
            }
            Command::Speed { speed, reply } => {
                self.happened(Event::Speed(speed)).await;
                let _ = reply.send(());
            }
            Command::StopAll { reply } => {
                let runs = |agent: &Agent| !matches!(agent.state.as_str(), "stopped" | "failed");
                let running = self.world.agents().into_iter().filter(runs).count();
                self.happened(Event::StopAll).await;
                let _ = reply.send(u32::try_from(running).unwrap_or(u32::MAX));
            }
        }
    }

    /// Starts an agent; `reply` gets its word when the agent is up or has failed to come up.
    async fn start(&mut self, agent: String, reply: oneshot::Sender<Result<()>>) {
        self.happened(Event::Start(agent.clone())).await;
        let now = self.world.agents().into_iter().find(|a| a.name == agent);
        let answer = match now {
            Some(a) if a.state == "starting" => {
                return self.starting.entry(agent).or_default().push(reply);
            }
            Some(a) if a.state == "failed" => Err(Error::Failed(a.detail)),
            Some(a) if a.state == "stopped" => Err(Error::Unavailable(a.detail)),
            _ => Ok(()),
        };
        let _ = reply.send(answer);
    }

    /// The person says something.
    async fn send(&mut self, agent: String, text: String) -> Result<u64> {
        self.takes(&agent, &text).await?;
        let message = self.write("person", &agent, 0, text.clone()).map_err(|e| {
            Error::Failed(format!("the message was not sent, it cannot be kept: {e}"))
        })?;
        let id = message.id;
        self.announce(message).await;
        self.happened(Event::Said { agent, id, text }).await;
        Ok(id)
    }

    /// Another agent says something. It stands in the conversation of the one it is said to.
    async fn relay(&mut self, from: Source, agent: String, text: String) -> Result<u64> {
        self.takes(&agent, &text).await?;
        let Source::Agent { name, .. } = &from else {
            return Err(Error::InvalidArguments("no agent says this".to_owned()));
        };
        let shown = format!("{name} says to {agent}: {text}");
        self.tell(from, &agent, shown, text).await
    }

    /// Has an agent attend to what somebody other than the person says; `shown` is what the person
    /// reads of it.
    async fn tell(
        &mut self,
        from: Source,
        agent: &str,
        shown: String,
        text: String,
    ) -> Result<u64> {
        self.known(agent).await?;
        let message = self.write("system", agent, 0, shown).map_err(|e| {
            Error::Failed(format!("the message was not sent, it cannot be kept: {e}"))
        })?;
        let id = message.id;
        self.announce(message).await;
        let agent = agent.to_owned();
        self.happened(Event::Told {
            agent,
            id,
            from,
            text,
        })
        .await;
        Ok(id)
    }

    /// Whether an agent is there to take this message.
    async fn takes(&mut self, agent: &str, text: &str) -> Result<()> {
        self.known(agent).await?;
        if text.trim().is_empty() {
            return Err(Error::InvalidArguments(
                "there is nothing in this message".to_owned(),
            ));
        }
        if text.len() > MAX_TEXT {
            return Err(Error::LimitReached(format!(
                "a message may have {MAX_TEXT} bytes"
            )));
        }
        if self.world.waiting(agent) >= MAX_WAITING {
            return Err(Error::LimitReached(format!(
                "{MAX_WAITING} messages wait for {agent} already; wait for an answer first"
            )));
        }
        Ok(())
    }

    /// Somebody else says something: it is shown even where it cannot be kept.
    async fn say(&mut self, role: &str, agent: &str, in_reply_to: u64, text: String) {
        if !self.world.knows(agent) {
            return;
        }
        match self.write(role, agent, in_reply_to, text.clone()) {
            Ok(message) => self.announce(message).await,
            Err(e) => {
                warn!("a message of {agent} is shown but not kept: {e}");
                let message = self.message(role, agent, in_reply_to, text);
                self.announce(message).await;
            }
        }
    }

    fn write(
        &mut self,
        role: &str,
        agent: &str,
        in_reply_to: u64,
        text: String,
    ) -> std::io::Result<ChatMessage> {
        // Waits for the disk: what comes next has to wait for that anyway.
        let message = self.message(role, agent, in_reply_to, text);
        self.chat.say(message)
    }

    fn message(&self, role: &str, agent: &str, in_reply_to: u64, text: String) -> ChatMessage {
        ChatMessage {
            id: 0,
            in_reply_to,
            agent: agent.to_owned(),
            role: role.to_owned(),
            text,
            when_ms: now_ms(),
        }
    }

    async fn announce(&mut self, message: ChatMessage) {
        if message.role != "system" {
            let mut text = message.text.clone();
            if text.len() > MAX_REMEMBERED {
                let mut cut = MAX_REMEMBERED;
                while !text.is_char_boundary(cut) {
                    cut -= 1;
                }
                text.truncate(cut);
                text.push('…');
            }
            let remembered = Remembered {
                agent: message.agent.clone(),
                role: message.role.clone(),
                text,
            };
            if self.memories.try_send(remembered).is_err() {
                warn!("the memory service is too slow; something said is not remembered");
            }
        }
        self.signal(async |to| Server::message(to, message).await)
            .await;
    }

    /// Tells everybody something.
    async fn signal(&self, tell: impl AsyncFnOnce(&SignalEmitter<'_>) -> zbus::Result<()>) {
        let told = match SignalEmitter::new(&self.connection, PATH) {
            Ok(emitter) => tell(&emitter).await,
            Err(e) => Err(e),
        };
        if let Err(e) = told {
            warn!("something that happened was not announced: {e}");
        }
    }

    async fn known(&mut self, agent: &str) -> Result<()> {
        if !self.world.knows(agent) {
            self.look_around().await;
        }
        if self.world.knows(agent) {
            return Ok(());
        }
        let names: Vec<String> = self.world.agents().into_iter().map(|a| a.name).collect();
        Err(Error::NotFound(format!(
            "there is no agent `{agent}`; there are: {}",
            names.join(", ")
        )))
    }

    /// Looks for agents on disk.
    async fn look_around(&mut self) {
        let folders = self.options.agents.clone();
        match tokio::task::spawn_blocking(move || registry::find(&folders)).await {
            Ok(found) => self.happened(Event::Found(found)).await,
            Err(e) => warn!("looking for agents failed: {e}"),
        }
    }

    async fn happened(&mut self, event: Event) {
        let pace = self.world.pace();
        let actions = self.world.handle(event, now_ms());
        for event in self.world.events(self.announced) {
            self.announced = event.number;
            self.signal(async |to| Server::happened(to, event).await)
                .await;
        }
        if self.world.pace() != pace {
            let pace = self.world.pace();
            keep_pace(&self.pace_file, pace);
            self.signal(async |to| Server::pace_changed(to, pace).await)
                .await;
        }
        for action in actions {
            match action {
                Action::Show(agent) => {
                    self.signal(async |to| Server::state_changed(to, agent).await)
                        .await;
                }
                Action::Tell {
                    agent,
                    in_reply_to,
                    text,
                } => {
                    self.say("system", &agent, in_reply_to, text).await;
                }
                other => {
                    tokio::spawn(act(self.connection.clone(), self.commands.clone(), other));
                }
            }
        }
    }
}

/// Carries out what the broker has to do, and reports how it went.
async fn act(connection: Connection, commands: mpsc::Sender<Command>, action: Action) {
    let event = match action {
        Action::Deliver {
            agent,
            id,
            from,
            text,
        } => {
            let arrived = match broker(&connection).await {
                Ok(broker) => broker.deliver(&agent, id, &from, &text).await,
                Err(e) => Err(e),
            };
            if let Err(e) = &arrived {
                warn!("message {id} did not reach {agent}: {e}");
            }
            let delivered = Event::Delivered {
                agent: agent.clone(),
                id,
                arrived: arrived.is_ok(),
            };
            if matches!(arrived, Err(Error::NotFound(_))) {
                // The broker knows better: it does not run. Back into the inbox, then start it.
                let (state, detail) = ("stopped".to_owned(), String::new());
                let stopped = Event::State {
                    agent: agent.clone(),
                    state,
                    detail,
                };
                for event in [delivered, stopped, Event::Start(agent)] {
                    // As below.
                    let _ = commands.send(Command::Happened(event)).await;
                }
                return;
            }
            delivered
        }
        Action::Start { agent, folder } => {
            let started = match broker(&connection).await {
                Ok(broker) => broker.start_agent(&folder).await,
                Err(e) => Err(e),
            };
            Event::Started {
                agent,
                error: started.err().map(|e| e.text()),
            }
        }
        Action::Stop { agent } => {
            let stopped = match broker(&connection).await {
                Ok(broker) => broker.stop_agent(&agent).await,
                Err(e) => Err(e),
            };
            if let Err(e) = stopped {
                warn!("{agent} was not stopped: {e}");
            }
            return;
        }
        Action::Show(_) | Action::Tell { .. } => return,
    };
    // The owner ends only with the process.
    let _ = commands.send(Command::Happened(event)).await;
}

async fn broker(connection: &Connection) -> Result<Broker1Proxy<'_>> {
    Ok(Broker1Proxy::new(connection).await?)
}

/// Passes on what the broker signals, and whether it is there.
async fn listen(connection: Connection, commands: mpsc::Sender<Command>) -> anyhow::Result<()> {
    let broker = Broker1Proxy::new(&connection).await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    let mut owners = bus
        .receive_name_owner_changed_with_args(&[(0, BROKER)])
        .await?;
    let mut replies = broker.receive_replied().await?;
    let mut states = broker.receive_state_changed().await?;
    let mut plans = broker.receive_planned().await?;
    let mut present = bus.name_has_owner(BROKER.try_into()?).await?;
    if present {
        // Agents outlive this program: those that run are not started again.
        for (agent, state, detail) in broker.running().await.unwrap_or_default() {
            let running = Event::State {
                agent,
                state,
                detail,
            };
            commands.send(Command::Happened(running)).await?;
        }
        commands.send(Command::Happened(Event::BrokerCame)).await?;
    }
    loop {
        // What a broker said comes before that it went: said of one that is gone, it would stand.
        let events = tokio::select! {
            biased;
            Some(signal) = replies.next() => {
                let args = signal.args()?;
                vec![Event::Replied {
                    agent: args.agent().to_string(),
                    in_reply_to: *args.in_reply_to(),
                    text: args.text().to_string(),
                }]
            }
            Some(signal) = states.next() => {
                let args = signal.args()?;
                vec![Event::State {
                    agent: args.agent().to_string(),
                    state: args.state().to_string(),
                    detail: args.detail().to_string(),
                }]
            }
            Some(signal) = plans.next() => {
                let args = signal.args()?;
                vec![Event::Planned {
                    agent: args.agent().to_string(),
                    calls: args.calls().clone(),
                }]
            }
            Some(signal) = owners.next() => {
                let args = signal.args()?;
                let (old, new) = (args.old_owner().is_some(), args.new_owner().is_some());
                let mut events = Vec::new();
                if old && present {
                    events.push(Event::BrokerWent);
                }
                if new {
                    events.push(Event::BrokerCame);
                }
                present = new;
                events
            }
            else => bail!("the session bus is gone"),
        };
        for event in events {
            commands.send(Command::Happened(event)).await?;
        }
    }
}

/// Has what was said remembered, one after the other, as fast as the memory service takes it.
async fn remember(connection: Connection, mut texts: mpsc::Receiver<Remembered>) {
    let connection = Arc::new(connection);
    let mut failing = false;
    while let Some(said) = texts.recv().await {
        let remembered = match Memory1Proxy::new(&connection).await {
            Ok(memory) => memory
                .remember("said", &said.agent, &said.text, &["chat", &said.role])
                .await
                .map(|_| ()),
            Err(e) => Err(e.into()),
        };
        match remembered {
            Ok(()) => failing = false,
            // Once, not once a message: the chat itself is kept elsewhere.
            Err(e) if !failing => {
                failing = true;
                warn!("what is said is not remembered: {}", e.text());
            }
            Err(_) => {}
        }
    }
}

/// How the world's loops ran when this program last ran.
fn kept_pace(file: &Path) -> Pace {
    if !file.exists() {
        return Pace::default();
    }
    argos_config::load(file).unwrap_or_else(|e| {
        warn!("{e}; the agents' world runs as usual");
        Pace::default()
    })
}

fn keep_pace(file: &Path, pace: Pace) {
    let kept = serde_json::to_vec(&pace)
        .map_err(|e| e.to_string())
        .and_then(|json| argos_config::write_atomically(file, &json).map_err(|e| e.to_string()));
    if let Err(e) = kept {
        warn!("how the agents' world runs is not kept over a restart: {e}");
    }
}

async fn sleep_until(at_ms: Option<u64>) {
    match at_ms {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(now_ms()))).await,
        None => std::future::pending().await,
    }
}

fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}
