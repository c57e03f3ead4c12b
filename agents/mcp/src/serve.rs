//! Our tools for an MCP client outside, on standard input and output.
//!
//! The client is what an agent is: the broker gives it a socket of its own and knows it as
//! `mcp-client:NAME`. Each call is checked, asked about on the screen, limited and recorded there; a
//! refusal comes back as the error of that call, and one that the client cancels is called back. Names
//! have `_` for `.`: many clients hand tools to models whose makers take no dot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use argos_bus::Error;
use argos_bus::agent::AgentLinkProxy;
use argos_bus::providers::Providers1Proxy;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData,
    Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
    Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::Value;
use zbus::connection::{AuthMechanism, Builder};

/// How long until a call that the broker does not know is called back again.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves until the client, or the broker, goes away.
pub(crate) async fn run(name: &str) -> anyhow::Result<()> {
    let bus = session().await?;
    let providers = Providers1Proxy::new(&bus).await?;
    let socket = providers.open_client(name).await.map_err(|error| {
        anyhow::anyhow!("the broker has no place for `{name}`: {}", error.text())
    })?;
    let socket = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(socket));
    let connection = Builder::unix_stream(socket)
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await
        .context("the broker does not answer on the socket that it gave")?;
    let broker = AgentLinkProxy::new(&connection).await?;
    let gate = Gate {
        broker,
        names: Mutex::default(),
        calls: AtomicU64::new(0),
    };
    let service = gate
        .serve(rmcp::transport::stdio())
        .await
        .context("the client on standard input does not speak MCP")?;
    tokio::select! {
        ended = service.waiting() => {
            ended.context("serving ended unexpectedly")?;
            Ok(())
        }
        () = connection.closed() => anyhow::bail!("the broker is gone"),
    }
}

/// The bus of the desktop: as the environment says, or where PID 1 makes it.
async fn session() -> anyhow::Result<zbus::Connection> {
    let builder = if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
        zbus::connection::Builder::session()
    } else {
        let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(
            || format!("/run/user/{}", rustix::process::getuid().as_raw()),
            |folder| folder.to_string_lossy().into_owned(),
        );
        zbus::connection::Builder::address(format!("unix:path={folder}/bus").as_str())
    };
    builder
        .build()
        .await
        .context("the desktop's message bus is not there; `argos status --user bus` shows why")
}

struct Gate {
    broker: AgentLinkProxy<'static>,
    /// The broker's name of each tool, by the one that the client knows.
    names: Mutex<HashMap<String, String>>,
    /// Calls so far: their numbers.
    calls: AtomicU64,
}

impl Gate {
    /// The tools, as the broker tells them now.
    async fn tools(&self) -> Result<Vec<Tool>, ErrorData> {
        let failed = |why: String| ErrorData::new(ErrorCode::INTERNAL_ERROR, why, None);
        let text = self.broker.describe().await.map_err(|e| failed(e.text()))?;
        let me: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
        let mut names = HashMap::new();
        let mut tools = Vec::new();
        for tool in me["tools"].as_array().into_iter().flatten() {
            let (Some(name), Value::Object(schema)) = (tool["name"].as_str(), &tool["schema"])
            else {
                continue;
            };
            let description = tool["description"].as_str().unwrap_or_default().to_owned();
            let outer = outer(name, &names);
            names.insert(outer.clone(), name.to_owned());
            tools.push(Tool::new(outer, description, Arc::new(schema.clone())));
        }
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(tools)
    }

    /// The broker's name of a tool, if it is known by this one.
    fn known(&self, wanted: &str) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .get(wanted)
            .or_else(|| names.values().find(|name| *name == wanted))
            .cloned()
    }
}

/// The name for the client: without dots, unless another tool has that one already.
fn outer(name: &str, taken: &HashMap<String, String>) -> String {
    let plain = name.replace('.', "_");
    match taken.contains_key(&plain) {
        true => name.to_owned(),
        false => plain,
    }
}

/// Calls a call back when it is dropped before its end.
struct CallBack {
    broker: AgentLinkProxy<'static>,
    call: u64,
    over: bool,
}

impl Drop for CallBack {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (broker, call) = (self.broker.clone(), self.call);
        tokio::spawn(async move {
            // The broker may not have got to the call yet; one that ended meanwhile needs no calling
            // back.
            let mut again = AGAIN;
            for _ in 0..6 {
                match broker.cancel(call).await {
                    Err(Error::NotFound(_)) => tokio::time::sleep(again).await,
                    _ => return,
                }
                again *= 2;
            }
        });
    }
}

impl ServerHandler for Gate {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("argos", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Tools of an ArgOS desktop. The person at its screen is asked before most of them \
                 act; a call waits for that, and a refusal is an answer that stands.",
            )
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.tools().await.map(ListToolsResult::with_all_items)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let wanted = request.name.as_ref();
        let known = match self.known(wanted) {
            Some(name) => Some(name),
            None => {
                self.tools().await?;
                self.known(wanted)
            }
        };
        let Some(tool) = known else {
            return Err(ErrorData::new(
                ErrorCode::INVALID_PARAMS,
                format!("there is no tool {wanted:?}; tools/list tells what there is"),
                None,
            ));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default()).to_string();
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let mut back = CallBack {
            broker: self.broker.clone(),
            call,
            over: false,
        };
        let called = tokio::select! {
            called = self.broker.call_tool_as(call, &tool, &arguments) => called,
            () = context.ct.cancelled() => {
                return Err(ErrorData::new(
                    ErrorCode::INVALID_REQUEST,
                    "cancelled; what had begun already may still be done",
                    None,
                ));
            }
        };
        back.over = true;
        let result = match called {
            Ok(text) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(text.clone())]);
                // Structured content is an object.
                if let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) {
                    result.structured_content = Some(value);
                }
                result
            }
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.text())]),
        };
        Ok(result.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tools_have_one_name() {
        let mut names = HashMap::new();
        for name in ["files.list", "mcp.x.a.b", "mcp.x.a_b"] {
            let outer = outer(name, &names);
            assert!(names.insert(outer, name.to_owned()).is_none());
        }
        let mut known: Vec<_> = names.into_keys().collect();
        known.sort();
        assert_eq!(known, ["files_list", "mcp.x.a_b", "mcp_x_a_b"]);
    }
}
