//! Buffers on the GPU: which kinds programs are told to make, though none is made here.

use std::{fs::File, os::fd::AsFd, rc::Rc};

use argos_compositor::{
    dmabuf::Feedback,
    smithay::backend::allocator::{Format, Fourcc, Modifier},
};
use wayland_client::{
    Connection, Dispatch, QueueHandle, WEnum, delegate_noop, protocol::wl_buffer::WlBuffer,
};
use wayland_protocols::wp::linux_dmabuf::zv1::client::{
    zwp_linux_buffer_params_v1::{Flags, ZwpLinuxBufferParamsV1},
    zwp_linux_dmabuf_feedback_v1::{self, TrancheFlags, ZwpLinuxDmabufFeedbackV1},
    zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1},
};

use crate::{
    fixture::{Client, Events, Fixture, Toplevel},
    watched::Notes,
};

const WHOLE: (i32, i32) = (1280, 800);
const RED: u32 = 0xc0_2020;
pub(crate) const DEVICE: u64 = 0xe280;

delegate_noop!(Events: ignore ZwpLinuxBufferParamsV1);

impl Dispatch<ZwpLinuxDmabufV1, ()> for Events {
    fn event(
        _: &mut Self,
        _: &ZwpLinuxDmabufV1,
        _: zwp_linux_dmabuf_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // Kinds come with the feedback.
    }
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, ()> for Events {
    fn event(
        events: &mut Self,
        _: &ZwpLinuxDmabufFeedbackV1,
        event: zwp_linux_dmabuf_feedback_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        use zwp_linux_dmabuf_feedback_v1::Event;
        match event {
            Event::TrancheFlags {
                flags: WEnum::Value(flags),
            } => {
                let plane = flags.contains(TrancheFlags::Scanout);
                events
                    .heard
                    .push(if plane { "plane" } else { "drawn" }.to_owned());
            }
            Event::Done => events.heard.push("done".to_owned()),
            _ => {}
        }
    }
}

pub(crate) fn kind(code: Fourcc, modifier: u64) -> Format {
    Format {
        code,
        modifier: Modifier::from(modifier),
    }
}

/// A buffer that the compositor takes for one on a GPU, without gaps between its rows.
pub(crate) fn buffer(client: &Client, file: &File, (w, h): (i32, i32), kind: Format) -> WlBuffer {
    let dmabuf: ZwpLinuxDmabufV1 = client.bind_version(3, ());
    let params = dmabuf.create_params(&client.qh, ());
    let modifier = u64::from(kind.modifier);
    let (high, low) = ((modifier >> 32) as u32, modifier as u32);
    params.add(file.as_fd(), 0, 0, w as u32 * 4, high, low);
    let buffer = params.create_immed(w, h, kind.code as u32, Flags::empty(), &client.qh, ());
    params.destroy();
    buffer
}

/// A compositor with a GPU and planes, as far as programs are told.
fn with_planes() -> (Fixture, Rc<Notes>) {
    let (mut f, notes) = Fixture::watched();
    let drawn = [kind(Fourcc::Xrgb8888, 0), kind(Fourcc::Argb8888, 0)];
    let planes = [kind(Fourcc::Xrgb8888, 0), kind(Fourcc::Xrgb8888, 9)];
    f.state.offer_dmabufs(DEVICE, drawn).unwrap();
    *notes.feedback.borrow_mut() = Some(Feedback::new(DEVICE, drawn, planes).unwrap());
    f.turn();
    (f, notes)
}

/// A window that is told which buffers to make.
fn window(f: &mut Fixture) -> (Client, Toplevel) {
    let mut client = f.client();
    let window = f.window(&mut client, "film", (400, 300), RED);
    let dmabuf: ZwpLinuxDmabufV1 = client.bind_version(4, ());
    dmabuf.get_surface_feedback(&window.surface, &client.qh, ());
    f.roundtrip(&mut client);
    (client, window)
}

/// What the window was told since the last time: the tranches, and where each feedback ends.
fn heard(client: &mut Client) -> String {
    std::mem::take(&mut client.events.heard).join(" ")
}

#[test]
fn who_fills_the_screen_is_told_what_planes_take() {
    let (mut f, _notes) = with_planes();
    let (mut client, window) = window(&mut f);
    assert_eq!(heard(&mut client), "drawn done");

    window.toplevel.set_fullscreen(None);
    f.roundtrip(&mut client);
    client.draw(&window, WHOLE, RED);
    f.roundtrip(&mut client);
    assert_eq!(heard(&mut client), "plane drawn done");
    client.draw(&window, WHOLE, RED);
    f.roundtrip(&mut client);
    assert_eq!(heard(&mut client), "", "it is no news");

    window.toplevel.unset_fullscreen();
    f.roundtrip(&mut client);
    client.draw(&window, (400, 300), RED);
    f.roundtrip(&mut client);
    assert_eq!(heard(&mut client), "drawn done");
}

#[test]
fn while_things_are_magnified_planes_take_nothing() {
    let (mut f, _notes) = with_planes();
    let (mut client, window) = window(&mut f);
    window.toplevel.set_fullscreen(None);
    f.roundtrip(&mut client);
    client.draw(&window, WHOLE, RED);
    f.roundtrip(&mut client);
    assert!(heard(&mut client).ends_with("plane drawn done"));
    // Super and plus, and back.
    f.chord(&[125, 13]);
    f.roundtrip(&mut client);
    assert_eq!(heard(&mut client), "drawn done");
    f.chord(&[125, 11]);
    f.roundtrip(&mut client);
    assert_eq!(heard(&mut client), "plane drawn done");
}

#[test]
fn planes_that_take_nothing_that_can_be_drawn_are_not_told() {
    let (mut f, notes) = with_planes();
    let feedback = Feedback::new(
        DEVICE,
        [kind(Fourcc::Xrgb8888, 0)],
        [kind(Fourcc::Xrgb8888, 9)],
    );
    *notes.feedback.borrow_mut() = Some(feedback.unwrap());
    let (mut client, window) = window(&mut f);
    window.toplevel.set_fullscreen(None);
    f.roundtrip(&mut client);
    client.draw(&window, WHOLE, RED);
    f.roundtrip(&mut client);
    assert!(!heard(&mut client).contains("plane"));
}

#[test]
fn who_was_told_of_a_device_is_told_of_the_one_that_draws_instead() {
    let (mut f, notes) = with_planes();
    let (mut client, _window) = window(&mut f);
    assert_eq!(heard(&mut client), "drawn done");
    // The card goes, and another one draws.
    *notes.feedback.borrow_mut() = None;
    for told in ["drawn done", ""] {
        let drawn = [kind(Fourcc::Xrgb8888, 0)];
        f.state.offer_dmabufs(DEVICE + 1, drawn).unwrap();
        f.roundtrip(&mut client);
        assert_eq!(heard(&mut client), told, "once");
    }
}
