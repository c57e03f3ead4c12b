//! The way of one tool call, from the request to the result.
//!
//! ```text
//! received -> within limits -> known, and the agent's -> fits the schema -> permitted -> room for
//!    the audit row -> (row that it begins) -> run -> audit row in the log -> result delivered
//! ```
//!
//! Whichever step says no, an audit row says which and why. No result, good or bad, is delivered
//! before its row is in the log; if the row cannot be written, the call fails and the result is
//! dropped. Rows reach the disk within a second. An act that the person confirmed has two: that it
//! begins is on disk before it does (it may be the end of the machine), and how it ended before
//! anybody hears of it.
//!
//! A call whose agent goes away before it is permitted is cancelled, and recorded as that. Once it
//! runs it cannot be called back, so it is seen through to its end or its time limit, whoever still
//! waits for it, and what really became of it is recorded.
//!
//! Whoever made a call, and the person, can cancel it ([`crate::calls`]). Before it runs nothing was
//! done, and a question is taken back. While it runs, its worker is ended; as with one that takes too
//! long, whether it was done is not known then.
//!
//! Calls that only ran into a limit are cheap to make and would be dear to record one by one: those
//! of one agent within a second share a row, and all of them are answered once it is on disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use argos_bus::{Error, Result};
use argos_tools::{Call, Context, Env};
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::audit::{Commit, Room, Row};
use crate::calls::{Canceller, Ticket};
use crate::core::Broker;
use crate::grants::Word;
use crate::permission::{By, Decision, Fallback, Need, Scope, Subject, Verdict};
use crate::prompts::{Answer, Closed, Question};
use crate::providers;
use crate::session::{MAX_CALLS, Session, lock};

/// Longest arguments of one call, in bytes.
const MAX_ARGUMENTS: usize = 128 << 10;
/// Largest result of one call, in bytes of JSON.
const MAX_RESULT: usize = 4 << 20;
/// Calls that run into a limit within this time of the first are recorded with it.
const TOGETHER: Duration = Duration::from_secs(1);

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// An agent, known by its socket.
    Agent(Arc<Session>),
    /// The person, on the session bus.
    Person,
}

impl Caller {
    fn agent(&self) -> Option<String> {
        match self {
            Self::Agent(session) => Some(session.subject.agent.clone()),
            Self::Person => None,
        }
    }

    /// As a provider's questions name it.
    fn on_behalf(&self) -> providers::For {
        match self {
            Self::Agent(session) => providers::For {
                subject: session.subject.clone(),
                title: session.agent.manifest.title.clone(),
            },
            Self::Person => providers::For {
                subject: Subject {
                    agent: "person".to_owned(),
                    hash: String::new(),
                },
                title: "You".to_owned(),
            },
        }
    }

    /// Other agents that it calls for.
    fn behalf(&self) -> Vec<Subject> {
        match self {
            Self::Agent(session) => session.behalf(),
            Self::Person => Vec::new(),
        }
    }

    async fn gone(&self) {
        match self {
            Self::Agent(session) => session.gone().await,
            Self::Person => std::future::pending().await,
        }
    }
}

/// A call that may run.
struct Permitted<'a> {
    call: Call,
    context: Context,
    /// Whose worker runs it.
    owner: Option<String>,
    /// The path whose grant allows it, for calls on paths.
    granted: Option<PathBuf>,
    /// Paths that the person refused to the agent, and to those it calls for.
    refused: Vec<PathBuf>,
    /// Its place among the agent's open calls.
    _slot: Option<SemaphorePermit<'a>>,
}

/// How a call ended, with what the audit row says of it.
struct Ending {
    outcome: &'static str,
    result: Result<Value>,
}

impl Ending {
    fn error(outcome: &'static str, error: Error) -> Self {
        Self {
            outcome,
            result: Err(error),
        }
    }
}

