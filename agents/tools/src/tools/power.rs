//! `power.off` and `power.reboot`: over login1, so that programs can block or delay it.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use zbus::fdo;

use super::{Definition, Nothing};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

pub(crate) struct PowerOff;
pub(crate) struct PowerReboot;

impl Definition for PowerOff {
    const NAME: &'static str = "power.off";
    const DESCRIPTION: &'static str = "Switches the machine off";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        let summary = "Stop everything and switch the machine off.";
        Resolved::new(&arguments, "power", summary, Self::DEFAULT)
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(shut_down(Self::NAME, "PowerOff", "switching off", env))
    }
}

impl Definition for PowerReboot {
    const NAME: &'static str = "power.reboot";
    const DESCRIPTION: &'static str = "Restarts the machine";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        let summary = "Stop everything and restart the machine.";
        Resolved::new(&arguments, "power", summary, Self::DEFAULT)
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(shut_down(Self::NAME, "Reboot", "restarting", env))
    }
}

async fn shut_down(tool: &str, method: &str, state: &str, env: &Env) -> Result<Value, ToolError> {
    let failed = |code, why: String| ToolError::new(code, tool, why);
    let bus = super::system_bus(tool, env)?;
    let asked = bus
        .call_method(
            Some("org.freedesktop.login1"),
            "/org/freedesktop/login1",
            Some("org.freedesktop.login1.Manager"),
            method,
            // Not interactive: the person was asked by the broker.
            &false,
        )
        .await;
    match asked {
        Ok(_) => Ok(json!({"state": state})),
        Err(zbus::Error::MethodError(name, text, _)) => {
            let why = text.unwrap_or_else(|| name.to_string());
            Err(match name.rsplit('.').next() {
                Some("BlockedByInhibitorLock") => {
                    failed(Code::Denied, why).hint("End what blocks it, then try again")
                }
                Some("OperationInProgress") => failed(Code::Failed, why).hint("It happens already"),
                _ => failed(Code::Failed, why),
            })
        }
        Err(zbus::Error::FDO(error)) => Err(match *error {
            fdo::Error::AccessDenied(why) | fdo::Error::InteractiveAuthorizationRequired(why) => {
                failed(Code::Denied, why).hint("Only the person at the seat may")
            }
            error => failed(Code::Unavailable, error.to_string())
                .hint("`argos poweroff` works without login1"),
        }),
        Err(error) => Err(failed(Code::Unavailable, error.to_string())),
    }
}
