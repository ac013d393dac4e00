//! What a set of results means. The one place that decides; [`fold`](super::fold) states its
//! verdict, and the gate asks again before it believes a saved one.

use crate::{
    engine::event::RunEnd,
    model::outcome::Outcome,
    plan::{Checklist, Lang},
    report::{ItemReport, RunReport, Verdict},
};

use super::reason::Reason;

/// The verdict that `items` and the `extended` checks add up to, and why: one sentence each.
///
/// In this order:
/// 1. a partial run has no verdict;
/// 2. a required item that the candidate failed, or that could not run since the candidate fails
///    what it needs: fail, whatever else happened;
/// 3. a required item that did not run or could not tell, or no required item at all:
///    inconclusive;
/// 4. anything else that did not pass, or an extended check that ran and did not: conditional;
/// 5. pass. An extended check that did not run by no fault of the candidate (a deployment where
///    nothing may be broken) says nothing against it.
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

    let failed = Reason::of_items(required.iter().copied().filter(|item| item.is_failed()));
    if !failed.is_empty() {
        return (Some(Verdict::Fail), failed);
    }
    let not_passed = |found| found != Outcome::Passed;
    let open = reasons(required.iter().copied(), not_passed);
    if !open.is_empty() {
        return (Some(Verdict::Inconclusive), open);
    }
    if required.is_empty() {
        return (Some(Verdict::Inconclusive), vec![Reason::NothingRequired]);
    }
    let ran: Vec<&ItemReport> = (extended.iter())
        .filter(|item| !item.outcome().is_skipped() || item.is_consequence())
        .collect();
    let others = reasons(items.iter().chain(ran.iter().copied()), not_passed);
    if !others.is_empty() {
        return (Some(Verdict::Conditional), others);
    }
    let reason = Reason::AllPassed {
        items: items.len(),
        extended: ran.len(),
    };
    (Some(Verdict::Pass), vec![reason])
}

fn reasons<'a>(
    items: impl Iterator<Item = &'a ItemReport>,
    wanted: impl Fn(Outcome) -> bool,
) -> Vec<Reason> {
    Reason::of_items(items.filter(|item| wanted(item.outcome())))
}

fn partial_reasons(items: &[ItemReport], extended: &[ItemReport]) -> Vec<Reason> {
    let selected = |item: &&ItemReport| item.outcome().is_selected();
    let mut all = vec![Reason::Partial {
        selected: items.iter().filter(selected).count(),
        of: items.len(),
    }];
    let selected = items.iter().chain(extended).filter(selected);
    all.extend(reasons(selected, |found| found != Outcome::Passed));
    all
}
