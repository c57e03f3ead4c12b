//! `POST /v1/chat/completions`

use argos_engine::causal::{Options, Prompt};
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{ApiError, Result};
use super::generation::{
    Done, Events, Generation, News, Update, Usage, Writer, logprob_json, new_id, seconds,
    stream_response,
};
use super::wire::{self, Common, WireMessage};
use super::{Api, answer, asked};

/// What a chat has besides [`Common`].
#[derive(Debug, Deserialize)]
struct Chat {
    messages: Vec<WireMessage>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    response_format: Option<Value>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
    // Known and not supported.
    functions: Option<Value>,
    function_call: Option<Value>,
    modalities: Option<Vec<String>>,
    audio: Option<Value>,
    web_search_options: Option<Value>,
}

impl Chat {
    fn check(&self) -> Result<()> {
        let given = |v: &Option<Value>| v.as_ref().is_some_and(|v| !v.is_null());
        for (there, name, instead) in [
            (given(&self.functions), "functions", "use `tools`"),
            (
                given(&self.function_call),
                "function_call",
                "use `tool_choice`",
            ),
            (given(&self.audio), "audio", ""),
            (given(&self.web_search_options), "web_search_options", ""),
            (
                self.modalities.iter().flatten().any(|m| m != "text"),
                "modalities",
                "only `text` comes out of these models",
            ),
        ] {
            if there {
                return Err(ApiError::unsupported(name, instead));
            }
        }
        Ok(())
    }

    /// Likely tokens to be told with each one.
    fn likely(&self) -> Result<Option<usize>> {
        match (self.logprobs.unwrap_or(false), self.top_logprobs) {
            (true, top) => Ok(Some(top.unwrap_or(0))),
            (false, None | Some(0)) => Ok(None),
            (false, Some(_)) => Err(ApiError::param(
                "top_logprobs",
                "top_logprobs needs `logprobs`: true",
            )),
        }
    }
}

/// What a body asks for, and nothing else of it: an answer takes long, and bodies may be large.
struct Asking {
    model: String,
    stream: bool,
    include_usage: bool,
    with_logprobs: bool,
    prompts: Vec<(Prompt, Options)>,
}

fn read(body: &[u8]) -> Result<Asking> {
    let mut common: Common = wire::parse(body)?;
    let chat: Chat = wire::parse(body)?;
    chat.check()?;
    let choices = common.choices()?;
    let mut options = common.options(usize::MAX)?;
    options.logprobs = chat.likely()?;
    wire::response_format(
        chat.response_format.as_ref(),
        "response_format",
        &mut options,
    )?;
    let tools = wire::tools(
        chat.tools.as_deref(),
        chat.tool_choice.as_ref(),
        chat.parallel_tool_calls,
    )?;
    let messages = wire::messages(chat.messages)?;
    let prompt = match tools {
        Some(tools) => Prompt::Tools(messages, tools),
        None => Prompt::Chat(messages),
    };
    let prompts = (0..choices).map(|i| {
        let mut options = options.clone();
        // The same seed would give the same answer.
        options.seed = options.seed.map(|s| s.wrapping_add(i as u64));
        (prompt.clone(), options)
    });
    Ok(Asking {
        prompts: prompts.collect(),
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
        prompts,
    } = read(&asked.body)?;
    let choices = prompts.len();
    let generation = Generation::start(&shared, asked, &model, prompts).await?;
    let head = Head {
        id: new_id("chatcmpl-"),
        created: seconds(),
        model,
    };
    if stream {
        let writer = Chunks {
            head,
            usage: Usage::default(),
            include_usage,
            calls: vec![0; choices],
        };
        Ok(stream_response(generation, writer))
    } else {
        whole(generation, &head, choices, with_logprobs).await
    }
}

/// What all objects of one answer have in common.
#[derive(Debug)]
struct Head {
    id: String,
    created: u64,
    model: String,
}

impl Head {
    fn json(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
        })
    }
}

/// One of the answers, put together.
#[derive(Debug, Default)]
struct Choice {
    text: String,
    logprobs: Vec<Value>,
    calls: Vec<Value>,
    done: Option<Done>,
}

