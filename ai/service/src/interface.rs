//! `org.argos.AI1`: arguments checked and bounded, then handed to the service.

use std::sync::Arc;
use std::time::Instant;

use argos_bus::ai::{Model, Plan, ProposedCall};
use argos_bus::{Error, Result, caller};
use argos_engine::causal::{Budget, Class, Event, Message, Options, Places, Prompt, Request};
use argos_engine::planner::Offered;
use argos_engine::registry::{Info, Kind, State};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::wire::OwnedFd;

use crate::events::{self, Events};
use crate::http::Front;
use crate::service::{Caller, Failure, News, Service};

/// Where the interface is served.
pub(crate) const PATH: &str = "/org/argos/AI1";

/// Longest request to plan for, in bytes. The model's own limit in tokens comes after this one.
const MAX_REQUEST: usize = 16 << 10;
/// Longest JSON argument, in bytes.
const MAX_JSON: usize = 4 << 20;

/// The served object.
#[derive(Debug)]
pub(crate) struct Ai(Arc<Service>, Front, Places);

impl Ai {
    /// `front` serves the sessions.
    pub(crate) fn new(service: Arc<Service>, front: Front) -> Self {
        Self(service, front, Places::new(events::MOST))
    }
}

/// Options of `OpenSession`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SessionOptions {
    /// The most urgent class of its requests.
    class: Option<Class>,
    /// Tokens, prompts and answers together.
    budget_tokens: Option<u32>,
    /// Whose requests they are, for the log.
    name: Option<String>,
    /// The user in whose name it is, where root opens it.
    uid: Option<u32>,
}

/// Who a session's requests are from. Nobody gets more by it than the caller has.
fn session_caller(uid: u32, options: &SessionOptions) -> Result<Caller> {
    let root = uid == 0;
    if !root && options.uid.is_some_and(|other| other != uid) {
        return Err(Error::Denied(format!(
            "a session for another user than uid {uid}: only root may open that"
        )));
    }
    let mut caller = Caller::user(options.uid.unwrap_or(uid));
    if let Some(class) = options.class {
        if class < caller.class && !root {
            return Err(Error::Denied(
                "class can make a session's requests less urgent, not more".into(),
            ));
        }
        caller.class = class;
    }
    caller.budget = options.budget_tokens.map(Budget::new);
    Ok(caller)
}

/// Loads the model if need be and queues the request; the rest happens on the model's own thread. On the
/// slow lane.
fn generate(service: &Arc<Service>, id: &str, request: Request, events: Events) {
    let events = Arc::new(events);
    let sink = {
        let events = Arc::clone(&events);
        move |event| match event {
            Event::Text { text, .. } if text.is_empty() => {}
            Event::Text { text, .. } => events.send(json!({ "text": text })),
            Event::Finished(finished) => events.finish(json!({ "done": json(&finished) })),
            Event::Failed(e) => events.finish(json!({ "error": e.to_string() })),
        }
    };
    let submitted = service
        .causal(id)
        .and_then(|model| Ok(service.submit(id, &model, request, sink)?));
    if let Err(e) = submitted {
        events.finish(json!({ "error": Error::from(e).text() }));
    }
}

#[zbus::interface(name = "org.argos.AI1")]
impl Ai {
    async fn list_models(&self) -> Result<Vec<Model>> {
        Ok(self.0.list().await.iter().map(on_wire).collect())
    }

    async fn load_model(&self, id: &str) -> Result<()> {
        let id = bounded(id, "the model's id", 255)?.to_owned();
        Ok(self.0.load(id).await?)
    }

