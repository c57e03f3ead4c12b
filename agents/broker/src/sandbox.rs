//! What the sandboxes of agents and tool workers hold: as little as a program can run with.
//!
//! The one place where an agent can leave something is its workspace. No file in it gets larger than
//! the manifest's `file-size`, which the sandbox sees to; what they take together is watched by
//! [`crate::workspace`].

use std::path::{Path, PathBuf};

use argos_sandbox::{Access, Bind, Proc, Root, Spec};
use argos_units::Limits;

use crate::manifest::{Agent, Code, Error};
use crate::spawn::Launch;
use crate::workspace::{Bound, Place};

/// Where an agent finds its own files, inside.
pub const WORKSPACE: &str = "/workspace";
/// Where an agent with code finds it, inside.
const CODE: &str = "/agent";
/// An agent's share of the processor when the person's own programs want it too; theirs is 100.
const AGENT_WEIGHT: u32 = 50;

/// Most processes and threads, the largest file in bytes and so on that a manifest may ask for: it is
/// written by whoever wrote the agent, and what it may use is not theirs to decide.
const MOST_TASKS: u32 = 1024;
const MOST_FILE_SIZE: u64 = 4 << 30;
const MOST_WORKSPACE: u64 = 64 << 30;
const MOST_TOKENS: u32 = 20_000_000;

/// Where the system's own programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Folder of `argos-agent`, `argos-tools` and `argos-exec`.
    pub folder: PathBuf,
}

impl Programs {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `argos-exec`.
    pub fn exec(&self) -> PathBuf {
        self.path("argos-exec")
    }
}

/// How the agent is started: unit `agent-NAME`, with `workspace` as its only writable folder.
/// `probe` runs the runtime's own check of the walls instead of the agent, as unit
/// `probe-agent-NAME`, which no agent can have.
///
/// # Errors
/// The manifest's limits cannot be read.
pub fn agent(
    agent: &Agent,
    programs: &Programs,
    workspace: &Path,
    probe: bool,
) -> Result<Launch, Error> {
    let manifest = &agent.manifest;
    let runtime = programs.path("argos-agent");
    let (mut spec, argv) = match &manifest.code {
        Code::Command(command) if !probe => {
            let spec = add(Spec::agent(), &agent.folder, CODE, Access::Execute);
            let mut argv = command.clone();
            argv[0] = format!("{CODE}/{}", command[0]);
            (spec, argv)
        }
        _ => {
            let mut argv = vec![runtime.display().to_string()];
            argv.extend(probe.then(|| "probe".to_owned()));
            (least(Spec::agent(), &runtime), argv)
        }
    };
    spec = add(spec, workspace, WORKSPACE, Access::Write);
    spec.working_directory = WORKSPACE.into();
    spec.hostname = Some(manifest.name.clone());
    spec.environment
        .insert("HOME".to_owned(), WORKSPACE.to_owned());
    spec.limits.processes = Some(u64::from(manifest.limits.tasks).max(8));
    let file_size = size(agent, "file-size", &manifest.limits.file_size)?;
    if file_size > MOST_FILE_SIZE {
        let what = format!(
            "limits: file-size `{}` is more than an agent gets; write `{}G` or less",
            manifest.limits.file_size,
            MOST_FILE_SIZE >> 30
        );
        return Err(wrong(agent, what));
    }
    spec.limits.file_size_bytes = Some(file_size);
    let prefix = if probe { "probe-" } else { "" };
    Ok(Launch {
        name: format!("{prefix}{}", unit(&manifest.name)),
        description: format!("Agent {}", manifest.title),
        argv,
        spec,
        limits: limits(agent)?,
    })
}

/// The unit that an agent runs as.
pub(crate) fn unit(agent: &str) -> String {
    format!("agent-{agent}")
}

/// What an agent may keep in `workspace`.
///
/// # Errors
/// The manifest's limit cannot be read.
pub(crate) fn bound(agent: &Agent, workspace: &Path) -> Result<Bound, Error> {
    let limit =
        workspace_limit(&agent.manifest.limits.workspace).map_err(|what| wrong(agent, what))?;
    Ok(Bound {
        places: vec![Place {
            folder: workspace.to_owned(),
            inside: WORKSPACE.into(),
        }],
        limit,
        keeps_reserve: matches!(agent.manifest.code, Code::Command(_)),
    })
}

/// `limits: workspace`, in bytes.
pub(crate) fn workspace_limit(wanted: &str) -> Result<u64, String> {
    match bytes(wanted) {
        Some(limit) if limit <= MOST_WORKSPACE => Ok(limit),
        Some(_) => Err(format!(
            "limits: workspace `{wanted}` is more than anybody gets; write `{}G` or less",
            MOST_WORKSPACE >> 30
        )),
        None => Err(format!(
            "limits: workspace `{wanted}` is no size; write `256M` or `1G`"
        )),
    }
}

