//! The lock screen: the time, whose session it is, a field for the password.
//!
//! What the field holds no widget and no log learns (`parts/entry.rs`).
//!
//! | stage | means | Enter |
//! |---|---|---|
//! | `Ready` | waits for the person | checks what is typed; nothing where a password is needed and none is typed |
//! | `Checking` | PAM is asked | nothing |
//! | `Waiting` | a wrong answer: a pause, longer each time | nothing |
//!
//! A check that could not be made is said, and is no answer: it stays locked, and Enter tries again.

use std::time::{Duration, Instant};

use iced_core::{Event, Length, Size};
use iced_widget::{column, container, space};
use jiff::Zoned;

use crate::host::Element;
use crate::icons::Icon;
use crate::pam::{Answer, Password, Verdict};
use crate::parts::entry::{self, Clock, Field, Secret};
pub use crate::parts::entry::{Letters, Message};
use crate::theme::{GAP, Palette, SMALL, TEXT};
use crate::tr;
use crate::widgets;

/// Height of what is said beneath the field: two lines, so that nothing moves.
const SAID: f32 = 40.0;
/// The smallest screen on which all of it has room, in logical pixels.
pub const LEAST: Size = Size::new(460.0, 440.0);
/// The pause after the first wrong answer; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And no pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A check that takes longer is given up on; should its answer come after all, it counts.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

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
    clock: Clock,
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
        Self {
            person,
            clock: Clock::now(),
            secret: Secret::default(),
            needs_password: None,
            caps_lock: false,
            stage: Stage::Ready,
            said: Said::Nothing,
            failures: 0,
        }
    }

    /// Shows `now` and returns how long that stays true.
    pub fn set_time(&mut self, now: &Zoned) -> Duration {
        self.clock.set(now)
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
        entry::intercept(event)
    }

    /// The screen's widgets.
    pub fn view(&self, now: Instant, palette: &Palette) -> Element<'_, Message> {
        let content = column![
            entry::head(&self.person, tr!("lock-locked"), palette),
            space().height(GAP),
            self.field().view(palette),
            self.said(now, palette),
        ]
        .spacing(SMALL);
        entry::ground(entry::middle(Some(&self.clock), content, palette), palette)
    }

    fn field(&self) -> Field<'_> {
        let checking = matches!(self.stage, Stage::Checking { .. });
        let (hint, open) = match self.needs_password {
            _ if checking => (tr!("lock-checking"), false),
            Some(false) => (tr!("lock-press-enter"), false),
            _ => (tr!("lock-password"), true),
        };
        Field {
            typed: &self.secret,
            plain: false,
            hint,
            open,
            ready: self.stage == Stage::Ready,
            wrong: self.said == Said::Wrong,
            icon: Icon::Lock,
        }
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
    use crate::parts::entry::LONGEST;
    use iced_core::SmolStr;

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
