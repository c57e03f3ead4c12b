//! Every D-Bus interface of ArgOS, declared once.
//!
//! Each module holds one interface: the client proxy (from which the method, signal and property
//! names follow), the types that travel on it, and its documentation. A server implements the
//! interface with `#[zbus::interface(name = "org.argos.Noun1")]` in its own crate and uses the
//! types from here. Services meet over D-Bus only, so this crate is what two services share.
//!
//! Bus names, object paths and interface names follow one pattern: `org.argos.Noun1`,
//! `/org/argos/Noun1`. Caller identity always comes from the connection, never from an argument.
//!
//! Times are milliseconds since the Unix epoch (`*_ms`, unsigned 64 bit). JSON travels as a string
//! only where its shape belongs to somebody else (tool arguments and results, model options).
//!
//! D-Bus hands open files over on Unix only. Elsewhere the methods that take one are not declared:
//! a caller does not compile, and does not fail at run time.

pub mod agent;
pub mod agents;
pub mod ai;
pub mod broker;
pub mod caller;
pub mod compositor;
pub mod devices;
pub mod error;
pub mod init;
pub mod memory;
pub mod network;
pub mod permissions;
pub mod portal;
pub mod power;
pub mod providers;
pub mod recorder;
pub mod sharing;
pub mod shell;
pub mod timers;
pub mod tool_provider;
pub mod tools;

pub use error::{Error, Result};
