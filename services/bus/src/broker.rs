//! `org.argos.Broker1` on the session bus: what the orchestrator asks of the broker.

use crate::Result;

/// Agent processes, their messages and their state. The orchestrator is the one client.
#[zbus::proxy(
    interface = "org.argos.Broker1",
    default_service = "org.argos.Broker1",
    default_path = "/org/argos/Broker1"
)]
pub trait Broker1 {
    /// Starts the agent whose manifest folder is `folder`, sandboxed, with fd 3 connected here.
    /// Errors: `NotFound`, `InvalidArguments` (manifest), `Failed` (the kernel cannot enforce a
    /// rule: the message names the missing level).
    fn start_agent(&self, folder: &str) -> Result<()>;
    /// Ends an agent's process and its open calls. Errors: `NotFound`.
    fn stop_agent(&self, agent: &str) -> Result<()>;
    /// The agents that run or are being started: name, state and detail, as in `state_changed`.
    fn running(&self) -> Result<Vec<(String, String, String)>>;
    /// What an agent's processes use: memory in bytes, processor time so far in microseconds, processes
    /// and threads. Errors: `NotFound` (it does not run, or is not counted on this machine).
    fn usage(&self, agent: &str) -> Result<(u64, u64, u32)>;
    /// The tokens that language models read and wrote for an agent in the 24 hours that began with the first of
    /// them, and how many it may use. Errors: `NotFound` (it does not run).
    fn tokens(&self, agent: &str) -> Result<(u64, u64)>;
    /// Hands a message to an agent. Errors: `NotFound`, `Unavailable`.
    fn deliver(&self, agent: &str, message_id: u64, from: &str, text: &str) -> Result<()>;

    /// An agent answered message `in_reply_to` (0: it speaks up on its own).
    #[zbus(signal)]
    fn replied(&self, agent: &str, in_reply_to: u64, text: &str) -> Result<()>;
    /// An agent's process: `starting`, `idle`, `thinking`, `acting`, `waiting` (for a permission),
    /// `stopped`, `failed`; `detail` says on what or why.
    #[zbus(signal)]
    fn state_changed(&self, agent: &str, state: &str, detail: &str) -> Result<()>;
    /// An agent has a plan: the calls that the model proposed to it, in order, each with its
    /// arguments as JSON.
    #[zbus(signal)]
    fn planned(&self, agent: &str, calls: Vec<(String, String)>) -> Result<()>;
}
