//! `org.argos.Recorder1`: the recording as others see it.

use std::time::Instant;

use argos_bus::recorder::{NAME, Outcome, PATH, Recording};
use argos_bus::{Error, Result};
use argos_record::stop::Stop;
use tokio::sync::watch;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::{RequestNameFlags, RequestNameReply};
use zbus::object_server::SignalEmitter;

/// A recording whose first picture is there.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) file: String,
    pub(crate) at: Instant,
}

/// What is served.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) begun: watch::Receiver<Option<Begun>>,
    pub(crate) ended: watch::Receiver<Option<Outcome>>,
    pub(crate) stop: Stop,
}

/// Why there is no service.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Somebody else records.
    Taken,
    /// There is no bus.
    Bus(zbus::Error),
}

fn ends() -> Error {
    Error::Unavailable("the recording is ending".to_owned())
}

#[zbus::interface(name = "org.argos.Recorder1")]
impl Recorder {
    /// The recording, once its first picture is there. Errors: `Unavailable`.
    async fn recording(&self) -> Result<Recording> {
        let mut begun = self.begun.clone();
        let begun = begun.wait_for(Option::is_some).await.map_err(|_| ends())?;
        let begun = begun.as_ref().ok_or_else(ends)?;
        Ok(Recording {
            file: begun.file.clone(),
            elapsed_ms: u64::try_from(begun.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Ends it; returns when its file is whole. Errors: `Unavailable`.
    async fn stop(&self) -> Result<Outcome> {
        self.stop.stop();
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await.map_err(|_| ends())?;
        ended.clone().ok_or_else(ends)
    }

    /// It has ended.
    #[zbus(signal)]
    async fn ended(emitter: &SignalEmitter<'_>, outcome: Outcome) -> zbus::Result<()>;
}

/// Serves it on the session bus under its name, which one recording at a time has.
pub(crate) async fn serve(recorder: Recorder) -> std::result::Result<Connection, Refused> {
    let bus = Builder::session().serve_at(PATH, recorder).build().await;
    let bus = bus.map_err(Refused::Bus)?;
    let asked = bus.request_name_with_flags(NAME, RequestNameFlags::DO_NOT_QUEUE);
    let reply = asked.await;
    match reply {
        Ok(RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner) => Ok(bus),
        Ok(_) | Err(zbus::Error::NameTaken) => Err(Refused::Taken),
        Err(error) => Err(Refused::Bus(error)),
    }
}

/// Says how it ended, and lets go of the name.
pub(crate) async fn leave(
    bus: &Connection,
    outcome: Outcome,
    told: bool,
    ended: watch::Sender<Option<Outcome>>,
) -> zbus::Result<()> {
    if told {
        Recorder::ended(&SignalEmitter::new(bus, PATH)?, outcome.clone()).await?;
    }
    // Whoever waits in `stop` is answered while the bus is asked.
    ended.send_replace(Some(outcome));
    bus.release_name(NAME).await?;
    Ok(())
}
