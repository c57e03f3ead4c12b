//! `org.argos.ToolProvider1` over one connected MCP server, and what the server may ask of us.
//!
//! A server can ask its client for three things. A confirmation (elicitation of a yes or no) becomes a
//! question to the person, by the broker. Other elicitations, sampling and roots are refused in words
//! that a developer of servers understands: a form would have the person type into a window that a
//! stranger words, a model is not a server's to use, and which folders there are is said by the
//! sandbox.
//!
//! Up to revision 2025-11-25 of MCP it asks with requests of its own ([`Means`]). From 2026-07-28 on
//! what it wants to know is its answer to the call, which is then made again with what it was told
//! ([`Provider::call`]).

// Sampling and roots are deprecated in MCP; refusing them still takes their types.
#![allow(deprecated)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use argos_bus::tool_provider::{ProvidedTool, ToolHost1Proxy};
use argos_bus::{Error, Result};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientConfig,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, ErrorCode, ErrorData, Implementation, InputRequest,
    InputRequiredResult, InputResponses, ListRootsResult, PaginatedRequestParams,
    PrimitiveSchemaDefinition,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient, RunningService};
use rmcp::{ClientHandler, ServiceError};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use zbus::object_server::SignalEmitter;

use crate::result;

/// Pages of tools that are asked for.
const MAX_PAGES: usize = 32;
/// How often one call is made again because the server wants to know something first, and how long
/// after an answer that asks for nothing but patience.
const MAX_ROUNDS: usize = 16;
const ROUND: Duration = Duration::from_millis(200);

/// What the server's requests are answered with.
#[derive(Clone, Default)]
pub(crate) struct Means {
    /// The broker, once it is connected.
    pub(crate) host: Arc<OnceLock<ToolHost1Proxy<'static>>>,
    calls: Arc<Mutex<HashMap<u64, AbortHandle>>>,
    pub(crate) changed: Arc<Notify>,
}

impl Means {
    fn calls(&self) -> std::sync::MutexGuard<'_, HashMap<u64, AbortHandle>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call that a question of the server belongs to: the only one that runs.
    fn current(&self) -> Option<u64> {
        let calls = self.calls();
        let mut ids = calls.keys();
        match (ids.next(), ids.next()) {
            (Some(id), None) => Some(*id),
            _ => None,
        }
    }
}

fn refused(code: ErrorCode, why: &str) -> ErrorData {
    ErrorData::new(code, why.to_owned(), None)
}

fn no_sampling() -> ErrorData {
    refused(
        ErrorCode::METHOD_NOT_FOUND,
        "sampling is refused: ArgOS gives its models to agents, not to MCP servers",
    )
}

fn no_roots() -> ErrorData {
    refused(
        ErrorCode::METHOD_NOT_FOUND,
        "roots are refused: the folders of this server are those of its sandbox, as its declaration \
         says",
    )
}

impl Means {
    /// Has a confirmation asked of the person, for this call; refuses every other elicitation.
    async fn elicit(
        &self,
        call: Option<u64>,
        request: ElicitRequestParams,
    ) -> std::result::Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        } = request
        else {
            return Err(refused(
                ErrorCode::INVALID_PARAMS,
                "this elicitation is refused: ArgOS opens no address that a server names",
            ));
        };
        let Some(content) = confirmation(&requested_schema) else {
            return Err(refused(
                ErrorCode::INVALID_PARAMS,
                "this elicitation is refused: ArgOS asks the person for a yes or no only (a schema \
                 without properties, or with one boolean)",
            ));
        };
        let (Some(host), Some(id)) = (self.host.get(), call) else {
            return Err(refused(
                ErrorCode::INVALID_REQUEST,
                "this elicitation is refused: it is asked while exactly one tool call runs",
            ));
        };
        match host.confirm(id, &message).await {
            Ok(()) => Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content)),
            Err(Error::Denied(_)) => Ok(ElicitResult::new(ElicitationAction::Decline)),
            Err(Error::NoAnswer(_)) => Ok(ElicitResult::new(ElicitationAction::Cancel)),
            Err(error) => Err(refused(ErrorCode::INVALID_REQUEST, &error.text())),
        }
    }

    /// What the server wants to know before it goes on with this call, asked one by one.
    async fn answers(
        &self,
        call: u64,
        wanted: InputRequiredResult,
    ) -> std::result::Result<InputResponses, ErrorData> {
        let mut answers = InputResponses::new();
        for (key, request) in wanted.input_requests.unwrap_or_default() {
            let answer = match request {
                InputRequest::Elicitation(request) => {
                    json!(self.elicit(Some(call), request.params).await?)
                }
                InputRequest::CreateMessage(_) => return Err(no_sampling()),
                InputRequest::ListRoots(_) => return Err(no_roots()),
                _ => {
                    return Err(refused(
                        ErrorCode::METHOD_NOT_FOUND,
                        "what the server wants to know is of a kind that ArgOS does not know",
                    ));
                }
            };
            answers.insert(key, answer);
        }
        Ok(answers)
    }
}

