//! What kind of file a name means, by the shared MIME database (`/usr/share/mime/globs2`).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The largest file of the database that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// What is known of names where there is no database.
const COMMON: &[(&str, &str)] = &[
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("wav", "audio/x-wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("zip", "application/zip"),
];

/// Types by endings of names.
#[derive(Debug, Default)]
pub(super) struct Types {
    /// By what comes after a dot, and the whole name.
    endings: HashMap<String, String>,
    names: HashMap<String, String>,
    /// What a type is a kind of.
    parents: HashMap<String, Vec<String>>,
    /// Other names of types.
    aliases: HashMap<String, String>,
}

/// The machine's, read once.
pub(super) fn known() -> &'static Types {
    static TYPES: OnceLock<Types> = OnceLock::new();
    TYPES.get_or_init(|| {
        let system = std::env::var_os("XDG_DATA_DIRS").unwrap_or_default();
        let system = if system.is_empty() {
            "/usr/local/share:/usr/share".into()
        } else {
            system
        };
        let folders = crate::settings::data_home().into_iter();
        let folders: Vec<PathBuf> = folders.chain(std::env::split_paths(&system)).collect();
        let text = |file: &str| {
            let files = folders.iter().map(|folder| folder.join("mime").join(file));
            let small = |file: &PathBuf| {
                std::fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() < LARGEST)
            };
            let texts = files
                .filter(small)
                .filter_map(|file| std::fs::read_to_string(file).ok());
            texts.collect::<Vec<_>>().join("\n")
        };
        Types::parse(&text("globs2"), &text("subclasses"), &text("aliases"))
    })
}

impl Types {
    fn parse(globs: &str, subclasses: &str, aliases: &str) -> Self {
        let mut types = Self::default();
        for line in globs.lines() {
            // weight:type:pattern, the heaviest first.
            let mut parts = line.splitn(4, ':').skip(1);
            let (Some(kind), Some(pattern)) = (parts.next(), parts.next()) else {
                continue;
            };
            let wild = |text: &str| text.contains(['*', '?', '[']);
            match pattern.strip_prefix("*.") {
                Some(ending) if !wild(ending) => &mut types.endings,
                None if !wild(pattern) => &mut types.names,
                _ => continue,
            }
            .entry(pattern.trim_start_matches("*.").to_owned())
            .or_insert_with(|| kind.to_owned());
        }
        for (ending, kind) in COMMON {
            let endings = &mut types.endings;
            endings
                .entry((*ending).to_owned())
                .or_insert_with(|| (*kind).to_owned());
        }
        let pairs = |text: &str| -> Vec<(String, String)> {
            let pairs = text.lines().filter_map(|line| line.split_once(' '));
            pairs.map(|(a, b)| (a.into(), b.into())).collect()
        };
        for (kind, parent) in pairs(subclasses) {
            types.parents.entry(kind).or_default().push(parent);
        }
        types.aliases = pairs(aliases).into_iter().collect();
        types
    }

    fn of(&self, name: &str) -> Option<&str> {
        if let Some(kind) = self.names.get(name) {
            return Some(kind);
        }
        // The longest ending first: `tar.gz` before `gz`.
        let dots = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
        let found = dots.clone().find_map(|ending| self.endings.get(ending));
        found
            .or_else(|| {
                dots.into_iter()
                    .find_map(|e| self.endings.get(&e.to_lowercase()))
            })
            .map(String::as_str)
    }

    /// What comes before the slash of a file's type: `image`, `text`; empty where it is not known.
    pub(super) fn group(&self, name: &str) -> &str {
        let kind = self.of(name).and_then(|kind| kind.split_once('/'));
        kind.map_or("", |(group, _)| group)
    }

    /// Whether a file of that name is of the type `wanted`, or of a kind of it. `*` at its end stands
    /// for all of them.
    pub(super) fn fits(&self, name: &str, wanted: &str) -> bool {
        let wanted = self.aliases.get(wanted).map_or(wanted, String::as_str);
        if matches!(wanted, "*" | "*/*" | "application/octet-stream") {
            return true;
        }
        let Some(kind) = self.of(name) else {
            return false;
        };
        let mut todo = vec![kind];
        // The database may go in circles, if somebody wrote it so.
        for step in 0..32 {
            let Some(kind) = todo.get(step).copied() else {
                return false;
            };
            let group = wanted
                .strip_suffix('*')
                .filter(|group| group.ends_with('/'));
            let text = wanted == "text/plain" && kind.starts_with("text/");
            if kind == wanted || text || group.is_some_and(|group| kind.starts_with(group)) {
                return true;
            }
            let parents = self.parents.get(kind).into_iter().flatten();
            todo.extend(parents.map(String::as_str));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_types() {
        let types = Types::parse(
            "# comment\n50:application/x-compressed-tar:*.tar.gz\n50:application/gzip:*.gz\n\
             50:text/x-csrc:*.c:cs\n50:text/x-makefile:makefile\n50:application/x-a:*.aa\n",
            "application/x-compressed-tar application/gzip\ntext/x-csrc text/plain\n\
             application/x-a application/x-b\napplication/x-b application/x-a\n",
            "image/jpg image/jpeg\n",
        );
        for (name, wanted) in [
            ("a.tar.gz", "application/x-compressed-tar"),
            ("a.tar.gz", "application/gzip"),
            ("A.PNG", "image/png"),
            ("a.png", "image/*"),
            ("a.jpeg", "image/jpg"),
            ("x.c", "text/plain"),
            ("makefile", "text/x-makefile"),
            ("anything", "*/*"),
        ] {
            assert!(types.fits(name, wanted), "{name} is {wanted}");
        }
        for (name, wanted) in [
            ("a.gz", "application/x-compressed-tar"),
            ("a.png", "image/jpeg"),
            ("png", "image/png"),
            ("a.png", "imag*"),
            ("a.aa", "application/x-c"),
        ] {
            assert!(!types.fits(name, wanted), "{name} is not {wanted}");
        }
    }
}
