//! What the shell remembers of a person: `~/.config/argos/shell.yaml`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The shell's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of the theme.
    pub theme: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: crate::theme::DEFAULT.to_owned(),
        }
    }
}

impl Settings {
    /// Reads them. Without a file they are the defaults; a broken file is named in the log and left
    /// alone until the next change.
    pub fn load() -> Self {
        match path() {
            Some(path) if path.exists() => argos_config::load(&path).unwrap_or_else(|error| {
                tracing::warn!("{error}; using the defaults");
                Self::default()
            }),
            _ => Self::default(),
        }
    }

    /// Writes them by write-to-temp, fsync, rename.
    pub fn save(&self) {
        let Some(path) = path() else { return };
        if let Err(error) = argos_config::save(&path, self) {
            tracing::warn!("{error}; the theme is not remembered");
        }
    }
}

fn path() -> Option<PathBuf> {
    Some(home("XDG_CONFIG_HOME", ".config")?.join("argos/shell.yaml"))
}

/// The folder for a person's data: `~/.local/share`.
pub fn data_home() -> Option<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

fn home(variable: &str, below: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    set.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below)))
}
