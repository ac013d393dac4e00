//! What the tests of both doubles need.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;
use verify::doubles::control::TOKEN_HEADER;
use verify::doubles::journal::Page;
use verify::doubles::{Running, serve};

/// A double on a free port.
pub async fn start(router: axum::Router) -> Running {
    serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), router).await
}

/// What opens the control path of the doubles under test.
pub const TOKEN: &str = "token-of-the-tests";

/// A client that follows no redirect and has the token.
pub fn client() -> Client {
    let token = [(TOKEN_HEADER, TOKEN)].map(|(name, value)| {
        let name = HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    Client::builder()
        .default_headers(token.into_iter().collect())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    request
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

pub fn location(response: &Response) -> String {
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// A parameter of a URL, absolute or not.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse("http://base/").unwrap().join(url).unwrap();
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

pub fn cookie(headers: &HeaderMap) -> String {
    headers[SET_COOKIE]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

/// The journal over HTTP, from `since` on.
pub async fn journal(running: &Running, since: u64) -> Page {
    let url = format!("http://{}/__verify/journal?since={since}", running.addr);
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

pub async fn json(response: Response) -> Value {
    response.json().await.unwrap()
}
