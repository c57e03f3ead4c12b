//! The proxy of a sandboxed tool provider: its only way to a network, by host name.
//!
//! A provider's sandbox has no network. Where its declaration names hosts, a socket of this proxy is
//! put into it, one of its own for each provider: who connects is known from the socket. It speaks
//! `CONNECT HOST:PORT` and nothing else, so what is inside a connection (TLS, as a rule) is not seen
//! here.
//!
//! ```text
//! connected -> head read -> HOST:PORT in its one form -> among the declared hosts -> permitted
//!    (network, host) -> resolved and connected -> audit row on disk -> 200 -> bytes both ways
//! ```
//!
//! Whichever step says no, an audit row says which and why, before the answer is given. While the person
//! is asked, one that closes its connection takes the question back. What a host
//! is, and which addresses a name may lead to, is [`argos_tools::host`]'s business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_tools::host::{DialError, Host, HostPattern, Target, dial};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::asking;
use crate::audit::Row;
use crate::core::Broker;
use crate::permission::{Fallback, Need, Subject};
use crate::prompts::Question;
use crate::record::{self, Kept};
use crate::session::lock;
use crate::socket::Pace;

/// What its questions and rows name as the tool.
const TOOL: &str = "proxy.connect";
/// Most bytes of a request's head.
const MAX_HEAD: usize = 8 << 10;
/// How often it is looked whether who waits for the person is still there.
const TICK: Duration = Duration::from_millis(250);

/// What one provider may take of the proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections that may be open at once. More wait until one ends.
    pub(crate) open: usize,
    /// Connections taken in one go, and after that per second.
    pub(crate) burst: f64,
    pub(crate) per_second: f64,
    /// Longest time for a request's head.
    pub(crate) head: Duration,
    /// Longest time in which neither side says anything.
    pub(crate) silence: Duration,
    /// Longest life of a connection.
    pub(crate) life: Duration,
    /// Most bytes of a connection, both ways together.
    pub(crate) bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: 16,
            burst: 32.0,
            per_second: 4.0,
            head: Duration::from_secs(10),
            silence: Duration::from_secs(300),
            life: Duration::from_secs(3600),
            bytes: 1 << 30,
        }
    }
}

/// For whom a proxy is, and where it may lead.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) subject: Subject,
    pub(crate) title: String,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) limits: Limits,
}

/// A proxy that is up. Dropped, it takes no more connections and ends those it has.
#[derive(Debug)]
pub(crate) struct Proxy {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// The socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        // Gone with its folder, as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens at `path`, for one provider.
///
/// # Errors
/// There can be no socket there.
pub(crate) fn listen(broker: &Arc<Broker>, client: Client, path: PathBuf) -> io::Result<Proxy> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Of a broker that was killed.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    let task = tokio::spawn(accept(Arc::clone(broker), Arc::new(client), listener));
    Ok(Proxy { path, task })
}

