//! The blocking client.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argos_units::{TransientUnit, UnitStatus};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::frame::{self, FrameError};
use crate::protocol::{ErrorCode, Event, MAX_FDS, MAX_REPLY, MAX_REQUEST, Reply, Request};

/// Why a request got no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("cannot reach the supervisor at {}: {error}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// `$XDG_RUNTIME_DIR` is not set, so that the person's supervisor cannot be found.
    #[error("XDG_RUNTIME_DIR is not set: there is no session here whose supervisor could be asked")]
    NoSession,
    /// The connection broke.
    #[error("the connection to the supervisor broke: {0}")]
    Io(#[from] io::Error),
    /// What was received or would be sent is not part of the protocol.
    #[error("the supervisor and this program do not understand each other: {0}")]
    Frame(#[from] FrameError),
    /// The supervisor refused or failed; the text is for people.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// A reply of the wrong sort.
    #[error("the supervisor gave an answer to another question")]
    Unexpected,
}

impl Error {
    /// The supervisor's own code, if it answered at all.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// Result of a request.
pub type Result<T> = std::result::Result<T, Error>;

/// A connection to a supervisor. Requests are answered in order, one at a time; use one
/// connection a thread.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Client {
    /// PID 1. Errors: [`Error::Connect`].
    pub fn system() -> Result<Self> {
        Self::connect(crate::SYSTEM_SOCKET)
    }

    /// The supervisor of the person whose session this is. Errors: [`Error::NoSession`],
    /// [`Error::Connect`].
    pub fn user() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        Self::connect(PathBuf::from(runtime.ok_or(Error::NoSession)?).join(crate::USER_SOCKET))
    }

    /// A supervisor at `path`. Errors: [`Error::Connect`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Self {
                stream,
                received: Vec::new(),
            }),
            Err(error) => Err(Error::Connect {
                path: path.to_owned(),
                error,
            }),
        }
    }

    /// Gives up on an answer after this long with [`Error::Io`]; the connection is of no use then.
    /// `None` waits without end, as a fresh connection does.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> Result<()> {
        Ok(self.stream.set_read_timeout(timeout)?)
    }

    /// Every unit, ordered by name.
    pub fn status(&mut self) -> Result<Vec<UnitStatus>> {
        match self.ask(&Request::Status, &[])? {
            Reply::Units(units) => Ok(units),
            _ => Err(Error::Unexpected),
        }
    }

    /// One unit. Errors: [`ErrorCode::NotFound`].
    pub fn unit(&mut self, name: &str) -> Result<UnitStatus> {
        match self.ask(
            &Request::Unit {
                name: name.to_owned(),
            },
            &[],
        )? {
            Reply::Units(mut units) if units.len() == 1 => units.pop().ok_or(Error::Unexpected),
            _ => Err(Error::Unexpected),
        }
    }

    /// Starts a unit and what it requires; returns when it is up. Errors: [`ErrorCode::NotFound`],
    /// [`ErrorCode::Denied`], [`ErrorCode::Failed`].
    pub fn start(&mut self, name: &str) -> Result<()> {
        self.done(&Request::Start {
            name: name.to_owned(),
        })
    }

    /// Stops a unit and what requires it; returns when it is down. Errors: as [`Client::start`].
    pub fn stop(&mut self, name: &str) -> Result<()> {
        self.done(&Request::Stop {
            name: name.to_owned(),
        })
    }

    /// Stops it if it runs, then starts it. Errors: as [`Client::start`].
    pub fn restart(&mut self, name: &str) -> Result<()> {
        self.done(&Request::Restart {
            name: name.to_owned(),
        })
    }

    /// The last `lines` lines that a unit printed. Errors: [`ErrorCode::NotFound`].
    pub fn log(&mut self, name: &str, lines: u32) -> Result<Vec<String>> {
        match self.ask(
            &Request::Log {
                name: name.to_owned(),
                lines,
            },
            &[],
        )? {
            Reply::Lines(lines) => Ok(lines),
            _ => Err(Error::Unexpected),
        }
    }

    /// Stops everything in order and switches the machine off; returns when that has begun.
    /// Errors: [`ErrorCode::Denied`].
    pub fn poweroff(&mut self) -> Result<()> {
        self.done(&Request::Poweroff)
    }

    /// Stops everything in order and restarts the machine; returns when that has begun. Errors:
    /// [`ErrorCode::Denied`].
    pub fn reboot(&mut self) -> Result<()> {
        self.done(&Request::Reboot)
    }

    /// Reads the unit files again; returns one line for each unit that had to be left out. Errors:
    /// [`ErrorCode::Denied`], [`ErrorCode::Failed`] (the old units stay).
    pub fn reload(&mut self) -> Result<Vec<String>> {
        match self.ask(&Request::Reload, &[])? {
            Reply::Lines(lines) => Ok(lines),
            _ => Err(Error::Unexpected),
        }
    }

    /// What was wrong with the unit files when they were last read.
    pub fn problems(&mut self) -> Result<Vec<String>> {
        match self.ask(&Request::Problems, &[])? {
            Reply::Lines(lines) => Ok(lines),
            _ => Err(Error::Unexpected),
        }
    }

    /// Starts a unit that exists until it is down; `fds` become the descriptors numbered in
    /// `unit.fds`. Returns when it is up. Errors: [`ErrorCode::Invalid`] (name in use, bad program,
    /// counts that differ), [`ErrorCode::Denied`], [`ErrorCode::Failed`].
    pub fn start_transient(&mut self, unit: TransientUnit, fds: Vec<OwnedFd>) -> Result<()> {
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        match self.ask(&Request::StartTransient(Box::new(unit)), &borrowed)? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Returns when a unit is down or has failed. A unit that is not there counts as down.
    pub fn wait(&mut self, name: &str) -> Result<()> {
        self.done(&Request::Wait {
            name: name.to_owned(),
        })
    }

    /// For the bridge: a bus name got an owner or lost it. Errors: [`ErrorCode::Denied`].
    pub fn bus_name(&mut self, name: &str, present: bool) -> Result<()> {
        self.done(&Request::BusName {
            name: name.to_owned(),
            present,
        })
    }

    /// Turns the connection into a stream of changes, beginning with every unit as it stands.
    pub fn subscribe(mut self) -> Result<Events> {
        self.done(&Request::Subscribe)?;
        Ok(Events {
            client: self,
            failed: false,
        })
    }

    fn done(&mut self, request: &Request) -> Result<()> {
        match self.ask(request, &[])? {
            Reply::Done => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    fn ask(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Reply> {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, request, MAX_REQUEST)?;
        let sent = send_with_fds(&self.stream, &bytes, fds)?;
        self.stream.write_all(&bytes[sent..])?;
        match self.receive()? {
            Reply::Error { code, message } => Err(Error::Refused { code, message }),
            reply => Ok(reply),
        }
    }

    fn receive(&mut self) -> Result<Reply> {
        loop {
            if let Some(reply) = frame::take(&mut self.received, MAX_REPLY)? {
                return Ok(reply);
            }
            let mut chunk = [0; 8 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sends as much of `bytes` as goes, with `fds` beside its first byte.
fn send_with_fds(stream: &UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<usize> {
    if fds.is_empty() {
        return Ok(0);
    }
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if fds.len() > MAX_FDS || !control.push(SendAncillaryMessage::ScmRights(fds)) {
        let message = format!(
            "{} descriptors, but at most {MAX_FDS} can be passed",
            fds.len()
        );
        return Err(Error::Refused {
            code: ErrorCode::Invalid,
            message,
        });
    }
    let slices = [IoSlice::new(bytes)];
    let sent = rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(stream, &slices, &mut control, SendFlags::NOSIGNAL)
    });
    Ok(sent.map_err(io::Error::from)?)
}

/// Changes as they happen; ends after the first error.
#[derive(Debug)]
pub struct Events {
    client: Client,
    failed: bool,
}

impl AsFd for Events {
    /// To poll; a readable descriptor means that [`Events::next`] makes progress.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.stream.as_fd()
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = match self.client.receive() {
            Ok(Reply::Event(event)) => Ok(event),
            Ok(_) => Err(Error::Unexpected),
            Err(error) => Err(error),
        };
        self.failed = event.is_err();
        Some(event)
    }
}
