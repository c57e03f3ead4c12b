//! What can be wrong with a configuration file, said so that a person can mend it.

use std::path::PathBuf;

use serde_saphyr::Error as Yaml;

/// Where in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// A configuration file that cannot be used, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than a configuration file may be.
    #[error("{}: {size} bytes are more than a configuration file may have ({limit})", path.display())]
    TooLarge {
        /// File.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The text is not YAML, or not what its reader takes.
    #[error("{file}:{}:{}: {message}", position.line, position.column)]
    Wrong {
        /// File, as it was named.
        file: String,
        /// Where.
        position: Position,
        /// What is wrong, with a suggestion where there is one.
        message: String,
    },
    /// The file could not be replaced; what was there is still there.
    #[error("{}: cannot be written: {source}; the old content is kept", path.display())]
    Unwritable {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing tells when something changes in the folder; what is there can be read.
    #[error("{}: cannot be watched: {source}{hint}", path.display())]
    Unwatched {
        /// Folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// What to do, where something can be done.
        hint: &'static str,
    },
    /// The value has no YAML form. A bug in the caller's type.
    #[error("{}: {message}", path.display())]
    Unserialisable {
        /// File.
        path: PathBuf,
        /// What the serialiser said.
        message: String,
    },
}

impl Error {
    pub(crate) fn from_yaml(file: &str, error: &Yaml) -> Self {
        let bare = error.without_snippet();
        let position = error
            .location()
            .map_or(Position { line: 1, column: 1 }, |l| Position {
                line: l.line().max(1),
                column: l.column().max(1),
            });
        let message = match bare {
            Yaml::SerdeUnknownField {
                field, expected, ..
            } => unknown("key", field, expected),
            Yaml::SerdeUnknownVariant {
                variant, expected, ..
            } => unknown("value", variant, expected),
            Yaml::SerdeMissingField { field, .. } => format!("key `{field}` is missing"),
            other => strip_position(&other.to_string()),
        };
        Self::Wrong {
            file: file.to_owned(),
            position,
            message,
        }
    }

    /// Where in the file, if it is about a place.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Wrong { position, .. } => Some(*position),
            _ => None,
        }
    }
}

/// The word nearest to `word`, if one is near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(k, word), k))
        .min()
        .filter(|(distance, k)| *distance <= (k.chars().count() / 2).clamp(1, 3))
        .map(|(_, k)| k)
}

fn unknown(what: &str, word: &str, known: &[&'static str]) -> String {
    let list = known.join(", ");
    match nearest(word, known.iter().copied()) {
        Some(k) => format!("unknown {what} `{word}`; did you mean `{k}`? (known: {list})"),
        None if known.is_empty() => format!("unknown {what} `{word}`; none is taken here"),
        None => format!("unknown {what} `{word}`; known: {list}"),
    }
}

/// The position stands in front of our message already; the parser's own text repeats it.
fn strip_position(text: &str) -> String {
    let first = text.lines().next().unwrap_or(text);
    match first.find(" at line ") {
        Some(at) => first[..at].to_owned(),
        None => first.trim_start_matches("error: ").to_owned(),
    }
}
