//! Who runs next. Pure: times and lengths come in, decisions go out; [`super::worker`] carries them out.
//!
//! ```text
//!              admit                  prefill, decode
//!   waiting ──────────────> running ───────────────────> done
//!      ^                       │
//!      └────────── park ───────┘  a more urgent request has no slot
//! ```
//!
//! *Urgency* is the class, and falls (becomes more urgent) by one class for every [`AGEING`] of waiting, but
//! never to that of persons: a person is not put behind other work because that is old. Who was admitted at
//! an aged urgency keeps it for one [`AGEING`]: otherwise the next request of its neighbour class would
//! send it back at once. Equals share slots the same way: one that has waited for a slot for one [`AGEING`]
//! takes the place of one that has had it for as long.
//!
//! Nothing starves all the same. Among agents and background work ageing sees to that. Where persons keep
//! all slots busy, one slot of several is *lent*: whoever else has waited for [`STARVES`] gets one that
//! is free, or that a person has had for one [`AGEING`], and keeps it against persons for one [`AGEING`]. Never
//! more than one slot is lent, so a person waits for other persons at worst. A model with a single
//! slot lends none: there, who waits is next whenever no person is there.
//!
//! Of the running ones, those whose tokens are all in the cache but the last one *decode*, together in one
//! pass; the others *prefill*, one at a time, the most urgent first, a chunk of tokens a pass. The two
//! alternate: between two decoding passes a chunk of tokens is prefilled, of several prompts where they are
//! short, so that few are decoded while others could be with them. Where everybody who decodes is less urgent
//! than who prefills, it is [`PATIENCE`] chunks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Waiting this long makes a request one class more urgent.
pub(super) const AGEING: Duration = Duration::from_secs(10);

/// Waiting this long earns a slot that persons would have.
pub(super) const STARVES: Duration = Duration::from_secs(30);

/// Chunks that more urgent prefills may take before those who decode get a pass.
pub(super) const PATIENCE: usize = 8;

/// Who waits for an answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A person, at the screen.
    Person,
    /// An agent at work.
    #[default]
    Agent,
    /// Nobody in particular.
    Background,
}

/// How urgent, 0 most.
pub(super) type Urgency = u32;

/// Urgency of a request that has waited for so long.
fn urgency(class: Class, waited: Duration) -> Urgency {
    let steps = waited.as_nanos() / AGEING.as_nanos();
    let aged = (class as Urgency).saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX));
    // No further than the class after persons.
    aged.max((class as Urgency).min(Class::Agent as Urgency))
}

/// A request without a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub class: Class,
    /// Since it arrived or was parked.
    pub waited: Duration,
}

/// A request in a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub class: Class,
    /// What it was when it got the slot.
    pub admitted: Urgency,
    /// Since it got the slot.
    pub held: Duration,
    /// Tokens that are not in the cache yet; at least one.
    pub remaining: usize,
    /// Order of arrival; also of decoding, where one at a time decodes.
    pub order: u64,
}

impl Running {
    fn urgency(&self) -> Urgency {
        if self.held < AGEING {
            self.admitted
        } else {
            self.class as Urgency
        }
    }
}

/// A decision about a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    /// Index of the request.
    pub waiting: usize,
    pub slot: usize,
    /// Whether somebody has to leave the slot first.
    pub park: bool,
    /// What it is admitted at.
    pub urgency: Urgency,
}

/// Who gets a slot now, if anybody.
pub(super) fn admit(waiting: &[Waiting], slots: &[Option<Running>]) -> Option<Admission> {
    if let Some(lent) = lend(waiting, slots) {
        return Some(lent);
    }
    let most_urgent =
        |(_, w): &(usize, &Waiting)| (urgency(w.class, w.waited), std::cmp::Reverse(w.waited));
    let (index, chosen) = waiting.iter().enumerate().min_by_key(most_urgent)?;
    let now = urgency(chosen.class, chosen.waited);
    let admission = |slot, park| Admission {
        waiting: index,
        slot,
        park,
        urgency: now,
    };
    if let Some(slot) = slots.iter().position(Option::is_none) {
        return Some(admission(slot, false));
    }
    // The least urgent leaves, of several the one that has had its slot for longest.
    let (slot, victim) = running(slots).max_by_key(|(_, r)| (r.urgency(), r.held))?;
    let turn = now == victim.urgency() && chosen.waited >= AGEING && victim.held >= AGEING;
    (now < victim.urgency() || turn).then(|| admission(slot, true))
}

