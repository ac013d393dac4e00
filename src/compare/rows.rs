//! Reports side by side: what is not the same in all of them, and what became of it. Pure.

use std::collections::BTreeSet;

use super::{
    CauseRow, Column, Comparison, Counts, Fact, FactRow, FindingRow, ItemRow, LintRow, Measured,
    MeasuredRow, Pace, SCHEMA_VERSION, State, TimeRow, Times, VerdictRow, Warning, WarningKind,
    change, paces,
};
use crate::{
    engine::event::RunEnd,
    gate::{Policy, decide},
    plan::{ItemId, Text},
    report::{Component, FileRef, ItemReport, RunReport, Verdict},
};

/// Compares each report with the one before it.
#[must_use]
pub fn compare(reports: &[RunReport]) -> Comparison {
    let warnings = warnings(reports);
    let one_stack = |warning: &Warning| warning.kind != WarningKind::Stack;
    Comparison {
        schema_version: SCHEMA_VERSION,
        reports: each(reports, column),
        times: match warnings.iter().all(one_stack) {
            true => times(reports),
            false => Times::default(),
        },
        warnings,
        verdict: verdict(reports),
        items: items(reports),
        measured: measured(reports),
        findings: findings(reports),
        causes: causes(reports),
        lint: lint(reports),
        facts: facts(reports),
    }
}

/// As each report has it.
fn each<'a, T>(reports: &'a [RunReport], of: impl Fn(&'a RunReport) -> T) -> Vec<T> {
    reports.iter().map(of).collect()
}

/// For each report but the first, what became of its value since the one before.
fn steps<T, C>(values: &[T], step: impl Fn(&T, &T) -> C) -> Vec<C> {
    let pairs = values.windows(2);
    pairs.map(|pair| step(&pair[0], &pair[1])).collect()
}

fn differs<T: PartialEq>(values: &[T]) -> bool {
    steps(values, PartialEq::ne).contains(&true)
}

pub(super) fn find(report: &RunReport, id: ItemId) -> Option<&ItemReport> {
    report.all_items().find(|item| item.id == id)
}

/// A row for each item that one of the reports has, where there is something to say of it: the plan's
/// items, then the extended checks.
fn by_item<T>(reports: &[RunReport], row: impl Fn(ItemId) -> Option<T>) -> Vec<T> {
    let ids: BTreeSet<ItemId> = (reports.iter().flat_map(RunReport::all_items))
        .map(|item| item.id)
        .collect();
    ids.into_iter().filter_map(row).collect()
}

/// The item's title in the last report that has it.
fn title(reports: &[RunReport], id: ItemId) -> Option<Text> {
    let mut latest = reports.iter().rev().filter_map(|report| find(report, id));
    latest.next().map(|item| item.title.clone())
}

fn column(report: &RunReport) -> Column {
    let run = &report.run;
    Column {
        id: run.id.clone(),
        started_at: run.started_at.clone(),
        stack: run.stack.clone(),
        candidate: run.candidate.clone(),
        baseline: run.baseline.clone(),
        duration_ms: run.duration_ms,
        verdict: report.verdict,
        counts: Counts::of(report),
    }
}

fn warnings(reports: &[RunReport]) -> Vec<Warning> {
    let which = |is: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..reports.len()).filter(|at| is(*at)).collect()
    };
    let alone = |is: fn(&RunReport) -> bool| which(&|at| is(&reports[at]));
    let unlike_first =
        |same: fn(&RunReport, &RunReport) -> bool| which(&|at| !same(&reports[at], &reports[0]));
    let given_before = |at: usize| {
        let mut before = reports[..at].iter();
        before.any(|report| report.run.id == reports[at].run.id)
    };
    let found = [
        (WarningKind::SameRun, which(&given_before)),
        (
            WarningKind::Contradiction,
            alone(|report| decide(report, Policy::default()).is_err()),
        ),
        (
            WarningKind::CutOff,
            alone(|report| report.run.end != Some(RunEnd::Completed)),
        ),
        (
            WarningKind::Plan,
            unlike_first(|one, other| {
                let ids =
                    |report: &RunReport| report.all_items().map(|item| item.id).collect::<Vec<_>>();
                one.run.plan.en == other.run.plan.en && ids(one) == ids(other)
            }),
        ),
        (
            WarningKind::Selection,
            unlike_first(|one, other| chosen(one) == chosen(other)),
        ),
        (
            WarningKind::Profile,
            unlike_first(|one, other| one.run.profile == other.run.profile),
        ),
        (
            WarningKind::Stack,
            unlike_first(|one, other| one.run.stack == other.run.stack),
        ),
        (
            WarningKind::Baseline,
            unlike_first(|one, other| one.run.baseline.sha256 == other.run.baseline.sha256),
        ),
    ];
    let some = found.into_iter().filter(|(_, reports)| !reports.is_empty());
    some.map(|(kind, reports)| Warning { kind, reports })
        .collect()
}