/// What an agent may do, one plain sentence a line: what it can ask for, then what its own process
/// can reach.
pub fn explain(agent: &Agent, launch: &Launch) -> Vec<String> {
    let manifest = &agent.manifest;
    let mut lines = Vec::new();
    lines.push(if manifest.tools.is_empty() {
        "It may call no tool: all it can do is talk.".to_owned()
    } else {
        format!(
            "It may ask for these tools and no others: {}. Each call is checked against what you \
             allowed, and recorded.",
            manifest.tools.join(", ")
        )
    });
    for need in &manifest.permissions {
        lines.push(format!(
            "Its manifest wishes for `{}` on {}{}.",
            need.action,
            need.resource,
            ": given where the agent comes with the system, asked for otherwise"
        ));
    }
    lines.push(match &manifest.code {
        Code::Native => "The system's own runtime runs in its sandbox.".to_owned(),
        Code::Command(command) => format!(
            "A program of its own runs in its sandbox: {} in {}.",
            command.join(" "),
            agent.folder.display()
        ),
    });
    lines.extend(launch.spec.explain());
    let limits = &manifest.limits;
    lines.push(format!(
        "It may use {} of memory, {} processes and threads, {} of one processor; no file of it \
         gets larger than {}, and all it keeps in its workspace together than {}.",
        limits.memory,
        limits.tasks.max(8),
        limits.cpu,
        limits.file_size,
        limits.workspace
    ));
    lines.push(match limits.tokens {
        0 => "Language models write nothing for it.".to_owned(),
        tokens => {
            format!("Language models read and write at most {tokens} tokens a day for it.")
        }
    });
    lines
}

/// How the tool worker of an agent (or of the person) is started: unit `tools-worker-NUMBER`, with no
/// files at all once it runs.
pub fn worker(programs: &Programs, number: u64, owner: Option<&str>) -> Launch {
    let program = programs.path("argos-tools");
    Launch {
        name: format!("tools-worker-{number}"),
        description: match owner {
            Some(agent) => format!("Tool worker of {agent}"),
            None => "Tool worker".to_owned(),
        },
        argv: vec![program.display().to_string(), "worker".to_owned()],
        spec: least(Spec::worker(), &program),
        limits: Limits {
            memory_bytes: Some(256 << 20),
            tasks: Some(32),
            cpu_percent: None,
            cpu_weight: None,
            open_files: None,
        },
    }
}

/// The libraries and one program of the system, instead of all its programs.
fn least(mut spec: Spec, program: &Path) -> Spec {
    let root = spec.root.get_or_insert_with(Root::default);
    root.binds = ["/usr/lib", "/usr/lib64"]
        .into_iter()
        .map(PathBuf::from)
        .filter(|p| p.exists())
        .chain([program.to_owned()])
        .map(|source| Bind {
            source,
            target: None,
            access: Access::Execute,
        })
        .collect();
    root.symlinks
        .retain(|link, _| link.starts_with("/lib") || link.starts_with("/lib64"));
    debug_assert!(
        root.proc != Proc::Full,
        "agents see only their own processes"
    );
    spec
}

fn add(mut spec: Spec, source: &Path, inside: &str, access: Access) -> Spec {
    let bind = Bind {
        source: source.to_owned(),
        target: Some(inside.into()),
        access,
    };
    spec.root.get_or_insert_with(Root::default).binds.push(bind);
    spec
}

fn limits(agent: &Agent) -> Result<Limits, Error> {
    let wanted = &agent.manifest.limits;
    let memory = size(agent, "memory", &wanted.memory)?;
    let half = memory_of_the_machine() / 2;
    if memory > half {
        let what = format!(
            "limits: memory `{}` is more than half of this machine's; write `{}M` or less",
            wanted.memory,
            half >> 20
        );
        return Err(wrong(agent, what));
    }
    if wanted.tasks > MOST_TASKS {
        let what = format!(
            "limits: tasks {} is more than an agent gets; write {MOST_TASKS} or less",
            wanted.tasks
        );
        return Err(wrong(agent, what));
    }
    if wanted.tokens > MOST_TOKENS {
        let what = format!(
            "limits: tokens {} is more than an agent gets in a day; write {MOST_TOKENS} or less",
            wanted.tokens
        );
        return Err(wrong(agent, what));
    }
    let cpu = wanted
        .cpu
        .strip_suffix('%')
        .and_then(|n| n.trim().parse::<u32>().ok())
        .filter(|n| (1..=10_000).contains(n))
        .ok_or_else(|| {
            wrong(
                agent,
                format!("limits: cpu `{}` is no share; write `50%`", wanted.cpu),
            )
        })?;
    Ok(Limits {
        memory_bytes: Some(memory),
        tasks: Some(wanted.tasks.max(8)),
        cpu_percent: Some(cpu),
        cpu_weight: Some(AGENT_WEIGHT),
        open_files: None,
    })
}

