//! Embedding models: texts to vectors that are near each other where the texts mean alike.
//!
//! Runs what sentence-transformers and Optimum export: `model.onnx` (an encoder) that
//! gives a vector for each token (`last_hidden_state`) or one already (`sentence_embedding`,
//! `pooler_output`), `tokenizer.json`, how to pool in `1_Pooling/config.json`, whether to bring the vector
//! to length one in `modules.json`, the words before queries and documents in
//! `config_sentence_transformers.json`. `model.yaml` overrules each of them.

use std::path::Path;

use ort::value::ValueType;
use serde_json::Value;

use crate::encoder::{Encoder, Output, Row};
use crate::manifest::{Kind, Manifest, Pooling};
use crate::{Result, folder};

/// Outputs that are one vector a text, by preference.
const POOLED: [&str; 4] = [
    "sentence_embedding",
    "text_embeds",
    "embedding",
    "pooler_output",
];

/// Outputs that are one vector a token, by preference.
const BY_TOKEN: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// What texts are to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// With texts of the same sort: nothing is put before them.
    #[default]
    Similarity,
    /// With documents: what is searched for.
    Query,
    /// With queries: what is found.
    Document,
}

/// How texts are embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbedOptions {
    /// Chooses the prefix.
    pub purpose: Purpose,
    /// Cut off the end of a text that is too long, instead of [`crate::Error::TooLong`].
    pub truncate: bool,
}

/// Whether an output is pooled already or by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    output: String,
    /// `None` where the graph pools.
    pooling: Option<Pooling>,
}

/// An embedding model in memory. Calls from several threads take turns, pass by pass.
#[derive(Debug)]
pub struct Embedder {
    encoder: Encoder,
    source: Source,
    normalise: bool,
    query_prefix: String,
    document_prefix: String,
    width: usize,
}

