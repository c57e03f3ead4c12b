//! What a language model takes of memory, known before it is loaded: weights, what passes need besides, and the
//! caches of its slots.

use std::path::Path;

use super::names::Names;
use crate::graph::{self, Summary};
use crate::{Result, session};

/// What passes need besides caches and logits, in bytes.
const PASS: u64 = 64 << 20;

/// Memory of a model in bytes, as its graph tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Without any slot: weights as the runtime keeps them, and what passes need.
    pub base: u64,
    /// At most while it is loaded.
    pub loading: u64,
    /// A token of a slot's cache, which a graph that returns a longer one each time has in memory twice meanwhile.
    /// `None` where the graph does not tell.
    token: Option<u64>,
}

impl Cost {
    /// Of the graph in `file`, which `chunk` tokens of a prompt go through at once.
    pub(crate) fn of(file: &Path, summary: &Summary, names: &Names, chunk: usize) -> Self {
        let bytes = summary.bytes(file);
        let caches = if summary.shares_cache() { 1 } else { 2 };
        // What classifiers call logits is small.
        let logits = match summary.caches(names).next() {
            Some(_) => summary.logits_bytes(names, chunk as u64),
            None => 0,
        };
        Self {
            base: graph::packed(bytes.all())
                .saturating_add(PASS)
                .saturating_add(logits),
            loading: bytes.loading(),
            token: summary
                .cache_token_bytes(names)
                .map(|bytes| bytes.saturating_mul(caches)),
        }
    }

    /// A slot whose cache is full with `context` tokens.
    pub(crate) fn slot(&self, context: usize) -> Option<u64> {
        Some(self.token?.saturating_mul(context as u64))
    }

    /// Fails where it does not fit into what is `free` with `more` bytes. `None`: nobody knows what is free.
    pub(super) fn check(&self, name: &str, more: u64, free: Option<u64>) -> Result<()> {
        let needed = self.base.saturating_add(more).max(self.loading);
        session::has_room(name, needed, free)
    }

    /// How many slots of `slot` bytes fit into half of what the weights leave of what is `free`: the other half is
    /// for whatever else the machine does. One has to fit.
    pub(super) fn slots(
        &self,
        name: &str,
        slot: u64,
        wanted: usize,
        free: Option<u64>,
    ) -> Result<usize> {
        self.check(name, slot, free)?;
        let Some(free) = free else {
            return Ok(wanted.max(1));
        };
        let fit = free.saturating_sub(self.base) / 2 / slot.max(1);
        Ok(usize::try_from(fit)
            .unwrap_or(usize::MAX)
            .clamp(1, wanted.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn slots_fit_into_what_is_free() {
        // 900 MiB of weights and 64 more.
        let cost = Cost {
            base: 964 << 20,
            loading: 0,
            token: None,
        };
        let slots = |free| cost.slots("m", 1 << 20, 8, free);
        assert!(matches!(
            slots(Some(900 << 20)),
            Err(Error::Memory { needed, .. }) if needed == (900 + 64 + 1) << 20
        ));
        assert_eq!(slots(Some(970 << 20)).unwrap(), 3);
        assert_eq!(slots(Some(965 << 20)).unwrap(), 1);
        assert_eq!(slots(Some(4 << 30)).unwrap(), 8);
        assert_eq!(cost.slots("m", 1 << 40, 8, None).unwrap(), 8);
    }

    /// Graphs of a folder that hold nothing but their size, and the cost of each.
    fn costs(model: &str, graph: &str, change: impl Fn(&mut Summary)) -> [Cost; 2] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
        let mut summary = Summary::clone(&graph::summary(&folder.join(model).join(graph)).unwrap());
        change(&mut summary);
        let empty = tempfile::tempdir().unwrap();
        let [one, other] = ["one.onnx", "other.onnx"].map(|name| empty.path().join(name));
        std::fs::File::create(&one)
            .unwrap()
            .set_len(800 << 20)
            .unwrap();
        // Of another variant, and none of this one's business.
        std::fs::File::create(empty.path().join("other.bin"))
            .unwrap()
            .set_len(7 << 30)
            .unwrap();
        std::fs::File::create(&other).unwrap();
        [one, other].map(|file| Cost::of(&file, &summary, &Names::default(), 256))
    }

    #[test]
    fn each_graph_costs_what_it_needs_itself() {
        let [inside, empty] = costs("lm", "model.onnx", |_| {});
        // Logits of 256 tokens, 98 numbers of four bytes each.
        let logits = 256 * 98 * 4;
        assert_eq!(empty.base, (64 << 20) + logits);
        assert_eq!(inside.base, (900 << 20) + empty.base);
        assert_eq!(inside.loading, 1200 << 20);
        // Its cache is copied in each pass.
        assert_eq!(inside.slot(100), Some(2 * 100 * 256));

        let [beside, _] = costs("lm", "model.onnx", |summary| {
            summary.external_files.insert("other.bin".into(), 1);
        });
        assert_eq!(beside.loading, (7 << 30) + (1200 << 20));
        assert_eq!(beside.base, inside.base + (7 << 30) + (7 << 27));

        // Logits of the last token alone; the cache stays where it is.
        let [_, pruned] = costs("lm-gqa", "decoder.onnx", |_| {});
        assert_eq!(pruned.base, (64 << 20) + 98 * 4);
        assert_eq!(pruned.slot(100), Some(100 * 512));
        let [_, told] = costs("lm-int8", "model_quantized.onnx", |_| {});
        assert_eq!(told.base, pruned.base);
        // The size that Qwen's vocabularies have, of all tokens, in half precision.
        let [_, large] = costs("lm-gqa", "decoder.onnx", |summary| {
            let logits = summary.outputs.iter_mut().find(|o| o.name == "logits");
            let logits = logits.unwrap();
            logits.element = 10;
            logits.shape = vec![None, None, Some(151_936)];
        });
        assert_eq!(large.base, (64 << 20) + 256 * 151_936 * 6);
    }

    #[test]
    fn loading_may_take_more_than_being_there() {
        let cost = Cost {
            base: 964 << 20,
            loading: 1200 << 20,
            token: None,
        };
        let error = cost.check("m", 1 << 20, Some(1100 << 20)).unwrap_err();
        assert!(
            matches!(error, Error::Memory { needed, .. } if needed == 1200 << 20),
            "{error}"
        );
        cost.check("m", 1 << 20, Some(1200 << 20)).unwrap();
    }
}
