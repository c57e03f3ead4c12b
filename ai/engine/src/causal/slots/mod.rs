//! KV slots: where the cache of each running sequence lies, and how the graph runs over several at once.
//!
//! A [`Runner`] owns the session and a fixed number of slots. A sequence lives in one slot; a *pass* runs
//! the graph over some of them: either one sequence with many new tokens (prefill) or several with one new
//! token each (batched decode). The two kinds of graphs keep their caches differently:
//!
//! * [`shared`]: graphs that append in place; rows of one piece of memory;
//! * [`growing`]: graphs that return a longer copy; sequences of different lengths are padded on the left.
//!
//! What a slot holds can be taken out as [`Block`]s and put into another one, of this or a later run of
//! the same model: prefix reuse and parking are made of that.

mod growing;
mod memory;
mod shared;

use ort::session::Session;
use ort::value::{DynValue, Tensor};

use super::geometry::{CACHE_BRANCH, CacheSlot, Geometry};
use crate::{Error, Result};
use growing::Growing;
use shared::Shared;

/// One sequence's part of a pass: its new tokens, which follow those that its slot holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub slot: usize,
    pub tokens: &'a [u32],
}

/// Cached keys and values of neighbouring tokens of one sequence. Exact: putting it back continues as if
/// it had never been taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub tokens: usize,
    /// For each cache tensor `[heads, tokens, width]`, one after the other.
    pub bytes: Box<[u8]>,
}

/// A range of a sequence's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    begin: usize,
    end: usize,
}

impl Cut {
    fn tokens(self) -> usize {
        self.end - self.begin
    }
}

#[derive(Debug)]
enum Store {
    Shared(Shared),
    Growing(Growing),
}

/// A session and the slots it runs over.
#[derive(Debug)]
pub(super) struct Runner {
    name: String,
    // Before the session: bindings refer to it.
    store: Store,
    geometry: Geometry,
    session: Session,
    slots: usize,
}

