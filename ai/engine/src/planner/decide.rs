//! What to do about a request, once the graph has spoken: act, ask, or say that it cannot be done.
//!
//! ```text
//! likeliest of all tools is not allowed ──> reply: not among what I may do
//! likeliest is none, or below ask_threshold ──> reply: cannot do that, but for example …
//! a required argument is absent or not understood ──> question for it
//! tool or arguments unsure ──> question: did you mean to …?
//! else ──> one call, whose arguments have the types the tool takes
//! ```
//!
//! Pure, like [`super::decode`].

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use super::config::{Argument, Config, NONE};
use super::decode::{Heads, Ranked, Span, quotations, rank, spans};
use super::described::{self, Described, Known};
use super::values::{
    Kind, Problem, is_airplane_mode, named_in, normalise, place, sentence, tail, widen,
    written_together,
};
use super::{Plan, wording};

/// How many things a reply offers.
const OFFERED: usize = 4;

/// The slot of a question to the documentation.
const QUESTION: &str = "question";

/// Whether two values are the same up to case and the articles in front.
fn same_value(a: &Value, b: &Value) -> bool {
    let bare = |text: &str| {
        let lower = text.to_lowercase();
        let articles = ["the ", "my ", "a ", "an ", "that ", "to "];
        let short = articles
            .iter()
            .find_map(|article| lower.strip_prefix(article));
        short.unwrap_or(&lower).trim().to_owned()
    };
    match (a, b) {
        (Value::String(a), Value::String(b)) => bare(a) == bare(b),
        _ => a == b,
    }
}

/// What a request's arguments are read from.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) config: &'a Config,
    pub(super) request: &'a str,
    pub(super) offsets: &'a [Range<usize>],
    pub(super) heads: Heads<'a>,
    pub(super) now: DateTime,
}

/// What a pass over a request comes to, before it is weighed against what is sure enough.
#[derive(Debug)]
pub(super) enum Proposal {
    /// This, in any case.
    Plan(Plan),
    /// A call, if that is sure enough.
    Call(Candidate),
}

/// A call of a trained tool.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) tool: String,
    pub(super) arguments: Map<String, Value>,
    /// Probability of tool and arguments being what was meant.
    pub(super) confidence: f32,
}

impl Candidate {
    /// The same where another pass over the same words came to `other`.
    pub(super) fn heard_again(self, other: &Proposal) -> Self {
        let same = |other: &Self| {
            self.tool == other.tool
                && self.arguments.len() == other.arguments.len()
                && other.arguments.iter().all(|(name, value)| {
                    let own = self.arguments.get(name);
                    own.is_some_and(|own| same_value(own, value))
                })
        };
        let again = match other {
            Proposal::Call(other) if same(other) => other.confidence,
            _ => 0.0,
        };
        Self {
            confidence: (self.confidence + again) / 2.0,
            ..self
        }
    }

    /// The call, or the question whether it was meant.
    pub(super) fn decide(self, config: &Config) -> Plan {
        if self.confidence < config.act_threshold(&self.tool) {
            Plan::question(wording::confirm(&self.tool, &self.arguments))
        } else {
            Plan::call(&self.tool, self.arguments, self.confidence)
        }
    }
}

/// Whether a range holds nothing of any argument but `name`.
fn free(range: &Range<usize>, name: &str, all: &BTreeMap<String, Span>) -> bool {
    all.iter()
        .filter(|(other, _)| *other != name)
        .map(|(_, span)| &span.range)
        .all(|r| r.is_empty() || r.end <= range.start || r.start >= range.end)
}

