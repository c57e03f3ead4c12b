//! Units, over the control socket: works when D-Bus does not.

use std::path::PathBuf;
use std::time::Duration;

use argos_bus::power::Shutdown;
use argos_control::{Client, UnitState, UnitStatus};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::args::{LogArgs, PowerArgs, ScopeArgs, StatusArgs, UnitArgs};
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone, lines, one_line, span};

/// A connection to the supervisor that is meant.
pub(crate) fn connect(scope: &ScopeArgs) -> Result<Client> {
    let client = match &scope.control {
        Some(socket) => Client::connect(socket),
        None if scope.user => Client::connect(user_socket()?),
        None => Client::system(),
    };
    Ok(client?)
}

/// The person's supervisor; also found from a console that the desktop did not start.
fn user_socket() -> Result<PathBuf> {
    Ok(bus::runtime_dir()?.join(argos_control::USER_SOCKET))
}

pub(crate) fn status(out: Output, args: &StatusArgs) -> Result {
    let mut client = connect(&args.scope)?;
    match &args.unit {
        Some(name) => one(out, &mut client, name),
        None => {
            let units = client.status()?;
            all(out, &units, &client.problems()?, args.all)
        }
    }
}

fn all(out: Output, units: &[UnitStatus], problems: &[String], every: bool) -> Result {
    let shown: Vec<_> = units
        .iter()
        .filter(|unit| every || out.json || unit.wanted || unit.state != UnitState::Down)
        .collect();
    if out.json {
        return out.value(&shown.iter().map(|unit| to_json(unit)).collect());
    }
    let now = boot_ms();
    let rows: Vec<_> = shown
        .iter()
        .map(|unit| {
            let detail = if unit.detail.is_empty() {
                &unit.description
            } else {
                &unit.detail
            };
            [
                Cell::from(unit.name.as_str()),
                Cell::toned(unit.state.as_str(), tone(unit)),
                span(now.saturating_sub(unit.since_ms)).into(),
                if unit.pid == 0 {
                    "-".to_owned()
                } else {
                    unit.pid.to_string()
                }
                .into(),
                if unit.restarts == 0 {
                    "-".to_owned()
                } else {
                    unit.restarts.to_string()
                }
                .into(),
                detail.as_str().into(),
            ]
        })
        .collect();
    out.table(["UNIT", "STATE", "FOR", "PID", "RESTARTS", ""], &rows)?;
    let bad: Vec<_> = shown
        .iter()
        .filter(|unit| tone(unit) == Tone::Bad)
        .collect();
    let hidden = units.len() - shown.len();
    let mut summary = format!("\n{} units", shown.len());
    if hidden > 0 {
        summary.push_str(&format!(" ({hidden} more are down: --all)"));
    }
    if let Some(first) = bad.first() {
        summary.push_str(&format!(
            ", {} not well; see: argos log {}",
            bad.len(),
            first.name
        ));
    }
    out.line(summary)?;
    // A file with a mistake makes no unit, so that the table cannot tell of it.
    if !problems.is_empty() {
        out.line("\nLeft out, for what their files say:")?;
    }
    for problem in problems {
        out.line(format!("  {problem}"))?;
    }
    Ok(())
}

fn one(out: Output, client: &mut Client, name: &str) -> Result {
    let unit = client.unit(name)?;
    let log = client.log(name, 10).unwrap_or_default();
    if out.json {
        let mut value = to_json(&unit);
        value["log"] = log.into();
        out.value(&value)?;
    } else {
        let now = boot_ms();
        out.line(format!("{} - {}", unit.name, one_line(&unit.description)))?;
        let state = out.paint(unit.state.as_str(), tone(&unit));
        let wanted = if unit.wanted { "wanted" } else { "not wanted" };
        out.line(format!(
            "  state     {state} ({wanted}), for {}",
            span(now.saturating_sub(unit.since_ms))
        ))?;
        if !unit.detail.is_empty() {
            out.line(format!("  detail    {}", one_line(&unit.detail)))?;
        }
        out.line(format!("  kind      {}", unit.kind))?;
        if unit.pid != 0 {
            out.line(format!("  process   {}", unit.pid))?;
        }
        if unit.restarts != 0 {
            out.line(format!("  restarts  {}", unit.restarts))?;
        }
        if !log.is_empty() {
            out.line("")?;
            for line in log {
                out.line(out.paint(&lines(&line), Tone::Faint))?;
            }
        }
    }
    if unit.state == UnitState::Up {
        Ok(())
    } else {
        Err(Failure::silent(Status::NotUp))
    }
}

