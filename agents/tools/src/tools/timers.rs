//! `timer.set` and `reminder.add`: kept by the orchestrator, which shows them when they are due and
//! tells the agent that set them.

use argos_bus::timers::{Timer, Timers1Proxy};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

/// In bytes; the schemas say 500 characters.
const MOST_TEXT: usize = 2000;

pub(crate) struct TimerSet;
pub(crate) struct ReminderAdd;

/// How long, and for what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimerArguments {
    /// Duration, ISO 8601: `PT10M` are ten minutes, `PT1H30M` one and a half hours.
    #[schemars(length(min = 1, max = 64))]
    duration: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    label: Option<String>,
}

/// When, and of what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReminderArguments {
    /// Local date and time, ISO 8601: `2026-12-24T18:00`.
    #[schemars(length(min = 1, max = 64))]
    when: String,
    /// What to be reminded of.
    #[schemars(length(min = 1, max = 500))]
    text: String,
}

impl Definition for TimerSet {
    const NAME: &'static str = "timer.set";
    const DESCRIPTION: &'static str = "Sets a timer";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = TimerArguments;

    fn resolve(arguments: TimerArguments, _: &Context) -> Result<Resolved, ToolError> {
        text::plain(Self::NAME, "duration", &arguments.duration)?;
        if let Some(label) = &arguments.label {
            text::sized(Self::NAME, "label", label, MOST_TEXT)?;
            text::plain(Self::NAME, "label", label)?;
        }
        let summary = "Set a timer.";
        Resolved::new(&arguments, "timers", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: TimerArguments =
                super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.duration);
            let label = arguments.label.unwrap_or_default();
            let agent = env.context.agent.as_deref().unwrap_or_default();
            service(&tried, env)
                .await?
                .set_timer(agent, &arguments.duration, &label)
                .await
                .map(|timer| tell(&timer))
                .map_err(|error| super::from_service(tried, error))
        })
    }
}

impl Definition for ReminderAdd {
    const NAME: &'static str = "reminder.add";
    const DESCRIPTION: &'static str = "Reminds the person of something at a time";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = ReminderArguments;

    fn resolve(arguments: ReminderArguments, _: &Context) -> Result<Resolved, ToolError> {
        text::plain(Self::NAME, "time", &arguments.when)?;
        text::sized(Self::NAME, "text", &arguments.text, MOST_TEXT)?;
        text::plain(Self::NAME, "text", &arguments.text)?;
        let summary = "Add a reminder.";
        Resolved::new(&arguments, "timers", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: ReminderArguments =
                super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {}", Self::NAME, arguments.when);
            let agent = env.context.agent.as_deref().unwrap_or_default();
            service(&tried, env)
                .await?
                .add_reminder(agent, &arguments.when, &arguments.text)
                .await
                .map(|timer| tell(&timer))
                .map_err(|error| super::from_service(tried, error))
        })
    }
}

async fn service<'a>(tried: &str, env: &Env) -> Result<Timers1Proxy<'a>, ToolError> {
    Timers1Proxy::new(super::session_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}

fn tell(timer: &Timer) -> Value {
    let due = i64::try_from(timer.due_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map(|due| {
            due.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string()
        });
    json!({
        "id": timer.id, "kind": timer.kind, "text": timer.text, "due": due,
        "undo": format!("argos timers cancel {}", timer.id),
    })
}
