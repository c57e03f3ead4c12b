//! Whether an agent's call is permitted: what was granted and refused to it, and to those it calls for,
//! on everything that the call is about; and what the agent is told when it is not.
//!
//! The rule for one agent and one resource is [`crate::permission`]'s, putting the question to the
//! person [`crate::asking`]'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use argos_bus::{Error, Result};
use argos_tools::Call;

use crate::asking::{self, Settled};
use crate::core::Broker;
use crate::permission::{By, Decision, Fallback, Need, Subject};
use crate::prompts::{Answer, Question};
use crate::session::{Session, lock};

/// Whether the agent, and those it calls for, were granted the memory that all agents share, for what
/// this tool does to it. Without it, it uses its own.
pub(crate) fn has_shared_memory(
    broker: &Broker,
    subject: &Subject,
    behalf: &[Subject],
    tool: &str,
) -> bool {
    let Some(tool) = broker.catalogue.get(tool) else {
        return false;
    };
    let need = Need {
        action: tool.action().name().to_owned(),
        resource: "memory".to_owned(),
    };
    let permissions = lock(&broker.permissions);
    let now = broker.clock.now_ms();
    // What another agent may not see is not looked up for it either.
    std::iter::once(subject).chain(behalf).all(|subject| {
        let grants = &permissions.grants;
        let decision = grants.decide(subject, &need, Fallback::Ask, now);
        matches!(decision, Decision::Allow(_))
    })
}

/// The paths that the person refused for this action, to the agent and those it calls for.
pub(crate) fn refused_paths(
    broker: &Broker,
    subject: &Subject,
    behalf: &[Subject],
    need: &Need,
) -> Vec<PathBuf> {
    let now = broker.clock.now_ms();
    let grants = &lock(&broker.permissions).grants;
    std::iter::once(subject)
        .chain(behalf)
        .flat_map(|subject| grants.refused_paths(&subject.agent, &need.action, now))
        .map(Path::to_owned)
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

/// What the agent is told of a no: why, and what would help.
pub(crate) fn refusal(settled: &Settled, call: &Call, need: &Need) -> Error {
    let what = format!("to {} {}", need.action, need.resource);
    match settled {
        Settled::Refused(By::Malformed) => Error::InvalidArguments(format!(
            "{}: `{}` is not a plain absolute path, or not the one form of a host",
            call.tool, need.resource
        )),
        Settled::Answered(Answer::Expired) => Error::NoAnswer(format!(
            "nobody answered whether you may be allowed {what}; ask again when somebody is there"
        )),
        Settled::Answered(Answer::Never) => Error::Denied(format!(
            "the person refused {what}, now and in future; only the person can take that back, in \
             the list of permissions"
        )),
        Settled::Answered(_) => Error::Denied(format!("the person refused {what} this time")),
        Settled::Allowed(_) | Settled::Refused(_) => Error::Denied(format!(
            "the person refused {what} earlier, for good; only the person can take that back, in \
             the list of permissions"
        )),
    }
}

/// Settles whether an agent's call, made for the agents `behalf` too, may run.
///
/// # Errors
/// `LimitReached`: too many of its questions wait already.
pub(crate) async fn permitted(
    broker: &Arc<Broker>,
    session: &Arc<Session>,
    behalf: &[Subject],
    call: &Call,
    need: &Need,
) -> Result<Settled> {
    let fallback = match call.default {
        argos_tools::Verdict::Allow => Fallback::Allow,
        argos_tools::Verdict::Ask => Fallback::Ask,
        argos_tools::Verdict::Confirm => Fallback::Confirm,
    };
    let subjects: Vec<Subject> = std::iter::once(session.subject.clone())
        .chain(behalf.iter().cloned())
        .collect();
    let also = call.also.iter().map(|resource| Need {
        action: need.action.clone(),
        resource: resource.clone(),
    });
    let needs: Vec<Need> = std::iter::once(need.clone()).chain(also).collect();
    asking::settle(
        broker,
        |grants, now| {
            let decide = |s: &Subject, n: &Need, f| grants.decide(s, n, f, now);
            decide_all(decide, &subjects, &needs, fallback)
        },
        |grantable| Question {
            subject: session.subject.clone(),
            title: session.agent.manifest.title.clone(),
            tool: call.tool.to_owned(),
            arguments: call.arguments.to_string(),
            need: need.clone(),
            summary: summary(call, behalf),
            grantable,
        },
        |id| Shown::new(broker, session, id, &call.summary),
    )
    .await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{Grant, Scope, Verdict, decide};

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
