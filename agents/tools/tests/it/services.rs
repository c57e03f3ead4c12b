//! Tools on services, over a real connection to a service with the real interface.

use std::sync::{Arc, Mutex};

use argos_bus::init::Unit;
use argos_bus::memory::Memory;
use argos_tools::{Code, ToolError};
use serde_json::{Value, json};

use crate::rig::Rig;

struct Init;

#[zbus::interface(name = "org.argos.Init1")]
impl Init {
    async fn list_units(&self) -> Vec<Unit> {
        let unit = |name: &str, state: &str, detail: &str| Unit {
            name: name.into(),
            description: format!("{name} service"),
            kind: "service".into(),
            wanted: true,
            state: state.into(),
            detail: detail.into(),
            pid: 1,
            restarts: 2,
            since_ms: 1_700_000_000_000,
        };
        vec![
            unit("dbus", "up", ""),
            unit("seatd", "failed", "exit status 1"),
        ]
    }

    async fn get_unit(&self, name: String) -> argos_bus::Result<Unit> {
        let known = self
            .list_units()
            .await
            .into_iter()
            .find(|unit| unit.name == name);
        known.ok_or_else(|| argos_bus::Error::NotFound(format!("there is no unit {name}")))
    }

    async fn restart_unit(&self, name: String) -> argos_bus::Result<()> {
        if name == "seatd" {
            return Err(argos_bus::Error::Failed(
                "seatd ended with status 1".to_owned(),
            ));
        }
        assert_eq!(name, "dbus");
        Ok(())
    }
}

