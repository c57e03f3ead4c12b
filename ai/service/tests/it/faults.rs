//! What breaks, breaks alone: after each fault the service says what, where, why and what to do, and
//! answers the next request.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{CHAT, Server, hello, with};
use super::{LONG, Process, World, bus, copy, from_environment, generate, library, service, tiny};

const GOOD: &str = "good";

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A folder of models with one that works, and the service over it.
struct Bench {
    models: tempfile::TempDir,
    server: Server,
}

impl Bench {
    async fn start() -> Option<Self> {
        let library = library()?;
        let models = tempfile::tempdir().unwrap();
        copy(&tiny().join("lm-gqa"), &models.path().join(GOOD));
        let server = Server::start(models.path(), &library, &[]).await;
        Some(Self { models, server })
    }

    /// A copy of a tiny model, to be broken.
    fn model(&self, name: &str, from: &str) -> PathBuf {
        let folder = self.models.path().join(name);
        copy(&tiny().join(from), &folder);
        folder
    }

    /// The service is the same process and answers.
    fn lives(&mut self, after: &str) {
        let ended = self.server.world.service.0.try_wait().unwrap();
        assert!(ended.is_none(), "{after} ended the service: {ended:?}");
        let answer = self.server.good(CHAT, &hello(GOOD));
        assert_eq!(answer["usage"]["completion_tokens"], 12, "{after}");
    }

    /// The error of a chat, over HTTP and on the bus, which has to have all of `words`.
    async fn refused(&mut self, name: &str, status: u16, words: &[&str]) {
        let reply = self.server.post(CHAT, &hello(name));
        let code = reply.json()["error"]["code"].as_str().map(str::to_owned);
        let text = reply.error(status, code.as_deref());
        for word in words {
            assert!(text.contains(word), "{name}: no `{word}` in: {text}");
        }
        if status == 503 {
            let told = self.server.world.proxy.load_model(name).await;
            let told = told.unwrap_err().to_string();
            for word in words {
                assert!(told.contains(word), "{name}: no `{word}` in: {told}");
            }
            let list = self.server.world.proxy.list_models().await.unwrap();
            let entry = list.iter().find(|m| m.id == name).unwrap();
            assert_eq!(entry.state, "failed", "{entry:?}");
        }
        self.lives(name);
    }
}

/// A part of a protocol-buffers message: its key, and its content where it has a length.
type Part = (u64, Vec<u8>);

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn push_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn take_apart(bytes: &[u8]) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let key = varint(bytes, &mut at);
        let content = match key & 7 {
            0 => {
                let from = at;
                varint(bytes, &mut at);
                bytes[from..at].to_vec()
            }
            2 => {
                let length = varint(bytes, &mut at) as usize;
                at += length;
                bytes[at - length..at].to_vec()
            }
            5 => {
                at += 4;
                bytes[at - 4..at].to_vec()
            }
            other => panic!("wire type {other}"),
        };
        parts.push((key, content));
    }
    parts
}

fn put_together(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, content) in parts {
        push_varint(*key, &mut bytes);
        if key & 7 == 2 {
            push_varint(content.len() as u64, &mut bytes);
        }
        bytes.extend(content);
    }
    bytes
}

/// Changes the parts of the weight `name` of a graph.
fn with_tensor(graph: &Path, name: &str, change: impl Fn(&mut Vec<Part>)) {
    let (inside, initializer, named) = (7 << 3 | 2, 5 << 3 | 2, 8 << 3 | 2);
    let mut model = take_apart(&std::fs::read(graph).unwrap());
    let mut done = false;
    for (_, content) in model.iter_mut().filter(|part| part.0 == inside) {
        let mut parts = take_apart(content);
        for (_, content) in parts.iter_mut().filter(|part| part.0 == initializer) {
            let mut tensor = take_apart(content);
            if tensor.contains(&(named, name.as_bytes().to_vec())) {
                change(&mut tensor);
                *content = put_together(&tensor);
                done = true;
            }
        }
        *content = put_together(&parts);
    }
    assert!(done, "no weight {name}");
    std::fs::write(graph, put_together(&model)).unwrap();
}

