//! Night light: warmer colours in the evening.
//!
//! The settings say when ([`NightLight::strength`]) and how warm; what a person says by hand goes before
//! that until the settings would change sides by themselves. What is wanted is approached in small steps, or at
//! once where the person wants less motion, and only a step that changes a colour draws anything. While nothing warm is wanted and the settings
//! leave it off, no timer runs.
//!
//! Outputs with a gamma table are warmed by it; the others by [`crate::tint`], as what is drawn. An output
//! whose table a client has (`wlr-gamma-control`) is left to the client. Pictures for others are never warm.

use std::{f64::consts::TAU, time::Duration};

use jiff::Zoned;
use smithay::{
    output::Output,
    reexports::calloop::{
        RegistrationToken,
        timer::{TimeoutAction, Timer},
    },
};

use crate::{
    config::NightLight,
    state::State,
    tint::{Filter, Tint},
};

/// The colour temperature at which nothing is changed, in kelvins.
pub(crate) const NEUTRAL: u32 = 6500;
/// The warmest that can be set, in kelvins: colder bodies have no place in the formula of [`Tint::of`].
pub(crate) const WARMEST: u32 = 1700;
/// How long the colours take to change in the evening and in the morning, in minutes.
const DUSK: f64 = 30.0;
/// A step of a change that is not the sun's, in kelvins, and the time until the next one.
const STEP: (f64, Duration) = (240.0, Duration::from_millis(50));
/// Minutes.
const DAY: f64 = 24.0 * 60.0;
/// How often the time is looked at while the colours change, and while they do not.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// Height of the sun at which the colours begin to change, and at which they have, in degrees.
const SUN: (f64, f64) = (3.0, -6.0);

/// What time it is; tests have their own.
pub(crate) struct WallClock(Box<dyn Fn() -> Zoned>);

impl std::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WallClock")
    }
}

