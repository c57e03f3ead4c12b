//! The greeter: who is there, what PAM asks them, and what else one may do before logging in.
//!
//! Two things are kept apart: whom the person at the keyboard means (`wanted`), and with whom greetd
//! is busy (`held`). greetd is asked one thing at a time, and each answer that does not fit any more is
//! let go of; [`Greeter::proceed`] says what is asked when nothing is.
//!
//! | stage | means | Enter |
//! |---|---|---|
//! | `Choosing` | the list of people | takes the chosen one |
//! | `Naming` | a name is typed | takes it |
//! | `Asking` | greetd has the word | what is typed so far answers the first question, if that is for a secret |
//! | `Answering` | PAM asked something | answers |
//! | `Open` | PAM lets in without a question | begins the session |
//! | `Failed` | it cannot be done | tries again |
//! | `Starting` | greetd starts the session once the greeter has ended | nothing |
//! | `Gone` | there is no greetd any more | nothing |
//!
//! Tab goes to the buttons below and back; there is nothing that needs a pointer.

mod view;

use std::cell::Cell;
use std::time::Duration;

use iced_core::Event;
use iced_core::keyboard::{self, Key, key::Named};
use jiff::Zoned;

use crate::accounts::Account;
use crate::greetd::{self, ErrorType, Heard, Request, Response, Style};
use crate::parts::entry::{self, Clock, Letters, Secret};
use crate::parts::list_keys::{ListKey, list_key};
use crate::tr;
use crate::visible::visible;
use crate::widgets;

pub use view::{LEAST, LIST};

/// Rows that a page is.
const PAGE: isize = 4;

/// A kind of session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// By what it is remembered.
    pub id: String,
    /// What a person sees.
    pub name: String,
    /// The words of its line for `sh`.
    pub command: Vec<String>,
}

/// What is to become of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It sleeps.
    Sleep,
    /// It restarts.
    Restart,
    /// It is switched off.
    Off,
}

/// A button below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The next kind of session.
    Session,
    /// High contrast, and back.
    Contrast,
    /// Of the machine.
    Power(Power),
}

/// What a person does.
#[derive(Debug, Clone)]
pub enum Message {
    /// At the field.
    Entry(entry::Message),
    /// Choose a row further down or up the list.
    Move(isize),
    /// Choose the next row whose name begins so.
    Find(Letters),
    /// Take this row.
    Pick(usize),
    /// Take the chosen row.
    Take,
    /// Back to the list.
    Back,
    /// Go to the next button, or the one before.
    Focus(isize),
    /// Leave the buttons.
    Leave,
    /// Press a button.
    Press(Button),
    /// Press the button that has the keyboard.
    PressChosen,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// greetd is to be asked this.
    Ask(Request),
    /// The machine is to do this.
    Power(Power),
    /// Contrast is high, or is not any more.
    Contrast(bool),
    /// The greeter is to end: then the session starts.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Choosing,
    Naming,
    Asking,
    Answering { question: String, secret: bool },
    Open,
    Failed,
    Starting,
    Gone,
}

/// What greetd was asked and has not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Create,
    Answer,
    Start,
    Cancel,
}

/// What is said beneath the field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Nothing,
    /// The answers were wrong; whether nothing but a password was asked for.
    Wrong {
        password: bool,
    },
    TypeFirst,
    TooLong,
    /// It cannot be done: why.
    Refused(String),
    /// The machine does not do it: a sentence.
    Problem(String),
    /// There is no greetd: why.
    Gone(String),
}

/// What PAM said that is to be read.
#[derive(Debug, Default)]
struct Told {
    text: String,
    is_bad: bool,
}

/// The screen's state.
#[derive(Debug)]
pub struct Greeter {
    clock: Clock,
    people: Vec<Account>,
    selected: usize,
    /// Rows of the list that the screen has room for.
    rows: Cell<usize>,
    sessions: Vec<Session>,
    session: usize,
    contrast: bool,
    can_sleep: bool,
    caps_lock: bool,
    /// The button that has the keyboard.
    focus: Option<usize>,
    stage: Stage,
    typed: Secret,
    /// Enter was pressed before the question came.
    eager: bool,
    said: Said,
    told: Told,
    wanted: Option<Account>,
    /// The account that greetd has a session for.
    held: Option<String>,
    /// That session came to an error: it has to be cancelled.
    spoiled: bool,
    pending: Option<Pending>,
    /// A person answered something of this session's.
    answered: bool,
    /// And nothing but a password.
    only_password: bool,
}

