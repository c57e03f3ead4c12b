//! Clipboard and primary selection, from X to Wayland and back.

use std::{io::Read, os::fd::AsFd, sync::Arc};

use argos_compositor::smithay::reexports::x11rb::{
    CURRENT_TIME,
    connection::Connection,
    protocol::{
        Event,
        xproto::{
            AtomEnum, ConnectionExt, EventMask, PropMode, SELECTION_NOTIFY_EVENT,
            SelectionNotifyEvent,
        },
    },
    wrapper::ConnectionExt as _,
};
use wayland_client::protocol::wl_data_device_manager::WlDataDeviceManager;
use wayland_protocols::ext::data_control::v1::client::ext_data_control_manager_v1::ExtDataControlManagerV1;

use super::{
    client::{Program, alongside, until},
    fixture,
};

const WORDS: &str = "from one world to the other";
const TEXT: &str = "text/plain;charset=utf-8";

#[test]
fn what_an_x_program_copies_is_pasted_in_a_wayland_program() {
    let mut f = fixture();
    let mut client = f.client();
    f.window(&mut client, "wayland", (200, 100), 0);
    let devices: WlDataDeviceManager = client.bind();
    devices.get_data_device(&client.seat, &client.qh, ());
    f.roundtrip(&mut client);

    let mut program = Program::start(&mut f);
    let owner = program.create((0, 0, 1, 1), 0, false);
    let [clipboard, targets, utf8] =
        ["CLIPBOARD", "TARGETS", "UTF8_STRING"].map(|name| program.atom(&mut f, name));
    program
        .connection
        .set_selection_owner(owner, clipboard, CURRENT_TIME)
        .unwrap();
    program.connection.flush().unwrap();

    // Answers who asks, as a program does.
    let answer =
        |program: &mut Program, f: &mut crate::fixture::Fixture, wanted: u32| {
            let request = program.hears(f, "a request", |event| {
            matches!(event, Event::SelectionRequest(request) if request.target == wanted)
        });
            let Event::SelectionRequest(request) = request else {
                unreachable!()
            };
            let connection = &program.connection;
            if wanted == targets {
                connection
                    .change_property32(
                        PropMode::REPLACE,
                        request.requestor,
                        request.property,
                        AtomEnum::ATOM,
                        &[targets, utf8],
                    )
                    .unwrap();
            } else {
                connection
                    .change_property8(
                        PropMode::REPLACE,
                        request.requestor,
                        request.property,
                        utf8,
                        WORDS.as_bytes(),
                    )
                    .unwrap();
            }
            let done = SelectionNotifyEvent {
                response_type: SELECTION_NOTIFY_EVENT,
                sequence: 0,
                time: request.time,
                requestor: request.requestor,
                selection: request.selection,
                target: request.target,
                property: request.property,
            };
            connection
                .send_event(false, request.requestor, EventMask::NO_EVENT, done)
                .unwrap();
            connection.flush().unwrap();
        };
    answer(&mut program, &mut f, targets);
    f.hears(&mut client, TEXT);
    let offer = client.events.offer.clone().expect("something to paste");
    let (mut read, write) = std::io::pipe().unwrap();
    offer.receive(TEXT.into(), write.as_fd());
    f.roundtrip(&mut client);
    drop(write);
    answer(&mut program, &mut f, utf8);
    let pasted = alongside(&mut f, "the content", move || {
        let mut pasted = String::new();
        read.read_to_string(&mut pasted).unwrap();
        pasted
    });
    assert_eq!(pasted, WORDS);

    // With the program its clipboard is gone.
    drop(program);
    until(&mut f, "nothing to paste", |f| {
        f.roundtrip(&mut client);
        client.events.offer.is_none()
    });
}

#[test]
fn what_a_wayland_program_copies_is_pasted_in_the_x_program_in_use_alone() {
    let mut f = fixture();
    let mut manager = f.client();
    let control: ExtDataControlManagerV1 = manager.bind();
    let device = control.get_data_device(&manager.seat, &manager.qh, ());
    let source = control.create_data_source(&manager.qh, ());
    source.offer("text/plain".into());
    device.set_selection(Some(&source));
    f.roundtrip(&mut manager);

    // It was copied before the server was there.
    let mut program = Program::start(&mut f);
    let reader = program.create((0, 0, 1, 1), 0, false);
    let [clipboard, text, place] =
        ["CLIPBOARD", "TEXT", "PLACE"].map(|name| program.atom(&mut f, name));
    let ask = |program: &mut Program| {
        program.events.clear();
        program
            .connection
            .convert_selection(reader, clipboard, text, place, CURRENT_TIME)
            .unwrap();
        program.connection.flush().unwrap();
    };
    let answered = |event: &Event| matches!(event, Event::SelectionNotify(_));
    ask(&mut program);
    let refused = program.hears(&mut f, "an answer", answered);
    let Event::SelectionNotify(refused) = refused else {
        unreachable!()
    };
    assert_eq!(refused.property, 0, "no window of it has the keyboard");

    let window = program.window(&mut f, "used", (200, 100), 0);
    program.hears(
        &mut f,
        "the focus",
        |event| matches!(event, Event::FocusIn(focus) if focus.event == window),
    );
    ask(&mut program);
    f.hears(&mut manager, "send text/plain");
    let given = program.hears(&mut f, "an answer", answered);
    let Event::SelectionNotify(given) = given else {
        unreachable!()
    };
    assert_ne!(given.property, 0);
    let connection = Arc::clone(&program.connection);
    let pasted = alongside(&mut f, "the content", move || {
        let cookie = connection.get_property(false, reader, place, AtomEnum::ANY, 0, 1000);
        cookie.unwrap().reply().unwrap().value
    });
    assert_eq!(pasted, b"from the clipboard");
}
