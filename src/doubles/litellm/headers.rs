//! What LiteLLM does with every answer, whatever was asked.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The headers that it puts on whatever it answers.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::VARY, HeaderValue::from_static("Origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("frame-ancestors 'none'"),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
];

/// Its headers; and HEAD, which only its files answer, is another method than GET.
pub(super) async fn as_litellm(request: Request, next: Next) -> Response {
    let is_file = request.uri().path().starts_with("/ui");
    let head = request.method() == Method::HEAD && !is_file;
    let mut response = next.run(request).await;
    if head && response.status() != StatusCode::NOT_FOUND {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    let headers = response.headers_mut();
    let gets = headers
        .get(header::ALLOW)
        .is_some_and(|allow| allow == "GET,HEAD");
    if (gets && !is_file) || (head && response.status() == StatusCode::METHOD_NOT_ALLOWED) {
        let get = HeaderValue::from_static("GET");
        response.headers_mut().insert(header::ALLOW, get);
    }
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A redirect to a path at the host that was asked for.
pub(super) fn redirect(asked: &HeaderMap, path: &str) -> Response {
    let host = asked.get(header::HOST).and_then(|host| host.to_str().ok());
    let to = format!("http://{}{path}", host.unwrap_or_default());
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
}
