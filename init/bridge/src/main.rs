//! `argos-init-bridge`: the supervisor on D-Bus.
//!
//! PID 1 and the person's supervisor know no D-Bus; they have a control socket. This service
//! stands between the two, one instance on the system bus and one (`--user`) on the session bus:
//!
//! * [`mirror`]: `org.argos.Init1`, the units as the supervisor reports them, and who may change them.
//! * [`names`]: tells the supervisor which bus names have owners, for `ready: {dbus: …}`.
//! * [`activation`]: owns `org.freedesktop.systemd1` and starts a unit where `dbus-daemon
//!   --systemd-activation` asks for a service, so that activated services are supervised as well.
//!
//! Nothing is kept here. If the bus or the supervisor goes away, the bridge ends and is started anew.

mod activation;
mod mirror;
mod names;
mod notify;
mod supervisor;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::supervisor::Supervisor;

/// Shows the supervisor's units on D-Bus and starts services that the bus asks for.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Bridge this person's supervisor and session bus instead of PID 1 and the system bus.
    #[arg(long)]
    user: bool,
    /// Talk to the supervisor at this socket.
    #[arg(long, value_name = "SOCKET")]
    control: Option<std::path::PathBuf>,
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

    let supervisor = match options.control {
        Some(path) => Supervisor::at(path),
        None if options.user => Supervisor::of_person()?,
        None => Supervisor::system(),
    };
    let access = if options.user {
        mirror::Access::Person
    } else {
        mirror::Access::RootOrSeat
    };
    let builder = if options.user {
        zbus::connection::Builder::session()
    } else {
        zbus::connection::Builder::system()
    };
    let connection = builder
        .serve_at(mirror::PATH, mirror::Init::new(supervisor.clone(), access))
        .build()
        .await
        .context("cannot connect to the message bus")?;

    // Everything listens before a name is taken: whoever sees the name finds it complete.
    let names = names::watch(&connection, &supervisor).await?;
    let activation = activation::serve(&connection, &supervisor).await?;
    let changes = mirror::follow(&connection, &supervisor)?;
    for name in [activation::NAME, mirror::NAME] {
        connection.request_name(name).await.with_context(|| {
            format!("cannot own {name} on the bus (is another bridge running?)")
        })?;
    }
    notify::ready();
    info!(
        "units are on the {} bus",
        if options.user { "session" } else { "system" }
    );

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = connection.closed() => bail!("the message bus closed the connection"),
        result = names => result.context("bus names cannot be reported any more"),
        result = activation => result.context("activation requests cannot be heard any more"),
        result = changes => result.context("changes of units cannot be shown any more"),
    }
}
