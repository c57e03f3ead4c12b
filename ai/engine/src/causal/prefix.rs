//! The prefix cache: what was computed for the beginning of one prompt serves the next one.
//!
//! Caches are kept in blocks of [`BLOCK`] tokens, each known by its tokens and by the block before it, so
//! that a prompt finds its longest beginning by walking down. Blocks belong to an *owner*: requests of
//! different owners never share, not even by how long they take. Bounded in bytes; the blocks that were
//! not used for longest go first, the end of a prompt before its beginning.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::slots::Block;

/// Tokens a block. What is left of a prompt after its last known block is computed again, so a long block
/// makes a repeated prompt dear; a short one costs a map's entry for fewer tokens.
pub(super) const BLOCK: usize = 16;

/// Whose requests may share what was computed. Chosen by the caller: a user, an agent.
pub type Owner = u64;

/// A block by what leads to it. Exact: no hash stands for tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    owner: Owner,
    /// The block before it; 0 for the first.
    parent: u64,
    tokens: Box<[u32]>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    used: u64,
    block: Arc<Block>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PrefixCache {
    limit: usize,
    bytes: usize,
    ids: u64,
    clock: u64,
    entries: HashMap<Key, Entry>,
    /// By last use, oldest first.
    ages: BTreeMap<u64, Key>,
}

