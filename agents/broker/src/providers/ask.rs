//! Questions to the person that do not come from an agent's own session: whether a provider may
//! reach a host, and what a provider wants confirmed while it runs.

use std::sync::Arc;

use argos_bus::{Error, Result};

use crate::core::Broker;
use crate::permission::{Decision, Fallback, Need, Subject};
use crate::prompts::{Answer, Question};
use crate::session::lock;

/// What is to be settled.
pub(crate) struct Asking<'a> {
    /// Who wants it.
    pub(crate) subject: &'a Subject,
    /// The same, for people.
    pub(crate) title: &'a str,
    /// On behalf of which tool.
    pub(crate) tool: &'a str,
    /// What makes two questions the same.
    pub(crate) arguments: &'a str,
    /// What it needs.
    pub(crate) need: &'a Need,
    /// One sentence.
    pub(crate) summary: String,
    /// `Confirm` asks whatever was granted.
    pub(crate) fallback: Fallback,
}

/// What came of it.
pub(crate) struct Settled {
    /// Whether it goes ahead.
    pub(crate) allowed: bool,
    /// Whether nobody was there to say.
    pub(crate) unanswered: bool,
    /// Who decided, for the audit log.
    pub(crate) by: String,
}

/// Settles a permission: by what was granted or refused, or by asking.
///
/// # Errors
/// `LimitReached`: too many of its questions wait already.
pub(crate) async fn settle(broker: &Arc<Broker>, asking: Asking<'_>) -> Result<Settled> {
    let limit = broker.settings.answer_time;
    let settled = |allowed, by: &dyn std::fmt::Display| Settled {
        allowed,
        unanswered: false,
        by: by.to_string(),
    };
    let asked = {
        let mut permissions = lock(&broker.permissions);
        let now = broker.clock.now_ms();
        let decision = permissions
            .grants
            .decide(asking.subject, asking.need, asking.fallback, now);
        let grantable = match decision {
            Decision::Allow(by) => return Ok(settled(true, &by)),
            Decision::Deny(by) => return Ok(settled(false, &by)),
            Decision::Ask { grantable } => grantable,
        };
        let question = Question {
            subject: asking.subject.clone(),
            title: asking.title.to_owned(),
            tool: asking.tool.to_owned(),
            arguments: asking.arguments.to_owned(),
            need: asking.need.clone(),
            summary: asking.summary,
            grantable,
        };
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        permissions
            .prompts
            .ask(question, now, limit_ms)
            .map_err(|waiting| {
                Error::LimitReached(format!(
                    "{waiting} questions of {} wait for an answer already",
                    asking.subject.agent
                ))
            })?
    };
    let id = asked.id;
    if let Some(request) = asked.show {
        broker.requested(request);
    }
    let answer = match tokio::time::timeout(limit, asked.answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Answer::Cancelled,
        Err(_) => {
            let closed = lock(&broker.permissions).prompts.close(id, Answer::Expired);
            broker.resolved(&closed);
            Answer::Expired
        }
    };
    Ok(match answer {
        Answer::Expired => Settled {
            allowed: false,
            unanswered: true,
            by: "nobody answered".to_owned(),
        },
        answer => settled(
            answer.allows(),
            &format_args!("person ({})", answer.as_str()),
        ),
    })
}
