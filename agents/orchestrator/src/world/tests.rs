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

#[test]
fn a_paused_world_perceives_and_does_nothing_until_it_goes_on() {
    let mut world = ready();
    world.handle(Event::Pause, 1_500);
    assert!(deliveries(&world.handle(said(1, "one"), 2_000)).is_empty());
    assert!(deliveries(&world.handle(said(2, "two"), 2_001)).is_empty());
    assert_eq!(world.next_wake(), None, "it sleeps");
    let mind = world.mind("steward").unwrap();
    assert_eq!(mind.waiting.len(), 2, "both are perceived");
    assert!(mind.focus.is_empty() && mind.thoughts.is_empty());
    // A step is one turn: one message.
    assert_eq!(deliveries(&world.handle(Event::Step, 60_000)), [1]);
    assert!(world.pace().paused);
    world.handle(delivered(1, true), 60_001);
    assert!(deliveries(&world.handle(replied(1), 60_002)).is_empty());
    assert_eq!(deliveries(&world.handle(Event::Resume, 70_000)), [2]);
    // The time that it stood still for does not make it hurry.
    assert!(world.next_wake().unwrap() >= 71_000);
}

#[test]
fn in_a_paused_world_nobody_is_started_but_by_the_person() {
    let mut world = World::at_pace(Pace {
        paused: true,
        speed: 1.0,
    });
    let starts = |actions: &[Action]| {
        let start = |action: &&Action| matches!(action, Action::Start { .. });
        actions.iter().filter(start).count()
    };
    world.handle(Event::BrokerCame, 0);
    let found = Event::Found(vec![known("steward", true), known("clerk", false)]);
    assert_eq!(starts(&world.handle(found, 0)), 0);
    assert_eq!(starts(&world.handle(said(1, "hello"), 1)), 0);
    assert_eq!(starts(&world.handle(Event::Start("clerk".into()), 2)), 1);
    assert_eq!(starts(&world.handle(Event::Resume, 3)), 1, "the steward");
}

#[test]
fn everything_stops_and_stays_stopped() {
    let mut world = ready();
    world.handle(said(1, "hello"), 2_000);
    world.handle(delivered(1, true), 2_001);
    let actions = world.handle(Event::StopAll, 2_500);
    let stop = Action::Stop {
        agent: "steward".into(),
    };
    assert!(actions.contains(&stop), "{actions:?}");
    assert!(world.pace().paused && !world.mind("steward").unwrap().wanted);
    assert_eq!(told(&world.handle(state("stopped"), 2_600)), [1]);
    // Neither a timer nor a new broker wakes it.
    let rang = Event::Told {
        agent: "steward".into(),
        id: 2,
        from: Source::Timer,
        text: "tea".into(),
    };
    for event in [rang, Event::BrokerWent, Event::BrokerCame] {
        let actions = world.handle(event, 3_000);
        assert!(!actions.iter().any(|a| matches!(a, Action::Start { .. })));
    }
}

#[test]
fn a_faster_world_forgets_sooner() {
    let forgets_after = |speed| {
        let mut world = ready();
        world.handle(Event::Speed(speed), 1_500);
        world.handle(said(1, "hello"), 2_000);
        world.handle(state("stopped"), 2_000);
        let mut now = 2_000;
        while !world.mind("steward").unwrap().thoughts.is_empty() {
            now = world.next_wake().unwrap().max(now);
            world.handle(Event::Tick, now);
        }
        now - 2_000
    };
    let usual = forgets_after(1.0);
    assert!((usual / 11..=usual / 9).contains(&forgets_after(10.0)));
    let mut world = ready();
    for (wrong, kept) in [(f64::NAN, 1.0), (0.0, SLOWEST), (1e9, FASTEST)] {
        world.handle(Event::Speed(wrong), 0);
        assert_eq!(world.pace().speed, kept);
    }
}

#[test]
fn the_world_shows_who_is_where_and_what_is_on_their_minds() {
    let mut world = ready();
    world.handle(Event::Found(vec![known("clerk", false)]), 1_000);
    let seen = world.seen();
    let rooms: Vec<_> = seen
        .rooms
        .iter()
        .map(|room| (room.name.as_str(), room.occupants.join(" ")))
        .collect();
    assert_eq!(
        rooms,
        [("clerk", "clerk".into()), ("steward", "steward".into())]
    );
    world.handle(said(1, "hello"), 2_000);
    let calls = vec![("files.list".to_owned(), "{}".to_owned())];
    world.handle(
        Event::Planned {
            agent: "steward".into(),
            calls,
        },
        2_001,
    );
    let mind = world.mind("steward").unwrap();
    assert_eq!((mind.focus[0].message, mind.plan.len()), (1, 1));
    assert!(mind.thoughts[0].text.contains("hello"));
    world.handle(delivered(1, true), 2_002);
    assert_eq!(world.mind("steward").unwrap().awaited[0].0, 1);
    world.handle(replied(1), 2_003);
    let mind = world.mind("steward").unwrap();
    assert!(mind.focus.is_empty() && mind.plan.is_empty() && mind.awaited.is_empty());
    assert_eq!(world.mind("nobody"), None);
}

#[test]
fn what_happens_is_told_in_order_with_what_it_led_to() {
    let mut world = ready();
    let before = world.newest();
    world.handle(said(7, "hello"), 2_000);
    world.handle(state("thinking"), 2_001);
    world.handle(replied(7), 2_002);
    let events = world.events(before);
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.kind.as_str(), e.from.as_str(), e.message, e.at_ms))
        .collect();
    assert_eq!(
        told,
        [
            ("said", "person", 7, 2_000),
            ("attended", "person", 7, 2_000),
            ("state", "", 0, 2_001),
            ("answered", "", 7, 2_002),
        ]
    );
    assert_eq!(
        (events[2].was.as_str(), events[2].text.as_str()),
        ("idle", "thinking")
    );
    let numbers: Vec<u64> = events.iter().map(|e| e.number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    // What changes nothing is no event.
    let newest = world.newest();
    for event in [state("thinking"), Event::Resume, Event::Speed(1.0)] {
        world.handle(event, 3_000);
    }
    assert_eq!(world.newest(), newest);
}

proptest! {
    /// Whatever happens, a message is delivered at most once at a time, nobody is asked to do two
    /// things at once, and every message ends: answered, told of, or still waiting.
    #[test]
    fn no_message_is_lost_or_doubled(ops in proptest::collection::vec(0u8..12, 1..60)) {
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
                8 => Event::Pause,
                9 => Event::Resume,
                10 => Event::Step,
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
