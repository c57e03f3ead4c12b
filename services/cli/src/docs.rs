//! `argos docs index`: what `docs.ask` searches, made while the image is built.
//!
//! The pages are split by `argos-passages`, manual pages after `mandoc` has made text of them. Each passage
//! gets its embedding from the default model in this process, alone, so that the result is the same however
//! much of it was taken from an earlier index.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use argos_engine::planner::Planner;
use argos_engine::registry::Registry;
use argos_passages::{Index, Passage, Vectors, index, manual, markdown};
use serde::Deserialize;
use serde_json::json;

use crate::args::{DocsCommand, DocsIndexArgs, DocsMeasureArgs};
use crate::failure::{Failure, Result, Status};
use crate::models;
use crate::output::{Cell, Output, bytes};

pub(crate) fn run(out: Output, command: DocsCommand) -> Result {
    match command {
        DocsCommand::Index(args) => make(out, &args),
        DocsCommand::Measure(args) => measure(out, &args),
    }
}

fn make(out: Output, args: &DocsIndexArgs) -> Result {
    let start = Instant::now();
    let mut passages = Vec::new();
    for folder in &args.pages {
        passages.extend(pages(folder)?);
    }
    for folder in &args.manuals {
        passages.extend(manuals(folder)?);
    }
    manual::explain(&mut passages);
    models::find_runtime();
    let model = Model::load(&args.model)?;
    let earlier = args.reuse.as_deref().map(Earlier::read).unwrap_or_default();
    let (vectors, reused) = embed(out, &model, &passages, &earlier)?;
    index::write(&args.out, &passages, &vectors).map_err(failed)?;
    let size: u64 = [index::TEXTS, index::VECTORS]
        .iter()
        .filter_map(|name| args.out.join(name).metadata().ok())
        .map(|meta| meta.len())
        .sum();
    let sources: HashSet<&str> = passages.iter().map(|p| p.source.as_str()).collect();
    if out.json {
        return out.value(&json!({
            "pages": sources.len(), "passages": passages.len(), "reused": reused, "bytes": size,
        }));
    }
    out.line(format!(
        "{} passages of {} pages, {}, {reused} of them as they were, in {:.1} s",
        passages.len(),
        sources.len(),
        bytes(size),
        start.elapsed().as_secs_f64()
    ))
}

/// The Markdown files of a folder.
fn pages(folder: &Path) -> Result<Vec<Passage>> {
    let mut found = Vec::new();
    for name in names(folder)? {
        if name.ends_with(".md") {
            let path = folder.join(&name);
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
            found.extend(markdown::passages(&name, &text));
        }
    }
    Ok(found)
}

/// The manual pages of a folder that holds `man1`, `man5` and so on.
fn manuals(folder: &Path) -> Result<Vec<Passage>> {
    let mut found = Vec::new();
    // A page of several names may be there as several files.
    let mut seen = HashSet::new();
    for section in manual::SECTIONS {
        let within = folder.join(format!("man{section}"));
        if !within.is_dir() {
            continue;
        }
        for name in names(&within)? {
            let path = within.join(&name);
            let Some(page) = manual::page_of(&name).filter(|_| !path.is_symlink()) else {
                continue;
            };
            let text = formatted(folder, &path)?;
            // The name stands in the first line.
            let body = text.split_once('\n').map_or("", |(_, body)| body);
            if seen.insert(body.to_owned()) {
                found.extend(manual::passages(&page, &text));
            }
        }
    }
    if found.is_empty() {
        let text = format!("{}: there are no manual pages", folder.display());
        return Err(Failure::new(Status::Failed, text)
            .hint("the folder is the one that holds man1, man5, man7 and man8"));
    }
    Ok(found)
}

