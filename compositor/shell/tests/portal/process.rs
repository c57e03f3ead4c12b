//! The portal as a process, between a private bus and a compositor without a screen.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use argos_bus::sharing::Sharing1Proxy;
use argos_compositor::State;
use argos_compositor::backend::headless::Headless;
use argos_compositor::config::Idle;
use argos_compositor::smithay::backend::input::{ButtonState, KeyState};
use argos_compositor::smithay::desktop::layer_map_for_output;
use argos_compositor::smithay::input::keyboard::Keycode;
use argos_shell::bus::portal::{NAME, PATH};
use argos_shell::portal::APP_ID;
use smithay_client_toolkit::reexports::client::globals::{GlobalListContents, registry_queue_init};
use smithay_client_toolkit::reexports::client::protocol::{
    wl_buffer, wl_compositor, wl_registry, wl_shm, wl_shm_pool, wl_surface,
};
use smithay_client_toolkit::reexports::client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop,
};
use smithay_client_toolkit::reexports::protocols::xdg::foreign::zv2::client::{
    zxdg_exported_v2, zxdg_exporter_v2,
};
use smithay_client_toolkit::reexports::protocols::xdg::shell::client::{
    xdg_surface, xdg_toplevel, xdg_wm_base,
};
use zbus::names::BusName;
use zbus::wire::{ObjectPath, Variant};

use super::bench::{OPEN, Reply, Results, call, options, replied};
use super::session::{Bus, open_to};
use super::stage::{Compositor, PATIENCE};

// Linux's codes of keys.
const ESCAPE: u32 = 1;
const ENTER: u32 = 28;
const SHIFT: u32 = 42;
const ALT: u32 = 56;
const F4: u32 = 62;
const RIGHT: u32 = 106;
const DOWN: u32 = 108;

/// Size of the window of a [`program`].
const WINDOW: (i32, i32) = (1100, 700);

/// A compositor, a bus, and the portal between them.
struct Desktop {
    compositor: Compositor,
    bus: Bus,
    portal: Child,
    home: tempfile::TempDir,
    time: u32,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.portal.kill();
        let _ = self.portal.wait();
    }
}

impl Desktop {
    async fn new(idle: Idle) -> Self {
        Self::with(idle, "").await
    }

    /// With these settings of the shell.
    async fn with(idle: Idle, settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join(".config/argos");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("shell.yaml"), settings).unwrap();
        let listener = UnixListener::bind(home.path().join("wayland")).unwrap();
        let compositor = Compositor::new(idle, || Headless::new().unwrap(), open_to(listener));
        let bus = Bus::new();
        let portal = Command::new(env!("CARGO_BIN_EXE_argos-shell"))
            .arg("portal")
            .env("WAYLAND_DISPLAY", home.path().join("wayland"))
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env("ARGOS_SHELL_RENDERER", "cpu")
            .env("ARGOS_SCREENCAST", recorder(home.path()))
            .env("LC_ALL", "C.UTF-8")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("WAYLAND_SOCKET")
            .spawn()
            .unwrap();
        let desktop = Self {
            compositor,
            bus,
            portal,
            home,
            time: 1000,
        };
        let client = desktop.bus.connect().await;
        let dbus = zbus::fdo::DBusProxy::new(&client).await.unwrap();
        let end = Instant::now() + PATIENCE;
        while !dbus
            .name_has_owner(BusName::try_from(NAME).unwrap())
            .await
            .unwrap()
        {
            assert!(Instant::now() < end, "the portal does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        desktop
    }

    /// Something is looked up, or done, in the compositor.
    fn does<T: Send + 'static>(&self, job: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        self.compositor.does(job)
    }

