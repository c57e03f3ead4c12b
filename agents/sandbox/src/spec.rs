//! What a sandboxed process is given: the declaration, and nothing that acts on it.
//!
//! A [`Spec`] is data. It travels as JSON (broker to supervisor to `argos-exec`) and stands as YAML
//! in unit files and agent manifests, so unknown keys are errors: a misspelt restriction must never
//! read as "no restriction". Every default is the tightest value; leaving a key out gives less.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// The Landlock ABI that the image's kernel (6.12) has, and that ArgOS requires unless a spec says
/// otherwise: files, refer, truncate, TCP, device ioctl, and scopes for signals and abstract sockets.
pub const DEFAULT_LANDLOCK: u32 = 6;

/// Everything one process may have. See the crate's page for how and in which order it is enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Spec {
    /// Which system calls it may make.
    pub profile: Profile,
    /// Which kernel resources it gets a copy of its own of.
    pub namespaces: Namespaces,
    /// Its file system. `None` (YAML `null`) keeps the caller's, of which it reaches only what
    /// `landlock.paths` lists.
    pub root: Option<Root>,
    /// Landlock: the least level it must have, and rules beyond those that follow from `root`.
    pub landlock: Landlock,
    /// Resource limits.
    pub limits: Limits,
    /// Descriptors beyond 0, 1 and 2 that stay open. One that is not open is an error.
    pub keep_fds: Vec<i32>,
    /// The whole environment, apart from `pass-environment`.
    pub environment: BTreeMap<String, String>,
    /// Names of variables taken over from the caller where they are set.
    pub pass_environment: Vec<String>,
    /// Host name it sees. Needs the UTS namespace.
    pub hostname: Option<String>,
    /// Where it starts, as a path inside.
    pub working_directory: PathBuf,
    /// Whether it is killed when whoever started it dies.
    pub die_with_parent: bool,
}

/// Which system calls a process may make. Each is a list of what is allowed; what could hurt the
/// host kills the process, the rest fails with `ENOSYS` or `EPERM`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// An agent's program: files, threads, child processes, Unix sockets.
    #[default]
    Agent,
    /// A tool worker: as `agent`, but it creates no socket other than a pair.
    Worker,
    /// A system service: as `agent`, plus network sockets, file ownership and changing its user.
    Service,
}

impl Profile {
    /// The name in a spec: `agent`, `worker`, `service`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Worker => "worker",
            Self::Service => "service",
        }
    }
}

/// Namespaces to enter. All, unless switched off one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Namespaces {
    /// Users: the same user and group, with no power over the host. Without it the caller needs
    /// `CAP_SYS_ADMIN` for the others, which [`crate::run_as`] gives up on the way, and other users are
    /// told apart.
    pub user: bool,
    /// Mounts. Needed by `root`.
    pub mount: bool,
    /// Processes: it sees and signals only its own. Needed by a private `/proc`.
    pub pid: bool,
    /// Network: an own loopback, which is down.
    pub net: bool,
    /// System V IPC and POSIX message queues.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
    /// Control groups: it sees its own as the root.
    pub cgroup: bool,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            user: true,
            mount: true,
            pid: true,
            net: true,
            ipc: true,
            uts: true,
            cgroup: true,
        }
    }
}

impl Namespaces {
    /// No namespace at all.
    #[must_use]
    pub fn none() -> Self {
        Self {
            user: false,
            mount: false,
            pid: false,
            net: false,
            ipc: false,
            uts: false,
            cgroup: false,
        }
    }
}

/// A file system of its own: an empty memory file system with what is listed here put into it,
/// read-only itself once it is filled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Root {
    /// Files and folders of the host, with all that is mounted beneath them.
    pub binds: Vec<Bind>,
    /// Empty folders in memory that it may write.
    pub tmpfs: Vec<Tmpfs>,
    /// Symbolic links, path to target (`/lib`: `usr/lib`).
    pub symlinks: BTreeMap<PathBuf, PathBuf>,
    /// What `/proc` shows.
    pub proc: Proc,
    /// Whether `/dev` holds null, zero, full, random and urandom. Nothing else ever.
    pub devices: bool,
}

/// One file or folder of the host put into the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bind {
    /// Absolute path outside. Symbolic links in it are followed.
    pub source: PathBuf,
    /// Absolute path inside; the same as `source` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// What may be done beneath it.
    #[serde(default)]
    pub access: Access,
}

/// What may be done with files beneath a path. Set-user-id bits and devices never work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and list.
    #[default]
    Read,
    /// Read, list and run programs.
    Execute,
    /// Read, list, create, change and delete; not run.
    Write,
}

/// An empty folder in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tmpfs {
    /// Absolute path inside.
    pub path: PathBuf,
    /// Most it may hold, in bytes.
    #[serde(default = "Tmpfs::default_size")]
    pub size_bytes: u64,
}

