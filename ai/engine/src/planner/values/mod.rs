//! From the words of a request to the value a tool takes, one kind at a time.
//!
//! The model says *where* a value stands; this module says what it is: `my documents folder` is
//! `~/Documents`, `half an hour` is `PT30M`. It never guesses a value that is not in the words: what
//! it does not understand is a [`Problem`], which becomes a question.

mod duration;
mod lexer;
mod number;
mod path;
mod when;

use std::ops::Range;

use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::Value;

/// What kind of value an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Path, may begin with `~`. String.
    Path,
    /// Free text as the person wrote it. String.
    Text,
    /// Application. String.
    App,
    /// Service unit. String.
    Unit,
    /// Whole number, not negative. Integer.
    Number,
    /// 0 to 100. Integer.
    Percent,
    /// ISO 8601 duration: `PT10M`. String.
    Duration,
    /// Local ISO 8601 date-time: `2026-11-23T10:00:00`. String.
    Datetime,
    /// Theme. String.
    Theme,
    /// One of [`TOPICS`]. String.
    Topic,
    /// `cpu` or `memory`. String.
    Sort,
    /// URL with scheme. String.
    Url,
    /// Host name. String.
    Host,
    /// Window title or number. String.
    Window,
    /// Process name or number. String.
    Process,
    /// Agent. String.
    Agent,
    /// Yes or no. Boolean.
    Boolean,
}

/// Why words are not a value: half a sentence for the person, `“soonish” is no length of time I
/// understand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub String);

/// What `system.info` can tell about.
pub const TOPICS: [&str; 7] = [
    "cpu", "memory", "disk", "battery", "network", "os", "uptime",
];

/// Words that point at something without naming it.
const NO_NAMES: [&str; 14] = [
    "this",
    "that",
    "it",
    "one",
    "other",
    "another",
    "thing",
    "something",
    "them",
    "these",
    "those",
    "other one",
    "this one",
    "that one",
];

/// Turns the words of a request into a value of `kind`. `now` is the local time that relative times
/// count from.
pub fn normalise(kind: Kind, words: &str, now: DateTime) -> Result<Value, Problem> {
    let trimmed = unquote(words);
    let problem = |what: &str| {
        Problem(format!(
            "“{}” is no {what} that I understand",
            shorten(trimmed)
        ))
    };
    let named = |noise: &[&str]| {
        let name = name(trimmed, noise);
        if name.is_empty() || NO_NAMES.iter().any(|no| no.eq_ignore_ascii_case(name)) {
            Err(problem("name"))
        } else {
            Ok(Value::from(name))
        }
    };
    match kind {
        Kind::Text if trimmed.is_empty() => Err(problem("text")),
        Kind::Text => Ok(Value::from(match trimmed.split_once(' ') {
            // The pattern of names is meant, not how many of them.
            Some(("all" | "any" | "every" | "each", pattern))
                if pattern.contains('*') && !pattern.contains(' ') =>
            {
                pattern
            }
            _ => trimmed,
        })),
        Kind::Path => path::parse(words)
            .map(Value::from)
            .ok_or_else(|| problem("path")),
        Kind::App => named(&["application", "app", "program"]),
        Kind::Unit => named(&["service", "unit", "daemon"]).map(|v| match v.as_str() {
            Some(name) => Value::from(name.strip_suffix(".service").unwrap_or(name)),
            None => v,
        }),
        Kind::Agent => named(&["agent"]),
        Kind::Window => named(&["window"]),
        Kind::Process => named(&["process"]),
        Kind::Theme => named(&["theme", "mode", "colours", "colors"])
            .map(|v| Value::from(theme(&v.as_str().unwrap_or_default().to_lowercase()))),
        Kind::Number => number::whole(trimmed)
            .map(Value::from)
            .ok_or_else(|| problem("number")),
        Kind::Percent => number::percent(trimmed)
            .map(Value::from)
            .ok_or_else(|| problem("share between 0 and 100 percent")),
        Kind::Duration => duration::parse(trimmed)
            .map(|d| Value::from(duration::iso(d)))
            .ok_or_else(|| problem("length of time")),
        Kind::Datetime => when::parse(trimmed, now)
            .map(|t| Value::from(t.strftime("%Y-%m-%dT%H:%M:%S").to_string()))
            .ok_or_else(|| problem("time to come")),
        Kind::Topic => topic(trimmed)
            .map(Value::from)
            .ok_or_else(|| problem("topic")),
        Kind::Sort => match topic(trimmed) {
            Some(key @ ("cpu" | "memory")) => Ok(Value::from(key)),
            _ => Err(problem("order")),
        },
        Kind::Url => url(trimmed)
            .map(Value::from)
            .ok_or_else(|| problem("address")),
        Kind::Host => url(trimmed)
            .and_then(|u| host(&u).map(Value::from))
            .ok_or_else(|| problem("host")),
        Kind::Boolean => boolean(trimmed)
            .map(Value::from)
            .ok_or_else(|| problem("yes or no")),
    }
}

