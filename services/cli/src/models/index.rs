//! `ARGOS-MODEL.json`: the files of a model with sizes and digests, and where it came from.
//!
//! It is written by `argos model import` and `pull`, checked by `argos model check`, and is what `pull` looks
//! for on a plain web server: a model directory that is served is a source.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use argos_engine::library;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::progress::{Interrupt, Progress};
use super::store::{Staging, failed};
use crate::failure::{Failure, Result, Status};

/// Its name in a model's folder.
pub(crate) const NAME: &str = "ARGOS-MODEL.json";

/// The format's version.
const FORMAT: u32 = 1;

/// The largest index that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 8 << 20;

/// Most files of a model.
pub(crate) const MAX_FILES: usize = 10_000;

/// Added files that are named.
const MAX_ADDED: usize = 20;

/// Bytes that are read at once.
pub(crate) const BLOCK: usize = 1 << 20;

/// `ARGOS-MODEL.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Index {
    /// 1.
    pub(crate) format: u32,
    /// Path, address or name that the model came from.
    pub(crate) source: String,
    /// When, in UTC.
    pub(crate) time: String,
    /// As the model card states it.
    pub(crate) licence: Option<String>,
    /// All files but this one.
    pub(crate) files: Vec<Entry>,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Relative to the folder.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub(crate) sha256: String,
}

impl Index {
    pub(crate) fn new(source: String, licence: Option<String>, files: Vec<Entry>) -> Self {
        let time = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        Self {
            format: FORMAT,
            source,
            time,
            licence,
            files,
        }
    }

    /// Reads and checks the text of an index, which may come from anywhere.
    pub(crate) fn parse(text: &[u8], place: &str) -> Result<Self> {
        let wrong = |why: String| Failure::new(Status::Failed, format!("{place}: {why}"));
        let index: Self = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
        if index.format != FORMAT {
            let text = format!(
                "it has format {}, this program knows {FORMAT}",
                index.format
            );
            return Err(wrong(text));
        }
        if index.files.len() > MAX_FILES {
            return Err(wrong(format!(
                "it has {} files, at most {MAX_FILES}",
                index.files.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for file in &index.files {
            let shown = file.path.escape_debug();
            if library::inside(&file.path).is_none() || file.path == NAME {
                return Err(wrong(format!(
                    "`{shown}` is no name of a file in the folder"
                )));
            }
            if !seen.insert(&file.path) {
                return Err(wrong(format!("{shown} is in it twice")));
            }
            if !is_sha256(&file.sha256) {
                return Err(wrong(format!(
                    "{shown} has no SHA-256 of 64 hexadecimal digits"
                )));
            }
        }
        Ok(index)
    }

    /// The index of a folder; `None` where it has none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed("cannot read", &path, &e)),
        };
        let mut text = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut text)
            .map_err(|e| failed("cannot read", &path, &e))?;
        Self::parse(&text, &path.display().to_string()).map(Some)
    }

    /// Writes it into a folder that is being made.
    pub(crate) fn write(&self, staging: &Staging) -> Result {
        let mut file = staging.create(Path::new(NAME))?;
        let mut text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        text.push(b'\n');
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(|e| failed("cannot write", &staging.path().join(NAME), &e))
    }

    /// Bytes of all files.
    pub(crate) fn size(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, f| sum.saturating_add(f.size))
    }

    /// What in `folder` is not as the index says, one line each.
    pub(crate) fn verify(
        &self,
        folder: &Path,
        progress: &mut Progress,
        interrupt: &Interrupt,
    ) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for entry in &self.files {
            let path = folder.join(&entry.path);
            let shown = entry.path.escape_debug();
            match std::fs::metadata(&path) {
                Err(e) => wrong.push(format!("{shown}: {e}")),
                Ok(m) if !m.is_file() => wrong.push(format!("{shown}: it is no regular file")),
                Ok(m) if m.len() != entry.size => {
                    wrong.push(format!(
                        "{shown}: {} bytes instead of {}",
                        m.len(),
                        entry.size
                    ));
                }
                Ok(_) => {
                    progress.file(&entry.path);
                    if digest(&path, progress, interrupt)? != entry.sha256.to_ascii_lowercase() {
                        wrong.push(format!("{shown}: its content was changed"));
                    }
                }
            }
        }
        let known: BTreeSet<&Path> = self.files.iter().map(|e| Path::new(&e.path)).collect();
        let mut there = Vec::new();
        walk(folder, Path::new(""), &mut there)?;
        there.retain(|name| name != Path::new(NAME) && !known.contains(name.as_path()));
        there.sort();
        // What loads a model takes what is there: a file more can change it.
        let added = there.iter().take(MAX_ADDED).map(|name| {
            let name = name.display().to_string();
            format!("{}: it was added", name.escape_debug())
        });
        wrong.extend(added);
        if there.len() > MAX_ADDED {
            wrong.push(format!(
                "and {} files more were added",
                there.len() - MAX_ADDED
            ));
        }
        Ok(wrong)
    }
}

/// Everything in a folder that is no folder, relative to it.
fn walk(folder: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result {
    let at = folder.join(below);
    let entries = std::fs::read_dir(&at).map_err(|e| failed("cannot read", &at, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| failed("cannot read", &at, &e))?;
        if found.len() > MAX_FILES {
            break;
        }
        let name = below.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(folder, &name, found)?,
            _ => found.push(name),
        }
    }
    Ok(())
}

/// Whether `text` is a SHA-256 in hexadecimal.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// SHA-256 of a file in hexadecimal; `progress` is told the bytes.
pub(crate) fn digest(
    path: &Path,
    progress: &mut Progress,
    interrupt: &Interrupt,
) -> Result<String> {
    let mut file = File::open(path).map_err(|e| failed("cannot read", path, &e))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    loop {
        interrupt.check()?;
        match file.read(&mut block) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(read) => {
                hash.update(&block[..read]);
                progress.add(read as u64);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed("cannot read", path, &e)),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `path` as an index names it.
pub(crate) fn name(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| library::inside(text).is_some());
    text.map(str::to_owned).ok_or_else(|| {
        let text = format!("{} has a name that an index cannot hold", path.display());
        Failure::new(Status::Failed, text).hint("names are UTF-8 without control characters")
    })
}

/// As [`name`], the other way.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    library::inside(name).ok_or_else(|| {
        let text = format!("`{}` is no name of a file in a folder", name.escape_debug());
        Failure::new(Status::Failed, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_indexes_are_refused() {
        let index = |path: &str, sha: &str| {
            let text = serde_json::json!({
                "format": 1, "source": "x", "time": "", "licence": null,
                "files": [{"path": path, "size": 1, "sha256": sha}],
            });
            Index::parse(text.to_string().as_bytes(), "here")
        };
        let sha = "a".repeat(64);
        index("onnx/model.onnx", &sha).unwrap();
        for bad in ["../x", "/x", "a\nb", "", NAME] {
            assert!(index(bad, &sha).is_err(), "{bad:?}");
        }
        assert!(index("x", "abc").is_err());
        assert!(Index::parse(b"{}", "here").is_err());
    }
}
