//! Themes: colours by meaning, read from YAML, and the scales for space, text and corners.
//!
//! Parts use names ([`Palette::accent`], [`GAP`]) and never a number or colour of their own, so a
//! theme file changes everything and a test can hold every pair of text and ground to a contrast.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use argos_bus::compositor::FrameColours;
use iced_core::Color;
use serde::Deserialize;
use serde::de::Error as _;

use crate::widgets;

/// Space between things that belong together, in logical pixels.
pub const TIGHT: f32 = 4.0;
/// Space inside controls.
pub const SMALL: f32 = 8.0;
/// Space between controls.
pub const GAP: f32 = 12.0;
/// Space inside cards.
pub const WIDE: f32 = 16.0;
/// Space around groups.
pub const HUGE: f32 = 24.0;

/// Text that explains.
pub const TEXT_SMALL: f32 = 12.0;
/// Ordinary text.
pub const TEXT: f32 = 14.0;
/// Headings in cards, and what is typed into the launcher.
pub const TEXT_LARGE: f32 = 17.0;

/// The time on a locked screen.
pub const TEXT_CLOCK: f32 = 76.0;

/// Corners of controls.
pub const ROUND: f32 = 8.0;
/// Corners of cards.
pub const ROUND_CARD: f32 = 14.0;

/// Folders with themes, later ones over earlier ones.
const FOLDERS: [&str; 2] = ["/usr/share/argos/themes", "/etc/argos/themes"];
/// The theme there is when no file can be read, so that the shell always has one.
const BUILT_IN: [(&str, &str); 3] = [
    (
        "dark",
        include_str!("../../../rootfs/usr/share/argos/themes/dark.yaml"),
    ),
    (
        "light",
        include_str!("../../../rootfs/usr/share/argos/themes/light.yaml"),
    ),
    (
        HIGH_CONTRAST,
        include_str!("../../../rootfs/usr/share/argos/themes/contrast.yaml"),
    ),
];
/// The theme of a fresh account.
pub const DEFAULT: &str = "dark";
/// The theme for eyes that need more contrast.
pub const HIGH_CONTRAST: &str = "contrast";

/// Accents by name, and their colours on dark and on light ground.
pub const ACCENTS: [(&str, &str, &str); 8] = [
    ("teal", "#57d0c3", "#0b7a70"),
    ("blue", "#7fb4ff", "#1f5fc4"),
    ("purple", "#c3a5ff", "#6c43c9"),
    ("pink", "#ff9ecb", "#a82566"),
    ("orange", "#ffad66", "#964700"),
    ("yellow", "#e8cc52", "#735700"),
    ("green", "#84d98f", "#1d6f35"),
    ("grey", "#b9c6d2", "#4f5f6d"),
];

/// The colour of an accent on such a ground, as it is written: of a name its colour, else what it says itself.
pub fn accent_colour(accent: &str, ground: Appearance) -> &str {
    let named = ACCENTS.iter().find(|(name, ..)| *name == accent);
    named.map_or(accent, |(_, dark, light)| match ground {
        Appearance::Dark => dark,
        Appearance::Light => light,
    })
}

/// The least contrast of text in the theme `name`: WCAG's level AA, and its enhanced one for high contrast.
pub fn least_contrast(name: &str) -> f32 {
    if name == HIGH_CONTRAST { 7.0 } else { 4.5 }
}

/// A theme file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Name for people.
    pub title: String,
    /// Whether it is a light or a dark one, for programs that only know these.
    pub appearance: Appearance,
    /// Wallpaper: a name in the wallpaper folder, or the absolute path of a PNG.
    pub wallpaper: String,
    /// The colours.
    pub colors: Palette,
}

impl Theme {
    /// What the compositor draws around windows.
    pub fn frame_colours(&self) -> FrameColours {
        let colours = &self.colors;
        FrameColours {
            title_bar: hex(colours.raised),
            title_bar_inactive: hex(colours.card),
            title: hex(colours.text),
            title_inactive: hex(colours.text_dim),
            border: hex(colours.line),
            accent: hex(colours.bad),
            accent_text: hex(colours.bad_text),
        }
    }
}

