//! Key bindings: which combination does what.
//!
//! A combination is written as `Super+Shift+Q`: modifiers (`Super`, `Ctrl`, `Alt`, `Shift`) and
//! one xkb key name. `Super` alone is a tap of that key: pressed and released with nothing in
//! between. Actions are words as in [`Action`]'s `FromStr`. Ctrl+Alt+F1 to F12 always change the
//! virtual terminal; that is not a binding, so that nobody can lock themselves out.

use std::str::FromStr;

use smithay::input::keyboard::{Keysym, ModifiersState, xkb};
use thiserror::Error;

use crate::layout::{Direction, Growth, Reach, Zone};

/// What a binding does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `none`: nothing; takes a built-in binding away.
    None,
    /// `shell PART`: asks the shell to show a part: `launcher`, `chat`, `agents`, `controls`, `power`;
    /// or has it do what a key stands for: `volume-up`, `brightness-down`, `record`.
    Shell(String),
    /// `terminal`: starts the configured terminal.
    Terminal,
    /// `spawn PROGRAM ARGUMENTS`: starts a program; arguments are split at spaces.
    Spawn(Vec<String>),
    /// `close`: asks the focused window to close.
    Close,
    /// `maximise`: maximises or restores the focused window.
    Maximise,
    /// `fullscreen`: makes the focused window cover the output, or brings it back.
    Fullscreen,
    /// `minimise`: hides the focused window.
    Minimise,
    /// `next-window`: the next window of the workspace in the order of use, as long as the modifier is held;
    /// `next-window all`: of all workspaces.
    NextWindow(Reach),
    /// `previous-window`, `previous-window all`: the same, backwards.
    PreviousWindow(Reach),
    /// `overview`: shows all windows of all workspaces of the output, or closes that.
    Overview,
    /// `workspace N`: shows a workspace, from 1.
    Workspace(u32),
    /// `move-to-workspace N`: moves the focused window, from 1.
    MoveToWorkspace(u32),
    /// `toggle-tiling`: windows of the workspace become tiles, or float again.
    ToggleTiling,
    /// `toggle-floating`: takes the focused window out of the tiles, or makes it one.
    ToggleFloating,
    /// `focus SIDE`: the window on one side, or else the output there; SIDE is `left`, `right`, `up`
    /// or `down`.
    Focus(Direction),
    /// `move SIDE`: moves the focused window.
    Move(Direction),
    /// `swap SIDE`: exchanges the focused tile with the one on one side.
    Swap(Direction),
    /// `resize wider`, `narrower`, `taller`, `shorter`: changes the focused window's size.
    Resize(Growth),
    /// `snap left`, `right`, `up`, `down`: the focused window fills that half of the screen, or comes
    /// back; a tile is moved.
    SnapTowards(Direction),
    /// `snap top-left`, `top-right`, `bottom-left`, `bottom-right`: the same with a quarter.
    Snap(Zone),
    /// `focus-output SIDE`, or `next`: goes to what another output shows.
    FocusOutput(Towards),
    /// `move-to-output SIDE`, or `next`: moves the focused window to what another output shows.
    MoveToOutput(Towards),
    /// `move-workspace-to-output SIDE`, or `next`: another output shows the workspace.
    MoveWorkspaceToOutput(Towards),
    /// `dismiss`: takes the compositor's message away.
    Dismiss,
    /// `stack`: puts the focused window on the one used before it, so that they share one place.
    Stack,
    /// `unstack`: takes the focused window out of its stack.
    Unstack,
    /// `next-in-stack`: the next window of the stack.
    NextInStack,
    /// `previous-in-stack`: the one before.
    PreviousInStack,
    /// `screenshot`: saves a picture of the screen.
    Screenshot,
    /// Locks the session.
    Lock,
    /// `night-light`: warmer colours, whatever the time is, or none.
    NightLight,
    /// `zoom in`, `zoom out`, `zoom off`: shows things larger, smaller, as they are.
    Zoom(Magnify),
}

/// What becomes of the magnifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magnify {
    /// Things are larger by a step.
    In,
    /// Things are smaller by a step.
    Out,
    /// Things are as they are.
    Off,
}

/// Which output is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// `next`: the one after the one in use.
    Next,
    /// The one on that side.
    Side(Direction),
}

