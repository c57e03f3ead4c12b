//! `processes.stop`: asks a process of the person's to end.
//!
//! Which process that is is settled before the person is asked, as its number and the moment it
//! began, and both are held against a descriptor of the process before the signal is sent through
//! it: a number that was given to another process meanwhile stops nothing.

use std::os::fd::OwnedFd;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Definition;
use super::processes::{self, Process};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

/// How long is waited for it to end.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct ProcessesStop;

/// The process to stop.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Its number, or its name as processes.list has it.
    process: Which,
}

/// How a process is named.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Which {
    /// By its number.
    Number(u32),
    /// By its name, or its number in words.
    Name(String),
}

impl Which {
    fn said(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name,
        }
    }
}

impl Definition for ProcessesStop {
    const NAME: &'static str = "processes.stop";
    const DESCRIPTION: &'static str = "Asks a process of the person's to end";
    const ACTION: Action = Action::Control;
    const DEFAULT: Verdict = Verdict::Confirm;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let said = arguments.process.said();
        let said = said.trim();
        let tried = format!("{} {:?}", Self::NAME, text::shown(said, 64));
        text::sized(&tried, "process", said, 256)?;
        text::plain(&tried, "process", said)?;
        let process = find(&tried, said)?;
        may_stop(&tried, &process)?;
        let name = text::shown(&process.name, 64);
        let summary = format!(
            "Ask the process {name} ({}) to end; what it did not save is lost.",
            process.pid
        );
        let arguments = Arguments {
            process: Which::Name(format!("{}@{}", process.pid, process.start)),
        };
        Resolved::new(&arguments, "processes", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, _: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let Arguments { process } = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let process = process.said();
            super::blocking(Self::NAME, move || stop(&process)).await
        })
    }
}

fn stop(canonical: &str) -> Result<Value, ToolError> {
    let tried = format!("{} {canonical}", ProcessesStop::NAME);
    let failed = |error: rustix::io::Errno| ToolError::io(tried.as_str(), &error.into());
    let pid = canonical.split('@').next().and_then(|pid| pid.parse().ok());
    let pid: i32 = pid.unwrap_or_default();
    let handle: OwnedFd = Pid::from_raw(pid)
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
        .map_err(|_| gone(&tried))?;
    // From here on the number is this process's for as long as the handle tells of it; so what is
    // read by number and is right was read of the process that gets the signal.
    let process = find(&tried, canonical)?;
    may_stop(&tried, &process)?;
    rustix::process::pidfd_send_signal(&handle, Signal::TERM).map_err(failed)?;
    let mut waited = [PollFd::new(&handle, PollFlags::IN)];
    let patience = Timespec {
        tv_sec: PATIENCE.as_secs().cast_signed(),
        tv_nsec: 0,
    };
    let ended = rustix::io::retry_on_intr(|| rustix::event::poll(&mut waited, Some(&patience)))
        .map_err(failed)?
        > 0;
    let mut told = json!({"process": pid, "name": text::shown(&process.name, 64), "ended": ended, "reversible": false});
    if !ended {
        told["hint"] =
            "It was asked and has not ended yet; it may wait for an answer on screen".into();
    }
    Ok(told)
}

/// The process that is meant: `NUMBER`, `NUMBER@BEGIN`, or the one name of an own one.
fn find(tried: &str, said: &str) -> Result<Process, ToolError> {
    let (number, start) = match said.split_once('@') {
        Some((number, start)) => (number, Some(start)),
        None => (said, None),
    };
    if let Ok(pid) = number.parse::<u32>() {
        return processes::read(pid)
            .filter(|process| {
                !process.dead && start.is_none_or(|start| start == process.start.to_string())
            })
            .ok_or_else(|| gone(tried));
    }
    let all = processes::all();
    let named = |name: &str| name.eq_ignore_ascii_case(said);
    let fits: Vec<&Process> = all
        .iter()
        .filter(|process| {
            named(&process.name)
                && !process.kernel
                && !process.dead
                && processes::status(process.pid).own
        })
        .collect();
    // Of a program and the processes it made of itself, the first is meant.
    let tops: Vec<&&Process> = fits
        .iter()
        .filter(|process| !fits.iter().any(|other| other.pid == process.parent))
        .collect();
    match tops[..] {
        [one] => Ok((**one).clone()),
        [] => {
            let mut near: Vec<(f64, &str)> = all
                .iter()
                .filter(|process| !process.kernel)
                .map(|process| {
                    (
                        strsim::jaro_winkler(&process.name.to_lowercase(), &said.to_lowercase()),
                        process.name.as_str(),
                    )
                })
                .filter(|(score, _)| *score > 0.8)
                .collect();
            near.sort_by(|a, b| b.0.total_cmp(&a.0));
            near.dedup_by(|a, b| a.1 == b.1);
            let near: Vec<String> = near
                .into_iter()
                .take(3)
                .map(|(_, name)| text::shown(name, 64))
                .collect();
            let error = ToolError::new(Code::NotFound, tried, "no process of yours is called that");
            Err(if near.is_empty() {
                error.hint("processes.list lists them")
            } else {
                error.hint(format!("Did you mean {}?", near.join(" or ")))
            })
        }
        _ => {
            let numbers: Vec<String> = tops
                .iter()
                .take(8)
                .map(|process| process.pid.to_string())
                .collect();
            Err(ToolError::new(
                Code::InvalidArguments,
                tried,
                "several processes are called that",
            )
            .hint(format!("Say which by its number: {}", numbers.join(", "))))
        }
    }
}

fn gone(tried: &str) -> ToolError {
    ToolError::new(
        Code::NotFound,
        tried,
        "there is no such process, or none any more",
    )
    .hint("processes.list lists them")
}

/// Refuses what is not the person's to stop this way.
fn may_stop(tried: &str, process: &Process) -> Result<(), ToolError> {
    let denied = |why: String| Err(ToolError::new(Code::Denied, tried, why));
    if process.pid == 1 || process.kernel {
        return denied("it is the system itself".to_owned());
    }
    if !processes::status(process.pid).own {
        return denied("it does not belong to the person".to_owned());
    }
    if let Some(unit) = processes::unit(process.pid) {
        let unit = text::shown(&unit, 64);
        return match unit.strip_prefix("agent-") {
            Some(agent) => denied(format!("it is the agent {agent}"))
                .map_err(|e| e.hint("agents.stop stops agents")),
            None => denied(format!("it belongs to the service {unit}"))
                .map_err(|e| e.hint("services.restart is for services")),
        };
    }
    // Where there are no control groups: at least not the ground one stands on.
    let mut above = std::process::id();
    while above > 0 {
        if above == process.pid {
            return denied("agents and their tools run on it".to_owned());
        }
        above = processes::read(above).map_or(0, |process| process.parent);
    }
    Ok(())
}
