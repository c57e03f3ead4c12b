//! The permission prompt: what an agent wants, exactly, and the person's answer.
//!
//! States of the question in front: *new* (not on screen yet) → *shown* (on screen; keys and
//! clicks are ignored for [`GUARD`], so that nobody answers what appeared under their hands) →
//! *armed* (takes an answer) → answered, expired, or closed by the broker; then the next question
//! in the queue is new. The guard begins when the compositor has shown the frame, not when it was
//! drawn, and again whenever something under the pointer may have moved: another size, another output,
//! a line that came up. No answer is a no; so is Escape.
//!
//! An agent that asks much is one question with a count, and one button that denies all of them. The
//! room for that button is always there, so that nothing moves when it comes.
//!
//! Everything that comes from the agent's side is shown with hidden characters made visible
//! ([`crate::visible`]), the resource in a fixed-width font and in full.

use std::time::{Duration, Instant};

use argos_bus::permissions::Request;
use iced_core::alignment::Vertical;
use iced_core::keyboard::{self, Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, Background, Border, Event, Length, Padding, Size};
use iced_widget::{Row, button, column, container, rich_text, row, scrollable, space, span};

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, ROUND, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE};
use crate::visible::{in_order, mixes_scripts, visible};
use crate::widgets::{self, Kind};
use crate::{l10n, tr};

/// How long a question must be on screen before it takes an answer.
pub const GUARD: Duration = Duration::from_millis(500);
/// The smallest screen on which a question has room, in logical pixels.
pub const LEAST: Size = Size::new(600.0, 530.0);
/// The longest name, tool or sentence that is shown, in characters. A resource is never cut.
const LONGEST: usize = 300;
/// Height of the row with the button that denies all, in logical pixels.
const ALL_OF_THESE: f32 = 36.0;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// No, this time.
    Deny,
    /// No, also in future.
    Never,
    /// Yes, this time.
    Once,
    /// Yes, until the session ends.
    Session,
    /// Yes, also in future.
    Always,
}

impl Decision {
    /// The word the broker knows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Never => "never",
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
        }
    }

    /// Label, split around the letter that answers with Alt.
    fn label(self) -> [String; 3] {
        l10n::mnemonic(&match self {
            Self::Deny => tr!("permission-deny"),
            Self::Never => tr!("permission-never"),
            Self::Once => tr!("permission-once"),
            Self::Session => tr!("permission-session"),
            Self::Always => tr!("permission-always"),
        })
    }

    fn by_letter(letter: char) -> Option<Self> {
        const ALL: [Decision; 5] = [
            Decision::Deny,
            Decision::Never,
            Decision::Once,
            Decision::Session,
            Decision::Always,
        ];
        ALL.into_iter()
            .find(|decision| answers(&decision.label(), letter))
    }
}

/// The label of the button that denies all, split around its letter.
fn deny_all() -> [String; 3] {
    l10n::mnemonic(&tr!("permission-deny-all"))
}

/// Whether Alt with this letter presses the button of that label.
fn answers(label: &[String; 3], letter: char) -> bool {
    let lower = letter.to_lowercase();
    label[1].to_lowercase().chars().eq(lower)
}

/// The prompt's state.
#[derive(Debug, Default)]
pub struct Permission {
    /// Questions, the one in front first.
    queue: Vec<Request>,
    /// When the one in front came on screen.
    shown: Option<Instant>,
    /// Whether any frame is on screen, so that a following question is seen at once.
    visible: bool,
    /// The button the keyboard is on.
    selected: usize,
    /// Seconds until the one in front expires, as last counted.
    left: u64,
    /// Why the last answer did not get through, or empty.
    problem: String,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Go to the next or previous button.
    Move(isize),
    /// Press the button the keyboard is on.
    Activate,
    /// Answer.
    Decide(Decision),
    /// Deny every question of this agent.
    DenyAll,
}

/// What is to be told to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The answer to the question of this number.
    Answer(u64, Decision),
    /// No to every question of this agent.
    DenyAll(String),
}

