//! Mouse keys: with Num Lock off, the keypad is a mouse.
//!
//! | keys of the keypad | do |
//! |---|---|
//! | `1` to `4`, `6` to `9` | move the pointer, faster the longer they are held |
//! | `5` | clicks |
//! | `+` | clicks twice |
//! | `0`, `.` | hold the button down, let it go |
//! | `/`, `*`, `-` | choose the left, the middle, the right button |

use std::time::{Duration, Instant};

use smithay::{
    backend::input::{ButtonState, KeyState},
    input::{keyboard::Keycode, pointer::RelativeMotionEvent},
    reexports::calloop::{
        RegistrationToken,
        timer::{TimeoutAction, Timer},
    },
    utils::{Logical, Point},
};

use crate::{
    input::{LEFT, MIDDLE, RIGHT},
    state::State,
};

/// Time between two steps of the pointer.
const STEP: Duration = Duration::from_millis(16);
/// Logical pixels a second, at first and at last.
const SPEED: (f64, f64) = (60.0, 1000.0);
/// How long it becomes faster.
const SPEEDS_UP: Duration = Duration::from_millis(1500);
/// xkb's codes are Linux's plus this.
const XKB: u32 = 8;

/// What a key of the keypad does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pad {
    Move(f64, f64),
    Click,
    DoubleClick,
    Hold,
    LetGo,
    Choose(u32),
}

impl Pad {
    /// By Linux's code.
    fn of(code: u32) -> Option<Self> {
        // A step aslant is as long as one along.
        const ASLANT: f64 = std::f64::consts::FRAC_1_SQRT_2;
        Some(match code {
            71 => Self::Move(-ASLANT, -ASLANT),
            72 => Self::Move(0.0, -1.0),
            73 => Self::Move(ASLANT, -ASLANT),
            75 => Self::Move(-1.0, 0.0),
            77 => Self::Move(1.0, 0.0),
            79 => Self::Move(-ASLANT, ASLANT),
            80 => Self::Move(0.0, 1.0),
            81 => Self::Move(ASLANT, ASLANT),
            76 => Self::Click,
            78 => Self::DoubleClick,
            82 => Self::Hold,
            83 => Self::LetGo,
            98 => Self::Choose(LEFT),
            55 => Self::Choose(MIDDLE),
            74 => Self::Choose(RIGHT),
            _ => return None,
        })
    }
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct MouseKeys {
    /// Keys whose press was a mouse's.
    taken: Vec<Keycode>,
    /// Those of them that move the pointer, and where.
    moving: Vec<(Keycode, Point<f64, Logical>)>,
    since: Instant,
    timer: Option<RegistrationToken>,
    button: u32,
    /// The button that is held down.
    holds: Option<u32>,
}

impl Default for MouseKeys {
    fn default() -> Self {
        Self {
            taken: Vec::new(),
            moving: Vec::new(),
            since: Instant::now(),
            timer: None,
            button: LEFT,
            holds: None,
        }
    }
}

impl State {
    /// Takes a key for the mouse's, or has it typed.
    pub(crate) fn filter_mouse_keys(&mut self, code: Keycode, state: KeyState, time: u32) {
        if state == KeyState::Released {
            let taken = &mut self.mouse_keys.taken;
            let Some(index) = taken.iter().position(|taken| *taken == code) else {
                return self.key_typed(code, state, time);
            };
            taken.swap_remove(index);
            self.mouse_keys.moving.retain(|(other, _)| *other != code);
            return;
        }
        let on = self.config.accessibility.mouse_keys && !self.keyboard.modifier_state().num_lock;
        let pad = on.then(|| Pad::of(code.raw().wrapping_sub(XKB))).flatten();
        let Some(pad) = pad else {
            return self.key_typed(code, state, time);
        };
        self.mouse_keys.taken.push(code);
        let button = self.mouse_keys.button;
        match pad {
            Pad::Move(x, y) => self.mouse_keys_move(code, Point::from((x, y))),
            Pad::Click => self.click_by_key(button, time),
            Pad::DoubleClick => {
                self.click_by_key(button, time);
                self.click_by_key(button, time);
            }
            Pad::Hold => {
                if self.mouse_keys.holds.is_none() {
                    self.mouse_keys.holds = Some(button);
                    self.button(button, ButtonState::Pressed, time);
                }
            }
            Pad::LetGo => self.let_go_by_key(time),
            Pad::Choose(button) => self.mouse_keys.button = button,
        }
    }

    fn click_by_key(&mut self, button: u32, time: u32) {
        self.let_go_by_key(time);
        self.button(button, ButtonState::Pressed, time);
        self.button(button, ButtonState::Released, time);
    }

    fn let_go_by_key(&mut self, time: u32) {
        if let Some(button) = self.mouse_keys.holds.take() {
            self.button(button, ButtonState::Released, time);
        }
    }

    /// Mouse keys may be off from now on.
    pub(crate) fn mouse_keys_end(&mut self) {
        if !self.config.accessibility.mouse_keys {
            self.mouse_keys.moving.clear();
            let time = self.now().as_millis() as u32;
            self.let_go_by_key(time);
        }
    }

    fn mouse_keys_move(&mut self, code: Keycode, towards: Point<f64, Logical>) {
        if self.mouse_keys.moving.is_empty() {
            self.mouse_keys.since = Instant::now();
        }
        self.mouse_keys.moving.push((code, towards));
        self.nudge_pointer(towards);
        if self.mouse_keys.timer.is_some() {
            return;
        }
        let timer = Timer::from_duration(STEP);
        let added = self.handle.insert_source(timer, |_, (), state| {
            let keys = &mut state.mouse_keys;
            if keys.moving.is_empty() {
                keys.timer = None;
                return TimeoutAction::Drop;
            }
            let held = keys.since.elapsed().as_secs_f64() / SPEEDS_UP.as_secs_f64();
            let speed = SPEED.0 + (SPEED.1 - SPEED.0) * held.min(1.0).powi(2);
            let step = speed * STEP.as_secs_f64();
            let towards = keys
                .moving
                .iter()
                .fold(Point::default(), |sum, (_, towards)| sum + *towards);
            state.nudge_pointer(Point::from((towards.x * step, towards.y * step)));
            TimeoutAction::ToDuration(STEP)
        });
        self.mouse_keys.timer = added.ok();
    }

    fn nudge_pointer(&mut self, delta: Point<f64, Logical>) {
        let now = self.now();
        let relative = RelativeMotionEvent {
            delta,
            delta_unaccel: delta,
            utime: now.as_micros() as u64,
        };
        let to = self.clamp_to_outputs(self.pointer_at + delta);
        self.move_pointer(to, Some(relative), now.as_millis() as u32);
    }
}
