//! What the tools on services have in common: PID 1, over its bridge on the system bus.

use argos_bus::init::{Init1Proxy, Unit};
use serde_json::{Value, json};

use crate::{Code, Env, ToolError};

pub(super) async fn init<'a>(tried: &str, env: &Env) -> Result<Init1Proxy<'a>, ToolError> {
    let unavailable = |why: String| ToolError::new(Code::Unavailable, tried, why);
    let Some(bus) = &env.system else {
        return Err(unavailable("the system bus cannot be reached".to_owned()));
    };
    Init1Proxy::new(bus)
        .await
        .map_err(|error| unavailable(error.to_string()))
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
