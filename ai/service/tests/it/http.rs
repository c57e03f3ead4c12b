//! The HTTP API, spoken byte by byte.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{LONG, World, copy, from_environment, library, tiny, world_with};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The error's message, where status and code are as expected.
    pub(super) fn error(&self, status: u16, code: Option<&str>) -> String {
        let error = &self.json()["error"];
        assert_eq!(
            (self.status, error["code"].as_str()),
            (status, code),
            "{self:?}"
        );
        assert!(error["type"].is_string(), "{self:?}");
        error["message"].as_str().unwrap().to_owned()
    }

    /// The data of a stream's events.
    pub(super) fn events(&self) -> Vec<Value> {
        let lines = self.body.lines().filter_map(|l| l.strip_prefix("data: "));
        lines
            .filter(|l| *l != "[DONE]")
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }
}

/// Reads one answer.
pub(super) fn read(stream: &mut impl Read) -> Option<Reply> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).ok()?;
    } else if headers
        .get("transfer-encoding")
        .is_some_and(|e| e == "chunked")
    {
        loop {
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).ok()?;
                size.push(byte[0]);
            }
            let size =
                usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            body.extend(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    }
    Some(Reply {
        status,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

pub(super) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(super) const JSON: &str = "Content-Type: application/json\r\n";

/// The service, and where it serves.
pub(super) struct Server {
    pub world: World,
    pub socket: PathBuf,
}

impl Server {
    pub(super) async fn start(models: &Path, library: &Path, arguments: &[&str]) -> Self {
        let world = world_with(models, library, |folder| {
            let socket = folder.join("http").display().to_string();
            let mut all = vec!["--http".to_owned(), socket];
            all.extend(arguments.iter().map(ToString::to_string));
            all
        })
        .await;
        let socket = world.folder.path().join("http");
        Self { world, socket }
    }

    pub(super) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    pub(super) fn send(&self, text: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        read(&mut stream).expect("an answer")
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send(&request("GET", path, "", ""))
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(&request("POST", path, JSON, &body.to_string()))
    }

    /// An answer that has to be one.
    pub(super) fn good(&self, path: &str, body: &Value) -> Value {
        let reply = self.post(path, body);
        assert_eq!(reply.status, 200, "{body}: {reply:?}");
        reply.json()
    }

    fn stream(&self, path: &str, body: &Value) -> Reply {
        let mut body = body.clone();
        body["stream"] = true.into();
        let reply = self.post(path, &body);
        assert_eq!(reply.status, 200, "{body}: {reply:?}");
        assert!(reply.headers["content-type"].starts_with("text/event-stream"));
        reply
    }

    /// One of the numbers of `/metrics`.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").body;
        let line = page
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}"))
            .parse()
            .unwrap()
    }

    pub(super) fn wait_for(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < LONG,
                "{what}\n{}",
                self.get("/metrics").body
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(super) const CHAT: &str = "/v1/chat/completions";

pub(super) fn hello(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 12,
        "seed": 7,
        "temperature": 1.0,
        "ignore_eos": true,
    })
}

pub(super) fn with(mut body: Value, more: Value) -> Value {
    let (Value::Object(all), Value::Object(more)) = (&mut body, more) else {
        panic!("no objects");
    };
    all.extend(more);
    body
}

pub(super) fn text_of(choice: &Value) -> &str {
    choice["message"]["content"].as_str().unwrap()
}

