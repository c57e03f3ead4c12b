//! Everything that has to be there, and what is not.

use std::future::Future;
use std::time::Duration;

use argos_bus::ai::Ai1Proxy;
use argos_bus::compositor::Compositor1Proxy;
use argos_bus::memory::Memory1Proxy;
use argos_bus::tools::Tools1Proxy;
use argos_control::Client;
use serde_json::json;

use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, bytes};
use crate::units::tone;

/// The Landlock ABI that agents' sandboxes need: files, network ports, devices, signals.
const LANDLOCK_NEEDED: u32 = argos_sandbox::DEFAULT_LANDLOCK;
/// Namespaces that a sandbox has of its own, as `/proc/self/ns` names them.
const NAMESPACES: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
/// Controllers that agents' limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warning,
    Bad,
}

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

#[derive(Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    hint: &'static str,
}

impl Check {
    fn new(name: &'static str, good: bool, detail: impl Into<String>, hint: &'static str) -> Self {
        let verdict = if good { Verdict::Ok } else { Verdict::Bad };
        Self {
            name,
            verdict,
            detail: detail.into(),
            hint,
        }
    }

    /// As [`Check::new`], where things work without it.
    fn wish(name: &'static str, good: bool, detail: impl Into<String>, hint: &'static str) -> Self {
        let verdict = if good { Verdict::Ok } else { Verdict::Warning };
        Self {
            name,
            verdict,
            detail: detail.into(),
            hint,
        }
    }
}

pub(crate) async fn run(out: Output) -> Result {
    let mut checks = kernel();
    checks.push(space("space in /var", "/var"));
    checks.push(space(
        "space at home",
        &std::env::var("HOME").unwrap_or_else(|_| "/".to_owned()),
    ));
    checks.extend(memory());
    checks.push(supervisor(
        "system",
        Client::system().map_err(Failure::from),
    ));
    let user = bus::runtime_dir()
        .and_then(|dir| Ok(Client::connect(dir.join(argos_control::USER_SOCKET))?));
    checks.push(supervisor("desktop", user));
    checks.push(ask("models", "see: argos status ai", models()).await);
    checks.push(
        ask(
            "compositor",
            "see: argos status --user compositor",
            renderer(),
        )
        .await,
    );
    checks.push(ask("broker", "see: argos status --user broker", tools()).await);
    checks.push(ask("memory", "see: argos status --user memory", memories()).await);

    if out.json {
        let values = checks.iter().map(|check| {
            json!({
                "check": check.name,
                "verdict": check.verdict.as_str(),
                "detail": check.detail,
                "hint": if check.verdict == Verdict::Ok { "" } else { check.hint },
            })
        });
        out.value(&values.collect())?;
    } else {
        let rows: Vec<_> = checks
            .iter()
            .map(|check| {
                let tone = match check.verdict {
                    Verdict::Ok => Tone::Good,
                    Verdict::Warning => Tone::Busy,
                    Verdict::Bad => Tone::Bad,
                };
                [
                    Cell::from(check.name),
                    Cell::toned(check.verdict.as_str(), tone),
                    check.detail.as_str().into(),
                ]
            })
            .collect();
        out.table(["CHECK", "", ""], &rows)?;
        for check in checks.iter().filter(|check| check.verdict != Verdict::Ok) {
            if !check.hint.is_empty() {
                out.line(format!("\n{}: {}", check.name, check.hint))?;
            }
        }
    }
    if checks.iter().any(|check| check.verdict == Verdict::Bad) {
        return Err(Failure::silent(Status::NotUp));
    }
    Ok(())
}

fn kernel() -> Vec<Check> {
    let levels = argos_sandbox::probe();
    let namespaces = match &levels.user_namespaces {
        Ok(()) => "may be made".to_owned(),
        Err(why) => why.clone(),
    };
    vec![
        Check::new("kernel", true, levels.kernel, ""),
        Check::new(
            "landlock",
            levels.landlock >= LANDLOCK_NEEDED,
            landlock(levels.landlock),
            "agents do not start: boot a kernel from 6.12 on with `lsm=landlock,…`",
        ),
        Check::new(
            "namespaces",
            missing(&NAMESPACES, &levels.namespaces).is_empty(),
            told(&NAMESPACES, &levels.namespaces),
            "agents do not start: the kernel was built without them",
        ),
        Check::new(
            "user namespaces",
            levels.user_namespaces.is_ok(),
            namespaces,
            "agents do not start: see /proc/sys/user/max_user_namespaces",
        ),
        Check::new(
            "seccomp",
            levels.seccomp,
            if levels.seccomp {
                "filters may be installed"
            } else {
                "filters are refused"
            },
            "agents do not start: the kernel needs CONFIG_SECCOMP_FILTER",
        ),
        Check::new(
            "cgroup v2",
            levels.cgroup_v2,
            if levels.cgroup_v2 {
                "at /sys/fs/cgroup"
            } else {
                "not at /sys/fs/cgroup"
            },
            "units have no limits: boot with `cgroup_no_v1=all`",
        ),
        Check::wish(
            "controllers",
            missing(&CONTROLLERS, &levels.controllers).is_empty(),
            told(&CONTROLLERS, &levels.controllers),
            "agents are not held to their share of memory, processes or processor: the control \
             group that this runs in was not handed them",
        ),
    ]
}

