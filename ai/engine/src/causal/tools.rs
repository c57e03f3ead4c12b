//! Tool calls: how a model is told of tools, what keeps its calls valid, and how they are read back.
//!
//! A chat template that knows tools writes them in the form its model was trained on, and by that form
//! the model answers ([`Format`]). Where the template knows none, a system message describes the tools and
//! asks for Hermes' form. Either way a grammar allows text or calls whose arguments fit the tool's schema,
//! and nothing in between. What begins a call cannot be spelled in the text before it, whether it is a token of
//! its own or not, so what [`Parser`] takes for a call went through the grammar; a call of a tool that was not
//! offered stays text all the same.
//!
//! A reasoning model thinks first, between marks that are tokens of its own ([`Thoughts`]): they may come
//! before whatever else the answer is.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chat::Message;
use super::copied::Schemas;
use super::grammar::Grammar;
use super::stop::overlap;
use crate::{Error, Result};

/// Most tools of one request.
const MAX_TOOLS: usize = 128;

/// Longest name of a tool, in bytes.
const MAX_NAME: usize = 64;

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Letters, digits, `_`, `-` and `.`, at most 64.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments, an object.
    pub parameters: Value,
}

/// Whether the model calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// As it likes.
    #[default]
    Auto,
    /// It has to call one.
    Required,
    /// It has to call this one.
    Named(String),
}

/// The tools of a request. Empty: it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// What may be called.
    pub tools: Vec<Tool>,
    /// Whether it has to be.
    pub choice: Choice,
    /// Several calls in one answer.
    pub parallel: bool,
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            tools: Vec::new(),
            choice: Choice::Auto,
            parallel: true,
        }
    }
}

/// A call that an earlier answer made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Ties its result to it.
    #[serde(default)]
    pub id: String,
    /// `function`
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// What was called.
    pub function: Function,
}

/// The function of a [`ToolCall`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its arguments, an object.
    pub arguments: Value,
}

fn function() -> String {
    "function".into()
}

/// How a model writes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `<tool_call>\n{"name": …, "arguments": …}\n</tool_call>`: Hermes, Qwen and many others.
    Hermes,
    /// `{"name": …, "parameters": …}`, maybe after `<|python_tag|>`, one at a time: Llama 3.
    Llama,
    /// `[TOOL_CALLS][{"name": …, "arguments": …}]`
    Mistral,
}

impl Format {
    /// The form that a template's text is written for. `None` also where it has calls in a form of its own, such
    /// as `<tool_call><function=…>`: what a grammar makes the model write is what it has to be told.
    pub(super) fn of(template: &str) -> Option<Self> {
        let has = |text: &str| template.contains(text);
        let elements = ["<function=", "<arg_key>", "<invoke", "<parameter"];
        if elements.iter().any(|text| has(text)) {
            None
        } else if has("<tool_call>") {
            Some(Self::Hermes)
        } else if has("[TOOL_CALLS]") && !has("[ARGS]") {
            Some(Self::Mistral)
        } else if has("<|python_tag|>") || (has("\"parameters\": ") && has("ipython")) {
            Some(Self::Llama)
        } else {
            None
        }
    }

