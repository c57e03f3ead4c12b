//! Where a supervisor finds and puts things, in each of its roles.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::console::{self, Sink};

/// What this supervisor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// PID 1 of the machine.
    System,
    /// PID 1 of a container or of a test's namespace: no mounts, no host name, no power.
    Container,
    /// A person's, below PID 1.
    User,
}

/// Paths and environment of a supervisor.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is.
    pub role: Role,
    /// Folders with unit files, later over earlier.
    pub unit_folders: Vec<PathBuf>,
    /// Folder of the control and notify sockets.
    pub sockets: PathBuf,
    /// Folder in which `runtime-directory` is made.
    pub runtime: PathBuf,
    /// Folder in which `state-directory` is made.
    pub state: PathBuf,
    /// Folder of the log files.
    pub logs: PathBuf,
    /// The unit compiler.
    pub compiler: PathBuf,
    /// `argos-exec`.
    pub exec: PathBuf,
    /// Terminal on which a person is told, and helped, when nothing else comes up.
    pub console: Option<PathBuf>,
    /// Target that is started first.
    pub first: String,
    /// Environment that every unit gets.
    pub env: BTreeMap<String, String>,
}

impl Settings {
    /// PID 1's.
    pub fn system() -> Self {
        let env = [
            (
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ),
            ("LANG", "C.UTF-8"),
            ("HOME", "/root"),
        ];
        Self {
            role: Role::System,
            unit_folders: [
                "/usr/lib/argos/units",
                "/etc/argos/units",
                "/run/argos/units",
            ]
            .map(PathBuf::from)
            .to_vec(),
            sockets: "/run/argos".into(),
            runtime: "/run".into(),
            state: "/var/lib".into(),
            logs: "/var/log/argos".into(),
            compiler: "/usr/bin/argos-unit-compiler".into(),
            exec: "/usr/bin/argos-exec".into(),
            console: Some(console::CONSOLE.into()),
            first: "default".into(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }
    }

    /// A container's: the system's paths, each of which a variable can replace. Tests use that.
    pub fn container() -> Self {
        let mut settings = Self {
            role: Role::Container,
            // A container has none of its own; its owner may name one.
            console: None,
            ..Self::system()
        };
        settings.override_from_env();
        settings
    }

    /// A person's. The error names the variable that is missing.
    pub fn user() -> Result<Self, String> {
        let variable = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| value.starts_with('/'))
                .ok_or_else(|| {
                    format!("{name} is not set to an absolute path; is this started by PID 1?")
                })
        };
        let home = PathBuf::from(variable("HOME")?);
        let runtime = PathBuf::from(variable("XDG_RUNTIME_DIR")?);
        // What the person's login set up goes to the units; what belongs to this process does not.
        let mut env: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| {
                !matches!(
                    name.as_str(),
                    "NOTIFY_SOCKET" | "LISTEN_PID" | "LISTEN_FDS" | "RUST_LOG"
                )
            })
            .collect();
        let bus = format!("unix:path={}", runtime.join("bus").display());
        env.insert("DBUS_SESSION_BUS_ADDRESS".into(), bus);
        let display = x11_display(rustix::process::getuid().as_raw());
        for (name, value) in [
            ("XDG_SESSION_TYPE", "wayland"),
            ("XDG_CURRENT_DESKTOP", "ArgOS"),
            ("WAYLAND_DISPLAY", "wayland-0"),
            ("DISPLAY", display.as_str()),
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("SHELL", "/bin/sh"),
        ] {
            env.entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
        let mut settings = Self {
            role: Role::User,
            unit_folders: vec![
                "/usr/lib/argos/user-units".into(),
                "/etc/argos/user-units".into(),
                home.join(".config/argos/units"),
            ],
            sockets: runtime.join("argos"),
            runtime,
            state: home.join(".local/state"),
            logs: home.join(".local/state/argos/log"),
            console: None,
            env,
            ..Self::system()
        };
        settings.override_from_env();
        Ok(settings)
    }

    /// Whether units run as other users than the supervisor.
    pub fn changes_users(&self) -> bool {
        self.role != Role::User
    }

    /// Where the supervisor's own lines go.
    pub fn sink(&self) -> Sink {
        match self.role {
            Role::System => Sink::Kernel,
            Role::Container | Role::User => Sink::Stderr,
        }
    }

    fn override_from_env(&mut self) {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(folders) = path("ARGOS_UNIT_PATH") {
            self.unit_folders = std::env::split_paths(&folders).collect();
        }
        for (name, field) in [
            ("ARGOS_SOCKETS", &mut self.sockets),
            ("ARGOS_RUNTIME", &mut self.runtime),
            ("ARGOS_STATE", &mut self.state),
            ("ARGOS_LOGS", &mut self.logs),
            ("ARGOS_COMPILER", &mut self.compiler),
            ("ARGOS_EXEC", &mut self.exec),
        ] {
            if let Some(value) = path(name) {
                *field = value.into();
            }
        }
        if self.role == Role::Container {
            self.console = path("ARGOS_CONSOLE").map(PathBuf::from);
        }
    }
}

/// The X display of a person's desktop. Their numbers are the machine's, so each person has one; the
/// compositor takes another if it is in use.
fn x11_display(uid: u32) -> String {
    format!(":{}", uid.saturating_sub(1000) % 64)
}
