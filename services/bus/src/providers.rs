//! `org.argos.Providers1` on the session bus, served by the broker: which tool providers there are.

use serde::{Deserialize, Serialize};
#[cfg(unix)]
use zbus::wire::OwnedFd;
use zbus::wire::Type;

use crate::Result;

/// A declared provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Provider {
    /// Name with its kind: `mcp.files`, `dbus.weather`.
    pub name: String,
    /// Title for people.
    pub title: String,
    /// The file that declares it.
    pub file: String,
    /// `off`, `stopped`, `running` or `failed`.
    pub state: String,
    /// Why it failed, or what was left out of what it offers.
    pub detail: String,
    /// What it is, as its file says: a JSON object.
    pub declaration: String,
    /// Names of its tools, as far as it was asked for them.
    pub tools: Vec<String>,
}

/// Tool providers, and programs outside that call tools.
#[zbus::proxy(
    interface = "org.argos.Providers1",
    default_service = "org.argos.Providers1",
    default_path = "/org/argos/Providers1"
)]
pub trait Providers1 {
    /// Every declared provider, by name. Those that run are asked for their tools.
    fn list(&self) -> Result<Vec<Provider>>;
    /// Starts a provider if need be and asks it for its tools. Errors: `NotFound`, `Unavailable`.
    fn show(&self, name: &str) -> Result<Provider>;
    /// Declares an MCP server of the person: `declaration` is the text of its file (YAML or JSON).
    /// Its hosts without `*` are granted to it. Returns the file. Errors: `InvalidArguments` (says
    /// where), `Failed`.
    fn add(&self, declaration: &str) -> Result<String>;
    /// Takes away what `add` made, and the grants of its tools. Errors: `NotFound`, `Denied` (it
    /// comes with the system).
    fn remove(&self, name: &str) -> Result<()>;
    /// Opens a place for a program outside: a socket that speaks [`crate::agent`] as an agent's fd 3
    /// does. Its calls are those of `mcp-client:NAME`: asked for, limited and recorded as an
    /// agent's. Closing the socket ends it. Errors: `InvalidArguments` (no name), `LimitReached`. On
    /// Unix only.
    #[cfg(unix)]
    fn open_client(&self, name: &str) -> Result<OwnedFd>;
}
