//! Errors as OpenAI's API has them: a status, and a body that says what, why and which parameter.

use argos_engine::Error as Engine;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::service::Failure;

/// Seconds after which a refused client may try again.
const RETRY_AFTER: u32 = 1;

/// A refused or failed request.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub status: StatusCode,
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub message: String,
    pub param: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// One parameter of it makes no sense.
    pub(crate) fn param(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::invalid(message)
        }
    }

    /// A parameter that exists elsewhere but does nothing here.
    pub(crate) fn unsupported(param: &str, instead: &str) -> Self {
        let instead = if instead.is_empty() {
            "leave it away"
        } else {
            instead
        };
        Self {
            code: Some("unsupported_parameter"),
            ..Self::param(param, format!("`{param}` is not supported here; {instead}"))
        }
    }

    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: if status.is_server_error() {
                "server_error"
            } else {
                "invalid_request_error"
            },
            code: None,
            message: message.into(),
            param: None,
        }
    }

    pub(crate) fn with(self, kind: &'static str, code: &'static str) -> Self {
        Self {
            kind,
            code: Some(code),
            ..self
        }
    }

    /// No such model.
    pub(crate) fn no_model(message: String) -> Self {
        Self {
            param: Some("model".into()),
            ..Self::new(StatusCode::NOT_FOUND, message)
                .with("invalid_request_error", "model_not_found")
        }
    }

    /// Too much at once.
    pub(crate) fn busy(message: String) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message).with("requests", "rate_limit_exceeded")
    }

    /// The session's budget does not pay for it.
    pub(crate) fn budget(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
            .with("insufficient_quota", "insufficient_quota")
    }

    /// The body.
    pub(crate) fn json(&self) -> Value {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }})
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) => error.into(),
            Failure::Service(error) => {
                use argos_bus::Error as Bus;
                let text = error.text();
                match error {
                    Bus::InvalidArguments(_) => Self::invalid(text),
                    Bus::NotFound(_) => Self::no_model(text),
                    Bus::LimitReached(_) => Self::busy(text),
                    Bus::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
                        .with("server_error", "model_unavailable"),
                    Bus::TimedOut(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
                        .with("server_error", "timed_out"),
                    _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
                }
            }
        }
    }
}

impl From<Engine> for ApiError {
    fn from(error: Engine) -> Self {
        let text = error.to_string();
        match error {
            Engine::NotFound { .. } => Self::no_model(text),
            Engine::TooLong { .. } => {
                Self::invalid(text).with("invalid_request_error", "context_length_exceeded")
            }
            Engine::InvalidArguments(_) => Self::invalid(text),
            Engine::Busy { .. } | Engine::Share { .. } => Self::busy(text),
            Engine::Budget { .. } => Self::budget(text),
            Engine::Memory { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
                .with("server_error", "insufficient_memory"),
            Engine::Runtime { .. } | Engine::Model { .. } | Engine::Provider { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
                    .with("server_error", "model_unavailable")
            }
            Engine::Inference { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.json().to_string();
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status, [(header::CONTENT_TYPE, json)], body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
