//! What is seen on its way. The clock is the test's: it stands still until a test moves it on.
//!
//! After 64 ms, a fifth of the time that a movement takes, three fifths of the way are done.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use argos_compositor::{
    LEFT,
    backend::headless::{self, Headless},
    config::Config,
};
use wayland_client::protocol::wl_shm::Format;

use crate::{
    fixture::{Client, Fixture, Toplevel, rgb},
    watched::Notes,
};

const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const ONE: u32 = 2;
const TWO: u32 = 3;
const THREE: u32 = 4;
const W: u32 = 17;
const O: u32 = 24;
const ESCAPE: u32 = 1;

const RED: u32 = 0xc0_2020;
const BLUE: u32 = 0x20_20c0;

/// Longer than any movement.
const LONG: u64 = 400;

struct Moving {
    f: Fixture,
    notes: Rc<Notes>,
    /// Milliseconds.
    clock: Rc<Cell<u64>>,
}

impl Moving {
    fn new() -> Self {
        let (mut f, notes) = Fixture::looked_at(Config::default());
        let clock = Rc::new(Cell::new(1_000_000));
        let time = Rc::clone(&clock);
        let now = move || Duration::from_millis(time.get());
        f.state.set_frame_clock(now);
        Self { f, notes, clock }
    }

    /// One with a window of 400 by 300 in the middle, which begins at (440, 250) and has come.
    fn with_window() -> (Self, Client, Toplevel) {
        let mut m = Self::new();
        let mut client = m.f.client();
        let window = m.f.window(&mut client, "red", (400, 300), RED);
        m.later(LONG);
        (m, client, window)
    }

    fn later(&mut self, time: u64) {
        self.clock.set(self.clock.get() + time);
        self.f.turn();
    }

    /// What the screen shows there, which is not what a picture of it does while something moves.
    fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        self.notes.pixel(x, y)
    }

    /// How many frames were begun of the output with that name, or of any.
    fn begun(&self, output: &str) -> usize {
        let begun = self.notes.begun.borrow();
        begun.iter().filter(|name| name.contains(output)).count()
    }

    /// Nothing is drawn any more, and the screen shows what it would have if nothing had ever moved.
    fn is_still(&mut self) {
        self.f.turn();
        let begun = self.begun("");
        for _ in 0..20 {
            self.later(1);
        }
        assert_eq!(self.begun(""), begun, "nothing moves");
        let picture = self.f.state.screenshot(&self.f.output.clone()).unwrap();
        let shown = self.notes.shown.borrow();
        let shown = shown.as_ref().unwrap();
        let pixels = picture.rgba.chunks_exact(4).zip(shown.rgba.chunks_exact(4));
        let other = pixels
            .enumerate()
            .find(|(_, (one, two))| one[..3] != two[..3]);
        assert_eq!(other, None, "a pixel of {} in a row", picture.width);
    }
}

#[test]
fn a_window_comes_and_pictures_and_clients_know_nothing_of_it() {
    let mut m = Moving::new();
    let mut client = m.f.client();
    let ground = m.pixel(500, 300);
    let window = client.toplevel("red");
    m.f.roundtrip(&mut client);
    // The renderer of the tests can only fade what has an alpha channel.
    let buffer = client.buffer((400, 300), RED, Format::Argb8888);
    window.surface.attach(Some(&buffer), 0, 0);
    window.surface.damage_buffer(0, 0, 400, 300);
    window.surface.commit();
    m.f.roundtrip(&mut client);
    assert_eq!(m.pixel(500, 300), ground, "nothing of it is there yet");

    m.later(64);
    let there = m.pixel(500, 300);
    assert!((60..180).contains(&there[0]), "{there:?}");
    assert_eq!(m.pixel(442, 400), ground, "it is smaller");
    assert_eq!(m.f.pixel(442, 400), rgb(RED), "a picture of the screen");
    let id = m.f.state.window_list()[0].id;
    let picture = m.f.state.capture(id).unwrap();
    assert_eq!((picture.width, picture.height), (400, 300));
    assert_eq!(picture.pixel(0, 0), rgb(RED), "a picture of the window");
    let frames = client.events.frames;
    client.frame_callback(&window.surface);
    m.f.roundtrip(&mut client);
    assert_eq!(client.events.frames, frames + 1);

    m.later(LONG);
    assert_eq!((m.pixel(442, 400), m.pixel(500, 300)), (rgb(RED), rgb(RED)));
    m.is_still();
}

