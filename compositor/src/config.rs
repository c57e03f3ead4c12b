//! The compositor's settings: `/usr/share/argos/compositor.yaml`, over which
//! `/etc/argos/compositor.yaml` and `~/.config/argos/compositor.yaml` are laid whole.
//!
//! Every key has a default, so an empty file is a good file. Which key does what is said once,
//! here; key combinations are read by [`crate::bindings`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use argos_config::{Place, Position};
use serde::Deserialize;

use crate::{
    arrangement::{Spot, Turn, WantedMode},
    bindings::Bindings,
    layout::Gaps,
    night::{NEUTRAL, WARMEST},
    refresh::VariableRefresh,
    rules::Rule,
};

/// The most logical pixels between tiles.
const WIDEST_GAP: u32 = 200;
/// The longest that keys wait, in milliseconds: with more nobody could type any more, not even to set less.
const SLOWEST_KEYS: u32 = 2000;
/// The farthest that edges pull, in logical pixels.
const FARTHEST_PULL: u32 = 100;

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
    /// Tiles.
    pub tiling: Tiling,
    /// What the sides of the screen do to windows that are dragged.
    pub snapping: Snapping,
    /// Colours of what the compositor draws itself; where they are not said, the theme's.
    pub look: Option<Look>,
    /// Outputs by connector name (`Virtual-1`, `eDP-1`).
    pub outputs: BTreeMap<String, Output>,
    /// Graphics devices.
    pub cards: Cards,
    /// What the `terminal` action starts: program and arguments.
    pub terminal: Vec<String>,
    /// X programs.
    pub xwayland: Xwayland,
    /// Warmer colours in the evening.
    pub night_light: NightLight,
    /// Things shown larger.
    pub magnifier: Magnifier,
    /// Things that move to their place.
    pub animations: Animations,
    /// For eyes and hands that have it hard.
    pub accessibility: Accessibility,
    /// What happens when nobody is there.
    pub idle: Idle,
    /// What is to be of windows when they open.
    pub rules: Vec<Rule>,
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
            tiling: Tiling::default(),
            snapping: Snapping::default(),
            look: None,
            outputs: BTreeMap::new(),
            cards: Cards::default(),
            terminal: vec!["/usr/bin/foot".into()],
            xwayland: Xwayland::default(),
            night_light: NightLight::default(),
            magnifier: Magnifier::default(),
            animations: Animations::default(),
            accessibility: Accessibility::default(),
            idle: Idle::default(),
            rules: Vec::new(),
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

/// Tiles: windows that share a workspace without lying over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tiling {
    /// Whether workspaces tile from the start.
    pub enabled: bool,
    /// Logical pixels between two tiles.
    pub gap: u32,
    /// Logical pixels between the tiles and the sides of the screen.
    pub margin: u32,
}

impl Default for Tiling {
    fn default() -> Self {
        Self {
            enabled: false,
            gap: 8,
            margin: 8,
        }
    }
}

impl Tiling {
    /// As the layout takes them.
    pub(crate) fn gaps(self) -> Gaps {
        Gaps {
            between: self.gap.min(WIDEST_GAP) as i32,
            around: self.margin.min(WIDEST_GAP) as i32,
        }
    }
}

/// What the sides of the screen do to windows that are dragged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Snapping {
    /// A window that is let go of at a side of the screen fills the half there, in a corner a quarter,
    /// at the top all.
    pub edges: bool,
    /// From this many logical pixels away edges pull a window that is moved; 0 for never.
    pub attraction: u32,
}

impl Default for Snapping {
    fn default() -> Self {
        Self {
            edges: true,
            attraction: 8,
        }
    }
}

/// X programs: those that know nothing of Wayland.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Xwayland {
    /// Whether an X server is started when such a program wants one.
    pub enabled: bool,
    /// How they are drawn on outputs whose scale is not 1.
    pub scale: XScale,
}

impl Default for Xwayland {
    fn default() -> Self {
        Self {
            enabled: true,
            scale: XScale::default(),
        }
    }
}

