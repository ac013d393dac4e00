//! Measurements of the candidate against the baseline, from the evidence's figures: of all times in a
//! report the only ones that are taken many times over, of both versions in turn, and that know
//! their own noise.

use serde::Serialize;

use super::Pace;
use crate::{evidence::Figures, report::ItemReport};

/// Ratios that are less apart are the same to whoever reads them: the plan's own margin.
const LEAST_SHARE: f64 = 0.10;

/// The candidate's median against the baseline's, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub baseline_ms: f64,
    pub candidate_ms: f64,
    /// How many times the baseline's it is.
    pub ratio: f64,
    /// Where that lies with a probability of 95 %.
    pub interval: (f64, f64),
}

impl From<&Figures> for Measured {
    fn from(figures: &Figures) -> Self {
        Self {
            baseline_ms: figures.baseline_ms,
            candidate_ms: figures.candidate_ms,
            ratio: figures.ratio,
            interval: figures.interval,
        }
    }
}

impl Measured {
    /// The measurement of an item, where it has one.
    #[must_use]
    pub fn of(item: &ItemReport) -> Option<Self> {
        let mut figures = item.evidence.iter().filter_map(|one| one.figures.as_ref());
        figures.next().map(Self::from)
    }

    /// What became of the ratio, where that is beyond noise.
    pub(super) fn since(&self, before: &Self) -> Option<Pace> {
        let apart = self.ratio / before.ratio;
        if self.interval.0 > before.interval.1 && apart >= 1.0 + LEAST_SHARE {
            Some(Pace::Slower)
        } else if self.interval.1 < before.interval.0 && apart <= 1.0 / (1.0 + LEAST_SHARE) {
            Some(Pace::Faster)
        } else {
            None
        }
    }
}