/// The slot that goes to whoever starves, where persons have all the others.
fn lend(waiting: &[Waiting], slots: &[Option<Running>]) -> Option<Admission> {
    if slots.len() < 2 || running(slots).any(|(_, r)| r.class != Class::Person) {
        return None;
    }
    let (index, _) = waiting
        .iter()
        .enumerate()
        .filter(|(_, w)| w.class != Class::Person && w.waited >= STARVES)
        .max_by_key(|(_, w)| w.waited)?;
    let lent = |slot, park| Admission {
        waiting: index,
        slot,
        park,
        urgency: Class::Person as Urgency,
    };
    if let Some(slot) = slots.iter().position(Option::is_none) {
        return Some(lent(slot, false));
    }
    let (slot, victim) = running(slots).max_by_key(|(_, r)| r.held)?;
    (victim.held >= AGEING).then(|| lent(slot, true))
}

fn running(slots: &[Option<Running>]) -> impl Iterator<Item = (usize, &Running)> {
    slots
        .iter()
        .enumerate()
        .filter_map(|(slot, r)| Some((slot, r.as_ref()?)))
}

/// What the next pass is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// Some of this slot's tokens.
    Prefill {
        slot: usize,
        /// As many of them at most.
        tokens: usize,
    },
    /// A token for each of these slots.
    Decode(Vec<usize>),
}

