//! The compositor's settings: `/usr/share/argos/compositor.yaml`, over which
//! `/etc/argos/compositor.yaml` and `~/.config/argos/compositor.yaml` are laid whole.
//!
//! Every key has a default, so an empty file is a good file. Which key does what is said once,
//! here; key combinations are read by [`crate::bindings`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// All settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// How many workspaces there are, 1 to 9.
    pub workspaces: u32,
    /// Keyboard layout and repeat.
    pub keyboard: Keyboard,
    /// Mouse and touchpad.
    pub pointer: Pointer,
    /// Cursor theme and size.
    pub cursor: Cursor,
    /// Colours of what the compositor draws itself; where they are not said, the theme's.
    pub look: Option<Look>,
    /// Outputs by connector name (`Virtual-1`, `eDP-1`).
    pub outputs: BTreeMap<String, Output>,
    /// What the `terminal` action starts: program and arguments.
    pub terminal: Vec<String>,
    /// Key combination to action; laid over the built-in ones. `none` removes a built-in one.
    pub bindings: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workspaces: 4,
            keyboard: Keyboard::default(),
            pointer: Pointer::default(),
            cursor: Cursor::default(),
            look: None,
            outputs: BTreeMap::new(),
            terminal: vec!["/usr/bin/foot".into()],
            bindings: BTreeMap::new(),
        }
    }
}

/// Keyboard layout and repeat, in xkb's names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keyboard {
    /// xkb layout, as `us` or `de,us`; empty is the system's default.
    pub layout: String,
    /// xkb variant.
    pub variant: String,
    /// xkb model.
    pub model: String,
    /// xkb options, as `caps:escape`.
    pub options: String,
    /// Milliseconds until a held key repeats.
    pub repeat_delay: i32,
    /// Repeats a second.
    pub repeat_rate: i32,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self {
            layout: String::new(),
            variant: String::new(),
            model: String::new(),
            options: String::new(),
            repeat_delay: 400,
            repeat_rate: 30,
        }
    }
}

/// Mouse and touchpad.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pointer {
    /// Tapping a touchpad clicks.
    pub tap_to_click: bool,
    /// Scrolling moves the content with the fingers.
    pub natural_scroll: bool,
    /// -1 (slow) to 1 (fast).
    pub speed: f64,
}

impl Default for Pointer {
    fn default() -> Self {
        Self {
            tap_to_click: true,
            natural_scroll: false,
            speed: 0.0,
        }
    }
}

/// Cursor theme and size.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cursor {
    /// XCursor theme; where it is missing `default` is tried, then the compositor draws an arrow.
    pub theme: String,
    /// Nominal size in logical pixels.
    pub size: u32,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            theme: "Adwaita".into(),
            size: 24,
        }
    }
}

/// Colours of what the compositor draws itself, as `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Look {
    /// Behind everything, until a wallpaper covers it.
    pub background: Colour,
    /// Title bar of the focused window.
    pub title_bar: Colour,
    /// Title bar of the other windows.
    pub title_bar_inactive: Colour,
    /// Title of the focused window.
    pub title: Colour,
    /// Title of the other windows.
    pub title_inactive: Colour,
    /// Line around windows that the compositor decorates.
    pub border: Colour,
    /// The close button under the pointer.
    pub accent: Colour,
    /// The cross on it.
    pub accent_text: Colour,
    /// Font file for titles; the first of the usual sans-serif fonts where it is empty.
    pub font: PathBuf,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            background: Colour([0x0c, 0x14, 0x1c]),
            title_bar: Colour([0x1d, 0x2a, 0x37]),
            title_bar_inactive: Colour([0x13, 0x1d, 0x27]),
            title: Colour([0xe9, 0xef, 0xf5]),
            title_inactive: Colour([0xa3, 0xb4, 0xc4]),
            border: Colour([0x2b, 0x3b, 0x4b]),
            accent: Colour([0xd8, 0x5a, 0x5a]),
            accent_text: Colour([0xff, 0xff, 0xff]),
            font: PathBuf::new(),
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Output {
    /// Logical pixels to physical pixels, 0.5 to 4.
    pub scale: f64,
    /// As `1920x1080`; the display's preferred mode where it is empty.
    pub mode: String,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            scale: 1.0,
            mode: String::new(),
        }
    }
}

