//! What a model's folder holds, looked at without running anything: whether it is complete, which of its
//! files are needed, what they say about the model.
//!
//! [`describe`] is what stands between a foreign folder and the model directory: a graph that was cut off,
//! weights that are missing, an operator that nobody has are said before anything is copied. Neither ONNX
//! Runtime nor much memory is needed for it. Names in foreign files are foreign as well: [`inside`] keeps
//! them in the folder.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::causal::cost::Cost;
use crate::causal::names::Names;
use crate::causal::settings::Settings;
use crate::causal::{self, Limits};
use crate::graph::{self, Summary};
use crate::registry::{self, Kind};
use crate::{Error, Result, folder};

/// Longest relative path of a file in a model's folder, in bytes.
const MAX_PATH: usize = 512;

/// Most folders above a file; the engine looks one deep.
const MAX_DEPTH: usize = 2;

/// Domains whose operators ONNX Runtime itself brings along.
const DOMAINS: [&str; 6] = [
    "ai.onnx.ml",
    "ai.onnx.training",
    "ai.onnx.preview.training",
    "com.microsoft",
    "com.microsoft.nchwc",
    "com.ms.internal.nhwc",
];

/// A model as its files describe it.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// What it can do.
    pub kind: Kind,
    /// The graph, relative to the folder.
    pub graph: PathBuf,
    /// Other graphs of the folder.
    pub other_graphs: Vec<PathBuf>,
    /// The needed files, relative, with sizes in bytes; sorted.
    pub files: Vec<(PathBuf, u64)>,
    /// `LlamaForCausalLM`, where the configuration tells.
    pub architecture: Option<String>,
    /// `int4`, `fp16`, …: how most weights are kept.
    pub precision: String,
    /// Licence as the model card says, else as `model.yaml` does.
    pub licence: Option<String>,
    /// What only language models have.
    pub language: Option<Language>,
    cost: Cost,
}

/// The numbers of a causal language model. `None` where its files do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language {
    /// Layers with a KV cache.
    pub layers: usize,
    /// Attention heads.
    pub heads: Option<u64>,
    /// Heads of the KV cache.
    pub kv_heads: Option<u64>,
    /// Numbers in a head.
    pub head_width: Option<u64>,
    /// Bytes of KV cache that a token takes.
    pub kv_token_bytes: Option<u64>,
    /// Prompt and answer together, in tokens, as the model was made.
    pub context: usize,
    /// Tokens that there are.
    pub vocabulary: u64,
    /// Whether it can chat.
    pub chat_template: bool,
}

impl Description {
    /// Size of the needed files in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|f| f.1).sum()
    }

    /// Bytes of memory that it takes with `slots` requests at once, each of the longest context that the
    /// engine gives ([`Limits`]). `None` where its files do not tell.
    pub fn memory_bytes(&self, slots: u64) -> Option<u64> {
        let base = self.cost.base;
        let Some(language) = &self.language else {
            return Some(base);
        };
        let slot = self
            .cost
            .slot(language.context.min(Limits::default().context))?;
        Some(base.saturating_add(slot.saturating_mul(slots)))
    }
}

/// `name` as a path below a folder: relative, without `..`, control characters and backslashes, bounded in
/// length and depth. `None`: it is none, and whoever wrote it may mean harm.
pub fn inside(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    let fits = !name.is_empty()
        && name.len() <= MAX_PATH
        && !name.chars().any(|c| c.is_control() || c == '\\')
        && path.components().all(|c| matches!(c, Component::Normal(_)))
        // `a/./b`, `a//b` and `a/` are no names of files.
        && name.split('/').all(|part| !matches!(part, "" | "."));
    fits.then(|| path.to_owned())
}

/// Whether a file belongs to a model whatever its graph: tokenizer, configuration, licence, model card.
pub fn belongs(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
        return false;
    };
    let name = name.to_ascii_lowercase();
    let folders: Vec<_> = path.parent().into_iter().flat_map(Path::iter).collect();
    if let [folder] = folders[..] {
        // How sentence encoders say what is done with their output: `1_Pooling/config.json`.
        let numbered = folder
            .to_str()
            .is_some_and(|f| f.starts_with(|c: char| c.is_ascii_digit()));
        return numbered && name == "config.json";
    }
    const BEGINNINGS: [&str; 9] = [
        "tokenizer",
        "config",
        "chat_template",
        "special_tokens",
        "license",
        "licence",
        "notice",
        "copying",
        "readme",
    ];
    const NAMES: [&str; 9] = [
        "genai_config.json",
        "generation_config.json",
        "added_tokens.json",
        "model.yaml",
        "planner.json",
        "modules.json",
        "sentence_bert_config.json",
        "preprocessor_config.json",
        "processor_config.json",
    ];
    let graph = name.ends_with(".onnx") || name.contains(".onnx_data");
    folders.is_empty()
        && !graph
        && (NAMES.contains(&name.as_str()) || BEGINNINGS.iter().any(|b| name.starts_with(b)))
}

