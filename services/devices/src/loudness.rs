//! A mixer's steps as the ear hears them.
//!
//! A control has raw steps, and where its driver says so an attenuation in decibels for each. The
//! ear hears ratios: the mapping is the one of alsamixer (alsa-utils, `volume_mapping.c`), a cube
//! root of the amplitude or so. Controls of at most 24 dB are linear in decibels; those whose
//! driver knows no decibels are linear in steps.

/// Ranges of at most so many hundredths of a decibel are linear.
const LINEAR: i64 = 24 * 100;
/// What a driver says where the lowest step is silence.
const SILENCE: i64 = -9_999_999;

/// A control's range, in hundredths of a decibel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decibels {
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Decibels {
    /// A range that can be mapped.
    pub(crate) fn new(min: i64, max: i64) -> Option<Self> {
        (min < max).then_some(Self { min, max })
    }

    /// 0.0 to 1.0.
    pub(crate) fn heard(self, at: i64) -> f64 {
        let Self { min, max } = self;
        let (at, low, high) = (at.clamp(min, max) as f64, min as f64, max as f64);
        if max - min <= LINEAR {
            return (at - low) / (high - low);
        }
        let silence = self.silence();
        let heard = 10f64.powf((at - high) / 6000.0);
        ((heard - silence) / (1.0 - silence)).clamp(0.0, 1.0)
    }

    /// Hundredths of a decibel for 0.0 to 1.0.
    pub(crate) fn at(self, heard: f64) -> i64 {
        let Self { min, max } = self;
        let heard = heard.clamp(0.0, 1.0);
        if max - min <= LINEAR {
            return min + (heard * (max - min) as f64).round() as i64;
        }
        let silence = self.silence();
        let heard = heard * (1.0 - silence) + silence;
        if heard <= 0.0 {
            return min;
        }
        ((6000.0 * heard.log10()).round() as i64 + max).clamp(min, max)
    }

    /// What of the lowest step is heard.
    fn silence(self) -> f64 {
        if self.min <= SILENCE {
            0.0
        } else {
            10f64.powf((self.min - self.max) as f64 / 6000.0)
        }
    }
}

/// Percent of a fraction.
pub(crate) fn percent(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * 100.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_loud_is_far_above_half_of_the_decibels() {
        // A codec of -74 to 0 dB, as QEMU's.
        let range = Decibels::new(-7400, 0).unwrap();
        let half = range.at(0.5);
        assert!((-1700..-1500).contains(&half), "{half}");
        assert_eq!((range.at(0.0), range.at(1.0)), (-7400, 0));
        assert_eq!((range.heard(-7400), range.heard(0)), (0.0, 1.0));
    }

    #[test]
    fn there_and_back_is_the_same_percent() {
        for range in [
            Decibels::new(-7400, 0).unwrap(),
            Decibels::new(-2400, 600).unwrap(),
            Decibels::new(-1200, 0).unwrap(),
            Decibels::new(SILENCE, 400).unwrap(),
        ] {
            for wanted in 0..=100 {
                let at = range.at(f64::from(wanted) / 100.0);
                let found = percent(range.heard(at));
                assert!(found.abs_diff(wanted) <= 1, "{range:?}: {wanted} {found}");
            }
        }
    }

    #[test]
    fn what_no_driver_should_say_does_no_harm() {
        assert_eq!(Decibels::new(0, 0), None);
        assert_eq!(Decibels::new(5, -5), None);
        let range = Decibels::new(-7400, 0).unwrap();
        assert_eq!(range.heard(i64::MAX), 1.0);
        assert_eq!(range.heard(i64::MIN), 0.0);
        assert_eq!(range.at(f64::NAN), range.at(f64::NAN));
        assert_eq!(range.at(7.0), 0);
    }
}
