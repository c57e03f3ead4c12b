//! `argos-screencast` between a compositor without a screen and a PipeWire of the test's own, with a consumer that
//! looks at what arrives.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use argos_compositor::State;
use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::bus::Link;
use argos_compositor::config::Config;
use argos_compositor::smithay::reexports::calloop::EventLoop;
use pipewire::context::ContextRc;
use pipewire::link::Link as PipeWireLink;
use pipewire::loop_::Timeout;
use pipewire::main_loop::MainLoopRc;
use pipewire::properties::properties;
use pipewire::spa::param::ParamType;
use pipewire::spa::param::format::{FormatProperties, MediaSubtype, MediaType};
use pipewire::spa::param::video::{VideoFormat, VideoInfoRaw};
use pipewire::spa::pod::serialize::PodSerializer;
use pipewire::spa::pod::{ChoiceValue, Object, Pod, Property, Value};
use pipewire::spa::utils::{
    Choice, ChoiceEnum, ChoiceFlags, Direction, Fraction, Id, Rectangle, SpaTypes,
};
use pipewire::stream::{StreamFlags, StreamRc, StreamState};
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::{
    wl_buffer, wl_compositor, wl_registry, wl_shm, wl_shm_pool, wl_surface,
};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop, event_created_child,
};
use wayland_protocols::ext::foreign_toplevel_list::v1::client::{
    ext_foreign_toplevel_handle_v1, ext_foreign_toplevel_list_v1,
};
use wayland_protocols::xdg::shell::client::{xdg_surface, xdg_toplevel, xdg_wm_base};

/// How long a test waits for the other side, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const WINDOW: (i32, i32) = (400, 300);
const RED: [u8; 3] = [0xc0, 0x20, 0x20];
const BLUE: [u8; 3] = [0x20, 0x20, 0xc0];

/// As much of PipeWire as links two nodes, and nothing of the machine.
const CONFIG: &str = "
context.properties = {
    core.daemon = true
    core.name = pipewire-0
    support.dbus = false
    mem.warn-mlock = false
}
context.spa-libs = { support.* = support/libspa-support }
context.modules = [
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-metadata }
    { name = libpipewire-module-spa-node-factory }
    { name = libpipewire-module-client-node }
    { name = libpipewire-module-access }
    { name = libpipewire-module-link-factory }
]
";

type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A compositor with a window on its one output, and PipeWire.
struct Desktop {
    jobs: mpsc::Sender<Job>,
    /// Colours that the window is to have; without it the window goes.
    colours: Option<mpsc::Sender<[u8; 3]>>,
    window: String,
    _pipewire: Process,
    folder: tempfile::TempDir,
}

