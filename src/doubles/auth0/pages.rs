//! The double's pages.

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};

const LOGIN: &str = include_str!("login.html");
const ERROR: &str = include_str!("error.html");

/// Text for a place in HTML, attribute values included.
pub fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut safe, character| {
            match character {
                '&' => safe.push_str("&amp;"),
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                '"' => safe.push_str("&quot;"),
                '\'' => safe.push_str("&#39;"),
                other => safe.push(other),
            }
            safe
        })
}

/// The login form.
pub fn login(status: StatusCode, state: &str, username: &str, error: Option<&str>) -> Response {
    let error = error
        .map(|text| format!("<p role=\"alert\">{}</p>", escape(text)))
        .unwrap_or_default();
    // What a person typed is filled in last: it cannot name another placeholder.
    let page = LOGIN
        .replace("{error}", &error)
        .replace("{state}", &escape(state))
        .replace("{username}", &escape(username));
    (status, Html(page)).into_response()
}

/// A page that says what is wrong.
pub fn error(status: StatusCode, message: &str) -> Response {
    (status, Html(ERROR.replace("{message}", &escape(message)))).into_response()
}
