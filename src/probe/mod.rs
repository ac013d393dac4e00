//! What touches the gateway: as a browser, as an API client, through Redis, the socket
//! table, the logs and the journals of the doubles.

pub mod browser;
pub mod chromium;
mod connection;
pub mod http;
pub mod journal;
pub mod jwt;
pub mod log;
mod message;
pub mod poll;
pub mod raw;
pub mod redis;
pub mod stats;

use crate::digest::hex;

/// A random text that is part of a request, so that its traces are found by it and by nothing else.
pub fn nonce() -> String {
    let mut bytes = [0_u8; NONCE_LENGTH / 2];
    // Without random numbers there is no TLS, no session and no run: the stack has failed before.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    hex(&bytes)
}

/// How many digits a nonce has.
pub const NONCE_LENGTH: usize = 16;

/// The name of the query parameter that carries a request's nonce.
pub const NONCE: &str = "verify";

/// The nonce that an address carries.
pub fn nonce_of(url: &url::Url) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(name, _)| name == NONCE)
        .map(|(_, nonce)| nonce.into_owned())
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
