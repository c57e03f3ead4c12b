//! A question of a program that is answered by yes or no: whether it may use something
//! (`Access`), and whether it gets a picture of the screen, which the question shows.
//!
//! Keys and clicks are ignored for [`GUARD`] after it came on screen, so that nobody answers what
//! appeared under their hands. The keyboard begins on no. What the program says about itself has its
//! hidden characters made visible.

use std::time::{Duration, Instant};

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, ContentFit, Event, Length, Padding, Size};
use iced_widget::image::Handle;
use iced_widget::{column, container, row, scrollable, space};

pub use super::chooser::Choice;
use super::chooser::MOST_CHOICES;
use super::dialog::{self, RING, fit, ring};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind, next_row, shortened};

/// How long a question must be on screen before it takes an answer.
pub const GUARD: Duration = Duration::from_millis(500);
/// Width of its window in logical pixels.
pub const WIDTH: u32 = 480;
/// The same with a picture.
pub const WIDTH_PICTURE: u32 = 600;
/// The height of its window at most.
pub const HIGHEST: u32 = 640;
/// The longest title, in characters.
const LONGEST: usize = 160;
/// The longest explanation.
const LONGEST_BODY: usize = 1200;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks: the name of an application, or nothing where that is not known.
    pub app: String,
    /// The question.
    pub title: String,
    /// What it is about.
    pub subtitle: String,
    /// More about it.
    pub body: String,
    /// What yes is called.
    pub grant: String,
    /// What no is called.
    pub deny: String,
    /// What else is asked.
    pub choices: Vec<Choice>,
    /// A picture that goes to the program after a yes.
    pub picture: Option<Picture>,
}

/// A picture, to be seen in the question.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its pixels, smaller where it was large.
    pub handle: Handle,
    /// Width and height of the whole.
    pub size: (u32, u32),
}

/// What was answered: the choices' names and values after a yes.
pub type Answer = Option<Vec<(String, String)>>;

/// The question.
#[derive(Debug)]
pub struct Consent {
    request: Request,
    /// The stop the keyboard is on.
    on: usize,
    shown: Option<Instant>,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Go to the next or previous stop.
    Move(isize),
    /// Another option of the choice the keyboard is on.
    Turn(isize),
    /// Press what the keyboard is on.
    Press,
    /// Change a choice: yes to no, or to the next option.
    Choose(usize),
    /// Answer.
    Answer(bool),
}

impl Consent {
    /// A question.
    pub fn new(request: Request) -> Self {
        let mut consent = Self {
            request,
            on: 0,
            shown: None,
        };
        consent.on = consent.choices();
        consent
    }

    fn choices(&self) -> usize {
        self.request.choices.len().min(MOST_CHOICES)
    }

    /// Size of its window in logical pixels, the height at most.
    pub fn size(&self) -> (u32, u32) {
        let width = if self.request.picture.is_some() {
            WIDTH_PICTURE
        } else {
            WIDTH
        };
        (width, HIGHEST)
    }

    /// The compositor has shown it, for the first time or in a new place.
    pub fn on_screen(&mut self, now: Instant) {
        self.shown = Some(now);
    }

    /// What is on screen is not where it will be.
    pub fn moves(&mut self) {
        self.shown = None;
    }

    /// Whether an answer counts now.
    pub fn is_armed(&self, now: Instant) -> bool {
        self.shown
            .is_some_and(|shown| now.duration_since(shown) >= GUARD)
    }

