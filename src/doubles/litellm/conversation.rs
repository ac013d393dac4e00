//! What both APIs are asked, and what the mock says to it.

use serde::Deserialize;
use serde_json::Value;

use super::errors::Failure;
use super::on_request;

/// A request, as far as the answer depends on it.
#[derive(Deserialize, Debug)]
pub(super) struct Ask {
    pub(super) model: Option<String>,
    pub(super) max_tokens: Option<Value>,
    pub(super) messages: Option<Vec<Message>>,
    stream: Option<bool>,
    #[serde(default)]
    pub(super) stream_options: Value,
}

/// A turn of the conversation.
#[derive(Deserialize, Debug)]
pub(super) struct Message {
    pub(super) role: String,
    pub(super) content: Option<Content>,
}

/// What a turn says: text, or blocks of which some are text.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Value>),
}

impl Message {
    fn text(&self) -> Option<String> {
        Some(match self.content.as_ref()? {
            Content::Text(text) => text.clone(),
            Content::Blocks(blocks) => {
                let texts = blocks.iter().filter_map(|block| block["text"].as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
        })
    }
}

/// What the mock says to a conversation that is good to answer.
pub(super) struct Reply {
    pub(super) model: String,
    pub(super) text: String,
    pub(super) input_tokens: usize,
    pub(super) output_tokens: usize,
    pub(super) stream: bool,
}

impl Reply {
    /// # Errors
    /// The error that the prompt, what the user said last, asks for.
    pub(super) fn to(ask: &Ask, model: &str, messages: &[Message]) -> Result<Self, Failure> {
        let last = messages.iter().rev().find(|message| message.role == "user");
        let prompt = last.and_then(Message::text).unwrap_or_default();
        if let Some(failure) = on_request::by_prompt(&prompt) {
            return Err(failure);
        }
        let text = format!("You said: {prompt}");
        Ok(Self {
            model: model.to_owned(),
            input_tokens: input_tokens(messages),
            output_tokens: tokens(&text),
            text,
            stream: ask.stream.unwrap_or_default(),
        })
    }
}

pub(super) fn input_tokens(messages: &[Message]) -> usize {
    let texts: Vec<String> = messages.iter().filter_map(Message::text).collect();
    tokens(&texts.join(" "))
}

/// About four letters each, and never none.
fn tokens(text: &str) -> usize {
    text.chars().count().div_ceil(4).max(1)
}
