//! Findings, causes and facts of reports, side by side: what is not the same in all of them.

use std::collections::BTreeSet;

use super::{CauseRow, Fact, FactRow, FindingRow, LintRow, all, ids, title, warnings::chosen};
use crate::{
    plan::ItemId,
    report::{Component, FileRef, Finding, RunReport},
};

fn differs<T: PartialEq>(values: &[T]) -> bool {
    values.windows(2).any(|pair| pair[0] != pair[1])
}

/// A finding is known by the item that noticed it.
pub(super) fn findings(reports: &[RunReport]) -> Vec<FindingRow> {
    let find = |report: &RunReport, id: ItemId| -> Option<Finding> {
        report
            .findings
            .iter()
            .find(|finding| finding.item == id)
            .cloned()
    };
    let row_of = |id: ItemId| {
        let found: Vec<Option<Finding>> = reports.iter().map(|report| find(report, id)).collect();
        let severities = found
            .iter()
            .map(|one| Some(one.as_ref()?.severity))
            .collect();
        let summary = found.into_iter().rev().flatten().next()?.summary;
        Some(FindingRow {
            id,
            title: title(reports, id)?,
            summary,
            severities,
        })
    };
    (ids(reports).into_iter())
        .filter_map(row_of)
        .filter(|row| differs(&row.severities))
        .collect()
}

/// A cause is known by its rule.
pub(super) fn causes(reports: &[RunReport]) -> Vec<CauseRow> {
    let mut rows: Vec<CauseRow> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        for cause in &report.causes {
            let known = rows.iter().position(|row| row.rule == cause.rule);
            let known = known.unwrap_or_else(|| {
                rows.push(CauseRow {
                    rule: cause.rule.clone(),
                    cause: cause.cause.clone(),
                    explains: vec![Vec::new(); reports.len()],
                });
                rows.len() - 1
            });
            rows[known].explains[at].clone_from(&cause.explains);
        }
    }
    let there = |row: &CauseRow| row.explains.iter().map(Vec::is_empty).collect::<Vec<_>>();
    rows.retain(|row| differs(&there(row)));
    rows
}

/// A finding of the linter is known by its rule and what it says.
pub(super) fn lint(reports: &[RunReport]) -> Vec<LintRow> {
    let mut rows: Vec<LintRow> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        for finding in &report.lint {
            let same = |row: &LintRow| row.rule == finding.rule && row.what == finding.what;
            let known = rows.iter().position(same).unwrap_or_else(|| {
                rows.push(LintRow {
                    rule: finding.rule.clone(),
                    level: finding.level,
                    what: finding.what.clone(),
                    places: vec![Vec::new(); reports.len()],
                });
                rows.len() - 1
            });
            rows[known].places[at].push(finding.at());
        }
    }
    let count = |row: &LintRow| row.places.iter().map(Vec::len).collect::<Vec<_>>();
    rows.retain(|row| differs(&count(row)));
    rows
}

/// What is not the same about the runs themselves.
pub(super) fn facts(reports: &[RunReport]) -> Vec<FactRow> {
    let mut rows = vec![
        fact(reports, Fact::Candidate, |report| {
            file(&report.run.candidate)
        }),
        fact(reports, Fact::Baseline, |report| file(&report.run.baseline)),
        fact(reports, Fact::Plan, |report| report.run.plan.en.clone()),
        fact(reports, Fact::Chosen, |report| {
            format!("{} / {}", chosen(report).len(), all(report).count())
        }),
        fact(reports, Fact::Profile, |report| report.run.profile.clone()),
        fact(reports, Fact::Stack, |report| report.run.stack.clone()),
    ];
    let services: BTreeSet<String> = (reports.iter())
        .flat_map(|report| &report.run.components)
        .map(|component| component.service.clone())
        .collect();
    for service in services {
        let played = |report: &RunReport| {
            let all = report.run.components.iter();
            let programs: BTreeSet<String> = all
                .filter(|one| one.service == service)
                .map(program)
                .collect();
            programs.into_iter().collect::<Vec<_>>().join(", ")
        };
        rows.push(fact(reports, Fact::Component(service.clone()), played));
    }
    rows.retain(|row| differs(&row.values));
    rows
}

fn fact(reports: &[RunReport], fact: Fact, of: impl Fn(&RunReport) -> String) -> FactRow {
    let values = reports.iter().map(of).collect();
    FactRow { fact, values }
}

/// Its name, and enough of its hash to tell it from another.
fn file(file: &FileRef) -> String {
    let name = file.path.file_name().unwrap_or(file.path.as_os_str());
    let hash: String = file.sha256.chars().take(12).collect();
    format!("{} {hash}", name.to_string_lossy())
}

fn program(component: &Component) -> String {
    let mut text = format!("{} {}", component.program, component.version);
    if !component.real {
        text.push_str(" (double)");
    }
    if let Some(image) = &component.image {
        text.push_str(&format!(" ({image})"));
    }
    text
}
