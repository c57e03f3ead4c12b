//! The planner: one small encoder that turns a request into a tool call, and texts into vectors.
//!
//! The folder holds `model.onnx`, `tokenizer.json` and `planner.json` ([`config`]). One forward pass
//! gives a sentence embedding, a logit for each tool, and for each slot where it begins and ends.
//! [`decode`] ranks tools and finds the words of each argument, [`values`] says what the words mean,
//! `decide` chooses between a call, a question and a reply. It proposes only what is in the
//! request: it cannot make up a path.

mod clauses;
pub mod config;
mod decide;
pub mod decode;
#[cfg(test)]
mod test_data;
pub mod values;
mod wording;

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::civil::DateTime;
use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::Tensor;
use serde::Serialize;
use serde_json::Value;
use tokenizers::Tokenizer;

use crate::{Error, Result, registry, session};
use config::Config;
use decode::Heads;

/// Requests in one sentence that are told apart.
const MAX_CALLS: usize = 4;

/// What to do about a request. Exactly one of the three is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Calls to make, in order.
    pub calls: Vec<Call>,
    /// A question back.
    pub question: Option<String>,
    /// An answer that needs no tool.
    pub reply: Option<String>,
}

impl Plan {
    fn question(text: String) -> Self {
        Self {
            question: Some(text),
            ..Self::default()
        }
    }

    fn reply(text: String) -> Self {
        Self {
            reply: Some(text),
            ..Self::default()
        }
    }
}

/// A proposed call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// Tool.
    pub tool: String,
    /// Arguments, an object whose values have the types of the tool's schema.
    pub arguments: Value,
    /// Probability of tool and arguments being what was meant, 0 to 1.
    pub confidence: f64,
}

/// A planner in memory. Calls from several threads take turns.
#[derive(Debug)]
pub struct Planner {
    name: String,
    config: Config,
    tokenizer: Tokenizer,
    session: Mutex<Session>,
    dimensions: usize,
}

/// A text as the graph takes it.
struct Encoded {
    ids: Vec<i64>,
    offsets: Vec<Range<usize>>,
}

