//! Screens that go dark and come back.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use argos_compositor::backend::headless;
use wayland_client::{Connection, Dispatch, QueueHandle, WEnum, delegate_noop};
use wayland_protocols_wlr::output_power_management::v1::client::{
    zwlr_output_power_manager_v1::ZwlrOutputPowerManagerV1,
    zwlr_output_power_v1::{self, Mode, ZwlrOutputPowerV1},
};

use crate::fixture::{Client, Events, Fixture};

#[derive(Debug, Default)]
struct Heard {
    modes: Vec<Mode>,
    failed: bool,
}

impl Dispatch<ZwlrOutputPowerV1, Arc<Mutex<Heard>>> for Events {
    fn event(
        _: &mut Self,
        _: &ZwlrOutputPowerV1,
        event: zwlr_output_power_v1::Event,
        heard: &Arc<Mutex<Heard>>,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let mut heard = heard.lock().unwrap();
        match event {
            zwlr_output_power_v1::Event::Mode {
                mode: WEnum::Value(mode),
            } => heard.modes.push(mode),
            zwlr_output_power_v1::Event::Failed => heard.failed = true,
            _ => {}
        }
    }
}

delegate_noop!(Events: ZwlrOutputPowerManagerV1);

fn control(f: &mut Fixture, client: &mut Client) -> (ZwlrOutputPowerV1, Arc<Mutex<Heard>>) {
    let manager: ZwlrOutputPowerManagerV1 = client.bind_version(1, ());
    let heard = Arc::default();
    let output = client.output(0);
    let control = manager.get_output_power(&output, &client.qh, Arc::clone(&heard));
    f.roundtrip(client);
    (control, heard)
}

#[test]
fn a_dark_output_is_not_drawn_until_it_is_lit() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let window = f.window(&mut client, "below", (400, 300), 0xc0_2020);
    let mut tool = f.client();
    let (control, heard) = control(&mut f, &mut tool);
    assert_eq!(heard.lock().unwrap().modes, [Mode::On]);
    control.set_mode(Mode::Off);
    f.roundtrip(&mut tool);
    assert_eq!(heard.lock().unwrap().modes, [Mode::On, Mode::Off]);

    let frames = f.state.frames();
    let asked = Instant::now();
    client.frame_callback(&window.surface);
    client.draw(&window, (400, 300), 0x20_c020);
    f.roundtrip(&mut client);
    f.pointer(700.0, 400.0);
    assert_eq!(f.state.frames(), frames);
    client.is_held_back(0, asked);
    assert!(f.titles().starts_with("below*"), "its windows stay");

    control.set_mode(Mode::On);
    f.roundtrip(&mut tool);
    f.roundtrip(&mut client);
    assert!(f.state.frames() > frames);
    assert_eq!(client.events.frames, 1);
    assert_eq!(heard.lock().unwrap().modes, [Mode::On, Mode::Off, Mode::On]);
}

#[test]
fn a_key_lights_outputs_when_all_are_dark() {
    let mut f = Fixture::new();
    headless::add_output(&mut f.state, "two", 640, 480);
    f.turn();
    let mut tool = f.client();
    let (first, heard) = control(&mut f, &mut tool);
    first.set_mode(Mode::Off);
    f.roundtrip(&mut tool);
    f.chord(&[30]);
    f.roundtrip(&mut tool);
    assert_eq!(
        heard.lock().unwrap().modes.last(),
        Some(&Mode::Off),
        "the other one is lit"
    );
    let manager: ZwlrOutputPowerManagerV1 = tool.bind_version(1, ());
    let other = Arc::<Mutex<Heard>>::default();
    let second = manager.get_output_power(&tool.output(1), &tool.qh, Arc::clone(&other));
    second.set_mode(Mode::Off);
    f.roundtrip(&mut tool);
    f.chord(&[30]);
    f.roundtrip(&mut tool);
    for heard in [heard, other] {
        assert_eq!(heard.lock().unwrap().modes.last(), Some(&Mode::On));
    }
}

#[test]
fn the_control_of_an_output_that_is_gone_fails() {
    let mut f = Fixture::new();
    let mut tool = f.client();
    let (control, heard) = control(&mut f, &mut tool);
    let output = f.output.clone();
    headless::remove_output(&mut f.state, &output);
    f.roundtrip(&mut tool);
    assert!(heard.lock().unwrap().failed);
    control.set_mode(Mode::Off);
    f.roundtrip(&mut tool);
}
