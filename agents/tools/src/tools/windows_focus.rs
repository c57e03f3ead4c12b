//! `windows.focus`: a window to the front, with the keyboard.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, windows};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct WindowsFocus;

/// The window.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Application, words of the title, or the number from windows.list: `firefox`, `3`.
    window: windows::Name,
}

impl Definition for WindowsFocus {
    const NAME: &'static str = "windows.focus";
    const DESCRIPTION: &'static str = "Brings a window to the front and gives it the keyboard";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let window = arguments.window.plain(Self::NAME)?;
        let summary = format!("Bring {} to the front.", window.named());
        Resolved::new(
            &Arguments { window },
            windows::RESOURCE,
            summary,
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.window.as_str());
            let failed = |error| super::from_service(tried.as_str(), error);
            let compositor = windows::compositor(&tried, env).await?;
            let open = compositor.list_windows().await.map_err(failed)?;
            let window = windows::find(&tried, &open, &arguments.window)?;
            compositor.focus_window(window.id).await.map_err(failed)?;
            Ok(json!({"focused": windows::tell(window), "untrusted": ["app", "title"]}))
        })
    }
}