impl Greeter {
    /// The `people` of the machine, the `sessions` that can be chosen (at least one); `last` was here
    /// last, and had the session of this id.
    pub fn new(
        people: Vec<Account>,
        sessions: Vec<Session>,
        last: (&str, &str),
        contrast: bool,
    ) -> Self {
        let (name, session) = last;
        let selected = people.iter().position(|account| account.name == name);
        let only = (people.len() == 1 && name.is_empty()).then_some(0);
        let known = selected.or(only).map(|at| people[at].clone());
        let typed = (!name.is_empty()).then(|| Account::named(name.to_owned()));
        let wanted = known.or(typed);
        let stage = match &wanted {
            Some(_) => Stage::Asking,
            None if people.is_empty() => Stage::Naming,
            None => Stage::Choosing,
        };
        Self {
            clock: Clock::now(),
            selected: selected.unwrap_or_default(),
            rows: Cell::new(view::ROWS),
            people,
            session: sessions
                .iter()
                .position(|kind| kind.id == session)
                .unwrap_or_default(),
            sessions,
            contrast,
            can_sleep: false,
            caps_lock: false,
            focus: None,
            stage,
            typed: Secret::default(),
            eager: false,
            said: Said::Nothing,
            told: Told::default(),
            wanted,
            held: None,
            spoiled: false,
            pending: None,
            answered: false,
            only_password: true,
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

    /// Whether the machine can sleep.
    pub fn set_can_sleep(&mut self, can: bool) {
        self.can_sleep = can;
        self.focus = None;
    }

    /// The machine does not do what it should: a sentence.
    pub fn problem(&mut self, sentence: String) {
        self.said = Said::Problem(sentence);
    }

    /// Who is logged in, and the id of their kind of session.
    pub fn last(&self) -> (&str, &str) {
        let person = self.wanted.as_ref().map(|account| account.name.as_str());
        let session = self.sessions[self.session].id.as_str();
        (person.unwrap_or_default(), session)
    }

    /// Whether there is nobody who could log anybody in.
    pub fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// How far the list is to be scrolled, while it is shown, in logical pixels.
    pub fn offset(&self) -> Option<f32> {
        let height = view::ROW * self.rows.get() as f32;
        let chosen = self.chosen_row()?;
        Some(widgets::centred(chosen, view::ROW, height))
    }

    /// The row of the list that is chosen, while the list is shown.
    fn chosen_row(&self) -> Option<usize> {
        (self.stage == Stage::Choosing).then_some(self.selected)
    }

    /// What is to be asked where nothing is; the first thing is asked by this.
    pub fn proceed(&mut self) -> Option<Outcome> {
        if self.pending.is_some() || matches!(self.stage, Stage::Starting | Stage::Gone) {
            return None;
        }
        match (&self.held, &self.wanted) {
            (Some(_), _) if self.spoiled || !self.is_current() => {
                self.say(Request::CancelSession, Pending::Cancel)
            }
            (None, Some(account)) if self.stage == Stage::Asking => {
                let username = account.name.clone();
                self.held = Some(username.clone());
                self.answered = false;
                self.only_password = true;
                self.say(Request::CreateSession { username }, Pending::Create)
            }
            _ => None,
        }
    }

    /// Whether greetd is busy with whom the person means.
    fn is_current(&self) -> bool {
        let wanted = self.wanted.as_ref().map(|account| &account.name);
        self.held.as_ref() == wanted
    }

    fn say(&mut self, request: Request, pending: Pending) -> Option<Outcome> {
        self.pending = Some(pending);
        Some(Outcome::Ask(request))
    }

    /// greetd said something, or will not any more.
    pub fn heard(&mut self, heard: Heard) -> Option<Outcome> {
        let response = match heard {
            Heard::Response(response) => response,
            Heard::Gone(why) => return self.lose(why),
        };
        match self.pending.take() {
            None => return self.lose(tr!("greeter-unasked")),
            // It is gone, however greetd puts that.
            Some(Pending::Cancel) => {
                self.held = None;
                self.spoiled = false;
            }
            // The person means somebody else by now.
            Some(_) if !self.is_current() => {}
            Some(pending) => match response {
                Response::Success if pending == Pending::Start => return Some(Outcome::End),
                Response::Success if self.answered => return self.start(),
                Response::Success => {
                    self.stage = Stage::Open;
                    self.typed.take();
                }
                Response::AuthMessage {
                    auth_message_type,
                    auth_message,
                } => return self.asked(auth_message_type, &auth_message),
                Response::Error {
                    error_type,
                    description,
                } => self.failed(error_type, description),
            },
        }
        self.proceed()
    }

    /// There is no greetd any more.
    fn lose(&mut self, why: String) -> Option<Outcome> {
        if self.stage == Stage::Starting {
            // It was told all that it needs; and where it fell, the next one wants the screen.
            return Some(Outcome::End);
        }
        self.stage = Stage::Gone;
        self.said = Said::Gone(why);
        self.typed.take();
        None
    }

    fn asked(&mut self, style: Style, text: &str) -> Option<Outcome> {
        let text = shown(text);
        match style {
            Style::Info | Style::Error => {
                let space = if self.told.text.is_empty() { "" } else { " " };
                self.told.text = format!("{}{space}{text}", self.told.text);
                self.told.is_bad |= style == Style::Error;
                let request = Request::PostAuthMessageResponse { response: None };
                self.say(request, Pending::Answer)
            }
            Style::Visible | Style::Secret => {
                let secret = style == Style::Secret;
                let eager = std::mem::take(&mut self.eager);
                if !secret {
                    // What was typed for a password is not shown.
                    self.typed.take();
                }
                self.stage = Stage::Answering {
                    question: text,
                    secret,
                };
                if eager && secret {
                    return self.answer();
                }
                None
            }
        }
    }

    /// Gives what is typed for an answer.
    fn answer(&mut self) -> Option<Outcome> {
        let Stage::Answering { question, secret } = &self.stage else {
            return None;
        };
        self.only_password &= *secret && is_password(question);
        self.answered = true;
        self.said = Said::Nothing;
        self.told = Told::default();
        self.stage = Stage::Asking;
        let response = Some(greetd::Secret(self.typed.take()));
        let request = Request::PostAuthMessageResponse { response };
        self.say(request, Pending::Answer)
    }

    fn failed(&mut self, kind: ErrorType, description: String) {
        self.spoiled = true;
        self.typed.take();
        self.eager = false;
        if kind == ErrorType::AuthError && self.answered {
            // And asks again at once: pauses are PAM's.
            self.said = Said::Wrong {
                password: self.only_password,
            };
            self.stage = Stage::Asking;
        } else {
            self.said = Said::Refused(shown(&description));
            self.stage = Stage::Failed;
        }
    }

    fn start(&mut self) -> Option<Outcome> {
        self.stage = Stage::Starting;
        self.said = Said::Nothing;
        let cmd = self.sessions[self.session].command.clone();
        let env = Vec::new();
        self.say(Request::StartSession { cmd, env }, Pending::Start)
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Option<Outcome> {
        match message {
            Message::Focus(by) => {
                self.move_focus(by);
                None
            }
            Message::Leave => {
                self.focus = None;
                None
            }
            Message::PressChosen => {
                let button = self.focus.and_then(|at| self.buttons().get(at).copied());
                button.and_then(|button| self.press(button))
            }
            Message::Press(button) => self.press(button),
            _ if matches!(self.stage, Stage::Starting | Stage::Gone) => None,
            Message::Entry(message) => {
                self.focus = None;
                self.enter(message)
            }
            Message::Move(by) => {
                let last = self.people.len() as isize;
                self.selected = match by {
                    1 | -1 => widgets::next_row(Some(self.selected), by, self.people.len() + 1),
                    _ => (self.selected as isize).saturating_add(by).clamp(0, last) as usize,
                };
                None
            }
            Message::Find(letters) => {
                self.find(&letters);
                None
            }
            Message::Take => self.pick(self.selected),
            Message::Pick(at) => self.pick(at),
            Message::Back => self.back(),
        }
    }

    fn enter(&mut self, message: entry::Message) -> Option<Outcome> {
        // What is typed while an answer is looked at is no answer.
        let checking = self.stage == Stage::Asking && self.pending == Some(Pending::Answer);
        let open =
            !checking && !matches!(self.stage, Stage::Choosing | Stage::Failed | Stage::Open);
        match message {
            entry::Message::Typed(Letters(letters)) if open => {
                if self.stage != Stage::Asking {
                    self.said = Said::Nothing;
                }
                if !self.typed.push(&letters) {
                    self.said = Said::TooLong;
                }
                None
            }
            entry::Message::Erase if open => {
                self.typed.erase();
                None
            }
            entry::Message::Clear if self.typed.letters() > 0 => {
                self.typed.take();
                self.eager = false;
                None
            }
            entry::Message::Clear => self.back(),
            entry::Message::Submit => self.submit(checking),
            entry::Message::Typed(_) | entry::Message::Erase => None,
        }
    }

    fn submit(&mut self, checking: bool) -> Option<Outcome> {
        match &self.stage {
            Stage::Naming => {
                let name = self.typed.take();
                let name = name.trim();
                if name.is_empty() {
                    return None;
                }
                let known = self.people.iter().find(|account| account.name == name);
                let account = known.cloned();
                self.want(account.unwrap_or_else(|| Account::named(name.to_owned())))
            }
            Stage::Asking if !checking => {
                self.eager = self.typed.letters() > 0;
                None
            }
            Stage::Answering { secret, .. } => {
                // Pressed once more, nothing is an answer as well.
                if *secret && self.typed.letters() == 0 && self.said != Said::TypeFirst {
                    self.said = Said::TypeFirst;
                    return None;
                }
                self.answer()
            }
            Stage::Open => self.start(),
            Stage::Failed => {
                self.said = Said::Nothing;
                self.told = Told::default();
                self.stage = Stage::Asking;
                self.proceed()
            }
            Stage::Choosing | Stage::Asking | Stage::Starting | Stage::Gone => None,
        }
    }

    fn pick(&mut self, row: usize) -> Option<Outcome> {
        self.selected = row.min(self.people.len());
        match self.people.get(row).cloned() {
            Some(account) => self.want(account),
            None => {
                self.rest(Stage::Naming);
                self.proceed()
            }
        }
    }

    fn want(&mut self, account: Account) -> Option<Outcome> {
        self.rest(Stage::Asking);
        self.wanted = Some(account);
        self.proceed()
    }

    /// Back to the list, and whatever was under way with greetd ends.
    fn back(&mut self) -> Option<Outcome> {
        self.rest(match self.people.is_empty() {
            true => Stage::Naming,
            false => Stage::Choosing,
        });
        self.proceed()
    }

    /// Forgets whom it was about.
    fn rest(&mut self, stage: Stage) {
        self.stage = stage;
        self.wanted = None;
        self.typed.take();
        self.eager = false;
        self.said = Said::Nothing;
        self.told = Told::default();
    }

    /// Chooses the next one whose name begins so, after the one that is chosen.
    fn find(&mut self, Letters(letters): &Letters) {
        let letters = letters.to_lowercase();
        let begins = |account: &Account| {
            let mut names = [&account.person, &account.name].into_iter();
            names.any(|name| name.to_lowercase().starts_with(&letters))
        };
        let count = self.people.len();
        let mut rows = (1..=count).map(|by| (self.selected + by) % count);
        if let Some(row) = rows.find(|row| begins(&self.people[*row])) {
            self.selected = row;
        }
    }

    /// The buttons below, in their order.
    fn buttons(&self) -> Vec<Button> {
        let session = (self.sessions.len() > 1).then_some(Button::Session);
        let sleep = self.can_sleep.then_some(Button::Power(Power::Sleep));
        let others = [Button::Power(Power::Restart), Button::Power(Power::Off)];
        let first = session.into_iter().chain([Button::Contrast]);
        first.chain(sleep).chain(others).collect()
    }

    /// The place before the first button and after the last one is the card's.
    fn move_focus(&mut self, by: isize) {
        let places = self.buttons().len() + 1;
        let at = self.focus.map_or(0, |at| at + 1);
        self.focus = widgets::next_row(Some(at), by, places).checked_sub(1);
    }

    fn press(&mut self, button: Button) -> Option<Outcome> {
        match button {
            Button::Session => {
                self.session = (self.session + 1) % self.sessions.len();
                None
            }
            Button::Contrast => {
                self.contrast = !self.contrast;
                Some(Outcome::Contrast(self.contrast))
            }
            Button::Power(power) => Some(Outcome::Power(power)),
        }
    }

    /// Its keys.
    pub fn intercept(&self, event: &Event) -> Option<Message> {
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
        let back = modifiers.shift();
        match key {
            Key::Named(Named::Tab) => return Some(Message::Focus(if back { -1 } else { 1 })),
            Key::Named(key) if self.focus.is_some() => match key {
                Named::ArrowLeft => return Some(Message::Focus(-1)),
                Named::ArrowRight => return Some(Message::Focus(1)),
                Named::Enter | Named::Space => return (!repeat).then_some(Message::PressChosen),
                Named::Escape | Named::ArrowUp | Named::ArrowDown => return Some(Message::Leave),
                _ => {}
            },
            _ => {}
        }
        if self.stage != Stage::Choosing {
            return entry::intercept(event).map(Message::Entry);
        }
        match key {
            Key::Named(Named::Home) => return Some(Message::Move(isize::MIN)),
            Key::Named(Named::End) => return Some(Message::Move(isize::MAX)),
            _ => {}
        }
        match list_key(key, *modifiers, PAGE) {
            Some(ListKey::Move(by)) => Some(Message::Move(by)),
            Some(ListKey::Enter) => (!repeat).then_some(Message::Take),
            // There is nothing in front of the list.
            Some(ListKey::Escape) => None,
            None if modifiers.control() || modifiers.logo() => None,
            None => text.clone().map(|text| Message::Find(Letters(text))),
        }
    }
}

/// Words of PAM's on one line, with what hides made visible.
fn shown(text: &str) -> String {
    visible(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a question is the one for the password.
fn is_password(question: &str) -> bool {
    let question = question.trim_end_matches([':', ' ']);
    question.eq_ignore_ascii_case("password")
}

#[cfg(test)]
mod tests {
    use iced_core::SmolStr;

    use super::*;

    fn account(name: &str, person: &str) -> Account {
        Account {
            name: name.into(),
            person: person.into(),
        }
    }

    fn sessions(count: usize) -> Vec<Session> {
        let kind = |id: &str| Session {
            id: id.into(),
            name: id.to_uppercase(),
            command: vec![format!("{id}-session"), "--now".into()],
        };
        [kind("argos"), kind("other")]
            .into_iter()
            .take(count)
            .collect()
    }

    /// Ada and Bea, and who was here last.
    fn greeter(last: &str) -> Greeter {
        let people = vec![account("ada", "Ada Lovelace"), account("bea", "Bea")];
        Greeter::new(people, sessions(1), (last, "argos"), false)
    }

    fn types(greeter: &mut Greeter, text: &str) {
        for letter in text.chars() {
            let letter = Letters(SmolStr::new(letter.encode_utf8(&mut [0; 4])));
            let typed = Message::Entry(entry::Message::Typed(letter));
            assert_eq!(greeter.update(typed), None);
        }
    }

    fn enter(greeter: &mut Greeter) -> Option<Outcome> {
        greeter.update(Message::Entry(entry::Message::Submit))
    }

    fn create(name: &str) -> Option<Outcome> {
        let username = name.to_owned();
        Some(Outcome::Ask(Request::CreateSession { username }))
    }

    fn answers(text: &str) -> Option<Outcome> {
        let response = Some(greetd::Secret(crate::pam::Password::new(text.to_owned())));
        let request = Request::PostAuthMessageResponse { response };
        Some(Outcome::Ask(request))
    }

    fn noted() -> Option<Outcome> {
        let request = Request::PostAuthMessageResponse { response: None };
        Some(Outcome::Ask(request))
    }

    fn cancel() -> Option<Outcome> {
        Some(Outcome::Ask(Request::CancelSession))
    }

    fn starts() -> Option<Outcome> {
        let cmd = vec!["argos-session".to_owned(), "--now".to_owned()];
        let env = Vec::new();
        Some(Outcome::Ask(Request::StartSession { cmd, env }))
    }

    fn says(style: Style, text: &str) -> Heard {
        Heard::Response(Response::AuthMessage {
            auth_message_type: style,
            auth_message: text.to_owned(),
        })
    }

    fn success() -> Heard {
        Heard::Response(Response::Success)
    }

    fn refuses(error_type: ErrorType, why: &str) -> Heard {
        Heard::Response(Response::Error {
            error_type,
            description: why.to_owned(),
        })
    }

    fn words(greeter: &Greeter) -> String {
        greeter.words().0
    }

    #[test]
    fn who_was_here_last_types_a_password_and_is_in() {
        let mut greeter = greeter("bea");
        assert_eq!(greeter.proceed(), create("bea"));
        assert_eq!(greeter.proceed(), None, "one thing at a time");
        assert_eq!(greeter.heard(says(Style::Secret, "Password: ")), None);
        types(&mut greeter, "opensesame");
        assert_eq!(enter(&mut greeter), answers("opensesame"));
        assert_eq!(greeter.typed.letters(), 0);
        types(&mut greeter, "more");
        assert_eq!(greeter.typed.letters(), 0, "not while it is looked at");
        assert_eq!(greeter.heard(success()), starts());
        assert_eq!(greeter.last(), ("bea", "argos"));
        assert_eq!(greeter.update(Message::Back), None, "it is too late");
        assert_eq!(greeter.heard(success()), Some(Outcome::End));
    }

    #[test]
    fn a_wrong_password_is_said_and_asked_for_again_at_once() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(says(Style::Secret, "Password: "));
        types(&mut greeter, "guess");
        enter(&mut greeter);
        assert_eq!(
            greeter.heard(refuses(ErrorType::AuthError, "AUTH_ERR")),
            cancel()
        );
        assert_eq!(words(&greeter), tr!("lock-wrong"));
        // What is typed meanwhile is kept, Enter included.
        types(&mut greeter, "right");
        assert_eq!(enter(&mut greeter), None);
        assert_eq!(greeter.heard(success()), create("ada"));
        assert_eq!(
            greeter.heard(says(Style::Secret, "Password: ")),
            answers("right")
        );
        assert_eq!(greeter.heard(success()), starts());
    }

    #[test]
    fn whatever_pam_asks_is_asked_one_after_the_other() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        assert_eq!(greeter.heard(says(Style::Info, "Two\nquestions.")), noted());
        assert_eq!(greeter.heard(says(Style::Error, "Really.")), noted());
        assert_eq!(greeter.heard(says(Style::Visible, "Shoe size: ")), None);
        assert_eq!(words(&greeter), "Two questions. Really.");
        types(&mut greeter, "39");
        assert!(greeter.field().plain);
        assert_eq!(enter(&mut greeter), answers("39"));
        assert_eq!(greeter.heard(says(Style::Secret, "Code: ")), None);
        assert_eq!(words(&greeter), "", "what was told was about before");
        assert!(!greeter.field().plain);
        assert_eq!(greeter.field().hint, "Code:");
        types(&mut greeter, "1");
        assert_eq!(enter(&mut greeter), answers("1"));
        assert_eq!(greeter.heard(refuses(ErrorType::AuthError, "no")), cancel());
        assert_eq!(words(&greeter), tr!("greeter-wrong"), "no password it was");
        greeter.heard(success());
        // What PAM tells of it stands beside.
        assert_eq!(greeter.heard(says(Style::Info, "One try left.")), noted());
        assert!(words(&greeter).contains("One try left."));
        assert!(words(&greeter).contains(&tr!("greeter-wrong")));
    }

    #[test]
    fn without_a_password_nobody_is_let_in_until_enter_is_pressed() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        assert_eq!(greeter.heard(success()), None);
        assert_eq!(words(&greeter), tr!("lock-no-password"));
        types(&mut greeter, "x");
        assert_eq!(enter(&mut greeter), starts());
    }

    #[test]
    fn what_was_typed_ahead_is_no_answer_to_a_question_that_shows_it() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        types(&mut greeter, "secret");
        enter(&mut greeter);
        assert_eq!(greeter.heard(says(Style::Visible, "Name: ")), None);
        assert_eq!(greeter.typed.letters(), 0);
    }

    #[test]
    fn nothing_is_an_answer_only_when_it_is_meant() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(says(Style::Secret, "Password: "));
        assert_eq!(enter(&mut greeter), None);
        assert_eq!(words(&greeter), tr!("lock-type-first"));
        assert_eq!(enter(&mut greeter), answers(""));
    }