    /// What begins a call.
    fn marker(self) -> &'static str {
        match self {
            Self::Hermes => BEGIN,
            Self::Llama => "<|python_tag|>",
            Self::Mistral => "[TOOL_CALLS]",
        }
    }

    /// What the arguments are called.
    fn arguments(self) -> &'static str {
        match self {
            Self::Llama => "parameters",
            Self::Hermes | Self::Mistral => "arguments",
        }
    }

    /// The grammar of answers with these tools. `token` knows the number of a marker that is one token;
    /// `answer`, where given, is the JSON Schema of an answer that calls nothing; strings that are to be copied
    /// are parts of what was `asked`; `thoughts`, where the model thinks, comes before all of it.
    pub(super) fn grammar(
        self,
        tools: &Tools,
        answer: Option<&Value>,
        asked: Option<&str>,
        thoughts: Option<Thoughts>,
        token: &dyn Fn(&str) -> Option<u32>,
    ) -> Result<Grammar> {
        let mut schemas = Schemas::new(asked);
        let rules = tools
            .tools
            .iter()
            .filter(|tool| match &tools.choice {
                Choice::Named(name) => tool.name == *name,
                Choice::Auto | Choice::Required => true,
            })
            .enumerate()
            .map(|(i, tool)| {
                let head = format!("{{\"name\": \"{}\", \"{}\": ", tool.name, self.arguments());
                let arguments = schemas
                    .expression(&object(&tool.parameters))
                    .map_err(|e| Error::InvalidArguments(format!("tool `{}`: {e}", tool.name)))?;
                Ok(format!("tool_{i}: {} {arguments} \"}}\"\n", literal(&head)))
            })
            .collect::<Result<Vec<_>>>()?;
        let names: Vec<_> = (0..rules.len()).map(|i| format!("tool_{i}")).collect();
        let rules = format!("call: {}\n{}", names.join(" | "), rules.concat());
        // A marker that is a token of its own stands in no text; another one is text like any other.
        let marker = |text: &str| token(text).map(|id| format!("<[{id}]>"));
        let begin = marker(self.marker());
        let written = begin.clone().unwrap_or_else(|| literal(self.marker()));
        let more = |separator: &str, next: &str| {
            if tools.parallel {
                format!("({separator} {next})*")
            } else {
                String::new()
            }
        };
        // What follows the first marker.
        let rest = match self {
            Self::Hermes => {
                let end = marker(END).unwrap_or_else(|| literal(END));
                let one = format!("\"\\n\"? call \"\\n\"? {end}");
                format!("{one} {}", more("\"\\n\"?", &format!("{written} {one}")))
            }
            Self::Mistral => format!("\" \"? \"[\" call {} \"]\"", more("\", \"", "call")),
            // Its templates take one call a turn.
            Self::Llama => "call".to_owned(),
        };
        let calls = match (self, &begin) {
            (Self::Llama, Some(tag)) => format!("{tag}? {rest}"),
            (Self::Llama, None) => rest.clone(),
            _ => format!("{written} {rest}"),
        };
        let escaped = escape(self.marker());
        let spelled = format!("/(?s:.*){escaped}(?s:.*)/");
        let start = match (&tools.choice, answer) {
            (Choice::Required | Choice::Named(_), _) => format!("body: {calls}\n"),
            (Choice::Auto, Some(_)) if self == Self::Llama => {
                return Err(Error::InvalidArguments(
                    "this model writes calls as plain JSON objects, so a response format cannot be \
                     combined with tools that it may call or not; leave one of them away"
                        .into(),
                ));
            }
            (Choice::Auto, Some(schema)) => {
                let answer = schemas.expression(schema)?;
                format!("body: answer | {calls}\nanswer: {answer}\n")
            }
            (Choice::Auto, None) => match (self, begin) {
                // Its calls begin an answer, after white space at most.
                (Self::Llama, _) => format!(
                    "body: TEXT? | {calls}\n\
                     TEXT: /\\s*[^{{\\s](?s:.*)/ & ~/\\s*{escaped}(?s:.*)/\n"
                ),
                (_, Some(_)) => {
                    format!("body: TEXT? ({calls})?\nTEXT: /(?s:.+)/ & ~{spelled}\n")
                }
                (_, None) => {
                    // Text up to the marker is one lexeme with it: the lexer takes the longest match.
                    format!(
                        "body: TEXT? | TO_MARKER {rest}\n\
                         TEXT: /(?s:.+)/ & ~{spelled}\n\
                         TO_MARKER: /(?s:.*){escaped}/ & ~/(?s:.*){escaped}(?s:.+)/\n"
                    )
                }
            },
        };
        // Where a call is known by the first character of an answer, nothing may come before it.
        let thoughts = thoughts.filter(|_| self != Self::Llama);
        let thoughts = thoughts.map_or_else(
            || "start: body\n".to_owned(),
            |Thoughts { open, close, begun }| {
                let open = if begun {
                    String::new()
                } else {
                    format!("<[{open}]>")
                };
                format!(
                    "start: body | thoughts SPACE? body\n\
                     thoughts: {open} THOUGHT? <[{close}]>\n\
                     SPACE: /\\s+/\n\
                     THOUGHT: /(?s:.+)/ & ~{spelled}\n"
                )
            },
        );
        let start = format!("{thoughts}{start}");
        Ok(Grammar::Lark(format!("{start}{rules}{}", schemas.rules())))
    }

    /// Reads answers of this form that may call these tools.
    pub fn parser(self, tools: &Tools) -> Parser {
        Parser {
            format: self,
            names: tools.tools.iter().map(|t| t.name.clone()).collect(),
            state: Scan::Text,
            lead: String::new(),
            held: String::new(),
            calls: 0,
        }
    }
}

