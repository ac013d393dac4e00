//! What a double received, kept in memory and readable while it runs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The most of a request's body that an [`Entry`] keeps, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// What all entries of a journal may hold together, in bytes; the oldest leave first.
const MAX_TOTAL: usize = 64 * 1024 * 1024;

/// A request that a double answered.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Entry {
    /// Its place in the journal, from 0; given when the answer is ready, just before it is sent.
    pub seq: u64,
    /// When the request arrived, in Unix milliseconds.
    pub at_ms: i64,
    pub method: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query as sent, without the question mark; secrets masked.
    pub query: String,
    /// Lower-case names and values (lossy UTF-8), a repeated name once for each value; a Basic
    /// password masked, any other credential as received, for the reader to compare and redact.
    pub headers: Vec<(String, String)>,
    /// The body, lossy UTF-8, at most [`MAX_BODY`] bytes; passwords and client secrets masked.
    pub body: String,
    /// The status of the answer; 499 when the client went away before it was ready.
    pub status: u16,
    /// What the request meant to the double, e.g. `code issued for user@example.com`.
    pub note: Option<String>,
}

impl Entry {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a header, by its lower-case name: a gateway that adds its own beside the
    /// client's instead of replacing it shows two.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn weight(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        // The constant stands for the fields of fixed size and the allocations' own overhead.
        256 + self.path.len() + self.query.len() + headers + self.body.len()
    }
}

/// A part of a journal, as `GET /__verify/journal` answers it.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Page {
    /// What to ask for next: the number that the next entry will get.
    pub next: u64,
    /// How many of the entries asked for are gone because the journal is bounded; 0 in any sane run.
    pub lost: u64,
    /// The entries from the number asked for on, in order.
    pub entries: Vec<Entry>,
}

/// The requests that a double received; clones share one journal.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Entries>>);

/// Without what there is: entries hold credentials that only their reader redacts.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Journal")
    }
}

#[derive(Default)]
struct Entries {
    kept: VecDeque<Entry>,
    weight: usize,
    next: u64,
}

impl Journal {
    /// Appends an entry, whose `seq` is set here.
    pub fn record(&self, mut entry: Entry) {
        let mut entries = self.lock();
        entry.seq = entries.next;
        entries.next += 1;
        entries.weight += entry.weight();
        entries.kept.push_back(entry);
        while entries.weight > MAX_TOTAL {
            let Some(oldest) = entries.kept.pop_front() else {
                break;
            };
            entries.weight -= oldest.weight();
        }
    }

    /// The entries numbered `since` and above, as they are now; never waits for one.
    pub fn since(&self, since: u64) -> Page {
        let entries = self.lock();
        let first = entries.kept.front().map_or(entries.next, |entry| entry.seq);
        let skip = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
        Page {
            next: entries.next,
            lost: first.saturating_sub(since),
            entries: entries.kept.iter().skip(skip).cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic elsewhere cannot leave an entry half written: the data stays good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: usize) -> Entry {
        Entry {
            seq: 99,
            at_ms: 0,
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            headers: vec![("host".into(), "a".into())],
            body: "x".repeat(body),
            status: 200,
            note: None,
        }
    }

    #[test]
    fn numbers_are_given_in_order_and_since_is_a_cursor() {
        let journal = Journal::default();
        assert_eq!(journal.since(0).next, 0);
        for _ in 0..3 {
            journal.record(entry(0));
        }
        let page = journal.since(1);
        assert_eq!(
            page.entries.iter().map(|e| e.seq).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!((page.next, page.lost), (3, 0));
        assert!(journal.since(page.next).entries.is_empty());
        assert!(journal.since(1000).entries.is_empty());
    }

    #[test]
    fn the_oldest_leave_first_and_are_counted_as_lost() {
        let journal = Journal::default();
        let fit = MAX_TOTAL / MAX_BODY;
        for _ in 0..fit + 10 {
            journal.record(entry(MAX_BODY));
        }
        let page = journal.since(0);
        assert!(page.lost >= 10);
        assert_eq!(page.entries[0].seq, page.lost);
        assert_eq!(page.next, u64::try_from(fit).unwrap() + 10);
    }
}
