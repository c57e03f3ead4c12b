//! Agents that try to get out, or to bring the broker down.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use argos_bus::Error;
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use zbus::DynamicType;
use zbus::message::Flags;

use crate::bed::{Bed, PATIENCE, eventually, list};

pub(crate) async fn the_walls_hold_from_inside() {
    let bed = Bed::new(20.0).await;
    let output = bed
        .broker_command()
        .args(["probe-sandbox", "steward"])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let report = report.as_object().unwrap();
    assert!(report.len() > 20, "{report:?}");
    let good = [
        "workspace",
        "own_processes",
        "own_descriptors",
        "environment",
    ];
    for (attempt, outcome) in report {
        assert!(
            outcome.get("untried").is_none(),
            "{attempt} was not tried: {outcome}"
        );
        let expected = good.contains(&attempt.as_str());
        assert_eq!(outcome["ok"], Value::Bool(expected), "{attempt}: {outcome}");
    }
    // Nothing of the person's environment is inside.
    let names = report["environment"]["found"].to_string();
    assert!(!names.contains("DBUS") && !names.contains("XDG"), "{names}");
}

/// The manifest of such an agent.
pub(crate) fn manifest(name: &str) -> String {
    format!("name: {name}\ntitle: {name}\ncode: {{command: [run]}}\ntools: ['files.*']\n")
}

