//! The memory service: `org.argos.Memory1`, one person's memories on their session bus.
//!
//! A thin shell around the library: [`interface`] is the D-Bus side, [`embedder`] asks the AI service
//! for vectors, [`inspector`] looks at a possibly damaged store from a process of its own (this program
//! again, with `check` or `salvage`), [`host`] is what differs between hosts.

mod embedder;
mod host;
mod inspector;
mod interface;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use argos_memory::recovery::{self, Step};
use argos_memory::{Error, Store};
use clap::{Parser, Subcommand};

use embedder::Embedder;
use interface::Memories;

/// What was said and done, searchable by meaning.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Bus to serve on: `system`, `session` or a D-Bus address.
    #[arg(long, default_value = "session", value_name = "BUS")]
    bus: String,
    /// Bus that the AI service is on: `system`, `session` or a D-Bus address.
    #[arg(long, default_value = "system", value_name = "BUS")]
    ai_bus: String,
    /// Folder of the store [default: $XDG_STATE_HOME/argos/memory or ~/.local/state/argos/memory]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    task: Option<Task>,
}

/// What this program does for itself in a process of its own.
#[derive(Debug, Subcommand)]
enum Task {
    /// Say whether a store is sound (status 0), damaged (3) or neither can be told (1).
    Check {
        /// Folder of the store.
        store: PathBuf,
    },
    /// Print what can be read of a damaged store; for the service itself.
    #[command(hide = true)]
    Salvage {
        /// Folder of a copy of the store.
        store: PathBuf,
        /// First number to try.
        from: u64,
    },
}

/// Status of `check` for a damaged store.
const DAMAGED: u8 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.task {
        Some(Task::Check { store }) => Ok(check(&store)),
        Some(Task::Salvage { store, from }) => {
            salvage(&store, from);
            Ok(ExitCode::SUCCESS)
        }
        None => serve(arguments).map(|()| ExitCode::SUCCESS),
    }
}

fn check(store: &Path) -> ExitCode {
    match recovery::check(store) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e}");
            ExitCode::from(if matches!(e, Error::Corrupt { .. }) {
                DAMAGED
            } else {
                1
            })
        }
    }
}

fn salvage(store: &Path, from: u64) {
    let mut out = std::io::stdout().lock();
    recovery::salvage(store, from, &mut |step| {
        let line = match step {
            Step::Try(id) => id.to_string(),
            Step::Read(record) => serde_json::to_string(&record).unwrap_or_default(),
        };
        // Each line at once: the next one may never come.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    });
}

/// The store's folder where none is named.
fn default_state() -> anyhow::Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let state = set("XDG_STATE_HOME")
        .filter(|p| p.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME is set; name a folder with --state")?;
    Ok(state.join("argos/memory"))
}

fn open(path: &Path) -> anyhow::Result<Store> {
    let time = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let (store, recovered) = recovery::open(path, &inspector::Subprocess, &time)
        .with_context(|| format!("cannot open the memory store in {}", path.display()))?;
    if let Some(recovered) = recovered {
        tracing::error!(
            "the memory store was damaged: {}. {} memories were carried over into a new one; the damaged \
             one is kept in {}",
            recovered.reason,
            recovered.salvaged,
            recovered.aside.display()
        );
    }
    Ok(store)
}

// One thread for the bus; the disk is waited for on threads of its own.
#[tokio::main(flavor = "current_thread")]
async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let path = match arguments.state {
        Some(path) => path,
        None => default_state()?,
    };
    // In its long form, so that `memory.new` and the like lie beside it and not inside `.`.
    let path = std::path::absolute(&path)?;
    let store = Arc::new(open(&path)?);
    tracing::info!("{} memories in {}", store.count()?, path.display());
    let embedder = Arc::new(Embedder::new(arguments.ai_bus, Arc::clone(&store)));
    let connection = interface::on(&arguments.bus)
        .serve_at(interface::PATH, Memories::new(store, Arc::clone(&embedder)))
        .name("org.argos.Memory1")
        .build()
        .await
        .with_context(|| {
            format!(
                "cannot serve org.argos.Memory1 on the {} bus (is another argos-memory running?)",
                arguments.bus
            )
        })?;
    tracing::info!("serving org.argos.Memory1");
    let end = host::end()?;
    tokio::select! {
        () = embedder.run() => {}
        how = end => tracing::info!("{how}"),
        () = connection.closed() => anyhow::bail!("the bus closed the connection"),
    }
    Ok(())
}
