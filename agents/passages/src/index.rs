//! Passages of many pages with their embeddings, in a folder:
//!
//! * [`TEXTS`]: a JSON object a line, a [`Passage`] each;
//! * [`VECTORS`]: a header of 64 bytes and, for each line, an embedding of `dimensions` signed bytes: the
//!   unit vector times 127.
//!
//! The header, all numbers little-endian: `ARGOSIDX`; format (u32, 1); dimensions (u32); passages (u32); 0
//! (u32); size of the model's files (u64), which tells whether a question's embedding is of the same
//! model; BLAKE3 over the texts and the vectors behind the header (32 bytes).
//!
//! What a reader keeps in memory are the counted words: texts and vectors stay in the files.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::Passage;
use crate::words::{self, Words};

/// The passages.
pub const TEXTS: &str = "passages.jsonl";
/// Their embeddings.
pub const VECTORS: &str = "vectors";

const MAGIC: &[u8; 8] = b"ARGOSIDX";
const FORMAT: u32 = 1;
const HEADER: usize = 64;
/// Most passages, and the largest file of texts and longest line, in bytes.
const MOST_PASSAGES: usize = 20_000;
const MOST_TEXTS: u64 = 16 << 20;
const LONGEST_LINE: usize = 16 << 10;
const MOST_DIMENSIONS: u32 = 1024;
/// What one is multiplied with.
const SCALE: f32 = 127.0;
/// What a page as a whole and what the words count for beside a passage's meaning, and the least sum that
/// is an answer. See [`Index::search`].
const PAGE: f64 = 0.3;
const WORDS: f64 = 0.15;
const LEAST: f64 = 0.37;

/// Why an index cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system says no.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path}: {why}; make the index anew (`argos docs index`)")]
    Malformed {
        /// File.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Io { path, error }
    }

    fn malformed(path: &Path, why: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            why: why.into(),
        }
    }

    /// Whether there is no index at all, which is no fault.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// What [`Index::search`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passage.
    pub passage: Passage,
    /// How well it fits, more is better; comparable within one search.
    pub score: f64,
}

/// Embeddings of passages, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vectors {
    /// Numbers of each.
    pub dimensions: usize,
    /// Size of the files of the model that made them.
    pub model_bytes: u64,
    /// One after the other.
    pub numbers: Vec<i8>,
}

impl Vectors {
    /// Adds the embedding of the next passage, a unit vector.
    pub fn push(&mut self, unit: &[f32]) {
        self.dimensions = unit.len();
        // Out of range only where it is no unit vector: `as` keeps to the range.
        self.numbers
            .extend(unit.iter().map(|v| (v * SCALE).round() as i8));
    }
}

/// Where the texts are.
#[derive(Debug)]
enum Texts {
    Held(Vec<Passage>),
    Filed { file: File, ends: Vec<u32> },
}

/// Passages, ready to be searched.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    texts: Texts,
    words: Words,
    /// The page of each passage.
    pages: Vec<Page>,
    vectors: Option<Filed>,
}

/// A page, numbered as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Page {
    number: u32,
    manual: bool,
}

/// Numbers pages by their names.
#[derive(Debug, Default)]
struct Pages(HashMap<String, u32>);

impl Pages {
    fn of(&mut self, passage: &Passage) -> Page {
        let next = self.0.len() as u32;
        let known = self.0.get(&passage.source).copied();
        let number = known.unwrap_or_else(|| {
            self.0.insert(passage.source.clone(), next);
            next
        });
        Page {
            number,
            manual: passage.line.is_none(),
        }
    }
}

#[derive(Debug)]
struct Filed {
    file: File,
    dimensions: usize,
    model_bytes: u64,
}

