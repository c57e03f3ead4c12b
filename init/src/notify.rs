//! The notify socket: `READY=1` and `STATUS=` of the `sd_notify` protocol.
//!
//! The kernel says who sent a message; [`process`](crate::process) finds the unit that the sender
//! belongs to. A message from anybody else is dropped. Other fields are accepted and ignored.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Most bytes of a message; sd_notify's own limit is the page size.
const MAX_MESSAGE: usize = 4 << 10;

/// What a process said.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender.
    pub pid: u32,
    /// `READY=1`.
    pub ready: bool,
    /// `STATUS=`.
    pub status: Option<String>,
}

/// The socket.
#[derive(Debug)]
pub struct NotifySocket(UnixDatagram);

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl NotifySocket {
    /// Binds `path`, replacing what is there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_passcred(&socket, true)?;
        // Units of every user write here.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Self(socket))
    }

    /// The next message, if there is one.
    pub fn receive(&self) -> Option<Message> {
        let mut bytes = [0; MAX_MESSAGE];
        let (count, pid) = crate::edge::receive_from(self.0.as_fd(), &mut bytes).ok()?;
        Some(parse(pid, &bytes[..count]))
    }
}

fn parse(pid: u32, bytes: &[u8]) -> Message {
    let mut message = Message {
        pid,
        ..Message::default()
    };
    for line in String::from_utf8_lossy(bytes).lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => message.ready = true,
            Some(("STATUS", text)) => message.status = Some(text.to_owned()),
            _ => {}
        }
    }
    message
}

/// Tells the supervisor above that this one is ready, if there is one that wants to know.
pub fn tell_parent() -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to(b"READY=1\n", Path::new(&path)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_passed_over() {
        let message = parse(
            7,
            b"MAINPID=8\nSTATUS=working=hard\nREADY=1\nnonsense\n\xff",
        );
        let status = Some("working=hard".to_owned());
        assert_eq!(
            message,
            Message {
                pid: 7,
                ready: true,
                status
            }
        );
        assert!(!parse(7, b"READY=0").ready);
        assert!(!parse(7, b"").ready);
    }
}
