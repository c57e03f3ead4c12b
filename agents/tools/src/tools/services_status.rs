//! `services.status`: where one service stands, and why.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Definition, services};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

pub(crate) struct ServicesStatus;

/// The service to look at.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Unit's name: `seatd`.
    #[schemars(length(min = 1, max = 128))]
    unit: String,
}

impl Definition for ServicesStatus {
    const NAME: &'static str = "services.status";
    const DESCRIPTION: &'static str = "Tells how one service of the system is doing";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let unit = services::words(&arguments.unit);
        text::sized(Self::NAME, "unit's name", &unit, 128)?;
        text::plain(Self::NAME, "unit's name", &unit)?;
        let summary = "Look at the state of one of the system's services.";
        Resolved::new(&Arguments { unit }, "services", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("services.status {}", arguments.unit);
            let units = services::units(&tried, env).await?;
            services::find(&units, &arguments.unit)
                .map(services::tell)
                .ok_or_else(|| services::missing(&tried, &units, &arguments.unit))
        })
    }
}
