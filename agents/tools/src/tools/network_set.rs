//! `network.set`: whether the machine may have any link to others.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Definition, network};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct NetworkSet;

/// On or off.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// `true` for on, `false` for off.
    enabled: bool,
}

impl Definition for NetworkSet {
    const NAME: &'static str = "network.set";
    const DESCRIPTION: &'static str = "Switches the network on or off";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let summary = if arguments.enabled {
            "Switch the network on: this machine can be reached and can reach others."
        } else {
            "Switch the network off, until it is switched on again."
        };
        Resolved::new(&arguments, network::RESOURCE, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let status = network::network(Self::NAME, env)
                .await?
                .set_enabled(arguments.enabled)
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            Ok(network::tell(&status))
        })
    }
}
