//! `org.argos.Network1` on the system bus: the machine's links to others, and whether it may have any.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Link {
    /// Name: `eth0`.
    pub name: String,
    /// `loopback`, `ethernet`, `wireless` or `other`.
    pub kind: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether something is at the other end.
    pub connected: bool,
    /// Addresses with the length of their network: `10.0.2.15/24`.
    pub addresses: Vec<String>,
}

/// What leads to the rest of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Route {
    /// Address of the next machine, or empty where the link itself leads there.
    pub gateway: String,
    /// Link's name.
    pub link: String,
    /// The least counts.
    pub metric: u32,
}

/// Where the network stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Status {
    /// Whether links are allowed at all. Not whether there is one.
    pub enabled: bool,
    /// Every link, the machine's own loopback too.
    pub links: Vec<Link>,
    /// Default routes, IPv4 before IPv6, the one that counts first. None: nothing beyond the
    /// links' own networks can be reached.
    pub default_routes: Vec<Route>,
}

/// Links. Reading is open to everybody; changing needs root or the person at the seat.
#[zbus::proxy(
    interface = "org.argos.Network1",
    default_service = "org.argos.Network1",
    default_path = "/org/argos/Network1"
)]
pub trait Network1 {
    /// Where the network stands. Errors: `Unavailable`.
    fn status(&self) -> Result<Status>;
    /// `false` switches every link but loopback off and keeps new ones off, also after a restart of
    /// the machine; `true` brings back what that switched off. Errors: `Denied`, `Failed`.
    fn set_enabled(&self, enabled: bool) -> Result<Status>;

    /// Links may be used from now on, or not.
    #[zbus(signal)]
    fn enabled_changed(&self, enabled: bool) -> Result<()>;
}
