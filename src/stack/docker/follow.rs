//! What a container writes to its standard output and error, followed as it comes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bollard::{Docker, container::LogOutput, errors::Error, query_parameters::LogsOptionsBuilder};
use futures::StreamExt as _;
use tokio::task::JoinHandle;

/// The two streams, by the names that reports use.
pub const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// How long to wait before the log of a container that has stopped is opened again.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Seen {
    streams: BTreeMap<&'static str, Vec<u8>>,
    broken: Option<String>,
}

/// The log of a container since a second, kept up to date until it is dropped.
#[derive(Debug)]
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows from `since` on, in seconds since 1970.
    #[must_use]
    pub fn start(docker: Docker, id: String, since: i32) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(follow(docker, id, since, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// The lengths of both streams as far as they were read.
    #[must_use]
    pub fn lengths(&self) -> BTreeMap<String, u64> {
        let seen = lock(&self.seen);
        STREAMS
            .iter()
            .map(|name| {
                let length = seen.streams.get(name).map_or(0, Vec::len);
                ((*name).to_owned(), length as u64)
            })
            .collect()
    }

    /// What a stream got behind its first `from` bytes.
    #[must_use]
    pub fn since(&self, stream: &str, from: u64) -> Vec<u8> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        lock(&self.seen)
            .streams
            .get(stream)
            .and_then(|bytes| bytes.get(from..))
            .map(<[u8]>::to_vec)
            .unwrap_or_default()
    }

    /// Whether a stream has this text behind its first `from` bytes.
    #[must_use]
    pub fn holds(&self, stream: &str, from: u64, text: &str) -> bool {
        let bytes = self.since(stream, from);
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    /// Why the log cannot be read, where that is so.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        lock(&self.seen).broken.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine ends the stream when the container stops. It is opened again from the same
/// second on, and what was read before is passed over.
async fn follow(docker: Docker, id: String, since: i32, seen: Arc<Mutex<Seen>>) {
    loop {
        let mut skip: BTreeMap<&'static str, usize> = lock(&seen)
            .streams
            .iter()
            .map(|(name, bytes)| (*name, bytes.len()))
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
                Ok(output) => take(&mut lock(&seen), &mut skip, output),
                Err(error) => {
                    // A container that is gone is told by whoever asks for its state.
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
        tokio::time::sleep(AGAIN).await;
    }
}

fn take(seen: &mut Seen, skip: &mut BTreeMap<&'static str, usize>, output: LogOutput) {
    let name = match output {
        LogOutput::StdErr { .. } => "stderr",
        _ => "stdout",
    };
    let bytes = output.into_bytes();
    let left = skip.entry(name).or_default();
    let passed = (*left).min(bytes.len());
    *left -= passed;
    seen.broken = None;
    seen.streams
        .entry(name)
        .or_default()
        .extend_from_slice(bytes.get(passed..).unwrap_or_default());
}
