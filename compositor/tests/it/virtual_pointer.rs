//! Programs that move the pointer.

use wayland_client::{
    WEnum, delegate_noop,
    protocol::wl_pointer::{self, Axis, AxisSource, ButtonState},
};
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::Layer;
use wayland_protocols_wlr::virtual_pointer::v1::client::{
    zwlr_virtual_pointer_manager_v1::ZwlrVirtualPointerManagerV1,
    zwlr_virtual_pointer_v1::ZwlrVirtualPointerV1,
};

use argos_compositor::{LEFT, backend::headless};

use crate::fixture::{Client, Events, Fixture};

delegate_noop!(Events: ZwlrVirtualPointerManagerV1);
delegate_noop!(Events: ZwlrVirtualPointerV1);

fn pointer(f: &mut Fixture, client: &mut Client) -> ZwlrVirtualPointerV1 {
    let manager: ZwlrVirtualPointerManagerV1 = client.bind_version(2, ());
    let pointer = manager.create_virtual_pointer(None, &client.qh, ());
    f.roundtrip(client);
    pointer
}

#[test]
fn it_moves_clicks_and_scrolls() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "text", (1280, 760), 0);
    let mut tool = f.client();
    let pointer = pointer(&mut f, &mut tool);
    pointer.motion_absolute(1, 500, 250, 1000, 1000);
    pointer.frame();
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), (640.0, 200.0).into());
    pointer.motion(2, 10.5, -5.0);
    pointer.frame();
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), (650.5, 195.0).into());
    pointer.motion(2, -5000.0, -5000.0);
    pointer.motion(2, 100.0, 400.0);
    pointer.button(3, LEFT, ButtonState::Pressed);
    // What is pressed is pressed.
    pointer.button(3, LEFT, ButtonState::Pressed);
    pointer.frame();
    f.roundtrip(&mut tool);
    f.roundtrip(&mut client);
    assert_eq!(f.state.pointer_location(), (100.0, 400.0).into());
    assert_eq!(client.events.clicks, 1);

    pointer.axis_source(AxisSource::Wheel);
    pointer.axis_discrete(4, Axis::VerticalScroll, 15.0, 1);
    pointer.axis(4, Axis::VerticalScroll, 15.0);
    f.roundtrip(&mut tool);
    f.roundtrip(&mut client);
    assert_eq!(client.events.scrolled, 0.0, "a frame tells it");
    pointer.frame();
    f.roundtrip(&mut tool);
    f.roundtrip(&mut client);
    assert_eq!(client.events.scrolled, 30.0);

    // With its client goes what it holds.
    f.dies(tool);
    f.button(LEFT, true);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 2, "the button was let go of");
}

#[test]
fn it_covers_all_screens_or_the_one_it_is_bound_to() {
    let mut f = Fixture::new();
    headless::add_output(&mut f.state, "two", 640, 400);
    f.turn();
    let mut tool = f.client();
    let manager: ZwlrVirtualPointerManagerV1 = tool.bind_version(2, ());
    let all = manager.create_virtual_pointer(None, &tool.qh, ());
    all.motion_absolute(1, 3, 1, 4, 4);
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), (1440.0, 200.0).into());
    let output = tool.output(1);
    let one = manager.create_virtual_pointer_with_output(None, Some(&output), &tool.qh, ());
    one.motion_absolute(1, 1, 1, 4, 4);
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), (1440.0, 100.0).into());
    one.motion_absolute(1, 1, 1, 0, 0);
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), (1440.0, 100.0).into());
}

#[test]
fn it_does_not_answer_prompts_nor_unlock() {
    let mut f = Fixture::new();
    let mut tool = f.client();
    let pointer = pointer(&mut f, &mut tool);
    pointer.motion_absolute(1, 1, 1, 2, 2);
    pointer.button(1, LEFT, ButtonState::Pressed);
    f.roundtrip(&mut tool);
    let middle = f.state.pointer_location();
    let mut shell = f.trusted_client();
    let prompt = shell.layer(argos_compositor::PROMPT, Layer::Overlay, |layer| {
        layer.set_size(400, 400);
    });
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, (400, 400), 0);
    f.roundtrip(&mut shell);
    pointer.button(2, LEFT, ButtonState::Released);
    pointer.motion(2, 5.0, 0.0);
    pointer.button(2, LEFT, ButtonState::Pressed);
    pointer.frame();
    f.roundtrip(&mut tool);
    f.roundtrip(&mut shell);
    assert_eq!(f.state.pointer_location(), middle);
    assert_eq!(shell.events.clicks, 0);
    f.dies(shell);

    let folder = tempfile::tempdir().unwrap();
    f.state.allow_lock(|| (), folder.path().join("locked"));
    let (answer, _answered) = tokio::sync::oneshot::channel();
    f.state
        .bus_request(argos_compositor::bus::Request::Lock(answer));
    pointer.motion(3, 5.0, 0.0);
    f.roundtrip(&mut tool);
    assert_eq!(f.state.pointer_location(), middle);
    // What came over the private socket may.
    let mut trusted = f.trusted_client();
    let manager: ZwlrVirtualPointerManagerV1 = trusted.bind_version(2, ());
    let pointer = manager.create_virtual_pointer(None, &trusted.qh, ());
    pointer.motion(4, 5.0, 0.0);
    f.roundtrip(&mut trusted);
    assert_eq!(f.state.pointer_location().x, middle.x + 5.0);
}

#[test]
fn an_axis_that_is_none_is_a_mistake() {
    let mut f = Fixture::new();
    let mut tool = f.client();
    let pointer = pointer(&mut f, &mut tool);
    // No value of the enum stands for it, so the request is written by its number.
    use wayland_client::Proxy;
    use wayland_protocols_wlr::virtual_pointer::v1::client::zwlr_virtual_pointer_v1::Request;
    let wrong = Request::Axis {
        time: 1,
        axis: WEnum::<wl_pointer::Axis>::Unknown(7),
        value: 1.0,
    };
    let backend = pointer.backend().upgrade().unwrap();
    let connection = wayland_client::Connection::from_backend(backend);
    connection.send_request(&pointer, wrong, None).unwrap();
    f.is_thrown_out(tool);
}
