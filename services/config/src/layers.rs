//! One document out of several files: vendor's below the administrator's below the moment's.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, load, read};

/// Reads the files that exist among `paths`, merges them (later over earlier, see [`merge`]) and
/// reads the result as a `T`. `None` if none exists.
///
/// A mistake in any file is reported at its place in that file as far as it is visible there; what
/// only the merged document shows (a missing key) is reported for the last file.
pub fn layered<T: DeserializeOwned>(paths: &[&Path]) -> Result<Option<T>, Error> {
    let present: Vec<&Path> = paths.iter().copied().filter(|p| p.exists()).collect();
    match present[..] {
        [] => Ok(None),
        [only] => load(only).map(Some),
        [.., last] => {
            let mut document = Value::Null;
            for path in &present {
                let text = read(path)?;
                merge(
                    &mut document,
                    crate::parse(&path.display().to_string(), &text)?,
                );
            }
            // Serialised anew, so that the type's own checks and messages apply to the whole.
            let text = document.to_string();
            crate::parse(&last.display().to_string(), &text).map(Some)
        }
    }
}

/// Lays `upper` over `lower`: mappings key by key, everything else (lists too) as a whole; a key
/// set to `null` is taken away.
pub fn merge(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                if value.is_null() {
                    lower.remove(&key);
                } else {
                    merge(lower.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (_, Value::Null) => {}
        (lower, upper) => *lower = upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn upper_wins_key_by_key() {
        let mut d = json!({"a": 1, "m": {"x": 1, "y": 2}, "l": [1, 2]});
        merge(&mut d, json!({"a": 2, "m": {"y": null, "z": 3}, "l": [9]}));
        assert_eq!(d, json!({"a": 2, "m": {"x": 1, "z": 3}, "l": [9]}));
    }
}
