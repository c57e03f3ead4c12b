//! X programs on outputs whose scale is not 1.

use std::collections::HashMap;

use argos_compositor::{
    config::Config,
    smithay::reexports::x11rb::{
        connection::Connection,
        protocol::{
            Event,
            xproto::{
                AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt,
                CreateGCAux, EventMask, Rectangle, Window,
            },
        },
        rust_connection::RustConnection,
    },
};

use super::{
    BAR,
    client::{Program, alongside, until},
    with,
};
use crate::fixture::Fixture;

fn settings(text: &str) -> Config {
    argos_config::parse("compositor.yaml", text).unwrap()
}

/// Settings for an output of that scale.
fn scaled(scale: &str) -> Config {
    settings(&format!("outputs: {{one: {{scale: {scale}}}}}"))
}

/// Lines of one pixel, white and black in turn, over a window that is black.
fn draw_lines(program: &Program, window: Window, (width, height): (i16, u16)) {
    let gc = program.connection.generate_id().unwrap();
    let white = CreateGCAux::new().foreground(0xff_ff_ff);
    program.connection.create_gc(gc, window, &white).unwrap();
    let lines: Vec<_> = (0..width)
        .step_by(2)
        .map(|x| Rectangle {
            x,
            y: 0,
            width: 1,
            height,
        })
        .collect();
    program
        .connection
        .poly_fill_rectangle(window, gc, &lines)
        .unwrap();
    program.connection.flush().unwrap();
}

/// Whether the screen shows those lines, pixel for pixel, over `width` of it.
fn shows_lines(f: &mut Fixture, (x, y): (i32, i32), width: u32) -> bool {
    let output = f.output.clone();
    let picture = f.state.screenshot(&output).unwrap();
    let (x, y) = (x.unsigned_abs(), y.unsigned_abs());
    (0..width).all(|at| {
        let wanted = if at % 2 == 0 { [255; 3] } else { [0; 3] };
        picture.pixel(x + at, y) == wanted
    })
}

/// The resources, as a program reads them that just connected.
fn resources(connection: &RustConnection) -> String {
    let root = connection.setup().roots[0].root;
    let property = connection.get_property(
        false,
        root,
        AtomEnum::RESOURCE_MANAGER,
        AtomEnum::STRING,
        0,
        1024,
    );
    String::from_utf8(property.unwrap().reply().unwrap().value).unwrap()
}

/// The numbers in XSETTINGS, by their names.
fn xsettings(connection: &RustConnection) -> HashMap<String, i32> {
    let atom = |name: &str| {
        let cookie = connection.intern_atom(false, name.as_bytes()).unwrap();
        cookie.reply().unwrap().atom
    };
    let owner = connection.get_selection_owner(atom("_XSETTINGS_S0"));
    let owner = owner.unwrap().reply().unwrap().owner;
    assert_ne!(owner, 0, "nobody has XSETTINGS");
    let property = connection.get_property(
        false,
        owner,
        atom("_XSETTINGS_SETTINGS"),
        AtomEnum::ANY,
        0,
        4096,
    );
    let bytes = property.unwrap().reply().unwrap().value;
    let number = |at: usize| i32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let padded = |length: usize| length.next_multiple_of(4);
    let mut found = HashMap::new();
    let mut at = 12;
    for _ in 0..number(8) {
        let length = usize::from(u16::from_ne_bytes([bytes[at + 2], bytes[at + 3]]));
        let name = String::from_utf8(bytes[at + 4..at + 4 + length].to_vec()).unwrap();
        let value = at + 4 + padded(length) + 4;
        match bytes[at] {
            0 => {
                found.insert(name, number(value));
                at = value + 4;
            }
            1 => at = value + 4 + padded(number(value) as usize),
            other => panic!("{name} is of type {other}"),
        }
    }
    found
}

