//! `agents.start` and `agents.stop`.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, agents};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

pub(crate) struct AgentsStart;
pub(crate) struct AgentsStop;

/// The agent that is meant.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Agent's name: `librarian`.
    #[schemars(length(min = 1, max = 64))]
    agent: String,
}

impl Definition for AgentsStart {
    const NAME: &'static str = "agents.start";
    const DESCRIPTION: &'static str = "Starts an agent";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let agent = agents::name(Self::NAME, &arguments.agent)?;
        let summary = format!("Start the agent {agent}.");
        Resolved::new(&Arguments { agent }, "agents", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { agent } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {agent}", Self::NAME);
            agents::orchestrator(&tried, env)
                .await?
                .start(&agent)
                .await
                .map_err(|error| super::from_service(tried, error))?;
            Ok(json!({
                "agent": agent, "started": true,
                "undo": {"tool": "agents.stop", "arguments": {"agent": agent}},
            }))
        })
    }
}

impl Definition for AgentsStop {
    const NAME: &'static str = "agents.stop";
    const DESCRIPTION: &'static str = "Stops an agent";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let agent = agents::name(Self::NAME, &arguments.agent)?;
        if context.agent.as_ref() == Some(&agent) {
            return Err(ToolError::new(
                Code::InvalidArguments,
                format!("{} {agent}", Self::NAME),
                "an agent does not stop itself: the answer could not be told any more",
            )
            .hint("The person stops it with `argos agents stop`"));
        }
        let summary = format!("Stop the agent {agent}; what it is at is given up.");
        Resolved::new(&Arguments { agent }, "agents", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { agent } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {agent}", Self::NAME);
            agents::orchestrator(&tried, env)
                .await?
                .stop(&agent)
                .await
                .map_err(|error| super::from_service(tried, error))?;
            Ok(json!({
                "agent": agent, "asked": "stop",
                "undo": {"tool": "agents.start", "arguments": {"agent": agent}},
            }))
        })
    }
}
