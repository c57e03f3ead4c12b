//! The permissions page's third part: what would happen if an agent wanted something, and deciding
//! it before it does.
//!
//! What is decided is the resource as the broker has shown it back, links followed and hosts in
//! their one form, and never what was typed. Nothing can be decided before the broker has answered
//! to what stands there now.

use std::time::Instant;

use argos_bus::permissions::Explanation;
use iced_core::keyboard::{Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, Length, Padding};
use iced_widget::{column, container, row, space};

use super::permissions::{SURE, verb};
use crate::fonts;
use crate::host::Element;
use crate::theme::{GAP, HUGE, Palette, SMALL, TEXT, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::visible::{in_order, mixes_scripts, visible};
use crate::widgets::{self, Kind};

/// The text input's name.
pub const INPUT: &str = "permissions-input";

const HOUR_MS: u64 = 3_600_000;
/// Width of the words before each row.
const TITLES: f32 = 92.0;
/// Between two things to press.
const BETWEEN: f32 = TIGHT + 2.0;

/// Every action of the broker.
const ACTIONS: [&str; 6] = ["read", "write", "launch", "control", "network", "message"];

/// How long a decision can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Session,
    Hour,
    Day,
    Always,
}

const LASTS: [Lasts; 4] = [Lasts::Session, Lasts::Hour, Lasts::Day, Lasts::Always];

impl Lasts {
    fn title(self) -> String {
        match self {
            Self::Session => tr!("ahead-session"),
            Self::Hour => tr!("ahead-hour"),
            Self::Day => tr!("ahead-day"),
            Self::Always => tr!("lasts-always"),
        }
    }

    /// As the broker takes it: the scope, and when it is over (0: never).
    fn from(self, now_ms: u64) -> (&'static str, u64) {
        match self {
            Self::Session => ("session", 0),
            Self::Hour => ("always", now_ms.saturating_add(HOUR_MS)),
            Self::Day => ("always", now_ms.saturating_add(24 * HOUR_MS)),
            Self::Always => ("always", 0),
        }
    }
}

/// The rows, from the top; the keyboard is on one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Row {
    /// Which agent.
    Agent,
    /// What it wants to do.
    Action,
    /// To what.
    #[default]
    Resource,
    /// For how long.
    Lasts,
    /// It may.
    Allow,
    /// It may not.
    Refuse,
}

const ROWS: [Row; 6] = [
    Row::Agent,
    Row::Action,
    Row::Resource,
    Row::Lasts,
    Row::Allow,
    Row::Refuse,
];

/// What the broker is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Answers to older ones are not shown.
    pub number: u64,
    /// Agent's name.
    pub agent: String,
    /// Action.
    pub action: &'static str,
    /// Resource as it was typed, but for a `~` at its beginning.
    pub resource: String,
}

/// What the broker is to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Agent's name.
    pub agent: String,
    /// Action.
    pub action: String,
    /// Resource as the broker has shown it.
    pub resource: String,
    /// `allow` or `deny`.
    pub verdict: &'static str,
    /// `session` or `always`.
    pub scope: &'static str,
    /// When it is over; 0 for never.
    pub expires_ms: u64,
}

/// What a person does here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The resource changed.
    Typed(String),
    /// The row below or above.
    Move(isize),
    /// The next or the one before in this row.
    Turn(isize),
    /// This one of a row.
    Pick(Row, usize),
    /// Press the button that the keyboard is on.
    Activate,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    None,
    /// Ask the broker this.
    Ask(Question),
    /// Have the broker remember this.
    Grant(Wish),
}

/// The form.
#[derive(Debug, Default)]
pub struct Ahead {
    /// Names and titles.
    agents: Vec<(String, String)>,
    agent: usize,
    action: usize,
    resource: String,
    lasts: usize,
    row: Row,
    number: u64,
    /// The broker's answer to what stands here now.
    said: Option<Result<Explanation, String>>,
    /// The button that was pressed once, and until when that counts.
    sure: Option<(Row, Instant)>,
}

impl Ahead {
    /// Begins anew with these agents, by name and title.
    pub fn open(&mut self, agents: Vec<(String, String)>) {
        *self = Self {
            agents,
            lasts: LASTS.len() - 1,
            // What is still on its way to the form before is no answer to this one.
            number: self.number,
            ..Self::default()
        };
    }

