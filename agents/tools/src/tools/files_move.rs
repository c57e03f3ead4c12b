//! `files.move`: moves or renames a file or folder. Never onto something that is there.

use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::files::{self, Place};
use super::{Definition, trash};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, path};

pub(crate) struct FilesMove;

/// What to move, and to where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// File or folder: absolute, or beginning with `~`, or relative to the person's home.
    #[schemars(length(min = 1, max = 4096))]
    from: String,
    /// Its new path, or a folder that is there, into which it is moved.
    #[schemars(length(min = 1, max = 4096))]
    to: String,
}

impl Definition for FilesMove {
    const NAME: &'static str = "files.move";
    const DESCRIPTION: &'static str = "Moves or renames a file or folder, replacing nothing";
    const ACTION: Action = Action::Write;
    const DEFAULT: Verdict = Verdict::Confirm;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let from = path::canonical(Self::NAME, &arguments.from, context)?;
        // A folder is found whatever its case; a new name is taken as it is written.
        let folder = path::canonical(Self::NAME, &arguments.to, context)?;
        let name = Path::new(&from).file_name();
        let to = match name {
            Some(name) if folder != from && Path::new(&folder).is_dir() => {
                Path::new(&folder).join(name).to_string_lossy().into_owned()
            }
            _ => path::canonical_new(Self::NAME, &arguments.to, context)?,
        };
        let tried = format!("{} {from} to {to}", Self::NAME);
        path::changeable(&tried, &from, context, true)?;
        // A folder that is not there yet could come with what is kept in it.
        path::changeable(&tried, &to, context, true)?;
        if Path::new(&to).starts_with(&from) {
            return Err(ToolError::new(
                Code::InvalidArguments,
                tried,
                "it would be moved to where it is, or into itself",
            ));
        }
        let summary = format!("Move {from} to {to}, replacing nothing.");
        let arguments = Arguments {
            from: from.clone(),
            to: to.clone(),
        };
        Ok(Resolved::new(&arguments, from, summary, Self::DEFAULT)?.also(to))
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        let granted = env.granted.clone();
        let paths = (
            PathBuf::from(&call.resource),
            call.also.first().map(PathBuf::from),
        );
        let whole = files::whole(&format!("{} {}", Self::NAME, call.resource), &paths.0, env);
        Box::pin(super::blocking(Self::NAME, move || {
            whole?;
            let (from, Some(to)) = paths else {
                return Err(ToolError::new(
                    Code::Failed,
                    Self::NAME,
                    "it was not said to where",
                ));
            };
            let tried = format!("{} {} to {}", Self::NAME, from.display(), to.display());
            // A grant for one of the two is none for the other.
            let granted = |path: &Path| granted.clone().filter(|granted| path.starts_with(granted));
            let old = Place::find(&tried, granted(&from).as_deref(), &from, false)?;
            let Some(stat) = old.stat(&tried)? else {
                return Err(ToolError::io(tried, &Errno::NOENT.into()));
            };
            let new = Place::find(&tried, granted(&to).as_deref(), &to, true)?;
            let info = trash::info_of(&old);
            rustix::fs::renameat_with(
                &old.folder,
                &old.name,
                &new.folder,
                &new.name,
                RenameFlags::NOREPLACE,
            )
            .map_err(|error| failed(&tried, &to, error))?;
            for folder in [&new.folder, &old.folder] {
                rustix::fs::fsync(folder)
                    .map_err(|error| ToolError::io(tried.as_str(), &error.into()))?;
            }
            if let Some(info) = info {
                // It is out of the trash, so the trash has nothing to tell of it. What stays is dust.
                let _ = rustix::fs::unlinkat(&info.folder, &info.name, AtFlags::empty());
            }
            Ok(json!({
                "from": from, "to": to, "kind": files::kind(&stat), "reversible": true,
                "undo": {"tool": Self::NAME, "arguments": {"from": to, "to": from}},
            }))
        }))
    }
}

fn failed(tried: &str, to: &Path, error: Errno) -> ToolError {
    let wrong = |why: String| ToolError::new(Code::InvalidArguments, tried, why);
    match error {
        Errno::EXIST => wrong(format!("there is something at {} already", to.display()))
            .hint("Choose another name, or put what is there into the trash first"),
        Errno::XDEV => wrong(
            "the two are on different file systems, and nothing is copied by this tool".to_owned(),
        )
        .hint("Write it anew with files.write if it is text"),
        Errno::INVAL => wrong(
            "it would be moved into itself, or the file system cannot move without replacing"
                .to_owned(),
        ),
        Errno::BUSY => wrong("it is the top of a file system".to_owned()),
        error => ToolError::io(tried, &error.into()),
    }
}
