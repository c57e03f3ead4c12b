//! X programs, with a real Xwayland (package xwayland) that shows its windows here.

mod client;
mod copying;
mod scale;

use argos_compositor::{
    LEFT,
    config::Config,
    layout::Mode,
    smithay::reexports::x11rb::{
        connection::Connection,
        properties::{WmHints, WmSizeHints},
        protocol::{
            Event,
            xproto::{
                AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt, EventMask,
                PropMode,
            },
        },
        wrapper::ConnectionExt as _,
    },
};
use client::{Program, servers, until};

use crate::fixture::Fixture;

const A: u32 = 30;
const F: u32 = 33;
const Q: u32 = 16;
const SUPER: u32 = 125;
/// Height of the title bar.
const BAR: i32 = 32;

/// A compositor that takes X programs.
fn fixture() -> Fixture {
    with(Config::default())
}

fn with(config: Config) -> Fixture {
    let mut f = Fixture::with(config);
    f.state.allow_x11();
    assert!(
        f.state.x11_display().is_some(),
        "Xwayland (package xwayland) is needed for this test"
    );
    f
}

#[test]
fn the_first_program_starts_the_server_and_its_window_is_one_of_ours() {
    let mut f = fixture();
    f.turn();
    assert_eq!(servers(&f), [], "nobody has come");

    let mut program = Program::start(&mut f);
    assert_eq!(servers(&f).len(), 1);
    let window = program.window(&mut f, "red", (300, 200), 0xd0_20_20);
    let listed = f.state.window_list().remove(0);
    assert_eq!(listed.app_id, "Class-red");
    assert!(listed.focused);
    assert_eq!((listed.width, listed.height), (300, 200 + BAR));
    let middle = (
        (listed.x + 150).unsigned_abs(),
        (listed.y + BAR + 100).unsigned_abs(),
    );
    until(&mut f, "it is drawn", |f| {
        f.pixel(middle.0, middle.1) == [0xd0, 0x20, 0x20]
    });
    let (x, y, w, h) = program.place(&mut f, window);
    assert_eq!((x, y), (listed.x, listed.y + BAR), "it knows its place");
    assert_eq!((w, h), (300, 200));

    program.hears(
        &mut f,
        "it has the focus",
        |event| matches!(event, Event::FocusIn(focus) if focus.event == window),
    );
    f.chord(&[A]);
    program.hears(&mut f, "the key", |event| {
        matches!(event, Event::KeyPress(key) if key.detail == A as u8 + 8 && key.event == window)
    });
    f.click(f64::from(listed.x + 10), f64::from(listed.y + BAR + 20));
    let pressed = program.hears(&mut f, "the click", |event| {
        matches!(event, Event::ButtonPress(_))
    });
    let Event::ButtonPress(pressed) = pressed else {
        unreachable!()
    };
    assert_eq!((pressed.event_x, pressed.event_y), (10, 20));
}

#[test]
fn titles_change_and_a_window_without_a_title_bar_has_none() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "before", (200, 100), 0x20_20_20);
    let number = program.atom(&mut f, "_MOTIF_WM_HINTS");
    program.say(window, AtomEnum::WM_NAME, "after");
    // Flags: the decorations are said; there are none.
    program
        .connection
        .change_property32(PropMode::REPLACE, window, number, number, &[2, 0, 0, 0, 0])
        .unwrap();
    program.connection.flush().unwrap();
    until(&mut f, "the title and the frame", |f| {
        let listed = f.state.window_list().remove(0);
        listed.title == "after" && listed.height == 100
    });
}

#[test]
fn windows_fill_the_screen_by_key_and_by_their_programs_wish() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "wide", (300, 200), 0x20_d0_20);
    let fullscreen = program.atom(&mut f, "_NET_WM_STATE_FULLSCREEN");

    f.chord(&[SUPER, F]);
    until(&mut f, "full screen", |f| {
        program.place(f, window) == (0, 0, 1280, 800)
    });
    assert!(
        program
            .property(&mut f, window, "_NET_WM_STATE")
            .contains(&fullscreen)
    );
    program.ask_manager(&mut f, window, "_NET_WM_STATE", [0, fullscreen, 0, 1, 0]);
    until(&mut f, "its own size", |f| {
        let (_, _, w, h) = program.place(f, window);
        (w, h) == (300, 200)
    });

    let [wide, high] = [
        "_NET_WM_STATE_MAXIMIZED_HORZ",
        "_NET_WM_STATE_MAXIMIZED_VERT",
    ]
    .map(|name| program.atom(&mut f, name));
    program.ask_manager(&mut f, window, "_NET_WM_STATE", [1, wide, high, 1, 0]);
    until(&mut f, "maximised", |f| {
        program.place(f, window) == (0, BAR, 1280, 800 - BAR as u32)
    });
    let id = argos_compositor::layout::WindowId(f.state.window_list()[0].id);
    assert_eq!(f.state.layout().mode(id), Some(Mode::Maximised));
}

