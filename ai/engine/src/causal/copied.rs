//! Strings that a model copies instead of making them up: `"x-copied-from": "prompt"` in a JSON Schema.
//!
//! Such a string is a part of what was asked ([`asked`]), character by character. JSON Schema knows no such thing
//! and neither does what llguidance makes of one, but its dialect of Lark does. So where a schema has copied
//! strings, the objects and lists on the way to them are written as rules here, and everything beside that way stays
//! `%json`. What the rules take is a part of what the schema allows: objects get no other members than their
//! `properties`, and everything is written in one way ([`one_way`]).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Prompt;
use super::tools::{literal, one_way};
use crate::{Error, Result};

/// The keyword.
const KEYWORD: &str = "x-copied-from";

/// Longest text to copy from, in characters: the lexer has about two states for each, and all of them may be looked at for
/// one token.
const MAX_CHARACTERS: usize = 4096;

/// Most schemas in one another on the way to a copied string, references counted.
const MAX_DEPTH: usize = 64;

/// Keywords that say nothing about the value.
const ANNOTATIONS: [&str; 11] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "title",
    "x-guidance",
];

/// What a prompt asks: the last message of the user, or the text that is to be continued. Tokens say nothing.
pub(super) fn asked(prompt: &Prompt) -> Option<&str> {
    match prompt {
        Prompt::Chat(messages) | Prompt::Tools(messages, _) => {
            let last = messages.iter().rev().find(|m| m.role == "user");
            last.map(|m| m.content.as_str())
        }
        Prompt::Text(text) => Some(text),
        Prompt::Tokens(_) => None,
    }
}

/// Whether values of `schema` have strings that are copied.
pub(super) fn is_in(schema: &Value) -> bool {
    reaches(schema, schema)
}

/// Whether a copied string can be reached from `schema`, a part of `root`.
fn reaches(root: &Value, schema: &Value) -> bool {
    let mut followed = BTreeSet::new();
    let mut todo = vec![schema];
    while let Some(next) = todo.pop() {
        match next {
            Value::Array(list) => todo.extend(list),
            Value::Object(members) if members.contains_key(KEYWORD) => return true,
            Value::Object(members) => {
                for (key, value) in members {
                    match key.as_str() {
                        // Names of the author's own, with a schema each.
                        "properties" | "patternProperties" | "dependentSchemas" => {
                            todo.extend(value.as_object().into_iter().flat_map(Map::values));
                        }
                        "$ref" => {
                            let reference = value.as_str().unwrap_or_default();
                            if followed.insert(reference) {
                                todo.extend(target(root, reference));
                            }
                        }
                        // What is not referred to counts for nothing; the others hold values.
                        "$defs" | "definitions" | "const" | "default" | "enum" | "examples" => {}
                        _ => todo.push(value),
                    }
                }
            }
            _ => {}
        }
    }
    false
}

/// What `#/…` refers to.
fn target<'r>(root: &'r Value, reference: &str) -> Option<&'r Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// JSON Schemas as expressions of one Lark grammar, and the rules that the expressions refer to.
#[derive(Debug)]
pub(super) struct Schemas<'t> {
    /// What is copied from.
    text: Option<&'t str>,
    /// Bodies of the rules `value_0`, `value_1` and so on.
    rules: Vec<String>,
    copies: bool,
}

/// A schema that is on its way into the grammar.
struct Source<'s> {
    root: &'s Value,
    /// Rules of what was referred to.
    rules: BTreeMap<&'s str, String>,
}

impl<'t> Schemas<'t> {
    pub(super) fn new(text: Option<&'t str>) -> Self {
        Self {
            text,
            rules: Vec::new(),
            copies: false,
        }
    }

    /// An expression for values of `schema`.
    ///
    /// # Errors
    /// The keyword makes no sense where it stands, or there is nothing to copy from.
    pub(super) fn expression(&mut self, schema: &Value) -> Result<String> {
        let mut source = Source {
            root: schema,
            rules: BTreeMap::new(),
        };
        self.part(&mut source, schema, "$", 0)
    }

