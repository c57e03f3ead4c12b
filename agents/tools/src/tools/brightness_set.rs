//! `brightness.set`: how bright the screen is.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, devices};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct BrightnessSet;

/// The brightness to set.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    percent: u32,
}

impl Definition for BrightnessSet {
    const NAME: &'static str = "brightness.set";
    const DESCRIPTION: &'static str = "Sets how bright the screen is";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let summary = format!("Set the screen's brightness to {} %.", arguments.percent);
        Resolved::new(&arguments, "display", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.percent);
            let set = devices::devices(&tried, env)
                .await?
                .set_brightness(arguments.percent)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            // Devices have steps: what it is now may be a little off what was asked.
            Ok(json!({"percent": set.percent, "device": set.device}))
        })
    }
}
