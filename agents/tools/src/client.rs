//! The broker's end of a worker: calls go out with open descriptors, results come back.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::{Code, ToolError};

/// A running tool worker, as its client sees it. Cheap to clone; calls may overlap.
///
/// How the process is started is the owner's business: make a socket pair, give one end to
/// `argos-tools worker` as fd 3 inside [`argos_sandbox::Spec::worker`], and the other to
/// [`Worker::new`]. End the process when a call exceeds its time: the worker has no say in that.
#[derive(Debug, Clone)]
pub struct Worker {}

impl Worker {
    /// Takes the broker's end of the socket pair. Needs a running tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        drop(stream);
        Ok(Self {})
    }

    /// Whether the worker's process still holds its end.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        false
    }

    /// Runs one tool in the worker on the open descriptors that come with the call.
    ///
    /// # Errors
    /// What the tool says; `Unavailable` where the worker is gone.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Value,
        fds: Vec<OwnedFd>,
    ) -> Result<Value, ToolError> {
        drop((arguments, fds));
        Err(ToolError::new(
            Code::Unavailable,
            format!("run {tool}"),
            "the worker is being written",
        ))
    }
}