/// Makes one call. Returns the result as JSON.
pub(crate) async fn call(
    broker: &Arc<Broker>,
    caller: &Caller,
    tool: &str,
    arguments: &str,
) -> Result<String> {
    call_as(broker, caller, None, tool, arguments).await
}

/// The same, under a number by which an agent can cancel it.
pub(crate) async fn call_as(
    broker: &Arc<Broker>,
    caller: &Caller,
    own: Option<u64>,
    tool: &str,
    arguments: &str,
) -> Result<String> {
    let started = Instant::now();
    let (agent, hash, own) = match caller {
        Caller::Agent(s) => {
            let own = own.map(|number| (s.number, number));
            (s.subject.agent.clone(), s.subject.hash.clone(), own)
        }
        Caller::Person => ("person".to_owned(), String::new(), None),
    };
    let mut row = Row {
        time: broker.clock.timestamp(),
        agent,
        hash,
        tool: shortened(tool),
        arguments: Value::Null,
        action: String::new(),
        resource: String::new(),
        decision: "none",
        by: String::new(),
        outcome: "",
        calls: 1,
        duration_ms: 0,
        error: String::new(),
    };
    let now = broker.clock.now_ms();
    let ticket = broker.calls.begin(&row.agent, &row.tool, own, now);
    let permitted = tokio::select! {
        permitted = settle(broker, caller, &ticket, tool, arguments, &mut row) => permitted,
        () = caller.gone() => {
            Err(Ending::error("cancelled", Error::Unavailable("the agent is gone".to_owned())))
        }
        by = called_back(&ticket) => {
            let what = format!("{by} called it back; nothing was done");
            Err(Ending::error("cancelled", Error::Cancelled(what)))
        }
    };
    // A question that nobody waits for any more goes from the screen.
    broker.withdraw_abandoned();
    let took = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut kept = Kept::default();
    let ending = match permitted {
        Ok(permitted) => {
            row.duration_ms = took();
            match kept.prepare(broker, &permitted.call, &row).await {
                Ok(()) => {
                    if let Some(ticket) = &ticket {
                        ticket.runs(&row.resource);
                    }
                    run(broker, caller, permitted, &ticket).await
                }
                Err(e) => Ending::error("failed", e),
            }
        }
        Err(ending) => ending,
    };
    row.outcome = ending.outcome;
    row.duration_ms = took();
    row.error = ending
        .result
        .as_ref()
        .err()
        .map(text_of)
        .unwrap_or_default();
    let done = caller.agent().and_then(|agent| deed(&agent, &row));
    match caller {
        Caller::Agent(session) if row.outcome == "limited" => {
            record_together(broker, session, row).await?;
        }
        _ => record(broker, row, kept).await?,
    }
    if let Some((agent, text)) = done {
        broker.remember(agent, text);
    }
    ending.result.map(|v| v.to_string())
}

