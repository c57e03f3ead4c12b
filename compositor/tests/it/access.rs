//! Sticky, slow and bounce keys; mouse keys.

use argos_compositor::config::{Accessibility, Config};

use crate::fixture::{Client, Fixture};

const SHIFT: u32 = 42;
const CTRL: u32 = 29;
const SUPER: u32 = 125;
const ESCAPE: u32 = 1;
const A: u32 = 30;
const C: u32 = 46;
const X: u32 = 45;
/// Of the keypad.
const KP_6: u32 = 77;
const KP_5: u32 = 76;
const KP_0: u32 = 82;
const KP_DOT: u32 = 83;

fn with(accessibility: Accessibility) -> Fixture {
    Fixture::with(Config {
        accessibility,
        ..Config::default()
    })
}

fn sticky() -> Accessibility {
    Accessibility {
        sticky_keys: true,
        ..Accessibility::default()
    }
}

/// A client that has the keyboard.
fn typing(f: &mut Fixture) -> Client {
    let mut client = f.client();
    f.window(&mut client, "text", (300, 200), 0);
    client.events.keys.clear();
    client
}

fn keys(f: &mut Fixture, client: &mut Client) -> Vec<(u32, bool)> {
    f.roundtrip(client);
    std::mem::take(&mut client.events.keys)
}

#[test]
fn a_tapped_modifier_is_held_for_the_next_key() {
    let mut f = with(sticky());
    let mut client = typing(&mut f);
    let bare = f.pixel(640, 760);
    f.chord(&[CTRL]);
    assert_eq!(f.state.held_modifiers().unwrap(), "Ctrl");
    f.turn();
    assert_ne!(f.pixel(640, 760), bare, "that it is held is seen");
    f.chord(&[A]);
    let held = [(CTRL, true), (A, true), (A, false), (CTRL, false)];
    assert_eq!(keys(&mut f, &mut client), held);
    assert_eq!(f.state.held_modifiers(), None);
    assert_eq!(f.pixel(640, 760), bare);
    f.chord(&[A]);
    assert_eq!(keys(&mut f, &mut client), [(A, true), (A, false)]);

    // Twice: until the third time.
    f.chord(&[CTRL]);
    f.chord(&[CTRL]);
    assert_eq!(f.state.held_modifiers().unwrap(), "Ctrl (locked)");
    f.chord(&[A]);
    f.chord(&[CTRL]);
    assert_eq!(keys(&mut f, &mut client), held);

    // Bindings have it too, and no tap of Super opens anything.
    f.chord(&[SUPER]);
    f.turn();
    f.chord(&[C]);
    assert_eq!(f.shell.try_recv().unwrap(), "chat");
    assert!(f.shell.try_recv().is_err());

    // So has a click.
    f.chord(&[CTRL]);
    f.click(640.0, 400.0);
    assert_eq!(f.state.held_modifiers(), None);
    f.chord(&[SHIFT]);
    f.state.apply_settings(Config::default());
    assert_eq!(f.state.held_modifiers(), None);
    f.turn();
    assert_eq!(f.pixel(640, 760), bare);
}

#[test]
fn five_taps_of_shift_switch_them_on_and_say_so() {
    let mut f = Fixture::new();
    let mut client = typing(&mut f);
    for _ in 0..4 {
        f.chord(&[SHIFT]);
    }
    f.chord(&[A]);
    for _ in 0..4 {
        f.chord(&[SHIFT]);
        assert!(!f.state.sticky_keys());
    }
    f.chord(&[SHIFT]);
    assert!(f.state.sticky_keys());
    let text = f.state.notice().unwrap();
    assert!(text.contains("sticky-keys-shortcut"), "{text}");
    f.chord(&[SUPER, ESCAPE]);
    assert_eq!(f.state.notice(), None);
    let typed = keys(&mut f, &mut client);
    assert_eq!(typed.len(), 9 * 2 + 2 + 2, "{typed:?}");

    f.chord(&[CTRL]);
    f.chord(&[X]);
    let held = [(CTRL, true), (X, true), (X, false), (CTRL, false)];
    assert_eq!(keys(&mut f, &mut client), held);
    for _ in 0..5 {
        f.chord(&[SHIFT]);
    }
    assert!(!f.state.sticky_keys());
    assert_eq!(f.state.held_modifiers(), None);
    assert!(f.state.notice().unwrap().contains("off"));
    let released = keys(&mut f, &mut client);
    assert_eq!(released.last(), Some(&(SHIFT, false)), "{released:?}");

    let mut f = with(Accessibility {
        sticky_keys_shortcut: false,
        ..Accessibility::default()
    });
    for _ in 0..5 {
        f.chord(&[SHIFT]);
    }
    assert!(!f.state.sticky_keys());
    assert_eq!(f.state.notice(), None);
}

