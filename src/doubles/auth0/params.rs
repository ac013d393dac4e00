//! Parameters of a request, wherever they came: query, form or JSON.

use std::collections::HashMap;

use axum::http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use super::SESSION_COOKIE;

/// Named parameters; one that is empty counts as not sent (RFC 6749, section 3.1).
#[derive(Debug, Default)]
pub(super) struct Params(HashMap<String, String>);

impl Params {
    /// From a query or a form body.
    pub(super) fn form(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// From a body: JSON where it says so, as Auth0's own SDKs send it, else a form.
    pub(super) fn body(headers: &HeaderMap, body: &[u8]) -> Self {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("application/json")) {
            let map: HashMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
            let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
            return Self(map.into_iter().filter_map(text).collect());
        }
        Self::form(&String::from_utf8_lossy(body))
    }

    /// These, and `others` where these have none.
    pub(super) fn or(mut self, others: Self) -> Self {
        for (name, value) in others.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// A parameter's value, when it was sent and is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A parameter's value as its own string.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}

/// The session cookie that a browser sent.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn empty_is_absent_and_plus_is_a_space() {
        let params = Params::form("a=&b=x+y&c=%2B");
        assert_eq!(params.get("a"), None);
        assert_eq!(params.get("b"), Some("x y"));
        assert_eq!(params.get("c"), Some("+"));
    }

    #[test]
    fn json_bodies_are_read_too() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        assert_eq!(
            Params::body(&headers, br#"{"code":"x","n":1}"#).get("code"),
            Some("x")
        );
        assert_eq!(Params::body(&headers, b"{").get("code"), None);
        assert_eq!(
            Params::body(&HeaderMap::new(), b"code=y").get("code"),
            Some("y")
        );
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; auth0_x=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=d; auth0=yes"));
        assert_eq!(session_cookie(&headers), Some("yes"));
    }
}
