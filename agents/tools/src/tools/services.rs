//! What the tools on services have in common: PID 1, over its bridge on the system bus.

use argos_bus::init::{Init1Proxy, Unit};
use serde_json::{Value, json};

use crate::{Code, Env, ToolError};

pub(super) async fn init<'a>(tried: &str, env: &Env) -> Result<Init1Proxy<'a>, ToolError> {
    Init1Proxy::new(super::system_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}

pub(super) async fn units(tried: &str, env: &Env) -> Result<Vec<Unit>, ToolError> {
    init(tried, env)
        .await?
        .list_units()
        .await
        .map_err(|error| super::from_service(tried, error))
}

/// A unit as it is told to agents.
pub(super) fn tell(unit: &Unit) -> Value {
    let since = i64::try_from(unit.since_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let mut told = json!({
        "unit": unit.name,
        "description": unit.description,
        "kind": unit.kind,
        "state": unit.state,
        "wanted": unit.wanted,
    });
    if !unit.detail.is_empty() {
        told["detail"] = unit.detail.clone().into();
    }
    if unit.restarts > 0 {
        told["restarts"] = unit.restarts.into();
    }
    if let Some(since) = since {
        told["since"] = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    }
    told
}

/// What was said, without what is no part of a unit's name.
pub(super) fn words(said: &str) -> String {
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
pub(super) fn find<'a>(units: &'a [Unit], said: &str) -> Option<&'a Unit> {
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

pub(super) fn missing(tried: &str, units: &[Unit], said: &str) -> ToolError {
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
