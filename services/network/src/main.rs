//! `argos-network`: the machine's links to others, and whether it may have any.
//!
//! * [`service`]: `org.argos.Network1`, and who may change what.
//! * [`switch`]: the switch itself: what is taken down, kept down and brought back.
//! * [`kept`]: what of it outlives a restart.
//! * [`links`]: links, addresses and routes, by rtnetlink.
//!
//! The service configures no network: it takes links down and brings back what it took. Where nobody
//! ever used the switch it changes nothing.

mod kept;
mod links;
mod service;
mod switch;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::links::Links;
use crate::switch::Switch;

/// Serves the network's state and switch on the system bus.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where the switch's position is kept.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/argos-network/state.json"
    )]
    state: PathBuf,
}

fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let options = Options::parse();
    give_up_privileges().context("root's privileges cannot be given up")?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(serve(options))
}

/// Keeps what links need, no more. Done before there is a second thread.
fn give_up_privileges() -> Result<()> {
    set_no_new_privs(true)?;
    // A test's own network namespace may belong to somebody without it; then it is missed there.
    let held = rustix::thread::capabilities(None)?.permitted;
    let kept = held & CapabilitySet::NET_ADMIN;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

async fn serve(options: Options) -> Result<()> {
    let (links, changes) = Links::open().context("the kernel's links cannot be seen")?;
    let switch = Arc::new(Switch::open(links, options.state));
    // What was off stays off, whether there is a bus or not.
    switch.settle().await;
    let guard = Arc::clone(&switch).guard(changes);

    let connection = zbus::connection::Builder::system()
        .serve_at(service::PATH, service::Network::new(Arc::clone(&switch)))
        .build()
        .await
        .context("cannot connect to the system bus")?;
    connection
        .request_name(service::NAME)
        .await
        .with_context(|| {
            format!(
                "cannot own {} (is another argos-network running?)",
                service::NAME
            )
        })?;
    info!("the network is on the system bus");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = guard => bail!("the kernel does not tell of links any more"),
        () = connection.closed() => bail!("the system bus closed the connection"),
    }
}