    #[test]
    fn going_to_somebody_else_ends_what_was_begun() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        // While greetd has the word it is not interrupted, and what it says is about nobody.
        assert_eq!(greeter.update(Message::Back), None);
        assert_eq!(greeter.update(Message::Move(1)), None);
        assert_eq!(greeter.update(Message::Take), None);
        assert_eq!(greeter.heard(says(Style::Secret, "Password: ")), cancel());
        assert_eq!(greeter.heard(success()), create("bea"));
        greeter.heard(says(Style::Secret, "Password: "));
        // While it waits it is told at once.
        assert_eq!(greeter.update(Message::Back), cancel());
        assert_eq!(greeter.update(Message::Pick(1)), None);
        assert_eq!(greeter.heard(success()), create("bea"));
        // Back and there again before greetd says a word: it is the same conversation.
        greeter.update(Message::Back);
        greeter.update(Message::Pick(1));
        assert_eq!(greeter.heard(says(Style::Secret, "Password: ")), None);
        types(&mut greeter, "b");
        assert_eq!(enter(&mut greeter), answers("b"));
    }

    #[test]
    fn a_success_for_somebody_else_logs_nobody_in() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(says(Style::Secret, "Password: "));
        types(&mut greeter, "a");
        enter(&mut greeter);
        greeter.update(Message::Back);
        greeter.update(Message::Pick(1));
        assert_eq!(greeter.heard(success()), cancel(), "it was ada's");
        assert_eq!(greeter.heard(success()), create("bea"));
        assert_eq!(greeter.heard(success()), None, "bea has no password");
        assert_eq!(greeter.last(), ("bea", "argos"));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_not_tried_again_by_itself() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        let why = "ACCT_EXPIRED";
        // An answer nobody gave cannot be wrong.
        for kind in [ErrorType::Error, ErrorType::AuthError] {
            assert_eq!(greeter.heard(refuses(kind, why)), cancel());
            assert!(words(&greeter).contains(why), "{}", words(&greeter));
            assert_eq!(greeter.heard(success()), None, "{kind:?}");
            assert_eq!(enter(&mut greeter), create("ada"));
        }
        // Nor does it begin where the session cannot.
        assert_eq!(greeter.heard(success()), None);
        enter(&mut greeter);
        assert_eq!(
            greeter.heard(refuses(ErrorType::Error, "no seat")),
            cancel()
        );
        assert!(words(&greeter).contains("no seat"));
        // Even cancelling may fail: it is over all the same.
        assert_eq!(greeter.heard(refuses(ErrorType::Error, "what?")), None);
        assert_eq!(enter(&mut greeter), create("ada"));
    }

    #[test]
    fn without_greetd_that_is_said_and_nothing_is_asked() {
        for asked in [false, true] {
            let mut greeter = greeter("ada");
            greeter.proceed();
            greeter.heard(says(Style::Secret, "Password: "));
            types(&mut greeter, "secret");
            if asked {
                enter(&mut greeter);
            }
            assert_eq!(greeter.heard(Heard::Gone("it fell".into())), None);
            assert!(greeter.is_gone());
            assert!(words(&greeter).contains("it fell"));
            assert_eq!(greeter.typed.letters(), 0);
            assert_eq!(enter(&mut greeter), None);
            assert_eq!(greeter.update(Message::Back), None);
            assert_eq!(greeter.proceed(), None);
        }
        // What it says unasked is not listened to.
        let mut greeter = greeter("");
        assert_eq!(greeter.heard(success()), None);
        assert!(greeter.is_gone());
    }

    #[test]
    fn a_greetd_that_ends_once_it_was_told_to_start_is_no_fault() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(success());
        enter(&mut greeter);
        let end = greeter.heard(Heard::Gone("closed".into()));
        assert_eq!(end, Some(Outcome::End));
    }

    #[test]
    fn anybody_can_be_named() {
        let mut greeter = greeter("");
        assert_eq!(greeter.proceed(), None, "nobody was here");
        greeter.update(Message::Move(isize::MAX));
        assert_eq!(greeter.update(Message::Take), None);
        assert_eq!(enter(&mut greeter), None, "no name, nobody");
        types(&mut greeter, "root ");
        assert_eq!(enter(&mut greeter), create("root"));
        // Named by hand, people have their names.
        greeter.update(Message::Back);
        greeter.heard(success());
        greeter.update(Message::Pick(9));
        types(&mut greeter, "ada");
        enter(&mut greeter);
        let person = greeter
            .wanted
            .as_ref()
            .map(|account| account.person.as_str());
        assert_eq!(person, Some("Ada Lovelace"));
    }

    #[test]
    fn it_begins_with_whom_it_is_likely_to_be() {
        let new = |people: Vec<Account>, last| Greeter::new(people, sessions(1), (last, ""), false);
        let one = || vec![account("ada", "Ada")];
        assert_eq!(
            new(one(), "").proceed(),
            create("ada"),
            "there is nobody else"
        );
        assert_eq!(
            new(one(), "far").proceed(),
            create("far"),
            "known elsewhere"
        );
        let nobody = new(Vec::new(), "");
        assert_eq!(nobody.stage, Stage::Naming);
        let mut nobody = nobody;
        assert_eq!(nobody.update(Message::Back), None);
        assert_eq!(nobody.stage, Stage::Naming, "no list of nobody");
    }

    #[test]
    fn the_list_is_gone_over_by_keys_and_letters() {
        let mut greeter = greeter("");
        let rows = |greeter: &mut Greeter, by| {
            greeter.update(Message::Move(by));
            greeter.chosen_row()
        };
        assert_eq!(rows(&mut greeter, -1), Some(2), "around the end");
        assert_eq!(rows(&mut greeter, 1), Some(0));
        assert_eq!(rows(&mut greeter, PAGE), Some(2));
        assert_eq!(rows(&mut greeter, isize::MIN), Some(0));
        greeter.update(Message::Find(Letters("B".into())));
        assert_eq!(greeter.chosen_row(), Some(1));
        greeter.update(Message::Find(Letters("x".into())));
        assert_eq!(greeter.chosen_row(), Some(1));
        let mut nobody = Greeter::new(Vec::new(), sessions(1), ("", ""), false);
        nobody.update(Message::Find(Letters("x".into())));
    }

    #[test]
    fn tab_goes_over_the_buttons_and_back() {
        let people = vec![account("ada", "Ada"), account("bea", "Bea")];
        let mut greeter = Greeter::new(people, sessions(2), ("", "other"), false);
        greeter.set_can_sleep(true);
        let mut pressed = Vec::new();
        for _ in 0..5 {
            greeter.update(Message::Focus(1));
            pressed.push(greeter.update(Message::PressChosen));
        }
        let power = |power| Some(Outcome::Power(power));
        assert_eq!(
            pressed,
            [
                None,
                Some(Outcome::Contrast(true)),
                power(Power::Sleep),
                power(Power::Restart),
                power(Power::Off)
            ]
        );
        assert_eq!(greeter.last().1, "argos", "the session after the last one");
        greeter.update(Message::Focus(1));
        assert_eq!(greeter.update(Message::PressChosen), None);
        greeter.update(Message::Focus(-1));
        assert_eq!(
            greeter.update(Message::PressChosen),
            power(Power::Off),
            "the other way round"
        );
        // Whoever types is back at the field.
        greeter.update(Message::Pick(0));
        types(&mut greeter, "a");
        assert_eq!(greeter.update(Message::PressChosen), None);
    }

    #[test]
    fn escape_takes_back_what_is_typed_and_then_whom_it_is_for() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(says(Style::Secret, "Password: "));
        types(&mut greeter, "x");
        let clear = || Message::Entry(entry::Message::Clear);
        assert_eq!(greeter.update(clear()), None);
        assert_eq!(greeter.typed.letters(), 0);
        assert_eq!(greeter.update(clear()), cancel());
        assert_eq!(greeter.chosen_row(), Some(0));
    }

    #[test]
    fn nothing_that_is_printed_has_what_was_typed() {
        let mut greeter = greeter("ada");
        greeter.proceed();
        greeter.heard(says(Style::Secret, "Password: "));
        types(&mut greeter, "hunter2");
        let printed = format!("{greeter:?}");
        assert!(!printed.contains("hunter"), "{printed}");
        let printed = format!("{:?}", enter(&mut greeter));
        assert!(!printed.contains("hunter"), "{printed}");
    }
}
