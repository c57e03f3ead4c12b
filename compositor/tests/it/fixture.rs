//! A compositor and clients in one thread.
//!
//! The server is turned by [`Fixture::turn`]; a client is a `wayland-client` connection over a
//! socket pair that is turned by [`Fixture::roundtrip`], server and client in alternation.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    rc::Rc,
    time::{Duration, Instant},
};

use argos_compositor::smithay::{
    backend::input::{ButtonState, KeyState},
    input::keyboard::Keycode,
    output::Output,
    reexports::calloop::EventLoop,
};
use argos_compositor::{
    State,
    backend::{
        Backend,
        headless::{self, Headless},
    },
    bus,
    config::Config,
};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, WEnum,
    backend::protocol::ProtocolError,
    delegate_noop,
    globals::{GlobalList, GlobalListContents, registry_queue_init},
    protocol::{
        wl_buffer, wl_callback, wl_compositor, wl_data_offer, wl_keyboard, wl_output, wl_pointer,
        wl_registry, wl_seat, wl_shm, wl_shm_pool, wl_surface,
    },
};
use wayland_protocols::ext::foreign_toplevel_list::v1::client::ext_foreign_toplevel_handle_v1::ExtForeignToplevelHandleV1;
use wayland_protocols::ext::session_lock::v1::client::{
    ext_session_lock_manager_v1, ext_session_lock_surface_v1, ext_session_lock_v1,
};
use wayland_protocols::xdg::{
    decoration::zv1::client::{zxdg_decoration_manager_v1, zxdg_toplevel_decoration_v1},
    shell::client::{xdg_surface, xdg_toplevel, xdg_wm_base},
};
use wayland_protocols_wlr::layer_shell::v1::client::{zwlr_layer_shell_v1, zwlr_layer_surface_v1};

use crate::watched::{Notes, Watched};

/// How long a test waits for the other side, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// After so long a surface that nobody sees is asked for a frame all the same.
pub(crate) const HIDDEN: Duration = Duration::from_secs(1);

/// Red, green and blue of a colour that is written as a number.
pub(crate) fn rgb(colour: u32) -> [u8; 3] {
    let [_, red, green, blue] = colour.to_be_bytes();
    [red, green, blue]
}

pub(crate) struct Fixture {
    event_loop: EventLoop<'static, State>,
    pub(crate) state: State,
    pub(crate) output: Output,
    /// What was asked of the shell.
    pub(crate) shell: tokio::sync::mpsc::Receiver<String>,
    /// What was asked of the system.
    pub(crate) orders: tokio::sync::mpsc::Receiver<bus::Order>,
    time: u32,
}

