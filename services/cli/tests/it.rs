//! `argos` as a program, against a supervisor that speaks the real control protocol and has two
//! units.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use argos_control::server::Connection;
use argos_control::{ErrorCode, Reply, Request, UnitState, UnitStatus};

fn unit(name: &str, state: UnitState, wanted: bool) -> UnitStatus {
    UnitStatus {
        name: name.to_owned(),
        description: format!("The {name}"),
        kind: "service".to_owned(),
        wanted,
        state,
        detail: if state == UnitState::Failed {
            "ended with status 7".to_owned()
        } else {
            String::new()
        },
        pid: if state == UnitState::Up { 42 } else { 0 },
        restarts: 0,
        since_ms: 0,
    }
}

fn answer(request: &Request) -> Reply {
    let units = vec![
        unit("greetd", UnitState::Failed, true),
        unit("seatd", UnitState::Up, true),
        unit("unwanted", UnitState::Down, false),
    ];
    match request {
        Request::Status => Reply::Units(units),
        Request::Unit { name } => match units.into_iter().find(|unit| unit.name == *name) {
            Some(unit) => Reply::Units(vec![unit]),
            None => Reply::Error {
                code: ErrorCode::NotFound,
                message: format!("there is no unit `{name}`"),
            },
        },
        Request::Problems => Reply::Lines(vec!["/etc/argos/units/x.yaml:2:1: oops".to_owned()]),
        Request::Log { .. } => Reply::Lines(vec!["one".to_owned(), "two\x1b[2J".to_owned()]),
        Request::Start { name } if name == "greetd" => Reply::Error {
            code: ErrorCode::Failed,
            message: "greetd is down: ended with status 7".to_owned(),
        },
        _ => Reply::Done,
    }
}

fn supervisor(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
}

