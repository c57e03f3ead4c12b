//! `services.restart`: stops a service and starts it again.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, services};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

pub(crate) struct ServicesRestart;

/// The service to restart.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Unit's exact name, as services.list has it: `seatd`.
    #[schemars(length(min = 1, max = 128))]
    unit: String,
}

impl Definition for ServicesRestart {
    const NAME: &'static str = "services.restart";
    const DESCRIPTION: &'static str = "Restarts one service of the system";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let unit = services::words(&arguments.unit)
            .to_lowercase()
            .replace(' ', "-");
        let tried = format!("{} {:?}", Self::NAME, text::shown(&unit, 80));
        text::sized(&tried, "unit's name", &unit, 128)?;
        text::plain(&tried, "unit's name", &unit)?;
        let summary = format!("Stop the system's service {unit} and start it again.");
        Resolved::new(&Arguments { unit }, "services", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { unit } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {unit}", Self::NAME);
            // Only by the exact name that the person read: nothing is searched for.
            let units = services::units(&tried, env).await?;
            let Some(known) = units.iter().find(|known| known.name.to_lowercase() == unit) else {
                return Err(services::missing(&tried, &units, &unit));
            };
            let init = services::init(&tried, env).await?;
            init.restart_unit(&known.name).await.map_err(|error| {
                match super::from_service(tried.as_str(), error) {
                    failed if failed.code == Code::Failed => failed
                        .hint("services.status tells where it stands, `argos log` what it printed"),
                    failed => failed,
                }
            })?;
            // What was restarted may be the bus itself, or what it takes to ask.
            Ok(match init.get_unit(&known.name).await {
                Ok(now) => services::tell(&now),
                Err(_) => json!({"unit": known.name, "state": "restarted"}),
            })
        })
    }
}
