//! `POST /v1/chat/completions` and `/chat/completions`: OpenAI's API.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::conversation::{Ask, Reply};
use super::errors::Failure;
use super::proxy::Proxy;
use super::{keys, stream};
use crate::doubles::observe::noted;

pub(super) async fn create(
    State(proxy): State<Arc<Proxy>>,
    body: Bytes,
) -> Result<Response, Failure> {
    let ask: Ask = serde_json::from_slice(&body)?;
    // An empty name is none, even where any model is served.
    let model = ask.model.as_deref().unwrap_or_default();
    let route = "/chat/completions";
    if model.is_empty() {
        let model = String::new();
        return Err(Failure::Model { route, model });
    }
    proxy.serves(route, model)?;
    let messages = ask.messages.as_deref().unwrap_or_default();
    if messages.is_empty() {
        let problem = "messages: at least one message is required";
        return Err(Failure::Invalid(problem.to_owned()));
    }
    let reply = Reply::to(&ask, model, messages)?;
    let note = format!("completion answered by {model}");
    let completion = Completion {
        id: format!("chatcmpl-{}", keys::random_hex()),
        created: jiff::Timestamp::now().as_second(),
        usage: json!({
            "prompt_tokens": reply.input_tokens,
            "completion_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        }),
        reply,
    };
    if completion.reply.stream {
        let frames = completion.frames(ask.stream_options["include_usage"] == true);
        let note = format!("{note}, as a stream");
        return Ok(noted(stream::answer(frames, &proxy.hold), note));
    }
    Ok(noted(Json(completion.whole()), note))
}

struct Completion {
    id: String,
    created: i64,
    reply: Reply,
    usage: Value,
}

impl Completion {
    fn object(&self, kind: &str, choice: Value) -> Value {
        json!({
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.reply.model,
            "choices": [choice],
        })
    }

    fn whole(&self) -> Value {
        let message = json!({ "role": "assistant", "content": self.reply.text });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        let mut whole = self.object("chat.completion", choice);
        whole["usage"] = self.usage.clone();
        whole
    }

    fn frames(&self, with_usage: bool) -> Vec<String> {
        let chunk = |delta: Value| {
            self.object(
                "chat.completion.chunk",
                json!({ "index": 0, "delta": delta }),
            )
        };
        let pieces = stream::pieces(&self.reply.text).into_iter();
        let mut chunks: Vec<Value> = pieces
            .map(|piece| chunk(json!({ "content": piece })))
            .collect();
        if let Some(first) = chunks.first_mut() {
            first["choices"][0]["delta"]["role"] = "assistant".into();
        }
        let mut stop = chunk(json!({}));
        stop["choices"][0]["finish_reason"] = "stop".into();
        chunks.push(stop);
        if with_usage {
            let mut last = chunk(json!({}));
            last["usage"] = self.usage.clone();
            last["usage"]["completion_tokens_details"] =
                json!({ "reasoning_tokens": 0, "text_tokens": self.reply.output_tokens });
            chunks.push(last);
        }
        let mut frames: Vec<String> = chunks.iter().map(stream::data).collect();
        frames.push("data: [DONE]\n\n".to_owned());
        frames
    }
}
