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
//! Whichever step says no, an audit row says which and why, before the answer is given. What a host
//! is, and which addresses a name may lead to, is [`argos_tools::host`]'s business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argos_tools::host::{DialError, Host, HostPattern, Target, dial};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;

use crate::asking;
use crate::audit::Row;
use crate::call::text_of;
use crate::core::Broker;
use crate::permission::{Fallback, Need, Subject};
use crate::prompts::Question;
use crate::record::{self, Kept};
use crate::session::lock;
use crate::socket::Pace;

/// What its questions and rows name as the tool.
const TOOL: &str = "proxy.connect";
/// Connections of one provider that may be open at once.
const MAX_OPEN: usize = 16;
/// Connections taken in one go, and after that per second.
const BURST: f64 = 32.0;
const PER_SECOND: f64 = 4.0;
/// Most bytes of a request's head, and the longest time for it.
const MAX_HEAD: usize = 8 << 10;
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest silence, longest life and most bytes (both ways together) of one connection.
const SILENCE: Duration = Duration::from_secs(300);
const LIFE: Duration = Duration::from_secs(3600);
const MAX_BYTES: u64 = 1 << 30;

/// For whom a proxy is, and where it may lead.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) subject: Subject,
    pub(crate) title: String,
    pub(crate) hosts: Vec<HostPattern>,
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
    let places = Arc::new(Semaphore::new(MAX_OPEN));
    let mut pace = Pace::with(BURST, PER_SECOND, Instant::now());
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
    broker.withdraw_abandoned();
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
        (Ok(_), Err(error)) => ("503 Service Unavailable", text_of(error)),
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
        Ok(outside) => relay(stream, outside).await,
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
    let head = match tokio::time::timeout(HEAD_TIME, read_head(stream)).await {
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
    let settled = asking::settle(
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
    )
    .await
    .map_err(|error| No::forbidden(text_of(&error)))?;
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

/// Passes bytes both ways, until both sides have ended, one is silent too long, or it was too much.
async fn relay(inside: UnixStream, outside: TcpStream) {
    let left = AtomicU64::new(MAX_BYTES);
    let (inside_read, inside_write) = inside.into_split();
    let (outside_read, outside_write) = outside.into_split();
    let both = async {
        tokio::join!(
            pump(inside_read, outside_write, &left),
            pump(outside_read, inside_write, &left)
        )
    };
    // However it ended, the sockets close here.
    let _ = tokio::time::timeout(LIFE, both).await;
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, left: &AtomicU64) {
    let mut part = vec![0; 16 << 10];
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(SILENCE, from.read(&mut part)).await {
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(read as u64)
        });
        let written = tokio::time::timeout(SILENCE, to.write_all(&part[..read])).await;
        if taken.is_err() || !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    // The other direction may still go on.
    let _ = to.shutdown().await;
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
mod tests {
    use super::*;

    #[test]
    fn only_connect_is_spoken() {
        let read = |text: &str| authority(text.as_bytes()).map_or_else(|no| no.status, |_| "ok");
        assert_eq!(
            read("CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n"),
            "ok"
        );
        assert_eq!(read("GET http://a.example/ HTTP/1.1\r\n\r\n")[..3], *"405");
        for bad in [
            "CONNECT a.example:443\r\n\r\n",
            "CONNECT  a.example:443 HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443 x HTTP/1.1\r\n\r\n",
            "connect a.example:443 HTTP/2\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert_eq!(read(bad)[..3], *"400", "{bad:?}");
        }
        assert_eq!(
            authority(b"CONNECT \xff HTTP/1.1\r\n\r\n")
                .unwrap_err()
                .status[..3],
            *"400"
        );
    }

    #[test]
    fn hosts_are_granted_one_by_one() {
        let hosts: Vec<HostPattern> = ["Example.org", "*.example.org", "127.0.0.1:8080"]
            .iter()
            .map(|text| HostPattern::parse(text).unwrap())
            .collect();
        let resources: Vec<String> = needs(&hosts).into_iter().map(|n| n.resource).collect();
        assert_eq!(resources, ["example.org", "127.0.0.1:8080"]);
    }
}
