//! Runs together: what is flaky, and how times move. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Conditions, Flaky, Folder, History, ItemSummary, RunSummary, SCHEMA_VERSION, Trend, Trends,
};
use crate::{
    compare::{Pace, State, median, paces},
    plan::ItemId,
};

/// Puts together what a folder says: of the `last` runs, of these items.
#[must_use]
pub fn history(folder: Folder, last: Option<usize>, asked: &[ItemId]) -> History {
    let mut runs = folder.runs;
    // A time that cannot be read comes first, and runs of one time by their ids.
    let time = |run: &RunSummary| run.started_at.parse::<jiff::Timestamp>().ok();
    runs.sort_by(|one, other| (time(one), &one.id).cmp(&(time(other), &other.id)));
    let older = last.map_or(0, |last| runs.len().saturating_sub(last));
    let runs = runs.split_off(older);
    let wanted = |id: ItemId| asked.is_empty() || asked.contains(&id);
    let titles = folder.titles.into_iter().filter(|(id, _)| wanted(*id));
    let mut flaky = flaky(&runs);
    flaky.retain(|one| wanted(one.id));
    History {
        schema_version: SCHEMA_VERSION,
        flaky,
        trends: trends(&runs, asked),
        titles: titles.collect(),
        runs,
        unread: folder.unread,
        mutations: folder.mutations,
        older,
        asked: asked.to_vec(),
    }
}

/// The items that passed and did not pass under the same conditions, those that did so most often
/// first.
///
/// An item that was skipped says nothing, and neither does one that was inconclusive in a run that
/// was interrupted or broke off: something else has happened there, and is told of the run. An
/// item that never passed is not flaky, and one that failed or passed before a run broke off
/// counts.
fn flaky(runs: &[RunSummary]) -> Vec<Flaky> {
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
    let wavers = |((conditions, id), states): ((&Conditions, ItemId), Vec<(State, &str)>)| {
        let count = |wanted: State| states.iter().filter(|(state, _)| *state == wanted).count();
        let mut others = states.iter().filter(|(state, _)| *state != State::Passed);
        let (_, last) = others.next_back()?;
        let passed = count(State::Passed);
        (passed > 0).then(|| Flaky {
            id,
            conditions: conditions.clone(),
            passed,
            failed: count(State::Failed),
            inconclusive: count(State::Inconclusive),
            states: states.iter().map(|(state, _)| *state).collect(),
            last: (*last).to_owned(),
        })
    };
    let mut found: Vec<Flaky> = seen.into_iter().filter_map(wavers).collect();
    found.sort_by_key(|one| (Reverse(one.failed + one.inconclusive), one.id));
    found
}

/// With fewer runs there are no halves to compare.
const LEAST_RUNS: usize = 4;

/// `None` where there are no values.
fn trend(values: Vec<f64>, pace: Option<Pace>) -> Option<Trend> {
    let halves = (values.len() >= LEAST_RUNS).then(|| values.split_at(values.len() / 2));
    Some(Trend {
        median: median(&values)?,
        first_half: halves.and_then(|(first, _)| median(first)),
        second_half: halves.and_then(|(_, second)| median(second)),
        pace,
        values,
    })
}

/// How times move; `None` where no run was gone through to its end.
fn trends(runs: &[RunSummary], asked: &[ItemId]) -> Option<Trends> {
    let chosen =
        |run: &RunSummary| -> BTreeSet<ItemId> { run.items.iter().map(|item| item.id).collect() };
    let latest = runs.iter().rev().find(|run| run.is_complete())?;
    let ids = chosen(latest);
    let same = |run: &&RunSummary| {
        run.is_complete()
            && run.conditions.stack == latest.conditions.stack
            && run.conditions.plan == latest.conditions.plan
            && chosen(run) == ids
    };
    let compared: Vec<&RunSummary> = runs.iter().filter(same).collect();
    let paced = halves(&compared, &ids);
    let of = |id: ItemId, figure: &dyn Fn(&ItemSummary) -> Option<f64>, pace: Option<Pace>| {
        Some((id, trend(passed(&compared, id, figure), pace)?))
    };
    let timed = ids.iter().filter(|id| match asked {
        [] => paced.contains_key(id),
        asked => asked.contains(id),
    });
    let items = timed.filter_map(|id| of(*id, &took, paced.get(id).copied()));
    let wanted = ids
        .iter()
        .filter(|id| asked.is_empty() || asked.contains(id));
    let ratios = wanted.filter_map(|id| of(*id, &|item| Some(item.measured?.ratio), None));
    Some(Trends {
        runs: compared.len(),
        left_out: runs.len() - compared.len(),
        items: items.collect(),
        ratios: ratios.collect(),
        run: trend(compared.iter().map(|run| run.duration_ms).collect(), None)?,
    })
}

fn took(item: &ItemSummary) -> Option<f64> {
    Some(item.duration_ms)
}

/// A figure of an item in every run in which it passed: one that failed has waited in vain.
fn passed(
    runs: &[&RunSummary],
    id: ItemId,
    figure: &dyn Fn(&ItemSummary) -> Option<f64>,
) -> Vec<f64> {
    runs.iter()
        .filter_map(|run| run.item(id))
        .filter(|item| item.state == State::Passed)
        .filter_map(figure)
        .collect()
}

/// The items whose medians changed beyond noise from the first half of the runs to the second.
fn halves(runs: &[&RunSummary], ids: &BTreeSet<ItemId>) -> BTreeMap<ItemId, Pace> {
    if runs.len() < LEAST_RUNS {
        return BTreeMap::new();
    }
    let (first, second) = runs.split_at(runs.len() / 2);
    let medians = |half: &[&RunSummary]| -> Vec<(ItemId, f64)> {
        let median = |id: &ItemId| Some((*id, median(&passed(half, *id, &took))?));
        ids.iter().filter_map(median).collect()
    };
    paces(&medians(first), &medians(second)).map_or_else(BTreeMap::new, |found| found.items)
}