/// Returns when the call is called back.
async fn called_back(ticket: &Option<Ticket>) -> Canceller {
    match ticket {
        Some(ticket) => ticket.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Everything before the call runs. `Err` is the end of it.
async fn settle<'a>(
    broker: &Arc<Broker>,
    caller: &'a Caller,
    ticket: &Option<Ticket>,
    tool: &str,
    arguments: &str,
    row: &mut Row,
) -> std::result::Result<Permitted<'a>, Ending> {
    let limited = |what: String| Err(Ending::error("limited", Error::LimitReached(what)));
    let slot = match caller {
        Caller::Person => None,
        Caller::Agent(session) => {
            if !session.may_call_now() {
                return limited("too many tool calls at once; wait a few seconds".to_owned());
            }
            match session.calls.try_acquire() {
                Ok(slot) => Some(slot),
                Err(_) => {
                    return limited(format!(
                        "an agent may have {MAX_CALLS} tool calls open at once"
                    ));
                }
            }
        }
    };
    if arguments.len() > MAX_ARGUMENTS {
        return limited(format!(
            "the arguments have {} bytes; at most {MAX_ARGUMENTS} are taken",
            arguments.len()
        ));
    }
    let invalid = |e: Error| Err(Ending::error("invalid", e));
    if ticket.is_none() {
        return invalid(Error::InvalidArguments(
            "a call of that number is open; use another number".to_owned(),
        ));
    }
    let parsed: Value = match serde_json::from_str(arguments) {
        Ok(v @ Value::Object(_)) => v,
        Ok(_) => {
            return invalid(Error::InvalidArguments(
                "arguments must be a JSON object".to_owned(),
            ));
        }
        Err(e) => {
            return invalid(Error::InvalidArguments(format!(
                "arguments are not JSON: {e}"
            )));
        }
    };
    row.arguments = parsed.clone();
    // A tool that is not the agent's does not exist for it.
    if let Caller::Agent(session) = caller
        && !session.agent.manifest.may_call(tool)
    {
        return invalid(Error::NotFound(format!(
            "{} has no tool `{}`; its manifest lists what it has",
            session.agent.manifest.title,
            shortened(tool)
        )));
    }
    let behalf: Vec<String> = caller.behalf().into_iter().map(|s| s.agent).collect();
    let context = Context::new(caller.agent(), broker.settings.home.clone())
        .with_shared_memory(has_shared_memory(broker, caller, tool))
        .with_workspace(
            caller
                .agent()
                .map(|agent| broker.settings.workspace(&agent)),
        )
        .for_agents(behalf);
    let checked = if providers::is_provided(tool) {
        Ok(broker.providers.check(broker, tool, parsed).await)
    } else {
        // Checking follows symbolic links, which may wait for a disk.
        let (broker, tool, context) = (Arc::clone(broker), tool.to_owned(), context.clone());
        tokio::task::spawn_blocking(move || broker.catalogue.find(&tool)?.check(parsed, &context))
            .await
    };
    let call = match checked {
        Ok(Ok(call)) => call,
        Ok(Err(e)) => return invalid(e.into()),
        Err(e) => {
            return Err(Ending::error(
                "failed",
                Error::Failed(format!("checking the call failed: {e}")),
            ));
        }
    };
    let need = Need {
        action: call.action.name().to_owned(),
        resource: call.resource.clone(),
    };
    row.action.clone_from(&need.action);
    row.resource.clone_from(&need.resource);
    let mut granted = None;
    match caller {
        Caller::Person => {
            row.decision = "allow";
            row.by = "person (own call)".to_owned();
        }
        Caller::Agent(session) => {
            let settled = match permitted(broker, session, &call, &need).await {
                Ok(settled) => settled,
                Err(e) => return limited(text_of(&e)),
            };
            row.by = settled.to_string();
            if !context.behalf.is_empty() {
                row.by = format!("{}, for {}", row.by, context.behalf.join(", for "));
            }
            if !settled.allows() {
                row.decision = "deny";
                return Err(Ending::error("denied", settled.refusal(&call, &need)));
            }
            row.decision = "allow";
            if call.is_path()
                && let Settled::Allowed(By::Grant { resource, .. }) = settled
            {
                granted = Some(resource.into());
            }
        }
    }
    Ok(Permitted {
        call,
        owner: context.agent.clone(),
        context,
        granted,
        refused: refused_paths(broker, caller, &need),
        _slot: slot,
    })
}

