//! What a container writes to its standard output and error, followed as it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{Docker, container::LogOutput, errors::Error, query_parameters::LogsOptionsBuilder};
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use crate::probe;

/// The two streams, by the names that reports use.
pub const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// How long to wait before the log of a container that has stopped is opened again.
const AGAIN: Duration = Duration::from_millis(20);

/// Begins what `verify` itself writes into a stream, to see how far it was read.
const MARK: &str = "verify-log-mark-";

/// A mark that no other is like, to be written on a line of its own.
pub fn mark() -> String {
    format!("{MARK}{}", probe::nonce())
}

#[derive(Debug, Default)]
struct Seen {
    streams: BTreeMap<&'static str, Stream>,
    /// How many bytes came, those that were read before included.
    heard: usize,
    broken: Option<String>,
    /// The stream that grew over the limit: nothing is read from then on.
    full: Option<&'static str>,
}

/// One stream, without the marks that were written into it.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// Where its last line begins, as long as that is not complete.
    complete: usize,
    /// How many bytes came, marks and all.
    came: usize,
    marks: BTreeSet<Vec<u8>>,
}

impl Stream {
    fn take(&mut self, bytes: &[u8]) {
        self.came += bytes.len();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.bytes.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Takes a mark off the end of the line: it may stand behind what a program wrote without an
    /// end of line.
    fn end_line(&mut self) {
        let line = self.bytes.get(self.complete..).unwrap_or_default();
        let at = line.len().checked_sub(MARK.len() + probe::NONCE_LENGTH + 1);
        if let Some(at) = at
            && let Some((_, mark)) = line.get(at..).and_then(<[u8]>::split_last)
            && mark.starts_with(MARK.as_bytes())
        {
            self.marks.insert(mark.to_vec());
            self.bytes.truncate(self.complete + at);
            if at > 0 {
                self.bytes.push(b'\n');
            }
        }
        self.complete = self.bytes.len();
    }
}

/// The log of a container since a second, kept up to date until it is dropped.
#[derive(Debug)]
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    limit: Option<usize>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows from `since` on, in seconds since 1970, no further than `limit` bytes of a stream.
    pub fn start(docker: Docker, id: String, since: i32, limit: Option<usize>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let most = limit.unwrap_or(usize::MAX);
        let task = tokio::spawn(follow(docker, id, since, most, Arc::clone(&seen)));
        Self { seen, limit, task }
    }

    /// That the log is longer than what is read of it, where that is so.
    pub fn full(&self) -> Option<String> {
        let stream = lock(&self.seen).full?;
        let limit = self.limit.unwrap_or_default() / (1024 * 1024);
        Some(format!(
            "its {stream} reached {limit} MiB, the most of a log that is read"
        ))
    }

    /// The lengths of both streams as far as they were read, in complete lines.
    pub fn lengths(&self) -> BTreeMap<String, u64> {
        let seen = lock(&self.seen);
        STREAMS
            .iter()
            .map(|name| {
                let length = seen.streams.get(name).map_or(0, |stream| stream.complete);
                ((*name).to_owned(), length as u64)
            })
            .collect()
    }

    /// The complete lines that a stream got behind its first `from` bytes.
    pub fn since(&self, stream: &str, from: u64) -> Vec<u8> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        lock(&self.seen)
            .streams
            .get(stream)
            .and_then(|stream| stream.bytes.get(from..stream.complete))
            .map(<[u8]>::to_vec)
            .unwrap_or_default()
    }

    /// How many bytes came so far: it grows as long as the engine reads, also where it reads again.
    pub fn heard(&self) -> usize {
        lock(&self.seen).heard
    }

    /// Whether both streams were read as far as this mark.
    pub fn has(&self, mark: &str) -> bool {
        let seen = lock(&self.seen);
        STREAMS.iter().all(|name| {
            let stream = seen.streams.get(name);
            stream.is_some_and(|stream| stream.marks.contains(mark.as_bytes()))
        })
    }

    /// Why the log cannot be read, where that is so.
    pub fn broken(&self) -> Option<String> {
        lock(&self.seen).broken.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine ends the stream when the container stops. It is opened again from the same
/// second on, and what was read before is passed over.
async fn follow(docker: Docker, id: String, since: i32, most: usize, seen: Arc<Mutex<Seen>>) {
    loop {
        let mut skip: BTreeMap<&'static str, usize> = lock(&seen)
            .streams
            .iter()
            .map(|(name, stream)| (*name, stream.came))
            .collect();
        let options = LogsOptionsBuilder::default()
            .follow(true)
            .stdout(true)
            .stderr(true)
            .since(since)
            .tail("all")
            .build();
        let mut stream = docker.logs(&id, Some(options));
        while let Some(output) = stream.next().await {
            match output {
                Ok(output) => {
                    let mut seen = lock(&seen);
                    take(&mut seen, &mut skip, output);
                    let over = |(_, stream): &(_, &Stream)| stream.bytes.len() > most;
                    if let Some((name, _)) = seen.streams.iter().find(over) {
                        seen.full = Some(*name);
                        return;
                    }
                }
                Err(error) => {
                    // A container that is gone shows in its state.
                    let gone = matches!(
                        error,
                        Error::DockerResponseServerError {
                            status_code: 404 | 409,
                            ..
                        }
                    );
                    lock(&seen).broken = Some(error.to_string());
                    if gone {
                        return;
                    }
                    break;
                }
            }
        }
        // A program that ended writes no more to its last line.
        for stream in lock(&seen).streams.values_mut() {
            stream.complete = stream.bytes.len();
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn take(seen: &mut Seen, skip: &mut BTreeMap<&'static str, usize>, output: LogOutput) {
    let name = match output {
        LogOutput::StdErr { .. } => "stderr",
        _ => "stdout",
    };
    let bytes = output.into_bytes();
    seen.heard += bytes.len();
    let left = skip.entry(name).or_default();
    let passed = (*left).min(bytes.len());
    *left -= passed;
    seen.broken = None;
    seen.streams
        .entry(name)
        .or_default()
        .take(bytes.get(passed..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_marks_are_no_part_of_a_log() {
        let (one, two) = (mark(), mark());
        let log = format!("one\n{one}\nwritten in{two}\ntwo\nnot yet");
        for size in [1, 7, log.len()] {
            let mut stream = Stream::default();
            for piece in log.as_bytes().chunks(size) {
                stream.take(piece);
            }
            let complete = stream.bytes.get(..stream.complete);
            assert_eq!(complete, Some(b"one\nwritten in\ntwo\n".as_slice()));
            assert_eq!(stream.came, log.len());
            assert!(stream.marks.contains(one.as_bytes()));
            assert!(stream.marks.contains(two.as_bytes()));
        }
    }
}
