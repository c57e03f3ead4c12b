//! The non-blocking half of a connection, driven by a supervisor's loop.
//!
//! Everything is bounded: what is read ahead, what waits to be written, how many descriptors are
//! held. A peer over a bound is cut off; it can never make PID 1 wait or grow.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags};

use crate::frame::{self, FrameError};
use crate::protocol::{MAX_FDS, MAX_REPLY, MAX_REQUEST, Reply, Request};

/// Most bytes that wait for a slow reader before it is cut off.
pub const MAX_OUTBOX: usize = 8 << 20;

/// Most bytes that are read ahead while a request waits for its answer: one whole request, and what
/// follows it.
const MAX_INBOX: usize = 2 * MAX_REQUEST;

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// Process that connected; it may be gone. 0: outside this PID namespace.
    pub pid: i32,
}

/// Why a connection has to be closed.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The peer went away.
    #[error("the peer closed the connection")]
    Peer,
    /// The peer sent nonsense.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer passed more descriptors than [`MAX_FDS`].
    #[error("more than {MAX_FDS} descriptors were passed")]
    TooManyFds,
    /// The peer sends requests without waiting for answers.
    #[error("the peer sends requests faster than they can be answered")]
    Flood,
    /// The peer does not read what it asked for.
    #[error("the peer does not read its replies")]
    Slow,
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One client of a supervisor.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    inbox: Vec<u8>,
    outbox: VecDeque<u8>,
    fds: VecDeque<OwnedFd>,
    takes_fds: bool,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    /// Takes an accepted socket. Errors: the kernel's, for the credentials or the mode.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let peer = crate::credentials::of_peer(&stream)?;
        Ok(Self {
            stream,
            peer,
            inbox: Vec::new(),
            outbox: VecDeque::new(),
            fds: VecDeque::new(),
            takes_fds: true,
        })
    }

    /// From now on closes descriptors that the peer passes as soon as they arrive, so that it cannot
    /// use up those of this process.
    pub fn refuse_descriptors(&mut self) {
        self.takes_fds = false;
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Reads once, without blocking; call when the socket is readable, then [`Connection::next`]
    /// until it yields nothing. `Ok(false)` if there was nothing. Errors: [`Closed`].
    pub fn receive(&mut self) -> Result<bool, Closed> {
        let mut chunk = [0; 8 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut chunk)],
            &mut control,
            RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
        );
        let received = match received {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
            Err(Errno::CONNRESET) => return Err(Closed::Peer),
            Err(error) => return Err(Closed::Io(error.into())),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds.filter(|_| self.takes_fds));
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) || self.fds.len() > MAX_FDS {
            return Err(Closed::TooManyFds);
        }
        if received.bytes == 0 {
            return Err(Closed::Peer);
        }
        self.inbox.extend_from_slice(&chunk[..received.bytes]);
        // A frame over the limit is refused at its header, so that the inbox stays bounded.
        frame::size(&self.inbox, MAX_REQUEST)?;
        if self.inbox.len() > MAX_INBOX {
            return Err(Closed::Flood);
        }
        Ok(true)
    }

    /// The next whole request, with the descriptors that came with it. Errors: [`Closed::Frame`].
    #[allow(clippy::should_implement_trait)] // It fails, and can be asked again after it had nothing.
    pub fn next(&mut self) -> Result<Option<(Request, Vec<OwnedFd>)>, Closed> {
        let Some(request) = frame::take(&mut self.inbox, MAX_REQUEST)? else {
            return Ok(None);
        };
        let wanted = match &request {
            Request::StartTransient(unit) => unit.fds.len().min(self.fds.len()),
            _ => 0,
        };
        Ok(Some((request, self.fds.drain(..wanted).collect())))
    }

    /// Queues a reply and writes what goes without blocking. Errors: [`Closed`].
    pub fn send(&mut self, reply: &Reply) -> Result<(), Closed> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, reply, MAX_REPLY)?;
        if self.outbox.len() + bytes.len() > MAX_OUTBOX {
            return Err(Closed::Slow);
        }
        self.outbox.extend(bytes);
        self.flush()
    }

    /// Whether something waits for the socket to become writable.
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// How many bytes wait for that.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Writes what goes without blocking. Errors: [`Closed`].
    pub fn flush(&mut self) -> Result<(), Closed> {
        while !self.outbox.is_empty() {
            let (front, _) = self.outbox.as_slices();
            match rustix::net::send(
                &self.stream,
                front,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Closed::Peer),
                Err(error) => return Err(Closed::Io(error.into())),
            }
        }
        Ok(())
    }
}