/// What a person said, and what the settings said then.
#[derive(Debug, Clone, Copy)]
struct ByHand {
    on: bool,
    /// In kelvins; that of the settings if nothing was said.
    temperature: Option<u32>,
    scheduled: bool,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Night {
    clock: WallClock,
    by_hand: Option<ByHand>,
    /// What is shown, in kelvins.
    shown: f64,
    filter: Option<Filter>,
    timer: Option<RegistrationToken>,
    /// Outputs whose gamma table is warm.
    ramps: Vec<Output>,
}

impl Default for Night {
    fn default() -> Self {
        Self {
            clock: WallClock(Box::new(Zoned::now)),
            by_hand: None,
            shown: f64::from(NEUTRAL),
            filter: None,
            timer: None,
            ramps: Vec::new(),
        }
    }
}

impl Night {
    fn tint(&self) -> Option<Tint> {
        self.filter.as_ref().map(|filter| filter.tint)
    }
}

impl NightLight {
    /// How much of the warmth there is to be at a time: 0 by day, 1 at night.
    pub(crate) fn strength(&self, now: &Zoned) -> f64 {
        if !self.enabled {
            return 0.0;
        }
        if let (Some(latitude), Some(longitude)) = (self.latitude, self.longitude) {
            let height = sun(now.timestamp().as_second() as f64, latitude, longitude);
            return ((SUN.0 - height) / (SUN.0 - SUN.1)).clamp(0.0, 1.0);
        }
        let (from, to) = (self.from.minutes(), self.to.minutes());
        let length = (to - from).rem_euclid(DAY);
        if length == 0.0 {
            return 1.0;
        }
        let minute =
            f64::from(now.hour()) * 60.0 + f64::from(now.minute()) + f64::from(now.second()) / 60.0;
        let passed = (minute - from).rem_euclid(DAY);
        if passed >= length {
            return 0.0;
        }
        let dusk = DUSK.min(length / 2.0);
        (passed / dusk).min((length - passed) / dusk).min(1.0)
    }
}

/// How high the sun stands over the horizon, in degrees, at a time in seconds since 1970: the low-precision
/// formulas of the Astronomical Almanac, good to some hundredths of a degree.
fn sun(seconds: f64, latitude: f64, longitude: f64) -> f64 {
    let days = seconds / 86_400.0 - 10_957.5;
    let mean_longitude = (280.460 + 0.985_647_4 * days).to_radians();
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let ecliptic =
        mean_longitude + (1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let tilt = (23.439 - 0.000_000_4 * days).to_radians();
    let declination = (tilt.sin() * ecliptic.sin()).asin();
    let ascension = (tilt.cos() * ecliptic.sin()).atan2(ecliptic.cos());
    let sidereal = (280.460_618_37 + 360.985_647_366_29 * days).to_radians();
    let hour = (sidereal + longitude.to_radians() - ascension).rem_euclid(TAU);
    let latitude = latitude.to_radians();
    let height =
        latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour.cos();
    height.clamp(-1.0, 1.0).asin().to_degrees()
}

impl State {
    /// Has the time of day told by somebody else; tests do.
    pub fn set_wall_clock(&mut self, clock: impl Fn() -> Zoned + 'static) {
        self.night.clock = WallClock(Box::new(clock));
        self.update_night();
    }

    /// Whether warm colours are wanted now, and the temperature that they have then, in kelvins.
    pub fn night_light(&self) -> (bool, u32) {
        let set = self.config.night_light.temperature;
        match self.night.by_hand {
            Some(ByHand {
                on, temperature, ..
            }) => (on, temperature.unwrap_or(set)),
            None => (self.scheduled_warmth() > 0.0, set),
        }
    }

    /// Warm colours now, or none, whatever the time is, until the settings change sides by themselves.
    /// `temperature` is in kelvins; without one it is that of the settings.
    pub fn set_night_light(&mut self, on: bool, temperature: Option<u32>) {
        let scheduled = self.scheduled_warmth() > 0.0;
        self.night.by_hand = Some(ByHand {
            on,
            temperature: temperature.map(|kelvin| kelvin.clamp(WARMEST, NEUTRAL)),
            scheduled,
        });
        self.update_night();
    }

    pub(crate) fn toggle_night_light(&mut self) {
        let (on, _) = self.night_light();
        self.set_night_light(!on, None);
    }

    /// The settings changed: what was said by hand is over.
    pub(crate) fn reset_night(&mut self) {
        self.night.by_hand = None;
        self.update_night();
    }

    fn scheduled_warmth(&self) -> f64 {
        let settings = &self.config.night_light;
        if settings.enabled {
            settings.strength(&(self.night.clock.0)())
        } else {
            0.0
        }
    }

    /// Goes a step towards the colours that are wanted now, and sees to the next one.
    pub(crate) fn update_night(&mut self) {
        if let Some(timer) = self.night.timer.take() {
            self.handle.remove(timer);
        }
        let neutral = f64::from(NEUTRAL);
        let settings = &self.config.night_light;
        if !settings.enabled && self.night.by_hand.is_none() && self.night.shown == neutral {
            return;
        }
        let warmth = self.scheduled_warmth();
        if self
            .night
            .by_hand
            .is_some_and(|choice| choice.scheduled != (warmth > 0.0))
        {
            self.night.by_hand = None;
        }
        let set = f64::from(settings.temperature);
        let wanted = match self.night.by_hand {
            Some(ByHand { on: false, .. }) => neutral,
            Some(ByHand { temperature, .. }) => temperature.map_or(set, f64::from),
            None => neutral + (set - neutral) * warmth,
        };
        let rest = wanted - self.night.shown;
        let there = rest.abs() <= STEP.0 || self.config.accessibility.reduced_motion;
        if there {
            self.night.shown = wanted;
        } else {
            self.night.shown += STEP.0.copysign(rest);
        }
        let tint = Tint::of(self.night.shown);
        if self.night.tint() != tint {
            self.night.filter = tint.map(Filter::from);
            self.warm_outputs();
        }
        let enabled = self.config.night_light.enabled;
        let wait = match (there, warmth > 0.0 && warmth < 1.0) {
            (false, _) => STEP.1,
            (true, _) if !enabled => return,
            (true, true) => LOOK_AGAIN.0,
            (true, false) => LOOK_AGAIN.1,
        };
        let timer = Timer::from_duration(wait);
        let added = self.handle.insert_source(timer, |_, (), state| {
            state.night.timer = None;
            state.update_night();
            TimeoutAction::Drop
        });
        match added {
            Ok(timer) => self.night.timer = Some(timer),
            Err(error) => tracing::error!("night light: the colours stay as they are: {error}"),
        }
    }

    /// Loads the gamma tables of outputs that have one, and has all drawn anew.
    pub(crate) fn warm_outputs(&mut self) {
        self.outputs.queue_all();
        let Some(tint) = self.night.tint() else {
            for output in std::mem::take(&mut self.night.ramps) {
                if !self.extensions.gammas.has(&output)
                    && let Err(error) = self.backend.set_gamma(&output, None)
                {
                    tracing::warn!("{error}");
                }
            }
            return;
        };
        let before = std::mem::take(&mut self.night.ramps);
        for output in self.output_list() {
            if self.extensions.gammas.has(&output) {
                // Whoever has the table from now on finds it as it is by day.
                if before.contains(&output)
                    && let Err(error) = self.backend.set_gamma(&output, None)
                {
                    tracing::warn!("{error}");
                }
                continue;
            }
            let size = self.backend.gamma_size(&output);
            if size == 0 {
                continue;
            }
            match self.backend.set_gamma(&output, Some(&tint.table(size))) {
                Ok(()) => self.night.ramps.push(output),
                // What is drawn is warmed instead.
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    /// Outputs or the clients that have their gamma tables changed.
    pub(crate) fn rewarm_outputs(&mut self) {
        if self.night.filter.is_some() {
            self.warm_outputs();
        }
    }

    /// How what is drawn on an output is to be warmed.
    pub(crate) fn filter_of(&self, output: &Output) -> Option<Filter> {
        let filter = self.night.filter.as_ref()?;
        let otherwise = self.night.ramps.contains(output) || self.extensions.gammas.has(output);
        (!otherwise).then(|| filter.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Zoned {
        time.parse().unwrap()
    }

    fn settings(from: &str, to: &str) -> NightLight {
        NightLight {
            enabled: true,
            from: from.to_owned().try_into().unwrap(),
            to: to.to_owned().try_into().unwrap(),
            ..NightLight::default()
        }
    }

    #[test]
    fn the_evening_comes_slowly_and_goes_over_midnight() {
        let night = settings("20:00", "6:30");
        let strength = |time: &str| night.strength(&at(&format!("2026-03-20T{time}[UTC]")));
        assert_eq!(strength("12:00:00"), 0.0);
        assert_eq!(strength("19:59:59"), 0.0);
        assert_eq!(strength("20:15:00"), 0.5);
        assert_eq!(strength("20:30:00"), 1.0);
        assert_eq!(strength("00:00:00"), 1.0);
        assert_eq!(strength("06:15:00"), 0.5);
        assert_eq!(strength("06:30:00"), 0.0);
        let short = settings("20:00", "20:20");
        assert_eq!(short.strength(&at("2026-03-20T20:10[UTC]")), 1.0);
        assert_eq!(short.strength(&at("2026-03-20T20:15[UTC]")), 0.5);
        assert_eq!(
            settings("8:00", "8:00").strength(&at("2026-03-20T12:00[UTC]")),
            1.0
        );
    }

    #[test]
    fn the_sun_rises_where_and_when_it_does() {
        let height = |time: &str, latitude, longitude| {
            sun(at(time).timestamp().as_second() as f64, latitude, longitude)
        };
        // Berlin, at the solstice: rises at 4:43, culminates at 13:08, sets at 21:33 of summer time.
        let berlin =
            |time: &str| height(&format!("2026-06-21T{time}[Europe/Berlin]"), 52.52, 13.40);
        assert!((berlin("04:43") + 0.8).abs() < 0.5, "{}", berlin("04:43"));
        assert!((berlin("21:33") + 0.8).abs() < 0.5, "{}", berlin("21:33"));
        assert!((berlin("13:08") - 60.9).abs() < 0.2, "{}", berlin("13:08"));
        // The poles have half a year of each.
        assert!(height("2026-06-21T00:00[UTC]", 90.0, 0.0) > 23.0);
        assert!(height("2026-06-21T12:00[UTC]", -90.0, 0.0) < -23.0);
        let night = NightLight {
            enabled: true,
            latitude: Some(52.52),
            longitude: Some(13.40),
            ..NightLight::default()
        };
        let strength =
            |time: &str| night.strength(&at(&format!("2026-06-21T{time}[Europe/Berlin]")));
        assert_eq!(strength("13:00"), 0.0);
        assert_eq!(strength("01:00"), 1.0);
        assert!(
            (0.3..0.6).contains(&strength("21:33")),
            "{}",
            strength("21:33")
        );
    }
}
