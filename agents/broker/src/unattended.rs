//! The broker with nobody around it: no names on a bus, no processes. Streams of bytes are handed to it as
//! if an agent had written them, for tests of what it makes of them.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use zbus::Connection;

use crate::core::{Broker, Settings};
use crate::link;
use crate::manifest::Agent;
use crate::session::Session;
use crate::spawn::Spawner;

/// A broker that serves whom it is handed.
#[derive(Debug)]
pub struct Unattended {
    broker: Arc<Broker>,
}

impl Unattended {
    /// Opens grants and audit log in the settings' folder. What it would signal is dropped.
    ///
    /// # Errors
    /// The audit log cannot be opened.
    pub fn new(
        settings: Settings,
        spawner: Arc<dyn Spawner>,
        session_bus: Connection,
    ) -> anyhow::Result<Self> {
        let (broker, _events) = Broker::open(settings, spawner, session_bus)?;
        Ok(Self { broker })
    }

    /// Serves one agent at the broker's end of its socket until the agent closes it or is cut off.
    pub async fn converse(&self, agent: Agent, end: OwnedFd) {
        let session = Arc::new(Session::new(agent));
        let Ok((_fault, connecting)) = link::serve(&self.broker, &session, end) else {
            return;
        };
        if let Ok(connection) = connecting.await {
            connection.closed().await;
            session.end();
            // Closing twice is no error.
            let _ = connection.close().await;
        }
    }
}
