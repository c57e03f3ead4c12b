//! The way of a call: asked, allowed, refused, recorded; and what survives.

use argos_bus::Error;
use futures_util::StreamExt;

use crate::bed::{Bed, eventually, kill, list};

pub(crate) async fn allowed_once_it_is_done_once_and_recorded() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    let (reply, request) = bed.ask_and_answer(1, &list(&documents), "once").await;
    assert!(
        reply.contains("budget.ods") && reply.contains("letters"),
        "{reply}"
    );
    assert_eq!(request.agent, "steward");
    assert_eq!(request.title, "Steward");
    assert_eq!(request.action, "read");
    assert_eq!(request.resource, documents.display().to_string());
    assert!(request.grantable && !request.summary.is_empty());
    let rows = bed.audit();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(row["agent"], "steward");
    assert_eq!(row["tool"], "files.list");
    assert_eq!(row["decision"], "allow");
    assert_eq!(row["by"], "person (once)");
    assert_eq!(row["outcome"], "ok");
    assert_eq!(row["resource"], documents.display().to_string());
    assert_eq!(row["hash"].as_str().map(str::len), Some(64));
    let (_, again) = bed.ask_and_answer(2, &list(&documents), "deny").await;
    assert!(again.id > request.id, "once is once");
}

pub(crate) async fn denied_nothing_is_read_and_the_reason_arrives() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    let (reply, _) = bed.ask_and_answer(1, &list(&documents), "deny").await;
    assert!(!reply.contains("budget"), "{reply}");
    assert!(
        reply.contains("I did not") && reply.contains("ask me again"),
        "{reply}"
    );
    let rows = bed.audit();
    assert_eq!(rows[0]["decision"], "deny");
    assert_eq!(rows[0]["outcome"], "denied");
    assert!(
        rows[0]["error"]
            .as_str()
            .unwrap()
            .contains("the person refused"),
        "{}",
        rows[0]
    );
}

pub(crate) async fn no_answer_is_a_no() {
    let bed = Bed::new(0.7).await;
    bed.start_steward().await;
    let permissions = bed.permissions1().await;
    let mut resolved = permissions.receive_resolved().await.unwrap();
    let reply = bed.ask(1, &list(&bed.home().join("Documents"))).await;
    assert!(
        reply.contains("Nobody answered") && !reply.contains("budget"),
        "{reply}"
    );
    let signal = resolved.next().await.unwrap();
    assert_eq!(*signal.args().unwrap().decision(), "expired");
    assert!(permissions.pending().await.unwrap().is_empty());
    assert!(matches!(
        permissions.answer(1, "always").await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(bed.audit()[0]["by"], "nobody answered");
}

pub(crate) async fn always_survives_a_restart_and_not_a_change() {
    let mut bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents), "always").await;
    bed.kill_broker().await;
    bed.start_broker().await;
    bed.start_steward().await;
    // No question: what is beneath the folder is granted as well.
    let reply = bed.ask(2, &list(&documents.join("letters"))).await;
    assert!(reply.contains("anna.txt"), "{reply}");
    assert!(
        bed.audit().last().unwrap()["by"]
            .as_str()
            .unwrap()
            .starts_with("grant ")
    );
    // What lies beside it is not.
    let (reply, _) = bed.ask_and_answer(3, &list(&bed.home()), "deny").await;
    assert!(!reply.contains("secret"), "{reply}");
    // Another content is another agent.
    bed.broker1().await.stop_agent("steward").await.unwrap();
    let manifest = bed.agents().join("steward/agent.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text}\n# changed\n")).unwrap();
    bed.start_steward().await;
    let (reply, _) = bed.ask_and_answer(4, &list(&documents), "deny").await;
    assert!(!reply.contains("budget"), "{reply}");
}

pub(crate) async fn never_is_kept_too() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents), "never").await;
    let reply = bed.ask(2, &list(&documents.join("letters"))).await;
    assert!(reply.contains("refused this for good"), "{reply}");
    let permissions = bed.permissions1().await;
    let grants = permissions.list_grants().await.unwrap();
    let refusal = grants.iter().find(|g| g.verdict == "deny").unwrap();
    permissions.revoke(refusal.id).await.unwrap();
    let (reply, _) = bed.ask_and_answer(3, &list(&documents), "once").await;
    assert!(reply.contains("budget"), "{reply}");
}

pub(crate) async fn a_session_grant_ends_with_the_broker() {
    let mut bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents), "session").await;
    let reply = bed.ask(2, &list(&documents)).await;
    assert!(reply.contains("budget"), "{reply}");
    bed.kill_broker().await;
    bed.start_broker().await;
    bed.start_steward().await;
    let (reply, _) = bed.ask_and_answer(3, &list(&documents), "deny").await;
    assert!(!reply.contains("budget"), "{reply}");
}

pub(crate) async fn a_person_calls_without_being_asked_and_is_recorded() {
    let bed = Bed::new(20.0).await;
    let tools = bed.tools1().await;
    let names: Vec<String> = tools
        .list()
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.name)
        .collect();
    assert!(names.contains(&"files.list".to_owned()), "{names:?}");
    let arguments = serde_json::json!({"path": bed.home().join("Documents")}).to_string();
    let result = tools.call("files.list", &arguments).await.unwrap();
    assert!(result.contains("budget.ods"), "{result}");
    for (tool, arguments) in [
        ("files.lst", "{}"),
        ("files.list", "{\"pth\": 1}"),
        ("files.list", "["),
    ] {
        let error = tools.call(tool, arguments).await.unwrap_err();
        assert!(
            matches!(error, Error::NotFound(_) | Error::InvalidArguments(_)),
            "{tool} {arguments}: {error}"
        );
    }
    let rows = tools.audit(4).await.unwrap();
    assert_eq!(bed.audit().len(), 4, "failed calls are recorded too");
    assert!(rows[0].contains("\"agent\":\"person\""), "{}", rows[0]);
}

