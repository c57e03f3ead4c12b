//! The protocols beyond windows, layers and the lock, by theme.
//!
//! Each module keeps Smithay's state of its protocols in one struct of
//! [`crate::state::Protocols`], answers their requests, and says what follows from them for the
//! rest of the compositor. `wl_compositor`, `xdg-shell`, buffers and the seat are in
//! [`crate::handlers`].
//!
//! | module | protocols |
//! |---|---|
//! | [`sandbox`] | security-context; who sees which protocol |
//! | [`pointer`] | relative-pointer, pointer-constraints, pointer-gestures |
//! | [`tablet`] | tablet |
//! | [`shortcuts`] | keyboard-shortcuts-inhibit |
//! | [`idle`] | idle-notify, idle-inhibit |
//! | [`text`] | text-input, input-method, virtual-keyboard |
//! | [`selection`] | clipboard, primary selection, drag and drop, data-control |
//! | [`frames`] | frame callbacks of what is hidden, fifo, commit-timing, drm-syncobj, alpha-modifier, content-type |
//! | [`subsurfaces`] | the places of subsurfaces |
//! | [`dialogs`] | xdg-dialog, xdg-foreign |
//! | [`decorations`] | xdg-decoration and its KDE forerunner |
//! | [`toplevel_list`] | ext-foreign-toplevel-list |
//! | [`icons`] | xdg-toplevel-icon |
//! | [`bell`] | xdg-system-bell |
//! | [`screencopy`], [`image_copy`] | wlr-screencopy, ext-image-copy-capture; [`capture`] is what both have in common |
//! | [`toplevels`] | wlr-foreign-toplevel-management |
//! | [`workspaces`] | ext-workspace |
//! | [`virtual_pointer`] | wlr-virtual-pointer |
//! | [`heads`], [`power`], [`gamma`] | wlr-output-management, -output-power-management, gamma-control |
//! | [`lease`] | drm-lease |
//! | [`extensions`] | what those that smithay does not carry have in common, and when they tell of changes |

pub(crate) mod bell;
pub(crate) mod capture;
pub(crate) mod decorations;
pub(crate) mod dialogs;
pub(crate) mod extensions;
pub(crate) mod frames;
pub(crate) mod gamma;
pub(crate) mod heads;
pub(crate) mod icons;
pub(crate) mod idle;
pub(crate) mod image_copy;
pub(crate) mod lease;
pub(crate) mod pointer;
pub(crate) mod power;
pub(crate) mod sandbox;
pub(crate) mod screencopy;
pub(crate) mod selection;
pub(crate) mod shortcuts;
pub(crate) mod subsurfaces;
pub(crate) mod tablet;
pub(crate) mod text;
pub(crate) mod toplevel_list;
pub(crate) mod toplevels;
mod virtual_pointer;
pub(crate) mod workspaces;

use smithay::{
    reexports::wayland_server::protocol::wl_surface::WlSurface, wayland::compositor::get_parent,
};

/// The surface that a subsurface hangs on in the end; itself, if it is none.
pub(crate) fn root_of(surface: &WlSurface) -> WlSurface {
    let mut root = surface.clone();
    while let Some(parent) = get_parent(&root) {
        root = parent;
    }
    root
}
