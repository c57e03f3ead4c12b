//! `POST /v1/completions`: a text is continued as it is, without a chat template.

use argos_engine::causal::{Options, Prompt, Token};
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{ApiError, Result};
use super::generation::{
    Events, Generation, News, Update, Usage, Writer, new_id, seconds, stream_response,
};
use super::wire::{self, Common};
use super::{Api, answer, asked};

/// Tokens of an answer where the request does not say, as OpenAI has it.
const MAX_TOKENS: usize = 16;
/// Most answers to all prompts together.
const MAX_ANSWERS: usize = 64;

/// What a completion has besides [`Common`].
#[derive(Debug, Deserialize)]
struct Completion {
    prompt: Value,
    logprobs: Option<usize>,
    response_format: Option<Value>,
    // Known and not supported.
    echo: Option<bool>,
    suffix: Option<String>,
}

/// A prompt, or several: texts or tokens.
fn prompts(value: &Value) -> Result<Vec<Prompt>> {
    let wrong = || {
        ApiError::param(
            "prompt",
            "prompt must be a text, an array of texts, an array of tokens or an array of those",
        )
    };
    let tokens = |list: &[Value]| {
        list.iter()
            .map(|v| v.as_u64().and_then(|n| u32::try_from(n).ok()))
            .collect::<Option<Vec<u32>>>()
            .map(Prompt::Tokens)
            .ok_or_else(wrong)
    };
    match value {
        Value::String(text) => Ok(vec![Prompt::Text(text.clone())]),
        Value::Array(list) => match list.first() {
            None => Err(wrong()),
            Some(Value::Number(_)) => Ok(vec![tokens(list)?]),
            Some(_) => list
                .iter()
                .map(|one| match one {
                    Value::String(text) => Ok(Prompt::Text(text.clone())),
                    Value::Array(list) => tokens(list),
                    _ => Err(wrong()),
                })
                .collect(),
        },
        _ => Err(wrong()),
    }
}

/// What a body asks for, and nothing else of it: an answer takes long, and bodies may be large.
struct Asking {
    model: String,
    stream: bool,
    include_usage: bool,
    with_logprobs: bool,
    choices: usize,
    requests: Vec<(Prompt, Options)>,
}

fn read(body: &[u8]) -> Result<Asking> {
    let mut common: Common = wire::parse(body)?;
    let completion: Completion = wire::parse(body)?;
    if completion.echo == Some(true) {
        return Err(ApiError::unsupported("echo", ""));
    }
    if completion.suffix.is_some_and(|s| !s.is_empty()) {
        return Err(ApiError::unsupported("suffix", ""));
    }
    let choices = common.choices()?;
    let mut options = common.options(MAX_TOKENS)?;
    options.logprobs = completion.logprobs;
    wire::response_format(
        completion.response_format.as_ref(),
        "response_format",
        &mut options,
    )?;
    let prompts = prompts(&completion.prompt)?;
    let count = prompts.len() * choices;
    if count > MAX_ANSWERS {
        return Err(ApiError::param(
            "prompt",
            format!("{count} answers at once; at most {MAX_ANSWERS} are given"),
        ));
    }
    let requests = prompts
        .iter()
        .flat_map(|prompt| (0..choices as u64).map(move |i| (prompt, i)))
        .map(|(prompt, i)| {
            let mut options = options.clone();
            options.seed = options.seed.map(|s| s.wrapping_add(i));
            (prompt.clone(), options)
        });
    Ok(Asking {
        requests: requests.collect(),
        choices,
        stream: common.stream == Some(true),
        include_usage: common.include_usage(),
        with_logprobs: options.logprobs.is_some(),
        model: common.model,
    })
}

/// See the module.
pub(crate) async fn handle(State(shared): Api, request: Request<Body>) -> Result<Response> {
    let asked = asked(&shared, request).await?;
    let Asking {
        model,
        stream,
        include_usage,
        with_logprobs,
        choices,
        requests,
    } = read(&asked.body)?;
    let count = requests.len();
    let generation = Generation::start(&shared, asked, &model, requests).await?;
    let mut writer = Chunks {
        id: new_id("cmpl-"),
        created: seconds(),
        model,
        usage: Usage::default(),
        include_usage,
        choices,
        lengths: vec![0; count],
    };
    if stream {
        Ok(stream_response(generation, writer))
    } else {
        writer.whole(generation, with_logprobs).await
    }
}

/// The answers as objects of type `text_completion`.
#[derive(Debug)]
struct Chunks {
    id: String,
    created: u64,
    model: String,
    usage: Usage,
    include_usage: bool,
    /// Answers to each prompt.
    choices: usize,
    /// Characters of each answer so far.
    lengths: Vec<usize>,
}

