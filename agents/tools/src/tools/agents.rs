//! What the tools on agents have in common: the orchestrator, and names as people say them.

use argos_bus::agents::Agents1Proxy;
use serde_json::{Value, json};

use crate::{Code, Env, ToolError, text};

pub(super) async fn orchestrator<'a>(
    tried: &str,
    env: &Env,
) -> Result<Agents1Proxy<'a>, ToolError> {
    Agents1Proxy::new(super::session_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}

/// The name of an agent out of what was said: `the Librarian agent` is `librarian`.
pub(super) fn name(tool: &str, said: &str) -> Result<String, ToolError> {
    let mut name = said.trim().to_lowercase();
    name = name.strip_prefix("the ").unwrap_or(&name).to_owned();
    name = name
        .strip_suffix(" agent")
        .unwrap_or(&name)
        .trim()
        .replace(' ', "-");
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 32
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        return Ok(name);
    }
    Err(ToolError::new(
        Code::InvalidArguments,
        format!("{tool} {:?}", text::shown(said, 64)),
        "this is no name of an agent",
    )
    .hint("Names have small letters, digits and `-`; agents.list lists them"))
}

/// An agent as it is told to others.
pub(super) fn tell(agent: &argos_bus::agents::Agent) -> Value {
    let mut told = json!({
        "agent": agent.name,
        "title": text::shown(&agent.title, 64),
        "description": text::shown(&agent.description, 200),
        "state": agent.state,
    });
    if !agent.detail.is_empty() {
        told["detail"] = text::shown(&agent.detail, 200).into();
    }
    told
}
