//! The broker's end of the conversation: fd 3.
#![allow(unsafe_code)]

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};
use argos_bus::agent::AgentLinkProxy;
use argos_bus::ai::Plan;
use argos_bus::{Error, Result as BusResult};
use serde_json::Value;
use zbus::connection::{AuthMechanism, Builder};

use crate::dialogue::{Dialogue, Doing, Means};

/// Takes fd 3. To be called once.
///
/// # Errors
/// It is not open: this was not started by the broker.
pub(crate) fn take_socket() -> anyhow::Result<UnixStream> {
    // SAFETY: the number is only looked at; whether it is open is what fcntl answers.
    let three = unsafe { BorrowedFd::borrow_raw(3) };
    if rustix::io::fcntl_getfd(three).is_err() {
        bail!("there is no socket on fd 3; agents are started by argos-broker");
    }
    // SAFETY: fd 3 is open, was left there for this program by whoever started it, and nothing
    // else in this process uses it.
    Ok(UnixStream::from(unsafe { OwnedFd::from_raw_fd(3) }))
}

/// Connects and answers messages until the broker goes away.
///
/// # Errors
/// The broker cannot be spoken with.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let connection = Builder::unix_stream(take_socket()?)
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await
        .context("the broker does not answer on fd 3")?;
    let link = AgentLinkProxy::new(&connection).await?;
    let me: Value = serde_json::from_str(&link.describe().await?)
        .context("the broker's description of this agent is not JSON")?;
    let mut dialogue = Dialogue::new(&me);
    let means = Broker { link };
    loop {
        let message = tokio::select! {
            message = means.link.next_message() => message,
            // The broker is gone: so is every reason to be here.
            () = connection.closed() => return Ok(()),
        };
        let (id, from, text) = match message {
            Ok(message) => message,
            Err(_) if connection.is_closed() => return Ok(()),
            Err(e) => return Err(e).context("waiting for a message failed"),
        };
        let answer = dialogue.answer(&means, &from, &text).await;
        match means.link.reply(id, &answer).await {
            Ok(()) => {}
            Err(_) if connection.is_closed() => return Ok(()),
            Err(e) => eprintln!("argos-agent: the answer to message {id} was not taken: {e}"),
        }
        means.at(Doing::Nothing).await;
    }
}

/// The broker as the dialogue uses it.
struct Broker<'a> {
    link: AgentLinkProxy<'a>,
}

impl Means for Broker<'_> {
    async fn plan(&self, request: &str) -> BusResult<Plan> {
        let text = self.link.plan(request).await?;
        serde_json::from_str(&text)
            .map_err(|e| Error::Failed(format!("the plan cannot be read: {e}")))
    }

    async fn call(&self, tool: &str, arguments: &Value) -> BusResult<Value> {
        let text = self.link.call_tool(tool, &arguments.to_string()).await?;
        serde_json::from_str(&text)
            .map_err(|e| Error::Failed(format!("the result of {tool} cannot be read: {e}")))
    }

    async fn at(&self, doing: Doing<'_>) {
        let (state, detail) = match doing {
            Doing::Nothing => ("idle", String::new()),
            Doing::Thinking(about) => ("thinking", about.chars().take(80).collect()),
            Doing::Acting(tool) => ("acting", tool.to_owned()),
        };
        // Only for show: a state that is not taken stops no work.
        let _ = self.link.set_state(state, &detail).await;
    }
}
