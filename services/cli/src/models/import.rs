//! `argos model import`: a model's folder from a disk into the model directory, whole or not at all.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use argos_engine::library::{self, Description};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::index::{self, BLOCK, Entry, Index};
use super::progress::{Interrupt, Progress};
use super::store::{self, Staging, failed};
use crate::args::ModelImportArgs;
use crate::failure::{Failure, Result, Status};
use crate::output::{Output, bytes, one_line};

pub(crate) fn run(out: Output, args: &ModelImportArgs, interrupt: &Interrupt) -> Result {
    let source = Source::of(args)?;
    let id = match &args.into.name {
        Some(name) => name.clone(),
        None => source.id()?,
    };
    store::check_id(&id)?;
    let description =
        library::describe(&source.folder, source.variant.as_deref()).map_err(unusable)?;
    let files = source.files(&description, args)?;
    let directory = args.into.directory();
    if let Ok(place) = std::fs::canonicalize(directory.join(&id))
        && source.real.starts_with(&place)
    {
        let text = format!(
            "{} is what stands at {} already; replacing it would remove what is not copied",
            source.real.display(),
            place.display()
        );
        return Err(Failure::new(Status::Failed, text).hint("--name gives the copy another name"));
    }
    let staging = Staging::new(&directory, &id)?;
    store::clean(&directory);
    staging.check_free(args.into.force)?;
    let size = files.iter().fold(0u64, |sum, f| sum.saturating_add(f.1));
    staging.check_room(size)?;
    let mut progress = Progress::new(out, "copying", size);
    let mut entries = Vec::new();
    for (name, expected) in &files {
        let text = index::name(name)?;
        progress.file(&text);
        let (size, sha256) =
            source.copy((name, *expected), &staging, args, &mut progress, interrupt)?;
        entries.push(Entry {
            path: text,
            size,
            sha256,
        });
    }
    progress.clear();
    // A disk may have changed under the copy; what was copied has to be a model as well.
    let copied = library::describe(staging.path(), None).map_err(unusable)?;
    if let Some(index) = &source.index {
        unchanged(index, &entries)?;
    }
    let folder = std::fs::canonicalize(&source.folder).unwrap_or_else(|_| source.folder.clone());
    let from = source
        .index
        .map_or_else(|| folder.display().to_string(), |index| index.source);
    let index = Index::new(from, copied.licence.clone(), entries);
    index.write(&staging)?;
    interrupt.check()?;
    finish(
        out,
        staging,
        &copied,
        &description.other_graphs,
        &index,
        args.into.force,
    )
}

/// Puts a complete folder in place and says what was done.
pub(crate) fn finish(
    out: Output,
    staging: Staging,
    model: &Description,
    others: &[PathBuf],
    index: &Index,
    force: bool,
) -> Result {
    let replaced = staging.replaces();
    let place = staging.publish(force)?;
    let id = place
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if out.json {
        let line = json!({"event": "done", "id": id, "path": place, "kind": model.kind.to_string(),
            "graph": model.graph, "size_bytes": index.size(), "licence": index.licence,
            "replaced": replaced});
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{line}")?;
        return Ok(());
    }
    out.line(format!(
        "{id}: {}, {}, {} in {} files",
        model.kind,
        model.precision,
        bytes(index.size()),
        index.files.len()
    ))?;
    if !others.is_empty() {
        let names: Vec<_> = others
            .iter()
            .map(|g| one_line(&g.display().to_string()))
            .collect();
        out.line(format!(
            "graph: {} (there are also {}: --variant)",
            one_line(&model.graph.display().to_string()),
            names.join(", ")
        ))?;
    }
    out.line(licence(index.licence.as_deref(), &index.files))?;
    if replaced {
        out.line(format!(
            "the old one stays in memory until `argos model stop {id}`"
        ))?;
    }
    Ok(())
}

