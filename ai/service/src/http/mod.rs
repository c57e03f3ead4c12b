//! The OpenAI-compatible HTTP API.
//!
//! ```text
//! connection ──> routes ──> wire ──> generation ──> chat, completions, responses
//! (who, limits)             (checks)  (the engine's    (how it is written)
//!                                      events)
//! ```
//!
//! Who asks is known by the connection: on the Unix socket the kernel says which user it is, on loopback TCP
//! a token says that it is allowed. Nothing is stored between two requests.

mod chat;
mod completions;
mod connection;
mod embeddings;
mod error;
mod generation;
mod metrics;
mod rerank;
mod responses;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use argos_engine::causal::Class;
use argos_engine::registry::{Info, State as ModelState};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(crate) use connection::{Front, Token, listen_tcp, listen_unix};

use crate::service::{Caller, Service};
use error::{ApiError, Result};
use metrics::Metrics;

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 8 << 20;
/// How long a body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(60);
/// Bodies up to this size are read without waiting for others, in bytes.
const SMALL_BODY: usize = 64 << 10;
/// Larger bodies that are read, checked and tokenised at once.
const LARGE_BODIES: usize = 8;
/// A request's header that makes it less urgent.
const CLASS_HEADER: &str = "x-argos-class";
/// An answer's header that says what is left of the session's budget; of a stream, when that begins.
const LEFT_HEADER: &str = "x-argos-budget-left";

/// What the routes share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub service: Arc<Service>,
    pub metrics: Metrics,
    large_bodies: Arc<Semaphore>,
}

type Api = State<Arc<Shared>>;

impl Shared {
    pub(crate) fn new(service: Arc<Service>) -> Arc<Self> {
        Arc::new(Self {
            service,
            metrics: Metrics::default(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
        })
    }

    /// A request's body, bounded in size, time and company. A large one counts until its permit is dropped.
    async fn body(&self, request: Request<Body>) -> Result<(Bytes, Option<OwnedSemaphorePermit>)> {
        if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
            let kind = kind.to_str().unwrap_or_default();
            let essence = kind.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(ApiError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    format!("the body is `{kind}`; send JSON with Content-Type: application/json"),
                ));
            }
        }
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        let too_large = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {MAX_BODY} bytes; send less at once"),
            )
        };
        if announced.is_some_and(|n| n > MAX_BODY) {
            return Err(too_large());
        }
        let read = async {
            let permit = if announced.is_none_or(|n| n > SMALL_BODY) {
                Arc::clone(&self.large_bodies).acquire_owned().await.ok()
            } else {
                None
            };
            let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
            bytes.map(|bytes| (bytes, permit))
        };
        match tokio::time::timeout(BODY_LIMIT, read).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(e)) => {
                let mut cause: Option<&dyn std::error::Error> = Some(&e);
                while let Some(error) = cause {
                    if error.to_string().contains("length limit") {
                        return Err(too_large());
                    }
                    cause = error.source();
                }
                Err(ApiError::invalid(format!("the body cannot be read: {e}")))
            }
            Err(_) => Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s", BODY_LIMIT.as_secs()),
            )),
        }
    }
}

/// A request's body and surroundings. To be dropped when the request has been handed on: what is large in it
/// is bounded in number until then.
pub(crate) struct Asked {
    pub body: Bytes,
    _large: Option<OwnedSemaphorePermit>,
    pub caller: Caller,
    pub class: Class,
}

/// Reads what every POST has: body, caller, class.
async fn asked(shared: &Shared, request: Request<Body>) -> Result<Asked> {
    let caller = request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the caller is not known")
        })?;
    let class = class(request.headers(), &caller)?;
    if caller.budget.as_ref().is_some_and(|b| b.left() == 0) {
        return Err(ApiError::budget(
            "this session's budget of tokens is used up",
        ));
    }
    let (body, large) = shared.body(request).await?;
    Ok(Asked {
        body,
        _large: large,
        caller,
        class,
    })
}