impl Fixture {
    /// A compositor with one output of 1280 by 800.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::on(config, Box::new(Headless::new().unwrap()))
    }

    pub(crate) fn on(config: Config, backend: Box<dyn Backend>) -> Self {
        let event_loop = EventLoop::try_new().unwrap();
        let (link, shell, orders) = bus::Link::detached();
        let mut state = State::new(&event_loop, config, backend, link).unwrap();
        let output = headless::add_output(&mut state, "one", 1280, 800);
        let mut fixture = Self {
            event_loop,
            state,
            output,
            shell,
            orders,
            time: 1000,
        };
        fixture.turn();
        fixture
    }

    /// A compositor whose back end is looked into.
    pub(crate) fn watched() -> (Self, Rc<Notes>) {
        let backend = Watched::default();
        let notes = Rc::clone(&backend.notes);
        (Self::on(Config::default(), Box::new(backend)), notes)
    }

    /// A compositor each of whose frames is looked at as it is on the screen.
    pub(crate) fn looked_at(config: Config) -> (Self, Rc<Notes>) {
        let backend = Watched::default();
        let notes = Rc::clone(&backend.notes);
        notes.keeps.set(true);
        (Self::on(config, Box::new(backend)), notes)
    }

    /// The compositor goes on until something is so, or a test fails.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            self.turn();
            std::thread::sleep(Duration::from_millis(1));
            assert!(start.elapsed() < LIMIT, "{what}");
        }
    }

    /// One turn of the compositor's loop.
    pub(crate) fn turn(&mut self) {
        self.event_loop
            .dispatch(Some(Duration::ZERO), &mut self.state)
            .unwrap();
        self.state.settle();
    }

    pub(crate) fn client(&mut self) -> Client {
        self.connect(false)
    }

    /// A client as it comes in over the private socket.
    pub(crate) fn trusted_client(&mut self) -> Client {
        self.connect(true)
    }

    fn connect(&mut self, trusted: bool) -> Client {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.state.insert_client(ours, trusted).unwrap();
        self.client_over(theirs)
    }

    /// A client over a socket that leads to the compositor.
    pub(crate) fn client_over(&mut self, theirs: UnixStream) -> Client {
        let connection = Connection::from_socket(theirs).unwrap();
        // The registry is read by a blocking roundtrip, so the server needs a thread's help: here
        // the client has it, for a moment.
        let handle = std::thread::spawn(move || {
            let (globals, queue) = registry_queue_init::<Events>(&connection).unwrap();
            (connection, globals, queue)
        });
        let start = Instant::now();
        while !handle.is_finished() {
            self.turn();
            assert!(start.elapsed() < LIMIT, "the compositor does not answer");
        }
        let (connection, globals, queue) = handle.join().unwrap();
        let qh = queue.handle();
        let seat: wl_seat::WlSeat = globals.bind(&qh, 5..=9, ()).unwrap();
        let mut client = Client {
            pointer: seat.get_pointer(&qh, ()),
            seat,
            compositor: globals.bind(&qh, 4..=6, ()).unwrap(),
            shm: globals.bind(&qh, 1..=1, ()).unwrap(),
            wm_base: globals.bind(&qh, 5..=6, ()).unwrap(),
            layer_shell: globals.bind(&qh, 4..=4, ()).ok(),
            decoration: globals.bind(&qh, 1..=1, ()).unwrap(),
            globals,
            events: Events::default(),
            connection,
            queue,
            qh: qh.clone(),
        };
        client.seat.get_keyboard(&qh, ());
        self.roundtrip(&mut client);
        client
    }

    /// Everything the client asked is done, and it has heard of it.
    pub(crate) fn roundtrip(&mut self, client: &mut Client) {
        let before = client.events.syncs;
        client.connection.display().sync(&client.qh, Sync);
        let start = Instant::now();
        while client.events.syncs == before {
            client.pump();
            self.turn();
            assert!(start.elapsed() < LIMIT, "the compositor does not answer");
        }
        // What the last turn caused.
        self.turn();
        client.pump();
    }

    /// The client made a mistake, of which the compositor tells it before it hangs up. Yields what it says.
    pub(crate) fn is_thrown_out(&mut self, mut client: Client) -> ProtocolError {
        let start = Instant::now();
        let error = loop {
            if let Some(error) = client.connection.protocol_error() {
                break error;
            }
            // Either may fail once the other side hung up.
            let _ = client.connection.flush();
            if let Some(guard) = client.queue.prepare_read() {
                let _ = guard.read();
            }
            let _ = client.queue.dispatch_pending(&mut client.events);
            self.turn();
            assert!(start.elapsed() < LIMIT, "the compositor took it");
        };
        drop(client);
        self.turn();
        self.turn();
        error
    }

    /// The process of the client ends.
    pub(crate) fn dies(&mut self, client: Client) {
        drop(client);
        self.turn();
        self.turn();
    }

    /// A toplevel with content of that size and colour.
    pub(crate) fn window(
        &mut self,
        client: &mut Client,
        title: &str,
        size: (i32, i32),
        colour: u32,
    ) -> Toplevel {
        let toplevel = client.toplevel(title);
        self.roundtrip(client);
        client.draw(&toplevel, size, colour);
        self.roundtrip(client);
        toplevel
    }

    /// Both sides go on for that long, and see what was due by then.
    pub(crate) fn go_on(&mut self, client: &mut Client, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.step(client);
        }
        self.turn();
        client.pump();
    }

    /// Both sides go on a little: no less than a millisecond.
    pub(crate) fn step(&mut self, client: &mut Client) {
        client.pump();
        self.turn();
        std::thread::sleep(Duration::from_millis(1));
    }

    /// Both sides go on until the client has heard this, or a test fails.
    pub(crate) fn hears(&mut self, client: &mut Client, what: &str) {
        let start = Instant::now();
        while !client.events.heard.iter().any(|heard| heard == what) {
            self.go_on(client, Duration::from_millis(1));
            assert!(
                start.elapsed() < LIMIT,
                "`{what}` is not in {:?}",
                client.events.heard
            );
        }
    }

    pub(crate) fn pixel(&mut self, x: u32, y: u32) -> [u8; 3] {
        self.state
            .screenshot(&self.output.clone())
            .unwrap()
            .pixel(x, y)
    }

    pub(crate) fn tick(&mut self) -> u32 {
        self.time += 10;
        self.time
    }

    /// A key by Linux's code.
    pub(crate) fn key(&mut self, code: u32, down: bool) {
        let time = self.tick();
        let state = if down {
            KeyState::Pressed
        } else {
            KeyState::Released
        };
        self.state.key(Keycode::new(code + 8), state, time);
        self.turn();
    }

    /// Presses the keys one after the other and lets them go.
    pub(crate) fn chord(&mut self, codes: &[u32]) {
        for code in codes {
            self.key(*code, true);
        }
        for code in codes.iter().rev() {
            self.key(*code, false);
        }
    }

    pub(crate) fn pointer(&mut self, x: f64, y: f64) {
        let time = self.tick();
        self.state.pointer_to((x, y).into(), time);
        self.turn();
    }

    pub(crate) fn button(&mut self, button: u32, down: bool) {
        let time = self.tick();
        let state = if down {
            ButtonState::Pressed
        } else {
            ButtonState::Released
        };
        self.state.button(button, state, time);
        self.turn();
    }

    pub(crate) fn click(&mut self, x: f64, y: f64) {
        self.pointer(x, y);
        self.button(argos_compositor::LEFT, true);
        self.button(argos_compositor::LEFT, false);
        // No two clicks of a test are a double click by accident.
        self.time += 1000;
    }

    /// Titles of the windows, the one used last first; the focused one has a star.
    pub(crate) fn titles(&self) -> String {
        let mut titles: Vec<_> = self
            .state
            .window_list()
            .into_iter()
            .map(|window| {
                format!(
                    "{}{}@{}",
                    window.title,
                    if window.focused { "*" } else { "" },
                    window.workspace
                )
            })
            .collect();
        titles.sort_by_key(|title| !title.contains('*'));
        titles.join(" ")
    }
}

