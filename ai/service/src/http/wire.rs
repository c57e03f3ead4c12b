//! What requests look like, and what the engine is asked for in their name.
//!
//! A parameter that is known and does nothing here is refused by name where leaving it out would change the
//! answer; one that only concerns OpenAI's own service (`user`, `metadata`, `service_tier` …) or that nobody
//! knows is ignored.

use argos_engine::causal::{
    Choice, Function, Grammar, Message, Options, Tool, ToolCall, Tools, one_way,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{ApiError, Result};

/// Most answers to one request.
const MAX_CHOICES: usize = 16;
/// Most stop strings.
const MAX_STOPS: usize = 16;
/// Longest stop string, in bytes.
const MAX_STOP_BYTES: usize = 256;
/// Most messages of a conversation.
const MAX_MESSAGES: usize = 4096;
/// Longest name of a model, in bytes.
const MAX_MODEL: usize = 255;

/// Most values in a body, each of which takes far more memory than its text.
const MAX_VALUES: usize = 256 << 10;

/// How many values a JSON text has at most.
fn values(body: &[u8]) -> usize {
    let (mut count, mut string, mut escaped) = (1, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if string => escaped = true,
            b'"' => string = !string,
            _ if string => {}
            // Each value but the first follows one of these.
            b'[' | b'{' | b',' | b':' => count += 1,
            _ => {}
        }
    }
    count
}

/// Parses a body. What is wrong is said with line and column.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let count = values(body);
    if count > MAX_VALUES {
        return Err(ApiError::new(
            axum::http::StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has {count} values; at most {MAX_VALUES} are taken at once"),
        ));
    }
    serde_json::from_slice(body).map_err(|e| {
        let what = if e.is_data() {
            "the body does not fit"
        } else {
            "the body is not valid JSON"
        };
        ApiError::invalid(format!("{what}: {e}"))
    })
}

/// One or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct StreamOptions {
    pub include_usage: Option<bool>,
}

/// What all kinds of generation have.
#[derive(Debug, Deserialize)]
pub(crate) struct Common {
    pub model: String,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    n: Option<usize>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    max_output_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    seed: Option<i64>,
    stop: Option<OneOrMany>,
    // Extensions of llama.cpp and vLLM.
    top_k: Option<i64>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    repeat_penalty: Option<f32>,
    ignore_eos: Option<bool>,
    guided_json: Option<Value>,
    guided_regex: Option<String>,
    guided_choice: Option<Vec<String>>,
    guided_grammar: Option<String>,
    // Known and not supported.
    logit_bias: Option<Value>,
    grammar: Option<Value>,
    use_beam_search: Option<bool>,
    best_of: Option<usize>,
}

impl Common {
    /// Answers that are wanted.
    pub(crate) fn choices(&self) -> Result<usize> {
        match self.n.unwrap_or(1) {
            n @ 1..=MAX_CHOICES => Ok(n),
            n => Err(ApiError::param(
                "n",
                format!("n is {n}; it must be from 1 to {MAX_CHOICES}"),
            )),
        }
    }

    pub(crate) fn include_usage(&self) -> bool {
        self.stream_options
            .and_then(|o| o.include_usage)
            .unwrap_or(false)
    }

