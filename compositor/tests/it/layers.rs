//! Layer surfaces: zones, keyboard, prompts.

use wayland_client::{delegate_noop, protocol::wl_buffer::WlBuffer};
use wayland_protocols::wp::{
    single_pixel_buffer::v1::client::wp_single_pixel_buffer_manager_v1::WpSinglePixelBufferManagerV1,
    viewporter::client::{wp_viewport::WpViewport, wp_viewporter::WpViewporter},
};
use wayland_protocols_wlr::layer_shell::v1::client::{
    zwlr_layer_shell_v1::Layer,
    zwlr_layer_surface_v1::{Anchor, KeyboardInteractivity},
};

use crate::fixture::{Client, Events, Fixture, rgb};

delegate_noop!(Events: ignore WpSinglePixelBufferManagerV1);
delegate_noop!(Events: ignore WpViewporter);
delegate_noop!(Events: ignore WpViewport);

const GREEN: u32 = 0x20_c020;
const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

#[test]
fn a_panel_takes_its_zone_from_maximised_windows() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "big", (400, 300), RED);
    toplevel.toplevel.set_maximized();
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1280, 800));

    let panel = client.layer("panel", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Left | Anchor::Right);
        layer.set_size(0, 40);
        layer.set_exclusive_zone(40);
    });
    f.roundtrip(&mut client);
    assert_eq!(client.layer_size(&panel), (1280, 40));
    client.fill(&panel.surface, (1280, 40), GREEN);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1280, 760));
    assert_eq!(f.pixel(600, 20), rgb(GREEN));

    panel.layer.destroy();
    panel.surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1280, 800));
    assert_ne!(f.pixel(600, 20), rgb(GREEN));
}

#[test]
fn a_zone_counts_at_an_edge_and_for_those_that_were_there_before() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let dock = client.layer("dock", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Bottom | Anchor::Left);
        layer.set_size(100, 0);
    });
    let corner = client.layer("corner", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Right);
        layer.set_size(50, 50);
        layer.set_exclusive_zone(50);
    });
    f.roundtrip(&mut client);
    assert_eq!(client.layer_size(&dock), (100, 800));
    client.fill(&dock.surface, (100, 800), RED);
    client.fill(&corner.surface, (50, 50), BLUE);
    let toplevel = f.window(&mut client, "big", (400, 300), RED);
    toplevel.toplevel.set_maximized();
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1280, 800));

    let panel = client.layer("panel", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Left | Anchor::Right);
        layer.set_size(0, 40);
        layer.set_exclusive_zone(40);
    });
    f.roundtrip(&mut client);
    assert_eq!(client.layer_size(&panel), (1280, 40));
    client.fill(&panel.surface, (1280, 40), GREEN);
    f.roundtrip(&mut client);
    assert_eq!(client.layer_size(&dock), (100, 760));
    assert_eq!(client.configured(&toplevel).0, (1280, 760));
    assert_eq!(f.pixel(1250, 50), rgb(BLUE), "it made room");

    panel.layer.destroy();
    panel.surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.layer_size(&dock), (100, 800));
    assert_eq!(f.pixel(1250, 10), rgb(BLUE));
}

#[test]
fn a_full_screen_window_covers_the_panel() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let panel = client.layer("panel", Layer::Top, |layer| {
        layer.set_anchor(Anchor::Top | Anchor::Left | Anchor::Right);
        layer.set_size(0, 40);
        layer.set_exclusive_zone(40);
    });
    f.roundtrip(&mut client);
    client.fill(&panel.surface, (1280, 40), GREEN);
    let toplevel = f.window(&mut client, "film", (400, 300), RED);
    toplevel.toplevel.set_fullscreen(None);
    f.roundtrip(&mut client);
    client.draw(&toplevel, (1280, 800), RED);
    f.roundtrip(&mut client);
    assert_eq!(f.pixel(600, 20), rgb(RED));
}

#[test]
fn an_exclusive_surface_has_the_keyboard_as_long_as_it_is_there() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let launcher = client.layer("launcher", Layer::Overlay, |layer| {
        layer.set_size(300, 200);
        layer.set_keyboard_interactivity(KeyboardInteractivity::Exclusive);
    });
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.keyboard.as_ref(),
        Some(&toplevel.surface),
        "not before it has content"
    );
    client.fill(&launcher.surface, (300, 200), GREEN);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&launcher.surface));
    f.click(450.0, 260.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&launcher.surface));

    launcher.layer.destroy();
    launcher.surface.destroy();
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&toplevel.surface));
}

