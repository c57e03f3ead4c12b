//! `POST /v1/responses`, the part of it that needs no stored state: texts and function calls.

use argos_engine::causal::{Message, Options, Prompt, Reason, ToolCall};
use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{ApiError, Result};
use super::generation::{
    Done, Events, Generation, News, Update, Writer, new_id, seconds, stream_response,
};
use super::wire::{self, Common};
use super::{Api, answer, asked};

/// What a response has besides [`Common`].
#[derive(Debug, Deserialize)]
struct Wish {
    input: Value,
    instructions: Option<String>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    parallel_tool_calls: Option<bool>,
    text: Option<Value>,
    metadata: Option<Value>,
    // Known and not supported.
    previous_response_id: Option<String>,
    conversation: Option<Value>,
    background: Option<bool>,
    prompt: Option<Value>,
    include: Option<Vec<String>>,
    top_logprobs: Option<usize>,
    truncation: Option<String>,
}

impl Wish {
    fn check(&self) -> Result<()> {
        let given = |v: &Option<Value>| v.as_ref().is_some_and(|v| !v.is_null());
        let stateless = "nothing is stored here, so send the whole conversation in `input`";
        for (there, name, instead) in [
            (
                self.previous_response_id.is_some(),
                "previous_response_id",
                stateless,
            ),
            (given(&self.conversation), "conversation", stateless),
            (self.background == Some(true), "background", ""),
            (
                given(&self.prompt),
                "prompt",
                "use `instructions` and `input`",
            ),
            (
                self.include.as_ref().is_some_and(|list| !list.is_empty()),
                "include",
                "",
            ),
            (
                self.top_logprobs.is_some_and(|n| n > 0),
                "top_logprobs",
                "use /v1/chat/completions",
            ),
            (
                self.truncation.as_deref().is_some_and(|t| t != "disabled"),
                "truncation",
                "prompts are never cut",
            ),
        ] {
            if there {
                return Err(ApiError::unsupported(name, instead));
            }
        }
        Ok(())
    }
}

/// The conversation: instructions, then the items of the input.
fn messages(instructions: Option<&str>, input: &Value) -> Result<Vec<Message>> {
    let mut messages: Vec<Message> = instructions
        .map(|text| Message::new("system", text))
        .into_iter()
        .collect();
    let items = match input {
        Value::String(text) => {
            messages.push(Message::new("user", text.as_str()));
            return Ok(messages);
        }
        Value::Array(items) => items,
        _ => {
            return Err(ApiError::param(
                "input",
                "input must be a text or an array of items",
            ));
        }
    };
    for (i, item) in items.iter().enumerate() {
        let at = format!("input[{i}]");
        let needed = |key: &str| {
            item[key]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| ApiError::param(format!("{at}.{key}"), format!("{at} has no {key}")))
        };
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let role = needed("role")?;
                let text = wire::text(item.get("content"), &format!("{at}.content"))?;
                messages.push(Message::new(wire::role(&role, &at)?, text));
            }
            "function_call" => {
                let call: ToolCall =
                    wire::past_call(needed("call_id")?, needed("name")?, &needed("arguments")?);
                match messages.last_mut() {
                    // Several calls, or a text and a call, are one turn of the model.
                    Some(last) if last.role == "assistant" => last.tool_calls.push(call),
                    _ => messages.push(Message {
                        tool_calls: vec![call],
                        ..Message::new("assistant", "")
                    }),
                }
            }
            "function_call_output" => {
                let text = wire::text(item.get("output"), &format!("{at}.output"))?;
                messages.push(Message {
                    tool_call_id: Some(needed("call_id")?),
                    ..Message::new("tool", text)
                });
            }
            // What a reasoning model thought is not for the next one.
            "reasoning" => {}
            other => {
                return Err(ApiError::param(
                    format!("{at}.type"),
                    format!(
                        "{at} is of type `{other}`; message, function_call and function_call_output are taken"
                    ),
                ));
            }
        }
    }
    Ok(messages)
}

/// What is told again with the answer, at most, in bytes: it is kept until the answer is complete.
const MAX_TOLD: usize = 256 << 10;

/// What a body asks for: model, whether as a stream, prompt and options, and what is told again of it.
type Asking = (String, bool, (Prompt, Options), Made);

