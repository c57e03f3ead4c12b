//! `org.argos.Agent1` on fd 3: what an agent's process can say to the broker.
//!
//! Peer-to-peer D-Bus with ANONYMOUS authentication: there is no bus, and the identity of the
//! agent is the socket. The broker serves this interface at `/org/argos/Agent1`.

use crate::Result;

/// The one thing an agent's process can reach.
#[zbus::proxy(
    interface = "org.argos.Agent1",
    default_service = "org.argos.Agent1",
    default_path = "/org/argos/Agent1",
    async_name = "AgentLinkProxy"
)]
pub trait Agent1 {
    /// Who this agent is: a JSON object with `name`, `title`, `persona`, `goals`, `tools` (each
    /// with `name`, `description`, `schema`).
    fn describe(&self) -> Result<String>;
    /// Calls a tool; arguments and result are JSON. Returns after the permission was settled and
    /// the tool ran. Errors: `NotFound`, `InvalidArguments`, `Denied`, `NoAnswer`, `LimitReached`,
    /// `TimedOut`, `Cancelled`, `Failed`.
    fn call_tool(&self, tool: &str, arguments: &str) -> Result<String>;
    /// The same, under a number by which the call can be cancelled: any but 0 and those of calls
    /// that are open.
    fn call_tool_as(&self, call: u64, tool: &str, arguments: &str) -> Result<String>;
    /// Cancels the call of that number, which then fails with `Cancelled`: a question to the person
    /// is taken back, a tool that runs is ended. Errors: `NotFound` (it has ended).
    fn cancel(&self, call: u64) -> Result<()>;
    /// Turns a request into a plan ([`crate::ai::Plan`], JSON), limited to this agent's tools.
    /// One at a time. Errors: `InvalidArguments`, `Unavailable`, `TimedOut`, `LimitReached`.
    fn plan(&self, request: &str) -> Result<String>;
    /// Has a language model answer. `request` is the body of `POST /v1/chat/completions` of the HTTP API,
    /// without `stream` and `n`; where it names no `model`, one is chosen. The answer is that of the API.
    /// One at a time, within the agent's tokens of the day. Errors: `InvalidArguments`, `NotFound` (no such
    /// model), `LimitReached`, `Unavailable`, `TimedOut`, `Failed`.
    fn generate(&self, request: &str) -> Result<String>;
    /// Answers a message (0: speaks up on its own). Errors: `LimitReached`.
    fn reply(&self, in_reply_to: u64, text: &str) -> Result<()>;
    /// Tells what the agent is at: `idle`, `thinking` or `acting`, and on what.
    fn set_state(&self, state: &str, detail: &str) -> Result<()>;
    /// Waits for the next message to this agent: its number, who sent it, its text.
    fn next_message(&self) -> Result<(u64, String, String)>;
}
