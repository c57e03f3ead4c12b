//! Embedding vectors, one byte a number.
//!
//! A vector is scaled so that its largest number is 127. The cosine of two vectors changes by well
//! under a hundredth through that, for a quarter of the space. The search is exact: it looks at every
//! vector.

use crate::{Error, Result};

/// First byte of a stored vector: the format.
const FORMAT: u8 = 1;
/// Format, owner's hash.
const HEADER: usize = 1 + 8;

/// Longest vector that is taken, in numbers.
pub const MAX_DIMENSIONS: usize = 4096;

/// The bytes that are stored for a vector of `owner`.
pub(crate) fn encode(vector: &[f32], owner: &str) -> Result<Vec<u8>> {
    let largest = vector.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    if vector.is_empty()
        || vector.len() > MAX_DIMENSIONS
        || largest <= 0.0
        || vector.iter().any(|v| !v.is_finite())
    {
        return Err(Error::Invalid(format!(
            "an embedding has 1 to {MAX_DIMENSIONS} finite numbers that are not all zero"
        )));
    }
    let mut bytes = Vec::with_capacity(HEADER + vector.len());
    bytes.push(FORMAT);
    bytes.extend(owner_hash(owner));
    bytes.extend(
        vector
            .iter()
            .map(|v| (v / largest * 127.0).round() as i8 as u8),
    );
    Ok(bytes)
}

/// A query, ready to be compared.
#[derive(Debug)]
pub(crate) struct Query {
    vector: Vec<f32>,
    owner: Option<[u8; 8]>,
}

impl Query {
    /// For vectors of `owner` only, or of all where it is empty.
    pub(crate) fn new(vector: &[f32], owner: &str) -> Self {
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        let scale = if length > 0.0 && length.is_finite() {
            1.0 / length
        } else {
            0.0
        };
        Self {
            vector: vector.iter().map(|v| v * scale).collect(),
            owner: (!owner.is_empty()).then(|| owner_hash(owner)),
        }
    }

    /// Cosine with a stored vector, -1 to 1; `None` if it is another owner's or of another model.
    pub(crate) fn cosine(&self, stored: &[u8]) -> Option<f32> {
        let (header, numbers) = stored.split_at_checked(HEADER)?;
        if header[0] != FORMAT || numbers.len() != self.vector.len() {
            return None;
        }
        if self.owner.is_some_and(|o| o != header[1..]) {
            return None;
        }
        let (mut product, mut square) = (0.0f32, 0.0f32);
        for (a, b) in self.vector.iter().zip(numbers) {
            let b = f32::from(*b as i8);
            product += a * b;
            square += b * b;
        }
        (square > 0.0).then(|| product / square.sqrt())
    }
}

/// Enough of a hash to skip other owners' vectors; the record itself is looked at in the end.
fn owner_hash(owner: &str) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(owner.as_bytes()).as_bytes()[..8]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn cosine_survives_quantisation(
            a in proptest::collection::vec(-1.0f32..1.0, 384),
            b in proptest::collection::vec(-1.0f32..1.0, 384),
        ) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            let exact = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
            let stored = encode(&a, "x").unwrap();
            let found = Query::new(&b, "x").cosine(&stored).unwrap();
            proptest::prop_assert!((exact - found).abs() < 0.005, "{} {}", exact, found);
        }
    }

    #[test]
    fn other_owners_models_and_nonsense_do_not_match() {
        let stored = encode(&[1.0, 0.0], "a").unwrap();
        assert_eq!(Query::new(&[1.0, 0.0], "").cosine(&stored), Some(1.0));
        assert_eq!(Query::new(&[1.0, 0.0], "b").cosine(&stored), None);
        assert_eq!(Query::new(&[1.0, 0.0, 0.0], "a").cosine(&stored), None);
        assert_eq!(Query::new(&[1.0, 0.0], "a").cosine(&[]), None);
        assert_eq!(Query::new(&[0.0, 0.0], "a").cosine(&stored), Some(0.0));
        assert!(encode(&[0.0, 0.0], "a").is_err());
        assert!(encode(&[f32::NAN], "a").is_err());
        assert!(encode(&[], "a").is_err());
    }
}
