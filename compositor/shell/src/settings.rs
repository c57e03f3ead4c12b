//! What the shell remembers of a person: `~/.config/argos/shell.yaml`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

use crate::theme::{self, Theme};

/// How large text can be, in percent.
pub const TEXT_SIZES: RangeInclusive<u32> = 80..=200;

/// The shell's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Name of the theme.
    pub theme: String,
    /// The colour that asks for attention: one of [`theme::ACCENTS`] or `#rrggbb`; empty for the theme's.
    pub accent: String,
    /// How large text is, in percent: one of [`TEXT_SIZES`].
    pub text_size: u32,
    /// Wallpaper, as in themes: a name or the absolute path of a PNG; empty for the theme's.
    pub wallpaper: String,
    /// Language, as `de`; empty for that of the environment.
    pub language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: crate::theme::DEFAULT.to_owned(),
            accent: String::new(),
            text_size: 100,
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

    /// How things are to look.
    pub fn look(&self) -> Look {
        Look {
            theme: self.theme.clone(),
            accent: self.accent.clone(),
            text_size: self.text_size,
        }
    }
}

/// How things are to look, in every process that shows some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// As in [`Settings`].
    pub theme: String,
    /// As in [`Settings`].
    pub accent: String,
    /// As in [`Settings`].
    pub text_size: u32,
}

impl Look {
    /// The theme with the accent. What of it cannot be had is said in the log; then there is that of the theme, or
    /// the built-in theme.
    pub fn theme(&self) -> Theme {
        let mut theme = theme::load_or_default(&self.theme);
        if let Err(error) = theme.take_accent(&self.accent, theme::least_contrast(&self.theme)) {
            tracing::warn!("shell.yaml: {error}; using the theme's");
        }
        theme
    }

    /// How many times as large as they are laid out things are shown, for the host.
    pub fn enlarged(&self) -> f32 {
        let percent = self.text_size.clamp(*TEXT_SIZES.start(), *TEXT_SIZES.end());
        if percent != self.text_size {
            let (least, most) = TEXT_SIZES.into_inner();
            tracing::warn!(
                "shell.yaml: a text size of {} % is not {least} to {most} %; {percent} % is used",
                self.text_size
            );
        }
        percent as f32 / 100.0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_as_near_as_can_be() {
        let mut look = Settings::default().look();
        assert_eq!(look.enlarged(), 1.0);
        for (percent, shown) in [(150, 1.5), (10, 0.8), (900, 2.0)] {
            look.text_size = percent;
            assert_eq!(look.enlarged(), shown, "{percent}");
        }
        look.accent = "no colour".to_owned();
        assert_eq!(look.theme(), theme::load_or_default("dark"));
        look.accent = "purple".to_owned();
        assert_eq!(theme::hex(look.theme().colors.accent), "#c3a5ff");
    }
}
