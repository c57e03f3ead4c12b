//! The broker's end of an agent's socket, with limits below the protocol.
//!
//! What comes through it is written by somebody who is not trusted, so the limits hold before zbus
//! allocates or parses anything: a message's length is read from its first 16 bytes and checked, a
//! handshake may take only so many bytes, messages are taken at a bounded pace (the agent is slowed
//! down by its full socket), and descriptors are never accepted.
//!
//! zbus gives every call a task of its own and has no bound for them. So calls are counted here:
//! nothing more is read while [`MAX_OPEN`] of them are without an answer, and an answer counts as
//! given when it is written, not before. What one agent can make the broker hold is therefore
//! `MAX_OPEN` messages and their answers, whatever it sends and whether or not it reads. One that
//! does not read its answers is cut off after [`WRITE_TIME`]. Each call is answered, also where the
//! caller does not want that (the D-Bus specification leaves it to the callee), since only an
//! answer shows that a call is over.

use std::fmt::Display;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zbus::Message;
use zbus::connection::AuthMechanism;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::message::Type;

/// Longest message an agent may send, in bytes, headers included.
pub const MAX_MESSAGE: usize = 256 << 10;
/// Most bytes of the handshake before the first message.
const MAX_HANDSHAKE: usize = 16 << 10;
/// Messages taken in one go, and after that per second.
const BURST: f64 = 64.0;
const PER_SECOND: f64 = 100.0;
/// Calls of one agent that may be without an answer. More than it can have use for: one
/// `NextMessage`, one plan and a few tool calls are all that may wait for long.
pub const MAX_OPEN: usize = 16;
/// Longest time an agent may take to read one answer.
pub const WRITE_TIME: Duration = Duration::from_secs(10);
/// Bytes that are read at once where a message begins.
const AT_ONCE: usize = 1024;
/// The fixed part of a D-Bus header.
const PRIMARY_HEADER: usize = 16;
/// In it: the type of a message that is a call, and the flag of one that wants no answer.
const METHOD_CALL: u8 = 1;
const NO_REPLY_EXPECTED: u8 = 1;

/// Why a connection was ended from this side, once it was.
#[derive(Debug, Clone, Default)]
pub struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// What the other side did wrong, if that is why.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Says why; whoever calls this ends the connection.
    pub(crate) fn set(&self, reason: impl Display) {
        // The first fault is the reason; what follows from it is not.
        let _ = self.0.set(reason.to_string());
    }
}

/// What the two halves of one socket share.
#[derive(Debug)]
struct Shared {
    fault: Fault,
    /// One permit for each call that may still be taken. Closed when the agent is cut off.
    open: Semaphore,
}

/// A connected stream to one agent.
#[derive(Debug)]
pub struct AgentSocket {
    stream: UnixStream,
    shared: Arc<Shared>,
}

impl AgentSocket {
    /// Takes over the broker's end of a socket pair. Needs a running Tokio runtime.
    ///
    /// # Errors
    /// The descriptor is no stream socket or cannot be watched.
    pub fn new(end: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(end);
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            shared: Arc::new(Shared {
                fault: Fault::default(),
                open: Semaphore::new(MAX_OPEN),
            }),
        })
    }

    /// Tells, afterwards, what the other side did wrong.
    pub fn fault(&self) -> Fault {
        self.shared.fault.clone()
    }
}

impl Socket for AgentSocket {
    type ReadHalf = LimitedReader;
    type WriteHalf = Writer;

    fn split(self) -> Split<LimitedReader, Writer> {
        let (read, write) = self.stream.into_split();
        let reader = LimitedReader {
            inner: Reader {
                stream: read,
                handshake: Some(Handshake::new()),
            },
            pace: Pace::new(Instant::now()),
            shared: Arc::clone(&self.shared),
        };
        let writer = Writer {
            stream: write,
            shared: self.shared,
        };
        Split::new(reader, writer)
    }
}

/// Checks each message before it is read.
#[derive(Debug)]
pub struct LimitedReader {
    inner: Reader,
    pace: Pace,
    shared: Arc<Shared>,
}

#[async_trait]
impl ReadHalf for LimitedReader {
    async fn receive_message(
        &mut self,
        seq: u64,
        already_received_bytes: &mut Vec<u8>,
        already_received_fds: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        self.inner.handshake = None;
        let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let place = self.shared.open.acquire().await.map_err(|_| cut_off())?;
        if let Some(wait) = self.pace.take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        while already_received_bytes.len() < PRIMARY_HEADER {
            // What comes along beyond a header is most often the rest of a small message.
            let mut part = [0; AT_ONCE];
            let (read, _) = self.inner.recvmsg(&mut part).await?;
            if read == 0 {
                return Err(cut_off().into());
            }
            already_received_bytes.extend_from_slice(&part[..read]);
        }
        check_length(already_received_bytes).inspect_err(|e| self.shared.fault.set(e))?;
        if already_received_bytes[1] == METHOD_CALL {
            already_received_bytes[2] &= !NO_REPLY_EXPECTED;
            // Given back by the writer, with the answer.
            place.forget();
        }
        self.inner
            .receive_message(seq, already_received_bytes, already_received_fds)
            .await
            .inspect_err(|e| match e {
                // Gone, or gone in the middle of a message: that is an end, not a fault.
                zbus::Error::InputOutput(_) => {}
                e => self
                    .shared
                    .fault
                    .set(format_args!("a malformed message: {e}")),
            })
    }

    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        self.inner.recvmsg(buffer).await
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::Anonymous
    }
}

