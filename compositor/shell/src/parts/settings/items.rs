//! The settings there are: on which page each is, where it is kept, and which values it takes.
//!
//! Each has a key in a file behind it. What has none is not here.

use argos_bus::compositor::OutputMode;
use serde_json::{Value, json};

use crate::icons::Icon;
use crate::preferences::File;
use crate::{l10n, tr};

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Page {
    /// Theme, wallpaper, pointer.
    #[default]
    Appearance,
    /// Workspaces and tiles.
    Windows,
    /// Screens and night light.
    Displays,
    /// Keyboard, mouse and touchpad.
    Input,
    /// For eyes and hands that have it hard.
    Accessibility,
    /// Locking, darkness, sleep.
    Power,
    /// Agents and what they may.
    Agents,
    /// The shell's language.
    Language,
    /// What this machine is.
    About,
}

impl Page {
    /// In the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Appearance,
        Self::Windows,
        Self::Displays,
        Self::Input,
        Self::Accessibility,
        Self::Power,
        Self::Agents,
        Self::Language,
        Self::About,
    ];

    /// As commands name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Appearance => "appearance",
            Self::Windows => "windows",
            Self::Displays => "displays",
            Self::Input => "input",
            Self::Accessibility => "accessibility",
            Self::Power => "power",
            Self::Agents => "agents",
            Self::Language => "language",
            Self::About => "about",
        }
    }

    /// The page of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.name() == name)
    }

    /// For people.
    pub fn title(self) -> String {
        match self {
            Self::Appearance => tr!("page-appearance"),
            Self::Windows => tr!("page-windows"),
            Self::Displays => tr!("page-displays"),
            Self::Input => tr!("page-input"),
            Self::Accessibility => tr!("page-accessibility"),
            Self::Power => tr!("page-power"),
            Self::Agents => tr!("page-agents"),
            Self::Language => tr!("page-language"),
            Self::About => tr!("page-about"),
        }
    }

    /// What is on it, in a few words by which it is found, too.
    pub fn about(self) -> String {
        match self {
            Self::Appearance => tr!("page-appearance-about"),
            Self::Windows => tr!("page-windows-about"),
            Self::Displays => tr!("page-displays-about"),
            Self::Input => tr!("page-input-about"),
            Self::Accessibility => tr!("page-accessibility-about"),
            Self::Power => tr!("page-power-about"),
            Self::Agents => tr!("page-agents-about"),
            Self::Language => tr!("page-language-about"),
            Self::About => tr!("page-about-about"),
        }
    }

    /// Its mark.
    pub fn icon(self) -> Icon {
        match self {
            Self::Appearance => Icon::Brush,
            Self::Windows => Icon::App,
            Self::Displays => Icon::Display,
            Self::Input => Icon::Keyboard,
            Self::Accessibility => Icon::Person,
            Self::Power => Icon::Power,
            Self::Agents => Icon::Spark,
            Self::Language => Icon::Globe,
            Self::About => Icon::Info,
        }
    }

    /// The settings on it, of so many screens.
    pub fn items(self, outputs: usize) -> Vec<Item> {
        use Item::*;
        match self {
            Self::Appearance => vec![Theme, Accent, TextSize, Wallpaper, CursorSize],
            Self::Windows => vec![Workspaces, Tiling, TileGap, TileMargin, SnapEdges],
            Self::Displays => (0..outputs)
                .flat_map(|at| [Mode(at), Scale(at), Transform(at), Place(at)])
                .chain([NightLight, NightFrom, NightTo, NightTemperature])
                .collect(),
            Self::Input => vec![
                Layout,
                RepeatDelay,
                RepeatRate,
                TapToClick,
                NaturalScroll,
                PointerSpeed,
            ],
            Self::Accessibility => vec![
                HighContrast,
                ReducedMotion,
                StickyKeys,
                StickyShortcut,
                SlowKeys,
                BounceKeys,
                MouseKeys,
                MagnifierStep,
                MagnifierText,
            ],
            Self::Power => vec![LockAfter, ScreenOffAfter, SuspendAfter, LockBeforeSleep],
            Self::Agents => vec![OpenPermissions, OpenAgents],
            Self::Language => vec![Language],
            Self::About => vec![System, Machine, Processor, Memory, Models],
        }
    }
}