/// login1, which a program keeps from restarting the machine.
struct Login(Arc<Mutex<Vec<&'static str>>>);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.login1")]
enum LoginError {
    #[zbus(error)]
    ZBus(zbus::Error),
    BlockedByInhibitorLock(String),
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn power_off(&self, interactive: bool) {
        assert!(!interactive);
        self.0.lock().unwrap().push("off");
    }

    async fn reboot(&self, _interactive: bool) -> Result<(), LoginError> {
        Err(LoginError::BlockedByInhibitorLock(
            "backup blocks it: it copies files".to_owned(),
        ))
    }
}

/// Two agents; `scout` answers at once, `deaf` never, and `broken` cannot.
struct Agents;

#[zbus::interface(name = "org.argos.Agents1")]
impl Agents {
    async fn list(&self) -> Vec<argos_bus::agents::Agent> {
        vec![argos_bus::agents::Agent {
            name: "scout".into(),
            title: "Sc\u{202e}out".into(),
            description: "Looks around".into(),
            state: "idle".into(),
            detail: String::new(),
            since_ms: 0,
        }]
    }

    async fn start(&self, agent: String) -> argos_bus::Result<()> {
        match agent.as_str() {
            "scout" => Ok(()),
            other => Err(argos_bus::Error::NotFound(format!(
                "there is no agent `{other}`; there are: scout"
            ))),
        }
    }

    async fn stop(&self, _agent: String) {}

    async fn relay(
        &self,
        from: Vec<String>,
        agent: String,
        text: String,
        #[zbus(signal_emitter)] emitter: zbus::object_server::SignalEmitter<'_>,
    ) -> argos_bus::Result<u64> {
        assert_eq!(from, ["steward", "librarian"]);
        let say = |role: &str, text: String| argos_bus::agents::ChatMessage {
            id: 8,
            in_reply_to: 7,
            agent: agent.clone(),
            role: role.to_owned(),
            text,
            when_ms: 0,
        };
        match agent.as_str() {
            "scout" => Self::message(&emitter, say("agent", format!("You said: {text}"))).await?,
            "broken" => Self::message(&emitter, say("system", "it ended".to_owned())).await?,
            _ => {}
        }
        Ok(7)
    }

    #[zbus(signal)]
    async fn message(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        message: argos_bus::agents::ChatMessage,
    ) -> zbus::Result<()>;
}

struct Timers;

#[zbus::interface(name = "org.argos.Timers1")]
impl Timers {
    async fn set_timer(
        &self,
        agent: String,
        duration: String,
        label: String,
    ) -> argos_bus::Result<argos_bus::timers::Timer> {
        if duration != "PT10M" {
            return Err(argos_bus::Error::InvalidArguments(format!(
                "`{duration}` is no duration; write it as PT10M"
            )));
        }
        Ok(argos_bus::timers::Timer {
            id: 3,
            kind: "timer".into(),
            agent,
            text: label,
            set_ms: 0,
            due_ms: 600_000,
        })
    }
}

struct Shell(Arc<Mutex<String>>);

#[zbus::interface(name = "org.argos.Shell1")]
impl Shell {
    async fn set_theme(&self, name: String) -> argos_bus::Result<()> {
        if name == "dark" {
            *self.0.lock().unwrap() = name;
            return Ok(());
        }
        Err(argos_bus::Error::NotFound(format!(
            "there is no theme {name}; there are dark and light"
        )))
    }
}

#[derive(Default)]
struct Store(Mutex<Vec<Memory>>);

#[zbus::interface(name = "org.argos.Memory1")]
impl Store {
    async fn remember(&self, kind: String, owner: String, text: String, tags: Vec<String>) -> u64 {
        let mut memories = self.0.lock().unwrap();
        let id = memories.len() as u64 + 1;
        memories.push(Memory {
            id,
            when_ms: 1_700_000_000_000,
            kind,
            owner,
            text,
            tags,
            score: id as f64 / 10.0,
        });
        id
    }

    async fn recall(&self, _query: String, owner: String, limit: u32) -> Vec<Memory> {
        let memories = self.0.lock().unwrap();
        let found = memories.iter().filter(|memory| memory.owner == owner);
        found.take(limit as usize).cloned().collect()
    }

    async fn forget(&self, id: u64) -> argos_bus::Result<()> {
        let mut memories = self.0.lock().unwrap();
        let before = memories.len();
        memories.retain(|memory| memory.id != id);
        if memories.len() == before {
            return Err(argos_bus::Error::NotFound(format!(
                "there is no memory {id}"
            )));
        }
        Ok(())
    }
}

struct Served {
    rig: Rig,
    theme: Arc<Mutex<String>>,
    power: Arc<Mutex<Vec<&'static str>>>,
    _peer: zbus::Connection,
}

async fn served() -> Served {
    let theme = Arc::new(Mutex::new(String::new()));
    let power = Arc::default();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let server = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/org/argos/Init1", Init)
        .serve_at("/org/argos/Shell1", Shell(Arc::clone(&theme)))
        .serve_at("/org/argos/Memory1", Store::default())
        .serve_at("/org/freedesktop/login1", Login(Arc::clone(&power)))
        .serve_at("/org/argos/Agents1", Agents)
        .serve_at("/org/argos/Timers1", Timers)
        .build();
    let client = zbus::connection::Builder::unix_stream(ours).p2p().build();
    let (server, client) = tokio::join!(server, client);
    let mut rig = Rig::new();
    let client = client.unwrap();
    rig.env.session = Some(client.clone());
    rig.env.system = Some(client);
    Served {
        rig,
        theme,
        power,
        _peer: server.unwrap(),
    }
}

impl Served {
    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        self.rig.call(tool, arguments).await
    }
}

