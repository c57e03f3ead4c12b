//! A tool, a checked call of it, and what is needed to carry the call out.
//!
//! A call has three steps, and the types keep their order: [`Tool::check`] turns untrusted JSON
//! into a [`Call`], the permission is settled on `call.action` and `call.resource`, and only then
//! is [`Call::execute`] called. What a person is shown and what is enforced are the same strings.

use std::fmt;
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ToolError, Worker};

/// What a call does to its resource; half of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Look at it.
    Read,
    /// Change or add to it.
    Write,
    /// Start it.
    Launch,
    /// Steer it.
    Control,
    /// Reach it over the network.
    Network,
    /// Send it a message.
    Message,
}

impl Action {
    /// The action of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [
            Self::Read,
            Self::Write,
            Self::Launch,
            Self::Control,
            Self::Network,
            Self::Message,
        ]
        .into_iter()
        .find(|action| action.name() == name)
    }

    /// The name in grants and on the bus: `read`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Launch => "launch",
            Self::Control => "control",
            Self::Network => "network",
            Self::Message => "message",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens with no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Harmless: done.
    Allow,
    /// The person is asked, and may say `always`.
    Ask,
    /// The person is asked every time.
    Confirm,
}

impl Verdict {
    /// The name on the bus: `allow`, `ask`, `confirm`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Confirm => "confirm",
        }
    }
}

/// For whom a call is made, and where that person's things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The calling agent's name, from its socket; `None` where the person calls.
    pub agent: Option<String>,
    /// The person's home, absolute.
    pub home: PathBuf,
    /// Where notes are kept; `~/Notes`.
    pub notes: PathBuf,
    /// Agents for which the calling one does this: it works on a message of the first, who sent it
    /// for the second, and so on.
    pub behalf: Vec<String>,
    /// Whether the person granted this agent the memory that all agents share (`memory`); without
    /// it `memory.*` use the agent's own (`memory/NAME`), which needs no grant.
    pub shared_memory: bool,
    /// The calling agent's workspace, where files go that a tool makes for it.
    pub workspace: Option<PathBuf>,
}

impl Context {
    /// The context of an agent (or of the person) in a home.
    pub fn new(agent: Option<String>, home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Self {
            agent,
            notes: home.join("Notes"),
            home,
            behalf: Vec::new(),
            shared_memory: false,
            workspace: None,
        }
    }

    /// The same, with the agent's workspace.
    #[must_use]
    pub fn with_workspace(mut self, workspace: Option<PathBuf>) -> Self {
        self.workspace = workspace;
        self
    }

    /// The same, done for these agents.
    #[must_use]
    pub fn for_agents(mut self, behalf: Vec<String>) -> Self {
        self.behalf = behalf;
        self
    }

    /// The same, with the memory that all agents share if `yes`.
    #[must_use]
    pub fn with_shared_memory(mut self, yes: bool) -> Self {
        self.shared_memory = yes;
        self
    }
}

/// A tool, as it is declared.
pub struct Tool {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) action: Action,
    pub(crate) default: Verdict,
    pub(crate) waits: bool,
    pub(crate) schema: Value,
    pub(crate) validator: jsonschema::Validator,
    pub(crate) resolve: fn(Value, &Context) -> Result<Resolved, ToolError>,
    pub(crate) execute: Execute,
}

/// Carries a checked call out.
pub(crate) type Execute = for<'a> fn(&'a Call, &'a Env) -> BoxFuture<'a, Result<Value, ToolError>>;