/// How X programs are drawn on outputs whose scale is not 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XScale {
    /// They have the screen's own pixels, and are told how large things are to be.
    #[default]
    Sharp,
    /// They draw for scale 1, and their pixels are enlarged.
    Magnified,
}

/// Warmer colours in the evening.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NightLight {
    /// Whether the colours change by themselves.
    pub enabled: bool,
    /// Of white at night, in kelvins; 6500 changes nothing.
    pub temperature: u32,
    /// When the colours begin to become warmer.
    pub from: TimeOfDay,
    /// When they are as by day again.
    pub to: TimeOfDay,
    /// Degrees north of the equator; with it the sun says when instead of `from` and `to`.
    pub latitude: Option<f64>,
    /// Degrees east of Greenwich.
    pub longitude: Option<f64>,
}

impl Default for NightLight {
    fn default() -> Self {
        Self {
            enabled: false,
            temperature: 4000,
            from: TimeOfDay(20 * 60),
            to: TimeOfDay(6 * 60),
            latitude: None,
            longitude: None,
        }
    }
}

/// Things shown larger.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Magnifier {
    /// How many times larger things are after a step, 1.05 to 4.
    pub step: f64,
    /// Whether it goes to where text is typed.
    pub follow_text: bool,
}

impl Default for Magnifier {
    fn default() -> Self {
        Self {
            step: 1.25,
            follow_text: true,
        }
    }
}

/// Things that move to their place, where a GPU draws.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Animations {
    /// How many times faster than usual they do, 0.1 to 10; 0: they are there at once.
    pub speed: f64,
}

impl Default for Animations {
    fn default() -> Self {
        Self { speed: 1.0 }
    }
}

/// For eyes and hands that have it hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Accessibility {
    /// A tap of Shift, Ctrl, Alt or Super holds it for the next key.
    pub sticky_keys: bool,
    /// Five taps of Shift switch that on and off.
    pub sticky_keys_shortcut: bool,
    /// A key counts once it was held for so many milliseconds; 0: at once.
    pub slow_keys: u32,
    /// A key does not count that comes again within so many milliseconds; 0: all count.
    pub bounce_keys: u32,
    /// The keypad moves the pointer while Num Lock is off.
    pub mouse_keys: bool,
    /// Things are there at once instead of moving there; the shell and programs are told.
    pub reduced_motion: bool,
}

impl Default for Accessibility {
    fn default() -> Self {
        Self {
            sticky_keys: false,
            sticky_keys_shortcut: true,
            slow_keys: 0,
            bounce_keys: 0,
            mouse_keys: false,
            reduced_motion: false,
        }
    }
}

/// What happens when nobody touches anything, each after so many seconds; 0: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Idle {
    /// The session is locked.
    pub lock_after: u32,
    /// The screens go dark.
    pub screen_off_after: u32,
    /// The machine goes to sleep.
    pub suspend_after: u32,
    /// The session is locked before the machine sleeps, whoever asks for that.
    pub lock_before_sleep: bool,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            lock_after: 0,
            screen_off_after: 0,
            suspend_after: 0,
            lock_before_sleep: true,
        }
    }
}

/// A time of the day, as `20:30`: minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(u32);

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let number = |digits: &str, longest: usize, below: u32| {
                let plain = !digits.is_empty()
                    && digits.len() <= longest
                    && digits.bytes().all(|digit| digit.is_ascii_digit());
                digits.parse::<u32>().ok().filter(|n| plain && *n < below)
            };
            let two_digits = minute.len() == 2;
            Some(number(hour, 2, 24)? * 60 + number(minute, 2, 60).filter(|_| two_digits)?)
        });
        parsed
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a time of the day; write it as `20:30`"))
    }
}

