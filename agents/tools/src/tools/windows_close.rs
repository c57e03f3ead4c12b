//! `windows.close`: asks a window to close.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Definition;
use super::windows::{self, Arguments};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct WindowsClose;

impl Definition for WindowsClose {
    const NAME: &'static str = "windows.close";
    const DESCRIPTION: &'static str = "Asks a window to close; what is not saved in it may be lost";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let window = arguments.window.plain(Self::NAME)?;
        let summary = format!(
            "Close {}. What is not saved in it may be lost.",
            window.named()
        );
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
                .close_window(window.id)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            Ok(json!({"asked_to_close": windows::tell(&window), "untrusted": ["app", "title"]}))
        })
    }
}
