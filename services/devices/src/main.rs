//! `argos-devices`: how loud and how bright this machine is, on the system bus.
//!
//! * [`service`]: `org.argos.Devices1`, and who may change what.
//! * [`backend`]: what the service needs of a machine, as traits. Other kinds of machines get other
//!   back ends; nothing above knows of ALSA or sysfs.
//! * [`mixer`]: sound by ALSA's mixers. [`loudness`]: their steps as the ear hears them.
//! * [`backlight`]: the screen's light by the kernel's backlight class.
//!
//! Nothing is kept: what is asked is read from the device, and devices may come and go.

mod backend;
mod backlight;
mod loudness;
mod mixer;
mod service;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::backlight::Backlight;
use crate::mixer::Mixers;
use crate::service::Devices;

/// Serves volume and brightness on the system bus.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Where the kernel shows its devices.
    #[arg(long, value_name = "FOLDER", default_value = "/sys")]
    sys: PathBuf,
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

/// Sound and backlight files belong to root, and that is all of root that is needed. Done before
/// there is a second thread.
fn give_up_privileges() -> Result<()> {
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

async fn serve(options: Options) -> Result<()> {
    let devices = Devices::new(
        Arc::new(Mixers),
        Arc::new(Backlight::new(options.sys.join("class/backlight"))),
    );
    let connection = zbus::connection::Builder::system()
        .serve_at(service::PATH, devices)
        .build()
        .await
        .context("cannot connect to the system bus")?;
    connection
        .request_name(service::NAME)
        .await
        .with_context(|| {
            format!(
                "cannot own {} (is another argos-devices running?)",
                service::NAME
            )
        })?;
    info!("volume and brightness are on the system bus");

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = connection.closed() => bail!("the system bus closed the connection"),
    }
}
