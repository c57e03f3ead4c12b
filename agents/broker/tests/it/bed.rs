//! A person's session for one test: home, state, bus, fake model, broker.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use argos_bus::agent::AgentLinkProxy;
use argos_bus::ai::{Plan, ProposedCall};
use argos_bus::broker::Broker1Proxy;
use argos_bus::permissions::{Permissions1Proxy, Request};
use argos_bus::providers::Providers1Proxy;
use argos_bus::tools::Tools1Proxy;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use zbus::Connection;
use zbus::connection::{AuthMechanism, Builder};

/// Where the programs under test are.
pub(crate) static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();

fn program(name: &str) -> PathBuf {
    PROGRAMS.get().expect("the suite has begun").join(name)
}

/// The double of the model. `TOOL ARGUMENTS` is a plan with one call (several lines, several
/// calls); `? TEXT` asks back; `wait` takes 3 s; anything else is answered with `echo: TEXT`.
///
/// On a session, every prompt has [`PROMPT_TOKENS`], every answer as many as were asked for or are left;
/// `wait` is never answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeModel {
    waited: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    sessions: Arc<Mutex<Sessions>>,
}

/// Tokens of each prompt of a [`FakeModel`].
pub(crate) const PROMPT_TOKENS: u64 = 10;

/// The sessions that were opened, and what was asked on them.
#[derive(Debug, Default)]
struct Sessions {
    options: Vec<Value>,
    /// Class and body of each request.
    asked: Vec<(String, Value)>,
    served: tokio::task::JoinSet<()>,
}

impl FakeModel {
    /// Plans for `wait` that were made.
    pub(crate) fn waited(&self) -> usize {
        self.waited.load(Ordering::SeqCst)
    }

    /// The options of the sessions that were opened.
    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.sessions.lock().unwrap().options.clone()
    }

    /// Class and body of what was asked on them.
    pub(crate) fn asked(&self) -> Vec<(String, Value)> {
        self.sessions.lock().unwrap().asked.clone()
    }

    /// Ends all sessions, as a restart of the AI service does.
    pub(crate) async fn end_sessions(&self) {
        let mut served = std::mem::take(&mut self.sessions.lock().unwrap().served);
        served.shutdown().await;
    }

    /// Speaks HTTP as the AI service does on a session with this budget.
    async fn serve(self, stream: UnixStream, mut left: u64) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            let header = |name: &str| {
                head.lines()
                    .filter_map(|line| line.split_once(": "))
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_owned())
            };
            let length = header("content-length").map_or(0, |n| n.parse().expect("a length"));
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let (status, answer) = if head.starts_with("GET /v1/models ") {
                let model = |id: &str, kind: &str, state: &str| json!({"id": id, "kind": kind, "state": state});
                let models = [
                    model("default", "planner", "ready"),
                    model("first", "causal-lm", "available"),
                    model("loaded", "causal-lm", "ready"),
                ];
                (200, json!({"data": models}))
            } else {
                assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
                let body: Value = serde_json::from_slice(&body).expect("JSON");
                let class = header("x-argos-class").unwrap_or_default();
                let asked = (class, body.clone());
                self.sessions.lock().unwrap().asked.push(asked);
                let text = body["messages"][0]["content"].as_str().expect("a message");
                if text == "wait" {
                    std::future::pending::<()>().await;
                }
                let quota = |what: &str| {
                    (
                        429,
                        json!({"error": {"message": what, "code": "insufficient_quota"}}),
                    )
                };
                if left == 0 {
                    quota("used up")
                } else if left < PROMPT_TOKENS {
                    quota("the prompt has more tokens than are left")
                } else {
                    left -= PROMPT_TOKENS;
                    left -= body["max_tokens"].as_u64().expect("a number").min(left);
                    let message = json!({"role": "assistant", "content": format!("echo: {text}")});
                    (
                        200,
                        json!({"model": body["model"], "choices": [{"message": message}]}),
                    )
                }
            };
            let answer = answer.to_string();
            let text = format!(
                "HTTP/1.1 {status} As Said\r\nContent-Length: {}\r\nX-Argos-Budget-Left: {left}\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(text.as_bytes()).await?;
        }
    }

    /// Most plans that were in the making at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[zbus::interface(name = "org.argos.AI1")]