pub(crate) struct Client {
    pub(crate) connection: Connection,
    queue: EventQueue<Events>,
    pub(crate) qh: QueueHandle<Events>,
    pub(crate) events: Events,
    pub(crate) compositor: wl_compositor::WlCompositor,
    pub(crate) shm: wl_shm::WlShm,
    wm_base: xdg_wm_base::XdgWmBase,
    /// A sandboxed client sees none.
    layer_shell: Option<zwlr_layer_shell_v1::ZwlrLayerShellV1>,
    pub(crate) seat: wl_seat::WlSeat,
    pub(crate) pointer: wl_pointer::WlPointer,
    decoration: zxdg_decoration_manager_v1::ZxdgDecorationManagerV1,
    globals: GlobalList,
}

#[derive(Clone)]
pub(crate) struct Toplevel {
    pub(crate) surface: wl_surface::WlSurface,
    pub(crate) xdg: xdg_surface::XdgSurface,
    pub(crate) toplevel: xdg_toplevel::XdgToplevel,
}

#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) surface: wl_surface::WlSurface,
    pub(crate) layer: zwlr_layer_surface_v1::ZwlrLayerSurfaceV1,
}

#[derive(Clone)]
pub(crate) struct LockSurface {
    pub(crate) surface: wl_surface::WlSurface,
    pub(crate) role: ext_session_lock_surface_v1::ExtSessionLockSurfaceV1,
}

