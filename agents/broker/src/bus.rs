//! The interfaces on the session bus, and the signals. That on tool providers is with them.

use std::path::Path;
use std::sync::Arc;

use argos_bus::permissions::{Grant, Request};
use argos_bus::tools::Tool;
use argos_bus::{Error, Result};
use tokio::sync::mpsc;
use tracing::warn;
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use crate::call::{self, Caller};
use crate::core::{Broker, Event};
use crate::lifecycle;
use crate::permission::Subject;
use crate::session::{Inbound, lock};

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

    async fn answer(&self, id: u64, decision: String) -> Result<()> {
        call::answer(&self.0, id, &decision)
    }

    async fn list_grants(&self) -> Result<Vec<Grant>> {
        let permissions = lock(&self.0.permissions);
        Ok(permissions
            .grants
            .all()
            .iter()
            .map(|g| Grant {
                id: g.id,
                agent: g.agent.clone(),
                agent_hash: g.agent_hash.clone(),
                action: g.action.clone(),
                resource: g.resource.clone(),
                verdict: g.verdict.as_str().to_owned(),
                scope: g.scope.as_str().to_owned(),
                created_ms: g.created_ms,
            })
            .collect())
    }

    async fn revoke(&self, id: u64) -> Result<()> {
        match lock(&self.0.permissions).grants.revoke(id) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::NotFound(format!("there is no grant {id}"))),
            Err(e) => Err(Error::Failed(format!("the grant still stands: {e}"))),
        }
    }

    #[zbus(signal)]
    async fn requested(emitter: &SignalEmitter<'_>, request: Request) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn resolved(emitter: &SignalEmitter<'_>, id: u64, decision: &str) -> zbus::Result<()>;
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

    async fn call(&self, tool: String, arguments: String) -> Result<String> {
        call::call(&self.0, &Caller::Person, &tool, &arguments).await
    }

    async fn audit(&self, lines: u32) -> Result<Vec<String>> {
        let log = Arc::clone(&self.0.audit);
        let lines = lines.min(MAX_ROWS) as usize;
        tokio::task::spawn_blocking(move || lock(&log).tail(lines))
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
    }
}
