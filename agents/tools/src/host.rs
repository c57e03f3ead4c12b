//! Hosts by name: the one form in which they are compared, what a grant on one covers, and how they
//! are connected to.
//!
//! Everything that may reach a network goes through here: the proxy of sandboxed tool providers (in
//! the broker) and `web.fetch`. A host is written in many ways (case, a trailing dot, full-width
//! letters, `0x7f.1`); [`Target::parse`] makes one of all of them or refuses, so that comparing text
//! compares hosts. A look-alike of another script stays another name: it becomes its `xn--` form.
//!
//! What a name *resolves* to is somebody else's word. So [`dial`] resolves once, refuses addresses
//! inside (loopback, private, link-local and the like) unless that address was granted as an
//! address, and connects to exactly the address that it looked at: a name that changes its mind
//! afterwards (DNS rebinding) changes nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

/// Longest name, as DNS has it.
const MAX_NAME: usize = 253;
/// Longest time for finding an address, and for each connection attempt.
const RESOLVE_TIME: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const MAX_TRIED: usize = 4;

/// A host in its one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name: ASCII, small letters, no trailing dot.
    Name(String),
    /// An address, written as one.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What a text has that no host can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host: {why}")]
pub struct HostError {
    text: String,
    why: String,
}

fn wrong(text: &str, why: impl Into<String>) -> HostError {
    HostError {
        text: text.chars().take(80).collect(),
        why: why.into(),
    }
}

impl Host {
    /// Reads a host: a name, an IPv4 address, an IPv6 address in brackets.
    ///
    /// # Errors
    /// It is none, or holds something that only tricks hold (NUL, `%`, `@`, empty labels).
    pub fn parse(text: &str) -> Result<Self, HostError> {
        // `url` decodes percents and stops at some of these; a host has no use for any of them.
        if let Some(c) = text
            .chars()
            .find(|c| c.is_control() || c.is_whitespace() || "%@/\\?#<>^|*\"'`{}".contains(*c))
        {
            return Err(wrong(text, format!("it holds {c:?}")));
        }
        let plain = text.strip_suffix(['.', '。', '．', '｡']).unwrap_or(text);
        let host = match url::Host::parse(plain) {
            Ok(url::Host::Domain(name)) => name,
            Ok(url::Host::Ipv4(address)) => return Ok(Self::Address(address.into())),
            Ok(url::Host::Ipv6(address)) => {
                return Ok(Self::Address(IpAddr::from(address).to_canonical()));
            }
            Err(error) => return Err(wrong(text, error.to_string())),
        };
        if host.len() > MAX_NAME {
            return Err(wrong(text, format!("longer than {MAX_NAME} characters")));
        }
        let label_fits = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if !host.split('.').all(label_fits) {
            return Err(wrong(
                text,
                "each part of a name is 1 to 63 letters, digits and `-`",
            ));
        }
        Ok(Self::Name(host))
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Host.
    pub host: Host,
    /// Port, never 0.
    pub port: u16,
}

impl Target {
    /// Reads `HOST:PORT`; without a port `default` is meant, where there is one.
    ///
    /// # Errors
    /// See [`Host::parse`]; a port that is none or missing.
    pub fn parse(text: &str, default: Option<u16>) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        let port = port
            .or(default)
            .ok_or_else(|| wrong(text, "no port; write HOST:PORT"))?;
        Ok(Self {
            host: Host::parse(host)?,
            port,
        })
    }

    /// The resource of a permission on it: the host alone where the port is one of the web's own
    /// (80, 443), else `HOST:PORT`.
    #[must_use]
    pub fn resource(&self) -> String {
        if matches!(self.port, 80 | 443) {
            self.host.to_string()
        } else {
            self.to_string()
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Splits `HOST:PORT`; a colon inside brackets belongs to the address.
fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    let Some(at) = text[after_brackets..]
        .find(':')
        .map(|at| at + after_brackets)
    else {
        return Ok((text, None));
    };
    let (host, port) = (&text[..at], &text[at + 1..]);
    // `u16::from_str` takes a sign.
    let number = Some(port)
        .filter(|port| port.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|port| port.parse().ok())
        .filter(|port| *port != 0)
        .ok_or_else(|| wrong(text, "the port must be a number from 1 to 65535"))?;
    Ok((host, Some(number)))
}

/// Which hosts are meant: `example.org`, `*.example.org` (what is below it, not itself),
/// `example.org:8443`, `192.0.2.7:80`, `[2001:db8::1]`. Without a port: 80 and 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    below: bool,
    host: Host,
    port: Option<u16>,
}

impl HostPattern {
    /// Reads one.
    ///
    /// # Errors
    /// As [`Target::parse`]; `*` anywhere but as the whole first part, or before a single label or
    /// an address.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text)?;
        let (below, host) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        let host = Host::parse(host)?;
        if below && !matches!(&host, Host::Name(name) if name.contains('.')) {
            return Err(wrong(
                text,
                "`*.` stands before a name of two parts or more: `*.example.org`",
            ));
        }
        Ok(Self { below, host, port })
    }

