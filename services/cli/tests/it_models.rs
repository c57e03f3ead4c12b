//! `argos model` as a program: imports from folders, downloads from a server in this test, measuring,
//! conversations with the real AI service.

#[path = "models/terminal.rs"]
mod terminal;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take on a busy machine; only what hangs takes as long.
const LONG: Duration = Duration::from_secs(120);

/// The engine's tiny language models.
fn tiny(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../ai/engine/tests/models")
        .join(name)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argos"));
    command
        .arg("model")
        .args(arguments)
        .env_remove("ARGOS_MODEL_SERVER")
        // No bus of this machine has a part in it.
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn argos(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs it; it has to do what it was asked.
fn good(arguments: &[&str]) -> String {
    let output = argos(arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    text(&output.stdout)
}

/// Runs it; it has to fail with this status and say this.
#[track_caller]
fn bad(arguments: &[&str], status: i32, part: &str) {
    let output = argos(arguments);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
    assert!(told.contains(part), "{arguments:?}: {told}");
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A copy of a tiny model with a licence and something that no model needs.
fn source(folder: &Path) -> PathBuf {
    let to = folder.join("source");
    std::fs::create_dir(&to).unwrap();
    for name in names(&tiny("lm")) {
        std::fs::copy(tiny("lm").join(&name), to.join(&name)).unwrap();
    }
    std::fs::write(
        to.join("README.md"),
        "---\nlicense: apache-2.0\n---\n# Tiny\n",
    )
    .unwrap();
    std::fs::write(to.join("pytorch_model.bin"), "weights").unwrap();
    to
}

#[test]
fn a_folder_is_imported_whole_checked_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let from = source(dir.path());
    let from = from.to_str().unwrap();
    let models = dir.path().join("models");
    let into = ["--directory", models.to_str().unwrap()];
    let with = |command: &str, rest: &[&str]| -> Vec<String> {
        [&[command][..], rest, &into[..]]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let call = |command: &str, rest: &[&str]| with(command, rest);
    let run = |words: Vec<String>| good(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let fail = |words: Vec<String>, status, part| {
        bad(
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
            status,
            part,
        );
    };

    let told = run(call("import", &[from, "--name", "a"]));
    assert!(
        told.contains("a: causal-lm, fp32") && told.contains("licence: apache-2.0"),
        "{told}"
    );
    assert_eq!(
        names(&models.join("a")),
        [
            "ARGOS-MODEL.json",
            "README.md",
            "config.json",
            "model.onnx",
            "tokenizer.json",
            "tokenizer_config.json"
        ]
    );
    assert!(run(call("check", &["a"])).contains("5 files are as they were"));

    // A file more can change a model as well.
    std::fs::create_dir(models.join("a/deep")).unwrap();
    for (added, told) in [
        ("chat_template.jinja", "chat_template.jinja: it was added"),
        ("deep/x", "deep/x: it was added"),
    ] {
        std::fs::write(models.join("a").join(added), "x").unwrap();
        fail(call("check", &["a"]), 1, told);
        std::fs::remove_file(models.join("a").join(added)).unwrap();
    }

    // Not again without --force; with it what was broken is whole again.
    fail(call("import", &[from, "--name", "a"]), 1, "--force");
    std::fs::write(models.join("a/config.json"), "{\"n_ctx\": 10}").unwrap();
    fail(call("check", &["a"]), 1, "config.json");
    let told = run(call("import", &[from, "--name", "a", "--force", "--json"]));
    let done: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&done["event"], &done["replaced"]),
        (&json!("done"), &json!(true))
    );
    run(call("check", &["a"]));
    run(call("import", &[from, "--name", "b", "--all"]));
    assert!(models.join("b/pytorch_model.bin").exists());

    let shown: Value = serde_json::from_str(&run(call("show", &["a", "--json"]))).unwrap();
    assert_eq!(
        (&shown["layers"], &shown["context"]),
        (&json!(2), &json!(96))
    );
    assert_eq!(
        (&shown["provider"], &shown["execution_providers"]),
        (&Value::Null, &json!(["cpu"]))
    );
    assert_eq!(
        (&shown["kv_bytes_per_token"], &shown["licence"]),
        (&json!(256), &json!("apache-2.0"))
    );

    // A download that did not end is one thing, the model another.
    std::fs::create_dir(models.join(".part-a")).unwrap();
    std::fs::write(models.join(".part-a/x"), "half").unwrap();
    run(call("rm", &["a", "--partial", "--yes"]));
    assert_eq!(names(&models), ["a", "b"]);
    fail(call("rm", &["a", "--partial", "--yes"]), 4, "no download");
    std::fs::create_dir(models.join(".part-c")).unwrap();
    fail(call("rm", &["c", "--yes"]), 4, "--partial");
    run(call("rm", &["c", "--partial", "--yes"]));
    fail(call("rm", &["a"]), 1, "--yes");
    fail(call("rm", &["a", "nope", "--yes"]), 4, "nope");
    run(call("rm", &["a", "--yes"]));
    assert_eq!(names(&models), ["b"]);
    for name in ["..", ".a", "a/b", "a\nb", &"x".repeat(256)] {
        fail(
            call("import", &[from, "--name", name]),
            1,
            "cannot be a model's name",
        );
    }
    bad(&["rm", "x", "--yes", "--directory", "/usr/share"], 4, "x");
    bad(
        &["rm", "doc", "--yes", "--directory", "/usr/share"],
        5,
        "part of the system",
    );
}

#[test]
fn what_is_no_model_is_refused_before_anything_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let from = source(dir.path());
    let models = dir.path().join("models");
    let import = |path: &Path, part: &str, status| {
        let arguments = [
            "import",
            path.to_str().unwrap(),
            "--directory",
            models.to_str().unwrap(),
            "--name",
            "x",
        ];
        bad(&arguments, status, part);
        assert!(
            !models.exists() || names(&models).is_empty(),
            "{:?}",
            names(&models)
        );
    };
    import(&dir.path().join("nowhere"), "nowhere", 4);
    import(&from.join("README.md"), "neither a folder nor a graph", 1);
    std::fs::rename(from.join("tokenizer.json"), dir.path().join("aside")).unwrap();
    import(&from, "missing tokenizer.json", 1);
    // A link to a file of somebody else is not followed.
    std::os::unix::fs::symlink(dir.path().join("aside"), from.join("tokenizer.json")).unwrap();
    import(&from, "--follow-links", 5);
    let models = models.to_str().unwrap();
    good(&[
        "import",
        from.to_str().unwrap(),
        "--directory",
        models,
        "--follow-links",
    ]);
    // One graph of a folder.
    let graph = from.join("model.onnx");
    good(&[
        "import",
        graph.to_str().unwrap(),
        "--directory",
        models,
        "--follow-links",
        "--name",
        "y",
    ]);
}

/// A model whose copy takes a while.
fn large(folder: &Path, bytes: u64) -> PathBuf {
    let from = source(folder);
    let file = std::fs::File::create(from.join("tokenizer.bin")).unwrap();
    file.set_len(bytes).unwrap();
    from
}

#[test]
fn an_import_that_is_killed_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let from = large(dir.path(), 512 << 20);
    let models = dir.path().join("models");
    let small = [
        "import",
        tiny("lm").to_str().unwrap(),
        "--directory",
        models.to_str().unwrap(),
        "--name",
        "a",
    ]
    .map(ToString::to_string);
    let small: Vec<&str> = small.iter().map(String::as_str).collect();
    good(&small);
    let large = [
        "import",
        from.to_str().unwrap(),
        "--directory",
        models.to_str().unwrap(),
        "--name",
        "a",
        "--force",
    ];
    let begin = || {
        let mut child = command(&large).spawn().unwrap();
        let start = Instant::now();
        // Not what one that was killed has left.
        let own = format!("-{}", child.id());
        let copied = || {
            std::fs::read_dir(&models).unwrap().flatten().any(|e| {
                e.file_name().to_string_lossy().ends_with(&own)
                    && e.path()
                        .join("tokenizer.bin")
                        .metadata()
                        .is_ok_and(|m| m.len() > 0)
            })
        };
        while !copied() && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < LONG, "nothing is copied");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    };
    // On a busy machine it may be through before the signal reaches it.
    let reached = |signal: rustix::process::Signal| {
        let ended = (0..20).map(|_| {
            let mut child = begin();
            if child.try_wait().unwrap().is_none() {
                let pid = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process(pid, signal).unwrap();
            }
            child.wait().unwrap()
        });
        let mut ended = ended.skip_while(std::process::ExitStatus::success);
        ended.next().expect("one that is reached")
    };
    let killed = reached(rustix::process::Signal::KILL);
    assert_eq!(killed.signal(), Some(9));
    good(&["check", "a", "--directory", models.to_str().unwrap()]);
    assert_eq!(names(&models).len(), 2);

    // Ctrl-C takes back what was made, and what the killed one left goes as well.
    let interrupted = reached(rustix::process::Signal::INT);
    assert_eq!(interrupted.code(), Some(130));
    assert_eq!(names(&models), ["a"]);
    good(&["check", "a", "--directory", models.to_str().unwrap()]);
}

