//! `argos sandbox`: programs in sandboxes, sandboxes in words, and what they deny.
//!
//! Nothing here is asynchronous: a sandbox is entered, and a program watched, by a process with one
//! thread. What a sandbox is and how it is watched is `argos-sandbox`; what an agent has is said by
//! the broker's program, which needs no running broker for that.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use argos_control::Client;
use argos_sandbox::{Access, Answer, Denial, Report, Spec, Wanted};
use serde_json::{Value, json};

use crate::args::{SandboxCommand, WallsArgs};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, one_line};

/// The broker's program, beside this one or in the path.
const BROKER: &str = "argos-broker";

pub(crate) fn run(out: Output, command: SandboxCommand) -> Result {
    match command {
        SandboxCommand::Run { walls, program } => {
            let spec = spec(&walls)?;
            let argv = argv(&program)?;
            argos_sandbox::run(&spec, &argv)
        }
        SandboxCommand::Explain { agent, walls } => match agent {
            Some(agent) => explain(out, &agent),
            None => {
                let lines = spec(&walls)?.explain();
                if out.json {
                    return out.value(&json!({ "lines": lines }));
                }
                lines.iter().try_for_each(|line| out.line(line))
            }
        },
        SandboxCommand::Trace {
            agent: Some(agent),
            seconds,
            recorded,
            ..
        } => {
            let time = Duration::from_secs(seconds);
            if recorded {
                trace_records(out, &agent, time)
            } else {
                trace_agent(out, &agent, time)
            }
        }
        SandboxCommand::Trace { walls, program, .. } => {
            let spec = spec(&walls)?;
            let argv = argv(&program)?;
            let report = argos_sandbox::trace(&spec, &argv).map_err(failed)?;
            let status = report.status.unwrap_or(0);
            if status == 126 && report.denials.is_empty() {
                return Err(Failure::new(
                    Status::Failed,
                    "the program was not started, see above",
                ));
            }
            show(out, &report, &Proposal::for_options(&report), &[])
        }
    }
}

fn failed(error: argos_sandbox::Error) -> Failure {
    Failure::new(Status::Failed, error.to_string())
}

/// The sandbox that the options describe. Nothing is handed to it but the three standard
/// descriptors.
fn spec(walls: &WallsArgs) -> Result<Spec> {
    let built_in = match walls.spec.as_str() {
        "agent" => Some(Spec::agent()),
        "worker" => Some(Spec::worker()),
        "service" => Some(Spec::service()),
        _ => None,
    };
    let mut spec = match built_in {
        Some(spec) => Spec {
            keep_fds: Vec::new(),
            ..spec
        },
        None => argos_config::load(Path::new(&walls.spec))
            .map_err(|error| Failure::new(Status::Failed, error.to_string()))?,
    };
    for (paths, access) in [
        (&walls.read, Access::Read),
        (&walls.write, Access::Write),
        (&walls.exec, Access::Execute),
    ] {
        for path in paths {
            let path = path.canonicalize().map_err(|error| {
                Failure::new(Status::NotFound, format!("{}: {error}", path.display()))
                    .hint("what the sandbox is given must exist")
            })?;
            if spec.root.is_some() {
                spec = spec.bind(path, access);
            } else {
                spec.landlock
                    .paths
                    .push(argos_sandbox::PathRule { path, access });
            }
        }
    }
    spec.check().map_err(failed)?;
    Ok(spec)
}

/// The command as the sandbox executes it: a program without a slash is looked for in the system's
/// folders, since the caller's path means nothing inside.
fn argv(program: &[OsString]) -> Result<Vec<CString>> {
    let mut words = program.to_vec();
    let first = Path::new(&words[0]);
    if first.components().count() == 1 && !words[0].as_encoded_bytes().contains(&b'/') {
        let found = ["/usr/bin", "/usr/sbin"]
            .into_iter()
            .map(|folder| Path::new(folder).join(first))
            .find(|path| path.is_file());
        let Some(found) = found else {
            return Err(Failure::new(
                Status::NotFound,
                format!("there is no program {} in /usr/bin", first.display()),
            )
            .hint("give its path, and --exec for the folder it is in"));
        };
        words[0] = found.into_os_string();
    } else {
        words[0] = std::path::absolute(first)?.into_os_string();
    }
    words
        .into_iter()
        .map(|word| {
            CString::new(word.into_vec()).map_err(|_| {
                Failure::new(
                    Status::Failed,
                    "an argument holds a NUL, which no program gets",
                )
            })
        })
        .collect()
}

