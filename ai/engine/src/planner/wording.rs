//! How the planner talks about tools: what it can do, whether that was meant, what is missing.
//!
//! One row a built-in tool. A tool that is not here is called by its name, so that a model made for
//! other tools still asks sensible questions.

use serde_json::{Map, Value};

use super::config::Argument;
use super::values::Kind;

/// Tool, what it does in general, what it does with its arguments (`{name}`).
const TOOLS: [(&str, &str, &str); 39] = [
    ("files.list", "list a folder", "list {path}"),
    ("files.read", "read a file", "read {path}"),
    (
        "files.search",
        "search your files",
        "search your files for “{query}”",
    ),
    ("files.write", "write a file", "write “{text}” to {path}"),
    ("files.move", "move a file", "move {from} to {to}"),
    (
        "files.trash",
        "move a file to the trash",
        "move {path} to the trash",
    ),
    ("notes.add", "write a note", "note “{text}”"),
    (
        "notes.search",
        "search your notes",
        "search your notes for “{query}”",
    ),
    ("memory.remember", "remember something", "remember “{text}”"),
    (
        "memory.recall",
        "recall what you told me",
        "recall what I know about “{query}”",
    ),
    ("memory.forget", "forget something", "forget “{query}”"),
    ("apps.list", "list your applications", ""),
    ("apps.launch", "open an application", "open {app}"),
    ("windows.list", "list the open windows", ""),
    (
        "windows.focus",
        "switch to a window",
        "switch to the window {window}",
    ),
    (
        "windows.close",
        "close a window",
        "close the window {window}",
    ),
    (
        "workspace.switch",
        "switch to another workspace",
        "switch to workspace {number}",
    ),
    (
        "screen.capture",
        "take a screenshot",
        "take a screenshot of {window}",
    ),
    ("screen.lock", "lock the screen", ""),
    (
        "theme.set",
        "change the theme",
        "switch to the {theme} theme",
    ),
    (
        "volume.set",
        "set the volume",
        "set the volume to {percent} %",
    ),
    (
        "brightness.set",
        "set the brightness",
        "set the brightness to {percent} %",
    ),
    ("services.list", "list the services", ""),
    (
        "services.status",
        "look at a service",
        "look at the service {unit}",
    ),
    (
        "services.restart",
        "restart a service",
        "restart the service {unit}",
    ),
    (
        "system.info",
        "tell how this machine is doing",
        "tell about this machine’s {topic}",
    ),
    (
        "processes.list",
        "list what is running",
        "list what is running, by {sort}",
    ),
    (
        "processes.stop",
        "stop a process",
        "stop the process {process}",
    ),
    ("network.status", "look at the network", ""),
    ("network.set", "switch the network on or off", ""),
    ("web.fetch", "fetch a web page", "fetch {url}"),
    ("timer.set", "set a timer", "set a timer for {duration}"),
    (
        "reminder.add",
        "set a reminder",
        "remind you at {when}: “{text}”",
    ),
    ("agents.list", "list the agents", ""),
    ("agents.start", "start an agent", "start the agent {agent}"),
    ("agents.stop", "stop an agent", "stop the agent {agent}"),
    (
        "agents.message",
        "write to an agent",
        "tell {agent} “{text}”",
    ),
    (
        "docs.ask",
        "look something up in the manual",
        "look up “{question}” in the manual",
    ),
    ("power.off", "switch this machine off", ""),
];

/// What a tool does: `list a folder`.
pub(super) fn phrase(tool: &str) -> String {
    match TOOLS.iter().find(|(t, ..)| *t == tool) {
        Some((_, general, _)) => (*general).to_owned(),
        None if tool == "power.reboot" => "restart this machine".to_owned(),
        None => format!("use {tool}"),
    }
}

/// `Did you mean to list ~/Documents?`
pub(super) fn confirm(tool: &str, arguments: &Map<String, Value>) -> String {
    let specific = TOOLS
        .iter()
        .find(|(t, ..)| *t == tool)
        .and_then(|(_, _, template)| fill(template, arguments))
        .unwrap_or_else(|| phrase(tool));
    format!("Did you mean to {specific}?")
}

/// The template with its arguments, if it has one and all of them are there.
fn fill(template: &str, arguments: &Map<String, Value>) -> Option<String> {
    if template.is_empty() {
        return None;
    }
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}')?;
        text += before;
        match arguments.get(name)? {
            Value::String(s) => text += s,
            other => text += &other.to_string(),
        }
        rest = tail;
    }
    Some(text + rest)
}

/// The question for an argument that is missing.
pub(super) fn missing(tool: &str, name: &str, argument: &Argument) -> String {
    let question = match (argument.kind, tool, name) {
        (Kind::Path, "files.list" | "files.search", _) => "Which folder?",
        (Kind::Path, _, "to") => "Where to?",
        (Kind::Path, ..) => "Which file?",
        (Kind::Text, "memory.recall" | "memory.forget", _) => "About what?",
        (Kind::Text, _, "query") => "What shall I look for?",
        (Kind::Text, _, "question") => "What would you like to know?",
        (Kind::Text, "memory.remember", _) => "What shall I remember?",
        (Kind::Text, "reminder.add", _) => "What shall I remind you of?",
        (Kind::Text, ..) => "What shall it say?",
        (Kind::App, ..) => "Which application?",
        (Kind::Unit, ..) => "Which service?",
        (Kind::Number, ..) => "Which number?",
        (Kind::Percent, ..) => "How much, from 0 to 100 percent?",
        (Kind::Duration, ..) => "For how long?",
        (Kind::Datetime, ..) => "When?",
        (Kind::Theme, ..) => "Which theme?",
        (Kind::Topic, ..) => "About what: cpu, memory, disk, battery, network, os or uptime?",
        (Kind::Sort, ..) => "By cpu or by memory?",
        (Kind::Url, ..) => "Which address?",
        (Kind::Host, ..) => "Which host?",
        (Kind::Window, ..) => "Which window?",
        (Kind::Process, ..) => "Which process?",
        (Kind::Agent, ..) => "Which agent?",
        (Kind::Boolean, "files.write", _) => "Add it to the end, or replace what is there?",
        (Kind::Boolean, ..) => "On or off?",
    };
    question.to_owned()
}

/// `I can list a folder, read a file or write a note.`
pub(super) fn offer(tools: &[&str]) -> String {
    let phrases: Vec<String> = tools.iter().map(|t| phrase(t)).collect();
    match phrases.split_last() {
        None => String::new(),
        Some((last, [])) => format!(" I can {last}."),
        Some((last, rest)) => format!(" I can, for example, {} or {last}.", rest.join(", ")),
    }
}

/// What a described tool would do: `Tells the weather (city: Oslo)`.
pub(super) fn described(description: &str, arguments: &Map<String, Value>) -> String {
    let first = description.split(". ").next().unwrap_or_default();
    let said = arguments.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    });
    let said = said.collect::<Vec<_>>().join(", ");
    let what = first.trim_end_matches('.');
    if said.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({said})")
    }
}
