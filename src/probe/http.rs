//! One request, one response: no redirects, no cookies, no connection kept.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use url::Url;

use super::connection::TIMEOUT;
pub use super::{
    connection::Connection,
    message::{Request, Response, target_of, transcript},
};
use crate::{
    http1::{LIMIT, Unreadable},
    model::service::{Endpoints, Service},
};

#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} {url}: no answer: {why}")]
pub struct NoAnswer {
    pub service: Service,
    pub method: String,
    pub url: String,
    /// What the connection said.
    pub why: String,
}

/// Sends requests to where the stack's services really listen.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    endpoints: Endpoints,
    answered: Arc<Mutex<Answered>>,
}

/// Every request to the gateway, by its line without the protocol's version, `GET /path?query`,
/// with the statuses that it was answered with: none where no answer came.
pub type Answered = BTreeMap<String, Vec<u16>>;

impl Http {
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
            answered: Arc::default(),
        })
    }

    /// Whether a request with this first line (`GET /path?query HTTP/1.1`) was sent by this
    /// client or by a clone of it.
    pub fn has_sent(&self, line: &str) -> bool {
        let request = line
            .rsplit_once(" HTTP/")
            .map_or(line, |(request, _)| request);
        self.lock().contains_key(request)
    }

    /// Where the host of an address is reached.
    pub fn address(&self, url: &Url) -> Option<SocketAddr> {
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

    /// What the gateway's requests were answered with, all of this client and its clones.
    pub fn answered(&self) -> Answered {
        self.lock().clone()
    }

    /// Notes a request that another client sends: known before it can have left a trace anywhere.
    pub fn announce(&self, method: &str, url: &Url) {
        if self.service(url) == Service::Gateway {
            let line = format!("{method} {}", target_of(url));
            self.lock().entry(line).or_default();
        }
    }

    /// Notes what another client was answered.
    pub fn answered_with(&self, request: &Request, status: u16) {
        if self.service(&request.url) == Service::Gateway {
            self.note(&request.method, target_of(&request.url), status);
        }
    }

    /// Notes an answer that did not come by this client.
    pub fn note(&self, method: &str, target: &str, status: u16) {
        let line = format!("{method} {target}");
        self.lock().entry(line).or_default().push(status);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answered> {
        // Whole entries only: there is no half-made state that a panic could leave behind.
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn no_answer(&self, request: &Request, why: String) -> NoAnswer {
        NoAnswer {
            service: self.service(&request.url),
            method: request.method.clone(),
            url: request.url.to_string(),
            why,
        }
    }

    /// Sends a request and returns when the head of the response is there.
    pub async fn open(&self, request: &Request) -> Result<Opened, NoAnswer> {
        let no_answer = |why: String| self.no_answer(request, why);
        let url = &request.url;
        let address = self
            .address(url)
            .ok_or_else(|| no_answer("the host is no part of the stack".to_owned()))?;
        self.announce(&request.method, url);
        let target = format!("http://{address}{}", target_of(url));
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
        let answer = builder
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
        let status = answer.status().as_u16();
        self.answered_with(request, status);
        let head = Response {
            status,
            headers,
            body: String::new(),
        };
        Ok(Opened { head, answer })
    }

    pub async fn send(&self, request: &Request) -> Result<Response, NoAnswer> {
        let mut opened = self.open(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = opened
            .chunk()
            .await
            .map_err(|why| self.no_answer(request, why))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LIMIT {
                return Err(self.no_answer(request, Unreadable::TooLong.to_string()));
            }
        }
        Ok(Response {
            body: String::from_utf8_lossy(&body).into_owned(),
            ..opened.head
        })
    }
}

/// A response whose body is still to come.
#[derive(Debug)]
pub struct Opened {
    /// Status and header fields; its body is empty.
    pub head: Response,
    answer: reqwest::Response,
}

impl Opened {
    /// The next bytes of the body as they arrive; `None` at its end.
    ///
    /// # Errors
    /// What the connection says where it breaks before the end.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, String> {
        let chunk = self.answer.chunk().await;
        chunk
            .map(|bytes| bytes.map(|bytes| bytes.to_vec()))
            .map_err(|error| chain(&error))
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
