//! `processes.list`: what runs, and what it takes. Names and numbers only: what stands on a command
//! line can be private.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Definition, processes};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict, text};

const MOST_PROCESSES: usize = 50;
/// How long is looked at what they take of the processor.
const LOOK: Duration = Duration::from_millis(300);
/// In which the kernel counts processor time for programs, a second (`USER_HZ`; fixed on Linux).
const TICKS: f64 = 100.0;

pub(crate) struct ProcessesList;

/// How to sort them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// What comes first: those that take most of the processor or of the memory; `memory` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sort: Option<Sort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Cpu,
    Memory,
}

impl Definition for ProcessesList {
    const NAME: &'static str = "processes.list";
    const DESCRIPTION: &'static str = "Lists the running processes with what they take";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let summary = "List the names of running processes and what they take.";
        Resolved::new(&arguments, "processes", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, _: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let sort = arguments.sort.unwrap_or(Sort::Memory);
            super::blocking(Self::NAME, move || Ok(look(sort))).await
        })
    }
}

fn look(sort: Sort) -> Value {
    let before: HashMap<(u32, u64), u64> = processes::all()
        .into_iter()
        .map(|process| ((process.pid, process.start), process.cpu))
        .collect();
    let since = Instant::now();
    std::thread::sleep(LOOK);
    let ticks = since.elapsed().as_secs_f64() * TICKS;
    let mut found: Vec<(f64, processes::Process, processes::Status)> = processes::all()
        .into_iter()
        .filter(|process| !process.kernel && !process.dead)
        .map(|process| {
            let before = before.get(&(process.pid, process.start)).copied();
            let took = process.cpu.saturating_sub(before.unwrap_or(0));
            let status = processes::status(process.pid);
            (took as f64 * 100.0 / ticks, process, status)
        })
        .collect();
    let total = found.len();
    // Stable: of those that take as much of the processor, the largest is first.
    found.sort_by_key(|(_, _, status)| std::cmp::Reverse(status.memory_bytes));
    if sort == Sort::Cpu {
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    found.truncate(MOST_PROCESSES);
    let told: Vec<Value> = found
        .into_iter()
        .map(|(percent, process, status)| {
            json!({
                "process": process.pid,
                "name": text::shown(&process.name, 64),
                "cpu_percent": (percent * 10.0).round() / 10.0,
                "memory_bytes": status.memory_bytes,
                "yours": status.own,
            })
        })
        .collect();
    json!({"truncated": total > told.len(), "processes": told, "total": total})
}
