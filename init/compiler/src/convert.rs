//! From one file to one unit, with the rules that go across keys.

use argos_units::{
    Kind, Limits, Mount, PathWatch, Problem, Process, Readiness, Restart, Socket, Timer, Unit, name,
};

use crate::Scope;
use crate::file::{KindWord, Ready, RestartWord, UnitFile};
use crate::layers::Source;
use crate::value::Name;

/// Shortest distance at which a timer starts its unit again and again, in milliseconds.
const MIN_EVERY_MS: u64 = 1_000;

/// A unit, and who wants it.
#[derive(Debug)]
pub struct Parsed {
    /// Its files, for messages.
    pub source: Source,
    /// The unit or template.
    pub unit: Unit,
    /// Units that get it into their `wants`.
    pub wanted_by: Vec<String>,
}

/// Turns a file into a unit; `None` if it says nothing at all.
pub fn unit(scope: Scope, source: &Source, file: UnitFile) -> Result<Option<Parsed>, Problem> {
    checked(scope, &source.name, file)
        .map(|parsed| {
            parsed.map(|(unit, wanted_by)| Parsed {
                source: source.clone(),
                unit,
                wanted_by,
            })
        })
        .map_err(|message| source.problem(message))
}

fn names(list: Vec<Name>) -> Vec<String> {
    let mut seen = Vec::new();
    for Name(name) in list {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

type Checked = Result<Option<(Unit, Vec<String>)>, String>;

fn checked(scope: Scope, name: &str, mut file: UnitFile) -> Checked {
    let Some(kind) = file.kind else {
        return Err(
            "key `kind` is missing (service, oneshot, target, mount, socket, timer or path)".into(),
        );
    };
    let wanted_by = names(std::mem::take(&mut file.wanted_by));
    if name::is_template(name) && !wanted_by.is_empty() {
        return Err(
            "a template cannot have `wanted-by`: put its instances into the `wants` of a target"
                .into(),
        );
    }
    refuse_foreign_keys(kind, &file)?;
    let mut unit = Unit::target(name);
    unit.description = file.description.take().unwrap_or_default();
    unit.requires = names(std::mem::take(&mut file.requires));
    unit.wants = names(std::mem::take(&mut file.wants));
    unit.after = names(std::mem::take(&mut file.after));
    for list in [&unit.requires, &unit.wants, &unit.after, &wanted_by] {
        if list.iter().any(|other| other == name) {
            return Err("it names itself as a dependency".into());
        }
    }
    if let Some(time) = file.ready_timeout {
        unit.ready_timeout_ms = time.ms;
    }
    if let Some(time) = file.stop_timeout {
        unit.stop_timeout_ms = time.ms;
    }
    unit.kind = match kind {
        KindWord::Target => Kind::Target,
        KindWord::Service => Kind::Service(process(scope, kind, &mut file)?),
        KindWord::Oneshot => Kind::Oneshot(process(scope, kind, &mut file)?),
        KindWord::Mount => Kind::Mount(Mount {
            what: file
                .what
                .take()
                .ok_or("a mount needs `what`, the device or source")?,
            path: file
                .path
                .take()
                .ok_or("a mount needs `path`, where it goes")?
                .0,
            fstype: file
                .fstype
                .take()
                .ok_or("a mount needs `type`, the file system's")?,
            options: file.options.take().unwrap_or_default(),
        }),
        KindWord::Socket => Kind::Socket(Socket {
            listen: file
                .listen
                .take()
                .ok_or("a socket needs `listen`, its path")?
                .0,
            mode: file.mode.map_or(0o660, |mode| mode.0),
            unit: started(name, &mut file)?,
        }),
        KindWord::Timer => {
            if file.after_start.is_none() && file.every.is_none() {
                return Err("a timer needs `after-start`, `every` or both".into());
            }
            if file.every.is_some_and(|time| time.ms < MIN_EVERY_MS) {
                return Err(
                    "`every` is under a second, which would only keep the machine busy".into(),
                );
            }
            Kind::Timer(Timer {
                unit: started(name, &mut file)?,
                after_start_ms: file.after_start.map(|time| time.ms),
                every_ms: file.every.map(|time| time.ms),
            })
        }
        KindWord::Path => Kind::Path(PathWatch {
            exists: file
                .exists
                .take()
                .ok_or("a path needs `exists`, what it waits for")?
                .0,
            unit: started(name, &mut file)?,
        }),
    };
    Ok(Some((unit, wanted_by)))
}

/// The unit that a socket, timer or path starts.
fn started(name: &str, file: &mut UnitFile) -> Result<String, String> {
    match file.unit.take() {
        Some(Name(other)) if other != name => Ok(other),
        _ => Err("`unit`, which it starts, is missing or is itself".into()),
    }
}

/// A key and whether the file has it.
type Key = (&'static str, bool);

/// Keys of another kind are refused: they would silently do nothing.
fn refuse_foreign_keys(kind: KindWord, file: &UnitFile) -> Result<(), String> {
    let process = [
        ("exec", file.exec.is_some()),
        ("ready", file.ready.is_some()),
        ("restart", file.restart.is_some()),
        ("user", file.user.is_some()),
        ("group", file.group.is_some()),
        ("env", !file.env.is_empty()),
        ("working-directory", file.working_directory.is_some()),
        ("tty", file.tty.is_some()),
        ("runtime-directory", file.runtime_directory.is_some()),
        (
            "runtime-directory-mode",
            file.runtime_directory_mode.is_some(),
        ),
        ("state-directory", file.state_directory.is_some()),
        ("delegate", file.delegate.is_some()),
        ("limits", file.limits.is_some()),
        ("sandbox", file.sandbox.is_some()),
    ];
    let mount = [
        ("what", file.what.is_some()),
        ("path", file.path.is_some()),
        ("type", file.fstype.is_some()),
        ("options", file.options.is_some()),
    ];
    let socket = [
        ("listen", file.listen.is_some()),
        ("mode", file.mode.is_some()),
    ];
    let timer = [
        ("after-start", file.after_start.is_some()),
        ("every", file.every.is_some()),
    ];
    let path = [("exists", file.exists.is_some())];
    let unit = [("unit", file.unit.is_some())];

    let is_process = matches!(kind, KindWord::Service | KindWord::Oneshot);
    let activates = matches!(kind, KindWord::Socket | KindWord::Timer | KindWord::Path);
    let groups: [(&[Key], bool, &str); 6] = [
        (&process, is_process, "services and oneshots"),
        (&mount, kind == KindWord::Mount, "mounts"),
        (&socket, kind == KindWord::Socket, "sockets"),
        (&timer, kind == KindWord::Timer, "timers"),
        (&path, kind == KindWord::Path, "paths"),
        (&unit, activates, "sockets, timers and paths"),
    ];
    for (keys, allowed, whose) in groups {
        if let Some((key, _)) = keys.iter().find(|(_, set)| *set && !allowed) {
            return Err(format!(
                "key `{key}` is for {whose} only; take it out or change `kind`"
            ));
        }
    }
    Ok(())
}

fn process(scope: Scope, kind: KindWord, file: &mut UnitFile) -> Result<Process, String> {
    let exec = file
        .exec
        .take()
        .ok_or("key `exec` is missing: a list of the program and its arguments")?;
    match exec.first() {
        None => return Err("`exec` is empty: it needs at least the program".into()),
        Some(program) if !program.starts_with('/') => {
            return Err(format!(
                "`exec` needs the program's absolute path, and `{program}` is none"
            ));
        }
        Some(_) => {}
    }
    if exec.iter().any(|argument| argument.contains('\0')) {
        return Err("`exec` holds a null character, which no program can be given".into());
    }
    if scope == Scope::User
        && (file.user.is_some() || file.group.is_some() || file.delegate == Some(true))
    {
        return Err("`user`, `group` and `delegate` are for system units: everything here runs as the person".into());
    }
    for (what, folder) in [
        ("runtime-directory", &file.runtime_directory),
        ("state-directory", &file.state_directory),
    ] {
        if let Some(folder) = folder
            && (folder.is_empty()
                || folder
                    .split('/')
                    .any(|part| part.is_empty() || part == "." || part == ".."))
        {
            return Err(format!(
                "`{what}` is a path below another folder, without `.` and `..`, and `{folder}` is not"
            ));
        }
    }
    let env: Vec<(String, String)> = std::mem::take(&mut file.env)
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    if let Some((name, _)) = env
        .iter()
        .find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        return Err(format!(
            "`env` has the variable `{name}`, which no program can be given"
        ));
    }
    let ready = match (kind, file.ready.take()) {
        (KindWord::Oneshot, None | Some(Ready::Exec)) => Readiness::Exec,
        (KindWord::Oneshot, Some(_)) => {
            return Err("a oneshot is ready once it ended well: `ready` can only be `exec`".into());
        }
        (_, None | Some(Ready::None)) => Readiness::None,
        (_, Some(Ready::Exec)) => {
            return Err("`ready: exec` is for oneshots; a service never ends well".into());
        }
        (_, Some(Ready::Notify)) => Readiness::Notify,
        (_, Some(Ready::Dbus(name))) => Readiness::Dbus(name),
        (_, Some(Ready::Fd(fd @ 3..=63))) => Readiness::Fd(fd),
        (_, Some(Ready::Fd(fd))) => {
            return Err(format!(
                "`ready: {{fd: {fd}}}` is out of range: 3 to 63 can be used"
            ));
        }
        (_, Some(Ready::Socket(path))) => Readiness::Socket(path.0),
    };
    if file.group.is_some() && file.user.is_none() {
        return Err(
            "`group` goes with `user`: as root a group of its own would hold nothing".into(),
        );
    }
    let sandbox = match &file.sandbox {
        None => None,
        Some(_) if file.working_directory.is_some() => {
            return Err(
                "`working-directory` is outside the sandbox: say `sandbox.working-directory`"
                    .into(),
            );
        }
        Some(spec) => {
            spec.check().map_err(|e| format!("`sandbox`: {e}"))?;
            Some(serde_json::to_string(spec).map_err(|e| format!("`sandbox`: {e}"))?)
        }
    };
    let limits = file.limits.unwrap_or_default();
    Ok(Process {
        exec,
        ready,
        restart: match file.restart {
            None | Some(RestartWord::No) => Restart::No,
            Some(RestartWord::OnFailure) => Restart::OnFailure,
            Some(RestartWord::Always) => Restart::Always,
        },
        user: file.user.take(),
        group: file.group.take(),
        env,
        working_directory: file.working_directory.take().map(|path| path.0),
        tty: file.tty.take().map(|path| path.0),
        runtime_directory: file.runtime_directory.take(),
        runtime_directory_mode: file.runtime_directory_mode.map_or(0o755, |mode| mode.0),
        state_directory: file.state_directory.take(),
        delegate: file.delegate.unwrap_or(false),
        limits: Limits {
            memory_bytes: limits.memory.map(|size| size.bytes),
            tasks: limits.tasks,
            cpu_percent: limits.cpu.map(|share| share.0),
            cpu_weight: limits.cpu_weight.map(|weight| weight.0),
            open_files: limits.open_files,
        },
        sandbox,
    })
}
