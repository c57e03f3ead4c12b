//! Changes one value of a YAML file and leaves the rest as it is written: comments, order, unknown keys.
//!
//! It knows mappings in lines (`key: value`, indented below each other) and those within one line
//! (`key: {a: 1}`), as people write settings. Whatever it does is read again and compared: what it does not
//! understand comes out as an error, never as a damaged file.

use serde_json::{Map, Value};

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no YAML, or no mapping.
    #[error("{0}")]
    Unreadable(String),
    /// It is written in a way that is not understood well enough to be changed.
    #[error("`{0}` is written in a way that only an editor can change")]
    Unusual(String),
}

/// `text` with the value at `keys` set, in a mapping in a mapping.
///
/// # Errors
/// See [`Error`].
pub fn set(text: &str, keys: &[&str], value: &Value) -> Result<String, Error> {
    let mut wanted = read(text)?;
    let unusual = || Error::Unusual(keys.join(": "));
    put(&mut wanted, keys, value).ok_or_else(unusual)?;
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let all = lines.len();
    edit(&mut lines, (0, all), 0, keys, value).ok_or_else(unusual)?;
    let changed = lines.join("\n") + "\n";
    match read(&changed) {
        Ok(there) if same(&there, &wanted) => Ok(changed),
        _ => Err(unusual()),
    }
}

/// The text as a mapping; an empty one is an empty mapping.
///
/// # Errors
/// [`Error::Unreadable`].
pub fn read(text: &str) -> Result<Value, Error> {
    let bare = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(bare) {
        return Ok(Value::Object(Map::new()));
    }
    match argos_config::parse("settings", text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Error::Unreadable("it has no `key: value`".to_owned())),
        Err(error) => Err(Error::Unreadable(error.to_string())),
    }
}

/// Whether both say the same; a number is the same however it is written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// `None` where something else than a mapping is in the way.
fn put(at: &mut Value, keys: &[&str], value: &Value) -> Option<()> {
    let (first, rest) = keys.split_first()?;
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    let inner = at.as_object_mut()?.entry(*first).or_insert(Value::Null);
    if rest.is_empty() {
        *inner = value.clone();
        return Some(());
    }
    put(inner, rest, value)
}

/// Sets the value in the mapping that stands in these lines (from, to) with this indentation. `None` where that is
/// not understood.
fn edit(
    lines: &mut Vec<String>,
    (from, to): (usize, usize),
    indent: usize,
    keys: &[&str],
    value: &Value,
) -> Option<()> {
    let (first, rest) = keys.split_first()?;
    let found = (from..to).find(|at| {
        let line = &lines[*at];
        depth(line) == Some(indent) && key(line).is_some_and(|(name, _)| name == *first)
    });
    let Some(at) = found else {
        let last = (from..to).rev().find(|at| depth(&lines[*at]).is_some());
        insert(lines, last.map_or(to, |at| at + 1), indent, keys, value);
        return Some(());
    };
    let (_, colon) = key(&lines[at])?;
    let (head, tail) = lines[at].split_at(colon + 1);
    let written = tail.trim_start();
    let blank = tail.len() - written.len();
    let end = value_end(written);
    let (old, after) = (written[..end].to_owned(), written[end..].to_owned());
    let head = head.to_owned();
    if rest.is_empty() {
        // A comment does not begin right behind a value.
        let space = if after.starts_with('#') { " " } else { "" };
        lines[at] = format!("{head} {}{space}{after}", scalar(value));
        return Some(());
    }
    if old.starts_with('{') {
        let mut inner: Value = argos_config::parse("settings", &old).ok()?;
        put(&mut inner, rest, value)?;
        lines[at] = format!("{head} {}{after}", flow(&inner));
        return Some(());
    }
    if matches!(old.as_str(), "null" | "~") {
        lines[at] = format!("{head}{}{after}", &tail[..blank]);
    } else if !old.is_empty() {
        return None;
    }
    let end = (at + 1..to)
        .find(|below| depth(&lines[*below]).is_some_and(|depth| depth <= indent))
        .unwrap_or(to);
    let inner = (at + 1..end).find_map(|below| depth(&lines[below]));
    match inner {
        Some(deeper) => edit(lines, (at + 1, end), deeper, rest, value),
        None => {
            insert(lines, at + 1, indent + 2, rest, value);
            Some(())
        }
    }
}

