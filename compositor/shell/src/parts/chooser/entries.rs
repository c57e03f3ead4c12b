//! What is in a folder: read, filtered, sorted.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::types;
use crate::tr;
use crate::visible::visible;

/// As many entries of a folder are shown.
pub const MOST: usize = 100_000;

/// A file or folder in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// The same to be read by people.
    pub shown: String,
    /// The same to be compared.
    key: String,
    /// Whether it is a folder, or a link to one.
    pub folder: bool,
    /// Bytes; nothing for folders and for what cannot be looked at.
    pub size: Option<u64>,
    /// When it was changed, in seconds since 1970.
    pub modified: Option<i64>,
}

impl Entry {
    /// An entry by what is known of it.
    pub fn new(name: OsString, folder: bool, size: Option<u64>, modified: Option<i64>) -> Self {
        let shown = visible(&name.to_string_lossy());
        Self {
            key: name.to_string_lossy().to_lowercase(),
            shown,
            name,
            folder,
            size: size.filter(|_| !folder),
            modified,
        }
    }

    /// Whether it is shown only to who asks for such.
    pub fn is_hidden(&self) -> bool {
        self.key.starts_with('.') || self.key.ends_with('~')
    }

    /// Whether its name begins like this, which is in lower case.
    pub fn begins_with(&self, letters: &str) -> bool {
        self.key.starts_with(letters)
    }
}

/// A folder as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// In no order.
    pub entries: Vec<Entry>,
    /// How many more there are.
    pub left_out: usize,
}

/// Reads a folder. Takes as long as the disk does: not for the thread that draws.
///
/// # Errors
/// Why it cannot be read, in words.
pub fn read(folder: &Path) -> Result<Listing, String> {
    let failed = |error: std::io::Error| why(folder, &error);
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if listing.entries.len() == MOST {
            listing.left_out += 1;
            continue;
        }
        // What a link leads to counts; of one that leads nowhere, the link itself.
        let about = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => std::fs::metadata(entry.path())
                .or_else(|_| entry.metadata())
                .ok(),
            _ => entry.metadata().ok(),
        };
        let folder = about.as_ref().is_some_and(std::fs::Metadata::is_dir);
        let seconds = |at: SystemTime| {
            let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_secs()).ok()
        };
        let modified = about.as_ref().and_then(|about| about.modified().ok());
        listing.entries.push(Entry::new(
            entry.file_name(),
            folder,
            about.as_ref().map(std::fs::Metadata::len),
            modified.and_then(seconds),
        ));
    }
    Ok(listing)
}

/// Makes a folder, and returns its path.
///
/// # Errors
/// Why it cannot be made, in words.
pub fn make(folder: PathBuf) -> Result<PathBuf, String> {
    match std::fs::create_dir(&folder) {
        Ok(()) => Ok(folder),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(tr!("chooser-no-making"))
        }
        Err(error) => Err(why(&folder, &error)),
    }
}

/// Why something about a path failed, in words.
pub(super) fn why(path: &Path, error: &std::io::Error) -> String {
    use std::io::ErrorKind as Kind;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = visible(&name.to_string_lossy());
    match error.kind() {
        Kind::PermissionDenied => tr!("chooser-denied", name = name),
        Kind::NotFound => tr!("chooser-gone", name = name),
        Kind::NotADirectory => tr!("chooser-not-a-folder", name = name),
        Kind::AlreadyExists => tr!("chooser-exists", name = name),
        Kind::ReadOnlyFilesystem => tr!("chooser-read-only", name = name),
        Kind::StorageFull | Kind::QuotaExceeded => tr!("chooser-disk-full", name = name),
        _ => tr!("chooser-unreadable", name = name, why = error.to_string()),
    }
}

/// By what the list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Names, numbers in them by their value.
    Name,
    /// Bytes.
    Size,
    /// When they were changed.
    Modified,
}

impl Column {
    /// All of them, from left to right.
    pub const ALL: [Self; 3] = [Self::Name, Self::Size, Self::Modified];
}

/// Folders first, then by `column`, equals by name.
pub fn compare(a: &Entry, b: &Entry, column: Column, downwards: bool) -> Ordering {
    let names = || natural(&a.key, &b.key).then_with(|| a.name.cmp(&b.name));
    let order = match column {
        Column::Name => names(),
        Column::Size => a.size.cmp(&b.size),
        Column::Modified => a.modified.cmp(&b.modified),
    };
    let order = if downwards { order.reverse() } else { order };
    b.folder.cmp(&a.folder).then(order).then_with(names)
}

