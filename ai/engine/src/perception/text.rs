//! The picture of a line to its text.

use std::path::Path;

use super::ctc::{Decoder, Recognised};
use super::vision::check_input;
use super::{Graph, Picture, input, manifest};
use crate::manifest::{ImageInput, Kind, Layout, Resize};
use crate::{Result, folder};

/// A text recogniser in memory. Calls from several threads take turns.
#[derive(Debug)]
pub struct TextRecogniser {
    graph: Graph,
    input: ImageInput,
    decoder: Decoder,
    /// Lines are filled up to this many pixels, where the graph takes no other width.
    pad_to: Option<usize>,
}

impl TextRecogniser {
    /// Loads the model in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let manifest = manifest(folder, Kind::TextRecognition)?;
        let decoder = Decoder::load(folder, &manifest)?;
        let graph = Graph::open(folder, &manifest, &["logits", "output"])?;
        let input = manifest
            .image
            .ok_or_else(|| folder::unusable(folder, "model.yaml has no `image`"))?;
        let width = input.width as usize;
        check_input(&graph, &input, Some(width))?;
        let across = match input.layout {
            Layout::Nchw => 3,
            Layout::Nhwc => 2,
        };
        let fixed = graph.shape.get(across).is_some_and(|d| *d >= 0);
        let recogniser = Self {
            pad_to: (fixed && input.resize == Resize::FitHeight).then_some(width),
            graph,
            input,
            decoder,
        };
        let (across, down) = (recogniser.input.width, recogniser.input.height);
        let empty = Picture::from_rgb8(across, down, vec![0; (across * down * 3) as usize])?;
        if let Err(e) = recogniser.recognise(&empty) {
            return Err(recogniser.graph.unusable(&e));
        }
        Ok(recogniser)
    }

    /// What stands in the picture of one line.
    ///
    /// Fails with [`crate::Error::InvalidArguments`] if it is longer for its height than the model takes.
    pub fn recognise(&self, line: &Picture) -> Result<Recognised> {
        let pixels = input::prepare(line, &self.input, self.pad_to)?;
        let shape = input::shape(&self.input, pixels.width);
        self.graph.run(&shape, pixels.values, |output| {
            self.decoder.decode(&self.graph, &output)
        })
    }
}
