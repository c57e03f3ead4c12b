//! The system tray: icons of programs in the panel, and the menu of one of them.

use iced_core::keyboard::{self, Key, key::Named};
use iced_core::{Alignment, Event, Length, Padding};
use iced_widget::image::Handle;
use iced_widget::{column, container, mouse_area, row, scrollable, space};

use crate::bus::tray::{Address, Command, Entry, Item};
use crate::host::Element;
use crate::icons::Icon;
use crate::theme::{GAP, Palette, SMALL, TEXT, TIGHT};
use crate::tr;
use crate::widgets::{self, Kind, SHADOW};

/// Width of the menu's surface in logical pixels, shadow included.
pub const WIDTH: u32 = 260 + 2 * SHADOW as u32;
/// The menu's surface is never higher than this.
pub const HIGHEST: u32 = 640;
/// Side of an icon in the panel.
const ICON: f32 = 18.0;

/// An item and its picture as renderers take it.
#[derive(Debug)]
struct Shown {
    item: Item,
    picture: Option<Handle>,
}

/// A menu that is open.
#[derive(Debug)]
struct Menu {
    item: Address,
    menu: String,
    entries: Vec<Entry>,
    /// Numbers of the entries whose menus are open, from the outside to the inside.
    path: Vec<i32>,
    selected: Option<usize>,
}

/// The tray's state.
#[derive(Debug, Default)]
pub struct Tray {
    items: Vec<Shown>,
    menu: Option<Menu>,
}

/// What a person does in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An icon was clicked.
    Click(usize),
    /// An icon's menu is wanted.
    OpenMenu(usize),
    /// A row of the menu was chosen.
    Pick(usize),
    /// One menu back.
    Back,
    /// Choose the row below or above.
    Move(isize),
    /// Do what the chosen row says.
    Activate,
    /// Away with the menu.
    Close,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing beyond the tray.
    None,
    /// An item is to do this; the menu stays open if it is.
    Do(Command),
    /// An item is to do this, and the menu closes.
    DoAndClose(Command),
    /// The menu closes.
    Close,
}

impl Tray {
    /// There is an item, or it has changed.
    pub fn set(&mut self, item: Item) {
        let picture = item
            .icon
            .as_ref()
            .map(|icon| Handle::from_rgba(icon.size, icon.size, icon.rgba.clone()));
        let shown = Shown { item, picture };
        match self
            .items
            .iter_mut()
            .find(|known| known.item.address == shown.item.address)
        {
            Some(known) => *known = shown,
            None => self.items.push(shown),
        }
    }

    /// An item is gone. Says whether its menu was open.
    pub fn remove(&mut self, address: &Address) -> bool {
        self.items.retain(|shown| shown.item.address != *address);
        let open = self.menu.as_ref().is_some_and(|menu| menu.item == *address);
        if open {
            self.menu = None;
        }
        open
    }

    /// All are gone.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// An item's menu came. Says whether it is to be shown now: not if the person turned to something else since.
    pub fn set_menu(&mut self, address: &Address, entries: Vec<Entry>) -> bool {
        match &mut self.menu {
            Some(menu) if menu.item == *address => {
                menu.entries = entries;
                true
            }
            _ => false,
        }
    }

    /// The menu is closed.
    pub fn close(&mut self) {
        self.menu = None;
    }

    fn visible(&self) -> impl Iterator<Item = &Shown> {
        self.items.iter().filter(|shown| shown.item.visible)
    }

    /// The rows of the menu that is shown.
    fn rows(&self) -> &[Entry] {
        let Some(menu) = &self.menu else { return &[] };
        let mut rows = menu.entries.as_slice();
        for id in &menu.path {
            match rows.iter().find(|entry| entry.id == *id) {
                Some(entry) => rows = &entry.children,
                // The menu has changed below the person.
                None => return &[],
            }
        }
        rows
    }

