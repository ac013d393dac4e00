//! What one request leaves on its way, kept for the report. Nothing here decides anything: what
//! cannot be read is left out.

use std::time::Duration;

use crate::{doubles::journal::Entry, steps::prelude::*};

/// How long the line of a request that is answered already is waited for: nginx writes it right
/// after the answer. A gateway without an access log has none.
const PATIENCE: Duration = Duration::from_millis(5);

/// How long Redis may take to say what it held before a request; what comes after asks it again.
const BRIEFLY: Duration = Duration::from_millis(100);

/// Keeps the lines of the access log that a request left, where the scenario looks at the log
/// anyway: an item whose checks do not need it says nothing of it, and is not held up by a log
/// that cannot be read.
pub async fn access_log(world: &World, run: &Run, nonce: &str) {
    let Ok(window) = world.window() else { return };
    let mark = format!("{NONCE}={nonce}");
    let read = async || window.access_lines(&*run.stack, &mark).await;
    if let Ok(found) = poll(PATIENCE, read, |lines| !lines.is_empty()).await
        && !found.is_empty()
    {
        let (stage, title) = (Stage::AccessLog, "access log of the request");
        world.saw_of(nonce, stage, EvidenceKind::Log, title, lines(found));
    }
}

/// What a key of Redis holds before a request changes it: to be kept by [`key_before`] once its
/// nonce is known. `None` where Redis does not say.
pub async fn value_of(run: &Run, key: &str) -> Option<String> {
    let found = tokio::time::timeout(BRIEFLY, run.redis.get(key)).await;
    let value = found.ok()?.ok()?;
    Some(value.unwrap_or_else(|| "(nil)".to_owned()))
}

/// Keeps what a key of Redis held before a request.
pub fn key_before(world: &World, nonce: &str, key: &str, value: &str) {
    let title = format!("{key}, before the request");
    let body = format!("{key} = {value}");
    world.saw_of(nonce, Stage::RedisBefore, EvidenceKind::Redis, title, body);
}

/// Keeps a request as the upstream received it.
pub fn at_upstream(world: &World, nonce: &str, entry: &Entry) {
    let headers = entry.headers.iter();
    let headers = lines(headers.map(|(name, value)| format!("{name}: {value}")));
    let query = match entry.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let Entry {
        method,
        path,
        status,
        body,
        ..
    } = entry;
    let title = format!("upstream received {method} {path} -> {status}");
    let body = format!("{method} {path}{query} -> {status}\n{headers}\n\n{body}");
    world.saw_of(nonce, Stage::Upstream, EvidenceKind::Journal, title, body);
}
