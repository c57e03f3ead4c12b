//! `web.fetch`: the text of a page, by GET.
//!
//! The broker's half connects, to the host that the permission is about and nowhere else ([`host`]).
//! The open connection goes to the worker, which has no network of its own: TLS, HTTP and HTML of
//! strangers are read in the sealed process. A redirect to the same host is followed; one to another
//! host is a result, since going there is another permission.
//!
//! [`host`]: crate::host

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{Definition, files};
use crate::host::{DialError, Host, Target, dial};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict};

/// Redirects on one host that are followed.
const MOST_REDIRECTS: usize = 5;
/// Most bytes of an answer that are read, head included.
const MOST_READ: usize = 2 << 20;
/// Most bytes of its head, and of its headers in number.
const MOST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;
/// Most HTML that is made into text: a parser's tree is many times as large.
const MOST_HTML: usize = 1 << 20;
/// Stack for that, in bytes.
const STACK: usize = 64 << 20;
/// Most text that is returned, in bytes.
const MOST_TEXT: usize = 64 << 10;
/// Width that HTML is laid out to, in columns.
const COLUMNS: usize = 100;
/// Longest silence, and longest time for one answer.
const SILENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(20);
/// The certificates that are trusted, unless `SSL_CERT_FILE` names others.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const MOST_CERTIFICATES: u64 = 4 << 20;

pub(crate) struct WebFetch;

/// The page to fetch.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Address: `https://example.org/page`.
    #[schemars(length(min = 1, max = 2048))]
    url: String,
}

impl Definition for WebFetch {
    const NAME: &'static str = "web.fetch";
    const DESCRIPTION: &'static str = "Fetches the text of a web page";
    const ACTION: Action = Action::Network;
    const DEFAULT: Verdict = Verdict::Ask;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let page = Page::parse(&arguments.url).map_err(|why| {
            ToolError::new(Code::InvalidArguments, Self::NAME, why)
                .hint("An address is like https://example.org/page")
        })?;
        let url = page.url.to_string();
        let shown = crate::provided::clean(&url, 300);
        let summary = format!("Fetch {shown} over the network (GET).");
        Resolved::new(
            &Arguments { url },
            page.target.resource(),
            summary,
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let failed = |why: String| {
                ToolError::new(Code::Failed, format!("web.fetch {}", arguments.url), why)
            };
            let mut page = Page::parse(&arguments.url).map_err(failed)?;
            for _ in 0..=MOST_REDIRECTS {
                if page.target.resource() != call.resource {
                    return Err(failed(format!(
                        "{} was granted, not {}",
                        call.resource,
                        page.target.resource()
                    )));
                }
                let mut result = fetch(&page, call, env).await?;
                let Some(location) = result["location"].as_str() else {
                    result["url"] = page.url.to_string().into();
                    return Ok(result);
                };
                let next = page
                    .url
                    .join(location)
                    .map_err(|error| error.to_string())
                    .and_then(|url| Page::parse(url.as_str()))
                    .map_err(|why| failed(format!("it leads to something else: {why}")))?;
                let downgrade = page.is_tls() && !next.is_tls();
                if next.target.resource() != call.resource || downgrade {
                    return Ok(json!({
                        "url": page.url.to_string(),
                        "status": result["status"],
                        "redirect": next.url.to_string(),
                        "hint": "It leads to another place; fetch that if it is wanted",
                    }));
                }
                page = next;
            }
            Err(failed(format!("more than {MOST_REDIRECTS} redirects")))
        })
    }
}

/// An address in its one form.
struct Page {
    url: Url,
    target: Target,
}

impl Page {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // People say `example.org/page`.
        let spelt_out = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let mut url = Url::parse(&spelt_out).map_err(|error| format!("no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "only http and https are fetched, not {}",
                url.scheme()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address with a user name or password is not fetched".to_owned());
        }
        let host = Host::parse(url.host_str().unwrap_or_default()).map_err(|e| e.to_string())?;
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or("port 0 is none")?;
        url.set_host(Some(&host.to_string()))
            .map_err(|error| error.to_string())?;
        url.set_fragment(None);
        Ok(Self {
            url,
            target: Target { host, port },
        })
    }

    fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// One request: connects here, and has the worker ask.
async fn fetch(page: &Page, call: &Call, env: &Env) -> Result<Value, ToolError> {
    let tried = format!("web.fetch {}", page.url);
    let stream = dial(&page.target, |_| false).await.map_err(|error| {
        let code = match error {
            DialError::Inside { .. } => Code::Denied,
            _ => Code::Unavailable,
        };
        ToolError::new(code, tried.as_str(), error.to_string())
    })?;
    let tls = page.is_tls();
    let fds = super::blocking(WebFetch::NAME, move || {
        let io = |error: io::Error| ToolError::io(tried.as_str(), &error);
        let stream = stream.into_std().map_err(io)?;
        stream.set_nonblocking(false).map_err(io)?;
        stream.set_read_timeout(Some(SILENCE)).map_err(io)?;
        stream.set_write_timeout(Some(SILENCE)).map_err(io)?;
        let mut fds = vec![OwnedFd::from(stream)];
        if tls {
            let file = std::env::var_os("SSL_CERT_FILE")
                .map_or_else(|| PathBuf::from(CERTIFICATES), PathBuf::from);
            let opened = File::open(&file).map_err(|error| {
                ToolError::new(
                    Code::Unavailable,
                    tried.as_str(),
                    format!("{}: {error}", file.display()),
                )
                .hint("The package ca-certificates brings the certificates that are trusted")
            })?;
            fds.push(opened.into());
        }
        Ok(fds)
    })
    .await?;
    files::in_worker(call, env, json!({"url": page.url.as_str()}), fds).await
}

/// The worker's half: asks over an open connection.
pub(super) fn work(arguments: Value, fds: Vec<OwnedFd>) -> Result<Value, ToolError> {
    let url = arguments["url"].as_str().unwrap_or_default();
    let tried = format!("web.fetch {url}");
    let failed = |why: String| ToolError::new(Code::Failed, tried.as_str(), why);
    let page = Page::parse(url).map_err(failed)?;
    let mut fds = fds.into_iter();
    let (Some(socket), certificates) = (fds.next(), fds.next()) else {
        return Err(failed("no connection came along".to_owned()));
    };
    let socket = TcpStream::from(socket);
    let request = request(&page);
    let answer = match certificates {
        None => ask(socket, &request),
        Some(file) => {
            tls(&page, socket, file.into()).and_then(|mut stream| ask(&mut stream, &request))
        }
    };
    let answer = answer.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ToolError::new(Code::TimedOut, tried.as_str(), "it does not answer in time")
        }
        _ => failed(error.to_string()),
    })?;
    let answer = Answer::parse(&answer).map_err(failed)?;
    answer.into_result().map_err(failed)
}

