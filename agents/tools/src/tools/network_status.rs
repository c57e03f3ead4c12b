//! `network.status`: links, addresses and where they lead. Nothing of who talks to whom.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Definition, Nothing, network};
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct NetworkStatus;

impl Definition for NetworkStatus {
    const NAME: &'static str = "network.status";
    const DESCRIPTION: &'static str = "Tells whether the network is on, its links and addresses";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Nothing;

    fn resolve(arguments: Nothing, _: &Context) -> Result<Resolved, ToolError> {
        let summary = "Look at the machine's network links.";
        Resolved::new(&arguments, network::RESOURCE, summary, Self::DEFAULT)
    }

    fn execute<'a>(_: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        Box::pin(async move {
            let status = network::network(Self::NAME, env)
                .await?
                .status()
                .await
                .map_err(|error| super::from_service(Self::NAME, error))?;
            Ok(network::tell(&status))
        })
    }
}
