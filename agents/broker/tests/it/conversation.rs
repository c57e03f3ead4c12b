//! With the orchestrator: from the chat to an answer, and back up after a fall.

use std::path::Path;

use argos_bus::Error;
use argos_bus::agents::{Agents1Proxy, ChatMessage, Pace};
use futures_util::StreamExt;
use tokio::process::Child;

use crate::bed::{Bed, eventually, list};

pub(crate) async fn orchestrator(bed: &Bed) -> (Child, Agents1Proxy<'_>) {
    let child = bed.command("argos-orchestrator").spawn().unwrap();
    bed.wait_for_name("org.argos.Agents1", true).await;
    (child, Agents1Proxy::new(&bed.bus).await.unwrap())
}

/// Says something; the next message that answers it.
async fn say(agents: &Agents1Proxy<'_>, text: &str) -> ChatMessage {
    let mut messages = agents.receive_message().await.unwrap();
    let id = agents.send("steward", text).await.unwrap();
    loop {
        let signal = messages.next().await.unwrap();
        let message = signal.args().unwrap().message().clone();
        if message.in_reply_to == id {
            return message;
        }
    }
}

async fn steward_is(agents: &Agents1Proxy<'_>, state: &str) {
    agent_is(agents, "steward", state).await;
}

pub(crate) async fn agent_is(agents: &Agents1Proxy<'_>, name: &str, state: &str) {
    eventually(&format!("{name} is {state}"), async || {
        agents
            .list()
            .await
            .ok()?
            .into_iter()
            .find(|a| a.name == name && a.state == state)
            .map(|_| ())
    })
    .await;
}

