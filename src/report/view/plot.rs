//! Two distributions of response times side by side, and what their comparison came to.

use serde::Serialize;

use crate::{
    evidence::Figures,
    plan::Lang,
    report::words::{self, fill},
};

/// The height of one distribution, in pixels.
const HEIGHT: f64 = 80.0;

/// How many marks an axis has.
const TICKS: u8 = 4;

/// A plot: all across in percent of its width, so that its letters keep their size.
#[derive(Serialize)]
pub struct Plot {
    /// In words, for who does not see it.
    summary: String,
    /// The baseline, upwards from the axis.
    baseline: Vec<Class>,
    /// The candidate, downwards from it.
    candidate: Vec<Class>,
    baseline_median: f64,
    candidate_median: f64,
    baseline_label: String,
    candidate_label: String,
    baseline_beyond: u32,
    candidate_beyond: u32,
    ticks: Vec<Tick>,
    ratio: Ratio,
}

#[derive(Serialize)]
struct Class {
    x: f64,
    width: f64,
    height: f64,
    /// What a pointer shows.
    label: String,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    label: String,
}

/// The interval of the ratio and the margin, on an axis of their own.
#[derive(Serialize)]
struct Ratio {
    from: f64,
    width: f64,
    at: f64,
    one: f64,
    margin: f64,
    /// `passed`, `failed`, `inconclusive`.
    class: &'static str,
    label: String,
    margin_label: String,
    /// Whether the margin's label is to stand on its left.
    margin_right: bool,
}

pub fn plot(figures: &Figures, lang: Lang) -> Plot {
    let histogram = &figures.histogram;
    let count = u32::try_from(histogram.baseline.len()).map_or(1.0, f64::from);
    let span = (histogram.width_ms * count).max(f64::EPSILON);
    let place = |ms: f64| percent((ms - histogram.from_ms) / span);
    let all = histogram.baseline.iter().chain(&histogram.candidate);
    let most = f64::from(all.copied().max().unwrap_or(1).max(1));
    let classes = |counts: &[u32]| {
        let class = |(no, counted): (u32, &u32)| Class {
            x: percent(f64::from(no) / count),
            width: percent(1.0 / count),
            height: (f64::from(*counted) / most * HEIGHT * 10.0).round() / 10.0,
            label: format!(
                "{:.3}–{:.3} ms: {counted}",
                histogram.width_ms.mul_add(f64::from(no), histogram.from_ms),
                histogram
                    .width_ms
                    .mul_add(f64::from(no + 1), histogram.from_ms)
            ),
        };
        let filled = (0..).zip(counts).filter(|(_, counted)| **counted > 0);
        filled.map(class).collect()
    };
    let tick = |no: u8| {
        let share = f64::from(no) / f64::from(TICKS);
        Tick {
            x: percent(share),
            label: format!("{:.3}", histogram.from_ms + span * share),
        }
    };
    Plot {
        summary: summary(figures, lang),
        baseline: classes(&histogram.baseline),
        candidate: classes(&histogram.candidate),
        baseline_median: place(figures.baseline_ms),
        candidate_median: place(figures.candidate_ms),
        baseline_label: format!("{:.3} ms", figures.baseline_ms),
        candidate_label: format!("{:.3} ms", figures.candidate_ms),
        baseline_beyond: histogram.baseline_beyond,
        candidate_beyond: histogram.candidate_beyond,
        ticks: (0..=TICKS).map(tick).collect(),
        ratio: ratio(figures),
    }
}

fn ratio(figures: &Figures) -> Ratio {
    let (low, high) = figures.interval;
    let first = low.min(1.0);
    let last = high.max(figures.margin).max(1.0);
    // A tenth on either side, so that nothing stands at the edge.
    let room = ((last - first) / 10.0).max(f64::EPSILON);
    let place = |ratio: f64| percent((ratio - first + room) / (last - first + 2.0 * room));
    Ratio {
        from: place(low),
        width: (place(high) - place(low)).max(0.3),
        at: place(figures.ratio),
        one: place(1.0),
        margin: place(figures.margin),
        class: if high <= figures.margin {
            "passed"
        } else if low > figures.margin {
            "failed"
        } else {
            "inconclusive"
        },
        label: format!("{:.3} ({low:.3}–{high:.3})", figures.ratio),
        margin_label: format!("{:.2}", figures.margin),
        margin_right: place(figures.margin) > 70.0,
    }
}

fn summary(figures: &Figures, lang: Lang) -> String {
    let three = |value: f64| format!("{value:.3}");
    let (low, high) = figures.interval;
    fill(
        words::words(lang).baseline_times,
        &[
            ("baseline", &three(figures.baseline_ms)),
            ("candidate", &three(figures.candidate_ms)),
            ("ratio", &three(figures.ratio)),
            ("low", &three(low)),
            ("high", &three(high)),
            ("margin", &format!("{:.2}", figures.margin)),
        ],
    )
}

fn percent(share: f64) -> f64 {
    (share.clamp(0.0, 1.0) * 1e4).round() / 100.0
}