/// The graph to take among `files` (relative): the one that `variant` means, else the one that the folder's
/// configuration names, else the preferred one. The graph itself need not be in the folder yet.
///
/// `variant` is a path, a file's name without its ending, or what stands behind `model_`: `int8`.
///
/// # Errors
/// None or several are meant, or the configuration names another one.
pub fn choose_graph(folder: &Path, files: &[PathBuf], variant: Option<&str>) -> Result<PathBuf> {
    let unusable = |reason: String| Error::Model {
        path: folder.to_owned(),
        reason,
    };
    let graphs = graphs(files);
    let list = || {
        let names: Vec<_> = graphs.iter().map(|g| g.display().to_string()).collect();
        names.join(", ")
    };
    // What a genai_config.json names counts for language models, and no other kind has one.
    let named = folder::named_graph(folder, Kind::CausalLm)?;
    if let Some(named) = &named
        && !graphs.contains(&named)
    {
        let reason = format!(
            "its configuration names the graph {}, which is not there; there are: {}",
            named.display(),
            list()
        );
        return Err(unusable(reason));
    }
    let Some(variant) = variant else {
        return match named {
            Some(named) => Ok(named),
            None => {
                let files = graphs.iter().map(|g| (*g).clone());
                folder::preferred_graph(folder, Kind::CausalLm, files)
            }
        };
    };
    let stem = |graph: &Path| graph.file_stem().map(|s| s.to_string_lossy().into_owned());
    let rules: [&dyn Fn(&Path) -> bool; 4] = [
        &|graph| graph == Path::new(variant),
        &|graph| stem(graph).is_some_and(|s| s == variant),
        &|graph| stem(graph).is_some_and(|s| s == format!("model_{variant}")),
        &|graph| stem(graph).is_some_and(|s| s.ends_with(&format!("_{variant}"))),
    ];
    let meant = rules
        .iter()
        .map(|rule| graphs.iter().filter(|g| rule(g)).collect::<Vec<_>>())
        .find(|meant| !meant.is_empty())
        .unwrap_or_default();
    match (&meant[..], named) {
        ([one], Some(named)) if **one != &named => Err(unusable(format!(
            "its configuration names the graph {}, so {} cannot be taken",
            named.display(),
            one.display()
        ))),
        ([one], _) => Ok((**one).clone()),
        ([], _) => Err(unusable(format!(
            "it has no variant `{variant}`; there are: {}",
            list()
        ))),
        _ => Err(unusable(format!(
            "`{variant}` may be several of its graphs; there are: {}",
            list()
        ))),
    }
}

fn graphs(files: &[PathBuf]) -> Vec<&PathBuf> {
    let is_graph = |f: &&PathBuf| {
        f.extension().is_some_and(|e| e == "onnx") && f.components().count() <= MAX_DEPTH
    };
    files.iter().filter(is_graph).collect()
}

/// The files of weights that a graph names, relative to `folder`, with the least size that each has to have
/// in bytes. They need not be there.
///
/// # Errors
/// The graph cannot be read, or it names a file outside the folder.
pub fn weights(folder: &Path, graph: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let summary = summary(folder, graph)?;
    external(folder, graph, &summary)
}

fn summary(folder: &Path, graph: &Path) -> Result<Arc<Summary>> {
    let file = folder.join(graph);
    graph::summary(&file).map_err(|e| Error::Model {
        path: file,
        reason: format!("its graph cannot be read: {e}"),
    })
}

fn external(folder: &Path, graph: &Path, summary: &Summary) -> Result<Vec<(PathBuf, u64)>> {
    let beside = graph.parent().unwrap_or(Path::new(""));
    let place = |(name, least): (&String, &u64)| match inside(name) {
        Some(name) => Ok((beside.join(name), *least)),
        None => Err(Error::Model {
            path: folder.join(graph),
            reason: format!(
                "it wants weights from outside the folder: `{}`",
                name.escape_debug()
            ),
        }),
    };
    summary.external_files.iter().map(place).collect()
}

