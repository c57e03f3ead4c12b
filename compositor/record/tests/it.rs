//! Recordings of a compositor without a screen: as a library, and as the program beside a bus.

#[path = "../../shell/tests/stage/session.rs"]
mod session;
#[path = "../../shell/tests/stage/mod.rs"]
mod stage;

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use argos_bus::recorder::{NAME, Recorder1Proxy, Region};
use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::config::Idle;
use argos_compositor::smithay::backend::input::KeyState;
use argos_compositor::smithay::input::keyboard::Keycode;
use argos_record::screen::End;
use argos_record::stop::Stop;
use argos_record::{Error, Plan, Summary, Target, record};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use session::{Bus, open_to};
use stage::{Compositor, PATIENCE};
use wayland_client::Connection;

/// So long something would have been seen by.
const A_WHILE: Duration = Duration::from_millis(600);
// Linux's codes of keys.
const SUPER: u32 = 125;
const L: u32 = 38;

/// What a recording ends with.
type Made = Result<Summary, (Error, Option<Summary>)>;

struct Desktop {
    compositor: Compositor,
    home: tempfile::TempDir,
    time: u32,
}

impl Desktop {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("wayland")).unwrap();
        let backend = || Headless::new().unwrap();
        Self {
            compositor: Compositor::new(Idle::default(), backend, open_to(listener)),
            home,
            time: 1000,
        }
    }

    fn film(&self) -> PathBuf {
        self.home.path().join("film.mkv")
    }

    fn connection(&self) -> Connection {
        let socket = UnixStream::connect(self.home.path().join("wayland")).unwrap();
        Connection::from_socket(socket).unwrap()
    }

    /// Records into the film; returns when there is a picture.
    fn records(&self, plan: Plan) -> (JoinHandle<Made>, Stop) {
        let (connection, stop) = (self.connection(), Stop::new().unwrap());
        let film = File::create_new(self.film()).unwrap();
        let (begun, begins) = mpsc::channel();
        let stopped = stop.clone();
        let recording = std::thread::spawn(move || {
            record(&connection, &plan, film, &stopped, move || {
                begun.send(()).unwrap();
            })
        });
        begins.recv_timeout(PATIENCE).expect("there is a picture");
        (recording, stop)
    }

    /// The pointer goes to the next place.
    fn points(&mut self) {
        self.time += 20;
        let time = self.time;
        let x = f64::from(time % 1000) + 100.0;
        self.compositor
            .does(move |state| state.pointer_to((x, 400.0).into(), time));
    }

    /// The pointer moves until there are so many pictures in a film.
    fn points_until(&mut self, film: &Path, count: usize) {
        let end = Instant::now() + PATIENCE;
        while pictures(film) < count {
            assert!(Instant::now() < end, "there are no {count} pictures");
            self.points();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `argos-record` between this compositor and a bus.
    fn program(&self, bus: &Bus, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_argos-record"));
        program
            .args(arguments)
            .env("WAYLAND_DISPLAY", self.home.path().join("wayland"))
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env_remove("XDG_VIDEOS_DIR")
            .env_remove("WAYLAND_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program
    }
}

/// A program that ends with this.
struct Running(Option<Child>);

impl Running {
    fn new(program: &mut Command) -> Self {
        Self(Some(program.spawn().unwrap()))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.0.as_ref().unwrap())
    }

    /// Its exit status, and what it said.
    fn ended(mut self) -> (Option<i32>, String, String) {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn plan(target: Target) -> Plan {
    Plan {
        target,
        pointer: true,
        rate: 60,
    }
}

fn output() -> Target {
    Target::Output("one".into())
}

fn pictures(film: &Path) -> usize {
    let bytes = fs::read(film).unwrap_or_default();
    argos_film::read(&bytes).map_or(0, |film| film.pictures.len())
}

/// Every picture of a film that was ended is one of that size. Returns how many there are.
fn is_whole(film: &Path, size: (u32, u32)) -> usize {
    let bytes = fs::read(film).unwrap();
    let film = argos_film::read(&bytes).unwrap();
    assert!(film.whole);
    assert_eq!((film.width, film.height), size);
    assert!(film.pictures.is_sorted_by_key(|picture| picture.at));
    assert_eq!(film.pictures.last().map(|last| last.at), film.duration);
    for picture in &film.pictures {
        let shown = image::load_from_memory_with_format(picture.jpeg, image::ImageFormat::Jpeg);
        let shown = shown.unwrap().into_rgb8();
        assert_eq!(shown.dimensions(), size);
    }
    film.pictures.len()
}

#[test]
fn a_film_has_a_picture_for_what_changes() {
    let mut desktop = Desktop::new();
    let (recording, stop) = desktop.records(plan(output()));
    let film = desktop.film();
    desktop.points_until(&film, 4);
    stop.stop();
    let summary = recording.join().unwrap().unwrap();
    assert_eq!(summary.end, End::Stopped);
    // The last one is there twice.
    let count = is_whole(&film, (1280, 800)) as u64;
    assert_eq!(count, summary.pictures + 1);
}

#[test]
fn a_screen_that_stands_still_is_one_picture() {
    let mut desktop = Desktop::new();
    let (recording, stop) = desktop.records(Plan {
        pointer: false,
        ..plan(output())
    });
    let begin = Instant::now();
    while begin.elapsed() < A_WHILE {
        desktop.points();
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.stop();
    let summary = recording.join().unwrap().unwrap();
    assert_eq!((summary.pictures, summary.left_out), (1, 0));
    assert!(summary.length >= A_WHILE);
    assert_eq!(is_whole(&desktop.film(), (1280, 800)), 2);
}

#[test]
fn a_part_of_a_screen_is_recorded_and_what_is_not_there_is_named() {
    let mut desktop = Desktop::new();
    let region = |x, y, width, height| {
        plan(Target::Region(Region {
            x,
            y,
            width,
            height,
        }))
    };
    let (recording, stop) = desktop.records(region(100, 350, 1000, 100));
    let film = desktop.film();
    desktop.points_until(&film, 2);
    stop.stop();
    recording.join().unwrap().unwrap();
    is_whole(&film, (1000, 100));

    let refused = |plan: Plan| {
        let connection = desktop.connection();
        let storage = std::io::Cursor::new(Vec::<u8>::new());
        let made = record(&connection, &plan, storage, &Stop::new().unwrap(), || ());
        made.unwrap_err().0
    };
    let outside = refused(region(1000, 0, 281, 10)).to_string();
    assert!(
        outside.contains("1000,0,281,10") && outside.contains("one at 0,0,1280,800"),
        "{outside}"
    );
    let unknown = refused(plan(Target::Output("two".into()))).to_string();
    assert!(
        unknown.contains("`two`") && unknown.contains("there are: one"),
        "{unknown}"
    );
    let window = refused(plan(Target::Window("none".into())));
    assert!(matches!(window, Error::NoWindow), "{window}");
}

#[test]
fn a_film_keeps_its_size_when_the_screen_gets_another_one() {
    let mut desktop = Desktop::new();
    let (recording, stop) = desktop.records(plan(output()));
    let film = desktop.film();
    desktop.compositor.does(|state| {
        let output = state.output_list()[0].clone();
        headless::resize_output(state, &output, 640, 500);
    });
    let before = pictures(&film);
    desktop.points_until(&film, before + 2);
    stop.stop();
    recording.join().unwrap().unwrap();
    is_whole(&film, (1280, 800));
    // The new screen is narrower, so there is black beside it.
    let bytes = fs::read(&film).unwrap();
    let film = argos_film::read(&bytes).unwrap();
    let last = film.pictures.last().unwrap().jpeg;
    let shown = image::load_from_memory(last).unwrap().into_rgb8();
    assert!(shown.get_pixel(5, 400).0.iter().all(|part| *part < 8));
}

#[test]
fn a_recording_ends_with_its_screen() {
    let desktop = Desktop::new();
    let (recording, _stop) = desktop.records(plan(output()));
    desktop.compositor.does(|state| {
        let output = state.output_list()[0].clone();
        headless::remove_output(state, &output);
    });
    let summary = recording.join().unwrap().unwrap();
    assert_eq!(summary.end, End::Gone);
    is_whole(&desktop.film(), (1280, 800));
}

#[test]
fn nothing_is_recorded_while_the_screen_is_locked() {
    let mut desktop = Desktop::new();
    let (recording, stop) = desktop.records(plan(output()));
    let locked = desktop.home.path().join("locked");
    desktop.compositor.does(move |state| {
        state.allow_lock(|| {}, locked);
        for (code, key) in [
            (SUPER, KeyState::Pressed),
            (L, KeyState::Pressed),
            (L, KeyState::Released),
            (SUPER, KeyState::Released),
        ] {
            state.key(Keycode::new(code + 8), key, 5000);
        }
    });
    assert!(desktop.compositor.does(|state| state.is_locked()));
    // What was under way when it was locked.
    std::thread::sleep(A_WHILE);
    let film = desktop.film();
    let before = pictures(&film);
    let begin = Instant::now();
    while begin.elapsed() < A_WHILE {
        desktop.points();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(pictures(&film), before);
    stop.stop();
    recording.join().unwrap().unwrap();
    is_whole(&film, (1280, 800));
}

const WISH: &str = r#"{"source":{"output":"one"}}"#;

/// Waits until a recording is on the bus, and has begun.
async fn begun(recorder: &Recorder1Proxy<'_>) -> PathBuf {
    let end = Instant::now() + PATIENCE;
    loop {
        match recorder.recording().await {
            Ok(recording) => return recording.file.into(),
            Err(error) => assert!(Instant::now() < end, "nothing is recorded: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_made_at_a_time_and_ends_when_it_is_told_to() {
    let mut desktop = Desktop::new();
    let bus = Bus::new();
    let client = bus.connect().await;
    let recorder = Recorder1Proxy::new(&client).await.unwrap();
    let mut ended = recorder.receive_ended().await.unwrap();
    let running = Running::new(&mut desktop.program(&bus, &["--json", WISH]));
    let film = begun(&recorder).await;
    assert_eq!(film.parent(), Some(&*desktop.home.path().join("Videos")));
    desktop.points_until(&film, 2);

    let (status, _, said) = Running::new(&mut desktop.program(&bus, &[WISH])).ended();
    assert_eq!(status, Some(1));
    assert!(
        said.contains("already") && said.contains("--stop"),
        "{said}"
    );

    let outcome = recorder.stop().await.unwrap();
    assert_eq!(Path::new(&outcome.file), film);
    assert!(outcome.pictures >= 2 && outcome.error.is_empty());
    let told = ended.next().await.unwrap();
    assert_eq!(*told.args().unwrap().outcome(), outcome);
    let (status, said, _) = running.ended();
    assert_eq!(status, Some(0));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["pictures"], outcome.pictures);
    assert_eq!(is_whole(&film, (1280, 800)) as u64, outcome.pictures + 1);
    let names = zbus::fdo::DBusProxy::new(&client).await.unwrap();
    let name = zbus::names::BusName::try_from(NAME).unwrap();
    assert!(!names.name_has_owner(name).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_and_time_end_it_and_what_is_wrong_is_said() {
    let desktop = Desktop::new();
    let bus = Bus::new();
    let client = bus.connect().await;
    let recorder = Recorder1Proxy::new(&client).await.unwrap();
    let running = Running::new(&mut desktop.program(&bus, &[WISH]));
    let film = begun(&recorder).await;
    kill_process(running.pid(), Signal::INT).unwrap();
    let (status, said, _) = running.ended();
    assert_eq!(status, Some(0));
    assert!(said.contains("pictures in"), "{said}");
    is_whole(&film, (1280, 800));

    let timed = r#"{"source":{"output":"one"},"seconds":1}"#;
    let (status, said, _) = Running::new(&mut desktop.program(&bus, &["--json", timed])).ended();
    assert_eq!(status, Some(0));
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["elapsed_ms"].as_u64().unwrap() >= 1000, "{said}");

    // Who sees no terminal is told on the bus.
    let mut ended = recorder.receive_ended().await.unwrap();
    let wrong = r#"{"source":{"output":"two"}}"#;
    let (status, _, said) = Running::new(&mut desktop.program(&bus, &["--tell", wrong])).ended();
    assert_eq!(status, Some(4));
    assert!(said.contains("no screen `two`"), "{said}");
    let told = ended.next().await.unwrap();
    let told = told.args().unwrap().outcome().clone();
    assert!(told.file.is_empty() && told.error.contains("no screen `two`"));
    let videos = fs::read_dir(desktop.home.path().join("Videos")).unwrap();
    assert_eq!(videos.count(), 2, "no film without pictures is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_there_when_the_process_is_killed() {
    let mut desktop = Desktop::new();
    let bus = Bus::new();
    let client = bus.connect().await;
    let recorder = Recorder1Proxy::new(&client).await.unwrap();
    let running = Running::new(&mut desktop.program(&bus, &[WISH]));
    let film = begun(&recorder).await;
    desktop.points_until(&film, 3);
    kill_process(running.pid(), Signal::KILL).unwrap();
    running.ended();
    let bytes = fs::read(&film).unwrap();
    let film = argos_film::read(&bytes).unwrap();
    assert!(!film.whole && film.duration.is_none());
    assert!(film.pictures.len() >= 3);
    for picture in &film.pictures {
        let shown = image::load_from_memory(picture.jpeg).unwrap();
        assert_eq!((shown.width(), shown.height()), (1280, 800));
    }
}