impl Index {
    /// Passages at hand, without embeddings.
    #[must_use]
    pub fn of(passages: Vec<Passage>) -> Self {
        let (mut words, mut names) = (Words::default(), Pages::default());
        let mut pages = Vec::with_capacity(passages.len());
        for passage in &passages {
            words.add(passage);
            pages.push(names.of(passage));
        }
        Self {
            folder: PathBuf::new(),
            texts: Texts::Held(passages),
            words,
            pages,
            vectors: None,
        }
    }

    /// Opens what [`write`] made and looks whether it is whole.
    ///
    /// # Errors
    /// A file is missing or is not what it should be.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(TEXTS);
        let bytes = read(&path, MOST_TEXTS)?;
        let (mut words, mut names) = (Words::default(), Pages::default());
        let (mut ends, mut pages) = (Vec::new(), Vec::new());
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let number = ends.len() + 1;
            if line.len() > LONGEST_LINE || number > MOST_PASSAGES {
                return Err(Error::malformed(
                    &path,
                    format!("line {number} is too much"),
                ));
            }
            let passage: Passage = serde_json::from_slice(line)
                .map_err(|e| Error::malformed(&path, format!("line {number}: {e}")))?;
            words.add(&passage);
            pages.push(names.of(&passage));
            at += line.len();
            ends.push(at as u32);
        }
        let vectors = Filed::open(&folder.join(VECTORS), &bytes, ends.len())?;
        Ok(Self {
            folder: folder.to_owned(),
            texts: Texts::Filed {
                file: File::open(&path).map_err(Error::io(&path))?,
                ends,
            },
            words,
            pages,
            vectors: Some(vectors),
        })
    }

    /// How many passages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Size of the files of the model whose embeddings can be compared with; `None` without embeddings.
    #[must_use]
    pub fn model_bytes(&self) -> Option<u64> {
        self.vectors.as_ref().map(|vectors| vectors.model_bytes)
    }

    /// All passages, with their embeddings where there are some.
    ///
    /// # Errors
    /// A file can no longer be read.
    pub fn all(&self) -> Result<(Vec<Passage>, Vectors), Error> {
        let passages = (0..self.len())
            .map(|n| self.passage(n))
            .collect::<Result<_, _>>()?;
        let vectors = match &self.vectors {
            Some(filed) => Vectors {
                dimensions: filed.dimensions,
                model_bytes: filed.model_bytes,
                numbers: filed.read(&self.folder, self.len())?,
            },
            None => Vectors::default(),
        };
        Ok((passages, vectors))
    }

    /// The passages that fit a question best, best first, one of each page. `embedding` is the question's,
    /// a unit vector.
    ///
    /// The score is a sum of cosines and shares: the cosine of question and passage; 0.3 times that of
    /// question and page, which is what a manual page says it is for, and the best passage of a file with
    /// many subjects; 0.15 times the passage's BM25 score over the weights of all the question's words,
    /// about the share of them that it has. A question of one word is most often an option or a key, of
    /// which a model knows nothing: there that share counts whole.
    ///
    /// The numbers were chosen on the questions beside this crate's tests, where the neighbouring ones do
    /// about as well. Reciprocal ranks do worse, since they put a passage that has one common word far up.
    /// What has less than 0.37 is no answer: most requests that have nothing to do with the system end up
    /// there.
    ///
    /// Without an embedding the words alone rank.
    ///
    /// # Errors
    /// A file can no longer be read.
    pub fn search(
        &self,
        question: &str,
        embedding: Option<&[f32]>,
        most: usize,
    ) -> Result<Vec<Found>, Error> {
        let (shared, weight) = self.words.scores(question);
        let (scores, least) = match (&self.vectors, embedding) {
            (Some(filed), Some(unit)) if unit.len() == filed.dimensions => {
                let numbers = filed.read(&self.folder, self.len())?;
                let near = cosines(&numbers, unit);
                let pages = self.by_page(&near);
                let counts = if words::terms(question).len() == 1 {
                    1.0
                } else {
                    WORDS
                };
                let share = counts / weight.max(f64::MIN_POSITIVE);
                let sum = |n: usize| near[n] + PAGE * pages[n] + share * shared[n];
                ((0..self.len()).map(sum).collect(), LEAST)
            }
            _ => (shared, f64::MIN_POSITIVE),
        };
        let mut order: Vec<usize> = (0..scores.len()).filter(|n| scores[*n] >= least).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let mut pages = HashSet::new();
        order.retain(|n| pages.len() < most && pages.insert(self.pages[*n]));
        let found = |n| {
            Ok(Found {
                passage: self.passage(n)?,
                score: scores[n],
            })
        };
        order.into_iter().map(found).collect()
    }

    /// How near the page of each passage is.
    fn by_page(&self, near: &[f64]) -> Vec<f64> {
        let mut pages: Vec<f64> = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            match pages.get_mut(page.number as usize) {
                None => pages.push(near[number]),
                Some(best) if !page.manual => *best = best.max(near[number]),
                Some(_) => {}
            }
        }
        self.pages
            .iter()
            .map(|page| pages[page.number as usize])
            .collect()
    }

    fn passage(&self, number: usize) -> Result<Passage, Error> {
        match &self.texts {
            Texts::Held(all) => Ok(all[number].clone()),
            Texts::Filed { file, ends } => {
                let start = if number == 0 { 0 } else { ends[number - 1] };
                let path = self.folder.join(TEXTS);
                let mut line = vec![0; (ends[number] - start) as usize];
                file.read_exact_at(&mut line, u64::from(start))
                    .map_err(Error::io(&path))?;
                serde_json::from_slice(&line).map_err(|e| Error::malformed(&path, e.to_string()))
            }
        }
    }
}

