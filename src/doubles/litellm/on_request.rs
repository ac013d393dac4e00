//! Errors and delays that a request itself asks for: `x-mock-error: 429`, `x-mock-delay-ms: 50`, or
//! `mock-error: 429` in the prompt, for a gateway that drops unknown headers.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::errors::{Anthropic, Failure};

/// The longest delay that a request may ask for, in milliseconds.
const MAX_DELAY_MS: u64 = 60_000;

pub(super) async fn by_header(request: Request, next: Next) -> Response {
    if let Some(ms) = number(request.headers(), "x-mock-delay-ms") {
        tokio::time::sleep(Duration::from_millis(ms.min(MAX_DELAY_MS))).await;
    }
    let failure = number(request.headers(), "x-mock-error").and_then(failure);
    match failure {
        None => next.run(request).await,
        Some(failure) if request.uri().path().starts_with("/v1/messages") => {
            Anthropic(failure).into_response()
        }
        Some(failure) => failure.into_response(),
    }
}

/// The error that a prompt asks for.
pub(super) fn by_prompt(prompt: &str) -> Option<Failure> {
    let (_, rest) = prompt.split_once("mock-error:")?;
    let rest = rest.trim_start();
    let end = rest.find(|letter: char| !letter.is_ascii_digit());
    failure(rest.get(..end.unwrap_or(rest.len()))?.parse().ok()?)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Only errors: a request cannot ask for a success that is none.
fn failure(status: u64) -> Option<Failure> {
    let status = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(Failure::OnRequest(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_may_ask_for_an_error() {
        assert_eq!(
            by_prompt("please mock-error: 529."),
            Some(Failure::OnRequest(StatusCode::from_u16(529).unwrap()))
        );
        assert_eq!(by_prompt("mock-error: 200"), None);
        assert_eq!(by_prompt("an error 429"), None);
        assert_eq!(by_prompt("mock-error:"), None);
    }
}
