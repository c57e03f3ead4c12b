//! The broker's state, and the few things that all its parts do with it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::ai::{Ai1Proxy, Plan};
use argos_bus::memory::Memory1Proxy;
use argos_bus::permissions::Request;
use argos_bus::{Error, Result};
use argos_tools::Catalogue;
use serde_json::Value;
use tokio::sync::mpsc;
use zbus::Connection;

use crate::audit::Audit;
use crate::calls::Calls;
use crate::grants::GrantStore;
use crate::lifecycle::Slot;
use crate::model::Accounts;
use crate::permission::Subject;
use crate::prompts::{Closed, Prompts};
use crate::providers::{Folders, Providers};
use crate::sandbox::Programs;
use crate::session::{Session, lock};
use crate::spawn::Spawner;
use crate::worker::Workers;

/// Longest time the model may take for a plan.
const PLAN_TIME: Duration = Duration::from_secs(60);

/// Where things are and how long they may take.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The person's home.
    pub home: PathBuf,
    /// Folder of grants, audit log and the agents' workspaces.
    pub state: PathBuf,
    /// Agents that come with the system: their wanted permissions are given when first seen.
    pub shipped: PathBuf,
    /// The system's own programs.
    pub programs: Programs,
    /// After this long no answer is a no.
    pub answer_time: Duration,
    /// Longest time a tool may run.
    pub tool_time: Duration,
    /// A tool worker that nobody has used for so long is ended.
    pub worker_idle: Duration,
    /// Where tool providers are declared.
    pub providers: Folders,
    /// Whether who calls on the session bus may be known by a process's number alone.
    pub by_process_number: bool,
}

impl Settings {
    /// Where an agent keeps its files; `/workspace` inside its sandbox.
    pub(crate) fn workspace(&self, agent: &str) -> PathBuf {
        self.state.join("agents").join(agent).join("workspace")
    }
}

/// Deeds that may wait to be remembered.
const MAX_DEEDS: usize = 256;

/// The clock on the wall. Only the edge reads it; rules get the time as an argument.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WallClock;

impl WallClock {
    /// Milliseconds since the epoch.
    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
    }

    /// RFC 3339, UTC, to the millisecond.
    pub(crate) fn timestamp(self) -> String {
        format!("{:.3}", jiff::Timestamp::now())
    }

    /// Local date and time, ISO 8601, for the model.
    pub(crate) fn local(self) -> String {
        jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }
}

/// Something the session bus hears as a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Requested(Request),
    Resolved {
        id: u64,
        decision: &'static str,
    },
    GrantsChanged,
    Replied {
        agent: String,
        in_reply_to: u64,
        text: String,
    },
    State {
        agent: String,
        state: String,
        detail: String,
    },
    Planned {
        agent: String,
        /// Tools and their arguments.
        calls: Vec<(String, String)>,
    },
}

/// Grants and open questions: they change together.
#[derive(Debug)]
pub(crate) struct Permissions {
    pub(crate) grants: GrantStore,
    pub(crate) prompts: Prompts,
}

/// The broker.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) clock: WallClock,
    pub(crate) catalogue: Catalogue,
    pub(crate) providers: Providers,
    pub(crate) permissions: Mutex<Permissions>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) calls: Calls,
    pub(crate) accounts: Accounts,
    pub(crate) agents: tokio::sync::Mutex<HashMap<String, Slot>>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) workers: Workers,
    /// Whom the agents' names stand for: as each was when it last ran.
    pub(crate) subjects: Mutex<HashMap<String, Subject>>,
    pub(crate) session_bus: Connection,
    system_bus: tokio::sync::Mutex<Option<Connection>>,
    events: mpsc::UnboundedSender<Event>,
    /// Agents and what they did, on their way into the memory.
    deeds: mpsc::Sender<(String, String)>,
}

impl Broker {
    /// Opens grants and audit log. The second value receives what is to be signalled.
    ///
    /// # Errors
    /// The audit log cannot be opened: without it no call could be answered.
    pub(crate) fn open(
        settings: Settings,
        spawner: Arc<dyn Spawner>,
        session_bus: Connection,
    ) -> anyhow::Result<(Arc<Self>, mpsc::UnboundedReceiver<Event>)> {
        let now = WallClock.timestamp();
        let audit = Audit::open(&settings.state.join("audit.jsonl"), &now)?;
        let (grants, warning) = GrantStore::open(&settings.state.join("grants.json"));
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let (events, receiver) = mpsc::unbounded_channel();
        let (deeds, to_remember) = mpsc::channel(MAX_DEEDS);
        tokio::spawn(remember(session_bus.clone(), to_remember));
        let broker = Self {
            workers: Workers::new(
                Arc::clone(&spawner),
                settings.programs.clone(),
                settings.worker_idle,
            ),
            providers: Providers::new(settings.providers.clone()),
            settings,
            clock: WallClock,
            catalogue: Catalogue::builtin(),
            permissions: Mutex::new(Permissions {
                grants,
                prompts: Prompts::default(),
            }),
            audit: Arc::new(audit),
            calls: Calls::default(),
            accounts: Accounts::default(),
            agents: tokio::sync::Mutex::default(),
            subjects: Mutex::default(),
            spawner,
            session_bus,
            system_bus: tokio::sync::Mutex::default(),
            events,
            deeds,
        };
        Ok((Arc::new(broker), receiver))
    }

