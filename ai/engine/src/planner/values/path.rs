//! Paths as people say them.

use std::ops::Range;

use super::{strip_prefix_ignoring_case, strip_suffix_ignoring_case, unquote, without_stop};

/// Folders of a home that have a name everybody uses (XDG user directories), and what they are called.
const NAMED: [(&str, &str); 16] = [
    ("desktop", "~/Desktop"),
    ("documents", "~/Documents"),
    ("docs", "~/Documents"),
    ("downloads", "~/Downloads"),
    ("music", "~/Music"),
    ("pictures", "~/Pictures"),
    ("photos", "~/Pictures"),
    ("images", "~/Pictures"),
    ("videos", "~/Videos"),
    ("movies", "~/Videos"),
    ("templates", "~/Templates"),
    ("public", "~/Public"),
    ("notes", "~/Notes"),
    ("home", "~"),
    ("home directory", "~"),
    ("root", "/"),
];

/// What follows or precedes the name of a folder or file without being part of it.
const NOUNS: [&str; 5] = ["folder", "directory", "dir", "file", "path"];

/// What stands between a thing and where it is.
const JOINTS: [&str; 7] = [
    " in ", " inside ", " within ", " from ", " out of ", " on ", " off ",
];

/// The path that is meant, absolute or beginning with `~`. A bare name is one in the home folder.
pub(super) fn parse(text: &str) -> Option<String> {
    // A stop ends the sentence, but `.` and `..` are folders.
    let folder = matches!(text.trim().rsplit('/').next(), Some("." | ".."));
    let spoken = if folder {
        text.trim()
    } else {
        without_stop(text.trim())
    };
    let text = unquote(spoken);
    // What stands in quotes is a name as it is: "My Report.txt" has nothing to do with whose it is.
    if text.len() < spoken.len() && !text.is_empty() && !text.starts_with(['/', '~']) {
        return Some(format!("~/{}", clean(text)));
    }
    if text.is_empty() || text.contains(['\0', '\n']) {
        return None;
    }
    if text.starts_with(['/', '~']) && !text.contains(" in ") {
        return Some(clean(strip_nouns(text)));
    }
    // "report.txt in my documents"
    for joint in JOINTS {
        if let Some((inner, outer)) = text.rsplit_once(joint)
            && let Some(outer) = named(outer).or_else(|| rooted(outer))
        {
            let inner = bare(inner);
            if inner.is_empty() {
                return Some(outer);
            }
            return Some(format!("{}/{}", outer.trim_end_matches('/'), clean(inner)));
        }
    }
    if let Some(path) = named(text) {
        return Some(path);
    }
    let name = bare(text);
    // "the file" and "the document" are none in particular.
    if name.is_empty()
        || NOUNS.iter().any(|noun| name.eq_ignore_ascii_case(noun))
        || name.eq_ignore_ascii_case("document")
        || name.eq_ignore_ascii_case("download")
    {
        return None;
    }
    if let Some(path) = rooted(name) {
        return Some(path);
    }
    // "documents/report.txt"
    if let Some((first, rest)) = name.split_once('/')
        && let Some(folder) = named(first)
    {
        return Some(format!("{}/{}", folder.trim_end_matches('/'), clean(rest)));
    }
    Some(format!("~/{}", clean(name)))
}

/// How much more of the request belongs to the path that ends where `rest` begins, in bytes: the words
/// after `report.txt` in `report.txt in my documents` say where it is. Only a place that has a name of
/// its own counts, so that `the taxes in german` stays what it is.
pub(super) fn tail(rest: &str) -> usize {
    // "can a.txt go from the desktop to …"
    let after = [" go", " over", " away", " right"]
        .iter()
        .find_map(|word| rest.strip_prefix(word).filter(|r| r.starts_with(' ')))
        .unwrap_or(rest);
    let Some(place) = JOINTS.iter().find_map(|joint| after.strip_prefix(joint)) else {
        return 0;
    };
    let mut found = 0;
    let ends = place
        .char_indices()
        .filter(|(_, c)| c.is_whitespace())
        .map(|(i, _)| i);
    // "my documents folder" has three words; no named place has more than four.
    for end in ends.chain([place.len()]).take(5) {
        let words = without_stop(&place[..end]);
        if named(words).is_some() || rooted(words).is_some_and(|p| !p.contains(' ')) {
            found = rest.len() - place.len() + words.len();
        }
    }
    found
}

/// Folders that a request without a path is taken to name; others are words like any other ("notes", "home").
const PLACES: [&str; 9] = [
    "desktop",
    "documents",
    "docs",
    "downloads",
    "music",
    "pictures",
    "photos",
    "videos",
    "movies",
];

