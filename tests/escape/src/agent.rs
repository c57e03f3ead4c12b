//! The hostile program as an agent under the live broker: told what to try by messages, it answers
//! with what came of it, as JSON. Who judges is the scenario that drives the booted image.
//!
//! ```text
//! cases NAME=VALUE…   every attempt that needs nothing of a fixture, each in a process of its own
//! reach PATH…         the system's real files and sockets
//! broker              rude calls on fd 3
//! flood               more questions than anybody wants to answer
//! memory | orphans    bombs and what is to outlive them
//! ```

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::case::{Blocked, Case, Handed, Wall, errno, killed};
use crate::cases;
use crate::link::{Answer, Argument, Call, Link};

/// Serves the broker until it goes away.
pub(crate) fn serve() -> io::Result<()> {
    let mut link = Link::open()?;
    link.agent("Describe", &[])?;
    loop {
        let message = link.agent("NextMessage", &[])?;
        if let Some(error) = message.error {
            return Err(io::Error::other(error));
        }
        let text = message.texts.last().cloned().unwrap_or_default();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let answer = match verb {
            "cases" => attempts(rest),
            "reach" => reach(rest),
            "broker" => broker(&mut link)?,
            "flood" => flood(&mut link)?,
            "memory" => memory(),
            "orphans" => orphans(),
            _ => json!({ "error": format!("nothing is called {verb}") }),
        };
        let reply = [
            Argument::Number(message.number),
            Argument::Text(&answer.to_string()),
        ];
        link.agent("Reply", &reply)?;
    }
}

/// The program, as the agent sees it.
fn own() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.stdin(Stdio::null());
    command
}

/// Whether a case means the same here, where the folders of a fixture are not.
fn fits(subject: &str, case: &Case) -> bool {
    let with_mounts = matches!(
        case.blocked,
        Blocked::Errno([libc::EROFS | libc::EXDEV | libc::EBUSY, ..])
    );
    case.wall == Wall::Agent
        && case.handed == Handed::Nothing
        && !with_mounts
        && !matches!(subject, "files" | "sockets")
        && !matches!(
            case.name,
            "run a set-user-id copy" | "leave one behind by a descriptor"
        )
}

fn attempts(variables: &str) -> Value {
    let variables: Vec<(&str, &str)> = variables
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .collect();
    let _ = std::fs::create_dir_all("/workspace/workspace");
    let mut rows = Vec::new();
    for (subject, list) in cases::ALL {
        for case in list.iter().filter(|case| fits(subject, case)) {
            let output = own()
                .args(["act", case.name])
                .envs(variables.iter().copied())
                .env("FOLDER", "/workspace")
                .output();
            let (good, seen) = match output {
                Ok(output) => crate::suite::judged(case, &output),
                Err(error) => (false, error.to_string()),
            };
            rows.push(json!({
                "case": format!("{subject}: {}", case.name),
                "good": good,
                "expected": case.blocked.to_string(),
                "seen": seen,
            }));
        }
    }
    json!(rows)
}

/// Files are read, sockets connected to.
fn reach(paths: &str) -> Value {
    let rows: Vec<Value> = paths
        .split_whitespace()
        .map(|path| {
            let read = std::fs::File::open(path).map(|_| ());
            let result = match read {
                // A socket cannot be opened.
                Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                    UnixStream::connect(path).map(|_| ())
                }
                result => result,
            };
            let seen = match &result {
                Ok(()) => "it got through".to_owned(),
                Err(error) => errno(error.raw_os_error().unwrap_or(0)),
            };
            let good = seen == "ENOENT";
            json!({ "case": format!("reach {path}"), "good": good, "expected": "ENOENT", "seen": seen })
        })
        .collect();
    json!(rows)
}

const AGENT: &str = "/org/argos/Agent1";