/// The files that the folder's `model.yaml` says the model is made of, that of its labels included, relative; empty
/// where there is none.
///
/// # Errors
/// `model.yaml` cannot be read, or it names a file outside the folder.
pub fn named_files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.join("model.yaml").exists() {
        return Ok(Vec::new());
    }
    let one = |name: String| {
        inside(&name).ok_or_else(|| Error::Model {
            path: folder.to_owned(),
            reason: format!("model.yaml names the file `{}`", name.escape_debug()),
        })
    };
    let manifest = folder::manifest(folder)?;
    let files = manifest.files.into_iter().chain(manifest.labels);
    files.map(one).collect()
}

/// Looks at the model in `folder` without loading it. `variant` as for [`choose_graph`].
///
/// # Errors
/// It is no model, or it is one that cannot work: the reason says what is missing or broken.
pub fn describe(folder: &Path, variant: Option<&str>) -> Result<Description> {
    let unusable = |reason: String| Error::Model {
        path: folder.to_owned(),
        reason,
    };
    std::fs::read_dir(folder).map_err(|e| unusable(e.to_string()))?;
    let files = folder::files(folder);
    let kind = registry::kind_of(folder, &files).map_err(unusable)?;
    let names: Vec<PathBuf> = files.iter().map(|f| f.0.clone()).collect();
    let graph = choose_graph(folder, &names, variant)?;
    let summary = summary(folder, &graph)?;
    foreign_operators(&summary).map_err(|reason| Error::Model {
        path: folder.join(&graph),
        reason,
    })?;
    let mut needed = vec![graph.clone()];
    for (name, least) in external(folder, &graph, &summary)? {
        let size = std::fs::metadata(folder.join(&name)).map_or(0, |m| m.len());
        if size < least || size == 0 {
            let shown = name.display();
            return Err(unusable(match size {
                0 => format!("its graph keeps weights in {shown}, which is not there or empty"),
                _ => format!("{shown} has {size} bytes, its graph reads {least}: it was cut off"),
            }));
        }
        needed.push(name);
    }
    let manifest = folder::optional_manifest(folder)?;
    for name in named_files(folder)? {
        if !names.contains(&name) {
            let name = name.display();
            return Err(unusable(format!(
                "model.yaml names {name}, which is not there"
            )));
        }
        needed.push(name);
    }
    needed.extend(names.iter().filter(|f| belongs(f)).cloned());
    needed.sort();
    needed.dedup();
    let size = |name: PathBuf| {
        let length = std::fs::metadata(folder.join(&name)).map_err(|e| Error::Model {
            path: folder.join(&name),
            reason: e.to_string(),
        })?;
        Ok((name, length.len()))
    };
    let needed = needed.into_iter().map(size).collect::<Result<Vec<_>>>()?;
    let config = folder::json(folder, "config.json")?.unwrap_or_default();
    let genai = folder::json(folder, "genai_config.json")?.unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let architecture = text(config.pointer("/architectures/0"))
        .or_else(|| text(config.get("model_type")))
        .or_else(|| text(genai.pointer("/model/type")));
    let mut called = Names::default();
    let language = match kind {
        Kind::CausalLm => {
            let settings = Settings::read(folder)?;
            let language = language(folder, &summary, &settings, &config, &genai)?;
            called = settings.names;
            Some(language)
        }
        _ => None,
    };
    let context = language.as_ref().map_or(0, |language| language.context);
    let chunk = Limits::default().chunk.min(context);
    let stated = manifest.filter(|m| !m.licence.is_empty()).map(|m| {
        let mut parts: Vec<_> = m.licence.into_iter().map(|l| l.licence).collect();
        parts.dedup();
        parts.join(" AND ")
    });
    let other_graphs = graphs(&names)
        .into_iter()
        .filter(|g| **g != graph)
        .cloned()
        .collect();
    Ok(Description {
        kind,
        other_graphs,
        files: needed,
        architecture,
        precision: precision(&summary),
        licence: card_licence(folder).or(stated),
        cost: Cost::of(&folder.join(&graph), &summary, &called, chunk),
        graph,
        language,
    })
}

fn foreign_operators(summary: &Summary) -> std::result::Result<(), String> {
    let mut unknown = Vec::new();
    for (domain, operators) in &summary.foreign_operators {
        let defined = summary.functions.get(domain);
        if DOMAINS.contains(&domain.as_str()) {
            continue;
        }
        let missing = operators
            .iter()
            .filter(|o| !defined.is_some_and(|d| d.contains(*o)));
        unknown.extend(missing.map(|o| format!("{domain}:{o}")));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "it needs operators that ONNX Runtime does not have: {}",
        unknown.join(", ").escape_debug()
    ))
}

