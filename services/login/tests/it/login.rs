//! `argos-login` on a real bus.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use argos_control::{Reply, Request, UnitState};
use futures_util::StreamExt;
use zbus::{Connection, OwnedFd, OwnedObjectPath, Proxy};

use crate::supervisor::{PATIENCE, Supervisor, unit};

/// As long as the service lets a program delay what is about to happen.
const DELAY_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

struct World {
    folder: tempfile::TempDir,
    bus: Child,
    login: Child,
    system: Supervisor,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
              "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>system</type><listen>{}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
            </policy></busconfig>"#,
            address(folder.path()),
        );
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join("power"), "freeze mem disk\n").unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog"])
            .spawn()
            .expect("dbus-daemon is needed (Debian: dbus-daemon)");
        let person = format!("user@{}", rustix::process::getuid().as_raw());
        let system = Supervisor::new(&folder.path().join("control"), move |request| {
            vec![match request {
                Request::Status => Reply::Units(vec![
                    unit("seatd", UnitState::Up),
                    unit(&person, UnitState::Up),
                ]),
                _ => Reply::Done,
            }]
        });
        let end = std::time::Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(folder.path().join("bus")).is_err() {
            assert!(std::time::Instant::now() < end, "the bus does not come up");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let login = Command::new(env!("CARGO_BIN_EXE_argos-login"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", address(folder.path()))
            .arg("--control")
            .arg(folder.path().join("control"))
            .arg("--power-state")
            .arg(folder.path().join("power"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folder,
            bus,
            login,
            system,
        }
    }

    /// A client's connection, once the service has its name.
    async fn client(&self) -> Connection {
        let address = address(self.folder.path());
        let connection = zbus::connection::Builder::address(address.as_str())
            .build()
            .await
            .unwrap();
        let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
        let end = std::time::Instant::now() + PATIENCE;
        while !bus
            .name_has_owner("org.freedesktop.login1".try_into().unwrap())
            .await
            .unwrap()
        {
            assert!(std::time::Instant::now() < end, "login1 has no owner");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        connection
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.login, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

async fn manager(connection: &Connection) -> Proxy<'static> {
    Proxy::new_owned(
        connection.clone(),
        "org.freedesktop.login1",
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
    )
    .await
    .unwrap()
}

async fn inhibit(manager: &Proxy<'_>, what: &str, mode: &str) -> zbus::Result<OwnedFd> {
    manager
        .call("Inhibit", &(what, "a backup", "it is not finished", mode))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_up_is_a_session() {
    let world = World::new();
    let connection = world.client().await;
    let manager = manager(&connection).await;
    let uid = rustix::process::getuid().as_raw();

    type Listed = Vec<(String, u32, String, String, OwnedObjectPath)>;
    let sessions: Listed = manager.call("ListSessions", &()).await.unwrap();
    let [(id, owner, _, seat, path)] = sessions.as_slice() else {
        panic!("{sessions:?}")
    };
    assert_eq!((*owner, seat.as_str()), (uid, "seat0"));

    let own: OwnedObjectPath = manager.call("GetSessionByPID", &0_u32).await.unwrap();
    assert_eq!(&own, path);
    let session = Proxy::new(
        &connection,
        "org.freedesktop.login1",
        path.clone(),
        "org.freedesktop.login1.Session",
    )
    .await
    .unwrap();
    assert_eq!(&session.get_property::<String>("Id").await.unwrap(), id);
    assert_eq!(
        session.get_property::<String>("Type").await.unwrap(),
        "wayland"
    );
    assert_eq!(session.get_property::<u32>("Leader").await.unwrap(), 4242);

    let missing = manager
        .call::<_, _, OwnedObjectPath>("GetSession", &"nope")
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("NoSuchSession"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_keeps_the_machine_on_until_it_is_let_go() {
    let world = World::new();
    let manager = manager(&world.client().await).await;
    let mut prepare = manager.receive_signal("PrepareForShutdown").await.unwrap();

    let lock = inhibit(&manager, "shutdown", "block").await.unwrap();
    assert_eq!(
        manager
            .get_property::<String>("BlockInhibited")
            .await
            .unwrap(),
        "shutdown"
    );
    let refused = manager
        .call::<_, _, ()>("PowerOff", &false)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("BlockedByInhibitorLock"), "{refused}");
    assert!(refused.contains("it is not finished"), "{refused}");
    assert!(world.system.is_left_alone());

    drop(lock);
    let end = std::time::Instant::now() + PATIENCE;
    while manager.call::<_, _, ()>("PowerOff", &false).await.is_err() {
        assert!(std::time::Instant::now() < end, "the lock is still held");
    }
    assert_eq!(world.system.next(), Request::Poweroff);
    let signal = tokio::time::timeout(PATIENCE, prepare.next())
        .await
        .unwrap()
        .unwrap();
    assert!(signal.body().deserialize::<bool>().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn sleep_waits_for_who_delays_it() {
    let world = World::new();
    let manager = manager(&world.client().await).await;
    let mut prepare = manager.receive_signal("PrepareForSleep").await.unwrap();
    assert_eq!(
        manager
            .call::<_, _, String>("CanSuspend", &())
            .await
            .unwrap(),
        "yes"
    );
    assert_eq!(
        manager
            .call::<_, _, String>("CanHibernate", &())
            .await
            .unwrap(),
        "na"
    );

    let lock = inhibit(&manager, "sleep", "delay").await.unwrap();
    let begun = std::time::Instant::now();
    let sleeper = manager.clone();
    let sleeping = tokio::spawn(async move { sleeper.call::<_, _, ()>("Suspend", &false).await });
    let signal = tokio::time::timeout(PATIENCE, prepare.next())
        .await
        .unwrap()
        .unwrap();
    assert!(signal.body().deserialize::<bool>().unwrap());
    let state = world.folder.path().join("power");
    let power = std::fs::read_to_string(&state).unwrap();
    // Once sleep is under way, nobody can join those who delay it.
    let late = inhibit(&manager, "sleep", "delay").await;
    // Unless this machine took longer than anybody may delay it.
    if begun.elapsed() < DELAY_LIMIT {
        assert_ne!(power, "mem", "it did not wait");
        let late = late.unwrap_err().to_string();
        assert!(late.contains("OperationInProgress"), "{late}");
    }

    drop(lock);
    tokio::time::timeout(PATIENCE, sleeping)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(std::fs::read_to_string(&state).unwrap(), "mem");
    let signal = tokio::time::timeout(PATIENCE, prepare.next())
        .await
        .unwrap()
        .unwrap();
    assert!(!signal.body().deserialize::<bool>().unwrap());
}
