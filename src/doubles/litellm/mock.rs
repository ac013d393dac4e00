//! Trouble on request, asked for by the request itself: `x-mock-error: 429`, `x-mock-delay-ms: 50`,
//! or the same as `mock-error: 429` in the prompt, for a gateway that drops unknown headers.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::errors::Failure;

/// The longest delay that a request may ask for, in milliseconds.
const MAX_DELAY_MS: u64 = 60_000;

/// Obeys the headers of a request.
pub(super) async fn disturb(request: Request, next: Next) -> Response {
    if let Some(ms) = number(request.headers(), "x-mock-delay-ms") {
        tokio::time::sleep(Duration::from_millis(ms.min(MAX_DELAY_MS))).await;
    }
    let asked = number(request.headers(), "x-mock-error").and_then(status);
    match asked {
        Some(status) => in_the_words_of(request.uri().path(), &Failure::Mock(status)),
        None => next.run(request).await,
    }
}

/// The error that a prompt asks for.
pub(super) fn asked_in(prompt: &str) -> Option<Failure> {
    let (_, rest) = prompt.split_once("mock-error:")?;
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    status(digits.parse().ok()?).map(Failure::Mock)
}

fn in_the_words_of(path: &str, failure: &Failure) -> Response {
    if path.starts_with("/v1/messages") {
        failure.anthropic()
    } else {
        failure.openai()
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Only errors: a request cannot ask for a success that is none.
fn status(number: u64) -> Option<StatusCode> {
    let number = u16::try_from(number)
        .ok()
        .filter(|number| (400..600).contains(number))?;
    StatusCode::from_u16(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_may_ask_for_an_error() {
        assert_eq!(
            asked_in("please mock-error: 529."),
            Some(Failure::Mock(StatusCode::from_u16(529).unwrap()))
        );
        assert_eq!(asked_in("mock-error: 200"), None);
        assert_eq!(asked_in("an error 429"), None);
        assert_eq!(asked_in("mock-error:"), None);
    }
}
