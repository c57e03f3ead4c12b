//! What may stand in a unit file.
//!
//! Every key is optional here, because a drop-in holds only what it changes; which keys a unit
//! must have depends on its kind and is checked in [`convert`](crate::convert).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::value::{AbsolutePath, Name, Percent, Permissions, Size, Time, Weight};

/// One unit file or drop-in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(title = "ArgOS unit")]
pub struct UnitFile {
    /// What it is. Needed.
    pub kind: Option<KindWord>,
    /// One line for people.
    pub description: Option<String>,
    /// Must be up before this starts; if one stops, this stops.
    pub requires: Vec<Name>,
    /// Started as well; their failure does not matter. A target waits until they have settled.
    pub wants: Vec<Name>,
    /// Order only: if they are about to start, this waits for them.
    pub after: Vec<Name>,
    /// Targets and units that want this one.
    pub wanted_by: Vec<Name>,

    /// Program (absolute path) and arguments. Services and oneshots.
    pub exec: Option<Vec<String>>,
    /// How it says that it is ready. Services; a oneshot is ready once it ended well.
    pub ready: Option<Ready>,
    /// When it is started again. The pause doubles from 100 ms to 30 s.
    pub restart: Option<RestartWord>,
    /// User by name or number. System units only.
    pub user: Option<String>,
    /// Group by name or number; the user's own if absent. System units only.
    pub group: Option<String>,
    /// Environment variables; a drop-in takes one away with `null`.
    pub env: BTreeMap<String, Option<String>>,
    /// Where the program starts.
    pub working_directory: Option<AbsolutePath>,
    /// Time to become ready.
    pub ready_timeout: Option<Time>,
    /// Time between SIGTERM and SIGKILL.
    pub stop_timeout: Option<Time>,
    /// Terminal that it gets as standard input, output, error and controlling terminal.
    pub tty: Option<AbsolutePath>,
    /// Folder below `/run` (or `$XDG_RUNTIME_DIR`) that is made for it.
    pub runtime_directory: Option<String>,
    /// Permission bits of `runtime-directory`; 0755 if absent.
    pub runtime_directory_mode: Option<Permissions>,
    /// Folder below `/var/lib` (or `~/.local/state`) that is made for it.
    pub state_directory: Option<String>,
    /// Gives the unit's cgroup to its user, who may divide it further.
    pub delegate: Option<bool>,
    /// Limits of its cgroup.
    pub limits: Option<LimitsFile>,
    /// What it may have; see the sandbox's own schema.
    #[schemars(with = "Option<serde_json::Value>")]
    pub sandbox: Option<argos_sandbox::Spec>,

    /// Device or other source. Mounts.
    pub what: Option<String>,
    /// Where. Mounts.
    pub path: Option<AbsolutePath>,
    /// File system type. Mounts.
    #[serde(rename = "type")]
    pub fstype: Option<String>,
    /// Options, comma separated. Mounts.
    pub options: Option<String>,

    /// Path of the Unix stream socket. Sockets.
    pub listen: Option<AbsolutePath>,
    /// Permission bits of the socket; 0660 if absent. Sockets.
    pub mode: Option<Permissions>,

    /// This long after the timer came up. Timers.
    pub after_start: Option<Time>,
    /// Again and again at this distance. Timers.
    pub every: Option<Time>,

    /// Path that is waited for. Paths.
    pub exists: Option<AbsolutePath>,

    /// Unit that is started, which is not this one. Sockets, timers, paths.
    pub unit: Option<Name>,
}

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KindWord {
    /// A process that is meant to keep running.
    Service,
    /// A process that does one thing and ends.
    Oneshot,
    /// A name for others to hang on.
    Target,
    /// A file system.
    Mount,
    /// A listening socket that starts its service on the first connection.
    Socket,
    /// Starts a unit at set times.
    Timer,
    /// Starts a unit when a path exists.
    Path,
}

/// How a process says that it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// As soon as it runs.
    None,
    /// `READY=1` on `$NOTIFY_SOCKET`.
    Notify,
    /// It ended with status 0. Oneshots only.
    Exec,
    /// It owns this name on the bus.
    Dbus(String),
    /// It writes a newline to this descriptor.
    Fd(i32),
    /// It accepts connections on this Unix socket.
    Socket(AbsolutePath),
}

/// When a process that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartWord {
    /// However it ended.
    Always,
    /// When it failed.
    OnFailure,
    /// Never.
    No,
}

/// Limits of a unit's cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsFile {
    /// Memory.
    pub memory: Option<Size>,
    /// Processes and threads.
    pub tasks: Option<u32>,
    /// Processor time.
    pub cpu: Option<Percent>,
    /// Share of the processor when others want it too: 1 to 10000, 100 if nothing is said.
    pub cpu_weight: Option<Weight>,
    /// Open files of the first process.
    pub open_files: Option<u64>,
}

/// The JSON Schema of a unit file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(UnitFile).to_value()
}