impl Planner {
    /// Loads the model in `folder`, whose files have `size_bytes` together.
    pub fn load(folder: &Path, size_bytes: u64) -> Result<Self> {
        let unusable = |reason: String| Error::Model {
            path: folder.to_owned(),
            reason,
        };
        let config = Config::load(folder)?;
        let graph = match registry::manifest(folder) {
            Ok(manifest) => manifest.graph.unwrap_or_else(|| "model.onnx".into()),
            Err(_) if !folder.join("model.yaml").exists() => "model.onnx".into(),
            Err(e) => return Err(e),
        };
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
            .map_err(|e| unusable(format!("tokenizer.json: {e}")))?;
        // Lengths are checked here: nothing is cut silently.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| unusable(format!("tokenizer.json: {e}")))?;
        let session = session::open(&folder.join(graph), size_bytes, None)?;
        let mut planner = Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            config,
            tokenizer,
            session: Mutex::new(session),
            dimensions: 0,
        };
        planner.dimensions = planner.check().map_err(|e| unusable(e.to_string()))?;
        Ok(planner)
    }

    /// The tools it knows, without `none`.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.config
            .tools
            .iter()
            .map(String::as_str)
            .filter(|t| *t != config::NONE)
    }

    /// The longest input in tokens, special ones included.
    pub fn max_tokens(&self) -> usize {
        self.config.max_tokens
    }

    /// How many numbers an embedding has.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What to do about `request`. `allowed` names the tools that may be proposed, empty means all;
    /// names the model does not know are ignored. `now` is the person's local time.
    ///
    /// Several requests in one sentence become several calls. Where one of them is unclear, all wait: the
    /// plan is the question.
    ///
    /// Fails with [`Error::TooLong`] if the request is longer than the model takes, with
    /// [`Error::InvalidArguments`] if it is empty.
    pub fn plan(&self, request: &str, allowed: &[String], now: DateTime) -> Result<Plan> {
        if request.trim().is_empty() {
            return Err(Error::InvalidArguments("the request is empty".into()));
        }
        self.plan_clauses(request, allowed, now, MAX_CALLS)
    }

    /// Plans at most `calls` requests that stand in one sentence.
    fn plan_clauses(
        &self,
        request: &str,
        allowed: &[String],
        now: DateTime,
        calls: usize,
    ) -> Result<Plan> {
        let (whole, next) = self.plan_one(request, allowed, now)?;
        let Some((first, rest)) = next
            .filter(|_| calls > 1)
            .and_then(|at| clauses::split(request, at))
        else {
            return Ok(whole);
        };
        let (mut first, _) = self.plan_one(first, allowed, now)?;
        let rest = self.plan_clauses(rest, allowed, now, calls - 1)?;
        if first.reply.is_some() || rest.reply.is_some() {
            // A part that no tool does is a sign that it was one request after all.
            return Ok(whole);
        }
        if first.question.is_some() {
            return Ok(first);
        }
        if rest.question.is_some() {
            return Ok(rest);
        }
        first.calls.extend(rest.calls);
        Ok(first)
    }

    /// Plans one request; also returns where another one begins that stands in the same sentence.
    fn plan_one(
        &self,
        request: &str,
        allowed: &[String],
        now: DateTime,
    ) -> Result<(Plan, Option<usize>)> {
        let encoded = self.encode(request, "the request")?;
        let length = encoded.ids.len();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs(&encoded).map_err(|e| self.failed("preparing", &e))?);
        let outputs = outputs.map_err(|e| self.failed("planning", &e))?;
        let output = |name: &'static str, length: usize| {
            let (_, values) = outputs[name]
                .try_extract_tensor::<f32>()
                .map_err(|e| self.failed("reading the outputs", &e))?;
            if values.len() != length || values.iter().any(|v| v.is_nan()) {
                let reason = format!(
                    "`{name}` has {} numbers, expected {length}, none NaN",
                    values.len()
                );
                return Err(self.failed("reading the outputs", &reason));
            }
            Ok(values)
        };
        let pointers = self.config.slots.len() * length;
        let heads = Heads {
            tool_logits: output("tool_logits", self.config.tools.len())?,
            slot_start: output("slot_start", pointers)?,
            slot_end: output("slot_end", pointers)?,
        };
        let plan = decide::decide(&self.config, request, &encoded.offsets, heads, allowed, now);
        let next = decode::next_request(&self.config, heads, request, &encoded.offsets);
        Ok((plan, next))
    }

    /// Tokens that the model takes a text for, special ones included. Fails as [`Self::embed`] does.
    pub fn count_tokens(&self, text: &str) -> Result<usize> {
        Ok(self.encode(text, "a text")?.ids.len())
    }

    /// A unit vector for each text. Fails with [`Error::TooLong`] if one is longer than the model
    /// takes.
    ///
    /// Each text has a pass of its own. An int8 graph scales its activations by what stands in the whole
    /// pass, so that texts in one pass change each other's vectors (measured: cosine 0.995 between alone
    /// and in company), and the same text would be found less surely than it should. Sharing a pass would
    /// save a quarter of the time.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let encoded = texts
            .iter()
            .map(|t| self.encode(t, "a text"))
            .collect::<Result<Vec<_>>>()?;
        let options = RunOptions::new()
            .map_err(|e| self.failed("preparing", &e))?
            .with_outputs(OutputSelector::no_default().with("embedding"));
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut vectors = Vec::with_capacity(texts.len());
        for text in encoded {
            let inputs = inputs(&text).map_err(|e| self.failed("preparing", &e))?;
            let outputs = session
                .run_with_options(inputs, &options)
                .map_err(|e| self.failed("embedding", &e))?;
            let (shape, values) = outputs["embedding"]
                .try_extract_tensor::<f32>()
                .map_err(|e| self.failed("reading the outputs", &e))?;
            if **shape != [1, values.len() as i64] {
                return Err(self.failed(
                    "reading the outputs",
                    &format!("embedding has shape {shape:?}"),
                ));
            }
            vectors.push(unit(values).ok_or_else(|| {
                self.failed("embedding", &"the vector has no length or no number in it")
            })?);
        }
        Ok(vectors)
    }

    /// Runs the graph once and compares its outputs with `planner.json`; returns the width of the
    /// embedding. A model that does not fit fails when it is loaded, not at the first request.
    fn check(&self) -> Result<usize> {
        {
            let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let missing = |wanted: &[&str], there: &[ort::value::Outlet]| {
                wanted
                    .iter()
                    .find(|w| !there.iter().any(|o| o.name() == **w))
                    .map(ToString::to_string)
            };
            let wanted = ["embedding", "tool_logits", "slot_start", "slot_end"];
            if let Some(name) = missing(&["input_ids", "attention_mask"], session.inputs())
                .or_else(|| missing(&wanted, session.outputs()))
            {
                return Err(self.failed("checking the graph", &format!("it has no `{name}`")));
            }
        }
        self.plan("check", &[], DateTime::default())?;
        Ok(self.embed(&["check"])?[0].len())
    }

    fn encode(&self, text: &str, what: &'static str) -> Result<Encoded> {
        // A token has at least one byte in the end, but normalisation may drop characters: the byte
        // limit only keeps absurd inputs from being tokenised at all.
        let limit = self.config.max_tokens;
        if text.len() > limit * 64 {
            return Err(Error::TooLong {
                what,
                tokens: text.len() / 4,
                limit,
            });
        }
        let encoding = self
            .tokenizer
            .encode(text, true)
            .map_err(|e| self.failed("tokenising", &e))?;
        let ids: Vec<i64> = encoding.get_ids().iter().map(|id| i64::from(*id)).collect();
        if ids.len() > limit {
            return Err(Error::TooLong {
                what,
                tokens: ids.len(),
                limit,
            });
        }
        if ids.is_empty() {
            return Err(self.failed("tokenising", &"the tokenizer makes no tokens of it"));
        }
        let special = encoding.get_special_tokens_mask();
        let offsets = encoding
            .get_offsets()
            .iter()
            .zip(special)
            .map(|((start, end), special)| {
                if *special == 1 {
                    0..0
                } else {
                    whole_characters(text, *start..*end)
                }
            })
            .collect();
        Ok(Encoded { ids, offsets })
    }

    fn failed(&self, step: &'static str, reason: &dyn std::fmt::Display) -> Error {
        Error::inference(&self.name, step, reason)
    }
}

/// The range widened to whole characters inside `text`.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let mut start = range.start.min(text.len());
    let mut end = range.end.clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

type Inputs = Vec<(&'static str, Tensor<i64>)>;

/// `input_ids` and `attention_mask` of one text.
fn inputs(text: &Encoded) -> ort::Result<Inputs> {
    let shape = [1, text.ids.len()];
    Ok(vec![
        ("input_ids", Tensor::from_array((shape, text.ids.clone()))?),
        (
            "attention_mask",
            Tensor::from_array((shape, vec![1; text.ids.len()]))?,
        ),
    ])
}

/// The vector at length one.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    (length.is_finite() && length > 1e-12).then(|| vector.iter().map(|v| v / length).collect())
}
