//! The wire: requests written by hand, answers thrown away.

use std::{
    collections::VecDeque,
    ffi::CStr,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::{
    fs::MemfdFlags,
    net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
};

/// The display's own object.
pub const DISPLAY: u32 = 1;
const REGISTRY: u32 = 2;
/// The first number of as many events is remembered.
const MEMORABLE: usize = 32;
/// As much is sent at once.
const FULL: usize = 4096;
/// Longest time that a write may wait for the compositor.
const PATIENCE: Duration = Duration::from_millis(500);

/// One argument.
#[derive(Debug, Clone, Copy)]
pub enum Arg<'a> {
    /// An unsigned number, an object, a new object.
    U(u32),
    /// A signed number, or one with a fixed point.
    I(i32),
    /// A text.
    S(&'a str),
    /// Bytes.
    A(&'a [u8]),
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    socket: UnixStream,
    next: u32,
    globals: Vec<(u32, String, u32)>,
    out: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    /// What was read and not looked at.
    input: Vec<u8>,
    heard: Vec<u32>,
    /// Why the compositor is about to hang up.
    error: Option<String>,
}

fn gone(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, what.to_owned())
}

fn word(bytes: &[u8], at: usize) -> io::Result<u32> {
    let bytes = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    bytes
        .map(u32::from_ne_bytes)
        .ok_or_else(|| gone("an event is too short"))
}

/// What an event of the registry says: name, interface, version.
fn global(body: &[u8]) -> io::Result<(u32, String, u32)> {
    let length = word(body, 4)? as usize;
    let text = body.get(8..8 + length);
    let text = text.ok_or_else(|| gone("a global's name is too short"))?;
    let text = CStr::from_bytes_with_nul(text).map_err(io::Error::other)?;
    let version = word(body, 8 + length.next_multiple_of(4))?;
    Ok((word(body, 0)?, text.to_string_lossy().into_owned(), version))
}

/// A request's bytes.
pub fn encode(object: u32, opcode: u16, args: &[Arg<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    let put = |body: &mut Vec<u8>, bytes: &[u8], zero: bool| {
        let length = bytes.len() + usize::from(zero);
        body.extend((length as u32).to_ne_bytes());
        body.extend(bytes);
        body.resize(body.len() - bytes.len() + length.next_multiple_of(4), 0);
    };
    for arg in args {
        match arg {
            Arg::U(number) => body.extend(number.to_ne_bytes()),
            Arg::I(number) => body.extend(number.to_ne_bytes()),
            Arg::S(text) => put(&mut body, text.as_bytes(), true),
            Arg::A(bytes) => put(&mut body, bytes, false),
        }
    }
    let mut bytes = object.to_ne_bytes().to_vec();
    let size = (body.len() + 8) as u32;
    bytes.extend((size << 16 | u32::from(opcode)).to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// Memory of that size without content, as buffers are made of.
///
/// # Errors
/// When there is no such memory.
pub fn memory(size: u64) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("buffer", MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&fd, size)?;
    Ok(fd)
}

impl Wire {
    /// Connects and asks for the globals.
    fn start(socket: UnixStream) -> io::Result<Self> {
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut wire = Self {
            socket,
            next: REGISTRY + 1,
            globals: Vec::new(),
            out: Vec::new(),
            fds: VecDeque::new(),
            input: Vec::new(),
            heard: Vec::new(),
            error: None,
        };
        wire.send(DISPLAY, 1, &[Arg::U(REGISTRY)])?;
        Ok(wire)
    }

    /// Connects and learns of the globals.
    ///
    /// # Errors
    /// When the compositor hangs up.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        let mut wire = Self::start(socket)?;
        let done = wire.make(DISPLAY, 0, &[])?;
        wire.flush()?;
        loop {
            while let Some((object, body)) = wire.event() {
                if object == done {
                    return Ok(wire);
                }
                if object == REGISTRY {
                    wire.globals.push(global(&body)?);
                }
            }
            wire.receive(RecvFlags::empty())?;
        }
    }

    /// Another connection to the same compositor, whose globals are known.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn again(&self, socket: UnixStream) -> io::Result<Self> {
        let mut wire = Self::start(socket)?;
        wire.globals.clone_from(&self.globals);
        Ok(wire)
    }

    /// The first numbers of the last events.
    pub fn heard(&self) -> &[u32] {
        &self.heard
    }

    /// The number of an object that is going to be made.
    pub fn id(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// Binds a global, if it is offered; to a number that means nothing otherwise.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn bind(&mut self, interface: &str) -> io::Result<Option<u32>> {
        let found = self.globals.iter().find(|(_, name, _)| name == interface);
        let Some((name, version)) = found.map(|(name, _, version)| (*name, *version)) else {
            return Ok(None);
        };
        let id = self.id();
        let args = [Arg::U(name), Arg::S(interface), Arg::U(version), Arg::U(id)];
        self.send(REGISTRY, 0, &args)?;
        Ok(Some(id))
    }

    /// Makes an object by a request whose first argument is its number.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn make(&mut self, object: u32, opcode: u16, rest: &[Arg<'_>]) -> io::Result<u32> {
        let id = self.id();
        let args: Vec<_> = std::iter::once(Arg::U(id))
            .chain(rest.iter().copied())
            .collect();
        self.send(object, opcode, &args)?;
        Ok(id)
    }

    /// Sends a request, together with others.
    ///
    /// # Errors
    /// When the compositor hung up, or reads nothing for a while.
    pub fn send(&mut self, object: u32, opcode: u16, args: &[Arg<'_>]) -> io::Result<()> {
        self.out.extend(encode(object, opcode, args));
        if self.out.len() >= FULL {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends a descriptor along with the next requests.
    pub fn pass(&mut self, fd: OwnedFd) {
        self.fds.push_back(fd);
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.extend(bytes);
        self.flush()
    }

    /// Sends what is waiting.
    ///
    /// # Errors
    /// When the compositor hung up, or reads nothing for a while.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            let fds: Vec<_> = self.fds.drain(..self.fds.len().min(28)).collect();
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(28))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !borrowed.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(&borrowed));
            }
            let sent = rustix::net::sendmsg(
                &self.socket,
                &[IoSlice::new(&self.out)],
                &mut control,
                SendFlags::NOSIGNAL,
            )?;
            self.out.drain(..sent);
        }
        Ok(())
    }

    /// Reads what there is and throws it away.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn drain(&mut self) -> io::Result<()> {
        self.flush()?;
        loop {
            match self.receive(RecvFlags::DONTWAIT) {
                Ok(()) => while self.event().is_some() {},
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the first event of an object, and returns the first number in it.
    ///
    /// # Errors
    /// When the compositor hung up, or says nothing of the object for long.
    pub fn hears_of(&mut self, object: u32) -> io::Result<u32> {
        self.flush()?;
        loop {
            while let Some((of, body)) = self.event() {
                if of == object {
                    return word(&body, 0);
                }
            }
            self.receive(RecvFlags::empty())?;
        }
    }

    /// Waits as long for the compositor as a client does that means no harm.
    ///
    /// # Errors
    /// When the socket is none any more.
    pub fn be_patient(&mut self) -> io::Result<()> {
        self.socket
            .set_write_timeout(Some(Duration::from_secs(60)))?;
        self.socket.set_read_timeout(Some(Duration::from_secs(60)))
    }

    /// Waits until the compositor has done all that it was asked.
    ///
    /// # Errors
    /// When the compositor hung up.
    pub fn roundtrip(&mut self) -> io::Result<()> {
        let done = self.make(DISPLAY, 0, &[])?;
        self.hears_of(done)?;
        Ok(())
    }

    /// Waits until the compositor hangs up, and returns the error that it said before.
    ///
    /// # Errors
    /// When it does not, or says nothing.
    pub fn refusal(mut self) -> io::Result<String> {
        // What it does not take any more does not matter.
        let _ = self.make(DISPLAY, 0, &[]).and_then(|_| self.flush());
        loop {
            while self.event().is_some() {}
            if let Some(error) = self.error.take() {
                return Ok(error);
            }
            self.receive(RecvFlags::empty())?;
        }
    }

    fn receive(&mut self, flags: RecvFlags) -> io::Result<()> {
        let mut bytes = [0; 16384];
        let (_, count) = rustix::net::recv(&self.socket, &mut bytes, flags)?;
        if count == 0 {
            return Err(gone("the compositor hung up"));
        }
        self.input.extend(&bytes[..count]);
        Ok(())
    }

    /// The next whole event that was read: its object and what it says.
    fn event(&mut self) -> Option<(u32, Vec<u8>)> {
        let (object, second) = (word(&self.input, 0).ok()?, word(&self.input, 4).ok()?);
        let (size, opcode) = ((second >> 16) as usize, second & 0xffff);
        let size = size.max(8);
        if self.input.len() < size {
            return None;
        }
        let body = self.input[8..size].to_vec();
        self.input.drain(..size);
        if (object, opcode) == (DISPLAY, 0) {
            let text = body
                .get(12..)
                .and_then(|text| CStr::from_bytes_until_nul(text).ok());
            self.error = text.map(|text| text.to_string_lossy().into_owned());
        }
        // What the registry says is known otherwise.
        if object != REGISTRY
            && let Ok(first) = word(&body, 0)
        {
            if self.heard.len() >= MEMORABLE {
                self.heard.remove(0);
            }
            self.heard.push(first);
        }
        Some((object, body))
    }
}
