//! Text encoders: tokens of several texts in one pass, for [`crate::embedding`] and [`crate::reranker`].
//!
//! Takes graphs with `input_ids`, `attention_mask` and maybe `token_type_ids` and `position_ids`, as
//! Optimum exports them. Texts are sorted by length and share passes with texts about as long as they
//! are, so that little is computed for padding.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::{Tensor, TensorElementType, ValueType};
use tokenizers::{EncodeInput, Encoding, PostProcessor, Tokenizer, TruncationDirection};

use crate::manifest::{Kind, Manifest};
use crate::{Error, Result, folder, graph, session};

/// Texts of one pass at most.
const BATCH: usize = 32;

/// Tokens of one pass at most, padding included; one text alone may have more.
const BATCH_TOKENS: usize = 8192;

/// Bytes that one token stands for at most, before a text is taken to be too long without tokenising it.
const MAX_TOKEN_BYTES: usize = 64;

/// Longest input of a model, in tokens; a folder that says more does not know.
const MAX_TOKENS: u64 = 1 << 20;

/// The inputs that are provided, beside `input_ids`.
#[derive(Debug, Clone, Copy, Default)]
struct Inputs {
    mask: bool,
    types: bool,
    positions: bool,
}

/// A graph and a tokenizer that fit each other.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub name: String,
    tokenizer: Tokenizer,
    session: Mutex<Session>,
    inputs: Inputs,
    /// Longest input in tokens, special ones included.
    pub max_tokens: usize,
    padding: u32,
    /// Texts of one pass.
    batch: usize,
}

/// One text as the graph takes it. Rows of one pass are padded to the longest at their end.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    ids: Vec<u32>,
    types: Vec<u32>,
}

impl Row {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

/// One output of a pass.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    /// Its dimensions, the first one is the batch.
    pub shape: Vec<usize>,
    /// Its numbers, all finite.
    pub values: std::borrow::Cow<'a, [f32]>,
}

impl Encoder {
    /// Loads graph and tokenizer of `folder`.
    pub(crate) fn load(folder: &Path, kind: Kind, manifest: Option<&Manifest>) -> Result<Self> {
        let tokenizer = folder::tokenizer(folder)?;
        let max_tokens = max_tokens(folder, manifest)?;
        let file = folder::graph(folder, kind)?;
        let summary = graph::summary(&file)
            .map_err(|e| folder::unusable(&file, format!("its graph cannot be read: {e}")))?;
        let session = session::open(&file, None, kind)?;
        let inputs = inputs(&session).map_err(|e| folder::unusable(&file, e))?;
        let padding = padding(folder, &tokenizer)?;
        Ok(Self {
            name: folder::name(folder),
            tokenizer,
            session: Mutex::new(session),
            inputs,
            max_tokens,
            padding,
            // A graph that scales its activations by what stands in the whole pass would give a text
            // another vector in other company.
            batch: if summary.scales_by_pass() { 1 } else { BATCH },
        })
    }

