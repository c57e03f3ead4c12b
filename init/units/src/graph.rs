//! Units and the graph they form.
//!
//! Everything here is resolved: files layered, drop-ins merged, `wanted-by` turned into the
//! target's `wants`, sizes in bytes, times in milliseconds. Only templates keep their `%i`, since
//! their instances can be asked for while the system runs.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::name;

/// Most units and templates in one graph.
pub const MAX_UNITS: usize = 4096;
/// Most dependencies of one unit, of all sorts together.
pub const MAX_EDGES: usize = 1024;
/// Time to become ready where a unit names none, in milliseconds.
pub const DEFAULT_READY_TIMEOUT_MS: u64 = 60_000;
/// Time between SIGTERM and SIGKILL where a unit names none, in milliseconds.
pub const DEFAULT_STOP_TIMEOUT_MS: u64 = 5_000;

/// Everything that a supervisor may run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// Units, each with its own name.
    pub units: Vec<Unit>,
    /// Templates; their names end in `@` and their strings may hold `%i`.
    pub templates: Vec<Unit>,
    /// What was left out of the graph, and why.
    pub problems: Vec<Problem>,
}

/// A unit or file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Unit that it is about.
    pub unit: String,
    /// File, line, what is wrong and what to do, for people.
    pub message: String,
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Name, without the file's ending.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// What it is and how it is run.
    pub kind: Kind,
    /// Must be up before this starts; if one stops, this stops.
    pub requires: Vec<String>,
    /// Started as well; their failure does not matter. A target waits until they have settled.
    pub wants: Vec<String>,
    /// Order only: if they are about to start, this waits for them.
    pub after: Vec<String>,
    /// Time to become ready, in milliseconds.
    pub ready_timeout_ms: u64,
    /// Time between SIGTERM and SIGKILL, in milliseconds.
    pub stop_timeout_ms: u64,
}

/// What a unit is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Only a name for others to hang on.
    Target,
    /// A process that is meant to keep running.
    Service(Process),
    /// A process that does one thing and ends; up once it ended well.
    Oneshot(Process),
    /// A file system.
    Mount(Mount),
    /// A listening socket that starts its service on the first connection.
    Socket(Socket),
    /// Starts another unit at set times.
    Timer(Timer),
    /// Starts another unit when a path exists.
    Path(PathWatch),
}

impl Kind {
    /// The word used in unit files.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Service(_) => "service",
            Self::Oneshot(_) => "oneshot",
            Self::Mount(_) => "mount",
            Self::Socket(_) => "socket",
            Self::Timer(_) => "timer",
            Self::Path(_) => "path",
        }
    }
}

/// How a process is started, watched and restarted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Program (absolute path) and arguments.
    pub exec: Vec<String>,
    /// How it says that it is ready.
    pub ready: Readiness,
    /// Whether it is started again when it ends.
    pub restart: Restart,
    /// User by name or number; the supervisor's own if absent.
    pub user: Option<String>,
    /// Group by name or number; the user's own if absent.
    pub group: Option<String>,
    /// Environment besides what the supervisor gives every unit.
    pub env: Vec<(String, String)>,
    /// Where the program starts; `/` if absent.
    pub working_directory: Option<String>,
    /// Terminal that becomes its standard streams and controlling terminal.
    pub tty: Option<String>,
    /// Folder below the run time directory, made before the start.
    pub runtime_directory: Option<String>,
    /// Permission bits of `runtime_directory`.
    pub runtime_directory_mode: u32,
    /// Folder below the state directory, made before the start.
    pub state_directory: Option<String>,
    /// Whether the cgroup is given to `user`, who may divide it further.
    pub delegate: bool,
    /// Limits of its cgroup.
    pub limits: Limits,
    /// `argos_sandbox::Spec` as JSON.
    pub sandbox: Option<String>,
}

/// How a process says that it is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// As soon as it runs.
    #[default]
    None,
    /// `READY=1` on the socket named by `$NOTIFY_SOCKET` (the `sd_notify` protocol).
    Notify,
    /// It ended with status 0 (oneshots only).
    Exec,
    /// It owns this name on the bus; the bridge reports that.
    Dbus(String),
    /// It writes a newline to this descriptor.
    Fd(i32),
    /// It accepts connections on this Unix socket.
    Socket(String),
}

/// When a process that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it ended with a status other than 0 or by a signal, or was not ready in time.
    OnFailure,
    /// However it ended.
    Always,
}

/// Limits of a unit's cgroup. Absent: no limit of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u32>,
    /// Processor time in percent of one CPU.
    pub cpu_percent: Option<u32>,
    /// Share of the processor against the other units of the same supervisor, 1 to 10000; the
    /// kernel's default is 100.
    pub cpu_weight: Option<u32>,
    /// Open files of the first process (soft limit).
    pub open_files: Option<u64>,
}

/// A file system to mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Device or other source.
    pub what: String,
    /// Where; made if missing.
    pub path: String,
    /// File system type.
    pub fstype: String,
    /// Options, comma separated.
    pub options: String,
}

