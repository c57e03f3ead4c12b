//! Answers that follow a grammar: before each token, those that would break it are taken away.
//!
//! The grammar engine is llguidance. It thinks in bytes, so it is told which bytes each token of the
//! model's vocabulary stands for; that is made once for a model, at its first grammar. A grammar is
//! somebody else's text: what it may cost is bounded, and what is wrong with it is said before anything
//! is computed.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::{AddedToken, DecoderWrapper, Tokenizer};

use super::copied::{self, Schemas};
use crate::{Error, Result};

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// A value that this JSON Schema allows; `{}` or `true`: any JSON value. A string with `"x-copied-from": "prompt"`
    /// is a part of the user's last message, or of the text that is continued.
    JsonSchema(Value),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// A text of this grammar, in llguidance's dialect of Lark. `%regex {"substring_chars": "…"}` is any part
    /// of a text: how a value is copied and not made up.
    Lark(String),
}

impl Grammar {
    /// The same with what is copied in it, which comes from what was `asked`.
    ///
    /// # Errors
    /// The keyword makes no sense where it stands, or there is nothing to copy from.
    pub(super) fn with_copies(self, asked: Option<&str>) -> Result<Self> {
        match self {
            Self::JsonSchema(schema) if copied::is_in(&schema) => {
                let mut schemas = Schemas::new(asked);
                let value = schemas.expression(&schema)?;
                Ok(Self::Lark(format!("start: {value}\n{}", schemas.rules())))
            }
            other => Ok(other),
        }
    }
}

/// Largest grammar, in bytes of its text.
const MAX_BYTES: usize = 1 << 20;

/// The grammar engine for one model.
pub(super) struct Grammars {
    tokenizer: Arc<Tokenizer>,
    vocabulary: usize,
    stop_tokens: Arc<[u32]>,
    factory: OnceLock<std::result::Result<ParserFactory, String>>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    pub(super) fn new(
        tokenizer: Arc<Tokenizer>,
        vocabulary: usize,
        stop_tokens: Arc<[u32]>,
    ) -> Self {
        Self {
            tokenizer,
            vocabulary,
            stop_tokens,
            factory: OnceLock::new(),
        }
    }

    /// The token that is this whole text and stands in no other one.
    pub(super) fn special(&self, text: &str) -> Option<u32> {
        self.tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .find(|(_, token)| token.content == text && is_special(token))
            .map(|(id, _)| id)
    }

    /// A grammar made ready for one answer.
    pub(super) fn constraint(&self, grammar: &Grammar) -> Result<Constraint> {
        let invalid = |reason: String| {
            Error::InvalidArguments(format!("the grammar cannot be followed: {reason}"))
        };
        let (text, parsed) = match grammar {
            Grammar::JsonSchema(schema) => (
                schema.to_string().len(),
                TopLevelGrammar::from_json_schema(schema.clone()),
            ),
            Grammar::Regex(regex) => (regex.len(), TopLevelGrammar::from_regex(regex)),
            Grammar::Lark(lark) => (lark.len(), TopLevelGrammar::from_lark(lark.clone())),
        };
        if text > MAX_BYTES {
            return Err(invalid(format!(
                "it has {text} bytes; at most {MAX_BYTES} are taken"
            )));
        }
        let factory = self
            .factory
            .get_or_init(|| self.factory())
            .as_ref()
            .map_err(|e| invalid(format!("this model's vocabulary does not allow it: {e}")))?;
        let matcher = Matcher::new(factory.create_parser(parsed));
        match matcher.get_error() {
            Some(error) => Err(invalid(error)),
            None => Ok(Constraint { matcher }),
        }
    }

    fn factory(&self) -> std::result::Result<ParserFactory, String> {
        let words = vocabulary(&self.tokenizer, self.vocabulary)?;
        let end = self.stop_tokens.first().copied().unwrap_or(0);
        let info = TokRxInfo::new(words.len() as u32, end);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(if self.stop_tokens.is_empty() {
            &[0]
        } else {
            &self.stop_tokens
        });
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&environment).map_err(|e| e.to_string())?;
        factory.quiet();
        Ok(factory)
    }
}

