//! How times move from run to run.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ItemSummary, RunSummary};
use crate::{
    compare::{Pace, State, median, paces},
    plan::ItemId,
};

/// How times move, over the runs that can be compared: gone through to their end, with the same
/// plan and the same items as the latest of them, on the same kind of stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trends {
    /// How many runs these are.
    pub runs: usize,
    /// How many others were left out.
    pub left_out: usize,
    /// The duration of the run, in milliseconds.
    pub run: Trend,
    /// Of each item that was asked for; where none was, of those whose times changed beyond noise.
    pub items: Vec<(ItemId, Trend)>,
    /// The ratio of the candidate's response time to the baseline's, by the item that measured.
    pub ratios: Vec<(ItemId, Trend)>,
}

/// A figure over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// Of every run that has it, the oldest first.
    pub values: Vec<f64>,
    /// Its median.
    pub median: f64,
    /// The median of the first half of the runs; `None` where there are too few.
    pub first_half: Option<f64>,
    /// The median of the second half; the run in the middle belongs to it.
    pub second_half: Option<f64>,
    /// Whether it changed beyond noise between the halves, as far as that can be told.
    pub pace: Option<Pace>,
}

/// With fewer runs there are no halves to compare.
const LEAST_RUNS: usize = 4;

impl Trend {
    /// `None` where there are no values.
    fn of(values: Vec<f64>, pace: Option<Pace>) -> Option<Self> {
        let halves = (values.len() >= LEAST_RUNS).then(|| values.split_at(values.len() / 2));
        Some(Self {
            median: median(&values)?,
            first_half: halves.and_then(|(first, _)| median(first)),
            second_half: halves.and_then(|(_, second)| median(second)),
            pace,
            values,
        })
    }
}

/// How times move; `None` where no run was gone through to its end.
#[must_use]
pub fn trends(runs: &[RunSummary], asked: &[ItemId]) -> Option<Trends> {
    let chosen = |run: &RunSummary| {
        run.items
            .iter()
            .map(|item| item.id)
            .collect::<BTreeSet<_>>()
    };
    let latest = runs.iter().rev().find(|run| run.is_complete())?;
    let wanted = chosen(latest);
    let same = |run: &&RunSummary| {
        run.is_complete()
            && run.conditions.stack == latest.conditions.stack
            && run.conditions.plan == latest.conditions.plan
            && chosen(run) == wanted
    };
    let compared: Vec<&RunSummary> = runs.iter().filter(same).collect();
    let paced = halves(&compared, &wanted);
    let items = wanted
        .iter()
        .filter(|id| match asked {
            [] => paced.iter().any(|(paced, _)| paced == *id),
            asked => asked.contains(id),
        })
        .filter_map(|id| {
            let pace = paced
                .iter()
                .find(|(paced, _)| paced == id)
                .map(|(_, pace)| *pace);
            let trend = Trend::of(passed(&compared, *id, |item| Some(item.duration_ms)), pace)?;
            Some((*id, trend))
        });
    let ratios = wanted
        .iter()
        .filter(|id| asked.is_empty() || asked.contains(id))
        .filter_map(|id| {
            let measured = |item: &ItemSummary| Some(item.measured?.ratio);
            Some((*id, Trend::of(passed(&compared, *id, measured), None)?))
        });
    Some(Trends {
        runs: compared.len(),
        left_out: runs.len() - compared.len(),
        items: items.collect(),
        ratios: ratios.collect(),
        run: Trend::of(compared.iter().map(|run| run.duration_ms).collect(), None)?,
    })
}

/// A figure of an item in every run in which it passed: one that failed has waited in vain.
fn passed(
    runs: &[&RunSummary],
    id: ItemId,
    figure: impl Fn(&ItemSummary) -> Option<f64>,
) -> Vec<f64> {
    runs.iter()
        .filter_map(|run| run.item(id))
        .filter(|item| item.state == State::Passed)
        .filter_map(figure)
        .collect()
}

/// The items whose medians changed beyond noise from the first half of the runs to the second.
fn halves(runs: &[&RunSummary], ids: &BTreeSet<ItemId>) -> Vec<(ItemId, Pace)> {
    if runs.len() < LEAST_RUNS {
        return Vec::new();
    }
    let (first, second) = runs.split_at(runs.len() / 2);
    let medians = |half: &[&RunSummary]| -> Vec<(ItemId, f64)> {
        ids.iter()
            .filter_map(|id| {
                let times = passed(half, *id, |item| Some(item.duration_ms));
                Some((*id, median(&times)?))
            })
            .collect()
    };
    let found = paces(&medians(first), &medians(second));
    found.into_iter().flat_map(|found| found.items).collect()
}