#[test]
fn a_window_goes_to_its_place_and_turns_back_midway() {
    let (mut m, mut client, window) = Moving::with_window();
    let ground = m.pixel(20, 20);
    window.toplevel.set_maximized();
    m.f.roundtrip(&mut client);
    assert_eq!(m.pixel(445, 260), rgb(RED));
    assert_eq!(m.pixel(430, 260), ground);

    m.later(64);
    // From (440, 250) on the way to (0, 0), with its old content as large as it is.
    for (inside, outside) in [
        ((190, 400), (170, 400)),
        ((1090, 400), (1110, 400)),
        ((300, 112), (300, 92)),
        ((300, 690), (300, 710)),
    ] {
        assert_eq!(m.pixel(inside.0, inside.1), rgb(RED), "{inside:?}");
        assert_eq!(m.pixel(outside.0, outside.1), ground, "{outside:?}");
    }
    // It takes input where it will be.
    m.f.pointer(10.0, 10.0);
    m.f.roundtrip(&mut client);
    assert_eq!(client.events.pointer.as_ref(), Some(&window.surface));

    window.toplevel.unset_maximized();
    m.f.roundtrip(&mut client);
    assert_eq!(m.pixel(190, 400), rgb(RED), "it does not leap");
    assert_eq!(m.pixel(170, 400), ground);
    m.later(5);
    assert_eq!(m.pixel(173, 400), rgb(RED), "it still has its speed");
    m.later(LONG);
    assert_eq!(m.pixel(445, 260), rgb(RED));
    assert_eq!(m.pixel(430, 260), ground);
    m.is_still();
}

#[test]
fn a_window_with_a_title_bar_moves_as_a_whole_at_any_scale() {
    use argos_compositor::smithay::output::Scale;
    let mut m = Moving::new();
    let output = m.f.output.clone();
    output.change_current_state(None, None, Some(Scale::Fractional(1.5)), None);
    m.f.turn();
    let mut client = m.f.client();
    let window = client.toplevel("bar");
    client.ask_for_title_bar(&window);
    m.f.roundtrip(&mut client);
    client.draw(&window, (300, 200), RED);
    m.f.roundtrip(&mut client);
    m.later(64);
    m.later(LONG);
    m.is_still();
    m.f.chord(&[SUPER, 105]); // Super+Left
    m.later(64);
    // Where the bar ends the content begins, with nothing between.
    let column: Vec<_> = (0..800).map(|y| m.pixel(300, y)).collect();
    let first = column.iter().position(|pixel| *pixel == rgb(RED)).unwrap();
    let ground = column[0];
    let bar = column.iter().position(|pixel| *pixel != ground).unwrap();
    assert!((40..60).contains(&(first - bar)), "{bar} {first}");
    assert!(!column[bar..first].contains(&ground));
    m.later(LONG);
    m.is_still();
}

#[test]
fn workspaces_slide() {
    let (mut m, mut client, _red) = Moving::with_window();
    let ground = m.pixel(20, 20);
    m.f.chord(&[SUPER, TWO]);
    m.f.window(&mut client, "blue", (400, 300), BLUE);
    m.later(LONG);
    m.f.chord(&[SUPER, ONE]);
    m.later(LONG);
    m.is_still();

    m.f.chord(&[SUPER, TWO]);
    assert_eq!(m.pixel(500, 300), rgb(RED));
    m.later(64);
    // 760 of 1280 pixels are done.
    assert_eq!(m.pixel(40, 400), rgb(RED));
    assert_eq!((m.pixel(100, 400), m.pixel(940, 400)), (ground, ground));
    assert_eq!(m.pixel(980, 400), rgb(BLUE));
    m.f.click(980.0, 400.0);
    m.f.roundtrip(&mut client);
    assert_eq!(client.events.clicks, 0, "that is not where it will be");
    m.f.chord(&[SUPER, ONE]);
    assert_eq!(m.pixel(40, 400), rgb(RED), "it does not leap");
    m.later(LONG);
    assert_eq!(m.pixel(500, 300), rgb(RED));
    m.is_still();

    // What lies between is not gone through.
    m.f.chord(&[SUPER, THREE]);
    for _ in 0..LONG / 20 {
        m.later(20);
        let row: Vec<_> = (0..1280).map(|x| m.pixel(x, 300)).collect();
        assert!(!row.contains(&rgb(BLUE)));
    }
    m.is_still();
}

#[test]
fn an_output_on_which_nothing_moves_is_not_drawn() {
    let (mut m, _client, _red) = Moving::with_window();
    headless::add_output(&mut m.f.state, "two", 640, 480);
    m.f.turn();
    m.later(LONG);
    // The second workspace is shown there.
    m.f.chord(&[SUPER, THREE]);
    m.f.turn();
    let (one, two) = (m.begun("one"), m.begun("two"));
    for _ in 0..10 {
        m.later(10);
    }
    assert_eq!(m.begun("two"), two);
    assert_eq!(m.begun("one"), one + 10);
}