    async fn until(&self, what: &str, done: impl Fn(&mut State) -> bool + Send + Clone + 'static) {
        let end = Instant::now() + PATIENCE;
        while !self.does(done.clone()) {
            assert!(Instant::now() < end, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A dialog of this title has the keyboard.
    async fn shows(&self, title: &'static str) {
        self.until(title, move |state| {
            let windows = state.window_list();
            let mut windows = windows.iter();
            windows.any(|w| w.title == title && w.app_id == APP_ID && w.focused)
        })
        .await;
    }

    async fn shows_nothing(&self) {
        self.until("no dialog is left", |state| {
            state.window_list().iter().all(|w| w.app_id != APP_ID)
        })
        .await;
    }

    fn presses(&mut self, codes: &'static [u32]) {
        self.time += 20;
        let time = self.time;
        self.does(move |state| {
            for code in codes {
                state.key(Keycode::new(code + 8), KeyState::Pressed, time);
            }
            for code in codes.iter().rev() {
                state.key(Keycode::new(code + 8), KeyState::Released, time + 1);
            }
        });
    }

    /// Presses a key now and then until there is a reply: what is not on screen yet takes none.
    async fn presses_until_replied(
        &mut self,
        codes: &'static [u32],
        reply: Reply,
    ) -> (u32, Results) {
        let end = Instant::now() + PATIENCE;
        while !reply.is_finished() {
            assert!(Instant::now() < end, "{codes:?} ends nothing");
            self.presses(codes);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        replied(reply).await
    }

    /// Points at a place and does something there, each time a pixel farther to the right, until there is a reply.
    /// Returns that, and how much farther it was in the end.
    async fn points_until_replied(
        &mut self,
        (x, y): (i32, i32),
        does: impl Fn(&mut Self),
        reply: Reply,
    ) -> ((u32, Results), i32) {
        let end = Instant::now() + PATIENCE;
        let mut farther = 0;
        while !reply.is_finished() {
            assert!(Instant::now() < end, "nothing is picked");
            farther += 1;
            self.time += 20;
            let (x, time) = (f64::from(x + farther) + 0.5, self.time);
            let y = f64::from(y) + 0.5;
            self.does(move |state| state.pointer_to((x, y).into(), time));
            does(self);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        (replied(reply).await, farther)
    }

    fn clicks(&mut self) {
        self.time += 20;
        let time = self.time;
        self.does(move |state| {
            state.button(argos_compositor::LEFT, ButtonState::Pressed, time);
            state.button(argos_compositor::LEFT, ButtonState::Released, time + 1);
        });
    }

    /// Whether there is a picture of the screen in front of the screen.
    async fn is_held(&self, held: bool) {
        self.until("the screen is held still while it has to", move |state| {
            let outputs = state.output_list();
            held == outputs.iter().any(|output| {
                let map = layer_map_for_output(output);
                map.layers().any(|layer| layer.namespace() == "argos-pick")
            })
        })
        .await;
    }

    /// A program with a window, as long as the first thing that is returned is there; and what the window is called
    /// by others.
    fn opens_a_window(&self) -> (mpsc::Sender<()>, String) {
        let socket = self.home.path().join("wayland");
        let app = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let (done, told) = mpsc::channel::<()>();
        let (exported, handle) = mpsc::channel();
        // It answers the compositor as long as the test goes on.
        std::thread::spawn(move || program(app, &exported, &told));
        let handle = handle.recv_timeout(PATIENCE).expect("the window is there");
        (done, handle)
    }
}

/// Stands for `argos-screencast`, which is tested with PipeWire where it is: keeps what it is told to record, says a
/// stream for each source, and ends with its input or as soon as there is a file `gone`.
fn recorder(home: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = home.join("recorder");
    let script = format!(
        "#!/bin/sh\n\
         cd {}\n\
         echo \"$@\" >>recorded\n\
         shift 2\n\
         number=0\n\
         for source; do echo \"stream $number $((70 + number)) 400 300\"; number=$((number + 1)); done\n\
         while [ ! -e gone ]; do sleep 0.05; done\n\
         echo ended 0\n",
        home.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn in_folder(
    folder: &Path,
) -> std::collections::HashMap<&'static str, zbus::wire::Variant<'static>> {
    let folder = folder.to_str().unwrap().as_bytes().to_vec();
    options([("current_folder", folder.into())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_is_a_window_that_keys_go_to() {
    let mut desktop = Desktop::new(Idle::default()).await;
    let client = desktop.bus.connect().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("only one.txt"), "x").unwrap();
    let asks = |handle: &str| {
        let body = (
            "org.example.App",
            "",
            "Take a file",
            in_folder(folder.path()),
        );
        call(&client, "FileChooser", OPEN, handle, body)
    };

    let reply = asks("1");
    desktop.shows("Take a file").await;
    let (response, results) = desktop.presses_until_replied(&[ENTER], reply).await;
    assert_eq!(response, 0);
    let uris: Vec<String> = results["uris"].try_clone().unwrap().try_into().unwrap();
    let uri = format!("file://{}/only%20one.txt", folder.path().display());
    assert_eq!(uris, [uri]);
    desktop.shows_nothing().await;

    // The frame's way to close it, and the dialog's own.
    for keys in [&[ALT, F4][..], &[ESCAPE]] {
        let reply = asks("2");
        desktop.shows("Take a file").await;
        assert_eq!(desktop.presses_until_replied(keys, reply).await.0, 1);
        desktop.shows_nothing().await;
    }

    // The program's.
    let reply = asks("3");
    desktop.shows("Take a file").await;
    let request = "/org/freedesktop/portal/desktop/request/test/r3";
    let interface = Some("org.freedesktop.impl.portal.Request");
    let closed = client.call_method(Some(NAME), request, interface, "Close", &());
    closed.await.unwrap();
    assert_eq!(replied(reply).await.0, 2);
    desktop.shows_nothing().await;
    assert!(desktop.portal.try_wait().unwrap().is_none(), "it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_of_the_screen_is_given_after_a_yes() {
    let mut desktop = Desktop::new(Idle::default()).await;
    let client = desktop.bus.connect().await;
    let asks = |handle: &str, known: bool| {
        let known = options([("permission_store_checked", known.into())]);
        call(
            &client,
            "Screenshot",
            "Screenshot",
            handle,
            ("org.example.Shot", "", known),
        )
    };
    // Whoever has the person's standing permission is not asked about again.
    let (response, results) = replied(asks("1", true)).await;
    assert_eq!(response, 0);
    let uri: String = results["uri"].try_clone().unwrap().try_into().unwrap();
    let pictures = desktop.home.path().join("Pictures");
    let path = uri.strip_prefix("file://").unwrap().replace("%20", " ");
    assert!(Path::new(&path).starts_with(&pictures), "{path}");
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let reader = png::Decoder::new(file).read_info().unwrap();
    let info = reader.info();
    assert_eq!((info.width, info.height), (1280, 800));

    let reply = asks("2", false);
    desktop.shows("Picture of the screen").await;
    let (response, results) = desktop.presses_until_replied(&[ESCAPE], reply).await;
    assert_eq!((response, results.len()), (1, 0));
    desktop.shows_nothing().await;
    assert_eq!(
        std::fs::read_dir(&pictures).unwrap().count(),
        1,
        "no was no"
    );

    // The next question is in the language that the settings say by then.
    let settings = desktop.home.path().join(".config/argos");
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::write(settings.join("shell.yaml"), "language: de\n").unwrap();
    let reply = asks("3", false);
    desktop.shows("Bild des Bildschirms").await;
    desktop.presses(&[RIGHT]);
    let (response, _) = desktop.presses_until_replied(&[ENTER], reply).await;
    assert_eq!(response, 0);
    assert_eq!(std::fs::read_dir(&pictures).unwrap().count(), 2);
}

/// The pixel of the window of a [`program`] that has the colour that was picked.
fn picked(results: &Results) -> (i32, i32) {
    let colour = <(f64, f64, f64)>::try_from(&*results["color"]).unwrap();
    let [red, green, blue] = [colour.0, colour.1, colour.2].map(|part| {
        let byte = part * 255.0;
        assert!((byte - byte.round()).abs() < 1e-9, "{colour:?}");
        byte.round() as i32
    });
    (red + (blue >> 4) * 256, green + (blue & 15) * 256)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_colour_of_the_pixel_that_is_pointed_at_is_given() {
    let mut desktop = Desktop::new(Idle::default()).await;
    let (done, _) = desktop.opens_a_window();
    let client = desktop.bus.connect().await;
    let asks = |handle: &str| {
        let body = ("org.example.Paint", "", options([]));
        call(&client, "Screenshot", "PickColor", handle, body)
    };
    let window = desktop.does(|state| state.window_list().remove(0));
    let corner = (
        window.x + window.width - WINDOW.0,
        window.y + window.height - WINDOW.1,
    );
    let (right, down) = (300, 260);
    let from = (corner.0 + right, corner.1 + down);

    let reply = asks("1");
    let (reply, farther) = desktop
        .points_until_replied(from, Desktop::clicks, reply)
        .await;
    assert_eq!(reply.0, 0);
    let (x, y) = picked(&reply.1);
    assert_eq!(y, down);
    assert!((right + 1..=right + farther).contains(&x), "{x}");
    desktop.is_held(false).await;

    // The keys go on from where the pointer is.
    let reply = asks("2");
    let keys = |desktop: &mut Desktop| {
        desktop.presses(&[RIGHT]);
        desktop.presses(&[SHIFT, DOWN]);
        desktop.presses(&[ENTER]);
    };
    let (reply, farther) = desktop.points_until_replied(from, keys, reply).await;
    assert_eq!(reply.0, 0);
    let (x, y) = picked(&reply.1);
    assert_eq!(y, down + 10);
    assert!((right + 2..=right + farther + 1).contains(&x), "{x}");
    desktop.is_held(false).await;

    // One at a time; no is an answer.
    let reply = asks("3");
    desktop.is_held(true).await;
    assert_eq!(replied(asks("4")).await.0, 2);
    let (response, results) = desktop.presses_until_replied(&[ESCAPE], reply).await;
    assert_eq!((response, results.len()), (1, 0));
    desktop.is_held(false).await;

    // The program wants it no more.
    let reply = asks("5");
    desktop.is_held(true).await;
    let request = "/org/freedesktop/portal/desktop/request/test/r5";
    let interface = Some("org.freedesktop.impl.portal.Request");
    let closed = client.call_method(Some(NAME), request, interface, "Close", &());
    closed.await.unwrap();
    assert_eq!(replied(reply).await.0, 2);
    desktop.is_held(false).await;
    drop(done);
}

/// A program that records the screen, as the front end is for it.
struct Recording<'a> {
    client: &'a zbus::Connection,
    handle: &'a str,
}

impl Recording<'_> {
    fn session(&self) -> ObjectPath<'static> {
        let path = format!(
            "/org/freedesktop/portal/desktop/session/test/s{}",
            self.handle
        );
        ObjectPath::try_from(path).unwrap()
    }

    fn calls(
        &self,
        method: &'static str,
        request: &str,
        rest: std::collections::HashMap<&'static str, Variant<'static>>,
    ) -> Reply {
        let path = format!("/org/freedesktop/portal/desktop/request/test/r{request}");
        let body = (
            ObjectPath::try_from(path).unwrap(),
            self.session(),
            "org.example.Call",
            rest,
        );
        let client = self.client.clone();
        tokio::spawn(async move {
            let interface = Some("org.freedesktop.impl.portal.ScreenCast");
            client
                .call_method(Some(NAME), PATH, interface, method, &body)
                .await
        })
    }

    /// Makes the session and selects sources.
    async fn selects(&self, options: std::collections::HashMap<&'static str, Variant<'static>>) {
        let made = self.calls("CreateSession", &format!("{}a", self.handle), no_options());
        assert_eq!(replied(made).await.0, 0);
        let selected = self.calls("SelectSources", &format!("{}b", self.handle), options);
        assert_eq!(replied(selected).await.0, 0);
    }

    fn starts(&self) -> Reply {
        let client = self.client.clone();
        let path = format!(
            "/org/freedesktop/portal/desktop/request/test/r{}c",
            self.handle
        );
        let body = (
            ObjectPath::try_from(path).unwrap(),
            self.session(),
            "org.example.Call",
            "",
            no_options(),
        );
        tokio::spawn(async move {
            let interface = Some("org.freedesktop.impl.portal.ScreenCast");
            client
                .call_method(Some(NAME), PATH, interface, "Start", &body)
                .await
        })
    }

    /// Whether its session is there.
    async fn is_open(&self) -> bool {
        let interface = Some("org.freedesktop.DBus.Introspectable");
        let asked =
            self.client
                .call_method(Some(NAME), self.session(), interface, "Introspect", &());
        match asked.await {
            Ok(reply) => {
                let said: String = reply.body().deserialize().unwrap();
                said.contains("impl.portal.Session")
            }
            Err(_) => false,
        }
    }

    async fn closes(&self) {
        let interface = Some("org.freedesktop.impl.portal.Session");
        let close = self
            .client
            .call_method(Some(NAME), self.session(), interface, "Close", &());
        close.await.unwrap();
    }
}

fn no_options() -> std::collections::HashMap<&'static str, Variant<'static>> {
    std::collections::HashMap::new()
}

/// Waits until this many recordings are told.
async fn shares(recording: &Sharing1Proxy<'_>, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let told = recording.shares().await.unwrap();
        if told.len() == count {
            return told;
        }
        assert!(Instant::now() < end, "{told:?}, not {count} recordings");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_screen_is_recorded_after_a_yes_until_it_is_stopped() {
    let mut desktop = Desktop::new(Idle::default()).await;
    let (done, _) = desktop.opens_a_window();
    let client = desktop.bus.connect().await;
    let told = desktop.bus.connect().await;
    let panel = Sharing1Proxy::builder(&told)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .unwrap();
    let recorded = desktop.home.path().join("recorded");
    let asks = || {
        options([
            ("types", 3_u32.into()),
            ("cursor_mode", 2_u32.into()),
            ("persist_mode", 2_u32.into()),
        ])
    };

    // No: nothing is recorded, and the session is over.
    let refused = Recording {
        client: &client,
        handle: "1",
    };
    refused.selects(asks()).await;
    let reply = refused.starts();
    desktop.shows("Record the screen").await;
    assert_eq!(desktop.presses_until_replied(&[ESCAPE], reply).await.0, 1);
    desktop.shows_nothing().await;
    assert!(!recorded.exists());
    assert_eq!(panel.shares().await.unwrap(), Vec::<String>::new());

    // The output is first in the list, before the window; then what is remembered, no and yes.
    let first = Recording {
        client: &client,
        handle: "2",
    };
    first.selects(asks()).await;
    let reply = first.starts();
    desktop.shows("Record the screen").await;
    desktop.presses(&[DOWN]);
    desktop.presses(&[DOWN]);
    desktop.presses(&[ENTER]);
    desktop.presses(&[DOWN]);
    desktop.presses(&[DOWN]);
    desktop.presses(&[ENTER]);
    desktop.presses(&[DOWN]);
    desktop.presses(&[DOWN]);
    let (response, results) = desktop.presses_until_replied(&[ENTER], reply).await;
    assert_eq!(response, 0);
    desktop.shows_nothing().await;
    let streams = format!("{:?}", results["streams"]);
    assert!(
        streams.contains("70") && streams.contains("1280"),
        "{streams}"
    );
    assert_eq!(*results["persist_mode"], Variant::from(2_u32));
    let told = std::fs::read_to_string(&recorded).unwrap();
    assert_eq!(told, "--pointer embedded output:one\n");
    assert_eq!(shares(&panel, 1).await, ["org.example.Call"]);

    // What was kept is recorded without a question.
    let kept = results["restore_data"].try_clone().unwrap();
    let again = Recording {
        client: &client,
        handle: "3",
    };
    let mut known = asks();
    known.insert("restore_data", Variant::from(kept));
    again.selects(known).await;
    let (response, results) = replied(again.starts()).await;
    assert_eq!(response, 0);
    assert!(results.contains_key("restore_data"), "and is kept on");
    shares(&panel, 2).await;

    // One session is closed by its program, all others by the person.
    first.closes().await;
    shares(&panel, 1).await;
    panel.stop_all().await.unwrap();
    shares(&panel, 0).await;
    let end = Instant::now() + PATIENCE;
    while again.is_open().await {
        assert!(Instant::now() < end, "its session is over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // What is recorded goes by itself.
    let last = Recording {
        client: &client,
        handle: "4",
    };
    let mut known = asks();
    known.insert(
        "restore_data",
        Variant::from(results["restore_data"].try_clone().unwrap()),
    );
    last.selects(known).await;
    assert_eq!(replied(last.starts()).await.0, 0);
    shares(&panel, 1).await;
    std::fs::write(desktop.home.path().join("gone"), "").unwrap();
    shares(&panel, 0).await;
    drop(done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_that_cannot_be_says_why() {
    let desktop = Desktop::new(Idle::default()).await;
    let client = desktop.bus.connect().await;
    let one = Recording {
        client: &client,
        handle: "1",
    };
    let early = one.starts().await.unwrap().unwrap_err().to_string();
    assert!(early.contains("CreateSession"), "{early}");
    let made = one.calls("CreateSession", "1a", no_options());
    assert_eq!(replied(made).await.0, 0);
    let odd = one.calls("SelectSources", "1b", options([("types", 4_u32.into())]));
    let odd = odd.await.unwrap().unwrap_err().to_string();
    assert!(odd.contains("0x4"), "{odd}");
    let early = one.starts().await.unwrap().unwrap_err().to_string();
    assert!(early.contains("SelectSources"), "{early}");
    // Another program has no part in it.
    let other = desktop.bus.connect().await;
    let theirs = Recording {
        client: &other,
        handle: "1",
    };
    let refused = theirs.starts().await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("no session"), "{refused}");
    // It is not installed any more.
    std::fs::remove_file(desktop.home.path().join("recorder")).unwrap();
    let two = Recording {
        client: &client,
        handle: "2",
    };
    let gone = two.calls("CreateSession", "2a", no_options());
    let gone = gone.await.unwrap().unwrap_err().to_string();
    assert!(gone.contains("no file"), "{gone}");
}

/// What is to be seen is where clicks go, also when it is larger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn larger_text_makes_a_dialog_larger_and_clicks_meet_it() {
    use argos_shell::parts::consent::{self, Consent};
    const TITLE_BAR: i32 = 32;
    let desktop = Desktop::with(Idle::default(), "text-size: 150\n").await;
    let client = desktop.bus.connect().await;
    let body = (
        "org.example.Cam",
        "",
        "Camera?",
        "It wants to see",
        "More",
        options([("grant_label", "Let it".into())]),
    );
    let reply = call(&client, "Access", "AccessDialog", "1", body);
    desktop.shows("A program asks").await;
    let window = desktop.does(|state| state.window_list().remove(0));
    assert_eq!(window.width, (consent::WIDTH * 3 / 2) as i32);

    // The same dialog by itself, to know where its button is.
    argos_shell::fonts::load();
    let own = Consent::new(consent::Request {
        app: "org.example.Cam".into(),
        title: "Camera?".into(),
        subtitle: "It wants to see".into(),
        body: "More".into(),
        grant: "Let it".into(),
        deny: "Deny".into(),
        choices: Vec::new(),
        picture: None,
    });
    let height = (window.height - TITLE_BAR) as u32 * 2 / 3;
    let size = iced_core::Size::new(consent::WIDTH, height);
    let units = iced_core::Size::new(size.width as f32, size.height as f32);
    let theme = argos_shell::theme::built_in("dark");
    let view = own.view(Instant::now(), units, &theme.colors);
    let clear = iced_core::Color::TRANSPARENT;
    let drawn = argos_shell::host::headless::draw(view, size, 1.0, clear, theme.colors.text);
    let button = drawn.texts.iter().find(|(text, _)| text == "Let it");
    let middle = button.expect("it has a button").1.center();
    let at = (
        f64::from(window.x) + f64::from(middle.x) * 1.5,
        f64::from(window.y + TITLE_BAR) + f64::from(middle.y) * 1.5,
    );
    let mut time = 5000;
    let end = Instant::now() + PATIENCE;
    while !reply.is_finished() {
        assert!(Instant::now() < end, "nothing is where it is seen");
        time += 20;
        desktop.does(move |state| {
            state.pointer_to(at.into(), time);
            state.button(argos_compositor::LEFT, ButtonState::Pressed, time + 1);
            state.button(argos_compositor::LEFT, ButtonState::Released, time + 2);
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(replied(reply).await.0, 0, "yes");
    desktop.shows_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_screen_stays_on_while_a_program_wants_it() {
    let mut desktop = Desktop::new(Idle {
        screen_off_after: 2,
        ..Idle::default()
    })
    .await;
    let dark = |state: &mut State| state.shown_on_bus().outputs.iter().all(|o| o.dark);
    let client = desktop.bus.connect().await;
    desktop.presses(&[ESCAPE]);
    let film = call(
        &client,
        "Inhibit",
        "Inhibit",
        "1",
        ("org.example.Film", "", 8_u32, options([])),
    );
    film.await.unwrap().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert!(!desktop.does(dark), "after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The program ends.
    client.close().await.unwrap();
    desktop.until("it goes dark", dark).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_belongs_to_the_window_of_who_asked() {
    let mut desktop = Desktop::new(Idle::default()).await;
    let (done, handle) = desktop.opens_a_window();
    let client = desktop.bus.connect().await;
    let folder = tempfile::tempdir().unwrap();
    let parent = format!("wayland:{handle}");
    let body = (
        "org.example.App",
        parent.as_str(),
        "Of the window",
        in_folder(folder.path()),
    );
    let reply = call(&client, "FileChooser", OPEN, "1", body);
    desktop.shows("Of the window").await;
    // Turning to the window leads back to the dialog, which is modal.
    let (window, dialog) = desktop.does(|state| {
        let windows = state.window_list();
        let of = |title: &str| windows.iter().find(|w| w.title == title).map(|w| w.id);
        (of("A program"), of("Of the window"))
    });
    assert!(window.is_some() && dialog.is_some());
    let place = desktop.does(move |state| {
        let windows = state.window_list();
        let window = windows
            .iter()
            .find(|w| Some(w.id) == window)
            .unwrap()
            .clone();
        (window.x, window.y, window.width, window.height)
    });
    let (x, y) = (f64::from(place.0 + 4), f64::from(place.1 + place.3 - 4));
    desktop.does(move |state| {
        state.pointer_to((x, y).into(), 5000);
        state.button(argos_compositor::LEFT, ButtonState::Pressed, 5001);
        state.button(argos_compositor::LEFT, ButtonState::Released, 5002);
    });
    desktop.shows("Of the window").await;
    assert_eq!(desktop.presses_until_replied(&[ESCAPE], reply).await.0, 1);
    desktop.shows_nothing().await;
    drop(done);
}

/// A program with one window that is exported. Each pixel of it has a colour of its own, see [`picked`].
fn program(
    socket: std::os::unix::net::UnixStream,
    exported: &mpsc::Sender<String>,
    told: &mpsc::Receiver<()>,
) {
    let connection = Connection::from_socket(socket).unwrap();
    let (globals, mut queue) = registry_queue_init::<App>(&connection).unwrap();
    let qh = queue.handle();
    let compositor: wl_compositor::WlCompositor = globals.bind(&qh, 4..=4, ()).unwrap();
    let shell: xdg_wm_base::XdgWmBase = globals.bind(&qh, 1..=1, ()).unwrap();
    let shm: wl_shm::WlShm = globals.bind(&qh, 1..=1, ()).unwrap();
    let exporter: zxdg_exporter_v2::ZxdgExporterV2 = globals.bind(&qh, 1..=1, ()).unwrap();
    let surface = compositor.create_surface(&qh, ());
    let xdg = shell.get_xdg_surface(&surface, &qh, ());
    let toplevel = xdg.get_toplevel(&qh, ());
    toplevel.set_title("A program".into());
    surface.commit();
    let mut app = App::default();
    turn(&mut queue, &mut app);
    let (width, height) = WINDOW;
    let memory = rustix::fs::memfd_create("window", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let memory = File::from(memory);
    let bytes = width * height * 4;
    let rows = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = rows.flat_map(|(x, y)| {
        [
            ((x >> 8) << 4) as u8 | (y >> 8) as u8,
            y as u8,
            x as u8,
            255,
        ]
    });
    let pixels: Vec<u8> = pixels.collect();
    memory.write_all_at(&pixels, 0).unwrap();
    let pool = shm.create_pool(std::os::fd::AsFd::as_fd(&memory), bytes, &qh, ());
    let format = wl_shm::Format::Xrgb8888;
    let buffer = pool.create_buffer(0, width, height, width * 4, format, &qh, ());
    surface.attach(Some(&buffer), 0, 0);
    surface.damage(0, 0, width, height);
    surface.commit();
    exporter.export_toplevel(&surface, &qh, ());
    turn(&mut queue, &mut app);
    exported.send(app.handle.expect("it has a handle")).unwrap();
    let mut app = App::default();
    while let Err(mpsc::TryRecvError::Empty) = told.try_recv() {
        if queue.roundtrip(&mut app).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn turn(queue: &mut EventQueue<App>, app: &mut App) {
    queue.roundtrip(app).unwrap();
    queue.roundtrip(app).unwrap();
}

#[derive(Default)]
struct App {
    handle: Option<String>,
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

impl Dispatch<zxdg_exported_v2::ZxdgExportedV2, ()> for App {
    fn event(
        app: &mut Self,
        _: &zxdg_exported_v2::ZxdgExportedV2,
        event: zxdg_exported_v2::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let zxdg_exported_v2::Event::Handle { handle } = event {
            app.handle = Some(handle);
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
delegate_noop!(App: zxdg_exporter_v2::ZxdgExporterV2);