impl Desktop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        std::fs::create_dir(&config).unwrap();
        std::fs::write(config.join("pipewire.conf"), CONFIG).unwrap();
        let pipewire = Command::new("pipewire")
            .env("PIPEWIRE_CONFIG_DIR", &config)
            .env("PIPEWIRE_RUNTIME_DIR", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .spawn()
            .expect("pipewire is needed (Debian: pipewire)");
        let desktop = Self::with(Process(pipewire), folder);
        let end = Instant::now() + PATIENCE;
        while UnixStream::connect(desktop.socket()).is_err() {
            assert!(Instant::now() < end, "PipeWire does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
        desktop
    }

    fn with(pipewire: Process, folder: tempfile::TempDir) -> Self {
        let listener = UnixListener::bind(folder.path().join("wayland")).unwrap();
        let (jobs, wanted) = mpsc::channel::<Job>();
        std::thread::spawn(move || compositor(&listener, &wanted));
        let socket = UnixStream::connect(folder.path().join("wayland")).unwrap();
        let (colours, wanted) = mpsc::channel();
        let (told, window) = mpsc::channel();
        std::thread::spawn(move || program(socket, &told, &wanted));
        let window = window.recv_timeout(PATIENCE).expect("there is a window");
        Self {
            jobs,
            colours: Some(colours),
            window,
            _pipewire: pipewire,
            folder,
        }
    }

    /// PipeWire's.
    fn socket(&self) -> PathBuf {
        self.folder.path().join("pipewire-0")
    }

    fn does<T: Send + 'static>(&self, job: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        let job = move |state: &mut State| {
            let _ = sender.send(job(state));
        };
        self.jobs.send(Box::new(job)).unwrap();
        answer.recv_timeout(PATIENCE).expect("the compositor runs")
    }

    fn paints(&self, colour: [u8; 3]) {
        self.colours.as_ref().unwrap().send(colour).unwrap();
    }

    /// The middle of the window on the output.
    fn middle(&self) -> (u32, u32) {
        self.does(|state| {
            let window = state.window_list().remove(0);
            let middle = (window.x + window.width / 2, window.y + window.height / 2);
            (middle.0 as u32, middle.1 as u32)
        })
    }

    /// Starts the program; its lines come out of what is returned.
    fn records(&self, sources: &[&str]) -> (Process, mpsc::Receiver<String>) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_argos-screencast"))
            .args(sources)
            .env("WAYLAND_DISPLAY", self.folder.path().join("wayland"))
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("PIPEWIRE_RUNTIME_DIR", self.folder.path())
            .env_remove("WAYLAND_SOCKET")
            .env_remove("PIPEWIRE_REMOTE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (said, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        (Process(process), lines)
    }
}

/// The nodes and sizes of so many streams, by their numbers.
fn streams(lines: &mpsc::Receiver<String>, count: usize) -> Vec<(u32, (u32, u32))> {
    let mut streams = vec![None; count];
    while streams.contains(&None) {
        let line = lines.recv_timeout(PATIENCE).expect("it says its streams");
        let words: Vec<&str> = line.split(' ').collect();
        let ["stream", number, node, width, height] = words[..] else {
            panic!("{line}");
        };
        let number: usize = number.parse().unwrap();
        let size = (width.parse().unwrap(), height.parse().unwrap());
        streams[number] = Some((node.parse().unwrap(), size));
    }
    streams.into_iter().flatten().collect()
}

fn ends(process: &mut Process) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = process.0.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// What a consumer saw last.
#[derive(Default)]
struct Seen {
    size: (u32, u32),
    stride: usize,
    pixels: Vec<u8>,
    frames: u32,
    connected: bool,
}

impl Seen {
    /// Red, green and blue at a place.
    fn at(&self, (x, y): (u32, u32)) -> Option<[u8; 3]> {
        let at = y as usize * self.stride + x as usize * 4;
        let pixel = self.pixels.get(at..at + 3)?;
        Some([pixel[2], pixel[1], pixel[0]])
    }
}

/// A program that takes frames.
struct Consumer {
    seen: Rc<RefCell<Seen>>,
    link: Option<PipeWireLink>,
    node: u32,
    _listener: pipewire::stream::StreamListener<()>,
    stream: StreamRc,
    core: pipewire::core::CoreRc,
    main_loop: MainLoopRc,
}