    /// Whether the target is one of them.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        let port = match self.port {
            Some(port) => port == target.port,
            None => matches!(target.port, 80 | 443),
        };
        port && match (&self.host, &target.host) {
            (Host::Name(suffix), Host::Name(name)) if self.below => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
            (own, other) => !self.below && own == other,
        }
    }

    /// Whether it is about one address.
    #[must_use]
    pub fn is_address(&self) -> bool {
        matches!(self.host, Host::Address(_))
    }

    /// The one host it is about; `None` for `*.`.
    #[must_use]
    pub fn single(&self) -> Option<String> {
        let resource = match self.port {
            Some(port) => Target {
                host: self.host.clone(),
                port,
            }
            .resource(),
            None => self.host.to_string(),
        };
        (!self.below).then_some(resource)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(f, "{below}{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether an address is one of the open network's: not this machine, not a private network, nothing
/// reserved; and the same of an IPv4 address that is wrapped in an IPv6 one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a >= 240
        // Shared by carriers; protocol assignments; relays of 6to4; benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // NAT64, and 6to4: an IPv4 address in disguise.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo; documentation.
        [0x2001, 0, ..] | [0x2001, 0xdb8, ..] => false,
        // Global unicast is 2000::/3, and nothing else is.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name leads to an address inside, which was not granted.
    #[error(
        "{target} is at {address}, which is not an address of the open network; a name is not \
         followed there: grant the address itself if it is meant"
    )]
    Inside {
        /// What was asked for.
        target: Target,
        /// Where it led.
        address: IpAddr,
    },
    /// No address was found.
    #[error("{target}: no address was found: {source}")]
    Unknown {
        /// What was asked for.
        target: Target,
        /// Why.
        source: io::Error,
    },
    /// Nothing answered there.
    #[error("{target}: no connection: {source}")]
    Unreachable {
        /// What was asked for.
        target: Target,
        /// Why.
        source: io::Error,
    },
}

