//! Messages and completions, whole and as streams.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::support::{journal, json as body_of};
use super::{MODEL, prompt, rig};

#[tokio::test]
async fn a_message_answers_its_own_prompt() {
    let rig = rig().await;
    let request = rig
        .with_key(Method::POST, "/v1/messages")
        .json(&prompt("nonce-17"));
    let message = body_of(request.send().await.unwrap()).await;
    assert_eq!(
        (&message["type"], &message["role"]),
        (&"message".into(), &"assistant".into())
    );
    assert_eq!(
        message["content"],
        json!([{ "type": "text", "text": "You said: nonce-17" }])
    );
    assert_eq!(
        (&message["model"], &message["stop_reason"]),
        (&MODEL.into(), &"end_turn".into())
    );
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert!(message["usage"]["output_tokens"].as_u64().unwrap() > 1);

    let blocks = json!({ "model": MODEL, "max_tokens": 1, "messages": [
        { "role": "user", "content": "first" },
        { "role": "assistant", "content": "yes" },
        { "role": "user", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] },
    ]});
    let request = rig
        .ask(Method::POST, "/v1/messages")
        .header("x-api-key", "sk-master");
    let message = body_of(request.json(&blocks).send().await.unwrap()).await;
    assert_eq!(message["content"][0]["text"], "You said: a\nb");
}

#[tokio::test]
async fn a_stream_comes_in_pieces_that_make_the_text() {
    let rig = rig().await;
    let mut ask = prompt("nonce-18, which is long enough to be cut into several pieces");
    ask["stream"] = true.into();
    let response = rig
        .with_key(Method::POST, "/v1/messages")
        .json(&ask)
        .send()
        .await
        .unwrap();
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/event-stream")
    );
    let entry = &journal(&rig.running, 0).await.entries[0];
    assert_eq!((entry.status, entry.path.as_str()), (200, "/v1/messages"));
    let (chunks, text) = chunks_of(response).await;
    assert!(chunks > 5, "{chunks} chunks: {text}");
    let events: Vec<Value> = text
        .split("\n\n")
        .filter(|frame| !frame.is_empty())
        .map(|frame| {
            let (name, data) = frame
                .strip_prefix("event: ")
                .unwrap()
                .split_once("\ndata: ")
                .unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name);
            data
        })
        .collect();
    let mut names: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let said: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(
        said,
        "You said: nonce-18, which is long enough to be cut into several pieces"
    );
}

async fn chunks_of(response: reqwest::Response) -> (usize, String) {
    let mut stream = response.bytes_stream();
    let (mut chunks, mut text) = (0, String::new());
    while let Some(chunk) = stream.next().await {
        chunks += 1;
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
    }
    (chunks, text)
}

#[tokio::test]
async fn completions_answer_whole_and_as_a_stream() {
    let rig = rig().await;
    let mut ask = prompt("nonce-19");
    let request = rig
        .with_key(Method::POST, "/v1/chat/completions")
        .json(&ask);
    let whole = body_of(request.send().await.unwrap()).await;
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(
        whole["choices"][0]["message"]["content"],
        "You said: nonce-19"
    );

    ask["stream"] = true.into();
    ask["stream_options"] = json!({ "include_usage": true });
    let request = rig.with_key(Method::POST, "/chat/completions").json(&ask);
    let (chunks, text) = chunks_of(request.send().await.unwrap()).await;
    assert!(chunks > 2 && text.ends_with("data: [DONE]\n\n"), "{text}");
    let parts: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let said: String = parts
        .iter()
        .filter_map(|part| part["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "You said: nonce-19");
    assert!(
        parts.last().unwrap()["usage"]["total_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let rig = rig().await;
    let mut without_limit = prompt("x");
    without_limit.as_object_mut().unwrap().remove("max_tokens");
    let mut other_model = prompt("x");
    other_model["model"] = "gpt-none".into();
    let empty = json!({ "model": MODEL, "max_tokens": 1, "messages": [] });
    for (ask, word) in [
        (without_limit, "max_tokens"),
        (other_model, "Invalid model name"),
        (empty, "at least one message"),
        (
            json!({ "model": MODEL, "max_tokens": 0, "messages": [] }),
            "max_tokens",
        ),
    ] {
        let request = rig.with_key(Method::POST, "/v1/messages").json(&ask);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        let body = body_of(refused).await;
        assert_eq!(
            (&body["type"], &body["error"]["type"]),
            (&"error".into(), &"invalid_request_error".into())
        );
        assert!(
            body["error"]["message"].as_str().unwrap().contains(word),
            "{body}"
        );
    }
    let broken = rig
        .with_key(Method::POST, "/v1/messages")
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body_of(broken).await["error"]["param"], "request_body");
}

#[tokio::test]
async fn errors_come_on_request() {
    let rig = rig().await;
    let request = rig
        .with_key(Method::POST, "/v1/messages")
        .header("x-mock-error", "429");
    let limited = request.json(&prompt("x")).send().await.unwrap();
    assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.headers().contains_key("retry-after"));
    assert_eq!(body_of(limited).await["error"]["type"], "rate_limit_error");
    let request = rig
        .with_key(Method::POST, "/v1/messages")
        .json(&prompt("mock-error: 529"));
    let overloaded = request.send().await.unwrap();
    assert_eq!(overloaded.status().as_u16(), 529);
    assert_eq!(
        body_of(overloaded).await["error"]["type"],
        "overloaded_error"
    );
    let started = Instant::now();
    let request = rig
        .with_key(Method::POST, "/v1/messages")
        .header("x-mock-delay-ms", "30");
    assert_eq!(
        request.json(&prompt("x")).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert!(started.elapsed() >= Duration::from_millis(30));
}
