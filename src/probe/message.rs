//! A request, a response, and both as a person reads them.

use std::fmt::Write as _;

use serde_json::Value;
use url::{Position, Url};

use crate::http1::Head;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The address as the gateway's world has it.
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

impl Request {
    pub fn get(url: Url) -> Self {
        Self {
            method: "GET".to_owned(),
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    pub fn json(method: &str, url: Url, body: String) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self {
            method: method.to_owned(),
            url,
            headers,
            body: Some(body),
        }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, lossily decoded.
    pub body: String,
}

impl Response {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Whether it says that its body is JSON.
    pub fn is_json(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    }

    /// Where it sends the client, if anywhere.
    pub fn location(&self) -> Option<&str> {
        (300..400)
            .contains(&self.status)
            .then(|| self.header("location"))
            .flatten()
    }

    /// Status and the first bytes of the body, for one line of text.
    pub fn summary(&self) -> String {
        let body: String = self.body.chars().take(200).collect();
        let to = self
            .location()
            .map(|to| format!(" to {to}"))
            .unwrap_or_default();
        format!(
            "{}{to} {}",
            self.status,
            body.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    }
}

impl From<(Head, Vec<u8>)> for Response {
    fn from((head, body): (Head, Vec<u8>)) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = head.headers.into_iter();
        Self {
            status: head.status,
            headers: fields.map(|(name, value)| (name, text(&value))).collect(),
            body: text(&body),
        }
    }
}

/// A request and what came back.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The request, cookies included.
    pub request: Request,
    pub response: Response,
}

/// Path and query of an address, as they stand in the request line.
pub fn target_of(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

pub fn transcript(request: &Request, response: &Response) -> String {
    let mut text = format!("> {} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let _ = writeln!(text, "> {name}: {value}");
    }
    if let Some(body) = &request.body {
        let _ = writeln!(text, ">\n> {body}");
    }
    let _ = writeln!(text, "< {}", response.status);
    for (name, value) in &response.headers {
        let _ = writeln!(text, "< {name}: {value}");
    }
    if !response.body.is_empty() {
        let shown: String = response.body.chars().take(2000).collect();
        let _ = write!(text, "<\n{shown}");
    }
    text
}
