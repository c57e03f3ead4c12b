//! `org.argos.Network1` on the system bus.
//!
//! Reading is open. Changing is for root and the person at the seat, decided here from the caller's
//! uid as the bus knows it.

use std::sync::Arc;

use argos_bus::network::Status;
use argos_bus::{Result, caller};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

use crate::switch::Switch;

/// Bus name.
pub(crate) const NAME: &str = "org.argos.Network1";
/// Object path.
pub(crate) const PATH: &str = "/org/argos/Network1";

/// The object on the bus.
#[derive(Debug)]
pub(crate) struct Network {
    switch: Arc<Switch>,
}

impl Network {
    pub(crate) fn new(switch: Arc<Switch>) -> Self {
        Self { switch }
    }
}

#[interface(name = "org.argos.Network1")]
impl Network {
    /// Where the network stands.
    async fn status(&self) -> Result<Status> {
        self.switch.status().await
    }

    /// Switches every link but loopback off, or brings back what that switched off.
    async fn set_enabled(
        &self,
        enabled: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<Status> {
        caller::root_or_seat("switching the network", connection, &header).await?;
        if self.switch.set(enabled).await? {
            Self::enabled_changed(&emitter, enabled).await?;
        }
        self.switch.status().await
    }

    /// Links may be used from now on, or not.
    #[zbus(signal)]
    async fn enabled_changed(emitter: &SignalEmitter<'_>, enabled: bool) -> zbus::Result<()>;
}
