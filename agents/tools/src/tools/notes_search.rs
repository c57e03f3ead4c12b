//! `notes.search`: the person's notes by their titles and texts.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, search};
use crate::beneath::open_folder;
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

pub(crate) struct NotesSearch;

/// What to look for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Words that a note's title or a line of it has to have.
    #[schemars(length(min = 1, max = 200))]
    query: String,
}

impl Definition for NotesSearch {
    const NAME: &'static str = "notes.search";
    const DESCRIPTION: &'static str = "Finds notes by their titles and texts";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "query", &arguments.query, search::MOST_QUERY)?;
        text::plain(Self::NAME, "query", &arguments.query)?;
        Resolved::new(&arguments, "notes", "Search your notes.", Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let notes = env.context.notes.clone();
            let opened = super::blocking(Self::NAME, move || {
                // The folder itself is the person's: where they made it a link, that is what they want.
                let opened = notes
                    .canonicalize()
                    .and_then(|place| Ok((open_folder(&place)?, place)));
                match opened {
                    Ok(opened) => Ok(Some(opened)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(ToolError::io(
                        format!("{} in {}", Self::NAME, notes.display()),
                        &error,
                    )),
                }
            })
            .await?;
            match opened {
                Some((folder, place)) => {
                    search::run(call, env, folder, &place, &arguments.query).await
                }
                // Nobody has written one yet.
                None => Ok(json!({
                    "path": env.context.notes, "names": [], "texts": [], "entries": 0, "truncated": false,
                })),
            }
        })
    }
}
