//! `POST /v1/messages`: Anthropic's API.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access_log::User;
use super::conversation::{Ask, Message, Reply, input_tokens};
use super::errors::{Anthropic, Failure};
use super::proxy::Proxy;
use super::{keys, stream};
use crate::doubles::observe::noted;

/// What LiteLLM calls this route.
const ROUTE: &str = "anthropic_messages";

pub(super) async fn create(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Response {
    let mut response = answer(&proxy, &body).into_response();
    // LiteLLM's own field for the end user, where no header names one.
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(user) = asked["user"].as_str() {
        response.extensions_mut().insert(User(user.to_owned()));
    }
    response
}

fn answer(proxy: &Proxy, body: &[u8]) -> Result<Response, Anthropic> {
    let ask: Ask = serde_json::from_slice(body).map_err(Failure::from)?;
    let messages = messages(&ask)?;
    if ask.max_tokens.is_none() {
        return Err(missing("max_tokens").into());
    }
    // LiteLLM is written in Python.
    let model = ask.model.as_deref().unwrap_or("None");
    check(proxy, model, messages)?;
    let reply = Reply::to(&ask, model, messages)?;
    let note = format!("message answered by {model}");
    if reply.stream {
        let note = format!("{note}, as a stream");
        return Ok(noted(stream::answer(frames(&reply), &proxy.hold), note));
    }
    let mut message = opening(&reply);
    message["usage"] =
        json!({ "input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens });
    message["content"] = json!([{ "type": "text", "text": reply.text }]);
    message["stop_reason"] = "end_turn".into();
    message["stop_details"] = Value::Null;
    Ok(noted(Json(message), note))
}

/// `POST /v1/messages/count_tokens`
pub(super) async fn count_tokens(
    State(proxy): State<Arc<Proxy>>,
    body: Bytes,
) -> Result<Json<Value>, Anthropic> {
    let ask: Ask = serde_json::from_slice(&body).map_err(Failure::from)?;
    let messages = messages(&ask)?;
    let model = ask.model.as_deref();
    let model = model.ok_or_else(|| invalid("model parameter is required"))?;
    check(&proxy, model, messages)?;
    Ok(Json(json!({
        "input_tokens": input_tokens(messages),
        "litellm_count_source": "local_estimate",
    })))
}

fn invalid(problem: impl Into<String>) -> Failure {
    Failure::Invalid(problem.into())
}

fn missing(name: &str) -> Failure {
    invalid(format!("{ROUTE}: Missing required parameter: '{name}'."))
}

/// The messages, with a limit that is one where there is any.
fn messages(ask: &Ask) -> Result<&[Message], Failure> {
    let messages = ask.messages.as_deref().ok_or_else(|| missing("messages"))?;
    let most = ask.max_tokens.as_ref();
    if most.is_some_and(|most| most.as_u64().is_none_or(|most| most == 0)) {
        return Err(invalid(
            "max_tokens: Input should be greater than or equal to 1",
        ));
    }
    Ok(messages)
}

fn check(proxy: &Proxy, model: &str, messages: &[Message]) -> Result<(), Failure> {
    proxy.serves(ROUTE, model)?;
    if messages.is_empty() {
        return Err(invalid("messages: at least one message is required"));
    }
    for (number, message) in messages.iter().enumerate() {
        if !matches!(message.role.as_str(), "user" | "assistant" | "system") {
            return Err(invalid(format!(
                "messages.{number}.role: Input should be 'user' or 'assistant'"
            )));
        }
        if message.content.is_none() {
            return Err(invalid(format!(
                "messages.{number}.content: Field required"
            )));
        }
    }
    Ok(())
}

/// The message before anything is said.
fn opening(reply: &Reply) -> Value {
    json!({
        "id": format!("msg_{}", keys::random_hex()),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    })
}

fn frames(reply: &Reply) -> Vec<String> {
    let block = json!({ "type": "text", "text": "" });
    let mut events = vec![
        json!({ "type": "message_start", "message": opening(reply) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
    ];
    events.extend(stream::pieces(&reply.text).into_iter().map(|piece| {
        let delta = json!({ "type": "text_delta", "text": piece });
        json!({ "type": "content_block_delta", "index": 0, "delta": delta })
    }));
    events.push(json!({ "type": "content_block_stop", "index": 0 }));
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": "end_turn" },
        "usage": { "input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens },
    }));
    events.push(json!({ "type": "message_stop" }));
    events.iter().map(stream::event).collect()
}
