//! Text that others type: an input method, a virtual keyboard.

use std::{io::Write, os::fd::AsFd};

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::{
    wp::text_input::zv3::client::{
        zwp_text_input_manager_v3::ZwpTextInputManagerV3,
        zwp_text_input_v3::{self, ZwpTextInputV3},
    },
    xdg::shell::client::{
        xdg_popup::{self, XdgPopup},
        xdg_positioner::XdgPositioner,
        xdg_wm_base::XdgWmBase,
    },
};
use wayland_protocols_misc::{
    zwp_input_method_v2::client::{
        zwp_input_method_keyboard_grab_v2::{self, ZwpInputMethodKeyboardGrabV2},
        zwp_input_method_manager_v2::ZwpInputMethodManagerV2,
        zwp_input_method_v2::{self, ZwpInputMethodV2},
        zwp_input_popup_surface_v2::ZwpInputPopupSurfaceV2,
    },
    zwp_virtual_keyboard_v1::client::{
        zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1,
        zwp_virtual_keyboard_v1::ZwpVirtualKeyboardV1,
    },
};
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::Layer;

use crate::fixture::{Client, Events, Fixture, Toplevel, on, rgb};

const A: u32 = 30;
const SPACE: u32 = 57;
const BLUE: u32 = 0x20_20c0;

delegate_noop!(Events: ignore ZwpTextInputManagerV3);
delegate_noop!(Events: ignore ZwpInputMethodManagerV2);
delegate_noop!(Events: ignore ZwpInputPopupSurfaceV2);
delegate_noop!(Events: ignore ZwpVirtualKeyboardManagerV1);
delegate_noop!(Events: ignore ZwpVirtualKeyboardV1);
delegate_noop!(Events: ignore XdgPositioner);
on!(XdgPopup, |state, _popup, event| {
    if let xdg_popup::Event::PopupDone = event {
        state.heard.push("menu closed".into());
    }
});
on!(ZwpTextInputV3, |state, _input, event| {
    use zwp_text_input_v3::Event;
    state.heard.push(match event {
        Event::Enter { .. } => "enter".into(),
        Event::Leave { .. } => "leave".into(),
        Event::CommitString { text } => format!("text {}", text.unwrap_or_default()),
        Event::PreeditString { text, .. } => format!("composing {}", text.unwrap_or_default()),
        Event::Done { .. } => "done".into(),
        _ => return,
    });
});
on!(ZwpInputMethodV2, |state, _method, event| {
    use zwp_input_method_v2::Event;
    state.heard.push(match event {
        Event::Activate => "activate".into(),
        Event::Deactivate => "deactivate".into(),
        Event::SurroundingText { text, .. } => format!("around {text}"),
        Event::Done => "done".into(),
        Event::Unavailable => "unavailable".into(),
        _ => return,
    });
});
on!(ZwpInputMethodKeyboardGrabV2, |state, _grab, event| {
    if let zwp_input_method_keyboard_grab_v2::Event::Key { key, .. } = event {
        state.heard.push(format!("key {key}"));
    }
});

/// An input method, and a program with a text field that has the keyboard.
struct Composing {
    method: Client,
    input_method: ZwpInputMethodV2,
    client: Client,
    input: ZwpTextInputV3,
    window: Toplevel,
}

fn composing(f: &mut Fixture) -> Composing {
    let mut method = f.client();
    let manager: ZwpInputMethodManagerV2 = method.bind();
    let input_method = manager.get_input_method(&method.seat, &method.qh, ());
    f.roundtrip(&mut method);

    let mut client = f.client();
    let window = f.window(&mut client, "text", (400, 300), 0);
    let manager: ZwpTextInputManagerV3 = client.bind();
    let input = manager.get_text_input(&client.seat, &client.qh, ());
    f.hears(&mut client, "enter");
    input.enable();
    input.set_surrounding_text("abc".into(), 3, 3);
    input.set_cursor_rectangle(20, 30, 2, 16);
    input.commit();
    f.roundtrip(&mut client);
    f.hears(&mut method, "around abc");
    assert!(method.events.heard.contains(&"activate".into()));
    client.events.heard.clear();
    Composing {
        method,
        input_method,
        client,
        input,
        window,
    }
}

