//! Every built-in tool, by name.

use std::collections::BTreeMap;

use crate::{Code, Tool, ToolError};

/// The tools there are.
#[derive(Debug)]
pub struct Catalogue {
    tools: BTreeMap<&'static str, Tool>,
}

impl Catalogue {
    /// The tools that are built in.
    #[must_use]
    pub fn builtin() -> Self {
        Self {
            tools: crate::tools::all()
                .into_iter()
                .map(|tool| (tool.name, tool))
                .collect(),
        }
    }

    /// A tool by its exact name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.tools.get(name)
    }

    /// A tool by its exact name.
    ///
    /// # Errors
    /// `NotFound`, with the names that are near to it.
    pub fn find(&self, name: &str) -> Result<&Tool, ToolError> {
        self.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(64).filter(|c| !c.is_control()).collect();
            let near = self.near(&shown);
            let error = ToolError::new(
                Code::NotFound,
                format!("call {shown:?}"),
                "there is no such tool",
            );
            if near.is_empty() {
                error.hint(format!(
                    "There are: {}",
                    self.names().collect::<Vec<_>>().join(", ")
                ))
            } else {
                error.hint(format!("Did you mean {}?", near.join(" or ")))
            }
        })
    }

    /// All tools, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.tools.values()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.tools.keys().copied()
    }

    fn near(&self, name: &str) -> Vec<&'static str> {
        let mut near: Vec<_> = self
            .names()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(score, _)| *score > 0.8)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.into_iter().take(3).map(|(_, known)| known).collect()
    }
}