#[test]
fn locking_lets_go_of_what_is_held() {
    let mut f = with(sticky());
    let folder = tempfile::tempdir().unwrap();
    f.state.allow_lock(|| (), folder.path().join("locked"));
    let mut client = typing(&mut f);
    f.chord(&[SHIFT]);
    f.chord(&[SHIFT]);
    let (answer, _answered) = tokio::sync::oneshot::channel();
    f.state
        .bus_request(argos_compositor::bus::Request::Lock(answer));
    assert!(f.state.is_locked());
    assert_eq!(f.state.held_modifiers(), None);
    let typed = keys(&mut f, &mut client);
    assert_eq!(typed, [(SHIFT, true), (SHIFT, false)]);
}

#[test]
fn a_slow_key_counts_once_it_was_held_for_long_enough() {
    let mut f = with(Accessibility {
        slow_keys: 100,
        ..Accessibility::default()
    });
    let mut client = typing(&mut f);
    // On a busy machine the timer may be late, and never early.
    let pressed = std::time::Instant::now();
    f.key(A, true);
    f.until("it is held for long enough", |f| {
        f.roundtrip(&mut client);
        !client.events.keys.is_empty()
    });
    assert!(pressed.elapsed() >= std::time::Duration::from_millis(100));
    f.key(A, false);
    assert_eq!(keys(&mut f, &mut client), [(A, true), (A, false)]);
    // These turns of the loop look at the clock only between the press and the release.
    let pressed = std::time::Instant::now();
    f.key(X, true);
    f.key(X, false);
    let brief = pressed.elapsed() < std::time::Duration::from_millis(100);
    let typed = keys(&mut f, &mut client);
    assert!(typed.is_empty() || !brief, "{typed:?}");
    // Of two at a time the second counts.
    f.key(X, true);
    f.key(A, true);
    f.until("the second", |f| {
        f.roundtrip(&mut client);
        client.events.keys.contains(&(A, true))
    });
    f.key(X, false);
    f.key(A, false);
    assert_eq!(keys(&mut f, &mut client).last(), Some(&(A, false)));
}

#[test]
fn a_key_that_bounces_counts_once() {
    let mut f = with(Accessibility {
        bounce_keys: 50,
        ..Accessibility::default()
    });
    let mut client = typing(&mut f);
    // Events of the fixture are 10 ms apart.
    f.chord(&[A]);
    f.chord(&[A]);
    assert_eq!(keys(&mut f, &mut client), [(A, true), (A, false)]);
    f.chord(&[X]);
    f.chord(&[C]);
    f.chord(&[A]);
    let typed = [X, C, A].map(|key| [(key, true), (key, false)]).concat();
    assert_eq!(keys(&mut f, &mut client), typed);
}

#[test]
fn the_keypad_is_a_mouse() {
    let mut f = with(Accessibility {
        mouse_keys: true,
        ..Accessibility::default()
    });
    let mut client = typing(&mut f);
    let window = f.state.window_list()[0].clone();
    let inside = (f64::from(window.x) + 50.0, f64::from(window.y) + 100.0);
    f.pointer(inside.0, inside.1);
    f.key(KP_6, true);
    let first = f.state.pointer_location().x;
    assert_eq!(first, inside.0 + 1.0, "one step at once");
    f.until("it goes on", |f| f.state.pointer_location().x > first + 3.0);
    f.key(KP_6, false);
    f.turn();
    let still = f.state.pointer_location();
    std::thread::sleep(std::time::Duration::from_millis(50));
    f.turn();
    assert_eq!(f.state.pointer_location(), still);
    assert_eq!(still.y, inside.1);

    f.chord(&[KP_5]);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 1);
    f.chord(&[KP_0]);
    f.chord(&[KP_0]);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 2, "it is held");
    f.chord(&[KP_DOT]);
    f.chord(&[KP_5]);
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 3);
    assert_eq!(keys(&mut f, &mut client), [], "nothing is typed");

    f.state.apply_settings(Config::default());
    f.chord(&[KP_5]);
    assert_eq!(keys(&mut f, &mut client), [(KP_5, true), (KP_5, false)]);
}
