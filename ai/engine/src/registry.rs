//! The models a machine has: folders, their kind, size and state.
//!
//! Model folders live side by side in one or more directories; the folder's name is the model's id.
//! A later directory wins over an earlier one, so that a dropped-in `default` replaces the shipped
//! one. What a folder is says its `model.yaml`; a folder without one is recognised by what the
//! community ships (see [`Kind`]). A folder that is neither is listed as failed, with the reason.
//!
//! ```text
//! available --load--> loading --> ready --unload--> available
//!                        |
//!                        `------> failed --load--> loading
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::causal::{CausalLm, Limits};
use crate::embedding::Embedder;
pub use crate::manifest::{Kind, Licence, Manifest};
use crate::perception::{ImageClassifier, ImageEmbedder, SpeechRecogniser, TextRecogniser};
use crate::planner::Planner;
use crate::provider::{self, Provider};
use crate::reranker::Reranker;
use crate::{Error, Result, folder, graph, pages, session};

/// Memory of a model beside its weights and caches, in bytes: tokenizer, labels, working sets.
const BESIDE_WEIGHTS: u64 = 16 << 20;

/// Where a model is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Known, not in memory.
    Available,
    /// Being read into memory.
    Loading,
    /// Answers requests.
    Ready,
    /// Not usable, and why.
    Failed(String),
}

impl State {
    /// The state's name on the bus.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Failed(_) => "failed",
        }
    }
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Folder name.
    pub id: String,
    /// What it can do; `None` where the folder does not tell.
    pub kind: Option<Kind>,
    /// Folder.
    pub path: PathBuf,
    /// Size of all its files in bytes.
    pub size_bytes: u64,
    /// Where it is in its life.
    pub state: State,
    /// About how much memory it takes, in bytes, while it is in memory: weights as the runtime keeps
    /// them, and for language models the caches of all slots when they are full.
    pub memory_bytes: Option<u64>,
    /// What computes it, while it is in memory.
    pub provider: Option<Provider>,
}

impl Info {
    /// Bytes of the graph that runs and of its weights, which may be a part of the folder only; of all its files where
    /// the graph cannot be read.
    pub fn weights_bytes(&self) -> u64 {
        let graph = self
            .kind
            .and_then(|kind| folder::graph(&self.path, kind).ok());
        graph
            .and_then(|file| Some(graph::summary(&file).ok()?.bytes(&file)))
            .map_or(self.size_bytes, graph::Bytes::all)
    }
}

/// A model in memory. Cheap to clone; the memory is freed with the last clone.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// See [`Planner`].
    Planner(Arc<Planner>),
    /// See [`CausalLm`].
    CausalLm(Arc<CausalLm>),
    /// See [`Embedder`].
    Embedding(Arc<Embedder>),
    /// See [`Reranker`].
    Reranker(Arc<Reranker>),
    /// See [`ImageEmbedder`].
    ImageEmbedding(Arc<ImageEmbedder>),
    /// See [`ImageClassifier`].
    ImageClassification(Arc<ImageClassifier>),
    /// See [`SpeechRecogniser`].
    SpeechRecognition(Arc<SpeechRecogniser>),
    /// See [`TextRecogniser`].
    TextRecognition(Arc<TextRecogniser>),
}

impl Loaded {
    /// What it can do.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Planner(_) => Kind::Planner,
            Self::CausalLm(_) => Kind::CausalLm,
            Self::Embedding(_) => Kind::Embedding,
            Self::Reranker(_) => Kind::Reranker,
            Self::ImageEmbedding(_) => Kind::ImageEmbedding,
            Self::ImageClassification(_) => Kind::ImageClassification,
            Self::SpeechRecognition(_) => Kind::SpeechRecognition,
            Self::TextRecognition(_) => Kind::TextRecognition,
        }
    }

    fn load(info: &Info, kind: Kind, limits: &dyn Fn(&Info) -> Limits) -> Result<Self> {
        let path = &info.path;
        Ok(match kind {
            Kind::Planner => Self::Planner(Arc::new(Planner::load(path)?)),
            Kind::CausalLm => Self::CausalLm(Arc::new(CausalLm::load(path, &limits(info))?)),
            Kind::Embedding => Self::Embedding(Arc::new(Embedder::load(path)?)),
            Kind::Reranker => Self::Reranker(Arc::new(Reranker::load(path)?)),
            Kind::ImageEmbedding => Self::ImageEmbedding(Arc::new(ImageEmbedder::load(path)?)),
            Kind::ImageClassification => {
                Self::ImageClassification(Arc::new(ImageClassifier::load(path)?))
            }
            Kind::SpeechRecognition => {
                Self::SpeechRecognition(Arc::new(SpeechRecogniser::load(path)?))
            }
            Kind::TextRecognition => Self::TextRecognition(Arc::new(TextRecogniser::load(path)?)),
        })
    }

    /// See [`Info::memory_bytes`].
    fn memory_bytes(&self, info: &Info) -> u64 {
        if let Self::CausalLm(model) = self {
            return model.memory_bytes();
        }
        graph::packed(info.weights_bytes()).saturating_add(BESIDE_WEIGHTS)
    }
}