/// Letters by their number, digits by the number they make: `a2` before `a10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len());
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |text: &str| {
                let end = text.find(|c: char| !c.is_ascii_digit());
                end.unwrap_or(text.len())
            };
            let (m, n) = (digits(a), digits(b));
            let (left, right) = (
                a[..m].trim_start_matches('0'),
                b[..n].trim_start_matches('0'),
            );
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[m..], &b[n..]);
        } else if x == y {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        } else {
            return x.cmp(&y);
        }
    }
}

/// Which files are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What it is called.
    pub label: String,
    /// A file is shown that fits one of them.
    pub rules: Vec<Rule>,
}

/// What a file may fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Its name: `*.png`.
    Glob(String),
    /// What it holds: `image/png`, `image/*`.
    Type(String),
}

impl Filter {
    /// Whether a file is shown. Folders always are.
    pub fn takes(&self, entry: &Entry) -> bool {
        let name = entry.name.to_string_lossy();
        entry.folder
            || self.rules.iter().any(|rule| match rule {
                Rule::Glob(pattern) => glob(pattern, &name),
                Rule::Type(wanted) => types::known().fits(&name, wanted),
            })
    }
}

/// Whether `name` fits a shell's pattern: `*`, `?`, `[a-z]`, `[!a-z]`; a backslash before each of
/// them means the character. Takes time in proportion to the product of both lengths at most.
pub fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(next) = one(&pattern, p, name[n]) {
            p = next;
            n += 1;
        } else if let Some((at, taken)) = star {
            // The last star takes one more; earlier ones need no second try.
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What comes after the one character of a pattern at `at`, if `c` fits it.
fn one(pattern: &[char], at: usize, c: char) -> Option<usize> {
    match *pattern.get(at)? {
        '?' => Some(at + 1),
        '\\' if at + 1 < pattern.len() => (pattern[at + 1] == c).then_some(at + 2),
        '[' => {
            let not = matches!(pattern.get(at + 1), Some('!' | '^'));
            let first = at + 1 + usize::from(not);
            // A bracket that comes first is one of the characters.
            let end = (first + 1..pattern.len()).find(|i| pattern[*i] == ']');
            let Some(end) = end else {
                return (c == '[').then_some(at + 1);
            };
            let set = &pattern[first..end];
            let mut i = 0;
            let mut within = false;
            while i < set.len() {
                if i + 2 < set.len() && set[i + 1] == '-' {
                    within |= set[i] <= c && c <= set[i + 2];
                    i += 3;
                } else {
                    within |= set[i] == c;
                    i += 1;
                }
            }
            (within != not).then_some(end + 1)
        }
        other => (other == c).then_some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, fits, fails) in [
            ("*.png", "a.png", "a.PNG"),
            ("*.[pP][nN][gG]", "a.PnG", "a.pnx"),
            ("*", "", "-"),
            ("a?c", "abc", "ac"),
            ("[!a]x", "bx", "ax"),
            ("[a-cx]", "x", "d"),
            ("[]]", "]", "a"),
            ("[a", "[a", "a"),
            ("a\\*", "a*", "ab"),
            ("*a*b", "xaxxb", "xaxx"),
            ("", "", "x"),
        ] {
            assert!(glob(pattern, fits), "{pattern} {fits}");
            if fails != "-" {
                assert!(!glob(pattern, fails), "{pattern} {fails}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let began = std::time::Instant::now();
        let name = "a".repeat(250);
        assert!(!glob(&format!("{}b", "*a".repeat(120)), &name));
        assert!(began.elapsed().as_millis() < 200, "{:?}", began.elapsed());
    }

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["a10", "a2", "a02", "b", "a", "a2b"];
        names.sort_by(|a, b| natural(a, b).then_with(|| a.cmp(b)));
        assert_eq!(names, ["a", "a02", "a2", "a2b", "a10", "b"]);
        assert_eq!(natural("7", &"9".repeat(40)), Ordering::Less);
    }

    #[test]
    fn folders_come_first_however_it_is_sorted() {
        let entry = |name: &str, folder, size, modified| {
            Entry::new(name.into(), folder, Some(size), Some(modified))
        };
        let all = [
            entry("b", false, 5, 9),
            entry("z", true, 4096, 1),
            entry("a", false, 7, 3),
            entry("y", true, 4096, 2),
        ];
        let sorted = |column, downwards| {
            let mut all = all.to_vec();
            all.sort_by(|a, b| compare(a, b, column, downwards));
            let names: Vec<_> = all.iter().map(|e| e.shown.clone()).collect();
            names.join("")
        };
        assert_eq!(sorted(Column::Name, false), "yzab");
        assert_eq!(sorted(Column::Name, true), "zyba");
        assert_eq!(sorted(Column::Size, false), "yzba");
        assert_eq!(sorted(Column::Size, true), "yzab");
        assert_eq!(sorted(Column::Modified, true), "yzba");
    }
}
