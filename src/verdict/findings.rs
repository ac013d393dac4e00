//! The plan's table of problems found (検出された問題).

use crate::{
    engine::event::NEEDS_BROWSER,
    model::outcome::Outcome,
    plan::{Checklist, ItemId},
    report::{Finding, FindingState, ItemReport, Severity},
};

/// How many lines of what was seen a finding quotes.
const CAUSE_LINES: usize = 3;
/// How long a quoted line may be, in characters.
const LINE_LIMIT: usize = 200;

/// One row for each item that was chosen and did not pass, numbered from 1, in the plan's
/// order; extended checks last.
#[must_use]
pub fn findings(items: &[ItemReport], extended: &[ItemReport]) -> Vec<Finding> {
    items
        .iter()
        .chain(extended)
        .filter(|item| is_finding(item))
        .zip(1..)
        .map(|(item, no)| finding(item, no))
        .collect()
}

/// Whether an item is a row there: it was chosen and did not pass. That only a real browser can go
/// through an extended check, and none was asked for, is no problem of the gateway's.
#[must_use]
pub fn is_finding(item: &ItemReport) -> bool {
    !matches!(item.outcome(), Outcome::Passed | Outcome::NotSelected) && !lacks_browser(item)
}

/// Whether an extended check was skipped because only a real browser can go through it, and none
/// was asked for.
#[must_use]
pub fn lacks_browser(item: &ItemReport) -> bool {
    matches!(item.id, ItemId::Extended(_))
        && item.outcome() == Outcome::Skipped
        && item.reason.as_deref() == Some(NEEDS_BROWSER)
}

fn finding(item: &ItemReport, no: u32) -> Finding {
    let found = item.outcome();
    let what = match found {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Skipped | Outcome::NotSelected => "did not run",
    };
    let cause = match &item.failure {
        Some(failure) if !failure.seen.trim().is_empty() => first_lines(&failure.seen),
        _ => first_lines(item.reason.as_deref().unwrap_or("no reason given")),
    };
    Finding {
        no,
        item: item.id,
        severity: severity(item),
        summary: format!("{}: {what}", item.title.en),
        cause,
        remedy: item.remedy.clone(),
        state: state(item, found),
    }
}

/// How bad it is that this item did not pass. An extended check is never critical: it cannot
/// forbid a deployment.
#[must_use]
pub fn severity(item: &ItemReport) -> Severity {
    let extended = matches!(item.id, ItemId::Extended(_));
    match item.checklist {
        Checklist::Required if extended => Severity::Major,
        Checklist::Required => Severity::Critical,
        Checklist::Important => Severity::Major,
        Checklist::Recommended | Checklist::Unlisted => Severity::Minor,
    }
}

fn state(item: &ItemReport, found: Outcome) -> FindingState {
    match (found, severity(item)) {
        (_, Severity::Critical) if item.is_failed() => FindingState::Rollback,
        (Outcome::Inconclusive, _) => FindingState::Rerun,
        _ => FindingState::Open,
    }
}

/// The first lines of `text` that say something, each of bounded length.
pub(super) fn first_lines(text: &str) -> String {
    let mut lines = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    let mut short: Vec<String> = lines.by_ref().take(CAUSE_LINES).map(clip).collect();
    if lines.next().is_some() {
        short.push("…".to_owned());
    }
    short.join("\n")
}

/// `line` in at most [`LINE_LIMIT`] characters.
pub(super) fn clip(line: &str) -> String {
    if line.chars().count() <= LINE_LIMIT {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(LINE_LIMIT - 1).collect();
    short.push('…');
    short
}
