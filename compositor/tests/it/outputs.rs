//! Outputs that come, go and change.

use std::time::Duration;

use argos_bus::{Error, compositor::OutputWish};
use argos_compositor::{backend::headless, bus::Request, config::Config, smithay::output::Mode};
use tokio::sync::oneshot;

use crate::fixture::Fixture;

#[test]
fn windows_come_back_into_reach_when_their_output_goes() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let second = headless::add_output(&mut f.state, "two", 1920, 1080);
    f.turn();
    // Super and the left button carry it to the other output.
    let toplevel = f.window(&mut client, "far", (400, 300), 0xff_ffff);
    f.pointer(640.0, 400.0);
    f.key(125, true);
    f.button(argos_compositor::LEFT, true);
    f.pointer(2200.0, 500.0);
    f.button(argos_compositor::LEFT, false);
    f.key(125, false);
    toplevel.toplevel.set_maximized();
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1920, 1080));

    headless::remove_output(&mut f.state, &second);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1280, 800));
    assert!(f.state.pointer_location().x < 1280.0);
}

#[test]
fn without_any_output_nothing_breaks() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "lost", (400, 300), 0xff_ffff);
    let output = f.output.clone();
    headless::remove_output(&mut f.state, &output);
    f.roundtrip(&mut client);
    toplevel.toplevel.set_maximized();
    f.pointer(5.0, 5.0);
    f.window(&mut client, "born in the dark", (200, 100), 0xff_ffff);
    f.output = headless::add_output(&mut f.state, "again", 1024, 768);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1024, 768));
    assert_eq!(f.state.layout().visible().count(), 2);
}

#[test]
fn a_resized_output_resizes_what_fills_it() {
    let mut f = Fixture::new();
    let mut client = f.client();
    let toplevel = f.window(&mut client, "big", (400, 300), 0xff_ffff);
    toplevel.toplevel.set_maximized();
    f.roundtrip(&mut client);
    let output = f.output.clone();
    headless::resize_output(&mut f.state, &output, 1920, 1080);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&toplevel).0, (1920, 1080));
    assert_eq!(f.state.screenshot(&output).unwrap().width, 1920);
}

fn wish(name: &str, mode: &str, transform: &str, place: &str) -> OutputWish {
    OutputWish {
        name: name.into(),
        mode: mode.into(),
        transform: transform.into(),
        place: place.into(),
    }
}

/// A compositor whose output has a second mode.
fn two_modes() -> Fixture {
    let f = Fixture::new();
    f.output.add_mode(Mode {
        size: (1600, 1200).into(),
        refresh: 75_000,
    });
    f
}

/// Size, rate, turn and place of an output, as the bus tells them.
fn told(f: &mut Fixture, nth: usize) -> (u32, u32, u32, String, (i32, i32)) {
    f.turn();
    let output = f.state.shown_on_bus().outputs.remove(nth);
    let at = (output.x, output.y);
    (
        output.width,
        output.height,
        output.refresh,
        output.transform,
        at,
    )
}

#[test]
fn what_is_tried_comes_back_unless_somebody_keeps_it() {
    let mut f = two_modes();
    let mut client = f.client();
    let big = f.window(&mut client, "big", (400, 300), 0xff_ffff);
    big.toplevel.set_maximized();
    f.roundtrip(&mut client);
    let before = told(&mut f, 0);
    assert_eq!(f.state.modes_of("one").unwrap().len(), 2);
    assert_eq!(f.state.modes_of("two"), None);

    let turned = wish("one", "1600x1200", "90", "");
    f.state
        .try_outputs(std::slice::from_ref(&turned), Duration::from_millis(100))
        .unwrap();
    let tried = told(&mut f, 0);
    assert_eq!(tried, (1600, 1200, 75_000, "90".into(), (0, 0)));
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&big).0, (1200, 1600));
    f.until("it is taken back", |f| told(f, 0) == before);
    assert!(!f.state.keep_outputs() && !f.state.take_back_outputs());
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&big).0, (1280, 800));

    // A second one goes on with the first, and both come back.
    let long = Duration::from_secs(600);
    f.state
        .try_outputs(std::slice::from_ref(&turned), long)
        .unwrap();
    let upside = wish("one", "1600x1200@75", "180", "");
    f.state.try_outputs(&[upside], long).unwrap();
    assert_eq!(told(&mut f, 0).3, "180");
    assert!(f.state.take_back_outputs());
    assert_eq!(told(&mut f, 0), before);

    f.state
        .try_outputs(&[turned], Duration::from_millis(50))
        .unwrap();
    assert!(f.state.keep_outputs());
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(told(&mut f, 0), tried);
    // What the file says goes before it.
    f.state.apply_settings(Config::default());
    assert_eq!(told(&mut f, 0), before);
}

