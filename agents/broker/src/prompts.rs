//! Questions to the person that wait for an answer.
//!
//! ```text
//!            ask                    answer: once | session | always
//! (nothing) ------> waiting -----------------------------------------> allowed
//!                     |  answer: deny | never   /   60 s pass          -> refused
//!                     '- everybody who waited is gone                  -> cancelled
//! ```
//!
//! The same question asked again while it waits (same agent, tool and arguments) joins the one
//! that is there, so that an agent cannot fill the screen; an agent may have [`MAX_WAITING`]
//! different ones. Questions of tools that must be confirmed every time are never joined: each
//! needs its own answer. Time comes in as an argument; who waits for its passing is `call`.

use argos_bus::permissions::Request;
use tokio::sync::oneshot;

use crate::permission::{Need, Subject, Verdict, covers};

/// How many questions of one agent may wait at once.
pub const MAX_WAITING: usize = 8;

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, and for the rest of this session.
    Session,
    /// Yes, and from now on.
    Always,
    /// No, this time.
    Deny,
    /// No, and from now on.
    Never,
    /// Nobody answered in time: no.
    Expired,
    /// Nobody waits for it any more.
    Cancelled,
}

impl Answer {
    /// The word that travels on the bus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
            Self::Deny => "deny",
            Self::Never => "never",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what a person can answer; `expired` and `cancelled` are not among it.
    pub fn from_person(word: &str) -> Option<Self> {
        [
            Self::Once,
            Self::Session,
            Self::Always,
            Self::Deny,
            Self::Never,
        ]
        .into_iter()
        .find(|a| a.as_str() == word)
    }

    /// Whether the call goes ahead.
    pub fn allows(self) -> bool {
        matches!(self, Self::Once | Self::Session | Self::Always)
    }
}

/// A question before it has a number.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who wants it.
    pub subject: Subject,
    /// The agent's title, for people.
    pub title: String,
    /// Tool.
    pub tool: String,
    /// Arguments as text; part of what makes two questions the same.
    pub arguments: String,
    /// What it needs.
    pub need: Need,
    /// What it will do, in one sentence.
    pub summary: String,
    /// Whether a yes may be kept.
    pub grantable: bool,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    question: Question,
    waiters: Vec<oneshot::Sender<Answer>>,
}

/// A question that was asked, or joined.
#[derive(Debug)]
pub struct Asked {
    /// Its number.
    pub id: u64,
    /// The new request to show, unless it joined one.
    pub show: Option<Request>,
    /// Where the answer arrives.
    pub answer: oneshot::Receiver<Answer>,
}

/// A question that was closed.
#[derive(Debug, Clone)]
pub struct Closed {
    /// The question.
    pub question: Question,
    /// Its number.
    pub id: u64,
    /// How it ended.
    pub answer: Answer,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No such question (any more).
    Unknown,
    /// This tool asks every time.
    NotGrantable {
        /// The tool.
        tool: String,
    },
}

/// Every question that waits.
#[derive(Debug, Default)]
pub struct Prompts {
    last_id: u64,
    waiting: Vec<Waiting>,
}

impl Prompts {
    /// Asks, or joins the same question.
    ///
    /// # Errors
    /// The agent has [`MAX_WAITING`] questions waiting already.
    pub fn ask(&mut self, question: Question, now_ms: u64, limit_ms: u64) -> Result<Asked, usize> {
        let (sender, answer) = oneshot::channel();
        if question.grantable
            && let Some(same) = self.waiting.iter_mut().find(|w| {
                w.question.grantable
                    && w.question.subject == question.subject
                    && w.question.tool == question.tool
                    && w.question.arguments == question.arguments
                    && w.question.need == question.need
            })
        {
            same.waiters.push(sender);
            return Ok(Asked {
                id: same.request.id,
                show: None,
                answer,
            });
        }
        let mine = self
            .waiting
            .iter()
            .filter(|w| w.question.subject.agent == question.subject.agent)
            .count();
        if mine >= MAX_WAITING {
            return Err(mine);
        }
        self.last_id += 1;
        let request = Request {
            id: self.last_id,
            agent: question.subject.agent.clone(),
            title: question.title.clone(),
            tool: question.tool.clone(),
            action: question.need.action.clone(),
            resource: question.need.resource.clone(),
            summary: question.summary.clone(),
            grantable: question.grantable,
            asked_ms: now_ms,
            expires_ms: now_ms + limit_ms,
        };
        self.waiting.push(Waiting {
            request: request.clone(),
            question,
            waiters: vec![sender],
        });
        Ok(Asked {
            id: self.last_id,
            show: Some(request),
            answer,
        })
    }

