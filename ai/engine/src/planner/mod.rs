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
mod described;
mod reference;
#[cfg(test)]
mod test_data;
pub mod values;
mod wording;

pub use described::{Described, Offered};

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::DateTime;
use ort::session::{OutputSelector, RunOptions, Session};
use ort::value::Tensor;
use serde::Serialize;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use crate::embedding::unit;
use crate::manifest::Kind;
use crate::{Error, Result, folder, session};
use config::Config;
use decide::{Proposal, Words};
use decode::Heads;
use described::{Known, Parameters};

/// Requests in one sentence that are told apart.
const MAX_CALLS: usize = 4;

/// From this probability on a sentence is tried as two requests.
const MAYBE_NEXT: f32 = 0.15;

/// What is surer is done and what is less sure asked back, whatever a second pass says.
const DOUBTFUL: RangeInclusive<f32> = 0.4..=0.97;

/// Below this confidence in a whole sentence as one request it is tried as two, wherever something joins in it.
const SURE_AS_ONE: f64 = 0.9;

/// From this confidence in both together on they are taken as two, where nothing else says that they are.
const SURE_AS_TWO: f64 = 0.8;

/// The same where the sentence was sure as one.
const CERTAIN_AS_TWO: f64 = 0.93;

/// Places where that is tried in one request; each takes two or three passes.
const MOST_TRIES: u8 = 12;

/// From this probability of a trained tool on a described one is not called instead without a question.
const CERTAIN: f32 = 0.9;

/// Described tools whose embeddings are kept, about 26 kB each at most.
const MOST_EMBEDDED: usize = 512;

/// Embeddings of what describes a tool, by these texts.
type Embedded = HashMap<String, Arc<Vec<Vec<f32>>>>;

/// What a request may become.
#[derive(Debug)]
struct Choice<'a> {
    /// The trained tools that may be proposed; `None` is all.
    trained: Option<Vec<&'a str>>,
    described: Vec<Known>,
    now: DateTime,
    /// How many more places may be looked at where a sentence may be two requests.
    tries: Cell<u8>,
}

/// What to do about a request: calls, a question or a reply. A question may come with the calls that a yes
/// stands for.
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

    fn call(tool: &str, arguments: Map<String, Value>, confidence: f32) -> Self {
        Self {
            calls: vec![Call {
                tool: tool.to_owned(),
                arguments: Value::Object(arguments),
                confidence: f64::from(confidence.clamp(0.0, 1.0)),
            }],
            ..Self::default()
        }
    }

    /// How sure all calls are together; `None` where something else is to be done than to make calls.
    fn sure(&self) -> Option<f64> {
        let acts = !self.calls.is_empty() && self.question.is_none();
        acts.then(|| self.calls.iter().map(|call| call.confidence).product())
    }

    /// These calls and then those of another plan.
    fn followed_by(mut self, other: Self) -> Self {
        let said = |call: &Call| (call.tool.clone(), call.arguments.clone());
        let before: Vec<_> = self.calls.iter().map(said).collect();
        // "what CPU is this, and how many cores does it have" asks the same twice.
        let more = other.calls.into_iter();
        self.calls
            .extend(more.filter(|call| !before.contains(&said(call))));
        self
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
    /// Who wants the session next; see [`Self::session`].
    turn: Mutex<()>,
    dimensions: usize,
    embedded: Mutex<Embedded>,
}

/// What one pass over a request says.
struct Pass {
    proposal: Proposal,
    /// See [`Reading`], as for what follows.
    next: Option<(usize, f32)>,
    lead: Option<String>,
    spoken: Range<usize>,
}

/// What is done about one request.
struct Reading {
    plan: Plan,
    /// Where another request begins in the same sentence, and how likely.
    next: Option<(usize, f32)>,
    /// The words before the first argument.
    lead: Option<String>,
    /// The bytes from the first argument to behind the last one; `0..0` where there is none.
    spoken: Range<usize>,
}

/// A text as the graph takes it.
struct Encoded {
    ids: Vec<i64>,
    offsets: Vec<Range<usize>>,
}

