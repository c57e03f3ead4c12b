//! The control protocol: how the command line, the bridge, the login and the broker talk to
//! `argos-init`, as PID 1 or as a person's supervisor.
//!
//! A Unix stream socket carries frames; requests go one way, replies the other, in order.
//!
//! ```text
//! version (1 byte) | length of the payload (4 bytes, little endian) | payload (postcard)
//! ```
//!
//! File descriptors travel by `SCM_RIGHTS` with the first byte of the frame that they belong to.
//! A side that receives another version, an over-long or damaged frame closes the connection:
//! there is no way to find the next frame.
//!
//! Version history:
//! * 1: first.
//! * 2: limits have a weight; `Problems`.
//!
//! * [`protocol`]: requests, replies, limits.
//! * [`client`]: the blocking client.
//! * [`server`]: the non-blocking half of a connection that PID 1's loop drives.

pub mod client;
mod credentials;
mod frame;
pub mod protocol;
pub mod server;

pub use argos_units::{TransientUnit, UnitState, UnitStatus};
pub use client::{Client, Error, Events};
pub use frame::FrameError;
pub use protocol::{ErrorCode, Event, Reply, Request};

/// Where PID 1 listens.
pub const SYSTEM_SOCKET: &str = "/run/argos/control";
/// Where a person's supervisor listens, below `$XDG_RUNTIME_DIR`.
pub const USER_SOCKET: &str = "argos/control";
