//! `docs.ask`: passages of the system's documentation that fit a question.
//!
//! The image has an index of its own pages and of the manual pages of its packages, each passage with its
//! embedding ([`argos_passages`]). It is opened at the first question and kept; the AI service gives the
//! question's embedding. Where the service has none, the words alone rank; where there is no index, those of
//! the Markdown files, which are read at each question. The result says which it was. It answers with the
//! documentation's own words and says where they stand.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argos_bus::ai::Ai1Proxy;
use argos_passages::{Found, Index, Passage, index, markdown, words};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

const FOLDER: &str = "/usr/share/doc/argos";
const INDEX: &str = "/usr/share/argos/documentation";
const MOST_PASSAGES: usize = 3;
const MOST_FILES: usize = 200;
const MOST_SIZE: u64 = 1 << 20;
/// Longest passage that is told, in characters: a block of code is not cut in two.
const MOST_SHOWN: usize = 1600;
/// How long the question's embedding may take before its words have to do. A model that is in memory needs
/// some milliseconds; one that is not is loaded meanwhile, for the next question.
const EMBED_TIME: Duration = Duration::from_secs(3);
/// Name of the model whose embeddings the AI service gives.
const MODEL: &str = "default";

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

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { question } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            if words::terms(&question).is_empty() {
                return Err(ToolError::new(
                    Code::InvalidArguments,
                    Self::NAME,
                    "the question has no word to look for",
                )
                .hint("Name the thing it is about"));
            }
            let index = super::blocking(Self::NAME, || Ok(KEPT.get(Path::new(INDEX)))).await?;
            let Some(index) = index else {
                let work = move || by_words(Path::new(FOLDER), &question);
                return super::blocking(Self::NAME, work).await;
            };
            by_both(index, env, question).await
        })
    }
}

/// What the index says, with the question's embedding where the AI service gives it in time.
async fn by_both(index: Arc<Index>, env: &Env, question: String) -> Result<Value, ToolError> {
    let embedded = tokio::time::timeout(EMBED_TIME, embedding(env, &index, &question)).await;
    let embedded = embedded.unwrap_or_else(|_| {
        let seconds = EMBED_TIME.as_secs();
        Err(format!("the AI service did not answer in {seconds} s"))
    });
    super::blocking(DocsAsk::NAME, move || ask(&index, &question, embedded)).await
}

/// The question's embedding, of the same model as the index's.
async fn embedding(env: &Env, index: &Index, question: &str) -> Result<Vec<f32>, String> {
    let bus = env
        .system
        .as_ref()
        .ok_or("the system bus cannot be reached")?;
    let down = |error: &dyn std::fmt::Display| format!("the AI service has no embedding: {error}");
    let ai = Ai1Proxy::new(bus).await.map_err(|e| down(&e))?;
    // Vectors of two models cannot be compared.
    let models = ai.list_models().await.map_err(|e| down(&e))?;
    let same = |model: &&argos_bus::ai::Model| {
        model.id == MODEL && Some(model.size_bytes) == index.model_bytes()
    };
    if models.iter().find(same).is_none() {
        return Err("the documentation was indexed with another model than the default one".into());
    }
    let vectors = ai.embed(&[question]).await.map_err(|e| down(&e))?;
    let vector = vectors.into_iter().next().unwrap_or_default();
    #[allow(clippy::cast_possible_truncation)]
    Ok(vector.into_iter().map(|number| number as f32).collect())
}

/// The index, opened once.
static KEPT: Kept = Kept(Mutex::new(None));

/// Which files they are: device, inode, size, time of the last change.
type Stamp = [[i64; 4]; 2];

#[derive(Debug)]
struct Kept(Mutex<Option<(Stamp, Option<Arc<Index>>)>>);

