//! Trouble that the run itself makes: what the gateway logs meanwhile is not held against it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    probe::log::Record,
    stack::{Act, Service},
    steps::{
        run::Run,
        world::{StepError, StepResult},
    },
};

/// How often is looked whether a service is back.
const POLL: Duration = Duration::from_millis(1);

/// How long a service is asked whose end nothing else shows, and one whose process has ended.
const ASKED: Duration = Duration::from_secs(1);
const BRIEFLY: Duration = Duration::from_millis(100);

/// How long a service that the run ended has to be back, in seconds.
const BACK_SECONDS: u64 = 10;

/// How long the key lives that shows that Redis kept its data, in seconds.
const WITNESS_SECONDS: i64 = 600;

/// A part of the gateway's log in which the run itself kept a service from answering.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What the run did.
    pub what: String,
    /// What a record must tell of to be excused by it; empty: anything.
    about: &'static str,
    /// Which records of each log, counted from the candidate's start.
    spans: BTreeMap<String, (usize, usize)>,
}

impl Trouble {
    /// Whether it excuses a record, the one with this number, from 0, of its log.
    #[must_use]
    pub fn excuses(&self, number: usize, record: &Record) -> bool {
        let span = self.spans.get(&record.source);
        span.is_some_and(|(from, to)| (*from..*to).contains(&number))
            && record.message.contains(self.about)
    }
}

fn by_source(records: &[Record]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.source.clone()).or_default() += 1;
    }
    counts
}

impl Run {
    /// Does something that keeps a service from answering, and remembers which part of the
    /// gateway's log that was. Only records that tell of `about` are excused by it.
    ///
    /// # Errors
    /// Those of what is done; a log that cannot be read.
    pub async fn in_trouble<T>(
        &self,
        what: &str,
        about: &'static str,
        done: impl Future<Output = Result<T, StepError>>,
    ) -> Result<T, StepError> {
        let (since, _) = self.need_candidate().await?;
        let before = by_source(&since.records(&*self.stack).await?);
        let result = done.await;
        let after = by_source(&since.records(&*self.stack).await?);
        let spans = after.into_iter().map(|(source, to)| {
            let from = before.get(&source).copied().unwrap_or(0);
            (source, (from, to))
        });
        self.notes().troubles.push(Trouble {
            what: what.to_owned(),
            about,
            spans: spans.collect(),
        });
        result
    }

    /// Ends a service, does something, and starts the service again: when this returns it
    /// answers and has what it had.
    ///
    /// # Errors
    /// Skips where that is not allowed; a service that does not come back as it was.
    pub async fn without<T>(
        &self,
        service: Service,
        meanwhile: impl Future<Output = T>,
    ) -> Result<T, StepError> {
        self.stack.may(Act::Break(service)).await?;
        let witness = format!("verify:{}", crate::probe::nonce());
        match service {
            Service::Redis => {
                self.redis.write(&witness, "kept", WITNESS_SECONDS).await?;
                self.redis.save().await?;
            }
            Service::Upstream => {
                let log = self.upstream.log().await?;
                self.notes().upstream_log = log;
            }
            _ => {}
        }
        self.watch.rests(service, true);
        self.stack.kill(service).await?;
        let down = self.is_down(service).await;
        let seen = match down {
            Ok(()) => Some(meanwhile.await),
            Err(_) => None,
        };
        let stayed = self.is_down(service).await;
        self.stack.restart(service).await?;
        self.back(service).await?;
        self.watch.rests(service, false);
        down?;
        stayed?;
        if service == Service::Redis {
            let kept = self.redis.get(&witness).await?;
            if kept.is_none() {
                return Err(StepError::harness(
                    "restart Redis",
                    "that it has what it had",
                    "a key that was saved is gone",
                ));
            }
            self.redis.delete(&witness).await?;
        }
        seen.ok_or_else(|| StepError::harness("end a service", "that it is down", "it answers"))
    }

    /// Shows that nothing answers in the place of a service. Its silence is waited for no longer than
    /// a moment where its process or its container has ended: an address without a host refuses
    /// nothing, and a program that took its port answers at once.
    async fn is_down(&self, service: Service) -> StepResult {
        let limit = match self.stack.state(service).await {
            Ok(state) if !state.running => BRIEFLY,
            _ => ASKED,
        };
        let asked = async {
            match service {
                Service::Redis => self.redis.ping().await.is_ok(),
                Service::Upstream => self.upstream.cursor().await.is_ok(),
                _ => false,
            }
        };
        let answers = tokio::time::timeout(limit, asked).await.unwrap_or(false);
        if answers {
            return Err(StepError::harness(
                format!("end {service}"),
                "that it does not answer",
                "it answers",
            ));
        }
        Ok(())
    }

    /// Waits until a service answers again.
    async fn back(&self, service: Service) -> StepResult {
        let started = Instant::now();
        loop {
            let answer = match service {
                Service::Redis => self.redis.ping().await.map_err(|error| error.to_string()),
                Service::Upstream => {
                    let cursor = self.upstream.cursor().await;
                    cursor.map(drop).map_err(|error| error.to_string())
                }
                _ => Ok(()),
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(seen) if started.elapsed() > Duration::from_secs(BACK_SECONDS) => {
                    return Err(StepError::harness(
                        format!("start {service} again"),
                        "that it answers",
                        seen,
                    ));
                }
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }
}
