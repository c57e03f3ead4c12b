//! `org.argos.ToolProvider1`: tools from outside, and what the broker offers their provider.
//!
//! A provider is a service on the session bus, under the name that its declaration says
//! (`/usr/share/argos/tools/*.yaml`, see `docs/mcp.md`), or a sandboxed process that serves the same
//! interface on its fd 3 (`argos-mcp`). The broker is the only client that matters: it checks
//! arguments against the schema and settles the permission before it calls.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// Where the interface is served.
pub const PATH: &str = "/org/argos/ToolProvider1";
/// Where the broker serves [`ToolHost1`] on the fd 3 of a sandboxed provider.
pub const HOST_PATH: &str = "/org/argos/ToolHost1";

/// A tool as its provider declares it. Nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ProvidedTool {
    /// Name within the provider: letters, digits, `_`, `-`, `.`, at most 64. Agents know it as
    /// `dbus.PROVIDER.NAME` or `mcp.SERVER.NAME`.
    pub name: String,
    /// What it does, for people and models.
    pub description: String,
    /// JSON Schema (2020-12) of its arguments, an object; references only within itself and not to
    /// itself; patterns without look-around.
    pub schema: String,
    /// Action of the permission: `read`, `write`, `launch`, `control`, `network` or `message`.
    pub action: String,
    /// What the permission is about: empty for the tool as a whole, or text with `{ARGUMENT}` in it.
    /// The tool's full name is put in front.
    pub resource: String,
}

/// A provider of tools.
#[zbus::proxy(
    interface = "org.argos.ToolProvider1",
    default_path = "/org/argos/ToolProvider1"
)]
pub trait ToolProvider1 {
    /// Every tool; at most 128.
    fn list_tools(&self) -> Result<Vec<ProvidedTool>>;
    /// Runs a call whose permission was settled. `id` is the broker's number for it, for `cancel`;
    /// `arguments` fit the schema. The result is JSON, at most 256 KiB. Errors: any of
    /// [`crate::Error`].
    fn call_tool(&self, id: u64, tool: &str, arguments: &str) -> Result<String>;
    /// Nobody waits for this call any more: end it if that is possible.
    fn cancel(&self, id: u64) -> Result<()>;

    /// The tools are not what they were.
    #[zbus(signal)]
    fn tools_changed(&self) -> Result<()>;
}

/// What a sandboxed provider can ask of the broker.
#[zbus::proxy(
    interface = "org.argos.ToolHost1",
    default_path = "/org/argos/ToolHost1"
)]
pub trait ToolHost1 {
    /// Asks the person to confirm something while call `id` runs. The question names the tool and
    /// who called it, and says that these are the provider's words. Errors: `Denied`, `NoAnswer`,
    /// `NotFound` (no such call runs), `LimitReached`.
    fn confirm(&self, id: u64, message: &str) -> Result<()>;
}
