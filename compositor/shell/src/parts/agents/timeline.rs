//! The last events of the agents' world, and the moment of them that is looked at.
//!
//! The moment is the present, and moves on with it, until somebody goes back. Then what is shown is as
//! it was right after that event, as far as the events tell: which state an agent had is known from the
//! state before its next change.

use std::collections::VecDeque;

use argos_bus::agents::Event;

/// So many events are kept.
pub const KEPT: usize = 1000;

/// What an event is about, by which they are told apart and filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody said something, or did not.
    Talk,
    /// An agent changed its state.
    State,
    /// The world's loops, and who came into the world.
    World,
}

impl Kind {
    /// That of an event.
    pub fn of(event: &Event) -> Self {
        match event.kind.as_str() {
            "said" | "attended" | "answered" | "unanswered" => Self::Talk,
            "state" => Self::State,
            _ => Self::World,
        }
    }
}

/// The events and the moment.
#[derive(Debug, Default)]
pub struct Timeline {
    events: VecDeque<Event>,
    /// The number of the event that is looked at; of none, the present.
    moment: Option<u64>,
}

impl Timeline {
    /// Takes these instead, oldest first. The moment stays if they go on from those before; those of
    /// another run begin at the present.
    pub fn set(&mut self, events: Vec<Event>) {
        let goes_on = self.events.back().is_some_and(|last| events.contains(last));
        if !goes_on {
            self.moment = None;
        }
        self.events = events.into();
        self.forget();
    }

    /// One more. One that is known already, or was before one that is known, is left out.
    pub fn push(&mut self, event: Event) {
        if self.newest() < event.number {
            self.events.push_back(event);
            self.forget();
        }
    }

    fn forget(&mut self) {
        while self.events.len() > KEPT {
            self.events.pop_front();
        }
        // Where the moment is forgotten, the oldest there is.
        if let (Some(moment), Some(oldest)) = (self.moment, self.events.front()) {
            self.moment = Some(moment.max(oldest.number));
        }
    }

    /// Number of the last event, 0 for none.
    pub fn newest(&self) -> u64 {
        self.events.back().map_or(0, |event| event.number)
    }

    /// All of them, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> + ExactSizeIterator {
        self.events.iter()
    }

    /// Whether the present is looked at.
    pub fn is_live(&self) -> bool {
        self.moment.is_none()
    }

    /// The event that is looked at: the last one up to the moment.
    pub fn at(&self) -> Option<&Event> {
        self.events.get(self.position()?)
    }

    /// Where in the order it stands.
    pub fn position(&self) -> Option<usize> {
        let last = self.events.len().checked_sub(1)?;
        Some(match self.moment {
            Some(moment) => self
                .events
                .partition_point(|event| event.number <= moment)
                .saturating_sub(1),
            None => last,
        })
    }

    /// Goes to the event at a position; the last one is the present.
    pub fn go(&mut self, position: usize) {
        let last = self.events.len().saturating_sub(1);
        self.moment = self
            .events
            .get(position)
            .filter(|_| position < last)
            .map(|event| event.number);
    }

    /// Goes so many events further.
    pub fn scrub(&mut self, by: isize) {
        if let Some(position) = self.position() {
            self.go(position.saturating_add_signed(by));
        }
    }

    /// Goes to the event of this number.
    pub fn go_to(&mut self, number: u64) {
        if let Some(position) = self.events.iter().position(|e| e.number == number) {
            self.go(position);
        }
    }

    /// The state of an agent at the moment, which is `now` in the present; `None` if it was not there
    /// yet.
    pub fn state<'a>(&'a self, agent: &str, now: &'a str) -> Option<&'a str> {
        let Some(position) = self.position().filter(|_| !self.is_live()) else {
            return Some(now);
        };
        let later = self.events.range(position + 1..);
        let mut later = later.filter(|event| event.agent == agent);
        match later.find(|event| matches!(event.kind.as_str(), "state" | "appeared")) {
            Some(event) if event.kind == "appeared" => None,
            Some(event) => Some(&event.was),
            None => Some(now),
        }
    }

    /// How often each source said something in each room up to the moment, by source and room.
    pub fn said(&self) -> Vec<(&str, &str, usize)> {
        let past = self.position().map_or(0, |position| position + 1);
        let mut said: Vec<(&str, &str, usize)> = Vec::new();
        for event in self.events.range(..past).filter(|e| e.kind == "said") {
            let from = speaker(&event.from);
            match said
                .iter_mut()
                .find(|(who, room, _)| *who == from && *room == event.agent)
            {
                Some((_, _, count)) => *count += 1,
                None => said.push((from, &event.agent, 1)),
            }
        }
        said
    }
}