    /// Something was done.
    pub fn update(&mut self, message: Message) -> Outcome {
        match message {
            Message::Click(at) | Message::OpenMenu(at) => {
                let Some(item) = self.visible().nth(at).map(|shown| shown.item.clone()) else {
                    return Outcome::None;
                };
                let wanted = item.only_menu || matches!(message, Message::OpenMenu(_));
                let Some(menu) = item.menu.filter(|_| wanted) else {
                    return Outcome::Do(Command::Activate(item.address));
                };
                self.menu = Some(Menu {
                    item: item.address.clone(),
                    menu: menu.clone(),
                    entries: Vec::new(),
                    path: Vec::new(),
                    selected: None,
                });
                Outcome::Do(Command::Menu {
                    item: item.address,
                    menu,
                    about: 0,
                })
            }
            Message::Pick(at) => self.pick(at),
            Message::Activate => match self.menu.as_ref().and_then(|menu| menu.selected) {
                Some(at) => self.pick(at),
                None => Outcome::None,
            },
            Message::Back => {
                let left = self.menu.as_mut().and_then(|menu| {
                    menu.selected = None;
                    menu.path.pop()
                });
                if left.is_some() {
                    Outcome::None
                } else {
                    Outcome::Close
                }
            }
            Message::Move(by) => {
                let rows = self.rows();
                let can = |at: usize| rows[at].enabled && !rows[at].separator;
                let count = rows.len() as isize;
                let from = match self.menu.as_ref().and_then(|menu| menu.selected) {
                    Some(at) => at as isize,
                    None if by > 0 => -1,
                    None => count,
                };
                let next = (1..=count)
                    .map(|n| (from + n * by.signum()).rem_euclid(count) as usize)
                    .find(|at| can(*at));
                if let Some(menu) = &mut self.menu {
                    menu.selected = next;
                }
                Outcome::None
            }
            Message::Close => Outcome::Close,
        }
    }

    fn pick(&mut self, at: usize) -> Outcome {
        let Some(entry) = self.rows().get(at).cloned() else {
            return Outcome::None;
        };
        let Some(menu) = &mut self.menu else {
            return Outcome::None;
        };
        if !entry.enabled || entry.separator {
            return Outcome::None;
        }
        let (item, path) = (menu.item.clone(), menu.menu.clone());
        if entry.children.is_empty() {
            let click = Command::Click {
                item,
                menu: path,
                id: entry.id,
            };
            return Outcome::DoAndClose(click);
        }
        menu.path.push(entry.id);
        menu.selected = None;
        Outcome::Do(Command::Menu {
            item,
            menu: path,
            about: entry.id,
        })
    }

    /// The menu's keys.
    pub fn intercept(event: &Event) -> Option<Message> {
        let Event::Keyboard(keyboard::Event::KeyPressed { key, modifiers, .. }) = event else {
            return None;
        };
        match key {
            Key::Named(Named::Escape) => Some(Message::Close),
            Key::Named(Named::Enter | Named::Space | Named::ArrowRight) => Some(Message::Activate),
            Key::Named(Named::ArrowLeft | Named::Backspace) => Some(Message::Back),
            Key::Named(Named::ArrowDown) => Some(Message::Move(1)),
            Key::Named(Named::ArrowUp) => Some(Message::Move(-1)),
            Key::Named(Named::Tab) => Some(Message::Move(if modifiers.shift() { -1 } else { 1 })),
            _ => None,
        }
    }