/// A grammar and how far an answer has come in it.
pub(super) struct Constraint {
    matcher: Matcher,
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Constraint").finish_non_exhaustive()
    }
}

impl Constraint {
    /// Makes tokens impossible that would break the grammar. Where the answer is complete, only the tokens that
    /// end it are left.
    pub(super) fn mask(&mut self, logits: &mut [f32]) -> std::result::Result<(), String> {
        let allowed: SimpleVob = self
            .matcher
            .compute_mask_or_eos()
            .map_err(|e| format!("the grammar cannot go on: {e}"))?;
        for (token, logit) in logits.iter_mut().enumerate() {
            if token >= allowed.len() || !allowed.is_allowed(token as u32) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    /// Takes the token that was chosen. `true` where the answer is complete and nothing can follow.
    pub(super) fn take(&mut self, token: u32) -> std::result::Result<bool, String> {
        self.matcher
            .consume_token(token)
            .map_err(|e| format!("the grammar does not take token {token}: {e}"))?;
        Ok(self.matcher.is_stopped())
    }
}

/// How a vocabulary writes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// Each byte is a character of its own: `Ġ` is a space.
    ByteLevel,
    /// Text, with `▁` for a space and `<0x0A>` for bytes that no token has.
    ByteFallback,
}

/// The bytes of each token, as many as the model has logits. Special tokens begin with a byte that stands
/// in no text.
fn vocabulary(tokenizer: &Tokenizer, size: usize) -> std::result::Result<Vec<Vec<u8>>, String> {
    let writing = tokenizer
        .get_decoder()
        .and_then(writing)
        .ok_or("its tokenizer's decoder is neither byte-level nor byte-fallback")?;
    let special = |name: &str| {
        let mut bytes = vec![TokTrie::SPECIAL_TOKEN_MARKER];
        bytes.extend(name.as_bytes());
        bytes
    };
    let added = tokenizer.get_added_tokens_decoder();
    let bytes: HashMap<char, u8> = byte_characters().into_iter().zip(0..=255).collect();
    (0..size as u32)
        .map(|id| {
            if let Some(token) = added.get(&id) {
                return Ok(if is_special(token) {
                    special(&token.content)
                } else {
                    token.content.clone().into_bytes()
                });
            }
            // Logits are often padded to a round number.
            let Some(name) = tokenizer.id_to_token(id) else {
                return Ok(special(&format!("[{id}]")));
            };
            Ok(match writing {
                Writing::ByteLevel => name
                    .chars()
                    .map(|c| bytes.get(&c).copied())
                    .collect::<Option<_>>()
                    // A token that is none of the text's, whatever it is for.
                    .unwrap_or_else(|| special(&name)),
                Writing::ByteFallback => byte_name(&name)
                    .map_or_else(|| name.replace('\u{2581}', " ").into_bytes(), |b| vec![b]),
            })
        })
        .collect()
}

/// Whether an added token means itself and not its text.
pub(super) fn is_special(token: &AddedToken) -> bool {
    token.special || (token.content.starts_with('<') && token.content.ends_with('>'))
}

fn writing(decoder: &DecoderWrapper) -> Option<Writing> {
    match decoder {
        DecoderWrapper::ByteLevel(_) => Some(Writing::ByteLevel),
        DecoderWrapper::ByteFallback(_) | DecoderWrapper::Metaspace(_) => {
            Some(Writing::ByteFallback)
        }
        DecoderWrapper::Sequence(parts) => parts.get_decoders().iter().find_map(writing),
        _ => None,
    }
}

/// `<0x0A>`
fn byte_name(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

/// The character that byte-level vocabularies write for each byte: itself where it can be seen, else one
/// after U+0100 (GPT-2's `bytes_to_unicode`).
fn byte_characters() -> [char; 256] {
    let mut next = 0x100;
    std::array::from_fn(|byte| {
        let own = char::from(byte as u8);
        if matches!(own, '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}') {
            own
        } else {
            next += 1;
            char::from_u32(next - 1).unwrap_or(own)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal::tools::{Choice, Format, Thoughts, Tool, Tools};
    use std::path::Path;

    fn grammars() -> Grammars {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/lm/tokenizer.json");
        let tokenizer = Arc::new(Tokenizer::from_file(file).unwrap());
        Grammars::new(tokenizer, 98, [1].into())
    }

    /// Answers by taking the first allowed token of `wish` each time; the text when it is complete.
    fn answer(grammar: &Grammar, wish: &[f32]) -> String {
        let grammars = grammars();
        let mut constraint = grammars.constraint(grammar).unwrap();
        let (mut tokens, mut text) = (Vec::new(), String::new());
        for _ in 0..200 {
            let mut logits = wish.to_vec();
            constraint.mask(&mut logits).unwrap();
            let best =
                (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a)));
            let token = best.unwrap() as u32;
            assert!(logits[token as usize].is_finite());
            let done = constraint.take(token).unwrap();
            if token == 1 {
                break;
            }
            tokens.push(token);
            text = grammars.tokenizer.decode(&tokens, true).unwrap();
            if done {
                break;
            }
        }
        text
    }

    fn wish(seed: u32) -> Vec<f32> {
        (0..98u32)
            .map(|n| ((n * 37 + seed * 11) % 97) as f32)
            .collect()
    }

    #[test]
    fn whatever_the_model_wishes_the_answer_fits() {
        let schema = serde_json::json!({
            "type": "object",
            "properties": {"tool": {"enum": ["a.b", "c.d"]}, "n": {"type": "integer"}},
            "required": ["tool", "n"],
            "additionalProperties": false,
        });
        for seed in 0..20 {
            let text = answer(&Grammar::JsonSchema(schema.clone()), &wish(seed));
            // A number may go on for ever; where it ended, the whole is valid.
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                assert!(value["n"].is_number() && value["tool"].as_str().unwrap().contains('.'));
            } else {
                assert!(text.starts_with('{'), "{text}");
            }
            let text = answer(&Grammar::Regex("(yes|no)( please)?".into()), &wish(seed));
            assert!(
                ["yes", "no", "yes please", "no please"].contains(&text.as_str()),
                "{text}"
            );
        }
    }

    #[test]
    fn values_are_copied_from_a_text() {
        let lark =
            "start: \"<\" COPY \">\"\nCOPY: %regex {\"substring_chars\": \"/srv/data at 10:42\"}\n";
        for seed in 0..20 {
            let text = answer(&Grammar::Lark(lark.into()), &wish(seed));
            let copied = text.trim_start_matches('<').trim_end_matches('>');
            assert!("/srv/data at 10:42".contains(copied), "{text}");
        }
    }

    /// Whether an answer can be this text, token by token, and end there.
    fn takes(grammars: &Grammars, grammar: &Grammar, text: &str) -> bool {
        let mut constraint = grammars.constraint(grammar).unwrap();
        let encoded = grammars.tokenizer.encode(text, false).unwrap();
        let mut tokens = encoded.get_ids().iter().copied().chain([1]);
        while let Some(token) = tokens.next() {
            let mut logits = vec![0.0; grammars.vocabulary];
            if constraint.mask(&mut logits).is_err() || !logits[token as usize].is_finite() {
                return false;
            }
            match constraint.take(token) {
                Ok(false) => {}
                // Nothing can follow: nothing but the end may.
                Ok(true) => return tokens.next().is_none_or(|last| last == 1),
                Err(_) => return false,
            }
        }
        true
    }

    #[test]
    fn calls_fit_their_schema_in_every_form() {
        let tool = |name: &str, parameters: Value| Tool {
            name: name.into(),
            description: None,
            parameters,
        };
        let list = vec![
            tool(
                "go",
                serde_json::json!({"properties": {"far": {"type": "boolean"}}, "required": ["far"], "additionalProperties": false}),
            ),
            tool(
                "clock",
                serde_json::json!({"type": "object", "additionalProperties": false}),
            ),
        ];
        let with = |choice: Choice, parallel: bool| Tools {
            tools: list.clone(),
            choice,
            parallel,
        };
        let grammars = grammars();
        let go = |name: &str, far: &str, key: &str| {
            format!("{{\"name\": \"{name}\", \"{key}\": {far}}}")
        };
        // A marker that is a token of its own, and one that is text.
        let marked = |text: &str| (text == "<tool_call>").then_some(0);
        let unmarked = |_: &str| None;
        let wrap = |format: Format, special: bool, calls: &[String]| match format {
            Format::Hermes => {
                let begin = if special {
                    "<|im_start|>"
                } else {
                    "<tool_call>"
                };
                let calls: Vec<_> = calls
                    .iter()
                    .map(|c| format!("{begin}\n{c}\n</tool_call>"))
                    .collect();
                calls.join("\n")
            }
            Format::Mistral => format!("[TOOL_CALLS][{}]", calls.join(", ")),
            Format::Llama => calls.join("; "),
        };
        for (format, special) in [
            (Format::Hermes, true),
            (Format::Hermes, false),
            (Format::Mistral, false),
            (Format::Llama, false),
        ] {
            let key = if format == Format::Llama {
                "parameters"
            } else {
                "arguments"
            };
            let good = go("go", "{\"far\": true}", key);
            let clock = go("clock", "{}", key);
            let text = |calls: &[String]| wrap(format, special, calls);
            let check =
                |tools: Tools, answer: Option<&Value>, taken: &[String], refused: &[String]| {
                    let token: &dyn Fn(&str) -> Option<u32> =
                        if special { &marked } else { &unmarked };
                    let grammar = format.grammar(&tools, answer, None, None, token).unwrap();
                    for text in taken {
                        assert!(
                            takes(&grammars, &grammar, text),
                            "{format:?} {tools:?}: {text}"
                        );
                    }
                    for text in refused {
                        assert!(
                            !takes(&grammars, &grammar, text),
                            "{format:?} {tools:?}: {text}"
                        );
                    }
                };
            let bad = [
                text(&[go("go", "{\"far\": 1}", key)]),
                text(&[go("go", "{}", key)]),
                text(&[go("went", "{}", key)]),
                text(std::slice::from_ref(&good)).replacen('}', "", 1),
            ];
            let both = text(&[good.clone(), clock.clone()]);
            let one = text(std::slice::from_ref(&good));
            let plain = "Hello < [ you".to_owned();
            let with_text = (format != Format::Llama).then(|| format!("Well.\n{one}"));
            let mut taken = vec![one.clone(), plain.clone()];
            taken.extend(with_text.clone());
            let mut calls = vec![one.clone()];
            if format != Format::Llama {
                taken.push(both.clone());
                calls.push(both.clone());
            }
            // Text cannot spell what begins a call.
            let mut unspoken = bad.to_vec();
            unspoken.extend(match format {
                Format::Hermes if special => vec![
                    format!("<tool_call>\n{good}\n</tool_call>"),
                    "Say <tool_call>".to_owned(),
                ],
                Format::Llama => vec![
                    format!("\n{}", go("went", "{}", key)),
                    "<|python_tag|>x".to_owned(),
                ],
                Format::Hermes => vec!["Say <tool_call> now".to_owned()],
                Format::Mistral => vec!["Say [TOOL_CALLS] now".to_owned()],
            });
            check(with(Choice::Auto, true), None, &taken, &unspoken);
            check(
                with(Choice::Auto, false),
                None,
                std::slice::from_ref(&one),
                std::slice::from_ref(&both),
            );
            let mut refused = bad.to_vec();
            refused.push(plain.clone());
            refused.extend(with_text);
            check(with(Choice::Required, true), None, &calls, &refused);
            refused.push(both);
            refused.push(one.clone());
            check(
                with(Choice::Named("clock".into()), true),
                None,
                &[text(&[clock])],
                &refused,
            );
            let answer = serde_json::json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "additionalProperties": false});
            if format != Format::Llama {
                check(
                    with(Choice::Auto, true),
                    Some(&answer),
                    &[one, "{\"a\": null}".into()],
                    &[plain],
                );
            } else {
                let error = format.grammar(
                    &with(Choice::Auto, true),
                    Some(&answer),
                    None,
                    None,
                    &unmarked,
                );
                assert!(error.unwrap_err().to_string().contains("response format"));
            }
        }
    }

