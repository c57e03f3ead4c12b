//! The bridge as a program, between a real `dbus-daemon --systemd-activation` and a supervisor
//! that speaks the real control protocol but only has a list of units.

use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argos_bus::init::Init1Proxy;
use argos_control::server::Connection as Peer;
use argos_control::{ErrorCode, Event, Reply, Request, UnitState, UnitStatus};
use futures_util::StreamExt;
use zbus::fdo::DBusProxy;

const PATIENCE: Duration = Duration::from_secs(60);

/// A bus, a supervisor and the bridge between them; all end with it.
struct World {
    folder: tempfile::TempDir,
    bus: Child,
    bridge: Option<Child>,
    requests: mpsc::Receiver<Request>,
    subscribers: Arc<Mutex<Vec<mpsc::Sender<Event>>>>,
}

impl World {
    /// The person's bridge, on a session bus.
    fn new() -> Self {
        Self::with(&["--user"])
    }

    /// The machine's bridge, on what it takes for the system bus.
    fn of_the_machine() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = folder.path().join("services");
        std::fs::create_dir(&services).unwrap();
        for (name, unit) in [
            ("org.example.Good", "good.service"),
            ("org.example.Bad", "bad.service"),
        ] {
            let text =
                format!("[D-BUS Service]\nName={name}\nExec=/bin/false\nSystemdService={unit}\n");
            std::fs::write(services.join(format!("{name}.service")), text).unwrap();
        }
        let config = folder.path().join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
              "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
            <servicedir>{}</servicedir>
            <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
            </busconfig>"#,
            folder.path().join("bus").display(),
            services.display(),
        );
        std::fs::write(&config, text).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args([
                "--nofork",
                "--nopidfile",
                "--nosyslog",
                "--systemd-activation",
            ])
            .spawn()
            .expect("dbus-daemon is needed (Debian: dbus-daemon)");
        wait_for(&folder.path().join("bus"));

        let listener = UnixListener::bind(folder.path().join("control")).unwrap();
        let (report, requests) = mpsc::channel();
        let subscribers = Arc::new(Mutex::new(Vec::new()));
        let known = Arc::clone(&subscribers);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (report, known) = (report.clone(), Arc::clone(&known));
                std::thread::spawn(move || supervise(stream, &report, &known));
            }
        });

        let notify = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let bridge = Command::new(env!("CARGO_BIN_EXE_argos-init-bridge"))
            .args(options)
            .arg("--control")
            .arg(folder.path().join("control"))
            .env("DBUS_SESSION_BUS_ADDRESS", address(folder.path()))
            .env("DBUS_SYSTEM_BUS_ADDRESS", address(folder.path()))
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let world = Self {
            folder,
            bus,
            bridge: Some(bridge),
            requests,
            subscribers,
        };
        let mut text = [0; 64];
        let count = notify
            .recv(&mut text)
            .expect("the bridge says that it is ready");
        assert_eq!(&text[..count], b"READY=1");
        world
    }

    async fn client(&self) -> zbus::Connection {
        zbus::connection::Builder::address(address(self.folder.path()).as_str())
            .build()
            .await
            .unwrap()
    }

    /// The next request that `wanted` picks, skipping others.
    fn request(&self, wanted: impl Fn(&Request) -> bool) -> Request {
        loop {
            let request = self
                .requests
                .recv_timeout(PATIENCE)
                .expect("the supervisor is asked");
            if wanted(&request) {
                return request;
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.bridge.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

fn wait_for(path: &PathBuf) {
    let end = std::time::Instant::now() + PATIENCE;
    while UnixStream::connect(path).is_err() {
        assert!(
            std::time::Instant::now() < end,
            "{} does not appear",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn unit(name: &str, state: UnitState) -> UnitStatus {
    UnitStatus {
        name: name.to_owned(),
        description: format!("The {name}"),
        kind: "service".to_owned(),
        wanted: true,
        state,
        detail: String::new(),
        pid: 42,
        restarts: 1,
        since_ms: 0,
    }
}

/// One connection to the supervisor.
fn supervise(
    stream: UnixStream,
    report: &mpsc::Sender<Request>,
    subscribers: &Mutex<Vec<mpsc::Sender<Event>>>,
) {
    let mut peer = Peer::new(stream).unwrap();
    loop {
        let mut fds = [rustix::event::PollFd::new(
            &peer,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut fds, None).unwrap();
        if peer.receive().is_err() {
            return;
        }
        while let Ok(Some((request, _))) = peer.next() {
            let reply = match &request {
                Request::Status => Reply::Units(vec![
                    unit("seatd", UnitState::Up),
                    // Whoever runs the tests sits at the seat.
                    unit(
                        &format!("user@{}", rustix::process::getuid().as_raw()),
                        UnitState::Up,
                    ),
                ]),
                Request::Start { name } if name == "bad" => Reply::Error {
                    code: ErrorCode::Failed,
                    message: "bad is down: it ended with status 1".to_owned(),
                },
                Request::Unit { name } => Reply::Error {
                    code: ErrorCode::NotFound,
                    message: format!("there is no unit `{name}`"),
                },
                _ => Reply::Done,
            };
            let subscribed = matches!(request, Request::Subscribe);
            let _ = report.send(request);
            if peer.send(&reply).is_err() {
                return;
            }
            if subscribed {
                let (sender, events) = mpsc::channel();
                subscribers.lock().unwrap().push(sender);
                for event in events {
                    if peer.send(&Reply::Event(event)).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_are_mirrored_with_times_from_the_epoch() {
    let world = World::new();
    let client = world.client().await;
    let init = Init1Proxy::new(&client).await.unwrap();

    let units = init.list_units().await.unwrap();
    assert_eq!(units.len(), 2);
    assert_eq!(
        (units[0].name.as_str(), units[0].state.as_str()),
        ("seatd", "up")
    );
    // The supervisor said "when the kernel began", which was before now and after 2020.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    assert!((1_577_836_800_000..=now).contains(&u128::from(units[0].since_ms)));

    let missing = init.get_unit("nope").await.unwrap_err();
    assert!(
        matches!(&missing, argos_bus::Error::NotFound(text) if text.contains("nope")),
        "{missing:?}"
    );

    init.restart_unit("seatd").await.unwrap();
    let asked = world.request(|request| matches!(request, Request::Restart { .. }));
    assert_eq!(
        asked,
        Request::Restart {
            name: "seatd".to_owned()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_become_signals() {
    let world = World::new();
    let client = world.client().await;
    let init = Init1Proxy::new(&client).await.unwrap();
    let mut changes = init.receive_unit_changed().await.unwrap();
    // The bridge hears that it is subscribed before the stand-in has noted it down.
    let deadline = std::time::Instant::now() + PATIENCE;
    while world.subscribers.lock().unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "nobody subscribed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for subscriber in world.subscribers.lock().unwrap().iter() {
        subscriber
            .send(Event::Unit(unit("greetd", UnitState::BackingOff)))
            .unwrap();
        subscriber
            .send(Event::Removed("agent-steward".to_owned()))
            .unwrap();
    }
    for expected in [("greetd", "backing-off"), ("agent-steward", "down")] {
        let signal = tokio::time::timeout(PATIENCE, changes.next())
            .await
            .unwrap()
            .unwrap();
        let args = signal.args().unwrap();
        assert_eq!(
            (args.unit.name.as_str(), args.unit.state.as_str()),
            expected
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_hears_of_bus_names() {
    let world = World::new();
    // Names that were there before the first change: the bridge's own among them.
    let own = world.request(
        |request| matches!(request, Request::BusName { name, .. } if name == "org.argos.Init1"),
    );
    assert_eq!(
        own,
        Request::BusName {
            name: "org.argos.Init1".to_owned(),
            present: true
        }
    );

    let client = world.client().await;
    client.request_name("org.example.Service").await.unwrap();
    client.release_name("org.example.Service").await.unwrap();
    for present in [true, false] {
        let heard = world.request(
            |request| matches!(request, Request::BusName { name, .. } if name == "org.example.Service"),
        );
        assert_eq!(
            heard,
            Request::BusName {
                name: "org.example.Service".to_owned(),
                present
            }
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn activation_starts_units_and_tells_of_failure() {
    let world = World::new();
    let client = world.client().await;
    let bus = DBusProxy::new(&client).await.unwrap();

    // A unit that cannot start is an error for the caller at once, not a wait for the time limit.
    let failed = tokio::time::timeout(
        PATIENCE,
        bus.start_service_by_name("org.example.Bad".try_into().unwrap(), 0),
    );
    let error = failed
        .await
        .expect("an answer long before the bus gives up")
        .unwrap_err();
    assert!(error.to_string().contains("status 1"), "{error}");

    // One that starts gets the waiting message once it owns its name.
    let started = tokio::spawn(async move {
        bus.start_service_by_name("org.example.Good".try_into().unwrap(), 0)
            .await
    });
    let asked =
        world.request(|request| matches!(request, Request::Start { name } if name != "bad"));
    assert_eq!(
        asked,
        Request::Start {
            name: "good".to_owned()
        }
    );
    let service = world.client().await;
    service.request_name("org.example.Good").await.unwrap();
    tokio::time::timeout(PATIENCE, started)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

/// Answers in the place of login1: a program blocks switching off, restarting is fine.
struct Login(mpsc::Sender<&'static str>);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.login1")]
enum LoginError {
    #[zbus(error)]
    ZBus(zbus::Error),
    BlockedByInhibitorLock(String),
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn power_off(&self, _interactive: bool) -> Result<(), LoginError> {
        self.0.send("off").unwrap();
        Err(LoginError::BlockedByInhibitorLock(
            "Backup is writing".to_owned(),
        ))
    }

    async fn reboot(&self, _interactive: bool) -> Result<(), LoginError> {
        self.0.send("reboot").unwrap();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_may_block_switching_off() {
    let world = World::of_the_machine();
    let client = world.client().await;
    let init = Init1Proxy::new(&client).await.unwrap();

    // Nobody to ask: the supervisor alone does it.
    init.power_off().await.unwrap();
    world.request(|request| matches!(request, Request::Poweroff));

    let login = world.client().await;
    let (sender, asked) = mpsc::channel();
    login
        .object_server()
        .at("/org/freedesktop/login1", Login(sender))
        .await
        .unwrap();
    login.request_name("org.freedesktop.login1").await.unwrap();
    let blocked = init.power_off().await.unwrap_err();
    assert!(
        matches!(&blocked, argos_bus::Error::Denied(text) if text.contains("Backup")),
        "{blocked:?}"
    );
    init.reboot().await.unwrap();
    assert_eq!(asked.recv().unwrap(), "off");
    assert_eq!(asked.recv().unwrap(), "reboot");
    // What was blocked did not happen, and login1 tells the supervisor itself.
    while let Ok(request) = world.requests.try_recv() {
        assert!(
            !matches!(request, Request::Poweroff | Request::Reboot),
            "{request:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_bus() {
    let mut world = World::new();
    world.bus.kill().unwrap();
    let mut bridge = world.bridge.take().unwrap();
    let ended = tokio::time::timeout(
        PATIENCE,
        tokio::task::spawn_blocking(move || bridge.wait().unwrap()),
    );
    assert!(!ended.await.expect("the bridge ends").unwrap().success());
}
