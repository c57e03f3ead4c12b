//! Permissions and the audit log: what agents may do, and what they did.
//!
//! The log is also read and verified without the broker, from its files.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argos_audit::Report;
use argos_bus::permissions::{Explanation, Grant, Permissions1Proxy, Request};
use argos_bus::tools::Tools1Proxy;
use serde_json::{Value, json};

use crate::args::{AuditArgs, PermCommand};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, clock, exact, one_line};

pub(crate) async fn run(out: Output, command: PermCommand) -> Result {
    match command {
        PermCommand::Audit(args) => audit(out, args).await,
        PermCommand::List { agent } => {
            let mut grants = permissions().await?.list_grants().await?;
            grants.retain(|grant| agent.as_ref().is_none_or(|name| *name == grant.agent));
            list(out, &grants)
        }
        PermCommand::Grant {
            agent,
            action,
            resource,
            deny,
            lasting,
            session,
        } => {
            let resource = place(&action, &resource)?;
            let verdict = if deny { "deny" } else { "allow" };
            let scope = if session { "session" } else { "always" };
            let expires = lasting.map_or(0, |lasting| now_ms().saturating_add(millis(lasting)));
            let id = permissions()
                .await?
                .grant(&agent, &action, &resource, verdict, scope, expires)
                .await?;
            if out.json {
                return out.value(&json!({"id": id}));
            }
            let what = if deny { "may not" } else { "may" };
            let until = match (expires, session) {
                (0, false) => String::new(),
                (0, true) => ", until the session ends".to_owned(),
                (at, _) => format!(", until {}", clock(at)),
            };
            out.line(format!(
                "{id}: {agent} {what} {action} {}{until}",
                exact(&resource)
            ))
        }
        PermCommand::Explain {
            agent,
            action,
            resource,
        } => {
            let resource = place(&action, &resource)?;
            explain(
                out,
                &permissions()
                    .await?
                    .explain(&agent, &action, &resource)
                    .await?,
            )
        }
        PermCommand::Pending => pending(out, &permissions().await?.pending().await?),
        PermCommand::Answer { id, decision } => {
            permissions().await?.answer(id, decision.as_str()).await?;
            out.done(format!("question {id}: {}", decision.as_str()))
        }
        PermCommand::DenyAll { agent } => {
            let count = permissions().await?.deny_all(&agent).await?;
            if out.json {
                return out.value(&json!({"denied": count}));
            }
            out.line(format!("{agent}: {count} denied"))
        }
        PermCommand::Revoke { id } => {
            permissions().await?.revoke(id).await?;
            out.done(format!("grant {id} is taken back"))
        }
    }
}

async fn permissions() -> Result<Permissions1Proxy<'static>> {
    Ok(Permissions1Proxy::new(&bus::session().await?).await?)
}

fn list(out: Output, grants: &[Grant]) -> Result {
    if out.json {
        return out.value(&json!(grants));
    }
    let rows: Vec<_> = grants
        .iter()
        .map(|grant| {
            let tone = if grant.verdict == "allow" {
                Tone::Good
            } else {
                Tone::Bad
            };
            let lasts = match grant.expires_ms {
                0 => grant.scope.clone(),
                at => clock(at),
            };
            [
                Cell::from(grant.id.to_string()),
                grant.agent.as_str().into(),
                Cell::toned(grant.verdict.as_str(), tone),
                grant.action.as_str().into(),
                exact(&grant.resource).into(),
                lasts.into(),
                clock(grant.created_ms).into(),
            ]
        })
        .collect();
    let head = [
        "ID", "AGENT", "VERDICT", "ACTION", "RESOURCE", "UNTIL", "GIVEN",
    ];
    out.table(head, &rows)
}

fn pending(out: Output, pending: &[Request]) -> Result {
    if out.json {
        return out.value(&json!(pending));
    }
    let rows: Vec<_> = pending
        .iter()
        .map(|request| {
            [
                Cell::from(request.id.to_string()),
                request.agent.as_str().into(),
                request.tool.as_str().into(),
                request.action.as_str().into(),
                exact(&request.resource).into(),
                clock(request.expires_ms).into(),
                request.summary.as_str().into(),
            ]
        })
        .collect();
    let head = ["ID", "AGENT", "TOOL", "ACTION", "RESOURCE", "UNTIL", ""];
    out.table(head, &rows)
}

