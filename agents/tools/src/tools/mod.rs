//! The tools, one module each.

use crate::Tool;

/// Every built-in tool.
pub(crate) fn all() -> Vec<Tool> {
    Vec::new()
}
