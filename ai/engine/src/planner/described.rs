//! Tools that the model was not trained on: known by their description and examples alone.
//!
//! A provider (an MCP server, a D-Bus service) brings a name, a description, a JSON Schema of its arguments and,
//! if it is kind, a few sentences that people would say. Each of these texts has an embedding; a request is
//! meant for the tool whose nearest text is near enough, and nearer than what the trained tools make of it. Its
//! arguments are read with the slots that all tools share (`path`, `query`, `when`, …), chosen for each property of
//! the schema by format, type and name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::{Argument, Config};
use super::values::Kind;
use crate::{Error, Result};

/// Most tools described in one request.
const MAX_TOOLS: usize = 256;
/// Most texts of a tool that are embedded: its description and what people say.
const MAX_TEXTS: usize = 17;
/// Longest of these texts, in bytes: in ordinary words well below the model's 128 tokens. A tool whose text is more
/// all the same is left out.
const LONGEST_TEXT: usize = 200;
/// Most values of a closed set that are looked for.
const MAX_VALUES: usize = 256;
/// Most properties of a tool that are filled from a request.
const MAX_PROPERTIES: usize = 16;

/// A tool as its provider describes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// Unique among all tools: `weather.forecast`.
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// What people say who want it.
    #[serde(default)]
    pub examples: Vec<String>,
    /// JSON Schema of its arguments, an object. What has no slot that fits is left out.
    #[serde(default)]
    pub parameters: Value,
}

/// A tool that may be proposed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Offered {
    /// One that the model was trained on. Names that it does not know are ignored.
    Known(String),
    /// Any other.
    Described(Box<Described>),
}

impl Offered {
    /// Its name, if it is a trained one.
    pub(super) fn trained(&self) -> Option<&str> {
        match self {
            Self::Known(name) => Some(name),
            Self::Described(_) => None,
        }
    }
}

impl From<&str> for Offered {
    fn from(name: &str) -> Self {
        Self::Known(name.to_owned())
    }
}

/// Cosine of two embeddings at which half of the requests are meant for the described tool, where no trained
/// one is likely; and by how much more it has to be where one is certain. Fitted to the requests of
/// `ai/train/evaluation`, those for described tools against all others.
const MIDDLE: f32 = 0.35;
const AGAINST: f32 = 0.1;
/// Cosine by which the odds change by a factor of e.
const STEP: f32 = 0.05;

/// From this probability on a described tool is what a request is about.
pub(super) const MEANT: f32 = 0.5;
/// From this probability on it is called; the broker asks the person besides, unless that was settled.
pub(super) const ACT: f32 = 0.7;

/// A described tool that is ready to be compared with.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) tool: Described,
    /// Embedding of each text.
    pub(super) texts: Arc<Vec<Vec<f32>>>,
    pub(super) parameters: Parameters,
}

/// How a tool's arguments are read from a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parameters {
    /// Read by the model's slots.
    pub(super) slots: BTreeMap<String, Argument>,
    /// One of these words.
    pub(super) choices: BTreeMap<String, Choice>,
    /// Required, and of a shape that no sentence fills (a list, an object).
    pub(super) unreadable: Option<String>,
}

/// An argument with a closed set of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) values: Vec<String>,
    pub(super) required: bool,
}

/// The tools that were described, checked.
pub(super) fn check<'a>(tools: &'a [Offered], config: &Config) -> Result<Vec<&'a Described>> {
    let described: Vec<&Described> = tools
        .iter()
        .filter_map(|tool| match tool {
            Offered::Described(tool) => Some(tool.as_ref()),
            Offered::Known(_) => None,
        })
        .collect();
    if described.len() > MAX_TOOLS {
        return Err(Error::InvalidArguments(format!(
            "{} tools are described; at most {MAX_TOOLS} are compared",
            described.len()
        )));
    }
    for tool in &described {
        if tool.name.trim().is_empty() || config.tools.contains(&tool.name) {
            return Err(Error::InvalidArguments(format!(
                "a described tool is called `{}`, which is empty or a built-in tool's name",
                tool.name
            )));
        }
    }
    Ok(described)
}

