//! Following a service that comes and goes.

use futures_util::StreamExt;
use zbus::proxy::OwnerChangedStream;

/// Whether a service is there, and word when that changes.
pub(super) struct Presence(OwnerChangedStream<'static>);

impl Presence {
    pub(super) async fn of(proxy: &zbus::Proxy<'static>) -> zbus::Result<Self> {
        Ok(Self(proxy.receive_owner_changed().await?))
    }

    /// Waits until the service comes or goes: whether it is there now, or `None` when the bus is
    /// gone.
    pub(super) async fn changed(&mut self) -> Option<bool> {
        Some(self.0.next().await?.is_some())
    }
}