    /// When it looks different by itself.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.shown.map(|shown| shown + GUARD).filter(|at| *at > now)
    }

    /// Something was done. Returns the answer, if it is one and counts.
    pub fn update(&mut self, message: Message, now: Instant) -> Option<Answer> {
        let stops = self.choices() + 2;
        match message {
            Message::Move(by) => {
                self.on = next_row(Some(self.on), by, stops);
                None
            }
            Message::Turn(by) => {
                match self.request.choices.get_mut(self.on) {
                    Some(choice) if self.on + 2 < stops => turn(choice, by),
                    _ => self.on = next_row(Some(self.on), by, stops),
                }
                None
            }
            Message::Press => {
                let choices = self.choices();
                let pressed = if self.on < choices {
                    Message::Choose(self.on)
                } else {
                    Message::Answer(self.on > choices)
                };
                self.update(pressed, now)
            }
            Message::Choose(at) => {
                if let Some(choice) = self.request.choices.get_mut(at) {
                    turn(choice, 1);
                }
                None
            }
            Message::Answer(_) if !self.is_armed(now) => None,
            Message::Answer(false) => Some(None),
            Message::Answer(true) => {
                let choices = self.request.choices.iter();
                Some(Some(
                    choices.map(|c| (c.id.clone(), c.chosen.clone())).collect(),
                ))
            }
        }
    }

    /// The keys: Tab goes over what can be pressed, Enter and Space press it, Escape says no.
    /// Repeated keys do nothing: they were held before.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            repeat: false,
            ..
        }) = event
        else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) => Some(Message::Answer(false)),
            Key::Named(Named::Enter | Named::Space) => Some(Message::Press),
            Key::Named(Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp) => Some(Message::Move(-1)),
            Key::Named(Named::ArrowRight) => Some(Message::Turn(1)),
            Key::Named(Named::ArrowLeft) => Some(Message::Turn(-1)),
            Key::Named(Named::Tab) => Some(Message::Move(if modifiers.shift() { -1 } else { 1 })),
            _ => None,
        }
    }

    /// The question's widgets, for a window of this size; in one of [`HIGHEST`] they take no more
    /// room than they need.
    pub fn view(&self, now: Instant, size: Size, palette: &Palette) -> Element<'_, Message> {
        let request = &self.request;
        let mark = widgets::raised(
            container(widgets::icon(Icon::Shield, 24.0, palette.warn)).center(44),
            palette.raised,
            13.0,
        );
        let title = visible(&shortened(&request.title, LONGEST));
        let mut words = column![
            widgets::label(title, TEXT_LARGE, palette.text)
                .font(fonts::UI_STRONG)
                .wrapping(Wrapping::WordOrGlyph)
        ]
        .spacing(TIGHT)
        .width(Length::Fill);
        // In a fixed width: it is a name by which the person may look it up.
        let app = fit(&visible(&request.app), 380.0, TEXT_SMALL);
        let who = if request.app.is_empty() {
            widgets::label(tr!("consent-nameless"), TEXT_SMALL, palette.text_dim)
        } else {
            widgets::label(app, TEXT_SMALL, palette.text_dim).font(fonts::MONO)
        };
        words = words.push(who.wrapping(Wrapping::WordOrGlyph));
        let mut about = column![].spacing(GAP).width(Length::Fill);
        for (says, size, ink) in [
            (&request.subtitle, TEXT, palette.text),
            (&request.body, TEXT_SMALL + 1.0, palette.text_dim),
        ] {
            if !says.is_empty() {
                let says = visible_lines(&shortened(says, LONGEST_BODY));
                let says = widgets::label(says, size, ink).wrapping(Wrapping::WordOrGlyph);
                about = about.push(in_line(says));
            }
        }
        if let Some(picture) = &request.picture {
            about = about.push(in_line(preview(picture, palette)));
        }
        for (at, choice) in request.choices.iter().take(MOST_CHOICES).enumerate() {
            about = about.push(ring(
                choice_row(at, choice, palette),
                self.on == at,
                palette,
            ));
        }
        let armed = self.is_armed(now);
        let answer = |yes: bool, label: &str, kind, stop: usize| {
            let label = fit(&visible(&shortened(label, 60)), 190.0, TEXT);
            let button = dialog::big_button(label, kind, palette)
                .on_press_maybe(armed.then_some(Message::Answer(yes)));
            ring(button, self.on == stop, palette)
        };
        let choices = self.choices();
        let buttons = row![
            space().width(Length::Fill),
            answer(false, &request.deny, Kind::Raised, choices),
            answer(true, &request.grant, Kind::Primary, choices + 1),
        ]
        .spacing(TIGHT);
        let head = row![mark, words].spacing(WIDE).align_y(Alignment::Center);
        // What is long scrolls; head and buttons stay.
        let about = scrollable(about)
            .direction(scrollable::Direction::Vertical(
                scrollable::Scrollbar::new().width(6).scroller_width(6),
            ))
            .style(widgets::scroll_style(palette));
        let about = container(about).max_height(HIGHEST as f32 - 190.0);
        let all = column![in_line(head), about, buttons]
            .spacing(WIDE)
            .padding(Padding::new(HUGE - RING).top(HUGE));
        let height = if size.height < HIGHEST as f32 {
            Length::Fill
        } else {
            Length::Shrink
        };
        dialog::ground(all, palette).height(height).into()
    }
}

/// In line with what has a ring.
fn in_line<'a>(content: impl Into<Element<'a, Message>>) -> Element<'a, Message> {
    container(content)
        .padding(Padding::from([0.0, RING]))
        .into()
}

