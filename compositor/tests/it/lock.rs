//! The locked session: what is seen and who gets input, whatever lockers do.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

use argos_bus::Error;
use argos_compositor::{State, backend::headless, bus::Request, smithay::output::Output};
use tokio::sync::oneshot;
use wayland_protocols_wlr::layer_shell::v1::client::zwlr_layer_shell_v1::Layer;

use crate::fixture::{Client, Fixture, LockSurface, rgb};

const SUPER: u32 = 125;
const L: u32 = 38;
const A: u32 = 30;
const C: u32 = 46;
const Q: u32 = 16;
const PRINT: u32 = 99;
const WHOLE: (i32, i32) = (1280, 800);
const RED: u32 = 0xc0_2020;
const GREEN: u32 = 0x20_c020;
const BLUE: u32 = 0x20_20c0;

/// A compositor that can be locked, and what it did for that.
struct Rig {
    f: Fixture,
    /// How often a locker was asked for.
    asked: Rc<Cell<u32>>,
    mark: PathBuf,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::of(Fixture::new())
    }

    fn of(mut f: Fixture) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("locked");
        let asked = allow(&mut f.state, &mark);
        Self {
            f,
            asked,
            mark,
            _folder: folder,
        }
    }

    /// Every colour on an output.
    fn colours(&mut self, output: &Output) -> Vec<[u8; 3]> {
        let picture = self.f.state.screenshot(output).unwrap();
        let mut colours: Vec<_> = picture
            .rgba
            .chunks_exact(4)
            .map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        colours.sort_unstable();
        colours.dedup();
        colours
    }

    /// A locker that holds the session and shows one colour on the first output.
    fn locker(&mut self, colour: u32) -> (Client, Holding) {
        let mut client = self.f.trusted_client();
        let lock = client.lock();
        let surface = client.lock_surface(&lock, 0);
        self.f.roundtrip(&mut client);
        client.fill(&surface.surface, WHOLE, colour);
        self.f.roundtrip(&mut client);
        assert_eq!(client.events.locked, 1);
        (client, Holding { lock, surface })
    }
}

struct Holding {
    lock: wayland_protocols::ext::session_lock::v1::client::ext_session_lock_v1::ExtSessionLockV1,
    surface: LockSurface,
}

fn allow(state: &mut State, mark: &Path) -> Rc<Cell<u32>> {
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    state.allow_lock(move || count.set(count.get() + 1), mark.to_owned());
    asked
}

/// Asks for the lock as the bus does.
fn ask(f: &mut Fixture) -> oneshot::Receiver<argos_bus::Result<()>> {
    let (answer, answered) = oneshot::channel();
    f.state.bus_request(Request::Lock(answer));
    answered
}

#[test]
fn only_trusted_clients_see_the_global() {
    let mut f = Fixture::new();
    assert!(!f.client().may_lock());
    assert!(f.trusted_client().may_lock());
}

#[test]
fn without_a_way_back_the_session_is_not_locked() {
    let mut f = Fixture::new();
    let mut answered = ask(&mut f);
    assert!(matches!(
        answered.try_recv().unwrap(),
        Err(Error::Unavailable(why)) if why.contains("--private-socket")
    ));
    f.chord(&[SUPER, L]);
    assert!(!f.state.is_locked());
}