/// Whether the message that begins with these bytes is one that is read at all.
fn check_length(header: &[u8]) -> io::Result<()> {
    let number = |at: usize| -> usize {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let n = if header[0] == b'B' {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        };
        n as usize
    };
    let refused = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if !matches!(header[0], b'l' | b'B') {
        return refused("not a D-Bus message".to_owned());
    }
    let total = number(4)
        .saturating_add(number(12))
        .saturating_add(PRIMARY_HEADER);
    if total > MAX_MESSAGE {
        return refused(format!(
            "a message of {total} bytes; the limit is {MAX_MESSAGE}"
        ));
    }
    Ok(())
}

/// The bytes themselves.
#[derive(Debug)]
struct Reader {
    stream: OwnedReadHalf,
    /// What of the handshake is watched; none once it is over.
    handshake: Option<Handshake>,
}

/// The handshake as far as it came. zbus takes for granted that its lines are not empty.
#[derive(Debug)]
struct Handshake {
    /// Bytes that it may still take.
    left: usize,
    /// The line that is coming in; none after `BEGIN`, where messages may follow at once.
    line: Option<Vec<u8>>,
}

impl Handshake {
    fn new() -> Self {
        Self {
            left: MAX_HANDSHAKE,
            line: Some(Vec::new()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wrong = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        match self.left.checked_sub(bytes.len()) {
            Some(left) => self.left = left,
            None => return wrong("the handshake does not end"),
        }
        for byte in bytes {
            let Some(line) = &mut self.line else { break };
            if *byte != b'\n' {
                line.push(*byte);
            } else if line.last() != Some(&b'\r') {
                return wrong("a line of the handshake has no end as it should be");
            } else if line == b"BEGIN\r" {
                self.line = None;
            } else {
                line.clear();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        // An ordinary read drops descriptors that were sent along.
        let read = self.stream.read(buffer).await?;
        if let Some(handshake) = &mut self.handshake {
            handshake.take(&buffer[..read])?;
        }
        Ok((read, Vec::new()))
    }

    fn auth_mechanism(&self) -> AuthMechanism {
        AuthMechanism::Anonymous
    }
}

/// The half that is written to.
#[derive(Debug)]
pub struct Writer {
    stream: OwnedWriteHalf,
    shared: Arc<Shared>,
}

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        let writing = self.stream.write_all(message.data());
        let written = tokio::time::timeout(WRITE_TIME, writing).await;
        if matches!(message.message_type(), Type::MethodReturn | Type::Error) {
            // Also where it could not be written: nobody waits for it any more, and the reader has
            // to get on to see why.
            self.shared.open.add_permits(1);
        }
        match written {
            Ok(written) => Ok(written?),
            Err(_) => Err(self.cut_off().into()),
        }
    }

    async fn sendmsg(&mut self, buffer: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.stream.write(buffer).await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

impl Writer {
    /// Ends both directions: half an answer stands in the socket, so nothing can follow it.
    fn cut_off(&self) -> io::Error {
        let reason = format!("it did not read an answer for {} s", WRITE_TIME.as_secs());
        self.shared.fault.set(&reason);
        self.shared.open.close();
        // It may be gone already, which is as good.
        let _ = rustix::net::shutdown(self.stream.as_ref(), Shutdown::Both);
        io::Error::new(io::ErrorKind::TimedOut, reason)
    }
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Pace {
    burst: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self::with(BURST, PER_SECOND, now)
    }

    /// `burst` at once, then `per_second`.
    pub(crate) fn with(burst: f64, per_second: f64, now: Instant) -> Self {
        Self {
            burst,
            per_second,
            tokens: burst,
            at: now,
        }
    }

    /// Takes one token, into debt if need be; how long to wait until the debt is paid.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Duration> {
        self.refill(now);
        self.tokens -= 1.0;
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / self.per_second))
    }

    /// Takes one token if there is one.
    pub(crate) fn try_take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let there = self.tokens >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_in_both_byte_orders_and_never_overflow() {
        let mut header = [0u8; 16];
        header[0] = b'l';
        assert!(check_length(&header).is_ok());
        header[4..8].copy_from_slice(&(MAX_MESSAGE as u32).to_le_bytes());
        assert!(check_length(&header).is_err());
        header = [0xff; 16];
        header[0] = b'B';
        assert!(check_length(&header).is_err());
        header[0] = b'x';
        assert!(check_length(&header).is_err());
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_the_rate() {
        let start = Instant::now();
        let mut pace = Pace::with(3.0, 2.0, start);
        assert!((0..3).all(|_| pace.try_take(start)));
        assert!(!pace.try_take(start));
        assert!(pace.try_take(start + Duration::from_millis(500)));
        assert!(!pace.try_take(start + Duration::from_millis(500)));
    }
}