/// A line on the terms of a model.
fn licence(stated: Option<&str>, files: &[Entry]) -> String {
    let mut texts = files.iter().map(|f| &f.path).filter(|path| {
        let path = path.to_ascii_lowercase();
        ["license", "licence", "copying"]
            .iter()
            .any(|name| path.starts_with(name))
    });
    match (stated, texts.next()) {
        (Some(licence), Some(text)) => format!("licence: {} ({text})", one_line(licence)),
        (Some(licence), None) => format!("licence: {}", one_line(licence)),
        (None, Some(text)) => format!("licence: see {text}"),
        (None, None) => "licence: no licence stated; ask its maker before you pass it on".into(),
    }
}

pub(crate) fn unusable(error: argos_engine::Error) -> Failure {
    Failure::new(Status::Failed, error.to_string())
}

/// Says where files are not what the index that came with them says.
fn unchanged(index: &Index, copied: &[Entry]) -> Result {
    for entry in copied {
        let listed = index.files.iter().find(|listed| listed.path == entry.path);
        if let Some(listed) = listed
            && (listed.size != entry.size || !listed.sha256.eq_ignore_ascii_case(&entry.sha256))
        {
            let text = format!(
                "{} is not what {} says: it was changed",
                entry.path,
                index::NAME
            );
            return Err(Failure::new(Status::Failed, text)
                .hint("copy it again from where it came; without that file nothing is compared"));
        }
    }
    Ok(())
}

/// The folder that is imported.
struct Source {
    folder: PathBuf,
    /// Whole, without links.
    real: PathBuf,
    variant: Option<String>,
    index: Option<Index>,
}

impl Source {
    fn of(args: &ModelImportArgs) -> Result<Self> {
        let metadata = std::fs::metadata(&args.path).map_err(|e| {
            let mut failure = failed("cannot read", &args.path, &e);
            if e.kind() == ErrorKind::NotFound {
                failure.status = Status::NotFound;
            }
            failure
        })?;
        let (folder, variant) = if metadata.is_dir() {
            (args.path.clone(), args.variant.clone())
        } else if args.path.extension().is_some_and(|e| e == "onnx") {
            if args.variant.is_some() {
                let text = "the path names the graph already; --variant is for a folder";
                return Err(Failure::new(Status::Failed, text));
            }
            Self::around(&args.path)?
        } else {
            let text = format!(
                "{} is neither a folder nor a graph (*.onnx)",
                args.path.display()
            );
            return Err(Failure::new(Status::Failed, text)
                .hint("an archive is unpacked first; a PyTorch model is exported to ONNX first"));
        };
        let real =
            std::fs::canonicalize(&folder).map_err(|e| failed("cannot read", &folder, &e))?;
        let index = Index::read(&folder)?;
        Ok(Self {
            folder,
            real,
            variant,
            index,
        })
    }

    /// The model's folder around a graph: the one that it is in, or the one above where only that has the
    /// configuration (`onnx/model.onnx`).
    fn around(graph: &Path) -> Result<(PathBuf, Option<String>)> {
        let real = std::path::absolute(graph).map_err(|e| failed("cannot read", graph, &e))?;
        let beside = real.parent().unwrap_or(Path::new("/"));
        let complete =
            |f: &Path| f.join("tokenizer.json").exists() || f.join("model.yaml").exists();
        let folder = match beside.parent() {
            Some(above) if !complete(beside) && complete(above) => above,
            _ => beside,
        };
        let name = real.strip_prefix(folder).unwrap_or(&real);
        Ok((folder.to_owned(), Some(name.to_string_lossy().into_owned())))
    }

    fn id(&self) -> Result<String> {
        let name = self.real.file_name().and_then(|n| n.to_str());
        name.map(str::to_owned).ok_or_else(|| {
            let text = format!(
                "{} has no name that a model can have",
                self.folder.display()
            );
            Failure::new(Status::Failed, text).hint("--name gives it one")
        })
    }

