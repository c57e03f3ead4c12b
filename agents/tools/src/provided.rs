//! Tools that somebody else declares: a tool provider, for example an MCP server.
//!
//! Nothing in such a declaration is trusted. Its name gets the provider's as a prefix, so that it
//! shadows nothing; its words are cleaned, cut and marked as the provider's; its schema is bounded
//! before it is compiled, and so is what one check of arguments can cost. The resource of its
//! permission begins with the tool's full name, whatever the provider says it is about: a grant for
//! `/home/me/Documents` or `notes` never covers a provider's tool that claims to be about that.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use argos_bus::tool_provider::ProvidedTool;
use serde_json::{Value, json};

use crate::text::deceptive;
use crate::tool::Call;
use crate::{Action, Code, ToolError, Verdict, schema};

/// Longest name that a provider gives a tool.
pub const MAX_NAME: usize = 64;
/// Longest description that is passed on, in characters.
const MAX_DESCRIPTION: usize = 1024;
/// Largest schema, in bytes of JSON.
const MAX_SCHEMA: usize = 32 << 10;
/// Deepest nesting of a schema.
const MAX_SCHEMA_DEPTH: usize = 24;
/// Schemas that one value can be held against, references followed: what a check may cost.
const MAX_SCHEMA_COST: u64 = 4096;
/// Most memory that one pattern in a schema may compile to, in bytes.
const MAX_PATTERN: usize = 256 << 10;
/// Longest resource, in bytes.
const MAX_RESOURCE: usize = 1024;
/// Longest piece of the arguments in the sentence that a person is shown, in characters.
const MAX_SHOWN: usize = 400;
/// Names of provided tools that are remembered for as long as the process lives.
const MAX_NAMES: usize = 4096;

/// A declaration that was checked.
pub struct Provided {
    name: &'static str,
    own_name: String,
    /// As it came, cleaned.
    own_description: String,
    description: String,
    schema: Value,
    validator: jsonschema::Validator,
    action: Action,
    rule: String,
}

impl std::fmt::Debug for Provided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provided")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a declaration is not taken; for the person who installed the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tool {name:?}: {why}")]
pub struct Unfit {
    /// Its name as it came, cut and cleaned.
    pub name: String,
    /// What is wrong.
    pub why: String,
}

impl Provided {
    /// Checks a declaration. `provider` is the name with its kind: `mcp.files`.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn new(provider: &str, declared: &ProvidedTool) -> Result<Self, Unfit> {
        let unfit = |why: String| Unfit {
            name: clean(&declared.name, MAX_NAME),
            why,
        };
        if !name_fits(&declared.name) {
            return Err(unfit(format!(
                "a name is 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`, beginning and ending \
                 with a letter, a digit or `_`"
            )));
        }
        let action = Action::by_name(&declared.action)
            .ok_or_else(|| unfit(format!("{:?} is no action", clean(&declared.action, 32))))?;
        let schema = schema_of(&declared.schema).map_err(&unfit)?;
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            // The default engine backtracks; a pattern must not decide how long a check takes.
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(MAX_PATTERN))
            .build(&schema)
            .map_err(|error| unfit(format!("its schema: {}", clean(&error.to_string(), 200))))?;
        let rule = declared.resource.clone();
        check_rule(&rule, &schema).map_err(&unfit)?;
        let description = clean(&declared.description, MAX_DESCRIPTION);
        let full = format!("{provider}.{}", declared.name);
        let name = intern(&full).ok_or_else(|| {
            unfit(format!(
                "{MAX_NAMES} names of tools were seen since the broker started; restart it"
            ))
        })?;
        Ok(Self {
            name,
            own_name: declared.name.clone(),
            description: format!("({provider} says:) {description}"),
            own_description: description,
            schema,
            validator,
            action,
            rule,
        })
    }

    /// `mcp.SERVER.TOOL`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the provider calls it.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.own_name
    }

    /// The provider's words, marked as that.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The provider's words alone, for comparing requests with them.
    #[must_use]
    pub fn own_description(&self) -> &str {
        &self.own_description
    }

    /// JSON Schema of its arguments, cleaned.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// As it is listed on the bus.
    #[must_use]
    pub fn to_bus(&self) -> argos_bus::tools::Tool {
        argos_bus::tools::Tool {
            name: self.name.to_owned(),
            description: self.description.clone(),
            schema: self.schema.to_string(),
            action: self.action.name().to_owned(),
            default: Verdict::Ask.name().to_owned(),
        }
    }

    /// Everything that was declared, in a form whose hash changes when any of it does.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        json!([
            self.name,
            self.description,
            self.schema,
            self.action.name(),
            self.rule
        ])
        .to_string()
    }

    /// Checks untrusted arguments and says what the call needs. Nothing is done. May take a moment,
    /// so call it from a thread that may block.
    ///
    /// # Errors
    /// `InvalidArguments` where they do not fit the schema; `LimitReached` where they are too large.
    pub fn check(&self, arguments: Value) -> Result<Call, ToolError> {
        schema::check(self.name, &self.validator, &self.schema, &arguments)?;
        let resource = self.resource(&arguments)?;
        let summary = format!(
            "Call {} with {}.",
            self.name,
            clean(&arguments.to_string(), MAX_SHOWN)
        );
        Ok(Call {
            tool: self.name,
            action: self.action,
            arguments,
            resource,
            summary,
            default: Verdict::Ask,
            also: Vec::new(),
            execute: |call, _| {
                Box::pin(async move {
                    Err(ToolError::new(
                        Code::Failed,
                        call.tool,
                        "a provider's tool runs in its provider",
                    ))
                })
            },
        })
    }

    fn resource(&self, arguments: &Value) -> Result<String, ToolError> {
        if self.rule.is_empty() {
            return Ok(self.name.to_owned());
        }
        let wrong = |why: String| {
            ToolError::new(Code::InvalidArguments, format!("call {}", self.name), why)
        };
        let mut resource = format!("{}:", self.name);
        let mut rest = self.rule.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}').unwrap_or((after, ""));
            resource.push_str(before);
            match &arguments[key] {
                Value::String(text) => resource.push_str(text),
                Value::Null => {}
                other => resource.push_str(&other.to_string()),
            }
            rest = after;
        }
        resource.push_str(rest);
        if resource.len() > MAX_RESOURCE {
            return Err(wrong(format!(
                "what it is about has more than {MAX_RESOURCE} bytes"
            )));
        }
        if resource.chars().any(deceptive) {
            return Err(wrong(
                "what it is about holds control or invisible characters".to_owned(),
            ));
        }
        Ok(resource)
    }
}

