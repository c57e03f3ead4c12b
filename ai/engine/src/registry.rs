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

use serde::Deserialize;

use crate::causal::{CausalLm, Limits};
use crate::planner::Planner;
use crate::{Error, Result};

/// Files whose presence is looked at; more in one folder is a mistake, not a model.
const MAX_FILES: usize = 10_000;

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Requests to tool calls, texts to embeddings. Always has a `model.yaml`.
    Planner,
    /// Text generation. Also recognised by `config.json` or `genai_config.json` with `tokenizer.json`
    /// and a graph.
    CausalLm,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planner => "planner",
            Self::CausalLm => "causal-lm",
        })
    }
}

/// `model.yaml`: what a folder says about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(
    dead_code,
    reason = "all but kind and graph are for people who read the file"
)]
pub struct Manifest {
    /// What it can do.
    pub kind: Kind,
    /// The graph's file name, where it is not `model.onnx`.
    #[serde(default)]
    pub graph: Option<String>,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// One line on what it is.
    #[serde(default)]
    pub description: Option<String>,
    /// Version of the model.
    #[serde(default)]
    pub version: Option<String>,
    /// The files that make it, licences aside.
    #[serde(default)]
    pub files: Vec<String>,
    /// Numbers in an embedding; the graph has the last word.
    #[serde(default)]
    pub embedding_width: Option<u32>,
    /// Longest input in tokens; `planner.json` has the last word.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// What it is made of and under which terms.
    #[serde(default)]
    pub licence: Vec<Licence>,
}

/// One part of a model and its terms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "for people who read the file")]
pub struct Licence {
    /// Which part.
    pub part: String,
    /// SPDX expression.
    pub licence: String,
    /// What was changed in it.
    #[serde(default)]
    pub changed: Option<String>,
    /// File with the text.
    #[serde(default)]
    pub text: Option<String>,
}

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
}

/// A model in memory. Cheap to clone; the memory is freed with the last clone.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// See [`Planner`].
    Planner(Arc<Planner>),
    /// See [`CausalLm`].
    CausalLm(Arc<CausalLm>),
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
}

impl Registry {
    /// The models in `directories`, later ones over earlier ones. A directory that does not exist has
    /// no models.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        let registry = Self {
            directories,
            entries: Mutex::default(),
        };
        registry.scan();
        registry
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

    /// [`Self::load_with`] the usual limits.
    pub fn load(&self, id: &str, changed: &dyn Fn(&Info)) -> Result<Loaded> {
        self.load_with(id, &Limits::default(), changed)
    }

    /// Reads a model into memory, or returns it where that is done; `limits` are for causal models.
    /// `changed` is told each new state.
    ///
    /// Blocks for as long as the model takes to load. While another thread loads the same model this
    /// fails with [`Error::InvalidArguments`]; callers queue loads.
    pub fn load_with(&self, id: &str, limits: &Limits, changed: &dyn Fn(&Info)) -> Result<Loaded> {
        self.scan();
        let (path, kind, size_bytes) = {
            let mut entries = self.lock();
            let known = known(&entries);
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
            (entry.info.path.clone(), kind, entry.info.size_bytes)
        };
        // A foreign graph reaches a lot of foreign code: a panic there is this model's failure only.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match kind {
            Kind::Planner => Planner::load(&path, size_bytes).map(|m| Loaded::Planner(Arc::new(m))),
            Kind::CausalLm => {
                CausalLm::load(&path, size_bytes, limits).map(|m| Loaded::CausalLm(Arc::new(m)))
            }
        }))
        .unwrap_or_else(|_| {
            Err(Error::Model {
                path: path.clone(),
                reason: "loading it panicked; see the log".into(),
            })
        });
        let mut entries = self.lock();
        let entry = entries.entry(id.to_owned()).or_insert_with(|| Entry {
            info: Info {
                id: id.to_owned(),
                kind: Some(kind),
                path,
                size_bytes,
                state: State::Loading,
            },
            loaded: None,
        });
        match &result {
            Ok(loaded) => {
                entry.loaded = Some(loaded.clone());
                entry.info.state = State::Ready;
            }
            Err(e) => entry.info.state = State::Failed(e.to_string()),
        }
        changed(&entry.info);
        result
    }

    /// Frees a model's memory once the last request on it is done. Unloading a model that is not in
    /// memory does nothing.
    pub fn unload(&self, id: &str, changed: &dyn Fn(&Info)) -> Result<()> {
        let mut entries = self.lock();
        let known = known(&entries);
        let entry = entries.get_mut(id).ok_or_else(|| Error::NotFound {
            id: id.to_owned(),
            known,
        })?;
        if entry.loaded.take().is_some() {
            entry.info.state = State::Available;
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

fn known(entries: &BTreeMap<String, Entry>) -> String {
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
    let files = files(&path);
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
    }
}

fn kind_of(path: &Path, files: &[(PathBuf, u64)]) -> std::result::Result<Kind, String> {
    let has = |name: &str| files.iter().any(|f| f.0 == Path::new(name));
    if has("model.yaml") {
        return manifest(path).map(|m| m.kind).map_err(|e| e.to_string());
    }
    let graph = files
        .iter()
        .any(|f| f.0.extension().is_some_and(|e| e == "onnx"));
    match (
        has("config.json") || has("genai_config.json"),
        has("tokenizer.json"),
        graph,
    ) {
        (true, true, true) => Ok(Kind::CausalLm),
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

fn is_safetensors(file: &(PathBuf, u64)) -> bool {
    file.0.extension().is_some_and(|e| e == "safetensors")
}

/// Reads a folder's `model.yaml`.
pub(crate) fn manifest(folder: &Path) -> Result<Manifest> {
    argos_config::load(&folder.join("model.yaml")).map_err(|e| Error::Model {
        path: folder.to_owned(),
        reason: e.to_string(),
    })
}

/// Regular files of a folder and of its direct subfolders, relative, with sizes in bytes.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut visit = |directory: &Path, prefix: &Path, subfolders: &mut Vec<PathBuf>| {
        for child in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if found.len() >= MAX_FILES {
                return;
            }
            let name = prefix.join(child.file_name());
            match std::fs::metadata(child.path()) {
                Ok(m) if m.is_dir() => subfolders.push(name),
                Ok(m) if m.is_file() => found.push((name, m.len())),
                _ => {}
            }
        }
    };
    let mut subfolders = Vec::new();
    visit(folder, Path::new(""), &mut subfolders);
    for subfolder in subfolders {
        visit(&folder.join(&subfolder), &subfolder, &mut Vec::new());
    }
    found.sort();
    found
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
        write(&at("torch"), "model.safetensors", "");
        write(&at("empty"), "readme.txt", "");
        write(&at(".hidden"), "model.yaml", "kind: planner\n");
        let registry = Registry::new(vec![at("nowhere"), dir.path().to_owned()]);
        let list = registry.list();
        let ids: Vec<_> = list.iter().map(|i| i.id.as_str()).collect();
        assert_eq!(ids, ["chat", "empty", "planner", "torch", "typo"]);
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
            argos_config::parse::<Manifest>(&block.place(), &block.text)
                .map(drop)
                .map_err(|e| e.to_string())
        });
    }
}
