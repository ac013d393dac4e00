//! The gateway's log, read as records that are tied to the request which caused them.

mod record;
mod tracking;

pub use record::{Level, Record, parse};
pub use tracking::{Grammar, GrammarError, Line, Tracked, phrase};

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use super::poll::poll;
use crate::model::service::{LogChunk, LogCursor, Service, StackError};

/// Where the logs of services are read.
#[async_trait]
pub trait LogSource: Send + Sync {
    /// The end of the logs of a service as they are now.
    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError>;
    /// What the logs of a service got since `cursor`.
    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError>;
    /// Returns when everything that a service wrote up to now can be read.
    async fn log_settled(&self, service: Service) -> Result<(), StackError>;
}

/// The part of a service's log since a moment before the requests that it is about.
#[derive(Clone, Debug)]
pub struct Window {
    service: Service,
    cursor: LogCursor,
}

impl Window {
    /// Opens a window: to be done before the request is sent.
    pub async fn open(
        stack: &(impl LogSource + ?Sized),
        service: Service,
    ) -> Result<Self, StackError> {
        Ok(Self {
            service,
            cursor: stack.log_cursor(service).await?,
        })
    }

    /// The whole log, from its start.
    pub fn start(service: Service) -> Self {
        Self {
            service,
            cursor: LogCursor::default(),
        }
    }

    /// What each log got in it up to now, as written.
    pub async fn chunks(
        &self,
        stack: &(impl LogSource + ?Sized),
    ) -> Result<Vec<LogChunk>, StackError> {
        stack.log_since(self.service, &self.cursor).await
    }

    /// The lines up to now that hold `mark` and are no record of the error log: those of the
    /// access log.
    pub async fn access_lines(
        &self,
        stack: &(impl LogSource + ?Sized),
        mark: &str,
    ) -> Result<Vec<String>, StackError> {
        let chunks = self.chunks(stack).await?;
        let texts = chunks
            .iter()
            .map(|chunk| String::from_utf8_lossy(&chunk.bytes));
        let of_mark = |line: &&str| line.contains(mark) && !record::begins_record(line);
        Ok(texts
            .flat_map(|text| {
                let lines = text.lines().filter(of_mark).map(str::to_owned);
                lines.collect::<Vec<_>>()
            })
            .collect())
    }

    /// Every record in it up to now.
    pub async fn records(
        &self,
        stack: &(impl LogSource + ?Sized),
    ) -> Result<Vec<Record>, StackError> {
        Growing::of(self).finish(stack).await
    }

    /// Waits until the records fulfil `enough`, or the deadline passes. Returns the records
    /// as they then are: what is missing is the caller's to say.
    pub async fn wait(
        &self,
        stack: &(impl LogSource + ?Sized),
        deadline: Duration,
        enough: impl Fn(&[Record]) -> bool,
    ) -> Result<Vec<Record>, StackError> {
        let mut growing = Growing::of(self);
        let read = async || {
            growing.read(stack).await?;
            Ok::<_, StackError>(enough(&growing.records))
        };
        poll(deadline, read, |enough| *enough).await?;
        // What was written in the meantime counts, too: a line too many is one.
        growing.finish(stack).await
    }
}

/// A window's records as it grows: what was read once is not read again.
struct Growing {
    service: Service,
    cursor: LogCursor,
    /// Those of one log in their order.
    records: Vec<Record>,
    /// By log, what may still grow.
    open: BTreeMap<String, Open>,
}

/// The end of a log.
#[derive(Default)]
struct Open {
    /// From where its last record begins.
    bytes: Vec<u8>,
    /// That record's place, where there is one.
    record: Option<usize>,
}

impl Growing {
    fn of(window: &Window) -> Self {
        Self {
            service: window.service,
            cursor: window.cursor.clone(),
            records: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// Takes in what can be read by now; some may still be on its way.
    async fn read(&mut self, stack: &(impl LogSource + ?Sized)) -> Result<(), StackError> {
        for chunk in stack.log_since(self.service, &self.cursor).await? {
            self.take(chunk);
        }
        Ok(())
    }

    fn take(&mut self, chunk: LogChunk) {
        let known = self.cursor.0.entry(chunk.source.clone()).or_default();
        *known += chunk.bytes.len() as u64;
        let open = self.open.entry(chunk.source.clone()).or_default();
        open.bytes.extend_from_slice(&chunk.bytes);
        let whole = LogChunk {
            bytes: std::mem::take(&mut open.bytes),
            ..chunk
        };
        let parsed = record::take_apart(&whole);
        let mut fresh = parsed.records.into_iter();
        if let Some(known) = open.record.and_then(|at| self.records.get_mut(at))
            && let Some(grown) = fresh.next()
        {
            *known = grown;
        }
        if fresh.len() > 0 {
            self.records.extend(fresh);
            open.record = Some(self.records.len() - 1);
        }
        open.bytes
            .extend(whole.bytes.get(parsed.open..).unwrap_or_default());
    }

    /// Every record up to now, log by log.
    async fn finish(
        mut self,
        stack: &(impl LogSource + ?Sized),
    ) -> Result<Vec<Record>, StackError> {
        stack.log_settled(self.service).await?;
        self.read(stack).await?;
        self.records
            .sort_by(|one, other| one.source.cmp(&other.source));
        Ok(self.records)
    }
}

#[cfg(test)]
mod window_tests;

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "rest of an earlier record\n\
        2025/11/08 12:00:01 [error] 7#7: *1 lua: attempt\nstack traceback:\n\tx.lua:1, client: 10.0.0.1, request: \"GET /a HTTP/1.1\"\n\
        [info] Tracking user: a@b [Default]\n\
        2025/11/08 12:00:02 [warn] 7#7: \u{fc}ber, client: 10.0.0.1, request: \"GET /b HTTP/1.1\"\n";

    fn growing() -> Growing {
        Growing::of(&Window::start(Service::Gateway))
    }

    fn chunk(source: &str, bytes: &[u8]) -> LogChunk {
        LogChunk {
            source: source.to_owned(),
            in_service_log: true,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn a_log_that_is_read_in_pieces_holds_what_it_holds_at_once() {
        let mut whole = growing();
        whole.take(chunk("stderr", LOG.as_bytes()));
        assert_eq!(whole.records.len(), 3);
        for size in 1..LOG.len() {
            let mut pieces = growing();
            for piece in LOG.as_bytes().chunks(size) {
                pieces.take(chunk("stderr", piece));
            }
            assert_eq!(pieces.records, whole.records, "in pieces of {size}");
            assert_eq!(pieces.cursor.0["stderr"], LOG.len() as u64);
        }
    }

    #[test]
    fn logs_that_grow_in_turn_are_kept_apart() {
        let mut both = growing();
        for piece in LOG.as_bytes().chunks(10) {
            both.take(chunk("stderr", piece));
            both.take(chunk("/var/log/nginx/own.log", piece));
        }
        both.records
            .sort_by(|one, other| one.source.cmp(&other.source));
        let of = |source: &str| {
            let own = both.records.iter().filter(|record| record.source == source);
            own.map(|record| record.raw.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("stderr").len(), 3);
        assert_eq!(of("stderr"), of("/var/log/nginx/own.log"));
    }
}
