//! Pictures to vectors and to labels.

use std::path::Path;

use super::{Graph, Picture, input, labels, manifest};
use crate::embedding::unit;
use crate::manifest::{ImageInput, Kind, Layout, Manifest, Scores};
use crate::reranker::sigmoid;
use crate::{Error, Result, folder};

/// Picture in, row of numbers out.
#[derive(Debug)]
struct Vision {
    graph: Graph,
    input: ImageInput,
    /// Numbers of a row.
    width: usize,
}

impl Vision {
    fn load(folder: &Path, manifest: &Manifest, outputs: &[&str]) -> Result<Self> {
        let graph = Graph::open(folder, manifest, outputs)?;
        let input = manifest
            .image
            .clone()
            .ok_or_else(|| folder::unusable(folder, "model.yaml has no `image`"))?;
        check_input(&graph, &input, Some(input.width as usize))?;
        let mut vision = Self {
            graph,
            input,
            width: 0,
        };
        let black = Picture::from_rgb8(1, 1, vec![0; 3])?;
        let row = vision.any_row(&black);
        vision.width = row.map_err(|e| vision.graph.unusable(&e))?.len();
        Ok(vision)
    }

    /// As many numbers as the first time.
    fn row(&self, picture: &Picture) -> Result<Vec<f32>> {
        let row = self.any_row(picture)?;
        if row.len() == self.width {
            return Ok(row);
        }
        let reason = format!("it gives {} numbers, {} before", row.len(), self.width);
        Err(self.graph.failed("reading the outputs", &reason))
    }

    fn any_row(&self, picture: &Picture) -> Result<Vec<f32>> {
        let pixels = input::prepare(picture, &self.input, None)?;
        let shape = input::shape(&self.input, pixels.width);
        self.graph.run(&shape, pixels.values, |output| {
            // [1, width], maybe with dimensions of one behind.
            if output.shape.first() != Some(&1)
                || output.shape.get(1).copied() != Some(output.values.len())
            {
                let reason = format!(
                    "`{}` has shape {:?} for one picture; expected [1, numbers]",
                    self.graph.output, output.shape
                );
                return Err(self.graph.failed("reading the outputs", &reason));
            }
            Ok(output.values.into_owned())
        })
    }
}

/// Holds the graph's input against the manifest; `width` is `None` where it differs by picture.
pub(super) fn check_input(graph: &Graph, input: &ImageInput, width: Option<usize>) -> Result<()> {
    let batch = ("batch", Some(1));
    let channels = ("image.channels", Some(input.channels.count()));
    let height = ("image.height", Some(input.height as usize));
    let width = ("image.width", width);
    match input.layout {
        Layout::Nchw => graph.check_input(&[batch, channels, height, width]),
        Layout::Nhwc => graph.check_input(&[batch, height, width, channels]),
    }
}

/// An image embedding model in memory. Calls from several threads take turns.
#[derive(Debug)]
pub struct ImageEmbedder {
    vision: Vision,
    normalise: bool,
}

impl ImageEmbedder {
    /// Loads the model in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = manifest(folder, Kind::ImageEmbedding)?;
        let outputs = ["image_embeds", "embedding", "pooler_output"];
        let vision = Vision::load(folder, &manifest, &outputs)?;
        if let Some(said) = manifest.embedding_width
            && said as usize != vision.width
        {
            let reason = format!(
                "embedding-width in model.yaml is {said}, the graph gives {} numbers",
                vision.width
            );
            return Err(folder::unusable(folder, reason));
        }
        Ok(Self {
            vision,
            normalise: manifest.normalise.unwrap_or(true),
        })
    }

    /// How many numbers a vector has.
    pub fn width(&self) -> usize {
        self.vision.width
    }

    /// The vector of a picture, of length one unless `normalise: false` is in `model.yaml`.
    pub fn embed(&self, picture: &Picture) -> Result<Vec<f32>> {
        let vector = self.vision.row(picture)?;
        if !self.normalise {
            return Ok(vector);
        }
        unit(&vector).ok_or_else(|| {
            self.vision.graph.failed(
                "embedding",
                &"the vector has no length; it cannot be normalised",
            )
        })
    }
}

/// What a picture may show.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Column of the graph's output.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// An image classifier in memory. Calls from several threads take turns.
#[derive(Debug)]
pub struct ImageClassifier {
    vision: Vision,
    labels: Vec<String>,
    scores: Scores,
}

impl ImageClassifier {
    /// Loads the model in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = manifest(folder, Kind::ImageClassification)?;
        let labels = labels::read(folder, manifest.labels.as_deref().unwrap_or_default())?;
        let vision = Vision::load(folder, &manifest, &["logits", "probabilities"])?;
        vision.graph.check_labels(vision.width, labels.len())?;
        Ok(Self {
            vision,
            labels,
            scores: manifest.scores.unwrap_or_default(),
        })
    }

    /// The labels it knows, by column.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The `top` likeliest labels, the likeliest first.
    pub fn classify(&self, picture: &Picture, top: usize) -> Result<Vec<Label>> {
        if top == 0 {
            return Err(Error::InvalidArguments("top must be at least 1".into()));
        }
        let scores = probabilities(&self.vision.row(picture)?, self.scores);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order.truncate(top);
        Ok(order
            .into_iter()
            .map(|index| Label {
                index,
                name: self.labels[index].clone(),
                score: scores[index],
            })
            .collect())
    }
}

/// Probabilities out of a graph's numbers.
fn probabilities(values: &[f32], scores: Scores) -> Vec<f32> {
    match scores {
        Scores::Probabilities => values.to_vec(),
        Scores::Sigmoid => values.iter().map(|v| sigmoid(*v)).collect(),
        Scores::Softmax => {
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f32> = values.iter().map(|v| (v - largest).exp()).collect();
            let sum: f32 = powers.iter().sum();
            powers.iter().map(|p| p / sum).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities() {
        let softmax = probabilities(&[1000.0, 1000.0, -1000.0], Scores::Softmax);
        assert_eq!(softmax, [0.5, 0.5, 0.0]);
        let sigmoid = probabilities(&[0.0, 100.0, -100.0], Scores::Sigmoid);
        assert!(sigmoid[0] == 0.5 && sigmoid[1] > 0.999 && sigmoid[2] < 0.001);
        assert_eq!(
            probabilities(&[0.25, 0.75], Scores::Probabilities),
            [0.25, 0.75]
        );
    }
}