    /// The system bus, connected when it is first needed and again after it went away. `None`
    /// while it cannot be reached.
    pub(crate) async fn system_bus(&self) -> Option<Connection> {
        let mut bus = self.system_bus.lock().await;
        if bus.as_ref().is_none_or(Connection::is_closed) {
            *bus = Connection::system()
                .await
                .inspect_err(|e| tracing::warn!("the system bus cannot be reached: {e}"))
                .ok();
        }
        bus.clone()
    }

    /// Asks the model for a plan that uses only this agent's tools.
    pub(crate) async fn plan(self: &Arc<Self>, session: &Session, request: &str) -> Result<String> {
        let manifest = &session.agent.manifest;
        let may = |tool: &str| manifest.may_call(tool);
        let mut tools: Vec<&str> = self.catalogue.names().filter(|t| may(t)).collect();
        let mut offered: Vec<Value> = tools.iter().map(|t| Value::from(*t)).collect();
        // The model knows the tools of providers by what they say about themselves.
        let wanted = |provider: &str| manifest.may_call_some_of(provider);
        for tool in self.providers.tools(self, wanted).await {
            if may(tool.name()) {
                tools.push(tool.name());
                offered.push(serde_json::json!({
                    "name": tool.name(),
                    "description": tool.own_description(),
                    "parameters": tool.schema(),
                }));
            }
        }
        if tools.is_empty() {
            // An empty list would mean all of them.
            return Err(Error::InvalidArguments(
                "this agent has no tools to plan with".to_owned(),
            ));
        }
        let bus = self.system_bus().await.ok_or_else(|| {
            Error::Unavailable("the system bus cannot be reached, so there is no model".to_owned())
        })?;
        let ai = Ai1Proxy::new(&bus).await.map_err(ai_is_down)?;
        let tools_json = Value::from(offered).to_string();
        let context = serde_json::json!({"now": self.clock.local()}).to_string();
        let answer = tokio::time::timeout(PLAN_TIME, ai.plan(request, &tools_json, &context))
            .await
            .map_err(|_| {
                Error::TimedOut(format!(
                    "the model did not answer in {} s",
                    PLAN_TIME.as_secs()
                ))
            })?;
        let text = match answer {
            Ok(text) => text,
            Err(Error::ZBus(e)) => return Err(ai_is_down(e)),
            Err(e) => return Err(e),
        };
        let mut plan: Plan = serde_json::from_str(&text)
            .map_err(|e| Error::Failed(format!("the model's plan cannot be read: {e}")))?;
        // What a model says is not trusted, nor is that it kept to the list.
        plan.calls.retain(|c| tools.contains(&c.tool.as_str()));
        self.emit(Event::Planned {
            agent: manifest.name.clone(),
            calls: plan
                .calls
                .iter()
                .map(|c| (c.tool.clone(), c.arguments.to_string()))
                .collect(),
        });
        serde_json::to_string(&plan)
            .map_err(|e| Error::Failed(format!("the plan cannot be passed on: {e}")))
    }

    /// Has a deed remembered, if there is a memory service and it keeps up; the audit log does not
    /// depend on it.
    pub(crate) fn remember(&self, agent: String, text: String) {
        if self.deeds.try_send((agent, text)).is_err() {
            tracing::debug!("a deed is not remembered: too many wait for that");
        }
    }

    pub(crate) fn requested(&self, request: Request) {
        self.emit(Event::Requested(request));
    }

    pub(crate) fn resolved(&self, closed: &[Closed]) {
        for c in closed {
            self.emit(Event::Resolved {
                id: c.id,
                decision: c.answer.as_str(),
            });
        }
    }

    pub(crate) fn grants_changed(&self) {
        self.emit(Event::GrantsChanged);
    }

    pub(crate) fn replied(&self, agent: &str, in_reply_to: u64, text: String) {
        self.emit(Event::Replied {
            agent: agent.to_owned(),
            in_reply_to,
            text,
        });
    }

    pub(crate) fn state(&self, agent: &str, state: &str, detail: &str) {
        self.emit(Event::State {
            agent: agent.to_owned(),
            state: state.to_owned(),
            detail: detail.to_owned(),
        });
    }

    /// Closes the questions that nobody waits for any more.
    pub(crate) fn withdraw_abandoned(&self) {
        let closed = lock(&self.permissions).prompts.sweep();
        self.resolved(&closed);
    }

    fn emit(&self, event: Event) {
        // The receiver goes only when the whole process does.
        let _ = self.events.send(event);
    }
}

/// Hands deeds to the memory, one after the other, for as long as there is a broker.
async fn remember(bus: Connection, mut deeds: mpsc::Receiver<(String, String)>) {
    let memory = Memory1Proxy::builder(&bus)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await;
    let memory = match memory {
        Ok(memory) => memory,
        Err(e) => return tracing::warn!("what agents do is not remembered: {e}"),
    };
    while let Some((agent, text)) = deeds.recv().await {
        if let Err(e) = memory.remember("done", &agent, &text, &["tool"]).await {
            tracing::debug!("a deed is not remembered: {e}");
        }
    }
}

pub(crate) fn ai_is_down(e: zbus::Error) -> Error {
    Error::Unavailable(format!("the AI service cannot be reached: {e}"))
}
