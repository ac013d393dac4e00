//! A connection by hand: opened before anything is asked over it, or as slow as one likes.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::message::Response;
use crate::http1::{Incoming, Unreadable};

/// How long a response may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that is open before anything is asked over it, so that the process which
/// accepted it can be told before it answers.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(TIMEOUT, TcpStream::connect(address))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { stream })
    }

    /// This end's address: the other end's `remote` in the socket table.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// # Errors
    /// A connection that breaks, or an answer that is no HTTP.
    pub async fn get(mut self, host: &str, path: &str) -> io::Result<Response> {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.stream.write_all(ask.as_bytes()).await?;
        self.answer(TIMEOUT).await
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
    ) -> io::Result<Response> {
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
        self.answer(limit).await
    }

    /// Sends a whole request and reads until the server closes: what follows the answer is seen, too.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub(super) async fn exchange(mut self, request: &[u8]) -> io::Result<Response> {
        // A server may answer and close before it has read everything.
        let written = self.stream.write_all(request).await;
        let mut incoming = Incoming::default();
        let read = self.read(&mut incoming, Incoming::is_wrong).await;
        finish(incoming, written.and(read))
    }

    /// Reads until the answer is whole or the server closes: one that waits for the rest of a
    /// request closes late. What was read before it broke off is an answer, too, where it is one.
    async fn answer(&mut self, limit: Duration) -> io::Result<Response> {
        let mut incoming = Incoming::default();
        let read = timeout(limit, self.read(&mut incoming, Incoming::is_over)).await;
        finish(
            incoming,
            read.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
        )
    }

    async fn read(
        &mut self,
        incoming: &mut Incoming,
        enough: fn(&Incoming) -> bool,
    ) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(16 * 1024);
        while !enough(incoming) && self.stream.read_buf(&mut bytes).await? > 0 {
            incoming.take(&bytes);
            bytes.clear();
        }
        Ok(())
    }
}

/// What arrived as a response; where that is none, what ended the connection counts.
fn finish(incoming: Incoming, ended: io::Result<()>) -> io::Result<Response> {
    match (incoming.finish(), ended) {
        (Ok(read), _) => Ok(read.into()),
        (Err(Unreadable::Incomplete), Err(ended)) => Err(ended),
        (Err(wrong), _) => Err(io::Error::other(wrong)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Unreadable::{TooLong, TooManyFields};

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
            assert!(said.contains(&TooLong.to_string()), "{said}");
        }
    }

    #[tokio::test]
    async fn headers_that_never_end_are_no_answer() {
        for (head, more, why) in [
            (
                b"HTTP/1.1 200 OK\r\n".as_slice(),
                b"X: y\r\n".as_slice(),
                TooManyFields,
            ),
            (b"HTTP/1.1 200 OK\r\nX: ", b"y", TooLong),
        ] {
            let [by_library, by_hand, raw] = said(head, more).await;
            assert!(by_library.contains("no answer"), "{by_library}");
            assert_eq!([&by_hand, &raw], [&why.to_string(); 2]);
        }
    }

    #[test]
    fn json_that_is_nested_too_deeply_is_none() {
        let body = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        let mut incoming = Incoming::default();
        incoming.take(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes());
        assert_eq!(finish(incoming, Ok(())).unwrap().json(), None);
    }
}