#[test]
fn states_that_a_window_has_before_it_is_shown_hold() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let names = [
        "_NET_WM_STATE_FULLSCREEN",
        "_NET_WM_STATE_MAXIMIZED_HORZ",
        "_NET_WM_STATE_MAXIMIZED_VERT",
    ];
    let [full, wide, high] = names.map(|name| program.atom(&mut f, name));
    let state = program.atom(&mut f, "_NET_WM_STATE");
    let mut shown = |states: &[u32]| {
        let window = program.create((0, 0, 300, 200), 0x20_d0_20, false);
        let set = program.connection.change_property32(
            PropMode::REPLACE,
            window,
            state,
            AtomEnum::ATOM,
            states,
        );
        set.unwrap();
        program.map(window);
        until(&mut f, "the window is listed", |f| {
            f.state.window_list().len() == 1
        });
        let id = argos_compositor::layout::WindowId(f.state.window_list()[0].id);
        let mode = f.state.layout().mode(id).unwrap();
        if let Mode::Fullscreen { .. } = mode {
            until(&mut f, "its place", |f| {
                program.place(f, window) == (0, 0, 1280, 800)
            });
            let kept = program.property(&mut f, window, "_NET_WM_STATE");
            assert!(kept.contains(&full), "{kept:?}");
        }
        program.connection.destroy_window(window).unwrap();
        program.connection.flush().unwrap();
        until(&mut f, "it is gone", |f| f.state.window_list().is_empty());
        mode
    };
    assert!(matches!(shown(&[full]), Mode::Fullscreen { .. }));
    assert_eq!(shown(&[high, wide]), Mode::Maximised);
    assert_eq!(shown(&[wide]), Mode::Normal, "that is half of it");
}

#[test]
fn a_program_hands_the_focus_on_only_while_x_programs_are_used() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let first = program.window(&mut f, "first", (200, 100), 0x10_10_10);
    program.window(&mut f, "second", (200, 100), 0x20_20_20);
    assert_eq!(f.titles(), "second*@1 first@1");
    program.ask_manager(&mut f, first, "_NET_ACTIVE_WINDOW", [1, 0, 0, 0, 0]);
    until(&mut f, "it is used", |f| f.titles() == "first*@1 second@1");

    let mut client = f.client();
    f.window(&mut client, "wayland", (200, 100), 0);
    program.ask_manager(&mut f, first, "_NET_ACTIVE_WINDOW", [1, 0, 0, 0, 0]);
    // What comes after it was heard, so it was as well.
    program.window(&mut f, "third", (200, 100), 0x30_30_30);
    assert_eq!(f.titles(), "third*@1 wayland@1 first@1 second@1");
}

#[test]
fn the_icon_of_a_window_is_in_its_title_bar() {
    const SIDE: u32 = 36;
    let mut f = fixture();
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "icon", (300, 200), 0);
    let name = program.atom(&mut f, "_NET_WM_ICON");
    let mut numbers = vec![SIDE, SIDE];
    numbers.resize(2 + (SIDE * SIDE) as usize, 0xff_12_e0_34);
    let set = program.connection.change_property32(
        PropMode::REPLACE,
        window,
        name,
        AtomEnum::CARDINAL,
        &numbers,
    );
    set.unwrap();
    program.connection.flush().unwrap();
    let listed = f.state.window_list().remove(0);
    until(&mut f, "the icon is drawn", |f| {
        let y = (listed.y + BAR / 2).unsigned_abs();
        (0..BAR).any(|x| f.pixel((listed.x + x).unsigned_abs(), y) == [0x12, 0xe0, 0x34])
    });
}

