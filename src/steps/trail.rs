//! What one request leaves on its way, kept for the report. Nothing here decides anything: what
//! cannot be read is left out.

use std::time::{Duration, Instant};

use super::world::World;
use crate::{
    doubles::journal::Entry,
    evidence::{EvidenceKind, Stage},
    probe::NONCE,
};

/// How long the line of a request that is answered already is waited for: nginx writes it right
/// after the answer. A gateway without an access log has none.
const PATIENCE: Duration = Duration::from_millis(5);

/// How often the log is looked at meanwhile.
const POLL: Duration = Duration::from_millis(1);

/// How long Redis may take to say what it held before a request; what comes after asks it again.
const BRIEFLY: Duration = Duration::from_millis(100);

/// Keeps the lines of the access log that a request left, where the scenario looks at the log
/// anyway: an item whose checks do not need it says nothing of it, and is not held up by a log
/// that cannot be read.
pub async fn access_log(world: &World, nonce: &str) {
    let (Ok(run), Ok(window)) = (world.run(), world.window()) else {
        return;
    };
    let mark = format!("{NONCE}={nonce}");
    let started = Instant::now();
    loop {
        let Ok(lines) = window.access_lines(&*run.stack, &mark).await else {
            return;
        };
        if !lines.is_empty() {
            world.saw_of(
                nonce,
                Stage::AccessLog,
                EvidenceKind::Log,
                "access log of the request",
                &lines.join("\n"),
            );
            return;
        }
        if started.elapsed() > PATIENCE {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What a key of Redis holds before a request changes it: to be kept by [`key_before`] once its
/// nonce is known. `None` where Redis does not say.
pub async fn value_of(world: &World, key: &str) -> Option<String> {
    let run = world.run().ok()?;
    let found = tokio::time::timeout(BRIEFLY, run.redis.get(key)).await;
    let value = found.ok()?.ok()?;
    Some(value.unwrap_or_else(|| "(nil)".to_owned()))
}

/// Keeps what a key of Redis held before a request.
pub fn key_before(world: &World, nonce: &str, key: &str, value: &str) {
    world.saw_of(
        nonce,
        Stage::RedisBefore,
        EvidenceKind::Redis,
        &format!("{key}, before the request"),
        &format!("{key} = {value}"),
    );
}

/// Keeps a request as the upstream received it.
pub fn at_upstream(world: &World, nonce: &str, entry: &Entry) {
    let headers: Vec<String> = entry
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let query = match entry.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    world.saw_of(
        nonce,
        Stage::Upstream,
        EvidenceKind::Journal,
        &format!(
            "upstream received {} {} -> {}",
            entry.method, entry.path, entry.status
        ),
        &format!(
            "{} {}{query} -> {}\n{}\n\n{}",
            entry.method,
            entry.path,
            entry.status,
            headers.join("\n"),
            entry.body
        ),
    );
}