    /// How an answer is made. `most` is how many tokens it may have where the request does not say; the
    /// context bounds it anyway.
    pub(crate) fn options(&mut self, most: usize) -> Result<Options> {
        if self.model.len() > MAX_MODEL {
            return Err(ApiError::param(
                "model",
                format!("the model's name is longer than {MAX_MODEL} bytes"),
            ));
        }
        let biased = match &self.logit_bias {
            None | Some(Value::Null) => false,
            Some(Value::Object(bias)) => !bias.is_empty(),
            Some(_) => true,
        };
        if biased {
            return Err(ApiError::unsupported("logit_bias", ""));
        }
        if self.grammar.as_ref().is_some_and(|g| !g.is_null()) {
            return Err(ApiError::unsupported(
                "grammar",
                "use `response_format`, or `guided_grammar` with a grammar in Lark's form",
            ));
        }
        if self.use_beam_search == Some(true) {
            return Err(ApiError::unsupported("use_beam_search", ""));
        }
        if self.best_of.is_some_and(|best| best != self.n.unwrap_or(1)) {
            return Err(ApiError::unsupported("best_of", "use `n`"));
        }
        let stop = self.stop.take().map_or_else(Vec::new, OneOrMany::into_vec);
        if stop.len() > MAX_STOPS {
            return Err(ApiError::param(
                "stop",
                format!("{} stop strings; at most {MAX_STOPS} are taken", stop.len()),
            ));
        }
        // They are looked for at every token.
        if let Some(long) = stop.iter().map(String::len).find(|n| *n > MAX_STOP_BYTES) {
            return Err(ApiError::param(
                "stop",
                format!("a stop string of {long} bytes; at most {MAX_STOP_BYTES} are taken"),
            ));
        }
        let top_k = match self.top_k {
            None => None,
            Some(-1 | 0) => Some(0),
            Some(k) => Some(usize::try_from(k).map_err(|_| {
                ApiError::param("top_k", "top_k must be a count, or -1 for all tokens")
            })?),
        };
        let max_tokens = self
            .max_completion_tokens
            .or(self.max_tokens)
            .or(self.max_output_tokens)
            .unwrap_or(most);
        Ok(Options {
            max_tokens: Some(max_tokens),
            temperature: self.temperature,
            top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty.or(self.repeat_penalty),
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            // Negative ones are as good as others.
            seed: self.seed.map(i64::cast_unsigned),
            stop,
            logprobs: None,
            grammar: self.guided()?,
            ignore_stop_tokens: self.ignore_eos.unwrap_or(false),
        })
    }

    fn guided(&mut self) -> Result<Option<Grammar>> {
        let mut found = Vec::new();
        if let Some(schema) = self.guided_json.take() {
            // vLLM takes it as text as well.
            let schema = match schema {
                Value::String(text) => serde_json::from_str(&text)
                    .map_err(|e| ApiError::param("guided_json", format!("guided_json: {e}")))?,
                other => other,
            };
            found.push(Grammar::JsonSchema(one_way(&schema)));
        }
        if let Some(regex) = self.guided_regex.take() {
            found.push(Grammar::Regex(regex));
        }
        if let Some(choices) = self.guided_choice.take() {
            let list: Vec<_> = choices.iter().map(|c| json!(c).to_string()).collect();
            if list.is_empty() {
                return Err(ApiError::param("guided_choice", "guided_choice is empty"));
            }
            found.push(Grammar::Lark(format!("start: {}\n", list.join(" | "))));
        }
        if let Some(lark) = self.guided_grammar.take() {
            found.push(Grammar::Lark(lark));
        }
        if found.len() > 1 {
            return Err(ApiError::invalid(
                "only one of the guided_* parameters can be followed",
            ));
        }
        Ok(found.pop())
    }
}

/// Adds what a response format asks for. `format` is OpenAI's object, with the schema beside the type
/// (Responses) or in `json_schema` (chat).
pub(crate) fn response_format(
    format: Option<&Value>,
    param: &str,
    options: &mut Options,
) -> Result<()> {
    let Some(format) = format.filter(|f| !f.is_null()) else {
        return Ok(());
    };
    let schema = match format["type"].as_str() {
        Some("text") => return Ok(()),
        Some("json_object") => json!({"type": "object"}),
        Some("json_schema") => {
            let inner = match &format["json_schema"] {
                Value::Null => format,
                inner => inner,
            };
            match &inner["schema"] {
                Value::Null => {
                    return Err(ApiError::param(
                        format!("{param}.schema"),
                        format!("{param} of type json_schema needs a `schema`"),
                    ));
                }
                schema => schema.clone(),
            }
        }
        _ => {
            return Err(ApiError::param(
                format!("{param}.type"),
                format!("{param}.type must be `text`, `json_object` or `json_schema`"),
            ));
        }
    };
    if options.grammar.is_some() {
        return Err(ApiError::param(
            param,
            format!("{param} and a guided_* parameter cannot both be followed"),
        ));
    }
    options.grammar = Some(Grammar::JsonSchema(one_way(&schema)));
    Ok(())
}

