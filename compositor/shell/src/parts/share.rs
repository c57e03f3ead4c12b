//! What of the screen a program may record: outputs and windows to choose from.
//!
//! As for [`super::consent`], keys and clicks answer nothing for [`GUARD`] after it came on screen, and the keyboard
//! begins on no. Nothing is chosen at first.

use std::time::Instant;

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::text::Wrapping;
use iced_core::{Alignment, ContentFit, Event, Length, Padding};
use iced_widget::image::Handle;
use iced_widget::{column, container, row, space};

use super::consent::GUARD;
use super::dialog::{self, RING, fit, ring};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind, centred, next_row, shortened};

/// Size it opens with, in logical pixels.
pub const SIZE: (u32, u32) = (560, 600);
/// Smaller it is not made.
pub const LEAST: (u32, u32) = (400, 420);
/// The list's name.
pub const LIST: &str = "share-list";

const ROW: f32 = 68.0;
/// About the height of the list.
const ROWS_HEIGHT: f32 = 300.0;
/// The longest name, in characters.
const LONGEST: usize = 200;

/// Something that can be chosen.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether it is a window.
    pub window: bool,
    /// What it shows, or its application's icon.
    pub picture: Option<Handle>,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Who asks: the name of an application, or nothing where that is not known.
    pub app: String,
    /// What can be chosen.
    pub offers: Vec<Offer>,
    /// Whether several can be.
    pub multiple: bool,
    /// Whether the program wants the choice to hold for the next time.
    pub remember: bool,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Numbers of offers; one at least.
    pub chosen: Vec<usize>,
    /// Whether the choice holds for the next time.
    pub remember: bool,
}

/// The dialog.
#[derive(Debug)]
pub struct Share {
    request: Request,
    chosen: Vec<bool>,
    remember: bool,
    /// The stop the keyboard is on: offers, whether it is remembered, no, yes.
    on: usize,
    shown: Option<Instant>,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Go to the next or previous stop.
    Move(isize),
    /// Press what the keyboard is on.
    Press,
    /// Choose an offer, or not any more.
    Choose(usize),
    /// Remember the choice, or do not.
    Remember,
    /// Answer.
    Answer(bool),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing beyond the dialog.
    None,
    /// The list is to be scrolled to this many whole pixels from its top.
    Scroll(u32),
    /// An answer, or none.
    Done(Option<Answer>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Offer(usize),
    Remember,
    Answer(bool),
}

impl Share {
    /// A question.
    pub fn new(request: Request) -> Self {
        let mut share = Self {
            chosen: vec![false; request.offers.len()],
            remember: false,
            on: 0,
            shown: None,
            request,
        };
        share.on = share.stops().len() - 2;
        share
    }

    fn stops(&self) -> Vec<Stop> {
        let offers = (0..self.request.offers.len()).map(Stop::Offer);
        let remember = self.request.remember.then_some(Stop::Remember);
        let answers = [Stop::Answer(false), Stop::Answer(true)];
        offers.chain(remember).chain(answers).collect()
    }