impl Filed {
    fn open(path: &Path, texts: &[u8], passages: usize) -> Result<Self, Error> {
        let most = MOST_PASSAGES as u64 * u64::from(MOST_DIMENSIONS) + HEADER as u64;
        let bytes = read(path, most)?;
        let wrong = |why: &str| Error::malformed(path, why);
        let (header, numbers) = bytes
            .split_at_checked(HEADER)
            .ok_or_else(|| wrong("it has no header"))?;
        let number = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        if &header[..8] != MAGIC {
            return Err(wrong("it is no file of embeddings"));
        }
        if number(8) != FORMAT {
            return Err(wrong("its format is another version's"));
        }
        let dimensions = number(12);
        if dimensions == 0 || dimensions > MOST_DIMENSIONS || number(16) as usize != passages {
            return Err(wrong("it does not belong to the passages beside it"));
        }
        let dimensions = dimensions as usize;
        if numbers.len() != passages * dimensions || hash(texts, numbers) != header[32..] {
            return Err(wrong("it is damaged, or the passages beside it are"));
        }
        let model_bytes = u64::from(number(24)) | u64::from(number(28)) << 32;
        Ok(Self {
            file: File::open(path).map_err(Error::io(path))?,
            dimensions,
            model_bytes,
        })
    }

    fn read(&self, folder: &Path, passages: usize) -> Result<Vec<i8>, Error> {
        let mut bytes = vec![0; passages * self.dimensions];
        self.file
            .read_exact_at(&mut bytes, HEADER as u64)
            .map_err(Error::io(&folder.join(VECTORS)))?;
        Ok(bytes.into_iter().map(|byte| byte as i8).collect())
    }
}

