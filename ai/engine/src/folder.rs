//! What every kind reads from a model's folder in the same way: manifest, JSON files, graph, tokenizer.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::manifest::{Kind, Manifest};
use crate::{Error, Result};

/// Files whose presence is looked at; more in one folder is a mistake, not a model.
const MAX_FILES: usize = 10_000;

/// The largest JSON file that is read, in bytes.
const MAX_JSON_BYTES: u64 = 4 << 20;

/// The largest tokenizer that is read, in bytes: several times that of any known one.
const MAX_TOKENIZER_BYTES: u64 = 128 << 20;

/// Graphs by preference, where a folder has several: what a CPU runs fastest first.
const GRAPHS: [&str; 9] = [
    "model.onnx",
    "onnx/model.onnx",
    "onnx/model_q4.onnx",
    "model_q4.onnx",
    "onnx/model_int8.onnx",
    "onnx/model_quantized.onnx",
    "model_quantized.onnx",
    "decoder_model_merged.onnx",
    "onnx/decoder_model_merged.onnx",
];

/// [`Error::Model`].
pub(crate) fn unusable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Model {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// What errors call the model.
pub(crate) fn name(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Reads a folder's `model.yaml`.
pub(crate) fn manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join("model.yaml");
    let text = text(folder, "model.yaml")?.unwrap_or_default();
    let manifest: Manifest =
        argos_config::parse(&path.display().to_string(), &text).map_err(|e| unusable(folder, e))?;
    manifest.check().map_err(|e| unusable(&path, e))?;
    Ok(manifest)
}

/// A folder's `model.yaml`, where it has one.
pub(crate) fn optional_manifest(folder: &Path) -> Result<Option<Manifest>> {
    if folder.join("model.yaml").exists() {
        manifest(folder).map(Some)
    } else {
        Ok(None)
    }
}

/// The `model.yaml` of the folder in which `graph` is, directly or one level below. A folder with a
/// tokenizer is a model itself: what lies beside such folders is none of its business.
pub(crate) fn manifest_beside(graph: &Path) -> Result<Option<Manifest>> {
    for folder in graph.ancestors().skip(1).take(2) {
        let manifest = optional_manifest(folder)?;
        if manifest.is_some() || folder.join("tokenizer.json").exists() {
            return Ok(manifest);
        }
    }
    Ok(None)
}

/// A JSON file of the folder, if it is there.
pub(crate) fn json(folder: &Path, name: &str) -> Result<Option<Value>> {
    match text(folder, name)? {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| unusable(&folder.join(name), e)),
    }
}

/// A text file of the folder, if it is there.
pub(crate) fn text(folder: &Path, name: &str) -> Result<Option<String>> {
    let path = folder.join(name);
    match read(&path, MAX_JSON_BYTES) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|e| unusable(&path, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unusable(&path, e)),
    }
}

/// What a regular file of at most `limit` bytes has in it.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    let too_large = |size| io::Error::other(format!("{size} bytes; at most {limit} are read"));
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // It may grow meanwhile.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        read if read > limit => Err(too_large(read)),
        _ => Ok(bytes),
    }
}

/// Opens a regular file. A model's folder is foreign data: a pipe in it would be waited for for ever, and a
/// device has no end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// A file that the folder's own files name; it has to be inside.
pub(crate) fn inside(folder: &Path, what: &str, name: &str) -> Result<PathBuf> {
    let normal = |c: Component<'_>| matches!(c, Component::Normal(_));
    if !name.is_empty() && Path::new(name).components().all(normal) {
        Ok(folder.join(name))
    } else {
        Err(unusable(
            folder,
            format!("{what} `{name}` is outside the folder"),
        ))
    }
}

/// The folder's graph: what is named, else the best of what is there.
pub(crate) fn graph(folder: &Path, kind: Kind) -> Result<PathBuf> {
    let name = match named_graph(folder, kind)? {
        Some(name) => name,
        None => preferred_graph(folder, kind, files(folder).into_iter().map(|f| f.0))?,
    };
    Ok(folder.join(name))
}

/// The graph that `model.yaml` names, for language models else the one that `genai_config.json` names;
/// relative.
pub(crate) fn named_graph(folder: &Path, kind: Kind) -> Result<Option<PathBuf>> {
    let mut named = optional_manifest(folder)?.and_then(|m| m.graph);
    if named.is_none() && kind == Kind::CausalLm {
        let genai = json(folder, "genai_config.json")?;
        let name = genai
            .as_ref()
            .and_then(|g| g.pointer("/model/decoder/filename"));
        named = name.and_then(Value::as_str).map(str::to_owned);
    }
    let Some(name) = named else {
        return Ok(None);
    };
    inside(folder, "graph", &name)?;
    Ok(Some(name.into()))
}

/// The graph among `files` (relative) that is taken where nothing names one.
pub(crate) fn preferred_graph(
    folder: &Path,
    kind: Kind,
    files: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf> {
    let graphs: Vec<PathBuf> = files
        .filter(|f| f.extension().is_some_and(|e| e == "onnx"))
        .collect();
    let preferred = GRAPHS
        .iter()
        .find(|g| graphs.iter().any(|f| f == Path::new(g)));
    match (preferred, &graphs[..]) {
        (Some(name), _) => Ok(name.into()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(unusable(folder, "it has no graph (*.onnx)")),
        (None, several) => Err(unusable(
            folder,
            format!(
                "it has {} graphs and none is called model.onnx; name one in model.yaml: \
                 `kind: {kind}` and `graph: {}`",
                several.len(),
                several[0].display()
            ),
        )),
    }
}

/// The folder's tokenizer, which neither pads nor cuts: lengths are checked by whoever uses it.
pub(crate) fn tokenizer(folder: &Path) -> Result<Tokenizer> {
    let path = folder.join("tokenizer.json");
    let failed = |e: tokenizers::Error| unusable(&path, e);
    let bytes = read(&path, MAX_TOKENIZER_BYTES).map_err(|e| unusable(&path, e))?;
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(failed)?;
    Ok(tokenizer)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_huge_files_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pipe = rustix::fs::CWD;
        rustix::fs::mkfifoat(pipe, at("pipe"), rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("device")).unwrap();
        let sparse = File::create(at("huge")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        for (name, reason) in [
            ("pipe", "no regular file"),
            ("device", "no regular file"),
            ("folder", "no regular file"),
            ("huge", "bytes"),
        ] {
            let error = text(folder.path(), name).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
        assert_eq!(text(folder.path(), "nothing").unwrap(), None);
        std::os::unix::fs::symlink(at("pipe"), at("tokenizer.json")).unwrap();
        let error = tokenizer(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("tokenizer.json is not usable: it is no regular file"),
            "{error}"
        );
        std::os::unix::fs::symlink(at("pipe"), at("model.yaml")).unwrap();
        assert!(manifest(folder.path()).is_err());
    }
}
