//! The settings there are: on which page each is, where it is kept, and which values it takes.
//!
//! Each has a key in a file behind it. What has none is not here.

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
            Self::Appearance => vec![Theme, Wallpaper, CursorSize],
            Self::Windows => vec![Workspaces, Tiling, TileGap, TileMargin, SnapEdges],
            Self::Displays => (0..outputs)
                .map(Scale)
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
    Wallpaper,
    CursorSize,
    Workspaces,
    Tiling,
    TileGap,
    TileMargin,
    SnapEdges,
    /// Of the screen at this position.
    Scale(usize),
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
const STEPS: &[f64] = &[1.1, 1.25, 1.5, 2.0, 3.0, 4.0];
const CURSORS: &[f64] = &[16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0];
const WORKSPACES: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];

impl Item {
    /// What its value is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Theme | Self::Wallpaper | Self::Layout | Self::Language => Kind::Pick,
            Self::CursorSize => Kind::Number(CURSORS, 24.0, Unit::Pixels),
            Self::Workspaces => Kind::Number(WORKSPACES, 4.0, Unit::Plain),
            Self::TileGap | Self::TileMargin => Kind::Number(PIXELS, 8.0, Unit::Pixels),
            Self::Scale(_) => Kind::Number(SCALES, 1.0, Unit::Times),
            Self::NightFrom => Kind::Time("20:00"),
            Self::NightTo => Kind::Time("06:00"),
            Self::NightTemperature => Kind::Number(KELVINS, 4000.0, Unit::Kelvins),
            Self::RepeatDelay => Kind::Number(DELAYS, 400.0, Unit::Milliseconds),
            Self::RepeatRate => Kind::Number(RATES, 30.0, Unit::PerSecond),
            Self::PointerSpeed => Kind::Number(SPEEDS, 0.0, Unit::Speed),
            Self::SlowKeys | Self::BounceKeys => Kind::Number(KEYS_MS, 0.0, Unit::Milliseconds),
            Self::MagnifierStep => Kind::Number(STEPS, 1.25, Unit::Times),
            Self::LockAfter | Self::ScreenOffAfter | Self::SuspendAfter => {
                Kind::Number(IDLE, 0.0, Unit::Seconds)
            }
            Self::SnapEdges
            | Self::TapToClick
            | Self::StickyShortcut
            | Self::MagnifierText
            | Self::LockBeforeSleep => Kind::Switch(true),
            Self::Tiling
            | Self::NightLight
            | Self::NaturalScroll
            | Self::HighContrast
            | Self::StickyKeys
            | Self::MouseKeys => Kind::Switch(false),
            Self::OpenPermissions | Self::OpenAgents => Kind::Button,
            Self::System | Self::Machine | Self::Processor | Self::Memory | Self::Models => {
                Kind::Told
            }
        }
    }

    /// The file that it is in, and its keys there. `outputs`: the names of the screens.
    pub fn place(self, outputs: &[String]) -> Option<(File, Vec<String>)> {
        let keys: &[&str] = match self {
            Self::Theme | Self::HighContrast => return Some((File::Shell, vec!["theme".into()])),
            Self::Wallpaper => return Some((File::Shell, vec!["wallpaper".into()])),
            Self::Language => return Some((File::Shell, vec!["language".into()])),
            Self::Scale(at) => &["outputs", outputs.get(at)?, "scale"],
            Self::CursorSize => &["cursor", "size"],
            Self::Workspaces => &["workspaces"],
            Self::Tiling => &["tiling", "enabled"],
            Self::TileGap => &["tiling", "gap"],
            Self::TileMargin => &["tiling", "margin"],
            Self::SnapEdges => &["snapping", "edges"],
            Self::NightLight => &["night-light", "enabled"],
            Self::NightFrom => &["night-light", "from"],
            Self::NightTo => &["night-light", "to"],
            Self::NightTemperature => &["night-light", "temperature"],
            Self::Layout => &["keyboard", "layout"],
            Self::RepeatDelay => &["keyboard", "repeat-delay"],
            Self::RepeatRate => &["keyboard", "repeat-rate"],
            Self::TapToClick => &["pointer", "tap-to-click"],
            Self::NaturalScroll => &["pointer", "natural-scroll"],
            Self::PointerSpeed => &["pointer", "speed"],
            Self::StickyKeys => &["accessibility", "sticky-keys"],
            Self::StickyShortcut => &["accessibility", "sticky-keys-shortcut"],
            Self::SlowKeys => &["accessibility", "slow-keys"],
            Self::BounceKeys => &["accessibility", "bounce-keys"],
            Self::MouseKeys => &["accessibility", "mouse-keys"],
            Self::MagnifierStep => &["magnifier", "step"],
            Self::MagnifierText => &["magnifier", "follow-text"],
            Self::LockAfter => &["idle", "lock-after"],
            Self::ScreenOffAfter => &["idle", "screen-off-after"],
            Self::SuspendAfter => &["idle", "suspend-after"],
            Self::LockBeforeSleep => &["idle", "lock-before-sleep"],
            Self::OpenPermissions
            | Self::OpenAgents
            | Self::System
            | Self::Machine
            | Self::Processor
            | Self::Memory
            | Self::Models => return None,
        };
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Some((File::Compositor, keys))
    }

    /// For people; of a screen, `output` is its name.
    pub fn title(self, output: &str) -> String {
        match self {
            Self::Theme => tr!("set-theme"),
            Self::Wallpaper => tr!("set-wallpaper"),
            Self::CursorSize => tr!("set-cursor-size"),
            Self::Workspaces => tr!("set-workspaces"),
            Self::Tiling => tr!("set-tiling"),
            Self::TileGap => tr!("set-tile-gap"),
            Self::TileMargin => tr!("set-tile-margin"),
            Self::SnapEdges => tr!("set-snap-edges"),
            Self::Scale(_) => tr!("set-scale", output = output),
            Self::NightLight => tr!("set-night-light"),
            Self::NightFrom => tr!("set-night-from"),
            Self::NightTo => tr!("set-night-to"),
            Self::NightTemperature => tr!("set-night-temperature"),
            Self::Layout => tr!("set-layout"),
            Self::RepeatDelay => tr!("set-repeat-delay"),
            Self::RepeatRate => tr!("set-repeat-rate"),
            Self::TapToClick => tr!("set-tap"),
            Self::NaturalScroll => tr!("set-natural-scroll"),
            Self::PointerSpeed => tr!("set-pointer-speed"),
            Self::HighContrast => tr!("set-high-contrast"),
            Self::StickyKeys => tr!("set-sticky-keys"),
            Self::StickyShortcut => tr!("set-sticky-shortcut"),
            Self::SlowKeys => tr!("set-slow-keys"),
            Self::BounceKeys => tr!("set-bounce-keys"),
            Self::MouseKeys => tr!("set-mouse-keys"),
            Self::MagnifierStep => tr!("set-magnifier-step"),
            Self::MagnifierText => tr!("set-magnifier-text"),
            Self::LockAfter => tr!("set-lock-after"),
            Self::ScreenOffAfter => tr!("set-screen-off-after"),
            Self::SuspendAfter => tr!("set-suspend-after"),
            Self::LockBeforeSleep => tr!("set-lock-before-sleep"),
            Self::OpenPermissions => tr!("permissions"),
            Self::OpenAgents => tr!("set-agents"),
            Self::Language => tr!("set-language"),
            Self::System => tr!("set-system"),
            Self::Machine => tr!("set-machine"),
            Self::Processor => tr!("set-processor"),
            Self::Memory => tr!("set-memory"),
            Self::Models => tr!("set-models"),
        }
    }

    /// What it does, where the title does not say it.
    pub fn about(self) -> String {
        match self {
            Self::Wallpaper => tr!("set-wallpaper-about"),
            Self::Tiling => tr!("set-tiling-about"),
            Self::TileGap => tr!("set-tile-gap-about"),
            Self::TileMargin => tr!("set-tile-margin-about"),
            Self::SnapEdges => tr!("set-snap-edges-about"),
            Self::NightLight => tr!("set-night-light-about"),
            Self::NightTemperature => tr!("set-night-temperature-about"),
            Self::RepeatDelay => tr!("set-repeat-delay-about"),
            Self::NaturalScroll => tr!("set-natural-scroll-about"),
            Self::HighContrast => tr!("set-high-contrast-about"),
            Self::StickyKeys => tr!("set-sticky-keys-about"),
            Self::StickyShortcut => tr!("set-sticky-shortcut-about"),
            Self::SlowKeys => tr!("set-slow-keys-about"),
            Self::BounceKeys => tr!("set-bounce-keys-about"),
            Self::MouseKeys => tr!("set-mouse-keys-about"),
            Self::MagnifierStep => tr!("set-magnifier-step-about"),
            Self::MagnifierText => tr!("set-magnifier-text-about"),
            Self::LockAfter | Self::ScreenOffAfter | Self::SuspendAfter => tr!("set-idle-about"),
            Self::LockBeforeSleep => tr!("set-lock-before-sleep-about"),
            Self::OpenPermissions => tr!("set-permissions-about"),
            Self::OpenAgents => tr!("set-agents-about"),
            Self::Language => tr!("set-language-about"),
            Self::Models => tr!("set-models-about"),
            _ => String::new(),
        }
    }
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