fn insert(lines: &mut Vec<String>, at: usize, indent: usize, keys: &[&str], value: &Value) {
    for (deeper, name) in keys.iter().enumerate() {
        let space = " ".repeat(indent + 2 * deeper);
        let line = if deeper + 1 == keys.len() {
            format!("{space}{}: {}", word(name), scalar(value))
        } else {
            format!("{space}{}:", word(name))
        };
        lines.insert(at + deeper, line);
    }
}

/// How far a line is indented; `None` for one that says nothing.
fn depth(line: &str) -> Option<usize> {
    let said = line.trim_start_matches(' ');
    let nothing = said.trim().is_empty() || said.starts_with('#');
    (!nothing).then_some(line.len() - said.len())
}

/// The key of a line, and where its colon is.
fn key(line: &str) -> Option<(String, usize)> {
    let start = depth(line)?;
    let said = &line[start..];
    let (name, end) = if said.starts_with(['"', '\'']) {
        let quote = said.chars().next()?;
        let close = said[1..].find(quote)? + 1;
        (said[1..close].to_owned(), close + 1)
    } else {
        let ends = |at: &usize| {
            said[at + 1..]
                .chars()
                .next()
                .is_none_or(char::is_whitespace)
        };
        let colon = said
            .match_indices(':')
            .map(|(at, _)| at)
            .find(|at| ends(at))?;
        (said[..colon].trim_end().to_owned(), colon)
    };
    let colon = end + said[end..].find(':')?;
    said[end..colon]
        .trim()
        .is_empty()
        .then_some((name, start + colon))
}

/// Where a value ends and blanks, a comment and the line's end begin.
fn value_end(text: &str) -> usize {
    let (mut quote, mut before) = (None, ' ');
    let mut end = 0;
    for (at, c) in text.char_indices() {
        match quote {
            // A quotation mark behind a backslash does not end it.
            Some(open) if c == open && !(open == '"' && before == '\\') => quote = None,
            Some(_) => {}
            None if c == '#' && before.is_whitespace() => break,
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '{' | '[' | ',' | ':') => {
                quote = Some(c);
            }
            None => {}
        }
        before = c;
        if !c.is_whitespace() {
            end = at + c.len_utf8();
        }
    }
    end
}

/// A key as it can be written.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let harmless = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if harmless && name.chars().all(plain) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