/// An agent whose code is a shell script, in a sandbox like any other.
fn script(bed: &Bed, name: &str, text: &str) -> String {
    let folder = bed.agents().join(name);
    std::fs::create_dir(&folder).unwrap();
    let manifest = manifest(name);
    std::fs::write(folder.join("agent.yaml"), manifest).unwrap();
    std::fs::write(folder.join("run"), format!("#!/usr/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(folder.join("run"), PermissionsExt::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

/// A handshake as any D-Bus client makes it.
const HELLO: &str = r"printf '\0AUTH ANONYMOUS\r\n' >&3; read -r line <&3; printf 'DATA\r\n' >&3; read -r line <&3; printf 'BEGIN\r\n' >&3; sleep 0.2";

pub(crate) async fn damaged_messages_end_only_their_sender() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let broker = bed.broker1().await;
    let mut states = broker.receive_state_changed().await.unwrap();
    let attacks = [
        // A body of 2 GiB is announced.
        (
            "oversized",
            r"printf 'l\1\0\1\377\377\377\177\1\0\0\0\10\0\0\0' >&3",
        ),
        // No D-Bus at all.
        ("garbage", "head -c 4096 /dev/urandom >&3"),
        // A header whose fields run past its end.
        (
            "overrun",
            r"printf 'l\1\0\1\0\0\0\0\1\0\0\0\20\0\0\0\1\1o\0\377\377\0\0aaaaaaaa' >&3",
        ),
    ];
    for (name, attack) in attacks {
        let folder = script(&bed, name, &format!("{HELLO}\n{attack}\nsleep 600"));
        broker.start_agent(&folder).await.unwrap();
        let mut ended = false;
        while !ended {
            let signal = states.next().await.unwrap();
            let args = signal.args().unwrap();
            ended = *args.agent() == name
                && matches!(*args.state(), "starting" | "failed")
                && args.detail().contains("ended");
        }
        broker.stop_agent(name).await.unwrap();
        assert_eq!(bed.ask(1, "still there?").await, "echo: still there?");
    }
}

pub(crate) async fn an_endless_handshake_is_cut_off() {
    let bed = Bed::new(20.0).await;
    let folder = script(&bed, "endless", "yes AUTH | tr -d '\\n' >&3");
    let error = bed.broker1().await.start_agent(&folder).await.unwrap_err();
    assert!(matches!(error, Error::Failed(_)), "{error}");
    eventually("its process is gone", async || {
        bed.processes("argos-exec").len().le(&2).then_some(())
    })
    .await;
}

pub(crate) async fn a_flood_of_calls_is_slowed_and_prompts_are_merged() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    // Three times the same wish in one plan, and twice at once by two messages: every wait is one
    // question on screen at a time, and no more than one for the same thing.
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let wish = list(&bed.home().join("Documents"));
    let plan = [wish.as_str(); 3].join("\n");
    let asking = bed.ask(1, &plan);
    let watching = async {
        let signal = requests.next().await.unwrap();
        let id = signal.args().unwrap().request().id;
        assert_eq!(permissions.pending().await.unwrap().len(), 1);
        permissions.answer(id, "session").await.unwrap();
    };
    let (reply, ()) = tokio::join!(asking, watching);
    assert_eq!(reply.matches("budget.ods").count(), 3, "{reply}");
    assert_eq!(bed.audit().len(), 3);
}

/// A call of `org.argos.Agent1` as it travels.
pub(crate) fn message(
    method: &str,
    wants_answer: bool,
    body: &(impl Serialize + DynamicType),
) -> Vec<u8> {
    let mut call =
        zbus::Message::method_call("/org/argos/Agent1", method).interface("org.argos.Agent1");
    if !wants_answer {
        call = call.with_flags(Flags::NO_REPLY_EXPECTED);
    }
    call.build(body).unwrap().data().to_vec()
}

/// An agent that connects, does `then`, and has these bytes in the file `/agent/messages`.
pub(crate) fn sender(bed: &Bed, name: &str, messages: &[u8], then: &str) -> String {
    let folder = script(bed, name, &format!("{HELLO}\n{then}"));
    std::fs::write(Path::new(&folder).join("messages"), messages).unwrap();
    folder
}

/// Sends for ever, reading what is answered, or never reading anything.
const READING: &str = "cat <&3 >/dev/null &\nwhile :; do cat /agent/messages >&3; done";
const NOT_READING: &str = "while :; do cat /agent/messages >&3; done";

/// The most memory that the broker may have while one agent does its worst.
const MOST_MEMORY: u64 = 96 << 20;

/// Another agent is served as if there were nothing: not only once the broker has cut the first one off
/// for what it does not read, which takes 10 s.
async fn others_are_served(bed: &Bed, id: u64) {
    let asking = bed.ask(id, "still there?");
    let reply = tokio::time::timeout(Duration::from_secs(8), asking).await;
    assert_eq!(reply.expect("an answer in time"), "echo: still there?");
    let memory = bed.broker_memory();
    assert!(memory < MOST_MEMORY, "{} MiB", memory >> 20);
}

pub(crate) async fn a_flood_of_plans_reaches_the_model_one_by_one() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let plans = message("Plan", true, &"wait").repeat(50);
    let folder = sender(&bed, "planner", &plans, READING);
    bed.broker1().await.start_agent(&folder).await.unwrap();
    eventually("some plans are made", async || {
        (bed.model.waited() >= 2).then_some(())
    })
    .await;
    assert_eq!(bed.model.most_at_once(), 1);
    others_are_served(&bed, 1).await;
}

