//! `argos-session`: what a graphical login runs.
//!
//! The login daemon has authenticated a person and set up their terminal; the desktop itself is
//! units. So this program only asks: PID 1 for the person's supervisor (`user@UID`), and, when PID
//! 1's target `seat` has settled (screens and input devices are there), that for its target
//! `desktop`. Then it stands for the session until one of these happens.
//!
//! | what happens | what it does |
//! |---|---|
//! | the desktop is stopped (log out) | stops the supervisor and ends |
//! | the supervisor is stopped (PID 1 does not want it any more) | the same |
//! | the supervisor is killed or crashes | waits until PID 1 has started it again and starts the desktop again; ends with an error if that takes too long |
//! | the login daemon ends the session (SIGTERM, SIGHUP, SIGINT) | stops desktop and supervisor, ends |
//! | the login daemon dies | ends and leaves the desktop alone: the next login finds it |
//! | the desktop cannot be started | says why on the terminal and gives a shell there |
//!
//! `argos-session -- PROGRAM` runs another session than the desktop, with the run time folder and the bus
//! that the supervisor has for it. It is a child of this program, so that it ends with the login daemon.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use argos_control::{Client, ErrorCode, Event, UnitState, UnitStatus};
use clap::Parser;
use rustix::process::{Pid, getppid, getuid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The target of the person's supervisor that makes up the desktop.
const DESKTOP: &str = "desktop";
/// The unit of the person's supervisor that is the session's bus, and its socket in the run time folder.
const BUS: &str = "bus";
/// The target of PID 1 that stands for screen, input devices and the seat manager.
const SEAT: &str = "seat";
/// How long the desktop waits for that before it is tried all the same.
const SEAT_LIMIT: Duration = Duration::from_secs(30);
/// How long a supervisor that vanished may take to come back.
const RETURN_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked for meanwhile.
const RETURN_POLL: Duration = Duration::from_millis(200);
/// A desktop that is not up by then says which of its parts are not.
const TELL_AFTER: Duration = Duration::from_secs(30);
/// How long an orderly stop may take before the login daemon loses patience.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How long another session than the desktop may take to end when it is told to.
const OTHER_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a failure where nobody can be given a shell, so that a login daemon that starts
/// sessions by itself does not spin.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Starts this person's desktop and ends with it. Run by the login daemon.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// PID 1's control socket.
    #[arg(long, value_name = "SOCKET", default_value = argos_control::SYSTEM_SOCKET)]
    control: PathBuf,
    /// Folder that holds each person's run time folder.
    #[arg(long, value_name = "FOLDER", default_value = "/run/user")]
    runtime_root: PathBuf,
    /// End with an error instead of giving a shell where the desktop cannot be started.
    #[arg(long)]
    no_shell: bool,
    /// A session to run instead of the desktop: a program and its arguments.
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The desktop is down.
    Desktop,
    /// The login daemon said so.
    Asked,
    /// The login daemon is gone.
    LoginDied,
}

/// The supervisors of one person's session.
#[derive(Debug, Clone)]
struct Session {
    /// Unit of PID 1 that runs the person's supervisor.
    unit: String,
    system: PathBuf,
    user: PathBuf,
    /// The person's run time folder.
    folder: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let uid = getuid().as_raw();
    let folder = options.runtime_root.join(uid.to_string());
    let session = Session {
        unit: format!("user@{uid}"),
        system: options.control.clone(),
        user: folder.join(argos_control::USER_SOCKET),
        folder,
    };
    let code = match session.run(&options.program).await {
        Ok(_) => 0,
        Err(error) => {
            eprintln!("\nThe desktop cannot be started: {error:#}\n");
            if options.no_shell || !std::io::stdin().is_terminal() {
                tokio::time::sleep(FAILURE_PAUSE).await;
                1
            } else {
                rescue_shell()
            }
        }
    };
    // A request that is still open must not keep the session alive.
    std::process::exit(code)
}

