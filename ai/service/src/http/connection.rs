//! Connections: who is at the other end, how many there are, and how long they may take.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use argos_engine::causal::{Class, Owner};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tower_service::Service as _;

use super::error::ApiError;
use super::{LEFT_HEADER, Shared, endpoint, routes};
use crate::service::Caller;

/// Connections of everybody.
const MAX_CONNECTIONS: usize = 512;
/// Connections of one user.
const MAX_OF_ONE: usize = 256;
/// How long a request's head may take to arrive, and a connection may wait for its next request.
const HEAD_LIMIT: Duration = Duration::from_secs(60);
/// How long a client may leave what it is sent unread.
const STALLED: Duration = Duration::from_secs(60);
/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// After a failed accept (no descriptors left): how long others may free some.
const PAUSE: Duration = Duration::from_millis(100);
/// Who comes over TCP is nobody of this machine's users.
const TCP_OWNER: Owner = 1 << 32;
/// Owners from here on are connections whose user the kernel does not tell.
const FIRST_UNKNOWN: Owner = 2 << 32;
/// The uid that stands for all that a user namespace does not know, where `/proc` does not say.
const OVERFLOW_UID: u32 = 65534;
/// Longest token, in bytes.
const MAX_TOKEN: usize = 4096;

/// What a TCP client has to show.
pub(crate) struct Token(Vec<u8>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads a file that has the token and maybe a line break.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the token file {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("token file {}", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let token = text.trim();
        let fits = token.bytes().all(|b| b.is_ascii_graphic());
        anyhow::ensure!(
            fits && (16..=MAX_TOKEN).contains(&token.len()),
            "must hold one token of 16 to {MAX_TOKEN} visible ASCII characters"
        );
        Ok(Self(token.into()))
    }

    /// Whether a request shows it. How long this takes says nothing of the token but its length.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.as_bytes().split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
        shown.is_some_and(|(_, token)| self.0.ct_eq(token).into())
    }
}

/// Takes connections and serves them.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    shared: Arc<Shared>,
    router: Router,
    open: Arc<Open>,
}

/// Open connections by owner.
#[derive(Debug, Default)]
struct Open(Mutex<HashMap<Owner, usize>>);

impl Open {
    /// Counts one more, unless there are too many.
    fn enter(self: &Arc<Self>, owner: Owner) -> Option<Entered> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(&owner).copied().unwrap_or(0);
        if all >= MAX_CONNECTIONS || own >= MAX_OF_ONE {
            return None;
        }
        open.insert(owner, own + 1);
        Some(Entered(Arc::clone(self), owner))
    }
}

#[derive(Debug)]
struct Entered(Arc<Open>, Owner);

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.1);
            }
        }
    }
}

