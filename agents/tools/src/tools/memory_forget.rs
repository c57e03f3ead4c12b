//! `memory.forget`: takes out of memory what has these words.
//!
//! Recalling is by meaning, which is good for finding and too vague for deleting: what is forgotten
//! has every word of the query in it. The result has the whole text, so that it can be remembered again.

use argos_bus::memory::Memory;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, memory};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

/// Memories that are looked at.
const MOST_SEEN: u32 = 50;
/// Memories that one call forgets.
const MOST_FORGOTTEN: usize = 10;
/// Words that say nothing on what is meant.
const EMPTY: [&str; 28] = [
    "a",
    "an",
    "the",
    "my",
    "your",
    "his",
    "her",
    "our",
    "i",
    "you",
    "me",
    "that",
    "this",
    "it",
    "is",
    "was",
    "about",
    "of",
    "on",
    "in",
    "to",
    "for",
    "and",
    "what",
    "said",
    "told",
    "everything",
    "all",
];

pub(crate) struct MemoryForget;

/// What to forget.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Words of it: all memories that have every one of them are forgotten.
    #[schemars(length(min = 1, max = 512))]
    query: String,
}

impl Definition for MemoryForget {
    const NAME: &'static str = "memory.forget";
    const DESCRIPTION: &'static str = "Forgets what was remembered and has these words";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Confirm;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "query", &arguments.query, 2048)?;
        text::plain(Self::NAME, "query", &arguments.query)?;
        let words = words(&arguments.query);
        if words.is_empty() {
            return Err(ToolError::new(
                Code::InvalidArguments,
                Self::NAME,
                "the query has no word that says what is to be forgotten",
            )
            .hint("Use words that stand in it"));
        }
        let (resource, _) = memory::scope(context);
        let summary = format!(
            "Forget what is remembered and has the words: {}.",
            words.join(", ")
        );
        Resolved::new(&arguments, resource, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { query } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("{} {query:?}", Self::NAME);
            let store = memory::store(&tried, env).await?;
            let owner = memory::owner(call, env);
            let failed = |error| super::from_service(tried.as_str(), error);
            let near = store
                .recall(&query, &owner, MOST_SEEN)
                .await
                .map_err(failed)?;
            let fits = fitting(&tried, &query, &near)?;
            let mut forgotten = Vec::new();
            for memory in fits {
                match store.forget(memory.id).await {
                    Ok(()) => {}
                    // Somebody else was faster.
                    Err(argos_bus::Error::NotFound(_)) => continue,
                    Err(error) => {
                        let failed = failed(error);
                        return Err(match forgotten.len() {
                            0 => failed,
                            count => {
                                failed.hint(format!("{count} memories were forgotten before that"))
                            }
                        });
                    }
                }
                forgotten.push(json!({"id": memory.id, "text": memory.text, "kind": memory.kind, "tags": memory.tags}));
            }
            Ok(json!({
                "forgotten": forgotten, "reversible": true,
                "undo": "memory.remember with the same text and tags",
            }))
        })
    }
}

fn words(query: &str) -> Vec<String> {
    query
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The memories that have every word.
fn fitting<'a>(tried: &str, query: &str, near: &'a [Memory]) -> Result<Vec<&'a Memory>, ToolError> {
    let wanted = words(query);
    let fits: Vec<&Memory> = near
        .iter()
        .filter(|memory| {
            let has = words(&memory.text);
            wanted.iter().all(|word| has.contains(word))
        })
        .collect();
    if fits.is_empty() {
        let error = ToolError::new(
            Code::NotFound,
            tried,
            "nothing that is remembered has all these words",
        );
        return Err(match near.first() {
            Some(nearest) => error.hint(format!(
                "Nearest is: {}",
                text::shown(&nearest.text.replace('\n', " "), 160)
            )),
            None => error.hint("Nothing is remembered"),
        });
    }
    if fits.len() > MOST_FORGOTTEN {
        return Err(ToolError::new(
            Code::LimitReached,
            tried,
            format!(
                "{} memories have these words; at most {MOST_FORGOTTEN} are forgotten at once",
                fits.len()
            ),
        )
        .hint("Use more of the words that stand in it"));
    }
    Ok(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(id: u64, text: &str) -> Memory {
        Memory {
            id,
            when_ms: 0,
            kind: "fact".into(),
            owner: "shared".into(),
            text: text.into(),
            tags: Vec::new(),
            score: 0.9,
        }
    }

    #[test]
    fn only_what_has_every_word_is_forgotten() {
        let near = [
            memory(1, "The dentist is on Friday."),
            memory(2, "Anna's dentist is Dr. Miller."),
            memory(3, "Friday is bin day"),
        ];
        let ids = |query| -> Vec<u64> {
            fitting("t", query, &near)
                .unwrap()
                .iter()
                .map(|m| m.id)
                .collect()
        };
        assert_eq!(ids("the dentist on Friday"), [1]);
        assert_eq!(ids("what I said about the DENTIST"), [1, 2]);
        let error = fitting("t", "passport", &near).unwrap_err();
        assert!(error.hint.contains("dentist is on Friday"), "{error}");
        assert!(words("all that you said about it").is_empty());
    }
}
