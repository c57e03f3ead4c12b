//! The memory store and its service, as their users meet them: through crashes, damage and a bus.

mod crash;
mod damage;
mod model;
mod service;

use argos_memory::Record;

/// A record that says `text`.
fn record(text: &str) -> Record {
    Record {
        id: 0,
        when_ms: 1,
        kind: "said".into(),
        owner: "steward".into(),
        text: text.into(),
        tags: vec!["chat".into()],
    }
}