#[test]
fn settings_end_it_at_once() {
    for still in 0..2 {
        let (mut m, mut client, window) = Moving::with_window();
        let ground = m.pixel(20, 20);
        window.toplevel.set_maximized();
        m.f.roundtrip(&mut client);
        m.later(50);
        assert_eq!(m.pixel(20, 20), ground);
        let mut config = Config::default();
        if still == 0 {
            config.accessibility.reduced_motion = true;
        } else {
            config.animations.speed = 0.0;
        }
        m.f.state.apply_settings(config);
        m.f.turn();
        assert_eq!(m.pixel(20, 20), rgb(RED), "{still}");
        m.is_still();
        window.toplevel.unset_maximized();
        m.f.roundtrip(&mut client);
        assert_eq!(m.pixel(445, 260), rgb(RED), "{still}");
        m.f.chord(&[SUPER, TWO]);
        assert_eq!(m.pixel(445, 260), ground, "{still}");
        m.is_still();
    }
}

#[test]
fn speed_is_speed() {
    let (mut m, mut client, window) = Moving::with_window();
    let mut config = Config::default();
    config.animations.speed = 0.25;
    m.f.state.apply_settings(config);
    window.toplevel.set_maximized();
    m.f.roundtrip(&mut client);
    m.later(4 * 64);
    assert_eq!(m.pixel(190, 400), rgb(RED));
    assert_ne!(m.pixel(170, 400), rgb(RED));
}

#[test]
fn nothing_moves_where_the_cpu_draws() {
    let (mut f, notes) = Fixture::looked_at(Config::default());
    let mut client = f.client();
    let window = f.window(&mut client, "red", (400, 300), RED);
    assert_eq!(notes.pixel(442, 400), rgb(RED));
    window.toplevel.set_maximized();
    f.roundtrip(&mut client);
    assert_eq!(notes.pixel(20, 20), rgb(RED));
}

/// Has a window's content go in one of several ways.
fn close(m: &mut Moving, client: &mut Client, window: &Toplevel, way: usize) {
    match way {
        0 => {
            window.surface.attach(None, 0, 0);
            window.surface.commit();
        }
        _ => {
            window.toplevel.destroy();
            window.xdg.destroy();
            window.surface.destroy();
        }
    }
    m.f.roundtrip(client);
}

#[test]
fn a_window_that_is_closed_fades_and_takes_no_input() {
    for way in 0..2 {
        let (mut m, mut client, window) = Moving::with_window();
        let ground = m.pixel(20, 20);
        close(&mut m, &mut client, &window, way);
        assert_eq!(m.pixel(600, 400), rgb(RED), "{way}: all of it is there yet");
        assert_eq!(m.f.pixel(600, 400), ground, "{way}: in no picture");
        assert!(m.f.state.window_list().is_empty());
        m.f.click(500.0, 300.0);
        m.f.roundtrip(&mut client);
        assert_eq!(client.events.clicks, 0);

        m.later(64);
        let there = m.pixel(600, 400);
        assert!(there[0] < 180 && there != ground, "{way}: {there:?}");
        assert_eq!(m.pixel(442, 400), ground, "{way}: it is smaller");
        m.later(LONG);
        assert_eq!(m.pixel(600, 400), ground);
        m.is_still();
    }
}

#[test]
fn a_window_that_comes_back_while_it_goes_is_there() {
    let (mut m, mut client, window) = Moving::with_window();
    close(&mut m, &mut client, &window, 0);
    m.later(30);
    window.surface.commit();
    m.f.roundtrip(&mut client);
    client.draw(&window, (400, 300), BLUE);
    m.f.roundtrip(&mut client);
    m.later(LONG);
    assert_eq!(m.pixel(500, 300), rgb(BLUE));
    m.is_still();

    // Another workspace is not shown with it.
    close(&mut m, &mut client, &window, 0);
    m.f.chord(&[SUPER, TWO]);
    m.later(10);
    assert_ne!(m.pixel(500, 300), rgb(BLUE));
    m.later(LONG);
    m.is_still();
}

#[test]
fn a_window_is_closed_and_a_client_killed_midway() {
    let (mut m, mut client, window) = Moving::with_window();
    let ground = m.pixel(20, 20);
    window.toplevel.set_maximized();
    m.f.roundtrip(&mut client);
    m.later(64);
    window.toplevel.destroy();
    window.xdg.destroy();
    window.surface.destroy();
    m.f.roundtrip(&mut client);
    assert_eq!(m.pixel(500, 300), ground);
    m.is_still();

    let (mut m, mut client, window) = Moving::with_window();
    m.f.chord(&[SUPER, TWO]);
    m.later(64);
    assert_eq!(m.pixel(40, 400), rgb(RED));
    window.surface.attach(None, 0, 0);
    window.surface.commit();
    m.f.roundtrip(&mut client);
    m.later(1);
    assert_eq!(m.pixel(40, 400), ground, "it has no content any more");
    m.f.dies(client);
    m.later(LONG);
    m.is_still();
}

