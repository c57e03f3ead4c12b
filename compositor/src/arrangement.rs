//! Outputs as the settings want them: mode, scale, turn and place. Changes of these on trial.
//!
//! # A trial
//!
//! A mode that a display takes and does not show leaves a person without a screen to take it back on. So a change
//! that is asked for on the bus is on trial: what was before comes back by itself after a while, unless somebody
//! says that it is to be kept. Who asked may be gone meanwhile, the shell crashed, the screen dark: the compositor
//! alone takes it back. While something is on trial, the settings in force say so; when their file is read again,
//! what it says goes before a trial.

use std::{collections::BTreeMap, fmt, time::Duration};

use argos_bus::compositor::OutputWish;
use serde::Deserialize;
use smithay::{
    output::{Mode, Output},
    reexports::calloop::{
        RegistrationToken,
        timer::{TimeoutAction, Timer},
    },
    utils::{Logical, Point, Transform},
};

use crate::{
    config,
    error::Error,
    layout::Rect,
    outputs::{Settings, geometry},
    state::State,
};

/// Of two refresh rates that are called by one number, in frames of 1000 seconds: 60 Hz are often 59.94.
const SAME_RATE: i32 = 500;

/// A mode as the settings name it: `1920x1080`, `1920x1080@59.94`, or nothing for the display's choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WantedMode(Option<Named>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named {
    size: (i32, i32),
    /// Frames in 1000 seconds.
    refresh: Option<i32>,
}

impl TryFrom<String> for WantedMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let bad = || {
            format!(
                "`{text}` is not a mode; write it as `1920x1080`, or `1920x1080@59.94` with its frames a second"
            )
        };
        let (size, rate) = match text.split_once('@') {
            Some((size, rate)) => (size, Some(rate)),
            None => (text.as_str(), None),
        };
        let side = |digits: &str| {
            let length = digits.trim().parse::<u16>().ok().filter(|side| *side > 0);
            length.map(i32::from).ok_or_else(bad)
        };
        let (width, height) = size.split_once('x').ok_or_else(bad)?;
        let size = (side(width)?, side(height)?);
        let refresh = rate
            .map(|rate| {
                let hertz = rate.trim().parse::<f64>().ok();
                let hertz = hertz.filter(|hertz| (1.0..=1000.0).contains(hertz));
                hertz
                    .map(|hertz| (hertz * 1000.0).round() as i32)
                    .ok_or_else(bad)
            })
            .transpose()?;
        Ok(Self(Some(Named { size, refresh })))
    }
}

impl fmt::Display for WantedMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Named { size, refresh }) = self.0 else {
            return Ok(());
        };
        write!(f, "{}x{}", size.0, size.1)?;
        match refresh {
            Some(refresh) => write!(f, "@{}", f64::from(refresh) / 1000.0),
            None => Ok(()),
        }
    }
}

impl WantedMode {
    /// Whether it is the display's choice.
    pub(crate) fn is_any(self) -> bool {
        self.0.is_none()
    }

    /// The one of a display's modes that is meant: of that size the first, or the one with the nearest rate.
    pub(crate) fn pick<T>(
        self,
        modes: impl IntoIterator<Item = T>,
        of: impl Fn(&T) -> Mode,
    ) -> Option<T> {
        let Named { size, refresh } = self.0?;
        let mut same = modes
            .into_iter()
            .filter(|mode| of(mode).size == size.into());
        let Some(wanted) = refresh else {
            return same.next();
        };
        let off = |mode: &T| (of(mode).refresh - wanted).abs();
        same.filter(|mode| off(mode) <= SAME_RATE).min_by_key(off)
    }
}

/// How a display hangs, by the names of [`argos_bus::compositor::Output::transform`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Turn(pub Transform);

impl Default for Turn {
    fn default() -> Self {
        Self(Transform::Normal)
    }
}

const TURNS: [(&str, Transform); 8] = [
    ("normal", Transform::Normal),
    ("90", Transform::_90),
    ("180", Transform::_180),
    ("270", Transform::_270),
    ("flipped", Transform::Flipped),
    ("flipped-90", Transform::Flipped90),
    ("flipped-180", Transform::Flipped180),
    ("flipped-270", Transform::Flipped270),
];

