//! The control path of a double, under `/__verify/`: open to whoever has the run's token. Every
//! other request for it is a request to the double, and journaled like any other.

use axum::extract::{Query, Request, State};
use axum::handler::Handler as _;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any_service, get};
use axum::{Json, Router};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::{Fault, Faults};
use super::harness::Harness;
use super::journal::{Journal, Page};

/// The header with the token.
pub const TOKEN_HEADER: &str = "x-verify-token";

/// The environment variable with the token of a double that runs by itself.
pub const TOKEN_VARIABLE: &str = "VERIFY_CONTROL_TOKEN";

/// 200 as soon as a double listens. Needs no token and shows nothing.
pub const HEALTH: &str = "/__verify/health";

/// Where the control path begins.
pub const PREFIX: &str = "/__verify/";

/// Where a reader goes on.
#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    pub(super) since: u64,
}

#[derive(Clone)]
struct Control {
    routes: MethodRouter,
    token: Option<SecretString>,
}

impl Harness {
    /// `double` with the control path in front of it; `routes` are those of this double alone.
    pub(super) fn controlled(&self, double: Router, routes: Router) -> Router {
        let journal = Router::new()
            .route("/__verify/journal", get(read_journal))
            .with_state(self.journal.clone());
        let faults = get(list_faults).post(add_fault).delete(clear_faults);
        let faults = Router::new()
            .route("/__verify/faults", faults)
            .with_state(self.faults.clone());
        let token = self.token.as_ref();
        let control = Control {
            routes: any_service(routes.merge(journal).merge(faults)),
            token: token
                .filter(|token| !token.expose_secret().is_empty())
                .cloned(),
        };
        // As a service: its own routes and fallback are all behind the layer.
        Router::new()
            .fallback_service(double)
            .layer(from_fn_with_state(control, answer))
    }
}

async fn answer(State(control): State<Control>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path == HEALTH {
        return "ok".into_response();
    }
    if path.starts_with(PREFIX) && admits(control.token.as_ref(), request.headers()) {
        return control.routes.call(request, ()).await;
    }
    next.run(request).await
}

fn admits(token: Option<&SecretString>, headers: &HeaderMap) -> bool {
    let (Some(token), Some(given)) = (token, headers.get(TOKEN_HEADER)) else {
        return false;
    };
    let token = token.expose_secret().as_bytes();
    aws_lc_rs::constant_time::verify_slices_are_equal(token, given.as_bytes()).is_ok()
}

async fn read_journal(
    State(journal): State<Journal>,
    Query(Since { since }): Query<Since>,
) -> Json<Page> {
    Json(journal.since(since))
}

async fn list_faults(State(faults): State<Faults>) -> Json<Value> {
    Json(json!({ "faults": faults.list() }))
}

async fn add_fault(
    State(faults): State<Faults>,
    Json(fault): Json<Fault>,
) -> (StatusCode, Json<Value>) {
    match faults.add(fault) {
        Ok(waiting) => (StatusCode::CREATED, Json(json!({ "waiting": waiting }))),
        Err(error) => {
            let body = json!({ "error": error.to_string() });
            (StatusCode::BAD_REQUEST, Json(body))
        }
    }
}

async fn clear_faults(State(faults): State<Faults>) -> Json<Value> {
    Json(json!({ "cleared": faults.clear() }))
}
