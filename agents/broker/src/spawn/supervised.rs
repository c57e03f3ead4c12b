//! Processes as transient units of the person's supervisor.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use argos_control::{Client, ErrorCode, TransientUnit};
use argos_units::Restart;

use super::{Launch, SpawnError, Spawner, Usage};

/// How long the supervisor may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts processes through `argos-init --user`.
#[derive(Debug, Clone)]
pub struct Supervised {
    socket: Option<PathBuf>,
}

impl Supervised {
    /// The supervisor at `socket`, or the one of this session.
    pub fn new(socket: Option<PathBuf>) -> Self {
        Self { socket }
    }

    fn client(&self) -> argos_control::client::Result<Client> {
        let client = match &self.socket {
            Some(path) => Client::connect(path)?,
            None => Client::user()?,
        };
        client.set_timeout(Some(PATIENCE))?;
        Ok(client)
    }
}

impl Spawner for Supervised {
    fn start(&self, launch: &Launch, socket: OwnedFd, errors: OwnedFd) -> Result<(), SpawnError> {
        let failed = |e: argos_control::Error| SpawnError {
            name: launch.name.clone(),
            what: e.to_string(),
        };
        let unit = TransientUnit {
            name: launch.name.clone(),
            description: launch.description.clone(),
            exec: launch.argv.clone(),
            env: Vec::new(),
            working_directory: None,
            // A restart needs a fresh socket, so it is the broker's decision.
            restart: Restart::No,
            limits: launch.limits,
            sandbox: Some(launch.spec.to_json()),
            fds: vec![3, 2],
        };
        let mut client = self.client().map_err(failed)?;
        // What an earlier broker started may still be on its way out under the same name.
        match client.unit(&launch.name) {
            Err(e) if e.code() == Some(ErrorCode::NotFound) => {}
            Err(e) => return Err(failed(e)),
            Ok(_) => {
                client
                    .stop(&launch.name)
                    .or_else(gone_is_fine)
                    .map_err(failed)?;
                client.wait(&launch.name).map_err(failed)?;
            }
        }
        client
            .start_transient(unit, vec![socket, errors])
            .map_err(failed)
    }

    fn stop(&self, name: &str) -> Result<(), SpawnError> {
        self.client()
            .and_then(|mut client| client.stop(name))
            .or_else(gone_is_fine)
            .map_err(|e| SpawnError {
                name: name.to_owned(),
                what: format!("cannot be stopped: {e}"),
            })
    }

    fn usage(&self, name: &str) -> Option<Usage> {
        let unit = self.client().and_then(|mut client| client.unit(name));
        let pid = unit.ok()?.pid;
        (pid != 0).then(|| Usage::of_process(pid)).flatten()
    }
}

fn gone_is_fine(e: argos_control::Error) -> argos_control::client::Result<()> {
    if e.code() == Some(ErrorCode::NotFound) {
        Ok(())
    } else {
        Err(e)
    }
}
