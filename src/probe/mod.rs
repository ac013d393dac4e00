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

use serde_json::Value;

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

/// Milliseconds since 1970 from here on; seconds reach it in the year 5138.
const IN_MS: f64 = 1e11;

/// A moment as a gateway writes it, in seconds since 1970: a number of seconds or of milliseconds,
/// also as a text, or RFC 3339.
pub fn moment(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => {
                let at: jiff::Timestamp = text.parse().ok()?;
                return Some(at.as_duration().as_secs_f64());
            }
        },
        other => other.as_f64()?,
    };
    Some(if number < IN_MS { number } else { number / 1e3 })
}

/// [`moment`] in whole seconds.
#[allow(clippy::cast_possible_truncation)] // a moment has far fewer digits than an i64
pub fn moment_s(value: &Value) -> Option<i64> {
    moment(value).map(|at| at.floor() as i64)
}

/// A moment, in seconds since 1970, written as `like` is.
pub fn moment_like(like: &Value, seconds: i64) -> Value {
    let written = |number: f64| {
        if number < IN_MS {
            seconds
        } else {
            seconds * 1000
        }
    };
    match like {
        Value::String(text) => match text.parse() {
            Ok(number) => written(number).to_string().into(),
            Err(_) => match jiff::Timestamp::from_second(seconds) {
                Ok(at) => at.to_string().into(),
                Err(_) => like.clone(),
            },
        },
        other => written(other.as_f64().unwrap_or_default()).into(),
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_read_and_written_in_the_forms_that_gateways_have() {
        for (form, seconds) in [
            (json!(1_795_917_400), 1_795_917_400),
            (json!(1_795_917_400_650_i64), 1_795_917_400),
            (json!("1795917400"), 1_795_917_400),
            (json!("2026-11-29T01:57:45Z"), 1_795_917_465),
            (json!("2026-11-29T03:57:45.5+02:00"), 1_795_917_465),
        ] {
            assert_eq!(moment_s(&form), Some(seconds), "{form}");
            let again = moment_like(&form, seconds - 100);
            assert_eq!(moment_s(&again), Some(seconds - 100), "{again}");
            assert_eq!(again.is_string(), form.is_string(), "{again}");
        }
        for no_moment in [json!(null), json!("soon"), json!(true), json!({})] {
            assert_eq!(moment(&no_moment), None, "{no_moment}");
        }
    }
}