/// What the client heard.
#[derive(Default)]
pub(crate) struct Events {
    syncs: u32,
    /// Surface, size, states of each toplevel's last configure.
    pub(crate) toplevels: Vec<(
        xdg_toplevel::XdgToplevel,
        (i32, i32),
        Vec<xdg_toplevel::State>,
    )>,
    pub(crate) configures: u32,
    pub(crate) layers: Vec<(zwlr_layer_surface_v1::ZwlrLayerSurfaceV1, (u32, u32))>,
    pub(crate) closed: Vec<xdg_toplevel::XdgToplevel>,
    pub(crate) layers_closed: u32,
    pub(crate) keyboard: Option<wl_surface::WlSurface>,
    /// The serial of the keyboard's last enter.
    pub(crate) entered: u32,
    pub(crate) pointer: Option<wl_surface::WlSurface>,
    /// Where on the surface the pointer is, and how often it left one.
    pub(crate) pointer_at: (f64, f64),
    pub(crate) pointer_left: u32,
    pub(crate) clicks: u32,
    /// How far was scrolled down.
    pub(crate) scrolled: f64,
    pub(crate) keys: Vec<(u32, bool)>,
    pub(crate) frames: u32,
    pub(crate) server_side: Option<bool>,
    /// What came by other protocols, in the words of the test that listens.
    pub(crate) heard: Vec<String>,
    /// The windows of `ext-foreign-toplevel-list`, in the order in which they came.
    pub(crate) handles: Vec<ExtForeignToplevelHandleV1>,
    /// What could be pasted.
    pub(crate) offer: Option<wl_data_offer::WlDataOffer>,
    /// How often a lock of this client's was taken, and sent away.
    pub(crate) locked: u32,
    pub(crate) finished: u32,
    pub(crate) lock_surfaces: Vec<(
        ext_session_lock_surface_v1::ExtSessionLockSurfaceV1,
        (u32, u32),
    )>,
}

impl Client {
    pub(crate) fn pump(&mut self) {
        self.connection.flush().unwrap();
        if let Some(guard) = self.queue.prepare_read() {
            // Nothing to read is no error here.
            let _ = guard.read();
        }
        self.queue.dispatch_pending(&mut self.events).unwrap();
    }

    /// A toplevel that has asked for its first configure.
    pub(crate) fn toplevel(&mut self, title: &str) -> Toplevel {
        let surface = self.compositor.create_surface(&self.qh, ());
        let xdg = self.wm_base.get_xdg_surface(&surface, &self.qh, ());
        let toplevel = xdg.get_toplevel(&self.qh, ());
        toplevel.set_title(title.into());
        toplevel.set_app_id(format!("test.{title}"));
        surface.commit();
        Toplevel {
            surface,
            xdg,
            toplevel,
        }
    }

    pub(crate) fn ask_for_title_bar(&mut self, toplevel: &Toplevel) {
        self.decoration(toplevel)
            .set_mode(zxdg_toplevel_decoration_v1::Mode::ServerSide);
    }

    /// Has the compositor choose who draws the title bar, until more is said.
    pub(crate) fn decoration(
        &mut self,
        toplevel: &Toplevel,
    ) -> zxdg_toplevel_decoration_v1::ZxdgToplevelDecorationV1 {
        self.decoration
            .get_toplevel_decoration(&toplevel.toplevel, &self.qh, ())
    }

    /// Draws in one colour, 0xRRGGBB, and commits.
    pub(crate) fn draw(&mut self, toplevel: &Toplevel, size: (i32, i32), colour: u32) {
        self.fill(&toplevel.surface, size, colour);
    }

