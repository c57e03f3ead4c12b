//! `agents.list`: the agents there are, and what they are at.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Definition, Nothing, agents};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

const MOST_AGENTS: usize = 200;

pub(crate) struct AgentsList;

impl Definition for AgentsList {
    const NAME: &'static str = "agents.list";
    const DESCRIPTION: &'static str = "Lists the agents and what they are at";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(&arguments, "agents", "List the agents.", Self::DEFAULT)
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let all = agents::orchestrator(Self::NAME, env)
                .await?
                .list()
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            let told: Vec<Value> = all.iter().take(MOST_AGENTS).map(agents::tell).collect();
            Ok(json!({"agents": told, "truncated": all.len() > MOST_AGENTS}))
        })
    }
}