/// What a tool makes of its arguments, before anything is allowed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resolved {
    /// Arguments in their one canonical form.
    pub(crate) arguments: Value,
    /// Resource of the permission.
    pub(crate) resource: String,
    /// What it will do, one plain sentence.
    pub(crate) summary: String,
    /// What happens with no grant, where that depends on the arguments.
    pub(crate) default: Verdict,
    /// Further resources that the action is on.
    pub(crate) also: Vec<String>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tool {
    /// `area.verb`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// One line for people and models.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// JSON Schema (2020-12) of the arguments.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Action of the permission it needs.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// What happens with no grant. A call may be stricter or milder, see [`Call::default`].
    #[must_use]
    pub fn default(&self) -> Verdict {
        self.default
    }

    /// As it is listed on the bus.
    #[must_use]
    pub fn to_bus(&self) -> argos_bus::tools::Tool {
        argos_bus::tools::Tool {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            schema: self.schema.to_string(),
            action: self.action.name().to_owned(),
            default: self.default.name().to_owned(),
        }
    }

    /// Whether [`Self::check`] may wait for a disk, so that an async thread is not to call it.
    #[must_use]
    pub fn check_waits(&self) -> bool {
        self.waits
    }

    /// Checks untrusted arguments and says what the call would do to what. Nothing is done, no
    /// file is opened. May look at the file system to follow symbolic links, so call it from a
    /// thread that may block for a moment.
    ///
    /// # Errors
    /// `InvalidArguments` where they do not fit the schema or name something malformed; `NotFound`
    /// where an application is named that is not installed.
    pub fn check(&self, arguments: Value, context: &Context) -> Result<Call, ToolError> {
        crate::schema::check(self.name, &self.validator, &self.schema, &arguments)?;
        let resolved = (self.resolve)(arguments, context)?;
        Ok(Call {
            tool: self.name,
            action: self.action,
            arguments: resolved.arguments,
            resource: resolved.resource,
            summary: resolved.summary,
            default: resolved.default,
            also: resolved.also,
            execute: self.execute,
        })
    }
}

/// A checked call: what will happen to what, not yet allowed.
#[derive(Clone)]
pub struct Call {
    /// Tool's name.
    pub tool: &'static str,
    /// Action of the permission it needs.
    pub action: Action,
    /// Resource of the permission: an absolute path, an application's id, or a fixed word. The
    /// same string is shown to the person and enforced by [`Call::execute`].
    pub resource: String,
    /// What it will do, one plain sentence for the prompt; never worded by the agent.
    pub summary: String,
    /// What happens with no grant.
    pub default: Verdict,
    /// Further resources of the permission, for a call on more than one. `summary` names them too.
    pub also: Vec<String>,
    /// Arguments in their one canonical form.
    pub arguments: Value,
    pub(crate) execute: Execute,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("tool", &self.tool)
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("also", &self.also)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Whether the resource is a path, so that a grant for a folder covers what is beneath it.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.resource.starts_with('/')
    }

    /// Whether a half of it runs in a worker ([`Env::worker`]).
    #[must_use]
    pub fn needs_worker(&self) -> bool {
        crate::tools::in_worker(self.tool).is_some()
    }

    /// Carries the call out. The permission must have been settled. No time limit of its own:
    /// the caller sets one, and dropping the future gives the call up.
    ///
    /// # Errors
    /// Any [`ToolError`].
    pub async fn execute(&self, env: &Env) -> Result<Value, ToolError> {
        (self.execute)(self, env).await
    }
}

/// Carries a checked call out; the same as [`Call::execute`].
///
/// # Errors
/// Any [`ToolError`].
pub async fn execute(call: &Call, env: &Env) -> Result<Value, ToolError> {
    call.execute(env).await
}

/// What calls are carried out with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Env {
    /// For whom.
    pub context: Context,
    /// The session bus, for tools that ask a service of the person.
    pub session: Option<zbus::Connection>,
    /// The system bus, for tools that ask a service of the machine.
    pub system: Option<zbus::Connection>,
    /// The worker that reads and writes files.
    pub worker: Option<Worker>,
    /// The folder (or file) whose grant allows this call, for tools on paths: nothing outside it
    /// is opened. `None` means exactly the call's resource.
    pub granted: Option<PathBuf>,
    /// What the person refused, beneath what is granted or elsewhere: a tool that goes through a
    /// folder passes these over, one that takes a folder as a whole leaves it where it is.
    pub refused: Vec<PathBuf>,
}