impl Consumer {
    fn new(socket: &Path, node: u32) -> Self {
        let main_loop = MainLoopRc::new(None).unwrap();
        let context = ContextRc::new(&main_loop, None).unwrap();
        let remote = properties! { "remote.name" => socket.to_str().unwrap() };
        let core = context.connect_rc(Some(remote)).unwrap();
        let about = properties! { "media.class" => "Stream/Input/Video" };
        let stream = StreamRc::new(core.clone(), "consumer", about).unwrap();
        let seen = Rc::new(RefCell::new(Seen::default()));
        let (states, formats, frames) = (seen.clone(), seen.clone(), seen.clone());
        let listener = stream
            .add_local_listener::<()>()
            .state_changed(move |_, (), _, state| match state {
                StreamState::Paused => states.borrow_mut().connected = true,
                StreamState::Error(why) => panic!("the consumer's stream: {why}"),
                _ => {}
            })
            .param_changed(move |_, (), id, param| {
                let Some(param) = param.filter(|_| id == ParamType::Format.as_raw()) else {
                    return;
                };
                let mut info = VideoInfoRaw::new();
                info.parse(param).unwrap();
                assert!(info.format() == VideoFormat::BGRx);
                let size = info.size();
                formats.borrow_mut().size = (size.width, size.height);
            })
            .process(move |stream, ()| {
                while let Some(mut buffer) = stream.dequeue_buffer() {
                    let Some(data) = buffer.datas_mut().first_mut() else {
                        continue;
                    };
                    let (stride, bytes) = (data.chunk().stride(), data.chunk().size());
                    let mut seen = frames.borrow_mut();
                    let Some(pixels) = data.data() else { continue };
                    seen.stride = stride as usize;
                    seen.pixels = pixels[..bytes as usize].to_vec();
                    seen.frames += 1;
                }
            })
            .register()
            .unwrap();
        let formats = formats_of_any_size();
        let flags = StreamFlags::MAP_BUFFERS | StreamFlags::NO_CONVERT;
        let formats = Pod::from_bytes(&formats).unwrap();
        stream
            .connect(Direction::Input, None, flags, &mut [formats])
            .unwrap();
        Self {
            seen,
            link: None,
            node,
            _listener: listener,
            stream,
            core,
            main_loop,
        }
    }

    fn turn(&mut self) {
        let pause = Timeout::Finite(Duration::from_millis(10));
        self.main_loop.loop_().iterate(pause);
        // There is no session manager that would link it.
        if self.link.is_none() && self.seen.borrow().connected {
            let ends = properties! {
                "link.output.node" => self.node.to_string(),
                "link.input.node" => self.stream.node_id().to_string(),
            };
            self.link = Some(self.core.create_object("link-factory", &ends).unwrap());
        }
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Seen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(&self.seen.borrow()) {
            assert!(
                Instant::now() < end,
                "{what}: {} frames",
                self.seen.borrow().frames
            );
            self.turn();
        }
    }

    fn frames_within(&mut self, time: Duration) -> u32 {
        let (before, end) = (self.seen.borrow().frames, Instant::now() + time);
        while Instant::now() < end {
            self.turn();
        }
        self.seen.borrow().frames - before
    }
}

fn formats_of_any_size() -> Vec<u8> {
    let id = |key: FormatProperties, id: u32| Property::new(key.as_raw(), Value::Id(Id(id)));
    let size = |width, height| Rectangle { width, height };
    let rate = |num| Fraction { num, denom: 1 };
    let choice = |key: FormatProperties, choice| Property::new(key.as_raw(), Value::Choice(choice));
    let none = ChoiceFlags::empty();
    let object = Object {
        type_: SpaTypes::ObjectParamFormat.as_raw(),
        id: ParamType::EnumFormat.as_raw(),
        properties: vec![
            id(FormatProperties::MediaType, MediaType::Video.as_raw()),
            id(FormatProperties::MediaSubtype, MediaSubtype::Raw.as_raw()),
            id(FormatProperties::VideoFormat, VideoFormat::BGRx.as_raw()),
            choice(
                FormatProperties::VideoSize,
                ChoiceValue::Rectangle(Choice(
                    none,
                    ChoiceEnum::Range {
                        default: size(1280, 800),
                        min: size(1, 1),
                        max: size(8192, 8192),
                    },
                )),
            ),
            choice(
                FormatProperties::VideoFramerate,
                ChoiceValue::Fraction(Choice(
                    none,
                    ChoiceEnum::Range {
                        default: rate(0),
                        min: rate(0),
                        max: rate(1000),
                    },
                )),
            ),
        ],
    };
    let written =
        PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &Value::Object(object));
    written.unwrap().0.into_inner()
}