impl Tmpfs {
    fn default_size() -> u64 {
        16 << 20
    }
}

/// What `/proc` shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proc {
    /// There is none.
    #[default]
    None,
    /// Only its own processes (`subset=pid`): no `/proc/sys`, no hardware, no kernel.
    Processes,
    /// Its own processes, and the kernel's files as the host shows them.
    Full,
}

/// Landlock, the second wall around files, TCP, signals and abstract sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Landlock {
    /// Least ABI the kernel must have; the process does not start with less. More is used where
    /// the kernel has it.
    pub minimum: u32,
    /// Rules beyond those that follow from `root`.
    pub paths: Vec<PathRule>,
    /// TCP ports it may connect to (`service` only; needs `namespaces.net: false` to be of use).
    pub connect_tcp: Vec<u16>,
    /// TCP ports it may listen on.
    pub bind_tcp: Vec<u16>,
}

impl Default for Landlock {
    fn default() -> Self {
        Self {
            minimum: DEFAULT_LANDLOCK,
            paths: Vec::new(),
            connect_tcp: Vec::new(),
            bind_tcp: Vec::new(),
        }
    }
}

/// Access beneath one path, as seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PathRule {
    /// Absolute path inside.
    pub path: PathBuf,
    /// What may be done beneath it.
    #[serde(default)]
    pub access: Access,
}

/// Resource limits (`setrlimit`), soft and hard alike. Memory and processor time of the whole tree
/// of processes are the control group's business, see the unit's `limits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Open files of one process.
    pub open_files: u64,
    /// Processes and threads of the user inside this user namespace.
    pub processes: Option<u64>,
    /// Largest file, in bytes.
    pub file_size_bytes: Option<u64>,
    /// Address space of one process, in bytes.
    pub address_space_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 1024,
            processes: None,
            file_size_bytes: None,
            address_space_bytes: None,
        }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            namespaces: Namespaces::default(),
            root: Some(Root::default()),
            landlock: Landlock::default(),
            limits: Limits::default(),
            keep_fds: Vec::new(),
            environment: BTreeMap::new(),
            pass_environment: Vec::new(),
            hostname: None,
            working_directory: PathBuf::from("/"),
            die_with_parent: true,
        }
    }
}

impl Spec {
    /// A native agent: the system's programs and libraries to read and run, its own processes in
    /// `/proc`, the five harmless devices, `/tmp` in memory, fd 3, and no more than 128 processes.
    /// Add the workspace with [`Spec::bind`].
    #[must_use]
    pub fn agent() -> Self {
        let mut spec = Self {
            root: Some(Root {
                tmpfs: vec![Tmpfs {
                    path: "/tmp".into(),
                    size_bytes: Tmpfs::default_size(),
                }],
                proc: Proc::Processes,
                devices: true,
                ..Root::system()
            }),
            limits: Limits {
                processes: Some(128),
                ..Limits::default()
            },
            keep_fds: vec![3],
            hostname: Some("agent".to_owned()),
            ..Self::default()
        };
        spec.environment
            .insert("PATH".to_owned(), "/usr/bin".to_owned());
        spec.environment
            .insert("LANG".to_owned(), "C.UTF-8".to_owned());
        spec
    }

    /// A tool worker: what is needed to run one system program, fd 3, and nothing else. The worker
    /// then gives up even that with [`crate::seal`].
    #[must_use]
    pub fn worker() -> Self {
        Self {
            profile: Profile::Worker,
            root: Some(Root::system()),
            limits: Limits {
                processes: Some(16),
                open_files: 64,
                ..Limits::default()
            },
            keep_fds: vec![3],
            hostname: Some("worker".to_owned()),
            ..Self::default()
        }
    }

    /// A system service that keeps the host's file system and network, and loses the rest.
    #[must_use]
    pub fn service() -> Self {
        Self {
            profile: Profile::Service,
            namespaces: Namespaces::none(),
            root: None,
            ..Self::default()
        }
    }

    /// Adds a file or folder of the host, at the same path inside.
    #[must_use]
    pub fn bind(mut self, path: impl Into<PathBuf>, access: Access) -> Self {
        let bind = Bind {
            source: path.into(),
            target: None,
            access,
        };
        self.root.get_or_insert_with(Root::default).binds.push(bind);
        self
    }

