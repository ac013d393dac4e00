//! The bars as lines: a pure function of how far the run is, of the time and of the terminal's
//! size.

use std::time::Duration;

use super::{
    lines::{mark, sgr},
    progress::{Now, Progress},
};
use crate::{
    report::render::{
        BOLD, Style,
        text::{clip, columns, line, pad, wrap},
        words::say,
    },
    verdict::Outcome as Standing,
};

const DIM: &str = "2";
/// The most that a bar needs: an item a cell, up to so many.
const BAR_MOST: usize = 40;
/// The least that a bar is worth having.
const BAR_LEAST: usize = 4;
/// What moves where nothing else does.
const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];
/// How long each of them stands.
const SPIN_MS: u128 = 80;
/// Narrower terminals show a step in two lines.
const WIDE: usize = 60;

/// How it is to look.
#[derive(Clone, Copy)]
pub struct Look {
    /// Language, colours and columns.
    pub style: Style,
    /// How many rows there are.
    pub rows: usize,
}

/// The phases with their bars, how far all of it is, and what goes on now. As many lines at
/// every moment of a run, so that nothing jumps.
pub fn frame(progress: &Progress, look: Look, elapsed: Duration) -> Vec<String> {
    let style = Style {
        // The last column stays free: behind it some terminals have a line end of their own.
        width: look.style.width.saturating_sub(1).max(1),
        ..look.style
    };
    let mut below = vec![tally(progress, style, elapsed)];
    below.extend(now(progress, style, elapsed));
    let bars = bars(progress, style);
    // A blank line parts them from what is said above.
    let mut lines = if bars.len() + 2 + below.len() <= look.rows {
        let bars = bars.into_iter().map(|(_, bar)| bar);
        std::iter::once(String::new()).chain(bars).collect()
    } else {
        let running = bars.into_iter().find(|(running, _)| *running);
        Vec::from_iter(running.map(|(_, bar)| bar))
    };
    lines.append(&mut below);
    lines.truncate(look.rows.saturating_sub(1).max(1));
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A line for each phase, and whether it is the one that runs.
fn bars(progress: &Progress, style: Style) -> Vec<(bool, String)> {
    let groups = progress.groups();
    let full = groups.iter().map(|group| group.items.len()).max();
    let full = full.unwrap_or(0);
    let counted = columns(&count(full, full));
    // `> TITLE BAR COUNT`
    let room = style.width.saturating_sub(counted + 4);
    let full = full.min(BAR_MOST);
    let titles = |short| {
        groups
            .iter()
            .map(move |group| line(&group.title(style.lang, short)))
    };
    let widest = |short| {
        titles(short)
            .map(|title| columns(&title))
            .max()
            .unwrap_or(0)
    };
    let least = full.min(BAR_LEAST);
    let short = widest(false) + least > room;
    let label = widest(short).min(room.saturating_sub(least));
    let bar_room = room.saturating_sub(label).min(full);
    let titled = groups.iter().zip(titles(short));
    titled
        .map(|(group, title)| {
            let title = pad(&clip(&title, label), label);
            let (mark, title) = match group.running {
                true => (">", style.paint(BOLD, &title)),
                false => (" ", title),
            };
            let cells = cells(&group.items, bar_room);
            let blank = " ".repeat(bar_room - cells.len());
            let bar: String = cells.into_iter().map(|found| cell(found, style)).collect();
            let count = count(group.over(), group.items.len());
            let before = " ".repeat(counted.saturating_sub(columns(&count)));
            (
                group.running,
                format!("{mark} {title} {bar}{blank} {before}{count}"),
            )
        })
        .collect()
}

fn count(over: usize, of: usize) -> String {
    format!("{over}/{of}")
}

/// An item a cell, or, where there is less room, the worst of some.
fn cells(items: &[Option<Standing>], room: usize) -> Vec<Option<Standing>> {
    let cells = items.len().min(room);
    (0..cells)
        .map(|cell| {
            let (from, to) = (cell * items.len() / cells, (cell + 1) * items.len() / cells);
            let of_cell = items[from..to].iter().copied();
            of_cell.max_by_key(|found| weight(*found)).flatten()
        })
        .collect()
}

fn weight(found: Option<Standing>) -> u8 {
    match found {
        Some(Standing::Passed) => 0,
        None => 1,
        Some(Standing::Skipped | Standing::NotSelected) => 2,
        Some(Standing::Inconclusive) => 3,
        Some(Standing::Failed) => 4,
    }
}

fn cell(found: Option<Standing>, style: Style) -> String {
    match found {
        None => style.paint(DIM, "□"),
        Some(Standing::Passed) => style.paint(sgr(Standing::Passed), "■"),
        Some(found) => style.paint(sgr(found), mark(found)),
    }
}

/// `| 1.2 s  12/42  ✔ 11  ✘ 1`
fn tally(progress: &Progress, style: Style, elapsed: Duration) -> String {
    let spin = elapsed.as_millis() / SPIN_MS % SPINNER.len() as u128;
    let spin = SPINNER[usize::try_from(spin).unwrap_or(0)];
    let count = count(progress.over(), progress.chosen());
    let mut plain = format!("{spin} {}  {count}", clock(elapsed));
    let mut text = plain.clone();
    for standing in [
        Standing::Passed,
        Standing::Failed,
        Standing::Inconclusive,
        Standing::Skipped,
    ] {
        let number = progress.count(standing);
        let told = format!("{} {number}", mark(standing));
        if number == 0 || columns(&plain) + 2 + columns(&told) > style.width {
            continue;
        }
        plain.push_str(&format!("  {told}"));
        text.push_str(&format!("  {}", style.paint(sgr(standing), &told)));
    }
    text
}

/// The item now running, how long it has been, and its step.
fn now(progress: &Progress, style: Style, elapsed: Duration) -> Vec<String> {
    let lang = style.lang;
    let steps = if style.width + 1 < WIDE { 2 } else { 1 };
    let (head, step) = match &progress.now {
        Now::Starting => (
            say(lang, "starting the stack", "検証環境を起動中").to_owned(),
            "",
        ),
        Now::Between => (String::new(), ""),
        Now::Item { item, step, since } => {
            let took = format!("  {}", clock(elapsed.saturating_sub(*since)));
            let title = line(&format!("{item} {}", progress.title(*item, lang)));
            let room = style.width.saturating_sub(2 + columns(&took));
            (clip(&title, room) + &took, step.as_str())
        }
    };
    let room = style.width.saturating_sub(4);
    let mut wrapped = wrap(&line(step), room);
    if wrapped.len() > steps {
        wrapped.truncate(steps);
        if let Some(last) = wrapped.last_mut() {
            *last = clip(&format!("{last} …"), room);
        }
    }
    wrapped.resize(steps, String::new());
    let mut lines = vec![format!("  {}", clip(&head, style.width.saturating_sub(2)))];
    lines.extend((wrapped.iter()).map(|step| format!("    {}", style.paint(DIM, step))));
    lines
}

/// `1.2 s`, `1:02`.
fn clock(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", (elapsed.as_millis() / 100) as f64 / 10.0),
        seconds => format!("{}:{:02}", seconds / 60, seconds % 60),
    }
}
