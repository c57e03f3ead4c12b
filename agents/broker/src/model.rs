//! What an agent has language models write.
//!
//! ```text
//! Generate on fd 3 -> within limits -> session with the AI service -> answer
//!                                       (opened when first needed)
//! ```
//!
//! The session is a socket that `OpenSession` of `org.argos.AI1` passes: it speaks the HTTP API in the
//! person's name, with what is left of the agent's tokens as its budget. By it the AI service knows who asks.
//! It is kept for as long as the agent is connected, and opened anew when the AI service was restarted or the
//! agent has tokens again.
//!
//! The AI service holds an agent to its budget to the token. Across sessions tokens are counted here, by the
//! agent's name: an agent that ends, is changed and starts again is no richer for it. What an answer cost that
//! nobody waited for is not known, and counts as the most that it can have cost.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_bus::ai::Ai1Proxy;
use argos_bus::{Error, Result};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value, json};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::core::{Broker, ai_is_down};
use crate::session::{Session, lock};

/// What the audit log calls it.
pub(crate) const NAME: &str = "model.generate";
/// Longest request, in bytes.
const MAX_REQUEST: usize = 128 << 10;
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 4 << 20;
/// Longest time for an answer: a model may have to be loaded first.
const TIME: Duration = Duration::from_secs(600);
/// Tokens of an answer where the agent does not say.
const ANSWER_TOKENS: u64 = 512;
/// For so long a budget is meant, from the first token that is paid from it.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The header that says what is left of a session's budget.
const LEFT: &str = "x-argos-budget-left";
/// The header that makes a request less urgent than its session.
const CLASS: &str = "x-argos-class";

/// How urgent what an agent thinks about is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A person waits for it.
    Person,
    /// Another agent does.
    Agent,
    /// Nobody does.
    Background,
}

impl Class {
    /// As [`CLASS`] has it; a session is the person's own, so that needs no word.
    fn header(self) -> Option<&'static str> {
        match self {
            Self::Person => None,
            Self::Agent => Some("agent"),
            Self::Background => Some("background"),
        }
    }
}

/// The tokens that agents used in their present day, by name.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<HashMap<String, Account>>);

#[derive(Debug)]
struct Account {
    since: Instant,
    used: u64,
}

impl Accounts {
    /// What an agent used of its day, and when that is over. Nothing, where none has begun.
    pub(crate) fn used(&self, agent: &str, now: Instant) -> (u64, Duration) {
        lock(&self.0)
            .get(agent)
            .filter(|account| now < account.since + DAY)
            .map_or((0, DAY), |account| {
                (account.used, account.since + DAY - now)
            })
    }

    fn charge(&self, agent: &str, tokens: u64, now: Instant) {
        if tokens == 0 {
            return;
        }
        let mut accounts = lock(&self.0);
        // Names are made up by programs outside as well.
        accounts.retain(|_, account| now < account.since + DAY);
        let account = accounts.entry(agent.to_owned()).or_insert(Account {
            since: now,
            used: 0,
        });
        account.used = account.used.saturating_add(tokens);
    }
}

/// The most that a request can cost, charged unless it becomes known what it did cost.
struct AtMost<'a> {
    accounts: &'a Accounts,
    agent: &'a str,
    tokens: u64,
}

impl AtMost<'_> {
    fn known(mut self, tokens: u64) {
        self.tokens = tokens;
    }
}

impl Drop for AtMost<'_> {
    fn drop(&mut self) {
        self.accounts
            .charge(self.agent, self.tokens, Instant::now());
    }
}

/// An agent's session with the AI service.
#[derive(Debug)]
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// The socket, only to be looked at.
    socket: OwnedFd,
    /// What is left of its budget.
    left: u32,
    /// What moves the bytes; ends with this.
    _driver: JoinSet<()>,
}

/// An answer of the AI service.
struct Reply {
    status: StatusCode,
    left: Option<u32>,
    body: Bytes,
}

/// Why there is none.
enum Lost {
    /// The request never left: the session was over.
    Unsent,
    /// What became of it is not known.
    Unknown(String),
}

