//! How far one item has come, and what it amounts to at the end.

use crate::{
    engine::event::{Failure, Outcome, RunEnd, StepRecord, StepStatus},
    evidence::Evidence,
    model::outcome::NOT_SELECTED,
    plan::Item,
    report::{Fault, ItemReport, Status},
};

use super::findings::{clip, first_lines};

/// How far one chosen item has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub started: bool,
    /// In milliseconds since exec.
    pub started_ms: Option<f64>,
    pub open_step: Option<String>,
    pub steps: Vec<StepRecord>,
    pub evidence: Vec<Evidence>,
    pub finished: Option<(Outcome, f64)>,
}

impl Progress {
    /// How long it took so far, in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        self.finished.as_ref().map_or_else(
            // Not `sum`: that of nothing is -0.0.
            || {
                self.steps
                    .iter()
                    .fold(0.0, |all, step| all + step.duration_ms)
            },
            |(_, duration_ms)| *duration_ms,
        )
    }
}

/// Why items may be without an end.
#[derive(Debug)]
pub(super) enum CutOff<'a> {
    /// The stack did not come up.
    Stack(&'a str),
    /// The run ended like this; `None` where it was killed.
    Run(Option<&'a RunEnd>),
}

/// What an item's end comes to in the report.
struct Found {
    status: Status,
    fault: Option<Fault>,
    reason: Option<String>,
    failure: Option<Failure>,
}

/// The report of `item`; `progress` is `None` for an item that was not chosen.
pub(super) fn item_report(
    item: &Item,
    progress: Option<Progress>,
    cut_off: &CutOff<'_>,
) -> ItemReport {
    let found = match &progress {
        None => skipped(NOT_SELECTED.to_owned()),
        Some(progress) => found(progress, cut_off),
    };
    let progress = progress.unwrap_or_default();
    ItemReport {
        id: item.id,
        phase: item.id.phase().unwrap_or(0),
        title: item.title.clone(),
        done: item.done.clone().unwrap_or_else(|| item.title.clone()),
        priority: item.priority,
        checklist: item.checklist,
        status: found.status,
        fault: found.fault,
        started_ms: progress.started_ms,
        duration_ms: progress.duration_ms(),
        planned_minutes: item.planned_minutes,
        reason: found.reason,
        failure: found.failure,
        why: item.why.clone(),
        remedy: item.remedy.clone(),
        steps: progress.steps,
        evidence: progress.evidence,
    }
}

fn found(progress: &Progress, cut_off: &CutOff<'_>) -> Found {
    let end = match cut_off {
        CutOff::Stack(reason) => return stack_failed(reason),
        CutOff::Run(end) => *end,
    };
    let Some((outcome, _)) = &progress.finished else {
        return unfinished(progress, end);
    };
    match outcome {
        Outcome::Passed => passed(&progress.steps),
        Outcome::Failed(failure) => Found {
            status: Status::Failed,
            fault: Some(Fault::Candidate),
            reason: Some(sentence(failure)),
            failure: Some(failure.clone()),
        },
        // It would look like an item that a partial run left out, and count for nothing.
        Outcome::Skipped { reason, .. } if reason == NOT_SELECTED => {
            inconclusive("skipped as not selected, though it was chosen".to_owned())
        }
        Outcome::Skipped {
            reason,
            consequence,
        } => Found {
            fault: consequence.then_some(Fault::Candidate),
            ..skipped(reason.clone())
        },
        Outcome::Inconclusive(failure) => Found {
            failure: Some(failure.clone()),
            ..inconclusive(sentence(failure))
        },
    }
}

/// A pass counts only where every step passed: a skipped or undefined step shows nothing.
fn passed(steps: &[StepRecord]) -> Found {
    let undone = steps.iter().find(|step| step.status != StepStatus::Passed);
    match undone {
        None => Found {
            status: Status::Passed,
            fault: None,
            reason: None,
            failure: None,
        },
        Some(step) => inconclusive(format!(
            "said to have passed, though the step `{}` ({}) did not",
            step.text, step.at
        )),
    }
}

fn stack_failed(reason: &str) -> Found {
    let first = clip(reason.lines().next().unwrap_or_default());
    Found {
        failure: Some(Failure {
            code: "harness.stack".to_owned(),
            did: "started the stack".to_owned(),
            expected: "every service answers".to_owned(),
            seen: reason.to_owned(),
            ..Failure::default()
        }),
        ..inconclusive(format!("did not run: the stack did not come up: {first}"))
    }
}

fn unfinished(progress: &Progress, end: Option<&RunEnd>) -> Found {
    let why = match end {
        None => "the run was killed".to_owned(),
        Some(RunEnd::Interrupted { signal }) => {
            format!("the run was interrupted by {signal}")
        }
        Some(RunEnd::Broken { reason }) => {
            format!("the run broke off: {}", first_lines(reason))
        }
        Some(RunEnd::Integrity { reason }) => format!("integrity: {}", first_lines(reason)),
        Some(RunEnd::Completed) => "the run ended without its result".to_owned(),
    };
    let how_far = match (&progress.open_step, progress.started) {
        (Some(step), _) => format!("cut off in the step `{step}`"),
        (None, true) => "cut off".to_owned(),
        (None, false) => "did not run".to_owned(),
    };
    inconclusive(format!("{how_far}: {why}"))
}

fn skipped(reason: String) -> Found {
    Found {
        status: Status::Skipped,
        fault: None,
        reason: Some(reason),
        failure: None,
    }
}

fn inconclusive(reason: String) -> Found {
    Found {
        status: Status::Inconclusive,
        fault: Some(Fault::Harness),
        reason: Some(reason),
        failure: None,
    }
}

/// A failure in one sentence.
fn sentence(failure: &Failure) -> String {
    let first = |text: &str| {
        let mut lines = text.lines().map(str::trim);
        clip(lines.find(|line| !line.is_empty()).unwrap_or("nothing"))
    };
    format!(
        "expected {}, saw {}",
        first(&failure.expected),
        first(&failure.seen)
    )
}