#[test]
fn a_disk_without_room_is_said_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let from = large(dir.path(), 4 << 20);
    let models = dir.path().join("models");
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" model import \"$1\" --directory \"$2\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_argos")])
        .args([&from, &models])
        .output()
        .unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("tokenizer.bin") && told.contains("ulimit"),
        "{told}"
    );
    assert!(names(&models).is_empty());
}

/// What a server answers to a path.
#[derive(Clone)]
struct Page {
    body: Vec<u8>,
    /// Headers besides the length.
    headers: Vec<(String, String)>,
    status: u16,
    /// The connection is cut after so many bytes of the body, the first time.
    cut: Option<usize>,
    /// Nothing comes for so long, the first time.
    pause: Duration,
}

impl Page {
    fn new(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            headers: Vec::new(),
            status: 200,
            cut: None,
            pause: Duration::ZERO,
        }
    }

    fn to(location: &str) -> Self {
        Self::status(302).with("Location", location)
    }

    fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::new("")
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server with pages, and what it was asked.
struct Server {
    address: String,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let (pages, asked) = (Arc::clone(&server.pages), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &pages, &asked));
            }
        });
        server
    }

    fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    fn asked(&self, part: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|a| a.contains(part)).cloned().collect()
    }

    /// A hub's listing of `files`, and the files.
    fn hub(&self, model: &str, files: &[(&str, &[u8])]) {
        let siblings: Vec<Value> = files
            .iter()
            .map(|(name, body)| {
                let mut file = json!({"rfilename": name, "size": body.len()});
                if name.contains(".onnx") {
                    file["lfs"] = json!({"sha256": sha256(body), "size": body.len()});
                }
                file
            })
            .collect();
        self.listing(model, &json!({"sha": COMMIT, "siblings": siblings}));
        for (name, body) in files {
            let page = Page::new(*body).with("ETag", &format!("\"{}\"", sha256(body)));
            self.put(&format!("/{model}/resolve/{COMMIT}/{name}"), page);
        }
    }

    fn listing(&self, model: &str, listing: &Value) {
        let page = Page::new(listing.to_string());
        self.put(
            &format!("/api/models/{model}/revision/main?blobs=true"),
            page,
        );
    }

    /// Changes a page.
    fn change(&self, end: &str, change: impl FnOnce(&mut Page)) {
        let mut pages = self.pages.lock().unwrap();
        let page = pages.iter_mut().find(|(path, _)| path.ends_with(end));
        change(page.unwrap().1);
    }
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn answer(
    mut stream: TcpStream,
    pages: &Mutex<BTreeMap<String, Page>>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    loop {
        let before = request.len();
        reader.read_line(&mut request).ok()?;
        if request.len() - before <= 2 {
            break;
        }
    }
    let path = request.split_whitespace().nth(1)?.to_owned();
    asked.lock().unwrap().push(request.to_ascii_lowercase());
    let page = {
        let mut pages = pages.lock().unwrap();
        let page = pages.get_mut(&path).cloned();
        if let Some(page) = pages.get_mut(&path) {
            page.cut = None;
            page.pause = Duration::ZERO;
        }
        page.unwrap_or_else(|| Page::status(404))
    };
    std::thread::sleep(page.pause);
    let range = request
        .to_ascii_lowercase()
        .lines()
        .find_map(|l| {
            l.strip_prefix("range: bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        })
        .filter(|from| page.status == 200 && *from < page.body.len());
    let body = &page.body[range.unwrap_or(0)..];
    let status = if range.is_some() { 206 } else { page.status };
    let mut head = format!(
        "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if let Some(from) = range {
        let whole = page.body.len();
        head += &format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1);
    }
    for (name, value) in &page.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    stream
        .write_all(&body[..page.cut.unwrap_or(body.len()).min(body.len())])
        .ok()
}

/// The files of a tiny model.
fn files(model: &str) -> Vec<(String, Vec<u8>)> {
    let file = |name: String| {
        let body = std::fs::read(tiny(model).join(&name)).unwrap();
        (name, body)
    };
    names(&tiny(model)).into_iter().map(file).collect()
}

/// A server with the hub's layout that has `lm` as `acme/lm`, and a directory to pull it into.
fn hub() -> (Server, tempfile::TempDir) {
    let server = Server::start();
    let files = files("lm");
    let mut files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(n, b)| (n.as_str(), b.as_slice()))
        .collect();
    files.push((".gitattributes", b"x"));
    files.push(("model.safetensors", b"not needed"));
    files.push(("model_int8.onnx", b"not a graph"));
    server.hub("acme/lm", &files);
    (server, tempfile::tempdir().unwrap())
}

fn pull<'a>(server: &'a Server, dir: &'a tempfile::TempDir, rest: &[&'a str]) -> Vec<&'a str> {
    let directory = dir.path().to_str().unwrap();
    let mut arguments = vec![
        "pull",
        "acme/lm",
        "--server",
        &server.address,
        "--directory",
        directory,
    ];
    arguments.extend(rest);
    arguments
}