/// How many bytes of `rest`, the request after a value of `kind`, say more about that value.
pub(super) fn tail(kind: Kind, rest: &str) -> usize {
    match kind {
        Kind::Path => path::tail(rest),
        Kind::Number | Kind::Percent => number::tail(rest),
        _ => 0,
    }
}

/// The folder with a name of its own that a request says to look in, as a range of its bytes: `my documents` in
/// `search my documents for taxes`. `None` where there is none, or several.
pub(super) fn place(request: &str, free: impl Fn(&Range<usize>) -> bool) -> Option<Range<usize>> {
    path::place(request, free)
}

/// Brackets that stand around something.
const BRACKETS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];

/// What ends a sentence or a part of it.
const STOPS: &str = ".,;:!?…—–";

fn is_quote(c: char) -> bool {
    QUOTES.iter().any(|pair| c == pair.0 || c == pair.1)
}

/// How many more of the bracket `open` a text has than of `close`.
fn unclosed(text: &str, (open, close): (char, char)) -> isize {
    let count = |c| text.matches(c).count().cast_signed();
    count(open) - count(close)
}

/// A range of `request` that holds a value of `kind`, widened over what is written together with it: a value ends
/// where a blank or the sentence's punctuation does, and has both of a pair of brackets or none.
pub(super) fn written_together(kind: Kind, request: &str, range: Range<usize>) -> Range<usize> {
    use Kind::{Agent, App, Boolean, Path, Process, Text, Unit, Url, Window};
    if !matches!(
        kind,
        Agent | App | Boolean | Path | Process | Text | Unit | Url | Window
    ) {
        return range;
    }
    // Scripts without blanks between words are written together all along.
    let apart =
        |c: char| c.is_whitespace() || ('\u{2E80}'..='\u{FFDC}').contains(&c) || c >= '\u{20000}';
    let after = &request[range.end..];
    let mut end = range.end + after.find(apart).unwrap_or(after.len());
    while let Some(last) = request[range.end..end].chars().next_back() {
        let stray = match BRACKETS.into_iter().find(|pair| pair.1 == last) {
            Some(pair) => unclosed(&request[range.start..end], pair) < 0,
            None => is_quote(last) || STOPS.contains(last),
        };
        if !stray {
            break;
        }
        end -= last.len_utf8();
    }
    // `{"debug": true}` is not the same without its braces. A name in parentheses is.
    let enclosed = |(open, close): &(char, char)| {
        request[..range.start].ends_with(*open) && request[range.end..].starts_with(*close)
    };
    if kind == Text && BRACKETS[1..].iter().any(enclosed) {
        return range.start - 1..range.end + 1;
    }
    let closes = |pair: &(char, char)| {
        request[..end].ends_with(pair.1) && unclosed(&request[range.clone()], *pair) > 0
    };
    let goes_on = |c: char| !STOPS.contains(c) && !is_quote(c);
    let after = &request[range.end..end];
    // `hunter2!$%` goes on behind what would end a sentence; `a;b` may be two.
    let signs = || after.contains(goes_on) && !after.contains(char::is_alphanumeric);
    if !after.starts_with(goes_on) && !signs() && !BRACKETS.iter().any(closes) {
        end = range.end;
    }
    let before = &request[..range.start];
    let ends_before = |c: char| apart(c) || (STOPS.contains(c) && c != '.') || c == '=';
    let cut = before.char_indices().rev().find(|(_, c)| ends_before(*c));
    let mut start = cut.map_or(0, |(at, c)| at + c.len_utf8());
    while let Some(first) = request[start..range.start].chars().next() {
        let stray = match BRACKETS.into_iter().find(|pair| pair.0 == first) {
            Some(pair) => unclosed(&request[start..end], pair) > 0,
            None => is_quote(first),
        };
        if !stray {
            break;
        }
        start += first.len_utf8();
    }
    if request[start..range.start].ends_with(is_quote) {
        start = range.start;
    }
    start..end
}

