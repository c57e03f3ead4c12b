//! `windows.focus`: a window to the front, with the keyboard.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Definition;
use super::windows::{self, Arguments};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct WindowsFocus;

impl Definition for WindowsFocus {
    const NAME: &'static str = "windows.focus";
    const DESCRIPTION: &'static str = "Brings a window to the front and gives it the keyboard";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
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
            let (compositor, window) = windows::meant(&tried, &arguments.window, env).await?;
            compositor
                .focus_window(window.id)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            Ok(json!({"focused": windows::tell(&window), "untrusted": ["app", "title"]}))
        })
    }
}
