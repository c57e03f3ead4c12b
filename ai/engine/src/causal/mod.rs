//! Causal language models: text in, text out, one token at a time, for many at once.
//!
//! Runs what the community exports: graphs with `input_ids`, `attention_mask`, maybe `position_ids`,
//! and a KV cache as `past_key_values.N.key|value` in and `present.N.key|value` out, in whatever
//! precision the graph has. The geometry is read from the graph, the chat template, stop tokens and
//! context length from the folder.
//!
//! ```text
//! submit ──> template, tokens ──> worker's thread: slots, prefix cache, batched passes ──> sink
//! (caller's thread)               schedule · slots · prefix · park · sequence
//! ```
//!
//! A request is rendered and tokenised where it is made (too long is an error there), then queued to
//! the model's one thread, which shares its passes between all requests ([`schedule`]). What comes out goes
//! to the request's sink, in order.

mod chat;
mod contents;
mod copied;
pub(crate) mod cost;
mod geometry;
mod grammar;
mod jinja;
pub(crate) mod names;
mod park;
mod places;
mod prefix;
mod sampling;
mod schedule;
mod sequence;
pub(crate) mod settings;
mod slots;
mod stop;
mod tools;
mod worker;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

pub use chat::Message;
pub use grammar::Grammar;
pub use park::ParkedFolder;
pub use places::{Full, Place, Places};
pub use prefix::Owner;
pub use sampling::Sampling;
pub use schedule::Class;
pub use sequence::{Budget, Token};
pub use tools::{Choice, Format, Function, Parser, Part, Tool, ToolCall, Tools, one_way};

use crate::manifest::Kind;
use crate::{Error, Result, folder, graph, session};
use chat::Template;
use contents::Controls;
use cost::Cost;
use geometry::Geometry;
use grammar::Grammars;
use park::Parking;
use prefix::PrefixCache;
use sampling::Sampler;
use sequence::Setup;
use settings::Settings;
use slots::Runner;
use stop::StopFilter;
use tools::{THOUGHTS, Thoughts};
use worker::{Command, Counters, Worker};

/// Tokens of an answer where the request does not say.
const DEFAULT_MAX_TOKENS: usize = 512;

/// No token of a text is longer than this, in bytes: the longest are rows of spaces.
const MAX_TOKEN_BYTES: usize = 256;

/// How far from the end of a prompt a template may have opened a model's thoughts, in tokens.
const TAIL: usize = 8;

/// Most log-probabilities beside a token's own.
const MAX_LOGPROBS: usize = 20;

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
    pub min_p: Option<f32>,
    /// See [`Sampling`].
    pub repetition_penalty: Option<f32>,
    /// See [`Sampling`].
    pub presence_penalty: Option<f32>,
    /// See [`Sampling`].
    pub frequency_penalty: Option<f32>,
    /// See [`Sampling`].
    pub seed: Option<u64>,
    /// The answer ends before any of these.
    pub stop: Vec<String>,
    /// Log-probabilities with each token, and of so many likely ones beside it, at most 20.
    pub logprobs: Option<usize>,
    /// What the answer has to be.
    pub grammar: Option<Grammar>,
    /// Go on after a token that ends an answer, for measuring.
    pub ignore_stop_tokens: bool,
}

/// What is to be continued.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// A conversation, rendered by the model's chat template.
    Chat(Vec<Message>),
    /// The same with tools that the answer may call: it is a text, or calls in the model's [`Format`] whose
    /// arguments fit. Of the grammars only a JSON Schema goes with it, for answers that call nothing.
    Tools(Vec<Message>, Tools),
    /// A text as it is.
    Text(String),
    /// Tokens as they are.
    Tokens(Vec<u32>),
}

/// A wish for an answer.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is to be continued.
    pub prompt: Prompt,
    /// How.
    pub options: Options,
    /// Who waits.
    pub class: Class,
    /// Whose it is: requests of one owner share what was computed for a common beginning.
    pub owner: Owner,
    /// What it is paid from.
    pub budget: Option<Arc<Budget>>,
    /// Ends it early when set.
    pub cancel: Cancel,
}

impl Request {
    /// A request for the continuation of `prompt` with everything else as usual.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            options: Options::default(),
            class: Class::default(),
            owner: 0,
            budget: None,
            cancel: Cancel::default(),
        }
    }
}

