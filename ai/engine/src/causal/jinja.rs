//! Jinja as `transformers` sets it up for chat templates, with a bound on what a template may take.
//!
//! Python's Jinja is what templates are written for: blocks are trimmed, `tojson` is `json.dumps`, values have
//! Python's methods, `{% generation %}` marks what an assistant said. What a template does costs fuel, by the
//! instruction and by the byte, so that neither its time nor its memory is without end. Where a method makes
//! its result before that is charged, it is charged here first.

use std::fmt::Write;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State};
use serde::Serialize;
use serde_json::ser::Formatter;

/// Bound on a template's work: an instruction costs one, so do 64 bytes of what it makes. Far above any chat
/// (the longest bodies have 8 MiB), far below a hang; 256 MiB are the most that a hostile one takes.
const FUEL: u64 = 4_000_000;

/// Bytes that one unit of fuel pays for.
const FUEL_BYTES: u64 = 64;

/// Longest indentation of `tojson`.
const MAX_INDENT: usize = 16;

/// The environment that chat templates run in.
pub(super) fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(method);
    environment.add_function("raise_exception", |message: String| -> Result<String, _> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", |format: String| {
        jiff::Zoned::now().strftime(&format).to_string()
    });
    environment.add_filter("tojson", tojson);
    environment.add_test("iterable", |value: &Value| {
        !value.is_none() && (value.as_str().is_some() || value.try_iter().is_ok())
    });
    Ok(environment)
}

/// A template's text without what this Jinja does not know: `{% generation %}` only marks its content.
pub(super) fn source(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        plain.push_str(before);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        match tag.trim_matches(['{', '%', '}', '-', '+', ' ', '\n', '\t']) {
            "generation" => plain.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => plain.push_str(&tag.replace("endgeneration", "endif")),
            _ => plain.push_str(tag),
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Python's methods of strings, lists and dictionaries.
fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        state.consume_fuel(cost(text, name, args))?;
        match name {
            "removeprefix" | "removesuffix" => {
                let (part,): (&str,) = from_args(args)?;
                let rest = if name == "removeprefix" {
                    text.strip_prefix(part)
                } else {
                    text.strip_suffix(part)
                };
                return Ok(rest.unwrap_or(text).into());
            }
            "rsplit" => {
                let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
                return Ok(rsplit(text, separator, most));
            }
            "partition" | "rpartition" => {
                let (separator,): (&str,) = from_args(args)?;
                return Ok(partition(text, separator, name == "rpartition"));
            }
            "index" => {
                let (part,): (&str,) = from_args(args)?;
                let at = text.find(part).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, "substring not found")
                })?;
                return Ok(text[..at].chars().count().into());
            }
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// What a method of a string costs beforehand.
fn cost(text: &str, name: &str, args: &[Value]) -> u64 {
    let length = |value: &Value| value.as_str().map_or(8, str::len) as u64;
    let bytes = match name {
        "replace" => {
            let (old, new) = (args.first().and_then(Value::as_str), args.get(1));
            let times = match old {
                Some("") | None => text.chars().count() + 1,
                Some(old) => text.matches(old).count(),
            };
            new.map_or(0, length).saturating_mul(times as u64)
        }
        "join" => match args.first().map(Value::try_iter) {
            Some(Ok(values)) => values
                .map(|v| length(&v).saturating_add(text.len() as u64))
                .take(FUEL as usize)
                .fold(0, u64::saturating_add),
            _ => 0,
        },
        // Widths stand in the text.
        "format" => text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse().unwrap_or(u64::MAX))
            .fold(0, u64::saturating_add),
        _ => 0,
    };
    (bytes.saturating_add(text.len() as u64)) / FUEL_BYTES
}

