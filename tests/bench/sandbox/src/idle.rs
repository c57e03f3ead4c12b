//! Many agents that wait for something to do: the memory that each of them costs.
//!
//! Every agent is the system's own runtime in the sandbox that the broker gives it, with all processes
//! that belong to it, connected to something that speaks as the broker does and has no work for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use argos_broker::sandbox::{self, Programs};
use argos_broker::spawn::{self, Direct, Spawner};
use zbus::connection::{AuthMechanism, Builder};

use crate::median;

/// Most private memory of an idle agent, in bytes.
const BAR: f64 = 2e6;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The static `argos-exec`.
    #[arg(long, value_name = "FILE")]
    exec: PathBuf,
    /// `argos-agent`, the runtime.
    #[arg(long, value_name = "FILE")]
    agent: PathBuf,
    /// How many agents.
    #[arg(long, default_value_t = 1000)]
    count: usize,
}

/// A broker that has nothing to say.
struct Silence {
    describe: String,
}

#[zbus::interface(name = "org.argos.Agent1")]
impl Silence {
    async fn describe(&self) -> String {
        self.describe.clone()
    }

    async fn set_state(&self, _state: String, _detail: String) {}

    async fn next_message(&self) -> (u64, String, String) {
        std::future::pending().await
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(measure(options))
}

async fn measure(options: &Options) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    // Where the broker looks for its programs.
    let programs = folder.path().join("bin");
    fs::create_dir(&programs)?;
    fs::copy(&options.agent, programs.join("argos-agent")).context("argos-agent")?;
    fs::copy(&options.exec, programs.join("argos-exec")).context("argos-exec")?;
    let programs = Programs { folder: programs };
    let spawner: Arc<dyn Spawner> = Arc::new(Direct::new(programs.exec()));

    let mut connections = Vec::new();
    let begin = std::time::Instant::now();
    for number in 0..options.count {
        let name = format!("idle-{number}");
        let home = folder.path().join(&name);
        fs::create_dir_all(home.join("workspace"))?;
        fs::write(
            home.join("agent.yaml"),
            format!("name: {name}\ntitle: Idle\ntools: [system.info]\n"),
        )?;
        let agent = argos_broker::manifest::load(&home)?;
        let launch = sandbox::agent(&agent, &programs, &home.join("workspace"), false)?;
        let started = spawn::start(&spawner, launch).await?;
        let stream = std::os::unix::net::UnixStream::from(started.socket);
        let describe = serde_json::json!({
            "name": name, "title": "Idle", "persona": "", "goals": [], "tools": [],
        });
        let silence = Silence {
            describe: describe.to_string(),
        };
        let connection = Builder::unix_stream(stream)
            .server(zbus::Guid::generate())
            .p2p()
            .auth_mechanism(AuthMechanism::Anonymous)
            .serve_at("/org/argos/Agent1", silence)
            .build();
        let connection = tokio::time::timeout(Duration::from_secs(30), connection)
            .await
            .with_context(|| format!("{name} does not connect"))??;
        connections.push(connection);
    }
    let started = begin.elapsed();
    // They say what they are, ask for a message, and rest.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let (mut each, mut alive) = (Vec::new(), 0);
    for outer in children(std::process::id())? {
        let mut bytes = private(outer)?;
        for first in children(outer)? {
            bytes += private(first)?;
            for program in children(first)? {
                bytes += private(program)?;
                alive += 1;
            }
        }
        each.push(bytes as f64);
    }
    ensure!(
        alive == options.count,
        "{alive} of {} agents are alive",
        options.count
    );
    let most = each.iter().copied().fold(0.0, f64::max);
    let middle = median(&mut each);
    println!(
        "{} idle agents, started in {:.1} s ({:.1} ms each, connected)",
        options.count,
        started.as_secs_f64(),
        started.as_secs_f64() * 1000.0 / options.count as f64
    );
    println!(
        "private memory of one, all its processes: {:.2} MB median, {:.2} MB most (bar {} MB)",
        middle / 1e6,
        most / 1e6,
        BAR / 1e6
    );
    Ok(middle <= BAR)
}

/// The children of all threads of a process.
fn children(process: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        for word in list.split_whitespace() {
            found.push(word.parse()?);
        }
    }
    Ok(found)
}

/// Memory that only this process has, in bytes.
fn private(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(Path::new(&path)).with_context(|| path.clone())?;
    let mut sum = 0;
    for line in text.lines() {
        if let Some(rest) = line
            .strip_prefix("Private_Clean:")
            .or_else(|| line.strip_prefix("Private_Dirty:"))
        {
            let number = rest.split_whitespace().next().context("a number")?;
            sum += number.parse::<u64>()? * 1024;
        }
    }
    Ok(sum)
}