#[test]
fn what_cannot_be_tried_changes_nothing() {
    let mut f = two_modes();
    let before = told(&mut f, 0);
    let mut refused = |wish: OutputWish| {
        let error = f.state.try_outputs(&[wish], Duration::from_secs(9));
        (error.unwrap_err(), told(&mut f, 0))
    };
    for wrong in [
        wish("one", "1024x768", "", ""),
        wish("one", "1600x1200@60", "", ""),
        wish("one", "", "45", ""),
        wish("one", "", "", "somewhere"),
    ] {
        let (error, after) = refused(wrong);
        assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
        assert_eq!(after, before);
    }
    let (error, _) = refused(wish("two", "", "", ""));
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(!f.state.take_back_outputs());
}

#[test]
fn the_settings_say_where_outputs_are_also_those_that_come() {
    let settings = |text: &str| argos_config::parse::<Config>("compositor.yaml", text).unwrap();
    let mut f = Fixture::with(settings(
        "outputs: {two: {transform: 270, place: left-of one}}",
    ));
    headless::add_output(&mut f.state, "two", 1920, 1080);
    f.turn();
    assert_eq!(told(&mut f, 1), (1920, 1080, 60_000, "270".into(), (0, 0)));
    assert_eq!(told(&mut f, 0).4, (1080, 0));
    f.state
        .apply_settings(settings("outputs: {two: {place: below one}}"));
    assert_eq!(
        told(&mut f, 1),
        (1920, 1080, 60_000, "normal".into(), (0, 800))
    );
    assert_eq!(told(&mut f, 0).4, (0, 0));
    f.state.apply_settings(Config::default());
    assert_eq!(told(&mut f, 1).4, (1280, 0));
}

#[test]
fn the_bus_says_how_windows_and_the_screen_in_use_are_called() {
    let active = |f: &mut Fixture| {
        let (answer, mut answered) = oneshot::channel();
        f.state.bus_request(Request::ActiveOutput(answer));
        answered.try_recv().unwrap()
    };
    let handle = |f: &mut Fixture, id| {
        let (answer, mut answered) = oneshot::channel();
        f.state.bus_request(Request::WindowHandle(id, answer));
        answered.try_recv().unwrap()
    };
    let mut f = Fixture::new();
    let mut client = f.client();
    let second = headless::add_output(&mut f.state, "two", 1920, 1080);
    f.turn();
    f.pointer(640.0, 400.0);
    assert_eq!(active(&mut f).as_deref(), Some("one"));
    f.pointer(2000.0, 400.0);
    assert_eq!(active(&mut f).as_deref(), Some("two"));
    for output in [second, f.output.clone()] {
        headless::remove_output(&mut f.state, &output);
    }
    f.turn();
    assert_eq!(active(&mut f), None);

    f.output = headless::add_output(&mut f.state, "again", 1280, 800);
    f.window(&mut client, "first", (400, 300), 0xff_ffff);
    f.window(&mut client, "second", (400, 300), 0xff_ffff);
    let windows = f.state.window_list();
    let handles: Vec<_> = windows.iter().map(|w| handle(&mut f, w.id)).collect();
    assert!(handles.iter().all(Option::is_some) && handles[0] != handles[1]);
    assert_eq!(handle(&mut f, 4711), None);
}
