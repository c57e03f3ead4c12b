//! The hostile program as an agent under the live broker: told what to try by messages, it answers
//! with what came of it, as JSON. Who judges is the scenario that drives the booted image.
//!
//! ```text
//! cases NAME=VALUE…   every attempt that needs nothing of a fixture, each in a process of its own
//! reach PATH…         the system's real files and sockets
//! broker              rude calls on fd 3
//! hosts ADDRESS:PORT  other ways to write it, which was granted, and hosts that only look like it
//! flood               more questions than anybody wants to answer
//! memory | disk | orphans    bombs and what is to outlive them
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
            "hosts" => hosts(&mut link, rest)?,
            "flood" => flood(&mut link)?,
            "memory" => memory(),
            "disk" => disk(),
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
            to: None,
            path,
            interface,
            member,
            sender: None,
        };
        let answer = link.call(call, &arguments)?;
        judge(case, &nothing, &answer);
    }
    let tool = |sender| Call {
        sender,
        ..Call::agent("CallTool")
    };
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
    for _ in 0..4 {
        link.smuggle(Call::agent("Describe"), &fds)?;
    }
    rows.push(claim(link)?);
    Ok(json!(rows))
}

/// Says in a header that the call is another's, and is told about itself all the same, as without the
/// lie: who calls is known from the socket.
fn claim(link: &mut Link) -> io::Result<Value> {
    let plain = link.agent("Describe", &[])?;
    let own = plain.texts.first().cloned().unwrap_or_default();
    let own: Value = serde_json::from_str(&own).map_err(io::Error::other)?;
    let forged = Call {
        sender: Some(":1.1"),
        ..Call::agent("Describe")
    };
    let answer = link.call(forged, &[])?;
    let good = own["name"].is_string() && answer.texts == plain.texts;
    Ok(json!({
        "case": "claim to be another caller", "good": good,
        "expected": "what it is told without the lie",
        "seen": answer.error.unwrap_or_else(|| answer.texts.concat()),
    }))
}

/// How an address is to be answered, where `127.0.0.1:PORT` and the name `localhost:PORT` were granted
/// and the person says no to whatever else is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// It is what was granted.
    Granted,
    /// It is the name that was granted, which leads inside: a name is no word on that.
    LeadsInside,
    /// It is another: the person is asked, and says no.
    Another,
    /// It is none.
    None,
}

fn hosts(link: &mut Link, granted: &str) -> io::Result<Value> {
    let port = granted.rsplit(':').next().unwrap_or_default();
    let mut rows = Vec::new();
    for (host, expected) in [
        // The control: what was granted, in every way to write it.
        ("127.0.0.1:PORT", Host::Granted),
        ("127.1:PORT", Host::Granted),
        ("2130706433:PORT", Host::Granted),
        ("0177.0.0.01:PORT", Host::Granted),
        ("0x7F000001:PORT", Host::Granted),
        ("[::ffff:127.0.0.1]:PORT", Host::Granted),
        ("127。0．0｡1:PORT", Host::Granted),
        ("１２７.0.0.1:PORT", Host::Granted),
        ("%31%32%37.0.0.1.:PORT", Host::Granted),
        ("localhost:PORT", Host::LeadsInside),
        ("LOCALHOST.:PORT", Host::LeadsInside),
        ("ｌｏｃａｌｈｏｓｔ。:PORT", Host::LeadsInside),
        ("local%68ost:PORT", Host::LeadsInside),
        // What only looks like it.
        ("l\u{43e}calhost:PORT", Host::Another),
        ("loca\u{4cf}host:PORT", Host::Another),
        ("localhost.evil.example:PORT", Host::Another),
        ("localhost%2eevil.example:PORT", Host::Another),
        ("127.0.0.1.evil.example:PORT", Host::Another),
        ("[::1]:PORT", Host::Another),
        ("[::127.0.0.1]:PORT", Host::Another),
        ("127.0.0.2:PORT", Host::Another),
        ("127.0.0.1:1", Host::Another),
        ("127.0.0.1", Host::Another),
        // What no host is.
        ("127.0.0.1\0.evil.example:PORT", Host::None),
        ("127.0.0.1%00.evil.example:PORT", Host::None),
        ("localhost\u{0}:PORT", Host::None),
        ("localhost\u{202e}:PORT", Host::None),
        ("127.0.0.1:PORT@evil.example", Host::None),
        ("evil.example@127.0.0.1:PORT", Host::None),
        ("127.0.0.1:PORT%2e", Host::None),
        ("127.0.0.1:0", Host::None),
        ("127.0.0.256:PORT", Host::None),
        ("[::1%25lo]:PORT", Host::None),
    ] {
        let host = host.replace("PORT", port);
        let arguments = json!({ "url": format!("http://{host}/") }).to_string();
        let arguments = [Argument::Text("web.fetch"), Argument::Text(&arguments)];
        let mut answer = link.agent("CallTool", &arguments)?;
        // Slower than the broker's pace, which is tried elsewhere.
        while answer
            .error
            .as_ref()
            .is_some_and(|e| e.ends_with("LimitReached"))
        {
            std::thread::sleep(std::time::Duration::from_millis(300));
            answer = link.agent("CallTool", &arguments)?;
        }
        let said = answer.texts.concat();
        let inside = said.contains("open network");
        let seen = match answer.error.as_deref() {
            None => Some(Host::Granted),
            Some("org.argos.Error.Denied") if inside => Some(Host::LeadsInside),
            Some("org.argos.Error.Denied") => Some(Host::Another),
            Some("org.argos.Error.InvalidArguments") => Some(Host::None),
            Some(_) => None,
        };
        rows.push(json!({
            "case": format!("fetch from {host:?}"), "good": seen == Some(expected),
            "expected": format!("{expected:?}"),
            "seen": format!("{} {said}", answer.error.unwrap_or_default()),
        }));
    }
    Ok(json!(rows))
}

/// Asks for many folders at once and reads no answer before all are asked for.
fn flood(link: &mut Link) -> io::Result<Value> {
    let call = Call::agent("CallTool");
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

/// Fills its workspace with files that are small enough each, until something stops it. At most half a
/// gibibyte: it is the disk of whoever tries this.
fn disk() -> Value {
    let _ = std::fs::create_dir("/workspace/bomb");
    let some = vec![1_u8; 1 << 20];
    let written = (0..512)
        .take_while(|n| std::fs::write(format!("/workspace/bomb/{n}"), &some).is_ok())
        .count();
    // Whoever is to notice that has the time for it.
    std::thread::sleep(std::time::Duration::from_secs(120));
    json!([{
        "case": "a bomb of many files", "good": false,
        "expected": "the end of the agent", "seen": format!("{written} MiB were written"),
    }])
}

fn orphans() -> Value {
    let status = own().args(["hide"]).status();
    json!([{
        "case": "orphans are made", "good": status.as_ref().is_ok_and(std::process::ExitStatus::success), "expected": "exit status: 0",
        "seen": status.map_or_else(|error| error.to_string(), |status| status.to_string()),
    }])
}
