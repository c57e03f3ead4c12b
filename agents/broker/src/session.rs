//! One connected agent: its inbox, its limits and what it says it is at.
//!
//! A session lives as long as one connection. A restarted agent gets a new one, so nothing that
//! belongs to the old process (open calls, questions, half-answered messages) can leak into it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::manifest::Agent;
use crate::model::{Class, Line};
use crate::permission::Subject;
use crate::socket::Pace;

/// Tool calls of one agent that may be open at once.
pub const MAX_CALLS: usize = 4;
/// Messages that may wait for an agent.
pub const MAX_INBOX: usize = 64;
/// Longest text of a reply or a state, in bytes and characters.
pub const MAX_REPLY: usize = 64 << 10;
const MAX_DETAIL: usize = 200;
/// For so long a message is taken for one that somebody waits for.
const WAITED_FOR: Duration = Duration::from_secs(600);
/// Number of the next connection.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A message to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Number; the reply names it.
    pub id: u64,
    /// Who sent it: `person`, `timer`, or `agent:NAME` with the names of those it was sent for.
    pub from: String,
    /// The agents among these. What is done for the message is held against their grants as well.
    pub behalf: Vec<Subject>,
    /// Text.
    pub text: String,
}

/// What an agent is at, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `idle`, `thinking`, `acting` or `waiting`.
    pub state: String,
    /// On what.
    pub detail: String,
}

/// A message that an agent took.
#[derive(Debug)]
struct Taken {
    from: String,
    behalf: Vec<Subject>,
    at: Instant,
}

fn class<'a>(taken: impl Iterator<Item = &'a Taken>, now: Instant) -> Class {
    let mut class = Class::Background;
    for message in taken.filter(|m| now.duration_since(m.at) < WAITED_FOR) {
        match message.from.as_str() {
            "person" => return Class::Person,
            "timer" => {}
            _ => class = Class::Agent,
        }
    }
    class
}

#[derive(Debug)]
struct Said {
    own: Status,
    /// Open questions to the person, newest last.
    questions: Vec<(u64, String)>,
    shown: Option<Status>,
}

/// Calls that ran into a limit and are recorded in one row.
#[derive(Debug)]
pub struct TurnedAway {
    /// How many.
    pub calls: u64,
    /// Tells everybody who waits for the row whether it is on disk.
    pub recorded: watch::Sender<Option<bool>>,
}

impl Default for TurnedAway {
    fn default() -> Self {
        Self {
            calls: 0,
            recorded: watch::Sender::new(None),
        }
    }
}

/// One connected agent.
#[derive(Debug)]
pub struct Session {
    /// Manifest and hash this process was started with.
    pub agent: Agent,
    /// Number of this connection, unique while the broker runs.
    pub number: u64,
    /// Whom permissions are about.
    pub subject: Subject,
    /// Where messages to it go in.
    pub outbox: mpsc::Sender<Inbound>,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Inbound>>,
    /// Open tool calls.
    pub calls: Semaphore,
    call_pace: Mutex<Pace>,
    /// The one plan that may be in the making: the model is everybody's.
    pub plans: Semaphore,
    plan_pace: Mutex<Pace>,
    /// Its session with the AI service, once it had one: one answer may be in the making.
    pub(crate) line: tokio::sync::Mutex<Option<Line>>,
    generation_pace: Mutex<Pace>,
    speech_pace: Mutex<Pace>,
    /// Messages taken and not answered yet.
    unanswered: Mutex<HashMap<u64, Taken>>,
    said: Mutex<Said>,
    turned_away: Mutex<TurnedAway>,
    gone: watch::Sender<bool>,
}

