//! What programs of the desktop stand between: a compositor without a screen, and a bus.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use argos_compositor::State;
use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::bus::Link;
use argos_compositor::config::{Config, Idle};
use argos_compositor::smithay::reexports::calloop::EventLoop;
use zbus::Connection;

/// How long a test waits for the other side, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Something to be done in the compositor.
pub(super) type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A bus of its own; it ends with it.
pub(super) struct Bus {
    daemon: Child,
    _folder: tempfile::TempDir,
    pub(super) address: String,
}

impl Bus {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
            folder.path().join("bus").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is needed (Debian: dbus-daemon)");
        let mut address = String::new();
        let said = daemon.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut address).unwrap();
        Self {
            daemon,
            _folder: folder,
            address: address.trim().to_owned(),
        }
    }

    pub(super) async fn connect(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        builder.build().await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A compositor for whoever connects to `listener`. It ends when nobody has jobs for it any more.
pub(super) fn compositor(listener: &UnixListener, jobs: &mpsc::Receiver<Job>, idle: Idle) {
    let mut event_loop = EventLoop::try_new().unwrap();
    let (link, _shell, _orders) = Link::detached();
    let config = Config {
        idle,
        ..Config::default()
    };
    let backend = Box::new(Headless::new().unwrap());
    let mut state = State::new(&event_loop, config, backend, link).unwrap();
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
                // The test is over.
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        let pause = Some(Duration::from_millis(5));
        event_loop.dispatch(pause, &mut state).unwrap();
        state.settle();
    }
}
