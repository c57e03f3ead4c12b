//! What X programs say that smithay's window manager does not read: states that a window is to have when it is
//! shown, its icon, and that a window is to be used.
//!
//! The compositor is one more client of its X server for that. It reads a window's properties when the window is
//! about to be shown, and hears of other icons and of messages to the window manager later.
//!
//! A program that asks for a window to be used is followed while some X window has the keyboard, as only who is
//! being used may hand the focus on in Wayland. X programs cannot be told apart, so it is any of them.

use std::{os::fd::AsFd, rc::Rc};

use smithay::reexports::{
    calloop::{Interest, Mode, PostAction, RegistrationToken, generic::Generic},
    x11rb::{
        atom_manager,
        connection::Connection,
        errors::ReplyError,
        protocol::{
            Event,
            xproto::{AtomEnum, ChangeWindowAttributesAux, ConnectionExt, EventMask, PropMode},
        },
        rust_connection::RustConnection,
        wrapper::ConnectionExt as _,
    },
};

use super::presentation;
use crate::{
    focus::KeyFocus,
    protocols::icons::{self, Icon},
    state::State,
};

/// Most states that are read.
const MOST_STATES: u32 = 32;
/// Most numbers of a window's icons that are read: some of up to 256 pixels to a side.
const MOST_ICONS: u32 = 1 << 18;
/// Most resources that are read, in words.
const MOST_RESOURCES: u32 = 1 << 18;

