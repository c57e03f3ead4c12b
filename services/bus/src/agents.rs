//! `org.argos.Agents1` on the session bus, served by the orchestrator: agents and conversations.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// An agent and what it is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Agent {
    /// Name, unique: `steward`.
    pub name: String,
    /// Title for people: `Steward`.
    pub title: String,
    /// One line on what it is for.
    pub description: String,
    /// `starting`, `idle`, `thinking`, `acting`, `waiting`, `stopped` or `failed`.
    pub state: String,
    /// On what or why.
    pub detail: String,
    /// When it entered this state.
    pub since_ms: u64,
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ChatMessage {
    /// Number, unique, rising.
    pub id: u64,
    /// The message it answers, or 0.
    pub in_reply_to: u64,
    /// The agent whose conversation this is.
    pub agent: String,
    /// `person`, `agent` or `system`.
    pub role: String,
    /// The text (CommonMark).
    pub text: String,
    /// When it was said.
    pub when_ms: u64,
}

/// Agents and conversations with them.
#[zbus::proxy(
    interface = "org.argos.Agents1",
    default_service = "org.argos.Agents1",
    default_path = "/org/argos/Agents1"
)]
pub trait Agents1 {
    /// Every known agent.
    fn list(&self) -> Result<Vec<Agent>>;
    /// Starts an agent; returns when it is up, at once if it was. Errors: `NotFound`, `Failed` (it
    /// did not come up, and why), `Unavailable` (the broker is not there; it is started later).
    fn start(&self, agent: &str) -> Result<()>;
    /// Stops an agent. Errors: `NotFound`.
    fn stop(&self, agent: &str) -> Result<()>;
    /// Says something to an agent; returns the message's number. Its answer comes as a signal.
    /// Errors: `NotFound`, `LimitReached`.
    fn send(&self, agent: &str, text: &str) -> Result<u64>;
    /// Says something to an agent on behalf of others: the agent that says it first, then those it
    /// does so for. Only the broker may, which knows who they are. As `send` otherwise.
    /// Errors: `Denied`, `NotFound`, `LimitReached`.
    fn relay(&self, from: &[&str], agent: &str, text: &str) -> Result<u64>;
    /// The last `limit` messages of a conversation, oldest first. Errors: `NotFound`.
    fn history(&self, agent: &str, limit: u32) -> Result<Vec<ChatMessage>>;

    /// Something was said by either side.
    #[zbus(signal)]
    fn message(&self, message: ChatMessage) -> Result<()>;
    /// An agent changed its state.
    #[zbus(signal)]
    fn state_changed(&self, agent: Agent) -> Result<()>;
}
