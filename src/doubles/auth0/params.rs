//! What a request brings: parameters, wherever they came (query, form or JSON), cookie and
//! credentials.

use std::collections::HashMap;
use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

/// The name of the cookie that carries the single sign-on session, as at the real service.
pub(super) const SESSION_COOKIE: &str = "auth0";

/// Named parameters; one that is empty counts as not sent (RFC 6749, section 3.1).
#[derive(Debug, Default)]
pub(super) struct Params(HashMap<String, String>);

impl Params {
    fn form(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// From a body: JSON where it says so, as Auth0's own SDKs send it, else a form.
    fn body(headers: &HeaderMap, body: &[u8]) -> Self {
        let kind = headers.get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json")) {
            let map: HashMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
            let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
            return Self(map.into_iter().filter_map(text).collect());
        }
        Self::form(body)
    }

    /// These, and `others` where these have none.
    pub(super) fn or(mut self, others: Self) -> Self {
        for (name, value) in others.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.as_str();
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}

/// Those of the query.
impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::form(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

/// Those of the body.
pub(super) struct BodyParams(pub(super) Params);

impl<S: Send + Sync> FromRequest<S> for BodyParams {
    type Rejection = BytesRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, BytesRejection> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, state).await?;
        Ok(Self(Params::body(&headers, &body)))
    }
}

/// The session cookie that a browser sent.
pub(super) struct SessionCookie(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for SessionCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(session_cookie(&parts.headers).map(str::to_owned)))
    }
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let lines = fields.filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value))
}

/// The credentials of an `Authorization` header in this scheme.
pub(super) fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (sent, credentials) = value.split_once(' ')?;
    sent.eq_ignore_ascii_case(scheme)
        .then_some(credentials.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn empty_is_absent_and_plus_is_a_space() {
        let params = Params::form(b"a=&b=x+y&c=%2B");
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
