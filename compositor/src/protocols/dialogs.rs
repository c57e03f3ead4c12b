//! Dialogs: `xdg-dialog`, by which one says that it is modal, and `xdg-foreign`, by which it may
//! belong to a window of another program (a portal's file chooser).
//!
//! While a modal dialog is on the screen, its parent takes no input: a click on it, or turning to
//! it by any other way, goes to the dialog. The layout keeps children above their parents.

use smithay::{
    delegate_xdg_dialog, delegate_xdg_foreign,
    reexports::wayland_server::DisplayHandle,
    wayland::{
        compositor::with_states,
        shell::xdg::{
            ToplevelSurface, XdgToplevelSurfaceData,
            dialog::{XdgDialogHandler, XdgDialogState},
        },
        xdg_foreign::{XdgForeignHandler, XdgForeignState},
    },
};

use crate::{layout::WindowId, state::State, windows::Managed};

/// Smithay's state of these protocols.
#[derive(Debug)]
pub(crate) struct DialogProtocols {
    _dialog: XdgDialogState,
    foreign: XdgForeignState,
}

impl DialogProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _dialog: XdgDialogState::new::<State>(dh),
            foreign: XdgForeignState::new::<State>(dh),
        }
    }
}

fn is_modal(toplevel: &ToplevelSurface) -> bool {
    with_states(toplevel.wl_surface(), |states| {
        states
            .data_map
            .get::<XdgToplevelSurfaceData>()
            .and_then(|data| data.lock().ok().map(|data| data.modal))
            .unwrap_or(false)
    })
}

impl State {
    /// The modal dialog that takes the input of this window: its newest one on the screen, or the
    /// one that stands before that in turn.
    pub(crate) fn modal_dialog_of(&self, window: WindowId) -> Option<WindowId> {
        let before = |window: WindowId| {
            let surface = self.windows.surface(window)?;
            let stands_before = |managed: &&Managed| {
                managed.mapped
                    && self.windows.layout.is_visible(managed.id)
                    && managed.toplevel().is_some_and(|toplevel| {
                        toplevel.parent().as_ref() == Some(&surface) && is_modal(toplevel)
                    })
            };
            let dialogs = self.windows.iter().filter(stands_before);
            dialogs.map(|managed| managed.id).max()
        };
        let mut found = None;
        // Each window is passed at most once, whatever parents the clients name.
        for _ in self.windows.iter() {
            match before(found.unwrap_or(window)) {
                Some(next) if next != window => found = Some(next),
                _ => break,
            }
        }
        found
    }

    /// The focus that a window behind a modal dialog was given goes to the dialog.
    pub(crate) fn give_way_to_dialogs(&mut self) {
        if self.windows.layout.is_cycling() {
            return;
        }
        let focused = self.windows.layout.focused();
        if let Some(dialog) = focused.and_then(|focused| self.modal_dialog_of(focused)) {
            self.change_layout(|layout| {
                layout.focus(dialog);
            });
        }
    }
}

impl XdgDialogHandler for State {}

impl XdgForeignHandler for State {
    fn xdg_foreign_state(&mut self) -> &mut XdgForeignState {
        &mut self.protocols.dialogs.foreign
    }
}

delegate_xdg_dialog!(State);
delegate_xdg_foreign!(State);