/// Most words by which a time is widened on either side.
const WIDENED: usize = 6;

/// A range of `request` that holds a time, widened over neighbouring words that make it a fuller one: `at 8`
/// in `at 8 on the 31st`. `free` says which bytes are nobody else's.
pub(super) fn widen(
    kind: Kind,
    request: &str,
    range: Range<usize>,
    free: impl Fn(&Range<usize>) -> bool,
    now: DateTime,
) -> Range<usize> {
    let readable = |range: &Range<usize>| match kind {
        Kind::Datetime => when::parse(&request[range.clone()], now).is_some(),
        Kind::Duration => duration::parse(&request[range.clone()]).is_some(),
        _ => false,
    };
    let mut best = range.clone();
    let mut end = range.end;
    for word in request[range.end..].split_inclusive(' ').take(WIDENED + 1) {
        end += word.len();
        let wider = best.start..request[..end].trim_end().len();
        // A sentence ends here.
        let stops =
            wider.end > range.end && request[..wider.end].ends_with(['.', ';', '!', '?', ',']);
        let whole = wider.start..without_stop(&request[..wider.end]).len();
        // "10 minutes 3 eggs": a number that goes on with a word is that word's.
        let last = request[whole.clone()].split_whitespace().next_back();
        let dangling = kind == Kind::Duration
            && last.is_some_and(|w| number::whole(w).is_some())
            && request[whole.end..]
                .trim_start()
                .starts_with(char::is_alphabetic);
        if whole.end > best.end && !dangling && free(&whole) && readable(&whole) {
            best = whole;
        }
        if stops {
            break;
        }
    }
    for word in request[..range.start]
        .trim_end()
        .rsplit(' ')
        .take(WIDENED / 2)
    {
        // `word` is a part of `request`: where it begins needs no counting of white space.
        let start = word.as_ptr() as usize - request.as_ptr() as usize;
        if word.ends_with(['.', ';', '!', '?', ',', ':']) || word.is_empty() {
            break;
        }
        let wider = start..best.end;
        if free(&wider) && readable(&wider) {
            best = wider;
        }
    }
    best
}

/// The sentence around a range, without what ends it.
pub(super) fn sentence(request: &str, range: Range<usize>) -> Range<usize> {
    let ends = |at: usize, mark: &str| {
        let rest = &request[at + mark.len()..];
        rest.is_empty() || rest.starts_with(char::is_whitespace)
    };
    let marks = [".", "!", "?", ";"];
    let cut = |text: &str, from: usize| -> Vec<usize> {
        let mut found: Vec<usize> = marks
            .iter()
            .flat_map(|m| text.match_indices(m).map(move |(i, m)| (i + from, m)))
            .filter(|(i, m)| ends(*i, m))
            .map(|(i, m)| i + m.len())
            .collect();
        found.sort_unstable();
        found
    };
    let start = cut(&request[..range.start], 0).last().copied().unwrap_or(0);
    let end = cut(&request[range.end..], range.end)
        .first()
        .copied()
        .unwrap_or(request.len());
    let start = start + request[start..end].len() - request[start..end].trim_start().len();
    start..start + without_stop(&request[start..end]).len()
}

/// Marks that open a quotation, and those that close it.
pub(super) const QUOTES: [(char, char); 8] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('«', '»'),
    ('「', '」'),
];