/// Starts, stops or restarts each unit; goes on after a failure and returns the first one.
pub(crate) fn change(
    out: Output,
    args: &UnitArgs,
    done: &str,
    request: fn(&mut Client, &str) -> argos_control::client::Result<()>,
) -> Result {
    let mut client = connect(&args.scope)?;
    let user = if args.scope.user { " --user" } else { "" };
    let mut first = None;
    let mut results = Vec::new();
    for name in &args.units {
        match request(&mut client, name) {
            Ok(()) => {
                out.done(format!("{name}: {done}"))?;
                results.push(json!({"unit": name, "ok": true}));
            }
            Err(error) => {
                results.push(json!({"unit": name, "ok": false, "error": error.to_string()}));
                let mut failure = Failure::from(error);
                failure
                    .hint
                    .get_or_insert_with(|| format!("`argos status{user} {name}` shows more"));
                if let Some(earlier) = first.replace(failure) {
                    crate::complain(&earlier);
                }
            }
        }
    }
    if out.json {
        out.value(&results.into())?;
    }
    first.map_or(Ok(()), Err)
}

pub(crate) fn log(out: Output, args: &LogArgs) -> Result {
    let log = connect(&args.scope)?.log(&args.unit, args.lines)?;
    if out.json {
        return out.value(&log.into());
    }
    log.iter().try_for_each(|line| out.line(lines(line)))
}

pub(crate) fn reload(out: Output, scope: &ScopeArgs) -> Result {
    let left_out = connect(scope)?.reload()?;
    if out.json {
        return out.value(&json!({"left_out": left_out}));
    }
    out.line("unit files are read again")?;
    left_out
        .iter()
        .try_for_each(|problem| out.line(format!("left out: {}", lines(problem))))
}

/// Shuts down, unless a program blocks that.
pub(crate) async fn power(out: Output, args: &PowerArgs, how: Shutdown) -> Result {
    /// Longer than programs may delay a shutdown.
    const PATIENCE: Duration = Duration::from_secs(10);
    let told = match how {
        Shutdown::PowerOff => "switching off",
        Shutdown::Reboot => "restarting",
    };
    let asked = !args.force
        && match tokio::time::timeout(PATIENCE, bus::ask_login(how)).await {
            Ok(asked) => asked?,
            Err(_) => false,
        };
    if !asked {
        let mut client = Client::system()?;
        match how {
            Shutdown::PowerOff => client.poweroff()?,
            Shutdown::Reboot => client.reboot()?,
        }
    }
    out.done(told)
}

fn to_json(unit: &UnitStatus) -> Value {
    json!({
        "name": unit.name,
        "description": unit.description,
        "kind": unit.kind,
        "wanted": unit.wanted,
        "state": unit.state.as_str(),
        "detail": unit.detail,
        "pid": unit.pid,
        "restarts": unit.restarts,
        "for_ms": boot_ms().saturating_sub(unit.since_ms),
    })
}

/// How well a unit is.
pub(crate) fn tone(unit: &UnitStatus) -> Tone {
    match unit.state {
        UnitState::Up => Tone::Good,
        UnitState::Failed | UnitState::BackingOff => Tone::Bad,
        UnitState::Down => Tone::Faint,
        UnitState::Waiting | UnitState::Starting | UnitState::Stopping => Tone::Busy,
    }
}

/// Milliseconds since the kernel began, as units count them.
fn boot_ms() -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
