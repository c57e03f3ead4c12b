//! Text from elsewhere, made safe to read before a decision.
//!
//! A path may hold newlines, characters of no width, or characters that turn the direction of
//! writing, and so look like another path. In a permission prompt each of them is shown by its
//! number instead; nothing is left out, so two different resources never look the same.
//!
//! Some letters of other scripts look like Latin ones. In a word that mixes them with Latin, or has
//! nothing but such letters, each has its number behind it.

/// `text` with every character that does not show as itself replaced by `⟨U+XXXX⟩`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    let mut at_edge = true;
    let deceptive = deceptive(text);
    while let Some((at, c)) = chars.next() {
        // A space at the beginning or end, or beside another one, is as good as invisible.
        let hidden_space =
            c == ' ' && (at_edge || chars.peek().is_none_or(|(_, next)| *next == ' '));
        if hidden_space {
            shown.push('␣');
        } else if is_hidden(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else if deceptive.iter().any(|word| word.contains(&at)) && script(c) == Script::LooksLatin
        {
            shown.push_str(&format!("{c}⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
        at_edge = false;
    }
    shown
}

/// Whether [`visible`] puts numbers behind letters of it.
pub fn mixes_scripts(text: &str) -> bool {
    !deceptive(text).is_empty()
}

/// What a letter is, as far as it can be taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    /// Of a script that has letters like Latin ones.
    LooksLatin,
    Other,
}

fn script(c: char) -> Script {
    match u32::from(c) {
        _ if !c.is_alphabetic() => Script::Other,
        0x41..=0x7A | 0xAA | 0xBA | 0xC0..=0x24F | 0x1E00..=0x1EFF => Script::Latin,
        // Greek, Cyrillic, Armenian, Cherokee, Lisu, Coptic, Deseret; Latin's own oddities.
        0x250..=0x2AF
        | 0x370..=0x3FF
        | 0x400..=0x52F
        | 0x531..=0x58F
        | 0x13A0..=0x13FF
        | 0x1C80..=0x1C8F
        | 0x1D00..=0x1DBF
        | 0x1F00..=0x1FFF
        | 0x2100..=0x214F
        | 0x2160..=0x218F
        | 0x2C60..=0x2CFF
        | 0x2DE0..=0x2DFF
        | 0xA4D0..=0xA4FF
        | 0xA640..=0xA7FF
        | 0xAB30..=0xABBF
        | 0xFF21..=0xFF5A
        | 0x10280..=0x102DF
        | 0x10400..=0x1044F
        | 0x1D400..=0x1D7FF => Script::LooksLatin,
        _ => Script::Other,
    }
}

/// Greek and Cyrillic letters that are drawn as Latin ones are.
const TWINS: &str = "аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅԌԚԜοινυκρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ";

/// The words, as ranges of bytes, in which letters may be taken for others.
fn deceptive(text: &str) -> Vec<std::ops::Range<usize>> {
    // The usual case costs nothing.
    if text.is_ascii() {
        return Vec::new();
    }
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let letters = || word.chars().filter(|c| c.is_alphabetic());
        let latin = letters().any(|c| script(c) == Script::Latin);
        let alike = letters().any(|c| script(c) == Script::LooksLatin);
        if alike && (latin || letters().all(|c| TWINS.contains(c))) {
            words.push(at..at + word.len());
        }
        at += word.len();
    }
    words
}

/// Whether a character shows nothing, or something other than itself.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            // The marks used here must not be imitated.
            0x27E8 | 0x27E9 | 0x2423
            // Spaces other than the usual one, and characters without width.
            | 0x00A0 | 0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x1680 | 0x17B4..=0x17B5
            | 0x180B..=0x180F | 0x2000..=0x200F | 0x2028..=0x202F | 0x205F..=0x206F | 0x2800
            | 0x3000 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFD
            // Private use, tags, variation selectors.
            | 0xE000..=0xF8FF | 0xE0000..=0x10FFFF)
        // Marks that stack on the letter before them, however many.
        || matches!(u32::from(c), 0x0300..=0x036F | 0x0483..=0x0489 | 0x1AB0..=0x1AFF
            | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// `text`, already made [`visible`], with its parts between slashes kept in their order on screen.
///
/// Letters of scripts that are written from right to left would otherwise carry the slashes and
/// whole neighbouring folders with them, so that one path could look like another.
pub fn in_order(text: &str) -> String {
    if !text.chars().any(is_right_to_left) {
        return text.to_owned();
    }
    // A left-to-right mark first, each part isolated.
    let parts: Vec<String> = text
        .split('/')
        .map(|part| format!("\u{2068}{part}\u{2069}"))
        .collect();
    format!("\u{200e}{}", parts.join("/"))
}

fn is_right_to_left(c: char) -> bool {
    matches!(u32::from(c),
        0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFE | 0x10800..=0x10FFF | 0x1E800..=0x1EFFF)
}

#[cfg(test)]
mod tests {
    use super::{in_order, mixes_scripts, visible};

    #[test]
    fn folders_in_other_directions_stay_in_order() {
        assert_eq!(in_order("/home/argos"), "/home/argos");
        let path = in_order("/א/b/ג");
        assert!(path.starts_with('\u{200e}'), "{path:?}");
        assert_eq!(
            path.matches('\u{2068}').count(),
            4,
            "each part is isolated: {path:?}"
        );
        let plain: String = path
            .chars()
            .filter(|c| !matches!(*c, '\u{200e}' | '\u{2068}' | '\u{2069}'))
            .collect();
        assert_eq!(plain, "/א/b/ג");
    }

    #[test]
    fn ordinary_paths_stay_as_they_are() {
        for path in [
            "/home/argos/Documents",
            "/tmp/grün/日本語/файл.txt",
            "/a b/c-d_e.f",
            "example.org",
        ] {
            assert_eq!(visible(path), path);
        }
    }

    #[test]
    fn what_hides_is_shown_by_its_number() {
        assert_eq!(visible("/a\nb"), "/a⟨U+000A⟩b");
        assert_eq!(visible("/home/\u{202e}txt.exe"), "/home/⟨U+202E⟩txt.exe");
        assert_eq!(
            visible("a\u{200b}b\u{2066}c\u{feff}"),
            "a⟨U+200B⟩b⟨U+2066⟩c⟨U+FEFF⟩"
        );
        assert_eq!(visible("\u{1b}[31mred\u{7f}"), "⟨U+001B⟩[31mred⟨U+007F⟩");
        assert_eq!(visible("a\u{a0}b\u{3164}c"), "a⟨U+00A0⟩b⟨U+3164⟩c");
        assert_eq!(visible("e\u{301}"), "e⟨U+0301⟩");
    }

    #[test]
    fn letters_that_are_taken_for_others_have_their_number() {
        // Cyrillic о and с among Latin ones.
        assert_eq!(
            visible("/home/D\u{43e}\u{441}uments/x"),
            "/home/D\u{43e}⟨U+043E⟩\u{441}⟨U+0441⟩uments/x"
        );
        assert_eq!(visible("/е"), "/е⟨U+0435⟩", "nothing but twins");
        assert!(
            visible("\u{ff41}dmin").contains("⟨U+FF41⟩"),
            "a wide letter"
        );
        for honest in [
            "/документы/файл.txt",
            "/Αθήνα/grün",
            "/日本語mix",
            "/naïve-файл",
        ] {
            assert_eq!(visible(honest), honest);
            assert!(!mixes_scripts(honest), "{honest}");
        }
        assert!(mixes_scripts("/p\u{430}ypal"));
    }

    #[test]
    fn spaces_at_the_edge_are_seen() {
        assert_eq!(visible(" /a  b "), "␣/a␣ b␣");
        assert_ne!(visible("/a "), visible("/a"));
    }

    #[test]
    fn the_marks_cannot_be_imitated() {
        assert_ne!(visible("/a⟨U+000A⟩b"), visible("/a\nb"));
        assert_ne!(visible("/a␣"), visible("/a "));
    }
}
