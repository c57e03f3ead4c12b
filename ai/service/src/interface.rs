//! `org.argos.AI1`: arguments checked and bounded, then handed to a lane.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use argos_bus::ai::{Model, Plan, ProposedCall};
use argos_bus::{Error, Result, caller};
use argos_engine::causal::{CausalLm, Event, Finished, Message, Options, Owner, Prompt, Request};
use argos_engine::planner::{Offered, Planner};
use argos_engine::registry::{Info, Kind, Loaded, Registry, State};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::wire::OwnedFd;

use crate::events::Events;
use crate::lane::Lane;
use crate::statistics::Statistics;

/// Where the interface is served.
pub(crate) const PATH: &str = "/org/argos/AI1";

/// Longest request to plan for, in bytes. The model's own limit in tokens comes after this one.
const MAX_REQUEST: usize = 16 << 10;
/// Most texts of one `Embed`.
const MAX_TEXTS: usize = 256;
/// Longest JSON argument, in bytes.
const MAX_JSON: usize = 4 << 20;
/// How long a caller waits for a plan or embedding, the default model's loading included.
const QUICK_LIMIT: Duration = Duration::from_secs(30);
/// How long a caller waits for a model to load.
const LOAD_LIMIT: Duration = Duration::from_secs(600);
/// How long a default model that failed to load is left alone before a request tries it again.
const RETRY: Duration = Duration::from_secs(5);
/// Jobs that may wait on each lane.
const QUICK_QUEUE: usize = 64;
const SLOW_QUEUE: usize = 8;

/// What the interface's methods and the lanes share.
#[derive(Debug)]
pub(crate) struct Service {
    registry: Registry,
    default: String,
    quick: Lane,
    slow: Lane,
    statistics: Statistics,
    states: UnboundedSender<Info>,
    /// When the default model last failed to load, and why.
    failure: Mutex<Option<(Instant, String)>>,
}

/// The served object.
#[derive(Debug)]
pub(crate) struct Ai(Arc<Service>);

impl Ai {
    pub(crate) fn new(
        models: Vec<PathBuf>,
        default: String,
        states: UnboundedSender<Info>,
    ) -> Self {
        Self(Arc::new(Service {
            registry: Registry::new(models),
            default,
            quick: Lane::start("quick", QUICK_QUEUE),
            slow: Lane::start("slow", SLOW_QUEUE),
            statistics: Statistics::new(),
            states,
            failure: Mutex::new(None),
        }))
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.0
    }
}

impl Service {
    /// Loads the default model in the background.
    pub(crate) fn load_default(self: &Arc<Self>) {
        let service = Arc::clone(self);
        let start = Instant::now();
        let load = move || match service.planner() {
            Ok(planner) => tracing::info!(
                "model `{}` is ready after {} ms, knows {} tools",
                service.default,
                start.elapsed().as_millis(),
                planner.tools().count()
            ),
            Err(e) => tracing::warn!("model `{}`: {e}", service.default),
        };
        if let Err(e) = self.quick.post(load) {
            tracing::warn!("cannot load the default model: {e}");
        }
    }

    fn load(&self, id: &str) -> argos_engine::Result<Loaded> {
        self.registry.load(id, &|info| {
            if let State::Failed(reason) = &info.state {
                tracing::warn!("model `{}` failed to load: {reason}", info.id);
            }
            let _ = self.states.send(info.clone());
        })
    }

    /// The default model, loaded if need be. Called on the quick lane, so that callers queue up behind
    /// its loading.
    fn planner(&self) -> Result<Arc<Planner>> {
        if let Some(Loaded::Planner(planner)) = self.registry.loaded(&self.default) {
            return Ok(planner);
        }
        let unavailable = |reason: &str| {
            Error::Unavailable(format!(
                "the default model `{}` is not there: {reason}",
                self.default
            ))
        };
        let mut failure = self
            .failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((when, reason)) = &*failure
            && when.elapsed() < RETRY
        {
            return Err(unavailable(reason));
        }
        match self.load(&self.default) {
            Ok(Loaded::Planner(planner)) => {
                *failure = None;
                Ok(planner)
            }
            Ok(other) => Err(unavailable(&format!(
                "it is of the kind {} and not a planner",
                other.kind()
            ))),
            Err(e) => {
                let reason = e.to_string();
                let error = unavailable(&reason);
                *failure = Some((Instant::now(), reason));
                Err(error)
            }
        }
    }

    fn causal(&self, id: &str) -> Result<Arc<CausalLm>> {
        match self.load(id).map_err(on_bus)? {
            Loaded::CausalLm(model) => Ok(model),
            other => Err(Error::InvalidArguments(format!(
                "model `{id}` is of the kind {}, which cannot generate text",
                other.kind()
            ))),
        }
    }

