//! `files.list`: what is in a folder.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use futures_util::future::BoxFuture;
use rustix::fs::{AtFlags, FileType, RawDir};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, files};
use crate::beneath::Want;
use crate::path;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

/// Most entries that are returned; the rest is counted.
const MOST_ENTRIES: usize = 500;
/// Where counting stops.
const MOST_COUNTED: usize = 1_000_000;

pub(crate) struct FilesList;

/// The folder to list.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Folder: absolute, or beginning with `~`, or relative to the person's home.
    #[schemars(length(min = 1, max = 4096))]
    path: String,
}

impl Definition for FilesList {
    const NAME: &'static str = "files.list";
    const DESCRIPTION: &'static str = "Lists the files and folders in a folder";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let path = path::canonical("files.list", &arguments.path, context)?;
        let summary = format!("List the names, sizes and dates of what is in {path}.");
        Resolved::new(
            &Arguments { path: path.clone() },
            path,
            summary,
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let folder = files::open(call, env, Want::Folder).await?;
            let mut result = files::in_worker(call, env, json!({}), vec![folder]).await?;
            result["path"] = call.resource.clone().into();
            Ok(result)
        })
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Entry {
    /// Folders first.
    #[serde(skip)]
    order: (bool, String),
    name: String,
    /// `folder`, `file`, `link` or `other`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    /// RFC 3339, UTC.
    modified: String,
}

/// Lists an open folder. Names only: nothing in it is opened.
pub(super) fn work(_: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    let folder = files::only(FilesList::NAME, fds)?;
    let failed = |error: rustix::io::Errno| ToolError::io(FilesList::NAME, &error.into());
    let mut buffer = vec![MaybeUninit::uninit(); 32 << 10];
    let mut raw = RawDir::new(&folder, &mut buffer);
    let mut entries: Vec<Entry> = Vec::new();
    let mut total = 0;
    while let Some(entry) = raw.next() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        total += 1;
        if total > MOST_COUNTED {
            return Err(ToolError::new(
                Code::LimitReached,
                FilesList::NAME,
                format!("the folder holds more than {MOST_COUNTED} entries"),
            ));
        }
        // Gone again since it was listed.
        let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => "folder",
            FileType::RegularFile => "file",
            FileType::Symlink => "link",
            _ => "other",
        };
        let name = name.to_string_lossy().into_owned();
        entries.push(Entry {
            order: (kind != "folder", name.to_lowercase()),
            name,
            kind,
            size_bytes: (kind == "file").then(|| u64::try_from(stat.st_size).unwrap_or(0)),
            modified: jiff::Timestamp::from_second(stat.st_mtime)
                .map(|time| time.to_string())
                .unwrap_or_default(),
        });
        // Keeps what sorts first, in bounded memory.
        if entries.len() >= 2 * MOST_ENTRIES {
            entries.sort_unstable();
            entries.truncate(MOST_ENTRIES);
        }
    }
    entries.sort_unstable();
    entries.truncate(MOST_ENTRIES);
    let truncated = total > entries.len();
    Ok(json!({"entries": entries, "total": total, "truncated": truncated}))
}
