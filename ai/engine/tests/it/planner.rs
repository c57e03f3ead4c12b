//! The default model: requests to tool calls, texts to vectors.

use std::path::PathBuf;

use argos_engine::Error;
use argos_engine::planner::{Offered, Plan, Planner};
use argos_engine::registry::{Kind, Loaded, Registry, State};
use serde_json::{Value, json};

/// The model, or nothing where the environment has none.
fn model() -> Option<(PathBuf, Planner)> {
    let folder = super::from_environment("ARGOS_TEST_MODEL")?;
    if !super::runtime() {
        return None;
    }
    let planner = Planner::load(&folder).unwrap_or_else(|e| panic!("{e}"));
    Some((folder, planner))
}

fn plan(planner: &Planner, request: &str) -> Plan {
    let now = jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0);
    planner.plan(request, &[], now).unwrap()
}

#[track_caller]
fn calls(planner: &Planner, request: &str, tool: &str, arguments: Value) {
    let plan = plan(planner, request);
    assert_eq!(plan.calls.len(), 1, "{request}: {plan:?}");
    assert_eq!(
        (plan.calls[0].tool.as_str(), &plan.calls[0].arguments),
        (tool, &arguments),
        "{request}"
    );
    assert!((0.0..=1.0).contains(&plan.calls[0].confidence), "{plan:?}");
}

#[test]
fn requests_become_calls() {
    let Some((_, planner)) = model() else { return };
    calls(
        &planner,
        "list my documents folder",
        "files.list",
        json!({"path": "~/Documents"}),
    );
    calls(
        &planner,
        "what is in /etc?",
        "files.list",
        json!({"path": "/etc"}),
    );
    calls(
        &planner,
        "show me the files in my downloads",
        "files.list",
        json!({"path": "~/Downloads"}),
    );
    calls(
        &planner,
        "switch to the dark theme",
        "theme.set",
        json!({"theme": "dark"}),
    );
    calls(
        &planner,
        "open the terminal",
        "apps.launch",
        json!({"app": "terminal"}),
    );
    calls(
        &planner,
        "set the volume to 30 percent",
        "volume.set",
        json!({"percent": 30}),
    );
    calls(
        &planner,
        "set a timer for ten minutes",
        "timer.set",
        json!({"duration": "PT10M"}),
    );
    calls(
        &planner,
        "is the dbus service running?",
        "services.status",
        json!({"unit": "dbus"}),
    );
}

#[test]
fn second_request_speaks_of_what_the_first_names() {
    let Some((_, planner)) = model() else { return };
    for (request, tool, arguments) in [
        (
            "read shopping.txt to me and afterwards throw it in the trash",
            "files.trash",
            json!({"path": "~/shopping.txt"}),
        ),
        (
            "show me the downloads folder and find *.zip in it",
            "files.search",
            json!({"path": "~/Downloads", "query": "*.zip"}),
        ),
        (
            "restart cups and tell me if it's running",
            "services.status",
            json!({"unit": "cups"}),
        ),
    ] {
        let plan = plan(&planner, request);
        assert_eq!(plan.calls.len(), 2, "{request}: {plan:?}");
        let second = &plan.calls[1];
        assert_eq!(
            (second.tool.as_str(), &second.arguments),
            (tool, &arguments),
            "{request}"
        );
    }
}

#[test]
fn what_it_cannot_do_is_a_reply_or_a_question_never_a_call() {
    let Some((_, planner)) = model() else { return };
    for request in [
        "compose a symphony in b flat",
        "what is the capital of France?",
        "asdf qwer zxcv",
    ] {
        let plan = plan(&planner, request);
        assert!(plan.calls.is_empty(), "{request}: {plan:?}");
        assert!(
            plan.reply.is_some() || plan.question.is_some(),
            "{request}: {plan:?}"
        );
    }
}

#[test]
fn only_allowed_tools_are_proposed() {
    let Some((_, planner)) = model() else { return };
    let now = jiff::civil::DateTime::default();
    let allowed = ["volume.set".into(), "no.such.tool".into()];
    let plan = planner
        .plan("list my documents folder", &allowed, now)
        .unwrap();
    assert!(plan.calls.is_empty(), "{plan:?}");
}

