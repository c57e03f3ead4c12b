//! Parts that are programs of their own: real processes of a real supervisor, the shell as a process on a private
//! bus, and a compositor without a screen.

#[path = "../stage/session.rs"]
mod session;
#[path = "../stage/mod.rs"]
mod stage;

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use argos_bus::shell::{Part, Shell1Proxy};
use argos_compositor::backend::headless::Headless;
use argos_compositor::config::Idle;
use argos_compositor::smithay::desktop::layer_map_for_output;
use argos_control::{Client, UnitState};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use session::{Bus, open_to};
use stage::{Compositor, PATIENCE};
use zbus::Connection;
use zbus::names::BusName;

/// A desktop with a shell.
struct Desktop {
    compositor: Compositor,
    _bus: Bus,
    bus_address: String,
    supervisor: Child,
    shell: Child,
    home: tempfile::TempDir,
    connection: Connection,
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        // It ends its units first.
        signal(self.supervisor.id(), Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while self
            .supervisor
            .try_wait()
            .is_ok_and(|ended| ended.is_none())
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn shell_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_argos-shell"))
}

/// The example is built with the tests, the supervisor with its own.
fn programs() -> PathBuf {
    static ONCE: Once = Once::new();
    let folder = shell_program().parent().unwrap();
    ONCE.call_once(|| {
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--workspace", "--profile", profile])
            .args(["--bin", "argos-init", "--bin", "argos-unit-compiler"])
            .args(["--example", "clock"])
            .arg("--target-dir")
            .arg(folder.parent().unwrap())
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cannot build the programs"
        );
    });
    folder.to_owned()
}

fn clock() -> String {
    programs().join("examples/clock").display().to_string()
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(i32::try_from(pid).unwrap()) {
        let _ = kill_process(pid, signal);
    }
}

fn runs(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok()
}

