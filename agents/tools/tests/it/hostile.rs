//! Arguments made to do harm: each is refused with a code and words, none panics, none gets a tool
//! to show a person something else than it does.

use argos_tools::{Catalogue, Code, Context};
use proptest::prelude::*;
use serde_json::{Value, json};

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

fn refused(tool: &str, arguments: Value) {
    let catalogue = Catalogue::builtin();
    let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
    let shown: String = arguments.to_string().chars().take(80).collect();
    match catalogue.find(tool).unwrap().check(arguments, &context) {
        Err(error) => {
            assert!(
                matches!(
                    error.code,
                    Code::InvalidArguments | Code::LimitReached | Code::NotFound
                ),
                "{tool} {shown}: {error}"
            );
            let text = error.to_string();
            assert!(
                text.len() < 2000,
                "{tool} {shown}: an error of {} bytes",
                text.len()
            );
            assert!(
                !text.contains(['\0', '\n', '\u{202e}', '\u{1b}']),
                "{tool} {shown}: {text:?}"
            );
        }
        Ok(call) => panic!("{tool} {shown}: became {call:?}"),
    }
}

#[test]
fn text_that_deceives() {
    for bad in [
        "a\0b",
        "a\nb",
        "a\u{202e}txt.exe",
        "a\u{200b}b",
        "\u{1b}[2Jx",
        "a\u{2066}b",
        "a\u{feff}",
    ] {
        refused("files.list", json!({"path": format!("~/{bad}")}));
        refused("files.read", json!({"path": format!("~/{bad}")}));
        refused("apps.launch", json!({"app": bad}));
        refused(
            "files.search",
            json!({"query": "x", "path": format!("~/{bad}")}),
        );
        refused("files.search", json!({"query": bad}));
        refused(
            "files.write",
            json!({"path": format!("~/{bad}"), "text": "x"}),
        );
        refused(
            "files.move",
            json!({"from": format!("~/{bad}"), "to": "~/x"}),
        );
        refused(
            "files.move",
            json!({"from": "~/x", "to": format!("~/{bad}")}),
        );
        refused("files.trash", json!({"path": format!("~/{bad}")}));
        refused("notes.search", json!({"query": bad}));
        refused("memory.forget", json!({"query": bad}));
        refused("services.restart", json!({"unit": bad}));
        refused("processes.stop", json!({"process": bad}));
        refused("agents.start", json!({"agent": bad}));
        refused("agents.message", json!({"agent": bad, "text": "x"}));
        refused("timer.set", json!({"duration": bad}));
        refused("timer.set", json!({"duration": "PT1M", "label": bad}));
        refused(
            "reminder.add",
            json!({"when": "2030-01-01T00:00", "text": bad}),
        );
        refused("services.status", json!({"unit": bad}));
        refused("theme.set", json!({"theme": bad}));
        refused("notes.add", json!({"text": "x", "title": bad}));
        refused("memory.remember", json!({"text": "x", "tags": [bad]}));
    }
    refused("notes.add", json!({"text": "a\u{202e}b"}));
    refused("memory.remember", json!({"text": "a\0b"}));
    refused("memory.recall", json!({"query": "a\u{1b}b"}));
}

#[test]
fn too_much_of_everything() {
    let megabyte = "x".repeat(1 << 20);
    for (tool, name) in [
        ("files.list", "path"),
        ("files.read", "path"),
        ("notes.add", "text"),
        ("memory.remember", "text"),
        ("memory.recall", "query"),
        ("apps.launch", "app"),
        ("services.status", "unit"),
        ("theme.set", "theme"),
        ("system.info", "topic"),
        ("windows.focus", "window"),
        ("windows.close", "window"),
        ("workspace.switch", "number"),
        ("screen.capture", "window"),
        ("volume.set", "percent"),
        ("brightness.set", "percent"),
        ("network.set", "enabled"),
        ("files.search", "query"),
        ("files.write", "path"),
        ("files.move", "from"),
        ("files.trash", "path"),
        ("notes.search", "query"),
        ("memory.forget", "query"),
        ("services.restart", "unit"),
        ("processes.stop", "process"),
        ("processes.list", "sort"),
        ("agents.stop", "agent"),
        ("agents.message", "text"),
        ("docs.ask", "question"),
        ("timer.set", "duration"),
        ("reminder.add", "text"),
    ] {
        refused(tool, json!({name: megabyte}));
        refused(tool, json!({name: deep(200)}));
        refused(tool, json!({name: vec![0; 5000]}));
        refused(tool, json!({name: ""}));
    }
    refused(
        "memory.remember",
        json!({"text": "x", "tags": vec!["t"; 17]}),
    );
    refused("memory.recall", json!({"query": "x", "limit": 1_000_000}));
    refused(
        "files.write",
        json!({"path": "~/x", "text": "x".repeat(100 << 10)}),
    );
    refused("files.write", json!({"path": "~/x", "text": "a\0b"}));
    refused("files.read", json!({"path": "~/x", "max_bytes": u64::MAX}));
    refused("files.read", json!({"path": "~/x", "max_bytes": -1}));
    refused("files.read", json!({"path": "~/x", "max_bytes": 1.5}));
    for percent in [json!(101), json!(-1), json!(1.5), json!(u64::MAX)] {
        refused("volume.set", json!({"percent": percent}));
        refused("brightness.set", json!({"percent": percent}));
    }
    for number in [json!(0), json!(-1), json!(65), json!("2")] {
        refused("workspace.switch", json!({"number": number}));
    }
}