/// A message of a chat.
#[derive(Debug, Deserialize)]
pub(crate) struct WireMessage {
    role: String,
    content: Option<Value>,
    name: Option<String>,
    tool_calls: Option<Vec<WireCall>>,
    tool_call_id: Option<String>,
    function_call: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct WireCall {
    #[serde(default)]
    id: String,
    function: WireFunction,
}

#[derive(Debug, Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

/// A call of the conversation so far. Its arguments were JSON, unless the model was cut off.
pub(crate) fn past_call(id: String, name: String, arguments: &str) -> ToolCall {
    let arguments = if arguments.trim().is_empty() {
        json!({})
    } else {
        serde_json::from_str(arguments).unwrap_or_else(|_| arguments.into())
    };
    ToolCall {
        id,
        kind: "function".into(),
        function: Function { name, arguments },
    }
}

/// The conversation as the engine takes it.
pub(crate) fn messages(wire: Vec<WireMessage>) -> Result<Vec<Message>> {
    if wire.len() > MAX_MESSAGES {
        return Err(ApiError::param(
            "messages",
            format!("{} messages; at most {MAX_MESSAGES} are taken", wire.len()),
        ));
    }
    wire.into_iter()
        .enumerate()
        .map(|(i, message)| {
            let at = format!("messages[{i}]");
            let role = role(&message.role, &at)?;
            if message.function_call.is_some_and(|c| !c.is_null()) {
                return Err(ApiError::unsupported("function_call", "use `tool_calls`"));
            }
            let calls = message.tool_calls.unwrap_or_default();
            if calls.is_empty()
                && message.content.as_ref().is_none_or(Value::is_null)
                && role != "assistant"
            {
                return Err(ApiError::param(
                    format!("{at}.content"),
                    format!("{at} has no content"),
                ));
            }
            let calls = calls
                .into_iter()
                .map(|c| past_call(c.id, c.function.name, &c.function.arguments));
            Ok(Message {
                role: role.into(),
                content: text(message.content.as_ref(), &format!("{at}.content"))?,
                tool_calls: calls.collect(),
                tool_call_id: message.tool_call_id,
                name: message.name,
            })
        })
        .collect()
}

/// A role as templates know it.
pub(crate) fn role<'a>(role: &'a str, at: &str) -> Result<&'a str> {
    match role {
        "developer" => Ok("system"),
        "system" | "user" | "assistant" | "tool" => Ok(role),
        _ => Err(ApiError::param(
            format!("{at}.role"),
            format!("{at}.role must be system, developer, user, assistant or tool"),
        )),
    }
}

/// The text of a content: a string, or parts.
pub(crate) fn text(content: Option<&Value>, at: &str) -> Result<String> {
    let parts = match content {
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Array(parts)) => parts,
        Some(_) => {
            return Err(ApiError::param(
                at,
                format!("{at} must be a string or an array of parts"),
            ));
        }
    };
    let mut whole = String::new();
    for (i, part) in parts.iter().enumerate() {
        let kind = part["type"].as_str().unwrap_or_default();
        match (kind, part["text"].as_str(), part["refusal"].as_str()) {
            ("text" | "input_text" | "output_text", Some(text), _) | ("refusal", _, Some(text)) => {
                whole += text;
            }
            ("text" | "input_text" | "output_text", None, _) => {
                return Err(ApiError::param(
                    format!("{at}[{i}].text"),
                    format!("{at}[{i}] has no text"),
                ));
            }
            _ => {
                return Err(ApiError::param(
                    format!("{at}[{i}].type"),
                    format!(
                        "{at}[{i}] is of type `{kind}`; models here take text only: no images, sound or files"
                    ),
                ));
            }
        }
    }
    Ok(whole)
}

