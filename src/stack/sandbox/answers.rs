//! Waiting until a service of the sandbox answers.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::layout::{self, AUTH_PORT, REDIS_PORT, local};
use crate::stack::{Service, StackError};

/// How long a supporting service has to answer after its start.
pub const READY_DEADLINE: Duration = Duration::from_secs(10);

/// How often a condition is looked at while it is waited for.
pub const POLL: Duration = Duration::from_millis(1);

pub fn failed(service: Service, what: String) -> StackError {
    StackError::Service { service, what }
}

/// Waits until Redis answers a PING.
pub async fn redis_answers() -> Result<(), StackError> {
    let asked = Asked {
        service: Service::Redis,
        port: REDIS_PORT,
        words: "PING\r\n".to_owned(),
        expected: "+PONG",
        deadline: READY_DEADLINE,
    };
    asked.answers().await
}

/// Waits until oauth2-proxy answers on /ping.
pub async fn auth_answers() -> Result<(), StackError> {
    let asked = Asked {
        service: Service::Auth,
        port: AUTH_PORT,
        words: "GET /ping HTTP/1.0\r\n\r\n".to_owned(),
        expected: " 200 ",
        deadline: READY_DEADLINE,
    };
    asked.answers().await
}

/// What a service is asked to see whether it is up.
pub struct Asked {
    pub service: Service,
    pub port: u16,
    pub words: String,
    /// What its answer holds then.
    pub expected: &'static str,
    pub deadline: Duration,
}

impl Asked {
    /// Waits until the answer is as expected.
    pub async fn answers(&self) -> Result<(), StackError> {
        let started = Instant::now();
        loop {
            match exchange(self.port, self.words.as_bytes()).await {
                Ok(answer) if answer.contains(self.expected) => return Ok(()),
                seen if started.elapsed() > self.deadline => {
                    return Err(self.no_answer(&format!("{seen:?}")));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    fn no_answer(&self, seen: &str) -> StackError {
        failed(
            self.service,
            format!(
                "no answer on port {} within {} s (last: {seen}); it said: {}",
                self.port,
                self.deadline.as_secs(),
                layout::last_words(self.service)
            ),
        )
    }
}

async fn exchange(port: u16, ask: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(local(port)).await?;
    stream.write_all(ask).await?;
    let mut buffer = [0_u8; 256];
    let read = tokio::time::timeout(READY_DEADLINE, stream.read(&mut buffer))
        .await
        .map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()).into_owned())
}
