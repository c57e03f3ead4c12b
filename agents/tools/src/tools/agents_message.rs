//! `agents.message`: says something to another agent.
//!
//! The receiver learns who asks, and the broker holds what it does for the message against the grants
//! of both: an agent gets nothing done by another that it may not do itself.

use std::time::Duration;

use futures_util::{StreamExt, future::BoxFuture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, agents};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

const MOST_TEXT: usize = 8 << 10;
/// Longest answer that is handed on, in bytes.
const MOST_ANSWER: usize = 16 << 10;
/// How long an answer is waited for: less than a tool may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Agents that a message may have come through: two that answer each other do not go on for ever.
const MOST_HOPS: usize = 4;

pub(crate) struct AgentsMessage;

/// To whom, and what.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Agent's name: `librarian`.
    #[schemars(length(min = 1, max = 64))]
    agent: String,
    /// What to say to it.
    #[schemars(length(min = 1, max = 8192))]
    text: String,
}

impl Definition for AgentsMessage {
    const NAME: &'static str = "agents.message";
    const DESCRIPTION: &'static str = "Says something to another agent and waits for its answer";
    const ACTION: Action = Action::Message;
    const DEFAULT: Verdict = Verdict::Ask;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let agent = agents::name(Self::NAME, &arguments.agent)?;
        let tried = format!("{} {agent}", Self::NAME);
        text::sized(&tried, "text", &arguments.text, MOST_TEXT)?;
        text::prose(&tried, "text", &arguments.text)?;
        if context.agent.as_ref() == Some(&agent) || context.behalf.contains(&agent) {
            return Err(ToolError::new(
                Code::InvalidArguments,
                tried,
                "it waits for this agent already, or is this agent itself",
            )
            .hint("Put it into the answer instead"));
        }
        if context.behalf.len() >= MOST_HOPS {
            return Err(ToolError::new(
                Code::LimitReached,
                tried,
                format!("this message came through {MOST_HOPS} agents already"),
            ));
        }
        let summary = format!("Say something to the agent {agent}.");
        let arguments = Arguments {
            agent: agent.clone(),
            text: arguments.text,
        };
        Resolved::new(&arguments, agent, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { agent, text } =
                super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {agent}", Self::NAME);
            let failed = |error| super::from_service(tried.as_str(), error);
            let orchestrator = agents::orchestrator(&tried, env).await?;
            // Listening first, so that a quick answer is not missed.
            let mut said = orchestrator.receive_message().await.map_err(|error| {
                ToolError::new(Code::Unavailable, tried.as_str(), error.to_string())
            })?;
            let id = match &env.context.agent {
                Some(own) => {
                    let from: Vec<&str> = std::iter::once(own)
                        .chain(&env.context.behalf)
                        .map(String::as_str)
                        .collect();
                    orchestrator.relay(&from, &agent, &text).await
                }
                None => orchestrator.send(&agent, &text).await,
            }
            .map_err(failed)?;
            let answered = async {
                while let Some(signal) = said.next().await {
                    let Ok(args) = signal.args() else { continue };
                    let message = args.message();
                    // `system`: the orchestrator tells that there will be no answer.
                    if message.agent == agent && message.in_reply_to == id {
                        return Some((message.role.clone(), message.text.clone()));
                    }
                }
                None
            };
            let mut told = json!({"agent": agent, "message": id, "answered": false});
            match tokio::time::timeout(PATIENCE, answered).await {
                Ok(Some((role, mut answer))) if role == "agent" => {
                    if answer.len() > MOST_ANSWER {
                        answer.truncate(answer.floor_char_boundary(MOST_ANSWER));
                        told["truncated"] = true.into();
                    }
                    told["answered"] = true.into();
                    // What another agent writes is no word of the person's.
                    told["answer"] = answer.into();
                }
                Ok(Some((_, why))) => {
                    return Err(ToolError::new(Code::Failed, tried, text::shown(&why, 400)));
                }
                Ok(None) => {
                    return Err(ToolError::new(
                        Code::Unavailable,
                        tried,
                        "the session bus went away before the answer came",
                    ));
                }
                Err(_) => {
                    told["hint"] = "It has the message and has not answered yet; the answer will stand in its conversation".into();
                }
            }
            Ok(told)
        })
    }
}