#[test]
fn unknown_members_and_wrong_shapes() {
    for tool in Catalogue::builtin().iter() {
        for arguments in [
            json!({"unknown": 1}),
            json!({"path": "~/x", "text": "x", "query": "x", "app": "x", "unit": "x", "theme": "x", "sudo": true}),
            json!([]),
            json!("text"),
            json!(null),
            json!(1e308),
            json!({"path": {"$ref": "#"}, "text": 1, "query": null, "app": [], "unit": {}, "theme": false, "topic": 1, "x": 1}),
            deep(100),
        ] {
            refused(tool.name(), arguments);
        }
    }
}

#[test]
fn what_would_give_an_agent_more_than_it_was_granted() {
    let denied = |tool: &str, arguments: Value| {
        let catalogue = Catalogue::builtin();
        let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
        let error = catalogue
            .find(tool)
            .unwrap()
            .check(arguments.clone(), &context)
            .unwrap_err();
        assert_eq!(error.code, Code::Denied, "{tool} {arguments}: {error}");
    };
    for path in [
        "~/.local/state/argos/grants.json",
        "~/Documents/../.local/state/argos/audit.jsonl",
        "/home/nobody-here/.local/state/argos",
        "~/.config/argos/tools/mine.yaml",
        "~/.local/share/argos/parts/mine.yaml",
    ] {
        denied("files.write", json!({"path": path, "text": "{}"}));
        denied(
            "files.write",
            json!({"path": path, "text": "{}", "append": true}),
        );
        denied("files.move", json!({"from": path, "to": "~/x"}));
        denied("files.move", json!({"from": "~/x", "to": path}));
        denied("files.trash", json!({"path": path}));
    }
    for path in [
        "~",
        "~/.local",
        "~/.local/state",
        "~/.local/share",
        "~/.config",
        "/",
        "/home",
    ] {
        denied("files.move", json!({"from": path, "to": "/x"}));
        denied("files.trash", json!({"path": path}));
    }
    // A folder with a file in it, for one that is not there yet.
    for path in ["~/.local/share", "~/.local/share/argos", "~/.config"] {
        denied("files.move", json!({"from": "~/x", "to": path}));
    }
    denied("processes.stop", json!({"process": "1"}));
    denied(
        "processes.stop",
        json!({"process": std::process::id().to_string()}),
    );
}

#[test]
fn paths_to_what_is_no_file() {
    for path in [
        "/proc/self/environ",
        "/proc/1/root/etc/shadow",
        "/dev/mem",
        "/sys/power/state",
        "~root/.ssh/id",
        "../../../../x/../../..",
    ] {
        refused("files.read", json!({"path": path}));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "(~|/|\\.\\.|[a-z]){0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(
                "path|from|to|text|query|question|app|agent|unit|theme|topic|sort|title|label|duration|when|tags|limit|max_bytes|append|args|window|number|percent|enabled|[a-z]{1,4}",
                inner,
                0..5
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_argument_makes_a_tool_panic_or_show_tricks(arguments in any_json(), words in ".{0,60}") {
        let catalogue = Catalogue::builtin();
        let context = Context::new(Some("steward".to_owned()), "/home/nobody-here");
        for tool in catalogue.iter().filter(|tool| !["apps.launch", "processes.stop"].contains(&tool.name())) {
            let mut tries = vec![arguments.clone()];
            // Arguments of the right shape with any words in them get further.
            if let Some(required) = tool.schema()["required"].as_array() {
                tries.push(required.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), Value::from(words.clone()))).collect());
            }
            for arguments in tries {
                if let Ok(call) = tool.check(arguments, &context) {
                    prop_assert!(!call.resource.chars().any(char::is_control));
                    let tricks = call.summary.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
                    prop_assert!(!tricks);
                    // Canonical arguments are their own canonical form.
                    let again = tool.check(call.arguments.clone(), &context).unwrap();
                    prop_assert_eq!((&again.arguments, &again.resource), (&call.arguments, &call.resource));
                }
            }
        }
    }
}
