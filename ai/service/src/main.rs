//! The AI service: `org.argos.AI1`, local models for everybody on the machine.
//!
//! A thin shell around `argos-engine`: [`service`] has the models, [`lane`] gives inference its threads and
//! bounded queues. In front of it are [`interface`], the D-Bus side ([`events`] streams generated text into
//! a passed fd), and [`http`], the OpenAI-compatible API. A missing model or library is no reason to be
//! down: the service says what is missing when it is asked.

mod events;
mod http;
mod interface;
mod lane;
mod parking;
mod service;
mod statistics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use argos_engine::causal::{Limits, ParkedFolder};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use http::{Front, Shared, Token};
use interface::{Ai, PATH};
use service::{Service, Settings};

/// Threads that prepare requests and read files beside the one that serves everybody.
const BLOCKING_THREADS: usize = 4;

/// Local models on the bus and over HTTP: requests to tool calls, embeddings, text.
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
    /// Unix socket for the HTTP API; everybody who may enter its folder may use it.
    #[arg(long, value_name = "PATH")]
    http: Option<PathBuf>,
    /// Loopback address for the HTTP API, for example 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "http_token_file")]
    http_tcp: Option<SocketAddr>,
    /// File with the token that clients over TCP have to show.
    #[arg(long, value_name = "FILE", requires = "http_tcp")]
    http_token_file: Option<PathBuf>,
    /// Bytes of memory for all models together; without it a model is loaded where the machine has room.
    #[arg(long, value_name = "BYTES")]
    memory_budget: Option<u64>,
    /// Seconds after which a model that nobody asks for is unloaded; 0: never.
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    idle_unload: u64,
    /// Folder for requests that have to wait and do not fit into memory; it is made this user's alone.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Bytes that may be in that folder.
    #[arg(long, default_value_t = 1 << 30, value_name = "BYTES", requires = "cache")]
    cache_limit: usize,
    /// Bytes of such requests that each model keeps in memory.
    #[arg(long, default_value_t = Limits::default().parked_bytes, value_name = "BYTES", hide = true)]
    parked_memory: usize,
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    // One thread is enough for bus and HTTP: inference has threads of its own.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?
        .block_on(serve(Arguments::parse()))
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let (news, announced) = tokio::sync::mpsc::unbounded_channel();
    let settings = Settings {
        models: arguments.models,
        default: arguments.default,
        memory_budget: arguments.memory_budget,
        idle_unload: (arguments.idle_unload > 0)
            .then(|| Duration::from_secs(arguments.idle_unload)),
        cache: arguments.cache.and_then(|folder| {
            parking::prepare(&folder)
                .inspect_err(|e| tracing::warn!("requests are parked in memory only: {e:#}"))
                .ok()?;
            Some(ParkedFolder::new(folder, arguments.cache_limit))
        }),
        parked_bytes: arguments.parked_memory,
    };
    let service = Service::new(settings, news);
    let front = Front::new(Shared::new(Arc::clone(&service)));
    // What is wrong with these is said before anybody is told that the service is ready.
    let unix = match &arguments.http {
        Some(path) => Some(http::listen_unix(path)?),
        None => None,
    };
    let tcp = match (arguments.http_tcp, &arguments.http_token_file) {
        (Some(address), Some(file)) => {
            let token = Token::read(file)?;
            Some((http::listen_tcp(address).await?, Arc::new(token)))
        }
        _ => None,
    };
    let builder = match arguments.bus.as_str() {
        "system" => zbus::connection::Builder::system(),
        "session" => zbus::connection::Builder::session(),
        address => zbus::connection::Builder::address(address),
    };
    let connection = builder
        .serve_at(PATH, Ai::new(Arc::clone(&service), front.clone()))
        .build()
        .await
        .with_context(|| format!("cannot connect to the {} bus", arguments.bus))?;
    // Ready means reachable. The default model is loaded meanwhile, and requests wait for it.
    service.load_default();
    if let (Some(listener), Some(path)) = (unix, &arguments.http) {
        tracing::info!("serving HTTP on {}", path.display());
        tokio::spawn(front.clone().unix(listener));
    }
    if let Some((listener, token)) = tcp {
        tracing::info!("serving HTTP on {}", listener.local_addr()?);
        tokio::spawn(front.tcp(listener, token));
    }
    tokio::spawn(Arc::clone(&service).unload_idle());
    connection.request_name("org.argos.AI1").await.context(
        "cannot own org.argos.AI1 (is another argos-ai running, or the bus policy missing?)",
    )?;
    tracing::info!("serving org.argos.AI1");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = interface::announce(connection.clone(), announced) => {}
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        () = connection.closed() => anyhow::bail!("the bus closed the connection"),
    }
    // Inference threads may be in the middle of a pass, which nobody waits for any more.
    std::process::exit(0);
}