    /// Pixels of one colour, 0xRRGGBB, with an alpha channel or without.
    pub(crate) fn buffer(
        &self,
        (w, h): (i32, i32),
        colour: u32,
        format: wl_shm::Format,
    ) -> wl_buffer::WlBuffer {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        let row = (0xff00_0000 | colour).to_le_bytes().repeat(w as usize);
        for _ in 0..h {
            file.write_all(&row).unwrap();
        }
        let pool = self.shm.create_pool(file.as_fd(), w * h * 4, &self.qh, ());
        let buffer = pool.create_buffer(0, w, h, w * 4, format, &self.qh, ());
        pool.destroy();
        buffer
    }

    pub(crate) fn fill(
        &mut self,
        surface: &wl_surface::WlSurface,
        (w, h): (i32, i32),
        colour: u32,
    ) {
        let buffer = self.buffer((w, h), colour, wl_shm::Format::Xrgb8888);
        surface.attach(Some(&buffer), 0, 0);
        surface.damage_buffer(0, 0, w, h);
        surface.commit();
    }

    pub(crate) fn frame_callback(&mut self, surface: &wl_surface::WlSurface) {
        surface.frame(&self.qh, Frame);
        surface.commit();
    }

    pub(crate) fn layer(
        &mut self,
        namespace: &str,
        layer: zwlr_layer_shell_v1::Layer,
        set: impl FnOnce(&zwlr_layer_surface_v1::ZwlrLayerSurfaceV1),
    ) -> Layer {
        let surface = self.compositor.create_surface(&self.qh, ());
        let layer_shell = self.layer_shell.as_ref().expect("not in a sandbox");
        let layer =
            layer_shell.get_layer_surface(&surface, None, layer, namespace.into(), &self.qh, ());
        set(&layer);
        surface.commit();
        Layer { surface, layer }
    }

    /// Whether it sees the global by which the session is locked.
    pub(crate) fn may_lock(&self) -> bool {
        self.offered("ext_session_lock_manager_v1").is_some()
    }

    /// The version in which an interface is offered to it.
    pub(crate) fn offered(&self, interface: &str) -> Option<u32> {
        self.globals.contents().with_list(|list| {
            list.iter()
                .find(|global| global.interface == interface)
                .map(|global| global.version)
        })
    }

    /// Binds a global that is offered.
    pub(crate) fn bind<I>(&self) -> I
    where
        I: Proxy + 'static,
        Events: Dispatch<I, ()>,
    {
        let newest = I::interface().version;
        self.globals.bind(&self.qh, 1..=newest, ()).unwrap()
    }

    /// The global of that kind, in that version.
    pub(crate) fn bind_version<I: Proxy + 'static, U: Send + std::marker::Sync + 'static>(
        &self,
        version: u32,
        data: U,
    ) -> I
    where
        Events: Dispatch<I, U>,
    {
        self.globals
            .bind(&self.qh, version..=version, data)
            .unwrap()
    }

    /// The output that came as the `nth` of those there are.
    pub(crate) fn output(&self, nth: usize) -> wl_output::WlOutput {
        let outputs = self.globals.contents().with_list(|list| {
            list.iter()
                .filter(|global| global.interface == "wl_output")
                .map(|global| global.name)
                .collect::<Vec<_>>()
        });
        let registry = self.globals.registry();
        registry.bind(outputs[nth], 2, &self.qh, ())
    }

    /// The seat.
    pub(crate) fn seat(&self) -> wl_seat::WlSeat {
        self.bind_version(7, ())
    }

    /// Asks to lock the session.
    pub(crate) fn lock(&self) -> ext_session_lock_v1::ExtSessionLockV1 {
        let manager: ext_session_lock_manager_v1::ExtSessionLockManagerV1 =
            self.globals.bind(&self.qh, 1..=1, ()).unwrap();
        manager.lock(&self.qh, ())
    }

