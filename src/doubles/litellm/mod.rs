//! A double of LiteLLM's proxy: its answers' fields are those of the real one, its words are
//! made for the prompt, so that whoever asks can tell that the answer is theirs.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse as _, Response},
    routing::{any, get, post},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{control, journal::Journal};

mod messages;

/// What the double is set up with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key that may do everything.
    pub master_key: SecretString,
    /// The key that may call models.
    pub shared_key: SecretString,
    /// The models that it serves.
    pub models: Vec<String>,
}

/// The double.
#[derive(Clone, Debug)]
pub struct LiteLlm {
    config: Arc<Config>,
    journal: Journal,
}

impl LiteLlm {
    /// A double that has received nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
            journal: Journal::default(),
        }
    }

    /// What it received.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        let with_key = Router::new()
            .route("/v1/messages", post(messages::anthropic))
            .route("/v1/chat/completions", post(messages::openai))
            .route("/chat/completions", post(messages::openai))
            .route("/v1/models", get(models))
            .route("/models", get(models))
            .route("/v1/mcp", any(mcp))
            .route("/v1/mcp/{*rest}", any(mcp))
            .route("/key/{action}", any(key))
            .route("/user/{action}", any(user))
            .route("/team/{action}", any(group))
            .route("/organization/{action}", any(group))
            .layer(middleware::from_fn_with_state(self.clone(), authorize));
        let open = Router::new()
            .route(
                "/",
                get(|| async {
                    Html("<!doctype html><title>LiteLLM API</title><h1>LiteLLM API</h1>")
                }),
            )
            .route("/ui", get(ui))
            .route("/ui/", get(ui))
            .route("/health", get(health))
            .route("/health/liveliness", get(|| async { Json("I'm alive!") }))
            .route(
                "/health/readiness",
                get(|| async { Json(json!({"status": "healthy", "db": "Not connected"})) }),
            )
            .route("/metrics", get(metrics));
        let journal = self.journal.clone();
        let log = Router::new().route(
            "/__verify/log",
            get(move || async move { access_log(&journal) }),
        );
        let router = with_key
            .merge(open)
            .fallback(not_found)
            .with_state(self.clone());
        control::wrap(router, self.journal.clone()).merge(log)
    }

    fn knows(&self, key: &str) -> bool {
        [&self.config.master_key, &self.config.shared_key]
            .iter()
            .any(|known| known.expose_secret() == key)
    }
}

/// The lines that the real proxy writes for its requests, with the user that the gateway names.
fn access_log(journal: &Journal) -> String {
    journal
        .since(0)
        .entries
        .iter()
        .map(|entry| {
            let user = entry.header("x-litellm-user-email").unwrap_or("-");
            format!(
                "INFO:     \"{} {} HTTP/1.1\" {} user={user}\n",
                entry.method, entry.path, entry.status
            )
        })
        .collect()
}

/// The proxy's own form of an error.
fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": kind, "param": "None", "code": status.as_str()}});
    (status, Json(body)).into_response()
}

async fn authorize(State(double): State<LiteLlm>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let bearer = text(headers, "authorization")
        .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    match bearer.or_else(|| text(headers, "x-api-key")) {
        None => error(
            StatusCode::UNAUTHORIZED,
            "auth_error",
            "Authentication Error, No api key passed in.",
        ),
        Some(key) if double.knows(&key) => next.run(request).await,
        Some(_) => error(
            StatusCode::UNAUTHORIZED,
            "token_not_found_in_db",
            "Authentication Error, Invalid proxy server token passed.",
        ),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

async fn models(State(double): State<LiteLlm>) -> Json<Value> {
    let data: Vec<Value> = double
        .config
        .models
        .iter()
        .map(|id| json!({"id": id, "object": "model", "created": 1_677_610_602, "owned_by": "openai"}))
        .collect();
    Json(json!({"data": data, "object": "list"}))
}

async fn mcp(request: Request) -> Response {
    if request.method() == "POST" {
        return Json(json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}})).into_response();
    }
    error(StatusCode::METHOD_NOT_ALLOWED, "None", "Method Not Allowed")
}

async fn key(path: axum::extract::Path<String>) -> Response {
    match path.as_str() {
        "info" => Json(json!({"key": "sk-...", "info": {"key_name": "sk-...", "spend": 0.0, "models": [], "user_id": null}})),
        "generate" => Json(json!({"key": "sk-double", "token": "double", "expires": null, "user_id": null})),
        "list" => Json(json!({"keys": [], "total_count": 0, "current_page": 1, "total_pages": 0})),
        "delete" => Json(json!({"deleted_keys": []})),
        _ => return not_found().await,
    }
    .into_response()
}

async fn user(path: axum::extract::Path<String>) -> Response {
    match path.as_str() {
        "info" => Json(json!({"user_id": null, "user_info": null, "keys": [], "teams": []})),
        "list" => {
            Json(json!({"users": [], "total": 0, "page": 1, "page_size": 25, "total_pages": 0}))
        }
        "new" => Json(json!({"user_id": "double", "key": "sk-double"})),
        _ => return not_found().await,
    }
    .into_response()
}

async fn group(path: axum::extract::Path<String>) -> Response {
    match path.as_str() {
        "list" => Json(json!([])).into_response(),
        _ => not_found().await,
    }
}

async fn ui() -> Html<&'static str> {
    Html("<!doctype html><title>LiteLLM Dashboard</title><h1>LiteLLM Dashboard</h1>")
}

async fn health() -> Json<Value> {
    Json(
        json!({"healthy_endpoints": [], "unhealthy_endpoints": [], "healthy_count": 0, "unhealthy_count": 0}),
    )
}

async fn metrics() -> Response {
    let body = "# HELP litellm_proxy_total_requests_metric Total number of requests made to the proxy server\n\
                # TYPE litellm_proxy_total_requests_metric counter\nlitellm_proxy_total_requests_metric_total 0.0\n";
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], body).into_response()
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": "Not Found"}))).into_response()
}