fn precision(summary: &Summary) -> String {
    if let Some(bits) = summary.bits {
        return format!("int{bits}");
    }
    let integers = [
        "MatMulInteger",
        "ConvInteger",
        "QLinearMatMul",
        "QLinearConv",
    ];
    if integers.iter().any(|o| summary.operators.contains(*o)) {
        return "int8".into();
    }
    let most = summary.weights.iter().max_by_key(|(_, numbers)| **numbers);
    match most.map(|(element, _)| *element) {
        Some(1) => "fp32".into(),
        Some(2 | 3) => "int8".into(),
        Some(10) => "fp16".into(),
        Some(11) => "fp64".into(),
        Some(16) => "bf16".into(),
        Some(17..=20) => "fp8".into(),
        Some(21 | 22) => "int4".into(),
        Some(other) => format!("ONNX element type {other}"),
        None => "unknown".into(),
    }
}

fn language(
    folder: &Path,
    summary: &Summary,
    settings: &Settings,
    config: &Value,
    genai: &Value,
) -> Result<Language> {
    let unusable = |reason: String| Error::Model {
        path: folder.to_owned(),
        reason,
    };
    let names = &settings.names;
    let cache: Vec<_> = summary.caches(names).collect();
    if cache.is_empty() {
        return Err(unusable(
            "its graph has no past_key_values.*; export it with the task text-generation-with-past"
                .into(),
        ));
    }
    let dimension = |at: usize| cache[0].shape.get(at).copied().flatten();
    let tokenizer = folder::tokenizer(folder)?;
    let logits = summary.outputs.iter().find(|o| o.name == names.logits);
    let logits =
        logits.ok_or_else(|| unusable(format!("its graph has no output `{}`", names.logits)))?;
    let vocabulary = logits.shape.last().copied().flatten();
    if let Some(vocabulary) = vocabulary.and_then(|v| usize::try_from(v).ok()) {
        causal::check_tokenizer(&tokenizer, vocabulary).map_err(unusable)?;
    }
    Ok(Language {
        layers: cache.len().div_ceil(2),
        heads: config
            .get("num_attention_heads")
            .or_else(|| config.pointer("/text_config/num_attention_heads"))
            .or_else(|| genai.pointer("/model/decoder/num_attention_heads"))
            .and_then(Value::as_u64),
        kv_heads: dimension(1),
        head_width: dimension(3),
        kv_token_bytes: summary.cache_token_bytes(names),
        context: settings.context,
        vocabulary: vocabulary.unwrap_or(tokenizer.get_vocab_size(true) as u64),
        chat_template: causal::has_template(folder)?,
    })
}