    #[test]
    fn a_model_thinks_before_it_answers_or_calls() {
        let mut tokenizer = Tokenizer::clone(&grammars().tokenizer);
        tokenizer.add_tokens(&["<think>", "</think>"].map(|t| AddedToken::from(t, false)));
        let size = tokenizer.get_vocab_size(true);
        let grammars = Grammars::new(Arc::new(tokenizer), size, [1].into());
        let (open, close) = (grammars.special("<think>"), grammars.special("</think>"));
        let (open, close) = (open.unwrap(), close.unwrap());
        // `<|im_start|>` stands for the marker of calls.
        let token = |text: &str| (text == "<tool_call>").then_some(0);
        let call = "<|im_start|>\n{\"name\": \"go\", \"arguments\": {}}\n</tool_call>";
        let with = |choice: Choice| Tools {
            tools: vec![Tool {
                name: "go".into(),
                description: None,
                parameters: serde_json::json!({"type": "object", "additionalProperties": false}),
            }],
            choice,
            parallel: true,
        };
        for choice in [Choice::Auto, Choice::Required] {
            for begun in [false, true] {
                let thoughts = Thoughts { open, close, begun };
                let grammar = Format::Hermes
                    .grammar(&with(choice.clone()), None, None, Some(thoughts), &token)
                    .unwrap();
                let opened = if begun { "" } else { "<think>" };
                for end in [call.to_owned(), format!(" \n{call}")] {
                    assert!(takes(&grammars, &grammar, &end[end.find('<').unwrap()..]));
                    let text = format!("{opened}Hm... well</think>{end}");
                    assert!(takes(&grammars, &grammar, &text), "{choice:?} {text}");
                }
                let text = format!("{opened}Hm</think>Hello");
                assert_eq!(takes(&grammars, &grammar, &text), choice == Choice::Auto);
                let call = call.replace("<|im_start|>", "<tool_call>");
                assert!(!takes(
                    &grammars,
                    &grammar,
                    &format!("{opened}{call}</think>x")
                ));
            }
        }
    }