fn read(body: &[u8]) -> Result<Asking> {
    let mut common: Common = wire::parse(body)?;
    let wish: Wish = wire::parse(body)?;
    wish.check()?;
    if common.choices()? != 1 {
        return Err(ApiError::unsupported("n", "ask several times"));
    }
    let mut options = common.options(usize::MAX)?;
    let format = wish.text.as_ref().map(|text| &text["format"]);
    wire::response_format(format, "text.format", &mut options)?;
    let tools = wire::tools(
        wish.tools.as_deref(),
        wish.tool_choice.as_ref(),
        wish.parallel_tool_calls,
    )?;
    let messages = messages(wish.instructions.as_deref(), &wish.input)?;
    let prompt = match tools {
        Some(tools) => Prompt::Tools(messages, tools),
        None => Prompt::Chat(messages),
    };
    let mut head = json!({
        "id": new_id("resp_"),
        "object": "response",
        "created_at": seconds(),
        "model": common.model,
        "instructions": wish.instructions,
        "max_output_tokens": options.max_tokens.filter(|n| *n != usize::MAX),
        "metadata": wish.metadata.unwrap_or_else(|| json!({})),
        "parallel_tool_calls": wish.parallel_tool_calls.unwrap_or(true),
        "previous_response_id": null,
        "store": false,
        "temperature": options.temperature,
        "text": wish.text.unwrap_or_else(|| json!({"format": {"type": "text"}})),
        "tool_choice": wish.tool_choice.unwrap_or_else(|| "auto".into()),
        "tools": wish.tools.unwrap_or_default(),
        "top_p": options.top_p,
        "truncation": "disabled",
    });
    let metadata = head["metadata"].to_string().len();
    if metadata > MAX_TOLD / 4 {
        return Err(ApiError::param(
            "metadata",
            format!(
                "metadata has {metadata} bytes; at most {} are taken",
                MAX_TOLD / 4
            ),
        ));
    }
    if head.to_string().len() > MAX_TOLD {
        // The caller has them.
        head["instructions"] = Value::Null;
        head["text"] = Value::Null;
        head["tool_choice"] = Value::Null;
        head["tools"] = json!([]);
    }
    let made = Made {
        head,
        items: Vec::new(),
        done: None,
        number: 0,
    };
    let stream = common.stream == Some(true);
    Ok((common.model, stream, (prompt, options), made))
}

/// See the module.
pub(crate) async fn handle(State(shared): Api, request: Request<Body>) -> Result<Response> {
    let asked = asked(&shared, request).await?;
    let (model, stream, prompt, mut made) = read(&asked.body)?;
    let mut generation = Generation::start(&shared, asked, &model, vec![prompt]).await?;
    if stream {
        return Ok(stream_response(generation, made));
    }
    // The same steps as in a stream, whose events nobody reads.
    let mut unread = Events::default();
    while let Some(update) = generation.next().await {
        if let News::Failed(error) = update.news {
            return Err(error);
        }
        made.update(update, &mut unread);
        unread = Events::default();
    }
    Ok(answer(&made.response()))
}

/// A response in the making.
#[derive(Debug)]
struct Made {
    head: Value,
    items: Vec<Item>,
    done: Option<Done>,
    /// Of the next event.
    number: u64,
}

/// A text or a call.
#[derive(Debug)]
struct Item {
    id: String,
    kind: Kind,
    /// The text, or the call's arguments.
    text: String,
    status: &'static str,
}

#[derive(Debug)]
enum Kind {
    Text,
    Call { id: String, name: String },
}

impl Item {
    fn json(&self) -> Value {
        match &self.kind {
            Kind::Text => json!({
                "id": self.id,
                "type": "message",
                "role": "assistant",
                "status": self.status,
                "content": if self.status == "in_progress" { json!([]) } else { json!([self.part()]) },
            }),
            Kind::Call { id, name } => json!({
                "id": self.id,
                "type": "function_call",
                "status": self.status,
                "call_id": id,
                "name": name,
                "arguments": self.text,
            }),
        }
    }

    fn part(&self) -> Value {
        json!({"type": "output_text", "text": self.text, "annotations": [], "logprobs": []})
    }
}

