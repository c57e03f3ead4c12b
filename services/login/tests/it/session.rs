//! `argos-session` between a login daemon and two supervisors.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use argos_control::{ErrorCode, Event, Reply, Request, UnitState, UnitStatus};
use rustix::process::{Pid, Signal, kill_process};

use crate::supervisor::{PATIENCE, Supervisor, unit};

/// What becomes of a desktop that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desktop {
    Fine,
    StoppedMeanwhile,
}

struct World {
    folder: tempfile::TempDir,
    system: Supervisor,
    user: Supervisor,
    desktop_is_down: Arc<Mutex<bool>>,
    /// Whether the devices are there.
    seat_settled: Arc<Mutex<bool>>,
    /// What PID 1 says of the person's supervisor.
    own_unit: Arc<Mutex<UnitStatus>>,
}

impl World {
    /// `up`: whether the person's supervisor can be started.
    fn new(up: bool) -> Self {
        Self::with_desktop(up, Desktop::Fine)
    }

    fn with_desktop(up: bool, desktop: Desktop) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seat_settled = Arc::new(Mutex::new(true));
        let settled = Arc::clone(&seat_settled);
        let own = Arc::new(Mutex::new(unit(&own_unit(), UnitState::Up)));
        let own_now = Arc::clone(&own);
        let system = Supervisor::new(
            &folder.path().join("control"),
            move |request| match request {
                Request::Start { .. } if !up => vec![Reply::Error {
                    code: ErrorCode::Failed,
                    message: "it ended with status 9".to_owned(),
                }],
                Request::Unit { name } if *name == own_unit() => {
                    vec![Reply::Units(vec![own_now.lock().unwrap().clone()])]
                }
                Request::Unit { .. } => vec![Reply::Units(vec![unit("seat", UnitState::Waiting)])],
                Request::Subscribe => {
                    while !*settled.lock().unwrap() {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    let changes = [
                        unit("seat", UnitState::Waiting),
                        unit("seatd", UnitState::Up),
                        unit("seat", UnitState::Up),
                    ];
                    let events = changes.map(|unit| Reply::Event(Event::Unit(unit)));
                    [Reply::Done].into_iter().chain(events).collect()
                }
                _ => vec![Reply::Done],
            },
        );
        let desktop_is_down = Arc::new(Mutex::new(false));
        let down = Arc::clone(&desktop_is_down);
        let uid = rustix::process::getuid().as_raw();
        let socket = folder
            .path()
            .join(uid.to_string())
            .join(argos_control::USER_SOCKET);
        let user = Supervisor::new(&socket, move |request| match request {
            Request::Status => vec![Reply::Units(vec![
                unit("compositor", UnitState::BackingOff),
                unit("bus", UnitState::Up),
            ])],
            Request::Wait { .. } if !*down.lock().unwrap() => vec![],
            Request::Start { .. } if desktop == Desktop::StoppedMeanwhile => vec![Reply::Error {
                code: ErrorCode::Failed,
                message: "desktop was stopped before it was up".to_owned(),
            }],
            Request::Unit { .. } => {
                let mut unit = unit("desktop", UnitState::Down);
                unit.wanted = desktop == Desktop::Fine;
                vec![Reply::Units(vec![unit])]
            }
            _ => vec![Reply::Done],
        });
        Self {
            folder,
            system,
            user,
            desktop_is_down,
            seat_settled,
            own_unit: own,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_argos-session"));
        command
            .args(self.arguments())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn arguments(&self) -> [PathBuf; 5] {
        [
            "--no-shell".into(),
            "--control".into(),
            self.folder.path().join("control"),
            "--runtime-root".into(),
            self.folder.path().to_owned(),
        ]
    }

    /// Up to the point where the session only waits.
    fn expect_start(&self) {
        assert_eq!(self.system.next(), Request::Start { name: own_unit() });
        self.expect_desktop();
    }

    /// From the desktop's start on.
    fn expect_desktop(&self) {
        assert_eq!(
            self.user.next(),
            Request::Start {
                name: "desktop".to_owned()
            }
        );
        assert_eq!(
            self.user.next(),
            Request::Wait {
                name: "desktop".to_owned()
            }
        );
    }
}

fn own_unit() -> String {
    format!("user@{}", rustix::process::getuid().as_raw())
}

fn finish(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn it_ends_with_the_desktop_and_names_what_did_not_come_up() {
    let world = World::new(true);
    *world.desktop_is_down.lock().unwrap() = true;
    let child = world.command().spawn().unwrap();
    world.expect_start();
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
    assert!(told.contains("compositor is not up"), "{told}");
    assert!(!told.contains("bus is"), "{told}");
}

#[test]
fn the_login_daemon_ends_it_in_order() {
    let world = World::new(true);
    let child = world.command().spawn().unwrap();
    world.expect_start();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(
        world.user.next(),
        Request::Stop {
            name: "desktop".to_owned()
        }
    );
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
}

#[test]
fn a_dead_login_daemon_leaves_the_desktop_running() {
    let world = World::new(true);
    let pid_file = world.folder.path().join("pid");
    // The shell stands for the login daemon's worker, which the session is a child of.
    let script = format!(
        "{} \"$@\" & echo $! > {}; wait",
        env!("CARGO_BIN_EXE_argos-session"),
        pid_file.display()
    );
    let mut login = Command::new("sh")
        .args(["-c", &script, "sh"])
        .args(world.arguments())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    world.expect_start();
    // The shell may write it later than the session is up.
    let end = std::time::Instant::now() + PATIENCE;
    let pid = loop {
        let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
        if let Some(line) = text.strip_suffix('\n') {
            break Pid::from_raw(line.parse().unwrap()).unwrap();
        }
        assert!(std::time::Instant::now() < end, "there is no process");
        std::thread::sleep(Duration::from_millis(10));
    };
    login.kill().unwrap();
    login.wait().unwrap();
    // What greetd makes the kernel send on its death.
    kill_process(pid, Signal::TERM).unwrap();
    let end = std::time::Instant::now() + PATIENCE;
    while rustix::process::test_kill_process(pid).is_ok() {
        assert!(std::time::Instant::now() < end, "the session does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(world.user.is_left_alone());
    assert!(world.system.is_left_alone());
}

#[test]
fn a_supervisor_that_is_killed_is_waited_for_and_the_desktop_started_again() {
    let world = World::new(true);
    let child = world.command().spawn().unwrap();
    world.expect_start();
    world.own_unit.lock().unwrap().state = UnitState::BackingOff;
    world.user.cut_off();
    assert!(world.user.is_left_alone(), "it is not back yet");
    world.own_unit.lock().unwrap().state = UnitState::Up;
    world.expect_desktop();
    *world.desktop_is_down.lock().unwrap() = true;
    // The wait that the stand-in left open is not answered any more; the next one is.
    world.user.cut_off();
    world.expect_desktop();
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
    assert!(told.contains("supervisor is back"), "{told}");
}

#[test]
fn a_supervisor_that_was_stopped_ends_the_session() {
    let world = World::new(true);
    let child = world.command().spawn().unwrap();
    world.expect_start();
    {
        let mut unit = world.own_unit.lock().unwrap();
        (unit.state, unit.wanted) = (UnitState::Down, false);
    }
    world.user.cut_off();
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
}

#[test]
fn a_supervisor_that_failed_for_good_is_not_waited_for() {
    let world = World::new(true);
    let child = world.command().spawn().unwrap();
    world.expect_start();
    {
        let mut unit = world.own_unit.lock().unwrap();
        unit.state = UnitState::Failed;
        unit.detail = "was killed (signal 9)".to_owned();
    }
    world.user.cut_off();
    let (good, told) = finish(child);
    assert!(!good);
    assert!(told.contains("is gone: was killed"), "{told}");
}

#[test]
fn a_desktop_that_cannot_start_is_said_on_the_terminal() {
    let world = World::new(false);
    let child = world.command().spawn().unwrap();
    let (good, told) = finish(child);
    assert!(!good);
    assert!(
        told.contains("status 9") && told.contains("argos log"),
        "{told}"
    );
}

#[test]
fn the_desktop_waits_for_the_devices() {
    let world = World::new(true);
    *world.seat_settled.lock().unwrap() = false;
    *world.desktop_is_down.lock().unwrap() = true;
    let child = world.command().spawn().unwrap();
    assert_eq!(world.system.next(), Request::Start { name: own_unit() });
    assert!(world.user.is_left_alone());
    *world.seat_settled.lock().unwrap() = true;
    assert_eq!(
        world.user.next(),
        Request::Start {
            name: "desktop".to_owned()
        }
    );
    let (good, told) = finish(child);
    assert!(good, "{told}");
}

#[test]
fn logging_out_before_everything_is_up_is_no_failure() {
    let world = World::with_desktop(true, Desktop::StoppedMeanwhile);
    let child = world.command().spawn().unwrap();
    assert_eq!(world.system.next(), Request::Start { name: own_unit() });
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
}

#[test]
fn another_session_has_a_run_time_folder_and_a_bus_and_ends_with_its_program() {
    let world = World::new(true);
    let script = "echo \"$XDG_RUNTIME_DIR $DBUS_SESSION_BUS_ADDRESS $1\" > \"$XDG_RUNTIME_DIR/said\"; exit 3";
    let child = world
        .command()
        .args(["--", "sh", "-c", script, "sh", "two words"])
        .spawn()
        .unwrap();
    assert_eq!(world.system.next(), Request::Start { name: own_unit() });
    let bus = "bus".to_owned();
    assert_eq!(world.user.next(), Request::Start { name: bus });
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good && told.contains("status: 3"), "{told}");
    let uid = rustix::process::getuid().as_raw().to_string();
    let folder = world.folder.path().join(uid);
    let said = std::fs::read_to_string(folder.join("said")).unwrap();
    let folder = folder.display();
    assert_eq!(said, format!("{folder} unix:path={folder}/bus two words\n"));
}

#[test]
fn another_session_is_ended_by_the_login_daemon() {
    let world = World::new(true);
    let script = "trap 'touch \"$XDG_RUNTIME_DIR/ended\"; exit' TERM; touch \"$XDG_RUNTIME_DIR/began\"; while :; do sleep 0.05; done";
    let child = world
        .command()
        .args(["--", "sh", "-c", script])
        .spawn()
        .unwrap();
    assert_eq!(world.system.next(), Request::Start { name: own_unit() });
    let uid = rustix::process::getuid().as_raw().to_string();
    let folder = world.folder.path().join(uid);
    let end = std::time::Instant::now() + PATIENCE;
    while !folder.join("began").exists() {
        assert!(std::time::Instant::now() < end, "it does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(world.system.next(), Request::Stop { name: own_unit() });
    let (good, told) = finish(child);
    assert!(good, "{told}");
    assert!(
        folder.join("ended").exists(),
        "it had time to end by itself"
    );
}