/// A listening Unix socket, handed to `unit` as descriptor 3 (the `LISTEN_FDS` protocol).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Path of a Unix stream socket.
    pub listen: String,
    /// Permission bits.
    pub mode: u32,
    /// Service that is started on the first connection.
    pub unit: String,
}

/// When another unit is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Unit that is started.
    pub unit: String,
    /// This long after the timer came up, in milliseconds.
    pub after_start_ms: Option<u64>,
    /// Again and again at this distance, in milliseconds.
    pub every_ms: Option<u64>,
}

/// Starts a unit when a path exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathWatch {
    /// Path that is waited for.
    pub exists: String,
    /// Unit that is started.
    pub unit: String,
}

/// Why a graph cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Over [`MAX_UNITS`].
    #[error("{0} units are more than the {MAX_UNITS} allowed")]
    TooMany(usize),
    /// Over [`MAX_EDGES`].
    #[error("unit `{0}` has more than {MAX_EDGES} dependencies")]
    TooManyEdges(String),
    /// A name that [`name::is_valid`] refuses, or a template among units or the reverse.
    #[error("`{0}` is not a usable unit name here")]
    Name(String),
    /// Two units with one name.
    #[error("unit `{0}` is there twice")]
    Twice(String),
    /// A dependency that is not in the graph.
    #[error("unit `{unit}` names `{missing}`, which does not exist")]
    Missing {
        /// Who names it.
        unit: String,
        /// What is not there.
        missing: String,
    },
    /// A circle in the order of start; the first unit is repeated at the end.
    #[error("units wait for each other in a circle: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

impl Unit {
    /// A target without dependencies.
    pub fn target(name: &str) -> Self {
        Self::new(name, Kind::Target)
    }

    /// A unit without dependencies and with the default times.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            description: String::new(),
            kind,
            requires: Vec::new(),
            wants: Vec::new(),
            after: Vec::new(),
            ready_timeout_ms: DEFAULT_READY_TIMEOUT_MS,
            stop_timeout_ms: DEFAULT_STOP_TIMEOUT_MS,
        }
    }

    /// The process of a service or oneshot.
    pub fn process(&self) -> Option<&Process> {
        match &self.kind {
            Kind::Service(process) | Kind::Oneshot(process) => Some(process),
            _ => None,
        }
    }

    /// The unit that a socket, timer or path starts.
    pub fn activates(&self) -> Option<&str> {
        match &self.kind {
            Kind::Socket(Socket { unit, .. })
            | Kind::Timer(Timer { unit, .. })
            | Kind::Path(PathWatch { unit, .. }) => Some(unit),
            _ => None,
        }
    }

    /// Units that settle before this one starts: `requires`, `after`, and for a target `wants`.
    pub fn before_me(&self) -> impl Iterator<Item = &str> {
        let wants = if matches!(self.kind, Kind::Target) {
            self.wants.as_slice()
        } else {
            &[]
        };
        self.requires
            .iter()
            .chain(&self.after)
            .chain(wants)
            .map(String::as_str)
    }

    /// The instance of a template: its name, and `%i` replaced wherever it stands (`%%` is `%`).
    pub fn instantiate(&self, instance: &str) -> Self {
        let mut unit = self.clone();
        unit.name.push_str(instance);
        let fill = |text: &mut String| {
            if text.contains('%') {
                *text = text
                    .replace("%%", "\0")
                    .replace("%i", instance)
                    .replace('\0', "%");
            }
        };
        fill(&mut unit.description);
        for list in [&mut unit.requires, &mut unit.wants, &mut unit.after] {
            list.iter_mut().for_each(fill);
        }
        match &mut unit.kind {
            Kind::Target => {}
            Kind::Service(process) | Kind::Oneshot(process) => {
                process.exec.iter_mut().for_each(fill);
                process.env.iter_mut().for_each(|(_, value)| fill(value));
                let optional = [
                    &mut process.user,
                    &mut process.group,
                    &mut process.working_directory,
                    &mut process.tty,
                    &mut process.runtime_directory,
                    &mut process.state_directory,
                ];
                optional.into_iter().flatten().for_each(fill);
                match &mut process.ready {
                    Readiness::Dbus(text) | Readiness::Socket(text) => fill(text),
                    _ => {}
                }
            }
            Kind::Mount(mount) => {
                [&mut mount.what, &mut mount.path, &mut mount.options]
                    .into_iter()
                    .for_each(fill);
            }
            Kind::Socket(socket) => {
                [&mut socket.listen, &mut socket.unit]
                    .into_iter()
                    .for_each(fill);
            }
            Kind::Timer(timer) => fill(&mut timer.unit),
            Kind::Path(path) => [&mut path.exists, &mut path.unit]
                .into_iter()
                .for_each(fill),
        }
        unit
    }
}

