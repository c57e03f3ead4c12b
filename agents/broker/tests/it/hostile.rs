//! Agents that try to get out, or to bring the broker down.

use std::os::unix::fs::PermissionsExt;

use argos_bus::Error;
use futures_util::StreamExt;
use serde_json::Value;

use crate::bed::{Bed, eventually, list};

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

/// An agent whose code is a shell script, in a sandbox like any other.
fn script(bed: &Bed, name: &str, text: &str) -> String {
    let folder = bed.agents().join(name);
    std::fs::create_dir(&folder).unwrap();
    let manifest =
        format!("name: {name}\ntitle: {name}\ncode: {{command: [run]}}\ntools: ['files.*']\n");
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
        let folder = script(&bed, name, &format!("{HELLO}\n{attack}\nsleep 60"));
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
    let bed = Bed::new(3.0).await;
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