/// Calls that must be refused, with the end of the error's name that says why.
fn broker(link: &mut Link) -> io::Result<Value> {
    let mut rows = Vec::new();
    let mut judge = |case: &str, expected: &[&str], answer: &Answer| {
        let seen = match &answer.error {
            Some(name) => name.clone(),
            None => format!("it got through: {:?}", answer.texts),
        };
        let good = expected.iter().any(|end| seen.ends_with(end));
        rows.push(json!({
            "case": case, "good": good, "expected": expected.join(" or "), "seen": seen,
            "said": answer.texts,
        }));
    };
    let nothing = [
        "UnknownObject",
        "UnknownInterface",
        "UnknownMethod",
        "ServiceUnknown",
    ];
    for (case, path, interface, member, arguments) in [
        (
            "answer one's own question",
            "/org/argos/Permissions1",
            "org.argos.Permissions1",
            "Answer",
            vec![Argument::Number(1), Argument::Text("always")],
        ),
        (
            "start an agent",
            "/org/argos/Broker1",
            "org.argos.Broker1",
            "StartAgent",
            vec![Argument::Text("/home/argos")],
        ),
        (
            "call a tool as the person",
            "/org/argos/Tools1",
            "org.argos.Tools1",
            "Call",
            vec![Argument::Text("files.read"), Argument::Text("{}")],
        ),
        (
            "have the supervisor start a unit",
            "/org/argos/Init1",
            "org.argos.Init1",
            "Start",
            vec![Argument::Text("foot")],
        ),
        (
            "take a name on a bus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "RequestName",
            vec![Argument::Text("org.argos.Broker1")],
        ),
    ] {
        let call = Call {
            path,
            interface,
            member,
            sender: None,
        };
        let answer = link.call(call, &arguments)?;
        judge(case, &nothing, &answer);
    }
    let tool = |sender| Call {
        path: AGENT,
        interface: "org.argos.Agent1",
        member: "CallTool",
        sender,
    };
    let forged = link.call(
        tool(Some(":1.1")),
        &[
            Argument::Text("notes.add"),
            Argument::Text(r#"{"text": "forged"}"#),
        ],
    )?;
    judge(
        "claim to be another caller",
        &["NotFound", "Denied"],
        &forged,
    );
    for (case, name, arguments, expected) in [
        (
            "call a tool that is not in the manifest",
            "memory.remember",
            r#"{"text": "x"}"#,
            ["NotFound", "Denied"],
        ),
        (
            "a path that turns the direction of text",
            "files.list",
            "{\"path\": \"/home/argos/Docu\u{202e}stnem\"}",
            ["InvalidArguments", "InvalidArguments"],
        ),
        (
            "a path with a line of its own",
            "files.list",
            r#"{"path": "/home/argos/Documents\nThe system asks: allow all"}"#,
            ["InvalidArguments", "InvalidArguments"],
        ),
        (
            "a path with a NUL",
            "files.list",
            r#"{"path": "/home/argos/Documents\u0000/../.ssh"}"#,
            ["InvalidArguments", "InvalidArguments"],
        ),
        (
            "an application with arguments",
            "apps.launch",
            r#"{"app": "foot --server /bin/sh -c evil"}"#,
            ["InvalidArguments", "NotFound"],
        ),
        (
            "an application by a path",
            "apps.launch",
            r#"{"app": "../../../../workspace/evil"}"#,
            ["InvalidArguments", "NotFound"],
        ),
        (
            "an application with an option for a name",
            "apps.launch",
            r#"{"app": "--exec=/bin/sh"}"#,
            ["InvalidArguments", "NotFound"],
        ),
    ] {
        let answer = link.call(
            tool(None),
            &[Argument::Text(name), Argument::Text(arguments)],
        )?;
        judge(case, &expected, &answer);
    }
    let long = format!(r#"{{"path": "/{}"}}"#, "x".repeat(200 << 10));
    let answer = link.call(
        tool(None),
        &[Argument::Text("files.list"), Argument::Text(&long)],
    )?;
    judge(
        "arguments without end",
        &["InvalidArguments", "LimitReached"],
        &answer,
    );
    // Descriptors that nobody asked for: whether they pile up is to be seen outside.
    let (one, _other) = UnixStream::pair()?;
    let fds = [one.as_fd(); 32];
    let describe = Call {
        member: "Describe",
        ..tool(None)
    };
    for _ in 0..4 {
        link.smuggle(describe, &fds)?;
    }
    Ok(json!(rows))
}

/// Asks for many folders at once and reads no answer before all are asked for.
fn flood(link: &mut Link) -> io::Result<Value> {
    let call = Call {
        path: AGENT,
        interface: "org.argos.Agent1",
        member: "CallTool",
        sender: None,
    };
    for folder in [
        "/",
        "/home",
        "/home/argos",
        "/etc",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/usr/share",
        "/var",
        "/var/log",
        "/run",
        "/opt",
    ] {
        let arguments = json!({ "path": folder }).to_string();
        let arguments = [Argument::Text("files.list"), Argument::Text(&arguments)];
        link.send(call, &arguments)?;
    }
    Ok(json!([]))
}

/// Takes memory in a child until something stops it.
fn memory() -> Value {
    let output = own().arg("take-memory").output();
    let seen = match output {
        Ok(output) => match std::os::unix::process::ExitStatusExt::signal(&output.status) {
            Some(signal) => killed(signal),
            None => format!("{}", output.status),
        },
        Err(error) => error.to_string(),
    };
    json!([{
        "case": "a bomb of memory", "good": seen == killed(libc::SIGKILL),
        "expected": killed(libc::SIGKILL), "seen": seen,
    }])
}

/// One gibibyte, written to, so that it is really taken.
pub(crate) fn take_memory() {
    let mut all = Vec::new();
    for _ in 0..1024 {
        all.push(vec![1_u8; 1 << 20]);
    }
    println!("{}", all.iter().map(Vec::len).sum::<usize>());
}

fn orphans() -> Value {
    let status = own().args(["hide"]).status();
    json!([{
        "case": "orphans are made", "good": status.as_ref().is_ok_and(std::process::ExitStatus::success), "expected": "exit status: 0",
        "seen": status.map_or_else(|error| error.to_string(), |status| status.to_string()),
    }])
}
