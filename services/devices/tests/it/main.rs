//! `argos-devices` on a real bus, with a backlight made of files and whatever sound card there is.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use argos_bus::Error;
use argos_bus::devices::Devices1Proxy;
use zbus::{Connection, OwnedObjectPath};

const PATIENCE: Duration = Duration::from_secs(60);
/// An ordinary user whom every system knows (`nobody`).
const NOBODY: u32 = 65534;

struct World {
    folder: tempfile::TempDir,
    processes: Vec<Child>,
}

/// login1, as far as it is asked: who has a session, and where.
struct Login(Vec<(u32, &'static str)>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        let sessions = self.0.iter().map(|(uid, seat)| {
            let path = OwnedObjectPath::try_from("/s").unwrap();
            (
                "1".to_owned(),
                *uid,
                "x".to_owned(),
                (*seat).to_owned(),
                path,
            )
        });
        sessions.collect()
    }
}

fn address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

async fn connect(folder: &Path) -> Connection {
    let address = address(folder);
    let builder = zbus::connection::Builder::address(address.as_str());
    builder.build().await.unwrap()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Others than root come in as well.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let light = folder.path().join("sys/class/backlight/panel");
        std::fs::create_dir_all(&light).unwrap();
        for (file, text) in [
            ("type", "raw"),
            ("brightness", "40"),
            ("max_brightness", "200"),
        ] {
            std::fs::write(light.join(file), text).unwrap();
        }
        let config = folder.path().join("bus.conf");
        let text = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
              "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>system</type><listen>{}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
            </policy></busconfig>"#,
            address(folder.path()),
        );
        std::fs::write(&config, text).unwrap();
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog"])
            .spawn()
            .expect("dbus-daemon is needed (Debian: dbus-daemon)");
        let end = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(folder.path().join("bus")).is_err() {
            assert!(Instant::now() < end, "the bus does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
        let devices = Command::new(env!("CARGO_BIN_EXE_argos-devices"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", address(folder.path()))
            .arg("--sys")
            .arg(folder.path().join("sys"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folder,
            processes: vec![devices, bus],
        }
    }

    fn light(&self) -> String {
        let file = "sys/class/backlight/panel/brightness";
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// A client, once the service has its name.
    async fn client(&self) -> Connection {
        let connection = connect(self.folder.path()).await;
        let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
        let end = Instant::now() + PATIENCE;
        while !bus
            .name_has_owner("org.argos.Devices1".try_into().unwrap())
            .await
            .unwrap()
        {
            assert!(Instant::now() < end, "the service does not come up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        connection
    }

    /// What another user gets for an answer who sets the brightness.
    fn set_as_nobody(&self, percent: u32) -> argos_bus::Result<u32> {
        let folder = self.folder.path().to_owned();
        let asked = std::thread::spawn(move || -> argos_bus::Result<u32> {
            // Only this thread's: what it connects with is whom the bus sees.
            let nobody = rustix::process::Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let connection = connect(&folder).await;
                let devices = Devices1Proxy::new(&connection).await?;
                devices.volume().await.ok();
                devices.brightness().await?;
                Ok(devices.set_brightness(percent).await?.percent)
            })
        });
        asked.join().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[tokio::test]
async fn brightness_is_set_and_bad_words_change_nothing() {
    let world = World::new();
    let client = world.client().await;
    let devices = Devices1Proxy::new(&client).await.unwrap();
    assert_eq!(devices.brightness().await.unwrap().percent, 20);
    let set = devices.set_brightness(75).await.unwrap();
    assert_eq!((set.percent, set.device.as_str()), (75, "panel"));
    assert_eq!(world.light(), "150");
    for percent in [101, u32::MAX] {
        let error = devices.set_brightness(percent).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
        let error = devices.set_volume(percent).await.unwrap_err();
        assert!(matches!(error, Error::InvalidArguments(_)), "{error}");
    }
    assert_eq!(world.light(), "150");

    // The panel goes away while the service runs.
    std::fs::remove_dir_all(world.folder.path().join("sys/class/backlight/panel")).unwrap();
    let error = devices.set_brightness(10).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

// The double of login1 answers while this waits for somebody else's thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_sit_at_the_seat_may_look_only() {
    if !rustix::process::getuid().is_root() {
        // Only root can be somebody else; the builder's own test run is root.
        return;
    }
    let world = World::new();
    let login = world.client().await;
    // Nobody knows who sits there.
    let error = world.set_as_nobody(50).unwrap_err();
    assert!(
        matches!(&error, Error::Denied(text) if text.contains("sudo")),
        "{error}"
    );
    login.request_name("org.freedesktop.login1").await.unwrap();
    for (sessions, allowed) in [
        (vec![(1000, "seat0")], false),
        (vec![(NOBODY, "")], false),
        (vec![(1000, "seat0"), (NOBODY, "seat0")], true),
    ] {
        let at = "/org/freedesktop/login1";
        login.object_server().at(at, Login(sessions)).await.unwrap();
        match world.set_as_nobody(50) {
            Ok(percent) => assert!(allowed && percent == 50),
            Err(Error::Denied(_)) => assert!(!allowed),
            Err(error) => panic!("{error}"),
        }
        login.object_server().remove::<Login, _>(at).await.unwrap();
    }
    assert_eq!(world.light(), "100");
}

#[tokio::test]
async fn sound_is_told_or_what_is_missing() {
    let world = World::new();
    let client = world.client().await;
    let devices = Devices1Proxy::new(&client).await.unwrap();
    match devices.volume().await {
        // A machine with sound is left as loud as it is.
        Ok(volume) => assert!(volume.percent <= 100 && !volume.device.is_empty()),
        Err(Error::Unavailable(text)) => assert!(text.contains("sound card"), "{text}"),
        Err(error) => panic!("{error}"),
    }
}