impl TryFrom<String> for Turn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wanted = if text.is_empty() {
            "normal"
        } else {
            text.as_str()
        };
        let found = TURNS.into_iter().find(|(name, _)| *name == wanted);
        found.map(|(_, transform)| Self(transform)).ok_or_else(|| {
            let names = TURNS.map(|(name, _)| name).join(", ");
            format!("`{text}` is not a turn of a screen; there are: {names}")
        })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = TURNS
            .into_iter()
            .find(|(_, transform)| *transform == self.0);
        f.write_str(named.map_or("normal", |(name, _)| name))
    }
}

/// Where an output is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Spot {
    /// Right of those that came before it.
    #[default]
    Beside,
    /// Its upper left corner in the space that all share, in logical pixels.
    At(i32, i32),
    /// At a side of another one.
    Of(Side, String),
}

/// A side of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
    Above,
    Below,
}

const SIDES: [(&str, Side); 4] = [
    ("left-of", Side::Left),
    ("right-of", Side::Right),
    ("above", Side::Above),
    ("below", Side::Below),
];

impl TryFrom<String> for Spot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words = text.trim();
        if words.is_empty() {
            return Ok(Self::Beside);
        }
        if let Some((word, name)) = words.split_once(' ')
            && let Some((_, side)) = SIDES.into_iter().find(|(side, _)| *side == word)
        {
            return Ok(Self::Of(side, name.trim().to_owned()));
        }
        let number = |text: &str| {
            let number = text.trim().parse::<i32>().ok();
            number.filter(|number| number.abs() <= FARTHEST)
        };
        let at = words.split_once(',');
        at.and_then(|(x, y)| Some(Self::At(number(x)?, number(y)?)))
            .ok_or_else(|| {
                format!("`{text}` is not a place of a screen; write it as `right-of eDP-1` (left-of, above, below) or `1920,0`")
            })
    }
}

/// The farthest place of an output from the origin, in logical pixels.
pub(crate) const FARTHEST: i32 = 1 << 16;

/// Where outputs of these sizes are that want to be there, by name; in the order in which they came.
pub(crate) fn places(wanted: &[(String, Rect, Spot)]) -> Vec<Point<i32, Logical>> {
    let mut placed: Vec<Option<Rect>> = vec![None; wanted.len()];
    // Where those that are placed already end.
    let mut right = 0;
    let put = |slot: &mut Option<Rect>, right: &mut i32, at: (i32, i32), rect: &Rect| {
        *right = (*right).max(at.0 + rect.size.w);
        *slot = Some(Rect::new(at.into(), rect.size));
    };
    for (slot, (_, rect, spot)) in placed.iter_mut().zip(wanted) {
        let at = match spot {
            Spot::Beside => (right, 0),
            Spot::At(x, y) => (*x, *y),
            Spot::Of(..) => continue,
        };
        put(slot, &mut right, at, rect);
    }
    // Each round places those that hang on one that is placed already.
    for _ in 0..wanted.len() {
        for at in 0..wanted.len() {
            let (_, rect, Spot::Of(side, other)) = &wanted[at] else {
                continue;
            };
            let anchor = wanted.iter().position(|(name, ..)| name == other);
            let Some(anchor) = anchor.and_then(|anchor| placed[anchor]) else {
                continue;
            };
            if placed[at].is_some() {
                continue;
            }
            let (x, y) = (anchor.loc.x, anchor.loc.y);
            let corner = match side {
                Side::Left => (x - rect.size.w, y),
                Side::Right => (x + anchor.size.w, y),
                Side::Above => (x, y - rect.size.h),
                Side::Below => (x, y + anchor.size.h),
            };
            put(&mut placed[at], &mut right, corner, rect);
        }
    }
    // What hangs on itself, or on one that is not there, stands beside the others.
    for (slot, (_, rect, _)) in placed.iter_mut().zip(wanted) {
        if slot.is_none() {
            let at = (right, 0);
            put(slot, &mut right, at, rect);
        }
    }
    let corners = placed.into_iter().flatten().map(|rect| rect.loc);
    let mut corners: Vec<Point<i32, Logical>> = corners.collect();
    // The space begins at its upper left corner, unless somebody counted otherwise.
    if !wanted.iter().any(|(.., spot)| matches!(spot, Spot::At(..))) {
        let first = |of: fn(&Point<i32, Logical>) -> i32| corners.iter().map(of).min().unwrap_or(0);
        let origin: Point<i32, Logical> = (first(|at| at.x), first(|at| at.y)).into();
        for corner in &mut corners {
            *corner -= origin;
        }
    }
    corners
}

