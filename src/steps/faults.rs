//! Faults that the run itself injects: what the gateway logs meanwhile is not held against it.

use std::{collections::BTreeMap, time::Duration};

use super::{prelude::*, state::InjectedFault};
use crate::probe::log::Record;

/// How long a service is asked whose end nothing else shows, and one whose process has ended.
const ASKED: Duration = Duration::from_secs(1);
const BRIEFLY: Duration = Duration::from_millis(100);

/// How long a service that the run ended has to be back.
const BACK: Duration = Duration::from_secs(10);

/// How long the key lives that shows that Redis kept its data, in seconds.
const WITNESS_SECONDS: i64 = 600;

fn by_source(records: &[Record]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in records {
        *counts.entry(record.source.clone()).or_default() += 1;
    }
    counts
}

impl Run {
    /// Does something that keeps a service from answering, and remembers which part of the
    /// gateway's log that was. Only records that hold `needle` are excused by it.
    pub async fn with_fault<T>(
        &self,
        what: &str,
        needle: &'static str,
        done: impl Future<Output = StepResult<T>>,
    ) -> StepResult<T> {
        let (since, _) = self.need_candidate().await?;
        let before = by_source(&self.records(&since).await?);
        let result = done.await;
        let after = by_source(&self.records(&since).await?);
        let spans = after.into_iter().map(|(source, to)| {
            let from = before.get(&source).copied().unwrap_or(0);
            (source, (from, to))
        });
        self.notes().faults.push(InjectedFault {
            what: what.to_owned(),
            needle,
            spans: spans.collect(),
        });
        result
    }

    /// Ends a service, does something, and starts the service again: when this returns it
    /// answers and has what it had.
    pub async fn without<T>(
        &self,
        service: Service,
        meanwhile: impl Future<Output = T>,
    ) -> StepResult<T> {
        self.stack.may(Act::Break(service)).await?;
        let witness = format!("verify:{}", nonce());
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
        self.is_back(service).await?;
        self.watch.rests(service, false);
        down?;
        stayed?;
        if service == Service::Redis {
            let kept = self.redis.get(&witness).await?.is_some();
            check("restart Redis", "a key that was saved is gone")
                .control("that it has what it had", kept)?;
            self.redis.delete(&witness).await?;
        }
        seen.ok_or_else(|| StepError::harness("end a service", "that it is down", "it answers"))
    }

    /// Why a service does not answer, if it does not.
    async fn silence(&self, service: Service) -> Option<String> {
        match service {
            Service::Redis => self.redis.ping().await.err().map(|why| why.to_string()),
            Service::Upstream => self
                .upstream
                .cursor()
                .await
                .err()
                .map(|why| why.to_string()),
            _ => None,
        }
    }

    /// Control: nothing answers in the place of a service. Its silence is waited for no longer
    /// than a moment where its process or its container has ended: an address without a host
    /// refuses nothing, and a program that took its port answers at once.
    async fn is_down(&self, service: Service) -> StepResult {
        let limit = match self.stack.state(service).await {
            Ok(state) if !state.running => BRIEFLY,
            _ => ASKED,
        };
        let asked = async {
            matches!(service, Service::Redis | Service::Upstream)
                && self.silence(service).await.is_none()
        };
        let answers = tokio::time::timeout(limit, asked).await.unwrap_or(false);
        check(format!("end {service}"), "it answers").control("that it does not answer", !answers)
    }

    /// Control: a service answers again.
    async fn is_back(&self, service: Service) -> StepResult {
        let ask = async || Ok::<_, StepError>(self.silence(service).await);
        let silence = poll(BACK, ask, Option::is_none).await?;
        let back = silence.is_none();
        check(
            format!("start {service} again"),
            silence.unwrap_or_default(),
        )
        .control("that it answers", back)
    }
}
