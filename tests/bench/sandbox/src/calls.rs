//! A tool call there and back: agent, broker, a trivial tool, agent; beside MCP servers over stdio with the
//! same tool.
//!
//! A hundred agents, each a sandboxed process of its own under a real broker, call now and then, so that
//! the calls of many meet, but do not wait in a queue that only tells how many processors there are. The
//! peers have it easier: one client that calls at the same pace as one agent, no sandbox, no permission,
//! no audit log.
#![allow(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use argos_bus::agent::AgentLinkProxy;
use argos_bus::broker::Broker1Proxy;
use futures_util::StreamExt;
use serde_json::{Value, json};
use zbus::connection::{AuthMechanism, Builder};

use crate::{quantile, start};

/// Most milliseconds of the middle call, and of 99 in 100.
const BARS: (f64, f64) = (0.250, 2.0);
/// How many times faster than either peer.
const TIMES: f64 = 5.0;
/// How long everybody may take to get ready.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The static `argos-exec`.
    #[arg(long, value_name = "FILE")]
    exec: PathBuf,
    /// Folder of `argos-broker`, `argos-tools` and `argos-agent`.
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// Where `peers/install` put the peers; without it there is no comparison.
    #[arg(long, value_name = "FOLDER")]
    peers: Option<PathBuf>,
    /// How many agents.
    #[arg(long, default_value_t = 100)]
    agents: usize,
    /// Before all other programs of the machine (root).
    #[arg(long)]
    realtime: bool,
}

/// What one caller does.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Pace {
    /// Calls.
    #[arg(long, default_value_t = 20)]
    pub(crate) calls: u32,
    /// Milliseconds from one to the next.
    #[arg(long, default_value_t = 600)]
    pub(crate) every: u64,
    /// Milliseconds until the first.
    #[arg(long, default_value_t = 0)]
    pub(crate) after: u64,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.realtime {
        start::realtime()?;
    }
    let mut ours = tokio::runtime::Runtime::new()?.block_on(agents(options))?;
    println!(
        "a tool call there and back, ms; {} calls of {} agents",
        ours.len(),
        options.agents
    );
    println!("{:24}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99");
    let row = |name: &str, times: &mut [f64]| {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| quantile(times, share));
        println!("{name:24}{p50:9.3}{p90:9.3}{p99:9.3}");
        (p50, p99)
    };
    let (p50, p99) = row("agent and broker", &mut ours);
    let mut good = p50 <= BARS.0 && p99 <= BARS.1;
    println!("bars: p50 {} ms, p99 {} ms", BARS.0, BARS.1);
    if let Some(folder) = &options.peers {
        let python = [folder.join("python/bin/python"), folder.join("server.py")];
        let node = [PathBuf::from("node"), folder.join("server.mjs")];
        for (name, [program, script]) in [("MCP, Python", python), ("MCP, TypeScript SDK", node)] {
            let mut times = peer(&program, &script).with_context(|| name.to_owned())?;
            let (theirs, _) = row(name, &mut times);
            println!("{name} / ours: {:.1} (bar {TIMES})", theirs / p50);
            good &= theirs / p50 >= TIMES;
        }
    }
    Ok(good)
}

