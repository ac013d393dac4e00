//! The answers of models: Anthropic's and OpenAI's form, whole or as a stream.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{LiteLlm, error, text};

/// Between two pieces of a stream, so that it is one.
const PAUSE: Duration = Duration::from_millis(2);

/// The answer to a prompt: it holds the prompt, so that whoever asks can tell it is theirs.
fn reply(prompt: &str) -> String {
    format!("You said: {prompt}")
}

/// About one token for four characters, as a rule of thumb.
fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4)
}

/// The last thing that the user said: a text, or blocks with texts.
fn prompt(body: &Value) -> Option<String> {
    let last = body
        .get("messages")?
        .as_array()?
        .iter()
        .rev()
        .find(|message| message["role"] == "user")?;
    match last.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            let texts: Vec<&str> = blocks
                .iter()
                .filter_map(|block| block["text"].as_str())
                .collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        _ => None,
    }
}

/// What a request asks for, once it is known to be one that can be answered.
struct Ask {
    model: String,
    prompt: String,
    stream: bool,
}

async fn ask(double: &LiteLlm, headers: &HeaderMap, body: &Bytes) -> Result<Ask, Response> {
    if let Some(delay) = text(headers, "x-mock-delay-ms").and_then(|delay| delay.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(status) = text(headers, "x-mock-error").and_then(|code| code.parse::<u16>().ok()) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = error(status, "mock_error", "an error that was asked for");
        if status == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        return Err(response);
    }
    let bad = |message: &str| error(StatusCode::BAD_REQUEST, "invalid_request_error", message);
    let body: Value = serde_json::from_slice(body).map_err(|_| bad("Invalid JSON payload"))?;
    let model = body["model"]
        .as_str()
        .ok_or_else(|| bad("model: Field required"))?
        .to_owned();
    if !double.config.models.contains(&model) {
        return Err(bad(&format!(
            "Invalid model name passed in model={model}. Call `/v1/models` to view available models for your key."
        )));
    }
    let prompt = prompt(&body).ok_or_else(|| bad("messages: Field required"))?;
    Ok(Ask {
        model,
        prompt,
        stream: body["stream"] == true,
    })
}

fn id(prefix: &str) -> String {
    format!("{prefix}{}", crate::probe::nonce())
}

/// `POST /v1/messages`
pub async fn anthropic(State(double): State<LiteLlm>, headers: HeaderMap, body: Bytes) -> Response {
    let ask = match ask(&double, &headers, &body).await {
        Ok(ask) => ask,
        Err(refusal) => return refusal,
    };
    let text = reply(&ask.prompt);
    let message = json!({
        "id": id("msg_"), "type": "message", "role": "assistant", "model": ask.model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {
            "input_tokens": tokens(&ask.prompt), "output_tokens": tokens(&text),
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        },
    });
    if ask.stream {
        events(anthropic_events(&message, &text))
    } else {
        Json(message).into_response()
    }
}

fn anthropic_events(message: &Value, text: &str) -> Vec<String> {
    let mut start = message.clone();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut all = vec![
        json!({"type": "message_start", "message": start}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
    ];
    all.extend(text.split_inclusive(' ').map(|piece| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
    }));
    all.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": tokens(text)}}),
        json!({"type": "message_stop"}),
    ]);
    all.iter()
        .map(|event| {
            format!(
                "event: {}\ndata: {event}\n\n",
                event["type"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

/// `POST /v1/chat/completions`
pub async fn openai(State(double): State<LiteLlm>, headers: HeaderMap, body: Bytes) -> Response {
    let ask = match ask(&double, &headers, &body).await {
        Ok(ask) => ask,
        Err(refusal) => return refusal,
    };
    let text = reply(&ask.prompt);
    let (id, created) = (id("chatcmpl-"), jiff::Timestamp::now().as_second());
    if ask.stream {
        let chunk = |delta: Value, finish: Value| {
            let chunk = json!({
                "id": id, "object": "chat.completion.chunk", "created": created, "model": ask.model,
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            });
            format!("data: {chunk}\n\n")
        };
        let mut all = vec![chunk(
            json!({"role": "assistant", "content": ""}),
            Value::Null,
        )];
        all.extend(
            text.split_inclusive(' ')
                .map(|piece| chunk(json!({"content": piece}), Value::Null)),
        );
        all.push(chunk(json!({}), json!("stop")));
        all.push("data: [DONE]\n\n".to_owned());
        return events(all);
    }
    let (prompt_tokens, completion_tokens) = (tokens(&ask.prompt), tokens(&text));
    Json(json!({
        "id": id, "object": "chat.completion", "created": created, "model": ask.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }))
    .into_response()
}

/// A stream of server-sent events, a pause between two of them.
fn events(all: Vec<String>) -> Response {
    let pieces = stream::iter(all).then(|event| async move {
        tokio::time::sleep(PAUSE).await;
        Ok::<_, Infallible>(Bytes::from(event))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")],
        Body::from_stream(pieces),
    )
        .into_response()
}
