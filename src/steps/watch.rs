//! A watch on the services round the gateway while the run goes on: one that stood still for a
//! moment, and is well again when it is looked at, is remembered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::run::Run;
use crate::stack::Service;

/// How often each is asked.
const EVERY: Duration = Duration::from_millis(100);

/// An answer that takes longer says that the service stood still.
const SLOW: Duration = Duration::from_millis(500);

/// What was noticed since the item began.
#[derive(Debug, Default)]
pub struct Watch(Mutex<BTreeMap<Service, Noticed>>);

#[derive(Debug, Default)]
struct Noticed {
    /// Since when an answer is waited for.
    asked: Option<Instant>,
    /// Whether the run itself keeps it from answering.
    resting: bool,
    /// Whether it did when the answer was asked for.
    excused: bool,
    /// What was wrong.
    trouble: Option<String>,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Service, Noticed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was: another item begins.
    pub fn begins(&self) {
        for noticed in self.lock().values_mut() {
            noticed.trouble = None;
        }
    }

    /// What was noticed since the item began, if anything.
    #[must_use]
    pub fn noticed(&self) -> Option<String> {
        self.lock().iter().find_map(|(service, noticed)| {
            let waiting = noticed.asked.is_some_and(|since| since.elapsed() > SLOW);
            let now = (waiting && !noticed.excused).then(|| "it does not answer".to_owned());
            let what = noticed.trouble.clone().or(now)?;
            Some(format!("{service}: {what}"))
        })
    }

    fn asks(&self, service: Service) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        noticed.asked = Some(Instant::now());
        noticed.excused = noticed.resting;
    }

    /// The run itself keeps a service from answering, or no longer does: what is asked
    /// meanwhile says nothing.
    pub fn rests(&self, service: Service, resting: bool) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        noticed.resting = resting;
        noticed.excused |= resting;
    }

    fn answered(&self, service: Service, answer: Result<(), String>) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        let took = noticed.asked.take().map(|since| since.elapsed());
        let took = took.unwrap_or_default();
        if noticed.excused {
            return;
        }
        match answer {
            Err(why) => noticed.trouble = Some(why),
            Ok(()) if took > SLOW => {
                noticed.trouble = Some(format!("it took {} ms to answer", took.as_millis()));
            }
            Ok(()) => {}
        }
    }
}

/// Begins to watch, where the services are the run's own and may be asked so often.
#[must_use]
pub fn begin(run: &Arc<Run>) -> Vec<JoinHandle<()>> {
    if run.stack.kind() == "compose" {
        return Vec::new();
    }
    let watch = |service| {
        let run = Arc::clone(run);
        tokio::spawn(async move {
            loop {
                run.watch.asks(service);
                let answer = match service {
                    Service::Redis => run.redis.ping().await.map_err(|error| error.to_string()),
                    _ => run.auth_answers().await,
                };
                run.watch.answered(service, answer);
                tokio::time::sleep(EVERY).await;
            }
        })
    };
    vec![watch(Service::Redis), watch(Service::Auth)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_still_is_remembered_until_the_next_item() {
        let watch = Watch::default();
        watch.asks(Service::Redis);
        watch.answered(Service::Redis, Ok(()));
        assert_eq!(watch.noticed(), None);
        watch.asks(Service::Redis);
        watch.answered(Service::Redis, Err("timed out".to_owned()));
        watch.asks(Service::Redis);
        watch.answered(Service::Redis, Ok(()));
        assert_eq!(watch.noticed().as_deref(), Some("redis: timed out"));
        watch.begins();
        assert_eq!(watch.noticed(), None);
    }

    #[test]
    fn what_the_run_itself_does_to_a_service_says_nothing() {
        let watch = Watch::default();
        let down = || Err("connection refused".to_owned());
        watch.asks(Service::Redis);
        watch.rests(Service::Redis, true);
        watch.answered(Service::Redis, down());
        watch.asks(Service::Redis);
        watch.rests(Service::Redis, false);
        watch.answered(Service::Redis, down());
        assert_eq!(watch.noticed(), None);
        watch.asks(Service::Redis);
        watch.answered(Service::Redis, down());
        assert_eq!(
            watch.noticed().as_deref(),
            Some("redis: connection refused")
        );
    }
}