impl Permission {
    /// Whether there is a question.
    pub fn is_asking(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A question to be answered. `now_ms` is the wall clock.
    pub fn ask(&mut self, request: Request, now: Instant, now_ms: u64) {
        if self.queue.iter().any(|known| known.id == request.id) || request.expires_ms <= now_ms {
            return;
        }
        self.queue.push(request);
        if self.queue.len() == 1 {
            self.begin(now, now_ms);
        }
    }

    /// A question was closed elsewhere.
    pub fn resolved(&mut self, id: u64, now: Instant, now_ms: u64) {
        let front = self.queue.first().map(|request| request.id);
        self.queue.retain(|request| request.id != id);
        if front == Some(id) {
            self.begin(now, now_ms);
        }
    }

    /// The broker went away, and its questions with it.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.visible = false;
        self.shown = None;
    }

    /// An answer did not get through. The line that says so moves the buttons.
    pub fn failed(&mut self, why: String, now: Instant) {
        self.problem = why;
        self.shown = self.shown.and(Some(now));
    }

    /// What is on screen is not where it will be; [`Self::on_screen`] says when it is again.
    pub fn moves(&mut self) {
        self.visible = false;
        self.shown = None;
    }

    /// How many questions of the agent in front wait.
    fn theirs(&self) -> usize {
        let of_front = |agent: &str| self.queue.iter().filter(|r| r.agent == agent).count();
        self.queue.first().map_or(0, |front| of_front(&front.agent))
    }

    fn begin(&mut self, now: Instant, now_ms: u64) {
        self.selected = 0;
        self.problem.clear();
        if self.queue.is_empty() {
            self.visible = false;
        }
        self.shown = self.visible.then_some(now);
        self.count_down(now_ms);
    }

    /// The compositor has shown the prompt, for the first time or in a new place.
    pub fn on_screen(&mut self, now: Instant) {
        if self.is_asking() {
            self.visible = true;
            self.shown = Some(now);
        }
    }

    /// Whether an answer counts now.
    pub fn is_armed(&self, now: Instant) -> bool {
        self.shown
            .is_some_and(|shown| now.duration_since(shown) >= GUARD)
    }

    /// Counts down, and drops what expired (the broker says no by itself).
    pub fn count_down(&mut self, now_ms: u64) {
        if let Some(request) = self.queue.first() {
            self.left = request.expires_ms.saturating_sub(now_ms).div_ceil(1000);
        }
    }

    /// Drops the questions that expired.
    pub fn expire(&mut self, now: Instant, now_ms: u64) {
        let front = self.queue.first().map(|request| request.id);
        self.queue.retain(|request| request.expires_ms > now_ms);
        if front.is_some() && self.queue.first().map(|request| request.id) != front {
            self.begin(now, now_ms);
        }
        self.count_down(now_ms);
    }

    /// When what is shown changes by itself next: armed, or a second less.
    pub fn deadline(&self, now: Instant, now_ms: u64) -> Option<Instant> {
        let request = self.queue.first()?;
        let arms = self.shown.map(|shown| shown + GUARD).filter(|at| *at > now);
        let second = request.expires_ms.saturating_sub(now_ms) % 1000;
        let ticks = now + Duration::from_millis(second.max(1));
        Some(arms.map_or(ticks, |at| at.min(ticks)))
    }

    fn choices(&self) -> Vec<Decision> {
        let mut choices = vec![Decision::Deny, Decision::Never, Decision::Once];
        if self.queue.first().is_some_and(|request| request.grantable) {
            choices.extend([Decision::Session, Decision::Always]);
        }
        choices
    }

    /// What the keyboard goes over, in order; what a flood adds comes last and moves nothing.
    fn stops(&self) -> Vec<Message> {
        let several = (self.theirs() > 1).then_some(Message::DenyAll);
        let choices = self.choices().into_iter().map(Message::Decide);
        choices.chain(several).collect()
    }

    /// Something was done. Returns the answer that is to be sent, if it is one and counts.
    pub fn update(&mut self, message: Message, now: Instant) -> Option<Outcome> {
        let decision = match message {
            Message::Move(by) => {
                let count = self.stops().len() as isize;
                self.selected = (self.selected as isize + by).rem_euclid(count) as usize;
                return None;
            }
            Message::Activate => {
                let chosen = *self.stops().get(self.selected)?;
                return self.update(chosen, now);
            }
            Message::Decide(decision) => decision,
            Message::DenyAll => {
                let agent = self.queue.first()?.agent.clone();
                let several = self.is_armed(now) && self.theirs() > 1;
                return several.then_some(Outcome::DenyAll(agent));
            }
        };
        if !self.is_armed(now) || !self.choices().contains(&decision) {
            return None;
        }
        Some(Outcome::Answer(self.queue.first()?.id, decision))
    }

