//! Files over HTTP: whole, resumed where a connection was cut, checked by size and digest.
//!
//! The server is not trusted further than its digests: sizes are bounds, redirects are few and never lead
//! from https to http, the token goes to the server that it is for and to nobody else.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use url::Url;

use super::index::{self, Entry, is_sha256};
use super::progress::{Interrupt, Progress};
use super::store::{Staging, failed};
use crate::failure::{Failure, Result, Status};
use crate::output::{Output, bytes, exact};

/// The certificates that are trusted, where `SSL_CERT_FILE` names no others.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Redirects that are followed one after another.
const MAX_REDIRECTS: usize = 6;

/// Attempts one after another that brought next to nothing.
const MAX_ATTEMPTS: u32 = 6;

/// An attempt that brought more than this was worth it.
const WORTH: u64 = 1 << 20;

/// Longest wait before another attempt, also where the server asks for more.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Largest file whose size nobody tells beforehand, in bytes.
const MAX_UNTOLD: u64 = 64 << 20;

/// What stands behind the name of a file that is not complete.
pub(crate) const PART: &str = ".part";

/// A file on a server.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) url: Url,
    /// Bytes, where the listing tells.
    pub(crate) size: Option<u64>,
    /// In lower-case hexadecimal, where the listing tells.
    pub(crate) sha256: Option<String>,
}