    /// Generates into `events`; on the slow lane.
    /// Loads the model if need be and queues the request; the rest happens on the model's own thread.
    fn generate(
        self: Arc<Self>,
        id: &str,
        messages: Vec<Message>,
        options: Options,
        owner: Owner,
        events: Events,
    ) {
        let start = Instant::now();
        let request = Request {
            options,
            owner,
            cancel: events.gone(),
            ..Request::new(Prompt::Chat(messages))
        };
        let events = Arc::new(events);
        let submitted = self.causal(id).and_then(|model| {
            let (service, events) = (Arc::clone(&self), Arc::clone(&events));
            // Whoever unloads the model meanwhile frees it after this answer.
            let kept = Arc::clone(&model);
            let sink = move |event| {
                let _ = &kept;
                match event {
                    Event::Text { text, .. } if text.is_empty() => {}
                    Event::Text { text, .. } => events.send(json!({ "text": text })),
                    Event::Finished(finished) => service.ended(start, Ok(finished), &events),
                    Event::Failed(e) => service.ended(start, Err(on_bus(e)), &events),
                }
            };
            model.submit(request, sink).map_err(on_bus)
        });
        if let Err(e) = submitted {
            self.ended(start, Err(e), &events);
        }
    }

    fn ended(&self, start: Instant, result: Result<Finished>, events: &Events) {
        self.statistics.generations.count(start, &result);
        match result {
            Ok(finished) => {
                let add = |counter: &std::sync::atomic::AtomicU64, n: usize| {
                    counter.fetch_add(n as u64, Ordering::Relaxed);
                };
                add(&self.statistics.prompt_tokens, finished.prompt_tokens);
                add(
                    &self.statistics.completion_tokens,
                    finished.completion_tokens,
                );
                events.send(json!({ "done": json(&finished) }));
            }
            Err(e) => events.send(json!({ "error": e.text() })),
        }
    }
}

#[zbus::interface(name = "org.argos.AI1")]
impl Ai {
    async fn list_models(&self) -> Result<Vec<Model>> {
        Ok(self.0.registry.list().iter().map(on_wire).collect())
    }

    async fn load_model(&self, id: &str) -> Result<()> {
        let (service, id) = (
            Arc::clone(&self.0),
            bounded(id, "the model's id", 255)?.to_owned(),
        );
        let small = id == service.default
            || service
                .registry
                .info(&id)
                .is_some_and(|i| i.kind == Some(Kind::Planner));
        let lane = if small { &self.0.quick } else { &self.0.slow };
        lane.run(LOAD_LIMIT, move || {
            service.load(&id).map(drop).map_err(on_bus)
        })
        .await
    }

    async fn unload_model(&self, id: &str) -> Result<()> {
        let changed = |info: &Info| drop(self.0.states.send(info.clone()));
        self.0.registry.unload(id, &changed).map_err(on_bus)
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f64>>> {
        if texts.len() > MAX_TEXTS {
            return Err(Error::InvalidArguments(format!(
                "{} texts at once; at most {MAX_TEXTS} are embedded",
                texts.len()
            )));
        }
        let start = Instant::now();
        let service = Arc::clone(&self.0);
        let work = move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = service.planner()?.embed(&texts).map_err(on_bus)?;
            Ok(vectors
                .into_iter()
                .map(|v| v.into_iter().map(f64::from).collect())
                .collect())
        };
        let result = self.0.quick.run(QUICK_LIMIT, work).await;
        self.0.statistics.embeddings.count(start, &result);
        result
    }

    async fn plan(&self, request: &str, tools: &str, context: &str) -> Result<String> {
        let request = bounded(request, "the request", MAX_REQUEST)?.to_owned();
        let tools: Vec<Offered> = parse(
            tools,
            "tools",
            "a JSON array of tool names and descriptions",
        )?;
        let context: Value = parse(context, "context", "a JSON object")?;
        let now = now(&context)?;
        let start = Instant::now();
        let service = Arc::clone(&self.0);
        let work = move || {
            let plan = service
                .planner()?
                .plan(&request, &tools, now)
                .map_err(on_bus)?;
            let calls = plan.calls.into_iter().map(|c| ProposedCall {
                tool: c.tool,
                arguments: c.arguments,
                confidence: c.confidence,
            });
            let plan = Plan {
                calls: calls.collect(),
                question: plan.question,
                reply: plan.reply,
                model: service.default.clone(),
            };
            Ok(json(&plan).to_string())
        };
        let result = self.0.quick.run(QUICK_LIMIT, work).await;
        self.0.statistics.plans.count(start, &result);
        result
    }