/// Tools and which of them is to be called. `None` where the answer cannot call anything.
///
/// A function may be in `function` (chat) or beside the type (Responses).
pub(crate) fn tools(
    tools: Option<&[Value]>,
    choice: Option<&Value>,
    parallel: Option<bool>,
) -> Result<Option<Tools>> {
    let wrong = |text: &str| Err(ApiError::param("tool_choice", text));
    let choice = match choice {
        None | Some(Value::Null) => Choice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Choice::Auto,
            "required" => Choice::Required,
            "none" => return Ok(None),
            _ => return wrong("tool_choice must be none, auto, required or a function"),
        },
        Some(value) if value["type"] == "function" => {
            match value["function"]["name"]
                .as_str()
                .or(value["name"].as_str())
            {
                Some(name) => Choice::Named(name.into()),
                None => return wrong("tool_choice names no function"),
            }
        }
        Some(_) => return wrong("tool_choice must be none, auto, required or one function"),
    };
    let tools: Vec<Tool> = tools
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(i, tool)| {
            let at = format!("tools[{i}]");
            if tool["type"] != "function" {
                return Err(ApiError::param(
                    format!("{at}.type"),
                    format!(
                        "{at} is of type {}; only functions can be called here",
                        tool["type"]
                    ),
                ));
            }
            let function = if tool["function"].is_object() {
                &tool["function"]
            } else {
                tool
            };
            let Some(name) = function["name"].as_str() else {
                return Err(ApiError::param(
                    format!("{at}.function.name"),
                    format!("{at} has no name"),
                ));
            };
            Ok(Tool {
                name: name.into(),
                description: function["description"].as_str().map(str::to_owned),
                parameters: match &function["parameters"] {
                    Value::Null => json!({"type": "object", "properties": {}}),
                    schema => schema.clone(),
                },
            })
        })
        .collect::<Result<_>>()?;
    if tools.is_empty() && choice == Choice::Auto {
        return Ok(None);
    }
    Ok(Some(Tools {
        tools,
        choice,
        parallel: parallel.unwrap_or(true),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(body: Value) -> Result<Options> {
        let body = body.to_string();
        parse::<Common>(body.as_bytes())?.options(100)
    }

    #[test]
    fn sampling_and_extensions() {
        let o = options(json!({
            "model": "m", "max_tokens": 5, "max_completion_tokens": 7, "top_k": -1, "seed": -1,
            "repeat_penalty": 1.1, "stop": "x", "logit_bias": {}, "user": "u", "nobody_knows": {},
        }))
        .unwrap();
        assert_eq!(
            (o.max_tokens, o.top_k, o.seed, o.repetition_penalty),
            (Some(7), Some(0), Some(u64::MAX), Some(1.1))
        );
        assert_eq!(o.stop, ["x"]);
        assert_eq!(
            options(json!({"model": "m"})).unwrap().max_tokens,
            Some(100)
        );
        let o = options(json!({"model": "m", "guided_choice": ["a\"", "b"]})).unwrap();
        assert_eq!(
            o.grammar,
            Some(Grammar::Lark("start: \"a\\\"\" | \"b\"\n".into()))
        );
    }

    #[test]
    fn bodies_are_bounded_in_values_as_well() {
        assert_eq!(values(br#"{"a": [1, "x,[{\",", {}], "b": 2}"#), 9);
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        let error = parse::<Value>(many.as_bytes()).unwrap_err();
        assert_eq!(error.status.as_u16(), 413, "{}", error.message);
        assert!(parse::<Value>(format!("[{}0]", "0,".repeat(1000)).as_bytes()).is_ok());
        let text = json!("[{,:".repeat(MAX_VALUES)).to_string();
        assert!(parse::<Value>(text.as_bytes()).is_ok());
    }

    #[test]
    fn what_is_not_supported_is_said_by_name() {
        for (body, param) in [
            (json!({"model": "m", "logit_bias": {"5": 1}}), "logit_bias"),
            (json!({"model": "m", "best_of": 3}), "best_of"),
            (json!({"model": "m", "grammar": "root ::= x"}), "grammar"),
            (json!({"model": "m", "top_k": -3}), "top_k"),
            (json!({"model": "m".repeat(300)}), "model"),
        ] {
            let error = options(body).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(param), "{}", error.message);
        }
        let error = parse::<Common>(b"{\"model\":\n 5}").unwrap_err().message;
        assert!(
            error.contains("line 2 column 2") || error.contains("line 2"),
            "{error}"
        );
        let error = parse::<Common>(b"{").unwrap_err().message;
        assert!(
            error.contains("not valid JSON") && error.contains("line 1"),
            "{error}"
        );
        let two = json!({"model": "m", "guided_regex": "a", "guided_choice": ["b"]});
        assert!(options(two).unwrap_err().message.contains("only one"));
    }

    #[test]
    fn messages_have_text_and_calls() {
        let wire = |value: Value| messages(parse(value.to_string().as_bytes()).unwrap());
        let read = wire(json!([
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ]))
        .unwrap();
        assert_eq!(
            (read[0].role.as_str(), read[0].content.as_str()),
            ("system", "ab")
        );
        assert_eq!(read[1].tool_calls[0].function.arguments, json!({"x": 1}));
        assert_eq!(read[2].tool_call_id.as_deref(), Some("1"));
        for (bad, param) in [
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
                "messages[0].content[0].type",
            ),
            (json!([{"role": "user"}]), "messages[0].content"),
            (json!([{"role": "king", "content": ""}]), "messages[0].role"),
            (
                json!([{"role": "user", "content": 5}]),
                "messages[0].content",
            ),
        ] {
            assert_eq!(wire(bad).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[test]
    fn tools_in_both_shapes() {
        let chat = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
        let flat = json!([{"type": "function", "name": "f"}]);
        let list = |v: &Value| v.as_array().unwrap().clone();
        for shape in [&chat, &flat] {
            let read = tools(Some(&list(shape)), Some(&json!("required")), Some(false))
                .unwrap()
                .unwrap();
            assert_eq!((read.tools[0].name.as_str(), read.parallel), ("f", false));
            assert_eq!(read.choice, Choice::Required);
        }
        let named = json!({"type": "function", "function": {"name": "f"}});
        let read = tools(Some(&list(&chat)), Some(&named), None)
            .unwrap()
            .unwrap();
        assert_eq!(read.choice, Choice::Named("f".into()));
        assert!(
            tools(Some(&list(&chat)), Some(&json!("none")), None)
                .unwrap()
                .is_none()
        );
        assert!(tools(None, None, None).unwrap().is_none());
        assert!(tools(Some(&list(&chat)), Some(&json!("maybe")), None).is_err());
        assert!(tools(Some(&list(&json!([{"type": "web_search"}]))), None, None).is_err());
    }

    #[test]
    fn response_formats() {
        let read = |format: Value| {
            let mut options = Options::default();
            response_format(Some(&format), "response_format", &mut options)
                .map(|()| options.grammar)
        };
        assert_eq!(read(json!({"type": "text"})).unwrap(), None);
        for format in [
            json!({"type": "json_object"}),
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}),
            json!({"type": "json_schema", "name": "x", "schema": {"type": "object"}}),
        ] {
            let Some(Grammar::JsonSchema(schema)) = read(format).unwrap() else {
                panic!("no schema");
            };
            assert_eq!(schema["type"], "object");
        }
        assert!(read(json!({"type": "json_schema"})).is_err());
        assert!(read(json!({"type": "xml"})).is_err());
    }
}