/// Connects to a target whose host was granted. `inside` says whether an address inside was granted
/// as an address; one that is the target itself was.
///
/// # Errors
/// See [`DialError`].
pub async fn dial(
    target: &Target,
    inside: impl Fn(SocketAddr) -> bool,
) -> Result<TcpStream, DialError> {
    let unknown = |source| DialError::Unknown {
        target: target.clone(),
        source,
    };
    let addresses: Vec<SocketAddr> = match &target.host {
        Host::Address(address) => vec![SocketAddr::new(*address, target.port)],
        Host::Name(name) => {
            let looking = tokio::net::lookup_host((name.as_str(), target.port));
            tokio::time::timeout(RESOLVE_TIME, looking)
                .await
                .map_err(|_| unknown(io::ErrorKind::TimedOut.into()))?
                .map_err(unknown)?
                .collect()
        }
    };
    let addresses = vet(target, addresses, inside)?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses.into_iter().take(MAX_TRIED) {
        match tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(DialError::Unreachable {
        target: target.clone(),
        source: last,
    })
}

/// The addresses that may be connected to: all of them or none. A name that leads outside and
/// inside at once is up to something.
fn vet(
    target: &Target,
    addresses: Vec<SocketAddr>,
    inside: impl Fn(SocketAddr) -> bool,
) -> Result<Vec<SocketAddr>, DialError> {
    if matches!(target.host, Host::Address(_)) {
        return Ok(addresses);
    }
    let refused = addresses
        .iter()
        .find(|address| !is_public(address.ip()) && !inside(**address));
    match refused {
        Some(address) => Err(DialError::Inside {
            target: target.clone(),
            address: address.ip(),
        }),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> String {
        Host::parse(text).map_or_else(|error| format!("! {error}"), |host| host.to_string())
    }

    #[test]
    fn one_host_has_one_form() {
        for text in [
            "example.org",
            "EXAMPLE.Org",
            "example.org.",
            "ｅxample.org",
            "example。org",
            "example.org。",
        ] {
            assert_eq!(host(text), "example.org", "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "[::ffff:7f00:1]",
            "127.0.0.1.",
        ] {
            assert_eq!(host(text), "127.0.0.1", "{text}");
        }
        assert_eq!(host("[0:0::1]"), "[::1]");
    }

    #[test]
    fn a_look_alike_is_another_host() {
        // Cyrillic `а` and `о`.
        for text in ["exаmple.org", "example.оrg", "ехample.org"] {
            assert_ne!(host(text), "example.org");
        }
        assert!(host("exаmple.org").starts_with("xn--"));
        // What is invisible is dropped by IDNA or refused, never kept.
        for text in [
            "exam\u{200b}ple.org",
            "exam\u{ad}ple.org",
            "example.org\u{202e}",
        ] {
            let host = host(text);
            assert!(host == "example.org" || host.starts_with('!'), "{host}");
        }
    }

    #[test]
    fn what_only_tricks_hold_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "example.org..",
            ".example.org",
            "a..b",
            "example.org\0.evil.example",
            "example.org\n",
            "example%2eorg",
            "example.org%00",
            "user@example.org",
            "example.org/",
            "example.org#",
            "example.org\\@evil.example",
            "-a.example",
            "[::1",
            "::1",
            "[fe80::1%25eth0]",
            "*.example.org",
            "256.1.1.1",
            "1.2.3.4.5",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?}: {}", host(text));
        }
        assert!(Host::parse(&"a".repeat(64)).is_err());
        assert!(Host::parse(&"a.".repeat(200)).is_err());
        for text in [
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:80:80",
            "a: 80",
            "[::1]x:80",
        ] {
            assert!(Target::parse(text, None).is_err(), "{text:?}");
        }
        assert_eq!(
            Target::parse("[::1]:80", None).unwrap().to_string(),
            "[::1]:80"
        );
    }

    #[test]
    fn a_pattern_covers_what_it_says() {
        let covers = |pattern: &str, target: &str| {
            HostPattern::parse(pattern)
                .unwrap()
                .covers(&Target::parse(target, None).unwrap())
        };
        assert!(covers("example.org", "EXAMPLE.org.:443"));
        assert!(covers("example.org", "example.org:80"));
        assert!(!covers("example.org", "example.org:22"));
        assert!(!covers("example.org", "www.example.org:443"));
        assert!(!covers("example.org", "example.org.evil.example:443"));
        assert!(covers("*.example.org", "a.b.example.org:443"));
        for other in ["example.org:443", "badexample.org:443", "example.org.:443"] {
            assert!(!covers("*.example.org", other), "{other}");
        }
        assert!(covers("*.example.org:8443", "a.example.org:8443"));
        assert!(!covers("*.example.org:8443", "a.example.org:443"));
        assert!(covers("127.0.0.1:8080", "127.1:8080"));
        assert!(!covers("127.0.0.1:8080", "localhost:8080"));
        assert!(covers("[::1]:1", "[0::1]:1"));
        for bad in [
            "*",
            "*.org",
            "*.127.0.0.1",
            "a.*.org",
            "*a.example.org",
            "**.a.org",
            "",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_inside_are_known_as_such() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001:0:1::",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn a_name_that_leads_inside_is_not_followed() {
        let target = Target::parse("granted.example:443", None).unwrap();
        let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let public = at("93.184.216.34:443");
        let loopback = at("127.0.0.1:443");
        assert_eq!(vet(&target, vec![public], |_| false).unwrap(), [public]);
        for addresses in [
            vec![loopback],
            vec![public, loopback],
            vec![at("[::ffff:10.0.0.1]:443")],
        ] {
            let error = vet(&target, addresses, |_| false).unwrap_err();
            assert!(matches!(error, DialError::Inside { .. }));
            assert!(error.to_string().contains("granted.example:443"), "{error}");
        }
        assert_eq!(
            vet(&target, vec![loopback], |address| address == loopback).unwrap(),
            [loopback]
        );
        // The address itself is what was granted.
        let target = Target::parse("127.0.0.1:443", None).unwrap();
        assert_eq!(vet(&target, vec![loopback], |_| false).unwrap(), [loopback]);
    }
}
