//! Providers as the broker keeps them, driven with one on the session bus.

use std::path::Path;
use std::sync::atomic::Ordering;

use argos_bus::tool_provider::{PATH, ProvidedTool};

use super::*;
use crate::alone::Alone;
use crate::call::{self, Caller};
use crate::grants::Word;
use crate::permission::{Need, Scope};

#[test]
fn providers_have_areas_of_their_own() {
    assert_eq!(provider_of("mcp.files.read"), Some(("mcp.files", "read")));
    assert_eq!(provider_of("dbus.x.a.b"), Some(("dbus.x", "a.b")));
    for other in [
        "files.read",
        "mcp.files",
        "mcp.files.",
        "mcp",
        "mcpx.files.read",
        "",
    ] {
        assert_eq!(provider_of(other), None, "{other}");
    }
    for name in argos_tools::Catalogue::builtin().names() {
        assert!(!is_provided(name), "{name}");
        assert!(
            !name.starts_with("mcp.") && !name.starts_with("dbus."),
            "{name}"
        );
    }
}

/// A provider with the tool `look`.
struct Weather;

#[zbus::interface(name = "org.argos.ToolProvider1")]
impl Weather {
    async fn list_tools(&self) -> Result<Vec<ProvidedTool>> {
        Ok(vec![ProvidedTool {
            name: "look".to_owned(),
            description: "Looks out of the window".to_owned(),
            schema: r#"{"type": "object"}"#.to_owned(),
            action: "read".to_owned(),
            resource: String::new(),
        }])
    }

    async fn call_tool(&self, _id: u64, tool: String, _arguments: String) -> Result<String> {
        Ok(format!(r#"{{"tool": "{tool}"}}"#))
    }

    async fn cancel(&self, _id: u64) -> Result<()> {
        Ok(())
    }
}

const WEATHER: &str = "name: weather\nkind: dbus\nbus-name: org.example.Weather\n";

async fn with_weather() -> Alone {
    let alone = Alone::on(Duration::from_millis(10), |bus| bus.serve_at(PATH, Weather)).await;
    let folder = &alone.broker.providers.folders.own;
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("weather.yaml"), WEATHER).unwrap();
    alone
}

#[tokio::test]
async fn a_call_reads_the_files_once() {
    let alone = with_weather().await;
    let broker = &alone.broker;
    let reads = || broker.providers.reads.load(Ordering::Relaxed);
    let mut calls = 0;
    while calls < 2 {
        let (before, begun) = (reads(), Instant::now());
        let result = call::call(broker, &Caller::Person, "dbus.weather.look", "{}").await;
        assert_eq!(result.unwrap(), r#"{"tool": "look"}"#);
        // One that took its time looks again; this machine may have.
        if begun.elapsed() < FRESH {
            assert_eq!(reads() - before, 1);
            calls += 1;
        }
    }
}

#[tokio::test]
async fn a_call_that_took_its_time_looks_again() {
    let alone = with_weather().await;
    let broker = &alone.broker;
    let file = broker.providers.folders.own.join("weather.yaml");
    let check = || {
        broker
            .providers
            .check(broker, "dbus.weather.look", serde_json::json!({}))
    };
    let make = async |found: &Found, call: &Call| {
        let caller = For {
            subject: Subject::person(),
            title: "You".to_owned(),
        };
        broker.providers.call(broker, caller, found, call).await
    };
    // Another read has seen that the file is gone, however short ago that is.
    let (call, found) = check().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(broker.providers.slots(broker).await.is_empty());
    let refused = make(&found, &call).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(_)), "{refused:?}");
    // Nobody else looks, and the person takes their time.
    std::fs::write(&file, WEATHER).unwrap();
    let (call, mut found) = check().await.unwrap();
    std::fs::write(&file, format!("{WEATHER}enabled: false\n")).unwrap();
    found.read -= FRESH;
    let refused = make(&found, &call).await.unwrap_err();
    assert!(refused.to_string().contains("switched off"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_offer_at_once_is_kept_of_each() {
    let alone = Alone::new().await;
    let broker = &alone.broker;
    let all: Vec<Declared> = (0..20)
        .map(|n| {
            let text = format!("name: p{n}\nkind: dbus\nbus-name: org.example.P{n}\n");
            declaration::parse(Path::new("x.yaml"), &text, Path::new("/home/me"), true).unwrap()
        })
        .collect();
    let comparing = all.iter().map(|d| forget_changed(broker, d, &[]));
    for compared in futures_util::future::join_all(comparing).await {
        compared.unwrap();
    }
    let seen = std::fs::read(broker.settings.state.join("providers.json")).unwrap();
    let seen: BTreeMap<String, Fingerprints> = serde_json::from_slice(&seen).unwrap();
    assert_eq!(seen.len(), all.len());
}

#[tokio::test]
async fn a_grant_for_what_a_tool_was_is_gone_before_the_tool_is_known() {
    let alone = with_weather().await;
    let broker = &alone.broker;
    let scout = Subject {
        agent: "scout".to_owned(),
        hash: "h".to_owned(),
    };
    let need = Need {
        action: "read".to_owned(),
        resource: "dbus.weather.look".to_owned(),
    };
    let word = Word {
        subject: &scout,
        need: &need,
        verdict: Verdict::Allow,
        scope: Scope::Always,
        expires_ms: None,
    };
    let granted = || lock(&broker.permissions).grants.all().len();
    let tools = || broker.providers.tools(broker, |_| true);
    assert_eq!(tools().await.len(), 1);
    lock(&broker.permissions).grants.add(word, 1).unwrap();
    // Another file is another provider, whose tools are new.
    let file = broker.providers.folders.own.join("weather.yaml");
    std::fs::write(&file, format!("{WEATHER}title: Weather\n")).unwrap();
    assert_eq!((tools().await.len(), granted()), (1, 0));
    // The same once more is the same.
    lock(&broker.permissions).grants.add(word, 1).unwrap();
    for slot in broker.providers.slots(broker).await {
        lock(&slot.known).forget();
    }
    assert_eq!((tools().await.len(), granted()), (1, 1));
}
