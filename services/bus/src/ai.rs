//! `org.argos.AI1` on the system bus: local models.

use serde::{Deserialize, Serialize};
#[cfg(unix)]
use zbus::wire::OwnedFd;
use zbus::wire::Type;

use crate::Result;

/// A model the service knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Model {
    /// Folder name, unique: `default`.
    pub id: String,
    /// `planner` (requests to tool calls, embeddings), `causal-lm`, `embedding`, `reranker`, …
    pub kind: String,
    /// Folder.
    pub path: String,
    /// Size of its files in bytes.
    pub size_bytes: u64,
    /// `available`, `loading`, `ready` or `failed`.
    pub state: String,
    /// Why it failed, or empty.
    pub detail: String,
    /// What computes it: `cpu`, `cuda`, `openvino` or `webgpu`; empty while it is not in memory.
    pub provider: String,
}

/// What a model makes of a request: tool calls to try, or a question back. Travels as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Calls in the order to make them. Empty: nothing fits, see `question` or `reply`.
    pub calls: Vec<ProposedCall>,
    /// A question to the person instead of an act that is likely wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// A direct answer that needs no tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Which model said so.
    pub model: String,
}

/// A tool call that a model proposes. Its arguments fit the tool's schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposedCall {
    /// Tool, for example `files.list`.
    pub tool: String,
    /// Arguments, an object.
    pub arguments: serde_json::Value,
    /// Probability of tool and arguments being what was meant, 0 to 1.
    pub confidence: f64,
}

/// Local models: listing, loading, inference.
#[zbus::proxy(
    interface = "org.argos.AI1",
    default_service = "org.argos.AI1",
    default_path = "/org/argos/AI1"
)]
pub trait Ai1 {
    /// Every model found in the model folders.
    fn list_models(&self) -> Result<Vec<Model>>;
    /// Loads a model; returns when it is ready. Errors: `NotFound`, `Failed`.
    fn load_model(&self, id: &str) -> Result<()>;
    /// Frees a model's memory. Errors: `NotFound`.
    fn unload_model(&self, id: &str) -> Result<()>;
    /// Sentence embeddings by the default model: one unit vector of 384 numbers per text.
    /// Errors: `InvalidArguments` (a text is longer than the model takes), `Unavailable`.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f64>>>;
    /// Turns a request into a [`Plan`] (JSON). `tools` is a JSON array of the tools that may be
    /// proposed; an empty array means all that the model was trained on. An entry is such a tool's name, or
    /// describes any other: `{name, description, examples, parameters}`, with sentences of people in
    /// `examples` and a JSON Schema in `parameters`. `context` is a JSON object, for now with
    /// `now` (local date-time, ISO 8601). Errors: `InvalidArguments`, `Unavailable`.
    fn plan(&self, request: &str, tools: &str, context: &str) -> Result<String>;
    /// Generates text with a causal language model. `messages` is a JSON array of
    /// `{role, content}`; `options` a JSON object, all of it optional: `max_tokens`, `temperature`, `top_k`,
    /// `top_p`, `min_p`, `repetition_penalty`, `presence_penalty`, `frequency_penalty`, `seed`, `stop`,
    /// `logprobs`, `grammar`, `ignore_stop_tokens` (docs/models.md).
    /// Writes JSON lines to `events`: `{"text": …}` pieces, then `{"done": {…counts, reason}}` or
    /// `{"error": …}`, and closes it. Errors: `NotFound`, `InvalidArguments`, `Unavailable`, `LimitReached`
    /// (too many are being written; one user never has all places). On Unix only.
    #[cfg(unix)]
    fn generate(&self, model: &str, messages: &str, options: &str, events: OwnedFd) -> Result<()>;
    /// A connected socket that speaks the HTTP API in the caller's name. `options` is a JSON object, all of
    /// it optional: `class` (`person`, `agent`, `background`: the most urgent that its requests may be, never
    /// more than the caller's own), `budget_tokens` (prompts and answers together), `name` (for the log), `uid`
    /// (in whose name; for root). One request at a time; closing the socket ends it. Errors: `Denied`,
    /// `InvalidArguments`, `LimitReached`. On Unix only.
    #[cfg(unix)]
    fn open_session(&self, options: &str) -> Result<OwnedFd>;
    /// Counters since start, a JSON object: requests, tokens, milliseconds, memory, and `models` with what
    /// each model in memory has and does.
    fn statistics(&self) -> Result<String>;

    /// So many bytes of a model's weights are in memory, of how many: several times a second while it is
    /// `loading`, and at last that all are. What follows is the time that it takes to open them.
    #[zbus(signal)]
    fn load_progress(&self, id: &str, read_bytes: u64, total_bytes: u64) -> Result<()>;
    /// A model changed its state.
    #[zbus(signal)]
    fn model_changed(&self, model: Model) -> Result<()>;
}