#[test]
fn a_model_is_pulled_from_a_hub() {
    let (server, dir) = hub();
    // The large file lies elsewhere, as it does on hubs.
    let graph = std::fs::read(tiny("lm").join("model.onnx")).unwrap();
    server.put("/elsewhere", Page::new(graph));
    let path = format!("/acme/lm/resolve/{COMMIT}/model.onnx");
    server.put(&path, Page::to("/elsewhere"));
    let told = good(&pull(&server, &dir, &[]));
    assert!(
        told.contains("lm: causal-lm") && told.contains("model_int8.onnx"),
        "{told}"
    );
    assert!(told.contains("no licence stated"), "{told}");
    good(&["check", "lm", "--directory", dir.path().to_str().unwrap()]);
    assert_eq!(names(dir.path()), ["lm"]);
    assert!(!dir.path().join("lm/model.safetensors").exists());
    bad(&pull(&server, &dir, &[]), 1, "--force");
    good(&pull(&server, &dir, &["--force", "--json"]));
    assert_eq!(names(dir.path()), ["lm"]);
    bad(
        &pull(&server, &dir, &["--name", "x", "--variant", "int8"]),
        1,
        "graph cannot be read",
    );

    // A folder that was imported is a source for others.
    let index = std::fs::read(dir.path().join("lm/ARGOS-MODEL.json")).unwrap();
    for name in names(&dir.path().join("lm")) {
        let body = std::fs::read(dir.path().join("lm").join(&name)).unwrap();
        server.put(&format!("/shelf/lm/{name}"), Page::new(body));
    }
    let address = format!("{}/shelf/lm", server.address);
    let other = dir.path().join("other");
    let from = ["pull", &address, "--directory", other.to_str().unwrap()];
    good(&from);
    assert_eq!(names(&other), ["lm"]);
    // One that names files elsewhere is none.
    let index = text(&index).replace("config.json", "../config.json");
    server.put("/shelf/lm/ARGOS-MODEL.json", Page::new(index));
    bad(
        &[&from[..], &["--name", "z"]].concat(),
        1,
        "no name of a file",
    );
    assert_eq!(
        names(dir.path())
            .iter()
            .filter(|n| n.contains("config"))
            .count(),
        0
    );
}