pub(crate) async fn a_folder_grant_does_not_follow_links_out() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents), "always").await;
    std::os::unix::fs::symlink(
        bed.home().join("secret.txt"),
        documents.join("harmless.txt"),
    )
    .unwrap();
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let read = format!(
        "files.read {}",
        serde_json::json!({"path": documents.join("harmless.txt")})
    );
    // Either it is refused outright, or the person is asked about the place it really leads to.
    let answering = async {
        if let Some(signal) = requests.next().await {
            let request = signal.args().unwrap().request().clone();
            assert!(request.resource.ends_with("/secret.txt"), "{request:?}");
            permissions.answer(request.id, "deny").await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let reply = tokio::select! {
        reply = bed.ask(2, &read) => reply,
        () = answering => unreachable!("it waits for ever"),
    };
    assert!(!reply.contains("the secret"), "{reply}");
}

pub(crate) async fn a_crashed_agent_comes_back() {
    let bed = Bed::new(20.0).await;
    let broker = bed.broker1().await;
    let mut states = broker.receive_state_changed().await.unwrap();
    let mut until_idle = async || {
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some("idle") {
            let signal = states.next().await.unwrap();
            seen.push(signal.args().unwrap().state().to_string());
        }
        seen
    };
    bed.start_steward().await;
    // That it is up may be heard after the answer that it is: it is not to be taken for the next time.
    until_idle().await;
    for pid in bed.processes("argos-agent") {
        kill(pid);
    }
    let seen = until_idle().await;
    assert!(seen.contains(&"starting".to_owned()), "{seen:?}");
    assert_eq!(bed.ask(1, "hello").await, "echo: hello");
}

pub(crate) async fn a_killed_worker_is_replaced() {
    let bed = Bed::new(20.0).await;
    let tools = bed.tools1().await;
    let arguments = serde_json::json!({"path": bed.home().join("Documents")}).to_string();
    tools.call("files.list", &arguments).await.unwrap();
    // It has settled by now; only one that dies at once is not started again at once.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for pid in bed.processes("argos-tools") {
        kill(pid);
    }
    eventually("the tools work again", async || {
        tools.call("files.list", &arguments).await.ok()
    })
    .await;
}

pub(crate) async fn an_agent_dies_with_its_broker() {
    let mut bed = Bed::new(20.0).await;
    bed.start_steward().await;
    assert!(!bed.processes("argos-agent").is_empty());
    bed.kill_broker().await;
    eventually("no agent is left", async || {
        bed.processes("argos-agent").is_empty().then_some(())
    })
    .await;
}

pub(crate) async fn a_broken_manifest_says_where() {
    let bed = Bed::new(20.0).await;
    let folder = bed.agents().join("broken");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("agent.yaml"),
        "name: broken\ntitle: B\ntols: []\n",
    )
    .unwrap();
    let broker = bed.broker1().await;
    match broker.start_agent(&folder.display().to_string()).await {
        Err(Error::InvalidArguments(why)) => {
            assert!(
                why.contains("agent.yaml:3") && why.contains("tools"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    let missing = bed.agents().join("missing");
    let error = broker
        .start_agent(&missing.display().to_string())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

pub(crate) async fn a_call_that_runs_is_recorded_as_it_ended_without_its_agent() {
    let bed = Bed::new(20.0).await;
    let mut asked = bed.serve_memory().await;
    bed.start_steward().await;
    let wish = r#"memory.remember {"text": "slow"}"#;
    let broker = bed.broker1().await;
    broker.deliver("steward", 1, "person", wish).await.unwrap();
    assert_eq!(asked.recv().await.unwrap(), "slow");
    for pid in bed.processes("argos-agent") {
        kill(pid);
    }
    let row = eventually("the call is recorded", async || bed.audit().pop()).await;
    assert_eq!(row["tool"], "memory.remember");
    assert_eq!(row["outcome"], "ok", "{row}");
    assert!(row["duration_ms"].as_u64().unwrap() >= 2000, "{row}");
}

pub(crate) async fn an_agent_that_goes_while_the_person_is_asked_has_done_nothing() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let wish = list(&bed.home().join("Documents"));
    let broker = bed.broker1().await;
    broker.deliver("steward", 1, "person", &wish).await.unwrap();
    requests.next().await.unwrap();
    for pid in bed.processes("argos-agent") {
        kill(pid);
    }
    let row = eventually("the call is recorded", async || bed.audit().pop()).await;
    assert_eq!(row["outcome"], "cancelled", "{row}");
    assert_eq!(row["decision"], "none", "{row}");
}

pub(crate) async fn a_call_that_is_given_up_is_not_said_to_be_undone() {
    // The broker reaches its buses within that time too.
    let bed = Bed::with_tool_time(20.0, 6.0).await;
    let mut asked = bed.serve_memory().await;
    bed.start_steward().await;
    let reply = bed.ask(1, r#"memory.remember {"text": "never"}"#).await;
    assert_eq!(asked.recv().await.unwrap(), "never");
    assert!(
        reply.contains("whether it was done is not known"),
        "{reply}"
    );
    let row = bed.audit().pop().unwrap();
    assert_eq!(row["outcome"], "timed-out");
    assert!(
        row["error"].as_str().unwrap().contains("not known"),
        "{row}"
    );
}