/// Who speaks, without those it speaks for.
pub fn speaker(from: &str) -> &str {
    from.split(',').next().unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64, kind: &str, agent: &str, was: &str, text: &str) -> Event {
        Event {
            number,
            at_ms: 1_000 * number,
            kind: kind.into(),
            agent: agent.into(),
            from: "person".into(),
            message: 0,
            text: text.into(),
            was: was.into(),
        }
    }

    fn state(number: u64, was: &str, is: &str) -> Event {
        event(number, "state", "steward", was, is)
    }

    #[test]
    fn what_is_kept_is_bounded_and_in_order() {
        let mut timeline = Timeline::default();
        assert_eq!((timeline.at(), timeline.position()), (None, None));
        timeline.scrub(-1);
        for number in 1..=(KEPT as u64 + 10) {
            timeline.push(state(number, "idle", "thinking"));
            timeline.push(state(number, "idle", "a second time"));
        }
        assert_eq!(timeline.events().len(), KEPT);
        let numbers: Vec<u64> = timeline.events().map(|event| event.number).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        timeline.push(state(3, "idle", "late"));
        assert_eq!(timeline.newest(), KEPT as u64 + 10);
    }

    #[test]
    fn the_present_moves_on_and_the_past_stays() {
        let mut timeline = Timeline::default();
        timeline.set((1..=5).map(|n| state(n, "idle", "idle")).collect());
        timeline.push(state(6, "idle", "idle"));
        assert_eq!(timeline.at().map(|event| event.number), Some(6));
        timeline.scrub(-2);
        assert!(!timeline.is_live());
        timeline.push(state(7, "idle", "idle"));
        assert_eq!(timeline.at().map(|event| event.number), Some(4));
        timeline.scrub(-100);
        assert_eq!(timeline.at().map(|event| event.number), Some(1));
        timeline.scrub(100);
        assert!(timeline.is_live(), "the last one is the present");
        // What is looked at is forgotten: what is left begins there.
        timeline.scrub(-100);
        for number in 8..2_000 {
            timeline.push(state(number, "idle", "idle"));
        }
        assert_eq!(timeline.position(), Some(0));
        timeline.go_to(1_990);
        assert_eq!(timeline.at().map(|event| event.number), Some(1_990));
        timeline.go_to(1);
        assert_eq!(timeline.at().map(|event| event.number), Some(1_990));
    }

    #[test]
    fn events_that_go_on_from_those_before_keep_the_moment() {
        let run = |from: u64, to: u64| (from..=to).map(|n| state(n, "idle", "idle")).collect();
        let mut timeline = Timeline::default();
        timeline.set(run(1, 5));
        timeline.go(2);
        timeline.set(run(2, 9));
        assert_eq!(timeline.at().map(|event| event.number), Some(3));
        // Another orchestrator counts from 1 again.
        let mut other: Vec<Event> = run(1, 3);
        for event in &mut other {
            event.at_ms += 1;
        }
        timeline.set(other);
        assert!(timeline.is_live());
    }

    #[test]
    fn states_are_what_they_were() {
        let mut timeline = Timeline::default();
        timeline.set(vec![
            event(1, "appeared", "steward", "", ""),
            state(2, "stopped", "starting"),
            event(3, "state", "clerk", "idle", "acting"),
            state(4, "starting", "idle"),
        ]);
        let mut seen = Vec::new();
        for position in 0..4 {
            timeline.go(position);
            seen.push(timeline.state("steward", "idle").unwrap_or("-").to_owned());
        }
        assert_eq!(seen, ["stopped", "starting", "starting", "idle"]);
        timeline.go(1);
        assert_eq!(timeline.state("clerk", "acting"), Some("idle"));
        assert_eq!(timeline.state("silent", "failed"), Some("failed"));
        timeline.push(event(5, "appeared", "new", "", ""));
        assert_eq!(timeline.state("new", "idle"), None, "it was not there");
        timeline.go(4);
        assert_eq!(timeline.state("new", "idle"), Some("idle"));
    }

    #[test]
    fn who_said_how_much_where_is_counted_up_to_the_moment() {
        let mut timeline = Timeline::default();
        let mut relayed = event(3, "said", "clerk", "", "x");
        relayed.from = "agent:steward,scout".into();
        timeline.set(vec![
            event(1, "said", "steward", "", "x"),
            event(2, "said", "steward", "", "x"),
            relayed,
        ]);
        let steward = ("person", "steward", 2);
        assert_eq!(timeline.said(), [steward, ("agent:steward", "clerk", 1)]);
        timeline.go(0);
        assert_eq!(timeline.said(), [("person", "steward", 1)]);
    }
}