    /// The keys: Tab and arrows go over the buttons, Enter presses one, Escape denies, Alt with the
    /// underlined letter answers. Repeated keys do nothing: they were held before.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            physical_key,
            modifiers,
            repeat: false,
            ..
        }) = event
        else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) => Some(Message::Decide(Decision::Deny)),
            Key::Named(Named::Enter | Named::Space) => Some(Message::Activate),
            Key::Named(Named::ArrowRight | Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowLeft | Named::ArrowUp) => Some(Message::Move(-1)),
            Key::Named(Named::Tab) => Some(Message::Move(if modifiers.shift() { -1 } else { 1 })),
            Key::Character(_) if modifiers.alt() && !modifiers.control() && !modifiers.logo() => {
                let letter = key.to_latin(*physical_key)?.to_ascii_lowercase();
                if answers(&deny_all(), letter) {
                    return Some(Message::DenyAll);
                }
                Decision::by_letter(letter).map(Message::Decide)
            }
            _ => None,
        }
    }

    /// The prompt's widgets: a dimmed screen with the question in the middle.
    pub fn view(&self, now: Instant, palette: &Palette) -> Element<'_, Message> {
        let Some(request) = self.queue.first() else {
            return space().into();
        };
        let armed = self.is_armed(now);
        let content = column![
            self.head(request, palette),
            widgets::label(short(&request.summary), TEXT + 1.0, palette.text)
                .wrapping(Wrapping::WordOrGlyph)
                .width(Length::Fill),
            resource(request, palette),
            self.buttons(armed, palette),
            self.all_of_these(armed, palette),
            self.foot(request, palette),
        ]
        .spacing(WIDE + 2.0)
        .padding(HUGE);
        let card =
            container(widgets::card(content, palette)).max_width(560.0 + 2.0 * widgets::SHADOW);
        let backdrop = palette.backdrop;
        container(card)
            .center(Length::Fill)
            .style(move |_| container::Style {
                background: Some(Background::Color(backdrop)),
                ..container::Style::default()
            })
            .into()
    }

    fn head(&self, request: &Request, palette: &Palette) -> Element<'_, Message> {
        let mark = widgets::raised(
            container(widgets::icon(Icon::Shield, 26.0, palette.warn)).center(48),
            palette.raised,
            14.0,
        );
        let words = column![
            widgets::label(
                tr!("permission-asks", agent = short(&request.title)),
                TEXT_LARGE + 1.0,
                palette.text
            )
            .font(fonts::UI_STRONG)
            .wrapping(Wrapping::WordOrGlyph),
            row![
                widgets::label(tr!("permission-agent"), TEXT_SMALL, palette.text_dim),
                widgets::label(short(&request.agent), TEXT_SMALL, palette.text_dim)
                    .font(fonts::MONO),
                widgets::label(tr!("permission-tool"), TEXT_SMALL, palette.text_dim),
                widgets::label(short(&request.tool), TEXT_SMALL, palette.text_dim)
                    .font(fonts::MONO),
            ]
            .spacing(TIGHT + 2.0)
            .align_y(Alignment::Center)
            .wrap(),
        ]
        .spacing(TIGHT)
        .width(Length::Fill);
        row![mark, words]
            .spacing(WIDE)
            .align_y(Alignment::Center)
            .into()
    }

    fn buttons(&self, armed: bool, palette: &Palette) -> Element<'_, Message> {
        let choices = self.choices();
        let one = |decision: Decision| {
            let at = choices.iter().position(|d| *d == decision);
            self.button(decision, at == Some(self.selected), armed, palette)
        };
        let first: Row<'_, Message, _, _> = row![
            one(Decision::Deny),
            one(Decision::Never),
            space().width(Length::Fill),
            one(Decision::Once),
        ]
        .spacing(SMALL);
        let mut rows = column![first].spacing(SMALL);
        if choices.contains(&Decision::Always) {
            rows = rows.push(
                row![
                    space().width(Length::Fill),
                    one(Decision::Session),
                    one(Decision::Always)
                ]
                .spacing(SMALL),
            );
        }
        rows.into()
    }

    /// How many more this agent asks, and the button for all of them; empty room where it is one.
    fn all_of_these(&self, armed: bool, palette: &Palette) -> Element<'_, Message> {
        let content: Element<'_, Message> = match self.theirs() {
            0 | 1 => space().into(),
            several => {
                let more = several - 1;
                let [before, letter, after] = deny_all();
                let spans: [iced_core::text::Span<'_, (), iced_core::Font>; 3] =
                    [span(before), span(letter).underline(true), span(after)];
                let label = rich_text(spans).size(TEXT_SMALL).font(fonts::UI_MEDIUM);
                let chosen = self.stops().get(self.selected) == Some(&Message::DenyAll);
                let colors = *palette;
                row![
                    widgets::label(
                        tr!("permission-more", count = more),
                        TEXT_SMALL,
                        palette.warn
                    ),
                    space().width(Length::Fill),
                    widgets::press(label, Kind::Danger, palette)
                        .style(move |_, status| widgets::choice_style(
                            Kind::Danger,
                            status,
                            chosen,
                            &colors
                        ))
                        .on_press_maybe(armed.then_some(Message::DenyAll)),
                ]
                .align_y(Alignment::Center)
                .into()
            }
        };
        container(content)
            .height(ALL_OF_THESE)
            .align_y(Vertical::Center)
            .width(Length::Fill)
            .into()
    }

    fn button(
        &self,
        decision: Decision,
        chosen: bool,
        armed: bool,
        palette: &Palette,
    ) -> Element<'_, Message> {
        let kind = match decision {
            Decision::Deny | Decision::Never => Kind::Danger,
            Decision::Once => Kind::Primary,
            Decision::Session | Decision::Always => Kind::Raised,
        };
        let [before, letter, after] = decision.label();
        let spans: [iced_core::text::Span<'_, (), iced_core::Font>; 3] =
            [span(before), span(letter).underline(true), span(after)];
        let label = rich_text(spans).size(TEXT).font(fonts::UI_MEDIUM);
        let palette = *palette;
        button(label)
            .padding(Padding::from([9.0, WIDE]))
            .style(move |_, status| {
                let status = if armed {
                    status
                } else {
                    button::Status::Disabled
                };
                widgets::choice_style(kind, status, chosen, &palette)
            })
            .on_press_maybe(armed.then_some(Message::Decide(decision)))
            .into()
    }

    fn foot(&self, request: &Request, palette: &Palette) -> Element<'_, Message> {
        let mut words = column![].spacing(TIGHT);
        if !self.problem.is_empty() {
            words = words.push(widgets::label(&self.problem, TEXT_SMALL, palette.bad));
        }
        let left = duration(self.left);
        let left = if request.grantable {
            tr!("permission-left", left = left)
        } else {
            tr!("permission-left-every-time", left = left)
        };
        let left = row![
            widgets::label(left, TEXT_SMALL, palette.text_dim),
            space().width(Length::Fill),
            widgets::label(
                match self.queue.len() - self.theirs() {
                    0 => String::new(),
                    more => tr!("permission-others", count = more),
                },
                TEXT_SMALL,
                palette.text_dim,
            ),
        ];
        let keys = row![
            widgets::hint(tr!("key-alt-letter"), tr!("does-answer"), palette),
            widgets::hint(tr!("key-tab"), tr!("does-next"), palette),
            widgets::hint(tr!("key-escape"), tr!("does-deny"), palette),
        ]
        .spacing(WIDE);
        words
            .push(widgets::divider(palette))
            .push(space().height(TIGHT))
            .push(left)
            .push(space().height(TIGHT))
            .push(keys)
            .into()
    }
}

