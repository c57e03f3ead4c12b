//! Subsurfaces: when their places count, and what follows for the window and the pointer.

use wayland_client::{
    delegate_noop,
    protocol::{
        wl_subcompositor::WlSubcompositor, wl_subsurface::WlSubsurface, wl_surface::WlSurface,
    },
};

use crate::fixture::{Client, Events, Fixture, Toplevel, rgb};

delegate_noop!(Events: ignore WlSubcompositor);
delegate_noop!(Events: ignore WlSubsurface);

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

/// A subsurface of 100 by 50, at a place in its parent; a commit of the parent shows it.
fn subsurface(
    client: &mut Client,
    parent: &WlSurface,
    at: (i32, i32),
) -> (WlSurface, WlSubsurface) {
    let subcompositor: WlSubcompositor = client.bind();
    let surface = client.compositor.create_surface(&client.qh, ());
    let role = subcompositor.get_subsurface(&surface, parent, &client.qh, ());
    role.set_position(at.0, at.1);
    client.fill(&surface, (100, 50), BLUE);
    (surface, role)
}

/// A window of 400 by 300 at (440, 250), with a subsurface.
fn window(f: &mut Fixture, at: (i32, i32)) -> (Client, Toplevel, WlSurface, WlSubsurface) {
    let mut client = f.client();
    let toplevel = f.window(&mut client, "above", (400, 300), RED);
    let (surface, role) = subsurface(&mut client, &toplevel.surface, at);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    (client, toplevel, surface, role)
}

#[test]
fn a_place_counts_with_the_parents_commit_and_no_other() {
    let mut f = Fixture::new();
    let (mut client, toplevel, surface, role) = window(&mut f, (10, 10));
    assert_eq!(f.pixel(455, 265), rgb(BLUE));

    role.set_desync();
    role.set_position(200, 200);
    client.fill(&surface, (100, 50), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 265), rgb(BLUE), "not with its own");
    assert_eq!(f.pixel(645, 455), rgb(RED));
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 265), rgb(RED));
    assert_eq!(f.pixel(645, 455), rgb(BLUE));
}

#[test]
fn a_place_in_a_subsurface_counts_once_that_is_committed_and_then_its_parent() {
    let mut f = Fixture::new();
    let (mut client, toplevel, middle, _role) = window(&mut f, (10, 10));
    let (_surface, role) = subsurface(&mut client, &middle, (0, 100));
    middle.commit();
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 365), rgb(BLUE));

    role.set_position(0, 200);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 365), rgb(BLUE), "nobody committed it");
    middle.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 365), rgb(BLUE), "it waits for the window");
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(455, 365), rgb(RED));
    assert_eq!(f.pixel(455, 465), rgb(BLUE));
}

#[test]
fn a_window_stays_where_it_is_when_a_subsurface_reaches_out() {
    let mut f = Fixture::new();
    let (mut client, toplevel, surface, role) = window(&mut f, (10, 10));
    role.set_position(-60, -20);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(385, 235), rgb(BLUE));
    assert_eq!(f.pixel(445, 285), rgb(RED));
    let shown = f.state.window_list()[0].clone();
    assert_eq!((shown.x, shown.y), (380, 230));

    role.destroy();
    surface.destroy();
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(441, 251), rgb(RED));
    let shown = f.state.window_list()[0].clone();
    assert_eq!((shown.x, shown.y), (440, 250));
}

#[test]
fn a_pointer_at_rest_hears_of_what_moves_below_it() {
    let mut f = Fixture::new();
    let (mut client, toplevel, surface, role) = window(&mut f, (150, 140));
    f.pointer(640.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer.as_ref(), Some(&surface));
    assert_eq!(client.events.pointer_at, (50.0, 10.0));
    role.set_position(120, 130);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer.as_ref(), Some(&surface));
    assert_eq!(client.events.pointer_at, (80.0, 20.0));
    role.set_position(0, 0);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer.as_ref(), Some(&toplevel.surface));
    assert_eq!(client.events.pointer_at, (200.0, 150.0));
}
