//! Words for what came back, in CommonMark: plain, friendly, and no more than was found.
//!
//! One function a tool; a result without one is shown as it is. Names that come from files and
//! other people's programs are data: they are escaped, so that a file called `[x](y)` is shown and
//! not interpreted.

mod desktop;
mod files;
mod running;

use std::fmt::Write;

use argos_bus::{Error, Result};
use serde_json::Value;

/// Most lines of a list that are shown.
const MAX_SHOWN: usize = 40;
/// Most characters of a text that are shown.
const MAX_TEXT: usize = 4000;

/// What became of one call.
pub(crate) fn outcome(tool: &str, arguments: &Value, outcome: &Result<Value>) -> String {
    match outcome {
        Ok(result) => success(tool, arguments, result),
        Err(e) => failure(tool, arguments, e),
    }
}

/// There is no plan, since the model could not be asked.
pub(crate) fn no_plan(error: &Error) -> String {
    match error {
        Error::InvalidArguments(why) => format!("I cannot take that in: {}", sentence(why)),
        Error::Unavailable(why) | Error::TimedOut(why) | Error::LimitReached(why) => format!(
            "I cannot think just now: {} Please try again in a moment.",
            sentence(why)
        ),
        other => format!(
            "Something went wrong while I was thinking: {}",
            sentence(&other.text())
        ),
    }
}

/// The model found nothing that fits.
pub(crate) fn nothing_fits(tools: &[(String, String)]) -> String {
    let mut text = "I do not know how to do that.".to_owned();
    if !tools.is_empty() {
        text.push_str(" What I can do:\n");
        for (name, description) in tools {
            let what = if description.is_empty() {
                name
            } else {
                description
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "\n- {}", plain(what));
        }
    }
    text
}

fn failure(tool: &str, arguments: &Value, error: &Error) -> String {
    let doing = intent(tool, arguments);
    match error {
        Error::Denied(why) if why.contains("for good") || why.contains("in future") => format!(
            "I am not allowed to {doing}, so I did not. You refused this for good; if you change \
             your mind, take the refusal back with `argos permissions revoke` (`argos permissions list` \
             shows its number), then ask me again."
        ),
        Error::Denied(why) if why.contains("the person refused") => format!(
            "All right, I did not {doing}. If you change your mind, ask me again and choose *Allow*."
        ),
        Error::Denied(why) => format!("I was not allowed to {doing}: {}", sentence(why)),
        Error::NoAnswer(_) => format!(
            "Nobody answered my question, so I did not {doing}. Ask me again when you are there."
        ),
        Error::NotFound(why) => format!("I could not {doing}: {}", sentence(why)),
        Error::InvalidArguments(why) => format!("I could not {doing}: {}", sentence(why)),
        Error::LimitReached(why) => {
            format!("I could not {doing} just now: {}", sentence(why))
        }
        Error::TimedOut(why) => format!("I gave up trying to {doing}: {}", sentence(why)),
        Error::Unavailable(why) => {
            format!(
                "I cannot {doing} just now: {} Please try again in a moment.",
                sentence(why)
            )
        }
        other => format!(
            "I tried to {doing}, and it went wrong: {}",
            sentence(&other.text())
        ),
    }
}