/// Without surrounding white space and one pair of quotes.
fn unquote(text: &str) -> &str {
    let text = text.trim();
    for (open, close) in QUOTES {
        if let Some(inner) = text.strip_prefix(open).and_then(|t| t.strip_suffix(close)) {
            return inner.trim();
        }
    }
    // The model may have left one of the two outside.
    let single = |c: char| QUOTES.iter().any(|p| c == p.0 || c == p.1);
    let mut marks = text.chars().filter(|c| single(*c));
    match (marks.next(), marks.next()) {
        (Some(mark), None) if mark != '\'' && mark != '’' => text
            .trim_start_matches(single)
            .trim_end_matches(single)
            .trim(),
        _ => text,
    }
}

/// Without punctuation at the end that belongs to the sentence.
fn without_stop(text: &str) -> &str {
    text.trim_end_matches(['.', ',', ';', ':', '!', '?', '…'])
        .trim_end()
}

/// A name without quotes, articles and what kind of thing it is.
fn name<'a>(text: &'a str, noise: &[&str]) -> &'a str {
    let mut text = unquote(without_stop(text));
    for article in ["the ", "my ", "a ", "an "] {
        text = strip_prefix_ignoring_case(text, article)
            .unwrap_or(text)
            .trim_start();
    }
    for word in noise {
        if let Some(rest) = strip_suffix_ignoring_case(text, word)
            && rest.ends_with(char::is_whitespace)
        {
            text = rest.trim_end();
        }
        if let Some(rest) = strip_prefix_ignoring_case(text, word)
            && rest.starts_with(char::is_whitespace)
        {
            text = rest.trim_start();
        }
    }
    unquote(text)
}

/// As [`str::strip_prefix`], for ASCII prefixes in any case.
fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// As [`str::strip_suffix`], for ASCII suffixes in any case.
fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    text.get(at..)?
        .eq_ignore_ascii_case(suffix)
        .then(|| &text[..at])
}

/// A theme's name; the two that every system has are known by a slip of the fingers as well.
fn theme(name: &str) -> &str {
    ["dark", "light"]
        .into_iter()
        .find(|known| name.starts_with(&known[..1]) && near(known, name))
        .unwrap_or(name)
}

/// Whether two words are the same up to one slip: a letter too many, too few, wrong, or two swapped.
fn near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], _) | (_, []) => true,
        ([x, y, rest @ ..], [v, w, tail @ ..]) if x == w && y == v && rest == tail => true,
        _ => a[1..] == b[1..] || a[1..] == *b || *a == b[1..],
    }
}

/// The value that a whole request names without having it as an argument: "what processor is this". Words that
/// are in requests for other reasons do not count.
pub(super) fn named_in(kind: Kind, request: &str) -> Option<Value> {
    let lower = request.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    match kind {
        Kind::Percent => {
            let words = lower.split(|c: char| !c.is_alphabetic());
            let most = words.clone().any(|w| matches!(w, "max" | "maximum"));
            let least = words
                .clone()
                .any(|w| matches!(w, "mute" | "silence" | "hush" | "shush" | "muzzle"));
            return (most != least).then(|| Value::from(if most { 100 } else { 0 }));
        }
        Kind::Boolean => {
            let end = [
                "append",
                ">>",
                "another line",
                "to the end",
                "to the bottom",
                "onto the end",
                "onto the bottom",
            ];
            return says(&end).then(|| Value::from(true));
        }
        Kind::Topic if says(&["how long has this", "how long have you been"]) => {
            return Some(Value::from("uptime"));
        }
        _ => {}
    }
    let plain: Vec<&str> = request
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|w| {
            let word = w.to_lowercase();
            ![
                "system", "running", "up", "power", "load", "space", "version",
            ]
            .contains(&word.as_str())
        })
        .collect();
    let mut found: Vec<&str> = plain.iter().filter_map(|word| topic(word)).collect();
    found.dedup();
    match (kind, found.as_slice()) {
        (Kind::Topic, [one]) => Some(Value::from(*one)),
        (Kind::Sort, [one @ ("cpu" | "memory")]) => Some(Value::from(*one)),
        _ => None,
    }
}