/// Moves the numbers of `head` into a file `location`; returns them.
fn outside(graph: &Path, location: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let raw = std::cell::RefCell::default();
    with_tensor(graph, "head", |tensor| {
        let data = tensor.iter().position(|part| part.0 == 9 << 3 | 2).unwrap();
        *raw.borrow_mut() = tensor.remove(data).1;
        for (key, value) in [("location", location)].iter().chain(more) {
            let entry = [(1 << 3 | 2, key.as_bytes()), (2 << 3 | 2, value.as_bytes())];
            let entry = entry.map(|(key, text)| (key, text.to_vec()));
            tensor.push((13 << 3 | 2, put_together(&entry)));
        }
        tensor.push((14 << 3, vec![1]));
    });
    raw.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_and_damaged_graphs() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let graph = bench.model("cut", "lm").join("model.onnx");
    let whole = std::fs::read(&graph).unwrap();
    for n in 0..64 {
        std::fs::write(&graph, &whole[..whole.len() * n / 64]).unwrap();
        let words = ["cut/model.onnx", "cannot be read", "get the file again"];
        bench.refused("cut", 503, &words).await;
    }
    std::fs::write(&graph, &whole).unwrap();
    bench.server.good(CHAT, &hello("cut"));

    // Whatever stands there: an answer or an error, and the next request is answered.
    let mut dice = Dice(5);
    let (mut answered, mut refused) = (0, 0);
    for (from, name) in [("lm", "model.onnx"), ("lm-gqa", "decoder.onnx")] {
        let folder = bench.model(&format!("damaged-{from}"), from);
        let whole = std::fs::read(folder.join(name)).unwrap();
        for round in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..1 << dice.roll(4) {
                // Most of a graph is weights, where little can break.
                let at = match dice.roll(3) {
                    0 => dice.roll(bytes.len()),
                    1 => dice.roll(4000),
                    _ => bytes.len() - 1 - dice.roll(6000),
                };
                bytes[at] = match dice.roll(4) {
                    0 => bytes[at] ^ (1 << dice.roll(8)),
                    1 => 0xff,
                    2 => 0,
                    _ => dice.roll(256) as u8,
                };
            }
            std::fs::write(folder.join(name), bytes).unwrap();
            let model = format!("damaged-{from}");
            let wish = with(hello(&model), json!({"max_tokens": 3}));
            let reply = bench.server.post(CHAT, &wish);
            match reply.status {
                200 => answered += 1,
                500 | 503 => {
                    let text = reply.json()["error"]["message"].to_string();
                    assert!(text.contains(&model), "{text}");
                    refused += 1;
                }
                status => panic!("{status}: {reply:?}"),
            }
            bench.server.world.proxy.unload_model(&model).await.unwrap();
            if round % 10 == 0 {
                bench.lives(&format!("round {round} of {from}"));
            }
        }
        bench.lives(from);
    }
    assert!(answered > 20 && refused > 20, "{answered} {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_are_elsewhere_or_absurd() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let graph = bench.model("beside", "lm").join("model.onnx");
    let numbers = outside(&graph, "weights.bin", &[]);
    let words = ["beside/model.onnx", "weights.bin", "get its files again"];
    bench.refused("beside", 503, &words).await;
    let weights = graph.with_file_name("weights.bin");
    std::fs::write(&weights, &numbers[..100]).unwrap();
    bench.refused("beside", 503, &words[..1]).await;
    std::fs::write(&weights, &numbers).unwrap();
    bench.server.good(CHAT, &hello("beside"));

    // Outside of the folder lies what nobody offered.
    std::fs::write(bench.models.path().join("secret.bin"), &numbers).unwrap();
    let secret = bench.models.path().join("secret.bin");
    for (n, location) in ["../secret.bin", secret.to_str().unwrap(), "/dev/zero"]
        .into_iter()
        .enumerate()
    {
        let name = format!("outside{n}");
        let graph = bench.model(&name, "lm").join("model.onnx");
        outside(&graph, location, &[]);
        let words = [name.as_str(), "get its files again"];
        bench.refused(&name, 503, &words).await;
    }
    let graph = bench.model("linked", "lm").join("model.onnx");
    outside(&graph, "weights.bin", &[]);
    std::os::unix::fs::symlink("../secret.bin", graph.with_file_name("weights.bin")).unwrap();
    bench.refused("linked", 503, &["linked", "escapes"]).await;

    for (n, more) in [
        [("offset", "4611686018427387904"), ("length", "6272")],
        [("offset", "-5"), ("length", "10")],
        [("offset", "x"), ("length", "10")],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("beyond{n}");
        let graph = bench.model(&name, "lm").join("model.onnx");
        outside(&graph, "weights.bin", &more);
        std::fs::write(graph.with_file_name("weights.bin"), &numbers).unwrap();
        bench.refused(&name, 503, &[&name, "get"]).await;
    }
    for (n, sizes) in [
        [1 << 62, 1 << 62],
        [1 << 33, 98],
        [u64::MAX, 4],
        [0, 0],
        [16, 1 << 48],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("absurd{n}");
        let graph = bench.model(&name, "lm").join("model.onnx");
        with_tensor(&graph, "head", |tensor| {
            tensor.retain(|part| part.0 >> 3 != 1);
            for size in sizes {
                let mut number = Vec::new();
                push_varint(size, &mut number);
                tensor.push((1 << 3, number));
            }
        });
        let words = [name.as_str(), "get its files again"];
        bench.refused(&name, 503, &words).await;
    }
}

