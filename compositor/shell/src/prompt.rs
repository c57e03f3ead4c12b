//! The permission prompt's process: `argos-shell prompt`.
//!
//! It shares no process with chat, notifications or anything else that shows what others wrote, and
//! reaches the compositor over a socket of its own where there is one ([`connect`]), by which the
//! compositor knows it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use iced_core::{Color, Event, Size};
use tokio::sync::mpsc::UnboundedSender;

use crate::bus::{Command, Notice};
use crate::host::{
    self, Anchor, Connection, Content, Element, Height, KeyboardInteractivity, Layer, Outputs,
    Program, Spec, Tasks,
};
use crate::parts::permission::{self, Outcome, Permission};
use crate::settings::Settings;
use crate::theme::{self, Theme};

/// Names the compositor's socket for prompts, beneath `$XDG_RUNTIME_DIR` unless it is absolute.
const SOCKET: &str = "ARGOS_PROMPT_SOCKET";
/// Where it is looked for where nothing is named.
const USUAL: &str = "argos/prompt-wayland";

/// Connects to the compositor's socket for prompts.
///
/// On ArgOS the unit names the socket with [`SOCKET`], and then it is that one or none: over the public
/// socket the question could be covered by anybody. Elsewhere (another compositor, development) it is
/// the usual one if it is there, else the one that every client uses, with a warning.
pub fn connect() -> Result<Connection, host::Error> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    match private_socket(variable(SOCKET), variable("XDG_RUNTIME_DIR"))? {
        Some(path) => {
            let failed = |error: &dyn std::fmt::Display| {
                host::Error::Connect(format!(
                    "its socket for permission prompts, {}: {error}",
                    path.display()
                ))
            };
            let stream = UnixStream::connect(&path).map_err(|e| failed(&e))?;
            Connection::from_socket(stream).map_err(|e| failed(&e))
        }
        None => {
            tracing::warn!(
                "{SOCKET} is not set and there is no {USUAL}: permission prompts are shown like any \
                 other window and can be covered"
            );
            Connection::connect_to_env().map_err(|e| host::Error::Connect(e.to_string()))
        }
    }
}

/// The socket for prompts; none only where none was named and the usual one is not there.
fn private_socket(
    named: Option<PathBuf>,
    runtime: Option<PathBuf>,
) -> Result<Option<PathBuf>, host::Error> {
    match (named, runtime) {
        (Some(path), _) if path.is_absolute() => Ok(Some(path)),
        (Some(path), Some(runtime)) => Ok(Some(runtime.join(path))),
        (Some(path), None) => Err(host::Error::Connect(format!(
            "{SOCKET} is {}, but XDG_RUNTIME_DIR is not set",
            path.display()
        ))),
        (None, runtime) => Ok(runtime
            .map(|folder| folder.join(USUAL))
            .filter(|path| path.exists())),
    }
}

/// The prompt as a program.
#[derive(Debug)]
pub struct Prompt {
    permission: Permission,
    theme: Theme,
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
        let theme = theme::load_or_default(&Settings::load().theme);
        Self {
            permission: Permission::default(),
            wake: None,
            theme,
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
                    // The person may have changed the theme since the last question.
                    self.theme = theme::load_or_default(&Settings::load().theme);
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
        vec![Spec {
            part: Overlay,
            on: Outputs::Active,
            layer: Layer::Overlay,
            anchor: Anchor::all(),
            width: 0,
            height: Height::Fixed(0),
            margin: [0; 4],
            shadow: 0,
            exclusive_zone: -1,
            keyboard: KeyboardInteractivity::Exclusive,
            namespace: "argos-prompt",
            content: Content::Widgets,
        }]
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
    fn a_named_socket_is_used_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Some(folder.path().to_owned());
        let socket = |named: &str| private_socket(Some(named.into()), runtime.clone()).unwrap();
        // Whether it is there or not: only connecting may fail.
        assert_eq!(
            socket("argos/other"),
            Some(folder.path().join("argos/other"))
        );
        assert_eq!(socket("/x/prompt"), Some("/x/prompt".into()));
        assert!(private_socket(Some("prompt".into()), None).is_err());
        assert_eq!(private_socket(None, runtime.clone()).unwrap(), None);
        assert_eq!(private_socket(None, None).unwrap(), None);
        std::fs::create_dir(folder.path().join("argos")).unwrap();
        std::fs::write(folder.path().join(USUAL), "").unwrap();
        assert_eq!(
            private_socket(None, runtime).unwrap(),
            Some(folder.path().join(USUAL))
        );
    }

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