/// A value as it can be written: JSON is YAML.
fn scalar(value: &Value) -> String {
    match value {
        Value::Object(_) => flow(value),
        other => other.to_string(),
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let parts = map
                .iter()
                .map(|(key, value)| format!("{}: {}", word(key), flow(value)));
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(text: &str, keys: &[&str], value: Value) -> String {
        set(text, keys, &value).unwrap()
    }

    #[test]
    fn only_the_value_changes() {
        let text = "# Mine.\nworkspaces: 4   # enough\n\nidle:\n  # When I am away.\n  lock-after: 300 # s\n\
                    \n  suspend-after: 0\nmine: [a, b]\n";
        assert_eq!(
            changed(text, &["idle", "lock-after"], json!(600)),
            text.replace("300", "600")
        );
        assert_eq!(
            changed(text, &["workspaces"], json!(9)),
            text.replace(": 4", ": 9")
        );
        // A new one comes below its neighbours, a new section at the end.
        assert_eq!(
            changed(text, &["idle", "lock-before-sleep"], json!(false)),
            text.replace("-after: 0\n", "-after: 0\n  lock-before-sleep: false\n")
        );
        assert_eq!(
            changed(text, &["keyboard", "layout"], json!("de")),
            format!("{text}keyboard:\n  layout: \"de\"\n")
        );
    }

    #[test]
    fn text_with_marks_in_it_is_a_value_all_the_same() {
        let text = "from: \"20:00 # not a comment\" # a comment\n'to': it's #1\n";
        assert_eq!(
            changed(text, &["from"], json!("21:00")),
            "from: \"21:00\" # a comment\n'to': it's #1\n"
        );
        let quoted = changed(text, &["to"], json!("a \"b\": c\\"));
        assert_eq!(read(&quoted).unwrap()["to"], "a \"b\": c\\");
        let windows = "a: 1 # x\r\nb: 2\r\n";
        assert_eq!(changed(windows, &["b"], json!(3)), "a: 1 # x\r\nb: 3\r\n");
    }

    #[test]
    fn mappings_within_a_line_are_changed_within_it() {
        let text =
            "outputs: {}   # by connector\nnight-light: {enabled: true, from: \"20:00\"} # late\n";
        let scaled = changed(text, &["outputs", "eDP-1", "scale"], json!(1.5));
        assert_eq!(
            scaled,
            text.replace("{}", "{eDP-1: {scale: 1.5}}"),
            "{scaled}"
        );
        let off = changed(text, &["night-light", "enabled"], json!(false));
        assert!(
            off.ends_with("night-light: {enabled: false, from: \"20:00\"} # late\n"),
            "{off}"
        );
    }

    #[test]
    fn an_empty_file_and_an_empty_section_are_begun() {
        for empty in ["", "\n", "# Nothing yet.\n"] {
            let begun = changed(empty, &["theme"], json!("light"));
            assert_eq!(read(&begun).unwrap(), json!({"theme": "light"}));
            assert!(begun.starts_with(empty.trim_end()));
        }
        assert_eq!(
            changed("theme: # mine\n", &["theme"], json!("light")),
            "theme: \"light\" # mine\n"
        );
        for section in [
            "idle:\n",
            "idle:   # later\nterminal: [foot]\n",
            "idle: ~\n",
        ] {
            let begun = changed(section, &["idle", "lock-after"], json!(60));
            assert_eq!(read(&begun).unwrap()["idle"]["lock-after"], 60, "{begun}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let unusual = [
            ("idle: {lock-after: 1,\n  suspend-after: 2}\n", "idle"),
            ("base: &base\n  lock-after: 1\nidle: *base\n", "idle"),
            ("idle: 7\n", "idle"),
            ("a: |\n  idle:\n    lock-after: 3\n", "a"),
        ];
        for (text, section) in unusual {
            let error = set(text, &[section, "lock-after"], &json!(5)).unwrap_err();
            assert!(matches!(error, Error::Unusual(_)), "{text}: {error}");
        }
        for broken in ["idle: [\n", "- 1\n", "a: 1\n b: 2\n"] {
            let error = set(broken, &["a"], &json!(5)).unwrap_err();
            assert!(matches!(error, Error::Unreadable(_)), "{broken}: {error}");
        }
    }

    #[test]
    fn the_shipped_settings_can_be_changed() {
        let text = include_str!("../../../rootfs/usr/share/argos/compositor.yaml");
        let before = read(text).unwrap();
        for (section, values) in before.as_object().unwrap() {
            let Some(values) = values.as_object() else {
                continue;
            };
            for (name, value) in values.iter().filter(|(_, value)| !value.is_object()) {
                let other = match value {
                    Value::Bool(on) => json!(!on),
                    Value::Number(_) => json!(2),
                    _ => json!("x"),
                };
                let new = changed(text, &[section, name], other.clone());
                assert_eq!(
                    new.lines().count(),
                    text.lines().count(),
                    "{section} {name}"
                );
                let comments = |text: &str| text.matches('#').count();
                assert_eq!(comments(&new), comments(text), "{section} {name}");
            }
        }
    }
}