fn explain(out: Output, agent: &str) -> Result {
    let beside = bus::beside(BROKER);
    let output = Command::new(&beside)
        .args(["explain", "--", agent])
        .env("RUST_LOG", "error")
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| {
            Failure::new(
                Status::NotUp,
                format!("{} cannot be run: {error}", beside.display()),
            )
            .hint("is this an ArgOS system?")
        })?;
    let value: Value = match serde_json::from_slice(&output.stdout) {
        Ok(value) if output.status.success() => value,
        _ => {
            let text = String::from_utf8_lossy(&output.stderr);
            let text = text.trim().trim_start_matches("Error: ");
            let text = text.split("\n\n").next().unwrap_or_default();
            let status = if text.starts_with("no agent") {
                Status::NotFound
            } else {
                Status::Failed
            };
            return Err(
                Failure::new(status, text).hint("`argos agents` lists the agents there are")
            );
        }
    };
    if out.json {
        return out.value(&value);
    }
    let word = |key: &str| one_line(value[key].as_str().unwrap_or_default());
    out.line(format!("{} ({})", word("title"), word("agent")))?;
    let lines = value["lines"].as_array().cloned().unwrap_or_default();
    lines
        .iter()
        .filter_map(Value::as_str)
        .try_for_each(|line| out.line(format!("  {}", one_line(line))))
}

fn trace_agent(out: Output, agent: &str, time: Duration) -> Result {
    let unit = Client::user()?.unit(&format!("agent-{agent}"))?;
    let Some(outer) = i32::try_from(unit.pid).ok().filter(|pid| *pid > 0) else {
        return Err(Failure::new(Status::NotUp, format!("{agent} does not run"))
            .hint(format!("argos agents start {agent}")));
    };
    let pids = inside(outer);
    if pids.is_empty() {
        return Err(Failure::new(
            Status::NotUp,
            format!("{agent} has no process in its sandbox yet"),
        ));
    }
    if !out.json {
        out.line(format!("watching {agent} for {} s", time.as_secs()))?;
    }
    let report = argos_sandbox::attach(&pids, time).map_err(failed)?;
    show(out, &report, &Proposal::for_agent(agent, &report), &[])
}

/// What the kernel wrote down by itself, with no process of ours in between.
fn trace_records(out: Output, agent: &str, time: Duration) -> Result {
    if !out.json {
        out.line(format!(
            "reading what the kernel recorded of {agent}, and for {} s more",
            time.as_secs()
        ))?;
    }
    let recorded = argos_sandbox::recorded(agent, time).map_err(failed)?;
    let proposal = Proposal::for_agent(agent, &recorded.report);
    show(out, &recorded.report, &proposal, &recorded.notes)
}

/// The processes of a unit that are inside its sandbox: what descends from the reaper, which is the
/// child of the process that the supervisor started.
fn inside(outer: i32) -> Vec<i32> {
    let children = |pid: i32| -> Vec<i32> {
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    };
    let mut found = Vec::new();
    let mut next: Vec<i32> = children(outer).into_iter().flat_map(children).collect();
    while let Some(pid) = next.pop() {
        found.push(pid);
        next.extend(children(pid));
    }
    found
}

/// The smallest change that would have let the program do what it was denied.
#[derive(Debug, Default, PartialEq, Eq)]
struct Proposal {
    /// Options of `argos sandbox`, or lines of `agent.yaml`.
    change: Vec<String>,
    /// What no change gives, and why.
    never: Vec<String>,
}

