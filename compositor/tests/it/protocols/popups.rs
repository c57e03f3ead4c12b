//! Popups: where they are, and what the pointer hears when they go.

use wayland_client::protocol::wl_surface::WlSurface;
use wayland_protocols::xdg::shell::client::{
    xdg_popup::XdgPopup,
    xdg_positioner::{Anchor, Gravity},
    xdg_surface::XdgSurface,
    xdg_wm_base::XdgWmBase,
};

use crate::fixture::{Client, Fixture, Toplevel, rgb};

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

/// A popup of 100 by 50 that is to begin at a place in its parent.
fn popup(client: &Client, parent: &Toplevel, at: (i32, i32)) -> (WlSurface, XdgSurface, XdgPopup) {
    let shell: XdgWmBase = client.bind();
    let positioner = shell.create_positioner(&client.qh, ());
    positioner.set_size(100, 50);
    positioner.set_anchor_rect(at.0, at.1, 1, 1);
    positioner.set_anchor(Anchor::TopLeft);
    positioner.set_gravity(Gravity::BottomRight);
    let surface = client.compositor.create_surface(&client.qh, ());
    let xdg = shell.get_xdg_surface(&surface, &client.qh, ());
    let role = xdg.get_popup(Some(&parent.xdg), &positioner, &client.qh, ());
    (surface, xdg, role)
}

#[test]
fn a_popup_that_shows_content_too_early_is_at_its_place() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let (surface, ..) = popup(&client, &toplevel, (100, 80));
    client.fill(&surface, (100, 50), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(545, 335), rgb(BLUE));
    assert_eq!(f.pixel(445, 255), rgb(RED));
}

#[test]
fn the_pointer_leaves_a_popup_that_goes() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let (surface, xdg, role) = popup(&client, &toplevel, (100, 80));
    surface.commit();
    f.roundtrip(&mut client);
    client.fill(&surface, (100, 50), BLUE);
    f.roundtrip(&mut client);
    f.pointer(550.0, 340.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer.as_ref(), Some(&surface));
    let left = client.events.pointer_left;
    role.destroy();
    xdg.destroy();
    surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.events.pointer_left, left + 1);
    assert_eq!(client.events.pointer.as_ref(), Some(&toplevel.surface));
    assert_eq!(client.events.pointer_at, (110.0, 90.0));
}