/// Ends a request from anywhere. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// The answer ends before its next token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a request's sink is given: texts, then one of the others.
#[derive(Debug)]
pub enum Event {
    /// A piece of the answer.
    Text {
        /// May be empty where a token is no whole character yet.
        text: String,
        /// With [`Options::logprobs`].
        token: Option<Box<Token>>,
    },
    /// The answer is complete.
    Finished(Finished),
    /// There is no more of it.
    Failed(Error),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The model was done, or a stop string appeared.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
    /// The budget was used up.
    Budget,
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
    /// Those of them that did not have to be computed.
    pub cached_tokens: usize,
    /// Tokens generated, the stop token included.
    pub completion_tokens: usize,
    /// Milliseconds until the first token, waiting included.
    pub prefill_ms: u64,
    /// Milliseconds from the first token to the last one.
    pub decode_ms: u64,
}

/// What a model may take of the machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that run at once.
    pub slots: usize,
    /// Requests that are queued or running; more are refused. One owner may have as many as are left free.
    pub requests: usize,
    /// Longest prompt and answer together, in tokens; at most what the model was made for.
    pub context: usize,
    /// Tokens of a prompt that are computed in one pass.
    pub chunk: usize,
    /// Bytes for beginnings of prompts.
    pub prefix_bytes: usize,
    /// Bytes for parked requests in memory.
    pub parked_bytes: usize,
    /// Folder for those beyond it; without it they stay in their slots, or are computed again where they are
    /// in a person's way.
    pub parked_folder: Option<ParkedFolder>,
    /// Threads of a pass; `None` chooses by load and size.
    pub threads: Option<usize>,
    /// Memory that may be used, in bytes, and never more than the system has free.
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            slots: 8,
            requests: 256,
            context: 8192,
            chunk: 256,
            prefix_bytes: 256 << 20,
            parked_bytes: 256 << 20,
            parked_folder: None,
            threads: None,
            memory_bytes: None,
        }
    }
}

/// What the engine of a model has done and is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Requests without a slot.
    pub waiting: usize,
    /// Requests in a slot.
    pub running: usize,
    /// Times that a request left its slot for a more urgent one.
    pub parked: u64,
    /// Tokens of prompts that were computed.
    pub prompt_tokens: u64,
    /// Tokens of prompts that were found in the prefix cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub completion_tokens: u64,
    /// Passes over chunks of prompts.
    pub prefill_passes: u64,
    /// Passes that gave each of their requests a token.
    pub decode_passes: u64,
    /// Bytes in the prefix cache.
    pub prefix_bytes: usize,
}

/// A causal language model in memory, and the thread that runs it. Dropping it ends the thread after the
/// pass that is under way; its requests end as cancelled.
#[derive(Debug)]
pub struct CausalLm {
    name: String,
    /// Where a request says nothing.
    sampling: Sampling,
    template: Option<Template>,
    tokenizer: Arc<Tokenizer>,
    controls: Controls,
    context: usize,
    slots: usize,
    /// Bytes of weights and slots.
    memory: u64,
    vocabulary: usize,
    stop_tokens: Arc<[u32]>,
    grammars: Grammars,
    commands: Mutex<Sender<Command>>,
    counters: Arc<Counters>,
    /// Each request has one until it ends.
    places: Places,
    /// Bytes of parked requests in memory.
    parked_bytes: Arc<AtomicUsize>,
}