fn explain(out: Output, said: &Explanation) -> Result {
    if out.json {
        let tools: Vec<Value> = said
            .tools
            .iter()
            .map(|(tool, outcome)| json!({"tool": tool, "outcome": outcome}))
            .collect();
        return out.value(&json!({
            "agent": said.agent,
            "agent_hash": said.agent_hash,
            "action": said.action,
            "resource": said.resource,
            "verdict": said.verdict,
            "grant": said.grant,
            "reason": said.reason,
            "tools": tools,
        }));
    }
    out.line(format!(
        "{}: {} {}",
        said.agent,
        said.action,
        exact(&said.resource)
    ))?;
    out.line(format!("  {}", exact(&said.reason)))?;
    if said.tools.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = said
        .tools
        .iter()
        .map(|(tool, outcome)| {
            let (tone, what) = match outcome.as_str() {
                "allow" => (Tone::Good, "goes ahead"),
                "deny" => (Tone::Bad, "is refused"),
                "confirm" => (Tone::Busy, "you are asked, every time"),
                _ => (Tone::Busy, "you are asked"),
            };
            [
                Cell::from(tool.as_str()),
                Cell::toned(outcome.as_str(), tone),
                what.into(),
            ]
        })
        .collect();
    out.table(["TOOL", "OUTCOME", ""], &rows)
}

pub(crate) async fn audit(out: Output, args: AuditArgs) -> Result {
    if args.verify {
        let log = log_file(args.log)?;
        let report = argos_audit::verify(&log, args.pin.as_ref())
            .map_err(|e| Failure::new(Status::Failed, e.to_string()))?;
        return verified(out, &log, &report);
    }
    let filtered = args.agent.is_some() || args.outcome.is_some();
    // What is asked for may be far behind what is not.
    let wanted = if filtered {
        args.lines.max(1000)
    } else {
        args.lines
    };
    let rows = match args.log {
        Some(log) => from_files(log, wanted)?,
        None => match from_broker(wanted).await {
            Err(failure) if failure.status == Status::NotUp => {
                eprintln!("the broker is not up; the log is read from its file");
                from_files(log_file(None)?, wanted)?
            }
            rows => rows?,
        },
    };
    let mut rows: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::from_str(row).unwrap_or_else(|_| json!({"unreadable": row})))
        .filter(|row: &Value| {
            let is = |key: &str, wanted: &Option<String>| {
                wanted.as_ref().is_none_or(|w| row[key] == w.as_str())
            };
            is("agent", &args.agent) && is("outcome", &args.outcome)
        })
        .collect();
    rows.drain(..rows.len().saturating_sub(args.lines as usize));
    if out.json {
        return out.value(&rows.into());
    }
    table(out, &rows)
}

async fn from_broker(lines: u32) -> Result<Vec<String>> {
    let bus = bus::session().await?;
    Ok(Tools1Proxy::new(&bus).await?.audit(lines).await?)
}

fn from_files(log: PathBuf, lines: u32) -> Result<Vec<String>> {
    if !log.exists() {
        let text = format!("there is no audit log {}", log.display());
        return Err(Failure::new(Status::NotFound, text)
            .hint("the broker makes it when it first starts; --log reads another"));
    }
    argos_audit::tail(&log, lines as usize).map_err(|e| Failure::new(Status::Failed, e.to_string()))
}