/// Lines stay lines; everything else that does not show is made visible.
fn visible_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n")
}

fn turn(choice: &mut Choice, by: isize) {
    if choice.is_switch() {
        choice.switch();
        return;
    }
    let chosen = |(id, _): &(String, String)| *id == choice.chosen;
    let now = choice.options.iter().position(chosen);
    let next = next_row(now, by, choice.options.len());
    choice.chosen.clone_from(&choice.options[next].0);
}

fn choice_row<'a>(at: usize, choice: &'a Choice, palette: &Palette) -> Element<'a, Message> {
    let label = visible(&shortened(&choice.label, 60));
    if choice.is_switch() {
        return dialog::switch(&label, choice.chosen == "true", palette)
            .padding(Padding::from([6.0, 0.0]))
            .on_press(Message::Choose(at))
            .into();
    }
    let chosen = fit(
        &visible(&shortened(choice.chosen_label(), 60)),
        160.0,
        TEXT_SMALL + 1.0,
    );
    let label = fit(&label, 190.0, TEXT_SMALL + 1.0);
    let button = widgets::press(
        row![
            widgets::label(chosen, TEXT_SMALL + 1.0, palette.text).wrapping(Wrapping::None),
            widgets::icon(Icon::Forward, 13.0, palette.text_dim)
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center),
        Kind::Raised,
        palette,
    );
    row![
        widgets::label(label, TEXT_SMALL + 1.0, palette.text).wrapping(Wrapping::None),
        space().width(Length::Fill),
        button.on_press(Message::Choose(at))
    ]
    .align_y(Alignment::Center)
    .into()
}

fn preview<'a>(picture: &Picture, palette: &Palette) -> Element<'a, Message> {
    let (width, height) = picture.size;
    let shown = iced_widget::image(picture.handle.clone())
        .width(Length::Fill)
        .height(300)
        .content_fit(ContentFit::Contain);
    column![
        widgets::raised(container(shown).padding(SMALL), palette.raised, 10.0),
        widgets::label(
            tr!("consent-pixels", width = width, height = height),
            TEXT_SMALL,
            palette.text_dim
        )
    ]
    .spacing(SMALL)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(choices: Vec<Choice>) -> (Consent, Instant) {
        let mut consent = Consent::new(Request {
            app: "org.example.Cam".into(),
            title: "Use the camera?".into(),
            subtitle: String::new(),
            body: String::new(),
            grant: "Allow".into(),
            deny: "Deny".into(),
            choices,
            picture: None,
        });
        let shown = Instant::now();
        consent.on_screen(shown);
        (consent, shown + GUARD)
    }

    #[test]
    fn nothing_is_answered_before_it_was_seen() {
        let (mut consent, armed) = question(Vec::new());
        let early = armed - Duration::from_millis(1);
        assert_eq!(consent.update(Message::Answer(true), early), None);
        assert_eq!(consent.deadline(early), Some(armed));
        assert_eq!(
            consent.update(Message::Answer(true), armed),
            Some(Some(Vec::new()))
        );
        consent.moves();
        assert_eq!(consent.update(Message::Press, armed), None);
    }

    #[test]
    fn enter_says_no_unless_the_keyboard_went_to_yes() {
        let (mut consent, armed) = question(Vec::new());
        assert_eq!(consent.update(Message::Press, armed), Some(None));
        consent.update(Message::Turn(1), armed);
        assert_eq!(
            consent.update(Message::Press, armed),
            Some(Some(Vec::new()))
        );
    }

    #[test]
    fn choices_are_turned_and_told() {
        let options = vec![("a".into(), "A".into()), ("b".into(), "B".into())];
        let (mut consent, armed) = question(vec![
            Choice {
                id: "one".into(),
                label: "One".into(),
                options,
                chosen: "a".into(),
            },
            Choice {
                id: "two".into(),
                label: "Two".into(),
                options: Vec::new(),
                chosen: "false".into(),
            },
        ]);
        consent.update(Message::Move(-2), armed);
        consent.update(Message::Turn(1), armed);
        consent.update(Message::Move(1), armed);
        consent.update(Message::Press, armed);
        let answer = consent.update(Message::Answer(true), armed);
        let told = |id: &str, value: &str| (id.to_owned(), value.to_owned());
        assert_eq!(
            answer,
            Some(Some(vec![told("one", "b"), told("two", "true")]))
        );
    }
}