/// Carries out a permitted call, within its time.
async fn run(
    broker: &Arc<Broker>,
    caller: &Caller,
    permitted: Permitted<'_>,
    ticket: &Option<Ticket>,
) -> Ending {
    let limit = broker.settings.tool_time;
    let call = &permitted.call;
    if providers::is_provided(call.tool) {
        // Its time stands still while the person is asked to confirm something, so it is kept there.
        let calling = broker.providers.call(broker, caller.on_behalf(), call);
        let ended = tokio::select! {
            ended = calling => ended,
            by = called_back(ticket) => return stopped(call, by),
        };
        return match ended {
            Ok(value) => Ending {
                outcome: "ok",
                result: Ok(value),
            },
            Err(e @ Error::TimedOut(_)) => Ending::error("timed-out", e),
            Err(e) => Ending::error("failed", e),
        };
    }
    let mut lease = None;
    let running = async {
        if call.needs_worker() {
            let owner = permitted.owner.as_deref();
            lease = Some(broker.workers.get(owner).await?);
        }
        let env = Env {
            context: permitted.context,
            session: Some(broker.session_bus.clone()),
            system: broker.system_bus().await,
            worker: lease.as_ref().map(|lease| lease.worker().clone()),
            granted: permitted.granted,
            refused: permitted.refused,
        };
        call.execute(&env).await.map_err(Error::from)
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(limit, running) => ended,
        by = called_back(ticket) => {
            if let Some(lease) = &lease {
                lease.replace();
            }
            return stopped(call, by);
        }
    };
    match ended {
        Ok(Ok(value)) => match value.to_string().len() {
            size if size > MAX_RESULT => Ending::error(
                "failed",
                Error::LimitReached(format!(
                    "the result of {} has {size} bytes; at most {MAX_RESULT} are handed on. \
                     It was done; ask for less",
                    call.tool
                )),
            ),
            _ => Ending {
                outcome: "ok",
                result: Ok(value),
            },
        },
        Ok(Err(e)) => Ending::error("failed", e),
        Err(_) => {
            // The worker has no say in how long a call takes; a fresh one serves the next.
            if let Some(lease) = &lease {
                lease.replace();
            }
            // A service that was asked may still do it, a worker may have done it just now.
            let what = format!(
                "{} did not end within {} s; whether it was done is not known",
                call.tool,
                limit.as_secs_f64()
            );
            Ending::error("timed-out", Error::TimedOut(what))
        }
    }
}

/// The end of a call that was called back while it ran.
fn stopped(call: &Call, by: Canceller) -> Ending {
    let what = format!(
        "{by} called {} back while it ran; whether it was done is not known",
        call.tool
    );
    Ending::error("stopped", Error::Cancelled(what))
}

/// Whether the agent was granted the memory that all agents share, for what this tool does to it.
/// Without it, it uses its own.
fn has_shared_memory(broker: &Broker, caller: &Caller, tool: &str) -> bool {
    let (Caller::Agent(session), Some(tool)) = (caller, broker.catalogue.get(tool)) else {
        return false;
    };
    let need = Need {
        action: tool.action().name().to_owned(),
        resource: "memory".to_owned(),
    };
    let permissions = lock(&broker.permissions);
    let now = broker.clock.now_ms();
    // What another agent may not see is not looked up for it either.
    std::iter::once(session.subject.clone())
        .chain(session.behalf())
        .all(|subject| {
            let grants = &permissions.grants;
            let decision = grants.decide(&subject, &need, Fallback::Ask, now);
            matches!(decision, Decision::Allow(_))
        })
}

/// The paths that the person refused for this action. What changes files can take a folder to where
/// a refusal to read it does not reach, so for that every refusal counts.
fn refused_paths(broker: &Broker, caller: &Caller, need: &Need) -> Vec<PathBuf> {
    let Caller::Agent(session) = caller else {
        return Vec::new();
    };
    let subjects: Vec<Subject> = std::iter::once(session.subject.clone())
        .chain(session.behalf())
        .collect();
    let now = broker.clock.now_ms();
    lock(&broker.permissions)
        .grants
        .current(now)
        .filter(|g| g.verdict == Verdict::Deny && g.resource.starts_with('/'))
        .filter(|g| g.action == need.action || need.action == "write")
        .filter(|g| {
            // A refusal outlives a change of the agent.
            subjects.iter().any(|s| s.agent == g.agent)
        })
        .map(|g| PathBuf::from(&g.resource))
        .collect()
}

