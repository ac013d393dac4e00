//! Measurements of the candidate against the baseline, from the evidence's figures: of all times in a
//! report the only ones that are taken many times over, of both versions in turn, and that know
//! their own noise.

use serde::Serialize;

use super::{MeasuredRow, Pace, all, find, ids, row};
use crate::{
    evidence::{Evidence, Figures},
    plan::ItemId,
    report::{ItemReport, RunReport},
};

/// Ratios that are less apart are the same to whoever reads them: the plan's own margin.
const LEAST_SHARE: f64 = 0.10;

/// The candidate's median against the baseline's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The baseline's median, in milliseconds.
    pub baseline_ms: f64,
    /// The candidate's median, in milliseconds.
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
        let figures = |evidence: &Evidence| evidence.figures.as_ref().map(Self::from);
        item.evidence.iter().find_map(figures)
    }

    /// What became of the ratio, where that is beyond noise.
    fn since(&self, before: &Self) -> Option<Pace> {
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

/// A row for each item that measured in one of the reports.
pub(super) fn rows(reports: &[RunReport]) -> Vec<MeasuredRow> {
    let measures = |id: &ItemId| {
        let of = |report: &RunReport| {
            all(report).any(|item| item.id == *id && Measured::of(item).is_some())
        };
        reports.iter().any(of)
    };
    let row_of = |id: ItemId| {
        let found: Vec<(Option<Measured>, &str)> = (reports.iter())
            .map(|report| {
                let measured = find(report, id).and_then(Measured::of);
                (measured, report.run.baseline.sha256.as_str())
            })
            .collect();
        MeasuredRow {
            id,
            paces: row(&found, |(before, base), (after, other)| {
                after.filter(|_| base == other)?.since(before.as_ref()?)
            }),
            found: found.into_iter().map(|(measured, _)| measured).collect(),
        }
    };
    ids(reports)
        .into_iter()
        .filter(measures)
        .map(row_of)
        .collect()
}