/// Text that is not a combination or an action.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// No key of that name.
    #[error(
        "`{0}`: there is no key `{1}`; keys have xkb's names, as `Return`, `Print`, `space`, `q`"
    )]
    Key(String, String),
    /// Two keys, or none, in one combination.
    #[error(
        "`{0}` needs exactly one key besides Super, Ctrl, Alt and Shift, as in `Super+Shift+q`"
    )]
    Count(String),
    /// No such action.
    #[error(
        "there is no action `{0}`; there are: none, shell PART, terminal, spawn PROGRAM, close, maximise, \
         fullscreen, minimise, next-window (all), previous-window (all), overview, workspace N, move-to-workspace N, toggle-tiling, \
         toggle-floating, focus SIDE, move SIDE, swap SIDE, resize wider (narrower, taller, shorter), snap SIDE \
         (top-left, top-right, bottom-left, bottom-right), focus-output SIDE, move-to-output SIDE, \
         move-workspace-to-output SIDE, stack, unstack, next-in-stack, previous-in-stack, \
         dismiss, screenshot, lock, night-light, zoom in (out, off); SIDE is left, right, up or down, of outputs also next"
    )]
    Action(String),
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Action(text.to_owned());
        let mut words = text.split_whitespace();
        let verb = words.next().ok_or_else(bad)?;
        let rest: Vec<_> = words.map(str::to_owned).collect();
        let number = || match rest.as_slice() {
            [one] => one
                .parse()
                .ok()
                .filter(|n| (1..=9).contains(n))
                .ok_or_else(bad),
            _ => Err(bad()),
        };
        let plain = |action: Self| {
            if rest.is_empty() {
                Ok(action)
            } else {
                Err(bad())
            }
        };
        let word = match rest.as_slice() {
            [one] => one.as_str(),
            _ => "",
        };
        let reach = || match rest.as_slice() {
            [] => Ok(Reach::Workspace),
            [all] if all == "all" => Ok(Reach::Everywhere),
            _ => Err(bad()),
        };
        let side = || side(word).ok_or_else(bad);
        let towards = || match word {
            "next" => Ok(Towards::Next),
            _ => side().map(Towards::Side),
        };
        match verb {
            "none" => plain(Self::None),
            "shell" if rest.len() == 1 => Ok(Self::Shell(rest[0].clone())),
            "terminal" => plain(Self::Terminal),
            "spawn" if !rest.is_empty() => Ok(Self::Spawn(rest)),
            "close" => plain(Self::Close),
            "maximise" | "maximize" => plain(Self::Maximise),
            "fullscreen" => plain(Self::Fullscreen),
            "minimise" | "minimize" => plain(Self::Minimise),
            "next-window" => Ok(Self::NextWindow(reach()?)),
            "previous-window" => Ok(Self::PreviousWindow(reach()?)),
            "overview" => plain(Self::Overview),
            "workspace" => Ok(Self::Workspace(number()?)),
            "move-to-workspace" => Ok(Self::MoveToWorkspace(number()?)),
            "toggle-tiling" => plain(Self::ToggleTiling),
            "toggle-floating" => plain(Self::ToggleFloating),
            "focus" => Ok(Self::Focus(side()?)),
            "move" => Ok(Self::Move(side()?)),
            "swap" => Ok(Self::Swap(side()?)),
            "resize" => Ok(Self::Resize(match word {
                "wider" => Growth::Wider,
                "narrower" => Growth::Narrower,
                "taller" => Growth::Taller,
                "shorter" => Growth::Shorter,
                _ => return Err(bad()),
            })),
            "snap" => Ok(match word {
                "top-left" => Self::Snap(Zone::TopLeft),
                "top-right" => Self::Snap(Zone::TopRight),
                "bottom-left" => Self::Snap(Zone::BottomLeft),
                "bottom-right" => Self::Snap(Zone::BottomRight),
                _ => Self::SnapTowards(side()?),
            }),
            "focus-output" => Ok(Self::FocusOutput(towards()?)),
            "move-to-output" => Ok(Self::MoveToOutput(towards()?)),
            "move-workspace-to-output" => Ok(Self::MoveWorkspaceToOutput(towards()?)),
            "stack" => plain(Self::Stack),
            "unstack" => plain(Self::Unstack),
            "next-in-stack" => plain(Self::NextInStack),
            "previous-in-stack" => plain(Self::PreviousInStack),
            "dismiss" => plain(Self::Dismiss),
            "screenshot" => plain(Self::Screenshot),
            "lock" => plain(Self::Lock),
            "night-light" => plain(Self::NightLight),
            "zoom" => Ok(Self::Zoom(match word {
                "in" => Magnify::In,
                "out" => Magnify::Out,
                "off" => Magnify::Off,
                _ => return Err(bad()),
            })),
            _ => Err(bad()),
        }
    }
}

fn side(word: &str) -> Option<Direction> {
    Some(match word {
        "left" => Direction::Left,
        "right" => Direction::Right,
        "up" => Direction::Up,
        "down" => Direction::Down,
        _ => return None,
    })
}

/// The modifiers of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Modifiers {
    logo: bool,
    ctrl: bool,
    alt: bool,
    shift: bool,
}

impl From<&ModifiersState> for Modifiers {
    fn from(state: &ModifiersState) -> Self {
        Self {
            logo: state.logo,
            ctrl: state.ctrl,
            alt: state.alt,
            shift: state.shift,
        }
    }
}