    async fn unload_model(
        &self,
        id: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let uid = caller::uid(connection, &header).await?;
        let own = uid == 0 || uid == rustix::process::geteuid().as_raw();
        if !own && !self.0.is_idle(id) && self.0.is_loaded(id) {
            return Err(Error::Denied(format!(
                "model `{id}` is in use; only root may unload it now"
            )));
        }
        Ok(self.0.unload(id).map_err(Failure::from)?)
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f64>>> {
        let id = self.0.default_model().to_owned();
        let (vectors, _) = self.0.embed(id, texts, None).await?;
        let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect();
        Ok(vectors.into_iter().map(wide).collect())
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
                .planner(service.default_model())?
                .plan(&request, &tools, now)?;
            let calls = plan.calls.into_iter().map(|c| ProposedCall {
                tool: c.tool,
                arguments: c.arguments,
                confidence: c.confidence,
            });
            let plan = Plan {
                calls: calls.collect(),
                question: plan.question,
                reply: plan.reply,
                model: service.default_model().to_owned(),
            };
            Ok::<_, Failure>(json(&plan).to_string())
        };
        let result = self.0.quick.run(self.0.quick_limit(), work).await;
        self.0.statistics.plans.count(start, &result);
        Ok(result?)
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
        let caller = Caller::user(caller::uid(connection, &header).await?);
        let messages: Vec<Message> =
            parse(messages, "messages", "a JSON array of {role, content}")?;
        let options: Options = parse(options, "options", "a JSON object")?;
        let id = bounded(model, "the model's id", 255)?.to_owned();
        match self.0.list().await.into_iter().find(|m| m.id == id) {
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
        let place = self.2.take(caller.owner).map_err(|full| {
            Error::LimitReached(format!(
                "{} generations{} are being written already; try again later, or use the HTTP API",
                full.requests,
                if full.own { " of yours" } else { "" }
            ))
        })?;
        let events = Events::new(events.into(), place)
            .map_err(|e| Error::Failed(format!("cannot write to the passed events fd: {e}")))?;
        let request = Request {
            options,
            class: caller.class,
            owner: caller.owner,
            cancel: events.gone(),
            ..Request::new(Prompt::Chat(messages))
        };
        let service = Arc::clone(&self.0);
        self.0
            .slow
            .post(move || generate(&service, &id, request, events))
    }

    /// A socket that speaks HTTP in the caller's name, within limits that stay as they are.
    async fn open_session(
        &self,
        options: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        let options: SessionOptions = parse(options, "options", "a JSON object")?;
        let name = bounded(options.name.as_deref().unwrap_or("-"), "the name", 255)?;
        let uid = caller::uid(connection, &header).await?;
        let caller = session_caller(uid, &options)?;
        let failed = |e: std::io::Error| Error::Failed(format!("cannot make a socket: {e}"));
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let ours = tokio::net::UnixStream::from_std(ours).map_err(failed)?;
        tracing::debug!("session `{name}` of uid {uid}: {:?}", caller.class);
        self.1
            .session(ours, caller)
            .map_err(|e| Error::LimitReached(e.message))?;
        Ok(std::os::fd::OwnedFd::from(theirs).into())
    }

    async fn statistics(&self) -> Result<String> {
        Ok(self.0.statistics_json().to_string())
    }

    #[zbus(signal)]
    async fn load_progress(
        emitter: &SignalEmitter<'_>,
        id: &str,
        read_bytes: u64,
        total_bytes: u64,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn model_changed(emitter: &SignalEmitter<'_>, model: Model) -> zbus::Result<()>;
}

/// Sends the signals, in order, until the service ends.
pub(crate) async fn announce(connection: zbus::Connection, mut news: UnboundedReceiver<News>) {
    while let Some(news) = news.recv().await {
        if let Err(e) = send(&connection, &news).await {
            tracing::warn!("a signal was not sent: {e}: {news:?}");
        }
    }
}

async fn send(connection: &zbus::Connection, news: &News) -> zbus::Result<()> {
    let emitter = SignalEmitter::new(connection, PATH)?;
    match news {
        News::State(info) => Ai::model_changed(&emitter, on_wire(info)).await,
        News::Read { id, read, total } => Ai::load_progress(&emitter, id, *read, *total).await,
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
        provider: info.provider.map_or_else(String::new, |p| p.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_give_nobody_more_than_they_have() {
        let options = |text: &str| serde_json::from_str::<SessionOptions>(text).unwrap();
        let open = |uid, text: &str| session_caller(uid, &options(text));
        let mine = open(1000, "{}").unwrap();
        assert_eq!((mine.owner, mine.class), (1000, Class::Person));
        let agent = open(1000, r#"{"class": "agent", "budget_tokens": 9}"#).unwrap();
        assert_eq!(
            (agent.class, agent.budget.unwrap().left()),
            (Class::Agent, 9)
        );
        let theirs = open(0, r#"{"uid": 1000, "class": "background"}"#).unwrap();
        assert_eq!((theirs.owner, theirs.class), (1000, Class::Background));
        assert_eq!(
            open(0, r#"{"class": "person"}"#).unwrap().class,
            Class::Person
        );
        for (uid, text) in [(1000, r#"{"uid": 0}"#), (5, r#"{"class": "person"}"#)] {
            assert!(matches!(open(uid, text), Err(Error::Denied(_))), "{text}");
        }
    }
}