    /// A surface of the lock on the output that came as the `nth` of those there are.
    pub(crate) fn lock_surface(
        &self,
        lock: &ext_session_lock_v1::ExtSessionLockV1,
        nth: usize,
    ) -> LockSurface {
        let output = self.output(nth);
        let surface = self.compositor.create_surface(&self.qh, ());
        let role = lock.get_lock_surface(&surface, &output, &self.qh, ());
        LockSurface { surface, role }
    }

    pub(crate) fn lock_size(&self, surface: &LockSurface) -> (u32, u32) {
        let mut all = self.events.lock_surfaces.iter().rev();
        all.find(|(role, _)| *role == surface.role)
            .expect("configured")
            .1
    }

    /// Has heard of no more than so many frames, unless it asked for one so long ago that it is not held
    /// back any more. `asked` is before that.
    pub(crate) fn is_held_back(&self, frames: u32, asked: Instant) {
        let due = asked.elapsed() >= HIDDEN;
        assert!(
            due || self.events.frames == frames,
            "what nobody sees is not drawn"
        );
    }

    /// Size and states of the last configure.
    pub(crate) fn configured(&self, toplevel: &Toplevel) -> ((i32, i32), &[xdg_toplevel::State]) {
        self.events
            .toplevels
            .iter()
            .find(|(other, ..)| *other == toplevel.toplevel)
            .map(|(_, size, states)| (*size, states.as_slice()))
            .expect("the toplevel was configured")
    }

    pub(crate) fn layer_size(&self, layer: &Layer) -> (u32, u32) {
        self.events
            .layers
            .iter()
            .find(|(other, _)| *other == layer.layer)
            .expect("configured")
            .1
    }
}

#[derive(Debug)]
struct Sync;
#[derive(Debug)]
struct Frame;

impl Dispatch<wl_callback::WlCallback, Sync> for Events {
    fn event(
        state: &mut Self,
        _: &wl_callback::WlCallback,
        _: wl_callback::Event,
        _: &Sync,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        state.syncs += 1;
    }
}

impl Dispatch<wl_callback::WlCallback, Frame> for Events {
    fn event(
        state: &mut Self,
        _: &wl_callback::WlCallback,
        _: wl_callback::Event,
        _: &Frame,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        state.frames += 1;
    }
}

/// One event handler without user data.
macro_rules! on {
    ($proxy:ty, |$state:ident, $object:ident, $event:ident| $body:block) => {
        impl Dispatch<$proxy, ()> for Events {
            fn event(
                $state: &mut Self,
                $object: &$proxy,
                $event: <$proxy as Proxy>::Event,
                _: &(),
                _: &Connection,
                _: &QueueHandle<Self>,
            ) {
                $body
            }
        }
    };
}

pub(crate) use on;

