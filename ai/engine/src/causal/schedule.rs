//! Who runs next. Pure: times and lengths come in, decisions go out; [`super::worker`] carries them out.
//!
//! ```text
//!              admit                  prefill, decode
//!   waiting ──────────────> running ───────────────────> done
//!      ^                       │
//!      └────────── park ───────┘  a more urgent request has no slot
//! ```
//!
//! *Urgency* is the class, and falls (becomes more urgent) by one class for every [`AGEING`] of waiting, so
//! that nothing starves. Who was admitted at an aged urgency keeps it for one [`AGEING`]: otherwise the
//! next request of its neighbour class would send it back at once. Equals share slots the same way: one that
//! has waited for a slot for one [`AGEING`] takes the place of one that has had it for as long.
//!
//! Of the running ones, those whose tokens are all in the cache but the last one *decode*, together in one
//! pass; the others *prefill*, one at a time, the most urgent first, a chunk of tokens a pass. The two
//! alternate, unless everybody who decodes is less urgent than who prefills: then decoding has one pass in
//! [`PATIENCE`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Waiting this long makes a request one class more urgent.
pub(super) const AGEING: Duration = Duration::from_secs(10);

/// Chunks that a more urgent prefill may take before those who decode get a pass.
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
pub(super) fn urgency(class: Class, waited: Duration) -> Urgency {
    let steps = waited.as_nanos() / AGEING.as_nanos();
    (class as Urgency).saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
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
}

/// Who gets a slot now, if anybody.
pub(super) fn admit(waiting: &[Waiting], slots: &[Option<Running>]) -> Option<Admission> {
    let most_urgent =
        |(_, w): &(usize, &Waiting)| (urgency(w.class, w.waited), std::cmp::Reverse(w.waited));
    let (index, chosen) = waiting.iter().enumerate().min_by_key(most_urgent)?;
    if let Some(slot) = slots.iter().position(Option::is_none) {
        return Some(Admission {
            waiting: index,
            slot,
            park: false,
        });
    }
    // The least urgent leaves, of several the one that has had its slot for longest.
    let (slot, victim) = slots
        .iter()
        .enumerate()
        .filter_map(|(slot, r)| Some((slot, r.as_ref()?)))
        .max_by_key(|(_, r)| (r.urgency(), r.held))?;
    let now = urgency(chosen.class, chosen.waited);
    let turn = now == victim.urgency() && chosen.waited >= AGEING && victim.held >= AGEING;
    (now < victim.urgency() || turn).then_some(Admission {
        waiting: index,
        slot,
        park: true,
    })
}

/// What the next pass is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// A chunk of this slot's tokens.
    Prefill(usize),
    /// A token for each of these slots.
    Decode(Vec<usize>),
}

