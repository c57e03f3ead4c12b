//! Passages of documentation: how a page is split into them, how they are kept, how a question ranks them.
//!
//! [`markdown`] and [`manual`] split a page, each the one place that knows its format. [`index`] keeps the
//! passages of many pages with their embeddings in two files, made while the image is built; [`words`] counts
//! words (BM25), and [`Index::search`] ranks by both. Whoever calls has the embedding: this crate knows no
//! model and no bus.
#![deny(missing_docs)]

pub mod index;
pub mod manual;
pub mod markdown;
pub mod words;

pub use index::{Error, Found, Index, Vectors};

use serde::{Deserialize, Serialize};

/// Bytes of a passage's text that are embedded.
const BEGINNING: usize = 200;

/// A piece of documentation that can be read by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The page: a file's name (`desktop.md`) or a manual page (`foot.ini(5)`).
    pub source: String,
    /// What the page says of itself in one line; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Headings above it, outermost first.
    pub section: Vec<String>,
    /// Line of the file where it begins, from 1; a manual page has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Its words: Markdown, or a manual page's plain text.
    pub text: String,
}

impl Passage {
    /// What is embedded for it: a passage alone often does not name what it is about, so what stands above
    /// it comes first. The beginning of a text says what it is about: with all of it no more questions find
    /// their passage, and it takes half as long again.
    #[must_use]
    pub fn embedded(&self) -> String {
        let page = match self.source.rsplit_once('(') {
            Some((name, _)) => name,
            None => self.source.trim_end_matches(".md"),
        };
        let mut text = page.to_owned();
        if !self.title.is_empty() {
            text.push_str(" - ");
            text.push_str(&self.title);
        }
        let own = self
            .section
            .iter()
            .filter(|s| !manual::ORDINARY.contains(&s.as_str()));
        for heading in own {
            text.push_str(". ");
            text.push_str(heading);
        }
        text.push_str(".\n");
        let mut end = self.text.len().min(BEGINNING);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        text.push_str(&self.text[..end]);
        text
    }
}