    /// What waits, oldest first.
    pub fn pending(&self) -> Vec<Request> {
        self.waiting.iter().map(|w| w.request.clone()).collect()
    }

    /// The question of that number, if it still waits and takes that answer.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check(&self, id: u64, answer: Answer) -> Result<&Question, Refused> {
        let waiting = self
            .waiting
            .iter()
            .find(|w| w.request.id == id)
            .ok_or(Refused::Unknown)?;
        if !waiting.question.grantable && matches!(answer, Answer::Session | Answer::Always) {
            return Err(Refused::NotGrantable {
                tool: waiting.question.tool.clone(),
            });
        }
        Ok(&waiting.question)
    }

    /// Closes the question and tells everybody who waits. With an answer that is kept, other
    /// waiting questions of the same agent that it settles are closed as well.
    pub fn close(&mut self, id: u64, answer: Answer) -> Vec<Closed> {
        let Some(at) = self.waiting.iter().position(|w| w.request.id == id) else {
            return Vec::new();
        };
        let first = self.waiting.remove(at);
        let settled = first.question.clone();
        let mut closing = vec![first];
        if matches!(answer, Answer::Session | Answer::Always | Answer::Never) {
            let verdict = match answer {
                Answer::Never => Verdict::Deny,
                _ => Verdict::Allow,
            };
            let (action, resource) = (&settled.need.action, &settled.need.resource);
            let (same, rest) = std::mem::take(&mut self.waiting)
                .into_iter()
                .partition(|w| {
                    w.question.subject == settled.subject
                        && w.question.need.action == *action
                        && covers(action, resource, &w.question.need.resource, verdict)
                        && (w.question.grantable || answer == Answer::Never)
                });
            self.waiting = rest;
            closing.extend::<Vec<Waiting>>(same);
        }
        closing
            .into_iter()
            .map(|w| {
                for waiter in w.waiters {
                    // A waiter that left does not want to know.
                    let _ = waiter.send(answer);
                }
                Closed {
                    question: w.question,
                    id: w.request.id,
                    answer,
                }
            })
            .collect()
    }

    /// Closes every question of this agent with this answer, one by one.
    pub fn close_all(&mut self, agent: &str, answer: Answer) -> Vec<Closed> {
        let theirs: Vec<u64> = self
            .waiting
            .iter()
            .filter(|w| w.question.subject.agent == agent)
            .map(|w| w.request.id)
            .collect();
        theirs
            .into_iter()
            .flat_map(|id| self.close(id, answer))
            .collect()
    }

    /// Closes as cancelled every question that nobody waits for any more.
    pub fn sweep(&mut self) -> Vec<Closed> {
        let forsaken: Vec<u64> = self
            .waiting
            .iter_mut()
            .filter_map(|w| {
                w.waiters.retain(|s| !s.is_closed());
                w.waiters.is_empty().then_some(w.request.id)
            })
            .collect();
        forsaken
            .into_iter()
            .flat_map(|id| self.close(id, Answer::Cancelled))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(path: &str) -> Question {
        Question {
            subject: Subject {
                agent: "steward".into(),
                hash: "h".into(),
            },
            title: "Steward".into(),
            tool: "files.list".into(),
            arguments: format!("{{\"path\":\"{path}\"}}"),
            need: Need {
                action: "read".into(),
                resource: path.into(),
            },
            summary: format!("List {path}"),
            grantable: true,
        }
    }

    #[test]
    fn the_same_question_is_shown_once_and_answers_everybody() {
        let mut prompts = Prompts::default();
        let mut a = prompts.ask(question("/a"), 0, 60_000).unwrap();
        let mut b = prompts.ask(question("/a"), 10, 60_000).unwrap();
        assert!(a.show.is_some() && b.show.is_none());
        assert_eq!(a.id, b.id);
        assert_eq!(prompts.close(a.id, Answer::Once).len(), 1);
        assert_eq!(a.answer.try_recv(), Ok(Answer::Once));
        assert_eq!(b.answer.try_recv(), Ok(Answer::Once));
        assert_eq!(
            prompts.check(a.id, Answer::Once).unwrap_err(),
            Refused::Unknown
        );
    }

    #[test]
    fn a_confirmation_is_never_shared_nor_kept() {
        let mut prompts = Prompts::default();
        let confirm = Question {
            grantable: false,
            ..question("/a")
        };
        let a = prompts.ask(confirm.clone(), 0, 60_000).unwrap();
        let b = prompts.ask(confirm, 0, 60_000).unwrap();
        assert_ne!(a.id, b.id);
        assert!(matches!(
            prompts.check(a.id, Answer::Always),
            Err(Refused::NotGrantable { .. })
        ));
        assert!(prompts.check(a.id, Answer::Never).is_ok());
    }

    #[test]
    fn a_flood_is_stopped_and_other_agents_still_get_through() {
        let mut prompts = Prompts::default();
        for i in 0..MAX_WAITING {
            prompts.ask(question(&format!("/{i}")), 0, 60_000).unwrap();
        }
        assert!(prompts.ask(question("/more"), 0, 60_000).is_err());
        let mut other = question("/more");
        other.subject.agent = "archivist".into();
        assert!(prompts.ask(other, 0, 60_000).is_ok());
    }

    #[test]
    fn a_kept_answer_settles_what_it_covers() {
        let mut prompts = Prompts::default();
        let folder = prompts.ask(question("/a"), 0, 60_000).unwrap();
        let mut beneath = prompts.ask(question("/a/b"), 0, 60_000).unwrap();
        let mut beside = prompts.ask(question("/ab"), 0, 60_000).unwrap();
        assert_eq!(prompts.close(folder.id, Answer::Always).len(), 2);
        assert_eq!(beneath.answer.try_recv(), Ok(Answer::Always));
        assert!(beside.answer.try_recv().is_err());
        assert_eq!(prompts.pending().len(), 1);
    }

    #[test]
    fn all_questions_of_one_agent_are_denied_at_once() {
        let mut prompts = Prompts::default();
        let mut a = prompts.ask(question("/a"), 0, 60_000).unwrap();
        let mut b = prompts.ask(question("/b"), 0, 60_000).unwrap();
        let mut other = question("/a");
        other.subject.agent = "archivist".into();
        let mut c = prompts.ask(other, 0, 60_000).unwrap();
        assert_eq!(prompts.close_all("steward", Answer::Deny).len(), 2);
        assert_eq!(a.answer.try_recv(), Ok(Answer::Deny));
        assert_eq!(b.answer.try_recv(), Ok(Answer::Deny));
        assert!(c.answer.try_recv().is_err());
        assert_eq!(prompts.pending()[0].agent, "archivist");
    }

    #[test]
    fn a_question_goes_when_the_last_who_waits_goes() {
        let mut prompts = Prompts::default();
        let a = prompts.ask(question("/a"), 0, 60_000).unwrap();
        let b = prompts.ask(question("/a"), 0, 60_000).unwrap();
        drop(a);
        assert!(prompts.sweep().is_empty());
        drop(b);
        assert_eq!(prompts.sweep()[0].answer, Answer::Cancelled);
        assert!(prompts.pending().is_empty());
    }
}
