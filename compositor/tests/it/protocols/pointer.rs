//! The pointer's movement, held in place or within a region, and gestures.

use wayland_client::{Connection, Dispatch, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::wp::{
    pointer_constraints::zv1::client::{
        zwp_confined_pointer_v1::{self, ZwpConfinedPointerV1},
        zwp_locked_pointer_v1::{self, ZwpLockedPointerV1},
        zwp_pointer_constraints_v1::{Lifetime, ZwpPointerConstraintsV1},
    },
    pointer_gestures::zv1::client::{
        zwp_pointer_gesture_swipe_v1::{self, ZwpPointerGestureSwipeV1},
        zwp_pointer_gestures_v1::ZwpPointerGesturesV1,
    },
    relative_pointer::zv1::client::{
        zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1,
        zwp_relative_pointer_v1::{self, ZwpRelativePointerV1},
    },
};

use crate::fixture::{Client, Events, Fixture, Toplevel, on};

delegate_noop!(Events: ignore ZwpPointerConstraintsV1);
delegate_noop!(Events: ignore ZwpPointerGesturesV1);
delegate_noop!(Events: ignore ZwpRelativePointerManagerV1);
delegate_noop!(Events: ignore wayland_client::protocol::wl_region::WlRegion);

on!(ZwpRelativePointerV1, |state, _pointer, event| {
    let zwp_relative_pointer_v1::Event::RelativeMotion {
        dx,
        dy,
        dx_unaccel,
        dy_unaccel,
        ..
    } = event
    else {
        return;
    };
    state
        .heard
        .push(format!("moved {dx} {dy} {dx_unaccel} {dy_unaccel}"));
});
on!(ZwpLockedPointerV1, |state, _pointer, event| {
    state.heard.push(
        match event {
            zwp_locked_pointer_v1::Event::Locked => "locked",
            _ => "unlocked",
        }
        .into(),
    );
});
on!(ZwpConfinedPointerV1, |state, _pointer, event| {
    state.heard.push(
        match event {
            zwp_confined_pointer_v1::Event::Confined => "confined",
            _ => "unconfined",
        }
        .into(),
    );
});
on!(ZwpPointerGestureSwipeV1, |state, _swipe, event| {
    match event {
        zwp_pointer_gesture_swipe_v1::Event::Begin { fingers, .. } => {
            state.heard.push(format!("swipe of {fingers}"));
        }
        zwp_pointer_gesture_swipe_v1::Event::Update { dx, dy, .. } => {
            state.heard.push(format!("swipe by {dx} {dy}"));
        }
        zwp_pointer_gesture_swipe_v1::Event::End { .. } => state.heard.push("swipe ends".into()),
        _ => {}
    }
});

/// A window of 400 by 300 whose corner is at (440, 250), with the pointer at (640, 400).
fn window(f: &mut Fixture) -> (Client, Toplevel) {
    let mut client = f.client();
    let toplevel = f.window(&mut client, "game", (400, 300), 0);
    f.pointer(640.0, 400.0);
    f.roundtrip(&mut client);
    (client, toplevel)
}

fn at(f: &Fixture) -> (f64, f64) {
    let at = f.state.pointer_location();
    (at.x.round(), at.y.round())
}

fn lock(client: &Client, toplevel: &Toplevel, lifetime: Lifetime) -> ZwpLockedPointerV1 {
    let constraints: ZwpPointerConstraintsV1 = client.bind();
    constraints.lock_pointer(
        &toplevel.surface,
        &client.pointer,
        None,
        lifetime,
        &client.qh,
        (),
    )
}

#[test]
fn the_movement_is_told_as_the_mouse_made_it() {
    let mut f = Fixture::new();
    let (mut client, _toplevel) = window(&mut f);
    let manager: ZwpRelativePointerManagerV1 = client.bind();
    manager.get_relative_pointer(&client.pointer, &client.qh, ());
    f.roundtrip(&mut client);
    f.mouse(10.0, -4.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["moved 10 -4 5 -2"]);
    assert_eq!(at(&f), (650.0, 396.0));
}

#[test]
fn a_locked_pointer_hears_of_no_place_until_it_is_let_go_of() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let locked = lock(&client, &toplevel, Lifetime::Persistent);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["locked"]);
    assert_eq!(client.events.pointer_at, (200.0, 150.0));
    // The surface moves below the pointer.
    toplevel.xdg.set_window_geometry(20, 20, 360, 260);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer_at, (200.0, 150.0));
    locked.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer_at, (220.0, 170.0));
}