/// Text of a stranger: one line of visible characters, at most `most` of them.
#[must_use]
pub fn clean(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = !out.is_empty();
            continue;
        }
        if deceptive(c) {
            continue;
        }
        if left == 0 {
            out.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(c);
        left -= 1;
    }
    out
}

fn name_fits(name: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=MAX_NAME).contains(&name.len())
        && name.chars().all(|c| edge(c) || c == '-' || c == '.')
        && name.starts_with(edge)
        && name.ends_with(edge)
        && !name.contains("..")
}

/// A rule is empty, or text with `{argument}` in it; each argument is one of the schema's.
fn check_rule(rule: &str, schema: &Value) -> Result<(), String> {
    if rule.len() > 256 || rule.chars().any(deceptive) {
        return Err("its resource is longer than 256 bytes or not plain text".to_owned());
    }
    let mut rest = rule;
    while let Some((before, after)) = rest.split_once('{') {
        let closed = after.split_once('}').filter(|_| !before.contains('}'));
        let Some((key, after)) = closed else {
            return Err(format!("its resource {rule:?}: write {{ARGUMENT}}"));
        };
        if schema["properties"].get(key).is_none() {
            return Err(format!("its resource names {key:?}, which is no argument"));
        }
        rest = after;
    }
    if rest.contains('}') {
        return Err(format!("its resource {rule:?}: write {{ARGUMENT}}"));
    }
    Ok(())
}

/// A schema out of text: bounded, an object's, with cleaned words and references within itself only.
fn schema_of(text: &str) -> Result<Value, String> {
    if text.len() > MAX_SCHEMA {
        return Err(format!(
            "its schema has {} bytes; at most {MAX_SCHEMA} are taken",
            text.len()
        ));
    }
    let mut schema: Value =
        serde_json::from_str(text).map_err(|error| format!("its schema is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err("its schema is no object".to_owned());
    }
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err("its schema must be that of an object".to_owned());
    }
    // Which dialect it says it is makes no difference to the keywords that are in use, and an
    // unknown one would be looked up.
    if let Some(map) = schema.as_object_mut() {
        map.shift_remove("$schema");
        map.shift_remove("$id");
    }
    clean_schema(&mut schema, MAX_SCHEMA_DEPTH)?;
    let mut known = HashMap::new();
    let cost = cost(&schema, &schema, &mut known, &mut BTreeSet::new())?;
    if cost > MAX_SCHEMA_COST {
        return Err("its schema is too costly to check against".to_owned());
    }
    Ok(schema)
}