impl PrefixCache {
    /// `limit` in bytes; 0 keeps nothing.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            ids: 0,
            clock: 0,
            entries: HashMap::new(),
            ages: BTreeMap::new(),
        }
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The longest known beginning of `tokens`, in blocks.
    pub(super) fn find(&mut self, owner: Owner, tokens: &[u32]) -> Vec<Arc<Block>> {
        let (mut keys, mut blocks, mut parent) = (Vec::new(), Vec::new(), 0);
        for part in tokens.chunks_exact(BLOCK) {
            let key = Key {
                owner,
                parent,
                tokens: part.into(),
            };
            let Some(entry) = self.entries.get(&key) else {
                break;
            };
            parent = entry.id;
            blocks.push(Arc::clone(&entry.block));
            keys.push(key);
        }
        self.touch(keys);
        blocks
    }

    /// Keeps the blocks of `tokens` that are not known yet; `export` gives the cache of a range of them.
    pub(super) fn keep<E>(
        &mut self,
        owner: Owner,
        tokens: &[u32],
        mut export: impl FnMut(usize, usize) -> Result<Block, E>,
    ) -> Result<(), E> {
        let (mut keys, mut parent) = (Vec::new(), 0);
        for (n, part) in tokens.chunks_exact(BLOCK).enumerate() {
            let key = Key {
                owner,
                parent,
                tokens: part.into(),
            };
            if let Some(entry) = self.entries.get(&key) {
                parent = entry.id;
            } else {
                let block = export(n * BLOCK, (n + 1) * BLOCK)?;
                // A beginning that does not fit as a whole would throw out its own first blocks.
                if (keys.len() + 1) * block.bytes.len() > self.limit {
                    break;
                }
                self.ids += 1;
                self.clock += 1;
                self.bytes += block.bytes.len();
                let entry = Entry {
                    id: self.ids,
                    used: self.clock,
                    block: Arc::new(block),
                };
                self.ages.insert(self.clock, key.clone());
                self.entries.insert(key.clone(), entry);
                parent = self.ids;
            }
            keys.push(key);
        }
        self.touch(keys);
        self.shrink();
        Ok(())
    }

    /// Forgets everything of an owner.
    pub(super) fn forget(&mut self, owner: Owner) {
        let gone: Vec<u64> = self
            .ages
            .iter()
            .filter(|(_, k)| k.owner == owner)
            .map(|(age, _)| *age)
            .collect();
        for age in gone {
            self.remove(age);
        }
    }

    /// Marks a chain as used, its beginning last, so that the end goes first.
    fn touch(&mut self, keys: Vec<Key>) {
        for key in keys.into_iter().rev() {
            self.clock += 1;
            if let Some(entry) = self.entries.get_mut(&key) {
                self.ages.remove(&entry.used);
                entry.used = self.clock;
                self.ages.insert(self.clock, key);
            }
        }
    }

    fn shrink(&mut self) {
        while self.bytes > self.limit {
            let Some((&oldest, _)) = self.ages.first_key_value() else {
                break;
            };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, age: u64) {
        if let Some(entry) = self.ages.remove(&age).and_then(|k| self.entries.remove(&k)) {
            self.bytes -= entry.block.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(cache: &mut PrefixCache, owner: Owner, tokens: &[u32]) {
        let export = |begin: usize, end: usize| {
            Ok::<_, ()>(Block {
                tokens: end - begin,
                bytes: tokens[begin..end].iter().map(|t| *t as u8).collect(),
            })
        };
        cache.keep(owner, tokens, export).unwrap();
    }

    fn sequence(seed: u32, length: u32) -> Vec<u32> {
        (0..length).map(|n| n * 7 + seed).collect()
    }

    #[test]
    fn longest_beginning_is_found_and_owners_do_not_share() {
        let mut cache = PrefixCache::new(1 << 20);
        let tokens = sequence(1, 3 * BLOCK as u32 + 8);
        keep(&mut cache, 1, &tokens);
        assert_eq!(cache.find(1, &tokens).len(), 3);
        assert_eq!(cache.find(2, &tokens).len(), 0);
        let mut other = tokens.clone();
        other[2 * BLOCK + 2] += 1;
        assert_eq!(cache.find(1, &other).len(), 2);
        assert_eq!(cache.find(1, &tokens[1..]).len(), 0);
        assert_eq!(cache.find(1, &tokens[..BLOCK - 1]).len(), 0);
        cache.forget(1);
        assert_eq!((cache.find(1, &tokens).len(), cache.bytes()), (0, 0));
    }

    #[test]
    fn oldest_goes_first_and_ends_before_beginnings() {
        // Four blocks with a byte a token.
        let mut cache = PrefixCache::new(4 * BLOCK);
        let two = 2 * BLOCK as u32;
        let (first, second) = (sequence(1, two), sequence(2, two));
        keep(&mut cache, 1, &first);
        keep(&mut cache, 1, &second);
        cache.find(1, &first);
        keep(&mut cache, 1, &sequence(3, BLOCK as u32));
        assert_eq!(cache.find(1, &second).len(), 1);
        assert_eq!(cache.find(1, &first).len(), 2);
        // Longer than everything together: its beginning is kept.
        let long = sequence(4, 10 * BLOCK as u32);
        keep(&mut cache, 1, &long);
        assert_eq!(cache.find(1, &long).len(), 4);
        let mut none = PrefixCache::new(0);
        keep(&mut none, 1, &long);
        assert_eq!(none.find(1, &long).len(), 0);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Keep(Owner, u32, u32),
        Find(Owner, u32, u32),
        Forget(Owner),
    }

    fn op() -> impl proptest::strategy::Strategy<Value = Op> {
        use proptest::prelude::*;
        prop_oneof![
            (0u64..3, 0u32..4, 0u32..400).prop_map(|(o, s, l)| Op::Keep(o, s, l)),
            (0u64..3, 0u32..4, 0u32..400).prop_map(|(o, s, l)| Op::Find(o, s, l)),
            (0u64..3).prop_map(Op::Forget),
        ]
    }

    proptest::proptest! {
        #[test]
        fn bounded_and_true_whatever_happens(ops in proptest::collection::vec(op(), 0..60)) {
            let mut cache = PrefixCache::new(9 * BLOCK);
            for op in ops {
                match op {
                    Op::Keep(owner, seed, length) => keep(&mut cache, owner, &sequence(seed, length)),
                    Op::Find(owner, seed, length) => {
                        let tokens = sequence(seed, length);
                        for (n, block) in cache.find(owner, &tokens).iter().enumerate() {
                            let expected: Box<[u8]> =
                                tokens[n * BLOCK..][..BLOCK].iter().map(|t| *t as u8).collect();
                            proptest::prop_assert_eq!(&block.bytes, &expected);
                        }
                    }
                    Op::Forget(owner) => cache.forget(owner),
                }
                let sum: usize = cache.entries.values().map(|e| e.block.bytes.len()).sum();
                proptest::prop_assert_eq!(sum, cache.bytes);
                proptest::prop_assert!(cache.bytes <= cache.limit);
                proptest::prop_assert_eq!(cache.ages.len(), cache.entries.len());
                for (age, key) in &cache.ages {
                    proptest::prop_assert_eq!(cache.entries[key].used, *age);
                }
            }
        }
    }
}
