//! What the lock screen and the greeter share: a field whose letters nobody reads, its keys, the
//! clock, the mark of a person, the ground behind it all.
//!
//! What is typed is kept here and nowhere else: in one piece of memory that is cleared when it is
//! done with. The widgets only learn how many letters there are, so no font cache, no clipboard and
//! no text input has it; but for a [`Field`] that is `plain`, which is for what is no secret.

use std::time::Duration;

use iced_core::border::Radius;
use iced_core::gradient::Linear;
use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{
    Alignment, Background, Border, Event, Gradient, Length, Padding, Radians, SmolStr,
};
use iced_widget::{column, container, row, space};
use jiff::Zoned;
use zeroize::Zeroize;

use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::l10n;
use crate::pam::Password;
use crate::theme::{GAP, HUGE, Palette, ROUND, SMALL, TEXT, TEXT_CLOCK, TEXT_LARGE, TIGHT};
use crate::widgets::{self, Kind, SHADOW};

/// Width of the card in logical pixels.
pub(super) const WIDTH: f32 = 360.0;
/// The longest password in bytes: PAM takes no more.
pub(super) const LONGEST: usize = 511;
/// More letters than these are shown as so many.
const MOST_DOTS: usize = 20;
/// Of plain text so many letters are seen, the last ones.
const MOST_LETTERS: usize = 28;

/// What is typed. Its memory is never moved and is cleared with it.
pub(super) struct Secret(pub(super) Password);

impl Default for Secret {
    fn default() -> Self {
        Self(Password::new(String::with_capacity(LONGEST)))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn letters(&self) -> usize {
        self.0.chars().count()
    }

    /// Returns whether it found room.
    pub(super) fn push(&mut self, typed: &str) -> bool {
        let fits = self.0.len() + typed.len() <= LONGEST;
        if fits {
            self.0.push_str(typed);
        }
        fits
    }

    pub(super) fn erase(&mut self) {
        let end = self.0.char_indices().last().map_or(0, |(at, _)| at);
        // What is cut off would stay in memory.
        let mut last = self.0.split_off(end);
        last.zeroize();
        let kept = Password::new(self.0.as_str().to_owned());
        self.0.zeroize();
        self.0.push_str(&kept);
    }

    pub(super) fn take(&mut self) -> Password {
        std::mem::take(self).0
    }
}

/// Typed letters, which no log shows.
#[derive(Clone)]
pub struct Letters(pub(super) SmolStr);

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letters")
    }
}

/// What a person does.
#[derive(Debug, Clone)]
pub enum Message {
    /// Type something.
    Typed(Letters),
    /// Take the last letter back.
    Erase,
    /// Take all of it back.
    Clear,
    /// That is it.
    Submit,
}

/// The field's keys.
pub(super) fn intercept(event: &Event) -> Option<Message> {
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
    match key {
        // A key that was held when the field came is no answer.
        Key::Named(Named::Enter) => (!repeat).then_some(Message::Submit),
        Key::Named(Named::Backspace) if modifiers.control() => Some(Message::Clear),
        Key::Named(Named::Backspace) => Some(Message::Erase),
        Key::Named(Named::Escape) => Some(Message::Clear),
        Key::Character(letter) if modifiers.control() && letter.as_str() == "u" => {
            Some(Message::Clear)
        }
        _ if modifiers.control() || modifiers.logo() => None,
        _ => text.clone().map(|text| Message::Typed(Letters(text))),
    }
}

/// How the field stands.
pub(super) struct Field<'a> {
    pub(super) typed: &'a Secret,
    /// The letters are shown.
    pub(super) plain: bool,
    /// Stands there while nothing is typed.
    pub(super) hint: String,
    /// Something can be typed.
    pub(super) open: bool,
    /// Enter does something.
    pub(super) ready: bool,
    /// What was typed last was wrong.
    pub(super) wrong: bool,
    pub(super) icon: Icon,
}