/// Why an attempt failed.
#[derive(Debug)]
enum Trouble {
    /// The next one may do better, after so long at least.
    Passing(String, Option<Duration>),
    /// No attempt will do better.
    Final(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// An answer and what the redirects on the way to it said.
struct Answer {
    response: Response<ureq::Body>,
    linked_sha256: Option<String>,
    linked_size: Option<u64>,
}

pub(crate) struct Client {
    agent: ureq::Agent,
    token: Option<String>,
    /// Where the token goes.
    home: Url,
    interrupt: Interrupt,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Client")
            .field("home", &self.home.as_str())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `home`. `silence` is how long it may send nothing.
    pub(crate) fn new(
        home: &Url,
        token: Option<String>,
        silence: Duration,
        interrupt: Interrupt,
    ) -> Result<Self> {
        if token.is_some() && home.scheme() != "https" && !is_loopback(home) {
            let text = format!("the token would go to {home} for everybody to read");
            return Err(Failure::new(Status::Denied, text).hint("use an address with https://"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots()?))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            // They are followed here, with the token kept where it belongs.
            .max_redirects(0)
            .user_agent(concat!("argos/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(silence))
            .timeout_connect(Some(silence))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            token,
            home: home.clone(),
            interrupt,
        })
    }

    /// A small document, at most `limit` bytes.
    pub(crate) fn document(&self, url: &Url, limit: u64) -> Result<Vec<u8>> {
        self.attempts(url, |client, _| {
            let mut answer = client.get(url, &[])?;
            client.expect(&answer.response, url)?;
            let mut text = Vec::new();
            let mut body = answer.response.body_mut().as_reader().take(limit + 1);
            match body.read_to_end(&mut text) {
                Ok(_) if text.len() as u64 > limit => Err(Trouble::Final(Failure::new(
                    Status::Failed,
                    format!("{url} is longer than {}", bytes(limit)),
                ))),
                Ok(_) => Ok(text),
                Err(e) => Err(Trouble::Passing(e.to_string(), None)),
            }
        })
    }

    /// Brings a file into the folder, going on from what is there of it.
    pub(crate) fn file(
        &self,
        name: &Path,
        remote: &Remote,
        staging: &Staging,
        progress: &mut Progress,
    ) -> Result<Entry> {
        let text = index::name(name)?;
        progress.file(&text);
        let mut download = Download::new(self, name, remote, staging)?;
        if let Some(entry) = download.complete(&text, progress)? {
            return Ok(entry);
        }
        let mut resumed = download.begin(progress);
        loop {
            self.attempts(&remote.url, |_, attempt| {
                resumed |= attempt > 0;
                download.attempt(progress)
            })?;
            match download.finish(&text)? {
                Ok(entry) => return Ok(entry),
                // What was there before may have been of another file: once more from the beginning.
                Err(_) if std::mem::take(&mut resumed) => download.discard(progress)?,
                Err(failure) => {
                    download.discard(progress)?;
                    return Err(failure);
                }
            }
        }
    }

    /// Tries until it succeeds or makes no sense any more. `work` is told how many attempts were made.
    fn attempts<T>(
        &self,
        url: &Url,
        mut work: impl FnMut(&Self, u32) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let (mut vain, mut total) = (0, 0);
        loop {
            self.interrupt.check()?;
            let (why, wait) = match work(self, total) {
                Ok(value) => return Ok(value),
                Err(Trouble::Final(failure)) => return Err(failure),
                Err(Trouble::Passing(why, wait)) => (why, wait),
            };
            total += 1;
            // An attempt that was worth it says so by asking for no wait at all.
            vain = if wait == Some(Duration::ZERO) {
                0
            } else {
                vain + 1
            };
            if vain >= MAX_ATTEMPTS {
                let text = format!(
                    "{url} cannot be had after {total} attempts: {}",
                    exact(&why)
                );
                return Err(Failure::new(Status::Failed, text)
                    .hint("what came so far is kept; the same command goes on with it"));
            }
            let least = Duration::from_millis(250) * 2u32.pow(vain.min(6));
            self.wait(wait.unwrap_or_default().max(least).min(MAX_WAIT))?;
        }
    }

    fn wait(&self, time: Duration) -> Result {
        let start = Instant::now();
        while start.elapsed() < time {
            self.interrupt.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// An answer that is no redirect, whatever its status.
    fn get(&self, url: &Url, headers: &[(&str, String)]) -> std::result::Result<Answer, Trouble> {
        let refuse = |text: String| Trouble::Final(Failure::new(Status::Failed, text));
        let mut at = url.clone();
        let (mut linked_sha256, mut linked_size) = (None, None);
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent.get(at.as_str());
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(token) = &self.token
                && at.origin() == self.home.origin()
            {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|e| trouble(&at, &e))?;
            let told = response.headers();
            linked_sha256 = linked_sha256.or_else(|| {
                let tag = header(told, "x-linked-etag")?
                    .trim_matches('"')
                    .to_ascii_lowercase();
                is_sha256(&tag).then_some(tag)
            });
            linked_size = linked_size.or_else(|| header(told, "x-linked-size")?.parse().ok());
            if !response.status().is_redirection() {
                return Ok(Answer {
                    response,
                    linked_sha256,
                    linked_size,
                });
            }
            let to = header(told, "location")
                .and_then(|to| at.join(to).ok())
                .filter(|to| matches!(to.scheme(), "http" | "https"))
                .ok_or_else(|| refuse(format!("{at} redirects to nowhere")))?;
            if at.scheme() == "https" && to.scheme() == "http" {
                return Err(refuse(format!("{at} redirects from https to http ({to})")));
            }
            at = to;
        }
        Err(refuse(format!(
            "{url} redirects more than {MAX_REDIRECTS} times"
        )))
    }

    /// Takes 200 and 206.
    fn expect(
        &self,
        response: &Response<ureq::Body>,
        url: &Url,
    ) -> std::result::Result<(), Trouble> {
        let status = response.status().as_u16();
        let refuse = |status, text: String, hint: &str| {
            Err(Trouble::Final(Failure::new(status, text).hint(hint)))
        };
        match status {
            200 | 206 => Ok(()),
            401 | 403 => refuse(
                Status::Denied,
                format!("{url}: the server does not let us ({status})"),
                "--token-file names the file with your token for this server",
            ),
            404 | 410 => refuse(
                Status::NotFound,
                format!("{url} is not there ({status})"),
                "look at the spelling of the model, its @REVISION and the --server",
            ),
            408 | 425 | 429 | 500..=599 => {
                let wait = header(response.headers(), "retry-after").and_then(|t| t.parse().ok());
                let wait = wait.map(Duration::from_secs).filter(|w| !w.is_zero());
                Err(Trouble::Passing(
                    format!("the server answers {status}"),
                    wait,
                ))
            }
            _ => refuse(
                Status::Failed,
                format!("{url}: the server answers {status}"),
                "is it a server of models?",
            ),
        }
    }
}

/// A file on its way.
struct Download<'a> {
    client: &'a Client,
    remote: &'a Remote,
    staging: &'a Staging,
    target: PathBuf,
    part: PathBuf,
    /// The entity tag that the part is of.
    tag: PathBuf,
    size: Option<u64>,
    sha256: Option<String>,
}

impl<'a> Download<'a> {
    fn new(
        client: &'a Client,
        name: &Path,
        remote: &'a Remote,
        staging: &'a Staging,
    ) -> Result<Self> {
        let target = staging.path().join(name);
        staging.parents(&target)?;
        let beside = |ending: &str| {
            let mut name = target.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let part = beside(PART);
        Ok(Self {
            client,
            remote,
            staging,
            tag: beside(".part.etag"),
            part,
            target,
            size: remote.size,
            sha256: remote.sha256.clone(),
        })
    }

    fn have(&self) -> u64 {
        self.part.metadata().map_or(0, |m| m.len())
    }

    fn digest(&self, path: &Path) -> Result<String> {
        // The bytes were counted as they came.
        let mut silent = Progress::new(Output::new(false), "checking", 0);
        silent.mute();
        index::digest(path, &mut silent, &self.client.interrupt)
    }

    /// The file where an earlier attempt brought it whole and that can be told.
    fn complete(&self, name: &str, progress: &mut Progress) -> Result<Option<Entry>> {
        let (Some(size), Some(sha256)) = (self.size, &self.sha256) else {
            return Ok(None);
        };
        let there = self
            .target
            .metadata()
            .is_ok_and(|m| m.is_file() && m.len() == size);
        if !there || self.digest(&self.target)? != *sha256 {
            return Ok(None);
        }
        progress.skip(size);
        Ok(Some(Entry {
            path: name.to_owned(),
            size,
            sha256: sha256.clone(),
        }))
    }

    /// Counts what is there; whether something is.
    fn begin(&self, progress: &mut Progress) -> bool {
        let have = self.have();
        progress.skip(have);
        have > 0
    }

    fn discard(&self, progress: &mut Progress) -> Result {
        progress.back(self.have());
        let _ = fs::remove_file(&self.tag);
        match fs::remove_file(&self.part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &self.part, &e))
            }
            _ => Ok(()),
        }
    }

    fn attempt(&mut self, progress: &mut Progress) -> std::result::Result<(), Trouble> {
        let url = &self.remote.url;
        let refuse = |text: String| Trouble::Final(Failure::new(Status::Failed, text));
        let mut have = self.have();
        if self.size.is_some_and(|size| have > size) {
            self.discard(progress)?;
            have = 0;
        }
        if self.size == Some(have) && have > 0 {
            return Ok(());
        }
        let tag = fs::read_to_string(&self.tag).ok();
        // Without an entity tag only the digest can tell whether two halves are of the same file.
        if have > 0 && tag.is_none() && self.sha256.is_none() {
            self.discard(progress)?;
            have = 0;
        }
        let mut headers = Vec::new();
        if have > 0 {
            headers.push(("Range", format!("bytes={have}-")));
            headers.extend(tag.clone().map(|tag| ("If-Range", tag)));
        }
        let mut answer = self.client.get(url, &headers)?;
        let told = answer.response.headers();
        if answer.response.status().as_u16() == 416 {
            self.discard(progress)?;
            return Err(Trouble::Passing(
                "the server has no such range".into(),
                None,
            ));
        }
        self.client.expect(&answer.response, url)?;
        let ranged = answer.response.status().as_u16() == 206;
        if ranged {
            let from = header(told, "content-range").and_then(|r| {
                r.strip_prefix("bytes ")?
                    .split_once('-')?
                    .0
                    .parse::<u64>()
                    .ok()
            });
            if from != Some(have) {
                self.discard(progress)?;
                return Err(Trouble::Passing(
                    "the server sent another range".into(),
                    None,
                ));
            }
            if let (Some(old), Some(new)) = (tag.as_deref(), header(told, "etag"))
                && old != new
            {
                self.discard(progress)?;
                return Err(Trouble::Passing("the file has changed".into(), None));
            }
        }
        if let Some(how) = header(told, "content-encoding")
            && !how.eq_ignore_ascii_case("identity")
        {
            return Err(refuse(format!(
                "{url} comes compressed ({}), which was not asked for",
                exact(how)
            )));
        }
        let length = if ranged {
            header(told, "content-range")
                .and_then(|range| range.rsplit('/').next())
                .and_then(|total| total.parse::<u64>().ok())
        } else {
            header(told, "content-length").and_then(|l| l.parse::<u64>().ok())
        };
        let whole = length.or(answer.linked_size);
        if let (Some(whole), Some(size)) = (whole, self.size)
            && whole != size
        {
            return Err(refuse(format!(
                "{url} has {whole} bytes, its listing says {size}: it is not what was listed"
            )));
        }
        if !ranged && have > 0 {
            // It begins at the beginning: the file has changed, or the server knows no ranges. Not before it is
            // seen to be the file: a page that says something else is no reason to lose what is there.
            self.discard(progress)?;
            have = 0;
        }
        if self.size.is_none() {
            if let Some(whole) = whole {
                progress.grow(whole);
                self.staging.check_room(whole.saturating_sub(have))?;
            }
            self.size = whole;
        }
        self.sha256 = self.sha256.take().or_else(|| answer.linked_sha256.clone());
        // A weak tag says that two files mean the same, not that they are the same.
        match header(told, "etag").filter(|tag| !tag.starts_with("W/")) {
            Some(tag) => {
                fs::write(&self.tag, tag).map_err(|e| failed("cannot write", &self.tag, &e))?;
            }
            None => drop(fs::remove_file(&self.tag)),
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.part)
            .map_err(|e| failed("cannot write", &self.part, &e))?;
        let most = self.size.unwrap_or(MAX_UNTOLD);
        let begun = have;
        let mut body = answer.response.body_mut().as_reader();
        let mut block = vec![0; 1 << 16];
        let cut = loop {
            self.client.interrupt.check()?;
            match body.read(&mut block) {
                Ok(0) => break None,
                Ok(read) => {
                    have += read as u64;
                    if have > most {
                        return Err(refuse(format!("{url} is longer than {most} bytes")));
                    }
                    file.write_all(&block[..read])
                        .map_err(|e| failed("cannot write", &self.part, &e))?;
                    progress.add(read as u64);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => break Some(e.to_string()),
            }
        };
        let short = self.size.is_some_and(|size| have < size);
        match cut.or_else(|| short.then(|| "the connection was cut".to_owned())) {
            None => Ok(()),
            Some(why) => {
                let worth = (have - begun >= WORTH).then_some(Duration::ZERO);
                Err(Trouble::Passing(why, worth))
            }
        }
    }

    /// Checks the whole and gives it its name; the inner failure says that it is another file.
    fn finish(&self, name: &str) -> Result<std::result::Result<Entry, Failure>> {
        let write = |e: std::io::Error| failed("cannot write", &self.part, &e);
        if self.size == Some(0) || !self.part.exists() {
            File::create(&self.part).map_err(write)?;
        }
        let size = self.have();
        let sha256 = self.digest(&self.part)?;
        if let Some(listed) = &self.sha256
            && *listed != sha256
        {
            let text = format!(
                "{} has the SHA-256 {sha256}, its listing says {listed}: it was changed on the way or on \
                 the server",
                self.remote.url
            );
            return Ok(Err(Failure::new(Status::Failed, text)
                .hint("it was thrown away; try again later or another server")));
        }
        File::open(&self.part)
            .and_then(|f| f.sync_all())
            .map_err(write)?;
        fs::rename(&self.part, &self.target).map_err(write)?;
        let _ = fs::remove_file(&self.tag);
        Ok(Ok(Entry {
            path: name.to_owned(),
            size,
            sha256,
        }))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn trouble(url: &Url, error: &ureq::Error) -> Trouble {
    use ureq::Error as E;
    let text = format!("{url}: {error}");
    match error {
        // A certificate that is not trusted comes as one of these; it does not get better.
        E::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Trouble::Final(
            Failure::new(Status::Denied, text)
                .hint("SSL_CERT_FILE names a file with the certificates that you trust"),
        ),
        E::Rustls(_) | E::Tls(_) | E::Pem(_) => Trouble::Final(
            Failure::new(Status::Denied, text)
                .hint("SSL_CERT_FILE names a file with the certificates that you trust"),
        ),
        E::HostNotFound => Trouble::Final(
            Failure::new(Status::NotFound, text).hint("is the network up, and the name right?"),
        ),
        E::BadUri(_) | E::Http(_) | E::LargeResponseHeader(..) | E::InvalidProxyUrl => {
            Trouble::Final(Failure::new(Status::Failed, text))
        }
        _ => Trouble::Passing(text, None),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The certificates that this machine trusts; none is no failure before one is needed.
fn roots() -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|v| !v.is_empty());
    let file = named
        .clone()
        .map_or_else(|| PathBuf::from(CERTIFICATES), PathBuf::from);
    match fs::read(&file) {
        Ok(pem) => Ok(ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect()),
        Err(e) if named.is_some() => Err(failed("cannot read", &file, &e)),
        Err(_) => Ok(Vec::new()),
    }
}
