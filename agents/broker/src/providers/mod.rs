//! Tools from outside: which providers there are, what they offer, and calls to them.
//!
//! ```text
//!  declared (a file) --first need--> starting --hello--> running --5 min without a call--> stopped
//!     ^                                  |                  |                                  |
//!     |  file changed or gone            v                  v  dies, or breaks the rules       |
//!     '------------------------------ failed <--------------'        <------ first need -------'
//! ```
//!
//! The files are looked at whenever somebody asks for a provider's tool or for the list, so that
//! there is nothing to reload: once for a call, and again before it runs if that is a while later. A
//! provider starts when its tools are first needed. One that failed is not tried again for [`RETRY`].
//!
//! | module | subject |
//! |---|---|
//! | [`declaration`] | `tools/NAME.yaml` |
//! | `launch` | the sandbox of an MCP server |
//! | `running` | one connected provider and its calls |
//! | `interface` | `org.argos.Providers1` |
//! | `clients` | programs outside that call tools as `mcp-client:NAME` |
//!
//! The way of a call is `call`'s: limits, permission, audit row are the same for every tool. What a
//! declared tool may look like is [`argos_tools::provided`]'s. How a sandboxed provider reaches a
//! host is `proxy`'s.

mod clients;
pub mod declaration;
mod interface;
pub mod launch;
mod running;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::{Error, Result};
use argos_tools::provided::Provided;
use argos_tools::{Call, Code, ToolError};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;

use crate::core::Broker;
use crate::permission::{Grant, Subject, Verdict};
use crate::session::lock;

use declaration::Declared;
use running::Running;

pub(crate) use interface::serve;
pub(crate) use running::For;

/// A provider that failed is not started again for this long.
const RETRY: Duration = Duration::from_secs(3);
/// One without a call for this long is stopped.
const IDLE: Duration = Duration::from_secs(300);
/// What the files said when a call was checked holds for this long when it runs.
const FRESH: Duration = Duration::from_secs(1);
/// Most tools of one provider, and most providers that run.
const MAX_TOOLS: usize = 128;
const MAX_RUNNING: usize = 16;

/// Whether a tool of this name is a provider's. No built-in tool is in these areas.
pub(crate) fn is_provided(tool: &str) -> bool {
    provider_of(tool).is_some()
}

/// The provider's name with its kind, and the tool's own name.
fn provider_of(tool: &str) -> Option<(&str, &str)> {
    let mut dots = tool.match_indices('.').map(|(at, _)| at);
    let (first, second) = (dots.next()?, dots.next()?);
    let kind = &tool[..first];
    let fits = matches!(kind, "mcp" | "dbus") && second + 1 < tool.len();
    fits.then(|| (&tool[..second], &tool[second + 1..]))
}

/// Whom the permissions of a provider itself (its hosts) are about.
fn subject(declared: &Declared) -> Subject {
    Subject {
        agent: declared.full_name(),
        hash: declared.hash.clone(),
    }
}

/// Where declarations are read from.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Those of the system, later ones over earlier ones.
    pub system: Vec<PathBuf>,
    /// The person's.
    pub own: PathBuf,
}

/// Every provider.
#[derive(Debug)]
pub(crate) struct Providers {
    folders: Folders,
    slots: tokio::sync::Mutex<BTreeMap<String, Arc<Slot>>>,
    /// What is wrong with files that declare nothing, by name.
    broken: Mutex<BTreeMap<String, (PathBuf, String)>>,
    clients: clients::Places,
    /// One permit for each sandboxed provider that may still be started.
    places: Arc<Semaphore>,
    /// Held by whoever compares what a provider offers with what it offered last.
    comparing: Arc<tokio::sync::Mutex<()>>,
    /// How often the files were read.
    #[cfg(test)]
    reads: std::sync::atomic::AtomicUsize,
}

/// A tool as it was when a call of it was checked.
#[derive(Debug)]
pub(crate) struct Found {
    slot: Arc<Slot>,
    provided: Arc<Provided>,
    /// When the files were read.
    read: Instant,
}