/// Something that is to be an accent and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no accent: write a colour as \"#2f6fd0\", or one of {names}", names = ACCENTS.map(|(name, ..)| name).join(", "))]
pub struct NoAccent(pub String);

impl Theme {
    /// Takes another accent: the name of one, or a colour as `#rrggbb`. Empty leaves the theme's own. What could not be
    /// read with a contrast of `least` on the grounds on which accents stand is brought nearer to the colour of
    /// text until it can. Returns whether that was so.
    ///
    /// # Errors
    /// It is no accent; the theme is as it was.
    pub fn take_accent(&mut self, wanted: &str, least: f32) -> Result<bool, NoAccent> {
        let colors = &mut self.colors;
        if wanted.is_empty() {
            return Ok(false);
        }
        let wanted = accent_colour(wanted, self.appearance);
        let opaque = |colour: &Color| colour.a == 1.0;
        let wanted = parse_color(wanted)
            .filter(opaque)
            .ok_or_else(|| NoAccent(wanted.to_owned()))?;
        if wanted == colors.accent {
            return Ok(false);
        }
        let reads = |text: Color, grounds: &[Color]| {
            grounds
                .iter()
                .all(|ground| contrast(text, *ground) >= least)
        };
        let steps = |from: Color, to: Color| {
            (0..=25_u8).map(move |step| whole(widgets::mix(from, to, f32::from(step) / 25.0)))
        };
        let accent = steps(wanted, colors.text)
            .find(|colour| reads(*colour, &[colors.card, colors.raised]))
            .unwrap_or(colors.text);
        colors.accent = accent;
        colors.accent_text = [Color::BLACK, Color::WHITE]
            .into_iter()
            .max_by(|a, b| contrast(*a, accent).total_cmp(&contrast(*b, accent)))
            .unwrap_or(Color::BLACK);
        // The person's bubbles have a little of it.
        colors.person_text = colors.text;
        colors.person = steps(widgets::mix(colors.card, accent, 0.35), colors.card)
            .find(|ground| reads(colors.text, &[*ground]))
            .unwrap_or(colors.card);
        Ok(accent != wanted)
    }
}

/// As a screen has it.
fn whole(colour: Color) -> Color {
    let [r, g, b, a] = colour.into_rgba8();
    Color::from_rgba8(r, g, b, f32::from(a) / 255.0)
}