fn request(page: &Page) -> String {
    let path = &page.url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &page.url[url::Position::BeforeHost..url::Position::AfterPort];
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ArgOS/1\r\n\
         Accept: text/html, text/plain, application/json, text/*;q=0.8\r\n\
         Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
}

fn tls(
    page: &Page,
    socket: TcpStream,
    certificates: File,
) -> io::Result<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let mut pem = Vec::new();
    certificates.take(MOST_CERTIFICATES).read_to_end(&mut pem)?;
    let mut roots = rustls::RootCertStore::empty();
    // One that cannot be read vouches for nobody; the others do.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if roots.is_empty() {
        return Err(io::Error::other(
            "no certificate is trusted on this machine",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = match &page.target.host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
        Host::Address(address) => ServerName::from(*address),
    };
    let session =
        rustls::ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(rustls::StreamOwned::new(session, socket))
}

/// Sends the request and reads what comes back, bounded in size and time.
fn ask(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    let started = Instant::now();
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    let mut part = [0; 16 << 10];
    while answer.len() < MOST_READ {
        if started.elapsed() > ANSWER {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Many servers close without the farewell that TLS has; whether something is missing
            // shows in the lengths.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}

/// A parsed answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    kind: String,
    location: Option<String>,
    body: Vec<u8>,
    /// Whether some of the body is missing.
    cut: bool,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let head = &bytes[..bytes.len().min(MOST_HEAD)];
        let length = match response.parse(head) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.is_empty() => {
                return Err("it closed the connection without an answer".to_owned());
            }
            Ok(httparse::Status::Partial) => {
                return Err("its answer breaks off in the headers, or they do not end".to_owned());
            }
            Err(error) => return Err(format!("its answer is not HTTP: {error}")),
        };
        let header = |name: &str| {
            response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
        };
        let rest = &bytes[length..];
        let encoding = header("transfer-encoding").unwrap_or_default();
        let (body, cut) = if encoding.is_empty() {
            match header("content-length").map(|length| length.parse::<usize>()) {
                None => (rest.to_vec(), bytes.len() >= MOST_READ),
                Some(Ok(length)) => (rest[..rest.len().min(length)].to_vec(), rest.len() < length),
                Some(Err(_)) => return Err("its Content-Length is no number".to_owned()),
            }
        } else if encoding.eq_ignore_ascii_case("chunked") {
            unchunked(rest)?
        } else {
            return Err("its Transfer-Encoding is not one that is read".to_owned());
        };
        if let Some(coding) =
            header("content-encoding").filter(|c| !c.eq_ignore_ascii_case("identity"))
        {
            return Err(format!(
                "it is compressed ({}), which was not asked for",
                crate::provided::clean(&coding, 32)
            ));
        }
        let status = response.code.unwrap_or_default();
        Ok(Self {
            status,
            kind: header("content-type").unwrap_or_else(|| "text/plain".to_owned()),
            location: header("location").filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)),
            body,
            cut,
        })
    }

    fn into_result(self) -> Result<Value, String> {
        if let Some(location) = self.location {
            return Ok(json!({"status": self.status, "location": location}));
        }
        let kind = self.kind.to_ascii_lowercase();
        let media = kind.split(';').next().unwrap_or_default().trim();
        let is_html = matches!(media, "text/html" | "application/xhtml+xml");
        let is_text = media.starts_with("text/")
            || media.ends_with("json")
            || media.ends_with("xml")
            || media == "application/javascript";
        if !is_html && !is_text {
            return Err(format!(
                "it is {} of {} bytes; only text is fetched",
                crate::provided::clean(media, 64),
                self.body.len()
            ));
        }
        let latin = kind.contains("charset=iso-8859-1") || kind.contains("charset=windows-1252");
        let (mut text, mut cut) = if is_html {
            let most = self.body.len().min(MOST_HTML);
            let html = decoded(&self.body[..most], latin);
            let text = laid_out(html)?;
            (text, self.cut || most < self.body.len())
        } else {
            (decoded(&self.body, latin), self.cut)
        };
        text.retain(|c| !c.is_control() || matches!(c, '\n' | '\t'));
        if text.len() > MOST_TEXT {
            text.truncate(text.floor_char_boundary(MOST_TEXT));
            cut = true;
        }
        Ok(json!({"status": self.status, "type": media, "text": text, "truncated": cut}))
    }
}

/// HTML as text, in a thread with room for elements within elements within elements.
fn laid_out(html: String) -> Result<String, String> {
    let work = move || {
        html2text::config::plain_no_decorate()
            .allow_width_overflow()
            .string_from_read(html.as_bytes(), COLUMNS)
            .map_err(|error| format!("its HTML cannot be read: {error}"))
    };
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .map_err(|error| format!("its HTML cannot be read: {error}"))?
        .join()
        .unwrap_or_else(|_| Err("its HTML cannot be read".to_owned()))
}

fn decoded(bytes: &[u8], latin: bool) -> String {
    if latin {
        bytes.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// A body out of its chunks; `true` if it breaks off.
fn unchunked(mut rest: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok((body, true)),
            Err(_) => return Err("its chunks are malformed".to_owned()),
        };
        if size == 0 {
            return Ok((body, false));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        rest = &rest[start..];
        if rest.len() < size {
            body.extend_from_slice(rest);
            return Ok((body, true));
        }
        body.extend_from_slice(&rest[..size]);
        rest = match &rest[size..] {
            [b'\r', b'\n', more @ ..] => more,
            [] | [b'\r'] => return Ok((body, true)),
            _ => return Err("its chunks are malformed".to_owned()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_the_host_in_its_one_form() {
        let resource = |url: &str| {
            let context = Context::new(Some("a".to_owned()), "/home/a");
            let arguments = Arguments {
                url: url.to_owned(),
            };
            WebFetch::resolve(arguments, &context).map(|resolved| resolved.resource)
        };
        for url in [
            "https://example.org",
            "example.org/page",
            "HTTP://EXAMPLE.org./a?b#c",
            "https://ｅxample.org:443/",
            "http://example.org:80",
        ] {
            assert_eq!(resource(url).unwrap(), "example.org", "{url}");
        }
        assert_eq!(
            resource("https://example.org:8443").unwrap(),
            "example.org:8443"
        );
        assert_eq!(resource("http://0x7f.1:8080/").unwrap(), "127.0.0.1:8080");
        assert_eq!(resource("http://[::1]/").unwrap(), "[::1]");
        for url in [
            "file:///etc/passwd",
            "ftp://example.org",
            "https://me:secret@example.org",
            "https://example.org@evil.example",
            "https://example%00.org",
            "https://",
            "javascript:alert(1)",
        ] {
            assert!(resource(url).is_err(), "{url}");
        }
    }

    #[test]
    fn answers_are_read_whole_or_said_to_be_cut() {
        let parse = |text: &str| Answer::parse(text.as_bytes()).and_then(Answer::into_result);
        let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n\
                    <h1>Hello</h1><script>x()</script><p>you";
        let result = parse(html).unwrap();
        let text = result["text"].as_str().unwrap();
        assert!(
            text.contains("Hello") && text.contains("you") && !text.contains("x()"),
            "{text}"
        );
        assert_eq!(result["truncated"], false);
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap()["text"], "abcde");
        assert_eq!(
            parse(&chunked[..chunked.len() - 7]).unwrap()["truncated"],
            true
        );
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
        assert_eq!(parse(short).unwrap()["truncated"], true);
        let moved = "HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n";
        assert_eq!(parse(moved).unwrap()["location"], "/there");
        for bad in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn text_is_bounded_and_html_nested_without_end_too() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
        let answer = Answer::parse(format!("{head}{}", "é".repeat(MOST_TEXT)).as_bytes()).unwrap();
        let result = answer.into_result().unwrap();
        assert!(result["text"].as_str().unwrap().len() <= MOST_TEXT);
        assert_eq!(result["truncated"], true);
        let head = head.replace("plain", "html");
        let deep = format!("{head}{}x", "<div>".repeat(20_000));
        // Read or refused, in bounded time; not a fallen process.
        let _ = Answer::parse(deep.as_bytes()).unwrap().into_result();
    }

    /// A server that answers one TLS connection; its port.
    fn tls_server() -> u16 {
        use rustls::pki_types::PrivateKeyDer;
        let pem = |text: &str| CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        let chain = vec![pem(include_str!("../../tests/tls/server.pem"))];
        let key = include_str!("../../tests/tls/server-key.pem");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut request = [0; 1024];
            // A client that refuses the certificate sends none.
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
                stream.write_all(answer.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        });
        port
    }

    fn fetched(host: &str, authority: Option<&str>) -> Result<Value, ToolError> {
        let port = tls_server();
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut certificates = tempfile::tempfile().unwrap();
        certificates
            .write_all(authority.unwrap_or("nothing here").as_bytes())
            .unwrap();
        std::io::Seek::rewind(&mut certificates).unwrap();
        let arguments = json!({"url": format!("https://{host}:{port}/")});
        work(arguments, vec![socket.into(), certificates.into()])
    }

    #[test]
    fn https_is_for_whom_the_certificate_names() {
        let authority = include_str!("../../tests/tls/ca.pem");
        let result = fetched("localhost", Some(authority)).unwrap();
        assert_eq!(result["text"], "secret");
        for (host, authority, why) in [
            ("localhost", None, "no certificate is trusted"),
            ("127.0.0.1", Some(authority), "certificate"),
            ("example.org", Some(authority), "certificate"),
        ] {
            let result = fetched(host, authority);
            let error = result.expect_err(host).to_string();
            assert!(error.contains(why), "{host}: {error}");
        }
    }
}
