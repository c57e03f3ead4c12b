//! `workspace.switch`: shows another workspace.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, windows};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct WorkspaceSwitch;

/// The workspace to show.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Workspace's number, from 1.
    #[schemars(range(min = 1, max = 64))]
    number: u32,
}

impl Definition for WorkspaceSwitch {
    const NAME: &'static str = "workspace.switch";
    const DESCRIPTION: &'static str = "Shows another workspace";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let summary = format!("Show workspace {}.", arguments.number);
        Resolved::new(&arguments, windows::RESOURCE, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.number);
            windows::compositor(&tried, env)
                .await?
                .activate_workspace(arguments.number)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            Ok(json!({"workspace": arguments.number}))
        })
    }
}
