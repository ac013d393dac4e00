//! What goes wrong, in the words of the API that was asked.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// How long a client that was refused for its rate shall wait, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request is not answered. As a response, in LiteLLM's own words, which are OpenAI's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// There is no good key.
    #[error("Authentication Error, {0}")]
    Key(&'static str),
    /// The body is not what the API asks for.
    #[error("{0}")]
    Invalid(String),
    #[error("Invalid JSON payload: {0}")]
    Json(String),
    /// The model is none that is served.
    #[error(
        "{route}: Invalid model name passed in model={model}. Call `/v1/models` to view available \
         models for your key."
    )]
    Model {
        /// The route as LiteLLM calls it, e.g. `anthropic_messages`.
        route: &'static str,
        model: String,
    },
    #[error("mock-error: {0} as asked for")]
    OnRequest(StatusCode),
}

/// The same in the words of Anthropic's API.
pub(super) struct Anthropic(pub(super) Failure);

impl From<Failure> for Anthropic {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// A body that could not be read.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() {
            return Self::Invalid(format!("The request body is not valid: {error}"));
        }
        Self::Json(error.to_string())
    }
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Key(_) => StatusCode::UNAUTHORIZED,
            Self::Invalid(_) | Self::Json(_) | Self::Model { .. } => StatusCode::BAD_REQUEST,
            Self::OnRequest(status) => *status,
        }
    }

    /// `body` with its `error`. What LiteLLM's router refuses, it says again in a field of its own.
    fn answer(&self, mut body: Value, mut error: Value) -> Response {
        if matches!(self, Self::Model { .. }) {
            error["provider_specific_fields"] = json!({ "error": self.to_string() });
        }
        body["error"] = error;
        let mut response = (self.status(), Json(body)).into_response();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        let kind = match &self {
            Self::Key(_) => "auth_error",
            Self::Invalid(_) | Self::Json(_) | Self::Model { .. } => "invalid_request_error",
            Self::OnRequest(StatusCode::TOO_MANY_REQUESTS) => "throttling_error",
            Self::OnRequest(_) => "internal_server_error",
        };
        let param = match self {
            Self::Json(_) => "request_body".into(),
            Self::Model { .. } => Value::Null,
            _ => "None".into(),
        };
        let error = json!({
            "message": self.to_string(),
            "type": kind,
            "param": param,
            "code": status.as_u16().to_string(),
        });
        self.answer(json!({}), error)
    }
}

impl IntoResponse for Anthropic {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        if matches!(failure, Failure::Json(_)) {
            // LiteLLM itself reads the body, before it knows for which API.
            return failure.into_response();
        }
        let kind = match failure.status().as_u16() {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        let error = json!({ "type": kind, "message": failure.to_string() });
        failure.answer(json!({ "type": "error" }), error)
    }
}

/// What FastAPI says by itself.
pub(super) fn detail(status: StatusCode, detail: impl Into<Value>) -> Response {
    let detail: Value = detail.into();
    (status, Json(json!({ "detail": detail }))).into_response()
}
