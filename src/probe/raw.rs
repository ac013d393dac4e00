//! A request as no browser and no library would send it: every byte of its head is the
//! caller's, nothing is put in order on the way.

use std::{io, net::SocketAddr};

use super::{
    connection::{Connection, TIMEOUT},
    message::Response,
};

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Raw {
    pub method: String,
    /// The request target, as it goes into the request line.
    pub target: String,
    /// The value of `Host`.
    pub host: String,
    /// Further header fields, in order. A value may hold what no header may.
    pub headers: Vec<(String, String)>,
    /// The body; its length is told in `Content-Length`.
    pub body: Option<String>,
}

impl Raw {
    pub fn get(host: &str, target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: String) -> Self {
        self.body = Some(body);
        self.header("Content-Type", "application/json")
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.method, self.target, self.host
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(self.body.as_deref().unwrap_or_default());
        text.into_bytes()
    }

    /// Sends it and reads until the server closes.
    ///
    /// # Errors
    /// Nobody accepts, the connection breaks before an answer, or what comes is no HTTP or does not
    /// end.
    pub async fn send(&self, address: SocketAddr) -> io::Result<Response> {
        self.send_over(Connection::open(address).await?).await
    }

    /// The same over a connection that is open already.
    ///
    /// # Errors
    /// As [`Raw::send`].
    pub async fn send_over(&self, connection: Connection) -> io::Result<Response> {
        let bytes = self.bytes();
        let ended = tokio::time::timeout(TIMEOUT, connection.exchange(&bytes)).await;
        ended.map_err(|_| io::ErrorKind::TimedOut)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_put_in_order() {
        let raw = Raw::get("h", "//a/../%2e;b")
            .method("BREW")
            .header("X", "a\nb")
            .json("{}".to_owned());
        assert_eq!(
            String::from_utf8(raw.bytes()).unwrap(),
            "BREW //a/../%2e;b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX: a\nb\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        );
    }
}
