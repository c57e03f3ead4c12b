//! With which application something is opened: a list to choose from.

use std::collections::HashMap;

use argos_apps::App;
use iced_core::keyboard::{self, Key};
use iced_core::text::Wrapping;
use iced_core::{Alignment, Event, Length, Padding};
use iced_widget::image::Handle;
use iced_widget::{column, container, row, space};

use super::dialog::{self, fit};
use super::launcher::tile;
use super::list_keys::{ListKey, list_key};
use crate::fonts;
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, HUGE, Palette, TEXT, TEXT_LARGE, TEXT_SMALL, TIGHT, WIDE};
use crate::tr;
use crate::visible::visible;
use crate::widgets::{self, Kind, centred, next_row};

/// Size it opens with, in logical pixels.
pub const SIZE: (u32, u32) = (440, 460);
/// Smaller it is not made.
pub const LEAST: (u32, u32) = (320, 280);
/// The list's name.
pub const LIST: &str = "open-with-list";
/// As many applications can be chosen from.
pub const MOST: usize = 200;

const ROW: f32 = 46.0;
/// About the height of the list.
const ROWS_HEIGHT: f32 = 240.0;
/// So many rows are a page.
const PAGE: isize = 5;

/// The dialog.
#[derive(Debug, Default)]
pub struct OpenWith {
    /// What is opened, by its name.
    what: String,
    apps: Vec<App>,
    icons: HashMap<String, Handle>,
    row: usize,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Go some rows down.
    Move(isize),
    /// Go to the next name that begins with this letter.
    Letter(String),
    /// This row was clicked.
    Pick(usize),
    /// Open it with the application the keyboard is on.
    Open,
    /// Not at all.
    Cancel,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing beyond the dialog.
    None,
    /// The list is to be scrolled to this many whole pixels from its top.
    Scroll(u32),
    /// This application, by its id; or none.
    Done(Option<String>),
}

impl OpenWith {
    /// A dialog about `what`, with applications to choose from and the one that was chosen last.
    pub fn new(what: String, apps: Vec<App>, icons: HashMap<String, Handle>, last: &str) -> Self {
        let mut dialog = Self {
            what,
            icons,
            ..Self::default()
        };
        dialog.set(apps, last);
        dialog
    }

    /// Other applications can be chosen from.
    pub fn set(&mut self, mut apps: Vec<App>, last: &str) {
        apps.truncate(MOST);
        self.row = apps.iter().position(|app| app.id == last).unwrap_or(0);
        self.apps = apps;
    }