/// The kernel's level, what it enforces and what it does not.
fn landlock(abi: u32) -> String {
    let known = argos_sandbox::LANDLOCK_LEVELS;
    let (has, lacks) = known.split_at(usize::try_from(abi).unwrap_or(0).min(known.len()));
    let mut text = format!("ABI {abi} (agents need {LANDLOCK_NEEDED})");
    if !has.is_empty() {
        text.push_str(&format!(": {}", has.join(", ")));
    }
    if !lacks.is_empty() {
        text.push_str(&format!("; not: {}", lacks.join(", ")));
    }
    text
}

fn missing<'a>(wanted: &[&'a str], there: &[String]) -> Vec<&'a str> {
    let lacks = |name: &&&str| !there.iter().any(|have| have == **name);
    wanted.iter().filter(lacks).copied().collect()
}

fn told(wanted: &[&str], there: &[String]) -> String {
    let missing = missing(wanted, there);
    if missing.is_empty() {
        wanted.join(", ")
    } else {
        format!("not there: {}", missing.join(", "))
    }
}

fn space(name: &'static str, path: &str) -> Check {
    /// Less than this and the next write may fail, in bytes.
    const LITTLE: u64 = 50_000_000;
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let hint = "make room: what is remembered cannot be written on a full disk";
            Check::wish(
                name,
                free >= LITTLE,
                format!("{} are free in {path}", bytes(free)),
                hint,
            )
        }
        Err(error) => Check::new(name, false, format!("{path}: {error}"), ""),
    }
}

fn memory() -> Option<Check> {
    /// Less than this and the machine begins to kill, in kibibytes.
    const LITTLE: u64 = 100_000;
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    let detail = format!("{} are available", bytes(available * 1024));
    Some(Check::wish(
        "memory of the machine",
        available >= LITTLE,
        detail,
        "close something",
    ))
}

fn supervisor(name: &'static str, client: Result<Client>) -> Check {
    let (check, hint) = if name == "system" {
        (
            "system units",
            "`argos status` shows them; `argos log UNIT` says why",
        )
    } else {
        (
            "desktop units",
            "`argos status --user` shows them; `argos log --user UNIT` says why",
        )
    };
    let units = client.and_then(|mut client| Ok(client.status()?));
    match units {
        Ok(units) => {
            let bad: Vec<_> = units
                .iter()
                .filter(|unit| tone(unit) == Tone::Bad)
                .map(|unit| unit.name.as_str())
                .collect();
            let detail = if bad.is_empty() {
                format!("{} loaded, none failed", units.len())
            } else {
                format!("not well: {}", bad.join(", "))
            };
            Check::new(check, bad.is_empty(), detail, hint)
        }
        Err(failure) => Check::new(check, false, failure.message, "is this an ArgOS system?"),
    }
}

async fn ask(
    name: &'static str,
    hint: &'static str,
    question: impl Future<Output = Result<Check>>,
) -> Check {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(check)) => check,
        Ok(Err(failure)) => Check::new(name, false, failure.message, hint),
        Err(_) => {
            let detail = format!("no answer within {} s", PATIENCE.as_secs());
            Check::new(name, false, detail, hint)
        }
    }
}

async fn models() -> Result<Check> {
    let bus = bus::system().await?;
    let models = Ai1Proxy::new(&bus).await?.list_models().await?;
    let planner = models
        .iter()
        .find(|model| model.kind == "planner" && model.state != "failed");
    let told: Vec<_> = models
        .iter()
        .map(|model| match model.detail.as_str() {
            "" => format!("{} ({})", model.id, model.state),
            detail => format!("{} ({}: {detail})", model.id, model.state),
        })
        .collect();
    let detail = if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(", ")
    };
    let hint = "agents understand nothing without a planner: /usr/share/argos/models/default";
    Ok(Check::new("models", planner.is_some(), detail, hint))
}

async fn renderer() -> Result<Check> {
    let bus = bus::session().await?;
    let renderer = Compositor1Proxy::new(&bus).await?.renderer().await?;
    Ok(Check::new(
        "compositor",
        true,
        format!("draws with {renderer}"),
        "",
    ))
}

async fn tools() -> Result<Check> {
    let bus = bus::session().await?;
    let tools = Tools1Proxy::new(&bus).await?.list().await?;
    Ok(Check::new(
        "broker",
        !tools.is_empty(),
        format!("{} tools", tools.len()),
        "see: argos log --user broker",
    ))
}

async fn memories() -> Result<Check> {
    let bus = bus::session().await?;
    let count = Memory1Proxy::new(&bus).await?.count().await?;
    Ok(Check::new("memory", true, format!("{count} memories"), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_is_told() {
        let text = landlock(6);
        assert!(
            text.contains("signals and abstract sockets; not: a log"),
            "{text}"
        );
        assert!(landlock(0).contains("not: files"));
        assert!(!landlock(99).contains("not:"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let there = ["cpu".to_owned(), "pids".to_owned()];
        assert_eq!(told(&CONTROLLERS, &there), "not there: memory");
    }
}