impl Planner {
    /// Loads the model in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let unusable = |reason: String| Error::Model {
            path: folder.to_owned(),
            reason,
        };
        let config = Config::load(folder)?;
        let graph = folder::optional_manifest(folder)?
            .and_then(|manifest| manifest.graph)
            .unwrap_or_else(|| "model.onnx".into());
        let tokenizer = folder::tokenizer(folder)?;
        let graph = folder::inside(folder, "graph", &graph)?;
        let session = session::open(&graph, None, Kind::Planner)?;
        let mut planner = Self {
            name: folder::name(folder),
            config,
            tokenizer,
            session: Mutex::new(session),
            turn: Mutex::default(),
            dimensions: 0,
            embedded: Mutex::default(),
        };
        planner.dimensions = planner.check().map_err(|e| unusable(e.to_string()))?;
        planner
            .plan("check", &[], DateTime::default())
            .map_err(|e| unusable(e.to_string()))?;
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

    /// What to do about `request`. `tools` are those that may be proposed, empty means all it was trained
    /// on; names the model does not know are ignored. `now` is the person's local time.
    ///
    /// Several requests in one sentence become several calls. Where one of them is unclear, all wait: the
    /// plan is the question.
    ///
    /// Fails with [`Error::TooLong`] if the request is longer than the model takes, with
    /// [`Error::InvalidArguments`] if it is empty or a described tool has a trained one's name.
    pub fn plan(&self, request: &str, tools: &[Offered], now: DateTime) -> Result<Plan> {
        if request.trim().is_empty() {
            return Err(Error::InvalidArguments("the request is empty".into()));
        }
        let choice = Choice {
            trained: (!tools.is_empty())
                .then(|| tools.iter().filter_map(Offered::trained).collect()),
            described: self.described(tools)?,
            now,
            tries: Cell::new(MOST_TRIES),
        };
        self.plan_clauses(request, &choice, MAX_CALLS)
    }

    /// The described tools, ready to be compared with. Their embeddings are kept for the next request.
    fn described(&self, tools: &[Offered]) -> Result<Vec<Known>> {
        let tools = described::check(tools, &self.config)?;
        let mut known = Vec::with_capacity(tools.len());
        for tool in tools {
            let texts: Vec<&str> = described::texts(tool).collect();
            let key = texts.join("\0");
            let kept = self.embedded().get(&key).cloned();
            let texts = match kept {
                Some(vectors) => vectors,
                None => {
                    let vectors = match self.embed(&texts) {
                        Ok(vectors) => Arc::new(vectors),
                        // One tool that says nothing that can be read must not stand in the way of all.
                        Err(Error::TooLong { .. }) => continue,
                        Err(e) => return Err(e),
                    };
                    let mut embedded = self.embedded();
                    if embedded.len() >= MOST_EMBEDDED {
                        embedded.clear();
                    }
                    embedded.insert(key, Arc::clone(&vectors));
                    vectors
                }
            };
            known.push(Known {
                tool: tool.clone(),
                texts,
                parameters: Parameters::of(&tool.parameters, &self.config),
            });
        }
        Ok(known)
    }

    fn embedded(&self) -> MutexGuard<'_, Embedded> {
        self.embedded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans at most `calls` requests that stand in one sentence.
    fn plan_clauses(&self, request: &str, choice: &Choice<'_>, calls: usize) -> Result<Plan> {
        let whole = self.plan_one(request, choice)?;
        let next = whole
            .next
            .filter(|(_, likely)| calls > 1 && *likely >= MAYBE_NEXT);
        if let Some((at, likely)) = next
            && let Some((first, rest)) = clauses::split(request, at)
        {
            let first = self.plan_one(first, choice)?;
            let rest = self.second(&first, rest, choice, calls - 1)?;
            let first = first.plan;
            // A part that no tool does is a sign that it was one request after all; so is one that needs more
            // words where the split is a mere maybe.
            let unclear = first.sure().is_none() || rest.sure().is_none();
            if first.reply.is_none() && rest.reply.is_none() && !(unclear && likely < 0.5) {
                let question = [&first, &rest].into_iter().find(|p| p.question.is_some());
                return Ok(match question {
                    Some(question) => question.clone(),
                    None => first.followed_by(rest),
                });
            }
        }
        if calls > 1 {
            self.in_two(request, choice, calls, whole)
        } else {
            Ok(whole.plan)
        }
    }

    /// Plans what stands behind a request, which may go without the words that both begin with: `move a to music
    /// and b to videos`, or speak of what the first one names: `read a.txt and throw it away`.
    fn second(
        &self,
        first: &Reading,
        rest: &str,
        choice: &Choice<'_>,
        calls: usize,
    ) -> Result<Plan> {
        if let Some(resolved) = reference::resolve(rest, &first.plan, &self.config) {
            let plan = self.plan_clauses(&resolved.request, choice, calls)?;
            if plan.sure().is_some() && resolved.is_meant(&plan, &self.config) {
                return Ok(plan);
            }
        }
        let plan = self.plan_clauses(rest, choice, calls)?;
        match (&first.lead, plan.sure()) {
            (Some(lead), None) => {
                let led = self.plan_one(&format!("{lead}{rest}"), choice)?.plan;
                Ok(if led.sure().is_some() { led } else { plan })
            }
            _ => Ok(plan),
        }
    }

    /// The surest way to take a sentence as two requests, or what it is as one. What is sure as one is two only
    /// where [`clauses::may_begin`] says so.
    fn in_two(
        &self,
        request: &str,
        choice: &Choice<'_>,
        calls: usize,
        whole: Reading,
    ) -> Result<Plan> {
        let sure = whole.plan.sure().unwrap_or(0.0);
        let one = sure >= SURE_AS_ONE;
        let mut best = if one {
            (CERTAIN_AS_TWO, whole.plan)
        } else {
            (sure.max(SURE_AS_TWO), whole.plan)
        };
        for at in clauses::joints(request) {
            if one && !clauses::may_begin(request, at, &whole.spoken) {
                continue;
            }
            let Some((first, rest)) = clauses::split(request, at) else {
                continue;
            };
            let Some(left) = choice.tries.get().checked_sub(1) else {
                break;
            };
            choice.tries.set(left);
            let first = self.plan_one(first, choice)?;
            let Some(sure) = first.plan.sure().filter(|sure| *sure > best.0) else {
                continue;
            };
            let second = self.second(&first, rest, choice, calls - 1)?;
            if let Some(sure) = second.sure().map(|s| s * sure).filter(|s| *s > best.0) {
                best = (sure, first.plan.followed_by(second));
            }
        }
        Ok(best.1)
    }

    /// The session, in the order in which it was asked for by two threads: who has just had it does not get it
    /// again before who waits for it.
    fn session(&self) -> MutexGuard<'_, Session> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans one request. What would change something and is neither sure nor unlikely is heard twice, with the
    /// sentence's stop and without: what does not hang on that is rather believed.
    fn plan_one(&self, request: &str, choice: &Choice<'_>) -> Result<Reading> {
        let first = self.pass(request, choice)?;
        let plan = match first.proposal {
            Proposal::Plan(plan) => plan,
            Proposal::Call(call)
                if self.config.changes_something(&call.tool)
                    && DOUBTFUL.contains(&call.confidence) =>
            {
                let call = match self.pass(&other_stop(request), choice) {
                    Ok(again) => call.heard_again(&again.proposal),
                    // The stop is one token too many.
                    Err(Error::TooLong { .. }) => call,
                    Err(e) => return Err(e),
                };
                call.decide(&self.config)
            }
            Proposal::Call(call) => call.decide(&self.config),
        };
        Ok(Reading {
            plan,
            next: first.next,
            lead: first.lead,
            spoken: first.spoken,
        })
    }

    /// One pass over a request.
    fn pass(&self, request: &str, choice: &Choice<'_>) -> Result<Pass> {
        let encoded = self.encode(request, "the request")?;
        let length = encoded.ids.len();
        let mut session = self.session();
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
        let words = Words {
            config: &self.config,
            request,
            offsets: &encoded.offsets,
            heads,
            now: choice.now,
        };
        let vector = output("embedding", self.dimensions)?;
        let likeliest = words.likeliest();
        let near = described::nearest(&choice.described, vector, likeliest);
        let proposal = match near {
            Some((known, probability)) if probability >= described::MEANT => {
                let own = words.decide(choice.trained.as_deref());
                Proposal::Plan(match &own.calls[..] {
                    // A description must not take over what the system certainly does itself.
                    [call] if likeliest >= CERTAIN => Plan {
                        question: Some(format!(
                            "Shall I {}, or use {}?",
                            wording::phrase(&call.tool),
                            known.tool.name
                        )),
                        ..own
                    },
                    _ => words.described(known, probability),
                })
            }
            _ => words.propose(choice.trained.as_deref()),
        };
        let (lead, spoken) = words.around();
        Ok(Pass {
            proposal,
            next: decode::next_request(&self.config, heads, request, &encoded.offsets),
            lead: lead.map(str::to_owned),
            spoken,
        })
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
        let mut vectors = Vec::with_capacity(texts.len());
        for text in encoded {
            let inputs = inputs(&text).map_err(|e| self.failed("preparing", &e))?;
            // Anew for each text: a plan does not wait for all of them.
            let mut session = self.session();
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

    /// Looks whether the graph is a planner's; returns the width of the embedding. A model that does not fit fails when it is loaded, not at the first request.
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

/// A request without what ends its sentence, or with a full stop where it has none.
fn other_stop(request: &str) -> String {
    let request = request.trim_end();
    let bare = request.trim_end_matches(['.', '!', '?', ' ']);
    if bare.is_empty() || bare.len() == request.len() {
        format!("{request}.")
    } else {
        bare.to_owned()
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
