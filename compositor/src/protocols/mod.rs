//! Protocols that smithay does not carry, for tools that belong to the desktop rather than to one
//! window.
//!
//! | module | protocol | for |
//! |---|---|---|
//! | [`screencopy`] | `wlr-screencopy-unstable-v1` | pictures of the screen |
//! | [`image_copy`] | `ext-image-copy-capture-v1`, `ext-image-capture-source-v1` | recording the screen |
//! | [`capture`] | what both have in common | |
//! | [`toplevels`] | `wlr-foreign-toplevel-management-unstable-v1` | taskbars |
//! | [`workspaces`] | `ext-workspace-v1` | pagers |
//! | [`heads`] | `wlr-output-management-unstable-v1` | modes, scale and place of outputs |
//! | [`power`] | `wlr-output-power-management-unstable-v1` | dark screens |
//! | [`gamma`] | `wlr-gamma-control-unstable-v1` | warmer colours at night |
//! | [`extensions`] | | who may use these, and when they tell of changes |

pub(crate) mod capture;
pub(crate) mod extensions;
pub(crate) mod gamma;
pub(crate) mod heads;
pub(crate) mod image_copy;
pub(crate) mod power;
pub(crate) mod screencopy;
pub(crate) mod toplevels;
pub(crate) mod workspaces;
