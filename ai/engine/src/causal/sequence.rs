//! One answer in the making: its tokens, how they are chosen, and the text that they become.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokenizers::Tokenizer;

use super::grammar::Constraint;
use super::park::Parked;
use super::places::Place;
use super::prefix::Owner;
use super::sampling::{Sampler, log_probabilities};
use super::schedule::{Class, Urgency};
use super::stop::StopFilter;
use super::{Cancel, Event, Finished, Reason};
use crate::Error;

/// How many tokens an owner may still use. Shared by its requests; what is used is not given back.
#[derive(Debug)]
pub struct Budget(AtomicI64);

impl Budget {
    /// A budget of so many tokens, prompt and answer.
    pub fn new(tokens: u32) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(tokens.into())))
    }

    /// Tokens that are left; 0 where it is overdrawn.
    pub fn left(&self) -> u32 {
        u32::try_from(self.0.load(Ordering::Relaxed).max(0)).unwrap_or(u32::MAX)
    }

    /// Takes tokens for what has not been done yet; `false` where there are fewer: none is taken then.
    pub fn pay(&self, tokens: usize) -> bool {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        let left = |left: i64| (left >= tokens).then(|| left - tokens);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok()
    }

    /// Takes tokens that are used already; `false` where there were fewer.
    pub(super) fn take(&self, tokens: usize) -> bool {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        self.0.fetch_sub(tokens, Ordering::Relaxed) >= tokens
    }
}

/// A token of an answer and what else could have stood there.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its text alone; may be a part of a character.
    pub text: String,
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens with theirs, as many as were asked for.
    pub top: Vec<(u32, String, f32)>,
}

/// Where an answer goes. Called on the engine's thread: it must not block.
pub(super) type Sink = Box<dyn FnMut(Event) + Send>;

/// What a sequence is made of.
pub(super) struct Setup {
    pub prompt: Vec<u32>,
    pub max_tokens: usize,
    pub sampler: Sampler,
    pub stop: StopFilter,
    pub constraint: Option<Constraint>,
    pub stop_tokens: Arc<[u32]>,
    /// Special tokens are part of the text.
    pub show_special: bool,
    pub logprobs: Option<usize>,
    pub class: Class,
    pub owner: Owner,
    pub budget: Option<Arc<Budget>>,
    pub cancel: Cancel,
    pub sink: Sink,
    /// The request's, as long as it lives.
    pub place: Place,
}