/// What a call is to do, to stand after "I could not".
fn intent(tool: &str, arguments: &Value) -> String {
    let a = |key: &str| code(arguments[key].as_str().unwrap_or("?"));
    match tool {
        "files.list" => format!("look into {}", a("path")),
        "files.read" => format!("read {}", a("path")),
        "notes.add" => "add the note".to_owned(),
        "apps.launch" => format!("start {}", a("app")),
        "services.list" => "look at the services".to_owned(),
        "apps.list" => "list the applications".to_owned(),
        "services.status" => format!("look at the service {}", a("unit")),
        "system.info" => "look at this machine".to_owned(),
        "theme.set" => format!("switch to the theme {}", a("theme")),
        "memory.remember" => "remember that".to_owned(),
        "memory.recall" => "search my memory".to_owned(),
        "files.search" => format!("search for {}", a("query")),
        "files.write" => format!("write into {}", a("path")),
        "files.move" => format!("move {} to {}", a("from"), a("to")),
        "files.trash" => format!("put {} into the trash", a("path")),
        "notes.search" => "search your notes".to_owned(),
        "memory.forget" => "forget that".to_owned(),
        "services.restart" => format!("restart the service {}", a("unit")),
        "processes.list" => "look at what runs".to_owned(),
        "processes.stop" => format!("stop {}", a("process")),
        "agents.list" => "list the agents".to_owned(),
        "agents.start" => format!("start the agent {}", a("agent")),
        "agents.stop" => format!("stop the agent {}", a("agent")),
        "agents.message" => format!("speak to the agent {}", a("agent")),
        "docs.ask" => "look into the documentation".to_owned(),
        "timer.set" => "set the timer".to_owned(),
        "reminder.add" => "add the reminder".to_owned(),
        "power.off" => "switch the machine off".to_owned(),
        "power.reboot" => "restart the machine".to_owned(),
        "web.fetch" => format!("fetch {}", a("url")),
        other => {
            desktop::intent(other, arguments).unwrap_or_else(|| format!("use {}", code(other)))
        }
    }
}

fn success(tool: &str, arguments: &Value, result: &Value) -> String {
    let worded = match tool {
        "files.list" => files_list(arguments, result),
        "files.read" => files_read(arguments, result),
        "notes.add" => notes_add(result),
        "apps.launch" => Some(format!(
            "I started **{}**.",
            plain(text(result, &["name", "title", "app"]).unwrap_or("it"))
        )),
        "services.status" => services_status(result),
        "services.list" => services_list(result),
        "apps.list" => apps_list(result),
        "system.info" => system_info(result),
        "theme.set" => Some(format!(
            "The theme is **{}** now.",
            plain(
                text(result, &["theme", "name"])
                    .or(arguments["theme"].as_str())
                    .unwrap_or("new")
            )
        )),
        "memory.remember" => Some(format!(
            "I will remember: {}",
            plain(arguments["text"].as_str().unwrap_or("it"))
        )),
        "memory.recall" => memory_recall(arguments, result),
        "files.search" | "notes.search" => files::search(arguments, result),
        "files.write" => files::write(result),
        "files.move" => files::moved(result),
        "files.trash" => files::trashed(result),
        "memory.forget" => files::forgotten(result),
        "docs.ask" => files::documentation(result),
        "services.restart" => running::restarted(result),
        "processes.list" => running::processes(arguments, result),
        "processes.stop" => running::stopped(result),
        "agents.list" => running::agents(result),
        "agents.start" => {
            text(result, &["agent"]).map(|a| format!("The agent **{}** runs.", plain(a)))
        }
        "agents.stop" => {
            text(result, &["agent"]).map(|a| format!("I stop the agent **{}**.", plain(a)))
        }
        "agents.message" => running::answered(result),
        "timer.set" | "reminder.add" => running::timer(result),
        "power.off" => Some("The machine is switching off.".to_owned()),
        "power.reboot" => Some("The machine is restarting.".to_owned()),
        "web.fetch" => web_fetch(result),
        other => desktop::success(other, arguments, result),
    };
    worded.unwrap_or_else(|| raw(tool, result))
}

