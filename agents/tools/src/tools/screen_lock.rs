//! `screen.lock`: locks the person's session. Unlocking is the person's alone, at the screen.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Definition, Nothing, windows};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct ScreenLock;

impl Definition for ScreenLock {
    const NAME: &'static str = "screen.lock";
    const DESCRIPTION: &'static str = "Locks the screen";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(&arguments, "session", "Lock the screen.", Self::DEFAULT)
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            // The compositor answers once nothing of the session is to be seen.
            windows::compositor(Self::NAME, env)
                .await?
                .lock()
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            Ok(json!({"locked": true}))
        })
    }
}