#[test]
fn an_output_goes_midway() {
    let (mut m, _client, _red) = Moving::with_window();
    let two = headless::add_output(&mut m.f.state, "two", 640, 480);
    m.f.turn();
    m.f.chord(&[SUPER, SHIFT, O]);
    m.later(64);
    headless::remove_output(&mut m.f.state, &two);
    m.f.turn();
    m.is_still();

    // The overview is on one that goes.
    let two = headless::add_output(&mut m.f.state, "two", 640, 480);
    m.f.turn();
    m.f.chord(&[SUPER, O]);
    m.f.chord(&[SUPER, W]);
    m.later(64);
    headless::remove_output(&mut m.f.state, &two);
    m.f.turn();
    m.is_still();
}

#[test]
fn a_lock_is_there_at_once() {
    let (mut m, mut client, window) = Moving::with_window();
    let mut locker = m.f.trusted_client();
    window.toplevel.set_maximized();
    m.f.roundtrip(&mut client);
    m.later(64);
    let lock = locker.lock();
    m.f.roundtrip(&mut locker);
    assert_eq!(locker.events.locked, 1);
    assert_ne!(m.pixel(500, 300), rgb(RED));
    m.is_still();
    lock.unlock_and_destroy();
    m.f.roundtrip(&mut locker);
    assert_eq!(m.pixel(20, 20), rgb(RED), "it is where it belongs");
    m.is_still();
}

#[test]
fn the_overview_comes_and_goes() {
    let (mut m, _client, _red) = Moving::with_window();
    // Nothing but the ground is here.
    let blue = |m: &Moving| m.pixel(5, 5)[2];
    let before = blue(&m);
    m.f.chord(&[SUPER, W]);
    assert_eq!(
        m.pixel(445, 260),
        rgb(RED),
        "the picture is where the window is"
    );
    m.later(64);
    let coming = blue(&m);
    m.later(LONG);
    let open = blue(&m);
    assert!(open < coming && coming < before, "{open} {coming} {before}");
    m.is_still();

    m.f.chord(&[ESCAPE]);
    m.later(64);
    assert!((open + 1..before).contains(&blue(&m)));
    // It comes back midway, and goes for good.
    m.f.chord(&[SUPER, W]);
    m.later(LONG);
    assert_eq!(blue(&m), open);
    m.f.chord(&[ESCAPE]);
    m.later(LONG);
    assert_eq!(blue(&m), before);
    m.is_still();
}

#[test]
fn a_window_that_is_dragged_stays_under_the_pointer_and_then_goes_where_it_snaps() {
    let (mut m, _client, _red) = Moving::with_window();
    let ground = m.pixel(20, 20);
    m.f.pointer(500.0, 300.0);
    m.f.key(SUPER, true);
    m.f.button(LEFT, true);
    m.f.pointer(600.0, 350.0);
    assert_eq!(m.pixel(935, 345), rgb(RED));
    assert_eq!(m.pixel(445, 260), ground);
    m.is_still();
    m.f.pointer(0.0, 400.0);
    m.f.button(LEFT, false);
    m.f.key(SUPER, false);
    // It was dragged to (-60, 350), and begins to fill the left half.
    assert_eq!(m.pixel(20, 330), ground);
    m.later(64);
    assert_eq!(m.pixel(20, 160), rgb(RED));
    assert_eq!(m.pixel(20, 130), ground);
    m.later(LONG);
    m.is_still();
}

#[test]
fn frames_come_as_often_as_the_output_shows_them_and_end() {
    let mut f = Fixture::on(Config::default(), Box::new(Headless::paced().unwrap()));
    let start = Instant::now();
    f.state.set_frame_clock(move || start.elapsed());
    let mut client = f.client();
    let window = f.window(&mut client, "red", (400, 300), RED);
    f.go_on(&mut client, Duration::from_millis(500));
    let before = f.state.frames();
    window.toplevel.set_maximized();
    f.go_on(&mut client, Duration::from_millis(500));
    let after = f.state.frames();
    // A third of a second at 60 Hz, and what the change itself draws.
    let moved = after - before;
    assert!((3..=24).contains(&moved), "{moved} frames");
    f.go_on(&mut client, Duration::from_millis(200));
    assert_eq!(f.state.frames(), after);
}
