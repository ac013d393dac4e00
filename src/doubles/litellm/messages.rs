//! `POST /v1/messages`: Anthropic's API.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access_log::User;
use super::errors::Failure;
use super::{Proxy, keys, mock, stream};
use crate::doubles::observe::noted;

/// What LiteLLM calls this route.
const ROUTE: &str = "anthropic_messages";

/// A request, as far as the answer depends on it.
#[derive(Deserialize, Debug)]
struct Ask {
    model: Option<String>,
    max_tokens: Option<Value>,
    messages: Option<Vec<Message>>,
    #[serde(default)]
    stream: Option<bool>,
}

/// A turn of the conversation.
#[derive(Deserialize, Debug)]
pub(super) struct Message {
    role: String,
    content: Option<Content>,
}

/// What a turn says: text, or blocks of which some are text.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Value>),
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Blocks(blocks) => {
                let texts: Vec<&str> = blocks
                    .iter()
                    .filter_map(|block| block["text"].as_str())
                    .collect();
                texts.join("\n")
            }
        }
    }
}

/// What the user said last.
pub(super) fn last_user_text(messages: &[Message]) -> String {
    let last = messages.iter().rev().find(|message| message.role == "user");
    last.and_then(|message| message.content.as_ref())
        .map(Content::text)
        .unwrap_or_default()
}

/// Every text of a conversation, for counting.
pub(super) fn all_text(messages: &[Message]) -> String {
    let texts: Vec<String> = messages
        .iter()
        .filter_map(|message| Some(message.content.as_ref()?.text()))
        .collect();
    texts.join(" ")
}

/// A number of tokens for a text: about four letters each, and never none.
pub(super) fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4).max(1)
}

/// What the mock says to a prompt.
pub(super) fn reply_to(prompt: &str) -> String {
    format!("You said: {prompt}")
}

/// A conversation that is good to answer.
struct Turn {
    model: String,
    prompt: String,
    input_tokens: usize,
    stream: bool,
}

/// `POST /v1/messages`
pub(super) async fn create(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Response {
    let mut response = answer(&proxy, &body);
    // LiteLLM's own field for the end user, where no header names one.
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(user) = asked["user"].as_str() {
        response.extensions_mut().insert(User(user.to_owned()));
    }
    response
}

fn answer(proxy: &Proxy, body: &[u8]) -> Response {
    let turn = match read(proxy, body, true) {
        Ok(turn) => turn,
        Err(failure) => return failure.anthropic(),
    };
    if let Some(failure) = mock::asked_in(&turn.prompt) {
        return failure.anthropic();
    }
    let note = format!("message answered by {}", turn.model);
    if turn.stream {
        return noted(
            stream::answer(frames(&turn), &proxy.hold),
            format!("{note}, as a stream"),
        );
    }
    let text = reply_to(&turn.prompt);
    let mut message = opening(&turn);
    message["usage"] = json!({ "input_tokens": turn.input_tokens, "output_tokens": tokens(&text) });
    message["content"] = json!([{ "type": "text", "text": text }]);
    message["stop_reason"] = "end_turn".into();
    message["stop_details"] = Value::Null;
    noted(Json(message), note)
}

/// `POST /v1/messages/count_tokens`
pub(super) async fn count_tokens(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Response {
    match read(&proxy, &body, false) {
        Ok(turn) => Json(json!({
            "input_tokens": turn.input_tokens,
            "litellm_count_source": "local_estimate",
        }))
        .into_response(),
        Err(failure) => failure.anthropic(),
    }
}

fn read(proxy: &Proxy, body: &[u8], answered: bool) -> Result<Turn, Failure> {
    let invalid = |problem: &str| Failure::Invalid(problem.to_owned());
    let missing =
        |name: &str| Failure::Invalid(format!("{ROUTE}: Missing required parameter: '{name}'."));
    let ask: Ask = serde_json::from_slice(body).map_err(Failure::body)?;
    let messages = ask.messages.ok_or_else(|| missing("messages"))?;
    match ask.max_tokens {
        None if answered => return Err(missing("max_tokens")),
        Some(Value::Number(most)) if most.as_u64().is_some_and(|most| most > 0) => {}
        None => {}
        Some(_) => {
            return Err(invalid(
                "max_tokens: Input should be greater than or equal to 1",
            ));
        }
    }
    let model = match ask.model {
        None if !answered => return Err(invalid("model parameter is required")),
        // LiteLLM is written in Python.
        model => model.unwrap_or_else(|| "None".to_owned()),
    };
    if !proxy.serves(&model) {
        return Err(Failure::Model {
            route: ROUTE,
            model,
        });
    }
    if messages.is_empty() {
        return Err(invalid("messages: at least one message is required"));
    }
    for (number, message) in messages.iter().enumerate() {
        if !matches!(message.role.as_str(), "user" | "assistant" | "system") {
            let problem = format!("messages.{number}.role: Input should be 'user' or 'assistant'");
            return Err(Failure::Invalid(problem));
        }
        if message.content.is_none() {
            return Err(Failure::Invalid(format!(
                "messages.{number}.content: Field required"
            )));
        }
    }
    Ok(Turn {
        model,
        prompt: last_user_text(&messages),
        input_tokens: tokens(&all_text(&messages)),
        stream: ask.stream.unwrap_or_default(),
    })
}

/// The message before anything is said.
fn opening(turn: &Turn) -> Value {
    json!({
        "id": format!("msg_{}", keys::random_hex()),
        "type": "message",
        "role": "assistant",
        "model": turn.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {
            "input_tokens": turn.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 0,
        },
    })
}

fn frames(turn: &Turn) -> Vec<String> {
    let text = reply_to(&turn.prompt);
    let block = json!({ "type": "text", "text": "" });
    let mut events = vec![
        json!({ "type": "message_start", "message": opening(turn) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
    ];
    events.extend(stream::pieces(&text).into_iter().map(|piece| {
        let delta = json!({ "type": "text_delta", "text": piece });
        json!({ "type": "content_block_delta", "index": 0, "delta": delta })
    }));
    events.push(json!({ "type": "content_block_stop", "index": 0 }));
    events.push(json!({
        "type": "message_delta",
        "delta": { "stop_reason": "end_turn" },
        "usage": { "input_tokens": turn.input_tokens, "output_tokens": tokens(&text) },
    }));
    events.push(json!({ "type": "message_stop" }));
    events.iter().map(stream::event).collect()
}
