//! What "it" stands for in the second of two requests: `read a.txt and throw it away`.

use super::config::{Argument, Config};
use super::values::Kind;
use super::{Call, Plan};

/// Words that stand for what the request before is about. The longer ones come first.
const PRONOUNS: [&str; 7] = [
    "this one", "that one", "in there", "it's", "them", "there", "it",
];

/// What a pronoun was replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    /// The request without its pronoun.
    pub(super) request: String,
    value: String,
}

/// Whether arguments of this kind name something that may be spoken of again.
fn names(kind: Kind) -> bool {
    use Kind::{Agent, App, Path, Process, Unit, Url, Window};
    matches!(kind, Agent | App | Path | Process | Unit | Url | Window)
}

/// A call's arguments with what the model's configuration says of them.
fn arguments<'a>(
    call: &'a Call,
    config: &'a Config,
) -> impl Iterator<Item = (&'a Argument, &'a str)> {
    let known = config.tool_slots.get(&call.tool);
    let values = call.arguments.as_object().into_iter().flatten();
    values.filter_map(move |(name, value)| Some((known?.get(name)?, value.as_str()?)))
}

/// `request` with the one thing that `before` names in the place of its first pronoun. `None` where it has no
/// pronoun, or `before` does not name exactly one thing.
pub(super) fn resolve(request: &str, before: &Plan, config: &Config) -> Option<Resolved> {
    let [.., call] = &before.calls[..] else {
        return None;
    };
    let mut named = arguments(call, config).filter(|(argument, _)| names(argument.kind));
    let (argument, value) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let lower = request.to_ascii_lowercase();
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '\'');
    let found = |pronoun: &str| {
        lower.match_indices(pronoun).map(|(at, _)| at).find(|at| {
            apart(lower[..*at].chars().next_back())
                && apart(lower[at + pronoun.len()..].chars().next())
        })
    };
    let (pronoun, at) = PRONOUNS.iter().find_map(|p| Some((*p, found(p)?)))?;
    let instead = match pronoun {
        "it's" => format!("{value} is"),
        // Only a folder is a place.
        "in there" | "there" if argument.kind != Kind::Path => return None,
        "in there" | "there" => format!("in {value}"),
        _ => value.to_owned(),
    };
    Some(Resolved {
        request: format!(
            "{}{instead}{}",
            &request[..at],
            &request[at + pronoun.len()..]
        ),
        value: value.to_owned(),
    })
}

impl Resolved {
    /// Whether a plan's first call is about what the pronoun was taken for, and does not only mention it in a text.
    pub(super) fn is_meant(&self, plan: &Plan, config: &Config) -> bool {
        let Some(call) = plan.calls.first() else {
            return false;
        };
        let mut about = false;
        for (argument, value) in arguments(call, config) {
            about |= names(argument.kind) && value == self.value;
            if argument.kind == Kind::Text && value.contains(&self.value) {
                return false;
            }
        }
        about
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::config;
    use super::*;
    use serde_json::json;

    fn plan(tool: &str, arguments: serde_json::Value) -> Plan {
        Plan {
            calls: vec![Call {
                tool: tool.into(),
                arguments,
                confidence: 1.0,
            }],
            ..Plan::default()
        }
    }

    #[test]
    fn pronoun_is_what_the_request_before_names() {
        let before = plan("files.list", json!({"path": "~/Downloads"}));
        for (request, expected) in [
            ("throw it away", "throw ~/Downloads away"),
            ("find zips in it", "find zips in ~/Downloads"),
            ("look for zips there", "look for zips in ~/Downloads"),
            ("look for zips in there!", "look for zips in ~/Downloads!"),
            ("say whether it's big", "say whether ~/Downloads is big"),
            ("It, delete", "~/Downloads, delete"),
        ] {
            let found = resolve(request, &before, &config()).map(|r| r.request);
            assert_eq!(found.as_deref(), Some(expected));
        }
        for request in ["lock the screen", "its owner", "sit", "don't quit", ""] {
            assert_eq!(resolve(request, &before, &config()), None, "{request}");
        }
    }

    #[test]
    fn nothing_is_guessed_where_nothing_or_two_things_are_named() {
        for before in [
            plan("power.off", json!({})),
            plan("files.move", json!({"from": "~/a", "to": "~/b"})),
            Plan::question("Which file?".into()),
        ] {
            assert_eq!(resolve("open it", &before, &config()), None, "{before:?}");
        }
    }

    #[test]
    fn only_a_call_about_it_is_meant() {
        let before = plan("files.list", json!({"path": "~/Downloads"}));
        let resolved = resolve("throw it away", &before, &config()).unwrap();
        let about = plan(
            "files.search",
            json!({"path": "~/Downloads", "query": "zip"}),
        );
        assert!(resolved.is_meant(&about, &config()));
        for other in [
            plan("files.list", json!({"path": "~/Music"})),
            plan(
                "files.search",
                json!({"path": "~/Downloads", "query": "what ~/Downloads is"}),
            ),
            plan("power.off", json!({})),
            Plan::default(),
        ] {
            assert!(!resolved.is_meant(&other, &config()), "{other:?}");
        }
    }
}
