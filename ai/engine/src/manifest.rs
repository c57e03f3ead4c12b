//! `model.yaml`: what a folder says about itself.
//!
//! One flat document for all kinds. Keys that do nothing for the folder's kind are an error: whoever
//! wrote them expects something that would not happen. Everything a number sizes is bounded here, before
//! anything is allocated.

use std::fmt;

use serde::Deserialize;

use crate::provider::Provider;

/// Audio goes into models at this rate, in samples a second.
pub const SAMPLE_RATE: u32 = 16_000;

/// Longest side of a picture that a graph takes, in pixels.
const MAX_SIDE: u32 = 4096;

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Requests to tool calls, texts to embeddings. Always has a `model.yaml`.
    Planner,
    /// Text generation. Also recognised by `config.json` or `genai_config.json` with `tokenizer.json`
    /// and a graph.
    CausalLm,
    /// Texts to vectors. Also recognised by `modules.json` or `1_Pooling`, else by what the graph gives.
    Embedding,
    /// A question and texts to how well each answers it. Also recognised by `config.json`: a
    /// `…ForSequenceClassification` with one label.
    Reranker,
    /// Pictures to vectors. Needs a `model.yaml`.
    ImageEmbedding,
    /// Pictures to labels. Needs a `model.yaml`.
    ImageClassification,
    /// Speech to text. Needs a `model.yaml`.
    SpeechRecognition,
    /// The picture of a line to its text. Needs a `model.yaml`.
    TextRecognition,
}

impl Kind {
    /// Whether a cache goes in and out of its graph's passes that is kept in main memory, and that another processor
    /// would be sent each time. What goes in and out of the others is small against the computation.
    pub(crate) fn keeps_cache(self) -> bool {
        self == Self::CausalLm
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Planner => "planner",
            Self::CausalLm => "causal-lm",
            Self::Embedding => "embedding",
            Self::Reranker => "reranker",
            Self::ImageEmbedding => "image-embedding",
            Self::ImageClassification => "image-classification",
            Self::SpeechRecognition => "speech-recognition",
            Self::TextRecognition => "text-recognition",
        })
    }
}

/// `model.yaml`: what a folder says about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(dead_code, reason = "some keys are only for people who read the file")]
pub struct Manifest {
    /// What it can do.
    pub kind: Kind,
    /// The graph's file name, where it is not `model.onnx`.
    #[serde(default)]
    pub graph: Option<String>,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// One line on what it is.
    #[serde(default)]
    pub description: Option<String>,
    /// Version of the model.
    #[serde(default)]
    pub version: Option<String>,
    /// The files that make it, licences aside; that of `labels` need not be among them.
    #[serde(default)]
    pub files: Vec<String>,
    /// Numbers in an embedding; the graph has the last word.
    #[serde(default)]
    pub embedding_width: Option<u32>,
    /// Longest input in tokens, special ones included, for embedding models and rerankers;
    /// `planner.json` has the last word for planners.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// What it is made of and under which terms.
    #[serde(default)]
    pub licence: Vec<Licence>,
    /// What computes the graph, by preference.
    #[serde(default)]
    pub execution_providers: Vec<Provider>,
    /// How the vectors of a text's tokens become one.
    #[serde(default)]
    pub pooling: Option<Pooling>,
    /// Whether an embedding is brought to length one.
    #[serde(default)]
    pub normalise: Option<bool>,
    /// What stands before a text that is searched for.
    #[serde(default)]
    pub query_prefix: Option<String>,
    /// What stands before a text that is found.
    #[serde(default)]
    pub document_prefix: Option<String>,
    /// File with the labels: a line each in the order of the graph's columns, or JSON (`["a", …]` or
    /// `{"a": 0, …}`).
    #[serde(default)]
    pub labels: Option<String>,
    /// What a classifier's numbers are.
    #[serde(default)]
    pub scores: Option<Scores>,
    /// How a picture becomes the graph's input.
    #[serde(default)]
    pub image: Option<ImageInput>,
    /// How sound becomes the graph's input.
    #[serde(default)]
    pub speech: Option<SpeechInput>,
    /// How the graph's columns become text.
    #[serde(default)]
    pub ctc: Option<Ctc>,
}

