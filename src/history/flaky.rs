//! Items that waver: the same gateway, and another result.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RunSummary;
use crate::{compare::State, plan::ItemId, report::RunInfo};

/// What was run, on what: as far as a report tells. It has the hashes of the two configurations,
/// and none of Lua modules and pages: who changes those alone changes nothing here.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Conditions {
    /// The candidate's SHA-256.
    pub candidate: String,
    /// The baseline's SHA-256.
    pub baseline: String,
    /// The plan's title.
    pub plan: String,
    /// The profile.
    pub profile: String,
    /// The kind of stack.
    pub stack: String,
    /// The programs that took part, with their versions.
    pub programs: Vec<String>,
}

impl Conditions {
    /// Those of a run.
    #[must_use]
    pub fn of(run: &RunInfo) -> Self {
        let mut programs: Vec<String> = (run.components.iter())
            .map(|one| format!("{} {} {}", one.service, one.program, one.version))
            .collect();
        programs.sort();
        Self {
            candidate: run.candidate.sha256.clone(),
            baseline: run.baseline.sha256.clone(),
            plan: run.plan.en.clone(),
            profile: run.profile.clone(),
            stack: run.stack.clone(),
            programs,
        }
    }
}

/// An item that came out otherwise under the same conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flaky {
    /// Its number.
    pub id: ItemId,
    /// The conditions.
    pub conditions: Conditions,
    /// In how many runs it passed.
    pub passed: usize,
    /// In how many it failed.
    pub failed: usize,
    /// In how many it could not tell.
    pub inconclusive: usize,
    /// What it came to in each of these runs, the oldest first.
    pub states: Vec<State>,
    /// The last run in which it did not pass.
    pub last: String,
}

/// The items that passed and did not pass under the same conditions, those that did so most often
/// first.
///
/// An item that was skipped says nothing, and neither does one that could not tell in a run that
/// was interrupted or broke off: something else has happened there, and is told of the run. An
/// item that never passed does not waver, and one that failed or passed before a run broke off
/// counts.
#[must_use]
pub fn flaky(runs: &[RunSummary]) -> Vec<Flaky> {
    let mut seen: BTreeMap<(&Conditions, ItemId), Vec<(State, &str)>> = BTreeMap::new();
    for run in runs {
        for item in &run.items {
            let counts = match item.state {
                State::Passed | State::Failed => true,
                State::Inconclusive => run.is_complete(),
                _ => false,
            };
            if counts {
                let key = (&run.conditions, item.id);
                seen.entry(key).or_default().push((item.state, &run.id));
            }
        }
    }
    let mut found: Vec<Flaky> = seen
        .into_iter()
        .filter_map(|((conditions, id), states)| wavers(conditions, id, &states))
        .collect();
    found.sort_by_key(|one| (std::cmp::Reverse(one.failed + one.inconclusive), one.id));
    found
}

fn wavers(conditions: &Conditions, id: ItemId, seen: &[(State, &str)]) -> Option<Flaky> {
    let count = |wanted: State| seen.iter().filter(|(state, _)| *state == wanted).count();
    let (_, last) = seen
        .iter()
        .rev()
        .find(|(state, _)| *state != State::Passed)?;
    let passed = count(State::Passed);
    (passed > 0).then(|| Flaky {
        id,
        conditions: conditions.clone(),
        passed,
        failed: count(State::Failed),
        inconclusive: count(State::Inconclusive),
        states: seen.iter().map(|(state, _)| *state).collect(),
        last: (*last).to_owned(),
    })
}
