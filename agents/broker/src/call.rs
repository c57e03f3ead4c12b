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
//!
//! Whether a call is permitted is [`permit`]'s, its rows are [`record`]'s.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use argos_bus::{Error, Result};
use argos_tools::{Call, Context, Env};
use serde_json::Value;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::asking::Settled;
use crate::audit::Row;
use crate::calls::{Canceller, Ticket};
use crate::core::Broker;
use crate::permission::{By, Need, Subject};
use crate::record::{self, Kept};
use crate::session::{MAX_CALLS, Session};
use crate::{permit, providers};

/// Longest arguments of one call, in bytes.
const MAX_ARGUMENTS: usize = 128 << 10;
/// Largest result of one call, in bytes of JSON.
const MAX_RESULT: usize = 4 << 20;
/// Longest time a tool may run by default.
pub(crate) const TOOL_TIME: Duration = Duration::from_secs(30);
/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// An agent, known by its socket.
    Agent(Arc<Session>),
    /// The person, on the session bus.
    Person,
}

impl Caller {
    /// Whom the audit log names.
    fn subject(&self) -> Subject {
        match self {
            Self::Agent(session) => session.subject.clone(),
            Self::Person => Subject::person(),
        }
    }

    /// The agent's name; none for the person.
    fn agent(&self) -> Option<&str> {
        match self {
            Self::Agent(session) => Some(&session.subject.agent),
            Self::Person => None,
        }
    }

