use super::*;
use proptest::prelude::*;

fn known(name: &str, autostart: bool) -> Known {
    Known {
        name: name.into(),
        title: name.to_uppercase(),
        description: String::new(),
        goals: Vec::new(),
        folder: format!("/agents/{name}"),
        autostart,
        broken: None,
    }
}

fn said(id: u64, text: &str) -> Event {
    Event::Said {
        agent: "steward".into(),
        id,
        text: text.into(),
    }
}

fn state(state: &str) -> Event {
    Event::State {
        agent: "steward".into(),
        state: state.into(),
        detail: String::new(),
    }
}

fn delivered(id: u64, arrived: bool) -> Event {
    Event::Delivered {
        agent: "steward".into(),
        id,
        arrived,
    }
}

fn replied(id: u64) -> Event {
    Event::Replied {
        agent: "steward".into(),
        in_reply_to: id,
        text: "done".into(),
    }
}

fn deliveries(actions: &[Action]) -> Vec<u64> {
    actions
        .iter()
        .filter_map(|a| match a {
            Action::Deliver { id, .. } => Some(*id),
            _ => None,
        })
        .collect()
}

fn told(actions: &[Action]) -> Vec<u64> {
    actions
        .iter()
        .filter_map(|a| match a {
            Action::Tell { in_reply_to, .. } => Some(*in_reply_to),
            _ => None,
        })
        .collect()
}

/// A world with a broker and a connected steward, at time 1000.
fn ready() -> World {
    let mut world = World::new();
    world.handle(Event::BrokerCame, 1_000);
    let actions = world.handle(Event::Found(vec![known("steward", true)]), 1_000);
    assert!(actions.contains(&Action::Start {
        agent: "steward".into(),
        folder: "/agents/steward".into()
    }));
    world.handle(
        Event::Started {
            agent: "steward".into(),
            error: None,
        },
        1_000,
    );
    world.handle(state("idle"), 1_000);
    world
}

#[test]
fn an_idle_world_sleeps() {
    assert_eq!(World::new().next_wake(), None);
    let mut world = ready();
    assert_eq!(world.next_wake(), None);
    world.handle(said(1, "hello"), 2_000);
    assert!(world.next_wake().is_some());
    world.handle(delivered(1, true), 2_010);
    world.handle(replied(1), 2_500);
    // The conversation fades and is consolidated; then there is nothing left to wake for.
    let (mut wakes, mut now) = (0, 2_500);
    while let Some(at) = world.next_wake() {
        assert!(at > now || wakes == 0, "time moves on");
        now = at.max(now);
        world.handle(Event::Tick, now);
        wakes += 1;
        assert!(wakes < 100, "an idle world must come to rest");
    }
}

#[test]
fn messages_are_taken_one_by_one_in_order() {
    let mut world = ready();
    assert_eq!(deliveries(&world.handle(said(1, "one"), 2_000)), [1]);
    assert!(deliveries(&world.handle(said(2, "two"), 2_001)).is_empty());
    assert!(deliveries(&world.handle(said(3, "three"), 2_002)).is_empty());
    world.handle(delivered(1, true), 2_003);
    assert_eq!(deliveries(&world.handle(replied(1), 2_004)), [2]);
    world.handle(delivered(2, true), 2_005);
    assert_eq!(deliveries(&world.handle(replied(2), 2_006)), [3]);
}

#[test]
fn being_named_stands_out() {
    let mut world = ready();
    world.handle(said(1, "first"), 2_000);
    world.handle(said(2, "by the way"), 2_001);
    world.handle(said(3, "Steward, this is urgent"), 2_002);
    world.handle(delivered(1, true), 2_003);
    assert_eq!(deliveries(&world.handle(replied(1), 2_004)), [3]);
}

#[test]
fn a_message_to_a_stopped_agent_starts_it_and_arrives() {
    let mut world = World::new();
    world.handle(Event::BrokerCame, 0);
    world.handle(Event::Found(vec![known("steward", false)]), 0);
    let actions = world.handle(said(1, "hello"), 10);
    assert!(actions.iter().any(|a| matches!(a, Action::Start { .. })));
    assert!(deliveries(&actions).is_empty());
    assert_eq!(deliveries(&world.handle(state("idle"), 20)), [1]);
}