fn chosen(report: &RunReport) -> Vec<ItemId> {
    report
        .all_items()
        .filter(|item| State::of(item) != State::NotChosen)
        .map(|item| item.id)
        .collect()
}

fn verdict(reports: &[RunReport]) -> VerdictRow {
    let verdicts = each(reports, |report| report.verdict);
    // A partial run has no verdict: there is nothing to compare with.
    let rank = |verdict: &Option<Verdict>| {
        verdict.map(|verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::Conditional => 1,
            Verdict::Inconclusive => 2,
            Verdict::Fail => 3,
        })
    };
    let worse = steps(&verdicts, |before, after| {
        rank(before).is_some_and(|before| rank(after) > Some(before))
    });
    VerdictRow { verdicts, worse }
}

fn items(reports: &[RunReport]) -> Vec<ItemRow> {
    by_item(reports, |id| {
        let state = |report| find(report, id).map_or(State::Absent, State::of);
        let states = each(reports, state);
        let changes = steps(&states, |before, after| change(*before, *after));
        changes.iter().flatten().next()?;
        Some(ItemRow {
            id,
            title: title(reports, id)?,
            states,
            changes,
        })
    })
}

fn times(reports: &[RunReport]) -> Times {
    let found = steps(&each(reports, passed), |before, after| paces(before, after));
    let items = by_item(reports, |id| {
        let pace = found
            .iter()
            .map(|step| step.as_ref()?.items.get(&id).copied());
        let paces: Vec<Option<Pace>> = pace.collect();
        paces.iter().flatten().next()?;
        let ms = each(reports, |report| Some(find(report, id)?.duration_ms));
        Some(TimeRow { id, ms, paces })
    });
    let overall = found.iter().map(|step| Some(step.as_ref()?.overall));
    Times {
        overall: overall.collect(),
        items,
    }
}

/// How long each item took that passed: one that failed has waited until a deadline.
fn passed(report: &RunReport) -> Vec<(ItemId, f64)> {
    report
        .all_items()
        .filter(|item| State::of(item) == State::Passed)
        .map(|item| (item.id, item.duration_ms))
        .collect()
}

fn measured(reports: &[RunReport]) -> Vec<MeasuredRow> {
    by_item(reports, |id| {
        let found = each(reports, |report| find(report, id).and_then(Measured::of));
        found.iter().flatten().next()?;
        let on = each(reports, |report| &report.run.baseline.sha256);
        let told: Vec<_> = found.iter().zip(on).collect();
        let paces = steps(&told, |(before, base), (after, other)| {
            let after = after.as_ref().filter(|_| base == other)?;
            after.since(before.as_ref()?)
        });
        Some(MeasuredRow { id, found, paces })
    })
}

/// A finding is known by the item that noticed it.
fn findings(reports: &[RunReport]) -> Vec<FindingRow> {
    by_item(reports, |id| {
        let found = each(reports, |report| {
            report.findings.iter().find(|finding| finding.item == id)
        });
        let severities: Vec<_> = (found.iter())
            .map(|one| one.map(|finding| finding.severity))
            .collect();
        let last = found.into_iter().rev().flatten().next()?;
        let row = FindingRow {
            id,
            title: title(reports, id)?,
            summary: last.summary.clone(),
            severities,
        };
        differs(&row.severities).then_some(row)
    })
}

