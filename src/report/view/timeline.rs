//! What ran when: the run's time from left to right, a lane for its start, for each phase, and
//! for the extended checks.

use serde::Serialize;

use super::items::phase_heading;
use crate::{
    plan::Lang,
    report::{
        ItemReport, RunReport,
        text::line,
        words::{self, fill},
    },
};

/// How many marks the axis has at most.
const TICKS: f64 = 8.0;

/// The height of a lane, in pixels.
const LANE: f64 = 36.0;

#[derive(Serialize)]
pub struct Timeline {
    height: f64,
    /// Where the lanes end.
    bottom: f64,
    /// In one sentence, for who does not see it.
    summary: String,
    ticks: Vec<Tick>,
    lanes: Vec<Lane>,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    label: String,
}

#[derive(Serialize)]
struct Lane {
    name: String,
    label_y: f64,
    y: f64,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    /// The item that it stands for, where it does.
    item: String,
    /// `start`, or the item's outcome.
    class: &'static str,
    what: String,
    outcome: &'static str,
    from: String,
    took: String,
    /// Percent of the run.
    x: f64,
    width: f64,
}

/// `None` where nothing tells when anything ran.
pub fn timeline(report: &RunReport, lang: Lang) -> Option<Timeline> {
    let w = words::words(lang);
    let whole = report.run.duration_ms;
    if whole <= 0.0 || report.all_items().all(|item| item.started_ms.is_none()) {
        return None;
    }
    let start = |what: &str, from_ms: f64, took_ms: f64| Bar {
        item: String::new(),
        class: "start",
        what: what.to_owned(),
        outcome: "",
        ..bar(from_ms, took_ms, whole)
    };
    let mut rows: Vec<(String, Vec<Bar>)> = Vec::new();
    if let Some(up) = report.run.stack_up {
        let bars = vec![
            start(w.prepared, 0.0, up.from_ms),
            start(w.stack_came_up, up.from_ms, up.to_ms - up.from_ms),
        ];
        rows.push((w.start.to_owned(), bars));
    }
    let bars = |items: &[ItemReport], phase: u8| -> Vec<Bar> {
        let items = items.iter().filter(|item| item.phase == phase);
        items
            .filter_map(|item| item_bar(item, whole, lang))
            .collect()
    };
    for phase in &report.phases {
        let title = phase_heading(phase.id, &line(phase.title.get(lang)));
        rows.push((title, bars(&report.items, phase.id)));
    }
    rows.push((w.extended_checks.to_owned(), bars(&report.extended, 0)));
    rows.retain(|(_, bars)| !bars.is_empty());
    let mut bottom = 0.0;
    let mut lanes = Vec::new();
    for (name, bars) in rows {
        lanes.push(Lane {
            name,
            label_y: bottom + 13.0,
            y: bottom + 18.0,
            bars,
        });
        bottom += LANE;
    }
    Some(Timeline {
        height: bottom + 22.0,
        bottom,
        summary: fill(w.timeline_says, &[("took", &words::duration(whole))]),
        ticks: ticks(whole),
        lanes,
    })
}

fn item_bar(item: &ItemReport, whole: f64, lang: Lang) -> Option<Bar> {
    let outcome = item.outcome();
    Some(Bar {
        item: item.id.to_string(),
        class: outcome.name(),
        what: format!("{} {}", item.id, line(item.title.get(lang))),
        outcome: words::outcome(outcome, lang),
        ..bar(item.started_ms?, item.duration_ms, whole)
    })
}

fn bar(from_ms: f64, took_ms: f64, whole: f64) -> Bar {
    let percent = |ms: f64| (ms / whole * 1e4).round() / 100.0;
    let x = percent(from_ms).clamp(0.0, 100.0);
    Bar {
        item: String::new(),
        class: "",
        what: String::new(),
        outcome: "",
        from: words::duration(from_ms),
        took: words::duration(took_ms),
        x,
        // What takes no time at all can still be seen.
        width: percent(took_ms).clamp(0.15, (100.0 - x).max(0.15)),
    }
}

/// Round moments, few enough to be read.
fn ticks(whole: f64) -> Vec<Tick> {
    let rough = whole / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= whole {
        ticks.push(Tick {
            x: (at / whole * 1e4).round() / 100.0,
            label: words::duration(at),
        });
        at += step;
    }
    ticks
}
