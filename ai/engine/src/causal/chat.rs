//! The chat template of the model's own folder, and the text it makes of a conversation.
//!
//! Templates are Jinja as `transformers` runs it: in `chat_template.jinja`, else `chat_template` of
//! `tokenizer_config.json`. They are the model maker's program text, so they run without access to
//! anything but the messages and with a bound on their work.

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings::json;
use crate::{Error, Result};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

const NAME: &str = "chat";

/// Bound on a template's work, in instructions: far above any chat, far below a hang.
const FUEL: u64 = 20_000_000;

impl Template {
    /// Reads the folder's template; `None` if it has none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let config = json(folder, "tokenizer_config.json")?.unwrap_or_default();
        let file = folder.join("chat_template.jinja");
        let source = if file.exists() {
            Some(std::fs::read_to_string(&file).map_err(|e| Error::Model {
                path: file.clone(),
                reason: e.to_string(),
            })?)
        } else {
            match config.get("chat_template") {
                Some(Value::String(s)) => Some(s.clone()),
                // Several named ones: the one for chats is called `default`.
                Some(Value::Array(list)) => list
                    .iter()
                    .find(|t| t["name"] == "default")
                    .or(list.first())
                    .and_then(|t| t["template"].as_str())
                    .map(str::to_owned),
                _ => None,
            }
        };
        let Some(source) = source else {
            return Ok(None);
        };
        let token = |name: &str| match &config[name] {
            Value::String(s) => s.clone(),
            other => other["content"].as_str().unwrap_or_default().to_owned(),
        };
        let mut environment = Environment::new();
        // As transformers sets its Jinja up.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|e| Error::Model {
            path: folder.to_owned(),
            reason: format!("its chat template: {e}"),
        })?);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<String, _> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", |format: String| {
            jiff::Zoned::now().strftime(&format).to_string()
        });
        environment.add_filter("tojson", tojson);
        environment
            .add_template_owned(NAME, source)
            .map_err(|e| Error::Model {
                path: folder.to_owned(),
                reason: format!("its chat template: {e:#}"),
            })?;
        Ok(Some(Self {
            environment,
            bos_token: token("bos_token"),
            eos_token: token("eos_token"),
        }))
    }

    /// The prompt for the next answer.
    pub(super) fn render(&self, messages: &[Message]) -> Result<String> {
        let render = || {
            self.environment
                .get_template(NAME)?
                .render(minijinja::context! {
                    messages => Serde(messages),
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

/// `tojson` without the escaping for HTML that Jinja's own does, and with `indent`.
fn tojson(
    value: minijinja::Value,
    options: Kwargs,
) -> std::result::Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    let failed =
        |e: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string());
    match indent {
        None => serde_json::to_string(&value).map_err(failed),
        Some(width) => {
            let mut bytes = Vec::new();
            let spaces = " ".repeat(width.min(16));
            let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
            value.serialize(&mut serializer).map_err(failed)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
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
            .map(|(role, content)| Message {
                role: role.into(),
                content: content.into(),
            })
            .to_vec()
    }

    #[test]
    fn chatml() {
        let t = template(
            "{% for m in messages %}\n{{ '<|im_start|>' + m['role'] + '\n' + m['content'].strip() + '<|im_end|>\n' }}\n{% endfor %}\n{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        );
        let text = t.render(&messages()).unwrap();
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
            t.render(&messages()).unwrap(),
            r#"<s>2{"role":"user","content":" Hello <b> "}</s>"#
        );
    }

    #[test]
    fn template_can_refuse() {
        let t = template("{{ raise_exception('System role not supported') }}");
        let error = t.render(&messages()).unwrap_err().to_string();
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
}