/// What of a tool is embedded. Its description tells in the beginning what it does; whatever follows would only
/// make it like everything else.
pub(super) fn texts(tool: &Described) -> impl Iterator<Item = &str> {
    std::iter::once(tool.description.as_str())
        .chain(tool.examples.iter().map(String::as_str))
        .map(beginning)
        .filter(|text| !text.trim().is_empty())
        .take(MAX_TEXTS)
}

/// The sentences that fit into [`LONGEST_TEXT`] bytes, or as many words.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end == text.len() {
        return text;
    }
    let cut = &text[..end];
    let sentence = cut.rfind(". ").map(|at| at + 1);
    &cut[..sentence.or_else(|| cut.rfind(' ')).unwrap_or(end)]
}

/// The tool that a request with this embedding is nearest to, and the probability of it being meant, if the
/// likeliest trained tool has the probability `likeliest`.
pub(super) fn nearest<'a>(
    tools: &'a [Known],
    request: &[f32],
    likeliest: f32,
) -> Option<(&'a Known, f32)> {
    let cosine = |text: &Vec<f32>| text.iter().zip(request).map(|(a, b)| a * b).sum::<f32>();
    let middle = MIDDLE + AGAINST * likeliest;
    tools
        .iter()
        // What no sentence can call must not stand in the way of what one can.
        .filter(|known| known.parameters.unreadable.is_none())
        .filter_map(|known| {
            let best = known.texts.iter().map(cosine).max_by(f32::total_cmp)?;
            Some((known, 1.0 / (1.0 + (-(best - middle) / STEP).exp())))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))
}

impl Parameters {
    /// Reads a JSON Schema. Whatever in it is not understood is no property to be filled.
    pub(super) fn of(schema: &Value, config: &Config) -> Self {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let required = |name: &str| {
            schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|n| n == name))
        };
        let mut parameters = Self::default();
        // Of two properties that want the same slot the required one has it.
        let mut ordered: Vec<_> = properties.iter().collect();
        ordered.sort_by_key(|(name, _)| !required(name));
        for (name, property) in ordered.into_iter().take(MAX_PROPERTIES) {
            let required = required(name);
            let property = plain(property);
            let values: Option<Vec<String>> = property["enum"].as_array().map(|values| {
                let words = values.iter().filter_map(Value::as_str).take(MAX_VALUES);
                words.map(str::to_owned).collect()
            });
            if let Some(values) = values.filter(|v| !v.is_empty()) {
                let choice = Choice { values, required };
                parameters.choices.insert(name.clone(), choice);
                continue;
            }
            // A slot is read once.
            let wanted = slots(name, property);
            let slot = wanted.iter().find(|(slot, _)| {
                config.slots.iter().any(|s| s == slot)
                    && parameters.slots.values().all(|a| a.slot != *slot)
            });
            match slot {
                Some((slot, kind)) => {
                    let argument = Argument {
                        slot: (*slot).to_owned(),
                        kind: *kind,
                        required,
                    };
                    parameters.slots.insert(name.clone(), argument);
                }
                None if required => parameters.unreadable = Some(name.clone()),
                None => {}
            }
        }
        parameters
    }
}

/// What a property is where it is something or nothing: `{"anyOf": [{"type": "integer"}, {"type": "null"}]}`.
fn plain(property: &Value) -> &Value {
    let branches = ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| property[*key].as_array());
    let some = |branch: &&Value| branch["type"] != "null";
    branches
        .and_then(|branches| branches.iter().find(some))
        .unwrap_or(property)
}

