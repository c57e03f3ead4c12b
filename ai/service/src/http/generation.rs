//! One request's answers as they come: the engine's events, calls taken apart, counted.
//!
//! The engine never waits for a client: what it says goes to a queue that the answer's length bounds. When
//! the [`Generation`] is dropped (the client went away) the engine stops before its next token.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use argos_engine::causal::{
    Cancel, Event, Finished, Format, Options, Parser, Part, Prompt, Reason, Request, Token,
};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::error::{ApiError, Result};
use super::{Asked, Shared};
use crate::service::CancelOnDrop;

/// Updates that are written together at most, where a client is slower than the engine.
const BATCH: usize = 64;
/// A comment is sent after this much silence, so that nobody in between gives up.
const SILENCE: Duration = Duration::from_secs(15);

/// News of one of the answers.
#[derive(Debug)]
pub(crate) struct Update {
    /// Which.
    pub index: usize,
    pub news: News,
}

#[derive(Debug)]
pub(crate) enum News {
    /// More text, and the tokens that it is made of where they were asked for.
    Text(String, Option<Box<Token>>),
    /// A call begins.
    Call { id: String, name: String },
    /// More of its arguments.
    Arguments(String),
    /// The answer is complete.
    Done(Done),
    /// There is no more of any answer.
    Failed(ApiError),
}

/// How an answer ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub finished: Finished,
    /// It made calls.
    pub called: bool,
}

impl Done {
    /// OpenAI's `finish_reason`.
    pub(crate) fn reason(&self) -> &'static str {
        match self.finished.reason {
            Reason::Length | Reason::Budget => "length",
            Reason::Stop | Reason::Cancelled if self.called => "tool_calls",
            Reason::Stop | Reason::Cancelled => "stop",
        }
    }
}

/// Tokens of all answers of a request.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Usage {
    pub prompt: usize,
    pub cached: usize,
    pub completion: usize,
}

impl Usage {
    /// Counts an answer. Its prompt is the one of the others where they answer the same.
    pub(crate) fn add(&mut self, finished: &Finished, same_prompt: bool) {
        if same_prompt {
            self.prompt = finished.prompt_tokens;
            self.cached = self.cached.max(finished.cached_tokens);
        } else {
            self.prompt += finished.prompt_tokens;
            self.cached += finished.cached_tokens;
        }
        self.completion += finished.completion_tokens;
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        })
    }
}

/// The answers to one request. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Generation {
    updates: UnboundedReceiver<Update>,
    left: usize,
    cancel: CancelOnDrop,
}

impl Generation {
    /// Asks for one answer to each prompt.
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        asked: Asked,
        model: &str,
        prompts: Vec<(Prompt, Options)>,
    ) -> Result<Self> {
        let start = Instant::now();
        let model_id = model.to_owned();
        let model = shared.service.causal_ready(model).await?;
        let (sender, updates) = unbounded_channel();
        let generation = Self {
            updates,
            left: prompts.len(),
            cancel: CancelOnDrop::default(),
        };
        let flag = generation.cancel.0.clone();
        let (shared, caller, class) = (Arc::clone(shared), asked.caller.clone(), asked.class);
        let submit = move || {
            for (index, (prompt, options)) in prompts.into_iter().enumerate() {
                let parser = match &prompt {
                    Prompt::Tools(_, tools) => {
                        let format = model.call_format();
                        Some((format, format.parser(tools)))
                    }
                    Prompt::Chat(_) | Prompt::Text(_) | Prompt::Tokens(_) => None,
                };
                let request = Request {
                    options,
                    class,
                    owner: caller.owner,
                    budget: caller.budget.clone(),
                    cancel: flag.clone(),
                    ..Request::new(prompt)
                };
                let mut answer = Answer {
                    index,
                    parser,
                    sender: sender.clone(),
                    cancel: flag.clone(),
                    first: Some((Arc::clone(&shared), start)),
                };
                let sink = move |event| answer.take(event);
                shared.service.submit(&model_id, &model, request, sink)?;
            }
            Ok::<_, argos_engine::Error>(())
        };
        // Templates, tokens and grammars take a while.
        match tokio::task::spawn_blocking(submit).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(ApiError::new(
                    axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                    "preparing the request failed unexpectedly; see the log",
                ));
            }
        }
        Ok(generation)
    }

    /// The next news; `None` when all answers are complete.
    pub(crate) async fn next(&mut self) -> Option<Update> {
        if self.left == 0 {
            return None;
        }
        // A queue that ends before its answers do is the engine's mistake and must not look like an end.
        let update = self.updates.recv().await.unwrap_or_else(|| Update {
            index: 0,
            news: News::Failed(ApiError::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "the engine lost this request; see the log",
            )),
        });
        self.seen(&update);
        Some(update)
    }

    /// Further news that are there already.
    fn more(&mut self) -> Option<Update> {
        if self.left == 0 {
            return None;
        }
        let update = self.updates.try_recv().ok()?;
        self.seen(&update);
        Some(update)
    }

    fn seen(&mut self, update: &Update) {
        match update.news {
            News::Done(_) => self.left -= 1,
            News::Failed(_) => self.left = 0,
            _ => {}
        }
    }

    /// Whether all answers are complete, or never will be.
    fn is_over(&self) -> bool {
        self.left == 0
    }
}

/// One answer on the engine's thread.
struct Answer {
    index: usize,
    parser: Option<(Format, Parser)>,
    sender: UnboundedSender<Update>,
    cancel: Cancel,
    first: Option<(Arc<Shared>, Instant)>,
}

