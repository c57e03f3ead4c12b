//! The supervisor behind its control socket, from asynchronous code.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use argos_control::{Client, Error};

/// Where the supervisor listens. Each request has a connection of its own, since an answer may
/// take as long as a unit takes to start.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor {
    socket: Arc<PathBuf>,
}

impl Supervisor {
    /// PID 1.
    pub(crate) fn system() -> Self {
        Self::at(PathBuf::from(argos_control::SYSTEM_SOCKET))
    }

    /// The supervisor of the person whose session this is.
    pub(crate) fn of_person() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .context("XDG_RUNTIME_DIR is not set: --user needs a session")?;
        Ok(Self::at(
            PathBuf::from(runtime).join(argos_control::USER_SOCKET),
        ))
    }

    pub(crate) fn at(socket: PathBuf) -> Self {
        Self {
            socket: Arc::new(socket),
        }
    }

    /// A connection of one's own, for a thread of one's own.
    pub(crate) fn connect(&self) -> Result<Client, Error> {
        Client::connect(self.socket.as_path())
    }

    /// Runs one request without blocking the caller's thread.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let this = self.clone();
        let asked = tokio::task::spawn_blocking(move || request(&mut this.connect()?));
        match asked.await {
            Ok(answer) => answer,
            Err(join) => match join.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(Error::Io(std::io::Error::other(cancelled))),
            },
        }
    }
}
