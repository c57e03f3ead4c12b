//! The two things that the program does: serve, and probe a sandbox.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::core::{Broker, Settings};
use crate::providers::Folders;
use crate::sandbox::Programs;
use crate::spawn::{Direct, Spawner, Supervised};
use crate::{asking, bus, call, lifecycle, manifest, sandbox, spawn, worker};

/// How the broker is run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder of grants, audit log and workspaces [default: ~/.local/state/argos]
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Agents that come with the system
    #[arg(long, value_name = "FOLDER", default_value = "/usr/share/argos/agents")]
    pub agents: PathBuf,
    /// Where tool providers are declared, later folders over earlier ones
    #[arg(
        long,
        value_name = "FOLDERS",
        value_delimiter = ':',
        default_values = ["/usr/share/argos/tools", "/etc/argos/tools"]
    )]
    pub providers: Vec<PathBuf>,
    /// Folder of argos-agent, argos-tools, argos-mcp and argos-exec
    #[arg(long, value_name = "FOLDER", default_value = "/usr/bin")]
    pub programs: PathBuf,
    /// Start agents as own children instead of through the person's supervisor (other hosts, tests)
    #[arg(long)]
    pub direct: bool,
    /// Seconds after which no answer to a question is a no
    #[arg(long, value_name = "SECONDS", default_value_t = asking::ANSWER_TIME.as_secs_f64())]
    pub answer_time: f64,
    /// Seconds after which a running tool is given up
    #[arg(long, value_name = "SECONDS", default_value_t = call::TOOL_TIME.as_secs_f64())]
    pub tool_time: f64,
    /// Seconds after which a tool worker that nobody uses is ended
    #[arg(long, value_name = "SECONDS", default_value_t = worker::IDLE.as_secs_f64(), hide = true)]
    pub worker_idle: f64,
    /// Go by the caller's process number where the session bus hands out no descriptor of it (before
    /// D-Bus 1.16 or Linux 6.5), although a number is given again (other hosts, tests)
    #[arg(long)]
    pub by_process_number: bool,
}

impl Options {
    fn settings(&self) -> anyhow::Result<Settings> {
        let home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|h| h.is_absolute())
            .context("HOME is not set to an absolute path: whose agents are these?")?;
        let answer_time = Duration::try_from_secs_f64(self.answer_time)
            .context("--answer-time must be a number of seconds")?;
        let tool_time = Duration::try_from_secs_f64(self.tool_time)
            .context("--tool-time must be a number of seconds")?;
        let worker_idle = Duration::try_from_secs_f64(self.worker_idle)
            .context("--worker-idle must be a number of seconds")?;
        Ok(Settings {
            state: self
                .state
                .clone()
                .unwrap_or_else(|| home.join(".local/state/argos")),
            providers: Folders {
                system: self.providers.clone(),
                own: home.join(".config/argos/tools"),
            },
            home,
            shipped: self.agents.clone(),
            programs: Programs {
                folder: self.programs.clone(),
            },
            answer_time,
            tool_time,
            worker_idle,
            by_process_number: self.by_process_number,
        })
    }

    fn spawner(&self, settings: &Settings) -> Arc<dyn Spawner> {
        if self.direct {
            Arc::new(Direct::new(settings.programs.exec()))
        } else {
            Arc::new(Supervised::new(None))
        }
    }
}

/// Serves until it is asked to end or the session bus goes away.
///
/// # Errors
/// The bus or the state folder cannot be used.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let settings = options.settings()?;
    let spawner = options.spawner(&settings);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let connection = zbus::Connection::session()
        .await
        .context("the session bus cannot be reached; is DBUS_SESSION_BUS_ADDRESS right?")?;
    let (broker, events) = Broker::open(settings, spawner, connection.clone())?;
    let signals = tokio::spawn(bus::signal(connection.clone(), events));
    bus::serve(&broker, &connection)
        .await
        .context("the names on the session bus cannot be taken; does another argos-broker run?")?;
    info!("ready with {} tools", broker.catalogue.names().count());
    // Tried before the first call, which says it as well.
    if let Err(e) = broker.workers.get(None).await {
        warn!("{}", e.text());
    }
    tokio::select! {
        () = connection.closed() => bail!("the session bus is gone"),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("ending");
    lifecycle::stop_all(&broker).await;
    broker.providers.end(&broker).await;
    broker.workers.end().await;
    if let Err(e) = broker.audit.commit() {
        warn!("{e}");
    }
    signals.abort();
    Ok(())
}

/// An agent by its name, and its workspace, which need not be there yet.
fn find(settings: &Settings, name: &str) -> anyhow::Result<(manifest::Agent, PathBuf)> {
    let own = settings.home.join(".local/share/argos/agents");
    let folder = [settings.shipped.as_path(), Path::new(&own)]
        .into_iter()
        .map(|f| f.join(name))
        .find(|f| manifest::name_is_valid(name) && f.is_dir())
        .with_context(|| {
            format!(
                "no agent `{name}` in {} or {}",
                settings.shipped.display(),
                own.display()
            )
        })?;
    let workspace = settings.workspace(name);
    Ok((manifest::load(&folder)?, workspace))
}

/// What an agent may do, from its manifest and its sandbox: a JSON object with `agent`, `title`,
/// `folder`, `hash`, `tools`, `permissions`, `limits`, `command`, `spec` and, in plain words, `lines`.
///
/// # Errors
/// The agent cannot be found, or its manifest cannot be used.
pub fn explain(options: &Options, name: &str) -> anyhow::Result<String> {
    let settings = options.settings()?;
    let (agent, workspace) = find(&settings, name)?;
    let launch = sandbox::agent(&agent, &settings.programs, &workspace, false)?;
    let manifest = &agent.manifest;
    let explained = serde_json::json!({
        "agent": manifest.name,
        "title": manifest.title,
        "folder": agent.folder,
        "hash": agent.hash,
        "tools": manifest.tools,
        "permissions": manifest.permissions.iter().map(|need| serde_json::json!({
            "action": need.action,
            "resource": need.resource,
        })).collect::<Vec<_>>(),
        "limits": {
            "memory": manifest.limits.memory,
            "tasks": manifest.limits.tasks,
            "cpu": manifest.limits.cpu,
            "file-size": manifest.limits.file_size,
            "workspace": manifest.limits.workspace,
            "tokens": manifest.limits.tokens,
        },
        "command": launch.argv,
        "spec": launch.spec,
        "lines": sandbox::explain(&agent, &launch),
    });
    Ok(explained.to_string())
}

/// Starts the agent's sandbox with the runtime's probe in it and returns what the probe found, a
/// JSON object.
///
/// # Errors
/// The agent cannot be found or its sandbox cannot be set up; says which rule is missing.
pub async fn probe_sandbox(options: &Options, name: &str) -> anyhow::Result<String> {
    let settings = options.settings()?;
    let (agent, workspace) = find(&settings, name)?;
    std::fs::create_dir_all(&workspace)
        .with_context(|| format!("{} cannot be made", workspace.display()))?;
    let launch = sandbox::agent(&agent, &settings.programs, &workspace, true)?;
    let unit = launch.name.clone();
    let spawner = options.spawner(&settings);
    let started = spawn::start(&spawner, launch).await?;
    let mut stream = UnixStream::from(started.socket);
    let text = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })
    .await?;
    spawn::stop(&spawner, &unit).await;
    match text {
        Ok(text) if !text.trim().is_empty() => Ok(text),
        Ok(_) => bail!(
            "the sandbox was not entered: {}",
            started.words.last("without a word").await
        ),
        Err(e) => bail!("the probe did not answer: {e}"),
    }
}
