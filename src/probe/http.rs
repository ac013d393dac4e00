//! One request, one response: no redirects, no cookies, no connection kept.

use std::{
    collections::HashSet,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Url;

use crate::stack::{Endpoints, Service};

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read of a body, in bytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The address as the gateway's world has it.
    pub url: Url,
    /// Header fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

impl Request {
    /// A GET.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: "GET".to_owned(),
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    /// A request with a JSON body.
    #[must_use]
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

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, lossily decoded.
    pub body: String,
}

impl Response {
    /// The first header field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON, where it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Whether it says that its body is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    }

    /// Where it sends the client, if anywhere.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        (300..400)
            .contains(&self.status)
            .then(|| self.header("location"))
            .flatten()
    }

    /// Status and the first bytes of the body, for one line of text.
    #[must_use]
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

/// There was no response.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} {url}: no answer: {why}")]
pub struct NoAnswer {
    /// Who was asked.
    pub service: Service,
    /// The HTTP method.
    pub method: String,
    /// The address.
    pub url: String,
    /// What the connection said.
    pub why: String,
}

/// Sends requests to where the stack's services really listen.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    endpoints: Endpoints,
    /// Method and target of everything that was sent. Clones share it.
    sent: Arc<Mutex<HashSet<String>>>,
}

impl Http {
    /// A client for a stack.
    ///
    /// # Errors
    /// What the HTTP library says when it cannot start.
    pub fn new(endpoints: Endpoints) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A kept connection could outlive the gateway that it was made to.
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self {
            client,
            endpoints,
            sent: Arc::default(),
        })
    }

    /// Whether a request with this first line (`GET /path?query HTTP/1.1`) was sent by this
    /// client or by a clone of it.
    #[must_use]
    pub fn has_sent(&self, line: &str) -> bool {
        let request = line
            .rsplit_once(" HTTP/")
            .map_or(line, |(request, _)| request);
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.contains(request)
    }

    fn address(&self, url: &Url) -> Option<SocketAddr> {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        self.endpoints
            .resolve(host, port)
            .or_else(|| format!("{host}:{port}").parse().ok())
    }

    fn service(&self, url: &Url) -> Service {
        let address = self.address(url);
        [
            (self.endpoints.idp, Service::Idp),
            (self.endpoints.upstream, Service::Upstream),
            (Some(self.endpoints.auth), Service::Auth),
        ]
        .into_iter()
        .find(|(known, _)| known.is_some() && *known == address)
        .map_or(Service::Gateway, |(_, service)| service)
    }

    /// Sends a request and reads the whole response.
    ///
    /// # Errors
    /// Where no response came.
    pub async fn send(&self, request: &Request) -> Result<Response, NoAnswer> {
        let no_answer = |why: String| NoAnswer {
            service: self.service(&request.url),
            method: request.method.clone(),
            url: request.url.to_string(),
            why,
        };
        let url = &request.url;
        let address = self
            .address(url)
            .ok_or_else(|| no_answer("the host is no part of the stack".to_owned()))?;
        let asked = &url[url::Position::BeforePath..url::Position::AfterQuery];
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{} {asked}", request.method));
        let target = format!("http://{address}{asked}");
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| no_answer(error.to_string()))?;
        let named = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut builder = self.client.request(method, target).header("host", named);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let mut answer = builder
            .send()
            .await
            .map_err(|error| no_answer(chain(&error)))?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| no_answer(chain(&error)))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_LIMIT {
                break;
            }
        }
        Ok(Response {
            status: answer.status().as_u16(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// An error with all that caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// A request and its response as a person reads them.
#[must_use]
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

/// A connection that is open before anything is asked over it, so that the process which
/// accepted it can be told before it answers.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody accepts.
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = tokio::time::timeout(TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok(Self { stream })
    }

    /// This end's address: the other end's `remote` in the socket table.
    ///
    /// # Errors
    /// Where the socket is gone.
    pub fn local(&self) -> std::io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Asks for `path` and reads until the server closes.
    ///
    /// # Errors
    /// A connection that breaks, or an answer that is no HTTP.
    pub async fn get(mut self, host: &str, path: &str) -> std::io::Result<Response> {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.stream.write_all(ask.as_bytes()).await?;
        let mut bytes = Vec::new();
        let mut limited = (&mut self.stream).take(BODY_LIMIT as u64);
        tokio::time::timeout(TIMEOUT, limited.read_to_end(&mut bytes))
            .await
            .map_err(|_| std::io::ErrorKind::TimedOut)??;
        parse(&String::from_utf8_lossy(&bytes))
            .ok_or_else(|| std::io::Error::other("the answer is no HTTP response"))
    }
}

fn parse(text: &str) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked {
        dechunk(body)?
    } else {
        body.to_owned()
    };
    Some(Response {
        status,
        headers,
        body,
    })
}

/// RFC 9112, section 7.1, without extensions or trailers.
fn dechunk(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, data) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(data.get(..size)?);
        rest = data.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_response_is_read_whole_or_chunked() {
        let plain =
            parse("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!(
            (plain.status, plain.body.as_str(), plain.is_json()),
            (200, "{\"a\":1}", true)
        );
        let chunked = parse(
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!((chunked.status, chunked.body.as_str()), (503, "abcde"));
        assert!(parse("garbage").is_none());
    }
}
