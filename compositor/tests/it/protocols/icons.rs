//! Icons in title bars.

use wayland_client::{
    Connection, Dispatch, Proxy, QueueHandle, delegate_noop, protocol::wl_shm::Format,
};
use wayland_protocols::xdg::toplevel_icon::v1::client::{
    xdg_toplevel_icon_manager_v1::{self, XdgToplevelIconManagerV1},
    xdg_toplevel_icon_v1::{self, XdgToplevelIconV1},
};

use crate::fixture::{Client, Events, Fixture, Toplevel, on};

const GREEN: u32 = 0x20_c020;

delegate_noop!(Events: ignore XdgToplevelIconV1);
on!(XdgToplevelIconManagerV1, |state, _manager, event| {
    if let xdg_toplevel_icon_manager_v1::Event::IconSize { size } = event {
        state.heard.push(format!("size {size}"));
    }
});

/// A window with a title bar, and where the middle of its icon is.
fn window(f: &mut Fixture, client: &mut Client) -> (Toplevel, u32, u32) {
    let toplevel = client.toplevel("with icon");
    client.ask_for_title_bar(&toplevel);
    f.roundtrip(client);
    client.draw(&toplevel, (300, 200), 0);
    f.roundtrip(client);
    let window = f.state.window_list().remove(0);
    // The icon is 18 pixels wide after 10 of the bar.
    (toplevel, window.x as u32 + 19, window.y as u32 + 16)
}

#[test]
fn a_title_bar_shows_its_windows_icon_as_it_was_given() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let (toplevel, x, y) = window(&mut f, &mut client);
    let bar = f.pixel(x, y);
    assert_ne!(bar, [0x20, 0xc0, 0x20]);

    let manager: XdgToplevelIconManagerV1 = client.bind();
    f.roundtrip(&mut client);
    assert!(client.events.heard.contains(&"size 18".into()));
    let icon = manager.create_icon(&client.qh, ());
    icon.add_buffer(&client.buffer((64, 64), GREEN, Format::Argb8888), 1);
    manager.set_icon(&toplevel.toplevel, Some(&icon));
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(x, y), bar, "it holds from the next commit on");
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(x, y), [0x20, 0xc0, 0x20]);

    manager.set_icon(&toplevel.toplevel, None);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(x, y), bar);
}

#[test]
fn an_icon_lasts_longer_than_what_it_was_made_of() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let (toplevel, x, y) = window(&mut f, &mut client);
    let manager: XdgToplevelIconManagerV1 = client.bind();
    f.roundtrip(&mut client);

    // As Chromium does: all at once, and the pixels are let go of before the commit.
    let icon = manager.create_icon(&client.qh, ());
    let buffer = client.buffer((64, 64), GREEN, Format::Argb8888);
    icon.add_buffer(&buffer, 1);
    manager.set_icon(&toplevel.toplevel, Some(&icon));
    icon.destroy();
    buffer.destroy();
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(x, y), [0x20, 0xc0, 0x20]);
}

#[test]
fn what_is_wrong_with_an_icon_is_said() {
    let mut f = Fixture::new();
    type Wrong<'a> = &'a dyn Fn(&XdgToplevelIconManagerV1, &mut Client);
    let error = |f: &mut Fixture, wrong: Wrong<'_>| {
        let mut client = f.client();
        let manager: XdgToplevelIconManagerV1 = client.bind();
        f.roundtrip(&mut client);
        wrong(&manager, &mut client);
        f.is_thrown_out(client).code
    };
    let add = |manager: &XdgToplevelIconManagerV1, client: &Client, size| {
        let icon = manager.create_icon(&client.qh, ());
        let buffer = client.buffer(size, GREEN, Format::Argb8888);
        icon.add_buffer(&buffer, 1);
        (icon, buffer)
    };
    let gone = error(&mut f, &|manager, client| {
        add(manager, client, (64, 64)).1.destroy();
    });
    assert_eq!(gone, xdg_toplevel_icon_v1::Error::NoBuffer as u32);
    let oblong = error(&mut f, &|manager, client| {
        add(manager, client, (64, 32));
    });
    assert_eq!(oblong, xdg_toplevel_icon_v1::Error::InvalidBuffer as u32);
    let changed = error(&mut f, &|manager, client| {
        let toplevel = client.toplevel("with icon");
        let (icon, _) = add(manager, client, (64, 64));
        manager.set_icon(&toplevel.toplevel, Some(&icon));
        icon.set_name("other".into());
    });
    assert_eq!(changed, xdg_toplevel_icon_v1::Error::Immutable as u32);
}
