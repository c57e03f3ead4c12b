//! Slots of graphs that append to their cache in place (GroupQueryAttention).
//!
//! Every cache tensor is one piece of memory of shape `[slots, heads, capacity, width]`, of which a slot is
//! a row. A pass binds a window of neighbouring rows, the same memory as `past` and as `present`. Where the
//! sequences of a pass do not lie side by side, rows are moved first; as sequences stay together for many
//! tokens, that is rare.

use std::collections::BTreeMap;

use half::f16;
use ort::memory::{Allocator, MemoryInfo};
use ort::session::{IoBinding, Session};
use ort::value::{DynValue, Tensor, TensorElementType};

use super::super::geometry::{CacheSlot, Geometry};
use super::memory::{self, Memory};
use super::{Block, Cut, Line, Row, head_ranges, inputs, last_logits};

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    /// By first row and number of rows. Before `memory`, which their tensors point into, so that it is
    /// dropped first.
    windows: BTreeMap<(usize, usize), Window>,
    memory: Vec<Memory>,
    /// Row of each slot: a permutation.
    rows: Vec<usize>,
    lengths: Vec<usize>,
    capacity: usize,
}

/// Neighbouring rows, bound to a pass.
#[derive(Debug)]
struct Window {
    binding: IoBinding,
    /// Where the logits of a token each go: `[rows, 1, vocabulary]`.
    logits: DynValue,
}

impl Shared {
    /// Reserves addresses, not memory. `None` where the machine has not even those.
    pub(super) fn new(geometry: &Geometry, slots: usize, capacity: usize) -> Option<Self> {
        let memory = geometry
            .cache
            .iter()
            .map(|slot| Memory::new(slots.checked_mul(row_bytes(slot, capacity))?))
            .collect::<Option<_>>()?;
        Some(Self {
            windows: BTreeMap::new(),
            memory,
            rows: (0..slots).collect(),
            lengths: vec![0; slots],
            capacity,
        })
    }

    pub(super) fn length(&self, slot: usize) -> usize {
        self.lengths[slot]
    }

    pub(super) fn clear(&mut self, slot: usize) {
        self.lengths[slot] = 0;
    }

