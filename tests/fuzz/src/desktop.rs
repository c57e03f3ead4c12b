//! What the compositor is given by others: its settings, and the requests of a client that means harm.

use std::cell::RefCell;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::config::Config;
use argos_compositor::smithay::reexports::calloop::EventLoop;
use argos_compositor::{State, bus, settings};
use argos_hostile::wire::{Arg, Wire, encode, memory};

/// Longest time for one input, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most of an input that is sent: as much fits into a socket at once.
const MOST: usize = 1 << 15;
/// What the client has bound before its input, as objects 3 and on.
const BOUND: [&str; 14] = [
    "wl_compositor",
    "wl_shm",
    "xdg_wm_base",
    "wl_subcompositor",
    "wl_seat",
    "wl_data_device_manager",
    "wp_viewporter",
    "xdg_activation_v1",
    "zxdg_decoration_manager_v1",
    "zwlr_layer_shell_v1",
    "wp_presentation",
    "wp_fifo_manager_v1",
    "ext_image_copy_capture_manager_v1",
    "ext_output_image_capture_source_manager_v1",
];

/// A compositor without a screen, that all inputs have in common.
struct Compositor {
    event_loop: EventLoop<'static, State>,
    state: State,
    /// A connection that knows the globals.
    known: Wire,
}

impl Compositor {
    fn new() -> Self {
        let event_loop = EventLoop::try_new().expect("a loop");
        let (link, _, _) = bus::Link::detached();
        let backend = Box::new(Headless::new().expect("pixman"));
        let mut state =
            State::new(&event_loop, Config::default(), backend, link).expect("a compositor");
        headless::add_output(&mut state, "fuzz", 320, 200);
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        state.insert_client(ours, false).expect("a client");
        let known = std::thread::spawn(move || Wire::new(theirs));
        let mut event_loop = event_loop;
        while !known.is_finished() {
            turn(&mut event_loop, &mut state);
        }
        let known = known.join().expect("no panic").expect("the globals");
        Self {
            event_loop,
            state,
            known,
        }
    }

    fn turn(&mut self) {
        turn(&mut self.event_loop, &mut self.state);
    }

    /// A client sends all that, and hangs up.
    fn serve(&mut self, requests: &[u8]) {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        self.state.insert_client(ours, false).expect("a client");
        let socket = theirs.try_clone().expect("a descriptor");
        // The compositor may hang up at any time.
        let _ = say(&self.known, socket, requests);
        let _ = theirs.shutdown(Shutdown::Write);
        theirs.set_nonblocking(true).expect("a socket");
        let (start, mut bytes) = (Instant::now(), [0; 4096]);
        loop {
            self.turn();
            match theirs.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the compositor does not hang up"
            );
        }
        self.turn();
        assert!(self.state.window_list().is_empty(), "its windows are gone");
    }
}

fn turn(event_loop: &mut EventLoop<'static, State>, state: &mut State) {
    event_loop
        .dispatch(Some(Duration::ZERO), state)
        .expect("the loop goes on");
    state.settle();
}

fn say(known: &Wire, socket: UnixStream, requests: &[u8]) -> io::Result<()> {
    let mut wire = known.again(socket)?;
    for name in BOUND {
        wire.bind(name)?;
    }
    for size in [4096, 320 * 200 * 4, 1, 0] {
        wire.pass(memory(size)?);
    }
    wire.raw(&requests[..requests.len().min(MOST)])
}

/// Requests, out of records of an object, an opcode, how many words, and the words; a record whose object is 0xff has
/// so many bytes that go as they are.
pub fn requests(data: &[u8]) -> Vec<u8> {
    let mut requests = Vec::new();
    let mut rest = data;
    while let [object, opcode, count, tail @ ..] = rest {
        let count = usize::from(*count);
        let raw = *object == 0xff;
        let length = if raw { count } else { 4 * (count % 16) };
        let (body, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        if raw {
            requests.extend(body);
            continue;
        }
        let words: Vec<_> = body
            .chunks_exact(4)
            .map(|word| Arg::U(u32::from_le_bytes([word[0], word[1], word[2], word[3]])))
            .collect();
        requests.extend(encode(u32::from(*object), u16::from(*opcode), &words));
    }
    requests
}

thread_local! {
    static COMPOSITOR: RefCell<Compositor> = RefCell::new(Compositor::new());
}

/// A client's requests, as [`requests`] makes them of the input, to the real compositor.
pub fn wayland(data: &[u8]) {
    COMPOSITOR.with_borrow_mut(|compositor| compositor.serve(&requests(data)));
}

/// A `compositor.yaml`: read, and put in force.
pub fn compositor_settings(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("compositor.yaml");
    std::fs::write(&path, data).expect("the file");
    let loaded = settings::load(Some(&path));
    for mistake in &loaded.mistakes {
        assert!(
            mistake.starts_with(&path.display().to_string()),
            "where it is: {mistake}"
        );
        assert!(mistake.len() < 65536, "a mistake is a line or two");
    }
    COMPOSITOR.with_borrow_mut(|compositor| {
        compositor.state.apply_settings(loaded.config);
        compositor.turn();
        compositor.state.apply_settings(Config::default());
        compositor.turn();
    });
}