impl CausalLm {
    /// Loads the model in `folder`.
    ///
    /// Fails with [`Error::Memory`] if it does not fit with room for one request; where there is room for
    /// fewer than `limits.slots`, it gets fewer.
    pub fn load(folder: &Path, limits: &Limits) -> Result<Self> {
        let unusable = |reason: String| Error::Model {
            path: folder.to_owned(),
            reason,
        };
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let settings = Settings::read(folder)?;
        let tokenizer = folder::tokenizer(folder)?;
        let template = Template::read(folder)?;
        let summary = graph::summary(&settings.graph).map_err(|e| Error::Model {
            path: settings.graph.clone(),
            reason: format!("its graph cannot be read: {e}; get the file again"),
        })?;
        let context = settings.context.min(limits.context.max(2));
        let chunk = limits.chunk.clamp(1, context);
        let free = limits
            .memory_bytes
            .into_iter()
            .chain(session::free_memory())
            .min();
        let cost = Cost::of(&settings.graph, &summary, &settings.names, chunk);
        // Where the graph does not tell how large its cache is, it is refused below.
        let slot_bytes = cost.slot(context).unwrap_or(0);
        cost.check(&name, slot_bytes, free)?;
        let session = session::open(&settings.graph, limits.threads, Kind::CausalLm)?;
        let geometry =
            Geometry::of(&session, summary.shares_cache(), settings.names).map_err(unusable)?;
        let slots = cost.slots(&name, slot_bytes, limits.slots, free)?;
        let vocabulary = geometry.vocabulary;
        check_tokenizer(&tokenizer, vocabulary).map_err(unusable)?;
        let runner = Runner::new(name.clone(), session, geometry, slots, context)?;
        let tokenizer = Arc::new(tokenizer);
        let counters = Arc::new(Counters::default());
        let (commands, queue) = channel();
        let parking = Parking::new(limits.parked_bytes, limits.parked_folder.clone());
        let parked_bytes = parking.used();
        let worker = Worker {
            name: name.clone(),
            tokenizer: Arc::clone(&tokenizer),
            prefix: PrefixCache::new(limits.prefix_bytes),
            parking,
            commands: queue,
            counters: Arc::clone(&counters),
            chunk,
            waiting: Vec::new(),
            running: std::iter::repeat_with(|| None)
                .take(runner.slots())
                .collect(),
            runner,
            orders: 0,
            prefilled: 0,
            turn: 0,
        };
        std::thread::Builder::new()
            .name("inference".into())
            .spawn(move || worker.run())
            .map_err(|e| unusable(format!("its thread cannot be started: {e}")))?;
        let stop_tokens: Arc<[u32]> = settings.stop_tokens.into();
        Ok(Self {
            name,
            grammars: Grammars::new(Arc::clone(&tokenizer), vocabulary, Arc::clone(&stop_tokens)),
            stop_tokens,
            sampling: settings.sampling,
            template,
            controls: Controls::of(&tokenizer),
            tokenizer,
            context,
            slots,
            memory: cost
                .base
                .saturating_add(slot_bytes.saturating_mul(slots as u64)),
            vocabulary,
            commands: Mutex::new(commands),
            counters,
            places: Places::new(limits.requests),
            parked_bytes,
        })
    }

    /// Longest prompt and answer together, in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Requests that run at once.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Bytes of memory that it takes: weights, the slots' caches when they are full, the prefix cache, parked
    /// requests.
    pub fn memory_bytes(&self) -> u64 {
        let bytes = |counter: &AtomicUsize| counter.load(Ordering::Relaxed) as u64;
        self.memory + bytes(&self.counters.prefix_bytes) + bytes(&self.parked_bytes)
    }

    /// Requests that are queued or running.
    pub fn requests(&self) -> usize {
        self.places.taken()
    }

    /// How it writes calls of tools.
    pub fn call_format(&self) -> Format {
        self.template
            .as_ref()
            .map_or(Format::Hermes, Template::format)
    }

