//! `files.trash`: puts a file or folder into the trash.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::files::{self, Place};
use super::{Definition, trash};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, path};

pub(crate) struct FilesTrash;

/// What to put into the trash.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// File or folder: absolute, or beginning with `~`, or relative to the person's home.
    #[schemars(length(min = 1, max = 4096))]
    path: String,
}

impl Definition for FilesTrash {
    const NAME: &'static str = "files.trash";
    const DESCRIPTION: &'static str = "Puts a file or folder into the trash";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Confirm;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let path = path::canonical(Self::NAME, &arguments.path, context)?;
        path::changeable(Self::NAME, &path, context, true)?;
        let trashes = context.home.join(".local/share/Trash");
        let its_own = PathBuf::from(&path);
        if its_own.starts_with(&trashes) || trashes.starts_with(&its_own) {
            return Err(ToolError::new(
                Code::InvalidArguments,
                format!("{} {path}", Self::NAME),
                "this is the trash itself, or in it",
            )
            .hint("files.move takes something out of the trash"));
        }
        let summary = format!("Put {path} into the trash, from where it can be taken back.");
        Resolved::new(
            &Arguments { path: path.clone() },
            path,
            summary,
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        let (path, granted) = (PathBuf::from(&call.resource), env.granted.clone());
        let home = env.context.home.clone();
        let tried = format!("{} {}", Self::NAME, path.display());
        let whole = files::whole(&tried, &path, env);
        Box::pin(super::blocking(Self::NAME, move || {
            whole?;
            let place = Place::find(&tried, granted.as_deref(), &path, false)?;
            let Some(stat) = place.stat(&tried)? else {
                return Err(ToolError::io(tried, &Errno::NOENT.into()));
            };
            let kept = trash::put(&home, &place, &path).map_err(|error| {
                let failed = ToolError::io(tried.as_str(), &error);
                match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::BUSY | Errno::XDEV) => {
                        failed.hint("It is the top of a file system, which has no trash above it")
                    }
                    Some(Errno::NOENT) => failed.hint("It was moved meanwhile"),
                    _ => failed.hint("It stays where it is"),
                }
            })?;
            Ok(json!({
                "path": path, "kind": files::kind(&stat), "trash": kept, "reversible": true,
                "undo": {"tool": "files.move", "arguments": {"from": kept, "to": path}},
            }))
        }))
    }
}
