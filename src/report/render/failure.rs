//! At a terminal: what was done, expected and seen, beside their labels.

use super::style::Style;
use crate::{
    engine::event,
    report::{
        text::{columns, lines, pad, wrap},
        view::{Failure, failure},
        words::{fill, words},
    },
};

/// How many lines of a field are shown.
const SEEN_LINES: usize = 40;
/// How much of a text is looked at while a run goes, in characters: far more than is shown.
const MOST: usize = 8_000;

/// A failure while its run goes: in full, but for what would fill more than the screen.
#[must_use]
pub fn shown(found: &event::Failure, style: Style) -> Vec<String> {
    let bounded = event::Failure {
        did: within(&found.did),
        expected: within(&found.expected),
        seen: within(&found.seen),
        ..found.clone()
    };
    let failure = failure(&bounded, style.lang);
    let text = headline(&failure, style) + &all(&told(&failure, style), false, style);
    split(&text)
}

/// Why something did not run, as [`shown`] has it.
#[must_use]
pub fn because(reason: &str, style: Style) -> Vec<String> {
    let reason = [(words(style.lang).short_reason, within(&lines(reason)))];
    split(&all(&reason, false, style))
}

/// The condition that is not met, on lines of its own; nothing where the language has none.
pub(super) fn headline(failure: &Failure, style: Style) -> String {
    match failure.headline() {
        headline if headline.is_empty() => headline,
        headline => format!("\n  {}", style.paragraph(2, &headline)),
    }
}

/// What was done, expected and seen, with what each is called.
pub(super) fn told(failure: &Failure, style: Style) -> Vec<(&'static str, String)> {
    let w = words(style.lang);
    vec![
        (w.short_did, failure.did.clone()),
        (w.short_expected, failure.expected.clone()),
        (w.short_seen, failure.seen.clone()),
    ]
}

/// Labels with their texts beside them. What is to be done next, the last, may hold commands.
pub(super) fn fields(shown: &[(&str, String)], style: Style) -> String {
    all(shown, true, style)
}

fn all(shown: &[(&str, String)], commands_last: bool, style: Style) -> String {
    let widest = shown.iter().map(|(label, _)| columns(label)).max();
    let mut text = String::new();
    for (at, (label, body)) in shown.iter().enumerate() {
        let label = pad(label, widest.unwrap_or(0));
        let commands = commands_last && at + 1 == shown.len();
        text.push_str(&field(&label, body.trim_end(), commands, style));
    }
    text
}

/// A label with its text beside it. Where the text has commands, indented by four, their
/// lines are left whole, so that they can be copied.
pub(super) fn field(label: &str, body: &str, commands: bool, style: Style) -> String {
    let indent = columns(label) + 4;
    let room = style.width.saturating_sub(indent).max(20);
    let shown: Vec<String> = if commands {
        let whole = |line: &str| line.starts_with("    ");
        let wrapped = body.lines().map(|line| match whole(line) {
            true => vec![line.to_owned()],
            false => wrap(line, room),
        });
        wrapped.flatten().collect()
    } else {
        bounded(wrap(body, room), style)
    };
    let mut text = String::new();
    for (at, line) in shown.iter().enumerate() {
        let margin = if at == 0 {
            format!("  {label}  ")
        } else {
            " ".repeat(indent)
        };
        text.push('\n');
        text.push_str(format!("{margin}{line}").trim_end());
    }
    text
}

/// The middle left out of what would fill the whole screen; the file has all of it.
fn bounded(mut shown: Vec<String>, style: Style) -> Vec<String> {
    if shown.len() <= SEEN_LINES {
        return shown;
    }
    let left_out = shown.len() - SEEN_LINES + 1;
    let note = fill(words(style.lang).lines_left_out, &[("count", &left_out)]);
    let head = SEEN_LINES / 2;
    shown.splice(head..head + left_out, [note]);
    shown
}

/// The beginning and the end of what is too long to be laid out while a run waits for it.
fn within(text: &str) -> String {
    let length = text.chars().count();
    if length <= MOST {
        return text.to_owned();
    }
    let head: String = text.chars().take(MOST / 2).collect();
    let tail: String = text.chars().skip(length - MOST / 2).collect();
    format!("{head}\n…\n{tail}")
}

fn split(text: &str) -> Vec<String> {
    text.lines().skip(1).map(str::to_owned).collect()
}
