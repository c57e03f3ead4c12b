//! `org.argos.Permissions1` on the session bus, served by the broker: questions and grants.

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
    /// Hash of the agent's manifest and code when it was granted; another hash loses the grant.
    pub agent_hash: String,
    /// Action, as in [`Request`].
    pub action: String,
    /// Resource; for paths the folder itself and all beneath it.
    pub resource: String,
    /// `allow` or `deny`.
    pub verdict: String,
    /// `session` or `always`.
    pub scope: String,
    /// When it was given.
    pub created_ms: u64,
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
    /// Every grant and standing refusal.
    fn list_grants(&self) -> Result<Vec<Grant>>;
    /// Takes a grant back. Errors: `NotFound`.
    fn revoke(&self, id: u64) -> Result<()>;

    /// A new question.
    #[zbus(signal)]
    fn requested(&self, request: Request) -> Result<()>;
    /// A question is closed; `decision` as in `answer`, or `expired`, or `cancelled`.
    #[zbus(signal)]
    fn resolved(&self, id: u64, decision: &str) -> Result<()>;
}