#[test]
fn perception_models_come_with_their_labels() {
    let dir = tempfile::tempdir().unwrap();
    let imported = dir.path().join("imported");
    let pulled = dir.path().join("pulled");
    let server = Server::start();
    for model in ["colours", "tones", "stripes"] {
        good(&[
            "import",
            tiny(model).to_str().unwrap(),
            "--directory",
            imported.to_str().unwrap(),
        ]);
        let files = files(model);
        let mut there: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(n, b)| (n.as_str(), b.as_slice()))
            .collect();
        there.push(("labels.json", b"not these"));
        let source = format!("acme/{model}");
        server.hub(&source, &there);
        let directory = pulled.to_str().unwrap();
        let from = ["pull", &source, "--server", &server.address];
        good(&[&from[..], &["--directory", directory]].concat());
        for place in [&imported, &pulled] {
            let folder = place.join(model);
            let whole = ["ARGOS-MODEL.json", "labels.txt", "model.onnx", "model.yaml"];
            assert_eq!(names(&folder), whole);
            good(&["check", model, "--directory", place.to_str().unwrap()]);
        }
    }
    // Without their labels they are refused before anything is there.
    let bare = dir.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    for name in ["model.onnx", "model.yaml"] {
        std::fs::copy(tiny("colours").join(name), bare.join(name)).unwrap();
    }
    let directory = imported.to_str().unwrap();
    bad(
        &["import", bare.to_str().unwrap(), "--directory", directory],
        1,
        "names labels.txt, which is not there",
    );
    if library().is_none() {
        return;
    }
    for place in [imported, pulled] {
        let registry = argos_engine::registry::Registry::new(vec![place]);
        for model in ["colours", "tones", "stripes"] {
            registry.load(model, &|_| {}).unwrap();
        }
    }
}