/// When a binding acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Press(Modifiers, Keysym),
    /// The key is pressed and released alone.
    Tap(Keysym),
}

impl FromStr for Trigger {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut modifiers = Modifiers::default();
        let mut key = None;
        for part in text.split('+').map(str::trim) {
            match part.to_ascii_lowercase().as_str() {
                "super" | "logo" | "meta" => modifiers.logo = true,
                "ctrl" | "control" => modifiers.ctrl = true,
                "alt" => modifiers.alt = true,
                "shift" => modifiers.shift = true,
                _ => {
                    let name = if part.eq_ignore_ascii_case("space") {
                        "space"
                    } else {
                        part
                    };
                    let sym = xkb::keysym_from_name(name, xkb::KEYSYM_CASE_INSENSITIVE);
                    if sym == Keysym::NoSymbol {
                        return Err(Error::Key(text.to_owned(), part.to_owned()));
                    }
                    if key.replace(lower(sym)).is_some() {
                        return Err(Error::Count(text.to_owned()));
                    }
                }
            }
        }
        match key {
            Some(key) => Ok(Self::Press(modifiers, key)),
            None if modifiers
                == (Modifiers {
                    logo: true,
                    ..Modifiers::default()
                }) =>
            {
                Ok(Self::Tap(Keysym::Super_L))
            }
            None => Err(Error::Count(text.to_owned())),
        }
    }
}

/// Letters are bound without case: Shift is a modifier of the combination.
fn lower(sym: Keysym) -> Keysym {
    sym.key_char()
        .filter(char::is_ascii_uppercase)
        .map_or(sym, |c| Keysym::from_char(c.to_ascii_lowercase()))
}

/// What is bound before any configuration.
const BUILT_IN: &[(&str, &str)] = &[
    ("Super", "shell launcher"),
    ("Super+space", "shell launcher"),
    ("Super+c", "shell chat"),
    ("Super+a", "shell agents"),
    ("Super+Return", "terminal"),
    ("Super+q", "close"),
    ("Alt+F4", "close"),
    ("Super+Up", "maximise"),
    ("Super+m", "maximise"),
    ("Super+f", "fullscreen"),
    ("Super+h", "minimise"),
    ("Alt+Tab", "next-window"),
    ("Alt+Shift+Tab", "previous-window"),
    ("Super+Tab", "next-window all"),
    ("Super+Shift+Tab", "previous-window all"),
    ("Super+w", "overview"),
    ("Super+t", "toggle-tiling"),
    ("Super+Shift+space", "toggle-floating"),
    ("Super+Ctrl+Left", "focus left"),
    ("Super+Ctrl+Right", "focus right"),
    ("Super+Ctrl+Up", "focus up"),
    ("Super+Ctrl+Down", "focus down"),
    ("Super+Shift+Left", "move left"),
    ("Super+Shift+Right", "move right"),
    ("Super+Shift+Up", "move up"),
    ("Super+Shift+Down", "move down"),
    ("Super+Ctrl+Shift+Left", "swap left"),
    ("Super+Ctrl+Shift+Right", "swap right"),
    ("Super+Ctrl+Shift+Up", "swap up"),
    ("Super+Ctrl+Shift+Down", "swap down"),
    ("Super+Alt+Right", "resize wider"),
    ("Super+Alt+Left", "resize narrower"),
    ("Super+Alt+Down", "resize taller"),
    ("Super+Alt+Up", "resize shorter"),
    ("Super+Left", "snap left"),
    ("Super+Right", "snap right"),
    ("Super+y", "snap top-left"),
    ("Super+u", "snap top-right"),
    ("Super+b", "snap bottom-left"),
    ("Super+n", "snap bottom-right"),
    ("Super+o", "focus-output next"),
    ("Super+Shift+o", "move-to-output next"),
    ("Super+Ctrl+o", "move-workspace-to-output next"),
    ("Super+s", "stack"),
    ("Super+Shift+s", "unstack"),
    ("Super+Page_Down", "next-in-stack"),
    ("Super+Page_Up", "previous-in-stack"),
    ("Super+Escape", "dismiss"),
    ("Super+l", "lock"),
    ("Super+plus", "zoom in"),
    ("Super+equal", "zoom in"),
    ("Super+Shift+equal", "zoom in"),
    ("Super+KP_Add", "zoom in"),
    ("Super+minus", "zoom out"),
    ("Super+KP_Subtract", "zoom out"),
    ("Super+0", "zoom off"),
    ("Print", "screenshot"),
    ("Super+Shift+r", "shell record"),
    ("Super+i", "shell controls"),
    ("XF86AudioRaiseVolume", "shell volume-up"),
    ("XF86AudioLowerVolume", "shell volume-down"),
    ("XF86AudioMute", "shell volume-mute"),
    ("XF86MonBrightnessUp", "shell brightness-up"),
    ("XF86MonBrightnessDown", "shell brightness-down"),
    ("XF86PowerOff", "shell power"),
    ("Ctrl+Alt+Delete", "shell power"),
];

