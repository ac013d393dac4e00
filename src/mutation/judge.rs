//! What the plan said about one mutant, held against what it had to say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Mutant;
use crate::{
    engine::event::RunEnd,
    plan::ItemId,
    report::{ItemReport, RunReport},
    verdict::Outcome,
};

/// What an item said about a mutant.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// It saw nothing.
    Passed,
    /// It noticed, by the candidate's fault.
    Failed,
    Skipped,
    Inconclusive,
}

impl From<Outcome> for Cell {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::Skipped | Outcome::NotSelected => Self::Skipped,
            Outcome::Inconclusive => Self::Inconclusive,
        }
    }
}

/// One mutant with what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub id: String,
    pub title: String,
    /// The items that had to fail.
    pub breaks: Vec<ItemId>,
    /// What each item said that was run.
    pub items: BTreeMap<ItemId, Cell>,
    /// What is wrong with that, one sentence each. Empty: it was caught, by the right items
    /// and by no other.
    pub complaints: Vec<String>,
    /// The cause as the catalogue has it.
    pub cause: Option<String>,
    /// The causes that the diagnosis named, the likeliest first.
    pub named: Vec<String>,
    /// The codes of the candidate's failures.
    #[serde(default)]
    pub codes: BTreeSet<String>,
    /// Whether the plan that is compared with noticed; `None` where there was none.
    pub noticed_by_other: Option<bool>,
    pub duration_ms: f64,
    /// Whether a first run could not tell, by the harness's fault or its environment's, and this
    /// is what a second one said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Whether it was not caught because items could not tell, and for no other reason: none
    /// passed that had to fail, and none failed that had to pass.
    #[serde(skip)]
    pub unclear: bool,
}

impl Judged {
    fn new(mutant: &Mutant) -> Self {
        Self {
            id: mutant.id.clone(),
            title: mutant.title.clone(),
            breaks: mutant.breaks.clone(),
            cause: mutant.cause.clone(),
            ..Self::default()
        }
    }

    /// A mutant that could not be made or run.
    #[must_use]
    pub fn broken(mutant: &Mutant, why: String) -> Self {
        Self {
            complaints: vec![why],
            ..Self::new(mutant)
        }
    }

    /// Whether it was caught by the right items and by no other.
    #[must_use]
    pub fn caught(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Whether no item at all noticed.
    #[must_use]
    pub fn survived(&self) -> bool {
        !self.items.is_empty() && !self.items.values().any(|cell| *cell == Cell::Failed)
    }
}

/// Holds the report on a mutant against its entry in the catalogue. Items that were not chosen
/// say nothing.
#[must_use]
pub fn judge(mutant: &Mutant, report: &RunReport) -> Judged {
    let mut judged = Judged::new(mutant);
    judged.duration_ms = report.run.duration_ms;
    let causes = report.causes.iter().map(|cause| cause.rule.clone());
    judged.named = causes.collect();
    let (mut could_not_tell, mut contradicted) = (false, false);
    for item in report.selected() {
        let cell = Cell::from(item.outcome());
        judged.items.insert(item.id, cell);
        if let (Cell::Failed, Some(failure)) = (cell, &item.failure) {
            judged.codes.insert(failure.code.clone());
        }
        let complaint = complaint(mutant, item, cell);
        contradicted |= complaint.is_some() && matches!(cell, Cell::Passed | Cell::Failed);
        could_not_tell |= cell == Cell::Inconclusive;
        judged.complaints.extend(complaint);
    }
    for item in &mutant.breaks {
        if !judged.items.contains_key(item) {
            let complaint = format!("{item} must fail, and was not run");
            judged.complaints.push(complaint);
        }
    }
    judged.complaints.extend(cut_off(report));
    judged.unclear = !judged.caught() && could_not_tell && !contradicted;
    judged
}

/// Why the run did not come to its end.
fn cut_off(report: &RunReport) -> Option<String> {
    Some(match &report.run.end {
        Some(RunEnd::Completed) => return None,
        Some(RunEnd::Broken { reason }) => format!("the run broke off: {reason}"),
        Some(RunEnd::Integrity { reason }) => format!("integrity: {reason}"),
        Some(RunEnd::Interrupted { signal }) => format!("the run was interrupted by {signal}"),
        None => "the run was killed".to_owned(),
    })
}

fn complaint(mutant: &Mutant, item: &ItemReport, cell: Cell) -> Option<String> {
    let breaks = mutant.breaks.contains(&item.id);
    let may = mutant.may.iter().any(|allowed| allowed.covers(item.id));
    let must = match (cell, breaks) {
        (Cell::Failed, true) => return None,
        (_, true) => "fail",
        (Cell::Passed, false) => return None,
        (_, false) if may => return None,
        (_, false) => "pass",
    };
    let word = match cell {
        Cell::Passed => "passed",
        Cell::Failed => "failed",
        Cell::Skipped => "was skipped",
        Cell::Inconclusive => "could not tell",
    };
    Some(format!("{} must {must}, and {word}{}", item.id, why(item)))
}

/// What was seen, or why it did not run; nothing where neither is known.
fn why(item: &ItemReport) -> String {
    let seen = item.failure.as_ref().map(|failure| failure.seen.as_str());
    let why = seen.or(item.reason.as_deref()).unwrap_or_default();
    match why.lines().take(3).collect::<Vec<_>>().join(" / ") {
        why if why.is_empty() => why,
        why => format!(": {why}"),
    }
}

/// Whether any item noticed the broken gateway, for a plan that is compared with.
///
/// # Errors
/// Why that is not known: an item that could not tell or did not run has not noticed anything, and
/// has not let anything through.
pub fn noticed(report: &RunReport) -> Result<bool, String> {
    let items = || report.selected();
    if items().any(|item| item.outcome() == Outcome::Failed) {
        return Ok(true);
    }
    if let Some(why) = cut_off(report) {
        return Err(why);
    }
    let mut unknown = items().filter(|item| item.outcome() != Outcome::Passed);
    match unknown.next() {
        Some(item) => Err(format!("{} could not tell{}", item.id, why(item))),
        None if items().next().is_none() => Err("no item was run".to_owned()),
        None => Ok(false),
    }
}