#[test]
fn a_cut_connection_is_resumed_and_a_changed_file_is_noticed() {
    let (server, dir) = hub();
    server.change("/model.onnx", |page| page.cut = Some(20_000));
    server.change("/tokenizer.json", |page| page.cut = Some(100));
    good(&pull(&server, &dir, &[]));
    let asked = server.asked("/model.onnx");
    assert!(
        asked
            .iter()
            .any(|a| a.contains("range: bytes=20000-") && a.contains("if-range: ")),
        "{asked:?}"
    );
    assert!(server.asked("/tokenizer.json")[1].contains("range: bytes=100-"));
    good(&["check", "lm", "--directory", dir.path().to_str().unwrap()]);

    // Of the right size and with another content: thrown away.
    server.change("/model.onnx", |page| page.body[5000] ^= 1);
    bad(&pull(&server, &dir, &["--name", "x"]), 1, "SHA-256");
    assert!(!dir.path().join("x").exists());
    server.change("/model.onnx", |page| page.body.truncate(30_000));
    bad(&pull(&server, &dir, &["--name", "y"]), 1, "30000 bytes");
    // Put right, the same command goes on.
    let graph = std::fs::read(tiny("lm").join("model.onnx")).unwrap();
    server.change("/model.onnx", |page| page.body = graph);
    good(&pull(&server, &dir, &["--name", "x"]));
}

