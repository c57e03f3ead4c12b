//! `volume.set`: how loud it is.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, devices};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct VolumeSet;

/// The volume to set.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    percent: u32,
}

impl Definition for VolumeSet {
    const NAME: &'static str = "volume.set";
    const DESCRIPTION: &'static str = "Sets how loud it is; 0 is silence";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let summary = format!("Set the volume to {} %.", arguments.percent);
        Resolved::new(&arguments, "audio", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.percent);
            let set = devices::devices(&tried, env)
                .await?
                .set_volume(arguments.percent)
                .await
                .map_err(|error| super::from_service(tried.as_str(), error))?;
            // Devices have steps: what it is now may be a little off what was asked.
            Ok(json!({"percent": set.percent, "muted": set.muted, "device": set.device}))
        })
    }
}