fn topic(text: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 45] = [
        ("mem", "memory"),
        ("distro", "os"),
        ("booted", "uptime"),
        ("batt", "battery"),
        ("juice", "battery"),
        ("core", "cpu"),
        ("harddisk", "disk"),
        ("hdd", "disk"),
        ("cpu", "cpu"),
        ("processor", "cpu"),
        ("processors", "cpu"),
        ("cores", "cpu"),
        ("load", "cpu"),
        ("memory", "memory"),
        ("ram", "memory"),
        ("swap", "memory"),
        ("disk", "disk"),
        ("disks", "disk"),
        ("storage", "disk"),
        ("space", "disk"),
        ("drive", "disk"),
        ("ssd", "disk"),
        ("battery", "battery"),
        ("charge", "battery"),
        ("charged", "battery"),
        ("charging", "battery"),
        ("power", "battery"),
        ("network", "network"),
        ("internet", "network"),
        ("wifi", "network"),
        ("wi-fi", "network"),
        ("ip", "network"),
        ("connection", "network"),
        ("ethernet", "network"),
        ("os", "os"),
        ("operating", "os"),
        ("system", "os"),
        ("version", "os"),
        ("kernel", "os"),
        ("distribution", "os"),
        ("release", "os"),
        ("uptime", "uptime"),
        ("running", "uptime"),
        ("up", "uptime"),
        ("boot", "uptime"),
    ];
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .find_map(|word| WORDS.iter().find(|(w, _)| *w == word).map(|(_, t)| *t))
}

fn url(text: &str) -> Option<String> {
    let text = unquote(without_stop(text));
    if text.is_empty() || text.contains(char::is_whitespace) {
        return None;
    }
    let full = match text.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
        None => format!("https://{text}"),
    };
    host(&full).map(|_| full)
}

fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_lowercase();
    let plausible = host.contains(char::is_alphanumeric)
        && host
            .chars()
            .all(|c| c.is_alphanumeric() || ".-:[]_".contains(c));
    plausible.then_some(host)
}

fn boolean(text: &str) -> Option<bool> {
    const YES: [&str; 45] = [
        "on",
        "yes",
        "true",
        "enable",
        "enabled",
        "append",
        "appended",
        "appending",
        "add",
        "added",
        "adding",
        "attach",
        "attached",
        "tack",
        "connect",
        "reconnect",
        "end",
        "bottom",
        "back",
        "online",
        "start",
        "restore",
        "resume",
        "up",
        "allow",
        "plug",
        "activate",
        "activated",
        "reactivate",
        "connected",
        "reconnected",
        "foot",
        "tail",
        "active",
        "unblock",
        "wake",
        "revive",
        "resurrect",
        "hook",
        "alive",
        "live",
        "raise",
        "reinstate",
        "reestablish",
        "establish",
    ];
    const NO: [&str; 45] = [
        "off",
        "no",
        "not",
        "false",
        "disable",
        "disabled",
        "disconnect",
        "offline",
        "without",
        "cut",
        "stop",
        "sever",
        "drop",
        "kill",
        "block",
        "down",
        "deactivate",
        "deactivated",
        "disconnected",
        "shut",
        "unplug",
        "unplugged",
        "severed",
        "blocked",
        "dead",
        "inactive",
        "unhook",
        "isolate",
        "quarantine",
        "silence",
        "ditch",
        "away",
        "pull",
        "snip",
        "chop",
        "detach",
        "uncouple",
        "suspend",
        "halt",
        "ground",
        "mothball",
        "rip",
        "lower",
        "dark",
        "dropped",
    ];
    // What a shell writes for it.
    if text.trim() == ">>" {
        return Some(true);
    }
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    let negated = words
        .clone()
        .any(|w| matches!(w, "not" | "don" | "dont" | "never"));
    let no = words.clone().any(|w| NO.contains(&w) && w != "not");
    let yes = words.clone().any(|w| YES.contains(&w));
    // "do not enable" is a no; what "do not disable" wishes is better asked.
    let said = match (no, yes, negated) {
        (true, _, true) => return None,
        (true, ..) => Some(false),
        (false, true, negated) => Some(!negated),
        (false, false, true) => Some(false),
        (false, false, false) => None,
    };
    // Airplane mode is the absence of what is switched.
    let leaves = words
        .clone()
        .any(|w| matches!(w, "leave" | "exit" | "end" | "quit" | "out"));
    if words.any(is_airplane) {
        return Some(leaves || !said.unwrap_or(true));
    }
    said
}