/// A change of outputs that is taken back unless somebody keeps it.
#[derive(Debug)]
pub(crate) struct Trial {
    /// What the settings said of them before.
    before: BTreeMap<String, config::Output>,
    /// What they were.
    were: Vec<(Output, Option<Settings>)>,
    timer: RegistrationToken,
}

impl State {
    /// The modes of an output that is on; nothing if there is none of that name.
    pub fn modes_of(&self, name: &str) -> Option<Vec<argos_bus::compositor::OutputMode>> {
        let output = self.outputs.iter().find(|output| output.name() == name)?;
        let preferred = output.preferred_mode();
        let told = |mode: Mode| argos_bus::compositor::OutputMode {
            width: mode.size.w as u32,
            height: mode.size.h as u32,
            refresh: mode.refresh as u32,
            preferred: preferred == Some(mode),
        };
        Some(output.modes().into_iter().map(told).collect())
    }

    /// Sets outputs up otherwise for a while: until [`State::keep_outputs`] it is a trial. One that follows another
    /// goes on with it.
    ///
    /// # Errors
    /// What cannot be, in words; the outputs are as they were.
    pub fn try_outputs(
        &mut self,
        wishes: &[OutputWish],
        time: Duration,
    ) -> Result<(), argos_bus::Error> {
        use argos_bus::Error::{Failed, InvalidArguments, NotFound};
        let mut wanted = self.config.outputs.clone();
        for wish in wishes {
            let mut outputs = self.outputs.iter();
            let Some(output) = outputs.find(|output| output.name() == wish.name) else {
                return Err(NotFound(format!("there is no screen `{}`", wish.name)));
            };
            let settings = wanted.entry(wish.name.clone()).or_default();
            settings.mode = wish.mode.clone().try_into().map_err(InvalidArguments)?;
            settings.transform = wish
                .transform
                .clone()
                .try_into()
                .map_err(InvalidArguments)?;
            settings.place = wish.place.clone().try_into().map_err(InvalidArguments)?;
            let mode = settings.mode;
            if !mode.is_any() && mode.pick(output.modes(), |mode| *mode).is_none() {
                let text = format!("{} has no mode {mode}", wish.name);
                return Err(InvalidArguments(text));
            }
        }
        let timer = Timer::from_duration(time);
        let timer = self.handle.insert_source(timer, |_, (), state| {
            if let Some(trial) = state.trial.take() {
                tracing::info!("nobody kept what was tried with the outputs; it is taken back");
                state.go_back(trial);
            }
            TimeoutAction::Drop
        });
        let timer =
            timer.map_err(|error| Failed(format!("it could not be taken back: {error}")))?;
        let are = self.output_list().into_iter().filter_map(|output| {
            let settings = self.outputs.settings(&output)?;
            Some((output, Some(settings)))
        });
        let are: Vec<_> = are.collect();
        let now = std::mem::replace(&mut self.config.outputs, wanted);
        if let Err(error) = self.configure_outputs(&now) {
            self.handle.remove(timer);
            self.config.outputs = now;
            return Err(Failed(error.to_string()));
        }
        let (before, were) = match self.trial.take() {
            Some(earlier) => {
                self.handle.remove(earlier.timer);
                (earlier.before, earlier.were)
            }
            None => (now, are),
        };
        self.trial = Some(Trial {
            before,
            were,
            timer,
        });
        Ok(())
    }

    /// What is on trial is kept, until the settings are read again. Returns whether something is.
    pub fn keep_outputs(&mut self) -> bool {
        let Some(trial) = self.trial.take() else {
            return false;
        };
        self.handle.remove(trial.timer);
        self.follow_modes(&trial.before);
        true
    }

