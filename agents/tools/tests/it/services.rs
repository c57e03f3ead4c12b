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
}

struct Served {
    rig: Rig,
    theme: Arc<Mutex<String>>,
    _peer: zbus::Connection,
}

async fn served() -> Served {
    let theme = Arc::new(Mutex::new(String::new()));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let server = zbus::connection::Builder::unix_stream(theirs)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at("/org/argos/Init1", Init)
        .serve_at("/org/argos/Shell1", Shell(Arc::clone(&theme)))
        .serve_at("/org/argos/Memory1", Store::default())
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
async fn a_service_that_is_not_there_is_unavailable() {
    let rig = Rig::new();
    for (tool, arguments) in [
        ("services.list", json!({})),
        ("theme.set", json!({"theme": "dark"})),
        ("memory.recall", json!({"query": "x"})),
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