    /// What is copied, relative, with sizes.
    fn files(
        &self,
        description: &Description,
        args: &ModelImportArgs,
    ) -> Result<Vec<(PathBuf, u64)>> {
        let mut files = description.files.clone();
        if args.all {
            files = Vec::new();
            self.walk(Path::new(""), &mut files)?;
        }
        files.retain(|f| f.0 != Path::new(index::NAME));
        Ok(files)
    }

    fn walk(&self, below: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result {
        let folder = self.folder.join(below);
        let entries = std::fs::read_dir(&folder).map_err(|e| failed("cannot read", &folder, &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| failed("cannot read", &folder, &e))?;
            let name = below.join(entry.file_name());
            let path = entry.path();
            // Links to folders could lead in circles.
            let linked = entry.file_type().is_ok_and(|t| t.is_symlink());
            match std::fs::metadata(&path) {
                Ok(m) if m.is_dir() && !linked && name.components().count() < 16 => {
                    self.walk(&name, files)?;
                }
                Ok(m) if m.is_file() => files.push((name, m.len())),
                Ok(_) => {
                    let text = format!("{} is neither a file nor a folder", path.display());
                    return Err(Failure::new(Status::Failed, text));
                }
                Err(e) => return Err(failed("cannot read", &path, &e)),
            }
            if files.len() > index::MAX_FILES {
                let text = format!(
                    "{} has more than {} files",
                    self.folder.display(),
                    index::MAX_FILES
                );
                return Err(Failure::new(Status::Failed, text));
            }
        }
        files.sort();
        Ok(())
    }

    /// Opens a file of the folder. A link that leads out of it is followed only when told: whoever imports
    /// with sudo must not be made to publish files that are not theirs.
    fn open(&self, name: &Path, follow: bool) -> Result<File> {
        let path = self.folder.join(name);
        let wrong = |e: std::io::Error| failed("cannot read", &path, &e);
        let real = std::fs::canonicalize(&path).map_err(wrong)?;
        if !follow && !real.starts_with(&self.real) {
            let text = format!(
                "{} is a link to {}, outside the folder",
                path.display(),
                real.display()
            );
            return Err(Failure::new(Status::Denied, text)
                .hint("--follow-links takes what such links lead to, if you trust the folder"));
        }
        use rustix::fs::{Mode, OFlags, open};
        // What became a pipe meanwhile must not hold us.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(&real, flags, Mode::empty()).map_err(|e| wrong(e.into()))?);
        if !file.metadata().map_err(wrong)?.is_file() {
            let text = format!("{} is not a file", path.display());
            return Err(Failure::new(Status::Failed, text));
        }
        Ok(file)
    }

    /// Copies a file; its size and digest.
    fn copy(
        &self,
        (name, expected): (&Path, u64),
        staging: &Staging,
        args: &ModelImportArgs,
        progress: &mut Progress,
        interrupt: &Interrupt,
    ) -> Result<(u64, String)> {
        // One byte more than there should be, so that a file that grows is seen to.
        let mut from = self
            .open(name, args.follow_links)?
            .take(expected.saturating_add(1));
        let mut to = staging.create(name)?;
        let target = staging.path().join(name);
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut block = vec![0; BLOCK];
        loop {
            interrupt.check()?;
            let read = match from.read(&mut block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(failed("cannot read", &self.folder.join(name), &e)),
            };
            to.write_all(&block[..read])
                .map_err(|e| failed("cannot write", &target, &e))?;
            hash.update(&block[..read]);
            size += read as u64;
            progress.add(read as u64);
        }
        if size != expected {
            let text = format!("{} changed while it was copied", name.display());
            return Err(Failure::new(Status::Failed, text));
        }
        to.sync_all()
            .map_err(|e| failed("cannot write", &target, &e))?;
        Ok((size, index::hex(&hash.finalize())))
    }
}