/// A slot of the model, and what its value is read as.
type Slot = (&'static str, Kind);

/// The slots that may hold a property, the best first.
fn slots(name: &str, property: &Value) -> Vec<Slot> {
    let parts = words(&snake(name));
    let called = |words: &[&str]| parts.iter().any(|part| words.contains(&part.as_str()));
    let several = property["type"].as_array().into_iter().flatten();
    let kind = property["type"]
        .as_str()
        .or_else(|| several.filter_map(Value::as_str).find(|t| *t != "null"))
        .unwrap_or("string");
    let format = property["format"].as_str().unwrap_or_default();
    match (kind, format) {
        ("boolean", _) => vec![("switch", Kind::Boolean)],
        ("integer" | "number", _) if called(&["percent"]) => vec![("percent", Kind::Percent)],
        ("integer" | "number", _) => vec![("number", Kind::Number), ("percent", Kind::Number)],
        ("string", "date-time" | "date" | "time") => vec![("when", Kind::Datetime)],
        ("string", "duration") => vec![("duration", Kind::Duration)],
        ("string", "uri" | "url" | "iri") => vec![("url", Kind::Url)],
        ("string", _) => {
            const NAMED: [(&[&str], &[Slot]); 8] = [
                (&["url", "link", "website"], &[("url", Kind::Url)]),
                (
                    &["path", "file", "folder", "directory"],
                    &[("path", Kind::Path), ("to", Kind::Path)],
                ),
                (&["when", "date", "time"], &[("when", Kind::Datetime)]),
                (&["duration"], &[("duration", Kind::Duration)]),
                (
                    &["text", "message", "body", "content", "comment"],
                    &[("text", Kind::Text)],
                ),
                (
                    &["title", "subject", "label", "name"],
                    &[("title", Kind::Text), ("query", Kind::Text)],
                ),
                (&["app", "program"], &[("app", Kind::App)]),
                (
                    &["recipient", "person", "contact"],
                    &[("agent", Kind::Text)],
                ),
            ];
            let named = NAMED.iter().filter(|(words, _)| called(words));
            let mut found: Vec<_> = named.flat_map(|(_, slots)| slots.iter().copied()).collect();
            found.extend([
                ("query", Kind::Text),
                ("text", Kind::Text),
                ("title", Kind::Text),
            ]);
            found
        }
        // A list or an object is in no sentence.
        _ => Vec::new(),
    }
}

/// `dueDate` as `due_date`.
fn snake(name: &str) -> String {
    let mut parts = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            parts.push('_');
        }
        parts.push(c);
    }
    parts
}

/// Cuts a date-time down to what a property's format takes of it.
pub(super) fn fit(property: &Value, value: &mut Value) {
    let Some((date, time)) = value.as_str().and_then(|text| text.split_once('T')) else {
        return;
    };
    let part = match property["format"].as_str() {
        Some("date") => date,
        Some("time") => time,
        _ => return,
    };
    *value = Value::from(part);
}

