//! The magnifier: what is seen, what is clicked, what it follows.

use argos_compositor::config::{Config, Magnifier};
use wayland_protocols::wp::text_input::zv3::client::zwp_text_input_manager_v3::ZwpTextInputManagerV3;

use crate::fixture::{Client, Fixture, Toplevel};

const SUPER: u32 = 125;
const PLUS: u32 = 13;
const MINUS: u32 = 12;
const ZERO: u32 = 11;
const RED: [u8; 3] = [0xc0, 0x20, 0x20];

/// Things are twice as large after one step, and windows open where they are wanted.
fn config() -> Config {
    let text = "
magnifier: {step: 2}
rules:
  - {match: {title: red}, set: {floating: true, position: [440, 300]}}
  - {match: {title: far}, set: {floating: true, position: [900, 600]}}
  - {match: {title: other}, set: {floating: true, position: [100, 500]}}
";
    argos_config::parse("test", text).unwrap()
}

fn red(f: &mut Fixture, client: &mut Client, title: &str) -> Toplevel {
    f.window(client, title, (100, 80), 0xc0_2020)
}

#[test]
fn things_are_larger_around_the_pointer_and_in_no_picture() {
    let (mut f, notes) = Fixture::looked_at(config());
    let mut client = f.client();
    let _window = red(&mut f, &mut client, "red");
    f.pointer(400.0, 300.0);
    let ground = notes.pixel(430, 350);
    assert_eq!(notes.pixel(445, 350), RED);
    f.chord(&[SUPER, PLUS]);
    assert_eq!(f.state.zoom(), 2.0);
    // What was 40 to 140 pixels from the pointer is 80 to 280 from it.
    assert_eq!(notes.pixel(470, 350), ground);
    assert_eq!(notes.pixel(485, 350), RED);
    assert_eq!(notes.pixel(675, 455), RED);
    assert_eq!(notes.pixel(685, 455), ground);
    assert_eq!(f.pixel(445, 350), RED);
    assert_eq!(f.pixel(435, 350), ground);
    assert_eq!(f.pixel(545, 350), ground);

    // The pointer is where it is seen, and larger: what is under it is clicked.
    f.pointer(440.0, 340.0);
    let size = |row| (440..540).filter(|x| notes.pixel(*x, row) != RED).count();
    let large = size(344);
    f.click(441.0, 340.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 1);
    f.pointer(440.0, 340.0);
    f.chord(&[SUPER, MINUS]);
    assert_eq!(f.state.zoom(), 1.0);
    let small = size(342);
    let double = 2 * small - 1..=2 * small + 1;
    assert!(small > 0 && double.contains(&large), "{large} {small}");
    for _ in 0..5 {
        f.chord(&[SUPER, PLUS]);
    }
    assert_eq!(f.state.zoom(), 8.0, "that is the most");
    f.chord(&[SUPER, ZERO]);
    assert_eq!(f.state.zoom(), 1.0);
    assert_eq!(notes.pixel(480, 350), RED);
    assert_eq!(notes.pixel(435, 350), ground);
    assert!(f.shell.try_recv().is_err(), "Super was not tapped");
}

#[test]
fn the_wheel_steers_it_with_super_alone() {
    let (mut f, _notes) = Fixture::looked_at(config());
    f.wheel(-1.0);
    assert_eq!(f.state.zoom(), 1.0);
    f.key(SUPER, true);
    f.wheel(-1.0);
    f.wheel(-0.5);
    assert!((f.state.zoom() - 2.83).abs() < 0.01, "{}", f.state.zoom());
    f.wheel(4.0);
    f.key(SUPER, false);
    assert_eq!(f.state.zoom(), 1.0);
    f.turn();
    assert!(f.shell.try_recv().is_err(), "Super was not tapped");
}

#[test]
fn nothing_is_drawn_while_nothing_changes_however_large_it_is() {
    let (mut f, _notes) = Fixture::looked_at(config());
    f.state.set_zoom(3.0);
    f.turn();
    let frames = f.state.frames();
    for _ in 0..5 {
        f.turn();
    }
    assert_eq!(f.state.frames(), frames);
    f.pointer(100.0, 100.0);
    assert!(f.state.frames() > frames);
}

#[test]
fn a_finger_means_what_is_seen_under_it() {
    let (mut f, notes) = Fixture::looked_at(config());
    let mut client = f.client();
    let _window = red(&mut f, &mut client, "red");
    let mut other = f.client();
    f.window(&mut other, "other", (200, 100), 0x20_20c0);
    f.pointer(400.0, 300.0);
    f.state.set_zoom(2.0);
    f.turn();
    assert!(f.titles().starts_with("other*"), "{}", f.titles());
    assert_eq!(notes.pixel(600, 400), RED);
    f.touch(600.0, 400.0);
    assert!(f.titles().starts_with("red*"), "{}", f.titles());
}

#[test]
fn it_goes_where_text_is_typed_and_back_to_the_pointer() {
    let (mut f, notes) = Fixture::looked_at(config());
    let mut method = f.client();
    let methods: wayland_protocols_misc::zwp_input_method_v2::client::zwp_input_method_manager_v2::ZwpInputMethodManagerV2 =
        method.bind();
    methods.get_input_method(&method.seat, &method.qh, ());
    f.roundtrip(&mut method);
    let mut client = f.client();
    let window = red(&mut f, &mut client, "far");
    let manager: ZwpTextInputManagerV3 = client.bind();
    let input = manager.get_text_input(&client.seat, &client.qh, ());
    f.hears(&mut client, "enter");
    f.pointer(100.0, 100.0);
    f.state.set_zoom(4.0);
    f.turn();
    assert_ne!(notes.pixel(950, 640), RED, "it is off to the lower right");
    input.enable();
    input.set_cursor_rectangle(49, 32, 2, 16);
    input.commit();
    f.roundtrip(&mut client);
    assert_eq!(notes.pixel(950, 640), RED);
    assert_eq!(notes.pixel(760, 485), RED, "50 pixels to the left are 200");
    f.pointer(101.0, 100.0);
    assert_ne!(notes.pixel(950, 640), RED);

    // A window that comes into use is gone to if the pointer is not in it.
    f.window(&mut client, "other", (20, 20), 0);
    f.pointer(102.0, 100.0);
    assert_ne!(notes.pixel(950, 640), RED);
    f.state.apply_settings(Config {
        magnifier: Magnifier {
            follow_text: false,
            ..config().magnifier
        },
        ..Config::default()
    });
    input.set_cursor_rectangle(10, 10, 2, 16);
    input.commit();
    f.roundtrip(&mut client);
    assert_ne!(notes.pixel(950, 640), RED);
    window.toplevel.destroy();
}
