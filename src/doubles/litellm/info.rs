//! What the proxy says about itself: models and health.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::keys;
use super::proxy::Proxy;

/// When the models came to be, in Unix seconds: LiteLLM's own constant.
const CREATED: i64 = 1_677_610_602;

/// What LiteLLM's list says of claude-sonnet-4, whatever the model is called here.
const MAX_INPUT_TOKENS: u32 = 200_000;
const MAX_OUTPUT_TOKENS: u32 = 64_000;

pub(super) fn routes() -> Router<Arc<Proxy>> {
    Router::new()
        .route("/v1/models", get(models))
        .route("/models", get(models))
        .route("/v1/model/info", get(model_info))
        .route("/model/info", get(model_info))
        // The tools of the MCP servers that it knows, which are none.
        .route("/v1/mcp/tools", get(Json(json!({ "tools": [] }))))
        .route("/health", get(health))
}

/// What needs no key.
pub(super) fn open_routes() -> Router {
    let ready = json!({ "status": "healthy", "db": "connected" });
    Router::new()
        .route("/health/liveliness", get(Json("I'm alive!")))
        .route("/health/liveness", get(Json("I'm alive!")))
        .route("/health/readiness", get(Json(ready)))
}

fn each_model(proxy: &Proxy, told: impl Fn(&String) -> Value) -> Vec<Value> {
    proxy.config.models.iter().map(told).collect()
}

async fn models(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let models = each_model(&proxy, |id| {
        json!({
            "id": id,
            "object": "model",
            "created": CREATED,
            "owned_by": "openai",
            "mode": "chat",
            "max_input_tokens": MAX_INPUT_TOKENS,
            "max_output_tokens": MAX_OUTPUT_TOKENS,
        })
    });
    Json(json!({ "data": models, "object": "list" }))
}

async fn model_info(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let models = each_model(&proxy, |name| {
        json!({
            "model_name": name,
            "litellm_params": { "model": format!("anthropic/{name}") },
            "model_info": { "id": name, "db_model": false, "mode": "chat" },
        })
    });
    Json(json!({ "data": models }))
}

async fn health(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let healthy = each_model(
        &proxy,
        |model| json!({ "model": model, "model_id": keys::token_of(model) }),
    );
    Json(json!({
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": [],
        "healthy_count": healthy.len(),
        "unhealthy_count": 0,
    }))
}
