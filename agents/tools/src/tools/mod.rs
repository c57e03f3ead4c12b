//! The tools, one module each.
//!
//! A tool's module holds a [`Definition`]: name, words, arguments, permission, and what it does.
//! Tools on files have a second half, `work`, that runs in the worker on open descriptors.

mod agents;
mod agents_control;
mod agents_list;
mod agents_message;
mod apps_launch;
mod apps_list;
mod brightness_set;
mod devices;
mod docs_ask;
mod files;
mod files_list;
mod files_move;
mod files_read;
mod files_search;
mod files_trash;
mod files_write;
mod memory;
mod memory_forget;
mod memory_recall;
mod memory_remember;
mod network;
mod network_set;
mod network_status;
mod notes_add;
mod notes_search;
mod power;
mod processes;
mod processes_list;
mod processes_stop;
mod screen_capture;
mod screen_lock;
mod search;
mod services;
mod services_list;
mod services_restart;
mod services_status;
mod system_info;
mod theme_set;
mod timers;
mod trash;
mod volume_set;
mod web_fetch;
mod windows;
mod windows_close;
mod windows_focus;
mod windows_list;
mod workspace_switch;

use std::os::fd::OwnedFd;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, Tool, ToolError, Verdict};

/// Every built-in tool.
pub(crate) fn all() -> Vec<Tool> {
    vec![
        declare::<agents_list::AgentsList>(),
        declare::<agents_message::AgentsMessage>(),
        declare::<agents_control::AgentsStart>(),
        declare::<agents_control::AgentsStop>(),
        declare::<apps_launch::AppsLaunch>(),
        declare::<apps_list::AppsList>(),
        declare::<brightness_set::BrightnessSet>(),
        declare::<docs_ask::DocsAsk>(),
        declare::<files_list::FilesList>(),
        declare::<files_move::FilesMove>(),
        declare::<files_read::FilesRead>(),
        declare::<files_search::FilesSearch>(),
        declare::<files_trash::FilesTrash>(),
        declare::<files_write::FilesWrite>(),
        declare::<memory_forget::MemoryForget>(),
        declare::<memory_recall::MemoryRecall>(),
        declare::<memory_remember::MemoryRemember>(),
        declare::<network_set::NetworkSet>(),
        declare::<network_status::NetworkStatus>(),
        declare::<notes_add::NotesAdd>(),
        declare::<screen_capture::ScreenCapture>(),
        declare::<screen_lock::ScreenLock>(),
        declare::<notes_search::NotesSearch>(),
        declare::<power::PowerOff>(),
        declare::<power::PowerReboot>(),
        declare::<processes_list::ProcessesList>(),
        declare::<processes_stop::ProcessesStop>(),
        declare::<timers::ReminderAdd>(),
        declare::<services_list::ServicesList>(),
        declare::<services_restart::ServicesRestart>(),
        declare::<services_status::ServicesStatus>(),
        declare::<system_info::SystemInfo>(),
        declare::<theme_set::ThemeSet>(),
        declare::<volume_set::VolumeSet>(),
        declare::<windows_close::WindowsClose>(),
        declare::<windows_focus::WindowsFocus>(),
        declare::<windows_list::WindowsList>(),
        declare::<workspace_switch::WorkspaceSwitch>(),
        declare::<web_fetch::WebFetch>(),
        declare::<timers::TimerSet>(),
    ]
}

/// The bus of the person's session, for a tool that works by a service on it.
fn session_bus<'a>(tried: &str, env: &'a Env) -> Result<&'a zbus::Connection, ToolError> {
    let missing = || unavailable(tried, "the session bus cannot be reached");
    env.session.as_ref().ok_or_else(missing)
}

/// The machine's bus, likewise.
fn system_bus<'a>(tried: &str, env: &'a Env) -> Result<&'a zbus::Connection, ToolError> {
    let missing = || unavailable(tried, "the system bus cannot be reached");
    env.system.as_ref().ok_or_else(missing)
}

fn unavailable(tried: &str, why: impl std::fmt::Display) -> ToolError {
    ToolError::new(Code::Unavailable, tried, why.to_string())
}

/// The half of a tool that runs in the worker: canonical arguments and open descriptors in.
pub(crate) type Work = fn(Value, Vec<OwnedFd>) -> Result<Value, ToolError>;

