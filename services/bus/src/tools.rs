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

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OpenCall {
    /// Number, unique while the broker runs.
    pub id: u64,
    /// Who called: an agent's name, or `person`.
    pub agent: String,
    /// Tool.
    pub tool: String,
    /// What it is about; empty while that is not known.
    pub resource: String,
    /// `checking` (the person may be asked) or `running`.
    pub state: String,
    /// When the call came in.
    pub since_ms: u64,
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
    /// Every call that has not ended, oldest first.
    fn calls(&self) -> Result<Vec<OpenCall>>;
    /// Cancels a call, whoever made it: it fails with `Cancelled`. Errors: `NotFound` (it has ended).
    fn cancel(&self, id: u64) -> Result<()>;
    /// The last `lines` audit rows, oldest first, each a JSON object.
    fn audit(&self, lines: u32) -> Result<Vec<String>>;
}
