//! The virtual keys that `/key/generate` made.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

/// What is kept of a key: what it was asked for with.
#[derive(Clone)]
pub(super) struct Held {
    /// The key itself; the double made it, it opens nothing else.
    pub(super) key: String,
    /// The fields of the request that made it.
    pub(super) info: Value,
}

/// The keys by their hash, which is what LiteLLM calls the token.
#[derive(Default)]
pub(super) struct Keys(Mutex<BTreeMap<String, Held>>);

/// Says nothing of what is kept: the keys are secrets.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The name under which LiteLLM keeps a key: its SHA-256.
pub(super) fn token_of(key: &str) -> String {
    hex(digest(&SHA256, key.as_bytes()).as_ref())
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Keys {
    /// Makes a key and returns its token with it.
    pub(super) fn generate(&self, info: Value) -> (String, Held) {
        let held = Held {
            key: format!("sk-{}", random_hex()),
            info,
        };
        let token = token_of(&held.key);
        self.lock().insert(token.clone(), held.clone());
        (token, held)
    }

    /// Whether a request with this key is let in.
    pub(super) fn accepts(&self, key: &str) -> bool {
        self.lock().contains_key(&token_of(key))
    }

    /// A key by itself or by its token.
    pub(super) fn find(&self, name: &str) -> Option<(String, Held)> {
        let token = if name.starts_with("sk-") {
            token_of(name)
        } else {
            name.to_owned()
        };
        self.lock()
            .get_key_value(&token)
            .map(|(token, held)| (token.clone(), held.clone()))
    }

    /// Removes a key by itself or by its token; false when there was none.
    pub(super) fn remove(&self, name: &str) -> bool {
        let token = if name.starts_with("sk-") {
            token_of(name)
        } else {
            name.to_owned()
        };
        self.lock().remove(&token).is_some()
    }

    /// All tokens.
    pub(super) fn tokens(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        // Every change is one insert or remove: a panic cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
