//! `POST /v1/chat/completions`: OpenAI's API.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::Failure;
use super::messages::{Message, all_text, last_user_text, reply_to, tokens};
use super::{Proxy, keys, mock, stream};
use crate::doubles::observe::noted;

/// A request, as far as the answer depends on it.
#[derive(Deserialize, Debug)]
struct Ask {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize, Debug)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// An answer under way.
struct Completion {
    id: String,
    created: i64,
    model: String,
    text: String,
    usage: Value,
}

/// `POST /v1/chat/completions` and `/chat/completions`
pub(super) async fn create(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Response {
    let (model, messages, streamed, with_usage) = match read(&proxy, &body) {
        Ok(Ask {
            model,
            messages,
            stream,
            stream_options,
        }) => (
            model.unwrap_or_default(),
            messages.unwrap_or_default(),
            stream.unwrap_or_default(),
            stream_options.is_some_and(|options| options.include_usage),
        ),
        Err(failure) => return failure.openai(),
    };
    let prompt = last_user_text(&messages);
    if let Some(failure) = mock::asked_in(&prompt) {
        return failure.openai();
    }
    let completion = complete(model, &prompt, &messages);
    let note = format!("completion answered by {}", completion.model);
    if streamed {
        let frames = completion.frames(with_usage);
        return noted(
            stream::answer(frames, &proxy.hold),
            format!("{note}, as a stream"),
        );
    }
    noted(Json(completion.whole()), note)
}

fn read(proxy: &Proxy, body: &[u8]) -> Result<Ask, Failure> {
    let ask: Ask = serde_json::from_slice(body).map_err(Failure::body)?;
    let model = ask.model.as_deref().unwrap_or_default();
    if model.is_empty() || !proxy.serves(model) {
        return Err(Failure::Model {
            route: "/chat/completions",
            model: model.to_owned(),
        });
    }
    if ask.messages.as_ref().is_none_or(Vec::is_empty) {
        return Err(Failure::Invalid(
            "messages: at least one message is required".to_owned(),
        ));
    }
    Ok(ask)
}

fn complete(model: String, prompt: &str, messages: &[Message]) -> Completion {
    let text = reply_to(prompt);
    let (asked, said) = (tokens(&all_text(messages)), tokens(&text));
    Completion {
        id: format!("chatcmpl-{}", keys::random_hex()),
        created: jiff::Timestamp::now().as_second(),
        model,
        text,
        usage: json!({
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
        }),
    }
}

impl Completion {
    fn whole(&self) -> Value {
        let message = json!({ "role": "assistant", "content": self.text });
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "usage": self.usage,
        })
    }

    fn chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }

    fn frames(&self, with_usage: bool) -> Vec<String> {
        let choice = |delta: Value| self.chunk(json!([{ "index": 0, "delta": delta }]));
        let pieces = stream::pieces(&self.text).into_iter();
        let mut chunks: Vec<Value> = pieces
            .map(|piece| choice(json!({ "content": piece })))
            .collect();
        if let Some(first) = chunks.first_mut() {
            first["choices"][0]["delta"]["role"] = "assistant".into();
        }
        let mut stop = choice(json!({}));
        stop["choices"][0]["finish_reason"] = "stop".into();
        chunks.push(stop);
        if with_usage {
            let mut last = choice(json!({}));
            last["usage"] = self.usage.clone();
            last["usage"]["completion_tokens_details"] =
                json!({ "reasoning_tokens": 0, "text_tokens": self.usage["completion_tokens"] });
            chunks.push(last);
        }
        let mut frames: Vec<String> = chunks.iter().map(stream::data).collect();
        frames.push("data: [DONE]\n\n".to_owned());
        frames
    }
}
