//! `power.off` and `power.reboot`: over login1, so that programs can block or delay it.

use argos_bus::power::{self, Refusal, Shutdown};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

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
        Box::pin(shut_down(
            Self::NAME,
            Shutdown::PowerOff,
            "switching off",
            env,
        ))
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
        Box::pin(shut_down(Self::NAME, Shutdown::Reboot, "restarting", env))
    }
}

async fn shut_down(tool: &str, how: Shutdown, state: &str, env: &Env) -> Result<Value, ToolError> {
    let bus = super::system_bus(tool, env)?;
    let Err(refusal) = power::shut_down(bus, how).await else {
        return Ok(json!({"state": state}));
    };
    let (code, hint) = match refusal {
        Refusal::Blocked(_) => (Code::Denied, "End what blocks it, then try again"),
        Refusal::Denied(_) => (Code::Denied, "Only the person at the seat may"),
        Refusal::Underway(_) => (Code::Failed, "It happens already"),
        Refusal::Failed(_) => (Code::Failed, "`argos log login` shows more"),
        Refusal::Absent(_) => (Code::Unavailable, "`argos poweroff` works without login1"),
    };
    Err(ToolError::new(code, tool, refusal.to_string()).hint(hint))
}
