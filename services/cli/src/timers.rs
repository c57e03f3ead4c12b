//! Timers and reminders.

use argos_bus::timers::Timers1Proxy;
use serde_json::json;

use crate::args::TimersCommand;
use crate::bus;
use crate::failure::Result;
use crate::output::{Cell, Output, Tone, local};

pub(crate) async fn run(out: Output, command: TimersCommand) -> Result {
    let bus = bus::session().await?;
    let timers = Timers1Proxy::new(&bus).await?;
    match command {
        TimersCommand::List => {
            let all = timers.list().await?;
            if out.json {
                return out.value(&json!(all));
            }
            if all.is_empty() {
                return out.line("no timer or reminder is set");
            }
            let rows: Vec<_> = all
                .iter()
                .map(|timer| {
                    [
                        Cell::from(timer.id.to_string()),
                        moment(timer.due_ms).into(),
                        timer.kind.as_str().into(),
                        Cell::toned(setter(&timer.agent), Tone::Faint),
                        timer.text.as_str().into(),
                    ]
                })
                .collect();
            out.table(["ID", "DUE", "KIND", "SET BY", ""], &rows)
        }
        TimersCommand::Cancel { id } => {
            timers.cancel(id).await?;
            out.done(format!("{id} is taken back"))
        }
    }
}

fn setter(agent: &str) -> &str {
    if agent.is_empty() { "you" } else { agent }
}

/// A moment ahead, in local time.
fn moment(ms: u64) -> String {
    local(ms).map_or_else(
        || "?".to_owned(),
        |when| when.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
