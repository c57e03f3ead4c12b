//! A change of a screen that is on trial: it is asked whether it is to be kept.
//!
//! The compositor takes back what nobody keeps in time, so nothing has to be seen on the screen for that. The
//! keyboard begins on taking it back: who sees nothing and presses Enter gets the screen back.

use std::time::{Duration, Instant};

use iced_core::keyboard::{Key, key::Named};
use iced_core::{Alignment, Length};
use iced_widget::{column, container, row};

use super::{Item, Message};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::preferences::Change;
use crate::theme::{GAP, HUGE, Palette, TEXT, TEXT_LARGE, WIDE};
use crate::tr;
use crate::widgets::{self, Kind};

/// How long a change is on trial, in seconds.
pub const SECONDS: u32 = 15;
/// So long nothing is kept: a key that is still on its way is no answer.
const GUARD: Duration = Duration::from_millis(500);

/// See the module's page.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) item: Item,
    /// What is written if it is kept.
    pub(super) change: Change,
    /// Since when the screen is otherwise, once it is.
    since: Option<Instant>,
    /// Whether the keyboard is on keeping it.
    keeps: bool,
    /// What is shown of the time that is left.
    left: u32,
}

/// What a key means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Go to the other answer.
    Other,
    /// Give the one that is chosen.
    Chosen,
    /// Keep it.
    Keep,
    /// Take it back.
    TakeBack,
}

impl Trial {
    pub(super) fn new(item: Item, change: Change) -> Self {
        Self {
            item,
            change,
            since: None,
            keeps: false,
            left: SECONDS,
        }
    }

    /// The screen is otherwise now.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since = Some(now);
        self.left = SECONDS;
    }

    /// Whether there is something to ask: not before the compositor has done it.
    pub(super) fn asks(&self) -> bool {
        self.since.is_some()
    }

    /// What the answer comes to: whether it is kept; nothing as long as it is open.
    pub(super) fn answer(&mut self, answer: Answer, now: Instant) -> Option<bool> {
        let since = self.since?;
        let keep = match answer {
            Answer::Other => {
                self.keeps = !self.keeps;
                return None;
            }
            Answer::Chosen => self.keeps,
            Answer::Keep => true,
            Answer::TakeBack => false,
        };
        (!keep || now >= since + GUARD).then_some(keep)
    }

    /// Counts down. Returns whether the time is over.
    pub(super) fn count(&mut self, now: Instant) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        let gone = now.saturating_duration_since(since).as_secs();
        self.left = SECONDS.saturating_sub(u32::try_from(gone).unwrap_or(SECONDS));
        self.left == 0
    }

    /// When it counts next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let counted = SECONDS - self.left + 1;
        Some(self.since? + Duration::from_secs(counted.into()))
    }

    pub(super) fn view<'a>(&self, palette: &Palette) -> Element<'a, Message> {
        let button = |label: String, answer: Answer, chosen: bool, kind: Kind| {
            let ink = match kind {
                Kind::Primary => palette.accent_text,
                _ => palette.text,
            };
            let label = widgets::label(label, TEXT, ink).font(fonts::UI_MEDIUM);
            let colors = *palette;
            widgets::press(label, kind, palette)
                .style(move |_, status| widgets::choice_style(kind, status, chosen, &colors))
                .on_press(Message::Trial(answer))
        };
        let buttons = row![
            button(
                tr!("trial-back"),
                Answer::TakeBack,
                !self.keeps,
                Kind::Raised
            ),
            button(tr!("trial-keep"), Answer::Keep, self.keeps, Kind::Primary),
        ]
        .spacing(GAP);
        let content = column![
            widgets::icon(Icon::Display, 40.0, palette.accent),
            widgets::label(tr!("trial-question"), TEXT_LARGE, palette.text).font(fonts::UI_STRONG),
            widgets::label(
                tr!("trial-left", seconds = self.left),
                TEXT,
                palette.text_dim
            ),
            buttons,
        ]
        .spacing(WIDE)
        .padding(HUGE)
        .align_x(Alignment::Center);
        container(content).center(Length::Fill).into()
    }

    /// The keys of the question.
    pub(super) fn key(key: &Key, repeat: bool) -> Option<Answer> {
        match key {
            Key::Named(Named::Escape) => Some(Answer::TakeBack),
            Key::Named(
                Named::Tab
                | Named::ArrowLeft
                | Named::ArrowRight
                | Named::ArrowUp
                | Named::ArrowDown,
            ) => Some(Answer::Other),
            Key::Named(Named::Enter | Named::Space) => (!repeat).then_some(Answer::Chosen),
            _ => None,
        }
    }
}
