//! The engine's thread: takes requests in, gives them slots, runs passes, hands out tokens.
//!
//! It alone has the session. [`super::schedule`] decides, [`super::slots`] computes, [`super::sequence`]
//! knows what an answer is; here they are put together. Between two passes the thread looks for new and
//! cancelled requests, so both take effect within one token (or one chunk of a prompt).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use tokenizers::Tokenizer;

use super::Reason;
use super::park::Parking;
use super::prefix::{BLOCK, Owner, PrefixCache};
use super::schedule::{self, Class, Pass, Running, Waiting};
use super::sequence::{Sequence, Setup};
use super::slots::{Line, Runner};
use crate::Error;

/// What the thread is told.
pub(super) enum Command {
    Start(Box<Setup>),
    /// Forget what was computed for an owner.
    Forget(Owner),
}

/// Counters that the thread keeps, for statistics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub waiting: AtomicUsize,
    pub running: AtomicUsize,
    pub parked: AtomicU64,
    pub prompt_tokens: AtomicU64,
    pub cached_tokens: AtomicU64,
    pub completion_tokens: AtomicU64,
    pub prefill_passes: AtomicU64,
    pub decode_passes: AtomicU64,
    pub prefix_bytes: AtomicUsize,
}

/// See the module.
pub(super) struct Worker {
    pub name: String,
    pub tokenizer: Arc<Tokenizer>,
    pub runner: Runner,
    pub prefix: PrefixCache,
    pub parking: Parking,
    pub commands: Receiver<Command>,
    pub counters: Arc<Counters>,
    /// Tokens of a prefill pass.
    pub chunk: usize,
    pub waiting: Vec<Sequence>,
    pub running: Vec<Option<Sequence>>,
    pub orders: u64,
    /// Tokens prefilled since the last decoding pass.
    pub prefilled: usize,
    /// Where one at a time decodes: who is next.
    pub turn: usize,
}

