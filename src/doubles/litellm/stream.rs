//! Server-sent events, a frame at a time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt as _};
use serde_json::Value;

use super::hold::Hold;

/// The pause between two frames: long enough that each leaves in a packet of its own, so that a
/// gateway that buffers is told apart from one that streams.
const PAUSE: Duration = Duration::from_millis(2);

/// The most pieces that a text is cut into, so that a long prompt does not make a slow test.
const MAX_PIECES: usize = 20;

/// A frame of an Anthropic stream: a named event.
pub(super) fn event(data: &Value) -> String {
    let name = data["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// A frame of an OpenAI stream: data alone.
pub(super) fn data(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// A text in pieces, at least two where it has two letters.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let pieces = (letters.len() / 4).clamp(2, MAX_PIECES);
    let size = letters.len().div_ceil(pieces).max(1);
    letters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// The frames of a stream that was sent as this text; the blank line ends one.
pub(super) fn frames(text: &str) -> Vec<String> {
    text.split_inclusive("\n\n").map(str::to_owned).collect()
}

pub(super) fn answer(frames: Vec<String>, hold: &Hold) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, paced(frames, hold)).into_response()
}

/// The frames as a body, each sent on its own, and not before it may.
pub(super) fn paced(frames: Vec<String>, hold: &Hold) -> Body {
    let held = hold.stream(frames.len());
    let paced = stream::iter(frames)
        .enumerate()
        .then(move |(number, frame)| {
            let held = held.clone();
            async move {
                // A stream that is held back is paced by who holds it.
                if number > 0 && !held.is_watched() {
                    tokio::time::sleep(PAUSE).await;
                }
                held.pass(number).await;
                Ok::<_, std::convert::Infallible>(frame)
            }
        });
    Body::from_stream(paced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_where_its_events_end() {
        let events = "event: a\ndata: 1\n\ndata: 2\n\n";
        assert_eq!(frames(events), ["event: a\ndata: 1\n\n", "data: 2\n\n"]);
        assert_eq!(
            frames("data: 1\n\ndata: cut").concat(),
            "data: 1\n\ndata: cut"
        );
        assert!(frames("").is_empty());
    }

    #[test]
    fn pieces_make_the_whole_again() {
        for text in ["", "a", "ab", "日本語", &"x".repeat(10_000)] {
            let pieces = pieces(text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.len() <= MAX_PIECES);
            assert!(text.chars().count() < 2 || pieces.len() >= 2, "{text}");
        }
    }
}
