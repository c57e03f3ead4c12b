//! The audit rows of calls: room for them before, one on disk before an act that was confirmed, and the
//! row in the log before anybody hears the result.
//!
//! What a row is and how it is kept is the log's business ([`crate::audit`]); when one is due is
//! [`crate::call`]'s. The disk is waited for off the async threads; most rows need not wait for it.

use std::sync::Arc;
use std::time::Duration;

use argos_bus::{Error, Result};
use argos_tools::Call;
use serde_json::Value;
use tracing::{error, warn};

use crate::audit::{self, Commit, Room, Row};
use crate::core::Broker;
use crate::permission::{Need, Subject};
use crate::session::Session;

/// Calls that run into a limit within this time of the first are recorded with it.
const TOGETHER: Duration = Duration::from_secs(1);

/// The row of a call that comes in now.
pub(crate) fn row(broker: &Broker, subject: &Subject, tool: String) -> Row {
    Row::begin(
        broker.clock.timestamp(),
        subject.agent.clone(),
        subject.hash.clone(),
        tool,
    )
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
    pub(crate) async fn prepare(
        &mut self,
        broker: &Arc<Broker>,
        call: &Call,
        row: &Row,
    ) -> Result<()> {
        let confirmed = call.default == argos_tools::Verdict::Confirm;
        if !confirmed && let Some(room) = broker.audit.reserve_at_once() {
            self.room = Some(room);
            return Ok(());
        }
        let log = Arc::clone(&broker.audit);
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
                self.begun = begun.map_err(|e: audit::Error| failed(e.to_string()))?;
                Ok(())
            }
            Ok(Err::<_, audit::Error>(e)) => Err(failed(e.to_string())),
            Err(e) => Err(failed(format!("the audit log failed: {e}"))),
        }
    }
}

/// Writes one row for the calls of this agent that ran into a limit in the second that begins now
/// or has begun. Returns when it is on disk.
pub(crate) async fn record_together(
    broker: &Arc<Broker>,
    session: &Session,
    mut row: Row,
) -> Result<()> {
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
    let mut row = row(broker, &Subject::person(), tool.to_owned());
    row.arguments = arguments;
    row.action = need.action;
    row.resource = need.resource;
    row.decision = "allow";
    row.by = "person (own call)".to_owned();
    row.outcome = "ok";
    record(broker, row, Kept::default()).await
}

/// Writes the row, off the async threads where it may wait for the disk.
pub(crate) async fn record(broker: &Arc<Broker>, row: Row, mut kept: Kept) -> Result<()> {
    let at_once = match kept.begun {
        Some(_) => None,
        None => broker.audit.append_at_once(&row, &mut kept.room),
    };
    let tool = row.tool.clone();
    let written = match at_once {
        Some(written) => Ok(written),
        None => {
            let log = Arc::clone(&broker.audit);
            tokio::task::spawn_blocking(move || match kept.begun {
                Some(begun) => log.append_end(&row, begun, kept.room),
                None => log.append(&row, kept.room, Commit::Grouped),
            })
            .await
        }
    };
    match written {
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
