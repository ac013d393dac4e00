//! What a test asks of a double: its journal, and faults to come. Wraps the double's own
//! router, so that every request passes here and is in the journal before it is answered.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes, to_bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Deserialize;

use super::journal::{BODY_LIMIT, Entry, Journal, Page};

/// The most that is accepted of a request's body, in bytes.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// A fault to come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    /// How long the answer is held back, in milliseconds.
    #[serde(default)]
    delay_ms: u64,
    /// The status to answer with, in place of the real answer.
    #[serde(default)]
    status: Option<u16>,
    /// Only for paths that begin so.
    #[serde(default)]
    path_prefix: String,
    /// How often; without it, until the faults are cleared.
    #[serde(default)]
    times: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Control {
    journal: Journal,
    faults: Arc<Mutex<Vec<Fault>>>,
}

/// What a handler adds to the journal's entry of its request.
#[derive(Clone, Debug)]
pub struct Note(pub String);

/// `router` with a journal and faults.
pub fn wrap(router: Router, journal: Journal) -> Router {
    let control = Control {
        journal,
        faults: Arc::default(),
    };
    let own = Router::new()
        .route("/__verify/journal", get(page))
        .route(
            "/__verify/faults",
            axum::routing::post(add_fault).delete(clear_faults),
        )
        .with_state(control.clone());
    router
        .layer(middleware::from_fn_with_state(control, observe))
        .merge(own)
}

impl Control {
    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that this path meets, used up once more.
    fn meet(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults();
        let at = faults
            .iter()
            .position(|fault| path.starts_with(&fault.path_prefix))?;
        let fault = faults.get_mut(at)?;
        let met = fault.clone();
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                faults.remove(at);
            }
        }
        Some(met)
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn page(State(control): State<Control>, Query(Since { since }): Query<Since>) -> Json<Page> {
    Json(control.journal.since(since))
}

async fn add_fault(State(control): State<Control>, Json(fault): Json<Fault>) -> StatusCode {
    control.faults().push(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    control.faults().clear();
    StatusCode::NO_CONTENT
}

async fn observe(State(control): State<Control>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut entry = Entry {
        seq: 0,
        at_ms: jiff::Timestamp::now().as_millisecond(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body: masked(&body),
        status: 0,
        note: None,
    };
    let fault = control.meet(&entry.path);
    if let Some(Fault { delay_ms: 1.., .. }) = fault {
        tokio::time::sleep(Duration::from_millis(
            fault.as_ref().map_or(0, |fault| fault.delay_ms),
        ))
        .await;
    }
    let response = match fault.and_then(|fault| StatusCode::from_u16(fault.status?).ok()) {
        Some(status) => (status, "a fault that a test asked for\n").into_response(),
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
    };
    entry.status = response.status().as_u16();
    entry.note = response
        .extensions()
        .get::<Note>()
        .map(|note| note.0.clone());
    control.journal.add(entry);
    response
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

/// A body as text, without the password or client secret of a form.
fn masked(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(BODY_LIMIT)).unwrap_or_default());
    text.split('&')
        .map(|field| match field.split_once('=') {
            Some((name @ ("password" | "client_secret"), _)) => format!("{name}=[masked]"),
            _ => field.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}