/// Puts an index into a folder, which is made: each file whole or not at all, the same bytes for the same
/// passages.
///
/// # Errors
/// There is too much of something, or a file cannot be written.
pub fn write(folder: &Path, passages: &[Passage], vectors: &Vectors) -> Result<(), Error> {
    let path = folder.join(TEXTS);
    if passages.len() > MOST_PASSAGES
        || vectors.dimensions == 0
        || vectors.dimensions > MOST_DIMENSIONS as usize
        || vectors.numbers.len() != passages.len() * vectors.dimensions
    {
        let why = format!(
            "{} passages with {} numbers of {} dimensions are no index",
            passages.len(),
            vectors.numbers.len(),
            vectors.dimensions
        );
        return Err(Error::malformed(&path, why));
    }
    let mut texts = Vec::new();
    for passage in passages {
        let line =
            serde_json::to_vec(passage).map_err(|e| Error::malformed(&path, e.to_string()))?;
        if line.len() >= LONGEST_LINE {
            let why = format!("a passage of {} is too long", passage.source);
            return Err(Error::malformed(&path, why));
        }
        texts.extend(line);
        texts.push(b'\n');
    }
    if texts.len() as u64 > MOST_TEXTS {
        return Err(Error::malformed(
            &path,
            "the passages are too long together",
        ));
    }
    let numbers: Vec<u8> = vectors.numbers.iter().map(|n| *n as u8).collect();
    let mut file = Vec::with_capacity(HEADER + numbers.len());
    file.extend(MAGIC);
    for number in [FORMAT, vectors.dimensions as u32, passages.len() as u32, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend(vectors.model_bytes.to_le_bytes());
    file.extend(hash(&texts, &numbers));
    file.extend(numbers);
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    put(&path, &texts)?;
    put(&folder.join(VECTORS), &file)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(Error::io(path))
}

fn hash(texts: &[u8], numbers: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(texts.len() as u64).to_le_bytes());
    hasher.update(texts).update(numbers);
    *hasher.finalize().as_bytes()
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(Error::io(path))?;
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    if bytes.len() as u64 > most {
        return Err(Error::malformed(
            path,
            format!("it is longer than {most} bytes"),
        ));
    }
    Ok(bytes)
}