/// A row of a page: a setting, a button, something known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Item {
    Theme,
    Accent,
    TextSize,
    Wallpaper,
    CursorSize,
    Workspaces,
    Tiling,
    TileGap,
    TileMargin,
    SnapEdges,
    /// Of the screen at this position.
    Mode(usize),
    /// The same.
    Scale(usize),
    /// The same.
    Transform(usize),
    /// The same.
    Place(usize),
    NightLight,
    NightFrom,
    NightTo,
    NightTemperature,
    Layout,
    RepeatDelay,
    RepeatRate,
    TapToClick,
    NaturalScroll,
    PointerSpeed,
    HighContrast,
    ReducedMotion,
    StickyKeys,
    StickyShortcut,
    SlowKeys,
    BounceKeys,
    MouseKeys,
    MagnifierStep,
    MagnifierText,
    LockAfter,
    ScreenOffAfter,
    SuspendAfter,
    LockBeforeSleep,
    OpenPermissions,
    OpenAgents,
    Language,
    System,
    Machine,
    Processor,
    Memory,
    Models,
}

/// What a value is, and which it can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// On or off; the default.
    Switch(bool),
    /// One of these numbers; the default, and what they count.
    Number(&'static [f64], f64, Unit),
    /// A time of the day in steps of a quarter of an hour; the default.
    Time(&'static str),
    /// One of a list that is known only when the machine is asked.
    Pick,
    /// It opens something.
    Button,
    /// It is only told.
    Told,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nothing.
    Plain,
    /// Logical pixels.
    Pixels,
    /// Milliseconds; 0 is never.
    Milliseconds,
    /// Times a second.
    PerSecond,
    /// Kelvins.
    Kelvins,
    /// Seconds until something happens; 0 is never.
    Seconds,
    /// So many times as large.
    Times,
    /// -1 to 1, in percent.
    Speed,
    /// Percent.
    Percent,
}

impl Unit {
    /// A value for people.
    pub fn words(self, value: f64) -> String {
        let number = l10n::number(value);
        match self {
            Self::Plain => number,
            Self::Pixels => tr!("unit-pixels", value = number),
            Self::Milliseconds | Self::Seconds if value <= 0.0 => tr!("unit-never"),
            Self::Milliseconds => tr!("unit-milliseconds", value = number),
            Self::PerSecond => tr!("unit-per-second", value = number),
            Self::Kelvins => tr!("unit-kelvins", value = number),
            Self::Times => tr!("unit-times", value = number),
            Self::Speed => l10n::signed_percent(value * 100.0),
            Self::Percent => l10n::percent(value.round() as u32),
            Self::Seconds => {
                let seconds = value.round() as u64;
                match (seconds % 3600, seconds % 60) {
                    (0, _) => tr!("unit-hours", count = seconds / 3600),
                    (_, 0) => tr!("unit-minutes", count = seconds / 60),
                    _ => tr!("unit-seconds", count = seconds),
                }
            }
        }
    }
}

const PIXELS: &[f64] = &[0.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0];
const KEYS_MS: &[f64] = &[
    0.0, 100.0, 200.0, 300.0, 500.0, 700.0, 1000.0, 1500.0, 2000.0,
];
const IDLE: &[f64] = &[
    0.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0,
];
const SCALES: &[f64] = &[0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0];
const DELAYS: &[f64] = &[
    150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0,
];
const RATES: &[f64] = &[5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0];
const SPEEDS: &[f64] = &[-1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
const KELVINS: &[f64] = &[
    1700.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0, 4500.0, 5000.0, 5500.0, 6000.0, 6500.0,
];
const TEXT_SIZES: &[f64] = &[80.0, 90.0, 100.0, 110.0, 125.0, 150.0, 175.0, 200.0];
const STEPS: &[f64] = &[1.1, 1.25, 1.5, 2.0, 3.0, 4.0];
const CURSORS: &[f64] = &[16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0];
const WORKSPACES: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

/// The name of the screen among the keys of what is kept for each.
const SCREEN: &str = "";

/// All that there is to say of an item.
struct Row {
    kind: Kind,
    /// The file that it is in, and its keys there.
    place: Option<(File, &'static [&'static str])>,
    /// Of a screen, for its name.
    title: fn(&str) -> String,
    about: fn() -> String,
}

fn row(kind: Kind, title: fn(&str) -> String) -> Row {
    Row {
        kind,
        place: None,
        title,
        about: String::new,
    }
}

impl Row {
    fn kept(mut self, file: File, keys: &'static [&'static str]) -> Self {
        self.place = Some((file, keys));
        self
    }

    fn about(mut self, about: fn() -> String) -> Self {
        self.about = about;
        self
    }
}

