//! What a gateway must bear, as data: streams, sizes, slowness, and how soon it is back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An answer of the language models' API that is given piece by piece, as server-sent events.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Streamed {
    /// The fields that the request's body has besides, to ask for it.
    pub ask: serde_json::Map<String, Value>,
    /// Where an event's data has its piece of the text, a JSON pointer.
    pub text: String,
    /// What the last event holds.
    pub end: String,
}

impl Default for Streamed {
    /// Those of Anthropic's messages API.
    fn default() -> Self {
        let ask = [("stream".to_owned(), json!(true))];
        Self {
            ask: ask.into_iter().collect(),
            text: "/delta/text".to_owned(),
            end: "message_stop".to_owned(),
        }
    }
}

/// Figures that decide what a gateway must bear.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rough {
    /// How long an answer may take while a service does not answer, or when something is
    /// refused, in milliseconds. More than nginx's usual `proxy_connect_timeout` of 5 s.
    pub answer_ms: u64,
    /// How long the gateway has to recover when a service is back, in milliseconds.
    pub recovery_ms: u64,
    /// The length of a header field that must pass, in bytes.
    pub header_bytes: usize,
    /// The length of a prompt that must pass, in bytes.
    pub body_bytes: usize,
    /// The length of a header field that is beyond every limit, in bytes.
    pub header_limit_bytes: usize,
    /// The length of a body that is beyond every limit, in bytes: it is announced, not sent.
    pub body_limit_bytes: u64,
    /// How long a slow client takes for its request, in milliseconds.
    pub slow_ms: u64,
}

impl Default for Rough {
    fn default() -> Self {
        Self {
            answer_ms: 6_000,
            recovery_ms: 5_000,
            header_bytes: 6 * 1024,
            body_bytes: 2 * 1024 * 1024,
            header_limit_bytes: 128 * 1024,
            body_limit_bytes: 1024 * 1024 * 1024,
            slow_ms: 210,
        }
    }
}
