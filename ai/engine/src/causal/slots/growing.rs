//! Slots of graphs that return their whole cache, longer, from each pass.
//!
//! The sequences of the last pass are *live*: their cache is what the graph returned, `[rows, heads,
//! columns, width]`, and goes into the next pass as it is. All others are *cold*: a copy of their own. A
//! pass over other sequences than the last one cools those down and pads the new ones on the left to one
//! length.

use half::f16;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};

use super::super::geometry::{CacheSlot, Geometry};
use super::{Block, Cut, Line, Row, head_ranges, inputs, last_logits};

/// See the module.
#[derive(Debug)]
pub(super) struct Growing {
    lengths: Vec<usize>,
    /// By slot and cache tensor, `[heads, tokens, width]`; empty where the slot is live or empty.
    cold: Vec<Vec<Vec<u8>>>,
    live: Option<Live>,
}

/// Owner of a row whose sequence has gone.
const NOBODY: usize = usize::MAX;

/// The sequences of the last pass.
#[derive(Debug)]
struct Live {
    /// By row.
    slots: Vec<usize>,
    /// By cache tensor, `[slots, heads, columns, width]`, sequences at the right end.
    tensors: Vec<DynValue>,
    columns: usize,
}

impl Growing {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            lengths: vec![0; slots],
            cold: vec![Vec::new(); slots],
            live: None,
        }
    }

    pub(super) fn length(&self, slot: usize) -> usize {
        self.lengths[slot]
    }

    pub(super) fn clear(&mut self, slot: usize) {
        self.lengths[slot] = 0;
        self.cold[slot] = Vec::new();
        // Its row stays in the live tensors until the next pass, but is nobody's: the slot may hold something
        // else by then.
        if let Some(live) = &mut self.live {
            for owner in live.slots.iter_mut().filter(|s| **s == slot) {
                *owner = NOBODY;
            }
        }
    }

    pub(super) fn run(
        &mut self,
        session: &mut Session,
        geometry: &Geometry,
        lines: &[Line<'_>],
    ) -> ort::Result<Vec<f32>> {
        let slots: Vec<usize> = lines.iter().map(|l| l.slot).collect();
        let live = match self.live.take() {
            Some(live) if live.slots == slots => live,
            other => {
                self.cool(geometry, other)?;
                self.warm(geometry, slots)?
            }
        };
        let rows: Vec<Row<'_>> = lines
            .iter()
            .map(|line| Row {
                tokens: line.tokens,
                past: self.lengths[line.slot],
                padding: live.columns - self.lengths[line.slot],
            })
            .collect();
        let mut feed: Vec<(&str, SessionInputValue<'_>)> = inputs(geometry, &rows)?
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        for (slot, value) in geometry.cache.iter().zip(live.tensors) {
            feed.push((&slot.past, value.into()));
        }
        let mut outputs = session.run(feed)?;
        let logits = last_logits(
            geometry,
            &outputs[geometry.names.logits.as_str()],
            lines.len(),
        )?;
        let tensors = geometry
            .cache
            .iter()
            .map(|slot| {
                let value = outputs.remove(&slot.present);
                value.ok_or_else(|| ort::Error::new(format!("it gave no `{}`", slot.present)))
            })
            .collect::<ort::Result<_>>()?;
        let new = lines.first().map_or(0, |l| l.tokens.len());
        for line in lines {
            self.lengths[line.slot] += new;
        }
        self.live = Some(Live {
            slots: live.slots,
            tensors,
            columns: live.columns + new,
        });
        Ok(logits)
    }

    pub(super) fn read(
        &self,
        geometry: &Geometry,
        slot: usize,
        cut: Cut,
        into: &mut Vec<u8>,
    ) -> ort::Result<()> {
        if cut.tokens() == 0 {
            return Ok(());
        }
        let row = self
            .live
            .as_ref()
            .and_then(|live| Some((live, live.slots.iter().position(|s| *s == slot)?)));
        for (n, tensor) in geometry.cache.iter().enumerate() {
            if let Some((live, row)) = row {
                let padding = live.columns - self.lengths[slot];
                let moved = Cut {
                    begin: cut.begin + padding,
                    end: cut.end + padding,
                };
                let start = row * live.columns * tensor.token_bytes();
                for range in head_ranges(tensor, live.columns, moved) {
                    append(&live.tensors[n], start + range.start, range.len(), into)?;
                }
            } else {
                for range in head_ranges(tensor, self.lengths[slot], cut) {
                    into.extend_from_slice(&self.cold[slot][n][range]);
                }
            }
        }
        Ok(())
    }

    /// Puts blocks into an empty slot.
    pub(super) fn fill(&mut self, geometry: &Geometry, slot: usize, blocks: &[&Block]) {
        let length: usize = blocks.iter().map(|b| b.tokens).sum();
        let mut offsets = vec![0; blocks.len()];
        self.cold[slot] = geometry
            .cache
            .iter()
            .map(|tensor| {
                let mut bytes = Vec::with_capacity(length * tensor.token_bytes());
                let head_bytes = tensor.token_bytes() / tensor.heads as usize;
                for head in 0..tensor.heads as usize {
                    for (block, offset) in blocks.iter().zip(&offsets) {
                        let part = block.tokens * head_bytes;
                        bytes.extend_from_slice(&block.bytes[offset + head * part..][..part]);
                    }
                }
                for (block, offset) in blocks.iter().zip(&mut offsets) {
                    *offset += block.tokens * tensor.token_bytes();
                }
                bytes
            })
            .collect();
        self.lengths[slot] = length;
    }

    /// Gives each live sequence a copy of its own.
    fn cool(&mut self, geometry: &Geometry, live: Option<Live>) -> ort::Result<()> {
        let Some(live) = live else { return Ok(()) };
        let slots = live.slots.clone();
        self.live = Some(live);
        for slot in slots.into_iter().filter(|s| *s != NOBODY) {
            let length = self.lengths[slot];
            let cut = Cut {
                begin: 0,
                end: length,
            };
            let mut bytes = Vec::new();
            self.read(geometry, slot, cut, &mut bytes)?;
            let block = Block {
                tokens: length,
                bytes: bytes.into(),
            };
            self.fill(geometry, slot, &[&block]);
        }
        self.live = None;
        Ok(())
    }

    /// Puts the cold `slots` side by side.
    fn warm(&mut self, geometry: &Geometry, slots: Vec<usize>) -> ort::Result<Live> {
        let columns = slots.iter().map(|s| self.lengths[*s]).max().unwrap_or(0);
        let mut tensors = Vec::with_capacity(geometry.cache.len());
        for (n, tensor) in geometry.cache.iter().enumerate() {
            let row = columns * tensor.token_bytes();
            let mut bytes = vec![0; slots.len() * row];
            for (line, slot) in bytes.chunks_mut(row.max(1)).zip(&slots) {
                let length = self.lengths[*slot];
                let moved = Cut {
                    begin: columns - length,
                    end: columns,
                };
                let mut from = self.cold[*slot].get(n).map_or(&[][..], Vec::as_slice);
                for range in head_ranges(tensor, columns, moved) {
                    let (now, rest) = from.split_at(range.len());
                    line[range].copy_from_slice(now);
                    from = rest;
                }
            }
            tensors.push(value(tensor, slots.len(), columns, &bytes)?);
        }
        for slot in &slots {
            self.cold[*slot] = Vec::new();
        }
        Ok(Live {
            slots,
            tensors,
            columns,
        })
    }
}

/// A cache tensor `[rows, heads, columns, width]` of these bytes.
fn value(tensor: &CacheSlot, rows: usize, columns: usize, bytes: &[u8]) -> ort::Result<DynValue> {
    let shape = [rows as i64, tensor.heads, columns as i64, tensor.width];
    if columns == 0 {
        // `from_array` takes no dimension of length zero.
        let allocator = ort::memory::Allocator::default();
        let empty = ort::value::DynTensor::new(&allocator, tensor.element, shape)?;
        return Ok(empty.into_dyn());
    }
    if tensor.element == TensorElementType::Float16 {
        let numbers: Vec<f16> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f16::from_ne_bytes(*b))
            .collect();
        Tensor::from_array((shape, numbers)).map(Tensor::into_dyn)
    } else {
        let numbers: Vec<f32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_ne_bytes(*b))
            .collect();
        Tensor::from_array((shape, numbers)).map(Tensor::into_dyn)
    }
}

/// Appends a byte range of a tensor.
fn append(value: &DynValue, start: usize, length: usize, into: &mut Vec<u8>) -> ort::Result<()> {
    if let Ok((_, numbers)) = value.try_extract_tensor::<f32>() {
        let part = &numbers[start / 4..(start + length) / 4];
        into.extend(part.iter().flat_map(|n| n.to_ne_bytes()));
    } else {
        let (_, numbers) = value.try_extract_tensor::<f16>()?;
        let part = &numbers[start / 2..(start + length) / 2];
        into.extend(part.iter().flat_map(|n| n.to_ne_bytes()));
    }
    Ok(())
}