/// `license` of the model card: the YAML between two lines of `---` that README.md begins with.
fn card_licence(folder: &Path) -> Option<String> {
    use std::io::Read;
    let file = folder::open(&folder.join("README.md")).ok()?;
    let mut text = Vec::new();
    file.take(1 << 16).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let front = lines.take_while(|line| line.trim_end() != "---");
    let keyed = front.filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        Some((key, value.trim().trim_matches(['"', '\''])))
    });
    let mut found = keyed.filter(|(_, value)| !value.is_empty());
    // `license: other` is told by `license_name`.
    found
        .find(|(key, value)| *key == "license" && *value != "other" || *key == "license_name")
        .map(|(_, value)| {
            value
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
    }

    fn copy(model: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, _) in folder::files(&models().join(model)) {
            std::fs::copy(models().join(model).join(&name), dir.path().join(&name)).unwrap();
        }
        dir
    }

    #[test]
    fn committed_models_are_described() {
        let lm = describe(&models().join("lm"), None).unwrap();
        assert_eq!((lm.kind, lm.precision.as_str()), (Kind::CausalLm, "fp32"));
        assert_eq!(lm.files.len(), 4);
        let language = lm.language.clone().unwrap();
        assert_eq!(
            (language.layers, language.kv_heads, language.head_width),
            (2, Some(2), Some(8))
        );
        // Keys and values of two layers, two heads of eight numbers of four bytes.
        assert_eq!(language.kv_token_bytes, Some(256));
        assert_eq!((language.context, language.vocabulary), (96, 98));
        assert!(language.chat_template);
        let (one, two) = (lm.memory_bytes(1).unwrap(), lm.memory_bytes(2).unwrap());
        // Twice, since this graph makes a longer copy of its cache.
        assert_eq!(two - one, 2 * 256 * 96);
        let half = describe(&models().join("lm-fp16"), None).unwrap();
        assert_eq!(half.precision, "fp16");
        assert_eq!(half.language.unwrap().kv_token_bytes, Some(128));
        let gqa = describe(&models().join("lm-gqa"), None).unwrap();
        assert_eq!(gqa.graph, Path::new("decoder.onnx"));
        let int4 = describe(&models().join("lm-int4"), None).unwrap();
        assert_eq!(int4.precision, "int4");
        assert_eq!(int4.language.unwrap().kv_token_bytes, Some(256));
        let int8 = describe(&models().join("lm-int8"), None).unwrap();
        assert_eq!(int8.precision, "int8");
        assert_eq!(int8.graph, Path::new("model_quantized.onnx"));
    }

    #[test]
    fn broken_folders_say_what_is_wrong() {
        let reason = |dir: &tempfile::TempDir| describe(dir.path(), None).unwrap_err().to_string();
        let cut = copy("lm");
        let graph = std::fs::read(cut.path().join("model.onnx")).unwrap();
        std::fs::write(cut.path().join("model.onnx"), &graph[..graph.len() / 2]).unwrap();
        assert!(reason(&cut).contains("cannot be read"), "{}", reason(&cut));
        let mute = copy("lm");
        std::fs::write(mute.path().join("tokenizer.json"), "{}").unwrap();
        assert!(
            reason(&mute).contains("tokenizer.json"),
            "{}",
            reason(&mute)
        );
        let other = copy("lm");
        let tokenizer = other.path().join("tokenizer.json");
        let text = std::fs::read_to_string(&tokenizer).unwrap();
        let with = |tokens: u64| {
            let mut fewer: Value = serde_json::from_str(&text).unwrap();
            let words = fewer["model"]["vocab"].as_object_mut().unwrap();
            words.retain(|_, id| id.as_u64() < Some(tokens));
            std::fs::write(&tokenizer, fewer.to_string()).unwrap();
        };
        // Three quarters of 98 are 74.
        with(74);
        describe(other.path(), None).unwrap();
        with(73);
        assert!(
            reason(&other).contains("has 73 tokens and the graph 98"),
            "{}",
            reason(&other)
        );
        let bare = copy("lm");
        std::fs::remove_file(bare.path().join("config.json")).unwrap();
        assert!(
            reason(&bare).contains("missing config.json"),
            "{}",
            reason(&bare)
        );
        assert!(describe(Path::new("/nonexistent"), None).is_err());
    }

    /// A graph with one node of `domain` and one weight in the file `location`.
    fn small_graph(domain: &str, location: &str) -> Vec<u8> {
        let field = |number: u8, content: &[u8]| {
            let mut bytes = vec![number << 3 | 2, content.len() as u8];
            bytes.extend(content);
            bytes
        };
        let place = |key: &str, value: &str| {
            field(
                13,
                &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
            )
        };
        let node = [field(4, b"Twist"), field(7, domain.as_bytes())].concat();
        let tensor = [
            vec![8, 3, 16, 1],
            place("location", location),
            place("length", "12"),
        ]
        .concat();
        field(7, &[field(1, &node), field(5, &tensor)].concat())
    }

    #[test]
    fn weights_beside_the_graph_have_to_be_there_whole() {
        let dir = copy("lm");
        let graph = dir.path().join("model.onnx");
        std::fs::write(&graph, small_graph("com.microsoft", "w.bin")).unwrap();
        let reason = || describe(dir.path(), None).unwrap_err().to_string();
        assert!(
            reason().contains("w.bin, which is not there"),
            "{}",
            reason()
        );
        std::fs::write(dir.path().join("w.bin"), [0; 11]).unwrap();
        assert!(
            reason().contains("has 11 bytes, its graph reads 12"),
            "{}",
            reason()
        );
        std::fs::write(dir.path().join("w.bin"), [0; 12]).unwrap();
        assert!(reason().contains("past_key_values"), "{}", reason());
        for outside in ["../w.bin", "/etc/passwd", "a/../../w.bin", "", "a\nb"] {
            std::fs::write(&graph, small_graph("com.microsoft", outside)).unwrap();
            assert!(
                reason().contains("from outside"),
                "{outside:?}: {}",
                reason()
            );
        }
        std::fs::write(&graph, small_graph("com.acme", "w.bin")).unwrap();
        assert!(reason().contains("com.acme:Twist"), "{}", reason());
    }

    #[test]
    fn variants_are_chosen_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = [
            "onnx/model.onnx",
            "onnx/model_int8.onnx",
            "onnx/model_q4.onnx",
            "x.onnx_data",
        ]
        .iter()
        .map(PathBuf::from)
        .collect();
        let choose = |variant| choose_graph(dir.path(), &files, variant).map_err(|e| e.to_string());
        assert_eq!(choose(None).unwrap(), files[0]);
        for (variant, at) in [
            ("int8", 1),
            ("model_q4", 2),
            ("onnx/model_q4.onnx", 2),
            ("model", 0),
        ] {
            assert_eq!(choose(Some(variant)).unwrap(), files[at], "{variant}");
        }
        assert!(
            choose(Some("fp16"))
                .unwrap_err()
                .contains("onnx/model_q4.onnx")
        );
        std::fs::write(
            dir.path().join("model.yaml"),
            "kind: causal-lm\ngraph: onnx/model_q4.onnx\n",
        )
        .unwrap();
        assert_eq!(choose(None).unwrap(), files[2]);
        assert!(
            choose(Some("int8"))
                .unwrap_err()
                .contains("names the graph onnx/model_q4.onnx")
        );
    }

    #[test]
    fn names_stay_inside() {
        for good in ["model.onnx", "onnx/model.onnx", "a/b/c", "ä", ".x"] {
            assert_eq!(inside(good), Some(good.into()));
        }
        let long = "x".repeat(MAX_PATH + 1);
        for bad in [
            "", "/a", "..", "a/../b", "a/..", "./a", "a//b", "a/", "a/./b", "a\nb", "a\0", "a\\b",
            "\u{9b}", &long,
        ] {
            assert_eq!(inside(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_belongs_to_a_model() {
        for yes in [
            "tokenizer.json",
            "tokenizer_config.json",
            "config.json",
            "LICENSE.txt",
            "README.md",
            "chat_template.jinja",
            "genai_config.json",
            "1_Pooling/config.json",
            "model.yaml",
        ] {
            assert!(belongs(Path::new(yes)), "{yes}");
        }
        for no in [
            "model.safetensors",
            "onnx/config.json",
            "a.onnx",
            "config.onnx",
            ".gitattributes",
            "images/README.md",
        ] {
            assert!(!belongs(Path::new(no)), "{no}");
        }
    }

    #[test]
    fn labels_belong_to_a_model() {
        let dir = copy("stripes");
        let needed = || {
            let files = describe(dir.path(), None).unwrap().files;
            files.into_iter().map(|f| f.0).collect::<Vec<_>>()
        };
        let whole = ["labels.txt", "model.onnx", "model.yaml"].map(PathBuf::from);
        assert_eq!(needed(), whole);
        let yaml = dir.path().join("model.yaml");
        let text = std::fs::read_to_string(&yaml).unwrap();
        // Named twice it is there once.
        std::fs::write(&yaml, format!("{text}files: [labels.txt]\n")).unwrap();
        assert_eq!(needed(), whole);
        std::fs::write(&yaml, text.replace("labels.txt", "../labels.txt")).unwrap();
        let error = named_files(dir.path()).unwrap_err().to_string();
        assert!(error.contains("names the file `../labels.txt`"), "{error}");
        std::fs::write(&yaml, text).unwrap();
        std::fs::remove_file(dir.path().join("labels.txt")).unwrap();
        let error = describe(dir.path(), None).unwrap_err().to_string();
        assert!(
            error.contains("names labels.txt, which is not there"),
            "{error}"
        );
    }

    #[test]
    fn licences_are_read_from_the_card() {
        let dir = tempfile::tempdir().unwrap();
        let licence = |text: &str| {
            std::fs::write(dir.path().join("README.md"), text).unwrap();
            card_licence(dir.path())
        };
        assert_eq!(
            licence("---\ntags: [x]\nlicense: apache-2.0\n---\n# Hi"),
            Some("apache-2.0".into())
        );
        assert_eq!(
            licence("---\nlicense: other\nlicense_name: acme\n---\n"),
            Some("acme".into())
        );
        assert_eq!(licence("# Hi\nlicense: mit\n"), None);
        assert_eq!(licence("---\nx: 1\n---\nlicense: mit\n"), None);
    }
}