#[test]
fn described_tools_are_proposed_beside_the_trained_ones() {
    let Some((_, planner)) = model() else { return };
    let now = jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0);
    let mut tools: Vec<Offered> = planner.tools().map(Offered::from).collect();
    let described = json!([
        {
            "name": "mcp.weather.forecast",
            "description": "Tells the weather forecast for a city",
            "examples": ["what is the weather like in Rome?", "will it rain in Oslo?"],
            "parameters": {
                "type": "object",
                "required": ["city"],
                "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            },
        },
        {
            "name": "mcp.lamps.colour",
            "description": "Sets the colour of the lamps in the living room",
            "parameters": {
                "type": "object",
                "required": ["colour"],
                "properties": {"colour": {"enum": ["red", "warm white"]}},
            },
        },
    ]);
    let described: Vec<Offered> = serde_json::from_value(described).unwrap();
    tools.extend(described);
    let call = |request: &str| {
        let plan = planner.plan(request, &tools, now).unwrap();
        assert_eq!(plan.calls.len(), 1, "{request}: {plan:?}");
        (plan.calls[0].tool.clone(), plan.calls[0].arguments.clone())
    };
    let (tool, arguments) = call("what is the weather like in Lisbon?");
    assert_eq!(tool, "mcp.weather.forecast");
    assert!(
        arguments["city"].as_str().unwrap().ends_with("Lisbon"),
        "{arguments}"
    );
    assert_eq!(
        call("set the colour of the living room lamps to warm white"),
        ("mcp.lamps.colour".into(), json!({"colour": "warm white"}))
    );
    // What the model was trained on stays what it is.
    assert_eq!(
        call("list my documents folder"),
        ("files.list".into(), json!({"path": "~/Documents"}))
    );
    // A value that is not in the request is asked for, and none is made up.
    let plan = planner
        .plan("set the colour of the living room lamps", &tools, now)
        .unwrap();
    let question = plan.question.unwrap_or_default();
    assert!(question.contains("red, warm white"), "{question}");
    // Where only described tools are offered, no trained one is called.
    let only = tools.split_off(tools.len() - 2);
    let plan = planner
        .plan("list my documents folder", &only, now)
        .unwrap();
    assert!(plan.calls.is_empty(), "{plan:?}");
    let taken: Vec<Offered> =
        serde_json::from_value(json!([{"name": "files.list", "description": "x"}])).unwrap();
    let error = planner.plan("list /etc", &taken, now).unwrap_err();
    assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
}

#[test]
fn odd_and_over_long_requests_are_safe() {
    let Some((_, planner)) = model() else { return };
    for request in [
        "🙂🙃",
        "list /tmp/Ünïcödé 文件夹",
        "\u{0}\u{1}\u{fffd}",
        "a",
        ".",
        "ﷺﷺﷺ",
        "é\u{301}\u{301}",
    ] {
        let plan = plan(&planner, request);
        assert!(
            usize::from(!plan.calls.is_empty())
                + usize::from(plan.question.is_some())
                + usize::from(plan.reply.is_some())
                == 1,
            "{request}: {plan:?}"
        );
    }
    let now = jiff::civil::DateTime::default();
    let long = "list the folder ".repeat(200);
    for text in [long.as_str(), &"x".repeat(1 << 20)] {
        match planner.plan(text, &[], now) {
            Err(Error::TooLong { tokens, limit, .. }) => assert!(tokens > limit),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            planner.embed(&["short", text]),
            Err(Error::TooLong { .. })
        ));
    }
    assert!(matches!(
        planner.plan(" \n", &[], now),
        Err(Error::InvalidArguments(_))
    ));
}

#[test]
fn embeddings_are_unit_vectors_that_know_meaning() {
    let Some((_, planner)) = model() else { return };
    let texts = [
        "the dentist appointment is on friday",
        "when do I have to see the doctor for my teeth?",
        "the printer is out of paper",
        "x",
    ];
    let vectors = planner.embed(&texts).unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    for vector in &vectors {
        assert_eq!(vector.len(), 384);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-4);
    }
    assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]) + 0.1);
    // Company does not change a vector.
    for (text, vector) in texts.iter().zip(&vectors) {
        let alone = planner.embed(&[text]).unwrap().remove(0);
        assert!(
            dot(&alone, vector) > 0.999,
            "{text}: {}",
            dot(&alone, vector)
        );
    }
    assert!(planner.embed(&[]).unwrap().is_empty());
}

#[test]
fn registry_loads_and_unloads_it() {
    let Some((folder, _)) = model() else { return };
    let registry = Registry::new(vec![folder.parent().unwrap().to_owned()]);
    let id = folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(registry.info(id).unwrap().kind, Some(Kind::Planner));
    let Loaded::Planner(planner) = registry.load(id, &|_| {}).unwrap() else {
        panic!()
    };
    assert_eq!(registry.info(id).unwrap().state, State::Ready);
    registry.unload(id, &|_| {}).unwrap();
    assert_eq!(registry.info(id).unwrap().state, State::Available);
    // Whoever still holds it can finish.
    plan(&planner, "list /etc");
}
