//! Log-mel spectrograms: how loud each band of the ear's scale is, frame by frame.
//!
//! The short-time Fourier transform and the triangular filters as librosa and the models' own feature
//! extractors define them (Davis and Mermelstein 1980; Slaney's Auditory Toolbox 1998).

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

use crate::manifest::{Mel, MelScale, SAMPLE_RATE, Window};

/// Computes the features that a manifest describes.
pub(super) struct Spectrogram {
    mel: Mel,
    transform: Arc<dyn RealToComplex<f32>>,
    /// As long as the transform, zero beside the window.
    window: Vec<f32>,
    /// Each band's first bin, and its weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
}

impl std::fmt::Debug for Spectrogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrogram")
            .field("mel", &self.mel)
            .finish_non_exhaustive()
    }
}

impl Spectrogram {
    /// `mel` has been checked with its manifest.
    pub(super) fn new(mel: Mel) -> Self {
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(mel.n_fft as usize),
            window: window(&mel),
            filters: filters(&mel),
            mel,
        }
    }

    /// Bands of a frame.
    pub(super) fn bands(&self) -> usize {
        self.filters.len()
    }

    /// How many frames so many samples have.
    pub(super) fn frames(&self, samples: usize) -> usize {
        let (length, hop) = (self.mel.n_fft as usize, self.mel.hop as usize);
        if self.mel.centre {
            1 + samples / hop
        } else {
            samples.checked_sub(length).map_or(0, |rest| 1 + rest / hop)
        }
    }

    /// Frame by frame the logarithm of each band's power.
    pub(super) fn compute(&self, samples: &[f32]) -> Result<Vec<f32>, String> {
        let (length, hop) = (self.mel.n_fft as usize, self.mel.hop as usize);
        let before = if self.mel.centre { length / 2 } else { 0 };
        let frames = self.frames(samples.len());
        let mut input = self.transform.make_input_vec();
        let mut output = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut power = vec![0.0; output.len()];
        let mut features = Vec::with_capacity(frames * self.bands());
        for frame in 0..frames {
            for (at, (slot, weight)) in input.iter_mut().zip(&self.window).enumerate() {
                let position = (frame * hop + at) as i64 - before as i64;
                *slot = weight * samples[mirrored(position, samples.len())];
            }
            self.transform
                .process_with_scratch(&mut input, &mut output, &mut scratch)
                .map_err(|e| e.to_string())?;
            for (slot, bin) in power.iter_mut().zip(&output) {
                *slot = bin.norm_sqr();
            }
            for (first, weights) in &self.filters {
                let sum: f32 = weights
                    .iter()
                    .zip(&power[*first..])
                    .map(|(w, p)| w * p)
                    .sum();
                features.push(sum.max(self.mel.floor).ln());
            }
        }
        Ok(features)
    }
}

/// The sample at `position` of a sound that is mirrored at both ends, without repeating the ends.
fn mirrored(position: i64, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length as i64 - 1);
    let within = position.rem_euclid(period);
    within.min(period - within) as usize
}

fn window(mel: &Mel) -> Vec<f32> {
    let (whole, length) = (mel.n_fft as usize, mel.window_length() as usize);
    let before = (whole - length) / 2;
    let cosine = |at: usize| (2.0 * std::f32::consts::PI * at as f32 / length as f32).cos();
    (0..whole)
        .map(
            |at| match at.checked_sub(before).filter(|at| *at < length) {
                None => 0.0,
                Some(at) => match mel.window {
                    Window::Hann => 0.5 - 0.5 * cosine(at),
                    Window::Hamming => 0.54 - 0.46 * cosine(at),
                    Window::Rectangular => 1.0,
                },
            },
        )
        .collect()
}