/// The log that is meant.
fn log_file(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(log) = named {
        return Ok(log);
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or_else(|| {
        Failure::new(Status::Failed, "HOME is not set: whose log is meant?")
            .hint("--log names the file")
    })?;
    Ok(PathBuf::from(home).join(".local/state/argos/audit.jsonl"))
}

fn verified(out: Output, log: &std::path::Path, report: &Report) -> Result {
    let problems = report.problems.len() as u64 + report.more;
    if out.json {
        let mut value = json!(report);
        value["log"] = json!(log);
        value["whole"] = report.is_whole().into();
        value["last"] = json!(report.last.as_ref().map(ToString::to_string));
        out.value(&value)?;
    } else {
        let first = report.first.unwrap_or(0);
        let last = report.last.as_ref().map_or(0, |pin| pin.number);
        out.line(format!(
            "{}: {} rows, numbers {first} to {last}",
            log.display(),
            report.rows
        ))?;
        if report.unchained > 0 {
            out.line(format!(
                "  {} lines are from before there was a chain",
                report.unchained
            ))?;
        }
        for (findings, word, tone) in [
            (&report.lost, "lost", Tone::Busy),
            (&report.problems, "wrong", Tone::Bad),
        ] {
            for found in findings {
                let word = out.paint(word, tone);
                let place = format!("{}:{}", found.file.display(), found.line);
                out.line(format!(
                    "  {word}  {}: {}",
                    one_line(&place),
                    one_line(&found.what)
                ))?;
            }
        }
        if report.more > 0 {
            out.line(format!("  and {} more", report.more))?;
        }
        match &report.last {
            Some(pin) if report.is_whole() => out.line(format!("whole; last row {pin}"))?,
            _ => {}
        }
    }
    if report.is_whole() {
        return Ok(());
    }
    let text = match problems {
        1 => "the audit log is not whole: 1 thing is wrong".to_owned(),
        n => format!("the audit log is not whole: {n} things are wrong"),
    };
    Err(Failure::new(Status::Failed, text)
        .hint("keep a copy of the log and its .anchor before anything else writes to them"))
}

fn table(out: Output, rows: &[Value]) -> Result {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or("").to_owned();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let outcome = text(row, "outcome");
            let tone = match outcome.as_str() {
                "ok" => Tone::Good,
                "denied" | "cancelled" | "begun" => Tone::Busy,
                _ => Tone::Bad,
            };
            // A row may be about several calls that ran into a limit.
            let outcome = match row["calls"].as_u64() {
                Some(calls) if calls > 1 => format!("{outcome} (×{calls})"),
                _ => outcome,
            };
            let when = text(row, "time").parse::<jiff::Timestamp>().ok();
            let when = when.and_then(|when| u64::try_from(when.as_millisecond()).ok());
            // The log's own rows are about the log.
            let about = match row["event"].as_str() {
                Some(event) => format!("log: {event} {}", text(row, "error")),
                None => format!("{} {}", text(row, "action"), exact(&text(row, "resource"))),
            };
            [
                Cell::from(when.map_or_else(|| "?".to_owned(), clock)),
                text(row, "agent").into(),
                text(row, "tool").into(),
                Cell::toned(outcome, tone),
                text(row, "by").into(),
                about.into(),
            ]
        })
        .collect();
    out.table(
        ["TIME", "AGENT", "TOOL", "OUTCOME", "DECIDED BY", "FOR"],
        &rows,
    )
}

/// A resource as it goes to the broker: paths that a shell user writes become absolute.
fn place(action: &str, resource: &str) -> Result<String> {
    let shorthand = matches!(resource, "." | ".." | "~")
        || ["./", "../", "~/"].iter().any(|p| resource.starts_with(p));
    if action == "network" || !shorthand {
        return Ok(resource.to_owned());
    }
    let wrong = |why: String| {
        Failure::new(Status::Failed, format!("{}: {why}", exact(resource)))
            .hint("write the path from / on")
    };
    let path = match resource.strip_prefix('~') {
        Some(rest) => {
            let home = std::env::var_os("HOME").ok_or_else(|| wrong("HOME is not set".into()))?;
            PathBuf::from(home).join(rest.trim_start_matches('/'))
        }
        None => PathBuf::from(resource),
    };
    let path = match std::fs::canonicalize(&path) {
        Ok(path) => path,
        Err(_) => std::path::absolute(&path).map_err(|e| wrong(e.to_string()))?,
    };
    path.into_os_string()
        .into_string()
        .map_err(|_| wrong("it leads to a name that is no text".into()))
}

/// `30m`, `1h30m`, `7d`.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || {
        "a time is a number and a unit: 90s, 30m, 12h, 7d, 2w, or several as in 1h30m".to_owned()
    };
    let mut rest = text;
    let mut seconds = 0u64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let mut unit = behind.chars();
        let each = match unit.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        seconds = number
            .checked_mul(each)
            .and_then(|more| seconds.checked_add(more))
            .ok_or_else(wrong)?;
        rest = unit.as_str();
    }
    // A century is enough for anybody, and keeps sums of times in bounds.
    match seconds {
        0 => Err(wrong()),
        1..=3_153_600_000 => Ok(Duration::from_secs(seconds)),
        _ => Err("that is more than a hundred years; leave --for out to grant for ever".to_owned()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "m",
            "30",
            "30x",
            "-1m",
            "0m",
            "1.5h",
            "99999999999999999999d",
            "200000w",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_become_absolute_and_words_stay() {
        assert_eq!(place("write", "notes").unwrap(), "notes");
        assert_eq!(place("read", "memory/steward").unwrap(), "memory/steward");
        assert_eq!(place("read", "/no/such").unwrap(), "/no/such");
        assert_eq!(place("network", "~").unwrap(), "~");
        assert!(place("read", "./no-such").unwrap().starts_with('/'));
        assert_eq!(place("read", "..").unwrap().matches("..").count(), 0);
    }
}
