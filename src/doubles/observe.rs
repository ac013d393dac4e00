//! What both doubles wear: the journal and the faults round every request.

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde_json::json;

use super::faults::Faults;
use super::journal::{Entry, Journal, MAX_BODY};
use super::mask;

/// nginx's own number for a client that closed the connection before it had an answer.
const CLIENT_WENT_AWAY: u16 = 499;

/// What a handler tells the journal about its request.
#[derive(Clone, Debug)]
struct Note(String);

/// `response`, with a note for the journal.
pub(super) fn noted(response: impl IntoResponse, note: impl Into<String>) -> Response {
    let mut response = response.into_response();
    response.extensions_mut().insert(Note(note.into()));
    response
}

#[derive(Clone)]
struct Observer {
    journal: Journal,
    faults: Faults,
    body_limit: usize,
}

/// `router` with every request journaled and open to faults.
///
/// Bodies longer than `body_limit` bytes are refused with 413.
pub(super) fn observed(
    router: Router,
    journal: &Journal,
    faults: &Faults,
    body_limit: usize,
) -> Router {
    let observer = Observer {
        journal: journal.clone(),
        faults: faults.clone(),
        body_limit,
    };
    router
        // The observer has bounded the body already.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(observer, observe))
}

/// An entry on its way; recorded even when the client goes away before the answer is ready.
struct Pending {
    journal: Journal,
    entry: Option<Entry>,
}

impl Pending {
    fn new(observer: &Observer, request: &Request) -> Self {
        let entry = Entry {
            seq: 0,
            at_ms: Timestamp::now().as_millisecond(),
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: mask::form(request.uri().query().unwrap_or_default()),
            headers: headers(request.headers()),
            body: String::new(),
            status: CLIENT_WENT_AWAY,
            note: Some("the client went away before the answer".to_owned()),
        };
        Self {
            journal: observer.journal.clone(),
            entry: Some(entry),
        }
    }

    fn body(&mut self, content_type: &str, body: &Bytes) {
        if let Some(entry) = &mut self.entry {
            entry.body = kept_body(content_type, body);
        }
    }

    /// Puts the entry into the journal with the status and the note of `response`.
    fn answer(mut self, response: Response) -> Response {
        if let Some(mut entry) = self.entry.take() {
            entry.status = response.status().as_u16();
            entry.note = response
                .extensions()
                .get::<Note>()
                .map(|note| note.0.clone());
            self.journal.record(entry);
        }
        response
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.journal.record(entry);
        }
    }
}

async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let mut pending = Pending::new(&observer, &request);
    let disturbance = observer.faults.strike(request.uri().path());
    let (parts, body) = request.into_parts();
    let body = match read(body, observer.body_limit).await {
        Ok(body) => body,
        Err(error) => return pending.answer(error.into_response()),
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    pending.body(
        content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
        &body,
    );
    if !disturbance.delay.is_zero() {
        tokio::time::sleep(disturbance.delay).await;
    }
    if let Some(status) = disturbance.status {
        return pending.answer(fault(status));
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    pending.answer(response)
}

fn fault(status: u16) -> Response {
    let body = json!({ "error": {
        "message": "A fault that the harness asked for",
        "type": "mock_fault",
        "code": status.to_string(),
    }});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    noted((status, Json(body)), format!("fault: {}", status.as_u16()))
}

/// Why a request's body was not taken.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the body could not be read: {0}")]
    Broken(#[from] axum::Error),
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        };
        noted((status, self.to_string()), self.to_string())
    }
}

async fn read(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut chunks = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        if whole.len() + chunk.len() > limit {
            return Err(BodyError::TooLong(limit));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (
            name.as_str().to_owned(),
            mask::header(name.as_str(), &value),
        )
    };
    headers.iter().map(named).collect()
}

fn kept_body(content_type: &str, body: &Bytes) -> String {
    // Masked before it is cut: half a JSON document could no longer be masked.
    let mut text = mask::body(content_type, &String::from_utf8_lossy(body));
    let mut end = text.len().min(MAX_BODY);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
