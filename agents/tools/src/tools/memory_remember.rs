//! `memory.remember`: keeps a fact.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, memory};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

const MOST_TEXT: usize = 8 << 10;

pub(crate) struct MemoryRemember;

/// What to remember.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// The fact, as a sentence.
    #[schemars(length(min = 1, max = 8192))]
    text: String,
    /// Labels to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    tags: Vec<String>,
}

impl Definition for MemoryRemember {
    const NAME: &'static str = "memory.remember";
    const DESCRIPTION: &'static str = "Remembers a fact for later";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "text", &arguments.text, MOST_TEXT)?;
        text::prose(Self::NAME, "text", &arguments.text)?;
        for tag in &arguments.tags {
            text::sized(Self::NAME, "tag", tag, 64)?;
            text::plain(Self::NAME, "tag", tag)?;
        }
        let (resource, default) = memory::scope(context);
        Resolved::new(
            &arguments,
            resource,
            "Add one fact to what is remembered.",
            default,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let owner = memory::owner(call, env);
            let tags: Vec<&str> = arguments.tags.iter().map(String::as_str).collect();
            let id = memory::store(Self::NAME, env)
                .await?
                .remember("fact", &owner, &arguments.text, &tags)
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            Ok(json!({"id": id, "text": arguments.text}))
        })
    }
}