/// One part of a model and its terms.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "for people who read the file")]
pub struct Licence {
    /// Which part.
    pub part: String,
    /// SPDX expression.
    pub licence: String,
    /// What was changed in it.
    #[serde(default)]
    pub changed: Option<String>,
    /// File with the text.
    #[serde(default)]
    pub text: Option<String>,
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The first token's.
    Cls,
    /// The mean of all tokens that count.
    Mean,
    /// The largest of each number.
    Max,
    /// The last token's.
    Last,
}

/// What a classifier's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scores {
    /// Logits of labels of which one is right.
    #[default]
    Softmax,
    /// Logits of labels that are right or not independently.
    Sigmoid,
    /// Probabilities already.
    Probabilities,
}

/// How a picture becomes the graph's input: resized, then `(value × scale − mean) ÷ std` a channel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageInput {
    /// Pixels across; with `fit-height` at most.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How a picture of another shape is fitted.
    #[serde(default)]
    pub resize: Resize,
    /// With `shortest-edge`: the length of the shorter side before the middle is cut out; the longer
    /// one of `width` and `height` where absent.
    #[serde(default)]
    pub edge: Option<u32>,
    /// How pixels between pixels are computed.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// Order of the colours.
    #[serde(default)]
    pub channels: Channels,
    /// Order of the dimensions.
    #[serde(default)]
    pub layout: Layout,
    /// Factor for values of 0 to 255.
    #[serde(default = "one_255th")]
    pub scale: f32,
    /// One a channel in the order of `channels`, or one for all.
    #[serde(default = "no_mean")]
    pub mean: Vec<f32>,
    /// One a channel in the order of `channels`, or one for all.
    #[serde(default = "no_std")]
    pub std: Vec<f32>,
}

fn one_255th() -> f32 {
    1.0 / 255.0
}

fn no_mean() -> Vec<f32> {
    vec![0.0]
}

fn no_std() -> Vec<f32> {
    vec![1.0]
}

/// How a picture of another shape is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// The shorter side to `edge`, then the middle is cut out.
    #[default]
    ShortestEdge,
    /// To `width` and `height`, whatever becomes of its shape.
    Stretch,
    /// To `height`, keeping its shape: lines of text.
    FitHeight,
}

/// How pixels between pixels are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Linear; over all pixels that become one where the picture shrinks.
    #[default]
    Bilinear,
    /// Cubic (Catmull-Rom).
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

/// Order of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Brightness alone.
    Grey,
}

impl Channels {
    /// How many there are.
    pub fn count(self) -> usize {
        if self == Self::Grey { 1 } else { 3 }
    }
}

/// Order of the dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channels, height, width.
    #[default]
    Nchw,
    /// Batch, height, width, channels.
    Nhwc,
}

/// How sound becomes the graph's input: as it is, or as a log-mel spectrogram.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpeechInput {
    /// Mean 0 and variance 1: over all samples, with `mel` over the frames of each band.
    #[serde(default)]
    pub normalise: bool,
    /// Log-mel features instead of samples.
    #[serde(default)]
    pub mel: Option<Mel>,
}

/// A log-mel spectrogram: `ln(max(filters · |STFT|², floor))`, at [`SAMPLE_RATE`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mel {
    /// Length of the Fourier transform, in samples.
    pub n_fft: u32,
    /// From one frame to the next, in samples.
    pub hop: u32,
    /// Length of the window, in the middle of the transform; `n-fft` where absent.
    #[serde(default)]
    pub window_length: Option<u32>,
    /// The window's shape.
    #[serde(default)]
    pub window: Window,
    /// Bands.
    pub n_mels: u32,
    /// Where the lowest band begins, in Hz.
    #[serde(default)]
    pub f_min: f32,
    /// Where the highest band ends, in Hz.
    #[serde(default = "half_the_rate")]
    pub f_max: f32,
    /// Which mel scale.
    #[serde(default)]
    pub scale: MelScale,
    /// Each band's filter has the area 1 (Slaney's), else the peak 1.
    #[serde(default = "yes")]
    pub equal_area: bool,
    /// The first frame is around the first sample, with the sound mirrored before it, else it begins there.
    #[serde(default = "yes")]
    pub centre: bool,
    /// The smallest power that counts.
    #[serde(default = "tiny_power")]
    pub floor: f32,
    /// Order of the dimensions.
    #[serde(default)]
    pub layout: MelLayout,
}

fn half_the_rate() -> f32 {
    SAMPLE_RATE as f32 / 2.0
}

fn yes() -> bool {
    true
}

fn tiny_power() -> f32 {
    1e-10
}

