//! The calls that have not ended, and how each can be called back.
//!
//! An agent cancels its own by the number that it gave them, the person any by the number that the
//! broker gave. What that does depends on how far the call is; [`crate::call`] says it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use argos_bus::tools::OpenCall;
use tokio::sync::watch;

use crate::session::lock;

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last_id: u64,
    calls: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    shown: OpenCall,
    /// The connection that made it, and the number that it gave the call.
    own: Option<(u64, u64)>,
    cancel: watch::Sender<Option<Canceller>>,
}

/// Who calls a call back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canceller {
    /// Who made it.
    Caller,
    /// The person.
    Person,
}

impl std::fmt::Display for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Caller => "the agent itself",
            Self::Person => "the person",
        })
    }
}

/// One call, open for as long as this lives.
#[derive(Debug)]
pub(crate) struct Ticket {
    calls: Calls,
    id: u64,
    cancelled: watch::Receiver<Option<Canceller>>,
}

impl Calls {
    /// A call begins. `own` is the number of its connection and the one that the agent gave it, if it
    /// gave one. `None`: a call of that number is open.
    pub(crate) fn begin(
        &self,
        agent: &str,
        tool: &str,
        own: Option<(u64, u64)>,
        now_ms: u64,
    ) -> Option<Ticket> {
        let mut open = lock(&self.0);
        if own.is_some() && open.calls.values().any(|call| call.own == own) {
            return None;
        }
        open.last_id += 1;
        let id = open.last_id;
        let (cancel, cancelled) = watch::channel(None);
        let shown = OpenCall {
            id,
            agent: agent.to_owned(),
            tool: tool.to_owned(),
            resource: String::new(),
            state: "checking".to_owned(),
            since_ms: now_ms,
        };
        open.calls.insert(id, Entry { shown, own, cancel });
        Some(Ticket {
            calls: self.clone(),
            id,
            cancelled,
        })
    }

    /// Every open call, oldest first.
    pub(crate) fn open(&self) -> Vec<OpenCall> {
        let open = lock(&self.0);
        open.calls.values().map(|call| call.shown.clone()).collect()
    }

    /// The person cancels a call; `false`: it has ended.
    pub(crate) fn cancel(&self, id: u64) -> bool {
        let open = lock(&self.0);
        open.calls.get(&id).is_some_and(|call| {
            call.cancel.send_replace(Some(Canceller::Person));
            true
        })
    }

    /// An agent cancels a call of its own; `false`: it has none of that number.
    pub(crate) fn cancel_own(&self, connection: u64, number: u64) -> bool {
        let open = lock(&self.0);
        let mut calls = open.calls.values();
        calls
            .find(|call| call.own == Some((connection, number)))
            .is_some_and(|call| {
                call.cancel.send_replace(Some(Canceller::Caller));
                true
            })
    }
}

impl Ticket {
    /// It is permitted, and runs on this.
    pub(crate) fn runs(&self, resource: &str) {
        if let Some(call) = lock(&self.calls.0).calls.get_mut(&self.id) {
            call.shown.resource = resource.to_owned();
            call.shown.state = "running".to_owned();
        }
    }

    /// Returns when the call is called back.
    pub(crate) async fn cancelled(&self) -> Canceller {
        let mut cancelled = self.cancelled.clone();
        let by = cancelled.wait_for(Option::is_some).await.map(|by| *by);
        match by {
            Ok(Some(by)) => by,
            // The sender lives as long as this, so nobody can call it back any more.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.calls.0).calls.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_cancelled_by_its_agent_and_by_the_person_only() {
        let calls = Calls::default();
        let one = calls
            .begin("steward", "files.list", Some((1, 7)), 0)
            .unwrap();
        assert!(
            calls
                .begin("steward", "files.list", Some((1, 7)), 0)
                .is_none()
        );
        // Another connection may use the same number.
        let two = calls.begin("other", "files.list", Some((2, 7)), 0).unwrap();
        assert!(!calls.cancel_own(3, 7) && !calls.cancel_own(1, 8));
        assert!(calls.cancel_own(1, 7));
        assert_eq!(one.cancelled().await, Canceller::Caller);
        assert!(calls.cancel(two.id));
        assert_eq!(two.cancelled().await, Canceller::Person);
        one.runs("/a");
        let open = calls.open();
        assert_eq!(
            (open.len(), open[0].state.as_str(), open[1].state.as_str()),
            (2, "running", "checking")
        );
        drop(one);
        assert!(!calls.cancel_own(1, 7));
        assert_eq!(calls.open().len(), 1);
    }
}