    /// The broker's answer to the question of that number.
    pub fn answered(&mut self, number: u64, said: Result<Explanation, String>) {
        if number == self.number {
            self.said = Some(said);
        }
    }

    /// When what is shown changes by itself next.
    pub fn deadline(&self) -> Option<Instant> {
        self.sure.map(|(_, until)| until)
    }

    /// Forgets a first press that came to nothing.
    pub fn expire(&mut self, now: Instant) {
        self.sure = self.sure.filter(|(_, until)| *until > now);
    }

    /// Something was done. `now_ms` is the time since 1970.
    pub fn update(&mut self, message: Message, now: Instant, now_ms: u64) -> Outcome {
        self.expire(now);
        match message {
            Message::Typed(text) => {
                self.row = Row::Resource;
                self.resource = text;
                self.ask()
            }
            Message::Move(by) => {
                let at = ROWS.iter().position(|row| *row == self.row).unwrap_or(0);
                let next = at.saturating_add_signed(by).min(ROWS.len() - 1);
                self.row = ROWS[next];
                Outcome::None
            }
            Message::Turn(by) => match (self.count(self.row), self.chosen(self.row)) {
                (count @ 1.., Some(at)) => {
                    let next = (at as isize + by).rem_euclid(count as isize) as usize;
                    self.pick(self.row, next)
                }
                // From one button to the other.
                _ if self.row == Row::Allow => self.to(Row::Refuse),
                _ if self.row == Row::Refuse => self.to(Row::Allow),
                _ => Outcome::None,
            },
            Message::Pick(row, at) if row == Row::Allow || row == Row::Refuse => {
                let _ = at;
                self.press(row, now, now_ms)
            }
            Message::Pick(row, at) => self.pick(row, at),
            Message::Activate => match self.row {
                row @ (Row::Allow | Row::Refuse) => self.press(row, now, now_ms),
                _ => self.update(Message::Move(1), now, now_ms),
            },
        }
    }

    fn to(&mut self, row: Row) -> Outcome {
        self.row = row;
        Outcome::None
    }

    fn count(&self, row: Row) -> usize {
        match row {
            Row::Agent => self.agents.len(),
            Row::Action => ACTIONS.len(),
            Row::Lasts => LASTS.len(),
            Row::Resource | Row::Allow | Row::Refuse => 0,
        }
    }

    fn chosen(&self, row: Row) -> Option<usize> {
        match row {
            Row::Agent => Some(self.agent),
            Row::Action => Some(self.action),
            Row::Lasts => Some(self.lasts),
            Row::Resource | Row::Allow | Row::Refuse => None,
        }
    }

    fn pick(&mut self, row: Row, at: usize) -> Outcome {
        self.row = row;
        match row {
            Row::Agent => self.agent = at,
            Row::Action => self.action = at,
            Row::Lasts => {
                self.lasts = at;
                self.sure = None;
                return Outcome::None;
            }
            Row::Resource | Row::Allow | Row::Refuse => return Outcome::None,
        }
        self.ask()
    }

    /// What stands here has changed: the answer before is none any more.
    fn ask(&mut self) -> Outcome {
        self.said = None;
        self.sure = None;
        self.number += 1;
        let resource = self.resource.trim();
        let Some((agent, _)) = self.agents.get(self.agent).filter(|_| !resource.is_empty()) else {
            return Outcome::None;
        };
        let action = ACTIONS[self.action];
        Outcome::Ask(Question {
            number: self.number,
            agent: agent.clone(),
            action,
            resource: match action {
                "read" | "write" => at_home(resource, std::env::var("HOME").ok().as_deref()),
                _ => resource.to_owned(),
            },
        })
    }

    fn press(&mut self, row: Row, now: Instant, now_ms: u64) -> Outcome {
        self.row = row;
        let Some(Ok(said)) = &self.said else {
            return Outcome::None;
        };
        if self.sure.take().is_none_or(|(sure, _)| sure != row) {
            self.sure = Some((row, now + SURE));
            return Outcome::None;
        }
        let (scope, expires_ms) = LASTS[self.lasts].from(now_ms);
        Outcome::Grant(Wish {
            agent: said.agent.clone(),
            action: said.action.clone(),
            resource: said.resource.clone(),
            verdict: if row == Row::Allow { "allow" } else { "deny" },
            scope,
            expires_ms,
        })
    }

