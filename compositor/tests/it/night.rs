//! Warmer colours: on the screen and in no picture, by the clock, by hand, by a gamma table.

use argos_compositor::{
    backend::headless,
    config::{Config, NightLight},
};
use wayland_client::Proxy;
use wayland_protocols_wlr::gamma_control::v1::client::zwlr_gamma_control_manager_v1::ZwlrGammaControlManagerV1;

use crate::fixture::Fixture;

const WHITE: [u8; 3] = [255; 3];

fn config(temperature: u32) -> Config {
    Config {
        night_light: NightLight {
            enabled: true,
            temperature,
            ..NightLight::default()
        },
        ..Config::default()
    }
}

fn clock(f: &mut Fixture, time: &str) {
    let time: jiff::Zoned = format!("2026-03-20T{time}[UTC]").parse().unwrap();
    f.state.set_wall_clock(move || time.clone());
    f.turn();
}

/// Goes on until white is as it is to be.
fn white(f: &mut Fixture, seen: &dyn Fn() -> [u8; 3], ready: &dyn Fn([u8; 3]) -> bool) {
    f.until("the colours", |_| ready(seen()));
}

#[test]
fn the_screen_is_warm_and_pictures_are_not() {
    let (mut f, notes) = Fixture::looked_at(config(3000));
    clock(&mut f, "12:00");
    let mut client = f.client();
    let window = f.window(&mut client, "white", (400, 300), 0xff_ffff);
    let at = f.state.window_list()[0].clone();
    let (x, y) = ((at.x + 50) as u32, (at.y + 50) as u32);
    let seen = || notes.pixel(x, y);
    assert_eq!(seen(), WHITE);

    clock(&mut f, "23:00");
    // Of 3000 kelvins: red as ever, less than half of the blue.
    let warm = [255, 187, 109];
    white(&mut f, &seen, &|white| white == warm);
    assert_eq!(f.pixel(x, y), WHITE);
    f.until("nothing more changes", |f| {
        let frames = f.state.frames();
        std::thread::sleep(std::time::Duration::from_millis(60));
        f.turn();
        f.turn();
        f.state.frames() == frames
    });
    assert_eq!(seen(), warm);

    // What is drawn anew is warm once, and what is not stays as it was.
    let frames = f.state.frames();
    client.fill(&window.surface, (400, 300), 0x80_8080);
    f.roundtrip(&mut client);
    assert!(f.state.frames() > frames);
    let grey = seen();
    assert_eq!(grey[0], 128);
    let half = (u32::from(warm[2]) * 128 + 127) / 255;
    assert_eq!(u32::from(grey[2]), half);
    client.fill(&window.surface, (400, 300), 0xff_ffff);
    f.roundtrip(&mut client);
    assert_eq!(seen(), warm);
    let corner = notes.pixel(1279, 799);
    f.pointer(10.0, 10.0);
    f.pointer(600.0, 400.0);
    assert_eq!(notes.pixel(1279, 799), corner);

    clock(&mut f, "12:00");
    white(&mut f, &seen, &|white| white == WHITE);
}

#[test]
fn by_hand_it_is_as_said_until_the_evening_or_the_morning() {
    let (mut f, notes) = Fixture::looked_at(config(4000));
    let mut client = f.client();
    f.window(&mut client, "white", (400, 300), 0xff_ffff);
    let at = f.state.window_list()[0].clone();
    let (x, y) = ((at.x + 50) as u32, (at.y + 50) as u32);
    let seen = || notes.pixel(x, y);
    clock(&mut f, "12:00");
    assert_eq!(f.state.night_light(), (false, 4000));
    f.state.set_night_light(true, Some(2000));
    assert_eq!(f.state.night_light(), (true, 2000));
    white(&mut f, &seen, &|[.., blue]| blue < 50);
    f.state.set_night_light(false, None);
    white(&mut f, &seen, &|white| white == WHITE);
    f.state.set_night_light(true, None);
    clock(&mut f, "13:00");
    assert_eq!(f.state.night_light(), (true, 4000));
    clock(&mut f, "22:00");
    f.state.set_night_light(false, None);
    clock(&mut f, "23:30");
    assert_eq!(f.state.night_light(), (false, 4000));
    clock(&mut f, "12:00");
    clock(&mut f, "22:00");
    assert_eq!(
        f.state.night_light(),
        (true, 4000),
        "the next evening is one again"
    );
    white(&mut f, &seen, &|[.., blue]| blue < 200);

    // Other settings take effect at once, and what was said by hand is over.
    f.state.set_night_light(false, None);
    f.state.apply_settings(config(2000));
    assert_eq!(f.state.night_light(), (true, 2000));
    white(&mut f, &seen, &|[.., blue]| blue < 50);
    f.state.apply_settings(Config::default());
    white(&mut f, &seen, &|white| white == WHITE);
    assert_eq!(f.state.night_light(), (false, 4000));
}