/// One declared provider.
#[derive(Debug)]
struct Slot {
    declared: Declared,
    running: tokio::sync::Mutex<Option<Arc<Running>>>,
    known: Mutex<Known>,
}

/// What was learnt of a provider.
#[derive(Debug, Default)]
struct Known {
    tools: Option<Vec<Arc<Provided>>>,
    /// How often what was known stopped being so: what is heard meanwhile is not kept.
    forgotten: u64,
    /// What was left out of what it offers.
    left_out: Vec<String>,
    failed: Option<(Instant, String)>,
}

impl Known {
    fn forget(&mut self) {
        self.tools = None;
        self.forgotten += 1;
    }
}

impl Providers {
    pub(crate) fn new(folders: Folders) -> Self {
        Self {
            folders,
            slots: tokio::sync::Mutex::default(),
            broken: Mutex::default(),
            clients: clients::Places::default(),
            places: Arc::new(Semaphore::new(MAX_RUNNING)),
            comparing: Arc::default(),
            #[cfg(test)]
            reads: std::sync::atomic::AtomicUsize::default(),
        }
    }

    /// The providers as the files say now. Those whose file changed or went are ended.
    async fn slots(&self, broker: &Arc<Broker>) -> Vec<Arc<Slot>> {
        let (folders, home) = (self.folders.clone(), broker.settings.home.clone());
        // Read under the lock: what was read earlier never stands for what was read later.
        let mut slots = self.slots.lock().await;
        #[cfg(test)]
        self.reads
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let reading = tokio::task::spawn_blocking(move || {
            declaration::load_all(&folders.system, &folders.own, &home)
        });
        let Ok((found, wrong)) = reading.await else {
            // Reading panicked: what was known stays.
            return slots.values().cloned().collect();
        };
        {
            let mut broken = lock(&self.broken);
            for (name, (_, what)) in &wrong {
                if broken.get(name).is_none_or(|(_, known)| known != what) {
                    warn!("{what}");
                }
            }
            *broken = wrong;
        }
        let found: BTreeMap<String, Declared> = found
            .into_values()
            .map(|declared| (declared.full_name(), declared))
            .collect();
        let mut ended = Vec::new();
        slots.retain(|name, slot| {
            let stays = found
                .get(name)
                .is_some_and(|d| d.hash == slot.declared.hash && d.file == slot.declared.file);
            if !stays {
                ended.push(Arc::clone(slot));
            }
            stays
        });
        for (name, declared) in found {
            slots.entry(name).or_insert_with(|| {
                Arc::new(Slot {
                    declared,
                    running: tokio::sync::Mutex::default(),
                    known: Mutex::default(),
                })
            });
        }
        let now = slots.values().cloned().collect();
        drop(slots);
        for slot in ended {
            slot.stop(broker).await;
        }
        now
    }

    async fn slot(&self, broker: &Arc<Broker>, provider: &str) -> Result<Arc<Slot>> {
        let slots = self.slots(broker).await;
        if let Some(slot) = slots
            .iter()
            .find(|slot| slot.declared.full_name() == provider)
        {
            return Ok(Arc::clone(slot));
        }
        let own_name = provider.split_once('.').map_or(provider, |(_, name)| name);
        if let Some((_, what)) = lock(&self.broken).get(own_name) {
            return Err(Error::Unavailable(what.clone()));
        }
        let all: Vec<String> = slots.iter().map(|s| s.declared.full_name()).collect();
        let shown = argos_tools::provided::clean(provider, 80);
        Err(Error::NotFound(if all.is_empty() {
            format!("there is no tool provider {shown}; none is declared (`argos mcp add`)")
        } else {
            format!(
                "there is no tool provider {shown}; there are {}",
                all.join(", ")
            )
        }))
    }