/// The tokens between which a reasoning model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thoughts {
    pub open: u32,
    pub close: u32,
    /// The prompt has opened them already.
    pub begun: bool,
}

/// How models mark them.
pub(super) const THOUGHTS: [(&str, &str); 2] = [("<think>", "</think>"), ("[THINK]", "[/THINK]")];

const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

/// A string of Lark's.
pub(super) fn literal(text: &str) -> String {
    Value::String(text.into()).to_string()
}

/// A text as a regular expression.
fn escape(text: &str) -> String {
    let special = |c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '<' && c != '>';
    text.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}

/// A schema of objects.
fn object(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let mut members = members.clone();
            members.entry("type").or_insert_with(|| "object".into());
            Value::Object(members)
        }
        _ => json!({"type": "object"}),
    }
}

/// A schema whose values are written one way only, with `, ` and `: ` and no other spaces: an answer cannot
/// get lost in white space.
pub fn one_way(schema: &Value) -> Value {
    let mut members = match schema {
        Value::Object(members) => members.clone(),
        // Nothing fits `false`; everything fits `true`.
        Value::Bool(false) => return schema.clone(),
        _ => serde_json::Map::new(),
    };
    members.insert(
        "x-guidance".into(),
        json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "}),
    );
    Value::Object(members)
}

