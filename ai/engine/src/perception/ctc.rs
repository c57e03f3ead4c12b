//! Greedy decoding of connectionist temporal classification (Graves 2006): the likeliest label of each
//! frame, repeats collapsed, blanks dropped.

use std::ops::Range;
use std::path::Path;

use super::{Graph, labels};
use crate::encoder::Output;
use crate::manifest::{Ctc, Manifest};
use crate::{Result, folder};

/// A label that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Column of the graph's output.
    pub label: usize,
    /// Frames of the output that say it.
    pub frames: Range<usize>,
}

/// What was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The labels one after the other, separators as spaces.
    pub text: String,
    /// The labels and where they stand, separators included.
    pub symbols: Vec<Symbol>,
    /// Frames of the graph's output: what a symbol's place is measured in.
    pub frames: usize,
}

/// A model's labels and how they become text.
#[derive(Debug)]
pub(super) struct Decoder {
    labels: Vec<String>,
    ctc: Ctc,
}

impl Decoder {
    /// Reads the labels that `manifest` names.
    pub(super) fn load(folder: &Path, manifest: &Manifest) -> Result<Self> {
        let labels = labels::read(folder, manifest.labels.as_deref().unwrap_or_default())?;
        let ctc = manifest.ctc.clone().unwrap_or_default();
        check(&ctc, &labels).map_err(|e| folder::unusable(folder, e))?;
        Ok(Self { labels, ctc })
    }

    /// Reads the output of a `graph`: `[1, frames, labels]`, or frames first as recurrent models have them.
    pub(super) fn decode(&self, graph: &Graph, output: &Output<'_>) -> Result<Recognised> {
        let columns = match output.shape[..] {
            [1, _, columns] | [_, 1, columns] => columns,
            _ => {
                let reason = format!(
                    "`{}` has shape {:?}; expected [1, frames, labels]",
                    graph.output, output.shape
                );
                return Err(graph.failed("reading the outputs", &reason));
            }
        };
        graph.check_labels(columns, self.labels.len())?;
        Ok(decode(&output.values, &self.labels, &self.ctc))
    }
}

/// What may be wrong with a manifest's `ctc`, by its key.
fn check(ctc: &Ctc, labels: &[String]) -> std::result::Result<(), String> {
    if ctc.blank as usize >= labels.len() {
        return Err(format!(
            "`ctc.blank` is {}, the file of `labels` has the columns 0 to {}",
            ctc.blank,
            labels.len() - 1
        ));
    }
    match &ctc.separator {
        Some(separator) if !labels.contains(separator) => Err(format!(
            "`ctc.separator` is `{separator}`, which is not among the labels"
        )),
        _ => Ok(()),
    }
}

/// Reads `values`, a row of one number a label for each frame.
fn decode(values: &[f32], labels: &[String], ctc: &Ctc) -> Recognised {
    let blank = ctc.blank as usize;
    let mut symbols: Vec<Symbol> = Vec::new();
    let mut before = blank;
    let mut frames = 0;
    for (frame, row) in values.chunks_exact(labels.len()).enumerate() {
        frames = frame + 1;
        // The first of equals.
        let best = (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        match symbols.last_mut() {
            Some(last) if best == before && best != blank => last.frames.end = frame + 1,
            _ if best != blank => symbols.push(Symbol {
                label: best,
                frames: frame..frame + 1,
            }),
            _ => {}
        }
        before = best;
    }
    let text = symbols
        .iter()
        .map(|s| labels[s.label].as_str())
        .map(|label| match &ctc.separator {
            Some(separator) if separator == label => " ",
            _ => label,
        })
        .collect();
    Recognised {
        text,
        symbols,
        frames,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["-", "a", "b", "|"].map(String::from).into()
    }

    fn decode_columns(columns: &[usize], ctc: &Ctc) -> Recognised {
        let values: Vec<f32> = columns
            .iter()
            .flat_map(|c| (0..4).map(move |at| if at == *c { 1.0 } else { -1.0 }))
            .collect();
        decode(&values, &labels(), ctc)
    }

    #[test]
    fn repeats_are_one_and_blanks_nothing() {
        let ctc = Ctc {
            blank: 0,
            separator: Some("|".into()),
        };
        let recognised = decode_columns(&[0, 1, 1, 0, 1, 2, 2, 3, 3, 2, 0], &ctc);
        assert_eq!(recognised.text, "aab b");
        assert_eq!(recognised.frames, 11);
        assert_eq!(
            recognised.symbols[..3],
            [
                Symbol {
                    label: 1,
                    frames: 1..3
                },
                Symbol {
                    label: 1,
                    frames: 4..5
                },
                Symbol {
                    label: 2,
                    frames: 5..7
                },
            ]
        );
        assert_eq!(decode_columns(&[0, 0], &ctc).text, "");
        assert_eq!(decode_columns(&[], &ctc).symbols, []);
        let last = Ctc {
            blank: 3,
            separator: None,
        };
        assert_eq!(decode_columns(&[0, 0, 3, 0], &last).text, "--");
    }

    #[test]
    fn settings_are_held_against_the_labels() {
        let ctc = |blank, separator: &str| Ctc {
            blank,
            separator: Some(separator.into()),
        };
        assert!(check(&ctc(3, "|"), &labels()).is_ok());
        assert!(
            check(&ctc(4, "|"), &labels())
                .unwrap_err()
                .contains("`ctc.blank` is 4")
        );
        assert!(
            check(&ctc(0, "_"), &labels())
                .unwrap_err()
                .contains("`ctc.separator` is `_`")
        );
    }
}
