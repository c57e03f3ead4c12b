//! The power menu: theme, permissions, lock, log out, restart, power off.

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{Event, Padding};
use iced_widget::{column, container};

use super::list_keys::{ListKey, list_key};
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{Appearance, Palette, SMALL, TIGHT};
use crate::tr;
use crate::widgets::{self, SHADOW};

/// Size of the surface in logical pixels, shadow included.
pub const WIDTH: u32 = 228 + 2 * SHADOW as u32;

/// What can be chosen, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The other of dark and light.
    SwitchTheme,
    /// Shows the permissions page.
    Permissions,
    /// Locks the screen.
    Lock,
    /// Ends the session.
    LogOut,
    /// Restarts the machine.
    Restart,
    /// Switches the machine off.
    PowerOff,
}

const ITEMS: [Item; 6] = [
    Item::SwitchTheme,
    Item::Permissions,
    Item::Lock,
    Item::LogOut,
    Item::Restart,
    Item::PowerOff,
];

/// The menu's state.
#[derive(Debug, Default)]
pub struct Power {
    selected: Option<usize>,
}

/// What a person does in it.
#[derive(Debug, Clone, Copy)]
pub enum Message {
    /// Choose the row below or above.
    Move(isize),
    /// Do what the chosen row says.
    Activate,
    /// Do this.
    Pick(Item),
    /// Away with it.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    None,
    /// Do this, and close.
    Do(Item),
    /// Close it.
    Close,
}

impl Power {
    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Move(by) => {
                self.selected = Some(widgets::next_row(self.selected, by, ITEMS.len()));
                Outcome::None
            }
            Message::Activate => self
                .selected
                .map_or(Outcome::None, |at| Outcome::Do(ITEMS[at])),
            Message::Pick(item) => Outcome::Do(item),
            Message::Close => Outcome::Close,
        }
    }

    /// Its keys.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed { key, modifiers, .. }) = event else {
            return None;
        };
        if let Key::Named(Named::Space) = key {
            return Some(Message::Activate);
        }
        Some(match list_key(key, *modifiers, 1)? {
            ListKey::Escape => Message::Close,
            ListKey::Enter => Message::Activate,
            ListKey::Move(by) => Message::Move(by),
        })
    }

    /// The menu's widgets.
    pub fn view(&self, appearance: Appearance, palette: &Palette) -> Element<'_, Message> {
        let mut rows = column![].spacing(TIGHT / 2.0);
        for (index, item) in ITEMS.into_iter().enumerate() {
            let (icon, title) = match (item, appearance) {
                (Item::SwitchTheme, Appearance::Dark) => (Icon::Sun, tr!("power-light-theme")),
                (Item::SwitchTheme, Appearance::Light) => (Icon::Moon, tr!("power-dark-theme")),
                (Item::Permissions, _) => (Icon::Shield, tr!("permissions")),
                (Item::Lock, _) => (Icon::Lock, tr!("power-lock")),
                (Item::LogOut, _) => (Icon::Logout, tr!("power-log-out")),
                (Item::Restart, _) => (Icon::Restart, tr!("power-restart")),
                (Item::PowerOff, _) => (Icon::Power, tr!("power-off")),
            };
            let chosen = self.selected == Some(index);
            rows = rows.push(widgets::menu_row(
                icon,
                title,
                chosen,
                Message::Pick(item),
                palette,
            ));
            if item == Item::Permissions {
                rows = rows.push(
                    container(widgets::divider(palette)).padding(Padding::from([TIGHT, SMALL])),
                );
            }
        }
        widgets::card(rows.padding(SMALL), palette).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_until_something_is_chosen() {
        let mut power = Power::default();
        assert_eq!(power.update(Message::Activate), Outcome::None);
        power.update(Message::Move(-1));
        assert_eq!(power.update(Message::Activate), Outcome::Do(Item::PowerOff));
        power.update(Message::Move(1));
        assert_eq!(
            power.update(Message::Activate),
            Outcome::Do(Item::SwitchTheme)
        );
    }
}
