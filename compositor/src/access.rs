//! Keys for hands that cannot hold several at once, that tremble, or that reach no mouse.
//!
//! What a keyboard sends goes through this before it is anything else to the compositor, in this order:
//!
//! | filter | does |
//! |---|---|
//! | bounce keys | a key that comes again right after it was let go of is not pressed |
//! | slow keys | a key is pressed once it was held for a while |
//! | five taps of Shift | switch sticky keys on and off |
//! | sticky keys ([`Sticky`]) | a tap of a modifier holds it for the next key |
//! | mouse keys | the keypad moves the pointer ([`crate::mouse_keys`]) |
//!
//! A filter that keeps a press back keeps its release back too. While all are off, a key costs the looking
//! whether they are. Virtual keyboards are programs' and go by.

use std::time::Duration;

use smithay::{
    backend::input::KeyState,
    input::keyboard::{Keycode, Keysym},
    reexports::calloop::{
        RegistrationToken,
        timer::{TimeoutAction, Timer},
    },
};

use crate::{notice::Topic, state::State};

/// So many taps of Shift switch sticky keys on and off.
const TAPS: u32 = 5;
/// Between two of them there is no more than this, in milliseconds.
const BETWEEN_TAPS: u32 = 2000;

/// A key that does nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modifier {
    Shift,
    Ctrl,
    Alt,
    AltGr,
    Super,
}

impl Modifier {
    fn of(key: Keysym) -> Option<Self> {
        Some(match key {
            Keysym::Shift_L | Keysym::Shift_R => Self::Shift,
            Keysym::Control_L | Keysym::Control_R => Self::Ctrl,
            Keysym::Alt_L | Keysym::Alt_R | Keysym::Meta_L | Keysym::Meta_R => Self::Alt,
            Keysym::ISO_Level3_Shift => Self::AltGr,
            Keysym::Super_L | Keysym::Super_R => Self::Super,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Shift => "Shift",
            Self::Ctrl => "Ctrl",
            Self::Alt => "Alt",
            Self::AltGr => "AltGr",
            Self::Super => "Super",
        }
    }
}

/// A modifier that nobody holds and that is held all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    code: Keycode,
    modifier: Modifier,
    /// Until it is tapped again, and not only for the next key.
    locked: bool,
}

/// Sticky keys: the release of a modifier that was tapped alone is kept back.
///
/// | a modifier | a tap of it | then |
/// |---|---|---|
/// | is free | its release is kept back | it is latched |
/// | is latched | is kept back | it is locked |
/// | is locked | its release is passed on | it is free |
///
/// The next other key has the latched modifiers; with its release, or with a second key before that, they
/// are let go of. A modifier that is held while another key is pressed is as ever.
#[derive(Debug, Default)]
struct Sticky {
    held: Vec<Held>,
    /// Modifiers that somebody holds down.
    down: Vec<Keycode>,
    /// The modifier among them that was pressed last, while nothing else was.
    alone: Option<Keycode>,
    /// The key that has the latched modifiers.
    user: Option<Keycode>,
}

impl Sticky {
    /// What becomes of a key: what is pressed (`true`) and let go of instead.
    fn key(
        &mut self,
        code: Keycode,
        modifier: Option<Modifier>,
        pressed: bool,
    ) -> Vec<(Keycode, bool)> {
        let Some(modifier) = modifier else {
            return self.other(code, pressed);
        };
        let held = self.held.iter().position(|held| held.code == code);
        if pressed {
            self.alone = Some(code);
            if !self.down.contains(&code) {
                self.down.push(code);
            }
            return match held {
                Some(_) => Vec::new(),
                None => vec![(code, true)],
            };
        }
        self.down.retain(|down| *down != code);
        let tapped = self.alone.take() == Some(code);
        match held {
            Some(index) if tapped && !self.held[index].locked => {
                self.held[index].locked = true;
                Vec::new()
            }
            None if tapped => {
                self.held.push(Held {
                    code,
                    modifier,
                    locked: false,
                });
                Vec::new()
            }
            held => {
                if let Some(index) = held {
                    self.held.remove(index);
                }
                vec![(code, false)]
            }
        }
    }

    fn other(&mut self, code: Keycode, pressed: bool) -> Vec<(Keycode, bool)> {
        self.alone = None;
        let mut out = Vec::new();
        if pressed {
            if self.user.take().is_some() {
                out = self.let_go();
            }
            if self.held.iter().any(|held| !held.locked) {
                self.user = Some(code);
            }
            out.push((code, true));
        } else {
            out.push((code, false));
            if self.user == Some(code) {
                self.user = None;
                out.extend(self.let_go());
            }
        }
        out
    }

