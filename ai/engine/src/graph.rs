//! What an ONNX file says about itself, read without loading it: operators and where its weights are.
//!
//! ONNX Runtime tells inputs and outputs of a session, but not which operators stand between them, and
//! tells nothing before the weights are in memory. Both matter beforehand: whether attention can write
//! into its cache in place, and how much memory a model will take. The file is a protocol-buffers
//! message, whose fields carry their lengths: what is not of interest, above all the weights, is jumped
//! over. Field numbers are those of `onnx.proto` (ONNX 1.23, IR version 13).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// Subgraphs of subgraphs that are looked into; exports have one level.
const MAX_DEPTH: usize = 8;

/// Longest name that is kept. Longer ones belong to no operator and no file.
const MAX_NAME: u64 = 1024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Names of all operators, those of subgraphs included.
    pub operators: BTreeSet<String>,
    /// Files beside the graph that hold weights, as the graph names them.
    pub external_files: BTreeSet<String>,
    /// Names of the graph's inputs, where an old file lists its weights among them those too.
    pub inputs: BTreeSet<String>,
    /// Names of the graph's outputs.
    pub outputs: BTreeSet<String>,
    /// Bytes that one token takes in the caches that are inputs (`past_key_values.*`, of the shape
    /// [batch, heads, tokens, width]).
    pub cache_token_bytes: u64,
}

impl Summary {
    /// Whether attention keeps its cache where it is instead of making a longer copy of it each time.
    pub(crate) fn shares_cache(&self) -> bool {
        self.operators.contains("GroupQueryAttention")
    }

    /// Whether activations are quantised by the largest number in a whole pass, so that what is computed
    /// for one text depends on the others in it.
    pub(crate) fn scales_by_pass(&self) -> bool {
        [
            "DynamicQuantizeLinear",
            "DynamicQuantizeMatMul",
            "DynamicQuantizeLSTM",
        ]
        .iter()
        .any(|name| self.operators.contains(*name))
    }

    /// Whether it gives vectors of texts or of their tokens and keeps no cache.
    pub(crate) fn embeds(&self) -> bool {
        let outputs = [
            "last_hidden_state",
            "token_embeddings",
            "sentence_embedding",
            "pooler_output",
        ];
        outputs.iter().any(|name| self.outputs.contains(*name))
            && self.inputs.contains("input_ids")
            && !self
                .inputs
                .iter()
                .any(|name| name.starts_with("past_key_values"))
    }
}

