//! Causal language models: text in, text out, one token at a time.
//!
//! Runs what the community exports: graphs with `input_ids`, `attention_mask`, maybe `position_ids`,
//! and a KV cache as `past_key_values.N.key|value` in and `present.N.key|value` out, in whatever
//! precision the graph has. The geometry is read from the graph, the chat template, stop tokens and
//! context length from the folder.
//!
//! One answer is: render the template, tokenise (too long is an error), *prefill* the whole prompt in
//! one pass, then *decode* one token a pass with the cache handed from pass to pass.

mod chat;
mod geometry;
mod sampling;
mod settings;
mod stop;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ort::memory::Allocator;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynValue, Tensor};
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

pub use chat::Message;
pub use sampling::Sampling;

use crate::{Error, Result, session};
use chat::Template;
use geometry::Geometry;
use settings::Settings;
use stop::StopFilter;

/// Tokens of an answer where the request does not say.
const DEFAULT_MAX_TOKENS: usize = 512;

/// How an answer is made. Whatever is absent is as the model's folder says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Most tokens of the answer; never more than the context leaves.
    pub max_tokens: Option<usize>,
    /// See [`Sampling`].
    pub temperature: Option<f32>,
    /// See [`Sampling`].
    pub top_k: Option<usize>,
    /// See [`Sampling`].
    pub top_p: Option<f32>,
    /// See [`Sampling`].
    pub seed: Option<u64>,
    /// The answer ends before any of these.
    pub stop: Vec<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The model was done, or a stop string appeared.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
    /// The caller had enough.
    Cancelled,
}

/// Counts of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Why it ended.
    pub reason: Reason,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated, the stop token included.
    pub completion_tokens: usize,
    /// Milliseconds for the prompt.
    pub prefill_ms: u64,
    /// Milliseconds for the answer.
    pub decode_ms: u64,
}

/// A causal language model in memory. Answers take turns.
#[derive(Debug)]
pub struct CausalLm {
    name: String,
    settings: Settings,
    geometry: Geometry,
    template: Option<Template>,
    tokenizer: Tokenizer,
    session: Mutex<Session>,
}