impl Answer {
    fn take(&mut self, event: Event) {
        if let Some((shared, start)) = self.first.take() {
            shared.metrics.first_token.record(start.elapsed());
        }
        match event {
            Event::Text { text, token } => self.text(text, token),
            Event::Finished(finished) => {
                let mut called = false;
                if let Some((_, parser)) = self.parser.take() {
                    called = parser.calls() > 0;
                    if let Some(Part::Text(text)) = parser.finish() {
                        self.say(News::Text(text, None));
                    }
                }
                self.say(News::Done(Done { finished, called }));
            }
            Event::Failed(e) => self.say(News::Failed(e.into())),
        }
    }

    fn text(&mut self, text: String, token: Option<Box<Token>>) {
        let Some((format, parser)) = &mut self.parser else {
            return self.say(News::Text(text, token));
        };
        let format = *format;
        let parts = parser.push(&text);
        let in_text = parser.calls() == 0;
        let mut token = token.filter(|_| in_text);
        for part in parts {
            self.say(match part {
                Part::Text(text) => News::Text(text, token.take()),
                Part::Call(name) => News::Call {
                    id: call_id(format),
                    name,
                },
                Part::Arguments(text) => News::Arguments(text),
            });
        }
        if token.is_some() {
            self.say(News::Text(String::new(), token));
        }
    }

    fn say(&self, news: News) {
        let index = self.index;
        if self.sender.send(Update { index, news }).is_err() {
            self.cancel.cancel();
        }
    }
}

/// A call's identity. Mistral's templates take nine letters and digits only.
fn call_id(format: Format) -> String {
    match format {
        Format::Mistral => random(9),
        Format::Hermes | Format::Llama => format!("call_{}", random(24)),
    }
}

/// A new identity, for example `chatcmpl-…`.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", random(24))
}

/// Letters and digits that nobody guesses.
fn random(length: usize) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 24];
    // Identities are no secrets: should the kernel have no numbers, the clock's do.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        bytes[..16].copy_from_slice(&now.map_or(0, |d| d.as_nanos()).to_le_bytes());
    }
    let digit = |b: &u8| char::from(DIGITS[usize::from(*b) % DIGITS.len()]);
    bytes.iter().take(length).map(digit).collect()
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Writes a stream of server-sent events.
pub(crate) trait Writer: Send + 'static {
    /// Before the first news.
    fn begin(&mut self, out: &mut Events);
    /// For each of them, a failure excepted.
    fn update(&mut self, update: Update, out: &mut Events);
    /// When all answers are complete.
    fn end(&mut self, out: &mut Events);
    /// When something failed on the way; there is no end then.
    fn failed(&mut self, error: &ApiError, out: &mut Events);
}

/// Server-sent events that are to be written.
#[derive(Debug, Default)]
pub(crate) struct Events(String);

impl Events {
    /// One with data only.
    pub(crate) fn data(&mut self, value: &Value) {
        self.text(&value.to_string());
    }

    /// One with this text as its data.
    pub(crate) fn text(&mut self, text: &str) {
        self.0 += "data: ";
        self.0 += text;
        self.0 += "\n\n";
    }

    /// One with a name.
    pub(crate) fn named(&mut self, name: &str, value: &Value) {
        self.0 += "event: ";
        self.0 += name;
        self.0 += "\n";
        self.data(value);
    }
}

enum Phase {
    Begin,
    Going,
    Over,
}

/// The answer to a request with `stream`.
pub(crate) fn stream_response(generation: Generation, writer: impl Writer) -> Response {
    let state = (generation, writer, Phase::Begin);
    let chunks = stream::unfold(state, |(mut generation, mut writer, phase)| async move {
        let mut out = Events::default();
        match phase {
            Phase::Over => return None,
            Phase::Begin => {
                writer.begin(&mut out);
                return Some((out.0, (generation, writer, Phase::Going)));
            }
            Phase::Going => {}
        }
        let mut batch = match tokio::time::timeout(SILENCE, generation.next()).await {
            Ok(first) => Vec::from_iter(first),
            Err(_) => return Some((": waiting\n\n".into(), (generation, writer, Phase::Going))),
        };
        while batch.len() < BATCH
            && let Some(update) = generation.more()
        {
            batch.push(update);
        }
        for update in batch {
            if let News::Failed(error) = &update.news {
                writer.failed(error, &mut out);
                return Some((out.0, (generation, writer, Phase::Over)));
            }
            writer.update(update, &mut out);
        }
        if generation.is_over() {
            writer.end(&mut out);
            return Some((out.0, (generation, writer, Phase::Over)));
        }
        Some((out.0, (generation, writer, Phase::Going)))
    });
    let chunks = futures_util::StreamExt::map(chunks, Ok::<_, Infallible>);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

/// Log-probabilities as chat has them.
pub(crate) fn logprob_json(token: &Token) -> Value {
    let one = |text: &str, logprob: f32| {
        json!({
            "token": text,
            "logprob": logprob,
            // A part of a character has no bytes that the text would tell.
            "bytes": (!text.contains('\u{fffd}')).then(|| text.as_bytes().to_vec()),
        })
    };
    let mut value = one(&token.text, token.logprob);
    value["top_logprobs"] = token
        .top
        .iter()
        .map(|(_, text, logprob)| one(text, *logprob))
        .collect();
    value
}