/// What the reports' lists hold, each once, in the order that it comes in, with what each report has of it.
fn listed<'a, T, V>(
    reports: &'a [RunReport],
    list: impl Fn(&'a RunReport) -> &'a [T],
    same: impl Fn(&T, &T) -> bool,
    values: impl Fn(&T) -> Vec<V>,
) -> Vec<(&'a T, Vec<Vec<V>>)> {
    let mut rows: Vec<(&T, Vec<Vec<V>>)> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        for one in list(report) {
            let known = rows.iter().position(|(known, _)| same(known, one));
            let known = known.unwrap_or_else(|| {
                rows.push((one, reports.iter().map(|_| Vec::new()).collect()));
                rows.len() - 1
            });
            rows[known].1[at].extend(values(one));
        }
    }
    rows
}

/// A cause is known by its rule.
fn causes(reports: &[RunReport]) -> Vec<CauseRow> {
    let rows = listed(
        reports,
        |report| &report.causes,
        |one, other| one.rule == other.rule,
        |cause| cause.explains.clone(),
    );
    let rows = rows.into_iter().map(|(cause, explains)| CauseRow {
        rule: cause.rule.clone(),
        cause: cause.cause.clone(),
        explains,
    });
    let there = |row: &CauseRow| row.explains.iter().map(Vec::is_empty).collect::<Vec<_>>();
    rows.filter(|row| differs(&there(row))).collect()
}

/// A finding of the linter is known by its rule and what it says.
fn lint(reports: &[RunReport]) -> Vec<LintRow> {
    let rows = listed(
        reports,
        |report| &report.lint,
        |one, other| (&one.rule, &one.what) == (&other.rule, &other.what),
        |finding| vec![finding.at()],
    );
    let rows = rows.into_iter().map(|(finding, places)| LintRow {
        rule: finding.rule.clone(),
        level: finding.level,
        what: finding.what.clone(),
        places,
    });
    let count = |row: &LintRow| row.places.iter().map(Vec::len).collect::<Vec<_>>();
    rows.filter(|row| differs(&count(row))).collect()
}

/// What is not the same about the runs themselves.
fn facts(reports: &[RunReport]) -> Vec<FactRow> {
    let fact = |fact, of: &dyn Fn(&RunReport) -> String| FactRow {
        fact,
        values: each(reports, of),
    };
    let mut rows = vec![
        fact(Fact::Candidate, &|report| file(&report.run.candidate)),
        fact(Fact::Baseline, &|report| file(&report.run.baseline)),
        fact(Fact::Plan, &|report| report.run.plan.en.clone()),
        fact(Fact::Chosen, &|report| {
            format!("{} / {}", chosen(report).len(), report.all_items().count())
        }),
        fact(Fact::Profile, &|report| report.run.profile.clone()),
        fact(Fact::Stack, &|report| report.run.stack.clone()),
    ];
    let components = reports.iter().flat_map(|report| &report.run.components);
    let services: BTreeSet<&String> = components.map(|one| &one.service).collect();
    for service in services {
        rows.push(fact(Fact::Component(service.clone()), &|report| {
            let all = report.run.components.iter();
            let programs: BTreeSet<String> = all
                .filter(|one| one.service == *service)
                .map(program)
                .collect();
            programs.into_iter().collect::<Vec<_>>().join(", ")
        }));
    }
    rows.retain(|row| differs(&row.values));
    rows
}

/// Its name, and enough of its hash to tell it from another.
fn file(file: &FileRef) -> String {
    let name = file.path.file_name().unwrap_or(file.path.as_os_str());
    let hash: String = file.sha256.chars().take(12).collect();
    format!("{} {hash}", name.to_string_lossy())
}

fn program(component: &Component) -> String {
    let double = if component.real { "" } else { " (double)" };
    let image = component.image.as_ref();
    let image = image.map_or_else(String::new, |image| format!(" ({image})"));
    format!("{} {}{double}{image}", component.program, component.version)
}