impl CausalLm {
    /// Loads the model in `folder`, whose files have `size_bytes` together.
    pub fn load(folder: &Path, size_bytes: u64) -> Result<Self> {
        let unusable = |reason: String| Error::Model {
            path: folder.to_owned(),
            reason,
        };
        let settings = Settings::read(folder)?;
        let mut tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
            .map_err(|e| unusable(format!("tokenizer.json: {e}")))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| unusable(format!("tokenizer.json: {e}")))?;
        let template = Template::read(folder)?;
        let session = session::open(&settings.graph, size_bytes)?;
        let geometry = Geometry::of(&session).map_err(unusable)?;
        Ok(Self {
            name: folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            settings,
            geometry,
            template,
            tokenizer,
            session: Mutex::new(session),
        })
    }

    /// Longest prompt and answer together, in tokens.
    pub fn context(&self) -> usize {
        self.settings.context
    }

    /// Answers a conversation. `emit` gets the text piece by piece; `cancelled` is asked before each
    /// token.
    ///
    /// Fails with [`Error::TooLong`] if the prompt fills the context, with
    /// [`Error::InvalidArguments`] if messages or options make no sense or the folder has no template.
    pub fn chat(
        &self,
        messages: &[Message],
        options: &Options,
        emit: &mut dyn FnMut(&str),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Finished> {
        if messages.is_empty() {
            return Err(Error::InvalidArguments(
                "there are no messages to answer".into(),
            ));
        }
        let template = self.template.as_ref().ok_or_else(|| {
            Error::InvalidArguments(format!(
                "model `{}` has no chat template (chat_template.jinja or tokenizer_config.json); it \
                 completes text but does not chat",
                self.name
            ))
        })?;
        // The template writes the special tokens itself.
        self.generate(&template.render(messages)?, false, options, emit, cancelled)
    }

    /// Continues `prompt` as it is. Like [`Self::chat`] otherwise.
    pub fn complete(
        &self,
        prompt: &str,
        options: &Options,
        emit: &mut dyn FnMut(&str),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Finished> {
        self.generate(prompt, true, options, emit, cancelled)
    }

    fn generate(
        &self,
        prompt: &str,
        special: bool,
        options: &Options,
        emit: &mut dyn FnMut(&str),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Finished> {
        let sampling = self.sampling(options)?;
        let encoding = self
            .tokenizer
            .encode(prompt, special)
            .map_err(|e| self.failed("tokenising", &e))?;
        let mut input: Vec<i64> = encoding.get_ids().iter().map(|i| i64::from(*i)).collect();
        let prompt_tokens = input.len();
        if prompt_tokens == 0 {
            return Err(Error::InvalidArguments("the prompt is empty".into()));
        }
        // At least one token of the answer has to fit.
        let limit = self.settings.context - 1;
        if prompt_tokens > limit {
            return Err(Error::TooLong {
                what: "the prompt",
                tokens: prompt_tokens,
                limit,
            });
        }
        let budget = options
            .max_tokens
            .unwrap_or(DEFAULT_MAX_TOKENS)
            .min(self.settings.context - prompt_tokens);
        if budget == 0 {
            return Err(Error::InvalidArguments(
                "max_tokens must be at least 1".into(),
            ));
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = sampling::Random::new(sampling.seed);
        let mut filter = StopFilter::new(&options.stop);
        let mut pieces = self.tokenizer.decode_stream(true);
        let mut cache = self.empty_cache()?;
        let mut finished = Finished {
            reason: Reason::Length,
            prompt_tokens,
            completion_tokens: 0,
            prefill_ms: 0,
            decode_ms: 0,
        };
        let mut past = 0;
        let start = Instant::now();
        let mut prefill = Duration::ZERO;
        while finished.completion_tokens < budget {
            if cancelled() {
                finished.reason = Reason::Cancelled;
                break;
            }
            let taken = input.len();
            let logits = self.pass(&mut session, &input, past, &mut cache)?;
            if past == 0 {
                prefill = start.elapsed();
            }
            past += taken;
            let token = sampling::choose(&logits, &sampling, &mut random) as u32;
            finished.completion_tokens += 1;
            if self.settings.stop_tokens.contains(&token) {
                finished.reason = Reason::Stop;
                break;
            }
            let piece = pieces
                .step(token)
                .map_err(|e| self.failed("decoding text", &e))?;
            let (text, stopped) = filter.push(piece.as_deref().unwrap_or_default());
            if !text.is_empty() {
                emit(&text);
            }
            if stopped {
                finished.reason = Reason::Stop;
                break;
            }
            input = vec![i64::from(token)];
        }
        let rest = filter.finish();
        if !rest.is_empty() {
            emit(&rest);
        }
        finished.prefill_ms = prefill.as_millis() as u64;
        finished.decode_ms = start.elapsed().saturating_sub(prefill).as_millis() as u64;
        Ok(finished)
    }

    fn sampling(&self, options: &Options) -> Result<Sampling> {
        let folder = self.settings.sampling;
        Sampling {
            temperature: options.temperature.unwrap_or(folder.temperature),
            top_k: options.top_k.unwrap_or(folder.top_k),
            top_p: options.top_p.unwrap_or(folder.top_p),
            seed: options.seed,
        }
        .checked()
    }

    fn empty_cache(&self) -> Result<Vec<DynValue>> {
        let allocator = Allocator::default();
        self.geometry
            .cache
            .iter()
            .map(|slot| {
                DynTensor::new(&allocator, slot.element, [1, slot.heads, 0, slot.width])
                    .map(DynTensor::into_dyn)
                    .map_err(|e| self.failed("preparing the cache", &e))
            })
            .collect()
    }

    /// Runs the graph over `input` on top of `past` cached tokens; the cache is replaced by the longer
    /// one. Returns the logits of the last token.
    fn pass(
        &self,
        session: &mut Session,
        input: &[i64],
        past: usize,
        cache: &mut Vec<DynValue>,
    ) -> Result<Vec<f32>> {
        let run = |e: ort::Error| self.failed("running", &e);
        let total = past + input.len();
        let row = |values: Vec<i64>| {
            Tensor::from_array(([1, values.len()], values))
                .map(SessionInputValue::from)
                .map_err(run)
        };
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> =
            vec![("input_ids", row(input.to_vec())?)];
        if self.geometry.attention_mask {
            inputs.push(("attention_mask", row(vec![1; total])?));
        }
        if self.geometry.position_ids {
            inputs.push(("position_ids", row((past as i64..total as i64).collect())?));
        }
        if self.geometry.keeps_logits {
            let keep = Tensor::from_array((Vec::<i64>::new(), vec![1i64])).map_err(run)?;
            inputs.push(("num_logits_to_keep", keep.into()));
        }
        for (slot, value) in self.geometry.cache.iter().zip(cache.drain(..)) {
            inputs.push((&slot.past, value.into()));
        }
        let mut outputs = session.run(inputs).map_err(run)?;
        for slot in &self.geometry.cache {
            let value = outputs
                .remove(&slot.present)
                .ok_or_else(|| self.failed("running", &format!("it gave no `{}`", slot.present)))?;
            cache.push(value);
        }
        let logits = &outputs["logits"];
        let values: Vec<f32> = match logits.try_extract_tensor::<f32>() {
            Ok((_, values)) => tail(values, self.geometry.vocabulary).to_vec(),
            Err(_) => {
                let (_, values) = logits.try_extract_tensor::<half::f16>().map_err(run)?;
                tail(values, self.geometry.vocabulary)
                    .iter()
                    .map(|v| v.to_f32())
                    .collect()
            }
        };
        if values.len() != self.geometry.vocabulary {
            return Err(self.failed("running", &format!("it gave {} logits", values.len())));
        }
        Ok(values)
    }

    fn failed(&self, step: &'static str, reason: &dyn std::fmt::Display) -> Error {
        Error::Inference {
            model: self.name.clone(),
            step,
            reason: reason.to_string(),
        }
    }
}

/// The last `count` values.
fn tail<T>(values: &[T], count: usize) -> &[T] {
    &values[values.len().saturating_sub(count)..]
}
