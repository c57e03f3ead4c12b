//! The service on a bus of its own, as its clients see it.
//!
//! Starts `dbus-daemon` and the real program. Tests that need ONNX Runtime look at
//! `ARGOS_ONNXRUNTIME`, those that need the default model at `ARGOS_TEST_MODEL`; with `CI` set the
//! absence of either is a failure.

mod faults;
mod http;
mod leak;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use argos_bus::Error;
use argos_bus::ai::{Ai1Proxy, Plan};
use futures_util::StreamExt;
use serde_json::Value;

/// How long anything may take on a busy machine; only what hangs takes as long.
const LONG: Duration = Duration::from_secs(180);

/// A child process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bus and the service on it.
struct World {
    proxy: Ai1Proxy<'static>,
    service: Process,
    _bus: Process,
    folder: tempfile::TempDir,
}

fn bus(folder: &Path) -> (Process, String) {
    let config = folder.join("bus.conf");
    let socket = folder.join("bus");
    std::fs::write(
        &config,
        format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            socket.display()
        ),
    )
    .unwrap();
    let mut child = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--print-address=1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("dbus-daemon (package dbus) is needed for this test");
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    (Process(child), address.trim().to_owned())
}

fn service(address: &str, models: &Path, library: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos-ai"));
    command
        .args(["--bus", address, "--models"])
        .arg(models)
        .args(arguments)
        .env("ARGOS_ONNXRUNTIME", library);
    command
}

async fn world(models: &Path, library: &Path) -> World {
    world_with(models, library, |_| Vec::new()).await
}