impl ClientHandler for Means {
    fn get_info(&self) -> ClientConfig {
        let capabilities = serde_json::from_value(json!({"elicitation": {"form": {}}}));
        ClientConfig::new(
            capabilities.unwrap_or_default(),
            Implementation::new("argos", env!("CARGO_PKG_VERSION")),
        )
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<CreateMessageResult, ErrorData> {
        Err(no_sampling())
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<ListRootsResult, ErrorData> {
        Err(no_roots())
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<ElicitResult, ErrorData> {
        self.elicit(self.current(), request).await
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

/// What a yes is, in the terms of this schema; `None` if it asks for more than a yes or no.
fn confirmation(schema: &ElicitationSchema) -> Option<Value> {
    let mut properties = schema.properties.iter();
    match (properties.next(), properties.next()) {
        (None, _) => Some(json!({})),
        (Some((name, PrimitiveSchemaDefinition::Boolean(_))), None) => Some(json!({name: true})),
        _ => None,
    }
}

/// A connected server.
pub(crate) type Server = RunningService<RoleClient, Means>;

/// The interface on fd 3.
pub(crate) struct Provider {
    server: Arc<Server>,
    means: Means,
}

impl Provider {
    pub(crate) fn new(server: Arc<Server>, means: Means) -> Self {
        Self { server, means }
    }

    /// Makes one call, as often as the server wants to know something first.
    async fn call(
        server: &Server,
        means: &Means,
        id: u64,
        mut params: CallToolRequestParams,
    ) -> Result<CallToolResult> {
        for _ in 0..MAX_ROUNDS {
            let answer = server.call_tool_once(params.clone()).await;
            let wanted = match answer.map_err(|error| to_bus(&error))? {
                CallToolResponse::Complete(result) => return Ok(result),
                CallToolResponse::InputRequired(wanted) => wanted,
                _ => {
                    return Err(Error::Failed(
                        "the server makes a task of the call, which ArgOS does not speak"
                            .to_owned(),
                    ));
                }
            };
            let state = wanted.request_state.clone();
            // Not the caller's fault, whatever code it has.
            let answers = means
                .answers(id, wanted)
                .await
                .map_err(|error| Error::Failed(error.message.to_string()))?;
            if answers.is_empty() {
                tokio::time::sleep(ROUND).await;
            }
            params.input_responses = Some(answers).filter(|answers| !answers.is_empty());
            params.request_state = state;
        }
        Err(Error::Failed(format!(
            "the server wants to know something again and again; it was given {MAX_ROUNDS} turns"
        )))
    }
}

#[zbus::interface(name = "org.argos.ToolProvider1")]
impl Provider {
    async fn list_tools(&self) -> Result<Vec<ProvidedTool>> {
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let page = PaginatedRequestParams::default().with_cursor(cursor.take());
            let page = self.server.peer().list_tools(Some(page)).await;
            let page = page.map_err(|error| to_bus(&error))?;
            tools.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || tools.len() > result::MAX_TOOLS {
                break;
            }
        }
        let (declared, left_out) = result::declared(&tools);
        if left_out > 0 {
            eprintln!(
                "argos-mcp: {left_out} of {} tools do not fit and are left out",
                tools.len()
            );
        }
        Ok(declared)
    }

    async fn call_tool(&self, id: u64, tool: String, arguments: String) -> Result<String> {
        let arguments = serde_json::from_str(&arguments)
            .map_err(|error| Error::InvalidArguments(error.to_string()))?;
        let (server, means) = (Arc::clone(&self.server), self.means.clone());
        // A task, so that giving it up drops the request, which tells the server.
        let running = tokio::spawn(async move {
            let params = CallToolRequestParams::new(tool).with_arguments(arguments);
            Self::call(&server, &means, id, params).await
        });
        self.means.calls().insert(id, running.abort_handle());
        let outcome = running.await;
        self.means.calls().remove(&id);
        match outcome {
            Ok(Ok(result)) => result::passed_on(&result),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Failed("the call was given up".to_owned())),
        }
    }

    async fn cancel(&self, id: u64) -> Result<()> {
        // One that is over is as good as cancelled.
        if let Some(call) = self.means.calls().remove(&id) {
            call.abort();
        }
        Ok(())
    }

    #[zbus(signal)]
    pub(crate) async fn tools_changed(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}

fn to_bus(error: &ServiceError) -> Error {
    match error {
        ServiceError::McpError(error) if error.code == ErrorCode::INVALID_PARAMS => {
            Error::InvalidArguments(error.message.to_string())
        }
        ServiceError::McpError(error) => Error::Failed(error.message.to_string()),
        ServiceError::TransportClosed | ServiceError::TransportSend(_) => {
            Error::Unavailable(format!("the server is gone: {error}"))
        }
        error => Error::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_or_no_is_asked() {
        let schema = |properties: Value| -> ElicitationSchema {
            serde_json::from_value(json!({"type": "object", "properties": properties})).unwrap()
        };
        assert_eq!(confirmation(&schema(json!({}))), Some(json!({})));
        let one = json!({"sure": {"type": "boolean"}});
        assert_eq!(confirmation(&schema(one)), Some(json!({"sure": true})));
        for more in [
            json!({"password": {"type": "string"}}),
            json!({"a": {"type": "boolean"}, "b": {"type": "boolean"}}),
            json!({"n": {"type": "integer"}}),
        ] {
            assert_eq!(confirmation(&schema(more)), None);
        }
    }
}