fn resource<'a>(request: &Request, palette: &Palette) -> Element<'a, Message> {
    let what = tr!("permission-may", action = &request.action);
    let exact = widgets::label(in_order(&visible(&request.resource)), TEXT, palette.text)
        .font(fonts::MONO)
        .wrapping(Wrapping::Glyph)
        .width(Length::Fill);
    let line = palette.line;
    let ground = palette.raised;
    let frame = container(
        scrollable(container(exact).padding(Padding::from([GAP - 1.0, GAP])))
            .style(widgets::scroll_style(palette))
            .width(Length::Fill),
    )
    .max_height(180)
    .width(Length::Fill)
    .style(move |_| container::Style {
        background: Some(Background::Color(ground)),
        border: Border {
            color: line,
            width: 1.0,
            radius: ROUND.into(),
        },
        ..container::Style::default()
    });
    let mut shown = column![
        widgets::label(what, TEXT_SMALL, palette.text_dim).font(fonts::UI_MEDIUM),
        frame
    ]
    .spacing(TIGHT + 2.0);
    if mixes_scripts(&request.resource) {
        shown = shown.push(widgets::label(
            tr!("mixed-scripts"),
            TEXT_SMALL,
            palette.warn,
        ));
    }
    shown.into()
}

fn short(text: &str) -> String {
    widgets::shortened(&visible(text), LONGEST)
}

