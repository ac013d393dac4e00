//! What a set of results means. The one place that decides; [`fold`](super::fold) states its
//! verdict, and the gate asks again before it believes a saved one.

use crate::{
    engine::event::{RunEnd, StepStatus},
    plan::{Checklist, Lang},
    report::{Fault, ItemReport, RunReport, Status, Verdict},
};

use super::reason::Reason;

/// The reason that an item carries which a partial run left out.
pub const NOT_SELECTED: &str = "not selected (partial run)";

/// What an item's result counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It passed, and nothing in it says otherwise.
    Passed,
    /// The candidate failed it.
    Failed,
    /// It did not run.
    Skipped,
    /// Nothing can be said: inconclusive, failed by the harness, or contradicting itself.
    Unclear,
}

/// What an item's result counts as. A failure that nobody is named for is not the
/// candidate's, and a pass with a fault or an unfinished step is not a pass.
#[must_use]
pub fn standing(item: &ItemReport) -> Standing {
    let steps_passed = item
        .steps
        .iter()
        .all(|step| step.status == StepStatus::Passed);
    match (item.status, item.fault) {
        (Status::Passed, None) if steps_passed => Standing::Passed,
        (Status::Failed, Some(Fault::Candidate)) => Standing::Failed,
        (Status::Skipped, _) => Standing::Skipped,
        _ => Standing::Unclear,
    }
}

/// Whether an item was chosen to run.
#[must_use]
pub fn is_selected(item: &ItemReport) -> bool {
    !(item.status == Status::Skipped && item.reason.as_deref() == Some(NOT_SELECTED))
}

/// The verdict that `items` and the `extended` checks add up to, and why: one sentence each.
///
/// In this order:
/// 1. a partial run has no verdict;
/// 2. a required item that the candidate failed: fail, whatever else happened;
/// 3. a required item that did not run or could not tell, or no required item at all:
///    inconclusive;
/// 4. anything else that did not pass, or an extended check that ran and did not: conditional;
/// 5. pass. An extended check that did not run (a deployment where nothing may be broken) says
///    nothing against a candidate.
#[must_use]
pub fn judge(
    items: &[ItemReport],
    extended: &[ItemReport],
    partial: bool,
) -> (Option<Verdict>, Vec<String>) {
    let (verdict, reasons) = weigh(items, extended, partial);
    (verdict, texts(&reasons))
}

/// The verdict on a whole run: [`judge`], and besides, a run that was not gone through to its
/// end can fail the candidate but never pass it. Where something came between the worker and its
/// parent, nothing counts.
#[must_use]
pub fn judge_run(report: &RunReport) -> (Option<Verdict>, Vec<Reason>) {
    let (verdict, mut reasons) = weigh(&report.items, &report.extended, report.run.partial);
    if report.run.end == Some(RunEnd::Completed) {
        return (verdict, reasons);
    }
    if matches!(report.run.end, Some(RunEnd::Integrity { .. })) {
        let verdict = (!report.run.partial).then_some(Verdict::Inconclusive);
        return (verdict, vec![Reason::NotCompleted(report.run.end.clone())]);
    }
    let verdict = match verdict {
        Some(Verdict::Pass | Verdict::Conditional) => Some(Verdict::Inconclusive),
        other => other,
    };
    reasons.push(Reason::NotCompleted(report.run.end.clone()));
    (verdict, reasons)
}

/// The English sentences of `reasons`, as the report keeps them.
pub(super) fn texts(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| reason.text(Lang::En)).collect()
}

fn weigh(
    items: &[ItemReport],
    extended: &[ItemReport],
    partial: bool,
) -> (Option<Verdict>, Vec<Reason>) {
    if partial {
        return (None, partial_reasons(items, extended));
    }
    let is_required = |item: &&ItemReport| item.checklist == Checklist::Required;
    let required: Vec<&ItemReport> = items.iter().filter(is_required).collect();

    let failed = reasons(&required, |found| found == Standing::Failed);
    if !failed.is_empty() {
        return (Some(Verdict::Fail), failed);
    }
    let untold = reasons(&required, |found| found != Standing::Passed);
    if !untold.is_empty() {
        return (Some(Verdict::Inconclusive), untold);
    }
    if required.is_empty() {
        return (Some(Verdict::Inconclusive), vec![Reason::NothingRequired]);
    }
    let ran: Vec<&ItemReport> = extended
        .iter()
        .filter(|item| standing(item) != Standing::Skipped)
        .collect();
    let all: Vec<&ItemReport> = items.iter().chain(ran.iter().copied()).collect();
    let others = reasons(&all, |found| found != Standing::Passed);
    if !others.is_empty() {
        return (Some(Verdict::Conditional), others);
    }
    let reason = Reason::AllPassed {
        items: items.len(),
        extended: ran.len(),
    };
    (Some(Verdict::Pass), vec![reason])
}

fn reasons(items: &[&ItemReport], wanted: impl Fn(Standing) -> bool) -> Vec<Reason> {
    Reason::of_items(items.iter().copied().filter(|item| wanted(standing(item))))
}

fn partial_reasons(items: &[ItemReport], extended: &[ItemReport]) -> Vec<Reason> {
    let chosen: Vec<&ItemReport> = items
        .iter()
        .chain(extended)
        .filter(|item| is_selected(item))
        .collect();
    let mut all = vec![Reason::Partial {
        chosen: items.iter().filter(|item| is_selected(item)).count(),
        of: items.len(),
    }];
    all.extend(reasons(&chosen, |found| found != Standing::Passed));
    all
}
