//! What a graph calls its inputs and outputs: as all exports do, unless `genai_config.json` says otherwise
//! (`model.decoder.inputs` and `outputs`).

use serde_json::Value;

/// How inputs of the cache begin where nobody says otherwise, and the outputs that continue them.
const CACHE: (&str, &str) = ("past_key_values.", "present.");

/// Names of a graph's inputs and outputs. Those that it does not have do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub input_ids: String,
    pub attention_mask: String,
    pub position_ids: String,
    pub logits: String,
    /// Of keys and values: the input, and the output that continues it.
    cache: [(Pattern, Pattern); 2],
}

/// A name with a layer's number in it, which stands between these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(String, String);

impl Default for Names {
    fn default() -> Self {
        let pattern = |begin: &str, end: &str| Pattern(begin.into(), end.into());
        let half = |end: &str| (pattern(CACHE.0, end), pattern(CACHE.1, end));
        Self {
            input_ids: "input_ids".into(),
            attention_mask: "attention_mask".into(),
            position_ids: "position_ids".into(),
            logits: "logits".into(),
            cache: [half(".key"), half(".value")],
        }
    }
}

impl Names {
    /// As the content of a `genai_config.json` has them. An error says what is wrong in it.
    pub(super) fn read(genai: &Value) -> Result<Self, String> {
        let mut names = Self::default();
        let said = |path: &str| genai.pointer(&format!("/model/decoder/{path}"));
        for (path, name) in [
            ("inputs/input_ids", &mut names.input_ids),
            ("inputs/attention_mask", &mut names.attention_mask),
            ("inputs/position_ids", &mut names.position_ids),
            ("outputs/logits", &mut names.logits),
        ] {
            if let Some(said) = said(path).and_then(Value::as_str) {
                said.clone_into(name);
            }
        }
        let [(key_in, key_out), (value_in, value_out)] = &mut names.cache;
        for (path, pattern) in [
            ("inputs/past_key_names", key_in),
            ("inputs/past_value_names", value_in),
            ("outputs/present_key_names", key_out),
            ("outputs/present_value_names", value_out),
        ] {
            if let Some(said) = said(path).and_then(Value::as_str) {
                let (begin, end) = said
                    .split_once("%d")
                    .filter(|(_, end)| !end.contains("%d"))
                    .ok_or_else(|| {
                        format!(
                            "model.decoder.{} is `{}`; expected one %d, where a layer's number stands",
                            path.replace('/', "."),
                            said.escape_debug()
                        )
                    })?;
                *pattern = Pattern(begin.into(), end.into());
            }
        }
        Ok(names)
    }

    /// The output that continues an input of the cache; `None` where the input is none.
    pub(crate) fn present(&self, input: &str) -> Option<String> {
        let layer = |Pattern(begin, end): &Pattern| {
            let layer = input
                .strip_prefix(begin.as_str())?
                .strip_suffix(end.as_str())?;
            let digits = !layer.is_empty() && layer.bytes().all(|b| b.is_ascii_digit());
            digits.then_some(layer)
        };
        let mut known = self.cache.iter();
        known
            .find_map(|(past, Pattern(begin, end))| Some(format!("{begin}{}{end}", layer(past)?)))
            .or_else(|| Some(format!("{}{}", CACHE.1, input.strip_prefix(CACHE.0)?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_the_usual_ones_or_those_that_are_said() {
        let usual = Names::default();
        assert_eq!(
            usual.present("past_key_values.3.key").unwrap(),
            "present.3.key"
        );
        // Of encoders and decoders.
        let inner = usual.present("past_key_values.0.decoder.value").unwrap();
        assert_eq!(inner, "present.0.decoder.value");
        for other in ["input_ids", "past_key_3", "present.3.key"] {
            assert_eq!(usual.present(other), None, "{other}");
        }
        assert_eq!(
            Names::read(&json!({"model": {"decoder": {}}})).unwrap(),
            usual
        );
        let own = Names::read(&json!({"model": {"decoder": {
            "inputs": {"input_ids": "ids", "past_key_names": "k_%d", "past_value_names": "v_%d_in"},
            "outputs": {"logits": "scores", "present_key_names": "%d_k", "present_value_names": "v_%d_out"},
        }}}))
        .unwrap();
        assert_eq!(
            (own.input_ids.as_str(), own.logits.as_str()),
            ("ids", "scores")
        );
        assert_eq!(own.position_ids, "position_ids");
        assert_eq!(own.present("k_12").unwrap(), "12_k");
        assert_eq!(own.present("v_0_in").unwrap(), "v_0_out");
        for other in ["k_", "k_x", "v_0", "k_-1", "v_0_in_"] {
            assert_eq!(own.present(other), None, "{other}");
        }
        for wrong in ["past", "%d.%d"] {
            let config = json!({"model": {"decoder": {"inputs": {"past_key_names": wrong}}}});
            let error = Names::read(&config).unwrap_err();
            assert!(
                error.contains("model.decoder.inputs.past_key_names") && error.contains(wrong),
                "{error}"
            );
        }
    }
}