/// `#rrggbb`; what shines through is left out.
pub fn hex(colour: Color) -> String {
    let [r, g, b, _] = colour.into_rgba8();
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Appearance {
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

/// Colours by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Palette {
    /// The bar at the top.
    #[serde(deserialize_with = "color")]
    pub panel: Color,
    /// Launcher, chat, menus, prompts.
    #[serde(deserialize_with = "color")]
    pub card: Color,
    /// Fields, bubbles and buttons on a card.
    #[serde(deserialize_with = "color")]
    pub raised: Color,
    /// What the pointer is over, what is chosen.
    #[serde(deserialize_with = "color")]
    pub hover: Color,
    /// Borders and dividers.
    #[serde(deserialize_with = "color")]
    pub line: Color,
    /// Text.
    #[serde(deserialize_with = "color")]
    pub text: Color,
    /// Text that explains.
    #[serde(deserialize_with = "color")]
    pub text_dim: Color,
    /// The one colour that asks for attention.
    #[serde(deserialize_with = "color")]
    pub accent: Color,
    /// Text on [`Palette::accent`].
    #[serde(deserialize_with = "color")]
    pub accent_text: Color,
    /// Bubbles of the person.
    #[serde(deserialize_with = "color")]
    pub person: Color,
    /// Text on [`Palette::person`].
    #[serde(deserialize_with = "color")]
    pub person_text: Color,
    /// It went well.
    #[serde(deserialize_with = "color")]
    pub good: Color,
    /// It waits for the person.
    #[serde(deserialize_with = "color")]
    pub warn: Color,
    /// It went wrong, or is dangerous.
    #[serde(deserialize_with = "color")]
    pub bad: Color,
    /// Text on [`Palette::bad`].
    #[serde(deserialize_with = "color")]
    pub bad_text: Color,
    /// Around cards.
    #[serde(deserialize_with = "color")]
    pub shadow: Color,
    /// Over everything behind a permission prompt.
    #[serde(deserialize_with = "color")]
    pub backdrop: Color,
}

impl Palette {
    /// Text colours and the grounds they stand on, by name.
    pub fn text_pairs(&self) -> Vec<(String, Color, Color)> {
        let mut pairs = vec![
            (
                "accent-text on accent".to_owned(),
                self.accent_text,
                self.accent,
            ),
            (
                "person-text on person".to_owned(),
                self.person_text,
                self.person,
            ),
            ("bad-text on bad".to_owned(), self.bad_text, self.bad),
            ("text on panel".to_owned(), self.text, self.panel),
            ("text-dim on panel".to_owned(), self.text_dim, self.panel),
            ("text on hover".to_owned(), self.text, self.hover),
            ("text-dim on hover".to_owned(), self.text_dim, self.hover),
        ];
        let texts = [
            ("text", self.text),
            ("text-dim", self.text_dim),
            ("accent", self.accent),
            ("good", self.good),
            ("warn", self.warn),
            ("bad", self.bad),
        ];
        for (ground, color) in [("card", self.card), ("raised", self.raised)] {
            pairs.extend(texts.map(|(name, text)| (format!("{name} on {ground}"), text, color)));
        }
        pairs
    }
}

/// The contrast of two colours by WCAG 2, 1 to 21, transparency left aside.
pub fn contrast(a: Color, b: Color) -> f32 {
    let luminance = |c: Color| {
        let linear = c.into_linear();
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Reads `#RRGGBB` or `#RRGGBBAA`.
pub fn parse_color(text: &str) -> Option<Color> {
    let digits = text.strip_prefix('#')?;
    if !digits.is_ascii() || !matches!(digits.len(), 6 | 8) {
        return None;
    }
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let alpha = if digits.len() == 8 {
        f32::from(part(6)?) / 255.0
    } else {
        1.0
    };
    Some(Color::from_rgba8(part(0)?, part(2)?, part(4)?, alpha))
}

pub(crate) fn color<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Color, D::Error> {
    let text = String::deserialize(from)?;
    parse_color(&text).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no colour: write \"#RRGGBB\" or \"#RRGGBBAA\""
        ))
    })
}

/// Why a theme cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of that name.
    #[error("there is no theme `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Its file is wrong.
    #[error(transparent)]
    File(#[from] argos_config::Error),
}

/// Every theme's name and file; `None` for the ones built in. A person's own are in
/// `~/.local/share/argos/themes`.
fn files() -> BTreeMap<String, Option<PathBuf>> {
    let mut files: BTreeMap<String, Option<PathBuf>> = BUILT_IN
        .iter()
        .map(|(name, _)| ((*name).to_owned(), None))
        .collect();
    let own = crate::settings::data_home().map(|home| home.join("argos/themes"));
    for folder in FOLDERS.iter().map(PathBuf::from).chain(own) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "yaml")
                && let Some(name) = path.file_stem().and_then(|stem| stem.to_str())
            {
                files.insert(name.to_owned(), Some(path.clone()));
            }
        }
    }
    files
}

/// The names of all themes.
pub fn names() -> Vec<String> {
    files().into_keys().collect()
}

/// Reads the theme `name`.
pub fn load(name: &str) -> Result<Theme, Error> {
    let files = files();
    match files.get(name) {
        Some(Some(path)) => Ok(argos_config::load(path)?),
        Some(None) => Ok(built_in(name)),
        None => Err(Error::Unknown {
            name: name.to_owned(),
            known: files.into_keys().collect(),
        }),
    }
}

/// Reads the theme `name`; where that fails, says so in the log and takes the built-in dark one.
pub fn load_or_default(name: &str) -> Theme {
    load(name).unwrap_or_else(|error| {
        tracing::warn!("{error}; using the built-in theme");
        built_in(DEFAULT)
    })
}

/// A theme that is part of the program.
pub fn built_in(name: &str) -> Theme {
    let (_, text) = BUILT_IN
        .iter()
        .find(|(n, _)| *n == name)
        .unwrap_or(&BUILT_IN[0]);
    argos_config::parse(name, text).expect("the built-in themes are parsed by a test")
}