    /// Its keys. Letters go to the input.
    pub fn intercept(&self, key: &Key, repeat: bool) -> Option<Message> {
        match key {
            Key::Named(Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp) => Some(Message::Move(-1)),
            // The input's own, while the keyboard is on it.
            Key::Named(Named::ArrowLeft) if self.row != Row::Resource => Some(Message::Turn(-1)),
            Key::Named(Named::ArrowRight) if self.row != Row::Resource => Some(Message::Turn(1)),
            // A held key presses once.
            Key::Named(Named::Enter) if !repeat => Some(Message::Activate),
            _ => None,
        }
    }

    /// The form's widgets.
    pub fn view<'a>(&'a self, list: &'static str, palette: &Palette) -> Element<'a, Message> {
        let agents = self
            .agents
            .iter()
            .map(|(_, title)| widgets::shortened(&visible(title), 32));
        let actions = ACTIONS.iter().map(|action| verb(action));
        let lasts = LASTS.iter().map(|lasts| lasts.title());
        // What its resources look like.
        let example = tr!("ahead-example", action = ACTIONS[self.action]);
        let input = widgets::field(&example, &self.resource, TEXT, palette)
            .id(INPUT)
            .font(fonts::MONO)
            .on_input(Message::Typed);
        let ground = if self.row == Row::Resource {
            palette.hover
        } else {
            palette.raised
        };
        let input = widgets::raised(input, ground, HUGE / 3.0)
            .padding(Padding::from([SMALL, GAP]))
            .width(Length::Fill);
        let form = column![
            self.line(
                tr!("ahead-agent"),
                self.chips(Row::Agent, agents, palette),
                palette
            ),
            self.line(
                tr!("ahead-may"),
                self.chips(Row::Action, actions, palette),
                palette
            ),
            self.line(tr!("ahead-this"), input.into(), palette),
            self.answer(palette),
            self.line(
                tr!("ahead-for"),
                self.chips(Row::Lasts, lasts, palette),
                palette
            ),
            self.buttons(palette),
        ]
        .spacing(GAP)
        .padding(Padding::from([SMALL, GAP - 2.0]));
        widgets::list(column![form], list, palette)
    }

    fn line<'a>(
        &'a self,
        title: String,
        content: Element<'a, Message>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        row![
            container(widgets::label(title, TEXT, palette.text_dim)).width(TITLES),
            content
        ]
        .align_y(Alignment::Center)
        .into()
    }

    fn chips<'a>(
        &'a self,
        of: Row,
        titles: impl Iterator<Item = String>,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let chosen = self.chosen(of);
        let chip = |(at, title): (usize, String)| {
            let (kind, ink) = match (chosen == Some(at), self.row == of) {
                (true, true) => (Kind::Primary, palette.accent_text),
                (true, false) => (Kind::Chosen, palette.text),
                (false, _) => (Kind::Raised, palette.text_dim),
            };
            widgets::press(widgets::label(title, TEXT_SMALL, ink), kind, palette)
                .padding(Padding::from([TIGHT + 1.0, GAP]))
                .on_press(Message::Pick(of, at))
                .into()
        };
        let chips: Vec<Element<'a, Message>> = titles.enumerate().map(chip).collect();
        if chips.is_empty() {
            return widgets::label(tr!("ahead-no-agent"), TEXT, palette.text_dim).into();
        }
        row(chips)
            .spacing(BETWEEN)
            .width(Length::Fill)
            .wrap()
            .vertical_spacing(BETWEEN)
            .into()
    }

    fn answer<'a>(&'a self, palette: &Palette) -> Element<'a, Message> {
        let words: Element<'a, Message> = match &self.said {
            None if self.resource.trim().is_empty() => {
                let words = tr!("ahead-empty");
                widgets::label(words, TEXT_SMALL, palette.text_dim).into()
            }
            None => widgets::label("…", TEXT_SMALL, palette.text_dim).into(),
            Some(Err(why)) => widgets::label(visible(why), TEXT_SMALL, palette.bad).into(),
            Some(Ok(said)) => explained(said, palette),
        };
        row![space().width(TITLES), container(words).width(Length::Fill)].into()
    }

    fn buttons<'a>(&'a self, palette: &Palette) -> Element<'a, Message> {
        let can = matches!(self.said, Some(Ok(_)));
        let button = |row, title, ink| {
            let sure = self.sure.is_some_and(|(sure, _)| sure == row);
            let (title, kind, ink) = match sure {
                true => (tr!("sure"), Kind::Primary, palette.accent_text),
                false if self.row == row => (title, Kind::Chosen, ink),
                false => (title, Kind::Raised, ink),
            };
            let ink = if can { ink } else { palette.text_dim };
            widgets::press(
                widgets::label(title, TEXT, ink).font(fonts::UI_MEDIUM),
                kind,
                palette,
            )
            .on_press_maybe(can.then_some(Message::Pick(row, 0)))
        };
        row![
            space().width(TITLES - BETWEEN),
            button(Row::Allow, tr!("ahead-allow"), palette.good),
            button(Row::Refuse, tr!("ahead-refuse"), palette.bad),
        ]
        .spacing(BETWEEN)
        .into()
    }
}

