//! What callers put into their options, read with care.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use zbus::wire::Variant;

use super::Results;
use crate::parts::chooser::{Choice, Filter, Rule};
use crate::widgets::shortened;

/// As many filters are offered, and as many rules of each are looked at.
const MOST_FILTERS: usize = 200;
const MOST_RULES: usize = 500;
/// The longest pattern, in characters.
const LONGEST_RULE: usize = 256;
/// As many choices are kept, and as many options of each are offered.
const MOST_CHOICES: usize = 64;
const MOST_OPTIONS: usize = 200;
/// The longest label, in characters.
const LONGEST: usize = 400;
/// As many files are saved at once.
const MOST_FILES: usize = 1000;
/// As many sources of a recording are kept.
const MOST_KEPT: usize = 16;
/// Whose data about kept sources are ours, and how they are written.
const VENDOR: (&str, u32) = ("argos", 1);

/// A source of a recording, as the front end keeps it for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its type: 1 for an output, 2 for a window.
    pub(super) kind: u32,
    /// The output's name, or the id of the window's application.
    pub(super) name: String,
    /// The window's title.
    pub(super) title: String,
}

pub(super) fn flag(options: &Results, name: &str) -> Option<bool> {
    bool::try_from(&**options.get(name)?).ok()
}

pub(super) fn number(options: &Results, name: &str) -> Option<u32> {
    u32::try_from(&**options.get(name)?).ok()
}

/// A text, if it says anything.
pub(super) fn text(options: &Results, name: &str) -> Option<String> {
    let text = <&str>::try_from(&**options.get(name)?).ok()?;
    (!text.trim().is_empty()).then(|| shortened(text, LONGEST))
}

/// What is called after one of its letters, without the mark on it: `_Open`.
pub(super) fn label(options: &Results, name: &str) -> Option<String> {
    let text = text(options, name)?;
    Some(text.replace("__", "\0").replace('_', "").replace('\0', "_"))
}

/// The window a handle means, if it is one of Wayland's.
pub(super) fn parent(handle: &str) -> Option<String> {
    let name = handle.strip_prefix("wayland:")?;
    (!name.is_empty() && name.len() < 256).then(|| name.to_owned())
}

/// An absolute path that is written as bytes, mostly with a NUL behind them.
pub(super) fn path(options: &Results, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(bytes(options.get(name)?)?);
    if path.is_absolute() {
        return Some(path);
    }
    tracing::warn!("a program names {name} by {path:?}, which is not absolute: passed over");
    None
}

/// The last part of a file's name that a program suggests: never a way to another folder.
pub(super) fn file_name(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.replace('\0', "");
    match name.as_str() {
        "." | ".." => String::new(),
        _ => shortened(&name, LONGEST),
    }
}

/// The names of several files.
pub(super) fn file_names(options: &Results, name: &str) -> Vec<OsString> {
    let Some(Variant::Array(names)) = options.get(name).map(|names| &**names) else {
        return Vec::new();
    };
    let names = names.iter().take(MOST_FILES).filter_map(bytes);
    let last = |name: OsString| {
        let name = PathBuf::from(name);
        name.file_name().map(std::ffi::OsStr::to_owned)
    };
    names.filter_map(last).collect()
}

/// Bytes without the NUL behind them; nothing, if there is one within.
fn bytes(value: &Variant<'_>) -> Option<OsString> {
    let Variant::Array(array) = unpacked(value) else {
        return None;
    };
    let mut bytes = Vec::with_capacity(array.len());
    for value in array.iter() {
        match value {
            Variant::U8(byte) => bytes.push(*byte),
            _ => return None,
        }
    }
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    (!bytes.is_empty() && !bytes.contains(&0)).then(|| OsString::from_vec(bytes))
}

/// The value within variants.
fn unpacked<'a, 'b>(value: &'a Variant<'b>) -> &'a Variant<'b> {
    match value {
        Variant::Variant(inner) => unpacked(inner),
        other => other,
    }
}

/// The parts of a structure.
fn fields<'a, 'b>(value: &'a Variant<'b>) -> &'a [Variant<'b>] {
    match unpacked(value) {
        Variant::Structure(structure) => structure.fields(),
        _ => &[],
    }
}

fn items<'a, 'b>(value: &'a Variant<'b>) -> &'a [Variant<'b>] {
    match unpacked(value) {
        Variant::Array(array) => array.inner(),
        _ => &[],
    }
}

