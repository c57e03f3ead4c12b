//! Text that is not typed on a keyboard: `text-input` for programs with text fields,
//! `input-method` for the one program that composes text for them, and `virtual-keyboard`.
//!
//! What an input method or a virtual keyboard sends goes where the keyboard's focus is, which
//! Smithay sees to. Here are the limits: while the session is locked or a prompt is on the screen,
//! only trusted clients type, and no input method has the keys ([`State::keep_keys_private`]): what
//! is typed then may be a password. And here the input method's popup gets its place at the text
//! cursor.

use smithay::{
    desktop::{PopupKind, PopupManager, find_popup_root_surface, utils::bbox_from_surface_tree},
    reexports::{
        wayland_protocols::wp::text_input::zv3::server::{
            zwp_text_input_manager_v3::ZwpTextInputManagerV3,
            zwp_text_input_v3::{self, ZwpTextInputV3},
        },
        wayland_protocols_misc::{
            zwp_input_method_v2::server::{
                zwp_input_method_keyboard_grab_v2::ZwpInputMethodKeyboardGrabV2,
                zwp_input_method_manager_v2::ZwpInputMethodManagerV2,
                zwp_input_method_v2::{self, ZwpInputMethodV2},
                zwp_input_popup_surface_v2::ZwpInputPopupSurfaceV2,
            },
            zwp_virtual_keyboard_v1::server::{
                zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1,
                zwp_virtual_keyboard_v1::{self, ZwpVirtualKeyboardV1},
            },
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource, WEnum, backend::ClientId,
            delegate_dispatch, delegate_global_dispatch, protocol::wl_surface::WlSurface,
        },
    },
    utils::{Logical, Point, Rectangle},
    wayland::{
        input_method::{
            InputMethodHandler, InputMethodKeyboardGrab, InputMethodKeyboardUserData,
            InputMethodManagerGlobalData, InputMethodManagerState, InputMethodPopupSurfaceUserData,
            InputMethodUserData, PopupSurface,
        },
        text_input::{TextInputManagerState, TextInputUserData},
        virtual_keyboard::{
            VirtualKeyboardManagerGlobalData, VirtualKeyboardManagerState, VirtualKeyboardUserData,
        },
    },
};

use super::sandbox::{Privilege, is_trusted};
use crate::{state::State, windows::content};

/// Keeps the globals alive.
#[derive(Debug)]
pub(crate) struct TextProtocols {
    _text_input: TextInputManagerState,
    _input_method: InputMethodManagerState,
    _virtual_keyboard: VirtualKeyboardManagerState,
}

impl TextProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        let filter = Privilege::Typing.filter();
        Self {
            _text_input: TextInputManagerState::new::<State>(dh),
            _input_method: InputMethodManagerState::new::<State, _>(dh, filter.clone()),
            _virtual_keyboard: VirtualKeyboardManagerState::new::<State, _>(dh, filter),
        }
    }
}

impl State {
    /// Whether what is typed now is nobody's business but the compositor's and its trusted
    /// clients'.
    fn is_typing_private(&self) -> bool {
        self.is_locked() || self.is_prompting()
    }

    /// Whether the keys go to an input method. The seat must not be calling a handler.
    pub(crate) fn is_composing(&self) -> bool {
        self.keyboard
            .with_grab(|_, grab| grab.is::<InputMethodKeyboardGrab>())
            .unwrap_or(false)
    }

    /// Takes the keys from the input method where it may not have them.
    pub(crate) fn keep_keys_private(&mut self) {
        if self.is_typing_private() && self.is_composing() {
            let keyboard = self.keyboard.clone();
            keyboard.unset_grab(self);
        }
    }

    /// Puts the input method's popup below the text cursor, or above it if there is no room.
    pub(crate) fn place_input_popup(&self, popup: &PopupSurface) {
        let kind = PopupKind::InputMethod(popup.clone());
        let Some(mut bounds) = self.popup_bounds(&kind) else {
            return;
        };
        // The bounds are relative to the parent's geometry, the text cursor to its surface.
        if let Some(parent) = popup.get_parent() {
            bounds.loc += parent.location.loc;
        }
        let text = popup.text_input_rectangle();
        let size = bbox_from_surface_tree(popup.wl_surface(), (0, 0)).size;
        let below = text.loc.y + text.size.h;
        let fits = below + size.h <= bounds.loc.y + bounds.size.h;
        let rightmost = (bounds.loc.x + bounds.size.w - size.w).max(bounds.loc.x);
        popup.set_location(Point::from((
            text.loc.x.clamp(bounds.loc.x, rightmost),
            if fits { below } else { text.loc.y - size.h },
        )));
    }
}

// The input method is locked while these are called: nothing in here may ask the seat for it.
impl InputMethodHandler for State {
    fn new_popup(&mut self, popup: PopupSurface) {
        let client = popup.wl_surface().client();
        if self.is_typing_private() && !client.is_some_and(|client| is_trusted(&client)) {
            // Nobody else draws over a prompt.
            return;
        }
        self.place_input_popup(&popup);
        if let Err(error) = self.popups.track_popup(PopupKind::from(popup)) {
            tracing::warn!("popup of the input method: {error}");
        }
        self.outputs.queue_all();
    }

