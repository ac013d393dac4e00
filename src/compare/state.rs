//! What an item came to, and what a change of that means.

use serde::Serialize;

use crate::{report::ItemReport, verdict::Outcome};

/// What an item came to in a report, as the judgement counts it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It passed.
    Passed,
    /// The candidate failed it.
    Failed,
    /// It was chosen and did not run.
    Skipped,
    /// It could not tell.
    Inconclusive,
    /// It was not chosen.
    NotChosen,
    /// The report does not have it.
    Absent,
}

impl State {
    /// What `item` came to.
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

    /// Whether something is known about the candidate.
    fn is_judged(self) -> bool {
        matches!(self, Self::Passed | Self::Failed)
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It fails, and did not before.
    NewlyFailing,
    /// It failed, and passes.
    Fixed,
    /// It passed, and it is not known whether it does still.
    NoLongerProven,
    /// It failed, and it is not known whether it does still.
    NoLongerJudged,
    /// It was not known, and it passes.
    NowProven,
    /// It could not tell and did not run, or the other way round.
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
        (_, after) if after.is_judged() => Change::NowProven,
        _ => Change::Unjudged,
    })
}
