//! `org.argos.Agent1` as the broker serves it on fd 3 of one agent.
//!
//! Everything an agent can say arrives here. Who says it is known from the socket; nothing in a
//! message names the agent.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use argos_bus::{Error, Result};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracing::error;
use zbus::connection::{AuthMechanism, Builder};
use zbus::{Connection, Guid};

use crate::call::{self, Caller};
use crate::core::Broker;
use crate::model;
use crate::record;
use crate::session::{MAX_REPLY, ReplyRefused, Session};
use crate::socket::{AgentSocket, Fault};

/// Longest request that is turned into a plan, in bytes.
const MAX_REQUEST: usize = 16 << 10;

/// The interface for one agent.
#[derive(Debug)]
struct Link {
    broker: Arc<Broker>,
    session: Arc<Session>,
    /// Has every request panic.
    #[cfg(test)]
    broken: bool,
}

/// Serves an agent at the broker's end of its socket. The handshake, for which there is no time limit
/// here, is over when the future yields the connection.
///
/// # Errors
/// The descriptor is no stream socket or cannot be watched.
pub(crate) fn serve(
    broker: &Arc<Broker>,
    session: &Arc<Session>,
    end: OwnedFd,
) -> io::Result<(
    Fault,
    impl Future<Output = zbus::Result<Connection>> + use<>,
)> {
    let link = Link {
        broker: Arc::clone(broker),
        session: Arc::clone(session),
        #[cfg(test)]
        broken: false,
    };
    serve_link(link, end)
}

fn serve_link(
    link: Link,
    end: OwnedFd,
) -> io::Result<(
    Fault,
    impl Future<Output = zbus::Result<Connection>> + use<>,
)> {
    let socket = AgentSocket::new(end)?;
    let fault = socket.fault();
    // A task of its own, which ends with the future: what an agent sends first is parsed here, and
    // should that ever panic, it is this agent that does not connect.
    let mut task = JoinSet::new();
    task.spawn(async {
        Builder::socket(socket)
            .server(Guid::generate())
            .p2p()
            .auth_mechanism(AuthMechanism::Anonymous)
            .serve_at("/org/argos/Agent1", link)
            .build()
            .await
    });
    let connecting = async move {
        match task.join_next().await {
            Some(Ok(connected)) => connected,
            Some(Err(e)) => Err(zbus::Error::Failure(format!("the handshake failed: {e}"))),
            None => Err(zbus::Error::Failure("there was no handshake".to_owned())),
        }
    };
    Ok((fault, connecting))
}

/// What a handler comes to. A panic in it is an error of that call: without an answer, the caller would
/// wait for ever and its place among the open calls ([`crate::socket::MAX_OPEN`]) would be taken for good.
pub(crate) async fn answered<T>(handling: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(handling)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            error!("a request was not handled to its end: a panic, which is a fault of the broker");
            Err(Error::Failed(
                "the broker failed over this; its log says where (`argos log --user broker`)"
                    .to_owned(),
            ))
        })
}

impl Link {
    async fn answered<T>(&self, handling: impl Future<Output = Result<T>>) -> Result<T> {
        #[cfg(test)]
        let handling = async {
            assert!(!self.broken, "a fault that is wanted");
            handling.await
        };
        answered(handling).await
    }

    async fn call(&self, own: Option<u64>, tool: String, arguments: String) -> Result<String> {
        let caller = Caller::Agent(Arc::clone(&self.session));
        // The task of this message goes on to its end even if the connection goes away, so the audit row
        // is written.
        call::call_as(&self.broker, &caller, own, &tool, &arguments).await
    }

    fn cancelled(&self, call: u64) -> Result<()> {
        if self.broker.calls.cancel_own(self.session.number, call) {
            Ok(())
        } else {
            Err(Error::NotFound(format!("no call {call} is open")))
        }
    }

