//! `docs.ask`: passages of the system's documentation that fit a question.
//!
//! The documentation is a few dozen small files in the read-only image, so each question reads and
//! ranks all of it: passages by the words they share with the question (Okapi BM25), and on top
//! of that those words that stand in the headings above it or are the page's name. It answers with the documentation's own words and says where they stand.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

const FOLDER: &str = "/usr/share/doc/argos";
const MOST_PASSAGES: usize = 3;
const MOST_FILES: usize = 200;
const MOST_SIZE: u64 = 1 << 20;
/// A passage ends with the first paragraph that makes it longer than this, in bytes.
const LONG: usize = 700;
/// Longest passage that is told, in characters: a block of code is not cut in two.
const MOST_SHOWN: usize = 1600;
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

pub(crate) struct DocsAsk;

/// The question.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// What to find out about this system, in words.
    #[schemars(length(min = 1, max = 500))]
    question: String,
}

impl Definition for DocsAsk {
    const NAME: &'static str = "docs.ask";
    const DESCRIPTION: &'static str = "Finds what the system's documentation says on a question";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        text::sized(Self::NAME, "question", &arguments.question, 2000)?;
        text::prose(Self::NAME, "question", &arguments.question)?;
        let summary = "Look something up in the system's documentation.";
        Resolved::new(&arguments, "docs", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, _: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { question } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            super::blocking(Self::NAME, move || ask(Path::new(FOLDER), &question)).await
        })
    }
}

/// A piece of documentation that can be read by itself.
#[derive(Debug, PartialEq, Eq)]
struct Passage {
    file: String,
    /// Headings above it, outermost first.
    section: Vec<String>,
    /// Where it begins, from 1.
    line: usize,
    text: String,
}

fn ask(folder: &Path, question: &str) -> Result<Value, ToolError> {
    let tried = || format!("{} in {}", DocsAsk::NAME, folder.display());
    let entries = std::fs::read_dir(folder).map_err(|error| {
        ToolError::io(tried(), &error).hint("The documentation is not installed on this machine")
    })?;
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "md")
        })
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|meta| meta.is_file() && meta.len() <= MOST_SIZE)
        })
        .take(MOST_FILES)
        .collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let mut all = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(file.path()).map_err(|error| ToolError::io(tried(), &error))?;
        all.extend(passages(&file.file_name().to_string_lossy(), &text));
    }
    if terms(question).is_empty() {
        return Err(ToolError::new(
            Code::InvalidArguments,
            tried(),
            "the question has no word to look for",
        )
        .hint("Name the thing it is about"));
    }
    let told: Vec<Value> = rank(&all, question)
        .into_iter()
        .take(MOST_PASSAGES)
        .map(|(score, passage)| {
            let whole = passage.text.chars().count() <= MOST_SHOWN;
            json!({
                "file": folder.join(&passage.file), "line": passage.line, "section": passage.section.join(" > "),
                "text": passage.text.chars().take(MOST_SHOWN).collect::<String>(), "truncated": !whole,
                "score": (score * 100.0).round() / 100.0,
            })
        })
        .collect();
    let mut answer = json!({"passages": told});
    if told.is_empty() {
        answer["hint"] = "The documentation has none of these words; ask with others".into();
    }
    Ok(answer)
}

/// A file in pieces: paragraphs, lists, tables and blocks of code together as long as they are short
/// and under one heading.
fn passages(file: &str, text: &str) -> Vec<Passage> {
    let mut found = Vec::new();
    let mut section: Vec<String> = Vec::new();
    let mut open: Option<Passage> = None;
    let mut fence: Option<&str> = None;
    // The head of the table that the line is in: its names and the line below them.
    let mut head: Vec<&str> = Vec::new();
    let end = |open: &mut Option<Passage>, found: &mut Vec<Passage>| {
        if let Some(mut passage) = open.take() {
            passage.text.truncate(passage.text.trim_end().len());
            found.push(passage);
        }
    };
    for (number, line) in (1..).zip(text.lines()) {
        if fence.is_none()
            && let Some(level) = heading(line)
        {
            end(&mut open, &mut found);
            section.truncate(level - 1);
            section.push(line[level..].trim().to_owned());
            continue;
        }
        match fence {
            Some(mark) if line.trim() == mark => fence = None,
            None if line.starts_with("```") => fence = Some("```"),
            _ => {}
        }
        if line.trim().is_empty()
            && fence.is_none()
            && open.as_ref().is_none_or(|o| o.text.len() > LONG)
        {
            end(&mut open, &mut found);
            continue;
        }
        let row = fence.is_none() && line.starts_with('|');
        let mut text = String::new();
        if !row {
            head.clear();
        } else if head.len() < 2 {
            head.push(line);
        } else if open.as_ref().is_some_and(|open| open.text.len() > LONG) {
            // A long table goes on in another passage, under the same head.
            end(&mut open, &mut found);
            text = format!("{}\n{}\n", head[0], head[1]);
        }
        let passage = open.get_or_insert_with(|| Passage {
            file: file.to_owned(),
            section: section.clone(),
            line: number,
            text,
        });
        passage.text.push_str(line);
        passage.text.push('\n');
    }
    end(&mut open, &mut found);
    found
}