/// How many rounds of state the input method has heard of.
fn serial(method: &Client) -> u32 {
    let done = method.events.heard.iter().filter(|heard| *heard == "done");
    done.count() as u32
}

fn prompt(f: &mut Fixture) -> (Client, crate::fixture::Layer) {
    let mut shell = f.trusted_client();
    let prompt = shell.layer(argos_compositor::PROMPT, Layer::Overlay, |layer| {
        layer.set_size(200, 100);
    });
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, (200, 100), 0);
    f.roundtrip(&mut shell);
    (shell, prompt)
}

#[test]
fn what_an_input_method_composes_reaches_the_text_field() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        mut client,
        input,
        ..
    } = composing(&mut f);
    input_method.set_preedit_string("ni".into(), 2, 2);
    input_method.commit(serial(&method));
    f.roundtrip(&mut method);
    input_method.commit_string("你".into());
    input_method.commit(serial(&method));
    f.roundtrip(&mut method);
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.heard,
        ["composing ni", "done", "text 你", "done"]
    );

    method.events.heard.clear();
    input.disable();
    input.commit();
    f.roundtrip(&mut client);
    f.hears(&mut method, "deactivate");
}

#[test]
fn the_popup_of_the_input_method_is_at_the_text_cursor() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        client: _client,
        ..
    } = composing(&mut f);
    let surface = method.compositor.create_surface(&method.qh, ());
    input_method.get_input_popup_surface(&surface, &method.qh, ());
    method.fill(&surface, (60, 20), BLUE);
    f.roundtrip(&mut method);
    // The window's corner is at (440, 250), the text cursor's lower left one at (20, 46) in it.
    assert_eq!(f.pixel(461, 297), rgb(BLUE));
    assert_eq!(f.pixel(519, 315), rgb(BLUE));
    assert_eq!(f.pixel(461, 294), [0, 0, 0]);
    assert_eq!(f.pixel(458, 297), [0, 0, 0]);
}

#[test]
fn an_input_method_that_has_the_keys_gets_them_and_bindings_still_work() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        mut client,
        ..
    } = composing(&mut f);
    input_method.grab_keyboard(&method.qh, ());
    f.roundtrip(&mut method);
    f.chord(&[A]);
    f.roundtrip(&mut method);
    f.roundtrip(&mut client);
    assert!(method.events.heard.contains(&format!("key {A}")));
    assert!(client.events.keys.is_empty());
    f.chord(&[125, 46]); // Super+c
    assert_eq!(f.shell.try_recv().unwrap(), "chat");

    // The focus goes on as it does otherwise.
    let second = f.window(&mut client, "second", (100, 50), 0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&second.surface));
}

#[test]
fn a_menu_gets_the_keys_although_an_input_method_had_them() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        mut client,
        window,
        ..
    } = composing(&mut f);
    let grab = input_method.grab_keyboard(&method.qh, ());
    f.roundtrip(&mut method);

    let shell: XdgWmBase = client.bind();
    let positioner = shell.create_positioner(&client.qh, ());
    positioner.set_size(100, 50);
    positioner.set_anchor_rect(0, 0, 10, 10);
    let surface = client.compositor.create_surface(&client.qh, ());
    let xdg = shell.get_xdg_surface(&surface, &client.qh, ());
    let menu = xdg.get_popup(Some(&window.xdg), &positioner, &client.qh, ());
    menu.grab(&client.seat, 0);
    surface.commit();
    f.roundtrip(&mut client);
    client.fill(&surface, (100, 50), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&surface));
    f.hears(&mut method, "deactivate");
    // The text field has lost the keyboard, so the input method lets go of it.
    grab.release();
    f.roundtrip(&mut method);
    method.events.heard.clear();
    f.chord(&[A]);
    f.roundtrip(&mut client);
    f.roundtrip(&mut method);
    assert_eq!(client.events.keyboard.as_ref(), Some(&surface));
    assert!(client.events.keys.contains(&(A, true)));
    assert!(!method.events.heard.contains(&format!("key {A}")));

    f.click(10.0, 10.0);
    f.hears(&mut client, "menu closed");
    menu.destroy();
    xdg.destroy();
    surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&window.surface));
    f.hears(&mut client, "enter");
}

