//! Toplevels: their life, their place, their focus, their workspaces.

use std::time::Instant;

use argos_compositor::{backend::headless::Headless, config::Config};
use wayland_client::protocol::wl_shm::Format;
use wayland_protocols::xdg::shell::client::xdg_toplevel::State as Is;

use crate::fixture::{Fixture, rgb};

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

#[test]
fn a_window_is_configured_mapped_drawn_focused_and_closed() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let background = f.pixel(100, 100);

    let toplevel = client.toplevel("first");
    f.roundtrip(&mut client);
    assert_eq!(
        client.configured(&toplevel).0,
        (0, 0),
        "the client chooses its size"
    );
    assert_eq!(f.titles(), "", "without content there is no window");

    client.draw(&toplevel, (400, 300), RED);
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "first*@1");
    assert_eq!(client.events.keyboard.as_ref(), Some(&toplevel.surface));
    assert!(client.configured(&toplevel).1.contains(&Is::Activated));
    assert_eq!(
        f.pixel(445, 260),
        rgb(RED),
        "it is in the middle of the screen"
    );
    assert_eq!(f.pixel(430, 260), background);

    f.chord(&[125, 16]); // Super+Q
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.closed,
        std::slice::from_ref(&toplevel.toplevel)
    );

    toplevel.toplevel.destroy();
    toplevel.xdg.destroy();
    toplevel.surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "");
    assert_eq!(f.pixel(445, 260), background);
}

#[test]
fn a_client_that_is_killed_takes_only_its_own_windows_along() {
    let mut f = Fixture::new();
    let mut one = f.client();
    let mut two = f.client();
    f.window(&mut one, "one", (300, 200), RED);
    f.window(&mut two, "two", (300, 200), BLUE);
    drop(two);
    f.roundtrip(&mut one);
    assert_eq!(f.titles(), "one*@1");
    assert!(one.events.keyboard.is_some());
}

#[test]
fn unmapping_hides_a_window_and_it_can_come_back() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "shy", (300, 200), RED);
    toplevel.surface.attach(None, 0, 0);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "");
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    client.draw(&toplevel, (300, 200), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "shy*@1");
}

#[test]
fn a_window_that_was_hidden_comes_back_to_where_it_was() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "shy", (400, 300), RED);
    f.pointer(640.0, 400.0);
    f.key(125, true);
    f.button(argos_compositor::LEFT, true);
    f.pointer(540.0, 350.0);
    f.button(argos_compositor::LEFT, false);
    f.key(125, false);
    let place = |f: &Fixture| {
        let window = &f.state.window_list()[0];
        (window.x, window.y)
    };
    assert_eq!(place(&f), (340, 200));
    toplevel.surface.attach(None, 0, 0);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    toplevel.surface.commit();
    f.roundtrip(&mut client);
    client.draw(&toplevel, (400, 300), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(place(&f), (340, 200));
}

#[test]
fn maximised_and_full_screen_windows_get_their_size_and_their_old_one_back() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "big", (400, 300), RED);

    toplevel.toplevel.set_maximized();
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&toplevel);
    assert_eq!(size, (1280, 800));
    assert!(states.contains(&Is::Maximized));
    client.draw(&toplevel, (1280, 800), RED);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(2, 2), rgb(RED));

    toplevel.toplevel.unset_maximized();
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&toplevel);
    assert_eq!(size, (400, 300));
    assert!(!states.contains(&Is::Maximized));

    client.draw(&toplevel, (400, 300), RED);
    f.chord(&[125, 33]); // Super+F
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&toplevel);
    assert_eq!(size, (1280, 800));
    assert!(states.contains(&Is::Fullscreen));
}

#[test]
fn a_request_that_changes_nothing_is_answered_all_the_same() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "calm", (400, 300), RED);
    let before = client.events.configures;
    toplevel.toplevel.unset_maximized();
    f.roundtrip(&mut client);
    assert_eq!(client.events.configures, before + 1);
}

#[test]
fn a_click_focuses_and_raises() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let one = f.window(&mut client, "one", (400, 300), RED);
    let two = f.window(&mut client, "two", (400, 300), BLUE);
    assert_eq!(f.pixel(480, 300), rgb(BLUE), "the newer one is on top");
    assert_eq!(client.events.keyboard.as_ref(), Some(&two.surface));
    f.click(450.0, 260.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&one.surface));
    assert_eq!(client.events.clicks, 1, "the click is the client's as well");
    f.pointer(1200.0, 700.0);
    assert_eq!(f.pixel(480, 300), rgb(RED));
}

#[test]
fn workspaces_hide_windows_and_hidden_windows_draw_nothing() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "home", (400, 300), RED);
    f.chord(&[125, 4]); // Super+3
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "home@1");
    assert_eq!(client.events.keyboard, None);
    assert_ne!(f.pixel(640, 300), rgb(RED));

    let frames = client.events.frames;
    let asked = Instant::now();
    client.frame_callback(&toplevel.surface);
    client.draw(&toplevel, (400, 300), BLUE);
    f.roundtrip(&mut client);
    client.is_held_back(frames, asked);

    f.chord(&[125, 2]); // Super+1
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "home*@1");
    assert_eq!(client.events.frames, frames + 1);
    assert_eq!(f.pixel(640, 300), rgb(BLUE));

    f.chord(&[125, 42, 3]); // Super+Shift+2
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "home@2");
}