    /// The tools of all providers that are `wanted`, started if need be. One that does not come up is
    /// left out; why is kept for the list of providers.
    pub(crate) async fn tools(
        &self,
        broker: &Arc<Broker>,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Arc<Provided>> {
        let slots = self.slots(broker).await;
        let asked = slots
            .iter()
            .filter(|slot| slot.declared.declaration.enabled)
            .filter(|slot| wanted(&slot.declared.full_name()))
            .map(|slot| slot.tools(broker));
        futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    }

    /// Checks a call of a provider's tool.
    ///
    /// # Errors
    /// There is no such provider or tool, the provider does not come up, the arguments do not fit.
    pub(crate) async fn check(
        &self,
        broker: &Arc<Broker>,
        tool: &str,
        arguments: Value,
    ) -> std::result::Result<(Call, Found), ToolError> {
        let found = self
            .find(broker, tool)
            .await
            .map_err(|error| to_tool_error(tool, &error))?;
        let provided = Arc::clone(&found.provided);
        let name = provided.name();
        let call = tokio::task::spawn_blocking(move || provided.check(arguments))
            .await
            .map_err(|error| ToolError::new(Code::Failed, name, error.to_string()))??;
        Ok((call, found))
    }

    /// Carries out a permitted call of the tool that was found when it was checked.
    ///
    /// # Errors
    /// `Unavailable` if it is another tool by now; see [`Running::call`].
    pub(crate) async fn call(
        &self,
        broker: &Arc<Broker>,
        caller: For,
        found: &Found,
        call: &Call,
    ) -> Result<String> {
        // Looked at again: between question and answer the file may have changed, and a provider that
        // was started anew may offer something else under the name.
        let (provider, own_name) = provider_of(call.tool)
            .ok_or_else(|| Error::NotFound(format!("{} is no tool", call.tool)))?;
        let slot = match self.still(provider, found).await {
            Some(slot) => slot,
            None => self.enabled(broker, provider).await?,
        };
        let running = slot.connect(broker).await?;
        let now = slot.tool(broker, own_name).await?;
        let same = slot.declared.hash == found.slot.declared.hash
            && (Arc::ptr_eq(&now, &found.provided)
                || now.fingerprint() == found.provided.fingerprint());
        if !same {
            return Err(Error::Unavailable(format!(
                "{} is not the tool any more that was asked about; nothing was done, call it again",
                call.tool
            )));
        }
        running.call(broker, caller, own_name, call).await
    }

    async fn find(&self, broker: &Arc<Broker>, tool: &str) -> Result<Found> {
        let shown = argos_tools::provided::clean(tool, 120);
        let (provider, own_name) =
            provider_of(tool).ok_or_else(|| Error::NotFound(format!("{shown} is no tool")))?;
        let read = Instant::now();
        let slot = self.enabled(broker, provider).await?;
        let provided = slot.tool(broker, own_name).await?;
        Ok(Found {
            slot,
            provided,
            read,
        })
    }

    /// The provider as it was found, where that was just now and nobody has read anything else since.
    async fn still(&self, provider: &str, found: &Found) -> Option<Arc<Slot>> {
        if found.read.elapsed() >= FRESH {
            return None;
        }
        let slots = self.slots.lock().await;
        let now = slots.get(provider)?;
        Arc::ptr_eq(now, &found.slot).then(|| Arc::clone(now))
    }

    /// The provider of that name, if it is not switched off.
    async fn enabled(&self, broker: &Arc<Broker>, provider: &str) -> Result<Arc<Slot>> {
        let slot = self.slot(broker, provider).await?;
        if slot.declared.declaration.enabled {
            return Ok(slot);
        }
        Err(Error::Unavailable(format!(
            "{provider} is switched off (`enabled` in {})",
            slot.declared.file.display()
        )))
    }

    /// Ends every provider, when the broker ends in order.
    pub(crate) async fn end(&self, broker: &Broker) {
        let slots: Vec<_> = std::mem::take(&mut *self.slots.lock().await)
            .into_values()
            .collect();
        for slot in slots {
            slot.stop(broker).await;
        }
    }
}

impl Slot {
    /// The tool that it calls by this name.
    async fn tool(&self, broker: &Arc<Broker>, own_name: &str) -> Result<Arc<Provided>> {
        let tools = self.tools(broker).await?;
        let found = tools.iter().find(|tool| tool.own_name() == own_name);
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = tools.iter().map(|t| t.name()).collect();
            Error::NotFound(format!(
                "{} has no tool {}; it has {}",
                self.declared.full_name(),
                argos_tools::provided::clean(own_name, 120),
                argos_tools::provided::clean(&names.join(", "), 800)
            ))
        })
    }

    /// Its tools, asked for when they are not known.
    async fn tools(&self, broker: &Arc<Broker>) -> Result<Vec<Arc<Provided>>> {
        if let Some(tools) = &lock(&self.known).tools {
            return Ok(tools.clone());
        }
        let name = self.declared.full_name();
        let running = self.connect(broker).await?;
        let forgotten = lock(&self.known).forgotten;
        let listed = running.list(&name).await.inspect_err(|error| {
            self.failed(&error.text());
        })?;
        let mut left_out = Vec::new();
        if listed.len() > MAX_TOOLS {
            left_out.push(format!(
                "{} tools; the first {MAX_TOOLS} are taken",
                listed.len()
            ));
        }
        let checking = {
            let name = name.clone();
            tokio::task::spawn_blocking(move || {
                let mut seen = HashSet::new();
                let mut unfit = Vec::new();
                let mut taken = Vec::new();
                for declared in listed.iter().take(MAX_TOOLS) {
                    match Provided::new(&name, declared) {
                        Ok(provided) if seen.insert(provided.name()) => {
                            taken.push(Arc::new(provided));
                        }
                        Ok(provided) => unfit.push(format!("{} is there twice", provided.name())),
                        Err(error) => unfit.push(error.to_string()),
                    }
                }
                (taken, unfit)
            })
            .await
        };
        let (checked, unfit) =
            checking.map_err(|error| Error::Failed(format!("{name}: {error}")))?;
        left_out.extend(unfit);
        for what in &left_out {
            warn!("{name}: {what}");
        }
        // Before anybody knows the tools, so that no call of a changed one meets an earlier grant.
        forget_changed(broker, &self.declared, &checked).await?;
        let mut known = lock(&self.known);
        if known.forgotten == forgotten {
            known.tools = Some(checked.clone());
        }
        known.left_out = left_out;
        known.failed = None;
        Ok(checked)
    }

    /// The provider, connected; started if it is not.
    async fn connect(&self, broker: &Arc<Broker>) -> Result<Arc<Running>> {
        let mut running = self.running.lock().await;
        if let Some(alive) = running.as_ref().filter(|running| running.is_alive()) {
            return Ok(Arc::clone(alive));
        }
        let recently = lock(&self.known)
            .failed
            .clone()
            .filter(|(when, _)| when.elapsed() < RETRY);
        if let Some((_, why)) = recently {
            return Err(Error::Unavailable(why));
        }
        if let Some(gone) = running.take() {
            gone.stop(broker).await;
        }
        // What another process offers is another matter.
        lock(&self.known).forget();
        let started = Running::start(broker, &self.declared).await;
        let started = Arc::new(started.inspect_err(|error| self.failed(&error.text()))?);
        *running = Some(Arc::clone(&started));
        lock(&self.known).failed = None;
        drop(running);
        self.watch(broker, &started);
        Ok(started)
    }

    /// Ends the provider when it was not needed for a while; forgets its tools when it says that they
    /// changed.
    fn watch(&self, broker: &Arc<Broker>, started: &Arc<Running>) {
        let (broker, name) = (Arc::clone(broker), self.declared.full_name());
        let watched = Arc::downgrade(started);
        tokio::spawn(async move {
            loop {
                let Some(running) = watched.upgrade() else {
                    return;
                };
                let changed = running.changed();
                let idle_at = *lock(&running.used) + IDLE;
                drop(running);
                let told = tokio::select! {
                    told = changed => told,
                    () = tokio::time::sleep_until(idle_at) => false,
                };
                let slot = broker.providers.slots.lock().await.get(&name).cloned();
                let (Some(slot), Some(running)) = (slot, watched.upgrade()) else {
                    return;
                };
                if told {
                    lock(&slot.known).forget();
                    continue;
                }
                let idle = lock(&running.used).elapsed() >= IDLE && !running.is_busy();
                if idle || !running.is_alive() {
                    slot.stop(&broker).await;
                    return;
                }
            }
        });
    }

    fn failed(&self, why: &str) {
        lock(&self.known).failed = Some((Instant::now(), why.to_owned()));
    }

    async fn stop(&self, broker: &Broker) {
        if let Some(running) = self.running.lock().await.take() {
            running.stop(broker).await;
        }
    }
}