impl Embedder {
    /// Loads the model in `folder`.
    ///
    /// Fails with [`crate::Error::Model`] where graph, tokenizer and settings do not fit each other.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = folder::optional_manifest(folder)?;
        let encoder = Encoder::load(folder, Kind::Embedding, manifest.as_ref())?;
        let modules = folder::json(folder, "modules.json")?;
        let pooling = match manifest.as_ref().and_then(|m| m.pooling) {
            Some(pooling) => Some(pooling),
            None => pooling(folder)?,
        };
        let named = manifest.as_ref().is_some_and(|m| m.pooling.is_some());
        let source =
            source(&encoder.outputs(), pooling, named).map_err(|e| folder::unusable(folder, e))?;
        if source.pooling.is_some()
            && let Some(module) = modules.as_ref().and_then(foreign_module)
        {
            return Err(folder::unusable(
                folder,
                format!(
                    "modules.json has a {module} after the pooling, which is not in the graph; export \
                     the whole model, with `sentence_embedding` among its outputs"
                ),
            ));
        }
        let (query_prefix, document_prefix) = prefixes(folder, manifest.as_ref())?;
        let mut embedder = Self {
            encoder,
            source,
            normalise: normalises(manifest.as_ref(), modules.as_ref()),
            query_prefix,
            document_prefix,
            width: 0,
        };
        embedder
            .encoder
            .check_vocabulary(folder, &embedder.source.output)?;
        let probe = embedder.embed(
            &["check"],
            &EmbedOptions {
                truncate: true,
                ..EmbedOptions::default()
            },
        );
        embedder.width = probe.map_err(|e| folder::unusable(folder, e))?[0].len();
        if let Some(said) = manifest.as_ref().and_then(|m| m.embedding_width)
            && said as usize != embedder.width
        {
            return Err(folder::unusable(
                folder,
                format!(
                    "embedding-width in model.yaml is {said}, the graph gives {} numbers",
                    embedder.width
                ),
            ));
        }
        Ok(embedder)
    }

    /// How many numbers a vector has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Longest text in tokens, prefix and special ones included.
    pub fn max_tokens(&self) -> usize {
        self.encoder.max_tokens
    }

    /// How the vectors of a text's tokens become one; `None` where the graph does that itself.
    pub fn pooling(&self) -> Option<Pooling> {
        self.source.pooling
    }

    /// Whether vectors have the length one.
    pub fn normalises(&self) -> bool {
        self.normalise
    }

    /// Tokens of all texts together, special ones included, without prefixes. Fails as [`Self::embed`] does.
    pub fn count_tokens(&self, texts: &[&str]) -> Result<usize> {
        let rows = texts.iter().map(|text| {
            let row = self.encoder.row("a text", text, None, false)?;
            Ok(row.len())
        });
        rows.sum()
    }

    /// A vector for each text, in their order.
    ///
    /// Fails with [`crate::Error::TooLong`] if a text with its prefix is longer than the model takes and
    /// `options` do not say to cut it, with [`crate::Error::Inference`] if the graph gives what is no vector.
    pub fn embed(&self, texts: &[&str], options: &EmbedOptions) -> Result<Vec<Vec<f32>>> {
        let prefix = match options.purpose {
            Purpose::Similarity => "",
            Purpose::Query => &self.query_prefix,
            Purpose::Document => &self.document_prefix,
        };
        let rows = texts
            .iter()
            .map(|text| {
                let text = format!("{prefix}{text}");
                self.encoder.row("a text", &text, None, options.truncate)
            })
            .collect::<Result<Vec<Row>>>()?;
        let mut vectors = vec![Vec::new(); rows.len()];
        for pass in self.encoder.passes(&rows) {
            let members: Vec<&Row> = pass.iter().map(|at| &rows[*at]).collect();
            let found = self
                .encoder
                .run(&members, &self.source.output, |output, _| {
                    self.vectors(&output, &members)
                })?;
            for (at, vector) in pass.into_iter().zip(found) {
                vectors[at] = vector;
            }
        }
        Ok(vectors)
    }

    fn vectors(&self, output: &Output<'_>, rows: &[&Row]) -> Result<Vec<Vec<f32>>> {
        let failed = |reason: String| self.encoder.failed("reading the outputs", &reason);
        let longest = rows.iter().map(|r| r.len()).max().unwrap_or(0);
        let width = match (self.source.pooling, &output.shape[..]) {
            (Some(_), [_, tokens, width]) if *tokens == longest => *width,
            (None, [_, width]) => *width,
            (_, shape) => {
                return Err(failed(format!(
                    "`{}` has shape {shape:?} for {} texts of up to {longest} tokens",
                    self.source.output,
                    rows.len()
                )));
            }
        };
        let mut vectors = Vec::with_capacity(rows.len());
        for (row, values) in rows
            .iter()
            .zip(output.values.chunks_exact(output.values.len() / rows.len()))
        {
            let mut vector = match self.source.pooling {
                None => values.to_vec(),
                Some(pooling) => pool(&values[..row.len() * width], width, pooling),
            };
            if self.normalise {
                vector = unit(&vector).ok_or_else(|| {
                    failed("the vector of a text has no length; it cannot be normalised".into())
                })?;
            }
            vectors.push(vector);
        }
        Ok(vectors)
    }
}

/// One vector of `width` numbers out of the tokens' `values`, at least one token.
fn pool(values: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let tokens = values.len() / width;
    match pooling {
        Pooling::Cls => values[..width].to_vec(),
        Pooling::Last => values[values.len() - width..].to_vec(),
        Pooling::Max => (0..width)
            .map(|at| {
                let column = values.iter().skip(at).step_by(width);
                column.copied().fold(f32::NEG_INFINITY, f32::max)
            })
            .collect(),
        Pooling::Mean => (0..width)
            .map(|at| values.iter().skip(at).step_by(width).sum::<f32>() / tokens as f32)
            .collect(),
    }
}

/// The vector at length one.
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    (length.is_finite() && length > 1e-12).then(|| vector.iter().map(|v| v / length).collect())
}

