//! Outputs that come, go and change.

use argos_compositor::backend::headless;

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