impl Session {
    async fn run(&self, program: &[OsString]) -> Result<Ending> {
        let mut signals = Signals::new()?;
        let unit = self.unit.clone();
        let supervisor = request(self.system.clone(), move |client| client.start(&unit));
        if let Some(ending) = signals.unless(supervisor).await.with_context(|| {
            format!(
                "PID 1 could not start {} (see: argos log {})",
                self.unit, self.unit
            )
        })? {
            return self.end(ending).await;
        }
        let seat = tokio::time::timeout(SEAT_LIMIT, seat_settled(self.system.clone()));
        match signals.until(seat).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => eprintln!("PID 1 does not tell about screens: {error:#}"),
            Ok(Err(_)) => {
                eprintln!("Screens and input devices take long (see: argos status {SEAT}).");
            }
            Err(ending) => return self.end(ending).await,
        }
        if let Some((program, arguments)) = program.split_first() {
            return self.run_other(program, arguments, &mut signals).await;
        }
        loop {
            let error = match signals.until(self.stand()).await {
                Ok(Ok(())) => return self.end(Ending::Desktop).await,
                Ok(Err(error)) => error,
                Err(ending) => return self.end(ending).await,
            };
            if !is_cut_off(&error) {
                // Somebody logged out before everything was up.
                if self.is_unwanted().await {
                    return self.end(Ending::Desktop).await;
                }
                return Err(error.context("see: argos status --user"));
            }
            match signals.until(self.supervisor_is_back()).await {
                Ok(Ok(true)) => {
                    eprintln!("The session's supervisor is back; starting the desktop.");
                }
                Ok(Ok(false)) => return self.end(Ending::Desktop).await,
                Ok(Err(error)) => return Err(error),
                Err(ending) => return self.end(ending).await,
            }
        }
    }

    /// Runs another session than the desktop until it ends.
    async fn run_other(
        &self,
        program: &OsStr,
        arguments: &[OsString],
        signals: &mut Signals,
    ) -> Result<Ending> {
        let bus = request(self.user.clone(), |client| client.start(BUS));
        match signals.until(bus).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("There is no session bus: {error:#}"),
            Err(ending) => return self.end(ending).await,
        }
        let address = format!("unix:path={}", self.folder.join(BUS).display());
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("XDG_SESSION_TYPE", "wayland")
            .env("DBUS_SESSION_BUS_ADDRESS", address)
            .spawn()
            .with_context(|| program.display().to_string())?;
        match signals.until(child.wait()).await {
            Ok(status) => {
                let status = status?;
                if !status.success() {
                    eprintln!("{} ended with {status}.", program.display());
                }
                self.end(Ending::Desktop).await
            }
            // Without a login daemon nobody would find it again.
            Err(_) => {
                if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, rustix::process::Signal::TERM);
                }
                if tokio::time::timeout(OTHER_LIMIT, child.wait())
                    .await
                    .is_err()
                {
                    child.kill().await?;
                }
                self.end(Ending::Desktop).await
            }
        }
    }

    /// Starts the desktop and stays until it is down.
    async fn stand(&self) -> Result<()> {
        self.start_desktop().await?;
        request(self.user.clone(), |client| client.wait(DESKTOP)).await
    }

    /// Waits until the supervisor can be asked again; `false` if it is not wanted any more, so that
    /// it has ended because somebody said so.
    async fn supervisor_is_back(&self) -> Result<bool> {
        let back = async {
            loop {
                let name = self.unit.clone();
                let unit = request(self.system.clone(), move |client| client.unit(&name)).await?;
                if !unit.wanted {
                    return Ok(false);
                }
                if unit.state == UnitState::Failed {
                    bail!("the session's supervisor is gone: {}", unit.detail);
                }
                // PID 1 may not have seen yet that it is gone, so that its word is not enough.
                if unit.state == UnitState::Up
                    && request(self.user.clone(), Client::status).await.is_ok()
                {
                    return Ok(true);
                }
                tokio::time::sleep(RETURN_POLL).await;
            }
        };
        let in_time = tokio::time::timeout(RETURN_LIMIT, back).await;
        in_time.unwrap_or_else(|_| {
            let limit = RETURN_LIMIT.as_secs();
            bail!(
                "the session's supervisor is gone and not back after {limit} s (see: argos log {})",
                self.unit
            )
        })
    }

    /// Starts the desktop, and says what does not come up.
    async fn start_desktop(&self) -> Result<()> {
        let mut start = std::pin::pin!(request(self.user.clone(), |client| client.start(DESKTOP)));
        // A part that fails is tried again and again, which keeps the whole from being up.
        let in_time = tokio::time::timeout(TELL_AFTER, &mut start).await;
        tell_what_failed(&request(self.user.clone(), Client::status).await?);
        match in_time {
            Ok(started) => started,
            Err(_) => start.await,
        }
    }

    /// Whether the desktop was stopped, or its supervisor.
    async fn is_unwanted(&self) -> bool {
        let unit = request(self.user.clone(), |client| client.unit(DESKTOP)).await;
        unit.is_ok_and(|unit| !unit.wanted)
    }

    async fn end(&self, ending: Ending) -> Result<Ending> {
        if ending == Ending::LoginDied {
            return Ok(ending);
        }
        let stopped = async {
            if ending == Ending::Asked {
                // Where the supervisor is not there any more, there is nothing to stop.
                let _ = request(self.user.clone(), |client| client.stop(DESKTOP)).await;
            }
            let unit = self.unit.clone();
            request(self.system.clone(), move |client| client.stop(&unit)).await
        };
        match tokio::time::timeout(STOP_LIMIT, stopped).await {
            Ok(result) => result.with_context(|| format!("{} cannot be stopped", self.unit))?,
            Err(_) => bail!("{} is not down after {} s", self.unit, STOP_LIMIT.as_secs()),
        }
        Ok(ending)
    }
}