#[test]
fn a_gamma_table_is_warm_instead_of_what_is_drawn_and_clients_go_before() {
    let (mut f, notes) = Fixture::looked_at(Config::default());
    notes.gamma_size.set(2);
    let mut client = f.client();
    f.window(&mut client, "white", (400, 300), 0xff_ffff);
    let at = f.state.window_list()[0].clone();
    let (x, y) = ((at.x + 50) as u32, (at.y + 50) as u32);
    f.state.set_night_light(true, Some(3000));
    let blue = |table: &Option<Vec<u16>>| table.as_ref().map(|table| table[5]);
    f.until("the table", |_| {
        blue(&notes.gamma.borrow()).is_some_and(|blue| blue < 32_000)
    });
    f.turn();
    assert_eq!(notes.pixel(x, y), WHITE);
    let table = notes.gamma.borrow().clone().unwrap();
    assert_eq!(table[..2], [0, 65_535]);

    let mut tool = f.client();
    let manager: ZwlrGammaControlManagerV1 = tool.bind_version(1, ());
    let heard = std::sync::Arc::<std::sync::Mutex<crate::gamma::Heard>>::default();
    let control = manager.get_gamma_control(&tool.output(0), &tool.qh, heard);
    f.roundtrip(&mut tool);
    assert!(control.is_alive());
    assert_eq!(*notes.gamma.borrow(), None, "it is the client's now");
    f.state.set_night_light(true, Some(2500));
    f.roundtrip(&mut tool);
    assert_eq!(*notes.gamma.borrow(), None);
    assert_eq!(notes.pixel(x, y), WHITE);
    f.dies(tool);
    f.until("the table", |_| {
        blue(&notes.gamma.borrow()).is_some_and(|blue| blue < 26_000)
    });

    // An output that comes later is warm as well.
    *notes.gamma.borrow_mut() = None;
    headless::add_output(&mut f.state, "two", 640, 480);
    assert!(notes.gamma.borrow().is_some());
    f.state.set_night_light(false, None);
    f.until("no table", |_| notes.gamma.borrow().is_none());
}

#[test]
fn a_screen_of_any_turn_and_scale_is_warm_as_a_whole() {
    use argos_compositor::smithay::{output::Scale, utils::Transform};
    let (mut f, notes) = Fixture::looked_at(Config::default());
    let output = f.output.clone();
    output.change_current_state(
        None,
        Some(Transform::_90),
        Some(Scale::Fractional(1.5)),
        None,
    );
    headless::resize_output(&mut f.state, &output, 1281, 801);
    f.turn();
    let before = notes.shown.borrow().clone().unwrap();
    f.state.set_night_light(true, Some(2000));
    f.until("warm to every side", |_| {
        let shown = notes.shown.borrow();
        let shown = shown.as_ref().unwrap();
        let corners = [(0, 0), (1280, 0), (0, 800), (1280, 800)];
        corners
            .iter()
            .all(|(x, y)| shown.pixel(*x, *y)[2] * 5 < before.pixel(*x, *y)[2])
    });
    // Apart from the pointer there is only the bare ground, in one colour.
    let count = |picture: &argos_compositor::render::Picture| {
        let ground = picture.pixel(0, 0);
        let all = picture.rgba.chunks_exact(4);
        all.filter(|pixel| pixel[..3] == ground).count()
    };
    let shown = notes.shown.borrow().clone().unwrap();
    let (shown, before) = (count(&shown), count(&before));
    assert!(shown > 1_000_000 && shown >= before, "{shown} {before}");
}

#[test]
fn with_less_motion_the_colours_are_there_at_once() {
    let mut calm = config(4000);
    calm.accessibility.reduced_motion = true;
    let (mut f, notes) = Fixture::looked_at(calm);
    let mut client = f.client();
    f.window(&mut client, "white", (400, 300), 0xff_ffff);
    let at = f.state.window_list()[0].clone();
    let (x, y) = ((at.x + 50) as u32, (at.y + 50) as u32);
    clock(&mut f, "12:00");
    assert!(f.state.shown_on_bus().reduced_motion);
    assert_eq!(notes.pixel(x, y), WHITE);
    f.state.set_night_light(true, Some(2000));
    f.turn();
    assert!(notes.pixel(x, y)[2] < 50, "{:?}", notes.pixel(x, y));
}
