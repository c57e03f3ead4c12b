//! The clipboard, as a clipboard manager has it.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop, event_created_child,
    protocol::{
        wl_data_device::{self, WlDataDevice},
        wl_data_device_manager::WlDataDeviceManager,
        wl_data_offer::{self, WlDataOffer},
        wl_data_source::WlDataSource,
    },
};
use wayland_protocols::ext::data_control::v1::client::{
    ext_data_control_device_v1::{self, ExtDataControlDeviceV1},
    ext_data_control_manager_v1::ExtDataControlManagerV1,
    ext_data_control_offer_v1::{self, ExtDataControlOfferV1},
    ext_data_control_source_v1::{self, ExtDataControlSourceV1},
};
use wayland_protocols_wlr::data_control::v1::client::{
    zwlr_data_control_device_v1::{self, ZwlrDataControlDeviceV1},
    zwlr_data_control_manager_v1::ZwlrDataControlManagerV1,
    zwlr_data_control_offer_v1::{self, ZwlrDataControlOfferV1},
};

use crate::fixture::{Events, Fixture, on};

const TEXT: &str = "text/plain";
const WORDS: &str = "from the clipboard";

delegate_noop!(Events: ignore WlDataDeviceManager);
delegate_noop!(Events: ignore WlDataSource);
delegate_noop!(Events: ignore ExtDataControlManagerV1);
delegate_noop!(Events: ignore ZwlrDataControlManagerV1);

/// A device, whose offers say what they are and which of them is the clipboard.
macro_rules! device {
    ($device:ty, $events:ident, $offer:ty, $offers:ident, $opcode:path) => {
        impl Dispatch<$device, ()> for Events {
            fn event(
                state: &mut Self,
                _: &$device,
                event: $events::Event,
                _: &(),
                _: &Connection,
                _: &QueueHandle<Self>,
            ) {
                if let $events::Event::Selection { id } = event {
                    state.heard.push(match id {
                        Some(offer) => format!("clipboard {}", offer.id()),
                        None => "clipboard empty".into(),
                    });
                }
            }

            event_created_child!(Events, $device, [$opcode => ($offer, ())]);
        }
        on!($offer, |state, _offer, event| {
            if let $offers::Event::Offer { mime_type } = event {
                state.heard.push(mime_type);
            }
        });
    };
}
device!(
    ExtDataControlDeviceV1,
    ext_data_control_device_v1,
    ExtDataControlOfferV1,
    ext_data_control_offer_v1,
    ext_data_control_device_v1::EVT_DATA_OFFER_OPCODE
);
device!(
    ZwlrDataControlDeviceV1,
    zwlr_data_control_device_v1,
    ZwlrDataControlOfferV1,
    zwlr_data_control_offer_v1,
    zwlr_data_control_device_v1::EVT_DATA_OFFER_OPCODE
);

impl Dispatch<WlDataDevice, ()> for Events {
    fn event(
        state: &mut Self,
        _: &WlDataDevice,
        event: wl_data_device::Event,
        _: &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_data_device::Event::Selection { id } = event {
            state.offer = id;
        }
    }

    event_created_child!(Events, WlDataDevice, [
        wl_data_device::EVT_DATA_OFFER_OPCODE => (WlDataOffer, ()),
    ]);
}
on!(WlDataOffer, |state, _offer, event| {
    if let wl_data_offer::Event::Offer { mime_type } = event {
        state.heard.push(mime_type);
    }
});
on!(ExtDataControlSourceV1, |state, _source, event| {
    match event {
        ext_data_control_source_v1::Event::Send { mime_type, fd } => {
            state.heard.push(format!("send {mime_type}"));
            std::fs::File::from(fd).write_all(WORDS.as_bytes()).unwrap();
        }
        ext_data_control_source_v1::Event::Cancelled => state.heard.push("cancelled".into()),
        _ => {}
    }
});

#[test]
fn a_clipboard_manager_sets_what_the_focused_program_pastes() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "text", (300, 200), 0);
    let devices: WlDataDeviceManager = client.bind();
    devices.get_data_device(&client.seat, &client.qh, ());
    f.roundtrip(&mut client);

    let mut manager = f.client();
    let control: ExtDataControlManagerV1 = manager.bind();
    let device = control.get_data_device(&manager.seat, &manager.qh, ());
    let source = control.create_data_source(&manager.qh, ());
    source.offer(TEXT.into());
    device.set_selection(Some(&source));
    f.roundtrip(&mut manager);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, [TEXT]);

    let offer = client.events.offer.clone().expect("something to paste");
    let (mut read, write) = std::io::pipe().unwrap();
    offer.receive(TEXT.into(), write.as_fd());
    f.roundtrip(&mut client);
    drop(write);
    f.hears(&mut manager, &format!("send {TEXT}"));
    let mut pasted = String::new();
    read.read_to_string(&mut pasted).unwrap();
    assert_eq!(pasted, WORDS);
}

#[test]
fn clipboard_managers_hear_of_each_new_clipboard() {
    let mut f = Fixture::new();
    let mut one = f.client();
    let control: ZwlrDataControlManagerV1 = one.bind();
    control.get_data_device(&one.seat, &one.qh, ());
    f.roundtrip(&mut one);
    one.events.heard.clear();

    let mut other = f.client();
    let control: ExtDataControlManagerV1 = other.bind();
    let device = control.get_data_device(&other.seat, &other.qh, ());
    let source = control.create_data_source(&other.qh, ());
    source.offer(TEXT.into());
    device.set_selection(Some(&source));
    f.roundtrip(&mut other);
    f.roundtrip(&mut one);
    assert_eq!(one.events.heard[0], TEXT);
    assert!(
        one.events.heard[1].starts_with("clipboard zwlr"),
        "{:?}",
        one.events.heard
    );

    let next = control.create_data_source(&other.qh, ());
    device.set_selection(Some(&next));
    f.hears(&mut other, "cancelled");
}
