//! The clipboard: text between this process and other clients.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use iced_core::clipboard::{Clipboard, Kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sctk::data_device_manager::WritePipe;
use sctk::data_device_manager::data_device::DataDeviceHandler;
use sctk::data_device_manager::data_offer::{DataOfferHandler, DragOffer};
use sctk::data_device_manager::data_source::{CopyPasteSource, DataSourceHandler};
use sctk::reexports::client::protocol::wl_data_device::WlDataDevice;
use sctk::reexports::client::protocol::wl_data_device_manager::DndAction;
use sctk::reexports::client::protocol::wl_data_source::WlDataSource;
use sctk::reexports::client::protocol::wl_surface::WlSurface;
use sctk::reexports::client::{Connection, QueueHandle};
use smithay_client_toolkit as sctk;

use super::wayland::Wayland;

/// The kinds of text we take and give, best first.
const TEXT_TYPES: [&str; 4] = [
    "text/plain;charset=utf-8",
    "UTF8_STRING",
    "text/plain",
    "STRING",
];
/// How long a paste may keep the shell waiting for another client.
const PATIENCE: Duration = Duration::from_millis(300);
/// The longest text that is pasted, in bytes.
const LONGEST: usize = 256 * 1024;

/// What this process has put on the clipboard.
#[derive(Debug, Default)]
pub(super) struct Store {
    source: Option<CopyPasteSource>,
    text: String,
}

/// The clipboard as the widgets use it.
pub(super) struct Access<'a>(pub(super) &'a mut Wayland);

impl Clipboard for Access<'_> {
    fn read(&self, kind: Kind) -> Option<String> {
        if kind != Kind::Standard {
            return None;
        }
        if self.0.clipboard.source.is_some() {
            // Asking ourselves through the compositor would wait for ourselves.
            return Some(self.0.clipboard.text.clone());
        }
        let offer = self.0.data_device.as_ref()?.data().selection_offer()?;
        let kind = offer.with_mime_types(|offered| {
            TEXT_TYPES
                .into_iter()
                .find(|kind| offered.iter().any(|o| o == kind))
        })?;
        let mut pipe = offer.receive(kind.to_owned()).ok()?;
        self.0.connection.flush().ok()?;
        read_text(&mut pipe)
    }

    fn write(&mut self, kind: Kind, contents: String) {
        let state = &mut *self.0;
        let (Kind::Standard, Some(selections), Some(device)) =
            (kind, &state.selections, &state.data_device)
        else {
            return;
        };
        let source = selections.create_copy_paste_source(&state.queue, TEXT_TYPES);
        source.set_selection(device, state.serial);
        state.clipboard = Store {
            source: Some(source),
            text: contents,
        };
    }
}

/// Reads until the end, at most [`LONGEST`] bytes and [`PATIENCE`]. A client that does not answer
/// costs the person a failed paste, not a frozen panel.
fn read_text(pipe: &mut (impl Read + std::os::fd::AsFd)) -> Option<String> {
    let until = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = until.checked_duration_since(Instant::now())?;
        let left = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut ready = [PollFd::new(&*pipe, PollFlags::IN)];
        if poll(&mut ready, Some(&left)).ok()? == 0 {
            return None;
        }
        match pipe.read(&mut chunk).ok()? {
            0 => return Some(String::from_utf8_lossy(&bytes).into_owned()),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
        if bytes.len() > LONGEST {
            return None;
        }
    }
}

impl DataSourceHandler for Wayland {
    fn accept_mime(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlDataSource,
        _: Option<String>,
    ) {
    }

    fn send_request(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlDataSource,
        _: String,
        mut pipe: WritePipe,
    ) {
        // A thread, because the reader may be slow and the pipe is small.
        let text = self.clipboard.text.clone();
        std::thread::spawn(move || {
            // The reader may go away before the end; that is its business.
            let _ = pipe.write_all(text.as_bytes());
        });
    }

    fn cancelled(&mut self, _: &Connection, _: &QueueHandle<Self>, source: &WlDataSource) {
        if self
            .clipboard
            .source
            .as_ref()
            .is_some_and(|own| own.inner() == source)
        {
            self.clipboard = Store::default();
        }
    }

    fn dnd_dropped(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataSource) {}
    fn dnd_finished(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataSource) {}
    fn action(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataSource, _: DndAction) {}
}

impl DataDeviceHandler for Wayland {
    fn enter(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &WlDataDevice,
        _: f64,
        _: f64,
        _: &WlSurface,
    ) {
    }
    fn leave(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataDevice) {}
    fn motion(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataDevice, _: f64, _: f64) {}
    fn selection(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataDevice) {}
    fn drop_performed(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlDataDevice) {}
}

impl DataOfferHandler for Wayland {
    fn source_actions(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &mut DragOffer,
        _: DndAction,
    ) {
    }
    fn selected_action(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        _: &mut DragOffer,
        _: DndAction,
    ) {
    }
}