on!(xdg_wm_base::XdgWmBase, |_state, base, event| {
    if let xdg_wm_base::Event::Ping { serial } = event {
        base.pong(serial);
    }
});
on!(xdg_surface::XdgSurface, |state, surface, event| {
    if let xdg_surface::Event::Configure { serial } = event {
        state.configures += 1;
        surface.ack_configure(serial);
    }
});
on!(xdg_toplevel::XdgToplevel, |state, toplevel, event| {
    match event {
        xdg_toplevel::Event::Configure {
            width,
            height,
            states,
        } => {
            let states = states
                .chunks_exact(4)
                .filter_map(|bytes| {
                    u32::from_ne_bytes(bytes.try_into().unwrap())
                        .try_into()
                        .ok()
                })
                .collect();
            state.toplevels.retain(|(other, ..)| other != toplevel);
            state
                .toplevels
                .push((toplevel.clone(), (width, height), states));
        }
        xdg_toplevel::Event::Close => state.closed.push(toplevel.clone()),
        _ => {}
    }
});
on!(
    zwlr_layer_surface_v1::ZwlrLayerSurfaceV1,
    |state, layer, event| {
        match event {
            zwlr_layer_surface_v1::Event::Configure {
                serial,
                width,
                height,
            } => {
                layer.ack_configure(serial);
                state.layers.retain(|(other, _)| other != layer);
                state.layers.push((layer.clone(), (width, height)));
            }
            zwlr_layer_surface_v1::Event::Closed => state.layers_closed += 1,
            _ => {}
        }
    }
);
on!(wl_keyboard::WlKeyboard, |state, _keyboard, event| {
    match event {
        wl_keyboard::Event::Enter {
            serial, surface, ..
        } => {
            state.entered = serial;
            state.keyboard = Some(surface);
        }
        wl_keyboard::Event::Leave { surface, .. } if state.keyboard.as_ref() == Some(&surface) => {
            state.keyboard = None;
        }
        wl_keyboard::Event::Key {
            key,
            state: WEnum::Value(pressed),
            ..
        } => {
            state
                .keys
                .push((key, pressed == wl_keyboard::KeyState::Pressed));
        }
        _ => {}
    }
});
on!(wl_pointer::WlPointer, |state, _pointer, event| {
    match event {
        wl_pointer::Event::Enter {
            surface,
            surface_x,
            surface_y,
            ..
        } => {
            state.pointer = Some(surface);
            state.pointer_at = (surface_x, surface_y);
        }
        wl_pointer::Event::Motion {
            surface_x,
            surface_y,
            ..
        } => state.pointer_at = (surface_x, surface_y),
        wl_pointer::Event::Leave { surface, .. } => {
            state.pointer_left += 1;
            if state.pointer.as_ref() == Some(&surface) {
                state.pointer = None;
            }
        }
        wl_pointer::Event::Button {
            state: WEnum::Value(wl_pointer::ButtonState::Pressed),
            ..
        } => {
            state.clicks += 1;
        }
        wl_pointer::Event::Axis {
            axis: WEnum::Value(wl_pointer::Axis::VerticalScroll),
            value,
            ..
        } => state.scrolled += value,
        _ => {}
    }
});
on!(
    zxdg_toplevel_decoration_v1::ZxdgToplevelDecorationV1,
    |state, _decoration, event| {
        if let zxdg_toplevel_decoration_v1::Event::Configure {
            mode: WEnum::Value(mode),
        } = event
        {
            state.server_side = Some(mode == zxdg_toplevel_decoration_v1::Mode::ServerSide);
        }
    }
);

on!(
    ext_session_lock_v1::ExtSessionLockV1,
    |state, _lock, event| {
        match event {
            ext_session_lock_v1::Event::Locked => state.locked += 1,
            ext_session_lock_v1::Event::Finished => state.finished += 1,
            _ => {}
        }
    }
);
on!(
    ext_session_lock_surface_v1::ExtSessionLockSurfaceV1,
    |state, surface, event| {
        if let ext_session_lock_surface_v1::Event::Configure {
            serial,
            width,
            height,
        } = event
        {
            surface.ack_configure(serial);
            state.lock_surfaces.push((surface.clone(), (width, height)));
        }
    }
);

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for Events {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(Events: ignore wl_compositor::WlCompositor);
delegate_noop!(Events: ignore wl_shm::WlShm);
delegate_noop!(Events: ignore wl_shm_pool::WlShmPool);
delegate_noop!(Events: ignore wl_buffer::WlBuffer);
delegate_noop!(Events: ignore wl_surface::WlSurface);
delegate_noop!(Events: ignore wl_seat::WlSeat);
delegate_noop!(Events: ignore wl_output::WlOutput);
delegate_noop!(Events: ignore ext_session_lock_manager_v1::ExtSessionLockManagerV1);
delegate_noop!(Events: ignore zwlr_layer_shell_v1::ZwlrLayerShellV1);
delegate_noop!(Events: ignore zxdg_decoration_manager_v1::ZxdgDecorationManagerV1);