#[test]
fn a_server_that_is_slow_busy_or_wrong() {
    let (server, dir) = hub();
    server.change("/config.json", |page| page.pause = Duration::from_secs(4));
    let start = Instant::now();
    good(&pull(&server, &dir, &["--timeout", "1", "--name", "slow"]));
    assert!(server.asked("/config.json").len() > 1 && start.elapsed() < LONG);

    let path = |name: &str| format!("/acme/lm/resolve/{COMMIT}/{name}");
    server.put(&path("config.json"), Page::to(&path("config.json")));
    bad(
        &pull(&server, &dir, &["--name", "a"]),
        1,
        "redirects more than",
    );
    server.put(&path("config.json"), Page::status(404));
    bad(
        &pull(&server, &dir, &["--name", "b"]),
        4,
        "is not there (404)",
    );
    server.put(&path("config.json"), Page::status(401));
    bad(&pull(&server, &dir, &["--name", "c"]), 5, "--token-file");
    server.put(
        &path("config.json"),
        Page::status(503).with("Retry-After", "1"),
    );
    let started = server.asked("/config.json").len();
    bad(
        &pull(&server, &dir, &["--name", "d"]),
        1,
        "the server answers 503",
    );
    assert!(server.asked("/config.json").len() - started > 2);

    bad(&["pull", "acme/lm"], 1, "ARGOS_MODEL_SERVER");
    bad(
        &["pull", "lm", "--server", &server.address],
        1,
        "no model on a server",
    );
    bad(
        &["pull", "acme/lm", "--server", "ftp://x"],
        1,
        "no address of a server",
    );
    bad(
        &[
            "pull",
            "acme/none",
            "--server",
            &server.address,
            "--directory",
            dir.path().to_str().unwrap(),
        ],
        4,
        "404",
    );
}

#[test]
fn names_from_a_server_stay_inside() {
    let (server, dir) = hub();
    for name in [
        "../config.json",
        "/etc/x",
        "a/../../b",
        "a\nb",
        "onnx//x",
        "",
    ] {
        server.listing("acme/lm", &json!({"siblings": [{"rfilename": name}]}));
        bad(&pull(&server, &dir, &[]), 1, "no name of a file");
    }
    let many: Vec<_> = (0..10_001)
        .map(|i| json!({"rfilename": format!("{i}")}))
        .collect();
    server.listing("acme/lm", &json!({"siblings": many}));
    bad(&pull(&server, &dir, &[]), 1, "10001 files");
    let huge = json!({"rfilename": "config.json", "size": 1u64 << 60});
    server.listing("acme/lm", &json!({"siblings": [huge]}));
    bad(&pull(&server, &dir, &[]), 1, "free");
    let twice = json!({"rfilename": "config.json"});
    server.listing("acme/lm", &json!({"siblings": [twice, twice]}));
    bad(&pull(&server, &dir, &[]), 1, "twice");
    server.listing("acme/lm", &json!("hello"));
    bad(&pull(&server, &dir, &[]), 1, "no listing");
    assert_eq!(names(dir.path()), [".part-lm"]);
}

#[test]
fn a_token_goes_to_its_server_alone() {
    let (server, dir) = hub();
    let other = Server::start();
    let graph = std::fs::read(tiny("lm").join("model.onnx")).unwrap();
    other.put("/blob", Page::new(graph));
    let path = format!("/acme/lm/resolve/{COMMIT}/model.onnx");
    server.put(&path, Page::to(&format!("{}/blob", other.address)));
    let token = dir.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    good(&pull(
        &server,
        &dir,
        &["--token-file", token.to_str().unwrap()],
    ));
    assert!(server.asked("authorization: bearer s3cret").len() > 3);
    assert!(!other.asked("/blob").is_empty());
    assert!(other.asked("authorization").is_empty());
    let token = token.to_str().unwrap();
    let far = [
        "pull",
        "acme/lm",
        "--server",
        "http://models.example",
        "--token-file",
        token,
    ];
    bad(
        &[
            &far[..],
            &["--directory", dir.path().to_str().unwrap(), "--force"],
        ]
        .concat(),
        5,
        "https://",
    );
}

#[test]
fn ctrl_c_keeps_what_came() {
    let (server, dir) = hub();
    server.change("/tokenizer_config.json", |page| {
        page.pause = 2 * LONG;
    });
    let child = command(&pull(&server, &dir, &[])).spawn().unwrap();
    let start = Instant::now();
    while server.asked("/tokenizer_config.json").is_empty() {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(start.elapsed() < 2 * LONG, "it waited for the server");
    assert!(
        text(&output.stderr).contains("is kept"),
        "{}",
        text(&output.stderr)
    );
    assert!(dir.path().join(".part-lm/config.json").exists());
    good(&pull(&server, &dir, &[]));
}

/// ONNX Runtime, where the environment names it; its absence is a failure in CI.
fn library() -> Option<PathBuf> {
    let library = std::env::var_os("ARGOS_ONNXRUNTIME").filter(|v| !v.is_empty());
    if library.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "ARGOS_ONNXRUNTIME must be set in CI"
        );
        eprintln!("left out: ARGOS_ONNXRUNTIME is not set");
    }
    library.map(Into::into)
}

