//! A watch on the services round the gateway while the run goes on: one that stood still for a
//! moment, and is well again when it is looked at, is remembered.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::stack::Service;

/// An answer that takes longer says that the service stood still.
const SLOW: Duration = Duration::from_millis(500);

/// What is said where the whole machine stood still, not a service alone.
pub const TOO_BUSY: &str = "the machine is too busy";

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
    /// Since when an answer is waited for, and how long the machine had kept others waiting by then.
    asked: Option<(Instant, Stalls)>,
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
    pub fn noticed(&self) -> Option<String> {
        self.lock().iter().find_map(|(service, noticed)| {
            let now = || {
                let (since, before) = noticed.asked.filter(|_| !noticed.excused)?;
                let waits = since.elapsed();
                let text = || format!("it does not answer{}", self.explain(before, waits));
                (waits > SLOW).then(text)
            };
            let what = noticed.trouble.clone().or_else(now)?;
            Some(format!("{service}: {what}"))
        })
    }

    pub(super) fn asks(&self, service: Service) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        noticed.asked = Some((Instant::now(), self.stalls()));
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

    pub(super) fn answered(&self, service: Service, answer: Result<(), String>) {
        let mut all = self.lock();
        let noticed = all.entry(service).or_default();
        let Some((since, before)) = noticed.asked.take() else {
            return;
        };
        if noticed.excused {
            return;
        }
        let took = since.elapsed();
        let what = match answer {
            Ok(()) if took <= SLOW => return,
            Ok(()) => format!("it took {} ms to answer", took.as_millis()),
            Err(why) => why,
        };
        noticed.trouble = Some(what + &self.explain(before, took));
    }

    /// The harness itself stood still for so long.
    pub(super) fn stood_still(&self, late: Duration) {
        let late = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
        self.stood_still.fetch_add(late, Ordering::Relaxed);
    }

    fn explain(&self, before: Stalls, wait: Duration) -> String {
        self.stalls().since(before).explain(wait)
    }

    fn stalls(&self) -> Stalls {
        let own = self.stood_still.load(Ordering::Relaxed);
        let [cpu, io, memory] = ["cpu", "io", "memory"].map(pressure);
        Stalls([Duration::from_millis(own), cpu, io, memory])
    }
}

/// How long the machine has kept programs waiting that had work to do, as [`WAITED`] names them.
#[derive(Clone, Copy, Debug)]
struct Stalls([Duration; 4]);

const WAITED: [&str; 4] = [
    "verify itself stood still for",
    "programs waited for a processor for",
    "programs waited for a disk for",
    "programs waited for memory for",
];

impl Stalls {
    fn since(self, before: Self) -> Self {
        let mut passed = self.0;
        for (stall, before) in passed.iter_mut().zip(before.0) {
            *stall = stall.saturating_sub(before);
        }
        Self(passed)
    }

    /// What explains most of a wait, if anything does. The answer that came late says as little
    /// then, but its remedy is another.
    fn explain(self, wait: Duration) -> String {
        let most = self
            .0
            .into_iter()
            .zip(WAITED)
            .max_by_key(|(stall, _)| *stall);
        match most {
            Some((stall, who)) if wait > SLOW && stall > wait / 2 => {
                let stall = stall.as_millis();
                format!(" ({who} {stall} ms meanwhile: {TOO_BUSY})")
            }
            _ => String::new(),
        }
    }
}

/// What the kernel has counted of a pressure so far; zero where it does not count.
fn pressure(of: &str) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/pressure/{of}")).unwrap_or_default();
    let some = text.lines().find(|line| line.starts_with("some "));
    let total = some.and_then(|line| line.split_once("total="));
    Duration::from_micros(
        total
            .and_then(|(_, us)| us.trim().parse().ok())
            .unwrap_or(0),
    )
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
        let before = Stalls([40, 1000, 20, 0].map(ms));
        let told = |own, cpu, io| {
            let now = Stalls([own, cpu, io, 0].map(ms));
            now.since(before).explain(ms(700))
        };
        assert_eq!(told(380, 1340, 370), "");
        assert_eq!(
            told(550, 1200, 20),
            " (verify itself stood still for 510 ms meanwhile: the machine is too busy)"
        );
        assert_eq!(
            told(50, 1690, 20),
            " (programs waited for a processor for 690 ms meanwhile: the machine is too busy)"
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
