//! Likeness by words, for records that have no vector and machines that have no model.

use std::collections::BTreeSet;

/// Words that say nothing about the subject.
const STOP: [&str; 49] = [
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can",
    "did", "do", "does", "for", "from", "had", "has", "have", "how", "i", "in", "is", "it", "me",
    "my", "of", "on", "or", "our", "that", "the", "this", "to", "was", "we", "were", "what",
    "when", "where", "which", "who", "why", "with", "you", "your",
];

/// The words of a text that matter, in lower case and without plural endings. If nothing matters, all
/// of them.
pub fn words(text: &str) -> BTreeSet<String> {
    let all: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    let matters = |w: &&String| !STOP.contains(&w.as_str());
    let mut found: BTreeSet<String> = all.iter().filter(matters).map(|w| stem(w)).collect();
    if found.is_empty() {
        found = all.iter().map(|w| stem(w)).collect();
    }
    found
}

/// How many of the query's words the text has, 0 to 1.
pub fn overlap(query: &BTreeSet<String>, text: &str) -> f32 {
    if query.is_empty() {
        return 0.0;
    }
    let text = words(text);
    query.intersection(&text).count() as f32 / query.len() as f32
}

/// Without the endings that English puts on a noun or verb.
fn stem(word: &str) -> String {
    for (ending, least) in [("ies", 5), ("ing", 6), ("ed", 5), ("es", 5), ("s", 4)] {
        if word.len() >= least
            && !word.ends_with("ss")
            && let Some(stem) = word.strip_suffix(ending)
        {
            return if ending == "ies" {
                format!("{stem}y")
            } else {
                stem.to_owned()
            };
        }
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_count_and_stop_words_do_not() {
        let query = words("When is my dentist's appointment?");
        assert!(overlap(&query, "Dentist appointments are on Fridays") > 0.6);
        assert_eq!(overlap(&query, "The printer is out of paper"), 0.0);
        assert_eq!(overlap(&words("Ärzte"), "die ÄRZTE kommen"), 1.0);
        assert_eq!(overlap(&words("who are you"), "who are you"), 1.0);
        assert_eq!(overlap(&words("?!"), "?!"), 0.0);
    }
}
