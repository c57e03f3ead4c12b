//! Window rules, as the windows that they are about see them.

use argos_compositor::{config::Config, layout::WindowId};
use wayland_protocols::xdg::shell::client::xdg_toplevel::State as Is;

use crate::fixture::Fixture;

fn with(rules: &str) -> Fixture {
    let config: Config = argos_config::parse("rules", rules).unwrap();
    Fixture::with(config)
}

#[test]
fn a_window_opens_where_and_as_large_as_the_rules_say() {
    let mut f = with(
        "rules:\n\
         - {match: {app-id: test.sized}, set: {size: [500, 200], position: [40, 50]}}\n\
         - {match: {title-regex: ^big}, set: {maximised: true}}\n\
         - {match: {app-id: test.elsewhere}, set: {workspace: 2}}\n\
         - {match: {app-id: test.shown}, set: {workspace: 3, focus: true}}\n",
    );
    let mut client = f.client();
    let sized = client.toplevel("sized");
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&sized).0, (500, 200));
    // A client that draws what it likes is asked once more.
    client.draw(&sized, (300, 300), 0);
    f.roundtrip(&mut client);
    assert_eq!(client.configured(&sized).0, (500, 200));
    client.draw(&sized, (500, 200), 0);
    f.roundtrip(&mut client);
    let frame = f.state.layout().frame(WindowId(1)).unwrap();
    assert_eq!(
        (frame.loc, frame.size),
        ((40, 50).into(), (500, 200).into())
    );

    let big = client.toplevel("bigger");
    f.roundtrip(&mut client);
    let (size, states) = client.configured(&big);
    assert_eq!(size, (1280, 800));
    assert!(states.contains(&Is::Maximized));

    f.window(&mut client, "elsewhere", (400, 300), 0);
    assert_eq!(f.titles(), "sized*@1 elsewhere@2");
    f.window(&mut client, "shown", (400, 300), 0);
    assert!(f.titles().starts_with("shown*@3"), "{}", f.titles());
    assert_eq!(f.state.layout().active_workspace(), 2);
}

#[test]
fn a_window_can_be_kept_from_focus_from_tiles_and_from_decoration() {
    let mut f = with(
        "tiling: {enabled: true}\n\
         rules:\n\
         - {match: {app-id: test.quiet}, set: {focus: false, floating: true}}\n\
         - {match: {app-id: test.bare}, set: {decoration: false, floating: true}}\n",
    );
    let mut client = f.client();
    let used = f.window(&mut client, "used", (400, 300), 0);
    let quiet = f.window(&mut client, "quiet", (400, 300), 0);
    assert_eq!(client.events.keyboard.as_ref(), Some(&used.surface));
    assert!(!client.configured(&quiet).1.contains(&Is::Activated));
    assert!(!f.state.layout().is_tile(WindowId(2)));
    assert!(f.state.layout().is_tile(WindowId(1)));

    let bare = client.toplevel("bare");
    client.ask_for_title_bar(&bare);
    f.roundtrip(&mut client);
    assert_eq!(
        client.events.server_side,
        Some(true),
        "it draws none itself"
    );
    client.draw(&bare, (400, 300), 0);
    f.roundtrip(&mut client);
    let frame = f.state.layout().frame(WindowId(3)).unwrap();
    assert_eq!(frame.size, (400, 300).into(), "and has none around it");
}
