//! What speaks against comparing reports.

use super::{State, Warning, WarningKind, all};
use crate::{
    engine::event::RunEnd,
    gate::{Policy, decide},
    plan::ItemId,
    report::RunReport,
};

pub(super) fn warnings(reports: &[RunReport]) -> Vec<Warning> {
    let run_twice = |at: usize| {
        let id = &reports[at].run.id;
        reports[..at].iter().any(|report| report.run.id == *id)
    };
    let found = [
        (WarningKind::SameRun, which(reports, run_twice)),
        (
            WarningKind::Contradiction,
            alone(reports, |report| decide(report, Policy::default()).is_err()),
        ),
        (
            WarningKind::CutOff,
            alone(reports, |report| report.run.end != Some(RunEnd::Completed)),
        ),
        (WarningKind::Plan, unlike_first(reports, plan)),
        (WarningKind::Selection, unlike_first(reports, chosen)),
        (
            WarningKind::Profile,
            unlike_first(reports, |report| report.run.profile.clone()),
        ),
        (
            WarningKind::Stack,
            unlike_first(reports, |report| report.run.stack.clone()),
        ),
        (
            WarningKind::Baseline,
            unlike_first(reports, |report| report.run.baseline.sha256.clone()),
        ),
    ];
    let some = found.into_iter().filter(|(_, reports)| !reports.is_empty());
    some.map(|(kind, reports)| Warning { kind, reports })
        .collect()
}

fn which(reports: &[RunReport], is: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..reports.len()).filter(|at| is(*at)).collect()
}

fn alone(reports: &[RunReport], is: impl Fn(&RunReport) -> bool) -> Vec<usize> {
    which(reports, |at| is(&reports[at]))
}

fn unlike_first<T: PartialEq>(reports: &[RunReport], of: impl Fn(&RunReport) -> T) -> Vec<usize> {
    which(reports, |at| of(&reports[at]) != of(&reports[0]))
}

/// A plan is known by its title and its items.
fn plan(report: &RunReport) -> (String, Vec<ItemId>) {
    (
        report.run.plan.en.clone(),
        all(report).map(|item| item.id).collect(),
    )
}

/// The items that were chosen.
pub(super) fn chosen(report: &RunReport) -> Vec<ItemId> {
    all(report)
        .filter(|item| State::of(item) != State::NotChosen)
        .map(|item| item.id)
        .collect()
}
