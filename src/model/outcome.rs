//! What became of an item: the one answer that judgement, reports and comparisons count by.

use serde::{Deserialize, Serialize};

use super::{
    event::{self, StepStatus},
    report::{Fault, ItemReport, RunReport, Status},
};
use crate::plan::ItemId;

/// The reason, in `report.json`, of an item that a partial run left out.
pub const NOT_SELECTED: &str = "not selected (partial run)";

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed, and nothing in it says otherwise.
    Passed,
    /// The candidate failed it.
    Failed,
    /// No conclusion: inconclusive, failed by the harness, or contradicting itself.
    Inconclusive,
    /// It was selected and did not run.
    Skipped,
    /// A partial run left it out.
    NotSelected,
}

impl Outcome {
    /// Every outcome that an item of a run can have.
    pub const SELECTED: [Self; 4] = [
        Self::Passed,
        Self::Failed,
        Self::Inconclusive,
        Self::Skipped,
    ];

    /// A failure that nobody is named for is not the candidate's, and a pass with a fault or an
    /// unfinished step is not a pass.
    #[must_use]
    pub fn of(item: &ItemReport) -> Self {
        let passed = |step: &event::StepRecord| step.status == StepStatus::Passed;
        match (item.status, item.fault) {
            (Status::Passed, None) if item.steps.iter().all(passed) => Self::Passed,
            (Status::Failed, Some(Fault::Candidate)) => Self::Failed,
            (Status::Skipped, _) if item.reason.as_deref() == Some(NOT_SELECTED) => {
                Self::NotSelected
            }
            (Status::Skipped, _) => Self::Skipped,
            _ => Self::Inconclusive,
        }
    }

    #[must_use]
    pub fn is_selected(self) -> bool {
        self != Self::NotSelected
    }

    /// Whether somebody has to look at it: failed, or inconclusive.
    #[must_use]
    pub fn is_problem(self) -> bool {
        matches!(self, Self::Failed | Self::Inconclusive)
    }

    /// Whether it was left out, before the run or in it.
    #[must_use]
    pub fn is_skipped(self) -> bool {
        matches!(self, Self::Skipped | Self::NotSelected)
    }

    /// Its name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
            Self::NotSelected => "not-selected",
        }
    }
}

impl From<&event::Outcome> for Outcome {
    fn from(end: &event::Outcome) -> Self {
        match end {
            event::Outcome::Passed => Self::Passed,
            event::Outcome::Failed(_) => Self::Failed,
            event::Outcome::Inconclusive(_) => Self::Inconclusive,
            event::Outcome::Skipped { .. } => Self::Skipped,
        }
    }
}

impl ItemReport {
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self)
    }

    /// Whether the candidate failed it, or what it needs.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.outcome() == Outcome::Failed || self.is_consequence()
    }

    /// Whether it could not run because the candidate fails what it needs: it fails with it.
    #[must_use]
    pub fn is_consequence(&self) -> bool {
        self.outcome() == Outcome::Skipped && self.fault == Some(Fault::Candidate)
    }
}

impl RunReport {
    /// The plan's items, then the extended checks.
    pub fn all_items(&self) -> impl Iterator<Item = &ItemReport> {
        self.items.iter().chain(&self.extended)
    }

    #[must_use]
    pub fn item(&self, id: ItemId) -> Option<&ItemReport> {
        self.all_items().find(|item| item.id == id)
    }

    /// The items that were selected.
    pub fn selected(&self) -> impl Iterator<Item = &ItemReport> {
        self.all_items().filter(|item| item.outcome().is_selected())
    }
}