impl Session {
    /// A session for an agent that is about to connect.
    pub fn new(agent: Agent) -> Self {
        let (outbox, inbox) = mpsc::channel(MAX_INBOX);
        let now = Instant::now();
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            subject: Subject {
                agent: agent.manifest.name.clone(),
                hash: agent.hash.clone(),
            },
            agent,
            outbox,
            inbox: tokio::sync::Mutex::new(inbox),
            calls: Semaphore::new(MAX_CALLS),
            call_pace: Mutex::new(Pace::with(20.0, 2.0, now)),
            plans: Semaphore::new(1),
            plan_pace: Mutex::new(Pace::with(20.0, 1.0, now)),
            line: tokio::sync::Mutex::default(),
            generation_pace: Mutex::new(Pace::with(20.0, 1.0, now)),
            speech_pace: Mutex::new(Pace::with(10.0, 0.5, now)),
            unanswered: Mutex::default(),
            said: Mutex::new(Said {
                own: Status {
                    state: "idle".to_owned(),
                    detail: String::new(),
                },
                questions: Vec::new(),
                shown: None,
            }),
            turned_away: Mutex::default(),
            gone: watch::Sender::new(false),
        }
    }

    /// Whether one more tool call is within the rate.
    pub fn may_call_now(&self) -> bool {
        lock(&self.call_pace).try_take(Instant::now())
    }

    /// Whether one more plan is within the rate.
    pub fn may_plan_now(&self) -> bool {
        lock(&self.plan_pace).try_take(Instant::now())
    }

    /// Whether one more generation is within the rate.
    pub fn may_generate_now(&self) -> bool {
        lock(&self.generation_pace).try_take(Instant::now())
    }

    /// How urgent what it thinks about is: as the most urgent of the messages that it has and did not
    /// answer, as far as somebody can still be waiting for it.
    pub(crate) fn class(&self) -> Class {
        class(lock(&self.unanswered).values(), Instant::now())
    }

    /// Counts a call that ran into a limit. The first one, `true`, is to have them recorded with
    /// [`Self::turned_away`]; the others hear when that has happened.
    pub fn turn_away(&self) -> (bool, watch::Receiver<Option<bool>>) {
        let mut away = lock(&self.turned_away);
        away.calls += 1;
        (away.calls == 1, away.recorded.subscribe())
    }

    /// The calls that were turned away since this was last asked.
    pub fn turned_away(&self) -> TurnedAway {
        std::mem::take(&mut *lock(&self.turned_away))
    }

    /// Marks the connection as gone: what waits for somebody's answer ends.
    pub fn end(&self) {
        self.gone.send_replace(true);
    }

    /// Returns when the connection is gone.
    pub async fn gone(&self) {
        // The sender lives in `self`, so this only ends with the value.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// The next message. `None`: somebody waits already, or the connection is gone.
    pub async fn next_message(&self) -> Option<Inbound> {
        let mut inbox = self.inbox.try_lock().ok()?;
        let message = tokio::select! {
            message = inbox.recv() => message?,
            () = self.gone() => return None,
        };
        let taken = Taken {
            from: message.from.clone(),
            behalf: message.behalf.clone(),
            at: Instant::now(),
        };
        lock(&self.unanswered).insert(message.id, taken);
        Some(message)
    }

    /// The other agents it works for now: those behind every message that it has taken and not
    /// answered. Which of these a call is for only the agent knows, so it is for all.
    pub fn behalf(&self) -> Vec<Subject> {
        let mut behalf: Vec<Subject> = Vec::new();
        for subject in lock(&self.unanswered).values().flat_map(|m| &m.behalf) {
            if !behalf.contains(subject) {
                behalf.push(subject.clone());
            }
        }
        behalf
    }

    /// Checks a reply. `Err` says why it is not passed on.
    pub fn take_reply(&self, in_reply_to: u64, text: &str) -> Result<(), ReplyRefused> {
        if text.len() > MAX_REPLY {
            return Err(ReplyRefused::TooLong);
        }
        if in_reply_to == 0 {
            return if lock(&self.speech_pace).try_take(Instant::now()) {
                Ok(())
            } else {
                Err(ReplyRefused::TooOften)
            };
        }
        if lock(&self.unanswered).remove(&in_reply_to).is_some() {
            Ok(())
        } else {
            Err(ReplyRefused::UnknownMessage)
        }
    }

    /// The agent says what it is at. Returns what changed for others.
    pub fn says(&self, state: &str, detail: &str) -> Option<Status> {
        let detail: String = detail
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_DETAIL)
            .collect();
        let mut said = lock(&self.said);
        said.own = Status {
            state: state.to_owned(),
            detail,
        };
        said.change()
    }

    /// What it is at, as others were told.
    pub fn status(&self) -> Status {
        let said = lock(&self.said);
        said.shown.clone().unwrap_or_else(|| said.own.clone())
    }

    /// A question to the person was opened for it.
    pub fn asks(&self, question: u64, summary: &str) -> Option<Status> {
        let mut said = lock(&self.said);
        said.questions.push((question, summary.to_owned()));
        said.change()
    }

    /// That question is closed.
    pub fn asked(&self, question: u64) -> Option<Status> {
        let mut said = lock(&self.said);
        said.questions.retain(|(id, _)| *id != question);
        // Its questions end with it: what it would be at now is not so any more.
        if *self.gone.borrow() {
            return None;
        }
        said.change()
    }
}

impl Said {
    fn change(&mut self) -> Option<Status> {
        let now = match self.questions.last() {
            Some((_, summary)) => Status {
                state: "waiting".to_owned(),
                detail: summary.clone(),
            },
            None => self.own.clone(),
        };
        if self.shown.as_ref() == Some(&now) {
            return None;
        }
        self.shown = Some(now.clone());
        Some(now)
    }
}

/// Why a reply is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyRefused {
    /// Over [`MAX_REPLY`].
    TooLong,
    /// It spoke up on its own too often.
    TooOften,
    /// It was not asked that, or answered it already.
    UnknownMessage,
}

/// Locks a mutex whose holders only do quick, panic-free things.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_urgent_is_what_somebody_waits_for() {
        let start = Instant::now();
        let taken = |from: &str, after: u64| Taken {
            from: from.to_owned(),
            behalf: Vec::new(),
            at: start + Duration::from_secs(after),
        };
        let messages = [taken("timer", 0), taken("agent:a", 0), taken("person", 60)];
        let at = |count: usize, seconds| {
            let now = start + Duration::from_secs(seconds);
            class(messages[..count].iter(), now)
        };
        assert_eq!(at(0, 60), Class::Background);
        assert_eq!(at(1, 60), Class::Background);
        assert_eq!(at(2, 60), Class::Agent);
        assert_eq!(at(3, 60), Class::Person);
        // Nobody waits for ever, whatever an agent leaves unanswered.
        assert_eq!(at(3, 659), Class::Person);
        assert_eq!(at(3, 660), Class::Background);
    }
}