#[test]
fn a_floating_window_gets_the_size_and_place_that_its_program_asks_for() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "moves", (300, 200), 0x20_20_d0);
    let change = ConfigureWindowAux::new().x(40).y(90).width(500).height(333);
    program.configure(window, &change);
    until(&mut f, "the place", |f| {
        program.place(f, window) == (40, 90, 500, 333)
    });
    let listed = f.state.window_list().remove(0);
    assert_eq!((listed.x, listed.y), (40, 90 - BAR));

    // What is smaller than the program can be is not asked of it.
    let hints = WmSizeHints {
        min_size: Some((400, 300)),
        ..WmSizeHints::default()
    };
    let set = hints.set_normal_hints(&*program.connection, window);
    set.unwrap();
    program.connection.flush().unwrap();
    let edge = (f64::from(40 + 500 + 3), f64::from(200));
    until(&mut f, "the limits are known", |f| {
        f.pointer(edge.0, edge.1);
        f.button(LEFT, true);
        f.pointer(edge.0 - 400.0, edge.1);
        f.button(LEFT, false);
        let width = f.state.window_list()[0].width;
        assert!(width <= 500);
        // Begun before they were known, the drag made it smaller than that.
        if width < 400 {
            program.configure(window, &change);
        }
        width == 400
    });
}

#[test]
fn menus_place_themselves_and_take_clicks_above_all_windows() {
    let mut f = fixture();
    let mut program = Program::start(&mut f);
    let window = program.window(&mut f, "below", (400, 300), 0x10_10_10);
    let menu = program.create((700, 500, 120, 80), 0x10_10_e0, true);
    program.map(menu);
    until(&mut f, "the menu is drawn", |f| {
        f.pixel(760, 540) == [0x10, 0x10, 0xe0]
    });
    assert_eq!(f.titles(), "below*@1", "it is no window of ours");
    f.click(710.0, 520.0);
    program.hears(
        &mut f,
        "the click",
        |event| matches!(event, Event::ButtonPress(press) if press.event == menu),
    );
    // The keys still are the window's.
    f.chord(&[A]);
    program.hears(
        &mut f,
        "the key",
        |event| matches!(event, Event::KeyPress(key) if key.event == window),
    );
    program.configure(menu, &ConfigureWindowAux::new().x(100).y(600));
    until(&mut f, "it moved", |f| {
        f.pixel(110, 610) == [0x10, 0x10, 0xe0]
    });
    program.connection.unmap_window(menu).unwrap();
    program.connection.flush().unwrap();
    until(&mut f, "it is gone", |f| {
        f.pixel(110, 610) != [0x10, 0x10, 0xe0]
    });
}

#[test]
fn a_menu_that_was_started_by_a_key_has_the_keys() {
    let mut f = fixture();
    let mut client = f.client();
    f.window(&mut client, "wayland", (200, 100), 0);
    let mut program = Program::start(&mut f);
    let menu = program.create((0, 0, 1280, 30), 0x40_40_40, true);
    program.map(menu);
    program.hears(
        &mut f,
        "the focus",
        |event| matches!(event, Event::FocusIn(focus) if focus.event == menu),
    );
    f.chord(&[A]);
    program.hears(
        &mut f,
        "the key",
        |event| matches!(event, Event::KeyPress(key) if key.event == menu),
    );
    program.connection.unmap_window(menu).unwrap();
    program.connection.flush().unwrap();
    until(&mut f, "the window has them again", |f| {
        f.roundtrip(&mut client);
        client.events.keyboard.is_some()
    });
}

#[test]
fn programs_that_take_the_focus_themselves_are_asked_to() {
    let mut f = fixture();
    let mut program = Program::start(&mut f);
    let window = program.create((0, 0, 200, 100), 0x50_50_50, false);
    let [protocols, take] =
        ["WM_PROTOCOLS", "WM_TAKE_FOCUS"].map(|name| program.atom(&mut f, name));
    let hints = WmHints {
        input: Some(false),
        ..WmHints::default()
    };
    hints.set(&*program.connection, window).unwrap();
    program
        .connection
        .change_property32(
            PropMode::REPLACE,
            window,
            protocols,
            AtomEnum::ATOM,
            &[take],
        )
        .unwrap();
    program.map(window);
    program.hears(&mut f, "it may take the focus", |event| {
        matches!(event, Event::ClientMessage(message) if message.data.as_data32()[0] == take)
    });
}

