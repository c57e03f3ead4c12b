//! `keyboard-shortcuts-inhibit`: a remote desktop or a virtual machine gets the keys that are
//! otherwise the compositor's, as long as it has the keyboard.
//!
//! Two things stay with the person: changing the virtual terminal, and `Super+Escape`, which takes
//! the shortcuts back and gives them again. Prompts and the lock screen come before all of that.

use smithay::{
    delegate_keyboard_shortcuts_inhibit,
    reexports::wayland_server::DisplayHandle,
    wayland::keyboard_shortcuts_inhibit::{
        KeyboardShortcutsInhibitHandler, KeyboardShortcutsInhibitState, KeyboardShortcutsInhibitor,
        KeyboardShortcutsInhibitorSeat,
    },
};

use crate::state::State;

/// Smithay's state of the protocol.
#[derive(Debug)]
pub(crate) struct ShortcutProtocol {
    inhibit: KeyboardShortcutsInhibitState,
}

impl ShortcutProtocol {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            inhibit: KeyboardShortcutsInhibitState::new::<State>(dh),
        }
    }
}

impl State {
    /// What the surface that has the keyboard asked for. The seat must not be calling a handler.
    pub(crate) fn focused_inhibitor(&self) -> Option<KeyboardShortcutsInhibitor> {
        let focus = self.keyboard.current_focus()?;
        self.seat
            .keyboard_shortcuts_inhibitor_for_surface(focus.surface())
    }
}

/// Takes the shortcuts back from a client, or gives them again.
pub(crate) fn toggle(inhibitor: &KeyboardShortcutsInhibitor) {
    if inhibitor.is_active() {
        inhibitor.inactivate();
    } else {
        inhibitor.activate();
    }
}

impl KeyboardShortcutsInhibitHandler for State {
    fn keyboard_shortcuts_inhibit_state(&mut self) -> &mut KeyboardShortcutsInhibitState {
        &mut self.protocols.shortcuts.inhibit
    }

    fn new_inhibitor(&mut self, inhibitor: KeyboardShortcutsInhibitor) {
        inhibitor.activate();
    }
}

delegate_keyboard_shortcuts_inhibit!(State);