fn clean_schema(value: &mut Value, depth: usize) -> Result<(), String> {
    let deeper = depth
        .checked_sub(1)
        .ok_or_else(|| format!("its schema is nested deeper than {MAX_SCHEMA_DEPTH}"))?;
    match value {
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| clean_schema(item, deeper)),
        Value::Object(map) => {
            if map.keys().any(|key| key.chars().any(deceptive)) {
                return Err("its schema has a name that is not plain text".to_owned());
            }
            for word in ["description", "title", "$comment"] {
                if let Some(Value::String(text)) = map.get_mut(word) {
                    *text = clean(text, MAX_DESCRIPTION);
                }
            }
            map.values_mut()
                .try_for_each(|item| clean_schema(item, deeper))
        }
        _ => Ok(()),
    }
}

/// How many schemas one value may be held against at most. References are followed, so that a few of
/// them that double each other are seen for what they are. Recursion is refused.
fn cost(
    root: &Value,
    schema: &Value,
    known: &mut HashMap<String, u64>,
    open: &mut BTreeSet<String>,
) -> Result<u64, String> {
    let mut sum = 1u64;
    match schema {
        Value::Array(items) => {
            for item in items {
                sum = sum.saturating_add(cost(root, item, known, open)?);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                if let (
                    "properties" | "patternProperties" | "dependentSchemas",
                    Value::Object(named),
                ) = (key.as_str(), value)
                {
                    // The keys are names and no keywords: an argument may be called `default`.
                    for schema in named.values() {
                        sum = sum.saturating_add(cost(root, schema, known, open)?);
                    }
                    continue;
                }
                if matches!(
                    key.as_str(),
                    "$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor" | "$id"
                ) && value.is_string()
                {
                    return Err(format!("its schema has {key:?}, which is not taken"));
                }
                if let (true, Value::String(reference)) = (key == "$ref", value) {
                    sum = sum.saturating_add(followed(root, reference, known, open)?);
                } else if !matches!(
                    key.as_str(),
                    "$defs" | "definitions" | "enum" | "const" | "default" | "examples"
                ) {
                    sum = sum.saturating_add(cost(root, value, known, open)?);
                }
            }
        }
        _ => {}
    }
    Ok(sum)
}

fn followed(
    root: &Value,
    reference: &str,
    known: &mut HashMap<String, u64>,
    open: &mut BTreeSet<String>,
) -> Result<u64, String> {
    let shown = || clean(reference, 80);
    if let Some(cost) = known.get(reference) {
        return Ok(*cost);
    }
    let target = reference
        .strip_prefix('#')
        .and_then(|pointer| root.pointer(pointer))
        .ok_or_else(|| format!("its schema refers to {:?}, which is not in it", shown()))?;
    if !open.insert(reference.to_owned()) {
        return Err(format!("its schema refers to itself at {:?}", shown()));
    }
    let sum = cost(root, target, known, open)?;
    open.remove(reference);
    known.insert(reference.to_owned(), sum);
    Ok(sum)
}

