//! Made-up model outputs for the tests of this folder: words are tokens, and slots point at words.

use std::ops::Range;

use super::config::Config;
use super::decode::Heads;

/// Where a special token stands.
const SPECIAL: Range<usize> = 0..0;

/// How strongly a made-up slot points.
const STRONG: f32 = 10.0;

pub(super) fn config() -> Config {
    let config: Config = serde_json::from_value(serde_json::json!({
        "tools": ["none", "files.list", "files.search", "files.move", "volume.set", "timer.set", "power.off"],
        "slots": ["path", "destination", "query", "amount", "time"],
        "tool_slots": {
            "files.list": {"path": {"slot": "path", "kind": "path", "required": true}},
            "files.search": {
                "query": {"slot": "query", "kind": "text", "required": true},
                "path": {"slot": "path", "kind": "path"},
            },
            "files.move": {
                "from": {"slot": "path", "kind": "path", "required": true},
                "to": {"slot": "destination", "kind": "path", "required": true},
            },
            "volume.set": {"percent": {"slot": "amount", "kind": "percent", "required": true}},
            "timer.set": {"duration": {"slot": "time", "kind": "duration", "required": true}},
        },
        "max_tokens": 128,
        "temperature": 1.0,
        "act_threshold": 0.8,
        "ask_threshold": 0.4,
    }))
    .unwrap();
    config.check().unwrap();
    config
}

/// Outputs as the graph would give them.
pub(super) struct MadeUp {
    pub tool_logits: Vec<f32>,
    pub start: Vec<f32>,
    pub end: Vec<f32>,
    pub offsets: Vec<Range<usize>>,
    slots: usize,
}

/// The outputs of a model that holds `tool` likely by `logit` and points each slot of `marks` at its
/// words; the others are absent. Tokens are the words of `request`, between two special ones.
pub(super) fn made_up(
    config: &Config,
    request: &str,
    tool: &str,
    logit: f32,
    marks: &[(&str, &str)],
) -> MadeUp {
    let mut offsets = vec![SPECIAL];
    let mut at = 0;
    for word in request.split_whitespace() {
        let begin = at + request[at..].find(word).unwrap();
        at = begin + word.len();
        offsets.push(begin..at);
    }
    offsets.push(SPECIAL);
    let mut made = MadeUp {
        tool_logits: config
            .tools
            .iter()
            .map(|t| if t == tool { logit } else { 0.0 })
            .collect(),
        start: Vec::new(),
        end: Vec::new(),
        offsets,
        slots: config.slots.len(),
    };
    made.reset();
    for (slot, words) in marks {
        made.point(config, slot, request, words);
    }
    made
}

impl MadeUp {
    pub(super) fn heads(&self) -> Heads<'_> {
        Heads {
            tool_logits: &self.tool_logits,
            slot_start: &self.start,
            slot_end: &self.end,
        }
    }

    /// All slots absent.
    fn reset(&mut self) {
        let length = self.offsets.len();
        let row: Vec<f32> = (0..length)
            .map(|i| if i == 0 { STRONG / 2.0 } else { 0.0 })
            .collect();
        self.start = row.repeat(self.slots);
        self.end = row.repeat(self.slots);
    }

    /// Points a slot at the tokens of some words.
    pub(super) fn point(&mut self, config: &Config, slot: &str, request: &str, words: &str) {
        let row = config.slots.iter().position(|s| s == slot).unwrap() * self.offsets.len();
        let begin = request.find(words).unwrap();
        let end = begin + words.len();
        let inside = |o: &Range<usize>| !o.is_empty() && o.start >= begin && o.end <= end;
        let first = self.offsets.iter().position(inside).unwrap();
        let last = self.offsets.iter().rposition(inside).unwrap();
        self.start[row + first] = STRONG;
        self.end[row + last] = STRONG;
    }

    /// Cuts the token of a word after so many characters, as a word-piece tokenizer does.
    pub(super) fn split_word(&mut self, request: &str, word: &str, characters: usize) {
        let begin = request.find(word).unwrap();
        let cut = begin + word.char_indices().nth(characters).unwrap().0;
        let i = self
            .offsets
            .iter()
            .position(|o| o.start == begin && !o.is_empty())
            .unwrap();
        let end = self.offsets[i].end;
        self.offsets[i] = begin..cut;
        self.offsets.insert(i + 1, cut..end);
        self.reset();
    }

    /// Makes each character a token.
    pub(super) fn split_characters(&mut self, request: &str) {
        self.offsets = vec![SPECIAL];
        self.offsets
            .extend(request.char_indices().map(|(i, c)| i..i + c.len_utf8()));
        self.offsets.push(SPECIAL);
        self.reset();
    }
}