    fn is_on(&self, stop: Stop) -> bool {
        self.stops().get(self.on) == Some(&stop)
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

    /// Something was done.
    pub fn update(&mut self, message: Message, now: Instant) -> Outcome {
        match message {
            Message::Move(by) => {
                let stops = self.stops();
                self.on = next_row(Some(self.on), by, stops.len());
                if let Stop::Offer(at) = stops[self.on] {
                    return Outcome::Scroll(centred(at, ROW, ROWS_HEIGHT) as u32);
                }
            }
            Message::Press => {
                let pressed = match self.stops()[self.on] {
                    Stop::Offer(at) => Message::Choose(at),
                    Stop::Remember => Message::Remember,
                    Stop::Answer(yes) => Message::Answer(yes),
                };
                return self.update(pressed, now);
            }
            Message::Choose(at) => {
                let before = self.chosen.get(at).copied();
                if !self.request.multiple {
                    self.chosen.fill(false);
                }
                if let (Some(chosen), Some(before)) = (self.chosen.get_mut(at), before) {
                    *chosen = !before;
                }
            }
            Message::Remember => self.remember = self.request.remember && !self.remember,
            Message::Answer(_) if !self.is_armed(now) => {}
            Message::Answer(false) => return Outcome::Done(None),
            Message::Answer(true) => {
                let chosen = self.chosen.iter().enumerate();
                let chosen: Vec<usize> = chosen.filter(|(_, on)| **on).map(|(at, _)| at).collect();
                if !chosen.is_empty() {
                    return Outcome::Done(Some(Answer {
                        chosen,
                        remember: self.remember,
                    }));
                }
            }
        }
        Outcome::None
    }

    /// The keys: arrows and Tab go over what can be pressed, Enter and Space press it, Escape says no. Repeated keys
    /// press nothing: they were held before.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            repeat,
            ..
        }) = event
        else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) if !repeat => Some(Message::Answer(false)),
            Key::Named(Named::Enter | Named::Space) if !repeat => Some(Message::Press),
            Key::Named(Named::ArrowDown | Named::ArrowRight) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp | Named::ArrowLeft) => Some(Message::Move(-1)),
            Key::Named(Named::Tab) => Some(Message::Move(if modifiers.shift() { -1 } else { 1 })),
            _ => None,
        }
    }

    /// The dialog's widgets, for a window of this width.
    pub fn view(&self, now: Instant, width: f32, palette: &Palette) -> Element<'_, Message> {
        let room = width - 2.0 * HUGE;
        let title = fit(&tr!("share-asks"), room, TEXT_LARGE);
        let who = if self.request.app.is_empty() {
            widgets::label(tr!("consent-nameless"), TEXT_SMALL, palette.text_dim)
        } else {
            let app = fit(&visible(&self.request.app), room, TEXT_SMALL);
            widgets::label(app, TEXT_SMALL, palette.text_dim).font(fonts::MONO)
        };
        let about = widgets::label(tr!("share-about"), TEXT_SMALL + 1.0, palette.text_dim);
        let head = column![
            widgets::label(title, TEXT_LARGE, palette.text)
                .font(fonts::UI_STRONG)
                .wrapping(Wrapping::None),
            who.wrapping(Wrapping::None),
            about.wrapping(Wrapping::WordOrGlyph),
        ]
        .spacing(TIGHT);
        let list: Element<'_, Message> = if self.request.offers.is_empty() {
            let says = widgets::label(tr!("share-nothing"), TEXT, palette.text_dim);
            container(says).center(Length::Fill).into()
        } else {
            let rows = self.request.offers.iter().enumerate();
            let rows = rows.map(|(at, offer)| self.offer(at, offer, width, palette));
            widgets::list(iced_widget::Column::with_children(rows), LIST, palette)
        };
        let armed = self.is_armed(now);
        let answer = |yes: bool, label: String, kind, can: bool| {
            let button = dialog::big_button(label, kind, palette)
                .on_press_maybe((armed && can).then_some(Message::Answer(yes)));
            ring(button, self.is_on(Stop::Answer(yes)), palette)
        };
        let some = self.chosen.contains(&true);
        let buttons = row![
            space().width(Length::Fill),
            answer(false, tr!("share-no"), Kind::Raised, true),
            answer(true, tr!("share-yes"), Kind::Primary, some),
        ]
        .spacing(TIGHT);
        let mut foot = column![].spacing(TIGHT);
        if self.request.remember {
            let switch = dialog::switch(&tr!("share-remember"), self.remember, palette)
                .on_press(Message::Remember);
            foot = foot.push(ring(switch, self.is_on(Stop::Remember), palette));
        }
        let all = column![
            container(head).padding(Padding::from([WIDE, HUGE])),
            widgets::divider(palette),
            container(list)
                .height(Length::Fill)
                .padding(Padding::from([TIGHT, 0.0])),
            widgets::divider(palette),
            container(foot.push(buttons)).padding(Padding::from([GAP, WIDE])),
        ];
        dialog::ground(all, palette).into()
    }

    fn offer<'a>(
        &'a self,
        at: usize,
        offer: &'a Offer,
        width: f32,
        palette: &Palette,
    ) -> Element<'a, Message> {
        const PICTURE: f32 = 80.0;
        let picture: Element<'_, Message> = match &offer.picture {
            Some(handle) => iced_widget::image(handle.clone())
                .width(if offer.window { 40.0 } else { PICTURE })
                .height(if offer.window { 40.0 } else { ROW - GAP * 2.0 })
                .content_fit(ContentFit::Contain)
                .into(),
            None => {
                let icon = if offer.window {
                    Icon::App
                } else {
                    Icon::Display
                };
                widgets::icon(icon, 30.0, palette.text_dim).into()
            }
        };
        let chosen = self.chosen.get(at) == Some(&true);
        let mark: Element<'_, Message> = if chosen {
            widgets::icon(Icon::Check, 18.0, palette.accent).into()
        } else {
            space().width(18).into()
        };
        let room = width - PICTURE - 120.0;
        let line = |text: &str, size| fit(&visible(&shortened(text, LONGEST)), room, size);
        let words = column![
            widgets::label(line(&offer.name, TEXT), TEXT, palette.text)
                .font(fonts::UI_MEDIUM)
                .wrapping(Wrapping::None),
            widgets::label(line(&offer.about, TEXT_SMALL), TEXT_SMALL, palette.text_dim)
                .wrapping(Wrapping::None),
        ];
        let inside = row![
            container(picture).center_x(PICTURE),
            words,
            space().width(Length::Fill),
            mark
        ]
        .spacing(GAP)
        .align_y(Alignment::Center);
        let kind = if chosen { Kind::Chosen } else { Kind::Plain };
        let press = widgets::press(container(inside).center_y(Length::Fill), kind, palette)
            .width(Length::Fill)
            .height(ROW - 2.0 * RING)
            .padding(Padding::from([0.0, SMALL]))
            .on_press(Message::Choose(at));
        ring(press, self.is_on(Stop::Offer(at)), palette)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn question(multiple: bool, remember: bool) -> (Share, Instant) {
        let offer = |name: &str, window| Offer {
            name: name.into(),
            about: String::new(),
            window,
            picture: None,
        };
        let mut share = Share::new(Request {
            app: "org.example.Call".into(),
            offers: vec![offer("DP-1", false), offer("Letter", true)],
            multiple,
            remember,
        });
        let shown = Instant::now();
        share.on_screen(shown);
        (share, shown + GUARD)
    }

    fn chose(chosen: &[usize], remember: bool) -> Outcome {
        Outcome::Done(Some(Answer {
            chosen: chosen.to_vec(),
            remember,
        }))
    }

    #[test]
    fn nothing_is_given_that_was_not_chosen() {
        let (mut share, armed) = question(false, true);
        assert_eq!(share.update(Message::Answer(true), armed), Outcome::None);
        // The keyboard begins on no.
        assert_eq!(share.update(Message::Press, armed), Outcome::Done(None));
        share.update(Message::Choose(7), armed);
        assert_eq!(share.update(Message::Answer(true), armed), Outcome::None);
    }

    #[test]
    fn one_is_chosen_or_several() {
        let (mut one, armed) = question(false, false);
        one.update(Message::Choose(0), armed);
        one.update(Message::Choose(1), armed);
        assert_eq!(one.update(Message::Answer(true), armed), chose(&[1], false));
        let (mut several, armed) = question(true, false);
        several.update(Message::Choose(1), armed);
        several.update(Message::Choose(0), armed);
        let all = chose(&[0, 1], false);
        assert_eq!(several.update(Message::Answer(true), armed), all);
        several.update(Message::Choose(1), armed);
        let left = chose(&[0], false);
        assert_eq!(several.update(Message::Answer(true), armed), left);
    }

    #[test]
    fn keys_alone_choose_and_remember() {
        let (mut share, armed) = question(false, true);
        for message in [
            // From no to what is remembered, to the last offer.
            Message::Move(-1),
            Message::Press,
            Message::Move(-1),
            Message::Press,
            // Over what is remembered and no to yes.
            Message::Move(3),
        ] {
            share.update(message, armed);
        }
        let early = armed - Duration::from_millis(1);
        assert_eq!(share.update(Message::Press, early), Outcome::None);
        assert_eq!(share.update(Message::Press, armed), chose(&[1], true));
    }

    #[test]
    fn what_the_program_does_not_want_remembered_is_not() {
        let (mut share, armed) = question(false, false);
        share.update(Message::Remember, armed);
        share.update(Message::Choose(0), armed);
        assert_eq!(
            share.update(Message::Answer(true), armed),
            chose(&[0], false)
        );
    }
}
