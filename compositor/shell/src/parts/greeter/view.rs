//! What the greeter looks like: the list of people or the conversation with PAM, and the buttons below.

use iced_core::{Alignment, Color, Length, Padding, Size};
use iced_widget::{column, container, row, space};

use super::{Button, Greeter, Message, Pending, Power, Said, Stage, Told, is_password};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::parts::entry::{self, Field};
use crate::theme::{GAP, HUGE, Palette, SMALL, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind};

/// The list of people, for scrolling.
pub const LIST: &str = "greeter-people";
/// Height of a row of it in logical pixels.
pub(super) const ROW: f32 = 52.0;
/// So many rows are seen at most.
pub(super) const ROWS: usize = 5;
/// Logical pixels above and below the rows: the card's edges and what else is in it, the buttons.
const AROUND: f32 = 196.0;
/// Logical pixels of the clock.
const CLOCK: f32 = 150.0;
/// A screen lower than this has no room for it.
const LOW: f32 = 560.0;
/// The smallest screen on which all of it has room, in logical pixels.
pub const LEAST: Size = Size::new(560.0, 400.0);
/// Height of what is said beneath the field: three lines, so that nothing moves.
const SAID: f32 = 60.0;
/// Characters of that.
const MOST_SAID: usize = 110;
/// Characters of a question above the field, and within it.
const MOST_ASKED: usize = 70;
const MOST_HINT: usize = 30;

