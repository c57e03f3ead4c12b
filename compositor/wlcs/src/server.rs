//! The compositor's thread.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, sync_channel};

use argos_compositor::State;
use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::bus::Link;
use argos_compositor::config::{Config, Snapping};
use argos_compositor::smithay::reexports::calloop::EventLoop;
use argos_compositor::smithay::reexports::calloop::channel::{Channel, Event, Sender};
use argos_compositor::smithay::reexports::wayland_server::Client;
use argos_compositor::smithay::reexports::wayland_server::protocol::wl_surface::WlSurface;

use crate::input;

/// Pixels of the one output.
const SIZE: (i32, i32) = (1280, 1024);

/// Something the suite asks.
#[derive(Debug)]
pub(crate) enum Request {
    /// A client of this number comes over this socket.
    Client(u32, UnixStream),
    /// That client's surface of this protocol number is to be here.
    Place {
        client: u32,
        surface: u32,
        at: (i32, i32),
    },
    Input(input::Event),
    Stop,
}

/// A request, and where to say that everything it causes has happened.
///
/// The suite asks and then has a client wait for what it said itself; without this, the client's words would often be
/// read first.
pub(crate) type Asked = (Request, SyncSender<()>);

/// Asks the server, and waits until it has done it. Does nothing where the server has ended: the test has noticed
/// that then.
pub(crate) fn ask(server: &Sender<Asked>, request: Request) {
    let (done, wait) = sync_channel(1);
    if server.send((request, done)).is_ok() {
        let _ = wait.recv();
    }
}

/// Serves until it is told to stop.
///
/// # Panics
/// When the compositor cannot start: the test fails then, which is what it is there for.
pub(crate) fn run(inbox: Channel<Asked>) {
    let mut event_loop = EventLoop::try_new().expect("an event loop");
    let backend = Box::new(Headless::new().expect("pixman"));
    let (link, _requests, _orders) = Link::detached();
    let config = Config {
        // The suite puts windows where it wants them by dragging, too.
        snapping: Snapping {
            edges: false,
            attraction: 0,
        },
        ..Config::default()
    };
    let mut state = State::new(&event_loop, config, backend, link).expect("a compositor");
    headless::add_output(&mut state, "wlcs", SIZE.0, SIZE.1);
    state.process_input::<input::Backend>(input::touch_screen());

    let mut clients = HashMap::new();
    event_loop
        .handle()
        .insert_source(inbox, move |event, (), state| match event {
            Event::Msg((request, done)) => {
                serve(request, &mut clients, state);
                state.settle();
                // The suite may have given up.
                let _ = done.send(());
            }
            Event::Closed => state.stop(),
        })
        .expect("the channel's source");
    argos_compositor::state::run(&mut event_loop, &mut state).expect("the event loop");
}

fn serve(request: Request, clients: &mut HashMap<u32, Client>, state: &mut State) {
    match request {
        Request::Client(number, stream) => {
            if let Ok(client) = state.insert_client(stream, false) {
                clients.insert(number, client);
            }
        }
        Request::Place {
            client,
            surface,
            at,
        } => {
            let surface = clients
                .get(&client)
                .and_then(|client| state.object::<WlSurface>(client, surface));
            if let Some(surface) = surface {
                state.place_surface(&surface, at.into());
            }
        }
        Request::Input(event) => input::feed(event, state),
        Request::Stop => state.stop(),
    }
}