impl Desktop {
    async fn new() -> Self {
        let programs = programs();
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("wayland")).unwrap();
        let backend = || Headless::new().unwrap();
        let compositor = Compositor::new(Idle::default(), backend, open_to(listener));
        for folder in ["run", "units"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
        }
        let supervisor = Command::new(programs.join("argos-init"))
            .arg("--user")
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path().join("run"))
            .env("ARGOS_UNIT_PATH", home.path().join("units"))
            .env("ARGOS_COMPILER", programs.join("argos-unit-compiler"))
            .env("ARGOS_SHELL_RENDERER", "cpu")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let bus = Bus::new();
        let shell = start_shell(home.path(), &bus.address);
        let connection = bus.connect().await;
        let desktop = Self {
            compositor,
            bus_address: bus.address.clone(),
            _bus: bus,
            supervisor,
            shell,
            home,
            connection,
        };
        let end = Instant::now() + PATIENCE;
        while desktop.supervisor().is_none() {
            assert!(Instant::now() < end, "the supervisor does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        desktop.shows(&["argos-panel", "argos-wallpaper"]).await;
        desktop.shell_answers().await;
        desktop
    }

    fn supervisor(&self) -> Option<Client> {
        Client::connect(
            self.home
                .path()
                .join("run")
                .join(argos_control::USER_SOCKET),
        )
        .ok()
    }

    async fn shell_answers(&self) {
        let end = Instant::now() + PATIENCE;
        while self.shell().await.list_parts().await.is_err() {
            assert!(Instant::now() < end, "the shell does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn shell(&self) -> Shell1Proxy<'static> {
        Shell1Proxy::new(&self.connection).await.unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(".local/share/argos/parts").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap();
    }

    async fn part(&self, name: &str) -> Option<Part> {
        let parts = self.shell().await.list_parts().await.unwrap();
        parts.into_iter().find(|part| part.name == name)
    }

    /// Waits until a part is as it should be.
    async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Part) -> bool) -> Part {
        let end = Instant::now() + PATIENCE;
        loop {
            let part = self.part(name).await;
            if let Some(part) = part.clone().filter(&is_so) {
                return part;
            }
            assert!(Instant::now() < end, "{name} {what}: {part:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn up(&self, name: &str) -> Part {
        let up = |part: &Part| part.state == "up" && part.pid > 0;
        self.until(name, "is up", up).await
    }

    async fn gone(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        while let Some(part) = self.part(name).await {
            assert!(Instant::now() < end, "{part:?} is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn layers(&self) -> Vec<String> {
        let mut names = self.compositor.does(|state| {
            let mut names = Vec::new();
            for output in state.output_list() {
                let map = layer_map_for_output(&output);
                names.extend(map.layers().map(|layer| layer.namespace().to_owned()));
            }
            names
        });
        names.sort();
        names
    }

    /// Waits until exactly these surfaces are on the screen.
    async fn shows(&self, names: &[&str]) {
        let end = Instant::now() + PATIENCE;
        while self.layers() != names {
            assert!(Instant::now() < end, "{:?} is not {names:?}", self.layers());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn start_shell(home: &Path, bus: &str) -> Child {
    Command::new(shell_program())
        .env("WAYLAND_DISPLAY", home.join("wayland"))
        .env("DBUS_SESSION_BUS_ADDRESS", bus)
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env("ARGOS_SHELL_RENDERER", "cpu")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env_remove("WAYLAND_SOCKET")
        .spawn()
        .unwrap()
}

const SLEEPS: &str = "description: It sleeps\nexec: [/bin/sleep, '1000']\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_added_replaced_and_removed_while_the_shell_runs() {
    let desktop = Desktop::new().await;
    let manifest = format!("exec: [{}]\nreplaces: [panel]\n", clock());
    desktop.write("clock.yaml", &manifest);
    let first = desktop.up("clock").await;
    assert_eq!(first.replaces, ["panel"]);
    desktop.shows(&["argos-wallpaper", "example-clock"]).await;

    // It dies, and comes back.
    signal(first.pid, Signal::KILL);
    let back = |part: &Part| part.state == "up" && part.restarts == 1;
    let second = desktop.until("clock", "is back", back).await;
    assert_ne!(second.pid, first.pid);
    assert_eq!(second.error, "was killed (signal 9)");
    desktop.shows(&["argos-wallpaper", "example-clock"]).await;

    // Another manifest: another process, and the panel is there again.
    desktop.write(
        "clock.yaml",
        &format!("exec: [{}]\nenv: {{A: b}}\n", clock()),
    );
    desktop
        .shows(&["argos-panel", "argos-wallpaper", "example-clock"])
        .await;
    let another = |part: &Part| part.state == "up" && part.pid != second.pid;
    let third = desktop.until("clock", "is another", another).await;
    assert_eq!((third.restarts, third.error.as_str()), (0, ""));
    assert!(!runs(second.pid));

    desktop.remove("clock.yaml");
    desktop.gone("clock").await;
    desktop.shows(&["argos-panel", "argos-wallpaper"]).await;
    assert!(!runs(third.pid));
    let units = desktop.supervisor().unwrap().status().unwrap();
    assert!(units.iter().all(|unit| unit.name != "part-clock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_shown_and_leaves_what_runs() {
    let desktop = Desktop::new().await;
    desktop.write("sleeper.yaml", SLEEPS);
    let part = desktop.up("sleeper").await;
    let calm = ["argos-panel", "argos-wallpaper"];
    let noted = ["argos-notifications", "argos-panel", "argos-wallpaper"];
    desktop.shows(&calm).await;

    desktop.write("sleeper.yaml", &format!("{SLEEPS}replaces: [moon]\n"));
    let wrong = |part: &Part| !part.error.is_empty();
    let told = desktop.until("sleeper", "has a mistake", wrong).await;
    let at = format!("{}:3:", desktop.file("sleeper.yaml").display());
    assert!(told.error.starts_with(&at), "{}", told.error);
    assert!(told.error.contains("`moon`"), "{}", told.error);
    desktop.shows(&noted).await;
    assert_eq!((told.state.as_str(), told.pid), ("up", part.pid));

    // Half of it, as a slow writer leaves it, and none of it.
    let cut = |part: &Part| wrong(part) && !part.error.contains("`moon`");
    let none = |part: &Part| part.error.contains("`exec` is missing");
    desktop.write("sleeper.yaml", &SLEEPS[..SLEEPS.len() - 8]);
    let told = desktop.until("sleeper", "is half", cut).await;
    assert_eq!((told.state.as_str(), told.pid), ("up", part.pid));
    desktop.write("sleeper.yaml", "");
    let told = desktop.until("sleeper", "is empty", none).await;
    assert_eq!((told.state.as_str(), told.pid), ("up", part.pid));
    desktop.write("sleeper.yaml", SLEEPS);
    let mended = |part: &Part| part.error.is_empty();
    let told = desktop.until("sleeper", "is mended", mended).await;
    assert_eq!((told.pid, told.restarts), (part.pid, 0));
    desktop.shows(&calm).await;

    // A program that is not there.
    desktop.write("absent.yaml", "exec: [/nowhere/at/all]\n");
    let broken = |part: &Part| part.state == "broken";
    let told = desktop.until("absent", "is broken", broken).await;
    assert!(told.error.contains("absent.yaml:1:7: "), "{}", told.error);
    desktop.shows(&noted).await;
    desktop.remove("absent.yaml");
    desktop.gone("absent").await;
    desktop.shows(&calm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dies_again_and_again_is_given_up_and_the_shells_own_comes_back() {
    let desktop = Desktop::new().await;
    let script = desktop.home.path().join("script");
    let starts = desktop.home.path().join("starts");
    let dies = format!("echo start >> {}\nexit 3\n", starts.display());
    std::fs::write(&script, dies).unwrap();
    let manifest = format!("exec: [/bin/sh, {}]\nreplaces: [panel]\n", script.display());
    desktop.write("crash.yaml", &manifest);
    let given_up = |part: &Part| part.state == "given-up" && part.pid == 0;
    let told = desktop.until("crash", "is given up", given_up).await;
    assert_eq!(told.error, "ended with status 3");
    desktop
        .shows(&["argos-notifications", "argos-panel", "argos-wallpaper"])
        .await;
    let count = || std::fs::read_to_string(&starts).unwrap().lines().count();
    assert_eq!(count(), 5);
    // Longer than the pause that the supervisor would have made.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(count(), 5, "it is not started again");

    // Whoever has mended it starts it anew.
    std::fs::write(&script, "exec sleep 1000\n").unwrap();
    let shell = desktop.shell().await;
    shell.restart_part("crash").await.unwrap();
    desktop.up("crash").await;
    desktop.shows(&["argos-wallpaper"]).await;
    let nobody = shell.restart_part("nobody").await.unwrap_err();
    assert!(
        matches!(&nobody, argos_bus::Error::NotFound(text) if text.contains("nobody")),
        "{nobody:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_obey_is_killed_and_holds_up_no_other() {
    let desktop = Desktop::new().await;
    let ready = desktop.home.path().join("ready");
    let deaf = format!(
        "exec: [/bin/sh, -c, 'trap \"\" TERM; touch {}; while :; do sleep 1; done']\n",
        ready.display()
    );
    desktop.write("deaf.yaml", &deaf);
    let part = desktop.up("deaf").await;
    let end = Instant::now() + PATIENCE;
    while !ready.exists() {
        assert!(Instant::now() < end, "it does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    desktop.remove("deaf.yaml");
    let stopping = |part: &Part| part.state == "stopping";
    desktop.until("deaf", "is stopping", stopping).await;
    // Supervisors of other tests may share a group of processes: names are not used twice.
    desktop.write("second.yaml", SLEEPS);
    desktop.up("second").await;
    assert!(runs(part.pid), "it has its time yet");
    desktop.gone("deaf").await;
    assert!(!runs(part.pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_go_on_without_the_shell_and_the_next_one_knows_them() {
    let mut desktop = Desktop::new().await;
    desktop.write("stays.yaml", SLEEPS);
    desktop.write("goes.yaml", SLEEPS);
    let (stays, goes) = (desktop.up("stays").await, desktop.up("goes").await);
    desktop.shell.kill().unwrap();
    desktop.shell.wait().unwrap();
    desktop.remove("goes.yaml");
    assert!(runs(stays.pid) && runs(goes.pid));
    desktop.shell = start_shell(desktop.home.path(), &desktop.bus_address);
    desktop.shell_answers().await;
    assert_eq!(desktop.up("stays").await, stays);
    desktop.gone("goes").await;
    assert!(!runs(goes.pid));

    // Also when none is left in the folder.
    desktop.shell.kill().unwrap();
    desktop.shell.wait().unwrap();
    desktop.remove("stays.yaml");
    desktop.shell = start_shell(desktop.home.path(), &desktop.bus_address);
    let end = Instant::now() + PATIENCE;
    while runs(stays.pid) {
        assert!(Instant::now() < end, "it goes on without a manifest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_in_for_a_part_is_told_when_it_is_asked_for() {
    let desktop = Desktop::new().await;
    let shell = desktop.shell().await;
    let mut requested = shell.receive_requested().await.unwrap();
    let calm = ["argos-panel", "argos-wallpaper"];
    let opened = |name| {
        let mut names = vec!["argos-outside", "argos-panel", "argos-wallpaper", name];
        names.sort_unstable();
        names
    };
    shell.toggle("launcher").await.unwrap();
    desktop.shows(&opened("argos-launcher")).await;
    // It goes also while it is open.
    let manifest = format!("{SLEEPS}replaces: [launcher, settings, notifications]\n");
    desktop.write("other.yaml", &manifest);
    desktop.up("other").await;
    desktop.shows(&calm).await;
    for part in ["launcher", "settings/displays"] {
        shell.toggle(part).await.unwrap();
        let signal = tokio::time::timeout(PATIENCE, requested.next()).await;
        let signal = signal.expect("it is told").unwrap();
        assert_eq!(*signal.args().unwrap().part(), part);
    }
    assert_eq!(desktop.layers(), calm);
    // What stays is shown as ever, and nobody is told.
    shell.toggle("power").await.unwrap();
    desktop.shows(&opened("argos-power")).await;

    // The name is free for it, and is the shell's again when the other goes.
    let name = "org.freedesktop.Notifications";
    let bus = zbus::fdo::DBusProxy::new(&desktop.connection)
        .await
        .unwrap();
    let owned = || bus.name_has_owner(BusName::try_from(name).unwrap());
    let end = Instant::now() + PATIENCE;
    while owned().await.unwrap() {
        assert!(Instant::now() < end, "the shell keeps the name");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    desktop.connection.request_name(name).await.unwrap();
    desktop.remove("other.yaml");
    desktop.gone("other").await;
    desktop.connection.release_name(name).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while !owned().await.unwrap() {
        assert!(Instant::now() < end, "the shell does not take the name");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shell.toggle("power").await.unwrap();
    desktop.shows(&calm).await;
    shell.toggle("launcher").await.unwrap();
    desktop.shows(&opened("argos-launcher")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stopped_by_hand_stays_so_and_links_are_followed() {
    let desktop = Desktop::new().await;
    let kept = desktop.home.path().join("kept.yaml");
    std::fs::write(&kept, SLEEPS).unwrap();
    std::fs::create_dir_all(desktop.file("x").parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&kept, desktop.file("linked.yaml")).unwrap();
    let part = desktop.up("linked").await;
    let mut supervisor = desktop.supervisor().unwrap();
    supervisor.stop("part-linked").unwrap();
    let stopped = |part: &Part| part.state == "stopped" && part.pid == 0;
    desktop.until("linked", "is stopped", stopped).await;
    assert!(!runs(part.pid));
    // Where the link leads something is written.
    std::fs::write(&kept, format!("{SLEEPS}env: {{A: b}}\n")).unwrap();
    desktop.up("linked").await;
    assert_eq!(supervisor.unit("part-linked").unwrap().state, UnitState::Up);
    std::fs::write(&kept, format!("{SLEEPS}enabled: false\n")).unwrap();
    let disabled = |part: &Part| part.state == "disabled" && part.pid == 0;
    desktop.until("linked", "is off", disabled).await;
}