    /// Names and types of the graph's outputs.
    pub(crate) fn outputs(&self) -> Vec<(String, ValueType)> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.outputs().iter();
        outputs
            .map(|o| (o.name().to_owned(), o.dtype().clone()))
            .collect()
    }

    /// The tokens of a text, or of a pair by the tokenizer's own template. With `truncate` the end of the
    /// text, of a pair's second one, is cut off where it is too long, else that is [`Error::TooLong`].
    pub(crate) fn row(
        &self,
        what: &'static str,
        text: &str,
        second: Option<&str>,
        truncate: bool,
    ) -> Result<Row> {
        let limit = self.max_tokens;
        let most = limit.saturating_mul(MAX_TOKEN_BYTES);
        let bounded = |text: &str| -> Result<String> {
            if text.len() <= most {
                return Ok(text.to_owned());
            }
            if !truncate {
                return Err(Error::TooLong {
                    what,
                    tokens: text.len() / 4,
                    limit,
                });
            }
            Ok(text[..text.floor_char_boundary(most)].to_owned())
        };
        let failed = |e: tokenizers::Error| self.failed("tokenising", &e);
        let encoding = if truncate {
            self.cut(&bounded(text)?, second.map(bounded).transpose()?)?
        } else {
            let input = match second {
                None => EncodeInput::Single(bounded(text)?.into()),
                Some(second) => EncodeInput::Dual(bounded(text)?.into(), bounded(second)?.into()),
            };
            self.tokenizer.encode(input, true).map_err(failed)?
        };
        let tokens = encoding.len();
        if tokens > limit {
            return Err(Error::TooLong {
                what,
                tokens,
                limit,
            });
        }
        if tokens == 0 {
            return Err(self.failed("tokenising", &"the tokenizer makes no tokens of it"));
        }
        Ok(Row {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
        })
    }

    /// Tokens with the end of the last text cut off where they are too many; special ones stay.
    fn cut(&self, text: &str, second: Option<String>) -> Result<Encoding> {
        let failed = |e: tokenizers::Error| self.failed("tokenising", &e);
        let special = self
            .tokenizer
            .get_post_processor()
            .map_or(0, |p| p.added_tokens(second.is_some()));
        let mut room = self.max_tokens.saturating_sub(special);
        let mut first = self.tokenizer.encode(text, false).map_err(failed)?;
        let second = match second {
            None => {
                first.truncate(room, 0, TruncationDirection::Right);
                first.take_overflowing();
                None
            }
            Some(second) => {
                // What is asked stays whole: without it there is nothing to rank by.
                room = room.saturating_sub(first.len());
                let mut second = self.tokenizer.encode(second, false).map_err(failed)?;
                second.truncate(room, 0, TruncationDirection::Right);
                // What was cut off would be kept and processed as well.
                second.take_overflowing();
                Some(second)
            }
        };
        self.tokenizer
            .post_process(first, second, true)
            .map_err(failed)
    }

    /// Which rows share a pass: indices into `rows`, the longest first.
    pub(crate) fn passes(&self, rows: &[Row]) -> Vec<Vec<usize>> {
        passes(rows, self.batch)
    }

    /// Computes the output `name` of some `rows` in one pass and hands it to `read` with the length that they
    /// are padded to. Fails where a number of it is none.
    pub(crate) fn run<T>(
        &self,
        rows: &[&Row],
        name: &str,
        read: impl FnOnce(Output<'_>, usize) -> Result<T>,
    ) -> Result<T> {
        let failed = |e: ort::Error| self.failed("preparing", &e);
        let width = rows.iter().map(|r| r.len()).max().unwrap_or(0);
        let shape = [rows.len(), width];
        let column = |of: &dyn Fn(&Row, usize) -> i64| {
            let values: Vec<i64> = rows
                .iter()
                .flat_map(|row| (0..width).map(move |at| of(row, at)))
                .collect();
            Tensor::from_array((shape, values)).map_err(failed)
        };
        let padding = i64::from(self.padding);
        let id = |row: &Row, at: usize| row.ids.get(at).map_or(padding, |id| i64::from(*id));
        let mut inputs = vec![("input_ids", column(&id)?)];
        if self.inputs.mask {
            inputs.push(("attention_mask", column(&|r, at| i64::from(at < r.len()))?));
        }
        if self.inputs.types {
            let kind = |r: &Row, at: usize| r.types.get(at).map_or(0, |t| i64::from(*t));
            inputs.push(("token_type_ids", column(&kind)?));
        }
        if self.inputs.positions {
            inputs.push(("position_ids", column(&|_, at| at as i64)?));
        }
        let options = RunOptions::new()
            .map_err(failed)?
            .with_outputs(OutputSelector::no_default().with(name));
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session
            .run_with_options(inputs, &options)
            .map_err(|e| self.failed("running", &e))?;
        let output = floats(&outputs[name]).map_err(|e| self.failed("reading the outputs", &e))?;
        if output.shape.first() != Some(&rows.len()) {
            let reason = format!(
                "`{name}` has shape {:?} for {} texts",
                output.shape,
                rows.len()
            );
            return Err(self.failed("reading the outputs", &reason));
        }
        read(output, width)
    }

    /// A pass over the tokenizer's highest token, so that a tokenizer with more tokens than the graph has
    /// fails when the model is loaded and not at the first rare word.
    pub(crate) fn check_vocabulary(&self, folder: &Path, output: &str) -> Result<()> {
        let highest = self.tokenizer.get_vocab(true).into_values().max();
        let Some(highest) = highest else {
            return Err(folder::unusable(folder, "tokenizer.json has no tokens"));
        };
        let row = Row {
            ids: vec![highest.max(self.padding); 2.min(self.max_tokens)],
            types: vec![0; 2.min(self.max_tokens)],
        };
        self.run(&[&row], output, |_, _| Ok(())).map_err(|e| {
            folder::unusable(
                folder,
                format!(
                    "tokenizer.json has tokens up to {highest}, which the graph does not take; they do \
                     not fit each other: {e}"
                ),
            )
        })
    }

    pub(crate) fn failed(&self, step: &'static str, reason: &dyn std::fmt::Display) -> Error {
        Error::inference(&self.name, step, reason)
    }
}

/// An output's numbers, fp16 ones widened; an error where it has no numbers or one that is none.
pub(crate) fn floats(value: &ort::value::DynValue) -> std::result::Result<Output<'_>, String> {
    let (shape, values) = match value.dtype() {
        ValueType::Tensor {
            ty: TensorElementType::Float16,
            ..
        } => {
            let (shape, values) = value
                .try_extract_tensor::<half::f16>()
                .map_err(|e| e.to_string())?;
            let wide: Vec<f32> = values.iter().map(|v| v.to_f32()).collect();
            (shape, std::borrow::Cow::Owned(wide))
        }
        _ => {
            let (shape, values) = value
                .try_extract_tensor::<f32>()
                .map_err(|e| e.to_string())?;
            (shape, std::borrow::Cow::Borrowed(values))
        }
    };
    let shape: Vec<usize> = shape
        .iter()
        .map(|d| usize::try_from(*d).unwrap_or(0))
        .collect();
    if values.is_empty() {
        return Err(format!("the output of shape {shape:?} is empty"));
    }
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(format!(
            "number {at} of {} is {}; the graph is broken or overflows its precision",
            values.len(),
            values[at]
        ));
    }
    Ok(Output { shape, values })
}

