//! What the proxy says about itself: models, health, metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::Proxy;

/// When the models came to be, in Unix seconds: LiteLLM's own constant.
const CREATED: i64 = 1_677_610_602;

/// `GET /v1/models` and `/models`
pub(super) async fn models(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let model =
        |id| json!({ "id": id, "object": "model", "created": CREATED, "owned_by": "openai" });
    let models: Vec<Value> = proxy.config.models.iter().map(model).collect();
    Json(json!({ "data": models, "object": "list" }))
}

/// `GET /v1/model/info` and `/model/info`
pub(super) async fn model_info(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let model = |name: &String| {
        json!({
            "model_name": name,
            "litellm_params": { "model": format!("anthropic/{name}") },
            "model_info": { "id": name, "db_model": false, "mode": "chat" },
        })
    };
    let models: Vec<Value> = proxy.config.models.iter().map(model).collect();
    Json(json!({ "data": models }))
}

/// `GET /health`
pub(super) async fn health(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let models = &proxy.config.models;
    let healthy: Vec<Value> = models
        .iter()
        .map(|model| json!({ "model": model }))
        .collect();
    Json(json!({
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": [],
        "healthy_count": models.len(),
        "unhealthy_count": 0,
    }))
}

/// `GET /health/liveliness`: a JSON string, as the real one.
pub(super) async fn alive() -> Json<&'static str> {
    Json("I'm alive!")
}

/// `GET /health/readiness`
pub(super) async fn ready() -> Json<Value> {
    Json(
        json!({ "status": "healthy", "db": "connected", "cache": null, "litellm_version": "mock" }),
    )
}

/// `GET /metrics`
pub(super) async fn metrics() -> impl IntoResponse {
    let text = "# HELP litellm_in_flight_requests Requests that are being answered\n\
                # TYPE litellm_in_flight_requests gauge\n\
                litellm_in_flight_requests 0\n";
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
}
