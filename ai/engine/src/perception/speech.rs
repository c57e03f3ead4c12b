//! Speech to text.

use std::path::Path;

use super::ctc::{Decoder, Recognised};
use super::mel::Spectrogram;
use super::{Audio, Graph, manifest};
use crate::manifest::{Kind, MelLayout, SAMPLE_RATE};
use crate::{Error, Result};

/// Most numbers that a graph is given at once.
const MAX_FEATURES: usize = 64 << 20;

/// A speech recogniser in memory. Calls from several threads take turns.
#[derive(Debug)]
pub struct SpeechRecogniser {
    graph: Graph,
    decoder: Decoder,
    normalise: bool,
    /// `None` where the graph takes samples.
    features: Option<(Spectrogram, MelLayout)>,
}

impl SpeechRecogniser {
    /// Loads the model in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = manifest(folder, Kind::SpeechRecognition)?;
        let decoder = Decoder::load(folder, &manifest)?;
        let graph = Graph::open(folder, &manifest, &["logits", "logprobs"])?;
        let (normalise, mel) = manifest
            .speech
            .map_or((false, None), |s| (s.normalise, s.mel));
        let features = mel.map(|mel| {
            let layout = mel.layout;
            (Spectrogram::new(mel), layout)
        });
        let batch = ("batch", Some(1));
        match &features {
            None => graph.check_input(&[batch, ("samples", None)])?,
            Some((spectrogram, layout)) => {
                let bands = ("speech.mel.n-mels", Some(spectrogram.bands()));
                let frames = ("frames", None);
                match layout {
                    MelLayout::BandsFrames => graph.check_input(&[batch, bands, frames])?,
                    MelLayout::FramesBands => graph.check_input(&[batch, frames, bands])?,
                }
            }
        }
        let recogniser = Self {
            graph,
            decoder,
            normalise,
            features,
        };
        // A second of nearly nothing: silence has no variance to divide by.
        let quiet = (0..SAMPLE_RATE).map(|n| if n % 2 == 0 { 1e-3 } else { -1e-3 });
        let quiet = Audio::from_samples(quiet.collect())?;
        if let Err(e) = recogniser.recognise(&quiet) {
            return Err(recogniser.graph.unusable(&e));
        }
        Ok(recogniser)
    }

    /// What is said in a sound.
    ///
    /// Fails with [`Error::InvalidArguments`] if it is too short for one frame.
    pub fn recognise(&self, audio: &Audio) -> Result<Recognised> {
        let (shape, values) = self.input(&audio.0)?;
        self.graph.run(&shape, values, |output| {
            self.decoder.decode(&self.graph, &output)
        })
    }

    fn input(&self, samples: &[f32]) -> Result<(Vec<usize>, Vec<f32>)> {
        let Some((spectrogram, layout)) = &self.features else {
            let mut samples = samples.to_vec();
            if self.normalise {
                normalise(&mut samples, 1);
            }
            return Ok((vec![1, samples.len()], samples));
        };
        let (frames, bands) = (spectrogram.frames(samples.len()), spectrogram.bands());
        if frames == 0 {
            return Err(Error::InvalidArguments(format!(
                "the sound has {} samples, too few for one frame of the model",
                samples.len()
            )));
        }
        if frames * bands > MAX_FEATURES {
            return Err(Error::InvalidArguments(format!(
                "the sound would be {frames} frames of {bands} numbers, more than {MAX_FEATURES} \
                 together; cut it into pieces"
            )));
        }
        let mut features = spectrogram
            .compute(samples)
            .map_err(|e| self.graph.failed("computing the features", &e))?;
        if self.normalise {
            normalise(&mut features, bands);
        }
        Ok(match layout {
            MelLayout::FramesBands => (vec![1, frames, bands], features),
            MelLayout::BandsFrames => {
                let turned = (0..bands)
                    .flat_map(|band| features.iter().skip(band).step_by(bands).copied())
                    .collect();
                (vec![1, bands, frames], turned)
            }
        })
    }
}

/// Brings each of `bands` interleaved rows to mean 0 and variance 1; what is constant becomes 0.
fn normalise(values: &mut [f32], bands: usize) {
    let count = (values.len() / bands) as f64;
    for band in 0..bands {
        let row = || {
            values
                .iter()
                .skip(band)
                .step_by(bands)
                .map(|v| f64::from(*v))
        };
        let mean = row().sum::<f64>() / count;
        let variance = row().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + 1e-7).sqrt();
        for value in values.iter_mut().skip(band).step_by(bands) {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_get_mean_nought_and_variance_one() {
        let mut values = [1.0, 5.0, 3.0, 5.0];
        normalise(&mut values, 2);
        assert!((values[0] + 1.0).abs() < 1e-5 && (values[2] - 1.0).abs() < 1e-5);
        assert_eq!((values[1], values[3]), (0.0, 0.0));
    }
}
