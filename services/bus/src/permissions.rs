//! `org.argos.Permissions1` on the session bus, served by the broker: questions and grants.
//!
//! Answering, granting and revoking are for the person's own programs: the broker looks who calls,
//! and refuses other users and every program in a sandbox.

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// A question to the person, waiting for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Request {
    /// Number, unique while the broker runs.
    pub id: u64,
    /// Agent's name: `steward`.
    pub agent: String,
    /// Agent's title as its manifest says: `Steward`.
    pub title: String,
    /// Tool: `files.list`.
    pub tool: String,
    /// Action: `read`, `write`, `launch`, `control`, `network`, `message`.
    pub action: String,
    /// Exactly what is enforced: an absolute path, an application's id, a host.
    pub resource: String,
    /// What the tool will do, one plain sentence made by the broker (never by the agent).
    pub summary: String,
    /// Whether `always` and `session` may be answered (tools that ask every time refuse them).
    pub grantable: bool,
    /// When it was asked.
    pub asked_ms: u64,
    /// When no answer becomes a no.
    pub expires_ms: u64,
}

/// A remembered decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Grant {
    /// Number, unique in the store.
    pub id: u64,
    /// Agent's name.
    pub agent: String,
    /// Hash of the agent's manifest and code when it was granted; with another hash an agent loses
    /// the grant. A refusal holds for every hash.
    pub agent_hash: String,
    /// Action, as in [`Request`].
    pub action: String,
    /// Resource; for paths the folder itself and all beneath it, for hosts perhaps a pattern.
    pub resource: String,
    /// `allow` or `deny`.
    pub verdict: String,
    /// `session` or `always`.
    pub scope: String,
    /// When it was given.
    pub created_ms: u64,
    /// From when on it holds no more; 0: it has no such time.
    pub expires_ms: u64,
}

/// What would happen, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Explanation {
    /// Agent's name.
    pub agent: String,
    /// Hash of its folder as it is now.
    pub agent_hash: String,
    /// Action.
    pub action: String,
    /// The resource as it is enforced: links followed, hosts in their one form.
    pub resource: String,
    /// What was said about it: `allow`, `deny`, or `nothing`.
    pub verdict: String,
    /// The grant or refusal that says so; 0 for none.
    pub grant: u64,
    /// In one sentence.
    pub reason: String,
    /// The tools of this agent that do this action, and what each would do: `allow`, `deny`, `ask`,
    /// or `confirm`.
    pub tools: Vec<(String, String)>,
}

/// Questions and grants.
#[zbus::proxy(
    interface = "org.argos.Permissions1",
    default_service = "org.argos.Permissions1",
    default_path = "/org/argos/Permissions1"
)]
pub trait Permissions1 {
    /// Questions that wait for an answer, oldest first.
    fn pending(&self) -> Result<Vec<Request>>;
    /// Answers a question: `once`, `session`, `always`, `deny` (this time) or `never`.
    /// Errors: `NotFound` (answered or expired), `InvalidArguments`.
    fn answer(&self, id: u64, decision: &str) -> Result<()>;
    /// Denies every question of this agent that waits, this time; returns how many.
    fn deny_all(&self, agent: &str) -> Result<u32>;
    /// Every grant and standing refusal that holds now.
    fn list_grants(&self) -> Result<Vec<Grant>>;
    /// Grants or refuses without being asked, to the agent as it is now; returns the number.
    /// `verdict`: `allow` or `deny`; `scope`: `session` or `always`; `expires_ms`: from when on it
    /// holds no more, 0 for never. Errors: `NotFound` (no such agent), `InvalidArguments`.
    fn grant(
        &self,
        agent: &str,
        action: &str,
        resource: &str,
        verdict: &str,
        scope: &str,
        expires_ms: u64,
    ) -> Result<u64>;
    /// What would happen if the agent wanted this now. Asks and changes nothing.
    /// Errors: `NotFound` (no such agent), `InvalidArguments`.
    fn explain(&self, agent: &str, action: &str, resource: &str) -> Result<Explanation>;
    /// Takes a grant back. Errors: `NotFound`.
    fn revoke(&self, id: u64) -> Result<()>;

    /// A new question.
    #[zbus(signal)]
    fn requested(&self, request: Request) -> Result<()>;
    /// A question is closed; `decision` as in `answer`, or `expired`, or `cancelled`.
    #[zbus(signal)]
    fn resolved(&self, id: u64, decision: &str) -> Result<()>;
    /// Grants or refusals were added or taken back.
    #[zbus(signal)]
    fn grants_changed(&self) -> Result<()>;
}
