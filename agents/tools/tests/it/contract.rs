//! The tools are what the contract says they are: names, permissions, defaults.

use argos_tools::{Catalogue, Code, Context, Verdict};
use serde_json::json;

/// Name, arguments that fit, action, resource, default. The home is `/home/nobody-here`.
const ROWS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "files.list",
        r#"{"path": "~/x"}"#,
        "read",
        "/home/nobody-here/x",
        "ask",
    ),
    (
        "files.read",
        r#"{"path": "~/x", "max_bytes": 10}"#,
        "read",
        "/home/nobody-here/x",
        "ask",
    ),
    (
        "notes.add",
        r#"{"text": "buy milk", "title": "Milk"}"#,
        "write",
        "notes",
        "ask",
    ),
    ("apps.list", "{}", "read", "apps", "allow"),
    ("services.list", "{}", "read", "services", "allow"),
    (
        "services.status",
        r#"{"unit": "seatd"}"#,
        "read",
        "services",
        "allow",
    ),
    (
        "system.info",
        r#"{"topic": "cpu"}"#,
        "read",
        "system",
        "allow",
    ),
    ("system.info", "{}", "read", "system", "allow"),
    (
        "theme.set",
        r#"{"theme": "dark"}"#,
        "control",
        "appearance",
        "allow",
    ),
    ("windows.list", r#"{}"#, "read", "windows", "ask"),
    (
        "windows.focus",
        r#"{"window": "the firefox window"}"#,
        "control",
        "windows",
        "ask",
    ),
    (
        "windows.close",
        r#"{"window": "3"}"#,
        "control",
        "windows",
        "confirm",
    ),
    (
        "workspace.switch",
        r#"{"number": 2}"#,
        "control",
        "windows",
        "ask",
    ),
    ("screen.capture", r#"{}"#, "read", "screen", "confirm"),
    (
        "screen.capture",
        r#"{"window": "chat"}"#,
        "read",
        "screen",
        "confirm",
    ),
    (
        "volume.set",
        r#"{"percent": 30}"#,
        "control",
        "audio",
        "allow",
    ),
    (
        "brightness.set",
        r#"{"percent": 100}"#,
        "control",
        "display",
        "allow",
    ),
    ("network.status", r#"{}"#, "read", "network", "allow"),
    (
        "network.set",
        r#"{"enabled": false}"#,
        "control",
        "network",
        "confirm",
    ),
    (
        "web.fetch",
        r#"{"url": "https://Example.org/a"}"#,
        "network",
        "example.org",
        "ask",
    ),
    (
        "memory.remember",
        r#"{"text": "x", "tags": ["a"]}"#,
        "write",
        "memory/steward",
        "allow",
    ),
    (
        "memory.recall",
        r#"{"query": "x", "limit": 3}"#,
        "read",
        "memory/steward",
        "allow",
    ),
];

#[test]
fn every_tool_asks_for_what_the_contract_says() {
    let catalogue = Catalogue::builtin();
    let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
    for (name, arguments, action, resource, default) in ROWS {
        let call = catalogue
            .find(name)
            .and_then(|tool| tool.check(serde_json::from_str(arguments).unwrap(), &context))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (
                call.action.name(),
                call.resource.as_str(),
                call.default.name()
            ),
            (*action, *resource, *default),
            "{name}"
        );
        assert!(
            call.summary.ends_with('.') && !call.summary.contains('\n'),
            "{name}: {}",
            call.summary
        );
    }
    for name in catalogue.names().filter(|name| *name != "apps.launch") {
        assert!(
            ROWS.iter().any(|row| row.0 == name),
            "{name} has no row here"
        );
    }
}

#[test]
fn shared_memory_is_asked_for() {
    let catalogue = Catalogue::builtin();
    let shared = Context::new(Some("steward".to_owned()), "/home/x").with_shared_memory(true);
    let person = Context::new(None, "/home/x");
    for context in [shared, person] {
        let call = catalogue
            .find("memory.recall")
            .unwrap()
            .check(json!({"query": "x"}), &context)
            .unwrap();
        assert_eq!(
            (call.resource.as_str(), call.default),
            ("memory", Verdict::Ask)
        );
    }
}

#[test]
fn names_are_near_or_all_are_told() {
    let catalogue = Catalogue::builtin();
    let error = catalogue.find("file.list").unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(error.hint.contains("files.list"), "{error}");
    assert!(
        catalogue
            .find("\u{202e}zzz\n")
            .unwrap_err()
            .hint
            .contains("theme.set")
    );
    assert!(catalogue.get("power.off").is_none());
}

#[test]
fn schemas_are_strict_and_described() {
    for tool in Catalogue::builtin().iter() {
        let schema = tool.schema();
        assert_eq!(schema["additionalProperties"], false, "{}", tool.name());
        assert!(!tool.description().is_empty() && tool.to_bus().schema.len() > 10);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(
                property["description"].is_string(),
                "{}: {name}",
                tool.name()
            );
        }
    }
}