    /// What is on trial is taken back. Returns whether something is.
    pub fn take_back_outputs(&mut self) -> bool {
        let Some(trial) = self.trial.take() else {
            return false;
        };
        self.handle.remove(trial.timer);
        self.go_back(trial);
        true
    }

    fn go_back(&mut self, trial: Trial) {
        let Trial {
            before, mut were, ..
        } = trial;
        let tried = std::mem::replace(&mut self.config.outputs, before);
        // One may have gone meanwhile.
        were.retain(|(output, _)| self.outputs.index_of(output).is_some());
        if let Err(error) = self.set_up_outputs(&were) {
            tracing::error!("what was tried with the outputs stays: {error}");
        }
        self.follow_modes(&tried);
    }

    /// The settings say something else than `before`.
    ///
    /// # Errors
    /// What the back end cannot do; the outputs are as they were.
    pub(crate) fn reset_outputs(
        &mut self,
        before: &BTreeMap<String, config::Output>,
    ) -> Result<(), Error> {
        if let Some(trial) = self.trial.take() {
            self.handle.remove(trial.timer);
        }
        let done = self.configure_outputs(before);
        self.follow_modes(before);
        self.check_refresh();
        done
    }

    /// Sets up those outputs of which the settings say something else than `before`.
    fn configure_outputs(
        &mut self,
        before: &BTreeMap<String, config::Output>,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for output in self.output_list() {
            let name = output.name();
            let old = before.get(&name).cloned().unwrap_or_default();
            let new = self.config.output(&name);
            let Some(now) = self.outputs.settings(&output).filter(|_| old != new) else {
                continue;
            };
            // What a tool set stays, where the settings say of it what they said before.
            let changed = Settings {
                mode: if old.mode == new.mode {
                    now.mode
                } else {
                    mode_for(&output, new.mode, now.mode)
                },
                transform: if old.transform == new.transform {
                    now.transform
                } else {
                    new.transform.0
                },
                scale: if old.scale == new.scale {
                    now.scale
                } else {
                    new.scale
                },
                position: now.position.filter(|_| old.place == new.place),
                variable: now
                    .variable
                    .filter(|_| old.variable_refresh == new.variable_refresh),
            };
            wanted.push((output, Some(changed)));
        }
        self.set_up_outputs(&wanted)
    }

    /// Has the back end choose modes by the settings from now on, for displays that come, too.
    fn follow_modes(&mut self, before: &BTreeMap<String, config::Output>) {
        let outputs = &self.config.outputs;
        let modes = outputs
            .iter()
            .map(|(name, output)| (name.clone(), output.mode));
        let modes: BTreeMap<_, _> = modes.filter(|(_, mode)| !mode.is_any()).collect();
        let mode = |of: &BTreeMap<String, config::Output>, name: &str| {
            of.get(name).map(|output| output.mode).unwrap_or_default()
        };
        let others: Vec<_> = self
            .output_list()
            .into_iter()
            .filter(|output| mode(outputs, &output.name()) != mode(before, &output.name()))
            .collect();
        self.backend.follow_modes(modes, &others);
        self.backend.follow_leases(self.config.wanted_leases());
    }
}

/// The output's mode that is wanted; where it has none such, the one that it has.
fn mode_for(output: &Output, wanted: WantedMode, now: Mode) -> Mode {
    if wanted.is_any() {
        return output.preferred_mode().unwrap_or(now);
    }
    wanted
        .pick(output.modes(), |mode| *mode)
        .unwrap_or_else(|| {
            tracing::warn!(
                "outputs: {}: the display has no mode {wanted}; it keeps the one it has",
                output.name()
            );
            now
        })
}

