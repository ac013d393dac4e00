//! What was measured, as figures to draw and to count with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many classes a [`Histogram`] has.
pub const CLASSES: usize = 48;

/// The share of the durations that the classes cover; what took longer is only counted.
const COVERED: f64 = 0.99;

/// Two samples of durations side by side, and what their comparison came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Both distributions.
    pub histogram: Histogram,
    /// The baseline's median, in milliseconds.
    pub baseline_ms: f64,
    /// The candidate's median, in milliseconds.
    pub candidate_ms: f64,
    /// Candidate over baseline.
    pub ratio: f64,
    /// The 95 % interval of the ratio, its two ends.
    pub interval: (f64, f64),
    /// The ratio that the whole interval must not exceed.
    pub margin: f64,
}

/// How often which duration was measured, for both in the same classes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// Where the first class begins, in milliseconds.
    pub from_ms: f64,
    /// How wide each class is, in milliseconds.
    pub width_ms: f64,
    /// Durations of the baseline in each class.
    pub baseline: Vec<u32>,
    /// Durations of the candidate in each class.
    pub candidate: Vec<u32>,
    /// Durations of the baseline beyond the last class.
    pub baseline_beyond: u32,
    /// Durations of the candidate beyond the last class.
    pub candidate_beyond: u32,
}

impl Histogram {
    /// Counts durations in milliseconds. The classes reach from the shortest to where 99 % of
    /// all lie below: a few that took long would leave no room for the others.
    #[must_use]
    pub fn of(baseline: &[f64], candidate: &[f64]) -> Self {
        let mut all: Vec<f64> = baseline.iter().chain(candidate).copied().collect();
        all.sort_by(f64::total_cmp);
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return Self::default();
        };
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let covered = all
            .get((all.len() as f64 * COVERED) as usize)
            .unwrap_or(last);
        #[allow(clippy::cast_precision_loss)]
        let width_ms = ((covered - first) / CLASSES as f64).max(f64::EPSILON);
        let count = |durations: &[f64]| {
            let (mut classes, mut beyond) = (vec![0; CLASSES], 0);
            for duration in durations {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                match classes.get_mut(((duration - first) / width_ms) as usize) {
                    Some(class) => *class += 1,
                    None => beyond += 1,
                }
            }
            (classes, beyond)
        };
        let ((baseline, baseline_beyond), (candidate, candidate_beyond)) =
            (count(baseline), count(candidate));
        Self {
            from_ms: *first,
            width_ms,
            baseline,
            candidate,
            baseline_beyond,
            candidate_beyond,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_counted_once() {
        let baseline: Vec<f64> = (0..1000).map(|no| 0.05 + f64::from(no) * 1e-5).collect();
        let mut candidate = baseline.clone();
        candidate.extend([9.0, 12.0]);
        let found = Histogram::of(&baseline, &candidate);
        let sum = |classes: &[u32], beyond| classes.iter().sum::<u32>() + beyond;
        assert_eq!(sum(&found.baseline, found.baseline_beyond), 1000);
        assert_eq!(sum(&found.candidate, found.candidate_beyond), 1002);
        assert!(found.candidate_beyond >= 2);
        assert!((found.from_ms - 0.05).abs() < 1e-12);
    }

    #[test]
    fn the_same_duration_throughout_is_one_class() {
        let found = Histogram::of(&[1.0; 5], &[1.0; 7]);
        assert_eq!((found.baseline[0], found.candidate[0]), (5, 7));
        assert_eq!(Histogram::of(&[], &[]), Histogram::default());
    }
}
