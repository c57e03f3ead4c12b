//! One MCP server, connected and provided on fd 3 until either end goes away.
//!
//! The server over stdio is our child: it dies with us, and we with it. What it writes to its standard
//! error goes to ours, and the last line of it explains its end.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use argos_bus::tool_provider::{HOST_PATH, PATH, ToolHost1Proxy};
use rmcp::model::ProtocolVersion;
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use zbus::connection::{AuthMechanism, Builder};
use zbus::object_server::SignalEmitter;

use crate::gate::Gate;
use crate::provider::{Means, Provider, Server};
use crate::socket;

/// Longest message of a server, in bytes.
const MAX_MESSAGE: usize = 8 << 20;
/// Longest line of its standard error that is passed on.
const MAX_LINE: u64 = 512;

/// Asks a server for the newest revision of MCP first, and takes what it speaks.
fn lifecycle() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    }
}

/// A server that speaks on its standard input and output.
pub(crate) async fn stdio(command: &[String]) -> anyhow::Result<()> {
    let broker = socket::take()?;
    let [program, arguments @ ..] = command else {
        bail!("no server was named");
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let (Some(input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        bail!("{program} has no standard streams");
    };
    let words = Words::listen(errors);
    let means = Means::default();
    let transport =
        AsyncRwTransport::<RoleClient, _, _>::new(output, input).with_max_line_length(MAX_MESSAGE);
    let connecting = means.clone().serve_with_lifecycle(transport, lifecycle());
    let connected = tokio::select! {
        connected = connecting => connected.map_err(anyhow::Error::new),
        ended = ended(&mut child) => Err(ended),
    };
    let server = match connected {
        Ok(server) => server,
        Err(error) => {
            // It may have ended over it, and said why.
            let _ = child.kill().await;
            return Err(words
                .explain(error)
                .await
                .context("the server does not speak MCP"));
        }
    };
    tokio::select! {
        outcome = provide(broker, server, means) => match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(words.explain(error).await),
        },
        ended = ended(&mut child) => Err(words.explain(ended).await),
    }
}

/// A server that speaks Streamable HTTP, reached through the broker's proxy.
pub(crate) async fn http(url: &str) -> anyhow::Result<()> {
    let broker = socket::take()?;
    let gate = Gate::open(url)?;
    // The first knows the host, the second what is asked of it.
    let client = UnixSocketHttpClient::new(gate.path(), url);
    let config = StreamableHttpClientTransportConfig::with_uri(gate.target());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let means = Means::default();
    let server = means
        .clone()
        .serve_with_lifecycle(transport, lifecycle())
        .await
        .map_err(|error| match gate.trouble() {
            Some(trouble) => anyhow::anyhow!("{trouble}"),
            None => anyhow::Error::new(error).context("the server does not speak MCP"),
        })?;
    provide(broker, server, means).await
}

/// Serves the provider until the broker goes away, or the server does.
async fn provide(
    broker: std::os::unix::net::UnixStream,
    server: Server,
    means: Means,
) -> anyhow::Result<()> {
    let server = Arc::new(server);
    let provider = Provider::new(Arc::clone(&server), means.clone());
    let connection = Builder::unix_stream(broker)
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .serve_at(PATH, provider)
        .build()
        .await
        .context("the broker does not answer on fd 3")?;
    let host = ToolHost1Proxy::builder(&connection)
        .destination("org.argos.ToolHost1")
        .path(HOST_PATH)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await?;
    // Nobody else sets it.
    let _ = means.host.set(host);
    let emitter = SignalEmitter::new(&connection, PATH)?;
    loop {
        tokio::select! {
            // The broker is gone: so is every reason to be here.
            () = connection.closed() => return Ok(()),
            () = means.changed.notified() => Provider::tools_changed(&emitter).await?,
            () = tokio::time::sleep(std::time::Duration::from_millis(250)) => {
                if server.is_closed() || server.peer().is_transport_closed() {
                    bail!("the server has closed the connection");
                }
            }
        }
    }
}

async fn ended(child: &mut Child) -> anyhow::Error {
    match child.wait().await {
        Ok(status) => anyhow::anyhow!("the server ended ({status})"),
        Err(error) => anyhow::anyhow!("the server cannot be waited for: {error}"),
    }
}

/// The last line that a server wrote to its standard error.
struct Words {
    last: Arc<Mutex<String>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Words {
    fn listen(errors: ChildStderr) -> Self {
        let last = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&last);
        let reading = tokio::spawn(async move {
            let mut reader = BufReader::new(errors);
            loop {
                let mut line = Vec::new();
                let mut part = (&mut reader).take(MAX_LINE);
                match part.read_until(b'\n', &mut line).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                let line = String::from_utf8_lossy(&line);
                let line = line.trim();
                if !line.is_empty() {
                    eprintln!("{line}");
                    line.clone_into(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
                }
            }
        });
        Self { last, reading }
    }

    /// The error, with the server's last words.
    async fn explain(self, error: anyhow::Error) -> anyhow::Error {
        // What it wrote before it ended may still be on its way.
        let patience = std::time::Duration::from_secs(2);
        let _ = tokio::time::timeout(patience, self.reading).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_empty() {
            error
        } else {
            anyhow::anyhow!("{error:#}; its last words: {last}")
        }
    }
}
