//! Tiles, snapping, and a workspace for each output, as clients and people see them.

use argos_compositor::{LEFT, backend::headless, layout::WindowId};
use wayland_protocols::xdg::shell::client::xdg_toplevel::State as Is;

use crate::fixture::{Fixture, rgb};

const SUPER: u32 = 125;
const CTRL: u32 = 29;
const ALT: u32 = 56;
const SHIFT: u32 = 42;
const SPACE: u32 = 57;
const T: u32 = 20;
const O: u32 = 24;
const LEFT_ARROW: u32 = 105;
const RIGHT_ARROW: u32 = 106;

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

fn frame(f: &Fixture, id: u64) -> (i32, i32, i32, i32) {
    let frame = f.state.layout().frame(WindowId(id)).unwrap();
    (frame.loc.x, frame.loc.y, frame.size.w, frame.size.h)
}

#[test]
fn a_key_tiles_the_windows_and_gives_them_their_frames_back() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let one = f.window(&mut client, "one", (400, 300), RED);
    let two = f.window(&mut client, "two", (500, 200), BLUE);
    let before = (frame(&f, 1), frame(&f, 2));

    f.chord(&[SUPER, T]);
    f.roundtrip(&mut client);
    for window in [&one, &two] {
        let (size, states) = client.configured(window);
        assert_eq!(size, (628, 784));
        assert!(states.contains(&Is::TiledLeft) && states.contains(&Is::TiledBottom));
    }
    client.draw(&one, (628, 784), RED);
    client.draw(&two, (628, 784), BLUE);
    f.roundtrip(&mut client);
    assert_eq!((frame(&f, 1).0, frame(&f, 2).0), (8, 644));

    // Two takes one's place; one goes alone above the tiles.
    f.chord(&[SUPER, CTRL, SHIFT, LEFT_ARROW]);
    assert_eq!((frame(&f, 1).0, frame(&f, 2).0), (644, 8));
    f.chord(&[SUPER, ALT, RIGHT_ARROW]);
    assert_eq!(frame(&f, 2).2, 628 + 48);
    f.chord(&[SUPER, CTRL, RIGHT_ARROW]);
    assert!(f.titles().starts_with("one*"), "{}", f.titles());
    f.chord(&[SUPER, SHIFT, SPACE]);
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&one);
    assert_eq!(size, (400, 300));
    assert!(!states.contains(&Is::TiledLeft));
    assert_eq!(client.configured(&two).0, (1264, 784));

    f.chord(&[SUPER, T]);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&two).0, (500, 200));
    client.draw(&one, (400, 300), RED);
    client.draw(&two, (500, 200), BLUE);
    f.roundtrip(&mut client);
    assert_eq!((frame(&f, 1), frame(&f, 2)), before);
}

#[test]
fn the_gap_between_tiles_is_dragged_and_tiles_change_places() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.chord(&[SUPER, T]);
    let one = f.window(&mut client, "one", (400, 300), RED);
    let two = f.window(&mut client, "two", (400, 300), BLUE);
    client.draw(&one, (628, 784), RED);
    client.draw(&two, (628, 784), BLUE);
    f.roundtrip(&mut client);

    f.pointer(638.0, 400.0);
    f.button(LEFT, true);
    f.pointer(738.0, 400.0);
    f.roundtrip(&mut client);
    assert!(
        client.configured(&one).0.0 > 700,
        "{:?}",
        client.configured(&one)
    );
    f.button(LEFT, false);
    assert_eq!(frame(&f, 1).2 + frame(&f, 2).2, 1256);
    assert_eq!(client.events.clicks, 0, "the gap is not a client's");

    // Super and the left button carry one to the middle of two.
    f.pointer(200.0, 400.0);
    f.key(SUPER, true);
    f.button(LEFT, true);
    let (x, _, w, _) = frame(&f, 2);
    f.pointer(f64::from(x + w / 2), 400.0);
    f.button(LEFT, false);
    f.key(SUPER, false);
    assert!(frame(&f, 1).0 > frame(&f, 2).0);
}

#[test]
fn at_a_side_of_the_screen_a_preview_shows_where_a_window_snaps() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "snap", (400, 300), RED);
    let bare = f.pixel(300, 790);
    let carry = |f: &mut Fixture, from: f64, to: f64| {
        f.pointer(from, 400.0);
        f.key(SUPER, true);
        f.button(LEFT, true);
        f.pointer(to, 400.0);
    };
    let release = |f: &mut Fixture| {
        f.button(LEFT, false);
        f.key(SUPER, false);
    };
    carry(&mut f, 640.0, 2.0);
    assert_ne!(f.pixel(300, 790), bare, "the preview covers the half");
    assert_eq!(f.pixel(900, 790), bare);
    release(&mut f);
    assert_eq!(f.pixel(900, 790), bare);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (640, 800));
    client.draw(&toplevel, (640, 800), RED);
    f.roundtrip(&mut client);

    carry(&mut f, 320.0, 700.0);
    release(&mut f);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (400, 300));
    client.draw(&toplevel, (400, 300), RED);
    f.roundtrip(&mut client);

    f.chord(&[SUPER, RIGHT_ARROW]);
    assert_eq!(frame(&f, 1), (640, 0, 640, 800));
    f.chord(&[SUPER, RIGHT_ARROW]);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (400, 300));
}

