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
}

impl Summary {
    /// Whether attention keeps its cache where it is instead of making a longer copy of it each time.
    pub(crate) fn shares_cache(&self) -> bool {
        self.operators.contains("GroupQueryAttention")
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

/// One field's number and the offsets of its content. Only fields with a length are handed out.
#[derive(Debug, Clone, Copy)]
struct Field {
    number: u64,
    end: u64,
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Hands each field with a length to `visit`, up to the offset `end`. What `visit` leaves unread is
    /// jumped over.
    fn message(
        &mut self,
        end: u64,
        visit: &mut dyn FnMut(&mut Self, Field) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            let key = self.varint()?;
            match key & 7 {
                0 => {
                    self.varint()?;
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
            _ => Ok(()),
        })
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
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_an_error_or_a_summary(bytes in proptest::collection::vec(0u8.., 0..300)) {
            let _ = read(&bytes);
        }
    }
}
