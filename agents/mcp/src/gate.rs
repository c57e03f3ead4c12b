//! From HTTP on a socket of our own to a host on the network, through the broker's proxy.
//!
//! The HTTP client of the MCP library speaks to a Unix socket. Behind it each connection is opened
//! anew: `CONNECT` to the proxy, then TLS where the address is `https`, then bytes both ways. So TLS
//! ends in this sandbox: the broker sees the host's name and no more.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

/// The certificates that are trusted, unless `SSL_CERT_FILE` names others.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Longest answer of the proxy that is read.
const MAX_ANSWER: usize = 8 << 10;

/// The socket, and what went wrong behind it last.
pub(crate) struct Gate {
    path: String,
    target: String,
    trouble: Arc<Mutex<Option<String>>>,
}

/// Where the connections lead.
struct Way {
    proxy: PathBuf,
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Gate {
    /// Opens the socket in the server's own `/tmp`.
    ///
    /// # Errors
    /// The address is none, there is no proxy, or no certificate is trusted.
    pub(crate) fn open(url: &str) -> anyhow::Result<Self> {
        let url = Url::parse(url).with_context(|| format!("{url:?} is no address"))?;
        let target = url[Position::BeforePath..Position::AfterQuery].to_owned();
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            bail!("{url} names no host");
        };
        let proxy = std::env::var_os("ARGOS_PROXY")
            .map(PathBuf::from)
            .context("there is no proxy: ARGOS_PROXY is not set")?;
        let tls = match url.scheme() {
            "http" => None,
            "https" => {
                let name = host
                    .trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned();
                Some((connector()?, ServerName::try_from(name)?))
            }
            other => bail!("{other} is not spoken, only http and https"),
        };
        let way = Arc::new(Way {
            proxy,
            authority: format!("{host}:{port}"),
            tls,
        });
        let path = std::env::temp_dir().join(format!("argos-mcp-{}", std::process::id()));
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        let trouble: Arc<Mutex<Option<String>>> = Arc::default();
        let told = Arc::clone(&trouble);
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let (way, told) = (Arc::clone(&way), Arc::clone(&told));
                tokio::spawn(async move {
                    if let Err(error) = way.carry(&mut inside).await {
                        let text = format!("{error:#}");
                        eprintln!("argos-mcp: {text}");
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.clone());
                        let answer = format!(
                            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n\
                             Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
                            text.len()
                        );
                        // One that is gone hears nothing.
                        let _ = inside.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Ok(Self {
            path: path.display().to_string(),
            target,
            trouble,
        })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What a request names: path and query. The form with the host in it is for proxies, and servers
    /// that know it not answer 404.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Why the last connection did not come about, if it did not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Way {
    /// Opens the way for one connection and carries its bytes. An error is from before the first one.
    async fn carry(&self, inside: &mut UnixStream) -> anyhow::Result<()> {
        let mut outside = UnixStream::connect(&self.proxy)
            .await
            .context("the proxy does not answer")?;
        let authority = &self.authority;
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        outside.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_ANSWER {
            head.push(outside.read_u8().await.context("the proxy breaks off")?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.split(' ').nth(1) != Some("200") {
            let mut why = String::new();
            // Without its words its status has to do.
            let _ = outside
                .take(MAX_ANSWER as u64)
                .read_to_string(&mut why)
                .await;
            bail!(
                "the proxy refuses {authority}: {} {}",
                head.lines().next().unwrap_or_default(),
                why.trim()
            );
        }
        // However these end, the connection is over, and whoever uses it sees that.
        match &self.tls {
            None => {
                let _ = tokio::io::copy_bidirectional(inside, &mut outside).await;
            }
            Some((connector, name)) => {
                let mut outside = connector
                    .connect(name.clone(), outside)
                    .await
                    .with_context(|| format!("{authority}: no TLS"))?;
                let _ = tokio::io::copy_bidirectional(inside, &mut outside).await;
            }
        }
        Ok(())
    }
}

fn connector() -> anyhow::Result<TlsConnector> {
    let file = std::env::var_os("SSL_CERT_FILE").map_or_else(|| CERTIFICATES.into(), PathBuf::from);
    let pem = std::fs::read(&file).with_context(|| {
        format!(
            "{} cannot be read; the package ca-certificates brings the certificates that are trusted",
            file.display()
        )
    })?;
    let mut roots = rustls::RootCertStore::empty();
    // One that cannot be read vouches for nobody; the others do.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
