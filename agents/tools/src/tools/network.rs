//! What the tools on the network have in common: the network service of the machine.

use argos_bus::network::{Network1Proxy, Status};
use serde_json::{Value, json};

use crate::{Env, ToolError};

/// Resource of the permission.
pub(super) const RESOURCE: &str = "network";
/// The most links, and addresses of one, that are told.
const MOST: usize = 64;

pub(super) async fn network<'a>(tried: &str, env: &Env) -> Result<Network1Proxy<'a>, ToolError> {
    Network1Proxy::new(super::system_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}

/// Where the network stands, as it is told to agents.
pub(super) fn tell(status: &Status) -> Value {
    let links = status.links.iter().take(MOST).map(|link| {
        let addresses: Vec<&str> = link.addresses.iter().take(MOST).map(|a| &**a).collect();
        json!({
            "link": link.name,
            "kind": link.kind,
            "up": link.up,
            "connected": link.connected,
            "addresses": addresses,
        })
    });
    let links: Vec<Value> = links.collect();
    let routes = status.default_routes.iter().take(MOST);
    let routes: Vec<Value> = routes
        .map(|route| json!({"gateway": route.gateway, "link": route.link, "metric": route.metric}))
        .collect();
    json!({
        "enabled": status.enabled,
        "links": links,
        "default_routes": routes,
        "truncated": status.links.len() > MOST,
    })
}