    /// The icons, for the panel.
    pub fn icons(&self, palette: &Palette) -> Element<'_, Message> {
        let icons = self.visible().enumerate().map(|(at, shown)| {
            let picture: Element<'_, Message> = match &shown.picture {
                Some(picture) => iced_widget::image(picture.clone())
                    .width(ICON)
                    .height(ICON)
                    .into(),
                None => widgets::icon(Icon::App, ICON, palette.text).into(),
            };
            let mut content = row![picture].align_y(Alignment::Center);
            if shown.item.attention {
                content = content
                    .push(space().width(TIGHT))
                    .push(widgets::dot(7.0, palette.warn));
            }
            let button = widgets::press(
                container(content).center_y(Length::Fill),
                Kind::Plain,
                palette,
            )
            .height(28)
            .padding(Padding::from([0.0, 6.0]))
            .on_press(Message::Click(at));
            mouse_area(button)
                .on_right_press(Message::OpenMenu(at))
                .into()
        });
        row(icons).align_y(Alignment::Center).into()
    }

    /// The menu's widgets.
    pub fn view(&self, palette: &Palette) -> Element<'_, Message> {
        let mut rows = column![].spacing(TIGHT / 2.0);
        let Some(menu) = &self.menu else {
            return space().into();
        };
        let title = self
            .items
            .iter()
            .find(|shown| shown.item.address == menu.item)
            .map_or("", |shown| shown.item.title.as_str());
        if menu.path.is_empty() {
            rows = rows.push(
                container(widgets::line(
                    title,
                    TEXT - 1.0,
                    palette.text_dim,
                    crate::fonts::UI_MEDIUM,
                ))
                .padding(Padding::from([SMALL, GAP])),
            );
        } else {
            rows = rows.push(widgets::menu_row(
                Icon::Back,
                tr!("tray-back"),
                false,
                Message::Back,
                palette,
            ));
        }
        let entries = self.rows();
        if entries.is_empty() {
            rows = rows.push(
                container(widgets::label(tr!("tray-nothing"), TEXT, palette.text_dim))
                    .padding(Padding::from([SMALL, GAP])),
            );
        }
        for (at, entry) in entries.iter().enumerate() {
            rows = rows.push(self.row(at, entry, menu.selected == Some(at), palette));
        }
        let list = scrollable(rows)
            .direction(scrollable::Direction::Vertical(
                scrollable::Scrollbar::new().width(6).scroller_width(6),
            ))
            .style(widgets::scroll_style(palette));
        widgets::card(container(list).padding(SMALL), palette).into()
    }

    fn row<'a>(
        &self,
        at: usize,
        entry: &'a Entry,
        chosen: bool,
        palette: &Palette,
    ) -> Element<'a, Message> {
        if entry.separator {
            return container(widgets::divider(palette))
                .padding(Padding::from([TIGHT, SMALL]))
                .into();
        }
        let ink = if entry.enabled {
            palette.text
        } else {
            palette.text_dim
        };
        let mut content = row![widgets::line(
            entry.label.as_str(),
            TEXT,
            ink,
            crate::fonts::UI
        )]
        .spacing(SMALL)
        .align_y(Alignment::Center);
        if let Some(on) = entry.on {
            let color = if on { palette.accent } else { palette.line };
            content = content.push(widgets::dot(8.0, color));
        }
        if !entry.children.is_empty() {
            content = content.push(widgets::icon(Icon::Forward, 14.0, palette.text_dim));
        }
        let kind = if chosen { Kind::Chosen } else { Kind::Plain };
        widgets::press(content, kind, palette)
            .width(Length::Fill)
            .padding(Padding::from([SMALL, GAP]))
            .on_press_maybe(entry.enabled.then_some(Message::Pick(at)))
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str, menu: Option<&str>) -> Item {
        Item {
            address: address(path),
            title: path.to_owned(),
            icon: None,
            visible: true,
            attention: false,
            menu: menu.map(str::to_owned),
            only_menu: false,
        }
    }

    fn address(path: &str) -> Address {
        Address {
            bus: ":1.1".to_owned(),
            path: path.to_owned(),
        }
    }

    fn entry(id: i32, children: Vec<Entry>) -> Entry {
        Entry {
            id,
            label: format!("entry {id}"),
            enabled: true,
            children,
            ..Entry::default()
        }
    }

    #[test]
    fn a_click_activates_and_where_there_is_only_a_menu_opens_it() {
        let mut tray = Tray::default();
        tray.set(item("/a", None));
        let mut menu_only = item("/b", Some("/menu"));
        menu_only.only_menu = true;
        tray.set(menu_only);
        let mut hidden = item("/c", None);
        hidden.visible = false;
        tray.set(hidden);
        assert_eq!(
            tray.update(Message::Click(0)),
            Outcome::Do(Command::Activate(address("/a")))
        );
        assert!(matches!(
            tray.update(Message::Click(1)),
            Outcome::Do(Command::Menu { about: 0, .. })
        ));
        assert_eq!(tray.update(Message::Click(2)), Outcome::None);
        // A right click on what has no menu does what a click does.
        assert_eq!(
            tray.update(Message::OpenMenu(0)),
            Outcome::Do(Command::Activate(address("/a")))
        );
    }

    #[test]
    fn the_keyboard_walks_through_a_menu_and_the_menus_in_it() {
        let mut tray = Tray::default();
        tray.set(item("/a", Some("/menu")));
        tray.update(Message::OpenMenu(0));
        let mut off = entry(1, vec![]);
        off.enabled = false;
        let inner = entry(3, vec![entry(4, vec![])]);
        assert!(tray.set_menu(&address("/a"), vec![off, entry(2, vec![]), inner]));
        assert!(!tray.set_menu(&address("/other"), vec![]));
        tray.update(Message::Move(-1));
        assert!(matches!(
            tray.update(Message::Activate),
            Outcome::Do(Command::Menu { about: 3, .. })
        ));
        tray.update(Message::Move(1));
        let click = |id| {
            Outcome::DoAndClose(Command::Click {
                item: address("/a"),
                menu: "/menu".to_owned(),
                id,
            })
        };
        assert_eq!(tray.update(Message::Activate), click(4));
        assert_eq!(tray.update(Message::Back), Outcome::None);
        // What cannot be chosen is passed over.
        tray.update(Message::Move(1));
        assert_eq!(tray.update(Message::Activate), click(2));
        assert_eq!(tray.update(Message::Pick(0)), Outcome::None);
        assert_eq!(tray.update(Message::Back), Outcome::Close);
    }

    #[test]
    fn an_item_that_goes_takes_its_menu_along() {
        let mut tray = Tray::default();
        tray.set(item("/a", Some("/menu")));
        tray.set(item("/b", None));
        tray.update(Message::OpenMenu(0));
        assert!(!tray.remove(&address("/b")));
        assert!(tray.remove(&address("/a")));
        assert_eq!(tray.update(Message::Move(1)), Outcome::None);
        assert!(tray.rows().is_empty());
    }
}
