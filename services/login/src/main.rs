//! `argos-login`: the part of `org.freedesktop.login1` that desktop programs call.
//!
//! Sessions are what PID 1 says they are: a person's supervisor (`user@UID`) that is up is a
//! session at `seat0`. On top of that there are inhibitors, which are honoured, and power: off,
//! restart, sleep. Whatever login1 has besides is not offered at all rather than pretended.
//!
//! * [`sessions`]: who is logged in, followed over PID 1's control socket.
//! * [`inhibit`]: the locks by which programs block or delay sleep and shutdown.
//! * [`manager`]: the object on the bus; [`objects`]: those of sessions, people and the seat.
//!
//! `argos-session`, the other program of this crate, is what a login runs; the two do not meet.

mod error;
mod inhibit;
mod manager;
mod objects;
mod sessions;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::manager::Manager;
use crate::sessions::Sessions;

/// Serves sessions, inhibitors and power on the system bus.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// PID 1's control socket.
    #[arg(long, value_name = "SOCKET", default_value = argos_control::SYSTEM_SOCKET)]
    control: PathBuf,
    /// The file that puts the machine to sleep.
    #[arg(long, value_name = "FILE", default_value = "/sys/power/state")]
    power_state: PathBuf,
    /// The account of the greeter, which has the machine's power in its hands while nobody is logged in.
    #[arg(long, value_name = "ACCOUNT", default_value = "greeter")]
    greeter: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let options = Options::parse();

    let sessions = Sessions::default();
    let manager = Manager::new(
        sessions.clone(),
        options.control.clone(),
        options.power_state,
        sessions::account_uid(&options.greeter),
    );
    let connection = zbus::connection::Builder::system()
        .serve_at(manager::PATH, manager)
        .build()
        .await
        .context("cannot connect to the system bus")?;
    // The first sessions are known before the name is taken.
    let follow = sessions::follow(&connection, &sessions, &options.control).await?;
    connection
        .request_name(manager::NAME)
        .await
        .with_context(|| {
            format!(
                "cannot own {} (is another login daemon running?)",
                manager::NAME
            )
        })?;
    info!("sessions, inhibitors and power are on the system bus");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = connection.closed() => bail!("the system bus closed the connection"),
        result = follow => result.context("PID 1 does not tell about sessions any more")?,
    }
    // The thread that listens to PID 1 is in the middle of a read.
    std::process::exit(0)
}