/// Triangles between points that are evenly spaced in mels.
fn filters(mel: &Mel) -> Vec<(usize, Vec<f32>)> {
    let (low, high) = (
        to_mel(f64::from(mel.f_min), mel.scale),
        to_mel(f64::from(mel.f_max), mel.scale),
    );
    let bands = mel.n_mels as usize;
    let edge = |n: usize| {
        to_hertz(
            low + (high - low) * n as f64 / (bands + 1) as f64,
            mel.scale,
        )
    };
    let bin = f64::from(SAMPLE_RATE) / f64::from(mel.n_fft);
    let bins = mel.n_fft as usize / 2 + 1;
    (0..bands)
        .map(|band| {
            let (left, peak, right) = (edge(band), edge(band + 1), edge(band + 2));
            let area = if mel.equal_area {
                2.0 / (right - left)
            } else {
                1.0
            };
            let first = ((left / bin).ceil().max(0.0) as usize).min(bins);
            let weights = (first..bins)
                .map(|n| n as f64 * bin)
                .take_while(|f| *f <= right)
                .map(|f| {
                    let slope = ((f - left) / (peak - left)).min((right - f) / (right - peak));
                    (slope.max(0.0) * area) as f32
                })
                .collect();
            (first, weights)
        })
        .collect()
}

/// Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels to 6.4 times the frequency.
const SLANEY_LINEAR: f64 = 200.0 / 3.0;
const SLANEY_KNEE: f64 = 1000.0;

fn slaney_step() -> f64 {
    6.4f64.ln() / 27.0
}

fn to_mel(hertz: f64, scale: MelScale) -> f64 {
    match scale {
        MelScale::Htk => 2595.0 * (1.0 + hertz / 700.0).log10(),
        MelScale::Slaney if hertz < SLANEY_KNEE => hertz / SLANEY_LINEAR,
        MelScale::Slaney => {
            SLANEY_KNEE / SLANEY_LINEAR + (hertz / SLANEY_KNEE).ln() / slaney_step()
        }
    }
}

