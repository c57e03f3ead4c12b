//! `services.list`: the system's services and where they stand.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Definition, Nothing, services};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

const MOST_UNITS: usize = 500;

pub(crate) struct ServicesList;

impl Definition for ServicesList {
    const NAME: &'static str = "services.list";
    const DESCRIPTION: &'static str = "Lists the system's services and their states";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(
            &arguments,
            "services",
            "List the system's services.",
            Self::DEFAULT,
        )
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let units = services::units(Self::NAME, env).await?;
            let told: Vec<Value> = units.iter().take(MOST_UNITS).map(services::tell).collect();
            Ok(json!({"services": told, "truncated": units.len() > MOST_UNITS}))
        })
    }
}