atom_manager! {
    /// The names that are asked for.
    Atoms: AtomsCookie {
        _NET_ACTIVE_WINDOW,
        _NET_WM_ICON,
        _NET_WM_STATE,
        _NET_WM_STATE_FULLSCREEN,
        _NET_WM_STATE_MAXIMIZED_HORZ,
        _NET_WM_STATE_MAXIMIZED_VERT,
    }
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Hints {
    connection: Rc<RustConnection>,
    atoms: Atoms,
    pub(super) token: RegistrationToken,
}

/// What a window says before it is shown.
#[derive(Debug, Default)]
struct Said {
    maximised: bool,
    fullscreen: bool,
    icon: Option<Icon>,
}

type Failure = Box<dyn std::error::Error>;

/// Connects to a display, and has its messages heard.
fn connect(display: &str) -> Result<(RustConnection, Atoms), Failure> {
    let (connection, screen) = RustConnection::connect(Some(display))?;
    let atoms = Atoms::new(&connection)?;
    let root = connection.setup().roots[screen].root;
    let hears = ChangeWindowAttributesAux::new().event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
    connection.change_window_attributes(root, &hears)?.check()?;
    let atoms = atoms.reply()?;
    Ok((connection, atoms))
}

impl Hints {
    /// What a window says now. From here on what changes of it is heard of.
    fn read(&self, window: u32) -> Result<Said, ReplyError> {
        let (connection, atoms) = (&*self.connection, &self.atoms);
        let hears = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection.change_window_attributes(window, &hears)?;
        let states = connection.get_property(
            false,
            window,
            atoms._NET_WM_STATE,
            AtomEnum::ATOM,
            0,
            MOST_STATES,
        )?;
        let states = states.reply()?;
        let states: Vec<_> = states.value32().into_iter().flatten().collect();
        let has = |state| states.contains(&state);
        Ok(Said {
            maximised: has(atoms._NET_WM_STATE_MAXIMIZED_HORZ)
                && has(atoms._NET_WM_STATE_MAXIMIZED_VERT),
            fullscreen: has(atoms._NET_WM_STATE_FULLSCREEN),
            icon: self.icon(window)?,
        })
    }

    /// Lays resources over those that the root window has ([`presentation::laid_over`]).
    pub(super) fn set_resources(&self, resources: &str) -> Result<(), ReplyError> {
        let connection = &*self.connection;
        let root = connection.setup().roots[0].root;
        let property = connection.get_property(
            false,
            root,
            AtomEnum::RESOURCE_MANAGER,
            AtomEnum::STRING,
            0,
            MOST_RESOURCES,
        )?;
        let there = property.reply()?.value;
        let laid = presentation::laid_over(&there, resources);
        connection
            .change_property8(
                PropMode::REPLACE,
                root,
                AtomEnum::RESOURCE_MANAGER,
                AtomEnum::STRING,
                &laid,
            )?
            .check()
    }

    fn icon(&self, window: u32) -> Result<Option<Icon>, ReplyError> {
        let property = self.connection.get_property(
            false,
            window,
            self.atoms._NET_WM_ICON,
            AtomEnum::CARDINAL,
            0,
            MOST_ICONS,
        )?;
        let property = property.reply()?;
        let numbers: Vec<_> = property.value32().into_iter().flatten().collect();
        Ok(choose(&numbers))
    }
}

/// The best of the icons in a window's property: the least that is large enough to be sharp everywhere, or else the
/// largest. Each is its width, its height, and its pixels: alpha, red, green, blue from the highest byte.
fn choose(mut numbers: &[u32]) -> Option<Icon> {
    const ENOUGH: u32 = 2 * icons::SIDE as u32;
    let mut best: Option<(u32, &[u32])> = None;
    while let [width, height, rest @ ..] = numbers {
        let Some((pixels, rest)) = (*width as usize)
            .checked_mul(*height as usize)
            .and_then(|size| rest.split_at_checked(size))
        else {
            break;
        };
        numbers = rest;
        let side = *width;
        if side != *height || !(1..=icons::LARGEST as u32).contains(&side) {
            continue;
        }
        let rank = |side: u32| (side < ENOUGH, side.abs_diff(ENOUGH));
        if best.is_none_or(|(other, _)| rank(side) < rank(other)) {
            best = Some((side, pixels));
        }
    }
    let (side, pixels) = best?;
    let premultiplied = |pixel: &u32| {
        let [alpha, red, green, blue] = pixel.to_be_bytes();
        let part = |part: u8| ((u16::from(part) * u16::from(alpha) + 127) / 255) as u8;
        [part(blue), part(green), part(red), alpha]
    };
    Some(Icon {
        side: side as usize,
        pixels: pixels.iter().map(premultiplied).collect(),
    })
}

impl State {
    /// Becomes a client of the X server, whose window manager is there.
    pub(super) fn read_x11_hints(&mut self) {
        let Some(display) = self.xwayland.name() else {
            return;
        };
        let connected = connect(&display).and_then(|(connection, atoms)| {
            let watched = connection.stream().as_fd().try_clone_to_owned()?;
            let source = Generic::new(watched, Interest::READ, Mode::Level);
            let token = self
                .handle
                .insert_source(source, |_, _, state| {
                    Ok(if state.x11_says() {
                        PostAction::Continue
                    } else {
                        PostAction::Remove
                    })
                })
                .map_err(|error| error.error)?;
            Ok(Hints {
                connection: Rc::new(connection),
                atoms,
                token,
            })
        });
        match connected {
            Ok(hints) => self.xwayland.hints = Some(hints),
            Err(error) => {
                tracing::warn!("icons and first states of X windows are not known: {error}");
            }
        }
    }

    /// The server is gone.
    pub(super) fn forget_x11_hints(&mut self) {
        if let Some(hints) = self.xwayland.hints.take() {
            self.handle.remove(hints.token);
        }
    }

    /// Reads what a window says that is about to be shown.
    pub(super) fn read_x11_hints_of(&mut self, window: u32) {
        let Some(said) = self.xwayland.hints.as_ref().map(|hints| hints.read(window)) else {
            return;
        };
        match said {
            Ok(said) => {
                let rules = &self.config.rules;
                if let Some(managed) = self.windows.by_x11_number(window) {
                    managed.wants_maximised |= said.maximised;
                    managed.wants_fullscreen |= said.fullscreen;
                    managed.icon = said.icon.map(Rc::new);
                    // What the person wants counts more.
                    managed.follow_rules(rules);
                }
            }
            Err(error) => tracing::debug!("an X window says nothing: {error}"),
        }
        // What came with the answers wakes nobody any more.
        self.x11_says();
    }

    /// Hears what there is. Returns whether there may be more some time.
    pub(super) fn x11_says(&mut self) -> bool {
        self.turn.urgent = true;
        loop {
            let Some(hints) = &self.xwayland.hints else {
                return false;
            };
            let event = match hints.connection.poll_for_event() {
                Ok(Some(event)) => event,
                Ok(None) => return true,
                // The window manager's connection ends as well, and says so.
                Err(_) => return false,
            };
            match event {
                Event::ClientMessage(message)
                    if message.type_ == hints.atoms._NET_ACTIVE_WINDOW =>
                {
                    self.x11_wants_focus(message.window);
                }
                Event::PropertyNotify(changed) if changed.atom == hints.atoms._NET_WM_ICON => {
                    if let Ok(icon) = hints.icon(changed.window)
                        && let Some(managed) = self.windows.by_x11_number(changed.window)
                    {
                        managed.icon = icon.map(Rc::new);
                    }
                }
                _ => {}
            }
        }
    }

    /// A program wants a window to be used.
    fn x11_wants_focus(&mut self, window: u32) {
        let focus = self.keyboard.current_focus();
        let used = focus.as_ref().is_some_and(KeyFocus::is_x11);
        let managed = self.windows.by_x11_number(window);
        if let Some(id) = managed
            .filter(|managed| managed.mapped)
            .map(|managed| managed.id)
            && used
        {
            self.focus_window(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icon(side: u32, pixel: u32) -> Vec<u32> {
        let mut numbers = vec![side, side];
        numbers.resize(2 + (side * side) as usize, pixel);
        numbers
    }

    #[test]
    fn the_icon_is_the_least_that_is_large_enough() {
        let all: Vec<_> = [16, 48, 256, 32]
            .into_iter()
            .flat_map(|side| icon(side, 0x8080_00ff))
            .collect();
        let chosen = choose(&all).unwrap();
        assert_eq!(chosen.side, 48);
        assert_eq!(chosen.pixels.len(), 48 * 48);
        assert_eq!(chosen.pixels[0], [0x80, 0, 0x40, 0x80]);
        let small: Vec<_> = [icon(16, 0), icon(32, 0), icon(24, 0)].concat();
        assert_eq!(choose(&small).unwrap().side, 32);
    }

    #[test]
    fn what_is_no_icon_is_none() {
        for wrong in [
            &[][..],
            &[4],
            &[0, 0],
            &[2, 2, 1, 1, 1],
            &[u32::MAX, u32::MAX, 1],
            &[1, 2, 7, 7],
        ] {
            assert_eq!(choose(wrong), None, "{wrong:?}");
        }
        let after: Vec<_> = [vec![1, 2, 7, 7], icon(2, 0xff00_00ff)].concat();
        assert_eq!(choose(&after).unwrap().side, 2);
    }
}