    /// Something else had the latched modifiers, as a click.
    fn used(&mut self) -> Vec<(Keycode, bool)> {
        self.alone = None;
        if self.user.is_some() {
            return Vec::new();
        }
        self.let_go()
    }

    /// The latched ones are let go of, but for those that somebody holds again.
    fn let_go(&mut self) -> Vec<(Keycode, bool)> {
        let down = &self.down;
        let mut out = Vec::new();
        self.held.retain(|held| {
            let stays = held.locked || down.contains(&held.code);
            if !stays {
                out.push((held.code, false));
            }
            stays
        });
        out
    }

    /// All are let go of.
    fn end(&mut self) -> Vec<(Keycode, bool)> {
        let Self { held, down, .. } = std::mem::take(self);
        let free = held.into_iter().filter(|held| !down.contains(&held.code));
        free.map(|held| (held.code, false)).collect()
    }

    /// What is held, in words.
    fn words(&self) -> Option<String> {
        let words: Vec<_> = self
            .held
            .iter()
            .map(|held| {
                let until = if held.locked { " (locked)" } else { "" };
                format!("{}{until}", held.modifier.name())
            })
            .collect();
        (!words.is_empty()).then(|| words.join(" + "))
    }
}

/// Counts taps of Shift.
#[derive(Debug, Default)]
struct Taps {
    count: u32,
    last: u32,
    pressed: bool,
}

impl Taps {
    /// Whether this was the last of as many taps as it takes.
    fn key(&mut self, shift: bool, pressed: bool, time: u32) -> bool {
        if !shift {
            // Any other key that is pressed meanwhile is typed.
            if pressed {
                *self = Self::default();
            }
            return false;
        }
        if pressed {
            if time.wrapping_sub(self.last) > BETWEEN_TAPS {
                self.count = 0;
            }
            self.pressed = true;
            self.last = time;
            return false;
        }
        if std::mem::take(&mut self.pressed) {
            self.count += 1;
        }
        let enough = self.count == TAPS;
        if enough {
            *self = Self::default();
        }
        enough
    }
}

/// See the module's page.
#[derive(Debug, Default)]
pub(crate) struct Access {
    sticky: Sticky,
    /// What taps of Shift said last: until the settings say something else.
    by_taps: Option<bool>,
    taps: Taps,
    /// Keys that were let go of lately, and when.
    bounced: Vec<(Keycode, u32)>,
    /// A key that was not held for long enough yet.
    slow: Option<(Keycode, RegistrationToken)>,
    /// Keys whose press was kept back.
    kept: Vec<Keycode>,
}

impl State {
    /// Whether a tap of a modifier holds it.
    pub fn sticky_keys(&self) -> bool {
        let set = self.config.accessibility.sticky_keys;
        self.access.by_taps.unwrap_or(set)
    }

    /// The modifiers that are held though nobody holds them, in words.
    pub fn held_modifiers(&self) -> Option<String> {
        self.access.sticky.words()
    }

    /// The settings changed.
    pub(crate) fn reset_access(&mut self) {
        self.access.by_taps = None;
        if let Some((_, timer)) = self.access.slow.take() {
            self.handle.remove(timer);
        }
        self.access.bounced.clear();
        if !self.sticky_keys() {
            self.release_modifiers();
        }
        self.mouse_keys_end();
    }

    /// Takes a key of a keyboard through the filters.
    pub(crate) fn filter_access(&mut self, code: Keycode, state: KeyState, time: u32) {
        let settings = self.config.accessibility;
        let pressed = state == KeyState::Pressed;
        if !pressed && let Some(index) = self.access.kept.iter().position(|kept| *kept == code) {
            self.access.kept.swap_remove(index);
            return;
        }
        if settings.bounce_keys > 0 {
            let limit = settings.bounce_keys;
            let bounced = &mut self.access.bounced;
            bounced.retain(|(_, at)| time.wrapping_sub(*at) < limit);
            if pressed && bounced.iter().any(|(other, _)| *other == code) {
                self.access.kept.push(code);
                return;
            }
            if !pressed {
                bounced.push((code, time));
            }
        }
        if settings.slow_keys > 0 {
            self.key_slowly(code, state, time, settings.slow_keys);
        } else {
            self.filter_modifiers(code, state, time);
        }
    }