#[test]
fn a_trusted_prompt_is_above_everything_and_nobody_else_can_be_one() {
    let mut f = Fixture::new();
    let mut agent = f.client();
    let overlay = agent.layer("argos-prompt", Layer::Overlay, |layer| {
        layer.set_size(600, 500);
        layer.set_keyboard_interactivity(KeyboardInteractivity::Exclusive);
    });
    f.roundtrip(&mut agent);
    agent.fill(&overlay.surface, (600, 500), RED);
    f.roundtrip(&mut agent);
    assert!(agent.events.keyboard.is_some());

    let mut shell = f.trusted_client();
    let prompt = shell.layer("argos-prompt", Layer::Top, |layer| layer.set_size(200, 100));
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, (200, 100), BLUE);
    f.roundtrip(&mut shell);
    f.roundtrip(&mut agent);
    assert_eq!(shell.events.keyboard.as_ref(), Some(&prompt.surface));
    assert_eq!(agent.events.keyboard, None);
    f.pointer(10.0, 10.0);
    assert_eq!(f.pixel(640, 400), rgb(BLUE));
    assert_eq!(f.pixel(360, 400), rgb(RED));

    // What comes later does not cover it either, and clicks beside it are nobody's.
    let late = agent.layer("argos-prompt", Layer::Overlay, |layer| {
        layer.set_size(1280, 800);
    });
    f.roundtrip(&mut agent);
    agent.fill(&late.surface, (1280, 800), GREEN);
    f.roundtrip(&mut agent);
    assert_eq!(f.pixel(640, 400), rgb(BLUE));
    f.click(360.0, 400.0);
    f.click(640.0, 400.0);
    f.roundtrip(&mut agent);
    f.roundtrip(&mut shell);
    assert_eq!((agent.events.clicks, shell.events.clicks), (0, 1));

    // Nor can bindings steer what is behind it.
    f.chord(&[125, 16]);
    f.roundtrip(&mut shell);
    assert!(
        shell.events.keys.contains(&(16, true)),
        "the prompt gets the key instead"
    );
}

#[test]
fn who_lets_go_of_the_keyboard_keeps_it_until_something_else_is_used() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "below", (400, 300), RED);
    let chat = client.layer("chat", Layer::Top, |layer| {
        layer.set_size(200, 100);
        layer.set_anchor(Anchor::Right);
        layer.set_keyboard_interactivity(KeyboardInteractivity::Exclusive);
    });
    f.roundtrip(&mut client);
    client.fill(&chat.surface, (200, 100), GREEN);
    f.roundtrip(&mut client);
    chat.layer
        .set_keyboard_interactivity(KeyboardInteractivity::OnDemand);
    chat.surface.commit();
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&chat.surface));
    f.click(450.0, 300.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&toplevel.surface));
    f.click(1200.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&chat.surface));
}

#[test]
fn a_picture_for_others_shows_neither_prompts_nor_the_pointer() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let below = f.window(&mut client, "below", (400, 300), RED);
    let mut shell = f.trusted_client();
    let prompt = shell.layer("argos-prompt", Layer::Top, |layer| {
        layer.set_size(1280, 800);
    });
    f.roundtrip(&mut shell);
    shell.fill(&prompt.surface, (1280, 800), BLUE);
    f.roundtrip(&mut shell);
    f.pointer(640.0, 400.0);
    let on_screen = f.state.screenshot(&f.output.clone()).unwrap();
    assert_eq!(on_screen.pixel(300, 200), rgb(BLUE));

    let given = f.state.capture(0).unwrap();
    assert_eq!((given.width, given.height), (1280, 800));
    let blue = given
        .rgba
        .chunks_exact(4)
        .filter(|pixel| pixel[..3] == rgb(BLUE))
        .count();
    assert_eq!(blue, 0, "no pixel of the prompt is in it");
    let shown = f.state.window_list()[0].clone();
    let middle = (
        (shown.x + shown.width / 2) as u32,
        (shown.y + shown.height / 2) as u32,
    );
    assert_eq!(given.pixel(middle.0, middle.1), rgb(RED));

    prompt.layer.destroy();
    prompt.surface.destroy();
    f.roundtrip(&mut shell);
    // One window: its content alone, though something covers it, and on whichever workspace.
    let mut other = f.client();
    f.window(&mut other, "above", (1000, 700), GREEN);
    for workspace in [0, 1] {
        if workspace == 1 {
            f.chord(&[125, 3]);
            f.roundtrip(&mut client);
        }
        let picture = f.state.capture(shown.id).unwrap();
        assert_eq!((picture.width, picture.height), (400, 300));
        assert!(
            picture
                .rgba
                .chunks_exact(4)
                .all(|pixel| pixel[..3] == rgb(RED)),
            "workspace {workspace}"
        );
    }
    below.toplevel.destroy();
    f.roundtrip(&mut client);
    assert!(matches!(
        f.state.capture(shown.id),
        Err(argos_bus::Error::NotFound(_))
    ));
}

