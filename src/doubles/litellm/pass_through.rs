//! The real LiteLLM behind a journal. What comes is written down, handed on as it came, and
//! answered with what LiteLLM answers; the control paths are those of the double, so that every
//! check looks at both in the same way. The log is LiteLLM's own.

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::uri::PathAndQuery;
use axum::http::{StatusCode, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use secrecy::SecretString;
use serde_json::json;

use super::hold::Hold;
use super::{BODY_LIMIT, stream};
use crate::doubles::control::{self, controlled};
use crate::doubles::faults::Faults;
use crate::doubles::journal::Journal;
use crate::doubles::observe::{noted, observed};

/// What an entry of the journal notes that LiteLLM itself answered.
pub const ANSWERED: &str = "answered by LiteLLM";

/// What is between two neighbours only, and is not handed on (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// A journal in front of a LiteLLM that listens somewhere else.
#[derive(Clone, Debug)]
pub struct PassThrough {
    real: SocketAddr,
    logs: Vec<PathBuf>,
    client: Client<HttpConnector, Body>,
    journal: Journal,
    faults: Faults,
    hold: Hold,
    control: Option<SecretString>,
}

impl PassThrough {
    /// In front of the LiteLLM that listens at `real` and writes its log to these files.
    #[must_use]
    pub fn new(real: SocketAddr, logs: Vec<PathBuf>) -> Self {
        // A connection each: one that LiteLLM closes as a request comes would be a failure that
        // is not the gateway's.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        Self {
            real,
            logs,
            client,
            journal: Journal::new(),
            faults: Faults::default(),
            hold: Hold::default(),
            control: None,
        }
    }

    /// The same with its control path open to whoever has the token.
    #[must_use]
    pub fn controlled_by(self, token: SecretString) -> Self {
        Self {
            control: Some(token),
            ..self
        }
    }

    /// The service, ready to be given to [`crate::doubles::serve`].
    pub fn router(&self) -> Router {
        let handed_on = Router::new().fallback(hand_on).with_state(self.clone());
        let own = Router::new()
            .route("/__verify/log", get(read_log))
            .route("/__verify/alive", get(alive))
            .with_state(self.clone());
        let control = control::routes(&self.journal, &self.faults)
            .merge(self.hold.routes())
            .merge(own);
        let double = observed(handed_on, &self.journal, &self.faults, BODY_LIMIT);
        controlled(double, control, self.control.as_ref())
    }
}

/// `GET /__verify/log`: what LiteLLM itself wrote.
async fn read_log(State(pass): State<PassThrough>) -> Response {
    let mut text = String::new();
    for file in &pass.logs {
        match tokio::fs::read(file).await {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(error) => {
                let why = format!("{}: {error}", file.display());
                return (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
            }
        }
    }
    text.into_response()
}

/// `GET /__verify/alive`: 200 when LiteLLM answers, and as soon as it does.
async fn alive(State(pass): State<PassThrough>) -> Response {
    let Ok(asked) = format!("http://{}/health/liveliness", pass.real).parse() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match pass.client.get(asked).await {
        Ok(answer) => answer.status().into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn hand_on(State(pass): State<PassThrough>, mut request: Request) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    match format!("http://{}{path}", pass.real).parse() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(error) => return broken(&format!("the request cannot be handed on: {error}")),
    }
    *request.version_mut() = Version::HTTP_11;
    between_neighbours(request.headers_mut());
    match pass.client.request(request).await {
        Ok(response) => noted(answered(&pass, response.map(Body::new)).await, ANSWERED),
        Err(error) => broken(&format!("LiteLLM does not answer: {error}")),
    }
}

fn between_neighbours(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn broken(why: &str) -> Response {
    let body = Json(json!({ "error": { "message": why, "type": "pass_through" } }));
    noted((StatusCode::BAD_GATEWAY, body), why)
}

/// LiteLLM's answer. A stream that is to be held back is heard to its end first, and then sent
/// event by event as whoever holds it says.
async fn answered(pass: &PassThrough, mut response: Response) -> Response {
    between_neighbours(response.headers_mut());
    let kind = response.headers().get(header::CONTENT_TYPE);
    let streamed = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !streamed || !pass.hold.is_asked_for() {
        return response;
    }
    let (head, body) = response.into_parts();
    match to_bytes(body, BODY_LIMIT).await {
        Ok(bytes) => {
            let frames = stream::frames(&String::from_utf8_lossy(&bytes));
            Response::from_parts(head, stream::paced(frames, &pass.hold))
        }
        Err(error) => broken(&format!("LiteLLM's stream broke off: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let mut headers = HeaderMap::new();
        for name in ["connection", "keep-alive", "transfer-encoding", "host"] {
            headers.insert(name, header::HeaderValue::from_static("x"));
        }
        between_neighbours(&mut headers);
        let left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host"]);
    }
}