/// What a language model may take of the machine, asked when it is loaded.
struct LimitsOf(Box<dyn Fn(&Info) -> Limits + Send + Sync>);

impl fmt::Debug for LimitsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitsOf")
    }
}

#[derive(Debug)]
struct Entry {
    info: Info,
    loaded: Option<Loaded>,
}

/// All models of some directories. Shared between threads by reference.
#[derive(Debug)]
pub struct Registry {
    directories: Vec<PathBuf>,
    entries: Mutex<BTreeMap<String, Entry>>,
    limits: LimitsOf,
}

impl Registry {
    /// The models in `directories`, later ones over earlier ones. A directory that does not exist has
    /// no models.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        let registry = Self {
            directories,
            entries: Mutex::default(),
            limits: LimitsOf(Box::new(|_| Limits::default())),
        };
        registry.scan();
        registry
    }

    /// Asks `limits` what a language model may take of the machine, each time that one is loaded.
    #[must_use]
    pub fn with_limits(mut self, limits: impl Fn(&Info) -> Limits + Send + Sync + 'static) -> Self {
        self.limits = LimitsOf(Box::new(limits));
        self
    }

    /// About how much memory all models take that are in memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let entries = self.lock();
        let each = entries.values().filter_map(|e| e.info.memory_bytes);
        each.fold(0, u64::saturating_add)
    }

    /// Every model there is now; looks at the folders again.
    pub fn list(&self) -> Vec<Info> {
        self.scan();
        self.lock().values().map(|e| e.info.clone()).collect()
    }

    /// Every model as it was last seen; does not look at the folders.
    pub fn known(&self) -> Vec<Info> {
        self.lock().values().map(|e| e.info.clone()).collect()
    }

    /// One model as it was last seen.
    pub fn info(&self, id: &str) -> Option<Info> {
        self.lock().get(id).map(|e| e.info.clone())
    }

    /// The model if it is in memory.
    pub fn loaded(&self, id: &str) -> Option<Loaded> {
        self.lock().get(id).and_then(|e| e.loaded.clone())
    }

    /// [`Self::load_with`] the limits that [`Self::with_limits`] gives.
    pub fn load(&self, id: &str, changed: &dyn Fn(&Info)) -> Result<Loaded> {
        self.load_by(id, &*self.limits.0, changed, None)
    }

    /// Reads a model into memory, or returns it where that is done; `limits` are for language models.
    /// `changed` is told each new state.
    ///
    /// Blocks for as long as the model takes to load. While another thread loads the same model this
    /// fails with [`Error::InvalidArguments`]; callers queue loads.
    pub fn load_with(&self, id: &str, limits: &Limits, changed: &dyn Fn(&Info)) -> Result<Loaded> {
        self.load_by(id, &|_| limits.clone(), changed, None)
    }

    /// [`Self::load_with`], and `read` is told how many bytes of its weights are in memory, of how many:
    /// several times a second, between the states `loading` and what follows, and at last that all are. What
    /// cannot fit into memory is not read, and nothing is told of it.
    pub fn load_watched(
        &self,
        id: &str,
        limits: &Limits,
        changed: &dyn Fn(&Info),
        read: &dyn Fn(&Info, u64, u64),
    ) -> Result<Loaded> {
        self.load_by(id, &|_| limits.clone(), changed, Some(read))
    }

    fn load_by(
        &self,
        id: &str,
        limits: &dyn Fn(&Info) -> Limits,
        changed: &dyn Fn(&Info),
        read: Option<&dyn Fn(&Info, u64, u64)>,
    ) -> Result<Loaded> {
        self.scan();
        let (mut info, kind) = {
            let mut entries = self.lock();
            let known = names(&entries);
            let entry = entries.get_mut(id).ok_or_else(|| Error::NotFound {
                id: id.to_owned(),
                known,
            })?;
            if let Some(loaded) = &entry.loaded {
                return Ok(loaded.clone());
            }
            let kind = match (&entry.info.state, entry.info.kind) {
                (State::Loading, _) => {
                    return Err(Error::InvalidArguments(format!(
                        "model `{id}` is being loaded"
                    )));
                }
                (State::Failed(reason), None) => {
                    return Err(Error::Model {
                        path: entry.info.path.clone(),
                        reason: reason.clone(),
                    });
                }
                (_, None) => unreachable!("a model without a kind is failed"),
                (_, Some(kind)) => kind,
            };
            entry.info.state = State::Loading;
            changed(&entry.info);
            (entry.info.clone(), kind)
        };
        if let Some(read) = read {
            let weights = pages::weights(&info, kind);
            let size: u64 = weights.iter().map(|file| file.1).sum();
            let room = [limits(&info).memory_bytes, session::free_memory()];
            if size > 0 && room.into_iter().flatten().all(|room| size <= room) {
                pages::bring(&weights, &|done, total| read(&info, done, total));
            }
        }
        // A foreign graph reaches a lot of foreign code: a panic there is this model's failure only.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Loaded::load(&info, kind, limits)
        }))
        .unwrap_or_else(|_| {
            Err(Error::Model {
                path: info.path.clone(),
                reason: "loading it panicked; see the log".into(),
            })
        });
        match &result {
            Ok(loaded) => {
                info.state = State::Ready;
                info.memory_bytes = Some(loaded.memory_bytes(&info));
                info.provider = provider::of(&info.path);
            }
            Err(e) => info.state = State::Failed(e.to_string()),
        }
        let mut entries = self.lock();
        changed(&info);
        // The folder may be gone or another one by now: what was loaded is told about.
        entries.insert(
            id.to_owned(),
            Entry {
                info,
                loaded: result.as_ref().ok().cloned(),
            },
        );
        result
    }

    /// Frees a model's memory once the last request on it is done. Unloading a model that is not in
    /// memory does nothing.
    pub fn unload(&self, id: &str, changed: &dyn Fn(&Info)) -> Result<()> {
        let mut entries = self.lock();
        let known = names(&entries);
        let entry = entries.get_mut(id).ok_or_else(|| Error::NotFound {
            id: id.to_owned(),
            known,
        })?;
        if entry.loaded.take().is_some() {
            entry.info.state = State::Available;
            entry.info.memory_bytes = None;
            entry.info.provider = None;
            changed(&entry.info);
        }
        Ok(())
    }

    /// Brings the entries in line with the folders. States of known folders stay; a failed one gets a
    /// new chance by being loaded again.
    fn scan(&self) {
        let mut found = BTreeMap::new();
        for directory in &self.directories {
            let Ok(children) = std::fs::read_dir(directory) else {
                continue;
            };
            for child in children.flatten() {
                let path = child.path();
                let Some(id) = child.file_name().to_str().map(str::to_owned) else {
                    continue;
                };
                if !id.starts_with('.') && path.is_dir() {
                    found.insert(id.clone(), inspect(id, path));
                }
            }
        }
        let mut entries = self.lock();
        // A model in memory stays usable when its folder goes away: it is listed until it is unloaded.
        entries.retain(|id, e| {
            found.contains_key(id) || e.loaded.is_some() || e.info.state == State::Loading
        });
        for (id, info) in found {
            let keeps_state = |old: &Info| {
                old.path == info.path
                    && (matches!(old.state, State::Ready | State::Loading)
                        || (old.kind == info.kind && old.size_bytes == info.size_bytes))
            };
            match entries.get_mut(&id) {
                Some(entry) if keeps_state(&entry.info) || entry.loaded.is_some() => {}
                _ => {
                    entries.insert(id, Entry { info, loaded: None });
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(entries: &BTreeMap<String, Entry>) -> String {
    if entries.is_empty() {
        return "none".into();
    }
    entries
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a folder is, without loading it.
fn inspect(id: String, path: PathBuf) -> Info {
    let files = folder::files(&path);
    let size_bytes = files.iter().map(|f| f.1).sum();
    let (kind, state) = match kind_of(&path, &files) {
        Ok(kind) => (Some(kind), State::Available),
        Err(reason) => (None, State::Failed(reason)),
    };
    Info {
        id,
        kind,
        path,
        size_bytes,
        state,
        memory_bytes: None,
        provider: None,
    }
}

pub(crate) fn kind_of(path: &Path, files: &[(PathBuf, u64)]) -> std::result::Result<Kind, String> {
    let has = |name: &str| files.iter().any(|f| f.0 == Path::new(name));
    if has("model.yaml") {
        return folder::manifest(path)
            .map(|m| m.kind)
            .map_err(|e| e.to_string());
    }
    let graph = files
        .iter()
        .any(|f| f.0.extension().is_some_and(|e| e == "onnx"));
    let sentence_transformers = has("modules.json") || has("1_Pooling/config.json");
    match (
        has("config.json") || has("genai_config.json") || sentence_transformers,
        has("tokenizer.json"),
        graph,
    ) {
        (true, true, true) if sentence_transformers => Ok(Kind::Embedding),
        (true, true, true) if has("genai_config.json") => Ok(Kind::CausalLm),
        (true, true, true) => kind_by_config(path),
        (_, _, false) if has("pytorch_model.bin") || files.iter().any(is_safetensors) => Err(
            "it has PyTorch weights only; export it to ONNX (optimum-cli export onnx) first".into(),
        ),
        (config, tokenizer, graph) => {
            let mut missing = Vec::new();
            for (there, what) in [
                (config, "config.json or genai_config.json"),
                (tokenizer, "tokenizer.json"),
                (graph, "a graph (*.onnx)"),
            ] {
                if !there {
                    missing.push(what);
                }
            }
            Err(format!(
                "neither model.yaml nor a known layout: missing {}",
                missing.join(", ")
            ))
        }
    }
}

/// What a plain export is by its `config.json`, else by its graph.
fn kind_by_config(path: &Path) -> std::result::Result<Kind, String> {
    let config = folder::json(path, "config.json")
        .map_err(|e| e.to_string())?
        .unwrap_or_default();
    let architecture = config.pointer("/architectures/0");
    let architecture = architecture.and_then(|a| a.as_str()).unwrap_or_default();
    if architecture.ends_with("ForCausalLM") || architecture.ends_with("LMHeadModel") {
        return Ok(Kind::CausalLm);
    }
    if architecture.ends_with("ForSequenceClassification") {
        // Configurations leave the number out and name the labels; two is what is meant by neither.
        let named = config.get("id2label").and_then(|l| l.as_object());
        let labels = config.get("num_labels").and_then(serde_json::Value::as_u64);
        let labels = labels.unwrap_or_else(|| named.map_or(2, |l| l.len() as u64));
        return if labels == 1 {
            Ok(Kind::Reranker)
        } else {
            Err(format!(
                "config.json says {architecture} with {labels} labels, which may be any classifier of \
                 texts; where it ranks texts, say so in model.yaml: `kind: reranker`"
            ))
        };
    }
    // A graph that cannot be read yet says so when it is loaded.
    let embeds = folder::graph(path, Kind::Embedding)
        .ok()
        .and_then(|file| graph::summary(&file).ok())
        .is_some_and(|summary| summary.embeds());
    Ok(if embeds {
        Kind::Embedding
    } else {
        Kind::CausalLm
    })
}

fn is_safetensors(file: &(PathBuf, u64)) -> bool {
    file.0.extension().is_some_and(|e| e == "safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, name: &str, text: &str) {
        std::fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        std::fs::write(path.join(name), text).unwrap();
    }

    fn reason(info: &Info) -> &str {
        match &info.state {
            State::Failed(reason) => reason,
            other => panic!("{} is {other:?}", info.id),
        }
    }

    #[test]
    fn folders_are_recognised_and_broken_ones_say_why() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        write(&at("planner"), "model.yaml", "kind: planner\n");
        write(&at("chat"), "config.json", "{}");
        write(&at("chat"), "tokenizer.json", "{}");
        write(&at("chat"), "onnx/model.onnx", "12345");
        write(&at("typo"), "model.yaml", "kind: plannr\n");
        for name in ["rank", "classify", "sentences", "pooled"] {
            write(&at(name), "tokenizer.json", "{}");
            write(&at(name), "model.onnx", "12345");
        }
        let labels = |ids: &str| {
            format!(
                r#"{{"architectures": ["BertForSequenceClassification"], "id2label": {{{ids}}}}}"#
            )
        };
        write(&at("rank"), "config.json", &labels(r#""0": "LABEL_0""#));
        write(
            &at("classify"),
            "config.json",
            &labels(r#""0": "good", "1": "bad""#),
        );
        write(&at("sentences"), "modules.json", "[]");
        write(&at("pooled"), "1_Pooling/config.json", "{}");
        write(&at("torch"), "model.safetensors", "");
        write(&at("empty"), "readme.txt", "");
        write(&at(".hidden"), "model.yaml", "kind: planner\n");
        let registry = Registry::new(vec![at("nowhere"), dir.path().to_owned()]);
        let list = registry.list();
        let ids: Vec<_> = list.iter().map(|i| i.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "chat",
                "classify",
                "empty",
                "planner",
                "pooled",
                "rank",
                "sentences",
                "torch",
                "typo"
            ]
        );
        let kind = |id: &str| registry.info(id).unwrap().kind;
        assert_eq!(kind("rank"), Some(Kind::Reranker));
        assert_eq!(kind("sentences"), Some(Kind::Embedding));
        assert_eq!(kind("pooled"), Some(Kind::Embedding));
        assert!(
            reason(&list[1]).contains("with 2 labels")
                && reason(&list[1]).contains("kind: reranker"),
            "{:?}",
            list[1]
        );
        let list: Vec<_> = ["chat", "empty", "planner", "torch", "typo"]
            .map(|id| registry.info(id).unwrap())
            .into();
        assert_eq!(list[0].kind, Some(Kind::CausalLm));
        assert_eq!(list[0].size_bytes, 9);
        assert!(
            reason(&list[1]).contains("missing config.json"),
            "{:?}",
            list[1]
        );
        assert_eq!(
            (list[2].kind, &list[2].state),
            (Some(Kind::Planner), &State::Available)
        );
        assert!(
            reason(&list[3]).contains("export it to ONNX"),
            "{:?}",
            list[3]
        );
        assert!(reason(&list[4]).contains("plannr"), "{:?}", list[4]);
    }

    #[test]
    fn later_directory_wins_and_changes_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (shipped, dropped) = (dir.path().join("a"), dir.path().join("b"));
        write(&shipped.join("default"), "model.yaml", "kind: planner\n");
        let registry = Registry::new(vec![shipped.clone(), dropped.clone()]);
        assert_eq!(
            registry.info("default").unwrap().path,
            shipped.join("default")
        );
        write(&dropped.join("default"), "model.yaml", "kind: planner\n");
        assert_eq!(registry.list()[0].path, dropped.join("default"));
        std::fs::remove_dir_all(&dropped).unwrap();
        assert_eq!(registry.list()[0].path, shipped.join("default"));
        std::fs::remove_dir_all(&shipped).unwrap();
        assert!(registry.list().is_empty());
    }

    #[test]
    fn failed_load_is_a_state_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("default"), "model.yaml", "kind: planner\n");
        let registry = Registry::new(vec![dir.path().to_owned()]);
        let states = Mutex::new(Vec::new());
        let changed = |i: &Info| states.lock().unwrap().push(i.state.name());
        let error = registry.load("default", &changed).unwrap_err().to_string();
        assert!(error.contains("planner.json"), "{error}");
        assert_eq!(*states.lock().unwrap(), ["loading", "failed"]);
        assert_eq!(reason(&registry.list()[0]), error);
        let missing = registry.load("nope", &changed).unwrap_err().to_string();
        assert!(missing.contains("known models: default"), "{missing}");
    }

    #[test]
    fn documented_manifests_are_taken() {
        argos_docs::check("model", |block| {
            let manifest: Manifest =
                argos_config::parse(&block.place(), &block.text).map_err(|e| e.to_string())?;
            manifest.check()
        });
    }
}