/// Ends a process with the value.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn agents(options: &Options) -> Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("bin"))?;
    for name in ["argos-broker", "argos-tools", "argos-agent"] {
        let from = options.programs.join(name);
        fs::copy(&from, path("bin").join(name)).with_context(|| from.display().to_string())?;
    }
    fs::copy(&options.exec, path("bin/argos-exec")).context("argos-exec")?;

    let address = format!("unix:path={}", path("bus").display());
    let mut daemon = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
        .arg(format!("--address={address}"))
        .stdout(Stdio::piped())
        .spawn()
        .context("dbus-daemon")?;
    let said = daemon.stdout.take().context("dbus-daemon says nothing")?;
    BufReader::new(said).read_line(&mut String::new())?;
    let _daemon = Ends(daemon);
    let broker = Command::new(path("bin/argos-broker"))
        .arg("--direct")
        .arg("--state")
        .arg(path("state"))
        .arg("--agents")
        .arg(path("agents"))
        .arg("--programs")
        .arg(path("bin"))
        .env_clear()
        .env("HOME", folder.path())
        .env("RUST_LOG", "warn")
        .env("DBUS_SESSION_BUS_ADDRESS", &address)
        .env("DBUS_SYSTEM_BUS_ADDRESS", &address)
        .spawn()
        .context("argos-broker")?;
    let _broker = Ends(broker);

    let bus = Builder::address(address.as_str()).build().await?;
    let broker = Broker1Proxy::new(&bus).await?;
    let mut replies = broker.receive_replied().await?;
    let until = Instant::now() + Duration::from_secs(10);
    let dbus = zbus::fdo::DBusProxy::new(&bus).await?;
    while !dbus.name_has_owner("org.argos.Broker1".try_into()?).await? {
        ensure!(Instant::now() < until, "argos-broker does not get ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let own = std::env::current_exe()?;
    let pace = Pace {
        calls: 20,
        every: 600,
        after: 0,
    };
    // Everybody begins when the last one is up, and no two at the same moment.
    let up = 40 * options.agents as u64 + 3000;
    let begin = Instant::now();
    for number in 0..options.agents {
        let home = path("agents").join(format!("caller-{number}"));
        fs::create_dir_all(&home)?;
        fs::copy(&own, home.join("run"))?;
        let gone = u64::try_from(begin.elapsed().as_millis()).unwrap_or(up);
        let after = up.saturating_sub(gone) + (number as u64 * 37) % pace.every;
        let manifest = json!({
            "name": format!("caller-{number}"),
            "title": "Caller",
            "tools": ["system.info"],
            "code": {"command": [
                "run", "call",
                "--calls", pace.calls.to_string(),
                "--every", pace.every.to_string(),
                "--after", after.to_string(),
            ]},
        });
        fs::write(home.join("agent.yaml"), manifest.to_string())?;
        broker.start_agent(&home.display().to_string()).await?;
    }
    let mut times = Vec::new();
    for _ in 0..options.agents {
        let reply = tokio::time::timeout(PATIENCE, replies.next())
            .await
            .context("an agent does not answer")?
            .context("the bus is gone")?;
        let text = reply.args()?.text;
        let mut heard: Vec<f64> =
            serde_json::from_str(text).with_context(|| format!("an agent says: {text}"))?;
        // Its first calls load what later ones find loaded.
        times.extend(heard.drain(2..));
    }
    Ok(times)
}

/// The agent: calls, and says how long each took, in milliseconds.
pub(crate) fn call(pace: Pace) -> Result<bool> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            // SAFETY: the broker starts agents with their socket as fd 3, and nothing else here uses it.
            let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(3) });
            let connection = Builder::unix_stream(socket)
                .p2p()
                .auth_mechanism(AuthMechanism::Anonymous)
                .build()
                .await?;
            let link = AgentLinkProxy::new(&connection).await?;
            tokio::time::sleep(Duration::from_millis(pace.after)).await;
            let mut times = Vec::new();
            for _ in 0..pace.calls {
                let begin = Instant::now();
                link.call_tool("system.info", r#"{"topic":"uptime"}"#)
                    .await?;
                times.push(begin.elapsed().as_secs_f64() * 1000.0);
                tokio::time::sleep(Duration::from_millis(pace.every)).await;
            }
            link.reply(0, &serde_json::to_string(&times)?).await?;
            connection.closed().await;
            Ok(true)
        })
}

/// The same of an MCP server.
fn peer(program: &Path, script: &Path) -> Result<Vec<f64>> {
    let mut child = Command::new(program)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut write = child.stdin.take().context("its input")?;
    let mut read = BufReader::new(child.stdout.take().context("its output")?);
    let _child = Ends(child);
    let mut send = |message: Value| -> Result<()> {
        write.write_all(format!("{message}\n").as_bytes())?;
        Ok(write.flush()?)
    };
    let mut answer = |id: u64| -> Result<Value> {
        loop {
            let mut line = String::new();
            ensure!(read.read_line(&mut line)? > 0, "it ended");
            let message: Value = serde_json::from_str(&line)?;
            if message["id"] == id {
                ensure!(message.get("error").is_none(), "{message}");
                return Ok(message);
            }
        }
    };
    send(
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        }}),
    )?;
    answer(0)?;
    send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
    let mut times = Vec::new();
    for id in 1..=220 {
        let begin = Instant::now();
        send(
            json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
                "name": "uptime", "arguments": {},
            }}),
        )?;
        let said = answer(id)?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        ensure!(said.to_string().contains("seconds"), "{said}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(times.split_off(20))
}
