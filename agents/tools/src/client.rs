//! The broker's end of a worker: calls go out with open descriptors, results come back.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::protocol::{self, Request, Response};
use crate::{Code, ToolError};

/// A running tool worker, as its client sees it. Cheap to clone; calls may overlap, and are
/// answered one after another.
///
/// How the process is started is the owner's business: make a socket pair, give one end to
/// `argos-tools worker` as fd 3 inside [`argos_sandbox::Spec::worker`], and the other to
/// [`Worker::new`]. End the process when a call exceeds its time: the worker has no say in that.
#[derive(Debug, Clone)]
pub struct Worker {
    shared: Arc<Shared>,
    // A task writes, so that giving up a call cannot leave half a message on the socket.
    outgoing: mpsc::Sender<(Vec<u8>, Vec<OwnedFd>)>,
}

#[derive(Debug)]
struct Shared {
    next: AtomicU64,
    /// Calls without an answer. `None` once the connection is lost.
    waiting: Mutex<Option<HashMap<u64, oneshot::Sender<Response>>>>,
}

impl Worker {
    /// Takes the broker's end of the socket pair. Needs a running tokio runtime. The connection
    /// closes when the last clone is dropped, which ends the worker.
    ///
    /// # Errors
    /// The socket cannot be made non-blocking.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(stream)?.into_split();
        let shared = Arc::new(Shared {
            next: AtomicU64::new(1),
            waiting: Mutex::new(Some(HashMap::new())),
        });
        let (outgoing, messages) = mpsc::channel(16);
        let lost = Arc::clone(&shared);
        tokio::spawn(async move {
            // Either side's end is the end: without the other nothing can be called.
            tokio::select! {
                _ = write(writer, messages) => {}
                _ = read(reader, &lost) => {}
            }
            lost.close();
        });
        Ok(Self { shared, outgoing })
    }

    /// Whether this is the same running worker.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether the worker's process still holds its end.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.with(|waiting| waiting.is_some())
    }

    /// Runs one tool in the worker on the open descriptors that come with the call.
    ///
    /// # Errors
    /// What the tool says; `Unavailable` where the worker is gone, `LimitReached` where the call
    /// is larger than the protocol takes.
    pub async fn call(
        &self,
        tool: &str,
        arguments: Value,
        fds: Vec<OwnedFd>,
    ) -> Result<Value, ToolError> {
        let gone = || {
            ToolError::new(
                Code::Unavailable,
                format!("run {tool}"),
                "the tool worker has ended",
            )
        };
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let request = Request {
            id,
            tool: tool.to_owned(),
            arguments,
        };
        let bytes = protocol::frame(&request).map_err(|error| {
            ToolError::new(Code::LimitReached, format!("run {tool}"), error.to_string())
        })?;
        let (answer, answered) = oneshot::channel();
        let waits = self
            .shared
            .with(|waiting| waiting.as_mut().map(|map| map.insert(id, answer)).is_some());
        if !waits {
            return Err(gone());
        }
        let _forget = Forget {
            shared: &self.shared,
            id,
        };
        self.outgoing.send((bytes, fds)).await.map_err(|_| gone())?;
        match answered.await {
            Ok(Response {
                ok: Some(value),
                error: None,
                ..
            }) => Ok(value),
            Ok(Response {
                ok: None,
                error: Some(error),
                ..
            }) => Err(error),
            Ok(_) => Err(ToolError::new(
                Code::Failed,
                format!("run {tool}"),
                "the worker answered nonsense",
            )),
            Err(_) => Err(gone()),
        }
    }
}

/// Takes a call off the list, also when its future is dropped.
struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared
            .with(|waiting| waiting.as_mut().map(|map| map.remove(&self.id)));
    }
}

impl Shared {
    fn with<R>(
        &self,
        act: impl FnOnce(&mut Option<HashMap<u64, oneshot::Sender<Response>>>) -> R,
    ) -> R {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends every call that waits, and all later ones.
    fn close(&self) {
        self.with(Option::take);
    }
}

async fn write(
    writer: OwnedWriteHalf,
    mut messages: mpsc::Receiver<(Vec<u8>, Vec<OwnedFd>)>,
) -> io::Result<()> {
    while let Some((bytes, mut fds)) = messages.recv().await {
        let mut sent = 0;
        while sent < bytes.len() {
            let socket = writer.as_ref();
            sent += socket
                .async_io(Interest::WRITABLE, || {
                    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                    protocol::send(socket.as_fd(), &bytes[sent..], &fds)
                })
                .await?;
            fds.clear();
        }
    }
    Ok(())
}

async fn read(mut reader: OwnedReadHalf, shared: &Shared) -> io::Result<()> {
    loop {
        let mut header = [0; 4];
        reader.read_exact(&mut header).await?;
        let mut body = vec![0; protocol::length(header)?];
        reader.read_exact(&mut body).await?;
        let response: Response = serde_json::from_slice(&body)?;
        // Nobody waits for an answer to a call that was given up.
        if let Some(Some(answer)) =
            shared.with(|waiting| waiting.as_mut().map(|map| map.remove(&response.id)))
        {
            let _ = answer.send(response);
        }
    }
}