/// What the rule says of a call on all its resources, for the agent and those it calls for: a no of
/// any of them is a no, and where one has to be asked, the person is asked, once and for this call.
fn decide_all(
    decide: impl Fn(&Subject, &Need, Fallback) -> Decision,
    subjects: &[Subject],
    needs: &[Need],
    fallback: Fallback,
) -> Decision {
    let mut allowed = None;
    let mut ask = None;
    for subject in subjects {
        for need in needs {
            // What an agent keeps for itself is its own affair, and not that of who asks it.
            let private = |owner: &str| owner != subject.agent;
            let fallback = match need.resource.strip_prefix("memory/") {
                Some(owner) if private(owner) && fallback == Fallback::Allow => Fallback::Ask,
                _ => fallback,
            };
            match decide(subject, need, fallback) {
                Decision::Deny(by) => return Decision::Deny(by),
                Decision::Ask { grantable } => {
                    // An answer that is kept is about one agent and one resource.
                    let grantable = grantable && subjects.len() == 1 && needs.len() == 1;
                    ask = Some(Decision::Ask { grantable });
                }
                Decision::Allow(by) => {
                    allowed.get_or_insert(by);
                }
            }
        }
    }
    match (ask, allowed) {
        (Some(ask), _) => ask,
        (None, Some(by)) => Decision::Allow(by),
        (None, None) => Decision::Deny(By::Malformed),
    }
}

/// Who settled a permission, and how.
enum Settled {
    Allowed(By),
    Refused(By),
    Answered(Answer),
}

impl std::fmt::Display for Settled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allowed(by) | Self::Refused(by) => by.fmt(f),
            Self::Answered(Answer::Expired) => f.write_str("nobody answered"),
            Self::Answered(answer) => write!(f, "person ({})", answer.as_str()),
        }
    }
}

impl Settled {
    fn allows(&self) -> bool {
        match self {
            Self::Allowed(_) => true,
            Self::Refused(_) => false,
            Self::Answered(answer) => answer.allows(),
        }
    }

    /// What the agent is told: why, and what would help.
    fn refusal(&self, call: &Call, need: &Need) -> Error {
        let what = format!("to {} {}", need.action, need.resource);
        match self {
            Self::Refused(By::Malformed) => Error::InvalidArguments(format!(
                "{}: `{}` is not a plain absolute path, or not the one form of a host",
                call.tool, need.resource
            )),
            Self::Answered(Answer::Expired) => Error::NoAnswer(format!(
                "nobody answered whether you may be allowed {what}; ask again when somebody is there"
            )),
            Self::Answered(Answer::Never) => Error::Denied(format!(
                "the person refused {what}, now and in future; only the person can take that back, \
                 in the list of permissions"
            )),
            Self::Answered(_) => Error::Denied(format!("the person refused {what} this time")),
            Self::Allowed(_) | Self::Refused(_) => Error::Denied(format!(
                "the person refused {what} earlier, for good; only the person can take that back, \
                 in the list of permissions"
            )),
        }
    }
}

