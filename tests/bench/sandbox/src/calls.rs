//! A tool call there and back: agent, broker, a trivial tool, agent; beside MCP servers over stdio with the
//! same tool.
//!
//! A hundred agents, each a sandboxed process of its own under a real broker, call now and then, so that
//! the calls of many meet, but do not wait in a queue that only tells how many processors there are. The
//! peers do the same: a hundred clients at the same pace, each with its server, as a server over stdio has
//! one client. They have it easier: the clients are threads of one process, and there is no sandbox, no
//! permission and no audit log. A single server that is called every 20 ms, and so has everything in the
//! caches, is shown as well.
#![allow(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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

/// A caller's first calls load what later ones find loaded.
const FIRST: usize = 2;

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

impl Pace {
    /// That of a caller among many: no two at the same moment.
    fn of(number: usize) -> Self {
        let every = 600;
        Self {
            calls: 20,
            every,
            after: (number as u64 * 37) % every,
        }
    }
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
    println!("{:28}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99");
    let row = |name: &str, times: &mut [f64]| {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| quantile(times, share));
        println!("{name:28}{p50:9.3}{p90:9.3}{p99:9.3}");
        (p50, p99)
    };
    let (p50, p99) = row("agent and broker", &mut ours);
    let mut good = p50 <= BARS.0 && p99 <= BARS.1;
    println!("bars: p50 {} ms, p99 {} ms", BARS.0, BARS.1);
    if let Some(folder) = &options.peers {
        let python = [folder.join("python/bin/python"), folder.join("server.py")];
        let node = [PathBuf::from("node"), folder.join("server.mjs")];
        for (name, [program, script]) in [("MCP, Python", python), ("MCP, TypeScript SDK", node)] {
            let mut times =
                peers(&program, &script, options.agents).with_context(|| name.to_owned())?;
            let (theirs, _) = row(name, &mut times);
            println!("{name} / ours: {:.1} (bar {TIMES})", theirs / p50);
            good &= theirs / p50 >= TIMES;
            let alone = Pace {
                calls: 200,
                every: 20,
                after: 0,
            };
            let mut times = Peer::start(&program, &script)?.calls(alone)?;
            row(&format!("{name}, alone"), &mut times.split_off(FIRST));
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
    // Everybody begins when the last one is up.
    let up = 40 * options.agents as u64 + 3000;
    let begin = Instant::now();
    for number in 0..options.agents {
        let home = path("agents").join(format!("caller-{number}"));
        fs::create_dir_all(&home)?;
        fs::copy(&own, home.join("run"))?;
        let gone = u64::try_from(begin.elapsed().as_millis()).unwrap_or(up);
        let pace = Pace::of(number);
        let after = up.saturating_sub(gone) + pace.after;
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
        let heard: Vec<f64> =
            serde_json::from_str(text).with_context(|| format!("an agent says: {text}"))?;
        times.extend(&heard[FIRST..]);
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

/// An MCP server over stdio, which as such serves the one client that started it.
struct Peer {
    write: ChildStdin,
    read: BufReader<ChildStdout>,
    asked: u64,
    _child: Ends,
}

impl Peer {
    fn start(program: &Path, script: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let write = child.stdin.take().context("its input")?;
        let read = BufReader::new(child.stdout.take().context("its output")?);
        let mut peer = Self {
            write,
            read,
            asked: 0,
            _child: Ends(child),
        };
        peer.ask(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"},
            }),
        )?;
        peer.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(peer)
    }

    fn send(&mut self, message: Value) -> Result<()> {
        self.write.write_all(format!("{message}\n").as_bytes())?;
        Ok(self.write.flush()?)
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.asked += 1;
        let id = self.asked;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        loop {
            let mut line = String::new();
            ensure!(self.read.read_line(&mut line)? > 0, "it ended");
            let message: Value = serde_json::from_str(&line)?;
            if message["id"] == id {
                ensure!(message.get("error").is_none(), "{message}");
                return Ok(message);
            }
        }
    }

    /// Calls the tool at that pace. Returns how long each call took, in milliseconds.
    fn calls(&mut self, pace: Pace) -> Result<Vec<f64>> {
        std::thread::sleep(Duration::from_millis(pace.after));
        let mut times = Vec::new();
        for _ in 0..pace.calls {
            let begin = Instant::now();
            let said = self.ask("tools/call", json!({"name": "uptime", "arguments": {}}))?;
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
            ensure!(said.to_string().contains("seconds"), "{said}");
            std::thread::sleep(Duration::from_millis(pace.every));
        }
        Ok(times)
    }
}

/// What the agents do, with an MCP server each.
fn peers(program: &Path, script: &Path, count: usize) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Peer::start(program, script)?);
    }
    std::thread::scope(|scope| {
        let calling: Vec<_> = (all.iter_mut().enumerate())
            .map(|(number, peer)| {
                let pace = Pace::of(number);
                scope.spawn(move || peer.calls(pace))
            })
            .collect();
        let mut times = Vec::new();
        for calls in calling {
            let calls = calls.join().ok().context("a client panicked")??;
            times.extend(&calls[FIRST..]);
        }
        Ok(times)
    })
}
