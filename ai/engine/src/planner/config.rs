//! `planner.json`: which tools and slots the graph's outputs stand for, and how sure is sure.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::values::Kind;
use crate::{Error, Result};

/// The tool that stands for "none of them".
pub const NONE: &str = "none";

/// The largest `planner.json` that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// `planner.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// Tool of each `tool_logits` column, [`NONE`] among them.
    pub tools: Vec<String>,
    /// Generic slot of each `slot_start` and `slot_end` row.
    pub slots: Vec<String>,
    /// For each tool its arguments and the slot each is read from.
    pub tool_slots: BTreeMap<String, BTreeMap<String, Argument>>,
    /// Longest input in tokens, special tokens included.
    pub max_tokens: usize,
    /// Divides the tool logits, so that their softmax is a calibrated probability.
    pub temperature: f32,
    /// From this confidence on a call is proposed: the probability of the tool times those of its arguments.
    pub act_threshold: f32,
    /// From this tool probability on the person is asked whether that is meant.
    pub ask_threshold: f32,
    /// The same for tools that change something, where an act that was not meant does harm. Absent: the same
    /// for all.
    #[serde(default)]
    pub effects: Option<Effects>,
}

/// How sure is sure for tools that change something.
#[derive(Debug, Clone, Deserialize)]
pub struct Effects {
    /// Tools that only look. All other trained tools change something.
    pub harmless: Vec<String>,
    /// As [`Config::act_threshold`].
    pub act_threshold: f32,
    /// Those of the others that only add something, which can be taken away again. Absent: the same for them.
    #[serde(default)]
    pub adding: Option<Adding>,
}

/// How sure is sure for tools that add something.
#[derive(Debug, Clone, Deserialize)]
pub struct Adding {
    /// These tools.
    pub tools: Vec<String>,
    /// As [`Config::act_threshold`].
    pub act_threshold: f32,
}

impl Effects {
    fn act_threshold(&self, tool: &str) -> f32 {
        match &self.adding {
            Some(adding) if adding.tools.iter().any(|t| t == tool) => adding.act_threshold,
            _ => self.act_threshold,
        }
    }
}

/// One argument of a tool.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Argument {
    /// Generic slot that it is read from.
    pub slot: String,
    /// What its value is.
    pub kind: Kind,
    /// Whether the tool cannot be called without it.
    #[serde(default)]
    pub required: bool,
}

impl Config {
    /// Reads and checks `planner.json` in `folder`.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("planner.json");
        let unusable = |reason: String| Error::Model {
            path: path.clone(),
            reason,
        };
        let bytes = crate::folder::read(&path, MAX_BYTES).map_err(|e| unusable(e.to_string()))?;
        let config: Self = serde_json::from_slice(&bytes).map_err(|e| unusable(e.to_string()))?;
        config.check().map_err(unusable)?;
        Ok(config)
    }

    /// From which confidence on a tool is called.
    pub fn act_threshold(&self, tool: &str) -> f32 {
        match &self.effects {
            Some(effects) if self.changes_something(tool) => effects.act_threshold(tool),
            _ => self.act_threshold,
        }
    }

    /// Whether a tool is known to do more than to look.
    pub(super) fn changes_something(&self, tool: &str) -> bool {
        let effects = self.effects.as_ref();
        effects.is_some_and(|effects| !effects.harmless.iter().any(|t| t == tool))
    }

    /// What is inconsistent, if anything.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for (names, what) in [(&self.tools, "tools"), (&self.slots, "slots")] {
            let unique: std::collections::BTreeSet<_> = names.iter().collect();
            if unique.len() != names.len() {
                return Err(format!("{what} names something twice"));
            }
        }
        if !self.tools.iter().any(|t| t == NONE) {
            return Err(format!("tools has no `{NONE}`"));
        }
        for (tool, arguments) in &self.tool_slots {
            if !self.tools.contains(tool) {
                return Err(format!("tool_slots names `{tool}`, which is not in tools"));
            }
            for (name, argument) in arguments {
                if !self.slots.contains(&argument.slot) {
                    return Err(format!(
                        "{tool}.{name} is read from slot `{}`, which is not in slots",
                        argument.slot
                    ));
                }
            }
        }
        let effects = self.effects.as_ref();
        let adding = effects.and_then(|e| e.adding.as_ref());
        let thresholds = [
            self.act_threshold,
            self.ask_threshold,
            effects.map_or(0.0, |e| e.act_threshold),
            adding.map_or(0.0, |a| a.act_threshold),
        ];
        if !thresholds.iter().all(|t| (0.0..=1.0).contains(t)) {
            return Err("thresholds must be probabilities".into());
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err("temperature must be above 0".into());
        }
        if !(4..=8192).contains(&self.max_tokens) {
            return Err("max_tokens must be within 4 and 8192".into());
        }
        Ok(())
    }
}
