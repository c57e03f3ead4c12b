//! For tests of the broker's parts: a broker in a folder of its own, on a session bus without anybody,
//! which starts nothing.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;

use crate::core::{Broker, Settings};
use crate::providers::Folders;
use crate::sandbox::Programs;
use crate::spawn::{Launch, SpawnError, Spawner};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The broker, with what has to be there for as long as it.
pub(crate) struct Alone {
    pub(crate) broker: Arc<Broker>,
    pub(crate) folder: tempfile::TempDir,
    /// The session bus's end.
    pub(crate) bus: Connection,
}

#[derive(Debug)]
struct Nothing;

impl Spawner for Nothing {
    fn start(&self, launch: &Launch, _: OwnedFd, _: OwnedFd) -> Result<(), SpawnError> {
        unreachable!("nobody asked for {}", launch.name)
    }

    fn stop(&self, _: &str) -> Result<(), SpawnError> {
        Ok(())
    }
}

impl Alone {
    /// Nobody answers its questions within 10 ms.
    pub(crate) async fn new() -> Self {
        Self::answering_in(Duration::from_millis(10)).await
    }

    pub(crate) async fn answering_in(answer_time: Duration) -> Self {
        Self::on(answer_time, |bus| bus).await
    }

    /// `serve` says what is on the session bus. (Added later, it might miss what is sent first.)
    pub(crate) async fn on(
        answer_time: Duration,
        serve: impl FnOnce(Builder<'static>) -> Builder<'static>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guid = zbus::Guid::generate();
        let server = Builder::unix_stream(ours).server(guid).p2p().build();
        let client = serve(Builder::unix_stream(theirs).p2p()).build();
        let (ours, bus) = tokio::try_join!(server, client).unwrap();
        let settings = Settings {
            home: folder.path().join("home"),
            state: folder.path().join("state"),
            shipped: folder.path().join("agents"),
            programs: Programs {
                folder: "/usr/bin".into(),
            },
            answer_time,
            tool_time: PATIENCE,
            worker_idle: PATIENCE,
            by_process_number: false,
            providers: Folders {
                system: Vec::new(),
                own: folder.path().join("tools"),
            },
        };
        let (broker, _) = Broker::open(settings, Arc::new(Nothing), ours).unwrap();
        Self {
            broker,
            folder,
            bus,
        }
    }
}