/// Waits until programs are told of so many dots per inch, in both places.
fn are_told(f: &mut Fixture, program: &Program, dpi: i32) {
    let line = format!("Xft.dpi:\t{dpi}\n");
    until(f, &line, |f| {
        let connection = program.connection.clone();
        let (text, numbers) = alongside(f, "what is told", move || {
            (resources(&connection), xsettings(&connection))
        });
        text.contains(&line) && numbers.get("Xft/DPI") == Some(&(dpi * 1024))
    });
}

#[test]
fn at_scale_2_each_pixel_of_a_window_is_one_of_the_screen() {
    let mut f = with(scaled("2"));
    let program = Program::start(&mut f);
    let root = program.root();
    until(&mut f, "the X screen has the output's pixels", |f| {
        program.place(f, root) == (0, 0, 1280, 800)
    });
    let window = program.window(&mut f, "lines", (300, 200), 0);
    let listed = f.state.window_list().remove(0);
    assert_eq!((listed.width, listed.height), (150, 100 + BAR));
    let (x, y) = (2 * listed.x, 2 * (listed.y + BAR));
    until(&mut f, "its place", |f| {
        program.place(f, window) == (x, y, 300, 200)
    });
    draw_lines(&program, window, (300, 200));
    until(&mut f, "the lines are as sharp", |f| {
        shows_lines(f, (x, y + 100), 300)
    });
}

#[test]
fn at_a_scale_between_whole_ones_pixels_are_sharp_as_well() {
    let mut f = with(scaled("1.5"));
    let program = Program::start(&mut f);
    // The layout has no size between 200 and 201, so there is none of 301 pixels.
    let window = program.window(&mut f, "lines", (301, 201), 0);
    let listed = f.state.window_list().remove(0);
    assert_eq!((listed.width, listed.height), (201, 134 + BAR));
    until(&mut f, "its size", |f| {
        let (_, _, w, h) = program.place(f, window);
        (w, h) == (302, 201)
    });
    draw_lines(&program, window, (302, 201));
    let (x, y, ..) = program.place(&mut f, window);
    until(&mut f, "the lines are as sharp", |f| {
        shows_lines(f, (x, y + 100), 302)
    });

    // What places itself has whatever size it wants.
    let menu = program.create((31, 47, 101, 51), 0, true);
    program.map(menu);
    until(&mut f, "the lines of the menu are there", |f| {
        draw_lines(&program, menu, (101, 51));
        shows_lines(f, (31, 47 + 25), 101)
    });
}

#[test]
fn the_pointer_is_on_the_pixel_that_the_program_hears_of() {
    for (scale, at, pixel) in [
        ("2", (10.5, 20.0), (21, 40)),
        ("1.5", (10.0, 20.0), (15, 30)),
    ] {
        let mut f = with(scaled(scale));
        let mut program = Program::start(&mut f);
        let window = program.window(&mut f, "hit", (300, 200), 0);
        let listed = f.state.window_list().remove(0);
        let origin = (f64::from(listed.x), f64::from(listed.y + BAR));
        f.click(origin.0 + at.0, origin.1 + at.1);
        let pressed = program.hears(
            &mut f,
            "the click",
            |event| matches!(event, Event::ButtonPress(press) if press.event == window),
        );
        let Event::ButtonPress(pressed) = pressed else {
            unreachable!()
        };
        assert_eq!((pressed.event_x, pressed.event_y), pixel, "scale {scale}");
    }
}

