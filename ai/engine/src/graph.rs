//! What an ONNX file says about itself, read without loading it: operators, inputs and outputs, the
//! precision of its weights and where they are.
//!
//! ONNX Runtime tells inputs and outputs of a session, but not which operators stand between them, and
//! tells nothing before the weights are in memory. Both matter beforehand: whether attention can write
//! into its cache in place, how much memory a model will take, whether its folder is complete. The file is
//! a protocol-buffers message, whose fields carry their lengths: what is not of interest, above all the
//! weights, is jumped over. Field numbers are those of `onnx.proto` (ONNX 1.23, IR version 13).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::causal::names::Names;

/// Subgraphs of subgraphs that are looked into; exports have one level.
const MAX_DEPTH: usize = 8;

/// Longest name that is kept. Longer ones belong to no operator and no file.
const MAX_NAME: u64 = 1024;

/// How the names of the inputs begin that hold the cache.
const CACHE: &str = "past_key_values.";

/// Most dimensions of a tensor that are looked at.
const MAX_RANK: usize = 16;

/// Most operators of a graph once its functions are unfolded, which ONNX Runtime does when it loads one; those of
/// the largest exports are some ten thousand.
const MAX_OPERATORS: u64 = 1_000_000;

/// Most functions that call one another in a row.
const MAX_CALLS: usize = 128;

/// Summaries that are kept of the files that were read last.
const KEPT: usize = 4;

/// How often each operator (domain, name) is used.
type Calls = BTreeMap<(String, String), u64>;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Names of all operators, those of subgraphs included.
    pub operators: BTreeSet<String>,
    /// Operators outside the standard's own domain, by domain.
    pub foreign_operators: BTreeMap<String, BTreeSet<String>>,
    /// Operators that the file itself defines, by domain.
    pub functions: BTreeMap<String, BTreeSet<String>>,
    /// Files beside the graph that hold weights, as the graph names them, and how long each has to be at
    /// least, in bytes.
    pub external_files: BTreeMap<String, u64>,
    /// Inputs of the graph in its order, those that only give a weight a name included.
    pub inputs: Vec<Value>,
    /// Outputs of the graph in its order.
    pub outputs: Vec<Value>,
    /// Numbers in weights, by element type (`TensorProto.DataType`).
    pub weights: BTreeMap<u64, u64>,
    /// Bits of a number in the weights of `MatMulNBits` and its kin, as the first one says.
    pub bits: Option<u64>,
}

/// How much of a model is where, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// The graph's file, with the weights that are in it.
    pub inside: u64,
    /// The files of weights beside it.
    pub beside: u64,
}

impl Bytes {
    pub(crate) fn all(self) -> u64 {
        self.inside.saturating_add(self.beside)
    }

    /// What is taken at most while it is loaded: weights inside the graph's file are in memory one and a half times
    /// then; those beside it are mapped, and a pass reads all of them.
    pub(crate) fn loading(self) -> u64 {
        self.all().saturating_add(self.inside / 2)
    }
}

/// What `weights` bytes take in memory: some are packed anew for the kernels.
pub(crate) fn packed(weights: u64) -> u64 {
    weights.saturating_add(weights / 8)
}

