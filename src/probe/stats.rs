//! The comparison of two samples of durations: medians, and the interval of their ratio.

use std::{fmt, time::Duration};

use crate::evidence::{Figures, Histogram};

/// How many times the blocks are drawn again.
const RESAMPLES: usize = 2000;

/// Two gateways measured side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub baseline_ms: f64,
    pub candidate_ms: f64,
    pub ratio: f64,
    pub interval: (f64, f64),
    /// The middle half of the baseline's durations, in milliseconds.
    pub baseline_spread_ms: (f64, f64),
    /// The middle half of the candidate's durations, in milliseconds.
    pub candidate_spread_ms: (f64, f64),
    pub histogram: Histogram,
}

/// What a comparison says about a margin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slower {
    /// The whole interval is within the margin.
    No,
    /// The whole interval is beyond it.
    Yes,
    /// The interval holds the margin: the noise is too great to tell.
    CannotTell,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {:.3} ms -> {:.3} ms, ratio {:.3}, 95 % interval {:.3} to {:.3}; middle half {:.3}-{:.3} ms -> {:.3}-{:.3} ms",
            self.baseline_ms,
            self.candidate_ms,
            self.ratio,
            self.interval.0,
            self.interval.1,
            self.baseline_spread_ms.0,
            self.baseline_spread_ms.1,
            self.candidate_spread_ms.0,
            self.candidate_spread_ms.1,
        )
    }
}

impl Comparison {
    /// Compares blocks of durations that were measured in turn. The interval is a percentile
    /// bootstrap over the pairs of blocks (Efron and Tibshirani 1993, chapter 13): durations
    /// within a block depend on each other, the blocks much less so. `None` without blocks.
    pub fn of(baseline: &[Vec<Duration>], candidate: &[Vec<Duration>]) -> Option<Self> {
        let pairs: Vec<(f64, f64)> = baseline
            .iter()
            .zip(candidate)
            .map(|(b, c)| Some((median(&ms(b))?, median(&ms(c))?)))
            .collect::<Option<_>>()?;
        let ratio_of = |pairs: &[(f64, f64)]| {
            let (b, c): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            Some(median(&c)? / median(&b)?)
        };
        let ratio = ratio_of(&pairs)?;
        // A generator of one's own (SplitMix64) with a fixed seed: the same figures give the
        // same interval, so a saved report can be checked.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draws = Vec::with_capacity(RESAMPLES);
        let mut sample = Vec::with_capacity(pairs.len());
        for _ in 0..RESAMPLES {
            sample.clear();
            for _ in 0..pairs.len() {
                let at = usize::try_from(next(&mut state) % pairs.len() as u64).ok()?;
                sample.push(*pairs.get(at)?);
            }
            draws.push(ratio_of(&sample)?);
        }
        draws.sort_by(f64::total_cmp);
        let (b, c) = (ms(&baseline.concat()), ms(&candidate.concat()));
        Some(Self {
            histogram: Histogram::of(&b, &c),
            baseline_ms: median(&b)?,
            candidate_ms: median(&c)?,
            ratio,
            interval: (quantile(&draws, 0.025)?, quantile(&draws, 0.975)?),
            baseline_spread_ms: middle_half(b)?,
            candidate_spread_ms: middle_half(c)?,
        })
    }

    /// The ratio that is still not slower.
    fn margin(&self, share: f64, least_ms: f64) -> f64 {
        1.0 + share.max(least_ms / self.baseline_ms)
    }

    /// The comparison as figures for a report, with the margin that [`Self::slower_than`] holds
    /// it against.
    pub fn figures(&self, share: f64, least_ms: f64) -> Figures {
        Figures {
            histogram: self.histogram.clone(),
            baseline_ms: self.baseline_ms,
            candidate_ms: self.candidate_ms,
            ratio: self.ratio,
            interval: self.interval,
            margin: self.margin(share, least_ms),
        }
    }

    /// Whether the candidate is slower by more than `share` of the baseline, and by more than
    /// `least_ms`: a share of very little is no figure to act on.
    pub fn slower_than(&self, share: f64, least_ms: f64) -> Slower {
        let margin = self.margin(share, least_ms);
        if self.interval.1 <= margin {
            Slower::No
        } else if self.interval.0 > margin {
            Slower::Yes
        } else {
            Slower::CannotTell
        }
    }
}

fn ms(durations: &[Duration]) -> Vec<f64> {
    durations
        .iter()
        .map(|duration| duration.as_secs_f64() * 1e3)
        .collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

fn middle_half(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    Some((quantile(&values, 0.25)?, quantile(&values, 0.75)?))
}

/// The quantile of sorted values, between its neighbours in a straight line.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor();
    let (low, high) = (
        sorted.get(below as usize)?,
        sorted.get(place.ceil() as usize)?,
    );
    Some(low + (high - low) * (place - below))
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(center_us: u64, noise_us: u64) -> Vec<Vec<Duration>> {
        let mut state = center_us;
        (0..20)
            .map(|_| {
                let shift = next(&mut state) % (noise_us + 1);
                (0..50)
                    .map(|_| Duration::from_micros(center_us + shift + next(&mut state) % 5))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn the_same_gateway_twice_is_not_slower() {
        let found = Comparison::of(&blocks(2000, 10), &blocks(2000, 10)).unwrap();
        assert_eq!(found.slower_than(0.10, 0.1), Slower::No, "{found:?}");
    }

    #[test]
    fn one_that_takes_half_again_as_long_is_slower() {
        let found = Comparison::of(&blocks(2000, 10), &blocks(3000, 10)).unwrap();
        assert_eq!(found.slower_than(0.10, 0.1), Slower::Yes, "{found:?}");
        assert!(
            found.interval.0 < 1.5 && found.interval.1 > 1.49,
            "{found:?}"
        );
    }

    #[test]
    fn noise_wider_than_the_margin_is_said() {
        let found = Comparison::of(&blocks(2000, 3000), &blocks(2100, 3000)).unwrap();
        assert_eq!(
            found.slower_than(0.10, 0.1),
            Slower::CannotTell,
            "{found:?}"
        );
    }

    #[test]
    fn a_share_of_very_little_is_no_reason() {
        let found = Comparison::of(&blocks(50, 2), &blocks(80, 2)).unwrap();
        assert_eq!(found.slower_than(0.10, 0.1), Slower::No, "{found:?}");
    }

    #[test]
    fn nothing_measured_is_no_comparison() {
        assert_eq!(Comparison::of(&[], &[]), None);
        assert_eq!(Comparison::of(&[vec![]], &[vec![]]), None);
    }
}
