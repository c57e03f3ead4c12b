//! What both fronts stand on: the models, the threads that load and run them, and what is counted.
//!
//! D-Bus ([`crate::interface`]) and HTTP ([`crate::http`]) check what they are given and hand it on. Here a
//! model is loaded when it is asked for, and unloaded when nobody has asked for a while or another one
//! needs its memory. The default model stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argos_engine::causal::{
    Budget, Cancel, CausalLm, Class, Event, Finished, Limits, Owner, ParkedFolder, Request,
};
use argos_engine::embedding::EmbedOptions;
use argos_engine::planner::Planner;
use argos_engine::registry::{Info, Kind, Loaded, Registry, State};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::lane::Lane;
use crate::statistics::Statistics;

/// How long a caller waits for a plan or embedding.
const QUICK_LIMIT: Duration = Duration::from_secs(30);
/// The same while the default model is not loaded: right after the boot it comes up beside everything else.
const FIRST_LIMIT: Duration = Duration::from_secs(55);
/// How long a caller waits for a model to load.
pub(crate) const LOAD_LIMIT: Duration = Duration::from_secs(600);
/// Most texts that are embedded at once.
pub(crate) const MAX_TEXTS: usize = 256;
/// How long a default model that failed to load is left alone before a request tries it again.
const RETRY: Duration = Duration::from_secs(5);
/// Jobs that may wait on each lane.
const QUICK_QUEUE: usize = 64;
const SLOW_QUEUE: usize = 8;
/// First uid of a person.
const FIRST_PERSON: u32 = 1000;
/// How long the memory of an unloaded model takes to come back to the system, at most.
const SETTLES: Duration = Duration::from_millis(300);

/// What went wrong, the engine's part of it kept apart: each front has its own names for that.
#[derive(Debug)]
pub(crate) enum Failure {
    Engine(argos_engine::Error),
    Service(argos_bus::Error),
}

/// A model was asked for what its kind does not do.
fn unfit(id: &str, kind: Kind, wish: &str) -> Failure {
    argos_engine::Error::InvalidArguments(format!(
        "model `{id}` is of the kind {kind}, which cannot {wish}"
    ))
    .into()
}

