//! The virtual keys that `/key/generate` made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::digest::{hex, sha256};

#[derive(Clone)]
pub(super) struct VirtualKey {
    /// The double made it, it opens nothing else.
    pub(super) key: String,
    /// The fields of the request that made it.
    pub(super) info: Value,
}

/// The keys by their hash, which is what LiteLLM calls the token.
#[derive(Default)]
pub(super) struct Keys(Mutex<BTreeMap<String, VirtualKey>>);

/// Says nothing of what is kept: the keys are secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The name under which LiteLLM keeps a key: its SHA-256.
pub(super) fn token_of(key: &str) -> String {
    sha256(key.as_bytes())
}

/// The token of a key that is named by itself or by its token.
fn token(name: &str) -> String {
    match name.starts_with("sk-") {
        true => token_of(name),
        false => name.to_owned(),
    }
}

/// 96 random bits in hex, for ids.
pub(super) fn random_hex() -> String {
    let mut bytes = [0_u8; 12];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // Ids must differ, no more: the time does that too.
        let now = jiff::Timestamp::now().as_nanosecond().to_be_bytes();
        bytes.copy_from_slice(&now[4..]);
    }
    hex(&bytes)
}

impl Keys {
    /// A fresh key, and its token.
    pub(super) fn generate(&self, info: Value) -> (String, VirtualKey) {
        let key = format!("sk-{}", random_hex());
        let (token, held) = (token_of(&key), VirtualKey { key, info });
        self.lock().insert(token.clone(), held.clone());
        (token, held)
    }

    pub(super) fn accepts(&self, key: &str) -> bool {
        self.lock().contains_key(&token_of(key))
    }

    /// A key by itself or by its token, with its token.
    pub(super) fn find(&self, name: &str) -> Option<(String, VirtualKey)> {
        let token = token(name);
        let held = self.lock().get(&token)?.clone();
        Some((token, held))
    }

    /// Removes a key by itself or by its token; whether there was one.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.lock().remove(&token(name)).is_some()
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VirtualKey>> {
        // Every change is one insert or remove: a panic cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
