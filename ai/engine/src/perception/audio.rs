//! Sound as it comes: WAV files or samples, bounded.

use std::io::Cursor;

use hound::{SampleFormat, WavReader};

use crate::manifest::SAMPLE_RATE;
use crate::{Error, Result};

/// Longest sound, in seconds.
pub const MAX_SECONDS: usize = 600;

/// Most channels that are mixed into one.
const MAX_CHANNELS: u16 = 8;

/// Mono sound of 16,000 samples a second, −1 to 1.
#[derive(Debug, Clone)]
pub struct Audio(pub(super) Vec<f32>);

impl Audio {
    /// Mono samples at 16 kHz.
    ///
    /// Fails with [`Error::InvalidArguments`] where there are none, more than [`MAX_SECONDS`] of them, or
    /// one is no number.
    pub fn from_samples(samples: Vec<f32>) -> Result<Self> {
        if samples.is_empty() {
            return Err(Error::InvalidArguments("the sound is empty".into()));
        }
        if samples.len() > MAX_SECONDS * SAMPLE_RATE as usize {
            return Err(too_long());
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            return Err(Error::InvalidArguments(format!(
                "sample {at} of the sound is {}",
                samples[at]
            )));
        }
        Ok(Self(samples))
    }

    /// Reads a WAV file: PCM of 8 to 32 bits or 32-bit floats, at 16 kHz, channels mixed into one.
    ///
    /// Fails with [`Error::InvalidArguments`] where it is something else; another rate is not converted.
    pub fn from_wav(bytes: &[u8]) -> Result<Self> {
        let refused =
            |e: &dyn std::fmt::Display| Error::InvalidArguments(format!("the WAV file: {e}"));
        let mut reader = WavReader::new(Cursor::new(bytes)).map_err(|e| refused(&e))?;
        let spec = reader.spec();
        if spec.sample_rate != SAMPLE_RATE {
            return Err(refused(&format!(
                "{} samples a second; {SAMPLE_RATE} are taken, convert it first",
                spec.sample_rate
            )));
        }
        if !(1..=MAX_CHANNELS).contains(&spec.channels) {
            return Err(refused(&format!(
                "{} channels; 1 to {MAX_CHANNELS} are taken",
                spec.channels
            )));
        }
        let channels = usize::from(spec.channels);
        let most = MAX_SECONDS * SAMPLE_RATE as usize * channels;
        if reader.len() as usize > most {
            return Err(too_long());
        }
        // What the header claims is not believed: samples are taken as long as there are some.
        let samples: std::result::Result<Vec<f32>, hound::Error> = match spec.sample_format {
            SampleFormat::Float => reader.samples::<f32>().collect(),
            SampleFormat::Int => {
                let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
                reader
                    .samples::<i32>()
                    .map(|s| s.map(|s| s as f32 * scale))
                    .collect()
            }
        };
        let samples = samples.map_err(|e| refused(&e))?;
        let mixed = samples
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        Self::from_samples(mixed)
    }

    /// Its length in seconds.
    pub fn seconds(&self) -> f32 {
        self.0.len() as f32 / SAMPLE_RATE as f32
    }
}

fn too_long() -> Error {
    Error::InvalidArguments(format!(
        "the sound is longer than {MAX_SECONDS} seconds; cut it into pieces"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    fn wav(spec: WavSpec, samples: &[i32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                SampleFormat::Int => writer.write_sample(*sample).unwrap(),
                SampleFormat::Float => writer.write_sample(*sample as f32 / 100.0).unwrap(),
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn spec(channels: u16, bits_per_sample: u16) -> WavSpec {
        WavSpec {
            channels,
            sample_rate: SAMPLE_RATE,
            bits_per_sample,
            sample_format: SampleFormat::Int,
        }
    }

    #[test]
    fn widths_and_channels() {
        for (bits, sample) in [(8, 64), (16, 1 << 14), (24, 1 << 22), (32, 1 << 30)] {
            let audio = Audio::from_wav(&wav(spec(1, bits), &[sample, -sample, 0])).unwrap();
            assert_eq!(audio.0, [0.5, -0.5, 0.0], "{bits}");
        }
        let stereo = Audio::from_wav(&wav(spec(2, 16), &[1 << 14, 0, -(1 << 14), 0])).unwrap();
        assert_eq!(stereo.0, [0.25, -0.25]);
        let float = WavSpec {
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
            ..spec(1, 16)
        };
        assert_eq!(Audio::from_wav(&wav(float, &[25])).unwrap().0, [0.25]);
    }

    #[test]
    fn what_is_none_says_why() {
        let refused = |bytes: &[u8]| match Audio::from_wav(bytes) {
            Err(Error::InvalidArguments(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(refused(b"").contains("WAV"));
        assert!(refused(b"RIFF....WAVE").contains("WAV"));
        let fast = WavSpec {
            sample_rate: 44_100,
            ..spec(1, 16)
        };
        assert!(refused(&wav(fast, &[0])).contains("44100"));
        assert!(refused(&wav(spec(9, 16), &[0; 9])).contains("9 channels"));
        assert!(refused(&wav(spec(1, 16), &[])).contains("empty"));
        // A header that claims more than there is, and one that claims hours.
        let mut short = wav(spec(1, 16), &[0; 100]);
        short.truncate(100);
        refused(&short);
        let mut long = wav(spec(1, 16), &[0; 100]);
        let at = long.windows(4).position(|w| w == b"data").unwrap() + 4;
        long[at..at + 4].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
        assert!(refused(&long).contains("longer than 600 seconds"));
    }

    #[test]
    fn samples_are_numbers_and_not_endless() {
        assert!(Audio::from_samples(vec![0.0; 160]).unwrap().seconds() == 0.01);
        let refused = |samples| Audio::from_samples(samples).unwrap_err().to_string();
        assert!(refused(vec![]).contains("empty"));
        assert!(refused(vec![0.0, f32::NAN]).contains("sample 1"));
        assert!(refused(vec![0.0; 600 * 16_000 + 1]).contains("longer"));
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_an_error_or_sound(bytes in proptest::collection::vec(0u8.., 0..200), header in 0usize..60) {
            let mut wav = wav(spec(1, 16), &[0; 40]);
            wav.truncate(header);
            wav.extend(bytes);
            let _ = Audio::from_wav(&wav);
        }
    }
}
