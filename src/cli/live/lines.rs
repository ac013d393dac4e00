//! The lines that an event leaves behind: an item that is over, in a line; and in full what was
//! done, expected and seen where it did not come out.

use super::progress::{Progress, standing};
use crate::{
    engine::event::{Outcome, RunEvent},
    plan::ItemId,
    report::render::{
        GREEN, RED, Style, YELLOW, failure,
        text::{columns, line, pad, wrap},
        words::{self, say},
    },
    verdict::Outcome as Standing,
};

/// Below this an item's line has no columns.
const NARROW: usize = 60;

/// The sign of what became of an item.
pub fn mark(found: Standing) -> &'static str {
    match found {
        Standing::Passed => "✔",
        Standing::Failed => "✘",
        Standing::Skipped | Standing::NotSelected => "-",
        Standing::Inconclusive => "?",
    }
}

/// Its colour.
pub fn sgr(found: Standing) -> &'static str {
    match found {
        Standing::Passed => GREEN,
        Standing::Failed => RED,
        Standing::Skipped | Standing::NotSelected | Standing::Inconclusive => YELLOW,
    }
}

/// The lines that an event is worth.
pub fn lines(progress: &Progress, event: &RunEvent, style: Style) -> Vec<String> {
    match event {
        RunEvent::StackFailed { reason } => {
            let head = say(
                style.lang,
                "the stack did not come up",
                "検証環境を起動できません",
            );
            let mut lines = vec![style.paint(YELLOW, &format!("! {head}"))];
            lines.extend(failure::because(reason, style));
            lines
        }
        RunEvent::ItemFinished {
            item,
            outcome,
            duration_ms,
        } => {
            let found = standing(outcome);
            let mut lines = over(progress, *item, found, *duration_ms, style);
            match outcome {
                Outcome::Passed => {}
                Outcome::Failed(seen) | Outcome::Inconclusive(seen) => {
                    lines.extend(failure::shown(seen, style));
                }
                Outcome::Skipped { reason, .. } => lines.extend(failure::because(reason, style)),
            }
            lines
        }
        _ => Vec::new(),
    }
}

/// `✔ 3.4 passed          17.3 ms  Token API tracking`, or, where that does not fit, its title first.
fn over(
    progress: &Progress,
    item: ItemId,
    found: Standing,
    duration_ms: f64,
    style: Style,
) -> Vec<String> {
    let lang = style.lang;
    let title = line(progress.title(item, lang));
    let paint = |text: &str| style.paint(sgr(found), text);
    let sign = paint(mark(found));
    let word = match found {
        // What must not be overlooked.
        Standing::Failed => words::outcome(found, lang).to_uppercase(),
        _ => words::outcome(found, lang).to_owned(),
    };
    if style.width < NARROW {
        let told = match found {
            Standing::Passed => format!("{item} {title}"),
            _ => format!("{item} {title}: {word}"),
        };
        let mut lines = hanging(&format!("{sign} "), 4, &told, style);
        let took = format!("  {duration_ms:.1} ms");
        let last = wrap(&told, style.width.saturating_sub(5)).pop();
        match lines.last_mut() {
            Some(line)
                if last.is_some_and(|last| 4 + columns(&last) + columns(&took) < style.width) =>
            {
                line.push_str(&took);
            }
            _ => lines.push(format!("  {took}")),
        }
        return lines;
    }
    let (item, word) = (item.to_string(), pad(&word, 12));
    let took = format!("{duration_ms:>7.1} ms");
    let indent = columns(&item) + columns(&word) + columns(&took) + 6;
    let word = match found {
        Standing::Passed => word,
        _ => paint(&word),
    };
    hanging(
        &format!("{sign} {item} {word} {took}  "),
        indent,
        &title,
        style,
    )
}

/// A text behind what its first line begins with, its further lines indented.
fn hanging(before: &str, indent: usize, text: &str, style: Style) -> Vec<String> {
    let wrapped = wrap(text, style.width.saturating_sub(indent + 1));
    let line = |(at, line): (usize, &String)| match at {
        0 => format!("{before}{line}"),
        _ => " ".repeat(indent) + line,
    };
    wrapped.iter().enumerate().map(line).collect()
}