/// An input or output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub name: String,
    /// `TensorProto.DataType`; 0 where it is no tensor.
    pub element: u64,
    /// `None` where a dimension is open.
    pub shape: Vec<Option<u64>>,
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

    /// How large the graph in `file` is, which this was read from. Files that are not there have none.
    pub(crate) fn bytes(&self, file: &Path) -> Bytes {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        let beside = file.parent().unwrap_or(Path::new(""));
        let external = self
            .external_files
            .keys()
            .map(|name| size(&beside.join(name)));
        Bytes {
            inside: size(file),
            beside: external.fold(0, u64::saturating_add),
        }
    }

    /// Whether it gives vectors of texts or of their tokens and keeps no cache.
    pub(crate) fn embeds(&self) -> bool {
        let outputs = [
            "last_hidden_state",
            "token_embeddings",
            "sentence_embedding",
            "pooler_output",
        ];
        let any = |values: &[Value], fits: &dyn Fn(&str) -> bool| {
            values.iter().any(|value| fits(&value.name))
        };
        any(&self.outputs, &|name| outputs.contains(&name))
            && any(&self.inputs, &|name| name == "input_ids")
            && !any(&self.inputs, &|name| name.starts_with(CACHE))
    }

    /// Bytes that the logits of a pass over `tokens` tokens of one sequence take: of all of them, or of the last one
    /// where the graph gives no others.
    pub(crate) fn logits_bytes(&self, names: &Names, tokens: u64) -> u64 {
        let Some(logits) = self.outputs.iter().find(|o| o.name == names.logits) else {
            return 0;
        };
        let size = |at: usize| logits.shape.get(at).copied().flatten();
        let last_alone =
            size(1) == Some(1) || self.inputs.iter().any(|i| i.name == "num_logits_to_keep");
        // Those in half precision are computed in full.
        let number: u64 = if logits.element == 1 { 4 } else { 6 };
        let tokens = if last_alone { 1 } else { tokens };
        number
            .saturating_mul(size(2).unwrap_or(0))
            .saturating_mul(tokens)
    }

    /// The inputs that hold a cache: [batch, heads, tokens, width].
    pub(crate) fn caches<'a>(&'a self, names: &Names) -> impl Iterator<Item = &'a Value> {
        self.inputs
            .iter()
            .filter(move |i| names.present(&i.name).is_some())
    }

    /// Bytes that one token takes in all caches. `None` where a dimension is open or numbers are of a kind that
    /// no cache has.
    pub(crate) fn cache_token_bytes(&self, names: &Names) -> Option<u64> {
        let bytes = |value: &Value| {
            let size = |at: usize| value.shape.get(at).copied().flatten();
            // FLOAT, FLOAT16, BFLOAT16
            let element: u64 = match value.element {
                1 => 4,
                10 | 16 => 2,
                _ => return None,
            };
            size(1)?.checked_mul(size(3)?)?.checked_mul(element)
        };
        self.caches(names)
            .try_fold(0u64, |sum, value| sum.checked_add(bytes(value)?))
    }
}

/// What was read last, with the files, the oldest first.
static READ: Mutex<Vec<(PathBuf, Identity, Arc<Summary>)>> = Mutex::new(Vec::new());

/// Tells a file from another one at its place, and from itself with another content.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    length: u64,
    modified: Option<SystemTime>,
    /// Device, file, and when anything of it was changed.
    #[cfg(unix)]
    place: (u64, u64, i64, i64),
}

impl Identity {
    fn of(about: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            length: about.len(),
            modified: about.modified().ok(),
            #[cfg(unix)]
            place: (about.dev(), about.ino(), about.ctime(), about.ctime_nsec()),
        }
    }
}

/// What the graph in `file` says. While a model is loaded several ask that in a row, and it is read once. Fails where
/// the file is no ONNX graph or was cut off.
pub(crate) fn summary(file: &Path) -> io::Result<Arc<Summary>> {
    let kept = || READ.lock().unwrap_or_else(PoisonError::into_inner);
    let graph = crate::folder::open(file)?;
    let identity = Identity::of(&graph.metadata()?);
    let known = kept()
        .iter()
        .find(|(path, of, _)| path == file && *of == identity)
        .map(|(.., summary)| Arc::clone(summary));
    if let Some(known) = known {
        return Ok(known);
    }
    let found = Arc::new(parse(graph, identity.length)?);
    let mut kept = kept();
    kept.retain(|(path, ..)| path != file);
    if kept.len() >= KEPT {
        kept.remove(0);
    }
    kept.push((file.to_owned(), identity, Arc::clone(&found)));
    Ok(found)
}

fn parse(file: File, length: u64) -> io::Result<Summary> {
    let mut reader = Reader {
        inner: BufReader::with_capacity(1 << 16, file),
        at: 0,
        calls: Calls::new(),
        bodies: BTreeMap::new(),
    };
    let mut found = Summary::default();
    let mut graphs = 0;
    reader.message(length, &mut |reader, field| {
        match field.number {
            7 => {
                graphs += 1;
                reader.graph(field, &mut found, 0)?;
            }
            25 => reader.function(field, &mut found)?,
            _ => {}
        }
        Ok(())
    })?;
    if graphs == 0 {
        return Err(invalid("it holds no graph"));
    }
    let Reader { calls, bodies, .. } = reader;
    if unfolded(&calls, &bodies, &mut BTreeMap::new(), 0)? > MAX_OPERATORS {
        return Err(invalid(
            "its functions unfold to more than a million operators, which no model needs",
        ));
    }
    Ok(found)
}