impl Field<'_> {
    pub(super) fn view<'a>(&self, palette: &Palette) -> Element<'a, Message> {
        let palette = *palette;
        let caret = || {
            container(widgets::raised(
                space().width(1.5).height(18),
                palette.accent,
                0.5,
            ))
            .padding(Padding::from([0.0, 1.0]))
        };
        let hint = || widgets::label(self.hint.clone(), TEXT, palette.text_dim);
        let inside: Element<'_, Message> = match self.typed.letters() {
            0 if !self.open => hint().into(),
            0 => row![caret(), hint()].align_y(Alignment::Center).into(),
            many if self.plain => {
                let letters = self.typed.0.chars().skip(many.saturating_sub(MOST_LETTERS));
                let shown = widgets::label(letters.collect::<String>(), TEXT, palette.text);
                row![shown, caret()].align_y(Alignment::Center).into()
            }
            many => {
                let dots = (0..many.min(MOST_DOTS)).map(|_| widgets::dot(7.0, palette.text));
                row![row(dots).spacing(3.0), caret()]
                    .spacing(2.0)
                    .align_y(Alignment::Center)
                    .into()
            }
        };
        let enter = widgets::press(
            widgets::icon(Icon::Enter, 16.0, palette.accent_text),
            Kind::Primary,
            &palette,
        )
        .padding(SMALL)
        .on_press_maybe(self.ready.then_some(Message::Submit));
        let field = row![
            widgets::icon(self.icon, 16.0, palette.text_dim),
            container(inside).width(Length::Fill).clip(true),
            enter,
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        let edge = if self.wrong {
            palette.bad
        } else {
            palette.line
        };
        container(field)
            .padding(Padding {
                left: GAP,
                ..Padding::new(TIGHT + 1.0)
            })
            .height(44)
            .align_y(Alignment::Center)
            .style(move |_| container::Style {
                background: Some(Background::Color(palette.raised)),
                border: Border {
                    color: edge,
                    width: 1.0,
                    radius: Radius::new(ROUND),
                },
                ..container::Style::default()
            })
            .into()
    }
}

/// Date and time of day.
#[derive(Debug)]
pub(super) struct Clock {
    date: String,
    time: String,
}

impl Clock {
    pub(super) fn now() -> Self {
        let mut clock = Self {
            date: String::new(),
            time: String::new(),
        };
        clock.set(&Zoned::now());
        clock
    }

    /// Shows `now` and returns how long that stays true.
    pub(super) fn set(&mut self, now: &Zoned) -> Duration {
        self.date = l10n::long_date(now);
        self.time = l10n::minutes(now);
        l10n::minute_left(now)
    }

    fn view<'a, M: 'a>(&self, palette: &Palette) -> Element<'a, M> {
        column![
            widgets::label(self.time.clone(), TEXT_CLOCK, palette.text).font(fonts::UI_MEDIUM),
            widgets::label(self.date.clone(), TEXT_LARGE, palette.text_dim),
        ]
        .spacing(TIGHT)
        .align_x(Alignment::Center)
        .into()
    }
}

/// Somebody's first letter in a circle of `size` logical pixels.
pub(super) fn mark<'a, M: 'a>(person: &str, size: f32, palette: &Palette) -> Element<'a, M> {
    let letter = person.chars().next().unwrap_or('?');
    let letter: String = letter.to_uppercase().collect();
    let (ground, round) = (palette.person, size / 2.0);
    container(
        widgets::label(
            letter,
            (TEXT_LARGE + TIGHT) * size / 48.0,
            palette.person_text,
        )
        .font(fonts::UI_STRONG),
    )
    .center(size)
    .style(move |_| container::Style {
        background: Some(Background::Color(ground)),
        border: widgets::rounded(round),
        ..container::Style::default()
    })
    .into()
}

/// Somebody's mark and name, with a line below.
pub(super) fn head<'a, M: 'a>(person: &str, below: String, palette: &Palette) -> Element<'a, M> {
    let name = widgets::shortened(&crate::visible::visible(person), 26);
    row![
        mark(person, 48.0, palette),
        column![
            widgets::line(name, TEXT_LARGE, palette.text, fonts::UI_STRONG),
            widgets::label(below, TEXT, palette.text_dim),
        ]
        .spacing(TIGHT / 2.0)
    ]
    .spacing(GAP)
    .align_y(Alignment::Center)
    .into()
}

/// A card with the clock above it, where there is room for that, in the middle.
pub(super) fn middle<'a, M: 'a>(
    clock: Option<&Clock>,
    content: impl Into<Element<'a, M>>,
    palette: &Palette,
) -> Element<'a, M> {
    let card = widgets::card(
        container(content).padding(Padding {
            bottom: SMALL,
            ..Padding::new(HUGE)
        }),
        palette,
    );
    let clock = clock.map(|clock| clock.view(palette));
    let card = container(card).width(WIDTH + 2.0 * SHADOW).into();
    let middle = column(clock.into_iter().chain([card]))
        .spacing(HUGE)
        .align_x(Alignment::Center);
    container(middle).center(Length::Fill).into()
}

/// The ground that covers an output.
pub(super) fn ground<'a, M: 'a>(
    content: impl Into<Element<'a, M>>,
    palette: &Palette,
) -> Element<'a, M> {
    let (above, below) = (
        widgets::mix(palette.panel, palette.accent, 0.12),
        palette.panel,
    );
    container(content)
        .width(Length::Fill)
        .height(Length::Fill)
        .style(move |_| {
            let ground = Linear::new(Radians(std::f32::consts::PI))
                .add_stop(0.0, above.scale_alpha(1.0 / above.a))
                .add_stop(1.0, below.scale_alpha(1.0 / below.a));
            container::Style {
                background: Some(Background::Gradient(Gradient::Linear(ground))),
                ..container::Style::default()
            }
        })
        .into()
}
