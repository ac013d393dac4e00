//! A row of the plan's summary table.

use crate::{
    plan::Text,
    report::{ItemReport, PhaseSummary, Status},
};

/// The row of phase `no`, counted from its items. What is inconclusive counts as skipped.
#[must_use]
pub fn summary(no: u8, title: Text, items: &[ItemReport]) -> PhaseSummary {
    let mut row = PhaseSummary {
        id: no,
        title,
        total: 0,
        passed: 0,
        failed: 0,
        skipped: 0,
    };
    for item in items.iter().filter(|item| item.phase == no) {
        row.total += 1;
        match item.status {
            Status::Passed => row.passed += 1,
            Status::Failed => row.failed += 1,
            Status::Skipped | Status::Inconclusive => row.skipped += 1,
        }
    }
    row
}