async fn permitted(
    broker: &Arc<Broker>,
    session: &Arc<Session>,
    call: &Call,
    need: &Need,
) -> Result<Settled> {
    let limit = broker.settings.answer_time;
    let asked = {
        let mut permissions = lock(&broker.permissions);
        let fallback = match call.default {
            argos_tools::Verdict::Allow => Fallback::Allow,
            argos_tools::Verdict::Ask => Fallback::Ask,
            argos_tools::Verdict::Confirm => Fallback::Confirm,
        };
        let behalf = session.behalf();
        let subjects: Vec<Subject> = std::iter::once(session.subject.clone())
            .chain(behalf.iter().cloned())
            .collect();
        let also = call.also.iter().map(|resource| Need {
            action: need.action.clone(),
            resource: resource.clone(),
        });
        let needs: Vec<Need> = std::iter::once(need.clone()).chain(also).collect();
        let now = broker.clock.now_ms();
        let grants = &permissions.grants;
        let decide = |s: &Subject, n: &Need, f| grants.decide(s, n, f, now);
        match decide_all(decide, &subjects, &needs, fallback) {
            Decision::Allow(by) => return Ok(Settled::Allowed(by)),
            Decision::Deny(by) => return Ok(Settled::Refused(by)),
            Decision::Ask { grantable } => {
                let question = Question {
                    subject: session.subject.clone(),
                    title: session.agent.manifest.title.clone(),
                    tool: call.tool.to_owned(),
                    arguments: call.arguments.to_string(),
                    need: need.clone(),
                    summary: summary(call, &behalf),
                    grantable,
                };
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                permissions
                    .prompts
                    .ask(question, now, limit_ms)
                    .map_err(|waiting| {
                        Error::LimitReached(format!(
                            "{waiting} questions of this agent wait for an answer already"
                        ))
                    })?
            }
        }
    };
    let id = asked.id;
    if let Some(request) = asked.show {
        broker.requested(request);
    }
    let _shown = Shown::new(broker, session, id, &call.summary);
    Ok(Settled::Answered(
        match tokio::time::timeout(limit, asked.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Cancelled,
            Err(_) => {
                let closed = lock(&broker.permissions).prompts.close(id, Answer::Expired);
                broker.resolved(&closed);
                Answer::Expired
            }
        },
    ))
}

/// The call in one sentence, with the agents that it is for.
fn summary(call: &Call, behalf: &[Subject]) -> String {
    if behalf.is_empty() {
        return call.summary.clone();
    }
    let names: Vec<&str> = behalf.iter().map(|s| s.agent.as_str()).collect();
    format!(
        "Asked by the agent {}: {}",
        names.join(", for "),
        call.summary
    )
}

/// While it lives, the agent is shown as waiting for this question.
struct Shown<'a> {
    broker: &'a Broker,
    session: &'a Session,
    id: u64,
}

impl<'a> Shown<'a> {
    fn new(broker: &'a Broker, session: &'a Session, id: u64, summary: &str) -> Self {
        if let Some(s) = session.asks(id, summary) {
            broker.state(&session.subject.agent, &s.state, &s.detail);
        }
        Self {
            broker,
            session,
            id,
        }
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(s) = self.session.asked(self.id) {
            self.broker
                .state(&self.session.subject.agent, &s.state, &s.detail);
        }
    }
}

/// The person answered question `id` with `word`.
///
/// # Errors
/// `NotFound` if it is closed, `InvalidArguments` for an answer it does not take, `Failed` if an
/// answer that is to be kept cannot be written (the question stays open then).
pub(crate) fn answer(broker: &Broker, id: u64, word: &str) -> Result<()> {
    let answer = Answer::from_person(word).ok_or_else(|| {
        Error::InvalidArguments(format!(
            "`{word}` is no answer; use once, session, always, deny or never"
        ))
    })?;
    let closed: Vec<Closed> = {
        let mut permissions = lock(&broker.permissions);
        let question = match permissions.prompts.check(id, answer) {
            Ok(q) => q.clone(),
            Err(crate::prompts::Refused::Unknown) => {
                return Err(Error::NotFound(format!(
                    "question {id} was answered or has expired"
                )));
            }
            Err(crate::prompts::Refused::NotGrantable) => {
                return Err(Error::InvalidArguments(format!(
                    "{} asks every time; answer once, deny or never",
                    question_tool(&permissions.prompts, id)
                )));
            }
        };
        let kept = match answer {
            Answer::Session => Some((Verdict::Allow, Scope::Session)),
            Answer::Always => Some((Verdict::Allow, Scope::Always)),
            Answer::Never => Some((Verdict::Deny, Scope::Always)),
            _ => None,
        };
        if let Some((verdict, scope)) = kept {
            let now = broker.clock.now_ms();
            let word = Word {
                subject: &question.subject,
                need: &question.need,
                verdict,
                scope,
                expires_ms: None,
            };
            permissions.grants.add(word, now).map_err(|e| {
                Error::Failed(format!(
                    "the answer could not be kept: {e}; answer once or deny"
                ))
            })?;
            broker.grants_changed();
        }
        permissions.prompts.close(id, answer)
    };
    broker.resolved(&closed);
    Ok(())
}