/// See the module.
pub(super) struct Sequence {
    pub class: Class,
    pub owner: Owner,
    /// Prompt and answer. All but the last one may be in a cache.
    pub tokens: Vec<u32>,
    /// Without a slot since, or in one since.
    pub since: Instant,
    /// When it has a slot: what it was when it got it.
    pub admitted: Urgency,
    pub order: u64,
    /// Its cache while it has no slot.
    pub parked: Option<Parked>,
    /// Tokens that came out of the prefix cache.
    pub cached: usize,
    prompt_tokens: usize,
    max_tokens: usize,
    sampler: Sampler,
    stop: StopFilter,
    constraint: Option<Constraint>,
    stop_tokens: Arc<[u32]>,
    logprobs: Option<usize>,
    budget: Option<Arc<Budget>>,
    cancel: Cancel,
    text: Detokenizer,
    sink: Sink,
    arrived: Instant,
    first: Option<Instant>,
    place: Place,
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequence")
            .field("class", &self.class)
            .field("order", &self.order)
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl Sequence {
    pub(super) fn new(setup: Setup, order: u64, now: Instant) -> Self {
        Self {
            class: setup.class,
            owner: setup.owner,
            prompt_tokens: setup.prompt.len(),
            tokens: setup.prompt,
            since: now,
            admitted: setup.class as Urgency,
            order,
            parked: None,
            cached: 0,
            max_tokens: setup.max_tokens,
            sampler: setup.sampler,
            stop: setup.stop,
            constraint: setup.constraint,
            stop_tokens: setup.stop_tokens,
            logprobs: setup.logprobs,
            budget: setup.budget,
            cancel: setup.cancel,
            text: Detokenizer::new(setup.show_special),
            sink: setup.sink,
            arrived: now,
            first: None,
            place: setup.place,
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Takes the logits after its last token: chooses the next one and passes its text on. `Some` where the
    /// answer is complete.
    pub(super) fn step(
        &mut self,
        logits: &mut [f32],
        tokenizer: &Tokenizer,
        now: Instant,
    ) -> std::result::Result<Option<Reason>, String> {
        // All of them, without a way out on the first: that is several at once.
        if logits.iter().fold(false, |found, l| found | l.is_nan()) {
            return Err(
                "the model computed numbers that are none (NaN); its files may be damaged, or it \
                 overflows in half precision"
                    .into(),
            );
        }
        let raw = self.logprobs.map(|count| (count, logits.to_vec()));
        if let Some(constraint) = &mut self.constraint {
            constraint.mask(logits)?;
        }
        let token = self.sampler.next(logits);
        let complete = match &mut self.constraint {
            Some(constraint) => constraint.take(token)?,
            None => false,
        };
        self.first.get_or_insert(now);
        self.tokens.push(token);
        if self.stop_tokens.contains(&token) {
            return Ok(Some(Reason::Stop));
        }
        let piece = self.text.push(tokenizer, token)?;
        let token = raw.map(|(count, raw)| describe(tokenizer, &raw, token, count));
        let (text, stopped) = self.stop.push(&piece);
        if !text.is_empty() || token.is_some() {
            (self.sink)(Event::Text {
                text,
                token: token.map(Box::new),
            });
        }
        if stopped || complete {
            return Ok(Some(Reason::Stop));
        }
        let paid = self.budget.as_ref().is_none_or(|b| b.take(1));
        Ok(if self.completion_tokens() >= self.max_tokens {
            Some(Reason::Length)
        } else if paid {
            None
        } else {
            Some(Reason::Budget)
        })
    }

    /// Ends it: what was held back is passed on, then the counts.
    pub(super) fn finish(mut self, reason: Reason, now: Instant) {
        let rest = self.stop.finish();
        if !rest.is_empty() {
            (self.sink)(Event::Text {
                text: rest,
                token: None,
            });
        }
        let first = self.first.unwrap_or(now);
        let milliseconds = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let finished = Finished {
            reason,
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached.min(self.prompt_tokens),
            completion_tokens: self.tokens.len() - self.prompt_tokens,
            prefill_ms: milliseconds(first.saturating_duration_since(self.arrived)),
            decode_ms: milliseconds(now.saturating_duration_since(first)),
        };
        self.end(Event::Finished(finished));
    }

    pub(super) fn fail(self, error: Error) {
        self.end(Event::Failed(error));
    }

    /// Its place is free before anybody hears of the end: who sends the next request then is not refused.
    fn end(self, last: Event) {
        let Self {
            place, mut sink, ..
        } = self;
        drop(place);
        sink(last);
    }

    fn completion_tokens(&self) -> usize {
        self.tokens.len() - self.prompt_tokens
    }
}

fn describe(tokenizer: &Tokenizer, logits: &[f32], id: u32, count: usize) -> Token {
    let text = |id: u32| tokenizer.decode(&[id], false).unwrap_or_default();
    let (logprob, top) = log_probabilities(logits, id, count);
    Token {
        id,
        text: text(id),
        logprob,
        top: top.into_iter().map(|(id, l)| (id, text(id), l)).collect(),
    }
}

/// Turns tokens into text as they come: a character may take several tokens, and what a token adds may
/// depend on the one before it.
#[derive(Debug)]
struct Detokenizer {
    skip_special: bool,
    ids: Vec<u32>,
    prefix: String,
    prefix_index: usize,
}

impl Detokenizer {
    fn new(show_special: bool) -> Self {
        Self {
            skip_special: !show_special,
            ids: Vec::new(),
            prefix: String::new(),
            prefix_index: 0,
        }
    }

    fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> std::result::Result<String, String> {
        let step = tokenizers::step_decode_stream(
            tokenizer,
            vec![id],
            self.skip_special,
            &mut self.ids,
            &mut self.prefix,
            &mut self.prefix_index,
        );
        match step {
            Ok(piece) => Ok(piece.unwrap_or_default()),
            // Some decoders change what they said before. What was passed on stays; go on from here.
            Err(_) => {
                *self = Self::new(!self.skip_special);
                tokenizer
                    .decode(&[id], self.skip_special)
                    .map_err(|e| format!("its tokenizer cannot decode token {id}: {e}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_shared_and_never_comes_back() {
        let budget = Budget::new(5);
        assert!(!budget.pay(6));
        assert_eq!(budget.left(), 5);
        assert!(budget.pay(3));
        assert!(!budget.take(3));
        assert_eq!(budget.left(), 0);
        assert!(!budget.take(1));
    }
}
