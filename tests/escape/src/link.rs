//! Just enough D-Bus to be rude on fd 3, and on a bus: messages are put together by hand, so that a
//! header can say what no library would.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// An argument of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    Text(&'a str),
    Number(u64),
}

/// What a call is addressed to, and what it claims.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Whose object, where there is a bus.
    pub(crate) to: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
    /// Who it says it is, where it lies.
    pub(crate) sender: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// One that an agent may make.
    pub(crate) fn agent(member: &'a str) -> Self {
        Self {
            to: None,
            path: "/org/argos/Agent1",
            interface: "org.argos.Agent1",
            member,
            sender: None,
        }
    }
}

/// An answer: the name of an error, and the texts and numbers in its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) error: Option<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) number: u64,
    to: u32,
}

/// The socket to the broker, or to a bus.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    serial: u32,
}

impl Link {
    /// Takes fd 3 and makes the handshake.
    pub(crate) fn open() -> io::Result<Self> {
        // SAFETY: fd 3 was left there for this program by whoever started it; nothing else uses it.
        let stream = unsafe { UnixStream::from_raw_fd(3) };
        Self::handshake(stream, "ANONYMOUS")
    }

    /// Connects to the bus that listens there.
    pub(crate) fn to_bus(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        let mut link = Self::handshake(stream, &format!("EXTERNAL {user}"))?;
        let hello = Call {
            to: Some("org.freedesktop.DBus"),
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "Hello",
            sender: None,
        };
        link.call(hello, &[])?;
        Ok(link)
    }

    fn handshake(mut stream: UnixStream, how: &str) -> io::Result<Self> {
        stream.write_all(format!("\0AUTH {how}\r\n").as_bytes())?;
        loop {
            let line = line(&mut stream)?;
            if line.starts_with("DATA") {
                stream.write_all(b"DATA\r\n")?;
            } else if line.starts_with("OK") {
                stream.write_all(b"BEGIN\r\n")?;
                return Ok(Self { stream, serial: 0 });
            } else {
                return Err(io::Error::other(format!("the handshake: {line}")));
            }
        }
    }

    /// Calls `Agent1` and waits for the answer.
    pub(crate) fn agent(&mut self, member: &str, arguments: &[Argument<'_>]) -> io::Result<Answer> {
        self.call(Call::agent(member), arguments)
    }

    /// Calls anything and waits for the answer.
    pub(crate) fn call(
        &mut self,
        call: Call<'_>,
        arguments: &[Argument<'_>],
    ) -> io::Result<Answer> {
        let serial = self.send(call, arguments)?;
        loop {
            let answer = self.receive()?;
            if answer.to == serial {
                return Ok(answer);
            }
        }
    }

    /// Calls and does not wait.
    pub(crate) fn send(&mut self, call: Call<'_>, arguments: &[Argument<'_>]) -> io::Result<u32> {
        let bytes = self.message(call, arguments);
        self.stream.write_all(&bytes)?;
        Ok(self.serial)
    }

    /// The same, with descriptors that nobody asked for.
    pub(crate) fn smuggle(&mut self, call: Call<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<u32> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
        let bytes = self.message(call, &[]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(fds));
        let sent = rustix::net::sendmsg(
            self.stream.as_fd(),
            &[io::IoSlice::new(&bytes)],
            &mut control,
            SendFlags::empty(),
        )?;
        self.stream.write_all(&bytes[sent..])?;
        Ok(self.serial)
    }

    fn message(&mut self, call: Call<'_>, arguments: &[Argument<'_>]) -> Vec<u8> {
        self.serial += 1;
        let mut body = Vec::new();
        let mut signature = String::new();
        for argument in arguments {
            match argument {
                Argument::Text(text) => {
                    signature.push('s');
                    string(&mut body, text);
                }
                Argument::Number(number) => {
                    signature.push('t');
                    pad(&mut body, 8);
                    body.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        let mut fields = Vec::new();
        let mut field = |code: u8, kind: u8, text: &str| {
            pad(&mut fields, 8);
            fields.extend_from_slice(&[code, 1, kind, 0]);
            if kind == b'g' {
                fields.push(text.len() as u8);
                fields.extend_from_slice(text.as_bytes());
                fields.push(0);
            } else {
                string(&mut fields, text);
            }
        };
        field(1, b'o', call.path);
        field(2, b's', call.interface);
        field(3, b's', call.member);
        if let Some(to) = call.to {
            field(6, b's', to);
        }
        if let Some(sender) = call.sender {
            field(7, b's', sender);
        }
        if !signature.is_empty() {
            field(8, b'g', &signature);
        }
        let mut bytes = vec![b'l', 1, 0, 1];
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.serial.to_le_bytes());
        bytes.extend_from_slice(&(fields.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&fields);
        pad(&mut bytes, 8);
        bytes.extend_from_slice(&body);
        bytes
    }

    fn receive(&mut self) -> io::Result<Answer> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let word = |at: usize| {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let (body, fields) = (word(4), word(12));
        if body + fields > 1 << 20 {
            return Err(io::Error::other("an answer that is too long"));
        }
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        self.stream.read_exact(&mut rest)?;
        let mut answer = Answer::default();
        let mut signature = String::new();
        let mut at = 0;
        while at < fields {
            at = at.next_multiple_of(8);
            let (code, kind) = (rest[at], rest[at + 2]);
            at += 4;
            match kind {
                b'u' => {
                    if code == 5 {
                        answer.to = number(&rest, at) as u32;
                    }
                    at += 4;
                }
                b'g' => {
                    let length = rest[at] as usize;
                    let text = String::from_utf8_lossy(&rest[at + 1..at + 1 + length]);
                    if code == 8 {
                        signature = text.into_owned();
                    }
                    at += length + 2;
                }
                _ => {
                    let length = number(&rest, at);
                    let text = String::from_utf8_lossy(&rest[at + 4..at + 4 + length]);
                    if code == 4 {
                        answer.error = Some(text.into_owned());
                    }
                    at += 4 + length + 1;
                }
            }
        }
        let body = &rest[fields.next_multiple_of(8)..];
        let mut at = 0_usize;
        for kind in signature.bytes() {
            match kind {
                b's' => {
                    at = at.next_multiple_of(4);
                    let length = number(body, at);
                    let text = String::from_utf8_lossy(&body[at + 4..at + 4 + length]);
                    answer.texts.push(text.into_owned());
                    at += 4 + length + 1;
                }
                b't' => {
                    at = at.next_multiple_of(8);
                    let bytes: [u8; 8] = body[at..at + 8].try_into().map_err(io::Error::other)?;
                    answer.number = u64::from_le_bytes(bytes);
                    at += 8;
                }
                _ => break,
            }
        }
        Ok(answer)
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    pad(bytes, 4);
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
}

fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 512 {
        stream.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