impl FakeModel {
    async fn plan(
        &self,
        request: String,
        tools: String,
        _context: String,
    ) -> argos_bus::Result<String> {
        let tools: Vec<String> = serde_json::from_str(&tools).expect("a list of tools");
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        if request == "wait" {
            tokio::time::sleep(Duration::from_secs(3)).await;
            self.waited.fetch_add(1, Ordering::SeqCst);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        let mut plan = Plan {
            model: "fake".into(),
            ..Plan::default()
        };
        for line in request.lines() {
            match line.split_once(' ') {
                Some(("?", question)) => plan.question = Some(question.to_owned()),
                Some((tool, arguments)) if tool.contains('.') => {
                    assert!(!tools.is_empty(), "an agent's plan is limited to its tools");
                    plan.calls.push(ProposedCall {
                        tool: tool.to_owned(),
                        arguments: serde_json::from_str(arguments).expect("arguments are JSON"),
                        confidence: 1.0,
                    });
                }
                _ => plan.reply = Some(format!("echo: {line}")),
            }
        }
        Ok(serde_json::to_string(&plan).expect("a plan is JSON"))
    }

    async fn open_session(&self, options: String) -> argos_bus::Result<zbus::wire::OwnedFd> {
        let options: Value = serde_json::from_str(&options).expect("options are JSON");
        let budget = options["budget_tokens"].as_u64().expect("a budget");
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket");
        ours.set_nonblocking(true).expect("a socket");
        let ours = UnixStream::from_std(ours).expect("a socket");
        let mut sessions = self.sessions.lock().unwrap();
        sessions.options.push(options);
        let serving = self.clone().serve(ours, budget);
        sessions.served.spawn(async {
            // Whoever is at the other end may go at any time.
            let _ = serving.await;
        });
        Ok(std::os::fd::OwnedFd::from(theirs).into())
    }
}

/// The double of the memory. It says what it is asked to remember; `slow` takes 2 s, `never` for ever.
pub(crate) struct FakeMemory(pub(crate) mpsc::UnboundedSender<String>);

#[zbus::interface(name = "org.argos.Memory1")]
impl FakeMemory {
    async fn remember(
        &self,
        _kind: String,
        _owner: String,
        text: String,
        _tags: Vec<String>,
    ) -> argos_bus::Result<u64> {
        // The test may have seen enough.
        let _ = self.0.send(text.clone());
        match text.as_str() {
            "slow" => tokio::time::sleep(Duration::from_secs(2)).await,
            "never" => std::future::pending().await,
            _ => {}
        }
        Ok(7)
    }
}

/// One person's session. Everything ends when it is dropped.
pub(crate) struct Bed {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) bus: Connection,
    pub(crate) address: String,
    pub(crate) broker: Option<Child>,
    pub(crate) model: FakeModel,
    answer_time: f64,
    tool_time: f64,
    /// Seconds after which a tool worker counts as idle.
    pub(crate) worker_idle: f64,
    /// Whether the broker has to go by process numbers: this host's bus or kernel is older than what
    /// hands out more.
    pub(crate) by_process_number: bool,
    _daemon: Child,
    _model: Connection,
}

impl Bed {
    /// With a broker whose questions expire after this many seconds.
    pub(crate) async fn new(answer_time: f64) -> Self {
        Self::with_tool_time(answer_time, 30.0).await
    }