    /// The rules of all expressions so far.
    pub(super) fn rules(self) -> String {
        let mut text = String::new();
        for (n, body) in self.rules.iter().enumerate() {
            text += &format!("value_{n}: {body}\n");
        }
        if self.copies {
            // As they stand in a JSON string, so that no part of `\n` is one.
            let written = |c: char| {
                let quoted = Value::from(c.to_string()).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            };
            let characters: Vec<_> = self.text.unwrap_or_default().chars().map(written).collect();
            let parts = serde_json::json!({ "substring_chunks": characters });
            text +=
                &format!("PART: %regex {parts}\nCOPIED: \"\\\"\" PART \"\\\"\" & ~\"\\\"\\\"\"\n");
        }
        text
    }

    fn rule(&mut self, body: String) -> String {
        self.rules.push(body);
        format!("value_{}", self.rules.len() - 1)
    }

    fn part<'s>(
        &mut self,
        source: &mut Source<'s>,
        schema: &'s Value,
        at: &str,
        depth: usize,
    ) -> Result<String> {
        let Some(members) = schema.as_object().filter(|_| reaches(source.root, schema)) else {
            return Ok(plain(source.root, schema));
        };
        if depth > MAX_DEPTH {
            return Err(wrong(at, "is nested too deeply to hold copied strings"));
        }
        if let Some(from) = members.get(KEYWORD) {
            return self.copied(members, from, at);
        }
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            only(members, &["$ref"], at)?;
            if let Some(rule) = source.rules.get(reference) {
                return Ok(rule.clone());
            }
            let meant = target(source.root, reference).ok_or_else(|| {
                wrong(at, &format!("refers to `{reference}`, which is not there"))
            })?;
            // Before what is in it: it may refer to itself.
            let rule = self.rule(String::new());
            let number = self.rules.len() - 1;
            source.rules.insert(reference, rule.clone());
            self.rules[number] = self.part(source, meant, at, depth + 1)?;
            return Ok(rule);
        }
        if let Some(options) = members.get("anyOf").and_then(Value::as_array) {
            only(members, &["anyOf"], at)?;
            let options = options
                .iter()
                .map(|option| self.part(source, option, at, depth + 1))
                .collect::<Result<Vec<_>>>()?;
            return Ok(self.rule(options.join(" | ")));
        }
        let kind = members.get("type").and_then(Value::as_str);
        if kind == Some("array") || (kind.is_none() && members.contains_key("items")) {
            self.list(source, members, at, depth)
        } else if kind == Some("object") || (kind.is_none() && members.contains_key("properties")) {
            self.object(source, members, at, depth)
        } else {
            let way = "has copied strings in it and is neither an object nor an array";
            Err(wrong(at, way))
        }
    }

    fn copied(&mut self, members: &Map<String, Value>, from: &Value, at: &str) -> Result<String> {
        if from != "prompt" {
            let told = format!(
                "has `{KEYWORD}`: {from}; it takes \"prompt\", which is what the last message of the user says"
            );
            return Err(wrong(at, &told));
        }
        only(members, &[KEYWORD, "type"], at)?;
        if members.get("type").is_some_and(|kind| kind != "string") {
            return Err(wrong(at, &format!("has `{KEYWORD}` and is no string")));
        }
        match self.text.map(|text| text.chars().count()) {
            None | Some(0) => Err(wrong(
                at,
                "is copied from the prompt, but no message of a user and no text is in it",
            )),
            Some(length) if length > MAX_CHARACTERS => Err(wrong(
                at,
                &format!(
                    "is copied from a text of {length} characters; at most {MAX_CHARACTERS} are copied from"
                ),
            )),
            Some(_) => {
                self.copies = true;
                Ok("COPIED".to_owned())
            }
        }
    }

    fn object<'s>(
        &mut self,
        source: &mut Source<'s>,
        members: &'s Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<String> {
        let keys = ["type", "properties", "required", "additionalProperties"];
        only(members, &keys, at)?;
        let others = members.get("additionalProperties");
        if others.is_some_and(|others| reaches(source.root, others)) {
            let reason =
                format!("has `{KEYWORD}` in additionalProperties; only properties can have it");
            return Err(wrong(at, &reason));
        }
        let Some(properties) = members.get("properties").and_then(Value::as_object) else {
            return Err(wrong(at, "has no object of `properties`"));
        };
        let required: Vec<&str> = members
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(name) = required
            .iter()
            .find(|name| !properties.contains_key(**name))
        {
            return Err(wrong(
                at,
                &format!("requires `{name}`, which is not in its properties"),
            ));
        }
        let mut items = Vec::new();
        for (name, schema) in properties {
            let value = self.part(source, schema, &format!("{at}.{name}"), depth + 1)?;
            let head = literal(&format!("{}: ", Value::from(name.as_str())));
            let item = self.rule(format!("{head} {value}"));
            items.push((item, required.contains(&name.as_str())));
        }
        let after = |items: &[(String, bool)]| -> String {
            let one = |(item, required): &(String, bool)| {
                let end = if *required { "" } else { "?" };
                format!(" (\", \" {item}){end}")
            };
            items.iter().map(one).collect()
        };
        // Any of those that may be left out can be the first, and the first one that may not.
        let mut firsts = Vec::new();
        for (n, (item, required)) in items.iter().enumerate() {
            firsts.push(format!("{item}{}", after(&items[n + 1..])));
            if *required {
                break;
            }
        }
        let end = if required.is_empty() { "?" } else { "" };
        Ok(self.rule(format!("\"{{\" ({}){end} \"}}\"", firsts.join(" | "))))
    }

    fn list<'s>(
        &mut self,
        source: &mut Source<'s>,
        members: &'s Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<String> {
        only(members, &["type", "items", "minItems", "maxItems"], at)?;
        let Some(items) = members.get("items") else {
            return Err(wrong(at, "has no `items`"));
        };
        let item = self.part(source, items, &format!("{at}[]"), depth + 1)?;
        let number = |key: &str| match members.get(key) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(number) => Ok(Some(number)),
                None => Err(wrong(
                    at,
                    &format!("has `{key}`: {value}, which is no length"),
                )),
            },
        };
        let (least, most) = (number("minItems")?.unwrap_or(0), number("maxItems")?);
        if most.is_some_and(|most| most < least) {
            return Err(wrong(at, "has a larger `minItems` than `maxItems`"));
        }
        let more = format!("(\", \" {item})");
        let more = match (least.saturating_sub(1), most) {
            (_, Some(0)) => return Ok(literal("[]")),
            (_, Some(1)) => String::new(),
            (least, Some(most)) => format!(" {more}{{{least},{}}}", most - 1),
            (0, None) => format!(" {more}*"),
            (least, None) => format!(" {more}{{{least},}}"),
        };
        let end = if least == 0 { "?" } else { "" };
        Ok(self.rule(format!("\"[\" ({item}{more}){end} \"]\"")))
    }
}

