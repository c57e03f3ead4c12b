//! The interfaces on the session bus, and the signals. That on tool providers is with them.

use std::path::Path;
use std::sync::Arc;

use argos_bus::permissions::{Explanation, Grant, Request};
use argos_bus::tools::{OpenCall, Tool};
use argos_bus::{Error, Result};
use tokio::sync::mpsc;
use tracing::warn;
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

use crate::asking;
use crate::byhand::{self, Wish};
use crate::call::{self, Caller};
use crate::core::{Broker, Event};
use crate::permission::Subject;
use crate::prompts::Answer;
use crate::session::{Inbound, lock};
use crate::{lifecycle, sandbox, spawn, trust};

const PERMISSIONS: &str = "/org/argos/Permissions1";
const TOOLS: &str = "/org/argos/Tools1";
const BROKER: &str = "/org/argos/Broker1";
/// Names the broker owns.
pub(crate) const NAMES: [&str; 4] = [
    "org.argos.Permissions1",
    "org.argos.Tools1",
    "org.argos.Broker1",
    "org.argos.Providers1",
];
/// Longest message that is handed to an agent, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Most audit rows in one answer.
const MAX_ROWS: u32 = 1000;

struct PermissionsServer(Arc<Broker>);

#[zbus::interface(name = "org.argos.Permissions1")]
impl PermissionsServer {
    async fn pending(&self) -> Result<Vec<Request>> {
        Ok(lock(&self.0.permissions).prompts.pending())
    }

    async fn answer(
        &self,
        id: u64,
        decision: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        trust::person(&self.0.settings, connection, &header).await?;
        asking::answer(&self.0, id, &decision)
    }

    // No needs no proof: it only makes agents ask again.
    async fn deny_all(&self, agent: String) -> Result<u32> {
        let closed = lock(&self.0.permissions)
            .prompts
            .close_all(&agent, Answer::Deny);
        self.0.resolved(&closed);
        Ok(u32::try_from(closed.len()).unwrap_or(u32::MAX))
    }

    async fn list_grants(&self) -> Result<Vec<Grant>> {
        let now = self.0.clock.now_ms();
        let permissions = lock(&self.0.permissions);
        Ok(permissions
            .grants
            .current(now)
            .map(|g| Grant {
                id: g.id,
                agent: g.agent.clone(),
                agent_hash: g.agent_hash.clone(),
                action: g.action.clone(),
                resource: g.resource.clone(),
                verdict: g.verdict.as_str().to_owned(),
                scope: g.scope.as_str().to_owned(),
                created_ms: g.created_ms,
                expires_ms: g.expires_ms.unwrap_or(0),
            })
            .collect())
    }