/// Takes back what was granted for tools that are not what they were when it was granted: a server
/// that first offers something harmless and later something else under its name has to be asked about
/// again. Refusals stay.
///
/// # Errors
/// It panicked; whether everything was taken back is not known.
async fn forget_changed(
    broker: &Arc<Broker>,
    declared: &Declared,
    tools: &[Arc<Provided>],
) -> Result<()> {
    let name = declared.full_name();
    let now: Fingerprints = tools
        .iter()
        .map(|tool| {
            let content = format!("{} {}", declared.hash, tool.fingerprint());
            let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
            (tool.name().to_owned(), hash)
        })
        .collect();
    // One after the other, in the order in which they came, also where nobody waits any more.
    let turn = Arc::clone(&broker.providers.comparing).lock_owned().await;
    let (own, provider) = (Arc::clone(broker), name.clone());
    tokio::task::spawn_blocking(move || {
        compare(&own, provider, now);
        drop(turn);
    })
    .await
    .map_err(|error| Error::Failed(format!("{name}: comparing its tools: {error}")))
}

/// Hashes of one provider's tools by their names.
type Fingerprints = BTreeMap<String, String>;

/// Compares what a provider offers with what it offered last, which is in a file.
fn compare(broker: &Broker, name: String, now: Fingerprints) {
    let file = broker.settings.state.join("providers.json");
    // A file that cannot be read leads to asking again.
    let mut seen: BTreeMap<String, Fingerprints> = std::fs::read(&file)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let before = seen.get(&name);
    if before == Some(&now) {
        return;
    }
    let prefix = format!("{name}.");
    let same =
        |tool: &str| before.is_some_and(|b| b.get(tool) == now.get(tool) && now.contains_key(tool));
    revoke(broker, "its tool is another one now", |grant| {
        let tool = grant.resource.split(':').next().unwrap_or_default();
        grant.verdict == Verdict::Allow && tool.starts_with(&prefix) && !same(tool)
    });
    seen.insert(name, now);
    let text = serde_json::to_vec_pretty(&seen).unwrap_or_default();
    if let Err(error) = argos_config::write_atomically(&file, &text) {
        warn!("{error}");
    }
}

/// Takes back every grant like that, because of what `why` says.
fn revoke(broker: &Broker, why: &str, about: impl Fn(&Grant) -> bool) {
    let mut permissions = lock(&broker.permissions);
    let gone: Vec<u64> = permissions
        .grants
        .all()
        .iter()
        .filter(|grant| about(grant))
        .map(|grant| grant.id)
        .collect();
    for id in &gone {
        match permissions.grants.revoke(*id) {
            Ok(_) => tracing::info!("grant {id} is taken back: {why}"),
            Err(error) => warn!("{error}"),
        }
    }
    if !gone.is_empty() {
        broker.grants_changed();
    }
}

fn to_tool_error(tool: &str, error: &Error) -> ToolError {
    let code = match error {
        Error::NotFound(_) => Code::NotFound,
        Error::LimitReached(_) => Code::LimitReached,
        Error::TimedOut(_) => Code::TimedOut,
        Error::Failed(_) => Code::Failed,
        _ => Code::Unavailable,
    };
    let shown = argos_tools::provided::clean(tool, 120);
    ToolError::new(code, format!("call {shown}"), error.text())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