impl TimeOfDay {
    /// Minutes since midnight.
    pub(crate) fn minutes(self) -> f64 {
        f64::from(self.0)
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
    /// Font file for titles; the desktop's font where it is empty. What it lacks is written with the desktop's.
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

/// Graphics devices. What is changed of them counts from the next start on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cards {
    /// Those that are left alone, as `/dev/dri/card1`, or a link to that: `/dev/dri/by-path/pci-0000:01:00.0-card`.
    pub leave_out: Vec<PathBuf>,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Output {
    /// Logical pixels to physical pixels, 0.5 to 4.
    pub scale: f64,
    /// As `1920x1080` or `1920x1080@59.94`; the display's preferred mode where it is empty.
    pub mode: WantedMode,
    /// How the display hangs: `normal`, or `90`, `180`, `270` degrees counter-clockwise, mirrored with `flipped` or
    /// `flipped-90` and so on.
    pub transform: Turn,
    /// Where it is: `left-of NAME`, `right-of`, `above`, `below`, or `1920,0`; beside those that came before it where
    /// it is empty.
    pub place: Spot,
    /// Whether programs may drive it instead of the desktop; where nothing is said, those that the kernel calls not
    /// for a desktop, as those in front of the eyes.
    pub lease: Option<bool>,
    /// When its refresh follows the frames: `off`, `on`, or `automatic`, while a full-screen window covers it.
    pub variable_refresh: VariableRefresh,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            scale: 1.0,
            mode: WantedMode::default(),
            transform: Turn::default(),
            place: Spot::default(),
            lease: None,
            variable_refresh: VariableRefresh::default(),
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
    /// Reads a file. What is out of its range, and what cannot be bound, is left out and named, with
    /// its place.
    ///
    /// # Errors
    /// When the file cannot be read or is not what this type says.
    pub(crate) fn read(path: &Path) -> Result<(Self, Vec<String>), argos_config::Error> {
        let mut config: Self = argos_config::load(path)?;
        let problems = config.check();
        if problems.is_empty() {
            return Ok((config, Vec::new()));
        }
        let places: Places = argos_config::load(path)?;
        let named = |problem: Problem| {
            let position = places.find(&problem).map_or_else(String::new, |position| {
                format!(":{}:{}", position.line, position.column)
            });
            format!("{}{position}: {}", path.display(), problem.what)
        };
        Ok((config, problems.into_iter().map(named).collect()))
    }

    /// Brings numbers into their ranges, leaves out what cannot be bound, and says so.
    fn check(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |section, key: &str, what: String| {
            problems.push(Problem {
                section,
                key: key.to_owned(),
                what,
            });
        };
        if !(1..=9).contains(&self.workspaces) {
            let what = format!("{} workspaces are not 1 to 9; 4 are used", self.workspaces);
            wrong("workspaces", "", what);
            self.workspaces = 4;
        }
        for (name, output) in &mut self.outputs {
            if !(0.5..=4.0).contains(&output.scale) {
                let what = format!(
                    "the scale {} of {name} is not 0.5 to 4; 1 is used",
                    output.scale
                );
                wrong("outputs", name, what);
                output.scale = 1.0;
            }
        }
        self.cards.leave_out.retain(|device| {
            let name = device.strip_prefix("/dev/dri").ok();
            let good = name.is_some_and(|name| name.file_name().is_some());
            if !good {
                let what = format!(
                    "`{}` names no graphics device; write it as `/dev/dri/card1` or `/dev/dri/by-path/pci-0000:01:00.0-card`",
                    device.display()
                );
                wrong("cards", "leave-out", what);
            }
            good
        });
        for (section, key, value, most) in [
            ("tiling", "gap", &mut self.tiling.gap, WIDEST_GAP),
            ("tiling", "margin", &mut self.tiling.margin, WIDEST_GAP),
            (
                "snapping",
                "attraction",
                &mut self.snapping.attraction,
                FARTHEST_PULL,
            ),
        ] {
            if *value > most {
                wrong(
                    section,
                    key,
                    format!("{value} is not 0 to {most}; {most} is used"),
                );
                *value = most;
            }
        }
        let night = &mut self.night_light;
        if !(WARMEST..=NEUTRAL).contains(&night.temperature) {
            let what = format!(
                "{} kelvins are not {WARMEST} to {NEUTRAL}; 4000 are used",
                night.temperature
            );
            wrong("night-light", "temperature", what);
            night.temperature = NightLight::default().temperature;
        }
        for (key, value, other, most) in [
            ("latitude", night.latitude, night.longitude, 90.0),
            ("longitude", night.longitude, night.latitude, 180.0),
        ] {
            let Some(degrees) = value else { continue };
            let what = if !(-most..=most).contains(&degrees) {
                format!("{degrees} degrees are not -{most} to {most}; `from` and `to` are used")
            } else if other.is_none() {
                "the sun needs both `latitude` and `longitude`; `from` and `to` are used".to_owned()
            } else {
                continue;
            };
            wrong("night-light", key, what);
            (night.latitude, night.longitude) = (None, None);
        }
        if !(1.05..=4.0).contains(&self.magnifier.step) {
            let what = format!(
                "a step of {} is not 1.05 to 4; 1.25 is used",
                self.magnifier.step
            );
            wrong("magnifier", "step", what);
            self.magnifier.step = Magnifier::default().step;
        }
        let speed = self.animations.speed;
        if speed != 0.0 && !(0.1..=10.0).contains(&speed) {
            let what = format!("a speed of {speed} is not 0.1 to 10, or 0 for none; 1 is used");
            wrong("animations", "speed", what);
            self.animations = Animations::default();
        }
        let access = &mut self.accessibility;
        for (key, value) in [
            ("slow-keys", &mut access.slow_keys),
            ("bounce-keys", &mut access.bounce_keys),
        ] {
            if *value > SLOWEST_KEYS {
                let what =
                    format!("{value} ms are not 0 to {SLOWEST_KEYS}; {SLOWEST_KEYS} are used");
                wrong("accessibility", key, what);
                *value = SLOWEST_KEYS;
            }
        }
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if let Some(number) = rule.wish.workspace
                && !(1..=9).contains(&number)
            {
                let what = format!("there is no workspace {number}; there are 1 to 9 at most");
                wrong("rules", &index.to_string(), what);
                rule.wish.workspace = None;
            }
        }
        self.bindings.retain(|keys, action| {
            let error = Bindings::new([(keys.as_str(), action.as_str())]).1.pop();
            if let Some(error) = &error {
                wrong("bindings", keys, error.to_string());
            }
            error.is_none()
        });
        self.cursor.size = self.cursor.size.clamp(8, 256);
        problems
    }

    /// Key combinations and their actions.
    pub(crate) fn binding_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.bindings
            .iter()
            .map(|(keys, action)| (keys.as_str(), action.as_str()))
    }

