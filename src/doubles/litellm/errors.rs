//! What goes wrong, in the words of the API that was asked.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// How long a client that was refused for its rate shall wait, in seconds.
const RETRY_AFTER: &str = "1";

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// There is no good key.
    #[error("{0}")]
    Key(&'static str),
    /// The body is not what the API asks for.
    #[error("{0}")]
    Invalid(String),
    /// The body is no JSON.
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
        /// The model asked for.
        model: String,
    },
    /// The harness asked for this status.
    #[error("mock-error: {0} as asked for")]
    Mock(StatusCode),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Key(_) => StatusCode::UNAUTHORIZED,
            Self::Invalid(_) | Self::Json(_) | Self::Model { .. } => StatusCode::BAD_REQUEST,
            Self::Mock(status) => *status,
        }
    }

    /// A body that could not be read.
    pub(super) fn body(error: serde_json::Error) -> Self {
        if error.is_data() {
            return Self::Invalid(format!("The request body is not valid: {error}"));
        }
        Self::Json(error.to_string())
    }

    /// As Anthropic's API says it.
    pub(super) fn anthropic(&self) -> Response {
        if matches!(self, Self::Json(_)) {
            // LiteLLM itself reads the body, before it knows for which API.
            return self.openai();
        }
        let status = self.status();
        let kind = match status.as_u16() {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        let mut error = json!({ "type": kind, "message": self.to_string() });
        self.say_twice(&mut error);
        self.answer(json!({ "type": "error", "error": error }))
    }

    /// What LiteLLM's router refuses, it says again in a field of its own.
    fn say_twice(&self, error: &mut Value) {
        if matches!(self, Self::Model { .. }) {
            error["provider_specific_fields"] = json!({ "error": self.to_string() });
        }
    }

    /// As LiteLLM itself and OpenAI's API say it.
    pub(super) fn openai(&self) -> Response {
        let status = self.status();
        let kind = match (self, status.as_u16()) {
            (Self::Key(_), _) => "auth_error",
            (Self::Invalid(_) | Self::Json(_) | Self::Model { .. }, _) => "invalid_request_error",
            (_, 429) => "throttling_error",
            _ => "internal_server_error",
        };
        let param = match self {
            Self::Json(_) => "request_body".into(),
            Self::Model { .. } => Value::Null,
            _ => "None".into(),
        };
        let mut error = json!({
            "message": self.to_string(),
            "type": kind,
            "param": param,
            "code": status.as_u16().to_string(),
        });
        self.say_twice(&mut error);
        self.answer(json!({ "error": error }))
    }

    fn answer(&self, body: serde_json::Value) -> Response {
        let status = self.status();
        let wait: Option<[(HeaderName, &str); 1]> = (status == StatusCode::TOO_MANY_REQUESTS)
            .then_some([(header::RETRY_AFTER, RETRY_AFTER)]);
        match wait {
            Some(wait) => (status, wait, Json(body)).into_response(),
            None => (status, Json(body)).into_response(),
        }
    }
}

/// LiteLLM's own words, unless a handler asks for Anthropic's.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.openai()
    }
}