/// Reads the graph in `file`. Fails where the file is no ONNX graph or was cut off.
pub(crate) fn summary(file: &Path) -> io::Result<Summary> {
    let file = File::open(file)?;
    let length = file.metadata()?.len();
    let mut reader = Reader {
        inner: BufReader::with_capacity(1 << 16, file),
        at: 0,
    };
    let mut found = Summary::default();
    let mut graphs = 0;
    reader.message(length, &mut |reader, field| {
        if field.number == 7 {
            graphs += 1;
            reader.graph(field, &mut found, 0)?;
        }
        Ok(())
    })?;
    if graphs == 0 {
        return Err(invalid("it holds no graph"));
    }
    Ok(found)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// One field's number and where its content ends. Numbers have no content but a value.
#[derive(Debug, Clone, Copy)]
struct Field {
    number: u64,
    end: u64,
    value: u64,
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Hands each field with a length and each whole number to `visit`, up to the offset `end`. What
    /// `visit` leaves unread is jumped over.
    fn message(
        &mut self,
        end: u64,
        visit: &mut dyn FnMut(&mut Self, Field) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            let key = self.varint()?;
            match key & 7 {
                0 => {
                    let value = self.varint()?;
                    let field = Field {
                        number: key >> 3,
                        end: self.at,
                        value,
                    };
                    visit(self, field)?;
                }
                1 => self.jump(self.at.saturating_add(8))?,
                2 => {
                    let length = self.varint()?;
                    let stop = self.at.saturating_add(length);
                    if stop > end {
                        return Err(invalid("a part of it is longer than the whole"));
                    }
                    let field = Field {
                        number: key >> 3,
                        end: stop,
                        value: 0,
                    };
                    visit(self, field)?;
                    self.jump(stop)?;
                }
                5 => self.jump(self.at.saturating_add(4))?,
                _ => return Err(invalid("it is no protocol-buffers message")),
            }
        }
        if self.at == end {
            Ok(())
        } else {
            Err(invalid("a part of it is longer than the whole"))
        }
    }

    fn graph(&mut self, graph: Field, found: &mut Summary, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(invalid("its subgraphs are nested too deeply"));
        }
        self.message(graph.end, &mut |reader, field| match field.number {
            1 => reader.node(field, found, depth),
            5 => reader.tensor(field, found),
            11 if depth == 0 => {
                let (name, token_bytes) = reader.value(field)?;
                if name.starts_with("past_key_values.") {
                    found.cache_token_bytes = found.cache_token_bytes.saturating_add(token_bytes);
                }
                found.inputs.insert(name);
                Ok(())
            }
            12 if depth == 0 => {
                found.outputs.insert(reader.value(field)?.0);
                Ok(())
            }
            _ => Ok(()),
        })
    }

    /// The name of an input or output, and the bytes of all its dimensions but the first and the third.
    fn value(&mut self, value: Field) -> io::Result<(String, u64)> {
        let (mut name, mut element, mut dimensions) = (String::new(), 0, Vec::new());
        self.message(value.end, &mut |reader, part| match part.number {
            1 => {
                name = reader.text(part)?;
                Ok(())
            }
            2 => reader.message(part.end, &mut |reader, kind| {
                if kind.number != 1 {
                    return Ok(());
                }
                reader.message(kind.end, &mut |reader, part| match part.number {
                    1 => {
                        element = part.value;
                        Ok(())
                    }
                    2 => reader.message(part.end, &mut |reader, dimension| {
                        let mut size = 0;
                        reader.message(dimension.end, &mut |_, part| {
                            if part.number == 1 {
                                size = part.value;
                            }
                            Ok(())
                        })?;
                        if dimensions.len() < 4 {
                            dimensions.push(size);
                        }
                        Ok(())
                    }),
                    _ => Ok(()),
                })
            }),
            _ => Ok(()),
        })?;
        // FLOAT is 1, FLOAT16 is 10.
        let bytes: u64 = if element == 10 { 2 } else { 4 };
        let token_bytes = match dimensions[..] {
            [_, heads, _, width] => bytes.saturating_mul(heads).saturating_mul(width),
            _ => 0,
        };
        Ok((name, token_bytes))
    }

    fn node(&mut self, node: Field, found: &mut Summary, depth: usize) -> io::Result<()> {
        self.message(node.end, &mut |reader, field| match field.number {
            4 => {
                let name = reader.text(field)?;
                found.operators.insert(name);
                Ok(())
            }
            // An attribute: `g` is a graph, `graphs` several, `t` a tensor.
            5 => reader.message(field.end, &mut |reader, part| match part.number {
                6 | 11 => reader.graph(part, found, depth + 1),
                5 => reader.tensor(part, found),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    fn tensor(&mut self, tensor: Field, found: &mut Summary) -> io::Result<()> {
        self.message(tensor.end, &mut |reader, field| {
            if field.number != 13 {
                return Ok(());
            }
            let (mut key, mut value) = (String::new(), String::new());
            reader.message(field.end, &mut |reader, part| {
                match part.number {
                    1 => key = reader.text(part)?,
                    2 => value = reader.text(part)?,
                    _ => {}
                }
                Ok(())
            })?;
            if key == "location" {
                found.external_files.insert(value);
            }
            Ok(())
        })
    }

    fn text(&mut self, field: Field) -> io::Result<String> {
        let length = field.end - self.at;
        if length > MAX_NAME {
            return Ok(String::new());
        }
        let mut bytes = vec![0; length as usize];
        self.inner.read_exact(&mut bytes)?;
        self.at = field.end;
        String::from_utf8(bytes).map_err(|_| invalid("a name in it is not UTF-8"))
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.inner.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid("a number in it has no end"))
    }

    fn jump(&mut self, to: u64) -> io::Result<()> {
        if to > self.at {
            let by =
                i64::try_from(to - self.at).map_err(|_| invalid("a length in it is absurd"))?;
            self.inner.seek_relative(by)?;
            self.at = to;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128);
        let mut bytes = vec![number << 3 | 2, content.len() as u8];
        bytes.extend(content);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Summary> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        summary(file.path())
    }

    #[test]
    fn operators_of_subgraphs_and_external_files_are_found() {
        let inner = field(1, &field(4, b"MatMul"));
        let branch = field(5, &[field(1, b"then"), field(6, &inner)].concat());
        let weights = field(13, &[field(1, b"location"), field(2, b"w.bin")].concat());
        let graph = [
            field(1, &[field(4, b"If"), branch].concat()),
            field(5, &[vec![8, 3], weights, field(9, &[0; 40])].concat()),
        ]
        .concat();
        let model = [vec![8, 9], field(7, &graph)].concat();
        let found = read(&model).unwrap();
        assert_eq!(
            found
                .operators
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            ["If", "MatMul"]
        );
        assert!(found.external_files.contains("w.bin"));
        assert!(!found.shares_cache());
        assert!(!found.scales_by_pass());
        let quantised = field(7, &field(1, &field(4, b"DynamicQuantizeLinear")));
        assert!(read(&quantised).unwrap().scales_by_pass());
        for cut in 0..model.len() {
            assert!(read(&model[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn committed_graphs() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let plain = summary(&models.join("lm/model.onnx")).unwrap();
        assert!(plain.operators.contains("Softmax") && !plain.shares_cache());
        assert!(plain.external_files.is_empty());
        assert!(plain.inputs.contains("input_ids") && plain.outputs.contains("logits"));
        assert!(!plain.embeds() && !plain.scales_by_pass());
        // Two layers, keys and values, two heads of eight numbers.
        assert_eq!(plain.cache_token_bytes, 2 * 2 * 2 * 8 * 4);
        let half = summary(&models.join("lm-fp16/decoder.onnx")).unwrap();
        assert_eq!(half.cache_token_bytes, 2 * 2 * 2 * 8 * 2);
        let embedding = summary(&models.join("embedding/model.onnx")).unwrap();
        assert!(embedding.embeds());
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_an_error_or_a_summary(bytes in proptest::collection::vec(0u8.., 0..300)) {
            let _ = read(&bytes);
        }
    }
}
