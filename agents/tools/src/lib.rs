//! The built-in tools of ArgOS: what they are called, what they take, what permission they need,
//! and how they do it.
//!
//! The broker is this crate's user: it knows who calls, holds the grants, asks the person and keeps
//! the audit log. Nothing of that is here. A call goes through three steps:
//!
//! 1. **Check** ([`Tool::check`]): untrusted JSON against limits, the tool's schema and the tool's
//!    own rules. The result is a [`Call`] with canonical arguments, and with the action, the resource
//!    and the plain sentence that a person is asked about. Nothing is opened or done.
//! 2. **Permission**: the broker's, on exactly these strings.
//! 3. **Execute** ([`Call::execute`]): on exactly these strings as well. Tools on files open what was
//!    granted, beneath the grant and through no link ([`open_beneath`]), and hand the descriptor to
//!    a [`Worker`]: a sealed process that reads and writes it and has no files of its own
//!    (`argos-tools worker`, [`worker`]). Tools on services are a call on the bus.
//!
//! To add a tool: a module in `tools` with a `Definition`, a line in `tools::all`.
#![deny(missing_docs)]

mod beneath;
mod catalogue;
mod client;
mod error;
pub mod host;
mod path;
mod protocol;
pub mod provided;
pub mod schema;
mod text;
mod tool;
mod tools;
pub mod worker;

pub use beneath::{Want, open_beneath};
pub use catalogue::Catalogue;
pub use client::Worker;
pub use error::{Code, ToolError};
pub use tool::{Action, Call, Context, Env, Tool, Verdict, execute};
