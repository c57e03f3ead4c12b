//! Sound by ALSA's mixers: the first card that has one with a volume.
//!
//! The kernel's mixers are asked directly (`hw:N`), without the sound server that may come later:
//! what is set here holds for all that plays on the card.

use alsa::Round;
use alsa::mixer::{Mixer, Selem, SelemChannelId};
use argos_bus::devices::Volume;
use argos_bus::{Error, Result};

use crate::backend::Sound;
use crate::loudness::{Decibels, percent};

/// Names of the control that stands for all of a card, the best first.
const NAMES: [&str; 7] = [
    "Master",
    "Speaker",
    "PCM",
    "Headphone",
    "Line Out",
    "Digital",
    "Front",
];
/// The kernel has no more cards.
const MOST_CARDS: usize = 32;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Mixers;

impl Sound for Mixers {
    fn volume(&self) -> Result<Volume> {
        on_control(|_| Ok(()))
    }

    fn set_volume(&self, percent: u32) -> Result<Volume> {
        on_control(|control| control.set(percent))
    }

    fn set_muted(&self, muted: bool) -> Result<Volume> {
        on_control(|control| control.mute(muted))
    }
}

/// A control of a card.
struct Control<'a> {
    element: Selem<'a>,
    device: String,
}

/// Looks for the control, changes it, and tells how loud it is then.
fn on_control(change: impl FnOnce(&Control<'_>) -> Result<()>) -> Result<Volume> {
    let mut passed_over = Vec::new();
    for card in alsa::card::Iter::new().take(MOST_CARDS) {
        // An error here comes again and again.
        let Ok(card) = card else { break };
        let name = card.get_name().unwrap_or_else(|_| "sound card".to_owned());
        let index = card.get_index();
        let mixer = match Mixer::new(&format!("hw:{index}"), false) {
            Ok(mixer) => mixer,
            Err(error) => {
                passed_over.push(format!("{name} (card {index}): {error}"));
                continue;
            }
        };
        let found = mixer
            .iter()
            .filter_map(Selem::new)
            .filter(Selem::has_playback_volume)
            .min_by_key(rank);
        let Some(element) = found else {
            passed_over.push(format!("{name} (card {index}): it has no volume"));
            continue;
        };
        let control = element.get_id().get_name().unwrap_or("?").to_owned();
        let control = Control {
            element,
            device: format!("{name}, {control}"),
        };
        change(&control)?;
        return control.tell();
    }
    Err(Error::Unavailable(if passed_over.is_empty() {
        "this machine has no sound card that the kernel knows".to_owned()
    } else {
        format!(
            "no sound card has a volume that can be set: {}",
            passed_over.join("; ")
        )
    }))
}

fn rank(element: &Selem<'_>) -> (usize, u32) {
    let id = element.get_id();
    let name = id.get_name().unwrap_or_default();
    let rank = NAMES.iter().position(|known| *known == name);
    (rank.unwrap_or(NAMES.len()), id.get_index())
}

impl Control<'_> {
    fn failed(&self, what: &str, error: &alsa::Error) -> Error {
        Error::Failed(format!("{what} of {}: {error}", self.device))
    }

    fn decibels(&self) -> Option<Decibels> {
        let (min, max) = self.element.get_playback_db_range();
        Decibels::new(min.0, max.0)
    }

    /// How loud a raw step is, 0.0 to 1.0.
    fn heard(&self, step: i64) -> f64 {
        let (min, max) = self.element.get_playback_volume_range();
        if let Some(range) = self.decibels()
            && let Ok(at) = self.element.ask_playback_vol_db(step)
        {
            return range.heard(at.0);
        }
        if max <= min {
            return 0.0;
        }
        (step.clamp(min, max) - min) as f64 / (max - min) as f64
    }

    /// The raw step that is nearest to a percentage.
    fn step(&self, wanted: u32) -> i64 {
        let (min, max) = self.element.get_playback_volume_range();
        let heard = f64::from(wanted.min(100)) / 100.0;
        match wanted {
            0 => return min,
            100.. => return max,
            _ => {}
        }
        let linear = min + (heard * (max - min) as f64).round() as i64;
        let Some(range) = self.decibels() else {
            return linear;
        };
        let at = alsa::mixer::MilliBel(range.at(heard));
        let near = [Round::Floor, Round::Ceil]
            .into_iter()
            .filter_map(|round| self.element.ask_playback_db_vol(at, round).ok())
            .map(|step| step.clamp(min, max));
        near.min_by(|a, b| {
            let off = |step: i64| (self.heard(step) - heard).abs();
            off(*a).total_cmp(&off(*b))
        })
        .unwrap_or(linear)
    }

    fn tell(&self) -> Result<Volume> {
        let channel = SelemChannelId::mono();
        let step = self
            .element
            .get_playback_volume(channel)
            .map_err(|error| self.failed("reading the volume", &error))?;
        let muted = self.element.has_playback_switch()
            && self
                .element
                .get_playback_switch(channel)
                .map_err(|error| self.failed("reading the switch", &error))?
                == 0;
        Ok(Volume {
            percent: percent(self.heard(step)),
            muted,
            device: self.device.clone(),
        })
    }

    fn set(&self, percent: u32) -> Result<()> {
        self.element
            .set_playback_volume_all(self.step(percent))
            .map_err(|error| self.failed("setting the volume", &error))?;
        if percent > 0 && self.element.has_playback_switch() {
            self.mute(false)?;
        }
        Ok(())
    }

    fn mute(&self, muted: bool) -> Result<()> {
        if !self.element.has_playback_switch() {
            return Err(Error::Unavailable(format!(
                "{} cannot be muted; set its volume to 0",
                self.device
            )));
        }
        self.element
            .set_playback_switch_all(i32::from(!muted))
            .map_err(|error| self.failed("muting", &error))
    }
}
