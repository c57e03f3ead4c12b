//! Where a value stands, for those who find that it is wrong only after it was read.

use serde::{Deserialize, Deserializer, de::IgnoredAny};

use crate::Position;

/// Takes the place of any value in a type that is read from a file, and says where the value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub Position);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<IgnoredAny>::deserialize(deserializer)?;
        let at = spanned.referenced;
        Ok(Self(Position {
            line: at.line().max(1),
            column: at.column().max(1),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn values_of_every_kind_have_their_line() {
        let text = "a: 1\nb:\n  - x\nc: {d: e}\nf: text\n";
        let places: BTreeMap<String, Place> = crate::parse("t", text).unwrap();
        let lines: Vec<_> = places.values().map(|place| place.0.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
    }
}