fn question_tool(prompts: &crate::prompts::Prompts, id: u64) -> String {
    prompts
        .pending()
        .into_iter()
        .find(|r| r.id == id)
        .map(|r| r.tool)
        .unwrap_or_default()
}

/// What is worth remembering of a call: things done, not looks into the memory itself.
fn deed(agent: &str, row: &Row) -> Option<(String, String)> {
    let done = match row.outcome {
        "ok" => "done",
        "denied" => "refused by the person",
        _ => return None,
    };
    if row.tool.starts_with("memory.") {
        return None;
    }
    Some((
        agent.to_owned(),
        format!("{} on {}: {done}", row.tool, row.resource),
    ))
}

/// What the audit log keeps for a call that runs.
#[derive(Default)]
pub(crate) struct Kept {
    /// Room for the row that says how it ended.
    room: Option<Room>,
    /// The row that says that it began.
    begun: Option<u64>,
}

impl Kept {
    /// Makes sure, off the async threads, that the audit row will fit, and has it on disk that an act
    /// that was confirmed begins.
    async fn prepare(&mut self, broker: &Arc<Broker>, call: &Call, row: &Row) -> Result<()> {
        let log = Arc::clone(&broker.audit);
        let confirmed = call.default == argos_tools::Verdict::Confirm;
        let begins = confirmed.then(|| Row {
            outcome: "begun",
            ..row.clone()
        });
        let kept = tokio::task::spawn_blocking(move || {
            let room = log.reserve()?;
            let begun = match begins {
                Some(row) => log
                    .reserve()
                    .and_then(|room| log.append(&row, Some(room), Commit::Now).map(Some)),
                None => Ok(None),
            };
            Ok((room, begun))
        });
        let failed = |e: String| Error::Failed(format!("nothing was done: {e}"));
        match kept.await {
            Ok(Ok((room, begun))) => {
                self.room = Some(room);
                self.begun = begun.map_err(|e: crate::audit::Error| failed(e.to_string()))?;
                Ok(())
            }
            Ok(Err::<_, crate::audit::Error>(e)) => Err(failed(e.to_string())),
            Err(e) => Err(failed(format!("the audit log failed: {e}"))),
        }
    }
}

/// Writes one row for the calls of this agent that ran into a limit in the second that begins now
/// or has begun. Returns when it is on disk.
async fn record_together(broker: &Arc<Broker>, session: &Session, mut row: Row) -> Result<()> {
    let (first, mut recorded) = session.turn_away();
    if !first {
        return match recorded.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(true)) => Ok(()),
            _ => Err(Error::Failed(format!(
                "the result of {} is withheld: the audit log failed",
                row.tool
            ))),
        };
    }
    tokio::time::sleep(TOGETHER).await;
    let away = session.turned_away();
    row.calls = away.calls;
    let written = record(broker, row, Kept::default()).await;
    away.recorded.send_replace(Some(written.is_ok()));
    written
}

/// Records what the person did by hand, before it is reported.
pub(crate) async fn record_own(
    broker: &Arc<Broker>,
    tool: &str,
    arguments: Value,
    need: Need,
) -> Result<()> {
    let row = Row {
        time: broker.clock.timestamp(),
        agent: "person".to_owned(),
        hash: String::new(),
        tool: tool.to_owned(),
        arguments,
        action: need.action,
        resource: need.resource,
        decision: "allow",
        by: "person (own call)".to_owned(),
        outcome: "ok",
        calls: 1,
        duration_ms: 0,
        error: String::new(),
    };
    record(broker, row, Kept::default()).await
}