impl Choice {
    fn take(&mut self, news: News) -> Result<()> {
        match news {
            News::Text(text, token) => {
                self.text += &text;
                self.logprobs.extend(token.map(|t| logprob_json(&t)));
            }
            News::Call { id, name } => self.calls.push(call_json(&id, &name)),
            News::Arguments(text) => {
                if let Some(Value::String(arguments)) = self
                    .calls
                    .last_mut()
                    .and_then(|call| call.pointer_mut("/function/arguments"))
                {
                    *arguments += &text;
                }
            }
            News::Done(done) => self.done = Some(done),
            News::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn json(self, index: usize, with_logprobs: bool) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), "assistant".into());
        let silent = self.text.is_empty() && !self.calls.is_empty();
        let content = (!silent).then_some(self.text);
        message.insert("content".into(), content.into());
        message.insert("refusal".into(), Value::Null);
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), self.calls.into());
        }
        json!({
            "index": index,
            "message": message,
            "logprobs": with_logprobs.then(|| json!({"content": self.logprobs})),
            "finish_reason": self.done.map(|d| d.reason()),
        })
    }
}

fn call_json(id: &str, name: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": ""}})
}

async fn whole(
    mut generation: Generation,
    head: &Head,
    count: usize,
    with_logprobs: bool,
) -> Result<Response> {
    let mut choices: Vec<Choice> = std::iter::repeat_with(Choice::default)
        .take(count)
        .collect();
    let mut usage = Usage::default();
    while let Some(Update { index, news }) = generation.next().await {
        if let News::Done(done) = &news {
            usage.add(&done.finished, true);
        }
        choices[index].take(news)?;
    }
    let choices: Vec<_> = choices
        .into_iter()
        .enumerate()
        .map(|(i, choice)| choice.json(i, with_logprobs))
        .collect();
    let mut value = head.json("chat.completion");
    value["choices"] = choices.into();
    value["usage"] = usage.json();
    Ok(answer(&value))
}

/// The answers as `chat.completion.chunk`s.
#[derive(Debug)]
struct Chunks {
    head: Head,
    usage: Usage,
    include_usage: bool,
    /// Calls of each answer so far.
    calls: Vec<usize>,
}

impl Chunks {
    fn chunk(&self, index: usize, delta: &Value, logprobs: &Value, reason: Option<&str>) -> Value {
        let mut value = self.head.json("chat.completion.chunk");
        value["choices"] = json!([{
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": reason,
        }]);
        if self.include_usage {
            value["usage"] = Value::Null;
        }
        value
    }

    fn delta(&self, index: usize, delta: &Value) -> Value {
        self.chunk(index, delta, &Value::Null, None)
    }
}

impl Writer for Chunks {
    fn begin(&mut self, out: &mut Events) {
        for index in 0..self.calls.len() {
            let role = json!({"role": "assistant", "content": "", "refusal": null});
            out.data(&self.delta(index, &role));
        }
    }

    fn update(&mut self, Update { index, news }: Update, out: &mut Events) {
        match news {
            News::Text(text, token) => {
                let logprobs = token.map_or(
                    Value::Null,
                    |token| json!({"content": [logprob_json(&token)]}),
                );
                out.data(&self.chunk(index, &json!({"content": text}), &logprobs, None));
            }
            News::Call { id, name } => {
                let mut call = call_json(&id, &name);
                call["index"] = self.calls[index].into();
                self.calls[index] += 1;
                out.data(&self.delta(index, &json!({"tool_calls": [call]})));
            }
            News::Arguments(text) => {
                let call = json!({
                    "index": self.calls[index].saturating_sub(1),
                    "function": {"arguments": text},
                });
                out.data(&self.delta(index, &json!({"tool_calls": [call]})));
            }
            News::Done(done) => {
                self.usage.add(&done.finished, true);
                out.data(&self.chunk(index, &json!({}), &Value::Null, Some(done.reason())));
            }
            News::Failed(_) => {}
        }
    }

    fn end(&mut self, out: &mut Events) {
        if self.include_usage {
            let mut value = self.head.json("chat.completion.chunk");
            value["choices"] = json!([]);
            value["usage"] = self.usage.json();
            out.data(&value);
        }
        out.text("[DONE]");
    }

    fn failed(&mut self, error: &ApiError, out: &mut Events) {
        out.data(&error.json());
    }
}
