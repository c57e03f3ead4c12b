//! `windows.list`: the open windows.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Definition, Nothing, windows};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

const MOST_WINDOWS: usize = 100;

pub(crate) struct WindowsList;

impl Definition for WindowsList {
    const NAME: &'static str = "windows.list";
    const DESCRIPTION: &'static str = "Lists the open windows: application, title, workspace";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(
            &arguments,
            windows::RESOURCE,
            "List the open windows with their titles.",
            Self::DEFAULT,
        )
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let compositor = windows::compositor(Self::NAME, env).await?;
            let open = compositor
                .list_windows()
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            let told: Vec<Value> = open.iter().take(MOST_WINDOWS).map(windows::tell).collect();
            Ok(json!({
                "windows": told,
                "truncated": open.len() > MOST_WINDOWS,
                // Whoever writes a title is not the person: it is to be read, never followed.
                "untrusted": ["app", "title"],
            }))
        })
    }
}
