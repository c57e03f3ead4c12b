//! What has the keyboard: a Wayland surface, and for an X window the window as well.
//!
//! An X window hears of keys over its Wayland surface like any other, but it takes them only once the X
//! server says that it has the input focus; which of the two ways of saying so it wants
//! (`SetInputFocus`, `WM_TAKE_FOCUS`) smithay knows.

use std::borrow::Cow;

use smithay::{
    backend::input::KeyState,
    desktop::PopupKind,
    input::{
        Seat,
        keyboard::{KeyboardTarget, KeysymHandle, ModifiersState},
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{IsAlive, Serial},
    wayland::seat::WaylandFocus,
    xwayland::X11Surface,
};

use crate::state::State;

/// See the module's page.
#[derive(Debug, Clone)]
pub struct KeyFocus {
    surface: WlSurface,
    x11: Option<X11Surface>,
}

impl KeyFocus {
    /// An X window that is shown by `surface`.
    pub(crate) fn x11(window: X11Surface, surface: WlSurface) -> Self {
        Self {
            surface,
            x11: Some(window),
        }
    }

    /// The surface that gets the keys.
    pub(crate) fn surface(&self) -> &WlSurface {
        &self.surface
    }

    /// Whether it is a window of an X program.
    pub(crate) fn is_x11(&self) -> bool {
        self.x11.is_some()
    }
}

impl PartialEq for KeyFocus {
    fn eq(&self, other: &Self) -> bool {
        self.surface == other.surface
    }
}

impl From<WlSurface> for KeyFocus {
    fn from(surface: WlSurface) -> Self {
        Self { surface, x11: None }
    }
}

impl From<PopupKind> for KeyFocus {
    fn from(popup: PopupKind) -> Self {
        WlSurface::from(popup).into()
    }
}

impl From<KeyFocus> for WlSurface {
    fn from(focus: KeyFocus) -> Self {
        focus.surface
    }
}

impl IsAlive for KeyFocus {
    fn alive(&self) -> bool {
        self.surface.alive()
    }
}

impl WaylandFocus for KeyFocus {
    fn wl_surface(&self) -> Option<Cow<'_, WlSurface>> {
        Some(Cow::Borrowed(&self.surface))
    }
}

impl KeyboardTarget<State> for KeyFocus {
    fn enter(
        &self,
        seat: &Seat<State>,
        data: &mut State,
        keys: Vec<KeysymHandle<'_>>,
        serial: Serial,
    ) {
        match &self.x11 {
            Some(window) => KeyboardTarget::enter(window, seat, data, keys, serial),
            None => KeyboardTarget::enter(&self.surface, seat, data, keys, serial),
        }
    }

    fn leave(&self, seat: &Seat<State>, data: &mut State, serial: Serial) {
        match &self.x11 {
            // A window that was taken off the screen meanwhile has no surface any more that it could
            // leave.
            Some(window) if window.wl_surface().is_some() => {
                KeyboardTarget::leave(window, seat, data, serial);
            }
            _ => KeyboardTarget::leave(&self.surface, seat, data, serial),
        }
    }

    fn key(
        &self,
        seat: &Seat<State>,
        data: &mut State,
        key: KeysymHandle<'_>,
        state: KeyState,
        serial: Serial,
        time: u32,
    ) {
        match &self.x11 {
            Some(window) => KeyboardTarget::key(window, seat, data, key, state, serial, time),
            None => KeyboardTarget::key(&self.surface, seat, data, key, state, serial, time),
        }
    }

    fn modifiers(
        &self,
        seat: &Seat<State>,
        data: &mut State,
        modifiers: ModifiersState,
        serial: Serial,
    ) {
        match &self.x11 {
            Some(window) => KeyboardTarget::modifiers(window, seat, data, modifiers, serial),
            None => KeyboardTarget::modifiers(&self.surface, seat, data, modifiers, serial),
        }
    }
}