    /// The same, with tools that may run for this many seconds.
    pub(crate) async fn with_tool_time(answer_time: f64, tool_time: f64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        std::fs::create_dir_all(home.join("Documents/letters")).expect("a home");
        std::fs::write(home.join("Documents/budget.ods"), "42").expect("a file");
        std::fs::write(home.join("Documents/letters/anna.txt"), "Dear Anna").expect("a file");
        std::fs::write(home.join("secret.txt"), "the secret").expect("a file");
        let shipped = folder.path().join("agents/steward");
        std::fs::create_dir_all(&shipped).expect("a folder");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../library/steward/agent.yaml");
        std::fs::copy(manifest, shipped.join("agent.yaml")).expect("the shipped agent");
        let address = format!("unix:path={}/bus", folder.path().display());
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .arg(format!("--address={address}"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("dbus-daemon is installed");
        let out = daemon.stdout.take().expect("its output");
        BufReader::new(out)
            .lines()
            .next_line()
            .await
            .expect("its address")
            .expect("its address");
        let connect = || zbus::connection::Builder::address(address.as_str()).build();
        let bus = connect().await.expect("the bus");
        let credentials = zbus::fdo::DBusProxy::new(&bus)
            .await
            .expect("the bus")
            .get_connection_credentials(bus.unique_name().expect("a name").clone().into())
            .await
            .expect("who this is");
        let by_process_number = credentials.process_fd().is_none();
        let model = FakeModel::default();
        let connection = connect().await.expect("the bus");
        connection
            .object_server()
            .at("/org/argos/AI1", model.clone())
            .await
            .expect("the fake model");
        connection
            .request_name("org.argos.AI1")
            .await
            .expect("the fake model");
        let mut bed = Self {
            folder,
            bus,
            address,
            broker: None,
            model,
            answer_time,
            tool_time,
            worker_idle: 60.0,
            by_process_number,
            _daemon: daemon,
            _model: connection,
        };
        bed.start_broker().await;
        bed
    }

    /// Where a program of ours is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        program(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn agents(&self) -> PathBuf {
        self.folder.path().join("agents")
    }

    /// Where the system's tool providers are declared.
    pub(crate) fn providers(&self) -> PathBuf {
        self.folder.path().join("tools")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home().join(".local/state/argos")
    }

    /// A program of ours in this session that knows where the agents are.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = self.plain_command(name);
        command.arg("--agents").arg(self.agents());
        command
    }

    /// A program of ours in this session.
    pub(crate) fn plain_command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env(
                "RUST_LOG",
                std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".into()),
            )
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    pub(crate) fn broker_command(&self) -> Command {
        let mut command = self.command("argos-broker");
        command
            .arg("--direct")
            .arg("--programs")
            .arg(PROGRAMS.get().expect("the suite has begun"))
            .arg("--providers")
            .arg(self.providers())
            .arg(format!("--answer-time={}", self.answer_time))
            .arg(format!("--tool-time={}", self.tool_time))
            .arg(format!("--worker-idle={}", self.worker_idle))
            .args(self.by_process_number.then_some("--by-process-number"));
        command
    }

    pub(crate) async fn start_broker(&mut self) {
        self.broker = Some(self.broker_command().spawn().expect("the broker"));
        self.wait_for_name("org.argos.Broker1", true).await;
    }

    /// `kill -9`.
    pub(crate) async fn kill_broker(&mut self) {
        let mut broker = self.broker.take().expect("a broker");
        broker.kill().await.expect("the broker can be killed");
        self.wait_for_name("org.argos.Broker1", false).await;
    }

    pub(crate) async fn wait_for_name(&self, name: &str, present: bool) {
        let bus = zbus::fdo::DBusProxy::new(&self.bus).await.expect("the bus");
        eventually(&format!("{name} present: {present}"), async || {
            let there = bus
                .name_has_owner(name.try_into().expect("a name"))
                .await
                .ok()?;
            (there == present).then_some(())
        })
        .await;
    }

