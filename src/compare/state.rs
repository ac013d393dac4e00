//! What an item came to, and what a change of that means.

use serde::Serialize;

use crate::{
    report::{ItemReport, RunReport},
    verdict::Outcome,
};

/// What an item came to in a report, as the judgement counts it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Passed,
    /// By the candidate's fault.
    Failed,
    /// Chosen, and did not run.
    Skipped,
    Inconclusive,
    NotChosen,
    /// The report does not have it.
    Absent,
}

impl State {
    #[must_use]
    pub fn of(item: &ItemReport) -> Self {
        match item.outcome() {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::Skipped => Self::Skipped,
            Outcome::Inconclusive => Self::Inconclusive,
            Outcome::NotSelected => Self::NotChosen,
        }
    }
}

/// How many items and extended checks came to what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub inconclusive: usize,
}

impl Counts {
    #[must_use]
    pub fn of(report: &RunReport) -> Self {
        let count = |state| {
            let states = report.all_items().map(State::of);
            states.filter(|found| *found == state).count()
        };
        Self {
            passed: count(State::Passed),
            failed: count(State::Failed),
            skipped: count(State::Skipped),
            inconclusive: count(State::Inconclusive),
        }
    }

    #[must_use]
    pub fn each(&self) -> [(State, usize); 4] {
        [
            (State::Passed, self.passed),
            (State::Failed, self.failed),
            (State::Skipped, self.skipped),
            (State::Inconclusive, self.inconclusive),
        ]
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    NewlyFailing,
    Fixed,
    /// It passed, and it is not known whether it does still.
    NoLongerProven,
    /// It failed, and it is not known whether it does still.
    NoLongerJudged,
    /// It was not known, and it passes.
    NowProven,
    /// It was inconclusive and did not run, or the other way round.
    Unjudged,
}

impl Change {
    /// Whether the later report is the worse one for it.
    #[must_use]
    pub fn is_worse(self) -> bool {
        matches!(self, Self::NewlyFailing | Self::NoLongerProven)
    }
}

/// What became of an item. An item that one of the reports did not choose, or does not have, is
/// no change: that is told of the reports as a whole.
#[must_use]
pub fn change(before: State, after: State) -> Option<Change> {
    let looked = |state: State| !matches!(state, State::NotChosen | State::Absent);
    if before == after || !looked(before) || !looked(after) {
        return None;
    }
    Some(match (before, after) {
        (_, State::Failed) => Change::NewlyFailing,
        (State::Failed, State::Passed) => Change::Fixed,
        (State::Passed, _) => Change::NoLongerProven,
        (State::Failed, _) => Change::NoLongerJudged,
        (_, State::Passed) => Change::NowProven,
        _ => Change::Unjudged,
    })
}
