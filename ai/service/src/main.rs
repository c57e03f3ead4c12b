//! The AI service: `org.argos.AI1`, local models for everybody on the machine.
//!
//! A thin shell around `argos-engine`: [`lane`] gives inference its threads and bounded queues,
//! [`interface`] is the D-Bus side, [`events`] streams generated text into a passed fd. A missing
//! model or library is no reason to be down: the service says what is missing when it is asked.

mod events;
mod interface;
mod lane;
mod statistics;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use interface::{Ai, PATH};

/// Local models on the bus: requests to tool calls, embeddings, text.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Bus to serve on: `system`, `session` or a D-Bus address.
    #[arg(long, default_value = "system", value_name = "BUS")]
    bus: String,
    /// Folder of model folders; may be given several times, later ones win.
    #[arg(
        long,
        value_name = "DIR",
        default_values = ["/usr/share/argos/models", "/var/lib/argos/models"]
    )]
    models: Vec<PathBuf>,
    /// Model that plans and embeds.
    #[arg(long, default_value = "default", value_name = "ID")]
    default: String,
}

// One thread is enough for the bus: inference has threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let arguments = Arguments::parse();
    let (states, changes) = tokio::sync::mpsc::unbounded_channel();
    let ai = Ai::new(arguments.models, arguments.default, states);
    let service = Arc::clone(ai.service());
    let builder = match arguments.bus.as_str() {
        "system" => zbus::connection::Builder::system(),
        "session" => zbus::connection::Builder::session(),
        address => zbus::connection::Builder::address(address),
    };
    let connection = builder
        .serve_at(PATH, ai)
        .build()
        .await
        .with_context(|| format!("cannot connect to the {} bus", arguments.bus))?;
    // Ready means reachable. The default model is loaded meanwhile, and requests wait for it.
    service.load_default();
    connection.request_name("org.argos.AI1").await.context(
        "cannot own org.argos.AI1 (is another argos-ai running, or the bus policy missing?)",
    )?;
    tracing::info!("serving org.argos.AI1");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = interface::announce(connection.clone(), changes) => {}
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        () = connection.closed() => anyhow::bail!("the bus closed the connection"),
    }
    // Inference threads may be in the middle of a pass, which nobody waits for any more.
    std::process::exit(0);
}