    fn dismiss_popup(&mut self, popup: PopupSurface) {
        let kind = PopupKind::from(popup);
        if let Ok(root) = find_popup_root_surface(&kind) {
            // A parent that is gone took its popups along.
            let _ = PopupManager::dismiss_popup(&root, &kind);
        }
        self.outputs.queue_all();
    }

    fn popup_repositioned(&mut self, popup: PopupSurface) {
        self.place_input_popup(&popup);
        self.outputs.queue_all();
    }

    fn parent_geometry(&self, parent: &WlSurface) -> Rectangle<i32, Logical> {
        if let Some(managed) = self.windows.by_surface(parent) {
            content(&managed.window)
        } else {
            self.popups
                .find_popup(parent)
                .map(|popup| popup.geometry())
                .unwrap_or_default()
        }
    }
}

impl Dispatch<ZwpTextInputV3, TextInputUserData> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        input: &ZwpTextInputV3,
        request: zwp_text_input_v3::Request,
        data: &TextInputUserData,
        dh: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwp_text_input_v3::Request;
        // Smithay takes it for granted that the protocol knows these.
        let known = match &request {
            Request::SetTextChangeCause { cause } => matches!(cause, WEnum::Value(_)),
            Request::SetContentType { hint, purpose } => {
                matches!((hint, purpose), (WEnum::Value(_), WEnum::Value(_)))
            }
            _ => true,
        };
        match &request {
            Request::SetCursorRectangle {
                x,
                y,
                width,
                height,
            } => {
                // Nothing that is seen is farther away.
                let near = |at: i32| at.clamp(-100_000, 100_000);
                let size = (near(*width).max(0), near(*height).max(0));
                let place = Rectangle::new((near(*x), near(*y)).into(), size.into());
                state.text_moved(client.id(), place);
            }
            Request::Commit => state.text_committed(&client.id()),
            _ => {}
        }
        if known {
            <TextInputManagerState as Dispatch<ZwpTextInputV3, TextInputUserData, Self>>::request(
                state, client, input, request, data, dh, data_init,
            );
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        input: &ZwpTextInputV3,
        data: &TextInputUserData,
    ) {
        <TextInputManagerState as Dispatch<ZwpTextInputV3, TextInputUserData, Self>>::destroyed(
            state, client, input, data,
        );
    }
}

impl Dispatch<ZwpInputMethodV2, InputMethodUserData<State>> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        method: &ZwpInputMethodV2,
        request: zwp_input_method_v2::Request,
        data: &InputMethodUserData<State>,
        dh: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwp_input_method_v2::Request;
        let types = matches!(
            request,
            Request::CommitString { .. }
                | Request::SetPreeditString { .. }
                | Request::DeleteSurroundingText { .. }
                | Request::Commit { .. }
        );
        if types && state.is_typing_private() && !is_trusted(client) {
            return;
        }
        <InputMethodManagerState as Dispatch<ZwpInputMethodV2, InputMethodUserData<Self>, Self>>::request(
            state, client, method, request, data, dh, data_init,
        );
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        method: &ZwpInputMethodV2,
        data: &InputMethodUserData<State>,
    ) {
        <InputMethodManagerState as Dispatch<ZwpInputMethodV2, InputMethodUserData<Self>, Self>>::destroyed(
            state, client, method, data,
        );
    }
}

impl Dispatch<ZwpVirtualKeyboardV1, VirtualKeyboardUserData<State>> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        keyboard: &ZwpVirtualKeyboardV1,
        request: zwp_virtual_keyboard_v1::Request,
        data: &VirtualKeyboardUserData<State>,
        dh: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use zwp_virtual_keyboard_v1::Request;
        match &request {
            Request::Key { .. } | Request::Modifiers { .. } => {
                if state.is_typing_private() && !is_trusted(client) {
                    return;
                }
                state.person_is_active();
            }
            // Smithay maps as many bytes as the client says, and reading what is not there kills.
            Request::Keymap { fd, size, .. } => {
                let there = rustix::fs::fstat(fd).map_or(0, |file| file.st_size);
                if there < i64::from(*size) {
                    tracing::warn!("a virtual keyboard's keymap is shorter than its client says");
                    return;
                }
            }
            _ => {}
        }
        <VirtualKeyboardManagerState as Dispatch<
            ZwpVirtualKeyboardV1,
            VirtualKeyboardUserData<Self>,
            Self,
        >>::request(state, client, keyboard, request, data, dh, data_init);
    }
}

delegate_global_dispatch!(State: [ZwpTextInputManagerV3: ()] => TextInputManagerState);
delegate_dispatch!(State: [ZwpTextInputManagerV3: ()] => TextInputManagerState);
delegate_global_dispatch!(State: [ZwpInputMethodManagerV2: InputMethodManagerGlobalData] => InputMethodManagerState);
delegate_dispatch!(State: [ZwpInputMethodManagerV2: ()] => InputMethodManagerState);
delegate_dispatch!(State: [ZwpInputMethodKeyboardGrabV2: InputMethodKeyboardUserData<State>] => InputMethodManagerState);
delegate_dispatch!(State: [ZwpInputPopupSurfaceV2: InputMethodPopupSurfaceUserData] => InputMethodManagerState);
delegate_global_dispatch!(State: [ZwpVirtualKeyboardManagerV1: VirtualKeyboardManagerGlobalData] => VirtualKeyboardManagerState);
delegate_dispatch!(State: [ZwpVirtualKeyboardManagerV1: ()] => VirtualKeyboardManagerState);
