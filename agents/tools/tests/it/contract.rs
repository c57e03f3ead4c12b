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
    ("screen.lock", r#"{}"#, "control", "session", "allow"),
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
    (
        "files.search",
        r#"{"query": "tax", "path": "~/x"}"#,
        "read",
        "/home/nobody-here/x",
        "ask",
    ),
    (
        "files.search",
        r#"{"query": "tax"}"#,
        "read",
        "/home/nobody-here",
        "ask",
    ),
    (
        "files.write",
        r#"{"path": "~/x/a.txt", "text": "a"}"#,
        "write",
        "/home/nobody-here/x/a.txt",
        "ask",
    ),
    (
        "files.write",
        r#"{"path": "~/.bashrc", "text": "a", "append": true}"#,
        "write",
        "/home/nobody-here/.bashrc",
        "confirm",
    ),
    (
        "files.write",
        r#"{"path": "~/x/.git/hooks/post-commit", "text": "a"}"#,
        "write",
        "/home/nobody-here/x/.git/hooks/post-commit",
        "confirm",
    ),
    (
        "files.move",
        r#"{"from": "~/a", "to": "~/b"}"#,
        "write",
        "/home/nobody-here/a",
        "confirm",
    ),
    (
        "files.trash",
        r#"{"path": "~/a"}"#,
        "write",
        "/home/nobody-here/a",
        "confirm",
    ),
    (
        "notes.search",
        r#"{"query": "milk"}"#,
        "read",
        "notes",
        "ask",
    ),
    (
        "memory.forget",
        r#"{"query": "dentist"}"#,
        "write",
        "memory/steward",
        "confirm",
    ),
    (
        "services.restart",
        r#"{"unit": "The Seatd service"}"#,
        "control",
        "services",
        "confirm",
    ),
    (
        "processes.list",
        r#"{"sort": "cpu"}"#,
        "read",
        "processes",
        "allow",
    ),
    ("agents.list", r#"{}"#, "read", "agents", "allow"),
    (
        "agents.start",
        r#"{"agent": "the Librarian agent"}"#,
        "control",
        "agents",
        "ask",
    ),
    (
        "agents.stop",
        r#"{"agent": "librarian"}"#,
        "control",
        "agents",
        "ask",
    ),
    (
        "agents.message",
        r#"{"agent": "librarian", "text": "hello"}"#,
        "message",
        "librarian",
        "ask",
    ),
    (
        "docs.ask",
        r#"{"question": "how do I revoke?"}"#,
        "read",
        "docs",
        "allow",
    ),
    (
        "timer.set",
        r#"{"duration": "PT10M", "label": "tea"}"#,
        "write",
        "timers",
        "allow",
    ),
    (
        "reminder.add",
        r#"{"when": "2026-12-24T18:00", "text": "Call Anna"}"#,
        "write",
        "timers",
        "allow",
    ),
    ("power.off", r#"{}"#, "control", "power", "confirm"),
    ("power.reboot", r#"{}"#, "control", "power", "confirm"),
];
/// What they name must be there to be named: an application, a process.
const ELSEWHERE: [&str; 2] = ["apps.launch", "processes.stop"];

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
    for name in catalogue.names().filter(|name| !ELSEWHERE.contains(name)) {
        assert!(
            ROWS.iter().any(|row| row.0 == name),
            "{name} has no row here"
        );
    }
}

#[test]
fn a_move_needs_both_its_paths() {
    let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
    let arguments = json!({"from": "~/a", "to": "~/sub/../b"});
    let catalogue = Catalogue::builtin();
    let call = catalogue
        .find("files.move")
        .unwrap()
        .check(arguments, &context)
        .unwrap();
    assert_eq!(call.also, ["/home/nobody-here/b"]);
    assert!(
        call.summary
            .contains("/home/nobody-here/a to /home/nobody-here/b"),
        "{}",
        call.summary
    );
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
    assert!(catalogue.get("power.on").is_none());
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