fn to_hertz(mel: f64, scale: MelScale) -> f64 {
    let knee = SLANEY_KNEE / SLANEY_LINEAR;
    match scale {
        MelScale::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
        MelScale::Slaney if mel < knee => mel * SLANEY_LINEAR,
        MelScale::Slaney => SLANEY_KNEE * ((mel - knee) * slaney_step()).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mel(yaml: &str) -> Mel {
        argos_config::parse("mel", yaml).unwrap()
    }

    fn tone(hertz: f32, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|n| (2.0 * std::f32::consts::PI * hertz * n as f32 / 16_000.0).sin())
            .collect()
    }

    #[test]
    fn scales_are_the_known_ones() {
        // librosa.hz_to_mel(440) and (4000), with and without htk=True.
        for (hertz, slaney, htk) in [(440.0, 6.6, 549.638_7), (4000.0, 35.163_76, 2_146.064_5)] {
            assert!((to_mel(hertz, MelScale::Slaney) - slaney).abs() < 1e-4);
            assert!((to_mel(hertz, MelScale::Htk) - htk).abs() < 1e-3);
            for scale in [MelScale::Slaney, MelScale::Htk] {
                assert!((to_hertz(to_mel(hertz, scale), scale) - hertz).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_tone_is_loudest_in_its_band() {
        let spectrogram = Spectrogram::new(mel(
            "{n-fft: 512, hop: 160, n-mels: 40, window-length: 400}",
        ));
        let features = spectrogram.compute(&tone(1000.0, 1600)).unwrap();
        assert_eq!(features.len(), 11 * 40);
        let frame = &features[5 * 40..6 * 40];
        let loudest = (0..40)
            .max_by(|a, b| frame[*a].total_cmp(&frame[*b]))
            .unwrap();
        // 1 kHz is mel 15 of 45.2; band n has its peak at (n + 1) × 45.2 ÷ 41.
        assert!((12..=13).contains(&loudest), "{loudest}");
        // Slaney's area: the power of a sine through a Hann window of 400, by hand: (200 ÷ 2)² ≈ 1e4 in the
        // middle bin, times a triangle's peak of 2 ÷ 147 Hz.
        assert!((4.0..6.5).contains(&frame[loudest]), "{}", frame[loudest]);
    }

    /// What `transformers.audio_utils.spectrogram` gives for the same sound and settings.
    #[test]
    fn features_are_those_that_models_are_trained_on() {
        let sound: Vec<f32> = tone(440.0, 800)
            .iter()
            .zip(tone(3000.0, 800))
            .map(|(low, high)| 0.5 * low + 0.25 * high)
            .collect();
        // Nothing but rounding is in the bands that no tone is in; those are not compared.
        let silent = f32::NAN;
        let cases = [
            (
                "{n-fft: 400, hop: 160, n-mels: 8}",
                [2.021, 1.101, -3.309, -6.333, -4.322, -0.268, -2.28, -6.076],
                [2.04, 1.253, silent, silent, silent, -0.215, -2.378, silent],
            ),
            (
                "{n-fft: 400, hop: 160, n-mels: 8, scale: htk, equal-area: false}",
                [7.19, 7.725, 3.921, 0.442, 4.304, 6.71, 3.212, 1.318],
                [6.976, 7.893, silent, silent, 4.045, 6.78, silent, silent],
            ),
        ];
        for (yaml, first, third) in cases {
            let features = Spectrogram::new(mel(yaml)).compute(&sound).unwrap();
            assert_eq!(features.len(), 6 * 8);
            let found = features[..8].iter().chain(&features[16..24]);
            for (found, right) in found.zip(first.iter().chain(&third)) {
                if right.is_nan() {
                    assert!(*found < -15.0, "{yaml}: {features:?}");
                } else {
                    assert!(
                        (found - right).abs() < 2e-3,
                        "{yaml}: {found} is not {right}"
                    );
                }
            }
        }
    }

    #[test]
    fn frames_and_mirrors() {
        let centred = Spectrogram::new(mel("{n-fft: 400, hop: 160, n-mels: 8}"));
        let plain = Spectrogram::new(mel("{n-fft: 400, hop: 160, n-mels: 8, centre: false}"));
        assert_eq!((centred.frames(1600), plain.frames(1600)), (11, 8));
        assert_eq!((centred.frames(0), plain.frames(399)), (1, 0));
        let at = |n| mirrored(n, 4);
        assert_eq!([-4, -1, 0, 3, 4, 6, 7].map(at), [2, 1, 0, 3, 2, 0, 1]);
        assert_eq!(mirrored(-7, 1), 0);
    }

    proptest::proptest! {
        /// Any manifest that is taken gives as many finite numbers as it says, none below the floor.
        #[test]
        fn features_stay_in_bounds(
            n_fft in 64u32..700, hop in 32u32..64, n_mels in 1u32..256, window in 16u32..64,
            shape in 0usize..3, htk: bool, area: bool, centre: bool,
            f_min in 0f32..4000.0, width in 1f32..4000.0, samples in 1usize..900, loud in 0f32..1e4,
        ) {
            let mel = mel(&format!(
                "{{n-fft: {n_fft}, hop: {hop}, n-mels: {n_mels}, window-length: {window}, window: {}, \
                 scale: {}, equal-area: {area}, centre: {centre}, f-min: {f_min}, f-max: {}}}",
                ["hann", "hamming", "rectangular"][shape],
                if htk { "htk" } else { "slaney" },
                f_min + width,
            ));
            let spectrogram = Spectrogram::new(mel.clone());
            let sound: Vec<f32> = tone(440.0, samples).iter().map(|s| s * loud).collect();
            let features = spectrogram.compute(&sound).unwrap();
            proptest::prop_assert_eq!(features.len(), spectrogram.frames(samples) * n_mels as usize);
            for value in features {
                proptest::prop_assert!(value.is_finite() && value >= mel.floor.ln());
            }
        }
    }
}