impl Tools {
    /// Whether names and choice make sense.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |reason: String| Err(Error::InvalidArguments(reason));
        if self.tools.len() > MAX_TOOLS {
            return invalid(format!(
                "there are {} tools; at most {MAX_TOOLS} are taken",
                self.tools.len()
            ));
        }
        for (i, tool) in self.tools.iter().enumerate() {
            let name = &tool.name;
            let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
                return invalid(format!(
                    "tool name `{}` must be 1 to {MAX_NAME} of letters, digits, `_`, `-` and `.`",
                    name.chars().take(MAX_NAME).collect::<String>()
                ));
            }
            if self.tools[..i].iter().any(|t| t.name == *name) {
                return invalid(format!("there are two tools `{name}`"));
            }
            if !tool.parameters.is_object() {
                return invalid(format!(
                    "the parameters of tool `{name}` must be a JSON Schema, an object"
                ));
            }
        }
        match &self.choice {
            Choice::Named(name) if !self.tools.iter().any(|t| t.name == *name) => invalid(format!(
                "tool `{name}` is to be called but is not among the tools"
            )),
            Choice::Required if self.tools.is_empty() => {
                invalid("a tool is to be called but there are none".into())
            }
            _ => Ok(()),
        }
    }

    /// As templates expect them.
    pub(super) fn for_template(&self) -> Vec<Value> {
        self.tools
            .iter()
            .map(|tool| {
                let mut function = json!({"name": tool.name});
                if let Some(description) = &tool.description {
                    function["description"] = description.as_str().into();
                }
                function["parameters"] = tool.parameters.clone();
                json!({"type": "function", "function": function})
            })
            .collect()
    }

    /// The same conversation for a template that knows no tools: they are described in a system message, and
    /// calls and results are text.
    pub(super) fn in_words(&self, messages: &[Message]) -> Vec<Message> {
        let mut told: Vec<Message> = Vec::new();
        for message in messages {
            let mut content = message.content.clone();
            for call in &message.tool_calls {
                let call =
                    json!({"name": call.function.name, "arguments": call.function.arguments});
                if !content.is_empty() {
                    content += "\n";
                }
                content += &format!("{BEGIN}\n{call}\n{END}");
            }
            if message.role != "tool" {
                told.push(Message::new(&message.role, content));
                continue;
            }
            let result = format!("<tool_response>\n{content}\n</tool_response>");
            match told.last_mut() {
                // Templates want persons and models to alternate.
                Some(last) if last.role == "user" && last.content.ends_with("</tool_response>") => {
                    last.content.push('\n');
                    last.content.push_str(&result);
                }
                _ => told.push(Message::new("user", result)),
            }
        }
        if self.tools.is_empty() {
            return told;
        }
        let list: Vec<_> = self.for_template().iter().map(Value::to_string).collect();
        let description = format!(
            "You can call these functions:\n<tools>\n{}\n</tools>\nTo call one, write nothing but its \
             name and arguments as JSON between tags:\n{BEGIN}\n{{\"name\": NAME, \"arguments\": \
             OBJECT}}\n{END}",
            list.join("\n")
        );
        match told.first_mut() {
            Some(first) if first.role == "system" => {
                first.content = format!("{}\n\n{description}", first.content);
            }
            _ => told.insert(0, Message::new("system", description)),
        }
        told
    }
}

/// A piece of an answer that may call tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text for the person.
    Text(String),
    /// The answer's next call begins.
    Call(String),
    /// More of that call's arguments, JSON.
    Arguments(String),
}

