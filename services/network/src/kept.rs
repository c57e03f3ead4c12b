//! What outlives a restart: whether links may be used, and what was taken from them.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The switch's position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// Whether links may be used.
    pub(crate) enabled: bool,
    /// What was taken down and is to come back.
    #[serde(default)]
    pub(crate) links: Vec<Taken>,
}

/// A link that was taken down, with what the kernel forgets of it then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    /// Name: numbers change with each start of the machine.
    pub(crate) name: String,
    /// Addresses with the length of their network.
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
    /// Routes that somebody set.
    #[serde(default)]
    pub(crate) routes: Vec<Way>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Way {
    /// Where to: a network, `0.0.0.0/0` for everywhere.
    pub(crate) to: String,
    /// By which machine, if not directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<std::net::IpAddr>,
    /// The least counts.
    #[serde(default)]
    pub(crate) metric: u32,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            enabled: true,
            links: Vec::new(),
        }
    }
}

impl Kept {
    /// What was kept; on where nobody ever used the switch. A file that cannot be understood was
    /// written by somebody who used it: off, until it is switched on again.
    pub(crate) fn load(file: &Path) -> Self {
        let off = |why: String| {
            tracing::warn!(
                "{}: {why}; the network stays off until it is switched on",
                file.display()
            );
            Self {
                enabled: false,
                links: Vec::new(),
            }
        };
        match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => off(error.to_string()),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).unwrap_or_else(|error| off(error.to_string()))
            }
        }
    }

    /// Puts it on disk: whole or, where power fails, as it was before.
    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        argos_config::write_atomically(file, &text).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_what_is_broken_is_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/state.json");
        assert!(Kept::load(&file).enabled, "nobody used the switch");
        let kept = Kept {
            enabled: false,
            links: vec![Taken {
                name: "eth0".into(),
                addresses: vec!["10.0.2.15/24".into()],
                routes: vec![Way {
                    to: "0.0.0.0/0".into(),
                    gateway: Some("10.0.2.2".parse().unwrap()),
                    metric: 100,
                }],
            }],
        };
        kept.save(&file).unwrap();
        assert_eq!(Kept::load(&file), kept);
        for broken in ["", "{}", r#"{"enabled": "no"}"#, "\0\u{1}"] {
            fs::write(&file, broken).unwrap();
            assert!(!Kept::load(&file).enabled, "{broken:?}");
        }
        // A power cut in the middle of writing leaves a file beside it, which nobody reads.
        Kept::default().save(&file).unwrap();
        fs::write(file.with_extension("json.new"), "{").unwrap();
        assert!(Kept::load(&file).enabled);
    }
}