/// How many operators `calls` are when each function among them is replaced by its body.
fn unfolded<'b>(
    calls: &'b Calls,
    bodies: &'b BTreeMap<(String, String), Calls>,
    known: &mut BTreeMap<&'b (String, String), u64>,
    depth: usize,
) -> io::Result<u64> {
    if depth > MAX_CALLS {
        return Err(invalid("its functions call one another without end"));
    }
    let mut sum = 0u64;
    for (operator, times) in calls {
        let size = match (known.get(operator), bodies.get(operator)) {
            (Some(size), _) => *size,
            (None, None) => 1,
            (None, Some(body)) => {
                let size = unfolded(body, bodies, known, depth + 1)?;
                known.insert(operator, size);
                size
            }
        };
        sum = sum.saturating_add(size.saturating_mul(*times));
    }
    Ok(sum)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// One field's number and the offset of its end.
#[derive(Debug, Clone, Copy)]
struct Field {
    number: u64,
    end: u64,
    /// What stands there where it is a number, which is read already.
    value: Option<u64>,
}

struct Reader<R> {
    inner: BufReader<R>,
    at: u64,
    /// Of the graph, or of the function that is being read.
    calls: Calls,
    /// Of each function.
    bodies: BTreeMap<(String, String), Calls>,
}

impl<R: Read + Seek> Reader<R> {
    /// Hands each field with a length and each whole number to `visit`, up to the offset `end`. What
    /// `visit` leaves unread is jumped over.
    fn message(
        &mut self,
        end: u64,
        visit: &mut dyn FnMut(&mut Self, Field) -> io::Result<()>,
    ) -> io::Result<()> {
        self.fields(end, &mut |reader, field| {
            if field.value.is_none() {
                visit(reader, field)?;
            }
            Ok(())
        })
    }

    /// As [`Self::message`], with numbers.
    fn fields(
        &mut self,
        end: u64,
        visit: &mut dyn FnMut(&mut Self, Field) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            let key = self.varint()?;
            let number = key >> 3;
            match key & 7 {
                0 => {
                    let value = Some(self.varint()?);
                    let end = self.at;
                    visit(self, Field { number, end, value })?;
                }
                1 => self.jump(self.at.saturating_add(8))?,
                2 => {
                    let length = self.varint()?;
                    let stop = self.at.saturating_add(length);
                    if stop > end {
                        return Err(invalid("a part of it is longer than the whole"));
                    }
                    let field = Field {
                        number,
                        end: stop,
                        value: None,
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
            11 | 12 if depth == 0 => {
                let value = reader.value(field)?;
                if field.number == 11 {
                    found.inputs.push(value);
                } else {
                    found.outputs.push(value);
                }
                Ok(())
            }
            _ => Ok(()),
        })
    }

    /// An operator that the file defines by other operators.
    fn function(&mut self, function: Field, found: &mut Summary) -> io::Result<()> {
        let (mut name, mut domain) = (String::new(), String::new());
        let outside = std::mem::take(&mut self.calls);
        self.message(function.end, &mut |reader, field| {
            match field.number {
                1 => name = reader.text(field)?,
                7 => reader.node(field, found, 1)?,
                10 => domain = reader.text(field)?,
                _ => {}
            }
            Ok(())
        })?;
        let body = std::mem::replace(&mut self.calls, outside);
        let known = self.bodies.entry((domain.clone(), name.clone()));
        // Of one name there may be several: all of them count.
        let all = known.or_default();
        for (operator, times) in body {
            let sum = all.entry(operator).or_default();
            *sum = sum.saturating_add(times);
        }
        found.functions.entry(domain).or_default().insert(name);
        Ok(())
    }

    fn value(&mut self, value: Field) -> io::Result<Value> {
        let mut told = Value::default();
        self.message(value.end, &mut |reader, field| match field.number {
            1 => {
                told.name = reader.text(field)?;
                Ok(())
            }
            // A type, in it a tensor, in it the element's type and the shape, in it dimensions.
            2 => reader.message(field.end, &mut |reader, part| {
                if part.number != 1 {
                    return Ok(());
                }
                reader.fields(
                    part.end,
                    &mut |reader, part| match (part.number, part.value) {
                        (1, Some(element)) => {
                            told.element = element;
                            Ok(())
                        }
                        (2, None) => reader.message(part.end, &mut |reader, dimension| {
                            if dimension.number != 1 || told.shape.len() >= MAX_RANK {
                                return Ok(());
                            }
                            let mut size = None;
                            reader.fields(dimension.end, &mut |_, part| {
                                if part.number == 1 {
                                    size = part.value;
                                }
                                Ok(())
                            })?;
                            told.shape.push(size);
                            Ok(())
                        }),
                        _ => Ok(()),
                    },
                )
            }),
            _ => Ok(()),
        })?;
        Ok(told)
    }

    fn node(&mut self, node: Field, found: &mut Summary, depth: usize) -> io::Result<()> {
        let (mut operator, mut domain) = (String::new(), String::new());
        self.message(node.end, &mut |reader, field| match field.number {
            4 => {
                operator = reader.text(field)?;
                Ok(())
            }
            7 => {
                domain = reader.text(field)?;
                Ok(())
            }
            5 => {
                let (mut name, mut number) = (String::new(), None);
                // An attribute: `i` is a number, `g` a graph, `graphs` several, `t` a tensor.
                reader.fields(
                    field.end,
                    &mut |reader, part| match (part.number, part.value) {
                        (1, None) => {
                            name = reader.text(part)?;
                            Ok(())
                        }
                        (3, value) => {
                            number = value;
                            Ok(())
                        }
                        (6 | 11, None) => reader.graph(part, found, depth + 1),
                        (5, None) => reader.tensor(part, found),
                        _ => Ok(()),
                    },
                )?;
                if name == "bits" && found.bits.is_none() {
                    found.bits = number;
                }
                Ok(())
            }
            _ => Ok(()),
        })?;
        let calls = self.calls.entry((domain.clone(), operator.clone()));
        *calls.or_default() += 1;
        if !matches!(domain.as_str(), "" | "ai.onnx") {
            let of = found.foreign_operators.entry(domain).or_default();
            of.insert(operator.clone());
        }
        found.operators.insert(operator);
        Ok(())
    }

    fn tensor(&mut self, tensor: Field, found: &mut Summary) -> io::Result<()> {
        let (mut numbers, mut element) = (1u64, 0);
        let (mut location, mut offset, mut length) = (None, 0u64, 0u64);
        self.fields(tensor.end, &mut |reader, field| {
            match (field.number, field.value) {
                (1, Some(size)) => numbers = numbers.saturating_mul(size),
                // Dimensions may stand one after another in one field.
                (1, None) => {
                    while reader.at < field.end {
                        numbers = numbers.saturating_mul(reader.varint()?);
                    }
                }
                (2, Some(value)) => element = value,
                (13, None) => {
                    let (mut key, mut value) = (String::new(), String::new());
                    reader.message(field.end, &mut |reader, part| {
                        match part.number {
                            1 => key = reader.text(part)?,
                            2 => value = reader.text(part)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    let number = |text: &str| {
                        let wrong = |_| invalid("a place of its weights is no number");
                        text.parse::<u64>().map_err(wrong)
                    };
                    match key.as_str() {
                        "location" => location = Some(value),
                        "offset" => offset = number(&value)?,
                        "length" => length = number(&value)?,
                        _ => {}
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let of = found.weights.entry(element).or_default();
        *of = of.saturating_add(numbers);
        if let Some(location) = location {
            let least = found.external_files.entry(location).or_default();
            *least = (*least).max(offset.saturating_add(length));
        }
        Ok(())
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
    use std::io::Write;

    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128);
        let mut bytes = vec![number << 3 | 2, content.len() as u8];
        bytes.extend(content);
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Summary> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        parse(file, bytes.len() as u64)
    }

    #[test]
    fn a_graph_is_read_once_until_it_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let graph = |operator: &[u8]| field(7, &field(1, &field(4, operator)));
        std::fs::write(&path, graph(b"Add")).unwrap();
        let first = summary(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &summary(&path).unwrap()));
        std::fs::write(&path, graph(b"Softmax")).unwrap();
        let second = summary(&path).unwrap();
        assert!(first.operators.contains("Add") && second.operators.contains("Softmax"));
        std::fs::remove_file(&path).unwrap();
        assert!(summary(&path).is_err());
        std::fs::write(&path, b"x").unwrap();
        assert!(summary(&path).is_err());
    }

    #[test]
    fn operators_of_subgraphs_and_external_files_are_found() {
        let inner = field(1, &[field(4, b"MatMul"), field(7, b"com.acme")].concat());
        let branch = field(5, &[field(1, b"then"), field(6, &inner)].concat());
        let place =
            |key: &[u8], value: &[u8]| field(13, &[field(1, key), field(2, value)].concat());
        let weights = [
            place(b"location", b"w.bin"),
            place(b"offset", b"4"),
            place(b"length", b"8"),
        ]
        .concat();
        let graph = [
            field(1, &[field(4, b"If"), branch].concat()),
            field(
                5,
                &[vec![8, 3, 8, 2, 16, 1], weights, field(9, &[0; 20])].concat(),
            ),
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
        assert_eq!(found.external_files["w.bin"], 12);
        assert_eq!(found.weights, BTreeMap::from([(1, 6)]));
        assert_eq!(found.foreign_operators["com.acme"].len(), 1);
        assert!(!found.shares_cache());
        assert!(!found.scales_by_pass());
        let quantised = field(7, &field(1, &field(4, b"DynamicQuantizeLinear")));
        assert!(read(&quantised).unwrap().scales_by_pass());
        for cut in 0..model.len() {
            assert!(read(&model[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn functions_that_unfold_without_end_are_refused() {
        let call = |name: &[u8]| field(7, &[field(4, name), field(7, b"x")].concat());
        let function = |name: &[u8], body: Vec<u8>| {
            let content = [field(1, name), body, field(10, b"x")].concat();
            // Field 25 takes two bytes.
            [vec![0xca, 1, content.len() as u8], content].concat()
        };
        let graph = field(7, &field(1, &[field(4, b"f0"), field(7, b"x")].concat()));
        // Each calls the next one twice.
        let doubling = |count: u8| -> Vec<u8> {
            (0..count)
                .flat_map(|n| {
                    let next = call(format!("f{}", n + 1).as_bytes());
                    function(format!("f{n}").as_bytes(), [next.clone(), next].concat())
                })
                .collect()
        };
        assert!(read(&[graph.clone(), doubling(10)].concat()).is_ok());
        let error = read(&[graph.clone(), doubling(40)].concat()).unwrap_err();
        assert!(error.to_string().contains("a million"), "{error}");
        let circle = [function(b"f0", call(b"f1")), function(b"f1", call(b"f0"))].concat();
        let error = read(&[graph, circle].concat()).unwrap_err();
        assert!(error.to_string().contains("without end"), "{error}");
    }

    #[test]
    fn committed_graphs() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let plain = summary(&models.join("lm/model.onnx")).unwrap();
        assert!(plain.operators.contains("Softmax") && !plain.shares_cache());
        assert!(plain.external_files.is_empty() && plain.foreign_operators.is_empty());
        let names: Vec<_> = plain.inputs.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names[0], "input_ids");
        let past = plain
            .inputs
            .iter()
            .find(|i| i.name.starts_with("past_key_values."));
        let past = past.unwrap();
        assert_eq!(
            (past.element, &past.shape[..]),
            (1, &[None, Some(2), None, Some(8)][..])
        );
        assert!(plain.outputs.iter().any(|o| o.name == "logits"));
        let gqa = summary(&models.join("lm-gqa/decoder.onnx")).unwrap();
        assert!(gqa.foreign_operators["com.microsoft"].contains("GroupQueryAttention"));
        assert!(gqa.shares_cache());
        assert!(!plain.embeds() && !plain.scales_by_pass());
        // Two layers, keys and values, two heads of eight numbers.
        let usual = Names::default();
        assert_eq!(plain.cache_token_bytes(&usual), Some(2 * 2 * 2 * 8 * 4));
        let half = summary(&models.join("lm-fp16/decoder.onnx")).unwrap();
        assert_eq!(half.cache_token_bytes(&usual), Some(2 * 2 * 2 * 8 * 2));
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