    /// Parses JSON. Errors name the key and where it stands.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] for anything that is not a spec, unknown keys included, and for what
    /// [`Spec::check`] finds.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let spec: Self = serde_json::from_str(json).map_err(|error| {
            Error::InvalidSpec(format!("the sandbox spec does not parse: {error}"))
        })?;
        spec.check()?;
        Ok(spec)
    }

    /// JSON on one line, as `argos-exec` takes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only maps with keys that are no strings and unserialisable paths could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether only root can be put into it: it has namespaces, and none of users.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        !self.namespaces.user && self.namespaces != Namespaces::none()
    }

    /// Finds what cannot be meant: relative paths, `..`, a root without a mount namespace.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`], with what is wrong and what to write instead.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(root) = &self.root {
            if !self.namespaces.mount {
                return invalid("`root` needs `namespaces.mount`: enable it, or set `root: null`");
            }
            if root.proc != Proc::None && !self.namespaces.pid {
                return invalid(
                    "`root.proc` needs `namespaces.pid`: enable it, or set `proc: none`",
                );
            }
            for bind in &root.binds {
                absolute("root.binds.source", &bind.source)?;
                inside("root.binds.target", bind.target())?;
            }
            for tmpfs in &root.tmpfs {
                inside("root.tmpfs.path", &tmpfs.path)?;
            }
            for link in root.symlinks.keys() {
                inside("root.symlinks", link)?;
            }
        }
        if self.hostname.is_some() && !self.namespaces.uts {
            return invalid("`hostname` needs `namespaces.uts`");
        }
        for rule in &self.landlock.paths {
            absolute("landlock.paths.path", &rule.path)?;
        }
        absolute("working-directory", &self.working_directory)?;
        if let Some(fd) = self.keep_fds.iter().find(|fd| **fd < 0) {
            return invalid(format!("`keep-fds` holds {fd}: a descriptor is 0 or more"));
        }
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return invalid(format!(
                    "`environment` holds {name:?}, which no process can have"
                ));
            }
        }
        Ok(())
    }
}

impl Root {
    /// The system's programs and libraries: `/usr` to read and run, and the links into it.
    #[must_use]
    pub fn system() -> Self {
        Self {
            binds: vec![Bind {
                source: "/usr".into(),
                target: None,
                access: Access::Execute,
            }],
            symlinks: ["bin", "lib", "lib64", "sbin"]
                .into_iter()
                .map(|name| (Path::new("/").join(name), Path::new("usr").join(name)))
                .collect(),
            ..Self::default()
        }
    }
}

impl Bind {
    /// The path inside.
    #[must_use]
    pub fn target(&self) -> &Path {
        self.target.as_deref().unwrap_or(&self.source)
    }
}

fn invalid(text: impl Into<String>) -> Result<(), Error> {
    Err(Error::InvalidSpec(text.into()))
}

fn absolute(key: &str, path: &Path) -> Result<(), Error> {
    use std::path::Component;
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain && !path.as_os_str().as_encoded_bytes().contains(&0) {
        Ok(())
    } else {
        invalid(format!(
            "`{key}` holds {path:?}: give an absolute path without `..`"
        ))
    }
}

fn inside(key: &str, path: &Path) -> Result<(), Error> {
    absolute(key, path)?;
    if path == Path::new("/") {
        return invalid(format!(
            "`{key}` holds \"/\": the root itself stays empty and read-only"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_restriction_is_an_error() {
        let error = Spec::from_json(r#"{"namespaces": {"nett": true}}"#).unwrap_err();
        assert!(error.to_string().contains("nett"), "{error}");
    }

    #[test]
    fn nothing_said_gives_nothing() {
        let spec = Spec::from_json("{}").unwrap();
        assert_eq!(spec, Spec::default());
        assert_eq!(spec.root, Some(Root::default()));
        assert_eq!(spec.namespaces, Namespaces::default());
    }

    #[test]
    fn json_round_trip() {
        for spec in [
            Spec::agent().bind("/home/x/work", Access::Write),
            Spec::worker(),
            Spec::service(),
        ] {
            assert_eq!(Spec::from_json(&spec.to_json()).unwrap(), spec);
        }
    }

    #[test]
    fn impossible_specs_are_refused() {
        for json in [
            r#"{"namespaces": {"mount": false}}"#,
            r#"{"namespaces": {"pid": false}, "root": {"proc": "full"}}"#,
            r#"{"root": {"binds": [{"source": "etc"}]}}"#,
            r#"{"root": {"binds": [{"source": "/home/../etc"}]}}"#,
            r#"{"root": {"binds": [{"source": "/etc", "target": "/"}]}}"#,
            r#"{"root": {"binds": [{"source": "/e\u0000tc"}]}}"#,
            r#"{"environment": {"A=B": "c"}}"#,
            r#"{"keep-fds": [-1]}"#,
            r#"{"hostname": "x", "namespaces": {"uts": false}}"#,
        ] {
            assert!(
                matches!(Spec::from_json(json), Err(Error::InvalidSpec(_))),
                "{json}"
            );
        }
    }
}
