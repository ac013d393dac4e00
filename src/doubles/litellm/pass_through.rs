//! The real LiteLLM behind a journal. What comes is written down, handed on as it came, and
//! answered with what LiteLLM answers; the control paths are those of the double, so that every
//! check looks at both in the same way. The log is LiteLLM's own.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream::try_unfold;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::hold::Hold;
use super::{BODY_LIMIT, stream};
use crate::doubles::harness::Harness;
use crate::doubles::observe::noted;
use crate::http1::Incoming;

/// What an entry of the journal notes that LiteLLM itself answered.
pub const ANSWERED: &str = "answered by LiteLLM";

/// What is between two neighbours only, and is not handed on (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// A journal in front of a LiteLLM that listens somewhere else.
#[derive(Clone, Debug)]
pub struct PassThrough {
    real: SocketAddr,
    logs: Vec<PathBuf>,
    harness: Harness,
    hold: Hold,
}

impl PassThrough {
    /// In front of the LiteLLM that listens at `real` and writes its log to these files.
    pub fn new(real: SocketAddr, logs: Vec<PathBuf>) -> Self {
        Self {
            real,
            logs,
            harness: Harness::default(),
            hold: Hold::default(),
        }
    }

    /// The same with its control path open to whoever has the token.
    #[must_use]
    pub fn controlled_by(mut self, token: SecretString) -> Self {
        self.harness.token = Some(token);
        self
    }

    /// The service, ready to be given to [`crate::doubles::serve`].
    pub fn router(&self) -> Router {
        let handed_on = Router::new().fallback(hand_on).with_state(self.clone());
        let own = Router::new()
            .route("/__verify/log", get(read_log))
            .route("/__verify/alive", get(alive))
            .with_state(self.clone());
        let double = self.harness.observed(handed_on, BODY_LIMIT);
        self.harness
            .controlled(double, own.merge(self.hold.routes()))
    }

    /// Sends a request on, over a connection of its own: one that LiteLLM closes as a request comes
    /// would be a failure that is not the gateway's.
    async fn send(&self, request: Request) -> io::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_LIMIT).await.map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(self.real).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&head_of(&parts, body.len())).await?;
        // It may answer before it has read everything.
        let written = stream.write_all(&body).await;
        let mut answer = Answer {
            stream,
            incoming: Incoming::default(),
        };
        while answer.incoming.head.is_none()
            && !answer.incoming.is_over()
            && answer.read().await? > 0
        {}
        let Some(head) = answer.incoming.head.take() else {
            written?;
            return Err(io::Error::other("its answer is no HTTP response"));
        };
        let body = match parts.method {
            Method::HEAD => Body::empty(),
            _ => Body::from_stream(try_unfold(answer, async |mut answer| {
                let chunk = answer.chunk().await?;
                Ok::<_, io::Error>(chunk.map(|chunk| (chunk, answer)))
            })),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(head.status).map_err(io::Error::other)?;
        for (name, value) in &head.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value);
            if let (Ok(name), Ok(value)) = (name, value)
                && !HOP_BY_HOP.contains(&name)
            {
                response.headers_mut().append(name, value);
            }
        }
        Ok(response)
    }
}