impl Worker {
    /// Runs until every sender of commands is gone.
    pub(super) fn run(mut self) {
        loop {
            let go_on = catch_unwind(AssertUnwindSafe(|| self.turn_once()));
            match go_on {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    // A bug of ours or of the runtime. What was under way is lost, and said to be.
                    tracing::error!("the engine of model `{}` panicked", self.name);
                    for slot in 0..self.running.len() {
                        if let Some(sequence) = self.leave(slot) {
                            sequence.fail(self.failed("running", "it panicked; see the log"));
                        }
                    }
                }
            }
        }
        let now = Instant::now();
        let left = self.running.into_iter().flatten().chain(self.waiting);
        left.for_each(|sequence| sequence.finish(Reason::Cancelled, now));
    }

    /// One round: commands, cancellations, slots, a pass. `false` when it is over.
    fn turn_once(&mut self) -> bool {
        let idle = self.waiting.is_empty() && self.running.iter().all(Option::is_none);
        if idle {
            match self.commands.recv() {
                Ok(command) => self.take(command),
                Err(_) => return false,
            }
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => break,
                // Nobody wants the model any more: nobody waits for its answers either.
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.drop_cancelled();
        self.admit();
        let view = self.view(Instant::now());
        match schedule::next(&view, self.chunk, self.prefilled) {
            Some(Pass::Prefill { slot, tokens }) => self.prefill(slot, tokens),
            Some(Pass::Decode(slots)) => self.decode(slots),
            None => {}
        }
        self.count();
        true
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Start(setup) => {
                self.orders += 1;
                let sequence = Sequence::new(*setup, self.orders, Instant::now());
                self.waiting.push(sequence);
            }
            Command::Forget(owner) => self.prefix.forget(owner),
        }
    }

    fn drop_cancelled(&mut self) {
        let now = Instant::now();
        let (gone, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(Sequence::is_cancelled);
        self.waiting = kept;
        self.count();
        for sequence in gone {
            sequence.finish(Reason::Cancelled, now);
        }
        for slot in 0..self.running.len() {
            if self.running[slot]
                .as_ref()
                .is_some_and(Sequence::is_cancelled)
            {
                self.end(slot, Reason::Cancelled);
            }
        }
    }

    fn view(&self, now: Instant) -> Vec<Option<Running>> {
        self.running
            .iter()
            .enumerate()
            .map(|(slot, sequence)| {
                sequence.as_ref().map(|s| Running {
                    class: s.class,
                    admitted: s.admitted,
                    held: now.saturating_duration_since(s.since),
                    remaining: s.tokens.len() - self.runner.length(slot),
                    order: s.order,
                })
            })
            .collect()
    }

    fn admit(&mut self) {
        loop {
            let now = Instant::now();
            let waiting: Vec<Waiting> = self
                .waiting
                .iter()
                .map(|s| Waiting {
                    class: s.class,
                    waited: now.saturating_duration_since(s.since),
                })
                .collect();
            let Some(admission) = schedule::admit(&waiting, &self.view(now)) else {
                return;
            };
            let slot = admission.slot;
            if admission.park {
                let class = |s: &Option<Sequence>| s.as_ref().map(|s| s.class);
                let urgent = waiting[admission.waiting].class == Class::Person
                    && class(&self.running[slot]) != Some(Class::Person);
                // Where its cache cannot be kept it goes on, but not in a person's way: then it is computed again.
                if !urgent && !self.parking.has_room(self.runner.bytes(slot)) {
                    return;
                }
                self.park(slot, now);
            }
            let mut sequence = self.waiting.remove(admission.waiting);
            sequence.admitted = admission.urgency;
            sequence.since = now;
            self.runner.clear(slot);
            if let Some(parked) = sequence.parked.take() {
                match parked.take() {
                    Ok(block) => self.runner.import(slot, &[&block]),
                    // It computes again what it had.
                    Err(e) => tracing::warn!("a parked cache cannot be read back: {e}"),
                }
            }
            self.running[slot] = Some(sequence);
        }
    }

    /// Takes a sequence out of its slot, to go on later.
    fn park(&mut self, slot: usize, now: Instant) {
        let Some(mut sequence) = self.running[slot].take() else {
            return;
        };
        let length = self.runner.length(slot);
        if length > 0 {
            match self.runner.export(slot, 0, length) {
                Ok(block) => sequence.parked = self.parking.park(block),
                Err(e) => tracing::warn!("a cache cannot be parked: {e}"),
            }
        }
        self.runner.clear(slot);
        self.counters.parked.fetch_add(1, Ordering::Relaxed);
        sequence.since = now;
        self.waiting.push(sequence);
    }

    fn prefill(&mut self, slot: usize, most: usize) {
        let Some(sequence) = &mut self.running[slot] else {
            return;
        };
        if self.runner.length(slot) == 0 {
            // As late as this, so that what another request has computed meanwhile is found. The last token
            // is always computed: its logits are what is wanted.
            let known = sequence.tokens.len() - 1;
            let blocks = self.prefix.find(sequence.owner, &sequence.tokens[..known]);
            let blocks: Vec<_> = blocks.iter().map(AsRef::as_ref).collect();
            self.runner.import(slot, &blocks);
            sequence.cached = self.runner.length(slot);
            add(&self.counters.cached_tokens, sequence.cached);
            if sequence.tokens.len() - sequence.cached == 1 {
                // Nothing is left to prefill: it decodes, with whoever else does.
                return;
            }
        }
        let begin = self.runner.length(slot);
        let end = sequence.tokens.len().min(begin + most);
        let lines = [Line {
            slot,
            tokens: &sequence.tokens[begin..end],
        }];
        add(&self.counters.prefill_passes, 1);
        add(&self.counters.prompt_tokens, end - begin);
        self.prefilled += end - begin;
        match self.runner.run(&lines) {
            Ok(mut logits) => {
                if end == sequence.tokens.len() {
                    // Before anything is said: others with the same beginning may be next.
                    self.keep(slot);
                    self.deliver(slot, &mut logits);
                }
            }
            Err(e) => self.fail(slot, e),
        }
    }

    fn decode(&mut self, mut slots: Vec<usize>) {
        self.prefilled = 0;
        if !self.runner.batches() && slots.len() > 1 {
            self.turn += 1;
            slots = vec![slots[self.turn % slots.len()]];
        }
        let lines: Vec<Line<'_>> = slots
            .iter()
            .filter_map(|slot| {
                let sequence = self.running[*slot].as_ref()?;
                let last = sequence.tokens.len() - 1;
                Some(Line {
                    slot: *slot,
                    tokens: &sequence.tokens[last..],
                })
            })
            .collect();
        add(&self.counters.decode_passes, 1);
        match self.runner.run(&lines) {
            Ok(mut logits) => {
                let vocabulary = self.runner.vocabulary();
                for (slot, logits) in slots.into_iter().zip(logits.chunks_mut(vocabulary)) {
                    self.deliver(slot, logits);
                }
            }
            Err(e) => {
                let text = e.to_string();
                for slot in slots {
                    self.fail(slot, self.failed("running", &text));
                }
            }
        }
    }

    /// Gives a sequence the logits after its last token.
    fn deliver(&mut self, slot: usize, logits: &mut [f32]) {
        let Some(sequence) = &mut self.running[slot] else {
            return;
        };
        add(&self.counters.completion_tokens, 1);
        match sequence.step(logits, &self.tokenizer, Instant::now()) {
            Ok(None) => {}
            Ok(Some(reason)) => self.end(slot, reason),
            Err(reason) => self.fail(slot, self.failed("generating", &reason)),
        }
    }

    /// Keeps what a slot has computed for requests that begin the same.
    fn keep(&mut self, slot: usize) {
        let Some(sequence) = &self.running[slot] else {
            return;
        };
        let computed = self.runner.length(slot) / BLOCK * BLOCK;
        let runner = &self.runner;
        let kept = self.prefix.keep(
            sequence.owner,
            &sequence.tokens[..computed],
            |begin, end| runner.export(slot, begin, end),
        );
        if let Err(e) = kept {
            tracing::warn!("the beginning of a prompt cannot be kept: {e}");
        }
    }

    fn end(&mut self, slot: usize, reason: Reason) {
        // The answer as well: the next message of a conversation begins with it.
        self.keep(slot);
        if let Some(sequence) = self.leave(slot) {
            sequence.finish(reason, Instant::now());
        }
    }

    /// Ends a sequence whose cache cannot be trusted.
    fn fail(&mut self, slot: usize, error: Error) {
        if let Some(sequence) = self.leave(slot) {
            // Blocks of a damaged pass must not be found by the next request.
            self.prefix.forget(sequence.owner);
            sequence.fail(error);
        }
    }

    /// Takes a sequence that is over out of its slot. Nobody has heard of the end yet, and who hears of it
    /// finds it counted.
    fn leave(&mut self, slot: usize) -> Option<Sequence> {
        self.runner.clear(slot);
        let sequence = self.running[slot].take();
        self.count();
        sequence
    }

    fn count(&self) {
        let running = self.running.iter().flatten().count();
        self.counters.running.store(running, Ordering::Relaxed);
        self.counters
            .waiting
            .store(self.waiting.len(), Ordering::Relaxed);
        self.counters
            .prefix_bytes
            .store(self.prefix.bytes(), Ordering::Relaxed);
    }

    fn failed(&self, step: &'static str, reason: &str) -> Error {
        Error::inference(&self.name, step, reason)
    }
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
