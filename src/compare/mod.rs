//! What is different between two or more reports: each is compared with the one before it.
//!
//! [`compare`] is a pure function from reports to a [`Comparison`], which can be written as JSON;
//! [`table`] and [`markdown`] show it to people.

mod lists;
mod measured;
mod model;
mod pace;
mod render;
mod sections;
mod state;
#[cfg(test)]
mod tests;
mod warnings;

pub use measured::Measured;
pub use model::*;
pub use pace::{Pace, median, paces};
pub use render::{json, markdown, table};
pub use sections::state as state_word;
pub use state::{Change, State, change};

use std::collections::BTreeSet;

use crate::{
    plan::{ItemId, Text},
    report::{ItemReport, RunReport, Verdict},
};

/// Compares each report with the one before it.
#[must_use]
pub fn compare(reports: &[RunReport]) -> Comparison {
    let warnings = warnings::warnings(reports);
    let same_times = warnings
        .iter()
        .all(|warning| warning.kind != WarningKind::Stack);
    Comparison {
        schema_version: SCHEMA_VERSION,
        reports: reports.iter().map(column).collect(),
        warnings,
        verdict: verdict(reports),
        items: items(reports),
        times: if same_times {
            times(reports)
        } else {
            Times::default()
        },
        measured: measured::rows(reports),
        findings: lists::findings(reports),
        causes: lists::causes(reports),
        lint: lists::lint(reports),
        facts: lists::facts(reports),
    }
}

/// Every item of a report, the extended checks last.
fn all(report: &RunReport) -> impl Iterator<Item = &ItemReport> {
    report.items.iter().chain(&report.extended)
}

fn find(report: &RunReport, id: ItemId) -> Option<&ItemReport> {
    all(report).find(|item| item.id == id)
}

/// Every item that one of the reports has: the plan's, then the extended checks.
fn ids(reports: &[RunReport]) -> Vec<ItemId> {
    let ids: BTreeSet<ItemId> = reports.iter().flat_map(all).map(|item| item.id).collect();
    ids.into_iter().collect()
}

/// The item's title in the last report that has it.
fn title(reports: &[RunReport], id: ItemId) -> Option<Text> {
    let mut latest = reports.iter().rev().filter_map(|report| find(report, id));
    latest.next().map(|item| item.title.clone())
}

/// For each report but the first, what became of its value since the one before.
fn row<T: Clone, C>(values: &[T], step: impl Fn(&T, &T) -> C) -> Vec<C> {
    values
        .windows(2)
        .map(|pair| step(&pair[0], &pair[1]))
        .collect()
}

fn column(report: &RunReport) -> Column {
    let run = &report.run;
    let counted = |state: State| all(report).filter(|item| State::of(item) == state).count();
    Column {
        id: run.id.clone(),
        started_at: run.started_at.clone(),
        stack: run.stack.clone(),
        candidate: run.candidate.clone(),
        baseline: run.baseline.clone(),
        duration_ms: run.duration_ms,
        verdict: report.verdict,
        passed: counted(State::Passed),
        failed: counted(State::Failed),
        skipped: counted(State::Skipped),
        inconclusive: counted(State::Inconclusive),
    }
}

fn verdict(reports: &[RunReport]) -> VerdictRow {
    let verdicts: Vec<Option<Verdict>> = reports.iter().map(|report| report.verdict).collect();
    // A partial run has no verdict: there is nothing to compare with.
    let rank = |verdict: Verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Conditional => 1,
        Verdict::Inconclusive => 2,
        Verdict::Fail => 3,
    };
    let worse = row(&verdicts, |before, after| match (before, after) {
        (Some(before), Some(after)) => rank(*after) > rank(*before),
        _ => false,
    });
    VerdictRow { verdicts, worse }
}

fn items(reports: &[RunReport]) -> Vec<ItemRow> {
    let row_of = |id: ItemId| {
        let state = |report: &RunReport| find(report, id).map_or(State::Absent, State::of);
        let states: Vec<State> = reports.iter().map(state).collect();
        Some(ItemRow {
            id,
            title: title(reports, id)?,
            changes: row(&states, |before, after| change(*before, *after)),
            states,
        })
    };
    (ids(reports).into_iter())
        .filter_map(row_of)
        .filter(|row| row.changes.iter().any(Option::is_some))
        .collect()
}

fn times(reports: &[RunReport]) -> Times {
    let steps: Vec<_> = (reports.windows(2))
        .map(|pair| paces(&passed(&pair[0]), &passed(&pair[1])))
        .collect();
    let row_of = |id: ItemId| {
        let paces: Vec<Option<Pace>> = (steps.iter())
            .map(|step| step.as_ref()?.items.get(&id).copied())
            .collect();
        paces.iter().any(Option::is_some).then(|| TimeRow {
            id,
            ms: (reports.iter())
                .map(|report| find(report, id).map(|item| item.duration_ms))
                .collect(),
            paces,
        })
    };
    Times {
        overall: steps
            .iter()
            .map(|step| Some(step.as_ref()?.overall))
            .collect(),
        items: ids(reports).into_iter().filter_map(row_of).collect(),
    }
}

/// How long each item took that passed: one that failed has waited for something in vain.
fn passed(report: &RunReport) -> Vec<(ItemId, f64)> {
    all(report)
        .filter(|item| State::of(item) == State::Passed)
        .map(|item| (item.id, item.duration_ms))
        .collect()
}
