//! Starting programs for key bindings, and the locker.
//!
//! A program becomes a transient unit of the person's supervisor, so that it has a cgroup and a log
//! of its own and is nobody's child here. Where there is no supervisor (the compositor was started
//! by hand) it is started directly.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use argos_control::Client;
use argos_units::TransientUnit;

use crate::state::State;

impl State {
    /// Where programs find the compositor: the variables of their environment.
    fn places(&self) -> Vec<(&'static str, String)> {
        let socket = self.socket.clone();
        // Empty where there are no X programs: what the supervisor's environment names is not ours then.
        let display = self.x11_display().unwrap_or_default();
        socket
            .map(|name| ("WAYLAND_DISPLAY", name))
            .into_iter()
            .chain([("DISPLAY", display)])
            .collect()
    }

    /// Starts a program as a client of this compositor, without waiting for it.
    pub(crate) fn spawn(&self, command: &[String]) {
        let Some(program) = command.first().cloned() else {
            return;
        };
        let (command, places) = (command.to_vec(), self.places());
        // The supervisor answers once the program runs, and a child has to be waited for; neither
        // may hold up a frame.
        let started = std::thread::Builder::new()
            .name("spawn".into())
            .spawn(move || {
                if let Err(error) = start(&command, &places) {
                    tracing::warn!("cannot start {}: {error}", command[0]);
                }
            });
        if let Err(error) = started {
            tracing::warn!("cannot start {program}: no thread: {error}");
        }
    }
}

/// The unit of the person's supervisor that unlocks the screen.
const LOCKER: &str = "lock";

/// Gets the locker started, without waiting for it; nothing happens if it runs.
pub fn start_locker() {
    let started = std::thread::Builder::new().name("locker".into()).spawn(|| {
        let asked = Client::user().and_then(|mut supervisor| supervisor.start(LOCKER));
        if let Err(error) = asked {
            tracing::error!(
                "the screen is locked, and the unit `{LOCKER}` that unlocks it cannot be started: \
                     {error}; see: argos status --user {LOCKER}"
            );
        }
    });
    if let Err(error) = started {
        tracing::error!("cannot start {LOCKER}: no thread: {error}");
    }
}

/// Where a program is that is named without a folder.
fn find(program: &str) -> Result<String, String> {
    if program.contains('/') {
        return Ok(program.to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .and_then(|path| path.into_os_string().into_string().ok())
        .ok_or_else(|| format!("there is no such program in {}", folders.display()))
}

fn start(
    command: &[String],
    places: &[(&'static str, String)],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut command = command.to_vec();
    command[0] = find(&command[0])?;
    match Client::user() {
        Ok(mut supervisor) => Ok(supervisor.start_transient(unit(&command, places), Vec::new())?),
        Err(error) => {
            tracing::debug!("no supervisor ({error}); starting {} directly", command[0]);
            let mut child = Command::new(&command[0]);
            child
                .args(&command[1..])
                .stdin(Stdio::null())
                .process_group(0)
                .env_remove("NOTIFY_SOCKET")
                .envs(places.iter().map(|(name, value)| (name, value)));
            child.spawn()?.wait()?;
            Ok(())
        }
    }
}

fn unit(command: &[String], places: &[(&'static str, String)]) -> TransientUnit {
    static STARTED: AtomicU32 = AtomicU32::new(1);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let program = command[0].rsplit('/').next().unwrap_or("program");
    TransientUnit {
        // Programs outlive this process, so its number keeps names apart.
        name: format!("app-{program}-{}-{number}", std::process::id()),
        description: format!("{program}, started by a key"),
        exec: command.to_vec(),
        env: places
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        working_directory: std::env::var("HOME").ok(),
        ..TransientUnit::default()
    }
}