async fn accept(broker: Arc<Broker>, client: Arc<Client>, listener: UnixListener) {
    let limits = client.limits;
    let places = Arc::new(Semaphore::new(limits.open));
    let mut pace = Pace::with(limits.burst, limits.per_second, Instant::now());
    // Ends with this task.
    let mut open = tokio::task::JoinSet::new();
    loop {
        // More than that wait in the socket's own queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        if let Some(wait) = pace.take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (broker, client) = (Arc::clone(&broker), Arc::clone(&client));
                open.spawn(async move {
                    serve(&broker, &client, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!("{}: the proxy takes nothing: {error}", client.subject.agent);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// How a request ended, other than with a connection.
struct No {
    status: &'static str,
    outcome: &'static str,
    why: String,
}

impl No {
    fn bad(why: impl Into<String>) -> Self {
        Self {
            status: "400 Bad Request",
            outcome: "invalid",
            why: why.into(),
        }
    }

    fn forbidden(why: impl Into<String>) -> Self {
        Self {
            status: "403 Forbidden",
            outcome: "denied",
            why: why.into(),
        }
    }
}

async fn serve(broker: &Arc<Broker>, client: &Client, mut stream: UnixStream) {
    let started = Instant::now();
    let mut row = record::row(broker, &client.subject, TOOL.to_owned());
    row.action = "network".to_owned();
    let connected = connect(broker, client, &mut stream, &mut row).await;
    row.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &connected {
        Ok(_) => row.outcome = "ok",
        Err(no) => {
            row.outcome = no.outcome;
            row.error.clone_from(&no.why);
        }
    }
    let recorded = record::record(broker, row, Kept::default()).await;
    let (status, text) = match (&connected, &recorded) {
        (Ok(_), Ok(())) => ("200 Connection established", String::new()),
        (Err(no), _) => (no.status, format!("{}\n", no.why)),
        (Ok(_), Err(error)) => ("503 Service Unavailable", error.text()),
    };
    let length = match status.starts_with('2') {
        true => String::new(),
        false => format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n",
            text.len()
        ),
    };
    let head = format!("HTTP/1.1 {status}\r\n{length}\r\n{text}");
    // One that is gone hears nothing.
    if stream.write_all(head.as_bytes()).await.is_err() || recorded.is_err() {
        return;
    }
    match connected {
        Ok(outside) => {
            if let Err(why) = relay(stream, outside, client.limits).await {
                info!("{}: a connection was ended: {why}", client.subject.agent);
            }
        }
        Err(_) => see_off(stream).await,
    }
}

/// Reads for a moment what the other side still sends: closing over it would take the answer away.
async fn see_off(mut stream: UnixStream) {
    let reading = async {
        let mut left = 8 * MAX_HEAD;
        let mut part = [0; 1024];
        stream.shutdown().await?;
        while left > 0 {
            match stream.read(&mut part).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
}

async fn connect(
    broker: &Arc<Broker>,
    client: &Client,
    stream: &mut UnixStream,
    row: &mut Row,
) -> Result<TcpStream, No> {
    let head = match tokio::time::timeout(client.limits.head, read_head(stream)).await {
        Ok(Ok(head)) => head,
        Ok(Err(why)) => return Err(No::bad(why)),
        Err(_) => return Err(No::bad("the request's head did not end in time")),
    };
    let authority = authority(&head)?;
    row.arguments = json!({"target": argos_tools::provided::clean(authority, 300)});
    let target = Target::parse(authority, None).map_err(|error| No::bad(error.to_string()))?;
    row.resource = target.resource();
    let declared = client.hosts.iter().any(|host| host.covers(&target));
    if !declared {
        row.decision = "deny";
        row.by = "declaration".to_owned();
        return Err(No::forbidden(format!(
            "{target} is not among the `hosts` of {}",
            client.subject.agent
        )));
    }
    let need = Need {
        action: "network".to_owned(),
        resource: target.resource(),
    };
    let settling = asking::settle(
        broker,
        |grants, now| grants.decide(&client.subject, &need, Fallback::Ask, now),
        |grantable| Question {
            subject: client.subject.clone(),
            title: client.title.clone(),
            tool: TOOL.to_owned(),
            arguments: target.to_string(),
            need: need.clone(),
            summary: format!("Let {} connect to {target}.", client.subject.agent),
            grantable,
        },
        |_| (),
    );
    let settled = tokio::select! {
        biased;
        settled = settling => settled.map_err(|error| No::forbidden(error.text()))?,
        () = hung_up(stream) => {
            return Err(No {
                status: "503 Service Unavailable",
                outcome: "cancelled",
                why: "the connection was closed before it was settled".to_owned(),
            });
        }
    };
    row.by = settled.to_string();
    row.decision = if settled.allows() { "allow" } else { "deny" };
    if !settled.allows() {
        return Err(No::forbidden(format!(
            "the person did not allow {} to reach {target}",
            client.subject.agent
        )));
    }
    // An address inside is followed from a name only if that address was declared as one.
    let inside = |address: std::net::SocketAddr| {
        let target = Target {
            host: Host::Address(address.ip()),
            port: address.port(),
        };
        client
            .hosts
            .iter()
            .any(|host| host.is_address() && host.covers(&target))
    };
    dial(&target, inside).await.map_err(|error| match error {
        DialError::Inside { .. } => No::forbidden(error.to_string()),
        _ => No {
            status: "502 Bad Gateway",
            outcome: "failed",
            why: error.to_string(),
        },
    })
}

/// Returns when the other side is gone. One that only has nothing more to say is not, so nothing is read:
/// the kernel is asked.
async fn hung_up(stream: &UnixStream) {
    loop {
        tokio::time::sleep(TICK).await;
        let mut fds = [PollFd::new(stream, PollFlags::empty())];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Reads to the empty line, byte by byte: what follows belongs to the connection.
async fn read_head(stream: &mut UnixStream) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(format!("the request's head has more than {MAX_HEAD} bytes"));
        }
        let byte = stream.read_u8().await;
        head.push(byte.map_err(|_| "the request breaks off".to_owned())?);
    }
    Ok(head)
}

/// The `HOST:PORT` of a `CONNECT` request.
fn authority(head: &[u8]) -> Result<&str, No> {
    let head = std::str::from_utf8(head).map_err(|_| No::bad("the request is not text"))?;
    let line = head.split("\r\n").next().unwrap_or_default();
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["CONNECT", authority, "HTTP/1.1" | "HTTP/1.0"] => Ok(authority),
        [method, _, "HTTP/1.1" | "HTTP/1.0"] if method != "CONNECT" => Err(No {
            status: "405 Method Not Allowed",
            outcome: "invalid",
            why: "this proxy speaks CONNECT only".to_owned(),
        }),
        _ => Err(No::bad("the request is not `CONNECT HOST:PORT HTTP/1.1`")),
    }
}

/// Passes bytes both ways until both sides have ended. `Err` says what ended it before: the sockets
/// close then, whatever the other side does.
async fn relay(inside: UnixStream, outside: TcpStream, limits: Limits) -> Result<(), String> {
    let flow = Flow {
        left: AtomicU64::new(limits.bytes),
        last: Mutex::new(Instant::now()),
    };
    let (inside_read, inside_write) = inside.into_split();
    let (outside_read, outside_write) = outside.into_split();
    let both = async {
        tokio::try_join!(
            flow.pump(inside_read, outside_write),
            flow.pump(outside_read, inside_write)
        )
    };
    tokio::select! {
        ended = both => match ended {
            Ok(_) => Ok(()),
            Err(Stop::Broken) => Err("a side broke off".to_owned()),
            Err(Stop::TooMuch) => Err(format!("more than {} bytes", limits.bytes)),
        },
        () = flow.silent(limits.silence) => {
            Err(format!("nothing was said for {} s", limits.silence.as_secs_f64()))
        }
        () = tokio::time::sleep(limits.life) => {
            Err(format!("it lasted for {} s", limits.life.as_secs_f64()))
        }
    }
}

/// What the two directions of a connection share.
struct Flow {
    /// Bytes that may still pass.
    left: AtomicU64,
    /// When something passed last.
    last: Mutex<Instant>,
}

/// Why a direction stopped, other than by its end.
enum Stop {
    Broken,
    TooMuch,
}

impl Flow {
    /// One direction, to its end: the other may still go on then.
    async fn pump(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(), Stop> {
        let mut part = vec![0; 16 << 10];
        loop {
            let read = from.read(&mut part).await.map_err(|_| Stop::Broken)?;
            if read == 0 {
                return to.shutdown().await.map_err(|_| Stop::Broken);
            }
            *lock(&self.last) = Instant::now();
            self.left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(read as u64)
                })
                .map_err(|_| Stop::TooMuch)?;
            to.write_all(&part[..read])
                .await
                .map_err(|_| Stop::Broken)?;
            *lock(&self.last) = Instant::now();
        }
    }

    /// Returns when neither side said anything for so long. One that does not take what the other says
    /// is silent as well.
    async fn silent(&self, limit: Duration) {
        loop {
            let until = *lock(&self.last) + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// What a provider was granted when it was added: its hosts, one by one.
pub(crate) fn needs(hosts: &[HostPattern]) -> Vec<Need> {
    hosts
        .iter()
        .filter_map(HostPattern::single)
        .map(|resource| Need {
            action: "network".to_owned(),
            resource,
        })
        .collect()
}

/// Gives a provider the grants of its declaration, once for each content of it, and takes those of
/// an earlier content.
pub(crate) fn admit(broker: &Broker, subject: &Subject, granted: &[Need]) {
    let now = broker.clock.now_ms();
    if let Err(error) = lock(&broker.permissions)
        .grants
        .admit(subject, granted, now)
    {
        // It goes without; the person is asked instead.
        warn!("{error}");
    }
}

#[cfg(test)]
#[path = "proxy/tests.rs"]
mod tests;
