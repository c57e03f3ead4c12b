//! The names of a graph's columns.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Result, folder};

/// Most labels; vocabularies of CTC models have up to some ten thousands.
const MAX_LABELS: usize = 1 << 18;

/// Reads `file` in `folder`: lines in the order of the columns, or JSON, a list or an object of label to
/// column (as `vocab.json` of the tokenizers).
pub(super) fn read(folder: &Path, file: &str) -> Result<Vec<String>> {
    let path = folder::inside(folder, "labels", file)?;
    let text = folder::text(folder, file)?
        .ok_or_else(|| folder::unusable(&path, "the file that `labels` names is missing"))?;
    let labels = if path.extension().is_some_and(|e| e == "json") {
        from_json(&text)
    } else {
        Ok(text
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect())
    };
    let labels: Vec<String> = labels.map_err(|e| folder::unusable(&path, e))?;
    if labels.is_empty() || labels.len() > MAX_LABELS {
        let reason = format!("{} labels; expected 1 to {MAX_LABELS}", labels.len());
        return Err(folder::unusable(&path, reason));
    }
    Ok(labels)
}

fn from_json(text: &str) -> std::result::Result<Vec<String>, String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Labels {
        List(Vec<String>),
        Columns(BTreeMap<String, usize>),
    }
    match serde_json::from_str(text).map_err(|e| e.to_string())? {
        Labels::List(list) => Ok(list),
        Labels::Columns(columns) => {
            let mut labels = vec![None; columns.len()];
            for (label, column) in columns {
                let there = labels.len();
                match labels.get_mut(column) {
                    Some(slot @ None) => *slot = Some(label),
                    Some(Some(other)) => {
                        return Err(format!("`{label}` and `{other}` are both column {column}"));
                    }
                    None => {
                        return Err(format!(
                            "`{label}` is column {column}, there are {there} labels"
                        ));
                    }
                }
            }
            Ok(labels.into_iter().flatten().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(file: &str, text: &str) -> std::result::Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("labels.txt"), "a\r\n\nb\n").unwrap();
        std::fs::write(dir.path().join("vocab.json"), text).unwrap();
        read(dir.path(), file).map_err(|e| e.to_string())
    }

    #[test]
    fn lines_lists_and_objects() {
        assert_eq!(labels("labels.txt", "").unwrap(), ["a", "", "b"]);
        assert_eq!(labels("vocab.json", r#"["x", "y"]"#).unwrap(), ["x", "y"]);
        assert_eq!(
            labels("vocab.json", r#"{"y": 1, "|": 0}"#).unwrap(),
            ["|", "y"]
        );
    }

    #[test]
    fn broken_ones_say_why() {
        let refused = |file, text| labels(file, text).unwrap_err();
        assert!(refused("nowhere.txt", "").contains("is missing"));
        assert!(refused("../labels.txt", "").contains("outside"));
        assert!(refused("vocab.json", "[]").contains("0 labels"));
        assert!(refused("vocab.json", "{").contains("vocab.json"));
        assert!(refused("vocab.json", r#"{"a": 0, "b": 0}"#).contains("both column 0"));
        assert!(
            refused("vocab.json", r#"{"a": 0, "b": 4294967296}"#).contains("column 4294967296")
        );
    }
}