#[test]
fn a_locked_session_shows_nothing_and_hears_nothing() {
    let mut rig = Rig::new();
    let mut client = rig.f.client();
    let window = rig.f.window(&mut client, "secret", (400, 300), RED);
    let overlay = client.layer("bar", Layer::Overlay, |layer| layer.set_size(200, 100));
    rig.f.roundtrip(&mut client);
    client.fill(&overlay.surface, (200, 100), GREEN);
    let mut asker = rig.f.trusted_client();
    let prompt = asker.layer("argos-prompt", Layer::Overlay, |layer| {
        layer.set_size(100, 100);
    });
    rig.f.roundtrip(&mut asker);
    asker.fill(&prompt.surface, (100, 100), BLUE);
    rig.f.roundtrip(&mut asker);
    let second = headless::add_output(&mut rig.f.state, "two", 640, 480);
    rig.f.turn();
    let first = rig.f.output.clone();
    assert!(rig.colours(&first).contains(&rgb(RED)));
    let id = rig.f.state.window_list()[0].id;

    let mut answered = ask(&mut rig.f);
    rig.f.turn();
    answered.try_recv().expect("answered").unwrap();
    assert_eq!(rig.asked.get(), 1);
    rig.f.pointer(1279.0, 799.0);
    let third = headless::add_output(&mut rig.f.state, "three", 800, 600);
    rig.f.turn();
    for output in [&second, &third] {
        assert_eq!(rig.colours(output).len(), 1, "{}", output.name());
    }
    // The pointer is in the corner.
    let colours = rig.colours(&first);
    for shown in [RED, GREEN, BLUE] {
        assert!(!colours.contains(&rgb(shown)), "{shown:06x} in {colours:?}");
    }

    // Keys, bindings, clicks.
    rig.f.roundtrip(&mut client);
    rig.f.roundtrip(&mut asker);
    assert_eq!(client.events.keyboard, None);
    assert_eq!(asker.events.keyboard, None);
    let (before, theirs) = (client.events.keys.len(), asker.events.keys.len());
    for keys in [&[A][..], &[SUPER, C], &[SUPER, Q], &[SUPER], &[PRINT]] {
        rig.f.chord(keys);
    }
    rig.f.click(300.0, 200.0);
    rig.f.click(640.0, 400.0);
    rig.f.roundtrip(&mut client);
    rig.f.roundtrip(&mut asker);
    assert_eq!(client.events.keys.len(), before);
    assert_eq!(asker.events.keys.len(), theirs);
    assert_eq!((client.events.clicks, asker.events.clicks), (0, 0));
    assert!(client.events.closed.is_empty());
    assert!(rig.f.shell.try_recv().is_err());

    // Pictures; and a window that comes now asks for attention in vain.
    for window in [0, id] {
        assert!(matches!(
            rig.f.state.capture(window),
            Err(Error::Unavailable(why)) if why.contains("locked")
        ));
    }
    let late = rig.f.window(&mut client, "late", (1200, 700), GREEN);
    late.toplevel.set_fullscreen(None);
    let asked = Instant::now();
    client.frame_callback(&window.surface);
    rig.f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard, None);
    client.is_held_back(0, asked);
    assert!(!rig.colours(&first).contains(&rgb(GREEN)));

    // Once more is no more.
    ask(&mut rig.f).try_recv().expect_err("not yet");
    assert_eq!(rig.asked.get(), 1);
}

#[test]
fn the_locker_alone_is_shown_gets_input_and_unlocks() {
    let mut rig = Rig::new();
    let mut client = rig.f.client();
    let window = rig.f.window(&mut client, "text", WHOLE, RED);
    rig.f.chord(&[SUPER, L]);
    assert!(rig.f.state.is_locked() && rig.mark.exists());

    let (mut locker, held) = rig.locker(BLUE);
    assert_eq!(locker.lock_size(&held.surface), (1280, 800));
    rig.f.pointer(1279.0, 799.0);
    assert_eq!(rig.f.pixel(640, 400), rgb(BLUE));
    rig.f.chord(&[SUPER, A]);
    rig.f.click(600.0, 300.0);
    rig.f.roundtrip(&mut locker);
    rig.f.roundtrip(&mut client);
    assert_eq!(locker.events.keyboard.as_ref(), Some(&held.surface.surface));
    assert!(locker.events.keys.contains(&(A, true)));
    assert_eq!((locker.events.clicks, client.events.clicks), (1, 0));

    // An output that comes has its own surface, and an output that grows tells so.
    let second = headless::add_output(&mut rig.f.state, "two", 640, 480);
    rig.f.roundtrip(&mut locker);
    let there = locker.lock_surface(&held.lock, 1);
    rig.f.roundtrip(&mut locker);
    assert_eq!(locker.lock_size(&there), (640, 480));
    locker.fill(&there.surface, (640, 480), GREEN);
    rig.f.roundtrip(&mut locker);
    assert_eq!(rig.colours(&second), [rgb(GREEN)]);
    headless::resize_output(&mut rig.f.state, &second, 800, 600);
    rig.f.roundtrip(&mut locker);
    assert_eq!(locker.lock_size(&there), (800, 600));
    headless::remove_output(&mut rig.f.state, &second);
    rig.f.roundtrip(&mut locker);

    held.lock.unlock_and_destroy();
    rig.f.roundtrip(&mut locker);
    rig.f.roundtrip(&mut client);
    assert!(!rig.f.state.is_locked() && !rig.mark.exists());
    assert_eq!(client.events.keyboard.as_ref(), Some(&window.surface));
    rig.f.pointer(1279.0, 799.0);
    assert_eq!(rig.f.pixel(640, 400), rgb(RED));
    assert_eq!(rig.asked.get(), 1);
}

#[test]
fn a_locker_that_dies_leaves_the_session_locked_for_the_next() {
    let mut rig = Rig::new();
    let mut client = rig.f.client();
    rig.f.window(&mut client, "text", WHOLE, RED);
    let (locker, _) = rig.locker(BLUE);
    assert_eq!(rig.asked.get(), 0, "it came by itself");
    rig.f.dies(locker);
    assert!(rig.f.state.is_locked() && rig.mark.exists());
    assert_eq!(rig.asked.get(), 1);
    rig.f.pointer(1279.0, 799.0);
    let colour = rig.f.pixel(640, 400);
    assert!(colour != rgb(RED) && colour != rgb(BLUE), "{colour:?}");
    rig.f.chord(&[A]);
    rig.f.roundtrip(&mut client);
    assert!(!client.events.keys.contains(&(A, true)));

    let (mut next, held) = rig.locker(GREEN);
    assert_eq!(rig.f.pixel(640, 400), rgb(GREEN));
    held.lock.unlock_and_destroy();
    rig.f.roundtrip(&mut next);
    assert!(!rig.f.state.is_locked());
}

