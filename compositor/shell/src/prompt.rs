//! The permission prompt's process: `argos-shell prompt`.
//!
//! It shares no process with chat, notifications or anything else that shows what others wrote, and
//! reaches the compositor over its private socket ([`crate::private_socket`]), by which the
//! compositor knows it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use iced_core::{Color, Event, Size};
use tokio::sync::mpsc::UnboundedSender;

use crate::bus::{Command, Notice};
use crate::host::{Element, Outputs, Program, Spec, Tasks};
use crate::l10n;
use crate::parts::permission::{self, Outcome, Permission};
use crate::private_socket::Purpose;
use crate::settings::Settings;
use crate::theme::Theme;

/// How the prompt reaches the compositor.
pub const PURPOSE: Purpose = Purpose {
    variable: "ARGOS_PROMPT_SOCKET",
    what: "permission prompts",
    otherwise: "permission prompts are shown like any other window and can be covered",
};

/// The prompt as a program.
#[derive(Debug)]
pub struct Prompt {
    permission: Permission,
    theme: Theme,
    /// How many times larger things are shown.
    text_size: f32,
    commands: UnboundedSender<Command>,
    /// When what is shown changes by itself next.
    wake: Option<Instant>,
}

/// What can happen.
#[derive(Debug)]
pub enum Message {
    /// In the prompt.
    Permission(permission::Message),
    /// From the broker.
    Bus(Notice),
}

/// The one surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlay;

impl Prompt {
    /// A prompt that gives the person's answers to `commands`.
    pub fn new(commands: UnboundedSender<Command>) -> Self {
        let look = Settings::load().look();
        Self {
            permission: Permission::default(),
            wake: None,
            theme: look.theme(),
            text_size: look.enlarged(),
            commands,
        }
    }

    fn set_alarm(&mut self, now: Instant) {
        self.wake = self.permission.deadline(now, wall_clock_ms());
    }

    fn heard(&mut self, notice: Notice) {
        let (now, now_ms) = (Instant::now(), wall_clock_ms());
        match notice {
            Notice::Requested(requests) => {
                if !self.permission.is_asking() {
                    // The person may have changed the look and the language since the last question.
                    let settings = Settings::load();
                    let look = settings.look();
                    (self.theme, self.text_size) = (look.theme(), look.enlarged());
                    l10n::speak_chosen(&settings.language);
                }
                for request in requests {
                    self.permission.ask(request, now, now_ms);
                }
            }
            Notice::Resolved(id) => self.permission.resolved(id, now, now_ms),
            Notice::NotAnswered(why) => self.permission.failed(why, now),
            Notice::BrokerLost => self.permission.clear(),
            _ => {}
        }
    }
}

impl Program for Prompt {
    type Message = Message;
    type Part = Overlay;

    fn surfaces(&self) -> Vec<Spec<Overlay>> {
        if !self.permission.is_asking() {
            return Vec::new();
        }
        vec![Spec::cover(Overlay, Outputs::Active, "argos-prompt")]
    }

    fn view(&self, _: Overlay, _: Size) -> Element<'_, Message> {
        self.permission
            .view(Instant::now(), &self.theme.colors)
            .map(Message::Permission)
    }

    fn update(&mut self, message: Message, _: &mut Tasks<Overlay>) {
        match message {
            Message::Permission(message) => {
                let command = match self.permission.update(message, Instant::now()) {
                    Some(Outcome::Answer(id, decision)) => Some(Command::Answer(id, decision)),
                    Some(Outcome::DenyAll(agent)) => Some(Command::DenyAll(agent)),
                    None => None,
                };
                if let Some(command) = command {
                    // The thread ends only after this process's main loop.
                    let _ = self.commands.send(command);
                }
            }
            Message::Bus(notice) => self.heard(notice),
        }
        self.set_alarm(Instant::now());
    }

    fn intercept(&self, _: Overlay, event: &Event) -> Option<Message> {
        Permission::intercept(event).map(Message::Permission)
    }

    fn deadline(&self) -> Option<Instant> {
        self.wake
    }

    fn tick(&mut self, now: Instant, _: &mut Tasks<Overlay>) {
        self.permission.expire(now, wall_clock_ms());
        self.set_alarm(now);
    }

    fn moves(&mut self, _: Overlay) {
        self.permission.moves();
    }

    fn shown(&mut self, _: Overlay) {
        self.permission.on_screen(Instant::now());
        self.set_alarm(Instant::now());
    }

    fn text_color(&self) -> Color {
        self.theme.colors.text
    }

    fn text_size(&self) -> f32 {
        self.text_size
    }

    fn least(&self, _: Overlay) -> Option<Size> {
        Some(permission::LEAST)
    }
}

fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::permission::GUARD;
    use argos_bus::permissions::Request;

    #[test]
    fn the_prompt_wakes_to_take_answers_and_to_count_down() {
        let (commands, _receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut prompt = Prompt::new(commands);
        let mut tasks = Tasks::default();
        assert_eq!(
            prompt.deadline(),
            None,
            "nothing asked, nothing to wake for"
        );
        let request = Request {
            id: 1,
            agent: "steward".into(),
            title: "Steward".into(),
            tool: "files.list".into(),
            action: "read".into(),
            resource: "/tmp".into(),
            summary: String::new(),
            grantable: true,
            asked_ms: wall_clock_ms(),
            expires_ms: wall_clock_ms() + 30_500,
        };
        prompt.update(Message::Bus(Notice::Requested(vec![request])), &mut tasks);
        prompt.shown(Overlay);
        let first = prompt.deadline().expect("it counts down");
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert_eq!(
            prompt.deadline(),
            Some(first),
            "an alarm that moves with the clock never rings"
        );
        assert!(first <= Instant::now() + GUARD);
        prompt.tick(first, &mut tasks);
        assert_ne!(prompt.deadline(), Some(first));
        assert_eq!(prompt.surfaces().len(), 1);
        prompt.update(Message::Bus(Notice::Resolved(1)), &mut tasks);
        assert!(prompt.surfaces().is_empty() && prompt.deadline().is_none());
    }
}