impl State {
    /// Where each output is to be: where a tool put it, else where the settings do.
    pub(crate) fn output_places(&self) -> Vec<Point<i32, Logical>> {
        let wanted = |output: &Output| {
            let tool = self.outputs.settings(output).and_then(|it| it.position);
            let spot = match tool {
                Some(at) => Spot::At(at.x, at.y),
                None => self.config.output(&output.name()).place,
            };
            (output.name(), geometry(output), spot)
        };
        let wanted: Vec<_> = self.outputs.iter().map(wanted).collect();
        places(&wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: i32, height: i32, refresh: i32) -> Mode {
        Mode {
            size: (width, height).into(),
            refresh,
        }
    }

    fn wanted(text: &str) -> Result<WantedMode, String> {
        WantedMode::try_from(text.to_owned())
    }

    #[test]
    fn a_mode_is_picked_by_size_and_the_nearest_rate() {
        let modes = [
            mode(1920, 1080, 60_000),
            mode(1920, 1080, 59_940),
            mode(1920, 1080, 120_000),
            mode(1280, 800, 59_810),
        ];
        let pick = |text: &str| wanted(text).unwrap().pick(modes, |mode| *mode);
        assert_eq!(pick("1920x1080"), Some(modes[0]));
        assert_eq!(pick("1920x1080@59.94"), Some(modes[1]));
        assert_eq!(pick(" 1920 x 1080 @ 120 "), Some(modes[2]));
        assert_eq!(pick("1280x800@60"), Some(modes[3]));
        assert_eq!(pick("1920x1080@75"), None);
        assert_eq!(pick("640x480"), None);
        assert_eq!(pick(""), None);
        assert!(wanted("").unwrap().is_any());
        for wrong in [
            "1920",
            "1920x",
            "x1080",
            "-1x5",
            "1920x1080@",
            "1920x1080@0",
            "0x0",
            "big",
        ] {
            assert!(
                wanted(wrong).unwrap_err().contains("1920x1080@59.94"),
                "{wrong}"
            );
        }
        for text in ["1920x1080", "1920x1080@59.94", "1280x800@60"] {
            assert_eq!(wanted(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn turns_have_the_names_that_the_bus_has() {
        for (name, transform) in TURNS {
            let turn = Turn::try_from(name.to_owned()).unwrap();
            assert_eq!((turn.0, turn.to_string().as_str()), (transform, name));
        }
        assert_eq!(Turn::try_from(String::new()), Ok(Turn::default()));
        let wrong = Turn::try_from("45".to_owned()).unwrap_err();
        assert!(wrong.contains("flipped-270"), "{wrong}");
    }

    fn spot(text: &str) -> Spot {
        Spot::try_from(text.to_owned()).unwrap()
    }

    fn at(wanted: &[(&str, (i32, i32), &str)]) -> Vec<(i32, i32)> {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, size, place)| {
                let rect = Rect::from_size((*size).into());
                ((*name).to_owned(), rect, spot(place))
            })
            .collect();
        places(&wanted).into_iter().map(|at| (at.x, at.y)).collect()
    }

    #[test]
    fn outputs_are_where_they_are_wanted() {
        let (wide, high) = ((1920, 1080), (1080, 1920));
        assert_eq!(at(&[("a", wide, ""), ("b", high, "")]), [(0, 0), (1920, 0)]);
        assert_eq!(
            at(&[("a", wide, ""), ("b", high, "left-of a")]),
            [(1080, 0), (0, 0)]
        );
        assert_eq!(
            at(&[
                ("a", wide, "below b"),
                ("b", high, ""),
                ("c", wide, "right-of a")
            ]),
            [(0, 1920), (0, 0), (1920, 1920)]
        );
        assert_eq!(
            at(&[
                ("a", wide, "right-of b"),
                ("b", high, "above c"),
                ("c", wide, "")
            ]),
            [(1080, 0), (0, 0), (0, 1920)]
        );
        // Somebody counts from elsewhere.
        assert_eq!(
            at(&[("a", wide, "-100,50"), ("b", high, "")]),
            [(-100, 50), (1820, 0)]
        );
        // What hangs on nothing stands beside the others.
        assert_eq!(
            at(&[
                ("a", wide, "left-of b"),
                ("b", high, "left-of a"),
                ("c", wide, "above x")
            ]),
            [(0, 0), (1920, 0), (3000, 0)]
        );
        for wrong in ["left", "near a", "1", "1,b", "99999999,0"] {
            let why = Spot::try_from(wrong.to_owned()).unwrap_err();
            assert!(why.contains("right-of eDP-1"), "{why}");
        }
    }
}