    /// How many tokens there are: each is a number below this.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Tokens of a text, without special ones.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        self.encode(text, false)
    }

    /// What it has done and is doing.
    pub fn statistics(&self) -> Statistics {
        let c = &self.counters;
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            waiting: c.waiting.load(Ordering::Relaxed),
            running: c.running.load(Ordering::Relaxed),
            parked: get(&c.parked),
            prompt_tokens: get(&c.prompt_tokens),
            cached_tokens: get(&c.cached_tokens),
            completion_tokens: get(&c.completion_tokens),
            prefill_passes: get(&c.prefill_passes),
            decode_passes: get(&c.decode_passes),
            prefix_bytes: c.prefix_bytes.load(Ordering::Relaxed),
        }
    }

    /// Forgets what was computed for an owner.
    pub fn forget(&self, owner: Owner) {
        self.send(Command::Forget(owner));
    }

    /// Queues a request. `sink` is called on the engine's thread and must not block; its last call is
    /// [`Event::Finished`] or [`Event::Failed`].
    ///
    /// Fails at once with [`Error::TooLong`] if the prompt fills the context, with
    /// [`Error::InvalidArguments`] if it or the options make no sense or the folder has no template.
    pub fn submit(&self, request: Request, sink: impl FnMut(Event) + Send + 'static) -> Result<()> {
        let place = self.places.take(request.owner).map_err(|full: Full| {
            let model = self.name.clone();
            let requests = full.requests;
            if full.own {
                Error::Share { model, requests }
            } else {
                Error::Busy { model, requests }
            }
        })?;
        let options = request.options;
        let sampling = self.sampling(&options)?;
        let tools = match &request.prompt {
            Prompt::Tools(_, tools) => Some(tools.clone()),
            Prompt::Chat(_) | Prompt::Text(_) | Prompt::Tokens(_) => None,
        };
        tools.iter().try_for_each(Tools::check)?;
        let asked = copied::asked(&request.prompt).map(str::to_owned);
        let prompt = self.prompt(request.prompt)?;
        let grammar = self.grammar(tools.as_ref(), &prompt, asked.as_deref(), options.grammar)?;
        let room = self.context - prompt.len();
        let max_tokens = options.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS).min(room);
        if max_tokens == 0 {
            return Err(Error::InvalidArguments(
                "max_tokens must be at least 1".into(),
            ));
        }
        if options.logprobs.is_some_and(|n| n > MAX_LOGPROBS) {
            return Err(Error::InvalidArguments(format!(
                "logprobs must be at most {MAX_LOGPROBS}"
            )));
        }
        let constraint = grammar
            .as_ref()
            .map(|grammar| self.grammars.constraint(grammar))
            .transpose()?;
        if let Some(budget) = &request.budget
            && !budget.pay(prompt.len())
        {
            return Err(Error::Budget {
                what: "the prompt has",
                tokens: prompt.len(),
                left: budget.left(),
            });
        }
        let stop_tokens = if options.ignore_stop_tokens {
            Arc::from([])
        } else {
            Arc::clone(&self.stop_tokens)
        };
        let setup = Setup {
            sampler: Sampler::new(sampling, &prompt),
            prompt,
            max_tokens,
            stop: StopFilter::new(&options.stop),
            constraint,
            stop_tokens,
            // Calls are often marked by special tokens.
            show_special: tools.is_some(),
            logprobs: options.logprobs,
            class: request.class,
            owner: request.owner,
            budget: request.budget,
            cancel: request.cancel,
            sink: Box::new(sink),
            place,
        };
        if self.send(Command::Start(Box::new(setup))) {
            Ok(())
        } else {
            Err(self.failed("queueing", "its thread is gone; see the log"))
        }
    }

    /// Waits for an answer; `emit` gets it piece by piece.
    pub fn answer(&self, request: Request, emit: &mut dyn FnMut(&str)) -> Result<Finished> {
        let (sink, events) = channel();
        self.submit(request, move |event| {
            let _ = sink.send(event);
        })?;
        for event in events {
            match event {
                Event::Text { text, .. } => emit(&text),
                Event::Finished(finished) => return Ok(finished),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(self.failed("generating", "its thread is gone; see the log"))
    }

    /// The tokens of a prompt, which leave room for at least one token of an answer.
    fn prompt(&self, prompt: Prompt) -> Result<Vec<u32>> {
        let given = matches!(prompt, Prompt::Tokens(_));
        let tokens = match prompt {
            Prompt::Chat(messages) => self.chat(&messages, &Tools::default())?,
            Prompt::Tools(messages, tools) => self.chat(&messages, &tools)?,
            Prompt::Text(text) => self.fitting(&text, true)?,
            Prompt::Tokens(tokens) => tokens,
        };
        if tokens.is_empty() {
            return Err(Error::InvalidArguments("the prompt is empty".into()));
        }
        if let Some(id) = tokens.iter().find(|t| **t as usize >= self.vocabulary) {
            let beyond = format!("token {id} is beyond its {} tokens", self.vocabulary);
            return Err(if given {
                let name = &self.name;
                Error::InvalidArguments(format!("{beyond} (model `{name}`); take a lower one"))
            } else {
                let why = "tokenizer.json and graph are not of one export; get both again";
                self.failed("tokenising", &format!("{beyond}: {why}"))
            });
        }
        let limit = self.context - 1;
        if tokens.len() > limit {
            return Err(Error::TooLong {
                what: "the prompt",
                tokens: tokens.len(),
                limit,
            });
        }
        Ok(tokens)
    }

    /// What the answer has to be, the form of calls included. Copied strings are parts of what was `asked`.
    fn grammar(
        &self,
        tools: Option<&Tools>,
        prompt: &[u32],
        asked: Option<&str>,
        wished: Option<Grammar>,
    ) -> Result<Option<Grammar>> {
        let Some(tools) = tools.filter(|tools| !tools.tools.is_empty()) else {
            return wished.map(|wish| wish.with_copies(asked)).transpose();
        };
        let answer = match &wished {
            None => None,
            Some(Grammar::JsonSchema(schema)) => Some(schema),
            Some(Grammar::Regex(_) | Grammar::Lark(_)) => {
                return Err(Error::InvalidArguments(
                    "a grammar cannot be combined with tools; leave one of them away".into(),
                ));
            }
        };
        let token = |text: &str| self.grammars.special(text);
        let thoughts = THOUGHTS.iter().find_map(|(open, close)| {
            let (open, close) = (token(open)?, token(close)?);
            // Templates open them at the very end, if they do.
            let mut last = prompt.iter().rev().take(TAIL);
            let begun = last.find(|t| [open, close].contains(t)) == Some(&open);
            Some(Thoughts { open, close, begun })
        });
        self.call_format()
            .grammar(tools, answer, asked, thoughts, &token)
            .map(Some)
    }

    fn chat(&self, messages: &[Message], tools: &Tools) -> Result<Vec<u32>> {
        if messages.is_empty() {
            return Err(Error::InvalidArguments(
                "there are no messages to answer".into(),
            ));
        }
        let template = self.template.as_ref().ok_or_else(|| {
            Error::InvalidArguments(format!(
                "model `{}` has no chat template (chat_template.jinja or \
                 tokenizer_config.json); it completes text but does not chat",
                self.name
            ))
        })?;
        self.absurd(contents::bytes(messages, tools))?;
        let guarded = contents::guard(&self.tokenizer, &self.controls, messages, tools)
            .map_err(Error::InvalidArguments)?;
        let text = template.render(&guarded.messages, &guarded.tools)?;
        self.absurd(text.len())?;
        let mut tokens = Vec::new();
        for piece in guarded.pieces(&text) {
            // The template writes the special tokens itself.
            tokens.extend(self.encode(piece, false)?);
        }
        Ok(tokens)
    }

    /// [`Self::encode`] for what has to fit into the context: absurd lengths are not even tokenised.
    fn fitting(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        self.absurd(text.len())?;
        self.encode(text, special)
    }

    /// Fails where a text of so many bytes has too many tokens whatever it says.
    fn absurd(&self, bytes: usize) -> Result<()> {
        let tokens = bytes / MAX_TOKEN_BYTES;
        if tokens < self.context {
            return Ok(());
        }
        Err(Error::TooLong {
            what: "the prompt",
            tokens,
            limit: self.context - 1,
        })
    }

    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        self.tokenizer
            .encode(text, special)
            .map(|e| e.get_ids().to_vec())
            .map_err(|e| self.failed("tokenising", &e.to_string()))
    }

    fn sampling(&self, options: &Options) -> Result<Sampling> {
        let folder = self.sampling;
        Sampling {
            temperature: options.temperature.unwrap_or(folder.temperature),
            top_k: options.top_k.unwrap_or(folder.top_k),
            top_p: options.top_p.unwrap_or(folder.top_p),
            min_p: options.min_p.unwrap_or(folder.min_p),
            repetition_penalty: options
                .repetition_penalty
                .unwrap_or(folder.repetition_penalty),
            presence_penalty: options.presence_penalty.unwrap_or(0.0),
            frequency_penalty: options.frequency_penalty.unwrap_or(0.0),
            seed: options.seed,
        }
        .checked()
    }

    /// Whether the thread took it.
    fn send(&self, command: Command) -> bool {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.send(command).is_ok()
    }

    fn failed(&self, step: &'static str, reason: &str) -> Error {
        Error::inference(&self.name, step, reason)
    }
}

/// Fails where a tokenizer is another model's than a graph with so many tokens, as far as their numbers tell. Graphs
/// have some tokens more, since vocabularies are rounded up or leave room for later ones; a third more is none of that.
/// What the tokenizer has more may be a mark that no text has; where a text has it, its request fails.
pub(crate) fn check_tokenizer(
    tokenizer: &Tokenizer,
    vocabulary: usize,
) -> std::result::Result<(), String> {
    let tokens = tokenizer.get_vocab_size(true);
    if tokens >= vocabulary - vocabulary / 4 {
        return Ok(());
    }
    Err(format!(
        "tokenizer.json has {tokens} tokens and the graph {vocabulary}: they are not of one export; get both again"
    ))
}

/// Whether the folder has a chat template; fails where it has one that cannot be read.
pub(crate) fn has_template(folder: &Path) -> Result<bool> {
    Template::read(folder).map(|template| template.is_some())
}