#[test]
fn speed_is_measured_without_a_bus() {
    let Some(_) = library() else { return };
    let lm = tiny("lm-gqa");
    let with = |rest: &[&'static str]| {
        let mut arguments = vec!["bench", lm.to_str().unwrap()];
        arguments.extend(rest);
        arguments
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let call = |rest: &[&'static str]| {
        let words = with(rest);
        argos(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let output = call(&[
        "--prompt",
        "64",
        "--tokens",
        "16",
        "--streams",
        "1,3",
        "--repeat",
        "2",
        "--json",
    ]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}", text(&output.stderr));
    });
    assert_eq!(told["results"].as_array().unwrap().len(), 2);
    for row in told["results"].as_array().unwrap() {
        for key in [
            "prefill_tokens_per_second",
            "decode_tokens_per_second",
            "first_token_ms",
        ] {
            let spread = &row[key];
            let number = |name: &str| spread[name].as_f64().unwrap();
            assert!(
                number("min") > 0.0 && number("min") <= number("median"),
                "{row}"
            );
            assert!(number("median") <= number("max"), "{row}");
        }
    }
    let output = call(&["--prompt", "16", "--tokens", "4", "--repeat", "1"]);
    assert!(
        text(&output.stdout).contains("STREAMS"),
        "{}",
        text(&output.stderr)
    );
    let output = call(&["--prompt", "5000"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("512 tokens"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(call(&["--streams", "0"]).status.code(), Some(2));
}

/// A child process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bus with the real service on it, where that was built beside this program.
fn service(folder: &Path) -> Option<(Process, Process, String)> {
    let library = library()?;
    let program = Path::new(env!("CARGO_BIN_EXE_argos")).with_file_name("argos-ai");
    if !program.exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} must be built in CI",
            program.display()
        );
        eprintln!("left out: {} is not there", program.display());
        return None;
    }
    let socket = folder.join("bus");
    let config = folder.join("bus.conf");
    let policy = format!(
        "<busconfig><type>session</type><listen>unix:path={}</listen><policy context=\"default\">\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
        socket.display()
    );
    std::fs::write(&config, policy).unwrap();
    let bus = Process(
        Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .arg("--nofork")
            .spawn()
            .expect("dbus-daemon (package dbus) is needed for this test"),
    );
    let start = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(10));
    }
    let address = format!("unix:path={}", socket.display());
    let mut service = Command::new(program);
    service
        .args(["--bus", &address, "--models"])
        .arg(folder.join("models"));
    let service = Process(service.env("ARGOS_ONNXRUNTIME", library).spawn().unwrap());
    Some((bus, service, address))
}

/// Two models that write, where [`service`] looks for them; yields that folder.
fn import_talkers(folder: &Path) -> PathBuf {
    let models = folder.join("models");
    let into = models.to_str().unwrap();
    for model in ["lm", "lm-gqa"] {
        good(&["import", tiny(model).to_str().unwrap(), "--directory", into]);
    }
    models
}

