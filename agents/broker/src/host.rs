//! Hosts as the resources of the action `network`.
//!
//! ```text
//! example.org          the host, for the web: ports 443 and 80
//! example.org:8443     the host at this port
//! *.example.org        every host beneath it, not itself; with a port too
//! 192.0.2.7  [2001:db8::1]:22        an address, as it is
//! ```
//!
//! There is one way to write a host, its normal form: small letters, names of other scripts as DNS
//! carries them (`xn--…`), no dot at the end, addresses as they are printed. So what looks like another
//! host has another text, which is what the person is shown; and comparing texts compares hosts. A
//! pattern stands for whole labels and must have two of them, so that nobody allows `*.org`. There
//! are no patterns for paths: a folder stands for all beneath it.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::permission::Verdict;

/// The ports that a host without one stands for.
const WEB: [u16; 2] = [443, 80];

/// A host or a pattern in normal form, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// Name, pattern or address, `[…]` included.
    pub name: &'a str,
    /// Port, if one is named.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Takes a text apart that is in normal form.
    pub fn of(normal: &'a str) -> Self {
        match normal.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => Self {
                name,
                port: port.parse().ok(),
            },
            _ => Self {
                name: normal,
                port: None,
            },
        }
    }

    /// Whether a grant or refusal on this is about `wanted` too. A grant is read narrowly, a refusal
    /// widely: what overlaps with it is refused.
    pub fn covers(self, wanted: Self, verdict: Verdict) -> bool {
        let name = match self.name.strip_prefix('*') {
            Some(suffix) => wanted.name.len() > suffix.len() && wanted.name.ends_with(suffix),
            None => self.name == wanted.name,
        };
        let refusal = verdict == Verdict::Deny;
        name && match (self.port, wanted.port) {
            (None, None) => true,
            (Some(mine), Some(port)) => mine == port,
            (None, Some(port)) => refusal || WEB.contains(&port),
            (Some(mine), None) => refusal && WEB.contains(&mine),
        }
    }

    /// The names under which a grant for it may be kept: its own and the patterns above it.
    pub fn keys(self) -> impl Iterator<Item = String> {
        let name = self.name;
        let above = name.match_indices('.');
        let above = above.map(move |(at, _)| format!("*{}", &name[at..]));
        std::iter::once(name.to_owned()).chain(above)
    }
}