/// The broker's answer: what is meant, what was said about it, and what each tool would do.
fn explained<'a>(said: &'a Explanation, palette: &Palette) -> Element<'a, Message> {
    let color = match said.verdict.as_str() {
        "allow" => palette.good,
        "deny" => palette.bad,
        _ => palette.warn,
    };
    let reason = row![
        widgets::dot(8.0, color),
        widgets::label(in_order(&visible(&said.reason)), TEXT_SMALL, palette.text),
    ]
    .spacing(SMALL)
    .align_y(Alignment::Center);
    // Whole: it is what is decided.
    let exact = widgets::label(in_order(&visible(&said.resource)), TEXT_SMALL, palette.text)
        .font(fonts::MONO)
        .wrapping(Wrapping::Glyph)
        .width(Length::Fill);
    let mut shown = column![exact].spacing(TIGHT + 2.0);
    if mixes_scripts(&said.resource) {
        shown = shown.push(widgets::label(
            tr!("mixed-scripts"),
            TEXT_SMALL,
            palette.warn,
        ));
    }
    let tools = said.tools.iter().map(|(tool, outcome)| {
        let (color, what) = match outcome.as_str() {
            "allow" => (palette.good, tr!("ahead-goes")),
            "deny" => (palette.bad, tr!("ahead-refused")),
            "confirm" => (palette.warn, tr!("ahead-asks-always")),
            _ => (palette.warn, tr!("ahead-asks")),
        };
        row![
            widgets::label(visible(tool), TEXT_SMALL, palette.text).font(fonts::MONO),
            widgets::label(what, TEXT_SMALL, color),
        ]
        .spacing(SMALL)
        .into()
    });
    let tools = row(tools).spacing(WIDE).width(Length::Fill);
    shown
        .push(reason)
        .push(tools.wrap().vertical_spacing(TIGHT))
        .into()
}