    pub(crate) async fn broker1(&self) -> Broker1Proxy<'_> {
        Broker1Proxy::new(&self.bus).await.expect("the broker")
    }

    pub(crate) async fn permissions1(&self) -> Permissions1Proxy<'_> {
        Permissions1Proxy::new(&self.bus).await.expect("the broker")
    }

    pub(crate) async fn tools1(&self) -> Tools1Proxy<'_> {
        Tools1Proxy::new(&self.bus).await.expect("the broker")
    }

    pub(crate) async fn start_steward(&self) {
        let folder = self.agents().join("steward");
        self.broker1()
            .await
            .start_agent(&folder.display().to_string())
            .await
            .expect("steward starts");
    }

    /// The broker waits until it can deliver; then the reply to this message.
    pub(crate) async fn ask(&self, id: u64, text: &str) -> String {
        self.ask_agent("steward", id, text).await
    }

    /// The same, of another agent.
    pub(crate) async fn ask_agent(&self, agent: &str, id: u64, text: &str) -> String {
        let broker = self.broker1().await;
        let mut replies = broker.receive_replied().await.expect("a stream");
        eventually("the message is delivered", async || {
            broker.deliver(agent, id, "person", text).await.ok()
        })
        .await;
        loop {
            let signal = replies.next().await.expect("a reply");
            let args = signal.args().expect("a reply");
            if *args.in_reply_to() == id {
                return args.text().to_string();
            }
        }
    }

    /// Asks, and answers the one question that this raises.
    pub(crate) async fn ask_and_answer(
        &self,
        id: u64,
        text: &str,
        decision: &str,
    ) -> (String, Request) {
        self.answering(self.ask(id, text), decision).await
    }

    /// Does something and answers the one question that this raises.
    pub(crate) async fn answering<T>(
        &self,
        doing: impl Future<Output = T>,
        decision: &str,
    ) -> (T, Request) {
        let permissions = self.permissions1().await;
        let mut requests = permissions.receive_requested().await.expect("a stream");
        let answer = async {
            let signal = requests.next().await.expect("a question");
            let request = signal.args().expect("a question").request().clone();
            permissions
                .answer(request.id, decision)
                .await
                .expect("the answer is taken");
            request
        };
        tokio::join!(doing, answer)
    }

    /// A place as an agent has one, of the program `mcp-client:tester`.
    pub(crate) async fn client(&self) -> (Connection, AgentLinkProxy<'static>) {
        let providers = Providers1Proxy::new(&self.bus).await.expect("the broker");
        let socket = providers.open_client("tester").await.expect("a place");
        let socket = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(socket));
        let connection = Builder::unix_stream(socket)
            .p2p()
            .auth_mechanism(AuthMechanism::Anonymous)
            .build()
            .await
            .expect("the broker's end");
        let link = AgentLinkProxy::new(&connection).await.expect("the link");
        (connection, link)
    }

    /// Serves a memory on the bus; what it is asked to remember comes out of the receiver.
    pub(crate) async fn serve_memory(&self) -> mpsc::UnboundedReceiver<String> {
        let (asked, receiver) = mpsc::unbounded_channel();
        self.bus
            .object_server()
            .at("/org/argos/Memory1", FakeMemory(asked))
            .await
            .expect("the fake memory");
        self.bus
            .request_name("org.argos.Memory1")
            .await
            .expect("the fake memory");
        receiver
    }

    /// Memory that the broker has, in bytes.
    pub(crate) fn broker_memory(&self) -> u64 {
        let pid = self.broker.as_ref().and_then(Child::id).expect("a broker");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().nth(1));
        kib.and_then(|n| n.parse::<u64>().ok()).expect("a number") << 10
    }

    /// Every audit row of a call.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let mut rows = self.audit_log();
        rows.retain(|row| row.get("event").is_none());
        rows
    }

    /// Every audit row, the log's own included.
    pub(crate) fn audit_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state().join("audit.jsonl"));
        let text = text.expect("an audit log");
        // What stands behind the last end of a line is a row that is being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|l| serde_json::from_str(l).expect("an audit row is JSON"))
            .collect()
    }

    /// Processes of this session whose command line has this word.
    pub(crate) fn processes(&self, word: &str) -> Vec<i32> {
        let programs = PROGRAMS
            .get()
            .expect("the suite has begun")
            .display()
            .to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.starts_with(&format!("{programs}/{word}")) {
                found.push(pid);
            }
        }
        found
    }
}

/// `files.list` of a path, as the fake model understands it.
pub(crate) fn list(path: &Path) -> String {
    format!("files.list {}", serde_json::json!({"path": path}))
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
}

/// How long anything may take on a machine that does much else; only what hangs takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Polls until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "this never came: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
