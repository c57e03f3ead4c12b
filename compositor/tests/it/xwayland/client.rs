//! An X program, as a test steers it, and the compositor turned meanwhile.
//!
//! Requests are sent at once; what has to be waited for runs on a thread of its own while the
//! compositor is turned here.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use argos_compositor::smithay::reexports::x11rb::{
    self,
    connection::Connection,
    protocol::{
        Event,
        xproto::{
            Atom, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConfigureWindowAux,
            ConnectionExt, CreateWindowAux, EventMask, PropMode, Window, WindowClass,
        },
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use rustix::process::Pid;

use crate::fixture::Fixture;

/// How long a server may take to start, and anything else that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Turns the compositor until something is so.
pub(super) fn until(f: &mut Fixture, what: &str, mut is_so: impl FnMut(&mut Fixture) -> bool) {
    let start = Instant::now();
    while !is_so(f) {
        f.turn();
        std::thread::sleep(Duration::from_millis(2));
        assert!(
            start.elapsed() < LIMIT,
            "not within {LIMIT:?}: {what}; there are {:?}",
            f.state.window_list()
        );
    }
}

/// Runs something that waits for the X server, and turns the compositor meanwhile.
pub(super) fn alongside<T: Send + 'static>(
    f: &mut Fixture,
    what: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> T {
    let thread = std::thread::spawn(run);
    until(f, what, |_| thread.is_finished());
    thread.join().unwrap()
}

/// The X servers that run for the compositor's display, by their processes' numbers.
pub(super) fn servers(f: &Fixture) -> Vec<Pid> {
    let name = f.state.x11_display().expect("X programs are on");
    let number: u32 = name[1..].parse().unwrap();
    // The compositor starts them under another number than that at which clients find them.
    let named = format!(":{}", number + 10_000);
    let processes = fs::read_dir("/proc").unwrap();
    let named: Vec<i32> = processes
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            // One that is dead has no command any more.
            let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = command.split('\0');
            words.next() == Some("Xwayland") && words.any(|word| word == named)
        })
        .collect();
    let parent = |pid: i32| -> Option<i32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        line.trim().parse().ok()
    };
    // What a server has forked to start a program (xkbcomp) has its command until then.
    let servers = named.iter().filter(|pid| match parent(**pid) {
        Some(parent) => !named.contains(&parent),
        None => false,
    });
    servers.copied().filter_map(Pid::from_raw).collect()
}

/// An X program.
pub(super) struct Program {
    pub(super) connection: Arc<RustConnection>,
    root: Window,
    visual: u32,
    /// What it has heard.
    pub(super) events: Vec<Event>,
}

