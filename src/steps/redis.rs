//! The gateway's keys in Redis: their names, and what a check finds under them.

use std::fmt;

use super::prelude::*;

impl Run {
    pub fn active_key(&self, email: &str) -> String {
        self.profile.redis.active_user.replace("{email}", email)
    }

    pub fn metadata_key(&self, email: &str) -> String {
        let metadata = &self.profile.redis.active_user_metadata;
        metadata.replace("{email}", email)
    }

    /// The keys of a user who is active.
    pub fn active_keys(&self, email: &str) -> [String; 2] {
        [self.active_key(email), self.metadata_key(email)]
    }

    pub fn ban_key(&self, email: &str) -> String {
        self.profile.redis.ban.replace("{email}", email)
    }

    pub fn token_key(&self, id: &str) -> String {
        self.profile.redis.token.replace("{id}", id)
    }

    /// The key that marks a token as revoked.
    pub fn revoked_key(&self, id: &str) -> String {
        self.profile.redis.revoked.replace("{id}", id)
    }

    /// Whether a key exists, as a subject.
    pub async fn key(&self, key: String) -> StepResult<Key> {
        let exists = self.redis.exists(&key).await?;
        Ok(Key { key, exists })
    }

    /// A key's value and TTL, as a subject.
    pub async fn entry(&self, key: String) -> StepResult<Entry> {
        let value = self.redis.get(&key).await?;
        let ttl = self.redis.ttl(&key).await?;
        Ok(Entry { key, value, ttl })
    }
}

/// Whether a key exists.
pub struct Key {
    pub key: String,
    pub exists: bool,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.exists { "exists" } else { "(nil)" };
        write!(f, "{} {found}", self.key)
    }
}

impl Key {
    pub fn must_exist(&self, did: impl fmt::Display) -> StepResult {
        check(did, self).must(format!("{} exists", self.key), self.exists)
    }

    pub fn must_not_exist(&self, did: impl fmt::Display) -> StepResult {
        check(did, self).must(format!("{} does not exist", self.key), !self.exists)
    }

    /// Keeps it as evidence.
    pub fn seen_by(self, world: &World) -> Self {
        world.saw(EvidenceKind::Redis, &self.key, &self);
        self
    }
}

/// A key's value and TTL in seconds, where it has one.
pub struct Entry {
    pub key: String,
    pub value: Option<String>,
    pub ttl: Option<i64>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("(nil)");
        write!(f, "{} = {value}, {}", self.key, life(self.ttl))
    }
}

/// How long a key has to live, in words.
pub fn life(ttl: Option<i64>) -> String {
    ttl.map_or_else(|| "no TTL".to_owned(), |seconds| format!("TTL {seconds} s"))
}
