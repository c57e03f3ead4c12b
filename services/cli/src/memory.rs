//! What was said and done.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use argos_bus::memory::{Memory, Memory1Proxy};
use serde_json::json;

use crate::args::MemoryCommand;
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, clock};

pub(crate) async fn run(out: Output, command: MemoryCommand) -> Result {
    let bus = bus::session().await?;
    let memory = Memory1Proxy::new(&bus).await?;
    match command {
        MemoryCommand::Search {
            query,
            limit,
            owner,
        } => list(
            out,
            &memory.recall(&query.join(" "), &owner, limit).await?,
            true,
        ),
        MemoryCommand::Recent { limit, owner } => {
            list(out, &memory.recent(&owner, limit).await?, false)
        }
        MemoryCommand::Add {
            text,
            kind,
            owner,
            tags,
        } => {
            let tags: Vec<_> = tags.iter().map(String::as_str).collect();
            let id = memory
                .remember(&kind, &owner, &text.join(" "), &tags)
                .await?;
            if out.json {
                return out.value(&json!({"id": id}));
            }
            out.line(format!("remembered as {id}"))
        }
        MemoryCommand::Forget { id } => {
            memory.forget(id).await?;
            out.done(format!("{id} is forgotten"))
        }
        MemoryCommand::Export { file } if is_standard(&file) => {
            memory
                .export(std::io::stdout().as_fd().try_clone_to_owned()?.into())
                .await?;
            Ok(())
        }
        MemoryCommand::Export { file } => {
            let target = NewFile::create(&file)?;
            let count = memory
                .export(OwnedFd::from(target.file.try_clone()?).into())
                .await?;
            target.finish()?;
            if out.json {
                return out.value(&json!({"exported": count, "file": file}));
            }
            out.line(format!("{count} memories are in {}", file.display()))
        }
        MemoryCommand::Import { file } => {
            let source = if is_standard(&file) {
                std::io::stdin().as_fd().try_clone_to_owned()?
            } else {
                File::open(&file)
                    .map_err(|error| unusable(&file, "read", &error))?
                    .into()
            };
            let count = memory.import(source.into()).await?;
            if out.json {
                return out.value(&json!({"imported": count}));
            }
            out.line(format!("{count} memories are new"))
        }
    }
}

fn list(out: Output, memories: &[Memory], scored: bool) -> Result {
    if out.json {
        return out.value(&json!(memories));
    }
    let rows: Vec<_> = memories
        .iter()
        .map(|memory| {
            let score = if scored {
                format!("{:.2}", memory.score)
            } else {
                "-".to_owned()
            };
            [
                Cell::from(memory.id.to_string()),
                score.into(),
                clock(memory.when_ms).into(),
                memory.kind.as_str().into(),
                memory.owner.as_str().into(),
                Cell::toned(memory.tags.join(","), Tone::Faint),
                memory.text.as_str().into(),
            ]
        })
        .collect();
    out.table(["ID", "SCORE", "WHEN", "KIND", "OWNER", "TAGS", ""], &rows)
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn unusable(file: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        Status::Failed,
        format!("{} cannot be {what}: {error}", file.display()),
    )
}

/// A file that appears under its name only when it is complete; Ctrl-C and errors leave nothing.
struct NewFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| {
            Failure::new(Status::Failed, format!("{} names no file", path.display()))
        })?;
        let name = format!(".{}.{}.new", name.to_string_lossy(), std::process::id());
        let temporary = path.with_file_name(name);
        let created = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary);
        let file = created.map_err(|error| unusable(path, "written", &error))?;
        Ok(Self {
            file,
            temporary,
            path: path.to_owned(),
        })
    }

    fn finish(self) -> Result {
        self.file
            .sync_all()
            .map_err(|error| unusable(&self.path, "written", &error))?;
        std::fs::rename(&self.temporary, &self.path)
            .map_err(|error| unusable(&self.path, "written", &error))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn an_export_that_does_not_finish_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memories.jsonl");
        std::fs::write(&path, "old").unwrap();
        let mut half = NewFile::create(&path).unwrap();
        half.file.write_all(b"half").unwrap();
        drop(half);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut whole = NewFile::create(&path).unwrap();
        whole.file.write_all(b"whole").unwrap();
        whole.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