impl Item {
    fn row(self) -> Row {
        match self {
            Self::Theme => row(Kind::Pick, |_| tr!("set-theme")).kept(File::Shell, &["theme"]),
            Self::Accent => row(Kind::Pick, |_| tr!("set-accent")).kept(File::Shell, &["accent"]),
            Self::TextSize => row(Kind::Number(TEXT_SIZES, 100.0, Unit::Percent), |_| {
                tr!("set-text-size")
            })
            .kept(File::Shell, &["text-size"])
            .about(|| tr!("set-text-size-about")),
            Self::Wallpaper => row(Kind::Pick, |_| tr!("set-wallpaper"))
                .kept(File::Shell, &["wallpaper"])
                .about(|| tr!("set-wallpaper-about")),
            Self::CursorSize => row(Kind::Number(CURSORS, 24.0, Unit::Pixels), |_| {
                tr!("set-cursor-size")
            })
            .kept(File::Compositor, &["cursor", "size"]),
            Self::Workspaces => row(Kind::Number(WORKSPACES, 4.0, Unit::Plain), |_| {
                tr!("set-workspaces")
            })
            .kept(File::Compositor, &["workspaces"]),
            Self::Tiling => row(Kind::Switch(false), |_| tr!("set-tiling"))
                .kept(File::Compositor, &["tiling", "enabled"])
                .about(|| tr!("set-tiling-about")),
            Self::TileGap => row(Kind::Number(PIXELS, 8.0, Unit::Pixels), |_| {
                tr!("set-tile-gap")
            })
            .kept(File::Compositor, &["tiling", "gap"])
            .about(|| tr!("set-tile-gap-about")),
            Self::TileMargin => row(Kind::Number(PIXELS, 8.0, Unit::Pixels), |_| {
                tr!("set-tile-margin")
            })
            .kept(File::Compositor, &["tiling", "margin"])
            .about(|| tr!("set-tile-margin-about")),
            Self::SnapEdges => row(Kind::Switch(true), |_| tr!("set-snap-edges"))
                .kept(File::Compositor, &["snapping", "edges"])
                .about(|| tr!("set-snap-edges-about")),
            Self::Mode(_) => row(Kind::Pick, |output| tr!("set-mode", output = output))
                .kept(File::Compositor, &["outputs", SCREEN, "mode"]),
            Self::Scale(_) => row(Kind::Number(SCALES, 1.0, Unit::Times), |output| {
                tr!("set-scale", output = output)
            })
            .kept(File::Compositor, &["outputs", SCREEN, "scale"]),
            Self::Transform(_) => row(Kind::Pick, |output| tr!("set-transform", output = output))
                .kept(File::Compositor, &["outputs", SCREEN, "transform"])
                .about(|| tr!("set-transform-about")),
            Self::Place(_) => row(Kind::Pick, |output| tr!("set-place", output = output))
                .kept(File::Compositor, &["outputs", SCREEN, "place"])
                .about(|| tr!("set-place-about")),
            Self::NightLight => row(Kind::Switch(false), |_| tr!("set-night-light"))
                .kept(File::Compositor, &["night-light", "enabled"])
                .about(|| tr!("set-night-light-about")),
            Self::NightFrom => row(Kind::Time("20:00"), |_| tr!("set-night-from"))
                .kept(File::Compositor, &["night-light", "from"]),
            Self::NightTo => row(Kind::Time("06:00"), |_| tr!("set-night-to"))
                .kept(File::Compositor, &["night-light", "to"]),
            Self::NightTemperature => row(Kind::Number(KELVINS, 4000.0, Unit::Kelvins), |_| {
                tr!("set-night-temperature")
            })
            .kept(File::Compositor, &["night-light", "temperature"])
            .about(|| tr!("set-night-temperature-about")),
            Self::Layout => row(Kind::Pick, |_| tr!("set-layout"))
                .kept(File::Compositor, &["keyboard", "layout"]),
            Self::RepeatDelay => row(Kind::Number(DELAYS, 400.0, Unit::Milliseconds), |_| {
                tr!("set-repeat-delay")
            })
            .kept(File::Compositor, &["keyboard", "repeat-delay"])
            .about(|| tr!("set-repeat-delay-about")),
            Self::RepeatRate => row(Kind::Number(RATES, 30.0, Unit::PerSecond), |_| {
                tr!("set-repeat-rate")
            })
            .kept(File::Compositor, &["keyboard", "repeat-rate"]),
            Self::TapToClick => row(Kind::Switch(true), |_| tr!("set-tap"))
                .kept(File::Compositor, &["pointer", "tap-to-click"]),
            Self::NaturalScroll => row(Kind::Switch(false), |_| tr!("set-natural-scroll"))
                .kept(File::Compositor, &["pointer", "natural-scroll"])
                .about(|| tr!("set-natural-scroll-about")),
            Self::PointerSpeed => row(Kind::Number(SPEEDS, 0.0, Unit::Speed), |_| {
                tr!("set-pointer-speed")
            })
            .kept(File::Compositor, &["pointer", "speed"]),
            Self::HighContrast => row(Kind::Switch(false), |_| tr!("set-high-contrast"))
                .kept(File::Shell, &["theme"])
                .about(|| tr!("set-high-contrast-about")),
            Self::ReducedMotion => row(Kind::Switch(false), |_| tr!("set-reduced-motion"))
                .kept(File::Compositor, &["accessibility", "reduced-motion"])
                .about(|| tr!("set-reduced-motion-about")),
            Self::StickyKeys => row(Kind::Switch(false), |_| tr!("set-sticky-keys"))
                .kept(File::Compositor, &["accessibility", "sticky-keys"])
                .about(|| tr!("set-sticky-keys-about")),
            Self::StickyShortcut => row(Kind::Switch(true), |_| tr!("set-sticky-shortcut"))
                .kept(File::Compositor, &["accessibility", "sticky-keys-shortcut"])
                .about(|| tr!("set-sticky-shortcut-about")),
            Self::SlowKeys => row(Kind::Number(KEYS_MS, 0.0, Unit::Milliseconds), |_| {
                tr!("set-slow-keys")
            })
            .kept(File::Compositor, &["accessibility", "slow-keys"])
            .about(|| tr!("set-slow-keys-about")),
            Self::BounceKeys => row(Kind::Number(KEYS_MS, 0.0, Unit::Milliseconds), |_| {
                tr!("set-bounce-keys")
            })
            .kept(File::Compositor, &["accessibility", "bounce-keys"])
            .about(|| tr!("set-bounce-keys-about")),
            Self::MouseKeys => row(Kind::Switch(false), |_| tr!("set-mouse-keys"))
                .kept(File::Compositor, &["accessibility", "mouse-keys"])
                .about(|| tr!("set-mouse-keys-about")),
            Self::MagnifierStep => row(Kind::Number(STEPS, 1.25, Unit::Times), |_| {
                tr!("set-magnifier-step")
            })
            .kept(File::Compositor, &["magnifier", "step"])
            .about(|| tr!("set-magnifier-step-about")),
            Self::MagnifierText => row(Kind::Switch(true), |_| tr!("set-magnifier-text"))
                .kept(File::Compositor, &["magnifier", "follow-text"])
                .about(|| tr!("set-magnifier-text-about")),
            Self::LockAfter => row(Kind::Number(IDLE, 0.0, Unit::Seconds), |_| {
                tr!("set-lock-after")
            })
            .kept(File::Compositor, &["idle", "lock-after"])
            .about(|| tr!("set-idle-about")),
            Self::ScreenOffAfter => row(Kind::Number(IDLE, 0.0, Unit::Seconds), |_| {
                tr!("set-screen-off-after")
            })
            .kept(File::Compositor, &["idle", "screen-off-after"])
            .about(|| tr!("set-idle-about")),
            Self::SuspendAfter => row(Kind::Number(IDLE, 0.0, Unit::Seconds), |_| {
                tr!("set-suspend-after")
            })
            .kept(File::Compositor, &["idle", "suspend-after"])
            .about(|| tr!("set-idle-about")),
            Self::LockBeforeSleep => row(Kind::Switch(true), |_| tr!("set-lock-before-sleep"))
                .kept(File::Compositor, &["idle", "lock-before-sleep"])
                .about(|| tr!("set-lock-before-sleep-about")),
            Self::OpenPermissions => {
                row(Kind::Button, |_| tr!("permissions")).about(|| tr!("set-permissions-about"))
            }
            Self::OpenAgents => {
                row(Kind::Button, |_| tr!("set-agents")).about(|| tr!("set-agents-about"))
            }
            Self::Language => row(Kind::Pick, |_| tr!("set-language"))
                .kept(File::Shell, &["language"])
                .about(|| tr!("set-language-about")),
            Self::System => row(Kind::Told, |_| tr!("set-system")),
            Self::Machine => row(Kind::Told, |_| tr!("set-machine")),
            Self::Processor => row(Kind::Told, |_| tr!("set-processor")),
            Self::Memory => row(Kind::Told, |_| tr!("set-memory")),
            Self::Models => {
                row(Kind::Told, |_| tr!("set-models")).about(|| tr!("set-models-about"))
            }
        }
    }

