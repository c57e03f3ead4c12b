//! What the tools on memory have in common: whose memory it is.
//!
//! An agent's own memory is its own affair. The memory that all of the person's agents share is
//! used where the person granted it ([`Context::shared_memory`]), or where the person calls.

use argos_bus::memory::Memory1Proxy;

use crate::{Call, Context, Env, ToolError, Verdict};

/// Owner of what is shared.
const SHARED: &str = "shared";
/// Resource of the shared memory.
const RESOURCE: &str = "memory";

/// What a call is about: resource of the permission, and default.
pub(super) fn scope(context: &Context) -> (String, Verdict) {
    match &context.agent {
        Some(agent) if !context.shared_memory => (format!("{RESOURCE}/{agent}"), Verdict::Allow),
        _ => (RESOURCE.to_owned(), Verdict::Ask),
    }
}

/// Whose memory a permitted call uses: follows from the very resource that was permitted.
pub(super) fn owner(call: &Call, env: &Env) -> String {
    match &env.context.agent {
        Some(agent) if call.resource != RESOURCE => agent.clone(),
        _ => SHARED.to_owned(),
    }
}

pub(super) async fn store<'a>(tried: &str, env: &Env) -> Result<Memory1Proxy<'a>, ToolError> {
    Memory1Proxy::new(super::session_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}
