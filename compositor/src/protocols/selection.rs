//! Clipboard, primary selection, drag and drop; and the protocols by which a clipboard manager
//! reads and sets the first two without having a window: `ext-data-control` and its older `wlr`
//! form.

use std::os::unix::io::OwnedFd;

use smithay::{
    input::{Seat, pointer::CursorImageStatus},
    reexports::wayland_server::{
        DisplayHandle,
        protocol::{wl_data_source::WlDataSource, wl_surface::WlSurface},
    },
    wayland::selection::{
        SelectionHandler, SelectionSource, SelectionTarget,
        data_device::{
            ClientDndGrabHandler, DataDeviceHandler, DataDeviceState, ServerDndGrabHandler,
        },
        ext_data_control,
        primary_selection::{PrimarySelectionHandler, PrimarySelectionState},
        wlr_data_control,
    },
};

use super::sandbox::Privilege;
use crate::{
    cursor::{Cursor, DragIcon},
    state::State,
};

/// Smithay's state of these protocols.
#[derive(Debug)]
pub(crate) struct SelectionProtocols {
    data_device: DataDeviceState,
    primary: PrimarySelectionState,
    ext_control: ext_data_control::DataControlState,
    wlr_control: wlr_data_control::DataControlState,
}

impl SelectionProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        let primary = PrimarySelectionState::new::<State>(dh);
        let filter = Privilege::Clipboard.filter();
        Self {
            data_device: DataDeviceState::new::<State>(dh),
            ext_control: ext_data_control::DataControlState::new::<State, _>(
                dh,
                Some(&primary),
                filter.clone(),
            ),
            wlr_control: wlr_data_control::DataControlState::new::<State, _>(
                dh,
                Some(&primary),
                filter,
            ),
            primary,
        }
    }
}

impl SelectionHandler for State {
    type SelectionUserData = ();

    fn new_selection(
        &mut self,
        target: SelectionTarget,
        source: Option<SelectionSource>,
        _: Seat<Self>,
    ) {
        let types = source.map(|source| source.mime_types());
        let bytes = types.iter().flatten().map(String::len).sum();
        self.connections.selected(bytes);
        self.selected(target, types);
    }

    // What the compositor itself offers is an X program's.
    fn send_selection(
        &mut self,
        target: SelectionTarget,
        mime_type: String,
        fd: OwnedFd,
        _: Seat<Self>,
        (): &(),
    ) {
        self.send_from_x11(target, mime_type, fd);
    }
}

impl DataDeviceHandler for State {
    fn data_device_state(&self) -> &DataDeviceState {
        &self.protocols.selection.data_device
    }
}

impl ClientDndGrabHandler for State {
    fn started(&mut self, _: Option<WlDataSource>, icon: Option<WlSurface>, _: Seat<Self>) {
        let offset = match self.cursor.status() {
            CursorImageStatus::Surface(surface) => {
                let hotspot = Cursor::hotspot(&surface);
                (-hotspot.x, -hotspot.y).into()
            }
            _ => (0, 0).into(),
        };
        self.cursor.drag_icon = icon.map(|surface| DragIcon { surface, offset });
        self.outputs.queue_all();
    }

    fn dropped(&mut self, _: Option<WlSurface>, _: bool, _: Seat<Self>) {
        self.cursor.drag_icon = None;
        self.outputs.queue_all();
    }
}

impl ServerDndGrabHandler for State {
    fn send(&mut self, _: String, _: OwnedFd, _: Seat<Self>) {}
}

impl PrimarySelectionHandler for State {
    fn primary_selection_state(&self) -> &PrimarySelectionState {
        &self.protocols.selection.primary
    }
}

impl ext_data_control::DataControlHandler for State {
    fn data_control_state(&self) -> &ext_data_control::DataControlState {
        &self.protocols.selection.ext_control
    }
}

impl wlr_data_control::DataControlHandler for State {
    fn data_control_state(&self) -> &wlr_data_control::DataControlState {
        &self.protocols.selection.wlr_control
    }
}
