//! The lock screen: the time, whose session it is, a field for the password.
//!
//! What is typed is kept here and nowhere else: in one piece of memory that is cleared when it is
//! done with. The widgets only learn how many letters there are, so no font cache, no clipboard and
//! no text input has it.
//!
//! | stage | means | Enter |
//! |---|---|---|
//! | `Ready` | waits for the person | checks what is typed; nothing where a password is needed and none is typed |
//! | `Checking` | PAM is asked | nothing |
//! | `Waiting` | a wrong answer: a pause, longer each time | nothing |
//!
//! A check that could not be made is said, and is no answer: it stays locked, and Enter tries again.

use std::time::{Duration, Instant};

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{
    Alignment, Background, Border, Event, Gradient, Length, Padding, Radians, Size, SmolStr,
};
use iced_core::{border::Radius, gradient::Linear};
use iced_widget::{column, container, row, space};
use jiff::Zoned;
use zeroize::Zeroize;

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::pam::{Answer, Password, Verdict};
use crate::theme::{GAP, HUGE, Palette, ROUND, SMALL, TEXT, TEXT_CLOCK, TEXT_LARGE, TIGHT};
use crate::widgets::{self, Kind, SHADOW};
use crate::{l10n, tr};

/// Width of the card in logical pixels.
const WIDTH: f32 = 360.0;
/// Height of what is said beneath the field: two lines, so that nothing moves.
const SAID: f32 = 40.0;
/// The smallest screen on which all of it has room, in logical pixels.
pub const LEAST: Size = Size::new(460.0, 440.0);
/// The longest password in bytes: PAM takes no more.
const LONGEST: usize = 511;
/// More letters than these are shown as so many.
const MOST_DOTS: usize = 20;
/// The pause after the first wrong answer; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And no pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A check that takes longer is given up on; should its answer come after all, it counts.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// What is typed. Its memory is never moved and is cleared with it.
struct Secret(Password);

impl Default for Secret {
    fn default() -> Self {
        Self(Password::new(String::with_capacity(LONGEST)))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    fn letters(&self) -> usize {
        self.0.chars().count()
    }

    /// Returns whether it found room.
    fn push(&mut self, typed: &str) -> bool {
        let fits = self.0.len() + typed.len() <= LONGEST;
        if fits {
            self.0.push_str(typed);
        }
        fits
    }

    fn erase(&mut self) {
        let end = self.0.char_indices().last().map_or(0, |(at, _)| at);
        // What is cut off would stay in memory.
        let mut last = self.0.split_off(end);
        last.zeroize();
        let kept = Password::new(self.0.as_str().to_owned());
        self.0.zeroize();
        self.0.push_str(&kept);
    }

    fn take(&mut self) -> Password {
        std::mem::take(self).0
    }
}

/// Typed letters, which no log shows.
#[derive(Clone)]
pub struct Letters(SmolStr);

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letters")
    }
}

/// What a person does.
#[derive(Debug, Clone)]
pub enum Message {
    /// Type something.
    Typed(Letters),
    /// Take the last letter back.
    Erase,
    /// Take all of it back.
    Clear,
    /// That is it.
    Submit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Ready,
    Checking { since: Instant },
    Waiting { until: Instant },
}

/// What is said beneath the field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    Wrong,
    TypeFirst,
    TooLong,
    Broken(String),
}

/// The screen's state.
#[derive(Debug)]
pub struct Lock {
    person: String,
    date: String,
    time: String,
    secret: Secret,
    /// Whether the account has a password, once that is known.
    needs_password: Option<bool>,
    caps_lock: bool,
    stage: Stage,
    said: Said,
    failures: u32,
}

impl Lock {
    /// The session of `person`, a name for people.
    pub fn new(person: String) -> Self {
        let mut lock = Self {
            person,
            date: String::new(),
            time: String::new(),
            secret: Secret::default(),
            needs_password: None,
            caps_lock: false,
            stage: Stage::Ready,
            said: Said::Nothing,
            failures: 0,
        };
        lock.set_time(&Zoned::now());
        lock
    }

    /// Shows `now` and returns how long that stays true.
    pub fn set_time(&mut self, now: &Zoned) -> Duration {
        self.date = l10n::long_date(now);
        self.time = l10n::minutes(now);
        let left = 60_000 - (i64::from(now.second()) * 1000 + i64::from(now.millisecond()));
        Duration::from_millis(left.clamp(1, 60_000) as u64)
    }

    /// Caps Lock was switched on or off.
    pub fn caps_lock(&mut self, on: bool) {
        self.caps_lock = on;
    }