#[test]
fn a_drag_that_is_ended_by_something_else_snaps_nothing() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "gone", (400, 300), RED);
    f.pointer(640.0, 400.0);
    f.key(SUPER, true);
    f.button(LEFT, true);
    f.pointer(2.0, 400.0);
    toplevel.toplevel.destroy();
    toplevel.xdg.destroy();
    f.roundtrip(&mut client);
    f.pointer(3.0, 400.0);
    f.button(LEFT, false);
    f.key(SUPER, false);
    let bare = f.pixel(900, 790);
    assert_eq!(f.pixel(300, 790), bare, "the preview is gone");
}

#[test]
fn each_output_has_a_workspace_and_it_comes_back_with_it() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let home = f.window(&mut client, "home", (400, 300), RED);
    let second = headless::add_output(&mut f.state, "two", 1920, 1080);
    f.turn();
    f.chord(&[SUPER, O]);
    assert!(
        f.state.pointer_location().x > 1280.0,
        "the pointer goes along"
    );
    let away = f.window(&mut client, "away", (400, 300), BLUE);
    assert_eq!(f.titles(), "away*@2 home@1");
    assert_eq!(
        f.state.layout().visible().count(),
        2,
        "both are on a screen"
    );
    let there = frame(&f, 2);
    assert!(there.0 > 1280);

    headless::remove_output(&mut f.state, &second);
    f.roundtrip(&mut client);
    assert_eq!(f.titles(), "away*@2 home@1");
    assert!(frame(&f, 2).0 < 1280);
    headless::add_output(&mut f.state, "two", 1920, 1080);
    f.roundtrip(&mut client);
    assert_eq!(frame(&f, 2), there);
    assert!(f.state.layout().is_visible(WindowId(1)));

    // The workspace of the first output goes to the second one, and the person with it.
    f.click(640.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&home.surface));
    f.chord(&[SUPER, CTRL, O]);
    assert!(frame(&f, 1).0 > 1280);
    assert_eq!(f.titles(), "home*@1 away@2");
    assert!(!f.state.layout().is_visible(WindowId(2)));
    f.chord(&[SUPER, 3]); // Super+2
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&away.surface));
}

#[test]
fn a_client_that_cannot_be_as_small_as_its_tile_hides_nothing_of_the_others() {
    let mut f = Fixture::new();
    let mut client = f.client();
    f.chord(&[SUPER, T]);
    let one = f.window(&mut client, "one", (628, 784), RED);
    let two = f.window(&mut client, "two", (628, 784), BLUE);
    client.draw(&two, (628, 784), BLUE);
    // It says nothing of its least size, and draws more than it was given.
    client.draw(&one, (900, 784), RED);
    f.roundtrip(&mut client);
    f.click(100.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&one.surface));
    assert_eq!(f.pixel(600, 300), rgb(RED));
    assert_eq!(f.pixel(700, 300), rgb(BLUE), "it ends with its tile");
    f.click(700.0, 400.0);
    f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard.as_ref(), Some(&two.surface));
}

#[test]
fn the_title_bar_of_a_stack_switches_between_its_windows() {
    let mut f = Fixture::new();
    let mut client = f.client();
    for (title, colour) in [("one", RED), ("two", BLUE)] {
        let toplevel = client.toplevel(title);
        client.ask_for_title_bar(&toplevel);
        f.roundtrip(&mut client);
        client.draw(&toplevel, (400, 300), colour);
        f.roundtrip(&mut client);
    }
    let (x, y, ..) = frame(&f, 1);
    f.chord(&[SUPER, 31]); // Super+S
    f.roundtrip(&mut client);
    assert_eq!(frame(&f, 2), (x, y, 400, 332));
    assert_eq!(f.state.layout().visible().count(), 1);
    assert!(f.titles().starts_with("two*"), "{}", f.titles());

    f.click(f64::from(x) + 20.0, f64::from(y) + 16.0);
    assert!(f.titles().starts_with("one*"), "{}", f.titles());
    f.chord(&[SUPER, 109]); // Super+Page_Down
    assert!(f.titles().starts_with("two*"), "{}", f.titles());
    f.chord(&[SUPER, SHIFT, 31]);
    assert_eq!(f.state.layout().visible().count(), 2);
}
