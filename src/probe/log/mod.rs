//! The gateway's log, read as records that are tied to the request which caused them.

mod record;
mod tracking;

pub use record::{Level, Record, parse};
pub use tracking::{Grammar, GrammarError, Line, Tracked};

use std::time::{Duration, Instant};

use crate::stack::{LogChunk, LogCursor, Service, Stack, StackError};

/// How often the log is looked at while a line is waited for.
const POLL: Duration = Duration::from_millis(1);

/// The part of a service's log since a moment before the requests that it is about.
#[derive(Clone, Debug)]
pub struct Window {
    service: Service,
    cursor: LogCursor,
}

impl Window {
    /// Opens a window: to be done before the request is sent.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn open(stack: &dyn Stack, service: Service) -> Result<Self, StackError> {
        Ok(Self {
            service,
            cursor: stack.log_cursor(service).await?,
        })
    }

    /// The whole log, from its start.
    #[must_use]
    pub fn start(service: Service) -> Self {
        Self {
            service,
            cursor: LogCursor::default(),
        }
    }

    /// What each log got in it up to now, as written.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn chunks(&self, stack: &dyn Stack) -> Result<Vec<LogChunk>, StackError> {
        stack.log_since(self.service, &self.cursor).await
    }

    /// The lines up to now that hold `mark` and are no record of the error log: those of the
    /// access log.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn access_lines(
        &self,
        stack: &dyn Stack,
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
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn records(&self, stack: &dyn Stack) -> Result<Vec<Record>, StackError> {
        stack.log_settled(self.service).await?;
        self.read(stack).await
    }

    /// Every record that can be read by now; some may still be on their way.
    async fn read(&self, stack: &dyn Stack) -> Result<Vec<Record>, StackError> {
        let chunks = self.chunks(stack).await?;
        Ok(chunks.iter().flat_map(parse).collect())
    }

    /// Waits until the records fulfil `enough`, or the deadline passes. Returns the records
    /// as they then are: what is missing is the caller's to say.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn wait(
        &self,
        stack: &dyn Stack,
        deadline: Duration,
        enough: impl Fn(&[Record]) -> bool,
    ) -> Result<Vec<Record>, StackError> {
        let started = Instant::now();
        loop {
            let records = self.read(stack).await?;
            if enough(&records) || started.elapsed() > deadline {
                // What was written in the meantime counts, too: a line too many is one.
                return self.records(stack).await;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod window_tests;