fn serve(stream: UnixStream) {
    let mut peer = Connection::new(stream).unwrap();
    loop {
        let mut fds = [rustix::event::PollFd::new(
            &peer,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut fds, None).unwrap();
        if peer.receive().is_err() {
            return;
        }
        while let Ok(Some((request, _))) = peer.next() {
            peer.send(&answer(&request)).unwrap();
        }
    }
}

/// Runs `argos` with a supervisor of its own.
fn argos(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    supervisor(&socket);
    Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(arguments)
        .arg("--control")
        .arg(&socket)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn status_is_aligned_and_shows_what_is_not_well() {
    let output = argos(&["status"]);
    assert_eq!(output.status.code(), Some(0));
    let table = text(&output.stdout);
    let lines: Vec<_> = table.lines().collect();
    let column = lines[0].find("STATE").unwrap();
    assert_eq!(lines[1].find("failed"), Some(column), "{table}");
    assert_eq!(lines[2].find("up"), Some(column), "{table}");
    assert!(lines[1].contains("ended with status 7"), "{table}");
    assert!(!table.contains("unwanted"), "{table}");
    assert!(table.contains("argos log greetd"), "{table}");
    assert!(
        table.contains("/etc/argos/units/x.yaml:2:1: oops"),
        "{table}"
    );
    assert!(text(&argos(&["status", "--all"]).stdout).contains("unwanted"));
}

#[test]
fn json_is_one_document_with_every_unit() {
    let output = argos(&["status", "--json"]);
    let units: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(units.as_array().unwrap().len(), 3);
    assert_eq!(units[1]["name"], "seatd");
    assert_eq!(units[1]["state"], "up");
    assert!(units[1]["for_ms"].as_u64().unwrap() > 0);
}

#[test]
fn exit_statuses_tell_scripts_what_is_the_matter() {
    let up = argos(&["status", "seatd"]);
    assert_eq!(up.status.code(), Some(0));
    // What units print cannot drive the terminal.
    assert!(text(&up.stdout).contains("two [2J"), "{}", text(&up.stdout));
    assert_eq!(argos(&["status", "greetd"]).status.code(), Some(3));
    let missing = argos(&["status", "nope"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(
        text(&missing.stderr).contains("hint: "),
        "{}",
        text(&missing.stderr)
    );
    assert_eq!(argos(&["start"]).status.code(), Some(2));
}

#[test]
fn one_unit_that_fails_does_not_keep_the_others_from_starting() {
    let output = argos(&["start", "greetd", "seatd"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "seatd: up\n");
    let told = text(&output.stderr);
    assert!(
        told.contains("status 7") && told.contains("argos status greetd"),
        "{told}"
    );
}

#[test]
fn a_supervisor_that_is_not_there_is_said_with_a_hint() {
    let output = Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(["status", "--control", "/nonexistent/control"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(
        told.contains("/nonexistent/control") && told.contains("doctor"),
        "{told}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

/// Runs `argos` where there is no desktop.
fn alone(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(arguments)
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_audit_log_is_read_and_verified_without_a_broker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = argos_audit::Audit::open(&path, "2026-11-25T09:30:00.000Z").unwrap();
    for tool in ["files.list", "files.read", "notes.add"] {
        let row = argos_audit::Row {
            time: "2026-11-25T09:30:00.000Z".into(),
            agent: "steward".into(),
            hash: "h".into(),
            tool: tool.into(),
            arguments: serde_json::json!({}),
            action: "read".into(),
            resource: "/home/a\u{202e}b".into(),
            decision: "allow",
            by: "default".into(),
            outcome: "ok",
            calls: 1,
            duration_ms: 1,
            error: String::new(),
        };
        audit.append(&row, None, argos_audit::Commit::Now).unwrap();
    }
    drop(audit);
    let log = path.to_str().unwrap();
    let verify = |more: &[&str]| {
        let words = ["perm", "audit", "--verify", "--log", log];
        alone(&[&words[..], more].concat())
    };
    let whole = verify(&[]);
    let told = text(&whole.stdout);
    assert_eq!(whole.status.code(), Some(0), "{told}");
    let pin = told.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(pin.starts_with("4:"), "{told}");
    assert_eq!(verify(&["--pin", pin]).status.code(), Some(0));
    let other = format!("4:{}", "0".repeat(64));
    assert_eq!(verify(&["--pin", &other]).status.code(), Some(1));
    assert_eq!(verify(&["--pin", "4"]).status.code(), Some(2));
    // The rows too; what would not show as itself does.
    let table = alone(&["audit", "--log", log, "-n", "2"]);
    let shown = text(&table.stdout);
    assert!(
        shown.contains("notes.add") && !shown.contains("files.list"),
        "{shown}"
    );
    assert!(shown.contains("/home/a⟨U+202E⟩b"), "{shown}");
    let none = alone(&[
        "permissions",
        "audit",
        "--json",
        "--log",
        log,
        "--agent",
        "other",
    ]);
    assert_eq!(text(&none.stdout).trim(), "[]");
    // One word changed.
    let rows = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, rows.replace("files.read", "files.lost")).unwrap();
    let broken = verify(&[]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(
        text(&broken.stdout).contains("audit.jsonl:3: row 3 was changed"),
        "{}",
        text(&broken.stdout)
    );
    assert!(text(&broken.stderr).contains("hint: keep a copy"));
    let report: serde_json::Value = serde_json::from_slice(&verify(&["--json"]).stdout).unwrap();
    assert_eq!(report["whole"], false);
    assert_eq!(report["problems"][0]["line"], 3);
}

#[test]
fn what_needs_the_broker_says_so_and_times_are_checked_before() {
    let grant = ["perm", "grant", "steward", "read", "/tmp"];
    let told = alone(&grant);
    assert_eq!(told.status.code(), Some(3));
    let wrong = alone(&[&grant[..], &["--for", "30"][..]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("30m"),
        "{}",
        text(&wrong.stderr)
    );
    // There is no log: said, with where it was looked for.
    let rows = alone(&["perm", "audit"]);
    assert_eq!(rows.status.code(), Some(4));
    assert!(text(&rows.stderr).contains(".local/state/argos/audit.jsonl"));
}

#[test]
fn without_a_desktop_the_bus_commands_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(["tools", "list"])
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(told.contains("argos status --user bus"), "{told}");
}

#[test]
fn a_warmth_that_is_none_is_named() {
    for wrong in ["warm", "0", "-3"] {
        let output = Command::new(env!("CARGO_BIN_EXE_argos"))
            .args(["desktop", "night-light", "--", wrong])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let told = text(&output.stderr);
        assert!(told.contains("`on`, `off` or a number"), "{told}");
    }
}

#[test]
fn a_sandbox_is_put_into_words_and_its_mistakes_are_named() {
    let argos = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_argos"))
            .arg("sandbox")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let told = argos(&["explain", "--read", "/usr/share"]);
    assert_eq!(told.status.code(), Some(0));
    let told = text(&told.stdout);
    assert!(told.contains("It may read /usr/share."), "{told}");
    assert!(told.contains("It has no network."), "{told}");

    let missing = argos(&["run", "--read", "/there/is/none", "--", "true"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing.stderr).contains("/there/is/none"));
    let missing = argos(&["run", "--", "there-is-no-such-program"]);
    assert_eq!(missing.status.code(), Some(4));
    assert!(text(&missing.stderr).contains("--exec"));

    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.yaml");
    std::fs::write(&spec, "profile: agent\nnamespaces: {nett: true}\n").unwrap();
    let wrong = argos(&["run", "--spec", spec.to_str().unwrap(), "--", "true"]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = text(&wrong.stderr);
    assert!(
        told.contains("spec.yaml:2:") && told.contains("`net`"),
        "{told}"
    );
    assert_eq!(argos(&["trace"]).status.code(), Some(2));
}

/// The default model's folder, where the environment names one; its absence is a failure in CI.
fn default_model() -> Option<std::path::PathBuf> {
    let model = std::env::var_os("ARGOS_TEST_MODEL").filter(|v| !v.is_empty());
    if model.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "ARGOS_TEST_MODEL must be set in CI"
        );
        eprintln!("left out: ARGOS_TEST_MODEL is not set");
    }
    model.map(Into::into)
}

/// Runs `argos ask --plan` with `input`.
fn ask(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_argos"))
        .args(["ask", "--plan"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read says so by its status.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
    child.wait_with_output().unwrap()
}

#[test]
fn plans_are_shown_without_a_bus() {
    let Some(model) = default_model() else { return };
    let model = model.to_str().unwrap();
    let now = ["--model", model, "--now", "2026-03-18T10:30:00"];

    let output = ask(
        &[&now[..], &["--json", "list", "my documents"]].concat(),
        b"",
    );
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["calls"][0]["tool"], "files.list", "{plan}");
    assert_eq!(plan["calls"][0]["arguments"]["path"], "~/Documents");
    assert!(plan["calls"][0]["confidence"].as_f64().unwrap() > 0.5);

    let output = ask(&[&now[..], &["list my documents"]].concat(), b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("files.list") && text.contains("nothing was done"),
        "{text}"
    );

    let long = "x ".repeat(500);
    let requests =
        format!("lock the screen\n\nremind me to stretch tomorrow at 9 am\n{long}\nsing a song");
    let output = ask(&[&now[..], &["--batch"]].concat(), requests.as_bytes());
    assert!(output.status.success());
    let answers: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 5);
    assert_eq!(answers[0]["calls"][0]["tool"], "screen.lock");
    assert!(answers[1]["error"].as_str().unwrap().contains("empty"));
    assert_eq!(
        answers[2]["calls"][0]["arguments"]["when"],
        "2026-03-19T09:00:00"
    );
    assert!(answers[3]["error"].as_str().unwrap().contains("tokens"));
    assert_eq!(answers[4]["calls"], serde_json::json!([]));
    assert!(answers[4]["reply"].is_string());
}

#[test]
fn the_model_of_the_checkout_is_found() {
    let Some(model) = default_model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let (cache, checkout) = (root.join("cache"), root.join("checkout"));
    std::fs::create_dir_all(checkout.join("ai/train")).unwrap();
    std::fs::write(checkout.join("ai/train/build.sh"), "").unwrap();
    // Its own, and a newer one that is none.
    std::fs::create_dir_all(cache.join("model/0")).unwrap();
    std::os::unix::fs::symlink(&model, cache.join("model/0/default")).unwrap();
    std::fs::create_dir_all(cache.join("model/1/default")).unwrap();
    std::fs::write(cache.join("model/1/default/planner.json"), "{}").unwrap();
    let note = cache
        .join("model/checkouts")
        .join(checkout.strip_prefix("/").unwrap());
    std::fs::create_dir_all(&note).unwrap();
    std::os::unix::fs::symlink(cache.join("model/0"), note.join(".model")).unwrap();
    let ask = |folder: &Path, caches: [(&str, &Path); 2]| {
        Command::new(env!("CARGO_BIN_EXE_argos"))
            .args(["ask", "--plan", "--json", "lock the screen"])
            .current_dir(folder)
            .envs(caches)
            .output()
            .unwrap()
    };
    let elsewhere = root.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    // ARGOS_CACHE is the cache itself, and before what XDG_CACHE_HOME has it in.
    let named = [("ARGOS_CACHE", &*cache), ("XDG_CACHE_HOME", &*elsewhere)];
    let output = ask(&checkout.join("ai"), named);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["calls"][0]["tool"], "screen.lock", "{plan}");
    if Path::new("/usr/share/argos/models/default/planner.json").exists() {
        return;
    }
    // Seen from elsewhere the newest counts, which says what is wrong with it.
    std::os::unix::fs::symlink(&cache, elsewhere.join("argos")).unwrap();
    for variables in [named, [("ARGOS_CACHE", "".as_ref()), named[1]]] {
        let output = ask(&root, variables);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{told}");
        assert!(told.contains("model/1/default"), "{told}");
    }
}

#[test]
fn what_is_wrong_with_a_question_is_said() {
    let output = ask(&["--model", "/nowhere", "hello"], b"");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("/nowhere"), "{text}");
    for wrong in [&["--now", "soon", "hello"][..], &["--batch", "hello"], &[]] {
        assert_eq!(ask(wrong, b"").status.code(), Some(2), "{wrong:?}");
    }
}
