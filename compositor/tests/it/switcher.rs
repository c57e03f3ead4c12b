//! Alt-Tab with previews.

use argos_compositor::LEFT;

use crate::fixture::{Client, Fixture, Toplevel, rgb};

const ALT: u32 = 56;
const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const TAB: u32 = 15;
const ESCAPE: u32 = 1;
const RIGHT: u32 = 106;
const RETURN: u32 = 28;

const RED: u32 = 0xc0_2020;
const GREEN: u32 = 0x20_c020;
const BLUE: u32 = 0x20_20c0;

/// Three windows: red, green, blue; the last one is in use.
fn three(f: &mut Fixture) -> (Client, Vec<Toplevel>) {
    let mut client = f.client();
    let windows = [("red", RED), ("green", GREEN), ("blue", BLUE)]
        .map(|(title, colour)| f.window(&mut client, title, (400, 300), colour));
    (client, windows.to_vec())
}

/// The middle of a preview, if there are three.
fn middle(index: u32) -> (u32, u32) {
    (274 + 12 + index * 236 + 118, 295 + 12 + 10 + 67)
}

fn previews(f: &mut Fixture) -> Vec<[u8; 3]> {
    (0..3)
        .map(|index| {
            let (x, y) = middle(index);
            f.pixel(x, y)
        })
        .collect()
}

#[test]
fn previews_are_in_the_order_of_use_and_show_windows_as_they_are() {
    let mut f = Fixture::new();
    let (mut client, windows) = three(&mut f);
    f.key(ALT, true);
    f.chord(&[TAB]);
    assert_eq!(previews(&mut f), [BLUE, GREEN, RED].map(rgb));
    assert_eq!(f.titles(), "green*@1 blue@1 red@1", "the next is marked");

    // A window that draws is drawn in its preview too.
    client.draw(&windows[0], (400, 300), 0xff_ff00);
    f.roundtrip(&mut client);
    assert_eq!(previews(&mut f)[2], rgb(0xff_ff00));

    f.chord(&[TAB]);
    f.key(ALT, false);
    assert_eq!(f.titles(), "red*@1 blue@1 green@1");
    assert_ne!(previews(&mut f)[0], rgb(BLUE), "the previews are gone");
}

#[test]
fn arrows_go_on_return_takes_and_escape_leaves_all_as_it_was() {
    let mut f = Fixture::new();
    let (mut client, _windows) = three(&mut f);
    f.key(ALT, true);
    f.chord(&[TAB]);
    f.chord(&[RIGHT]);
    assert_eq!(f.titles(), "red*@1 blue@1 green@1");
    f.chord(&[ESCAPE]);
    assert_eq!(f.titles(), "blue*@1 green@1 red@1");
    assert_eq!(f.pixel(600, 500), rgb(BLUE), "it is on top again");
    f.key(ALT, false);
    assert_eq!(f.titles(), "blue*@1 green@1 red@1");

    f.key(ALT, true);
    f.chord(&[SHIFT, TAB]);
    f.chord(&[RETURN]);
    assert_eq!(f.titles(), "red*@1 blue@1 green@1");
    // No program heard of these keys.
    f.key(ALT, false);
    f.roundtrip(&mut client);
    let heard: Vec<_> = client.events.keys.iter().map(|(code, _)| *code).collect();
    assert!(
        heard.iter().all(|code| [ALT, SHIFT].contains(code)),
        "{heard:?}"
    );
}

#[test]
fn a_click_takes_the_window_whose_preview_is_there() {
    let mut f = Fixture::new();
    let (_client, _windows) = three(&mut f);
    f.key(ALT, true);
    f.chord(&[TAB]);
    let (x, y) = middle(2);
    f.pointer(x.into(), y.into());
    f.button(LEFT, true);
    f.button(LEFT, false);
    assert_eq!(f.titles(), "red*@1 blue@1 green@1");
    f.key(ALT, false);
    assert_eq!(f.titles(), "red*@1 blue@1 green@1");
}

#[test]
fn super_tab_goes_to_other_workspaces_and_shows_what_is_hidden() {
    let mut f = Fixture::new();
    let (_client, _windows) = three(&mut f);
    // The blue one goes to the second workspace, the green one is hidden.
    f.chord(&[SUPER, SHIFT, 3]);
    f.chord(&[SUPER, 35]);
    assert_eq!(f.titles(), "red*@1 blue@2 green@1");
    f.key(SUPER, true);
    f.chord(&[TAB]);
    let mut seen = previews(&mut f);
    seen.sort_unstable();
    let mut all = [RED, GREEN, BLUE].map(rgb);
    all.sort_unstable();
    assert_eq!(seen, all);
    let blue = previews(&mut f).iter().position(|seen| *seen == rgb(BLUE));
    let (x, y) = middle(blue.unwrap() as u32);
    f.click(x.into(), y.into());
    f.key(SUPER, false);
    assert_eq!(f.state.layout().active_workspace(), 1);
    assert!(f.titles().starts_with("blue*@2"), "{}", f.titles());
}

#[test]
fn a_window_that_closes_meanwhile_is_left_out() {
    let mut f = Fixture::new();
    let (mut client, windows) = three(&mut f);
    f.key(ALT, true);
    f.chord(&[TAB]);
    windows[1].toplevel.destroy();
    windows[1].xdg.destroy();
    windows[1].surface.destroy();
    f.roundtrip(&mut client);
    f.key(ALT, false);
    assert_eq!(f.titles(), "red*@1 blue@1");
}
