//! A namespace in which `argos-init` is PID 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use argos_control::{Client, UnitState};

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A running `argos-init --container` and the folder that its units see as `$T`.
pub(crate) struct Container {
    folder: tempfile::TempDir,
    process: Child,
    ended: bool,
}

impl Container {
    /// Boots with these unit files. `$T` in them is the folder, `$INIT` the program, `$BIN`
    /// where it and its companions are.
    pub(crate) fn boot(units: &[(&str, &str)]) -> Self {
        Self::boot_at(units, None)
    }

    /// As [`Container::boot`], with a terminal for its console.
    pub(crate) fn boot_at(units: &[(&str, &str)], console: Option<&Path>) -> Self {
        let init = Path::new(env!("CARGO_BIN_EXE_argos-init"));
        let bin = init.parent().unwrap();
        build_companions(bin);
        let folder = tempfile::Builder::new()
            .prefix("argos-init-")
            .tempdir()
            .unwrap();
        let root = folder.path();
        // Units that run as other users have to reach it.
        fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["units", "user-units", "state", "home", "run", "sock"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        for (name, text) in units {
            let text = text
                .replace("$INIT", &init.display().to_string())
                .replace("$BIN", &bin.display().to_string())
                .replace("$T", &root.display().to_string());
            fs::write(root.join("units").join(name), text).unwrap();
        }
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // In a chroot (the build tree) `/` is no mount point; then only /proc can be made private.
        let script = "mount --make-rprivate / 2>/dev/null || mount --make-private /proc; \
                      mount -t proc proc /proc && exec \"$0\" --container";
        command
            .args([
                "--pid",
                "--fork",
                "--mount",
                "--propagation",
                "unchanged",
                "--kill-child",
            ])
            .args(["/bin/sh", "-c", script])
            .arg(init)
            .env("ARGOS_UNIT_PATH", root.join("units"))
            .env("ARGOS_SOCKETS", root.join("sock"))
            .env("ARGOS_RUNTIME", root.join("run"))
            .env("ARGOS_STATE", root.join("state"))
            .env("ARGOS_LOGS", root.join("log"))
            .env("ARGOS_COMPILER", bin.join("argos-unit-compiler"))
            .env("ARGOS_EXEC", bin.join("argos-exec"))
            .stdin(Stdio::null());
        if let Some(console) = console {
            command.env("ARGOS_CONSOLE", console);
        }
        let process = command
            .spawn()
            .expect("`unshare` (util-linux) is needed for this test");
        let mut container = Self {
            folder,
            process,
            ended: false,
        };
        let begin = Instant::now();
        while Client::connect(container.path("sock/control")).is_err() {
            assert!(begin.elapsed() < LIMIT, "no control socket");
            if let Some(status) = container.process.try_wait().unwrap() {
                panic!("argos-init ended at once ({status}): may namespaces be made here?");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // Requests that come before the units are loaded would not find them.
        container.client().reload().expect("the first compilation");
        container
    }

    /// A fresh connection, which gives up in the end.
    pub(crate) fn client(&self) -> Client {
        let client = Client::connect(self.path("sock/control")).unwrap();
        client.set_timeout(Some(LIMIT)).unwrap();
        client
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file's text, or nothing.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn state(&self, unit: &str) -> UnitState {
        self.client().unit(unit).unwrap().state
    }

    /// Runs a shell script inside, which has to succeed; `files` are written first.
    pub(crate) fn run(&self, name: &str, script: &str, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.write(name, text);
        }
        let script = script.replace("$T", &self.folder.path().display().to_string());
        let unit = format!("run-{name}");
        let text = format!(
            "kind: oneshot\nexec: [/bin/sh, -c, {}]\n",
            serde_json_string(&script)
        );
        self.write(&format!("units/{unit}.yaml"), &text);
        let mut client = self.client();
        client.reload().unwrap();
        client
            .restart(&unit)
            .unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    /// Waits until `done`.
    pub(crate) fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !done() {
            assert!(begin.elapsed() < LIMIT, "waited too long for: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until `argos-init` has ended by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                self.ended = true;
                return status.code();
            }
            assert!(begin.elapsed() < LIMIT, "argos-init does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.ended {
            // `--kill-child` takes the namespace along.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn serde_json_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Builds the programs that `argos-init` runs, where the test run did not build them already.
fn build_companions(bin: &Path) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let profile = match bin.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--profile", profile])
            .args(["-p", "argos-unit-compiler", "-p", "argos-exec"])
            .arg("--target-dir")
            .arg(bin.parent().unwrap())
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cannot build the companions"
        );
    });
}