    /// The applications' ids.
    pub fn chosen(&self) -> Option<&str> {
        self.apps.get(self.row).map(|app| app.id.as_str())
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Move(by) if !self.apps.is_empty() => {
                self.row = next_row(Some(self.row), by, self.apps.len());
            }
            Message::Letter(letter) => {
                let count = self.apps.len();
                let letter = letter.to_lowercase();
                let mut rows = (1..=count).map(|by| (self.row + by) % count);
                let named = |row: &usize| self.apps[*row].name.to_lowercase().starts_with(&letter);
                match rows.find(named) {
                    Some(row) => self.row = row,
                    None => return Outcome::None,
                }
            }
            Message::Pick(row) if row == self.row => return self.update(Message::Open),
            Message::Pick(row) => {
                self.row = row;
                return Outcome::None;
            }
            Message::Open => {
                return match self.apps.get(self.row) {
                    Some(app) => Outcome::Done(Some(app.id.clone())),
                    None => Outcome::None,
                };
            }
            Message::Cancel => return Outcome::Done(None),
            Message::Move(_) => return Outcome::None,
        }
        Outcome::Scroll(centred(self.row, ROW, ROWS_HEIGHT) as u32)
    }

    /// The keys: arrows and letters go over the list, Enter opens, Escape does not.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed {
            key,
            modifiers,
            text,
            ..
        }) = event
        else {
            return None;
        };
        if matches!(key, Key::Character(_)) && !modifiers.control() && !modifiers.alt() {
            return Some(Message::Letter(text.as_ref()?.to_string()));
        }
        Some(match list_key(key, *modifiers, PAGE)? {
            ListKey::Escape => Message::Cancel,
            ListKey::Enter => Message::Open,
            ListKey::Move(by) => Message::Move(by),
        })
    }

    /// The dialog's widgets, for a window of this width.
    pub fn view(&self, width: f32, palette: &Palette) -> Element<'_, Message> {
        let title = if self.what.is_empty() {
            tr!("open-with")
        } else {
            tr!("open-with-what", what = visible(&self.what))
        };
        let title = fit(&title, width - 2.0 * HUGE, TEXT_LARGE);
        let head = widgets::label(title, TEXT_LARGE, palette.text)
            .font(fonts::UI_STRONG)
            .wrapping(Wrapping::None);
        let list: Element<'_, Message> = if self.apps.is_empty() {
            let says = tr!("open-with-nothing");
            let says = column![
                widgets::icon(Icon::App, 34.0, palette.text_dim),
                widgets::label(says, TEXT, palette.text_dim)
            ]
            .spacing(GAP)
            .align_x(Alignment::Center);
            container(says).center(Length::Fill).into()
        } else {
            let rows = self.apps.iter().enumerate();
            let rows = rows.map(|(at, app)| self.app_row(at, app, width, palette));
            widgets::list(iced_widget::Column::with_children(rows), LIST, palette)
        };
        let can = !self.apps.is_empty();
        let buttons = row![
            space().width(Length::Fill),
            dialog::big_button(tr!("cancel"), Kind::Raised, palette).on_press(Message::Cancel),
            dialog::big_button(tr!("open"), Kind::Primary, palette)
                .on_press_maybe(can.then_some(Message::Open)),
        ]
        .spacing(crate::theme::SMALL);
        let all = column![
            container(head).padding(Padding::from([WIDE, HUGE])),
            widgets::divider(palette),
            container(list)
                .height(Length::Fill)
                .padding(Padding::from([TIGHT, 0.0])),
            widgets::divider(palette),
            container(buttons).padding(Padding::from([GAP, WIDE])),
        ];
        dialog::ground(all, palette).into()
    }

    fn app_row<'a>(
        &'a self,
        at: usize,
        app: &'a App,
        width: f32,
        palette: &Palette,
    ) -> Element<'a, Message> {
        let on = at == self.row;
        let mark: Element<'_, Message> = match self.icons.get(&app.icon) {
            Some(handle) => iced_widget::image(handle.clone())
                .width(30)
                .height(30)
                .into(),
            None => container(tile(app, palette)).center(30).into(),
        };
        let room = width - 110.0;
        let mut words = column![
            widgets::label(fit(&visible(&app.name), room, TEXT), TEXT, palette.text)
                .font(fonts::UI_MEDIUM)
                .wrapping(Wrapping::None)
        ];
        if !app.generic_name.is_empty() {
            let about = fit(&visible(&app.generic_name), room, TEXT_SMALL);
            words = words
                .push(widgets::label(about, TEXT_SMALL, palette.text_dim).wrapping(Wrapping::None));
        }
        let mut inside = row![mark, words].spacing(GAP).align_y(Alignment::Center);
        if on {
            inside = inside.push(space().width(Length::Fill)).push(widgets::icon(
                Icon::Enter,
                15.0,
                palette.text_dim,
            ));
        }
        let kind = if on { Kind::Chosen } else { Kind::Plain };
        widgets::press(container(inside).center_y(Length::Fill), kind, palette)
            .width(Length::Fill)
            .height(ROW)
            .padding(Padding::from([0.0, GAP]))
            .on_press(Message::Pick(at))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> App {
        App {
            id: name.to_lowercase(),
            name: name.into(),
            ..App::default()
        }
    }

    #[test]
    fn the_last_one_is_offered_first_and_letters_find_others() {
        let apps = || vec![app("Files"), app("Foot"), app("Viewer")];
        let mut dialog = OpenWith::new("a.png".into(), apps(), HashMap::new(), "viewer");
        assert_eq!(dialog.chosen(), Some("viewer"));
        dialog.update(Message::Letter("F".into()));
        assert_eq!(dialog.chosen(), Some("files"));
        dialog.update(Message::Letter("f".into()));
        let done = dialog.update(Message::Open);
        assert_eq!(done, Outcome::Done(Some("foot".into())));
        dialog.set(apps(), "nobody");
        assert_eq!(dialog.chosen(), Some("files"));
        assert_eq!(dialog.update(Message::Cancel), Outcome::Done(None));
    }

    #[test]
    fn nothing_to_choose_from_harms_nobody() {
        let mut dialog = OpenWith::default();
        for message in [
            Message::Move(1),
            Message::Letter("a".into()),
            Message::Open,
            Message::Pick(3),
        ] {
            assert!(!matches!(dialog.update(message), Outcome::Done(Some(_))));
        }
    }
}
