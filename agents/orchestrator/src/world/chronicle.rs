//! What happened in the world, the last part of it: for those who look at the world.
//!
//! It is kept in memory only. What was said stands in the chat's file and what was done in the
//! broker's audit log; this is their order, and what lies between them.

use std::collections::VecDeque;

use argos_bus::agents::Event;

use super::components::Source;

/// So many events are known.
const KEPT: usize = 1000;
/// Longest text in it, in characters.
const MAX_TEXT: usize = 280;

/// The last events, in order.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    events: VecDeque<Event>,
    newest: u64,
    /// The time of the world's present turn.
    pub(crate) now_ms: u64,
}

/// An event as it is written down, without number and time.
#[derive(Debug, Default)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: &'static str,
    pub(crate) agent: &'a str,
    pub(crate) from: Option<&'a Source>,
    pub(crate) message: u64,
    pub(crate) text: &'a str,
    pub(crate) was: &'a str,
}

impl Chronicle {
    pub(crate) fn write(&mut self, entry: &Entry<'_>) {
        self.newest += 1;
        self.events.push_back(Event {
            number: self.newest,
            at_ms: self.now_ms,
            kind: entry.kind.to_owned(),
            agent: entry.agent.to_owned(),
            from: entry.from.map(Source::name).unwrap_or_default(),
            message: entry.message,
            text: beginning(entry.text),
            was: entry.was.to_owned(),
        });
        if self.events.len() > KEPT {
            self.events.pop_front();
        }
    }

    /// The number of the last event.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// What is known of what happened after `since`.
    pub(crate) fn after(&self, since: u64) -> Vec<Event> {
        let wanted = usize::try_from(self.newest.saturating_sub(since)).unwrap_or(usize::MAX);
        let skipped = self.events.len().saturating_sub(wanted);
        self.events.iter().skip(skipped).cloned().collect()
    }
}

/// As much of a text as is shown of it.
pub(crate) fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_known_by_number() {
        let mut chronicle = Chronicle::default();
        assert!(chronicle.after(0).is_empty());
        for _ in 0..KEPT + 5 {
            chronicle.write(&Entry {
                kind: "stepped",
                ..Entry::default()
            });
        }
        let numbers = |since| -> Vec<u64> {
            let events = chronicle.after(since);
            events.iter().map(|event| event.number).collect()
        };
        let newest = chronicle.newest();
        assert_eq!(newest, KEPT as u64 + 5);
        assert_eq!(numbers(0).len(), KEPT);
        assert_eq!(numbers(0).first(), Some(&6));
        assert_eq!(numbers(newest - 2), [newest - 1, newest]);
        assert!(numbers(newest).is_empty());
        // Of an orchestrator that ran before.
        assert!(numbers(newest + 100).is_empty());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "ä".repeat(MAX_TEXT + 1);
        assert_eq!(beginning(&text).chars().count(), MAX_TEXT + 1);
        assert!(beginning(&text).ends_with('…'));
        assert_eq!(beginning("short"), "short");
    }
}
