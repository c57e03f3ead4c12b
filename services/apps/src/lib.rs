//! Installed applications: desktop entries read, searched and launched.
//!
//! The launcher and the tools `apps.list` and `apps.launch` share this crate, so that a person and
//! an agent mean the same thing by an application's name. [`entries`] reads what is installed,
//! [`search`] ranks it by what was typed, [`launch`] starts it as a transient unit of the person's
//! supervisor: an application outlives the shell that started it, and its output is in its log.
//!
//! Windows and icons are not this crate's business: an [`App`] only names its icon.

pub mod entries;
pub mod launch;
pub mod search;

pub use entries::{App, list, list_in};
pub use launch::{Error, launch};
pub use search::{find, search};