impl Line {
    async fn open(broker: &Broker, agent: &str, tokens: u32) -> Result<Self> {
        let bus = broker.system_bus().await.ok_or_else(|| {
            Error::Unavailable("the system bus cannot be reached, so there is no model".to_owned())
        })?;
        let ai = Ai1Proxy::new(&bus).await.map_err(ai_is_down)?;
        let options = json!({"name": agent, "budget_tokens": tokens}).to_string();
        let socket = match ai.open_session(&options).await {
            Ok(socket) => std::os::unix::net::UnixStream::from(OwnedFd::from(socket)),
            Err(Error::ZBus(e)) => return Err(ai_is_down(e)),
            Err(e) => return Err(e),
        };
        let failed = |e: &dyn std::fmt::Display| {
            Error::Unavailable(format!("the AI service's session cannot be used: {e}"))
        };
        socket.set_nonblocking(true).map_err(|e| failed(&e))?;
        let looked_at = socket.try_clone().map_err(|e| failed(&e))?;
        let socket = UnixStream::from_std(socket).map_err(|e| failed(&e))?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|e| failed(&e))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!("a session with the AI service ended: {e}");
            }
        });
        Ok(Self {
            sender,
            socket: looked_at.into(),
            left: tokens,
            _driver: driver,
        })
    }

    /// Whether the AI service closed it, noticed or not.
    fn is_over(&self) -> bool {
        let mut socket = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        self.sender.is_closed() || poll(&mut socket, Some(&now)) != Ok(0)
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        class: Class,
        body: Bytes,
    ) -> std::result::Result<Reply, Lost> {
        self.sender.ready().await.map_err(|_| Lost::Unsent)?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json");
        if let Some(class) = class.header() {
            request = request.header(CLASS, class);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|e| Lost::Unknown(e.to_string()))?;
        let response = self.sender.try_send_request(request).await;
        let response = response.map_err(|mut e| match e.take_message() {
            Some(_) => Lost::Unsent,
            None => Lost::Unknown(e.into_error().to_string()),
        })?;
        let status = response.status();
        let left = response.headers().get(LEFT);
        let left = left.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), MAX_ANSWER);
        let body = body.collect().await;
        let body = body.map_err(|e| Lost::Unknown(e.to_string()))?.to_bytes();
        Ok(Reply { status, left, body })
    }

    /// The language model for who names none: one that is in memory, else the first that there is.
    async fn choose(&mut self) -> std::result::Result<Result<String>, Lost> {
        let path = "/v1/models";
        let reply = self
            .ask(Method::GET, path, Class::Person, Bytes::new())
            .await?;
        let list: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let models = list["data"].as_array().map_or(&[][..], Vec::as_slice);
        let writes = |model: &&Value| model["kind"] == "causal-lm" && model["state"] != "failed";
        let ready = |model: &&Value| model["state"] == "ready";
        let chosen = models
            .iter()
            .filter(writes)
            .find(ready)
            .or_else(|| models.iter().find(writes));
        let id = chosen.and_then(|model| model["id"].as_str());
        Ok(id.map(str::to_owned).ok_or_else(|| {
            Error::NotFound(
                "there is no language model on this machine; `argos model import` adds one"
                    .to_owned(),
            )
        }))
    }
}

/// What an agent asks for, checked as far as the broker has to know it.
struct Wish {
    body: Map<String, Value>,
    /// The most that it can cost.
    most: u64,
}

impl Wish {
    fn read(request: &str) -> Result<Self> {
        let wrong = |what: String| Err(Error::InvalidArguments(what));
        if request.len() > MAX_REQUEST {
            return wrong(format!(
                "the request has {} bytes; at most {MAX_REQUEST} are taken",
                request.len()
            ));
        }
        let mut body: Map<String, Value> = match serde_json::from_str(request) {
            Ok(body) => body,
            Err(e) => return wrong(format!("the request is no JSON object: {e}")),
        };
        let said = |key: &str| body.get(key).filter(|value| !value.is_null());
        if said("stream").is_some_and(|stream| *stream != Value::Bool(false)) {
            return wrong("`stream`: an answer comes as a whole; leave it out".to_owned());
        }
        if said("n").is_some_and(|n| *n != json!(1)) {
            return wrong("`n`: an agent gets one answer at a time; leave it out".to_owned());
        }
        // What is no number the AI service refuses, and that costs nothing.
        let limits = ["max_tokens", "max_completion_tokens"];
        let longest = limits.into_iter().filter_map(|key| said(key)?.as_u64());
        let longest = longest.max();
        if longest.is_none() && limits.into_iter().all(|key| said(key).is_none()) {
            body.insert("max_tokens".to_owned(), json!(ANSWER_TOKENS));
        }
        // No text has more tokens than bytes.
        let most = (request.len() as u64).saturating_add(longest.unwrap_or(ANSWER_TOKENS));
        Ok(Self { body, most })
    }