impl Front {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            router: routes(Arc::clone(&shared)),
            shared,
            open: Arc::default(),
        }
    }

    /// Serves the Unix socket for as long as the service runs.
    pub(crate) async fn unix(self, listener: UnixListener) {
        let nobody = overflow_uid();
        let mut unknown = FIRST_UNKNOWN;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    // In a sandbox with a user namespace of its own, everybody else looks like this. Two
                    // who cannot be told apart share nothing, and neither is taken for a person.
                    Ok(peer) if peer.uid() == nobody => {
                        unknown += 1;
                        let caller = Caller {
                            owner: unknown,
                            class: Class::Agent,
                            budget: None,
                        };
                        self.take(stream, caller, FIRST_UNKNOWN, None);
                    }
                    Ok(peer) => {
                        let caller = Caller::user(peer.uid());
                        let owner = caller.owner;
                        self.take(stream, caller, owner, None);
                    }
                    Err(e) => tracing::debug!("a client without credentials: {e}"),
                },
                Err(e) => failed(&e).await,
            }
        }
    }

    /// Serves loopback TCP for as long as the service runs.
    pub(crate) async fn tcp(self, listener: TcpListener, token: Arc<Token>) {
        let caller = Caller {
            owner: TCP_OWNER,
            class: Class::Person,
            budget: None,
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    self.take(stream, caller.clone(), TCP_OWNER, Some(Arc::clone(&token)));
                }
                Err(e) => failed(&e).await,
            }
        }
    }

    /// Serves one connection whose other end is already in good hands.
    pub(crate) fn session(&self, stream: UnixStream, caller: Caller) -> Result<(), ApiError> {
        let Some(entered) = self.open.enter(caller.owner) else {
            return Err(too_many());
        };
        let front = self.clone();
        tokio::spawn(async move { front.serve(stream, caller, None, None, entered).await });
        Ok(())
    }

    /// Serves a connection; it counts as one of `counted`.
    fn take<S>(&self, mut stream: S, caller: Caller, counted: Owner, token: Option<Arc<Token>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(entered) = self.open.enter(counted) else {
            self.shared.metrics.count("other", 503);
            tokio::spawn(async move {
                let body = too_many().json().to_string();
                let text = format!(
                    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let sent = stream.write_all(text.as_bytes());
                let _ = tokio::time::timeout(Duration::from_secs(1), sent).await;
            });
            return;
        };
        let front = self.clone();
        let idle = Some(HEAD_LIMIT);
        tokio::spawn(async move {
            let (service, owner) = (Arc::clone(&front.shared.service), caller.owner);
            front.serve(stream, caller, token, idle, entered).await;
            if owner > FIRST_UNKNOWN {
                // Nobody will ever have this owner again.
                service.forget(owner);
            }
        });
    }

    async fn serve<S>(
        self,
        stream: S,
        caller: Caller,
        token: Option<Arc<Token>>,
        idle: Option<Duration>,
        _entered: Entered,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connections = &self.shared.metrics.connections;
        connections.fetch_add(1, Ordering::Relaxed);
        let service = service_fn(|request: Request<Incoming>| {
            let timing = Timing {
                shared: Arc::clone(&self.shared),
                start: Instant::now(),
            };
            let path = endpoint(request.uri().path());
            let refused = token
                .as_ref()
                .is_some_and(|token| !token.is_shown(request.headers()));
            let (mut router, caller) = (self.router.clone(), caller.clone());
            async move {
                let budget = caller.budget.clone();
                let mut response = if refused {
                    unauthorized().into_response()
                } else {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(caller);
                    request.extensions_mut().insert(timing.start);
                    router
                        .call(request)
                        .await
                        .unwrap_or_else(|never| match never {})
                };
                if let Some(budget) = budget {
                    let left = budget.left().into();
                    response.headers_mut().insert(LEFT_HEADER, left);
                }
                let status = response.status().as_u16();
                timing.shared.metrics.count(path, status);
                Ok::<_, Infallible>(response.map(|inner| Timed {
                    inner,
                    _timing: timing,
                }))
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .max_buf_size(MAX_HEAD)
            .header_read_timeout(idle);
        let io = TokioIo::new(Patient::new(stream));
        if let Err(e) = builder.serve_connection(io, service).await {
            tracing::debug!("a connection ended early: {e}");
        }
        connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn overflow_uid() -> u32 {
    std::fs::read_to_string("/proc/sys/kernel/overflowuid")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(OVERFLOW_UID)
}

async fn failed(error: &io::Error) {
    tracing::warn!("cannot take a connection: {error}");
    tokio::time::sleep(PAUSE).await;
}

fn too_many() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections are open; close some",
    )
    .with("server_error", "too_many_connections")
}

fn unauthorized() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "send the token of this server: `Authorization: Bearer TOKEN`",
    )
    .with("invalid_request_error", "invalid_api_key")
}

/// Records how long a request took when its answer has been written or given up.
#[derive(Debug)]
struct Timing {
    shared: Arc<Shared>,
    start: Instant,
}

impl Drop for Timing {
    fn drop(&mut self) {
        self.shared.metrics.durations.record(self.start.elapsed());
    }
}

/// An answer's body and its [`Timing`].
struct Timed {
    inner: Body,
    _timing: Timing,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A stream whose reader may not leave it full for longer than [`STALLED`].
struct Patient<S> {
    stream: S,
    stalled: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<S> Patient<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            stalled: None,
        }
    }

    fn check<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let sleep = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.check(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.check(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Listens on a path that everybody may connect to. A socket that nobody listens on any more is replaced.
pub(crate) fn listen_unix(path: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let said = || format!("cannot listen on {}", path.display());
    if let Ok(old) = std::fs::symlink_metadata(path) {
        anyhow::ensure!(
            old.file_type().is_socket(),
            "{}: there is something that is no socket; remove it or choose another path",
            said()
        );
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => anyhow::bail!("{}: another program answers there", said()),
            Err(_) => std::fs::remove_file(path).with_context(said)?,
        }
    }
    let listener = UnixListener::bind(path).with_context(said)?;
    // Who may connect is decided by the folder; nothing computed for one user serves another one.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).with_context(said)?;
    Ok(listener)
}

/// Listens on a loopback address.
pub(crate) async fn listen_tcp(address: SocketAddr) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "--http-tcp {address}: only loopback addresses are served (127.0.0.1 or [::1]); for other machines put \
         a server with TLS in front of it"
    );
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn tokens() {
        for bad in ["", "short", "with space in between 12", &"x".repeat(5000)] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
        let token = Token::parse("0123456789abcdef\n").unwrap();
        let shown = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            token.is_shown(&headers)
        };
        assert!(shown("Bearer 0123456789abcdef") && shown("bearer 0123456789abcdef"));
        for bad in [
            "Bearer 0123456789abcdeF",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "",
        ] {
            assert!(!shown(bad), "{bad}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
    }

    #[test]
    fn connections_are_counted_by_owner() {
        let open = Arc::new(Open::default());
        let mine: Vec<_> = (0..MAX_OF_ONE).map(|_| open.enter(1).unwrap()).collect();
        assert!(open.enter(1).is_none());
        let theirs = open.enter(2).unwrap();
        drop(mine);
        assert!(open.enter(1).is_some());
        drop(theirs);
        assert!(open.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn only_loopback_and_only_sockets() {
        let public: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let error = listen_tcp(public).await.unwrap_err().to_string();
        assert!(error.contains("loopback"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        std::fs::write(&path, "").unwrap();
        assert!(listen_unix(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        let first = listen_unix(&path).unwrap();
        let error = listen_unix(&path).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
        drop(first);
        listen_unix(&path).unwrap();
    }
}
