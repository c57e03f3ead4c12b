//! The locker's process: `argos-shell lock`.
//!
//! It holds the session locked (`ext-session-lock-v1`), covers every output and unlocks when PAM says
//! that the password is the person's. Should it die, the compositor keeps the session locked and has
//! another one started; nothing here needs to be remembered. It has no D-Bus and shows nothing that
//! others wrote.

use std::time::{Duration, Instant};

use calloop::channel::Sender;
use iced_core::{Color, Event, Size};
use jiff::Zoned;

use crate::accounts::Account;
use crate::host::{Element, Outputs, Program, Spec, Tasks};
use crate::pam::{Answer, Checker, Verdict};
use crate::parts::lock;
use crate::private_socket::Purpose;
use crate::settings::Settings;
use crate::theme::Theme;

/// How the locker reaches the compositor.
pub const PURPOSE: Purpose = Purpose {
    variable: "ARGOS_LOCK_SOCKET",
    what: "the locker",
    otherwise: "any client of this compositor could lock the screen and unlock it",
};

/// The locker as a program.
#[derive(Debug)]
pub struct Locker {
    lock: lock::Lock,
    theme: Theme,
    /// How many times larger things are shown.
    text_size: f32,
    checker: Option<Checker>,
    /// Why no password can be checked, if there is no checker.
    broken: String,
    /// When the clock shows another minute.
    minute: Instant,
    /// When what is said changes by itself next.
    wake: Option<Instant>,
}

/// What can happen.
#[derive(Debug)]
pub enum Message {
    /// On the screen.
    Lock(lock::Message),
    /// From PAM.
    Answer(Answer),
}

/// The surface on each output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen;

/// The surface that covers each output, of the one who holds the session locked.
pub(crate) fn cover() -> Spec<Screen> {
    Spec::cover(Screen, Outputs::Each, "argos-lock")
}

impl Locker {
    /// A locker that hears from PAM through `inbox`.
    pub fn new(account: Result<Account, String>, inbox: Sender<Message>) -> Self {
        let look = Settings::load().look();
        let now = Instant::now();
        let (checker, person, broken) = match account {
            Ok(account) => {
                let checker = Checker::start(account.name, move |answer| {
                    // The receiver is gone only when the program ends.
                    let _ = inbox.send(Message::Answer(answer));
                });
                (Some(checker), account.person, String::new())
            }
            Err(why) => (None, "?".to_owned(), why),
        };
        let mut locker = Self {
            lock: lock::Lock::new(person),
            theme: look.theme(),
            text_size: look.enlarged(),
            checker,
            broken,
            minute: now,
            wake: None,
        };
        if locker.checker.is_none() {
            let why = Verdict::Broken(locker.broken.clone());
            locker.lock.answered(Answer::Verdict(why), now);
        }
        locker.set_clock(now);
        locker
    }

    fn set_clock(&mut self, now: Instant) {
        // Timers may be early by a little, and the clock may be set meanwhile.
        let left = self.lock.set_time(&Zoned::now());
        self.minute = now + left.max(Duration::from_millis(20));
    }

    fn set_alarm(&mut self, now: Instant) {
        self.wake = self.lock.deadline(now);
    }

    fn heard(&mut self, answer: Answer, tasks: &mut Tasks<Screen>) {
        if let Answer::Verdict(Verdict::Broken(why)) = &answer {
            tracing::error!("the password cannot be checked, the screen stays locked: {why}");
        }
        if self.lock.answered(answer, Instant::now()) {
            tracing::info!("unlocked");
            tasks.unlock();
        }
    }
}

impl Program for Locker {
    type Message = Message;
    type Part = Screen;
    const LOCKS: bool = true;

    fn surfaces(&self) -> Vec<Spec<Screen>> {
        vec![cover()]
    }

    fn view(&self, _: Screen, _: Size) -> Element<'_, Message> {
        self.lock
            .view(Instant::now(), &self.theme.colors)
            .map(Message::Lock)
    }

    fn update(&mut self, message: Message, tasks: &mut Tasks<Screen>) {
        match message {
            Message::Lock(message) => {
                if let Some(password) = self.lock.update(message, Instant::now()) {
                    match &self.checker {
                        Some(checker) => {
                            if let Err(why) = checker.check(password) {
                                // The session stays locked; the next locker has a new thread.
                                tracing::error!("{why}; ending");
                                tasks.exit();
                            }
                        }
                        None => {
                            let why = Verdict::Broken(self.broken.clone());
                            self.heard(Answer::Verdict(why), tasks);
                        }
                    }
                }
            }
            Message::Answer(answer) => self.heard(answer, tasks),
        }
        self.set_alarm(Instant::now());
    }

    fn intercept(&self, _: Screen, event: &Event) -> Option<Message> {
        lock::Lock::intercept(event).map(Message::Lock)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.wake.map_or(self.minute, |at| at.min(self.minute)))
    }

    fn tick(&mut self, now: Instant, _: &mut Tasks<Screen>) {
        if self.minute <= now {
            self.set_clock(now);
        }
        self.lock.expire(now);
        self.set_alarm(now);
    }

    fn shown(&mut self, _: Screen) {}

    fn caps_lock(&mut self, on: bool) {
        self.lock.caps_lock(on);
    }

    fn text_color(&self) -> Color {
        self.theme.colors.text
    }

    fn text_size(&self) -> f32 {
        self.text_size
    }

    fn least(&self, _: Screen) -> Option<Size> {
        Some(lock::LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locker_without_an_account_says_so_and_never_unlocks() {
        let (inbox, _messages) = calloop::channel::channel();
        let mut locker = Locker::new(Err("no account".into()), inbox);
        let mut tasks = Tasks::default();
        for _ in 0..3 {
            locker.update(Message::Lock(lock::Message::Submit), &mut tasks);
        }
        assert!(!tasks.unlocks());
        locker.update(Message::Answer(Answer::Verdict(Verdict::Wrong)), &mut tasks);
        assert!(!tasks.unlocks());
        assert!(locker.deadline() > Some(Instant::now()));
        locker.update(Message::Answer(Answer::Verdict(Verdict::Right)), &mut tasks);
        assert!(tasks.unlocks());
    }
}
