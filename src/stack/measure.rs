//! The client that response times are measured with.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::http1::Incoming;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One keep-alive connection, as lean as it can be: what is measured is the gateway.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { address, stream })
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
        let mut incoming = Incoming::default();
        let mut buffer = [0_u8; 4096];
        while !incoming.is_over() {
            let read = self.stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            incoming.take(buffer.get(..read).unwrap_or_default());
            if let Some(head) = &incoming.head
                && head.status != 200
            {
                let why = format!("the health check answered {}", head.status);
                return Err(io::Error::other(why));
            }
        }
        let (head, _) = incoming.finish().map_err(io::Error::other)?;
        Ok(head.ends_in("connection", "close"))
    }
}