pub(crate) async fn an_agent_that_never_reads_is_cut_off() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let broker = bed.broker1().await;
    let mut states = broker.receive_state_changed().await.unwrap();
    // Answers that fill its socket, and requests that would be dear to keep.
    let mut calls = message("Describe", true, &());
    calls.extend(message("Plan", true, &"x".repeat(200 << 10)));
    let folder = sender(&bed, "deaf", &calls, NOT_READING);
    broker.start_agent(&folder).await.unwrap();
    let cut_off = async {
        loop {
            let signal = states.next().await.unwrap();
            let args = signal.args().unwrap();
            if *args.agent() == "deaf" && args.detail().contains("ended") {
                return args.detail().to_string();
            }
        }
    };
    let watching = async {
        for id in 1.. {
            others_are_served(&bed, id).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let detail = tokio::select! {
        detail = cut_off => detail,
        () = watching => unreachable!("it watches for ever"),
    };
    assert!(detail.contains("it did not read an answer"), "{detail}");
}

pub(crate) async fn an_agent_that_never_reads_is_stopped_at_once() {
    let bed = Bed::new(20.0).await;
    let broker = bed.broker1().await;
    let calls = message("Describe", true, &());
    let folder = sender(&bed, "deaf", &calls, NOT_READING);
    broker.start_agent(&folder).await.unwrap();
    // Its socket is full by then, and an answer is being written to it, for 10 s from its beginning.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stopping = broker.stop_agent("deaf");
    tokio::time::timeout(Duration::from_secs(6), stopping)
        .await
        .expect("it is stopped in time")
        .unwrap();
}

pub(crate) async fn calls_that_want_no_answer_are_counted_as_well() {
    let bed = Bed::new(20.0).await;
    let broker = bed.broker1().await;
    let mut replies = broker.receive_replied().await.unwrap();
    let mut calls = message("Describe", false, &()).repeat(40);
    calls.extend(message("Nonsense", false, &()).repeat(40));
    calls.extend(message("Reply", true, &(0u64, "alive")));
    let once = "cat <&3 >/dev/null &\ncat /agent/messages >&3\nsleep 600";
    let folder = sender(&bed, "brisk", &calls, once);
    broker.start_agent(&folder).await.unwrap();
    let signal = tokio::time::timeout(PATIENCE, replies.next())
        .await
        .expect("the last message arrives")
        .unwrap();
    assert_eq!(*signal.args().unwrap().text(), "alive");
}

pub(crate) async fn a_flood_of_calls_leaves_a_row_a_second() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let calls = message("CallTool", true, &("files.list", "{}")).repeat(50);
    let folder = sender(&bed, "caller", &calls, READING);
    let broker = bed.broker1().await;
    let begun = Instant::now();
    broker.start_agent(&folder).await.unwrap();
    let is_limited = |row: &&Value| row["outcome"] == "limited";
    eventually("a row stands for several calls", async || {
        let rows = bed.audit();
        let limited: Vec<&Value> = rows.iter().filter(is_limited).collect();
        let together = limited.iter().any(|row| row["calls"].as_u64() > Some(1));
        (limited.len() > 3 && together).then_some(())
    })
    .await;
    others_are_served(&bed, 1).await;
    broker.stop_agent("caller").await.unwrap();
    let rows = bed.audit();
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let limited = rows.iter().filter(is_limited).count();
    assert!(limited <= seconds + 1, "{limited} in {seconds} s");
    // The others are within the rate: twenty in one go, and then two a second.
    let others = rows.len() - limited;
    assert!(others <= 21 + 2 * seconds, "{others} in {seconds} s");
}

pub(crate) async fn a_file_in_the_workspace_has_a_largest_size() {
    let bed = Bed::new(20.0).await;
    let writing = "cat /dev/zero > /workspace/big; echo over > /workspace/over; sleep 600";
    let folder = sender(&bed, "hoarder", &[], writing);
    let manifest = Path::new(&folder).join("agent.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text}limits: {{file-size: 1M}}\n")).unwrap();
    bed.broker1().await.start_agent(&folder).await.unwrap();
    let workspace = bed.state().join("agents/hoarder/workspace");
    eventually("it has written all it could", async || {
        workspace.join("over").exists().then_some(())
    })
    .await;
    let size = std::fs::metadata(workspace.join("big")).unwrap().len();
    assert_eq!(size, 1 << 20);
}

/// An agent whose workspace may take 8 MiB, in files of 1 MiB.
fn hoarder(bed: &Bed, writing: &str) -> String {
    let folder = sender(bed, "hoarder", &[], writing);
    let manifest = Path::new(&folder).join("agent.yaml");
    let mut text = std::fs::read_to_string(&manifest).unwrap();
    text.push_str("limits: {file-size: 1M, workspace: 8M}\n");
    std::fs::write(&manifest, text).unwrap();
    folder
}

