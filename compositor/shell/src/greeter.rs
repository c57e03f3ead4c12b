//! The greeter's process: `argos-shell greeter`, which logs people in.
//!
//! greetd starts it, as a user without rights, within a compositor that shows nothing else
//! (`argos-compositor --greeter`), and does what it asks ([`crate::greetd`]): PAM's modules run there.
//! It ends when a session is to start, and when there is no greetd any more; whatever else ends it,
//! greetd starts it again. Of the buses it knows the system's alone, for the machine's power.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use calloop::channel::Sender;
use iced_core::{Color, Event, Size};
use jiff::Zoned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::accounts::Account;
use crate::bus::login;
use crate::greetd::{Daemon, Heard, Request};
use crate::host::{Element, Program, Spec, Tasks};
use crate::l10n;
use crate::lock::{Screen, cover};
use crate::parts::greeter::{self, Outcome, Power, Session};
use crate::settings::{Look, Settings};
use crate::theme::{self, Theme};

/// Where it is kept who was here last.
pub const STATE: &str = "/var/lib/argos/greeter/last.yaml";
/// Folders with sessions that can be chosen, the first ones before the others.
const SESSIONS: [&str; 2] = [
    "/usr/local/share/wayland-sessions",
    "/usr/share/wayland-sessions",
];
/// So long it is said that there is no greetd any more. Then the screen is its successor's.
const GONE: Duration = Duration::from_secs(5);

/// What is kept from one time to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Last {
    /// The account that was logged in.
    person: String,
    /// The kind of its session.
    session: String,
    /// Whether the contrast was high.
    contrast: bool,
}

impl Last {
    /// Without a file, or with a broken one, nobody was here.
    fn read(path: &Path) -> Self {
        if !path.exists() {
            return Self::default();
        }
        argos_config::load(path).unwrap_or_else(|error| {
            tracing::warn!("{error}; nobody counts as having been here");
            Self::default()
        })
    }

    fn write(&self, path: &Path) {
        if let Err(error) = argos_config::save(path, self) {
            tracing::warn!("who is here now is not remembered: {error}");
        }
    }
}

/// The greeter as a program.
#[derive(Debug)]
pub struct Greeter {
    screen: greeter::Greeter,
    daemon: Daemon,
    power: UnboundedSender<Power>,
    /// The look of the settings.
    usual: Look,
    theme: Theme,
    /// How many times larger things are shown.
    text_size: f32,
    last: Last,
    state: PathBuf,
    /// When the clock shows another minute.
    minute: Instant,
    /// When it ends, for want of a greetd.
    end: Option<Instant>,
    ended: bool,
}

/// What can happen.
#[derive(Debug)]
pub enum Message {
    /// On the screen.
    Screen(greeter::Message),
    /// Said by greetd.
    Heard(Heard),
    /// Said by login1.
    Login(login::Notice),
}

impl Greeter {
    /// A greeter that hears from greetd and login1 through `inbox`. `usual` are the words of the usual
    /// session's line for `sh`, `state` is the file that says who was here last.
    ///
    /// # Errors
    /// Why there is no greetd to talk to.
    pub fn new(
        settings: Settings,
        usual: Vec<String>,
        state: PathBuf,
        inbox: &Sender<Message>,
    ) -> Result<Self, String> {
        let to = inbox.clone();
        // The receiver is gone only when the program ends.
        let daemon = Daemon::connect(move |heard| drop(to.send(Message::Heard(heard))))?;
        let to = inbox.clone();
        let power = login::start(move |notice| drop(to.send(Message::Login(notice))));
        let people = Account::people().unwrap_or_else(|error| {
            tracing::error!("who has an account is not known, names have to be typed: {error}");
            Vec::new()
        });
        let last = Last::read(&state);
        let names = (last.person.as_str(), last.session.as_str());
        let mut greeter = Self {
            screen: greeter::Greeter::new(people, sessions(usual), names, last.contrast),
            daemon,
            power,
            text_size: settings.look().enlarged(),
            usual: settings.look(),
            theme: theme::built_in(theme::DEFAULT),
            last,
            state,
            minute: Instant::now(),
            end: None,
            ended: false,
        };
        greeter.set_theme();
        greeter.set_clock(Instant::now());
        let first = greeter.screen.proceed();
        greeter.carry_out(first);
        Ok(greeter)
    }

    fn set_theme(&mut self) {
        self.theme = match self.last.contrast {
            true => theme::load_or_default(theme::HIGH_CONTRAST),
            false => self.usual.theme(),
        };
    }

    fn set_clock(&mut self, now: Instant) {
        // Timers may be early by a little, and the clock may be set meanwhile.
        let left = self.screen.set_time(&Zoned::now());
        self.minute = now + left.max(Duration::from_millis(20));
    }