#[test]
fn what_is_typed_into_a_prompt_is_nobody_elses() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        client: _client,
        ..
    } = composing(&mut f);
    input_method.grab_keyboard(&method.qh, ());
    f.roundtrip(&mut method);
    let (mut shell, _prompt) = prompt(&mut f);
    // Asking again does not help.
    input_method.grab_keyboard(&method.qh, ());
    f.roundtrip(&mut method);
    method.events.heard.clear();
    shell.events.keys.clear();
    f.chord(&[A]);
    f.roundtrip(&mut method);
    f.roundtrip(&mut shell);
    assert!(!method.events.heard.contains(&format!("key {A}")));
    assert!(shell.events.keys.contains(&(A, true)));
}

/// A virtual keyboard with a keymap of its own.
fn keyboard(client: &Client) -> ZwpVirtualKeyboardV1 {
    let keymap = "xkb_keymap {
        xkb_keycodes { include \"evdev+aliases(qwerty)\" };
        xkb_types { include \"complete\" };
        xkb_compat { include \"complete\" };
        xkb_symbols { include \"pc+us+inet(evdev)\" };
    };\0";
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(keymap.as_bytes()).unwrap();
    let manager: ZwpVirtualKeyboardManagerV1 = client.bind();
    let keyboard = manager.create_virtual_keyboard(&client.seat, &client.qh, ());
    keyboard.keymap(1, file.as_fd(), keymap.len() as u32);
    keyboard
}

#[test]
fn a_virtual_keyboard_types_where_the_focus_is_but_not_into_prompts() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "text", (400, 300), 0);
    let mut typist = f.client();
    let keys = keyboard(&typist);
    f.roundtrip(&mut typist);
    keys.key(0, A, 1);
    keys.key(0, A, 0);
    f.roundtrip(&mut typist);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keys, [(A, true), (A, false)]);

    let (mut shell, _prompt) = prompt(&mut f);
    shell.events.keys.clear();
    keys.key(0, A, 1);
    f.roundtrip(&mut typist);
    f.roundtrip(&mut shell);
    assert!(shell.events.keys.is_empty());
    let mut trusted = f.trusted_client();
    let keys = keyboard(&trusted);
    keys.key(0, A, 1);
    f.roundtrip(&mut trusted);
    f.roundtrip(&mut shell);
    assert_eq!(shell.events.keys, [(A, true)]);
}

#[test]
fn what_is_typed_into_the_lock_is_the_lockers_alone() {
    let mut f = Fixture::new();
    let Composing {
        mut method,
        input_method,
        client: _client,
        ..
    } = composing(&mut f);
    input_method.grab_keyboard(&method.qh, ());
    let keys = keyboard(&method);
    f.roundtrip(&mut method);

    let mut locker = f.trusted_client();
    let lock = locker.lock();
    f.roundtrip(&mut locker);
    let surface = locker.lock_surface(&lock, 0);
    f.roundtrip(&mut locker);
    locker.fill(&surface.surface, (1280, 800), BLUE);
    f.roundtrip(&mut locker);
    assert_eq!(locker.events.keyboard.as_ref(), Some(&surface.surface));

    input_method.grab_keyboard(&method.qh, ());
    f.roundtrip(&mut method);
    method.events.heard.clear();
    f.chord(&[A]);
    keys.key(0, SPACE, 1);
    keys.key(0, SPACE, 0);
    f.roundtrip(&mut method);
    f.roundtrip(&mut locker);
    assert!(!method.events.heard.contains(&format!("key {A}")));
    assert_eq!(locker.events.keys, [(A, true), (A, false)]);
}
