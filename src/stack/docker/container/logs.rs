//! A container's logs: its two streams by the engine's API, and the files that a gateway writes,
//! by a shell inside.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    super::{
        follow::{self, STREAMS},
        shell::quoted,
    },
    Container,
};
use crate::stack::{LogChunk, LogCursor, Service, StackError};

/// How long nothing at all may come of a log in which a line was written that was not read yet. While
/// something comes, the engine is only slow: a gateway may write many megabytes.
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);
/// How long such a line is waited for at most: an engine may read the same again and again.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// How often is looked whether it is.
const POLL: Duration = Duration::from_millis(1);

/// The directory that nginx logs to when its configuration names no file, and most name.
const NGINX_LOGS: &str = "/var/log/nginx";

impl Container {
    /// The end of every log as it is now.
    pub async fn log_cursor(&self) -> Result<LogCursor, StackError> {
        let mut ends = self.log.lengths();
        for (path, length) in self.log_files().await? {
            ends.insert(path.display().to_string(), length);
        }
        Ok(LogCursor(ends))
    }

    /// What every log got since `cursor`.
    pub async fn log_since(&self, cursor: &LogCursor) -> Result<Vec<LogChunk>, StackError> {
        if let Some(why) = self.log.broken()
            && self.running().await?.0
        {
            return Err(StackError::Service {
                service: self.service,
                what: format!("its log cannot be read: {why}"),
            });
        }
        let from = |name: &str| cursor.0.get(name).copied().unwrap_or(0);
        let mut chunks = Vec::new();
        for stream in STREAMS {
            let bytes = self.log.since(stream, from(stream));
            if !bytes.is_empty() {
                chunks.push(LogChunk {
                    source: stream.to_owned(),
                    in_service_log: true,
                    bytes,
                });
            }
        }
        // To look for files costs dozens of processes in the container: where there were none when
        // the cursor was taken or the log last settled, there are none now.
        let files = match self.logs_to_files.load(Ordering::Relaxed) {
            true => self.log_files().await?,
            false => Vec::new(),
        };
        for (path, length) in files {
            let name = path.display().to_string();
            let start = from(&name);
            if length < start {
                return Err(StackError::Service {
                    service: self.service,
                    what: format!(
                        "{name} was cut from {start} to {length} bytes while it was read"
                    ),
                });
            }
            if length > start {
                let script = format!("tail -c +{} {}", start + 1, quoted(&name));
                chunks.push(LogChunk {
                    bytes: self.must(&format!("reading {name}"), &script).await?,
                    source: name,
                    in_service_log: false,
                });
            }
        }
        Ok(chunks)
    }

    /// Returns when everything that the container wrote up to now can be read. A line of
    /// `verify`'s own, written behind it into the same two streams, shows that it is.
    pub async fn log_settled(&self) -> Result<(), StackError> {
        if !self.running().await?.0 {
            return Ok(());
        }
        let mark = follow::mark();
        let script = format!("echo {mark} > /proc/1/fd/1; echo {mark} > /proc/1/fd/2");
        if let Err(error) = self.must("marking the log", &script).await {
            return match self.has_ended().await? {
                true => Ok(()),
                false => Err(error),
            };
        }
        let started = Instant::now();
        let (mut heard, mut last) = (self.log.heard(), started);
        while !self.log.has(&mark) {
            if self.log.heard() > heard {
                (heard, last) = (self.log.heard(), Instant::now());
            }
            if last.elapsed() > SETTLE_DEADLINE || started.elapsed() > SETTLE_LIMIT {
                return Err(StackError::Service {
                    service: self.service,
                    what: format!(
                        "a line written to its log could not be read within {} s{}",
                        started.elapsed().as_secs(),
                        self.log
                            .broken()
                            .map(|why| format!(": {why}"))
                            .unwrap_or_default()
                    ),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        self.log_files().await.map(drop)
    }

    /// Writes a line to the end of every log.
    pub async fn append_log(&self, line: &str) -> Result<Vec<String>, StackError> {
        let files = self.log_files().await?;
        let mut names: Vec<String> = STREAMS.iter().map(|name| (*name).to_owned()).collect();
        let mut targets = vec!["/proc/1/fd/1".to_owned(), "/proc/1/fd/2".to_owned()];
        for (path, _) in files {
            let name = path.display().to_string();
            targets.push(name.clone());
            names.push(name);
        }
        let script: Vec<String> = targets
            .iter()
            .map(|target| format!("printf %s {} >> {}", quoted(line), quoted(target)))
            .collect();
        self.must("writing to the log", &script.join(" && "))
            .await?;
        names.sort();
        Ok(names)
    }

    /// The regular files that a gateway logs to, with their lengths: what the master holds open
    /// for writing, and whatever is in nginx's log directory.
    async fn log_files(&self) -> Result<Vec<(PathBuf, u64)>, StackError> {
        if self.service != Service::Gateway || !self.running().await?.0 {
            return Ok(Vec::new());
        }
        let script = format!(
            "for stat in /proc/[0-9]*/stat; do read -r pid name _ < \"$stat\" || continue; \
             case $name in '(nginx)'|'(openresty)') ;; *) continue ;; esac; \
             for f in /proc/$pid/fd/*; do t=$(readlink \"$f\") || continue; \
             case $t in /dev/*|/proc/*|*' (deleted)') continue ;; /*) ;; *) continue ;; esac; \
             test -f \"$t\" || continue; \
             grep -Eq '^flags:[[:space:]]*[0-7]*[123567]$' \"/proc/$pid/fdinfo/${{f##*/}}\" && printf '%s\\n' \"$t\"; \
             done; break; done 2>/dev/null | sort -u | while IFS= read -r t; do printf '%s %s\\n' \"$(wc -c < \"$t\")\" \"$t\"; done; \
             for t in {NGINX_LOGS}/*; do test -f \"$t\" && test ! -L \"$t\" && printf '%s %s\\n' \"$(wc -c < \"$t\")\" \"$t\"; done; true"
        );
        let bytes = match self.must("looking for log files", &script).await {
            Err(_) if self.has_ended().await? => return Ok(Vec::new()),
            bytes => bytes?,
        };
        let mut files: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if let Some((length, path)) = line.trim_start().split_once(' ')
                && let Ok(length) = length.parse()
            {
                files.insert(PathBuf::from(path), length);
            }
        }
        let any = !files.is_empty();
        self.logs_to_files.store(any, Ordering::Relaxed);
        Ok(files.into_iter().collect())
    }
}
