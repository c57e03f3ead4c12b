//! The permission prompt's side of the session bus: questions in, answers out.

use argos_bus::permissions::Permissions1Proxy;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zbus::Connection;

use super::names::Presence;
use super::{Command, Notice, Notices, Pauses, on_own_thread};
use crate::tr;

/// Starts the thread.
pub fn start(notices: Notices) -> UnboundedSender<Command> {
    let (commands, receiver) = unbounded_channel();
    on_own_thread("bus", run(notices, receiver));
    commands
}

async fn run(notices: Notices, mut commands: UnboundedReceiver<Command>) {
    let mut pauses = Pauses::new();
    loop {
        match Connection::session().await {
            Ok(connection) => {
                pauses = Pauses::new();
                if let Err(error) = serve(&connection, &notices, &mut commands).await {
                    tracing::debug!("the session bus: {error}");
                }
                // Without a broker nobody waits for an answer.
                notices.send(Notice::BrokerLost);
            }
            Err(error) => tracing::debug!("no session bus yet: {error}"),
        }
        if commands.is_closed() {
            return;
        }
        pauses.wait().await;
    }
}

async fn serve(
    connection: &Connection,
    notices: &Notices,
    commands: &mut UnboundedReceiver<Command>,
) -> zbus::Result<()> {
    let broker = Permissions1Proxy::new(connection).await?;
    let mut presence = Presence::of(broker.inner()).await?;
    // Listening begins before asking for what waits, so that no question falls between.
    let mut requested = broker.receive_requested().await?;
    let mut resolved = broker.receive_resolved().await?;
    pending(&broker, notices).await;
    loop {
        tokio::select! {
            present = presence.changed() => match present {
                Some(true) => pending(&broker, notices).await,
                Some(false) => {
                    notices.send(Notice::BrokerLost);
                }
                None => return Ok(()),
            },
            signal = requested.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => {
                        notices.send(Notice::Requested(vec![args.request().clone()]));
                    }
                    Err(error) => tracing::warn!("Permissions1.Requested does not fit: {error}"),
                },
                None => return Ok(()),
            },
            signal = resolved.next() => match signal {
                Some(signal) => match signal.args() {
                    Ok(args) => {
                        notices.send(Notice::Resolved(*args.id()));
                    }
                    Err(error) => tracing::warn!("Permissions1.Resolved does not fit: {error}"),
                },
                None => return Ok(()),
            },
            command = commands.recv() => match command {
                Some(Command::Answer(id, decision)) => {
                    match broker.answer(id, decision.word()).await {
                        // Answered or expired meanwhile: it is closed either way.
                        Ok(()) | Err(argos_bus::Error::NotFound(_)) => {
                            notices.send(Notice::Resolved(id));
                        }
                        Err(error) => {
                            let why = error.to_string();
                            notices.send(Notice::NotAnswered(tr!("answer-lost", why = why)));
                        }
                    }
                }
                Some(Command::DenyAll(agent)) => {
                    // Each of them is said to be closed by a signal.
                    if let Err(error) = broker.deny_all(&agent).await {
                        let why = error.to_string();
                            notices.send(Notice::NotAnswered(tr!("answer-lost", why = why)));
                    }
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

async fn pending(broker: &Permissions1Proxy<'_>, notices: &Notices) {
    match broker.pending().await {
        Ok(requests) => {
            notices.send(Notice::Requested(requests));
        }
        Err(error) => tracing::debug!("no broker yet: {error}"),
    }
}
