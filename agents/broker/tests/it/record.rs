//! The audit log of a real broker through falls and attacks; calls that are called back.

use std::io::Write;
use std::path::Path;

use argos_audit::verify;
use argos_bus::Error;
use futures_util::StreamExt;

use crate::bed::{Bed, eventually, list};
use crate::hostile::{message, sender};

pub(crate) async fn the_log_is_one_chain_through_falls() {
    let mut bed = Bed::new(20.0).await;
    let log = bed.state().join("audit.jsonl");
    let arguments = serde_json::json!({"path": bed.home().join("Documents")}).to_string();
    for fall in 0..2 {
        for _ in 0..5 {
            let tools = bed.tools1().await;
            tools.call("files.list", &arguments).await.unwrap();
        }
        // What was answered is in the log, whatever happens now.
        bed.kill_broker().await;
        let rows = bed.audit();
        assert_eq!(rows.len(), 5 * (fall + 1));
        if fall == 1 {
            let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
            file.write_all(br#"{"number":99,"time":"2026-"#).unwrap();
        }
        let report = verify(&log, None).unwrap();
        assert!(report.is_whole(), "{report:?}");
        if fall == 1 {
            // As the person would: the fragment is no row.
            assert_eq!(report.lost.len(), 1);
        }
        bed.start_broker().await;
        let report = verify(&log, None).unwrap();
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.lost.len(), usize::from(fall > 0), "{report:?}");
    }
}

pub(crate) async fn what_was_cut_off_is_found() {
    let mut bed = Bed::new(20.0).await;
    let log = bed.state().join("audit.jsonl");
    let arguments = serde_json::json!({"path": bed.home().join("Documents")}).to_string();
    for _ in 0..3 {
        bed.tools1()
            .await
            .call("files.list", &arguments)
            .await
            .unwrap();
    }
    // Rows are committed, and the anchor written, within a second.
    eventually("the anchor knows them", async || {
        let anchor = std::fs::read_to_string(log.with_extension("anchor")).ok()?;
        anchor.contains("\"last\":4").then_some(())
    })
    .await;
    bed.kill_broker().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&log, lines[..2].join("\n") + "\n").unwrap();
    let problem = |n: usize| verify(&log, None).unwrap().problems.remove(n).what;
    assert_eq!(
        problem(0),
        "rows 3 to 4 are missing at the end: it was cut off"
    );
    bed.start_broker().await;
    assert_eq!(problem(0), "rows 3 to 4 are missing before this line");
    let own = bed.audit_log().pop().unwrap();
    assert_eq!(own["event"], "gap");
}

pub(crate) async fn an_agent_cancels_a_call_of_its_own() {
    let bed = Bed::new(20.0).await;
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let mut resolved = permissions.receive_resolved().await.unwrap();
    let arguments = serde_json::json!({"path": bed.home().join("Documents")}).to_string();
    let call = message(
        "CallToolAs",
        true,
        &(7u64, "files.list", arguments.as_str()),
    );
    let then = "cat <&3 >/workspace/answers &\ncat /agent/messages >&3\n\
                while ! test -e /workspace/go; do sleep 0.1; done\n\
                cat /agent/cancel >&3\nsleep 60";
    // The same number twice: the second call is refused.
    let folder = sender(&bed, "fickle", &call.repeat(2), then);
    let cancel = message("Cancel", true, &7u64);
    std::fs::write(Path::new(&folder).join("cancel"), cancel).unwrap();
    bed.broker1().await.start_agent(&folder).await.unwrap();
    let asked = requests.next().await.unwrap();
    let id = asked.args().unwrap().request().id;
    // Not before the other one was refused: once the first is over, its number is free again.
    eventually("the second call is recorded", async || {
        bed.audit().pop().filter(|row| row["outcome"] == "invalid")
    })
    .await;
    std::fs::write(bed.state().join("agents/fickle/workspace/go"), "").unwrap();
    let closed = resolved.next().await.unwrap();
    assert_eq!(
        (
            *closed.args().unwrap().id(),
            *closed.args().unwrap().decision()
        ),
        (id, "cancelled")
    );
    let rows = eventually("both calls are recorded", async || {
        Some(bed.audit()).filter(|rows| rows.len() == 2)
    })
    .await;
    assert_eq!(rows[0]["outcome"], "invalid");
    assert_eq!(rows[1]["outcome"], "cancelled");
    let error = rows[1]["error"].as_str().unwrap();
    assert!(error.contains("the agent itself"), "{error}");
    assert!(bed.tools1().await.calls().await.unwrap().is_empty());
}

pub(crate) async fn the_person_cancels_a_question_and_a_call_that_runs() {
    let bed = Bed::new(20.0).await;
    let mut memory = bed.serve_memory().await;
    bed.start_steward().await;
    let tools = bed.tools1().await;
    let cancelling = async |state: &str| {
        let call = eventually("a call is open", async || {
            let mut calls = tools.calls().await.unwrap();
            calls.pop().filter(|call| call.state == state)
        })
        .await;
        assert_eq!(call.agent, "steward");
        tools.cancel(call.id).await.unwrap();
        assert!(matches!(tools.cancel(999).await, Err(Error::NotFound(_))));
    };
    let wish = list(&bed.home().join("Documents"));
    let (reply, ()) = tokio::join!(bed.ask(1, &wish), cancelling("checking"));
    assert!(!reply.contains("budget"), "{reply}");
    let row = bed.audit().pop().unwrap();
    assert_eq!(
        (&row["outcome"], &row["decision"]),
        (&"cancelled".into(), &"none".into())
    );
    let never = r#"memory.remember {"text": "never"}"#;
    let (reply, ()) = tokio::join!(bed.ask(2, never), async {
        memory.recv().await.unwrap();
        cancelling("running").await;
    });
    assert!(reply.contains("not known"), "{reply}");
    let row = bed.audit().pop().unwrap();
    assert_eq!(row["outcome"], "stopped", "{row}");
    assert!(
        row["error"].as_str().unwrap().contains("the person"),
        "{row}"
    );
}
