//! The chat template of the model's own folder, and the text it makes of a conversation.
//!
//! Templates are Jinja as `transformers` runs it: in `chat_template.jinja`, else `chat_template` of
//! `tokenizer_config.json`. They are the model maker's program text, so they run without access to
//! anything but the messages and with a bound on their work.

use std::path::Path;

use minijinja::Environment;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jinja;
use super::tools::{Format, ToolCall, Tools};
use crate::folder::{json, text};
use crate::{Error, Result};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// The text.
    #[serde(default)]
    pub content: String,
    /// What an assistant called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's text is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Who speaks, where a role is not enough; a tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    /// A message with nothing but a text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
            ..Self::default()
        }
    }
}

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    /// How it writes calls, where it knows tools.
    format: Option<Format>,
    bos_token: String,
    eos_token: String,
}

const NAME: &str = "chat";

impl Template {
    /// Reads the folder's template; `None` if it has none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let config = json(folder, "tokenizer_config.json")?.unwrap_or_default();
        let source = match text(folder, "chat_template.jinja")? {
            Some(source) => Some(source),
            None => match config.get("chat_template") {
                Some(Value::String(s)) => Some(s.clone()),
                // Several named ones: the one for chats is called `default`.
                Some(Value::Array(list)) => list
                    .iter()
                    .find(|t| t["name"] == "default")
                    .or(list.first())
                    .and_then(|t| t["template"].as_str())
                    .map(str::to_owned),
                _ => None,
            },
        };
        let Some(source) = source else {
            return Ok(None);
        };
        let token = |name: &str| match &config[name] {
            Value::String(s) => s.clone(),
            other => other["content"].as_str().unwrap_or_default().to_owned(),
        };
        let unusable = |e: minijinja::Error| Error::Model {
            path: folder.to_owned(),
            reason: format!("its chat template: {e:#}"),
        };
        let mut environment = jinja::environment().map_err(unusable)?;
        let format = Format::of(&source).filter(|_| source.contains("tools"));
        environment
            .add_template_owned(NAME, jinja::source(&source))
            .map_err(unusable)?;
        Ok(Some(Self {
            environment,
            format,
            bos_token: token("bos_token"),
            eos_token: token("eos_token"),
        }))
    }

    /// How the model writes calls of tools.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or(Format::Hermes)
    }

    /// The prompt for the next answer.
    pub(super) fn render(&self, messages: &[Message], tools: &Tools) -> Result<String> {
        let calls = |m: &Message| !m.tool_calls.is_empty() || m.role == "tool";
        let in_words =
            self.format.is_none() && (!tools.tools.is_empty() || messages.iter().any(calls));
        let told = in_words.then(|| tools.in_words(messages));
        let messages = told.as_deref().unwrap_or(messages);
        let for_template = tools.for_template();
        // Absent tools are `none` and not undefined: templates ask `tools is not none`.
        let tools = (self.format.is_some() && !for_template.is_empty())
            .then_some(Serde(for_template.as_slice()));
        let render = || {
            self.environment
                .get_template(NAME)?
                .render(minijinja::context! {
                    messages => Serde(messages),
                    tools => tools,
                    documents => (),
                    add_generation_prompt => true,
                    bos_token => self.bos_token.as_str(),
                    eos_token => self.eos_token.as_str(),
                })
        };
        render().map_err(|e| {
            Error::InvalidArguments(format!(
                "the model's chat template refuses these messages: {e:#}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str) -> Template {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "chat_template": source,
            "bos_token": {"content": "<s>"},
            "eos_token": "</s>",
        });
        std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        Template::read(dir.path()).unwrap().unwrap()
    }

    fn messages() -> Vec<Message> {
        [("system", "Be brief."), ("user", " Hello <b> ")]
            .map(|(role, content)| Message::new(role, content))
            .to_vec()
    }

    #[test]
    fn chatml() {
        let t = template(
            "{% for m in messages %}\n{{ '<|im_start|>' + m['role'] + '\n' + m['content'].strip() + '<|im_end|>\n' }}\n{% endfor %}\n{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        );
        let text = t.render(&messages(), &Tools::default()).unwrap();
        assert!(
            text.starts_with("<|im_start|>system\nBe brief.<|im_end|>\n"),
            "{text}"
        );
        assert!(
            text.contains("<|im_start|>user\nHello <b><|im_end|>"),
            "{text}"
        );
        assert!(text.ends_with("<|im_start|>assistant\n"), "{text}");
    }

    #[test]
    fn tokens_loops_and_json() {
        let t = template(
            "{{ bos_token }}{%- set ns = namespace(n=0) -%}{%- for m in messages -%}{%- set ns.n = ns.n + 1 -%}{%- endfor -%}{{ ns.n }}{{ messages[1] | tojson }}{{ eos_token }}",
        );
        assert_eq!(
            t.render(&messages(), &Tools::default()).unwrap(),
            r#"<s>2{"role": "user", "content": " Hello <b> "}</s>"#
        );
    }

    #[test]
    fn tools_reach_a_template_that_knows_them_and_are_told_to_one_that_does_not() {
        let tools = Tools {
            tools: vec![super::super::tools::Tool {
                name: "clock".into(),
                description: None,
                parameters: serde_json::json!({"type": "object"}),
            }],
            ..Tools::default()
        };
        let knows = template(
            "{% if tools is not none %}{% for t in tools %}{{ t | tojson }}<tool_call>{% endfor %}{% endif %}{{ messages[0].content }}",
        );
        assert_eq!(
            knows.render(&messages(), &tools).unwrap(),
            r#"{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}<tool_call>Be brief."#
        );
        assert_eq!(
            knows.render(&messages(), &Tools::default()).unwrap(),
            "Be brief."
        );
        let plain = template("{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}");
        let text = plain.render(&messages(), &tools).unwrap();
        assert!(
            text.starts_with("system:Be brief.\n\nYou can call") && text.contains("clock"),
            "{text}"
        );
        // A tool's result is no role of its own there.
        let result = [Message::new("user", "?"), Message::new("tool", "12:00")];
        let text = plain.render(&result, &Tools::default()).unwrap();
        assert!(text.contains("user:<tool_response>\n12:00"), "{text}");
    }

    #[test]
    fn template_can_refuse() {
        let t = template("{{ raise_exception('System role not supported') }}");
        let error = t
            .render(&messages(), &Tools::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("System role not supported"), "{error}");
    }

    #[test]
    fn broken_template_is_the_models_fault() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Template::read(dir.path()).unwrap().is_none());
        std::fs::write(dir.path().join("chat_template.jinja"), "{% for %}").unwrap();
        let error = Template::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("chat template"), "{error}");
    }
    /// What `tests/render_templates.py` made of templates that others wrote, named by `ARGOS_CHAT_TEMPLATES`.
    #[test]
    fn templates_of_others_render_as_with_transformers() {
        let Some(path) = std::env::var_os("ARGOS_CHAT_TEMPLATES") else {
            eprintln!("left out: ARGOS_CHAT_TEMPLATES is not set");
            return;
        };
        let made: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut differences = Vec::new();
        let (mut same, mut refused) = (0, 0);
        for (file, template) in made["templates"].as_object().unwrap() {
            let source = template["source"].as_str().unwrap();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("chat_template.jinja"), source).unwrap();
            let config = serde_json::json!({"bos_token": made["bos"], "eos_token": made["eos"]});
            std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
            let mut read = Template::read(dir.path()).map(Option::unwrap);
            if let Ok(template) = &mut read {
                // Tools are given to each of them, also where calls could not be read back.
                template.format = Some(Format::Hermes);
            }
            for (name, expected) in template["renderings"].as_object().unwrap() {
                let conversation = &made["conversations"][name];
                let messages: Vec<Message> =
                    serde_json::from_value(conversation["messages"].clone()).unwrap();
                let tools = conversation["tools"].as_array().unwrap().iter().map(|t| {
                    let function = &t["function"];
                    super::super::tools::Tool {
                        name: function["name"].as_str().unwrap().into(),
                        description: function["description"].as_str().map(str::to_owned),
                        parameters: function["parameters"].clone(),
                    }
                });
                let tools = Tools {
                    tools: tools.collect(),
                    ..Tools::default()
                };
                let found = match &read {
                    Ok(template) => template.render(&messages, &tools),
                    Err(e) => Err(Error::InvalidArguments(e.to_string())),
                };
                match (expected["text"].as_str(), found) {
                    (Some(expected), Ok(found)) if expected == found => same += 1,
                    (Some(expected), found) => {
                        let found = found.unwrap_or_else(|e| e.to_string());
                        let common = expected.chars().zip(found.chars());
                        let at = common.take_while(|(a, b)| a == b).count();
                        let part = |text: &str| {
                            let skipped = text.chars().skip(at.saturating_sub(30));
                            skipped.take(160).collect::<String>()
                        };
                        let (wanted, got) = (part(expected), part(&found));
                        differences.push(format!("{file}, {name}: {wanted:?}\n  and not {got:?}"));
                    }
                    // A template's own refusal has to be one here as well.
                    (None, found) => {
                        let error = expected["error"].as_str().unwrap();
                        let told = error.split_once("TemplateError: ").map(|(_, text)| text);
                        match (told, found) {
                            (Some(told), Err(e)) if !e.to_string().contains(told) => {
                                differences.push(format!("{file}, {name}: {error}\n  and not {e}"));
                            }
                            (Some(_), Ok(_)) => {
                                differences.push(format!("{file}, {name}: not refused: {error}"));
                            }
                            _ => refused += 1,
                        }
                    }
                }
            }
        }
        eprintln!(
            "{same} the same, {refused} refused, {} not",
            differences.len()
        );
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }
}
