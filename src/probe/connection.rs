//! A connection by hand: opened before anything is asked over it, or as slow as one likes.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::http::{BODY_LIMIT, Response, TIMEOUT};

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
            while bytes.len() < BODY_LIMIT && !is_whole(&bytes) {
                if self.stream.read_buf(&mut bytes).await? == 0 {
                    break;
                }
            }
            Ok(())
        };
        let ended = match tokio::time::timeout(limit, whole).await {
            Ok(Ok(())) => std::io::Error::other("the answer is no HTTP response"),
            Ok(Err(error)) => error,
            Err(_) => std::io::ErrorKind::TimedOut.into(),
        };
        parse(&String::from_utf8_lossy(&bytes)).ok_or(ended)
    }
}

/// Whether an answer says how long it is, and all of it is there.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let (head, body) = bytes.split_at(head + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length) || body.ends_with(b"\r\n0\r\n\r\n")
}

/// A whole response as it came over the wire.
pub(super) fn parse(text: &str) -> Option<Response> {
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
    // The answer to a HEAD tells of a body and has none.
    let body = if chunked && !body.is_empty() {
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

    #[test]
    fn an_answer_is_whole_when_all_that_it_announces_is_there() {
        let plain = b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nabc";
        assert!(is_whole(plain) && !is_whole(&plain[..plain.len() - 1]));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert!(is_whole(chunked) && !is_whole(&chunked[..chunked.len() - 5]));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes"));
    }
}
