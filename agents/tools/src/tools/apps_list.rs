//! `apps.list`: the applications that can be launched.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Definition, Nothing};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

const MOST_APPS: usize = 500;

pub(crate) struct AppsList;

impl Definition for AppsList {
    const NAME: &'static str = "apps.list";
    const DESCRIPTION: &'static str = "Lists the installed applications";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(
            &arguments,
            "apps",
            "List the installed applications.",
            Self::DEFAULT,
        )
    }

    fn execute<'a>(_: &'a Call, _: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(super::blocking(Self::NAME, || {
            let apps = argos_apps::list();
            let truncated = apps.len() > MOST_APPS;
            let apps: Vec<Value> = apps
                .into_iter()
                .take(MOST_APPS)
                .map(|app| json!({"id": app.id, "name": app.name, "description": app.comment}))
                .collect();
            Ok(json!({"apps": apps, "truncated": truncated}))
        }))
    }
}
