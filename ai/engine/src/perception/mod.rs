//! Models that perceive: pictures to vectors or labels, speech and lines of text to text.
//!
//! What happens before and after the graph says the model's `model.yaml` ([`crate::manifest`]). All of it
//! is held against the graph when the model is loaded, and the graph is run once on an empty input: what
//! does not fit is an error that names the key, before the first request.
//!
//! ```text
//! bytes ──> Picture ──> input (resize, channels, scale) ──> graph ──> vector | labels | ctc ──> text
//! bytes ──> Audio ────> input (samples | log-mel) ────────> graph ──> ctc ──> text
//! ```

mod audio;
mod ctc;
mod input;
mod labels;
mod mel;
mod picture;
mod speech;
mod text;
mod vision;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::session::Session;
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};

pub use audio::{Audio, MAX_SECONDS};
pub use ctc::{Recognised, Symbol};
pub use picture::{MAX_PIXELS, Picture};
pub use speech::SpeechRecogniser;
pub use text::TextRecogniser;
pub use vision::{ImageClassifier, ImageEmbedder, Label};

use crate::encoder::{Output, floats};
use crate::manifest::{Kind, Manifest};
use crate::{Error, Result, folder, session};

/// A graph of one input in fp32 and one output that is read.
#[derive(Debug)]
struct Graph {
    name: String,
    file: PathBuf,
    session: Mutex<Session>,
    input: String,
    /// Dimensions of the input, −1 where any will do.
    shape: Vec<i64>,
    output: String,
}

impl Graph {
    /// Opens the graph of `folder`. `outputs` are the names by preference where it has several.
    fn open(folder: &Path, manifest: &Manifest, outputs: &[&str]) -> Result<Self> {
        let file = folder::graph(folder, manifest.kind)?;
        // ONNX Runtime's own messages on files that were cut off are less clear.
        crate::graph::summary(&file)
            .map_err(|e| folder::unusable(&file, format!("its graph cannot be read: {e}")))?;
        let session = session::open(&file, None, manifest.kind)?;
        let (input, shape) = match session.inputs() {
            [input] => match input.dtype() {
                ValueType::Tensor {
                    ty: TensorElementType::Float32,
                    shape,
                    ..
                } => (input.name().to_owned(), shape.to_vec()),
                other => {
                    let reason = format!("its input `{}` is {other}; expected fp32", input.name());
                    return Err(folder::unusable(&file, reason));
                }
            },
            several => {
                let names: Vec<&str> = several.iter().map(Outlet::name).collect();
                let reason = format!(
                    "its graph has the inputs {}; models of the kind {} have one",
                    names.join(", "),
                    manifest.kind
                );
                return Err(folder::unusable(&file, reason));
            }
        };
        let names: Vec<&str> = session.outputs().iter().map(Outlet::name).collect();
        let output = match (&names[..], outputs.iter().find(|o| names.contains(o))) {
            ([only], _) => (*only).to_owned(),
            (_, Some(preferred)) => (*preferred).to_owned(),
            _ => {
                let reason = format!(
                    "its graph has the outputs {}; expected one, or one of {}",
                    names.join(", "),
                    outputs.join(", ")
                );
                return Err(folder::unusable(&file, reason));
            }
        };
        Ok(Self {
            name: folder::name(folder),
            file,
            session: Mutex::new(session),
            input,
            shape,
            output,
        })
    }

    /// Fails where the graph's input cannot take `wanted`, each dimension with the key it comes from.
    /// `None` is a dimension that differs from input to input.
    fn check_input(&self, wanted: &[(&str, Option<usize>)]) -> Result<()> {
        let there = format!("the graph's input `{}` is {:?}", self.input, self.shape);
        if wanted.len() != self.shape.len() {
            let names: Vec<&str> = wanted.iter().map(|w| w.0).collect();
            let reason = format!("{there}, model.yaml makes it [{}]", names.join(", "));
            return Err(folder::unusable(&self.file, reason));
        }
        for (dimension, (key, wanted)) in self.shape.iter().zip(wanted) {
            let fits = *dimension < 0 || wanted.is_some_and(|w| *dimension == w as i64);
            if !fits {
                let wanted = wanted.map_or("any number".into(), |w| w.to_string());
                let reason = format!("`{key}` is {wanted}, but {there}");
                return Err(folder::unusable(&self.file, reason));
            }
        }
        Ok(())
    }

    /// One pass; `read` gets the output, whose numbers are all finite.
    fn run<T>(
        &self,
        shape: &[usize],
        values: Vec<f32>,
        read: impl FnOnce(Output<'_>) -> Result<T>,
    ) -> Result<T> {
        let tensor = Tensor::from_array((shape.to_vec(), values))
            .map_err(|e| self.failed("preparing", &e))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session
            .run(vec![(self.input.as_str(), tensor)])
            .map_err(|e| self.failed("running", &e))?;
        let output = floats(&outputs[self.output.as_str()])
            .map_err(|e| self.failed("reading the outputs", &e))?;
        read(output)
    }

    fn failed(&self, step: &'static str, reason: &dyn std::fmt::Display) -> Error {
        Error::inference(&self.name, step, reason)
    }

    /// An error of the first pass as one of the folder.
    fn unusable(&self, error: &Error) -> Error {
        folder::unusable(&self.file, format!("its first pass fails: {error}"))
    }

    /// Fails where the graph gives another number of columns than there are labels.
    fn check_labels(&self, columns: usize, labels: usize) -> Result<()> {
        if columns == labels {
            return Ok(());
        }
        Err(folder::unusable(
            &self.file,
            format!(
                "the file of `labels` has {labels}, but the graph's output `{}` has {columns} columns",
                self.output
            ),
        ))
    }
}

/// The folder's `model.yaml`, which has to be of this kind.
fn manifest(folder: &Path, kind: Kind) -> Result<Manifest> {
    let manifest = folder::manifest(folder)?;
    if manifest.kind == kind {
        Ok(manifest)
    } else {
        Err(folder::unusable(
            folder,
            format!("it is of the kind {} and not {kind}", manifest.kind),
        ))
    }
}