/// A path as people write it, with the home folder for a `~`.
fn at_home(path: &str, home: Option<&str>) -> String {
    match (path.strip_prefix('~'), home) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000;

    fn form() -> (Ahead, Instant) {
        let mut form = Ahead::default();
        form.open(vec![
            ("steward".into(), "Steward".into()),
            ("clerk".into(), "Clerk".into()),
        ]);
        (form, Instant::now())
    }

    fn explanation(resource: &str) -> Explanation {
        Explanation {
            agent: "steward".into(),
            agent_hash: "h".into(),
            action: "read".into(),
            resource: resource.into(),
            verdict: "nothing".into(),
            grant: 0,
            reason: "nothing was said about it".into(),
            tools: vec![("files.list".into(), "ask".into())],
        }
    }

    fn question(outcome: Outcome) -> Question {
        match outcome {
            Outcome::Ask(question) => question,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_broker_showed_is_granted_by_the_second_press() {
        let (mut form, now) = form();
        let typed = Message::Typed("/link".into());
        let asked = question(form.update(typed, now, NOW_MS));
        assert_eq!((asked.agent.as_str(), asked.action), ("steward", "read"));
        let allow = Message::Pick(Row::Allow, 0);
        // Nothing was answered yet.
        for _ in 0..2 {
            assert_eq!(form.update(allow.clone(), now, NOW_MS), Outcome::None);
        }
        form.answered(asked.number, Ok(explanation("/where/it/leads")));
        assert_eq!(form.update(allow.clone(), now, NOW_MS), Outcome::None);
        let refuse = Message::Pick(Row::Refuse, 0);
        assert_eq!(form.update(refuse, now, NOW_MS), Outcome::None, "another");
        assert_eq!(form.update(allow.clone(), now, NOW_MS), Outcome::None);
        let wish = Wish {
            agent: "steward".into(),
            action: "read".into(),
            resource: "/where/it/leads".into(),
            verdict: "allow",
            scope: "always",
            expires_ms: 0,
        };
        assert_eq!(form.update(allow, now, NOW_MS), Outcome::Grant(wish));
    }

    #[test]
    fn an_answer_to_something_else_decides_nothing() {
        let (mut form, now) = form();
        let first = question(form.update(Message::Typed("/a".into()), now, NOW_MS));
        let second = question(form.update(Message::Typed("/ab".into()), now, NOW_MS));
        form.answered(first.number, Ok(explanation("/a")));
        assert_eq!(form.said, None);
        form.answered(second.number, Ok(explanation("/ab")));
        let allow = Message::Pick(Row::Allow, 0);
        form.update(allow.clone(), now, NOW_MS);
        // One press, then another agent: the press is forgotten, and so is the answer.
        let third = question(form.update(Message::Pick(Row::Agent, 1), now, NOW_MS));
        assert_eq!(third.agent, "clerk");
        assert_eq!(form.update(allow.clone(), now, NOW_MS), Outcome::None);
        form.answered(third.number, Err("there is no agent".into()));
        for _ in 0..2 {
            assert_eq!(form.update(allow.clone(), now, NOW_MS), Outcome::None);
        }
        // Nor does one to the form before.
        form.open(vec![("steward".into(), "Steward".into())]);
        form.answered(third.number, Ok(explanation("/ab")));
        assert!(form.resource.is_empty());
        form.update(Message::Typed("/b".into()), now, NOW_MS);
        form.answered(third.number, Ok(explanation("/ab")));
        assert_eq!(form.said, None);
    }

    #[test]
    fn a_late_second_press_is_a_first_one() {
        let (mut form, now) = form();
        let asked = question(form.update(Message::Typed("/a".into()), now, NOW_MS));
        form.answered(asked.number, Ok(explanation("/a")));
        let refuse = Message::Pick(Row::Refuse, 0);
        form.update(refuse.clone(), now, NOW_MS);
        assert_eq!(form.deadline(), Some(now + SURE));
        assert_eq!(form.update(refuse, now + SURE, NOW_MS), Outcome::None);
    }

    #[test]
    fn the_keyboard_reaches_everything() {
        let (mut form, now) = form();
        let asked = question(form.update(Message::Typed("/a".into()), now, NOW_MS));
        form.answered(asked.number, Ok(explanation("/a")));
        let key = |form: &mut Ahead, name| {
            let message = form.intercept(&Key::Named(name), false);
            message.map_or(Outcome::None, |m| form.update(m, now, NOW_MS))
        };
        // In the input they move the cursor.
        assert_eq!(
            form.intercept(&Key::Named(Named::ArrowLeft), false),
            None,
            "in the input"
        );
        key(&mut form, Named::ArrowUp);
        let asked = question(key(&mut form, Named::ArrowLeft));
        assert_eq!(asked.action, "message", "round the end");
        let asked = question(key(&mut form, Named::ArrowRight));
        assert_eq!(asked.action, "read");
        form.answered(asked.number, Ok(explanation("/a")));
        for _ in 0..2 {
            key(&mut form, Named::ArrowDown);
        }
        key(&mut form, Named::ArrowLeft);
        key(&mut form, Named::Enter);
        key(&mut form, Named::ArrowRight);
        assert_eq!(form.row, Row::Refuse);
        key(&mut form, Named::Enter);
        assert_eq!(form.intercept(&Key::Named(Named::Enter), true), None);
        match key(&mut form, Named::Enter) {
            Outcome::Grant(wish) => {
                assert_eq!((wish.verdict, wish.scope), ("deny", "always"));
                assert_eq!(wish.expires_ms, NOW_MS + 24 * HOUR_MS);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn home_is_where_a_shell_has_it() {
        let home = Some("/home/ada");
        assert_eq!(at_home("~", home), "/home/ada");
        assert_eq!(at_home("~/x", home), "/home/ada/x");
        assert_eq!(at_home("~bob/x", home), "~bob/x");
        assert_eq!(at_home("/~/x", home), "/~/x");
        assert_eq!(at_home("~/x", None), "~/x");
    }
}