    /// The outputs of which is said whether programs may drive them.
    pub(crate) fn wanted_leases(&self) -> BTreeMap<String, bool> {
        let outputs = self.outputs.iter();
        outputs
            .filter_map(|(name, output)| Some((name.clone(), output.lease?)))
            .collect()
    }

    /// What is said of the output with that connector name.
    pub(crate) fn output(&self, name: &str) -> Output {
        self.outputs.get(name).cloned().unwrap_or_default()
    }
}

/// Something in the file that is YAML of the right form and still wrong.
struct Problem {
    section: &'static str,
    /// Key in the section; empty where the section itself is meant.
    key: String,
    what: String,
}

/// Where the values stand that [`Config::check`] looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Places {
    workspaces: Option<Place>,
    outputs: BTreeMap<String, Place>,
    cards: BTreeMap<String, Place>,
    tiling: BTreeMap<String, Place>,
    snapping: BTreeMap<String, Place>,
    night_light: BTreeMap<String, Place>,
    magnifier: BTreeMap<String, Place>,
    animations: BTreeMap<String, Place>,
    accessibility: BTreeMap<String, Place>,
    rules: Vec<Place>,
    bindings: BTreeMap<String, Place>,
}

impl Places {
    fn find(&self, problem: &Problem) -> Option<Position> {
        let section = match problem.section {
            "workspaces" => return self.workspaces.as_ref().map(|place| place.0),
            "rules" => {
                let index: usize = problem.key.parse().ok()?;
                return self.rules.get(index).map(|place| place.0);
            }
            "outputs" => &self.outputs,
            "cards" => &self.cards,
            "tiling" => &self.tiling,
            "snapping" => &self.snapping,
            "night-light" => &self.night_light,
            "magnifier" => &self.magnifier,
            "animations" => &self.animations,
            "accessibility" => &self.accessibility,
            _ => &self.bindings,
        };
        section.get(&problem.key).map(|place| place.0)
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
    fn times_of_the_day_are_checked() {
        let read = |text: &str| TimeOfDay::try_from(text.to_owned());
        assert_eq!(read("7:05"), Ok(TimeOfDay(425)));
        assert_eq!(read("23:59"), Ok(TimeOfDay(1439)));
        for wrong in ["24:00", "7", "7:5", "7:60", "+7:00", "7:00 pm", ""] {
            assert!(read(wrong).unwrap_err().contains("20:30"), "{wrong}");
        }
    }

    #[test]
    fn a_night_that_cannot_be_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        let mistake = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let (config, mut mistakes) = Config::read(&path).unwrap();
            assert_eq!(config.night_light.latitude, None);
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            mistakes.pop().unwrap()
        };
        let cold = mistake("night-light:\n  temperature: 9000\n");
        assert!(
            cold.contains(".yaml:2:") && cold.contains("1700 to 6500"),
            "{cold}"
        );
        let half = mistake("night-light:\n  enabled: true\n  latitude: 52.5\n");
        assert!(
            half.contains(".yaml:3:") && half.contains("`longitude`"),
            "{half}"
        );
        let far = mistake("night-light: {latitude: 95, longitude: 13}\n");
        assert!(
            far.contains(".yaml:1:") && far.contains("-90 to 90"),
            "{far}"
        );
        std::fs::write(&path, "night-light: {from: 25:00}\n").unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains(".yaml:1:"), "{error}");
    }

    #[test]
    fn a_speed_that_cannot_be_is_named_with_its_line_and_none_is_a_speed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        let read = |speed: &str| {
            std::fs::write(&path, format!("animations:\n  speed: {speed}\n")).unwrap();
            let (config, mistakes) = Config::read(&path).unwrap();
            (config.animations.speed, mistakes.join(" "))
        };
        for good in ["0", "0.1", "1.5", "10"] {
            assert_eq!(read(good), (good.parse().unwrap(), String::new()));
        }
        for wrong in ["0.05", "-1", "40"] {
            let (speed, mistakes) = read(wrong);
            assert_eq!(speed, 1.0, "{wrong}");
            assert!(mistakes.contains(".yaml:2:"), "{mistakes}");
            assert!(mistakes.contains("0.1 to 10"), "{mistakes}");
        }
    }

    #[test]
    fn how_x_programs_are_drawn_is_one_of_two() {
        let read = |text: &str| argos_config::parse::<Config>("compositor.yaml", text);
        let sharp = read("xwayland: {enabled: true}").unwrap();
        assert_eq!(sharp.xwayland.scale, XScale::Sharp);
        let magnified = read("xwayland: {scale: magnified}").unwrap();
        assert_eq!(magnified.xwayland.scale, XScale::Magnified);
        assert!(magnified.xwayland.enabled);
        let error = read("xwayland:\n  scale: 2\n").unwrap_err().to_string();
        assert!(error.contains("compositor.yaml:2:"), "{error}");
    }

    #[test]
    fn a_graphics_device_that_cannot_be_one_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        let text = "cards:\n  leave-out: [card1, /dev/dri/card1]\n";
        std::fs::write(&path, text).unwrap();
        let (config, mistakes) = Config::read(&path).unwrap();
        assert_eq!(config.cards.leave_out, [Path::new("/dev/dri/card1")]);
        let mistakes = mistakes.join(" ");
        assert!(
            mistakes.contains(".yaml:2:") && mistakes.contains("`card1`"),
            "{mistakes}"
        );
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

    /// The settings in the documentation, with bindings that can be read and numbers in their ranges.
    #[test]
    fn documented_settings_are_taken() {
        argos_docs::check("compositor", |block| {
            let mut config: Config = argos_config::parse(&block.place(), &block.text)
                .map_err(|error| error.to_string())?;
            if let Some(problem) = config.check().pop() {
                return Err(problem.what);
            }
            Ok(())
        });
    }
}