    fn carry_out(&mut self, outcome: Option<Outcome>) {
        match outcome {
            None => {}
            Some(Outcome::Ask(request)) => {
                if let Request::StartSession { .. } = request {
                    // Before greetd waits for the end of this process.
                    let (person, session) = self.screen.last();
                    self.last.person = person.to_owned();
                    self.last.session = session.to_owned();
                    self.last.write(&self.state);
                }
                if let Err(why) = self.daemon.ask(&request) {
                    self.hear(Heard::Gone(why));
                }
            }
            Some(Outcome::Power(power)) => {
                // The thread ends with this process.
                let _ = self.power.send(power);
            }
            Some(Outcome::Contrast(on)) => {
                self.last.contrast = on;
                self.last.write(&self.state);
                self.set_theme();
            }
            Some(Outcome::End) => self.ended = true,
        }
    }

    fn hear(&mut self, heard: Heard) {
        if let Heard::Gone(why) = &heard
            && !self.screen.is_gone()
        {
            tracing::error!("nobody can log in: {why}");
        }
        let outcome = self.screen.heard(heard);
        if self.screen.is_gone() {
            self.end.get_or_insert_with(|| Instant::now() + GONE);
        }
        self.carry_out(outcome);
    }
}

/// The usual session, and those that are installed besides.
fn sessions(usual: Vec<String>) -> Vec<Session> {
    let usual = Session {
        id: "argos".to_owned(),
        name: "ArgOS".to_owned(),
        command: usual,
    };
    let folders = SESSIONS.map(PathBuf::from);
    let languages = [l10n::spoken().code().to_owned()];
    let others = argos_apps::list_in(folders, &languages);
    let others = others.into_iter().map(|app| {
        let program = app.exec.iter().map(|word| quoted(word));
        Session {
            // No file can be taken for the usual one.
            id: format!("wayland/{}", app.id),
            name: app.name,
            command: usual
                .command
                .iter()
                .cloned()
                .chain(["--".to_owned()])
                .chain(program)
                .collect(),
        }
    });
    let others: Vec<_> = others.collect();
    std::iter::once(usual).chain(others).collect()
}

/// A word as `sh` takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Program for Greeter {
    type Message = Message;
    type Part = Screen;
    const LOCKS: bool = true;

    fn surfaces(&self) -> Vec<Spec<Screen>> {
        vec![cover()]
    }

    fn view(&self, _: Screen, size: Size) -> Element<'_, Message> {
        let view = self.screen.view(size, &self.theme.colors);
        view.map(Message::Screen)
    }

    fn update(&mut self, message: Message, tasks: &mut Tasks<Screen>) {
        match message {
            Message::Screen(message) => {
                let outcome = self.screen.update(message);
                self.carry_out(outcome);
                if let Some(offset) = self.screen.offset() {
                    tasks.scroll_to(Screen, greeter::LIST, offset);
                }
            }
            Message::Heard(heard) => self.hear(heard),
            Message::Login(login::Notice::CanSleep(can)) => self.screen.set_can_sleep(can),
            Message::Login(login::Notice::Problem(sentence)) => self.screen.problem(sentence),
        }
        if self.ended {
            tasks.exit();
        }
    }

    fn intercept(&self, _: Screen, event: &Event) -> Option<Message> {
        self.screen.intercept(event).map(Message::Screen)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.end.map_or(self.minute, |at| at.min(self.minute)))
    }

    fn tick(&mut self, now: Instant, tasks: &mut Tasks<Screen>) {
        if self.minute <= now {
            self.set_clock(now);
        }
        if self.end.is_some_and(|end| end <= now) {
            tasks.exit();
        }
    }

    fn shown(&mut self, _: Screen) {}

    fn caps_lock(&mut self, on: bool) {
        self.screen.caps_lock(on);
    }

    fn text_color(&self) -> Color {
        self.theme.colors.text
    }

    fn text_size(&self) -> f32 {
        self.text_size
    }

    fn least(&self, _: Screen) -> Option<Size> {
        Some(greeter::LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_here_is_remembered_and_nonsense_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/last.yaml");
        assert_eq!(Last::read(&path), Last::default());
        let last = Last {
            person: "ada: \"x\"\n".into(),
            session: "argos".into(),
            contrast: true,
        };
        last.write(&path);
        assert_eq!(Last::read(&path), last);
        for nonsense in ["person: [", "person: {a: b}", "\u{0}", "- 1"] {
            std::fs::write(&path, nonsense).unwrap();
            assert_eq!(Last::read(&path), Last::default(), "{nonsense:?}");
        }
        // What a later version adds is no fault.
        std::fs::write(&path, "person: ada\nlater: 1\n").unwrap();
        assert_eq!(Last::read(&path).person, "ada");
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let words = ["plain", "two words", "it's", "$HOME", "`x`", "", "a;b"];
        let line = words.map(quoted).join(" ");
        let script = format!("printf '<%s>' {line}");
        let said = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), expected);
    }
}