impl Made {
    fn status(&self) -> &'static str {
        match self.done.map(|done| done.finished.reason) {
            None => "in_progress",
            Some(Reason::Length | Reason::Budget) => "incomplete",
            Some(Reason::Stop | Reason::Cancelled) => "completed",
        }
    }

    fn response(&self) -> Value {
        let mut value = self.head.clone();
        value["status"] = self.status().into();
        value["error"] = Value::Null;
        value["incomplete_details"] = match self.status() {
            "incomplete" => json!({"reason": "max_output_tokens"}),
            _ => Value::Null,
        };
        value["output"] = self.items.iter().map(Item::json).collect();
        value["usage"] = self.done.map_or(Value::Null, |done| {
            let f = done.finished;
            json!({
                "input_tokens": f.prompt_tokens,
                "input_tokens_details": {"cached_tokens": f.cached_tokens},
                "output_tokens": f.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": f.prompt_tokens + f.completion_tokens,
            })
        });
        value
    }

    /// Writes an event of this type with these members.
    fn event(&mut self, kind: &str, members: Value, out: &mut Events) {
        let mut value = json!({"type": kind, "sequence_number": self.number});
        self.number += 1;
        if let (Value::Object(all), Value::Object(more)) = (&mut value, members) {
            all.extend(more);
        }
        out.named(kind, &value);
    }

    fn open(&mut self, kind: Kind, out: &mut Events) {
        self.close("completed", out);
        let is_text = matches!(kind, Kind::Text);
        let item = Item {
            id: new_id(if is_text { "msg_" } else { "fc_" }),
            kind,
            text: String::new(),
            status: "in_progress",
        };
        let index = self.items.len();
        let members = json!({"output_index": index, "item": item.json()});
        self.event("response.output_item.added", members, out);
        if is_text {
            let members = json!({
                "item_id": item.id,
                "output_index": index,
                "content_index": 0,
                "part": item.part(),
            });
            self.event("response.content_part.added", members, out);
        }
        self.items.push(item);
    }

    /// More of the item that is open.
    fn append(&mut self, text: &str, out: &mut Events) {
        let index = self.items.len().saturating_sub(1);
        let Some(item) = self.items.last_mut() else {
            return;
        };
        item.text += text;
        let mut members = json!({"item_id": item.id, "output_index": index, "delta": text});
        let kind = match item.kind {
            Kind::Text => {
                members["content_index"] = 0.into();
                members["logprobs"] = json!([]);
                "response.output_text.delta"
            }
            Kind::Call { .. } => "response.function_call_arguments.delta",
        };
        self.event(kind, members, out);
    }

    /// Ends the item that is open.
    fn close(&mut self, status: &'static str, out: &mut Events) {
        let index = self.items.len().saturating_sub(1);
        let Some(item) = self
            .items
            .last_mut()
            .filter(|item| item.status == "in_progress")
        else {
            return;
        };
        item.status = status;
        let (whole, part) = (item.json(), item.part());
        let at = json!({"item_id": item.id, "output_index": index});
        let with = |members: Value| {
            let mut value = at.clone();
            if let (Value::Object(all), Value::Object(more)) = (&mut value, members) {
                all.extend(more);
            }
            value
        };
        let text = item.text.clone();
        let name = match &item.kind {
            Kind::Text => None,
            Kind::Call { name, .. } => Some(name.clone()),
        };
        match name {
            None => {
                let done = json!({"content_index": 0, "text": text, "logprobs": []});
                self.event("response.output_text.done", with(done), out);
                let done = json!({"content_index": 0, "part": part});
                self.event("response.content_part.done", with(done), out);
            }
            Some(name) => {
                let done = json!({"name": name, "arguments": text});
                self.event("response.function_call_arguments.done", with(done), out);
            }
        }
        let done = json!({"output_index": index, "item": whole});
        self.event("response.output_item.done", done, out);
    }
}

impl Writer for Made {
    fn begin(&mut self, out: &mut Events) {
        for kind in ["response.created", "response.in_progress"] {
            let members = json!({"response": self.response()});
            self.event(kind, members, out);
        }
    }

    fn update(&mut self, update: Update, out: &mut Events) {
        match update.news {
            News::Text(text, _) => {
                if self.items.is_empty() {
                    self.open(Kind::Text, out);
                }
                self.append(&text, out);
            }
            News::Call { id, name } => self.open(Kind::Call { id, name }, out),
            News::Arguments(text) => self.append(&text, out),
            News::Done(done) => {
                if self.items.is_empty() {
                    self.open(Kind::Text, out);
                }
                self.done = Some(done);
                self.close(self.status(), out);
            }
            News::Failed(_) => {}
        }
    }

    fn end(&mut self, out: &mut Events) {
        let kind = match self.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        let members = json!({"response": self.response()});
        self.event(kind, members, out);
    }

    fn failed(&mut self, error: &ApiError, out: &mut Events) {
        let mut response = self.response();
        response["status"] = "failed".into();
        response["error"] = json!({"code": "server_error", "message": error.message});
        self.event("response.failed", json!({"response": response}), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_a_body_is_bounded() {
        let body = |more: &str, length: usize| {
            let mut body = json!({"model": "m", "input": "Hi", "metadata": {"a": "b"}});
            body[more] = match more {
                "metadata" => json!({"x": "y".repeat(length)}),
                _ => "z".repeat(length).into(),
            };
            read(body.to_string().as_bytes())
        };
        let (.., made) = body("instructions", 100).unwrap();
        assert_eq!(made.head["instructions"].as_str().unwrap().len(), 100);
        let (.., (prompt, _), made) = body("instructions", 4 << 20).unwrap();
        assert!(matches!(prompt, Prompt::Chat(messages) if messages[0].content.len() == 4 << 20));
        assert_eq!(made.head["metadata"], json!({"a": "b"}));
        assert!(made.head.to_string().len() < MAX_TOLD);
        let error = body("metadata", MAX_TOLD).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("metadata"));
    }

    #[test]
    fn items_become_messages() {
        let input = json!([
            {"role": "user", "content": "a"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "r"},
        ]);
        let read = messages(Some("Be brief."), &input).unwrap();
        let roles: Vec<_> = read.iter().map(|m| m.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool"]);
        assert_eq!(
            (read[2].content.as_str(), read[2].tool_calls.len()),
            ("b", 2)
        );
        assert_eq!(read[3].tool_call_id.as_deref(), Some("1"));
        for (bad, param) in [
            (json!([{"type": "computer_call"}]), "input[0].type"),
            (
                json!([{"type": "function_call", "call_id": "1"}]),
                "input[0].name",
            ),
            (
                json!([{"role": "user", "content": [{"type": "input_image"}]}]),
                "input[0].content[0].type",
            ),
            (json!(5), "input"),
        ] {
            assert_eq!(
                messages(None, &bad).unwrap_err().param.as_deref(),
                Some(param)
            );
        }
    }
}
