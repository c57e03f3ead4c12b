//! Ranking by words: Okapi BM25 over what stands in a passage, and on top of that those words that stand in
//! the headings above it or are the page's name.

use std::collections::{HashMap, HashSet};

use crate::Passage;

/// What a word of the question counts on top where it is in a heading or the page's name. A word that
/// stands once in a passage of mean length counts 1.
const HEADING: f64 = 1.0;
/// What repetition and length count for, as BM25's authors have them.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Words that say nothing on what is asked.
const EMPTY: [&str; 44] = [
    "a", "an", "the", "i", "you", "it", "is", "are", "be", "do", "does", "did", "can", "could",
    "how", "what", "which", "who", "why", "when", "where", "to", "of", "in", "on", "for", "with",
    "and", "or", "my", "me", "this", "that", "there", "if", "so", "as", "at", "by", "from",
    "argos", "please", "tell", "about",
];

/// The words of a text that say something, in small letters and in the singular.
#[must_use]
pub fn terms(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(
            |word| match (word.strip_suffix("ies"), word.strip_suffix('s')) {
                (Some(stem), _) if stem.len() > 1 => format!("{stem}y"),
                (_, Some(one)) if ["che", "she", "sse", "xe"].iter().any(|e| one.ends_with(e)) => {
                    one[..one.len() - 1].to_owned()
                }
                (_, Some(one)) if one.len() > 2 && !one.ends_with('s') => one.to_owned(),
                _ => word.to_owned(),
            },
        )
        .collect()
}

/// Where a word stands.
#[derive(Debug, Clone, Copy)]
struct Posting {
    passage: u32,
    /// Times in the text.
    times: u16,
    /// How many of headings and page name have it.
    above: u8,
}

/// The words of passages, counted once.
#[derive(Debug, Default)]
pub struct Words {
    postings: HashMap<Box<str>, Vec<Posting>>,
    /// Words of each passage's text.
    lengths: Vec<u16>,
}

impl Words {
    /// Counts one more passage.
    pub fn add(&mut self, passage: &Passage) {
        let number = self.lengths.len() as u32;
        let body = terms(&passage.text);
        let mut counted: HashMap<String, (u16, u8)> = HashMap::new();
        self.lengths
            .push(u16::try_from(body.len()).unwrap_or(u16::MAX));
        for word in body {
            let entry = counted.entry(word).or_default();
            entry.0 = entry.0.saturating_add(1);
        }
        let page = match passage.source.rsplit_once('(') {
            Some((name, _)) => format!("{name} {}", passage.title),
            None => passage.source.trim_end_matches(".md").to_owned(),
        };
        for above in [passage.section.join(" "), page] {
            for word in terms(&above).into_iter().collect::<HashSet<_>>() {
                counted.entry(word).or_default().1 += 1;
            }
        }
        for (word, (times, above)) in counted {
            let posting = Posting {
                passage: number,
                times,
                above,
            };
            match self.postings.get_mut(word.as_str()) {
                Some(list) => list.push(posting),
                None => {
                    self.postings.insert(word.into(), vec![posting]);
                }
            }
        }
    }

    /// How many passages were counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The score of each passage for the question, 0 where it shares no word with it; and the weights of the
    /// question's words together, which is about the score of a passage that has each of them once.
    #[must_use]
    pub fn scores(&self, question: &str) -> (Vec<f64>, f64) {
        let mut scores = vec![0.0; self.len()];
        let count = self.len() as f64;
        let all: f64 = self.lengths.iter().map(|length| f64::from(*length)).sum();
        let mean = (all / count.max(1.0)).max(1.0);
        let mut weights = 0.0;
        let mut wanted = terms(question);
        wanted.sort_unstable();
        wanted.dedup();
        for word in wanted {
            let list = self
                .postings
                .get(word.as_str())
                .map_or(&[][..], Vec::as_slice);
            // A word says the more the fewer passages have it.
            let having = list.iter().filter(|p| p.times > 0).count() as f64;
            let weight = ((count - having + 0.5) / (having + 0.5)).ln_1p();
            weights += weight;
            for posting in list {
                let at = posting.passage as usize;
                let fullness = 1.0 - B + B * f64::from(self.lengths[at]) / mean;
                let times = f64::from(posting.times);
                let counts = times * (K1 + 1.0) / (times + K1 * fullness);
                scores[at] += weight * (counts + HEADING * f64::from(posting.above));
            }
        }
        (scores, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_and_headings_count_more() {
        let passage = |section: &str, text: &str| Passage {
            source: "a.md".into(),
            section: vec![section.into()],
            text: text.into(),
            ..Passage::default()
        };
        let mut words = Words::default();
        words.add(&passage("Keys", "the lamp and the window"));
        words.add(&passage("Window", "the window"));
        words.add(&passage("Other", "the window and the door"));
        let (scores, weights) = words.scores("Which windows has the lamp?");
        assert!(scores[0] > scores[1] && scores[1] > scores[2], "{scores:?}");
        assert!(weights > 0.0);
        assert_eq!(words.scores("how do I"), (vec![0.0; 3], 0.0));
        assert_eq!(words.scores("zebra").0, [0.0; 3]);
        assert!(Words::default().scores("lamp").0.is_empty());
    }

    #[test]
    fn words_are_in_small_letters_and_the_singular() {
        assert_eq!(
            terms("How do the Memories' boxes FIT?"),
            ["memory", "box", "fit"]
        );
    }
}