    // Eight of them are what a grant has and who calls.
    #[allow(clippy::too_many_arguments)]
    async fn grant(
        &self,
        agent: String,
        action: String,
        resource: String,
        verdict: String,
        scope: String,
        expires_ms: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u64> {
        trust::person(&self.0.settings, connection, &header).await?;
        let wish = Wish {
            agent,
            action,
            resource,
            verdict,
            scope,
            expires_ms,
        };
        byhand::grant(&self.0, wish).await
    }

    async fn explain(
        &self,
        agent: String,
        action: String,
        resource: String,
    ) -> Result<Explanation> {
        byhand::explain(&self.0, &agent, action, resource).await
    }

    async fn revoke(
        &self,
        id: u64,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        trust::person(&self.0.settings, connection, &header).await?;
        byhand::revoke(&self.0, id).await
    }

    #[zbus(signal)]
    async fn requested(emitter: &SignalEmitter<'_>, request: Request) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn resolved(emitter: &SignalEmitter<'_>, id: u64, decision: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn grants_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

struct ToolsServer(Arc<Broker>);

#[zbus::interface(name = "org.argos.Tools1")]
impl ToolsServer {
    async fn list(&self) -> Result<Vec<Tool>> {
        let provided = self.0.providers.tools(&self.0, |_| true).await;
        let builtin = self.0.catalogue.iter().map(argos_tools::Tool::to_bus);
        Ok(builtin
            .chain(provided.iter().map(|tool| tool.to_bus()))
            .collect())
    }

    async fn call(
        &self,
        tool: String,
        arguments: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        trust::person(&self.0.settings, connection, &header).await?;
        call::call(&self.0, &Caller::Person, &tool, &arguments).await
    }

    async fn calls(&self) -> Result<Vec<OpenCall>> {
        Ok(self.0.calls.open())
    }

    async fn cancel(&self, id: u64) -> Result<()> {
        if self.0.calls.cancel(id) {
            Ok(())
        } else {
            Err(Error::NotFound(format!(
                "call {id} has ended, or never was"
            )))
        }
    }

    async fn audit(&self, lines: u32) -> Result<Vec<String>> {
        let log = Arc::clone(&self.0.audit);
        let lines = lines.min(MAX_ROWS) as usize;
        tokio::task::spawn_blocking(move || log.tail(lines))
            .await
            .map_err(|e| Error::Failed(format!("reading the audit log panicked: {e}")))?
            .map_err(|e| Error::Failed(e.to_string()))
    }
}

struct BrokerServer(Arc<Broker>);

#[zbus::interface(name = "org.argos.Broker1")]
impl BrokerServer {
    async fn start_agent(&self, folder: String) -> Result<()> {
        let folder = Path::new(&folder);
        if !folder.is_absolute() {
            return Err(Error::InvalidArguments(
                "the folder must be an absolute path".to_owned(),
            ));
        }
        lifecycle::start(&self.0, folder).await
    }

    async fn stop_agent(&self, agent: String) -> Result<()> {
        lifecycle::stop(&self.0, &agent).await
    }

    async fn running(&self) -> Result<Vec<(String, String, String)>> {
        Ok(lifecycle::running(&self.0).await)
    }

    async fn usage(&self, agent: String) -> Result<(u64, u64, u32)> {
        let unit = sandbox::unit(&agent);
        let usage = spawn::usage(&self.0.spawner, unit).await.ok_or_else(|| {
            Error::NotFound(format!(
                "nothing is counted of an agent `{agent}`: it does not run, or has no control group"
            ))
        })?;
        Ok((usage.memory, usage.cpu_us, usage.tasks))
    }

    async fn tokens(&self, agent: String) -> Result<(u64, u64)> {
        lifecycle::tokens(&self.0, &agent).await
    }

    async fn deliver(
        &self,
        agent: String,
        message_id: u64,
        from: String,
        text: String,
    ) -> Result<()> {
        if text.len() > MAX_TEXT {
            return Err(Error::LimitReached(format!(
                "a message may have {MAX_TEXT} bytes"
            )));
        }
        let behalf = senders(&self.0, &from)?;
        lifecycle::deliver(
            &self.0,
            &agent,
            Inbound {
                id: message_id,
                from,
                behalf,
                text,
            },
        )
        .await
    }

    #[zbus(signal)]
    async fn replied(
        emitter: &SignalEmitter<'_>,
        agent: &str,
        in_reply_to: u64,
        text: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn state_changed(
        emitter: &SignalEmitter<'_>,
        agent: &str,
        state: &str,
        detail: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn planned(
        emitter: &SignalEmitter<'_>,
        agent: &str,
        calls: Vec<(String, String)>,
    ) -> zbus::Result<()>;
}

/// The agents that a message is from.
///
/// # Errors
/// Nobody who is known can have sent it: without their grants nothing can be held against them.
fn senders(broker: &Broker, from: &str) -> Result<Vec<Subject>> {
    if matches!(from, "person" | "timer") {
        return Ok(Vec::new());
    }
    let names = from.strip_prefix("agent:").ok_or_else(|| {
        Error::InvalidArguments(
            "a message is from `person`, `timer`, or `agent:` and names".to_owned(),
        )
    })?;
    let subjects = lock(&broker.subjects);
    names
        .split(',')
        .map(|name| {
            subjects.get(name).cloned().ok_or_else(|| {
                Error::InvalidArguments(format!("no agent `{name}` has run that could say this"))
            })
        })
        .collect()
}

/// Serves the interfaces and takes the names, in this order, so that nobody meets a name without
/// its interface.
///
/// # Errors
/// Somebody else has a name, or the bus is gone.
pub(crate) async fn serve(broker: &Arc<Broker>, connection: &Connection) -> zbus::Result<()> {
    let server = connection.object_server();
    server
        .at(PERMISSIONS, PermissionsServer(Arc::clone(broker)))
        .await?;
    server.at(TOOLS, ToolsServer(Arc::clone(broker))).await?;
    server.at(BROKER, BrokerServer(Arc::clone(broker))).await?;
    crate::providers::serve(broker, connection).await?;
    for name in NAMES {
        connection.request_name(name).await?;
    }
    Ok(())
}

/// Sends what happens as signals, in order, until the bus is gone.
pub(crate) async fn signal(connection: Connection, mut events: mpsc::UnboundedReceiver<Event>) {
    while let Some(event) = events.recv().await {
        if let Err(e) = send(&connection, event).await {
            warn!("a signal was not sent: {e}");
        }
    }
}

async fn send(connection: &Connection, event: Event) -> zbus::Result<()> {
    let at = |path: &'static str| SignalEmitter::new(connection, path);
    match event {
        Event::Requested(request) => PermissionsServer::requested(&at(PERMISSIONS)?, request).await,
        Event::Resolved { id, decision } => {
            PermissionsServer::resolved(&at(PERMISSIONS)?, id, decision).await
        }
        Event::GrantsChanged => PermissionsServer::grants_changed(&at(PERMISSIONS)?).await,
        Event::Replied {
            agent,
            in_reply_to,
            text,
        } => BrokerServer::replied(&at(BROKER)?, &agent, in_reply_to, &text).await,
        Event::State {
            agent,
            state,
            detail,
        } => BrokerServer::state_changed(&at(BROKER)?, &agent, &state, &detail).await,
        Event::Planned { agent, calls } => BrokerServer::planned(&at(BROKER)?, &agent, calls).await,
    }
}
