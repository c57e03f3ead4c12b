//! What can go wrong while the compositor starts.

use std::path::PathBuf;

use thiserror::Error;

/// One failed step, with what explains it.
#[derive(Debug, Error)]
pub enum Error {
    /// libwayland's replacement could not start.
    #[error("the Wayland display could not be made: {0}")]
    Display(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The event loop failed.
    #[error("the event loop failed: {0}")]
    EventLoop(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No keymap at all.
    #[error("no keyboard layout could be compiled: {0}; is xkb-data installed?")]
    Keyboard(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The public socket.
    #[error(
        "cannot listen on {name} in $XDG_RUNTIME_DIR: {source}; \
         another compositor may run there: stop it or give --socket another name"
    )]
    Socket {
        /// Name of the socket.
        name: String,
        /// Why not.
        source: smithay::reexports::wayland_server::BindError,
    },
    /// The private socket.
    #[error("cannot listen on the private socket {path}: {source}")]
    PrivateSocket {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The greeter.
    #[error(
        "the greeter cannot be started: `{command}`: {source}; is its program installed, and in PATH?"
    )]
    Greeter {
        /// Its program and arguments.
        command: String,
        /// Why not.
        source: std::io::Error,
    },
    /// No seat.
    #[error("no seat: {0}; is seatd running, and is this user in the group seat (or video)?")]
    Seat(String),
    /// No display that works.
    #[error(
        "no graphics device on this seat could be used: {0}; `ls /dev/dri` shows what the kernel found"
    )]
    NoDevice(String),
    /// A step with a device.
    #[error("{what} {device}: {source}")]
    Device {
        /// What was tried.
        what: &'static str,
        /// On which device.
        device: PathBuf,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The renderer.
    #[error("the {renderer} renderer failed: {reason}")]
    Render {
        /// `pixman` or `gles`.
        renderer: &'static str,
        /// Why.
        reason: String,
    },
    /// An output that cannot be what is asked of it.
    #[error("output {output}: {reason}")]
    Output {
        /// Its name.
        output: String,
        /// Why not.
        reason: String,
    },
    /// A display that cannot be given to a program.
    #[error("a display cannot be given away: {0}")]
    Lease(String),
    /// The nested window.
    #[error("no nested window: {0}; is WAYLAND_DISPLAY or DISPLAY set to a running desktop?")]
    Nested(String),
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    pub(crate) fn display(source: impl Into<Cause>) -> Self {
        Self::Display(source.into())
    }

    pub(crate) fn event_loop(source: impl Into<Cause>) -> Self {
        Self::EventLoop(source.into())
    }

    pub(crate) fn keyboard(source: impl Into<Cause>) -> Self {
        Self::Keyboard(source.into())
    }
}
