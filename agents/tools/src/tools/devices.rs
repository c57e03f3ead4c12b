//! What the tools on sound and screen have in common: the device service of the machine.

use argos_bus::devices::Devices1Proxy;

use crate::{Env, ToolError};

pub(super) async fn devices<'a>(tried: &str, env: &Env) -> Result<Devices1Proxy<'a>, ToolError> {
    Devices1Proxy::new(super::system_bus(tried, env)?)
        .await
        .map_err(|error| super::unavailable(tried, error))
}