impl Runner {
    /// `capacity` is the longest sequence in tokens.
    pub(super) fn new(
        name: String,
        session: Session,
        geometry: Geometry,
        slots: usize,
        capacity: usize,
    ) -> Result<Self> {
        let store = if geometry.in_place {
            let shared = Shared::new(&geometry, slots, capacity);
            Store::Shared(shared.ok_or_else(|| Error::Inference {
                model: name.clone(),
                step: "reserving its cache",
                reason: format!("{slots} sequences of {capacity} tokens are too many"),
            })?)
        } else {
            Store::Growing(Growing::new(slots))
        };
        Ok(Self {
            name,
            store,
            geometry,
            session,
            slots,
        })
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn vocabulary(&self) -> usize {
        self.geometry.vocabulary
    }

    /// Whether several sequences can take a token each in one pass.
    pub(super) fn batches(&self) -> bool {
        // Left padding moves tokens away from where a graph without position_ids thinks they are.
        self.geometry.in_place || (self.geometry.position_ids && self.geometry.attention_mask)
    }

    /// Tokens that the slot holds.
    pub(super) fn length(&self, slot: usize) -> usize {
        match &self.store {
            Store::Shared(s) => s.length(slot),
            Store::Growing(g) => g.length(slot),
        }
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self, slot: usize) -> usize {
        self.length(slot)
            .saturating_mul(self.geometry.token_bytes())
    }

    /// Forgets what the slot holds.
    pub(super) fn clear(&mut self, slot: usize) {
        match &mut self.store {
            Store::Shared(s) => s.clear(slot),
            Store::Growing(g) => g.clear(slot),
        }
    }

    /// Takes a copy of the tokens `begin..end` of a slot.
    pub(super) fn export(&self, slot: usize, begin: usize, end: usize) -> Result<Block> {
        let cut = Cut {
            begin,
            end: end.min(self.length(slot)),
        };
        let mut bytes = Vec::with_capacity(cut.tokens() * self.geometry.token_bytes());
        match &self.store {
            Store::Shared(s) => s.read(&self.geometry, slot, cut, &mut bytes),
            Store::Growing(g) => g
                .read(&self.geometry, slot, cut, &mut bytes)
                .map_err(|e| self.failed("copying its cache", &e))?,
        }
        Ok(Block {
            tokens: cut.tokens(),
            bytes: bytes.into(),
        })
    }

    /// Fills an empty slot with blocks, the first tokens first.
    pub(super) fn import(&mut self, slot: usize, blocks: &[&Block]) {
        debug_assert_eq!(self.length(slot), 0, "only an empty slot is filled");
        match &mut self.store {
            Store::Shared(s) => s.fill(&self.geometry, slot, blocks),
            Store::Growing(g) => g.fill(&self.geometry, slot, blocks),
        }
    }

    /// Runs the graph. Returns the logits of each line's last token: `lines.len() * vocabulary` numbers.
    ///
    /// There is one line, or each has one token. After an error the slots of the lines are empty: what
    /// they held can no longer be trusted.
    pub(super) fn run(&mut self, lines: &[Line<'_>]) -> Result<Vec<f32>> {
        debug_assert!(lines.len() == 1 || lines.iter().all(|l| l.tokens.len() == 1));
        let result = match &mut self.store {
            Store::Shared(s) => s.run(&mut self.session, &self.geometry, lines),
            Store::Growing(g) => g.run(&mut self.session, &self.geometry, lines),
        };
        result.map_err(|e| {
            for line in lines {
                self.clear(line.slot);
            }
            self.failed("running", &e)
        })
    }

    fn failed(&self, step: &'static str, reason: &dyn std::fmt::Display) -> Error {
        Error::inference(&self.name, step, reason)
    }
}

/// One row of a pass, as the graph sees it.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    tokens: &'a [u32],
    /// Tokens in the cache.
    past: usize,
    /// Columns of the cache in front of them that hold nothing.
    padding: usize,
}

/// The inputs of a pass but for the cache, all rows of one width.
fn inputs<'g>(geometry: &'g Geometry, rows: &[Row<'_>]) -> ort::Result<Vec<(&'g str, DynValue)>> {
    let count = rows.len();
    let width = rows.first().map_or(0, |r| r.tokens.len());
    let tensor = |width: usize, values: Vec<i64>| {
        Tensor::from_array(([count, width], values)).map(Tensor::into_dyn)
    };
    let ids = rows
        .iter()
        .flat_map(|r| r.tokens.iter().map(|t| i64::from(*t)))
        .collect();
    let names = &geometry.names;
    let mut inputs = vec![(names.input_ids.as_str(), tensor(width, ids)?)];
    if geometry.attention_mask {
        let total = |r: &Row<'_>| r.padding + r.past + r.tokens.len();
        let widest = rows.iter().map(total).max().unwrap_or(0);
        let mut mask = vec![0; count * widest];
        for (row, line) in rows.iter().zip(mask.chunks_mut(widest.max(1))) {
            line[row.padding..total(row)].fill(1);
        }
        inputs.push((names.attention_mask.as_str(), tensor(widest, mask)?));
    }
    if geometry.position_ids {
        let positions = rows
            .iter()
            .flat_map(|r| r.past as i64..(r.past + r.tokens.len()) as i64)
            .collect();
        inputs.push((names.position_ids.as_str(), tensor(width, positions)?));
    }
    if geometry.keeps_logits {
        let keep = Tensor::from_array((Vec::<i64>::new(), vec![1i64]))?;
        inputs.push(("num_logits_to_keep", keep.into_dyn()));
    }
    if geometry.cache_branch {
        let there = rows.iter().any(|r| r.padding + r.past > 0);
        inputs.push((
            CACHE_BRANCH,
            Tensor::from_array(([1usize], vec![there]))?.into_dyn(),
        ));
    }
    Ok(inputs)
}

/// The logits of each row's last token, in full precision.
fn last_logits(geometry: &Geometry, value: &DynValue, rows: usize) -> ort::Result<Vec<f32>> {
    let vocabulary = geometry.vocabulary;
    let mut found = Vec::with_capacity(rows * vocabulary);
    let wrong = |length: usize| {
        ort::Error::new(format!(
            "it gave {length} logits, expected a multiple of {rows} times {vocabulary}"
        ))
    };
    // [rows, tokens or 1, vocabulary]
    if let Ok((_, values)) = value.try_extract_tensor::<f32>() {
        for part in parts(values, rows, vocabulary).ok_or_else(|| wrong(values.len()))? {
            found.extend_from_slice(part);
        }
    } else {
        let (_, values) = value.try_extract_tensor::<half::f16>()?;
        for part in parts(values, rows, vocabulary).ok_or_else(|| wrong(values.len()))? {
            found.extend(part.iter().map(|v| v.to_f32()));
        }
    }
    Ok(found)
}

/// The last `vocabulary` values of each of `rows` equal parts.
fn parts<T>(values: &[T], rows: usize, vocabulary: usize) -> Option<impl Iterator<Item = &[T]>> {
    let part = values.len() / rows.max(1);
    let fits = part > 0 && part.is_multiple_of(vocabulary) && part * rows == values.len();
    fits.then(|| values.chunks(part).map(move |p| &p[part - vocabulary..]))
}

/// Bytes of `cut` in a slot's part of one cache tensor that lies as `[heads, columns, width]`.
fn head_ranges(
    tensor: &CacheSlot,
    columns: usize,
    cut: Cut,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let token = tensor.token_bytes() / tensor.heads as usize;
    (0..tensor.heads as usize).map(move |head| {
        let start = (head * columns + cut.begin) * token;
        start..start + cut.tokens() * token
    })
}
