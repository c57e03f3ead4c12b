//! Being idle, and what keeps a session from it.

use std::time::Duration;

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::{
    ext::idle_notify::v1::client::{
        ext_idle_notification_v1::{self, ExtIdleNotificationV1},
        ext_idle_notifier_v1::ExtIdleNotifierV1,
    },
    wp::idle_inhibit::zv1::client::{
        zwp_idle_inhibit_manager_v1::ZwpIdleInhibitManagerV1,
        zwp_idle_inhibitor_v1::ZwpIdleInhibitorV1,
    },
};

use crate::fixture::{Events, Fixture, on};

/// How long nobody touches anything until it is idle, in milliseconds.
const TIMEOUT: u32 = 100;
/// Longer than that.
const LONG: Duration = Duration::from_millis(300);

delegate_noop!(Events: ignore ExtIdleNotifierV1);
delegate_noop!(Events: ignore ZwpIdleInhibitManagerV1);
delegate_noop!(Events: ignore ZwpIdleInhibitorV1);
on!(ExtIdleNotificationV1, |state, _notification, event| {
    state.heard.push(
        match event {
            ext_idle_notification_v1::Event::Idled => "idle",
            _ => "resumed",
        }
        .into(),
    );
});

#[test]
fn idleness_is_told_and_ends_with_the_next_movement() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let notifier: ExtIdleNotifierV1 = client.bind();
    notifier.get_idle_notification(TIMEOUT, &client.seat, &client.qh, ());
    f.hears(&mut client, "idle");
    f.mouse(1.0, 0.0);
    f.hears(&mut client, "resumed");
    // On a busy machine it may be idle again by now.
    assert_eq!(client.events.heard[..2], ["idle", "resumed"]);
}

#[test]
fn a_window_that_inhibits_keeps_the_session_awake_while_it_is_seen() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "film", (300, 200), 0);
    let inhibit: ZwpIdleInhibitManagerV1 = client.bind();
    let inhibitor = inhibit.create_inhibitor(&toplevel.surface, &client.qh, ());
    f.roundtrip(&mut client);
    let notifier: ExtIdleNotifierV1 = client.bind();
    notifier.get_idle_notification(TIMEOUT, &client.seat, &client.qh, ());
    f.go_on(&mut client, LONG);
    assert_eq!(client.events.heard, [""; 0]);

    f.chord(&[125, 4]); // Super+3
    f.hears(&mut client, "idle");
    f.chord(&[125, 2]); // Super+1
    f.hears(&mut client, "resumed");
    client.events.heard.clear();
    f.go_on(&mut client, LONG);
    assert_eq!(
        client.events.heard, [""; 0],
        "seen again, it inhibits again"
    );

    inhibitor.destroy();
    f.hears(&mut client, "idle");
}

#[test]
fn an_inhibitor_goes_with_its_client() {
    let mut f = Fixture::new();
    let mut film = f.client();
    let toplevel = f.window(&mut film, "film", (300, 200), 0);
    let inhibit: ZwpIdleInhibitManagerV1 = film.bind();
    inhibit.create_inhibitor(&toplevel.surface, &film.qh, ());
    f.roundtrip(&mut film);
    let mut client = f.client();
    let notifier: ExtIdleNotifierV1 = client.bind();
    notifier.get_idle_notification(TIMEOUT, &client.seat, &client.qh, ());
    f.go_on(&mut client, LONG);
    assert_eq!(client.events.heard, [""; 0]);
    f.dies(film);
    f.hears(&mut client, "idle");
}

#[test]
fn who_asks_for_input_alone_hears_of_it_whoever_inhibits() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "film", (300, 200), 0);
    let inhibit: ZwpIdleInhibitManagerV1 = client.bind();
    inhibit.create_inhibitor(&toplevel.surface, &client.qh, ());
    let notifier: ExtIdleNotifierV1 = client.bind();
    notifier.get_input_idle_notification(TIMEOUT, &client.seat, &client.qh, ());
    f.hears(&mut client, "idle");
}
