//! Agents that ask other agents, tools that run for one and not for another, and what is due later.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::Error;
use argos_bus::agents::Agents1Proxy;
use argos_bus::timers::Timers1Proxy;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::bed::{Bed, eventually, list};
use crate::conversation::{agent_is, orchestrator};

/// A second agent, which can do nothing but speak to others.
fn scout(bed: &Bed) {
    let folder = bed.agents().join("scout");
    std::fs::create_dir(&folder).unwrap();
    let manifest =
        "name: scout\ntitle: Scout\ntools: [agents.message, files.list]\nautostart: true\n";
    std::fs::write(folder.join("agent.yaml"), manifest).unwrap();
}

/// Has scout say something to steward, answers the questions that come up with these words, in turn,
/// and returns steward's answer and the questions.
async fn through_scout(
    bed: &Bed,
    agents: &Agents1Proxy<'_>,
    text: &str,
    words: &[&str],
) -> (String, Vec<argos_bus::permissions::Request>) {
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let mut messages = agents.receive_message().await.unwrap();
    let say = json!({"agent": "steward", "text": text});
    agents
        .send("scout", &format!("agents.message {say}"))
        .await
        .unwrap();
    let mut asked = Vec::new();
    for word in words {
        let signal = requests.next().await.unwrap();
        let request = signal.args().unwrap().request().clone();
        permissions.answer(request.id, word).await.unwrap();
        asked.push(request);
    }
    loop {
        let signal = messages.next().await.unwrap();
        let message = signal.args().unwrap().message().clone();
        // Those with large numbers answer the test itself.
        let ours = message.in_reply_to < 1_000_000;
        if ours && message.agent == "steward" && message.role == "agent" {
            return (message.text, asked);
        }
    }
}

pub(crate) async fn an_agent_is_held_to_the_grants_of_who_asks_it() {
    let bed = Bed::new(20.0).await;
    scout(&bed);
    let (_child, agents) = orchestrator(&bed).await;
    agent_is(&agents, "steward", "idle").await;
    agent_is(&agents, "scout", "idle").await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1_000_001, &list(&documents), "always")
        .await;
    // For the person steward needs no question any more. For scout it does.
    let reply = bed.ask(1_000_002, &list(&documents)).await;
    assert!(reply.contains("budget.ods"), "{reply}");
    let (reply, asked) = through_scout(&bed, &agents, &list(&documents), &["once", "deny"]).await;
    assert!(
        !reply.contains("budget.ods") && reply.contains("I did not"),
        "{reply}"
    );
    assert_eq!(
        (asked[0].action.as_str(), asked[0].resource.as_str()),
        ("message", "steward")
    );
    assert_eq!(asked[1].agent, "steward");
    assert!(
        asked[1]
            .summary
            .starts_with("Asked by the agent scout: List"),
        "{}",
        asked[1].summary
    );
    assert!(!asked[1].grantable, "an answer for two agents is not kept");
    let (reply, _) = through_scout(&bed, &agents, &list(&documents), &["once", "once"]).await;
    assert!(reply.contains("budget.ods"), "{reply}");
    // It is over with the answer: what steward does next it does for the person.
    let reply = bed.ask(1_000_003, &list(&documents)).await;
    assert!(reply.contains("budget.ods"), "{reply}");
    // Once scout has the permission as well, nobody is asked.
    let read = format!("files.list {}", json!({"path": documents}));
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let answering = async {
        let signal = requests.next().await.unwrap();
        permissions
            .answer(signal.args().unwrap().request().id, "always")
            .await
            .unwrap();
    };
    let mut messages = agents.receive_message().await.unwrap();
    agents.send("scout", &read).await.unwrap();
    answering.await;
    while messages
        .next()
        .await
        .unwrap()
        .args()
        .unwrap()
        .message()
        .role
        != "agent"
    {}
    let (reply, _) = through_scout(&bed, &agents, &list(&documents), &["always"]).await;
    assert!(reply.contains("budget.ods"), "{reply}");
}

pub(crate) async fn a_refusal_inside_a_granted_folder_holds_for_all_that_goes_through_it() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents.join("letters")), "never")
        .await;
    bed.ask_and_answer(2, &list(&documents), "always").await;
    let search = json!({"query": "anna", "path": documents});
    let reply = bed.ask(3, &format!("files.search {search}")).await;
    assert!(reply.contains("found nothing"), "{reply}");
    let (reply, request) = bed
        .ask_and_answer(
            4,
            &format!("files.trash {}", json!({"path": documents})),
            "once",
        )
        .await;
    assert!(!request.grantable);
    assert!(reply.contains("refused to this agent"), "{reply}");
    // A refusal of either path of a move is a refusal, and nobody is asked.
    let into = json!({"from": documents.join("budget.ods"), "to": bed.home().join("b.ods")});
    bed.ask_and_answer(5, &format!("files.move {into}"), "never")
        .await;
    let back = json!({"from": bed.home().join("secret.txt"), "to": documents.join("budget.ods")});
    let reply = bed.ask(6, &format!("files.move {back}")).await;
    assert!(reply.contains("refused this for good"), "{reply}");
    assert!(documents.join("letters/anna.txt").exists() && bed.home().join("secret.txt").exists());
}

