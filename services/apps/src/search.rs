//! Ranking applications by what was typed.
//!
//! Three letters must be enough for the program that is meant, so the rank is by *where* the words
//! match, best field first: the name before the kind, before keywords, before the comment; a whole
//! match before a beginning, before a word's beginning, before the middle of a word. Letters that
//! are only scattered over the name (`lbr` for LibreOffice) come last.

use crate::App;

/// The applications that match `query`, best first; all of them in their order where it is empty.
/// Every word of the query has to match somewhere.
pub fn search<'a>(apps: &'a [App], query: &str) -> Vec<&'a App> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(u32, &App)> = apps
        .iter()
        .filter_map(|app| {
            let scores = words.iter().map(|word| score(app, word));
            Some((scores.sum::<Option<u32>>()?, app))
        })
        .collect();
    // Stable: equal ones keep the order by name.
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, app)| app).collect()
}

/// The one application that `name` means: an id, an exact name, or the best match of a search
/// whose name or kind contains it. Made for words out of a sentence, so an unclear one finds
/// nothing rather than something.
pub fn find<'a>(apps: &'a [App], name: &str) -> Option<&'a App> {
    let wanted = name.trim().to_lowercase();
    if wanted.is_empty() {
        return None;
    }
    let exact = apps.iter().find(|app| {
        app.id.to_lowercase() == wanted
            || app.name.to_lowercase() == wanted
            || app
                .id
                .rsplit('.')
                .next()
                .is_some_and(|last| last.to_lowercase() == wanted)
    });
    exact.or_else(|| {
        search(apps, &wanted).into_iter().find(|app| {
            [&app.name, &app.generic_name]
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
                || app
                    .keywords
                    .iter()
                    .any(|word| word.to_lowercase() == wanted)
        })
    })
}

/// How well `app` fits one lower-case word; `None` if not at all.
fn score(app: &App, word: &str) -> Option<u32> {
    let fields = [
        (&app.name, 1000),
        (&app.generic_name, 600),
        (&app.id, 500),
        (&app.comment, 200),
    ];
    let best = fields
        .iter()
        .filter_map(|(text, weight)| Some(weight + place(text, word)?));
    let keywords = app
        .keywords
        .iter()
        .filter_map(|text| Some(400 + place(text, word)?));
    best.chain(keywords)
        .max()
        .or_else(|| scattered(&app.name, word).then_some(50))
}

/// Where in `text` the word stands: 90 all of it, 70 its beginning, 50 a word's beginning, 20 inside.
fn place(text: &str, word: &str) -> Option<u32> {
    let text = text.to_lowercase();
    let mut places = text.match_indices(word).map(|(at, _)| {
        if text == word {
            90
        } else if at == 0 {
            70
        } else if text[..at]
            .chars()
            .next_back()
            .is_some_and(|before| !before.is_alphanumeric())
        {
            50
        } else {
            20
        }
    });
    let first = places.next()?;
    Some(places.fold(first, u32::max))
}

/// Whether the word's letters occur in this order, the first of them at the beginning.
fn scattered(text: &str, word: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    word.chars().enumerate().all(|(i, wanted)| {
        if i == 0 {
            letters.next() == Some(wanted)
        } else {
            letters.any(|letter| letter == wanted)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(id: &str, name: &str, generic: &str, comment: &str, keywords: &[&str]) -> App {
        App {
            id: id.into(),
            name: name.into(),
            generic_name: generic.into(),
            comment: comment.into(),
            keywords: keywords.iter().map(|k| (*k).to_owned()).collect(),
            ..App::default()
        }
    }

    fn installed() -> Vec<App> {
        vec![
            app("calc", "Calculator", "", "Terminal arithmetic", &["sum"]),
            app(
                "org.codeberg.dnkl.foot",
                "Foot",
                "Terminal",
                "A Wayland terminal emulator",
                &["shell", "prompt"],
            ),
            app("term.server", "Foot Server", "Terminal", "", &[]),
            app(
                "libreoffice",
                "LibreOffice Writer",
                "Word processor",
                "Write letters",
                &["text"],
            ),
            app("xfoot", "Barefoot", "", "Running", &[]),
        ]
    }

    fn ids(query: &str) -> Vec<String> {
        search(&installed(), query)
            .iter()
            .map(|app| app.id.clone())
            .collect()
    }

    #[test]
    fn the_name_beats_every_other_field() {
        assert_eq!(
            ids("foot"),
            ["org.codeberg.dnkl.foot", "term.server", "xfoot"]
        );
        assert_eq!(ids("term")[..2], ["org.codeberg.dnkl.foot", "term.server"]);
        assert_eq!(ids("term").last().unwrap(), "calc");
    }

    #[test]
    fn every_word_has_to_match() {
        assert_eq!(ids("foot serv"), ["term.server"]);
        assert!(ids("foot nothing").is_empty());
    }

    #[test]
    fn scattered_letters_come_last() {
        assert_eq!(ids("lbr"), ["libreoffice"]);
        assert_eq!(ids("clc"), ["calc"]);
        assert!(ids("zzz").is_empty());
    }

    #[test]
    fn nothing_typed_shows_all_in_order() {
        assert_eq!(ids(" ").len(), 5);
        assert_eq!(ids("")[0], "calc");
    }

    #[test]
    fn a_sentences_word_means_one_application_or_none() {
        let apps = installed();
        let id = |name| find(&apps, name).map(|app| app.id.as_str());
        assert_eq!(id("foot"), Some("org.codeberg.dnkl.foot"));
        assert_eq!(id("terminal"), Some("org.codeberg.dnkl.foot"));
        assert_eq!(id("FOOT SERVER"), Some("term.server"));
        assert_eq!(id("shell"), Some("org.codeberg.dnkl.foot"));
        assert_eq!(id("letters"), None);
        assert_eq!(id(""), None);
    }
}