    fn names_a_model(&self) -> bool {
        self.body.get("model").is_some_and(|model| !model.is_null())
    }

    fn to_bytes(&self) -> Bytes {
        Value::Object(self.body.clone()).to_string().into()
    }
}

/// Has a language model answer, as JSON; `request` is the body of `POST /v1/chat/completions`.
///
/// # Errors
/// `InvalidArguments`, `NotFound` (no such model), `LimitReached` (one at a time, a pace, the tokens of the
/// day), `Unavailable`, `TimedOut`, `Failed`.
pub(crate) async fn generate(
    broker: &Arc<Broker>,
    session: &Session,
    request: &str,
) -> Result<String> {
    let wish = Wish::read(request)?;
    let Ok(mut line) = session.line.try_lock() else {
        return Err(Error::LimitReached(
            "one answer for an agent can be in the making; wait for the other one".to_owned(),
        ));
    };
    if !session.may_generate_now() {
        return Err(Error::LimitReached(
            "too many generations at once; wait a few seconds".to_owned(),
        ));
    }
    tokio::select! {
        answer = tokio::time::timeout(TIME, answer(broker, session, &mut line, wish)) => {
            answer.unwrap_or_else(|_| Err(Error::TimedOut(format!(
                "the model did not answer in {} s",
                TIME.as_secs()
            ))))
        }
        () = session.gone() => Err(Error::Unavailable("the agent is gone".to_owned())),
    }
}

/// The session is taken out of `kept` while it is used, and comes back where it is of further use.
async fn answer(
    broker: &Arc<Broker>,
    session: &Session,
    kept: &mut Option<Line>,
    mut wish: Wish,
) -> Result<String> {
    let agent = session.subject.agent.as_str();
    let limit = session.agent.manifest.limits.tokens;
    let mut opened = false;
    loop {
        let (used, ends) = broker.accounts.used(agent, Instant::now());
        let left = u32::try_from(u64::from(limit).saturating_sub(used)).unwrap_or(u32::MAX);
        if left == 0 {
            return Err(used_up(limit, ends));
        }
        // One that has more or less to spend than the agent is of no use.
        let usable = |line: &Line| line.left == left && !line.is_over();
        let mut line = match kept.take().filter(usable) {
            Some(line) => line,
            None => {
                opened = true;
                Line::open(broker, agent, left).await?
            }
        };
        let lost = match attempt(broker, session, &mut line, &mut wish).await {
            Ok(reply) => {
                line.left = reply.left.unwrap_or(0);
                let outcome = outcome(&reply, limit, ends);
                *kept = Some(line);
                return outcome;
            }
            Err(Ended::Lost(lost)) => lost,
            Err(Ended::Refused(error)) => {
                *kept = Some(line);
                return Err(error);
            }
        };
        match lost {
            // The AI service was restarted meanwhile. A new session that is over at once is no accident.
            Lost::Unsent if !opened => {}
            Lost::Unsent => {
                return Err(Error::Unavailable(
                    "the AI service closed the session at once; `argos log ai` may say why"
                        .to_owned(),
                ));
            }
            Lost::Unknown(why) => {
                return Err(Error::Unavailable(format!(
                    "the AI service gave no whole answer: {why}"
                )));
            }
        }
    }
}

enum Ended {
    Lost(Lost),
    /// Before anything was asked that costs.
    Refused(Error),
}

/// Asks once, and charges what that cost.
async fn attempt(
    broker: &Broker,
    session: &Session,
    line: &mut Line,
    wish: &mut Wish,
) -> std::result::Result<Reply, Ended> {
    if !wish.names_a_model() {
        let chosen = line.choose().await.map_err(Ended::Lost)?;
        let model = chosen.map_err(Ended::Refused)?;
        wish.body.insert("model".to_owned(), model.into());
    }
    let before = line.left;
    let cost = AtMost {
        accounts: &broker.accounts,
        agent: &session.subject.agent,
        tokens: wish.most.min(before.into()),
    };
    let path = "/v1/chat/completions";
    let asked = line.ask(Method::POST, path, session.class(), wish.to_bytes());
    match asked.await {
        Ok(reply) => {
            if let Some(left) = reply.left {
                cost.known(before.saturating_sub(left).into());
            }
            Ok(reply)
        }
        Err(Lost::Unsent) => {
            cost.known(0);
            Err(Ended::Lost(Lost::Unsent))
        }
        Err(lost) => Err(Ended::Lost(lost)),
    }
}