#[test]
fn a_failed_delivery_is_tried_again() {
    let mut world = ready();
    world.handle(said(1, "hello"), 2_000);
    assert!(deliveries(&world.handle(delivered(1, false), 2_010)).is_empty());
    let wake = world.next_wake().unwrap();
    assert_eq!(deliveries(&world.handle(Event::Tick, wake.max(3_100))), [1]);
}

#[test]
fn an_interrupted_answer_is_owned_up_to_once() {
    let mut world = ready();
    world.handle(said(1, "hello"), 2_000);
    world.handle(delivered(1, true), 2_001);
    let actions = world.handle(Event::BrokerWent, 3_000);
    assert_eq!(told(&actions), [1]);
    let actions = world.handle(Event::BrokerCame, 4_000);
    assert!(
        actions.iter().any(|a| matches!(a, Action::Start { .. })),
        "it is started again"
    );
    let actions = world.handle(state("idle"), 4_100);
    assert!(deliveries(&actions).is_empty(), "and not made to act twice");
}

#[test]
fn what_nobody_answers_is_told_at_its_deadline() {
    let mut world = ready();
    world.handle(said(1, "hello"), 2_000);
    world.handle(delivered(1, true), 2_001);
    let mut now = 2_001;
    let mut actions = Vec::new();
    while told(&actions).is_empty() {
        now = world.next_wake().expect("there is a deadline").max(now + 1);
        actions = world.handle(Event::Tick, now);
    }
    let due = 2_001 + ANSWER_MS;
    assert!((due..due + 2 * SUBCONSCIOUS_MS).contains(&now));
}

#[test]
fn a_broken_agent_says_why() {
    let mut world = World::new();
    world.handle(Event::BrokerCame, 0);
    let broken = Known {
        broken: Some("agent.yaml:3: unknown key".into()),
        ..known("bad", true)
    };
    let actions = world.handle(Event::Found(vec![broken]), 0);
    assert!(!actions.iter().any(|a| matches!(a, Action::Start { .. })));
    assert_eq!(world.agents()[0].state, "failed");
    assert!(world.agents()[0].detail.contains("agent.yaml:3"));
}

proptest! {
    /// Whatever happens, a message is delivered at most once at a time, nobody is asked to do two
    /// things at once, and every message ends: answered, told of, or still waiting.
    #[test]
    fn no_message_is_lost_or_doubled(ops in proptest::collection::vec(0u8..9, 1..60)) {
        let mut world = ready();
        let (mut next, mut now) = (1u64, 2_000u64);
        let (mut open, mut ended): (Option<u64>, Vec<u64>) = (None, Vec::new());
        let mut confirmed = false;
        for op in ops {
            now += 400;
            let event = match op {
                0 | 1 => { next += 1; said(next - 1, "x") }
                2 => match open { Some(id) => { confirmed = true; delivered(id, true) } None => Event::Tick },
                3 => match open { Some(id) if !confirmed => { open = None; delivered(id, false) } _ => Event::Tick },
                4 => match open {
                    Some(id) => { open = None; confirmed = false; ended.push(id); replied(id) }
                    None => Event::Tick,
                },
                5 => Event::BrokerWent,
                6 => Event::BrokerCame,
                7 => state("idle"),
                _ => Event::Tick,
            };
            let actions = world.handle(event, now);
            for id in told(&actions) {
                prop_assert_eq!(open, Some(id), "only what was handed over is told of");
                open = None;
                confirmed = false;
                ended.push(id);
            }
            for id in deliveries(&actions) {
                prop_assert!(open.is_none(), "one thing at a time");
                prop_assert!(!ended.contains(&id), "nothing is done twice");
                open = Some(id);
                confirmed = false;
            }
        }
        let waiting = world.waiting("steward");
        let said_in_all = usize::try_from(next - 1).unwrap();
        let unconfirmed = usize::from(open.is_some() && !confirmed);
        prop_assert_eq!(said_in_all, ended.len() + waiting + unconfirmed);
    }
}