/// Waits until it is ended for what it keeps; why.
async fn ended_for_its_workspace(bed: &Bed, writing: &str) -> String {
    let broker = bed.broker1().await;
    let mut states = broker.receive_state_changed().await.unwrap();
    let folder = hoarder(bed, writing);
    broker.start_agent(&folder).await.unwrap();
    let ended = async {
        loop {
            let signal = states.next().await.unwrap();
            let args = signal.args().unwrap();
            if *args.agent() == "hoarder" && *args.state() == "failed" {
                return args.detail().to_string();
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it is ended")
}

pub(crate) async fn a_workspace_is_bounded_in_sum() {
    let bed = Bed::new(20.0).await;
    // Many files, each within its limit; slowly enough, once they are too many, that the disk of this
    // host is safe, and that they are counted before there are no more.
    let bomb = "cd /workspace; n=0; while [ $n -lt 4000 ]; do head -c 100000 /dev/zero > f$n; \
                n=$((n + 1)); [ $n -lt 200 ] || sleep 0.1; done";
    let why = ended_for_its_workspace(&bed, bomb).await;
    assert!(why.contains("more than the 8 MiB"), "{why}");
    assert!(why.contains("limits: {workspace:"), "{why}");
    eventually("its process is gone", async || {
        let found = bed.processes("argos-exec").len();
        (found <= 2).then_some(())
    })
    .await;
    let workspace = bed.state().join("agents/hoarder/workspace");
    let files = std::fs::read_dir(&workspace).unwrap().count();
    assert!((80..4000).contains(&files), "{files}");
    // It stays down, and is not started while it is past its limit.
    let folder = bed.agents().join("hoarder").display().to_string();
    let broker = bed.broker1().await;
    let error = broker.start_agent(&folder).await.unwrap_err();
    assert!(error.to_string().contains("more than the 8 MiB"), "{error}");
    // Once there is room again it is; what takes nothing is let be: a sparse file, and one with many
    // names.
    for entry in std::fs::read_dir(&workspace).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
    let sparse = std::fs::File::create(workspace.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    std::fs::write(workspace.join("one"), vec![1; 1 << 20]).unwrap();
    for n in 0..500 {
        std::fs::hard_link(workspace.join("one"), workspace.join(n.to_string())).unwrap();
    }
    std::fs::write(
        Path::new(&folder).join("run"),
        format!("#!/usr/bin/bash\n{HELLO}\nsleep 600\n"),
    )
    .unwrap();
    broker.start_agent(&folder).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    broker.stop_agent("hoarder").await.expect("it still runs");
    // Names alone are too much at some point.
    for n in 0..2000 {
        std::fs::write(workspace.join(format!("empty-{n}")), "").unwrap();
    }
    let error = broker.start_agent(&folder).await.unwrap_err();
    assert!(error.to_string().contains("more than the 8 MiB"), "{error}");
}

pub(crate) async fn files_without_a_name_count_as_well() {
    let bed = Bed::new(20.0).await;
    // None has a name when the first is written to, so none has when it is ended.
    let bomb = "cd /workspace; for n in $(seq 20 39); do eval \"exec $n>f\"; rm f; done; \
                for n in $(seq 20 39); do head -c 1000000 /dev/zero >&$n; done; sleep 600";
    let why = ended_for_its_workspace(&bed, bomb).await;
    assert!(why.contains("more than the 8 MiB"), "{why}");
    let workspace = bed.state().join("agents/hoarder/workspace");
    assert_eq!(std::fs::read_dir(workspace).unwrap().count(), 0);
}

pub(crate) async fn a_workspace_that_cannot_be_counted_ends_its_agent() {
    let bed = Bed::new(20.0).await;
    let why = ended_for_its_workspace(
        &bed,
        "mkdir -p /workspace/dark; chmod 0 /workspace/dark; sleep 600",
    )
    .await;
    assert!(why.contains("cannot be counted: dark"), "{why}");
}