#[test]
fn nobody_but_the_locker_that_holds_it_unlocks() {
    let mut rig = Rig::new();
    let mut client = rig.f.client();
    rig.f.window(&mut client, "text", WHOLE, RED);
    let (locker, _held) = rig.locker(BLUE);

    // One that comes second is sent away, shows nothing and cannot unlock.
    let mut second = rig.f.trusted_client();
    let lock = second.lock();
    let surface = second.lock_surface(&lock, 0);
    rig.f.roundtrip(&mut second);
    assert_eq!((second.events.locked, second.events.finished), (0, 1));
    assert_eq!(
        second.lock_size(&surface),
        (1280, 800),
        "its surface is answered all the same"
    );
    second.fill(&surface.surface, WHOLE, GREEN);
    rig.f.roundtrip(&mut second);
    rig.f.pointer(1279.0, 799.0);
    assert_eq!(rig.f.pixel(640, 400), rgb(BLUE));
    // Not even once the one that held it is gone.
    rig.f.dies(locker);
    lock.unlock_and_destroy();
    rig.f.is_thrown_out(second);
    assert!(rig.f.state.is_locked());

    // Nor does one that unlocks before it was told that the session is locked.
    let hasty = rig.f.trusted_client();
    hasty.lock().unlock_and_destroy();
    rig.f.is_thrown_out(hasty);
    assert!(rig.f.state.is_locked());
    // Nor one that lets go without unlocking.
    let (destroyer, held) = rig.locker(BLUE);
    held.lock.destroy();
    rig.f.is_thrown_out(destroyer);
    assert!(rig.f.state.is_locked());
    rig.f.roundtrip(&mut client);
    assert_eq!(client.events.keyboard, None);
}

#[test]
fn what_was_under_way_ends() {
    let mut rig = Rig::new();
    let mut client = rig.f.client();
    rig.f.window(&mut client, "text", (400, 300), RED);
    let place = |f: &Fixture| {
        let window = f.state.window_list()[0].clone();
        (window.x, window.y)
    };
    let before = place(&rig.f);
    let (x, y) = (f64::from(before.0 + 50), f64::from(before.1 + 50));
    rig.f.pointer(x, y);
    rig.f.key(SUPER, true);
    rig.f.button(argos_compositor::LEFT, true);
    rig.f.key(L, true);
    assert!(rig.f.state.is_locked());
    rig.f.pointer(x + 200.0, y + 100.0);
    rig.f.button(argos_compositor::LEFT, false);
    rig.f.key(L, false);
    rig.f.key(SUPER, false);
    rig.f.turn();
    assert_eq!(place(&rig.f), before, "the drag ended with the lock");
    assert!(rig.f.shell.try_recv().is_err(), "no tap of Super either");
}

#[test]
fn a_compositor_that_comes_back_is_as_locked_as_it_was() {
    let mut rig = Rig::new();
    rig.f.chord(&[SUPER, L]);
    let mark = rig.mark.clone();
    let mut f = Fixture::new();
    let asked = allow(&mut f.state, &mark);
    assert!(f.state.is_locked());
    assert_eq!(asked.get(), 1);

    let mut locker = f.trusted_client();
    let lock = locker.lock();
    f.roundtrip(&mut locker);
    lock.unlock_and_destroy();
    f.roundtrip(&mut locker);
    let mut next = Fixture::new();
    allow(&mut next.state, &mark);
    assert!(!next.state.is_locked());
}

#[test]
fn locked_is_said_only_once_no_screen_shows_the_session() {
    let (f, notes) = Fixture::watched();
    let stuck = &notes.stuck;
    let mut rig = Rig::of(f);
    let mut client = rig.f.client();
    rig.f.window(&mut client, "text", WHOLE, RED);
    stuck.set(true);
    let mut locker = rig.f.trusted_client();
    let lock = locker.lock();
    let mut answered = ask(&mut rig.f);
    rig.f.roundtrip(&mut locker);
    assert!(rig.f.state.is_locked());
    assert_eq!(locker.events.locked, 0);
    answered.try_recv().unwrap_err();

    stuck.set(false);
    let surface = locker.lock_surface(&lock, 0);
    rig.f.roundtrip(&mut locker);
    locker.fill(&surface.surface, WHOLE, BLUE);
    rig.f.roundtrip(&mut locker);
    assert_eq!(locker.events.locked, 1);
    answered.try_recv().unwrap().unwrap();
}