#[tokio::test]
async fn services_are_told() {
    let served = served().await;
    let all = served.call("services.list", json!({})).await.unwrap();
    assert_eq!(all["services"].as_array().unwrap().len(), 2);
    let one = served
        .call("services.status", json!({"unit": "the Seatd service"}))
        .await
        .unwrap();
    assert_eq!(
        (&one["unit"], &one["state"], &one["detail"]),
        (&json!("seatd"), &json!("failed"), &json!("exit status 1"))
    );
    assert_eq!(one["since"], "2023-11-14T22:13:20Z");
    let error = served
        .call("services.status", json!({"unit": "seat-d"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(error.hint.contains("seatd"), "{error}");
}

#[tokio::test]
async fn the_theme_is_set_and_refusals_come_through() {
    let served = served().await;
    assert_eq!(
        served
            .call("theme.set", json!({"theme": "Dark mode"}))
            .await
            .unwrap(),
        json!({"theme": "dark"})
    );
    assert_eq!(*served.theme.lock().unwrap(), "dark");
    let error = served
        .call("theme.set", json!({"theme": "pink"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(error.why.contains("dark and light"), "{error}");
}

#[tokio::test]
async fn an_agent_remembers_for_itself_and_shares_where_it_may() {
    let mut served = served().await;
    let recalled = |result: Value| -> Vec<String> {
        result["memories"]
            .as_array()
            .unwrap()
            .iter()
            .map(|memory| memory["text"].as_str().unwrap().to_owned())
            .collect()
    };
    served
        .call("memory.remember", json!({"text": "own"}))
        .await
        .unwrap();
    served.rig.env.context.shared_memory = true;
    served
        .call("memory.remember", json!({"text": "shared", "tags": ["x"]}))
        .await
        .unwrap();
    assert_eq!(
        recalled(
            served
                .call("memory.recall", json!({"query": "x"}))
                .await
                .unwrap()
        ),
        ["shared", "own"]
    );
    served.rig.env.context.shared_memory = false;
    assert_eq!(
        recalled(
            served
                .call("memory.recall", json!({"query": "x"}))
                .await
                .unwrap()
        ),
        ["own"]
    );
    served.rig.env.context.agent = None;
    assert_eq!(
        recalled(
            served
                .call("memory.recall", json!({"query": "x"}))
                .await
                .unwrap()
        ),
        ["shared"]
    );
}

#[tokio::test]
async fn a_service_is_restarted_by_its_exact_name() {
    let served = served().await;
    let told = served
        .call("services.restart", json!({"unit": "DBus"}))
        .await
        .unwrap();
    assert_eq!(
        (&told["unit"], &told["state"]),
        (&json!("dbus"), &json!("up"))
    );
    let error = served
        .call("services.restart", json!({"unit": "seatd"}))
        .await
        .unwrap_err();
    assert!(
        error.code == Code::Failed && error.why.contains("status 1"),
        "{error}"
    );
    // Its description would do for looking at it, and not for restarting it.
    let error = served
        .call("services.restart", json!({"unit": "dbus service x"}))
        .await
        .unwrap_err();
    assert!(
        error.code == Code::NotFound && error.hint.contains("dbus"),
        "{error}"
    );
}

#[tokio::test]
async fn power_goes_through_login1_and_blocks_count() {
    let served = served().await;
    served.call("power.off", json!({})).await.unwrap();
    assert_eq!(*served.power.lock().unwrap(), ["off"]);
    let error = served.call("power.reboot", json!({})).await.unwrap_err();
    assert!(
        error.code == Code::Denied && error.why.contains("backup"),
        "{error}"
    );
}

#[tokio::test]
async fn agents_are_told_started_and_spoken_to() {
    let mut served = served().await;
    let all = served.call("agents.list", json!({})).await.unwrap();
    assert_eq!(all["agents"][0]["title"], "Scout");
    let told = served
        .call("agents.start", json!({"agent": "The Scout agent"}))
        .await
        .unwrap();
    assert_eq!(told["agent"], "scout");
    let error = served
        .call("agents.start", json!({"agent": "scoot"}))
        .await
        .unwrap_err();
    assert!(
        error.code == Code::NotFound && error.why.contains("scout"),
        "{error}"
    );
    assert_eq!(
        served
            .call("agents.stop", json!({"agent": "steward"}))
            .await
            .unwrap_err()
            .code,
        Code::InvalidArguments,
        "not itself"
    );
    served.rig.env.context.behalf = vec!["librarian".to_owned()];
    let say = |agent: &str| json!({"agent": agent, "text": "hello"});
    let told = served.call("agents.message", say("scout")).await.unwrap();
    assert_eq!(
        (&told["answered"], &told["answer"]),
        (&json!(true), &json!("You said: hello"))
    );
    let error = served
        .call("agents.message", say("broken"))
        .await
        .unwrap_err();
    assert!(error.why.contains("it ended"), "{error}");
    // Nobody waits for who waits for them.
    for agent in ["steward", "librarian"] {
        let error = served.call("agents.message", say(agent)).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidArguments, "{agent}");
    }
}

#[tokio::test]
async fn timers_are_set_and_mistakes_come_back() {
    let served = served().await;
    let told = served
        .call("timer.set", json!({"duration": "PT10M", "label": "tea"}))
        .await
        .unwrap();
    assert_eq!((&told["id"], &told["text"]), (&json!(3), &json!("tea")));
    assert!(told["due"].as_str().unwrap().contains(":10:00"), "{told}");
    let error = served
        .call("timer.set", json!({"duration": "ten"}))
        .await
        .unwrap_err();
    assert!(
        error.code == Code::InvalidArguments && error.why.contains("PT10M"),
        "{error}"
    );
}

#[tokio::test]
async fn what_has_the_words_is_forgotten_and_only_in_the_own_memory() {
    let mut served = served().await;
    for text in ["The dentist is on Friday", "Friday is bin day"] {
        served
            .call("memory.remember", json!({"text": text}))
            .await
            .unwrap();
    }
    served.rig.env.context.shared_memory = true;
    served
        .call(
            "memory.remember",
            json!({"text": "Dentist: Dr. Miller", "tags": ["x"]}),
        )
        .await
        .unwrap();
    served.rig.env.context.shared_memory = false;
    let told = served
        .call("memory.forget", json!({"query": "the dentist"}))
        .await
        .unwrap();
    assert_eq!(told["forgotten"].as_array().unwrap().len(), 1);
    assert_eq!(told["forgotten"][0]["text"], "The dentist is on Friday");
    let error = served
        .call("memory.forget", json!({"query": "dentist"}))
        .await
        .unwrap_err();
    assert!(
        error.code == Code::NotFound && error.hint.contains("bin day"),
        "{error}"
    );
    served.rig.env.context.shared_memory = true;
    let told = served
        .call("memory.forget", json!({"query": "dentist"}))
        .await
        .unwrap();
    assert_eq!(told["forgotten"][0]["tags"], json!(["x"]));
}

/// A process of ours that is no ancestor of this one.
fn sleeper(trap: &str) -> std::process::Child {
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{trap}echo; while :; do sleep 0.1; done")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    child
}

#[tokio::test]
async fn a_process_is_asked_to_end_and_it_is_said_whether_it_did() {
    let rig = Rig::new();
    let (mut yielding, mut stubborn) = (sleeper(""), sleeper("trap '' TERM; "));
    let told = rig
        .call(
            "processes.stop",
            json!({"process": yielding.id().to_string()}),
        )
        .await
        .unwrap();
    assert_eq!(
        (&told["ended"], &told["name"]),
        (&json!(true), &json!("sh"))
    );
    yielding.wait().unwrap();
    let told = rig
        .call("processes.stop", json!({"process": stubborn.id()}))
        .await
        .unwrap();
    assert_eq!(told["ended"], false);
    assert!(told["hint"].is_string());
    // The same number, and another process by now.
    let call = rig
        .check(
            "processes.stop",
            json!({"process": stubborn.id().to_string()}),
        )
        .unwrap();
    let canonical = call.arguments["process"].as_str().unwrap();
    let other = format!("{}@1", canonical.split('@').next().unwrap());
    let error = rig
        .check("processes.stop", json!({"process": other}))
        .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    stubborn.kill().unwrap();
    stubborn.wait().unwrap();
    assert_eq!(
        call.execute(&rig.env).await.unwrap_err().code,
        Code::NotFound
    );
    let listed = rig
        .call("processes.list", json!({"sort": "cpu"}))
        .await
        .unwrap();
    let processes = listed["processes"].as_array().unwrap();
    assert!(!processes.is_empty() && processes.len() <= 50);
    assert!(
        processes
            .iter()
            .all(|process| process.get("command").is_none())
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let rig = Rig::new();
    for (tool, arguments) in [
        ("services.list", json!({})),
        ("theme.set", json!({"theme": "dark"})),
        ("memory.recall", json!({"query": "x"})),
        ("memory.forget", json!({"query": "x"})),
        ("services.restart", json!({"unit": "x"})),
        ("power.off", json!({})),
        ("agents.list", json!({})),
        ("agents.message", json!({"agent": "x", "text": "x"})),
        ("timer.set", json!({"duration": "PT1M"})),
    ] {
        assert_eq!(
            rig.call(tool, arguments).await.unwrap_err().code,
            Code::Unavailable,
            "{tool}"
        );
    }
}

#[tokio::test]
async fn the_machine_is_told_about() {
    let rig = Rig::new();
    let all = rig.call("system.info", json!({})).await.unwrap();
    assert_eq!(all.as_object().unwrap().len(), 7);
    let one = rig
        .call("system.info", json!({"topic": "memory"}))
        .await
        .unwrap();
    assert!(one["memory"]["total_bytes"].as_u64() > Some(1 << 20));
    assert_eq!(one.as_object().unwrap().len(), 1);
}
