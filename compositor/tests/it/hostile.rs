//! Clients that mean harm, and one that does not, of a compositor in a process of its own. How well the latter
//! fares on a quiet machine is measured by `tests/bench/desktop`; here it only has to fare at all.

use std::{
    fs,
    io::{self, Read},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use argos_hostile::{
    Attack,
    client::Client,
    wire::{
        Arg::{I, U},
        Wire, memory,
    },
};

use crate::fixture::LIMIT;

const PROGRAM: &str = env!("CARGO_BIN_EXE_argos-compositor");
/// An attack lasts no shorter than this.
const SHORTEST: Duration = Duration::from_millis(1500);
/// Frames that the ordinary client gets meanwhile, however long that takes.
const FRAMES: u32 = 30;
/// Most memory that the compositor takes for one client, in KiB; a little more than `tests/bench/desktop` allows.
const MEMORY: u64 = 160 << 10;

struct Compositor {
    child: Child,
    folder: tempfile::TempDir,
}

impl Drop for Compositor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Compositor {
    fn start() -> Self {
        Self::run(Command::new(PROGRAM), "error")
    }

    /// One that may have so many descriptors, and says why it sends clients away.
    fn with_descriptors(most: u32) -> Self {
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n {most} && exec \"$@\"");
        limited.args(["-c", &script, "sh", PROGRAM]);
        Self::run(limited, "warn")
    }

    fn run(mut command: Command, level: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let config = folder.path().join("compositor.yaml");
        fs::write(&config, "xwayland: {enabled: false}\n").unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command
            .args(["--backend", "headless", "--size", "640x480", "--config"])
            .arg(config)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path())
            .env("RUST_LOG", level)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn door(&self) -> PathBuf {
        self.folder.path().join("wayland-0")
    }

    fn connect(&self) -> UnixStream {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.door()) {
                Ok(stream) => return stream,
                Err(error) => assert!(start.elapsed() < LIMIT, "{error}; {}", self.log()),
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn log(&self) -> String {
        let mut text = String::new();
        let file = fs::File::open(self.folder.path().join("log"));
        let _ = file.and_then(|mut file| file.read_to_string(&mut text));
        text
    }

    /// KiB that it wrote to and that nobody else has.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let words = line.map(|line| line.split_whitespace().nth(1));
        words
            .flatten()
            .and_then(|number| number.parse().ok())
            .expect("the kernel says how much memory it has")
    }
}

/// An ordinary client: it shows a window, and waits for each frame before it draws the next one.
struct Ordinary {
    wire: Wire,
    surface: u32,
    buffers: [u32; 2],
    frames: u32,
}

impl Ordinary {
    fn new(socket: UnixStream) -> io::Result<Self> {
        let mut wire = Wire::new(socket)?;
        wire.be_patient()?;
        let mut bind = |name: &str| Ok::<_, io::Error>(wire.bind(name)?.expect(name));
        let (compositor, shm) = (bind("wl_compositor")?, bind("wl_shm")?);
        let wm_base = bind("xdg_wm_base")?;
        let surface = wire.make(compositor, 0, &[])?;
        let xdg = wire.make(wm_base, 2, &[U(surface)])?;
        wire.make(xdg, 1, &[])?;
        wire.send(surface, 6, &[])?;
        let serial = wire.hears_of(xdg)?;
        wire.send(xdg, 4, &[U(serial)])?;
        wire.pass(memory(2 * 64 * 64 * 4)?);
        let pool = wire.make(shm, 0, &[I(2 * 64 * 64 * 4)])?;
        let mut buffer = |number: i32| {
            let offset = number * 64 * 64 * 4;
            wire.make(pool, 0, &[I(offset), I(64), I(64), I(256), U(0)])
        };
        let buffers = [buffer(0)?, buffer(1)?];
        Ok(Self {
            wire,
            surface,
            buffers,
            frames: 0,
        })
    }

    /// Draws, and waits until that was shown.
    fn frame(&mut self) -> io::Result<()> {
        let buffer = self.buffers[self.frames as usize % 2];
        self.wire.send(self.surface, 1, &[U(buffer), I(0), I(0)])?;
        self.wire
            .send(self.surface, 2, &[I(0), I(0), I(64), I(64)])?;
        let shown = self.wire.make(self.surface, 3, &[])?;
        self.wire.send(self.surface, 6, &[])?;
        self.wire.hears_of(shown)?;
        self.frames += 1;
        Ok(())
    }
}

fn withstands(attacks: &[Attack]) {
    let compositor = Compositor::start();
    let mut ordinary = Ordinary::new(compositor.connect()).unwrap();
    ordinary.frame().unwrap();
    let before = compositor.memory();
    let stop = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = attacks
        .iter()
        .map(|attack| {
            let (attack, door, stop) = (*attack, compositor.door(), Arc::clone(&stop));
            thread::spawn(move || attack.run(|| UnixStream::connect(&door), &stop))
        })
        .collect();
    let start = Instant::now();
    let mut most = before;
    while start.elapsed() < SHORTEST || ordinary.frames < FRAMES {
        if let Err(error) = ordinary.frame() {
            panic!("no frame: {error}; {}", compositor.log());
        }
        most = most.max(compositor.memory());
        assert!(
            start.elapsed() < LIMIT,
            "only {} frames within {LIMIT:?}",
            ordinary.frames
        );
    }
    stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.join().unwrap().unwrap();
    }
    let grown = most.saturating_sub(before);
    let may = MEMORY * attacks.len() as u64;
    assert!(grown < may, "it took {grown} KiB of memory, {may} at most");
    ordinary.frame().unwrap();
    let log = compositor.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn never_acknowledges() {
    withstands(&[Attack::NeverAcks]);
}

#[test]
fn floods_commits() {
    withstands(&[Attack::FloodsCommits]);
}

#[test]
fn giant_buffers() {
    withstands(&[Attack::GiantBuffers]);
}

#[test]
fn wrong_order() {
    withstands(&[Attack::WrongOrder]);
}

#[test]
fn bad_descriptors() {
    withstands(&[Attack::BadDescriptors]);
}

#[test]
fn a_million_objects() {
    withstands(&[Attack::MillionObjects]);
}

#[test]
fn never_reads() {
    withstands(&[Attack::NeverReads]);
}

#[test]
fn floods_titles() {
    withstands(&[Attack::FloodsTitles]);
}

#[test]
fn many_surfaces() {
    withstands(&[Attack::ManySurfaces]);
}

#[test]
fn floods_offers() {
    withstands(&[Attack::FloodsOffers]);
}

#[test]
fn who_passed_most_descriptors_goes_before_there_are_no_more() {
    let compositor = Compositor::with_descriptors(256);
    let mut ordinary = Ordinary::new(compositor.connect()).unwrap();
    ordinary.frame().unwrap();
    let mut client = Client::new(compositor.connect()).unwrap();
    let fd = memory(1).unwrap();
    // No request takes them, so they stay.
    let mut pass = || -> io::Result<()> {
        let surface = client.surface()?;
        for _ in 0..1024 {
            client.wire.pass(fd.try_clone()?);
            client.commit(surface)?;
            client.wire.drain()?;
        }
        client.wire.roundtrip()
    };
    assert!(pass().is_err(), "it is sent away");
    assert!(
        compositor.log().contains("descriptors"),
        "{}",
        compositor.log()
    );
    for _ in 0..3 {
        ordinary.frame().unwrap();
    }
    Ordinary::new(compositor.connect())
        .unwrap()
        .frame()
        .unwrap();
}

#[test]
fn all_of_them_together() {
    withstands(&Attack::ALL);
}