#[test]
fn a_consumer_gets_each_change_of_an_output_and_of_a_window() {
    let mut desktop = Desktop::new();
    let window = format!("window:{}", desktop.window);
    let (mut process, lines) = desktop.records(&["output:one", &window]);
    let known = streams(&lines, 2);
    assert_eq!(known[0].1, (1280, 800));
    let middle = desktop.middle();

    let mut output = Consumer::new(&desktop.socket(), known[0].0);
    output.until("the output is seen", |seen| seen.at(middle) == Some(RED));
    assert_eq!(output.seen.borrow().size, (1280, 800));
    let mut alone = Consumer::new(&desktop.socket(), known[1].0);
    let (width, height) = known[1].1;
    let centre = (width / 2, height / 2);
    alone.until("the window is seen", |seen| seen.at(centre) == Some(RED));
    assert_eq!(alone.seen.borrow().size, (width, height));

    // What was drawn at the beginning has come by then, and nothing comes while nothing changes.
    output.frames_within(Duration::from_millis(1000));
    assert_eq!(output.frames_within(Duration::from_millis(500)), 0);
    desktop.paints(BLUE);
    output.until("the output is seen again", |seen| {
        seen.at(middle) == Some(BLUE)
    });
    alone.until("the window is seen again", |seen| {
        seen.at(centre) == Some(BLUE)
    });

    // Whoever comes while nothing changes gets a frame all the same.
    drop(output);
    let mut later = Consumer::new(&desktop.socket(), known[0].0);
    later.until("the output is seen by another", |seen| {
        seen.at(middle) == Some(BLUE)
    });

    // The output has another size.
    desktop.does(|state| {
        let output = state.output_list()[0].clone();
        headless::resize_output(state, &output, 640, 480);
    });
    later.until("the other size is seen", |seen| {
        seen.size == (640, 480) && seen.pixels.len() == 640 * 480 * 4
    });

    // The window goes, and its stream; the other one goes on.
    desktop.colours = None;
    let line = lines.recv_timeout(PATIENCE).expect("it says what is gone");
    assert_eq!(line, "ended 1");
    assert!(process.0.try_wait().unwrap().is_none());
    // The portal goes.
    drop(process.0.stdin.take());
    assert!(ends(&mut process), "it ends well");
}

#[test]
fn it_ends_with_the_last_source() {
    let mut desktop = Desktop::new();
    let window = format!("window:{}", desktop.window);
    let (mut process, lines) = desktop.records(&[&window]);
    streams(&lines, 1);
    desktop.colours = None;
    assert!(ends(&mut process), "it ends well");
    assert_eq!(lines.recv().unwrap(), "ended 0");
}

#[test]
fn what_is_not_there_is_said() {
    let desktop = Desktop::new();
    for source in ["output:two", "window:none"] {
        let (mut process, lines) = desktop.records(&[source]);
        assert!(!ends(&mut process), "{source}");
        assert!(lines.recv().is_err());
    }
}

