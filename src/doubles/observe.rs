//! What both doubles wear: the journal and the faults round every request.

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::json;

use super::harness::Harness;
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

impl Harness {
    /// `router` with every request journaled and open to faults. Bodies longer than `limit` bytes
    /// are refused with 413.
    pub(super) fn observed(&self, router: Router, limit: usize) -> Router {
        router
            .layer(from_fn_with_state(self.clone(), observe))
            .layer(DefaultBodyLimit::max(limit))
    }
}

/// An entry on its way; recorded even when the client goes away before the answer is ready.
struct Pending {
    journal: Journal,
    entry: Option<Entry>,
}

impl Pending {
    fn new(journal: &Journal, request: &Parts) -> Self {
        let entry = Entry {
            seq: 0,
            at_ms: Timestamp::now().as_millisecond(),
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            query: mask::form(request.uri.query().unwrap_or_default()),
            headers: headers(&request.headers),
            body: String::new(),
            status: CLIENT_WENT_AWAY,
            note: Some("the client went away before the answer".to_owned()),
        };
        Self {
            journal: journal.clone(),
            entry: Some(entry),
        }
    }

    /// Puts the entry into the journal with the status and the note of `response`.
    fn answer(mut self, response: Response) -> Response {
        if let Some(entry) = &mut self.entry {
            entry.status = response.status().as_u16();
            let note = response.extensions().get::<Note>();
            entry.note = note.map(|note| note.0.clone());
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

async fn observe(State(harness): State<Harness>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut pending = Pending::new(&harness.journal, &parts);
    let disturbance = harness.faults.strike(parts.uri.path());
    let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), &());
    let body = match whole.await {
        Ok(body) => body,
        Err(refused) => {
            let why = refused.body_text();
            return pending.answer(noted(refused, why));
        }
    };
    if let Some(entry) = &mut pending.entry {
        entry.body = kept_body(&parts.headers, &body);
    }
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

fn kept_body(headers: &HeaderMap, body: &Bytes) -> String {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Masked before it is cut: half a JSON document could no longer be masked.
    let mut text = mask::body(kind, &String::from_utf8_lossy(body));
    text.truncate(text.floor_char_boundary(MAX_BODY));
    text
}