    /// As a provider's questions name it.
    fn on_behalf(&self) -> providers::For {
        let title = match self {
            Self::Agent(session) => session.agent.manifest.title.clone(),
            Self::Person => "You".to_owned(),
        };
        providers::For {
            subject: self.subject(),
            title,
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
    /// The provider's tool, where it is one.
    provided: Option<providers::Found>,
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

/// How a call ended, with what the audit row says of it. A result is JSON.
struct Ending {
    outcome: &'static str,
    result: Result<String>,
}

impl Ending {
    fn ok(result: String) -> Self {
        Self {
            outcome: "ok",
            result: Ok(result),
        }
    }

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
    let own = match caller {
        Caller::Agent(session) => own.map(|number| (session.number, number)),
        Caller::Person => None,
    };
    let mut row = record::row(broker, &caller.subject(), shortened(tool));
    let now = broker.clock.now_ms();
    let ticket = broker.calls.begin(&row.agent, &row.tool, own, now);
    let ticket = ticket.as_ref();
    let permitted = tokio::select! {
        permitted = settle(broker, caller, ticket, tool, arguments, &mut row) => permitted,
        () = caller.gone() => {
            Err(Ending::error("cancelled", Error::Unavailable("the agent is gone".to_owned())))
        }
        by = called_back(ticket) => {
            let what = format!("{by} called it back; nothing was done");
            Err(Ending::error("cancelled", Error::Cancelled(what)))
        }
    };
    let took = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut kept = Kept::default();
    let ending = match permitted {
        Ok(permitted) => {
            row.duration_ms = took();
            match kept.prepare(broker, &permitted.call, &row).await {
                Ok(()) => {
                    if let Some(ticket) = ticket {
                        ticket.runs(&row.resource);
                    }
                    run(broker, caller, permitted, ticket).await
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
        .map(Error::text)
        .unwrap_or_default();
    let done = caller.agent().and_then(|agent| deed(agent, &row));
    match caller {
        Caller::Agent(session) if row.outcome == "limited" => {
            record::record_together(broker, session, row).await?;
        }
        _ => record::record(broker, row, kept).await?,
    }
    if let Some((agent, text)) = done {
        broker.remember(agent, text);
    }
    ending.result
}

/// Returns when the call is called back.
async fn called_back(ticket: Option<&Ticket>) -> Canceller {
    match ticket {
        Some(ticket) => ticket.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Everything before the call runs. `Err` is the end of it.
async fn settle<'a>(
    broker: &Arc<Broker>,
    caller: &'a Caller,
    ticket: Option<&Ticket>,
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
    // Looked up once: what it takes or answers while this call is on its way changes nothing of it.
    let behalf = caller.behalf();
    let agent = caller.agent().map(str::to_owned);
    let shared_memory = match caller {
        Caller::Agent(session) => {
            permit::has_shared_memory(broker, &session.subject, &behalf, tool)
        }
        Caller::Person => false,
    };
    let workspace = agent.as_deref().map(|a| broker.settings.workspace(a));
    let context = Context::new(agent, broker.settings.home.clone())
        .with_shared_memory(shared_memory)
        .with_workspace(workspace)
        .for_agents(behalf.iter().map(|s| s.agent.clone()).collect());
    let checked = if providers::is_provided(tool) {
        let checked = broker.providers.check(broker, tool, parsed).await;
        Ok(checked.map(|(call, found)| (call, Some(found))))
    } else {
        let checked = match broker.catalogue.find(tool) {
            Ok(found) if !found.check_waits() => Ok(found.check(parsed, &context)),
            Ok(_) => {
                // Checking follows symbolic links, which may wait for a disk.
                let (broker, tool) = (Arc::clone(broker), tool.to_owned());
                let context = context.clone();
                let check = move || broker.catalogue.find(&tool)?.check(parsed, &context);
                tokio::task::spawn_blocking(check).await
            }
            Err(unknown) => Ok(Err(unknown)),
        };
        checked.map(|checked| checked.map(|call| (call, None)))
    };
    let (call, provided) = match checked {
        Ok(Ok(checked)) => checked,
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
    let mut refused = Vec::new();
    match caller {
        Caller::Person => {
            row.decision = "allow";
            row.by = "person (own call)".to_owned();
        }
        Caller::Agent(session) => {
            let settled = match permit::permitted(broker, session, &behalf, &call, &need).await {
                Ok(settled) => settled,
                Err(e) => return limited(e.text()),
            };
            row.by = settled.to_string();
            if !context.behalf.is_empty() {
                row.by = format!("{}, for {}", row.by, context.behalf.join(", for "));
            }
            if !settled.allows() {
                row.decision = "deny";
                return Err(Ending::error(
                    "denied",
                    permit::refusal(&settled, &call, &need),
                ));
            }
            row.decision = "allow";
            if call.is_path()
                && let Settled::Allowed(By::Grant { resource, .. }) = settled
            {
                granted = Some(resource.into());
            }
            refused = permit::refused_paths(broker, &session.subject, &behalf, &need);
        }
    }
    Ok(Permitted {
        call,
        provided,
        owner: context.agent.clone(),
        context,
        granted,
        refused,
        _slot: slot,
    })
}

/// Carries out a permitted call, within its time.
async fn run(
    broker: &Arc<Broker>,
    caller: &Caller,
    permitted: Permitted<'_>,
    ticket: Option<&Ticket>,
) -> Ending {
    let limit = broker.settings.tool_time;
    let call = &permitted.call;
    if let Some(found) = &permitted.provided {
        // Its time stands still while the person is asked to confirm something, so it is kept there.
        let calling = broker
            .providers
            .call(broker, caller.on_behalf(), found, call);
        let ended = tokio::select! {
            ended = calling => ended,
            by = called_back(ticket) => return stopped(call, by),
        };
        return match ended {
            Ok(result) => Ending::ok(result),
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
        Ok(Ok(value)) => match value.to_string() {
            result if result.len() > MAX_RESULT => Ending::error(
                "failed",
                Error::LimitReached(format!(
                    "the result of {} has {} bytes; at most {MAX_RESULT} are handed on. It was \
                     done; ask for less",
                    call.tool,
                    result.len()
                )),
            ),
            result => Ending::ok(result),
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

/// A tool name as it came, short enough for a log.
fn shortened(tool: &str) -> String {
    tool.chars().take(64).collect()
}