/// Functions each of which calls the next one twice: a few hundred bytes, a billion operators.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_unfold_without_end() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let graph = bench.model("laughs", "lm").join("model.onnx");
    let mut model = take_apart(&std::fs::read(&graph).unwrap());
    let text = |number: u64, text: &str| (number << 3 | 2, text.as_bytes().to_vec());
    let call = |name: &str, from: &str, to: &str| {
        put_together(&[text(1, from), text(2, to), text(4, name), text(7, "x")])
    };
    let opset = put_together(&[text(1, "x"), (2 << 3, vec![1])]);
    model.push((8 << 3 | 2, opset.clone()));
    for n in 0..40 {
        let next = format!("f{}", n + 1);
        let function = [
            text(1, &format!("f{n}")),
            text(4, "a"),
            text(5, "c"),
            (7 << 3 | 2, call(&next, "a", "b")),
            (7 << 3 | 2, call(&next, "b", "c")),
            (9 << 3 | 2, opset.clone()),
            text(10, "x"),
        ];
        model.push((25 << 3 | 2, put_together(&function)));
    }
    for (_, content) in model.iter_mut().filter(|part| part.0 == 7 << 3 | 2) {
        content.extend(put_together(&[(
            1 << 3 | 2,
            call("f0", "input_ids", "laughter"),
        )]));
    }
    std::fs::write(&graph, put_together(&model)).unwrap();
    let words = ["laughs/model.onnx", "a million operators"];
    bench.refused("laughs", 503, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_beside_the_graph() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let write = |folder: &Path, name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
    };

    let folder = bench.model("nowhere", "lm-gqa");
    let config = r#"{"model": {"context_length": 64, "decoder": {"filename": "other.onnx"}}}"#;
    write(&folder, "genai_config.json", config);
    let words = ["nowhere/other.onnx", "cannot be read", "No such file"];
    bench.refused("nowhere", 503, &words).await;
    let config = config.replace("other.onnx", "../good/decoder.onnx");
    write(&folder, "genai_config.json", &config);
    let words = ["nowhere", "../good/decoder.onnx", "outside the folder"];
    bench.refused("nowhere", 503, &words).await;

    for file in ["config.json", "tokenizer_config.json"] {
        let name = format!("huge-{file}");
        let folder = bench.model(&name, "lm");
        let large = std::fs::File::create(folder.join(file)).unwrap();
        large.set_len(64 << 30).unwrap();
        let words = [&name, file, "68719476736 bytes; at most 4194304 are read"];
        bench.refused(&name, 503, &words).await;
        let name = format!("device-{file}");
        let folder = bench.model(&name, "lm");
        std::fs::remove_file(folder.join(file)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join(file)).unwrap();
        bench.refused(&name, 503, &[&name, file]).await;
    }
    let folder = bench.model("huge-tokenizer", "lm");
    let large = std::fs::File::create(folder.join("tokenizer.json")).unwrap();
    large.set_len(64 << 30).unwrap();
    let words = ["huge-tokenizer/tokenizer.json", "at most"];
    bench.refused("huge-tokenizer", 503, &words).await;
    let folder = bench.model("deep", "lm");
    write(&folder, "config.json", &"[".repeat(1 << 20));
    bench.refused("deep", 503, &["deep/config.json"]).await;
    let folder = bench.model("yaml", "lm");
    let mut bomb = "kind: causal-lm\na0: &a0 [x, x]\n".to_owned();
    for n in 1..40 {
        bomb += &format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1);
    }
    write(&folder, "model.yaml", &bomb);
    bench.refused("yaml", 503, &["yaml"]).await;

    // A tokenizer of another model.
    let folder = bench.model("more-tokens", "lm");
    let text = std::fs::read_to_string(folder.join("tokenizer.json")).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let mut more = whole.clone();
    let words = more["model"]["vocab"].as_object_mut().unwrap();
    let h = words.remove("H").unwrap();
    words.insert("H".into(), 5000.into());
    write(&folder, "tokenizer.json", &more.to_string());
    let words = ["more-tokens", "token 5000", "not of one export", "again"];
    bench.refused("more-tokens", 500, &words).await;
    let folder = bench.model("fewer-tokens", "lm");
    let mut fewer = whole.clone();
    let words = fewer["model"]["vocab"].as_object_mut().unwrap();
    words.retain(|_, id| id.as_u64() < Some(20) || *id == h);
    write(&folder, "tokenizer.json", &fewer.to_string());
    let words = [
        "fewer-tokens",
        "has 21 tokens and the graph 98",
        "not of one export",
    ];
    bench.refused("fewer-tokens", 503, &words).await;
    for (name, text) in [("no-tokens", "{}"), ("no-json", "<html>Not found</html>")] {
        let folder = bench.model(name, "lm");
        write(&folder, "tokenizer.json", text);
        let words = [name, "tokenizer.json"];
        bench.refused(name, 503, &words).await;
    }

    // Templates that never end, or take all there is.
    for (n, template) in [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% set n = namespace(t='x') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{{ ('x' * 100000).replace('x', 'y' * 1000000) }}",
        "{{ 'x' * 999999999 }}",
        "{% set l = ['x' * 1000000] * 100000 %}{{ ''.join(l) }}",
        "{{ '{:>999999999999}'.format('x') }}",
        "{{ '%999999999999d' | format(1) }}",
        "{{ [[[[1]]]] | tojson(indent=999999999999) }}{{ 'x' | center(99999999999) }}",
        "{% for a in range(99999999999) %}x{% endfor %}",
        "{{ ('x' * 1000000) | indent(9999999) | replace('x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy' * 999) }}",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("template{n}");
        let folder = bench.model(&name, "lm");
        write(&folder, "chat_template.jinja", template);
        let begun = Instant::now();
        let reply = bench.server.post(CHAT, &hello(&name));
        let text = reply.error(400, reply.json()["error"]["code"].as_str());
        assert!(
            text.contains("chat template refuses") || text.contains("prompt"),
            "{template}: {text}"
        );
        assert!(begun.elapsed() < LONG, "{template}");
        bench.lives(template);
    }
    let peak = memory(&bench.server.world, "VmHWM");
    assert!(peak < 2 << 30, "templates took up to {} MiB", peak >> 20);
    for (name, text) in [("no-template", "{% if %}"), ("open-template", "{{ 'x")] {
        let folder = bench.model(name, "lm");
        write(&folder, "chat_template.jinja", text);
        bench.refused(name, 503, &[name, "chat template"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_none() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    let graph = bench.model("nan", "lm").join("model.onnx");
    with_tensor(&graph, "head", |tensor| {
        let data = tensor.iter_mut().find(|part| part.0 == 9 << 3 | 2).unwrap();
        data.1[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let words = ["model nan failed", "NaN", "may be damaged"];
    bench.refused("nan", 500, &words).await;
    let stream = with(hello("nan"), json!({"stream": true}));
    let events = bench.server.post(CHAT, &stream).events();
    let error = events.last().unwrap()["error"]["message"].to_string();
    assert!(error.contains("NaN"), "{error}");
    let events = generate(&bench.server.world.proxy, "nan", super::HELLO, "{}").await;
    let error = events.last().unwrap()["error"].as_str().unwrap();
    assert!(error.contains("NaN"), "{error}");
    bench.lives("nan");
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(world: &World, name: &str) -> u64 {
    let path = format!("/proc/{}/status", world.service.0.id());
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_is_not_there() {
    let Some(mut bench) = Bench::start().await else {
        return;
    };
    // Weights of 8 TiB, of which not a byte is on the disk.
    let folder = bench.model("vast", "lm");
    outside(&folder.join("model.onnx"), "weights.bin", &[]);
    let weights = std::fs::File::create(folder.join("weights.bin")).unwrap();
    if weights.set_len(8 << 40).is_ok() {
        let words = ["vast", "MiB of memory", "are free", "take a smaller one"];
        bench.refused("vast", 503, &words).await;
        // As much beside a graph that does not ask for it is nothing: another variant.
        let folder = bench.model("variants", "lm");
        let other = std::fs::File::create(folder.join("model_fp32.onnx")).unwrap();
        other.set_len(8 << 40).unwrap();
        bench.server.good(CHAT, &hello("variants"));
    }

    // What the machine has, this process may not have.
    let folder = bench.model("more", "lm");
    outside(&folder.join("model.onnx"), "weights.bin", &[]);
    let weights = std::fs::File::create(folder.join("weights.bin")).unwrap();
    weights.set_len(600 << 20).unwrap();
    let limit = memory(&bench.server.world, "VmSize") + (500 << 20);
    let limited = Command::new("prlimit")
        .args(["--pid", &bench.server.world.service.0.id().to_string()])
        .arg(format!("--as={limit}"))
        .status();
    assert!(limited.unwrap().success());
    let words = ["more", "MiB of memory", "are free", "take a smaller one"];
    bench.refused("more", 503, &words).await;
    // Many at once, with long answers.
    let long = with(hello(GOOD), json!({"max_tokens": 400, "n": 8}));
    let server = &bench.server;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let reply = server.post(CHAT, &long);
                assert!([200, 429, 500, 503].contains(&reply.status), "{reply:?}");
            });
        }
    });
    bench.lives("many at once");
}

/// Everything below a folder.
fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            all.extend(contents(&entry.path()));
        }
        all.push(entry.path());
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_loading() {
    let (Some(library), Some(model)) = (library(), from_environment("ARGOS_TEST_MODEL")) else {
        return;
    };
    let models = tempfile::tempdir().unwrap();
    copy(&model, &models.path().join("default"));
    copy(&tiny().join("lm-gqa"), &models.path().join(GOOD));
    let before = contents(models.path());
    let shared = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
    let shared_before = shared("/dev/shm");
    let folder = tempfile::tempdir().unwrap();
    let (_bus, address) = bus(folder.path());
    let (socket, cache) = (folder.path().join("http"), folder.path().join("cache"));
    std::fs::create_dir(&cache).unwrap();
    let arguments = [
        "--http",
        socket.to_str().unwrap(),
        "--cache",
        cache.to_str().unwrap(),
    ];
    let mut dice = Dice(3);
    for _ in 0..25 {
        let mut one = service(&address, models.path(), &library, &arguments)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(dice.roll(400) as u64));
        if dice.roll(2) == 0
            && let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&socket)
        {
            // Another one begins to load for somebody.
            let text =
                super::http::request("POST", CHAT, super::http::JSON, &hello(GOOD).to_string());
            let _ = std::io::Write::write_all(&mut stream, text.as_bytes());
            std::thread::sleep(Duration::from_millis(dice.roll(30) as u64));
        }
        one.kill().unwrap();
        one.wait().unwrap();
    }
    assert_eq!(contents(models.path()), before);
    assert_eq!(contents(&cache), [] as [PathBuf; 0]);
    // Others come and go there as well.
    let end = Instant::now() + LONG;
    while shared("/dev/shm") > shared_before + 2 {
        assert!(Instant::now() < end, "shared memory is left");
        std::thread::sleep(Duration::from_millis(100));
    }

    let begun = Instant::now();
    let mut last = Process(
        service(&address, models.path(), &library, &arguments)
            .spawn()
            .unwrap(),
    );
    let connection = zbus::connection::Builder::address(address.as_str())
        .build()
        .await
        .unwrap();
    let proxy = argos_bus::ai::Ai1Proxy::new(&connection).await.unwrap();
    let plan = loop {
        match proxy.plan("list /etc", r#"["files.list"]"#, "{}").await {
            Ok(plan) => break plan,
            Err(e) => assert!(begun.elapsed() < LONG, "{e}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(plan.contains("files.list"), "{plan}");
    let events = generate(&proxy, GOOD, super::HELLO, r#"{"max_tokens": 3}"#).await;
    assert!(events.last().unwrap()["done"].is_object(), "{events:?}");
    assert!(last.0.try_wait().unwrap().is_none());
}