/// The shape of a window, periodic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Raised cosine that ends at 0.
    #[default]
    Hann,
    /// Raised cosine that ends at 0.08.
    Hamming,
    /// All ones.
    Rectangular,
}

/// How frequencies become mels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// Linear below 1 kHz, logarithmic above (Slaney's Auditory Toolbox; librosa's default).
    #[default]
    Slaney,
    /// `2595 log10(1 + f ÷ 700)` (HTK, O'Shaughnessy).
    Htk,
}

/// Order of the dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelLayout {
    /// Batch, bands, frames.
    #[default]
    BandsFrames,
    /// Batch, frames, bands.
    FramesBands,
}

/// Connectionist temporal classification (Graves 2006): repeats are one, blanks are nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ctc {
    /// Column that means nothing.
    #[serde(default)]
    pub blank: u32,
    /// Label that stands between words and becomes a space.
    #[serde(default)]
    pub separator: Option<String>,
}

impl Manifest {
    /// What makes no sense, if anything, by its key.
    pub fn check(&self) -> Result<(), String> {
        use Kind::*;
        let kind = self.kind;
        let for_kinds = [
            ("pooling", self.pooling.is_some(), &[Embedding][..]),
            (
                "normalise",
                self.normalise.is_some(),
                &[Embedding, ImageEmbedding],
            ),
            (
                "query-prefix",
                self.query_prefix.is_some(),
                &[Embedding, Reranker],
            ),
            (
                "document-prefix",
                self.document_prefix.is_some(),
                &[Embedding, Reranker],
            ),
            (
                "labels",
                self.labels.is_some(),
                &[ImageClassification, SpeechRecognition, TextRecognition],
            ),
            ("scores", self.scores.is_some(), &[ImageClassification]),
            (
                "image",
                self.image.is_some(),
                &[ImageEmbedding, ImageClassification, TextRecognition],
            ),
            ("speech", self.speech.is_some(), &[SpeechRecognition]),
            (
                "ctc",
                self.ctc.is_some(),
                &[SpeechRecognition, TextRecognition],
            ),
        ];
        for (key, there, kinds) in for_kinds {
            if there && !kinds.contains(&kind) {
                return Err(format!("`{key}` does nothing for the kind {kind}"));
            }
        }
        let needs = [
            (
                "image",
                self.image.is_none(),
                &[ImageEmbedding, ImageClassification, TextRecognition][..],
            ),
            (
                "labels",
                self.labels.is_none(),
                &[ImageClassification, SpeechRecognition, TextRecognition],
            ),
        ];
        for (key, missing, kinds) in needs {
            if missing && kinds.contains(&kind) {
                return Err(format!("`{key}` is missing; the kind {kind} needs it"));
            }
        }
        if let Some(image) = &self.image {
            image.check().map_err(|e| format!("image.{e}"))?;
            if kind == TextRecognition && image.resize == Resize::ShortestEdge {
                return Err(
                    "image.resize must be fit-height or stretch for text-recognition: the middle of a \
                     line is not its text"
                        .into(),
                );
            }
            if kind != TextRecognition && image.resize == Resize::FitHeight {
                return Err(format!(
                    "image.resize: fit-height is for text-recognition, not for {kind}"
                ));
            }
        }
        if let Some(mel) = self.speech.as_ref().and_then(|s| s.mel.as_ref()) {
            mel.check().map_err(|e| format!("speech.mel.{e}"))?;
        }
        if self.max_tokens.is_some_and(|n| n == 0 || n > 1 << 20) {
            return Err("max-tokens must be within 1 and 1048576".into());
        }
        Ok(())
    }
}

fn within<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), String> {
    // Written so that NaN is outside.
    if value >= least && value <= most {
        Ok(())
    } else {
        Err(format!(
            "{key} is {value}, it must be within {least} and {most}"
        ))
    }
}

impl ImageInput {
    fn check(&self) -> Result<(), String> {
        within("width", self.width, 1, MAX_SIDE)?;
        within("height", self.height, 1, MAX_SIDE)?;
        if let Some(edge) = self.edge {
            if self.resize != Resize::ShortestEdge {
                return Err("edge is for `resize: shortest-edge` only".into());
            }
            within("edge", edge, self.width.max(self.height), MAX_SIDE)?;
        }
        within("scale", self.scale, 1e-6, 1e6)?;
        let channels = self.channels.count();
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != 1 && values.len() != channels {
                return Err(format!(
                    "{key} has {} numbers, the picture has {channels} channels",
                    values.len()
                ));
            }
        }
        for mean in &self.mean {
            within("mean", *mean, -1e6, 1e6)?;
        }
        for std in &self.std {
            within("std", *std, 1e-6, 1e6)?;
        }
        Ok(())
    }
}