/// The answer as the agent gets it, or what the AI service said against it.
fn outcome(reply: &Reply, limit: u32, ends: Duration) -> Result<String> {
    let text = std::str::from_utf8(&reply.body)
        .map_err(|e| Error::Failed(format!("the AI service's answer is no text: {e}")))?;
    if reply.status == StatusCode::OK {
        return Ok(text.to_owned());
    }
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let error = &body["error"];
    let message = error["message"].as_str().map_or_else(
        || format!("the AI service answered with {}", reply.status),
        str::to_owned,
    );
    Err(match reply.status {
        StatusCode::TOO_MANY_REQUESTS if error["code"] == "insufficient_quota" => {
            if reply.left == Some(0) {
                used_up(limit, ends)
            } else {
                Error::LimitReached(format!("{message}; {}", of_the_day(limit, ends)))
            }
        }
        StatusCode::TOO_MANY_REQUESTS => Error::LimitReached(message),
        StatusCode::NOT_FOUND => Error::NotFound(message),
        StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable(message),
        status if status.is_client_error() => Error::InvalidArguments(message),
        _ => Error::Failed(message),
    })
}

fn used_up(limit: u32, ends: Duration) -> Error {
    Error::LimitReached(if limit == 0 {
        "this agent may not have language models write: `limits: tokens` of its agent.yaml is 0"
            .to_owned()
    } else {
        format!(
            "this agent's tokens are used up; {}",
            of_the_day(limit, ends)
        )
    })
}

fn of_the_day(limit: u32, ends: Duration) -> String {
    let minutes = ends.as_secs().div_ceil(60);
    format!(
        "it has {limit} a day (`limits: tokens` of its agent.yaml), the next ones in {} h {} min",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_by_name_for_a_day() {
        let accounts = Accounts::default();
        let start = Instant::now();
        let later = |hours: u64| start + Duration::from_secs(hours * 3600);
        accounts.charge("a", 0, start);
        assert_eq!(accounts.used("a", later(30)), (0, DAY));
        accounts.charge("a", 5, later(1));
        accounts.charge("a", 7, later(24));
        accounts.charge("b", u64::MAX, later(24));
        accounts.charge("b", 1, later(24));
        let hour = Duration::from_secs(3600);
        assert_eq!(accounts.used("a", later(24)), (12, hour));
        assert_eq!(accounts.used("b", later(24)).0, u64::MAX);
        // The day began with the first token.
        assert_eq!(accounts.used("a", later(25)), (0, DAY));
        accounts.charge("a", 3, later(26));
        assert_eq!(accounts.used("a", later(49)), (3, hour));
        accounts.charge("a", 1, later(60));
        assert_eq!(lock(&accounts.0).len(), 1, "b's day is over");
    }

    #[test]
    fn what_is_not_known_costs_the_most_it_can() {
        let accounts = Accounts::default();
        let cost = |tokens| AtMost {
            accounts: &accounts,
            agent: "a",
            tokens,
        };
        cost(100).known(4);
        assert_eq!(accounts.used("a", Instant::now()).0, 4);
        drop(cost(100));
        assert_eq!(accounts.used("a", Instant::now()).0, 104);
    }

    #[test]
    fn a_wish_is_one_whole_answer_of_a_known_length() {
        let most = |text: &str| Wish::read(text).map(|wish| wish.most - text.len() as u64);
        assert_eq!(most("{}").unwrap(), ANSWER_TOKENS);
        assert_eq!(most(r#"{"max_tokens": 7}"#).unwrap(), 7);
        let both = r#"{"max_tokens": 7, "max_completion_tokens": 9}"#;
        assert_eq!(most(both).unwrap(), 9);
        let body = Wish::read(r#"{"max_tokens": null}"#).unwrap().to_bytes();
        assert_eq!(&body[..], br#"{"max_tokens":512}"#);
        // For the AI service to refuse.
        assert!(most(r#"{"max_tokens": "many"}"#).is_ok());
        let long = format!("{{\"x\": \"{}\"}}", "x".repeat(MAX_REQUEST));
        for (text, part) in [
            ("[]", "no JSON object"),
            (r#"{"stream": true}"#, "`stream`"),
            (r#"{"n": 16}"#, "`n`"),
            (long.as_str(), "bytes"),
        ] {
            match most(text) {
                Err(Error::InvalidArguments(what)) => assert!(what.contains(part), "{what}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