impl From<argos_engine::Error> for Failure {
    fn from(error: argos_engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<argos_bus::Error> for Failure {
    fn from(error: argos_bus::Error) -> Self {
        Self::Service(error)
    }
}

impl From<Failure> for argos_bus::Error {
    fn from(failure: Failure) -> Self {
        use argos_engine::Error as Engine;
        let error = match failure {
            Failure::Service(error) => return error,
            Failure::Engine(error) => error,
        };
        let text = error.to_string();
        match error {
            Engine::NotFound { .. } => Self::NotFound(text),
            Engine::Runtime { .. }
            | Engine::Model { .. }
            | Engine::Memory { .. }
            | Engine::Provider { .. } => Self::Unavailable(text),
            Engine::Busy { .. } | Engine::Share { .. } | Engine::Budget { .. } => {
                Self::LimitReached(text)
            }
            Engine::TooLong { .. } | Engine::InvalidArguments(_) => Self::InvalidArguments(text),
            Engine::Inference { .. } => Self::Failed(text),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Whose prompts share what was computed for them: who has which prompts may be seen by how long an
    /// answer takes.
    pub owner: Owner,
    /// The most urgent class that its requests may have.
    pub class: Class,
    /// What its requests are paid from.
    pub budget: Option<Arc<Budget>>,
}

impl Caller {
    /// A user of the machine. Persons come before programs of the system.
    pub(crate) fn user(uid: u32) -> Self {
        Self {
            owner: uid.into(),
            class: if uid >= FIRST_PERSON {
                Class::Person
            } else {
                Class::Agent
            },
            budget: None,
        }
    }
}

/// What is announced of models.
#[derive(Debug)]
pub(crate) enum News {
    /// One has another state.
    State(Info),
    /// So many bytes of the weights of one that is loaded are in memory.
    Read { id: String, read: u64, total: u64 },
}

/// How the service is set up.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Folders of model folders.
    pub models: Vec<PathBuf>,
    /// The model that plans and embeds.
    pub default: String,
    /// Bytes for all models together.
    pub memory_budget: Option<u64>,
    /// A model nobody asks for is unloaded after this long.
    pub idle_unload: Option<Duration>,
    /// Where parked requests go that do not fit into memory.
    pub cache: Option<ParkedFolder>,
    /// Bytes of parked requests that each model keeps in memory.
    pub parked_bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Service {
    registry: Registry,
    settings: Settings,
    pub(crate) quick: Lane,
    bulk: Lane,
    pub(crate) slow: Lane,
    pub(crate) statistics: Statistics,
    news: UnboundedSender<News>,
    /// When the default model last failed to load, and why.
    failure: Mutex<Option<(Instant, String)>>,
    /// When each model was last asked for or had answered.
    used: Mutex<BTreeMap<String, Instant>>,
    /// Held while a model is loaded for a request, so that others wait here and not in the lane's queue.
    loading: tokio::sync::Mutex<()>,
    /// Held while a model is loaded that has to fit beside the others: two at once would both get the same room.
    fitting: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(crate) fn new(settings: Settings, news: UnboundedSender<News>) -> Arc<Self> {
        Arc::new(Self {
            registry: Registry::new(settings.models.clone()),
            settings,
            quick: Lane::start("quick", QUICK_QUEUE),
            bulk: Lane::start("bulk", QUICK_QUEUE),
            slow: Lane::start("slow", SLOW_QUEUE),
            statistics: Statistics::new(),
            news,
            failure: Mutex::new(None),
            used: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            fitting: Mutex::default(),
        })
    }

    /// Name of the model that plans and embeds.
    pub(crate) fn default_model(&self) -> &str {
        &self.settings.default
    }

    /// Every model there is now. Folders are looked at, which takes a while.
    pub(crate) async fn list(self: &Arc<Self>) -> Vec<Info> {
        let service = Arc::clone(self);
        tokio::task::spawn_blocking(move || service.registry.list())
            .await
            .unwrap_or_else(|_| self.registry.known())
    }

    /// How long who wants something of the default model waits for it now.
    pub(crate) fn quick_limit(&self) -> Duration {
        if self.is_loaded(self.default_model()) {
            QUICK_LIMIT
        } else {
            FIRST_LIMIT
        }
    }

    /// Loads the default model in the background.
    pub(crate) fn load_default(self: &Arc<Self>) {
        let service = Arc::clone(self);
        let start = Instant::now();
        let load = move || match service.planner(service.default_model()) {
            Ok(planner) => tracing::info!(
                "model `{}` is ready after {} ms, knows {} tools",
                service.default_model(),
                start.elapsed().as_millis(),
                planner.tools().count()
            ),
            Err(e) => tracing::warn!(
                "model `{}`: {}",
                service.default_model(),
                argos_bus::Error::from(e).text()
            ),
        };
        if let Err(e) = self.quick.post(load) {
            tracing::warn!("cannot load the default model: {e}");
        }
    }

    /// Loads a model, on the lane for models of its size.
    pub(crate) async fn load(self: &Arc<Self>, id: String) -> Result<(), Failure> {
        let lane = match self.registry.info(&id).and_then(|info| info.kind) {
            _ if id == self.default_model() => &self.quick,
            Some(Kind::Planner | Kind::Embedding | Kind::Reranker) => &self.bulk,
            _ => &self.slow,
        };
        let service = Arc::clone(self);
        lane.run(LOAD_LIMIT, move || {
            service.load_now(&id).map(drop).map_err(Failure::from)
        })
        .await
    }

    /// Unloads a model once the last request on it is done.
    pub(crate) fn unload(&self, id: &str) -> argos_engine::Result<()> {
        self.registry.unload(id, &|info| {
            let _ = self.news.send(News::State(info.clone()));
        })
    }

    /// The model, loaded if need be; makes room where there is none. Blocks.
    fn load_now(&self, id: &str) -> argos_engine::Result<Loaded> {
        if let Some(loaded) = self.registry.loaded(id) {
            self.touch(id);
            return Ok(loaded);
        }
        // The default model has to be there in any case, and nobody who plans waits for another one to load.
        let _turn = (id != self.default_model()).then(|| lock(&self.fitting));
        if let Some(loaded) = self.registry.loaded(id) {
            self.touch(id);
            return Ok(loaded);
        }
        let changed = |info: &Info| {
            if let State::Failed(reason) = &info.state {
                tracing::warn!("model `{}` failed to load: {reason}", info.id);
            }
            let _ = self.news.send(News::State(info.clone()));
        };
        let read = |info: &Info, read, total| {
            let id = info.id.clone();
            let _ = self.news.send(News::Read { id, read, total });
        };
        loop {
            let room = self
                .settings
                .memory_budget
                .map(|budget| budget.saturating_sub(self.taken(id)));
            let limits = Limits {
                parked_folder: self.settings.cache.clone(),
                parked_bytes: self.settings.parked_bytes,
                memory_bytes: room,
                ..Limits::default()
            };
            // Causal models look at their limits themselves, and the default model has to be there.
            let needed = self
                .registry
                .info(id)
                .filter(|info| info.kind != Some(Kind::CausalLm) && id != self.default_model())
                .map(|info| info.weights_bytes());
            let result = match (needed, room) {
                (Some(needed), Some(free)) if needed > free => Err(argos_engine::Error::Memory {
                    model: id.to_owned(),
                    needed,
                    free,
                }),
                _ => self.registry.load_watched(id, &limits, &changed, &read),
            };
            match result {
                Err(argos_engine::Error::Memory { .. }) if self.make_room(id) => {}
                result => {
                    if result.is_ok() {
                        self.touch(id);
                    }
                    return result;
                }
            }
        }
    }

    /// Bytes that are not there for model `id`: of what is in memory, and of the default model, which may
    /// come any time.
    fn taken(&self, id: &str) -> u64 {
        let default = self.default_model();
        let to_come = (id != default && !self.is_loaded(default))
            .then(|| self.registry.info(default))
            .flatten();
        let to_come = to_come.map_or(0, |info| info.size_bytes);
        let all = self.in_memory().into_iter().map(|(_, bytes)| bytes);
        all.fold(to_come, u64::saturating_add)
    }

    /// Unloads the model that was not asked for for longest; `false` where all are at work.
    fn make_room(&self, id: &str) -> bool {
        let used = lock(&self.used).clone();
        let idle = self
            .in_memory()
            .into_iter()
            .filter(|(other, _)| other != id && self.is_idle(other))
            .min_by_key(|(other, _)| used.get(other).copied());
        let Some((other, _)) = idle else {
            return false;
        };
        tracing::info!("unloading model `{other}` to make room for `{id}`");
        let done = self.unload(&other).is_ok();
        if self.settings.memory_budget.is_none() {
            // Its thread has to end before the system has the memory.
            std::thread::sleep(SETTLES);
        }
        done
    }

    /// Whether a model in memory could go: it is not the default one and has nothing to do.
    pub(crate) fn is_idle(&self, id: &str) -> bool {
        id != self.default_model()
            && match self.registry.loaded(id) {
                // The registry's and this one; who is about to make a request has another.
                Some(Loaded::CausalLm(model)) => {
                    model.requests() == 0 && Arc::strong_count(&model) <= 2
                }
                Some(Loaded::Embedding(model)) => Arc::strong_count(&model) <= 2,
                Some(Loaded::Reranker(model)) => Arc::strong_count(&model) <= 2,
                Some(_) => true,
                None => false,
            }
    }

    /// Whether a model is in memory.
    pub(crate) fn is_loaded(&self, id: &str) -> bool {
        self.registry.loaded(id).is_some()
    }

    /// Fails where a model is known to be of a kind that cannot do what is wished: before it is loaded for it.
    fn fits(&self, id: &str, kinds: &[Kind], wish: &str) -> Result<(), Failure> {
        match self.registry.info(id).and_then(|info| info.kind) {
            Some(kind) if !kinds.contains(&kind) => Err(unfit(id, kind, wish)),
            _ => Ok(()),
        }
    }

    /// Models in memory and the bytes that each takes.
    fn in_memory(&self) -> Vec<(String, u64)> {
        self.registry
            .known()
            .into_iter()
            .filter_map(|info| {
                let bytes = match self.registry.loaded(&info.id)? {
                    Loaded::CausalLm(model) => model.memory_bytes(),
                    _ => info.memory_bytes.unwrap_or(info.size_bytes),
                };
                Some((info.id, bytes))
            })
            .collect()
    }

    /// Unloads models nobody has asked for, for as long as the service runs.
    pub(crate) async fn unload_idle(self: Arc<Self>) {
        let Some(limit) = self.settings.idle_unload else {
            return std::future::pending().await;
        };
        let pause = (limit / 4).clamp(Duration::from_millis(100), Duration::from_secs(15));
        loop {
            tokio::time::sleep(pause).await;
            for (id, _) in self.in_memory() {
                if self.is_idle(&id) && self.idle(&id) >= limit {
                    tracing::info!("unloading model `{id}`, idle for {} s", limit.as_secs());
                    let _ = self.unload(&id);
                }
            }
        }
    }

    fn touch(&self, id: &str) {
        lock(&self.used).insert(id.to_owned(), Instant::now());
    }

    /// How long nobody has asked for a model.
    fn idle(&self, id: &str) -> Duration {
        lock(&self.used)
            .get(id)
            .map_or(Duration::ZERO, Instant::elapsed)
    }

    /// A planner, loaded if need be. Called on the lanes, so that callers queue up behind its loading.
    pub(crate) fn planner(&self, id: &str) -> Result<Arc<Planner>, Failure> {
        if id == self.default_model() {
            return self.default_planner();
        }
        match self.load_now(id)? {
            Loaded::Planner(planner) => Ok(planner),
            other => Err(unfit(id, other.kind(), "embed texts")),
        }
    }

    fn default_planner(&self) -> Result<Arc<Planner>, Failure> {
        let id = self.default_model();
        if let Some(Loaded::Planner(planner)) = self.registry.loaded(id) {
            return Ok(planner);
        }
        let unavailable = |reason: &str| {
            argos_bus::Error::Unavailable(format!(
                "the default model `{id}` is not there: {reason}"
            ))
        };
        let mut failure = lock(&self.failure);
        if let Some((when, reason)) = &*failure
            && when.elapsed() < RETRY
        {
            return Err(unavailable(reason).into());
        }
        match self.load_now(id) {
            Ok(Loaded::Planner(planner)) => {
                *failure = None;
                Ok(planner)
            }
            Ok(other) => {
                let what = format!("it is of the kind {} and not a planner", other.kind());
                Err(unavailable(&what).into())
            }
            Err(e) => {
                let reason = e.to_string();
                let error = unavailable(&reason);
                *failure = Some((Instant::now(), reason));
                Err(error.into())
            }
        }
    }

    /// A vector for each text, and the tokens of all of them, which `budget` pays.
    pub(crate) async fn embed(
        self: &Arc<Self>,
        id: String,
        texts: Vec<String>,
        budget: Option<Arc<Budget>>,
    ) -> Result<(Vec<Vec<f32>>, usize), Failure> {
        if texts.len() > MAX_TEXTS {
            return Err(argos_engine::Error::InvalidArguments(format!(
                "{} texts at once; at most {MAX_TEXTS} are embedded",
                texts.len()
            ))
            .into());
        }
        self.fits(&id, &[Kind::Planner, Kind::Embedding], "embed texts")?;
        let start = Instant::now();
        let service = Arc::clone(self);
        let work = move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            if id != service.default_model()
                && let Loaded::Embedding(model) = service.load_now(&id)?
            {
                let tokens = model.count_tokens(&texts)?;
                pay(budget.as_deref(), tokens)?;
                return Ok((model.embed(&texts, &EmbedOptions::default())?, tokens));
            }
            let planner = service.planner(&id)?;
            let tokens = texts
                .iter()
                .map(|t| planner.count_tokens(t))
                .sum::<argos_engine::Result<usize>>()?;
            pay(budget.as_deref(), tokens)?;
            Ok((planner.embed(&texts)?, tokens))
        };
        let result = self.bulk.run(QUICK_LIMIT, work).await;
        self.statistics.embeddings.count(start, &result);
        result
    }

    /// How well each document answers a query, the higher the better; `budget` pays the tokens.
    pub(crate) async fn rank(
        self: &Arc<Self>,
        id: String,
        query: String,
        documents: Vec<String>,
        budget: Option<Arc<Budget>>,
    ) -> Result<Vec<f32>, Failure> {
        self.fits(&id, &[Kind::Reranker], "rank documents")?;
        let start = Instant::now();
        let service = Arc::clone(self);
        let work = move || {
            let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
            match service.load_now(&id)? {
                Loaded::Reranker(model) => {
                    if budget.is_some() {
                        let tokens = model.count_tokens(&query, &documents)?;
                        pay(budget.as_deref(), tokens)?;
                    }
                    Ok(model.rank(&query, &documents, false)?)
                }
                other => Err(unfit(&id, other.kind(), "rank documents")),
            }
        };
        let result = self.bulk.run(QUICK_LIMIT, work).await;
        self.statistics.embeddings.count(start, &result);
        result
    }

    /// A model that generates, loaded if need be. Blocks.
    pub(crate) fn causal(&self, id: &str) -> Result<Arc<CausalLm>, Failure> {
        match self.load_now(id)? {
            Loaded::CausalLm(model) => Ok(model),
            other => Err(unfit(id, other.kind(), "generate text")),
        }
    }

    /// [`Self::causal`] without blocking: who comes while a model is loaded waits.
    pub(crate) async fn causal_ready(self: &Arc<Self>, id: &str) -> Result<Arc<CausalLm>, Failure> {
        self.fits(id, &[Kind::CausalLm], "generate text")?;
        if let Some(model) = self.causal_loaded(id)? {
            return Ok(model);
        }
        let _turn = self.loading.lock().await;
        if let Some(model) = self.causal_loaded(id)? {
            return Ok(model);
        }
        let (service, id) = (Arc::clone(self), id.to_owned());
        self.slow.run(LOAD_LIMIT, move || service.causal(&id)).await
    }

    /// A model that generates if it is in memory.
    fn causal_loaded(&self, id: &str) -> Result<Option<Arc<CausalLm>>, Failure> {
        match self.registry.loaded(id) {
            Some(Loaded::CausalLm(model)) => {
                self.touch(id);
                Ok(Some(model))
            }
            Some(other) => Err(unfit(id, other.kind(), "generate text")),
            None => Ok(None),
        }
    }

    /// Queues a request on a model; `sink` gets what comes out.
    pub(crate) fn submit(
        self: &Arc<Self>,
        id: &str,
        model: &Arc<CausalLm>,
        request: Request,
        mut sink: impl FnMut(Event) + Send + 'static,
    ) -> argos_engine::Result<()> {
        let start = Instant::now();
        let (service, name) = (Arc::clone(self), id.to_owned());
        // Whoever unloads the model meanwhile frees it after this answer.
        let kept = Arc::clone(model);
        let submitted = model.submit(request, move |event| {
            let _ = &kept;
            match &event {
                Event::Text { .. } => {}
                Event::Finished(finished) => service.count(&name, start, Ok(finished)),
                Event::Failed(_) => service.count(&name, start, Err(())),
            }
            sink(event);
        });
        if submitted.is_err() {
            self.count(id, start, Err(()));
        }
        submitted
    }

    fn count(&self, id: &str, start: Instant, result: Result<&Finished, ()>) {
        self.touch(id);
        self.statistics.generations.count(start, &result);
        let add = |counter: &std::sync::atomic::AtomicU64, n: usize| {
            counter.fetch_add(n as u64, Ordering::Relaxed);
        };
        if let Ok(finished) = result {
            add(&self.statistics.prompt_tokens, finished.prompt_tokens);
            add(
                &self.statistics.completion_tokens,
                finished.completion_tokens,
            );
            if finished.reason == argos_engine::causal::Reason::Cancelled {
                add(&self.statistics.cancelled, 1);
            }
        }
    }

    /// Forgets what was computed for an owner's prompts.
    pub(crate) fn forget(&self, owner: Owner) {
        for info in self.registry.known() {
            if let Some(Loaded::CausalLm(model)) = self.registry.loaded(&info.id) {
                model.forget(owner);
            }
        }
    }

    /// What is known of the models in memory.
    pub(crate) fn models_json(&self) -> Value {
        let models = self.registry.known().into_iter().filter_map(|info| {
            let idle = self.idle(&info.id).as_secs();
            let kind = info.kind.map(|k| k.to_string());
            let value = match self.registry.loaded(&info.id)? {
                Loaded::CausalLm(model) => {
                    let s = model.statistics();
                    json!({
                        "kind": kind,
                        "provider": info.provider,
                        "memory_bytes": model.memory_bytes(),
                        "slots": model.slots(),
                        "context": model.context(),
                        "running": s.running,
                        "waiting": s.waiting,
                        "parked": s.parked,
                        "idle_s": if model.requests() == 0 { idle } else { 0 },
                        "prompt_tokens": s.prompt_tokens,
                        "cached_tokens": s.cached_tokens,
                        "completion_tokens": s.completion_tokens,
                    })
                }
                _ => json!({
                    "kind": kind,
                    "provider": info.provider,
                    "memory_bytes": info.memory_bytes.unwrap_or(info.size_bytes),
                    "idle_s": idle,
                }),
            };
            Some((info.id, value))
        });
        Value::Object(models.collect())
    }

    /// All counters and gauges.
    pub(crate) fn statistics_json(&self) -> Value {
        let mut value = self.statistics.json();
        if let Some(cache) = &self.settings.cache {
            value["parked_on_disk"] = cache.times().into();
            value["parked_on_disk_bytes"] = cache.used().into();
        }
        value["models"] = self.models_json();
        value
    }
}

/// Pays for tokens that are about to be computed; none where there are fewer left.
fn pay(budget: Option<&Budget>, tokens: usize) -> argos_engine::Result<()> {
    match budget {
        Some(budget) if !budget.pay(tokens) => Err(argos_engine::Error::Budget {
            what: "the texts have",
            tokens,
            left: budget.left(),
        }),
        _ => Ok(()),
    }
}

/// Cancels when it is dropped: nobody is left who waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct CancelOnDrop(pub Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