impl Mel {
    /// Length of the window, in samples.
    pub fn window_length(&self) -> u32 {
        self.window_length.unwrap_or(self.n_fft)
    }

    fn check(&self) -> Result<(), String> {
        within("n-fft", self.n_fft, 64, 8192)?;
        // Frames are stored: less than 2 ms from one to the next only multiplies them.
        within("hop", self.hop, 32, self.n_fft)?;
        within("window-length", self.window_length(), 16, self.n_fft)?;
        within("n-mels", self.n_mels, 1, 256)?;
        within("f-max", self.f_max, 1.0, half_the_rate())?;
        within("f-min", self.f_min, 0.0, self.f_max - 1.0)?;
        within("floor", self.floor, f32::MIN_POSITIVE, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match argos_config::parse::<Manifest>("model.yaml", text) {
            Ok(manifest) => manifest.check().unwrap_err(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn absurd_numbers_are_refused_by_key() {
        for (image, key) in [
            ("width: 2147483648, height: 8", "image.width is 2147483648"),
            ("width: 8, height: 0", "image.height is 0"),
            ("width: 8, height: -3", "model.yaml:2:27: invalid u32"),
            ("width: 8, height: 8, std: [-1]", "image.std is -1"),
            ("width: 8, height: 8, std: [0]", "image.std is 0"),
            ("width: 8, height: 8, std: [.nan]", "image.std is NaN"),
            (
                "width: 8, height: 8, mean: [1, 2]",
                "image.mean has 2 numbers",
            ),
            ("width: 8, height: 8, mean: [.inf]", "image.mean is inf"),
            ("width: 8, height: 8, scale: 0", "image.scale is 0"),
            ("width: 8, height: 8, edge: 4", "image.edge is 4"),
            (
                "width: 8, height: 8, edge: 2147483648",
                "image.edge is 2147483648",
            ),
            (
                "width: 8, height: 8, resize: stretch, edge: 9",
                "image.edge is for",
            ),
            (
                "width: 8, height: 8, resize: fit-height",
                "is for text-recognition",
            ),
        ] {
            let error = refused(&format!("kind: image-embedding\nimage: {{{image}}}\n"));
            assert!(error.contains(key), "{image}: {error}");
        }
        for (mel, key) in [
            ("n-fft: 400, hop: 0, n-mels: 80", "speech.mel.hop is 0"),
            ("n-fft: 400, hop: 500, n-mels: 80", "speech.mel.hop is 500"),
            (
                "n-fft: 4294967295, hop: 160, n-mels: 80",
                "speech.mel.n-fft is 4294967295",
            ),
            ("n-fft: 400, hop: 160, n-mels: 0", "speech.mel.n-mels is 0"),
            (
                "n-fft: 400, hop: 160, n-mels: 80, f-max: 9000",
                "speech.mel.f-max is 9000",
            ),
            (
                "n-fft: 400, hop: 160, n-mels: 80, f-min: 8000",
                "speech.mel.f-min is 8000",
            ),
            (
                "n-fft: 400, hop: 160, n-mels: 80, window-length: 401",
                "speech.mel.window-length is 401",
            ),
            (
                "n-fft: 400, hop: 160, n-mels: 80, floor: 0",
                "speech.mel.floor is 0",
            ),
        ] {
            let error = refused(&format!(
                "kind: speech-recognition\nlabels: l.txt\nspeech: {{mel: {{{mel}}}}}\n"
            ));
            assert!(error.contains(key), "{mel}: {error}");
        }
    }

    #[test]
    fn keys_of_another_kind_and_missing_ones_are_told() {
        assert_eq!(
            refused("kind: embedding\nlabels: l.txt\n"),
            "`labels` does nothing for the kind embedding"
        );
        assert_eq!(
            refused("kind: image-classification\nlabels: l.txt\n"),
            "`image` is missing; the kind image-classification needs it"
        );
        assert!(refused("kind: speech-recognition\n").contains("`labels` is missing"));
        let line = "kind: text-recognition\nlabels: l.txt\nimage: {width: 8, height: 8}\n";
        assert!(refused(line).contains("the middle of a line"));
        assert!(refused("kind: embedding\nmax-tokens: 0\n").contains("max-tokens"));
    }
}