/// Fewest passes over little padding: rows by length, the longest first.
fn passes(rows: &[Row], batch: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(rows[*at].len()));
    let mut passes: Vec<Vec<usize>> = Vec::new();
    for at in order {
        match passes.last_mut() {
            Some(pass)
                if pass.len() < batch && (pass.len() + 1) * rows[pass[0]].len() <= BATCH_TOKENS =>
            {
                pass.push(at);
            }
            _ => passes.push(vec![at]),
        }
    }
    passes
}

fn inputs(session: &Session) -> std::result::Result<Inputs, String> {
    let mut inputs = Inputs::default();
    let mut ids = false;
    for input in session.inputs() {
        match input.name() {
            "input_ids" => ids = true,
            "attention_mask" => inputs.mask = true,
            "token_type_ids" => inputs.types = true,
            "position_ids" => inputs.positions = true,
            name => {
                return Err(format!(
                    "its graph wants the input `{name}`, which this engine does not provide; it takes \
                     exports with input_ids, attention_mask, token_type_ids and position_ids"
                ));
            }
        }
        match input.dtype() {
            ValueType::Tensor {
                ty: TensorElementType::Int64,
                shape,
                ..
            } if shape.len() == 2 => {}
            other => {
                return Err(format!(
                    "its input `{}` is {other}; expected [batch, tokens] in int64",
                    input.name()
                ));
            }
        }
    }
    if ids {
        Ok(inputs)
    } else {
        Err("its graph has no input_ids".into())
    }
}

/// Longest input in tokens: what `model.yaml` says, else sentence-transformers' and the tokenizer's
/// settings, never more than the model has positions.
fn max_tokens(folder: &Path, manifest: Option<&Manifest>) -> Result<usize> {
    let number = |file: &str, key: &str| -> Result<Option<u64>> {
        // Tokenizers without a limit say 1e30.
        Ok(folder::json(folder, file)?
            .and_then(|json| json.get(key)?.as_u64())
            .filter(|n| (1..=MAX_TOKENS).contains(n)))
    };
    let config = folder::json(folder, "config.json")?;
    let family = config.as_ref().and_then(|c| c.get("model_type")?.as_str());
    // RoBERTa's positions begin behind the padding token's.
    let unused = match family {
        Some("roberta" | "xlm-roberta" | "camembert" | "mpnet") => 2,
        _ => 0,
    };
    let positions =
        number("config.json", "max_position_embeddings")?.map(|n| n.saturating_sub(unused).max(1));
    let said = match manifest.and_then(|m| m.max_tokens) {
        Some(n) => Some(u64::from(n)),
        None => match number("sentence_bert_config.json", "max_seq_length")? {
            Some(n) => Some(n),
            None => number("tokenizer_config.json", "model_max_length")?,
        },
    };
    let limit = match (said, positions) {
        (Some(said), Some(positions)) => said.min(positions),
        (Some(n), None) | (None, Some(n)) => n,
        (None, None) => {
            return Err(folder::unusable(
                folder,
                "nothing in it says how long a text may be (sentence_bert_config.json, \
                 tokenizer_config.json, config.json); write max-tokens into model.yaml",
            ));
        }
    };
    Ok(limit as usize)
}

/// The token that fills rows up. What it is changes nothing where the mask is respected.
fn padding(folder: &Path, tokenizer: &Tokenizer) -> Result<u32> {
    let config = folder::json(folder, "config.json")?;
    let named = config
        .and_then(|c| c.get("pad_token_id")?.as_u64())
        .and_then(|n| u32::try_from(n).ok());
    Ok(named
        .or_else(|| {
            ["[PAD]", "<pad>", "<|endoftext|>"]
                .iter()
                .find_map(|t| tokenizer.token_to_id(t))
        })
        .unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(length: usize) -> Row {
        Row {
            ids: vec![1; length],
            types: vec![0; length],
        }
    }

    #[test]
    fn rows_of_like_length_share_passes() {
        let rows: Vec<Row> = [3, 500, 4, 3, 490, 9000].map(row).into();
        assert_eq!(passes(&rows, 32), [vec![5], vec![1, 4, 2, 0, 3]]);
        assert_eq!(passes(&rows, 1).len(), 6);
        assert!(passes(&[], 32).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn every_row_is_in_one_pass(lengths in proptest::collection::vec(1usize..9000, 0..200), batch in 1usize..40) {
            let rows: Vec<Row> = lengths.iter().map(|l| row(*l)).collect();
            let passes = passes(&rows, batch);
            let mut seen: Vec<usize> = passes.iter().flatten().copied().collect();
            seen.sort_unstable();
            proptest::prop_assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>());
            for pass in passes {
                let longest = pass.iter().map(|at| rows[*at].len()).max().unwrap_or(0);
                proptest::prop_assert!(pass.len() <= batch);
                proptest::prop_assert!(pass.len() == 1 || pass.len() * longest <= BATCH_TOKENS);
            }
        }
    }
}