fn cosines(numbers: &[i8], unit: &[f32]) -> Vec<f64> {
    let cosine = |row: &[i8]| {
        let product: f32 = row.iter().zip(unit).map(|(a, b)| f32::from(*a) * b).sum();
        f64::from(product / SCALE)
    };
    numbers.chunks_exact(unit.len()).map(cosine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Vec<Passage>, Vectors) {
        let passage = |source: &str, line, text: &str| Passage {
            source: source.into(),
            section: vec!["Part".into()],
            line,
            text: text.into(),
            ..Passage::default()
        };
        let passages = vec![
            passage("desktop.md", Some(7), "the wallpaper of the desktop"),
            passage("foot.ini(5)", None, "the size of the font"),
            passage("fstab(5)", None, "the size of a disk"),
        ];
        let mut vectors = Vectors {
            model_bytes: 1 << 40,
            ..Vectors::default()
        };
        for unit in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]] {
            vectors.push(&unit);
        }
        (passages, vectors)
    }

    fn sources(found: &[Found]) -> Vec<&str> {
        found.iter().map(|f| f.passage.source.as_str()).collect()
    }

    #[test]
    fn what_was_written_is_read_and_the_same_each_time() {
        let (passages, vectors) = sample();
        let folder = tempfile::tempdir().unwrap();
        let bytes =
            || [TEXTS, VECTORS].map(|name| std::fs::read(folder.path().join(name)).unwrap());
        write(folder.path(), &passages, &vectors).unwrap();
        let first = bytes();
        write(folder.path(), &passages, &vectors).unwrap();
        assert_eq!(first, bytes());
        assert_eq!(first[1].len(), HEADER + 9);
        let index = Index::open(folder.path()).unwrap();
        assert_eq!(index.model_bytes(), Some(1 << 40));
        assert_eq!(index.all().unwrap(), (passages, vectors));
    }

    #[test]
    fn words_and_meaning_rank_together() {
        let (passages, vectors) = sample();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &passages, &vectors).unwrap();
        let index = Index::open(folder.path()).unwrap();
        let search = |words, unit: Option<&[f32]>| index.search(words, unit, 2).unwrap();
        // By words two have one, by meaning one is nearer.
        assert_eq!(search("size", None).len(), 2);
        let found = search("size", Some(&[0.0, 0.8, 0.6]));
        assert_eq!(sources(&found), ["fstab(5)", "foot.ini(5)"]);
        let found = search("size of letters", Some(&[0.0, 1.0, 0.0]));
        assert_eq!(sources(&found)[0], "foot.ini(5)");
        // No shared word at all.
        let found = search("background", Some(&[1.0, 0.0, 0.0]));
        assert_eq!(sources(&found)[0], "desktop.md");
        // A word against a slightly nearer meaning; one alone against any.
        let found = search("the size of a disk", Some(&[0.0, 0.92, 0.392]));
        assert_eq!(sources(&found)[0], "fstab(5)");
        let found = search("disk", Some(&[0.0, 1.0, 0.0]));
        assert_eq!(sources(&found)[0], "fstab(5)");
        // Nothing is near and no word shared.
        assert!(search("zebra", Some(&[-1.0, 0.0, 0.0])).is_empty());
        // An embedding of another width is none.
        assert_eq!(search("wallpaper", Some(&[1.0])).len(), 1);
        assert!(search("zebra", None).is_empty());
    }

    #[test]
    fn a_page_is_told_once_and_counts_as_a_whole() {
        let passage = |source: &str, line, text: &str| Passage {
            source: source.into(),
            line,
            text: text.into(),
            ..Passage::default()
        };
        let passages = [
            passage("lamp(1)", None, "lamp - light"),
            passage("lamp(1)", None, "-c colour"),
            passage("door(1)", None, "door - way out"),
            passage("door(1)", None, "-c colour"),
            passage("a.md", Some(1), "light"),
            passage("a.md", Some(9), "way out"),
        ];
        let mut vectors = Vectors::default();
        for unit in [
            [1.0, 0.0],
            [0.6, 0.8],
            [0.0, 1.0],
            [0.6, 0.8],
            [0.6, 0.8],
            [0.0, 1.0],
        ] {
            vectors.push(&unit);
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &passages, &vectors).unwrap();
        let index = Index::open(folder.path()).unwrap();
        let found = index.search("", Some(&[0.6, 0.8]), 3).unwrap();
        // The same passage on three pages: the file is its best passage, a manual page what it is for.
        assert_eq!(sources(&found), ["a.md", "door(1)", "lamp(1)"]);
        assert!((found[0].score - 1.3).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn a_damaged_index_is_refused() {
        let (passages, vectors) = sample();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &passages, &vectors).unwrap();
        let whole = [TEXTS, VECTORS].map(|name| std::fs::read(folder.path().join(name)).unwrap());
        for (name, bytes) in [TEXTS, VECTORS].iter().zip(&whole) {
            let path = folder.path().join(name);
            for at in 0..bytes.len() {
                // The spare number of the header and the model's size say nothing about the content.
                if *name == VECTORS && (20..32).contains(&at) {
                    continue;
                }
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                std::fs::write(&path, &damaged).unwrap();
                let error = Index::open(folder.path()).expect_err(&format!("{name} {at}"));
                assert!(!error.is_missing() && error.to_string().contains("argos docs index"));
                std::fs::write(&path, &bytes[..at]).unwrap();
                assert!(Index::open(folder.path()).is_err(), "{name} cut at {at}");
            }
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(Index::open(folder.path()).is_ok());
        assert!(Index::open(Path::new("/nowhere")).unwrap_err().is_missing());
    }

    #[test]
    fn too_much_is_not_written() {
        let (passages, mut vectors) = sample();
        vectors.numbers.pop();
        let folder = tempfile::tempdir().unwrap();
        assert!(write(folder.path(), &passages, &vectors).is_err());
        let (mut passages, vectors) = sample();
        passages[0].text = "x".repeat(LONGEST_LINE);
        assert!(write(folder.path(), &passages, &vectors).is_err());
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