pub(crate) async fn a_request_in_the_chat_ends_in_an_answer() {
    let bed = Bed::new(20.0).await;
    let (_child, agents) = orchestrator(&bed).await;
    steward_is(&agents, "idle").await;
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let wish = list(&bed.home().join("Documents"));
    let answering = async {
        let signal = requests.next().await.unwrap();
        steward_is(&agents, "waiting").await;
        permissions
            .answer(signal.args().unwrap().request().id, "once")
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(say(&agents, &wish), answering);
    assert_eq!(answer.role, "agent");
    assert!(answer.text.contains("budget.ods"), "{}", answer.text);
    let history = agents.history("steward", 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        (history[0].role.as_str(), history[1].in_reply_to),
        ("person", history[0].id)
    );
    assert!(agents.send("nobody", "hello").await.is_err());
}

pub(crate) async fn the_broker_is_killed_and_everything_comes_back() {
    let mut bed = Bed::new(20.0).await;
    let address = bed.folder.path().join("bus");
    let bus = connect(&address).await;
    let _child = bed.command("argos-orchestrator").spawn().unwrap();
    bed.wait_for_name("org.argos.Agents1", true).await;
    let agents = Agents1Proxy::new(&bus).await.unwrap();
    steward_is(&agents, "idle").await;
    // In the middle of a question.
    let mut messages = agents.receive_message().await.unwrap();
    let id = agents
        .send("steward", &list(&bed.home().join("Documents")))
        .await
        .unwrap();
    steward_is(&agents, "waiting").await;
    bed.kill_broker().await;
    let told = loop {
        let message = messages
            .next()
            .await
            .unwrap()
            .args()
            .unwrap()
            .message()
            .clone();
        if message.in_reply_to == id {
            break message;
        }
    };
    assert_eq!(told.role, "system");
    assert!(told.text.contains("interrupted"), "{}", told.text);
    steward_is(&agents, "stopped").await;
    bed.start_broker().await;
    steward_is(&agents, "idle").await;
    assert_eq!(say(&agents, "hello again").await.text, "echo: hello again");
}

pub(crate) async fn what_was_said_is_there_after_a_restart() {
    let bed = Bed::new(20.0).await;
    let (mut child, agents) = orchestrator(&bed).await;
    assert_eq!(say(&agents, "first").await.text, "echo: first");
    child.kill().await.unwrap();
    bed.wait_for_name("org.argos.Agents1", false).await;
    let (_child, agents) = orchestrator(&bed).await;
    let texts: Vec<String> = agents
        .history("steward", 10)
        .await
        .unwrap()
        .into_iter()
        .map(|m| m.text)
        .collect();
    assert_eq!(texts, ["first", "echo: first"]);
    // The agent was never gone: its process belongs to the broker.
    assert_eq!(say(&agents, "second").await.text, "echo: second");
    let ids: Vec<u64> = agents
        .history("steward", 10)
        .await
        .unwrap()
        .iter()
        .map(|m| m.id)
        .collect();
    assert!(ids.is_sorted() && ids.len() == 4, "{ids:?}");
}

pub(crate) async fn the_world_is_shown_and_stands_still_when_it_is_told_to() {
    let bed = Bed::new(20.0).await;
    let (mut child, agents) = orchestrator(&bed).await;
    steward_is(&agents, "idle").await;
    let world = agents.world().await.unwrap();
    assert_eq!(world.pace, Pace::default());
    assert!(world.rooms.iter().any(|room| room.occupants == ["steward"]));
    for (wrong, refused) in [
        (agents.step().await, "pause"),
        (agents.set_speed(0.0).await, "0.1 to 20"),
        (agents.inspect("nobody").await.map(drop), "steward"),
    ] {
        let why = wrong.unwrap_err().text();
        assert!(why.contains(refused), "{why}");
    }
    agents.set_speed(2.0).await.unwrap();
    agents.set_paused(true).await.unwrap();
    // It is so after a fall as well.
    child.kill().await.unwrap();
    bed.wait_for_name("org.argos.Agents1", false).await;
    let (_child, agents) = orchestrator(&bed).await;
    let paused = Pace {
        paused: true,
        speed: 2.0,
    };
    assert_eq!(agents.world().await.unwrap().pace, paused);
    // The steward was never gone, and that is known.
    steward_is(&agents, "idle").await;
    let before = agents.world().await.unwrap().newest;
    let mut happened = agents.receive_happened().await.unwrap();
    // Perceived, and no more than that.
    let wish = list(&bed.home().join("Documents"));
    let id = agents.send("steward", &wish).await.unwrap();
    let mind = agents.inspect("steward").await.unwrap();
    assert_eq!(mind.waiting.len(), 1);
    assert_eq!((mind.waiting[0].message, mind.focus.len()), (id, 0));
    // One step: it turns to it, makes a plan, and waits for the person.
    agents.step().await.unwrap();
    steward_is(&agents, "waiting").await;
    let mind = agents.inspect("steward").await.unwrap();
    assert_eq!((mind.focus[0].message, mind.waiting.len()), (id, 0));
    assert_eq!(mind.plan.len(), 1);
    assert_eq!(mind.plan[0].tool, "files.list");
    assert!(mind.plan[0].arguments.contains("Documents"));
    assert!(mind.thoughts[0].text.contains(&wish));
    assert_eq!(agents.stop_all().await.unwrap(), 1);
    steward_is(&agents, "stopped").await;
    assert!(matches!(agents.step().await, Ok(())), "it stands still");
    // The signals tell the same as the answer, in order and without a gap.
    let events = agents.events(before).await.unwrap();
    let mut told = Vec::new();
    while told.len() < events.len() {
        let signal = happened.next().await.unwrap();
        told.push(signal.args().unwrap().event().clone());
    }
    assert_eq!(told, events);
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    let expected: Vec<u64> = (before + 1..=before + events.len() as u64).collect();
    assert_eq!(numbers, expected);
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    for kind in ["said", "stepped", "attended", "stopped-all"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    // With its question closed, the steward may have had time for a last word.
    assert!(
        kinds.contains(&"unanswered") || kinds.contains(&"answered"),
        "the message has no end: {kinds:?}"
    );
    agents.set_paused(false).await.unwrap();
    assert_eq!(agents.list().await.unwrap()[0].state, "stopped");
    assert!(matches!(agents.step().await, Err(Error::Failed(_))));
}

async fn connect(socket: &Path) -> zbus::Connection {
    let address = format!("unix:path={}", socket.display());
    zbus::connection::Builder::address(address.as_str())
        .build()
        .await
        .unwrap()
}