/// A manual page as text. One that mandoc finds fault with is still made text of, as for a reader.
fn formatted(folder: &Path, path: &Path) -> Result<String> {
    let output = Command::new("mandoc")
        .args(["-T", "utf8", "-O", &format!("width={}", manual::WIDTH)])
        .arg(path)
        // Pages refer to others by their place below it.
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| {
            Failure::new(Status::Failed, format!("mandoc cannot be started: {e}"))
                .hint("it is in Debian's package mandoc")
        })?;
    if output.stdout.is_empty() {
        eprintln!(
            "argos: {}: mandoc makes no text of it ({})",
            path.display(),
            output.status
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

struct Model {
    planner: Planner,
    bytes: u64,
}

impl Model {
    fn load(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let name = folder.file_name().unwrap_or_default();
        // Counted as the AI service counts it.
        let above = folder.parent().unwrap_or(&folder).to_owned();
        let bytes = Registry::new(vec![above])
            .list()
            .iter()
            .find(|info| name == info.id.as_str())
            .map_or(0, |info| info.size_bytes);
        let planner =
            Planner::load(&folder).map_err(|e| Failure::new(Status::Failed, e.to_string()))?;
        Ok(Self { planner, bytes })
    }

    /// The embedding of a text, or of as much of its beginning as the model takes.
    fn embed(&self, text: &str) -> argos_engine::Result<Vec<f32>> {
        let mut text = text;
        loop {
            match self.planner.embed(&[text]) {
                Ok(mut vectors) => return Ok(vectors.swap_remove(0)),
                Err(argos_engine::Error::TooLong { tokens, limit, .. }) => {
                    let mut end = (text.len() * limit / tokens.max(limit + 1)).min(text.len() - 1);
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text = &text[..end];
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// Embeddings of an earlier index by what was embedded.
#[derive(Default)]
struct Earlier {
    model_bytes: u64,
    known: HashMap<String, Vec<i8>>,
}

impl Earlier {
    /// Nothing where there is none or it cannot be read: it only saves time.
    fn read(folder: &Path) -> Self {
        let Ok((passages, vectors)) = Index::open(folder).and_then(|index| index.all()) else {
            return Self::default();
        };
        let rows = vectors.numbers.chunks_exact(vectors.dimensions.max(1));
        let known = passages.iter().map(Passage::embedded);
        Self {
            model_bytes: vectors.model_bytes,
            known: known.zip(rows.map(<[i8]>::to_vec)).collect(),
        }
    }
}

/// The embedding of each passage, and how many were known.
fn embed(
    out: Output,
    model: &Model,
    passages: &[Passage],
    earlier: &Earlier,
) -> Result<(Vectors, usize)> {
    let mut vectors = Vectors {
        model_bytes: model.bytes,
        ..Vectors::default()
    };
    let same = earlier.model_bytes == model.bytes;
    let mut reused = 0;
    // One line that is written over, on a terminal only.
    let shown = !out.json && std::io::stderr().is_terminal();
    for (number, passage) in passages.iter().enumerate() {
        if shown && number % 50 == 0 {
            let _ = write!(
                std::io::stderr(),
                "\r{number} of {} passages",
                passages.len()
            );
        }
        let text = passage.embedded();
        match earlier.known.get(&text).filter(|_| same) {
            Some(row) => {
                vectors.dimensions = row.len();
                vectors.numbers.extend(row);
                reused += 1;
            }
            None => vectors.push(&model.embed(&text).map_err(|e| {
                let what = format!("{}: {e}", passage.source);
                Failure::new(Status::Failed, what)
            })?),
        }
    }
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    Ok((vectors, reused))
}

/// A question whose page is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    sources: Vec<String>,
}

fn measure(out: Output, args: &DocsMeasureArgs) -> Result {
    let index = Index::open(&args.index).map_err(failed)?;
    let path = &args.questions;
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    let questions: Vec<Question> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| Failure::new(Status::Failed, format!("{}: {e}", path.display())))?;
    models::find_runtime();
    let model = Model::load(&args.model)?;
    if index.model_bytes() != Some(model.bytes) {
        let text = "the index was made with another model";
        return Err(Failure::new(Status::Failed, text).hint("make it anew: argos docs index"));
    }
    // First, and among the first three, for each way.
    let mut hits = [[0usize; 2]; 3];
    for Question { question, sources } in &questions {
        let unit = model
            .embed(question)
            .map_err(|e| Failure::new(Status::Failed, e.to_string()))?;
        // Without words the meaning alone ranks.
        for (way, (words, unit)) in [
            (question.as_str(), None),
            ("", Some(&unit[..])),
            (question.as_str(), Some(&unit[..])),
        ]
        .into_iter()
        .enumerate()
        {
            let found = index.search(words, unit, 3).map_err(failed)?;
            let told: Vec<&str> = found.iter().map(|f| f.passage.source.as_str()).collect();
            let right = |source: &&str| sources.iter().any(|s| s == source);
            hits[way][0] += usize::from(told.first().is_some_and(right));
            hits[way][1] += usize::from(told.iter().any(right));
            if way == 2 && args.misses && !told.iter().any(right) {
                eprintln!(
                    "{question}: {} instead of {}",
                    told.join(", "),
                    sources.join(", ")
                );
            }
        }
    }
    #[allow(clippy::cast_precision_loss)]
    let share = |n: usize| (1000.0 * n as f64 / questions.len().max(1) as f64).round() / 10.0;
    let ways = ["words", "meaning", "both"];
    if out.json {
        let told = ways.iter().zip(&hits).map(|(way, [first, three])| {
            let value = json!({"first": share(*first), "three": share(*three)});
            ((*way).to_owned(), value)
        });
        return out.value(&serde_json::Value::Object(told.collect()));
    }
    let rows: Vec<[Cell; 3]> = ways
        .iter()
        .zip(&hits)
        .map(|(way, [first, three])| {
            let percent = |n| Cell::from(format!("{:.1} %", share(n)));
            [Cell::from(*way), percent(*first), percent(*three)]
        })
        .collect();
    out.table(
        [
            &format!("{} QUESTIONS", questions.len()),
            "FIRST",
            "FIRST THREE",
        ],
        &rows,
    )
}

fn failed(error: index::Error) -> Failure {
    Failure::new(Status::Failed, error.to_string())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Status::Failed, format!("{}: {error}", path.display()))
}
