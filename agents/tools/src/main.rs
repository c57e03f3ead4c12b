//! `argos-tools worker`: the process that runs tools, inside its sandbox. Started by the broker.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::Context as _;

/// Where the broker leaves its socket.
const SOCKET: i32 = 3;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args != ["worker"] {
        eprintln!(
            "usage: argos-tools worker   (started by argos-broker, with a socket as descriptor {SOCKET})"
        );
        return ExitCode::from(2);
    }
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // In one piece: the broker may end this process as soon as its connection is gone.
            let words = format!("argos-tools: {error:#}\n");
            eprint!("{words}");
            ExitCode::from(126)
        }
    }
}

#[allow(unsafe_code)]
fn work() -> anyhow::Result<()> {
    // SAFETY: first thing in the process, so nothing else owns the descriptor; that it is open is
    // checked by looking for its peer before it is used.
    let socket = UnixStream::from(unsafe { OwnedFd::from_raw_fd(SOCKET) });
    socket
        .peer_addr()
        .with_context(|| format!("descriptor {SOCKET} is no connected socket"))?;
    argos_tools::worker::serve(&socket).context("the worker ends")
}
