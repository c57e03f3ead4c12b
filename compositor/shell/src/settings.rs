//! What the shell remembers of a person: `~/.config/argos/shell.yaml`.

use std::path::PathBuf;

use serde::Deserialize;

/// The shell's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of the theme.
    pub theme: String,
    /// Wallpaper, as in themes: a name or the absolute path of a PNG; empty for the theme's.
    pub wallpaper: String,
    /// Language, as `de`; empty for that of the environment.
    pub language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: crate::theme::DEFAULT.to_owned(),
            wallpaper: String::new(),
            language: String::new(),
        }
    }
}

impl Settings {
    /// Reads them. Without a file they are the defaults; a broken file is named in the log and left
    /// alone.
    pub fn load() -> Self {
        Self::read(config_home().map(|home| home.join("argos/shell.yaml")))
    }

    /// Those for whoever is not logged in: `/etc/argos/shell.yaml`.
    pub fn of_machine() -> Self {
        Self::read(Some("/etc/argos/shell.yaml".into()))
    }

    fn read(path: Option<PathBuf>) -> Self {
        match path {
            Some(path) if path.exists() => argos_config::load(&path).unwrap_or_else(|error| {
                tracing::warn!("{error}; using the defaults");
                Self::default()
            }),
            _ => Self::default(),
        }
    }
}

/// The folder for a person's settings: `~/.config`.
pub fn config_home() -> Option<PathBuf> {
    home("XDG_CONFIG_HOME", ".config")
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
