//! At a terminal: what was done, expected and seen, beside their labels.

use super::{
    Style,
    text::{columns, lines, pad, wrap},
    words::say,
};
use crate::{engine::event::Failure, plan::Lang};

/// How many lines of a field are shown.
const SEEN_LINES: usize = 40;
/// How much of a text is looked at while a run goes, in characters: far more than is shown.
const MOST: usize = 8_000;

/// A failure while its run goes: in full, but for what would fill more than the screen.
#[must_use]
pub fn shown(failure: &Failure, style: Style) -> Vec<String> {
    let told = told(failure, style.lang).map(|(label, body)| (label, within(&body)));
    split(&all(&told, false, style))
}

/// Why something did not run, as [`shown`] has it.
#[must_use]
pub fn because(reason: &str, style: Style) -> Vec<String> {
    let told = [(reason_label(style.lang), within(&lines(reason)))];
    split(&all(&told, false, style))
}

/// What the reason of something that did not run is called.
pub fn reason_label(lang: Lang) -> &'static str {
    say(lang, "because", "理由")
}

/// What was done, expected and seen, with what each is called.
pub fn told(failure: &Failure, lang: Lang) -> [(&'static str, String); 3] {
    [
        (say(lang, "done", "実施"), lines(&failure.did)),
        (say(lang, "expected", "期待"), lines(&failure.expected)),
        (say(lang, "seen", "結果"), lines(&failure.seen)),
    ]
}

/// Labels with their texts beside them. What is to be done next, the last, may hold commands.
pub fn fields(shown: &[(&str, String)], style: Style) -> String {
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
pub fn field(label: &str, body: &str, commands: bool, style: Style) -> String {
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
    let note = match style.lang {
        Lang::En => format!("[… {left_out} lines left out: see report.md …]"),
        Lang::Ja => format!("[… {left_out}行省略：report.md を参照 …]"),
    };
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