fn duration(seconds: u64) -> String {
    if seconds >= 60 {
        let (minutes, seconds) = (seconds / 60, format!("{:02}", seconds % 60));
        tr!("duration-minutes", minutes = minutes, seconds = seconds)
    } else {
        tr!("duration-seconds", seconds = seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: u64, grantable: bool, expires_ms: u64) -> Request {
        Request {
            id,
            agent: "steward".into(),
            title: "Steward".into(),
            tool: "files.list".into(),
            action: "read".into(),
            resource: "/home/argos".into(),
            summary: "List the folder.".into(),
            grantable,
            asked_ms: 0,
            expires_ms,
        }
    }

    fn asking(grantable: bool) -> (Permission, Instant) {
        let now = Instant::now();
        let mut prompt = Permission::default();
        prompt.ask(request(1, grantable, 60_000), now, 0);
        (prompt, now)
    }

    #[test]
    fn nothing_counts_before_it_was_on_screen_for_half_a_second() {
        let (mut prompt, now) = asking(true);
        let once = Message::Decide(Decision::Once);
        assert_eq!(
            prompt.update(once, now + Duration::from_secs(9)),
            None,
            "not on screen yet"
        );
        prompt.on_screen(now + Duration::from_secs(9));
        assert_eq!(
            prompt.update(once, now + Duration::from_millis(9_499)),
            None
        );
        assert_eq!(
            prompt.update(once, now + Duration::from_millis(9_500)),
            Some(Outcome::Answer(1, Decision::Once))
        );
    }

    #[test]
    fn the_next_question_has_a_guard_of_its_own() {
        let (mut prompt, now) = asking(true);
        prompt.ask(request(2, true, 60_000), now, 0);
        prompt.on_screen(now);
        let later = now + Duration::from_secs(5);
        prompt.update(Message::Move(2), later);
        prompt.resolved(1, later, 5_000);
        assert!(prompt.is_asking() && !prompt.is_armed(later));
        assert_eq!(
            prompt.update(Message::Activate, later + GUARD),
            Some(Outcome::Answer(2, Decision::Deny)),
            "the choice begins at Deny"
        );
    }

    #[test]
    fn what_moves_under_the_pointer_has_to_rest_again() {
        let (mut prompt, now) = asking(true);
        prompt.on_screen(now);
        let later = now + Duration::from_secs(5);
        assert!(prompt.is_armed(later));
        // Another size or output: nothing counts until it is on screen, and for a while after.
        prompt.moves();
        let once = Message::Decide(Decision::Once);
        assert_eq!(prompt.update(once, later + GUARD), None);
        prompt.on_screen(later);
        assert!(!prompt.is_armed(later) && prompt.is_armed(later + GUARD));
        // A line that came up.
        let later = later + Duration::from_secs(5);
        prompt.failed("no bus".into(), later);
        assert!(!prompt.is_armed(later) && prompt.is_armed(later + GUARD));
    }

    #[test]
    fn a_flood_is_one_question_with_a_count_and_one_no() {
        let (mut prompt, now) = asking(true);
        prompt.on_screen(now);
        let later = now + Duration::from_secs(5);
        assert_eq!(prompt.update(Message::DenyAll, later), None, "there is one");
        for id in 2..9 {
            prompt.ask(request(id, true, 60_000), later, 0);
        }
        let mut other = request(9, true, 60_000);
        other.agent = "librarian".into();
        prompt.ask(other, later, 0);
        assert_eq!((prompt.theirs(), prompt.queue.len()), (8, 9));
        // Neither a flood nor its end keeps the person from answering: nothing moves.
        assert!(prompt.is_armed(later));
        let all = Outcome::DenyAll("steward".into());
        assert_eq!(prompt.update(Message::DenyAll, later), Some(all.clone()));
        // The keyboard comes to it last.
        prompt.update(Message::Move(-1), later);
        assert_eq!(prompt.update(Message::Activate, later), Some(all));
        for id in 1..9 {
            prompt.resolved(id, later, 5_000);
        }
        assert_eq!((prompt.theirs(), prompt.queue[0].id), (1, 9));
        assert!(!prompt.is_armed(later));
        assert_eq!(
            prompt.update(Message::DenyAll, later),
            None,
            "it has its guard too"
        );
    }

    #[test]
    fn what_cannot_be_granted_is_not_offered() {
        let (mut prompt, now) = asking(false);
        prompt.on_screen(now);
        let later = now + GUARD;
        for decision in [Decision::Session, Decision::Always] {
            assert_eq!(prompt.update(Message::Decide(decision), later), None);
        }
        prompt.update(Message::Move(-1), later);
        assert_eq!(
            prompt.update(Message::Activate, later),
            Some(Outcome::Answer(1, Decision::Once))
        );
    }

    #[test]
    fn questions_expire_and_are_asked_once() {
        let (mut prompt, now) = asking(true);
        prompt.ask(request(1, true, 60_000), now, 0);
        assert_eq!(prompt.queue.len(), 1);
        prompt.ask(request(3, true, 90_000), now, 0);
        prompt.expire(now, 60_000);
        assert_eq!((prompt.queue.len(), prompt.left), (1, 30));
        prompt.expire(now, 90_000);
        assert!(!prompt.is_asking());
        prompt.ask(request(4, true, 100), now, 200);
        assert!(!prompt.is_asking(), "expired before it came");
    }

    #[test]
    fn the_deadline_is_the_guard_then_each_second() {
        let (mut prompt, now) = asking(true);
        prompt.on_screen(now);
        assert_eq!(prompt.deadline(now, 200), Some(now + GUARD));
        let later = now + GUARD;
        assert_eq!(
            prompt.deadline(later, 59_700),
            Some(later + Duration::from_millis(300))
        );
    }

    fn press(key: Key, modifiers: keyboard::Modifiers, repeat: bool) -> Event {
        Event::Keyboard(keyboard::Event::KeyPressed {
            modified_key: key.clone(),
            key,
            physical_key: keyboard::key::Physical::Unidentified(
                keyboard::key::NativeCode::Unidentified,
            ),
            location: keyboard::Location::Standard,
            modifiers,
            text: None,
            repeat,
        })
    }

    #[test]
    fn every_accelerator_is_the_underlined_letter() {
        let all = [
            Decision::Deny,
            Decision::Never,
            Decision::Once,
            Decision::Session,
            Decision::Always,
        ];
        for decision in all {
            let letter = decision.label()[1].to_lowercase();
            let event = press(
                Key::Character(letter.as_str().into()),
                keyboard::Modifiers::ALT,
                false,
            );
            assert_eq!(
                Permission::intercept(&event),
                Some(Message::Decide(decision))
            );
            let bare = press(
                Key::Character(letter.as_str().into()),
                keyboard::Modifiers::empty(),
                false,
            );
            assert_eq!(
                Permission::intercept(&bare),
                None,
                "a letter alone answers nothing"
            );
        }
    }

    #[test]
    fn all_are_denied_by_the_underlined_letter() {
        let event = press(Key::Character("l".into()), keyboard::Modifiers::ALT, false);
        assert_eq!(Permission::intercept(&event), Some(Message::DenyAll));
    }

    #[test]
    fn held_keys_answer_nothing() {
        let none = keyboard::Modifiers::empty();
        assert_eq!(
            Permission::intercept(&press(Key::Named(Named::Enter), none, true)),
            None
        );
        let escape = press(Key::Named(Named::Escape), none, false);
        assert_eq!(
            Permission::intercept(&escape),
            Some(Message::Decide(Decision::Deny))
        );
    }
}