fn class(headers: &HeaderMap, caller: &Caller) -> Result<Class> {
    let Some(value) = headers.get(CLASS_HEADER) else {
        return Ok(caller.class);
    };
    let wished = match value.to_str() {
        Ok("person") => Class::Person,
        Ok("agent") => Class::Agent,
        Ok("background") => Class::Background,
        _ => {
            return Err(ApiError::invalid(
                "X-Argos-Class must be `person`, `agent` or `background`",
            ));
        }
    };
    if wished < caller.class {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "X-Argos-Class can make a request less urgent, not more",
        ));
    }
    Ok(wished)
}

/// All paths.
fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{id}", get(model))
        .route("/v1/chat/completions", post(chat::handle))
        .route("/v1/completions", post(completions::handle))
        .route("/v1/embeddings", post(embeddings::handle))
        .route("/v1/rerank", post(rerank::handle))
        .route("/v1/responses", post(responses::handle))
        .route("/metrics", get(metrics_page))
        .route("/health", get(health))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(shared)
}

/// A path as it is counted.
fn endpoint(path: &str) -> &'static str {
    const KNOWN: [&str; 8] = [
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/responses",
        "/metrics",
        "/health",
    ];
    if path.starts_with("/v1/models/") {
        return "/v1/models/{id}";
    }
    KNOWN.into_iter().find(|k| *k == path).unwrap_or("other")
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is no `{}`; the API is /v1/chat/completions, /v1/completions, /v1/responses, \
             /v1/embeddings, /v1/rerank, /v1/models, /metrics and /health",
            uri.path()
        ),
    )
    .with("invalid_request_error", "unknown_url")
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("`{}` does not take {method}", uri.path()),
    )
}

/// A JSON answer.
fn answer(value: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], value.to_string()).into_response()
}

fn model_json(info: &Info) -> Value {
    let modified = std::fs::metadata(&info.path)
        .and_then(|m| m.modified())
        .ok();
    let created = modified.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    json!({
        "id": info.id,
        "object": "model",
        "created": created.map_or(0, |d| d.as_secs()),
        "owned_by": "local",
        "kind": info.kind.map(|k| k.to_string()),
        "state": info.state.name(),
        "detail": match &info.state {
            ModelState::Failed(reason) => Some(reason),
            _ => None,
        },
        "size_bytes": info.size_bytes,
        "provider": info.provider,
    })
}

async fn models(State(shared): Api) -> Response {
    let list = shared.service.list().await;
    let list: Vec<_> = list.iter().map(model_json).collect();
    answer(&json!({"object": "list", "data": list}))
}

async fn model(State(shared): Api, Path(id): Path<String>) -> Result<Response> {
    let list = shared.service.list().await;
    match list.iter().find(|info| info.id == id) {
        Some(info) => Ok(answer(&model_json(info))),
        None => Err(no_model(&id, &list)),
    }
}

fn no_model(id: &str, list: &[Info]) -> ApiError {
    let known: Vec<_> = list.iter().map(|i| i.id.as_str()).collect();
    ApiError::no_model(format!(
        "there is no model `{}`; known models: {}",
        id.chars().take(255).collect::<String>(),
        if known.is_empty() {
            "none".into()
        } else {
            known.join(", ")
        }
    ))
}

async fn metrics_page(State(shared): Api) -> Response {
    let page = shared.metrics.page(&shared.service.statistics_json());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], page).into_response()
}

async fn health() -> Response {
    answer(&json!({"status": "ok"}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_can_only_be_made_less_urgent() {
        let person = Caller::user(1000);
        let system = Caller::user(5);
        let with = |value: &'static str, caller: &Caller| {
            let mut headers = HeaderMap::new();
            headers.insert(CLASS_HEADER, HeaderValue::from_static(value));
            class(&headers, caller).map_err(|e| e.status.as_u16())
        };
        assert_eq!(class(&HeaderMap::new(), &person).unwrap(), Class::Person);
        assert_eq!(class(&HeaderMap::new(), &system).unwrap(), Class::Agent);
        assert_eq!(with("background", &person), Ok(Class::Background));
        assert_eq!(with("person", &person), Ok(Class::Person));
        assert_eq!(with("person", &system), Err(403));
        assert_eq!(with("urgent", &person), Err(400));
    }

    #[test]
    fn paths_are_counted_under_few_names() {
        assert_eq!(endpoint("/v1/models/a"), "/v1/models/{id}");
        assert_eq!(endpoint("/health"), "/health");
        assert_eq!(endpoint("/../etc"), "other");
    }
}