/// What the deltas of a chat's stream add up to: text and calls of one answer, and why it ended.
fn put_together(events: &[Value], index: usize) -> (String, Vec<(String, String)>, String) {
    let (mut text, mut calls, mut reason) = (String::new(), Vec::new(), String::new());
    for event in events {
        for choice in event["choices"].as_array().unwrap() {
            if choice["index"] != index {
                continue;
            }
            text += choice["delta"]["content"].as_str().unwrap_or_default();
            for call in choice["delta"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let at = call["index"].as_u64().unwrap() as usize;
                if let Some(name) = call["function"]["name"].as_str() {
                    assert_eq!(at, calls.len(), "{call}");
                    assert!(call["id"].is_string() && call["type"] == "function");
                    calls.push((name.to_owned(), String::new()));
                }
                calls[at].1 += call["function"]["arguments"].as_str().unwrap();
            }
            reason += choice["finish_reason"].as_str().unwrap_or_default();
        }
    }
    (text, calls, reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_said_in_openais_words() {
    let empty = tempfile::tempdir().unwrap();
    let server = Server::start(empty.path(), Path::new("/nonexistent"), &[]).await;
    assert_eq!(server.get("/health").json(), json!({"status": "ok"}));
    let none = json!({"object": "list", "data": []});
    assert_eq!(server.get("/v1/models").json(), none);
    let error = server
        .post(CHAT, &hello("lm"))
        .error(404, Some("model_not_found"));
    assert!(error.contains("`lm`") && error.contains("none"), "{error}");

    copy(&tiny().join("lm"), &empty.path().join("lm"));
    let list = server.get("/v1/models").json();
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["kind"]),
        (&"lm".into(), &"causal-lm".into())
    );
    assert_eq!(server.get("/v1/models/lm").json()["object"], "model");
    let error = server
        .get("/v1/models/nope")
        .error(404, Some("model_not_found"));
    assert!(error.contains("known models: lm"), "{error}");
    let error = server
        .post(CHAT, &hello("nope"))
        .error(404, Some("model_not_found"));
    assert!(error.contains("lm"), "{error}");
    // There is no library to run it.
    server
        .post(CHAT, &hello("lm"))
        .error(503, Some("model_unavailable"));

    let error = server.get("/v2/chat").error(404, Some("unknown_url"));
    assert!(error.contains("/v1/chat/completions"), "{error}");
    let reply = server.get(CHAT);
    reply.error(405, None);
    assert_eq!(reply.headers["allow"], "POST");
    let form = request("POST", CHAT, "Content-Type: text/plain\r\n", "{}");
    let error = server.send(&form).error(415, None);
    assert!(error.contains("application/json"), "{error}");
    let error = server
        .send(&request("POST", CHAT, JSON, "{\n\"model\": }"))
        .error(400, None);
    assert!(error.contains("line 2 column"), "{error}");
    let error = server.post(CHAT, &json!({"model": "lm"})).error(400, None);
    assert!(error.contains("messages"), "{error}");
    for (path, more, param) in [
        (CHAT, json!({"logit_bias": {"1": 5}}), "logit_bias"),
        (CHAT, json!({"n": 100}), "n"),
        (CHAT, json!({"functions": []}), "functions"),
        (CHAT, json!({"top_logprobs": 2}), "top_logprobs"),
        (
            CHAT,
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
            "messages[0].content[0].type",
        ),
        (
            "/v1/completions",
            json!({"prompt": "x", "echo": true}),
            "echo",
        ),
        (
            "/v1/responses",
            json!({"input": "x", "previous_response_id": "r"}),
            "previous_response_id",
        ),
    ] {
        let reply = server.post(path, &with(hello("lm"), more));
        reply.error(400, reply.json()["error"]["code"].as_str());
        assert_eq!(reply.json()["error"]["param"], param, "{reply:?}");
    }
    let urgent = format!("{JSON}X-Argos-Class: person\r\n");
    let reply = server.send(&request("POST", CHAT, &urgent, &hello("lm").to_string()));
    assert!([403, 503].contains(&reply.status), "{reply:?}");
    assert!(
        server.metric("argos_ai_http_requests_total{endpoint=\"other\",status=\"404\"}") >= 1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_stream_what_they_say_whole() {
    let Some(library) = library() else { return };
    let server = Server::start(&tiny(), &library, &[]).await;
    let whole = server.good(CHAT, &hello("lm-gqa"));
    assert_eq!(whole["object"], "chat.completion");
    let choice = &whole["choices"][0];
    // Special tokens, which it may write here, have no text.
    assert!((5..=12).contains(&text_of(choice).len()), "{whole}");
    assert_eq!(choice["finish_reason"], "length");
    let usage = &whole["usage"];
    assert_eq!(usage["completion_tokens"], 12);
    assert_eq!(
        usage["total_tokens"].as_u64(),
        Some(12 + usage["prompt_tokens"].as_u64().unwrap())
    );
    assert_eq!(
        text_of(&server.good(CHAT, &hello("lm-gqa"))["choices"][0]),
        text_of(choice)
    );

    let wish = with(
        hello("lm-gqa"),
        json!({"stream_options": {"include_usage": true}}),
    );
    let reply = server.stream(CHAT, &wish);
    assert!(reply.body.ends_with("data: [DONE]\n\n"), "{}", reply.body);
    let events = reply.events();
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(
        events
            .iter()
            .all(|e| e["object"] == "chat.completion.chunk" && e["id"] == events[0]["id"])
    );
    let (text, _, reason) = put_together(&events, 0);
    assert_eq!(
        (text.as_str(), reason.as_str()),
        (text_of(choice), "length")
    );
    let last = events.last().unwrap();
    assert_eq!(last["usage"]["completion_tokens"], 12);
    assert_eq!(last["choices"], json!([]));

    // Several answers, each with a seed of its own, streamed or not.
    let three = with(hello("lm-gqa"), json!({"n": 3}));
    let whole = server.good(CHAT, &three);
    let events = server.stream(CHAT, &three).events();
    for index in 0..3 {
        let choice = &whole["choices"][index];
        assert_eq!(choice["index"], index);
        assert_eq!(put_together(&events, index).0, text_of(choice));
    }
    assert_ne!(text_of(&whole["choices"][0]), text_of(&whole["choices"][1]));
    assert_eq!(whole["usage"]["completion_tokens"], 36);

    let wish = with(
        hello("lm-gqa"),
        json!({"logprobs": true, "top_logprobs": 3}),
    );
    let logprobs = server.good(CHAT, &wish)["choices"][0]["logprobs"]["content"].clone();
    assert_eq!(logprobs.as_array().unwrap().len(), 12);
    for token in logprobs.as_array().unwrap() {
        assert!(token["logprob"].as_f64().unwrap() <= 0.0);
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 3);
        assert!(!token["bytes"].as_array().unwrap().is_empty());
    }
    let streamed: Vec<_> = server
        .stream(CHAT, &wish)
        .events()
        .iter()
        .filter_map(|e| {
            e["choices"][0]["logprobs"]["content"][0]
                .as_object()
                .cloned()
        })
        .collect();
    assert_eq!(serde_json::to_value(&streamed).unwrap(), logprobs);

    // A stop string is a character that the answer is known to have.
    let stop = &text_of(choice)[4..5];
    let stopped = server.good(CHAT, &with(hello("lm-gqa"), json!({"stop": [stop]})));
    let stopped = &stopped["choices"][0];
    assert_eq!(stopped["finish_reason"], "stop");
    assert!(text_of(choice).starts_with(text_of(stopped)) && !text_of(stopped).contains(stop));

    let schema = json!({
        "type": "object",
        "properties": {"kind": {"enum": ["a", "bc"]}, "sure": {"type": "boolean"}},
        "required": ["kind", "sure"],
        "additionalProperties": false,
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    for seed in 0..5 {
        let wish = json!({"response_format": format, "seed": seed, "max_tokens": 100, "ignore_eos": false});
        let reply = server.good(CHAT, &with(hello("lm-gqa"), wish));
        let value: Value = serde_json::from_str(text_of(&reply["choices"][0])).unwrap();
        assert!(
            value["sure"].is_boolean() && ["a", "bc"].contains(&value["kind"].as_str().unwrap())
        );
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    }

    let long = with(
        hello("lm"),
        json!({"messages": [{"role": "user", "content": "x".repeat(200)}]}),
    );
    let error = server
        .post(CHAT, &long)
        .error(400, Some("context_length_exceeded"));
    assert!(error.contains("95") && error.contains("219"), "{error}");
    for (more, word) in [
        (json!({"temperature": 9}), "temperature"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"guided_grammar": "start: nothing"}), "grammar"),
    ] {
        let error = server.post(CHAT, &with(hello("lm"), more)).error(400, None);
        assert!(error.contains(word), "{error}");
    }

    let statistics: Value =
        serde_json::from_str(&server.world.proxy.statistics().await.unwrap()).unwrap();
    let model = &statistics["models"]["lm-gqa"];
    assert_eq!(
        (&model["kind"], &model["context"]),
        (&"causal-lm".into(), &512.into())
    );
    assert!(
        model["memory_bytes"].as_u64().unwrap() > 0
            && model["completion_tokens"].as_u64().unwrap() > 100
    );
    assert!(server.metric("argos_ai_time_to_first_token_seconds_count") > 10.0);
    assert!(server.metric("argos_ai_model_slots{model=\"lm-gqa\"}") >= 1.0);
}

/// A folder of models whose templates know tools, in each form.
pub(super) fn models_with_tools() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, mark) in [
        ("hermes", "<tool_call>"),
        ("mistral", "[TOOL_CALLS]"),
        ("llama", "<|python_tag|>"),
        ("plain", ""),
    ] {
        let model = folder.path().join(name);
        copy(&tiny().join("lm-gqa"), &model);
        let tools =
            "{% if tools %}{% for t in tools %}{{ t.function.name }} {% endfor %}{% endif %}";
        let calls = format!(
            "{{% for c in m.tool_calls or [] %}}{mark}{{{{ c.function | tojson }}}}{{% endfor %}}"
        );
        let template = if mark.is_empty() {
            "{% for m in messages %}{{ m.role }} {{ m.content }}\n{% endfor %}".to_owned()
        } else {
            format!(
                "{tools}{{% for m in messages %}}{{{{ m.role }}}} {{{{ m.content }}}}{calls}\n{{% endfor %}}"
            )
        };
        let config = json!({"chat_template": template, "eos_token": "<|im_end|>"});
        std::fs::write(model.join("tokenizer_config.json"), config.to_string()).unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_valid_in_every_form() {
    let Some(library) = library() else { return };
    let models = models_with_tools();
    let server = Server::start(models.path(), &library, &[]).await;
    let tools = json!([
        {"type": "function", "function": {"name": "light", "parameters": {
            "type": "object",
            "properties": {"on": {"type": "boolean"}, "room": {"enum": ["hall", "{\"}"]}},
            "required": ["on", "room"], "additionalProperties": false}}},
        {"type": "function", "function": {"name": "time", "parameters": {
            "type": "object", "properties": {}, "additionalProperties": false}}},
    ]);
    let valid = |name: &str, arguments: &str| {
        let value: Value = serde_json::from_str(arguments).unwrap();
        match name {
            "light" => {
                assert!(value["on"].is_boolean(), "{value}");
                assert!(
                    ["hall", "{\"}"].contains(&value["room"].as_str().unwrap()),
                    "{value}"
                );
            }
            "time" => assert_eq!(value, json!({})),
            other => panic!("{other}"),
        }
    };
    let ask = |model: &str, more: Value| {
        let wish = json!({"tools": tools, "max_tokens": 300, "ignore_eos": false});
        with(with(hello(model), wish), more)
    };
    for model in ["hermes", "mistral", "llama"] {
        for seed in 0..6 {
            let wish = ask(
                model,
                json!({"tool_choice": "required", "parallel_tool_calls": false, "seed": seed}),
            );
            let whole = server.good(CHAT, &wish);
            let choice = &whole["choices"][0];
            assert_eq!(choice["finish_reason"], "tool_calls", "{whole}");
            assert_eq!(choice["message"]["content"], Value::Null);
            let calls = choice["message"]["tool_calls"].as_array().unwrap();
            assert_eq!(calls.len(), 1);
            let function = &calls[0]["function"];
            let (name, arguments) = (
                function["name"].as_str().unwrap(),
                function["arguments"].as_str().unwrap(),
            );
            valid(name, arguments);
            if model == "mistral" {
                assert_eq!(calls[0]["id"].as_str().unwrap().len(), 9);
            }
            let (text, streamed, reason) = put_together(&server.stream(CHAT, &wish).events(), 0);
            assert_eq!((text.as_str(), reason.as_str()), ("", "tool_calls"));
            assert_eq!(streamed, [(name.to_owned(), arguments.to_owned())]);
        }
        let named = json!({"type": "function", "function": {"name": "time"}});
        let whole = server.good(
            CHAT,
            &ask(
                model,
                json!({"tool_choice": named, "parallel_tool_calls": false}),
            ),
        );
        assert_eq!(
            whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
            "time"
        );
        // It may say or call what it likes: whatever comes, calls are valid, and the stream says the same.
        for seed in 0..6 {
            let wish = ask(model, json!({"seed": seed, "max_tokens": 80}));
            let whole = server.good(CHAT, &wish);
            let message = &whole["choices"][0]["message"];
            let (text, calls, reason) = put_together(&server.stream(CHAT, &wish).events(), 0);
            assert_eq!(text, message["content"].as_str().unwrap_or_default());
            assert_eq!(whole["choices"][0]["finish_reason"], reason.as_str());
            if reason == "tool_calls" {
                calls
                    .iter()
                    .for_each(|(name, arguments)| valid(name, arguments));
            }
        }
    }
    // The conversation goes on, with a call and its result in it.
    let past = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "123456789", "type": "function", "function": {"name": "time", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "123456789", "content": "12:00"},
    ]);
    for model in ["hermes", "mistral", "llama", "plain"] {
        server.good(CHAT, &with(hello(model), json!({"messages": past})));
    }
    // A template that knows no tools: they are described, which is longer than this model's context.
    let error = server
        .post(CHAT, &ask("plain", json!({})))
        .error(400, Some("context_length_exceeded"));
    assert!(error.contains("at most 511"), "{error}");
    let small = json!({"tools": [{"type": "function", "function": {"name": "t"}}], "tool_choice": "required"});
    let whole = server.good(
        CHAT,
        &ask(
            "plain",
            with(
                small,
                json!({"parallel_tool_calls": false, "max_tokens": 60}),
            ),
        ),
    );
    assert_eq!(
        whole["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "t"
    );
    // Words that say what is wrong.
    for (more, word) in [
        (
            json!({"tool_choice": {"type": "function", "function": {"name": "no"}}}),
            "`no`",
        ),
        (json!({"tools": [{"type": "web_search"}]}), "functions"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "a b"}}]}),
            "a b",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "strnig"}}}]}),
            "strnig",
        ),
    ] {
        let error = server.post(CHAT, &ask("hermes", more)).error(400, None);
        assert!(error.contains(word), "{error}");
    }
    let none = server.good(
        CHAT,
        &ask("hermes", json!({"tool_choice": "none", "max_tokens": 5})),
    );
    assert!(none["choices"][0]["message"]["tool_calls"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_are_copied_from_the_prompt() {
    let Some(library) = library() else { return };
    let models = models_with_tools();
    let server = Server::start(models.path(), &library, &[]).await;
    let asked = "move \"a b.txt\" to /srv";
    let copied = json!({"type": "string", "x-copied-from": "prompt"});
    let schema = json!({
        "type": "object",
        "properties": {"from": copied, "to": copied},
        "required": ["from", "to"], "additionalProperties": false,
    });
    let check = |arguments: &str| {
        let value: Value = serde_json::from_str(arguments).unwrap();
        for name in ["from", "to"] {
            let part = value[name].as_str().unwrap();
            assert!(!part.is_empty() && asked.contains(part), "{value}");
        }
    };
    let long = json!({"max_tokens": 300, "ignore_eos": false});
    let messages = json!([
        {"role": "user", "content": "zzz"},
        {"role": "assistant", "content": "yyy"},
        {"role": "user", "content": [{"type": "text", "text": asked}]},
    ]);
    for seed in 0..4 {
        let wish = with(long.clone(), json!({"messages": messages, "seed": seed}));
        let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        let formatted = with(wish.clone(), json!({"response_format": format}));
        let whole = server.good(CHAT, &with(hello("hermes"), formatted));
        check(text_of(&whole["choices"][0]));
        let tools =
            json!([{"type": "function", "function": {"name": "move", "parameters": schema}}]);
        for model in ["hermes", "mistral", "llama"] {
            let called =
                json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false});
            let wish = with(hello(model), with(wish.clone(), called));
            let whole = server.good(CHAT, &wish);
            let call = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
            assert_eq!(call["name"], "move", "{whole}");
            check(call["arguments"].as_str().unwrap());
        }
        let text = json!({"model": "hermes", "prompt": asked, "guided_json": schema, "seed": seed});
        let whole = server.good("/v1/completions", &with(long.clone(), text));
        check(whole["choices"][0]["text"].as_str().unwrap());
    }
    // What cannot be copied is said.
    let format = |from: &str| {
        let schema = json!({"properties": {"path": {"x-copied-from": from}}});
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}})
    };
    let wrong = server.post(CHAT, &with(hello("hermes"), format("memory")));
    let error = wrong.error(400, None);
    assert!(
        error.contains("`$.path`") && error.contains("it takes \"prompt\""),
        "{error}"
    );
    let silent = json!({"messages": [{"role": "system", "content": "x"}]});
    let nothing = server.post(CHAT, &with(hello("hermes"), with(silent, format("prompt"))));
    let error = nothing.error(400, None);
    assert!(error.contains("no message of a user"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_responses() {
    let Some(library) = library() else { return };
    let models = models_with_tools();
    let server = Server::start(models.path(), &library, &[]).await;
    let path = "/v1/completions";
    let wish = json!({
        "model": "hermes", "prompt": ["One", [34, 35]], "n": 2, "max_tokens": 6, "seed": 3, "logprobs": 2,
        "ignore_eos": true, "temperature": 1.0, "stream_options": {"include_usage": true},
    });
    let whole = server.good(path, &wish);
    let choices = whole["choices"].as_array().unwrap();
    assert_eq!(
        (whole["object"].as_str(), choices.len()),
        (Some("text_completion"), 4)
    );
    assert_eq!(whole["usage"]["completion_tokens"], 24);
    assert_eq!(whole["usage"]["prompt_tokens"], 3 + 2);
    let events = server.stream(path, &wish).events();
    for (index, choice) in choices.iter().enumerate() {
        let logprobs = &choice["logprobs"];
        assert_eq!(logprobs["tokens"].as_array().unwrap().len(), 6);
        let offsets: Vec<_> = logprobs["text_offset"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_u64)
            .collect();
        assert!(offsets[0] == Some(0) && offsets.is_sorted(), "{offsets:?}");
        let streamed: String = events
            .iter()
            .flat_map(|e| e["choices"].as_array().unwrap())
            .filter(|c| c["index"] == index)
            .map(|c| c["text"].as_str().unwrap())
            .collect();
        assert_eq!(streamed, choice["text"].as_str().unwrap());
    }
    assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
    let short = server.good(
        path,
        &json!({"model": "hermes", "prompt": "a", "ignore_eos": true}),
    );
    assert_eq!(short["usage"]["completion_tokens"], 16);

    let path = "/v1/responses";
    let wish = json!({
        "model": "hermes", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "instructions": "Be brief.", "max_output_tokens": 8, "seed": 3, "ignore_eos": true, "temperature": 1.0,
        "store": true,
    });
    let whole = server.good(path, &wish);
    assert_eq!(
        (&whole["object"], &whole["status"]),
        (&"response".into(), &"incomplete".into())
    );
    assert_eq!(whole["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(
        (&whole["usage"]["output_tokens"], &whole["store"]),
        (&8.into(), &false.into())
    );
    let text = whole["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!((1..=8).contains(&text.len()), "{text}");
    let events = server.stream(path, &wish).events();
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert_eq!(
        kinds[kinds.len() - 4..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete"
        ]
    );
    let deltas: String = events
        .iter()
        .filter(|e| e["type"] == "response.output_text.delta")
        .map(|e| e["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, text);
    let numbers: Vec<_> = events
        .iter()
        .map(|e| e["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());

    let wish = json!({
        "model": "hermes", "input": "Hi", "seed": 3, "tool_choice": "required", "parallel_tool_calls": false,
        "tools": [{"type": "function", "name": "t", "parameters": {
            "type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"], "additionalProperties": false}}],
    });
    let whole = server.good(path, &wish);
    let call = &whole["output"][0];
    assert_eq!(
        (&whole["status"], &call["type"], &call["name"]),
        (&"completed".into(), &"function_call".into(), &"t".into())
    );
    let arguments = call["arguments"].as_str().unwrap();
    let value: Value = serde_json::from_str(arguments).unwrap();
    assert!([1, 2].contains(&value["x"].as_i64().unwrap()));
    let events = server.stream(path, &wish).events();
    let done = events
        .iter()
        .find(|e| e["type"] == "response.function_call_arguments.done")
        .unwrap();
    assert_eq!(done["arguments"], arguments);
    assert_eq!(
        events.last().unwrap()["response"]["output"][0]["arguments"],
        arguments
    );
    // Its own output is what it takes as input.
    let input = json!([{"role": "user", "content": "Hi"}, call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "5"}]);
    server.good(
        path,
        &json!({"model": "hermes", "input": input, "max_output_tokens": 3}),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_clients_harm_nobody() {
    let Some(library) = library() else { return };
    let server = Server::start(&tiny(), &library, &[]).await;
    let fine = || {
        assert_eq!(
            server.good(CHAT, &hello("lm-gqa"))["usage"]["completion_tokens"],
            12
        );
    };
    fine();

    // Half a request, then silence or the end.
    let mut half = server.connect();
    half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Le")
        .unwrap();
    let mut cut = server.connect();
    cut.write_all(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"mod",
    )
    .unwrap();
    drop(cut);
    fine();

    // A body that is too large, announced or not.
    let announced =
        format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 9000000\r\n\r\n");
    server.send(&announced).error(413, None);
    let mut endless = server.connect();
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    endless.write_all(head.as_bytes()).unwrap();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    // It may close the connection before all is written.
    for _ in 0..10 {
        if endless.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    read(&mut endless).expect("an answer").error(413, None);

    // No HTTP at all, and too much of it.
    let mut garbage = server.connect();
    garbage.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
    assert_eq!(read(&mut garbage).map(|r| r.status), Some(400));
    let mut head = server.connect();
    let _ =
        head.write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(200_000)).as_bytes());
    assert!(read(&mut head).is_none_or(|r| r.status == 431));
    let deep = format!(
        "{{\"model\": \"lm\", \"messages\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    server
        .send(&request("POST", CHAT, JSON, &deep))
        .error(400, None);
    fine();

    // Many connections at once, each with a request: one user has its share of the places.
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..200)
            .map(|i| {
                let server = &server;
                scope.spawn(move || {
                    let wish = with(hello("lm-gqa"), json!({"seed": i, "max_tokens": 4}));
                    server.post(CHAT, &wish)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let answered = replies.iter().filter(|r| r.status == 200).count();
    let shared = |r: &&Reply| r.status == 429 && r.body.contains("of yours");
    let refused = replies.iter().filter(shared).count();
    assert_eq!(answered + refused, 200, "{:?}", replies.last());
    assert!(answered >= 129, "{answered}");
    // More than one user may have: the others are refused at once, and all is well when they are gone.
    let many: Vec<_> = (0..300)
        .map(|_| UnixStream::connect(&server.socket).unwrap())
        .collect();
    let mut refused = many.last().unwrap();
    refused.set_read_timeout(Some(LONG)).unwrap();
    read(&mut refused)
        .unwrap()
        .error(503, Some("too_many_connections"));
    drop(many);
    server.wait_for("connections stay", |s| s.send_maybe("/health").is_some());
    fine();

    // A client that goes away in the middle of a stream.
    let long = with(
        hello("lm-gqa"),
        json!({"max_tokens": 470, "n": 16, "stream": true}),
    );
    server.goes_away(&long, |_, gone| {
        let mut some = [0; 2000];
        gone.read_exact(&mut some).unwrap();
    });
    // And one that waits for a whole answer.
    let whole = with(long.clone(), json!({"stream": false}));
    server.goes_away(&whole, |s, gone| {
        s.wait_for("it does not begin", |s| {
            s.metric("argos_ai_model_running{model=\"lm-gqa\"}") > 0.0 || can_be_read(gone)
        });
    });

    // More requests than a model takes: who comes last is told to come again. All of them go away then.
    let mut many: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = server.connect();
            let text = request("POST", CHAT, JSON, &whole.to_string());
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut refused = None;
    server.wait_for("nobody is refused", |_| {
        let mut answered = many.iter_mut().filter(|stream| can_be_read(stream));
        refused = answered.find_map(|stream| read(stream).filter(|r| r.status == 429));
        refused.is_some()
    });
    let refused = refused.expect("one that was refused");
    refused.error(429, Some("rate_limit_exceeded"));
    assert_eq!(refused.headers["retry-after"], "1");
    drop(many);
    server.wait_for("they are not cancelled", |s| {
        s.metric("argos_ai_model_running{model=\"lm-gqa\"}") == 0.0
            && s.metric("argos_ai_model_waiting{model=\"lm-gqa\"}") == 0.0
    });

    // One that does not read: the answers are made all the same, and are there when it does.
    let before = server.metric("argos_ai_completion_tokens_total");
    let mut slow = server.connect();
    slow.write_all(request("POST", CHAT, JSON, &long.to_string()).as_bytes())
        .unwrap();
    server.wait_for("a slow reader holds it up", |s| {
        s.metric("argos_ai_completion_tokens_total") >= before + 16.0 * 470.0
    });
    fine();
    let events = read(&mut slow).unwrap().events();
    for index in 0..16 {
        let (text, _, reason) = put_together(&events, index);
        // Special tokens, which it may write here, have no text.
        assert!(text.len() > 300 && reason == "length", "{reason} {text}");
    }
    drop(half);
}

/// Whether something of an answer, or its end, is there.
fn can_be_read(stream: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}

impl Server {
    /// A client makes this request of `lm-gqa` and goes away once `begun` has returned: what it asked for is
    /// cancelled.
    fn goes_away(&self, body: &Value, mut begun: impl FnMut(&Self, &mut UnixStream)) {
        let cancelled = || self.metric("argos_ai_cancelled_total");
        let before = cancelled();
        // On a busy machine the answers may be through before it is gone.
        for _ in 0..50 {
            let mut gone = self.connect();
            gone.write_all(request("POST", CHAT, JSON, &body.to_string()).as_bytes())
                .unwrap();
            begun(self, &mut gone);
            drop(gone);
            self.wait_for("requests are left", |s| {
                s.metric("argos_ai_model_running{model=\"lm-gqa\"}") == 0.0
                    && s.metric("argos_ai_model_waiting{model=\"lm-gqa\"}") == 0.0
            });
            if cancelled() > before {
                return;
            }
        }
        panic!("it is not cancelled");
    }

    /// An answer, or none where the connection is refused.
    pub(super) fn send_maybe(&self, path: &str) -> Option<Reply> {
        let mut stream = self.connect();
        stream
            .write_all(request("GET", path, "", "").as_bytes())
            .ok()?;
        read(&mut stream).filter(|r| r.status == 200)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_needs_the_token() {
    let empty = tempfile::tempdir().unwrap();
    let token = empty.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123\n").unwrap();
    let token = token.display().to_string();
    // Not one of those that the kernel gives out: it is free until the service takes it.
    let first = 20_000 + std::process::id() % 8_000;
    let port = (first..first + 4_000)
        .map(|port| std::net::SocketAddr::from(([127, 0, 0, 1], port as u16)))
        .find(|port| std::net::TcpListener::bind(port).is_ok())
        .expect("a free port");
    let address = port.to_string();
    let arguments = ["--http-tcp", &address, "--http-token-file", &token];
    let server = Server::start(empty.path(), Path::new("/nonexistent"), &arguments).await;
    let ask = |headers: &str| {
        let mut stream = TcpStream::connect(port).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
            .write_all(request("GET", "/v1/models", headers, "").as_bytes())
            .unwrap();
        read(&mut stream).unwrap()
    };
    for wrong in [
        "",
        "Authorization: Bearer 0123456789abcdef0124\r\n",
        "Authorization: Basic x\r\n",
    ] {
        let reply = ask(wrong);
        reply.error(401, Some("invalid_api_key"));
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(
        ask("Authorization: Bearer 0123456789abcdef0123\r\n").status,
        200
    );
    assert_eq!(server.get("/v1/models").status, 200);

    // What must not be is not begun.
    for (arguments, word) in [
        (
            vec!["--http-tcp", "0.0.0.0:0", "--http-token-file", &token],
            "loopback",
        ),
        (vec!["--http-tcp", "127.0.0.1:0"], "--http-token-file"),
        (
            vec![
                "--http-tcp",
                "127.0.0.1:0",
                "--http-token-file",
                "/nonexistent",
            ],
            "token file",
        ),
    ] {
        let output = super::service(
            "unix:path=/nonexistent",
            empty.path(),
            Path::new("/"),
            &arguments,
        )
        .output()
        .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(word), "{text}");
    }
}

/// The models in memory, by name.
fn ready(server: &Server) -> Vec<String> {
    let list = server.get("/v1/models").json();
    let list = list["data"].as_array().unwrap();
    let ready = list.iter().filter(|m| m["state"] == "ready");
    ready
        .map(|m| m["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_not_used_for_longest_makes_room_unless_it_is_at_work() {
    let Some(library) = library() else { return };
    // Each takes 64 MiB and a little: room for two of them.
    let budget = (150_u64 << 20).to_string();
    let server = Server::start(&tiny(), &library, &["--memory-budget", &budget]).await;
    for model in ["lm", "lm-gqa"] {
        server.good(CHAT, &hello(model));
    }
    assert_eq!(ready(&server), ["lm", "lm-gqa"]);
    // By use, and not by when it came.
    server.good(CHAT, &hello("lm"));
    server.good(CHAT, &hello("lm-int4"));
    assert_eq!(ready(&server), ["lm", "lm-int4"]);
    server.good(CHAT, &hello("lm-gqa"));
    assert_eq!(ready(&server), ["lm-gqa", "lm-int4"]);

    // At work for a while; on a quick machine it may be through before anybody looks.
    let long = with(hello("lm-gqa"), json!({"max_tokens": 480, "n": 16}));
    let at_work = (0..10).any(|_| {
        std::thread::scope(|scope| {
            let work: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| server.good(CHAT, &long)))
                .collect();
            let running = "argos_ai_model_running{model=\"lm-gqa\"}";
            server.wait_for("it does not begin", |s| {
                s.metric(running) > 0.0 || work.iter().all(|w| w.is_finished())
            });
            // The other one is used after it, and goes all the same.
            server.good(CHAT, &hello("lm-int4"));
            server.good(CHAT, &hello("lm"));
            let there = ready(&server);
            let at_work = work.iter().any(|w| !w.is_finished());
            if at_work {
                assert_eq!(there, ["lm", "lm-gqa"]);
            }
            for answer in work {
                let choices = answer.join().unwrap()["choices"].clone();
                assert_eq!(choices.as_array().unwrap().len(), 16);
            }
            at_work
        })
    });
    assert!(at_work, "too quick to be seen at work");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_come_and_go_by_need() {
    let Some(library) = library() else { return };
    // Room for one of them.
    let budget = (110_u64 << 20).to_string();
    let arguments = ["--memory-budget", &budget, "--idle-unload", "10"];
    let server = Server::start(&tiny(), &library, &arguments).await;
    let provider = |s: &Server| s.get("/v1/models/lm").json()["provider"].clone();
    assert_eq!(provider(&server), Value::Null);
    server.good(CHAT, &hello("lm"));
    assert_eq!(ready(&server), ["lm"]);
    assert_eq!(provider(&server), "cpu");
    let statistics = server.world.proxy.statistics().await.unwrap();
    let statistics: Value = serde_json::from_str(&statistics).unwrap();
    assert_eq!(statistics["models"]["lm"]["provider"], "cpu");
    server.good(CHAT, &hello("lm-gqa"));
    assert_eq!(ready(&server), ["lm-gqa"]);
    server.wait_for("it stays", |s| ready(s).is_empty());
    server.good(CHAT, &hello("lm"));

    let small = (10_u64 << 20).to_string();
    let server = Server::start(&tiny(), &library, &["--memory-budget", &small]).await;
    let error = server
        .post(CHAT, &hello("lm"))
        .error(503, Some("insufficient_memory"));
    assert!(error.contains("10 MiB"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_parked_on_disk_where_memory_has_no_room() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("parked");
    let arguments = ["--parked-memory", "0", "--cache", cache.to_str().unwrap()];
    let server = Server::start(&tiny(), &library, &arguments).await;
    // Nobody but a person is in the background's way.
    let own = rustix::process::getuid();
    let uid = if own.is_root() { 1001 } else { own.as_raw() };
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(server.world.folder.path(), everybody).unwrap();
    let long = with(
        hello("lm-gqa"),
        json!({"max_tokens": 300, "temperature": 0}),
    );
    let whole = ask_as(&server, uid, "", &long);
    let whole = whole.json()["choices"][0]["message"].clone();
    let on_disk = || {
        let statistics = server.world.proxy.statistics();
        let text = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current()
                .block_on(statistics)
                .unwrap()
        });
        let statistics: Value = serde_json::from_str(&text).unwrap();
        (
            statistics["parked_on_disk"].as_u64().unwrap(),
            statistics["parked_on_disk_bytes"].clone(),
        )
    };
    assert_eq!(on_disk(), (0, 0.into()));
    // Whether it comes to that depends on when the person's request comes, on a busy machine not the first time.
    let start = Instant::now();
    while on_disk().0 == 0 {
        assert!(start.elapsed() < LONG, "nothing was parked on disk");
        std::thread::scope(|scope| {
            let background = [(); 8].map(|()| {
                scope.spawn(|| ask_as(&server, uid, "X-Argos-Class: background\r\n", &long))
            });
            while server.metric("argos_ai_model_running{model=\"lm-gqa\"}") < 8.0
                && !background.iter().any(|b| b.is_finished())
            {}
            let person = ask_as(&server, uid, "", &hello("lm-gqa"));
            assert_eq!(person.status, 200, "{person:?}");
            for answer in background {
                let answer = answer.join().unwrap();
                // What was parked goes on as if nothing had been.
                assert_eq!(answer.json()["choices"][0]["message"], whole, "{answer:?}");
            }
        });
    }
    assert_eq!(on_disk().1, 0, "it is given back");
    let mode = std::fs::metadata(&cache).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o700);
}

/// Asks as another user.
fn ask_as(server: &Server, uid: u32, headers: &str, body: &Value) -> Reply {
    let text = request("POST", CHAT, &format!("{JSON}{headers}"), &body.to_string());
    let socket = server.socket.clone();
    let asking = std::thread::spawn(move || {
        // This thread's own, and for good.
        let uid = rustix::process::Uid::from_raw(uid);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        read(&mut stream).expect("an answer")
    });
    asking.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_told_apart_at_the_socket() {
    let Some(library) = library() else { return };
    if !rustix::process::getuid().is_root() {
        eprintln!("left out: only root can ask as two users");
        return;
    }
    let server = Server::start(&tiny(), &library, &[]).await;
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(server.world.folder.path(), everybody).unwrap();
    let secret = "my letter to Anna begins with these words";
    let body = with(
        hello("lm-gqa"),
        json!({"messages": [{"role": "user", "content": secret}], "max_tokens": 2}),
    );
    let cached = |uid: u32| {
        let reply = ask_as(&server, uid, "", &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        let usage = &reply.json()["usage"];
        usage["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .unwrap()
    };
    // Each is a connection of its own: what was computed stays the user's, and is nobody else's.
    assert_eq!(cached(1001), 0);
    assert!(cached(1001) >= 32);
    assert_eq!(cached(1002), 0);
    assert!(cached(1002) >= 32 && cached(1001) >= 32);
    // And who is a person is a person.
    let person = "X-Argos-Class: person\r\n";
    assert_eq!(ask_as(&server, 1001, person, &body).status, 200);
    assert_eq!(ask_as(&server, 980, person, &body).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_have_limits_of_their_own() {
    let Some(library) = library() else { return };
    let server = Server::start(&tiny(), &library, &[]).await;
    let open = async |options: &str| {
        let fd = server.world.proxy.open_session(options).await?;
        let stream = UnixStream::from(std::os::fd::OwnedFd::from(fd));
        stream.set_read_timeout(Some(LONG)).unwrap();
        Ok::<_, argos_bus::Error>(stream)
    };
    let mut session = open(r#"{"class": "background", "budget_tokens": 60, "name": "test"}"#)
        .await
        .unwrap();
    let mut ask = |headers: &str| {
        let text = request(
            "POST",
            CHAT,
            &format!("{JSON}{headers}"),
            &hello("lm-gqa").to_string(),
        );
        session.write_all(text.as_bytes()).unwrap();
        read(&mut session).unwrap()
    };
    assert_eq!(ask("X-Argos-Class: agent\r\n").status, 403);
    let answer = ask("");
    let first = answer.json();
    assert_eq!(first["usage"]["completion_tokens"], 12);
    let paid = first["usage"]["total_tokens"].as_u64().unwrap();
    let left = |reply: &Reply| -> u64 { reply.headers["x-argos-budget-left"].parse().unwrap() };
    assert_eq!(left(&answer), 60 - paid);
    // Exactly what the next prompt has is left, or less.
    let second = ask("");
    assert!(
        second.status == 429 || second.json()["choices"][0]["finish_reason"] == "length",
        "{second:?}"
    );
    ask("").error(429, Some("insufficient_quota"));

    // What is refused costs nothing: a smaller request is answered. Embeddings and rankings cost as well.
    let mut session = open(r#"{"budget_tokens": 20}"#).await.unwrap();
    let mut ask = |path: &str, body: Value| {
        let text = request("POST", path, JSON, &body.to_string());
        session.write_all(text.as_bytes()).unwrap();
        read(&mut session).unwrap()
    };
    let texts = json!({"model": "embedding", "input": vec!["a b c"; 8]});
    for _ in 0..2 {
        let chat = ask(CHAT, hello("lm-gqa"));
        assert_eq!(left(&chat), 20);
        let chat = chat.error(429, Some("insufficient_quota"));
        assert!(chat.contains("20"), "{chat}");
        let many = ask("/v1/embeddings", texts.clone()).error(429, Some("insufficient_quota"));
        assert!(many.contains("budget"), "{many}");
    }
    let one = ask(
        "/v1/embeddings",
        json!({"model": "embedding", "input": "a"}),
    )
    .json();
    let tokens = one["usage"]["total_tokens"].as_u64().unwrap();
    let few = json!({"model": "lm-gqa", "prompt": "abcdef", "max_tokens": 1, "temperature": 0});
    assert_eq!(ask("/v1/completions", few).status, 200);
    let ranking = json!({"model": "reranker", "query": "a", "documents": vec!["b"; 8]});
    let refused = ask("/v1/rerank", ranking).error(429, Some("insufficient_quota"));
    assert!(
        refused.contains(&format!("the {} that", 20 - tokens - 7)),
        "{refused}"
    );
    assert!(matches!(
        open("{\"clas\": 1}").await,
        Err(argos_bus::Error::InvalidArguments(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings() {
    let (Some(library), Some(model)) = (library(), from_environment("ARGOS_TEST_MODEL")) else {
        return;
    };
    let models = tempfile::tempdir().unwrap();
    copy(&model, &models.path().join("default"));
    copy(&tiny().join("lm"), &models.path().join("lm"));
    let server = Server::start(models.path(), &library, &[]).await;
    let path = "/v1/embeddings";
    let value = server.good(
        path,
        &json!({"model": "default", "input": ["a cat", "a dog"]}),
    );
    let vector = |i: usize| -> Vec<f64> {
        let list = value["data"][i]["embedding"].as_array().unwrap();
        list.iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let length: f64 = vector(0).iter().map(|v| v * v).sum();
    assert_eq!(vector(0).len(), 384);
    assert!((length - 1.0).abs() < 1e-3 && vector(0) != vector(1));
    assert!(value["usage"]["prompt_tokens"].as_u64().unwrap() >= 6);
    // The same numbers, as bytes.
    let packed = server.good(
        path,
        &json!({"model": "default", "input": "a cat", "encoding_format": "base64"}),
    );
    let text = packed["data"][0]["embedding"].as_str().unwrap();
    assert_eq!(text.len(), 384 * 4 / 3 * 4);
    let long = json!({"model": "default", "input": "word ".repeat(400)});
    server
        .post(path, &long)
        .error(400, Some("context_length_exceeded"));
    let error = server
        .post(path, &json!({"model": "lm", "input": "x"}))
        .error(400, None);
    assert!(error.contains("`lm`"), "{error}");
    server
        .post(path, &json!({"model": "nope", "input": "x"}))
        .error(404, Some("model_not_found"));
    server
        .post(
            path,
            &json!({"model": "default", "input": "x", "dimensions": 5}),
        )
        .error(400, None);
    server.post(CHAT, &hello("default")).error(400, None);
}