impl Proposal {
    /// For a sandbox that was described by options.
    fn for_options(report: &Report) -> Self {
        let mut wanted: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
        let mut proposal = Self::default();
        for denial in report.denials.keys() {
            match denial.wanted {
                Wanted::Read | Wanted::Write | Wanted::Execute if denial.path.is_absolute() => {
                    // What is to be made is given by the folder that it is to be in.
                    let path = if denial.path.exists() || denial.wanted != Wanted::Write {
                        denial.path.clone()
                    } else {
                        denial.path.parent().unwrap_or(Path::new("/")).to_path_buf()
                    };
                    let most = wanted.entry(path).or_insert(denial.wanted);
                    *most = (*most).max(denial.wanted);
                }
                _ => proposal.never.extend(never(denial)),
            }
        }
        for (path, most) in &wanted {
            let covered = wanted.iter().any(|(other, at)| {
                other != path && other != Path::new("/") && path.starts_with(other) && at >= most
            });
            if path == Path::new("/") {
                proposal
                    .never
                    .push("the root folder cannot be given: name what is needed in it".to_owned());
            } else if !covered {
                let option = match most {
                    Wanted::Write => "--write",
                    Wanted::Execute => "--exec",
                    _ => "--read",
                };
                proposal.change.push(format!("{option} {}", path.display()));
            }
        }
        proposal.never.dedup();
        proposal
    }

    /// For an agent: its process is given no files at all, so what it needs is a tool.
    fn for_agent(name: &str, report: &Report) -> Self {
        let mut proposal = Self::default();
        // To be read, with the tool for it.
        let mut needs: BTreeMap<PathBuf, &str> = BTreeMap::new();
        for denial in report.denials.keys() {
            match (denial.wanted, denial.answer) {
                (Wanted::Read, _) if denial.path.is_absolute() => {
                    let tool = if denial.path.is_dir() {
                        "files.list"
                    } else {
                        "files.read"
                    };
                    needs.insert(denial.path.clone(), tool);
                }
                (_, Answer::Errno(libc_errno::EFBIG))
                | (Wanted::Write, Answer::Errno(libc_errno::ENOSPC)) => {
                    proposal.change.push("limits: {file-size: 128M}".to_owned());
                }
                (Wanted::Write, _) if denial.path.is_absolute() => {
                    proposal.never.push(format!(
                        "{} cannot be written by {name}: its own folder is /workspace; a tool that \
                         writes has to be in its `tools`",
                        denial.path.display()
                    ));
                }
                (_, Answer::Errno(libc_errno::EAGAIN)) => {
                    proposal.change.push("limits: {tasks: 64}".to_owned());
                }
                _ => proposal.never.extend(never(denial)),
            }
        }
        for (path, tool) in needs {
            proposal.change.push(format!("tools: [{tool}]"));
            proposal.change.push(format!(
                "permissions: [{{action: read, resource: {}}}]",
                path.display()
            ));
        }
        proposal.change.sort();
        proposal.change.dedup();
        proposal.never.dedup();
        proposal
    }
}

/// Errnos by name.
mod libc_errno {
    pub(super) const EAGAIN: i32 = rustix::io::Errno::AGAIN.raw_os_error();
    pub(super) const EFBIG: i32 = rustix::io::Errno::FBIG.raw_os_error();
    pub(super) const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();
}

/// Why no option and no key gives this.
fn never(denial: &Denial) -> Option<String> {
    match (denial.wanted, denial.answer) {
        (Wanted::Connect, _) => Some(format!(
            "no socket of another program can be connected to{}: what it offers has to be a tool",
            if denial.path.as_os_str().is_empty() {
                String::new()
            } else {
                format!(" ({})", denial.path.display())
            }
        )),
        (_, Answer::Killed) => Some(format!(
            "`{}` is never allowed: only an attack needs it here",
            denial.call
        )),
        (Wanted::Nothing, _) if denial.call == "socket" => {
            Some("there is no network inside, and no socket but those of files".to_owned())
        }
        (Wanted::Nothing, Answer::Errno(libc_errno::EAGAIN)) => Some(
            "no more processes than `limits: {processes: …}` of the sandbox says: --spec FILE"
                .to_owned(),
        ),
        (Wanted::Nothing, Answer::Errno(_)) => Some(format!("`{}` is refused", denial.call)),
        _ => None,
    }
}