/// The head of a request as it goes over the wire.
fn head_of(parts: &Parts, length: usize) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut head = format!("{} {target} HTTP/1.1\r\n", parts.method).into_bytes();
    let fields = parts.headers.iter();
    for (name, value) in fields.filter(|(name, _)| !HOP_BY_HOP.contains(name)) {
        head.extend_from_slice(name.as_ref());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if length > 0 && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// LiteLLM's answer on its way.
struct Answer {
    stream: TcpStream,
    incoming: Incoming,
}

impl Answer {
    async fn read(&mut self) -> io::Result<usize> {
        let mut bytes = Vec::with_capacity(16 * 1024);
        let count = self.stream.read_buf(&mut bytes).await?;
        self.incoming.take(&bytes);
        Ok(count)
    }

    /// What comes next of the body, `None` at its end.
    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.incoming.body.is_empty() && !self.incoming.is_over() && self.read().await? > 0 {}
        let body = std::mem::take(&mut self.incoming.body);
        match (body.is_empty(), self.incoming.may_end()) {
            (false, _) => Ok(Some(body)),
            (true, true) => Ok(None),
            (true, false) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// `GET /__verify/log`: what LiteLLM itself wrote.
async fn read_log(State(pass): State<PassThrough>) -> Response {
    let mut text = String::new();
    for file in &pass.logs {
        match tokio::fs::read(file).await {
            Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
            Err(error) => {
                let why = format!("{}: {error}", file.display());
                return (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
            }
        }
    }
    text.into_response()
}

/// `GET /__verify/alive`: 200 when LiteLLM answers, and as soon as it does.
async fn alive(State(pass): State<PassThrough>) -> Response {
    let mut request = Request::default();
    *request.uri_mut() = axum::http::Uri::from_static("/health/liveliness");
    let host = HeaderValue::from_static("litellm");
    request.headers_mut().insert(header::HOST, host);
    match pass.send(request).await {
        Ok(answer) => answer.status().into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn hand_on(State(pass): State<PassThrough>, request: Request) -> Response {
    match pass.send(request).await {
        Ok(response) => held(&pass.hold, response).await,
        Err(error) => broken(&format!("LiteLLM does not answer: {error}")),
    }
}

/// LiteLLM's answer. A stream that is to be held back is heard to its end first, and then sent
/// event by event as whoever holds it says.
async fn held(hold: &Hold, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let streamed = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !streamed || !hold.is_asked_for() {
        return noted(response, ANSWERED);
    }
    let (head, body) = response.into_parts();
    match to_bytes(body, BODY_LIMIT).await {
        Ok(bytes) => {
            let frames = stream::frames(&String::from_utf8_lossy(&bytes));
            let response = Response::from_parts(head, stream::paced(frames, hold));
            noted(response, ANSWERED)
        }
        Err(error) => broken(&format!("LiteLLM's stream broke off: {error}")),
    }
}

fn broken(why: &str) -> Response {
    let body = Json(json!({ "error": { "message": why, "type": "pass_through" } }));
    noted((StatusCode::BAD_GATEWAY, body), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let mut request = Request::new(());
        *request.uri_mut() = "http://host/%2e%2E/a?b=%2e".parse().unwrap();
        for name in ["connection", "keep-alive", "transfer-encoding", "host"] {
            let value = HeaderValue::from_bytes(b"x\xff").unwrap();
            request.headers_mut().insert(name, value);
        }
        let (parts, ()) = request.into_parts();
        assert_eq!(
            head_of(&parts, 2),
            b"GET /%2e%2E/a?b=%2e HTTP/1.1\r\nhost: x\xff\r\ncontent-length: 2\r\n\r\n"
        );
    }

    /// What is handed on of an answer that comes in these pieces.
    async fn handed_on(pieces: [&'static [u8]; 2]) -> Result<Vec<u8>, axum::Error> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pass = PassThrough::new(listener.local_addr().unwrap(), Vec::new());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let response = pass.send(Request::default()).await.unwrap();
        assert!(!response.headers().contains_key(header::TRANSFER_ENCODING));
        Ok(to_bytes(response.into_body(), 100).await?.to_vec())
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_not_handed_on_as_a_whole_one() {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".as_slice();
        assert_eq!(handed_on([head, b"0\r\n\r\n"]).await.unwrap(), b"abc");
        assert!(handed_on([head, b"3\r\nde"]).await.is_err());
        let known = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na".as_slice();
        assert_eq!(handed_on([known, b"bc"]).await.unwrap(), b"abc");
        assert!(handed_on([known, b"b"]).await.is_err());
        let closes = b"HTTP/1.1 200 OK\r\n\r\na".as_slice();
        assert_eq!(handed_on([closes, b"b"]).await.unwrap(), b"ab");
    }
}
