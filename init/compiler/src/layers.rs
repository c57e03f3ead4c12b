//! Which files make up which unit.
//!
//! Of several files with one name the one in the last folder counts; drop-ins in any folder's
//! `NAME.yaml.d/` are merged over it in the order of their file names, a later folder's in place
//! of an earlier one's with the same name. An empty file takes a unit away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use argos_units::{Problem, name};

use crate::file::UnitFile;

/// The files of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The unit's name.
    pub name: String,
    /// Its file.
    pub base: PathBuf,
    /// What is laid over it, in order.
    pub drop_ins: Vec<PathBuf>,
}

impl Source {
    /// A problem of this unit that is not about one line.
    pub fn problem(&self, message: impl std::fmt::Display) -> Problem {
        Problem {
            unit: self.name.clone(),
            message: format!("{}: {message}", self.base.display()),
        }
    }
}

/// Finds the units in `folders`, later folders over earlier ones, ordered by name.
pub fn find(folders: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Source> {
    let mut bases: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut drop_ins: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for folder in folders {
        for (file, path) in list(folder, problems) {
            if let Some(unit) = file.strip_suffix(".yaml") {
                if !name::is_valid(unit) {
                    problems.push(Problem {
                        unit: unit.to_owned(),
                        message: format!("{}: `{unit}` is no unit name; rename it", path.display()),
                    });
                } else if fs::metadata(&path).is_ok_and(|meta| meta.len() == 0 || !meta.is_file()) {
                    bases.remove(unit);
                } else {
                    bases.insert(unit.to_owned(), path);
                }
            } else if let Some(unit) = file.strip_suffix(".yaml.d") {
                for (file, path) in list(&path, problems) {
                    if file.ends_with(".yaml") {
                        drop_ins
                            .entry(unit.to_owned())
                            .or_default()
                            .insert(file, path);
                    }
                }
            }
        }
    }
    let mut sources = Vec::new();
    for (name, base) in bases {
        let over = drop_ins.remove(&name).unwrap_or_default();
        sources.push(Source {
            name,
            base,
            drop_ins: over.into_values().collect(),
        });
    }
    for (unit, files) in drop_ins {
        if let Some(path) = files.into_values().next() {
            problems.push(Problem {
                message: format!(
                    "{}: changes unit `{unit}`, which does not exist; nothing to do",
                    path.display()
                ),
                unit,
            });
        }
    }
    sources
}

/// Names and paths in a folder, ordered; hidden files and backups are passed over.
fn list(folder: &Path, problems: &mut Vec<Problem>) -> Vec<(String, PathBuf)> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            let message = format!("{}: cannot be listed: {error}", folder.display());
            problems.push(Problem {
                unit: String::new(),
                message,
            });
            return Vec::new();
        }
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with('.') && !name.ends_with('~'))
        .collect();
    found.sort();
    found
}

/// Reads a unit's file with its drop-ins.
pub fn read(source: &Source) -> Result<UnitFile, Problem> {
    let wrong = |error: argos_config::Error| Problem {
        unit: source.name.clone(),
        message: error.to_string(),
    };
    // Each file by itself first, so that a mistake is reported where it stands.
    for path in std::iter::once(&source.base).chain(&source.drop_ins) {
        argos_config::load::<UnitFile>(path).map_err(wrong)?;
    }
    let paths: Vec<&Path> = std::iter::once(&source.base)
        .chain(&source.drop_ins)
        .map(PathBuf::as_path)
        .collect();
    match argos_config::layered::<UnitFile>(&paths) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(source.problem("went away while it was read")),
        Err(error) => Err(wrong(error)),
    }
}
