//! Two requests in one sentence: what joins them belongs to neither.

use std::ops::Range;

/// Words that join, longer ones before their parts.
const JOINTS: [&str; 14] = [
    "and after that",
    "after that",
    "as well as",
    "followed by",
    "and then",
    "and also",
    "afterwards",
    "then",
    "also",
    "plus",
    "next",
    "and",
    "oh",
    "&",
];

/// Most places where a sentence is tried in two.
const MOST_TRIED: usize = 3;

/// Bytes at which a second request may begin, because something that joins stands in front.
pub(super) fn joints(request: &str) -> Vec<usize> {
    let lower = request.to_ascii_lowercase();
    let marks = [" and ", " then ", ", ", "; ", ". ", " & "];
    let mut found: Vec<usize> = marks
        .iter()
        .flat_map(|mark| lower.match_indices(mark).map(|(at, _)| at + mark.len()))
        .collect();
    found.sort_unstable();
    // "x, and then y": where the last of several joins ends.
    let mut places: Vec<usize> = Vec::new();
    for at in found {
        match places.last_mut() {
            Some(last) if split(request, at).map(|s| s.0) == split(request, *last).map(|s| s.0) => {
                *last = at;
            }
            _ => places.push(at),
        }
    }
    places.truncate(MOST_TRIED);
    places
}

/// The request before the one that begins at byte `at`, and that one. `None` where one of them is empty.
pub(super) fn split(request: &str, at: usize) -> Option<(&str, &str)> {
    let (mut first, rest) = request.split_at_checked(at)?;
    loop {
        let shorter =
            without_joint(first.trim_end_matches([' ', ',', ';', '.', ':', '-', '\u{2014}']));
        if shorter.len() == first.len() {
            break;
        }
        first = shorter;
    }
    let rest = rest.trim();
    (!first.trim().is_empty() && !rest.is_empty()).then_some((first.trim_start(), rest))
}

/// Whether another request may begin at byte `at` of a sentence that is sure as one. It speaks of what is in `spoken`,
/// which is not torn apart: something has to join behind all of that, `stop 812 and restart cups`, or before it,
/// `list my documents and note that it rains`. A reason may follow a comma, and a single word be a part of an idiom:
/// "alive and kicking", "find and open the letter".
pub(super) fn may_begin(request: &str, at: usize, spoken: &Range<usize>) -> bool {
    let Some((first, rest)) = split(request, at) else {
        return false;
    };
    let apart = at > spoken.end || (at <= spoken.start && first.contains(' '));
    apart && rest.contains(' ') && !request[..at].trim_end().ends_with([',', '.'])
}

fn without_joint(text: &str) -> &str {
    let joint = JOINTS.iter().find(|joint| {
        let Some((before, tail)) = text
            .len()
            .checked_sub(joint.len())
            .and_then(|at| text.split_at_checked(at))
        else {
            return false;
        };
        tail.eq_ignore_ascii_case(joint)
            && (before.is_empty() || before.ends_with([' ', ',', ';', '.']))
    });
    joint.map_or(text, |joint| &text[..text.len() - joint.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_where_another_may_begin() {
        for (request, rest) in [
            ("lock the screen", &[][..]),
            ("lock and mute", &["mute"]),
            ("open foot, and then close firefox", &["close firefox"]),
            ("a; b, c", &["b, c", "c"]),
            ("Zo\u{eb} and \u{dc}mit & x", &["\u{dc}mit & x", "x"]),
            ("band and & sand", &["sand"]),
        ] {
            let found: Vec<&str> = joints(request)
                .into_iter()
                .map(|at| &request[at..])
                .collect();
            assert_eq!(found, rest, "{request}");
        }
        assert_eq!(joints(&"a and ".repeat(99)).len(), MOST_TRIED);
    }

    #[test]
    fn what_a_sure_sentence_speaks_of_is_not_torn_apart() {
        for (request, spoken, second, may) in [
            ("stop 812 and restart cups", "812", "restart cups", true),
            (
                "list my documents and note that it rains",
                "it rains",
                "note that it rains",
                true,
            ),
            (
                "note that it rains and that it pours",
                "it rains and that it pours",
                "that it pours",
                false,
            ),
            ("move a and b to c", "a and b to c", "b to c", false),
            (
                "find and open the letter",
                "the letter",
                "open the letter",
                false,
            ),
            ("lock the screen and mute", "", "mute", false),
            ("lock the screen and mute it", "", "mute it", true),
            ("lock the screen, I am off", "", "I am off", false),
            (
                "it is late, note that it rains",
                "it rains",
                "note that",
                false,
            ),
        ] {
            let begin = request.find(spoken).unwrap();
            let spoken = begin..begin + spoken.len();
            let at = request.find(second).unwrap();
            assert_eq!(may_begin(request, at, &spoken), may, "{request}");
        }
        assert!(!may_begin("and lock it", 4, &(0..0)));
    }

    #[test]
    fn what_joins_belongs_to_neither() {
        for (request, second, first) in [
            ("lock the screen and mute it", "mute it", "lock the screen"),
            (
                "open foot, and then close firefox",
                "close firefox",
                "open foot",
            ),
            (
                "Dark theme please. After that, volume 30",
                "volume 30",
                "Dark theme please",
            ),
            ("find sand as well as list ~", "list ~", "find sand"),
            ("ls /tmp; ls /etc", "ls /etc", "ls /tmp"),
            ("what is my ip & lock", "lock", "what is my ip"),
        ] {
            let at = request.find(second).unwrap();
            assert_eq!(split(request, at), Some((first, second)), "{request}");
        }
        assert_eq!(split("and lock", 4), None);
        assert_eq!(split("lock", 4), None);
        assert_eq!(split("lock", 0), None);
        // Not in the middle of a character, nor beyond the end.
        assert_eq!(split("\u{fc}ber", 1), None);
        assert_eq!(split("lock", 9), None);
    }
}
