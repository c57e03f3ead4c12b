//! `services.status`: where one service stands, and why.

use argos_bus::init::Unit;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Definition, services};
use crate::tool::Resolved;
use crate::{Action, Call, Code, Context, Env, ToolError, Verdict, text};

pub(crate) struct ServicesStatus;

/// The service to look at.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// Unit's name: `seatd`.
    #[schemars(length(min = 1, max = 128))]
    unit: String,
}

impl Definition for ServicesStatus {
    const NAME: &'static str = "services.status";
    const DESCRIPTION: &'static str = "Tells how one service of the system is doing";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        let unit = words(&arguments.unit);
        text::sized(Self::NAME, "unit's name", &unit, 128)?;
        text::plain(Self::NAME, "unit's name", &unit)?;
        let summary = "Look at the state of one of the system's services.";
        Resolved::new(&Arguments { unit }, "services", summary, Self::DEFAULT)
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let tried = format!("services.status {}", arguments.unit);
            let units = services::units(&tried, env).await?;
            find(&units, &arguments.unit)
                .map(services::tell)
                .ok_or_else(|| missing(&tried, &units, &arguments.unit))
        })
    }
}

/// What was said, without what is no part of a unit's name.
fn words(said: &str) -> String {
    let mut name = said.trim();
    for article in ["the ", "The "] {
        name = name.strip_prefix(article).unwrap_or(name).trim();
    }
    for kind in [".service", " service", " unit", " daemon"] {
        name = name.strip_suffix(kind).unwrap_or(name).trim();
    }
    name.to_owned()
}

/// The unit by its exact name, or the only one that the words fit.
fn find<'a>(units: &'a [Unit], said: &str) -> Option<&'a Unit> {
    let wanted = said.to_lowercase().replace(' ', "-");
    if let Some(unit) = units.iter().find(|unit| unit.name.to_lowercase() == wanted) {
        return Some(unit);
    }
    let mut near = units.iter().filter(|unit| {
        unit.name.to_lowercase().contains(&wanted)
            || unit
                .description
                .to_lowercase()
                .contains(&said.to_lowercase())
    });
    match (near.next(), near.next()) {
        (Some(unit), None) => Some(unit),
        _ => None,
    }
}

fn missing(tried: &str, units: &[Unit], said: &str) -> ToolError {
    let mut near: Vec<(f64, &str)> = units
        .iter()
        .map(|unit| {
            let contains = unit
                .description
                .to_lowercase()
                .contains(&said.to_lowercase());
            (
                if contains {
                    1.0
                } else {
                    strsim::jaro_winkler(&unit.name, said)
                },
                unit.name.as_str(),
            )
        })
        .filter(|(score, _)| *score > 0.7)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.into_iter().take(5).map(|(_, name)| name).collect();
    let error = ToolError::new(Code::NotFound, tried, "no one service fits this name");
    if near.is_empty() {
        error.hint("services.list lists them")
    } else {
        error.hint(format!("There is {}", near.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, description: &str) -> Unit {
        Unit {
            name: name.into(),
            description: description.into(),
            kind: "service".into(),
            wanted: true,
            state: "up".into(),
            detail: String::new(),
            pid: 1,
            restarts: 0,
            since_ms: 0,
        }
    }

    #[test]
    fn names_are_found_as_people_say_them() {
        let units = [
            unit("dbus", "System message bus"),
            unit("udev", "Devices"),
            unit("udev-coldplug", "Cold plug"),
        ];
        for (said, name) in [
            ("dbus", Some("dbus")),
            ("DBus", Some("dbus")),
            ("message bus", Some("dbus")),
            ("udev coldplug", Some("udev-coldplug")),
            ("udev", Some("udev")),
            ("ude", None),
            ("bluetooth", None),
        ] {
            assert_eq!(
                find(&units, said).map(|unit| unit.name.as_str()),
                name,
                "{said}"
            );
        }
        assert_eq!(words("the seatd service"), "seatd");
        assert!(missing("t", &units, "dbux").hint.contains("dbus"));
    }
}