    /// What its value is.
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// The file that it is in, and its keys there. `outputs`: the names of the screens.
    pub fn place(self, outputs: &[String]) -> Option<(File, Vec<String>)> {
        let (file, keys) = self.row().place?;
        let screen = self.screen().and_then(|at| outputs.get(at));
        let named = |key: &&str| match *key {
            SCREEN => screen.cloned(),
            key => Some(key.to_owned()),
        };
        Some((file, keys.iter().map(named).collect::<Option<_>>()?))
    }

    /// The position of the screen that it is about.
    pub fn screen(self) -> Option<usize> {
        match self {
            Self::Mode(at) | Self::Scale(at) | Self::Transform(at) | Self::Place(at) => Some(at),
            _ => None,
        }
    }

    /// For people; of a screen, `output` is its name.
    pub fn title(self, output: &str) -> String {
        (self.row().title)(output)
    }

    /// What it does, where the title does not say it.
    pub fn about(self) -> String {
        (self.row().about)()
    }
}

/// How a screen can hang, in the words of `compositor.yaml`.
pub const TURNS: [&str; 8] = [
    "normal",
    "90",
    "180",
    "270",
    "flipped",
    "flipped-90",
    "flipped-180",
    "flipped-270",
];
/// On which side of another a screen can be.
pub const SIDES: [&str; 4] = ["left-of", "right-of", "above", "below"];