/// Every binding in force.
#[derive(Debug, Clone)]
pub struct Bindings(Vec<(Trigger, Action)>);

impl Bindings {
    /// The built-in bindings with `overrides` laid over them. What cannot be read is left out and
    /// returned.
    pub fn new<'a>(overrides: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, Vec<Error>) {
        let numbers = (1..=9).flat_map(|n| {
            [
                (format!("Super+{n}"), format!("workspace {n}")),
                (format!("Super+Shift+{n}"), format!("move-to-workspace {n}")),
            ]
        });
        let mut table: Vec<(Trigger, Action)> = Vec::new();
        let mut errors = Vec::new();
        let mut set =
            |keys: &str, action: &str| match (keys.parse::<Trigger>(), action.parse::<Action>()) {
                (Ok(trigger), Ok(action)) => {
                    table.retain(|(other, _)| *other != trigger);
                    table.push((trigger, action));
                }
                (Err(error), _) | (_, Err(error)) => errors.push(error),
            };
        for (keys, action) in BUILT_IN {
            set(keys, action);
        }
        for (keys, action) in numbers {
            set(&keys, &action);
        }
        for (keys, action) in overrides {
            set(keys, action);
        }
        table.retain(|(_, action)| *action != Action::None);
        (Self(table), errors)
    }

    /// What pressing `key` with these modifiers does. `key` is the symbol without Shift.
    pub fn press(&self, modifiers: &ModifiersState, key: Keysym) -> Option<&Action> {
        self.find(Trigger::Press(modifiers.into(), lower(key)))
    }

    /// What tapping `key` alone does.
    pub fn tap(&self, key: Keysym) -> Option<&Action> {
        self.find(Trigger::Tap(if key == Keysym::Super_R {
            Keysym::Super_L
        } else {
            key
        }))
    }

    fn find(&self, trigger: Trigger) -> Option<&Action> {
        self.0
            .iter()
            .find(|(other, _)| *other == trigger)
            .map(|(_, action)| action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logo() -> ModifiersState {
        ModifiersState {
            logo: true,
            ..ModifiersState::default()
        }
    }

    #[test]
    fn built_in_bindings_parse_and_can_be_replaced() {
        let (bindings, errors) = Bindings::new([]);
        assert_eq!(errors, []);
        for (keys, _) in BUILT_IN {
            let count = BUILT_IN.iter().filter(|(other, _)| other == keys).count();
            assert_eq!(count, 1, "{keys} is bound twice");
        }
        assert_eq!(bindings.press(&logo(), Keysym::q), Some(&Action::Close));
        assert_eq!(
            bindings.press(&logo(), Keysym::_3),
            Some(&Action::Workspace(3))
        );
        assert_eq!(
            bindings.tap(Keysym::Super_R),
            Some(&Action::Shell("launcher".into()))
        );
        assert_eq!(bindings.press(&ModifiersState::default(), Keysym::q), None);

        let (bindings, errors) =
            Bindings::new([("super+Q", "none"), ("Super", "spawn foot -e top")]);
        assert_eq!(errors, []);
        assert_eq!(bindings.press(&logo(), Keysym::Q), None);
        let spawn = Action::Spawn(vec!["foot".into(), "-e".into(), "top".into()]);
        assert_eq!(bindings.tap(Keysym::Super_L), Some(&spawn));
    }

    #[test]
    fn mistakes_are_named_and_cost_only_themselves() {
        let (bindings, errors) = Bindings::new([
            ("Super+Retrun", "close"),
            ("Ctrl+Shift", "close"),
            ("a+b", "close"),
            ("Super+x", "explode"),
            ("Super+x", "workspace 12"),
            ("Super+x", "focus sideways"),
            ("Super+x", "resize"),
            ("Super+x", "move next"),
        ]);
        assert_eq!(errors.len(), 8);
        assert!(errors[0].to_string().contains("Retrun"), "{}", errors[0]);
        assert!(errors[3].to_string().contains("explode"), "{}", errors[3]);
        assert_eq!(bindings.press(&logo(), Keysym::q), Some(&Action::Close));
    }

    #[test]
    fn built_in_bindings_are_documented() {
        let page = argos_docs::page("docs/desktop.md").text;
        for (keys, action) in BUILT_IN {
            let row = page
                .lines()
                .find(|line| line.starts_with('|') && line.contains(&format!("`{keys}`")));
            assert!(
                row.is_some_and(|row| row.contains(&format!("`{action}`"))),
                "docs/desktop.md: no row with `{keys}` and `{action}`"
            );
        }
    }
}
