//! Rerankers: how well each of some texts answers a query.
//!
//! Runs cross-encoders as Optimum exports them (task `text-classification`): an
//! encoder over query and document together, joined by the tokenizer's own template for
//! pairs, whose `logits` are one number a pair, or two of which the second is "it answers".

use std::path::Path;

use crate::encoder::{Encoder, Row};
use crate::manifest::Kind;
use crate::{Error, Result, folder};

/// A reranker in memory. Calls from several threads take turns, pass by pass.
#[derive(Debug)]
pub struct Reranker {
    encoder: Encoder,
    query_prefix: String,
    document_prefix: String,
}

impl Reranker {
    /// Loads the model in `folder`.
    ///
    /// Fails with [`Error::Model`] where graph, tokenizer and settings do not fit each other.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = folder::optional_manifest(folder)?;
        let encoder = Encoder::load(folder, Kind::Reranker, manifest.as_ref())?;
        let outputs = encoder.outputs();
        let shape = outputs
            .iter()
            .find(|(name, _)| name == "logits")
            .and_then(|(_, kind)| kind.tensor_shape());
        let fits = shape.is_some_and(|s| match s[..] {
            [_] => true,
            [_, classes] => (-1..=2).contains(&classes) && classes != 0,
            _ => false,
        });
        if !fits {
            let there: Vec<String> = outputs.iter().map(|(n, k)| format!("`{n}` {k}")).collect();
            return Err(folder::unusable(
                folder,
                format!(
                    "its graph gives {}; expected logits [batch, 1] or [batch, 2]",
                    there.join(", ")
                ),
            ));
        }
        let prefix = |of: Option<&String>| of.cloned().unwrap_or_default();
        let reranker = Self {
            encoder,
            query_prefix: prefix(manifest.as_ref().and_then(|m| m.query_prefix.as_ref())),
            document_prefix: prefix(manifest.as_ref().and_then(|m| m.document_prefix.as_ref())),
        };
        reranker.encoder.check_vocabulary(folder, "logits")?;
        reranker
            .rank("check", &["check"], true)
            .map_err(|e| folder::unusable(folder, e))?;
        Ok(reranker)
    }

    /// Longest query and document together in tokens, special ones included.
    pub fn max_tokens(&self) -> usize {
        self.encoder.max_tokens
    }

    /// A score for each document, in their order: 0 to 1, the higher the better it answers. Scores of one
    /// model can be compared with each other; they are no probabilities unless it was trained for that.
    ///
    /// Fails with [`Error::TooLong`] if the query and a document together are longer than the model
    /// takes; with `truncate` the end of such a document is left out, and only a query that leaves no
    /// room is too long.
    pub fn rank(&self, query: &str, documents: &[&str], truncate: bool) -> Result<Vec<f32>> {
        let rows = self.rows(query, documents, truncate)?;
        let mut scores = vec![0.0; rows.len()];
        for pass in self.encoder.passes(&rows) {
            let members: Vec<&Row> = pass.iter().map(|at| &rows[*at]).collect();
            let found =
                self.encoder
                    .run(&members, "logits", |output, _| match output.shape[..] {
                        [_] | [_, 1] => Ok(output.values.iter().map(|v| sigmoid(*v)).collect()),
                        [_, 2] => Ok(output
                            .values
                            .chunks_exact(2)
                            .map(|pair| sigmoid(pair[1] - pair[0]))
                            .collect::<Vec<f32>>()),
                        _ => Err(self.failed(&output.shape)),
                    })?;
            for (at, score) in pass.into_iter().zip(found) {
                scores[at] = score;
            }
        }
        Ok(scores)
    }

    /// Tokens of all pairs together, special ones included. Fails as [`Self::rank`] does where it cuts nothing.
    pub fn count_tokens(&self, query: &str, documents: &[&str]) -> Result<usize> {
        Ok(self
            .rows(query, documents, false)?
            .iter()
            .map(Row::len)
            .sum())
    }

    fn rows(&self, query: &str, documents: &[&str], truncate: bool) -> Result<Vec<Row>> {
        let query = format!("{}{query}", self.query_prefix);
        let row = |document: &&str| {
            let document = format!("{}{document}", self.document_prefix);
            let what = "a query with its document";
            self.encoder.row(what, &query, Some(&document), truncate)
        };
        documents.iter().map(row).collect()
    }

    fn failed(&self, shape: &[usize]) -> Error {
        let reason = format!("`logits` has shape {shape:?}, expected one or two numbers a pair");
        self.encoder.failed("reading the outputs", &reason)
    }
}

/// The logistic function; the difference of two logits through it is their softmax.
pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
