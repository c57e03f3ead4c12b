//! Putting a question to the person, and what comes of it: nothing, if what was granted or refused says
//! it already; the answer; or, where nobody answers in time, a no.
//!
//! Everybody who needs to know comes here: an agent's call ([`crate::permit`]), a provider that wants to
//! reach a host ([`crate::proxy`]), one that wants something confirmed while it runs
//! ([`crate::providers`]). The questions that wait are [`crate::prompts`]'s.

use std::sync::Arc;
use std::time::Duration;

use argos_bus::{Error, Result};

use crate::core::Broker;
use crate::grants::{GrantStore, Word};
use crate::permission::{By, Decision, Scope, Verdict};
use crate::prompts::{Answer, Closed, Question, Refused};
use crate::session::lock;

/// Time after which no answer is a no.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Who settled a permission, and how. As text it is the audit log's `by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Something says yes without a question.
    Allowed(By),
    /// Something says no without a question.
    Refused(By),
    /// The person was asked.
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
    /// Whether it goes ahead.
    pub(crate) fn allows(&self) -> bool {
        match self {
            Self::Allowed(_) => true,
            Self::Refused(_) => false,
            Self::Answered(answer) => answer.allows(),
        }
    }
}

/// Has a question go from the screen when nobody waits for it any more.
struct Withdrawn<'a>(&'a Broker);

impl Drop for Withdrawn<'_> {
    fn drop(&mut self) {
        self.0.withdraw_abandoned();
    }
}

/// Settles a permission: `decide` says what was granted or refused; where that says nothing,
/// `question` is put to the person, with whether a yes may be kept. What `shown` makes of the
/// question's number lives for as long as the answer is waited for; whoever drops the future takes the
/// question back. What was refused meanwhile stays refused: the yes may have been to a wider question,
/// and a refusal beats every yes.
///
/// # Errors
/// `LimitReached`: too many questions of whoever asks wait already.
pub(crate) async fn settle<S>(
    broker: &Arc<Broker>,
    decide: impl Fn(&GrantStore, u64) -> Decision,
    question: impl FnOnce(bool) -> Question,
    shown: impl FnOnce(u64) -> S,
) -> Result<Settled> {
    let limit = broker.settings.answer_time;
    // Under one lock: no answer to another question comes between the decision and this question.
    let asked = {
        let mut permissions = lock(&broker.permissions);
        let now = broker.clock.now_ms();
        let grantable = match decide(&permissions.grants, now) {
            Decision::Allow(by) => return Ok(Settled::Allowed(by)),
            Decision::Deny(by) => return Ok(Settled::Refused(by)),
            Decision::Ask { grantable } => grantable,
        };
        let question = question(grantable);
        let agent = question.subject.agent.clone();
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        permissions
            .prompts
            .ask(question, now, limit_ms)
            .map_err(|waiting| {
                Error::LimitReached(format!(
                    "{waiting} questions of {agent} wait for an answer already"
                ))
            })?
    };
    // Dropped after the future that holds the answer's receiver.
    let _withdrawn = Withdrawn(broker);
    let id = asked.id;
    if let Some(request) = asked.show {
        broker.requested(request);
    }
    let _shown = shown(id);
    let mut answered = asked.answer;
    let answer = match tokio::time::timeout(limit, &mut answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Answer::Cancelled,
        Err(_) => {
            let closed = lock(&broker.permissions).prompts.close(id, Answer::Expired);
            broker.resolved(&closed);
            // An answer that was taken at the last moment is one.
            answered.try_recv().unwrap_or(Answer::Expired)
        }
    };
    if answer.allows() {
        let grants = &lock(&broker.permissions).grants;
        if let Decision::Deny(by) = decide(grants, broker.clock.now_ms()) {
            return Ok(Settled::Refused(by));
        }
    }
    Ok(Settled::Answered(answer))
}

/// The person's answer to a question.
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
            Err(Refused::Unknown) => {
                return Err(Error::NotFound(format!(
                    "question {id} was answered or has expired"
                )));
            }
            Err(Refused::NotGrantable { tool }) => {
                return Err(Error::InvalidArguments(format!(
                    "{tool} asks every time; answer once, deny or never"
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