/// Writes the row off the async threads: it may wait for the disk.
pub(crate) async fn record(broker: &Arc<Broker>, row: Row, kept: Kept) -> Result<()> {
    let log = Arc::clone(&broker.audit);
    let tool = row.tool.clone();
    let written = tokio::task::spawn_blocking(move || match kept.begun {
        Some(begun) => log.append_end(&row, begun, kept.room),
        None => log.append(&row, kept.room, Commit::Grouped),
    });
    match written.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => {
            warn!("{e}");
            Err(Error::Failed(format!(
                "the result of {tool} is withheld: {e}"
            )))
        }
        Err(e) => {
            error!("writing the audit log panicked: {e}");
            Err(Error::Failed(format!(
                "the result of {tool} is withheld: the audit log failed"
            )))
        }
    }
}

/// The text of an error without its bus name.
pub(crate) fn text_of(error: &Error) -> String {
    use zbus::DBusError;
    error
        .description()
        .map_or_else(|| error.to_string(), str::to_owned)
}

/// A tool name as it came, short enough for a log.
fn shortened(tool: &str) -> String {
    tool.chars().take(64).collect()
}

/// Longest time a tool may run by default.
pub(crate) const TOOL_TIME: Duration = Duration::from_secs(30);
/// Time after which no answer is a no.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{Grant, decide};

    fn subject(agent: &str) -> Subject {
        Subject {
            agent: agent.to_owned(),
            hash: "h".to_owned(),
        }
    }

    fn need(resource: &str) -> Need {
        Need {
            action: "read".to_owned(),
            resource: resource.to_owned(),
        }
    }

    fn grant(id: u64, agent: &str, resource: &str, verdict: Verdict) -> Grant {
        Grant {
            id,
            agent: agent.to_owned(),
            agent_hash: "h".to_owned(),
            action: "read".to_owned(),
            resource: resource.to_owned(),
            verdict,
            scope: Scope::Always,
            created_ms: 0,
            expires_ms: None,
        }
    }

    #[test]
    fn every_agent_and_every_resource_has_to_be_allowed() {
        let both = [subject("steward"), subject("scout")];
        let needs = [need("/a"), need("/b")];
        let yes = |agent, resource| grant(1, agent, resource, Verdict::Allow);
        let no = |agent, resource| grant(2, agent, resource, Verdict::Deny);
        let ask = Decision::Ask { grantable: false };
        let of = |grants: &[Grant], subjects: &[Subject], needs: &[Need]| {
            let decide = |s: &Subject, n: &Need, f| decide(grants, s, n, f, 0);
            decide_all(decide, subjects, needs, Fallback::Ask)
        };
        let all = [yes("steward", "/"), yes("scout", "/a"), yes("scout", "/b")];
        assert!(matches!(of(&all, &both, &needs), Decision::Allow(_)));
        assert_eq!(of(&all[..2], &both, &needs), ask);
        assert_eq!(of(&all[1..], &both, &needs), ask);
        // Alone, and on one thing, an answer can be kept.
        let kept = Decision::Ask { grantable: true };
        assert_eq!(of(&[], &both[..1], &needs[..1]), kept);
        assert_eq!(of(&[], &both[..1], &needs), ask);
        // One no of anybody on anything.
        for refusal in [no("steward", "/b"), no("scout", "/")] {
            let mut grants = all.to_vec();
            grants.push(refusal);
            assert!(matches!(of(&grants, &both, &needs), Decision::Deny(_)));
        }
        assert!(matches!(of(&all, &both, &[]), Decision::Deny(_)));
    }

    #[test]
    fn what_an_agent_remembers_for_itself_is_not_told_to_others_unasked() {
        let own = [need("memory/steward")];
        let nothing = |s: &Subject, n: &Need, f| decide(&[], s, n, f, 0);
        let of = |subjects: &[Subject]| decide_all(nothing, subjects, &own, Fallback::Allow);
        assert_eq!(of(&[subject("steward")]), Decision::Allow(By::Tool));
        let asked = of(&[subject("steward"), subject("scout")]);
        assert_eq!(asked, Decision::Ask { grantable: false });
    }
}