    /// A key that is let go of before its time is up was not pressed; nor was one during which another is.
    fn key_slowly(&mut self, code: Keycode, state: KeyState, time: u32, limit: u32) {
        let pressed = state == KeyState::Pressed;
        let waiting = self.access.slow.as_ref().map(|(waiting, _)| *waiting);
        if (pressed || waiting == Some(code))
            && let Some((waiting, timer)) = self.access.slow.take()
        {
            self.handle.remove(timer);
            if waiting != code {
                self.access.kept.push(waiting);
            }
        }
        if !pressed {
            if waiting != Some(code) {
                self.filter_modifiers(code, state, time);
            }
            return;
        }
        let timer = Timer::from_duration(Duration::from_millis(u64::from(limit)));
        let added = self.handle.insert_source(timer, move |_, (), state| {
            state.access.slow = None;
            state.filter_modifiers(code, KeyState::Pressed, time.wrapping_add(limit));
            TimeoutAction::Drop
        });
        match added {
            Ok(timer) => self.access.slow = Some((code, timer)),
            Err(_) => self.filter_modifiers(code, state, time),
        }
    }

    fn filter_modifiers(&mut self, code: Keycode, state: KeyState, time: u32) {
        let settings = self.config.accessibility;
        let pressed = state == KeyState::Pressed;
        let sticky = self.sticky_keys();
        if !sticky && !settings.sticky_keys_shortcut {
            return self.filter_mouse_keys(code, state, time);
        }
        let keyboard = self.keyboard.clone();
        let key = keyboard.with_xkb_state(self, |context| {
            let Ok(xkb) = context.xkb().lock() else {
                return Keysym::NoSymbol;
            };
            let keys = xkb.raw_syms_for_key_in_layout(code, xkb.active_layout());
            keys.first().copied().unwrap_or(Keysym::NoSymbol)
        });
        let modifier = Modifier::of(key);
        let shift = modifier == Some(Modifier::Shift);
        let tapped = self.access.taps.key(shift, pressed, time);
        if sticky {
            let out = self.access.sticky.key(code, modifier, pressed);
            if out.is_empty() {
                // It is for the next key, so it is no tap that means something by itself.
                self.tap = None;
            }
            self.pass(out, time);
        } else {
            self.filter_mouse_keys(code, state, time);
        }
        if tapped && settings.sticky_keys_shortcut {
            self.toggle_sticky_keys();
        }
    }

    fn pass(&mut self, keys: Vec<(Keycode, bool)>, time: u32) {
        for (code, pressed) in keys {
            let state = if pressed {
                KeyState::Pressed
            } else {
                KeyState::Released
            };
            self.filter_mouse_keys(code, state, time);
        }
        self.show_held();
    }

    fn toggle_sticky_keys(&mut self) {
        let on = !self.sticky_keys();
        self.access.by_taps = Some(on);
        let text = if on {
            "Sticky keys are on: a tap of Shift, Ctrl, Alt or Super holds it for the next key, two hold it until \
             the third.\nFive taps of Shift switch them off again; with `accessibility: {sticky-keys-shortcut: \
             false}` in compositor.yaml they do nothing."
        } else {
            self.release_modifiers();
            "Sticky keys are off.\nFive taps of Shift switch them on again."
        };
        self.show_notice(Topic::StickyKeys, Some(text.to_owned()));
    }

    /// A button of the mouse was let go of: what was latched was for it.
    pub(crate) fn modifiers_used(&mut self, time: u32) {
        if !self.access.sticky.held.is_empty() {
            let out = self.access.sticky.used();
            self.pass(out, time);
        }
    }

    /// Whatever sticky keys hold is let go of.
    pub(crate) fn release_modifiers(&mut self) {
        let out = self.access.sticky.end();
        if !out.is_empty() {
            let time = self.now().as_millis() as u32;
            self.tap = None;
            self.pass(out, time);
        }
    }