fn files_list(arguments: &Value, result: &Value) -> Option<String> {
    let path = text(result, &["path"]).or(arguments["path"].as_str())?;
    let entries = list(result, &["entries", "files", "items"])?;
    let is_folder = |e: &Value| {
        matches!(
            text(e, &["kind", "type"]),
            Some("folder" | "directory" | "dir")
        )
    };
    let folders = entries.iter().filter(|e| is_folder(e)).count();
    let files = entries.len() - folders;
    let bytes: u64 = entries
        .iter()
        .filter(|e| !is_folder(e))
        .filter_map(size_of_entry)
        .sum();
    let total = number(result, &["total", "count"])
        .unwrap_or(0.0)
        .max(entries.len() as f64) as usize;
    if entries.is_empty() {
        return Some(format!("{} is empty.", code(path)));
    }
    let mut parts = Vec::new();
    if folders > 0 {
        parts.push(counted(folders, "folder"));
    }
    if files > 0 {
        parts.push(format!(
            "{} ({})",
            counted(files, "file"),
            size(bytes as f64)
        ));
    }
    let mut out = format!("{} has {}:\n", code(path), parts.join(" and "));
    let mut sorted: Vec<&Value> = entries.iter().collect();
    sorted.sort_by_key(|e| {
        (
            !is_folder(e),
            text(e, &["name"]).unwrap_or_default().to_lowercase(),
        )
    });
    for entry in sorted.iter().take(MAX_SHOWN) {
        let name = text(entry, &["name"]).unwrap_or("?");
        let _ = if is_folder(entry) {
            write!(out, "\n- **{}/**", plain(name))
        } else if let Some(bytes) = size_of_entry(entry) {
            write!(out, "\n- {} – {}", plain(name), size(bytes as f64))
        } else {
            write!(out, "\n- {}", plain(name))
        };
    }
    let hidden = total.max(sorted.len()) - sorted.len().min(MAX_SHOWN);
    if hidden > 0 {
        let _ = write!(out, "\n\n… and {hidden} more.");
    } else if result["truncated"] == true {
        out.push_str("\n\n… and more than I could list.");
    }
    Some(out)
}

fn size_of_entry(entry: &Value) -> Option<u64> {
    number(entry, &["size_bytes", "size", "bytes"]).map(|n| n as u64)
}

fn files_read(arguments: &Value, result: &Value) -> Option<String> {
    let path = text(result, &["path"]).or(arguments["path"].as_str())?;
    let content = text(result, &["text", "content"])?;
    if content.is_empty() {
        return Some(format!("{} is empty.", code(path)));
    }
    let shown: String = content.chars().take(MAX_TEXT).collect();
    let cut = shown.len() < content.len() || result["truncated"] == true;
    let mut out = format!("{} says:\n\n{}", code(path), fenced(&shown));
    if cut {
        out.push_str("\n\nThat is the beginning; the file goes on.");
    }
    Some(out)
}

fn web_fetch(result: &Value) -> Option<String> {
    let url = text(result, &["url"])?;
    if let Some(place) = text(result, &["redirect"]) {
        return Some(format!(
            "{} leads to {}, which is another place. Ask me to fetch that if you want it.",
            code(url),
            code(place)
        ));
    }
    let content = text(result, &["text"])?;
    let shown: String = content.chars().take(MAX_TEXT).collect();
    let cut = shown.len() < content.len() || result["truncated"] == true;
    let mut out = format!("{} says:\n\n{}", code(url), fenced(&shown));
    if cut {
        out.push_str("\n\nThat is the beginning; the page goes on.");
    }
    Some(out)
}

fn notes_add(result: &Value) -> Option<String> {
    Some(match text(result, &["path", "file"]) {
        Some(path) => format!("I added it to your notes: {}.", code(path)),
        None => "I added it to your notes.".to_owned(),
    })
}

fn services_status(result: &Value) -> Option<String> {
    let unit = text(result, &["unit", "name"])?;
    let state = text(result, &["state"])?;
    let mut out = match state {
        "up" => format!("The service **{}** is running", plain(unit)),
        "failed" => format!("The service **{}** has failed", plain(unit)),
        "down" => format!("The service **{}** is not running", plain(unit)),
        other => format!("The service **{}** is {}", plain(unit), plain(other)),
    };
    if let Some(detail) = text(result, &["detail"]).filter(|d| !d.is_empty()) {
        let _ = write!(out, " ({})", plain(detail));
    }
    out.push('.');
    if let Some(description) = text(result, &["description"]).filter(|d| !d.is_empty()) {
        let _ = write!(out, " It is: {}.", plain(description.trim_end_matches('.')));
    }
    if let Some(restarts) = number(result, &["restarts"]).filter(|n| *n > 0.0) {
        let _ = write!(out, " It was restarted {}.", times(restarts as usize));
    }
    Some(out)
}