/// A compositor for whoever connects to `listener`, until nobody has jobs for it any more.
fn compositor(listener: &UnixListener, jobs: &mpsc::Receiver<Job>) {
    let mut event_loop = EventLoop::try_new().unwrap();
    let (link, _shell, _orders) = Link::detached();
    let backend = Box::new(Headless::new().unwrap());
    let mut state = State::new(&event_loop, Config::default(), backend, link).unwrap();
    headless::add_output(&mut state, "one", 1280, 800);
    listener.set_nonblocking(true).unwrap();
    loop {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            state.insert_client(stream, false).unwrap();
        }
        loop {
            match jobs.try_recv() {
                Ok(job) => job(&mut state),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let pause = Some(Duration::from_millis(5));
        event_loop.dispatch(pause, &mut state).unwrap();
        state.settle();
    }
}

/// A program with one window, red at first.
fn program(socket: UnixStream, told: &mpsc::Sender<String>, colours: &mpsc::Receiver<[u8; 3]>) {
    let connection = Connection::from_socket(socket).unwrap();
    let (globals, mut queue) = registry_queue_init::<App>(&connection).unwrap();
    let qh = queue.handle();
    let compositor: wl_compositor::WlCompositor = globals.bind(&qh, 4..=4, ()).unwrap();
    let shell: xdg_wm_base::XdgWmBase = globals.bind(&qh, 1..=1, ()).unwrap();
    let shm: wl_shm::WlShm = globals.bind(&qh, 1..=1, ()).unwrap();
    let _list: ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1 =
        globals.bind(&qh, 1..=1, ()).unwrap();
    let surface = compositor.create_surface(&qh, ());
    let xdg = shell.get_xdg_surface(&surface, &qh, ());
    let toplevel = xdg.get_toplevel(&qh, ());
    toplevel.set_title("A program".into());
    surface.commit();
    let mut app = App::default();
    turn(&mut queue, &mut app);
    let paint = |colour: [u8; 3]| {
        let (width, height) = WINDOW;
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let memory = File::from(rustix::fs::memfd_create("window", flags).unwrap());
        let [red, green, blue] = colour;
        let pixels = [blue, green, red, 255].repeat((width * height) as usize);
        memory.write_all_at(&pixels, 0).unwrap();
        let pool = shm.create_pool(memory.as_fd(), pixels.len() as i32, &qh, ());
        let format = wl_shm::Format::Xrgb8888;
        let buffer = pool.create_buffer(0, width, height, width * 4, format, &qh, ());
        surface.attach(Some(&buffer), 0, 0);
        surface.damage(0, 0, width, height);
        surface.commit();
    };
    paint(RED);
    let end = Instant::now() + PATIENCE;
    while app.window.is_none() {
        assert!(Instant::now() < end, "the window is not listed");
        turn(&mut queue, &mut app);
    }
    told.send(app.window.clone().unwrap()).unwrap();
    loop {
        match colours.try_recv() {
            Ok(colour) => paint(colour),
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => return,
        }
        if queue.roundtrip(&mut app).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn turn(queue: &mut EventQueue<App>, app: &mut App) {
    queue.roundtrip(app).unwrap();
    queue.roundtrip(app).unwrap();
}

#[derive(Default)]
struct App {
    /// The identifier of its window.
    window: Option<String>,
}

impl Dispatch<wl_registry::WlRegistry, GlobalListContents> for App {
    fn event(
        _: &mut Self,
        _: &wl_registry::WlRegistry,
        _: <wl_registry::WlRegistry as Proxy>::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Dispatch<ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1, ()> for App {
    fn event(
        _: &mut Self,
        _: &ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1,
        _: ext_foreign_toplevel_list_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }

    event_created_child!(App, ext_foreign_toplevel_list_v1::ExtForeignToplevelListV1, [
        ext_foreign_toplevel_list_v1::EVT_TOPLEVEL_OPCODE =>
            (ext_foreign_toplevel_handle_v1::ExtForeignToplevelHandleV1, ()),
    ]);
}

impl Dispatch<ext_foreign_toplevel_handle_v1::ExtForeignToplevelHandleV1, ()> for App {
    fn event(
        app: &mut Self,
        _: &ext_foreign_toplevel_handle_v1::ExtForeignToplevelHandleV1,
        event: ext_foreign_toplevel_handle_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let ext_foreign_toplevel_handle_v1::Event::Identifier { identifier } = event {
            app.window = Some(identifier);
        }
    }
}

impl Dispatch<xdg_surface::XdgSurface, ()> for App {
    fn event(
        _: &mut Self,
        surface: &xdg_surface::XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            surface.ack_configure(serial);
        }
    }
}

impl Dispatch<xdg_wm_base::XdgWmBase, ()> for App {
    fn event(
        _: &mut Self,
        shell: &xdg_wm_base::XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            shell.pong(serial);
        }
    }
}

delegate_noop!(App: wl_compositor::WlCompositor);
delegate_noop!(App: ignore wl_shm::WlShm);
delegate_noop!(App: wl_shm_pool::WlShmPool);
delegate_noop!(App: ignore wl_buffer::WlBuffer);
delegate_noop!(App: ignore wl_surface::WlSurface);
delegate_noop!(App: ignore xdg_toplevel::XdgToplevel);
