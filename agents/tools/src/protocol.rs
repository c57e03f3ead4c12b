//! What passes between the broker and a tool worker, version 1.
//!
//! A stream socket. Each message is a length (u32, little-endian, at most [`MAX_MESSAGE`]) and that
//! many bytes of JSON. Descriptors that belong to a request travel by `SCM_RIGHTS` with the first
//! byte of its length, at most [`MAX_FDS`]; a response carries none. Requests may be sent before
//! earlier ones are answered; the worker answers them one after another.
//!
//! Both ends trust the other with little: the worker parses what agents wrote, so the broker takes
//! its answers as data of bounded size, and drops the connection on anything malformed.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ToolError;

/// Largest message, in bytes of JSON.
pub(crate) const MAX_MESSAGE: usize = 4 << 20;
/// Most descriptors of one request: a search hands over files by the dozen.
pub(crate) const MAX_FDS: usize = 32;

/// A call, with arguments that the broker has checked and made canonical.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) tool: String,
    pub(crate) arguments: Value,
}

/// What became of the call with the same number: exactly one of `ok` and `error`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Response {
    pub(crate) id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ok: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ToolError>,
}

/// A message ready to be written: length and JSON.
pub(crate) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE {
        return Err(too_long(length));
    }
    bytes[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    Ok(bytes)
}

/// The length of a message from its first four bytes.
pub(crate) fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_MESSAGE {
        Err(too_long(length))
    } else {
        Ok(length)
    }
}

fn too_long(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a message of {length} bytes; the most is {MAX_MESSAGE}"),
    )
}

/// Sends what the socket takes of `bytes`, the descriptors with the first of them.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fits = fds.len() <= MAX_FDS
        && (fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(fds)));
    if !fits {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} descriptors in one message; the most is {MAX_FDS}",
                fds.len()
            ),
        ));
    }
    Ok(rustix::net::sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}

/// Reads the next request and its descriptors; `None` where the broker has closed its end.
pub(crate) fn receive(socket: &UnixStream) -> io::Result<Option<(Request, Vec<OwnedFd>)>> {
    let mut header = [0; 4];
    let mut got = 0;
    let mut fds = Vec::new();
    while got < header.len() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let result = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                socket,
                &mut [IoSliceMut::new(&mut header[got..])],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if result.flags.contains(ReturnFlags::CTRUNC) || fds.len() > MAX_FDS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "too many descriptors came along",
            ));
        }
        match result.bytes {
            0 if got == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            bytes => got += bytes,
        }
    }
    let mut body = vec![0; length(header)?];
    let mut reader = socket;
    reader.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, fds)))
}

/// Writes a response.
pub(crate) fn respond(mut socket: &UnixStream, response: &Response) -> io::Result<()> {
    socket.write_all(&frame(response)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            id: 7,
            tool: "files.read".to_owned(),
            arguments: serde_json::json!({"max_bytes": 1}),
        }
    }

    #[test]
    fn a_request_arrives_with_its_descriptors_however_it_is_cut() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let bytes = frame(&request()).unwrap();
        send(&ours, &bytes[..1], &[file.as_fd()]).unwrap();
        for piece in bytes[1..].chunks(3) {
            send(&ours, piece, &[]).unwrap();
        }
        send(&ours, &frame(&request()).unwrap(), &[]).unwrap();
        drop(ours);
        let (first, fds) = receive(&theirs).unwrap().unwrap();
        assert_eq!((first.id, fds.len()), (7, 1));
        let (_, fds) = receive(&theirs).unwrap().unwrap();
        assert!(fds.is_empty());
        assert!(receive(&theirs).unwrap().is_none());
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        for bytes in [
            &u32::MAX.to_le_bytes()[..],
            &[1, 0],
            &[2, 0, 0, 0, b'{'],
            b"\x02\0\0\0{]",
            b"\x0d\0\0\0{\"id\": \"one\"}",
        ] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(bytes).unwrap();
            drop(ours);
            assert!(receive(&theirs).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn too_much_is_refused_before_it_is_sent() {
        assert!(frame(&"x".repeat(MAX_MESSAGE)).is_err());
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        assert!(send(&ours, b"x", &[file.as_fd(); MAX_FDS + 1]).is_err());
    }
}