/// The value of each choice that stands in a request: the longest one, in any case, as whole words.
///
/// Choices with values in common (from one currency to another) get different ones: each the one that its name
/// stands before, the others in the order they are said.
pub(super) fn choose<'a>(
    choices: &'a BTreeMap<String, Choice>,
    request: &str,
) -> BTreeMap<&'a str, &'a str> {
    let said = words(request);
    let mut chosen: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    // Those first whose own name stands before a value.
    for named in [true, false] {
        for (name, choice) in choices {
            if chosen.contains_key(name.as_str()) {
                continue;
            }
            let own = words(name);
            let mut places: Vec<(usize, usize, &str)> = Vec::new();
            for value in &choice.values {
                let wanted = words(value);
                let stands = |at: &usize| {
                    let before = &said[..*at];
                    said[*at..].starts_with(&wanted) && (!named || before.ends_with(&own))
                };
                if let Some(at) = (0..said.len()).find(stands).filter(|_| !wanted.is_empty()) {
                    places.push((at, wanted.len(), value));
                }
            }
            // Of values that begin at one place the longest is meant.
            places.sort_by_key(|(at, length, _)| (*at, std::cmp::Reverse(*length)));
            let free = places
                .into_iter()
                .find(|(at, ..)| chosen.values().all(|(taken, _)| taken != at));
            if let Some((at, _, value)) = free {
                chosen.insert(name, (at, value));
            }
        }
    }
    chosen.into_iter().map(|(name, (_, v))| (name, v)).collect()
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::test_data::config;
    use super::*;
    use serde_json::json;

    fn known(name: &str, texts: Vec<Vec<f32>>) -> Known {
        Known {
            tool: Described {
                name: name.into(),
                description: String::new(),
                examples: Vec::new(),
                parameters: Value::Null,
            },
            texts: Arc::new(texts),
            parameters: Parameters::default(),
        }
    }

    #[test]
    fn the_nearest_text_decides() {
        let tools = [
            known("a", vec![vec![1.0, 0.0], vec![0.0, 1.0]]),
            known("b", vec![vec![0.8, 0.6]]),
            known("empty", vec![]),
        ];
        let (tool, probability) = nearest(&tools, &[0.6, 0.8], 0.0).unwrap();
        assert_eq!(tool.tool.name, "b");
        assert!(probability > 0.99);
        let (tool, probability) = nearest(&tools, &[0.0, -1.0], 0.0).unwrap();
        assert_eq!(tool.tool.name, "a");
        assert!(probability < 0.01);
        assert!(nearest(&[], &[1.0, 0.0], 0.0).is_none());
    }

    #[test]
    fn properties_find_their_slots() {
        let schema = json!({
            "type": "object",
            "required": ["file", "rows"],
            "properties": {
                "file": {"type": "string"},
                "title_words": {"type": "string"},
                "rows": {"type": "array"},
                "order": {"enum": ["by name", "by size"]},
                "odd": 7,
            },
        });
        let parameters = Parameters::of(&schema, &config());
        let slots: Vec<_> = parameters
            .slots
            .iter()
            .map(|(name, a)| (name.as_str(), a.slot.as_str(), a.required))
            .collect();
        // The test's model has neither `title` nor `text`.
        assert_eq!(
            slots,
            [("file", "path", true), ("title_words", "query", false)]
        );
        assert_eq!(parameters.unreadable.as_deref(), Some("rows"));
        let order = &parameters.choices;
        let found = choose(order, "sort them BY size, please");
        assert_eq!(found, BTreeMap::from([("order", "by size")]));
        assert!(choose(order, "sort them by sizes").is_empty());
        let schema = json!({"required": ["n"], "properties": {
            "timezone": {"type": "string"}, "n": {"anyOf": [{"type": "null"}, {"type": "array"}]},
        }});
        let parameters = Parameters::of(&schema, &config());
        assert_eq!(parameters.slots["timezone"].slot, "query");
        assert_eq!(parameters.unreadable.as_deref(), Some("n"));
        assert_eq!(
            Parameters::of(&json!("nonsense"), &config()),
            Parameters::default()
        );
    }

    #[test]
    fn dates_are_cut_to_their_format() {
        for (format, expected) in [
            ("date", "2026-03-18"),
            ("time", "10:30:00"),
            ("date-time", "2026-03-18T10:30:00"),
        ] {
            let mut value = json!("2026-03-18T10:30:00");
            fit(&json!({"type": "string", "format": format}), &mut value);
            assert_eq!(value, expected);
        }
        let mut number = json!(5);
        fit(&json!({"format": "date"}), &mut number);
        assert_eq!(number, 5);
    }

    #[test]
    fn choices_with_the_same_values_get_different_ones() {
        let values = vec!["EUR".to_owned(), "GBP".to_owned(), "GBP PENNY".to_owned()];
        let choice = Choice {
            values,
            required: true,
        };
        let choices = BTreeMap::from([("from".to_owned(), choice.clone()), ("to".into(), choice)]);
        for (request, from, to) in [
            ("200 gbp in eur", "GBP", "EUR"),
            ("to EUR, please, my 3 GBP penny", "GBP PENNY", "EUR"),
            ("how much is that in GBP, from EUR", "EUR", "GBP"),
        ] {
            let wanted = BTreeMap::from([("from", from), ("to", to)]);
            assert_eq!(choose(&choices, request), wanted, "{request}");
        }
        assert_eq!(choose(&choices, "5 EUR").len(), 1);
    }

    #[test]
    fn a_list_of_tools_is_names_and_descriptions() {
        let tools: Vec<Offered> = serde_json::from_value(json!([
            "files.list",
            {"name": "weather.get", "description": "Tells the weather"},
        ]))
        .unwrap();
        assert_eq!(tools[0], "files.list".into());
        assert_eq!(check(&tools, &config()).unwrap()[0].name, "weather.get");
        let taken = json!([{"name": "files.list", "description": "x"}]);
        let tools: Vec<Offered> = serde_json::from_value(taken).unwrap();
        assert!(check(&tools, &config()).is_err());
        assert!(serde_json::from_value::<Vec<Offered>>(json!([1])).is_err());
        let odd = json!([{"name": "x", "description": "y", "colour": "z"}]);
        assert!(serde_json::from_value::<Vec<Offered>>(odd).is_err());
    }
}