#[test]
fn windows_close_by_asking_or_else_for_good() {
    let mut f = fixture();
    let mut program = Program::start(&mut f);
    let asked = program.window(&mut f, "asked", (200, 100), 0);
    let [protocols, delete] =
        ["WM_PROTOCOLS", "WM_DELETE_WINDOW"].map(|name| program.atom(&mut f, name));
    program
        .connection
        .change_property32(
            PropMode::REPLACE,
            asked,
            protocols,
            AtomEnum::ATOM,
            &[delete],
        )
        .unwrap();
    program.connection.flush().unwrap();
    // Once the compositor has heard of a later request, it has heard of this.
    program.say(asked, AtomEnum::WM_NAME, "willing");
    program.connection.flush().unwrap();
    until(&mut f, "it is known", |f| f.titles() == "willing*@1");
    f.chord(&[SUPER, Q]);
    program.hears(&mut f, "it is asked", |event| {
        matches!(event, Event::ClientMessage(message) if message.data.as_data32()[0] == delete)
    });
    assert_eq!(f.titles(), "willing*@1");
    program.connection.destroy_window(asked).unwrap();
    program.connection.flush().unwrap();
    until(&mut f, "it is gone", |f| f.titles().is_empty());

    program.window(&mut f, "unasked", (200, 100), 0);
    f.chord(&[SUPER, Q]);
    until(&mut f, "that is gone too", |f| f.titles().is_empty());
}

#[test]
fn x_and_wayland_windows_share_the_order_and_a_dialog_stays_above_its_parent() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    let one = program.window(&mut f, "one", (300, 200), 0);
    let two = program.window(&mut f, "two", (300, 200), 0);
    let mut client = f.client();
    f.window(&mut client, "three", (300, 200), 0);
    assert_eq!(f.titles(), "three*@1 two@1 one@1");
    let order = |f: &mut Fixture| program.property(f, program.root(), "_NET_CLIENT_LIST_STACKING");
    until(&mut f, "the order", |f| order(f) == [one, two]);
    let id = f.state.window_list().last().unwrap().id;
    let (answer, _) = tokio::sync::oneshot::channel();
    f.state
        .bus_request(argos_compositor::bus::Request::Focus(id, answer));
    assert_eq!(f.titles(), "one*@1 three@1 two@1");
    until(&mut f, "the other order", |f| order(f) == [two, one]);

    let dialog = program.create((0, 0, 100, 50), 0, false);
    program.say(dialog, AtomEnum::WM_NAME, "dialog");
    program
        .connection
        .change_property32(
            PropMode::REPLACE,
            dialog,
            AtomEnum::WM_TRANSIENT_FOR,
            AtomEnum::WINDOW,
            &[two],
        )
        .unwrap();
    program.map(dialog);
    until(&mut f, "the dialog", |f| {
        f.titles().starts_with("dialog*@1")
    });
    let centre = |window: &argos_bus::compositor::Window| {
        (window.x + window.width / 2, window.y + window.height / 2)
    };
    let windows = f.state.window_list();
    let parent = windows.iter().find(|window| window.title == "two").unwrap();
    assert_eq!(centre(&windows[0]), centre(parent));
}

#[test]
fn a_press_becomes_a_drag_when_its_program_says_so() {
    let mut f = fixture();
    let mut program = Program::start(&mut f);
    let window = program.window(&mut f, "dragged", (300, 200), 0);
    let before = f.state.window_list().remove(0);
    let (x, y) = (f64::from(before.x + 50), f64::from(before.y + 100));
    program.change(
        window,
        &ChangeWindowAttributesAux::new()
            .event_mask(EventMask::BUTTON_PRESS | EventMask::STRUCTURE_NOTIFY),
    );
    f.pointer(x, y);
    f.button(LEFT, true);
    program.hears(&mut f, "the press", |event| {
        matches!(event, Event::ButtonPress(_))
    });
    // 8: move; by the first button.
    program.ask_manager(&mut f, window, "_NET_WM_MOVERESIZE", [0, 0, 8, 1, 1]);
    let mut step = 0.0;
    until(&mut f, "it moves", |f| {
        step += 1.0;
        f.pointer(x + 100.0 + step % 2.0, y + 60.0);
        f.state.window_list()[0].x > before.x + 90
    });
    f.button(LEFT, false);
    let after = f.state.window_list().remove(0);
    assert_eq!(after.y, before.y + 60);
    until(&mut f, "it knows", |f| {
        program.place(f, window).1 == after.y + BAR
    });
}

