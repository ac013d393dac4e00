//! The journal of a double: every request that it received, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The most of a body that is kept, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The most entries that are kept; the oldest go first.
const ENTRY_LIMIT: usize = 20_000;

/// One request and how it was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 0, without gaps.
    pub seq: u64,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The HTTP method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent, without the question mark.
    pub query: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, lossily decoded, at most [`BODY_LIMIT`] bytes, passwords masked.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
    /// What it meant, where that matters: `code issued for a@b`.
    pub note: Option<String>,
}

impl Entry {
    /// The first header field of that name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The entries since a number, and the number that comes next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page {
    /// The number of the next entry.
    pub next: u64,
    /// The entries, the oldest first.
    pub entries: Vec<Entry>,
}

/// A journal. Cheap to clone: all clones are the same journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Entry>>>);

impl Journal {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry and gives it its number.
    pub fn add(&self, mut entry: Entry) {
        let mut entries = self.entries();
        entry.seq = entries.last().map_or(0, |last| last.seq + 1);
        if entries.len() >= ENTRY_LIMIT {
            entries.remove(0);
        }
        entries.push(entry);
    }

    /// The entries from number `since` on.
    #[must_use]
    pub fn since(&self, since: u64) -> Page {
        let entries = self.entries();
        Page {
            next: entries.last().map_or(0, |last| last.seq + 1),
            entries: entries
                .iter()
                .filter(|entry| entry.seq >= since)
                .cloned()
                .collect(),
        }
    }
}
