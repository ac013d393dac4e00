//! A connection by hand: opened before anything is asked over it, or as slow as one likes.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::http::{BODY_LIMIT, Response, TIMEOUT, TOO_LONG};

/// The most header fields of an answer: as many as an HTTP client takes, and more.
const MOST_HEADERS: usize = 1000;

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

    /// Asks for `path` and reads the answer.
    ///
    /// # Errors
    /// A connection that breaks, or an answer that is no HTTP.
    pub async fn get(mut self, host: &str, path: &str) -> std::io::Result<Response> {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.stream.write_all(ask.as_bytes()).await?;
        self.read(TIMEOUT).await
    }

    /// Sends a request in pieces with a pause behind each, as a slow client does, and reads
    /// the answer. The pieces make up the whole request; it must ask for that.
    ///
    /// # Errors
    /// No answer within the limit, a connection that breaks before, an answer that is no HTTP.
    pub async fn slowly(
        mut self,
        pieces: &[&[u8]],
        pause: Duration,
        limit: Duration,
    ) -> std::io::Result<Response> {
        self.stream.set_nodelay(true)?;
        for piece in pieces {
            // A server that has answered already need not read the rest: its answer counts.
            if self.stream.write_all(piece).await.is_err() {
                break;
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        self.read(limit).await
    }

    /// Reads until the answer is whole or the server closes: one that waits for the rest of a
    /// request closes late. What was read before it broke off is an answer, too, where it is one.
    async fn read(&mut self, limit: Duration) -> std::io::Result<Response> {
        let mut bytes = Vec::new();
        let whole = async {
            let mut head = None;
            while !is_whole(&bytes, &mut head) {
                if bytes.len() > BODY_LIMIT {
                    return Err(std::io::Error::other(TOO_LONG));
                }
                if self.stream.read_buf(&mut bytes).await? == 0 {
                    break;
                }
            }
            Ok(())
        };
        let ended = match tokio::time::timeout(limit, whole).await {
            Ok(Ok(())) => {
                return parse(&String::from_utf8_lossy(&bytes)).map_err(std::io::Error::other);
            }
            Ok(Err(error)) if bytes.len() > BODY_LIMIT => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        parse(&String::from_utf8_lossy(&bytes)).map_err(|_| ended)
    }
}

/// Where the head of an answer ends, and the length of the body that it announces.
type Head = (usize, Option<usize>);

/// Whether an answer says how long it is, and all of it is there. Its head is read once, however
/// often more of the answer arrives.
fn is_whole(bytes: &[u8], known: &mut Option<Head>) -> bool {
    if known.is_none() {
        *known = head_of(bytes);
    }
    let Some((end, length)) = *known else {
        return false;
    };
    let body = bytes.get(end..).unwrap_or_default();
    length.is_some_and(|length| body.len() >= length) || body.ends_with(b"\r\n0\r\n\r\n")
}

fn head_of(bytes: &[u8]) -> Option<Head> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok());
    Some((end, length))
}

/// A whole response as it came over the wire.
///
/// # Errors
/// Why it is none.
pub(super) fn parse(text: &str) -> Result<Response, &'static str> {
    const NONE: &str = "the answer is no HTTP response";
    let (head, body) = text.split_once("\r\n\r\n").ok_or(NONE)?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or(NONE)?;
    if lines.clone().nth(MOST_HEADERS).is_some() {
        return Err("the answer has more than 1000 header fields");
    }
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    // The answer to a HEAD tells of a body and has none.
    let body = if chunked && !body.is_empty() {
        dechunk(body).ok_or(NONE)?
    } else {
        body.to_owned()
    };
    Ok(Response {
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
        assert!(parse("garbage").is_err());
    }

    #[test]
    fn an_answer_is_whole_when_all_that_it_announces_is_there() {
        let whole = |bytes: &[u8]| is_whole(bytes, &mut None);
        let plain = b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nabc";
        assert!(whole(plain) && !whole(&plain[..plain.len() - 1]));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert!(whole(chunked) && !whole(&chunked[..chunked.len() - 5]));
        assert!(!whole(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes"));
    }

    /// A server that answers each connection with `head`, then with `more` until nobody reads.
    async fn endless(head: &'static [u8], more: &'static [u8]) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let more = more.repeat(64 * 1024 / more.len().max(1));
                    let mut written = stream.write_all(head).await;
                    while written.is_ok() && !more.is_empty() {
                        written = stream.write_all(&more).await;
                    }
                });
            }
        });
        address
    }

    /// What each of the three clients says of such an answer.
    async fn said(head: &'static [u8], more: &'static [u8]) -> [String; 3] {
        use crate::probe::{
            http::{Http, Request},
            raw::Raw,
        };
        let address = endless(head, more).await;
        let endpoints = crate::model::service::Endpoints {
            addresses: std::collections::BTreeMap::new(),
            upstream: None,
            idp: None,
            auth: ([127, 0, 0, 1], 1).into(),
        };
        let http = Http::new(endpoints).unwrap();
        let url = format!("http://{address}/").parse().unwrap();
        let by_library = http.send(&Request::get(url)).await.unwrap_err().to_string();
        let by_hand = Connection::open(address).await.unwrap().get("h", "/").await;
        let raw = Raw::get("h", "/").send(address).await;
        [
            by_library,
            by_hand.unwrap_err().to_string(),
            raw.unwrap_err().to_string(),
        ]
    }

    #[tokio::test]
    async fn an_answer_that_never_ends_is_said_to_be_too_long() {
        for said in said(b"HTTP/1.1 200 OK\r\n\r\n", b"body ").await {
            assert!(said.contains(TOO_LONG), "{said}");
        }
    }

    #[tokio::test]
    async fn headers_that_never_end_are_no_answer() {
        let [by_library, by_hand, raw] = said(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n").await;
        assert!(by_library.contains("no answer"), "{by_library}");
        assert!(
            by_hand.contains(TOO_LONG) && raw.contains(TOO_LONG),
            "{by_hand}, {raw}"
        );
    }

    #[test]
    fn too_many_header_fields_are_counted() {
        let many = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
        assert_eq!(
            parse(&many(MOST_HEADERS)).unwrap().headers.len(),
            MOST_HEADERS
        );
        assert!(
            parse(&many(MOST_HEADERS + 1))
                .unwrap_err()
                .contains("1000 header fields")
        );
    }

    #[test]
    fn json_that_is_nested_too_deeply_is_none() {
        let body = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        let answer = parse(&format!("HTTP/1.1 200 OK\r\n\r\n{body}")).unwrap();
        assert_eq!(answer.json(), None);
    }
}