/// One of [`TURNS`] for people.
pub fn turn_title(turn: &str) -> String {
    match turn {
        "normal" => tr!("turn-normal"),
        "90" => tr!("turn-90"),
        "180" => tr!("turn-180"),
        "270" => tr!("turn-270"),
        "flipped" => tr!("turn-flipped"),
        "flipped-90" => tr!("turn-flipped-90"),
        "flipped-180" => tr!("turn-flipped-180"),
        "flipped-270" => tr!("turn-flipped-270"),
        other => other.to_owned(),
    }
}

/// One of [`SIDES`] for people, with the other screen's name.
pub fn side_title(side: &str, output: &str) -> String {
    tr!("side", side = side, output = output)
}

/// A mode in the words of `compositor.yaml`.
pub fn mode_word(mode: &OutputMode) -> String {
    let hertz = f64::from(mode.refresh) / 1000.0;
    format!("{}x{}@{hertz}", mode.width, mode.height)
}

/// The number of the list that comes after the value, `by` steps away; between two of them, the nearest in that
/// direction.
pub fn step(values: &[f64], value: f64, by: isize) -> f64 {
    let close = |other: &f64| (other - value).abs() < 1e-6;
    let at = values.iter().position(close);
    let next = match at {
        Some(at) => at.saturating_add_signed(by),
        None if by > 0 => values.partition_point(|other| *other < value),
        None => values
            .partition_point(|other| *other < value)
            .saturating_sub(1),
    };
    values
        .get(next.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(value)
}

/// A number as files have it: whole ones without a point.
pub fn written(value: f64) -> Value {
    if value.fract() == 0.0 {
        json!(value as i64)
    } else {
        json!(value)
    }
}

/// A time of the day, so many quarters of an hour later.
pub fn quarters_later(time: &str, by: isize) -> Option<String> {
    const DAY: isize = 24 * 60;
    let (hour, minute) = time.split_once(':')?;
    let at = hour.parse::<isize>().ok()? * 60 + minute.parse::<isize>().ok()?;
    // From between two quarters to the next one.
    let quarter = at.div_euclid(15) + isize::from(by < 0 && at % 15 != 0);
    let at = ((quarter + by) * 15).rem_euclid(DAY);
    Some(format!("{:02}:{:02}", at / 60, at % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys and defaults are those of the compositor, whose file is tested to say its defaults.
    #[test]
    fn every_setting_is_in_the_shipped_file_with_its_default() {
        let text = include_str!("../../../../../rootfs/usr/share/argos/compositor.yaml");
        let shipped = crate::yaml::read(text).unwrap();
        let mut seen = 0;
        for item in Page::ALL.into_iter().flat_map(|page| page.items(0)) {
            let Some((File::Compositor, keys)) = item.place(&[]) else {
                continue;
            };
            let there = keys.iter().fold(&shipped, |at, key| &at[key.as_str()]);
            match item.kind() {
                Kind::Switch(default) => assert_eq!(there, &json!(default), "{keys:?}"),
                Kind::Number(values, default, _) => {
                    assert_eq!(there.as_f64(), Some(default), "{keys:?}");
                    assert!(values.contains(&default), "{keys:?}");
                    assert!(values.is_sorted(), "{keys:?}");
                }
                Kind::Time(default) => assert_eq!(there, default, "{keys:?}"),
                Kind::Pick => assert!(there.is_string(), "{keys:?}"),
                Kind::Button | Kind::Told => panic!("{keys:?} is kept nowhere"),
            }
            seen += 1;
        }
        assert!(seen > 25, "{seen}");
    }

    #[test]
    fn steps_go_along_the_list_and_onto_it() {
        assert_eq!(step(SCALES, 1.0, 1), 1.25);
        assert_eq!(step(SCALES, 1.0, -1), 0.75);
        assert_eq!(step(SCALES, 4.0, 1), 4.0);
        assert_eq!(step(SCALES, 0.5, -1), 0.5);
        assert_eq!(step(SCALES, 1.1, 1), 1.25);
        assert_eq!(step(SCALES, 1.1, -1), 1.0);
        assert_eq!(step(IDLE, 400.0, 1), 600.0);
        assert_eq!(written(2.0).to_string(), "2");
        assert_eq!(written(1.25).to_string(), "1.25");
    }

    #[test]
    fn times_go_by_quarters_and_round_the_day() {
        let later = |time, by| quarters_later(time, by).unwrap();
        assert_eq!(later("20:00", 1), "20:15");
        assert_eq!(later("00:00", -1), "23:45");
        assert_eq!(later("23:50", 1), "00:00");
        assert_eq!(later("7:05", 1), "07:15");
        assert_eq!(later("7:05", -1), "07:00");
        assert_eq!(quarters_later("late", 1), None);
    }

    #[test]
    fn numbers_are_told_as_people_say_them() {
        assert_eq!(Unit::Seconds.words(0.0), "Never");
        assert_eq!(Unit::Seconds.words(60.0), "1 minute");
        assert_eq!(Unit::Seconds.words(5400.0), "90 minutes");
        assert_eq!(Unit::Seconds.words(7200.0), "2 hours");
        assert_eq!(Unit::Seconds.words(90.0), "90 seconds");
        assert_eq!(Unit::Speed.words(-0.4), "−40 %");
        assert_eq!(Unit::Speed.words(0.2), "+20 %");
        assert_eq!(Unit::Speed.words(0.0), "0 %");
        assert_eq!(Unit::Times.words(1.25), "×1.25");
    }
}