    /// Something was done. Returns a password to check.
    pub fn update(&mut self, message: Message, now: Instant) -> Option<Password> {
        let checking = matches!(self.stage, Stage::Checking { .. });
        match message {
            Message::Typed(Letters(typed)) => {
                // What was said was about the last attempt.
                if self.stage == Stage::Ready {
                    self.said = Said::Nothing;
                }
                if !checking && !self.secret.push(&typed) {
                    self.said = Said::TooLong;
                }
            }
            Message::Erase if !checking => self.secret.erase(),
            Message::Clear if !checking => drop(self.secret.take()),
            Message::Submit if self.stage == Stage::Ready => {
                if self.secret.letters() == 0 && self.needs_password == Some(true) {
                    self.said = Said::TypeFirst;
                    return None;
                }
                self.stage = Stage::Checking { since: now };
                self.said = Said::Nothing;
                return Some(self.secret.take());
            }
            Message::Erase | Message::Clear | Message::Submit => {}
        }
        None
    }

    /// What came of it. Returns whether the session is to be unlocked.
    pub fn answered(&mut self, answer: Answer, now: Instant) -> bool {
        let verdict = match answer {
            Answer::Needs(needs) => {
                self.needs_password = Some(needs);
                return false;
            }
            Answer::Verdict(verdict) => verdict,
        };
        self.stage = Stage::Ready;
        match verdict {
            Verdict::Right => return true,
            Verdict::Wrong => {
                // It may have been given one since.
                self.needs_password = Some(true);
                let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
                self.failures = self.failures.saturating_add(1);
                self.stage = Stage::Waiting {
                    until: now + pause.min(LONGEST_PAUSE),
                };
                self.said = Said::Wrong;
            }
            Verdict::Broken(why) => self.said = Said::Broken(why),
        }
        false
    }

    /// Time passed.
    pub fn expire(&mut self, now: Instant) {
        match self.stage {
            Stage::Waiting { until } if until <= now => self.stage = Stage::Ready,
            Stage::Checking { since } if since + LONGEST_CHECK <= now => {
                self.stage = Stage::Ready;
                let why = tr!("lock-no-answer", seconds = LONGEST_CHECK.as_secs());
                self.said = Said::Broken(why);
            }
            _ => {}
        }
    }