/// See [`super::place`].
pub(super) fn place(request: &str, free: impl Fn(&Range<usize>) -> bool) -> Option<Range<usize>> {
    let mut found = None;
    let mut before: [&str; 2] = [""; 2];
    for word in request.split_whitespace() {
        let start = word.as_ptr() as usize - request.as_ptr() as usize;
        let name = without_stop(word);
        let known = PLACES.iter().any(|place| place.eq_ignore_ascii_case(name));
        let looked_in = |word: &str| {
            ["in", "inside", "within", "through", "across", "under", "my"]
                .iter()
                .any(|w| w.eq_ignore_ascii_case(word))
        };
        let article =
            before[1].eq_ignore_ascii_case("the") || before[1].eq_ignore_ascii_case("our");
        let here = looked_in(before[1]) || (article && looked_in(before[0]));
        let range = start..start + name.len();
        if known && here && free(&range) {
            // Two places are a question.
            if found.is_some() {
                return None;
            }
            found = Some(range);
        }
        before = [before[1], word];
    }
    found
}

/// An absolute path or one in a home, if the words are one.
fn rooted(text: &str) -> Option<String> {
    let text = bare(text);
    text.starts_with(['/', '~']).then(|| clean(text))
}

/// A folder that has a name of its own.
fn named(text: &str) -> Option<String> {
    let name = bare(text).to_lowercase();
    NAMED
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, path)| (*path).to_owned())
}

/// Without quotes, articles and nouns.
fn bare(text: &str) -> &str {
    let mut text = unquote(text);
    for article in ["all of ", "the ", "my ", "our ", "a "] {
        text = strip_prefix_ignoring_case(text, article)
            .unwrap_or(text)
            .trim_start();
    }
    unquote(strip_nouns(text))
}

fn strip_nouns(mut text: &str) -> &str {
    for noun in NOUNS {
        if let Some(rest) = strip_suffix_ignoring_case(text, noun)
            && rest.ends_with(char::is_whitespace)
        {
            text = rest.trim_end();
        }
        if let Some(rest) = strip_prefix_ignoring_case(text, noun)
            && rest.starts_with(char::is_whitespace)
        {
            text = rest.trim_start();
        }
    }
    for prefix in ["called ", "named "] {
        text = strip_prefix_ignoring_case(text, prefix).unwrap_or(text);
    }
    text
}

/// Without doubled and trailing slashes and a leading `./`.
fn clean(path: &str) -> String {
    let mut cleaned = String::with_capacity(path.len());
    for c in path.strip_prefix("./").unwrap_or(path).chars() {
        if !(c == '/' && cleaned.ends_with('/')) {
            cleaned.push(c);
        }
    }
    if cleaned.len() > 1 {
        cleaned.truncate(cleaned.trim_end_matches('/').len().max(1));
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::{parse, tail};

    #[test]
    fn place_that_follows_belongs_to_the_path() {
        for (rest, expected) in [
            (" in my documents folder please", " in my documents folder"),
            (" in documents.", " in documents"),
            (" from /var/log", " from /var/log"),
            (" in my home directory", " in my home directory"),
            (" out of downloads and", " out of downloads"),
            (" go from the desktop to", " go from the desktop"),
            (" on my desktop", " on my desktop"),
            (" on monday", ""),
            (" in german", ""),
            (" to my documents", ""),
            (" in", ""),
            ("", ""),
        ] {
            assert_eq!(&rest[..tail(rest)], expected, "{rest}");
        }
    }

    #[test]
    fn paths_as_people_say_them() {
        for (text, path) in [
            ("my documents folder", "~/Documents"),
            ("documents", "~/Documents"),
            ("Documents.", "~/Documents"),
            ("the Downloads directory", "~/Downloads"),
            ("home", "~"),
            ("my home folder", "~"),
            ("/etc", "/etc"),
            ("/etc/", "/etc"),
            ("/etc folder", "/etc"),
            ("the folder /var/log", "/var/log"),
            ("/", "/"),
            ("~", "~"),
            ("~/src//x/", "~/src/x"),
            ("\"My Report.txt\"", "~/My Report.txt"),
            ("report.txt", "~/report.txt"),
            ("report.txt in my documents", "~/Documents/report.txt"),
            ("the file todo.md from downloads", "~/Downloads/todo.md"),
            ("hosts in /etc", "/etc/hosts"),
            ("documents/taxes/2025", "~/Documents/taxes/2025"),
            ("the file called plan b.txt", "~/plan b.txt"),
            ("Übungsblätter", "~/Übungsblätter"),
            ("./notes.txt", "~/notes.txt"),
            ("../other", "~/../other"),
            (".bashrc", "~/.bashrc"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(path), "{text}");
        }
        for none in ["the document", "the file", "my download", "that folder"] {
            assert!(
                parse(none).is_none_or(|path| path == "~/that folder" || path == "~/that"),
                "{none}"
            );
        }
        assert_eq!(parse("..."), None);
        assert_eq!(parse("a\0b"), None);
    }
}
