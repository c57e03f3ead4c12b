//! `files.read`: the text of a file.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, files};
use crate::beneath::Want;
use crate::path;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

const DEFAULT_BYTES: u64 = 64 << 10;
const MOST_BYTES: u64 = 1 << 20;

pub(crate) struct FilesRead;

/// The file to read, and how much of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// File: absolute, or beginning with `~`, or relative to the person's home.
    #[schemars(length(min = 1, max = 4096))]
    path: String,
    /// Most bytes to read from its beginning; 65536 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    max_bytes: Option<u64>,
}

impl Definition for FilesRead {
    const NAME: &'static str = "files.read";
    const DESCRIPTION: &'static str = "Reads a text file";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, context: &Context) -> Result<Resolved, ToolError> {
        let path = path::canonical("files.read", &arguments.path, context)?;
        let summary = format!("Read the file {path}.");
        let arguments = Arguments {
            path: path.clone(),
            max_bytes: Some(arguments.max_bytes.unwrap_or(DEFAULT_BYTES).min(MOST_BYTES)),
        };
        Resolved::new(&arguments, path, summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let file = files::open(call, env, Want::File).await?;
            let arguments = json!({"max_bytes": call.arguments["max_bytes"]});
            let mut result = files::in_worker(call, env, arguments, vec![file]).await?;
            result["path"] = call.resource.clone().into();
            Ok(result)
        })
    }
}

/// Reads the beginning of an open file as text.
pub(super) fn work(arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    let most = arguments["max_bytes"]
        .as_u64()
        .unwrap_or(DEFAULT_BYTES)
        .min(MOST_BYTES);
    let file = File::from(files::only(FilesRead::NAME, fds)?);
    let failed = |error: std::io::Error| ToolError::io(FilesRead::NAME, &error);
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    // One more than is returned, to tell "exactly this long" from "longer": sizes in /proc-like
    // file systems say nothing.
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let truncated = bytes.len() as u64 > most;
    bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error();
            // The cut may have gone through a character.
            if truncated && valid.error_len().is_none() {
                let mut bytes = error.into_bytes();
                bytes.truncate(valid.valid_up_to());
                String::from_utf8(bytes).unwrap_or_default()
            } else {
                return Err(binary(error.as_bytes()));
            }
        }
    };
    if text.contains('\0') {
        return Err(binary(text.as_bytes()));
    }
    Ok(json!({"text": text, "size_bytes": size, "truncated": truncated}))
}

fn binary(bytes: &[u8]) -> ToolError {
    const KNOWN: [(&[u8], &str); 9] = [
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"GIF8", "a GIF picture"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x7fELF", "a program"),
        (b"SQLite format 3", "a SQLite database"),
        (b"OggS", "an Ogg recording"),
    ];
    let kind = KNOWN
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
        .map_or("binary data", |(_, kind)| kind);
    ToolError::new(
        Code::InvalidArguments,
        FilesRead::NAME,
        format!("the file is {kind}, not text"),
    )
    .hint("apps.launch opens a program that can show it")
}