/// In bytes.
fn memory_of_the_machine() -> u64 {
    let about = rustix::system::sysinfo();
    u64::from(about.mem_unit) * about.totalram
}

fn wrong(agent: &Agent, what: String) -> Error {
    Error::Wrong {
        file: agent.folder.join("agent.yaml"),
        what,
    }
}

fn size(agent: &Agent, key: &str, text: &str) -> Result<u64, Error> {
    bytes(text).ok_or_else(|| {
        let what = format!("limits: {key} `{text}` is no size; write `256M` or `1G`");
        wrong(agent, what)
    })
}

/// Reads `256M`, `1G`, `512K` or plain bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, shift) = match text.chars().last()? {
        'K' => (&text[..text.len() - 1], 10),
        'M' => (&text[..text.len() - 1], 20),
        'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(1 << shift)
        .filter(|n| *n >= 1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steward() -> Agent {
        crate::manifest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../library/steward"))
            .unwrap()
    }

    #[test]
    fn steward_gets_libraries_one_program_and_its_workspace() {
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let launch = agent(&steward(), &programs, Path::new("/home/x/w"), false).unwrap();
        launch.spec.check().unwrap();
        let root = launch.spec.root.unwrap();
        for bind in &root.binds {
            let source = bind.source.to_str().unwrap();
            match bind.access {
                Access::Write => assert_eq!(source, "/home/x/w"),
                _ => assert!(["/usr/lib", "/usr/lib64", "/usr/bin/argos-agent"].contains(&source)),
            }
        }
        assert_eq!(launch.spec.keep_fds, [3]);
        assert!(launch.spec.namespaces.net && launch.spec.namespaces.pid);
        assert_eq!(launch.limits.memory_bytes, Some(128 << 20));
        assert_eq!(launch.spec.limits.file_size_bytes, Some(64 << 20));
    }

    #[test]
    fn a_probe_has_a_name_that_no_agent_has() {
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let name = |agent: &Agent, probe| {
            let launch = super::agent(agent, &programs, Path::new("/home/x/w"), probe).unwrap();
            launch.name
        };
        let steward = steward();
        let probe = name(&steward, true);
        for other in ["steward-probe", "probe-steward", "probe-agent-steward"] {
            assert!(crate::manifest::name_is_valid(other));
            let mut agent = steward.clone();
            agent.manifest.name = other.to_owned();
            assert_ne!(name(&agent, false), probe);
        }
    }

    #[test]
    fn what_an_agent_may_do_is_said_in_words() {
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let steward = steward();
        let launch = agent(&steward, &programs, Path::new("/home/x/w"), false).unwrap();
        let text = explain(&steward, &launch).join("\n");
        for part in [
            "files.list",
            "It may read and change /home/x/w, which it sees as /workspace.",
            "It has no network.",
            "128M of memory",
            "in its workspace together than 512M",
            "at most 1000000 tokens a day",
        ] {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
    }

    #[test]
    fn a_limit_that_is_no_size_is_named() {
        let mut agent = steward();
        agent.manifest.limits.file_size = "much".to_owned();
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let error = super::agent(&agent, &programs, Path::new("/w"), false).unwrap_err();
        assert!(error.to_string().contains("file-size `much`"), "{error}");
    }

    #[test]
    fn an_agent_does_not_set_its_own_limits_as_high_as_it_likes() {
        let programs = Programs {
            folder: "/usr/bin".into(),
        };
        let refused = |change: fn(&mut crate::manifest::Limits)| {
            let mut agent = steward();
            change(&mut agent.manifest.limits);
            super::agent(&agent, &programs, Path::new("/w"), false)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(|l| l.tasks = 1_000_000).contains("1024 or less"));
        assert!(refused(|l| l.memory = "1000000G".to_owned()).contains("half of this machine"));
        assert!(refused(|l| l.tokens = u32::MAX).contains("20000000 or less"));
        assert!(refused(|l| l.file_size = "1000G".to_owned()).contains("`4G` or less"));
        let mut agent = steward();
        agent.manifest.limits.workspace = "1000G".to_owned();
        let error = bound(&agent, Path::new("/w")).unwrap_err().to_string();
        assert!(error.contains("`64G` or less"), "{error}");
    }

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!(bytes("256M"), Some(256 << 20));
        assert_eq!(bytes("2G"), Some(2 << 30));
        for bad in ["", "M", "12X", "-1M", "99999999999999999999G", "1K"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