#[test]
fn an_idle_screen_draws_nothing() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.window(&mut client, "still", (400, 300), RED);
    f.roundtrip(&mut client);
    let frames = f.state.frames();
    for _ in 0..50 {
        f.turn();
    }
    f.roundtrip(&mut client);
    assert_eq!(f.state.frames(), frames);
}

#[test]
fn a_client_that_wants_it_gets_a_title_bar_that_works() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = client.toplevel("plain");
    client.ask_for_title_bar(&toplevel);
    f.roundtrip(&mut client);
    assert_eq!(client.events.server_side, Some(true));
    client.draw(&toplevel, (400, 300), RED);
    f.roundtrip(&mut client);
    // The frame is 400x332 in the middle: from (440, 234).
    f.pointer(100.0, 700.0);
    let bar = f.pixel(700, 250);
    assert_ne!(bar, rgb(RED));
    assert_eq!(f.pixel(700, 270), rgb(RED));

    // Drag it by the bar.
    f.pointer(600.0, 250.0);
    f.button(argos_compositor::LEFT, true);
    f.pointer(500.0, 350.0);
    f.button(argos_compositor::LEFT, false);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(360, 390), rgb(RED));
    assert_eq!(client.events.clicks, 0, "the bar is not the client's");

    // Close it by its button: the frame is now at (340, 334).
    f.click(725.0, 350.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.closed.len(), 1);
}

#[test]
fn a_client_that_leaves_it_to_the_compositor_gets_a_title_bar() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = client.toplevel("either");
    // As Qt does.
    client.decoration(&toplevel).unset_mode();
    f.roundtrip(&mut client);
    assert_eq!(client.events.server_side, Some(true));
}

#[test]
fn a_client_can_have_its_window_dragged_and_resized() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "drag", (400, 300), RED);
    // Super and the right button near the lower right corner: it grows by what the pointer moves.
    f.pointer(800.0, 520.0);
    f.key(125, true);
    f.button(argos_compositor::RIGHT, true);
    f.pointer(860.0, 570.0);
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&toplevel);
    assert_eq!(size, (460, 350));
    assert!(states.contains(&Is::Resizing));
    f.button(argos_compositor::RIGHT, false);
    f.key(125, false);
    client.draw(&toplevel, (460, 350), RED);
    f.roundtrip(&mut client);
    assert!(!client.configured(&toplevel).1.contains(&Is::Resizing));
    assert_eq!(client.events.clicks, 0, "the drag is not the client's");
    f.pointer(10.0, 10.0);
    assert_eq!(f.pixel(890, 590), rgb(RED));
}

#[test]
fn a_client_that_exaggerates_hurts_nobody_else() {
    use wayland_protocols_wlr::layer_shell::v1::client::{
        zwlr_layer_shell_v1::Layer, zwlr_layer_surface_v1::Anchor,
    };
    let mut f = Fixture::new();
    let mut honest = f.client();
    let window = f.window(&mut honest, "honest", (400, 300), RED);
    window.toplevel.set_maximized();
    f.roundtrip(&mut honest);

    let mut client = f.client();
    for zone in [1_000_000, i32::MAX] {
        let panel = client.layer("greedy", Layer::Top, |layer| {
            layer.set_anchor(Anchor::Top | Anchor::Left | Anchor::Right);
            layer.set_size(0, 40);
            layer.set_exclusive_zone(zone);
        });
        f.roundtrip(&mut client);
        client.fill(&panel.surface, (1280, 40), BLUE);
        f.roundtrip(&mut client);
    }
    let wide = client.toplevel("wide");
    client.ask_for_title_bar(&wide);
    f.roundtrip(&mut client);
    client.draw(&wide, (200_000, 1), BLUE);
    f.roundtrip(&mut client);
    wide.xdg.set_window_geometry(-50, -50, 1, 1);
    client.draw(&wide, (1, 1), BLUE);
    f.roundtrip(&mut client);
    f.pointer(5.0, 5.0);
    f.state.screenshot(&f.output.clone()).unwrap();
    f.roundtrip(&mut honest);
    let ((w, h), _) = honest.configured(&window);
    assert!(w > 0 && h > 0);
}

#[test]
fn what_is_asked_besides_new_content_is_done_before_the_next_frame() {
    let backend = Box::new(Headless::paced().unwrap());
    let mut f = Fixture::on(Config::default(), backend);
    let mut client = f.client();
    let toplevel = f.window(&mut client, "moves", (300, 200), 0);
    let buffers = [RED, BLUE].map(|colour| client.buffer((300, 200), colour, Format::Xrgb8888));
    f.roundtrip(&mut client);
    let mut early = 0;
    for number in 0..200 {
        // New content, as of a window that moves.
        let frames = client.events.frames;
        let surface = &toplevel.surface;
        surface.attach(Some(&buffers[number % 2]), 0, 0);
        surface.damage_buffer(0, 0, 300, 200);
        client.frame_callback(surface);
        client.pump();
        f.turn();
        let drawn = f.state.frames();
        let title = format!("title {number}");
        toplevel.toplevel.set_title(title.clone());
        client.pump();
        f.turn();
        assert_eq!(f.state.shown_on_bus().windows[0].title, title);
        early += u32::from(f.state.frames() == drawn);
        // The frame comes as well.
        f.until("a frame", |f| {
            f.turn();
            client.pump();
            client.events.frames > frames
        });
        if early > 10 {
            return;
        }
    }
    panic!("the machine is too slow for what is tested");
}
