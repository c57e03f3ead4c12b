//! What to do about a request, once the graph has spoken: act, ask, or say that it cannot be done.
//!
//! ```text
//! likeliest of all tools is not allowed ──> reply: not among what I may do
//! likeliest is none, or below ask_threshold ──> reply: cannot do that, but for example …
//! a required argument is absent or not understood ──> question for it
//! tool below act_threshold, or arguments unsure ──> question: did you mean to …?
//! else ──> one call, whose arguments have the types the tool takes
//! ```
//!
//! Pure, like [`super::decode`].

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::config::{Config, NONE};
use super::decode::{Heads, Ranked, Span, rank, spans};
use super::values::{Kind, Problem, normalise, tail};
use super::{Call, Plan, wording};

/// How many things a reply offers.
const OFFERED: usize = 4;

/// Turns the outputs for `request` into a [`Plan`]. `offsets` are the byte ranges of its tokens,
/// `allowed` the tools that may be proposed (empty: all).
pub(super) fn decide(
    config: &Config,
    request: &str,
    offsets: &[Range<usize>],
    heads: Heads<'_>,
    allowed: &[String],
    now: DateTime,
) -> Plan {
    let ranked = rank(config, heads.tool_logits);
    let name = |r: &Ranked| config.tools[r.tool].as_str();
    let may =
        |tool: &str| tool != NONE && (allowed.is_empty() || allowed.iter().any(|a| a == tool));
    let offer = || {
        let likely: Vec<&str> = ranked
            .iter()
            .map(name)
            .filter(|t| may(t))
            .take(OFFERED)
            .collect();
        wording::offer(&likely)
    };
    let Some(top) = ranked.first() else {
        return Plan::reply("I have no tools at all.".into());
    };
    let tool = name(top);
    if tool == NONE || top.probability < config.ask_threshold {
        return Plan::reply(format!("I have no tool for that.{}", offer()));
    }
    if !may(tool) {
        let what = wording::phrase(tool);
        return Plan::reply(format!(
            "I understand that I should {what}, but I have no tool for that here.{}",
            offer()
        ));
    }
    let mut arguments = Map::new();
    let mut certainty = 1.0;
    if let Some(wanted) = config.tool_slots.get(tool) {
        let found = spans(config, wanted, heads, request, offsets);
        for (argument_name, argument) in wanted {
            let Some(span) = found.get(argument_name) else {
                continue;
            };
            let words = words(request, &span.range, argument.kind, &found);
            if words.is_empty() {
                if argument.required {
                    return Plan::question(wording::missing(tool, argument_name, argument));
                }
                continue;
            }
            match normalise(argument.kind, words, now) {
                Ok(value) => {
                    arguments.insert(argument_name.clone(), value);
                    certainty *= span.probability;
                }
                // Whether to append: without it something would be lost.
                Err(Problem(what)) if argument.required || argument.kind == Kind::Boolean => {
                    let question = wording::missing(tool, argument_name, argument);
                    return Plan::question(format!("{what}. {question}"));
                }
                // Without it the tool does the general thing, which is still what was asked for.
                Err(_) => certainty *= span.probability,
            }
        }
    }
    if top.probability < config.act_threshold || certainty < config.slot_threshold {
        return Plan::question(wording::confirm(tool, &arguments));
    }
    Plan {
        calls: vec![Call {
            tool: tool.to_owned(),
            arguments: Value::Object(arguments),
            confidence: f64::from((top.probability * certainty).clamp(0.0, 1.0)),
        }],
        ..Plan::default()
    }
}