    /// When what is said changes by itself next: the seconds of a pause are counted down.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let until = match self.stage {
            Stage::Ready => return None,
            Stage::Checking { since } => return Some(since + LONGEST_CHECK),
            Stage::Waiting { until } => until,
        };
        let left = until.saturating_duration_since(now);
        let whole = Duration::from_secs(left.as_secs());
        let next = if whole == left {
            left.saturating_sub(Duration::from_secs(1))
        } else {
            whole
        };
        Some(until - next)
    }

    /// Its keys.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            text,
            repeat,
            ..
        }) = event
        else {
            return None;
        };
        match key {
            // A key that was held when the session was locked is no answer.
            Key::Named(Named::Enter) => (!repeat).then_some(Message::Submit),
            Key::Named(Named::Backspace) if modifiers.control() => Some(Message::Clear),
            Key::Named(Named::Backspace) => Some(Message::Erase),
            Key::Named(Named::Escape) => Some(Message::Clear),
            Key::Character(letter) if modifiers.control() && letter.as_str() == "u" => {
                Some(Message::Clear)
            }
            _ if modifiers.control() || modifiers.logo() => None,
            _ => text.clone().map(|text| Message::Typed(Letters(text))),
        }
    }

    /// The screen's widgets.
    pub fn view(&self, now: Instant, palette: &Palette) -> Element<'_, Message> {
        let clock = column![
            widgets::label(&self.time, TEXT_CLOCK, palette.text).font(fonts::UI_MEDIUM),
            widgets::label(&self.date, TEXT_LARGE, palette.text_dim),
        ]
        .spacing(TIGHT)
        .align_x(Alignment::Center);
        let content = column![
            self.head(palette),
            space().height(GAP),
            self.field(palette),
            self.said(now, palette),
        ]
        .spacing(SMALL);
        let card = widgets::card(
            container(content).padding(Padding {
                bottom: SMALL,
                ..Padding::new(HUGE)
            }),
            palette,
        );
        let middle = column![clock, container(card).width(WIDTH + 2.0 * SHADOW)]
            .spacing(HUGE)
            .align_x(Alignment::Center);
        let (above, below) = (
            widgets::mix(palette.panel, palette.accent, 0.12),
            palette.panel,
        );
        container(middle)
            .center(Length::Fill)
            .style(move |_| {
                let ground = Linear::new(Radians(std::f32::consts::PI))
                    .add_stop(0.0, above.scale_alpha(1.0 / above.a))
                    .add_stop(1.0, below.scale_alpha(1.0 / below.a));
                container::Style {
                    background: Some(Background::Gradient(Gradient::Linear(ground))),
                    ..container::Style::default()
                }
            })
            .into()
    }

    fn head(&self, palette: &Palette) -> Element<'_, Message> {
        let letter = self.person.chars().next().unwrap_or('?');
        let letter: String = letter.to_uppercase().collect();
        let mark = container(
            widgets::label(letter, TEXT_LARGE + TIGHT, palette.person_text).font(fonts::UI_STRONG),
        )
        .center(48);
        let (ground, round) = (palette.person, 24.0);
        let mark = mark.style(move |_| container::Style {
            background: Some(Background::Color(ground)),
            border: widgets::rounded(round),
            ..container::Style::default()
        });
        let name = widgets::shortened(&crate::visible::visible(&self.person), 40);
        row![
            mark,
            column![
                widgets::line(name, TEXT_LARGE, palette.text, fonts::UI_STRONG),
                widgets::label(tr!("lock-locked"), TEXT, palette.text_dim),
            ]
            .spacing(TIGHT / 2.0)
        ]
        .spacing(GAP)
        .align_y(Alignment::Center)
        .into()
    }

    fn field(&self, palette: &Palette) -> Element<'_, Message> {
        let palette = *palette;
        let letters = self.secret.letters();
        let caret = || {
            container(widgets::raised(
                space().width(1.5).height(18),
                palette.accent,
                0.5,
            ))
            .padding(Padding::from([0.0, 1.0]))
        };
        let inside: Element<'_, Message> = match (letters, self.needs_password) {
            _ if matches!(self.stage, Stage::Checking { .. }) => {
                widgets::label(tr!("lock-checking"), TEXT, palette.text_dim).into()
            }
            (0, Some(false)) => {
                widgets::label(tr!("lock-press-enter"), TEXT, palette.text_dim).into()
            }
            (0, _) => row![
                caret(),
                widgets::label(tr!("lock-password"), TEXT, palette.text_dim)
            ]
            .align_y(Alignment::Center)
            .into(),
            (many, _) => {
                let dots = (0..many.min(MOST_DOTS)).map(|_| widgets::dot(7.0, palette.text));
                row![row(dots).spacing(3.0), caret()]
                    .spacing(2.0)
                    .align_y(Alignment::Center)
                    .into()
            }
        };
        let enter = widgets::press(
            widgets::icon(Icon::Enter, 16.0, palette.accent_text),
            Kind::Primary,
            &palette,
        )
        .padding(SMALL)
        .on_press_maybe((self.stage == Stage::Ready).then_some(Message::Submit));
        let field = row![
            widgets::icon(Icon::Lock, 16.0, palette.text_dim),
            container(inside).width(Length::Fill).clip(true),
            enter,
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        let edge = if self.said == Said::Wrong {
            palette.bad
        } else {
            palette.line
        };
        container(field)
            .padding(Padding {
                left: GAP,
                ..Padding::new(TIGHT + 1.0)
            })
            .height(44)
            .align_y(Alignment::Center)
            .style(move |_| container::Style {
                background: Some(Background::Color(palette.raised)),
                border: Border {
                    color: edge,
                    width: 1.0,
                    radius: Radius::new(ROUND),
                },
                ..container::Style::default()
            })
            .into()
    }

    fn said(&self, now: Instant, palette: &Palette) -> Element<'_, Message> {
        let left = match self.stage {
            Stage::Waiting { until } => {
                let left = until.saturating_duration_since(now);
                u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
            }
            _ => 0,
        };
        let (text, ink) = match &self.said {
            Said::Wrong if left > 0 => (tr!("lock-wrong-wait", seconds = left), palette.bad),
            Said::Wrong => (tr!("lock-wrong"), palette.bad),
            Said::TypeFirst => (tr!("lock-type-first"), palette.warn),
            Said::TooLong => (tr!("lock-too-long"), palette.bad),
            Said::Broken(why) => (
                // The log has all of it.
                tr!("lock-broken", why = widgets::shortened(why, 48)),
                palette.bad,
            ),
            Said::Nothing if self.caps_lock => (tr!("lock-caps"), palette.warn),
            Said::Nothing if self.needs_password == Some(false) => {
                (tr!("lock-no-password"), palette.text_dim)
            }
            Said::Nothing => (String::new(), palette.text_dim),
        };
        let caps = self.caps_lock && matches!(self.said, Said::Wrong);
        let text = if caps {
            tr!("lock-and-caps", said = text)
        } else {
            text
        };
        container(widgets::label(text, TEXT, ink))
            .width(Length::Fill)
            .height(SAID)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let mut lock = Lock::new("Ada".into());
        lock.answered(Answer::Needs(true), Instant::now());
        lock
    }

    fn typed(lock: &mut Lock, text: &str) {
        for letter in text.chars() {
            let letter = Letters(SmolStr::new(letter.encode_utf8(&mut [0; 4])));
            assert_eq!(lock.update(Message::Typed(letter), Instant::now()), None);
        }
    }

    fn wrong() -> Answer {
        Answer::Verdict(Verdict::Wrong)
    }

    #[test]
    fn what_is_typed_is_checked_once_and_forgotten() {
        let mut lock = lock();
        assert_eq!(
            lock.update(Message::Submit, Instant::now()),
            None,
            "nothing is typed"
        );
        typed(&mut lock, "sécretx");
        lock.update(Message::Erase, Instant::now());
        assert_eq!(lock.secret.letters(), 6);
        let password = lock.update(Message::Submit, Instant::now()).unwrap();
        assert_eq!(password.as_str(), "sécret");
        assert_eq!(lock.secret.letters(), 0);
        assert_eq!(
            lock.update(Message::Submit, Instant::now()),
            None,
            "one at a time"
        );
        typed(&mut lock, "more");
        assert_eq!(lock.secret.letters(), 0, "not while it is checked");
        assert!(lock.answered(Answer::Verdict(Verdict::Right), Instant::now()));
    }

    #[test]
    fn wrong_answers_cost_more_and_more_time() {
        let mut lock = lock();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            typed(&mut lock, "guess");
            assert!(lock.update(Message::Submit, Instant::now()).is_some());
            assert!(!lock.answered(wrong(), now));
            let began = now;
            // What is typed meanwhile counts afterwards.
            typed(&mut lock, "next");
            while lock.stage != Stage::Ready {
                assert_eq!(lock.update(Message::Submit, Instant::now()), None);
                now = lock.deadline(now).expect("it counts down");
                lock.expire(now);
            }
            pauses.push((now - began).as_secs());
            assert_eq!(lock.secret.letters(), 4);
            lock.update(Message::Clear, Instant::now());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(lock.deadline(now), None, "nothing to wake for");
    }

    #[test]
    fn without_a_password_enter_is_asked_for_all_the_same() {
        let mut lock = Lock::new("Ada".into());
        lock.answered(Answer::Needs(false), Instant::now());
        let password = lock
            .update(Message::Submit, Instant::now())
            .expect("PAM decides");
        assert_eq!(password.as_str(), "");
        assert!(!lock.answered(wrong(), Instant::now()));
        assert_eq!(lock.needs_password, Some(true), "it has one now");
    }

    #[test]
    fn what_cannot_be_checked_stays_locked_and_can_be_tried_again() {
        let mut lock = lock();
        typed(&mut lock, "secret");
        lock.update(Message::Submit, Instant::now()).unwrap();
        let broken = Verdict::Broken("no PAM".into());
        assert!(!lock.answered(Answer::Verdict(broken), Instant::now()));
        typed(&mut lock, "secret");
        assert!(lock.update(Message::Submit, Instant::now()).is_some());

        // PAM hangs: that is said, and a late yes is a yes.
        let later = lock.deadline(Instant::now()).expect("a limit");
        lock.expire(later);
        assert!(matches!(&lock.said, Said::Broken(why) if why.contains("30 s")));
        assert_eq!(lock.deadline(later), None);
        assert!(lock.answered(Answer::Verdict(Verdict::Right), later));
    }

    #[test]
    fn nothing_that_is_printed_has_what_was_typed() {
        let mut lock = lock();
        typed(&mut lock, "hunter2");
        let message = Message::Typed(Letters("hunter2".into()));
        let printed = format!("{lock:?} {message:?}");
        assert!(
            !printed.contains("hunter") && !printed.contains("unter2"),
            "{printed}"
        );
    }

    #[test]
    fn a_cat_on_the_keyboard_breaks_nothing() {
        let mut lock = lock();
        let place = lock.secret.0.as_ptr();
        for _ in 0..2000 {
            typed(&mut lock, "ä€");
        }
        assert!(lock.secret.0.len() <= LONGEST);
        assert_eq!(lock.said, Said::TooLong);
        lock.update(Message::Erase, Instant::now());
        assert_eq!(lock.secret.0.as_ptr(), place, "its memory is the same");
        for _ in 0..2000 {
            lock.update(Message::Erase, Instant::now());
        }
        assert_eq!(lock.secret.letters(), 0);
    }
}
