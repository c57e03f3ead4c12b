//! `memory.recall`: what was remembered, by meaning.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, memory};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

const DEFAULT_LIMIT: u32 = 5;

pub(crate) struct MemoryRecall;

/// What to look for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// What it is about, in words.
    #[schemars(length(min = 1, max = 2048))]
    query: String,
    /// Most memories to return; 5 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
}

impl Definition for MemoryRecall {
    const NAME: &'static str = "memory.recall";
    const DESCRIPTION: &'static str = "Finds what was remembered, by meaning";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "query", &arguments.query, 2048)?;
        text::prose(Self::NAME, "query", &arguments.query)?;
        let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, 50);
        let (resource, default) = memory::scope(context);
        let arguments = Arguments {
            query: arguments.query,
            limit: Some(limit),
        };
        Resolved::new(&arguments, resource, "Search what is remembered.", default)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT);
            let store = memory::store(Self::NAME, env).await?;
            let owner = memory::owner(call, env);
            let mut owners = vec![owner.clone()];
            // With the shared memory comes what the agent kept for itself.
            owners.extend(env.context.agent.clone().filter(|agent| *agent != owner));
            let mut found = Vec::new();
            for owner in owners {
                let memories = store
                    .recall(&arguments.query, &owner, limit)
                    .await
                    .map_err(|error| super::from_service(Self::NAME, error))?;
                found.extend(memories);
            }
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            found.truncate(limit as usize);
            let told: Vec<Value> = found
                .into_iter()
                .map(|memory| {
                    let when = i64::try_from(memory.when_ms)
                        .ok()
                        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                        .map(|when| when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                    json!({
                        "id": memory.id,
                        "text": memory.text,
                        "kind": memory.kind,
                        "when": when,
                        "score": (memory.score * 1000.0).round() / 1000.0,
                    })
                })
                .collect();
            Ok(json!({"memories": told}))
        })
    }
}