impl Words<'_> {
    /// The probability of the likeliest trained tool; 0 where that is none of them.
    pub(super) fn likeliest(&self) -> f32 {
        rank(self.config, self.heads.tool_logits)
            .first()
            .filter(|top| self.config.tools[top.tool] != NONE)
            .map_or(0.0, |top| top.probability)
    }

    /// The words before the first argument of the likeliest tool, `move ` in `move a.txt to music`, and the bytes from
    /// there to behind its last one. No words for tools of free text, which mostly goes on where something joins in it.
    pub(super) fn around(&self) -> (Option<&str>, Range<usize>) {
        let ranked = rank(self.config, self.heads.tool_logits);
        let tool = ranked.first().map(|top| &self.config.tools[top.tool]);
        let Some(wanted) = tool.and_then(|tool| self.config.tool_slots.get(tool)) else {
            return (None, 0..0);
        };
        let found = spans(self.config, wanted, self.heads, self.request, self.offsets);
        let there = || found.values().map(|s| &s.range).filter(|r| !r.is_empty());
        let begin = there().map(|r| r.start).min();
        let end = there().map(|r| r.end).max();
        let spoken = begin.unwrap_or(0)..end.unwrap_or(0);
        let has = |kind| wanted.values().any(|argument| argument.kind == kind);
        if has(Kind::Text) && !has(Kind::Datetime) && !has(Kind::Duration) {
            return (None, spoken);
        }
        let lead = begin.and_then(|begin| self.request.get(..begin));
        (lead.filter(|lead| !lead.trim().is_empty()), spoken)
    }

    /// What to do about a request by the trained tools, of which `allowed` may be proposed (`None`: all).
    pub(super) fn decide(&self, allowed: Option<&[&str]>) -> Plan {
        match self.propose(allowed) {
            Proposal::Plan(plan) => plan,
            Proposal::Call(call) => call.decide(self.config),
        }
    }

    /// [`Self::decide`], with a call not yet decided on.
    pub(super) fn propose(&self, allowed: Option<&[&str]>) -> Proposal {
        self.call(allowed)
            .map_or_else(Proposal::Plan, Proposal::Call)
    }

    /// The call that is meant, or what to do instead.
    fn call(&self, allowed: Option<&[&str]>) -> Result<Candidate, Plan> {
        let config = self.config;
        let ranked = rank(config, self.heads.tool_logits);
        let name = |r: &Ranked| config.tools[r.tool].as_str();
        let may = |tool: &str| tool != NONE && allowed.is_none_or(|names| names.contains(&tool));
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
            return Err(Plan::reply("I have no tools at all.".into()));
        };
        let tool = name(top);
        if tool == NONE || top.probability < config.ask_threshold {
            return Err(Plan::reply(format!("I have no tool for that.{}", offer())));
        }
        if !may(tool) {
            let what = wording::phrase(tool);
            return Err(Plan::reply(format!(
                "I understand that I should {what}, but I have no tool for that here.{}",
                offer()
            )));
        }
        let wanted = config.tool_slots.get(tool);
        let (arguments, certainty) = match wanted {
            Some(wanted) => self.arguments(tool, wanted)?,
            None => (Map::new(), 1.0),
        };
        Ok(Candidate {
            tool: tool.to_owned(),
            arguments,
            confidence: top.probability * certainty,
        })
    }

    /// The arguments of `tool` and how likely they are meant, or the question for one that is missing.
    fn arguments(
        &self,
        tool: &str,
        wanted: &BTreeMap<String, Argument>,
    ) -> Result<(Map<String, Value>, f32), Plan> {
        let mut arguments = Map::new();
        let mut certainty = 1.0;
        let trained = self.config.tools.iter().any(|t| t == tool);
        let found = spans(self.config, wanted, self.heads, self.request, self.offsets);
        for (name, argument) in wanted {
            let Some(span) = found.get(name) else {
                continue;
            };
            let words = self.said(name, argument, &span.range, &found);
            if words.is_empty() {
                let named = match argument.kind {
                    Kind::Path if argument.required || !trained => None,
                    Kind::Boolean | Kind::Percent if !trained => None,
                    Kind::Path => place(self.request, |r| free(r, name, &found))
                        .and_then(|r| normalise(Kind::Path, &self.request[r], self.now).ok()),
                    kind => named_in(kind, self.request),
                };
                if let Some(value) = named {
                    arguments.insert(name.clone(), value);
                } else if argument.required {
                    return Err(Plan::question(wording::missing(tool, name, argument)));
                }
                continue;
            }
            let value = normalise(argument.kind, words, self.now).or_else(|problem| {
                // "hush it completely": the verb says how much.
                let verb = (trained && argument.kind == Kind::Percent)
                    .then(|| named_in(argument.kind, self.request));
                verb.flatten().ok_or(problem)
            });
            match value {
                Ok(value) => {
                    // However its words are cut, the value is what counts.
                    let same = span.others.iter().filter(|(range, _)| {
                        let words = self.said(name, argument, range, &found);
                        normalise(argument.kind, words, self.now)
                            .is_ok_and(|other| same_value(&other, &value))
                    });
                    let likely = span.probability + same.map(|(_, p)| p).sum::<f32>();
                    arguments.insert(name.clone(), value);
                    certainty *= likely.min(1.0);
                }
                // Whether to append: without it something would be lost. What a described tool does without
                // it nobody knows.
                Err(Problem(what))
                    if argument.required || argument.kind == Kind::Boolean || !trained =>
                {
                    let question = wording::missing(tool, name, argument);
                    return Err(Plan::question(format!("{what}. {question}")));
                }
                // Without it the tool does the general thing, which is still what was asked for.
                Err(_) => certainty *= span.probability,
            }
        }
        Ok((arguments, certainty))
    }

    /// The words of an argument, with what is around them if it says more about the value and belongs to no
    /// other argument.
    fn said(
        &self,
        name: &str,
        argument: &Argument,
        range: &Range<usize>,
        all: &BTreeMap<String, Span>,
    ) -> &str {
        let (request, kind) = (self.request, argument.kind);
        if request.get(range.clone()).is_none_or(str::is_empty) {
            return "";
        }
        // A question is only whole with the words that ask.
        if argument.slot == QUESTION {
            return &request[sentence(request, range.clone())];
        }
        // What is done with airplane mode stands around it.
        if kind == Kind::Boolean && is_airplane_mode(&request[range.clone()]) {
            return &request[sentence(request, range.clone())];
        }
        let free = |wider: &Range<usize>| free(wider, name, all);
        let mut range = range.clone();
        // Of a quotation's marks a value has both or none.
        let inside = |q: &Range<usize>| q.start <= range.start && range.start < q.end;
        if let Some(quoted) = quotations(request).into_iter().find(inside)
            && range.end > quoted.end
        {
            let mark = request[quoted.end..]
                .chars()
                .next()
                .map_or(0, char::len_utf8);
            if range.end > quoted.end + mark {
                let opening = request[..quoted.start].chars().next_back();
                range.start = quoted.start - opening.map_or(0, char::len_utf8);
            } else {
                range.end = quoted.end;
            }
        }
        let whole = written_together(kind, request, range.clone());
        if free(&whole) {
            range = whole;
        }
        let followed = range.start..range.end + tail(kind, &request[range.end..]);
        if followed.end > range.end && free(&followed) {
            return &request[followed];
        }
        if matches!(kind, Kind::Datetime | Kind::Duration) {
            return &request[widen(kind, request, range, free, self.now)];
        }
        &request[range]
    }

    /// What to do about a request that is meant for a described tool with this probability.
    pub(super) fn described(&self, known: &Known, probability: f32) -> Plan {
        let Described {
            name, description, ..
        } = &known.tool;
        let parameters = &known.parameters;
        let (mut arguments, certainty) = match self.arguments(name, &parameters.slots) {
            Ok(found) => found,
            Err(plan) => return plan,
        };
        for (argument, value) in &mut arguments {
            described::fit(&known.tool.parameters["properties"][argument], value);
        }
        let chosen = described::choose(&parameters.choices, self.request);
        for (argument, choice) in &parameters.choices {
            match chosen.get(argument.as_str()) {
                Some(value) => {
                    arguments.insert(argument.clone(), (*value).into());
                }
                None if choice.required => {
                    let shown: Vec<&str> =
                        choice.values.iter().take(8).map(String::as_str).collect();
                    let more = if choice.values.len() > shown.len() {
                        ", …"
                    } else {
                        ""
                    };
                    return Plan::question(format!(
                        "Which {argument}: {}{more}?",
                        shown.join(", ")
                    ));
                }
                None => {}
            }
        }
        if probability < described::ACT || probability * certainty < self.config.act_threshold {
            let what = wording::described(description, &arguments);
            // With the call, so that a yes can be answered with it.
            return Plan {
                question: Some(format!("Did you mean {name}: {what}?")),
                ..Plan::call(name, arguments, probability * certainty)
            };
        }
        Plan::call(name, arguments, probability * certainty)
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
        let words = Words {
            config: &config,
            request,
            offsets: &made.offsets,
            heads: made.heads(),
            now: jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0),
        };
        words.decide((!allowed.is_empty()).then_some(allowed))
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
    fn what_is_heard_twice_is_believed_where_it_is_the_same() {
        let heard = |tool: &str, path: &str, confidence| Candidate {
            tool: tool.into(),
            arguments: Map::from_iter([("path".to_owned(), json!(path))]),
            confidence,
        };
        let again = |other| {
            heard("files.trash", "~/a", 0.8)
                .heard_again(&other)
                .confidence
        };
        assert!((again(Proposal::Call(heard("files.trash", "~/a", 0.6))) - 0.7).abs() < 1e-6);
        for other in [
            Proposal::Call(heard("files.trash", "~/b", 1.0)),
            Proposal::Call(heard("files.read", "~/a", 1.0)),
            Proposal::Plan(Plan::question("Which file?".into())),
        ] {
            assert!((again(other) - 0.4).abs() < 1e-6);
        }
    }

    #[test]
    fn what_changes_something_has_to_be_surer() {
        let mut config = config();
        config.effects = Some(super::super::config::Effects {
            harmless: vec!["files.list".into()],
            act_threshold: 0.95,
            adding: Some(super::super::config::Adding {
                tools: vec!["timer.set".into()],
                act_threshold: 0.5,
            }),
        });
        config.check().unwrap();
        // e^4 / (e^4 + 6) = 0.90
        for (tool, request, marks, acts) in [
            ("files.list", "list /etc", vec![("path", "/etc")], true),
            ("power.off", "good night", vec![], false),
            (
                "timer.set",
                "timer for half an hour",
                vec![("time", "half an hour")],
                true,
            ),
        ] {
            let made = made_up(&config, request, tool, 4.0, &marks);
            let words = Words {
                config: &config,
                request,
                offsets: &made.offsets,
                heads: made.heads(),
                now: DateTime::default(),
            };
            assert_eq!(words.decide(None).calls.len() == 1, acts, "{request}");
        }
        config.act_threshold = 1.5;
        assert!(config.check().is_err());
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
