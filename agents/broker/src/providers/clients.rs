//! Programs outside that call tools: an MCP client behind `argos mcp serve`, as `mcp-client:NAME`.
//!
//! Such a program gets what an agent has, a socket that speaks `org.argos.Agent1` with the same limits
//! below the protocol, and so the same questions, limits and audit rows. It is not sandboxed and not
//! started here: it runs as the person already. What this keeps apart is what it does *through the
//! tools*. Its grants hang on its name: `:` is in no agent's name, so it is never taken for one.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argos_bus::{Error, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde_json::json;
use tracing::{info, warn};
use zbus::Connection;

use crate::core::Broker;
use crate::link;
use crate::manifest::{Agent, Manifest, name_is_valid};
use crate::session::Session;
use crate::socket::Fault;

/// Programs that may have a place at once.
const MAX_PLACES: usize = 16;
/// How long one may take to say hello.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The places that are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<AtomicUsize>);

/// One of them, until it is dropped.
struct Place(Arc<AtomicUsize>);

impl Places {
    fn take(&self) -> Option<Place> {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < MAX_PLACES).then_some(taken + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Opens a place; returns the program's end of its socket.
pub(super) fn open(broker: &Arc<Broker>, places: &Places, name: &str) -> Result<OwnedFd> {
    if !name_is_valid(name) {
        return Err(Error::InvalidArguments(format!(
            "`{}` is no name for a client: 1 to 32 small letters, digits or `-`, beginning with a \
             letter",
            argos_tools::provided::clean(name, 40)
        )));
    }
    let place = places.take().ok_or_else(|| {
        Error::LimitReached(format!(
            "{MAX_PLACES} programs outside are connected already"
        ))
    })?;
    let failed = |why: String| Error::Failed(format!("no socket for {name}: {why}"));
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| failed(error.to_string()))?;
    let session = Arc::new(Session::new(agent(broker, name)?));
    let (fault, connecting) =
        link::serve(broker, &session, ours).map_err(|error| failed(error.to_string()))?;
    tokio::spawn(serve(session, fault, connecting, place));
    Ok(theirs)
}

/// What such a program is to the rest of the broker: an agent with every tool and no folder.
fn agent(broker: &Broker, name: &str) -> Result<Agent> {
    let mut tools: Vec<String> = broker.catalogue.names().map(str::to_owned).collect();
    tools.extend(["mcp.*".to_owned(), "dbus.*".to_owned()]);
    let name = format!("mcp-client:{name}");
    let manifest: Manifest =
        serde_json::from_value(json!({"name": name, "title": name, "tools": tools}))
            .map_err(|error| Error::Failed(format!("{name}: {error}")))?;
    Ok(Agent {
        hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
        folder: broker.settings.state.clone(),
        manifest,
    })
}

async fn serve(
    session: Arc<Session>,
    fault: Fault,
    connecting: impl Future<Output = zbus::Result<Connection>>,
    _place: Place,
) {
    let name = session.subject.agent.clone();
    match tokio::time::timeout(HANDSHAKE_TIME, connecting).await {
        Ok(Ok(connection)) => {
            info!("{name} is connected");
            connection.closed().await;
            match fault.get() {
                Some(fault) => warn!("{name} was cut off: {fault}"),
                None => info!("{name} is gone"),
            }
        }
        Ok(Err(error)) => warn!("{name} did not connect: {error}"),
        Err(_) => warn!("{name} did not connect in time"),
    }
    session.end();
}
