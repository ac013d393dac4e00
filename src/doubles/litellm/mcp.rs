//! `/v1/mcp`: a Model Context Protocol server with a single tool.

use axum::Json;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The protocol version answered with when the client names none.
const PROTOCOL: &str = "2025-06-18";

/// JSON-RPC 2.0's own numbers.
const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;

/// Any method on `/v1/mcp` and below.
pub(super) async fn serve(method: Method, body: Bytes) -> Response {
    match method {
        Method::POST => call(&body),
        // The REST side of LiteLLM's MCP gateway lists what there is.
        Method::GET | Method::HEAD => Json(json!({ "tools": [tool()] })).into_response(),
        _ => {
            let body = json!({ "detail": "Method Not Allowed" });
            (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
        }
    }
}

fn tool() -> Value {
    json!({
        "name": "echo",
        "description": "Says what it was told",
        "inputSchema": {
            "type": "object",
            "properties": { "text": { "type": "string" } },
            "required": ["text"],
        },
    })
}

fn call(body: &[u8]) -> Response {
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return failed(Value::Null, PARSE_ERROR, &format!("Parse error: {error}")),
    };
    let id = request["id"].clone();
    let Some(method) = request["method"].as_str() else {
        return failed(id, INVALID_REQUEST, "Invalid Request: no method");
    };
    if method.starts_with("notifications/") {
        return StatusCode::ACCEPTED.into_response();
    }
    let result = match method {
        "initialize" => json!({
            "protocolVersion": request["params"]["protocolVersion"].as_str().unwrap_or(PROTOCOL),
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "verify-litellm", "version": "mock" },
        }),
        "ping" => json!({}),
        "tools/list" => json!({ "tools": [tool()] }),
        "tools/call" => {
            let text = request["params"]["arguments"]["text"]
                .as_str()
                .unwrap_or_default();
            json!({ "content": [{ "type": "text", "text": text }], "isError": false })
        }
        other => return failed(id, METHOD_NOT_FOUND, &format!("Method not found: {other}")),
    };
    Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })).into_response()
}

fn failed(id: Value, code: i32, message: &str) -> Response {
    let error = json!({ "code": code, "message": message });
    let status = if code == METHOD_NOT_FOUND {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    (
        status,
        Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })),
    )
        .into_response()
}