#[test]
fn a_menu_stands_at_the_side_of_its_window_and_takes_clicks_there() {
    let mut f = with(scaled("2"));
    let mut program = Program::start(&mut f);
    let window = program.window(&mut f, "parent", (300, 200), 0x10_e0_10);
    let (x, y, w, _) = program.place(&mut f, window);
    let (left, top) = (x + w as i32, y + 21);
    // Neither its place nor its size is a whole one of the layout.
    let menu = program.create((left as i16, top as i16, 101, 51), 0x10_10_e0, true);
    program.map(menu);
    let row = (top + 25).unsigned_abs();
    let left = left.unsigned_abs();
    until(&mut f, "the menu is drawn", |f| {
        f.pixel(left + 50, row) == [0x10, 0x10, 0xe0]
    });
    assert_eq!(f.pixel(left - 1, row), [0x10, 0xe0, 0x10], "the window");
    assert_eq!(f.pixel(left, row), [0x10, 0x10, 0xe0], "its first column");
    assert_eq!(f.pixel(left + 100, row), [0x10, 0x10, 0xe0], "its last");
    assert_ne!(f.pixel(left + 101, row), [0x10, 0x10, 0xe0], "beside it");

    f.click(f64::from(left) / 2.0 + 5.0, f64::from(top) / 2.0 + 7.0);
    let pressed = program.hears(
        &mut f,
        "the click",
        |event| matches!(event, Event::ButtonPress(press) if press.event == menu),
    );
    let Event::ButtonPress(pressed) = pressed else {
        unreachable!()
    };
    assert_eq!((pressed.event_x, pressed.event_y), (10, 14));
    assert_eq!(i32::from(pressed.root_x), left as i32 + 10);
}

#[test]
fn a_place_that_a_program_asks_for_is_in_pixels() {
    let mut f = with(scaled("2"));
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "moves", (300, 200), 0);
    let change = ConfigureWindowAux::new()
        .x(80)
        .y(180)
        .width(501)
        .height(334);
    program.configure(window, &change);
    until(&mut f, "the place", |f| {
        program.place(f, window) == (80, 180, 502, 334)
    });
    let listed = f.state.window_list().remove(0);
    assert_eq!((listed.x, listed.y), (40, 90 - BAR));
    assert_eq!((listed.width, listed.height), (251, 167 + BAR));
    // Asked once more for what it has, it stays so; and what is not asked for stays.
    for _ in 0..3 {
        program.configure(window, &ConfigureWindowAux::new().width(502));
        program.configure(window, &ConfigureWindowAux::new().x(81));
        until(&mut f, "the next place", |f| {
            program.place(f, window).0 == 82
        });
        program.configure(window, &ConfigureWindowAux::new().x(80));
        until(&mut f, "the place from before", |f| {
            program.place(f, window) == (80, 180, 502, 334)
        });
    }
}

#[test]
fn another_scale_is_followed_and_sizes_come_back() {
    let mut f = with(Config::default());
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "follows", (300, 200), 0x30_30_30);
    let size = |f: &mut Fixture| {
        let (_, _, w, h) = program.place(f, window);
        (w, h)
    };
    let listed = |f: &Fixture| {
        let listed = f.state.window_list().remove(0);
        (listed.width, listed.height - BAR)
    };
    are_told(&mut f, &program, 96);
    for (scale, pixels, dpi) in [
        ("2", (600, 400), 192),
        ("1.5", (450, 300), 144),
        ("1", (300, 200), 96),
        ("1.25", (375, 250), 120),
        ("2", (600, 400), 192),
    ] {
        f.state.apply_settings(scaled(scale));
        until(&mut f, scale, |f| size(f) == pixels);
        assert_eq!(listed(&f), (300, 200), "scale {scale}");
        are_told(&mut f, &program, dpi);
    }
    let magnified = "xwayland: {scale: magnified}\noutputs: {one: {scale: 2}}";
    f.state.apply_settings(settings(magnified));
    until(&mut f, "it draws for scale 1", |f| size(f) == (300, 200));
    assert_eq!(listed(&f), (300, 200));
    are_told(&mut f, &program, 96);
    let root = program.root();
    until(&mut f, "and so does the X screen", |f| {
        program.place(f, root) == (0, 0, 640, 400)
    });
}

