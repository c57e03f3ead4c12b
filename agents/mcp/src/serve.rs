//! Our tools for an MCP client outside, on standard input and output.
//!
//! The client is what an agent is: the broker gives it a socket of its own and knows it as
//! `mcp-client:NAME`. Each call is checked, asked about on the screen, limited and recorded there; a
//! refusal comes back as the error of that call. Names have `_` for `.`: many clients hand tools to
//! models whose makers take no dot.

use anyhow::Context;
use argos_bus::agent::AgentLinkProxy;
use argos_bus::providers::Providers1Proxy;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorCode, ErrorData,
    Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::Value;
use zbus::connection::{AuthMechanism, Builder};

use crate::provider::words;

/// Serves until the client, or the broker, goes away.
pub(crate) async fn run(name: &str) -> anyhow::Result<()> {
    let bus = session().await?;
    let providers = Providers1Proxy::new(&bus).await?;
    let socket = providers.open_client(name).await.map_err(|error| {
        anyhow::anyhow!("the broker has no place for `{name}`: {}", words(&error))
    })?;
    let socket = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(socket));
    let connection = Builder::unix_stream(socket)
        .p2p()
        .auth_mechanism(AuthMechanism::Anonymous)
        .build()
        .await
        .context("the broker does not answer on the socket that it gave")?;
    let broker = AgentLinkProxy::new(&connection).await?;
    let gate = Gate { broker };
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
}

/// A tool as the broker tells it.
struct Known {
    /// `files.list`.
    name: String,
    /// `files_list`.
    outer: String,
    description: String,
    schema: JsonObject,
}

impl Gate {
    async fn tools(&self) -> Result<Vec<Known>, ErrorData> {
        let failed = |why: String| ErrorData::new(ErrorCode::INTERNAL_ERROR, why, None);
        let text = self
            .broker
            .describe()
            .await
            .map_err(|e| failed(words(&e)))?;
        let me: Value = serde_json::from_str(&text).map_err(|e| failed(e.to_string()))?;
        let mut tools = Vec::new();
        for tool in me["tools"].as_array().into_iter().flatten() {
            let (Some(name), Value::Object(schema)) = (tool["name"].as_str(), &tool["schema"])
            else {
                continue;
            };
            tools.push(Known {
                name: name.to_owned(),
                outer: outer(name),
                description: tool["description"].as_str().unwrap_or_default().to_owned(),
                schema: schema.clone(),
            });
        }
        Ok(tools)
    }
}

fn outer(name: &str) -> String {
    name.replace('.', "_")
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
        let tools = self.tools().await?.into_iter().map(|tool| {
            Tool::new(
                tool.outer,
                tool.description,
                std::sync::Arc::new(tool.schema),
            )
        });
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tools = self.tools().await?;
        let wanted = request.name.as_ref();
        let known = tools
            .iter()
            .find(|tool| tool.name == wanted || tool.outer == wanted);
        let Some(tool) = known else {
            return Err(ErrorData::new(
                ErrorCode::INVALID_PARAMS,
                format!("there is no tool {wanted:?}; tools/list tells what there is"),
                None,
            ));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default()).to_string();
        let called = tokio::select! {
            called = self.broker.call_tool(&tool.name, &arguments) => called,
            () = context.ct.cancelled() => {
                return Err(ErrorData::new(
                    ErrorCode::INVALID_REQUEST,
                    "cancelled; what had begun already may still be done",
                    None,
                ));
            }
        };
        let result = match called {
            Ok(text) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(text.clone())]);
                // Structured content is an object.
                if let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) {
                    result.structured_content = Some(value);
                }
                result
            }
            Err(error) => CallToolResult::error(vec![ContentBlock::text(words(&error))]),
        };
        Ok(result.into())
    }
}