fn services_list(result: &Value) -> Option<String> {
    let units = list(result, &["services"])?;
    let is = |u: &Value, state: &str| u["state"] == state;
    let up = units.iter().filter(|u| is(u, "up")).count();
    let failed: Vec<&Value> = units.iter().filter(|u| is(u, "failed")).collect();
    let mut out = format!("{} of {} are up.", up, counted(units.len(), "service"));
    if failed.is_empty() {
        out.push_str(" None has failed.");
    } else {
        out.push_str(" These have failed:\n");
        for unit in failed {
            let _ = write!(
                out,
                "\n- **{}** – {}",
                plain(text(unit, &["unit"]).unwrap_or("?")),
                plain(text(unit, &["detail"]).unwrap_or("no reason given"))
            );
        }
    }
    Some(out)
}

fn apps_list(result: &Value) -> Option<String> {
    let apps = list(result, &["apps"])?;
    let mut out = format!("There are {}:\n", counted(apps.len(), "application"));
    for app in apps.iter().take(MAX_SHOWN) {
        let _ = write!(
            out,
            "\n- **{}**",
            plain(text(app, &["name", "id"]).unwrap_or("?"))
        );
        if let Some(what) = text(app, &["description"]).filter(|d| !d.is_empty()) {
            let _ = write!(out, " – {}", plain(what));
        }
    }
    if apps.len() > MAX_SHOWN {
        let _ = write!(out, "\n\n… and {} more.", apps.len() - MAX_SHOWN);
    }
    Some(out)
}

fn system_info(result: &Value) -> Option<String> {
    let topics = result.as_object().filter(|t| !t.is_empty())?;
    let mut lines = Vec::new();
    for (topic, facts) in topics {
        let line = match topic.as_str() {
            "cpu" => cpu(facts),
            "memory" => memory(facts),
            "disk" => disk(facts),
            "battery" => battery(facts),
            "network" => network(facts),
            "os" => os(facts),
            "uptime" => number(facts, &["seconds"]).map(|s| format!("up for {}", span(s))),
            _ => None,
        };
        lines.push(match (line, facts) {
            (Some(line), _) => format!("**{}**: {line}", title(topic)),
            (None, Value::Object(facts)) => format!("**{}**: {}", title(topic), facts_line(facts)),
            (None, other) => format!("**{}**: {}", title(topic), human(topic, other)),
        });
    }
    if let [only] = &lines[..] {
        return Some(format!("{only}."));
    }
    Some(format!("This machine:\n\n- {}", lines.join("\n- ")))
}

fn cpu(facts: &Value) -> Option<String> {
    let model = text(facts, &["model"])
        .filter(|m| !m.is_empty())
        .unwrap_or("unknown model");
    let cores = number(facts, &["cores"])? as usize;
    let mut out = format!("{}, {}", plain(model), counted(cores, "core"));
    let load = facts["load_1_5_15_minutes"][0].as_f64();
    if let Some(load) = load {
        let _ = write!(out, ", load {load:.2} over the last minute");
    }
    Some(out)
}

fn memory(facts: &Value) -> Option<String> {
    let total = number(facts, &["total_bytes"]).filter(|t| *t > 0.0)?;
    let used = number(facts, &["used_bytes"])?;
    Some(format!(
        "{} of {} in use ({:.0} %)",
        size(used),
        size(total),
        used / total * 100.0
    ))
}

fn disk(facts: &Value) -> Option<String> {
    let place = |name: &str, words: &str| {
        let free = number(&facts[name], &["free_bytes"])?;
        let total = number(&facts[name], &["total_bytes"])?;
        Some(format!("{} of {} free {words}", size(free), size(total)))
    };
    place("home", "for your files").or_else(|| place("system", "on the system"))
}