pub(crate) async fn nobody_speaks_as_an_agent_but_the_broker() {
    let bed = Bed::new(20.0).await;
    let (_child, agents) = orchestrator(&bed).await;
    let error = agents
        .relay(&["scout"], "steward", "hello")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
    // Nor is a message delivered that nobody can have sent.
    let broker = bed.broker1().await;
    for from in [
        "agent:nobody",
        "agent:",
        "agent:steward,nobody",
        "system",
        "",
    ] {
        let error = broker
            .deliver("steward", 1, from, "hello")
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidArguments(_)),
            "{from}: {error}"
        );
    }
}

pub(crate) async fn each_has_a_worker_of_its_own_and_idle_ones_end() {
    let mut bed = Bed::new(20.0).await;
    bed.kill_broker().await;
    bed.worker_idle = 20.0;
    bed.start_broker().await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    let arguments = json!({"path": documents}).to_string();
    let tools = bed.tools1().await;
    bed.ask_and_answer(1, &list(&documents), "session").await;
    tools.call("files.list", &arguments).await.unwrap();
    // The killed broker's may be about to go.
    eventually("there are the person's and steward's", async || {
        (bed.processes("argos-tools").len() == 2).then_some(())
    })
    .await;
    // Tools that need none start none, and do not keep one alive.
    let ended = eventually("idle workers end", async || {
        tools.call("apps.list", "{}").await.ok()?;
        bed.processes("argos-tools").is_empty().then_some(true)
    });
    assert!(ended.await);
    bed.ask(2, &list(&documents)).await;
    assert_eq!(bed.processes("argos-tools").len(), 1);
    bed.broker1().await.stop_agent("steward").await.unwrap();
    // Long before it would count as idle.
    let ended = async || bed.processes("argos-tools").is_empty().then_some(());
    let gone = eventually("it goes with its agent", ended);
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("it goes with its agent");
}

/// The double of the desktop's pop-ups: keeps what was shown.
struct Notifications(Arc<Mutex<Vec<(String, String)>>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[allow(clippy::too_many_arguments)]
    async fn notify(
        &self,
        _app: String,
        _replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: std::collections::HashMap<String, zbus::OwnedVariant>,
        timeout: i32,
    ) -> u32 {
        assert_eq!(timeout, 0, "it stays until it is taken away");
        self.0.lock().unwrap().push((summary, body));
        1
    }
}

pub(crate) async fn timers_outlive_a_kill_and_are_shown_and_told() {
    let bed = Bed::new(20.0).await;
    let (mut child, agents) = orchestrator(&bed).await;
    let timers = Timers1Proxy::new(&bed.bus).await.unwrap();
    let tools = bed.tools1().await;
    let set: Value = serde_json::from_str(
        &tools
            .call("timer.set", r#"{"duration": "PT1S", "label": "tea"}"#)
            .await
            .unwrap(),
    )
    .unwrap();
    let later = tools
        .call("timer.set", r#"{"duration": "PT1H"}"#)
        .await
        .unwrap();
    let later: Value = serde_json::from_str(&later).unwrap();
    // By steward, without a question.
    agent_is(&agents, "steward", "idle").await;
    let reply = bed
        .ask(
            1_000_001,
            r#"timer.set {"duration": "PT2S", "label": "eggs"}"#,
        )
        .await;
    assert!(reply.contains("eggs"), "{reply}");
    for (tool, arguments) in [
        ("timer.set", r#"{"duration": "soon"}"#),
        (
            "reminder.add",
            r#"{"when": "2020-01-01T00:00", "text": "x"}"#,
        ),
    ] {
        let error = tools.call(tool, arguments).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
    }
    // Killed before they are due, and nobody is there to show them when it comes back.
    child.kill().await.unwrap();
    bed.wait_for_name("org.argos.Timers1", false).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let (_child, agents) = orchestrator(&bed).await;
    eventually("steward is told", async || {
        let said = agents.history("steward", 10).await.ok()?;
        said.into_iter()
            .find(|m| m.role == "system" && m.text == "Timer of steward: eggs")
    })
    .await;
    assert_eq!(
        timers.list().await.unwrap().len(),
        3,
        "not shown yet, so kept"
    );
    let shown = Arc::default();
    let desktop = bed.bus.object_server();
    desktop
        .at(
            "/org/freedesktop/Notifications",
            Notifications(Arc::clone(&shown)),
        )
        .await
        .unwrap();
    bed.bus
        .request_name("org.freedesktop.Notifications")
        .await
        .unwrap();
    eventually("both are shown", async || {
        let mut shown = shown.lock().unwrap().clone();
        shown.sort();
        let want = [("Timer", "tea"), ("Timer of steward", "eggs")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()));
        (shown == want).then_some(())
    })
    .await;
    let left = eventually("both are gone", async || {
        let left = timers.list().await.ok()?;
        (left.len() == 1).then_some(left)
    })
    .await;
    assert_eq!(json!(left[0].id), later["id"]);
    assert!(later["id"].as_u64() > set["id"].as_u64());
    timers.cancel(left[0].id).await.unwrap();
    assert!(matches!(
        timers.cancel(left[0].id).await,
        Err(Error::NotFound(_))
    ));
}