#[test]
fn a_locked_pointer_stays_and_its_movement_is_told() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let manager: ZwpRelativePointerManagerV1 = client.bind();
    manager.get_relative_pointer(&client.pointer, &client.qh, ());
    let locked = lock(&client, &toplevel, Lifetime::Persistent);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["locked"]);
    f.mouse(30.0, 0.0);
    f.pointer(10.0, 10.0);
    f.roundtrip(&mut client);
    assert_eq!(at(&f), (640.0, 400.0));
    assert_eq!(client.events.heard, ["locked", "moved 30 0 15 0"]);

    // Let go of, it is where the client has drawn its own cursor.
    locked.set_cursor_position_hint(20.0, 30.0);
    toplevel.surface.commit();
    locked.destroy();
    f.roundtrip(&mut client);
    assert_eq!(at(&f), (460.0, 280.0));
    f.mouse(5.0, 5.0);
    assert_eq!(at(&f), (465.0, 285.0));
}

#[test]
fn only_the_window_that_is_used_holds_the_pointer() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let _locked = lock(&client, &toplevel, Lifetime::Persistent);
    f.roundtrip(&mut client);
    let mut other = f.client();
    f.window(&mut other, "dialogue", (100, 50), 0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["locked", "unlocked"]);
    f.pointer(450.0, 500.0);
    assert_eq!(at(&f), (450.0, 500.0));
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.heard.len(),
        2,
        "the pointer is there, the keyboard is not"
    );
    f.click(450.0, 500.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["locked", "unlocked", "locked"]);
}

#[test]
fn a_lock_for_once_is_not_taken_up_again() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let _locked = lock(&client, &toplevel, Lifetime::Oneshot);
    f.roundtrip(&mut client);
    let mut other = f.client();
    f.window(&mut other, "dialogue", (100, 50), 0);
    f.click(450.0, 500.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["locked", "unlocked"]);
    f.mouse(10.0, 0.0);
    assert_eq!(at(&f), (460.0, 500.0));
}

#[test]
fn a_confined_pointer_stays_within_its_region() {
    let mut f = Fixture::new();
    let (mut client, toplevel) = window(&mut f);
    let constraints: ZwpPointerConstraintsV1 = client.bind();
    let region = client.compositor.create_region(&client.qh, ());
    region.add(100, 100, 200, 100);
    let confined = constraints.confine_pointer(
        &toplevel.surface,
        &client.pointer,
        Some(&region),
        Lifetime::Persistent,
        &client.qh,
        (),
    );
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard, ["confined"]);
    f.mouse(500.0, 10.0);
    assert_eq!(at(&f), (740.0, 410.0), "it glides along the edge");
    f.pointer(0.0, 0.0);
    assert_eq!(at(&f), (540.0, 350.0));
    confined.destroy();
    f.roundtrip(&mut client);
    f.pointer(0.0, 0.0);
    assert_eq!(at(&f), (0.0, 0.0));
}

#[test]
fn gestures_go_to_what_is_under_the_pointer() {
    let mut f = Fixture::new();
    let (mut client, _toplevel) = window(&mut f);
    let gestures: ZwpPointerGesturesV1 = client.bind();
    gestures.get_swipe_gesture(&client.pointer, &client.qh, ());
    f.roundtrip(&mut client);
    f.swipe(3, 12.0, 0.0);
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.heard,
        ["swipe of 3", "swipe by 12 0", "swipe ends"]
    );
    f.pointer(10.0, 10.0);
    f.swipe(4, 1.0, 0.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.heard.len(), 3);
}
