//! What a run left in a deployment, undone: newest first, each thing checked. Doing it twice
//! does no harm.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::attach::Attached;
use crate::{
    ledger::{Act, Entry, Ledger},
    probe::{now_ms, redis::Redis},
    profile::Profile,
};

/// How far a token's own time of making may be from the moment that it was asked for, in
/// milliseconds.
const ASKED_WITHIN: std::ops::RangeInclusive<i64> = -5_000..=30_000;

/// What was undone and what could not be.
#[derive(Debug, Default)]
pub struct Undone {
    /// One line for each thing.
    pub done: Vec<String>,
    /// One line for each thing that is still there.
    pub left: Vec<String>,
}

/// Undoes every open entry of a ledger. Where all of it was possible, the ledger says so.
pub async fn undo(ledger: &Ledger, attached: &Attached, profile: &Profile) -> Undone {
    let mut undone = Undone::default();
    let entries = match ledger.open_entries() {
        Ok(entries) => entries,
        Err(error) => {
            undone.left.push(error.to_string());
            return undone;
        }
    };
    if entries.is_empty() {
        return undone;
    }
    // The first entry of a key has it as it was before the run.
    let mut keys = BTreeSet::new();
    let firsts: Vec<&Entry> = entries
        .iter()
        .filter(|entry| match &entry.act {
            Act::Key { key, .. } => keys.insert(key.clone()),
            _ => true,
        })
        .collect();
    // Keys last: tokens and sessions are found by what is still there.
    let (keys, others): (Vec<&Entry>, Vec<&Entry>) = firsts
        .into_iter()
        .rev()
        .partition(|entry| matches!(entry.act, Act::Key { .. }));
    for entry in others.into_iter().chain(keys) {
        let (what, result) = one(entry, attached, profile).await;
        match result {
            Ok(true) => undone.done.push(what),
            Ok(false) => {}
            Err(why) => undone.left.push(format!("{what}: {why}")),
        }
    }
    if undone.left.is_empty()
        && let Err(error) = ledger.write(Act::Undone)
    {
        undone.left.push(error.to_string());
    }
    undone
}

/// Undoes one entry: what it is, and whether there was something to undo.
async fn one(
    entry: &Entry,
    attached: &Attached,
    profile: &Profile,
) -> (String, Result<bool, String>) {
    let redis = &attached.host.redis;
    match &entry.act {
        Act::File { path } => (
            format!("file {}", path.display()),
            attached
                .remove_file(path)
                .await
                .map(|()| true)
                .map_err(|error| error.to_string()),
        ),
        Act::Key {
            key,
            before,
            ttl_ms,
        } => (
            format!("key {key}"),
            put_back(redis, key, before.as_deref(), *ttl_ms, entry.at_ms).await,
        ),
        Act::Session { key } => (format!("session {key}"), delete(redis, key).await),
        Act::Token { id } => (format!("token {id}"), revoke(redis, profile, id).await),
        Act::TokenAsked { name, email } => (
            format!("token {name}"),
            revoke_asked(redis, profile, name, email, entry.at_ms).await,
        ),
        Act::Containers => (
            format!("containers of the run {}", entry.run),
            attached
                .remove_containers(&entry.run)
                .await
                .map_err(|error| error.to_string()),
        ),
        Act::Undone | Act::Deploy(_) | Act::RollbackStep { .. } | Act::RolledBack => {
            (String::new(), Ok(false))
        }
    }
}

async fn delete(redis: &Redis, key: &str) -> Result<bool, String> {
    let text = |error: crate::probe::redis::RedisError| error.to_string();
    if !redis.exists(key).await.map_err(text)? {
        return Ok(false);
    }
    redis.delete(key).await.map_err(text)?;
    Ok(true)
}

/// A key as it was, its TTL less the time that has passed.
async fn put_back(
    redis: &Redis,
    key: &str,
    before: Option<&str>,
    ttl_ms: i64,
    at_ms: i64,
) -> Result<bool, String> {
    let Some(before) = before else {
        return delete(redis, key).await;
    };
    let dumped = STANDARD.decode(before).map_err(|error| error.to_string())?;
    let left = ttl_ms - (now_ms() - at_ms);
    if ttl_ms > 0 && left <= 0 {
        return delete(redis, key).await;
    }
    redis
        .restore(key, &dumped, if ttl_ms > 0 { left } else { 0 })
        .await
        .map_err(|error| error.to_string())?;
    Ok(true)
}

/// A token of ours is made unusable for good, and forgotten: its JWT may be anywhere, so the
/// denylist keeps it as long as it would have held.
async fn revoke(redis: &Redis, profile: &Profile, id: &str) -> Result<bool, String> {
    let text = |error: crate::probe::redis::RedisError| error.to_string();
    let info = profile.redis.token.replace("{id}", id);
    let Some(seconds) = redis.ttl(&info).await.map_err(text)? else {
        return Ok(false);
    };
    let denied = profile.redis.revoked.replace("{id}", id);
    redis
        .write(&denied, "1", seconds.max(1))
        .await
        .map_err(text)?;
    if let Some(set) = &profile.redis.tokens_of {
        let stored = redis.get(&info).await.map_err(text)?;
        let stored = stored.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let email = stored
            .as_ref()
            .and_then(|stored| stored.pointer(&profile.redis.stored.email)?.as_str());
        if let Some(email) = email {
            let set = set.replace("{email}", email);
            redis.take_out(&set, id).await.map_err(text)?;
        }
    }
    redis.delete(&info).await.map_err(text)?;
    Ok(true)
}

/// A token that was asked for by a run that did not live to hear its id.
async fn revoke_asked(
    redis: &Redis,
    profile: &Profile,
    name: &str,
    email: &str,
    at_ms: i64,
) -> Result<bool, String> {
    let text = |error: crate::probe::redis::RedisError| error.to_string();
    let pattern = profile.redis.token.replace("{id}", "*");
    let prefix = profile.redis.token.replace("{id}", "");
    let mut any = false;
    for key in redis.keys(&pattern).await.map_err(text)? {
        let stored = redis.get(&key).await.map_err(text)?;
        let Some(stored) = stored.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
            continue;
        };
        let is =
            |at: &str, wanted: &str| stored.pointer(at).and_then(Value::as_str) == Some(wanted);
        let places = &profile.redis.stored;
        let made = stored.pointer(&places.created_at).and_then(Value::as_i64);
        let ours = is(&places.name, name)
            && is(&places.email, email)
            && made.is_some_and(|made| ASKED_WITHIN.contains(&(made * 1000 - at_ms)));
        if ours && let Some(id) = key.strip_prefix(&prefix) {
            any |= revoke(redis, profile, id).await?;
        }
    }
    Ok(any)
}
