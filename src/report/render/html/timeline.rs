//! What ran when.

use serde::Serialize;

use super::items::class;
use crate::{
    plan::Lang,
    report::{
        ItemReport, RunReport,
        render::{
            text::line,
            words::{self, say},
        },
    },
};

/// How many marks the axis has at most.
const TICKS: f64 = 8.0;

/// The height of a lane, in pixels.
const LANE: f64 = 36.0;

/// The run's time from left to right, a lane for its start, for each phase, and for the rest.
#[derive(Serialize)]
pub struct Timeline {
    height: f64,
    /// Where the lanes end.
    bottom: f64,
    /// In one sentence, for who does not see it.
    said: String,
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
    /// `start`, or the item's standing.
    class: &'static str,
    what: String,
    outcome: &'static str,
    from: String,
    took: String,
    /// Percent of the run.
    x: f64,
    width: f64,
}

/// The time line; `None` where nothing tells when anything ran.
pub fn timeline(report: &RunReport, lang: Lang) -> Option<Timeline> {
    let whole = report.run.duration_ms;
    let timed = |item: &&ItemReport| item.started_ms.is_some();
    if whole <= 0.0
        || !report
            .items
            .iter()
            .chain(&report.extended)
            .any(|item| timed(&item))
    {
        return None;
    }
    let mut rows: Vec<(String, Vec<Bar>)> = Vec::new();
    if let Some(up) = report.run.stack_up {
        let start = say(lang, "Start", "起動");
        let prepared = say(
            lang,
            "prepared: plan, files, lint",
            "準備（計画・設定・静的チェック）",
        );
        let stack = say(lang, "the stack came up", "検証環境の起動");
        rows.push((
            start.to_owned(),
            vec![
                bar("", "start", prepared.to_owned(), "", 0.0, up.from_ms, whole),
                bar(
                    "",
                    "start",
                    stack.to_owned(),
                    "",
                    up.from_ms,
                    up.to_ms - up.from_ms,
                    whole,
                ),
            ],
        ));
    }
    for phase in &report.phases {
        let items = report.items.iter().filter(|item| item.phase == phase.id);
        let title = format!("Phase {}: {}", phase.id, line(phase.title.get(lang)));
        rows.push((
            title,
            items
                .filter_map(|item| item_bar(item, whole, lang))
                .collect(),
        ));
    }
    let extended = report.extended.iter();
    let bars = extended
        .filter_map(|item| item_bar(item, whole, lang))
        .collect();
    rows.push((say(lang, "Extended checks", "追加検証").to_owned(), bars));
    rows.retain(|(_, bars)| !bars.is_empty());
    let mut y = 0.0;
    let mut lanes = Vec::new();
    for (name, bars) in rows {
        lanes.push(Lane {
            name,
            label_y: y + 13.0,
            y: y + 18.0,
            bars,
        });
        y += LANE;
    }
    Some(Timeline {
        height: y + 22.0,
        bottom: y,
        said: match lang {
            Lang::En => format!(
                "The run took {}; what it did when is in the table below.",
                words::duration(whole)
            ),
            Lang::Ja => format!(
                "所要時間 {}。経過は下の表のとおりです。",
                words::duration(whole)
            ),
        },
        ticks: ticks(whole),
        lanes,
    })
}

fn item_bar(item: &ItemReport, whole: f64, lang: Lang) -> Option<Bar> {
    let what = format!("{} {}", item.id, line(item.title.get(lang)));
    let outcome = words::standing_word(item, lang);
    let (id, class) = (item.id.to_string(), class(item).0);
    Some(bar(
        &id,
        class,
        what,
        outcome,
        item.started_ms?,
        item.duration_ms,
        whole,
    ))
}

fn bar(
    item: &str,
    class: &'static str,
    what: String,
    outcome: &'static str,
    from_ms: f64,
    took_ms: f64,
    whole: f64,
) -> Bar {
    let percent = |ms: f64| (ms / whole * 1e4).round() / 100.0;
    let x = percent(from_ms).clamp(0.0, 100.0);
    Bar {
        item: item.to_owned(),
        class,
        what,
        outcome,
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
    let step = steps
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough);
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