fn string(value: &Variant<'_>) -> Option<String> {
    match unpacked(value) {
        Variant::Str(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

/// One `(sa(us))`.
fn filter(value: &Variant<'_>) -> Option<Filter> {
    let [label, rules] = fields(value) else {
        return None;
    };
    let rules = items(rules).iter().take(MOST_RULES).filter_map(|rule| {
        let [kind, text] = fields(rule) else {
            return None;
        };
        let text = string(text).filter(|text| text.chars().count() <= LONGEST_RULE)?;
        match unpacked(kind) {
            Variant::U32(0) => Some(Rule::Glob(text)),
            Variant::U32(1) => Some(Rule::Type(text)),
            _ => None,
        }
    });
    Some(Filter {
        label: shortened(&string(label)?, LONGEST),
        rules: rules.collect(),
    })
}

/// The filters, and which of them is on.
pub(super) fn filters(options: &Results) -> (Vec<Filter>, usize) {
    let mut filters: Vec<Filter> = options.get("filters").map_or_else(Vec::new, |value| {
        let all = items(value);
        if all.len() > MOST_FILTERS {
            tracing::warn!(
                "{} filters; the first {MOST_FILTERS} are offered",
                all.len()
            );
        }
        all.iter().take(MOST_FILTERS).filter_map(filter).collect()
    });
    let Some(current) = options
        .get("current_filter")
        .and_then(|value| filter(value))
    else {
        return (filters, 0);
    };
    let at = filters.iter().position(|filter| *filter == current);
    let at = at.unwrap_or_else(|| {
        // It need not be one of them; then it comes first.
        filters.insert(0, current);
        0
    });
    (filters, at)
}

/// The choices: `a(ssa(ss)s)`.
pub(super) fn choices(options: &Results) -> Vec<Choice> {
    let choice = |value: &Variant<'_>| {
        let [id, label, options, chosen] = fields(value) else {
            return None;
        };
        let options = items(options)
            .iter()
            .take(MOST_OPTIONS)
            .filter_map(|option| {
                let [id, label] = fields(option) else {
                    return None;
                };
                Some((string(id)?, shortened(&string(label)?, LONGEST)))
            });
        let options: Vec<(String, String)> = options.collect();
        let mut chosen = string(chosen)?;
        match options.first() {
            None => {
                if chosen != "true" {
                    "false".clone_into(&mut chosen);
                }
            }
            Some((first, _)) => {
                if !options.iter().any(|(id, _)| *id == chosen) {
                    chosen.clone_from(first);
                }
            }
        }
        Some(Choice {
            id: string(id)?,
            label: shortened(&string(label)?, LONGEST),
            options,
            chosen,
        })
    };
    let all = options.get("choices").map_or(&[][..], |value| items(value));
    all.iter().take(MOST_CHOICES).filter_map(choice).collect()
}

/// The sources that were kept: `(suv)` as [`restore_data`] makes it. None, where that is another vendor's.
pub(super) fn kept(options: &Results) -> Vec<Kept> {
    let one = |value: &Variant<'_>| {
        let [kind, name, title] = fields(value) else {
            return None;
        };
        let Variant::U32(kind) = unpacked(kind) else {
            return None;
        };
        Some(Kept {
            kind: *kind,
            name: string(name)?,
            title: string(title)?,
        })
    };
    let Some([vendor, version, data]) = options.get("restore_data").map(|data| fields(data)) else {
        return Vec::new();
    };
    let ours = string(vendor).as_deref() == Some(VENDOR.0)
        && matches!(unpacked(version), Variant::U32(version) if *version == VENDOR.1);
    let all = items(data);
    if !ours || all.len() > MOST_KEPT {
        return Vec::new();
    }
    // All of it or nothing.
    all.iter()
        .map(one)
        .collect::<Option<_>>()
        .unwrap_or_default()
}

/// Sources as they are kept.
pub(super) fn restore_data(kept: &[Kept]) -> Variant<'static> {
    let all = kept.iter();
    let all: Vec<(u32, String, String)> = all
        .map(|kept| (kept.kind, kept.name.clone(), kept.title.clone()))
        .collect();
    Variant::from((VENDOR.0.to_owned(), VENDOR.1, Variant::from(all)))
}

/// A path as a URI.
pub(super) fn uri(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::wire::OwnedVariant;

    fn with(name: &str, value: Variant<'static>) -> Results {
        Results::from([(name.to_owned(), OwnedVariant::try_from(value).unwrap())])
    }

    #[test]
    fn paths_are_absolute_and_without_nul() {
        let of = |bytes: &[u8]| path(&with("f", bytes.to_vec().into()), "f");
        assert_eq!(of(b"/tmp\0"), Some("/tmp".into()));
        assert_eq!(of(b"/tmp"), Some("/tmp".into()));
        for bad in [&b"tmp\0"[..], b"", b"\0", b"/a\0b\0", b"../x"] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
        assert_eq!(path(&with("f", "/tmp".into()), "f"), None);
    }

    #[test]
    fn a_suggested_name_leads_nowhere_else() {
        assert_eq!(file_name("a.txt"), "a.txt");
        assert_eq!(file_name("../../.bashrc"), ".bashrc");
        assert_eq!(file_name("/etc/"), "");
        assert_eq!(file_name(".."), "");
        assert_eq!(file_name("a\0b"), "ab");
    }

    #[test]
    fn uris_carry_every_byte() {
        assert_eq!(
            uri(std::path::Path::new("/a b/ü%.txt")),
            "file:///a%20b/%C3%BC%25.txt"
        );
    }

    #[test]
    fn what_others_kept_or_broke_is_not_taken_for_ours() {
        let own = Kept {
            kind: 1,
            name: "DP-1".into(),
            title: String::new(),
        };
        let of = |value: Variant<'static>| kept(&with("restore_data", value));
        assert_eq!(of(restore_data(std::slice::from_ref(&own))), [own.clone()]);
        let data = || Variant::from(vec![(1_u32, "DP-1".to_owned(), String::new())]);
        for odd in [
            Variant::from(("other".to_owned(), 1_u32, data())),
            Variant::from(("argos".to_owned(), 2_u32, data())),
            Variant::from(("argos".to_owned(), 1_u32, Variant::from(7_u32))),
            Variant::from(("argos".to_owned(), 1_u32, Variant::from(vec!["DP-1"]))),
            Variant::from(7_u32),
            restore_data(&vec![own; MOST_KEPT + 1]),
        ] {
            assert_eq!(of(odd), []);
        }
        assert_eq!(kept(&Results::new()), []);
    }

    #[test]
    fn marks_of_letters_are_not_shown() {
        assert_eq!(
            label(&with("l", "_Open".into()), "l").as_deref(),
            Some("Open")
        );
        assert_eq!(
            label(&with("l", "a__b".into()), "l").as_deref(),
            Some("a_b")
        );
        assert_eq!(label(&with("l", "  ".into()), "l"), None);
        assert_eq!(parent("wayland:abc").as_deref(), Some("abc"));
        assert_eq!(parent("x11:12"), None);
        assert_eq!(parent("wayland:"), None);
    }
}
