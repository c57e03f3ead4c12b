//! The worker's side: a process without files that works on descriptors it is handed.
//!
//! It is started by the broker inside [`argos_sandbox::Spec::worker`] with one end of a socket pair
//! as fd 3. Before it reads the first request, while it holds nothing of anybody's, it gives up the
//! rest with [`argos_sandbox::seal`]: from then on it can open no file by name, not even beneath a
//! folder it was handed, run nothing and connect to nothing. What a hostile file could make of it
//! is a wrong answer to this one call.
//!
//! One thread, one call after another. It has no time limit of its own; the broker ends it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::protocol::{self, Response};
use crate::{Code, ToolError, tools};

/// Seals the process and serves requests until the broker closes its end.
///
/// # Errors
/// The kernel cannot seal it, or the broker sends something malformed. The process should end.
pub fn serve(socket: &UnixStream) -> io::Result<()> {
    argos_sandbox::seal().map_err(io::Error::other)?;
    while let Some((request, fds)) = protocol::receive(socket)? {
        let result = run(&request.tool, request.arguments, fds);
        let response = match result {
            Ok(value) => Response {
                id: request.id,
                ok: Some(value),
                error: None,
            },
            Err(error) => Response {
                id: request.id,
                ok: None,
                error: Some(error),
            },
        };
        if let Err(error) = protocol::respond(socket, &response) {
            if error.kind() != io::ErrorKind::InvalidData {
                return Err(error);
            }
            let error = ToolError::new(Code::LimitReached, request.tool, "the result is too large");
            protocol::respond(
                socket,
                &Response {
                    id: request.id,
                    ok: None,
                    error: Some(error),
                },
            )?;
        }
    }
    Ok(())
}

fn run(tool: &str, arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    match tools::in_worker(tool) {
        Some(work) => work(arguments, fds),
        None => Err(ToolError::new(
            Code::NotFound,
            format!("run {tool}"),
            "no such tool runs in the worker",
        )),
    }
}
