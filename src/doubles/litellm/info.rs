//! What the proxy says about itself: models, health, metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Proxy, keys};

/// When the models came to be, in Unix seconds: LiteLLM's own constant.
const CREATED: i64 = 1_677_610_602;

/// What LiteLLM's list says of claude-sonnet-4, whatever the model is called here.
const MAX_INPUT_TOKENS: u32 = 200_000;
const MAX_OUTPUT_TOKENS: u32 = 64_000;

/// `GET /v1/models` and `/models`
pub(super) async fn models(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let model = |id| {
        json!({
            "id": id,
            "object": "model",
            "created": CREATED,
            "owned_by": "openai",
            "mode": "chat",
            "max_input_tokens": MAX_INPUT_TOKENS,
            "max_output_tokens": MAX_OUTPUT_TOKENS,
        })
    };
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
        .map(|model| json!({ "model": model, "model_id": keys::token_of(model) }))
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
    Json(json!({ "status": "healthy", "db": "connected" }))
}

/// `GET /v1/mcp/tools`: the tools of the MCP servers that it knows, which are none.
pub(super) async fn mcp_tools() -> Json<Value> {
    Json(json!({ "tools": [] }))
}
