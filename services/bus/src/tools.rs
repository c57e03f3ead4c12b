//! `org.argos.Tools1` on the session bus, served by the broker: the tools and the audit log.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// A tool that agents can call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Tool {
    /// `area.verb`.
    pub name: String,
    /// One line for people and models.
    pub description: String,
    /// JSON Schema of its arguments.
    pub schema: String,
    /// Action of the permission it needs.
    pub action: String,
    /// What happens with no grant: `allow`, `ask` or `confirm`.
    pub default: String,
}

/// Tools and audit.
#[zbus::proxy(
    interface = "org.argos.Tools1",
    default_service = "org.argos.Tools1",
    default_path = "/org/argos/Tools1"
)]
pub trait Tools1 {
    /// Every tool.
    fn list(&self) -> Result<Vec<Tool>>;
    /// Calls a tool as the person; arguments and result are JSON. No permission is asked, the
    /// call is audited. Errors: `NotFound`, `InvalidArguments`, `TimedOut`, `Failed`.
    fn call(&self, tool: &str, arguments: &str) -> Result<String>;
    /// The last `lines` audit rows, oldest first, each a JSON object.
    fn audit(&self, lines: u32) -> Result<Vec<String>>;
}