fn is_airplane(word: &str) -> bool {
    matches!(word, "airplane" | "aeroplane" | "flight")
}

/// Whether words are those of the mode in which nothing is connected.
pub(super) fn is_airplane_mode(words: &str) -> bool {
    words
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(is_airplane)
}

/// At most 40 characters of a text, for questions.
fn shorten(text: &str) -> String {
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(40).collect();
    if characters.next().is_some() {
        format!("{head}…")
    } else {
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> DateTime {
        jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0)
    }

    #[track_caller]
    fn is(kind: Kind, words: &str, expected: Value) {
        assert_eq!(normalise(kind, words, now()), Ok(expected), "{words}");
    }

    #[track_caller]
    fn is_problem(kind: Kind, words: &str) {
        assert!(normalise(kind, words, now()).is_err(), "{words}");
    }

    #[test]
    fn names_lose_quotes_articles_and_their_kind() {
        is(Kind::App, "the “Text Editor” app", json!("Text Editor"));
        is(Kind::App, "firefox.", json!("firefox"));
        is(Kind::App, "Applications", json!("Applications"));
        is(Kind::Unit, "the dbus service", json!("dbus"));
        is(Kind::Unit, "sshd.service", json!("sshd"));
        is(Kind::Theme, "the Dark theme", json!("dark"));
        is(Kind::Theme, "light mode", json!("light"));
        is(Kind::Agent, "agent steward", json!("steward"));
        is(Kind::Window, "the terminal window", json!("terminal"));
        is(Kind::Text, "„Grüße an Zoë 🙂“", json!("Grüße an Zoë 🙂"));
        is(
            Kind::Text,
            "don't forget the milk",
            json!("don't forget the milk"),
        );
        is(Kind::Text, "buy milk\"", json!("buy milk"));
        is_problem(Kind::Window, "the other window");
        is_problem(Kind::Agent, "that one");
        is_problem(Kind::App, "  \"\" ");
        is_problem(Kind::Text, "''");
    }

    #[test]
    fn times_are_widened_over_what_belongs_to_them() {
        for (request, span, wider) in [
            (
                "remind me by 11 am on the 31st to post it",
                "by 11 am",
                "by 11 am on the 31st",
            ),
            (
                "the day after tomorrow 16h, collect it",
                "tomorrow",
                "the day after tomorrow 16h",
            ),
            ("wake me at 7 please", "at 7", "at 7"),
            ("at 7. On monday call", "at 7", "at 7"),
        ] {
            let start = request.find(span).unwrap();
            let range = start..start + span.len();
            let found = widen(Kind::Datetime, request, range, |_| true, now());
            assert_eq!(
                request[found].trim_start_matches("the "),
                wider.trim_start_matches("the ")
            );
        }
        // Other white space and letters of several bytes before it.
        let request = "Zo\u{eb} now\u{a0} timer for 5 minutes";
        let start = request.find('5').unwrap();
        let found = widen(
            Kind::Duration,
            request,
            start..request.len(),
            |_| true,
            now(),
        );
        assert!(request[found].ends_with("5 minutes"));
        let request = "set a timer 10 minutes 3 eggs";
        let found = widen(Kind::Duration, request, 12..22, |_| true, now());
        assert_eq!(&request[found], "10 minutes");
        let request = "timer an hour and a half for the dough";
        let found = widen(Kind::Duration, request, 6..13, |_| true, now());
        assert_eq!(&request[found], "an hour and a half");
        let found = widen(Kind::Duration, request, 6..13, |r| r.end < 15, now());
        assert_eq!(&request[found], "an hour");
    }

    #[test]
    fn what_is_written_together_is_one_value() {
        for (kind, request, span, whole) in [
            (
                Kind::Text,
                "find 50%_off_coupon*",
                "50%_off_coupon",
                "50%_off_coupon*",
            ),
            (
                Kind::Text,
                "write {\"a\": 1} to x",
                "{\"a\": 1",
                "{\"a\": 1}",
            ),
            (
                Kind::Text,
                "write {\"a\": 1} to x",
                "\"a\": 1",
                "{\"a\": 1}",
            ),
            (
                Kind::Text,
                "my password is hunter2!$%&",
                "hunter2",
                "hunter2!$%&",
            ),
            (Kind::Text, "they shout hunter2!", "hunter2", "hunter2"),
            (Kind::Text, "write #!/bin/sh to x", "#!", "#!/bin/sh"),
            (
                Kind::Text,
                "call it Tea (2nd cup!).",
                "Tea (2nd cup",
                "Tea (2nd cup!)",
            ),
            (Kind::Text, "note (buy milk) now", "buy milk", "buy milk"),
            (Kind::Path, "trash ~/a.bak~, please", "~/a.bak", "~/a.bak~"),
            (
                Kind::Path,
                "find *_final(2).doc",
                "2).doc",
                "*_final(2).doc",
            ),
            (Kind::Boolean, "echo x >> y", ">", ">>"),
            // What ends a value.
            (Kind::Agent, "ask scout: what now", "scout", "scout"),
            (Kind::Agent, "anna's agent", "anna", "anna"),
            (Kind::App, "open “foot”, now", "foot", "foot"),
            (Kind::App, "open foot,firefox", "firefox", "firefox"),
            (Kind::Text, "note: milk—and eggs", "milk", "milk"),
            (Kind::Text, "记住牛奶和鸡蛋", "牛奶", "牛奶"),
            (Kind::Duration, "timer 5min", "5", "5"),
        ] {
            let start = request.find(span).unwrap();
            let range = written_together(kind, request, start..start + span.len());
            assert_eq!(&request[range], whole, "{request}");
        }
    }

    #[test]
    fn pattern_of_names_is_what_is_looked_for() {
        for (words, expected) in [
            ("every *.mp3", "*.mp3"),
            ("all report*.pdf", "report*.pdf"),
            ("every mp3", "every mp3"),
            ("all * signs here", "all * signs here"),
        ] {
            assert_eq!(
                normalise(Kind::Text, words, now()),
                Ok(Value::from(expected))
            );
        }
    }

    #[test]
    fn places_that_are_looked_in() {
        for (request, expected) in [
            ("search my documents for taxes", Some("documents")),
            (
                "sniff out every mp3 in the Downloads, please",
                Some("Downloads"),
            ),
            ("find pictures of the party", None),
            ("look through my music and my videos", None),
            ("", None),
        ] {
            let found = place(request, |_| true).map(|r| &request[r]);
            assert_eq!(found, expected, "{request}");
        }
        assert_eq!(place("search my documents", |_| false), None);
    }

    #[test]
    fn sentences() {
        let request = "Hi there. How do I set a.b? Thanks!";
        let at = request.find("set").unwrap();
        assert_eq!(&request[sentence(request, at..at + 3)], "How do I set a.b");
        assert_eq!(&request[sentence(request, 0..2)], "Hi there");
        assert_eq!(sentence("one", 0..3), 0..3);
    }

    #[test]
    fn slips_and_named_topics() {
        for (a, b) in [
            ("dark", "drak"),
            ("dark", "dar"),
            ("dark", "darkk"),
            ("dark", "dirk"),
            ("x", "x"),
        ] {
            assert!(near(a, b) && near(b, a), "{a} {b}");
        }
        assert!(!near("dark", "park2") && !near("light", "night2") && !near("dark", "dakr2"));
        is(Kind::Theme, "drak mode", json!("dark"));
        is(Kind::Theme, "solarized", json!("solarized"));
        is(Kind::Theme, "night", json!("night"));
        is(Kind::Theme, "park", json!("park"));
        assert_eq!(
            named_in(Kind::Topic, "what distro is this system"),
            Some(json!("os"))
        );
        assert_eq!(named_in(Kind::Topic, "memory and disk"), None);
        assert_eq!(
            named_in(Kind::Sort, "process list by mem usage"),
            Some(json!("memory"))
        );
        assert_eq!(named_in(Kind::Sort, "what is running"), None);
        for (kind, request, expected) in [
            (
                Kind::Percent,
                "turn the sound up to maximum",
                Some(json!(100)),
            ),
            (Kind::Percent, "silence the speakers", Some(json!(0))),
            (Kind::Percent, "from mute to max", None),
            (
                Kind::Boolean,
                "todo.txt needs another line: eggs",
                Some(json!(true)),
            ),
            (Kind::Boolean, "write eggs to todo.txt", None),
            (
                Kind::Topic,
                "how long has this machine been on",
                Some(json!("uptime")),
            ),
        ] {
            assert_eq!(named_in(kind, request), expected, "{request}");
        }
    }

    #[test]
    fn topics_and_orders() {
        is(Kind::Topic, "free disk space", json!("disk"));
        is(Kind::Topic, "RAM", json!("memory"));
        is(Kind::Topic, "battery charge", json!("battery"));
        is(Kind::Sort, "memory usage", json!("memory"));
        is_problem(Kind::Sort, "colour");
        is_problem(Kind::Topic, "weather");
    }

    #[test]
    fn addresses() {
        is(
            Kind::Url,
            "example.org/a?b=c.",
            json!("https://example.org/a?b=c"),
        );
        is(Kind::Url, "HTTP://Example.org", json!("http://Example.org"));
        is(
            Kind::Host,
            "https://user@Example.org:8080/x",
            json!("example.org:8080"),
        );
        is_problem(Kind::Url, "the news");
        is_problem(Kind::Url, "https:///path");
    }

    #[test]
    fn yes_and_no() {
        is(Kind::Boolean, "on", json!(true));
        is(Kind::Boolean, "Disable", json!(false));
        is(Kind::Boolean, "to the end", json!(true));
        is(Kind::Boolean, "do not connect", json!(false));
        is(Kind::Boolean, ">>", json!(true));
        is(Kind::Boolean, "pull the plug", json!(false));
        is(Kind::Boolean, "reactivate", json!(true));
        is(Kind::Boolean, "airplane mode on", json!(false));
        is(Kind::Boolean, "airplane mode off", json!(true));
        is(Kind::Boolean, "airplane mode", json!(false));
        is(Kind::Boolean, "leave airplane mode", json!(true));
        is(Kind::Boolean, "don't want to be online", json!(false));
        is_problem(Kind::Boolean, "do not disconnect");
        is_problem(Kind::Boolean, "maybe");
    }

    proptest::proptest! {
        #[test]
        fn any_words_give_a_value_of_the_right_type_or_a_problem(words in "\\PC{0,60}") {
            use Kind::*;
            for kind in [
                Path, Text, App, Unit, Number, Percent, Duration, Datetime, Theme, Topic, Sort, Url,
                Host, Window, Process, Agent, Boolean,
            ] {
                let Ok(value) = normalise(kind, &words, now()) else { continue };
                let fits = match kind {
                    Number | Percent => value.is_u64(),
                    Boolean => value.is_boolean(),
                    _ => value.as_str().is_some_and(|s| !s.is_empty()),
                };
                proptest::prop_assert!(fits, "{:?} {}", kind, value);
            }
        }

        #[test]
        fn widening_keeps_the_value_and_whole_characters(request in "[ a(){}\\\"'.,:*ä中]{1,30}", a in 0usize..30, b in 0usize..30) {
            let edges: Vec<usize> = request.char_indices().map(|(i, _)| i).chain([request.len()]).collect();
            let (a, b) = (edges[a % edges.len()], edges[b % edges.len()]);
            let range = a.min(b)..a.max(b);
            let wider = written_together(Kind::Text, &request, range.clone());
            proptest::prop_assert!(wider.start <= range.start && wider.end >= range.end);
            proptest::prop_assert!(request.get(wider).is_some());
        }

        #[test]
        fn words_of_time_never_panic(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "in", "at", "half", "an", "a", "hour", "minutes", "and", "quarter", "to", "past",
                    "5", "31", "99999999999", "february", "november", "tomorrow", "monday", "next",
                    "noon", "pm", "am", ":", "2026", "-", "thousand", "million", "twenty", "three",
                    "days", "weeks", "tonight", "o'clock", "th", "week", "T", "PT5M", "1.5",
                ]),
                0..8,
            )
        ) {
            let words = words.join(" ");
            for kind in [Kind::Duration, Kind::Datetime, Kind::Number, Kind::Percent] {
                let _ = normalise(kind, &words, now());
            }
        }
    }
}
