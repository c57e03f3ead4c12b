//! The worker's process and its protocol, from both ends.

use std::io::Write;
use std::time::Duration;

use argos_tools::{Code, Worker};
use serde_json::json;

use crate::rig::{Rig, start_raw, start_worker};

#[tokio::test]
async fn it_is_sealed_before_it_answers() {
    let (mut process, worker) = start_worker();
    assert_eq!(
        worker
            .call("no.such", json!({}), Vec::new())
            .await
            .unwrap_err()
            .code,
        Code::NotFound
    );
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    assert!(
        status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
        "{status}"
    );
    drop(worker);
    // The broker's end is closed: the worker ends by itself, and well.
    let ended = tokio::task::spawn_blocking(move || process.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn calls_may_overlap_and_be_given_up() {
    let rig = Rig::new();
    for number in 0..40 {
        std::fs::write(
            rig.home.join(format!("f{number}")),
            format!("{number} {}", "x".repeat(60_000)),
        )
        .unwrap();
    }
    let calls = (0..40).map(|number| {
        let call = rig
            .check("files.read", json!({"path": format!("~/f{number}")}))
            .unwrap();
        let env = rig.env.clone();
        async move {
            // Every third one is dropped in the middle of whatever it is at.
            let limit = if number % 3 == 0 {
                Duration::from_micros(300)
            } else {
                Duration::from_secs(120)
            };
            (
                number,
                tokio::time::timeout(limit, call.execute(&env)).await,
            )
        }
    });
    for (number, result) in futures_util::future::join_all(calls).await {
        match result {
            Ok(result) => {
                let text = result.unwrap()["text"].as_str().unwrap().to_owned();
                assert!(
                    text.starts_with(&format!("{number} ")),
                    "answers are mixed up"
                );
            }
            Err(_) => assert_eq!(number % 3, 0),
        }
    }
    assert!(rig.env.worker.as_ref().unwrap().is_alive());
}

#[tokio::test]
async fn a_worker_that_dies_ends_its_calls() {
    let mut rig = Rig::new();
    std::fs::write(rig.home.join("a"), "a").unwrap();
    rig.call("files.read", json!({"path": "~/a"}))
        .await
        .unwrap();
    rig.process().kill().unwrap();
    let error = rig
        .call("files.read", json!({"path": "~/a"}))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    assert!(!rig.env.worker.as_ref().unwrap().is_alive());
}

#[tokio::test]
async fn a_worker_that_answers_nonsense_is_dropped() {
    for nonsense in [
        &b"\xff\xff\xff\xff"[..],
        b"\x02\0\0\0{]",
        b"\x08\0\0\0{\"id\":1}",
        b"\x03\0\0\0",
    ] {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let worker = Worker::new(ours).unwrap();
        theirs.write_all(nonsense).unwrap();
        drop(theirs);
        let error = worker
            .call("files.read", json!({}), Vec::new())
            .await
            .unwrap_err();
        assert!(
            matches!(error.code, Code::Unavailable | Code::Failed),
            "{error}"
        );
    }
}

#[test]
fn the_worker_ends_on_nonsense() {
    for nonsense in [&b"\xff\xff\xff\xff"[..], b"\x02\0\0\0{]"] {
        let (mut process, mut ours) = start_raw();
        ours.write_all(nonsense).unwrap();
        let ended = process.wait().unwrap();
        assert_eq!(ended.code(), Some(126), "{ended}");
    }
}

#[tokio::test]
async fn too_large_a_call_is_refused_here() {
    let (mut process, worker) = start_worker();
    let error = worker
        .call(
            "notes.add",
            json!({"text": "x".repeat(5 << 20)}),
            Vec::new(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::LimitReached);
    assert!(worker.is_alive());
    process.kill().unwrap();
    process.wait().unwrap();
}