    fn show_held(&mut self) {
        let words = self.access.sticky.words();
        self.show_badge(words);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIFT: u32 = 50;
    const CTRL: u32 = 37;
    const A: u32 = 38;
    const B: u32 = 56;

    fn press(sticky: &mut Sticky, code: u32, pressed: bool) -> Vec<(u32, bool)> {
        let modifier = match code {
            SHIFT => Some(Modifier::Shift),
            CTRL => Some(Modifier::Ctrl),
            _ => None,
        };
        let out = sticky.key(Keycode::new(code), modifier, pressed);
        out.into_iter()
            .map(|(code, pressed)| (code.raw(), pressed))
            .collect()
    }

    /// A press and a release.
    fn tap(sticky: &mut Sticky, code: u32) -> Vec<(u32, bool)> {
        let mut out = press(sticky, code, true);
        out.extend(press(sticky, code, false));
        out
    }

    #[test]
    fn a_tap_is_for_the_next_key_and_two_are_for_all() {
        let s = &mut Sticky::default();
        assert_eq!(tap(s, SHIFT), [(SHIFT, true)]);
        assert_eq!(tap(s, CTRL), [(CTRL, true)]);
        assert_eq!(s.words().unwrap(), "Shift + Ctrl");
        let all = [(A, true), (A, false), (SHIFT, false), (CTRL, false)];
        assert_eq!(tap(s, A), all);
        assert_eq!(tap(s, A), [(A, true), (A, false)]);

        tap(s, SHIFT);
        assert_eq!(tap(s, SHIFT), []);
        assert_eq!(s.words().unwrap(), "Shift (locked)");
        assert_eq!(tap(s, A), [(A, true), (A, false)]);
        assert_eq!(tap(s, SHIFT), [(SHIFT, false)]);
        assert_eq!(s.words(), None);
    }

    #[test]
    fn a_modifier_that_is_held_is_as_ever() {
        let s = &mut Sticky::default();
        assert_eq!(press(s, SHIFT, true), [(SHIFT, true)]);
        assert_eq!(tap(s, A), [(A, true), (A, false)]);
        assert_eq!(press(s, SHIFT, false), [(SHIFT, false)]);
        assert_eq!(s.words(), None);
    }

    #[test]
    fn the_second_of_two_fast_keys_has_it_no_more() {
        let s = &mut Sticky::default();
        tap(s, SHIFT);
        assert_eq!(press(s, A, true), [(A, true)]);
        assert_eq!(press(s, B, true), [(SHIFT, false), (B, true)]);
        assert_eq!(press(s, A, false), [(A, false)]);
        assert_eq!(press(s, B, false), [(B, false)]);
        tap(s, CTRL);
        let used: Vec<_> = s.used();
        assert_eq!(used, [(Keycode::new(CTRL), false)]);
        tap(s, CTRL);
        assert_eq!(s.end(), [(Keycode::new(CTRL), false)]);
    }

    #[test]
    fn five_taps_and_nothing_between_them() {
        let mut taps = Taps::default();
        let mut time = 0;
        let mut tap = |taps: &mut Taps, shift, wait| {
            time += wait;
            taps.key(shift, true, time) || taps.key(shift, false, time + 1)
        };
        for _ in 0..4 {
            assert!(!tap(&mut taps, true, 100));
        }
        assert!(tap(&mut taps, true, 100));
        assert!(!tap(&mut taps, true, 100), "it begins anew");
        for _ in 0..4 {
            assert!(!tap(&mut taps, true, 100));
            assert!(!tap(&mut taps, false, 100), "Shift is typed with");
        }
        for _ in 0..3 {
            tap(&mut taps, true, 100);
        }
        assert!(!tap(&mut taps, true, BETWEEN_TAPS + 1));
        assert!(!tap(&mut taps, true, 100));
        for _ in 0..2 {
            assert!(!tap(&mut taps, true, 100));
        }
        assert!(tap(&mut taps, true, 100));
    }

    proptest! {
        /// Whatever is typed: nothing is pressed twice or let go of twice, and once all keys are up and
        /// sticky keys are off, nothing is pressed any more.
        #[test]
        fn every_press_has_its_release(keys in proptest::collection::vec(0..4_usize, 0..60)) {
            let mut sticky = Sticky::default();
            let mut physical = [false; 4];
            let mut logical = std::collections::HashSet::new();
            let codes = [SHIFT, CTRL, A, B];
            let mut follow = |out: Vec<(u32, bool)>| {
                for (code, pressed) in out {
                    let news = if pressed { logical.insert(code) } else { logical.remove(&code) };
                    assert!(news, "{code} {pressed}");
                }
                logical.len()
            };
            for key in keys {
                physical[key] = !physical[key];
                follow(press(&mut sticky, codes[key], physical[key]));
            }
            for (code, down) in codes.into_iter().zip(physical) {
                if down {
                    follow(press(&mut sticky, code, false));
                }
            }
            let end = sticky.end().into_iter().map(|(code, pressed)| (code.raw(), pressed));
            prop_assert_eq!(follow(end.collect()), 0);
        }
    }
}