impl Kept {
    /// The index in a folder, unless there is none or it cannot be read, which is logged once.
    fn get(&self, folder: &Path) -> Option<Arc<Index>> {
        let stamp = |name| {
            std::fs::metadata(folder.join(name))
                .as_ref()
                .map(stamp)
                .ok()
        };
        let stamp = [stamp(index::TEXTS)?, stamp(index::VECTORS)?];
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((old, index)) = &*kept
            && *old == stamp
        {
            return index.clone();
        }
        let opened = Index::open(folder)
            .inspect_err(|error| tracing::error!("the documentation's index is not used: {error}"))
            .ok()
            .map(Arc::new);
        *kept = Some((stamp, opened.clone()));
        opened
    }
}

#[allow(clippy::cast_possible_wrap)]
fn stamp(meta: &Metadata) -> [i64; 4] {
    let changed = meta
        .mtime()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(meta.mtime_nsec());
    [
        meta.dev() as i64,
        meta.ino() as i64,
        meta.len() as i64,
        changed,
    ]
}

/// What the index says, by words and meaning where there is an embedding.
fn ask(
    index: &Index,
    question: &str,
    embedded: Result<Vec<f32>, String>,
) -> Result<Value, ToolError> {
    let unit = embedded.as_ref().ok().map(Vec::as_slice);
    let found = index
        .search(question, unit, MOST_PASSAGES)
        .map_err(|error| ToolError::new(Code::Failed, DocsAsk::NAME, error.to_string()))?;
    Ok(answer(&found, embedded.err()))
}

/// What the Markdown files of a folder say, by words.
fn by_words(folder: &Path, question: &str) -> Result<Value, ToolError> {
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
    let mut all: Vec<Passage> = Vec::new();
    for file in files {
        let text =
            std::fs::read_to_string(file.path()).map_err(|error| ToolError::io(tried(), &error))?;
        all.extend(markdown::passages(
            &file.file_name().to_string_lossy(),
            &text,
        ));
    }
    let found = Index::of(all)
        .search(question, None, MOST_PASSAGES)
        .map_err(|error| ToolError::new(Code::Failed, tried(), error.to_string()))?;
    let why = "this machine has no index of its documentation".to_owned();
    Ok(answer(&found, Some(why)))
}