/// A schema without copied strings.
fn plain(root: &Value, schema: &Value) -> String {
    let mut written = one_way(schema);
    if let Some(members) = written.as_object_mut()
        && !std::ptr::eq(root, schema)
        && schema.to_string().contains("\"$ref\"")
    {
        for key in ["$defs", "definitions"] {
            if let Some(named) = root.get(key) {
                members.entry(key).or_insert_with(|| named.clone());
            }
        }
    }
    format!("%json {written}")
}

/// Fails where there are other keywords than `keywords` and such as say nothing.
fn only(members: &Map<String, Value>, keywords: &[&str], at: &str) -> Result<()> {
    let known = |key: &str| keywords.contains(&key) || ANNOTATIONS.contains(&key);
    match members.keys().find(|key| !known(key)) {
        None => Ok(()),
        Some(key) => Err(wrong(
            at,
            &format!(
                "has `{key}`, which does not go with strings that are copied; beside them stand: {}",
                keywords.join(", ")
            ),
        )),
    }
}

fn wrong(at: &str, reason: &str) -> Error {
    Error::InvalidArguments(format!("the schema at `{at}` {reason}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::causal::Message;

    fn refused(schema: &Value, text: Option<&str>) -> String {
        Schemas::new(text)
            .expression(schema)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_was_asked_is_the_users_last_message() {
        let messages = ["user", "assistant", "user", "assistant", "tool"]
            .iter()
            .zip(["a", "b", "c", "d", "e"])
            .map(|(role, text)| Message::new(*role, text))
            .collect::<Vec<_>>();
        assert_eq!(asked(&Prompt::Chat(messages.clone())), Some("c"));
        assert_eq!(asked(&Prompt::Chat(messages[3..].to_vec())), None);
        assert_eq!(asked(&Prompt::Text("x".into())), Some("x"));
        assert_eq!(asked(&Prompt::Tokens(vec![1])), None);
    }

    #[test]
    fn the_keyword_is_found_where_it_is_one() {
        let copied = json!({"type": "string", "x-copied-from": "prompt"});
        for schema in [
            copied.clone(),
            json!({"properties": {"a": {"items": copied}}}),
            json!({"anyOf": [{"type": "null"}, copied]}),
            json!({"$ref": "#/$defs/p", "$defs": {"p": {"$ref": "#/$defs/q"}, "q": copied}}),
            json!({"allOf": [{"not": copied}]}),
        ] {
            assert!(is_in(&schema), "{schema}");
        }
        for schema in [
            json!({"properties": {"x-copied-from": {"type": "string"}}}),
            json!({"enum": [{"x-copied-from": "prompt"}], "default": {"x-copied-from": "prompt"}}),
            json!({"$defs": {"p": copied}}),
            json!({"$ref": "#/$defs/p", "$defs": {"p": {"$ref": "#/$defs/p"}}}),
            json!(true),
        ] {
            assert!(!is_in(&schema), "{schema}");
            let plain = Schemas::new(None).expression(&schema).unwrap();
            assert!(plain.starts_with("%json {"), "{plain}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_said_with_its_place() {
        let copied = json!({"type": "string", "x-copied-from": "prompt"});
        for (schema, words) in [
            (
                json!({"x-copied-from": "promt"}),
                ["`$`", "it takes \"prompt\""],
            ),
            (
                json!({"x-copied-from": true}),
                ["true", "it takes \"prompt\""],
            ),
            (
                json!({"properties": {"n": {"type": "integer", "x-copied-from": "prompt"}}}),
                ["`$.n`", "is no string"],
            ),
            (
                json!({"items": {"x-copied-from": "prompt", "maxLength": 3}}),
                ["`$[]`", "`maxLength`"],
            ),
            (
                json!({"allOf": [{"properties": {"a": copied}}]}),
                ["`$`", "neither an object nor an array"],
            ),
            (
                json!({"properties": {"a": copied}, "minProperties": 1}),
                ["`minProperties`", "properties, required"],
            ),
            (
                json!({"properties": {}, "additionalProperties": copied}),
                ["additionalProperties", "only properties"],
            ),
            (
                json!({"properties": {"a": copied}, "required": ["b"]}),
                ["requires `b`", "`$`"],
            ),
            (
                json!({"items": copied, "minItems": 3, "maxItems": 2}),
                ["`minItems`", "`maxItems`"],
            ),
            (
                json!({"items": copied, "minItems": -1}),
                ["-1", "no length"],
            ),
        ] {
            let error = refused(&schema, Some("x"));
            assert!(words.iter().all(|w| error.contains(w)), "{schema}: {error}");
        }
        for text in [None, Some("")] {
            let error = refused(&copied, text);
            assert!(error.contains("no message of a user"), "{error}");
        }
        let long = "x".repeat(MAX_CHARACTERS + 1);
        let error = refused(&copied, Some(&long));
        assert!(error.contains("4097 characters; at most 4096"), "{error}");
        // A row of references that is longer than any model's schema.
        let mut names = Map::new();
        for n in 0..5000 {
            let next = format!("#/$defs/{}", n + 1);
            names.insert(n.to_string(), json!({ "$ref": next }));
        }
        names.insert("5000".into(), copied);
        let error = refused(&json!({"$ref": "#/$defs/0", "$defs": names}), Some("x"));
        assert!(error.contains("too deeply"), "{error}");
    }
}