impl Graph {
    /// Checks names, limits, that all dependencies exist, and that no unit waits for itself.
    ///
    /// PID 1 calls it on what it is handed and the compiler on what it hands out, so that neither
    /// trusts the other. It does not recurse: a long chain costs memory on the heap only.
    pub fn check(&self) -> Result<(), GraphError> {
        let count = self.units.len() + self.templates.len();
        if count > MAX_UNITS {
            return Err(GraphError::TooMany(count));
        }
        let mut index = HashMap::with_capacity(self.units.len());
        for (at, unit) in self.units.iter().enumerate() {
            if !name::is_valid(&unit.name) || name::is_template(&unit.name) {
                return Err(GraphError::Name(unit.name.clone()));
            }
            if index.insert(unit.name.as_str(), at).is_some() {
                return Err(GraphError::Twice(unit.name.clone()));
            }
        }
        let mut templates = HashMap::new();
        for template in &self.templates {
            if !name::is_valid(&template.name) || !name::is_template(&template.name) {
                return Err(GraphError::Name(template.name.clone()));
            }
            if templates.insert(template.name.as_str(), ()).is_some() {
                return Err(GraphError::Twice(template.name.clone()));
            }
        }
        for unit in self.units.iter().chain(&self.templates) {
            if unit.requires.len() + unit.wants.len() + unit.after.len() > MAX_EDGES {
                return Err(GraphError::TooManyEdges(unit.name.clone()));
            }
        }
        for unit in &self.units {
            // `after` is order only, so that it may name what is not installed. What a timer
            // starts may be an instance that nothing names statically.
            let needed = unit.requires.iter().chain(&unit.wants).map(String::as_str);
            if let Some(missing) = needed.clone().find(|name| !index.contains_key(name)) {
                return Err(GraphError::Missing {
                    unit: unit.name.clone(),
                    missing: missing.to_owned(),
                });
            }
        }
        self.find_cycle(&index)
            .map_or(Ok(()), |circle| Err(GraphError::Cycle(circle)))
    }

    /// Depth-first search with an explicit stack over "starts after".
    fn find_cycle(&self, index: &HashMap<&str, usize>) -> Option<Vec<String>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            OnPath,
            Done,
        }
        let edges: Vec<Vec<usize>> = self
            .units
            .iter()
            .map(|unit| {
                unit.before_me()
                    .filter_map(|name| index.get(name).copied())
                    .collect()
            })
            .collect();
        let mut marks = vec![Mark::New; edges.len()];
        for root in 0..edges.len() {
            if marks[root] != Mark::New {
                continue;
            }
            marks[root] = Mark::OnPath;
            let mut path = vec![(root, 0)];
            while let Some((at, next)) = path.last_mut() {
                let at = *at;
                let Some(&child) = edges[at].get(*next) else {
                    marks[at] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[child] {
                    Mark::Done => {}
                    Mark::New => {
                        marks[child] = Mark::OnPath;
                        path.push((child, 0));
                    }
                    Mark::OnPath => {
                        let begin = path.iter().position(|(on, _)| *on == child).unwrap_or(0);
                        let circle = path[begin..].iter().map(|(on, _)| *on).chain([child]);
                        return Some(circle.map(|on| self.units[on].name.clone()).collect());
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, requires: &[&str], after: &[&str]) -> Unit {
        let mut unit = Unit::target(name);
        unit.requires = requires.iter().map(|s| (*s).to_owned()).collect();
        unit.after = after.iter().map(|s| (*s).to_owned()).collect();
        unit
    }

    fn check(units: Vec<Unit>) -> Result<(), GraphError> {
        Graph {
            units,
            ..Graph::default()
        }
        .check()
    }

    #[test]
    fn a_circle_is_named_in_order() {
        let error = check(vec![
            unit("a", &["b"], &[]),
            unit("b", &[], &["c"]),
            unit("c", &["a"], &[]),
            unit("d", &["a"], &[]),
        ]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "units wait for each other in a circle: a -> b -> c -> a"
        );
    }

    #[test]
    fn order_may_name_what_is_not_installed_but_needs_may_not() {
        assert_eq!(check(vec![unit("a", &[], &["nobody"])]), Ok(()));
        let missing = GraphError::Missing {
            unit: "a".into(),
            missing: "nobody".into(),
        };
        assert_eq!(check(vec![unit("a", &["nobody"], &[])]), Err(missing));
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain = |at: usize| unit(&format!("u{at}"), &[&format!("u{}", at + 1)], &[]);
        let mut units: Vec<_> = (0..MAX_UNITS - 1).map(chain).collect();
        units.push(Unit::target(&format!("u{}", MAX_UNITS - 1)));
        assert_eq!(check(units), Ok(()));
    }

    #[test]
    fn an_instance_fills_every_string() {
        let mut template = Unit::new(
            "user@",
            Kind::Service(Process {
                exec: vec!["/x".into(), "--uid=%i".into(), "100%%".into()],
                user: Some("%i".into()),
                runtime_directory: Some("user/%i".into()),
                ..Process::default()
            }),
        );
        template.description = "Person %i".into();
        let unit = template.instantiate("1000");
        assert_eq!(
            (unit.name.as_str(), unit.description.as_str()),
            ("user@1000", "Person 1000")
        );
        let process = unit.process().unwrap();
        assert_eq!(process.exec, ["/x", "--uid=1000", "100%"]);
        assert_eq!(process.user.as_deref(), Some("1000"));
        assert_eq!(process.runtime_directory.as_deref(), Some("user/1000"));
    }
}