fn battery(facts: &Value) -> Option<String> {
    if facts["present"] == false {
        return Some("there is none".to_owned());
    }
    let batteries: Vec<String> = facts["batteries"]
        .as_array()?
        .iter()
        .map(|b| {
            let percent = number(b, &["percent"]).map_or("?".to_owned(), |p| format!("{p:.0}"));
            format!(
                "{percent} %, {}",
                plain(text(b, &["state"]).unwrap_or("unknown"))
            )
        })
        .collect();
    Some(batteries.join("; "))
}

fn network(facts: &Value) -> Option<String> {
    let links = facts["links"].as_array()?;
    let up: Vec<String> = links
        .iter()
        .filter(|l| l["up"] == true)
        .map(|l| plain(text(l, &["name"]).unwrap_or("?")))
        .collect();
    Some(match (up.is_empty(), links.is_empty()) {
        (false, _) => format!("connected through {}", up.join(", ")),
        (true, false) => "not connected".to_owned(),
        (true, true) => "there is no network device".to_owned(),
    })
}

fn os(facts: &Value) -> Option<String> {
    let name = text(facts, &["name"])?;
    let kernel = text(facts, &["kernel"])
        .map(|k| format!(", kernel {}", plain(k)))
        .unwrap_or_default();
    Some(format!("{}{kernel}", plain(name)))
}

fn facts_line(facts: &serde_json::Map<String, Value>) -> String {
    facts
        .iter()
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| match v {
            Value::Object(inner) => format!("{} ({})", title(k), facts_line(inner)),
            Value::Array(items) => {
                let parts: Vec<String> = items.iter().map(|i| human(k, i)).collect();
                format!("{} {}", title(k).to_lowercase(), parts.join(", "))
            }
            _ => format!("{} {}", title(k).to_lowercase(), human(k, v)),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value in units for people, by the ending of its key.
fn human(key: &str, value: &Value) -> String {
    match value {
        Value::Number(n) => {
            let n = n.as_f64().unwrap_or(0.0);
            if key.ends_with("bytes") {
                size(n)
            } else if key.ends_with("kib") || key.ends_with("kb") {
                size(n * 1024.0)
            } else if key.ends_with("percent") {
                format!("{n:.0} %")
            } else if key.ends_with("_ms") {
                span(n / 1000.0)
            } else if key.ends_with("seconds") || key.ends_with("_s") {
                span(n)
            } else if key.ends_with("mhz") {
                format!("{:.1} GHz", n / 1000.0)
            } else if n.fract() == 0.0 {
                format!("{n:.0}")
            } else {
                format!("{n:.2}")
            }
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(s) => plain(s),
        other => plain(&other.to_string()),
    }
}

fn memory_recall(arguments: &Value, result: &Value) -> Option<String> {
    let found = list(result, &["memories", "results", "found"])?;
    let about = arguments["query"].as_str().unwrap_or_default();
    if found.is_empty() {
        return Some(format!("I remember nothing about “{}”.", plain(about)));
    }
    let mut out = "Here is what I remember:\n".to_owned();
    for memory in found.iter().take(MAX_SHOWN) {
        let what = text(memory, &["text"]).unwrap_or("?");
        let _ = write!(out, "\n- {}", plain(what));
        if let Some(day) = text(memory, &["when", "date"]).and_then(|w| w.get(..10)) {
            let _ = write!(out, " *({day})*");
        } else if let Some(day) = number(memory, &["when_ms"])
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms as i64).ok())
        {
            let _ = write!(out, " *({})*", day.strftime("%Y-%m-%d"));
        }
    }
    Some(out)
}

/// A result that nobody taught us to word.
fn raw(tool: &str, result: &Value) -> String {
    if result.as_object().is_some_and(serde_json::Map::is_empty) || result.is_null() {
        return format!("Done ({}).", code(tool));
    }
    let pretty = serde_json::to_string_pretty(result).unwrap_or_else(|_| result.to_string());
    let shown: String = pretty.chars().take(MAX_TEXT).collect();
    let more = if shown.len() < pretty.len() {
        "\n\n… and more."
    } else {
        ""
    };
    format!("{} gave:\n\n{}{more}", code(tool), fenced(&shown))
}

fn text<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|k| value[*k].as_str())
}

