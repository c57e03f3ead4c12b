//! The overview.

use argos_compositor::LEFT;

use crate::fixture::{Client, Fixture, rgb};

const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const W: u32 = 17;
const ESCAPE: u32 = 1;
const RETURN: u32 = 28;
const LEFT_ARROW: u32 = 105;
const RIGHT_ARROW: u32 = 106;
const R: u32 = 19;
const E: u32 = 18;

const RED: u32 = 0xc0_2020;
const GREEN: u32 = 0x20_c020;
const BLUE: u32 = 0x20_20c0;

/// Red and green on the first workspace, blue on the second.
fn three(f: &mut Fixture) -> Client {
    let mut client = f.client();
    for (title, colour) in [("blue", BLUE), ("red", RED), ("green", GREEN)] {
        f.window(&mut client, title, (400, 300), colour);
        if title == "blue" {
            f.chord(&[SUPER, SHIFT, 3]);
        }
    }
    client
}

/// Where that colour is seen, if it is.
fn find(f: &mut Fixture, colour: u32) -> Option<(u32, u32)> {
    let picture = f.state.screenshot(&f.output.clone()).unwrap();
    let points = (0..800)
        .step_by(8)
        .flat_map(|y| (0..1280).step_by(8).map(move |x| (x, y)));
    // The middle of what is found, so that it can be clicked.
    let found: Vec<_> = points
        .filter(|(x, y)| picture.pixel(*x, *y) == rgb(colour))
        .collect();
    found.get(found.len() / 2).copied()
}

#[test]
fn all_windows_of_all_workspaces_are_seen_and_one_is_chosen_by_keys() {
    let mut f = Fixture::new();
    let mut client = three(&mut f);
    assert_eq!(find(&mut f, BLUE), None, "it is on another workspace");
    f.chord(&[SUPER, W]);
    for colour in [RED, GREEN, BLUE] {
        assert!(find(&mut f, colour).is_some(), "{colour:x}");
    }
    f.chord(&[LEFT_ARROW]);
    f.chord(&[RETURN]);
    assert_eq!(f.titles(), "red*@1 green@1 blue@2");
    assert_eq!(find(&mut f, BLUE), None, "it is closed");

    f.chord(&[SUPER, W]);
    f.chord(&[RIGHT_ARROW]);
    f.chord(&[ESCAPE]);
    assert_eq!(f.titles(), "red*@1 green@1 blue@2");
    // No program heard of these keys.
    f.roundtrip(&mut client);
    let heard: Vec<_> = client.events.keys.iter().map(|(code, _)| *code).collect();
    assert!(
        heard.iter().all(|code| [SUPER, SHIFT].contains(code)),
        "{heard:?}"
    );
}

#[test]
fn typing_chooses_and_a_click_goes_to_a_window_of_another_workspace() {
    let mut f = Fixture::new();
    let _client = three(&mut f);
    f.chord(&[SUPER, W]);
    // Only `green` and `red` have `re`, and the older one is found first.
    f.chord(&[R]);
    f.chord(&[E]);
    f.chord(&[RETURN]);
    assert_eq!(f.titles(), "red*@1 green@1 blue@2");

    f.chord(&[SUPER, W]);
    let (x, y) = find(&mut f, BLUE).unwrap();
    f.click(x.into(), y.into());
    assert_eq!(f.titles(), "blue*@2 red@1 green@1");
    assert_eq!(f.state.layout().active_workspace(), 1);
}

#[test]
fn a_window_is_dragged_to_another_workspace() {
    let mut f = Fixture::new();
    let _client = three(&mut f);
    f.chord(&[SUPER, W]);
    let (from, to) = (find(&mut f, RED).unwrap(), find(&mut f, BLUE).unwrap());
    f.pointer(from.0.into(), from.1.into());
    f.button(LEFT, true);
    f.pointer(f64::from(to.0), f64::from(to.1));
    assert_eq!(f.titles(), "green*@1 red@1 blue@2");
    f.button(LEFT, false);
    assert_eq!(f.titles(), "green*@1 red@2 blue@2");
    // It stays open, for the next one.
    assert!(find(&mut f, BLUE).is_some());
    f.chord(&[SUPER, W]);
    assert_eq!(find(&mut f, BLUE), None);
}

#[test]
fn it_is_closed_behind_a_lock() {
    let mut f = Fixture::new();
    let _client = three(&mut f);
    f.chord(&[SUPER, W]);
    let mut locker = f.trusted_client();
    let lock = locker.lock();
    f.roundtrip(&mut locker);
    assert_eq!(locker.events.locked, 1);
    assert_eq!(find(&mut f, BLUE), None);
    lock.unlock_and_destroy();
    f.roundtrip(&mut locker);
    assert_eq!(find(&mut f, BLUE), None);
    assert_eq!(find(&mut f, GREEN).map(|_| ()), Some(()));
}