#[test]
fn conversations_with_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let models = import_talkers(dir.path());
    let into = models.to_str().unwrap();
    let Some((_bus, service, address)) = service(dir.path()) else {
        return;
    };
    let on_bus = |arguments: &[&str], input: &str| {
        let mut child = command(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &address)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let start = Instant::now();
    while !on_bus(&["list"], "").status.success() {
        assert!(start.elapsed() < LONG, "the service does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let once = on_bus(
        &[
            "run",
            "lm",
            "--max-tokens",
            "5",
            "--temperature",
            "0",
            "Hello",
        ],
        "",
    );
    assert!(once.status.success(), "{}", text(&once.stderr));
    let piped = on_bus(
        &["run", "lm", "--max-tokens", "5", "--temperature", "0"],
        "Hello\n",
    );
    assert_eq!(text(&piped.stdout), text(&once.stdout));
    assert_eq!(
        text(&once.stdout)
            .strip_suffix('\n')
            .unwrap()
            .chars()
            .count(),
        5
    );
    let events = on_bus(&["run", "lm", "--max-tokens", "5", "--json", "Hello"], "");
    let last: Value = serde_json::from_str(text(&events.stdout).lines().last().unwrap()).unwrap();
    assert_eq!(last["done"]["completion_tokens"], 5, "{last}");
    let nothing = on_bus(&["run", "lm"], "");
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(on_bus(&["run", "nope", "Hello"], "").status.code(), Some(4));

    let ps = on_bus(&["ps", "--json"], "");
    let loaded: Value = serde_json::from_slice(&ps.stdout).unwrap();
    assert_eq!(
        (&loaded[0]["id"], &loaded[0]["state"]),
        (&json!("lm"), &json!("ready"))
    );
    assert_eq!(loaded[0]["provider"], "cpu");
    for (words, row) in [(&["ps"][..], "ready"), (&["list"], "ready")] {
        let told = text(&on_bus(words, "").stdout);
        let row = told.lines().find(|l| l.contains(row)).unwrap();
        assert!(told.contains("RUNS ON") && row.contains(" cpu "), "{told}");
    }
    let show = ["show", "lm", "--directory", into];
    let shown = text(&on_bus(&show, "").stdout);
    assert!(shown.contains("cpu, in memory now"), "{shown}");
    assert!(on_bus(&["stop", "lm"], "").status.success());
    let shown = text(&on_bus(&show, "").stdout);
    assert!(!shown.contains("in memory now"), "{shown}");
    let listed: Value = serde_json::from_slice(&on_bus(&["list", "--json"], "").stdout).unwrap();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["provider"]),
        (&json!("lm"), &json!(""))
    );
    assert!(text(&on_bus(&["ps"], "").stdout).contains("no model is in memory"));

    // Ctrl-C ends a generation whose answer does not come: the service is stopped in the middle of it.
    let signal = |child: &Child, signal| {
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    };
    let ended = (0..100).find_map(|_| {
        let mut child = Process(
            Command::new(env!("CARGO_BIN_EXE_argos"))
                .args([
                    "ai",
                    "generate",
                    "--model",
                    "lm-gqa",
                    "--max-tokens",
                    "400",
                    "Hi",
                ])
                .env("DBUS_SYSTEM_BUS_ADDRESS", &address)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let _ = child.0.stdout.as_mut().unwrap().read(&mut [0]);
        signal(&service.0, rustix::process::Signal::STOP);
        signal(&child.0, rustix::process::Signal::INT);
        let start = Instant::now();
        let status = loop {
            match child.0.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if start.elapsed() > LONG => break None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        signal(&service.0, rustix::process::Signal::CONT);
        // Unless it was through already.
        (!status.is_some_and(|s| s.success())).then_some(status)
    });
    assert_eq!(ended.flatten().and_then(|s| s.code()), Some(130));

    // What is removed is unloaded.
    assert!(on_bus(&["load", "lm-gqa"], "").status.success());
    assert!(
        on_bus(&["rm", "lm-gqa", "--yes", "--directory", into], "")
            .status
            .success()
    );
    assert!(!text(&on_bus(&["list"], "").stdout).contains("lm-gqa"));
}

#[test]
fn without_a_service_it_is_said() {
    for arguments in [&["ps"][..], &["run", "x", "hello"], &["list"]] {
        bad(arguments, 3, "message bus");
    }
    let mut output = String::new();
    let mut child = command(&["import", "--help"]).spawn().unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    assert!(
        child.wait().unwrap().success() && output.contains("--variant"),
        "{output}"
    );
    assert_eq!(argos(&["import"]).status.code(), Some(2));
    assert_eq!(
        argos(&["import", "x", "--all", "--variant", "y"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        argos(&["bench", "x", "--tokens", "0"]).status.code(),
        Some(2)
    );
}