/// The file or picture that a theme's wallpaper means.
pub fn wallpaper_path(wallpaper: &str) -> PathBuf {
    if Path::new(wallpaper).is_absolute() {
        return PathBuf::from(wallpaper);
    }
    Path::new("/usr/share/argos/wallpapers")
        .join(wallpaper)
        .with_extension("yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_readable_on_its_ground() {
        for (name, _) in BUILT_IN {
            for (pair, text, ground) in built_in(name).colors.text_pairs() {
                let ratio = contrast(text, ground);
                assert!(ratio >= 4.5, "{name}: {pair} has a contrast of {ratio:.2}");
            }
        }
    }

    /// WCAG's enhanced level.
    #[test]
    fn the_high_contrast_theme_has_it() {
        for (pair, text, ground) in built_in(HIGH_CONTRAST).colors.text_pairs() {
            let ratio = contrast(text, ground);
            let least = least_contrast(HIGH_CONTRAST);
            assert!(ratio >= least, "{pair} has a contrast of {ratio:.2}");
        }
    }

    #[test]
    fn every_accent_can_be_read_in_every_theme() {
        let odd = [
            "#000000", "#ffffff", "#777777", "#0000ff", "#ff0000", "#123456",
        ];
        let names = ACCENTS.map(|(name, ..)| name);
        for (theme, _) in BUILT_IN {
            let least = least_contrast(theme);
            for accent in names.into_iter().chain(odd) {
                let mut changed = built_in(theme);
                let mended = changed.take_accent(accent, least).unwrap();
                for (pair, text, ground) in changed.colors.text_pairs() {
                    let ratio = contrast(text, ground);
                    assert!(ratio >= least, "{accent} in {theme}: {pair}: {ratio:.2}");
                }
                // What has a name looks as it does, but for eyes that need more.
                assert!(
                    !mended || odd.contains(&accent) || theme == HIGH_CONTRAST,
                    "{accent} in {theme}"
                );
            }
        }
    }

    #[test]
    fn an_accent_is_taken_as_it_is_where_it_can_be_read() {
        let mut theme = built_in("dark");
        assert_eq!(theme.take_accent("#ffb0a0", 4.5), Ok(false));
        assert_eq!(hex(theme.colors.accent), "#ffb0a0");
        assert_eq!(theme.take_accent("#203040", 4.5), Ok(true));
        assert_ne!(hex(theme.colors.accent), "#203040");
        // The theme's own, by either name.
        for own in ["", "teal", "#57d0c3"] {
            let mut theme = built_in("dark");
            assert_eq!(theme.take_accent(own, 4.5), Ok(false));
            assert_eq!(theme, built_in("dark"), "{own}");
        }
    }

    #[test]
    fn what_is_no_accent_says_what_is_one() {
        let mut theme = built_in("light");
        for wrong in ["teel", "#12345", "#12345678", "red-ish"] {
            let error = theme.take_accent(wrong, 4.5).unwrap_err().to_string();
            assert!(
                error.contains(wrong) && error.contains("purple") && error.contains("#2f6fd0"),
                "{error}"
            );
        }
        assert_eq!(theme, built_in("light"));
    }

    #[test]
    fn contrast_is_that_of_the_guideline() {
        assert!((contrast(Color::BLACK, Color::WHITE) - 21.0).abs() < 0.01);
        let grey = parse_color("#767676").unwrap();
        assert!((contrast(grey, Color::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn colours_are_hex() {
        assert_eq!(parse_color("#ff8000"), Some(Color::from_rgb8(255, 128, 0)));
        assert_eq!(
            parse_color("#00000080").map(|c| (c.a * 255.0).round()),
            Some(128.0)
        );
        for wrong in ["ff8000", "#ff80", "#gg0000", "#ff80000", "red", "#äöü"] {
            assert_eq!(parse_color(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_theme_says_where() {
        let text = BUILT_IN[0]
            .1
            .replace("accent: \"#57d0c3\"", "accent: \"teal\"");
        let error = argos_config::parse::<Theme>("mine.yaml", &text)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("mine.yaml") && error.contains("teal"),
            "{error}"
        );
        let error = load("no-such-theme").unwrap_err().to_string();
        assert!(error.contains("dark") && error.contains("light"), "{error}");
    }
}
