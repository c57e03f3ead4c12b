//! Keys: bindings, Alt-Tab, taps; fingers; and what clients hear of them.

use argos_compositor::config::Config;
use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle,
    protocol::wl_touch::{self, WlTouch},
};

use crate::fixture::{Events, Fixture, on};

on!(WlTouch, |state, _touch, event| {
    let heard = match event {
        wl_touch::Event::Down { .. } => "down",
        wl_touch::Event::Up { .. } => "up",
        wl_touch::Event::Frame => "frame",
        _ => "something else",
    };
    state.heard.push(heard.into());
});

const SUPER: u32 = 125;
const ALT: u32 = 56;
const TAB: u32 = 15;
const A: u32 = 30;
const C: u32 = 46;
const X: u32 = 45;
const SPACE: u32 = 57;

#[test]
fn typed_keys_reach_the_focused_client_and_bound_ones_do_not() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "text", (300, 200), 0);
    f.chord(&[A]);
    f.chord(&[SUPER, C]);
    f.roundtrip(&mut client);
    let keys = &client.events.keys;
    assert!(
        keys.contains(&(A, true)) && keys.contains(&(A, false)),
        "{keys:?}"
    );
    assert!(!keys.iter().any(|(key, _)| *key == C), "{keys:?}");
    assert_eq!(f.shell.try_recv().unwrap(), "chat");
}

#[test]
fn a_tap_of_super_opens_the_launcher_and_a_held_one_does_not() {
    let mut f = Fixture::new();
    f.chord(&[SUPER]);
    f.turn();
    assert_eq!(f.shell.try_recv().unwrap(), "launcher");
    f.chord(&[SUPER, SPACE]);
    f.turn();
    assert_eq!(f.shell.try_recv().unwrap(), "launcher");
    assert!(f.shell.try_recv().is_err(), "once is enough");
    // A key that nothing is bound to.
    f.chord(&[SUPER, X]);
    f.key(SUPER, true);
    f.button(argos_compositor::LEFT, true);
    f.button(argos_compositor::LEFT, false);
    f.key(SUPER, false);
    f.turn();
    assert!(f.shell.try_recv().is_err());
}

#[test]
fn alt_tab_goes_back_and_forth_between_the_last_two() {
    let mut f = Fixture::new();
    let mut client = f.client();
    for title in ["one", "two", "three"] {
        f.window(&mut client, title, (300, 200), 0);
    }
    f.chord(&[ALT, TAB]);
    assert!(f.titles().starts_with("two*"), "{}", f.titles());
    f.chord(&[ALT, TAB]);
    assert!(f.titles().starts_with("three*"), "{}", f.titles());

    f.key(ALT, true);
    f.chord(&[TAB]);
    f.chord(&[TAB]);
    f.key(ALT, false);
    assert!(f.titles().starts_with("one*"), "{}", f.titles());
    f.roundtrip(&mut client);
    assert!(!client.events.keys.iter().any(|(key, _)| *key == TAB));
}

#[test]
fn bindings_come_from_the_settings() {
    let mut config = Config::default();
    config
        .bindings
        .insert("Super+a".into(), "shell notes".into());
    config.bindings.insert("Super".into(), "none".into());
    let mut f = Fixture::with(config);
    f.chord(&[SUPER, A]);
    f.chord(&[SUPER]);
    f.turn();
    assert_eq!(f.shell.try_recv().unwrap(), "notes");
    assert!(f.shell.try_recv().is_err());
}

#[test]
fn fingers_are_lifted_from_a_surface_that_goes() {
    let mut f = Fixture::new();
    f.plug_touch_screen();
    let mut client = f.client();
    let _touch: WlTouch = client.seat.get_touch(&client.qh, ());
    let toplevel = f.window(&mut client, "touched", (300, 200), 0);
    f.touch(640.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["down"]);
    toplevel.toplevel.destroy();
    toplevel.xdg.destroy();
    toplevel.surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["down", "up", "frame"]);
}