/// The normal form of a host, or of a pattern of hosts, as a person wrote it.
///
/// # Errors
/// Says what is wrong with it.
pub fn normal(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{}` is no host: {why}", text.escape_debug()));
    if text.len() > 300 || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return wrong("it has control characters or spaces, or is too long");
    }
    if text.contains(['/', '@', '?', '#', '%', '\\']) {
        return wrong("only the host and its port are written, as in example.org:8443");
    }
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None => return wrong("behind ] only a port may follow"),
            },
            None => return wrong("the ] is missing"),
        },
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = match port.map(|p| (p, p.parse::<u16>())) {
        None => String::new(),
        Some((text, Ok(number))) if number > 0 && text == number.to_string() => {
            format!(":{number}")
        }
        Some(_) => {
            return wrong("a port is a number from 1 to 65535; IPv6 addresses stand in [ ]");
        }
    };
    if text.starts_with('[') {
        return match name.parse::<Ipv6Addr>() {
            Ok(address) if address.to_ipv4_mapped().is_some() => {
                wrong("write the IPv4 address that it stands for")
            }
            Ok(address) => Ok(format!("[{address}]{port}")),
            Err(_) => wrong("between [ and ] stands an IPv6 address"),
        };
    }
    let (star, name) = match name.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let ascii = match idna::domain_to_ascii_strict(name) {
        Ok(ascii) if !ascii.is_empty() && !ascii.ends_with('.') => ascii,
        _ => return wrong("it is no name that DNS can have"),
    };
    let last = ascii.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if number {
        // Some programs read `127.1` and `2130706433` as addresses; nobody should have to guess.
        let address = ascii.parse::<Ipv4Addr>();
        if !star.is_empty() || address.is_err() {
            return wrong("an address is written as four numbers, as in 192.0.2.7");
        }
    } else if !star.is_empty() && !ascii.contains('.') {
        return wrong("a pattern needs two names behind the star, as in *.example.org");
    }
    Ok(format!("{star}{ascii}{port}"))
}

/// Whether a text is the normal form of one host, no pattern.
pub fn is_one(text: &str) -> bool {
    !text.starts_with('*') && is_normal(text)
}

/// Whether a text is in normal form.
pub fn is_normal(text: &str) -> bool {
    normal(text).is_ok_and(|normal| normal == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(granted: &str, wanted: &str) -> bool {
        assert!(is_normal(granted) && is_one(wanted), "{granted} {wanted}");
        Host::of(granted).covers(Host::of(wanted), Verdict::Allow)
    }

    fn refuses(granted: &str, wanted: &str) -> bool {
        Host::of(granted).covers(Host::of(wanted), Verdict::Deny)
    }

    #[test]
    fn a_host_is_itself_and_a_pattern_what_is_beneath() {
        assert!(covers("example.org", "example.org"));
        assert!(!covers("example.org", "www.example.org"));
        assert!(!covers("example.org", "badexample.org"));
        assert!(covers("*.example.org", "www.example.org"));
        assert!(covers("*.example.org", "a.b.example.org"));
        assert!(!covers("*.example.org", "example.org"));
        assert!(!covers("*.example.org", "badexample.org"));
        assert!(!covers("*.example.org", "example.org.evil.net"));
        assert!(covers("192.0.2.7", "192.0.2.7") && !covers("192.0.2.7", "192.0.2.70"));
        assert!(covers("[::1]:22", "[::1]:22") && !covers("[::1]", "[::1]:22"));
    }

    #[test]
    fn without_a_port_it_is_the_web_and_a_refusal_is_wide() {
        assert!(
            covers("example.org", "example.org:443") && covers("example.org", "example.org:80")
        );
        assert!(!covers("example.org", "example.org:22"));
        assert!(covers("example.org:22", "example.org:22"));
        assert!(!covers("example.org:443", "example.org"));
        assert!(refuses("example.org", "example.org:22"));
        assert!(refuses("example.org:443", "example.org"));
        assert!(!refuses("example.org:22", "example.org"));
    }

    #[test]
    fn there_is_one_way_to_write_a_host() {
        for (written, normal_form) in [
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("EXAMPLE.org.:443", "example.org:443"),
            ("*.Example.org", "*.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            // A full stop of another script is one, and wide letters are letters.
            ("example。org", "example.org"),
            ("ｅｘａｍｐｌｅ.org", "example.org"),
            ("[2001:DB8:0::1]:443", "[2001:db8::1]:443"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(normal(written).as_deref(), Ok(normal_form), "{written}");
            assert!(is_normal(normal_form));
        }
        // Cyrillic а: another host, and seen to be one.
        assert!(normal("ex\u{430}mple.org").unwrap().starts_with("xn--"));
    }

    #[test]
    fn what_could_mean_two_hosts_means_none() {
        for text in [
            "",
            ".",
            "*",
            "*.",
            "*.org",
            "*.org.",
            "**.example.org",
            "a.*.org",
            "example.*",
            "example..org",
            ".example.org",
            "example.org..",
            "example.org:",
            "example.org:0",
            "example.org:0443",
            "example.org:+443",
            "example.org:65536",
            "example.org:443:443",
            "http://example.org",
            "user@example.org",
            "example.org/path",
            "example.org?q",
            "example.org#f",
            "example.org%00",
            "example.org\0.evil.net",
            "example.org\n",
            "example .org",
            "exa\u{200b}mple .org",
            "127.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "*.0.0.1",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[::1%lo]",
            "[::1]443",
            "[::ffff:127.0.0.1]",
            "-a.org",
            "a_b.org",
            "xn--a.org",
            "a\\b.org",
        ] {
            assert!(normal(text).is_err(), "{text:?} is {:?}", normal(text));
        }
        let long = format!("{}.org", "a".repeat(64));
        assert!(normal(&long).is_err());
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(text in "\\PC{0,40}") {
            if let Ok(normal_form) = normal(&text) {
                prop_assert_eq!(normal(&normal_form), Ok(normal_form.clone()));
                prop_assert!(normal_form.is_ascii());
            }
        }

        #[test]
        fn a_grant_for_a_host_is_found_by_its_keys(
            granted in r"(\*\.)?[ab](\.[ab]){1,3}(:(80|443|22))?",
            wanted in r"[ab](\.[ab]){1,4}(:(80|443|22))?",
        ) {
            let (granted, wanted) = (Host::of(&granted), Host::of(&wanted));
            for verdict in [Verdict::Allow, Verdict::Deny] {
                if granted.covers(wanted, verdict) {
                    prop_assert!(wanted.keys().any(|k| k == granted.name));
                }
            }
        }
    }
}
