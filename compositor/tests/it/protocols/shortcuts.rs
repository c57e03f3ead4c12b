//! Keys that a client wants for itself.

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::wp::keyboard_shortcuts_inhibit::zv1::client::{
    zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1,
    zwp_keyboard_shortcuts_inhibitor_v1::{self, ZwpKeyboardShortcutsInhibitorV1},
};
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_surface_v1::Anchor;

use crate::fixture::{Events, Fixture, on};

const SUPER: u32 = 125;
const ESCAPE: u32 = 1;
const C: u32 = 46;

delegate_noop!(Events: ignore ZwpKeyboardShortcutsInhibitManagerV1);
on!(
    ZwpKeyboardShortcutsInhibitorV1,
    |state, _inhibitor, event| {
        state.heard.push(
            match event {
                zwp_keyboard_shortcuts_inhibitor_v1::Event::Active => "active",
                _ => "inactive",
            }
            .into(),
        );
    }
);

#[test]
fn a_client_gets_the_bound_keys_until_the_person_takes_them_back() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "remote", (300, 200), 0);
    let manager: ZwpKeyboardShortcutsInhibitManagerV1 = client.bind();
    manager.inhibit_shortcuts(&toplevel.surface, &client.seat, &client.qh, ());
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["active"]);

    f.chord(&[SUPER, C]);
    f.chord(&[SUPER]);
    f.roundtrip(&mut client);
    assert!(client.events.keys.contains(&(C, true)));
    assert!(f.shell.try_recv().is_err(), "the shell was not asked for");

    f.chord(&[SUPER, ESCAPE]);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["active", "inactive"]);
    assert!(!client.events.keys.iter().any(|(key, _)| *key == ESCAPE));
    f.chord(&[SUPER, C]);
    assert_eq!(f.shell.try_recv().unwrap(), "chat");

    f.chord(&[SUPER, ESCAPE]);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["active", "inactive", "active"]);
}

#[test]
fn a_client_that_has_not_the_keyboard_inhibits_nothing() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "remote", (300, 200), 0);
    let manager: ZwpKeyboardShortcutsInhibitManagerV1 = client.bind();
    manager.inhibit_shortcuts(&toplevel.surface, &client.seat, &client.qh, ());
    f.window(&mut client, "other", (300, 200), 0);
    f.chord(&[SUPER, C]);
    assert_eq!(f.shell.try_recv().unwrap(), "chat");
}

#[test]
fn a_prompt_comes_before_an_inhibitor() {
    use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::Layer;
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "remote", (300, 200), 0);
    let manager: ZwpKeyboardShortcutsInhibitManagerV1 = client.bind();
    manager.inhibit_shortcuts(&toplevel.surface, &client.seat, &client.qh, ());
    f.roundtrip(&mut client);
    let mut shell = f.trusted_client();
    let prompt = shell.layer(argos_compositor::PROMPT, Layer::Overlay, |layer| {
        layer.set_size(200, 100);
        layer.set_anchor(Anchor::empty());
    });
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, (200, 100), 0);
    f.roundtrip(&mut shell);
    client.events.keys.clear();
    f.chord(&[SUPER, ESCAPE]);
    f.roundtrip(&mut client);
    f.roundtrip(&mut shell);
    assert_eq!(client.events.heard, ["active"]);
    assert!(client.events.keys.is_empty());
    assert!(shell.events.keys.contains(&(ESCAPE, true)));
}