fn rsplit(text: &str, separator: Option<&str>, most: Option<i64>) -> Value {
    let most = most
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(usize::MAX);
    let count = most.saturating_add(1);
    let mut parts: Vec<&str> = match separator {
        Some(separator) => text.rsplitn(count, separator).collect(),
        None if most == usize::MAX => text.split_whitespace().rev().collect(),
        None => {
            let mut parts = Vec::new();
            let mut rest = text.trim_end();
            while parts.len() < most
                && let Some(at) = rest.rfind(char::is_whitespace)
            {
                let (before, last) = rest.split_at(at);
                parts.push(last.trim_start());
                rest = before.trim_end();
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            parts
        }
    };
    parts.reverse();
    parts.into_iter().map(Value::from).collect()
}

fn partition(text: &str, separator: &str, last: bool) -> Value {
    let found = if last {
        text.rsplit_once(separator)
    } else {
        text.split_once(separator)
    };
    let parts = match (found, last) {
        (Some((before, after)), _) => [before, separator, after],
        (None, true) => ["", "", text],
        (None, false) => [text, "", ""],
    };
    parts.into_iter().map(Value::from).collect()
}

/// `json.dumps`, as `transformers` calls it: nothing is escaped for HTML.
fn tojson(value: Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<Value> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let escaped: Option<bool> = options.get("ensure_ascii")?;
    let sorted: Option<bool> = options.get("sort_keys")?;
    options.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(value) if value.is_none() => None,
        Some(value) => match (value.as_str(), value.as_usize()) {
            (Some(text), _) => Some(text.chars().take(MAX_INDENT).collect()),
            (None, Some(width)) => Some(" ".repeat(width.min(MAX_INDENT))),
            (None, None) => Some(String::new()),
        },
    };
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => {
            let reason = "separators of tojson are two texts";
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
        None if indent.is_some() => (",".into(), ": ".into()),
        None => (", ".into(), ": ".into()),
    };
    let style = Python {
        indent,
        item,
        key,
        escaped: escaped.unwrap_or(false),
        depth: 0,
        filled: false,
    };
    let failed = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, style);
    if sorted.unwrap_or(false) {
        let mut value = serde_json::to_value(&value).map_err(failed)?;
        value.sort_all_objects();
        value.serialize(&mut serializer).map_err(failed)?;
    } else {
        value.serialize(&mut serializer).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON as Python's `json.dumps` writes it.
struct Python {
    indent: Option<String>,
    item: String,
    key: String,
    escaped: bool,
    depth: usize,
    /// Whether the innermost list or object has anything in it.
    filled: bool,
}

impl Python {
    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        if let Some(indent) = &self.indent {
            writer.write_all(b"\n")?;
            for _ in 0..self.depth {
                writer.write_all(indent.as_bytes())?;
            }
        }
        Ok(())
    }

    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        writer.write_all(&[bracket])
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.line(writer)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if self.filled {
            self.line(writer)?;
        }
        self.filled = true;
        writer.write_all(&[bracket])
    }
}

impl Formatter for Python {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'[')
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b']')
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b'{')
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b'}')
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if !self.escaped || fragment.is_ascii() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut text = String::new();
        for c in fragment.chars() {
            if c.is_ascii() {
                text.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
        writer.write_all(text.as_bytes())
    }
}

/// A number as Python's `repr` writes it.
fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        // `1e16` here is `1e+16` there, and exponents have two digits at least.
        let text = format!("{value:e}");
        let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{number}e{sign}{digits:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, Error> {
        let environment = environment().unwrap();
        let text = source(template);
        let value = minijinja::value::Serde(serde_json::json!({
            "text": "Zürich <b> \"x\"\n",
            "numbers": [1, 2.0, 1e16, 1e-5, 0.1, -1.5e300],
            "nothing": {"list": [], "map": {}, "none": null, "yes": true},
        }));
        environment.render_str(&text, minijinja::context! { v => value })
    }

    #[test]
    fn json_is_pythons() {
        for (template, expected) in [
            ("{{ v.text | tojson }}", r#""Zürich <b> \"x\"\n""#),
            (
                "{{ v.text | tojson(ensure_ascii=true) }}",
                r#""Z\u00fcrich <b> \"x\"\n""#,
            ),
            (
                "{{ v.numbers | tojson }}",
                "[1, 2.0, 1e+16, 1e-05, 0.1, -1.5e+300]",
            ),
            (
                "{{ v.nothing | tojson }}",
                r#"{"list": [], "map": {}, "none": null, "yes": true}"#,
            ),
            (
                "{{ v.nothing | tojson(separators=(',', ':'), sort_keys=true) }}",
                r#"{"list":[],"map":{},"none":null,"yes":true}"#,
            ),
            (
                "{{ {'b': [1, {}], 'a': {'c': 2}} | tojson(indent=2, sort_keys=true) }}",
                "{\n  \"a\": {\n    \"c\": 2\n  },\n  \"b\": [\n    1,\n    {}\n  ]\n}",
            ),
        ] {
            assert_eq!(render(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn methods_are_pythons() {
        for (template, expected) in [
            ("{{ 'a-b-c'.rsplit('-', 1) | tojson }}", r#"["a-b", "c"]"#),
            (
                "{{ ' a  b c '.rsplit(none, 1) | tojson }}",
                r#"[" a  b", "c"]"#,
            ),
            ("{{ 'a-b'.partition('-') | tojson }}", r#"["a", "-", "b"]"#),
            ("{{ 'ab'.rpartition('-') | tojson }}", r#"["", "", "ab"]"#),
            ("{{ 'abc'.removeprefix('a').removesuffix('x') }}", "bc"),
            ("{{ 'äb'.index('b') }}", "1"),
            (
                "{{ [none is iterable, 1 is iterable, 'x' is iterable, [] is iterable] }}",
                "[False, False, True, True]",
            ),
            (
                "{%- generation -%} x {%- endgeneration -%} y {% generation %}z{% endgeneration %}",
                "xy z",
            ),
        ] {
            assert_eq!(render(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_takes_too_much_runs_out_of_fuel() {
        for template in [
            "{{ ('x' * 100000).replace('x', 'y' * 1000000) }}",
            "{% set n = namespace(t='x') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
            "{% set l = ['x' * 1000000] * 100000 %}{{ ''.join(l) }}",
            "{{ '{:>999999999999}'.format('x') }}",
        ] {
            assert!(render(template).is_err(), "{template}");
        }
    }
}