/// `arguments` may use the world's folder.
async fn world_with(
    models: &Path,
    library: &Path,
    arguments: impl FnOnce(&Path) -> Vec<String>,
) -> World {
    let folder = tempfile::tempdir().unwrap();
    let (bus, address) = bus(folder.path());
    let arguments = arguments(folder.path());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let service = Process(
        service(&address, models, library, &arguments)
            .spawn()
            .unwrap(),
    );
    let connection = zbus::connection::Builder::address(address.as_str())
        .build()
        .await
        .unwrap();
    let names = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
    let start = Instant::now();
    while !names
        .name_has_owner("org.argos.AI1".try_into().unwrap())
        .await
        .unwrap()
    {
        assert!(start.elapsed() < LONG, "the service does not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let proxy = Ai1Proxy::new(&connection).await.unwrap();
    World {
        proxy,
        service,
        _bus: bus,
        folder,
    }
}

fn from_environment(variable: &str) -> Option<PathBuf> {
    match std::env::var_os(variable).filter(|v| !v.is_empty()) {
        Some(path) => Some(path.into()),
        None => {
            assert!(
                std::env::var_os("CI").is_none(),
                "{variable} must be set in CI"
            );
            eprintln!("left out: {variable} is not set");
            None
        }
    }
}

fn library() -> Option<PathBuf> {
    from_environment("ARGOS_ONNXRUNTIME")
}

/// The engine's tiny language models.
fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/models")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten() {
        if file.path().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Generates and returns all events.
async fn generate(proxy: &Ai1Proxy<'_>, model: &str, messages: &str, options: &str) -> Vec<Value> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let fd: std::os::fd::OwnedFd = writer.into();
    proxy
        .generate(model, messages, options, fd.into())
        .await
        .unwrap();
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    let text = text.await.unwrap().unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

const HELLO: &str = r#"[{"role": "user", "content": "Hello"}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn without_models_and_library_it_is_up_and_says_so() {
    let empty = tempfile::tempdir().unwrap();
    let world = world(empty.path(), Path::new("/nonexistent/libonnxruntime.so")).await;
    let ai = &world.proxy;
    assert_eq!(ai.list_models().await.unwrap(), []);
    match ai.plan("list /etc", "[]", "{}").await {
        Err(Error::Unavailable(text)) => assert!(text.contains("no model `default`"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(ai.embed(&["x"]).await, Err(Error::Unavailable(_))));
    assert!(matches!(
        ai.load_model("nope").await,
        Err(Error::NotFound(_))
    ));
    let (_reader, writer) = std::io::pipe().unwrap();
    let fd: std::os::fd::OwnedFd = writer.into();
    assert!(matches!(
        ai.generate("nope", HELLO, "", fd.into()).await,
        Err(Error::NotFound(_))
    ));

    // A model without the library to run it.
    copy(&tiny().join("lm"), &empty.path().join("lm"));
    match ai.load_model("lm").await {
        Err(Error::Unavailable(text)) => {
            assert!(text.contains("/nonexistent/libonnxruntime.so"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let models = ai.list_models().await.unwrap();
    assert_eq!(
        (models[0].id.as_str(), models[0].state.as_str()),
        ("lm", "failed")
    );
    assert!(models[0].detail.contains("ONNX Runtime"), "{models:?}");
    let statistics: Value = serde_json::from_str(&ai.statistics().await.unwrap()).unwrap();
    assert_eq!(statistics["plan"]["failed"], 1);
    assert!(statistics["memory_bytes"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_arguments_are_named() {
    let empty = tempfile::tempdir().unwrap();
    let world = world(empty.path(), Path::new("/nonexistent")).await;
    let ai = &world.proxy;
    let invalid = |result: Result<String, Error>, word: &str| match result {
        Err(Error::InvalidArguments(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    };
    invalid(ai.plan("x", "{", "{}").await, "tools");
    invalid(ai.plan("x", "[1]", "{}").await, "tools");
    invalid(ai.plan("x", "[]", "nonsense").await, "context");
    invalid(
        ai.plan("x", "[]", r#"{"now": "yesterday"}"#).await,
        "context.now",
    );
    invalid(
        ai.plan(&"x".repeat(20_000), "[]", "{}").await,
        "20000 bytes",
    );
    let many = vec!["x"; 300];
    assert!(matches!(
        ai.embed(&many).await,
        Err(Error::InvalidArguments(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_streamed_and_models_announce_their_states() {
    let Some(library) = library() else { return };
    let mut world = world(&tiny(), &library).await;
    let ai = world.proxy.clone();
    let mut states = ai.receive_model_changed().await.unwrap();
    let mut progress = ai.receive_load_progress().await.unwrap();

    let events = generate(&ai, "lm", HELLO, r#"{"max_tokens": 12, "temperature": 0}"#).await;
    let (last, pieces) = events.split_last().unwrap();
    assert_eq!(
        last["done"]["completion_tokens"].as_u64().unwrap() as usize,
        12,
        "{last}"
    );
    let text: String = pieces.iter().map(|p| p["text"].as_str().unwrap()).collect();
    assert_eq!(text.chars().count(), 12);
    let mut order = Vec::new();
    for expected in ["loading", "ready"] {
        let signal = states.next().await.unwrap();
        assert_eq!(signal.args().unwrap().model.state, expected);
        order.push(signal.message().recv_position());
    }
    // How far it is comes in between; of a small one that is that all is there.
    let size = tiny().join("lm/model.onnx").metadata().unwrap().len();
    let signal = progress.next().await.unwrap();
    let read = signal.args().unwrap();
    assert_eq!(
        (read.id, read.read_bytes, read.total_bytes),
        ("lm", size, size)
    );
    let at = signal.message().recv_position();
    assert!(order[0] < at && at < order[1]);
    let again = generate(&ai, "lm-fp16", HELLO, r#"{"max_tokens": 3}"#).await;
    assert!(again.last().unwrap()["done"].is_object(), "{again:?}");

    // What cannot be generated is an event; what can be seen before is an error of the call.
    let long = format!(r#"[{{"role": "user", "content": "{}"}}]"#, "x".repeat(200));
    let events = generate(&ai, "lm", &long, "{}").await;
    let error = events[0]["error"].as_str().unwrap();
    assert!(
        events.len() == 1 && error.contains("at most 95"),
        "{events:?}"
    );
    for (messages, options) in [("{}", "{}"), (HELLO, r#"{"tempreature": 1}"#)] {
        let (_reader, writer) = std::io::pipe().unwrap();
        let fd: std::os::fd::OwnedFd = writer.into();
        let result = ai.generate("lm", messages, options, fd.into()).await;
        assert!(
            matches!(result, Err(Error::InvalidArguments(_))),
            "{result:?}"
        );
    }

    // A reader that hangs up does no harm to the next one.
    let (reader, writer) = std::io::pipe().unwrap();
    let fd: std::os::fd::OwnedFd = writer.into();
    drop(reader);
    ai.generate("lm", HELLO, "{}", fd.into()).await.unwrap();
    assert!(
        !generate(&ai, "lm", HELLO, r#"{"max_tokens": 2}"#)
            .await
            .is_empty()
    );

    // Readers that do not read have a bound.
    let mut readers = Vec::new();
    let refused = loop {
        assert!(readers.len() < 16, "as many as one likes");
        let (reader, writer) = std::io::pipe().unwrap();
        let fd: std::os::fd::OwnedFd = writer.into();
        readers.push(reader);
        let long = r#"{"max_tokens": 80, "ignore_stop_tokens": true}"#;
        // Filled by somebody else, so that the answer cannot be written.
        let flags = rustix::fs::fcntl_getfl(&fd).unwrap();
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        while rustix::io::write(&fd, &[0; 4096]).is_ok() {}
        match ai.generate("lm", HELLO, long, fd.into()).await {
            Ok(()) => {}
            Err(e) => break e,
        }
    };
    assert!(
        matches!(&refused, Error::LimitReached(text) if text.contains("of yours")),
        "{refused:?}"
    );
    drop(readers);

    // A model that is unloaded finishes what it has begun.
    let long = r#"{"max_tokens": 400, "temperature": 0, "ignore_stop_tokens": true}"#;
    generate(&ai, "lm-gqa", HELLO, r#"{"max_tokens": 1}"#).await;
    let answer = generate(&ai, "lm-gqa", HELLO, long);
    let (events, unloaded) = tokio::join!(answer, async {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        ai.unload_model("lm-gqa").await
    });
    unloaded.unwrap();
    let done = &events.last().unwrap()["done"];
    assert_eq!(
        (&done["reason"], &done["completion_tokens"]),
        (&"length".into(), &400.into())
    );

    ai.unload_model("lm").await.unwrap();
    let models = ai.list_models().await.unwrap();
    let lm = models.iter().find(|m| m.id == "lm").unwrap();
    assert_eq!(
        (lm.state.as_str(), lm.kind.as_str()),
        ("available", "causal-lm")
    );
    assert!(world.service.0.try_wait().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn default_model_plans_and_embeds_and_may_come_late() {
    let (Some(library), Some(model)) = (library(), from_environment("ARGOS_TEST_MODEL")) else {
        return;
    };
    let models = tempfile::tempdir().unwrap();
    // At first it is broken.
    copy(&model, &models.path().join("default"));
    std::fs::remove_file(models.path().join("default/model.onnx")).unwrap();
    let world = world(models.path(), &library).await;
    let ai = &world.proxy;
    match ai.plan("list /etc", "[]", "{}").await {
        Err(Error::Unavailable(text)) => assert!(text.contains("model.onnx"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Then it is put right, and the next request but a few seconds later works.
    copy(&model, &models.path().join("default"));
    let start = Instant::now();
    let plan = loop {
        match ai
            .plan(
                "list my documents folder",
                r#"["files.list"]"#,
                r#"{"now": "2026-11-23T10:00:00"}"#,
            )
            .await
        {
            Ok(plan) => break plan,
            Err(Error::Unavailable(_)) if start.elapsed() < LONG => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(e) => panic!("{e}"),
        }
    };
    let plan: Plan = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan.model, "default");
    assert_eq!(plan.calls[0].tool, "files.list");
    assert_eq!(
        plan.calls[0].arguments,
        serde_json::json!({"path": "~/Documents"})
    );

    let vectors = ai.embed(&["a", "b"]).await.unwrap();
    assert_eq!((vectors.len(), vectors[0].len()), (2, 384));
    let long = "word ".repeat(400);
    assert!(matches!(
        ai.embed(&[&long]).await,
        Err(Error::InvalidArguments(_))
    ));

    // More callers than the queue holds (and fewer than the bus itself lets one client have open).
    let calls = (0..120).map(|_| ai.plan("list /etc", "[]", "{}"));
    let results = futures_util::future::join_all(calls).await;
    let answered = results.iter().filter(|r| r.is_ok()).count();
    let refused = results
        .iter()
        .filter(|r| matches!(r, Err(Error::LimitReached(_))))
        .count();
    assert_eq!(answered + refused, 120, "{results:?}");
    assert!(answered >= 64, "{answered}");
}