fn heading(line: &str) -> Option<usize> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    ((1..=6).contains(&level) && line[level..].starts_with(' ')).then_some(level)
}

/// The words of a text that say something, in small letters and in the singular.
fn terms(text: &str) -> Vec<String> {
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

/// The passages that share a word with the question, best first.
fn rank<'a>(all: &'a [Passage], question: &str) -> Vec<(f64, &'a Passage)> {
    let wanted: HashSet<String> = terms(question).into_iter().collect();
    let bodies: Vec<Vec<String>> = all.iter().map(|passage| terms(&passage.text)).collect();
    let count = all.len() as f64;
    let mean = bodies.iter().map(Vec::len).sum::<usize>() as f64 / count.max(1.0);
    // A word says the more the fewer passages have it.
    let weights: HashMap<&String, f64> = wanted
        .iter()
        .map(|term| {
            let having = bodies.iter().filter(|body| body.contains(term)).count() as f64;
            (term, ((count - having + 0.5) / (having + 0.5)).ln_1p())
        })
        .collect();
    let mut ranked: Vec<(f64, &Passage)> = all
        .iter()
        .zip(&bodies)
        .map(|(passage, body)| {
            let fullness = 1.0 - B + B * body.len() as f64 / mean.max(1.0);
            let headings = terms(&passage.section.join(" "));
            let page = terms(passage.file.trim_end_matches(".md"));
            let score: f64 = weights
                .iter()
                .map(|(term, weight)| {
                    let times = body.iter().filter(|word| word == term).count() as f64;
                    let above = [&headings, &page].map(|words| f64::from(words.contains(term)));
                    let counts = times * (K1 + 1.0) / (times + K1 * fullness);
                    weight * (counts + HEADING * (above[0] + above[1]))
                })
                .sum();
            (score, passage)
        })
        .filter(|(score, _)| *score > 0.0)
        .collect();
    ranked.sort_by(|a, b| {
        b.0.total_cmp(&a.0)
            .then(a.1.file.cmp(&b.1.file))
            .then(a.1.line.cmp(&b.1.line))
    });
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docs() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    #[test]
    fn questions_find_their_page_in_the_documentation() {
        for (question, file) in [
            ("How do I take back a permission?", "permissions.md"),
            ("where is the audit log", "permissions.md"),
            ("how do I write a unit file", "units.md"),
            ("can I add my own model", "models.md"),
            ("what may stand in agent.yaml?", "agents.md"),
            ("how do I build the image?", "image.md"),
            ("export memories", "memory.md"),
            ("how do I change the wallpaper", "desktop.md"),
            ("which keys switch workspaces", "desktop.md"),
            ("how does an agent get a timer", "agents.md"),
            ("restart a service when it fails", "units.md"),
            ("how do I boot in QEMU", "image.md"),
        ] {
            let answer = ask(&docs(), question).unwrap();
            let first = &answer["passages"][0];
            assert!(
                first["file"].as_str().unwrap().ends_with(file),
                "{question}: {first:#}"
            );
            assert!(
                first["line"].as_u64() > Some(1) && !first["section"].as_str().unwrap().is_empty()
            );
        }
    }

    #[test]
    fn nothing_is_made_up() {
        let answer = ask(&docs(), "xylophone zebra").unwrap();
        assert_eq!(answer["passages"], json!([]));
        assert!(answer["hint"].is_string());
        assert_eq!(
            ask(&docs(), "how do I?").unwrap_err().code,
            Code::InvalidArguments
        );
        assert_eq!(
            ask(Path::new("/nowhere"), "x").unwrap_err().code,
            Code::NotFound
        );
    }

    #[test]
    fn a_long_table_goes_on_under_its_head() {
        let rows: String = (0..60)
            .map(|n| format!("| key{n} | {} |\n", "words ".repeat(4)))
            .collect();
        let found = passages(
            "a.md",
            &format!("# One\n\n| key | what |\n|---|---|\n{rows}\nafter\n"),
        );
        assert!(found.len() > 2);
        for passage in &found {
            assert!(
                passage.text.starts_with("| key | what |\n|---|---|\n| key"),
                "{passage:?}"
            );
            assert!(passage.text.len() < 2 * LONG);
        }
        assert!(found.last().unwrap().text.ends_with("after"));
    }

    #[test]
    fn passages_know_where_they_stand_and_code_is_no_heading() {
        let text = "# One\n\nfirst\n\n## Two\n\n```sh\n# no heading\n```\n\nlast\n### Three\nx\n## Four\ny\n";
        let found = passages("a.md", text);
        let told: Vec<(&str, usize, String)> = found
            .iter()
            .map(|p| (p.text.as_str(), p.line, p.section.join(">")))
            .collect();
        assert_eq!(
            told,
            [
                ("first", 3, "One".to_owned()),
                ("```sh\n# no heading\n```\n\nlast", 7, "One>Two".to_owned()),
                ("x", 13, "One>Two>Three".to_owned()),
                ("y", 15, "One>Four".to_owned()),
            ]
        );
    }
}
