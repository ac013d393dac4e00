//! Whether a report can be believed: that its parts agree with each other.

use std::collections::BTreeSet;

use crate::{
    engine::InputRole,
    plan::ItemId,
    report::{Fault, ItemReport, RunInfo, RunReport, SCHEMA_VERSION, Status, Verdict, sha256_of},
    verdict::{Outcome, Reason, is_finding, judge_run, summary},
};

/// A report that cannot be believed. It was changed by hand or written by another program:
/// run `verify` again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum GateError {
    /// Another version of the format.
    #[error("the report has schema version {found}, this program reads version {SCHEMA_VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Nothing was checked.
    #[error("the report has no items: nothing was checked, so nothing can be decided")]
    NoItems,
    /// An item that is there twice.
    #[error("the report has item {0} twice; run `verify` again")]
    Duplicate(ItemId),
    /// An item that contradicts itself.
    #[error("item {item} of the report contradicts itself: {problem}; run `verify` again")]
    Item {
        /// Which.
        item: ItemId,
        /// What does not fit.
        problem: &'static str,
    },
    /// A row of the summary table that its items do not add up to.
    #[error("the report's row of phase {phase} does not add up with its items; run `verify` again")]
    Phase {
        /// Which.
        phase: u8,
    },
    /// The flag of a partial run that does not fit the items.
    #[error(
        "the report says partial: {stated}, but {left_out} of its items were not selected; run `verify` again"
    )]
    Partial {
        /// What it says.
        stated: bool,
        /// How many items were left out.
        left_out: usize,
    },
    /// A verdict that the items do not add up to.
    #[error(
        "the report states the verdict {}, but its items add up to {}; run `verify` again",
        word(*stated), word(*judged)
    )]
    Verdict {
        /// What the report says.
        stated: Option<Verdict>,
        /// What its items say.
        judged: Option<Verdict>,
    },
    /// A rollback that the verdict does not ask for, or one that it asks for and is not there.
    #[error("the report says rollback required: {stated}, which is not what its verdict means")]
    Rollback {
        /// What it says.
        stated: bool,
    },
    /// An input file that is there twice, or is not the one that the run names.
    #[error("the report's inputs contradict its {0}; run `verify` again")]
    Inputs(&'static str),
    /// Findings that are not those of the items.
    #[error("the report's findings are not the items that did not pass; run `verify` again")]
    Findings,
}

/// The verdict of a report whose parts agree, judged again, and why.
pub(super) fn check(report: &RunReport) -> Result<(Option<Verdict>, Vec<Reason>), GateError> {
    if report.schema_version != SCHEMA_VERSION {
        return Err(GateError::Version {
            found: report.schema_version,
        });
    }
    check_inputs(&report.run)?;
    check_items(report)?;
    check_phases(report)?;
    check_partial(report)?;
    let (judged, reasons) = judge_run(report);
    if report.verdict != judged {
        return Err(GateError::Verdict {
            stated: report.verdict,
            judged,
        });
    }
    if report.rollback.required != (judged == Some(Verdict::Fail)) {
        return Err(GateError::Rollback {
            stated: report.rollback.required,
        });
    }
    check_findings(report)?;
    Ok((judged, reasons))
}

/// Inputs are listed once each, candidate and baseline as the run names them.
fn check_inputs(run: &RunInfo) -> Result<(), GateError> {
    if run.inputs.is_empty() {
        return Ok(());
    }
    for (role, name, file) in [
        (InputRole::Candidate, "candidate", &run.candidate),
        (InputRole::Baseline, "baseline", &run.baseline),
    ] {
        if sha256_of(&run.inputs, role).as_ref() != Some(&file.sha256) {
            return Err(GateError::Inputs(name));
        }
    }
    let mut seen = BTreeSet::new();
    let twice = run.inputs.iter().any(|input| {
        let path = input.role.is_folder().then_some(&input.path);
        !seen.insert((input.role, path))
    });
    match twice {
        true => Err(GateError::Inputs("own list")),
        false => Ok(()),
    }
}

fn check_items(report: &RunReport) -> Result<(), GateError> {
    if report.items.is_empty() {
        return Err(GateError::NoItems);
    }
    let mut seen = BTreeSet::new();
    for item in report.all_items() {
        if !seen.insert(item.id) {
            return Err(GateError::Duplicate(item.id));
        }
        if let Some(problem) = contradiction(item) {
            return Err(GateError::Item {
                item: item.id,
                problem,
            });
        }
    }
    let misplaced = (report.items.iter())
        .find(|item| item.id.phase().is_none())
        .or_else(|| (report.extended.iter()).find(|item| item.id.phase().is_some()));
    match misplaced {
        None => Ok(()),
        Some(item) => Err(GateError::Item {
            item: item.id,
            problem: "items of the plan and extended checks are mixed up",
        }),
    }
}

fn contradiction(item: &ItemReport) -> Option<&'static str> {
    if item.phase != item.id.phase().unwrap_or(0) {
        return Some("its phase is not that of its number");
    }
    match (item.status, item.fault) {
        (Status::Passed, Some(_)) => Some("it passed, yet there is a fault"),
        (Status::Passed, None) if item.outcome() != Outcome::Passed => {
            Some("it passed, yet one of its steps did not")
        }
        (Status::Failed, None) => Some("it failed by nobody's fault"),
        (Status::Inconclusive, None | Some(Fault::Candidate)) => {
            Some("it is inconclusive, yet not by the harness's fault")
        }
        _ => None,
    }
}

fn check_phases(report: &RunReport) -> Result<(), GateError> {
    let mut rows = BTreeSet::new();
    for row in &report.phases {
        let counted = summary(row.id, row.title.clone(), &report.items);
        if !rows.insert(row.id) || *row != counted {
            return Err(GateError::Phase { phase: row.id });
        }
    }
    match report.items.iter().find(|item| !rows.contains(&item.phase)) {
        None => Ok(()),
        Some(item) => Err(GateError::Phase { phase: item.phase }),
    }
}

fn check_partial(report: &RunReport) -> Result<(), GateError> {
    let selected = |item: &&ItemReport| item.outcome().is_selected();
    let left_out = report.items.len() - report.items.iter().filter(selected).count();
    if report.run.partial == (left_out > 0) {
        return Ok(());
    }
    Err(GateError::Partial {
        stated: report.run.partial,
        left_out,
    })
}

fn check_findings(report: &RunReport) -> Result<(), GateError> {
    let not_passed = (report.all_items())
        .filter(|item| is_finding(item))
        .map(|item| item.id);
    if report
        .findings
        .iter()
        .map(|finding| finding.item)
        .eq(not_passed)
    {
        return Ok(());
    }
    Err(GateError::Findings)
}

fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Pass) => "pass",
        Some(Verdict::Conditional) => "conditional",
        Some(Verdict::Fail) => "fail",
        Some(Verdict::Inconclusive) => "inconclusive",
        None => "none (a partial run)",
    }
}