/// The next pass; `None` where nobody runs. A prefilling one has up to `chunk` tokens; `prefilled` is how many
/// there were since the last decoding one.
pub(super) fn next(slots: &[Option<Running>], chunk: usize, prefilled: usize) -> Option<Pass> {
    let decoding: Vec<usize> = running(slots)
        .filter(|(_, r)| r.remaining == 1)
        .map(|(slot, _)| slot)
        .collect();
    // Who has a lent slot is not before persons in it.
    let prefilling = running(slots)
        .filter(|(_, r)| r.remaining > 1)
        .min_by_key(|(_, r)| (r.urgency(), r.class, r.order));
    let Some((slot, prefill)) = prefilling else {
        return (!decoding.is_empty()).then_some(Pass::Decode(decoding));
    };
    if decoding.is_empty() {
        return Some(Pass::Prefill {
            slot,
            tokens: chunk,
        });
    }
    let peers = running(slots).any(|(_, r)| r.remaining == 1 && r.urgency() <= prefill.urgency());
    let patience = if peers { 1 } else { PATIENCE };
    match chunk.saturating_mul(patience).saturating_sub(prefilled) {
        0 => Some(Pass::Decode(decoding)),
        left => Some(Pass::Prefill {
            slot,
            tokens: left.min(chunk),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holder(class: Class, remaining: usize, order: u64) -> Option<Running> {
        Some(Running {
            class,
            admitted: class as Urgency,
            held: Duration::ZERO,
            remaining,
            order,
        })
    }

    const CHUNK: usize = 256;

    fn prefill(slot: usize, tokens: usize) -> Option<Pass> {
        Some(Pass::Prefill { slot, tokens })
    }

    fn waiting(class: Class, seconds: u64) -> Waiting {
        Waiting {
            class,
            waited: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn free_slots_go_to_the_most_urgent_then_to_the_first() {
        let slots = [holder(Class::Agent, 1, 0), None];
        let queue = [
            waiting(Class::Background, 1),
            waiting(Class::Agent, 1),
            waiting(Class::Agent, 3),
        ];
        let expected = Admission {
            waiting: 2,
            slot: 1,
            park: false,
            urgency: 1,
        };
        assert_eq!(admit(&queue, &slots), Some(expected));
        assert_eq!(admit(&[], &slots), None);
    }

    #[test]
    fn a_person_takes_the_slot_of_the_least_urgent_but_no_other_persons() {
        let slots = [holder(Class::Agent, 1, 0), holder(Class::Background, 1, 1)];
        let person = [waiting(Class::Person, 0)];
        let expected = Admission {
            waiting: 0,
            slot: 1,
            park: true,
            urgency: 0,
        };
        assert_eq!(admit(&person, &slots), Some(expected));
        let persons = [holder(Class::Person, 1, 0), holder(Class::Person, 9, 1)];
        assert_eq!(admit(&person, &persons), None);
        assert_eq!(admit(&[waiting(Class::Background, 0)], &slots), None);
    }

    #[test]
    fn waiting_makes_urgent_and_the_slot_is_kept_for_a_while() {
        let mut agents = [holder(Class::Agent, 1, 0)];
        let aged = [waiting(Class::Background, 10)];
        assert_eq!(admit(&[waiting(Class::Background, 9)], &agents), None);
        assert_eq!(admit(&aged, &agents), None);
        agents[0].as_mut().unwrap().held = AGEING;
        assert!(admit(&aged, &agents).is_some_and(|a| a.park && a.urgency == 1));
        // Admitted at the urgency of an agent: one that comes now waits, until the time is over.
        let mut aged = holder(Class::Background, 1, 0).unwrap();
        aged.admitted = 1;
        assert_eq!(admit(&[waiting(Class::Agent, 0)], &[Some(aged)]), None);
        aged.held = AGEING;
        assert!(admit(&[waiting(Class::Agent, 0)], &[Some(aged)]).is_some());
        // A person does not wait for that.
        aged.held = Duration::ZERO;
        assert!(admit(&[waiting(Class::Person, 0)], &[Some(aged)]).is_some());
    }

    #[test]
    fn old_work_is_not_before_a_person() {
        let queue = [waiting(Class::Background, 3600), waiting(Class::Person, 0)];
        assert_eq!(admit(&queue, &[None]).unwrap().waiting, 1);
        let agents = [holder(Class::Agent, 1, 0), None];
        assert_eq!(admit(&queue, &agents).unwrap().waiting, 1);
        // A lent slot counts as a person's, but its prompt does not come first.
        let mut lent = holder(Class::Background, 900, 0).unwrap();
        lent.admitted = 0;
        let slots = [Some(lent), holder(Class::Person, 900, 1)];
        assert_eq!(next(&slots, CHUNK, 0), prefill(1, CHUNK));
    }

    /// A machine that is simulated: requests of these classes come, run for so long, and go.
    struct Machine {
        slots: Vec<Option<(usize, Running)>>,
        queue: Vec<(usize, Waiting)>,
        class: Vec<Class>,
        left: Vec<Duration>,
        /// Longest time without a slot, and time in one.
        longest: Vec<Duration>,
        got: Vec<Duration>,
    }

    const STEP: Duration = Duration::from_millis(500);

    impl Machine {
        fn new(slots: usize) -> Self {
            Self {
                slots: vec![None; slots],
                queue: Vec::new(),
                class: Vec::new(),
                left: Vec::new(),
                longest: Vec::new(),
                got: Vec::new(),
            }
        }

        fn come(&mut self, class: Class, runs: Duration) {
            self.queue.push((self.class.len(), waiting(class, 0)));
            self.class.push(class);
            self.left.push(runs);
            self.longest.push(Duration::ZERO);
            self.got.push(Duration::ZERO);
        }

        fn step(&mut self) {
            loop {
                let queue: Vec<_> = self.queue.iter().map(|q| q.1).collect();
                let slots: Vec<_> = self.slots.iter().map(|s| s.map(|s| s.1)).collect();
                let Some(a) = admit(&queue, &slots) else {
                    break;
                };
                self.check(&a, &queue, &slots);
                assert_eq!(a.park, self.slots[a.slot].is_some());
                let (n, w) = self.queue.remove(a.waiting);
                if let Some((other, r)) = self.slots[a.slot].take() {
                    self.queue.push((other, waiting(r.class, 0)));
                }
                let mut r = holder(w.class, 1, n as u64).unwrap();
                r.admitted = a.urgency;
                self.slots[a.slot] = Some((n, r));
            }
            for slot in &mut self.slots {
                let Some((n, r)) = slot else { continue };
                r.held += STEP;
                self.got[*n] += STEP;
                self.left[*n] = self.left[*n].saturating_sub(STEP);
                if self.left[*n].is_zero() {
                    *slot = None;
                }
            }
            for (n, w) in &mut self.queue {
                w.waited += STEP;
                self.longest[*n] = self.longest[*n].max(w.waited);
            }
        }

        /// What holds of every decision.
        fn check(&self, a: &Admission, queue: &[Waiting], slots: &[Option<Running>]) {
            let chosen = queue[a.waiting];
            if chosen.class == Class::Person {
                assert!(slots[a.slot].is_none_or(|r| r.class != Class::Person || r.held >= AGEING));
                return;
            }
            let person = |r: &Running| r.class == Class::Person;
            let others = running(slots).filter(|(_, r)| !person(r)).count();
            let before = queue.iter().any(|w| w.class == Class::Person)
                || slots[a.slot].as_ref().is_some_and(person);
            if before {
                // Only the one slot that is lent.
                assert!(chosen.waited >= STARVES && others == 0 && slots.len() > 1);
                assert!(slots[a.slot].is_none_or(|r| r.held >= AGEING));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever comes: persons are before all others but for one lent slot, and everybody else gets a slot
        /// within a time that their number bounds.
        #[test]
        fn persons_come_first_and_nothing_starves(
            slots in 2_usize..5,
            persons in proptest::collection::vec((0_usize..4, 1_u64..120), 600),
            others in proptest::collection::vec((0_usize..600, any::<bool>(), 1_u64..200), 0..6),
        ) {
            let mut machine = Machine::new(slots);
            for (step, (count, runs)) in persons.into_iter().enumerate() {
                for _ in 0..count {
                    machine.come(Class::Person, STEP * runs as u32);
                }
                for (when, agent, runs) in &others {
                    if *when == step {
                        let class = if *agent { Class::Agent } else { Class::Background };
                        machine.come(class, STEP * *runs as u32);
                    }
                }
                machine.step();
            }
            let bound = STARVES + 2 * AGEING * (1 + others.len() as u32) + STARVES;
            for (n, class) in machine.class.iter().enumerate() {
                let waited = machine.longest[n];
                prop_assert!(*class == Class::Person || waited <= bound, "{class:?} {waited:?}");
            }
        }
    }

    /// Whoever comes, everybody gets slots: simulated for ten minutes.
    #[test]
    fn nobody_starves() {
        let mut machine = Machine::new(2);
        // Two agents that never end, one background request, one agent that comes back all the time.
        for class in [Class::Agent, Class::Agent, Class::Background, Class::Agent] {
            machine.come(class, Duration::MAX);
        }
        for _ in 0..1200 {
            machine.step();
        }
        let got = &machine.got;
        assert!(got.iter().all(|g| *g > Duration::from_secs(100)), "{got:?}");
    }

    #[test]
    fn prefill_and_decode_alternate_among_equals() {
        let slots = [
            holder(Class::Agent, 1, 0),
            holder(Class::Agent, 500, 1),
            None,
        ];
        assert_eq!(next(&slots, CHUNK, 0), prefill(1, CHUNK));
        assert_eq!(
            next(&slots, CHUNK, CHUNK),
            Some(Pass::Decode(vec![0])),
            "a chunk was prefilled"
        );
        assert_eq!(next(&[None, None], CHUNK, 0), None);
    }

    #[test]
    fn short_prompts_are_prefilled_one_after_the_other_up_to_a_chunk() {
        let slots = [
            holder(Class::Agent, 1, 0),
            holder(Class::Agent, 30, 1),
            holder(Class::Agent, 30, 2),
        ];
        assert_eq!(next(&slots, CHUNK, 30), prefill(1, CHUNK - 30));
        assert_eq!(next(&slots, CHUNK, CHUNK), Some(Pass::Decode(vec![0])));
        // Nobody waits for a token.
        assert_eq!(next(&slots[1..], CHUNK, 9 * CHUNK), prefill(0, CHUNK));
    }

    #[test]
    fn a_more_urgent_prefill_goes_ahead_but_not_for_ever() {
        let slots = [
            holder(Class::Background, 1, 0),
            holder(Class::Person, 9000, 2),
            holder(Class::Background, 300, 1),
        ];
        for chunks in 0..PATIENCE {
            assert_eq!(next(&slots, CHUNK, chunks * CHUNK), prefill(1, CHUNK));
        }
        assert_eq!(
            next(&slots, CHUNK, PATIENCE * CHUNK),
            Some(Pass::Decode(vec![0]))
        );
    }
}
