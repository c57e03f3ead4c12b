//! What the tools on sound and screen have in common: the device service of the machine.

use argos_bus::devices::Devices1Proxy;

use crate::{Code, Env, ToolError};

pub(super) async fn devices<'a>(tried: &str, env: &Env) -> Result<Devices1Proxy<'a>, ToolError> {
    let unavailable = |why: String| ToolError::new(Code::Unavailable, tried, why);
    let Some(bus) = &env.system else {
        return Err(unavailable("the system bus cannot be reached".to_owned()));
    };
    Devices1Proxy::new(bus)
        .await
        .map_err(|error| unavailable(error.to_string()))
}