    pub(super) fn run(
        &mut self,
        session: &mut Session,
        geometry: &Geometry,
        lines: &[Line<'_>],
    ) -> ort::Result<Vec<f32>> {
        let slots: Vec<usize> = lines.iter().map(|l| l.slot).collect();
        let first = self.gather(geometry, &slots);
        let window = (first, lines.len());
        // By row: which line lies there.
        let mut order = vec![0; lines.len()];
        for (n, line) in lines.iter().enumerate() {
            order[self.rows[line.slot] - first] = n;
        }
        let rows: Vec<Row<'_>> = order
            .iter()
            .map(|n| Row {
                tokens: lines[*n].tokens,
                past: self.lengths[lines[*n].slot],
                padding: 0,
            })
            .collect();
        if !self.windows.contains_key(&window) {
            let bound = self.bind(session, geometry, window)?;
            self.windows.insert(window, bound);
        }
        let Some(Window { binding, logits }) = self.windows.get_mut(&window) else {
            return Err(ort::Error::new("a window was lost"));
        };
        for (name, tensor) in inputs(geometry, &rows)? {
            binding.bind_input(name, &tensor)?;
        }
        let logits_name = geometry.names.logits.as_str();
        let found = if rows.iter().all(|r| r.tokens.len() == 1) {
            // The only result is the logits, whose shape is known: asking for the list of all results
            // takes longer than some of the operators.
            binding.bind_output(logits_name, &mut *logits)?;
            memory::run(session, binding)?;
            last_logits(geometry, logits, lines.len())?
        } else {
            binding.bind_output_to_device(logits_name, &MemoryInfo::default())?;
            let outputs = session.run_binding(binding)?;
            last_logits(geometry, &outputs[logits_name], lines.len())?
        };
        for line in lines {
            self.lengths[line.slot] += line.tokens.len();
        }
        if order.is_sorted() {
            return Ok(found);
        }
        let mut logits = vec![0.0; found.len()];
        for (row, n) in found.chunks(geometry.vocabulary).zip(order) {
            logits[n * geometry.vocabulary..][..geometry.vocabulary].copy_from_slice(row);
        }
        Ok(logits)
    }

    pub(super) fn read(&self, geometry: &Geometry, slot: usize, cut: Cut, into: &mut Vec<u8>) {
        for (memory, tensor) in self.memory.iter().zip(&geometry.cache) {
            let row = self.rows[slot] * row_bytes(tensor, self.capacity);
            for range in head_ranges(tensor, self.capacity, cut) {
                let at = into.len();
                into.resize(at + range.len(), 0);
                memory.read(row + range.start, &mut into[at..]);
            }
        }
    }

    /// Puts blocks into an empty slot.
    pub(super) fn fill(&mut self, geometry: &Geometry, slot: usize, blocks: &[&Block]) {
        for block in blocks {
            let begin = self.lengths[slot];
            let cut = Cut {
                begin,
                end: begin + block.tokens,
            };
            self.write(geometry, slot, cut, &block.bytes);
            self.lengths[slot] = cut.end;
        }
    }

    fn write(&mut self, geometry: &Geometry, slot: usize, cut: Cut, mut from: &[u8]) {
        for (memory, tensor) in self.memory.iter_mut().zip(&geometry.cache) {
            let row = self.rows[slot] * row_bytes(tensor, self.capacity);
            for range in head_ranges(tensor, self.capacity, cut) {
                let (now, rest) = from.split_at(range.len());
                memory.write(row + range.start, now);
                from = rest;
            }
        }
    }

    /// Makes the rows of `slots` neighbours; returns the first one.
    fn gather(&mut self, geometry: &Geometry, slots: &[usize]) -> usize {
        let count = slots.len();
        let here = |row: usize, first: usize| (first..first + count).contains(&row);
        // The window that has most of them already; the lowest of several.
        let first = (0..=self.rows.len() - count)
            .max_by_key(|first| {
                let inside = slots.iter().filter(|s| here(self.rows[**s], *first));
                (inside.count(), std::cmp::Reverse(*first))
            })
            .unwrap_or(0);
        for slot in slots {
            if here(self.rows[*slot], first) {
                continue;
            }
            let stranger = (0..self.rows.len())
                .find(|other| here(self.rows[*other], first) && !slots.contains(other));
            if let Some(stranger) = stranger {
                self.swap(geometry, *slot, stranger);
            }
        }
        first
    }

    /// Exchanges the rows of two slots, as far as they are filled.
    fn swap(&mut self, geometry: &Geometry, one: usize, other: usize) {
        let [first, second] = [one, other].map(|slot| {
            let mut bytes = Vec::new();
            let cut = Cut {
                begin: 0,
                end: self.lengths[slot],
            };
            self.read(geometry, slot, cut, &mut bytes);
            (cut, bytes)
        });
        self.rows.swap(one, other);
        self.write(geometry, one, first.0, &first.1);
        self.write(geometry, other, second.0, &second.1);
    }

    fn bind(
        &self,
        session: &Session,
        geometry: &Geometry,
        (first, count): (usize, usize),
    ) -> ort::Result<Window> {
        let mut binding = session.create_binding()?;
        for (memory, tensor) in self.memory.iter().zip(&geometry.cache) {
            let shape = [
                count as i64,
                tensor.heads,
                self.capacity as i64,
                tensor.width,
            ];
            let offset = first * row_bytes(tensor, self.capacity);
            // SAFETY: the binding that holds the tensor is kept in `windows`, which is dropped before
            // `memory`; a session runs only under `&mut self`.
            #[allow(unsafe_code)]
            let mut value =
                unsafe { memory.tensor(offset, &shape, tensor.element, tensor.element_bytes())? };
            binding.bind_input(tensor.past.as_str(), &value)?;
            binding.bind_output(tensor.present.as_str(), &mut value)?;
        }
        let shape = [count, 1, geometry.vocabulary];
        let allocator = Allocator::default();
        let logits = match geometry.logits {
            TensorElementType::Float16 => Tensor::<f16>::new(&allocator, shape)?.into_dyn(),
            _ => Tensor::<f32>::new(&allocator, shape)?.into_dyn(),
        };
        Ok(Window { binding, logits })
    }
}

/// Bytes of one slot in one cache tensor.
fn row_bytes(tensor: &CacheSlot, capacity: usize) -> usize {
    tensor.token_bytes() * capacity
}
