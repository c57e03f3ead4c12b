//! `files.search`: files by name and by what stands in them.

use std::path::Path;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Definition, files, search};
use crate::beneath::Want;
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, path, text};

pub(crate) struct FilesSearch;

/// What to look for, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Words that a name or a line of text has to have; with a star a pattern for names: `*.pdf`.
    #[schemars(length(min = 1, max = 200))]
    query: String,
    /// Folder to search, with all folders in it; the person's home where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    path: Option<String>,
}

impl Definition for FilesSearch {
    const NAME: &'static str = "files.search";
    const DESCRIPTION: &'static str = "Finds files by their names and by what stands in them";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "query", &arguments.query, search::MOST_QUERY)?;
        text::plain(Self::NAME, "query", &arguments.query)?;
        let path = path::canonical(
            Self::NAME,
            arguments.path.as_deref().unwrap_or("~"),
            context,
        )?;
        let summary = format!("Search the names and texts of all files in {path} and its folders.");
        let arguments = Arguments {
            query: arguments.query,
            path: Some(path.clone()),
        };
        Resolved::new(&arguments, path, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let folder = files::open(call, env, Want::Folder).await?;
            search::run(
                call,
                env,
                folder,
                Path::new(&call.resource),
                &arguments.query,
            )
            .await
        })
    }
}