#[test]
fn a_full_screen_window_has_the_outputs_pixels() {
    // No whole size of the layout is 800 pixels.
    let mut f = with(scaled("1.7"));
    let program = Program::start(&mut f);
    let window = program.window(&mut f, "full", (300, 200), 0);
    let full = program.atom(&mut f, "_NET_WM_STATE_FULLSCREEN");
    program.ask_manager(&mut f, window, "_NET_WM_STATE", [1, full, 0, 1, 0]);
    until(&mut f, "full screen", |f| {
        program.place(f, window) == (0, 0, 1280, 800)
    });
    // What the window shows is lost whenever it becomes another size. The pointer is in the middle.
    until(&mut f, "the lines are as sharp", |f| {
        draw_lines(&program, window, (1280, 800));
        shows_lines(f, (0, 100), 1280)
    });
}

#[test]
fn a_program_is_told_how_large_things_are_when_it_connects() {
    let text = "cursor: {theme: Adwaita, size: 32}\noutputs: {one: {scale: 1.5}}";
    let mut f = with(settings(text));
    let name = f.state.x11_display().unwrap();
    // The one for which the server starts reads them at once; on a busy machine it may be too early, the next is not.
    until(&mut f, "the resources", |f| {
        let name = name.clone();
        let text = alongside(f, "a program", move || {
            let (connection, _) = RustConnection::connect(Some(&name)).unwrap();
            resources(&connection)
        });
        let wanted = [
            "Xft.dpi:\t144\n",
            "Xcursor.size:\t48\n",
            "Xcursor.theme:\tAdwaita\n",
        ];
        wanted.iter().all(|line| text.contains(line))
    });
}

#[test]
fn xsettings_say_the_whole_scale_and_the_rest_in_letters() {
    let mut f = with(scaled("2.5"));
    let program = Program::start(&mut f);
    are_told(&mut f, &program, 240);
    let connection = program.connection.clone();
    let numbers = alongside(&mut f, "XSETTINGS", move || xsettings(&connection));
    assert_eq!(numbers["Gdk/WindowScalingFactor"], 2);
    assert_eq!(numbers["Gdk/UnscaledDPI"], 120 * 1024);
    assert_eq!(numbers["Gtk/CursorThemeSize"], 60);

    let cursor = "cursor: {size: 48}\noutputs: {one: {scale: 2.5}}";
    f.state.apply_settings(settings(cursor));
    until(&mut f, "the other cursor", |f| {
        let connection = program.connection.clone();
        let numbers = alongside(f, "XSETTINGS", move || xsettings(&connection));
        numbers["Gtk/CursorThemeSize"] == 120
    });
}

#[test]
fn a_press_becomes_a_drag_at_any_scale() {
    let mut f = with(scaled("2"));
    let mut program = Program::start(&mut f);
    let window = program.window(&mut f, "dragged", (300, 200), 0);
    let before = f.state.window_list().remove(0);
    let (x, y) = (f64::from(before.x + 50), f64::from(before.y + 60));
    program.change(
        window,
        &ChangeWindowAttributesAux::new()
            .event_mask(EventMask::BUTTON_PRESS | EventMask::STRUCTURE_NOTIFY),
    );
    f.pointer(x, y);
    f.button(argos_compositor::LEFT, true);
    program.hears(&mut f, "the press", |event| {
        matches!(event, Event::ButtonPress(_))
    });
    program.ask_manager(&mut f, window, "_NET_WM_MOVERESIZE", [0, 0, 8, 1, 1]);
    let mut step = 0.0;
    until(&mut f, "it moves", |f| {
        step += 1.0;
        f.pointer(x + 60.0 + step % 2.0, y + 40.0);
        f.state.window_list()[0].x > before.x + 55
    });
    f.button(argos_compositor::LEFT, false);
    let after = f.state.window_list().remove(0);
    until(&mut f, "it knows, and is as large", |f| {
        let place = program.place(f, window);
        place == (2 * after.x, 2 * (after.y + BAR), 300, 200)
    });
}
