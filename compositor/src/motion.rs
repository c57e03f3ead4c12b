//! Numbers on their way from where they are to where they are to be.
//!
//! This module is pure: it is told what time it is. A number follows a critically damped spring (x″ = ω²(to − x) −
//! 2ωx′, solved in closed form), so it begins fast, arrives softly and does not depend on how often it is looked at.
//! One that turns to another place midway goes on with the speed that it has. Such a spring weighs the places that it was
//! sent to with weights that are never negative, so a number never leaves the range of all of them, however often it
//! is turned.

use std::time::Duration;

/// ω times the length of a way. What is left at its end, of a thousand pixels less than one, is left out.
const SETTLED: f64 = 10.0;

/// Some numbers on their way together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Motion<const N: usize> {
    begins: Duration,
    length: Duration,
    from: [f64; N],
    /// A second, at the beginning.
    speed: [f64; N],
    to: [f64; N],
}

impl<const N: usize> Motion<N> {
    /// From rest to rest. `begins` is by the clock that all its other times are by.
    pub(crate) fn new(from: [f64; N], to: [f64; N], begins: Duration, length: Duration) -> Self {
        Self {
            begins,
            length,
            from,
            speed: [0.0; N],
            to,
        }
    }

    /// Whether the numbers are where they were to go.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.begins) >= self.length
    }

    /// Where they are; before the beginning where they begin, after the end exactly where they were to go.
    pub(crate) fn at(&self, now: Duration) -> [f64; N] {
        self.by(now, self.to, |to, away, push, _, passed, left| {
            to + (away + push * passed) * left
        })
    }

    /// How fast they are, a second.
    pub(crate) fn speed(&self, now: Duration) -> [f64; N] {
        self.by(now, [0.0; N], |_, away, push, rate, passed, left| {
            (push - rate * (away + push * passed)) * left
        })
    }

    /// Sends them elsewhere, with the speed that they have now.
    pub(crate) fn turn(&mut self, to: [f64; N], now: Duration, length: Duration) {
        *self = Self {
            begins: now,
            length,
            from: self.at(now),
            speed: self.speed(now),
            to,
        };
    }

    /// Each number by a formula of where it goes, how far it was from there, what pushes it, ω, the seconds that have
    /// passed, and how much of a displacement the damping leaves.
    fn by(
        &self,
        now: Duration,
        over: [f64; N],
        formula: impl Fn(f64, f64, f64, f64, f64, f64) -> f64,
    ) -> [f64; N] {
        if self.is_over(now) {
            return over;
        }
        let rate = SETTLED / self.length.as_secs_f64();
        let passed = now.saturating_sub(self.begins).as_secs_f64();
        let left = (-rate * passed).exp();
        std::array::from_fn(|n| {
            let away = self.from[n] - self.to[n];
            let push = self.speed[n] + rate * away;
            formula(self.to[n], away, push, rate, passed, left)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: Duration = Duration::from_millis(300);

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn it_begins_where_it_is_goes_one_way_and_ends_where_it_was_sent() {
        let way = Motion::new([100.0, 5.0], [900.0, 5.0], ms(50), LENGTH);
        assert_eq!(way.at(Duration::ZERO), [100.0, 5.0]);
        assert_eq!(way.at(ms(50)), [100.0, 5.0]);
        assert_eq!(way.speed(ms(50)), [0.0, 0.0]);
        let mut last = 100.0;
        for now in 51..350 {
            let [x, still] = way.at(ms(now));
            assert!(x > last && x < 900.0, "{now}: {x}");
            assert!((still - 5.0).abs() < 1e-9);
            last = x;
        }
        assert!(last > 899.0, "there is no leap at the end: {last}");
        assert!(!way.is_over(ms(349)) && way.is_over(ms(350)));
        assert_eq!(way.at(ms(350)), [900.0, 5.0]);
        assert_eq!(way.speed(ms(350)), [0.0, 0.0]);
        assert_eq!(way.at(Duration::MAX), [900.0, 5.0]);
        // Half of the way is done in less than a fifth of the time.
        assert!(way.at(ms(50 + 60))[0] > 500.0);
    }

    #[test]
    fn a_way_without_length_is_done_at_once() {
        let way = Motion::new([1.0], [2.0], ms(7), Duration::ZERO);
        assert!(way.is_over(ms(7)));
        assert_eq!((way.at(ms(7)), way.speed(ms(7))), ([2.0], [0.0]));
    }

    proptest! {
        #[test]
        fn its_speed_is_how_it_changes(
            from in -2000.0..2000.0_f64,
            to in -2000.0..2000.0_f64,
            turned in 0..300_u64,
            other in -2000.0..2000.0_f64,
            later in 1..298_u64,
        ) {
            let mut way = Motion::new([from], [to], Duration::ZERO, LENGTH);
            way.turn([other], ms(turned), LENGTH);
            let now = ms(turned + later);
            let step = Duration::from_micros(1);
            let slope = (way.at(now + step)[0] - way.at(now - step)[0]) / 2e-6;
            prop_assert!((slope - way.speed(now)[0]).abs() < 5.0, "{slope}");
        }

        /// However it is looked at and turned: no leap in place or speed, within all places that it was sent to, and at
        /// the end where it was sent last.
        #[test]
        fn it_can_be_turned_at_any_time(
            start in -2000.0..2000.0_f64,
            turns in prop::collection::vec((0..500_u64, -2000.0..2000.0_f64), 1..12),
        ) {
            let mut way = Motion::new([start], [start], Duration::ZERO, LENGTH);
            let (mut least, mut most) = (start, start);
            let mut now = Duration::ZERO;
            for (wait, to) in turns {
                now += ms(wait);
                let (at, speed) = (way.at(now)[0], way.speed(now)[0]);
                way.turn([to], now, LENGTH);
                prop_assert!((way.at(now)[0] - at).abs() < 1e-6);
                prop_assert!((way.speed(now)[0] - speed).abs() < 1e-6);
                (least, most) = (least.min(to), most.max(to));
                let range = most - least;
                for look in (0..=310).step_by(10) {
                    let x = way.at(now + ms(look))[0];
                    prop_assert!(x.is_finite());
                    let beyond = (least - x).max(x - most);
                    prop_assert!(beyond <= 1e-3 * range + 1e-6, "{x} is {beyond} beyond");
                }
                let last = way.at(now + LENGTH - Duration::from_nanos(1))[0];
                prop_assert!((last - to).abs() <= 2e-3 * range + 1e-6, "{last} of {to}");
                prop_assert_eq!(way.at(now + LENGTH), [to]);
                prop_assert!(way.is_over(now + LENGTH));
            }
        }
    }
}
