//! The hostile program of `tests/escape` against the broker: as an agent, and as a program of the
//! person's that lies about who it is. The booted image is tried by the same program.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use argos_bus::Error;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bed::{Bed, eventually};

const PROGRAM: &str = "argos-escape";
const MANIFEST: &str = "name: hostile\ntitle: Hostile\ncode: {command: [bin/hostile]}\n\
                        tools: ['files.*', 'apps.*', 'web.*']\n";

async fn start(bed: &Bed) {
    let folder = bed.agents().join("hostile");
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::write(folder.join("agent.yaml"), MANIFEST).unwrap();
    let program = folder.join("bin/hostile");
    std::fs::copy(bed.program(PROGRAM), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let folder = folder.display().to_string();
    bed.broker1().await.start_agent(&folder).await.unwrap();
}

/// Has it try something; every row of its answer must be as it expects.
async fn judge(bed: &Bed, id: u64, message: &str) -> Vec<Value> {
    let reply = bed.ask_agent("hostile", id, message).await;
    rows(&reply)
}

fn rows(text: &str) -> Vec<Value> {
    let rows: Vec<Value> = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert!(!rows.is_empty());
    let bad: Vec<&Value> = rows.iter().filter(|row| row["good"] != true).collect();
    assert!(bad.is_empty(), "not as expected: {bad:#?}");
    rows
}

pub(crate) async fn rude_calls_are_refused() {
    let bed = Bed::new(20.0).await;
    start(&bed).await;
    let rows = judge(&bed, 1, "broker").await;
    assert!(rows.len() >= 14, "{}", rows.len());
    // Whatever a header says, what was recorded was this agent's.
    assert!(bed.audit().iter().all(|row| row["agent"] == "hostile"));
}

pub(crate) async fn no_host_is_taken_for_another() {
    let bed = Bed::new(20.0).await;
    let mut server = bed
        .plain_command(PROGRAM)
        .arg("serve")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = server.stdout.take().unwrap();
    let port = BufReader::new(out).lines().next_line().await.unwrap();
    let port = port.expect("its port");
    start(&bed).await;
    let permissions = bed.permissions1().await;
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        permissions
            .grant("hostile", "network", &host, "allow", "always", 0)
            .await
            .unwrap();
    }
    // Whatever is asked beside that is denied, and kept to be looked at.
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut requests = permissions.receive_requested().await.unwrap();
    let denying = async {
        loop {
            let signal = requests.next().await.unwrap();
            let request = signal.args().unwrap().request().clone();
            asked.lock().unwrap().push(request.resource);
            permissions.answer(request.id, "deny").await.unwrap();
        }
    };
    let message = format!("hosts 127.0.0.1:{port}");
    let rows = tokio::select! {
        rows = judge(&bed, 1, &message) => rows,
        () = denying => unreachable!("it denies for ever"),
    };
    assert!(rows.len() > 30, "{}", rows.len());
    // The person was shown what is enforced, and no two scripts that look the same.
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|host| host.is_ascii()), "{asked:?}");
    for host in [
        "xn--lcalhost-nbh",
        "xn--locahost-0di",
        "localhost.evil.example",
        "[::1]",
        "127.0.0.1",
    ] {
        assert!(
            asked.iter().any(|resource| resource.starts_with(host)),
            "{host} was not asked about: {asked:?}"
        );
    }
    assert!(!asked.contains(&format!("127.0.0.1:{port}")), "{asked:?}");
}

pub(crate) async fn a_process_number_that_is_anothers_decides_nothing() {
    let mut bed = Bed::new(20.0).await;
    let lie = async |bed: &Bed| {
        let socket = bed.folder.path().join("bus");
        let output = bed
            .plain_command(PROGRAM)
            .arg("reused")
            .arg(socket)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("not tried") {
            println!("skipped: {said}");
            return None;
        }
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(
            serde_json::from_str::<Vec<Value>>(&out).unwrap_or_else(|e| panic!("{e}: {out}{said}")),
        )
    };
    let Some(seen) = lie(&bed).await else { return };
    let [heard, refused, number] = &seen[..] else {
        panic!("{seen:#?}");
    };
    assert_eq!(
        (&heard["good"], &number["good"]),
        (&true.into(), &true.into()),
        "{seen:#?}"
    );
    if !bed.by_process_number {
        // Which of the two says so, the bus or the broker, is the bus's version.
        let why = refused["said"].to_string();
        let known = ["has ended", "does not know the caller's process"];
        assert_eq!(refused["good"], true, "{refused}");
        assert!(known.iter().any(|word| why.contains(word)), "{why}");
        return;
    }
    // Here the bus knows no more than the number, and the lie is believed: this is the attack itself.
    assert!(
        refused["seen"].to_string().contains("NotFound"),
        "{refused}"
    );
    println!("this host's bus hands out no descriptor of a process: nobody decides then");
    bed.kill_broker().await;
    bed.by_process_number = false;
    bed.start_broker().await;
    let permissions = bed.permissions1().await;
    let error = permissions.revoke(u64::MAX).await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error}");
    assert!(error.to_string().contains("--by-process-number"), "{error}");
    let refused = eventually("the lie is refused as well", async || lie(&bed).await).await;
    assert!(
        refused[1]["seen"].to_string().contains("Denied"),
        "{refused:#?}"
    );
}
