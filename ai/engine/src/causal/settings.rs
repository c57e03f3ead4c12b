//! What a causal language model's own files say: graph, context length, stop tokens, sampling.
//!
//! Two layouts exist in the wild. Optimum exports keep `config.json` and `generation_config.json` of
//! the original model; onnxruntime-genai folders keep all of it in `genai_config.json`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::names::Names;
use super::sampling::Sampling;
use crate::folder::json;
use crate::manifest::Kind;
use crate::{Error, Result, folder};

/// What is known of a model before its graph is opened.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The graph, absolute.
    pub graph: PathBuf,
    /// What it calls its inputs and outputs.
    pub names: Names,
    /// Prompt and answer together, in tokens.
    pub context: usize,
    /// Tokens that end an answer.
    pub stop_tokens: Vec<u32>,
    /// Sampling where a request says nothing.
    pub sampling: Sampling,
}

impl Settings {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let genai = json(folder, "genai_config.json")?;
        let config = json(folder, "config.json")?;
        let generation = json(folder, "generation_config.json")?;
        if genai.is_none() && config.is_none() {
            return Err(Error::Model {
                path: folder.to_owned(),
                reason: "config.json or genai_config.json is missing".into(),
            });
        }
        // The first that says something wins.
        let look = |paths: &[(&Option<Value>, &str)]| {
            paths.iter().find_map(|(file, pointer)| {
                file.as_ref()?
                    .pointer(pointer)
                    .filter(|v| !v.is_null())
                    .cloned()
            })
        };
        let context = look(&[
            (&genai, "/model/context_length"),
            (&config, "/max_position_embeddings"),
            (&config, "/text_config/max_position_embeddings"),
            (&config, "/n_positions"),
            (&config, "/n_ctx"),
        ])
        .and_then(|v| v.as_u64())
        .filter(|n| *n > 1)
        .ok_or_else(|| Error::Model {
            path: folder.to_owned(),
            reason: "its configuration names no context length (max_position_embeddings or \
                     model.context_length)"
                .into(),
        })?;
        let stop_tokens = look(&[
            (&genai, "/model/eos_token_id"),
            (&generation, "/eos_token_id"),
            (&config, "/eos_token_id"),
            (&config, "/text_config/eos_token_id"),
        ])
        .map(|v| numbers(&v))
        .unwrap_or_default();
        let number = |genai_name: &str, name: &str| {
            look(&[(&genai, genai_name), (&generation, name)]).and_then(|v| v.as_f64())
        };
        let sample = look(&[(&genai, "/search/do_sample"), (&generation, "/do_sample")])
            .and_then(|v| v.as_bool())
            .unwrap_or(false);
        let sampling = Sampling {
            temperature: if sample {
                number("/search/temperature", "/temperature").unwrap_or(1.0) as f32
            } else {
                0.0
            },
            top_k: number("/search/top_k", "/top_k").map_or(50, |k| k.max(0.0) as usize),
            top_p: number("/search/top_p", "/top_p").unwrap_or(1.0) as f32,
            min_p: number("/search/min_p", "/min_p").unwrap_or(0.0) as f32,
            repetition_penalty: number("/search/repetition_penalty", "/repetition_penalty")
                .unwrap_or(1.0) as f32,
            ..Sampling::default()
        };
        let names = genai.as_ref().map(Names::read).transpose();
        let names = names.map_err(|e| folder::unusable(&folder.join("genai_config.json"), e))?;
        Ok(Self {
            names: names.unwrap_or_default(),
            graph: folder::graph(folder, Kind::CausalLm)?,
            context: usize::try_from(context).unwrap_or(usize::MAX),
            stop_tokens,
            sampling: sampling.checked().unwrap_or_default(),
        })
    }
}

/// A number or a list of numbers.
fn numbers(value: &Value) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    match value {
        Value::Array(list) => list.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn optimum_layout() {
        let dir = folder(&[
            (
                "config.json",
                r#"{"max_position_embeddings": 2048, "eos_token_id": 1}"#,
            ),
            (
                "generation_config.json",
                r#"{"eos_token_id": [2, 7], "do_sample": true, "temperature": 0.6, "top_p": 0.9}"#,
            ),
            ("onnx/model.onnx", ""),
            ("onnx/model_fp16.onnx", ""),
        ]);
        let settings = Settings::read(dir.path()).unwrap();
        assert_eq!(settings.context, 2048);
        assert_eq!(settings.stop_tokens, [2, 7]);
        assert_eq!(
            (settings.sampling.temperature, settings.sampling.top_p),
            (0.6, 0.9)
        );
        assert_eq!(settings.graph, dir.path().join("onnx/model.onnx"));
    }

    #[test]
    fn genai_layout() {
        let dir = folder(&[
            (
                "genai_config.json",
                r#"{"model": {"context_length": 4096, "eos_token_id": 2, "decoder": {"filename": "m.onnx"}},
                    "search": {"do_sample": false, "temperature": 1.0}}"#,
            ),
            ("m.onnx", ""),
        ]);
        let settings = Settings::read(dir.path()).unwrap();
        assert_eq!(
            (settings.context, &settings.stop_tokens[..]),
            (4096, &[2][..])
        );
        assert_eq!(settings.sampling.temperature, 0.0);
        assert_eq!(settings.graph, dir.path().join("m.onnx"));
    }

    #[test]
    fn unclear_or_hostile_folders_say_what_is_wrong() {
        let reason = |files: &[(&str, &str)]| {
            Settings::read(folder(files).path())
                .unwrap_err()
                .to_string()
        };
        assert!(reason(&[]).contains("is missing"));
        assert!(reason(&[("config.json", "{}")]).contains("context length"));
        assert!(reason(&[("config.json", "{")]).contains("config.json"));
        let config = ("config.json", r#"{"max_position_embeddings": 8}"#);
        assert!(reason(&[config]).contains("no graph"));
        assert!(reason(&[config, ("a.onnx", ""), ("b.onnx", "")]).contains("graph: a.onnx"));
        let outside =
            r#"{"model": {"context_length": 8, "decoder": {"filename": "../../x.onnx"}}}"#;
        assert!(reason(&[("genai_config.json", outside)]).contains("outside"));
    }
}