/// Log-probabilities as completions have them.
#[derive(Debug, Default)]
struct Logprobs {
    tokens: Vec<Value>,
    token_logprobs: Vec<Value>,
    top_logprobs: Vec<Value>,
    text_offset: Vec<Value>,
}

impl Logprobs {
    fn push(&mut self, token: &Token, offset: usize) {
        self.tokens.push(token.text.as_str().into());
        self.token_logprobs.push(token.logprob.into());
        let top = token
            .top
            .iter()
            .map(|(_, text, logprob)| (text.clone(), (*logprob).into()));
        self.top_logprobs.push(Value::Object(Map::from_iter(top)));
        self.text_offset.push(offset.into());
    }

    fn json(self) -> Value {
        json!({
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        })
    }
}

impl Chunks {
    fn json(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }

    fn chunk(&self, index: usize, text: &str, logprobs: &Value, reason: Option<&str>) -> Value {
        let mut value = self.json(&json!([{
            "index": index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": reason,
        }]));
        if self.include_usage {
            value["usage"] = Value::Null;
        }
        value
    }

    /// Counts an answer; the prompt of each is counted once.
    fn count(&mut self, index: usize, finished: &argos_engine::causal::Finished) {
        let mut counted = *finished;
        if !index.is_multiple_of(self.choices) {
            counted.prompt_tokens = 0;
            counted.cached_tokens = 0;
        }
        self.usage.add(&counted, false);
    }

    async fn whole(&mut self, mut generation: Generation, with_logprobs: bool) -> Result<Response> {
        let count = self.lengths.len();
        let mut texts = vec![String::new(); count];
        let mut reasons = vec![None; count];
        let mut logprobs: Vec<_> = std::iter::repeat_with(Logprobs::default)
            .take(count)
            .collect();
        while let Some(Update { index, news }) = generation.next().await {
            match news {
                News::Text(text, token) => {
                    if let Some(token) = token {
                        logprobs[index].push(&token, self.lengths[index]);
                    }
                    self.lengths[index] += text.chars().count();
                    texts[index] += &text;
                }
                News::Done(done) => {
                    self.count(index, &done.finished);
                    reasons[index] = Some(done.reason());
                }
                News::Failed(error) => return Err(error),
                News::Call { .. } | News::Arguments(_) => {}
            }
        }
        let choices: Vec<_> = texts
            .into_iter()
            .zip(reasons)
            .zip(logprobs)
            .enumerate()
            .map(|(index, ((text, reason), logprobs))| {
                json!({
                    "index": index,
                    "text": text,
                    "logprobs": with_logprobs.then(|| logprobs.json()),
                    "finish_reason": reason,
                })
            })
            .collect();
        let mut value = self.json(&choices.into());
        value["usage"] = self.usage.json();
        Ok(answer(&value))
    }
}

impl Writer for Chunks {
    fn begin(&mut self, _: &mut Events) {}

    fn update(&mut self, Update { index, news }: Update, out: &mut Events) {
        match news {
            News::Text(text, token) => {
                let logprobs = token.map_or(Value::Null, |token| {
                    let mut logprobs = Logprobs::default();
                    logprobs.push(&token, self.lengths[index]);
                    logprobs.json()
                });
                self.lengths[index] += text.chars().count();
                out.data(&self.chunk(index, &text, &logprobs, None));
            }
            News::Done(done) => {
                self.count(index, &done.finished);
                out.data(&self.chunk(index, "", &Value::Null, Some(done.reason())));
            }
            News::Call { .. } | News::Arguments(_) | News::Failed(_) => {}
        }
    }

    fn end(&mut self, out: &mut Events) {
        if self.include_usage {
            let mut value = self.json(&json!([]));
            value["usage"] = self.usage.json();
            out.data(&value);
        }
        out.text("[DONE]");
    }

    fn failed(&mut self, error: &ApiError, out: &mut Events) {
        out.data(&error.json());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_every_shape() {
        let read = |value: Value| prompts(&value).map(|p| format!("{p:?}"));
        assert_eq!(read(json!("a")).unwrap(), "[Text(\"a\")]");
        assert_eq!(
            read(json!(["a", "b"])).unwrap(),
            "[Text(\"a\"), Text(\"b\")]"
        );
        assert_eq!(read(json!([1, 2])).unwrap(), "[Tokens([1, 2])]");
        assert_eq!(
            read(json!([[1], [2]])).unwrap(),
            "[Tokens([1]), Tokens([2])]"
        );
        for bad in [
            json!([]),
            json!(5),
            json!([1, "a"]),
            json!([-1]),
            json!([null]),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