/// The next pass; `None` where nobody runs. `chunks` is how many prefill passes there were since the last
/// decoding one.
pub(super) fn next(slots: &[Option<Running>], chunks: usize) -> Option<Pass> {
    let running = || {
        slots
            .iter()
            .enumerate()
            .filter_map(|(slot, r)| Some((slot, r.as_ref()?)))
    };
    let decoding: Vec<usize> = running()
        .filter(|(_, r)| r.remaining == 1)
        .map(|(slot, _)| slot)
        .collect();
    let prefilling = running()
        .filter(|(_, r)| r.remaining > 1)
        .min_by_key(|(_, r)| (r.urgency(), r.order));
    let Some((slot, prefill)) = prefilling else {
        return (!decoding.is_empty()).then_some(Pass::Decode(decoding));
    };
    let peers = running().any(|(_, r)| r.remaining == 1 && r.urgency() <= prefill.urgency());
    let patience = if peers { 1 } else { PATIENCE };
    if !decoding.is_empty() && chunks >= patience {
        Some(Pass::Decode(decoding))
    } else {
        Some(Pass::Prefill(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(class: Class, remaining: usize, order: u64) -> Option<Running> {
        Some(Running {
            class,
            admitted: class as Urgency,
            held: Duration::ZERO,
            remaining,
            order,
        })
    }

    fn waiting(class: Class, seconds: u64) -> Waiting {
        Waiting {
            class,
            waited: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn free_slots_go_to_the_most_urgent_then_to_the_first() {
        let slots = [running(Class::Agent, 1, 0), None];
        let queue = [
            waiting(Class::Background, 1),
            waiting(Class::Agent, 1),
            waiting(Class::Agent, 3),
        ];
        let expected = Admission {
            waiting: 2,
            slot: 1,
            park: false,
        };
        assert_eq!(admit(&queue, &slots), Some(expected));
        assert_eq!(admit(&[], &slots), None);
    }

    #[test]
    fn a_person_takes_the_slot_of_the_least_urgent_but_no_other_persons() {
        let slots = [
            running(Class::Agent, 1, 0),
            running(Class::Background, 1, 1),
        ];
        let person = [waiting(Class::Person, 0)];
        let expected = Admission {
            waiting: 0,
            slot: 1,
            park: true,
        };
        assert_eq!(admit(&person, &slots), Some(expected));
        let persons = [running(Class::Person, 1, 0), running(Class::Person, 9, 1)];
        assert_eq!(admit(&person, &persons), None);
        assert_eq!(admit(&[waiting(Class::Background, 0)], &slots), None);
    }

    #[test]
    fn waiting_makes_urgent_and_the_slot_is_kept_for_a_while() {
        let agents = [running(Class::Agent, 1, 0)];
        assert_eq!(admit(&[waiting(Class::Background, 19)], &agents), None);
        assert!(admit(&[waiting(Class::Background, 20)], &agents).is_some());
        // Admitted at the urgency of a person: an agent that comes now waits, until the time is over.
        let mut aged = running(Class::Background, 1, 0).unwrap();
        aged.admitted = 0;
        assert_eq!(admit(&[waiting(Class::Agent, 0)], &[Some(aged)]), None);
        aged.held = AGEING;
        assert!(admit(&[waiting(Class::Agent, 0)], &[Some(aged)]).is_some());
    }

    /// Whoever comes, everybody gets slots: simulated for ten minutes.
    #[test]
    fn nobody_starves() {
        let step = Duration::from_millis(500);
        let mut slots: Vec<Option<Running>> = vec![None; 2];
        let mut owner = [usize::MAX; 2];
        // Two agents that never end, one background request, one agent that comes back all the time.
        let classes = [Class::Agent, Class::Agent, Class::Background, Class::Agent];
        let mut queue: Vec<(usize, Waiting)> = classes
            .iter()
            .enumerate()
            .map(|(n, c)| (n, waiting(*c, 0)))
            .collect();
        let mut got = [Duration::ZERO; 4];
        for _ in 0..1200 {
            while let Some(a) = admit(&queue.iter().map(|q| q.1).collect::<Vec<_>>(), &slots) {
                if a.park {
                    let class = classes[owner[a.slot]];
                    queue.push((owner[a.slot], waiting(class, 0)));
                }
                let (n, w) = queue.remove(a.waiting);
                owner[a.slot] = n;
                let mut r = running(w.class, 1, 0).unwrap();
                r.admitted = urgency(w.class, w.waited);
                slots[a.slot] = Some(r);
            }
            for (slot, n) in slots.iter_mut().zip(owner) {
                if let Some(r) = slot {
                    r.held += step;
                    got[n] += step;
                }
            }
            for (_, w) in &mut queue {
                w.waited += step;
            }
        }
        assert!(got.iter().all(|g| *g > Duration::from_secs(100)), "{got:?}");
    }

    #[test]
    fn prefill_and_decode_alternate_among_equals() {
        let slots = [
            running(Class::Agent, 1, 0),
            running(Class::Agent, 500, 1),
            None,
        ];
        assert_eq!(next(&slots, 0), Some(Pass::Prefill(1)));
        assert_eq!(next(&slots, 1), Some(Pass::Decode(vec![0])));
        assert_eq!(next(&[None, None], 0), None);
    }

    #[test]
    fn a_more_urgent_prefill_goes_ahead_but_not_for_ever() {
        let slots = [
            running(Class::Background, 1, 0),
            running(Class::Person, 9000, 2),
            running(Class::Background, 300, 1),
        ];
        for chunks in 0..PATIENCE {
            assert_eq!(next(&slots, chunks), Some(Pass::Prefill(1)));
        }
        assert_eq!(next(&slots, PATIENCE), Some(Pass::Decode(vec![0])));
    }
}
