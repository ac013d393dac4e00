//! Which times changed beyond noise.
//!
//! One run takes one time of each item, and on a busy machine that of the same item for the same
//! gateway differs between two runs by up to eight times, and by a second: measured in six runs
//! beside other work. So no fixed factor tells noise from a change. What does is the other items
//! of the same two runs. The ratio of the times is taken for each item that passed in both; their
//! median is how much slower or faster everything was, which is the machine's or every request's,
//! nobody can tell; and their spread (the median of the absolute deviations) is the noise. An
//! item has changed where it is off the median by more than four times the spread, by at least
//! three times, and by at least 100 ms. In all 30 pairs of those six runs that named 6 times
//! out of 1260 wrongly, where a plain "twice as long and 100 ms" named 246.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::ItemId;

/// With fewer items their spread says nothing about noise.
const LEAST_ITEMS: usize = 8;
/// So many times the spread is no noise. The spread is that of a normal distribution.
const SPREADS: f64 = 4.0;
/// The median of absolute deviations of a normal distribution with deviation 1.
const NORMAL: f64 = 1.4826;
/// A change is at least so many times.
const LEAST_FACTOR: f64 = 3.0;
/// A change is at least so many milliseconds.
const LEAST_MS: f64 = 100.0;

/// What became of a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// It takes longer.
    Slower,
    /// It takes less.
    Faster,
}

/// What became of the times between two reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Paces {
    /// How much longer everything took.
    pub overall: f64,
    /// The items that stand out of that.
    pub items: BTreeMap<ItemId, Pace>,
}

/// Compares the times of the items that both have, in milliseconds; `None` where there are too
/// few of them to tell noise from a change.
#[must_use]
pub fn paces(before: &[(ItemId, f64)], after: &[(ItemId, f64)]) -> Option<Paces> {
    let before: BTreeMap<ItemId, f64> = before.iter().copied().collect();
    let both: Vec<(ItemId, f64, f64)> = after
        .iter()
        .filter_map(|(id, after)| Some((*id, *before.get(id)?, *after)))
        .filter(|(_, before, after)| *before > 0.0 && *after > 0.0)
        .collect();
    if both.len() < LEAST_ITEMS {
        return None;
    }
    let ratios: Vec<f64> = both
        .iter()
        .map(|(_, before, after)| (after / before).ln())
        .collect();
    let middle = median(&ratios)?;
    let deviations: Vec<f64> = ratios.iter().map(|ratio| (ratio - middle).abs()).collect();
    let noise = (SPREADS * NORMAL * median(&deviations)?).max(LEAST_FACTOR.ln());
    let overall = middle.exp();
    let stands_out = |((id, before, after), ratio): (&(ItemId, f64, f64), &f64)| {
        let off = ratio - middle;
        let changed = off.abs() > noise && (after - before * overall).abs() > LEAST_MS;
        let pace = if off > 0.0 {
            Pace::Slower
        } else {
            Pace::Faster
        };
        changed.then_some((*id, pace))
    };
    Some(Paces {
        overall,
        items: both.iter().zip(&ratios).filter_map(stands_out).collect(),
    })
}

/// The middle value; that of an even number of values lies between two.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let high = *sorted.get(middle)?;
    match sorted.len() % 2 {
        1 => Some(high),
        _ => Some(f64::midpoint(*sorted.get(middle - 1)?, high)),
    }
}