#[test]
fn keys_are_measured_until_what_follows_is_on_the_screen() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let wants = |client: &mut Client, name: &str, keyboard| {
        client.layer(name, Layer::Overlay, move |layer| {
            layer.set_size(300, 200);
            layer.set_keyboard_interactivity(keyboard);
        })
    };
    let super_space = [125, 57];
    f.chord(&super_space);
    assert_eq!(f.state.measure_keys(true), [], "nobody asked");

    f.chord(&super_space);
    // What covers the screen for clicks is not what was asked for.
    let beside = wants(&mut client, "beside", KeyboardInteractivity::None);
    let launcher = wants(&mut client, "launcher", KeyboardInteractivity::Exclusive);
    f.roundtrip(&mut client);
    client.fill(&beside.surface, (300, 200), BLUE);
    f.roundtrip(&mut client);
    assert_eq!(f.state.measure_keys(true), []);
    f.chord(&super_space);
    f.chord(&super_space);
    let wait = std::time::Duration::from_millis(20);
    std::thread::sleep(wait);
    client.fill(&launcher.surface, (300, 200), GREEN);
    f.roundtrip(&mut client);
    // It was there before the key.
    assert_eq!(f.state.measure_keys(true), []);
    launcher.layer.destroy();
    launcher.surface.destroy();

    f.chord(&super_space);
    let chat = wants(&mut client, "chat", KeyboardInteractivity::Exclusive);
    f.roundtrip(&mut client);
    std::thread::sleep(wait);
    client.fill(&chat.surface, (300, 200), RED);
    f.roundtrip(&mut client);
    let shown = f.state.measure_keys(true);
    assert_eq!(
        (shown.len(), shown[0].surface.as_str(), shown[0].appeared),
        (1, "chat", true)
    );
    assert!(
        (20.0..20_000.0).contains(&shown[0].milliseconds),
        "{shown:?}"
    );

    // What is typed is seen in what has the keyboard, and in nothing else.
    f.chord(&[30]);
    client.fill(&beside.surface, (300, 200), RED);
    f.roundtrip(&mut client);
    assert_eq!(f.state.measure_keys(true), []);
    f.chord(&[30]);
    f.chord(&[31]);
    client.fill(&chat.surface, (300, 200), BLUE);
    f.roundtrip(&mut client);
    let typed = f.state.measure_keys(false);
    assert_eq!(
        (typed.len(), typed[0].surface.as_str(), typed[0].appeared),
        (1, "chat", false)
    );
    f.chord(&[30]);
    client.fill(&chat.surface, (300, 200), GREEN);
    f.roundtrip(&mut client);
    assert_eq!(f.state.measure_keys(false), []);
}

/// What only takes clicks, as beside an open menu, covers a screen: nothing behind it is to be drawn for it.
#[test]
fn a_surface_without_anything_to_see_costs_no_frame() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let _below = f.window(&mut client, "below", (400, 300), RED);
    let pixels: WpSinglePixelBufferManagerV1 = client.bind();
    let viewporter: WpViewporter = client.bind();
    let layer = client.layer("outside", Layer::Top, |layer| {
        layer.set_anchor(Anchor::all());
        layer.set_exclusive_zone(-1);
    });
    f.roundtrip(&mut client);
    let viewport = viewporter.get_viewport(&layer.surface, &client.qh, ());
    viewport.set_destination(1280, 800);
    // How many frames it takes until the surface shows this.
    let shows = |f: &mut Fixture, client: &mut Client, alpha: u32| {
        let frames = f.state.frames();
        let buffer: WlBuffer = pixels.create_u32_rgba_buffer(0, 0, 0, alpha, &client.qh, ());
        layer.surface.attach(Some(&buffer), 0, 0);
        layer.surface.damage_buffer(0, 0, i32::MAX, i32::MAX);
        client.frame_callback(&layer.surface);
        layer.surface.commit();
        f.roundtrip(client);
        f.state.frames() - frames
    };
    let heard = client.events.frames;
    assert_eq!(shows(&mut f, &mut client, 0), 0);
    assert_eq!(client.events.frames, heard + 1, "it is on the screen");
    // The click is its, not the window's.
    let at = f.state.window_list()[0].clone();
    f.click(f64::from(at.x + 50), f64::from(at.y + 50));
    f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 1);
    assert_eq!(client.events.pointer.as_ref(), Some(&layer.surface));
    assert!(shows(&mut f, &mut client, u32::MAX) > 0);
    assert_eq!(f.pixel(640, 400), [0; 3]);
}