/// A colour: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Colour(pub [u8; 3]);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a colour; write it as `#rrggbb`, as in `#2a2e40`");
        let digits = text
            .strip_prefix('#')
            .filter(|d| d.len() == 6 && d.is_ascii())
            .ok_or_else(bad)?;
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| bad());
        Ok(Self([part(0)?, part(2)?, part(4)?]))
    }
}

impl Colour {
    /// As the renderers take it.
    pub fn linear(self) -> [f32; 4] {
        let [r, g, b] = self.0.map(|part| f32::from(part) / 255.0);
        [r, g, b, 1.0]
    }
}

impl Config {
    /// Reads the settings: `path` alone if it is given, else the last of the three usual files
    /// that is there. A file that is wrong is said in the log and the defaults are used, so that
    /// a typing error does not cost the person the screen.
    pub fn load(path: Option<&Path>) -> Self {
        let usual = || {
            let home = std::env::var_os("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
            home.map(|home| home.join("argos/compositor.yaml"))
                .into_iter()
                .chain([
                    "/etc/argos/compositor.yaml".into(),
                    "/usr/share/argos/compositor.yaml".into(),
                ])
                .find(|path| path.exists())
        };
        let Some(path) = path.map(Path::to_owned).or_else(usual) else {
            return Self::default();
        };
        match argos_config::load::<Self>(&path) {
            Ok(config) => config.checked(),
            Err(error) => {
                tracing::warn!("using the default settings: {error}");
                Self::default()
            }
        }
    }

    /// Brings numbers into their ranges and says so.
    fn checked(mut self) -> Self {
        if !(1..=9).contains(&self.workspaces) {
            tracing::warn!("workspaces: {} is not 1 to 9; using 4", self.workspaces);
            self.workspaces = 4;
        }
        for (name, output) in &mut self.outputs {
            if !(0.5..=4.0).contains(&output.scale) {
                tracing::warn!(
                    "outputs: {name}: scale {} is not 0.5 to 4; using 1",
                    output.scale
                );
                output.scale = 1.0;
            }
        }
        self.cursor.size = self.cursor.size.clamp(8, 256);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_checked() {
        assert_eq!(
            Colour::try_from("#ff8000".to_owned()),
            Ok(Colour([255, 128, 0]))
        );
        for wrong in ["ff8000", "#ff80", "#ff80zz", "#ääa", ""] {
            assert!(
                Colour::try_from(wrong.to_owned())
                    .unwrap_err()
                    .contains("#rrggbb"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_shipped_file_is_complete_and_says_the_defaults() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../rootfs/usr/share/argos/compositor.yaml"
        );
        let shipped: Config = argos_config::load(Path::new(path)).unwrap();
        assert_eq!(shipped, Config::default());
    }

    #[test]
    fn a_wrong_file_costs_only_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        for wrong in ["workspacess: 3", "look: {border: red}", "workspaces: [", ""] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(Config::load(Some(&path)), Config::default(), "{wrong}");
        }
        std::fs::write(&path, "workspaces: 40\noutputs: {eDP-1: {scale: 9}}").unwrap();
        let config = Config::load(Some(&path));
        assert_eq!((config.workspaces, config.outputs["eDP-1"].scale), (4, 1.0));
    }

    /// The settings in the documentation, with bindings that can be read and numbers in their ranges.
    #[test]
    fn documented_settings_are_taken() {
        argos_docs::check("compositor", |block| {
            let config: Config = argos_config::parse(&block.place(), &block.text)
                .map_err(|error| error.to_string())?;
            let pairs = config
                .bindings
                .iter()
                .map(|(k, a)| (k.as_str(), a.as_str()));
            let (_, errors) = crate::bindings::Bindings::new(pairs);
            if let Some(error) = errors.first() {
                return Err(error.to_string());
            }
            if config.clone().checked() != config {
                return Err("a number is out of its range".to_owned());
            }
            Ok(())
        });
    }
}
