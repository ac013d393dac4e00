//! Slow answers and errors on request: how the harness sees what a gateway does with a bad upstream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest delay that one fault may ask for.
const MAX_DELAY_MS: u64 = 120_000;

/// A disturbance of the requests that match it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How long the answer is held back, in milliseconds, at most two minutes.
    #[serde(default)]
    pub delay_ms: u64,
    /// The status to answer with instead of the real answer; none leaves the answer alone.
    #[serde(default)]
    pub status: Option<u16>,
    /// Only paths that begin so; none means all.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// How many requests it disturbs before it is used up; none means until cleared.
    #[serde(default)]
    pub times: Option<u64>,
}

/// What the faults make of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// The sum of those that match.
    pub delay: Duration,
    /// The first that matches.
    pub status: Option<u16>,
}

#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error("a fault's status must be between 200 and 599, not {0}")]
    Status(u16),
    #[error("a fault's delay_ms may be at most {MAX_DELAY_MS}, not {0}")]
    Delay(u64),
}

/// The faults that wait; clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Adds a fault and returns how many wait now.
    ///
    /// # Errors
    /// When its status is no HTTP status or its delay is too long.
    pub fn add(&self, fault: Fault) -> Result<usize, FaultError> {
        if let Some(status) = fault.status.filter(|status| !(200..600).contains(status)) {
            return Err(FaultError::Status(status));
        }
        if fault.delay_ms > MAX_DELAY_MS {
            return Err(FaultError::Delay(fault.delay_ms));
        }
        let mut faults = self.lock();
        faults.push(fault);
        Ok(faults.len())
    }

    /// Removes all faults and returns how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut *self.lock()).len()
    }

    /// The faults that still wait, oldest first.
    pub fn list(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// What becomes of a request for `path`; every matching fault counts it.
    pub fn strike(&self, path: &str) -> Disturbance {
        let mut faults = self.lock();
        let mut found = Disturbance::default();
        for fault in faults.iter_mut() {
            let prefix = fault.path_prefix.as_deref().unwrap_or_default();
            if !path.starts_with(prefix) {
                continue;
            }
            if let Some(times) = &mut fault.times {
                if *times == 0 {
                    continue;
                }
                *times -= 1;
            }
            found.delay += Duration::from_millis(fault.delay_ms);
            found.status = found.status.or(fault.status);
        }
        faults.retain(|fault| fault.times != Some(0));
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        // A list of plain values has no half-made state that a panic could leave behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_matches_by_prefix_and_is_used_up() {
        let faults = Faults::default();
        let once = Fault {
            status: Some(503),
            path_prefix: Some("/v1/".into()),
            times: Some(1),
            ..Fault::default()
        };
        faults.add(once).unwrap();
        faults
            .add(Fault {
                delay_ms: 5,
                ..Fault::default()
            })
            .unwrap();
        assert_eq!(faults.strike("/ui").status, None);
        let first = faults.strike("/v1/messages");
        assert_eq!(
            (first.status, first.delay),
            (Some(503), Duration::from_millis(5))
        );
        assert_eq!(faults.strike("/v1/messages").status, None);
        assert_eq!(faults.list().len(), 1);
        assert_eq!(faults.clear(), 1);
        assert_eq!(faults.strike("/v1/messages"), Disturbance::default());
    }

    #[test]
    fn nonsense_is_refused() {
        let faults = Faults::default();
        assert!(
            faults
                .add(Fault {
                    status: Some(42),
                    ..Fault::default()
                })
                .is_err()
        );
        assert!(
            faults
                .add(Fault {
                    delay_ms: u64::MAX,
                    ..Fault::default()
                })
                .is_err()
        );
        assert!(serde_json::from_str::<Fault>(r#"{"delay": 3}"#).is_err());
    }
}