    #[test]
    fn strings_are_copied_from_what_was_asked() {
        let grammars = grammars();
        let asked = "say \"hi\"\tto /srv/data, please";
        let path = serde_json::json!({"type": "string", "x-copied-from": "prompt", "description": "a path"});
        let schema = serde_json::json!({
            "type": "object",
            "title": "Copy",
            "properties": {
                "from": path,
                "to": {"anyOf": [path, {"type": "null"}]},
                "list": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 2},
                "n": {"$ref": "#/$defs/number"},
            },
            "required": ["from"],
            "$defs": {"name": path, "number": {"type": "integer"}},
        });
        let grammar = Grammar::JsonSchema(schema)
            .with_copies(Some(asked))
            .unwrap();
        for text in [
            r#"{"from": "/srv/data"}"#,
            // Everything, and what a JSON string writes otherwise.
            r#"{"from": "say \"hi\"\tto /srv/data, please"}"#,
            r#"{"from": "\"hi\"\tt", "list": [], "n": 3}"#,
            r#"{"from": "s", "to": "/", "list": ["hi", "data"], "n": -1}"#,
            r#"{"from": "s", "to": null}"#,
        ] {
            assert!(takes(&grammars, &grammar, text), "{text}");
        }
        for text in [
            r#"{"from": "/srv/date"}"#,
            r#"{"from": "data/srv"}"#,
            r#"{"from": ""}"#,
            r#"{"from": "\"}"#,
            r#"{"from": "\"hi\"t"}"#,
            r#"{"from": 1}"#,
            r#"{"n": 3}"#,
            r#"{"from": "s", "list": ["hi", "s", "s"]}"#,
            r#"{"from": "s", "list": ["none"]}"#,
            r#"{"from": "s", "more": 1}"#,
            r#"{"from": "s" }"#,
        ] {
            assert!(!takes(&grammars, &grammar, text), "{text}");
        }
        for seed in 0..20 {
            let text = answer(&grammar, &wish(seed));
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                assert!(asked.contains(value["from"].as_str().unwrap()), "{text}");
            } else {
                assert!(text.starts_with("{\"from\": \""), "{text}");
            }
        }
        // As long as it may be, with the same character all along, and with none twice in a row.
        for asked in ["x".repeat(4096), "ab, c".repeat(819)] {
            let copied = serde_json::json!({"x-copied-from": "prompt"});
            let grammar = Grammar::JsonSchema(copied)
                .with_copies(Some(&asked))
                .unwrap();
            let start = std::time::Instant::now();
            assert!(takes(&grammars, &grammar, &format!("\"{}\"", &asked[..80])));
            assert!(!takes(&grammars, &grammar, "\"z\""));
            assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
        }
    }

    #[test]
    fn arguments_are_copied_from_what_was_asked() {
        let grammars = grammars();
        let tools = |from: &str| Tools {
            tools: vec![
                Tool {
                    name: "open".into(),
                    description: None,
                    parameters: serde_json::json!({
                        "properties": {"path": {"type": "string", "x-copied-from": from}},
                        "required": ["path"],
                    }),
                },
                Tool {
                    name: "say".into(),
                    description: None,
                    parameters: serde_json::json!({
                        "properties": {"text": {"type": "string"}},
                        "required": ["text"], "additionalProperties": false,
                    }),
                },
            ],
            choice: Choice::Auto,
            parallel: true,
        };
        let grammar = |from: &str| {
            Format::Hermes.grammar(&tools(from), None, Some("open notes.txt"), None, &|_| None)
        };
        let called = |name: &str, arguments: &str| {
            format!(
                "<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>"
            )
        };
        let good = grammar("prompt").unwrap();
        for (name, arguments, taken) in [
            ("open", r#"{"path": "notes.txt"}"#, true),
            ("open", r#"{"path": "note.txt"}"#, false),
            ("open", "{}", false),
            // What another tool's strings say is its own.
            ("say", r#"{"text": "note.txt"}"#, true),
        ] {
            let text = called(name, arguments);
            assert_eq!(takes(&grammars, &good, &text), taken, "{text}");
        }
        let error = grammar("memory").unwrap_err().to_string();
        assert!(
            error.contains("tool `open`") && error.contains("`$.path`") && error.contains("memory"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_grammar_is_said() {
        let grammars = grammars();
        for grammar in [
            Grammar::Regex("(".into()),
            Grammar::Lark("start: nothing".into()),
            Grammar::JsonSchema(serde_json::json!({"type": "strnig"})),
            Grammar::Regex("x".repeat(MAX_BYTES + 1)),
        ] {
            let error = grammars.constraint(&grammar).unwrap_err().to_string();
            assert!(error.contains("cannot be followed"), "{error}");
        }
    }

    #[test]
    fn byte_level_characters() {
        let characters = byte_characters();
        assert_eq!(
            (characters[b' ' as usize], characters[b'\n' as usize]),
            ('\u{120}', '\u{10a}')
        );
        assert_eq!(characters[b'a' as usize], 'a');
        let mut sorted = characters.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 256);
    }
}