/// `only_words`: why the meaning had no part in it.
fn answer(found: &[Found], only_words: Option<String>) -> Value {
    let told: Vec<Value> = found
        .iter()
        .map(|Found { passage, score }| {
            let whole = passage.text.chars().count() <= MOST_SHOWN;
            let mut told = json!({
                "source": passage.source, "section": passage.section.join(" > "),
                "text": passage.text.chars().take(MOST_SHOWN).collect::<String>(), "truncated": !whole,
                "score": (score * 100.0).round() / 100.0,
            });
            if !passage.title.is_empty() {
                told["title"] = passage.title.as_str().into();
            }
            if let Some(line) = passage.line {
                told["file"] = Path::new(FOLDER).join(&passage.source).to_string_lossy().into();
                told["line"] = line.into();
            }
            told
        })
        .collect();
    let by = if only_words.is_some() {
        "words"
    } else {
        "words and meaning"
    };
    let mut answer = json!({"passages": told, "ranked_by": by});
    if let Some(why) = only_words {
        answer["ranked_by_words_because"] = why.into();
    }
    if told.is_empty() {
        answer["hint"] = "The documentation has nothing like it; ask with other words".into();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docs() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    fn in_words(question: &str) -> Value {
        by_words(&docs(), question).unwrap()
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
            let answer = in_words(question);
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
        let answer = in_words("xylophone zebra");
        assert_eq!(answer["passages"], json!([]));
        assert!(answer["hint"].is_string());
        assert_eq!(
            by_words(Path::new("/nowhere"), "x").unwrap_err().code,
            Code::NotFound
        );
    }

    /// Two passages and their embeddings, in a folder.
    fn made() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let passage = |source: &str, line, text: &str| Passage {
            source: source.into(),
            section: vec!["Part".into()],
            line,
            text: text.into(),
            ..Passage::default()
        };
        let passages = [
            passage("desktop.md", Some(7), "The wallpaper is a picture."),
            passage("foot.ini(5)", None, "font: list of fonts and their size"),
        ];
        let mut vectors = argos_passages::Vectors {
            model_bytes: 7,
            ..argos_passages::Vectors::default()
        };
        vectors.push(&[1.0, 0.0]);
        vectors.push(&[0.0, 1.0]);
        index::write(folder.path(), &passages, &vectors).unwrap();
        folder
    }

    #[test]
    fn meaning_finds_what_the_words_do_not() {
        let folder = made();
        let index = Index::open(folder.path()).unwrap();
        let told = ask(&index, "bigger letters", Ok(vec![0.1, 0.99])).unwrap();
        let first = &told["passages"][0];
        assert_eq!(first["source"], "foot.ini(5)");
        assert!(first.get("file").is_none(), "{first}");
        assert_eq!(told["ranked_by"], "words and meaning");
        let told = ask(&index, "the picture", Err("it sleeps".into())).unwrap();
        let first = &told["passages"][0];
        assert_eq!(first["file"], "/usr/share/doc/argos/desktop.md");
        assert_eq!(first["line"], 7);
        assert_eq!(told["ranked_by"], "words");
        assert_eq!(told["ranked_by_words_because"], "it sleeps");
    }

    #[test]
    fn the_index_is_opened_once_and_again_when_it_is_another_one() {
        let folder = made();
        let kept = Kept(Mutex::new(None));
        let first = kept.get(folder.path()).unwrap();
        assert!(Arc::ptr_eq(&first, &kept.get(folder.path()).unwrap()));
        // A damaged one is not used; one that is whole again is.
        let path = folder.path().join(index::VECTORS);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        damaged.push(0);
        std::fs::write(&path, &damaged).unwrap();
        assert!(kept.get(folder.path()).is_none());
        std::fs::write(&path, &whole).unwrap();
        assert!(kept.get(folder.path()).is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(kept.get(folder.path()).is_none());
    }

    /// The AI service as this tool uses it.
    struct FakeAi {
        size_bytes: u64,
        answers: bool,
    }

    #[zbus::interface(name = "org.argos.AI1")]
    impl FakeAi {
        fn list_models(&self) -> Vec<argos_bus::ai::Model> {
            vec![argos_bus::ai::Model {
                id: MODEL.into(),
                kind: "planner".into(),
                path: "/models/default".into(),
                size_bytes: self.size_bytes,
                state: "ready".into(),
                detail: String::new(),
                provider: "cpu".into(),
            }]
        }

        fn embed(&self, texts: Vec<String>) -> argos_bus::Result<Vec<Vec<f64>>> {
            if !self.answers {
                return Err(argos_bus::Error::Unavailable("no model".into()));
            }
            assert_eq!(texts, ["bigger letters"]);
            Ok(vec![vec![0.0, 1.0]])
        }
    }

    /// What `docs.ask` makes of the index in `folder` beside this service.
    async fn beside(ai: FakeAi, folder: &Path) -> Value {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = zbus::connection::Builder::unix_stream(theirs)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at("/org/argos/AI1", ai)
            .build();
        let client = zbus::connection::Builder::unix_stream(ours).p2p().build();
        let (_server, client) = tokio::try_join!(server, client).unwrap();
        let env = Env {
            context: Context::new(None, "/home/ada"),
            session: None,
            system: Some(client),
            worker: None,
            granted: None,
            refused: Vec::new(),
        };
        let index = Arc::new(Index::open(folder).unwrap());
        by_both(index, &env, "bigger letters".into()).await.unwrap()
    }

    #[tokio::test]
    async fn the_service_embeds_the_question() {
        let folder = made();
        let ai = |size_bytes, answers| FakeAi {
            size_bytes,
            answers,
        };
        let told = beside(ai(7, true), folder.path()).await;
        assert_eq!(told["ranked_by"], "words and meaning", "{told}");
        assert_eq!(told["passages"][0]["source"], "foot.ini(5)");
        for (ai, why) in [(ai(8, true), "another model"), (ai(7, false), "no model")] {
            let told = beside(ai, folder.path()).await;
            assert_eq!(told["ranked_by"], "words", "{told}");
            let said = told["ranked_by_words_because"].as_str().unwrap();
            assert!(said.contains(why), "{said}");
        }
    }
}
