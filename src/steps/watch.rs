//! A watch on the services round the gateway while the run goes on: one that stood still for a
//! moment, and is well again when it is looked at, is remembered.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::run::Run;
use crate::stack::Service;

/// How often each is asked.
const EVERY: Duration = Duration::from_millis(100);

/// An answer that takes longer says that the service stood still.
const SLOW: Duration = Duration::from_millis(500);

/// What is said where the whole machine stood still, not a service alone.
pub const TOO_BUSY: &str = "the machine is too busy";

/// How often the harness looks whether it stands still itself.
const BEAT: Duration = Duration::from_millis(20);

/// What was noticed since the item began.
#[derive(Debug, Default)]
pub struct Watch {
    services: Mutex<BTreeMap<Service, Noticed>>,
    /// How long the harness itself has stood still so far, in milliseconds: the machine had no
    /// time for it, and so perhaps none for the services.
    stood_still: AtomicU64,
}

#[derive(Debug, Default)]
struct Noticed {
    /// Since when an answer is waited for, and how long the harness had stood still by then.
    asked: Option<(Instant, u64)>,
    /// Whether the run itself keeps it from answering.
    resting: bool,
    /// Whether it did when the answer was asked for.
    excused: bool,
    /// What was wrong.
    trouble: Option<String>,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Service, Noticed>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
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
            let waiting = (noticed.asked).is_some_and(|(since, _)| since.elapsed() > SLOW);
            let now = (waiting && !noticed.excused).then(|| "it does not answer".to_owned());
            let what = noticed.trouble.clone().or(now)?;
            Some(format!("{service}: {what}"))
        })
    }

    fn asks(&self, service: Service) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        noticed.asked = Some((Instant::now(), self.stood_still.load(Ordering::Relaxed)));
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
        let Some((since, before)) = noticed.asked.take() else {
            return;
        };
        if noticed.excused {
            return;
        }
        let took = since.elapsed();
        match answer {
            Err(why) => noticed.trouble = Some(why),
            Ok(()) if took > SLOW => {
                let still = self.stood_still.load(Ordering::Relaxed) - before;
                noticed.trouble = Some(slow(took, Duration::from_millis(still)));
            }
            Ok(()) => {}
        }
    }
}

/// An answer that took long. A machine that is too busy is told by the harness's own standing
/// still; the answer says as little then, but its remedy is another.
fn slow(took: Duration, still: Duration) -> String {
    let mut text = format!("it took {} ms to answer", took.as_millis());
    if still > took / 2 {
        let still = still.as_millis();
        let _ = write!(
            text,
            " (verify itself stood still for {still} ms meanwhile: {TOO_BUSY})"
        );
    }
    text
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
                    Service::Upstream => {
                        let answer = run.upstream.real_answers().await;
                        answer.map_err(|error| error.to_string())
                    }
                    _ => run.auth_answers().await,
                };
                run.watch.answered(service, answer);
                tokio::time::sleep(EVERY).await;
            }
        })
    };
    let beats = Arc::clone(run);
    let beat = tokio::spawn(async move {
        loop {
            let began = Instant::now();
            tokio::time::sleep(BEAT).await;
            let late = began.elapsed().saturating_sub(BEAT * 2);
            let late = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            beats.watch.stood_still.fetch_add(late, Ordering::Relaxed);
        }
    });
    // A double that stands still is this process that stands still.
    let upstream = (run.stack.has_real_upstream()).then_some(Service::Upstream);
    let services = [Service::Redis, Service::Auth].into_iter().chain(upstream);
    services.map(watch).chain([beat]).collect()
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
    fn a_machine_that_is_too_busy_is_told_from_a_service_that_stood_still() {
        let ms = Duration::from_millis;
        assert_eq!(slow(ms(700), ms(340)), "it took 700 ms to answer");
        assert_eq!(
            slow(ms(700), ms(510)),
            "it took 700 ms to answer (verify itself stood still for 510 ms meanwhile: the machine is too busy)"
        );
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