#[test]
fn rules_hold_for_x_windows_by_their_class() {
    let text = "rules: [{match: {app-id: Class-far}, set: {workspace: 3, size: [333, 222], decoration: false}}]";
    let mut f = with(argos_config::parse("rules", text).unwrap());
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "far", (100, 100), 0);
    let listed = f.state.window_list().remove(0);
    assert_eq!(listed.workspace, 3);
    assert_eq!((listed.width, listed.height), (333, 222));
    until(&mut f, "its size", |f| {
        let (_, _, w, h) = program.place(f, window);
        (w, h) == (333, 222)
    });
}

#[test]
fn when_the_server_is_killed_its_windows_go_and_the_next_program_gets_a_new_one() {
    let mut f = fixture();
    let mut client = f.client();
    f.window(&mut client, "stays", (200, 100), 0);
    let program = Program::start(&mut f);
    program.window(&mut f, "goes", (200, 100), 0);
    let name = f.state.x11_display();
    for server in servers(&f) {
        rustix::process::kill_process(server, rustix::process::Signal::KILL).unwrap();
    }
    until(&mut f, "its window is gone", |f| f.titles() == "stays*@1");
    drop(program);

    let program = Program::start(&mut f);
    program.window(&mut f, "again", (200, 100), 0);
    assert_eq!(f.titles(), "again*@1 stays@1");
    assert_eq!(f.state.x11_display(), name);
}

#[test]
fn a_server_that_hangs_does_not_stop_the_desktop() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    program.window(&mut f, "hangs", (200, 100), 0);
    for server in servers(&f) {
        rustix::process::kill_process(server, rustix::process::Signal::STOP).unwrap();
    }
    // It is told of each step of a drag, until it takes no more and the compositor has to wait.
    let window = f.state.window_list().remove(0);
    let (x, y) = (f64::from(window.x + 20), f64::from(window.y + 10));
    f.pointer(x, y);
    f.button(LEFT, true);
    let mut step = 0;
    until(&mut f, "the server is ended", |f| {
        for _ in 0..20 {
            step += 1;
            f.pointer(x + f64::from(step % 200), y);
        }
        f.titles().is_empty()
    });
    f.button(LEFT, false);
    let program = Program::start(&mut f);
    program.window(&mut f, "after", (200, 100), 0);
}

#[test]
fn the_settings_switch_x_programs_off_and_on() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    program.window(&mut f, "x", (200, 100), 0);
    let name = f.state.x11_display().unwrap();
    let socket = format!("/tmp/.X11-unix/X{}", &name[1..]);
    assert!(std::fs::exists(&socket).unwrap());
    let off: Config = argos_config::parse("off", "xwayland: {enabled: false}").unwrap();
    f.state.apply_settings(off);
    assert_eq!(f.state.x11_display(), None);
    assert_eq!(f.titles(), "");
    assert!(!std::fs::exists(&socket).unwrap());
    f.state.apply_settings(Config::default());
    let program = Program::start(&mut f);
    program.window(&mut f, "y", (200, 100), 0);
    assert_eq!(f.titles(), "y*@1");
}

#[test]
fn x_windows_are_behind_a_lock_like_all_others() {
    let mut f = fixture();
    let program = Program::start(&mut f);
    program.window(&mut f, "secret", (1200, 700), 0xee_00_00);
    let menu = program.create((10, 10, 50, 50), 0xee_00_00, true);
    program.map(menu);
    until(&mut f, "it is seen", |f| f.pixel(20, 20) == [0xee, 0, 0]);
    let mut locker = f.trusted_client();
    locker.lock();
    f.roundtrip(&mut locker);
    assert_ne!(f.pixel(20, 20), [0xee, 0, 0]);
    assert_ne!(f.pixel(640, 400), [0xee, 0, 0]);
}
