//! Many requests of every kind against one process: what it holds at the end is what it held after the first
//! ones.
//!
//! 1,000 requests, or as many as `ARGOS_LEAK_REQUESTS` says; 10,000 are the bar. A tenth are the warm-up.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{CHAT, JSON, Server, hello, models_with_tools, request, with};
use super::{LONG, copy, library, tiny};

/// Requests at a time.
const CLIENTS: usize = 4;
/// So many different ones there are of each kind: what is kept for those that come again has to be full after
/// the warm-up.
const VARIANTS: usize = 7;
/// Kinds of requests.
const KINDS: usize = 18;
/// Most that private memory may grow, in bytes: heaps are torn to pieces a little more each time.
const GROWTH: u64 = 12 << 20;
/// The same for open files, and for threads, of which those for blocking work come and go.
const MORE_FILES: usize = 4;
const MORE_THREADS: usize = 4;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    private: u64,
    files: usize,
    threads: usize,
}

impl Held {
    fn by(pid: u32) -> Self {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        // Clean pages are the files' that it maps, and shared where another process maps them too.
        let private = rollup
            .lines()
            .filter(|line| line.starts_with("Private_Dirty:") || line.starts_with("Swap:"))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum::<u64>();
        let count = |what: &str| {
            std::fs::read_dir(format!("/proc/{pid}/{what}"))
                .unwrap()
                .count()
        };
        Self {
            private: private << 10,
            files: count("fd"),
            threads: count("task"),
        }
    }
}

/// Sends a request and goes away once `bytes` of the answer are there.
fn vanish(server: &Server, body: &Value, bytes: usize) {
    let mut stream = server.connect();
    let text = request("POST", CHAT, JSON, &body.to_string());
    stream.write_all(text.as_bytes()).unwrap();
    let _ = stream.read_exact(&mut vec![0; bytes]);
}

fn one(server: &Server, n: usize) {
    let (kind, variant) = (n % KINDS, n / KINDS % VARIANTS);
    let words = "lorem ipsum dolor sit amet ".repeat(1 + variant);
    let chat = with(
        hello("hermes"),
        json!({
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}],
            "seed": variant,
            "max_tokens": 8,
        }),
    );
    let long = with(chat.clone(), json!({"max_tokens": 200, "n": 4}));
    let tools = json!([{"type": "function", "function": {"name": format!("tool{variant}"), "parameters": {
        "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
        "additionalProperties": false}}}]);
    let called =
        json!({"tools": tools, "tool_choice": "required", "ignore_eos": false, "max_tokens": 60});
    let schema = json!({"type": "object", "properties": {"kind": {"enum": ["a", format!("b{variant}")]}},
        "required": ["kind"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    let expect = |path: &str, body: &Value, status: u16| {
        let reply = server.post(path, body);
        assert_eq!(reply.status, status, "{body}: {reply:?}");
    };
    let streamed = |body: Value| with(body, json!({"stream": true}));
    match kind {
        0 => expect(CHAT, &chat, 200),
        1 => expect(CHAT, &streamed(chat), 200),
        2 => expect(CHAT, &with(chat, called), 200),
        3 => expect(CHAT, &streamed(with(chat, called)), 200),
        4 => expect(
            CHAT,
            &with(
                chat,
                json!({"response_format": format, "ignore_eos": false, "max_tokens": 40}),
            ),
            200,
        ),
        5 => expect(CHAT, &with(chat, json!({"stop": ["e", "ab", "\n"]})), 200),
        6 => expect(
            "/v1/embeddings",
            &json!({"model": "embedding", "input": ["red green", "blue"]}),
            200,
        ),
        7 => expect(
            "/v1/rerank",
            &json!({"model": "reranker", "query": "red", "documents": ["red", "green"]}),
            200,
        ),
        8 => vanish(server, &streamed(long), 1500),
        9 => vanish(server, &long, 0),
        10 => expect(
            CHAT,
            &with(
                chat,
                json!({"messages": [{"role": "user", "content": "x".repeat(3000)}]}),
            ),
            400,
        ),
        11 => {
            let reply = server.send(&request("POST", CHAT, JSON, "{\"model\": \"hermes\", "));
            assert_eq!(reply.status, 400, "{reply:?}");
        }
        12 => expect(
            CHAT,
            &with(chat, json!({"n": 3, "logprobs": true, "top_logprobs": 5})),
            200,
        ),
        13 => expect(
            "/v1/completions",
            &json!({"model": "lm", "prompt": "abc", "max_tokens": 5, "seed": variant}),
            200,
        ),
        14 => expect(
            "/v1/responses",
            &json!({"model": "mistral", "input": "Hi", "max_output_tokens": 5}),
            200,
        ),
        15 => expect(CHAT, &with(chat, json!({"model": "nobody"})), 404),
        16 => {
            // The head of a request and no more.
            let mut half = server.connect();
            half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Le")
                .unwrap();
        }
        _ => expect(
            CHAT,
            &with(chat, json!({"guided_grammar": "start: nothing"})),
            400,
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_what_was_answered() {
    let Some(library) = library() else { return };
    let count: usize = std::env::var("ARGOS_LEAK_REQUESTS").map_or(1000, |n| n.parse().unwrap());
    let models = models_with_tools();
    for name in ["lm", "embedding", "reranker"] {
        copy(&tiny().join(name), &models.path().join(name));
        // A model's folder may have folders.
        let inner = tiny().join(name).join("1_Pooling");
        if inner.exists() {
            copy(&inner, &models.path().join(name).join("1_Pooling"));
        }
    }
    let server = Server::start(models.path(), &library, &["--idle-unload", "0"]).await;
    let pid = server.world.service.0.id();
    let next = AtomicUsize::new(0);
    let until = |end: usize| {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= end {
                            break;
                        }
                        one(&server, n);
                    }
                });
            }
        });
        next.store(end, Ordering::Relaxed);
        server.wait_for("requests are left", |s| {
            ["hermes", "mistral"].iter().all(|model| {
                s.metric(&format!("argos_ai_model_running{{model=\"{model}\"}}")) == 0.0
                    && s.metric(&format!("argos_ai_model_waiting{{model=\"{model}\"}}")) == 0.0
            })
        });
        Held::by(pid)
    };
    let within = |held: &Held, warm: &Held| {
        held.private <= warm.private + GROWTH
            && held.files <= warm.files + MORE_FILES
            && held.threads <= warm.threads + MORE_THREADS
    };
    let begun = Instant::now();
    let warm = until((count / 10).max(KINDS * VARIANTS));
    let mut last = warm;
    for tenth in 2..=10 {
        last = until(count * tenth / 10);
        eprintln!("{} requests: {last:?}", count * tenth / 10);
    }
    eprintln!(
        "{count} requests in {:?}: {warm:?}, then {last:?}",
        begun.elapsed()
    );
    // Connections that their clients left, and threads that have nothing to do, go a little later; what is
    // lost stays.
    let end = Instant::now() + LONG;
    while !within(&last, &warm) {
        assert!(Instant::now() < end, "{warm:?} {last:?}");
        std::thread::sleep(Duration::from_millis(100));
        last = Held::by(pid);
    }
}