fn number(value: &Value, keys: &[&str]) -> Option<f64> {
    keys.iter().find_map(|k| value[*k].as_f64())
}

/// A list under one of these keys, or the value itself.
fn list<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a Vec<Value>> {
    value
        .as_array()
        .or_else(|| keys.iter().find_map(|k| value[*k].as_array()))
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// Bytes for people, in binary units.
fn size(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes.max(0.0);
    let mut unit = 0;
    while amount >= 1024.0 && unit < UNITS.len() - 1 {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 if bytes == 1.0 => "1 byte".to_owned(),
        0 => format!("{amount:.0} bytes"),
        _ if amount >= 10.0 => format!("{amount:.0} {}", UNITS[unit]),
        _ => format!("{amount:.1} {}", UNITS[unit]),
    }
}

/// A time span for people; the two largest units.
fn span(seconds: f64) -> String {
    let total = seconds.max(0.0) as u64;
    let parts = [
        (total / 86_400, "day"),
        (total / 3600 % 24, "hour"),
        (total / 60 % 60, "minute"),
        (total % 60, "second"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| counted(usize::try_from(*n).unwrap_or(usize::MAX), unit))
        .collect();
    if shown.is_empty() {
        "0 seconds".to_owned()
    } else {
        shown.join(" and ")
    }
}

/// `size_bytes` -> `Size`; the unit is said with the number.
fn title(key: &str) -> String {
    let mut words = key;
    for unit in [
        "_bytes", "_kib", "_percent", "_seconds", "_ms", "_mhz", "_s",
    ] {
        words = words.strip_suffix(unit).unwrap_or(words);
    }
    let words = words.replace('_', " ");
    match words.as_str() {
        "cpu" | "os" => words.to_uppercase(),
        _ => {
            let mut chars = words.chars();
            chars
                .next()
                .map(|c| c.to_uppercase().collect::<String>() + chars.as_str())
                .unwrap_or_default()
        }
    }
}

/// Text of others on one line, with nothing in it that CommonMark would interpret.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '!' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text of others as inline code.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut fence = "`".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text of others as a block, with a fence that it does not contain.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}\n{}\n{fence}", text.trim_end())
}

/// Ends as a sentence does.
fn sentence(text: &str) -> String {
    let text = plain(text.trim());
    if text.ends_with(['.', '!', '?']) {
        text
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_folder_is_a_list_with_counts_and_sizes() {
        let result = json!({"path": "/home/x", "entries": [
            {"name": "b.txt", "kind": "file", "size_bytes": 2048},
            {"name": "Photos", "kind": "folder"},
            {"name": "a.txt", "kind": "file", "size_bytes": 1},
        ]});
        let words = outcome("files.list", &json!({"path": "~"}), &Ok(result));
        assert_eq!(
            words,
            "`/home/x` has 1 folder and 2 files (2.0 KiB):\n\n- **Photos/**\n- a.txt – 1 byte\n- b.txt – 2.0 KiB"
        );
    }

    #[test]
    fn an_empty_folder_is_said_to_be_empty() {
        let words = outcome(
            "files.list",
            &json!({}),
            &Ok(json!({"path": "/a", "entries": []})),
        );
        assert_eq!(words, "`/a` is empty.");
    }

    #[test]
    fn names_of_files_are_never_interpreted() {
        let result =
            json!({"path": "/a", "entries": [{"name": "[x](http://y) **b** `c`", "kind": "file"}]});
        let words = outcome("files.list", &json!({}), &Ok(result));
        assert!(
            words.contains(r"\[x\](http://y) \*\*b\*\* \`c\`"),
            "{words}"
        );
        let result = json!({"path": "/a", "text": "```\nrm\n```"});
        let words = outcome("files.read", &json!({}), &Ok(result));
        assert!(words.contains("````\n```\nrm"), "{words}");
    }

    #[test]
    fn refusals_are_polite_and_say_what_to_do() {
        let once = Err(Error::Denied(
            "the person refused to read /a this time".into(),
        ));
        let words = outcome("files.list", &json!({"path": "/a"}), &once);
        assert!(
            words.contains("`/a`") && words.contains("ask me again"),
            "{words}"
        );
        let never = Err(Error::Denied(
            "the person refused to read /a earlier, for good; …".into(),
        ));
        assert!(
            outcome("files.list", &json!({"path": "/a"}), &never)
                .contains("argos permissions revoke")
        );
        let nobody = Err(Error::NoAnswer("…".into()));
        assert!(outcome("files.read", &json!({"path": "/a"}), &nobody).contains("Nobody answered"));
    }

    #[test]
    fn machines_are_described_in_units_of_people() {
        let result = json!({
            "memory": {"total_bytes": 4_294_967_296_u64, "used_bytes": 1_073_741_824_u64},
            "battery": {"present": false},
            "uptime": {"seconds": 93_784, "text": "1 days, 2 hours, 3 minutes"},
            "moon": {"distance_seconds": 61},
        });
        let words = outcome("system.info", &json!({}), &Ok(result));
        assert!(
            words.contains("**Memory**: 1.0 GiB of 4.0 GiB in use (25 %)"),
            "{words}"
        );
        assert!(
            words.contains("**Uptime**: up for 1 day and 2 hours"),
            "{words}"
        );
        assert!(
            words.contains("**Moon**: distance 1 minute and 1 second"),
            "{words}"
        );
        let one = outcome(
            "system.info",
            &json!({}),
            &Ok(json!({"battery": {"present": false}})),
        );
        assert_eq!(one, "**Battery**: there is none.");
    }

    #[test]
    fn failed_services_are_named() {
        let result = json!({"services": [
            {"unit": "udev", "state": "up"},
            {"unit": "greetd", "state": "failed", "detail": "exited with status 1"},
        ]});
        let words = outcome("services.list", &json!({}), &Ok(result));
        assert!(
            words.contains("1 of 2 services are up") && words.contains("**greetd** – exited"),
            "{words}"
        );
    }

    #[test]
    fn what_was_changed_is_said_with_the_way_back() {
        let said =
            |tool: &str, arguments: Value, result: Value| outcome(tool, &arguments, &Ok(result));
        let written = said(
            "files.write",
            json!({"path": "~/a"}),
            json!({"path": "/h/a", "written_bytes": 3, "previous": "/h/Trash/files/a"}),
        );
        assert!(
            written.contains("`/h/a`") && written.contains("`/h/Trash/files/a`"),
            "{written}"
        );
        let found = said(
            "files.search",
            json!({"query": "tax"}),
            json!({"path": "/h", "names": [], "texts": [{"path": "/h/a", "line": 3, "text": "*tax*", "lines": 1}], "truncated": true}),
        );
        assert!(
            found.contains("line 3") && found.contains("\\*tax") && found.contains("may be more"),
            "{found}"
        );
        let timer = said(
            "timer.set",
            json!({}),
            json!({"id": 4, "kind": "timer", "text": "tea", "due": "2026-11-25T14:10:00+01:00", "undo": "argos timers cancel 4"}),
        );
        assert!(
            timer.contains("2026-11-25 14:10: tea") && timer.contains("timers cancel 4"),
            "{timer}"
        );
        let other = said(
            "agents.message",
            json!({}),
            json!({"agent": "scout", "answer": "# I am the system"}),
        );
        assert!(
            other.contains("**scout** answers") && other.contains("```"),
            "{other}"
        );
    }

    #[test]
    fn an_unknown_tool_shows_what_it_gave() {
        let words = outcome("weather.look", &json!({}), &Ok(json!({"sky": "blue"})));
        assert!(words.starts_with("`weather.look` gave:") && words.contains("\"sky\": \"blue\""));
    }

    #[test]
    fn spans_and_sizes() {
        assert_eq!(span(59.0), "59 seconds");
        assert_eq!(span(3600.0), "1 hour");
        assert_eq!(span(0.0), "0 seconds");
        assert_eq!(size(1023.0), "1023 bytes");
        assert_eq!(size(15.0 * 1024.0 * 1024.0), "15 MiB");
    }
}
