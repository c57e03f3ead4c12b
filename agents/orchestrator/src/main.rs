//! Starts the orchestrator.

use std::path::PathBuf;

use anyhow::Context;
use argos_orchestrator::service::{Options, serve};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Agents and the conversations with them.
#[derive(Debug, Parser)]
#[command(name = "argos-orchestrator", version)]
struct Arguments {
    /// Folder of the conversations [default: ~/.local/state/argos]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Agents that come with the system
    #[arg(long, value_name = "FOLDER", default_value = "/usr/share/argos/agents")]
    agents: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,zbus=warn")),
        )
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    let arguments = Arguments::parse();
    let home = std::env::home_dir()
        .filter(|h| h.is_absolute())
        .context("the home folder is not known: whose agents are these?")?;
    serve(
        Options {
            agents: vec![arguments.agents, home.join(".local/share/argos/agents")],
            state: arguments
                .state
                .unwrap_or_else(|| home.join(".local/state/argos")),
        },
        ended(),
    )
    .await
}

/// Returns when somebody asks the program to end.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // Without a handler the default action ends the program as well.
    let _ = tokio::signal::ctrl_c().await;
}