/// The signals by which a login daemon ends a session, and the daemon itself.
struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
    parent: Option<Pid>,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            parent: getppid(),
        })
    }

    /// What `work` yields, or how the session ended before that.
    async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::select! {
            result = work => return Ok(result),
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        // A dying login daemon makes the kernel send the same signal that it sends itself to end a
        // session; then somebody else is the parent by now.
        Err(if getppid() == self.parent {
            Ending::Asked
        } else {
            Ending::LoginDied
        })
    }

    /// As [`Signals::until`] for work that only can fail.
    async fn unless(&mut self, work: impl Future<Output = Result<()>>) -> Result<Option<Ending>> {
        match self.until(work).await {
            Ok(result) => result.map(|()| None),
            Err(ending) => Ok(Some(ending)),
        }
    }
}

/// One request to a supervisor, without blocking the signals.
async fn request<T: Send + 'static>(
    socket: PathBuf,
    ask: impl FnOnce(&mut Client) -> argos_control::client::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(move || Ok(ask(&mut Client::connect(socket)?)?)).await?
}

/// Whether a request failed because nobody was there to answer it.
fn is_cut_off(error: &anyhow::Error) -> bool {
    use argos_control::client::Error;
    matches!(
        error.downcast_ref(),
        Some(Error::Connect { .. } | Error::Io(_))
    )
}

/// Returns when PID 1's devices are there, or cannot be expected any more.
async fn seat_settled(socket: PathBuf) -> Result<()> {
    let pending =
        |unit: &UnitStatus| matches!(unit.state, UnitState::Waiting | UnitState::Starting);
    let settled = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(socket)?;
        match client.unit(SEAT) {
            Ok(unit) if pending(&unit) => {}
            Err(error) if error.code() != Some(ErrorCode::NotFound) => return Err(error.into()),
            _ => return Ok(()),
        }
        // The stream begins with every unit as it stands, so that no change is missed.
        for event in client.subscribe()? {
            if let Event::Unit(unit) = event?
                && unit.name == SEAT
                && !pending(&unit)
            {
                break;
            }
        }
        Ok(())
    });
    settled.await?
}

/// The desktop's parts that did not come up, on the terminal beneath the desktop: where the
/// compositor is among them, that is all a person sees.
fn tell_what_failed(units: &[UnitStatus]) {
    let failed = |unit: &&UnitStatus| {
        unit.wanted && matches!(unit.state, UnitState::Failed | UnitState::BackingOff)
    };
    for unit in units.iter().filter(failed) {
        let name = &unit.name;
        eprintln!(
            "{name} is not up: {}\n  more: argos log --user {name}",
            unit.detail
        );
    }
}

/// Replaces this program by the person's shell. Returns only if that fails.
fn rescue_shell() -> i32 {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    eprintln!("Here is a shell instead. `exit` leads back to the login.\n");
    let error = Command::new(&shell).arg("-l").exec();
    eprintln!("{} cannot be started: {error}", shell.display());
    1
}