impl Program {
    /// Connects, which starts the server if there is none.
    pub(super) fn start(f: &mut Fixture) -> Self {
        let name = f.state.x11_display().expect("X programs are on");
        let connection = alongside(f, "an X program is connected", move || {
            RustConnection::connect(Some(&name))
                .expect("the X server answers")
                .0
        });
        let screen = &connection.setup().roots[0];
        let (root, visual) = (screen.root, screen.root_visual);
        Self {
            connection: Arc::new(connection),
            root,
            visual,
            events: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> Window {
        self.root
    }

    pub(super) fn atom(&self, f: &mut Fixture, name: &str) -> Atom {
        let (connection, name) = (Arc::clone(&self.connection), name.to_owned());
        alongside(f, "an atom", move || {
            let cookie = connection.intern_atom(false, name.as_bytes()).unwrap();
            cookie.reply().unwrap().atom
        })
    }

    /// The numbers in a property.
    pub(super) fn property(&self, f: &mut Fixture, window: Window, name: &str) -> Vec<u32> {
        let atom = self.atom(f, name);
        let connection = Arc::clone(&self.connection);
        alongside(f, "a property", move || {
            let cookie = connection.get_property(false, window, atom, AtomEnum::ANY, 0, 64);
            let reply = cookie.unwrap().reply().unwrap();
            reply.value32().map(Iterator::collect).unwrap_or_default()
        })
    }

    /// Where a window is on the screen, and its size.
    pub(super) fn place(&self, f: &mut Fixture, window: Window) -> (i32, i32, u32, u32) {
        let (connection, root) = (Arc::clone(&self.connection), self.root);
        alongside(f, "a place", move || {
            let size = connection.get_geometry(window).unwrap().reply().unwrap();
            let at = connection.translate_coordinates(window, root, 0, 0);
            let at = at.unwrap().reply().unwrap();
            (
                at.dst_x.into(),
                at.dst_y.into(),
                size.width.into(),
                size.height.into(),
            )
        })
    }

    /// A window in one colour, 0xRRGGBB, that is not shown yet.
    pub(super) fn create(
        &self,
        (x, y, w, h): (i16, i16, u16, u16),
        colour: u32,
        places_itself: bool,
    ) -> Window {
        let window = self.connection.generate_id().unwrap();
        let events = EventMask::KEY_PRESS
            | EventMask::BUTTON_PRESS
            | EventMask::STRUCTURE_NOTIFY
            | EventMask::FOCUS_CHANGE
            | EventMask::PROPERTY_CHANGE;
        let with = CreateWindowAux::new()
            .background_pixel(colour)
            .event_mask(events)
            .override_redirect(u32::from(places_itself));
        self.connection
            .create_window(
                x11rb::COPY_DEPTH_FROM_PARENT,
                window,
                self.root,
                x,
                y,
                w,
                h,
                0,
                WindowClass::INPUT_OUTPUT,
                self.visual,
                &with,
            )
            .unwrap();
        window
    }

    /// A text in a property.
    pub(super) fn say(&self, window: Window, property: AtomEnum, text: &str) {
        self.connection
            .change_property8(
                PropMode::REPLACE,
                window,
                property,
                AtomEnum::STRING,
                text.as_bytes(),
            )
            .unwrap();
    }

    pub(super) fn map(&self, window: Window) {
        self.connection.map_window(window).unwrap();
        self.connection.flush().unwrap();
    }

    /// A window with a title, on the screen.
    pub(super) fn window(
        &self,
        f: &mut Fixture,
        title: &str,
        size: (u16, u16),
        colour: u32,
    ) -> Window {
        let window = self.create((0, 0, size.0, size.1), colour, false);
        self.say(window, AtomEnum::WM_NAME, title);
        self.say(
            window,
            AtomEnum::WM_CLASS,
            &format!("{title}\0Class-{title}\0"),
        );
        self.map(window);
        until(f, "the window is listed", |f| {
            let windows = f.state.window_list();
            windows.iter().any(|window| window.title == title)
        });
        window
    }

    pub(super) fn configure(&self, window: Window, change: &ConfigureWindowAux) {
        self.connection.configure_window(window, change).unwrap();
        self.connection.flush().unwrap();
    }

    pub(super) fn change(&self, window: Window, change: &ChangeWindowAttributesAux) {
        self.connection
            .change_window_attributes(window, change)
            .unwrap();
        self.connection.flush().unwrap();
    }

    /// A request to the window manager.
    pub(super) fn ask_manager(&self, f: &mut Fixture, window: Window, name: &str, data: [u32; 5]) {
        let kind = self.atom(f, name);
        let event = ClientMessageEvent::new(32, window, kind, data);
        let to = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection
            .send_event(false, self.root, to, event)
            .unwrap();
        self.connection.flush().unwrap();
    }

    /// Both sides go on until the program has heard something.
    pub(super) fn hears(
        &mut self,
        f: &mut Fixture,
        what: &str,
        is_it: impl Fn(&Event) -> bool,
    ) -> Event {
        let mut found = None;
        until(f, what, |_| {
            while let Some(event) = self.connection.poll_for_event().unwrap() {
                self.events.push(event);
            }
            found = self.events.iter().find(|event| is_it(event)).cloned();
            found.is_some()
        });
        found.unwrap()
    }
}