/// The words of an argument, with what follows them if it says more about the value and belongs to no
/// other argument.
fn words<'a>(
    request: &'a str,
    range: &Range<usize>,
    kind: Kind,
    all: &BTreeMap<String, Span>,
) -> &'a str {
    let words = request.get(range.clone()).unwrap_or_default();
    if words.is_empty() {
        return words;
    }
    let end = range.end + tail(kind, &request[range.end..]);
    let free = all
        .values()
        .all(|s| s.range.start < range.end || s.range.start >= end);
    if free {
        &request[range.start..end]
    } else {
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::*;
    use super::*;
    use serde_json::json;

    fn plan(
        request: &str,
        tool: &str,
        logit: f32,
        marks: &[(&str, &str)],
        allowed: &[&str],
    ) -> Plan {
        let config = config();
        let made = made_up(&config, request, tool, logit, marks);
        let allowed: Vec<String> = allowed.iter().map(|t| (*t).to_owned()).collect();
        let now = jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0);
        decide(&config, request, &made.offsets, made.heads(), &allowed, now)
    }

    const SURE: f32 = 12.0;
    // With six other tools at 0: e^2.2 / (e^2.2 + 6) = 0.60.
    const UNSURE: f32 = 2.2;

    #[test]
    fn sure_is_a_call_with_typed_arguments() {
        let p = plan(
            "list my documents",
            "files.list",
            SURE,
            &[("path", "my documents")],
            &[],
        );
        assert_eq!(p.calls.len(), 1, "{p:?}");
        assert_eq!(p.calls[0].tool, "files.list");
        assert_eq!(p.calls[0].arguments, json!({"path": "~/Documents"}));
        assert!(p.calls[0].confidence > 0.9, "{p:?}");
        let p = plan(
            "volume thirty percent",
            "volume.set",
            SURE,
            &[("amount", "thirty percent")],
            &[],
        );
        assert_eq!(p.calls[0].arguments, json!({"percent": 30}));
        let p = plan(
            "timer for half an hour",
            "timer.set",
            SURE,
            &[("time", "half an hour")],
            &[],
        );
        assert_eq!(p.calls[0].arguments, json!({"duration": "PT30M"}));
    }

    #[test]
    fn words_that_follow_a_path_say_where_it_is() {
        let request = "move a.txt from downloads to my documents folder";
        let marks = [("path", "a.txt"), ("destination", "documents")];
        let p = plan(request, "files.move", SURE, &marks, &[]);
        let expected = json!({"from": "~/Downloads/a.txt", "to": "~/Documents"});
        assert_eq!(p.calls[0].arguments, expected);
        // Unless they are another argument's.
        let request = "find notes.txt in documents";
        let marks = [("path", "documents"), ("query", "notes.txt")];
        let p = plan(request, "files.search", SURE, &marks, &[]);
        assert_eq!(
            p.calls[0].arguments,
            json!({"path": "~/Documents", "query": "notes.txt"})
        );
    }

    #[test]
    fn unsure_is_a_question_that_names_what_would_be_done() {
        let p = plan(
            "list my documents",
            "files.list",
            UNSURE,
            &[("path", "my documents")],
            &[],
        );
        assert!(p.calls.is_empty());
        assert_eq!(
            p.question.as_deref(),
            Some("Did you mean to list ~/Documents?")
        );
    }

    #[test]
    fn unsure_argument_is_a_question() {
        // Two places are equally likely to begin and end the path: a quarter for each pair.
        let p = plan(
            "list alpha beta gamma delta",
            "files.list",
            SURE,
            &[
                ("path", "alpha"),
                ("path", "beta"),
                ("path", "gamma"),
                ("path", "delta"),
            ],
            &[],
        );
        assert!(
            p.question
                .as_deref()
                .is_some_and(|q| q.starts_with("Did you mean")),
            "{p:?}"
        );
    }

    #[test]
    fn missing_required_argument_is_asked_for() {
        let p = plan("list a folder", "files.list", SURE, &[], &[]);
        assert_eq!(p.question.as_deref(), Some("Which folder?"));
        let p = plan("move a.txt", "files.move", SURE, &[("path", "a.txt")], &[]);
        assert_eq!(p.question.as_deref(), Some("Where to?"));
    }

    #[test]
    fn value_that_is_not_understood_is_asked_for_if_required() {
        let p = plan(
            "set a timer for ages",
            "timer.set",
            SURE,
            &[("time", "ages")],
            &[],
        );
        let question = p.question.unwrap();
        assert!(
            question.contains("ages") && question.ends_with("For how long?"),
            "{question}"
        );
    }

    #[test]
    fn nothing_fits_is_a_reply_that_offers_something() {
        for (tool, logit) in [("none", SURE), ("files.list", 0.1)] {
            let p = plan("make me a sandwich", tool, logit, &[], &[]);
            assert!(p.calls.is_empty() && p.question.is_none());
            let reply = p.reply.unwrap();
            assert!(
                reply.starts_with("I have no tool for that. I can, for example, "),
                "{reply}"
            );
        }
    }

    #[test]
    fn tool_that_is_not_allowed_is_never_called_nor_replaced() {
        let p = plan(
            "list /etc",
            "files.list",
            SURE,
            &[("path", "/etc")],
            &["volume.set"],
        );
        assert!(p.calls.is_empty() && p.question.is_none(), "{p:?}");
        let reply = p.reply.unwrap();
        assert!(
            reply.contains("no tool for that here. I can set the volume."),
            "{reply}"
        );
        let p = plan(
            "list /etc",
            "files.list",
            SURE,
            &[("path", "/etc")],
            &["files.list", "unknown"],
        );
        assert_eq!(p.calls.len(), 1);
    }
}