/// Which output to read. What pools itself is taken as it is, unless `model.yaml` names a pooling.
fn source(
    outputs: &[(String, ValueType)],
    pooling: Option<Pooling>,
    named: bool,
) -> std::result::Result<Source, String> {
    let rank = |name: &str| {
        let (_, kind) = outputs.iter().find(|(n, _)| n == name)?;
        kind.tensor_shape().map(|shape| shape.len())
    };
    let pooled = POOLED.into_iter().find(|name| rank(name) == Some(2));
    let by_token = BY_TOKEN.into_iter().find(|name| rank(name) == Some(3));
    let take = |output: &str, pooling| {
        Ok(Source {
            output: output.to_owned(),
            pooling,
        })
    };
    match (pooled, by_token, pooling) {
        (None, None, _) => Err(format!(
            "its graph gives {}; expected last_hidden_state [batch, tokens, width] or \
             sentence_embedding [batch, width]",
            outputs
                .iter()
                .map(|(name, kind)| format!("`{name}` {kind}"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        (_, Some(output), Some(_)) if named => take(output, pooling),
        (Some(_), None, Some(_)) if named => Err(
            "`pooling` is in model.yaml, but the graph gives no vectors of tokens; leave it out"
                .into(),
        ),
        // BERT's pooler is for classification: a known pooling is meant for the tokens.
        (Some("pooler_output"), Some(output), Some(_)) => take(output, pooling),
        (Some(output), by_token, _) if output != "pooler_output" || by_token.is_none() => {
            take(output, None)
        }
        (_, Some(output), Some(_)) => take(output, pooling),
        (_, Some(_), None) | (Some(_), None, _) => Err(
            "nothing in it says how the tokens' vectors become one (1_Pooling/config.json); write \
             `pooling: mean` (or cls, max, last) into model.yaml, as the model's page says"
                .into(),
        ),
    }
}

/// What `1_Pooling/config.json` says.
fn pooling(folder: &Path) -> Result<Option<Pooling>> {
    let Some(config) = folder::json(folder, "1_Pooling/config.json")? else {
        return Ok(None);
    };
    let names: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![name],
        _ => [
            ("pooling_mode_cls_token", "cls"),
            ("pooling_mode_mean_tokens", "mean"),
            ("pooling_mode_max_tokens", "max"),
            ("pooling_mode_lasttoken", "lasttoken"),
            ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
            ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ]
        .into_iter()
        .filter(|(key, _)| config.get(*key).and_then(Value::as_bool) == Some(true))
        .map(|(_, name)| name)
        .collect(),
    };
    match names[..] {
        ["cls"] => Ok(Some(Pooling::Cls)),
        ["mean"] => Ok(Some(Pooling::Mean)),
        ["max"] => Ok(Some(Pooling::Max)),
        ["lasttoken"] => Ok(Some(Pooling::Last)),
        _ => Err(folder::unusable(
            &folder.join("1_Pooling/config.json"),
            format!(
                "it pools by {}; this engine knows one of cls, mean, max, last",
                if names.is_empty() {
                    "nothing".into()
                } else {
                    names.join(" and ")
                }
            ),
        )),
    }
}

/// Types of the modules, without their package.
fn modules_of(modules: &Value) -> impl Iterator<Item = &str> {
    let list = modules.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|m| m.get("type")?.as_str()?.rsplit('.').next())
}

/// A module that computes something after the tokens' vectors are pooled.
fn foreign_module(modules: &Value) -> Option<&str> {
    modules_of(modules).find(|m| !["Transformer", "Pooling", "Normalize"].contains(m))
}

/// Whether vectors are brought to length one. Folders without `modules.json` are plain exports, whose
/// vectors are compared by their angle.
fn normalises(manifest: Option<&Manifest>, modules: Option<&Value>) -> bool {
    manifest.and_then(|m| m.normalise).unwrap_or_else(|| {
        modules.is_none_or(|modules| modules_of(modules).any(|m| m == "Normalize"))
    })
}

/// What stands before queries and before documents.
fn prefixes(folder: &Path, manifest: Option<&Manifest>) -> Result<(String, String)> {
    let config = folder::json(folder, "config_sentence_transformers.json")?;
    let prompt = |names: &[&str]| {
        let prompts = config.as_ref()?.get("prompts")?;
        let prompt = names.iter().find_map(|name| prompts.get(name)?.as_str())?;
        Some(prompt.to_owned())
    };
    let query = manifest.and_then(|m| m.query_prefix.clone());
    let document = manifest.and_then(|m| m.document_prefix.clone());
    Ok((
        query.or_else(|| prompt(&["query"])).unwrap_or_default(),
        document
            .or_else(|| prompt(&["document", "passage"]))
            .unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ort::value::{Shape, SymbolicDimensions, TensorElementType};

    fn outputs(of: &[(&str, usize)]) -> Vec<(String, ValueType)> {
        of.iter()
            .map(|(name, rank)| {
                let kind = ValueType::Tensor {
                    ty: TensorElementType::Float32,
                    shape: Shape::new(vec![-1; *rank]),
                    dimension_symbols: SymbolicDimensions::empty(*rank),
                };
                (name.to_string(), kind)
            })
            .collect()
    }

    #[test]
    fn the_right_output_is_read() {
        let both = outputs(&[("last_hidden_state", 3), ("pooler_output", 2)]);
        let whole = outputs(&[("token_embeddings", 3), ("sentence_embedding", 2)]);
        let take = |outputs, pooling, named| {
            let source = source(outputs, pooling, named)?;
            Ok::<_, String>((source.output, source.pooling))
        };
        let cls = Some(Pooling::Cls);
        assert_eq!(
            take(&both, cls, false).unwrap(),
            ("last_hidden_state".into(), cls)
        );
        assert_eq!(
            take(&whole, cls, false).unwrap(),
            ("sentence_embedding".into(), None)
        );
        assert_eq!(
            take(&whole, cls, true).unwrap(),
            ("token_embeddings".into(), cls)
        );
        let pooler = outputs(&[("pooler_output", 2)]);
        assert_eq!(
            take(&pooler, None, false).unwrap(),
            ("pooler_output".into(), None)
        );
        assert!(
            take(&pooler, cls, true)
                .unwrap_err()
                .contains("leave it out")
        );
        assert!(
            take(&both, None, false)
                .unwrap_err()
                .contains("pooling: mean")
        );
        let logits = outputs(&[("logits", 2)]);
        assert!(take(&logits, cls, false).unwrap_err().contains("`logits`"));
    }

    #[test]
    fn pooling_by_rule() {
        // Two tokens of three numbers.
        let values = [1.0, 5.0, -2.0, 3.0, 1.0, -4.0];
        let by = |pooling| pool(&values, 3, pooling);
        assert_eq!(by(Pooling::Cls), [1.0, 5.0, -2.0]);
        assert_eq!(by(Pooling::Last), [3.0, 1.0, -4.0]);
        assert_eq!(by(Pooling::Max), [3.0, 5.0, -2.0]);
        assert_eq!(by(Pooling::Mean), [2.0, 3.0, -3.0]);
    }

    #[test]
    fn modules_say_what_follows() {
        let modules = |types: &[&str]| {
            let list: Vec<_> = types
                .iter()
                .map(|t| serde_json::json!({"type": format!("sentence_transformers.models.{t}")}))
                .collect();
            Value::from(list)
        };
        let plain = modules(&["Transformer", "Pooling"]);
        let unit = modules(&["Transformer", "Pooling", "Normalize"]);
        assert!(normalises(None, None) && normalises(None, Some(&unit)));
        assert!(!normalises(None, Some(&plain)));
        assert_eq!(foreign_module(&unit), None);
        let dense = modules(&["Transformer", "Pooling", "Dense"]);
        assert_eq!(foreign_module(&dense), Some("Dense"));
    }
}
