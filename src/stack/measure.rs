//! The client that response times are measured with.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One keep-alive connection, as lean as it can be: what is measured is the gateway.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens the connection.
    ///
    /// # Errors
    /// What the system says.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Asks for `path` so many times, one after another. Nanoseconds from each request's first
    /// byte to its response's last.
    ///
    /// # Errors
    /// An answer other than 200, a connection that breaks.
    pub fn block(&mut self, path: &str, count: u32) -> io::Result<Vec<u64>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (0..count).map(|_| self.time(&request)).collect()
    }

    fn time(&mut self, request: &str) -> io::Result<u64> {
        let started = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let closes = self.response()?;
        let elapsed = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if closes {
            // keepalive_requests is reached: the next request goes over a new connection,
            // whose making is not measured.
            *self = Self::connect(self.address)?;
        }
        Ok(elapsed)
    }

    /// Reads one response to its end; whether the server closes the connection after it.
    fn response(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let mut chunk = [0_u8; 4096];
        loop {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend(chunk.iter().take(read));
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let head = head.to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(io::Error::other(format!(
                    "the health check answered {:?}",
                    head.lines().next()
                )));
            }
            let complete = match header(&head, "content-length") {
                Some(length) => body.len() >= length.parse().map_err(io::Error::other)?,
                // Chunked: the last chunk is empty.
                None => body.ends_with("0\r\n\r\n"),
            };
            if complete {
                return Ok(header(&head, "connection") == Some("close"));
            }
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