impl Greeter {
    /// The screen's widgets.
    pub fn view(&self, size: Size, palette: &Palette) -> Element<'_, Message> {
        let clock = (size.height >= LOW).then_some(&self.clock);
        let above = if clock.is_some() { CLOCK } else { 0.0 };
        let rows = (size.height - above - AROUND) / ROW;
        self.rows.set((rows as usize).clamp(1, ROWS));
        let card = match self.stage {
            Stage::Choosing => self.list(palette),
            _ => self.conversation(palette),
        };
        let middle = entry::middle(clock, card, palette);
        let content = column![middle, self.foot(palette)];
        entry::ground(content, palette)
    }

    fn list(&self, palette: &Palette) -> Element<'_, Message> {
        let people = self.people.iter().enumerate();
        let rows = people.map(|(at, account)| {
            let mark = entry::mark(&account.person, 32.0, palette);
            let name = widgets::shortened(&visible(&account.person), 28);
            self.row(at, mark, name, palette)
        });
        let icon = container(widgets::icon(Icon::Person, 18.0, palette.text_dim)).center(32);
        let (row, other) = (self.people.len(), tr!("greeter-other"));
        let last = self.row(row, icon.into(), other, palette);
        let rows = column(rows.chain([last]));
        let (words, ink) = self.words();
        let height = ROW * (self.people.len() + 1).min(self.rows.get()) as f32;
        column![
            widgets::line(
                tr!("greeter-log-in"),
                TEXT_LARGE,
                palette.text,
                fonts::UI_STRONG
            ),
            container(widgets::list(rows, LIST, palette)).height(height),
            container(widgets::label(words, TEXT, ink(palette))).width(Length::Fill),
        ]
        .spacing(SMALL)
        .into()
    }

    fn row<'a>(
        &self,
        at: usize,
        mark: Element<'a, Message>,
        name: String,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let chosen = self.focus.is_none() && at == self.selected;
        let kind = if chosen { Kind::Chosen } else { Kind::Plain };
        let mut content = row![
            mark,
            widgets::line(name, TEXT, palette.text, fonts::UI_MEDIUM)
        ]
        .spacing(GAP)
        .align_y(Alignment::Center);
        if chosen {
            content = content.push(widgets::icon(Icon::Enter, 16.0, palette.text_dim));
        }
        widgets::press(container(content).center_y(Length::Fill), kind, palette)
            .width(Length::Fill)
            .height(ROW)
            .padding(Padding::from([0.0, SMALL]))
            .on_press(Message::Pick(at))
            .into()
    }

    fn conversation(&self, palette: &Palette) -> Element<'_, Message> {
        let below = match (&self.stage, &self.wanted) {
            (Stage::Answering { question, .. }, _) if !is_password(question) => {
                widgets::shortened(question, MOST_ASKED)
            }
            (_, Some(account)) if account.name != account.person => visible(&account.name),
            _ => tr!("greeter-log-in"),
        };
        let other = tr!("greeter-other");
        let person = self
            .wanted
            .as_ref()
            .map_or(&other, |account| &account.person);
        let (words, ink) = self.words();
        let mut content = column![
            entry::head(person, below, palette),
            space().height(GAP),
            self.field().view(palette).map(Message::Entry),
            container(widgets::label(words, TEXT, ink(palette)))
                .width(Length::Fill)
                .height(SAID),
        ]
        .spacing(SMALL);
        let list_is_there = !(self.people.is_empty() && self.stage == Stage::Naming);
        if list_is_there && !matches!(self.stage, Stage::Starting | Stage::Gone) {
            let label = widgets::label(tr!("greeter-others"), TEXT_SMALL, palette.text_dim);
            content = content.push(
                widgets::press(label, Kind::Plain, palette)
                    .padding(Padding::from([TIGHT, SMALL]))
                    .on_press(Message::Back),
            );
        }
        content.into()
    }

    pub(super) fn field(&self) -> Field<'_> {
        let checking = self.pending == Some(Pending::Answer);
        let (hint, open) = match &self.stage {
            Stage::Naming => (tr!("greeter-name"), true),
            Stage::Asking if checking => (tr!("lock-checking"), false),
            Stage::Asking => (tr!("lock-password"), true),
            Stage::Answering { question, .. } if !is_password(question) => {
                (widgets::shortened(question, MOST_HINT), true)
            }
            Stage::Answering { .. } => (tr!("lock-password"), true),
            Stage::Open => (tr!("greeter-press-enter"), false),
            Stage::Failed => (tr!("greeter-try-again"), false),
            Stage::Starting => (tr!("greeter-starts"), false),
            Stage::Gone | Stage::Choosing => (String::new(), false),
        };
        let plain = matches!(
            self.stage,
            Stage::Naming | Stage::Answering { secret: false, .. }
        );
        Field {
            typed: &self.typed,
            plain,
            hint,
            open,
            ready: !matches!(self.stage, Stage::Asking | Stage::Starting | Stage::Gone),
            wrong: matches!(self.said, Said::Wrong { .. }),
            icon: if plain { Icon::Person } else { Icon::Lock },
        }
    }

    /// What is said beneath the field, and in which colour.
    pub(super) fn words(&self) -> (String, fn(&Palette) -> Color) {
        let bad: fn(&Palette) -> Color = |palette| palette.bad;
        let warn: fn(&Palette) -> Color = |palette| palette.warn;
        let dim: fn(&Palette) -> Color = |palette| palette.text_dim;
        let (said, ink) = match &self.said {
            Said::Wrong { password: true } => (tr!("lock-wrong"), bad),
            Said::Wrong { password: false } => (tr!("greeter-wrong"), bad),
            Said::TypeFirst => (tr!("lock-type-first"), warn),
            Said::TooLong => (tr!("lock-too-long"), bad),
            Said::Refused(why) => {
                // The log has all of it.
                let why = widgets::shortened(why, MOST_SAID / 2);
                (tr!("greeter-refused", why = why), bad)
            }
            Said::Problem(sentence) => (widgets::shortened(sentence, MOST_SAID), bad),
            Said::Gone(why) => {
                let why = widgets::shortened(why, MOST_SAID / 2);
                (tr!("greeter-gone", why = why), bad)
            }
            Said::Nothing if self.caps_lock => (tr!("lock-caps"), warn),
            Said::Nothing if self.stage == Stage::Open => (tr!("lock-no-password"), dim),
            Said::Nothing => (String::new(), dim),
        };
        // PAM's words beside our own.
        let Told { text, is_bad } = &self.told;
        let (words, ink) = match (said.is_empty(), text.is_empty()) {
            (_, true) => (said, ink),
            (true, false) => (text.clone(), if *is_bad { bad } else { dim }),
            (false, false) => (tr!("greeter-and", said = said, told = text.as_str()), ink),
        };
        let words = widgets::shortened(&words, MOST_SAID);
        if self.caps_lock && matches!(self.said, Said::Wrong { .. }) {
            // PAM's words may be a sentence already.
            let said = words.trim_end_matches('.');
            return (tr!("lock-and-caps", said = said), ink);
        }
        (words, ink)
    }

    fn foot(&self, palette: &Palette) -> Element<'_, Message> {
        let buttons = self.buttons().into_iter().enumerate();
        let buttons = buttons.map(|(at, button)| self.button(at, button, palette));
        // On a narrow screen they take several lines.
        let buttons = row(buttons).spacing(TIGHT).wrap();
        container(buttons)
            .center_x(Length::Fill)
            .padding(Padding {
                bottom: HUGE,
                ..Padding::new(GAP)
            })
            .into()
    }

    fn button<'a>(&self, at: usize, button: Button, palette: &Palette) -> Element<'a, Message> {
        let (icon, title) = match button {
            Button::Session => {
                let name = widgets::shortened(&visible(&self.sessions[self.session].name), 24);
                (Icon::Display, tr!("greeter-session", name = name))
            }
            Button::Contrast => (Icon::Eye, tr!("greeter-contrast")),
            Button::Power(Power::Sleep) => (Icon::Moon, tr!("greeter-sleep")),
            Button::Power(Power::Restart) => (Icon::Restart, tr!("power-restart")),
            Button::Power(Power::Off) => (Icon::Power, tr!("power-off")),
        };
        let chosen = self.focus == Some(at);
        let (kind, ink) = match chosen {
            true => (Kind::Chosen, palette.text),
            false => (Kind::Plain, palette.text_dim),
        };
        let content = row![
            widgets::icon(icon, 16.0, ink),
            widgets::label(title, TEXT, palette.text)
        ]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        widgets::press(content, kind, palette)
            .on_press(Message::Press(button))
            .into()
    }
}