/// `notes`: what the report cannot say.
fn show(out: Output, report: &Report, proposal: &Proposal, notes: &[String]) -> Result {
    if out.json {
        let denials: Vec<Value> = report
            .denials
            .iter()
            .map(|(denial, count)| {
                json!({
                    "call": denial.call,
                    "path": denial.path,
                    "wanted": wanted(denial.wanted),
                    "answer": answer(denial.answer),
                    "count": count,
                })
            })
            .collect();
        return out.value(&json!({
            "denials": denials,
            "status": report.status,
            "watched": report.watched,
            "change": proposal.change,
            "never": proposal.never,
            "notes": notes,
        }));
    }
    if report.denials.is_empty() {
        out.line(if notes.is_empty() {
            "nothing was denied"
        } else {
            "nothing that was denied is recorded"
        })?;
    } else {
        let rows: Vec<_> = report
            .denials
            .iter()
            .map(|(denial, count)| {
                [
                    Cell::from(denial.call.as_str()),
                    Cell::toned(
                        answer(denial.answer),
                        if denial.answer == Answer::Killed {
                            Tone::Bad
                        } else {
                            Tone::Plain
                        },
                    ),
                    count.to_string().into(),
                    wanted(denial.wanted).into(),
                    denial.path.display().to_string().into(),
                ]
            })
            .collect();
        out.table(["DENIED", "ANSWER", "TIMES", "TO", "WHAT"], &rows)?;
    }
    if let Some(status) = report.status {
        out.line(format!("\nit ended with status {status}"))?;
    }
    if !proposal.change.is_empty() {
        out.line("\nthe smallest change that gives it that, if it is to have it:")?;
        for change in &proposal.change {
            out.line(format!("  {}", one_line(change)))?;
        }
    }
    if !proposal.never.is_empty() {
        out.line("\nwhat no change gives:")?;
        for line in &proposal.never {
            out.line(format!("  {}", one_line(line)))?;
        }
    }
    if !notes.is_empty() {
        out.line("\nwhat is not known here:")?;
        for line in notes {
            out.line(format!("  {}", one_line(line)))?;
        }
    }
    Ok(())
}

fn wanted(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Nothing => "",
        Wanted::Read => "read",
        Wanted::Write => "change",
        Wanted::Execute => "run",
        Wanted::Connect => "connect",
    }
}

fn answer(answer: Answer) -> String {
    match answer {
        Answer::Killed => "killed".to_owned(),
        Answer::Errno(number) => std::io::Error::from_raw_os_error(number)
            .to_string()
            .split(" (os error")
            .next()
            .unwrap_or_default()
            .to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(call: &str, path: &str, wanted: Wanted, answer: Answer) -> Denial {
        Denial {
            call: call.to_owned(),
            path: path.into(),
            wanted,
            answer,
        }
    }

    fn report(denials: &[Denial]) -> Report {
        Report {
            denials: denials.iter().map(|denial| (denial.clone(), 1)).collect(),
            ..Report::default()
        }
    }

    #[test]
    fn documented_sandboxes_load() {
        argos_docs::check("sandbox", |block| {
            let spec: Spec = argos_config::parse("sandbox.yaml", &block.text)
                .map_err(|error| error.to_string())?;
            spec.check().map_err(|error| error.to_string())
        });
    }

    #[test]
    fn the_smallest_change_covers_the_rest() {
        let gone = Answer::Errno(2);
        let proposal = Proposal::for_options(&report(&[
            denial("openat", "/usr", Wanted::Read, gone),
            denial("openat", "/usr/share/x", Wanted::Read, gone),
            denial("openat", "/tmp/there-is-no-such-file", Wanted::Write, gone),
        ]));
        assert_eq!(proposal.change, ["--write /tmp", "--read /usr"]);
    }

    #[test]
    fn what_kills_is_never_proposed() {
        let killed = denial("ptrace", "", Wanted::Nothing, Answer::Killed);
        let proposal = Proposal::for_options(&report(std::slice::from_ref(&killed)));
        assert!(proposal.change.is_empty());
        assert!(proposal.never[0].contains("ptrace"));
        let proposal = Proposal::for_agent("librarian", &report(&[killed]));
        assert!(proposal.change.is_empty() && proposal.never.len() == 1);
    }

    #[test]
    fn an_agent_is_proposed_tools_not_files() {
        let proposal = Proposal::for_agent(
            "librarian",
            &report(&[denial(
                "openat",
                "/usr/bin/true",
                Wanted::Read,
                Answer::Errno(2),
            )]),
        );
        assert_eq!(
            proposal.change,
            [
                "permissions: [{action: read, resource: /usr/bin/true}]",
                "tools: [files.read]"
            ]
        );
    }
}