/// A name that lives as long as the process: calls name their tool that way. Bounded, so that a
/// provider that invents names cannot take memory for ever.
fn intern(name: &str) -> Option<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MAX_NAMES {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(schema: &str) -> ProvidedTool {
        ProvidedTool {
            name: "read".to_owned(),
            description: "Reads".to_owned(),
            schema: schema.to_owned(),
            action: "read".to_owned(),
            resource: String::new(),
        }
    }

    const PATH: &str = r#"{"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false}"#;

    #[test]
    fn a_provider_cannot_claim_what_was_granted_for_something_else() {
        let tool = ProvidedTool {
            resource: "{path}".to_owned(),
            ..declared(PATH)
        };
        let tool = Provided::new("dbus.x", &tool).unwrap();
        let call = tool.check(json!({"path": "/home/me/Documents"})).unwrap();
        assert_eq!(call.resource, "dbus.x.read:/home/me/Documents");
        assert_eq!(call.default, Verdict::Ask);
        assert!(!call.is_path());
        let tool = Provided::new("dbus.x", &declared(PATH)).unwrap();
        assert_eq!(
            tool.check(json!({"path": "/"})).unwrap().resource,
            "dbus.x.read"
        );
    }

    #[test]
    fn arguments_are_held_against_the_schema() {
        let tool = Provided::new("dbus.x", &declared(PATH)).unwrap();
        for bad in [
            json!({}),
            json!({"path": 1}),
            json!({"path": "a", "more": 1}),
        ] {
            assert_eq!(tool.check(bad).unwrap_err().code, Code::InvalidArguments);
        }
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_refused() {
        for name in [
            "",
            ".",
            "a..b",
            ".a",
            "a.",
            "a b",
            "a\nb",
            "ａ",
            "a\u{202e}b",
            &"a".repeat(65),
            "a/b",
        ] {
            let tool = ProvidedTool {
                name: name.to_owned(),
                ..declared("{}")
            };
            assert!(Provided::new("mcp.x", &tool).is_err(), "{name:?}");
        }
    }

    #[test]
    fn words_are_cleaned_cut_and_marked() {
        let tool = ProvidedTool {
            description: format!("Reads\n\u{202e}a\0 file\u{e0041} {}", "x".repeat(5000)),
            ..declared(r#"{"properties": {"a": {"description": "x\u001b[31m\ny"}}}"#)
        };
        let tool = Provided::new("mcp.x", &tool).unwrap();
        assert!(
            tool.description()
                .starts_with("(mcp.x says:) Reads a file xxx")
        );
        assert!(tool.description().chars().count() < 1100);
        assert_eq!(tool.schema()["properties"]["a"]["description"], "x [31m y");
    }

    #[test]
    fn schemas_that_would_keep_the_broker_busy_are_refused() {
        let mut doubling = json!({"type": "object", "$defs": {}});
        for i in 0..40 {
            let next = format!("#/$defs/d{}", i + 1);
            doubling["$defs"][format!("d{i}")] = json!({"allOf": [{"$ref": next}, {"$ref": next}]});
        }
        doubling["$defs"]["d40"] = json!({"type": "object"});
        doubling["$ref"] = json!("#/$defs/d0");
        // Arguments may be called as keywords are: what they are is looked at all the same.
        let mut named = doubling.clone();
        named["$ref"] = json!("#/$defs/d40");
        named["properties"] = json!({"default": {"$ref": "#/$defs/d0"}});
        let deep = format!(
            "{}{}",
            r#"{"not":"#.repeat(100),
            "{}".to_owned() + &"}".repeat(100)
        );
        for (schema, why) in [
            (doubling.to_string(), "costly"),
            (named.to_string(), "costly"),
            (
                r##"{"properties": {"enum": {"$ref": "#"}}}"##.to_owned(),
                "itself",
            ),
            (deep, "deeper"),
            (r##"{"$ref": "#"}"##.to_owned(), "itself"),
            (r#"{"$ref": "http://127.0.0.1/x"}"#.to_owned(), "not in it"),
            (r#"{"$ref": "file:///etc/passwd"}"#.to_owned(), "not in it"),
            (
                r##"{"properties": {"a": {"$dynamicRef": "#a"}}}"##.to_owned(),
                "not taken",
            ),
            (r#"{"type": "string"}"#.to_owned(), "object"),
            ("[]".to_owned(), "no object"),
            ("{".to_owned(), "not JSON"),
            (format!(r#"{{"title": "{}"}}"#, "x".repeat(40_000)), "bytes"),
        ] {
            let error = Provided::new("mcp.x", &declared(&schema)).unwrap_err();
            assert!(error.why.contains(why), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_backtracks_for_ever_does_not() {
        let schema = r#"{"properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}"#;
        let tool = Provided::new("mcp.x", &declared(schema)).unwrap();
        let started = std::time::Instant::now();
        let text = "a".repeat(50_000) + "!";
        assert!(tool.check(json!({"a": text})).is_err());
        assert!(started.elapsed().as_secs() < 60);
        // A look-behind needs the other engine: refused, not run.
        let schema = r#"{"properties": {"a": {"pattern": "(?<=a)b"}}}"#;
        assert!(Provided::new("mcp.x", &declared(schema)).is_err());
    }

    #[test]
    fn rules_name_arguments_that_there_are() {
        for rule in [
            "{nothing}",
            "{path",
            "path}",
            "{path}}",
            "{{path}",
            "a\u{202e}",
        ] {
            let tool = ProvidedTool {
                resource: rule.to_owned(),
                ..declared(PATH)
            };
            assert!(Provided::new("mcp.x", &tool).is_err(), "{rule}");
        }
        let tool = ProvidedTool {
            resource: "{path}".to_owned(),
            ..declared(PATH)
        };
        let tool = Provided::new("mcp.x", &tool).unwrap();
        for bad in ["a\nb", "a\u{202e}b", &"x".repeat(2000)] {
            assert!(tool.check(json!({"path": bad})).is_err(), "{bad:?}");
        }
    }
}