/// Takes an answer apart as it comes.
#[derive(Debug)]
pub struct Parser {
    format: Format,
    /// Tools that there are.
    names: Vec<String>,
    state: Scan,
    /// What began the call whose head is looked at: text, if it turns out to be none.
    lead: String,
    held: String,
    calls: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scan {
    /// Text, or what is between two calls.
    Text,
    /// Text to the end.
    Plain,
    /// A call's name is next.
    Head,
    /// In its arguments: open brackets; in a string; after a backslash.
    Arguments(usize, bool, bool),
    /// After its arguments.
    Tail,
}

impl Parser {
    /// Calls that have begun.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Takes a piece of the answer; returns what is known by it.
    pub fn push(&mut self, piece: &str) -> Vec<Part> {
        self.held += piece;
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// What is left when the answer has ended: text that might have become a call.
    pub fn finish(self) -> Option<Part> {
        let text = matches!(self.state, Scan::Text | Scan::Plain | Scan::Head) && self.calls == 0;
        let left = self.lead + &self.held;
        (text && !left.is_empty()).then_some(Part::Text(left))
    }

    /// Goes one state on; `false` where more of the answer is needed.
    fn step(&mut self, parts: &mut Vec<Part>) -> bool {
        match self.state {
            Scan::Text => self.text(parts),
            Scan::Plain => {
                self.say(self.held.len(), parts);
                false
            }
            Scan::Head => self.head(parts),
            Scan::Arguments(depth, string, escaped) => {
                self.arguments(depth, string, escaped, parts)
            }
            Scan::Tail => {
                let end = if self.format == Format::Hermes {
                    END
                } else {
                    "}"
                };
                let Some(at) = self.held.find(end) else {
                    return false;
                };
                self.held.drain(..at + end.len());
                self.state = if self.format == Format::Hermes {
                    Scan::Text
                } else {
                    Scan::Head
                };
                true
            }
        }
    }

    /// Passes on so many bytes of text. Line breaks between calls are none.
    fn say(&mut self, bytes: usize, parts: &mut Vec<Part>) {
        let text: String = self.held.drain(..bytes).collect();
        if !text.is_empty() && (self.calls == 0 || !text.trim().is_empty()) {
            parts.push(Part::Text(text));
        }
    }

    /// What looked like a call is text, from its marker on.
    fn no_call(&mut self, parts: &mut Vec<Part>) -> bool {
        let marked = self.lead.len();
        self.held.insert_str(0, &std::mem::take(&mut self.lead));
        self.state = match self.format {
            Format::Llama => Scan::Plain,
            Format::Hermes | Format::Mistral => Scan::Text,
        };
        // A marker that was passed on is not found again.
        self.say(marked, parts);
        true
    }

    fn text(&mut self, parts: &mut Vec<Part>) -> bool {
        let marker = self.format.marker();
        if self.format == Format::Llama {
            // The first character tells.
            let start = self.held.trim_start();
            if start.is_empty() || (marker.starts_with(start) && start != marker) {
                return false;
            }
            self.state = if start.starts_with('{') || start.starts_with(marker) {
                Scan::Head
            } else {
                Scan::Plain
            };
            if let Some(rest) = start.strip_prefix(marker) {
                let rest = rest.len();
                self.lead = self.held.drain(..self.held.len() - rest).collect();
            }
            return true;
        }
        if let Some(at) = self.held.find(marker) {
            self.say(at, parts);
            self.lead = self.held.drain(..marker.len()).collect();
            self.state = Scan::Head;
            return true;
        }
        let sure = self.held.len() - overlap(&self.held, marker);
        self.say(sure, parts);
        false
    }

    fn head(&mut self, parts: &mut Vec<Part>) -> bool {
        let between = |c: char| c.is_whitespace() || matches!(c, '[' | ',' | ';' | ']');
        let begin = "{\"name\": \"";
        let end = format!("\", \"{}\": ", self.format.arguments());
        let text = self.held.trim_start_matches(between);
        let Some(named) = text.strip_prefix(begin) else {
            return !begin.starts_with(text) && self.no_call(parts);
        };
        let Some(at) = named.find('"') else {
            return named.len() > MAX_NAME && self.no_call(parts);
        };
        let (name, rest) = named.split_at(at);
        if !self.names.iter().any(|n| n == name) {
            return self.no_call(parts);
        }
        let Some(rest) = rest.strip_prefix(&end) else {
            return !end.starts_with(rest) && self.no_call(parts);
        };
        match rest.bytes().next() {
            None => return false,
            Some(b'{') => {}
            // Arguments are an object.
            Some(_) => return self.no_call(parts),
        }
        let name = name.to_owned();
        self.held = rest.to_owned();
        self.lead.clear();
        self.calls += 1;
        self.state = Scan::Arguments(0, false, false);
        parts.push(Part::Call(name));
        true
    }

    fn arguments(
        &mut self,
        mut depth: usize,
        mut string: bool,
        mut escaped: bool,
        parts: &mut Vec<Part>,
    ) -> bool {
        let mut end = None;
        for (at, byte) in self.held.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if string => escaped = true,
                b'"' => string = !string,
                _ if string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        end = Some(at + 1);
                        break;
                    }
                }
                _ => {}
            }
        }
        let text: String = self.held.drain(..end.unwrap_or(self.held.len())).collect();
        if !text.is_empty() {
            parts.push(Part::Arguments(text));
        }
        self.state = match end {
            Some(_) => Scan::Tail,
            None => Scan::Arguments(depth, string, escaped),
        };
        end.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Tools {
        let tool = |name: &str| Tool {
            name: name.into(),
            description: None,
            parameters: json!({"type": "object"}),
        };
        Tools {
            tools: ["a.b", "c"].map(tool).into(),
            ..Tools::default()
        }
    }

    /// Text and calls of an answer that comes in pieces of `size` characters.
    fn read(format: Format, answer: &str, size: usize) -> (String, Vec<(String, String)>) {
        let mut parser = format.parser(&offered());
        let characters: Vec<char> = answer.chars().collect();
        let mut parts: Vec<Part> = characters
            .chunks(size)
            .flat_map(|piece| parser.push(&piece.iter().collect::<String>()))
            .collect();
        parts.extend(parser.finish());
        let (mut text, mut calls) = (String::new(), Vec::<(String, String)>::new());
        for part in parts {
            match part {
                Part::Text(t) => text += &t,
                Part::Call(name) => calls.push((name, String::new())),
                Part::Arguments(a) => calls.last_mut().unwrap().1 += &a,
            }
        }
        (text, calls)
    }

    fn call(name: &str, arguments: &str) -> (String, String) {
        (name.into(), arguments.into())
    }

    #[test]
    fn answers_of_every_form_are_taken_apart_in_pieces_of_any_size() {
        let tricky = r#"{"path": "a \"}\\", "deep": {"list": [1, {}]}}"#;
        let hermes = format!(
            "Wait <b> ü\n<tool_call>\n{{\"name\": \"a.b\", \"arguments\": {tricky}}}\n</tool_call>\n\
             <tool_call>\n{{\"name\": \"c\", \"arguments\": {{}}}}\n</tool_call>"
        );
        let mistral = format!(
            "Wait[TOOL_CALLS] [{{\"name\": \"a.b\", \"arguments\": {tricky}}}, {{\"name\": \"c\", \
             \"arguments\": {{}}}}]"
        );
        let llama = format!(
            "<|python_tag|>{{\"name\": \"a.b\", \"parameters\": {tricky}}}; {{\"name\": \"c\", \
             \"parameters\": {{}}}}"
        );
        for size in 1..40 {
            for (format, answer, text) in [
                (Format::Hermes, &hermes, "Wait <b> ü\n"),
                (Format::Mistral, &mistral, "Wait"),
                (Format::Llama, &llama, ""),
            ] {
                let (said, calls) = read(format, answer, size);
                assert_eq!(said, text, "{format:?} {size}");
                assert_eq!(calls, [call("a.b", tricky), call("c", "{}")], "{size}");
            }
            for format in [Format::Hermes, Format::Mistral, Format::Llama] {
                let text = "No call <tool_ca {\"name\": [TOOL_CAL";
                assert_eq!(read(format, text, size), (text.into(), vec![]));
            }
            // Cut off by a limit.
            let (said, calls) = read(Format::Hermes, &hermes[..55], size);
            assert_eq!(
                (said.as_str(), calls.len()),
                ("Wait <b> ü\n", 1),
                "{calls:?}"
            );
        }
    }

    #[test]
    fn what_is_no_call_of_an_offered_tool_stays_text_marker_and_all() {
        let good = "<tool_call>\n{\"name\": \"c\", \"arguments\": {}}\n</tool_call>";
        for text in [
            "<tool_call>",
            "A <tool_call> is how I call.",
            "<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"c\", \"arguments\": 5}",
            "<tool_call>\n{\"name\": \"c",
            "<tool_call><tool_call> ",
            "{\"text\": \"<tool_call>{\\\"name\\\": \\\"c\\\"}\"}",
        ] {
            for size in 1..20 {
                assert_eq!(read(Format::Hermes, text, size), (text.into(), vec![]));
                if !text.ends_with("\"c") && !text.ends_with("tool_call>") {
                    let (said, calls) = read(Format::Hermes, &format!("{text}{good}"), size);
                    assert_eq!(
                        (said.as_str(), calls),
                        (text, vec![call("c", "{}")]),
                        "{size}"
                    );
                }
            }
        }
        for size in 1..20 {
            let text = "[TOOL_CALLS][{\"name\": \"rm\", \"arguments\": {}}]";
            assert_eq!(read(Format::Mistral, text, size), (text.into(), vec![]));
            let text = " <|python_tag|>{\"name\": \"rm\", \"parameters\": {}}";
            assert_eq!(read(Format::Llama, text, size), (text.into(), vec![]));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_survived(
            pieces in proptest::collection::vec(
                "(<tool_call>|</tool_call>|\\{\"name\": \"|\", \"arguments\": |\\[TOOL_CALLS\\]|[a{}\\[\\]\"\\\\\n;, ü]){0,6}",
                0..8,
            ),
        ) {
            for format in [Format::Hermes, Format::Mistral, Format::Llama] {
                let mut parser = format.parser(&offered());
                for piece in &pieces {
                    parser.push(piece);
                }
                parser.finish();
            }
        }
    }

    #[test]
    fn templates_tell_their_form() {
        for (template, format) in [
            ("{{ '<tool_call>\\n' }}", Some(Format::Hermes)),
            ("{{ '[TOOL_CALLS] [' }}", Some(Format::Mistral)),
            ("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", None),
            (
                "Environment: ipython{{ '{\"name\": ' }}{{ '\"parameters\": ' }}",
                Some(Format::Llama),
            ),
            // Command R, Qwen3-Coder and GLM have forms of their own.
            ("{{ '{\"name\": ' }}{{ '\"parameters\": ' }}", None),
            ("<tool_call>\n<function={{ name }}>", None),
            ("<tool_call>{{ name }}<arg_key>", None),
            ("{% for m in messages %}{% endfor %}", None),
        ] {
            assert_eq!(Format::of(template), format, "{template}");
        }
    }

    #[test]
    fn tools_in_words() {
        let tools = Tools {
            tools: vec![Tool {
                name: "files.list".into(),
                description: Some("Lists a folder".into()),
                parameters: json!({"type": "object"}),
            }],
            ..Tools::default()
        };
        let result = |text: &str| Message {
            tool_call_id: Some("1".into()),
            ..Message::new("tool", text)
        };
        let asked = Message {
            tool_calls: vec![ToolCall {
                id: "1".into(),
                kind: function(),
                function: Function {
                    name: "files.list".into(),
                    arguments: json!({}),
                },
            }],
            ..Message::new("assistant", "")
        };
        let told = tools.in_words(&[Message::new("user", "Hi"), asked, result("a"), result("b")]);
        let roles: Vec<_> = told.iter().map(|m| m.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
        assert!(
            told[0].content.contains("Lists a folder"),
            "{}",
            told[0].content
        );
        assert_eq!(
            told[2].content,
            "<tool_call>\n{\"name\":\"files.list\",\"arguments\":{}}\n</tool_call>"
        );
        assert_eq!(
            told[3].content,
            "<tool_response>\na\n</tool_response>\n<tool_response>\nb\n</tool_response>"
        );
        let told = tools.in_words(&[Message::new("system", "Be brief.")]);
        assert!(told[0].content.starts_with("Be brief.\n\nYou can call"));
    }

    #[test]
    fn what_is_wrong_with_tools_is_said() {
        let tool = |name: &str, parameters: Value| Tool {
            name: name.into(),
            description: None,
            parameters,
        };
        let check = |list: Vec<Tool>, choice| {
            let tools = Tools {
                tools: list,
                choice,
                parallel: true,
            };
            tools.check().unwrap_err().to_string()
        };
        let fine = || tool("a", json!({}));
        assert!(check(vec![tool("a b", json!({}))], Choice::Auto).contains("`a b`"));
        assert!(check(vec![tool("a", json!(1))], Choice::Auto).contains("JSON Schema"));
        assert!(check(vec![fine(), fine()], Choice::Auto).contains("two tools"));
        assert!(check(vec![fine()], Choice::Named("b".into())).contains("`b`"));
        assert!(check(vec![], Choice::Required).contains("none"));
    }
}
