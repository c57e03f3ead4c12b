//! `org.argos.Agent1` as the broker serves it on fd 3 of one agent.
//!
//! Everything an agent can say arrives here. Who says it is known from the socket; nothing in a
//! message names the agent.

use std::sync::Arc;

use argos_bus::{Error, Result};
use serde_json::{Value, json};

use crate::call::{self, Caller};
use crate::core::Broker;
use crate::session::{MAX_REPLY, ReplyRefused, Session};

/// Longest request that is turned into a plan, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// The interface for one agent.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) broker: Arc<Broker>,
    pub(crate) session: Arc<Session>,
}

impl Link {
    async fn call(&self, own: Option<u64>, tool: String, arguments: String) -> Result<String> {
        let broker = Arc::clone(&self.broker);
        let caller = Caller::Agent(Arc::clone(&self.session));
        // A task of its own: it finishes its audit row even if the connection goes away.
        tokio::spawn(async move { call::call_as(&broker, &caller, own, &tool, &arguments).await })
            .await
            .map_err(|e| Error::Failed(format!("the call ended unexpectedly: {e}")))?
    }
}

#[zbus::interface(name = "org.argos.Agent1")]
impl Link {
    async fn describe(&self) -> Result<String> {
        let manifest = &self.session.agent.manifest;
        let tools: Vec<Value> = self
            .broker
            .catalogue
            .iter()
            .filter(|t| manifest.may_call(t.name()))
            .map(
                |t| json!({"name": t.name(), "description": t.description(), "schema": t.schema()}),
            )
            .collect();
        Ok(json!({
            "name": manifest.name,
            "title": manifest.title,
            "persona": manifest.persona,
            "goals": manifest.goals,
            "tools": tools,
        })
        .to_string())
    }

    async fn call_tool(&self, tool: String, arguments: String) -> Result<String> {
        self.call(None, tool, arguments).await
    }

    async fn call_tool_as(&self, call: u64, tool: String, arguments: String) -> Result<String> {
        if call == 0 {
            return Err(Error::InvalidArguments(
                "a call cannot have the number 0; use another, or CallTool".to_owned(),
            ));
        }
        self.call(Some(call), tool, arguments).await
    }

    async fn cancel(&self, call: u64) -> Result<()> {
        if self.broker.calls.cancel_own(self.session.number, call) {
            Ok(())
        } else {
            Err(Error::NotFound(format!("no call {call} is open")))
        }
    }

    async fn plan(&self, request: String) -> Result<String> {
        if request.len() > MAX_REQUEST {
            return Err(Error::InvalidArguments(format!(
                "the request has {} bytes; at most {MAX_REQUEST} can be understood at once",
                request.len()
            )));
        }
        let Ok(_turn) = self.session.plans.try_acquire() else {
            return Err(Error::LimitReached(
                "one plan of an agent can be in the making; wait for the other one".to_owned(),
            ));
        };
        if !self.session.may_plan_now() {
            return Err(Error::LimitReached(
                "too many plans at once; wait a few seconds".to_owned(),
            ));
        }
        tokio::select! {
            plan = self.broker.plan(&self.session, &request) => plan,
            () = self.session.gone() => Err(Error::Unavailable("the agent is gone".to_owned())),
        }
    }

    async fn reply(&self, in_reply_to: u64, text: String) -> Result<()> {
        match self.session.take_reply(in_reply_to, &text) {
            Ok(()) => {
                self.broker
                    .replied(&self.session.subject.agent, in_reply_to, text);
                Ok(())
            }
            Err(ReplyRefused::TooLong) => Err(Error::LimitReached(format!(
                "a reply may have {MAX_REPLY} bytes"
            ))),
            Err(ReplyRefused::TooOften) => Err(Error::LimitReached(
                "an agent that speaks up on its own has to wait two seconds in between".to_owned(),
            )),
            Err(ReplyRefused::UnknownMessage) => Err(Error::InvalidArguments(format!(
                "message {in_reply_to} is not waiting for an answer of this agent"
            ))),
        }
    }

    async fn set_state(&self, state: String, detail: String) -> Result<()> {
        if !matches!(state.as_str(), "idle" | "thinking" | "acting") {
            return Err(Error::InvalidArguments(
                "a state is one of idle, thinking, acting".to_owned(),
            ));
        }
        if let Some(status) = self.session.says(&state, &detail) {
            self.broker
                .state(&self.session.subject.agent, &status.state, &status.detail);
        }
        Ok(())
    }

    async fn next_message(&self) -> Result<(u64, String, String)> {
        match self.session.next_message().await {
            Some(m) => Ok((m.id, m.from, m.text)),
            None => Err(Error::LimitReached(
                "one NextMessage may wait at a time".to_owned(),
            )),
        }
    }
}
