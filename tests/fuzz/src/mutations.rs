//! Inputs that are a little different from one that was kept, the same ones in each run: what a machine without
//! libFuzzer can try.

/// Numbers that programs stumble over.
const WORDS: [u32; 8] = [
    0,
    1,
    0x7f,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

/// So many inputs like `data`. The same seed gives the same ones.
pub fn mutations(data: &[u8], seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..count).map(move |_| {
        let mut bytes = data.to_vec();
        for _ in 0..=dice.below(6) {
            let (at, other) = (dice.below(bytes.len()), dice.below(bytes.len()));
            let length = dice.below(32).min(bytes.len() - at.min(bytes.len()));
            match dice.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
                1 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
                2 if at + 4 <= bytes.len() => {
                    let word = WORDS[dice.below(WORDS.len())];
                    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
                }
                3 => drop(bytes.drain(at..at + length)),
                4 => {
                    let part = bytes[at..at + length].to_vec();
                    bytes.splice(other..other, part);
                }
                _ => bytes.truncate(bytes.len().max(1) - dice.below(8).min(bytes.len())),
            }
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs_again_and_they_differ() {
        for data in [&b""[..], b"a", b"settings: [1, 2, 3]\nmore: text\n"] {
            let of = |seed| mutations(data, seed, 200).collect::<Vec<_>>();
            assert_eq!(of(7), of(7));
            if data.len() > 4 {
                let other = of(7).iter().filter(|bytes| *bytes != data).count();
                assert!(other > 150, "{other}");
                assert_ne!(of(7), of(8));
            }
        }
    }
}