    fn replied(&self, in_reply_to: u64, text: String) -> Result<()> {
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

    fn state_is(&self, state: &str, detail: &str) -> Result<()> {
        if !matches!(state, "idle" | "thinking" | "acting") {
            return Err(Error::InvalidArguments(
                "a state is one of idle, thinking, acting".to_owned(),
            ));
        }
        if let Some(status) = self.session.says(state, detail) {
            self.broker
                .state(&self.session.subject.agent, &status.state, &status.detail);
        }
        Ok(())
    }

    async fn message(&self) -> Result<(u64, String, String)> {
        match self.session.next_message().await {
            Some(m) => Ok((m.id, m.from, m.text)),
            None => Err(Error::LimitReached(
                "one NextMessage may wait at a time".to_owned(),
            )),
        }
    }

    async fn description(&self) -> Result<String> {
        let manifest = &self.session.agent.manifest;
        let mut tools: Vec<Value> = self
            .broker
            .catalogue
            .iter()
            .filter(|t| manifest.may_call(t.name()))
            .map(
                |t| json!({"name": t.name(), "description": t.description(), "schema": t.schema()}),
            )
            .collect();
        // Providers are only started for agents that have tools of theirs.
        let wanted = |provider: &str| manifest.may_call_some_of(provider);
        let provided = self.broker.providers.tools(&self.broker, wanted).await;
        tools.extend(provided.iter().filter(|t| manifest.may_call(t.name())).map(
            |t| json!({"name": t.name(), "description": t.description(), "schema": t.schema()}),
        ));
        Ok(json!({
            "name": manifest.name,
            "title": manifest.title,
            "persona": manifest.persona,
            "goals": manifest.goals,
            "tools": tools,
        })
        .to_string())
    }

    async fn planned(&self, request: String) -> Result<String> {
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
}

impl Link {
    async fn generated(&self, request: String) -> Result<String> {
        let answer = model::generate(&self.broker, &self.session, &request).await;
        if let Err(Error::LimitReached(why)) = &answer {
            let mut row = record::row(&self.broker, &self.session.subject, model::NAME.to_owned());
            row.outcome = "limited";
            row.error.clone_from(why);
            record::record_together(&self.broker, &self.session, row).await?;
        }
        answer
    }
}

// Whatever a method does is done in `answered`.
#[zbus::interface(name = "org.argos.Agent1")]
impl Link {
    async fn describe(&self) -> Result<String> {
        self.answered(self.description()).await
    }

    async fn call_tool(&self, tool: String, arguments: String) -> Result<String> {
        self.answered(self.call(None, tool, arguments)).await
    }

    async fn call_tool_as(&self, call: u64, tool: String, arguments: String) -> Result<String> {
        if call == 0 {
            return Err(Error::InvalidArguments(
                "a call cannot have the number 0; use another, or CallTool".to_owned(),
            ));
        }
        self.answered(self.call(Some(call), tool, arguments)).await
    }

    async fn cancel(&self, call: u64) -> Result<()> {
        self.answered(async { self.cancelled(call) }).await
    }

    async fn plan(&self, request: String) -> Result<String> {
        self.answered(self.planned(request)).await
    }

    async fn generate(&self, request: String) -> Result<String> {
        self.answered(self.generated(request)).await
    }

    async fn reply(&self, in_reply_to: u64, text: String) -> Result<()> {
        self.answered(async { self.replied(in_reply_to, text) })
            .await
    }

    async fn set_state(&self, state: String, detail: String) -> Result<()> {
        self.answered(async { self.state_is(&state, &detail) })
            .await
    }

    async fn next_message(&self) -> Result<(u64, String, String)> {
        self.answered(self.message()).await
    }
}

#[cfg(test)]
mod tests {
    use argos_bus::agent::AgentLinkProxy;

    use super::*;
    use crate::alone::{Alone, PATIENCE};
    use crate::manifest::Agent;
    use crate::socket::MAX_OPEN;

    #[tokio::test]
    async fn a_panic_is_the_error_of_that_request_and_takes_no_place() {
        let alone = Alone::new().await;
        let yaml = "name: a\ntitle: A\n";
        let agent = Agent {
            manifest: argos_config::parse("agent.yaml", yaml).unwrap(),
            folder: alone.folder.path().to_owned(),
            hash: "h".to_owned(),
        };
        let link = Link {
            broker: Arc::clone(&alone.broker),
            session: Arc::new(Session::new(agent)),
            broken: true,
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let (_fault, serving) = serve_link(link, ours.into()).unwrap();
        let agent = Builder::unix_stream(theirs)
            .p2p()
            .auth_mechanism(AuthMechanism::Anonymous)
            .build();
        let (_served, agent) = tokio::try_join!(serving, agent).unwrap();
        let agent = AgentLinkProxy::new(&agent).await.unwrap();
        // Every method often enough to use up all places.
        let asking = async {
            for _ in 0..MAX_OPEN {
                for failed in [
                    agent.describe().await.map(drop),
                    agent.call_tool("a", "{}").await.map(drop),
                    agent.call_tool_as(1, "a", "{}").await.map(drop),
                    agent.cancel(1).await,
                    agent.plan("a").await.map(drop),
                    agent.generate("{}").await.map(drop),
                    agent.reply(1, "a").await,
                    agent.set_state("idle", "").await,
                    agent.next_message().await.map(drop),
                ] {
                    let Err(Error::Failed(what)) = failed else {
                        panic!("{failed:?}");
                    };
                    assert!(what.contains("argos log --user broker"), "{what}");
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap();
    }
}