/// What the worker does for a tool.
pub(crate) fn in_worker(tool: &str) -> Option<Work> {
    match tool {
        files_list::FilesList::NAME => Some(files_list::work),
        files_read::FilesRead::NAME => Some(files_read::work),
        files_search::FilesSearch::NAME | notes_search::NotesSearch::NAME => Some(search::work),
        files_write::FilesWrite::NAME => Some(files_write::work),
        notes_add::NotesAdd::NAME => Some(notes_add::work),
        web_fetch::WebFetch::NAME => Some(web_fetch::work),
        _ => None,
    }
}

/// One tool.
pub(crate) trait Definition: 'static {
    /// `area.verb`.
    const NAME: &'static str;
    /// One line for people and models.
    const DESCRIPTION: &'static str;
    /// Action of the permission it needs.
    const ACTION: Action;
    /// What happens with no grant.
    const DEFAULT: Verdict;
    /// Whether [`Self::resolve`] may wait, as whoever follows a path does for a disk.
    const WAITS: bool = true;
    /// What it takes. Unknown members must be denied.
    type Arguments: DeserializeOwned + Serialize + JsonSchema;

    /// Makes the arguments canonical and says what they would do to what. Does nothing.
    fn resolve(arguments: Self::Arguments, context: &Context) -> Result<Resolved, ToolError>;

    /// Carries a checked and permitted call out.
    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>>;
}

fn declare<D: Definition>() -> Tool {
    let schema = schemars::schema_for!(D::Arguments).to_value();
    let validator = match jsonschema::validator_for(&schema) {
        Ok(validator) => validator,
        // The schema comes from our own types; every test that makes a catalogue would fail.
        Err(error) => unreachable!("the schema of {} is broken: {error}", D::NAME),
    };
    Tool {
        name: D::NAME,
        description: D::DESCRIPTION,
        action: D::ACTION,
        default: D::DEFAULT,
        waits: D::WAITS,
        schema,
        validator,
        resolve: |arguments, context| D::resolve(arguments_of(D::NAME, arguments)?, context),
        execute: D::execute,
    }
}

/// Typed arguments out of checked ones.
fn arguments_of<T: DeserializeOwned>(tool: &str, arguments: Value) -> Result<T, ToolError> {
    serde_json::from_value(arguments).map_err(|error| {
        ToolError::new(
            Code::InvalidArguments,
            format!("call {tool}"),
            error.to_string(),
        )
    })
}

impl Resolved {
    fn new(
        arguments: &impl Serialize,
        resource: impl Into<String>,
        summary: impl Into<String>,
        default: Verdict,
    ) -> Result<Self, ToolError> {
        let arguments = serde_json::to_value(arguments).map_err(|error| {
            ToolError::new(Code::Failed, "keep the arguments", error.to_string())
        })?;
        Ok(Self {
            arguments,
            resource: resource.into(),
            summary: summary.into(),
            default,
            also: Vec::new(),
        })
    }

    /// The same call, on one more resource.
    fn also(mut self, resource: impl Into<String>) -> Self {
        self.also.push(resource.into());
        self
    }
}

/// What a tool without arguments takes.
#[derive(Debug, Default, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// An error of a service, as an error of the tool that asked it.
fn from_service(tried: impl Into<String>, error: argos_bus::Error) -> ToolError {
    use argos_bus::Error;
    let (code, why) = match error {
        Error::Denied(why) | Error::NoAnswer(why) => (Code::Denied, why),
        Error::InvalidArguments(why) => (Code::InvalidArguments, why),
        Error::NotFound(why) => (Code::NotFound, why),
        Error::LimitReached(why) => (Code::LimitReached, why),
        Error::TimedOut(why) => (Code::TimedOut, why),
        Error::Unavailable(why) => (Code::Unavailable, why),
        Error::Cancelled(why) | Error::Failed(why) => (Code::Failed, why),
        Error::ZBus(error) => (Code::Unavailable, error.to_string()),
    };
    ToolError::new(code, tried, why)
}

/// The result of work that may block, done where it may.
async fn blocking<T: Send + 'static>(
    tried: &str,
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ToolError::new(Code::Failed, tried, error.to_string())),
    }
}