    /// Returns once the request is queued; everything else is in the events.
    async fn generate(
        &self,
        model: &str,
        messages: &str,
        options: &str,
        events: OwnedFd,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        // Whose prompts have the same beginning may be seen by how long an answer takes.
        let owner = caller::uid(connection, &header).await?.into();
        let messages: Vec<Message> =
            parse(messages, "messages", "a JSON array of {role, content}")?;
        let options: Options = parse(options, "options", "a JSON object")?;
        let id = bounded(model, "the model's id", 255)?.to_owned();
        match self.0.registry.list().into_iter().find(|m| m.id == id) {
            None => {
                return Err(Error::NotFound(format!(
                    "there is no model `{id}`; ListModels has them all"
                )));
            }
            Some(Info {
                kind: Some(Kind::CausalLm),
                ..
            }) => {}
            Some(Info {
                state: State::Failed(reason),
                kind: None,
                ..
            }) => {
                return Err(Error::Unavailable(format!(
                    "model `{id}` is not usable: {reason}"
                )));
            }
            Some(other) => {
                let kind = other.kind.map_or("unknown".into(), |k| k.to_string());
                return Err(Error::InvalidArguments(format!(
                    "model `{id}` is of the kind {kind}, which cannot generate text"
                )));
            }
        }
        let events = Events::new(events.into())
            .map_err(|e| Error::Failed(format!("cannot write to the passed events fd: {e}")))?;
        let service = Arc::clone(&self.0);
        self.0
            .slow
            .post(move || service.generate(&id, messages, options, owner, events))
    }

    async fn statistics(&self) -> Result<String> {
        Ok(self.0.statistics.json().to_string())
    }

    #[zbus(signal)]
    async fn model_changed(emitter: &SignalEmitter<'_>, model: Model) -> zbus::Result<()>;
}

/// Sends `ModelChanged` for each state until the service ends.
pub(crate) async fn announce(connection: zbus::Connection, mut changes: UnboundedReceiver<Info>) {
    while let Some(info) = changes.recv().await {
        let sent = match SignalEmitter::new(&connection, PATH) {
            Ok(emitter) => Ai::model_changed(&emitter, on_wire(&info)).await,
            Err(e) => Err(e),
        };
        if let Err(e) = sent {
            tracing::warn!("cannot announce the state of model `{}`: {e}", info.id);
        }
    }
}

fn on_wire(info: &Info) -> Model {
    Model {
        id: info.id.clone(),
        kind: info
            .kind
            .map_or_else(|| "unknown".into(), |k| k.to_string()),
        path: info.path.display().to_string(),
        size_bytes: info.size_bytes,
        state: info.state.name().into(),
        detail: match &info.state {
            State::Failed(reason) => reason.clone(),
            _ => String::new(),
        },
    }
}

/// The engine's errors by their names on the bus.
fn on_bus(error: argos_engine::Error) -> Error {
    use argos_engine::Error as Engine;
    let text = error.to_string();
    match error {
        Engine::NotFound { .. } => Error::NotFound(text),
        Engine::Runtime { .. }
        | Engine::Model { .. }
        | Engine::Memory { .. }
        | Engine::Provider { .. } => Error::Unavailable(text),
        Engine::Busy { .. } => Error::LimitReached(text),
        Engine::TooLong { .. } | Engine::InvalidArguments(_) => Error::InvalidArguments(text),
        Engine::Inference { .. } => Error::Failed(text),
    }
}

/// A value of our own types as JSON; they have no keys or numbers that JSON lacks.
fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn bounded<'a>(text: &'a str, what: &str, limit: usize) -> Result<&'a str> {
    if text.len() > limit {
        return Err(Error::InvalidArguments(format!(
            "{what} has {} bytes; at most {limit} are taken",
            text.len()
        )));
    }
    Ok(text)
}

/// A JSON argument; the empty string is the type's empty value.
fn parse<T: serde::de::DeserializeOwned + Default>(
    text: &str,
    what: &str,
    shape: &str,
) -> Result<T> {
    if bounded(text, what, MAX_JSON)?.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(text)
        .map_err(|e| Error::InvalidArguments(format!("{what} must be {shape}: {e}")))
}

/// The local time of the request: `now` of the context, else this machine's.
fn now(context: &Value) -> Result<jiff::civil::DateTime> {
    match context.get("now") {
        None | Some(Value::Null) => Ok(jiff::Zoned::now().datetime()),
        Some(Value::String(text)) => text.parse().map_err(|e| {
            Error::InvalidArguments(format!(
                "context.now `{text}` is no ISO 8601 date-time: {e}"
            ))
        }),
        Some(_) => Err(Error::InvalidArguments(
            "context.now must be a string".into(),
        )),
    }
}
