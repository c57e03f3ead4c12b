//! Words for what runs and what is due: processes, agents, timers, the machine itself.

use std::fmt::Write;

use serde_json::Value;

use super::{code, counted, list, plain, size, text};

/// Most processes that are named.
const MOST: usize = 10;

/// What `processes.list` lists.
pub(super) fn processes(arguments: &Value, result: &Value) -> Option<String> {
    let all = list(result, &["processes"])?;
    let busiest = arguments["sort"] == "cpu";
    let total = result["total"].as_u64()?;
    let by = if busiest { "the processor" } else { "memory" };
    let mut out = format!("{total} processes run. Most of {by} take:\n");
    for process in all.iter().take(MOST) {
        let _ = write!(
            out,
            "\n- **{}** ({}) – {:.1} %, {}",
            plain(text(process, &["name"])?),
            process["process"],
            process["cpu_percent"].as_f64()?,
            size(process["memory_bytes"].as_f64()?)
        );
    }
    Some(out)
}

/// Whether `processes.stop` stopped it.
pub(super) fn stopped(result: &Value) -> Option<String> {
    let name = plain(text(result, &["name"])?);
    Some(if result["ended"] == true {
        format!("**{name}** has ended.")
    } else {
        format!(
            "I asked **{name}** to end. It has not done so yet; it may wait for an answer on screen."
        )
    })
}

/// What `services.restart` restarted.
pub(super) fn restarted(result: &Value) -> Option<String> {
    Some(format!(
        "I restarted the service **{}**; it is {} now.",
        plain(text(result, &["unit"])?),
        plain(text(result, &["state"])?)
    ))
}

/// Who `agents.list` lists.
pub(super) fn agents(result: &Value) -> Option<String> {
    let all = list(result, &["agents"])?;
    let mut out = format!("There are {}:\n", counted(all.len(), "agent"));
    for agent in all {
        let _ = write!(
            out,
            "\n- **{}** – {}",
            plain(text(agent, &["title", "agent"])?),
            plain(text(agent, &["state"])?)
        );
        if let Some(what) = text(agent, &["description"]).filter(|d| !d.is_empty()) {
            let _ = write!(out, ". {}", plain(what));
        }
    }
    Some(out)
}

/// What another agent answered to `agents.message`.
pub(super) fn answered(result: &Value) -> Option<String> {
    let agent = plain(text(result, &["agent"])?);
    Some(match text(result, &["answer"]) {
        // Somebody else's words: shown as they are, not as ours.
        Some(answer) => format!("**{agent}** answers:\n\n{}", super::fenced(answer)),
        None => format!("**{agent}** has the message and has not answered yet."),
    })
}

/// What `timer.set` or `reminder.add` set.
pub(super) fn timer(result: &Value) -> Option<String> {
    let due = text(result, &["due"])?;
    // `2026-11-25T14:10:00+01:00`; the seconds matter to nobody.
    let due = due.get(..16).unwrap_or(due).replace('T', " ");
    let what = match text(result, &["kind"])? {
        "reminder" => "I will remind you",
        _ => "The timer is set",
    };
    let mut out = format!("{what} at {}", plain(&due));
    if let Some(about) = text(result, &["text"]).filter(|t| !t.is_empty()) {
        let _ = write!(out, ": {}", plain(about));
    }
    out.push('.');
    let _ = write!(out, " {} takes it back.", code(text(result, &["undo"])?));
    Some(out)
}
